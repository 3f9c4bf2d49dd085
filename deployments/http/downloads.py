"""Responses in the format that the caller requests by `Accept` or `?format=`; large ones are streamed."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, get_args

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from fastapi import Query, Request
from starlette.responses import Response, StreamingResponse

from deployments.http.errors import PROBLEM_MEDIA_TYPE, NotAcceptable
from deployments.http.limits import STREAM_CHUNK_BYTES
from riskray.models.common import Model


class Format(StrEnum):
    """Formats of responses."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"
    ARROW = "arrow"

    @property
    def media_type(self) -> str:
        """The media type of the response."""
        return _MEDIA_TYPES[self][0]


_MEDIA_TYPES = {
    Format.JSON: ("application/json",),
    Format.CSV: ("text/csv",),
    Format.PARQUET: ("application/vnd.apache.parquet", "application/x-parquet"),
    Format.ARROW: ("application/vnd.apache.arrow.stream",),
}

_ARROW_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(), int: pa.int64(), float: pa.float64(), list[int]: pa.list_(pa.int64()), list[float]: pa.list_(pa.float64()),
}  # fmt: skip

FormatQuery = Annotated[Format | None, Query(alias="format", description="Overrides `Accept`, for browsers.")]


def negotiated(request: Request, asked: Format | None, *, offered: tuple[Format, ...]) -> Format:
    """The offered format that the caller prefers, in order of quality. Raises NotAcceptable."""
    if asked in offered:
        return asked
    if asked is None:
        for media_range in _by_quality(request.headers.get("accept", "*/*")):
            for kind in offered:
                if any(_matches(media_range, media_type) for media_type in _MEDIA_TYPES[kind]):
                    return kind
    names = ", ".join(f"{kind.media_type} (?format={kind})" for kind in offered)
    raise NotAcceptable(f"the available formats are {names}; request one of them")


def _by_quality(accept: str) -> list[str]:
    ranges: list[tuple[float, int, str]] = []
    for part in accept.split(","):
        media_range, *parameters = (piece.strip() for piece in part.split(";"))
        quality = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
        try:
            weight = float(quality)
        except ValueError:
            weight = 1.0
        # A caller that requests problem documents means errors only, and accepts the default format otherwise.
        if weight > 0 and media_range and media_range != PROBLEM_MEDIA_TYPE:
            ranges.append((-weight, len(ranges), media_range.lower()))
    return [media_range for _, _, media_range in sorted(ranges)] or ["*/*"]


def _matches(media_range: str, media_type: str) -> bool:
    return media_range in ("*/*", media_type) or (media_range.endswith("/*") and media_type.startswith(media_range[:-1]))


def stream_answer(
    chunks: Iterator[bytes], kind: Format, *, filename: str, row_count: int | None, headers: Mapping[str, str] | None = None
) -> StreamingResponse:
    """A streamed download. `row_count` is sent as X-Row-Count, with which a client can check that a CSV is complete."""
    extra = {"Vary": "Accept", "Content-Disposition": f'attachment; filename="{filename}.{_suffix(kind)}"', **(headers or {})}
    if row_count is not None:
        extra["X-Row-Count"] = str(row_count)
    return StreamingResponse(chunks, media_type=kind.media_type, headers=extra)


def file_answer(body: bytes, kind: Format, filename: str, content_hash: bytes) -> Response:
    """A stored object as a complete file, with an ETag derived from its content."""
    headers = {
        "Vary": "Accept",
        "ETag": f'"{content_hash.hex()}-{kind}"',
        "Content-Disposition": f'attachment; filename="{filename}.{_suffix(kind)}"',
    }
    return Response(body, media_type=kind.media_type, headers=headers)


def rows_answer(
    rows: Sequence[Model], kind: Format, *, model: type[Model], groups: Sequence[str] = (), filename: str, metadata: Mapping[str, str]
) -> StreamingResponse:
    """A short list of objects as a file with one row per object; every grouping dimension becomes a column."""
    columns: dict[str, pa.Array] = {}
    for name, field in model.model_fields.items():
        if name == "group":
            columns |= {group: pa.array([row.group[group] for row in rows], pa.string()) for group in groups}  # type: ignore[attr-defined]
        else:
            columns[name] = pa.array([getattr(row, name) for row in rows], _arrow_type(field.annotation))
    table = pa.table(columns)
    chunks = encoded(lambda: nullcontext(table.to_reader()), kind, metadata=metadata)
    return stream_answer(chunks, kind, filename=filename, row_count=table.num_rows)


def _arrow_type(annotation: Any) -> pa.DataType:
    """The Arrow type of a field that is text, a number, a list of numbers, or null."""
    kinds = [kind for kind in get_args(annotation) if kind is not NoneType] if isinstance(annotation, UnionType) else [annotation]
    return pa.string() if isinstance(kinds[0], type) and issubclass(kinds[0], StrEnum) else _ARROW_TYPES[kinds[0]]


def _suffix(kind: Format) -> str:
    return "arrows" if kind is Format.ARROW else kind.value


class _ChunkSink:
    """A file object that keeps written data until `take` returns it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.closed = False
        self.pending = 0

    def write(self, data: bytes) -> int:
        part = bytes(data)
        self._parts.append(part)
        self.pending += len(part)
        return len(part)

    def flush(self) -> None:
        """Do nothing, because `take` returns the bytes."""

    def writable(self) -> bool:
        return True

    def readable(self) -> bool:
        return False

    def seekable(self) -> bool:
        return False

    def close(self) -> None:
        self.closed = True

    def take(self) -> bytes:
        joined = b"".join(self._parts)
        self._parts, self.pending = [], 0
        return joined


def encoded(
    open_reader: Callable[[], AbstractContextManager[pa.RecordBatchReader]], kind: Format, *, metadata: Mapping[str, str]
) -> Iterator[bytes]:
    """The rows of a reader encoded as `kind`, in chunks; the reader stays open until the end. `metadata` is added to the Arrow schema."""
    with open_reader() as reader:
        schema = reader.schema.with_metadata({**(reader.schema.metadata or {}), **metadata})
        sink = _ChunkSink()
        output = pa.PythonFile(sink, mode="w")
        with _writer(kind, output, _flat(schema) if kind is Format.CSV else schema) as writer:
            for batch in reader:
                if kind is Format.CSV:
                    writer.write_batch(_flat_batch(batch))
                elif kind is Format.PARQUET:
                    writer.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
                else:
                    writer.write_batch(batch)
                if sink.pending >= STREAM_CHUNK_BYTES:
                    yield sink.take()
        yield sink.take()


def _writer(kind: Format, output: pa.PythonFile, schema: pa.Schema) -> pa.ipc.RecordBatchStreamWriter:
    if kind is Format.ARROW:
        return pa.ipc.new_stream(output, schema)
    if kind is Format.PARQUET:
        return pyarrow.parquet.ParquetWriter(output, schema, compression="zstd")
    return pyarrow.csv.CSVWriter(output, schema)


def _flat(schema: pa.Schema) -> pa.Schema:
    """The schema with lists as text, because CSV has no lists; `;` separates the numbers."""
    return pa.schema([pa.field(field.name, pa.string() if pa.types.is_list(field.type) else field.type) for field in schema])


def _flat_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    columns = []
    for column in batch.columns:
        if pa.types.is_list(column.type):
            texts = [None if row is None else ";".join(map(repr, row)) for row in column.to_pylist()]
            columns.append(pa.array(texts, pa.string()))
        else:
            columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=_flat(batch.schema))
