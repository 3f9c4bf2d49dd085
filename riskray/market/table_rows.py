"""Rows of CSV and Parquet files as dictionaries by column, for tables of a few columns that are read cell by cell."""

import csv
import datetime
import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from riskray.errors import InvalidRequest
from riskray.market.problem import Problem

ROWS_MAX = 1_000_000

Row = dict[str, Any]


def refuse(message: str, code: str, loc: tuple[str | int, ...] = ("file",)) -> InvalidRequest:
    """The error for a file that is wrong as a whole."""
    return InvalidRequest(message, [{"loc": list(loc), "msg": message, "code": code}])


def csv_rows(data: bytes, *, columns: Sequence[str], required: Sequence[str]) -> tuple[dict[int, Row], list[Problem]]:
    """Rows by number (from 1, without the header), and what is wrong with those that do not fit the header.

    Cells are text without blanks at the ends, None where nothing is left. Raises InvalidRequest for a file that is no such table.
    """
    try:
        reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
        names = [name.strip() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        _check_columns(names, columns, required)
        rows: dict[int, Row] = {}
        problems = []
        for number, row in enumerate(reader, start=1):
            if number > ROWS_MAX:
                raise refuse(f"the file has more than {ROWS_MAX:,} rows", "too_many_rows")
            if None in row or None in row.values():
                message = f"row {number} does not have the {len(names)} cells of the header"
                problems.append({"loc": ["rows", number], "msg": message, "code": "malformed_row"})
            else:
                rows[number] = {name: cell.strip() or None for name, cell in row.items()}
        return rows, problems
    except (UnicodeDecodeError, csv.Error) as error:
        raise refuse(f"the file is not readable as CSV in UTF-8: {error}", "malformed") from error


def parquet_rows(data: bytes, *, columns: Sequence[str], required: Sequence[str]) -> dict[int, Row]:
    """Rows by number, from 1. Raises InvalidRequest for a file that is no such table."""
    try:
        with pa.parquet.ParquetFile(pa.BufferReader(data)) as file:
            if file.metadata.num_rows > ROWS_MAX:
                raise refuse(f"the file has more than {ROWS_MAX:,} rows", "too_many_rows")
            _check_columns(file.schema_arrow.names, columns, required)
            rows = file.read().to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # OverflowError: a date that Python cannot hold
        raise refuse(f"the file is not readable as Parquet: {error}", "malformed") from error
    return {number: {name: _cell(cell) for name, cell in row.items()} for number, row in enumerate(rows, start=1)}


def _cell(cell: Any) -> Any:
    """Dates as text, also those that pandas keeps with a time of midnight; blank text as nothing, as in CSV."""
    if isinstance(cell, datetime.datetime) and cell.time() == datetime.time.min:
        cell = cell.date()
    if isinstance(cell, datetime.date | datetime.time):
        return str(cell)
    return (cell.strip() or None) if isinstance(cell, str) else cell


def _check_columns(names: list[str], columns: Sequence[str], required: Sequence[str]) -> None:
    problems = [
        {"loc": ["columns", name], "msg": f"unknown column {name!r}; known: {', '.join(columns)}", "code": "unknown_column"}
        for name in names
        if name not in columns
    ]
    problems += [
        {"loc": ["columns", name], "msg": f"the file has no column {name!r}", "code": "missing_column"}
        for name in required
        if name not in names
    ]
    problems += [
        {"loc": ["columns", name], "msg": f"column {name!r} appears twice", "code": "duplicate_column"}
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if problems:
        raise InvalidRequest(f"the columns do not fit: {problems[0]['msg']}", problems)
