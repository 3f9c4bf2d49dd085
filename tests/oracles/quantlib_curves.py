"""QuantLib's piecewise curves from the quotes of a calibration system, for comparisons. Shared with benchmarks.bootstrap."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers.calibration.calibrated import CalibrationSystem
from pricers.calibration.instruments import Roles, fx_swap_days
from pricers.calibration.market_dates import third_wednesday
from pricers.calibration.order import part_of, roles_of
from pricers.calibration.quotes import Instrument, Quote
from pricers.market.conventions import FX_CONVENTIONS, RATE_FUTURE_CONVENTIONS, SWAP_CONVENTIONS, LegConvention
from pricers.market.indices import STANDARD_INDICES, IndexKind
from pricers.time.dates import add_tenor, to_date
from pricers.time.fx_dates import spot_calendars
from tests.oracles.quantlib_terms import CONVENTIONS, date_of, day_counter
from tests.oracles.quantlib_time import CALENDARS

_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FREQUENCIES: Final = {"ONCE": ql.Once, "ANNUAL": ql.Annual, "SEMIANNUAL": ql.Semiannual, "QUARTERLY": ql.Quarterly, "MONTHLY": ql.Monthly}
_MODIFIED: Final = ql.ModifiedFollowing


def calendar_of(name: str) -> Any:
    """QuantLib's calendar of a single or joint name."""
    members = [CALENDARS[member] for member in name.split("+")]
    return members[0] if len(members) == 1 else ql.JointCalendar(members)


def index_of(name: str, curve: Any = None) -> Any:
    """QuantLib's index with the definition that ships, forecast on a curve."""
    index = STANDARD_INDICES[name]
    calendar, count = calendar_of(index.fixing_calendar), _day_count(index.day_count)
    currency = getattr(ql, f"{index.currency}Currency")()
    handle = ql.YieldTermStructureHandle() if curve is None else curve
    if index.kind is IndexKind.OVERNIGHT:
        return ql.OvernightIndex(name, index.fixing_lag, currency, calendar, count, handle)
    tenor, convention = ql.Period(index.tenor), CONVENTIONS[index.convention]
    return ql.IborIndex(name, tenor, index.fixing_lag, currency, calendar, convention, index.end_of_month, count, handle)


def _day_count(name: str) -> Any:
    return (
        day_counter(name, maturity=0, calendar="NONE", schedule=None) if name != "ACT/ACT ICMA" else ql.ActualActual(ql.ActualActual.ISMA)
    )


@dataclass
class QuantLibCurves:
    """Curves that QuantLib builds from the quotes of a system."""

    quotes: list[Any]
    """SimpleQuote of each quote, in the system's order."""
    curves: list[Any]
    """By recipe, in the order of their solution."""

    def zero_rates(self, system: CalibrationSystem) -> np.ndarray:
        """float64[pillar]: at the system's pillars."""
        return np.concatenate([
            [-np.log(curve.discount(date_of(system.as_of + day))) * 365.0 / day for day in days.tolist()]
            for curve, days in zip(self.curves, system.pillar_days, strict=True)
        ])  # fmt: skip


def quantlib_curves(system: CalibrationSystem, *, fx_spots: Mapping[str, float] | None = None, make: Any = None) -> QuantLibCurves:
    """Build the system's curves with QuantLib's helpers and piecewise curves; known curves and solve groups are not supported.

    Args:
        system: where quotes, conventions and pillars come from.
        fx_spots: by pair.
        make: QuantLib's piecewise curve; None: the one of each recipe's interpolation.
    """
    ql.Settings.instance().evaluationDate = date_of(system.as_of)
    parts = [part_of(recipe, STANDARD_INDICES) for recipe in system.recipes]
    handles = [ql.RelinkableYieldTermStructureHandle() for _ in parts]
    values = [ql.SimpleQuote(quote.value) for quote in system.quotes]
    curves = []
    for number, recipe in enumerate(system.recipes):
        roles = roles_of(recipe, parts, group=frozenset())
        first, last = system.pillar_offsets[number : number + 2]
        helpers = [
            _helper(system.quotes[k], ql.QuoteHandle(values[k]), roles, number, handles, system.as_of, fx_spots or {})
            for k in range(first, last)
        ]
        piecewise = make or (ql.PiecewiseLinearZero if recipe.interpolation == "LINEAR_ZERO" else ql.PiecewiseLogLinearDiscount)
        curve = piecewise(date_of(system.as_of), helpers, ql.Actual365Fixed())
        curve.enableExtrapolation()
        handles[number].linkTo(curve)
        curves.append(curve)
    return QuantLibCurves(values, curves)


