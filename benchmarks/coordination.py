"""The costs of a run besides pricing and COPY: the work of the coordinator and of the ledger for each shard.

Shards are empty here: actors return immediately and write nothing (`coordinator_cost`, `dispatcher_cost`), or one failed row is committed
and nothing is computed (`ledger_cost`). This module imports Ray, so that the stack's environment must have been entered before.
"""

import queue
import threading
import time
from concurrent.futures import Future
from datetime import UTC, date, datetime
from typing import Any, cast

import pyarrow as pa
import ray

from riskray.config import Settings
from riskray.engine.plan import PositionRange
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA
from riskray.grid.coordinator import Coordinator
from riskray.grid.dispatcher import Dispatcher, ShardTask
from riskray.grid.driver import RunDriver
from riskray.grid.messages import PricerStatus, ShardReport
from riskray.grid.pool import PricerPool
from riskray.models.run import RunState
from riskray.store.database import Database
from riskray.store.ledger import ClaimedRun, Shard, ShardCommit, ShardContent, pending_shards
from riskray.store.run_end import cancel_run

NO_RESULTS = pa.RecordBatch.from_pylist([], schema=RESULT_SCHEMA)


class EmptyPricer:
    """An actor that reports every shard as already done."""

    def execute(self, run: ClaimedRun, shard: Shard) -> ShardReport:
        """Nothing."""
        return ShardReport(shard.shard_no, True, shard.numbers.count, 0, {})

    def status(self, *, reserve: bool = False) -> PricerStatus:
        """Ready."""
        return PricerStatus("empty", "READY")


class _RayPool:
    """Ray actors that do nothing."""

    def __init__(self, count: int) -> None:
        self._actors: list[Any] = [ray.remote(EmptyPricer).options(num_cpus=0).remote() for _ in range(count)]
        ray.get([actor.status.remote() for actor in self._actors])

    def handle(self, number: int) -> Any:
        """The handle of one actor."""
        return self._actors[number]


class _Answered(Future[Any]):
    def future(self) -> "Future[Any]":
        return self


class _Method:
    def __init__(self, method: Any) -> None:
        self._method = method

    def remote(self, *arguments: Any, **named: Any) -> _Answered:
        """Return a completed future."""
        answered = _Answered()
        answered.set_result(self._method(*arguments, **named))
        return answered

    def options(self, **_options: Any) -> "_Method":
        return self


class _LocalActor:
    def __init__(self) -> None:
        actor = EmptyPricer()
        self.execute, self.status = _Method(actor.execute), _Method(actor.status)


class _LocalPool:
    """A pool without Ray, which leaves only the dispatcher's own work."""

    def __init__(self) -> None:
        self._actor = _LocalActor()

    def handle(self, _number: int) -> Any:
        return self._actor


class _EmptyRunDriver(RunDriver):
    """A driver without the finish, which would fail because nothing was written."""

    def _finalise(self) -> RunState:
        return RunState.SUCCEEDED


def coordinator_cost(settings: Settings, database: Database, run: ClaimedRun) -> dict[str, float]:
    """Milliseconds per shard, wall and CPU time of this process, which drives the run from the ledger to the end of its last shard."""
    dispatcher = Dispatcher(settings, cast(PricerPool, _RayPool(settings.pricer_actors)))
    coordinator = Coordinator(settings, database, dispatcher)
    shards = len(pending_shards(database, run_no=run.run_no))
    try:
        wall, cpu = time.perf_counter(), time.process_time()
        _EmptyRunDriver(run, settings=settings, database=database, dispatcher=dispatcher).drive()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    finally:
        coordinator.stop()
        dispatcher.stop()
        cancel_run(database, run_no=run.run_no, epoch=run.epoch, manifest={})
    return {"shards": shards, "wall_ms": 1000 * wall / shards, "cpu_ms": 1000 * cpu / shards}


def dispatcher_cost(*, actors: int, shards: int) -> float:
    """CPU milliseconds per shard in the dispatcher alone, with a number of actors."""
    dispatcher = Dispatcher(Settings(pricer_actors=actors), cast(PricerPool, _LocalPool()))
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    run = ClaimedRun(
        run_no=1, run_id="run", epoch=1, storage_no=0, market_no=1, market_id="mkt", portfolio_no=1, portfolio_id="pf",
        as_of=date(2024, 1, 1), base_currency="USD", measures=("pv",), rows_per_shard=1, position_count=shards,
        cancel_requested=False, created_at=datetime.now(UTC),
    )  # fmt: skip
    cpu = time.process_time()
    dispatcher.submit([ShardTask(run, Shard(number, "P", PositionRange(number, 1), 0), inbox) for number in range(shards)])
    for _ in range(shards):
        inbox.get()
    cpu = time.process_time() - cpu
    dispatcher.stop()
    return 1000 * cpu / shards


def ledger_cost(database: Database, run: ClaimedRun, *, writers: int, shards: int) -> float:
    """Shards of one run committed per second by a number of connections, with one failed row each."""
    work: queue.SimpleQueue[Shard] = queue.SimpleQueue()
    for shard in pending_shards(database, run_no=run.run_no)[:shards]:
        work.put(shard)

    def write() -> None:
        while True:
            try:
                shard = work.get_nowait()
            except queue.Empty:
                return
            row = {"position_no": shard.numbers.first, "code": "PRICER_ERROR", "message": "benchmark", "remedy": "none"}
            failures = pa.RecordBatch.from_pylist([row], schema=FAILURE_SCHEMA)
            content = ShardContent(NO_RESULTS, failures, exact_sums=b"", seconds={})
            ShardCommit(
                database, run_no=run.run_no, storage_no=run.storage_no, epoch=run.epoch, shard_no=shard.shard_no, content=content
            ).commit()

    threads = [threading.Thread(target=write) for _ in range(writers)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return shards / (time.perf_counter() - started)
