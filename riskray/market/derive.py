"""Market documents made from others: curves replaced, rates quoted anew, pillars and exchange rates moved.

What is not changed stays as it was given, to the last digit. Each function returns a new document and leaves the given one unchanged.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TypeVar

import numpy as np
from jaxtyping import Float

from riskray.errors import InvalidRequest
from riskray.market.credit_curves import hazard_curve
from riskray.market.fx import todays_rates
from riskray.market.inflation_curves import inflation_curve, inflation_rates
from riskray.market.zero_rates import discount_curve
from riskray.models.market_data import (
    CURVE_PARTS,
    AnyCurveDocument,
    Compounding,
    CreditCurveDocument,
    CreditQuotedAs,
    CurveDocument,
    FxSpot,
    InflationCurveDocument,
    Interpolation,
    MarketDocument,
    QuotedAs,
    SpotPrice,
    SpreadCurveDocument,
)
from riskray.models.market_values import Quality

_NO_FACTORS: Final[Mapping[str, float]] = MappingProxyType({})
_NOTE_LENGTH_MAX = 2000
_LISTED_MAX = 20

AnyCurve = TypeVar("AnyCurve", CurveDocument, SpreadCurveDocument, CreditCurveDocument, InflationCurveDocument)
Shifts = Mapping[str, Float[np.ndarray, " pillar"]]
"""By curve: what to add to its continuously compounded zero rates (or spreads, zero hazard rates, growth rates), decimal."""


def replaced(
    document: MarketDocument,
    *,
    curves: Sequence[CurveDocument] = (),
    spread_curves: Sequence[SpreadCurveDocument] = (),
    credit_curves: Sequence[CreditCurveDocument] = (),
    inflation_curves: Sequence[InflationCurveDocument] = (),
    fx_rates: Mapping[str, float] | None = None,
) -> MarketDocument:
    """The document with these curves in place of those of the same names, and these rates of quoted pairs.

    Raises:
        InvalidRequest: a name or pair that the document lacks, or one that is given twice.
    """
    rates = dict(fx_rates or {})
    pairs = [spot.pair for spot in document.fx_spots]
    for pair in rates:
        if pair not in pairs:
            raise _unknown("fx_rates", pair, f"the market quotes no pair {pair!r}", pairs)
    spots = [spot.model_copy(update={"rate": rates.pop(spot.pair)}) if spot.pair in rates else spot for spot in document.fx_spots]
    return document.model_copy(
        update={
            "curves": _replace("curves", document.curves, curves),
            "spread_curves": _replace("spread_curves", document.spread_curves, spread_curves),
            "credit_curves": _replace("credit_curves", document.credit_curves, credit_curves),
            "inflation_curves": _replace("inflation_curves", document.inflation_curves, inflation_curves),
            "fx_spots": spots,
        }
    )


def shifted(
    document: MarketDocument, *, shifts: Shifts, fx_factors: Mapping[str, float], price_factors: Mapping[str, float] = _NO_FACTORS
) -> MarketDocument:
    """The document with curves moved at their pillars, and today's price of each currency and security times its factor, if it has one.

    A security whose benchmark moves does not move with it: the document knows prices, not which position has which benchmark.

    A moved discount curve is written as continuously compounded zero rates, a credit curve as zero hazard rates. Where `fx_discount_curves`
    carry spot rates back to today, the spots are restated so that moved curves leave today's rates where they were, as they do under
    scenarios.
    """
    moved = document.model_copy(
        update={
            part: [
                _moved_curve(curve, document, shifts[curve.name]) if curve.name in shifts else curve for curve in getattr(document, part)
            ]
            for part in CURVE_PARTS
        }
    )
    before, after = _todays_rates(document), _todays_rates(moved)
    spots = [_moved_spot(spot, fx_factors, before[_key(spot)] / after[_key(spot)]) for spot in document.fx_spots]
    prices = [_moved_price(price, price_factors.get(price.name, 1.0)) for price in document.spot_prices]
    return moved.model_copy(update={"fx_spots": spots, "spot_prices": prices})


def _moved_price(price: SpotPrice, factor: float) -> SpotPrice:
    if factor == 1.0:
        return price
    return price.model_copy(update={"value": price.value * factor, **_no_longer_published(price.source)})


def _replace(part: str, known: Sequence[AnyCurve], given: Sequence[AnyCurve]) -> list[AnyCurve]:
    names = [curve.name for curve in known]
    new: dict[str, AnyCurve] = {}
    for curve in given:
        if curve.name not in names:
            raise _unknown(part, curve.name, f"the market has no curve {curve.name!r} among its {part}", names)
        if not curve.points:
            message = f"curve {curve.name!r} replaces another one and has no points; give its points"
            raise InvalidRequest(message, [{"loc": ["market", part, curve.name, "points"], "msg": message, "code": "missing"}])
        if curve.name in new:
            message = f"curve {curve.name!r} is given twice in {part}"
            raise InvalidRequest(message, [{"loc": ["market", part, curve.name], "msg": message, "code": "duplicate"}])
        new[curve.name] = curve
    return [new.get(curve.name, curve) for curve in known]


def _unknown(part: str, name: str, message: str, known: Sequence[str]) -> InvalidRequest:
    listed = ", ".join(known[:_LISTED_MAX]) + ", …" * (len(known) > _LISTED_MAX)
    message = f"{message}; there are {listed or 'none'}"
    return InvalidRequest(message, [{"loc": ["market", part, name], "msg": message, "code": "unknown_name"}])


def _moved_curve(curve: AnyCurveDocument, document: MarketDocument, shift: np.ndarray) -> AnyCurveDocument:
    form: dict[str, Any] = {}
    match curve:
        case CurveDocument():
            # A moved curve is no longer the one of its quotes.
            form = {"quoted_as": QuotedAs.ZERO_RATES, "compounding": Compounding.CONTINUOUS, **_without_instruments(curve)}
            values = (discount_curve(curve, as_of=document.as_of).zero_rates + shift).tolist()
        case CreditCurveDocument():
            form = {"quoted_as": CreditQuotedAs.HAZARD_RATES, "instruments": []}
            values = (hazard_curve(curve, as_of=document.as_of).zero_rates + shift).tolist()
        case InflationCurveDocument():
            values = inflation_rates(inflation_curve(curve, as_of=document.as_of).zero_rates + shift)
        case _:
            values = (np.array([point.value for point in curve.points]) + shift).tolist()
    points = [point.model_copy(update={"value": value}) for point, value in zip(curve.points, values, strict=True)]
    return curve.model_copy(update={**form, "points": points, **_no_longer_published(curve.source)})


def _without_instruments(curve: CurveDocument) -> dict[str, Any]:
    if not curve.instruments:
        return {}
    is_linear = curve.interpolation is Interpolation.LINEAR_ZERO
    return {"instruments": [], "interpolation": Interpolation.LINEAR_ZERO if is_linear else Interpolation.LOG_LINEAR_DISCOUNT}


def _no_longer_published(source: str) -> dict[str, Any]:
    return {"quality": Quality.ESTIMATED, "source": f"shocked; before: {source}"[:_NOTE_LENGTH_MAX]}


def _moved_spot(spot: FxSpot, factors: Mapping[str, float], restated: float) -> FxSpot:
    ratio = factors.get(spot.pair[:3], 1.0) / factors.get(spot.pair[3:], 1.0)
    if ratio == 1.0 and restated == 1.0:
        return spot
    moved = _no_longer_published(spot.source) if ratio != 1.0 else {}
    return spot.model_copy(update={"rate": spot.rate * ratio * restated, **moved})


def _key(spot: FxSpot) -> tuple[str, str]:
    return spot.pair[:3], spot.pair[3:]


def _todays_rates(document: MarketDocument) -> Mapping[tuple[str, str], float]:
    needed = {*document.fx_discount_curves.values()}
    curves = {curve.name: discount_curve(curve, as_of=document.as_of) for curve in document.curves if curve.name in needed}
    return todays_rates(document, curves)
