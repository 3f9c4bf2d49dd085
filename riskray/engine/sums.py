"""The exact partial sums of one shard, as they travel in the shard's ledger row, their merging, and the rollup rows they become.

Sums are made from result rows alone, so a row counts the same whether this run valued it or an earlier one.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from pricers.market.factors import Factor, FactorKind
from riskray.engine.exact_sum import ExactSums
from riskray.engine.result_schema import ROLLUP_MEASURES, ROLLUP_SCHEMA, SENSITIVITY_SCHEMA
from riskray.engine.sensitivities import read_factor_rows, sparse
from riskray.engine.shard import ShardPositions, ShardResult

GroupKey = tuple[str, str, str]
"""(book, product, currency)."""
FactorKey = tuple[str, str, int]
"""(book, product, number of the factor)."""

_TAG = b"RS2\n"
"""Begins the bytes of this version; those of the version before begin with what every zlib stream begins with."""
_ZLIB_MARK = b"\x78"
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
class FactorSums:
    """Sensitivities by book, product and factor: key i has the buckets `buckets[i]` (int64, increasing) and a sum for each, one key
    after the other. Of a dense factor these are all its buckets, of a sparse one those that occur."""

    keys: list[FactorKey]
    buckets: list[np.ndarray]
    sums: ExactSums


@dataclass(frozen=True)
class ShardSums:
    """All sums of a shard or of any set of shards."""

    groups: GroupSums
    factors: FactorSums

    def to_bytes(self) -> bytes:
        """A tag, then compressed: four lengths, the keys as JSON, the bucket numbers, the sums."""
        groups, factors = self.groups, self.factors
        keys = {
            "groups": [
                [*key, int(ok), int(failed)] for key, ok, failed in zip(groups.keys, groups.ok_counts, groups.failed_counts, strict=True)
            ],
            "factors": [[*key, buckets.size] for key, buckets in zip(factors.keys, factors.buckets, strict=True)],
        }
        bucket_nos = np.concatenate([np.empty(0, np.int64), *factors.buckets]).astype("<i4")
        parts = [json.dumps(keys).encode(), bucket_nos.tobytes(), groups.sums.to_bytes(), factors.sums.to_bytes()]
        return _TAG + zlib.compress(_LENGTHS.pack(*(len(part) for part in parts)) + b"".join(parts), _COMPRESSION_LEVEL)

    @classmethod
    def from_bytes(cls, data: bytes, *, factors: Sequence[Factor]) -> "ShardSums":
        """The inverse of `to_bytes`; also reads what the version before wrote into the ledger of a run that this one goes on with.

        Raises ValueError for anything else. `factors`: the run's, by number.
        """
        try:
            if data.startswith(_TAG):
                return _from_parts(*_split(data[len(_TAG) :]))
            if data.startswith(_ZLIB_MARK):
                return _from_version_before(*_split(data), factors=factors)
        except (zlib.error, struct.error, KeyError) as error:
            raise ValueError(f"not the sums of a shard: {error}") from None
        raise ValueError(f"not the sums of a shard: they begin with {data[:4]!r}; another version of riskray may have written them")


def _split(data: bytes) -> list[bytes]:
    raw = zlib.decompress(data)
    ends = np.cumsum([_LENGTHS.size, *_LENGTHS.unpack_from(raw)])
    return [raw[start:end] for start, end in pairwise(ends)]


def _from_parts(header: bytes, buckets: bytes, group_sums: bytes, factor_sums: bytes) -> ShardSums:
    keys = json.loads(header)
    counts = [count for *_, count in keys["factors"]]
    bucket_nos = np.frombuffer(buckets, "<i4").astype(np.int64)
    return ShardSums(
        _groups_of(keys, group_sums),
        FactorSums(
            [(book, product, factor_no) for book, product, factor_no, _ in keys["factors"]],
            np.split(bucket_nos, np.cumsum(counts)[:-1]) if counts else [],
            ExactSums.from_bytes(factor_sums),
        ),
    )


def _groups_of(keys: Any, sums: bytes) -> GroupSums:
    return GroupSums(
        [(book, product, currency) for book, product, currency, _, _ in keys["groups"]],
        np.array([ok for *_, ok, _ in keys["groups"]], np.int64),
        np.array([failed for *_, failed in keys["groups"]], np.int64),
        _of_all_measures(ExactSums.from_bytes(sums), len(keys["groups"])),
    )


def _of_all_measures(sums: ExactSums, groups: int) -> ExactSums:
    """Sums of a version that had fewer measures, the first of today's, with 0 for the others."""
    width, held = len(ROLLUP_MEASURES), sums.group_count // max(groups, 1)
    if held == width:
        return sums
    wider = ExactSums(groups * width)
    wider.add_sums((np.arange(groups)[:, None] * width + np.arange(held)).ravel(), sums)
    return wider


