"""A scenario set meets a market: the pricers' arrays.

A relative move of a rate is a fraction of this market's rate. For the base currency B and moves f against the numeraire, the price of
currency C in B is multiplied by (1 + f_C) / (1 + f_B); the numeraire's own f is 0. Prices move in their own currency. What the set does not
move stays where it is, but for securities that move with a benchmark (see `pricers.market.units`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pricers.market.market import Market, Scenarios
from riskray.errors import InvalidRequest
from riskray.models.scenario import MoveKind
from riskray.scenario.codec import ScenarioMatrix
from riskray.scenario.factors import (
    CURVE_KINDS,
    Factor,
    curve_and_pillar,
    curve_of,
    curves_of,
    factor_type,
    fx_name,
    market_factor_names,
    quote_factor_names,
)

_LISTED_MAX = 20


@dataclass(frozen=True)
class BoundScenarios:
    """Scenarios ready to be valued."""

    scenarios: Scenarios
    unmoved_factors: tuple[str, ...]
    """Factors of the market that no scenario of the set moves."""

    @property
    def unmoved(self) -> tuple[str, ...]:
        """Type and name (`zero/<curve>`) of each curve of which no pillar moves, `credit`, `fx/<currency>` and `price/<name>`."""
        names = []
        for name in self.unmoved_factors:
            kind = factor_type(name)
            if kind in CURVE_KINDS:
                curve = curve_and_pillar(name)[0]
                if curve in self.scenarios.shifts:
                    continue
                name = f"{kind}/{curve}"
            names.append(name)
        return tuple(dict.fromkeys(names))


def bind_scenarios(matrix: ScenarioMatrix, *, market: Market) -> BoundScenarios:
    """The set's moves as shifts of this market.

    Raises:
        InvalidRequest: the set moves a curve, a pillar, a currency or a price that the market lacks; `problems` names each.
    """
    known = market_factor_names(market)
    numeraire = fx_name(matrix.numeraire)
    there = {*known, *quote_factor_names(market), numeraire}
    unknown = [factor.name for factor in matrix.factors if factor.name not in there and not _is_pillar(factor, market)]
    if unknown:
        raise _unknown(unknown, market)
    credit = [column for column, factor in enumerate(matrix.factors) if factor.type == "credit"]
    moved = {factor.name for factor in matrix.factors} | {numeraire}
    by_quotes = _quote_shifts(matrix, market)
    shifts = _curve_shifts(matrix, market)
    for name, shift in by_quotes.items():
        shifts[name] = shifts[name] + shift if name in shifts else shift
    return BoundScenarios(
        Scenarios(
            count=len(matrix.labels),
            shifts=shifts,
            credit_spread_shift=matrix.values[:, credit[0]].copy() if credit else None,
            fx_factors=_fx_factors(matrix, market),
            price_factors={
                factor.price: 1.0 + matrix.values[:, column] for column, factor in enumerate(matrix.factors) if factor.type == "price"
            },
        ),
        tuple(name for name in known if name not in moved and not _follows_quotes(name, by_quotes)),
    )


def _is_pillar(factor: Factor, market: Market) -> bool:
    """Whether the factor is a pillar of a curve that the market knows by another name as well (see `Market.resolve`)."""
    curve = curve_of(market, factor)
    return curve is not None and factor.pillar in curve.pillar_labels


def _unknown(names: list[str], market: Market) -> InvalidRequest:
    problems = [
        {"loc": ["factors", name], "msg": f"the market has no {name}; {_what_exists(name, market)}", "code": "unknown_factor"}
        for name in names
    ]
    return InvalidRequest(f"{len(names)} factors of the scenario set are not in the market: {problems[0]['msg']}", problems)


def _what_exists(name: str, market: Market) -> str:
    """What the market has where `name` was looked for."""
    factor = Factor(name, MoveKind.ABSOLUTE)
    if factor.type == "quote":
        quotes = () if market.quotes is None else tuple(market.quotes.basis_points)
        return f"its quotes are {', '.join(quotes[:_LISTED_MAX]) or 'none'}{', …' * (len(quotes) > _LISTED_MAX)}"
    if factor.type == "fx":
        return f"it has {', '.join(sorted({market.base_currency, *market.fx_to_base}))}"
    if factor.type == "price":
        return f"its prices are {', '.join(sorted(market.prices)[:_LISTED_MAX]) or 'none'}"
    curves = curves_of(market, factor.type)
    for curve in curves:
        if curve.name == factor.curve:
            return f"the pillars of {curve.name} are {', '.join(curve.pillar_labels)}"
    names = ", ".join(curve.name for curve in curves[:_LISTED_MAX]) or "none"
    return f"its {factor.type} curves are {names}"


def _curve_shifts(matrix: ScenarioMatrix, market: Market) -> dict[str, np.ndarray]:
    shifts: dict[str, np.ndarray] = {}
    for column, factor in enumerate(matrix.factors):
        curve = curve_of(market, factor)
        if curve is None:
            continue
        pillar = curve.pillar_labels.index(factor.pillar)
        shift = shifts.setdefault(curve.name, np.zeros((len(curve.pillar_labels), len(matrix.labels))))
        scale = float(curve.zero_rates[pillar]) if factor.kind is MoveKind.RELATIVE else 1.0
        shift[pillar] += matrix.values[:, column] * scale
    return shifts


def _quote_shifts(matrix: ScenarioMatrix, market: Market) -> Mapping[str, np.ndarray]:
    moves = {factor.quote: matrix.values[:, column] for column, factor in enumerate(matrix.factors) if factor.type == "quote"}
    return market.quotes.shifts(moves) if moves and market.quotes is not None else {}


def _follows_quotes(name: str, shifts: Mapping[str, np.ndarray]) -> bool:
    return factor_type(name) in ("zero", "hazard") and curve_and_pillar(name)[0] in shifts


def _fx_factors(matrix: ScenarioMatrix, market: Market) -> dict[str, np.ndarray]:
    """By currency but the base currency; none at all where no exchange rate moves."""
    moves = {factor.currency: 1.0 + matrix.values[:, column] for column, factor in enumerate(matrix.factors) if factor.type == "fx"}
    if not moves:
        return {}
    still = np.ones(len(matrix.labels))
    base = moves.get(market.base_currency, still)
    return {
        currency: moves.get(currency, still) / base
        for currency in sorted(market.fx_to_base)
        if currency != market.base_currency and (currency in moves or market.base_currency in moves)
    }
