"""Settlement, accrued interest and yield times of coupon periods: what bonds and loans share when they fill `PriceTerms`.

All three agree with QuantLib; periods are described by `Period` so that the order of the many dates cannot be mistaken.

References:
    [1] QuantLib, ql/instruments/bond.cpp (settlementDate), ql/cashflows/fixedratecoupon.cpp (accruedAmount).
    [2] QuantLib, ql/cashflows/cashflows.cpp (getStepwiseDiscountTime): yields count time from flow to flow.
"""

from typing import NamedTuple, no_type_check

from pricers.kernels.jit import njit
from pricers.time.calendars import CalendarTables, advance_business_days
from pricers.time.dates import NO_DATE
from pricers.time.day_count import ACT_ACT_ICMA, BUS_252, calendar_free_year_fraction, icma_stub_fraction, year_fraction
from pricers.time.schedule import ScheduleTerms


class Period(NamedTuple):
    """One interest period; dates are days since 1970-01-01."""

    accrual_start: int
    accrual_end: int
    pay_day: int
    reference_start: int
    """Regular coupon period that ACT/ACT ICMA measures by; see `schedule.reference_period`."""
    reference_end: int


class Accrual(NamedTuple):
    """How interest of one contract accrues; one a row."""

    day_count: int
    """Index into `DAY_COUNTS`."""
    maturity: int
    """The contract's last date, read by 30E/360 ISDA."""
    calendar: int
    """Read by BUS/252."""


@njit(cache=True, nogil=True)
@no_type_check
def settlement_day(as_of: int, settlement_lag: int, start: int, calendar: int, tables: CalendarTables) -> int:
    """Date on which prices hold: the lag in business days after the valuation date, not before the contract starts [1]."""
    settlement = advance_business_days(as_of, settlement_lag, calendar, tables)
    return settlement if settlement == NO_DATE else max(settlement, start)


@njit(cache=True, nogil=True)
@no_type_check
def is_long_icma_stub(day_count: int, tenor_months: int, start: int, end: int, reference_start: int, reference_end: int) -> bool:
    """Whether ACT/ACT ICMA needs more quasi-coupon periods than the reference period to measure the period from start to end.

    Years inside such a period are `years_in_stub`, not what the functions below say.
    """
    return day_count == ACT_ACT_ICMA and tenor_months > 0 and (start < reference_start or reference_end < end)


@njit(cache=True, nogil=True)
@no_type_check
def years_in_stub(start: int, end: int, reference_start: int, reference_end: int, terms: ScheduleTerms, tables: CalendarTables) -> float:
    """Years between two dates of a long stub by ACT/ACT ICMA."""
    months, convention, month_end, calendar = terms.tenor_months, terms.convention, terms.month_end, terms.calendar
    return icma_stub_fraction(start, end, reference_start, reference_end, months, convention, month_end, calendar, tables)


# Inlined, because handing calendar tables to a compiled function costs more than what these three compute.
@njit(cache=True, nogil=True, inline="always")
@no_type_check
def period_fraction(start: int, end: int, period: Period, accrual: Accrual, tables: CalendarTables) -> float:
    """Years from start to end inside a period, on the contract's day count."""
    if accrual.day_count == BUS_252:
        return year_fraction(BUS_252, start, end, NO_DATE, NO_DATE, NO_DATE, accrual.calendar, tables)
    return calendar_free_year_fraction(accrual.day_count, start, end, period.reference_start, period.reference_end, accrual.maturity)


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def accrued_fraction(settlement: int, period: Period, accrual: Accrual, tables: CalendarTables) -> float:
    """Years accrued at settlement in a period not yet paid: none before it starts, all of it from its end to its payment [1]."""
    if settlement <= period.accrual_start:
        return 0.0
    return period_fraction(period.accrual_start, min(settlement, period.accrual_end), period, accrual, tables)


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def yield_step(last_day: int, period: Period, accrual: Accrual, tables: CalendarTables) -> float:
    """Years between the flow before (or settlement), on `last_day`, and the period's payment, as a yield counts them [2]."""
    if accrual.day_count == BUS_252:
        to_payment = year_fraction(BUS_252, period.accrual_start, period.pay_day, NO_DATE, NO_DATE, NO_DATE, accrual.calendar, tables)
        return to_payment - year_fraction(BUS_252, period.accrual_start, last_day, NO_DATE, NO_DATE, NO_DATE, accrual.calendar, tables)
    return _calendar_free_yield_step(last_day, period, accrual.day_count, accrual.maturity)


@njit(cache=True, nogil=True)
@no_type_check
def _calendar_free_yield_step(last_day: int, period: Period, day_count: int, maturity: int) -> float:
    reference_start, reference_end = period.reference_start, period.reference_end
    if last_day == period.accrual_start:
        return calendar_free_year_fraction(day_count, last_day, period.pay_day, reference_start, reference_end, maturity)
    to_payment = calendar_free_year_fraction(day_count, period.accrual_start, period.pay_day, reference_start, reference_end, maturity)
    return to_payment - calendar_free_year_fraction(day_count, period.accrual_start, last_day, reference_start, reference_end, maturity)
