"""P&L vectors of finished runs, cached in memory after the first query, because a finished run's stored vectors do not change."""

from typing import Final

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from riskray.errors import InvalidRequest
from riskray.figures.nodes import Groups, Node
from riskray.lru_cache import LruCache
from riskray.models.hierarchy import DIMENSIONS, Dimension
from riskray.models.tail_risk import NodeFilter
from riskray.scenario.codec import ScenarioMatrix, decode
from riskray.snapshots.kinds import SCENARIO_SETS
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.results import ResultFilter, stream_failures, stream_results
from riskray.store.vectors import (
    Family,
    GroupVectors,
    VectorRun,
    count_group_vectors,
    family_for,
    read_group_vectors,
    read_position_vectors,
    scenario_failures,
    vector_run,
)

BYTES_MAX: Final = 512 * 1024**2
"""Cache size for vectors in one process: some runs of a thousand scenarios and thousands of groups. Scenario sets get as much."""
_ALL: Final = NodeFilter()


class VectorReader:
    """Reads vectors of groups, and caches the most recently used. Thread-safe."""

    def __init__(self, database: Database, *, bytes_max: int = BYTES_MAX) -> None:
        self._database = database
        self._bytes_max = bytes_max
        self._groups: LruCache[Groups] = LruCache(budget=bytes_max, size_of=lambda groups: groups.pnl.nbytes)
        self._matrices: LruCache[ScenarioMatrix] = LruCache(budget=bytes_max, size_of=lambda matrix: matrix.values.nbytes)

    def run(self, run_id: str) -> VectorRun:
        """The kinds of vectors that a run has. Raises NotFound, and Conflict if it has none or has not ended."""
        return vector_run(self._database, run_id=run_id)

    def groups(self, run_id: str, run: VectorRun, node: Node) -> Groups:
        """Vectors of groups that distinguish the node's parts; the caller applies the node's filters.

        Only vectors of positions distinguish books and counterparties together. Raises InvalidRequest if the run has none.
        """
        try:
            family = family_for(node.filters, node.dimensions)
        except InvalidRequest:
            if run.vectors != "position":
                raise
            return _groups_of_positions(self._database, run_id, run, node)
        size = 8 * run.scenario_count * count_group_vectors(self._database, run=run, family=family)
        if size > self._bytes_max:
            # These are too many to cache. A hierarchy is then checked against the values that pass the filters.
            return _as_groups(read_group_vectors(self._database, run_id=run_id, filters=node.filters, dimensions=node.dimensions)[1])
        return self._groups.get_or_load((run_id, family), lambda: self._family(run_id, family))

    def matrix(self, run: VectorRun) -> ScenarioMatrix:
        """The scenario set of a run."""

        def load() -> ScenarioMatrix:
            return decode(snapshots.read_payload(self._database, SCENARIO_SETS, run.scenario_set_id))

        return self._matrices.get_or_load(run.scenario_set_id, load)

    def dropped_scenarios(self, run: VectorRun) -> list[int]:
        """Scenarios that are left out of every figure, under drop_scenario."""
        if run.failure_policy != "drop_scenario":
            return []
        return [failure.scenario_no for failure in scenario_failures(self._database, run=run)]

    def _family(self, run_id: str, family: Family) -> Groups:
        dimensions: tuple[Dimension, ...] = ("counterparty",) if family == "counterparty" else ()
        return _as_groups(read_group_vectors(self._database, run_id=run_id, filters=_ALL, dimensions=dimensions)[1])


def _as_groups(vectors: GroupVectors) -> Groups:
    names, codes = {}, {}
    for dimension in DIMENSIONS:
        values, inverse = np.unique([cell.value_of(dimension) for cell in vectors.cells], return_inverse=True)
        names[dimension], codes[dimension] = tuple(map(str, values)), inverse
    return Groups(
        names=names,
        codes=codes,
        ok_count=np.array([cell.ok_count for cell in vectors.cells], np.int64),
        dropped_count=np.array([cell.dropped_count for cell in vectors.cells], np.int64),
        pv_base=vectors.pv_base,
        pnl=vectors.pnl,
    )


def _groups_of_positions(database: Database, run_id: str, run: VectorRun, node: Node) -> Groups:
    """Vectors of all four dimensions, added up from those of the positions that pass the node's filters."""
    filters = ResultFilter(**node.filters.model_dump())
    columns = [*DIMENSIONS, "pv_base"]
    with stream_results(database, run_id=run_id, columns=columns, filters=filters) as reader:
        priced = reader.read_all()
    with stream_failures(database, run_id=run_id, filters=filters) as reader:
        failed = reader.read_all().select(["position_no", *DIMENSIONS])
    identities = pa.concat_tables([priced.select(["position_no", *DIMENSIONS]), failed])
    names, columns_of_codes = {}, []
    for dimension in DIMENSIONS:
        values, inverse = np.unique(identities.column(dimension).to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
        names[dimension] = tuple(map(str, values))
        columns_of_codes.append(inverse)
    combinations, group = np.unique(np.array(columns_of_codes), axis=1, return_inverse=True)
    group = group.reshape(-1)
    position_no = identities.column("position_no").to_numpy()
    pnl, counted = _sum_positions(database, run_id, run, position_no[: len(priced)], group[: len(priced)], combinations.shape[1])
    pv_base = np.where(counted, priced.column("pv_base").to_numpy(), 0.0)
    ok_count = np.bincount(group[: len(priced)], counted, combinations.shape[1]).astype(np.int64)
    return Groups(
        names=names,
        codes=dict(zip(DIMENSIONS, combinations, strict=True)),
        ok_count=ok_count,
        dropped_count=np.bincount(group, minlength=combinations.shape[1]) - ok_count,
        pv_base=np.bincount(group[: len(priced)], pv_base, combinations.shape[1]),
        pnl=pnl,
    )


def _sum_positions(
    database: Database, run_id: str, run: VectorRun, position_no: np.ndarray, group: np.ndarray, group_count: int
) -> tuple[np.ndarray, np.ndarray]:
    """P&L of the groups, and the positions (in increasing order) that they include."""
    pnl = np.zeros((group_count, run.scenario_count))
    counted = np.zeros(position_no.size, bool)
    for block in read_position_vectors(database, run_id=run_id):
        first, end = np.searchsorted(position_no, [block.first_position_no, block.first_position_no + block.pnl.shape[0]])
        rows = position_no[first:end] - block.first_position_no
        missing = np.isnan(block.pnl[rows])
        kept = ~(missing.all(axis=1) if run.failure_policy == "drop_scenario" else missing.any(axis=1))
        counted[first:end] = kept
        chosen = rows[kept]
        membership = csr_array((np.ones(chosen.size), (group[first:end][kept], np.arange(chosen.size))), shape=(group_count, chosen.size))
        pnl += membership @ block.pnl[chosen]
    return pnl, counted
