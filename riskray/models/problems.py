"""What pydantic says of a wrong value, in the house's words: with the value that was given, and without pydantic's own prefixes."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import ValidationError

from riskray.errors import InvalidArgument

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


def invalid_argument(error: ValidationError) -> InvalidArgument:
    """What a model refused, as an error of riskray; the first wrong value is in its words."""
    problems = [{"loc": list(problem["loc"]), "msg": problem_message(problem), "code": problem["type"]} for problem in error.errors()]
    place = ".".join(str(part) for part in problems[0]["loc"])
    more = f", and {len(problems) - 1} more" if len(problems) > 1 else ""
    return InvalidArgument(f"{place}: {problems[0]['msg']}{more}" if place else f"{problems[0]['msg']}{more}", problems)


@contextmanager
def arguments_checked() -> Generator[None, None, None]:
    """Raises InvalidArgument for what the models made in the block refuse."""
    try:
        yield
    except ValidationError as error:
        raise invalid_argument(error) from None
