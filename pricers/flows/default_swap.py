"""Cash flows of credit default swaps: premiums, accrued premium on default, protection, and what is paid up front.

Contracts that differ in nothing but amounts share a schedule and the special factors of default, so both are made once for all of them.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64, UInt8

from pricers.contract.calendars_of_contract import SCHEDULE_STATUS
from pricers.contract.columns import Text
from pricers.flows.special_factors import SpecialFactors, SpecialKind
from pricers.kernels.jit import kernel
from pricers.market.curves import DAYS_PER_YEAR
from pricers.status import RowStatus
from pricers.time.calendars import FOLLOWING, UNADJUSTED, CalendarTables, adjust, advance_business_days, in_range
from pricers.time.dates import NO_DATE, add_months
from pricers.time.schedule import BACKWARD, FREQUENCY_DAYS, FREQUENCY_MONTHS, STUB_NONE, fill_dates, max_dates, schedule_terms

HALF_DAY: Final = 1.0 / 730.0
"""Years that the standard model adds to the premium accrued on default: a default happens in the middle of its day."""
SETTLEMENT_DAYS: Final = 3
"""Business days from trade to the upfront payment."""
PREMIUM_LEG: Final = 0
PROTECTION_LEG: Final = 1
UPFRONT_LEG: Final = 2

_OK: Final = int(RowStatus.OK)
_MATURED: Final = int(RowStatus.MATURED)


class SwapColumns(NamedTuple):
    """[row]; days since 1970-01-01, NO_DATE only where said."""

    start: Int32[np.ndarray, " row"]
    """First day of premium, unadjusted."""
    maturity: Int32[np.ndarray, " row"]
    first_coupon: Int32[np.ndarray, " row"]
    """End of the first period, unadjusted; NO_DATE: by frequency."""
    frequency: Int8[np.ndarray, " row"]
    calendar: Int32[np.ndarray, " row"]
    year_days: Float[np.ndarray, " row"]
    """Days of a year of premium: 360 or 365."""
    protection_start: Int32[np.ndarray, " row"]
    """First day of protection."""
    step_in: Int32[np.ndarray, " row"]
    """Premium accrued before this day is given back up front; NO_DATE where none is."""
    upfront_day: Int32[np.ndarray, " row"]
    """NO_DATE where nothing is paid up front."""
    notional: Float[np.ndarray, " row"]
    """Signed; positive buys protection."""
    coupon: Float[np.ndarray, " row"]
    upfront: Float[np.ndarray, " row"]
    """What the position pays up front, signed as the notional."""
    loss: Float[np.ndarray, " row"]
    """1 less the recovery rate."""
    accrues: np.ndarray
    """bool[row]: whether premium accrued on default is paid."""


class SwapFlows(NamedTuple):
    """Flows after the valuation date, CSR by row."""

    offsets: Int64[np.ndarray, " row_plus_one"]
    pay_day: Int32[np.ndarray, " flow"]
    amount: Float[np.ndarray, " flow"]
    contract_leg: Int8[np.ndarray, " flow"]
    special: Int32[np.ndarray, " flow"]
    specials: SpecialFactors
    status: UInt8[np.ndarray, " row"]


@dataclass(frozen=True)
class _Schedules:
    """Distinct schedules, CSR: dates offsets[s]:offsets[s + 1], the period that ends at a date standing at its place."""

    of_row: Int64[np.ndarray, " row"]
    offsets: Int64[np.ndarray, " schedule_plus_one"]
    day: Int32[np.ndarray, " date"]
    """Adjusted, but for the last."""
    pay_day: Int32[np.ndarray, " date"]
    years: Float[np.ndarray, " date"]
    status: UInt8[np.ndarray, " schedule"]


def swap_flows(
    columns: SwapColumns, *, discount: Text, credit: Text, tables: CalendarTables, as_of: int, status: UInt8[np.ndarray, " row"]
) -> SwapFlows:
    """The flows of a batch.

    Args:
        columns: terms of the contracts.
        discount, credit: [row], names of the rate curve and of the hazard curve; no null in a row that is OK.
        tables: calendars.
        as_of: valuation date, days since 1970-01-01.
        status: rows other than OK get no flows; to the others the schedule can give another status, or MATURED.
    """
    schedules = _schedules(columns, tables)
    status = np.where(status == _OK, schedules.status[schedules.of_row], status)
    group, specials = _specials(columns, schedules, discount, credit, as_of, status == _OK)
    counts = np.zeros(status.size + 1, np.int64)
    terms = (
        schedules.of_row, schedules.offsets, schedules.day, schedules.pay_day, schedules.years, group, specials.count // 2,
        columns.maturity, columns.year_days, columns.protection_start, columns.step_in, columns.upfront_day, columns.notional,
        columns.coupon, columns.upfront, columns.loss, columns.accrues, as_of,
    )  # fmt: skip
    nothing = (np.empty(0, np.int32), np.empty(0), np.empty(0, np.int8), np.empty(0, np.int32))
    _fill_flows(False, *terms, counts, *nothing, status)
    offsets = np.cumsum(counts)
    count = int(offsets[-1])
    filled = (np.empty(count, np.int32), np.empty(count), np.empty(count, np.int8), np.empty(count, np.int32))
    _fill_flows(True, *terms, offsets.copy(), *filled, status)
    return SwapFlows(offsets, *filled, specials, status)


def _distinct(*columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """First row of each distinct combination, and the combination of each row."""
    code = np.zeros(columns[0].size, np.int64)
    for column in columns:
        values, place = np.unique(column, return_inverse=True)
        code = np.unique(code * max(values.size, 1) + place, return_inverse=True)[1]
    _, first = np.unique(code, return_index=True)
    return first, code


def _schedules(columns: SwapColumns, tables: CalendarTables) -> _Schedules:
    first, of_row = _distinct(columns.start, columns.maturity, columns.first_coupon, columns.frequency, columns.calendar, columns.year_days)
    frequency = np.maximum(columns.frequency[first], 0)
    terms = (
        columns.start[first], columns.maturity[first], FREQUENCY_MONTHS[frequency], FREQUENCY_DAYS[frequency], columns.first_coupon[first],
        columns.calendar[first],
    )  # fmt: skip
    room = np.zeros(first.size + 1, np.int64)
    _count_dates(*terms, room)
    room = np.cumsum(room)
    day, pay_day, years = np.empty(int(room[-1]), np.int32), np.empty(int(room[-1]), np.int32), np.empty(int(room[-1]))
    counts, reason = np.zeros(first.size, np.int64), np.zeros(first.size, np.int64)
    scratch = np.empty(day.size, np.int32), np.empty(day.size, np.bool_)
    _fill_schedules(*terms, columns.year_days[first], tables, room, *scratch, day, pay_day, years, counts, reason)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    kept = np.arange(offsets[-1]) + np.repeat(room[:-1] - offsets[:-1], counts)
    return _Schedules(of_row, offsets, day[kept], pay_day[kept], years[kept], SCHEDULE_STATUS[reason])


@kernel
@no_type_check
def _terms_of(start, maturity, months, days, first_coupon, calendar):
    return schedule_terms(start, maturity, months, days, BACKWARD, STUB_NONE, first_coupon, NO_DATE, False, FOLLOWING, UNADJUSTED, calendar)


@kernel
@no_type_check
def _count_dates(start, maturity, months, days, first_coupon, calendar, room):
    for i in range(start.size):
        room[i + 1] = max_dates(_terms_of(start[i], maturity[i], months[i], days[i], first_coupon[i], calendar[i]))


@kernel
@no_type_check
def _fill_schedules(
    start, maturity, months, days, first_coupon, calendar, year_days, tables, room, unadjusted, is_regular, day, pay_day, years, counts,
    reason,
):  # fmt: skip
    for i in range(start.size):
        terms = _terms_of(start[i], maturity[i], months[i], days[i], first_coupon[i], calendar[i])
        counts[i], reason[i] = fill_dates(terms, tables, unadjusted, day, is_regular, room[i])
        for k in range(room[i], room[i] + counts[i]):
            pay_day[k] = adjust(day[k], FOLLOWING, calendar[i], tables)
            length = day[k] - day[k - 1] if k > room[i] else 0
            if k == room[i] + counts[i] - 1:
                length += 1  # the last period includes the maturity date
            years[k] = length / year_days[i]


def _specials(
    columns: SwapColumns, schedules: _Schedules, discount: Text, credit: Text, as_of: int, is_ok: np.ndarray
) -> tuple[Int64[np.ndarray, " row"], SpecialFactors]:
    """For each row the number g of its group, and the special factors: g is protection and g + the number of groups premium on default."""
    start = np.maximum(columns.protection_start.astype(np.int64) - 1, as_of)
    first, of_row = _distinct(schedules.of_row, start, discount.codes, credit.codes, is_ok)
    first, place = first[is_ok[first]], np.cumsum(is_ok[first]) - 1  # groups of rows that are OK
    schedule = schedules.of_row[first]
    counts = np.diff(schedules.offsets)[schedule] - 1
    offsets = np.concatenate([np.arange(first.size), first.size + np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])])
    entries = int(offsets[-1])
    start_day, end_day, weight, addend = np.empty(entries, np.int32), np.empty(entries, np.int32), np.ones(entries), np.zeros(entries)
    start_day[: first.size] = np.minimum(start[first], columns.maturity[first])
    end_day[: first.size] = columns.maturity[first]
    filled = np.zeros(2 * first.size, np.int64)
    filled[: first.size] = 1
    _fill_accruals(
        schedule, schedules.offsets, schedules.day, schedules.pay_day, start[first], as_of, offsets, start_day, end_day, addend, filled
    )
    kept = np.repeat(offsets[:-1], filled) + np.arange(int(filled.sum())) - np.repeat(np.cumsum(filled) - filled, filled)
    specials = SpecialFactors(
        kind=np.repeat(np.array([SpecialKind.PROTECTION, SpecialKind.DEFAULT_ACCRUAL], np.int8), first.size),
        rate_curve=Text(np.tile(discount.codes[first], 2), discount.names),
        hazard_curve=Text(np.tile(credit.codes[first], 2), credit.names),
        constant=np.zeros(2 * first.size),
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(filled)]),
        start_day=start_day[kept],
        end_day=end_day[kept],
        weight=weight[kept],
        addend=addend[kept],
    )
    return place[of_row], specials


@kernel
@no_type_check
def _fill_accruals(schedule, dates, day, pay_day, start, as_of, offsets, start_day, end_day, addend, filled):
    """Periods in which premium can accrue to a default, the day before the period's start counting as its first moment."""
    groups = schedule.size
    for group in range(groups):
        at = offsets[groups + group]
        for k in range(dates[schedule[group]] + 1, dates[schedule[group] + 1]):
            if day[k] <= start[group] + 1:
                continue
            begin = np.int64(day[k - 1]) - 1
            first = max(begin, start[group]) if start[group] > as_of else begin  # what lies before today is cut off at valuation
            start_day[at], end_day[at] = first, max(pay_day[k] - 1, first)
            addend[at] = (first - begin) / DAYS_PER_YEAR + HALF_DAY
            at += 1
        filled[groups + group] = at - offsets[groups + group]


