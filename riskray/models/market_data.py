"""The market snapshot document: curves, exchange rates, indices and fixings of one date, as uploaded, stored and downloaded.

This module checks single values; `riskray.market.checks` checks relations between them (order of points, consistency of quotes).
"""

import datetime
from collections.abc import Callable, Mapping
from dataclasses import asdict
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from pricers.calibration.quotes import Instrument
from pricers.contract.columns import FX_RATE_MAX
from pricers.market.indices import STANDARD_INDICES, Index, IndexKind
from pricers.time.calendar_names import CALENDARS, is_calendar
from pricers.time.tenors import parse_tenor
from riskray.models.common import Date
from riskray.models.instrument import CURRENCIES
from riskray.models.market_values import Currency, Document, Name, Note, Number, Sourced, as_written, currency_code
from riskray.models.rate_units import RatesChecked

AS_OF_MIN, AS_OF_MAX = datetime.date(1950, 1, 1), datetime.date(2149, 12, 31)
"""A year before the end of the holiday calendars, so that they cover the days that a market itself needs."""
POINTS_MAX = 2_000
"""Of a discount curve."""
FX_RATE_MIN = 1 / FX_RATE_MAX
"""Larger than any exchange rate in history, even in hyperinflations, and so small that a product of several rates cannot overflow."""


PRICE_OF_SECURITY_MAX = 1e12
SPOT_PRICES_MAX = 20_000
"""Factors have numbers of 16 bits, and curves and currencies need theirs."""


class QuotedAs(StrEnum):
    """What the points of a discount curve are."""

    ZERO_RATES = "zero_rates"
    DISCOUNT_FACTORS = "discount_factors"


class CreditQuotedAs(StrEnum):
    """What the points of a credit curve are."""

    HAZARD_RATES = "hazard_rates"
    SURVIVAL_PROBABILITIES = "survival_probabilities"


class Interpolation(StrEnum):
    """Interpolation between pillars: linear in the zero rate, or in the logarithm of the discount factor (flat forward rates).

    MONOTONE_CUBIC, of curves from quotes alone: a cubic spline of the logarithm of the discount factor, given by points of every day, week
    or month with flat forward rates between them.
    """

    LINEAR_ZERO = "LINEAR_ZERO"
    LOG_LINEAR_DISCOUNT = "LOG_LINEAR_DISCOUNT"
    MONOTONE_CUBIC = "MONOTONE_CUBIC"


class Compounding(StrEnum):
    """Compounding of the given zero rates, with time as ACT/365F from `as_of`."""

    CONTINUOUS = "CONTINUOUS"
    ANNUAL = "ANNUAL"
    SEMIANNUAL = "SEMIANNUAL"
    SIMPLE = "SIMPLE"


def _pair(pair: str) -> str:
    base, quote = pair[:3], pair[3:]
    if len(pair) != 6 or base not in CURRENCIES or quote not in CURRENCIES or base == quote:
        raise ValueError(f"{pair!r} is not a pair of two currencies, such as EURUSD")
    return pair


def _tenor(tenor: str) -> str:
    parse_tenor(tenor)
    return tenor.strip().upper()


def _calendar(name: str) -> str:
    if not is_calendar(name):
        raise ValueError(f"unknown calendar {name!r}; known: {', '.join(CALENDARS)}, or several joined with '+'")
    return name


def _published(value: object) -> object:
    """A date, or a date and time, as one text: 2024-03-28, 2024-03-28T11:00:00+01:00."""
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if not isinstance(value, str):
        raise ValueError("not a date or a time; write 2024-03-28 or 2024-03-28T11:00:00+01:00")
    text = value.strip()
    try:
        return (datetime.date if len(text) == len("2024-03-28") else datetime.datetime).fromisoformat(text).isoformat()
    except ValueError:
        raise ValueError(f"{text!r} is not a date or a time; write 2024-03-28 or 2024-03-28T11:00:00+01:00") from None


