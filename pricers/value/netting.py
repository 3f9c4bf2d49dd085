"""Books as sums of cash flows: scenario P&L of groups of positions at a cost that hardly grows with the number of positions.

Under a scenario a flow is worth its value today times the ratio of two discount factors, exp(-E(day)), where the exponent E is, between two
pillars, a polynomial of degree two in the day. So the ratio, as a function of the day, is its own interpolation at eight Chebyshev points
of every segment. That holds for a node whose points share one day. Segments are so short that the slope of E over one is at most 1/4 and
its bend at most 1/32; the remainder, 2 max |f^(8)| (length / 4)^8 / 8! [1], is then a few times 1e-13. A flow therefore adds, once and for
all scenarios, its value today times eight interpolation weights to the ladder of its cell (a group of positions), and a scenario costs one
product of the ladders with the ratios at the points.

A node with points on several days is no function of one day; it is netted by itself (`composite_changes.py`), into lists of the nodes that
each cell has, which are added up by shape and anchor. So is a node with a special factor (`special_sums.py`).

Additions are exact: a number is split into two int64 limbs, multiples of 2^-10 and of 2^-46, and integers add up to the same sum in any
order. So any size of shard, any number of processes and any order of merging give the same bits. What is rounded, to 2^-47, is rounded
before it is added, flow by flow.

References:
    [1] L.N. Trefethen (2013), Approximation Theory and Approximation Practice, chapters 4 and 8; remainder of interpolation in n
        Chebyshev points of an interval of length h: max |f^(n)| 2 (h/4)^n / n!.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Int32, Int64

from pricers.core.binding import bind_market
from pricers.core.compiled import Compiled
from pricers.core.points import node_factors, point_values
from pricers.core.shapes import is_of_one_day, shape_text
from pricers.core.special_values import SpecialValues
from pricers.kernels.jit import kernel, njit
from pricers.status import RowStatus
from pricers.value.composite_changes import failing
from pricers.value.exact_limbs import COARSE, FINE, FLOWS_MAX, VALUE_MAX, carry
from pricers.value.ladders import AnySums, CellValues, Ladder, Ladders, NodeSums, merge_ladders, merge_of_key, renumbered, value_ladders
from pricers.value.scenario_grid import EXPONENT_MAX, POINTS, LadderGrid, ScenarioLadderKey, interpolation, key_order
from pricers.value.special_sums import SpecialSums, failing_specials, special_sums
from pricers.value.valuation import row_status

_OK = int(RowStatus.OK)
_NOT_FINITE = int(RowStatus.NOT_FINITE)


@dataclass(frozen=True)
class NettedRows:
    """A netted batch."""

    ladders: Ladders
    status: np.ndarray
    """uint8[row]: RowStatus; rows other than OK are in no ladder."""


@dataclass(frozen=True)
class NodeRange:
    """The nodes of one shape of one curve set, those with and those without special factors apart."""

    set: int
    key: ScenarioLadderKey
    is_of_one_day: bool
    """And without special factors."""
    nodes: slice


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
    binding = bind_market(compiled, market=grid.market)
    status = row_status(compiled, binding)
    points = point_values(compiled, binding=binding, market=grid.market)
    set_of_node = np.repeat(np.arange(compiled.sets.count), np.diff(compiled.node_offsets))
    values = np.where(binding.status[set_of_node] == _OK, node_factors(compiled, points) * binding.fx[set_of_node], np.nan)
    if compiled.specials is not None:  # the sums hold values without the special factor, which must be there
        factors = SpecialValues(compiled.specials.specials, market=grid.market).today[compiled.specials.special]
        values[compiled.specials.node[~np.isfinite(factors)]] = np.nan
    ranges = node_ranges(compiled)
    if skip_failing:
        for found in ranges:
            if binding.status[found.set] == _OK:
                values[found.nodes][_failing_of(compiled, found, grid).any(axis=1)] = np.nan
    stored_rows = compiled.stored_rows
    _refuse_unusable(stored_rows, compiled.flow_offsets, compiled.flow_node, compiled.weight, values, status)
    cells_of_legs = [np.where(status == RowStatus.OK, cells, -1)[stored_rows].astype(np.int32) for cells in cells_of_rows]
    families: list[dict[ScenarioLadderKey, list[AnySums]]] = [{} for _ in cells_of_rows]
    for number in range(compiled.sets.count):
        if binding.status[number] != _OK:
            continue
        of_set = [found for found in ranges if found.set == number]
        legs = np.arange(compiled.sets.starts[number], compiled.sets.starts[number + 1])  # in the order of storage
        _net_one_day(compiled, of_set, legs, values=values, grid=grid, cells_of_legs=cells_of_legs, families=families)
        if not all(found.is_of_one_day for found in of_set):
            _net_composite(compiled, of_set, legs, values=values, cells_of_legs=cells_of_legs, families=families)
    return tuple(
        Ladders({key: merge_of_key(key, parts) for key, parts in sorted(ladders.items(), key=lambda item: key_order(item[0]))})
        for ladders in families
    ), status


def node_ranges(compiled: Compiled) -> list[NodeRange]:
    """The nodes of a batch by curve set, shape and whether they have special factors, in order."""
    has_special = np.zeros(compiled.nodes.anchor.size, np.bool_)
    if compiled.specials is not None:
        has_special[compiled.specials.node] = True
    set_of_node = np.repeat(np.arange(compiled.sets.count), np.diff(compiled.node_offsets))
    codes = set_of_node * np.int64(max(len(compiled.shapes), 1)) + compiled.nodes.shape
    starts = np.flatnonzero(np.diff(2 * codes + has_special, prepend=-1))
    names = (*compiled.leg_currency.names, "")
    ranges = []
    for start, end in zip(starts.tolist(), [*starts[1:].tolist(), codes.size], strict=True):
        number, shape = int(set_of_node[start]), compiled.shapes[compiled.nodes.shape[start]]
        key = ScenarioLadderKey(names[compiled.sets.currency[number]], shape_text(shape), bool(has_special[start]))
        ranges.append(NodeRange(number, key, is_of_one_day(shape) and not key.has_specials, slice(start, end)))
    return ranges


def _failing_of(compiled: Compiled, found: NodeRange, grid: LadderGrid) -> Bool[np.ndarray, "node scenario"]:
    """Where a scenario moves the factor of a node of a range beyond what a float holds."""
    anchors = compiled.nodes.anchor[found.nodes]
    if found.is_of_one_day:
        basis = grid.basis(found.key)
        failing_segments: np.ndarray = basis.is_failing[basis.segment(anchors)]
        return failing_segments
    shape = compiled.shapes[compiled.nodes.shape[found.nodes.start]]
    is_failing = np.zeros((anchors.size, grid.scenarios.count), np.bool_)
    largest = sum(abs(term.sign) * grid.largest_move(term, anchors.astype(np.float64) - term.lag) for term in shape)
    suspects = np.flatnonzero(~(np.asarray(largest) <= EXPONENT_MAX)) if shape else np.empty(0, np.int64)
    if suspects.size:
        is_failing[suspects] = failing(shape, anchors[suspects], grid=grid)
    if found.key.has_specials:
        is_failing |= failing_specials(compiled, found.nodes, grid=grid)
    return is_failing


def failing_nodes(compiled: Compiled, *, grid: LadderGrid) -> tuple[Int64[np.ndarray, " node"], Bool[np.ndarray, "kind scenario"]]:
    """Nodes whose factor some scenario moves beyond what a float holds: the number of a kind for each node, -1 where none does, and the
    scenarios of each kind."""
    kind_of_node, kinds = np.full(compiled.nodes.anchor.size, -1, np.int64), [np.empty((0, grid.scenarios.count), np.bool_)]
    for found in node_ranges(compiled):
        if found.is_of_one_day and not grid.basis(found.key).is_failing.any():
            continue
        is_failing = _failing_of(compiled, found, grid)
        nodes = np.flatnonzero(is_failing.any(axis=1))
        distinct, kind = np.unique(is_failing[nodes], axis=0, return_inverse=True)
        kind_of_node[found.nodes.start + nodes] = sum(each.shape[0] for each in kinds) + kind.ravel()
        kinds.append(distinct)
    return kind_of_node, np.concatenate(kinds)


def _net_one_day(
    compiled: Compiled,
    ranges: Sequence[NodeRange],
    legs: np.ndarray,
    *,
    values: np.ndarray,
    grid: LadderGrid,
    cells_of_legs: Sequence[np.ndarray],
    families: Sequence[dict[ScenarioLadderKey, list[AnySums]]],
) -> None:
    """Add the flows of a curve set at nodes of one day to the ladders of their keys."""
    chosen = [found for found in ranges if found.is_of_one_day]
    if not chosen:
        return
    first_node = ranges[0].nodes.start
    first_point = np.full(ranges[-1].nodes.stop - first_node, -1, np.int64)
    weights = np.empty((first_point.size, POINTS))
    width, columns = 0, []
    for found in chosen:
        nodes = slice(found.nodes.start - first_node, found.nodes.stop - first_node)
        basis = grid.basis(found.key)
        # A node before the valuation date, of the start of a running accrual, moves in no scenario: nor does one on it.
        points, of_nodes = interpolation(np.maximum(compiled.nodes.anchor[found.nodes], 0), basis.breaks)
        first_point[nodes] = width + points
        weights[nodes] = of_nodes * values[found.nodes, None]
        size = POINTS * (basis.breaks.size - 1)
        columns.append(slice(width, width + size))
        width += size
    numbered = [_numbered(cell_of_leg[legs]) for cell_of_leg in cells_of_legs]
    firsts = np.cumsum([0, *(cells.size for cells, _ in numbered)])
    sums = np.zeros((firsts[-1], 2, width), np.int64)
    members = np.stack([np.where(number >= 0, first + number, -1) for first, (_, number) in zip(firsts, numbered, strict=False)])
    _add_flows(legs, members, compiled.flow_offsets, compiled.flow_node, compiled.weight, first_node, first_point, weights, POINTS, sums)
    carry(sums)
    for ladders, first, (cells, _) in zip(families, firsts, numbered, strict=False):
        for found, column in zip(chosen, columns, strict=True):
            of_key = sums[first : first + cells.size, :, column]
            # Where a set has several shapes, not every cell has flows at each.
            is_there = np.ones(cells.size, bool) if len(ranges) == 1 else (of_key != 0).any(axis=(1, 2))
            if is_there.any():
                ladder = Ladder(cells, of_key) if is_there.all() else Ladder(cells[is_there], of_key[is_there])
                ladders.setdefault(found.key, []).append(ladder)


def _net_composite(
    compiled: Compiled,
    ranges: Sequence[NodeRange],
    legs: np.ndarray,
    *,
    values: np.ndarray,
    cells_of_legs: Sequence[np.ndarray],
    families: Sequence[dict[ScenarioLadderKey, list[AnySums]]],
) -> None:
    """Add the flows of a curve set at nodes with points on several days to the lists of their keys."""
    first_node, last_node = ranges[0].nodes.start, ranges[-1].nodes.stop
    place_of_range = np.concatenate([np.full(r.nodes.stop - r.nodes.start, -1 if r.is_of_one_day else i) for i, r in enumerate(ranges)])
    for cell_of_leg, ladders in zip(cells_of_legs, families, strict=True):
        cells = cell_of_leg[legs]
        order = np.argsort(cells, kind="stable")
        order = order[np.searchsorted(cells[order], 0) :]
        room = int(np.diff(compiled.flow_offsets)[legs[order]].sum())
        cell, node, sums = np.empty(room, np.int32), np.empty(room, np.int64), np.zeros((room, 2), np.int64)
        scratch = np.zeros((last_node - first_node, 2), np.int64)
        count = _list_flows(
            legs[order], cells[order], compiled.flow_offsets, compiled.flow_node, compiled.weight, values, place_of_range, first_node,
            scratch, np.full(last_node - first_node, -1, np.int64), cell, node, sums,
        )  # fmt: skip
        carry(sums[:count, :, None])
        by_range = place_of_range[node[:count] - first_node]
        for i, found in enumerate(ranges):
            entries = np.flatnonzero(by_range == i) if not found.is_of_one_day else np.empty(0, np.int64)
            if entries.size:
                anchors = compiled.nodes.anchor[node[entries]]
                if found.key.has_specials:
                    of_key: NodeSums | SpecialSums = special_sums(compiled, node[entries], cell[entries], sums[entries])
                else:
                    entries = entries[np.lexsort((anchors, cell[entries]))]
                    of_key = NodeSums(cell[entries], compiled.nodes.anchor[node[entries]], sums[entries])
                ladders.setdefault(found.key, []).append(of_key)


@kernel
@no_type_check
def _list_flows(legs, cells, flow_offsets, flow_node, weight, values, place_of_range, first_node, scratch, seen, cell, node, sums):
    """Exact sums by (cell, node) of legs in the order of their cells; returns how many there are. `scratch` is zero between cells."""
    count = first = 0
    for i in range(legs.size):
        for flow in range(flow_offsets[legs[i]], flow_offsets[legs[i] + 1]):
            n = flow_node[flow] - first_node
            if place_of_range[n] < 0:
                continue
            value = weight[flow] * values[flow_node[flow]]
            whole = np.rint(value * COARSE)
            if seen[n] != cells[i]:
                seen[n] = cells[i]
                cell[count], node[count] = cells[i], flow_node[flow]
                count += 1
            scratch[n, 0] += np.int64(whole)
            scratch[n, 1] += np.int64(np.rint((value - whole / COARSE) * FINE))
        if i + 1 == legs.size or cells[i + 1] != cells[i]:
            for entry in range(first, count):
                n = node[entry] - first_node
                sums[entry, 0], sums[entry, 1] = scratch[n, 0], scratch[n, 1]
                scratch[n, 0] = scratch[n, 1] = 0
            first = count
    return count


@njit(cache=True, nogil=True)
@no_type_check
def _refuse_unusable(rows, flow_offsets, flow_node, weight, values, status):
    """Set NOT_FINITE where a flow's value is no number, or so large that it cannot be split. `rows` has the row of each stored leg."""
    for leg in range(rows.size):
        if status[rows[leg]] != _OK:
            continue
        for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
            if not abs(weight[flow] * values[flow_node[flow]]) < VALUE_MAX:
                status[rows[leg]] = _NOT_FINITE


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
            if point < 0:  # a node with points on several days
                continue
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


__all__ = [
    "CellValues",
    "Ladder",
    "LadderGrid",
    "Ladders",
    "NettedRows",
    "NodeSums",
    "ScenarioLadderKey",
    "SpecialSums",
    "failing_nodes",
    "merge_ladders",
    "net_flows",
    "net_flows_of_families",
    "node_ranges",
    "renumbered",
    "value_ladders",
]
