"""Coupons of floating legs: what is fixed becomes an amount, what is not a growth factor P(start)/P(end) of the forecasting curve.

A simple rate F over τ years is (P(start)/P(end) - 1)/τ. So the coupon N × years × (gearing × F + margin) is the growth factor times
N × years × gearing/τ, and the amount N × years × (margin - gearing/τ). Daily compounding telescopes to one growth factor, times the
growth by the rates that are fixed, where each rate is weighed by the days that it is for; what does not telescope, and averages, become
special factors (see `special_factors.py`).

References:
    [1] QuantLib, ql/cashflows/iborcoupon.cpp (dates of par and indexed coupons), ql/cashflows/overnightindexedcoupon.cpp.
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.flows.accrual import accrual_of, accrued_years, period_at
from pricers.flows.coupon_arrays import Block, CouponLegs
from pricers.flows.floating_arrays import Coupons, FloatingColumns, IndexTables, MissingFixings, SpecialArrays
from pricers.flows.instalments import rounded
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
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)


class OvernightTerms(NamedTuple):
    """How a period's rate follows from overnight rates."""

    lookback: int
    """Business days by which rates are moved back."""
    is_shifted: bool
    """Whether their weights are moved too."""
    lockout: int
    """Last business days of the period that have the rate of the one before."""
    margin: float
    """Compounded with the rates."""
    averages: bool
    """Whether rates are averaged, not compounded."""


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
def add_entry(specials: SpecialArrays, first: int, start: int, end: int, weight: float, addend: float, merges: bool) -> None:
    """Add an entry to the special factor whose entries begin at `first`. Of a product, growth by whole rates from day to day is one."""
    at = specials.counts[1]
    if merges and at > first and weight == 1.0 and addend == 0.0:
        last = at - 1
        if specials.weight[last] == 1.0 and specials.addend[last] == 0.0 and specials.end_day[last] == start:
            specials.end_day[last] = end
            return
    specials.start_day[at], specials.end_day[at], specials.weight[at], specials.addend[at] = start, end, weight, addend
    specials.counts[1] = at + 1


@kernel
@no_type_check
def walk_overnight(
    indices: IndexTables, x: int, terms: OvernightTerms, start: int, end: int, as_of: int, fills: bool, tables: CalendarTables,
    specials: SpecialArrays,
) -> tuple[int, int, float, float]:  # fmt: skip
    """Compound or average the overnight rates of a period: what is fixed into a number, what is not into entries of `specials`.

    Args:
        start, end: the period of interest.
        fills: whether each rate that is not published is taken to be the last before it.
    Returns:
        Status, the day of a missing fixing or NO_DATE, the growth (or sum of rate × years) by fixings, and the years of the period.
    """
    calendar, lookback, first_entry = np.int64(indices.fixing_calendar[x]), terms.lookback, specials.counts[1]
    first, last = adjust(start, PRECEDING, calendar, tables), adjust(end, FOLLOWING, calendar, tables)
    if first == NO_DATE or last == NO_DATE:
        return _DATE_OUT_OF_RANGE, NO_DATE, 0.0, 0.0
    at, stop = np.int64(tables.business_before[calendar, first - FIRST_DAY]), np.int64(tables.business_before[calendar, last - FIRST_DAY])
    days = tables.business_days[calendar]
    if at < lookback or (fills and stop == at):
        return _DATE_OUT_OF_RANGE, NO_DATE, 0.0, 0.0
    moves_weights = terms.is_shifted and lookback > 0
    tau = index_years(indices, x, days[at - lookback], days[stop - lookback]) if moves_weights else index_years(indices, x, start, end)
    if not tau > 0.0:
        return _INVALID_SCHEDULE, NO_DATE, 0.0, 0.0
    telescopes = (lookback == 0 or terms.is_shifted) and terms.lockout == 0 and terms.margin == 0.0 and not terms.averages
    locked, place, place_end, rate = max(stop - 1 - terms.lockout, at), np.int64(-1), indices.offsets[x + 1], np.nan
    total = 0.0 if terms.averages else 1.0
    while at < stop:
        source = min(at, locked) - lookback
        value_day, following = np.int64(days[source]), np.int64(days[source + 1])
        fixing_day = value_day if indices.lag[x] == 0 else fixing_day_of(value_day, np.int64(indices.lag[x]), calendar, tables)
        is_known = False
        if fixing_day <= as_of:
            place = fixing_place(indices, x, fixing_day) if place < 0 else place
            while place < place_end and indices.fixing_days[place] < fixing_day:
                place += 1
            is_known = place < place_end and indices.fixing_days[place] == fixing_day
            if not is_known and fixing_day < as_of:
                return _MISSING_FIXING, fixing_day, total, tau
        rate = indices.fixing_values[place] if is_known else rate
        if moves_weights:
            years = index_years(indices, x, days[at - lookback], days[at + 1 - lookback])
        else:
            years = index_years(indices, x, max(np.int64(days[at]), start), min(np.int64(days[at + 1]), end))
        if is_known or fills:
            total = total + rate * years if terms.averages else total * (1.0 + (rate + terms.margin) * years)
            at += 1
            continue
        weight = years / index_years(indices, x, value_day, following)
        until = at + 1
        if telescopes and weight == 1.0:  # so have all days, but perhaps the last
            until = max(until, stop if moves_weights or days[stop] == end else stop - 1)
            following = np.int64(days[until - lookback])
        add_entry(specials, first_entry, value_day, following, weight, terms.margin * years, not terms.averages)
        at = until
    return _OK, NO_DATE, total, tau


