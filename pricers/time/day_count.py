"""Day counts: the fraction of a year between two dates.

`year_fraction` is the compiled scalar function that lowerings call in their loops; `year_fractions` takes arrays. All rules agree with
QuantLib to the last bits; the table gives QuantLib's name of each rule.

    ACT/360            Actual360
    ACT/365F           Actual365Fixed
    ACT/ACT ISDA       ActualActual(ISDA)
    ACT/ACT ICMA       ActualActual(ISMA); `icma_stub_fraction` is ActualActual(ISMA, schedule) in a stub
    30/360 US          Thirty360(USA): the last day of February counts as the 30th
    30/360 BOND BASIS  Thirty360(BondBasis): ISDA's 30/360, February as it is
    30E/360            Thirty360(European)
    30E/360 ISDA       Thirty360(ISDA): the last day of February counts as the 30th except at maturity
    BUS/252            Business252(calendar)

References:
    [1] ISDA, "EMU and market conventions: recent developments", 1998, and its 1999 correction (ACT/ACT worked examples).
    [2] ISDA, "30/360 day count conventions", 2008 (worked examples of every 30/360 rule).
    [3] ICMA rule 251 (ACT/ACT ICMA over notional coupon periods).
    [4] QuantLib, ql/time/daycounters.
"""

from __future__ import annotations

import math
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Float, Int

from pricers.kernels.jit import kernel, njit
from pricers.time.calendars import CalendarTables, advance_months, business_days_between, calendar_indices, calendar_tables
from pricers.time.dates import NO_DATE, add_months, civil_from_days, days_from_civil, days_in_month, is_leap_year

ACT_360: Final = 0
ACT_365F: Final = 1
ACT_ACT_ISDA: Final = 2
ACT_ACT_ICMA: Final = 3
THIRTY_360_US: Final = 4
THIRTY_360_BOND_BASIS: Final = 5
THIRTY_E_360: Final = 6
THIRTY_E_360_ISDA: Final = 7
BUS_252: Final = 8

DAY_COUNTS: Final = (
    "ACT/360",
    "ACT/365F",
    "ACT/ACT ISDA",
    "ACT/ACT ICMA",
    "30/360 US",
    "30/360 BOND BASIS",
    "30E/360",
    "30E/360 ISDA",
    "BUS/252",
)
"""Names of the day counts; the index is the code that the functions take."""


@kernel
@no_type_check
def year_fraction(
    code: int, start: int, end: int, reference_start: int, reference_end: int, maturity: int, calendar: int, tables: CalendarTables
) -> float:
    """Years from start to end; negative where end is before start.

    Args:
        code: index into `DAY_COUNTS`.
        start, end: days since 1970-01-01.
        reference_start, reference_end: the coupon period that contains the dates; for a stub, the regular (quasi-coupon) period next to
            its regular end. Only ACT/ACT ICMA reads them; NO_DATE stands for start or end.
        maturity: the contract's last date, NO_DATE for none. Only 30E/360 ISDA reads it.
        calendar, tables: only BUS/252 reads them.
    Returns:
        Years; NaN if the code is not a day count, if the reference period ends before it starts or does not contain the dates, and
        for BUS/252 if a date lies outside the calendar tables.
    """
    if code == BUS_252:
        business_days = business_days_between(start, end, calendar, tables)
        return math.nan if business_days == NO_DATE else business_days / 252.0
    return calendar_free_year_fraction(code, start, end, reference_start, reference_end, maturity)


@kernel
@no_type_check
def calendar_free_year_fraction(code: int, start: int, end: int, reference_start: int, reference_end: int, maturity: int) -> float:
    """`year_fraction` of every rule but BUS/252, which is NaN here.

    Passing calendar tables to a compiled function that is not inlined costs about 90 ns, many times the arithmetic, so loops over
    periods call this function.
    """
    days = np.int64(end) - np.int64(start)
    if code == ACT_360:
        return days / 360.0
    if code == ACT_365F:
        return days / 365.0
    if code == ACT_ACT_ISDA:
        return _act_act_isda(start, end)
    if code == ACT_ACT_ICMA:
        return _act_act_icma(start, end, reference_start, reference_end)
    if THIRTY_360_US <= code <= THIRTY_E_360_ISDA:
        return thirty_360_days(code, start, end, maturity) / 360.0
    return math.nan