def _within_calendars(day: datetime.date) -> datetime.date:
    if not AS_OF_MIN <= day <= AS_OF_MAX:
        raise ValueError(f"{day} is not between {AS_OF_MIN} and {AS_OF_MAX}, for which holidays are known")
    return day


def _is_empty(given: list[Any]) -> bool:
    return not given


def _between_points(interpolation: Interpolation) -> Interpolation:
    if interpolation is Interpolation.MONOTONE_CUBIC:
        raise ValueError("MONOTONE_CUBIC is for curves from instruments; choose LINEAR_ZERO or LOG_LINEAR_DISCOUNT")
    return interpolation


class CurvePoint(Document):
    """One pillar, at a tenor from `as_of` or on a date."""

    tenor: Annotated[str, AfterValidator(_tenor)] | None = Field(
        default=None, description="Tenor: 1D, 2W, 3M, 10Y, 1Y6M, ON.", examples=["10Y"]
    )
    date: Date | None = Field(default=None, description="Date of the pillar, instead of a tenor.", examples=["2034-03-28"])
    value: Number = Field(description="Zero rate or spread (decimal a year), or discount factor.", examples=[0.0265])

    @model_validator(mode="after")
    def _has_one_position(self) -> "CurvePoint":
        if (self.tenor is None) == (self.date is None):
            raise ValueError("give either a tenor or a date")
        return self

    @property
    def label(self) -> str:
        """The tenor, or the ISO date."""
        return self.tenor if self.tenor is not None else str(self.date)


