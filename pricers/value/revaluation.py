"""Present values under many scenarios: float64[row, scenario] from one compiled batch.

A scenario shifts zero rates, so a node's factor under it is exp(-(rate × time + Σ gain × shift)) with the gains of the curve's own
interpolation. Scenarios come in tiles: the factors of one group of curves under one tile stay in the processor's cache while
every flow of the group reads its node's line of them. A row's values are sums in order of payment and depend on no other row.
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float

from pricers.core.compiled import Compiled
from pricers.core.nodes import Binding, bind
from pricers.kernels.jit import kernel, njit
from pricers.market.curves import DAYS_PER_YEAR, pillar_gains, rate_time
from pricers.market.market import CurveTables, Market, Scenarios
from pricers.status import RowStatus
from pricers.value.valuation import row_status

TILE_SCENARIOS: Final = 64  # 512 bytes a node: 8,000 nodes are 4 MB; half and double the width measured slower
_OK: Final = int(RowStatus.OK)


class _Gains(NamedTuple):
    """How each node of one group moves with its curve's pillars; see `curves.pillar_gains`."""

    left: np.ndarray
    gain_left: np.ndarray
    gain_right: np.ndarray


def present_values(
    compiled: Compiled, *, market: Market, scenarios: Scenarios, out: Float[np.ndarray, "row scenario"] | None = None
) -> Float[np.ndarray, "row scenario"]:
    """Value every row under every scenario.

    Args:
        compiled: from `compile_contracts`, for the market's date.
        market: today's market, which the scenarios move.
        scenarios: moves of curves and exchange rates.
        out: filled and returned where given; a new array otherwise.
    Returns:
        Base-currency present values; NaN in every scenario for a row without market data or with a status of its own. The first
        scenario of no moves equals `pv_base` up to rounding.
    Raises:
        ValueError: `out` has the wrong shape, a shift names a curve or currency that the market has not got or has the wrong number
            of pillars, or the batch was compiled for another date.
    """
    check_scenarios(scenarios, market=market)
    shape = (compiled.row_count, scenarios.count)
    out = np.empty(shape) if out is None else out
    if out.shape != shape or out.dtype != np.float64 or not out.flags.c_contiguous:
        raise ValueError(f"out must be a C-contiguous float64 array of shape {shape}, is {out.dtype} {out.shape}")
    binding = bind(compiled, market=market)
    rows_have_one_leg = compiled.leg_group.size == compiled.row_count
    if not rows_have_one_leg:
        out[:] = 0.0
    row_of_leg = np.repeat(np.arange(compiled.row_count), np.diff(compiled.leg_offsets))
    starts = np.searchsorted(compiled.leg_group[compiled.leg_order], np.arange(binding.fx.size + 1))
    for group in range(binding.fx.size):
        legs = compiled.leg_order[starts[group] : starts[group + 1]]
        if binding.status[group] != _OK:
            out[row_of_leg[legs]] = np.nan
            continue
        factors = GroupFactors(compiled, group, binding=binding, market=market, scenarios=scenarios)
        for first in range(0, scenarios.count, TILE_SCENARIOS):
            last = min(first + TILE_SCENARIOS, scenarios.count)
            table, fx = factors.tile(first, last)
            _add_tile(
                legs, row_of_leg, compiled.flow_offsets, compiled.flow_node, compiled.weight, int(compiled.node_offsets[group]),
                table, fx, first, not rows_have_one_leg, out,
            )  # fmt: skip
    out[row_status(compiled, binding) != _OK] = np.nan
    return out


def check_scenarios(scenarios: Scenarios, *, market: Market) -> None:
    """Raise ValueError for a shift that does not fit the market."""
    kinds = (
        ("discount curve", scenarios.zero_shifts, market.discount_curves),
        ("spread curve", scenarios.spread_shifts, market.spread_curves),
    )
    for kind, shifts, curves in kinds:
        pillars = {curve.name: curve.zero_rates.size for curve in curves}
        for name, shift in shifts.items():
            if name not in pillars:
                raise ValueError(f"scenarios move {kind} {name!r}, which the market has not got; it has {sorted(pillars)}")
            if shift.shape != (pillars[name], scenarios.count):
                raise ValueError(f"shifts of {kind} {name!r} must have shape {(pillars[name], scenarios.count)}, have {shift.shape}")
    unknown = sorted(set(scenarios.fx_factors) - set(market.fx_to_base))
    if unknown or market.base_currency in scenarios.fx_factors:
        raise ValueError(f"scenarios move the exchange rate of {unknown or market.base_currency}; the market's foreign currencies are "
                         f"{sorted(set(market.fx_to_base) - {market.base_currency})}")  # fmt: skip


