"""Sums of a P&L explanation, by group and by pillar."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from riskray.errors import InvalidRequest
from riskray.models.comparison import PnlBucket, PnlGroup, PnlParts
from riskray.models.hierarchy import DIMENSIONS, Dimension

_FIGURES = tuple(name for name in PnlParts.model_fields if not name.endswith("_count"))


@dataclass(frozen=True)
class ExplainedPnl:
    """All positions of two runs (one row each; see `riskray.runs.pnl`), and the rates part by curve and pillar."""

    positions: pa.Table
    buckets: pa.Table


def total_pnl(found: ExplainedPnl) -> PnlParts:
    """The sums over all positions."""
    return PnlParts(**_sums(found.positions, np.zeros(found.positions.num_rows, np.int64), 1)[0])


def pnl_by(found: ExplainedPnl, *, group_by: Sequence[Dimension]) -> list[PnlGroup]:
    """The sums over each group, in order of the groups. Raises InvalidRequest for an unknown dimension."""
    if unknown := [name for name in group_by if name not in DIMENSIONS]:
        message = f"cannot group by {', '.join(map(repr, unknown))}; use any of {', '.join(DIMENSIONS)}"
        raise InvalidRequest(message, [{"loc": ["group_by"], "msg": message, "code": "unknown_value"}])
    if not group_by or not found.positions.num_rows:
        return []
    names, codes = [], []
    for name in group_by:
        values, inverse = np.unique(found.positions.column(name).to_numpy().astype(str), return_inverse=True)
        names.append(values)
        codes.append(inverse)
    combinations, group = np.unique(np.array(codes), axis=1, return_inverse=True)
    sums = _sums(found.positions, group.reshape(-1), combinations.shape[1])
    keys = [{name: str(values[code]) for name, values, code in zip(group_by, names, key, strict=True)} for key in combinations.T]
    return [PnlGroup(group=key, **row) for key, row in zip(keys, sums, strict=True)]


def pnl_by_pillar(found: ExplainedPnl) -> list[PnlBucket]:
    """The rates part by curve and pillar, in order of curve and days."""
    sums: dict[tuple[str, int, str], float] = {}
    for row in found.buckets.to_pylist():
        key = row["curve"], row["pillar_days"], row["pillar"]
        sums[key] = sums.get(key, 0.0) + row["rates"]
    return [PnlBucket(curve=curve, pillar=pillar, pillar_days=days, rates=rates) for (curve, days, pillar), rates in sorted(sums.items())]


def largest_first(found: ExplainedPnl, *, by: str) -> Int[np.ndarray, " position"]:
    """Row numbers of `positions` by descending absolute value of a part; equal ones in their order, rows without a value last."""
    sizes = np.abs(found.positions.column(by).to_numpy())
    order: np.ndarray = np.argsort(-np.where(np.isnan(sizes), -1.0, sizes), kind="stable")
    return order


def _sums(positions: pa.Table, group: np.ndarray, count: int) -> list[dict[str, Any]]:
    explained = positions.column("code").is_null().to_numpy()
    columns: dict[str, np.ndarray] = {
        name: np.bincount(group, np.nan_to_num(positions.column(name).to_numpy()), count) for name in _FIGURES
    }
    ok_count, all_count = np.bincount(group, explained, count), np.bincount(group, minlength=count)
    return [
        {
            **{name: float(values[number]) for name, values in columns.items()},
            "position_count": int(ok_count[number]),
            "failed_count": int(all_count[number] - ok_count[number]),
        }
        for number in range(count)
    ]
