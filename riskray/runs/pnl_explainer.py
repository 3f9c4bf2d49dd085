"""Explain why the value changed between two runs: split the work into parts, compute them on the grid, and combine the results."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import pyarrow as pa

from riskray.errors import InvalidRequest
from riskray.figures.pnl import ExplainedPnl
from riskray.lru_cache import LruCache
from riskray.models.run import Run
from riskray.runs.pnl import BUCKET_SCHEMA, PNL_SCHEMA, PnlPart, plan_parts
from riskray.store.comparisons import comparable_runs
from riskray.store.database import Database
from riskray.store.runs import run_keys

EXPLAINED_BYTES_MAX: Final = 256 * 1024**2
"""Size of the cache of explanations; a million positions take about 150 MB."""


class ExplainsPnl(Protocol):
    """The method of the grid that an explanation calls."""

    async def explain_pnl(self, parts: Sequence[PnlPart]) -> Sequence[Mapping[str, pa.Table]]:
        """Return for each part its PNL_SCHEMA as `positions` and its BUCKET_SCHEMA as `buckets`."""


class PnlExplainer:
    """Explains changes of value on the grid, and caches the last explanations: finished runs do not change."""

    def __init__(self, database: Database, grid: ExplainsPnl, rows_per_part: int) -> None:
        self._database, self._grid, self._rows_per_part = database, grid, rows_per_part
        self._known: LruCache[ExplainedPnl] = LruCache(budget=EXPLAINED_BYTES_MAX, size_of=lambda found: found.positions.nbytes)
        self._asking: dict[tuple[str, str], asyncio.Task[ExplainedPnl]] = {}

    async def explain(self, run_id: str, other_run_id: str) -> tuple[Run, Run, ExplainedPnl]:
        """The two runs, and the explanation of all their positions.

        Raises as `comparable_runs`, and InvalidRequest if the first run is later than the other.
        """
        earlier, later = await asyncio.to_thread(self._comparable, run_id, other_run_id)
        key = (run_id, other_run_id)
        found = self._known.get(key)
        if found is None:
            # Requests for the same pair share one computation, and a client that disconnects does not cancel it for the others.
            if key not in self._asking:
                self._asking[key] = asyncio.create_task(self._ask(earlier, later))
                self._asking[key].add_done_callback(lambda _: self._asking.pop(key, None))
            found = await asyncio.shield(self._asking[key])
            self._known.put(key, found)
        return earlier, later, found

    def _comparable(self, run_id: str, other_run_id: str) -> tuple[Run, Run]:
        earlier, later = comparable_runs(self._database, before=run_id, after=other_run_id)
        if earlier.as_of > later.as_of:
            message = f"run {run_id} is of {earlier.as_of}, after run {other_run_id} of {later.as_of}; name the earlier run first"
            raise InvalidRequest(message, [{"loc": ["other_run_id"], "msg": message, "code": "out_of_order"}])
        return earlier, later

    async def _ask(self, earlier: Run, later: Run) -> ExplainedPnl:
        parts = await asyncio.to_thread(self._parts, earlier, later)
        tables = await self._grid.explain_pnl(parts)
        positions = [PNL_SCHEMA.empty_table(), *(part["positions"] for part in tables)]
        buckets = [BUCKET_SCHEMA.empty_table(), *(part["buckets"] for part in tables)]
        return ExplainedPnl(pa.concat_tables(positions).combine_chunks(), pa.concat_tables(buckets).combine_chunks())

    def _parts(self, earlier: Run, later: Run) -> list[PnlPart]:
        before, after = (run_keys(self._database, run_id=run.run_id) for run in (earlier, later))
        return plan_parts(
            self._database, before=before, after=after, as_of_t0=earlier.as_of, as_of_t1=later.as_of, rows_per_part=self._rows_per_part
        )
