"""QuantLib's objects under riskray's names, for comparisons."""

from itertools import pairwise
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers.market.market import Curve
from tests.oracles.quantlib_time import CALENDARS as ALL_CALENDARS

_EPOCH_SERIAL: Final[int] = ql.Date(1, 1, 1970).serialNumber()


class _Calendars(dict[str, Any]):
    """Those that random contracts choose from; any other name of one or of several joint calendars is found too."""

    def __missing__(self, name: str) -> Any:
        members = [ALL_CALENDARS[member] for member in name.split("+")]
        return members[0] if len(members) == 1 else ql.JointCalendar(members)


CALENDARS: Final[dict[str, Any]] = _Calendars(
    {
        "NONE": ql.NullCalendar(),
        "TARGET": ql.TARGET(),
        "US_FED": ql.UnitedStates(ql.UnitedStates.FederalReserve),
        "US_GOVT": ql.UnitedStates(ql.UnitedStates.GovernmentBond),
        "UK": ql.UnitedKingdom(ql.UnitedKingdom.Settlement),
        "JP": ql.Japan(),
        "BR": ql.Brazil(ql.Brazil.Settlement),
        "CA": ql.Canada(),
        "CH": ql.Switzerland(),
        "TARGET+US_FED": ql.JointCalendar(ql.TARGET(), ql.UnitedStates(ql.UnitedStates.FederalReserve), ql.JoinHolidays),
    }
)
CONVENTIONS: Final[dict[str, int]] = {
    "UNADJUSTED": ql.Unadjusted,
    "FOLLOWING": ql.Following,
    "MODIFIED_FOLLOWING": ql.ModifiedFollowing,
    "PRECEDING": ql.Preceding,
    "MODIFIED_PRECEDING": ql.ModifiedPreceding,
    "HALF_MONTH_MODIFIED_FOLLOWING": ql.HalfMonthModifiedFollowing,
    "NEAREST": ql.Nearest,
}
ROLL_RULES: Final[dict[str, int]] = {
    "BACKWARD": ql.DateGeneration.Backward,
    "FORWARD": ql.DateGeneration.Forward,
    "ZERO": ql.DateGeneration.Zero,
}
FREQUENCIES: Final[dict[str, tuple[Any, int]]] = {
    "ONCE": (ql.Period(0, ql.Years), ql.Annual),
    "ANNUAL": (ql.Period(12, ql.Months), ql.Annual),
    "SEMIANNUAL": (ql.Period(6, ql.Months), ql.Semiannual),
    "EVERY_FOUR_MONTHS": (ql.Period(4, ql.Months), ql.EveryFourthMonth),
    "QUARTERLY": (ql.Period(3, ql.Months), ql.Quarterly),
    "BIMONTHLY": (ql.Period(2, ql.Months), ql.Bimonthly),
    "MONTHLY": (ql.Period(1, ql.Months), ql.Monthly),
    "EVERY_FOUR_WEEKS": (ql.Period(4, ql.Weeks), ql.EveryFourthWeek),
    "BIWEEKLY": (ql.Period(2, ql.Weeks), ql.Biweekly),
    "WEEKLY": (ql.Period(1, ql.Weeks), ql.Weekly),
    "DAILY": (ql.Period(1, ql.Days), ql.Daily),
}
"""Tenor of the schedule and compounding frequency of yields."""
_DAY_COUNTERS: Final[dict[str, Any]] = {
    "ACT/360": ql.Actual360(),
    "ACT/365F": ql.Actual365Fixed(),
    "ACT/ACT ISDA": ql.ActualActual(ql.ActualActual.ISDA),
    "ACT/ACT ICMA": ql.ActualActual(ql.ActualActual.ISMA),
    "30/360 US": ql.Thirty360(ql.Thirty360.USA),
    "30/360 BOND BASIS": ql.Thirty360(ql.Thirty360.BondBasis),
    "30E/360": ql.Thirty360(ql.Thirty360.European),
}


def date_of(day: int | np.integer) -> Any:
    """QuantLib's date of a day number."""
    return ql.Date(int(day) + _EPOCH_SERIAL)


def day_of(date: Any) -> int:
    """Days since 1970-01-01 of a QuantLib date."""
    return int(date.serialNumber()) - _EPOCH_SERIAL


def day_counter(name: str, *, maturity: int, calendar: str, schedule: Any) -> Any:
    """QuantLib's day counter. 30E/360 ISDA reads the maturity, BUS/252 the calendar, ACT/ACT ICMA the schedule if it has a long stub."""
    if name == "30E/360 ISDA":
        return ql.Thirty360(ql.Thirty360.ISDA, date_of(maturity))
    if name == "ACT/ACT ICMA" and (quasi_coupons := quasi_coupon_schedule(schedule)) is not None:
        return ql.ActualActual(ql.ActualActual.ISMA, quasi_coupons)
    return ql.Business252(CALENDARS[calendar]) if name == "BUS/252" else _DAY_COUNTERS[name]


def pays_by_frequency(contract: dict[str, Any]) -> bool:
    """Whether regular periods pay the rate over the periods a year."""
    given = contract.get("coupon_amount")
    if given is None:
        is_unadjusted = contract.get("accrual_convention", "UNADJUSTED") == "UNADJUSTED"
        return contract["day_count"].startswith("30") and is_unadjusted and FREQUENCIES[contract["frequency"]][0].units() == ql.Months
    return bool(given == "BY_FREQUENCY")


