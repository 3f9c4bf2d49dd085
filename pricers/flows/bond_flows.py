"""Cash flows of fixed-rate bonds in compiled code; `pricers/products/bond/fixed.py` says what the terms mean.

Rows are lowered in blocks, and a block passes through its stages one after the other: dates, notional, periods, settlement, accrued
interest, yield times, flows. Each stage is one loop over the block's rows, because a call that hands a dozen arrays to a compiled
function costs as much as ten flows. The block's working arrays fit in the processor's cache.
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.contract.calendars_of_contract import SCHEDULE_STATUS
from pricers.flows.accrual import is_long_icma_stub, settlement_day, years_in_stub
from pricers.flows.output import LegFlows, empty_flows
from pricers.kernels.jit import njit
from pricers.status import RowStatus
from pricers.time.calendars import FIRST_DAY, CalendarTables, adjust, advance_business_days
from pricers.time.dates import NO_DATE, add_months
from pricers.time.day_count import ACT_360, ACT_365F, ACT_ACT_ICMA, BUS_252, calendar_free_year_fraction, year_fraction
from pricers.time.schedule import (
    FREQUENCIES,
    FREQUENCY_DAYS,
    FREQUENCY_MONTHS,
    ScheduleTerms,
    fill_dates,
    max_dates,
    reference_period,
    schedule_terms,
)

LAG_DAYS_MAX: Final = 60  # business days; the longest customary ones are below 10
PRINCIPAL_TOLERANCE: Final = 1e-9  # sinking amounts are rounded to cents and may add up to a hair more than the notional
BLOCK_ROWS_MAX: Final = 512
BLOCK_DATES: Final = 16_384  # 45 bytes each

_ONCE: Final = FREQUENCIES.index("ONCE")
_LAG_CALENDAR_DAYS_MAX: Final = 2 * LAG_DAYS_MAX  # no calendar closes for more than every second day
_OK: Final = int(RowStatus.OK)
_MATURED: Final = int(RowStatus.MATURED)
_INVALID_DATES: Final = int(RowStatus.INVALID_DATES)
_DATE_OUT_OF_RANGE: Final = int(RowStatus.DATE_OUT_OF_RANGE)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)
_INVALID_PRINCIPAL: Final = int(RowStatus.INVALID_PRINCIPAL)


class Bonds(NamedTuple):
    """The contract columns that dates and amounts depend on; [row] where not said otherwise."""

    notional: np.ndarray
    coupon_rate: np.ndarray
    issue: np.ndarray
    maturity: np.ndarray
    interest_start: np.ndarray
    frequency: np.ndarray
    day_count: np.ndarray
    first_coupon: np.ndarray
    penultimate_coupon: np.ndarray
    roll_rule: np.ndarray
    stub: np.ndarray
    end_of_month: np.ndarray
    accrual_convention: np.ndarray
    payment_convention: np.ndarray
    payment_lag: np.ndarray
    ex_coupon_days: np.ndarray
    settlement_lag: np.ndarray
    redemption: np.ndarray
    calendar: np.ndarray
    """Index into the calendar tables; so are the next two."""
    ex_coupon_calendar: np.ndarray
    settlement_calendar: np.ndarray
    sinking_offsets: np.ndarray
    """int64[row + 1]"""
    sinking_dates: np.ndarray
    """int32[sinking payment]"""
    sinking_amounts: np.ndarray
    """float64[sinking payment]"""


class _Block(NamedTuple):
    """Working arrays of a block of rows. Row r of the block has dates date_offsets[r]:date_offsets[r + 1]; the period between two
    dates stands at the position of the earlier one."""

    date_offsets: np.ndarray
    first: np.ndarray
    """Position of the row's first period paid after the valuation date."""
    ex_on_valuation: np.ndarray
    """Position of the row's first period that does not trade ex-coupon on the valuation date."""
    ex_on_settlement: np.ndarray
    unadjusted: np.ndarray
    adjusted: np.ndarray
    is_regular: np.ndarray
    """Of the period that ends at the date."""
    pay_day: np.ndarray
    reference_start: np.ndarray
    reference_end: np.ndarray
    year_fraction: np.ndarray
    outstanding: np.ndarray
    """Unsigned notional during the period; after the last, what is redeemed at maturity."""
    yield_time: np.ndarray


