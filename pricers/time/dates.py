"""Calendar arithmetic on day numbers.

A date is an `int32` count of days since 1970-01-01 and `NO_DATE` is the null date. The compiled functions take and return plain
integers, so product lowerings call them inside their own loops; they are total (no exception, no allocation).

References:
    [1] C. Neri and L. Schneider, "Euclidean affine functions and their application to calendar algorithms", Software: Practice and
        Experience 53 (2023) 937-970.
"""

from __future__ import annotations

import datetime
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Int32

from pricers.contract.columns import NO_DATE as NO_DATE
from pricers.kernels.jit import kernel
from pricers.time.tenors import parse_tenor

EPOCH: Final = datetime.date(1970, 1, 1)

# The constants are unsigned: an unsigned division by a constant compiles to one multiplication, a signed one to five instructions more.
# Years are shifted by 82 eras of 400 years, so that all intermediate values are positive from the year -32000 on.
_U = np.uint64
_ERA_YEARS: Final = 400 * 82
_ERA_DAYS: Final = 719468 + 146097 * 82
_3, _4, _12, _16, _32 = _U(3), _U(4), _U(12), _U(16), _U(32)
_100, _979, _1461, _2141, _2919 = _U(100), _U(979), _U(1461), _U(2141), _U(2919)
_CENTURY_4: Final = _U(146097)
_YEAR_FACTOR: Final = _U(2939745)
_MONTH_OFFSET: Final = _U(197913)
_LOW_32: Final = _U(2**32 - 1)
_LOW_16: Final = _U(2**16 - 1)


# `@no_type_check` keeps the test suite's jaxtyping import hook from wrapping compiled functions, which numba cannot compile.
@kernel
@no_type_check
def civil_from_days(day: int) -> tuple[int, int, int]:
    """Year, month (1-12) and day of month of a day number, proleptic Gregorian [1, section 6.3]."""
    quarter_days = _4 * np.uint64(np.int64(day) + _ERA_DAYS) + _3
    century = quarter_days // _CENTURY_4
    product = _YEAR_FACTOR * ((quarter_days - century * _CENTURY_4) | _3)
    day_of_year = (product & _LOW_32) // _YEAR_FACTOR // _4  # 1 March is 0
    month_product = _2141 * day_of_year + _MONTH_OFFSET
    year = np.int64(_100 * century + (product >> _32)) - _ERA_YEARS
    month = np.int64(month_product >> _16)
    day_of_month = np.int64((month_product & _LOW_16) // _2141) + 1
    if month > 12:
        return year + 1, month - 12, day_of_month
    return year, month, day_of_month


@kernel
@no_type_check
def days_from_civil(year: int, month: int, day_of_month: int) -> int:
    """Day number of a proleptic Gregorian date [1, section 6.2]; the inverse of `civil_from_days`."""
    before_march = 1 if month <= 2 else 0
    shifted_year = np.uint64(np.int64(year) + _ERA_YEARS - before_march)
    shifted_month = np.uint64(np.int64(month) + 12 * before_march)
    century = shifted_year // _100
    year_days = _1461 * shifted_year // _4 - century + century // _4
    month_days = (_979 * shifted_month - _2919) // _32
    return np.int64(year_days + month_days) + np.int64(day_of_month) - 1 - _ERA_DAYS


@kernel
@no_type_check
def is_leap_year(year: int) -> bool:
    return year & 3 == 0 and (year % 100 != 0 or year & 15 == 0)


@kernel
@no_type_check
def days_in_month(year: int, month: int) -> int:
    if month == 2:
        return 29 if is_leap_year(year) else 28
    return 30 | (month ^ (month >> 3))


@kernel
@no_type_check
def end_of_month(day: int) -> int:
    """The last calendar day of the month of `day`."""
    year, month, day_of_month = civil_from_days(day)
    return np.int64(day) + days_in_month(year, month) - day_of_month


@kernel
@no_type_check
def day_in_month(month_index: int, day_of_month: int) -> int:
    """Day number of a day of a month, moved back to the month's last day where the month is shorter.

    `month_index` is year × 12 + month − 1, so that months are added as integers; a `day_of_month` of 31 gives the end of any month.
    """
    shifted = np.uint64(np.int64(month_index) + 12 * _ERA_YEARS)
    year = np.int64(shifted // _12) - _ERA_YEARS
    month = np.int64(month_index) - year * 12 + 1
    if day_of_month > 28:
        day_of_month = min(day_of_month, days_in_month(year, month))
    return days_from_civil(year, month, day_of_month)


@kernel
@no_type_check
def add_months(day: int, months: int, month_end: bool) -> int:
    """Move by whole months, clamped to the end of a shorter month: 31 Jan + 1 month is 28 or 29 Feb.

    With `month_end` the last day of a month moves to the last day of the target month: 28 Feb + 1 month is 31 Mar.
    """
    year, month, day_of_month = civil_from_days(day)
    if month_end and day_of_month == days_in_month(year, month):
        day_of_month = 31
    return day_in_month(year * 12 + month - 1 + months, day_of_month)


def add_tenor(day: int, tenor: str, *, month_end: bool = False) -> int:
    """The unadjusted date a tenor away, for curve pillars.

    >>> to_date(add_tenor(to_day(datetime.date(2026, 1, 31)), "1M"))
    datetime.date(2026, 2, 28)

    Args:
        day: days since 1970-01-01.
        tenor: see `parse_tenor`.
        month_end: whether the last day of a month moves to the last day of the target month.
    Returns:
        Days since 1970-01-01, not moved to a business day.
    Raises:
        ValueError: the text is not a tenor.
    """
    length = parse_tenor(tenor)
    return int(add_months(day, length.months, month_end)) + length.days if length.months else day + length.days


def to_day(date: datetime.date) -> int:
    """Days since 1970-01-01."""
    return (date - EPOCH).days


def to_date(day: int | np.integer) -> datetime.date:
    return EPOCH + datetime.timedelta(days=int(day))


def to_days(dates: np.ndarray) -> Int32[np.ndarray, " row"]:
    """Day numbers of a `datetime64` array; NaT becomes `NO_DATE`.

    >>> to_days(np.array(["1970-01-02", "NaT"], dtype="datetime64[D]"))
    array([          1, -2147483648], dtype=int32)
    """
    days = dates.astype("datetime64[D]")
    return np.where(np.isnat(days), NO_DATE, days.astype(np.int64)).astype(np.int32)
