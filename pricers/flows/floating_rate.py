"""Coupons of floating legs: what is fixed becomes an amount, what is not a growth factor P(start)/P(end) of the forecasting curve.

A simple rate F over τ years is (P(start)/P(end) - 1)/τ. So the coupon N × years × (gearing × F + margin) is the growth factor times
N × years × gearing/τ, and the amount N × years × (margin - gearing/τ). Daily compounding telescopes to one growth factor, times the
growth by the rates that are fixed.

References:
    [1] QuantLib, ql/cashflows/iborcoupon.cpp (dates of par and indexed coupons), ql/cashflows/overnightindexedcoupon.cpp.
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.flows.accrual import accrual_of, accrued_years, period_at
from pricers.flows.coupon_arrays import Block, CouponLegs
from pricers.flows.floating_arrays import Coupons, FloatingColumns, IndexTables, MissingFixings
from pricers.flows.output import LegFlows
from pricers.kernels.jit import kernel, njit
from pricers.status import RowStatus
from pricers.time.calendars import (
    FIRST_DAY,
    FOLLOWING,
    PRECEDING,
    CalendarTables,
    adjust,
    advance_business_days,
    advance_months,
)
from pricers.time.dates import NO_DATE
from pricers.time.day_count import calendar_free_year_fraction

_OK: Final = int(RowStatus.OK)
_DATE_OUT_OF_RANGE: Final = int(RowStatus.DATE_OUT_OF_RANGE)
_MISSING_FIXING: Final = int(RowStatus.MISSING_FIXING)
_UNSUPPORTED: Final = int(RowStatus.UNSUPPORTED_RATE_METHOD)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)


class RatePeriod(NamedTuple):
    """The period of an overnight rate: value days from `first` to `last`, weighed by the interest days from `start` to `end`."""

    first: int
    last: int
    start: int
    end: int


@kernel
@no_type_check
def fixing_place(indices: IndexTables, x: int, day: int) -> int:
    """Position of the first fixing of an index on or after a day."""
    low, high = indices.offsets[x], indices.offsets[x + 1]
    while low < high:
        middle = (low + high) // 2
        if indices.fixing_days[middle] < day:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
@no_type_check
def fixing_on(indices: IndexTables, x: int, day: int) -> float:
    """An index's fixing on a day, NaN where there is none."""
    place = fixing_place(indices, x, day)
    return indices.fixing_values[place] if place < indices.offsets[x + 1] and indices.fixing_days[place] == day else np.nan


@kernel
@no_type_check
def fixing_day_of(start: int, lag: int, calendar: int, tables: CalendarTables) -> int:
    """The day on which the rate of a period that starts on a day is fixed."""
    return adjust(start, PRECEDING, calendar, tables) if lag == 0 else advance_business_days(start, -lag, calendar, tables)


@kernel
@no_type_check
def value_day_of(fixing_day: int, indices: IndexTables, x: int, tables: CalendarTables) -> int:
    """The first day of the period of an index's rate."""
    day = advance_business_days(fixing_day, np.int64(indices.lag[x]), np.int64(indices.fixing_calendar[x]), tables)
    if indices.value_calendar[x] == indices.fixing_calendar[x] or day == NO_DATE:
        return day
    return adjust(day, FOLLOWING, np.int64(indices.value_calendar[x]), tables)


@kernel
@no_type_check
def maturity_of(start: int, indices: IndexTables, x: int, tables: CalendarTables) -> int:
    """The last day of the period of a term index's rate."""
    calendar, convention = np.int64(indices.value_calendar[x]), np.int64(indices.convention[x])
    if indices.months[x] == 0:
        return adjust(np.int64(start) + indices.days[x], convention, calendar, tables)
    return advance_months(start, np.int64(indices.months[x]), convention, indices.end_of_month[x], calendar, tables)


@kernel
@no_type_check
def index_years(indices: IndexTables, x: int, start: int, end: int) -> float:
    """Years on an index's day count."""
    return calendar_free_year_fraction(np.int64(indices.day_count[x]), start, end, start, end, end)


@kernel
@no_type_check
def margin_of(floating: FloatingColumns, i: int, start: int) -> float:
    """The margin of a period that starts on a day."""
    margin = floating.spread[i]
    for step in range(floating.spread_offsets[i], floating.spread_offsets[i + 1]):
        if floating.spread_dates[step] <= start:
            margin = floating.spread_values[step]
    return margin


@kernel
@no_type_check
def rounded(rate: float, decimals: int) -> float:
    """Half away from zero; unchanged for negative `decimals`."""
    if decimals < 0:
        return rate
    scale = 1.0
    for _ in range(decimals):
        scale *= 10.0
    scaled = np.floor(abs(rate) * scale + 0.5) / scale
    return scaled if rate >= 0.0 else -scaled


