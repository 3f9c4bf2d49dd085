"""Present values under many scenarios: float64[row, scenario] from one compiled batch.

A scenario shifts zero rates, so a point's exponent moves by ΔE = Σ gain × shift with the gains of the curve's own interpolation, and a
node's factor is exp(-(E + Σ sign × ΔE)). Scenarios come in tiles: first the moves of a curve set's points under one tile, then the factors
of its nodes, which stay in the processor's cache while every flow of the set reads its node's line of them. A row's values are sums in
order of payment and depend on no other row.
"""

from functools import cached_property
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Float

from pricers.core.binding import Binding, bind_market
from pricers.core.compiled import Compiled
from pricers.core.points import node_exponents, point_values
from pricers.core.shapes import OWN_ORDER
from pricers.core.special_values import SpecialChanges, SpecialValues
from pricers.core.specials import CompiledSpecials
from pricers.kernels.jit import kernel, njit
from pricers.kernels.vector_math import exp
from pricers.market.market import Market, Scenarios
from pricers.status import RowStatus
from pricers.value.valuation import row_status

TILE_SCENARIOS: Final = 128  # 1 KiB a node: neighbouring rows read few; half the width took a fifth longer, twice the width as long
_TILE_NUMBERS: Final = 1 << 15  # a set of few nodes has wider tiles, of 256 KiB, since each costs as much to begin as thousands of numbers
_OK: Final = int(RowStatus.OK)


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
        ValueError: `out` has the wrong shape, a shift names a curve or currency that the market does not have or has the wrong number
            of pillars, or the batch was compiled for another date.
    """
    check_scenarios(scenarios, market=market)
    shape = (compiled.row_count, scenarios.count)
    out = np.empty(shape) if out is None else out
    if out.shape != shape or out.dtype != np.float64 or not out.flags.c_contiguous:
        raise ValueError(f"out must be a C-contiguous float64 array of shape {shape}, is {out.dtype} {out.shape}")
    binding = bind_market(compiled, market=market)
    moves = PointMoves(compiled, binding=binding, market=market, scenarios=scenarios)
    sets = compiled.sets
    rows_have_one_leg = compiled.leg_set.size == compiled.row_count
    if not rows_have_one_leg:
        out[:] = 0.0
    stored_rows = compiled.stored_rows
    for number in range(sets.count):
        legs = slice(sets.starts[number], sets.starts[number + 1])
        if binding.status[number] != _OK:
            out[stored_rows[legs]] = np.nan
            continue
        factors = SetFactors(moves, number)
        width = _tile_width(factors.node_count)
        for first in range(0, scenarios.count, width):
            last = min(first + width, scenarios.count)
            table, fx = factors.tile(first, last)
            _add_tile(
                legs.start, stored_rows[legs], compiled.flow_offsets, compiled.flow_node, compiled.weight,
                int(compiled.node_offsets[number]), table, fx, first, not rows_have_one_leg, out,
            )  # fmt: skip
    out[row_status(compiled, binding) != _OK] = np.nan
    return out


def _tile_width(node_count: int) -> int:
    """Scenarios of a tile of so many nodes; no value depends on it."""
    return max(_TILE_NUMBERS // max(node_count, 1) // TILE_SCENARIOS, 1) * TILE_SCENARIOS


def check_scenarios(scenarios: Scenarios, *, market: Market) -> None:
    """Raise ValueError for a shift that does not fit the market."""
    pillars = {curve.name: curve.zero_rates.size for curve in market.curves}
    for name, shift in scenarios.shifts.items():
        if name not in pillars:
            raise ValueError(f"scenarios move curve {name!r}, which the market does not have; it has {sorted(pillars)}")
        if shift.shape != (pillars[name], scenarios.count):
            raise ValueError(f"shifts of curve {name!r} must have shape {(pillars[name], scenarios.count)}, have {shift.shape}")
    unknown = sorted(set(scenarios.fx_factors) - set(market.fx_to_base))
    if unknown or market.base_currency in scenarios.fx_factors:
        raise ValueError(f"scenarios move the exchange rate of {unknown or market.base_currency}; the market's foreign currencies are "
                         f"{sorted(set(market.fx_to_base) - {market.base_currency})}")  # fmt: skip
    if without := sorted(set(scenarios.price_factors) - set(market.prices)):
        raise ValueError(f"scenarios move the price {without[0]!r}, which the market does not have")


def pillar_shifts(scenarios: Scenarios, *, market: Market) -> Float[np.ndarray, "pillar_plus_one scenario"]:
    """What scenarios add to the rates of all pillars, and a row of zeros: the right neighbour of the last curve's only pillar. Before those
    of the other curves stands gain 0."""
    offsets = market.tables.offsets
    shifts = np.zeros((int(offsets[-1]) + 1, scenarios.count))
    for name, shift in scenarios.shifts.items():
        curve = market.curve_index[name]
        shifts[offsets[curve] : offsets[curve + 1]] = shift
    return shifts


class PointMoves:
    """A batch's points in one market, and how scenarios move them."""

    def __init__(self, compiled: Compiled, *, binding: Binding, market: Market, scenarios: Scenarios) -> None:
        self.compiled, self.binding, self.scenarios, self.market = compiled, binding, scenarios, market
        self.points = point_values(compiled, binding=binding, market=market)
        self.shifts = pillar_shifts(scenarios, market=market)
        is_moved = np.zeros(len(market.curves) + 1, np.bool_)  # the last is OWN's, whose position is -1
        is_moved[[market.curve_index[name] for name in scenarios.shifts]] = True
        self.credit = scenarios.credit_spread_shift
        is_own = compiled.points.kind == OWN_ORDER
        position = binding.curve[compiled.points.curve]
        self.is_moved = np.where(is_own, self.credit is not None, (position >= 0) & is_moved[position])
        self.is_own = is_own
        self._is_there, self._number = np.zeros(is_own.size, np.bool_), np.empty(is_own.size, np.int32)
        self._buffers: dict[str, np.ndarray] = {}

    @cached_property
    def specials(self) -> SpecialValues:
        """The batch's special factors, where it has any."""
        assert self.compiled.specials is not None
        return SpecialValues(self.compiled.specials.specials, market=self.market)

    def buffer(self, name: str, rows: int, columns: int) -> Float[np.ndarray, "row column"]:
        """Room that tiles use one after the other: new memory for each would cost as much as filling it."""
        held = self._buffers.get(name)
        if held is None or held.size < rows * columns:
            held = self._buffers[name] = np.empty(rows * columns)
        return held[: rows * columns].reshape(rows, columns)

    def numbered(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The distinct points among some, increasing, and the number of each among them."""
        self._is_there[points] = True
        found = np.flatnonzero(self._is_there)
        self._is_there[found] = False
        self._number[found] = np.arange(found.size, dtype=np.int32)
        return found, self._number[points]

    def tile(self, points: np.ndarray, first: int, last: int) -> Float[np.ndarray, "point scenario"]:
        """What scenarios first:last add to the exponents of some points, all of which move. Good until the next call."""
        moves = self.buffer("moves", points.size, last - first)
        values = self.points
        credit = np.zeros(last - first) if self.credit is None else self.credit[first:last].copy()
        _fill_moves(points, self.is_own, values.pillar, values.gain_left, values.gain_right, values.time, self.shifts, first, credit, moves)
        return moves


class _SetSpecials:
    """Special factors of the nodes of one curve set under scenarios."""

    def __init__(self, moves: PointMoves, compiled: CompiledSpecials, nodes: slice) -> None:
        of_set = compiled.of_nodes(nodes)
        self._moves, self._node = moves, compiled.node[of_set] - nodes.start
        chosen, self._special = np.unique(compiled.special[of_set], return_inverse=True)
        self._changes = None if chosen.size == 0 else SpecialChanges(moves.specials, chosen)

    def multiply(self, table: Float[np.ndarray, "node scenario"], first: int, last: int) -> None:
        """Multiply nodes by their special factors under scenarios first:last."""
        if self._changes is not None:
            factors = self._changes.today[:, None] + self._changes.under(self._moves.shifts, first, last)
            _multiply(self._node, self._special, factors, table)


class SetFactors:
    """Factors of the nodes of one curve set under scenarios, tile by tile."""

    def __init__(self, moves: PointMoves, number: int) -> None:
        compiled, nodes = moves.compiled, slice(*moves.compiled.node_offsets[number : number + 2].tolist())
        self._moves = moves
        terms = slice(int(compiled.nodes.offsets[nodes.start]), int(compiled.nodes.offsets[nodes.stop]))
        points = compiled.nodes.point[terms]
        is_moved = moves.is_moved[points]
        self._points, place = moves.numbered(points[is_moved])
        self._place, self._sign = np.full(points.size, -1, np.int32), compiled.nodes.sign[terms]
        self._place[is_moved] = place
        self._offsets = compiled.nodes.offsets[nodes.start : nodes.stop + 1] - terms.start
        self._exponent = node_exponents(compiled, moves.points, nodes)
        names = (*compiled.leg_currency.names, "")
        factor = moves.scenarios.unit_factor(names[compiled.sets.currency[number]], market=moves.market)
        self._specials = None if compiled.specials is None else _SetSpecials(moves, compiled.specials, nodes)
        price = moves.binding.fx[number]
        self._fx = np.full(moves.scenarios.count, price) if factor is None else price * factor

    @property
    def node_count(self) -> int:
        return int(self._exponent.size)

    def tile(self, first: int, last: int) -> tuple[Float[np.ndarray, "node scenario"], Float[np.ndarray, " scenario"]]:
        """Factors of the set's nodes and its currency's exchange rates under scenarios first:last. Good until the next tile."""
        table = self._moves.buffer("factors", self._exponent.size, last - first)
        moves = self._moves.tile(self._points, first, last)
        _fill_factors(self._offsets, self._place, self._sign, self._exponent, moves, table)
        if self._specials is not None:
            self._specials.multiply(table, first, last)
        return table, self._fx[first:last]


@kernel
@no_type_check
def _fill_moves(points, is_own, pillar, gain_left, gain_right, time, shifts, first, credit, moves):
    for i in range(points.size):
        point = points[i]
        if is_own[point]:
            for scenario in range(moves.shape[1]):
                moves[i, scenario] = time[point] * credit[scenario]
            continue
        left, right = gain_left[point], gain_right[point]
        low, high = shifts[pillar[point]], shifts[pillar[point] + 1]
        for scenario in range(moves.shape[1]):
            moves[i, scenario] = left * low[first + scenario] + right * high[first + scenario]


@kernel
@no_type_check
def _fill_factors(offsets, place, sign, exponent, moves, table):
    """exp of minus the exponents, the moves of the points subtracted one by one in canonical order; place -1: the point does not move."""
    for node in range(exponent.size):
        line = table[node]
        for scenario in range(table.shape[1]):
            line[scenario] = -exponent[node]
        for term in range(offsets[node], offsets[node + 1]):
            point = place[term]
            if point >= 0:
                change, s = moves[point], float(sign[term])
                for scenario in range(table.shape[1]):
                    line[scenario] -= s * change[scenario]
        for scenario in range(table.shape[1]):
            line[scenario] = exp(line[scenario])


@kernel
@no_type_check
def _multiply(nodes, special, factors, table):
    for i in range(nodes.size):
        line, by = table[nodes[i]], factors[special[i]]
        for scenario in range(line.size):
            line[scenario] *= by[scenario]


@njit(cache=True, nogil=True)
@no_type_check
def _add_tile(first_leg, rows, flow_offsets, flow_node, weight, first_node, table, fx, first_scenario, accumulate, out):
    """Base-currency value under each scenario of a tile of the legs stored from `first_leg` on, written or added to their rows."""
    width = table.shape[1]
    value = np.zeros(width)
    for i in range(rows.size):
        value[:] = 0.0
        flow, end = flow_offsets[first_leg + i], flow_offsets[first_leg + i + 1]
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
        target = out[rows[i]]
        for scenario in range(width):
            converted = value[scenario] * fx[scenario]
            if accumulate:
                target[first_scenario + scenario] += converted
            else:
                target[first_scenario + scenario] = converted
