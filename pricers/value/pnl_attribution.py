"""Why a position's value changed between two valuations: carry, rates by curve and pillar, credit, exchange rates, and what is left.

One thing moves after another, each step a full revaluation on top of the steps before it, so the parts add up to the whole:

    1. time       the later date, yesterday's curves by time to maturity, spreads and exchange rates held; plus cash paid meanwhile
    2. rates      the pillars of rate and inflation curves, curve by curve from the shortest to the longest, each to the later zero rate
    3. credit     spread and hazard curves, all pillars together
    4. residual   what the later curve still differs by: other pillar days or another interpolation
    5. FX         the later exchange rates, on the later value and on the cash

    P&L = value at the later date + cash received - value at the earlier date
        = carry + rates + credit + FX + opened + closed + residual

Of the carry, `fixing` is what the rates, index levels and exchange rates fixed in between add to what their forecasts were worth: the
value at the earlier date, on the earlier curves, of the flows as they are known on the later date, less the value at the earlier date.

Steps 2 and 3 are exact products of factors (see `curves.py`), not sensitivities times moves. Where the later curve has its pillars on
other days, the earlier curve is read at those days. A position that only the later portfolio holds is `opened` with all its value, one
that only the earlier held is `closed` with minus its value; one that matured in between is neither: its cash is its value.
A coupon that goes ex-coupon in between leaves the value, but not its holder: it counts as cash on that day, and not again when it is paid.
"""

from dataclasses import dataclass, replace
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int16, Int64, UInt8

from pricers.core.binding import Binding, bind_market
from pricers.core.compiled import Compiled
from pricers.core.nodes import collect_buckets
from pricers.core.points import node_factors, point_values
from pricers.core.special_values import SpecialValues
from pricers.flows.cashflows import Lowered
from pricers.flows.special_factors import DEFAULT_KINDS
from pricers.kernels.jit import kernel, njit
from pricers.kernels.vector_math import exp, expm1, log_of
from pricers.market.curves import rate_time
from pricers.market.market import Curve, CurveKind, Market, days_to_pillars, months_of
from pricers.status import RowStatus
from pricers.value.row_layout import RowLayout, row_layout
from pricers.value.special_steps import certain_amounts, with_special_steps
from pricers.value.valuation import row_status

_OK: Final = int(RowStatus.OK)
_AGED, _CREDIT, _LATER, _WIDTH = 0, 1, 2, 3
_RATE_KINDS: Final = frozenset({CurveKind.RATE, CurveKind.INFLATION})


@dataclass(frozen=True)
class PnlExplanation:
    """Base currency, [row] where not said otherwise. NaN for rows whose status is not OK."""

    status: UInt8[np.ndarray, " row"]
    """RowStatus: OK, or what kept the row from having a value at one of the dates."""
    pv_t0: Float[np.ndarray, " row"]
    pv_t1: Float[np.ndarray, " row"]
    cash_received: Float[np.ndarray, " row"]
    """Paid, or gone ex-coupon, after the earlier date up to the later one, at the later exchange rate; positive is received by us."""
    pnl: Float[np.ndarray, " row"]
    carry: Float[np.ndarray, " row"]
    rates: Float[np.ndarray, " row"]
    """The sum of the row's `rates_by_pillar`."""
    credit: Float[np.ndarray, " row"]
    fx: Float[np.ndarray, " row"]
    """Of exchange rates and of prices of securities."""
    opened: Float[np.ndarray, " row"]
    closed: Float[np.ndarray, " row"]
    residual: Float[np.ndarray, " row"]
    fixing: Float[np.ndarray, " row"]
    """Of `carry`, what was fixed in between instead of the earlier curves' forecasts."""
    factor_offsets: Int64[np.ndarray, " row_plus_one"]
    """Row i has entries factor_offsets[i]:factor_offsets[i + 1]."""
    factor_nos: Int16[np.ndarray, " entry"]
    """Positions in the later market's curves."""
    bucket_offsets: Int64[np.ndarray, " entry_plus_one"]
    rates_by_pillar: Float[np.ndarray, " bucket"]
    """Of entry e, [bucket_offsets[e]:bucket_offsets[e + 1]] is one number a pillar of its curve. Opened and closed rows have no entry,
    and failed ones none or zeros."""


