"""Curve points to pillars: days from the valuation date and continuously compounded zero rates on ACT/365F."""

import math
import sys
from datetime import date

import numpy as np

from pricers.kernels.vector_math import log_of
from pricers.market.curves import DAYS_PER_YEAR
from pricers.market.market import Curve, CurveKind
from pricers.time.dates import add_tenor, to_day
from riskray.models.market_data import Compounding, CurveDocument, CurvePoint, Interpolation, QuotedAs, SpreadCurveDocument


def pillar_day(point: CurvePoint, as_of: date) -> int:
    """Days from `as_of`. Tenors are not moved to business days."""
    start = to_day(as_of)
    return (add_tenor(start, point.tenor) if point.tenor is not None else to_day(point.date or as_of)) - start


def continuous_zero_rate(value: float, *, days: int, quoted_as: QuotedAs, compounding: Compounding) -> float:
    """The continuously compounded zero rate of a point, NaN where there is none (a factor that is not positive, a rate below -100 %).

    Args:
        value: the zero rate, decimal a year, or the discount factor.
        days: from the valuation date, positive.
        quoted_as, compounding: what `value` is; time is days / 365.
    """
    time = days / DAYS_PER_YEAR
    if quoted_as is QuotedAs.DISCOUNT_FACTORS:
        return -_log(value) / time
    periods = {Compounding.ANNUAL: 1.0, Compounding.SEMIANNUAL: 2.0, Compounding.SIMPLE: 1.0 / time}.get(compounding)
    if periods is None:
        return value
    growth = 1.0 + value / periods
    return periods * _log(growth)


def _log(value: float) -> float:
    """The natural logarithm, which has the same bits on every machine; NaN below the smallest normal float."""
    return float(log_of(np.array([value]))[0]) if value >= sys.float_info.min else math.nan


def discount_curve(document: CurveDocument, *, as_of: date) -> Curve:
    """The pricers' form of a discount curve. Raises ValueError for points out of order (see `riskray.market.checks`)."""
    days = [pillar_day(point, as_of) for point in document.points]
    rates = [
        continuous_zero_rate(point.value, days=day, quoted_as=document.quoted_as, compounding=document.compounding)
        for point, day in zip(document.points, days, strict=True)
    ]
    return _curve(document, CurveKind.RATE, document.currency, days, rates)


def spread_curve(document: SpreadCurveDocument, *, as_of: date) -> Curve:
    """The pricers' form of a spread curve."""
    days = [pillar_day(point, as_of) for point in document.points]
    return _curve(document, CurveKind.SPREAD, "", days, [point.value for point in document.points])


def _curve(document: CurveDocument | SpreadCurveDocument, kind: CurveKind, currency: str, days: list[int], rates: list[float]) -> Curve:
    return Curve(
        name=document.name,
        kind=kind,
        currency=currency,
        interpolation="LINEAR_ZERO" if document.interpolation is Interpolation.LINEAR_ZERO else "LOG_LINEAR_DISCOUNT",
        pillar_labels=tuple(point.label for point in document.points),
        pillar_days=np.array(days, np.int32),
        zero_rates=np.array(rates, np.float64),
    )
