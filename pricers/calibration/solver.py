"""Newton's method for a block of curves, and the chord method for many scenarios of its quotes.

With y all zero rates at the knots of all curves, G the constant matrix of gains and F the nodes' factors,

    F = exp(-G y)      q(y) = -(fixed F) / (per_quote F)      dq/dy = (fixed + q per_quote) diag(F) G / (per_quote F).

Nodes are kept as F - 1 and the sums of `fixed` and `per_quote` apart, which keeps the digits of instruments of a few days. The constants
`fixed`, `per_quote` and G depend on dates alone. The gains of a block's own knots are kept apart from those of curves solved before, whose
part of the exponents is constant within the block. Sums run in a fixed order, so that equal quotes give equal bits on every machine.
"""

from typing import NamedTuple, no_type_check

import numpy as np

from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import expm1


class Gains(NamedTuple):
    """Exponents of nodes as sparse rows: node n has entries offsets[n]:offsets[n + 1]."""

    offsets: np.ndarray
    """int64[node + 1]."""
    knot: np.ndarray
    """int64[entry]: number of the knot, over all curves in the order of their solution."""
    gain: np.ndarray
    """float64[entry]: years."""


class Flows(NamedTuple):
    """Flows of a block's instruments in the order of its pillars: instrument i has flows offsets[i]:offsets[i + 1]."""

    offsets: np.ndarray
    """int64[instrument + 1]."""
    node: np.ndarray
    """int64[flow]."""
    fixed: np.ndarray
    """float64[flow]."""
    per_quote: np.ndarray
    """float64[flow]."""
    fixed_sum: np.ndarray
    """float64[instrument]: sum of the instrument's `fixed`."""
    per_quote_sum: np.ndarray
    """float64[instrument]."""


@kernel
@no_type_check
def exponents(gains, zero_rates, out):
    """G y, for float64[knot] to float64[node]."""
    for n in range(out.size):
        total = 0.0
        for k in range(gains.offsets[n], gains.offsets[n + 1]):
            total += gains.gain[k] * zero_rates[gains.knot[k]]
        out[n] = total


@kernel
@no_type_check
def par_quotes(flows, own, solved_exponent, zero_rates, first_knot, level, quote, jacobian):
    """Quotes at par, and their derivatives by the block's own knots.

    Args:
        flows, own: the block's flows, and the gains of its own knots.
        solved_exponent: float64[node]: what curves solved before give.
        zero_rates: float64[knot of all curves].
        first_knot: the block's first.
        level, quote, jacobian: float64 out: F - 1 of [node], [instrument], [instrument, own knot].
    """
    for n in range(level.size):
        total = solved_exponent[n]
        for k in range(own.offsets[n], own.offsets[n + 1]):
            total += own.gain[k] * zero_rates[own.knot[k]]
        level[n] = expm1(-total)
    for i in range(quote.size):
        top, bottom = flows.fixed_sum[i], flows.per_quote_sum[i]
        for f in range(flows.offsets[i], flows.offsets[i + 1]):
            top += flows.fixed[f] * level[flows.node[f]]
            bottom += flows.per_quote[f] * level[flows.node[f]]
        quote[i] = -top / bottom
        jacobian[i] = 0.0
        add_derivatives(flows, own, level, i, quote[i], bottom, first_knot, jacobian[i])


@kernel
@no_type_check
def add_derivatives(flows, gains, level, instrument, quote, bottom, first_knot, row):
    """Add to one row of dq/dy, of knots from `first_knot` on."""
    for f in range(flows.offsets[instrument], flows.offsets[instrument + 1]):
        n = flows.node[f]
        weight = (flows.fixed[f] + quote * flows.per_quote[f]) * (1.0 + level[n]) / bottom
        for k in range(gains.offsets[n], gains.offsets[n + 1]):
            row[gains.knot[k] - first_knot] += weight * gains.gain[k]


@kernel
@no_type_check
def add_all_derivatives(flows, own, solved, zero_rates, level, out):
    """dq/dy by the knots of all curves, float64[instrument, knot]; `level` is a buffer, float64[node]."""
    for n in range(level.size):
        total = 0.0
        for k in range(solved.offsets[n], solved.offsets[n + 1]):
            total += solved.gain[k] * zero_rates[solved.knot[k]]
        for k in range(own.offsets[n], own.offsets[n + 1]):
            total += own.gain[k] * zero_rates[own.knot[k]]
        level[n] = expm1(-total)
    for i in range(out.shape[0]):
        top, bottom = flows.fixed_sum[i], flows.per_quote_sum[i]
        for f in range(flows.offsets[i], flows.offsets[i + 1]):
            top += flows.fixed[f] * level[flows.node[f]]
            bottom += flows.per_quote[f] * level[flows.node[f]]
        out[i] = 0.0
        add_derivatives(flows, own, level, i, -top / bottom, bottom, 0, out[i])
        add_derivatives(flows, solved, level, i, -top / bottom, bottom, 0, out[i])


