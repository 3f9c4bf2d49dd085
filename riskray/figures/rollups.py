"""Rollups for which finished runs have no stored sums: by counterparty, added up from the positions, whose columns stay in memory."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from jaxtyping import Float, Int

from riskray.engine.result_schema import ROLLUP_MEASURES
from riskray.lru_cache import LruCache
from riskray.models.hierarchy import DIMENSIONS, Dimension
from riskray.models.result import Rollup, Sensitivity
from riskray.store import results as store
from riskray.store.database import Database
from riskray.store.results import ALL_POSITIONS, ResultFilter, stream_failures, stream_results
from riskray.store.runs import get_run

TOTAL: Final = "total"
"""The bucket of a sum over all buckets of a factor."""
BYTES_MAX: Final = 256 * 1024**2
"""A position takes 64 bytes."""
POSITIONS_MAX: Final = 4_000_000
"""For a larger run, Postgres computes the sums: it sorts on disk and takes longer, but takes no memory of this process."""


def totals_by_factor(rows: Sequence[Sensitivity]) -> list[Sensitivity]:
    """One sum a group and factor over the factor's buckets, in the order of the rows: of a rate curve, its DV01 but for compounding."""
    totals: dict[tuple[str, ...], list[Sensitivity]] = {}
    for row in rows:
        totals.setdefault((*row.group.values(), row.kind, row.factor), []).append(row)
    return [
        each[0].model_copy(update={"bucket": TOTAL, "bucket_days": None, "sensitivity": math.fsum(row.sensitivity for row in each)})
        for each in totals.values()
    ]


@dataclass(frozen=True)
class _Columns:
    """Positions of a run: the priced ones in order of position_no, then the failed ones."""

    names: Mapping[Dimension, tuple[str, ...]]
    codes: Mapping[Dimension, Int[np.ndarray, " position"]]
    """Indices into `names`."""
    priced_count: int
    measures: Mapping[str, Float[np.ndarray, " priced"]]
    """A measure that a position does not have counts as zero."""

    @property
    def nbytes(self) -> int:
        return sum(codes.nbytes for codes in self.codes.values()) + sum(values.nbytes for values in self.measures.values())


class RollupReader:
    """Reads rollups by any dimensions. Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._columns: LruCache[_Columns] = LruCache(budget=BYTES_MAX, size_of=lambda columns: columns.nbytes)

    def rollups(self, *, run_id: str, group_by: Sequence[str], filters: ResultFilter = ALL_POSITIONS) -> list[Rollup]:
        """Sums by any dimensions, in order of the group. Raises as `store.rollups`."""
        run = get_run(self._database, run_id=run_id)
        dimensions = [name for name in DIMENSIONS if name in group_by]
        stored_have_it = "counterparty" not in group_by and not filters.counterparties
        too_large = run.progress.position_count > POSITIONS_MAX
        if stored_have_it or filters.position_ids or too_large or not run.state.is_final or set(group_by) - set(DIMENSIONS):
            return store.rollups(self._database, run_id=run_id, group_by=group_by, filters=filters)
        columns = self._columns.get_or_load(run_id, lambda: _load(self._database, run_id))
        return _rollups(columns, dimensions, filters)


def _load(database: Database, run_id: str) -> _Columns:
    with stream_results(database, run_id=run_id, columns=[*DIMENSIONS, *ROLLUP_MEASURES]) as reader:
        priced = reader.read_all()
    with stream_failures(database, run_id=run_id) as reader:
        failed = reader.read_all()
    names: dict[Dimension, tuple[str, ...]] = {}
    codes: dict[Dimension, np.ndarray] = {}
    for dimension in DIMENSIONS:
        column = pa.chunked_array([*priced.column(dimension).chunks, *failed.column(dimension).chunks], pa.string())
        encoded = column.combine_chunks().dictionary_encode()
        values = encoded.dictionary.to_pylist()
        order = sorted(range(len(values)), key=values.__getitem__)
        rank = np.empty(len(values), np.int32)
        rank[order] = np.arange(len(values), dtype=np.int32)
        names[dimension], codes[dimension] = tuple(values[place] for place in order), rank[encoded.indices.to_numpy()]
    measures = {name.value: priced.column(name.value).fill_null(0.0).to_numpy() for name in ROLLUP_MEASURES}
    return _Columns(names, codes, priced.num_rows, measures)


def _rollups(columns: _Columns, dimensions: Sequence[Dimension], filters: ResultFilter) -> list[Rollup]:
    rows = _chosen(columns, filters)
    group = np.zeros(rows.size, np.int64)
    for dimension in dimensions:
        group = group * len(columns.names[dimension]) + columns.codes[dimension][rows]
    keys, group = np.unique(group, return_inverse=True)
    is_priced = rows < columns.priced_count
    priced_rows, priced_group = rows[is_priced], group[is_priced]
    ok_counts = np.bincount(priced_group, minlength=keys.size)
    failed_counts = np.bincount(group, minlength=keys.size) - ok_counts
    # bincount adds in the order of the positions, so that the bits are reproducible.
    sums = {name: np.bincount(priced_group, values[priced_rows], keys.size).tolist() for name, values in columns.measures.items()}
    mixed = _mixes_currencies(columns, rows, group, keys.size)
    return [
        Rollup(
            group=key,
            ok_count=int(ok_counts[number]),
            failed_count=int(failed_counts[number]),
            **{name: None if name == "pv" and mixed[number] else values[number] for name, values in sums.items()},
        )
        for number, key in enumerate(_group_keys(columns, dimensions, keys))
    ]


def _chosen(columns: _Columns, filters: ResultFilter) -> np.ndarray:
    wanted: dict[Dimension, tuple[str, ...]] = {
        "book": filters.books, "product": filters.products, "currency": filters.currencies, "counterparty": filters.counterparties,
    }  # fmt: skip
    mask = np.ones(columns.codes["book"].size, bool)
    for dimension, values in wanted.items():
        if values:
            mask &= np.isin(columns.names[dimension], values)[columns.codes[dimension]]
    return np.flatnonzero(mask)


def _mixes_currencies(columns: _Columns, rows: np.ndarray, group: np.ndarray, group_count: int) -> np.ndarray:
    currencies = len(columns.names["currency"])
    pairs = np.bincount(group * currencies + columns.codes["currency"][rows], minlength=group_count * currencies)
    mixed: np.ndarray = (pairs.reshape(group_count, currencies) > 0).sum(axis=1) > 1 if group_count else np.zeros(0, bool)
    return mixed


def _group_keys(columns: _Columns, dimensions: Sequence[Dimension], keys: np.ndarray) -> list[dict[str, str]]:
    found: list[dict[str, str]] = [{} for _ in range(keys.size)]
    for dimension in reversed(dimensions):
        names = columns.names[dimension]
        keys, codes = np.divmod(keys, len(names))
        for key, code in zip(found, codes.tolist(), strict=True):
            key[dimension] = names[code]
    return [{dimension: key[dimension] for dimension in dimensions} for key in found]
