"""QuantLib's dates, calendars and day counters under riskray's names."""

from typing import Any

import numpy as np
import QuantLib as ql

from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS
from pricers.time.dates import NO_DATE
from pricers.time.schedule import RULES

EPOCH_SERIAL = ql.Date(1, 1, 1970).serialNumber()

CONVENTIONS = {
    "UNADJUSTED": ql.Unadjusted,
    "FOLLOWING": ql.Following,
    "MODIFIED_FOLLOWING": ql.ModifiedFollowing,
    "PRECEDING": ql.Preceding,
    "MODIFIED_PRECEDING": ql.ModifiedPreceding,
    "HALF_MONTH_MODIFIED_FOLLOWING": ql.HalfMonthModifiedFollowing,
    "NEAREST": ql.Nearest,
}
GENERATION_RULES = {"BACKWARD": ql.DateGeneration.Backward, "FORWARD": ql.DateGeneration.Forward, "ZERO": ql.DateGeneration.Zero}

CALENDARS = {
    "NONE": ql.NullCalendar(),
    "WEEKENDS_ONLY": ql.WeekendsOnly(),
    "TARGET": ql.TARGET(),
    "US_FED": ql.UnitedStates(ql.UnitedStates.FederalReserve),
    "US_GOVT": ql.UnitedStates(ql.UnitedStates.GovernmentBond),
    "US_NYSE": ql.UnitedStates(ql.UnitedStates.NYSE),
    "US_SETTLEMENT": ql.UnitedStates(ql.UnitedStates.Settlement),
    "US_SOFR": ql.UnitedStates(ql.UnitedStates.SOFR),
    "UK": ql.UnitedKingdom(ql.UnitedKingdom.Settlement),
    "JP": ql.Japan(),
    "CH": ql.Switzerland(),
    "CA": ql.Canada(ql.Canada.Settlement),
    "AU": ql.Australia(ql.Australia.Settlement),
    "NZ": ql.NewZealand(ql.NewZealand.Wellington),
    "SE": ql.Sweden(),
    "NO": ql.Norway(),
    "DK": ql.Denmark(),
    "PL": ql.Poland(ql.Poland.Settlement),
    "CZ": ql.CzechRepublic(ql.CzechRepublic.PSE),
    "HU": ql.Hungary(),
    "BR": ql.Brazil(ql.Brazil.Settlement),
    "MX": ql.Mexico(ql.Mexico.BMV),
    "ZA": ql.SouthAfrica(),
    "HK": ql.HongKong(ql.HongKong.HKEx),
    "SG": ql.Singapore(ql.Singapore.SGX),
    "KR": ql.SouthKorea(ql.SouthKorea.Settlement),
    "IN": ql.India(ql.India.NSE),
    "CN": ql.China(ql.China.IB),
    "TARGET+US_FED": ql.JointCalendar(ql.TARGET(), ql.UnitedStates(ql.UnitedStates.FederalReserve), ql.JoinHolidays),
    "UK+US_FED+JP": ql.JointCalendar(
        ql.UnitedKingdom(ql.UnitedKingdom.Settlement), ql.UnitedStates(ql.UnitedStates.FederalReserve), ql.Japan(), ql.JoinHolidays
    ),
}

DAY_COUNTERS = {
    "ACT/360": ql.Actual360(),
    "ACT/365F": ql.Actual365Fixed(),
    "ACT/ACT ISDA": ql.ActualActual(ql.ActualActual.ISDA),
    "ACT/ACT ICMA": ql.ActualActual(ql.ActualActual.ISMA),
    "30/360 US": ql.Thirty360(ql.Thirty360.USA),
    "30/360 BOND BASIS": ql.Thirty360(ql.Thirty360.BondBasis),
    "30E/360": ql.Thirty360(ql.Thirty360.European),
}


def date(day: int | np.integer) -> ql.Date:
    """QuantLib's date of a day number; its null date for NO_DATE."""
    return ql.Date() if day == NO_DATE else ql.Date(int(day) + EPOCH_SERIAL)


def day(value: ql.Date) -> int:
    return value.serialNumber() - EPOCH_SERIAL


def convention(code: int) -> int:
    return CONVENTIONS[BUSINESS_DAY_CONVENTIONS[code]]


def period(months: int, days: int) -> ql.Period:
    if months:
        return ql.Period(int(months), ql.Months)
    return ql.Period(int(days), ql.Days) if days else ql.Period(0, ql.Years)


def schedule(contract: dict[str, Any], calendar: ql.Calendar) -> ql.Schedule | None:
    """QuantLib's schedule of a contract of `random_contracts`, None where QuantLib refuses it."""
    try:
        return ql.Schedule(
            date(contract["effective"]),
            date(contract["maturity"]),
            period(contract["tenor_months"], contract["tenor_days"]),
            calendar,
            convention(contract["convention"]),
            convention(contract["termination_convention"]),
            GENERATION_RULES[RULES[contract["rule"]]],
            bool(contract["month_end"]),
            date(contract["first_date"]),
            date(contract["penultimate_date"]),
        )
    except RuntimeError:
        return None


def day_counter(name: str, *, maturity: int, calendar: ql.Calendar) -> ql.DayCounter:
    if name == "30E/360 ISDA":
        return ql.Thirty360(ql.Thirty360.ISDA, date(maturity))
    return ql.Business252(calendar) if name == "BUS/252" else DAY_COUNTERS[name]


def month_ends_among(days: np.ndarray, *, share: float, rng: np.random.Generator) -> np.ndarray:
    """Move a share of the days to the end of their month, where most rules have their exceptions."""
    months = days.astype("datetime64[D]").astype("datetime64[M]")
    ends = ((months + 1).astype("datetime64[D]") - 1).astype(np.int64)
    return np.where(rng.random(len(days)) < share, ends, days).astype(np.int32)
