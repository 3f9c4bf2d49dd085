"""Joining Ray, and starting and ending the grid's detached actors."""

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
"""How long an address that refuses connections is tried: a head that starts anew is back by then; Ray itself would try for minutes."""
PROBE_PAUSE_S = 0.1


def connect(settings: Settings) -> None:
    """Join the configured Ray cluster, unless this process belongs to one already. Raises StackError when there is none."""
    if ray.is_initialized():
        return
    os.environ["RAY_AUTH_MODE"] = settings.ray_auth_mode  # never left to what happens to lie in somebody's home directory
    address = settings.ray_address or f"127.0.0.1:{settings.ray_port}"
    try:
        _require_listener(address)
        ray.init(address=address, namespace=settings.ray_namespace, log_to_driver=False, logging_level=logging.WARNING)
    except (OSError, RuntimeError, ValueError) as error:
        raise StackError(f"no Ray answers at {address} ({error}); start one with `riskray up`, or set RISKRAY_RAY_ADDRESS") from error


def _require_listener(address: str) -> None:
    """Raise OSError when nobody accepts a connection at `host:port` (or `ray://host:port`) for a few seconds."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not port.isdecimal():
        return  # `auto` and `local` are for Ray to find
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
    """Start the pricer pool and the coordinator, or adjust a pool of another size; blocks until all are warm.

    The actors take their settings from here. Raises StackError when an actor cannot start.
    """
    connect(settings)
    PricerPool(settings).ensure(settings.pricer_actors)
    reference = start_coordinator(settings).status.options(max_task_retries=-1).remote()
    ready, _ = ray.wait([reference], timeout=START_TIMEOUT_S)
    if not ready:
        raise StackError(f"the coordinator was not ready within {START_TIMEOUT_S:g} s; Ray needs a tenth of a CPU for it")
    ray.get(reference)


def stop_grid(settings: Settings) -> None:
    """End the coordinator, which gives its runs back, and the pool. Nothing else in the cluster is touched."""
    connect(settings)
    coordinator = find_coordinator(settings)
    if coordinator is not None:
        ray.wait([coordinator.stop.remote()], timeout=settings.heartbeat_s)
        ray.kill(coordinator, no_restart=True)
    PricerPool(settings).shrink(0)


def drive_to_end(settings: Settings, run_id: str) -> Run:
    """Drive one run to its end in this process, on the cluster's pool; answers the finished run.

    This is what `riskray run execute RUN_ID` does, and so what `ray job submit` starts. A run that somebody else drives is waited for,
    and taken over should its lease end. Raises NotFound.
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
