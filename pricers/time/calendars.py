"""Holiday calendars as lookup tables, and the business-day arithmetic on them.

Holidays come from QuantLib's calendars; each list of holidays is read once and kept for the life of the process. A batch takes the
calendars that it needs as one `CalendarTables` (rows in the order of the requested names), and every compiled function then needs
one or two array reads. A joint calendar is written with plus signs, "TARGET+US_FED": a day is a holiday if any member has one.

Dates outside the tables (`FIRST_DAY` to `LAST_DAY`) never wrap: functions that return a date return `NO_DATE`.

References:
    [1] QuantLib, ql/time/calendar.cpp (the meaning of every business-day convention).
    [2] ISDA 2006 definitions, section 4.12 (business day conventions).
"""

from __future__ import annotations

import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Int

from pricers.kernels.jit import kernel, njit
from pricers.time.calendar_names import CALENDARS, QUANTLIB_CALENDARS
from pricers.time.dates import NO_DATE, add_months, civil_from_days, end_of_month, to_day

FIRST_DAY: Final = to_day(datetime.date(1950, 1, 1))
LAST_DAY: Final = to_day(datetime.date(2150, 12, 31))
_QUANTLIB_EPOCH: Final = 25569  # QuantLib's serial number of 1970-01-01

UNADJUSTED: Final = 0
FOLLOWING: Final = 1
MODIFIED_FOLLOWING: Final = 2
PRECEDING: Final = 3
MODIFIED_PRECEDING: Final = 4
HALF_MONTH_MODIFIED_FOLLOWING: Final = 5
NEAREST: Final = 6

BUSINESS_DAY_CONVENTIONS: Final = (
    "UNADJUSTED",
    "FOLLOWING",
    "MODIFIED_FOLLOWING",
    "PRECEDING",
    "MODIFIED_PRECEDING",
    "HALF_MONTH_MODIFIED_FOLLOWING",
    "NEAREST",
)
"""Names of the conventions; the index is the code that the functions take."""


class CalendarTables(NamedTuple):
    """Lookup tables of several calendars, passed whole to compiled functions. Values are int32 days since 1970-01-01; the axis `day` counts
    from FIRST_DAY."""

    following: np.ndarray
    """int32[calendar, day]: the first business day on or after the day; NO_DATE past the last one."""
    preceding: np.ndarray
    """int32[calendar, day]: the last business day on or before the day; NO_DATE before the first one."""
    business_before: np.ndarray
    """int32[calendar, day + 1]: business days from FIRST_DAY to the day, the day itself excluded."""
    business_days: np.ndarray
    """int32[calendar, n]: all business days in order, padded with NO_DATE."""


def calendar_tables(names: tuple[str, ...]) -> CalendarTables:
    """Lookup tables of the named calendars, in the order of the names.

    >>> tables = calendar_tables(("TARGET", "TARGET+UK"))
    >>> summer_bank_holiday = np.array([to_day(datetime.date(2026, 8, 31))])
    >>> adjust_days(summer_bank_holiday, convention=FOLLOWING, calendar=1, tables=tables).astype("datetime64[D]")
    array(['2026-09-01'], dtype='datetime64[D]')

    Args:
        names: single calendars of `CALENDARS`, or several joined with "+"; an index into this tuple is the `calendar` argument
            of every function here. An empty tuple gives tables without rows.
    Returns:
        The tables. Building a calendar takes about 40 ms the first time in a process.
    Raises:
        ValueError: a calendar is unknown; the message lists the known ones.
    """
    return _stacked(tuple(names))


@lru_cache(maxsize=16)
def _stacked(names: tuple[str, ...]) -> CalendarTables:
    days = LAST_DAY - FIRST_DAY + 1
    rows = [_lookups(name) for name in names]
    business_day_count = max((len(row.business_days) for row in rows), default=0)
    tables = CalendarTables(
        following=np.empty((len(rows), days), np.int32),
        preceding=np.empty((len(rows), days), np.int32),
        business_before=np.empty((len(rows), days + 1), np.int32),
        business_days=np.full((len(rows), business_day_count), NO_DATE, np.int32),
    )
    for i, row in enumerate(rows):
        tables.following[i] = row.following
        tables.preceding[i] = row.preceding
        tables.business_before[i] = row.business_before
        tables.business_days[i, : len(row.business_days)] = row.business_days
    for table in tables:
        table.flags.writeable = False  # the cache returns one object to all callers
    return tables


