"""Reads positions from a file and lists every invalid cell. A file with problems is refused unless the caller accepts its valid rows.

A row has a problem if a value has the wrong type, is missing, not allowed, out of range, not finite or too long, if a cell belongs to
another product's columns, if its product is unknown, or if its position_id is not unique (every row of the group is listed). Whether the
contract makes sense (dates in order, a curve that exists) is decided by the pricer, which gives the position a status.
"""

import difflib
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pricers.registry import known_products, pricer
from riskray.errors import InvalidRequest
from riskray.models.instrument import COMMON_COLUMNS, POSITION_ID, PRODUCT
from riskray.portfolio.files import RawRows, ReadLimits, Source, file_problem, raw_rows_of, read_raw
from riskray.portfolio.schema import arrow_schema, stored_columns
from riskray.portfolio.values import Fault, convert, is_blank

READER_VERSION = 2
"""Version of the reader, stored with each upload, so that `riskray db check` can list the uploads that a faulty version has read.

1: in a file with rejected rows, valid rows could be stored with other rows' values of a column with faults, or be rejected too.
2: a rejected cell changes no other cell.
"""

PROBLEMS_LISTED_MAX = 1_000
_VALUE_SHOWN_MAX = 100
_SUGGESTIONS_AMONG_MAX = 50


@dataclass
class ReadResult:
    """The valid positions, one table per product in the order of the file, and the problems of the others.

    `problems` lists the first PROBLEMS_LISTED_MAX problems in the order of the file; `problem_count` counts all.
    """

    tables: dict[str, pa.Table]
    accepted: int
    rejected: int
    problems: list[dict[str, Any]] = field(default_factory=list)
    problem_count: int = 0


def read_portfolio(source: Source, *, format: str, allow_partial: bool = False, limits: ReadLimits | None = None) -> ReadResult:
    """Read positions of any registered products from a CSV, JSON or Parquet file.

    Args:
        source: the file's bytes, its path, or an open binary file.
        format: "csv", "json" or "parquet".
        allow_partial: accept the valid rows of a file that also has invalid ones.
        limits: limits on the size of the file.
    Raises:
        UnsupportedFormat: the format is unknown.
        InvalidRequest: the file is not readable, has an unknown or duplicate column, or no valid row; or it has an invalid row and
            `allow_partial` is false. `problems` has `loc` (["rows", number, column]), `msg`, `code`, `row`, `position_id`,
            `column`, `value`; rows are numbered from 1 without the header.
    """
    return _checked(read_raw(source, format=format, limits=limits or ReadLimits()), allow_partial=allow_partial)


def positions_table(positions: list[dict[str, Any]]) -> ReadResult:
    """Check positions given as dictionaries, such as those of a pricing request. Raises InvalidRequest as `read_portfolio` does."""
    if not positions:
        raise file_problem("empty", "there are no positions", loc=("positions",))
    return _checked(raw_rows_of(positions, limits=ReadLimits()), allow_partial=False)


def _checked(raw: RawRows, *, allow_partial: bool) -> ReadResult:
    _check_columns(raw)
    found = _Findings(raw)
    products = _products(raw, found)
    position_ids = _position_ids(raw, found)
    tables = {
        product: _product_table(raw, product, products, position_ids, found)
        for product in sorted(pc.unique(products.drop_null()).to_pylist())
    }
    bad = found.bad_rows()
    rejected = int(bad.sum()) + len(raw.unreadable)
    result = ReadResult({}, len(bad) - int(bad.sum()), rejected, found.listed(position_ids), found.count())
    if rejected and (not allow_partial or not result.accepted):
        raise InvalidRequest(_summary(result, len(bad) + len(raw.unreadable)), result.problems)
    for product, (rows, table) in tables.items():
        kept = table if not rejected else table.filter(pa.array(~bad[rows]))
        if kept.num_rows:
            result.tables[product] = kept.cast(arrow_schema(product))
    return result


def _summary(result: ReadResult, rows: int) -> str:
    listed = "" if len(result.problems) == result.problem_count else f", the first {len(result.problems):,} of which are listed"
    bad = f"{result.rejected:,} of {rows:,} row{'s' * (rows != 1)} {'is' if result.rejected == 1 else 'are'} invalid"
    count = f"{result.problem_count:,} problem{'s' * (result.problem_count != 1)}{listed}"
    return f"{bad} ({count}); nothing was stored; the first problem: {result.problems[0]['msg']}"


