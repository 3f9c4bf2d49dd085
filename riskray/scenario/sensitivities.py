"""A node's rollups as sensitivities to the factors of a scenario set, for parametric VaR over the same scenarios."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from pricers.market.factors import FactorKind
from pricers.market.market import Market
from pricers.measures import BASIS_POINT, FX_SHIFT, PRICE_SHIFT
from riskray.models.scenario import MoveKind
from riskray.scenario.codec import ScenarioMatrix
from riskray.scenario.factors import CURVE_KINDS, Factor, curve_of


@dataclass(frozen=True)
class FactorSensitivities:
    """P&L in base currency for a move of 1 of each factor, to first order."""

    values: Float[np.ndarray, " factor"]
    left_out: tuple[str, ...]
    """Factors that move and that the rollups say nothing of: they count for nothing in the parametric figure."""


def factor_sensitivities(
    matrix: ScenarioMatrix,
    *,
    market: Market,
    ladders: Mapping[tuple[str, str], float],
    ladder_kinds: Collection[FactorKind],
    fx_deltas: Mapping[str, float],
    cs01: float,
) -> FactorSensitivities:
    """Sensitivities to the factors of a set.

    With the moves f against the numeraire, the price of currency C in the base currency B moves by f_C - f_B to first order, so the base
    currency's own factor hits every foreign currency at once.

    Args:
        matrix: the set.
        market: its rates scale relative moves.
        ladders: (curve, pillar) -> sensitivity of the node, base currency per basis point; (price, price) -> base currency for +1 %. A
            security whose own price and whose benchmark both move counts with both, although a scenario moves it by the first alone.
        ladder_kinds: kinds of factors for which the run has ladders. Moves of factors of another kind are left out.
        fx_deltas: foreign currency -> FX delta of the node, base currency for +1 %.
        cs01: of the node, base currency per basis point; used for moves of the contracts' own credit spreads.
    """
    values = np.zeros(len(matrix.factors))
    left_out = []
    for index, factor in enumerate(matrix.factors):
        if factor.type == "credit":
            values[index] = cs01 / BASIS_POINT
        elif factor.type == "fx" and factor.currency == market.base_currency:
            values[index] = -sum(fx_deltas.values()) / FX_SHIFT
        elif factor.type == "fx":
            values[index] = fx_deltas.get(factor.currency, 0.0) / FX_SHIFT
        elif factor.type == "price" and FactorKind.PRICE in ladder_kinds:
            values[index] = ladders.get((factor.price, factor.price), 0.0) / PRICE_SHIFT
        elif factor.type in CURVE_KINDS and FactorKind(CURVE_KINDS[factor.type]) in ladder_kinds:
            values[index] = _curve_sensitivity(factor, market, ladders)
        elif np.any(matrix.values[:, index]):
            left_out.append(factor.header)
    return FactorSensitivities(values, tuple(left_out))


def _curve_sensitivity(factor: Factor, market: Market, ladders: Mapping[tuple[str, str], float]) -> float:
    curve = curve_of(market, factor)
    if curve is None:
        return 0.0
    scale = float(curve.zero_rates[curve.pillar_labels.index(factor.pillar)]) if factor.kind is MoveKind.RELATIVE else 1.0
    return ladders.get((curve.name, factor.pillar), 0.0) / BASIS_POINT * scale
