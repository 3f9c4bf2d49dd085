"""Tables of fixings from CSV, JSON and Parquet, checked as a whole, and back into any of the three with the same content hash.

    index,fixing_date,value,source,published_at
    EUR-EURIBOR-6M,2024-03-28,0.03851,EMMI,2024-03-28

JSON is a list of objects with these names, one object a line, or {"fixings": [...]}. Values are decimals a year for rates, and the index's
own unit otherwise. Of a price index the date is the first day of its month. What is appended to a table may have a column is_correction.
"""

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet
from pydantic import ValidationError

from pricers.market.indices import Index
from riskray.errors import MalformedJson, UnsupportedFormat
from riskray.market.fixings import FIXING_SCHEMA, NumberedFixing, fixing_problems, refused
from riskray.market.problem import Problem
from riskray.market.table_rows import ROWS_MAX, Row, csv_rows, parquet_rows, refuse
from riskray.models.market_data import FixingDocument
from riskray.models.problems import problem_message
from riskray.strict_json import parse_json

FORMATS = ("csv", "json", "parquet")
COLUMNS = tuple(FIXING_SCHEMA.names)
IS_CORRECTION = "is_correction"
_PLAIN_SCHEMA = pa.schema([(field.name, pa.string() if pa.types.is_dictionary(field.type) else field.type) for field in FIXING_SCHEMA])
_REQUIRED = ("index", "fixing_date", "value")
_CHOICES = {True: True, False: False, None: False, "true": True, "false": False, "1": True, "0": False}


def read_fixings(
    source: bytes | Path | BinaryIO,
    *,
    format: str,
    indices: Mapping[str, Index],
    may_correct: bool = False,
    rates_unchecked: bool = False,
) -> list[NumberedFixing]:
    """Read and check a table of fixings.

    Args:
        source: the file's bytes, its path, or an open binary file.
        format: "csv", "json" or "parquet".
        indices: the indices that are known, by name.
        may_correct: whether the table may have the column is_correction.
        rates_unchecked: accept rates so large that they look like per cent.
    Raises:
        UnsupportedFormat: another format.
        InvalidRequest: not readable, a value of another type, or a fixing that cannot be (see `fixing_problems`); `problems` names each by
            ["rows", number, column], with rows numbered from 1 without the header.
    """
    data = source if isinstance(source, bytes) else source.read_bytes() if isinstance(source, Path) else source.read()
    columns = (*COLUMNS, IS_CORRECTION) if may_correct else COLUMNS
    problems: list[Problem] = []
    match format:
        case "csv":
            rows, problems = csv_rows(data, columns=columns, required=_REQUIRED)
        case "json":
            rows = _json_rows(data)
        case "parquet":
            rows = parquet_rows(data, columns=columns, required=_REQUIRED)
        case _:
            raise UnsupportedFormat(f"format {format!r} is not offered; use {', '.join(FORMATS)}")
    if not rows and not problems:
        raise refuse("the file has no rows", "empty")
    fixings = [read for number, row in rows.items() if (read := _fixing(number, row, may_correct, problems)) is not None]
    problems += fixing_problems(fixings, indices=indices, rates_checked=not rates_unchecked)
    if problems:
        raise refused(sorted(problems, key=lambda problem: int(problem["loc"][1])))
    return fixings


def _fixing(number: int, row: Row, may_correct: bool, problems: list[Problem]) -> NumberedFixing | None:
    """A row as a fixing; None, with what is wrong added to `problems`, where it is none."""
    fields = {name: value for name, value in row.items() if value is not None}
    marked = fields.pop(IS_CORRECTION, None) if may_correct else None
    marked = marked.lower() if isinstance(marked, str) else marked
    if not isinstance(marked, bool | str | None) or marked not in _CHOICES:
        problems.append(_problem(number, IS_CORRECTION, "wrong_type", f"{marked!r} is not true or false"))
        return None
    try:
        fixing = FixingDocument.model_validate(fields)
    except ValidationError as error:
        problems += [
            _problem(number, str(item["loc"][0]), item["type"], problem_message(item))
            for item in error.errors(include_url=False, include_context=False)
        ]
        return None
    return NumberedFixing(("rows", number), fixing, _CHOICES[marked])


def _problem(number: int, column: str, code: str, message: str) -> Problem:
    return {"loc": ["rows", number, column], "msg": f"row {number}, {column}: {message}", "code": code}


def _json_rows(data: bytes) -> dict[int, Row]:
    document = _parsed(data)
    if isinstance(document, dict):
        document = document["fixings"] if set(document) == {"fixings"} else [document]
    if not isinstance(document, list):
        raise refuse('expected a list of fixings, {"fixings": [...]}, or one fixing per line', "malformed")
    if len(document) > ROWS_MAX:
        raise refuse(f"the file has more than {ROWS_MAX:,} rows", "too_many_rows")
    for number, row in enumerate(document, start=1):
        if not isinstance(row, dict):
            raise refuse(f"row {number} is not an object with index, fixing_date and value", "malformed", ("rows", number))
    return dict(enumerate(document, start=1))


def _parsed(data: bytes) -> Any:
    try:
        lines = data.strip().splitlines()
        if len(lines) > 1 and all(line.startswith(b"{") and line.rstrip().endswith(b"}") for line in lines):
            return [parse_json(line) for line in lines]
        return parse_json(data)
    except ValueError as error:
        message = f"the file is not valid JSON: {error}"
        raise MalformedJson(message, [{"loc": ["file"], "msg": message, "code": "malformed"}]) from error


def write_fixings(table: pa.Table, *, format: str) -> bytes:
    """A table as a file that reads back to the same hash. Raises UnsupportedFormat."""
    plain = table.cast(_PLAIN_SCHEMA)
    match format:
        case "csv":
            sink = io.StringIO()
            writer = csv.DictWriter(sink, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows({**row, "value": repr(row["value"])} for row in plain.to_pylist())
            return sink.getvalue().encode()
        case "json":
            rows = (FixingDocument.model_construct(**row) for row in plain.to_pylist())
            return b"[" + b",\n".join(row.model_dump_json(exclude_none=True, exclude_defaults=True).encode() for row in rows) + b"]\n"
        case "parquet":
            buffer = pa.BufferOutputStream()
            pa.parquet.write_table(plain, buffer, compression="zstd")
            return bytes(buffer.getvalue().to_pybytes())
    raise UnsupportedFormat(f"format {format!r} is not offered; use {', '.join(FORMATS)}")
