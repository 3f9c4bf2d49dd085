"""Helpers of the client's methods for parameters, bodies, files and tables."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter
from typing_extensions import TypeForm

from riskray.client.results import ResultTable, read_arrow
from riskray.client.transport import Transport
from riskray.errors import InvalidArgument, InvalidRequest

ARROW_MEDIA_TYPE = "application/vnd.apache.arrow.stream"

T = TypeVar("T")


def given(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are neither None nor empty."""
    return {name: value for name, value in values.items() if value not in (None, (), [], "")}


def segment(value: str) -> str:
    """An id or a name as one segment of a path. Raises InvalidArgument for a value that would change the path."""
    if value in ("", ".", ".."):
        raise InvalidArgument(f"{value!r} is not an id or a name")
    return quote(value, safe="")


class Calls:
    """Base of the client's groups of methods."""

    transport: Transport

    def _get(self, path: str, kind: TypeForm[T], /, **params: Any) -> T:
        response = self.transport.send("GET", path, repeatable=True, params=given(params) or None)
        return TypeAdapter(kind).validate_json(response.content)

    def _post_json(
        self, path: str, body: BaseModel, *, headers: Mapping[str, str] | None = None, timeout_s: float | None = None
    ) -> httpx.Response:
        # Every JSON post here may be repeated: queries write nothing, equal content is stored as one snapshot, and a submit has an
        # idempotency key.
        return self.transport.send(
            "POST",
            path,
            repeatable=True,
            content=body.model_dump_json().encode(),
            headers={"Content-Type": "application/json", **(headers or {})},
            timeout_s=timeout_s,
        )

    def _post_content(self, path: str, content: bytes, media_type: str, kind: TypeForm[T], *, params: Mapping[str, Any] | None = None) -> T:
        headers = {"Content-Type": media_type}
        response = self.transport.send("POST", path, repeatable=True, content=content, params=params, headers=headers, timeout_s=600.0)
        answer: T = TypeAdapter(kind).validate_json(response.content)
        return answer

    def _save(self, path: str, target: Path, *, params: Mapping[str, Any]) -> httpx.Headers:
        """Stream a download to a file that appears only once it is complete."""
        draft = target.with_name(target.name + ".part")
        try:
            with self.transport.stream(path, params=params) as response, draft.open("wb") as out:
                for chunk in response.iter_bytes():
                    out.write(chunk)
            draft.replace(target)
        except OSError as error:
            raise InvalidRequest(f"{target} cannot be written: {error.strerror}") from error
        finally:
            draft.unlink(missing_ok=True)
        return response.headers

    def _download(self, path: str, filters: Mapping[str, Any]) -> ResultTable:
        with self.transport.stream(path, params=given(filters), headers={"Accept": ARROW_MEDIA_TYPE}) as response:
            expected = response.headers.get("x-row-count")
            content = b"".join(response.iter_bytes())
        return ResultTable(read_arrow(content, expected))
