"""Which positions a change of market can touch, and the rows of the others under the new market's numbering. No I/O.

The ground for carrying results from one run to the next: a row is carried only where nothing that its position names has changed, so a
carried row has the bits that valuing it again would give.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from pricers.contract.columns import Contracts, Reference
from pricers.market.market import REFERENCED_KINDS, Curve, Market
from pricers.registry import PricerSpec


@dataclass(frozen=True)
class MarketDifference:
    """Names of what two markets of one day do not have in common, bit for bit: changed, only before, or only after."""

    curves: frozenset[str]
    currencies: frozenset[str]
    """Currencies whose rate to the base currency differs, whichever quotes it comes from."""

    @property
    def is_empty(self) -> bool:
        """Whether every position has the same numbers under both markets."""
        return not (self.curves or self.currencies)

    def has(self, name: str, reference: Reference) -> bool:
        """Whether what a contract calls `name` differs; calendars never do, they belong to no market."""
        if reference == "currency":
            return name in self.currencies
        kind = REFERENCED_KINDS.get(reference)
        return kind is not None and (name in self.curves or f"{name}:{kind}" in self.curves)


def market_difference(before: Market, after: Market) -> MarketDifference:
    """What differs between two markets. Raises ValueError for markets of two days or base currencies: there, everything does."""
    if (before.as_of, before.base_currency) != (after.as_of, after.base_currency):
        raise ValueError(
            f"markets of day {before.as_of} in {before.base_currency} and day {after.as_of} in {after.base_currency} have nothing in common"
        )
    currencies = before.fx_to_base.keys() | after.fx_to_base.keys()
    return MarketDifference(
        curves=_changed_curves(before.curves, after.curves),
        currencies=frozenset(name for name in currencies if before.fx_to_base.get(name) != after.fx_to_base.get(name)),
    )


def depends_on(difference: MarketDifference, *, spec: PricerSpec, contracts: Contracts) -> np.ndarray:
    """bool[row]: positions whose numbers can differ. `contracts`: at least the columns of `spec` that reference market data.

    A product that is not lowered to cash flows may read any part of the market, so all its positions count once anything differs.
    """
    if spec.lower is None:
        return np.full(contracts.row_count, not difference.is_empty)
    touched = np.zeros(contracts.row_count, np.bool_)
    kinds: tuple[Reference, ...] = ("discount_curve", "spread_curve", "currency")
    for kind in kinds:
        for column in spec.columns.referencing(kind):
            text = contracts.text(column.name)
            is_changed = np.array(
                [*(difference.has(name, kind) for name in text.names), False]
            )  # the last one is for null, whose code is -1
            touched |= is_changed[text.codes]
    return touched


def renumber_curves(leg_curve_nos: pa.ListArray, *, before: Sequence[str], after: Sequence[str]) -> pa.ListArray:
    """Curve numbers of result rows, which count in the curve list `before`, as numbers in the list `after`.

    Raises ValueError where a row names a curve that `after` lacks: its position depends on the difference and must not be carried.
    """
    number_of = {name: number for number, name in enumerate(after)}
    numbers = np.array([*(number_of.get(name, -1) for name in before), -1], np.int16)  # the last one is for legs without a curve, -1
    legs = np.asarray(leg_curve_nos.flatten())
    renumbered = numbers[legs]
    if (missing := np.flatnonzero((renumbered < 0) & (legs >= 0))).size:
        raise ValueError(f"curve {before[int(legs[missing[0]])]!r} is not in the market that rows are carried to")
    lengths = leg_curve_nos.value_lengths().fill_null(0).to_numpy()
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return pa.ListArray.from_arrays(offsets, pa.array(renumbered), type=leg_curve_nos.type, mask=leg_curve_nos.is_null())


def _changed_curves(before: Sequence[Curve], after: Sequence[Curve]) -> frozenset[str]:
    old, new = ({curve.name: curve for curve in curves} for curves in (before, after))
    return frozenset(name for name in old.keys() | new.keys() if name not in old or name not in new or not _same(old[name], new[name]))


def _same(one: Curve, other: Curve) -> bool:
    return (
        (one.kind, one.currency, one.interpolation, one.pillar_labels)
        == (other.kind, other.currency, other.interpolation, other.pillar_labels)
        and np.array_equal(one.pillar_days, other.pillar_days)
        and np.array_equal(one.zero_rates, other.zero_rates)
    )
