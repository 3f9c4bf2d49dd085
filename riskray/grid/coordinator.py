"""The coordinator: claims runs without a driver, renews their leases, and drives each in a thread of its own.

Any number of coordinators may exist, on any number of clusters; leases and epochs in the database prevent two from driving one run. If a
coordinator dies, no work is lost: others take over its runs when their leases expire.
"""

import contextlib
import os
import threading
import time
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import ray
import structlog
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from riskray import metrics
from riskray.config import Settings
from riskray.errors import LeaseLost, StoreError
from riskray.grid import telemetry
from riskray.grid.discovery import COORDINATOR_NAME
from riskray.grid.dispatcher import Dispatcher
from riskray.grid.driver import RunDriver, Signal, drive_or_fail
from riskray.grid.messages import CoordinatorStatus
from riskray.grid.pool import PricerPool
from riskray.grid.warmup import warm_totals
from riskray.logs import configure_logs
from riskray.store import ledger
from riskray.store.database import Database
from riskray.store.ledger import ClaimedRun
from riskray.store.runs import queued_runs
from riskray.tracing import describe_span, span

RUNS_AT_ONCE = 8
"""The number is generous, so that a small run never waits for a large one; each run costs one thread, which mostly sleeps."""
POLL_S = 2.0
"""How often the coordinator looks for runs without an announcement: their coordinator has died, or the announcement was lost."""
HEAD_RESOURCE = "node:__internal_head__"
"""A resource of which Ray gives every head node one unit."""
COORDINATOR_CPUS = 0.1
"""The coordinator computes little, but if it claimed no CPU, Ray's autoscaler would consider its node idle."""

_log = structlog.get_logger()


@dataclass
class _Held:
    """A run that this process drives."""

    driver: RunDriver
    renewed_at: float = field(default_factory=time.monotonic)
    """When the last successful renewal began."""
    is_on_hold: bool = False


