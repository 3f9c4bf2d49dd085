"""One market at the nodes of a compiled batch: everything that any measure of any flow needs.

A node is one row of a table, 64 bytes wide where no node has more than one point on a curve, else 128, so that a flow reads one cache line
or two for all its measures. A row holds the buckets of nodes with one point, or with two on different curves; the buckets of any other node
are in a list of their own, where those that several points share are added before the exponential is taken: so a bump stays exact.
"""

from dataclasses import dataclass
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Float, Int32, Int64

from pricers.binding import Binding
from pricers.compiled import Compiled
from pricers.jit import kernel
from pricers.market import CurveKind, Market
from pricers.measures import BASIS_POINT
from pricers.points import point_values
from pricers.shapes import OWN_ORDER

FACTOR: Final = 0
"""exp(-Σ sign × exponent)."""
PARALLEL: Final = 1
"""Change of the factor for +1 bp on every zero rate of every curve of RATE."""
CREDIT: Final = 2
"""Change of the factor for +1 bp on every hazard rate and on the contract's own credit spread."""
TOMORROW: Final = 3
"""The factor a day later, without what the contract's own credit spread adds."""
LEFT: Final = 4
"""Change of the factor for +1 bp on PILLAR; with RIGHT, for nodes whose buckets stand here."""
RIGHT: Final = 5
"""Change of the factor for +1 bp on PILLAR + 1."""
PILLAR: Final = 6
"""Pillar of the first point, counted over all curves of the market."""
POINTS: Final = 7
"""1 or 2: so many points have their buckets in this row; 0: the node's buckets are in the list."""
SECOND: Final = 4
"""Columns from LEFT, RIGHT and PILLAR of the first point to those of the second."""
NARROW: Final = 8
WIDE: Final = 16

EXPONENT: Final = 0
"""-ln(factor)."""
DISCOUNT_FACTOR: Final = 1
"""Of the points of RATE alone."""

_RATE: Final = list(CurveKind).index(CurveKind.RATE)
_INFLATION: Final = list(CurveKind).index(CurveKind.INFLATION)
_HAZARD: Final = list(CurveKind).index(CurveKind.HAZARD)
_OWN: Final = OWN_ORDER


@dataclass(frozen=True)
class NodeTable:
    """The market at every node. Nodes of curve sets that lack a curve are NaN."""

    values: Float[np.ndarray, "node column"]
    """Columns FACTOR to POINTS, and where the table is wide those of a second point."""
    discounting: Float[np.ndarray, "node 2"]
    """EXPONENT and DISCOUNT_FACTOR."""
    bucket_offsets: Int64[np.ndarray, " node_plus_one"]
    """Buckets of the nodes whose POINTS is 0."""
    bucket_pillar: Int32[np.ndarray, " bucket"]
    """Increasing within a node."""
    bucket_change: Float[np.ndarray, " bucket"]
    """Change of the factor for +1 bp on the pillar."""


def node_table(compiled: Compiled, *, binding: Binding, market: Market) -> NodeTable:
    """Evaluate the market at every node."""
    points = point_values(compiled, binding=binding, market=market)
    nodes, own = compiled.nodes, compiled.points.kind == OWN_ORDER
    counts = np.diff(nodes.offsets)
    market_points = counts - np.add.reduceat(np.append(own[nodes.point], False), nodes.offsets[:-1], dtype=np.int64) * (counts > 0)
    is_listed = _is_listed(compiled, market_points)
    room = int(2 * market_points[is_listed].sum())
    wide = bool(np.any(market_points[~is_listed] > 1))
    table = NodeTable(
        np.empty((counts.size, WIDE if wide else NARROW)),
        np.empty((counts.size, 2)),
        np.zeros(counts.size + 1, np.int64),
        np.empty(room, np.int32),
        np.empty(room),
    )
    most = int(2 * counts.max(initial=0))
    _fill_nodes(
        nodes.offsets, nodes.point, nodes.sign, is_listed, compiled.points.kind, points, np.empty(most, np.int32), np.empty(most),
        table.values, table.discounting, table.bucket_offsets, table.bucket_pillar, table.bucket_change,
    )  # fmt: skip
    return table