def lower_bonds(bonds: Bonds, *, tables: CalendarTables, as_of: int, status: np.ndarray) -> LegFlows:
    """Cash flows and price terms of a batch.

    Args:
        bonds: the terms.
        tables: calendars that the terms point into.
        as_of: valuation date, days since 1970-01-01.
        status: uint8[row]; rows that are not OK get no flows, rows that turn out unusable get their status here.
    Returns:
        The flows; their arrays are longer than `flow_offsets[-1]`.
    """
    rows = len(status)
    dates_max, flows_max = _room(bonds, as_of)
    flows = empty_flows(rows, flows_max, as_of=as_of)
    block_rows, block_dates = min(rows, BLOCK_ROWS_MAX), max(dates_max, min(BLOCK_DATES, flows_max + rows))
    positions = [np.empty(block_rows + 1, np.int64) for _ in range(4)]
    days = [np.empty(block_dates, np.int32) for _ in range(5)]
    numbers = [np.empty(block_dates) for _ in range(3)]
    block = _Block._make((*positions, *days[:2], np.empty(block_dates, np.bool_), *days[2:], *numbers))
    _lower_blocks(bonds, tables, as_of, block, flows, status)
    return flows


@njit(cache=True, nogil=True)
@no_type_check
def _schedule_terms(bonds: Bonds, i: int) -> ScheduleTerms:
    frequency = max(bonds.frequency[i], 0)
    start = bonds.interest_start[i]
    return schedule_terms(
        start if start != NO_DATE else bonds.issue[i],
        bonds.maturity[i],
        FREQUENCY_MONTHS[frequency],
        FREQUENCY_DAYS[frequency],
        bonds.roll_rule[i],
        bonds.stub[i],
        bonds.first_coupon[i],
        bonds.penultimate_coupon[i],
        bonds.end_of_month[i],
        bonds.accrual_convention[i],
        bonds.accrual_convention[i],
        bonds.calendar[i],
    )


