"""Factors of nodes that are no exponential of a sum of exponents: daily products and averages of growth, floored ratios of price indices,
and integrals over default.

A flow's node has an exponential part, its shape and anchor, and at most one special factor that multiplies it. Special factors stand in a
table of their own, `SpecialFactors`; flows name them by number, and equal ones count as one however often they are given.

With P a curve's factor, P(day) = exp(-E(day)), and one entry for each pair of days (start, end):

    kind                  factor
    RFR_PRODUCT           constant × Π (1 + weight × (P(start) / P(end) - 1) + addend)
    ARITHMETIC_AVERAGE    constant + Σ (weight × (P(start) / P(end) - 1) + addend)
    INDEX_RATIO           max(constant, Σ weight × I(end) / Σ addend × I(start))
    PROTECTION            constant + Σ weight × ∫ P(u) dF(u)
    DEFAULT_ACCRUAL       constant + Σ weight × ∫ (addend + (u - start) / 365) P(u) dF(u)

RFR_PRODUCT is a compounded overnight rate whose weights of days differ from the days that its rates run for (a lookback without observation
shift, a lockout), whose spread is compounded daily (addend = spread × accrual), or a loan that capitalises interest.
The factor grows from the first start to the last end; a start on or before the valuation date is the start of a running accrual: P is 1
there today, and tomorrow a day has been earned at today's forward rate, as for a `Term` before the valuation date.

Of INDEX_RATIO, I(day) = 1 / P(day) is the level of a price index in the month that begins on the day, or 1 where the day is NO_DATE, so
that published levels stand in weights and addends. The floor is intrinsic: `constant` where the ratio is below, with no value for its time;
-inf is no floor.

Of the integrals, F = 1 - survival probability of the hazard curve, and u runs from the end of day `start`, or the valuation date where
that is later, to the end of day `end` [1]. `addend` is what has accrued on day `start`, in years. Rate and hazard curve must be
LOG_LINEAR_DISCOUNT, so that forward rates and hazard rates are constant between pillars and the integrals have a closed form.

References:
    [1] ISDA CDS Standard Model; R. White (2014), The Pricing and Risk Management of Credit Default Swaps, with a Focus on the ISDA Model.
"""

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Final

import numpy as np

from pricers.contract.columns import Text, read_only


class SpecialKind(IntEnum):
    """What a special factor is; see the module for the formulas."""

    RFR_PRODUCT = 0
    ARITHMETIC_AVERAGE = 1
    INDEX_RATIO = 2
    PROTECTION = 3
    DEFAULT_ACCRUAL = 4


DEFAULT_KINDS: Final = (SpecialKind.PROTECTION, SpecialKind.DEFAULT_ACCRUAL)
"""Kinds that are paid on default: their flows are no certain cash. They have a hazard curve and include what discounts them."""


@dataclass(frozen=True)
class SpecialFactors:
    """Special factors of a batch. Special s has entries offsets[s]:offsets[s + 1]."""

    kind: np.ndarray
    """int8[special]: SpecialKind."""
    rate_curve: Text
    """[special]: the curve of RATE whose growth is compounded or averaged, or that discounts to the time of default; of INDEX_RATIO the
    curve of INFLATION. Never null."""
    hazard_curve: Text
    """[special]: the curve of HAZARD; given for `DEFAULT_KINDS` alone."""
    constant: np.ndarray
    """float64[special]: multiplies RFR_PRODUCT (growth already fixed, or 1), is the least value of INDEX_RATIO, is added to any other kind
    (rates already fixed, or 0)."""
    offsets: np.ndarray
    """int64[special + 1]."""
    start_day: np.ndarray
    """int32[entry]: days since 1970-01-01."""
    end_day: np.ndarray
    """int32[entry]: not before `start_day`, except of INDEX_RATIO."""
    weight: np.ndarray
    """float64[entry]."""
    addend: np.ndarray
    """float64[entry]; 0 for PROTECTION."""

    def __post_init__(self) -> None:
        for entry in fields(self):
            value = getattr(self, entry.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, entry.name, read_only(value))

    @property
    def count(self) -> int:
        return int(self.kind.size)

    def check(self) -> None:
        """Raise ValueError where arrays have the wrong length, a curve is missing, or an entry ends before it starts."""
        entries = int(self.offsets[-1])
        sizes = {
            "rate_curve": (self.rate_curve.codes.size, self.count),
            "hazard_curve": (self.hazard_curve.codes.size, self.count),
            "constant": (self.constant.size, self.count),
            "offsets": (self.offsets.size, self.count + 1),
            **{name: (getattr(self, name).size, entries) for name in ("start_day", "end_day", "weight", "addend")},
        }
        wrong = {name: pair for name, pair in sizes.items() if pair[0] != pair[1]}
        if wrong:
            raise ValueError(f"arrays of special factors have the wrong length (have, expected): {wrong}")
        is_default = np.isin(self.kind, DEFAULT_KINDS)
        unnamed = (self.rate_curve.codes < 0) | ((self.hazard_curve.codes >= 0) != is_default)
        if unnamed.any():
            special = int(unnamed.argmax())
            raise ValueError(
                f"special factor {special}, {SpecialKind(int(self.kind[special])).name}, needs a rate curve"
                f"{' and a hazard curve' if is_default[special] else ' and no hazard curve'}"
            )
        is_period = np.repeat(self.kind != SpecialKind.INDEX_RATIO, np.diff(self.offsets))
        ends_before = is_period & (self.end_day < self.start_day)
        if np.any(ends_before):
            raise ValueError(f"entry {int(ends_before.argmax())} of the special factors ends before it starts")