class CurveDocument(Sourced):
    """A discount curve."""

    name: Name = Field(description="Name by which positions refer to the curve.", examples=["EUR-GOVT-AAA"])
    currency: Currency = Field(description="Currency of the flows that it discounts.", examples=["EUR"])
    quoted_as: QuotedAs = Field(default=QuotedAs.ZERO_RATES, description="What the points are.")
    interpolation: Interpolation = Field(default=Interpolation.LINEAR_ZERO, description="Interpolation between the points.")
    compounding: Compounding = Field(default=Compounding.CONTINUOUS, description="Compounding of zero rates; discount factors have none.")
    # Documents without these keep the text and the hash that they had before these existed.
    instruments: list[Name] = Field(
        default=[], max_length=1_000, exclude_if=_is_empty, description="Ids of the quotes that determine the curve."
    )
    index: Name | None = Field(
        default=None,
        description="Index that the curve forecasts in instruments; default: those whose forecast_curve it is.",
        examples=["EUR-ESTR"],
    )
    collateral_currency: Currency | None = Field(
        default=None,
        description="In instruments the curve discounts flows of its currency under collateral in this one; default: its own currency for "
        "the curve of an overnight index, none for others.",
    )
    depends_on: list[Name] = Field(
        default=[], max_length=100, exclude_if=_is_empty, description="Curves that the instruments read; default: any of the market."
    )
    solve_group: Name | None = Field(default=None, description="Curves of one group are solved together.")

    points: list[CurvePoint] = Field(
        default=[],
        validate_default=True,
        max_length=POINTS_MAX,
        description="Points of the curve, in increasing order; of a curve with instruments, their result.",
    )

    @field_validator("points")
    @classmethod
    def _has_points_or_instruments(cls, points: list[CurvePoint], info: ValidationInfo) -> list[CurvePoint]:
        if not points and not info.data.get("instruments"):
            raise PydanticCustomError("too_short", "give points, or the instruments whose quotes determine the curve")
        return points

    @model_validator(mode="after")
    def _has_instruments_for_a_spline(self) -> "CurveDocument":
        if self.interpolation is Interpolation.MONOTONE_CUBIC and not self.instruments:
            raise ValueError("MONOTONE_CUBIC is for curves from instruments; choose LINEAR_ZERO or LOG_LINEAR_DISCOUNT")
        return self

    @model_validator(mode="before")
    @classmethod
    def _names_quoted_as(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("kind") in tuple(QuotedAs):
            raise ValueError(f"what the points are is called quoted_as, not kind; write quoted_as: {data['kind']}")
        return data


class QuoteType(StrEnum):
    """Unit of a quote's value."""

    RATE = "RATE"
    PRICE = "PRICE"
    SPREAD = "SPREAD"
    POINTS = "POINTS"


QUOTE_TYPES: Final[Mapping[Instrument, QuoteType]] = {
    Instrument.DEPOSIT: QuoteType.RATE,
    Instrument.FRA: QuoteType.RATE,
    Instrument.RATE_FUTURE: QuoteType.PRICE,
    Instrument.OIS: QuoteType.RATE,
    Instrument.IRS: QuoteType.RATE,
    Instrument.TENOR_BASIS: QuoteType.SPREAD,
    Instrument.FX_SWAP: QuoteType.POINTS,
    Instrument.XCCY_BASIS: QuoteType.SPREAD,
    Instrument.CDS: QuoteType.SPREAD,
}
"""The unit of each instrument's quotes."""


class QuoteDocument(Document):
    """A quoted instrument; the curves that it determines list it among their instruments."""

    quote_id: Name = Field(description="Name of the quote.", examples=["EUR.OIS.ESTR.5Y"])
    instrument: Instrument = Field(description="What is quoted.")
    value: Number = Field(
        description="Rate or spread (decimal a year), price of a future (100 less per cent), or forward points in the unit of the rate.",
        examples=[0.0231],
    )
    convention: Name | None = Field(
        default=None,
        description="Name of the market convention of a swap, a pair or a future; a deposit and a FRA have an index instead.",
        examples=["EUR-FIXED-1Y-ESTR-OIS"],
    )
    index: Name | None = Field(default=None, description="Index of a deposit or FRA.", examples=["EUR-EURIBOR-6M"])
    currency: Currency | None = Field(default=None, description="For the reader; the convention or the index implies it.")
    tenor: Annotated[str, Field(max_length=20)] | None = Field(
        default=None, description="Maturity from spot; ON, TN or SN; a FRA's months (3X9); a future's month (DEC26).", examples=["5Y"]
    )
    start_date: Date | None = Field(default=None, description="Start of a swap, deposit or future between dates.")
    end_date: Date | None = Field(default=None, description="End of a swap or deposit between dates.")
    convexity_adjustment: Number | None = Field(
        default=None, description="Rate of a future less the forward rate, decimal a year; default: none."
    )
    quote_type: QuoteType | None = Field(default=None, description="For the reader; the instrument implies it.")
    residual: Number | None = Field(default=None, description="Result: by how much the curves miss the quote, decimal.")

    @model_validator(mode="after")
    def _is_consistent(self) -> "QuoteDocument":
        has_index = self.instrument in (Instrument.DEPOSIT, Instrument.FRA)
        wanted, given = ("index", self.index) if has_index else ("convention", self.convention)
        if given is None and self.instrument is not Instrument.CDS:
            raise ValueError(f"a quote of {self.instrument} needs its {wanted}")
        if self.instrument is Instrument.CDS and self.tenor is None:
            raise ValueError("a quote of CDS needs its tenor")
        if self.quote_type not in (None, QUOTE_TYPES[self.instrument]):
            raise ValueError(f"a quote of {self.instrument} has the quote_type {QUOTE_TYPES[self.instrument]}, not {self.quote_type}")
        return self


class SpreadCurveDocument(Sourced):
    """Zero spreads of an issuer or a rating, continuously compounded, added to the zero rates of a discount curve."""

    name: Name = Field(description="Name by which positions refer to the curve.", examples=["EUR-CORP-BBB"])
    issuer: Note = Field(default="", description="Issuer whose credit the curve describes.")
    rating: Note = Field(default="", description="Rating class.", examples=["BBB"])
    interpolation: Annotated[Interpolation, AfterValidator(_between_points)] = Field(
        default=Interpolation.LINEAR_ZERO, description="Interpolation between the points."
    )
    points: list[CurvePoint] = Field(min_length=1, max_length=1_000, description="Points of the curve, in increasing order.")


class CreditCurveDocument(Sourced):
    """Survival of an entity or an index. The hazard rate is constant between the points."""

    name: Name = Field(description="Name by which positions refer to the curve.", examples=["ACME-SNRFOR-MR14"])
    entity: Note = Field(default="", description="Entity whose default the curve describes.", examples=["Acme Corp"])
    currency: Currency | None = Field(default=None, description="Currency of the default swaps that the curve comes from.")
    seniority: Note = Field(default="", description="Tier of the debt.", examples=["SNRFOR"])
    restructuring: Literal["", "CR", "MR", "MM", "XR", "CR14", "MR14", "MM14", "XR14"] = Field(
        default="", description="Restructuring clause of the default swaps: full, modified, modified modified or none.", examples=["MR14"]
    )
    recovery_rate: Number | None = Field(
        default=None, description="Recovered fraction of the notional, at least 0 and below 1.", examples=[0.4]
    )
    quoted_as: CreditQuotedAs = Field(
        default=CreditQuotedAs.HAZARD_RATES,
        description="What the points are: zero hazard rates h, with survival exp(-h × days / 365), or survival probabilities.",
    )
    instruments: list[Name] = Field(
        default=[], max_length=1_000, exclude_if=_is_empty, description="Ids of the quotes of default swaps that determine the curve."
    )
    discount_curve: Name | None = Field(
        default=None, description="Curve that discounts the default swaps; LOG_LINEAR_DISCOUNT.", examples=["USD-SOFR"]
    )
    points: list[CurvePoint] = Field(
        default=[],
        validate_default=True,
        max_length=1_000,
        description="Points in increasing order; of a curve with instruments, their result.",
    )

    @field_validator("points")
    @classmethod
    def _has_points_or_instruments(cls, points: list[CurvePoint], info: ValidationInfo) -> list[CurvePoint]:
        if not points and not info.data.get("instruments"):
            raise PydanticCustomError("too_short", "give points, or the instruments whose quotes determine the curve")
        return points

    @model_validator(mode="after")
    def _has_what_instruments_need(self) -> "CreditCurveDocument":
        if self.instruments and (self.discount_curve is None or self.recovery_rate is None or self.currency is None):
            raise ValueError("a credit curve from default swaps needs currency, discount_curve and recovery_rate")
        return self


class InflationCurveDocument(Sourced):
    """Zero-coupon inflation rates of a price index: the index of a month is (1 + rate)^years times that of the base month."""

    name: Name = Field(description="Name of the curve; an index's `forecast_curve` refers to it.", examples=["EU-HICPXT"])
    index: Name = Field(description="Price index that the curve forecasts.", examples=["EU-HICPXT"])
    base_date: Date = Field(description="First day of the month from which the rates count.", examples=["2023-12-01"])
    base_index_value: Number = Field(description="Index of the base month.", examples=[123.49])
    observation_lag_months: Annotated[int, BeforeValidator(as_written)] = Field(
        default=3, ge=0, le=24, description="Months from the index's month to the month in which it counts in the swaps quoted."
    )
    points: list[CurvePoint] = Field(
        min_length=1,
        max_length=1_000,
        description="Zero-coupon inflation rates (decimal a year, annually compounded); tenors count from the base month, in whole months.",
    )
    seasonality: Annotated[list[Number], Field(min_length=12, max_length=12)] | None = Field(
        default=None, description="What multiplies the index in each calendar month, January first; the product is 1."
    )


class FxSpot(Sourced):
    """A quoted spot rate: units of the second currency for one of the first."""

    pair: Annotated[str, AfterValidator(_pair)] = Field(description="Base and quote currency.", examples=["EURUSD"])
    rate: Number = Field(gt=0.0, description="Quote currency for one unit of base currency.", examples=[1.0811])
    spot_lag_days: Annotated[int, BeforeValidator(as_written)] = Field(
        default=2, ge=0, le=10, description="Business days from `as_of` to the delivery of spot."
    )
    calendar: Annotated[str, AfterValidator(_calendar)] = Field(
        default="WEEKENDS_ONLY",
        description="Holiday calendars of the pair. The lag counts business days of the calendars that are not the dollar's (`US_*`); the "
        "spot date is a business day of all of them, and of US_FED for a cross that names no dollar calendar.",
        examples=["TARGET+US_FED"],
    )
    spot_date: Date | None = Field(default=None, description="Delivery date of spot, instead of the lag.")


def _unless_empty(check: Callable[[str], str]) -> AfterValidator:
    return AfterValidator(lambda text: check(text) if text else text)


Count = Annotated[int, BeforeValidator(as_written)]
Calendar = Annotated[str, AfterValidator(_calendar)]


class IndexDocument(Document):
    """The definition of an index. Of a standard index, what is not given stays as the standard has it."""

    name: Name = Field(description="Name by which contracts and fixings refer to the index.", examples=["EUR-EURIBOR-6M"])
    kind: IndexKind = Field(description="A rate for a term, a rate overnight, a price index, or an exchange rate.")
    currency: Currency = Field(description="Currency of the rate or the prices; of an exchange rate, the currency that is bought.")
    tenor: Annotated[str, _unless_empty(_tenor)] = Field(default="", description="Length of the period of a TERM index.", examples=["6M"])
    day_count: str = Field(default="ACT/360", description="Day count of the rate.")
    fixing_lag: Count = Field(default=0, ge=0, le=30, description="Business days from the fixing to the start of the period.")
    fixing_calendar: Calendar = Field(default="NONE", description="Calendar of the days on which the index is fixed.")
    value_calendar: Annotated[str, _unless_empty(_calendar)] = Field(
        default="", description="Calendar of the start and end of periods; empty: `fixing_calendar`."
    )
    convention: str = Field(default="FOLLOWING", description="Business day convention of the end of the period.")
    end_of_month: bool = Field(default=False, description="Whether periods that start at the end of a month end at the end of one.")
    forecast_curve: str = Field(default="", max_length=200, description="Curve that forecasts the index; empty: the index's name.")
    publication_lag_days: Count = Field(
        default=0, ge=0, le=366, description="Calendar days from the fixing date (INFLATION: from the end of the month) to publication."
    )
    observation_lag_months: Count = Field(
        default=0, ge=0, le=24, description="INFLATION: months from the index's month to the month in which it counts."
    )
    interpolation: Literal["FLAT", "LINEAR"] = Field(default="FLAT", description="INFLATION: level on a day within a month.")
    quote_currency: Annotated[str, _unless_empty(currency_code)] = Field(default="", description="FX: the currency that is paid.")

    @model_validator(mode="before")
    @classmethod
    def _as_the_standard(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(name := data.get("name"), str) and name.strip() in STANDARD_INDICES:
            return asdict(STANDARD_INDICES[name.strip()]) | data
        return data

    @model_validator(mode="after")
    def _is_an_index(self) -> "IndexDocument":
        self.index()
        return self

    def index(self) -> Index:
        """The index as pricers take it."""
        return Index(**self.model_dump() | {"kind": self.kind})


class FixingDocument(Document):
    """One published value of an index."""

    index: Name = Field(description="Name of the index.", examples=["EUR-EURIBOR-6M"])
    fixing_date: Annotated[Date, AfterValidator(_within_calendars)] = Field(
        description="Date of the fixing; of a price index, the first day of its month.", examples=["2024-03-28"]
    )
    value: Number = Field(description="Rate (decimal a year), level of the price index, or exchange rate.", examples=[0.03851])
    source: Note = Field(default="", description="Publisher of the value.", examples=["EMMI"])
    published_at: Annotated[str, BeforeValidator(_published)] | None = Field(
        default=None, description="Date or time of publication; default: by the index's publication lag.", examples=["2024-03-28"]
    )


def _form_of_fixings(value: object) -> str:
    return "rows" if isinstance(value, list | tuple) else "name"


InlineFixings = Annotated[list[FixingDocument], Field(max_length=100_000)]
NamedOrInlineFixings = Annotated[Annotated[Name, Tag("name")] | Annotated[InlineFixings, Tag("rows")], Discriminator(_form_of_fixings)]


class SpotPrice(Sourced):
    """Today's price of a security, or the level of an index that moves securities in scenarios."""

    name: Name = Field(description="Security id or price key, by which positions refer to the price.", examples=["DE0007164600"])
    value: Number = Field(gt=0.0, le=PRICE_OF_SECURITY_MAX, description="Price of one share, or level of the index.", examples=[143.2])
    currency: Currency = Field(description="Currency of the price.", examples=["EUR"])


AnyCurveDocument = CurveDocument | SpreadCurveDocument | CreditCurveDocument | InflationCurveDocument
CURVE_PARTS: Final[Mapping[str, str]] = {
    "curves": "discount curve",
    "spread_curves": "spread curve",
    "credit_curves": "credit curve",
    "inflation_curves": "inflation curve",
}
"""The parts of a market document that hold curves, and what a curve of each is called."""


class MarketDocument(Document):
    """A market snapshot. A stored snapshot is immutable, and equal content is stored as one snapshot."""

    name: Name = Field(description="Name of the market; uploads under one name are its versions.", examples=["close-2024-03-28"])
    as_of: Annotated[Date, AfterValidator(_within_calendars)] = Field(description="Valuation date.", examples=["2024-03-28"])
    description: Note = Field(default="", description="Free text.")
    curves: list[CurveDocument] = Field(min_length=1, max_length=10_000, description="Discount curves.")
    spread_curves: list[SpreadCurveDocument] = Field(default=[], max_length=100_000, description="Issuer and rating spread curves.")
    # Documents without these keep the text and the hash that they had before these existed.
    credit_curves: list[CreditCurveDocument] = Field(
        default=[], max_length=100_000, exclude_if=lambda given: not given, description="Survival of entities and credit indices."
    )
    inflation_curves: list[InflationCurveDocument] = Field(
        default=[], max_length=1_000, exclude_if=lambda given: not given, description="Zero-coupon inflation rates of price indices."
    )
    quotes: list[QuoteDocument] = Field(
        default=[], max_length=100_000, exclude_if=_is_empty, description="Quoted instruments, for curves that list them."
    )
    fx_spots: list[FxSpot] = Field(default=[], max_length=1_000, description="Exchange rates; crosses and inverses are derived.")
    fx_discount_curves: dict[Currency, Name] = Field(
        default={},
        description="By currency, the discount curve that converts spot rates to `as_of`.",
        examples=[{"EUR": "EUR-GOVT-AAA"}],
    )
    # Documents without these keep the text and the hash that they had before these existed.
    indices: list[IndexDocument] = Field(
        default=[],
        max_length=10_000,
        exclude_if=lambda given: not given,
        description="Indices that the market defines in addition to the standard ones, or instead of them.",
    )
    fixings: NamedOrInlineFixings | None = Field(
        default=None,
        exclude_if=lambda given: not given,
        description="Published values of indices: id or name of a fixing table, which is stored as its id, or a list of fixings.",
        examples=["eod"],
    )
    spot_prices: list[SpotPrice] = Field(
        default=[],
        max_length=SPOT_PRICES_MAX,
        exclude_if=lambda given: not given,
        description="Prices of securities and levels of indices.",
    )
    rates_checked: RatesChecked = True

    @property
    def all_curves(self) -> list[AnyCurveDocument]:
        """The curves of all parts."""
        return [curve for part in CURVE_PARTS for curve in getattr(self, part)]
