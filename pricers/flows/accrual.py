"""Time inside coupon periods: year fractions, settlement, ex days, accrued interest and yield times.

All agree with QuantLib. The stages of a coupon leg here each loop over the rows of a block; see `coupon_leg.py`.

References:
    [1] QuantLib, ql/instruments/bond.cpp (settlementDate), ql/cashflows/fixedratecoupon.cpp (accruedAmount).
    [2] QuantLib, ql/cashflows/cashflows.cpp (getStepwiseDiscountTime): yields count time from flow to flow.
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.flows.conventions import JAPANESE_SIMPLE
from pricers.flows.coupon_arrays import Block, CouponLegs, PaymentColumns, ScheduleColumns
from pricers.flows.output import LegFlows
from pricers.kernels.jit import kernel, njit
from pricers.kernels.vector_math import expm1, log
from pricers.status import RowStatus
from pricers.time.calendars import FIRST_DAY, UNADJUSTED, CalendarTables, advance_business_days
from pricers.time.dates import NO_DATE, add_months, civil_from_days
from pricers.time.day_count import (
    ACT_360,
    ACT_365F,
    ACT_ACT_ICMA,
    BUS_252,
    calendar_free_year_fraction,
    icma_stub_fraction,
    year_fraction,
)
from pricers.time.schedule import FREQUENCY_MONTHS, FREQUENCY_PER_YEAR, HALF_MONTH_DAYS, ZERO

_OK: Final = int(RowStatus.OK)
_DATE_OUT_OF_RANGE: Final = int(RowStatus.DATE_OUT_OF_RANGE)


class Accrual(NamedTuple):
    """How interest of one leg accrues."""

    day_count: int
    """Index into `DAY_COUNTS`."""
    maturity: int
    """Read by 30E/360 ISDA."""
    months: int
    """Of a regular period, 0 for a period in days; with the next three, read in long stubs by ACT/ACT ICMA."""
    convention: int
    end_of_month: bool
    calendar: int
    """Read by BUS/252 too."""


class Period(NamedTuple):
    """One interest period; dates are days since 1970-01-01."""

    start: int
    end: int
    reference_start: int
    """Regular coupon period that ACT/ACT ICMA measures by; see `schedule.reference_period`."""
    reference_end: int


# Inlined, like the next three functions: handing arrays to a compiled function costs more than what these compute.
@njit(cache=True, nogil=True, inline="always")
@no_type_check
def accrual_of(schedule: ScheduleColumns, day_count: np.ndarray, i: int) -> Accrual:
    """How interest of row `i` accrues."""
    return Accrual(
        np.int64(day_count[i]),
        np.int64(schedule.maturity[i]),
        np.int64(FREQUENCY_MONTHS[schedule.frequency[i]]),
        np.int64(schedule.convention[i]),
        schedule.end_of_month[i],
        np.int64(schedule.calendar[i]),
    )


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def period_at(block: Block, k: int) -> Period:
    """The period at a position of the block."""
    return Period(
        np.int64(block.adjusted[k]), np.int64(block.adjusted[k + 1]), np.int64(block.reference_start[k]), np.int64(block.reference_end[k])
    )


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def whole_period_of(legs: CouponLegs, i: int) -> float:
    """Years of a regular period of row `i` that pays by frequency; 0 where all periods are counted, or there is one alone."""
    per_year = FREQUENCY_PER_YEAR[legs.schedule.frequency[i]]
    return 1.0 / per_year if legs.by_frequency[i] and per_year > 0.0 and legs.schedule.roll_rule[i] != ZERO else 0.0


@kernel
@no_type_check
def is_one_tenor(start: int, end: int, tenor_days: int, accrual: Accrual) -> bool:
    """Whether a period is a whole tenor by its own dates: merging dates, a calendar also makes regular ones of others."""
    if accrual.convention == UNADJUSTED:  # nothing is merged
        return True
    if tenor_days == HALF_MONTH_DAYS:
        return 13 <= np.int64(end) - np.int64(start) <= 17
    if tenor_days > 0:
        return np.int64(end) - np.int64(start) == tenor_days
    month_end = accrual.end_of_month
    return add_months(start, accrual.months, month_end) == end or add_months(end, -accrual.months, month_end) == start


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def is_long_stub(period: Period, accrual: Accrual) -> bool:
    """Whether ACT/ACT ICMA needs more quasi-coupon periods than the reference period to measure this one."""
    outside = period.start < period.reference_start or period.reference_end < period.end
    return outside and accrual.day_count == ACT_ACT_ICMA and accrual.months > 0


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def years_within(start: int, end: int, period: Period, accrual: Accrual, tables: CalendarTables) -> float:
    """Years from start to end on the leg's day count; both lie in the period, or the end is its payment."""
    if accrual.day_count == BUS_252:
        return year_fraction(
            accrual.day_count, start, end, period.reference_start, period.reference_end, accrual.maturity, accrual.calendar, tables
        )
    if is_long_stub(period, accrual):
        return icma_stub_fraction(
            start, end, period.reference_start, period.reference_end, accrual.months, accrual.convention, accrual.end_of_month,
            accrual.calendar, tables,
        )  # fmt: skip
    return calendar_free_year_fraction(accrual.day_count, start, end, period.reference_start, period.reference_end, accrual.maturity)