def _from_version_before(header: bytes, group_sums: bytes, fx_sums: bytes, ladder_sums: bytes, *, factors: Sequence[Factor]) -> ShardSums:
    """FX deltas were by currency, the base currency's among them, and ladders by number of the discount curve, which is the factor's."""
    keys = json.loads(header)
    currency_no = {factor.name: number for number, factor in enumerate(factors) if factor.kind is FactorKind.CURRENCY}
    fx = [(place, book, product, currency_no.get(currency, -1)) for place, (book, product, currency) in enumerate(keys["fx"])]
    kept = [(place, (book, product, number)) for place, book, product, number in fx if number >= 0]
    ladders = [((book, product, curve_no), count) for book, product, curve_no, count in keys["ladders"]]
    first = sum(count for _, count in ladders)
    sums = ExactSums(first + len(kept))
    sums.add_sums(np.arange(first), ExactSums.from_bytes(ladder_sums))
    sums.add_sums(first + np.arange(len(kept)), ExactSums.from_bytes(fx_sums).taken(np.array([place for place, _ in kept], np.int64)))
    return ShardSums(
        _groups_of(keys, group_sums),
        FactorSums(
            [*(key for key, _ in ladders), *(key for _, key in kept)],
            [*(np.arange(count) for _, count in ladders), *(np.zeros(1, np.int64) for _ in kept)],
            sums,
        ),
    )


def shard_sums(positions: ShardPositions, result: ShardResult, *, factors: Sequence[Factor]) -> ShardSums:
    """The exact sums of a shard's rows.

    Args:
        positions: book and currency of every position of the shard.
        result: its result and failure rows.
        factors: of the market, by number.
    Raises:
        ValueError: sensitivities that do not fit their factors.
    """
    ok, failed = (
        np.asarray(rows.column("position_no")).astype(np.int64) - positions.first_position_no for rows in (result.results, result.failures)
    )
    return ShardSums(_group_sums(positions, ok, failed, result.results), _factor_sums(positions, ok, result.results, factors))


def _group_sums(positions: ShardPositions, ok: np.ndarray, failed: np.ndarray, results: pa.RecordBatch) -> GroupSums:
    books, currencies = positions.books, positions.currencies
    pairs, group = _number(books.codes, currencies.codes, len(currencies.names))
    sums = ExactSums(len(pairs) * len(ROLLUP_MEASURES))
    for number, measure in enumerate(ROLLUP_MEASURES):
        column = results.column(measure.value)
        if column.null_count < len(column):
            has_value = np.asarray(column.is_valid())
            values = np.asarray(column.drop_null() if column.null_count else column)
            sums.add(group[ok[has_value]] * len(ROLLUP_MEASURES) + number, values)
    return GroupSums(
        [(books.names[book], positions.product, currencies.names[currency]) for book, currency in pairs],
        np.bincount(group[ok], minlength=len(pairs)),
        np.bincount(group[failed], minlength=len(pairs)),
        sums,
    )


def _factor_sums(positions: ShardPositions, ok: np.ndarray, results: pa.RecordBatch, factors: Sequence[Factor]) -> FactorSums:
    rows = read_factor_rows(results.column("factor_nos"), results.column("sensitivities"), factors=factors)
    pairs, pair = _number(positions.books.codes[ok[rows.row]], rows.factor_no, len(factors))
    sizes = np.array([len(factors[factor_no].bucket_labels) for _, factor_no in pairs], np.int64)
    first = np.cumsum(sizes) - sizes
    place = np.repeat(first[pair], np.diff(rows.offsets)) + rows.bucket_no
    used = np.arange(int(sizes.sum()))
    if any(factors[factor_no].is_sparse for _, factor_no in pairs):
        used, place = np.unique(place, return_inverse=True)
    sums = ExactSums(used.size)
    sums.add(place, rows.values)
    ends = np.searchsorted(used, np.append(first, int(sizes.sum())))
    return FactorSums(
        [(positions.books.names[book], positions.product, factor_no) for book, factor_no in pairs],
        [used[start:end] - first[number] for number, (start, end) in enumerate(pairwise(ends.tolist()))],
        sums,
    )


def _number(first: np.ndarray, second: np.ndarray, second_count: int) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Number the pairs that occur: the pairs, sorted, and each element's number."""
    unique, number = np.unique(first.astype(np.int64) * max(second_count, 1) + second, return_inverse=True)
    return [divmod(code, max(second_count, 1)) for code in unique.tolist()], number.astype(np.int64)