@kernel
@no_type_check
def _fill_flows(
    writes, of_row, dates, day, date_pay, years, group, groups, maturity, year_days, protection_start, step_in, upfront_day, notional,
    coupon, upfront, loss, accrues, as_of, at, pay_day, amount, contract_leg, special, status,
):  # fmt: skip
    """Count the flows of row i at at[i + 1], or write them from at[i] on."""
    for i in range(of_row.size):
        if status[i] != _OK:
            continue
        first, last = dates[of_row[i]] + 1, dates[of_row[i] + 1]
        flow, begin = (at[i], at[i]) if writes else (np.int64(0), np.int64(0))
        due = upfront_day[i] != NO_DATE and upfront_day[i] > as_of
        for k in range(first, last):
            if due and upfront_day[i] <= date_pay[k]:
                due = False
                flow = _pay_upfront(writes, i, flow, first, last, day, year_days, step_in, upfront_day, notional, coupon, upfront, pay_day,
                                    amount, contract_leg, special)  # fmt: skip
            if date_pay[k] > as_of and (date_pay[k] > protection_start[i] or k == last - 1):
                flow = _pay(writes, flow, date_pay[k], -notional[i] * coupon[i] * years[k], PREMIUM_LEG, -1, pay_day, amount, contract_leg,
                            special)  # fmt: skip
        if due:
            flow = _pay_upfront(writes, i, flow, first, last, day, year_days, step_in, upfront_day, notional, coupon, upfront, pay_day,
                                amount, contract_leg, special)  # fmt: skip
        if maturity[i] > as_of:
            end = date_pay[last - 1]
            if accrues[i]:
                accrued = -notional[i] * coupon[i] * (DAYS_PER_YEAR / year_days[i])
                flow = _pay(writes, flow, end, accrued, PREMIUM_LEG, groups + group[i], pay_day, amount, contract_leg, special)
            flow = _pay(writes, flow, end, notional[i] * loss[i], PROTECTION_LEG, group[i], pay_day, amount, contract_leg, special)
        if flow == begin:
            status[i] = _MATURED
        if not writes:
            at[i + 1] = flow