@kernel
@no_type_check
def compounded_years(years: float, rate: float, compounding: float) -> float:
    """Years at which simple interest is what the rate earns in `years`, compounding so often a year: ((1 + r/m)^(m years) - 1) / r."""
    if rate == 0.0 or compounding == 0.0:
        return years
    return expm1(compounding * years * log(1.0 + rate / compounding)) / rate


@kernel
@no_type_check
def settle(
    payment: PaymentColumns, tables: CalendarTables, as_of: int, begin: int, end: int, block: Block, flows: LegFlows, status: np.ndarray
) -> None:
    """Dates on which prices hold: the lag in business days after the valuation date, not before the leg starts [1]."""
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        earliest = np.int64(payment.issue[i])
        if earliest == NO_DATE:
            earliest = np.int64(block.adjusted[block.date_offsets[i - begin]])
        settlement = advance_business_days(as_of, np.int64(payment.settlement_lag[i]), np.int64(payment.settlement_calendar[i]), tables)
        if settlement == NO_DATE:
            status[i] = _DATE_OUT_OF_RANGE
        else:
            flows.settlement_day[i] = max(settlement, earliest)


@kernel
@no_type_check
def fill_ex_days(payment: PaymentColumns, tables: CalendarTables, begin: int, end: int, block: Block, status: np.ndarray) -> None:
    """Ex days of the periods still to be paid."""
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        days, calendar = np.int64(payment.ex_days[i]), np.int64(payment.ex_calendar[i])
        for k in range(block.first[i - begin], block.stop[i - begin]):
            pay = block.pay_day[k]
            block.ex_day[k] = pay if days == 0 else advance_business_days(np.int64(pay), -days, calendar, tables)


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def accrued_years(period: Period, settlement: int, is_ex: bool, accrual: Accrual, tables: CalendarTables) -> float:
    """Years of interest from the start of the period; ex: minus what the buyer lacks until its end."""
    since = settlement if is_ex else period.start
    until = max(settlement, period.end) if is_ex else min(settlement, period.end)
    return years_within(since, until, period, accrual, tables) * (-1.0 if is_ex else 1.0)


@kernel
@no_type_check
def fill_accrued(legs: CouponLegs, tables: CalendarTables, begin: int, end: int, block: Block, flows: LegFlows, status: np.ndarray) -> None:
    """Outstanding notional and accrued interest per 100 of it on the settlement date, NaN for a leg repaid by then."""
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        r, settlement, rate = i - begin, np.int64(flows.settlement_day[i]), legs.rate[i]
        k, stop, sign = block.first[r], block.stop[r], np.sign(block.factor[r])
        while k < stop and block.pay_day[k] <= settlement:
            k += 1
        if k == stop or block.balance[k] * block.survival[k] == 0.0:
            continue
        factor = abs(block.factor[r])
        outstanding, accrued = factor * block.balance[k] * block.survival[k], 0.0
        pay, is_ex = block.pay_day[k], block.ex_day[k] <= settlement
        accrual = accrual_of(legs.schedule, legs.quoting.accrued_day_count, i)
        while k < stop and block.pay_day[k] == pay:
            period = period_at(block, k)
            if settlement > period.start:
                years = accrued_years(period, settlement, is_ex, accrual, tables)
                years = compounded_years(years, rate, legs.compounding[i])
                accrued += factor * block.balance[k] * block.survival[k] * rate * years
            k += 1
        flows.outstanding[i] = sign * outstanding
        flows.accrued[i] = 100.0 * accrued / outstanding