@njit(cache=True, nogil=True)
@no_type_check
def _room(bonds: Bonds, as_of: int) -> tuple[int, int]:
    """The most dates one row needs, and room for all flows after the valuation date."""
    dates_max, flows_max = 0, 0
    for i in range(len(bonds.notional)):
        terms = _schedule_terms(bonds, i)
        dates = max_dates(terms)
        dates_max = max(dates_max, dates)
        days_to_go = max(np.int64(terms.maturity) - as_of, 0) + _LAG_CALENDAR_DAYS_MAX
        tenor_days = max(np.int64(terms.tenor_months) * 30 + np.int64(terms.tenor_days), 1)
        flows_max += min(dates, days_to_go // tenor_days + 5) + 1  # one flow may be split at its ex-coupon date
    return dates_max, flows_max


@njit(cache=True, nogil=True)
@no_type_check
def _lower_blocks(bonds: Bonds, tables: CalendarTables, as_of: int, block: _Block, flows: LegFlows, status: np.ndarray) -> None:
    begin = at = 0
    while begin < len(status):
        end = _fill_schedules(bonds, tables, begin, block, status)
        _fill_outstanding(bonds, begin, end, block, status)
        _fill_periods(bonds, tables, as_of, begin, end, block, status)
        _settle(bonds, tables, as_of, begin, end, block, flows, status)
        _fill_accrued(bonds, tables, begin, end, block, flows, status)
        _fill_yield_times(bonds, tables, begin, end, block, flows, status)
        at = _write_flows(bonds, begin, end, block, flows, status, at)
        begin = end
    flows.flow_offsets[len(status)] = at


@njit(cache=True, nogil=True)
@no_type_check
def _fill_schedules(bonds: Bonds, tables: CalendarTables, begin: int, block: _Block, status: np.ndarray) -> int:
    """Dates of as many rows as the block holds; the row after them."""
    issue, maturity, interest_start, frequencies = bonds.issue, bonds.maturity, bonds.interest_start, bonds.frequency
    first_coupon, penultimate, roll_rule, stub = bonds.first_coupon, bonds.penultimate_coupon, bonds.roll_rule, bonds.stub
    end_of_month, convention, calendar = bonds.end_of_month, bonds.accrual_convention, bonds.calendar
    date_offsets, unadjusted, adjusted, is_regular = block.date_offsets, block.unadjusted, block.adjusted, block.is_regular
    i, at = begin, 0
    while i < len(status) and i - begin < len(date_offsets) - 1:
        date_offsets[i - begin] = at
        if status[i] == _OK:
            frequency, start = frequencies[i], interest_start[i]
            terms = schedule_terms(
                start if start != NO_DATE else issue[i], maturity[i], FREQUENCY_MONTHS[frequency], FREQUENCY_DAYS[frequency], roll_rule[i],
                stub[i], first_coupon[i], penultimate[i], end_of_month[i], convention[i], convention[i], calendar[i],
            )  # fmt: skip
            if at + max_dates(terms) > len(unadjusted):
                break
            count, reason = fill_dates(terms, tables, unadjusted, adjusted, is_regular, at)
            status[i] = SCHEDULE_STATUS[reason] if issue[i] < maturity[i] else _INVALID_DATES
            at += count
        i += 1
    date_offsets[i - begin] = at
    return i


@njit(cache=True, nogil=True)
@no_type_check
def _fill_outstanding(bonds: Bonds, begin: int, end: int, block: _Block, status: np.ndarray) -> None:
    """Notional during every period, after the sinking payments."""
    notional, offsets, dates, amounts = bonds.notional, bonds.sinking_offsets, bonds.sinking_dates, bonds.sinking_amounts
    date_offsets, outstanding, unadjusted, adjusted = block.date_offsets, block.outstanding, block.unadjusted, block.adjusted
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        start, last = date_offsets[i - begin], date_offsets[i - begin + 1] - 1
        left = abs(notional[i])
        tolerance = PRINCIPAL_TOLERANCE * left
        sinking, sinking_end, last_date = offsets[i], offsets[i + 1], unadjusted[start]
        for k in range(start, last):
            outstanding[k] = left
            while sinking < sinking_end and dates[sinking] <= max(unadjusted[k + 1], adjusted[k + 1]):
                amount = amounts[sinking]
                if not (dates[sinking] > last_date and 0.0 < amount <= left + tolerance):
                    status[i] = _INVALID_PRINCIPAL
                    break
                last_date = dates[sinking]
                left = left - amount if left - amount > tolerance else 0.0
                sinking += 1
            if status[i] != _OK:
                break
        outstanding[last] = left
        if sinking < sinking_end:
            status[i] = _INVALID_PRINCIPAL


@njit(cache=True, nogil=True)
@no_type_check
def _fill_periods(bonds: Bonds, tables: CalendarTables, as_of: int, begin: int, end: int, block: _Block, status: np.ndarray) -> None:
    """Payment days, reference periods and year fractions of the periods paid after the valuation date."""
    day_counts, maturity, calendars = bonds.day_count, bonds.maturity, bonds.calendar
    lags, conventions, frequencies = bonds.payment_lag, bonds.payment_convention, bonds.frequency
    date_offsets, firsts, outstanding, adjusted = block.date_offsets, block.first, block.outstanding, block.adjusted
    is_regular, pay_day, year_fractions = block.is_regular, block.pay_day, block.year_fraction
    reference_start, reference_end = block.reference_start, block.reference_end
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        start, last = date_offsets[i - begin], date_offsets[i - begin + 1] - 1
        code, calendar, lag, convention = day_counts[i], calendars[i], np.int64(lags[i]), conventions[i]
        months = FREQUENCY_MONTHS[frequencies[i]]
        is_icma = code == ACT_ACT_ICMA  # the one day count that reads the reference period
        row_status, first = _MATURED, start
        for k in range(last - 1, start - 1, -1):
            period_start, period_end = adjusted[k], adjusted[k + 1]
            pay = adjust(period_end, convention, calendar, tables) if lag == 0 else advance_business_days(period_end, lag, calendar, tables)
            if pay == NO_DATE:
                row_status = _DATE_OUT_OF_RANGE
                break
            if pay <= as_of:
                first = k + 1
                break
            if outstanding[k] > 0.0 and row_status == _MATURED:
                row_status = _OK
            pay_day[k], reference_start[k], reference_end[k] = pay, period_start, period_end
            if is_icma and is_regular[k + 1] and months > 0 and start < k < last - 1:
                years = months / 12.0  # a whole coupon period, wherever the calendar moves its ends; the first and last are measured
            elif code == BUS_252:
                years = year_fraction(code, period_start, period_end, NO_DATE, NO_DATE, NO_DATE, calendar, tables)
            else:
                if is_icma and not is_regular[k + 1]:
                    terms, count = _schedule_terms(bonds, i), last - start + 1
                    reference = reference_period(k + 1 - start, count, terms, tables, adjusted, is_regular, start)
                    reference_start[k], reference_end[k] = reference
                if is_long_icma_stub(code, months, period_start, period_end, reference_start[k], reference_end[k]):
                    years = _years_in_stub(period_start, period_end, reference_start[k], reference_end[k], bonds, i, tables)
                else:
                    years = calendar_free_year_fraction(code, period_start, period_end, reference_start[k], reference_end[k], maturity[i])
            if not np.isfinite(years):
                row_status = _INVALID_SCHEDULE
                break
            year_fractions[k] = years
        status[i], firsts[i - begin] = row_status, first


@njit(cache=True, nogil=True)
@no_type_check
def _settle(
    bonds: Bonds, tables: CalendarTables, as_of: int, begin: int, end: int, block: _Block, flows: LegFlows, status: np.ndarray
) -> None:
    """Settlement days, and the first coupons that do not trade ex-coupon on the valuation date and at settlement."""
    lags, calendars, issue = bonds.settlement_lag, bonds.settlement_calendar, bonds.issue
    ex_days, ex_calendars = bonds.ex_coupon_days, bonds.ex_coupon_calendar
    date_offsets, first, pay_day = block.date_offsets, block.first, block.pay_day
    ex_on_valuation, ex_on_settlement, settlement_days = block.ex_on_valuation, block.ex_on_settlement, flows.settlement_day
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        settlement = settlement_day(as_of, lags[i], np.int64(issue[i]), calendars[i], tables)
        if settlement == NO_DATE:
            status[i] = _DATE_OUT_OF_RANGE
            continue
        settlement_days[i] = settlement
        r, last = i - begin, date_offsets[i - begin + 1] - 1
        not_ex = first[r]
        ex_on_valuation[r] = not_ex
        if ex_days[i] > 0:
            while not_ex < last:  # once a coupon is not ex, later ones are not either
                ex_day = advance_business_days(pay_day[not_ex], -np.int64(ex_days[i]), ex_calendars[i], tables)
                if ex_day > settlement:
                    break
                not_ex += 1
                if ex_day <= as_of:
                    ex_on_valuation[r] = not_ex
        ex_on_settlement[r] = not_ex


@njit(cache=True, nogil=True)
@no_type_check
def _fill_accrued(bonds: Bonds, tables: CalendarTables, begin: int, end: int, block: _Block, flows: LegFlows, status: np.ndarray) -> None:
    """Outstanding notional and accrued interest per 100 of it on the settlement date, NaN for a bond repaid by then."""
    coupon_rate, day_count, maturity, calendar = bonds.coupon_rate, bonds.day_count, bonds.maturity, bonds.calendar
    date_offsets, first, ex_on_settlement = block.date_offsets, block.first, block.ex_on_settlement
    adjusted, pay_day, outstanding = block.adjusted, block.pay_day, block.outstanding
    reference_start, reference_end, settlement_days = block.reference_start, block.reference_end, flows.settlement_day
    frequencies, notional = bonds.frequency, bonds.notional
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        k, last, settlement = first[i - begin], date_offsets[i - begin + 1] - 1, settlement_days[i]
        while k < last and pay_day[k] <= settlement:
            k += 1
        if k == last or outstanding[k] == 0.0:
            continue
        balance, pay, is_ex, accrued = outstanding[k], pay_day[k], k < ex_on_settlement[i - begin], 0.0
        months = FREQUENCY_MONTHS[frequencies[i]]
        while k < last and pay_day[k] == pay:
            if settlement > adjusted[k]:  # from the start of the period; ex-coupon: what the buyer lacks until its end
                start = settlement if is_ex else adjusted[k]
                stop = max(settlement, adjusted[k + 1]) if is_ex else min(settlement, adjusted[k + 1])
                if day_count[i] == BUS_252:
                    years = year_fraction(BUS_252, start, stop, NO_DATE, NO_DATE, NO_DATE, calendar[i], tables)
                elif is_long_icma_stub(day_count[i], months, adjusted[k], adjusted[k + 1], reference_start[k], reference_end[k]):
                    years = _years_in_stub(start, stop, reference_start[k], reference_end[k], bonds, i, tables)
                else:
                    years = calendar_free_year_fraction(day_count[i], start, stop, reference_start[k], reference_end[k], maturity[i])
                accrued += outstanding[k] * coupon_rate[i] * (-years if is_ex else years)
            k += 1
        flows.outstanding[i] = balance if notional[i] > 0.0 else -balance
        flows.accrued[i] = 100.0 * accrued / balance


@njit(cache=True, nogil=True)
@no_type_check
def _fill_yield_times(
    bonds: Bonds, tables: CalendarTables, begin: int, end: int, block: _Block, flows: LegFlows, status: np.ndarray
) -> None:
    """Years from settlement to each payment as a yield counts them: from flow to flow, ex-coupon ones included [price_terms, 2]."""
    day_counts, maturity, frequency, coupon_rate = bonds.day_count, bonds.maturity, bonds.frequency, bonds.coupon_rate
    date_offsets, first, adjusted, pay_day = block.date_offsets, block.first, block.adjusted, block.pay_day
    reference_start, reference_end, year_fractions = block.reference_start, block.reference_end, block.year_fraction
    yield_time, settlement_days = block.yield_time, flows.settlement_day
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        code, last, last_day, years = day_counts[i], date_offsets[i - begin + 1] - 1, np.int64(settlement_days[i]), 0.0
        if code == BUS_252:
            _fill_business_yield_times(tables.business_before[bonds.calendar[i]], last_day, first[i - begin], last, block)
            continue
        actual_days = 360.0 if code == ACT_360 else 365.0 if code == ACT_365F else 0.0
        is_zero, months = frequency[i] == _ONCE and coupon_rate[i] == 0.0, FREQUENCY_MONTHS[frequency[i]]
        for k in range(first[i - begin], last):
            start, pay = adjusted[k], np.int64(pay_day[k])
            if pay > last_day:  # else paid by settlement, or together with the period before
                if actual_days > 0.0:
                    years += (pay - last_day) / actual_days
                elif is_zero:  # no coupon, so no coupon period but the year before maturity
                    years += calendar_free_year_fraction(code, last_day, pay, add_months(pay, -12, False), pay, maturity[i])
                elif is_long_icma_stub(code, months, start, adjusted[k + 1], reference_start[k], reference_end[k]):
                    years += year_fractions[k]
                    years += _years_in_stub(adjusted[k + 1], pay, reference_start[k], reference_end[k], bonds, i, tables)
                    years -= _years_in_stub(start, last_day, reference_start[k], reference_end[k], bonds, i, tables)
                else:
                    if pay == adjusted[k + 1]:
                        years += year_fractions[k]
                    else:
                        years += calendar_free_year_fraction(code, start, pay, reference_start[k], reference_end[k], maturity[i])
                    if last_day != start:
                        years -= calendar_free_year_fraction(code, start, last_day, reference_start[k], reference_end[k], maturity[i])
                last_day = pay
            yield_time[k] = years


@njit(cache=True, nogil=True)
@no_type_check
def _years_in_stub(start: int, end: int, reference_start: int, reference_end: int, bonds: Bonds, i: int, tables: CalendarTables) -> float:
    """Years between two dates of a long stub of row `i` by ACT/ACT ICMA."""
    return years_in_stub(start, end, np.int64(reference_start), np.int64(reference_end), _schedule_terms(bonds, i), tables)


@njit(cache=True, nogil=True)
@no_type_check
def _fill_business_yield_times(business_before: np.ndarray, settlement: int, first: int, last: int, block: _Block) -> None:
    """The same of one row on BUS/252. `business_before` holds the business days from FIRST_DAY to each day."""
    last_day, business_days = settlement, 0
    for k in range(first, last):
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


@njit(cache=True, nogil=True)
@no_type_check
def _write_flows(bonds: Bonds, begin: int, end: int, block: _Block, flows: LegFlows, status: np.ndarray, at: int) -> int:
    """Write the flows of the block's rows one after the other; the next free position."""
    notional, coupon_rate, redemption = bonds.notional, bonds.coupon_rate, bonds.redemption
    date_offsets, first, ex_on_valuation, ex_on_settlement = block.date_offsets, block.first, block.ex_on_valuation, block.ex_on_settlement
    pay_day, year_fractions, balance, yield_time = block.pay_day, block.year_fraction, block.outstanding, block.yield_time
    flow_day, flow_amount, flow_principal, flow_time = flows.pay_day, flows.amount, flows.principal, flows.yield_time
    flow_offsets, first_flows, settlement_days = flows.flow_offsets, flows.first_flow, flows.settlement_day
    for i in range(begin, end):
        flow_offsets[i] = first_flows[i] = at
        if status[i] != _OK:
            continue
        r, last, start, first_flow = i - begin, date_offsets[i - begin + 1] - 1, at, np.int64(-1)
        sign = 1.0 if notional[i] > 0.0 else -1.0
        for k in range(first[r], last):
            if balance[k] == 0.0:
                break
            principal = sign * (balance[k] - balance[k + 1])
            if k == last - 1:
                principal += sign * balance[last] * (redemption[i] / 100.0)
            interest = sign * balance[k] * coupon_rate[i] * year_fractions[k]
            if k < ex_on_settlement[r]:
                if first_flow >= 0 and k >= ex_on_valuation[r]:  # ex-coupon longer than a coupon period, with principal paid within it
                    at, status[i] = start, _INVALID_SCHEDULE
                    break
                if k >= ex_on_valuation[r]:
                    flow_day[at], flow_time[at], flow_amount[at], flow_principal[at] = pay_day[k], yield_time[k], interest, 0.0
                    at += 1
                if principal == 0.0 and k < last - 1:
                    continue
                interest = 0.0
            if pay_day[k] > settlement_days[i] and first_flow < 0:
                first_flow = np.int64(at)
            flow_day[at], flow_time[at], flow_amount[at], flow_principal[at] = pay_day[k], yield_time[k], interest + principal, principal
            at += 1
        first_flows[i] = first_flow if first_flow >= 0 else at
    return at
