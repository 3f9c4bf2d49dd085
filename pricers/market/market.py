"""The market as a pricer sees it: curves and exchange rates on one valuation date, as plain arrays.

riskray builds this view from a stored market snapshot; in a notebook it is built by hand.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Final, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from pricers.market.fixings import Fixings
from pricers.market.units import price_unit

DAYS_PER_YEAR: Final = 365.0  # ACT/365F, the time of all zero rates and spreads
MONTHS_PER_YEAR: Final = 12.0  # of growth rates of price indices
NO_MONTH: Final = -1
_EPOCH_MONTH: Final = 1970 * 12

Interpolation = Literal["LINEAR_ZERO", "LOG_LINEAR_DISCOUNT"]


class CurveKind(StrEnum):
    """What a curve's rates are. The order of the kinds is the order in which a flow's exponents are added."""

    RATE = "RATE"
    """Zero rates of a currency: the curve discounts, forecasts, or does both."""
    SPREAD = "SPREAD"
    """Zero spreads of an issuer or a rating, added to a rate curve."""
    HAZARD = "HAZARD"
    """Hazard rates: the curve's factor is a survival probability."""
    INFLATION = "INFLATION"
    """Growth rates of a price index: the curve's factor on the first day of a month is 1 over the index of that month."""


KIND_ORDER: Final = {kind: place for place, kind in enumerate(CurveKind)}
REFERENCED_KINDS: Final[Mapping[str, CurveKind]] = {
    "discount_curve": CurveKind.RATE,
    "forecast_curve": CurveKind.RATE,
    "spread_curve": CurveKind.SPREAD,
    "credit_curve": CurveKind.HAZARD,
}
"""The kind of curve that a contract column names, by the column's `references`."""


@dataclass(frozen=True)
class InflationBase:
    """Where a curve of INFLATION starts: the last month whose index is published when the curve is made."""

    index: str
    """Name of the price index."""
    day: int
    """Days from the valuation date to the first day of the month, 0 or negative."""
    level: float
    """The index of that month."""
    seasonality: tuple[float, ...] = (1.0,) * 12
    """What multiplies the index in each calendar month, January first; the product is 1."""

    def __post_init__(self) -> None:
        if self.day > 0 or not 0.0 < self.level < np.inf or len(self.seasonality) != 12 or min(self.seasonality) <= 0.0:
            raise ValueError(f"base of {self.index!r}: the month must not be in the future, level and twelve factors must be positive")


@dataclass(frozen=True)
class Curve:
    """A zero curve: continuously compounded zero rates, ACT/365F from the valuation date, at increasing pillars.

    LINEAR_ZERO interpolates the zero rate and holds it flat beyond the first and last pillar. LOG_LINEAR_DISCOUNT interpolates the
    logarithm of the discount factor from 1 on the valuation date, that is, piecewise flat forward rates, the last of which extends
    beyond the last pillar. Curves of RATE have a currency; that of any other kind is empty. A curve of INFLATION counts whole months from
    its base month, twelve to a year.
    """

    name: str
    kind: CurveKind
    currency: str
    interpolation: Interpolation
    pillar_labels: tuple[str, ...]
    pillar_days: np.ndarray
    """int32[pillar]: days from the valuation date, positive, increasing; see `base`."""
    zero_rates: np.ndarray
    """float64[pillar]: decimal a year."""
    base: InflationBase | None = None
    """Of INFLATION alone. Its pillar days count from the first day of the base month to a day in the pillar's month, and a zero rate g says
    that the index grows by exp(g × months / 12) from the base month to that one, seasonality apart."""
    recovery_rate: float = math.nan
    """Of HAZARD alone: the fraction of the notional that is recovered in a default; NaN where it is not known."""

    def __post_init__(self) -> None:
        if not len(self.pillar_labels) == self.pillar_days.size == self.zero_rates.size >= 1:
            sizes = (len(self.pillar_labels), self.pillar_days.size, self.zero_rates.size)
            raise ValueError(f"curve {self.name!r}: labels, days and zero rates must have the same length of at least 1, have {sizes}")
        if self.pillar_days[0] <= 0 or np.any(np.diff(self.pillar_days) <= 0):
            raise ValueError(f"curve {self.name!r}: pillar days must be positive and increasing, have {self.pillar_days.tolist()}")
        if (self.kind is CurveKind.INFLATION) != (self.base is not None):
            raise ValueError(f"curve {self.name!r}: a curve of INFLATION has a base, one of another kind has none")
        if not (math.isnan(self.recovery_rate) or (self.kind is CurveKind.HAZARD and 0.0 <= self.recovery_rate < 1.0)):
            raise ValueError(
                f"curve {self.name!r}: a recovery rate is in [0, 1) and belongs to a curve of HAZARD, have {self.recovery_rate}"
            )
        if not np.all(np.isfinite(self.zero_rates)):
            raise ValueError(f"curve {self.name!r}: a zero rate is not finite: {self.zero_rates.tolist()}")


