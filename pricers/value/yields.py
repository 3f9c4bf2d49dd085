"""Prices, yields, durations and z-spreads on the settlement date, for products with one leg.

The yield y compounds N times a year on the contract's own day count: a flow at time t is worth (1 + y/N)^(-N t) = exp(-k t). The
solver works in the force k = N ln(1 + y/N) and on the logarithm of the price, in which flows of one sign make a convex function, so
Newton's method cannot overshoot twice; other flows fall back to a bracket.

References:
    [1] QuantLib, ql/cashflows/cashflows.cpp (npv, duration and convexity at a yield; times step from flow to flow).
    [2] ql/pricingengines/bond/bondfunctions.cpp (prices on the settlement date).
"""

from typing import Final, no_type_check

import numpy as np

from pricers.core.compiled import Compiled
from pricers.core.nodes import EXPONENT, FACTOR, NodeTable
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import exp, expm1, log
from pricers.market.curves import DAYS_PER_YEAR
from pricers.market.market import CurveKind
from pricers.measures import Measure
from pricers.status import RowStatus

YIELD_MEASURES: Final = frozenset(
    {
        Measure.CLEAN_PRICE,
        Measure.DIRTY_PRICE,
        Measure.ACCRUED_INTEREST,
        Measure.YIELD_TO_MATURITY,
        Measure.MACAULAY_DURATION,
        Measure.MODIFIED_DURATION,
        Measure.CONVEXITY,
        Measure.Z_SPREAD,
    }
)

ITERATIONS_MAX: Final = 100
FORCE_STEP_SMALL: Final = 1e-7  # a year; after a step this small, sums over flows follow from their derivatives to 1e-11
SPREAD_STEP_SMALL: Final = 1e-6  # a year; Halley's next step would be its cube
FORCE_MAX: Final = 1000.0  # a year; a bond at half its value a day before maturity has a force of 250
BRACKET_FIRST: Final = 0.05
NO_YIELD: Final = "no yield reproduces the price: check the market price against the contract's cash flows"
NO_Z_SPREAD: Final = "no z-spread reproduces the price: check the market price against the contract's cash flows"

_OK: Final = int(RowStatus.OK)
_CREDIT_ORDERS: Final = tuple(place for place, kind in enumerate(CurveKind) if kind in (CurveKind.SPREAD, CurveKind.HAZARD))
_COLUMNS: Final = (
    Measure.CLEAN_PRICE,
    Measure.DIRTY_PRICE,
    Measure.ACCRUED_INTEREST,
    Measure.YIELD_TO_MATURITY,
    Measure.MACAULAY_DURATION,
    Measure.MODIFIED_DURATION,
    Measure.CONVEXITY,
    Measure.Z_SPREAD,
)


def yield_measures(compiled: Compiled, *, table: NodeTable, status: np.ndarray) -> tuple[dict[Measure, np.ndarray], dict[int, str]]:
    """Measures on the settlement date.

    Args:
        compiled: a batch with price terms.
        table: the market at the batch's nodes.
        status: uint8[row]; only rows that are OK are computed.
    Returns:
        float64[row] for each of `YIELD_MEASURES`, NaN for rows that are not OK, that have no flow after settlement, or whose solver
        found nothing; and for the last kind, row -> message.
    """
    terms = compiled.price_terms
    assert terms is not None
    assert compiled.settlement_node is not None
    result = np.full((status.size, len(_COLUMNS)), np.nan)
    sets = compiled.sets
    is_credit = np.array([*(kind in _CREDIT_ORDERS for kind, _ in sets.curves)], bool)[sets.set_curve]
    has_credit_curve = np.zeros(sets.count, bool)
    has_credit_curve[np.repeat(np.arange(sets.count), np.diff(sets.curve_offsets))[is_credit]] = True
    flows_max = int(np.diff(compiled.flow_offsets).max(initial=0))
    order = sets.leg_order
    _yield_rows(
        order, compiled.flow_offsets, compiled.amount, compiled.weight, compiled.flow_node, compiled.nodes.anchor, table.values,
        table.discount_factor, compiled.settlement_node, compiled.leg_credit_spread[order], has_credit_curve[compiled.leg_set[order]],
        terms.first_flow, terms.yield_time, terms.yield_frequency, terms.outstanding, terms.accrued, terms.market_clean_price,
        status[order], np.empty(flows_max), np.empty(flows_max), np.empty(flows_max), result,
    )  # fmt: skip
    messages: dict[int, str] = {}
    result = np.ascontiguousarray(result.T)
    priced = np.isfinite(result[1])
    if Measure.YIELD_TO_MATURITY in compiled.measures:
        for row in np.flatnonzero(priced & ~np.isfinite(result[3])).tolist():
            messages[row] = NO_YIELD
    for row in np.flatnonzero(priced & ~np.isfinite(result[7])).tolist():
        messages[row] = f"{messages[row]}; {NO_Z_SPREAD}" if row in messages else NO_Z_SPREAD
    return dict(zip(_COLUMNS, result, strict=True)), messages