@dataclass(frozen=True)
class _LegSteps:
    """Sums over the flows of each leg in its own currency."""

    aged: np.ndarray
    rates: np.ndarray
    credit: np.ndarray
    later: np.ndarray


def explain_pnl(
    compiled_t0: Compiled,
    compiled_t1: Compiled,
    *,
    known_t1: Lowered,
    compiled_known_t1: Compiled | None = None,
    market_t0: Market,
    market_t1: Market,
    in_t0: Bool[np.ndarray, " row"] | None = None,
    in_t1: Bool[np.ndarray, " row"] | None = None,
) -> PnlExplanation:
    """Explain the P&L of a batch of contracts between two markets.

    Args:
        compiled_t0, compiled_t1: the same contracts in the same order, compiled for the earlier and the later date.
        known_t1: the same contracts lowered for the earlier date with the fixings through the later one: what is cash on which day. A row
            with a flow that was paid by then and is still a forecast fails with MISSING_FIXING.
        compiled_known_t1: `known_t1`, compiled; None for contracts that read no fixings, whose `fixing` is 0.
        market_t0, market_t1: the markets, in the same base currency.
        in_t0, in_t1: whether each portfolio holds the row; everything where None. A contract whose terms changed is closed in one row and
            opened in another.
    Returns:
        The parts of every row's P&L.
    Raises:
        ValueError: batches of different contracts, flows of another batch, dates out of order or unlike the markets', or different base
            currencies.
    """
    _require_comparable(compiled_t0, compiled_t1, market_t0, market_t1)
    flows = known_t1.cashflows
    if not np.array_equal(flows.leg_offsets, compiled_t0.leg_offsets) or known_t1.as_of != market_t0.as_of:
        legs = flows.leg_offsets[-1], compiled_t0.leg_offsets[-1]
        raise ValueError(f"known_t1 and compiled_t0 hold different contracts: {legs[0]} and {legs[1]} legs, or other rows or dates")
    rows = compiled_t0.row_count
    held_t0 = np.ones(rows, bool) if in_t0 is None else in_t0
    held_t1 = np.ones(rows, bool) if in_t1 is None else in_t1
    binding_t0, binding_t1 = bind_market(compiled_t0, market=market_t0), bind_market(compiled_t1, market=market_t1)
    status_t0, status_t1 = row_status(compiled_t0, binding_t0), row_status(compiled_t1, binding_t1)
    earlier, cash = _earlier_values(compiled_t0, binding=binding_t0, market=market_t0), np.empty(compiled_t0.leg_set.size)
    amount = certain_amounts(flows)
    _sum_cash(flows.flow_offsets, flows.pay_day, flows.ex_day, amount, flows.principal, market_t1.as_of, cash)
    # A matured row has no flows, so its value is a true zero; any other status is a value that is not known.
    alive_t0, alive_t1 = status_t0 == _OK, status_t1 == _OK
    unknown_t0 = held_t0 & ~alive_t0 & (status_t0 != RowStatus.MATURED)
    unknown_t1 = held_t1 & ~alive_t1 & (status_t1 != RowStatus.MATURED)
    cash_status = _cash_status(known_t1, market_t1.as_of)
    unknown_cash = held_t0 & held_t1 & alive_t0 & (cash_status != _OK)
    status = np.select([unknown_t0, unknown_t1, unknown_cash], [status_t0, status_t1, cash_status], _OK).astype(np.uint8)
    fx_t0 = binding_t0.fx[compiled_t0.leg_set]
    fx_t1 = binding_t1.fx[compiled_t1.leg_set]

    def of_rows(legs: np.ndarray, where: np.ndarray) -> np.ndarray:
        return np.where(
            where, _row_sums(np.where(np.repeat(where, np.diff(compiled_t0.leg_offsets)), legs, 0.0), compiled_t0.leg_offsets), 0.0
        )

    kept = held_t0 & held_t1 & (status == _OK) & alive_t0
    later = kept & alive_t1
    layout = row_layout(
        compiled_t1,
        binding=binding_t1,
        market=market_t1,
        is_ok=later & (status_t0 == _OK),
        kinds=_RATE_KINDS,
        currencies=False,
        prices=False,
    )
    by_pillar = np.zeros(layout.bucket_count)
    steps = _steps(compiled_t1, binding=binding_t1, market_t0=market_t0, market_t1=market_t1, layout=layout, fx=fx_t0, by_pillar=by_pillar)
    pv_t0 = of_rows(earlier * fx_t0, held_t0 & alive_t0)
    pv_t1 = of_rows(steps.later * fx_t1, held_t1 & alive_t1)
    cash_received = of_rows(cash * fx_t1, kept)
    parts = {
        "carry": of_rows((cash - earlier) * fx_t0, kept) + of_rows(steps.aged * fx_t0, later),
        "rates": of_rows(steps.rates * fx_t0, later),
        "credit": of_rows(steps.credit * fx_t0, later),
        "fx": of_rows(cash * (fx_t1 - fx_t0), kept) + of_rows(steps.later * (fx_t1 - fx_t0), later),
        "opened": np.where(held_t1 & ~held_t0, pv_t1, 0.0),
        "closed": np.where(held_t0 & ~held_t1, -pv_t0, 0.0),
    }
    pnl = pv_t1 + cash_received - pv_t0
    parts["residual"] = pnl - sum(parts.values())
    not_finite = (status == _OK) & ~np.isfinite(pnl + parts["residual"])
    status[not_finite] = RowStatus.NOT_FINITE
    fixing = np.zeros(rows)
    if compiled_known_t1 is not None:
        fixing = of_rows(_known_values(compiled_known_t1, market_t0) - earlier * fx_t0, kept)
    columns = {"pv_t0": pv_t0, "pv_t1": pv_t1, "cash_received": cash_received, "pnl": pnl, **parts, "fixing": fixing}
    sizes = np.diff(layout.bucket_offsets)
    of_failed = np.repeat(np.repeat(not_finite, np.diff(layout.factor_offsets)), sizes)
    return PnlExplanation(
        status=status,
        **{name: np.where(status == _OK, values, np.nan) for name, values in columns.items()},
        factor_offsets=layout.factor_offsets,
        factor_nos=layout.factor_nos,
        bucket_offsets=layout.bucket_offsets,
        rates_by_pillar=np.where(of_failed, 0.0, by_pillar),
    )


