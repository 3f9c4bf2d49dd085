"""Blocks of curves as arrays: everything about a calibration that depends on dates alone."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pricers.calibration.instruments import Node, ParFlows
from pricers.calibration.solver import Flows, Gains
from pricers.market.curves import segment_gains
from pricers.market.market import CurveTables


class Block(NamedTuple):
    """Curves that are solved together, as arrays. Instruments are in the order of their pillars."""

    curves: tuple[int, ...]
    """Numbers of the curves, in the order in which they are solved."""
    flows: Flows
    own: Gains
    """Gains of the block's own knots."""
    solved: Gains
    """Gains of the knots of curves solved before."""
    first_knot: int
    knot_count: int


def block_of(curves: tuple[int, ...], flows: Sequence[ParFlows], *, tables: CurveTables, place: Mapping[int, int]) -> Block:
    """Arrays of a block.

    Args:
        curves: places of the block's curves.
        flows: by pillar.
        tables: of all curves in the order of their solution, on their knots.
        place: of each curve in that order, by the number that the flows have for it.
    """
    numbers: dict[Node, int] = {}
    offsets, node, fixed, per_quote = [0], [], [], []
    for instrument in flows:
        for terms, (amount, of_quote) in instrument.amounts.items():
            node.append(numbers.setdefault(terms, len(numbers)))
            fixed.append(amount)
            per_quote.append(of_quote)
        offsets.append(len(node))
    sums = [[math.fsum(parts) for parts in zip(*instrument.amounts.values(), strict=True)] for instrument in flows]
    first, last = int(tables.offsets[curves[0]]), int(tables.offsets[curves[-1] + 1])
    rows = [_gains(terms, tables, place) for terms in numbers]
    own = [{knot: gain for knot, gain in row.items() if first <= knot < last} for row in rows]
    solved = [{knot: gain for knot, gain in row.items() if knot < first} for row in rows]
    return Block(
        curves,
        Flows(np.array(offsets, np.int64), np.array(node, np.int64), np.array(fixed), np.array(per_quote), *np.array(sums).T.copy()),
        _sparse(own),
        _sparse(solved),
        first,
        last - first,
    )


def _gains(node: Node, tables: CurveTables, place: Mapping[int, int]) -> dict[int, float]:
    """Years by knot of a node's exponent."""
    gains: dict[int, float] = {}
    for (number, day), sign in node:
        curve = place[number]
        first, last = int(tables.offsets[curve]), int(tables.offsets[curve + 1])
        low = min(first + max(int(np.searchsorted(tables.pillar_days[first:last], day)) - 1, 0), max(last - 2, first))
        left, gain_left, gain_right = segment_gains(day, low, curve, tables)
        for knot, gain in ((first + left, gain_left), (first + left + 1, gain_right)):
            if gain != 0.0:
                gains[knot] = gains.get(knot, 0.0) + sign * gain
    return gains


def _sparse(rows: list[dict[int, float]]) -> Gains:
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    knots = np.array([knot for row in rows for knot in row], np.int64)
    return Gains(offsets, knots, np.array([gain for row in rows for gain in row.values()], np.float64))