@kernel
@no_type_check
def not_before(day: int, as_of: int) -> int:
    """The first day of a forecast rate's period. A period that starts today has the point before today, so that tomorrow it has earned a
    day at today's rate."""
    return as_of - 1 if day == as_of else day


@kernel
@no_type_check
def add_known(coupons: Coupons, k: int, weight: float, rate: float, years: float, gearing: float) -> None:
    """Add the share `weight` of a rate that is fixed."""
    coupons.plain[k] += years * gearing * (weight * rate)
    coupons.rate[k] += gearing * (weight * rate)


@kernel
@no_type_check
def add_forecast(
    coupons: Coupons, k: int, slot: int, weight: float, tau: float, years: float, gearing: float, curve: int, start: int, end: int
) -> None:
    """Add the share `weight` of a rate P(start)/P(end)/tau - 1/tau."""
    coefficient = weight * gearing * years / tau
    coupons.plain[k] -= coefficient
    coupons.growth[k, slot], coupons.curve[k, slot] = coefficient, curve
    coupons.start[k, slot], coupons.end[k, slot] = start, end
    coupons.rate[k] = np.nan


@kernel
@no_type_check
def add_term_rate(
    indices: IndexTables, x: int, curve: int, start: int, end: int, lag: int, calendar: int, is_indexed: bool, known: float, decimals: int,
    weight: float, years: float, gearing: float, as_of: int, tables: CalendarTables, coupons: Coupons, k: int, slot: int,
) -> tuple[int, int]:  # fmt: skip
    """Add the share `weight` of a term rate to the coupon of the period from start to end; (status, missing fixing's day)."""
    fixing_day = fixing_day_of(start, lag, calendar, tables)
    if fixing_day == NO_DATE:
        return _DATE_OUT_OF_RANGE, NO_DATE
    rate = known
    if not np.isfinite(rate) and fixing_day <= as_of:
        rate = fixing_on(indices, x, fixing_day)
        if not np.isfinite(rate) and fixing_day < as_of:
            return _MISSING_FIXING, fixing_day
    if np.isfinite(rate):
        add_known(coupons, k, weight, rounded(rate, decimals), years, gearing)
        return _OK, NO_DATE
    first = value_day_of(fixing_day, indices, x, tables)
    if is_indexed:
        last = maturity_of(first, indices, x, tables)
    else:
        last = value_day_of(advance_business_days(end, -lag, calendar, tables), indices, x, tables)
        last = last if last == NO_DATE else max(last, first + 1)
    if first == NO_DATE or last == NO_DATE:
        return _DATE_OUT_OF_RANGE, NO_DATE
    tau = index_years(indices, x, first, last)
    if not tau > 0.0:
        return _INVALID_SCHEDULE, NO_DATE
    add_forecast(coupons, k, slot, weight, tau, years, gearing, curve, not_before(first, as_of), last)
    return _OK, NO_DATE


@kernel
@no_type_check
def rate_period(indices: IndexTables, x: int, start: int, end: int, lookback: int, tables: CalendarTables) -> RatePeriod:
    """Value and interest days of an overnight rate compounded from start to end; `first` is NO_DATE where one is out of range."""
    calendar = np.int64(indices.fixing_calendar[x])
    first, last = adjust(start, PRECEDING, calendar, tables), adjust(end, FOLLOWING, calendar, tables)
    if lookback == 0 or first == NO_DATE or last == NO_DATE:
        return RatePeriod(first if last != NO_DATE else last, last, np.int64(start), np.int64(end))
    first, last = advance_business_days(first, -lookback, calendar, tables), advance_business_days(last, -lookback, calendar, tables)
    return RatePeriod(first, last, first, last)


@kernel
@no_type_check
def growth_by_fixings(
    indices: IndexTables, x: int, period: RatePeriod, as_of: int, fills: bool, tables: CalendarTables
) -> tuple[float, int, int]:
    """Growth of 1 by the fixings published until the valuation date.

    Args:
        fills: whether each fixing that is not there is taken to be the last before it.
    Returns:
        The growth, the first value day without a fixing, and the day of a missing fixing or NO_DATE.
    """
    calendar, lag = np.int64(indices.fixing_calendar[x]), np.int64(indices.lag[x])
    place, stop = np.int64(-1), indices.offsets[x + 1]
    growth, last_rate, day = 1.0, np.nan, period.first
    at = np.int64(tables.business_before[calendar, day - FIRST_DAY])
    while day < period.last:
        fixing_day = day if lag == 0 else advance_business_days(day, -lag, calendar, tables)
        if fixing_day > as_of and not fills:
            break
        if place < 0:
            place = fixing_place(indices, x, fixing_day)
        while place < stop and indices.fixing_days[place] < fixing_day:
            place += 1
        if place < stop and indices.fixing_days[place] == fixing_day:
            last_rate = indices.fixing_values[place]
        elif fixing_day < as_of:
            return growth, day, fixing_day
        elif not fills:
            break
        at += 1
        following = np.int64(tables.business_days[calendar, at])
        growth *= 1.0 + last_rate * index_years(indices, x, max(day, period.start), min(following, period.end))
        day = following
    return growth, day, NO_DATE


