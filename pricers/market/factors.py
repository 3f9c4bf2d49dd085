"""What bucketed risk is measured against: the curves and currencies of a market by number, each with its unit, bump and buckets."""

from dataclasses import dataclass
from enum import StrEnum

from pricers.market.market import Curve, Market, days_to_pillars
from pricers.measures import BASIS_POINT, FX_SHIFT, PRICE_SHIFT


class FactorKind(StrEnum):
    """What a factor is."""

    RATE = "RATE"
    SPREAD = "SPREAD"
    HAZARD = "HAZARD"
    INFLATION = "INFLATION"
    CURRENCY = "CURRENCY"
    PRICE = "PRICE"


@dataclass(frozen=True)
class Factor:
    """One thing that moves, in one bucket or several."""

    kind: FactorKind
    name: str
    """Name of the curve or the price, or code of the currency."""
    unit: str
    """Of the sensitivities."""
    bump: float
    """Size of the bump: added to the zero rate of a curve's pillar; for a currency or a security, the relative change of its price."""
    bucket_labels: tuple[str, ...]
    bucket_days: tuple[int, ...] | None
    """Days from the valuation date to each pillar; None where buckets are no days."""
    is_sparse: bool
    """Whether sensitivities are pairs (bucket number, value) of the buckets that are not 0, instead of one value a bucket."""


def factors_of(market: Market) -> tuple[Factor, ...]:
    """The factors of a market: its curves in their order, then its foreign currencies, then its prices, both by name. A factor's number is
    its place here."""
    curves = [_curve_factor(curve) for curve in market.curves]
    currencies = [Factor(FactorKind.CURRENCY, name, "base currency", FX_SHIFT, (name,), None, False) for name in foreign_currencies(market)]
    prices = [Factor(FactorKind.PRICE, name, "base currency", PRICE_SHIFT, (name,), None, False) for name in sorted(market.prices)]
    return (*curves, *currencies, *prices)


def _curve_factor(curve: Curve) -> Factor:
    days = tuple(days_to_pillars(curve).tolist())
    return Factor(FactorKind(curve.kind), curve.name, "base currency", BASIS_POINT, curve.pillar_labels, days, False)


def foreign_currencies(market: Market) -> tuple[str, ...]:
    """Currencies that the market converts to its base currency, without that, by name."""
    return tuple(sorted({*market.fx_to_base} - {market.base_currency}))


def currency_numbers(market: Market) -> dict[str, int]:
    """Factor number of each foreign currency."""
    return {name: len(market.curves) + place for place, name in enumerate(foreign_currencies(market))}


def price_numbers(market: Market) -> dict[str, int]:
    """Factor number of each price."""
    first = len(market.curves) + len(foreign_currencies(market))
    return {name: first + place for place, name in enumerate(sorted(market.prices))}