@lru_cache(maxsize=256)
def _lookups(name: str) -> CalendarTables:
    holiday = np.logical_or.reduce([_holidays(member) for member in name.split("+")])
    day = np.arange(FIRST_DAY, LAST_DAY + 1, dtype=np.int32)
    business_before = np.concatenate([[0], np.cumsum(~holiday)]).astype(np.int32)
    business_days = day[~holiday]
    padded = np.concatenate([[NO_DATE], business_days, [NO_DATE]]).astype(np.int32)
    return CalendarTables(
        following=padded[business_before[:-1] + 1],
        preceding=padded[business_before[1:]],
        business_before=business_before,
        business_days=business_days,
    )


@lru_cache(maxsize=64)
def _holidays(name: str) -> Bool[np.ndarray, " day"]:
    """Whether each day from FIRST_DAY to LAST_DAY is a holiday or weekend in a single calendar."""
    if name not in QUANTLIB_CALENDARS:
        raise ValueError(f"unknown calendar {name!r}; known: {', '.join(CALENDARS)}, or several joined with '+'")
    import QuantLib as ql  # the import takes half a second, which a process that only passes contracts on must not pay

    kind, market = QUANTLIB_CALENDARS[name]
    make: Any = getattr(ql, kind)
    calendar = make(getattr(make, market)) if market else make()
    first, last = ql.Date(FIRST_DAY + _QUANTLIB_EPOCH), ql.Date(LAST_DAY + _QUANTLIB_EPOCH)
    # The list includes weekends, because some weekend days are business days in China.
    serials = np.array([date.serialNumber() for date in calendar.holidayList(first, last, True)], np.int64)
    holiday = np.zeros(LAST_DAY - FIRST_DAY + 1, np.bool_)
    holiday[serials - _QUANTLIB_EPOCH - FIRST_DAY] = True
    return holiday


@kernel
@no_type_check
def in_range(day: int) -> bool:
    """Whether the tables hold the day."""
    return FIRST_DAY <= day <= LAST_DAY


@kernel
@no_type_check
def is_business_day(day: int, calendar: int, tables: CalendarTables) -> bool:
    """False for holidays, weekends and days outside the tables."""
    return in_range(day) and tables.following[calendar, np.int64(day) - FIRST_DAY] == day


@kernel
@no_type_check
def adjust(day: int, convention: int, calendar: int, tables: CalendarTables) -> int:
    """Move a day to a business day by the convention [1, 2]; NO_DATE where the result lies outside the tables.

    UNADJUSTED returns the day unchanged, in the tables or not. A code that is not a convention gives NO_DATE.
    """
    day = np.int64(day)
    if convention == UNADJUSTED:
        return day
    if not in_range(day):
        return NO_DATE
    following = np.int64(tables.following[calendar, day - FIRST_DAY])
    if following == day:
        return day
    preceding = np.int64(tables.preceding[calendar, day - FIRST_DAY])
    if convention == FOLLOWING:
        return following
    if convention == PRECEDING:
        return preceding
    if convention == NEAREST:
        return _nearest(day, preceding, following)
    return _adjust_within_month(day, preceding, following, convention)


@kernel
@no_type_check
def _nearest(day: int, preceding: int, following: int) -> int:
    """The closer of the two business days; the following one in a tie."""
    if following == NO_DATE:
        return preceding
    return preceding if preceding != NO_DATE and day - preceding < following - day else following


@kernel
@no_type_check
def _adjust_within_month(day: int, preceding: int, following: int, convention: int) -> int:
    _, _, day_of_month = civil_from_days(day)
    month_start = day - day_of_month + 1
    month_last = end_of_month(day)
    if convention == MODIFIED_FOLLOWING:
        return preceding if following > month_last else following
    if convention == MODIFIED_PRECEDING:
        return following if preceding < month_start else preceding
    if convention == HALF_MONTH_MODIFIED_FOLLOWING:
        crosses_the_middle = day_of_month <= 15 and following > month_start + 14
        return preceding if following > month_last or crosses_the_middle else following
    return NO_DATE


@kernel
@no_type_check
def advance_business_days(day: int, count: int, calendar: int, tables: CalendarTables) -> int:
    """Move by business days, for settlement lags and ex-coupon periods; NO_DATE where the result lies outside the tables.

    From a holiday the first step forward lands on the next business day, the first step backward on the last one before. A count of
    0 moves a holiday to the following business day.
    """
    if not in_range(day):
        return NO_DATE
    offset = np.int64(day) - FIRST_DAY
    if count > 0:
        target = np.int64(tables.business_before[calendar, offset + 1]) + count - 1
    else:
        target = np.int64(tables.business_before[calendar, offset]) + count
    if target < 0 or target >= tables.business_days.shape[1]:
        return NO_DATE
    return np.int64(tables.business_days[calendar, target])


