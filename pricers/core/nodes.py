"""One market at the nodes of a compiled batch: everything that any measure of any flow needs.

A node is one row of a table, 64 bytes wide where no node has more than one point on a curve, else 128, so that a flow reads one cache line
or two for all its measures. A row holds the buckets of nodes with one point, or with two on different curves; the buckets of any other node
are in a list of their own, where those that several points share are added before the exponential is taken: so a bump stays exact.
"""

from dataclasses import dataclass
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Float, Int32, Int64

from pricers.core.binding import Binding
from pricers.core.compiled import Compiled
from pricers.core.points import point_values
from pricers.core.shapes import OWN_ORDER
from pricers.core.special_values import SpecialValues
from pricers.core.specials import CompiledSpecials
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import exp, expm1, log
from pricers.market.market import CurveKind, Market
from pricers.measures import BASIS_POINT

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
"""Pillar of the first point, counted over all curves of the market; -1 for a node whose buckets are in the list."""
EXPONENT: Final = 7
"""-ln(factor); without a special factor that is not positive."""
SECOND: Final = 4
"""Columns from LEFT, RIGHT and PILLAR of the first point to those of the second, whose PILLAR is -1 where there is none."""
NARROW: Final = 8
WIDE: Final = 16

_RATE: Final = list(CurveKind).index(CurveKind.RATE)
_INFLATION: Final = list(CurveKind).index(CurveKind.INFLATION)
_HAZARD: Final = list(CurveKind).index(CurveKind.HAZARD)
_OWN: Final = OWN_ORDER


@dataclass(frozen=True)
class NodeTable:
    """The market at every node. Nodes of curve sets that lack a curve are NaN."""

    values: Float[np.ndarray, "node column"]
    """Columns FACTOR to EXPONENT, and where the table is wide those of a second point."""
    discount_factor: Float[np.ndarray, " node"]
    """Of the points of RATE alone."""
    bucket_offsets: Int64[np.ndarray, " node_plus_one"]
    """Buckets of the nodes whose PILLAR is -1."""
    bucket_pillar: Int32[np.ndarray, " bucket"]
    """Increasing within a node."""
    bucket_change: Float[np.ndarray, " bucket"]
    """Change of the factor for +1 bp on the pillar."""


def node_table(compiled: Compiled, *, binding: Binding, market: Market) -> NodeTable:
    """Evaluate the market at every node."""
    points, nodes = point_values(compiled, binding=binding, market=market), compiled.nodes
    counts, is_listed = np.diff(nodes.offsets), nodes.points_in_row == 0
    room = int(2 * counts[is_listed].sum())
    wide = bool(np.any(nodes.points_in_row > 1))
    table = NodeTable(
        np.empty((counts.size, WIDE if wide else NARROW)),
        np.empty(counts.size),
        np.zeros(counts.size + 1, np.int64),
        np.empty(room, np.int32),
        np.empty(room),
    )
    most = int(2 * counts.max(initial=0))
    _fill_nodes(
        nodes.offsets, nodes.point, nodes.sign, nodes.points_in_row, compiled.points.kind, points, np.empty(most, np.int32), np.empty(most),
        table.values, table.discount_factor, table.bucket_offsets, table.bucket_pillar, table.bucket_change,
    )  # fmt: skip
    return table if compiled.specials is None else _with_specials(table, compiled.specials, market)


def _with_specials(table: NodeTable, compiled: CompiledSpecials, market: Market) -> NodeTable:
    """Multiply nodes by their special factors, which they have as listed nodes: buckets that both move are added before."""
    specials = compiled.specials
    values = SpecialValues(specials, market=market)
    bumps = values.bumps()
    special_of_node = np.full(table.discount_factor.size, -1, np.int32)
    special_of_node[compiled.node] = compiled.special
    more = int(np.diff(bumps.offsets)[compiled.special].sum())
    room = int(table.bucket_offsets[-1]) + more
    offsets, pillar, change = np.empty_like(table.bucket_offsets), np.empty(room, np.int32), np.empty(room)
    _multiply_nodes(
        special_of_node, specials.rate_count, values.today, values.tomorrow, bumps, table.bucket_offsets, table.bucket_pillar,
        table.bucket_change, table.values, table.discount_factor, np.zeros(room), offsets, pillar, change,
    )  # fmt: skip
    return NodeTable(table.values, table.discount_factor, offsets, pillar, change)


