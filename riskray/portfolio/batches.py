"""Prepares checked tables for storage: canonical order, content hash, Arrow batches, the narrow position table and requirements.

Order: product, then discount curve and currency (positions on one curve are neighbours, so that a shard reads few curves and its node
table stays in cache), then position_id. Positions are numbered densely from 0 in that order.

The content hash is SHA-256 over the values of all columns in that order. It depends on the set of positions alone, not on the file
format, the order of rows in the file, the batch size or the compression. A column that no position uses does not enter it, so that a
product may gain a column without changing the hashes of stored portfolios.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pricers.contract.columns import Column, Columns, Reference
from pricers.registry import pricer
from riskray.engine.plan import PositionRange
from riskray.models.instrument import POSITION_ID, UNASSIGNED
from riskray.portfolio.schema import arrow_schema, stored_columns

ROWS_PER_BATCH = 25_000
REFERENCES: tuple[Reference, ...] = ("discount_curve", "spread_curve", "forecast_curve", "credit_curve", "index", "currency")
_HASH_VERSION = b"riskray portfolio 1"
_IPC_OPTIONS = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=1))

REQUIREMENT_SCHEMA = pa.schema(
    [
        ("product", pa.string()),
        ("kind", pa.string()),
        ("name", pa.string()),
        ("currency", pa.string()),
        ("position_count", pa.int32()),
        ("gross_notional", pa.float64()),
    ]
)


@dataclass(frozen=True)
class PortfolioBatch:
    """Contracts of one product, contiguous in position_no; `payload` is an Arrow IPC stream with one record batch."""

    product: str
    numbers: PositionRange
    payload: bytes


@dataclass(frozen=True)
class PreparedPortfolio:
    """A portfolio as it is stored."""

    content_hash: bytes
    portfolio_id: str
    """'pf-' and the first 16 hex digits of the content hash."""
    position_count: int
    batches: list[PortfolioBatch]
    positions: pa.Table
    """position_no, position_id, product, book, counterparty, currency (of `pv`), notional."""
    requirements: pa.Table
    """product, kind (product, discount_curve, spread_curve, currency), name, currency of the notional, position_count, gross_notional."""


def prepare_portfolio(tables: dict[str, pa.Table]) -> PreparedPortfolio:
    """Order, hash, batch and summarise the tables of `read_portfolio`, one per product. Raises ValueError if there are none."""
    ordered = {product: canonical_table(product, tables[product]) for product in sorted(tables) if tables[product].num_rows}
    if not ordered:
        raise ValueError("a portfolio needs at least one position")
    digest = content_hash(ordered)
    batches: list[PortfolioBatch] = []
    positions, first = [], 0
    for product, table in ordered.items():
        for start in range(0, table.num_rows, ROWS_PER_BATCH):
            part = table.slice(start, ROWS_PER_BATCH)
            batches.append(PortfolioBatch(product, PositionRange(first + start, part.num_rows), encode_batch(part)))
        positions.append(_narrow(product, table, first))
        first += table.num_rows
    return PreparedPortfolio(
        content_hash=digest,
        portfolio_id=f"pf-{digest.hex()[:16]}",
        position_count=first,
        batches=batches,
        positions=pa.concat_tables(positions).combine_chunks(),
        requirements=pa.concat_tables([_requirements(product, table) for product, table in ordered.items()]),
    )


# ------------------------------------------------------------------------------------------------------------------- order


def canonical_table(product: str, table: pa.Table) -> pa.Table:
    """The table in canonical order, with one chunk per column and every dictionary sorted and free of unused names."""
    arrays = [_canonical_array(table.column(column.name), column) for column in stored_columns(product)]
    table = pa.Table.from_arrays(arrays, schema=arrow_schema(product))
    order = _order(product, table)
    return table if order is None else table.take(pa.array(order))


def _canonical_array(values: pa.ChunkedArray, column: Column) -> pa.Array:
    if values.num_chunks == 1:
        array = values.chunk(0)
    else:
        array = values.unify_dictionaries().combine_chunks()
        array = array if isinstance(array, pa.Array) else pa.concat_arrays(array.chunks)
    return _sorted_dictionary(array) if column.kind == "text" and column.name != POSITION_ID else array


def _sorted_dictionary(array: pa.DictionaryArray) -> pa.DictionaryArray:
    """The text with a dictionary that depends on the text alone: the used names, sorted by their UTF-8 bytes."""
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    used = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(array.dictionary)))
    names = array.dictionary.take(pa.array(used))
    rank = pc.sort_indices(names)
    new_code = np.full(len(array.dictionary) + 1, -1, np.int32)  # the last element maps code -1
    new_code[used[rank.to_numpy()]] = np.arange(len(used), dtype=np.int32)
    mapped = new_code[codes]
    return pa.DictionaryArray.from_arrays(pa.array(mapped, mask=mapped < 0), names.take(rank))


def _order(product: str, table: pa.Table) -> np.ndarray | None:
    """Row order by curves, currency and position_id; None if the rows are already in this order."""
    spec = pricer(product)
    keys = [column.name for column in spec.columns.referencing("discount_curve")]
    if spec.native_currency not in keys:
        keys.append(spec.native_currency)
    group = np.zeros(table.num_rows, np.int64)
    for name in keys:
        values = table.column(name).chunk(0)
        codes = values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64) + 1
        group = np.unique(group * (len(values.dictionary) + 1) + codes, return_inverse=True)[1]
    ids = table.column(POSITION_ID).chunk(0)
    rows = np.arange(table.num_rows) if _increasing(ids) else pc.sort_indices(ids).to_numpy()
    order = rows[np.argsort(group[rows], kind="stable")]
    return None if np.array_equal(order, np.arange(table.num_rows)) else order


def _increasing(ids: pa.Array) -> bool:
    return len(ids) < 2 or bool(pc.all(pc.less(ids[:-1], ids[1:])).as_py())


# -------------------------------------------------------------------------------------------------------------------- hash


def content_hash(ordered: dict[str, pa.Table]) -> bytes:
    """SHA-256 of canonical tables, by product in sorted order (see the module docstring)."""
    digest = hashlib.sha256(_HASH_VERSION)
    for product, table in ordered.items():
        digest.update(f"\0product {product} {table.num_rows}".encode())
        for column in stored_columns(product):
            array = table.column(column.name).combine_chunks()
            if column.kind == "choice":  # codes depend on the allowed values, names do not
                array = _sorted_dictionary(array)
            if array.null_count < len(array):
                digest.update(f"\0column {column.name} {column.kind}".encode())
                for part in _hash_parts(array):
                    digest.update(part)
    return digest.digest()


def _hash_parts(array: pa.Array) -> Iterator[bytes | memoryview]:
    """The array's content as bytes that do not depend on its layout: null slots hold zeros, offsets start at 0."""
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    if array.null_count:
        yield np.packbits(array.is_valid().to_numpy(zero_copy_only=False)).tobytes()
    kind = array.type
    if pa.types.is_dictionary(kind):
        yield from _hash_parts(array.indices.cast(pa.int32()))
        yield from _hash_parts(array.dictionary)
    elif pa.types.is_string(kind):
        lengths = pc.binary_length(array).fill_null(0)
        yield from _hash_parts(lengths)
        yield _text_bytes(array)
    elif pa.types.is_list(kind):
        yield from _hash_parts(array.value_lengths().fill_null(0))
        yield from _hash_parts(array.flatten())
    elif pa.types.is_boolean(kind):
        yield np.packbits(array.fill_null(False).to_numpy(zero_copy_only=False)).tobytes()
    else:
        numbers = array.cast(pa.int32()) if pa.types.is_date32(kind) else array
        yield np.ascontiguousarray(numbers.fill_null(0).to_numpy(zero_copy_only=False)).data.cast("B")


