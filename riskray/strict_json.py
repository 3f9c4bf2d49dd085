"""JSON files in which names must be unique per object: a second value for a notional is a mistake, not a correction."""

import codecs
import json
from typing import Any

from pydantic_core import from_json


def parse_json(data: bytes) -> Any:
    """Parse a document, ignoring the byte order mark with which some editors begin a file.

    Raises ValueError for invalid JSON, with line and column, and for an object with a duplicate name.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    document = from_json(data)
    # The document is parsed a second time for its names, because the faster parser silently keeps the last of two values.
    json.loads(data, object_pairs_hook=_refuse_doubled_names, parse_int=_skip, parse_float=_skip)
    return document


def _refuse_doubled_names(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            first_name, first_value = pairs[0]
            raise ValueError(f"the name {name!r} appears twice in the object that begins with {first_name} {str(first_value)[:60]!r}")
        seen.add(name)


def _skip(text: str) -> str:
    return text
