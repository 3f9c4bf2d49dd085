"""Netted flows at nodes with special factors: what they are, and what scenarios make of them.

Such a node is netted by itself. The sums hold the flows' value without the special factor, which can be 0 today and not tomorrow; a
scenario that changes the exponential part by a and the special factor s by b then adds the sum times a × s + (1 + a) × b.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from pricers.core.compiled import Compiled
from pricers.core.shapes import parse_shape
from pricers.core.special_values import SpecialChanges, SpecialValues
from pricers.core.specials import specials_from_contents
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import expm1_of
from pricers.value.composite_changes import TILE_SCENARIOS, CompositeNodes, fill_changes
from pricers.value.exact_limbs import amounts, carry
from pricers.value.revaluation import pillar_shifts
from pricers.value.scenario_grid import EXPONENT_MAX, LadderGrid, ScenarioLadderKey

_MOVE_MAX: Final = EXPONENT_MAX / 4.0  # of one exponent; an entry of growth has two, an integral one on each of two curves


@dataclass(frozen=True)
class SpecialSums:
    """Netted flows of one key whose nodes have special factors: exact sums by cell, node and factor."""

    cells: Int32[np.ndarray, " entry"]
    """Increasing; within a cell the anchors are, and within an anchor the numbers of the factors."""
    anchors: Int32[np.ndarray, " entry"]
    """Days after the valuation date."""
    special: Int32[np.ndarray, " entry"]
    """Index into `contents`."""
    sums: Int64[np.ndarray, "entry 2"]
    """Coarse and fine limb, base currency, without the special factor."""
    contents: tuple[bytes, ...]
    """Increasing; see `Specials.contents`. Each belongs to an entry, or did before entries were selected."""

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays()) + sum(len(content) for content in self.contents)

    def selected(self, is_chosen: Bool[np.ndarray, " entry"], cells: Int32[np.ndarray, " chosen"]) -> "SpecialSums":
        """Some entries, their cells numbered anew, in any order."""
        order = np.argsort(cells, kind="stable")
        return SpecialSums(
            cells[order], self.anchors[is_chosen][order], self.special[is_chosen][order], self.sums[is_chosen][order], self.contents
        )

    def arrays(self) -> list[np.ndarray]:
        return [self.cells.astype("<i4"), self.anchors.astype("<i4"), self.special.astype("<i4"), self.sums.astype("<i8")]


def special_sums(
    compiled: Compiled, node: Int64[np.ndarray, " entry"], cells: Int32[np.ndarray, " entry"], sums: Int64[np.ndarray, "entry 2"]
) -> SpecialSums:
    """Sums by cell and node of a batch, in any order."""
    assert compiled.specials is not None
    number = compiled.specials.special[np.searchsorted(compiled.specials.node, node)]
    used, place = np.unique(number, return_inverse=True)
    contents, rank = _sorted(compiled.specials.specials.contents(used))
    special, anchors = rank[place], compiled.nodes.anchor[node]
    order = np.lexsort((special, anchors, cells))
    return SpecialSums(cells[order], anchors[order], special[order], sums[order], contents)


def merged_specials(found: Sequence[SpecialSums]) -> SpecialSums:
    """The sum of lists of one key."""
    contents, rank = _sorted([content for each in found for content in each.contents])
    firsts = np.cumsum([0, *(len(each.contents) for each in found)])
    special = np.concatenate([rank[first + each.special] for first, each in zip(firsts, found, strict=False)])
    cells, anchors = (np.concatenate([getattr(each, name) for each in found]) for name in ("cells", "anchors"))
    entries, place = np.unique(np.stack([cells, anchors, special], axis=1), axis=0, return_inverse=True)
    sums = np.zeros((entries.shape[0], 2), np.int64)
    np.add.at(sums, place.ravel(), np.concatenate([each.sums for each in found]))
    carry(sums[:, :, None])
    cells, anchors, special = np.ascontiguousarray(entries.T, np.int32)
    return SpecialSums(cells, anchors, special, sums, contents)


def _sorted(contents: Sequence[bytes]) -> tuple[tuple[bytes, ...], Int32[np.ndarray, " given"]]:
    """The distinct contents in order, and the place of each given one."""
    distinct = sorted(set(contents))
    place = {content: number for number, content in enumerate(distinct)}
    return tuple(distinct), np.array([place[content] for content in contents], np.int32)


def failing_specials(compiled: Compiled, nodes: slice, *, grid: LadderGrid) -> Bool[np.ndarray, "node scenario"]:
    """Where a scenario leaves the special factor of a node without a finite value; every node of the range has one."""
    assert compiled.specials is not None
    number = compiled.specials.special[compiled.specials.of_nodes(nodes)]
    used, place = np.unique(number, return_inverse=True)
    values = SpecialValues(compiled.specials.specials, market=grid.market)
    shifts = pillar_shifts(grid.scenarios, market=grid.market)
    if values.largest_gain * np.abs(shifts).max(initial=0.0) <= _MOVE_MAX:
        return np.zeros((place.size, grid.scenarios.count), np.bool_)
    with np.errstate(over="ignore", invalid="ignore"):
        is_failing: np.ndarray = ~np.isfinite(SpecialChanges(values, used).under(shifts))
    return is_failing[place]


def add_specials(
    entries: Sequence[tuple[ScenarioLadderKey, SpecialSums]],
    *,
    grid: LadderGrid,
    pv_base: Float[np.ndarray, " cell"],
    pnl: Float[np.ndarray, "cell scenario"],
) -> None:
    """Add today's value and the P&L of netted nodes to their cells.

    Args:
        entries: of distinct keys.
        grid: market and scenarios.
        pv_base: added to.
        pnl: added to; NaN where a scenario fails a node that the cell has.
    """
    contents, rank = _sorted([content for _, each in entries for content in each.contents])
    specials, number = specials_from_contents(contents)
    values = SpecialValues(specials, market=grid.market)
    firsts = np.cumsum([0, *(len(each.contents) for _, each in entries)])
    special = np.concatenate([number[rank[first + each.special]] for first, (_, each) in zip(firsts, entries, strict=False)])
    anchors = [np.unique(each.anchors) for _, each in entries]
    nodes = CompositeNodes([parse_shape(key.shape) for key, _ in entries], anchors)
    firsts = np.cumsum([0, *(days.size for days in anchors)])
    node = np.concatenate(
        [first + np.searchsorted(days, each.anchors) for first, days, (_, each) in zip(firsts, anchors, entries, strict=False)]
    )
    cell = np.concatenate([each.cells for _, each in entries]).astype(np.int64)
    amount = np.concatenate([amounts(each.sums) for _, each in entries])
    np.add.at(pv_base, cell, amount * values.today[special])
    currencies = sorted({key.currency for key, _ in entries})
    factors = np.stack([grid.fx_factor(currency) for currency in currencies])
    currency = np.concatenate([np.full(each.cells.size, currencies.index(key.currency)) for key, each in entries])
    moves, shifts = nodes.moves(grid), pillar_shifts(grid.scenarios, market=grid.market)
    changes = SpecialChanges(values, np.arange(specials.count, dtype=np.int32))
    for first in range(0, grid.scenarios.count, TILE_SCENARIOS):
        tile = slice(first, min(first + TILE_SCENARIOS, grid.scenarios.count))
        raw, sums = np.ascontiguousarray(moves[:, tile]), np.ascontiguousarray(pnl[:, tile])
        clipped, of_nodes = np.clip(raw, -EXPONENT_MAX, EXPONENT_MAX), np.empty((nodes.node_count, raw.shape[1]))
        fill_changes(0, nodes.offsets, nodes.point, nodes.sign, raw, expm1_of(-clipped), expm1_of(clipped), of_nodes)
        of_specials = changes.under(shifts, tile.start, tile.stop)
        _add_entries(
            cell, node, special, amount, currency, np.ascontiguousarray(factors[:, tile]), values.today, of_nodes, of_specials, sums
        )
        pnl[:, tile] = sums


@kernel
@no_type_check
def _add_entries(cell, node, special, amount, currency, rates, today, of_nodes, of_specials, sums):
    for entry in range(cell.size):
        by, value = today[special[entry]], amount[entry]
        rate, line = rates[currency[entry]], sums[cell[entry]]
        a, b = of_nodes[node[entry]], of_specials[special[entry]]
        for scenario in range(rate.size):
            change = a[scenario] * by + (1.0 + a[scenario]) * b[scenario]
            more = value * (change * rate[scenario] + by * (rate[scenario] - 1.0))
            line[scenario] += more if abs(more) < np.inf else np.nan
