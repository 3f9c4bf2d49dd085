"""Yields that do not compound over all the life of a bond: simple in the last or a broken period, Japanese, and of bills.

P is the price with accrued interest, w the first flow's time beyond whole periods, T the time to maturity, F the only flow:

    STREET            P = F / (1 + y T) where all is paid within one period, else compounded as the solver of `yields` does [1]
    TREASURY          P = Σ a (1 + y/N)^(-N (t - w)) / (1 + y w) [2]
    JAPANESE_SIMPLE   y = (coupon + (redemption - clean price) / T) / clean price [3]
    DISCOUNT          y = (1 - P/F) / T, only where one flow is left [2, section VI]
    MONEY_MARKET      y = (F/P - 1) / T, only where one flow is left

Durations and convexity are derivatives of the same formulas.

References:
    [1] J. Mayle, Standard Securities Calculation Methods, vol. 1.
    [2] US Treasury, 31 CFR 356, appendix B, sections II and VI.
    [3] Japan Securities Dealers Association, calculation of yields of bonds with coupons (simple yield).
"""

from typing import Final, no_type_check

import numpy as np

from pricers.core.compiled import Compiled
from pricers.flows.conventions import COMPOUNDED, DISCOUNT, JAPANESE_SIMPLE, MONEY_MARKET, STREET, TREASURY
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import exp, log

_STEPS_MAX: Final = 50
_STEP_SMALL: Final = 1e-10  # Newton's next step would be its square
_WHOLE: Final = 1e-9  # of a period: times this close to whole periods are whole
_YIELD, _MACAULAY, _MODIFIED, _CONVEXITY = range(3, 7)


def apply_conventions(compiled: Compiled, result: np.ndarray) -> None:
    """Overwrite yields and durations of the rows whose contract names another convention than COMPOUNDED.

    Args:
        compiled: a batch with price terms.
        result: float64[row, measure] in the order of `yields`; NaN where a convention has no yield.
    """
    terms = compiled.price_terms
    if terms is None or terms.convention is None or not np.any(terms.convention.code != COMPOUNDED):
        return
    code, coupon, redemption = terms.convention
    _fill_rows(
        compiled.sets.leg_order, compiled.flow_offsets, compiled.yield_amount, terms.first_flow, terms.yield_time, terms.yield_frequency,
        terms.outstanding, terms.accrued, terms.market_clean_price, code, coupon, redemption, result,
    )  # fmt: skip


@kernel
@no_type_check
def _fill_rows(
    order, flow_offsets, amount, first_flow, yield_time, yield_frequency, outstanding, accrued, market_clean_price, code, coupon,
    redemption, result,
):  # fmt: skip
    for row in range(order.size):
        line = result[order[row]]
        first, end = first_flow[row], flow_offsets[row + 1]
        if code[row] == COMPOUNDED or np.isnan(line[1]):
            continue
        clean = line[0] if np.isnan(market_clean_price[row]) else market_clean_price[row]
        dirty, frequency = clean + accrued[row], yield_frequency[row]
        start, last = yield_time[first], yield_time[end - 1]
        has_one_date = start == last
        if code[row] == STREET and not (has_one_date and start * frequency <= 1.0 + _WHOLE):
            continue
        line[_YIELD] = line[_MACAULAY] = line[_MODIFIED] = line[_CONVEXITY] = np.nan
        if code[row] == TREASURY:
            broken = start - np.floor(start * frequency + _WHOLE) / frequency
            _solve_treasury(first, end, amount, yield_time, dirty / 100.0 * outstanding[row], frequency, max(broken, 0.0), line)
        elif code[row] == JAPANESE_SIMPLE:
            _fill_simple(clean, coupon[row] * last + redemption[row], last, line)
        elif has_one_date and last > 0.0:
            paid = 0.0
            for flow in range(first, end):
                paid += amount[flow]
            paid *= 100.0 / outstanding[row]
            if code[row] == DISCOUNT:
                line[_YIELD], line[_MACAULAY], line[_MODIFIED] = (1.0 - dirty / paid) / last, last, last * paid / dirty
                line[_CONVEXITY] = 0.0
            elif code[row] == STREET or code[row] == MONEY_MARKET:
                _fill_simple(dirty, paid, last, line)


@kernel
@no_type_check
def _fill_simple(price, paid, time, line):
    """Yield at which simple interest turns the price into what is paid, and the derivatives of paid / (1 + y time)."""
    if not (price > 0.0 and time > 0.0):
        return
    growth = paid / price
    if growth > 0.0:
        line[_YIELD], line[_MACAULAY], line[_MODIFIED] = (growth - 1.0) / time, time, time / growth
        line[_CONVEXITY] = 2.0 * time * time / (growth * growth)


@kernel
@no_type_check
def _solve_treasury(first, end, amount, time, target, frequency, broken, line):
    """Newton's method on the logarithm of the price, from the middle of usual yields."""
    rate, step = 0.04, 1.0
    for _ in range(_STEPS_MAX):
        period, stub = 1.0 + rate / frequency, 1.0 + rate * broken
        if not (period > 0.0 and stub > 0.0):
            return
        price = mean = spread = weighted = 0.0
        force = frequency * log(period)
        for flow in range(first, end):
            after = time[flow] - broken
            x = amount[flow] * exp(-force * after)
            price += x
            weighted += x * time[flow]
            mean += x * after
            spread += x * after * (after + 1.0 / frequency)
        if not price * target > 0.0:
            return
        slope, bend = mean / price / period, spread / price / (period * period)
        of_stub = broken / stub
        modified = slope + of_stub
        if not modified > 0.0:
            return
        if abs(step) < _STEP_SMALL:
            line[_YIELD], line[_MACAULAY], line[_MODIFIED] = rate, weighted / price, modified
            line[_CONVEXITY] = bend + 2.0 * of_stub * slope + 2.0 * of_stub * of_stub
            return
        step = log(price / stub / target) / modified
        rate += step