@kernel
@no_type_check
def eliminate(matrix, right):
    """Solve matrix × x = right in place by Gauss elimination with row pivots: `right` float64[row, column] becomes x.

    Returns:
        -1, or the first row whose pivot is zero to rounding, where no solution is found.
    """
    size = matrix.shape[0]
    for k in range(size):
        pivot = k
        for i in range(k + 1, size):
            if abs(matrix[i, k]) > abs(matrix[pivot, k]):
                pivot = i
        if not abs(matrix[pivot, k]) > 1e-14:
            return k
        if pivot != k:
            _swap_rows(matrix, k, pivot)
            _swap_rows(right, k, pivot)
        for i in range(k + 1, size):
            ratio = matrix[i, k] / matrix[k, k]
            if ratio != 0.0:
                _subtract(matrix[i], matrix[k], ratio)
                _subtract(right[i], right[k], ratio)
    for k in range(size - 1, -1, -1):
        for i in range(k + 1, size):
            if matrix[k, i] != 0.0:
                _subtract(right[k], right[i], matrix[k, i])
        for c in range(right.shape[1]):
            right[k, c] /= matrix[k, k]
    return -1


@kernel
@no_type_check
def _swap_rows(matrix, i, j):
    for c in range(matrix.shape[1]):
        matrix[i, c], matrix[j, c] = matrix[j, c], matrix[i, c]


@kernel
@no_type_check
def _subtract(row, other, ratio):
    for c in range(row.size):
        row[c] -= ratio * other[c]


@kernel
@no_type_check
def product(left, right, out):
    """out = left × right, in a fixed order of additions."""
    for i in range(left.shape[0]):
        row = out[i]
        row[:] = 0.0
        for k in range(left.shape[1]):
            if left[i, k] != 0.0:
                _subtract(row, right[k], -left[i, k])


@kernel
@no_type_check
def scenario_exponents(gains, zero_rates, out):
    """G y of every scenario: float64[knot, scenario] to float64[node, scenario]."""
    for n in range(out.shape[0]):
        row = out[n]
        row[:] = 0.0
        for k in range(gains.offsets[n], gains.offsets[n + 1]):
            _subtract(row, zero_rates[gains.knot[k]], -gains.gain[k])


@kernel
@no_type_check
def chord(flows, own, solved_exponent, inverse, target, first_knot, zero_rates, tolerance, level, top, bottom, move, iterations_max):
    """Move the block's zero rates until all scenarios of a tile meet their quotes, by today's inverse Jacobian.

    Args:
        flows, own: as of `par_quotes`.
        solved_exponent: float64[node, scenario].
        inverse: float64[own knot, instrument]: today's (dq/dy)^-1.
        target: float64[instrument, scenario]: par rates.
        zero_rates: float64[knot of all curves, scenario], in and out; the block's are from first_knot on.
        tolerance: largest move of the last iteration.
        level, top, bottom, move: float64 buffers: [node, scenario], and three of [instrument, scenario].
    Returns:
        Iterations, or -1 where iterations_max are not enough.
    """
    for iteration in range(iterations_max):
        for n in range(level.shape[0]):
            row = level[n]
            _copy(solved_exponent[n], row)
            for k in range(own.offsets[n], own.offsets[n + 1]):
                _subtract(row, zero_rates[own.knot[k]], -own.gain[k])
            _expm1_of_minus(row)
        for i in range(top.shape[0]):
            up, down = top[i], bottom[i]
            up[:] = flows.fixed_sum[i]
            down[:] = flows.per_quote_sum[i]
            for f in range(flows.offsets[i], flows.offsets[i + 1]):
                row = level[flows.node[f]]
                if flows.fixed[f] != 0.0:
                    _subtract(up, row, -flows.fixed[f])
                if flows.per_quote[f] != 0.0:
                    _subtract(down, row, -flows.per_quote[f])
            _add_quotient(up, down, target[i])
        product(inverse, top, move)
        largest = 0.0
        for i in range(move.shape[0]):
            largest = max(largest, _moved(zero_rates[first_knot + i], move[i]))
        if largest < tolerance:
            return iteration + 1
        if largest > 1e3:
            return -1
    return -1


@kernel
@no_type_check
def _copy(source, row):
    for s in range(row.size):
        row[s] = source[s]


@kernel
@no_type_check
def _expm1_of_minus(row):
    for s in range(row.size):
        row[s] = expm1(-row[s])


@kernel
@no_type_check
def _add_quotient(up, down, target):
    """up = target - quote at par, which is -up / down."""
    for s in range(up.size):
        up[s] = target[s] + up[s] / down[s]


@kernel
@no_type_check
def _moved(row, move):
    largest = 0.0
    for s in range(row.size):
        row[s] += move[s]
        size = abs(move[s])
        size = size if size < np.inf else np.inf  # NaN too, so that it is the largest
        largest = max(largest, size)
    return largest
