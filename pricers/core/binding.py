"""Where a compiled batch finds its market data: names are looked up once a batch and market."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int32, UInt8

from pricers.core.compiled import Compiled
from pricers.core.shapes import CurveKey, curve_key
from pricers.flows.cashflows import Shape
from pricers.market.market import CurveKind, Market
from pricers.status import RowStatus

KINDS: Final = tuple(CurveKind)


@dataclass(frozen=True)
class Binding:
    """Positions, exchange rates and gaps of a batch in one market."""

    curve: Int32[np.ndarray, " curve_plus_one"]
    """Position in `Market.curves` of each curve of the batch, -1 where the market has none of that name and kind; -1 for OWN, the last."""
    status: UInt8[np.ndarray, " set"]
    """RowStatus: what the curve set lacks, or OK."""
    fx: Float[np.ndarray, " set"]
    """Value of the set's unit (its currency or security) in base currency, NaN where the market has none."""
    native_fx: Float[np.ndarray, " row"]
    """The same for the currency of the row's PV."""


def bind_market(compiled: Compiled, *, market: Market) -> Binding:
    """Look the batch's curve and currency names up in a market.

    A curve set lacks something where the market has no curve of a name and kind that it needs, no exchange rate, or where a node is no
    amount of the set's currency: the signs of a node's points on rate curves add up to 1 for that currency (0 for a node that nothing
    discounts), and to 0 for any other.

    Raises:
        ValueError: the batch was compiled for another date than the market's.
    """
    if compiled.as_of != market.as_of:
        raise ValueError(
            f"the contracts were compiled for day {compiled.as_of} and the market is of day {market.as_of}: compile them again"
        )
    sets = compiled.sets
    places = [market.resolve(name, KINDS[kind]) for kind, name in sets.curves]
    curve = np.array([*(-1 if place is None else place for place in places), -1], np.int32)
    fx = _rates(compiled.leg_currency.names, market)[sets.currency]
    status = np.full(sets.count, RowStatus.OK, np.uint8)
    if compiled.specials is not None:
        status[compiled.specials.sets_without_segments(compiled.node_offsets, market=market)] = RowStatus.CURVE_INTERPOLATION
    status[_mixed_sets(compiled, dict(zip(sets.curves, places, strict=True)), market)] = RowStatus.CURVE_CURRENCY_MISMATCH
    has_price = np.array([*(market.currency_of(unit) is not None for unit in compiled.leg_currency.names), True])
    status[np.isnan(fx)] = RowStatus.MISSING_FX
    status[~has_price[sets.currency]] = RowStatus.MISSING_PRICE
    missing = curve[sets.set_curve] < 0
    kinds = np.array([kind for kind, _ in sets.curves], np.int8)[sets.set_curve]
    set_of_curve = np.repeat(np.arange(sets.count), np.diff(sets.curve_offsets))
    is_spread = kinds == KINDS.index(CurveKind.SPREAD)
    status[set_of_curve[missing & is_spread]] = RowStatus.MISSING_SPREAD_CURVE
    is_index = kinds == KINDS.index(CurveKind.INFLATION)
    status[set_of_curve[missing & is_index]] = RowStatus.MISSING_INFLATION_CURVE
    status[set_of_curve[missing & ~is_spread & ~is_index]] = RowStatus.MISSING_CURVE
    native_fx = _rates(compiled.native_currency.names, market)[compiled.native_currency.codes]
    return Binding(curve=curve, status=status, fx=fx, native_fx=native_fx)


def _rates(names: tuple[str, ...], market: Market) -> np.ndarray:
    """Value of each unit in base currency; NaN where there is none and, at the end, for null."""
    return np.array([*(market.unit_value(name) for name in names), np.nan], np.float64)


def _mixed_sets(compiled: Compiled, places: dict[CurveKey, int | None], market: Market) -> list[int]:
    """Curve sets with a shape that is no amount of the set's currency."""
    currencies = (*compiled.leg_currency.names, None)
    currency_of = {
        key: market.curves[place].currency
        for key, place in places.items()
        if place is not None and market.curves[place].kind is CurveKind.RATE
    }
    mixed = []
    for number, shape in compiled.set_shapes:
        if _signs_by_currency(compiled.shapes[shape], currency_of) not in ({}, {currencies[compiled.sets.currency[number]]: 1}):
            mixed.append(number)
    return mixed


def _signs_by_currency(shape: Shape, currency_of: Mapping[CurveKey, str]) -> dict[str, int]:
    """Sum of the signs of a shape's points on rate curves by the curves' currency, without those that add up to 0."""
    signs: dict[str, int] = {}
    for term in shape:
        currency = currency_of.get(curve_key(term))
        if currency is not None:
            signs[currency] = signs.get(currency, 0) + term.sign
    return {currency: sign for currency, sign in signs.items() if sign}
