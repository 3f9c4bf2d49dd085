"""Prices, yields, durations and z-spreads on the settlement date, for products with one leg.

The yield y compounds N times a year on the contract's own day count: a flow at time t is worth (1 + y/N)^(-N t) = exp(-k t). The
solver works in the force k = N ln(1 + y/N) and on the logarithm of the price, in which flows of one sign make a convex function, so
Newton's method cannot overshoot twice; other flows fall back to a bracket. The last step is small, so what the flows are worth after it
follows from their moments before it. A z-spread is such a force too, of flows discounted on rate curves.

References:
    [1] QuantLib, ql/cashflows/cashflows.cpp (npv, duration and convexity at a yield; times step from flow to flow).
    [2] ql/pricingengines/bond/bondfunctions.cpp (prices on the settlement date).
"""

from typing import Final, no_type_check

import numpy as np
from jaxtyping import Int32

from pricers.core.compiled import Compiled
from pricers.core.nodes import EXPONENT, FACTOR, NodeTable
from pricers.core.shapes import OWN_ORDER
from pricers.kernels.jit import kernel
from pricers.kernels.prefetch import prefetch
from pricers.kernels.vector_math import exp, expm1, log
from pricers.market.curves import DAYS_PER_YEAR
from pricers.market.market import CurveKind
from pricers.measures import Measure
from pricers.status import RowStatus
from pricers.value.yield_conventions import apply_conventions

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
STEP_SMALL: Final = 3e-4  # times the longest time; after a smaller step Taylor's series gives prices to 1e-19 and Σ t² to 5e-12
LANES: Final = 32  # numbers that compiled code takes at once: four vectors of AVX-512
FORCE_MAX: Final = 1000.0  # a year; a bond at half its value a day before maturity has a force of 250
BRACKET_FIRST: Final = 0.05
NO_YIELD: Final = (
    "no yield reproduces the price: check the market price against the contract's cash flows, and its yield_convention: DISCOUNT and "
    "MONEY_MARKET belong to bonds with one payment left"
)
NO_Z_SPREAD: Final = "no z-spread reproduces the price: check the market price against the contract's cash flows"

_OK: Final = int(RowStatus.OK)
_ROWS_AHEAD: Final = 3
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

_WIDTH: Final = len(_COLUMNS)


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
    room = int(np.diff(compiled.flow_offsets).max(initial=0)) + LANES
    order = sets.leg_order
    _yield_rows(
        order, compiled.flow_offsets, compiled.amount, compiled.yield_amount, terms.real_amount is None, compiled.weight,
        compiled.flow_node, _own_days(compiled), table.values, table.discount_factor, compiled.settlement_node,
        compiled.leg_credit_spread[order], has_credit_curve[compiled.leg_set[order]], terms.first_flow, terms.yield_time,
        terms.yield_frequency, terms.outstanding, terms.accrued, terms.market_clean_price, status[order],
        Measure.YIELD_TO_MATURITY in compiled.measures, np.zeros(room), np.zeros(room), np.empty(room), result.ravel(),
    )  # fmt: skip
    apply_conventions(compiled, result)
    messages: dict[int, str] = {}
    result = np.ascontiguousarray(result.T)
    priced = np.isfinite(result[1])
    if Measure.YIELD_TO_MATURITY in compiled.measures:
        for row in np.flatnonzero(priced & ~np.isfinite(result[3])).tolist():
            messages[row] = NO_YIELD
    for row in np.flatnonzero(priced & ~np.isfinite(result[7])).tolist():
        messages[row] = f"{messages[row]}; {NO_Z_SPREAD}" if row in messages else NO_Z_SPREAD
    return dict(zip(_COLUMNS, result, strict=True)), messages


def _own_days(compiled: Compiled) -> Int32[np.ndarray, " node"]:
    """Days after the valuation date to the point of each node's own spread, which is the payment; to the anchor where it has none."""
    nodes, days = compiled.nodes, compiled.nodes.anchor.copy()
    is_own = compiled.points.kind[nodes.point] == OWN_ORDER
    node_of_term = np.repeat(np.arange(days.size), np.diff(nodes.offsets))
    days[node_of_term[is_own]] = compiled.points.day[nodes.point[is_own]]
    return days


