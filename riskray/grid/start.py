"""Connects to Ray, and starts and ends the grid's detached actors."""

import logging
import os
import socket
import time

import ray

from riskray.config import Settings
from riskray.errors import StackError
from riskray.grid.coordinator import POLL_S, Coordinator, start_coordinator
from riskray.grid.discovery import find_coordinator
from riskray.grid.dispatcher import Dispatcher
from riskray.grid.pool import START_TIMEOUT_S, PricerPool
from riskray.models.run import Run
from riskray.store import ledger
from riskray.store.database import Database
from riskray.store.runs import get_run

PROBE_TIMEOUT_S = 5.0
"""How long to retry an address that refuses connections: a restarting head needs less, and Ray by itself would retry for minutes."""
PROBE_PAUSE_S = 0.1


def connect(settings: Settings) -> None:
    """Join the configured Ray cluster, unless this process has already joined one. Raises StackError if no cluster responds."""
    if ray.is_initialized():
        return
    os.environ["RAY_AUTH_MODE"] = settings.ray_auth_mode  # set explicitly, so that it does not depend on files in the user's home directory
    address = settings.ray_address or f"127.0.0.1:{settings.ray_port}"
    try:
        _require_listener(address)
        ray.init(address=address, namespace=settings.ray_namespace, log_to_driver=False, logging_level=logging.WARNING)
    except (OSError, RuntimeError, ValueError) as error:
        raise StackError(f"no Ray responds at {address} ({error}); start one with `riskray up`, or set RISKRAY_RAY_ADDRESS") from error


def _require_listener(address: str) -> None:
    """Raise OSError if no server accepts a connection at `host:port` (or `ray://host:port`) within a few seconds."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdecimal():
        return  # Ray resolves `auto` and `local` itself
    deadline = time.monotonic() + PROBE_TIMEOUT_S
    while True:
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=PROBE_TIMEOUT_S).close()
        except OSError:
            if time.monotonic() + PROBE_PAUSE_S > deadline:
                raise
            time.sleep(PROBE_PAUSE_S)
        else:
            return


def start_grid(settings: Settings) -> None:
    """Start the pricer pool and the coordinator, or adjust the size of an existing pool; blocks until all are warm.

    The actors get `settings`. Raises StackError if an actor cannot start.
    """
    connect(settings)
    PricerPool(settings).ensure(settings.pricer_actors)
    reference = start_coordinator(settings).status.options(max_task_retries=-1).remote()
    ready, _ = ray.wait([reference], timeout=START_TIMEOUT_S)
    if not ready:
        raise StackError(f"the coordinator was not ready within {START_TIMEOUT_S:g} s; Ray needs a tenth of a free CPU for it")
    ray.get(reference)


def stop_grid(settings: Settings) -> None:
    """End the coordinator, which releases its runs, and the pool. Other actors and jobs of the cluster are not affected."""
    connect(settings)
    coordinator = find_coordinator(settings)
    if coordinator is not None:
        ray.wait([coordinator.stop.remote()], timeout=settings.heartbeat_s)
        ray.kill(coordinator, no_restart=True)
    PricerPool(settings).shrink(0)


def drive_to_end(settings: Settings, run_id: str) -> Run:
    """Drive one run to its end in this process, on the cluster's pool; returns the finished run.

    `riskray run execute RUN_ID`, and therefore a job of `ray job submit`, calls this. If another process drives the run, the function waits
    for its end, and takes the run over if the lease expires. Raises NotFound.
    """
    connect(settings)
    with Database(settings, application_name="riskray job") as database:
        dispatcher = Dispatcher(settings, PricerPool(settings))
        coordinator = Coordinator(settings, database, dispatcher)
        coordinator.start(claim=False)
        try:
            while not (run := get_run(database, run_id=run_id)).state.is_final:
                claimed = ledger.claim_run(database, owner=coordinator.owner, lease_s=settings.lease_s, executor=None, run_id=run_id)
                if claimed is None:
                    time.sleep(POLL_S)
                else:
                    coordinator.execute(claimed)
            return run
        finally:
            coordinator.stop()
            dispatcher.stop()
