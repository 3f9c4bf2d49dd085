"""Where the sensitivities of each row stand: its factors in increasing number, each with its buckets one after the other."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int16, Int64

from pricers.core.binding import KINDS, Binding
from pricers.core.compiled import Compiled
from pricers.market.factors import currency_numbers, price_numbers
from pricers.market.market import CurveKind, Market
from pricers.market.units import price_unit


@dataclass(frozen=True)
class RowLayout:
    """Offsets as in `Valuation`, and where each leg adds what it has."""

    factor_offsets: Int64[np.ndarray, " row_plus_one"]
    factor_nos: Int16[np.ndarray, " entry"]
    bucket_offsets: Int64[np.ndarray, " entry_plus_one"]
    row_start: Int64[np.ndarray, " row"]
    """First bucket of each row."""
    place_offsets: Int64[np.ndarray, " place_plus_one"]
    """A leg's place (`Compiled.rows.leg_place`) has curves place_offsets[p]:place_offsets[p + 1]."""
    place_curve: Int64[np.ndarray, " curve_of_place"]
    """Position in `Market.curves`."""
    place_start: Int64[np.ndarray, " curve_of_place"]
    """First bucket of the curve, counted from the row's."""
    place_currency: Int64[np.ndarray, " place"]
    """Bucket of the leg's currency, counted from the row's first; -1 for none."""

    price_start: Int64[np.ndarray, "place 2"]
    """Buckets of the prices of the leg's security and of its benchmark, counted from the row's first; -1 for none."""
    price_beta: Float[np.ndarray, "place 2"]
    """Relative move of the leg's value over that of the price."""

    @property
    def bucket_count(self) -> int:
        return int(self.bucket_offsets[-1])


def row_layout(
    compiled: Compiled,
    *,
    binding: Binding,
    market: Market,
    is_ok: Bool[np.ndarray, " row"],
    kinds: frozenset[CurveKind],
    currencies: bool,
    prices: bool,
) -> RowLayout:
    """Lay out the rows of `is_ok`; the others have no factor.

    Args:
        compiled, binding, market: the batch in its market.
        is_ok: rows all of whose curves and currencies the market has.
        kinds: curves of these kinds are factors.
        currencies: whether foreign currencies are factors.
        prices: whether prices of securities are factors.
    """
    sets, rows = compiled.sets, compiled.rows
    pillars = np.diff(market.tables.offsets)
    number_of = currency_numbers(market) if currencies else {}
    names = (*compiled.leg_currency.names, "")
    curves_of_set = [
        [
            int(binding.curve[curve])
            for curve in sets.set_curve[sets.curve_offsets[s] : sets.curve_offsets[s + 1]].tolist()
            if binding.curve[curve] >= 0 and KINDS[sets.curves[curve][0]] in kinds
        ]
        for s in range(sets.count)
    ]
    currency_of_set = [number_of.get(market.currency_of(names[code]) or "", -1) for code in sets.currency.tolist()]
    price_no = price_numbers(market) if prices else {}
    prices_of_set = [_prices_of(names[code], price_no) for code in sets.currency.tolist()]
    factors, starts = [], []
    for members in rows.sets:
        of_prices = (number for s in members for number, _ in prices_of_set[s])
        found = sorted({*(c for s in members for c in curves_of_set[s]), *(currency_of_set[s] for s in members), *of_prices} - {-1})
        factors.append(found)
        sizes = [int(pillars[factor]) if factor < pillars.size else 1 for factor in found]
        starts.append(dict(zip(found, np.cumsum([0, *sizes])[:-1].tolist(), strict=True)))
    counts = np.array([len(found) for found in factors], np.int64)
    first = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
    flat = np.array([factor for found in factors for factor in found], np.int64)
    size_of = np.concatenate([pillars, np.ones(len(currency_numbers(market)) + len(price_no), np.int64)])
    row_counts = np.where(is_ok, counts[rows.row_set], 0)
    factor_offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(row_counts)])
    entry = np.arange(factor_offsets[-1]) - np.repeat(factor_offsets[:-1] - first[:-1][rows.row_set], row_counts)
    factor_nos = flat[entry]
    bucket_offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(size_of[factor_nos])])
    priced = [[(starts[row_set][no], beta) for no, beta in prices_of_set[s]] for row_set, s in rows.places]
    priced = [[*each, *[(-1, 0.0)] * (2 - len(each))] for each in priced]
    placed = [[(curve, starts[row_set][curve]) for curve in curves_of_set[s]] for row_set, s in rows.places]
    return RowLayout(
        factor_offsets=factor_offsets,
        factor_nos=factor_nos.astype(np.int16),
        bucket_offsets=bucket_offsets,
        row_start=bucket_offsets[factor_offsets[:-1]],
        place_offsets=np.cumsum([0, *(len(each) for each in placed)], dtype=np.int64),
        place_curve=np.array([curve for each in placed for curve, _ in each], np.int64),
        place_start=np.array([start for each in placed for _, start in each], np.int64),
        place_currency=np.array(
            [starts[row_set][currency_of_set[s]] if currency_of_set[s] >= 0 else -1 for row_set, s in rows.places], np.int64
        ),
        price_start=np.array([[start for start, _ in each] for each in priced], np.int64).reshape(-1, 2),
        price_beta=np.array([[beta for _, beta in each] for each in priced], np.float64).reshape(-1, 2),
    )


def _prices_of(unit: str, number_of: dict[str, int]) -> list[tuple[int, float]]:
    """Factors of the prices that move a unit, each with the unit's relative move for one of the price."""
    security = price_unit(unit)
    if security is None or security.price not in number_of:
        return []
    found = [(number_of[security.price], 1.0)]
    if security.benchmark in number_of:
        found.append((number_of[security.benchmark], security.beta))
    return found
