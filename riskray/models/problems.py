"""What pydantic says of a wrong value, in the house's words: with the value that was given, and without pydantic's own prefixes."""

from collections.abc import Mapping
from typing import Any

SHOWN_CHARACTERS_MAX = 100
_SCALARS = (str, int, float, bool)


def problem_message(error: Mapping[str, Any]) -> str:
    """The message of one entry of `ValidationError.errors()`, with the value where it is a single one and not named already."""
    if error["type"] == "extra_forbidden":
        return "there is no such field"
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if error["type"] == "missing" or not isinstance(given, _SCALARS):
        return message
    shown = repr(given)
    if len(shown) > SHOWN_CHARACTERS_MAX:
        shown = f"{shown[:SHOWN_CHARACTERS_MAX]}..."
    return message if shown in message else f"{message}; given {shown}"
