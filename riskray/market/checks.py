"""What must hold between the values of a market document, each violation named by its path.

`market_problems` lists every one of them; the document's own types have checked single values before.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

from pricers.contract.columns import FX_RATE_MAX
from riskray.market.fx import CYCLE_TOLERANCE, inconsistent_quotes
from riskray.market.zero_rates import continuous_zero_rate, pillar_day
from riskray.models.market_data import FX_RATE_MIN, Compounding, CurveDocument, MarketDocument, QuotedAs, SpreadCurveDocument
from riskray.models.rate_units import rate_fault, rate_limit

ZERO_RATE_MAX = 2.0  # 200 % a year: above that a rate was given in per cent
SPREAD_MAX = 1.0
_SPOT_DATE_DAYS_MAX = 30

Problem = dict[str, Any]


def market_problems(document: MarketDocument) -> list[Problem]:
    """All problems of a document: dictionaries with `loc`, `msg`, `code`; none for a sound one."""
    return [
        *_duplicates("curves", [curve.name for curve in document.curves]),
        *_duplicates("spread_curves", [curve.name for curve in document.spread_curves]),
        *_duplicates("fx_spots", [spot.pair for spot in document.fx_spots]),
        *_duplicates("spot_prices", [price.name for price in document.spot_prices]),
        *_shared_names(document),
        *(problem for index, curve in enumerate(document.curves) for problem in _curve_problems(document, curve, ("curves", index))),
        *(
            problem
            for index, curve in enumerate(document.spread_curves)
            for problem in _curve_problems(document, curve, ("spread_curves", index))
        ),
        *_fx_problems(document),
    ]


def rate_unit_problems(curves: Sequence[CurveDocument], *, loc: tuple[str | int, ...]) -> list[Problem]:
    """Zero rates, as typed, of a size that speaks of another unit; `loc`: where the curves are."""
    return [
        problem
        for number, curve in enumerate(curves)
        for index, point in enumerate(curve.points)
        for problem in _unit_problems(curve, point.value, point.label, (*loc, number, "points", index, "value"))
    ]


def _unit_problems(curve: CurveDocument | SpreadCurveDocument, value: float, label: str, loc: tuple[str | int, ...]) -> Iterator[Problem]:
    if not isinstance(curve, CurveDocument) or curve.quoted_as is not QuotedAs.ZERO_RATES:
        return
    if fault := rate_fault(value, limit=rate_limit(curve.currency)):
        yield _problem(loc, "out_of_range", f"{curve.name}, {label}: {fault}")


def _problem(loc: tuple[str | int, ...], code: str, message: str) -> Problem:
    return {"loc": list(loc), "msg": message, "code": code}


def _duplicates(part: str, names: list[str]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            yield _problem((part, index), "duplicate", f"{part} has {name!r} twice; give it once")


def _shared_names(document: MarketDocument) -> Iterator[Problem]:
    taken = {curve.name for curve in document.curves}
    for index, spread in enumerate(document.spread_curves):
        if spread.name in taken:
            message = f"spread curve {spread.name!r} has the name of a discount curve; names are unique over all curves: rename one of them"
            yield _problem(("spread_curves", index, "name"), "name_taken", message)


def _curve_problems(document: MarketDocument, curve: CurveDocument | SpreadCurveDocument, loc: tuple[str | int, ...]) -> Iterator[Problem]:
    previous_day, previous_label = 0, ""
    for index, point in enumerate(curve.points):
        place = (*loc, "points", index)
        day = pillar_day(point, document.as_of)
        if day <= 0:
            yield _problem(place, "not_in_the_future", f"{curve.name}: point {point.label} is not after {document.as_of}")
            continue
        if day <= previous_day:
            word = "on the same day as" if day == previous_day else "before"
            yield _problem(place, "out_of_order", f"{curve.name}: point {point.label} is {word} {previous_label}; points must increase")
        previous_day, previous_label = max(day, previous_day), point.label
        place = (*place, "value")
        wrong_unit = [*_unit_problems(curve, point.value, point.label, place)] if document.rates_checked else []
        yield from wrong_unit or _value_problems(curve, point.value, day, point.label, place)
    if (
        isinstance(curve, CurveDocument)
        and curve.quoted_as is QuotedAs.DISCOUNT_FACTORS
        and curve.compounding is not Compounding.CONTINUOUS
    ):
        yield _problem((*loc, "compounding"), "not_allowed", f"{curve.name}: discount factors have no compounding; leave it out")


def _value_problems(
    curve: CurveDocument | SpreadCurveDocument, value: float, day: int, label: str, loc: tuple[str | int, ...]
) -> Iterator[Problem]:
    where = f"{curve.name}, {label}"
    if isinstance(curve, SpreadCurveDocument):
        if abs(value) > SPREAD_MAX:
            yield _problem(loc, "out_of_range", f"{where}: spread {value:g} is beyond {SPREAD_MAX:g}; write 125 bp as 0.0125")
        return
    if curve.quoted_as is QuotedAs.DISCOUNT_FACTORS and value <= 0.0:
        yield _problem(loc, "not_positive", f"{where}: discount factor {value:g} is not positive")
        return
    rate = continuous_zero_rate(value, days=day, quoted_as=curve.quoted_as, compounding=curve.compounding)
    if math.isnan(rate):
        message = f"zero rate {value:g}, {curve.compounding.value} compounding: 1 grows to nothing or less; write -0.5 % as -0.005"
        yield _problem(loc, "out_of_range", f"{where}: {message}")
    elif not abs(rate) <= ZERO_RATE_MAX:
        message = (
            f"discount factor {value:g} means the zero rate {rate:.4g}, beyond {ZERO_RATE_MAX:g}; a discount factor is the value now of 1 "
            "paid then, near 1 at first and falling; for rates say quoted_as zero_rates"
            if curve.quoted_as is QuotedAs.DISCOUNT_FACTORS
            else f"zero rate {value:g} beyond {ZERO_RATE_MAX:g}; write 4.25 % as 0.0425"
        )
        yield _problem(loc, "out_of_range", f"{where}: {message}")


def _fx_problems(document: MarketDocument) -> Iterator[Problem]:
    for index, spot in enumerate(document.fx_spots):
        if not FX_RATE_MIN <= spot.rate <= FX_RATE_MAX:
            message = f"{spot.pair}: rate {spot.rate:g} is not between {FX_RATE_MIN:g} and {FX_RATE_MAX:g}; check it, or the pair's order"
            yield _problem(("fx_spots", index, "rate"), "out_of_range", message)
        if spot.spot_date is not None and not timedelta(0) <= spot.spot_date - document.as_of <= timedelta(_SPOT_DATE_DAYS_MAX):
            message = f"{spot.pair}: spot date {spot.spot_date} is not within {_SPOT_DATE_DAYS_MAX} days after {document.as_of}"
            yield _problem(("fx_spots", index, "spot_date"), "out_of_range", message)
    for index, implied, path in inconsistent_quotes(document):
        spot = document.fx_spots[index]
        message = f"{spot.pair} {spot.rate:g} contradicts {implied:.6g} by way of {'-'.join(path)} (more than {CYCLE_TOLERANCE:.1%} apart)"
        yield _problem(("fx_spots", index, "rate"), "inconsistent", message)
    currency_of = {curve.name: curve.currency for curve in document.curves}
    for currency, name in document.fx_discount_curves.items():
        if name not in currency_of:
            yield _problem(("fx_discount_curves", currency), "unknown_curve", f"the document has no curve {name!r}")
        elif currency_of[name] != currency:
            yield _problem(("fx_discount_curves", currency), "wrong_currency", f"curve {name!r} is in {currency_of[name]}, not {currency}")
