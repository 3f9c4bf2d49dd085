"""Coupon legs in compiled code: schedule → periods → balances → settlement and ex days → accrued interest, yield times → flows.

Rows are lowered in blocks, and a block passes through its stages one after the other. Each stage is one loop over the block's rows,
because a call that hands dozens of arrays to a compiled function costs as much as ten flows. A stage that finds a row unusable gives it
its status, and later stages pass it over. The block's working arrays fit in the processor's cache.
"""

from typing import Final, no_type_check

import numpy as np

from pricers.contract.calendars_of_contract import SCHEDULE_STATUS
from pricers.contract.columns import Contracts
from pricers.flows.accrual import (
    Period,
    accrual_of,
    compounded_years,
    fill_accrued,
    fill_ex_days,
    fill_yield_times,
    is_one_tenor,
    settle,
    whole_period_of,
    years_within,
)
from pricers.flows.balances import fill_block_balances, reads_years
from pricers.flows.cashflows import Lowered
from pricers.flows.coupon_arrays import (
    BLOCK_DATES,
    BLOCK_ROWS_MAX,
    LAG_DAYS_MAX,
    Block,
    CouponLegs,
    ScheduleColumns,
    dates_needed,
    empty_block,
    read_only_columns,
    terms_of_row,
)
from pricers.flows.instalments import rounded
from pricers.flows.output import LegFlows, empty_flows, lowered
from pricers.kernels.jit import kernel, njit
from pricers.status import RowStatus
from pricers.time.calendars import CalendarTables, adjust, advance_business_days
from pricers.time.dates import NO_DATE
from pricers.time.day_count import ACT_ACT_ICMA
from pricers.time.given_dates import fill_given_dates
from pricers.time.schedule import FREQUENCY_DAYS, fill_dates, reference_period

_LAG_CALENDAR_DAYS_MAX: Final = 2 * LAG_DAYS_MAX  # no calendar closes for more than every second day
_OK: Final = int(RowStatus.OK)
_MATURED: Final = int(RowStatus.MATURED)
_DATE_OUT_OF_RANGE: Final = int(RowStatus.DATE_OUT_OF_RANGE)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)
_NOT_FINITE: Final = int(RowStatus.NOT_FINITE)


def lower_coupons(contracts: Contracts, legs: CouponLegs, *, tables: CalendarTables, as_of: int, status: np.ndarray) -> Lowered:
    """Cash flows and price terms of a batch.

    Args:
        contracts: the batch, for the currency, curves, credit spread and given price of the legs.
        legs: the terms of the same rows.
        tables: calendars that the terms point into.
        as_of: valuation date, days since 1970-01-01.
        status: uint8[row]; rows that are not OK get no flows, rows that turn out unusable get their status here.
    """
    legs = read_only_columns(legs)
    return lowered(contracts, legs, coupon_flows(legs, tables=tables, as_of=as_of, status=status), as_of=as_of, status=status)


def coupon_flows(legs: CouponLegs, *, tables: CalendarTables, as_of: int, status: np.ndarray, has_periods: bool = False) -> LegFlows:
    """Flows of legs after the valuation date; the arguments are those of `lower_coupons`, `has_periods` that of `empty_flows`."""
    rows, legs = len(status), read_only_columns(legs)
    dates_max, flows_max = (int(count) for count in room(legs.schedule, as_of))
    flows = empty_flows(rows, flows_max, as_of=as_of, trades_ex=bool(np.any(legs.payment.ex_days > 0)), has_periods=has_periods)
    block = empty_block(min(rows, BLOCK_ROWS_MAX), max(dates_max, min(BLOCK_DATES, flows_max + rows)))
    _lower_blocks(legs, tables, as_of, block, flows, status)
    return flows


