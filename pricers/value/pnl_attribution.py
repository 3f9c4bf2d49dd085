"""Why a position's value changed between two valuations: carry, rates by curve and pillar, credit, exchange rates, and what is left.

One thing moves after another, each step a full revaluation on top of the steps before it, so the parts add up to the whole:

    1. time       the later date, yesterday's curves by time to maturity, spreads and exchange rates held; plus cash paid meanwhile
    2. rates      the discount curve's pillars, from the shortest to the longest, each to the later market's zero rate
    3. credit     the spread curve, all pillars together
    4. residual   what the later curve still differs by: other pillar days or another interpolation
    5. FX         the later exchange rates, on the later value and on the cash

    P&L = value at the later date + cash received - value at the earlier date
        = carry + rates + credit + FX + new + dead + residual

Steps 2 and 3 are exact products of factors (see `curves.py`), not sensitivities times moves. Where the later curve has its pillars on
other days, the earlier curve is read at those days. A position that only the later portfolio holds is `new` with all its value, one
that only the earlier held is `dead` with minus its value; one that matured in between is neither: its cash is its value.
A coupon that goes ex-coupon in between leaves the value, but not its holder: it counts as cash on that day, and not again when it is paid.
"""

from dataclasses import dataclass, replace
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int16, Int64, UInt8

from pricers.core.compiled import Compiled
from pricers.core.nodes import FACTOR, Binding, bind, node_table
from pricers.flows.cashflows import Cashflows
from pricers.kernels.jit import kernel, njit
from pricers.market.curves import DAYS_PER_YEAR, pillar_gains, rate_time
from pricers.market.market import Curve, CurveTables, Market, curve_tables
from pricers.status import RowStatus
from pricers.value.valuation import row_status

_OK: Final = int(RowStatus.OK)
_AGED, _RATE_LEFT, _RATE_RIGHT, _LEFT, _CREDIT, _LATER, _WIDTH = 0, 1, 2, 3, 4, 5, 6


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
    new: Float[np.ndarray, " row"]
    dead: Float[np.ndarray, " row"]
    residual: Float[np.ndarray, " row"]
    leg_offsets: Int64[np.ndarray, " row_plus_one"]
    leg_curve: Int16[np.ndarray, " leg"]
    """Position of the leg's curve in the later market's discount curves, -1 for none."""
    rate_offsets: Int64[np.ndarray, " leg_plus_one"]
    rates_by_pillar: Float[np.ndarray, " bucket"]
    """For each leg one number a pillar of its curve; zeros for rows that are new, dead or failed."""


@dataclass(frozen=True)
class _LegSteps:
    """Sums over the flows of each leg in its own currency."""

    aged: np.ndarray
    rates: np.ndarray
    credit: np.ndarray
    later: np.ndarray
    rate_offsets: np.ndarray
    rates_by_pillar: np.ndarray