def _text_bytes(array: pa.Array) -> bytes | memoryview:
    """All texts joined: the data buffer between the first and last offset."""
    offsets = np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]
    data = array.buffers()[2]
    if data is None or not len(array):
        return b""
    if array.null_count:  # the bytes of a null slot are not content
        return "".join(text for text in array.to_pylist() if text is not None).encode()
    return memoryview(data)[int(offsets[0]) : int(offsets[-1])]


# ----------------------------------------------------------------------------------------------------------------- batches


def encode_batch(table: pa.Table) -> bytes:
    """An IPC stream (zstd) with one record batch, whose dictionaries hold only used names."""
    arrays = []
    for name, values in zip(table.column_names, table.columns, strict=True):
        array = values.combine_chunks()
        array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
        is_text = pa.types.is_dictionary(array.type) and array.type.index_type == pa.int32()
        arrays.append(_sorted_dictionary(array) if is_text and name != POSITION_ID else array)
    batch = pa.RecordBatch.from_arrays(arrays, schema=table.schema)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=_IPC_OPTIONS) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue().to_pybytes())


def decode_batch(payload: bytes | memoryview) -> pa.RecordBatch:
    """The record batch of a stored payload."""
    with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
        return reader.read_next_batch()


# --------------------------------------------------------------------------------------------------------------- summaries