@kernel
@no_type_check
def thirty_360_days(code: int, start: int, end: int, maturity: int) -> int:
    """Days between two dates in months of 30 days, by one of the four 30/360 rules [2]."""
    year1, month1, day1 = civil_from_days(start)
    year2, month2, day2 = civil_from_days(end)
    start_ends_february = month1 == 2 and day1 == days_in_month(year1, month1)
    end_ends_february = month2 == 2 and day2 == days_in_month(year2, month2)
    if code == THIRTY_360_US:
        if start_ends_february:
            day1 = 30
            if end_ends_february:
                day2 = 30
        if day2 == 31 and day1 >= 30:
            day2 = 30
        day1 = min(day1, 30)
    elif code == THIRTY_360_BOND_BASIS:
        day1 = min(day1, 30)
        if day1 == 30:
            day2 = min(day2, 30)
    else:
        day1 = min(day1, 30)
        day2 = min(day2, 30)
        if code == THIRTY_E_360_ISDA:
            if start_ends_february:
                day1 = 30
            if end_ends_february and end != maturity:
                day2 = 30
    return 360 * (year2 - year1) + 30 * (month2 - month1) + (day2 - day1)


@kernel
@no_type_check
def _act_act_isda(start: int, end: int) -> float:
    """Days in leap years over 366 plus days in other years over 365."""
    sign = 1.0
    if end < start:
        start, end, sign = end, start, -1.0
    year1 = civil_from_days(start)[0]
    year2 = civil_from_days(end)[0]
    if year1 == year2:
        return sign * (np.int64(end) - np.int64(start)) / (366.0 if is_leap_year(year1) else 365.0)
    head = (days_from_civil(year1 + 1, 1, 1) - start) / (366.0 if is_leap_year(year1) else 365.0)
    tail = (end - days_from_civil(year2, 1, 1)) / (366.0 if is_leap_year(year2) else 365.0)
    return sign * (year2 - year1 - 1 + head + tail)


@kernel
@no_type_check
def _act_act_icma(start: int, end: int, reference_start: int, reference_end: int) -> float:
    """ICMA rule 251 from one reference period; the other periods are rolled from it by whole months."""
    sign = 1.0
    if end < start:
        start, end, sign = end, start, -1.0
    if end == start:
        return 0.0
    if reference_start == NO_DATE:
        reference_start = start
    if reference_end == NO_DATE:
        reference_end = end
    if reference_end <= reference_start or reference_end <= start:
        return math.nan
    months = _whole_months(reference_start, reference_end)
    if months == 0:  # shorter than half a month, which is no coupon period: count in years from the start
        reference_start, reference_end, months = start, add_months(start, 12, False), 12
    years = 0.0
    if end > reference_end:
        years = _icma_beyond_reference(max(start, reference_start), end, reference_start, reference_end, months)
        end = reference_start
    if start < end:
        years += _icma_before_reference(start, end, reference_start, reference_end, months)
    return sign * years


@kernel
@no_type_check
def _whole_months(start: int, end: int) -> int:
    """The length of a period in months, rounded to the nearest, halves up."""
    return np.int64(math.floor(12.0 * (np.int64(end) - np.int64(start)) / 365.0 + 0.5))


@kernel
@no_type_check
def _icma_before_reference(start: int, end: int, reference_start: int, reference_end: int, months: int) -> float:
    """The end lies in or before the reference period (a long first coupon where the start does not): walk periods backwards."""
    years = 0.0
    while True:
        if end > reference_start:
            part_start = max(start, reference_start)
            years += months / 12.0 * (end - part_start) / (reference_end - reference_start)
            end = part_start
        if start >= reference_start:
            return years
        reference_end = reference_start
        reference_start = add_months(reference_end, -months, False)


@kernel
@no_type_check
def _icma_beyond_reference(start: int, end: int, reference_start: int, reference_end: int, months: int) -> float:
    """The start lies in the reference period and the end after it (a long last coupon): count whole periods, then the remainder."""
    years = months / 12.0 * (reference_end - start) / (reference_end - reference_start)
    periods = 0
    period_start = np.int64(reference_end)
    while True:
        period_end = add_months(reference_end, months * (periods + 1), False)
        if end < period_end:
            return years + months / 12.0 * (end - period_start) / (period_end - period_start)
        years += months / 12.0
        period_start = period_end
        periods += 1


