"""The market as a pricer sees it: zero curves, spread curves and exchange rates on one valuation date, as plain arrays.

riskray builds this view from a stored market snapshot; in a notebook it is built by hand.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

Interpolation = Literal["LINEAR_ZERO", "LOG_LINEAR_DISCOUNT"]


@dataclass(frozen=True)
class Curve:
    """A zero curve: continuously compounded zero rates, ACT/365F from the valuation date, at increasing pillars.

    LINEAR_ZERO interpolates the zero rate and holds it flat beyond the first and last pillar. LOG_LINEAR_DISCOUNT interpolates the
    logarithm of the discount factor from 1 on the valuation date, that is, piecewise flat forward rates, the last of which extends
    beyond the last pillar. A spread curve is a curve of additive zero spreads; its currency is empty.
    """

    name: str
    currency: str
    interpolation: Interpolation
    pillar_labels: tuple[str, ...]
    pillar_days: np.ndarray
    """int32[pillar]: days from the valuation date, positive, increasing."""
    zero_rates: np.ndarray
    """float64[pillar]: decimal a year."""

    def __post_init__(self) -> None:
        if not len(self.pillar_labels) == self.pillar_days.size == self.zero_rates.size >= 1:
            sizes = (len(self.pillar_labels), self.pillar_days.size, self.zero_rates.size)
            raise ValueError(f"curve {self.name!r}: labels, days and zero rates must have the same length of at least 1, have {sizes}")
        if self.pillar_days[0] <= 0 or np.any(np.diff(self.pillar_days) <= 0):
            raise ValueError(f"curve {self.name!r}: pillar days must be positive and increasing, have {self.pillar_days.tolist()}")
        if not np.all(np.isfinite(self.zero_rates)):
            raise ValueError(f"curve {self.name!r}: a zero rate is not finite: {self.zero_rates.tolist()}")


@dataclass(frozen=True)
class Market:
    """All market data of one valuation.

    `fx_to_base[currency]` is today's price of one unit of the currency in base currency (1.0 for the base currency itself).
    Discount curves are addressed by name in contracts and by their position in `discount_curves` in results.
    """

    as_of: int
    """Valuation date, days since 1970-01-01."""
    base_currency: str
    discount_curves: tuple[Curve, ...]
    spread_curves: tuple[Curve, ...]
    fx_to_base: Mapping[str, float]

    @cached_property
    def discount_curve_index(self) -> Mapping[str, int]:
        """Position of each discount curve by name."""
        return {curve.name: index for index, curve in enumerate(self.discount_curves)}

    @cached_property
    def spread_curve_index(self) -> Mapping[str, int]:
        """Position of each spread curve by name."""
        return {curve.name: index for index, curve in enumerate(self.spread_curves)}
