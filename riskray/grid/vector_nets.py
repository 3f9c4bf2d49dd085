"""The netted flows that a pricer keeps for the scenario vectors of runs between a shard and the run's end: a few megabytes per run.

This is a cache: it holds exact sums of shards that this actor has valued. If sums are missing at the run's end (because an actor died, or
another run displaced them), the vector phase has them netted from the stored positions, with identical bits.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa

from pricers.market.market import Market
from pricers.value.netting import LadderGrid
from riskray.engine.vectors import GROUPINGS, NettedFamily, NettedPositions, ScenarioFailures, merge_netted
from riskray.lru_cache import LruCache
from riskray.runs import loading
from riskray.store.database import Database
from riskray.store.ledger import ClaimedRun
from riskray.store.vectors import POSITION_SCENARIO_FAILURE_SCHEMA, SCENARIO_FAILURE_SCHEMA, VectorCell

RUNS_MAX = 8
"""The number of runs that one coordinator drives concurrently."""
PARTS_MAX = 8
"""Number of shards kept unmerged: merging after every shard would each time add up the sums of the whole run."""


@dataclass
class _Held:
    shard_nos: frozenset[int] = frozenset()
    parts: list[NettedPositions] = field(default_factory=list)


class VectorNets:
    """Scenarios bound to markets, and netted shards by run."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._grids: LruCache[LadderGrid] = LruCache(budget=RUNS_MAX)
        self._held: LruCache[_Held] = LruCache(budget=RUNS_MAX)

    def grid(self, run: ClaimedRun, market: Market) -> LadderGrid:
        """The run's scenarios on its market."""
        assert run.scenario_set_no is not None
        load = partial(loading.load_scenarios, self._database, scenario_set_no=run.scenario_set_no, market=market)
        key = (run.market_id, run.base_currency, run.scenario_set_id or run.scenario_set_no)  # coordinators of older versions send no id
        return self._grids.get_or_load(key, lambda: LadderGrid(market=market, scenarios=load()))

    def add(self, run_id: str, shard_no: int, netted: NettedPositions) -> None:
        """Keep a netted shard."""
        held = self._held.get_or_load(run_id, _Held)
        if shard_no in held.shard_nos:
            return
        held.parts.append(netted)
        if len(held.parts) > PARTS_MAX:
            held.parts = [merge_netted(held.parts)]
        held.shard_nos |= {shard_no}

    def shard_nos(self, run_id: str) -> frozenset[int]:
        """Numbers of a run's shards whose sums are kept here. May be called from another thread."""
        return self._held.get_or_load(run_id, _Held).shard_nos

    def parts(self, run_id: str, *, among: Iterable[int]) -> tuple[list[NettedPositions], frozenset[int]]:
        """The kept sums of a run and the numbers of their shards; empty if they include a shard that is not `among` the wanted ones,
        because a shard cannot be removed from a sum."""
        held = self._held.get_or_load(run_id, _Held)
        if not held.shard_nos <= frozenset(among):
            return [], frozenset()
        return list(held.parts), held.shard_nos


def vector_cells(number: int, family: NettedFamily) -> tuple[VectorCell, ...]:
    """The groups of family `number` of GROUPINGS in their stored form."""
    is_books = GROUPINGS[number] == "book"
    return tuple(
        VectorCell(GROUPINGS[number], name if is_books else "", product, currency, "" if is_books else name, ok_count, dropped_count)
        for (name, product, currency), ok_count, dropped_count in zip(
            family.cells, family.ok_counts.tolist(), family.dropped_counts.tolist(), strict=True
        )
    )


def failure_tables(failures: ScenarioFailures) -> tuple[pa.Table, pa.Table]:
    """Scenarios and positions without value, in their stored form."""
    positions = (failures.position_no, failures.first_scenario_no, failures.scenario_count)
    return (
        pa.table([pa.array(column, pa.int32()) for column in failures.dropped_scenarios], schema=SCENARIO_FAILURE_SCHEMA),
        pa.table([pa.array(column, pa.int32()) for column in positions], schema=POSITION_SCENARIO_FAILURE_SCHEMA),
    )
