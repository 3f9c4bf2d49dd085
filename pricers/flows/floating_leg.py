"""Floating legs in compiled code: the stages of `coupon_leg.py`, with coupons that rest on forecasts.

A flow is an amount at the leg's discounting on its pay day, or that amount times the growth factor P(start)/P(end) of a forecasting curve.
Bonds, loans and swaps use `lower_floating_legs`: they fill `FloatingLegs` with one entry a leg, legs with a fixed rate included, and make
`Cashflows` of what it returns.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Int32

from pricers.contract.columns import Text
from pricers.flows.accrual import fill_ex_days, settle
from pricers.flows.balances import fill_block_balances
from pricers.flows.cashflows import Shape, Term
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
from pricers.flows.coupon_leg import fill_periods, fill_schedules, room
from pricers.flows.floating_arrays import (
    Coupons,
    FloatingColumns,
    IndexTables,
    LegIndices,
    MissingFixings,
    SpecialArrays,
    empty_coupons,
    empty_specials,
)
from pricers.flows.floating_rate import fill_coupons, fill_floating_accrued
from pricers.flows.numbering import numbered
from pricers.flows.output import LegFlows, empty_flows
from pricers.flows.special_factors import SpecialFactors, SpecialKind
from pricers.kernels.jit import kernel, njit
from pricers.status import RowStatus
from pricers.time.calendars import CalendarTables
from pricers.time.dates import NO_DATE, to_date

_OK: Final = int(RowStatus.OK)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)
_NOT_FINITE: Final = int(RowStatus.NOT_FINITE)
_FLOWS_PER_PERIOD: Final = 4  # two forecasts, what rests on none, and principal apart where the interest trades ex
NO_FORECAST: Final = -1


class ExchangeColumns(NamedTuple):
    """Which principal is paid; bool[leg]."""

    initial: np.ndarray
    """The notional on the first day, by a leg that has not started."""
    intermediate: np.ndarray
    """Changes of the notional before the last payment."""
    final: np.ndarray
    """What is left at the end."""


class FloatingLegs(NamedTuple):
    """Legs as compiled code reads them. `coupons.rate` is the rate of legs without an index."""

    coupons: CouponLegs
    floating: FloatingColumns
    exchanges: ExchangeColumns


class ForecastColumns(NamedTuple):
    """What a flow grows by; [flow]."""

    curve: np.ndarray
    """int32: into `LegIndices.curves`; -1 for a flow that rests on no forecast."""
    start: np.ndarray
    """int32: days since 1970-01-01."""
    end: np.ndarray
    special: np.ndarray
    """int32: which special factor multiplies the flow; -1 for none."""
    period_start: np.ndarray
    """int32: first day of the interest period that the flow is paid for; of an initial exchange, its own day."""
    period_end: np.ndarray


@dataclass(frozen=True)
class LoweredLegs:
    """Flows of legs, CSR by leg, cut to their number."""

    flows: LegFlows
    forecasts: ForecastColumns
    specials: SpecialFactors | None
    """None where no flow has one."""
    messages: dict[int, str]
    """Leg -> which fixing is missing."""


def lower_floating_legs(
    legs: FloatingLegs,
    found: LegIndices,
    indices: IndexTables,
    *,
    tables: CalendarTables,
    as_of: int,
    status: np.ndarray,
    has_prices: bool = False,
) -> LoweredLegs:
    """Flows of a batch of legs.

    Args:
        legs: their terms; amounts take the sign of `coupons.balance.notional`.
        found: the indices that the legs name.
        indices: the same for compiled code.
        tables: calendars that the terms point into.
        as_of: valuation date, days since 1970-01-01.
        status: uint8[leg]; legs that are not OK get no flows, legs that turn out unusable get their status here: INVALID_DATES,
            INVALID_SCHEDULE, INVALID_PRINCIPAL, INVALID_AMOUNT, DATE_OUT_OF_RANGE, NOT_FINITE, MATURED, MISSING_FIXING or
            UNSUPPORTED_RATE_METHOD.
        has_prices: whether to fill settlement days, outstanding notionals and accrued interest.
    Returns:
        The flows after the valuation date in order of payment. A leg of a trade that has matured on one leg alone is MATURED here: the
        caller decides what the trade is.
    """
    rows, legs, indices = len(status), read_only_columns(legs), read_only_columns(indices)
    dates_max, periods_max = (int(count) for count in room(legs.coupons.schedule, as_of))
    flows_max = _FLOWS_PER_PERIOD * periods_max
    flows = empty_flows(rows, flows_max, as_of=as_of, trades_ex=bool(np.any(legs.coupons.payment.ex_days > 0)))
    forecasts = ForecastColumns(*(np.empty(flows_max, np.int32) for _ in ForecastColumns._fields))
    dates = max(dates_max, min(BLOCK_DATES, periods_max + rows))
    specials = empty_specials(*(int(count) for count in _special_room(legs.coupons.schedule, legs.floating, indices, as_of)))
    missing = MissingFixings(np.full(rows, -1, np.int32), np.full(rows, NO_DATE, np.int32))
    _lower_blocks(
        legs, indices, tables, as_of, has_prices, empty_block(min(rows, BLOCK_ROWS_MAX), dates), empty_coupons(dates), specials,
        missing, flows, forecasts, status,
    )  # fmt: skip
    total = int(flows.flow_offsets[-1])
    cut = {name: getattr(flows, name)[:total] for name in ("pay_day", "ex_day", "amount", "principal")}
    messages = {
        row: f"no fixing of {found.indices[missing.index[row]].name} on {to_date(missing.day[row])}"
        for row in np.flatnonzero((status == RowStatus.MISSING_FIXING) & (missing.index >= 0)).tolist()
    }
    of_flows = ForecastColumns(*(column[:total] for column in forecasts))
    return LoweredLegs(flows._replace(**cut), of_flows, _special_factors(specials, found.curves), messages)


def _special_factors(specials: SpecialArrays, curves: tuple[str, ...]) -> SpecialFactors | None:
    count, entries = specials.counts.tolist()
    if count == 0:
        return None
    product, average = SpecialKind.RFR_PRODUCT, SpecialKind.ARITHMETIC_AVERAGE
    return SpecialFactors(
        kind=np.where(specials.averages[:count], average, product).astype(np.int8),
        rate_curve=Text(specials.curve[:count].copy(), curves),
        hazard_curve=Text(np.full(count, -1, np.int32), ()),
        constant=specials.constant[:count].copy(),
        offsets=specials.offsets[: count + 1].copy(),
        start_day=specials.start_day[:entries].copy(),
        end_day=specials.end_day[:entries].copy(),
        weight=specials.weight[:entries].copy(),
        addend=specials.addend[:entries].copy(),
    )


def forecast_shapes(
    lowered: LoweredLegs, *, shapes: tuple[Shape, ...], leg_shape: Int32[np.ndarray, " leg"], curves: tuple[str, ...]
) -> tuple[tuple[Shape, ...], Int32[np.ndarray, " flow"]]:
    """Shapes of all flows, anchored on their pay days.

    Args:
        lowered: the flows.
        shapes: discounting of the legs, with terms on the anchor alone.
        leg_shape: which one each leg has.
        curves: names that `ForecastColumns.curve` points to.
    Returns:
        The shapes, beginning with those given, and int32[flow].
    """
    forecasts, counts = lowered.forecasts, np.diff(lowered.flows.flow_offsets)
    flow_shape = np.repeat(leg_shape, counts)
    grows = np.flatnonzero(forecasts.curve != NO_FORECAST)
    if not grows.size:
        return shapes, flow_shape
    pay_day = lowered.flows.pay_day[grows].astype(np.int64)
    starts, ends = (pay_day - days[grows] for days in (forecasts.start, forecasts.end))
    least, last = (int(starts.min()), int(ends.min())), (int(starts.max()), int(ends.max()))
    widths = (last[0] - least[0] + 1, last[1] - least[1] + 1)
    pair = flow_shape[grows].astype(np.int64) * len(curves) + forecasts.curve[grows]
    key_count = len(shapes) * len(curves) * widths[0] * widths[1]
    keys, number = numbered((pair * widths[0] + (starts - least[0])) * widths[1] + (ends - least[1]), key_count)
    made = []
    for key in keys.tolist():
        rest, end = divmod(key, widths[1])
        rest, start = divmod(rest, widths[0])
        base, curve = divmod(rest, len(curves))
        made.append((*shapes[base], Term(curves[curve], start + least[0], 1), Term(curves[curve], end + least[1], -1)))
    flow_shape[grows] = len(shapes) + number
    return (*shapes, *made), flow_shape


@kernel
@no_type_check
def _special_room(schedule: ScheduleColumns, floating: FloatingColumns, indices: IndexTables, as_of: int) -> tuple[int, int]:
    """Room for the special factors of all legs and for their entries: one a rate where each rate counts, else three a period."""
    specials = entries = np.int64(0)
    for i in range(len(schedule.start)):
        x = floating.index[i]
        if x < 0 or not (indices.is_overnight[x] or floating.resets[i]):
            continue
        terms = terms_of_row(schedule, i)
        tenor_days = max(terms.tenor_months * 30 + terms.tenor_days, 1)
        days = min(max(terms.maturity - as_of, 0), max(terms.maturity - terms.effective, 0)) + tenor_days + LAG_DAYS_MAX
        has_given_dates = schedule.given_offsets[i + 1] > schedule.given_offsets[i]
        dates = dates_needed(schedule, terms, i)
        periods = dates if has_given_dates else min(days // tenor_days + 5, dates)
        specials += periods
        if floating.resets[i]:
            entries += days // max(floating.reset_months[i] * 28 + floating.reset_days[i], 1) + 3 * periods
            continue
        by_day = floating.averages[i] or floating.compounds_spread[i] or floating.lockout[i] > 0
        by_day = by_day or (floating.lookback[i] > 0 and not floating.is_shifted[i])
        entries += min(days, 366 * 200) + 3 * periods if by_day else 3 * periods
    return specials, entries


@kernel
@no_type_check
def _lower_blocks(
    legs: FloatingLegs, indices: IndexTables, tables: CalendarTables, as_of: int, has_prices: bool, block: Block, coupons: Coupons,
    specials: SpecialArrays, missing: MissingFixings, flows: LegFlows, forecasts: ForecastColumns, status: np.ndarray,
) -> None:  # fmt: skip
    begin = at = np.int64(0)  # a literal would be a type of its own, and every stage compiled twice
    while begin < len(status):
        end = fill_schedules(legs.coupons.schedule, tables, begin, block, status)
        fill_periods(legs.coupons, tables, as_of, begin, end, block, status)
        fill_block_balances(legs.coupons, as_of, begin, end, block, status)
        settle(legs.coupons.payment, tables, as_of, begin, end, block, flows, status)
        fill_ex_days(legs.coupons.payment, tables, begin, end, block, status)
        fill_coupons(legs.coupons, legs.floating, indices, tables, as_of, begin, end, block, coupons, specials, missing, status)
        if has_prices:
            fill_floating_accrued(legs.coupons, legs.floating, indices, tables, as_of, begin, end, block, coupons, specials, flows, status)
        at = _write_flows(legs, as_of, begin, end, block, coupons, flows, forecasts, status, at)
        begin = end
    flows.flow_offsets[len(status)] = at


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def _write_flow(
    flows: LegFlows, forecasts: ForecastColumns, at: int, start: int, end: int, pay_day: int, ex_day: int, amount: float, principal: float
) -> int:
    """Write one flow that rests on no forecast; the next free position."""
    forecasts.period_start[at], forecasts.period_end[at] = start, end
    flows.pay_day[at], flows.ex_day[at], flows.amount[at], flows.principal[at] = pay_day, ex_day, amount, principal
    forecasts.curve[at] = forecasts.special[at] = NO_FORECAST
    return at + 1


@kernel
@no_type_check
def _write_forecasts(
    coupons: Coupons, k: int, balance: float, start: int, end: int, pay_day: int, ex_day: int, flows: LegFlows,
    forecasts: ForecastColumns, at: int,
) -> int:  # fmt: skip
    """Write the flows of a period that rest on forecasts; the next free position."""
    for slot in range(2):
        if coupons.growth[k, slot] != 0.0:
            flows.pay_day[at], flows.ex_day[at] = pay_day, ex_day
            flows.amount[at], flows.principal[at] = balance * coupons.growth[k, slot], 0.0
            forecasts.curve[at], forecasts.start[at], forecasts.end[at] = (
                coupons.curve[k, slot],
                coupons.start[k, slot],
                coupons.end[k, slot],
            )
            forecasts.special[at] = coupons.special[k] if slot == 0 else -1
            forecasts.period_start[at], forecasts.period_end[at] = start, end
            at += 1
    return at


@kernel
@no_type_check
def _write_flows(
    legs: FloatingLegs, as_of: int, begin: int, end: int, block: Block, coupons: Coupons, flows: LegFlows, forecasts: ForecastColumns,
    status: np.ndarray, at: int,
) -> int:  # fmt: skip
    """Write the flows of the block's legs one after the other; the next free position."""
    exchanges, redemption = legs.exchanges, legs.coupons.balance.redemption
    for i in range(begin, end):
        flows.flow_offsets[i] = flows.first_flow[i] = at
        if status[i] != _OK:
            continue
        r, start = i - begin, at
        first, stop, last = block.first[r], block.stop[r], block.date_offsets[r + 1] - 2
        factor, settlement, first_flow = block.factor[r], flows.settlement_day[i], np.int64(-1)
        paid_out = block.adjusted[block.date_offsets[r]]
        if exchanges.initial[i] and paid_out > as_of:
            principal = -factor * block.balance[first]
            at = _write_flow(flows, forecasts, at, paid_out, paid_out, paid_out, paid_out, principal, principal)
        balance = factor * block.balance[first] * block.survival[first]
        for k in range(first, stop):
            after = factor * block.balance[k + 1] * block.survival[k + 1]
            pay, ex_day, interest, principal = block.pay_day[k], block.ex_day[k], balance * coupons.plain[k], balance - after
            accrues_from, accrues_to = block.adjusted[k], block.adjusted[k + 1]
            if k == last:
                principal += after * (redemption[i] / 100.0)
            if not (exchanges.final[i] if k == stop - 1 else exchanges.intermediate[i]):
                principal = 0.0
            is_ex = ex_day <= settlement and ex_day < pay  # the buyer gets the principal alone
            if not is_ex and pay > settlement and first_flow < 0:
                first_flow = np.int64(at)
            if not is_ex or ex_day > as_of:
                if is_ex and first_flow >= 0:  # ex for longer than a coupon period, with principal paid within it
                    status[i] = _INVALID_SCHEDULE
                    break
                at = _write_forecasts(coupons, k, balance, accrues_from, accrues_to, pay, ex_day, flows, forecasts, at)
                with_interest = 0.0 if is_ex else principal
                at = _write_flow(flows, forecasts, at, accrues_from, accrues_to, pay, ex_day, interest + with_interest, with_interest)
            if is_ex and (principal != 0.0 or k == last):
                if pay > settlement and first_flow < 0:
                    first_flow = np.int64(at)
                at = _write_flow(flows, forecasts, at, accrues_from, accrues_to, pay, pay, principal, principal)
            if not np.isfinite(interest + principal):
                status[i] = _NOT_FINITE
                break
            balance = after
        if status[i] != _OK:
            at = start
        flows.first_flow[i] = first_flow if first_flow >= 0 and status[i] == _OK else at
    return at
