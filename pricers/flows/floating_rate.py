"""Coupons of floating legs: what is fixed becomes an amount, what is not a growth factor P(start)/P(end) of the forecasting curve, or a
special factor."""

from typing import Final, no_type_check

import numpy as np

from pricers.flows.accrual import accrual_of, accrued_years, period_at
from pricers.flows.coupon_arrays import Block, CouponLegs
from pricers.flows.floating_arrays import Coupons, FloatingColumns, IndexTables, MissingFixings, SpecialArrays
from pricers.flows.index_rates import fixing_place
from pricers.flows.output import LegFlows
from pricers.flows.overnight_rate import OvernightTerms, add_overnight_rate, overnight_terms, walk_overnight
from pricers.flows.term_rate import ResetTerms, add_reset_rates, add_stub_rate, add_term_rate, walk_resets
from pricers.kernels.jit import kernel, njit
from pricers.status import RowStatus
from pricers.time.calendars import CalendarTables

_OK: Final = int(RowStatus.OK)


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def margin_of(floating: FloatingColumns, i: int, start: int) -> float:
    """The margin of a period that starts on a day."""
    margin = floating.spread[i]
    for step in range(floating.spread_offsets[i], floating.spread_offsets[i + 1]):
        if floating.spread_dates[step] <= start:
            margin = floating.spread_values[step]
    return margin


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def known_rate(opening: float, stub_rate: float, current: float, start: int, end: int, as_of: int) -> float:
    """The rate that the contract itself gives for the period, NaN where it gives none: that agreed for the first period, that of a stub, or
    that of the period which contains the valuation date."""
    rate = opening if np.isfinite(opening) else stub_rate
    return current if not np.isfinite(rate) and start <= as_of < end else rate


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def reset_terms(legs: CouponLegs, floating: FloatingColumns, i: int, margin: float) -> ResetTerms:
    """How the rates of a leg's period with this margin follow from several term rates."""
    schedule = legs.schedule
    return ResetTerms(
        np.int64(floating.reset_months[i]), np.int64(floating.reset_days[i]), schedule.end_of_month[i], np.int64(schedule.convention[i]),
        np.int64(schedule.calendar[i]), np.int64(legs.day_count[i]), np.int64(floating.lag[i]), np.int64(floating.fixing_calendar[i]),
        floating.is_indexed[i], margin if floating.compounds_spread[i] else 0.0,
    )  # fmt: skip


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
            years, coupons.growth[k, 0], coupons.growth[k, 1] = block.years[k], 0.0, 0.0
            coupons.special[k], coupons.accrues[k] = -1, False
            if x < 0:
                coupons.rate[k], coupons.plain[k] = legs.rate[i], legs.rate[i] * block.interest_years[k]
                continue
            period_start, period_end, gearing = np.int64(block.adjusted[k]), np.int64(block.adjusted[k + 1]), floating.gearing[i]
            margin = margin_of(floating, i, max(period_start, np.int64(block.unadjusted[k])))
            of_stub, of_stub_2, stub_rate, is_stub = np.int64(-1), np.int64(-1), np.nan, not block.is_regular[k + 1]
            if is_stub and k == start:
                of_stub, of_stub_2 = np.int64(floating.initial_index[i]), np.int64(floating.initial_index_2[i])
                stub_rate = floating.initial_rate[i]
            elif is_stub and k == last:
                of_stub, of_stub_2 = np.int64(floating.final_index[i]), np.int64(floating.final_index_2[i])
                stub_rate = floating.final_rate[i]
            opening = floating.first_fixing[i] if k == start else np.nan
            known = (
                stub_rate
                if floating.resets[i]
                else known_rate(opening, stub_rate, floating.current_fixing[i], period_start, period_end, as_of)
            )
            simple_margin = 0.0 if floating.compounds_spread[i] and not np.isfinite(known) else margin
            coupons.rate[k], coupons.plain[k] = simple_margin, years * simple_margin
            lacking, coupons.accrues[k] = x, (indices.is_overnight[x] or floating.resets[i]) and not np.isfinite(known)
            if indices.is_overnight[x]:
                reason, day = add_overnight_rate(
                    indices, x, overnight_terms(floating, i, margin), np.int64(floating.curve[i]), period_start, period_end, known,
                    decimals, years, gearing, as_of, tables, coupons, k, specials,
                )  # fmt: skip
            elif floating.resets[i] and not np.isfinite(known):
                reason, day = add_reset_rates(
                    indices, x, reset_terms(legs, floating, i, margin), np.int64(floating.curve[i]), np.int64(block.unadjusted[k]),
                    period_start, period_end, opening, floating.current_fixing[i], decimals, years, gearing, as_of, tables, coupons, k,
                    specials,
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
    legs: CouponLegs, floating: FloatingColumns, indices: IndexTables, i: int, unadjusted: int, start: int, until: int, years: float,
    opening: float, margin: float, as_of: int, tables: CalendarTables, specials: SpecialArrays,
) -> float:  # fmt: skip
    """Annual coupon rate from the start of a period until a settlement date: fixings to come are taken to be the last one published. NaN
    where none is."""
    x, simple_margin = np.int64(floating.index[i]), 0.0 if floating.compounds_spread[i] else margin
    if floating.resets[i]:
        terms = reset_terms(legs, floating, i, margin)
        current = floating.current_fixing[i]
        status, _, total = walk_resets(indices, x, terms, unadjusted, start, until, opening, current, as_of, True, tables, specials)
        return floating.gearing[i] * ((total - 1.0) / years) + simple_margin if status == _OK else np.nan
    if not indices.is_overnight[x]:
        place = fixing_place(indices, x, as_of + 1) - 1
        return floating.gearing[i] * indices.fixing_values[place] + margin if place >= indices.offsets[x] else np.nan
    terms = overnight_terms(floating, i, margin)
    terms = OvernightTerms(terms.lookback, terms.is_shifted, 0, terms.margin, terms.averages)
    status, _, total, tau = walk_overnight(indices, x, terms, start, until, as_of, True, tables, specials)
    if status != _OK:
        return np.nan
    return floating.gearing[i] * ((total - 1.0 + terms.averages) / tau) + simple_margin


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
                years = accrued_years(period, settlement, is_ex, accrual, tables)
                if not np.isfinite(rate) or (coupons.accrues[k] and settlement < period.end):
                    margin, until = margin_of(floating, i, max(period.start, np.int64(block.unadjusted[k]))), min(settlement, period.end)
                    since_start = accrued_years(period, until, False, accrual, tables)
                    opening = floating.first_fixing[i] if k == block.date_offsets[r] else np.nan
                    rate = rate_until(
                        legs, floating, indices, i, np.int64(block.unadjusted[k]), period.start, until, since_start, opening,
                        margin, as_of, tables, specials,
                    )  # fmt: skip
                accrued += block.balance[k] * block.survival[k] * rate * years
            k += 1
        flows.outstanding[i] = sign * (abs(block.factor[r]) * outstanding)
        flows.accrued[i] = 100.0 * accrued / outstanding
