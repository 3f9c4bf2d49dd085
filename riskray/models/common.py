"""Models that all services share: pages and errors."""

import datetime
import re
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from riskray.models.glossary import describe_fields

PAGE_LIMIT_MAX = 1000

Item = TypeVar("Item")
Chosen = TypeVar("Chosen", bound=str)


def _each_once(chosen: list[Chosen]) -> list[Chosen]:
    if repeated := sorted({str(item) for item in chosen if chosen.count(item) > 1}):
        raise ValueError(f"given more than once: {', '.join(repeated)}")
    return chosen


Distinct = Annotated[list[Chosen], AfterValidator(_each_once), Field(json_schema_extra={"uniqueItems": True})]
"""A list of names without duplicates."""

_ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def _iso_date(value: object) -> object:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    if not isinstance(value, str) or not _ISO_DATE.fullmatch(value.strip()):
        raise ValueError("not a date; write it as 2026-12-16")
    return value


Date = Annotated[datetime.date, BeforeValidator(_iso_date)]
"""A day in ISO 8601 notation; a number is refused, which pydantic would read as seconds since 1970."""

CurrencyCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 currency code.", examples=["EUR"])]


class Model(BaseModel):
    """Base of every model: unknown fields are refused, and values are immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=describe_fields)


class Page(Model, Generic[Item]):
    """One page of a list."""

    data: list[Item]
    offset: int = Field(ge=0, description="Number of items before this page.")
    limit: int = Field(ge=1, le=PAGE_LIMIT_MAX, description="Maximum number of items on a page.")
    total: int = Field(ge=0, description="Number of items in the whole list.")
    has_more: bool


class CursorPage(Model, Generic[Item]):
    """One page of a list in order of its key, with equal speed at any depth."""

    data: list[Item]
    limit: int = Field(ge=1, le=PAGE_LIMIT_MAX)
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last page.")


class Problem(Model):
    """One invalid value in a request or an upload."""

    loc: list[str | int] = Field(description="Path to the value.", examples=[["positions", 12, "notional"]])
    msg: str = Field(description="What is wrong and what is allowed.")
    code: str = Field(description="Stable code of the problem.", examples=["missing", "not_finite", "unknown_value"])


class ErrorBody(Model):
    """The body of every error response. It is also valid as RFC 9457 problem details."""

    error: str = Field(description="Stable code.", examples=["not_found"])
    detail: str = Field(description="What is wrong with which object, and how to correct it.")
    status_code: int = Field(description="HTTP status.", examples=[404])
    type: str = Field(default="about:blank", description="RFC 9457: address of a page about the error; always `about:blank`.")
    title: str = Field(description="Name of the HTTP status.", examples=["Not Found"])
    status: int = Field(description="HTTP status, under the name of RFC 9457.", examples=[404])
    instance: str = Field(description="Path of the request.", examples=["/api/v1/runs/run-0"])
    request_id: str = Field(description="Id of the request, as in `X-Request-ID` and in the service's log.", examples=["6f1d0c9b8a7e4d5c"])
    errors: list[Problem] = Field(default=[], description="All invalid values, if there are several.")


JsonObject = dict[str, Any]
