"""Inflation curves: zero-coupon inflation rates to the pricers' curves of INFLATION, and what must hold of them.

The rate z of a pillar n months after the base month says that the index of the pillar's month is base_index_value × (1 + z)^(n / 12), times
the seasonal factor of its calendar month over that of the base month. The pricers' curve has the same index at the pillars; its growth
rate is continuously compounded and linear in months between them (see docs/decisions/0008-inflation-curves.md).
"""

import math
from collections.abc import Iterator
from datetime import date

import numpy as np

from pricers.market.fixings import Fixings
from pricers.market.market import Curve, CurveKind, InflationBase
from pricers.time.dates import to_day
from riskray.market.problem import Problem, problem
from riskray.market.zero_rates import continuous_zero_rate, pillar_day
from riskray.models.market_data import Compounding, CurvePoint, InflationCurveDocument, QuotedAs

_MONTHS_PER_YEAR = 12
_PRODUCT_TOLERANCE = 1e-5
_LEVEL_TOLERANCE = 1e-6  # relative: levels are published with one to three decimals


def inflation_curve(document: InflationCurveDocument, *, as_of: date) -> Curve:
    """The pricers' form of an inflation curve; its pillar days count from the base month."""
    days = [pillar_day(point, document.base_date) for point in document.points]
    seasonality = document.seasonality or [1.0] * _MONTHS_PER_YEAR
    return Curve(
        name=document.name,
        kind=CurveKind.INFLATION,
        currency="",
        interpolation="LINEAR_ZERO",
        pillar_labels=tuple(point.label for point in document.points),
        pillar_days=np.array(days, np.int32),
        zero_rates=np.array([_growth_rate(point, day) for point, day in zip(document.points, days, strict=True)]),
        base=InflationBase(
            index=document.index,
            day=to_day(document.base_date) - to_day(as_of),
            level=document.base_index_value,
            seasonality=tuple(seasonality),
        ),
    )


def inflation_rates(growth_rates: np.ndarray) -> list[float]:
    """The zero-coupon rates that mean these growth rates of the pricers' curve."""
    return [math.expm1(growth) for growth in growth_rates.tolist()]


def _growth_rate(point: CurvePoint, day: int) -> float:
    return continuous_zero_rate(point.value, days=day, quoted_as=QuotedAs.ZERO_RATES, compounding=Compounding.ANNUAL)


def _pillar(document: InflationCurveDocument, point: CurvePoint) -> np.datetime64:
    return np.datetime64(to_day(document.base_date) + pillar_day(point, document.base_date), "D")


def inflation_problems(document: InflationCurveDocument, *, as_of: date, loc: tuple[str | int, ...]) -> Iterator[Problem]:
    """What is wrong with the base, the seasonality and the months of the pillars."""
    name, base = document.name, document.base_date
    if base.day != 1:
        month = base.replace(day=1)
        message = f"{name}: base date {base} is not the first day of a month; an index has one level a month: write {month}"
        yield problem((*loc, "base_date"), "not_a_month", message)
    elif base > as_of:
        message = f"{name}: base date {base} is after {as_of}; give the last month whose index the rates start from"
        yield problem((*loc, "base_date"), "not_in_the_past", message)
    else:
        for number, point in enumerate(document.points):
            pillar = _pillar(document, point)
            if pillar.astype("datetime64[M]") != pillar:
                message = f"{name}: point {point.label} is not a whole number of months after {base}; write a tenor such as 5Y or 18M"
                yield problem((*loc, "points", number), "not_a_month", message)
    if document.base_index_value <= 0.0:
        message = f"{name}: base_index_value {document.base_index_value:g} is not positive, as the level of a price index is"
        yield problem((*loc, "base_index_value"), "not_positive", message)
    yield from _seasonality_problems(document, loc)


def _seasonality_problems(document: InflationCurveDocument, loc: tuple[str | int, ...]) -> Iterator[Problem]:
    factors, place = document.seasonality, (*loc, "seasonality")
    if not factors:
        return
    if min(factors) <= 0.0:
        yield problem(place, "not_positive", f"{document.name}: seasonal factor {min(factors):g} is not positive; write 1 for no effect")
        return
    product = math.prod(factors)
    if abs(product - 1.0) > _PRODUCT_TOLERANCE:
        message = (
            f"{document.name}: the product of the twelve seasonal factors is {product:.6g}, not 1; divide each by "
            f"{product ** (1 / _MONTHS_PER_YEAR):.8g}, the twelfth root of their product"
        )
        yield problem(place, "out_of_range", message)


def base_problems(document: InflationCurveDocument, fixings: Fixings, *, loc: tuple[str | int, ...]) -> Iterator[Problem]:
    """A base index that is not the published one of its month, as it is after the index was rebased."""
    published = float(fixings.values_on(document.index, np.array([to_day(document.base_date)]))[0])
    ratio = document.base_index_value / published
    if abs(ratio - 1.0) > _LEVEL_TOLERANCE:
        message = (
            f"{document.name}: base_index_value {document.base_index_value:g} is {ratio:.6g} times the fixing of {document.index} for "
            f"{document.base_date:%Y-%m}, {published:g}; give both on one base: after a rebasing, old levels are times the link factor"
        )
        yield problem((*loc, "base_index_value"), "rebased", message)
