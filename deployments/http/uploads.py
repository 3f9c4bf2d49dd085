"""Reads uploads, which are a raw body with its Content-Type or one file of a multipart form."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import PurePath
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any, BinaryIO, cast

from fastapi import Query, Request
from starlette.datastructures import FormData, UploadFile

from riskray.errors import InvalidRequest, UnsupportedFormat

FORMAT_OF_MEDIA_TYPE = {
    "application/json": "json",
    "application/x-ndjson": "json",
    "text/csv": "csv",
    "application/vnd.apache.parquet": "parquet",
    "application/x-parquet": "parquet",
}
_FORMAT_OF_SUFFIX = {".json": "json", ".jsonl": "json", ".ndjson": "json", ".csv": "csv", ".parquet": "parquet"}

# A body up to this size stays in memory; a larger one is written to a temporary file.
_MEMORY_BYTES_MAX = 16 * 1024**2


RatesUnchecked = Annotated[
    bool,
    Query(
        description="Accept rates beyond 0.25 (2 in currencies of high rates) and moves of rates beyond 0.5, which are otherwise refused "
        "as per cent or basis points. In JSON, `rates_checked: false` has this effect."
    ),
]


# FastAPI cannot describe a body that the handler reads from the request itself.
def upload_body(*, csv: str, document: Any = None) -> dict[str, Any]:
    """`openapi_extra` of a route that takes a file, with an example as CSV and, where the route takes JSON, as JSON."""
    binary = {"type": "string", "format": "binary"}
    content: dict[str, Any] = {"application/json": {"schema": {}, "example": document}} if document is not None else {}
    content |= {
        "text/csv": {"schema": {"type": "string"}, "example": csv},
        "application/vnd.apache.parquet": {"schema": binary},
        "multipart/form-data": {"schema": {"type": "object", "properties": {"file": binary}, "required": ["file"]}},
    }
    return {"requestBody": {"required": True, "content": content}}


@dataclass(frozen=True)
class Upload:
    """A received body. `stem`: the file's name without its ending; empty for a raw body."""

    content: BinaryIO
    format: str
    stem: str


class UploadGate:
    """Admits a few uploads at a time; the others wait before their bodies are read into memory."""

    def __init__(self, at_once: int) -> None:
        self._slots = asyncio.Semaphore(at_once)

    @asynccontextmanager
    async def receive(self, request: Request) -> AsyncIterator[Upload]:
        """The request's body and its format; the body is open for the duration of the block.

        Raises UnsupportedFormat, and InvalidRequest for a form without exactly one file.
        """
        async with self._slots:
            _refuse_packed(request.headers.get("content-encoding", "identity"))
            media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
            if media_type == "multipart/form-data":
                async with request.form(max_files=1, max_fields=10) as form:
                    yield _file_of(form)
                return
            with SpooledTemporaryFile(max_size=_MEMORY_BYTES_MAX) as content:
                known = _format_of(media_type)
                async for chunk in request.stream():
                    content.write(chunk)
                content.seek(0)
                yield Upload(cast(BinaryIO, content), known, "")


def _refuse_packed(encoding: str) -> None:
    if encoding.strip().lower() != "identity":
        raise UnsupportedFormat(f"Content-Encoding {encoding!r} is not accepted; send the file uncompressed, or as Parquet")


def _format_of(media_type: str) -> str:
    if media_type not in FORMAT_OF_MEDIA_TYPE:
        offered = ", ".join([*FORMAT_OF_MEDIA_TYPE, "multipart/form-data"])
        raise UnsupportedFormat(f"Content-Type {media_type or '(none)'!r} is not accepted; send one of {offered}")
    return FORMAT_OF_MEDIA_TYPE[media_type]


def _file_of(form: FormData) -> Upload:
    files = [value for value in form.values() if isinstance(value, UploadFile)]
    if len(files) != 1:
        raise InvalidRequest(f"the form has {len(files)} files; send exactly one, in the field `file`")
    path = PurePath(files[0].filename or "")
    by_type = FORMAT_OF_MEDIA_TYPE.get((files[0].content_type or "").partition(";")[0].lower())
    known = by_type or _FORMAT_OF_SUFFIX.get(path.suffix.lower())
    if known is None:
        raise UnsupportedFormat(
            f"the format of file {path.name!r} is unknown; give it the ending .csv, .json or .parquet, or a Content-Type"
        )
    return Upload(files[0].file, known, path.stem)