@kernel
@no_type_check
def business_days_between(start: int, end: int, calendar: int, tables: CalendarTables) -> int:
    """Business days from start to end, start included and end excluded; negative, with start excluded and end included, where
    end is before start [1]. NO_DATE where either lies outside the tables."""
    if not in_range(start) or not in_range(end):
        return NO_DATE
    after = 1 if end < start else 0
    before_end = np.int64(tables.business_before[calendar, np.int64(end) - FIRST_DAY + after])
    return before_end - tables.business_before[calendar, np.int64(start) - FIRST_DAY + after]


@kernel
@no_type_check
def advance_months(day: int, months: int, convention: int, month_end: bool, calendar: int, tables: CalendarTables) -> int:
    """Move by whole months, then to a business day; NO_DATE where the result lies outside the tables.

    With `month_end` the last business day of a month (for UNADJUSTED: its last calendar day) moves to the last one of the target
    month [1].
    """
    if not in_range(day):
        return NO_DATE
    if months == 0:
        return adjust(day, convention, calendar, tables)
    moved = add_months(day, months, False)
    if month_end and convention == UNADJUSTED and day == end_of_month(day):
        moved = end_of_month(moved)
    if month_end and convention != UNADJUSTED and ends_business_month(day, calendar, tables):
        return adjust(end_of_month(moved), PRECEDING, calendar, tables)
    return adjust(moved, convention, calendar, tables) if in_range(moved) else NO_DATE


@kernel
@no_type_check
def ends_business_month(day: int, calendar: int, tables: CalendarTables) -> bool:
    """Whether no business day of the month comes after the day."""
    return in_range(day) and day >= adjust(end_of_month(day), PRECEDING, calendar, tables)


def adjust_days(
    day: Int[np.ndarray, " row"], *, convention: int | np.ndarray, calendar: int | np.ndarray, tables: CalendarTables
) -> Int[np.ndarray, " row"]:
    """Move days to business days.

    >>> tables = calendar_tables(("TARGET",))
    >>> saturday = np.array([to_day(datetime.date(2026, 1, 31))])
    >>> adjust_days(saturday, convention=MODIFIED_FOLLOWING, calendar=0, tables=tables).astype("datetime64[D]")
    array(['2026-01-30'], dtype='datetime64[D]')

    Args:
        day: [row], days since 1970-01-01.
        convention: one code or [row] codes, index into `BUSINESS_DAY_CONVENTIONS`.
        calendar: one index or [row] indices into the names the tables were built from.
        tables: see `calendar_tables`.
    Returns:
        int32[row]; NO_DATE where the day or its business day lies outside the tables.
    Raises:
        ValueError: the arrays differ in length, or a calendar index has no table.
    References:
        [1] QuantLib, ql/time/calendar.cpp, Calendar::adjust.
    """
    conventions = np.ascontiguousarray(np.broadcast_to(convention, day.shape), dtype=np.int8)
    calendars = calendar_indices(calendar, row_count=len(day), tables=tables)
    adjusted: np.ndarray = _adjust_all(day.astype(np.int32), conventions, calendars, tables)
    return adjusted


def calendar_indices(calendar: int | np.ndarray, *, row_count: int, tables: CalendarTables) -> Int[np.ndarray, " row"]:
    """One calendar index per row, checked against the tables, because compiled code does not check bounds."""
    indices = np.ascontiguousarray(np.broadcast_to(calendar, (row_count,)), dtype=np.int32)
    if row_count and not (indices.min() >= 0 and indices.max() < len(tables.following)):
        raise ValueError(f"calendar indices run from {indices.min()} to {indices.max()}; the tables hold {len(tables.following)} calendars")
    return indices


@njit(cache=True, nogil=True)
@no_type_check
def _adjust_all(day: np.ndarray, convention: np.ndarray, calendar: np.ndarray, tables: CalendarTables) -> np.ndarray:
    adjusted = np.empty(len(day), np.int32)
    for i in range(len(day)):
        adjusted[i] = adjust(day[i], convention[i], calendar[i], tables)
    return adjusted