class _Findings:
    """Problems of cells, collected as arrays of rows; messages are built only for the problems that are listed."""

    def __init__(self, raw: RawRows) -> None:
        self._raw = raw
        self._faults: list[tuple[str, Fault]] = []

    def add(self, column: str, fault: Fault) -> None:
        if len(fault.rows):
            self._faults.append((column, fault))

    def bad_rows(self) -> np.ndarray:
        bad = np.zeros(len(self._raw.row_numbers), np.bool_)
        for _, fault in self._faults:
            bad[fault.rows] = True
        return bad

    def count(self) -> int:
        return sum(len(fault.rows) for _, fault in self._faults) + len(self._raw.unreadable)

    def listed(self, position_ids: pa.Array) -> list[dict[str, Any]]:
        """The first problems in the order of the file."""
        problems = [_row_problem(number, reason) for number, reason in sorted(self._raw.unreadable.items())[:PROBLEMS_LISTED_MAX]]
        if self._faults:
            rows = np.concatenate([fault.rows for _, fault in self._faults])
            fault_numbers = np.repeat(np.arange(len(self._faults)), [len(fault.rows) for _, fault in self._faults])
            for i in np.argsort(rows, kind="stable")[:PROBLEMS_LISTED_MAX]:
                column, fault = self._faults[fault_numbers[i]]
                problems.append(self._problem(int(rows[i]), column, fault, position_ids))
        problems.sort(key=lambda problem: int(problem["row"]))
        return problems[:PROBLEMS_LISTED_MAX]

    def _problem(self, row: int, column: str, fault: Fault, position_ids: pa.Array) -> dict[str, Any]:
        number = int(self._raw.row_numbers[row])
        cells = self._raw.columns.get(column)
        value = None if cells is None else _shown(_python_value(cells[row]))
        position_id = position_ids[row].as_py()
        where = f"row {number}" + ("" if position_id is None else f" ({position_id})")
        return {
            "loc": ["rows", number, column],
            "msg": f"{where}, column {column}: {fault.message}" + ("" if value is None else f": {value!r}"),
            "code": fault.code,
            "row": number,
            "position_id": position_id,
            "column": column,
            "value": value,
        }


def _row_problem(number: int, reason: str) -> dict[str, Any]:
    problem: dict[str, Any] = {"loc": ["rows", number], "msg": f"row {number}: {reason}", "code": "malformed_row", "row": number}
    return problem | {"position_id": None, "column": None, "value": None}


def _python_value(cell: pa.Scalar) -> Any:
    try:
        return cell.as_py()
    except (OverflowError, ValueError):  # a date that Python cannot hold
        return [_python_value(item) for item in cell.values] if pa.types.is_nested(cell.type) else f"{cell.value:d} as {cell.type}"


def _shown(value: Any) -> str | None:
    if value is None:
        return None
    text = str(value)
    return text if len(text) <= _VALUE_SHOWN_MAX else text[:_VALUE_SHOWN_MAX] + "..."


def _products(raw: RawRows, found: _Findings) -> pa.Array:
    """Product of each row as text, null if it is missing or unknown."""
    products = convert(raw.columns[PRODUCT], COMMON_COLUMNS[PRODUCT], raw.refused(COMMON_COLUMNS[PRODUCT]))
    for fault in products.faults:
        found.add(PRODUCT, fault)
    encoded = products.values
    known = known_products()
    for code, name in enumerate(encoded.dictionary.to_pylist()):
        if name is not None and name not in known:
            rows = np.flatnonzero(pc.equal(encoded.indices, code).fill_null(False).to_numpy(zero_copy_only=False))
            found.add(PRODUCT, Fault(rows, "unknown_product", f"no pricer for this product{_suggestion(name, known)}"))
    text = encoded.cast(pa.string())
    return pc.if_else(pc.is_in(text, value_set=pa.array(known, pa.string())), text, pa.scalar(None, pa.string()))


