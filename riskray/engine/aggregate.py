"""From the exact sums of all shards to what a finished run shows: rollup rows, rounded once."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from riskray.engine.result_schema import FX_ROLLUP_SCHEMA, KEY_RATE_ROLLUP_SCHEMA, ROLLUP_MEASURES, ROLLUP_SCHEMA
from riskray.engine.sums import ShardSums, merge


@dataclass(frozen=True)
class Rollups:
    """The rollup tables of a run."""

    groups: pa.Table
    """ROLLUP_SCHEMA, one row a (book, product, currency of the position)."""
    fx: pa.Table
    """FX_ROLLUP_SCHEMA, one row a (book, product, currency of the leg)."""
    key_rates: pa.Table
    """KEY_RATE_ROLLUP_SCHEMA, one row a (book, product, curve)."""


def roll_up(shard_sums: Iterable[bytes]) -> Rollups:
    """Merge the `exact_sums` of a run's shards and round every sum once, so that no bit depends on how the run was cut into shards."""
    total = merge([ShardSums.from_bytes(data) for data in shard_sums])
    return Rollups(_groups(total), _fx(total), _key_rates(total))


def _groups(total: ShardSums) -> pa.Table:
    books, products, currencies = _columns(total.groups.keys)
    sums = total.groups.sums.round().reshape(-1, len(ROLLUP_MEASURES))
    columns = [books, products, currencies, total.groups.ok_counts, total.groups.failed_counts, *sums.T]
    return pa.table(columns, schema=ROLLUP_SCHEMA)


def _fx(total: ShardSums) -> pa.Table:
    return pa.table([*_columns(total.fx.keys), total.fx.sums.round()], schema=FX_ROLLUP_SCHEMA)


def _key_rates(total: ShardSums) -> pa.Table:
    offsets = np.concatenate([np.zeros(1, np.int32), np.cumsum(total.ladders.pillar_counts, dtype=np.int32)])
    ladders = pa.ListArray.from_arrays(pa.array(offsets), pa.array(total.ladders.sums.round()))
    return pa.table([*_columns(total.ladders.keys), ladders], schema=KEY_RATE_ROLLUP_SCHEMA)


def _columns(keys: list[tuple[str, str, str]] | list[tuple[str, str, int]]) -> tuple[list, list, list]:  # type: ignore[type-arg]
    return [key[0] for key in keys], [key[1] for key in keys], [key[2] for key in keys]
