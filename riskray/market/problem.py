"""What is wrong with a market document, as its checks report it."""

from typing import Any

Problem = dict[str, Any]
"""`loc` (a path in the document), `msg` and `code`."""


def problem(loc: tuple[str | int, ...], code: str, message: str) -> Problem:
    """A problem at a path."""
    return {"loc": list(loc), "msg": message, "code": code}
