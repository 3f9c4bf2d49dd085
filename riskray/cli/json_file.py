"""JSON that a command is given as a file or on standard input."""

import sys
from pathlib import Path
from typing import Any

from riskray.errors import InvalidRequest
from riskray.strict_json import parse_json


def read_json(file: Path, what: str) -> Any:
    """The content of a file, or of stdin for `-`. Raises InvalidRequest, naming `what` was expected."""
    is_stdin = str(file) == "-"
    name = "stdin" if is_stdin else str(file)
    try:
        return parse_json(sys.stdin.read().encode() if is_stdin else file.read_bytes())
    except OSError as error:
        raise InvalidRequest(f"{name}, meant to be a JSON file of {what}, cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidRequest(f"{name} is no JSON of {what}: {error}") from error
