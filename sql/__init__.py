"""All SQL text of riskray: migrations `NNN_*.sql` beside this file and named queries in `queries/<topic>.sql`.

A query file is a list of blocks:

    -- name: claim_run
    -- Takes the oldest run without a lease.            (one line: what it does)
    UPDATE run SET ... WHERE ... %(owner)s

The text of a block is trusted, values travel as named parameters; where a block has `{columns}`, psycopg.sql fills in quoted
identifiers. That is why `load` may call its result LiteralString, the type psycopg demands of a query (to mypy the same as str).
"""

import re
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import LiteralString

_BLOCK = re.compile(r"^-- name: (\w+)\n-- (\S.*)\n", re.MULTILINE)


def load(name: str) -> LiteralString:
    """The text of the query `name`. Raises KeyError for a name that no file defines."""
    try:
        return queries()[name]
    except KeyError:
        raise KeyError(f"no query {name!r} in sql/queries; there are: {', '.join(sorted(queries()))}") from None


@cache
def queries() -> dict[str, str]:
    """Every query by name. Raises ValueError for a block without description and for a name defined twice."""
    found: dict[str, str] = {}
    for file in sorted(_sql_files(files(__name__) / "queries"), key=lambda file: file.name):
        text = file.read_text(encoding="utf-8")
        pieces = _BLOCK.split(text)
        if len(pieces) // 3 != text.count("-- name:"):
            raise ValueError(f"sql/queries/{file.name}: every block begins with '-- name: <name>' and one line of description")
        for name, body in zip(pieces[1::3], pieces[3::3], strict=True):
            if name in found:
                raise ValueError(f"sql/queries/{file.name}: query {name!r} is defined twice")
            found[name] = body.strip()
    return found


def migrations() -> dict[str, str]:
    """Text of every migration by file name, in order."""
    found = [file for file in _sql_files(files(__name__)) if re.match(r"\d{3}_", file.name)]
    return {file.name: file.read_text(encoding="utf-8") for file in sorted(found, key=lambda file: file.name)}


def _sql_files(folder: Traversable) -> list[Traversable]:
    return [file for file in folder.iterdir() if file.name.endswith(".sql")]
