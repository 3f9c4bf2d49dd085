"""JSON files in which every name stands once: a second value for a notional is a mistake, not a correction."""

import codecs
import json
from typing import Any

from pydantic_core import from_json


def parse_json(data: bytes) -> Any:
    """The document; the byte order mark that some editors put first is passed over.

    Raises ValueError for what is not JSON, with line and column, and for an object that has a name twice.
    """
    data = data.removeprefix(codecs.BOM_UTF8)
    document = from_json(data)
    # A second reading, of names alone, because the faster parser keeps the last of two values without a word.
    json.loads(data, object_pairs_hook=_refuse_doubled_names, parse_int=_skip, parse_float=_skip)
    return document


def _refuse_doubled_names(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            first_name, first_value = pairs[0]
            raise ValueError(f"{name!r} stands twice in the object that begins with {first_name} {str(first_value)[:60]!r}")
        seen.add(name)


def _skip(text: str) -> str:
    return text
