"""Scenario sets that the user made: a table with a row a scenario and a column a factor, as CSV, Parquet or JSON.

    scenario,zero/EUR-GOVT/5Y,zero/USD-GOVT/5Y relative,fx/JPY,credit
    crash,-0.0100,-0.25,0.08,0.0150

What `codec.write_matrix` writes reads back to the same content.
"""

import csv
import io
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from riskray.decimals import number_of
from riskray.errors import InvalidRequest, MalformedJson, UnsupportedFormat
from riskray.scenario.codec import LABEL_COLUMN, ScenarioMatrix, checked_matrix, from_table, move_unit_problems
from riskray.scenario.factors import parse_factor
from riskray.strict_json import parse_json

FORMATS = ("csv", "parquet", "json")


def read_matrix(source: bytes | Path | BinaryIO, *, format: str, numeraire: str, rates_unchecked: bool = False) -> ScenarioMatrix:
    """Read and check a matrix.

    Args:
        source: the file's bytes, its path, or an open binary file.
        format: "csv", "parquet" or "json".
        numeraire: currency of the FX moves, where the file does not say itself.
        rates_unchecked: take additive moves of zero rates of unlikely size, as `rates_checked: false` in JSON does.
    Raises:
        UnsupportedFormat: another format.
        InvalidRequest: not readable, a column that is no factor, a value that is no finite number, a name given twice, a move of unlikely
            size (`riskray.models.rate_units`).
    """
    data = source if isinstance(source, bytes) else source.read_bytes() if isinstance(source, Path) else source.read()
    matrix, insists = _read(data, format, numeraire)
    if not (rates_unchecked or insists) and (problems := move_unit_problems(matrix)):
        raise InvalidRequest(str(problems[0]["msg"]), problems)
    return matrix


def _read(data: bytes, format: str, numeraire: str) -> tuple[ScenarioMatrix, bool]:
    """The matrix, and whether the file itself insists on its moves of rates."""
    match format:
        case "csv":
            return _from_csv(data, numeraire), False
        case "parquet":
            try:
                table = pyarrow.parquet.read_table(io.BytesIO(data))
            except (pa.ArrowException, OSError, ValueError) as error:
                raise _unreadable(f"not a Parquet file: {error}") from None
            return from_table(table, numeraire=numeraire), False
        case "json":
            return _from_json(data, numeraire)
    raise UnsupportedFormat(f"format {format!r} is not offered; use {', '.join(FORMATS)}")


def _unreadable(message: str) -> InvalidRequest:
    return InvalidRequest(message, [{"loc": ["file"], "msg": message, "code": "unreadable"}])


def _from_csv(data: bytes, numeraire: str) -> ScenarioMatrix:
    try:
        rows = [row for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(f"not a CSV file in UTF-8: {error}") from None
    if not rows or rows[0][0].strip() != LABEL_COLUMN:
        raise _unreadable(f"the first line must name the columns, {LABEL_COLUMN!r} first")
    factors = tuple(parse_factor(header) for header in rows[0][1:])
    values = np.empty((len(rows) - 1, len(factors)))
    problems = []
    for number, row in enumerate(rows[1:], start=1):
        if len(row) != len(rows[0]):
            raise _unreadable(f"row {number} has {len(row)} columns, the header {len(rows[0])}")
        for column, text in enumerate(row[1:]):
            try:
                values[number - 1, column] = number_of(text)
            except ValueError:
                message = f"row {number}, {factors[column].header}: {text!r} is not a number"
                problems.append({"loc": ["rows", number, factors[column].header], "msg": message, "code": "not_a_number"})
    if problems:
        raise InvalidRequest(str(problems[0]["msg"]), problems)
    return checked_matrix(tuple(row[0].strip() for row in rows[1:]), factors, values, numeraire=numeraire)


def _from_json(data: bytes, numeraire: str) -> tuple[ScenarioMatrix, bool]:
    try:
        document: Any = parse_json(data)
    except ValueError as error:
        message = f"the matrix is not valid JSON: {error}"
        raise MalformedJson(message, [{"loc": ["file"], "msg": message, "code": "malformed"}]) from None
    try:
        factors = tuple(parse_factor(header) for header in document["factors"])
        labels = tuple(str(scenario["name"]) for scenario in document["scenarios"])
        numbers = [list(map(number_of, scenario["values"])) for scenario in document["scenarios"]]
        values = np.array(numbers, np.float64).reshape(len(labels), len(factors))
        stated = str(document.get("numeraire", numeraire))
        rates_checked = document.get("rates_checked", True)
        if not isinstance(rates_checked, bool):
            raise ValueError(f"rates_checked is {rates_checked!r}, neither true nor false")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f'not a scenario matrix in JSON ({error}); write {{"factors": [...], "scenarios": [{{"name": ..., "values": [...]}}]}}'
        raise _unreadable(message) from None
    return checked_matrix(labels, factors, values, numeraire=stated), not rates_checked
