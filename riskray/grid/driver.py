"""Drives one claimed run: passes pending shards to the dispatcher, records their ends in the ledger, then finishes the run.

All of a driver's state is in the ledger; after an error of the database it restarts from there. If the lease is lost, it stops without
recording anything, because another process may already drive the run.
"""

import queue
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any

import structlog

from pricers.market.factors import Factor, factors_of
from pricers.status import RowStatus
from riskray.config import Settings
from riskray.engine.plan import PositionRange, even_parts
from riskray.engine.retry import RetryDecision, retry_decision
from riskray.engine.shard import storable
from riskray.engine.sums import Rollups, roll_up
from riskray.errors import LeaseLost, RiskrayError, ShardFailed, StoreError, StoreUnavailable
from riskray.grid.dispatcher import Dispatcher, Ended, Loss, ShardTask
from riskray.grid.pool import PricerPool
from riskray.grid.vector_phase import VectorsStopped, write_vectors
from riskray.models.run import RunState
from riskray.runs.manifest import manifest, with_seconds
from riskray.store import ledger, run_end
from riskray.store.database import Database
from riskray.store.factors import require_factors
from riskray.store.ledger import ClaimedRun, Shard
from riskray.store.markets import load_market

BACKOFF_FIRST_S, BACKOFF_MAX_S = 0.1, 2.0

_log = structlog.get_logger()


class Signal(Enum):
    """Signals of the heartbeat to a driver."""

    CANCEL = auto()
    LEASE_LOST = auto()
    HOLD = auto()
    """The lease has not been renewed for half its time: start no further shards."""
    GO_ON = auto()


@dataclass(frozen=True)
class Charge:
    """How a failed attempt is recorded, and the text of the poison row's failure in the end: `message`, or else the reason."""

    status: RowStatus
    reason: str
    message: str | None = None


