"""Kernels of special factors on one curve: products and averages of growth, and ratios of price indices.

What the factors are is in `flows/special_factors.py`, how their changes keep their digits in `special_values.py`.
"""

from typing import Final, no_type_check

from pricers.flows.special_factors import SpecialKind
from pricers.kernels.jit import kernel, vector_kernel
from pricers.kernels.vector_math import exp, expm1
from pricers.measures import BASIS_POINT

_RFR_PRODUCT: Final = int(SpecialKind.RFR_PRODUCT)
_INDEX_RATIO: Final = int(SpecialKind.INDEX_RATIO)


@kernel
@no_type_check
def fill_growth(count, kind, constant, offsets, start, end, weight, addend, exponent, values):
    """Factors of the first `count` specials, from exponents of points."""
    for special in range(count):
        if kind[special] == _INDEX_RATIO:
            above, below = _index_sums(special, offsets, start, end, weight, addend, exponent)
            values[special] = max(constant[special], above / below)
            continue
        is_product = kind[special] == _RFR_PRODUCT
        value = constant[special]
        for entry in range(offsets[special], offsets[special + 1]):
            growth = weight[entry] * expm1(exponent[end[entry]] - exponent[start[entry]]) + addend[entry]
            value = value * (1.0 + growth) if is_product else value + growth
        values[special] = value


@kernel
@no_type_check
def _index_sums(special, offsets, start, end, weight, addend, exponent):
    """Σ weight × I(end) and Σ addend × I(start)."""
    above = below = 0.0
    for entry in range(offsets[special], offsets[special + 1]):
        above += weight[entry] * exp(exponent[end[entry]])
        below += addend[entry] * exp(exponent[start[entry]])
    return above, below


@vector_kernel
@no_type_check
def _floored_change(ratio, floor, change):
    """Change of max(floor, ratio)."""
    if ratio > floor and ratio + change > floor:
        return change
    return max(floor, ratio + change) - max(floor, ratio)


@kernel
@no_type_check
def _bump_index(special, floor, offsets, start, end, weight, addend, points, pillar):
    """Change of an INDEX_RATIO for +1 bp on a pillar."""
    above, below = _index_sums(special, offsets, start, end, weight, addend, points.exponent)
    more_above = more_below = 0.0
    for entry in range(offsets[special], offsets[special + 1]):
        move = expm1(BASIS_POINT * _gain(points, end[entry], pillar))
        more_above += weight[entry] * exp(points.exponent[end[entry]]) * move
        move = expm1(BASIS_POINT * _gain(points, start[entry], pillar))
        more_below += addend[entry] * exp(points.exponent[start[entry]]) * move
    ratio = above / below
    return _floored_change(ratio, floor, (more_above - ratio * more_below) / (below + more_below))


@vector_kernel
@no_type_check
def _coefficient_of(is_product, entry, start, end, weight, addend, exponent):
    """What e^Δ - 1 of an entry's growth is multiplied by: relative to 1 + entry in a product."""
    gain = expm1(exponent[end[entry]] - exponent[start[entry]])
    slope = weight[entry] * (1.0 + gain)
    return slope / (1.0 + weight[entry] * gain + addend[entry]) if is_product else slope


@kernel
@no_type_check
def fill_coefficients(kind, offsets, start, end, weight, addend, exponent, coefficient, below):
    """Of INDEX_RATIO: what stands above and below the fraction's line."""
    for i in range(kind.size):
        for entry in range(offsets[i], offsets[i + 1]):
            if kind[i] == _INDEX_RATIO:
                coefficient[entry] = weight[entry] * exp(exponent[end[entry]])
                below[entry] = addend[entry] * exp(exponent[start[entry]])
            else:
                coefficient[entry] = _coefficient_of(kind[i] == _RFR_PRODUCT, entry, start, end, weight, addend, exponent)


@kernel
@no_type_check
def _with_change(change, more, is_product):
    return change + more + change * more if is_product else change + more


@kernel
@no_type_check
def _gain(points, point, pillar):
    """Change of a point's exponent with a pillar's rate."""
    if points.pillar[point] == pillar:
        return points.gain_left[point]
    return points.gain_right[point] if points.pillar[point] + 1 == pillar else 0.0