@kernel
@no_type_check
def _yield_rows(
    order, flow_offsets, amount, yield_amount, is_plain, weight, flow_node, node_day, table, discount_factor, settlement_node,
    credit_spread, has_spread_curve, first_flow, yield_time, yield_frequency, outstanding, accrued, market_clean_price, status, has_yield,
    discounted, years, values, result,
):  # fmt: skip
    """Rows are in the order of storage, but for those of `result`."""
    for row in range(status.size):
        first, end = first_flow[row], flow_offsets[row + 1]
        if status[row] != _OK or first >= end:
            continue
        prefetch(result, order[min(row + _ROWS_AHEAD, order.size - 1)] * _WIDTH)  # lines of the result lie anywhere
        line = result[order[row] * _WIDTH : (order[row] + 1) * _WIDTH]
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
        if has_yield:  # forecast flows of both signs have none, and the search for it would be long
            force = force if is_plain else 0.0  # exponents of nodes with an index are no times of a rate
            force, price, first_moment, second_moment = _solve_rate(first, end, yield_amount, yield_time, value, force, force, values)
            frequency = yield_frequency[row]
            growth = exp(force / frequency)  # 1 + y/N
            duration = first_moment / price
            line[3] = frequency * expm1(force / frequency)
            line[4] = duration
            line[5] = duration / growth
            line[6] = (second_moment / price + duration / frequency) / (growth * growth)
        if is_quoted or has_spread_curve[row]:
            line[7] = _z_spread(first, end, amount, flow_node, node_day, discount_factor, node, value, discounted, years, values)
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
def _fill_values(start, end, amount, times, rate, values):
    """amount × exp(-rate t) of flows, and of what is stored after them up to a multiple of LANES, because compiled code takes fewer one by
    one. A loop of its own, because sums keep their order and so are no SIMD."""
    padded = end + (start - end) % LANES
    part, years = amount[start:padded], times[start:padded]  # an index that might be negative would keep the loop from becoming SIMD
    for i in range(part.size):
        values[i] = part[i] * exp(-rate * years[i])


@kernel
@no_type_check
def _moments(start, end, amount, times, rate, values):
    """Σ t^j a B for j from 0 to 4, B = exp(-rate t)."""
    _fill_values(start, end, amount, times, rate, values)
    price = first = second = third = fourth = 0.0
    for flow in range(start, end):
        time, x = times[flow], values[flow - start]
        x1, x2 = x * time, x * (time * time)
        price += x
        first += x1
        second += x2
        third += x2 * time
        fourth += x2 * (time * time)
    return price, first, second, third, fourth


@kernel
@no_type_check
def _solve_rate(start, end, amount, times, target, guess, centre, values):
    """Rate k with Σ a exp(-k t) = target, and Σ t^j a exp(-k t) for j from 0 to 2 there; NaN where there is none.

    Args:
        guess: where Newton's method starts.
        centre: where the bracket starts, if Newton's method finds nothing.
    """
    rate, longest = guess, times[end - 1]
    for _ in range(ITERATIONS_MAX):
        moments = _moments(start, end, amount, times, rate, values)
        step = _rate_step(moments[0], moments[1], moments[2], target)
        if not abs(rate + step) <= FORCE_MAX:
            break
        rate += step
        if abs(step) * longest < STEP_SMALL:
            price, first, second, third = _moved(moments, step)
            rest = (price - target) / first  # Newton's step, after Halley's missed by 1e-10 of the price at most
            return rate + rest, price - rest * first, first - rest * second, second - rest * third
    return _bracket_rate(start, end, amount, times, target, centre, values)


@kernel
@no_type_check
def _rate_step(price, first, second, target):
    """Halley's step on ln(price): slope -duration, curvature = variance of the times. NaN where the price has no logarithm or no slope."""
    if not price * target > 0.0 or not first * price > 0.0:
        return np.nan
    duration = first / price
    variance = second / price - duration * duration
    step = log(price / target) / duration
    bend = 0.5 * variance * step / duration
    return step * (1.0 + bend) if abs(bend) < 0.5 else step


@kernel
@no_type_check
def _moved(moments, step):
    """The first four moments at a rate that is greater by `step`, by Taylor's series."""
    m0, m1, m2, m3, m4 = moments
    h = -step
    h2, h3, h4 = h / 2.0, h / 3.0, h / 4.0
    price = m0 + h * (m1 + h2 * (m2 + h3 * (m3 + h4 * m4)))
    first = m1 + h * (m2 + h2 * (m3 + h3 * m4))
    second = m2 + h * (m3 + h2 * m4)
    third = m3 + h * m4
    return price, first, second, third


@kernel
@no_type_check
def _bracket_rate(start, end, amount, times, target, centre, values):
    """The same by widening a bracket around the centre and halving it, for flows of both signs."""
    nothing = (np.nan, np.nan, np.nan, np.nan)
    if not np.isfinite(target):
        return nothing
    width = BRACKET_FIRST
    low = high = centre
    low_miss = high_miss = _moments(start, end, amount, times, centre, values)[0] - target
    while low_miss * high_miss > 0.0 and width < FORCE_MAX:
        low, high = centre - width, centre + width
        low_miss = _moments(start, end, amount, times, low, values)[0] - target
        high_miss = _moments(start, end, amount, times, high, values)[0] - target
        width *= 2.0
    if not low_miss * high_miss <= 0.0:
        return nothing
    for _ in range(2 * ITERATIONS_MAX):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        miss = _moments(start, end, amount, times, middle, values)[0] - target
        if low_miss * miss <= 0.0:
            high = middle
        else:
            low, low_miss = middle, miss
    price, first, second, _, _ = _moments(start, end, amount, times, high, values)
    return (high, price, first, second) if price != 0.0 else nothing


@kernel
@no_type_check
def _z_spread(first, end, amount, flow_node, node_day, discount_factor, settlement, target, discounted, years, values):
    """Constant zero spread at which the flows are worth the target on the settlement date, NaN where there is none."""
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
    guess = _rate_step(price, first_moment, second_moment, target)
    guess = guess if abs(guess) <= FORCE_MAX else 0.0
    return _solve_rate(np.int64(0), end - first, discounted, years, target, guess, 0.0, values)[0]