def _narrow(product: str, table: pa.Table, first: int) -> pa.Table:
    spec = pricer(product)
    return pa.table(
        {
            "position_no": pa.array(np.arange(first, first + table.num_rows, dtype=np.int32)),
            "position_id": table.column(POSITION_ID),
            "product": pa.array([product]).take(pa.array(np.zeros(table.num_rows, np.int8))),
            "book": table.column("book").cast(pa.string()).fill_null(UNASSIGNED),
            "counterparty": table.column("counterparty").cast(pa.string()).fill_null(UNASSIGNED),
            "currency": table.column(spec.native_currency).cast(pa.string()),
            "notional": table.column(spec.notional).fill_null(0.0),
        }
    )


def _requirements(product: str, table: pa.Table) -> pa.Table:
    """The market data that the positions name, by currency, with the number of positions and their gross notional."""
    spec = pricer(product)
    gross = np.abs(table.column(spec.notional).fill_null(0.0).to_numpy())
    currency = _codes(table.column(spec.notional_currency or spec.native_currency))
    parts = [_counted(product, "product", (np.zeros(len(gross), np.int64), [product]), currency, gross)]
    for kind in REFERENCES:
        columns = [_with_default(table.column(column.name), column) for column in spec.columns.referencing(kind)]
        parts += [_counted(product, kind, names, currency, gross) for names in _merged(columns)]
    unforecast = [_without_forecast(table, column, spec.columns) for column in spec.columns.referencing("index")]
    parts += [_counted(product, "index_curve", names, currency, gross) for names in _merged(unforecast)]
    table = pa.concat_tables(parts)
    keys = ["product", "kind", "name", "currency"]
    summed = table.group_by(keys, use_threads=False).aggregate([("position_count", "sum"), ("gross_notional", "sum")])
    summed = summed.rename_columns([*keys, "position_count", "gross_notional"]).sort_by([(key, "ascending") for key in keys])
    return summed.select(REQUIREMENT_SCHEMA.names).cast(REQUIREMENT_SCHEMA)


Codes = tuple[np.ndarray, list[str]]
"""int64[row] codes, -1 for null, and the names."""


def _codes(values: pa.ChunkedArray) -> Codes:
    array = values.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    return array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64), array.dictionary.to_pylist()


def _with_default(values: pa.ChunkedArray, column: Column) -> Codes:
    codes, names = _codes(values)
    if column.default is not None:
        names = [*names, column.default]
        codes = np.where(codes < 0, len(names) - 1, codes)
    return codes, names


def _without_forecast(table: pa.Table, index: Column, columns: Columns) -> Codes:
    """The indices of a column where the contract does not name the curve that forecasts them: `forecast_curve` belongs to `index`,
    `pay_forecast_curve` to `pay_index`."""
    codes, names = _with_default(table.column(index.name), index)
    forecast = f"{index.name.removesuffix('index')}forecast_curve"
    if forecast in columns:
        codes = np.where(_with_default(table.column(forecast), columns[forecast])[0] < 0, codes, -1)
    return codes, names


def _merged(columns: list[Codes]) -> Iterator[Codes]:
    """Columns with one shared list of names; a row that has a name in two columns keeps only the first."""
    all_names = sorted({name for _, names in columns for name in names})
    code_of = {name: code for code, name in enumerate(all_names)}
    seen: list[np.ndarray] = []
    for codes, names in columns:
        common = np.append(np.array([code_of[name] for name in names], np.int64), -1)[codes]
        for earlier in seen:
            common = np.where(common == earlier, -1, common)
        seen.append(common)
        yield common, all_names


def _counted(product: str, kind: str, names: Codes, currency: Codes, gross: np.ndarray) -> pa.Table:
    (name_codes, name_list), (currency_codes, currency_list) = names, currency
    rows = name_codes >= 0
    key = name_codes[rows] * (len(currency_list) + 1) + currency_codes[rows] + 1
    size = len(name_list) * (len(currency_list) + 1)
    counts = np.bincount(key, minlength=size)
    sums = np.bincount(key, weights=gross[rows], minlength=size)
    used = np.flatnonzero(counts)
    return pa.table(
        {
            "product": pa.array([product] * len(used), pa.string()),
            "kind": pa.array([kind] * len(used), pa.string()),
            "name": pa.array([name_list[i // (len(currency_list) + 1)] for i in used], pa.string()),
            "currency": pa.array([["", *currency_list][i % (len(currency_list) + 1)] for i in used], pa.string()),
            "position_count": counts[used],
            "gross_notional": pa.array(sums[used], pa.float64()),
        }
    )