@kernel
@no_type_check
def bump_growth(
    count, kind, constant, offsets, start, end, weight, addend, points, today, coefficient, pillars, parallel, room, pillar, change, found
):
    """`coefficient` and `pillars` have room for the entries of one special."""
    for special in range(count):
        is_product, is_index = kind[special] == _RFR_PRODUCT, kind[special] == _INDEX_RATIO
        first, last = offsets[special], offsets[special + 1]
        up, buckets, at = 0.0, 0, room[special]
        for entry in range(first, last):
            if not is_index:
                slope = _coefficient_of(is_product, entry, start, end, weight, addend, points.exponent)
                coefficient[entry - first] = slope
                up = _with_change(up, slope * expm1(BASIS_POINT * (points.time[end[entry]] - points.time[start[entry]])), is_product)
            buckets = _noted(points, start[entry], at, buckets, pillar)
            buckets = _noted(points, end[entry], at, buckets, pillar)
        scale = today[special] if is_product else 1.0
        parallel[special] = scale * up
        for bucket in range(at, at + buckets):
            if is_index:
                change[bucket] = _bump_index(special, constant[special], offsets, start, end, weight, addend, points, pillar[bucket])
                continue
            up = 0.0
            for entry in range(first, last):
                gain = _gain(points, end[entry], pillar[bucket]) - _gain(points, start[entry], pillar[bucket])
                if gain != 0.0:
                    up = _with_change(up, coefficient[entry - first] * expm1(BASIS_POINT * gain), is_product)
            change[bucket] = scale * up
        found[special] = buckets


@kernel
@no_type_check
def _noted(points, point, at, count, pillar):
    """Insert the pillars that a point feels among the `count` from `at` on, increasing; returns how many there are then."""
    if points.gain_left[point] != 0.0:
        count = _inserted(points.pillar[point], at, count, pillar)
    if points.gain_right[point] != 0.0:
        count = _inserted(points.pillar[point] + 1, at, count, pillar)
    return count


@kernel
@no_type_check
def _inserted(number, at, count, pillar):
    place = at + count
    while place > at and pillar[place - 1] >= number:
        place -= 1
    if place < at + count and pillar[place] == number:
        return count
    for later in range(at + count, place, -1):
        pillar[later] = pillar[later - 1]
    pillar[place] = number
    return count + 1


@kernel
@no_type_check
def fill_moves(points, pillar, gain_left, gain_right, shifts, moves):
    """What shifts of pillars, float64[pillar + 1, state], add to the exponents of some points: float64[point, state]."""
    for i in range(points.size):
        point = points[i]
        low, high, line = shifts[pillar[point]], shifts[pillar[point] + 1], moves[i]
        left, right = gain_left[point], gain_right[point]
        for state in range(line.size):
            line[state] = left * low[state] + right * high[state]


@kernel
@no_type_check
def change_growth(lines, kind, floor, today, offsets, start, end, coefficient, below, moves, scratches, changes):
    """Changes of the factors `lines` in each state: float64[line, state]. `scratches` is float64[2, state]."""
    for i in range(lines.size):
        out, scratch = changes[lines[i]], scratches[0]
        if kind[i] == _INDEX_RATIO:
            _change_index(i, floor, offsets, start, end, coefficient, below, moves, scratches, out)
            continue
        is_product = kind[i] == _RFR_PRODUCT
        scratch[:] = 0.0
        for entry in range(offsets[i], offsets[i + 1]):
            before, after, slope = moves[start[entry]], moves[end[entry]], coefficient[entry]
            if is_product:
                for state in range(scratch.size):
                    more = slope * expm1(after[state] - before[state])
                    scratch[state] = scratch[state] + more + scratch[state] * more
            else:
                for state in range(scratch.size):
                    scratch[state] += slope * expm1(after[state] - before[state])
        scale = today[lines[i]] if is_product else 1.0
        for state in range(scratch.size):
            out[state] = scale * scratch[state]


@vector_kernel
@no_type_check
def _change_index(i, floor, offsets, start, end, coefficient, below, moves, scratches, out):
    """Changes of an INDEX_RATIO in all states."""
    more_above, more_below = scratches[0], scratches[1]
    scratches[:] = 0.0
    above = under = 0.0
    for entry in range(offsets[i], offsets[i + 1]):
        above += coefficient[entry]
        under += below[entry]
        for state in range(out.size):
            more_above[state] += coefficient[entry] * expm1(moves[end[entry], state])
            more_below[state] += below[entry] * expm1(moves[start[entry], state])
    ratio = above / under
    for state in range(out.size):
        out[state] = _floored_change(ratio, floor[i], (more_above[state] - ratio * more_below[state]) / (under + more_below[state]))
