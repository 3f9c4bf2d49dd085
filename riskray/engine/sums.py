"""The exact partial sums of one shard, as they travel in the shard's ledger row, their merging, and the rollup rows they become."""

import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa

from riskray.engine.exact_sum import ExactSums
from riskray.engine.result_schema import FX_ROLLUP_SCHEMA, KEY_RATE_ROLLUP_SCHEMA, ROLLUP_MEASURES, ROLLUP_SCHEMA

GroupKey = tuple[str, str, str]
"""(book, product, currency)."""
LadderKey = tuple[str, str, int]
"""(book, product, number of the discount curve)."""

_LENGTHS = struct.Struct("<4I")
_COMPRESSION_LEVEL = 1


@dataclass(frozen=True)
class GroupSums:
    """Sums by book, product and the position's currency: sum `key × len(ROLLUP_MEASURES) + measure`, and counts of positions."""

    keys: list[GroupKey]
    ok_counts: np.ndarray
    failed_counts: np.ndarray
    sums: ExactSums


@dataclass(frozen=True)
class FxSums:
    """FX delta by book, product and the leg's currency: one sum a key."""

    keys: list[GroupKey]
    sums: ExactSums


@dataclass(frozen=True)
class LadderSums:
    """Key-rate DV01 by book, product and discount curve: `pillar_counts[i]` sums for key i, one key after the other."""

    keys: list[LadderKey]
    pillar_counts: np.ndarray
    sums: ExactSums


@dataclass(frozen=True)
class ShardSums:
    """All sums of a shard or of any set of shards."""

    groups: GroupSums
    fx: FxSums
    ladders: LadderSums

    def to_bytes(self) -> bytes:
        """Compressed: four lengths, the keys as JSON, the sums."""
        keys = {
            "groups": [[*key, int(ok), int(failed)] for key, ok, failed in zip(*self._group_columns(), strict=True)],
            "fx": self.fx.keys,
            "ladders": [[*key, int(count)] for key, count in zip(self.ladders.keys, self.ladders.pillar_counts, strict=True)],
        }
        parts = [json.dumps(keys).encode(), *(part.sums.to_bytes() for part in (self.groups, self.fx, self.ladders))]
        return zlib.compress(_LENGTHS.pack(*(len(part) for part in parts)) + b"".join(parts), _COMPRESSION_LEVEL)

    def negated(self) -> "ShardSums":
        """All sums and counts with their signs turned round: merging it takes these positions out of other sums."""
        groups, fx, ladders = self.groups, self.fx, self.ladders
        return ShardSums(
            GroupSums(groups.keys, -groups.ok_counts, -groups.failed_counts, groups.sums.negated()),
            FxSums(fx.keys, fx.sums.negated()),
            LadderSums(ladders.keys, ladders.pillar_counts, ladders.sums.negated()),
        )

    def _group_columns(self) -> tuple[list[GroupKey], np.ndarray, np.ndarray]:
        return self.groups.keys, self.groups.ok_counts, self.groups.failed_counts

    @classmethod
    def from_bytes(cls, data: bytes) -> "ShardSums":
        """The inverse of `to_bytes`. Raises ValueError for anything else."""
        try:
            raw = zlib.decompress(data)
            lengths = _LENGTHS.unpack_from(raw)
        except (zlib.error, struct.error) as error:
            raise ValueError(f"not the sums of a shard: {error}") from None
        ends = np.cumsum([_LENGTHS.size, *lengths])
        header, *sums = (raw[start:end] for start, end in pairwise(ends))
        keys = json.loads(header)
        groups, fx, ladders = (ExactSums.from_bytes(part) for part in sums)
        return cls(
            GroupSums(
                [(book, product, currency) for book, product, currency, _, _ in keys["groups"]],
                np.array([ok for *_, ok, _ in keys["groups"]], np.int64),
                np.array([failed for *_, failed in keys["groups"]], np.int64),
                groups,
            ),
            FxSums([(book, product, currency) for book, product, currency in keys["fx"]], fx),
            LadderSums(
                [(book, product, curve) for book, product, curve, _ in keys["ladders"]],
                np.array([count for *_, count in keys["ladders"]], np.int64),
                ladders,
            ),
        )


@dataclass
class _Merged:
    """Keys in sorted order, each with its place in the merged sums."""

    group_of: dict[GroupKey, int] = field(default_factory=dict)
    fx_of: dict[GroupKey, int] = field(default_factory=dict)
    first_bucket_of: dict[LadderKey, int] = field(default_factory=dict)
    pillar_count_of: dict[LadderKey, int] = field(default_factory=dict)


def merge(parts: Sequence[ShardSums]) -> ShardSums:
    """The sums over all parts; the order of the parts changes no bit. Raises ValueError when two parts disagree on a curve's pillars."""
    places = _places(parts)
    width = len(ROLLUP_MEASURES)
    pillar_counts = np.array(list(places.pillar_count_of.values()), np.int64)
    ok_counts, failed_counts = (np.zeros(len(places.group_of), np.int64) for _ in range(2))
    group_sums, fx_sums = ExactSums(len(places.group_of) * width), ExactSums(len(places.fx_of))
    ladder_sums = ExactSums(int(pillar_counts.sum()))
    for part in parts:
        rows = np.array([places.group_of[key] for key in part.groups.keys], np.int64)
        ok_counts[rows] += part.groups.ok_counts
        failed_counts[rows] += part.groups.failed_counts
        group_sums.add_sums((rows[:, None] * width + np.arange(width)).ravel(), part.groups.sums)
        fx_sums.add_sums(np.array([places.fx_of[key] for key in part.fx.keys], np.int64), part.fx.sums)
        buckets = [places.first_bucket_of[key] + np.arange(places.pillar_count_of[key]) for key in part.ladders.keys]
        ladder_sums.add_sums(np.concatenate([np.empty(0, np.int64), *buckets]), part.ladders.sums)
    return ShardSums(
        GroupSums(list(places.group_of), ok_counts, failed_counts, group_sums),
        FxSums(list(places.fx_of), fx_sums),
        LadderSums(list(places.first_bucket_of), pillar_counts, ladder_sums),
    )


def _places(parts: Sequence[ShardSums]) -> _Merged:
    merged = _Merged(
        group_of={key: place for place, key in enumerate(sorted({key for part in parts for key in part.groups.keys}))},
        fx_of={key: place for place, key in enumerate(sorted({key for part in parts for key in part.fx.keys}))},
    )
    counts: dict[LadderKey, set[int]] = {}
    for part in parts:
        for key, count in zip(part.ladders.keys, part.ladders.pillar_counts.tolist(), strict=True):
            counts.setdefault(key, set()).add(count)
    first = 0
    for key in sorted(counts):
        if len(counts[key]) != 1:
            raise ValueError(f"curve number {key[2]} has {sorted(counts[key])} pillars in shards of one run")
        merged.first_bucket_of[key], (merged.pillar_count_of[key],) = first, counts[key]
        first += merged.pillar_count_of[key]
    return merged


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