class Coordinator:
    """Drives runs from `start`, which starts its threads, until `stop`."""

    def __init__(self, settings: Settings, database: Database, dispatcher: Dispatcher) -> None:
        self.owner: UUID = uuid4()
        self._settings = settings
        self._database = database
        self._dispatcher = dispatcher
        self._connections = telemetry.DatabasePool(database, component="coordinator")
        self._held: dict[tuple[int, int], _Held] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._beat = threading.Event()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self, *, claim: bool = True) -> None:
        """Start to renew leases and, with `claim`, to look for runs."""
        self._threads = [threading.Thread(target=self._heartbeat_loop, name="heartbeat", daemon=True)]
        if claim:
            self._threads.append(threading.Thread(target=self._claim_loop, name="claim", daemon=True))
        for thread in self._threads:
            thread.start()

    def wake(self) -> None:
        """Look for new runs and cancellations now, without waiting for the next poll."""
        self._wake.set()
        self._beat.set()

    def stop(self) -> None:
        """Release every run, so that another coordinator can claim it at once."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join()
        for held in self._snapshot():
            held.driver.signal(Signal.LEASE_LOST)
            run = held.driver.run
            try:
                ledger.release_lease(self._database, run_no=run.run_no, epoch=run.epoch)
            except StoreError as error:
                _log.warning("a lease could not be released and will expire", run_id=run.run_id, error=str(error))

    def status(self) -> CoordinatorStatus:
        """The coordinator's process, its identity and the runs that it drives."""
        return CoordinatorStatus(
            pid=os.getpid(),
            owner=str(self.owner),
            runs=tuple(sorted(held.driver.run.run_id for held in self._snapshot())),
            shards_waiting=self._dispatcher.shards_waiting,
            shards_in_flight=self._dispatcher.shards_in_flight,
        )

    def execute(self, run: ClaimedRun) -> None:
        """Drive a claimed run in the calling thread."""
        self._drive(self._hold(run))

    def _hold(self, run: ClaimedRun) -> _Held:
        """Renew the run's lease from now on."""
        held = _Held(RunDriver(run, settings=self._settings, database=self._database, dispatcher=self._dispatcher))
        with self._lock:
            self._held[run.run_no, run.epoch] = held
        return held

    def _drive(self, held: _Held) -> None:
        run = held.driver.run
        started = time.perf_counter()
        with (
            structlog.contextvars.bound_contextvars(run_id=run.run_id, epoch=run.epoch),
            span("run", parent=run.traceparent, run_id=run.run_id, epoch=run.epoch, positions=run.position_count) as traceparent,
        ):
            held.driver.run = replace(run, traceparent=traceparent)  # the parent of its shards' spans
            _log.info("run claimed", positions=run.position_count)
            state = drive_or_fail(held.driver, database=self._database)
            if state is not None:
                _log.info("run finished", state=state.value)
                describe_span(state=state.value)
                telemetry.count(metrics.RUNS, state=state.value)
                telemetry.observe(metrics.RUN_SECONDS, time.perf_counter() - started, state=state.value)
        with self._lock:
            del self._held[run.run_no, run.epoch]
        self._wake.set()

    # ----------------------------------------------------------------------------------------------------------- claim

    def _claim_loop(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            run = self._claim() if len(self._held) < RUNS_AT_ONCE else None
            if run is None:
                self._wake.wait(POLL_S)
            else:
                threading.Thread(target=self._drive, args=(self._hold(run),), name=run.run_id, daemon=True).start()

    def _claim(self) -> ClaimedRun | None:
        try:
            return ledger.claim_run(self._database, owner=self.owner, lease_s=self._settings.lease_s)
        except StoreError as error:
            _log.warning("no run can be claimed now", error=str(error))
            return None

    # ------------------------------------------------------------------------------------------------------- heartbeat

    def _heartbeat_loop(self) -> None:
        while not self._stopping.is_set():
            for held in self._snapshot():
                self._renew(held)
            self._show()
            self._beat.wait(self._settings.heartbeat_s)
            self._beat.clear()

    def _renew(self, held: _Held) -> None:
        run, lease_s = held.driver.run, self._settings.lease_s
        begun = time.monotonic()
        try:
            cancel_requested = ledger.renew_lease(self._database, run_no=run.run_no, epoch=run.epoch, lease_s=lease_s)
        except LeaseLost:
            telemetry.count(metrics.LEASES_LOST)
            held.driver.signal(Signal.LEASE_LOST)
            return
        except StoreError as error:
            telemetry.count(metrics.LEASE_FAILURES)
            silent_s = time.monotonic() - held.renewed_at
            _log.warning("a lease could not be renewed", run_id=run.run_id, silent_s=round(silent_s, 1), error=str(error))
            if silent_s > lease_s:
                held.driver.signal(Signal.LEASE_LOST)
            elif silent_s > lease_s / 2 and not held.is_on_hold:
                held.is_on_hold = True
                held.driver.signal(Signal.HOLD)
            return
        held.renewed_at = begun
        if held.is_on_hold:
            held.is_on_hold = False
            held.driver.signal(Signal.GO_ON)
        if cancel_requested:
            held.driver.signal(Signal.CANCEL)

    def _show(self) -> None:
        """Set the gauges of the queue, the pricers and the connections."""
        telemetry.show(metrics.RUNS_HELD, len(self._held))
        telemetry.show(metrics.SHARDS_WAITING, self._dispatcher.shards_waiting)
        telemetry.show(metrics.SHARDS_IN_FLIGHT, self._dispatcher.shards_in_flight)
        for state, pricers in self._dispatcher.pricers_by_state().items():
            telemetry.show(metrics.PRICERS, pricers, state=state)
        self._connections.record()
        with contextlib.suppress(StoreError):  # the renewals and the next claim log the error
            for executor, (runs, oldest_s) in queued_runs(self._database).items():
                telemetry.show(metrics.RUNS_QUEUED, runs, executor=executor)
                telemetry.show(metrics.QUEUE_AGE, oldest_s, executor=executor)

    def _snapshot(self) -> list[_Held]:
        with self._lock:
            return list(self._held.values())


class CoordinatorActor:
    """The cluster's coordinator as a detached actor: a process of its own that outlives every request and job."""

    def __init__(self, settings: Settings) -> None:
        configure_logs(settings, component="coordinator")
        threading.excepthook = _end_process
        self._database = Database(settings, application_name="riskray coordinator")
        warm_totals()
        self._coordinator = Coordinator(settings, self._database, Dispatcher(settings, PricerPool(settings)))
        self._coordinator.start()

    def wake(self) -> None:
        """Look for runs now."""
        self._coordinator.wake()

    def status(self) -> CoordinatorStatus:
        """The coordinator's process, its identity and the runs that it drives."""
        return self._coordinator.status()

    def stop(self) -> None:
        """Release every run."""
        self._coordinator.stop()

    def __repr__(self) -> str:
        """The actor's name in Ray's dashboard and logs."""
        return COORDINATOR_NAME


def _end_process(arguments: Any) -> None:
    """End the process after an error in a thread, because it would only appear to work; Ray starts a new one, which reads the database."""
    _log.critical("a thread ended by an error", thread=getattr(arguments.thread, "name", None), error=repr(arguments.exc_value))
    os._exit(1)


def start_coordinator(settings: Settings) -> Any:
    """The cluster's coordinator, created if it does not exist."""
    return (
        ray.remote(CoordinatorActor)
        .options(
            name=COORDINATOR_NAME,
            namespace=settings.ray_namespace,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=COORDINATOR_CPUS,
            max_restarts=-1,
            max_task_retries=0,
            scheduling_strategy=_on_the_head(),
        )
        .remote(settings)
    )


def _on_the_head() -> NodeAffinitySchedulingStrategy:
    """Pin the coordinator to the head node, without which the cluster ends anyway. Elsewhere it would keep a node alive that was added for
    a run, or be lost with a spot node. The affinity is soft, because a head without logical CPUs runs no actors.
    """
    nodes = ray.nodes()  # type: ignore[no-untyped-call]
    head = next(node["NodeID"] for node in nodes if node["Alive"] and HEAD_RESOURCE in node["Resources"])
    return NodeAffinitySchedulingStrategy(node_id=head, soft=True)
