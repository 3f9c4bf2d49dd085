"""Floating legs in QuantLib, and published fixings for them."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.indices import Index, IndexKind
from pricers.market.market import Curve, CurveKind, Interpolation, Market
from tests.oracles import quantlib_terms as terms

INDICES: Final[Mapping[str, Index]] = {
    index.name: index
    for index in (
        Index("TERM-1M", IndexKind.TERM, "EUR", "1M", "ACT/360", 2, "US_GOVT", "", "MODIFIED_FOLLOWING"),
        Index("TERM-3M", IndexKind.TERM, "EUR", "3M", "ACT/360", 2, "TARGET", "", "MODIFIED_FOLLOWING", end_of_month=True),
        Index("TERM-6M", IndexKind.TERM, "EUR", "6M", "ACT/360", 2, "TARGET", "", "MODIFIED_FOLLOWING", end_of_month=True),
        Index("TERM-12M", IndexKind.TERM, "EUR", "12M", "ACT/365F", 0, "UK", "", "MODIFIED_FOLLOWING"),
        Index("TERM-2W", IndexKind.TERM, "EUR", "2W", "30E/360", 1, "JP", "", "FOLLOWING"),
        Index("OVERNIGHT-US", IndexKind.OVERNIGHT, "EUR", "", "ACT/360", 0, "US_GOVT", "", "FOLLOWING", publication_lag_days=1),
        Index("OVERNIGHT-UK", IndexKind.OVERNIGHT, "EUR", "", "ACT/365F", 0, "UK", "", "FOLLOWING", publication_lag_days=1),
        Index("OVERNIGHT-TARGET", IndexKind.OVERNIGHT, "EUR", "", "ACT/360", 0, "TARGET", "", "FOLLOWING", publication_lag_days=1),
    )
}
TERM_INDICES: Final = tuple(name for name, index in INDICES.items() if index.kind is IndexKind.TERM)
OVERNIGHT_INDICES: Final = tuple(name for name, index in INDICES.items() if index.kind is IndexKind.OVERNIGHT)
FIXINGS_FROM_DAYS: Final = 5_000
"""Days before the valuation date of the first fixing."""
_UNITS: Final = {"D": ql.Days, "W": ql.Weeks, "M": ql.Months, "Y": ql.Years}


def forecast_curves(like: Curve, *, rng: np.random.Generator) -> tuple[Curve, ...]:
    """One curve an index, of both interpolations, on the pillars of another."""
    interpolations: tuple[Interpolation, ...] = ("LOG_LINEAR_DISCOUNT", "LINEAR_ZERO")
    rates = [like.zero_rates + rng.uniform(-0.01, 0.02) for _ in INDICES]
    return tuple(
        Curve(name, CurveKind.RATE, "EUR", interpolations[number % 2], like.pillar_labels, like.pillar_days, rates[number])
        for number, name in enumerate(INDICES)
    )


def random_fixings(as_of: int, *, rng: np.random.Generator, from_days: int = FIXINGS_FROM_DAYS) -> Fixings:
    """A walk for each index on its business days, for half of the indices up to the valuation date, for the others up to the day before."""
    series = {}
    for number, (name, index) in enumerate(INDICES.items()):
        calendar = terms.CALENDARS[index.fixing_calendar]
        days = range(as_of - from_days, as_of + number % 2)
        open_days = np.array([day for day in days if calendar.isBusinessDay(terms.date_of(day))], np.int32)
        series[name] = FixingSeries(open_days, 0.03 + np.cumsum(rng.normal(0.0, 0.0003, open_days.size)))
    return Fixings(series, INDICES)


class FloatingOracle:
    """QuantLib's indices of one market, with its fixings. One at a time: QuantLib keeps fixings by the name of an index."""

    def __init__(self, market: Market) -> None:
        ql.Settings.instance().evaluationDate = terms.date_of(market.as_of)
        ql.IndexManager.instance().clearHistories()
        self.curves = {curve.name: terms.term_structure(curve, as_of=market.as_of) for curve in market.of_kind(CurveKind.RATE)}
        self.handles = {name: ql.RelinkableYieldTermStructureHandle(curve) for name, curve in self.curves.items()}
        self._indices: dict[tuple[str, str], Any] = {}
        for name, index in market.fixings.indices.items():
            series = market.fixings.series.get(name)
            if series is not None and index.kind in (IndexKind.TERM, IndexKind.OVERNIGHT) and index.forecast_curve in self.handles:
                dates = [terms.date_of(day) for day in series.days]
                self.index(name, index.forecast_curve, market).addFixings(dates, series.values.tolist(), True)

    def index(self, name: str, curve: str, market: Market) -> Any:
        """The index, forecast on a curve."""
        if (name, curve) not in self._indices:
            definition = market.fixings.indices[name]
            self._indices[name, curve] = quantlib_index(definition, self.handles[curve])
        return self._indices[name, curve]