@kernel
@no_type_check
def _yield_rows(
    order, flow_offsets, amount, weight, flow_node, node_day, table, discount_factor, settlement_node, credit_spread, has_spread_curve,
    first_flow, yield_time, yield_frequency, outstanding, accrued, market_clean_price, status, discounted, years, factors, result,
):  # fmt: skip
    """Rows are in the order of storage, but for those of `result`."""
    for row in range(status.size):
        first, end = first_flow[row], flow_offsets[row + 1]
        if status[row] != _OK or first >= end:
            continue
        line = result[order[row]]
        node = settlement_node[row]
        settlement_years = node_day[node] / DAYS_PER_YEAR
        value, force = _settlement_value(first, end, weight, flow_node, table, node, credit_spread[row] * settlement_years, yield_time)
        model_price = value / outstanding[row] * 100.0
        line[0] = model_price - accrued[row]
        line[1] = model_price
        line[2] = accrued[row]
        is_quoted = not np.isnan(market_clean_price[row])
        if is_quoted:
            value = (market_clean_price[row] + accrued[row]) / 100.0 * outstanding[row]
        force, price, first_moment, second_moment = _solve_force(first, end, amount, yield_time, value, force, factors)
        frequency = yield_frequency[row]
        growth = exp(force / frequency)  # 1 + y/N
        duration = first_moment / price
        line[3] = frequency * expm1(force / frequency)
        line[4] = duration
        line[5] = duration / growth
        line[6] = (second_moment / price + duration / frequency) / (growth * growth)
        if is_quoted or has_spread_curve[row]:
            without_spread = _discount(first, end, amount, flow_node, node_day, discount_factor, node, discounted, years)
            line[7] = _solve_z_spread(end - first, discounted, years, value, without_spread, factors)
        else:  # the model's only spread is the contract's constant one
            line[7] = credit_spread[row]


@kernel
@no_type_check
def _settlement_value(first, end, weight, flow_node, table, settlement, spread_time, yield_time):
    """Model value on the settlement date, and a first guess of the force of yield: the mean of zero rates, weighted by value and time."""
    value = exponents = times = 0.0
    for flow in range(first, end):
        node = flow_node[flow]
        x = weight[flow] * table[node, FACTOR]
        value += x
        exponents += x * (table[node, EXPONENT] - table[settlement, EXPONENT])
        times += x * yield_time[flow]
    force = exponents / times if times != 0.0 else 0.0
    value = value / table[settlement, FACTOR]
    if spread_time != 0.0:
        value *= exp(spread_time)
    return value, min(max(force, -0.5), 0.5)


@kernel
@no_type_check
def _fill_factors(start, count, times, force, factors):
    """exp(-force t) of `count` times from `start` on. A loop of its own, because sums keep their order and so are no SIMD."""
    part = times[start : start + count]  # an index that might be negative would keep the loop from becoming SIMD
    for i in range(count):
        factors[i] = exp(-force * part[i])


@kernel
@no_type_check
def _moments(start, end, amount, yield_time, force, factors):
    """Σ a B, Σ t a B, Σ t² a B and Σ t³ a B with B = exp(-force t)."""
    _fill_factors(start, end - start, yield_time, force, factors)
    price = first = second = third = 0.0
    for flow in range(start, end):
        time = yield_time[flow]
        x = amount[flow] * factors[flow - start]
        price += x
        first += x * time
        second += x * time * time
        third += x * time * time * time
    return price, first, second, third


@kernel
@no_type_check
def _solve_force(start, end, amount, yield_time, target, guess, factors):
    """Force of yield k with Σ a exp(-k t) = target, and the first three sums there; NaN where there is none."""
    force = guess
    for _ in range(ITERATIONS_MAX):
        price, first, second, third = _moments(start, end, amount, yield_time, force, factors)
        if not price * target > 0.0:
            break
        ratio, duration = price / target, first / price
        if not duration > 0.0:
            break
        step = _halley_step(log(ratio), duration, second / price)
        force += step
        if abs(force) > FORCE_MAX:
            break
        if abs(step) < FORCE_STEP_SMALL:
            half = 0.5 * step
            return force, price - step * (first - half * second), first - step * (second - half * third), second - step * third
    return _bracket_force(start, end, amount, yield_time, target, guess, factors)


