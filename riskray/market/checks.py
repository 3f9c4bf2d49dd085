"""What must hold between the values of a market document, each violation named by its path.

`market_problems` lists every one of them; the document's own types have checked single values before.
"""

import math
from collections.abc import Iterator, Sequence
from datetime import timedelta

from pricers.contract.columns import FX_RATE_MAX
from pricers.market.indices import STANDARD_INDICES
from riskray.market import credit_curves, inflation_curves
from riskray.market.fx import CYCLE_TOLERANCE, inconsistent_quotes
from riskray.market.problem import Problem, problem
from riskray.market.zero_rates import continuous_zero_rate, pillar_day
from riskray.models.market_data import (
    CURVE_PARTS,
    FX_RATE_MIN,
    AnyCurveDocument,
    Compounding,
    CreditCurveDocument,
    CreditQuotedAs,
    CurveDocument,
    InflationCurveDocument,
    MarketDocument,
    QuotedAs,
    SpreadCurveDocument,
)
from riskray.models.rate_units import RATE_MAX, rate_fault, rate_limit

ZERO_RATE_MAX = 2.0  # 200 % a year: above that a rate was given in per cent
SPREAD_MAX = 1.0
HAZARD_RATE_LIKELY_MAX = 1.0
_SPOT_DATE_DAYS_MAX = 30

Location = tuple[str | int, ...]


def market_problems(document: MarketDocument) -> list[Problem]:
    """All problems of a document: dictionaries with `loc`, `msg`, `code`; none for a sound one."""
    return [
        *(found for part in CURVE_PARTS for found in _duplicates(part, [curve.name for curve in getattr(document, part)])),
        *_duplicates("fx_spots", [spot.pair for spot in document.fx_spots]),
        *_duplicates("spot_prices", [price.name for price in document.spot_prices]),
        *_shared_names(document),
        *(
            found
            for part in CURVE_PARTS
            for index, curve in enumerate(getattr(document, part))
            for found in _curve_problems(document, curve, (part, index))
        ),
        *_fx_problems(document),
    ]


def rate_unit_problems(curves: Sequence[AnyCurveDocument], *, loc: Location) -> list[Problem]:
    """Zero rates, hazard rates and inflation rates, as typed, of a size that speaks of another unit; `loc`: where the curves are."""
    return [
        found
        for number, curve in enumerate(curves)
        for index, point in enumerate(curve.points)
        for found in _unit_problems(curve, point.value, point.label, (*loc, number, "points", index, "value"))
    ]


def _unit_problems(curve: AnyCurveDocument, value: float, label: str, loc: Location) -> Iterator[Problem]:
    fault = None
    match curve:
        case CurveDocument(quoted_as=QuotedAs.ZERO_RATES):
            fault = rate_fault(value, limit=rate_limit(curve.currency))
        case CreditCurveDocument(quoted_as=CreditQuotedAs.HAZARD_RATES):
            fault = rate_fault(value, limit=HAZARD_RATE_LIKELY_MAX, what="hazard rate")
        case InflationCurveDocument():
            index = STANDARD_INDICES.get(curve.index)
            fault = rate_fault(value, limit=RATE_MAX if index is None else rate_limit(index.currency), what="inflation rate")
    if fault:
        yield problem(loc, "out_of_range", f"{curve.name}, {label}: {fault}")