def explain_pnl(
    compiled_t0: Compiled,
    compiled_t1: Compiled,
    *,
    cashflows_t0: Cashflows,
    market_t0: Market,
    market_t1: Market,
    in_t0: Bool[np.ndarray, " row"] | None = None,
    in_t1: Bool[np.ndarray, " row"] | None = None,
) -> PnlExplanation:
    """Explain the P&L of a batch of contracts between two markets.

    Args:
        compiled_t0, compiled_t1: the same contracts in the same order, compiled for the earlier and the later date.
        cashflows_t0: the flows that `compiled_t0` was compiled from; they say what is cash on which day.
        market_t0, market_t1: the markets, in the same base currency.
        in_t0, in_t1: whether each portfolio holds the row; everything where None. A contract whose terms changed is dead in one row and
            new in another.
    Returns:
        The parts of every row's P&L.
    Raises:
        ValueError: batches of different contracts, flows of another batch, dates out of order or unlike the markets', or different base
            currencies.
    """
    _require_comparable(compiled_t0, compiled_t1, market_t0, market_t1)
    if not np.array_equal(cashflows_t0.flow_offsets, compiled_t0.flow_offsets):
        raise ValueError(f"cashflows_t0 are not those of compiled_t0: {cashflows_t0.amount.size} and {compiled_t0.amount.size} flows")
    rows = compiled_t0.row_count
    held_t0 = np.ones(rows, bool) if in_t0 is None else in_t0
    held_t1 = np.ones(rows, bool) if in_t1 is None else in_t1
    binding_t0, binding_t1 = bind(compiled_t0, market=market_t0), bind(compiled_t1, market=market_t1)
    status_t0, status_t1 = row_status(compiled_t0, binding_t0), row_status(compiled_t1, binding_t1)
    earlier, cash = _earlier_values(compiled_t0, binding=binding_t0, market=market_t0), np.empty(compiled_t0.leg_group.size)
    flows = cashflows_t0
    _sum_cash(flows.flow_offsets, flows.pay_day, flows.ex_day, flows.amount, flows.principal, market_t1.as_of, cash)
    steps = _steps(compiled_t1, binding=binding_t1, market_t0=market_t0, market_t1=market_t1)
    # A matured row has no flows, so its value is a true zero; any other status is a value that is not known.
    alive_t0, alive_t1 = status_t0 == _OK, status_t1 == _OK
    unknown_t0 = held_t0 & ~alive_t0 & (status_t0 != RowStatus.MATURED)
    unknown_t1 = held_t1 & ~alive_t1 & (status_t1 != RowStatus.MATURED)
    status = np.where(unknown_t0, status_t0, np.where(unknown_t1, status_t1, _OK)).astype(np.uint8)
    fx_t0 = binding_t0.fx[compiled_t0.leg_group]
    fx_t1 = binding_t1.fx[compiled_t1.leg_group]

    def of_rows(legs: np.ndarray, where: np.ndarray) -> np.ndarray:
        return np.where(
            where, _row_sums(np.where(np.repeat(where, np.diff(compiled_t0.leg_offsets)), legs, 0.0), compiled_t0.leg_offsets), 0.0
        )

    kept = held_t0 & held_t1 & (status == _OK) & alive_t0
    later = kept & alive_t1
    pv_t0 = of_rows(earlier * fx_t0, held_t0 & alive_t0)
    pv_t1 = of_rows(steps.later * fx_t1, held_t1 & alive_t1)
    cash_received = of_rows(cash * fx_t1, kept)
    parts = {
        "carry": of_rows((cash - earlier) * fx_t0, kept) + of_rows(steps.aged * fx_t0, later),
        "rates": of_rows(steps.rates * fx_t0, later),
        "credit": of_rows(steps.credit * fx_t0, later),
        "fx": of_rows(cash * (fx_t1 - fx_t0), kept) + of_rows(steps.later * (fx_t1 - fx_t0), later),
        "new": np.where(held_t1 & ~held_t0, pv_t1, 0.0),
        "dead": np.where(held_t0 & ~held_t1, -pv_t0, 0.0),
    }
    pnl = pv_t1 + cash_received - pv_t0
    parts["residual"] = pnl - sum(parts.values())
    not_finite = (status == _OK) & ~np.isfinite(pnl + parts["residual"])
    status[not_finite] = RowStatus.NOT_FINITE
    columns = {"pv_t0": pv_t0, "pv_t1": pv_t1, "cash_received": cash_received, "pnl": pnl, **parts}
    leg_fx = np.where(np.repeat(later & (status == _OK), np.diff(compiled_t0.leg_offsets)), fx_t0, 0.0)
    by_pillar = np.repeat(leg_fx, np.diff(steps.rate_offsets))
    return PnlExplanation(
        status=status,
        **{name: np.where(status == _OK, values, np.nan) for name, values in columns.items()},
        leg_offsets=compiled_t1.leg_offsets,
        leg_curve=binding_t1.discount_curve.astype(np.int16)[compiled_t1.leg_group],
        rate_offsets=steps.rate_offsets,
        rates_by_pillar=np.where(by_pillar != 0.0, steps.rates_by_pillar * by_pillar, 0.0),
    )


def _require_comparable(compiled_t0: Compiled, compiled_t1: Compiled, market_t0: Market, market_t1: Market) -> None:
    if not np.array_equal(compiled_t0.leg_offsets, compiled_t1.leg_offsets):
        raise ValueError(f"the batches hold different contracts: {compiled_t0.row_count} and {compiled_t1.row_count} rows, or other legs")
    if market_t0.as_of > market_t1.as_of:
        raise ValueError(f"the earlier market is {market_t0.as_of - market_t1.as_of} days after the later one")
    if market_t0.base_currency != market_t1.base_currency:
        raise ValueError(f"the markets have different base currencies: {market_t0.base_currency} and {market_t1.base_currency}")


def _row_sums(legs: np.ndarray, leg_offsets: np.ndarray) -> np.ndarray:
    sums = np.concatenate([legs, [0.0]])
    starts = leg_offsets[:-1]
    added: np.ndarray = np.where(leg_offsets[1:] > starts, np.add.reduceat(sums, starts) if starts.size else starts, 0.0)
    return added


def _earlier_values(compiled: Compiled, *, binding: Binding, market: Market) -> np.ndarray:
    """Value of each leg at the earlier date, in its own currency."""
    factors = np.ascontiguousarray(node_table(compiled, binding=binding, market=market)[:, FACTOR])
    value = np.empty(compiled.leg_group.size)
    _sum_earlier(compiled.flow_offsets, compiled.flow_node, compiled.weight, factors, value)
    return value


@njit(cache=True, nogil=True)
@no_type_check
def _sum_earlier(flow_offsets, flow_node, weight, factors, value):
    for leg in range(value.size):
        worth = 0.0
        for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
            worth += weight[flow] * factors[flow_node[flow]]
        value[leg] = worth


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


