"""Fixings and dates of indices in compiled code, and what a rate adds to a coupon.

A simple rate F over τ years is (P(start)/P(end) - 1)/τ. So the coupon N × years × (gearing × F + margin) is the growth factor times
N × years × gearing/τ, and the amount N × years × (margin - gearing/τ).

References:
    [1] QuantLib, ql/indexes/iborindex.cpp (value and maturity dates).
"""

from typing import no_type_check

import numpy as np

from pricers.flows.floating_arrays import Coupons, IndexTables, SpecialArrays
from pricers.kernels.jit import kernel, njit
from pricers.time.calendars import FOLLOWING, PRECEDING, CalendarTables, adjust, advance_business_days, advance_months
from pricers.time.dates import NO_DATE
from pricers.time.day_count import calendar_free_year_fraction


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
    """An index's fixing on a day, NaN where there is none. `IndexTables` holds those up to `Fixings.known_until` alone."""
    place = fixing_place(indices, x, day)
    return indices.fixing_values[place] if place < indices.offsets[x + 1] and indices.fixing_days[place] == day else np.nan


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def fixing_day_of(start: int, lag: int, calendar: int, tables: CalendarTables) -> int:
    """The day on which the rate of a period that starts on a day is fixed."""
    return adjust(start, PRECEDING, calendar, tables) if lag == 0 else advance_business_days(start, -lag, calendar, tables)


@njit(cache=True, nogil=True, inline="always")
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


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def index_years(indices: IndexTables, x: int, start: int, end: int) -> float:
    """Years on an index's day count."""
    return calendar_free_year_fraction(np.int64(indices.day_count[x]), start, end, start, end, end)


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def not_before(day: int, as_of: int) -> int:
    """The first day of a forecast rate's period. A period that starts today has the point before today, so that tomorrow it has earned a
    day at today's rate."""
    return as_of - 1 if day == as_of else day


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def add_known(coupons: Coupons, k: int, weight: float, rate: float, years: float, gearing: float) -> None:
    """Add the share `weight` of a rate that is fixed."""
    coupons.plain[k] += years * gearing * (weight * rate)
    coupons.rate[k] += gearing * (weight * rate)


@njit(cache=True, nogil=True, inline="always")
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
def add_compounded(
    coupons: Coupons, k: int, curve: int, coefficient: float, total: float, averages: bool, first: int, as_of: int, specials: SpecialArrays
) -> None:
    """Add coefficient × (growth - 1), or × average, of the entries from `first` on, of which there is one at least: of growth from one day
    to another as a forecast, of any other as a special factor.

    Args:
        total: growth by what is fixed; of an average, the sum of rate × years.
    """
    coupons.rate[k], coupons.growth[k, 0] = np.nan, coefficient
    coupons.plain[k] -= 0.0 if averages else coefficient
    is_alone = specials.counts[1] - first == 1 and specials.weight[first] == 1.0 and specials.addend[first] == 0.0
    if is_alone and not averages:
        coupons.growth[k, 0], coupons.curve[k, 0] = coefficient * total, curve
        coupons.start[k, 0], coupons.end[k, 0] = not_before(specials.start_day[first], as_of), specials.end_day[first]
        specials.counts[1] = first
        return
    number = specials.counts[0]
    coupons.curve[k, 0], coupons.special[k] = -1, number
    specials.averages[number], specials.curve[number], specials.constant[number] = averages, curve, total
    specials.counts[0] = number + 1
    specials.offsets[number + 1] = specials.counts[1]