class CurveTables(NamedTuple):
    """Several curves as flat arrays, for compiled functions: curve c has pillars offsets[c]:offsets[c + 1].

    Each curve has a clock: days from the valuation date, or on a curve of INFLATION months from its base month (`clock_of`).
    """

    offsets: np.ndarray
    """int64[curve + 1]."""
    pillar_days: np.ndarray
    """int64[pillar of all curves]: on the curve's clock, months on a curve of INFLATION."""
    zero_rates: np.ndarray
    """float64[pillar of all curves]."""
    log_linear: np.ndarray
    """bool[curve]: LOG_LINEAR_DISCOUNT, else LINEAR_ZERO."""
    per_year: np.ndarray
    """float64[curve]: units of the clock in a year: 365, on a curve of INFLATION 12."""
    base_month: np.ndarray
    """int64[curve]: the month that a curve of INFLATION starts in, year × 12 + month - 1; NO_MONTH for other kinds."""
    level: np.ndarray
    """float64[curve, 12]: index of the base month times the seasonality of each calendar month over that of the base month; 1 for other
    kinds than INFLATION."""


def curve_tables(curves: tuple[Curve, ...], *, as_of: int = 0) -> CurveTables:
    """The curves in their order as flat arrays. `as_of`: valuation date, days since 1970-01-01, which only curves of INFLATION read.

    Raises ValueError where two pillars of a curve of INFLATION, or a pillar and the base, lie in one month.
    """
    base_month = np.array([NO_MONTH if curve.base is None else _base_month(curve.base, as_of) for curve in curves], np.int64)
    clocks = [_pillars_on_clock(curve, month, as_of) for curve, month in zip(curves, base_month.tolist(), strict=True)]
    return CurveTables(
        offsets=np.cumsum([0, *(curve.pillar_days.size for curve in curves)], dtype=np.int64),
        pillar_days=np.concatenate([np.empty(0, np.int64), *clocks]).astype(np.int64),
        zero_rates=np.concatenate([np.empty(0), *(curve.zero_rates for curve in curves)]).astype(np.float64),
        log_linear=np.array([curve.interpolation == "LOG_LINEAR_DISCOUNT" for curve in curves], np.bool_),
        per_year=np.array([DAYS_PER_YEAR if curve.base is None else MONTHS_PER_YEAR for curve in curves]),
        base_month=base_month,
        level=np.array([_levels(curve.base, as_of) for curve in curves]).reshape(-1, 12),
    )


def _pillars_on_clock(curve: Curve, base_month: int, as_of: int) -> np.ndarray:
    days = days_to_pillars(curve)
    if curve.base is None:
        return days
    months = months_of(as_of + days) - base_month
    if np.any(np.diff(months, prepend=0) <= 0):
        raise ValueError(f"curve {curve.name!r}: months of pillars must increase from the base month, have {months.tolist()} after it")
    return months


def days_to_pillars(curve: Curve) -> np.ndarray:
    """int64[pillar]: days from the valuation date to the pillars of a curve of any kind."""
    return curve.pillar_days.astype(np.int64) + (0 if curve.base is None else curve.base.day)


def months_of(days: np.ndarray) -> np.ndarray:
    """int64[day]: the months of days since 1970-01-01, year × 12 + month - 1.

    >>> months_of(np.array([0, 31]))
    array([23640, 23641])
    """
    months: np.ndarray = days.astype(np.int64).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) + _EPOCH_MONTH
    return months


def _base_month(base: InflationBase, as_of: int) -> int:
    return int(months_of(np.array([as_of + base.day]))[0])


def _levels(base: InflationBase | None, as_of: int) -> np.ndarray:
    if base is None:
        return np.ones(12)
    factors = np.array(base.seasonality)
    levels: np.ndarray = base.level * (factors / factors[_base_month(base, as_of) % 12])
    return levels