@kernel
@no_type_check
def add_overnight_rate(
    indices: IndexTables, x: int, terms: OvernightTerms, curve: int, start: int, end: int, known: float, decimals: int, years: float,
    gearing: float, as_of: int, tables: CalendarTables, coupons: Coupons, k: int, specials: SpecialArrays,
) -> tuple[int, int]:  # fmt: skip
    """Add the rate that overnight rates give for the period from start to end; (status, missing fixing's day)."""
    if np.isfinite(known):
        add_known(coupons, k, 1.0, rounded(known, decimals), years, gearing)
        return _OK, NO_DATE
    first = specials.counts[1]
    status, missing, total, tau = walk_overnight(indices, x, terms, start, end, as_of, False, tables, specials)
    if status != _OK:
        specials.counts[1] = first
        return status, missing
    count = specials.counts[1] - first
    if count == 0:
        add_known(coupons, k, 1.0, rounded((total - 1.0 + terms.averages) / tau, decimals), years, gearing)
        return _OK, NO_DATE
    coefficient = gearing * years / tau
    coupons.rate[k], coupons.growth[k, 0] = np.nan, coefficient
    coupons.plain[k] -= 0.0 if terms.averages else coefficient
    if count == 1 and specials.weight[first] == 1.0 and specials.addend[first] == 0.0 and not terms.averages:
        coupons.growth[k, 0], coupons.curve[k, 0] = coefficient * total, curve
        coupons.start[k, 0], coupons.end[k, 0] = not_before(specials.start_day[first], as_of), specials.end_day[first]
        specials.counts[1] = first
        return _OK, NO_DATE
    number = specials.counts[0]
    coupons.curve[k, 0], coupons.special[k] = -1, number
    specials.averages[number], specials.curve[number], specials.constant[number] = terms.averages, curve, total
    specials.counts[0] = number + 1
    specials.offsets[number + 1] = specials.counts[1]
    return _OK, NO_DATE


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def overnight_terms(floating: FloatingColumns, i: int, margin: float) -> OvernightTerms:
    """How the rates of a leg's period with this margin follow from overnight rates."""
    return OvernightTerms(
        np.int64(floating.lookback[i]), floating.is_shifted[i], np.int64(floating.lockout[i]),
        margin if floating.compounds_spread[i] else 0.0, floating.averages[i],
    )  # fmt: skip


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
    block: Block, coupons: Coupons, specials: SpecialArrays, missing: MissingFixings, status: np.ndarray,
) -> None:  # fmt: skip
    """Coupons of the periods still to be paid. A leg without an index pays its fixed rate."""
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        r, x = i - begin, np.int64(floating.index[i])
        start, last = block.date_offsets[r], block.date_offsets[r + 1] - 2
        lag, calendar, decimals = np.int64(floating.lag[i]), np.int64(floating.fixing_calendar[i]), np.int64(floating.decimals[i])
        for k in range(block.first[r], block.stop[r]):
            years, coupons.growth[k, 0], coupons.growth[k, 1], coupons.special[k] = block.years[k], 0.0, 0.0, -1
            if x < 0:
                coupons.rate[k], coupons.plain[k] = legs.rate[i], legs.rate[i] * block.interest_years[k]
                continue
            period_start, period_end, gearing = np.int64(block.adjusted[k]), np.int64(block.adjusted[k + 1]), floating.gearing[i]
            margin = margin_of(floating, i, max(period_start, np.int64(block.unadjusted[k])))
            simple_margin = 0.0 if floating.compounds_spread[i] else margin
            coupons.rate[k], coupons.plain[k] = simple_margin, years * simple_margin
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
                reason, day = add_overnight_rate(
                    indices, x, overnight_terms(floating, i, margin), np.int64(floating.curve[i]), period_start, period_end, known,
                    decimals, years, gearing, as_of, tables, coupons, k, specials,
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
    floating: FloatingColumns, indices: IndexTables, i: int, start: int, until: int, margin: float, as_of: int, tables: CalendarTables,
    specials: SpecialArrays,
) -> float:  # fmt: skip
    """Annual coupon rate from the start of a period until a settlement date: fixings to come are taken to be the last one published. NaN
    where none is."""
    x = np.int64(floating.index[i])
    if not indices.is_overnight[x]:
        place = fixing_place(indices, x, as_of + 1) - 1
        return floating.gearing[i] * indices.fixing_values[place] + margin if place >= indices.offsets[x] else np.nan
    terms = overnight_terms(floating, i, margin)
    terms = OvernightTerms(terms.lookback, terms.is_shifted, 0, terms.margin, terms.averages)
    status, _, total, tau = walk_overnight(indices, x, terms, start, until, as_of, True, tables, specials)
    if status != _OK:
        return np.nan
    return floating.gearing[i] * ((total - 1.0 + terms.averages) / tau) + (0.0 if floating.compounds_spread[i] else margin)


@kernel
@no_type_check
def fill_floating_accrued(
    legs: CouponLegs, floating: FloatingColumns, indices: IndexTables, tables: CalendarTables, as_of: int, begin: int, end: int,
    block: Block, coupons: Coupons, specials: SpecialArrays, flows: LegFlows, status: np.ndarray,
) -> None:  # fmt: skip
    """Outstanding notional and accrued interest per 100 of it on the settlement date, NaN for a leg repaid by then. Accrued interest is NaN
    where the index has published nothing that could stand for a rate to come."""
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
                if not np.isfinite(rate):
                    margin, until = margin_of(floating, i, max(period.start, np.int64(block.unadjusted[k]))), min(settlement, period.end)
                    rate = rate_until(floating, indices, i, period.start, until, margin, as_of, tables, specials)
                years = accrued_years(period, settlement, is_ex, accrual, tables)
                accrued += block.balance[k] * block.survival[k] * rate * years
            k += 1
        flows.outstanding[i] = sign * (abs(block.factor[r]) * outstanding)
        flows.accrued[i] = 100.0 * accrued / outstanding
