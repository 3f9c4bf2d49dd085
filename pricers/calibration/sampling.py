"""Curves whose interpolation feels more than two pillars, sampled at many knots between which the discount factor is log-linear.

The knots are the curve: instruments are priced on them, so that they reprice exactly. Sampling costs smoothness alone: forward rates are
steps of a day, a week or a month.

References:
    [1] J. M. Hyman (1983), Accurate monotonicity preserving cubic interpolation, SIAM J. Sci. Stat. Comput. 4, 645-654.
    [2] QuantLib, ql/math/interpolations/cubicinterpolation.hpp (MonotonicLogCubic: natural spline with Hyman's filter).
"""

from typing import Final, no_type_check

import numpy as np

from pricers.kernels.jit import kernel

DAILY_TO: Final = 730
WEEKLY_TO: Final = 3650
MONTH_DAYS: Final = 30
BUMP: Final = 1e-6  # of the difference quotients that Newton's method uses for sampled curves


def sampled_days(pillar_days: np.ndarray) -> np.ndarray:
    """int64[knot]: where a cubic is sampled: daily to 2 years, weekly to 10, then every 30 days to the last pillar, and at all pillars."""
    last = int(pillar_days[-1])
    regular = [*range(1, DAILY_TO), *range(DAILY_TO, WEEKLY_TO, 7), *range(WEEKLY_TO, last, MONTH_DAYS)]
    return np.unique(np.concatenate([np.array(regular, np.int64)[np.array(regular) < last], pillar_days]))


def sample(pillar_days: np.ndarray, zero_rates: np.ndarray, knot_days: np.ndarray) -> np.ndarray:
    """Zero rates at the knots, float64[knot], of the monotone cubic of -ln(discount factor) through 0 and the pillars."""
    days = np.concatenate([[0.0], pillar_days.astype(np.float64)])
    values = np.concatenate([[0.0], zero_rates * days[1:]])
    slopes, out = np.empty(days.size), np.empty(knot_days.size)
    _natural_slopes(days, values, np.empty(days.size), slopes)
    _filter(days, values, slopes)
    _evaluate(days, values, slopes, knot_days.astype(np.float64), out)
    rates: np.ndarray = out / knot_days
    return rates


def sample_derivatives(pillar_days: np.ndarray, zero_rates: np.ndarray, knot_days: np.ndarray) -> np.ndarray:
    """float64[knot, pillar]: central difference quotients of `sample`."""
    out = np.empty((knot_days.size, pillar_days.size))
    for pillar in range(pillar_days.size):
        up, down = zero_rates.copy(), zero_rates.copy()
        up[pillar] += BUMP
        down[pillar] -= BUMP
        out[:, pillar] = (sample(pillar_days, up, knot_days) - sample(pillar_days, down, knot_days)) / (2.0 * BUMP)
    return out


@kernel
@no_type_check
def _natural_slopes(days, values, ratio, slopes):
    """First derivatives of the spline whose second derivative is 0 at both ends; `ratio` is a buffer, `slopes` is out."""
    last = days.size - 1
    ratio[0] = 0.5
    slopes[0] = 1.5 * (values[1] - values[0]) / (days[1] - days[0])
    for i in range(1, last):
        left, right = days[i] - days[i - 1], days[i + 1] - days[i]
        diagonal = 2.0 * (left + right) - right * ratio[i - 1]
        wanted = 3.0 * (right * (values[i] - values[i - 1]) / left + left * (values[i + 1] - values[i]) / right)
        ratio[i] = left / diagonal
        slopes[i] = (wanted - right * slopes[i - 1]) / diagonal
    wanted = 3.0 * (values[last] - values[last - 1]) / (days[last] - days[last - 1])
    slopes[last] = (wanted - slopes[last - 1]) / (2.0 - ratio[last - 1])
    for i in range(last - 1, -1, -1):
        slopes[i] -= ratio[i] * slopes[i + 1]


@kernel
@no_type_check
def _filter(days, values, slopes):
    """Hyman's filter [1], with the wider bounds of its extension where the data are convex or concave on one side."""
    last = days.size - 1
    for i in range(days.size):
        if i == 0 or i == last:
            at = 0 if i == 0 else last - 1
            chord = (values[at + 1] - values[at]) / (days[at + 1] - days[at])
            slopes[i] = _bounded(slopes[i], chord, 3.0 * abs(chord))
            continue
        left, right = days[i] - days[i - 1], days[i + 1] - days[i]
        before, after = (values[i] - values[i - 1]) / left, (values[i + 1] - values[i]) / right
        middle = (before * right + after * left) / (left + right)
        bound = 3.0 * min(abs(before), abs(after), abs(middle))
        if i > 1:
            far = days[i - 1] - days[i - 2]
            earlier = (values[i - 1] - values[i - 2]) / far
            down = (before * (2.0 * left + far) - earlier * left) / (far + left)
            if (before - earlier) * (after - before) > 0.0 and middle * down > 0.0 and middle * (before - earlier) > 0.0:
                bound = max(bound, 1.5 * min(abs(middle), abs(down)))
        if i < last - 1:
            far = days[i + 2] - days[i + 1]
            later = (values[i + 2] - values[i + 1]) / far
            up = (after * (2.0 * right + far) - later * right) / (right + far)
            if (after - before) * (later - after) > 0.0 and middle * up > 0.0 and -middle * (after - before) > 0.0:
                bound = max(bound, 1.5 * min(abs(middle), abs(up)))
        slopes[i] = _bounded(slopes[i], middle, bound)


@kernel
@no_type_check
def _bounded(slope, chord, bound):
    if slope * chord <= 0.0:
        return 0.0
    return min(slope, bound) if slope > 0.0 else max(slope, -bound)


@kernel
@no_type_check
def _evaluate(days, values, slopes, knots, out):
    """Hermite's cubic on each segment; `knots` increase and do not pass the last pillar."""
    low = 0
    for k in range(knots.size):
        while low + 2 < days.size and days[low + 1] < knots[k]:
            low += 1
        width = days[low + 1] - days[low]
        u = (knots[k] - days[low]) / width
        chord = (values[low + 1] - values[low]) / width
        part = u * (slopes[low] * (1.0 - u) * (1.0 - u) - slopes[low + 1] * u * (1.0 - u) + chord * u * (3.0 - 2.0 * u))
        out[k] = values[low] + width * part