@kernel
@no_type_check
def _pay(writes, flow, day, value, leg, number, pay_day, amount, contract_leg, special):
    if writes:
        pay_day[flow], amount[flow], contract_leg[flow], special[flow] = day, value, leg, number
    return flow + 1


@kernel
@no_type_check
def _pay_upfront(
    writes, i, flow, first, last, day, year_days, step_in, upfront_day, notional, coupon, upfront, pay_day, amount, contract_leg, special
):  # fmt: skip
    """The price of the protection, and the premium accrued before the step-in date, part of the first premium, which the seller returns."""
    accrued = 0
    if step_in[i] != NO_DATE:
        for k in range(first, last):
            if day[k - 1] <= step_in[i] and (step_in[i] < day[k] or (k == last - 1 and step_in[i] == day[k])):
                accrued = step_in[i] - day[k - 1]
    if upfront[i] != 0.0:
        flow = _pay(writes, flow, upfront_day[i], -upfront[i], UPFRONT_LEG, -1, pay_day, amount, contract_leg, special)
    if accrued > 0:
        back = notional[i] * coupon[i] * (accrued / year_days[i])
        flow = _pay(writes, flow, upfront_day[i], back, UPFRONT_LEG, -1, pay_day, amount, contract_leg, special)
    return flow


@kernel
@no_type_check
def fill_accrual_starts(maturity, step_in, months, calendar, tables, start):
    """Where `start` is NO_DATE: the last date, whole periods before maturity, whose business day is not after the step-in date."""
    for i in range(start.size):
        if start[i] != NO_DATE or step_in[i] == NO_DATE or maturity[i] == NO_DATE or months[i] <= 0 or maturity[i] < step_in[i]:
            continue
        if not (in_range(maturity[i]) and in_range(step_in[i])):
            continue
        start[i] = _roll_date_before(maturity[i], step_in[i], months[i], calendar[i], tables)


@kernel
@no_type_check
def _roll_date_before(maturity, step_in, months, calendar, tables):
    periods = max((maturity - step_in) // (31 * months), 1)
    while True:
        found = add_months(maturity, -periods * months, False)
        if not in_range(found):
            return np.int64(NO_DATE)
        if adjust(found, FOLLOWING, calendar, tables) <= step_in:
            return found
        periods += 1


@kernel
@no_type_check
def fill_upfront_days(trade, calendar, tables, upfront_day):
    """Where `upfront_day` is NO_DATE and there is a trade date: the customary business days after it."""
    for i in range(trade.size):
        if upfront_day[i] == NO_DATE and trade[i] != NO_DATE and in_range(trade[i]):
            upfront_day[i] = advance_business_days(trade[i], SETTLEMENT_DAYS, calendar[i], tables)
