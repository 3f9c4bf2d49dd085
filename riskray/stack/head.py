"""The stack's own process, `python -m riskray.stack.head`: Ray's head and all that runs on it, in one long-lived interpreter.

`riskray up` starts it and reads what it reports; ending it ends Ray. Because it is also Ray's driver, two more processes that would import
all these libraries need not start. Ray reads its environment variables when it is imported, so `riskray up` sets them beforehand.
"""

import importlib
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from riskray.config import Settings
from riskray.errors import RiskrayError, StoreError
from riskray.extensions import load_pricers
from riskray.stack.ray_head import LOOPBACK, OBJECT_STORE_BYTES, PROGRESS_FILE, ray_directory
from riskray.stack.serve_applications import deploy_applications, import_applications, wait_until_healthy
from riskray.store.database import Database
from riskray.store.migrations import require_current

DATABASE_TIMEOUT_S = 60.0
POLL_S = 0.1

Report = Callable[[str], None]


def bring_up(settings: Settings, *, report: Report) -> None:
    """Start pool, coordinator and HTTP services on the connected Ray; returns once all of them respond."""
    from riskray.grid.pool import PricerPool
    from riskray.grid.start import start_grid

    pool = PricerPool(settings)
    for number in range(settings.pricer_actors):
        pool.handle(number)  # begins the actor's start; all actors start in parallel
    deploy_applications(settings)
    _wait_for_database(settings)
    start_grid(settings)
    report(f"{settings.pricer_actors} pricer actors ready")
    wait_until_healthy(settings)
    report(f"HTTP services ready ({settings.base_url})")


def _wait_for_database(settings: Settings) -> None:
    """Wait for the database, which `riskray up` starts and migrates in parallel."""
    deadline = time.monotonic() + DATABASE_TIMEOUT_S
    with Database(settings, application_name="riskray head", pool_size=1) as database:
        while True:
            try:
                return require_current(database)
            except StoreError:
                if time.monotonic() > deadline:
                    raise
            time.sleep(POLL_S)


def _start_ray(settings: Settings) -> None:
    import ray
    from ray._private import parameter

    # Jobs pass through Ray's agent, whose port is fixed by default, so that a second Ray on the machine would accept no jobs. 0 means any
    # free port. The missing public API is `ray.init(dashboard_agent_listen_port=)`; `ray start` has the option. A test fails once
    # `ray.init` has it.
    parameter.RayParams = partial(parameter.RayParams, dashboard_agent_listen_port=0)  # type: ignore[misc, assignment]
    os.environ["RAY_GCS_SERVER_PORT"] = str(settings.ray_port)
    ray.init(
        address="local",
        # Logical CPUs: one per pricer, and more for replicas, coordinator and job drivers, which mostly wait.
        num_cpus=max(os.cpu_count() or 1, settings.pricer_actors + 1) + 1,
        namespace=settings.ray_namespace,
        include_dashboard=True,
        dashboard_host=LOOPBACK,
        dashboard_port=settings.ray_dashboard_port,
        object_store_memory=OBJECT_STORE_BYTES,
        log_to_driver=False,
        logging_level=logging.WARNING,
        _temp_dir=str(ray_directory(settings)),
        _node_ip_address=LOOPBACK,
    )


class _Progress:
    """Writes lines of JSON, which `riskray up` reads."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def write(self, **fields: object) -> None:
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(fields) + "\n")

    def report(self, step: str) -> None:
        self.write(step=step)


def main() -> None:
    """Run until SIGTERM."""
    settings = Settings()
    progress = _Progress(settings.data_directory / PROGRESS_FILE)
    ending = threading.Event()
    # The libraries of the services are imported while Ray's processes start.
    imports = threading.Thread(target=import_applications, daemon=True)
    try:
        if settings.pricer_modules:
            load_pricers(settings)  # reports a wrong module name at once, before every other process fails on it
        importlib.import_module("ray")
        imports.start()
        _start_ray(settings)
        progress.report(f"Ray ready ({LOOPBACK}:{settings.ray_port}, dashboard http://{LOOPBACK}:{settings.ray_dashboard_port})")
        signal.signal(signal.SIGTERM, lambda *_: ending.set())
        imports.join()
        bring_up(settings, report=progress.report)
    except RiskrayError as error:
        progress.write(error=str(error))
        raise SystemExit(1) from error
    except Exception as error:
        progress.write(error=f"{type(error).__name__}: {error}")
        raise
    progress.write(ready=True)
    ending.wait()


if __name__ == "__main__":
    main()
