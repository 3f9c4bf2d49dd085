"""Sensitivities by factor in the columns that results are stored in today: lists by leg. To be deleted with these columns."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int16, Int64

from pricers.contract.columns import Text
from pricers.core.binding import bind_market
from pricers.core.compiled import Compiled
from pricers.market.factors import FactorKind, factors_of
from pricers.market.market import CurveKind, Market
from pricers.status import RowStatus
from pricers.value.valuation import Valuation


@dataclass(frozen=True)
class StoredLegs:
    """Legs of the rows that have a value; the others have none."""

    leg_offsets: Int64[np.ndarray, " row_plus_one"]
    leg_currency: Text
    leg_curve: Int16[np.ndarray, " leg"]
    """Position of the leg's rate curve in `Market.curves`; -1 for none."""
    leg_fx_delta: Float[np.ndarray, " leg"]
    """Of the leg's currency; 0 for the base currency."""
    key_rate_offsets: Int64[np.ndarray, " leg_plus_one"]
    key_rate_dv01: Float[np.ndarray, " bucket"]


def stored_legs(valuation: Valuation, compiled: Compiled | None, *, market: Market) -> StoredLegs:
    """The legs of a valuation. A row that is no sum of cash flows has one for each rate curve, or else currency, that it depends on."""
    is_ok = valuation.status == int(RowStatus.OK)
    if compiled is None:
        counts, curve, currency = _legs_of_factors(valuation, is_ok, market)
    else:
        counts = np.where(is_ok, np.diff(compiled.leg_offsets), 0)
        is_kept = np.repeat(is_ok, np.diff(compiled.leg_offsets))
        curve = _rate_curves(compiled, market)[compiled.leg_set[is_kept]]
        currency = Text(compiled.leg_currency.codes[is_kept], compiled.leg_currency.names)
    row_of_leg = np.repeat(np.arange(is_ok.size), counts)
    factors = factors_of(market)
    number_of = {factor.name: number for number, factor in enumerate(factors) if factor.kind is FactorKind.CURRENCY}
    wanted = np.array([*(number_of.get(name, -1) for name in currency.names), -1])[currency.codes]
    row_of_entry = np.repeat(np.arange(is_ok.size), np.diff(valuation.factor_offsets))
    width = len(factors) + 1
    keys = row_of_entry * width + valuation.factor_nos
    fx_delta = np.zeros(row_of_leg.size)
    at, found = _find(keys, row_of_leg * width + wanted, wanted >= 0)
    fx_delta[found] = valuation.sensitivities[valuation.bucket_offsets[at]]
    at, found = _find(keys, row_of_leg * width + curve, curve >= 0)
    sizes = np.zeros(row_of_leg.size, np.int64)
    sizes[found] = np.diff(valuation.bucket_offsets)[at]
    bucket = np.repeat(valuation.bucket_offsets[at] - (np.cumsum(sizes[found]) - sizes[found]), sizes[found]) + np.arange(sizes.sum())
    return StoredLegs(_offsets(counts), currency, curve, fx_delta, _offsets(sizes), valuation.sensitivities[bucket])


def _rate_curves(compiled: Compiled, market: Market) -> np.ndarray:
    """int16[set]: position of the first rate curve of each curve set, -1 for none."""
    binding, sets = bind_market(compiled, market=market), compiled.sets
    first = np.full(sets.count, -1, np.int16)
    for number in range(sets.count):
        for curve in binding.curve[sets.set_curve[sets.curve_offsets[number] : sets.curve_offsets[number + 1]]].tolist():
            if curve >= 0 and first[number] < 0 and market.curves[curve].kind is CurveKind.RATE:
                first[number] = curve
    return first


def _legs_of_factors(valuation: Valuation, is_ok: np.ndarray, market: Market) -> tuple[np.ndarray, np.ndarray, Text]:
    """Legs a row, and the rate curve and currency of each."""
    factors, counts = factors_of(market), np.zeros(is_ok.size, np.int64)
    curves: list[int] = []
    currencies: list[str | None] = []
    for row in np.flatnonzero(is_ok).tolist():
        numbers = valuation.factor_nos[valuation.factor_offsets[row] : valuation.factor_offsets[row + 1]].tolist()
        legs = [(number, market.curves[number].currency) for number in numbers if factors[number].kind is FactorKind.RATE]
        discounted = {currency for _, currency in legs}
        names = [factors[number].name for number in numbers if factors[number].kind is FactorKind.CURRENCY]
        legs += [(-1, name) for name in names if name not in discounted]
        legs = legs or [(-1, market.base_currency)]
        counts[row] = len(legs)
        curves += [curve for curve, _ in legs]
        currencies += [currency for _, currency in legs]
    return counts, np.array(curves, np.int16), Text.of(currencies)


def _find(keys: np.ndarray, wanted: np.ndarray, is_asked: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Entries of the legs that ask for one that is there, and which legs these are."""
    at = np.searchsorted(keys, wanted)
    legs = np.flatnonzero(is_asked & (at < keys.size))
    legs = legs[keys[at[legs]] == wanted[legs]]
    return at[legs], legs


def _offsets(counts: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts, dtype=np.int64)])
