"""Books as sums of cash flows: scenario P&L of groups of positions at a cost that hardly grows with the number of positions.

Under a scenario a flow is worth its value today times the ratio of two discount factors, exp(-E(day)), where the exponent E is, between
two pillars, a polynomial of degree two in the day. So the ratio, as a function of the day, is its own interpolation at eight Chebyshev
points of every segment. Segments are so short that the slope of E over one is at most 1/4 and its bend at most 1/32; the remainder,
2 max |f^(8)| (length / 4)^8 / 8! [1], is then a few times 1e-13. A flow therefore adds, once and for all scenarios, its value today times
eight interpolation weights to the ladder of its cell (a group of positions), and a scenario costs one product of the ladders with
the ratios at the points.

Additions are exact: a number is split into two int64 limbs, multiples of 2^-10 and of 2^-46, and integers add up to the same sum in any
order. So any size of shard, any number of processes and any order of merging give the same bits. What is rounded, to 2^-47, is rounded
before it is added, flow by flow.

References:
    [1] L.N. Trefethen (2013), Approximation Theory and Approximation Practice, chapters 4 and 8; remainder of interpolation in n
        Chebyshev points of an interval of length h: max |f^(n)| 2 (h/4)^n / n!.
"""

import json
import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from pricers.core.compiled import Compiled
from pricers.core.nodes import bind
from pricers.kernels.jit import kernel, njit
from pricers.market.curves import DAYS_PER_YEAR, pillar_gains, rate_time
from pricers.market.market import CurveTables, Market, Scenarios
from pricers.status import RowStatus
from pricers.time.calendars import LAST_DAY
from pricers.value.revaluation import check_scenarios
from pricers.value.valuation import row_status

POINTS: Final = 8
SLOPE_MAX: Final = 1.0 / 4.0
"""Of E over a segment."""
BEND_MAX: Final = 1.0 / 32.0
"""Second derivative of E, times the square of the segment's length."""
EXPONENT_MAX: Final = 700.0  # exp(-E) overflows beyond
COARSE: Final = 2.0**10
FINE: Final = 2.0**46
_CARRY_BITS: Final = 36  # a coarse unit in fine units
VALUE_MAX: Final = 2.0**52
"""Largest value of a flow in base currency that can be netted."""
FLOWS_MAX: Final = 2**27
"""Most flows of one batch: the fine limbs, below 2^35 each, then stay below 2^63."""

_ANGLES: Final = (2.0 * np.arange(POINTS) + 1.0) * np.pi / (2.0 * POINTS)
_CHEBYSHEV: Final = -np.cos(_ANGLES)  # increasing, inside (-1, 1)
_DENOMINATORS: Final = np.array([math.prod(x - y for y in _CHEBYSHEV if y != x) for x in _CHEBYSHEV])
_OK: Final = int(RowStatus.OK)
_NOT_FINITE: Final = int(RowStatus.NOT_FINITE)
_HEADER: Final = struct.Struct("<I")


class LadderKey(NamedTuple):
    """What the flows of one ladder share: all that decides how scenarios move them."""

    currency: str
    discount_curve: str
    spread_curve: str
    """Empty for none."""
    has_credit_spread: bool
    """Whether shifts of contracts' credit spreads apply (see CS01)."""


@dataclass(frozen=True)
class Basis:
    """Segments of the day axis of one key; segment k has points POINTS × k … POINTS × (k + 1) - 1."""

    breaks: Float[np.ndarray, " segment_plus_one"]
    """Days from the valuation date."""
    is_failing: Bool[np.ndarray, "segment scenario"]
    """Where a scenario moves a factor beyond what a float holds."""

    def segment(self, days: np.ndarray) -> Int64[np.ndarray, " node"]:
        """The segment of each day."""
        return _segments(days, self.breaks)