def _is_listed(compiled: Compiled, market_points: np.ndarray) -> np.ndarray:
    """Which nodes have their buckets in the list: all but those with one point on a curve and those with two on different curves."""
    nodes = compiled.nodes
    is_listed = (market_points < 1) | (market_points > 2)
    pairs = np.flatnonzero(market_points == 2)
    first = nodes.offsets[:-1][pairs]
    curve = compiled.points.curve
    is_listed[pairs] = curve[nodes.point[first]] == curve[nodes.point[first + 1]]  # OWN comes last
    return is_listed


@kernel
@no_type_check
def _fill_nodes(
    offsets, point, sign, is_listed, point_kind, points, pillars, gains, table, discounting, bucket_offsets, bucket_pillar, bucket_change
):
    buckets = 0
    for node in range(offsets.size - 1):
        exponent = tomorrow = rates = rate_time = credit_time = 0.0
        first, end = offsets[node], offsets[node + 1]
        for term in range(first, end):
            p, s = point[term], sign[term]
            exponent += s * points.exponent[p]
            tomorrow += s * points.tomorrow[p]
            if point_kind[p] == _RATE:
                rates += s * points.exponent[p]
                rate_time += s * points.time[p]
            elif point_kind[p] == _HAZARD or point_kind[p] == _OWN:
                credit_time += s * points.time[p]
        factor = np.exp(-exponent)
        table[node, FACTOR] = factor
        table[node, PARALLEL] = factor * np.expm1(-BASIS_POINT * rate_time)
        table[node, CREDIT] = table[node, PARALLEL] if credit_time == rate_time else factor * np.expm1(-BASIS_POINT * credit_time)
        table[node, TOMORROW] = np.exp(-tomorrow)
        discounting[node, EXPONENT] = exponent
        discounting[node, DISCOUNT_FACTOR] = factor if rates == exponent else np.exp(-rates)
        bucket_offsets[node] = buckets
        if is_listed[node]:
            count = collect_buckets(first, end, point, sign, point_kind, points, True, 0, pillars, gains)
            count = collect_buckets(first, end, point, sign, point_kind, points, False, count, pillars, gains)
            table[node, LEFT] = table[node, RIGHT] = table[node, PILLAR] = table[node, POINTS] = 0.0
            for bucket in range(count):
                bucket_pillar[buckets] = pillars[bucket]
                bucket_change[buckets] = factor * np.expm1(-BASIS_POINT * gains[bucket])
                buckets += 1
            continue
        count = 0
        for term in range(first, end):
            p, s = point[term], sign[term]
            if point_kind[p] != _OWN:
                table[node, LEFT + count * SECOND] = factor * np.expm1(-BASIS_POINT * (s * points.gain_left[p]))
                table[node, RIGHT + count * SECOND] = factor * np.expm1(-BASIS_POINT * (s * points.gain_right[p]))
                table[node, PILLAR + count * SECOND] = points.pillar[p]
                count += 1
        table[node, POINTS] = count
    bucket_offsets[offsets.size - 1] = buckets


@kernel
@no_type_check
def collect_buckets(first, end, point, sign, point_kind, points, is_rate, count, pillars, gains):
    """Pillars that a node's points on curves of RATE and INFLATION feel (or, not `is_rate`, on those of SPREAD and HAZARD), increasing, and
    the sums of their gains, beside the `count` that are there; returns how many there are then."""
    for term in range(first, end):
        p = point[term]
        if point_kind[p] != _OWN and (point_kind[p] == _RATE or point_kind[p] == _INFLATION) == is_rate:
            count = _inserted(points.pillar[p], sign[term] * points.gain_left[p], count, pillars, gains)
            count = _inserted(points.pillar[p] + 1, sign[term] * points.gain_right[p], count, pillars, gains)
    return count


@kernel
@no_type_check
def _inserted(pillar, gain, count, pillars, gains):
    """Add a gain to its pillar among the first `count`; returns how many there are then."""
    if gain == 0.0:
        return count
    place = count
    while place > 0 and pillars[place - 1] >= pillar:
        place -= 1
    if place < count and pillars[place] == pillar:
        gains[place] += gain
        return count
    for later in range(count, place, -1):
        pillars[later], gains[later] = pillars[later - 1], gains[later - 1]
    pillars[place], gains[place] = pillar, gain
    return count + 1
