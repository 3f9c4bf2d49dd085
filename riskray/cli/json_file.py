"""JSON that a command is given as a file or on standard input."""

import json
import sys
from pathlib import Path
from typing import Any

from riskray.errors import InvalidRequest


def read_json(file: Path, what: str) -> Any:
    """The content of a file, or of stdin for `-`. Raises InvalidRequest, naming `what` was expected."""
    try:
        return json.loads(sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(f"{file} is not a JSON file of {what}: {error}") from error