class GroupFactors:
    """Factors of the nodes of one group of a compiled batch under scenarios, tile by tile."""

    def __init__(self, compiled: Compiled, group: int, *, binding: Binding, market: Market, scenarios: Scenarios) -> None:
        curve, spread = int(binding.discount_curve[group]), int(binding.spread_curve[group])
        self._day = compiled.node_day[compiled.node_offsets[group] : compiled.node_offsets[group + 1]]
        self._exponent = np.zeros(self._day.size)
        self._moves: list[tuple[_Gains, np.ndarray]] = []
        self._move(curve, market.discount_tables, scenarios.zero_shifts.get(market.discount_curves[curve].name))
        if spread >= 0:
            self._move(spread, market.spread_tables, scenarios.spread_shifts.get(market.spread_curves[spread].name))
        self._credit = scenarios.credit_spread_shift if compiled.has_credit_spread else None
        factor = scenarios.fx_factors.get(compiled.leg_currency.names[compiled.group_currency[group]])
        self._fx = np.full(scenarios.count, binding.fx[group]) if factor is None else binding.fx[group] * factor

    def _move(self, curve: int, tables: CurveTables, shifts: np.ndarray | None) -> None:
        gains = _Gains(np.empty(self._day.size, np.int64), np.empty(self._day.size), np.empty(self._day.size))
        _node_gains(self._day, curve, tables, gains.left, gains.gain_left, gains.gain_right, self._exponent)
        if shifts is not None:
            # A last row of zeros stands for the right neighbour of a curve's only pillar.
            self._moves.append((gains, np.vstack([shifts, np.zeros((1, shifts.shape[1]))])))

    def tile(self, first: int, last: int) -> tuple[Float[np.ndarray, "node scenario"], Float[np.ndarray, " scenario"]]:
        """Factors of the group's nodes and its currency's exchange rates under scenarios first:last."""
        table = np.empty((self._day.size, last - first))
        table[:] = -self._exponent[:, None]
        for gains, shifts in self._moves:
            _add_moves(gains.left, gains.gain_left, gains.gain_right, np.ascontiguousarray(shifts[:, first:last]), table)
        if self._credit is not None:
            table -= (self._day / DAYS_PER_YEAR)[:, None] * self._credit[first:last]
        return np.exp(table, out=table), self._fx[first:last]


@kernel
@no_type_check
def _node_gains(day, curve, tables, left, gain_left, gain_right, exponent):
    for node in range(day.size):
        left[node], gain_left[node], gain_right[node] = pillar_gains(day[node], curve, tables)
        exponent[node] += rate_time(day[node], curve, tables)


@kernel
@no_type_check
def _add_moves(left, gain_left, gain_right, shifts, table):
    """Subtract gain × shift of both neighbouring pillars from the exponents."""
    for node in range(left.size):
        low, high = shifts[left[node]], shifts[left[node] + 1]
        for scenario in range(table.shape[1]):
            table[node, scenario] -= gain_left[node] * low[scenario] + gain_right[node] * high[scenario]


@njit(cache=True, nogil=True)
@no_type_check
def _add_tile(legs, row_of_leg, flow_offsets, flow_node, weight, first_node, table, fx, first_scenario, accumulate, out):
    """Base-currency value of each leg under each scenario of a tile, written or added to its row."""
    width = table.shape[1]
    value = np.zeros(width)
    for leg in legs:
        value[:] = 0.0
        flow, end = flow_offsets[leg], flow_offsets[leg + 1]
        while flow + 4 <= end:  # four flows a pass over the sums, added in the same order as one by one: a third faster
            factor0, x0 = table[flow_node[flow] - first_node], weight[flow]
            factor1, x1 = table[flow_node[flow + 1] - first_node], weight[flow + 1]
            factor2, x2 = table[flow_node[flow + 2] - first_node], weight[flow + 2]
            factor3, x3 = table[flow_node[flow + 3] - first_node], weight[flow + 3]
            for scenario in range(width):
                first_two = (value[scenario] + x0 * factor0[scenario]) + x1 * factor1[scenario]
                value[scenario] = (first_two + x2 * factor2[scenario]) + x3 * factor3[scenario]
            flow += 4
        while flow < end:
            factor, x = table[flow_node[flow] - first_node], weight[flow]
            for scenario in range(width):
                value[scenario] += x * factor[scenario]
            flow += 1
        target = out[row_of_leg[leg]]
        for scenario in range(width):
            converted = value[scenario] * fx[scenario]
            if accumulate:
                target[first_scenario + scenario] += converted
            else:
                target[first_scenario + scenario] = converted