def _position_ids(raw: RawRows, found: _Findings) -> pa.Array:
    converted = convert(raw.columns[POSITION_ID], COMMON_COLUMNS[POSITION_ID], raw.refused(COMMON_COLUMNS[POSITION_ID]))
    for fault in converted.faults:
        found.add(POSITION_ID, fault)
    encoded = converted.values.dictionary_encode()
    if len(encoded.dictionary) + encoded.null_count < len(encoded):
        _name_duplicates(raw, encoded, found)
    return converted.values


def _name_duplicates(raw: RawRows, encoded: pa.DictionaryArray, found: _Findings) -> None:
    codes = encoded.indices.fill_null(-1).to_numpy()
    counts = np.bincount(codes[codes >= 0], minlength=len(encoded.dictionary))
    rows = np.flatnonzero((codes >= 0) & (counts[codes] > 1))
    order = rows[np.argsort(codes[rows], kind="stable")]
    first = order[np.searchsorted(codes[order], codes[order])]  # for each row, the first row of its group
    last = order[np.searchsorted(codes[order], codes[order], side="right") - 1]
    other = raw.row_numbers[np.where(first == order, last, first)]
    for place in range(min(len(order), PROBLEMS_LISTED_MAX)):
        message = f"position_id is not unique; row {other[place]} also has it"
        found.add(POSITION_ID, Fault(order[place : place + 1], "duplicate", message))
    found.add(POSITION_ID, Fault(order[PROBLEMS_LISTED_MAX:], "duplicate", "position_id is not unique"))


def _product_table(raw: RawRows, product: str, products: pa.Array, position_ids: pa.Array, found: _Findings) -> tuple[np.ndarray, pa.Table]:
    """Indices of the product's rows, and their table."""
    rows = np.flatnonzero(pc.equal(products, product).fill_null(False).to_numpy(zero_copy_only=False))
    whole_file = len(rows) == len(products)
    taken = pa.array(rows)

    def cells_of(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        return values if whole_file else values.take(taken)

    arrays = []
    for column in stored_columns(product):
        if column.name == POSITION_ID:
            arrays.append(cells_of(position_ids))
            continue
        is_there = column.name in raw.columns
        refused = [replace(fault, rows=np.flatnonzero(np.isin(rows, fault.rows))) for fault in raw.refused(column)]
        converted = convert(cells_of(raw.columns[column.name]) if is_there else pa.nulls(len(rows)), column, refused)
        for fault in converted.faults:
            message = fault.message if is_there else f"{product} requires this column, which is missing"
            found.add(column.name, Fault(rows[fault.rows], fault.code, message))
        arrays.append(converted.values)
    own = {column.name for column in stored_columns(product)} | {PRODUCT}
    for name in [name for name in raw.columns if name not in own]:
        cells = cells_of(raw.columns[name])
        if cells.null_count < len(cells):
            found.add(name, Fault(rows[~is_blank(cells)], "not_of_product", f"{product} has no such column; leave it blank"))
    return rows, pa.Table.from_arrays(arrays, schema=_nullable(arrow_schema(product)))


def _nullable(schema: pa.Schema) -> pa.Schema:
    """The schema with all fields nullable: required values may be null until the invalid rows are removed."""
    return pa.schema([field.with_nullable(True) for field in schema])


def _check_columns(raw: RawRows) -> None:
    """Refuse a file with an unknown column, because it is most often a misspelt one, whose values would be lost."""
    own = {column.name for product in known_products() for column in pricer(product).columns}
    known = tuple(sorted(own | {column.name for column in COMMON_COLUMNS}))
    unknown = [_shown(name) for name in raw.columns if name not in known]
    problems = [
        {
            "loc": ["columns", name],
            "msg": f"unknown column {name!r}{_suggestion(str(name), known)}",
            "code": "unknown_column",
            "column": name,
        }
        for name in unknown[:PROBLEMS_LISTED_MAX]
    ]
    problems += [
        {"loc": ["columns", name], "msg": f"column {name!r} is missing", "code": "missing_column", "column": name}
        for name in (POSITION_ID, PRODUCT)
        if name not in raw.columns
    ]
    if problems:
        raise InvalidRequest(f"the columns are not valid: {problems[0]['msg']}; nothing was stored", problems)


def _suggestion(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, n=1) or difflib.get_close_matches(name.lower(), known, n=1)
    close = close or difflib.get_close_matches(name.upper(), known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; known: {', '.join(known)}" if len(known) <= _SUGGESTIONS_AMONG_MAX else ""
