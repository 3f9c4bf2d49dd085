"""The services' descriptions of snapshots, which are immutable, named, versioned and identified by the hash of their content."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from riskray.models.common import Model, Problem


class MarketSnapshot(Model):
    """A stored market."""

    market_id: str = Field(description="`mkt-` and the start of the content hash.", examples=["mkt-90b1c2d3e4f5a6b7"])
    name: str = Field(examples=["demo"])
    version: int = Field(ge=1, description="Counts the uploads under this name; one that changes nothing is not counted.")
    as_of: date = Field(description="Valuation date.")
    content_hash: str = Field(description="SHA-256 of the canonical content, in hex.")
    created_at: datetime


class FittedQuote(Model):
    """A quote of a market and how well the curves meet it."""

    quote_id: str = Field(examples=["EUR.OIS.ESTR.5Y"])
    instrument: str = Field(examples=["OIS"])
    value: float = Field(examples=[0.0231])
    curve: str | None = Field(description="Curve that the quote determines; null if none lists it.", examples=["EUR-ESTR"])
    residual: float | None = Field(description="Quote of the curves less the quote given, decimal.")


class MarketDetail(MarketSnapshot):
    """A stored market with the quotes that its curves come from."""

    quotes: list[FittedQuote] = Field(description="By id; empty for a market whose curves are given by points.")


class MarketUpload(MarketSnapshot):
    """A stored market and the parts of its upload that were left out."""

    rejected_count: int = Field(description="Number of curves, quotes and entries left out under allow_partial.")
    problems: list[Problem] = Field(description="Reasons why they were left out.")


class StoredCurve(Model):
    """One curve of a stored market, in the form used for valuation."""

    kind: Literal["discount", "spread"]
    curve_no: int = Field(
        ge=0,
        description="Number among the market's curves, discount curves first; among the curves of its kind in markets stored before "
        "version 0.2.0.",
    )
    name: str = Field(examples=["EUR-GOVT"])
    currency: str = Field(description="Currency of a discount curve; empty for a spread curve.", examples=["EUR"])
    pillars: list[str] = Field(description="Tenors or dates: the buckets of the curve's sensitivities.", examples=[["1Y", "10Y"]])
    pillar_days: list[int] = Field(description="Days from the valuation date to each pillar.", examples=[[365, 3653]])
    zero_rates: list[float] = Field(
        description="Zero rates, continuously compounded, ACT/365F, decimal a year; a spread curve's are added to a discount curve's.",
        examples=[[0.0331, 0.0243]],
    )


class PortfolioSnapshot(Model):
    """A stored portfolio."""

    portfolio_id: str = Field(description="`pf-` and the start of the content hash.", examples=["pf-3f2a9c0d1e4b5a67"])
    name: str = Field(examples=["demo"])
    version: int = Field(ge=1, description="Counts the uploads under this name; one that changes nothing is not counted.")
    content_hash: str = Field(description="SHA-256 over the set of rows, in hex.")
    position_count: int
    rejected_count: int = Field(description="Number of rows left out at the upload under allow_partial.")
    created_at: datetime


class PortfolioUpload(PortfolioSnapshot):
    """A stored portfolio and the rows of its upload that were left out."""

    problems: list[Problem] = Field(description="Reasons why rows were rejected, in the order of the file; a long list is cut.")


class PortfolioDetail(PortfolioSnapshot):
    """A stored portfolio with a summary of its content."""

    products: dict[str, int] = Field(description="Number of positions by product.", examples=[{"FIXED_BOND": 6000, "FX_FWD": 4000}])
    books: dict[str, int] = Field(description="Number of positions by book.", examples=[{"BOOK-07": 250}])
    currencies: dict[str, int] = Field(description="Number of positions by currency.", examples=[{"USD": 5000, "EUR": 5000}])


class StoredPosition(Model):
    """The common fields of one position; the download has its contract terms."""

    position_no: int = Field(ge=0, description="Number of the position within the portfolio, from 0, without gaps.")
    position_id: str
    product: str
    book: str
    counterparty: str
    currency: str
    notional: float
