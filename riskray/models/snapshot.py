"""The services' descriptions of snapshots, which are immutable, named, versioned and identified by the hash of their content."""

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from pricers.market.indices import IndexKind
from riskray.models.common import Model, Problem


class MarketSnapshot(Model):
    """A stored market."""

    market_id: str = Field(description="`mkt-` and the start of the content hash.", examples=["mkt-90b1c2d3e4f5a6b7"])
    name: str = Field(examples=["demo"])
    version: int = Field(ge=1, description="Counts the uploads under this name; one that changes nothing is not counted.")
    as_of: date = Field(description="Valuation date.")
    fixings_id: str | None = Field(
        default=None,
        description="Id of the fixing table that the market reads; null for a market without one.",
        examples=["fix-0d1e4b5a673f2a9c"],
    )
    content_hash: str = Field(description="SHA-256 of the canonical content, in hex.")
    created_at: datetime


class FittedQuote(Model):
    """A quote of a market and how well the curves meet it."""

    quote_id: str = Field(description="Name of the quote.", examples=["EUR.OIS.ESTR.5Y"])
    instrument: str = Field(description="What is quoted.", examples=["OIS"])
    value: float = Field(description="Quoted value, in the unit of the instrument.", examples=[0.0231])
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

    kind: Literal["discount", "spread", "hazard", "inflation"]
    curve_no: int = Field(
        ge=0,
        description="Number among the market's curves, discount curves first; among the curves of its kind in markets stored before "
        "version 0.2.0.",
    )
    name: str = Field(examples=["EUR-GOVT"])
    currency: str = Field(description="Currency of a discount curve; empty for others.", examples=["EUR"])
    pillars: list[str] = Field(description="Tenors or dates: the buckets of the curve's sensitivities.", examples=[["1Y", "10Y"]])
    pillar_days: list[int] = Field(description="Days from the valuation date to each pillar.", examples=[[365, 3653]])
    zero_rates: list[float] = Field(
        description="Zero rates, continuously compounded, ACT/365F, decimal a year; a spread curve's are added to a discount curve's, a "
        "hazard curve's are zero hazard rates, an inflation curve's are growth rates of the index from its base month.",
        examples=[[0.0331, 0.0243]],
    )


class FixingTable(Model):
    """A stored table of fixings: what indices have published."""

    fixings_id: str = Field(description="`fix-` and the start of the content hash.", examples=["fix-0d1e4b5a673f2a9c"])
    name: str = Field(examples=["eod"])
    version: int = Field(ge=1, description="Counts the uploads under this name; one that changes nothing is not counted.")
    content_hash: str = Field(description="SHA-256 over the rows, in hex.")
    indices: list[str] = Field(description="Names of the indices that have a fixing.", examples=[["EUR-EURIBOR-6M", "USD-SOFR"]])
    first_date: date = Field(description="Earliest fixing date.", examples=["2024-01-02"])
    last_date: date = Field(description="Latest fixing date.", examples=["2024-03-28"])
    row_count: int = Field(ge=1, description="Number of fixings.")
    created_at: datetime


class FixingsOfIndex(Model):
    """The fixings of one index in a table."""

    index: str = Field(description="Name of the index.", examples=["EUR-EURIBOR-6M"])
    fixing_count: int = Field(ge=1, description="Number of fixings.")
    first_date: date = Field(description="Earliest fixing date.", examples=["2024-01-02"])
    last_date: date = Field(description="Latest fixing date.", examples=["2024-03-28"])
    last_value: float = Field(
        description="Value on the latest date: decimal a year for a rate, else the index's own unit.", examples=[0.03851]
    )


class FixingTableDetail(FixingTable):
    """A stored table of fixings, with its fixings counted by index."""

    summary: list[FixingsOfIndex] = Field(description="One entry for each index, by name.")


class IndexDescription(Model):
    """An index that a market knows, and what the market sees of its fixings."""

    name: str = Field(description="Name by which contracts refer to the index.", examples=["EUR-EURIBOR-6M"])
    kind: IndexKind = Field(description="A rate for a term, a rate overnight, a price index, or an exchange rate.")
    currency: str = Field(
        description="Currency of the rate or the prices; of an exchange rate, the currency that is bought.", examples=["EUR"]
    )
    quote_currency: str = Field(description="FX: the currency that is paid; empty for other kinds.", examples=["USD"])
    tenor: str = Field(description="Length of the period of a TERM index; empty for other kinds.", examples=["6M"])
    day_count: str = Field(description="Day count of the rate.", examples=["ACT/360"])
    fixing_lag: int = Field(description="Business days from the fixing to the start of the period, or to the delivery of currencies.")
    fixing_calendar: str = Field(description="Calendar of the days on which the index is fixed.", examples=["TARGET"])
    value_calendar: str = Field(description="Calendar of the start and end of periods.", examples=["TARGET"])
    convention: str = Field(description="Business day convention of the end of the period.", examples=["MODIFIED_FOLLOWING"])
    end_of_month: bool = Field(description="Whether periods that start at the end of a month end at the end of one.")
    forecast_curve: str = Field(description="Curve that forecasts the index.", examples=["EUR-EURIBOR-6M"])
    publication_lag_days: int = Field(
        description="Calendar days from the fixing date (INFLATION: from the end of the month) to publication."
    )
    observation_lag_months: int = Field(description="INFLATION: months from the index's month to the month in which it counts.")
    interpolation: str = Field(description="INFLATION: level on a day within a month, FLAT or LINEAR.", examples=["FLAT"])
    is_standard: bool = Field(description="Whether the definition is the one that ships with riskray.")
    fixing_count: int = Field(ge=0, description="Number of fixings that the market sees.")
    last_fixing_date: date | None = Field(description="Date of the last fixing that the market sees; null where it sees none.")
    last_fixing: float | None = Field(description="Value of the last fixing that the market sees; null where it sees none.")


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