def _require_comparable(compiled_t0: Compiled, compiled_t1: Compiled, market_t0: Market, market_t1: Market) -> None:
    if not np.array_equal(compiled_t0.leg_offsets, compiled_t1.leg_offsets):
        raise ValueError(f"the batches hold different contracts: {compiled_t0.row_count} and {compiled_t1.row_count} rows, or other legs")
    if market_t0.as_of > market_t1.as_of:
        raise ValueError(f"the earlier market is {market_t0.as_of - market_t1.as_of} days after the later one")
    if market_t0.base_currency != market_t1.base_currency:
        raise ValueError(f"the markets have different base currencies: {market_t0.base_currency} and {market_t1.base_currency}")


def _cash_status(known: Lowered, until: int) -> np.ndarray:
    """uint8[row]: OK where every flow paid up to a day is an amount, else why one is none: still a forecast, or a row that fails."""
    flows = known.cashflows
    is_forecast = np.array([*(any(term.sign < 0 for term in shape) for shape in flows.shapes), False])  # the last: a leg without shape
    counts = np.diff(flows.flow_offsets)
    shapes = np.repeat(flows.leg_shape, counts) if flows.flow_shape is None else flows.flow_shape
    is_unknown = is_forecast[shapes]
    if flows.specials is not None and flows.flow_special is not None:
        is_unknown |= np.append(~np.isin(flows.specials.kind, DEFAULT_KINDS), False)[flows.flow_special]
    row_of_flow = np.repeat(np.repeat(np.arange(flows.row_count), np.diff(flows.leg_offsets)), counts)
    status = np.where(known.status == RowStatus.MATURED, _OK, known.status).astype(np.uint8)
    status[row_of_flow[is_unknown & (flows.pay_day <= until)]] = RowStatus.MISSING_FIXING
    return status


def _row_sums(legs: np.ndarray, leg_offsets: np.ndarray) -> np.ndarray:
    sums = np.concatenate([legs, [0.0]])
    starts = leg_offsets[:-1]
    added: np.ndarray = np.where(leg_offsets[1:] > starts, np.add.reduceat(sums, starts) if starts.size else starts, 0.0)
    return added