def _duplicates(part: str, names: list[str]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, name in enumerate(names):
        if first.setdefault(name, index) != index:
            yield problem((part, index), "duplicate", f"{part} has {name!r} twice; give it once")


def _shared_names(document: MarketDocument) -> Iterator[Problem]:
    taken: dict[str, str] = {}
    for part, word in CURVE_PARTS.items():
        curves = getattr(document, part)
        for index, curve in enumerate(curves):
            if curve.name in taken:
                other = taken[curve.name]
                message = f"{word} {curve.name!r} has the name of a {other}; names are unique over all curves: rename one of them"
                message = message.replace(" a inflation", " an inflation")
                yield problem((part, index, "name"), "name_taken", message)
        taken |= {curve.name: word for curve in curves if curve.name not in taken}


def _curve_problems(document: MarketDocument, curve: AnyCurveDocument, loc: Location) -> Iterator[Problem]:
    found = list(_point_problems(document, curve, loc))
    yield from found
    match curve:
        case CurveDocument(quoted_as=QuotedAs.DISCOUNT_FACTORS) if curve.compounding is not Compounding.CONTINUOUS:
            yield problem((*loc, "compounding"), "not_allowed", f"{curve.name}: discount factors have no compounding; leave it out")
        case CreditCurveDocument() if not found:
            yield from credit_curves.credit_problems(curve, as_of=document.as_of, loc=loc)
        case InflationCurveDocument() if not found:
            yield from inflation_curves.inflation_problems(curve, as_of=document.as_of, loc=loc)


def _point_problems(document: MarketDocument, curve: AnyCurveDocument, loc: Location) -> Iterator[Problem]:
    start = curve.base_date if isinstance(curve, InflationCurveDocument) else document.as_of
    previous_day, previous_label = 0, ""
    for index, point in enumerate(curve.points):
        place: Location = (*loc, "points", index)
        day = pillar_day(point, start)
        if day <= 0:
            yield problem(place, "not_in_the_future", f"{curve.name}: point {point.label} is not after {start}")
            continue
        if day <= previous_day:
            word = "on the same day as" if day == previous_day else "before"
            yield problem(place, "out_of_order", f"{curve.name}: point {point.label} is {word} {previous_label}; points must increase")
        previous_day, previous_label = max(day, previous_day), point.label
        place = (*place, "value")
        wrong_unit = [*_unit_problems(curve, point.value, point.label, place)] if document.rates_checked else []
        yield from wrong_unit or _value_problems(curve, point.value, day, point.label, place)


def _value_problems(curve: AnyCurveDocument, value: float, day: int, label: str, loc: Location) -> Iterator[Problem]:
    where = f"{curve.name}, {label}"
    match curve:
        case SpreadCurveDocument():
            if abs(value) > SPREAD_MAX:
                yield problem(loc, "out_of_range", f"{where}: spread {value:g} is beyond {SPREAD_MAX:g}; write 125 bp as 0.0125")
        case CreditCurveDocument():
            if found := credit_curves.value_problem(curve, value, label, loc):
                yield found
        case InflationCurveDocument():
            if value <= -1.0:
                yield problem(
                    loc, "out_of_range", f"{where}: inflation rate {value:g}: the index falls to nothing or below; write -1 % as -0.01"
                )
        case _:
            yield from _zero_rate_problems(curve, value, day, where, loc)


def _zero_rate_problems(curve: CurveDocument, value: float, day: int, where: str, loc: Location) -> Iterator[Problem]:
    if curve.quoted_as is QuotedAs.DISCOUNT_FACTORS and value <= 0.0:
        yield problem(loc, "not_positive", f"{where}: discount factor {value:g} is not positive")
        return
    rate = continuous_zero_rate(value, days=day, quoted_as=curve.quoted_as, compounding=curve.compounding)
    if math.isnan(rate):
        message = f"zero rate {value:g}, {curve.compounding.value} compounding: 1 grows to nothing or less; write -0.5 % as -0.005"
        yield problem(loc, "out_of_range", f"{where}: {message}")
    elif not abs(rate) <= ZERO_RATE_MAX:
        message = (
            f"discount factor {value:g} means the zero rate {rate:.4g}, beyond {ZERO_RATE_MAX:g}; a discount factor is the value now of 1 "
            "paid then, near 1 at first and falling; for rates say quoted_as zero_rates"
            if curve.quoted_as is QuotedAs.DISCOUNT_FACTORS
            else f"zero rate {value:g} beyond {ZERO_RATE_MAX:g}; write 4.25 % as 0.0425"
        )
        yield problem(loc, "out_of_range", f"{where}: {message}")


def _fx_problems(document: MarketDocument) -> Iterator[Problem]:
    for index, spot in enumerate(document.fx_spots):
        if not FX_RATE_MIN <= spot.rate <= FX_RATE_MAX:
            message = f"{spot.pair}: rate {spot.rate:g} is not between {FX_RATE_MIN:g} and {FX_RATE_MAX:g}; check it, or the pair's order"
            yield problem(("fx_spots", index, "rate"), "out_of_range", message)
        if spot.spot_date is not None and not timedelta(0) <= spot.spot_date - document.as_of <= timedelta(_SPOT_DATE_DAYS_MAX):
            message = f"{spot.pair}: spot date {spot.spot_date} is not within {_SPOT_DATE_DAYS_MAX} days after {document.as_of}"
            yield problem(("fx_spots", index, "spot_date"), "out_of_range", message)
    for index, implied, path in inconsistent_quotes(document):
        spot = document.fx_spots[index]
        message = f"{spot.pair} {spot.rate:g} contradicts {implied:.6g} by way of {'-'.join(path)} (more than {CYCLE_TOLERANCE:.1%} apart)"
        yield problem(("fx_spots", index, "rate"), "inconsistent", message)
    currency_of = {curve.name: curve.currency for curve in document.curves}
    for currency, name in document.fx_discount_curves.items():
        if name not in currency_of:
            yield problem(("fx_discount_curves", currency), "unknown_curve", f"the document has no curve {name!r}")
        elif currency_of[name] != currency:
            yield problem(("fx_discount_curves", currency), "wrong_currency", f"curve {name!r} is in {currency_of[name]}, not {currency}")
