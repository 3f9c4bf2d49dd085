"""What-if sums: the sums of stored runs, adjusted for the changed positions.

Additive measures are linear in the size of a position, so that a removed, scaled or added position changes the sums by a multiple of its
row.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pricers.measures import ADDITIVE_MEASURES, Measure
from riskray.models.result import Rollup
from riskray.models.what_if import MeasureChange, WhatIfGroup


@dataclass(frozen=True)
class PositionChange:
    """One position that is removed (factor -1), scaled by k (k - 1) or added (1)."""

    group: Mapping[str, str]
    """The position's value of every dimension."""
    measures: Mapping[str, float | None] | None
    """The position's measures under the market of the what-if; None if it has no value."""
    factor: float
    count: int
    """Change in the number of positions: -1 removed, 0 scaled, 1 added."""


def compose(
    base: Sequence[Rollup],
    valued: Sequence[Rollup],
    changes: Sequence[PositionChange],
    *,
    group_by: Sequence[str],
    measures: Sequence[Measure],
) -> list[WhatIfGroup]:
    """Groups before and after, in order.

    Args:
        base: sums of the stored run by `group_by`.
        valued: sums of all its positions by `group_by` under the what-if's market.
        changes: the positions that differ.
        group_by: the dimensions of the sums.
        measures: those that both runs have computed; the others are None in the result.
    """
    before = {_key(sums.group, group_by): sums for sums in base}
    after = {_key(sums.group, group_by): sums for sums in valued}
    changed: dict[tuple[str, ...], list[PositionChange]] = {}
    for change in changes:
        changed.setdefault(_key(change.group, group_by), []).append(change)
    return [
        _group(dict(zip(group_by, key, strict=True)), before.get(key), after.get(key), changed.get(key, []), measures)
        for key in sorted({*before, *after, *changed})
    ]


def _key(group: Mapping[str, str], group_by: Sequence[str]) -> tuple[str, ...]:
    return tuple(group[name] for name in group_by)


def _group(
    group: dict[str, str], base: Rollup | None, valued: Rollup | None, changes: Sequence[PositionChange], measures: Sequence[Measure]
) -> WhatIfGroup:
    ok_count = (valued.ok_count if valued else 0) + sum(change.count for change in changes if change.measures is not None)
    failed_count = (valued.failed_count if valued else 0) + sum(change.count for change in changes if change.measures is None)
    figures = {}
    for measure in ADDITIVE_MEASURES:
        parts = [_sum_of(valued, measure), *(change.factor * ((change.measures or {}).get(measure) or 0.0) for change in changes)]
        # A sum from which every term has been subtracted leaves only rounding, so that a group without positions is set to zero.
        what_if = math.fsum(parts) if ok_count else 0.0
        was = _sum_of(base, measure)
        figures[measure.value] = MeasureChange(base=was, what_if=what_if, difference=what_if - was) if measure in measures else None
    return WhatIfGroup(
        group=group,
        ok_count_base=base.ok_count if base else 0,
        ok_count_what_if=ok_count,
        failed_count_base=base.failed_count if base else 0,
        failed_count_what_if=failed_count,
        **figures,
    )


def _sum_of(sums: Rollup | None, measure: Measure) -> float:
    return float(getattr(sums, measure.value)) if sums else 0.0
