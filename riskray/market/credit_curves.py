"""Credit curves: zero hazard rates or survival probabilities to the pricers' curves of HAZARD, and what must hold of them.

The zero hazard rate h of a pillar says that the survival probability is exp(-h × days / 365). Between pillars the hazard rate is constant.
"""

import math
from collections.abc import Iterator
from datetime import date

import numpy as np

from pricers.market.curves import DAYS_PER_YEAR
from pricers.market.market import Curve, CurveKind
from riskray.market.problem import Problem, problem
from riskray.market.zero_rates import continuous_zero_rate, pillar_day
from riskray.models.market_data import Compounding, CreditCurveDocument, CreditQuotedAs, QuotedAs

HAZARD_RATE_MAX = 20.0
"""A year: at that rate half of all names default within 13 days."""
_ROUNDING = 1e-12  # of exponents that are equal but for rounding


def hazard_curve(document: CreditCurveDocument, *, as_of: date) -> Curve:
    """The pricers' form of a credit curve."""
    days = [pillar_day(point, as_of) for point in document.points]
    return Curve(
        name=document.name,
        kind=CurveKind.HAZARD,
        currency="",
        interpolation="LOG_LINEAR_DISCOUNT",
        pillar_labels=tuple(point.label for point in document.points),
        pillar_days=np.array(days, np.int32),
        zero_rates=np.array([_hazard_rate(document, point.value, day) for point, day in zip(document.points, days, strict=True)]),
        recovery_rate=math.nan if document.recovery_rate is None else document.recovery_rate,
    )


def _hazard_rate(document: CreditCurveDocument, value: float, day: int) -> float:
    if document.quoted_as is CreditQuotedAs.HAZARD_RATES:
        return value
    return continuous_zero_rate(value, days=day, quoted_as=QuotedAs.DISCOUNT_FACTORS, compounding=Compounding.CONTINUOUS)


def value_problem(document: CreditCurveDocument, value: float, label: str, loc: tuple[str | int, ...]) -> Problem | None:
    """What is wrong with one point by itself."""
    where = f"{document.name}, {label}"
    if document.quoted_as is CreditQuotedAs.SURVIVAL_PROBABILITIES:
        if not 0.0 < value <= 1.0:
            return problem(loc, "out_of_range", f"{where}: survival probability {value:g} is not above 0 and at most 1; write 98 % as 0.98")
    elif not 0.0 <= value <= HAZARD_RATE_MAX:
        return problem(loc, "out_of_range", f"{where}: zero hazard rate {value:g} is not between 0 and {HAZARD_RATE_MAX:g}")
    return None


def credit_problems(document: CreditCurveDocument, *, as_of: date, loc: tuple[str | int, ...]) -> Iterator[Problem]:
    """What is wrong with the recovery rate, and hazard rates between pillars that are negative.

    The points must be sound by themselves and in order.
    """
    recovery = document.recovery_rate
    if recovery is not None and not 0.0 <= recovery < 1.0:
        hint = f"; write {recovery:g} % as {recovery / 100:g}" if 1.0 < recovery < 100.0 else ""
        yield problem((*loc, "recovery_rate"), "out_of_range", f"{document.name}: recovery rate {recovery:g} is not in [0, 1){hint}")
    before, label_before = 0.0, str(as_of)
    days = [pillar_day(point, as_of) for point in document.points]
    for number, (point, day) in enumerate(zip(document.points, days, strict=True)):
        exponent = _hazard_rate(document, point.value, day) * (day / DAYS_PER_YEAR)
        if exponent < before - _ROUNDING:
            years = (day - (days[number - 1] if number else 0)) / DAYS_PER_YEAR
            message = (
                f"{document.name}: the hazard rate from {label_before} to {point.label} is negative, {(exponent - before) / years:.4g}: "
                "survival probabilities must not rise; correct one of the two pillars"
            )
            yield problem((*loc, "points", number, "value"), "negative_hazard", message)
        before, label_before = exponent, point.label
