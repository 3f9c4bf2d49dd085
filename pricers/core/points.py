"""One market at the points of a compiled batch: exponents, and how they move with the curve's pillars.

For a point (curve, day) with E = zero rate × time, P = exp(-E). `exp` of exponents is taken at the nodes (`nodes.py`), which are sums of
points.
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int32

from pricers.core.binding import Binding
from pricers.core.compiled import Compiled
from pricers.core.shapes import OWN_ORDER
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import exp, log
from pricers.market.curves import DAYS_PER_YEAR, clock_of, gained, next_segment, segment_gains
from pricers.market.market import CurveKind, Market
from pricers.time.dates import NO_DATE, civil_from_days

_OWN: Final = OWN_ORDER
_RATE: Final = list(CurveKind).index(CurveKind.RATE)
_INFLATION: Final = list(CurveKind).index(CurveKind.INFLATION)


class PointValues(NamedTuple):
    """[point]. Points of curves that the market does not have are NaN."""

    exponent: Float[np.ndarray, " point"]
    tomorrow: Float[np.ndarray, " point"]
    """The exponent a day later: the same curve with a day less to go, which stops at 0. Points of INFLATION stay where they are. At the
    start of a running overnight accrual, a point before the valuation date, it is minus the exponent of the first day."""
    time: Float[np.ndarray, " point"]
    """Years to the point, ACT/365F; 0 for a point before the valuation date."""
    pillar: Int32[np.ndarray, " point"]
    """The left one of the two pillars that the point feels, counted over all curves of the market."""
    gain_left: Float[np.ndarray, " point"]
    """Change of the exponent with the zero rate of `pillar`, years; see `curves.pillar_gains`."""
    gain_right: Float[np.ndarray, " point"]
    """The same for `pillar` + 1."""


def point_values(compiled: Compiled, *, binding: Binding, market: Market) -> PointValues:
    """Evaluate the market at every point."""
    points = compiled.points
    return values_at(points.curve, points.kind, points.day, binding.curve, market=market)


def values_at(curve: np.ndarray, kind: np.ndarray, day: np.ndarray, position: np.ndarray, *, market: Market) -> PointValues:
    """Evaluate the market at points given as in `Points`; `position` is where the market has each curve, -1 for one that it lacks."""
    count = day.size
    values = PointValues(np.empty(count), np.empty(count), np.empty(count), np.zeros(count, np.int32), np.zeros(count), np.zeros(count))
    _fill_points(curve, kind, day, position, np.int64(market.as_of), market.tables, values)
    return values


@kernel
@no_type_check
def _fill_points(point_curve, point_kind, point_day, position, as_of, tables, values):
    last_curve, segment = -1, np.int64(0)
    for point in range(point_day.size):
        day, kind, curve = np.int64(point_day[point]), point_kind[point], np.int64(position[point_curve[point]])
        values.time[point] = day / DAYS_PER_YEAR
        if kind == _OWN:
            values.exponent[point] = values.tomorrow[point] = 0.0
            continue
        if curve < 0:
            values.exponent[point] = values.tomorrow[point] = np.nan
            continue
        if point_curve[point] != last_curve:  # days are in order within a curve
            last_curve, segment = point_curve[point], tables.offsets[curve]
        if day < 0 and (kind != _INFLATION or day == NO_DATE):  # NO_DATE: see SpecialKind.INDEX_RATIO
            left, gain_left, gain_right = segment_gains(np.int64(1), segment, curve, tables)
            earned = gained(left, gain_left, gain_right, curve, tables)
            values.exponent[point], values.time[point], values.tomorrow[point] = 0.0, 0.0, -earned if kind == _RATE else 0.0
            continue
        at = clock_of(day, curve, as_of, tables)
        segment = next_segment(at - 1, segment, curve, tables)
        left, gain_left, gain_right = segment_gains(at - 1, segment, curve, tables)
        before = gained(left, gain_left, gain_right, curve, tables)
        segment = next_segment(at, segment, curve, tables)
        left, gain_left, gain_right = segment_gains(at, segment, curve, tables)
        exponent = gained(left, gain_left, gain_right, curve, tables)
        values.tomorrow[point] = before if day > 0 else 0.0
        if kind == _INFLATION:  # of the deflator: the logarithm of the month's index
            _, month, _ = civil_from_days(as_of + day)
            exponent += log(tables.level[curve, month - 1])
            values.tomorrow[point] = exponent
        values.exponent[point] = exponent
        values.pillar[point] = tables.offsets[curve] + left
        values.gain_left[point], values.gain_right[point] = gain_left, gain_right


@kernel
@no_type_check
def node_exponent(node, offsets, point, sign, exponent):
    """Sum of sign × exponent of a node's points, in canonical order."""
    total = 0.0
    for term in range(offsets[node], offsets[node + 1]):
        total += sign[term] * exponent[point[term]]
    return total


@kernel
@no_type_check
def _fill_factors(offsets, point, sign, exponent, factors):
    for node in range(factors.size):
        factors[node] = exp(-node_exponent(node, offsets, point, sign, exponent))


def node_factors(compiled: Compiled, points: PointValues) -> Float[np.ndarray, " node"]:
    """exp(-exponent) of every node."""
    factors = np.empty(compiled.nodes.anchor.size)
    _fill_factors(compiled.nodes.offsets, compiled.nodes.point, compiled.nodes.sign, points.exponent, factors)
    return factors


def node_exponents(compiled: Compiled, points: PointValues, nodes: slice) -> Float[np.ndarray, " node"]:
    """Exponents of a range of nodes."""
    exponents = np.empty(nodes.stop - nodes.start)
    _fill_exponents(nodes.start, compiled.nodes.offsets, compiled.nodes.point, compiled.nodes.sign, points.exponent, exponents)
    return exponents


@kernel
@no_type_check
def _fill_exponents(first, offsets, point, sign, exponent, exponents):
    for i in range(exponents.size):
        exponents[i] = node_exponent(first + i, offsets, point, sign, exponent)