@kernel
@no_type_check
def add_compounded_rate(
    indices: IndexTables, x: int, curve: int, start: int, end: int, lookback: int, known: float, decimals: int, years: float,
    gearing: float, as_of: int, tables: CalendarTables, coupons: Coupons, k: int,
) -> tuple[int, int]:  # fmt: skip
    """Add a compounded overnight rate to the coupon of the period from start to end; (status, missing fixing's day)."""
    if np.isfinite(known):
        add_known(coupons, k, 1.0, rounded(known, decimals), years, gearing)
        return _OK, NO_DATE
    period = rate_period(indices, x, start, end, lookback, tables)
    if period.first == NO_DATE:
        return _DATE_OUT_OF_RANGE, NO_DATE
    tau = index_years(indices, x, period.start, period.end)
    if not tau > 0.0:
        return _INVALID_SCHEDULE, NO_DATE
    growth, day, missing = growth_by_fixings(indices, x, period, as_of, False, tables)
    if missing != NO_DATE:
        return _MISSING_FIXING, missing
    if day >= period.last:
        add_known(coupons, k, 1.0, rounded((growth - 1.0) / tau, decimals), years, gearing)
        return _OK, NO_DATE
    if period.last != period.end or (day == period.first and period.first != period.start):
        return _UNSUPPORTED, NO_DATE  # a rate weighed by fewer days than it is for does not telescope
    add_forecast(coupons, k, 0, 1.0, tau, years, gearing, curve, not_before(day, as_of), period.last)
    coupons.growth[k, 0] *= growth
    return _OK, NO_DATE


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def known_rate(floating: FloatingColumns, i: int, start: int, end: int, is_first: bool, as_of: int) -> float:
    """The rate that the contract itself gives for the period, NaN where it gives none."""
    rate = floating.first_fixing[i] if is_first else np.nan
    if not np.isfinite(rate) and start <= as_of < end:
        rate = floating.current_fixing[i]
    return rate


@kernel
@no_type_check
def add_stub_rate(
    indices: IndexTables, x: int, y: int, start: int, end: int, lag: int, calendar: int, is_indexed: bool, decimals: int, years: float,
    gearing: float, as_of: int, tables: CalendarTables, coupons: Coupons, k: int,
) -> tuple[int, int, int]:  # fmt: skip
    """Add the rate of a stub, of index x or linear in days between those of x and y; (status, missing fixing's day, its index)."""
    if y < 0:
        status, missing = add_term_rate(
            indices, x, np.int64(indices.curve[x]), start, end, lag, calendar, is_indexed, np.nan, decimals, 1.0, years, gearing, as_of,
            tables, coupons, k, 0,
        )  # fmt: skip
        return status, missing, x
    first = value_day_of(fixing_day_of(start, lag, calendar, tables), indices, x, tables)
    x_end, y_end = maturity_of(first, indices, x, tables), maturity_of(first, indices, y, tables)
    if first == NO_DATE or x_end == NO_DATE or y_end == NO_DATE:
        return _DATE_OUT_OF_RANGE, NO_DATE, x
    if x_end == y_end:
        return _INVALID_SCHEDULE, NO_DATE, x
    share = (np.int64(end) - x_end) / (y_end - x_end)
    status, missing = add_term_rate(
        indices, x, np.int64(indices.curve[x]), start, end, lag, calendar, True, np.nan, decimals, 1.0 - share, years, gearing, as_of,
        tables, coupons, k, 0,
    )  # fmt: skip
    if status != _OK:
        return status, missing, x
    status, missing = add_term_rate(
        indices, y, np.int64(indices.curve[y]), start, end, lag, calendar, True, np.nan, decimals, share, years, gearing, as_of, tables,
        coupons, k, 1,
    )  # fmt: skip
    return status, missing, y