class LadderGrid:
    """The interpolation points of every key under one market and one set of scenarios. Small; made once a process and run."""

    def __init__(self, *, market: Market, scenarios: Scenarios) -> None:
        """Raises ValueError for scenarios that do not fit the market."""
        check_scenarios(scenarios, market=market)
        self.market, self.scenarios = market, scenarios
        self.horizon = LAST_DAY - market.as_of
        self._bases: dict[LadderKey, Basis] = {}

    def basis(self, key: LadderKey) -> Basis:
        """The segments of a key. Depends on market and scenarios alone."""
        if key not in self._bases:
            edges = {0.0, float(self.horizon)}
            for curve in self._moved_curves(key):
                edges.update(float(day) for day in curve if 0 < day < self.horizon)
            breaks = np.array(sorted(edges))
            middles = (breaks[:-1] + breaks[1:]) / 2.0
            at_breaks, at_middles = self.exponents(key, breaks), self.exponents(key, middles)
            start, middle, end = np.clip([at_breaks[:-1], at_middles, at_breaks[1:]], -EXPONENT_MAX, EXPONENT_MAX)
            # A polynomial of degree two is steepest at an end of its segment.
            steepest = np.maximum(np.abs(4.0 * middle - 3.0 * start - end), np.abs(start - 4.0 * middle + 3.0 * end)).max(axis=1)
            bend = np.abs(4.0 * (start - 2.0 * middle + end)).max(axis=1)
            pieces = np.ceil(np.maximum(steepest / SLOPE_MAX, np.sqrt(bend / BEND_MAX))).clip(1.0).astype(np.int64)
            parts = [np.linspace(low, high, count + 1)[:-1] for low, high, count in zip(breaks[:-1], breaks[1:], pieces, strict=True)]
            breaks = np.concatenate([*parts, breaks[-1:]])
            beyond = np.abs(self.exponents(key, breaks)) > EXPONENT_MAX
            self._bases[key] = Basis(breaks, beyond[:-1] | beyond[1:])
        return self._bases[key]

    def _moved_curves(self, key: LadderKey) -> list[np.ndarray]:
        moved = []
        if key.discount_curve in self.scenarios.zero_shifts:
            moved.append(self.market.discount_curves[self.market.discount_curve_index[key.discount_curve]].pillar_days)
        if key.spread_curve in self.scenarios.spread_shifts:
            moved.append(self.market.spread_curves[self.market.spread_curve_index[key.spread_curve]].pillar_days)
        return moved

    def exponents(self, key: LadderKey, days: Float[np.ndarray, " day"]) -> Float[np.ndarray, "day scenario"]:
        """E: minus the logarithm of each day's factor under each scenario over its factor today."""
        exponents = np.zeros((days.size, self.scenarios.count))
        market, scenarios = self.market, self.scenarios
        if (shifts := scenarios.zero_shifts.get(key.discount_curve)) is not None:
            _add_exponents(days, market.discount_curve_index[key.discount_curve], market.discount_tables, shifts, exponents)
        if (shifts := scenarios.spread_shifts.get(key.spread_curve)) is not None:
            _add_exponents(days, market.spread_curve_index[key.spread_curve], market.spread_tables, shifts, exponents)
        if key.has_credit_spread and scenarios.credit_spread_shift is not None:
            exponents += (days / DAYS_PER_YEAR)[:, None] * scenarios.credit_spread_shift
        return exponents

    def changes(self, key: LadderKey) -> Float[np.ndarray, "point scenario"]:
        """Ratio of factors less 1 at the points of a key; NaN where a scenario fails."""
        basis = self.basis(key)
        half = np.diff(basis.breaks)[:, None] / 2.0
        days = (basis.breaks[:-1, None] + half * (1.0 + _CHEBYSHEV)).ravel()
        is_failing = np.repeat(basis.is_failing, POINTS, axis=0)
        return np.where(is_failing, np.nan, np.expm1(-np.where(is_failing, 0.0, self.exponents(key, days))))

    def fx_factor(self, currency: str) -> Float[np.ndarray, " scenario"]:
        """What multiplies the price of a currency in base currency."""
        factor = self.scenarios.fx_factors.get(currency)
        return np.ones(self.scenarios.count) if factor is None else factor


def _add_exponents(days: np.ndarray, curve: int, tables: CurveTables, shifts: np.ndarray, out: np.ndarray) -> None:
    # A last row of zeros stands for the right neighbour of a curve's only pillar.
    _add_shifts(days, curve, tables, np.vstack([shifts, np.zeros((1, shifts.shape[1]))]), out)


@kernel
@no_type_check
def _add_shifts(days, curve, tables, shifts, out):
    for i in range(days.size):
        left, gain_left, gain_right = pillar_gains(days[i], curve, tables)
        for scenario in range(out.shape[1]):
            out[i, scenario] += gain_left * shifts[left, scenario] + gain_right * shifts[left + 1, scenario]


@dataclass(frozen=True)
class Ladder:
    """Netted flows of one key: exact sums by cell and point."""

    cells: Int32[np.ndarray, " member"]
    """Numbers of the cells that have flows here, increasing."""
    sums: Int64[np.ndarray, "member 2 point"]
    """Coarse and fine limb, base currency."""


