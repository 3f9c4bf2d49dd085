"""What the parts of a market document are made of: names, notes, numbers, currencies, and where numbers come from."""

import unicodedata
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, FiniteFloat

from riskray.models.common import Date
from riskray.models.instrument import CURRENCIES


class Quality(StrEnum):
    """How reliable a number is."""

    OK = "ok"
    STALE = "stale"
    ESTIMATED = "estimated"


def currency_code(code: str) -> str:
    """The code, if it is a currency's. Raises ValueError."""
    if code not in CURRENCIES:
        raise ValueError(f"{code!r} is not an ISO 4217 currency code in capitals")
    return code


def as_written(value: object) -> object:
    """The value, unless it is a number only to Python or pydantic. Raises ValueError."""
    if isinstance(value, bool):  # which Python treats as 0 or 1
        raise ValueError("expected a number, got true or false")
    if isinstance(value, str) and "_" in value:  # pydantic reads 1_0 as 10
        raise ValueError(f"{value!r} is not a number")
    return value


def _printable(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise ValueError("text has a control character or a line break")
    return text


Number = Annotated[FiniteFloat, BeforeValidator(as_written)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Note = Annotated[str, Field(max_length=2_000), AfterValidator(_printable)]
Currency = Annotated[str, AfterValidator(currency_code)]


class Document(BaseModel):
    """A part of a market document: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class Sourced(Document):
    """A part whose numbers have a source."""

    source: Note = Field(default="", description="Publisher of the numbers.", examples=["ECB, euro area yield curves"])
    quality: Quality = Field(default=Quality.OK, description="Reliability of the numbers.")
    observed_on: Date | None = Field(default=None, description="Date of the numbers, if it is not `as_of`.")
