"""Published par yields to zero rates.

A par bond of each quoted maturity, paying its yield as coupon, is worth 1 on the resulting curve. The curve's own interpolation
(zero rates linear in days, held flat before the first pillar) is used for coupons between pillars, so the quotes are met exactly by the
curve as it is later read.

References:
    [1] J. Hull, Options, Futures, and Other Derivatives, ch. 4.7 (determining zero rates).
"""

from collections.abc import Callable, Mapping
from datetime import date

import numpy as np

from pricers.market.curves import DAYS_PER_YEAR
from pricers.time.dates import add_months, add_tenor, to_day

_ZERO_RATE_LIMIT = 1.0


def zero_rates_of_par_yields(par_yields: Mapping[str, float], *, as_of: date, coupons_per_year: int = 2) -> dict[str, float]:
    """Zero rates from par yields.

    Args:
        par_yields: decimal a year, compounded `coupons_per_year` times, by tenor in increasing order. Tenors of at most one coupon
            period are money-market rates: simple interest on ACT/365F.
        as_of: date of the curve.
        coupons_per_year: 1, 2, 4 or 12.
    Returns:
        Continuously compounded zero rates on ACT/365F by tenor.
    Raises:
        ValueError: a maturity that is no whole number of coupon periods, tenors out of order, or a yield that no zero rate meets.
    """
    start = to_day(as_of)
    months = 12 // coupons_per_year
    first_coupon = int(add_months(start, months, False)) - start
    days = np.array([add_tenor(start, tenor) - start for tenor in par_yields])
    if np.any(np.diff(days, prepend=0) <= 0):
        raise ValueError(f"tenors must increase: {list(par_yields)}")
    rates = np.zeros(len(days))
    for k, (tenor, par_yield) in enumerate(par_yields.items()):
        time = days[k] / DAYS_PER_YEAR
        if days[k] <= first_coupon:
            rates[k] = np.log1p(par_yield * time) / time
            continue
        coupon_days = _coupon_days(start, tenor, months)
        if coupon_days[-1] != days[k]:
            raise ValueError(f"tenor {tenor!r} is not a whole number of coupon periods of {months} months")

        def excess(rate: float, k: int = k, coupon_days: np.ndarray = coupon_days, par_yield: float = par_yield) -> float:
            """Price of the par bond less 1 where the last zero rate is `rate`."""
            zero_rates = np.interp(coupon_days, days[: k + 1], np.append(rates[:k], rate))
            factors = np.exp(-zero_rates * coupon_days / DAYS_PER_YEAR)
            return float(par_yield / coupons_per_year * factors.sum() + factors[-1] - 1.0)

        if excess(-_ZERO_RATE_LIMIT) * excess(_ZERO_RATE_LIMIT) > 0.0:
            raise ValueError(f"no zero rate meets the par yield {par_yield:g} at {tenor!r}")
        rates[k] = _zero_of_falling(excess, -_ZERO_RATE_LIMIT, _ZERO_RATE_LIMIT)
    return {tenor: float(rate) for tenor, rate in zip(par_yields, rates, strict=True)}


def _zero_of_falling(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero, by halving down to neighbouring floats: as exact as any method, and no import of scipy's."""
    while low < (middle := 0.5 * (low + high)) < high:
        if function(middle) > 0.0:
            low = middle
        else:
            high = middle
    return middle


def _coupon_days(start: int, tenor: str, months: int) -> np.ndarray:
    """Days from the start to every coupon of a par bond, up to the last one within the tenor."""
    end = add_tenor(start, tenor)
    coupons: list[int] = []
    while (day := int(add_months(start, months * (len(coupons) + 1), False))) <= end:
        coupons.append(day - start)
    return np.array(coupons)