def _steps(compiled: Compiled, *, binding: Binding, market_t0: Market, market_t1: Market) -> _LegSteps:
    aged = replace(market_t0, as_of=market_t1.as_of)  # pillars count from the valuation date, so the curves move along
    aged_binding = bind(compiled, market=aged)
    table = np.empty((compiled.node_day.size, _WIDTH))
    _fill_steps(
        compiled.node_offsets,
        compiled.node_day,
        aged_binding.discount_curve,
        binding.discount_curve,
        aged_binding.spread_curve,
        binding.spread_curve,
        (aged_binding.status != _OK) | (binding.status != _OK),
        aged.discount_tables,
        aged.spread_tables,
        market_t1.discount_tables,
        market_t1.spread_tables,
        _changes(market_t0.discount_curves, market_t1.discount_curves),
        _changes(market_t0.spread_curves, market_t1.spread_curves),
        table,
    )
    table[:, _LATER] = node_table(compiled, binding=binding, market=market_t1)[:, FACTOR]
    pillars = np.append(np.diff(market_t1.discount_tables.offsets), 0)[binding.discount_curve[compiled.leg_group]]
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(pillars, dtype=np.int64)])
    legs = compiled.leg_group.size
    aged_value, rates, credit, later = (np.zeros(legs) for _ in range(4))
    by_pillar = np.zeros(int(offsets[-1]))
    _sum_steps(compiled.flow_offsets, compiled.flow_node, compiled.weight, table, offsets, aged_value, rates, credit, later, by_pillar)
    return _LegSteps(aged_value, rates, credit, later, offsets, by_pillar)


def _changes(earlier: tuple[Curve, ...], later: tuple[Curve, ...]) -> np.ndarray:
    """Later zero rate less the earlier curve's at the same days, at every pillar of the later curves; NaN where there is no earlier one."""
    by_name = {curve.name: curve for curve in earlier}
    changes = [_change(by_name.get(curve.name), curve) for curve in later]
    return np.concatenate([np.empty(0), *changes])


def _change(earlier: Curve | None, later: Curve) -> np.ndarray:
    if earlier is None:
        return np.full(later.zero_rates.size, np.nan)
    rates: np.ndarray = earlier.zero_rates
    if not np.array_equal(earlier.pillar_days, later.pillar_days):
        tables: CurveTables = curve_tables((earlier,))
        exponents = np.array([rate_time(int(day), 0, tables) for day in later.pillar_days])
        rates = exponents / (later.pillar_days / DAYS_PER_YEAR)
    changes: np.ndarray = later.zero_rates - rates
    return changes


@kernel
@no_type_check
def _fill_steps(
    node_offsets, node_day, aged_discount, later_discount, aged_spread, later_spread, is_unbound,
    aged_discount_tables, aged_spread_tables, later_discount_tables, later_spread_tables, rate_changes, spread_changes, table,
):  # fmt: skip
    for group in range(node_offsets.size - 1):
        for node in range(node_offsets[group], node_offsets[group + 1]):
            if is_unbound[group]:
                table[node, :] = np.nan
                table[node, _LEFT] = 0.0  # an index must stay one
                continue
            day = node_day[node]
            exponent = rate_time(day, aged_discount[group], aged_discount_tables)
            spread_change = 0.0
            if aged_spread[group] >= 0:
                exponent += rate_time(day, aged_spread[group], aged_spread_tables)
                left, gain_left, gain_right = pillar_gains(day, later_spread[group], later_spread_tables)
                at = later_spread_tables.offsets[later_spread[group]] + left
                spread_change = gain_left * spread_changes[at]
                if gain_right != 0.0:
                    spread_change += gain_right * spread_changes[at + 1]
            left, gain_left, gain_right = pillar_gains(day, later_discount[group], later_discount_tables)
            at = later_discount_tables.offsets[later_discount[group]] + left
            factor = np.exp(-exponent)
            after_left = factor * np.exp(-gain_left * rate_changes[at])
            right_change = gain_right * rate_changes[at + 1] if gain_right != 0.0 else 0.0
            table[node, _AGED] = factor
            table[node, _RATE_LEFT] = factor * np.expm1(-gain_left * rate_changes[at])
            table[node, _RATE_RIGHT] = after_left * np.expm1(-right_change)
            table[node, _LEFT] = left
            table[node, _CREDIT] = after_left * np.exp(-right_change) * np.expm1(-spread_change)


@kernel
@no_type_check
def _sum_steps(flow_offsets, flow_node, weight, table, rate_offsets, aged, rates, credit, later, by_pillar):
    for leg in range(aged.size):
        first, pillars = rate_offsets[leg], rate_offsets[leg + 1] - rate_offsets[leg]
        for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
            node, x = flow_node[flow], weight[flow]
            aged[leg] += x * table[node, _AGED]
            credit[leg] += x * table[node, _CREDIT]
            later[leg] += x * table[node, _LATER]
            left = int(table[node, _LEFT])
            if pillars > 0:
                by_pillar[first + left] += x * table[node, _RATE_LEFT]
            if pillars > left + 1:
                by_pillar[first + left + 1] += x * table[node, _RATE_RIGHT]
        for pillar in range(pillars):
            rates[leg] += by_pillar[first + pillar]