def _helper(quote: Quote, value: Any, roles: Roles, own: int, handles: list[Any], as_of: int, fx_spots: Mapping[str, float]) -> Any:
    def handle(number: int) -> Any:
        return ql.YieldTermStructureHandle() if number == own else handles[number]

    make: dict[Instrument, Callable[..., Any]] = {
        Instrument.DEPOSIT: _deposit,
        Instrument.FRA: _fra,
        Instrument.RATE_FUTURE: _future,
        Instrument.OIS: _ois,
        Instrument.IRS: _irs,
        Instrument.TENOR_BASIS: _tenor_basis,
        Instrument.XCCY_BASIS: _cross_currency,
    }
    if quote.instrument is Instrument.FX_SWAP:
        return _fx_swap(quote, value, roles, own, handle, as_of, fx_spots)
    return make[quote.instrument](quote, value, roles, own, handle)


def _deposit(quote: Quote, value: Any, roles: Roles, own: int, handle: Any) -> Any:
    index = STANDARD_INDICES[quote.convention]
    if quote.tenor in ("ON", "TN"):
        count, calendar = _day_count(index.day_count), calendar_of(index.value_calendar)
        return ql.DepositRateHelper(value, ql.Period("1D"), int(quote.tenor == "TN"), calendar, ql.Following, False, count)
    return ql.DepositRateHelper(value, index_of(quote.convention))


def _fra(quote: Quote, value: Any, roles: Roles, own: int, handle: Any) -> Any:
    return ql.FraRateHelper(value, int(quote.tenor.split("X")[0]), index_of(quote.convention))


def _future(quote: Quote, value: Any, roles: Roles, own: int, handle: Any) -> Any:
    convention = RATE_FUTURE_CONVENTIONS[quote.convention]
    month, year = _MONTHS.index(quote.tenor[:3]) + 1, 2000 + int(quote.tenor[3:])
    start, adjustment = third_wednesday(year, month), ql.QuoteHandle(ql.SimpleQuote(quote.convexity_adjustment))
    index = index_of(convention.index)
    if STANDARD_INDICES[convention.index].kind is IndexKind.TERM:
        return ql.FuturesRateHelper(value, date_of(start), index, adjustment)
    end = to_date(add_tenor(start, f"{convention.months}M"))
    return ql.OvernightIndexFutureRateHelper(value, date_of(start), date_of(third_wednesday(end.year, end.month)), index, adjustment)


def _frequency(leg: LegConvention) -> Any:
    return _FREQUENCIES[leg.frequency]


def _ois(quote: Quote, value: Any, roles: Roles, own: int, handle: Any) -> Any:
    convention = SWAP_CONVENTIONS[quote.convention]
    fixed, floating = convention.legs
    if quote.start is not None and quote.end is not None:
        index = index_of(floating.index or "")
        return ql.OISRateHelper.forDates(
            date_of(quote.start), date_of(quote.end), value, index, paymentLag=fixed.payment_lag, paymentFrequency=_frequency(fixed)
        )
    return ql.OISRateHelper(
        settlementDays=convention.spot_lag, tenor=ql.Period(quote.tenor), rate=value, index=index_of(floating.index or ""),
        discountingCurve=handle(roles.discount(fixed.currency)), paymentLag=fixed.payment_lag, paymentFrequency=_frequency(fixed),
        fixedDayCount=_day_count(fixed.day_count), endOfMonth=_is_month_end(convention.spot_lag, fixed),
    )  # fmt: skip


