"""Rates of periods that follow from overnight rates: compounded or averaged, with lookback, lockout and compounded margin.

Daily compounding telescopes to one growth factor where each rate is weighed by the days that it is for, times the growth by the rates that
are fixed; what does not telescope, and averages, become special factors (see `special_factors.py`).

References:
    [1] QuantLib, ql/cashflows/overnightindexedcoupon.cpp, ql/cashflows/overnightindexedcouponpricer.cpp.
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.flows.floating_arrays import Coupons, FloatingColumns, IndexTables, SpecialArrays
from pricers.flows.index_rates import add_compounded, add_entry, add_known, fixing_day_of, fixing_place, index_years
from pricers.flows.instalments import rounded
from pricers.kernels.jit import kernel, njit
from pricers.status import RowStatus
from pricers.time.calendars import FIRST_DAY, FOLLOWING, PRECEDING, CalendarTables, adjust
from pricers.time.dates import NO_DATE

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
    last_published = np.int64(indices.fixing_days[place_end - 1]) if place_end > indices.offsets[x] else NO_DATE
    total = 0.0 if terms.averages else 1.0
    while at < stop:
        source = min(at, locked) - lookback
        value_day, following = np.int64(days[source]), np.int64(days[source + 1])
        fixing_day = value_day if indices.lag[x] == 0 else fixing_day_of(value_day, np.int64(indices.lag[x]), calendar, tables)
        is_known = False
        if fixing_day <= as_of or fixing_day <= last_published:
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
    if specials.counts[1] == first:
        add_known(coupons, k, 1.0, rounded((total - 1.0 + terms.averages) / tau, decimals), years, gearing)
        return _OK, NO_DATE
    add_compounded(coupons, k, curve, gearing * years / tau, total, terms.averages, first, as_of, specials)
    return _OK, NO_DATE


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def overnight_terms(floating: FloatingColumns, i: int, margin: float) -> OvernightTerms:
    """How the rates of a leg's period with this margin follow from overnight rates."""
    return OvernightTerms(
        np.int64(floating.lookback[i]), floating.is_shifted[i], np.int64(floating.lockout[i]),
        margin if floating.compounds_spread[i] else 0.0, floating.averages[i],
    )  # fmt: skip