@kernel
@no_type_check
def icma_stub_fraction(
    start: int,
    end: int,
    reference_start: int,
    reference_end: int,
    tenor_months: int,
    convention: int,
    month_end: bool,
    calendar: int,
    tables: CalendarTables,
) -> float:
    """ACT/ACT ICMA inside a stub coupon, over the coupon periods that the regular schedule would have there [3].

    Unlike `year_fraction`, it finds the quasi-coupon dates beyond the reference period by the schedule's month-end rule, convention and
    calendar, as QuantLib does when ActualActual(ISMA) is given the schedule.

    Args:
        start, end: days since 1970-01-01.
        reference_start, reference_end: the quasi-coupon period next to the stub's regular end; the others roll from it in both directions.
        tenor_months: months of a regular period, at least 1.
        convention, month_end, calendar: the schedule's.
    Returns:
        Years, negative where end is before start; NaN where a quasi-coupon date leaves the calendar tables.
    """
    sign, first, last = (1.0, np.int64(start), np.int64(end)) if start <= end else (-1.0, np.int64(end), np.int64(start))
    years, direction = 0.0, np.int64(-1)
    period_start, period_end = np.int64(reference_start), np.int64(reference_end)
    while True:
        if period_start == NO_DATE or period_start >= period_end:
            return math.nan
        days = min(last, period_end) - max(first, period_start)
        if days > 0:
            years += tenor_months / 12.0 * days / (period_end - period_start)
        if direction < 0 and first >= period_start:  # from here on, walk forwards
            direction, period_end = np.int64(1), np.int64(reference_end)
        if direction > 0 and last <= period_end:
            return sign * years
        if direction < 0:
            period_end = period_start
            period_start = np.int64(advance_months(period_end, -tenor_months, convention, month_end, calendar, tables))
        else:
            period_start = period_end
            period_end = np.int64(advance_months(period_start, tenor_months, convention, month_end, calendar, tables))


def year_fractions(
    start: Int[np.ndarray, " row"],
    *,
    end: np.ndarray,
    day_count: int | np.ndarray,
    reference_start: int | np.ndarray = NO_DATE,
    reference_end: int | np.ndarray = NO_DATE,
    maturity: int | np.ndarray = NO_DATE,
    calendar: int | np.ndarray = 0,
    tables: CalendarTables | None = None,
) -> Float[np.ndarray, " row"]:
    """Years between two dates of each row.

    >>> year_fractions(np.array([0, 0], np.int32), end=np.array([90, 180], np.int32), day_count=ACT_360)
    array([0.25, 0.5 ])

    Args:
        start: [row], days since 1970-01-01.
        end: [row] or one value, days since 1970-01-01.
        day_count: one code or [row] codes, index into `DAY_COUNTS`.
        reference_start, reference_end: the coupon period for ACT/ACT ICMA; one value or [row], NO_DATE to use `start` and `end`.
        maturity: the contract's last date for 30E/360 ISDA; one value or [row], NO_DATE for none.
        calendar: one index or [row] indices into the names the tables were built from, for BUS/252.
        tables: see `calendar_tables`; may be omitted if no row is BUS/252.
    Returns:
        float64[row], years, negative where end is before start; NaN where the rule is not defined (see `year_fraction`).
    Raises:
        ValueError: the arrays differ in length, a calendar index has no table, or a row is BUS/252 and no tables are given.
    References:
        See the module docstring.
    """
    shape = start.shape
    if tables is None:
        if np.any(np.asarray(day_count) == BUS_252):
            raise ValueError("BUS/252 counts business days: pass tables=calendar_tables((name, ...)) and the calendar's index")
        tables = calendar_tables(("NONE",))
    years: np.ndarray = _year_fractions(
        np.ascontiguousarray(np.broadcast_to(day_count, shape), dtype=np.int8),
        start.astype(np.int32),
        _days(end, shape),
        _days(reference_start, shape),
        _days(reference_end, shape),
        _days(maturity, shape),
        calendar_indices(calendar, row_count=len(start), tables=tables),
        tables,
    )
    return years


def _days(day: int | np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(day, shape), dtype=np.int32)


@njit(cache=True, nogil=True)
@no_type_check
def _year_fractions(
    day_count: np.ndarray,
    start: np.ndarray,
    end: np.ndarray,
    reference_start: np.ndarray,
    reference_end: np.ndarray,
    maturity: np.ndarray,
    calendar: np.ndarray,
    tables: CalendarTables,
) -> np.ndarray:
    years = np.empty(len(start))
    for i in range(len(start)):
        years[i] = year_fraction(day_count[i], start[i], end[i], reference_start[i], reference_end[i], maturity[i], calendar[i], tables)
    return years