@kernel
@no_type_check
def fill_coupons(
    legs: CouponLegs, floating: FloatingColumns, indices: IndexTables, tables: CalendarTables, as_of: int, begin: int, end: int,
    block: Block, coupons: Coupons, missing: MissingFixings, status: np.ndarray,
) -> None:  # fmt: skip
    """Coupons of the periods still to be paid. A leg without an index pays its fixed rate."""
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        r, x = i - begin, np.int64(floating.index[i])
        start, last = block.date_offsets[r], block.date_offsets[r + 1] - 2
        lag, calendar, decimals = np.int64(floating.lag[i]), np.int64(floating.fixing_calendar[i]), np.int64(floating.decimals[i])
        for k in range(block.first[r], block.stop[r]):
            years, coupons.growth[k, 0], coupons.growth[k, 1] = block.years[k], 0.0, 0.0
            if x < 0:
                coupons.rate[k], coupons.plain[k] = legs.rate[i], legs.rate[i] * years
                continue
            period_start, period_end, gearing = np.int64(block.adjusted[k]), np.int64(block.adjusted[k + 1]), floating.gearing[i]
            margin = margin_of(floating, i, max(period_start, np.int64(block.unadjusted[k])))
            coupons.rate[k], coupons.plain[k] = margin, years * margin
            known = known_rate(floating, i, period_start, period_end, k == start, as_of)
            of_stub, of_stub_2, is_stub = np.int64(-1), np.int64(-1), not block.is_regular[k + 1]
            if is_stub and k == start:
                known = known if np.isfinite(known) else floating.initial_rate[i]
                of_stub, of_stub_2 = np.int64(floating.initial_index[i]), np.int64(floating.initial_index_2[i])
            elif is_stub and k == last:
                known = known if np.isfinite(known) else floating.final_rate[i]
                of_stub, of_stub_2 = np.int64(floating.final_index[i]), np.int64(floating.final_index_2[i])
            lacking = x
            if indices.is_overnight[x]:
                reason, day = add_compounded_rate(
                    indices, x, np.int64(floating.curve[i]), period_start, period_end, np.int64(floating.lookback[i]), known, decimals,
                    years, gearing, as_of, tables, coupons, k,
                )  # fmt: skip
            elif of_stub >= 0 and not np.isfinite(known):
                reason, day, lacking = add_stub_rate(
                    indices, of_stub, of_stub_2, period_start, period_end, lag, calendar, floating.is_indexed[i], decimals, years, gearing,
                    as_of, tables, coupons, k,
                )  # fmt: skip
            else:
                reason, day = add_term_rate(
                    indices, x, np.int64(floating.curve[i]), period_start, period_end, lag, calendar, floating.is_indexed[i], known,
                    decimals, 1.0, years, gearing, as_of, tables, coupons, k, 0,
                )  # fmt: skip
            if reason != _OK:
                status[i], missing.index[i], missing.day[i] = reason, lacking, day
                break


@kernel
@no_type_check
def rate_until(
    floating: FloatingColumns, indices: IndexTables, i: int, start: int, until: int, margin: float, as_of: int, tables: CalendarTables
) -> float:
    """Annual coupon rate of an overnight leg from the start of a period until a settlement date: fixings to come are taken to be the last
    one published. NaN where none is."""
    x = np.int64(floating.index[i])
    period = rate_period(indices, x, start, until, np.int64(floating.lookback[i]), tables)
    if period.first == NO_DATE or not period.end > period.start:
        return np.nan
    growth, _, _ = growth_by_fixings(indices, x, period, as_of, True, tables)
    return floating.gearing[i] * ((growth - 1.0) / index_years(indices, x, period.start, period.end)) + margin


@kernel
@no_type_check
def fill_floating_accrued(
    legs: CouponLegs, floating: FloatingColumns, indices: IndexTables, tables: CalendarTables, as_of: int, begin: int, end: int,
    block: Block, coupons: Coupons, flows: LegFlows, status: np.ndarray,
) -> None:  # fmt: skip
    """Outstanding notional and accrued interest per 100 of it on the settlement date, NaN for a leg repaid by then. Accrued interest is NaN
    where the rate is not fixed before the settlement date."""
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        r, settlement = i - begin, np.int64(flows.settlement_day[i])
        k, stop, sign = block.first[r], block.stop[r], np.sign(block.factor[r])
        while k < stop and block.pay_day[k] <= settlement:
            k += 1
        if k == stop or block.balance[k] * block.survival[k] == 0.0:
            continue
        outstanding, accrued = block.balance[k] * block.survival[k], 0.0
        pay, is_ex = block.pay_day[k], block.ex_day[k] <= settlement
        accrual = accrual_of(legs.schedule, legs.day_count, i)
        while k < stop and block.pay_day[k] == pay:
            period, rate = period_at(block, k), coupons.rate[k]
            if settlement > period.start:
                if not np.isfinite(rate) and indices.is_overnight[floating.index[i]] and settlement < period.end:
                    margin = margin_of(floating, i, max(period.start, np.int64(block.unadjusted[k])))
                    rate = rate_until(floating, indices, i, period.start, settlement, margin, as_of, tables)
                years = accrued_years(period, settlement, is_ex, accrual, tables)
                accrued += block.balance[k] * block.survival[k] * rate * years
            k += 1
        flows.outstanding[i] = sign * (abs(block.factor[r]) * outstanding)
        flows.accrued[i] = 100.0 * accrued / outstanding