class RunDriver:
    """One run under one epoch. `drive` is called once, from the run's own thread; `signal` from any."""

    def __init__(self, run: ClaimedRun, *, settings: Settings, database: Database, dispatcher: Dispatcher) -> None:
        self.run = run
        self._settings = settings
        self._database = database
        self._dispatcher = dispatcher
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._outstanding: dict[int, Shard] = {}
        self._resting: list[ShardTask] = []
        self._rest_until = 0.0
        self._backoff_s = BACKOFF_FIRST_S
        self._split: list[PositionRange] = []
        self._is_held = False
        self._is_lost = threading.Event()
        self._is_stopped = threading.Event()
        self._seconds: Counter[str] = Counter()

    def signal(self, signal: Signal) -> None:
        """Send a signal to the driver, which receives it even while it waits for the database."""
        if signal is Signal.LEASE_LOST:
            self._is_lost.set()
        if signal in (Signal.LEASE_LOST, Signal.CANCEL):
            self._is_stopped.set()
        self._inbox.put(signal)

    def drive(self) -> RunState:
        """Drive the run until its state is final. Raises LeaseLost if another process has taken it."""
        try:
            while True:
                try:
                    return self._drive_from_ledger()
                except StoreUnavailable as error:
                    _log.warning("the database is unavailable; the run will continue from its ledger", error=str(error))
                    self._wait_for_database()
        finally:
            self._dispatcher.discard(self.run)

    # ---------------------------------------------------------------------------------------------------------- shards

    def _drive_from_ledger(self) -> RunState:
        self._dispatcher.discard(self.run)
        if self.run.cancel_requested:
            return self._cancel()
        shards = ledger.pending_shards(self._database, run_no=self.run.run_no)
        self._outstanding = {shard.shard_no: shard for shard in shards}
        self._resting = []
        self._submit([ShardTask(self.run, shard, self._inbox, is_suspect=shard.attempts > 0) for shard in shards])
        while self._outstanding:
            match self._next_event():
                case Ended() as ended:
                    self._on_ended(ended)
                case Signal.CANCEL:
                    return self._cancel()
                case Signal.LEASE_LOST:
                    raise self._lost()
                case Signal.HOLD:
                    self._hold()
                case Signal.GO_ON:
                    self._go_on()
        return self._finalise()

    def _next_event(self) -> Any:
        """The next event; meanwhile, resting shards are resubmitted when they are due."""
        while True:
            timeout = max(self._rest_until - time.monotonic(), 0.0) if self._resting and not self._is_held else None
            try:
                return self._inbox.get(timeout=timeout)
            except queue.Empty:
                resting, self._resting = self._resting, []
                self._submit(resting)

    def _submit(self, tasks: list[ShardTask]) -> None:
        if self._is_held:
            self._resting += tasks
        elif tasks:
            self._dispatcher.submit(tasks)

    def _hold(self) -> None:
        """Take back the shards not yet sent to an actor; shards that actors have may still commit."""
        self._is_held = True
        self._dispatcher.discard(self.run)

    def _go_on(self) -> None:
        """Restart from the ledger once the database is back, because shards in flight may have been committed or not."""
        if self._is_held:
            self._is_held = False
            raise StoreUnavailable("the lease was not renewed for half its time")

    def _on_ended(self, ended: Ended) -> None:
        task = ended.task
        if task.shard.shard_no not in self._outstanding:
            return  # the attempt began before the ledger was reread, and the shard has since ended another way
        match ended:
            case Ended(report=report) if report is not None:
                del self._outstanding[task.shard.shard_no]
                self._seconds.update(report.seconds)
                self._backoff_s = BACKOFF_FIRST_S
            case Ended(loss=Loss.NOT_STARTED):
                self._submit([task])
            case Ended(loss=loss) if loss is not None:
                self._charge(task, _charge_for_loss(loss, self._settings))
            case Ended(error=LeaseLost() as error):
                raise error
            case Ended(error=StoreUnavailable()):
                self._rest(task)
            case Ended(error=error):
                _log.error("a shard raised an error", shard_no=task.shard.shard_no, error=repr(error))
                self._charge(task, Charge(RowStatus.PRICER_ERROR, storable(f"{type(error).__name__}: {error}")))

    def _rest(self, task: ShardTask) -> None:
        """Resubmit a shard later without counting an attempt, because its actor could not reach the database."""
        if not self._resting:
            self._rest_until = time.monotonic() + self._backoff_s
            self._backoff_s = min(2 * self._backoff_s, BACKOFF_MAX_S)
        self._resting.append(task)

    def _charge(self, task: ShardTask, charge: Charge) -> None:
        """Count the attempt, then apply the remedy of `retry_decision`."""
        run, shard = self.run, task.shard
        if task.fail_as is not None:
            self._rest(task)  # no pricer runs to record a failed row, so that the machine is the cause
            return
        attempts = self._count_attempt(shard, charge.reason)
        if attempts is None:
            del self._outstanding[shard.shard_no]
            return
        remedy = retry_decision(shard.numbers, attempts=attempts, attempts_max=self._settings.shard_attempts_max, split_ranges=self._split)
        _log.warning("a shard did not end well", shard_no=shard.shard_no, reason=charge.reason, attempts=attempts, remedy=remedy.value)
        match remedy:
            case RetryDecision.RETRY:
                self._submit([replace(task, is_suspect=True)])
            case RetryDecision.SPLIT:
                parts = ledger.split_shard(
                    self._database,
                    run_no=run.run_no,
                    epoch=run.epoch,
                    shard_no=shard.shard_no,
                    row_counts=even_parts(shard.numbers.count, 2),
                )
                self._split.append(shard.numbers)
                del self._outstanding[shard.shard_no]
                self._outstanding |= {part.shard_no: part for part in parts}
                self._submit([ShardTask(run, part, self._inbox, is_suspect=True) for part in parts])
            case RetryDecision.FAIL_ROW:
                self._submit([ShardTask(run, shard, self._inbox, fail_as=(charge.status.name, charge.message or charge.reason))])

    def _count_attempt(self, shard: Shard, reason: str) -> int | None:
        """Count an attempt and return the number; None if the shard is done, because its actor died after the commit."""
        run = self.run
        try:
            return ledger.record_attempt(self._database, run_no=run.run_no, epoch=run.epoch, shard_no=shard.shard_no, reason=reason)
        except StoreUnavailable:
            raise
        except StoreError:
            if any(pending.shard_no == shard.shard_no for pending in ledger.pending_shards(self._database, run_no=run.run_no)):
                raise
            return None

    # ---------------------------------------------------------------------------------------------------------- the end

    def _finalise(self) -> RunState:
        started = time.perf_counter()
        try:
            with ThreadPoolExecutor(2) as beside:
                key = None
                if self._settings.database_pool_size > 1:  # this takes a second connection while the finish holds one
                    key = beside.submit(run_end.build_result_key, self._database, storage_no=self.run.storage_no)
                vectors = None if self.run.vectors == "none" else beside.submit(self._write_vectors)
                rollups, seconds = self._totals()
                if vectors is not None:
                    seconds["vectors"] = vectors.result()
                described = self._manifest(seconds)
                return run_end.finalise_run(
                    self._database, run_no=self.run.run_no, epoch=self.run.epoch,
                    rollups=rollups.groups, sensitivities=rollups.sensitivities, key=key,
                    manifest=lambda: with_seconds(described, finalise=time.perf_counter() - started),
                )  # fmt: skip
        except VectorsStopped:
            if self._is_lost.is_set():
                raise self._lost() from None
            return self._cancel()

    def _write_vectors(self) -> float:
        return write_vectors(
            self.run, database=self._database, pool=PricerPool(self._settings), attempts_max=self._settings.shard_attempts_max,
            is_stopped=self._is_stopped,
        )  # fmt: skip

    def _cancel(self) -> RunState:
        self._dispatcher.discard(self.run)
        run_end.cancel_pending_shards(self._database, run_no=self.run.run_no, epoch=self.run.epoch)
        rollups, seconds = self._totals()
        run_end.cancel_run(
            self._database, run_no=self.run.run_no, epoch=self.run.epoch, manifest=self._manifest(seconds),
            rollups=rollups.groups, sensitivities=rollups.sensitivities,
        )  # fmt: skip
        return RunState.CANCELLED

    def _totals(self) -> tuple[Rollups, dict[str, float]]:
        done = ledger.done_shards(self._database, run_no=self.run.run_no)
        seconds = Counter({"write": self._seconds["write"]})
        for shard in done:
            seconds.update(shard.seconds)
        factors = require_factors(self._database, run_no=self.run.run_no, make=self._factors_of_market)
        return roll_up((shard.exact_sums for shard in done), factors=factors), dict(seconds)

    def _factors_of_market(self) -> tuple[Factor, ...]:
        return factors_of(load_market(self._database, market_id=self.run.market_id, base_currency=self.run.base_currency))

    def _manifest(self, seconds: dict[str, float]) -> dict[str, Any]:
        return manifest(self._database, self.run, settings=self._settings, seconds=seconds)

    # ------------------------------------------------------------------------------------------------------------ trouble

    def _wait_for_database(self) -> None:
        if self._is_lost.wait(self._backoff_s):
            raise self._lost()
        self._backoff_s = min(2 * self._backoff_s, BACKOFF_MAX_S)

    def _lost(self) -> LeaseLost:
        return LeaseLost(f"run {self.run.run_id} is no longer held under epoch {self.run.epoch}")


