"""Dates of quoted instruments: spot, maturities and schedules by the market's rules. Days are days since 1970-01-01."""

from __future__ import annotations

from typing import NamedTuple, no_type_check

import numpy as np

from pricers.kernels.jit import njit
from pricers.market.conventions import LegConvention
from pricers.time.calendars import (
    BUSINESS_DAY_CONVENTIONS,
    MODIFIED_FOLLOWING,
    CalendarTables,
    adjust,
    advance_business_days,
    advance_months,
    calendar_tables,
    ends_business_month,
)
from pricers.time.dates import NO_DATE, add_tenor, day_in_month, to_date
from pricers.time.day_count import DAY_COUNTS, calendar_free_year_fraction
from pricers.time.schedule import BACKWARD, FREQUENCIES, FREQUENCY_DAYS, FREQUENCY_MONTHS, STUB_NONE, fill_dates, max_dates, schedule_terms
from pricers.time.tenors import parse_tenor


class Period(NamedTuple):
    """One accrual period."""

    start: int
    end: int
    payment: int
    years: float
    """By the leg's day count."""


def business_day(day: int, *, convention: str, calendar: str) -> int:
    """The day moved to a business day."""
    return int(adjust(day, BUSINESS_DAY_CONVENTIONS.index(convention), 0, calendar_tables((calendar,))))


def business_days_later(day: int, count: int, *, calendar: str) -> int:
    """The day moved by business days; a count of 0 moves a holiday to the next business day."""
    return int(advance_business_days(day, count, 0, calendar_tables((calendar,))))


def tenor_end(start: int, tenor: str, *, convention: str, end_of_month: bool, calendar: str) -> int:
    """The end of a deposit's or forward's period: whole months and weeks by the convention, days as business days."""
    months, days = parse_tenor(tenor)
    if not months and days % 7:
        return business_days_later(start, days, calendar=calendar)
    if not months:
        return business_day(start + days, convention=convention, calendar=calendar)
    tables, code = calendar_tables((calendar,)), BUSINESS_DAY_CONVENTIONS.index(convention)
    if days:
        return int(adjust(add_tenor(start, tenor), code, 0, tables))
    return int(advance_months(start, months, code, end_of_month, 0, tables))


def swap_periods(leg: LegConvention, *, start: int, end: int) -> list[Period]:
    """The periods of one leg, rolled backwards from the end; a remainder is a short first period.

    Args:
        start: a business day of the leg's calendar.
        end: before its business-day rule.
    Raises:
        ValueError: the dates give no schedule.
    """
    tables = calendar_tables((leg.calendar,))
    frequency = FREQUENCIES.index(leg.frequency)
    rolls_on_month_ends = leg.end_of_month and bool(ends_business_month(start, 0, tables))
    convention = BUSINESS_DAY_CONVENTIONS.index(leg.accrual_convention)
    dates = _schedule(start, end, int(FREQUENCY_MONTHS[frequency]), int(FREQUENCY_DAYS[frequency]), rolls_on_month_ends, convention, tables)
    if dates.size < 2:
        raise ValueError(f"no periods between {to_date(start)} and {to_date(end)}; correct the dates")
    payment_convention = BUSINESS_DAY_CONVENTIONS.index(leg.payment_convention)
    payments, years = np.empty(dates.size - 1, np.int64), np.empty(dates.size - 1)
    _fill_periods(dates, leg.payment_lag, payment_convention, DAY_COUNTS.index(leg.day_count), tables, payments, years)
    return [Period(*period) for period in zip(dates[:-1].tolist(), dates[1:].tolist(), payments.tolist(), years.tolist(), strict=True)]


def swap_end(leg: LegConvention, *, start: int, tenor: str) -> int:
    """The end of a swap before its business-day rule; a swap that starts on a month's last business day ends on one."""
    tables = calendar_tables((leg.calendar,))
    months, days = parse_tenor(tenor)
    if leg.end_of_month and months and not days and bool(ends_business_month(start, 0, tables)):
        return int(advance_months(start, months, MODIFIED_FOLLOWING, True, 0, tables))
    return add_tenor(start, tenor)


def years_between(start: int, end: int, *, day_count: str) -> float:
    """Years by a day count that needs neither calendar nor coupon period."""
    return float(calendar_free_year_fraction(DAY_COUNTS.index(day_count), start, end, NO_DATE, NO_DATE, NO_DATE))


def third_wednesday(year: int, month: int) -> int:
    """The day on which a quarterly future's period starts."""
    first = int(day_in_month(year * 12 + month - 1, 1))
    return first + (6 - first) % 7 + 14  # 1970-01-01 was a Thursday, so that Wednesdays are 6 modulo 7


def _schedule(start: int, end: int, months: int, days: int, month_end: bool, convention: int, tables: CalendarTables) -> np.ndarray:
    longest = (end - start) // max(months * 28, days, 1) + 8
    unadjusted, adjusted, is_regular = np.empty(longest, np.int32), np.empty(longest, np.int32), np.empty(longest, np.bool_)
    count = _fill(start, end, months, days, month_end, convention, tables, unadjusted, adjusted, is_regular)
    return adjusted[:count].astype(np.int64)


@njit(cache=True, nogil=True)
@no_type_check
def _fill(start, end, months, days, month_end, convention, tables, unadjusted, adjusted, is_regular):
    terms = schedule_terms(start, end, months, days, BACKWARD, STUB_NONE, NO_DATE, NO_DATE, month_end, convention, convention, 0)
    if max_dates(terms) > adjusted.size:
        return 0
    return fill_dates(terms, tables, unadjusted, adjusted, is_regular, 0)[0]


@njit(cache=True, nogil=True)
@no_type_check
def _fill_periods(dates, lag, convention, day_count, tables, payments, years):
    for k in range(payments.size):
        end = dates[k + 1]
        payments[k] = advance_business_days(end, lag, 0, tables) if lag else adjust(end, convention, 0, tables)
        years[k] = calendar_free_year_fraction(day_count, dates[k], end, NO_DATE, NO_DATE, NO_DATE)
