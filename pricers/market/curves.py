"""Curve interpolation at whole days, written so that every bump is exact.

Both interpolations make the logarithm of the discount factor linear in the zero rates of at most two pillars:

    ln DF(day) = -(gain_left × zero_rate[left] + gain_right × zero_rate[left + 1])

with gains in years that depend on the day and the pillar days alone. So the bump of one pillar multiplies a discount factor by
`exp(-bump × gain)`, exactly and without interpolating again, and the gains of a day add up to its time: a parallel bump multiplies
by `exp(-bump × day / 365)`.

On a curve of INFLATION, months from the base month take the place of days and 12 that of 365: `day` is then what `clock_of` gives.
"""

from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int

from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import exp_of
from pricers.market.market import DAYS_PER_YEAR as DAYS_PER_YEAR
from pricers.market.market import NO_MONTH, Curve, CurveTables, curve_tables
from pricers.time.dates import civil_from_days


@kernel
@no_type_check
def clock_of(day, curve, as_of, tables):
    """A day after the valuation date on the curve's clock: the day itself, or the months from the base month to that of the day."""
    if tables.base_month[curve] == NO_MONTH:
        return day
    year, month, _ = civil_from_days(as_of + day)
    return year * 12 + month - 1 - tables.base_month[curve]


@kernel
@no_type_check
def pillar_gains(day, curve, tables):
    """The two pillars that a day feels, and how much: (left pillar, gain_left, gain_right), gains in years.

    `day` is on the curve's clock; `left` counts from the curve's first pillar; `gain_right` belongs to left + 1 and is 0
    for a curve of one pillar.
    """
    first, last = tables.offsets[curve], tables.offsets[curve + 1] - 1
    low, high = first, last
    while high - low > 1:  # binary search for the segment
        middle = (low + high) // 2
        if tables.pillar_days[middle] < day:
            low = middle
        else:
            high = middle
    return segment_gains(day, low, curve, tables)


@kernel
@no_type_check
def next_segment(day, low, curve, tables):
    """`low` of `segment_gains` for a day not before the one that the given `low` belongs to: for days in order, without a search."""
    last = tables.offsets[curve + 1] - 1
    while low + 1 < last and tables.pillar_days[low + 1] < day:
        low += 1
    return low


@kernel
@no_type_check
def segment_gains(day, low, curve, tables):
    """`pillar_gains` where the segment is known: `low` is the last pillar of all before the day that has another one to its right."""
    first, last = tables.offsets[curve], tables.offsets[curve + 1] - 1
    pillar_days = tables.pillar_days
    per_year = tables.per_year[curve]
    time = day / per_year
    if day <= pillar_days[first] or last == first:
        return 0, time, 0.0
    left = low - first
    weight = (day - pillar_days[low]) / (pillar_days[low + 1] - pillar_days[low])
    if tables.log_linear[curve]:  # past the last pillar the last forward rate goes on: weight exceeds 1
        left_time = pillar_days[low] / per_year
        right_time = pillar_days[low + 1] / per_year
        return left, (1.0 - weight) * left_time, weight * right_time
    if weight >= 1.0:  # past the last pillar its zero rate is held
        return left, 0.0, time
    return left, (1.0 - weight) * time, weight * time


@kernel
@no_type_check
def rate_time(day, curve, tables):
    """Zero rate × time, that is -ln(discount factor), of a curve on a day of its clock."""
    left, gain_left, gain_right = pillar_gains(day, curve, tables)
    return gained(left, gain_left, gain_right, curve, tables)


@kernel
@no_type_check
def gained(left, gain_left, gain_right, curve, tables):
    """Zero rate × time from the result of `pillar_gains`."""
    at = tables.offsets[curve] + left
    result = gain_left * tables.zero_rates[at]
    if gain_right != 0.0:
        result += gain_right * tables.zero_rates[at + 1]
    return result


@kernel
@no_type_check
def _rate_times(days, tables, out):
    for i in range(days.size):
        out[i] = rate_time(days[i], 0, tables)


def discount_factors(curve: Curve, *, days: Int[np.ndarray, " day"]) -> Float[np.ndarray, " day"]:
    """Discount factors of one curve.

    >>> from pricers.market.market import CurveKind
    >>> curve = Curve("EUR", CurveKind.RATE, "EUR", "LINEAR_ZERO", ("1Y",), np.array([365], np.int32), np.array([0.03]))
    >>> discount_factors(curve, days=np.array([0, 365])).round(6).tolist()
    [1.0, 0.970446]

    Args:
        curve: of any kind but INFLATION; of a spread curve these are its factors alone.
        days: days after the valuation date, at least 0.
    Returns:
        float64[day].
    Raises:
        ValueError: a day before the valuation date, or a curve of INFLATION, which has an index level a month instead.
    """
    if curve.base is not None:
        raise ValueError(f"curve {curve.name!r} is of INFLATION, which has no discount factors")
    if np.any(days < 0):
        raise ValueError(f"curve {curve.name!r} has no discount factor {-int(days.min())} days before the valuation date")
    exponent = np.empty(days.size)
    tables: CurveTables = curve_tables((curve,))
    _rate_times(days.astype(np.int64), tables, exponent)
    return exp_of(-exponent)