@kernel
@no_type_check
def _halley_step(miss, duration, mean_square):
    """Halley's step on ln(price): slope -duration, curvature = variance of the times."""
    variance = mean_square - duration * duration
    step = miss / duration
    bend = 0.5 * variance * step / duration
    return step * (1.0 + bend) if abs(bend) < 0.5 else step


@kernel
@no_type_check
def _bracket_force(first, end, amount, yield_time, target, guess, factors):
    """The same by widening a bracket around the guess and halving it, for flows of both signs."""
    nothing = (np.nan, np.nan, np.nan, np.nan)
    if not np.isfinite(target):
        return nothing
    width = BRACKET_FIRST
    low = high = guess
    low_miss = high_miss = _moments(first, end, amount, yield_time, guess, factors)[0] - target
    while low_miss * high_miss > 0.0 and width < FORCE_MAX:
        low, high = guess - width, guess + width
        low_miss = _moments(first, end, amount, yield_time, low, factors)[0] - target
        high_miss = _moments(first, end, amount, yield_time, high, factors)[0] - target
        width *= 2.0
    if not low_miss * high_miss <= 0.0:
        return nothing
    for _ in range(2 * ITERATIONS_MAX):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        miss = _moments(first, end, amount, yield_time, middle, factors)[0] - target
        if low_miss * miss <= 0.0:
            high = middle
        else:
            low, low_miss = middle, miss
    price, first_moment, second_moment, _ = _moments(first, end, amount, yield_time, high, factors)
    return (high, price, first_moment, second_moment) if price != 0.0 else nothing


@kernel
@no_type_check
def _discount(first, end, amount, flow_node, node_day, discount_factor, settlement, discounted, years):
    """Flows discounted to the settlement date on rate curves alone, and their times from it; returns their moments."""
    start_day, growth = node_day[settlement], 1.0 / discount_factor[settlement]
    price = first_moment = second_moment = 0.0
    for flow in range(first, end):
        node = flow_node[flow]
        time = (node_day[node] - start_day) / DAYS_PER_YEAR
        x = amount[flow] * (discount_factor[node] * growth)
        discounted[flow - first], years[flow - first] = x, time
        price += x
        first_moment += x * time
        second_moment += x * time * time
    return price, first_moment, second_moment


@kernel
@no_type_check
def _spread_moments(count, discounted, years, spread, factors):
    """Σ b S, Σ t b S and Σ t² b S with S = exp(-spread t), b the discounted flows."""
    _fill_factors(0, count, years, spread, factors)
    price = first = second = 0.0
    for flow in range(count):
        time = years[flow]
        x = discounted[flow] * factors[flow]
        price += x
        first += x * time
        second += x * time * time
    return price, first, second


@kernel
@no_type_check
def _solve_z_spread(count, discounted, years, target, start, factors):
    """Constant zero spread at which the flows are worth the target on the settlement date, NaN where there is none; `start`: sums at 0."""
    price, first, second = start
    spread = 0.0
    for _ in range(ITERATIONS_MAX):
        if not price * target > 0.0:
            break
        ratio, duration = price / target, first / price
        if not duration > 0.0:
            break
        step = _halley_step(log(ratio), duration, second / price)
        spread += step
        if abs(spread) > FORCE_MAX:
            break
        if abs(step) < SPREAD_STEP_SMALL:
            return spread
        price, first, second = _spread_moments(count, discounted, years, spread, factors)
    return _bracket_z_spread(count, discounted, years, target, factors)


@kernel
@no_type_check
def _bracket_z_spread(count, discounted, years, target, factors):
    if not np.isfinite(target):
        return np.nan
    width = BRACKET_FIRST
    low = high = 0.0
    low_miss = high_miss = _spread_moments(count, discounted, years, 0.0, factors)[0] - target
    while low_miss * high_miss > 0.0 and width < FORCE_MAX:
        low, high = -width, width
        low_miss = _spread_moments(count, discounted, years, low, factors)[0] - target
        high_miss = _spread_moments(count, discounted, years, high, factors)[0] - target
        width *= 2.0
    if not low_miss * high_miss <= 0.0:
        return np.nan
    for _ in range(2 * ITERATIONS_MAX):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        miss = _spread_moments(count, discounted, years, middle, factors)[0] - target
        if low_miss * miss <= 0.0:
            high = middle
        else:
            low, low_miss = middle, miss
    return high