@runtime_checkable
class QuotedCurves(Protocol):
    """Curves that follow quotes."""

    @property
    def basis_points(self) -> Mapping[str, float]:
        """By name of a quote, its move for one basis point, in its unit."""

    def shifts(self, moves: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        """Curve -> float64[pillar, scenario]: moves of its zero rates where quotes move (name -> float64[scenario], in their units)."""


class Price(NamedTuple):
    """Today's price of one unit of a security, or the level of an index."""

    value: float
    currency: str


@dataclass(frozen=True)
class Market:
    """All market data of one valuation.

    `fx_to_base[currency]` is today's price of one unit of the currency in base currency (1.0 for the base currency itself).
    Curves are addressed by name in contracts and by their position in `curves` in results. A name belongs to one curve, whatever its kind.
    """

    as_of: int
    """Valuation date, days since 1970-01-01."""
    base_currency: str
    curves: tuple[Curve, ...]
    fx_to_base: Mapping[str, float]
    fixings: Fixings = field(default_factory=Fixings.none)
    """Indices, and what they have published by now."""
    quotes: QuotedCurves | None = None
    """Of curves that are built from quotes; None where there are none."""

    prices: Mapping[str, Price] = field(default_factory=dict)
    """Prices of securities by the name that positions use."""

    def __post_init__(self) -> None:
        names = [curve.name for curve in self.curves]
        if len(self.curve_index) < len(names):
            doubled = sorted({name for name in names if names.count(name) > 1})
            raise ValueError(f"two curves of the market have the name {doubled[0]!r}; names are unique over all kinds of curves")

    @cached_property
    def curve_index(self) -> Mapping[str, int]:
        """Position of each curve by name."""
        return {curve.name: index for index, curve in enumerate(self.curves)}

    @cached_property
    def tables(self) -> CurveTables:
        """All curves as flat arrays."""
        return curve_tables(self.curves, as_of=self.as_of)

    def clock(self, place: int, days: np.ndarray) -> np.ndarray:
        """Days from the valuation date on the clock of the curve at `place`; see `CurveTables`."""
        base_month = self.tables.base_month[place]
        return days if base_month == NO_MONTH else months_of(self.as_of + days) - base_month

    def of_kind(self, kind: CurveKind) -> tuple[Curve, ...]:
        """The curves of one kind, in their order."""
        return tuple(curve for curve in self.curves if curve.kind is kind)

    def names(self, kind: CurveKind) -> frozenset[str]:
        """Names by which `resolve` finds a curve of this kind."""
        names = {curve.name for curve in self.of_kind(kind)}
        suffix = f":{kind}"
        return frozenset(names | {name.removesuffix(suffix) for name in names})

    def resolve(self, name: str, kind: CurveKind) -> int | None:
        """Position of the curve that a contract calls `name` where it asks for a curve of this kind; None where there is none.

        In markets stored before curves shared one namespace, a spread curve can have had the name of a discount curve. Such a spread
        curve is read as `NAME:SPREAD`, and contracts that call it `NAME` still find it.
        """
        for candidate in (name, f"{name}:{kind}"):
            place = self.curve_index.get(candidate)
            if place is not None and self.curves[place].kind is kind:
                return place
        return None

    def fx(self, currency: str) -> float:
        """Today's price of one unit of the currency in base currency. Raises KeyError where the market has none."""
        return 1.0 if currency == self.base_currency else self.fx_to_base[currency]

    def currency_of(self, unit: str) -> str | None:
        """The currency that a unit (see `units.py`) is, or in which its price is; None where the market has no such price."""
        security = price_unit(unit)
        if security is None:
            return unit
        price = self.prices.get(security.price)
        return None if price is None else price.currency

    def unit_value(self, unit: str) -> float:
        """Today's value of one unit in base currency, NaN where price or exchange rate are missing."""
        security, currency = price_unit(unit), self.currency_of(unit)
        if currency is None:
            return math.nan
        rate = 1.0 if currency == self.base_currency else self.fx_to_base.get(currency, math.nan)
        return rate if security is None else self.prices[security.price].value * rate


@dataclass(frozen=True)
class Scenarios:
    """Moves of a market, one column a scenario; what is not named stays where it is.

    Zero shifts are absolute (0.0001 is 1 bp), at the pillars of the curve they name, and travel through the curve's own interpolation.
    """

    count: int
    shifts: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Curve -> float64[pillar, scenario], added to its zero rates (or spreads, or whatever its kind has)."""
    credit_spread_shift: np.ndarray | None = None
    """float64[scenario]: added to the credit spread of every contract that has one (see CS01)."""
    fx_factors: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Currency -> float64[scenario]: multiplies its price in base currency. The base currency has none."""
    price_factors: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Name of a price -> float64[scenario]: multiplies it, in its own currency."""

    def unit_factor(self, unit: str, *, market: Market) -> np.ndarray | None:
        """float64[scenario]: what multiplies a unit's value in base currency; None where it stays as it is.

        A security moves as its own price does, else by beta × its benchmark's move.
        """
        security, currency = price_unit(unit), market.currency_of(unit)
        fx = None if currency is None else self.fx_factors.get(currency)
        if security is None:
            return fx
        own = self.price_factors.get(security.price)
        if own is None and (of_benchmark := self.price_factors.get(security.benchmark)) is not None:
            own = 1.0 + security.beta * (of_benchmark - 1.0)
        return fx if own is None else own if fx is None else own * fx

    def __post_init__(self) -> None:
        shifts = [*self.shifts.items(), *self.fx_factors.items(), *self.price_factors.items()]
        if self.credit_spread_shift is not None:
            shifts.append(("credit_spread_shift", self.credit_spread_shift))
        for name, values in shifts:
            if values.shape[-1] != self.count:
                raise ValueError(f"scenarios of {name!r}: the last axis must have {self.count} scenarios, has shape {values.shape}")
            if not np.all(np.isfinite(values)):
                raise ValueError(f"scenarios of {name!r}: a value is not finite")