@kernel
@no_type_check
def years_without_leap_days(start: int, end: int) -> float:
    """Days over 365, no 29 February counted: whole years are whole, as Japanese yields count them. `start` is at most `end`."""
    leap_days = _leap_days_until(end) - _leap_days_until(start)
    return (np.int64(end) - np.int64(start) - leap_days) / 365.0


@kernel
@no_type_check
def _leap_days_until(day: int) -> int:
    """Days of 29 February since year 0 until a day, itself included."""
    year, month, day_of_month = civil_from_days(day)
    if month < 2 or (month == 2 and day_of_month < 29):
        year -= 1
    return year // 4 - year // 100 + year // 400


@kernel
@no_type_check
def fill_yield_times(
    legs: CouponLegs, tables: CalendarTables, begin: int, end: int, block: Block, flows: LegFlows, status: np.ndarray
) -> None:
    """Years from settlement to each payment as a yield counts them: from flow to flow, those that trade ex included [2]."""
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        r, last_day, code = i - begin, np.int64(flows.settlement_day[i]), np.int64(legs.quoting.yield_day_count[i])
        if legs.quoting.yield_convention[i] == JAPANESE_SIMPLE:
            for k in range(block.first[r], block.stop[r]):
                block.yield_time[k] = years_without_leap_days(last_day, np.int64(block.pay_day[k]))
            continue
        if code == BUS_252:
            _fill_business_times(tables.business_before[legs.schedule.calendar[i]], last_day, block.first[r], block.stop[r], block)
            continue
        accrual, years, counts_alike = accrual_of(legs.schedule, legs.quoting.yield_day_count, i), 0.0, code == legs.day_count[i]
        by_frequency = whole_period_of(legs, i) > 0.0 and code != ACT_ACT_ICMA  # ICMA's days beyond a period have the same length
        days_in_year = 360.0 if code == ACT_360 else 365.0 if code == ACT_365F else 0.0
        for k in range(block.first[r], block.stop[r]):
            pay = np.int64(block.pay_day[k])
            if pay > last_day:  # else paid by settlement, or together with the period before
                period = period_at(block, k)
                if days_in_year > 0.0:
                    years += (pay - last_day) / days_in_year
                elif legs.is_zero_coupon[i]:  # no coupon period but the year before maturity
                    years += calendar_free_year_fraction(code, last_day, pay, add_months(pay, np.int64(-12), False), pay, accrual.maturity)
                else:
                    to_payment, beyond = block.years[k], 0.0
                    if not counts_alike and not (by_frequency and block.is_regular[k + 1]):
                        to_payment = years_within(period.start, period.end, period, accrual, tables)
                    if pay != period.end and (by_frequency or is_long_stub(period, accrual)):
                        beyond = years_within(period.end, pay, period, accrual, tables)
                    elif pay != period.end:
                        to_payment = years_within(period.start, pay, period, accrual, tables)
                    before = 0.0 if last_day == period.start else years_within(period.start, last_day, period, accrual, tables)
                    years = ((years + to_payment) + beyond) - before
                last_day = pay
            block.yield_time[k] = years


@kernel
@no_type_check
def _fill_business_times(business_before: np.ndarray, settlement: int, first: int, stop: int, block: Block) -> None:
    """Yield times of one row on BUS/252, in whole days. `business_before` holds the business days from FIRST_DAY to each day."""
    last_day, business_days = settlement, 0
    for k in range(first, stop):
        start, pay = np.int64(block.adjusted[k]), np.int64(block.pay_day[k])
        if pay > last_day:
            business_days += business_before[pay - FIRST_DAY]
            if last_day >= start:
                business_days -= business_before[last_day - FIRST_DAY]
            else:  # settlement before interest starts: counted backwards, where the end counts and the start does not
                business_days += business_before[start - FIRST_DAY + 1] - business_before[last_day - FIRST_DAY + 1]
                business_days -= business_before[start - FIRST_DAY]
            last_day = pay
        block.yield_time[k] = business_days / 252.0