def drive_or_fail(driver: RunDriver, *, database: Database) -> RunState | None:
    """Drive a run to its end; an error that no retry can cure ends it as FAILED. None if another process has taken the run."""
    run = driver.run
    try:
        return driver.drive()
    except LeaseLost as error:
        _log.info("another process has taken the run", reason=str(error))
        return None
    except Exception as error:  # whatever the error, a run must not stay RUNNING
        _log.exception("the run cannot continue")
        code = error.code if isinstance(error, RiskrayError) else ShardFailed.code
        _try_to_fail(database, run, code=code, detail=f"{type(error).__name__}: {error}")
        return RunState.FAILED


def _try_to_fail(database: Database, run: ClaimedRun, *, code: str, detail: str) -> None:
    try:
        run_end.fail_run(database, run_no=run.run_no, epoch=run.epoch, error_code=code, error_detail=detail)
    except RiskrayError as error:  # the lease will expire, and a coordinator will claim the run
        _log.warning("the run could not be marked as failed", reason=str(error))


def _charge_for_loss(loss: Loss, settings: Settings) -> Charge:
    if loss is Loss.TIMEOUT:
        return Charge(RowStatus.TIMEOUT, f"{RowStatus.TIMEOUT.message} of {settings.shard_timeout_s:g} s")
    return Charge(RowStatus.WORKER_CRASHED, "its worker process ended", message=RowStatus.WORKER_CRASHED.message)
