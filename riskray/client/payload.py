"""Conversion of files, documents and tables into the body of an upload."""

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel

from riskray.errors import InvalidRequest

MEDIA_TYPE_OF_SUFFIX = {
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".csv": "text/csv",
    ".parquet": "application/vnd.apache.parquet",
}

# A file's path, bytes of JSON, a document or rows as Python objects, or a table with an Arrow interface (pyarrow, polars, pandas).
Source: TypeAlias = str | Path | bytes | BaseModel | Mapping[str, Any] | Sequence[Mapping[str, Any]] | Any


def payload_of(source: Source) -> tuple[bytes, str]:
    """Body and media type of a source of rows or of a document."""
    if isinstance(source, bytes):
        return source, MEDIA_TYPE_OF_SUFFIX[".json"]
    if isinstance(source, str | Path):
        path = Path(source)
        media_type = MEDIA_TYPE_OF_SUFFIX.get(path.suffix.lower())
        if media_type is None:
            raise InvalidRequest(f"{path} has the ending {path.suffix!r}; use one of {', '.join(MEDIA_TYPE_OF_SUFFIX)}")
        try:
            return path.read_bytes(), media_type
        except OSError as error:
            raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from error
    if isinstance(source, BaseModel):
        return source.model_dump_json().encode(), MEDIA_TYPE_OF_SUFFIX[".json"]
    if isinstance(source, Mapping | list | tuple):
        return json.dumps(source, default=str).encode(), MEDIA_TYPE_OF_SUFFIX[".json"]
    # A pyarrow table, a polars or pandas DataFrame, or any other object with an Arrow interface.
    sink = io.BytesIO()
    pq.write_table(pa.table(source), sink)
    return sink.getvalue(), MEDIA_TYPE_OF_SUFFIX[".parquet"]


def name_of(source: Source, name: str) -> str:
    """The name given, else that of the source's file without its ending, else the empty text."""
    return name or (Path(source).stem if isinstance(source, str | Path) else "")
