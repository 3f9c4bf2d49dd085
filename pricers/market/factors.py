"""The factors of a market: what a value is sensitive to, numbered, with the unit and the bump of its sensitivities.

A position's bucketed risks are lists by factor: key rates of a discount curve, the ladder of a spread curve, the FX delta to a currency.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from pricers.market.market import Curve, Market


class FactorKind(StrEnum):
    """Kinds of factors, in the order in which factors are numbered."""

    RATE = "RATE"
    SPREAD = "SPREAD"
    HAZARD = "HAZARD"
    INFLATION = "INFLATION"
    CURRENCY = "CURRENCY"


@dataclass(frozen=True)
class Factor:
    """One factor and its buckets.

    A sensitivity is the base-currency PV after the bump of one bucket less the PV before it.
    """

    kind: FactorKind
    name: str
    """Of the curve or currency; unique among the factors of its kind."""
    unit: str
    """Of the sensitivities."""
    bump: str
    """What is moved, and by how much."""
    bucket_labels: tuple[str, ...]
    """The pillars of a curve in order; one bucket without a label, "", for a currency."""
    bucket_days: tuple[int, ...] | None
    """Days from the valuation date to each bucket; None where buckets are not dates."""
    is_sparse: bool = False
    """Stored as pairs (bucket number, value) instead of one value a bucket."""

    @property
    def bucket_count(self) -> int:
        """Number of buckets."""
        return len(self.bucket_labels)


_BUMPS = {
    FactorKind.RATE: "the zero rate of one pillar, +1 bp, through the curve's own interpolation",
    FactorKind.SPREAD: "the zero spread of one pillar, +1 bp, through the curve's own interpolation",
    FactorKind.CURRENCY: "the base-currency price of the currency, +1 %",
}
_UNIT = "base currency"


def factors_of(market: Market) -> tuple[Factor, ...]:
    """The factors of a market: discount curves and spread curves in the market's order, then foreign currencies by name.

    A factor's number in results is its place here.
    """
    currencies = sorted(market.fx_to_base.keys() - {market.base_currency})
    return (
        *_curves(FactorKind.RATE, market.discount_curves),
        *_curves(FactorKind.SPREAD, market.spread_curves),
        *(Factor(FactorKind.CURRENCY, name, _UNIT, _BUMPS[FactorKind.CURRENCY], ("",), None) for name in currencies),
    )


def _curves(kind: FactorKind, curves: Sequence[Curve]) -> list[Factor]:
    return [Factor(kind, curve.name, _UNIT, _BUMPS[kind], curve.pillar_labels, tuple(curve.pillar_days.tolist())) for curve in curves]
