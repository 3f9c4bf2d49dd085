"""Shapes that every service shares: pages and errors."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

PAGE_LIMIT_MAX = 1000

Item = TypeVar("Item")
Chosen = TypeVar("Chosen", bound=str)


def _each_once(chosen: list[Chosen]) -> list[Chosen]:
    if repeated := sorted({str(item) for item in chosen if chosen.count(item) > 1}):
        raise ValueError(f"given more than once: {', '.join(repeated)}")
    return chosen


Distinct = Annotated[list[Chosen], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True})]
"""A list of names, each of them once."""

CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 currency code.", examples=["EUR"])]


class Model(BaseModel):
    """Base of every contract: unknown fields are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(Model, Generic[Item]):
    """One page of a list."""

    data: list[Item]
    offset: int = Field(ge=0, description="Items skipped before this page.")
    limit: int = Field(ge=1, le=PAGE_LIMIT_MAX, description="Most items on a page.")
    total: int = Field(ge=0, description="Items in the whole list.")
    has_more: bool


class CursorPage(Model, Generic[Item]):
    """One page of a list read in order of its key: fast at any depth."""

    data: list[Item]
    limit: int = Field(ge=1, le=PAGE_LIMIT_MAX)
    next_cursor: str | None = Field(description="Pass as `cursor` to get the next page; null on the last.")


class Problem(Model):
    """One wrong value in a request or an upload."""

    loc: list[str | int] = Field(description="Path to the value.", examples=[["positions", 12, "notional"]])
    msg: str = Field(description="What is wrong and what is right.")
    code: str = Field(examples=["missing", "not_finite", "unknown_value"])


class ErrorBody(Model):
    """Every error, whatever its source. Also valid as RFC 9457 problem details."""

    error: str = Field(description="Stable code.", examples=["not_found"])
    detail: str = Field(description="What is wrong, with which thing, and what to do.")
    status_code: int = Field(examples=[404])
    type: str = "about:blank"
    title: str
    status: int
    instance: str
    request_id: str
    errors: list[Problem] = []


JsonObject = dict[str, Any]