def _earlier_values(compiled: Compiled, *, binding: Binding, market: Market) -> np.ndarray:
    """Value of each leg at the earlier date, in its own currency."""
    factors = node_factors(compiled, point_values(compiled, binding=binding, market=market))
    if compiled.specials is not None:
        factors[compiled.specials.node] *= SpecialValues(compiled.specials.specials, market=market).today[compiled.specials.special]
    value = np.empty(compiled.leg_set.size)
    _sum_earlier(compiled.sets.leg_order, compiled.flow_offsets, compiled.flow_node, compiled.weight, factors, value)
    return value


def _known_values(compiled: Compiled, market: Market) -> np.ndarray:
    """Value of each leg in base currency."""
    binding = bind_market(compiled, market=market)
    values: np.ndarray = _earlier_values(compiled, binding=binding, market=market) * binding.fx[compiled.leg_set]
    return values


@njit(cache=True, nogil=True)
@no_type_check
def _sum_earlier(order, flow_offsets, flow_node, weight, factors, value):
    for i in range(order.size):
        worth = 0.0
        for flow in range(flow_offsets[i], flow_offsets[i + 1]):
            worth += weight[flow] * factors[flow_node[flow]]
        value[order[i]] = worth


@njit(cache=True, nogil=True)
@no_type_check
def _sum_cash(flow_offsets, pay_day, ex_day, amount, principal, until, cash):
    """What the holder of each leg gets up to a day: flows that are paid, and the interest of those that have gone ex."""
    for leg in range(cash.size):
        received = 0.0
        for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
            if pay_day[flow] <= until:
                received += amount[flow]
            elif ex_day[flow] <= until:
                received += amount[flow] - principal[flow]
        cash[leg] = received


def _steps(
    compiled: Compiled, *, binding: Binding, market_t0: Market, market_t1: Market, layout: RowLayout, fx: np.ndarray, by_pillar: np.ndarray
) -> _LegSteps:
    """Sums over the flows of each leg; adds what each pillar moved, times the leg's `fx`, to `by_pillar`."""
    days = market_t1.as_of - market_t0.as_of
    # Pillars count from the valuation date, so the curves move along; months of a price index stay where they are.
    aged = replace(market_t0, as_of=market_t1.as_of, curves=tuple(_aged(curve, days) for curve in market_t0.curves))
    aged_binding = bind_market(compiled, market=aged)
    nodes = compiled.nodes
    later = point_values(compiled, binding=binding, market=market_t1)
    unbound = (aged_binding.status != _OK) | (binding.status != _OK)
    counts = np.diff(nodes.offsets)
    table = np.empty((counts.size, _WIDTH))
    table[:, _AGED] = node_factors(compiled, point_values(compiled, binding=aged_binding, market=aged))
    table[:, _LATER] = node_factors(compiled, later)
    bucket_offsets, most = np.zeros(counts.size + 1, np.int64), int(2 * counts.max(initial=0))
    pillar, step = np.empty(int(2 * counts.sum()), np.int64), np.empty(int(2 * counts.sum()))
    _fill_steps(
        nodes.offsets, nodes.point, nodes.sign, compiled.points.kind, later, _changes(aged, market_t1),
        np.empty(most, np.int64), np.empty(most), table, bucket_offsets, pillar, step,
    )  # fmt: skip
    if compiled.specials is not None:
        bucket_offsets, pillar, step = with_special_steps(
            compiled.specials, table, bucket_offsets, pillar, step, aged=aged, earlier=_earlier_rates(aged, market_t1), later=market_t1
        )
    table[np.repeat(unbound, np.diff(compiled.node_offsets)), :_LATER] = np.nan
    legs = compiled.leg_set.size
    steps = _LegSteps(*(np.zeros(legs) for _ in range(4)))
    row_of_leg = compiled.row_of_leg
    has_row = np.diff(layout.factor_offsets)[row_of_leg] > 0
    _sum_steps(
        compiled.sets.leg_order, compiled.flow_offsets, compiled.flow_node, compiled.weight, table, bucket_offsets, pillar, step, fx,
        np.where(has_row, layout.row_start[row_of_leg], -1), compiled.rows.leg_place, layout.place_offsets, layout.place_curve,
        layout.place_start, market_t1.tables.offsets, np.zeros(int(market_t1.tables.offsets[-1]) + 1),
        steps.aged, steps.rates, steps.credit, steps.later, by_pillar,
    )  # fmt: skip
    return steps


