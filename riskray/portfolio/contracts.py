"""Conversion between Arrow batches of positions and the arrays that pricers take, column by column, without copies where possible.

`contracts_from_arrow` fills the declared defaults; `table_from_contracts` is its inverse for contracts made in Python.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pricers.contract.columns import NO_DATE, NO_INTEGER, Column, ColumnData, Columns, Contracts, Ragged, Text
from riskray.models.instrument import COMMON_COLUMNS, PRODUCT, UNASSIGNED
from riskray.portfolio.schema import arrow_type


def contracts_from_arrow(columns: Columns, batch: pa.RecordBatch | pa.Table) -> Contracts:
    """The contract columns of a product's batch (see `riskray.portfolio.schema`) as a pricer takes them.

    Args:
        columns: `pricer(product).columns`. A column that the batch lacks, because it was written before the column was declared, gets its
            default.
        batch: positions of that product.
    """
    data = {
        column.name: _data(
            _contiguous(batch.column(column.name)) if column.name in batch.schema.names else pa.nulls(batch.num_rows, arrow_type(column)),
            column,
        )
        for column in columns
    }
    return Contracts(row_count=batch.num_rows, data=data)


def position_fields(product: str, batch: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    """The common columns of each position as a dictionary, for pricers that take one position at a time."""
    names = [column.name for column in COMMON_COLUMNS if column.name in batch.schema.names]
    rows = batch.select(names).to_pylist()
    defaults = {column.name: column.default for column in COMMON_COLUMNS}
    return [{PRODUCT: product} | {name: defaults[name] if row[name] is None else row[name] for name in names} for row in rows]


def _contiguous(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        return values.unify_dictionaries().combine_chunks() if values.num_chunks != 1 else values.chunk(0)
    return values


def _data(values: pa.Array, column: Column) -> ColumnData:
    match column.kind:
        case "float":
            return _filled(values, np.nan if column.default is None else float(column.default))
        case "date":
            return _filled(values.cast(pa.int32()), NO_DATE if column.default is None else _day(column.default))
        case "integer":
            return _filled(values, NO_INTEGER if column.default is None else int(column.default))
        case "boolean":
            return np.asarray(values.fill_null(bool(column.default)).to_numpy(zero_copy_only=False), np.bool_)
        case "choice":
            return _filled(_choice_codes(values, column), -1 if column.default is None else column.allowed.index(column.default))
        case "text":
            return _text(values, column.default)
        case "date_list" | "float_list":
            return _ragged(values, column)


def _filled(values: pa.Array, null: float) -> np.ndarray:
    """The values as a numpy array; a view if there are no nulls."""
    if values.null_count:
        values = values.fill_null(pa.scalar(null, values.type))
    return np.asarray(values.to_numpy(zero_copy_only=True))


def _choice_codes(values: pa.DictionaryArray, column: Column) -> pa.Array:
    """Codes into `allowed`, independent of the order of the batch's dictionary (a later version may allow more values)."""
    names = values.dictionary.to_pylist()
    if tuple(names) == column.allowed[: len(names)]:
        return values.indices.cast(pa.int8())
    codes = pa.array([column.allowed.index(name) for name in names], pa.int8())
    return codes.take(values.indices)


def _text(values: pa.DictionaryArray, default: str | None) -> Text:
    names = tuple(values.dictionary.to_pylist())
    codes = values.indices.cast(pa.int32())
    if default is None or not codes.null_count:
        return Text(_filled(codes, -1), names)
    if default not in names:
        names = (*names, default)
    return Text(_filled(codes, names.index(default)), names)


def _ragged(values: pa.ListArray, column: Column) -> Ragged:
    lengths = values.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    items = values.flatten()
    if column.kind == "date_list":
        items = items.cast(pa.int32())
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return Ragged(offsets, np.asarray(items.to_numpy(zero_copy_only=False)))


def _day(date: Any) -> int:
    return int(np.datetime64(date, "D").astype(np.int64))


def table_from_contracts(
    columns: Columns, contracts: Contracts, *, position_ids: list[str], book: str = UNASSIGNED, counterparty: str = UNASSIGNED
) -> pa.Table:
    """A product's table from contracts, with one position id per row; all positions have one book and one counterparty."""
    common = {"position_id": pa.array(position_ids, pa.string())}
    for name, value in (("book", book), ("counterparty", counterparty)):
        common[name] = pa.DictionaryArray.from_arrays(np.zeros(contracts.row_count, np.int32), pa.array([value]))
    arrays = {column.name: _array(contracts.data[column.name], column) for column in columns}
    return pa.table(common | arrays)


def _array(data: ColumnData, column: Column) -> pa.Array:
    if isinstance(data, Text):
        return _dictionary(data.codes, data.names)
    if isinstance(data, Ragged):
        offsets = pa.array(data.offsets.astype(np.int32), mask=np.append(np.diff(data.offsets) == 0, False))
        return pa.ListArray.from_arrays(offsets, pa.array(data.values).cast(arrow_type(column).value_type))
    match column.kind:
        case "choice":
            return _dictionary(data, column.allowed)
        case "date":
            return pa.array(data, pa.int32(), mask=data == NO_DATE).cast(pa.date32())
        case "integer":
            return pa.array(data, pa.int32(), mask=data == NO_INTEGER)
        case "boolean":
            return pa.array(data)
        case _:
            return pc.if_else(pc.is_nan(pa.array(data)), pa.scalar(None, pa.float64()), pa.array(data))


def _dictionary(codes: np.ndarray, names: tuple[str, ...]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=codes < 0), pa.array(names, pa.string()))
