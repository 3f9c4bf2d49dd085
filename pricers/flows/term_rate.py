"""Rates of periods that follow from term rates: one, two that a stub lies between, or several that are compounded.

References:
    [1] QuantLib, ql/cashflows/iborcoupon.cpp (dates of par and indexed coupons), ql/cashflows/multipleresetscoupon.cpp.
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.flows.floating_arrays import Coupons, IndexTables, SpecialArrays
from pricers.flows.index_rates import (
    add_compounded,
    add_entry,
    add_forecast,
    add_known,
    fixing_day_of,
    fixing_on,
    fixing_place,
    index_years,
    maturity_of,
    not_before,
    value_day_of,
)
from pricers.flows.instalments import rounded
from pricers.kernels.jit import kernel, njit
from pricers.status import RowStatus
from pricers.time.calendars import CalendarTables, adjust, advance_business_days
from pricers.time.dates import NO_DATE, add_months
from pricers.time.day_count import calendar_free_year_fraction

_OK: Final = int(RowStatus.OK)
_DATE_OUT_OF_RANGE: Final = int(RowStatus.DATE_OUT_OF_RANGE)
_MISSING_FIXING: Final = int(RowStatus.MISSING_FIXING)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def forward_end(
    indices: IndexTables, x: int, first: int, end: int, lag: int, calendar: int, is_indexed: bool, tables: CalendarTables
) -> int:
    """The last day of a forward rate whose period starts on `first`, of interest until `end`; NO_DATE where out of range."""
    if is_indexed:
        return maturity_of(first, indices, x, tables)
    last = value_day_of(advance_business_days(end, -lag, calendar, tables), indices, x, tables)
    return last if last == NO_DATE else max(last, first + 1)


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
    if not np.isfinite(rate):
        rate = fixing_on(indices, x, fixing_day)
        if not np.isfinite(rate) and fixing_day < as_of:
            return _MISSING_FIXING, fixing_day
    if np.isfinite(rate):
        add_known(coupons, k, weight, rounded(rate, decimals), years, gearing)
        return _OK, NO_DATE
    first = value_day_of(fixing_day, indices, x, tables)
    last = forward_end(indices, x, first, end, lag, calendar, is_indexed, tables)
    if first == NO_DATE or last == NO_DATE:
        return _DATE_OUT_OF_RANGE, NO_DATE
    tau = index_years(indices, x, first, last)
    if not tau > 0.0:
        return _INVALID_SCHEDULE, NO_DATE
    add_forecast(coupons, k, slot, weight, tau, years, gearing, curve, not_before(first, as_of), last)
    return _OK, NO_DATE


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


class ResetTerms(NamedTuple):
    """How a period's rate follows from several term rates, each of a part of the period."""

    months: int
    """From one reset to the next; 0 for a tenor in days."""
    days: int
    end_of_month: bool
    convention: int
    """Moves resets; with the next, as it moves the ends of periods."""
    calendar: int
    day_count: int
    """Of the parts' weights."""
    lag: int
    fixing_calendar: int
    is_indexed: bool
    margin: float
    """Compounded with the rates."""


@kernel
@no_type_check
def walk_resets(
    indices: IndexTables, x: int, terms: ResetTerms, unadjusted: int, start: int, end: int, opening: float, current: float,
    as_of: int, fills: bool, tables: CalendarTables, specials: SpecialArrays,
) -> tuple[int, int, float]:  # fmt: skip
    """Compound the term rates of a period: what is fixed into a number, what is not into entries of `specials`.

    Args:
        unadjusted: the period's start before its business-day convention, from which resets roll.
        start, end: the period of interest.
        opening, current: the rates of the first part and of the part that contains the valuation date; NaN: the index's fixing.
        fills: whether a rate that is not published is taken to be the last that is.
    Returns:
        Status, the day of a missing fixing or NO_DATE, and the growth by fixings.
    """
    first_entry, total, part, number = specials.counts[1], 1.0, np.int64(start), 0
    last_fixing = fixing_place(indices, x, as_of + 1) - 1
    while part < end:
        number += 1
        moved = add_months(unadjusted, number * terms.months, terms.end_of_month) if terms.months > 0 else unadjusted + number * terms.days
        whole = adjust(moved, terms.convention, terms.calendar, tables)
        if whole == NO_DATE:
            return _DATE_OUT_OF_RANGE, NO_DATE, total
        until = min(whole, np.int64(end))
        if until <= part:
            continue
        years = calendar_free_year_fraction(terms.day_count, part, until, part, until, end)
        fixing_day = fixing_day_of(part, terms.lag, terms.fixing_calendar, tables)
        if fixing_day == NO_DATE or not np.isfinite(years):
            return _DATE_OUT_OF_RANGE if fixing_day == NO_DATE else _INVALID_SCHEDULE, NO_DATE, total
        is_running = part <= as_of < (whole if fills else until)
        rate = opening if part == start and np.isfinite(opening) else current if is_running else np.nan
        if not np.isfinite(rate):
            rate = fixing_on(indices, x, fixing_day)
            if not np.isfinite(rate) and fixing_day < as_of:
                return _MISSING_FIXING, fixing_day, total
        if fills and not np.isfinite(rate) and last_fixing >= indices.offsets[x]:
            rate = indices.fixing_values[last_fixing]
        if np.isfinite(rate) or fills:
            total *= 1.0 + (rate + terms.margin) * years
            part = until
            continue
        first = value_day_of(fixing_day, indices, x, tables)
        last = forward_end(indices, x, first, until, terms.lag, terms.fixing_calendar, terms.is_indexed, tables)
        if first == NO_DATE or last == NO_DATE:
            return _DATE_OUT_OF_RANGE, NO_DATE, total
        tau = index_years(indices, x, first, last)
        if not tau > 0.0:
            return _INVALID_SCHEDULE, NO_DATE, total
        add_entry(specials, first_entry, first, last, years / tau, terms.margin * years, True)
        part = until
    return _OK, NO_DATE, total


@kernel
@no_type_check
def add_reset_rates(
    indices: IndexTables, x: int, terms: ResetTerms, curve: int, unadjusted: int, start: int, end: int, opening: float,
    current: float, decimals: int, years: float, gearing: float, as_of: int, tables: CalendarTables, coupons: Coupons, k: int,
    specials: SpecialArrays,
) -> tuple[int, int]:  # fmt: skip
    """Add the rate that compounded term rates give for the period from start to end; (status, missing fixing's day)."""
    first = specials.counts[1]
    status, missing, total = walk_resets(indices, x, terms, unadjusted, start, end, opening, current, as_of, False, tables, specials)
    if status != _OK:
        specials.counts[1] = first
        return status, missing
    if specials.counts[1] == first:
        add_known(coupons, k, 1.0, rounded((total - 1.0) / years, decimals), years, gearing)
    else:
        add_compounded(coupons, k, curve, gearing, total, False, first, as_of, specials)
    return _OK, NO_DATE