def quantlib_index(index: Index, curve: Any) -> Any:
    """The index in QuantLib."""
    currency = getattr(ql, f"{index.currency}Currency")()
    calendar, counter = terms.CALENDARS[index.fixing_calendar], terms.day_counter(index.day_count, maturity=0, calendar="", schedule=None)
    if index.kind is IndexKind.OVERNIGHT:
        return ql.OvernightIndex(index.name, index.fixing_lag, currency, calendar, counter, curve)
    tenor = ql.Period(int(index.tenor[:-1]), _UNITS[index.tenor[-1]])
    convention = terms.CONVENTIONS[index.convention]
    return ql.IborIndex(index.name, tenor, index.fixing_lag, currency, calendar, convention, index.end_of_month, counter, curve)


def floating_coupons(contract: dict[str, Any], *, schedule: Any, nominals: list[float], index: Any, counter: Any) -> Any:
    """QuantLib's coupons of a contract with the columns of FLOAT_COLUMNS.

    Args:
        nominals: one a period.
        index: QuantLib's.
        counter: QuantLib's day counter of the periods.
    """
    periods = len(list(schedule.dates())) - 1
    convention, calendar = terms.CONVENTIONS[contract["payment_convention"]], terms.CALENDARS[contract["calendar"]]
    gearings, spreads = [contract.get("gearing", 1.0)] * periods, margins(contract, schedule)
    if isinstance(index, ql.OvernightIndex):
        lookback = contract.get("lookback_days", 0)
        averages, compounds = contract.get("rate_method") == "AVERAGED", contract.get("spread_compounding") == "COMPOUNDED"
        return ql.OvernightLeg(
            nominals, schedule, index, counter, convention, gearings, spreads, False,
            ql.RateAveraging.Simple if averages else ql.RateAveraging.Compound, calendar, contract["payment_lag"],
            **({"lookbackDays": lookback} if lookback else {}), lockoutDays=contract.get("lockout_days", 0),
            applyObservationShift=bool(lookback and contract.get("observation_shift", False)), compoundSpreadDaily=compounds,
        )  # fmt: skip
    if contract.get("rate_method") == "SUBPERIOD_COMPOUNDED":
        return _reset_coupons(contract, schedule=schedule, nominals=nominals, index=index, counter=counter)
    ex_days = contract.get("ex_coupon_days", 0)
    ex_coupon = (ql.Period(ex_days, ql.Days), terms.CALENDARS[contract["ex_coupon_calendar"]] if ex_days else ql.NullCalendar())
    return ql.IborLeg(
        nominals, schedule, index, counter, convention, [contract.get("fixing_lag", index.fixingDays())], gearings, spreads, [], [], False,
        *ex_coupon, ql.Unadjusted, False, calendar, contract["payment_lag"], contract.get("coupon_estimation", "PAR") == "INDEXED",
    )  # fmt: skip


def _reset_coupons(contract: dict[str, Any], *, schedule: Any, nominals: list[float], index: Any, counter: Any) -> Any:
    """Coupons of compounded term rates, of a schedule of regular periods that no convention moves."""
    starts, months = list(schedule.dates()), index.tenor().length()
    resets = schedule.tenor().length() // months
    dates = [start + ql.Period(part * months, ql.Months) for start in starts[:-1] for part in range(resets)]
    full = ql.Schedule([*dates, starts[-1]], ql.NullCalendar(), ql.Unadjusted)
    periods = len(starts) - 1
    compounds, simple = margins(contract, schedule), [0.0] * periods
    if contract.get("spread_compounding") != "COMPOUNDED":
        compounds, simple = simple, compounds
    return ql.MultipleResetsLeg(
        full, index, resets, nominals, counter, terms.CONVENTIONS[contract["payment_convention"]], terms.CALENDARS[contract["calendar"]],
        contract["payment_lag"], [contract.get("fixing_lag", index.fixingDays())], [contract.get("gearing", 1.0)] * periods, simple,
        compounds,
    )  # fmt: skip


def margins(contract: dict[str, Any], schedule: Any) -> list[float]:
    """The margin of each period."""
    steps = list(zip(contract.get("spread_dates", ()), contract.get("spread_values", ()), strict=True))
    found = []
    for start in list(schedule.dates())[:-1]:
        begun = [value for day, value in steps if day <= terms.day_of(start)]
        found.append(begun[-1] if begun else contract.get("spread", 0.0))
    return found
