"""QuantLib's objects under riskray's names, for comparisons."""

from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers.market import Curve

_EPOCH_SERIAL: Final[int] = ql.Date(1, 1, 1970).serialNumber()

CALENDARS: Final[dict[str, Any]] = {
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


def day_counter(name: str, *, maturity: int, calendar: str) -> Any:
    """QuantLib's day counter; the maturity is read by 30E/360 ISDA, the calendar by BUS/252."""
    if name == "30E/360 ISDA":
        return ql.Thirty360(ql.Thirty360.ISDA, date_of(maturity))
    return ql.Business252(CALENDARS[calendar]) if name == "BUS/252" else _DAY_COUNTERS[name]


def term_structure(curve: Curve, *, as_of: int) -> Any:
    """QuantLib's curve with the same pillars and interpolation; equal to ours up to the last pillar."""
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