def _is_month_end(spot_lag: int, leg: LegConvention) -> bool:
    calendar = calendar_of(leg.calendar)
    start = calendar.advance(calendar.adjust(ql.Settings.instance().evaluationDate), spot_lag, ql.Days)
    return leg.end_of_month and bool(calendar.isEndOfMonth(start))


def _irs(quote: Quote, value: Any, roles: Roles, own: int, handle: Any) -> Any:
    convention = SWAP_CONVENTIONS[quote.convention]
    fixed, floating = convention.legs
    return ql.SwapRateHelper(
        value, ql.Period(quote.tenor), calendar_of(fixed.calendar), _frequency(fixed), _MODIFIED, _day_count(fixed.day_count),
        index_of(floating.index or ""), ql.QuoteHandle(), ql.Period("0D"), handle(roles.discount(fixed.currency)), convention.spot_lag,
        ql.Pillar.LastRelevantDate, ql.Date(), _is_month_end(convention.spot_lag, fixed),
    )  # fmt: skip


def _tenor_basis(quote: Quote, value: Any, roles: Roles, own: int, handle: Any) -> Any:
    convention = SWAP_CONVENTIONS[quote.convention]
    first, second = (leg.index or "" for leg in convention.legs)
    numbers = roles.forecast(first), roles.forecast(second)
    indices = [index_of(name, handle(number)) for name, number in zip((first, second), numbers, strict=True)]
    terms = (value, ql.Period(quote.tenor), convention.spot_lag, calendar_of(convention.spot_calendar), _MODIFIED, False, *indices)
    discount = handle(roles.discount(convention.legs[0].currency))
    if STANDARD_INDICES[first].kind is IndexKind.OVERNIGHT:
        frequency = _frequency(convention.legs[0])
        return ql.OvernightIborBasisSwapRateHelper(
            *terms, discount, bootstrapBaseCurve=numbers[0] == own, paymentLag=convention.legs[0].payment_lag,
            overnightPaymentFrequency=frequency,
        )  # fmt: skip
    return ql.IborIborBasisSwapRateHelper(*terms, discount, numbers[0] == own)


def _cross_currency(quote: Quote, value: Any, roles: Roles, own: int, handle: Any) -> Any:
    convention = SWAP_CONVENTIONS[quote.convention]
    spread, other = convention.legs
    collateral = handle(roles.discount(other.currency))
    indices = [index_of(leg.index or "", handle(roles.forecast(leg.index or ""))) for leg in (spread, other)]
    terms = (
        value,
        ql.Period(quote.tenor),
        convention.spot_lag,
        calendar_of(convention.spot_calendar),
        _MODIFIED,
        False,
        *indices,
        collateral,
    )
    if convention.is_resetting:
        return ql.MtMCrossCurrencyBasisSwapRateHelper(*terms, False, True, False, _frequency(spread), spread.payment_lag)
    return ql.ConstNotionalCrossCurrencyBasisSwapRateHelper(*terms, False, True, _frequency(spread), spread.payment_lag)


def _fx_swap(quote: Quote, value: Any, roles: Roles, own: int, handle: Any, as_of: int, fx_spots: Mapping[str, float]) -> Any:
    pair = FX_CONVENTIONS[quote.convention]
    base, term = roles.discount(pair.base_currency), roles.discount(pair.quote_currency)
    _, near, _ = fx_swap_days(quote, pair, as_of)
    calendars = spot_calendars(pair.calendar, base_currency=pair.base_currency, quote_currency=pair.quote_currency)
    calendar = calendar_of(calendars.spot)
    lag = calendar.businessDaysBetween(date_of(as_of), date_of(near))
    tenor = ql.Period("1D") if quote.tenor in ("ON", "TN", "SN") else ql.Period(quote.tenor)
    is_base_known = base != own
    return ql.FxSwapRateHelper(
        value, ql.QuoteHandle(ql.SimpleQuote(fx_spots[pair.name])), tenor, lag, calendar, _MODIFIED, pair.end_of_month, is_base_known,
        handle(base if is_base_known else term),
    )  # fmt: skip