@kernel
@no_type_check
def _multiply_nodes(
    special_of_node, rate_count, today, tomorrow, bumps, given, given_pillar, given_change, table, discount_factor, added, offsets, pillar,
    change,
):  # fmt: skip
    """A bump changes node × special by their changes a, b as a × special + node × b + a × b."""
    at = 0
    for node in range(special_of_node.size):
        offsets[node] = first = at
        for bucket in range(given[node], given[node + 1]):
            pillar[at], change[at] = given_pillar[bucket], given_change[bucket]
            at += 1
        special = special_of_node[node]
        if special < 0:
            continue
        factor, by = table[node, FACTOR], today[special]
        for bucket in range(bumps.offsets[special], bumps.offsets[special + 1]):
            found = first
            while found < at and pillar[found] != bumps.pillar[bucket]:
                found += 1
            if found == at:
                pillar[at], change[at] = bumps.pillar[bucket], 0.0
                at += 1
            added[found] = (factor + change[found]) * bumps.change[bucket]
        for bucket in range(first, at):
            change[bucket] = change[bucket] * by + added[bucket]
        up, wider = table[node, PARALLEL], table[node, CREDIT]
        table[node, PARALLEL] = up * by + (factor + up) * bumps.parallel[special]
        table[node, CREDIT] = wider * by + (factor + wider) * bumps.credit[special]
        table[node, FACTOR] = factor * by
        table[node, TOMORROW] *= tomorrow[special]
        table[node, EXPONENT] -= log(by) if by > 0.0 else 0.0
        if special < rate_count:
            discount_factor[node] *= by
    offsets[special_of_node.size] = at


@kernel
@no_type_check
def _fill_nodes(
    offsets, point, sign, points_in_row, point_kind, points, pillars, gains, table, discount_factor, bucket_offsets, bucket_pillar,
    bucket_change,
):  # fmt: skip
    buckets = 0
    for node in range(offsets.size - 1):
        exponent = tomorrow = rates = rate_time = credit_time = left = right = second_left = second_right = 0.0
        pillar = second_pillar = -1
        first, end = offsets[node], offsets[node + 1]
        for term in range(first, end):
            p, s = point[term], sign[term]
            kind = point_kind[p]
            if kind == _OWN:  # its exponent is 0
                credit_time += s * points.time[p]
                continue
            exponent += s * points.exponent[p]
            tomorrow += s * points.tomorrow[p]
            if kind in (_RATE, _INFLATION):
                rates += s * points.exponent[p]
            if kind == _RATE:
                rate_time += s * points.time[p]
            elif kind == _HAZARD:
                credit_time += s * points.time[p]
            if pillar < 0:
                pillar, left, right = points.pillar[p], s * points.gain_left[p], s * points.gain_right[p]
            else:
                second_pillar, second_left, second_right = points.pillar[p], s * points.gain_left[p], s * points.gain_right[p]
        factor = exp(-exponent)
        table[node, FACTOR] = factor
        table[node, PARALLEL] = factor * expm1(-BASIS_POINT * rate_time)
        table[node, CREDIT] = table[node, PARALLEL] if credit_time == rate_time else factor * expm1(-BASIS_POINT * credit_time)
        table[node, TOMORROW] = exp(-tomorrow)
        table[node, EXPONENT] = exponent
        discount_factor[node] = factor if rates == exponent else exp(-rates)
        bucket_offsets[node] = buckets
        if points_in_row[node] == 0:
            count = collect_buckets(first, end, point, sign, point_kind, points, True, 0, pillars, gains)
            count = collect_buckets(first, end, point, sign, point_kind, points, False, count, pillars, gains)
            table[node, LEFT] = table[node, RIGHT] = 0.0
            table[node, PILLAR] = -1.0
            for bucket in range(count):
                bucket_pillar[buckets] = pillars[bucket]
                bucket_change[buckets] = factor * expm1(-BASIS_POINT * gains[bucket])
                buckets += 1
            continue
        table[node, LEFT] = factor * expm1(-BASIS_POINT * left)
        table[node, RIGHT] = factor * expm1(-BASIS_POINT * right)
        table[node, PILLAR] = pillar
        if table.shape[1] > NARROW:
            table[node, PILLAR + SECOND] = second_pillar
            if second_pillar >= 0:
                table[node, LEFT + SECOND] = factor * expm1(-BASIS_POINT * second_left)
                table[node, RIGHT + SECOND] = factor * expm1(-BASIS_POINT * second_right)
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