@kernel
@no_type_check
def room(schedule: ScheduleColumns, as_of: int) -> tuple[int, int]:
    """The most dates one row needs, and room for all flows after the valuation date."""
    dates_max, flows_max = 0, 0
    for i in range(len(schedule.start)):
        terms = terms_of_row(schedule, i)
        dates = dates_needed(schedule, terms, i)
        dates_max = max(dates_max, dates)
        days_to_go = max(terms.maturity - as_of, 0) + _LAG_CALENDAR_DAYS_MAX
        tenor_days = max(terms.tenor_months * 30 + terms.tenor_days, 1)
        if schedule.given_offsets[i + 1] > schedule.given_offsets[i]:
            tenor_days = 1
        flows_max += min(dates, days_to_go // tenor_days + 5) + 1  # one more for a flow split at its ex day, or for paying out the notional
    return dates_max, flows_max


@kernel
@no_type_check
def _lower_blocks(legs: CouponLegs, tables: CalendarTables, as_of: int, block: Block, flows: LegFlows, status: np.ndarray) -> None:
    begin = at = np.int64(0)  # a literal would be a type of its own, and every stage compiled twice
    while begin < len(status):
        end = fill_schedules(legs.schedule, tables, begin, block, status)
        fill_periods(legs, tables, as_of, begin, end, block, status)
        fill_block_balances(legs, as_of, begin, end, block, status)
        settle(legs.payment, tables, as_of, begin, end, block, flows, status)
        fill_ex_days(legs.payment, tables, begin, end, block, status)
        fill_accrued(legs, tables, begin, end, block, flows, status)
        fill_yield_times(legs, tables, begin, end, block, flows, status)
        at = _write_flows(legs, as_of, begin, end, block, flows, status, at)
        begin = end
    flows.flow_offsets[len(status)] = at


@kernel
@no_type_check
def fill_schedules(schedule: ScheduleColumns, tables: CalendarTables, begin: int, block: Block, status: np.ndarray) -> int:
    """Dates of as many rows as the block holds; the row after them."""
    i, at = begin, np.int64(0)
    while i < len(status) and i - begin < len(block.first):
        block.date_offsets[i - begin] = at
        if status[i] == _OK:
            terms = terms_of_row(schedule, i)
            if at + dates_needed(schedule, terms, i) > len(block.unadjusted):
                break
            given = schedule.given_dates[schedule.given_offsets[i] : schedule.given_offsets[i + 1]]
            if len(given) > 0:
                count, reason = fill_given_dates(terms, given, tables, block.unadjusted, block.adjusted, block.is_regular, at)
            else:
                count, reason = fill_dates(terms, tables, block.unadjusted, block.adjusted, block.is_regular, at)
            status[i] = SCHEDULE_STATUS[reason]
            at += count
        i += 1
    block.date_offsets[i - begin] = at
    return i


@kernel
@no_type_check
def fill_periods(legs: CouponLegs, tables: CalendarTables, as_of: int, begin: int, end: int, block: Block, status: np.ndarray) -> None:
    """Payment days, reference periods and year fractions of the periods paid after the valuation date, or of all that balances need."""
    adjusted, is_regular = block.adjusted, block.is_regular
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        start, last = block.date_offsets[i - begin], block.date_offsets[i - begin + 1] - 1
        lag, convention = np.int64(legs.payment.lag[i]), np.int64(legs.payment.convention[i])
        accrual, all_periods = accrual_of(legs.schedule, legs.day_count, i), reads_years(legs.balance, i)
        rate, compounding = legs.rate[i], legs.compounding[i]
        is_icma = accrual.day_count == ACT_ACT_ICMA  # the one day count that reads the reference period
        quoting = legs.quoting
        reads_reference = is_icma or quoting.accrued_day_count[i] == ACT_ACT_ICMA or quoting.yield_day_count[i] == ACT_ACT_ICMA
        whole_years, tenor_days = whole_period_of(legs, i), np.int64(FREQUENCY_DAYS[legs.schedule.frequency[i]])
        row_status, first = _OK, np.int64(-1)
        for k in range(last - 1, start - 1, -1):
            period_start, period_end = np.int64(adjusted[k]), np.int64(adjusted[k + 1])
            if lag == 0:
                pay = adjust(period_end, convention, accrual.calendar, tables)
            else:
                pay = advance_business_days(period_end, lag, accrual.calendar, tables)
            if pay == NO_DATE:
                row_status = _DATE_OUT_OF_RANGE
                break
            if pay <= as_of:
                first = k + 1 if first < 0 else first
                if first == last or not all_periods:
                    break
            reference_start, reference_end = period_start, period_end
            is_inner = start < k < last - 1
            if (
                whole_years > 0.0
                and is_regular[k + 1]
                and ((is_inner and tenor_days == 0) or is_one_tenor(block.unadjusted[k], block.unadjusted[k + 1], tenor_days, accrual))
            ):
                years = whole_years
            elif is_icma and is_regular[k + 1] and accrual.months > 0 and is_inner:
                years = accrual.months / 12.0  # a whole coupon period, wherever the calendar moves its ends; first and last are measured
            else:
                if reads_reference and not is_regular[k + 1]:
                    terms, count = terms_of_row(legs.schedule, i), last - start + 1
                    reference_start, reference_end = reference_period(k + 1 - start, count, terms, tables, adjusted, is_regular, start)
                period = Period(period_start, period_end, np.int64(reference_start), np.int64(reference_end))
                years = years_within(period_start, period_end, period, accrual, tables)
            if not np.isfinite(years):
                row_status = _INVALID_SCHEDULE
                break
            block.pay_day[k], block.reference_start[k], block.reference_end[k] = pay, reference_start, reference_end
            block.years[k] = years
            block.interest_years[k] = years if compounding == 0.0 else compounded_years(years, rate, compounding)
        first = start if first < 0 else first
        status[i] = _MATURED if row_status == _OK and first == last else row_status
        block.first[i - begin] = first


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def _write_flow(
    flows: LegFlows, at: int, start: int, end: int, pay_day: int, ex_day: int, yield_time: float, amount: float, principal: float
) -> int:
    """Write one flow; the next free position. Pay days last: see `empty_flows`."""
    flows.period_start[at], flows.period_end[at] = start, end
    flows.ex_day[at], flows.pay_day[at], flows.yield_time[at] = ex_day, pay_day, yield_time
    flows.amount[at], flows.principal[at] = amount, principal
    return at + 1


@kernel
@no_type_check
def _write_flows(legs: CouponLegs, as_of: int, begin: int, end: int, block: Block, flows: LegFlows, status: np.ndarray, at: int) -> int:
    """Write the flows of the block's rows one after the other; the next free position."""
    for i in range(begin, end):
        flows.flow_offsets[i] = flows.first_flow[i] = at
        if status[i] != _OK:
            continue
        r, start = i - begin, at
        first, stop, last = block.first[r], block.stop[r], block.date_offsets[r + 1] - 2
        factor, rate, settlement, first_flow = block.factor[r], legs.rate[i], flows.settlement_day[i], np.int64(-1)
        decimals = np.int64(legs.balance.instalments.decimals[i])
        paid_out = block.adjusted[block.date_offsets[r]]
        if legs.pays_out and paid_out > as_of:
            principal = -factor * block.balance[first]
            at = _write_flow(flows, at, paid_out, paid_out, paid_out, paid_out, 0.0, principal, principal)
        balance = factor * block.balance[first] * block.survival[first]
        for k in range(first, stop):
            after = factor * block.balance[k + 1] * block.survival[k + 1]
            pay, ex_day, interest, principal = block.pay_day[k], block.ex_day[k], balance * rate * block.interest_years[k], balance - after
            accrues_from, accrues_to = block.adjusted[k], block.adjusted[k + 1]
            if decimals >= 0:
                interest = rounded(interest, decimals)
            if k == last:
                principal += after * (legs.balance.redemption[i] / 100.0)
            balance = after
            if ex_day <= settlement and ex_day < pay:  # the buyer gets the principal alone
                if ex_day > as_of:
                    if first_flow >= 0:  # ex for longer than a coupon period, with principal paid within it
                        status[i] = _INVALID_SCHEDULE
                        break
                    at = _write_flow(flows, at, accrues_from, accrues_to, pay, ex_day, block.yield_time[k], interest, 0.0)
                if principal == 0.0 and k < last:
                    continue
                interest, ex_day = 0.0, pay
            if pay > settlement and first_flow < 0:
                first_flow = np.int64(at)
            at = _write_flow(flows, at, accrues_from, accrues_to, pay, ex_day, block.yield_time[k], interest + principal, principal)
            if not np.isfinite(interest + principal):
                status[i] = _NOT_FINITE
                break
        if status[i] != _OK:
            at = start
        flows.first_flow[i] = first_flow if first_flow >= 0 and status[i] == _OK else at
    return at
