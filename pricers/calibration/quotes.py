"""Quoted instruments, the curves that they determine, and what can be wrong with them."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, NamedTuple


class Instrument(StrEnum):
    """What a quote is of, and the unit of its value."""

    DEPOSIT = "DEPOSIT"
    """Simple rate of the index's period, decimal a year; also overnight deposits (ON, TN)."""
    FRA = "FRA"
    """Forward rate of a term index, decimal a year."""
    RATE_FUTURE = "RATE_FUTURE"
    """Price, 100 less the rate in per cent."""
    OIS = "OIS"
    """Fixed rate of an overnight indexed swap, decimal a year."""
    IRS = "IRS"
    """Fixed rate of a swap against a term index, decimal a year."""
    TENOR_BASIS = "TENOR_BASIS"
    """Spread on the first leg of a swap of two floating legs, decimal a year."""
    FX_SWAP = "FX_SWAP"
    """Forward points, in the unit of the exchange rate: far rate less near rate."""
    XCCY_BASIS = "XCCY_BASIS"
    """Spread on the first leg of a cross-currency swap, decimal a year."""
    CDS = "CDS"
    """Premium of a default swap that costs nothing up front, decimal a year; it determines a curve of hazard rates."""


CalibratedInterpolation = Literal["LINEAR_ZERO", "LOG_LINEAR_DISCOUNT", "MONOTONE_CUBIC"]


@dataclass(frozen=True)
class Quote:
    """One quoted instrument."""

    name: str
    instrument: Instrument
    value: float
    """In the unit of the instrument; see `Instrument`."""
    convention: str
    """A swap's, a pair's ("EUR/USD") or a future's convention; for a deposit or FRA the index. See `pricers.market.conventions`."""
    tenor: str = ""
    """From spot to the end ("5Y"); of a FRA the months to its start and end ("3X9"); of a future its month ("DEC26")."""
    start: int | None = None
    """First day of interest, days since 1970-01-01, where a quote is of dates (with `end`) instead of a tenor."""
    end: int | None = None
    """Last day of interest before any business-day rule, days since 1970-01-01."""
    convexity_adjustment: float = 0.0
    """Of a future: what its rate exceeds the forward rate by, decimal a year."""


@dataclass(frozen=True)
class CurveRecipe:
    """A curve that quotes determine: one pillar for each quote, on the last day on which the instrument depends on the curve."""

    name: str
    currency: str
    quotes: tuple[str, ...]
    """Names, in any order."""
    interpolation: CalibratedInterpolation = "LOG_LINEAR_DISCOUNT"
    """MONOTONE_CUBIC: Hyman's monotone cubic spline of the logarithm of the discount factor, sampled (see `sampled_days`)."""
    index: str = ""
    """The index that the curve forecasts; empty: those whose `forecast_curve` it is."""
    collateral_currency: str = ""
    """The curve discounts flows of `currency` under collateral in this currency; empty: for a curve of an overnight index, `currency`;
    for any other, the curve does not discount."""
    depends_on: tuple[str, ...] = ()
    """Curves that the instruments read beside their own; empty: all others may be read."""
    solve_group: str = ""
    """Curves of one group are solved together, because their instruments depend on all of them."""


class Problem(NamedTuple):
    """One thing that is wrong with quotes or recipes."""

    part: Literal["quotes", "curves"]
    name: str
    """Of the quote or curve."""
    field: str
    """Of the quote or recipe; empty: it as a whole."""
    code: str
    message: str
    """What is wrong and what mends it."""


class CalibrationError(ValueError):
    """Quotes that do not give curves, with everything that was found wrong."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(problems)
        self.problems = problems

    def __str__(self) -> str:
        return "; ".join(problem.message for problem in self.problems)


def par_rate_terms(quote: Quote) -> tuple[float, float]:
    """What an instrument's flows are solved for is first + second × the quote's value: the rate of a future, else the value itself."""
    if quote.instrument is Instrument.RATE_FUTURE:
        return 1.0 - quote.convexity_adjustment, -0.01
    return 0.0, 1.0
