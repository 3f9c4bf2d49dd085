"""Converts pydantic's validation errors to riskray's: with the given value, and without pydantic's prefixes."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from riskray.errors import InvalidArgument

SHOWN_CHARACTERS_MAX = 100
_SCALARS = (str, int, float, bool)


def problem_message(error: Mapping[str, Any]) -> str:
    """The message of one entry of `ValidationError.errors()`, with the value if it is a scalar and not yet in the message."""
    if error["type"] == "extra_forbidden":
        return "unknown field"
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if error["type"] == "missing" or not isinstance(given, _SCALARS):
        return message
    shown = repr(given)
    if len(shown) > SHOWN_CHARACTERS_MAX:
        shown = f"{shown[:SHOWN_CHARACTERS_MAX]}..."
    return message if shown in message else f"{message}; given {shown}"


def invalid_argument(error: ValidationError) -> InvalidArgument:
    """A validation error as an error of riskray, whose text names the first invalid value."""
    problems = [{"loc": list(problem["loc"]), "msg": problem_message(problem), "code": problem["type"]} for problem in error.errors()]
    place = ".".join(str(part) for part in problems[0]["loc"])
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return InvalidArgument(f"{place}: {problems[0]['msg']}{more}" if place else f"{problems[0]['msg']}{more}", problems)


@contextmanager
def arguments_checked() -> Generator[None, None, None]:
    """Raise InvalidArgument if a model in the block refuses its values."""
    try:
        yield
    except ValidationError as error:
        raise invalid_argument(error) from None