def _earlier_rates(aged: Market, later: Market) -> Market:
    """The later market with the earlier rates at its pillars; curves that the earlier market lacks as they are."""
    changes, offsets = _changes(aged, later), later.tables.offsets
    curves = [
        replace(curve, zero_rates=curve.zero_rates - np.nan_to_num(changes[offsets[i] : offsets[i + 1]]))
        for i, curve in enumerate(later.curves)
    ]
    return replace(later, curves=tuple(curves))


def _changes(aged: Market, later: Market) -> np.ndarray:
    """Later zero rate less the earlier curve's at the same days, at every pillar of the later curves; NaN where there is no earlier one.

    Of a price index whose base month has changed, what the new base level differs by counts as a change of the rates.
    """
    changes = [_change(aged, later, curve) for curve in range(len(later.curves))]
    return np.concatenate([np.empty(0), *changes])


def _aged(curve: Curve, days: int) -> Curve:
    return curve if curve.base is None else replace(curve, base=replace(curve.base, day=curve.base.day - days))


def _change(aged: Market, later: Market, place: int) -> np.ndarray:
    curve, before = later.curves[place], aged.curve_index.get(later.curves[place].name)
    if before is None:
        return np.full(curve.zero_rates.size, np.nan)
    earlier = aged.curves[before]
    rates: np.ndarray = earlier.zero_rates
    if earlier.base != curve.base or not np.array_equal(earlier.pillar_days, curve.pillar_days):
        days = days_to_pillars(curve)
        exponents = np.array([rate_time(at, before, aged.tables) for at in aged.clock(before, days).tolist()])
        if curve.base is not None:
            exponents += _log_levels(aged, before, days) - _log_levels(later, place, days)
        tables = later.tables
        rates = exponents / (tables.pillar_days[tables.offsets[place] : tables.offsets[place + 1]] / tables.per_year[place])
    changes: np.ndarray = curve.zero_rates - rates
    return changes


def _log_levels(market: Market, place: int, days: np.ndarray) -> np.ndarray:
    return log_of(market.tables.level[place, months_of(market.as_of + days) % 12])


@kernel
@no_type_check
def _fill_steps(offsets, point, sign, point_kind, points, changes, pillars, gains, table, bucket_offsets, pillar, step):
    """What each pillar of a node's rate curves and then all of its other curves do to its factor, one after the other."""
    buckets = 0
    for node in range(table.shape[0]):
        first, end = offsets[node], offsets[node + 1]
        count = collect_buckets(first, end, point, sign, point_kind, points, True, 0, pillars, gains)
        factor = table[node, _AGED]
        bucket_offsets[node] = buckets
        for bucket in range(count):
            move = -gains[bucket] * changes[pillars[bucket]]
            pillar[buckets], step[buckets] = pillars[bucket], factor * expm1(move)
            factor *= exp(move)
            buckets += 1
        credit = 0.0
        count = collect_buckets(first, end, point, sign, point_kind, points, False, 0, pillars, gains)
        for bucket in range(count):
            credit += gains[bucket] * changes[pillars[bucket]]
        table[node, _CREDIT] = factor * expm1(-credit)
    bucket_offsets[table.shape[0]] = buckets


@kernel
@no_type_check
def _sum_steps(
    order, flow_offsets, flow_node, weight, table, bucket_offsets, pillar, step, fx, row_start, leg_place, place_offsets, place_curve,
    place_start, first_pillar, ladder, aged, rates, credit, later, by_pillar,
):  # fmt: skip
    """`ladder` has a place for each pillar of the market; it is zero between legs."""
    for stored, leg in enumerate(order):
        for flow in range(flow_offsets[stored], flow_offsets[stored + 1]):
            node, x = flow_node[flow], weight[flow]
            aged[leg] += x * table[node, _AGED]
            credit[leg] += x * table[node, _CREDIT]
            later[leg] += x * table[node, _LATER]
            for bucket in range(bucket_offsets[node], bucket_offsets[node + 1]):
                ladder[pillar[bucket]] += x * step[bucket]
        if row_start[leg] < 0 or not np.isfinite(later[leg]):
            ladder[:] = 0.0
            continue
        place = leg_place[leg]
        for i in range(place_offsets[place], place_offsets[place + 1]):
            at = row_start[leg] + place_start[i]
            first, last = first_pillar[place_curve[i]], first_pillar[place_curve[i] + 1]
            for p in range(first, last):
                rates[leg] += ladder[p]
                by_pillar[at + p - first] += ladder[p] * fx[leg]
                ladder[p] = 0.0
