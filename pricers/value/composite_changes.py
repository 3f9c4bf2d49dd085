"""What scenarios do to nodes with points on several days.

A node's factor changes by (1 + a)(1 + b)… - 1, where a point that discounts changes by a = expm1(-ΔE) and one that is divided by changes by
expm1(ΔE). So only points, which many nodes share, need an exponential, and small changes keep their relative accuracy.
"""

from collections.abc import Sequence
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Bool, Float

from pricers.core.shapes import parse_shape
from pricers.flows.cashflows import Shape, Term
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import expm1_of
from pricers.value.scenario_grid import EXPONENT_MAX, LadderGrid, ScenarioLadderKey

TILE_SCENARIOS: Final = 64
BLOCK_NODES: Final = 8_192


class CompositeNodes:
    """Nodes of any shapes, and their points numbered across all of them."""

    def __init__(self, shapes: Sequence[Shape], anchors: Sequence[np.ndarray]) -> None:
        """`anchors`: int[node] for each shape, days after the valuation date."""
        self.terms: list[Term] = []
        """One for each curve."""
        self.days: list[np.ndarray] = []
        """float64[point]: days of the points on it, increasing."""
        counts = [np.full(days.size, len(shape)) for shape, days in zip(shapes, anchors, strict=True)]
        self.offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([np.empty(0, np.int64), *counts]))])
        self.point, self.sign = np.empty(self.offsets[-1], np.int64), np.empty(self.offsets[-1], np.int64)
        by_curve: dict[tuple[str, str], list[tuple[Term, np.ndarray, np.ndarray]]] = {}
        first = 0
        for shape, days in zip(shapes, anchors, strict=True):
            for place, term in enumerate(shape):
                where = self.offsets[first : first + days.size] + place
                by_curve.setdefault((term.curve, term.kind), []).append((term, days - term.lag, where))
                self.sign[where] = term.sign
            first += days.size
        count = 0
        for uses in by_curve.values():
            found, place_of = np.unique(np.concatenate([days for _, days, _ in uses]), return_inverse=True)
            self.point[np.concatenate([where for _, _, where in uses])] = count + place_of
            self.terms.append(uses[0][0])
            self.days.append(found.astype(np.float64))
            count += found.size
        self.point_count = count

    @property
    def node_count(self) -> int:
        return self.offsets.size - 1

    def moves(self, grid: LadderGrid) -> Float[np.ndarray, "point scenario"]:
        """What the grid's scenarios add to the exponents of the points."""
        moves = np.zeros((self.point_count, grid.scenarios.count))
        first = 0
        for term, days in zip(self.terms, self.days, strict=True):
            grid.add_moves(term, days, 1.0, moves[first : first + days.size])
            first += days.size
        return moves


def failing(shape: Shape, anchors: np.ndarray, *, grid: LadderGrid) -> Bool[np.ndarray, "node scenario"]:
    """Where a scenario moves a node's factor, or that of one of its points, beyond what a float holds."""
    nodes = CompositeNodes([shape], [anchors])
    is_failing = np.zeros((nodes.node_count, grid.scenarios.count), np.bool_)
    _fill_failing(nodes.offsets, nodes.point, nodes.sign, nodes.moves(grid), is_failing)
    return is_failing


@kernel
@no_type_check
def _fill_failing(offsets, point, sign, moves, is_failing):
    for node in range(is_failing.shape[0]):
        for scenario in range(is_failing.shape[1]):
            total = largest = 0.0
            for term in range(offsets[node], offsets[node + 1]):
                move = moves[point[term], scenario]
                total += sign[term] * move
                largest = max(largest, abs(sign[term] * move))
            is_failing[node, scenario] = not (abs(total) <= EXPONENT_MAX and largest <= EXPONENT_MAX)


Entries = tuple[ScenarioLadderKey, np.ndarray, np.ndarray, np.ndarray]
"""Of one key: the cell, the anchor and the value today of each entry, base currency."""


def composite_gains(entries: Sequence[Entries], *, grid: LadderGrid, pnl: Float[np.ndarray, "cell scenario"]) -> None:
    """Add the P&L of netted nodes to their cells.

    Args:
        entries: of distinct keys.
        grid: market and scenarios.
        pnl: added to; NaN where a scenario fails a node that the cell has.
    """
    anchors = [np.unique(days) for _, _, days, _ in entries]
    nodes = CompositeNodes([parse_shape(key.shape) for key, *_ in entries], anchors)
    firsts = np.cumsum([0, *(days.size for days in anchors)])
    cell = np.concatenate([cells for _, cells, _, _ in entries]).astype(np.int64)
    node = np.concatenate(
        [first + np.searchsorted(found, days) for first, found, (_, _, days, _) in zip(firsts, anchors, entries, strict=False)]
    )
    value = np.concatenate([today for *_, today in entries])
    currencies = sorted({key.currency for key, *_ in entries})
    factors = np.stack([grid.fx_factor(currency) for currency in currencies])
    currency = np.concatenate([np.full(cells.size, currencies.index(key.currency)) for key, cells, _, _ in entries])
    order = np.argsort(node, kind="stable")
    starts = np.searchsorted(node[order], np.arange(0, nodes.node_count + BLOCK_NODES, BLOCK_NODES))
    moves = nodes.moves(grid)
    for first in range(0, grid.scenarios.count, TILE_SCENARIOS):
        last = min(first + TILE_SCENARIOS, grid.scenarios.count)
        tile = np.clip(moves[:, first:last], -EXPONENT_MAX, EXPONENT_MAX)
        plus, minus, rates = expm1_of(-tile), expm1_of(tile), np.ascontiguousarray(factors[:, first:last])
        raw, sums = np.ascontiguousarray(moves[:, first:last]), np.ascontiguousarray(pnl[:, first:last])
        for block, low in enumerate(range(0, nodes.node_count, BLOCK_NODES)):
            changes = np.empty((min(BLOCK_NODES, nodes.node_count - low), last - first))
            fill_changes(low, nodes.offsets, nodes.point, nodes.sign, raw, plus, minus, changes)
            of_block = order[starts[block] : starts[block + 1]]
            _add_entries(of_block, cell, node, value, currency, rates, low, changes, sums)
        pnl[:, first:last] = sums


@kernel
@no_type_check
def fill_changes(low, offsets, point, sign, moves, plus, minus, changes):
    """Ratio of factors less 1 of the nodes from `low` on; `plus` and `minus` are expm1 of minus the points' moves and of the moves."""
    for i in range(changes.shape[0]):
        for scenario in range(changes.shape[1]):
            change = total = 0.0
            for term in range(offsets[low + i], offsets[low + i + 1]):
                p, s = point[term], sign[term]
                total += s * moves[p, scenario]
                one = plus[p, scenario] if s > 0 else minus[p, scenario]
                if not abs(s * moves[p, scenario]) <= EXPONENT_MAX:
                    total = np.nan
                for _ in range(abs(s)):
                    change += one + change * one
            changes[i, scenario] = change if abs(total) <= EXPONENT_MAX else np.nan


@kernel
@no_type_check
def _add_entries(entries, cell, node, value, currency, rates, low, changes, sums):
    for i in range(entries.size):
        entry = entries[i]
        amount, change, rate, line = value[entry], changes[node[entry] - low], rates[currency[entry]], sums[cell[entry]]
        for scenario in range(rate.size):
            line[scenario] += amount * (change[scenario] * rate[scenario] + (rate[scenario] - 1.0))