@dataclass(frozen=True)
class Ladders:
    """Netted flows of any set of rows, by key in sorted order."""

    ladders: dict[LadderKey, Ladder]

    @property
    def nbytes(self) -> int:
        return sum(ladder.sums.nbytes + ladder.cells.nbytes for ladder in self.ladders.values())

    def to_bytes(self) -> bytes:
        """Compressed: the keys and sizes as JSON, then cells and sums."""
        header = [[*key, *ladder.sums.shape[::2]] for key, ladder in self.ladders.items()]
        text = json.dumps(header).encode()
        parts = [part for ladder in self.ladders.values() for part in (ladder.cells.astype("<i4"), ladder.sums.astype("<i8"))]
        return zlib.compress(_HEADER.pack(len(text)) + text + b"".join(part.tobytes() for part in parts), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Ladders":
        """The inverse of `to_bytes`."""
        raw = zlib.decompress(data)
        (length,) = _HEADER.unpack_from(raw)
        at = _HEADER.size + length
        ladders = {}
        for currency, discount_curve, spread_curve, has_credit_spread, members, points in json.loads(raw[_HEADER.size : at]):
            cells = np.frombuffer(raw, "<i4", members, at).astype(np.int32)
            sums = np.frombuffer(raw, "<i8", members * points * 2, at + 4 * members).reshape(members, 2, points).astype(np.int64)
            ladders[LadderKey(currency, discount_curve, spread_curve, has_credit_spread)] = Ladder(cells, sums)
            at += 4 * members + 16 * members * points
        return cls(ladders)


@dataclass(frozen=True)
class NettedRows:
    """A netted batch."""

    ladders: Ladders
    status: np.ndarray
    """uint8[row]: RowStatus; rows other than OK are in no ladder."""


def net_flows(compiled: Compiled, *, grid: LadderGrid, cell_of_row: Int32[np.ndarray, " row"], skip_failing: bool) -> NettedRows:
    """Add the flows of every row to the ladders of its cell.

    Args:
        compiled: a batch compiled for the market's date.
        grid: market and scenarios.
        cell_of_row: any numbering of groups of rows, from 0; -1 leaves a row out.
        skip_failing: leave out rows with a flow where some scenario moves factors beyond what a float holds (they get NOT_FINITE);
            otherwise they are netted, and those scenarios have no value in their cells.
    Raises:
        ValueError: a wrong number of cells, another date, or more flows than one batch may have.
    """
    (ladders,), status = net_flows_of_families(compiled, grid=grid, cells_of_rows=(cell_of_row,), skip_failing=skip_failing)
    return NettedRows(ladders, status)


def net_flows_of_families(
    compiled: Compiled, *, grid: LadderGrid, cells_of_rows: Sequence[Int32[np.ndarray, " row"]], skip_failing: bool
) -> tuple[tuple[Ladders, ...], np.ndarray]:
    """`net_flows` for several ways of grouping the same rows, which share all that does not depend on the groups.

    Returns:
        The ladders of each family, and uint8[row]: RowStatus, which no grouping changes.
    """
    for cell_of_row in cells_of_rows:
        if cell_of_row.size != compiled.row_count or compiled.amount.size > FLOWS_MAX:
            raise ValueError(
                f"{compiled.row_count} rows need as many cells, have {cell_of_row.size}; "
                f"{compiled.amount.size} flows of at most {FLOWS_MAX}"
            )
    market = grid.market
    binding = bind(compiled, market=market)
    status = row_status(compiled, binding)
    values = np.full(compiled.node_day.size, np.nan)
    _fill_values(
        compiled.node_offsets, compiled.node_day, binding.discount_curve, binding.spread_curve, binding.status, binding.fx,
        market.discount_tables, market.spread_tables, values,
    )  # fmt: skip
    keys = [group_key(compiled, group) for group in range(binding.fx.size)]
    if skip_failing:
        for group in np.flatnonzero(binding.status == RowStatus.OK).tolist():
            nodes = slice(*compiled.node_offsets[group : group + 2])
            basis = grid.basis(keys[group])
            failing_segment: np.ndarray = np.logical_or.reduce(basis.is_failing, axis=1)
            values[nodes][failing_segment[basis.segment(compiled.node_day[nodes])]] = np.nan
    _refuse_unusable(compiled.leg_offsets, compiled.flow_offsets, compiled.flow_node, compiled.weight, values, status)
    row_of_leg = np.repeat(np.arange(compiled.row_count), np.diff(compiled.leg_offsets))
    cells_of_legs = [np.where(status == RowStatus.OK, cells, -1)[row_of_leg].astype(np.int32) for cells in cells_of_rows]
    families: list[dict[LadderKey, Ladder]] = [{} for _ in cells_of_rows]
    starts = np.searchsorted(compiled.leg_group[compiled.leg_order], np.arange(len(keys) + 1))
    for group in sorted(range(len(keys)), key=keys.__getitem__):
        if binding.status[group] != _OK:
            continue
        basis = grid.basis(keys[group])
        first_node, last_node = int(compiled.node_offsets[group]), int(compiled.node_offsets[group + 1])
        first_point, weights = interpolation(compiled.node_day[first_node:last_node], basis.breaks)
        weights *= values[first_node:last_node, None]
        legs = compiled.leg_order[starts[group] : starts[group + 1]]
        found = [_numbered(cell_of_leg[legs]) for cell_of_leg in cells_of_legs]
        firsts = np.cumsum([0, *(cells.size for cells, _ in found)])
        sums = np.zeros((firsts[-1], 2, POINTS * (basis.breaks.size - 1)), np.int64)
        members = np.stack([np.where(number >= 0, first + number, -1) for first, (_, number) in zip(firsts, found, strict=False)])
        _add_flows(
            legs, members, compiled.flow_offsets, compiled.flow_node, compiled.weight, first_node, first_point, weights, POINTS, sums
        )
        _carry(sums)
        for ladders, first, (cells, _) in zip(families, firsts, found, strict=False):
            if cells.size:
                ladders[keys[group]] = Ladder(cells, sums[first : first + cells.size])
    return tuple(Ladders(ladders) for ladders in families), status


def group_key(compiled: Compiled, group: int) -> LadderKey:
    """What decides how scenarios move the flows of a group of a batch."""
    texts = (
        (compiled.leg_currency, compiled.group_currency),
        (compiled.leg_discount_curve, compiled.group_discount_curve),
        (compiled.leg_spread_curve, compiled.group_spread_curve),
    )
    names = [text.names[codes[group]] if codes[group] >= 0 else "" for text, codes in texts]
    return LadderKey(names[0], names[1], names[2], compiled.has_credit_spread)


@njit(cache=True, nogil=True)
@no_type_check
def _fill_values(node_offsets, node_day, discount_curve, spread_curve, status, fx, discount_tables, spread_tables, values):
    """Value today of one unit at each node, base currency."""
    for group in range(node_offsets.size - 1):
        if status[group] != _OK:
            continue
        for node in range(node_offsets[group], node_offsets[group + 1]):
            exponent = rate_time(node_day[node], discount_curve[group], discount_tables)
            if spread_curve[group] >= 0:
                exponent += rate_time(node_day[node], spread_curve[group], spread_tables)
            values[node] = np.exp(-exponent) * fx[group]


def interpolation(days: np.ndarray, breaks: np.ndarray) -> tuple[Int64[np.ndarray, " node"], Float[np.ndarray, "node 8"]]:
    """First point and Lagrange weights of each day."""
    segment = _segments(days, breaks)
    weights = np.empty((days.size, POINTS))
    _fill_weights(days, breaks, segment, weights)
    return segment * POINTS, weights


def _segments(days: np.ndarray, breaks: np.ndarray) -> Int64[np.ndarray, " node"]:
    segment: np.ndarray = np.clip(np.searchsorted(breaks, days, side="left") - 1, 0, breaks.size - 2)
    return segment


@kernel
@no_type_check
def _fill_weights(days, breaks, segment, weights):
    for i in range(days.size):
        low, high = breaks[segment[i]], breaks[segment[i] + 1]
        at = (2.0 * days[i] - low - high) / (high - low)
        left = 1.0  # product of the distances to the points before this one
        for point in range(POINTS):
            weights[i, point] = left
            left *= at - _CHEBYSHEV[point]
        right = 1.0
        for point in range(POINTS - 1, -1, -1):
            weights[i, point] *= right / _DENOMINATORS[point]
            right *= at - _CHEBYSHEV[point]


@njit(cache=True, nogil=True)
@no_type_check
def _refuse_unusable(leg_offsets, flow_offsets, flow_node, weight, values, status):
    """Set NOT_FINITE where a flow's value is no number, or so large that it cannot be split."""
    for row in range(status.size):
        if status[row] != _OK:
            continue
        for leg in range(leg_offsets[row], leg_offsets[row + 1]):
            for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
                if not abs(weight[flow] * values[flow_node[flow]]) < VALUE_MAX:
                    status[row] = _NOT_FINITE


def _numbered(cells: Int32[np.ndarray, " leg"]) -> tuple[Int32[np.ndarray, " member"], Int64[np.ndarray, " leg"]]:
    """The cells that occur, increasing, and which of them each leg has; -1 stays -1."""
    numbers = np.full(cells.max(initial=-1) + 2, -1)  # the last entry is that of -1
    numbers[cells] = 0
    numbers[-1] = -1
    found = np.flatnonzero(numbers == 0)
    numbers[found] = np.arange(found.size)
    return found.astype(np.int32), numbers[cells]


@njit(cache=True, nogil=True)
@no_type_check
def _add_flows(legs, members, flow_offsets, flow_node, weight, first_node, first_point, weights, points, sums):
    """`points` is POINTS: a loop to a number that the compiler does not know is vectorised, a shorter one taken apart."""
    coarse, fine = np.empty(points, np.int64), np.empty(points, np.int64)
    for i in range(legs.size):
        for flow in range(flow_offsets[legs[i]], flow_offsets[legs[i] + 1]):
            node = flow_node[flow] - first_node
            point, amount = first_point[node], weight[flow]
            for k in range(points):
                value = amount * weights[node, k]
                whole = np.rint(value * COARSE)
                coarse[k] = np.int64(whole)
                fine[k] = np.int64(np.rint((value - whole / COARSE) * FINE))
            for family in range(members.shape[0]):
                member = members[family, i]
                if member >= 0:
                    # No slices here: each would cost two atomic reference counts.
                    for k in range(8):
                        sums[member, 0, point + k] += coarse[k]
                        sums[member, 1, point + k] += fine[k]


@njit(cache=True, nogil=True)
@no_type_check
def _carry(sums):
    """Bring the fine limbs between 0 and a coarse unit, the numbers unchanged: one number, one pair of limbs."""
    for member in range(sums.shape[0]):
        for point in range(sums.shape[2]):
            carry = sums[member, 1, point] >> _CARRY_BITS
            sums[member, 0, point] += carry
            sums[member, 1, point] -= carry << _CARRY_BITS


def merge_ladders(parts: Sequence[Ladders]) -> Ladders:
    """The sum of all parts; their order changes no bit. They must come from the same market and scenarios.

    Raises:
        ValueError: two parts have different points for a key.
    """
    merged: dict[LadderKey, Ladder] = {}
    for key in sorted({key for part in parts for key in part.ladders}):
        found = [part.ladders[key] for part in parts if key in part.ladders]
        points = {ladder.sums.shape[2] for ladder in found}
        if len(points) != 1:
            raise ValueError(f"ladders of {key} have {sorted(points)} points: they come from different markets or scenarios")
        cells = np.unique(np.concatenate([ladder.cells for ladder in found]))
        sums = np.zeros((cells.size, 2, points.pop()), np.int64)
        for ladder in found:
            sums[np.searchsorted(cells, ladder.cells)] += ladder.sums
        _carry(sums)
        merged[key] = Ladder(cells, sums)
    return Ladders(merged)


def renumbered(ladders: Ladders, *, numbers: Int32[np.ndarray, " cell"]) -> Ladders:
    """The same ladders, with cell c called `numbers[c]`; no two cells may get the same number."""
    moved = {}
    for key, ladder in ladders.ladders.items():
        cells = numbers[ladder.cells]
        order = np.argsort(cells, kind="stable")
        moved[key] = ladder if np.array_equal(cells, ladder.cells) else Ladder(cells[order], ladder.sums[order])
    return Ladders(moved)


@dataclass(frozen=True)
class CellValues:
    """Value of each cell today and what each scenario adds, base currency."""

    base_pv: Float[np.ndarray, " cell"]
    pnl: Float[np.ndarray, "cell scenario"]
    """NaN where the cell has flows on a curve that the scenario fails."""


def value_ladders(ladders: Ladders, *, grid: LadderGrid, cell_count: int) -> CellValues:
    """P&L of `cell_count` cells under every scenario of the grid: PV(scenario) - PV.

    The P&L is computed as such, from ratios less 1, and not as the difference of two large numbers.
    """
    base_pv, pnl = np.zeros(cell_count), np.zeros((cell_count, grid.scenarios.count))
    for key in sorted(ladders.ladders):
        ladder = ladders.ladders[key]
        amounts = ladder.sums[:, 0] / COARSE + ladder.sums[:, 1] / FINE
        today = amounts.sum(axis=1)
        factor = grid.fx_factor(key.currency)
        base_pv[ladder.cells] += today
        changes = grid.changes(key)
        fails = np.isnan(changes)
        gain = amounts @ np.where(fails, 0.0, changes)
        if fails.any():
            has_flows = (ladder.sums != 0).any(axis=1)
            gain[has_flows.astype(np.float64) @ fails > 0.0] = np.nan
        pnl[ladder.cells] += gain * factor + today[:, None] * (factor - 1.0)
    return CellValues(base_pv, pnl)