def rates_of_periods(contract: dict[str, Any], rate: float, *, schedule: Any, counter: Any) -> list[float]:
    """Rates at which QuantLib's coupons, which count days, pay what the contract's `coupon_amount` says."""
    if not pays_by_frequency(contract) or contract["frequency"] == "ONCE" or contract.get("roll_rule") == "ZERO":
        return [rate]
    per_year, regular, dates = FREQUENCIES[contract["frequency"]][1], list(schedule.isRegular()), list(schedule.dates())
    years = [counter.yearFraction(start, end, start, end) for start, end in pairwise(dates)]
    return [rate / per_year / counted if whole else rate for whole, counted in zip(regular, years, strict=True)]


def quasi_coupon_schedule(schedule: Any) -> Any | None:
    """The schedule with the dates that it would have if it went on regularly beyond both ends; None without a stub longer than a tenor.

    QuantLib's ActualActual(ISMA, schedule) adds one or two such dates itself; given them all, it counts stubs of any length.
    """
    dates, regular = list(schedule.dates()), list(schedule.isRegular())
    tenor = schedule.tenor()
    if tenor.units() != ql.Months or tenor.length() <= 0 or all(regular):
        return None

    def rolled(day: Any, direction: int) -> Any:
        step = ql.Period(direction * tenor.length(), ql.Months)
        return schedule.calendar().advance(day, step, schedule.businessDayConvention(), schedule.endOfMonth())

    first = dates[0] if regular[0] else dates[1]
    last = dates[-1] if regular[-1] or len(dates) == 2 else dates[-2]
    if rolled(first, -1) <= dates[0] and dates[-1] <= rolled(last, 1):
        return None
    grid = [day for day in dates if first <= day <= last]
    while grid[0] > dates[0] - 800:
        grid.insert(0, rolled(grid[0], -1))
    while grid[-1] < dates[-1] + 800:
        grid.append(rolled(grid[-1], 1))
    convention = schedule.businessDayConvention()
    rule, are_regular = ql.DateGeneration.Backward, [True] * (len(grid) - 1)
    return ql.Schedule(grid, schedule.calendar(), convention, convention, tenor, rule, schedule.endOfMonth(), are_regular)


def counts_icma(schedule: Any) -> bool:
    """Whether QuantLib's ACT/ACT ICMA can count all periods: where there is a long stub, it takes an irregular period between two coupons
    for a whole one of a frequency that it rounds, such as 1.2 coupons a year to 1."""
    return all(list(schedule.isRegular())[1:-1]) or quasi_coupon_schedule(schedule) is None


def counts_beyond_coupons(day_count: str, schedule: Any, bond: Any) -> bool:
    """Whether yields of the bond cannot be compared: a long ACT/ACT ICMA stub, and coupons that are paid on other days than they end on.

    QuantLib counts the days between with one rule for all coupons; from the end of a regular coupon we go on by its own length.
    """
    if day_count != "ACT/ACT ICMA" or quasi_coupon_schedule(schedule) is None:
        return False
    coupons = [coupon for coupon in map(ql.as_coupon, bond.cashflows()) if coupon is not None]
    return any(coupon.date() != coupon.accrualEndDate() for coupon in coupons)


def term_structure(curve: Curve, *, as_of: int) -> Any:
    """QuantLib's curve with the pillars and interpolation of a curve; both are equal up to the last pillar."""
    dates = [date_of(as_of), *(date_of(as_of + int(day)) for day in curve.pillar_days)]
    if curve.interpolation == "LOG_LINEAR_DISCOUNT":
        factors = np.exp(-curve.zero_rates * curve.pillar_days / 365.0)
        structure = ql.DiscountCurve(dates, [1.0, *factors.tolist()], ql.Actual365Fixed())
    else:
        rates = [float(curve.zero_rates[0]), *curve.zero_rates.tolist()]
        structure = ql.ZeroCurve(dates, rates, ql.Actual365Fixed(), ql.NullCalendar(), ql.Linear(), ql.Continuous)
    structure.enableExtrapolation()
    return structure


def with_spreads(structure: Any, *, spread_curve: Curve | None, credit_spread: float, as_of: int) -> Any:
    """The curve plus a zero spread curve plus a constant zero spread."""
    if spread_curve is not None:
        quotes = [ql.QuoteHandle(ql.SimpleQuote(float(spread))) for spread in spread_curve.zero_rates]
        dates = [date_of(as_of + int(day)) for day in spread_curve.pillar_days]
        structure = ql.SpreadedLinearZeroInterpolatedTermStructure(
            ql.YieldTermStructureHandle(structure), quotes, dates, ql.Continuous, ql.NoFrequency
        )
        structure.enableExtrapolation()
    if credit_spread != 0.0:
        quote = ql.QuoteHandle(ql.SimpleQuote(credit_spread))
        structure = ql.ZeroSpreadedTermStructure(ql.YieldTermStructureHandle(structure), quote, ql.Continuous, ql.NoFrequency)
        structure.enableExtrapolation()
    return structure
