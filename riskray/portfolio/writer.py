"""Writes positions to the file of a download, as CSV, JSON, Parquet or an Arrow stream.

Reading the file gives the content hash of the portfolio. Rows are in the stored order; the file also has the columns that no position
uses, so that its header shows all that its products have.
"""

import json
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet

from riskray.errors import UnsupportedFormat
from riskray.models.instrument import PRODUCT
from riskray.portfolio.schema import union_schema
from riskray.portfolio.values import LIST_SEPARATOR

FORMATS = ("csv", "json", "parquet", "arrow")

ProductBatch = tuple[str, pa.RecordBatch]


def write_portfolio(batches: Iterable[ProductBatch], *, format: str, products: Iterable[str]) -> Iterator[bytes]:
    """Yield chunks of the file, each built on demand.

    Args:
        batches: product and batch, in the order to write.
        format: one of FORMATS.
        products: all products among the batches, which give the columns.
    Raises:
        UnsupportedFormat: the format is unknown.
    """
    schema = union_schema(sorted(set(products)))
    parts = (_file_batch(product, batch, schema) for product, batch in batches)
    match format:
        case "csv":
            return _csv(parts, schema)
        case "json":
            return _json(parts)
        case "parquet":
            return _parquet(parts, schema)
        case "arrow":
            return _arrow(parts, schema)
    raise UnsupportedFormat(f"format {format!r} is not supported; use one of {', '.join(FORMATS)}")


def _file_batch(product: str, batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the columns of the file: dictionaries as text, other products' columns null."""
    arrays = []
    for field in schema:
        if field.name == PRODUCT:
            arrays.append(pa.array([product] * batch.num_rows, pa.string()))
        elif field.name not in batch.schema.names:
            arrays.append(pa.nulls(batch.num_rows, field.type))
        else:
            values = batch.column(field.name)
            as_text = pa.types.is_list(values.type) and pa.types.is_string(field.type)
            arrays.append(_joined(values) if as_text else values.cast(field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _joined(values: pa.ListArray) -> pa.Array:
    """Lists as text, elements separated by semicolons."""
    texts = pa.ListArray.from_arrays(values.offsets, values.values.cast(pa.string()), mask=values.is_null() if values.null_count else None)
    return pc.binary_join(texts, LIST_SEPARATOR)


class _Chunks:
    """A file object that keeps written data until `take` returns it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)

    def flush(self) -> None:
        """Do nothing, because writes are not buffered."""

    def close(self) -> None:
        self.closed = True


def _csv(parts: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[bytes]:
    options = pa.csv.WriteOptions(include_header=False, quoting_style="needed")
    yield (",".join(schema.names) + "\n").encode()
    for part in parts:
        arrays = [_joined(column) if pa.types.is_list(column.type) else column for column in part.columns]
        sink = pa.BufferOutputStream()
        pa.csv.write_csv(pa.RecordBatch.from_arrays(arrays, names=part.schema.names), sink, options)
        yield sink.getvalue().to_pybytes()


def _json(parts: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    """A list of objects, one per line, without null members."""
    separator = "[\n"
    for part in parts:
        given = {
            name: _iso(values).to_pylist()
            for name, values in zip(part.schema.names, part.columns, strict=True)
            if values.null_count < len(values)
        }
        lines = []
        for cells in zip(*given.values(), strict=True):
            row = {name: cell for name, cell in zip(given, cells, strict=True) if cell is not None}
            lines.append(separator + json.dumps(row, ensure_ascii=False))
            separator = ",\n"
        yield "".join(lines).encode()
    yield b"\n]\n" if separator == ",\n" else b"[]\n"


def _iso(values: pa.Array) -> pa.Array:
    """Dates as ISO text."""
    if pa.types.is_date(values.type):
        return values.cast(pa.string())
    if pa.types.is_list(values.type) and pa.types.is_date(values.type.value_type):
        return values.cast(pa.list_(pa.string()))
    return values


def _parquet(parts: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[bytes]:
    chunks = _Chunks()
    with pa.parquet.ParquetWriter(pa.PythonFile(chunks, "w"), schema, compression="zstd") as writer:
        for part in parts:
            writer.write_batch(part)
            yield chunks.take()
    yield chunks.take()


def _arrow(parts: Iterator[pa.RecordBatch], schema: pa.Schema) -> Iterator[bytes]:
    chunks = _Chunks()
    with pa.ipc.new_stream(pa.PythonFile(chunks, "w"), schema) as writer:
        for part in parts:
            writer.write_batch(part)
            yield chunks.take()
    yield chunks.take()