def merge(parts: Sequence[ShardSums]) -> ShardSums:
    """The sums over all parts; the order of the parts changes no bit."""
    group_of = {key: place for place, key in enumerate(sorted({key for part in parts for key in part.groups.keys}))}
    width = len(ROLLUP_MEASURES)
    ok_counts, failed_counts = (np.zeros(len(group_of), np.int64) for _ in range(2))
    group_sums = ExactSums(len(group_of) * width)
    buckets_of = _merged_buckets(parts)
    sizes = np.array([buckets.size for buckets in buckets_of.values()], np.int64)
    first_of = dict(zip(buckets_of, (np.cumsum(sizes) - sizes).tolist(), strict=True))
    factor_sums = ExactSums(int(sizes.sum()))
    for part in parts:
        rows = np.array([group_of[key] for key in part.groups.keys], np.int64)
        ok_counts[rows] += part.groups.ok_counts
        failed_counts[rows] += part.groups.failed_counts
        group_sums.add_sums((rows[:, None] * width + np.arange(width)).ravel(), part.groups.sums)
        places = [
            first_of[key] + np.searchsorted(buckets_of[key], buckets)
            for key, buckets in zip(part.factors.keys, part.factors.buckets, strict=True)
        ]
        factor_sums.add_sums(np.concatenate([np.empty(0, np.int64), *places]), part.factors.sums)
    return ShardSums(
        GroupSums(list(group_of), ok_counts, failed_counts, group_sums),
        FactorSums(list(buckets_of), list(buckets_of.values()), factor_sums),
    )


def _merged_buckets(parts: Sequence[ShardSums]) -> dict[FactorKey, np.ndarray]:
    """By key in sorted order: the buckets that any part has."""
    found: dict[FactorKey, np.ndarray] = {}
    for part in parts:
        for key, buckets in zip(part.factors.keys, part.factors.buckets, strict=True):
            known = found.get(key)
            if known is None:
                found[key] = buckets
            elif not np.array_equal(known, buckets):
                found[key] = np.union1d(known, buckets)
    return {key: found[key] for key in sorted(found)}


@dataclass(frozen=True)
class Rollups:
    """The rollup tables of a run."""

    groups: pa.Table
    """ROLLUP_SCHEMA, one row a (book, product, currency of the position)."""
    sensitivities: pa.Table
    """SENSITIVITY_SCHEMA, one row a (book, product, factor)."""


def roll_up(shard_sums: Iterable[bytes], *, factors: Sequence[Factor]) -> Rollups:
    """Merge the `exact_sums` of a run's shards and round every sum once, so that no bit depends on how the run was cut into shards.

    Raises ValueError where a shard's sums do not fit the run's factors.
    """
    total = merge([ShardSums.from_bytes(data, factors=factors) for data in shard_sums])
    return Rollups(_groups(total), _sensitivities(total, factors))


def _groups(total: ShardSums) -> pa.Table:
    books, products, currencies = _columns(total.groups.keys)
    sums = total.groups.sums.round().reshape(-1, len(ROLLUP_MEASURES))
    columns = [books, products, currencies, total.groups.ok_counts, total.groups.failed_counts, *sums.T]
    return pa.table(columns, schema=ROLLUP_SCHEMA)


def _sensitivities(total: ShardSums, factors: Sequence[Factor]) -> pa.Table:
    keys, buckets = total.factors.keys, total.factors.buckets
    stored = np.split(total.factors.sums.round(), np.cumsum([part.size for part in buckets])[:-1]) if keys else []
    for place, (_, _, factor_no) in enumerate(keys):
        factor = factors[factor_no]
        if factor.is_sparse:
            stored[place] = sparse(buckets[place], stored[place])
        elif not np.array_equal(buckets[place], np.arange(len(factor.bucket_labels))):
            raise ValueError(f"{factor.kind} {factor.name} has {len(factor.bucket_labels)} buckets, its sums have {buckets[place].size}")
    offsets = np.cumsum([0, *(part.size for part in stored)]).astype(np.int32)
    ladders = pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.concatenate([np.empty(0), *stored])))
    return pa.table([*_columns(keys), ladders], schema=SENSITIVITY_SCHEMA)


def _columns(keys: list[tuple[str, str, str]] | list[tuple[str, str, int]]) -> tuple[list, list, list]:  # type: ignore[type-arg]
    return [key[0] for key in keys], [key[1] for key in keys], [key[2] for key in keys]
