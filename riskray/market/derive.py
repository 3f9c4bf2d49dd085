"""Market documents made from others: curves replaced, rates quoted anew, pillars and exchange rates moved.

What is not changed stays as it was given, to the last digit. Each function returns a new document and leaves the given one unchanged.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float

from riskray.errors import InvalidRequest
from riskray.market.fx import todays_rates
from riskray.market.zero_rates import discount_curve
from riskray.models.market_data import (
    Compounding,
    CurveDocument,
    FxSpot,
    Interpolation,
    MarketDocument,
    Quality,
    QuotedAs,
    SpreadCurveDocument,
)

_NOTE_LENGTH_MAX = 2000
_LISTED_MAX = 20

AnyCurve = TypeVar("AnyCurve", CurveDocument, SpreadCurveDocument)
Shifts = Mapping[str, Float[np.ndarray, " pillar"]]
"""By curve: what to add to its continuously compounded zero rates (or spreads), decimal."""


def replaced(
    document: MarketDocument,
    *,
    curves: Sequence[CurveDocument] = (),
    spread_curves: Sequence[SpreadCurveDocument] = (),
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
            "fx_spots": spots,
        }
    )


def shifted(document: MarketDocument, *, shifts: Shifts, fx_factors: Mapping[str, float]) -> MarketDocument:
    """The document with curves moved at their pillars, and today's price of each currency in `fx_factors` times its factor.

    A moved discount curve is written as continuously compounded zero rates. Where `fx_discount_curves` carry spot rates back to today, the
    spots are restated so that moved curves leave today's rates where they were, as they do under scenarios.
    """
    moved = document.model_copy(
        update={
            "curves": [_moved_curve(curve, document, shifts.get(curve.name)) for curve in document.curves],
            "spread_curves": [_moved_spread_curve(curve, shifts.get(curve.name)) for curve in document.spread_curves],
        }
    )
    before, after = _todays_rates(document), _todays_rates(moved)
    spots = [_moved_spot(spot, fx_factors, before[_key(spot)] / after[_key(spot)]) for spot in document.fx_spots]
    return moved.model_copy(update={"fx_spots": spots})


def _replace(part: str, known: Sequence[AnyCurve], given: Sequence[AnyCurve]) -> list[AnyCurve]:
    names = [curve.name for curve in known]
    new: dict[str, AnyCurve] = {}
    for curve in given:
        if curve.name not in names:
            raise _unknown(part, curve.name, f"the market has no curve {curve.name!r} among its {part}", names)
        if curve.name in new:
            message = f"curve {curve.name!r} is given twice in {part}"
            raise InvalidRequest(message, [{"loc": ["market", part, curve.name], "msg": message, "code": "duplicate"}])
        new[curve.name] = curve
    return [new.get(curve.name, curve) for curve in known]


def _unknown(part: str, name: str, message: str, known: Sequence[str]) -> InvalidRequest:
    listed = ", ".join(known[:_LISTED_MAX]) + ", …" * (len(known) > _LISTED_MAX)
    message = f"{message}; there are {listed or 'none'}"
    return InvalidRequest(message, [{"loc": ["market", part, name], "msg": message, "code": "unknown_name"}])


def _moved_curve(curve: CurveDocument, document: MarketDocument, shift: np.ndarray | None) -> CurveDocument:
    if shift is None:
        return curve
    rates = discount_curve(curve, as_of=document.as_of).zero_rates + shift
    # A moved curve is no longer the one of its quotes.
    form = {"quoted_as": QuotedAs.ZERO_RATES, "compounding": Compounding.CONTINUOUS, **_without_instruments(curve)}
    return curve.model_copy(update={**form, **_moved(curve, rates)})


def _without_instruments(curve: CurveDocument) -> dict[str, Any]:
    if not curve.instruments:
        return {}
    is_linear = curve.interpolation is Interpolation.LINEAR_ZERO
    return {"instruments": [], "interpolation": Interpolation.LINEAR_ZERO if is_linear else Interpolation.LOG_LINEAR_DISCOUNT}


def _moved_spread_curve(curve: SpreadCurveDocument, shift: np.ndarray | None) -> SpreadCurveDocument:
    if shift is None:
        return curve
    return curve.model_copy(update=_moved(curve, np.array([point.value for point in curve.points]) + shift))


def _moved(curve: CurveDocument | SpreadCurveDocument, values: np.ndarray) -> dict[str, Any]:
    points = [point.model_copy(update={"value": value}) for point, value in zip(curve.points, values.tolist(), strict=True)]
    return {"points": points, **_no_longer_published(curve.source)}


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
