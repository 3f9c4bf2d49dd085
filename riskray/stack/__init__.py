"""The stack on one machine: Postgres, Ray, the pricer pool and the HTTP services, started, found and ended.

Ray reads its environment variables when it is imported, so modules that import Ray are imported inside functions here.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock, Timeout

from riskray import __version__
from riskray.config import Settings
from riskray.errors import RiskrayError, StackError
from riskray.logs import configure_logs
from riskray.models.run import Run
from riskray.stack.address import require_safe_address
from riskray.stack.ray_head import (
    LOG_FILE,
    disconnect,
    enter_environment,
    launch_head,
    ray_client_environment,
    ray_directory,
    ray_environment,
    require_free_port,
    stop_ray,
    token_file,
    wait_for_head,
)
from riskray.stack.record import StackRecord, processes_below, read_record, remove_record
from riskray.stack.serve_applications import (
    application_names,
    deep_health,
    failing_services,
    remove_applications,
)
from riskray.store.database import Database
from riskray.store.embedded import EmbeddedPostgres
from riskray.store.migrations import migrate

LOCK_FILE = "stack.lock"

Report = Callable[[str], None]


def start_stack(settings: Settings, *, report: Report) -> tuple[StackRecord, bool]:
    """Start the stack unless it runs. Returns the record and whether the stack was started now; `report` gets one line per step.

    Sets the stack's environment in this process. Raises StackError, after ending everything that it has started.
    """
    require_safe_address(settings, host=settings.http_host)
    settings.data_directory.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(settings):
        record = read_record(settings.data_directory)
        if record is not None and record.ready and record.is_alive:
            _require_same_address(settings, record)
            if not failing_services(settings):
                enter_environment(settings)
                return record, False
        if record is not None:
            report("ending the processes that an earlier stack left running")
            _end(settings, record)
        _require_free_ports(settings)
        enter_environment(settings)
        record = _new_record(settings)
        try:
            return _start(settings, record, report), True
        except BaseException:
            try:
                _end(settings, read_record(settings.data_directory) or record)
            except RiskrayError as error:  # this error must not hide the cause of the failed start
                report(f"the processes already started could not be ended: {error}; retry with `riskray down`")
            raise


def stop_stack(settings: Settings, *, report: Report) -> bool:
    """End exactly what `start_stack` started; returns False if there is no record."""
    if not settings.data_directory.exists():
        return False
    with _one_at_a_time(settings):
        record = read_record(settings.data_directory)
        if record is None:
            return False
        if settings.ray_address is not None:
            enter_environment(settings)
        report("stopping the services and Ray")
        _end(settings, record)
    return True


def execute_run(settings: Settings, run_id: str) -> Run:
    """Drive a run to its end from this process, on the pool of the cluster. Raises NotFound, StackError."""
    enter_environment(settings)
    from riskray.grid.start import drive_to_end  # Ray reads its variables when it is imported

    configure_logs(settings, component="job")
    return drive_to_end(settings, run_id)


def require_startable(settings: Settings) -> None:
    """Raise StackError if the address is unsafe or a port is in use."""
    require_safe_address(settings, host=settings.http_host)
    _require_free_ports(settings)


def connections_wanted(settings: Settings) -> int:
    """The most database connections that one replica of each service, the coordinator and all pricers can open together."""
    from riskray.grid.pricer import DATABASE_CONNECTIONS

    actors = max(settings.pricer_actors, settings.pricer_actors_max or 0)
    return (len(application_names()) + 1) * settings.database_pool_size + actors * DATABASE_CONNECTIONS


def stack_status(settings: Settings) -> dict[str, Any]:
    """The record, the deep health of every service, and the remedy if a service is unhealthy (otherwise empty)."""
    record = read_record(settings.data_directory)
    services = deep_health(settings)
    running = record is not None and record.ready and record.is_alive
    healthy = all(health.get("status") == "ok" for health in services.values())
    return {
        "running": running,
        "healthy": healthy,
        "remedy": "" if healthy else _remedy(settings, running=running),
        "http_url": settings.base_url,
        "dashboard_url": record.dashboard_url if record else None,
        "ray_address": record.ray_address if record else None,
        "database": record.database if record else None,
        "started_at": record.started_at if record else None,
        "services": services,
    }


def _remedy(settings: Settings, *, running: bool) -> str:
    if running:
        log_file = settings.data_directory / LOG_FILE
        return f"the stack runs but is not healthy; see `riskray doctor` and {log_file} for the cause, or restart it with `riskray up`"
    if settings.api_url is not None:
        return f"{settings.api_url} (RISKRAY_API_URL) is not healthy; it is not a stack of this machine, so look for the cause there"
    return f"no stack of {settings.data_directory} runs; start it with `riskray up`, or set RISKRAY_API_URL to a stack elsewhere"


def _new_record(settings: Settings) -> StackRecord:
    local = settings.ray_address is None
    return StackRecord(
        version=__version__,
        http_url=settings.base_url,
        ray_address=ray_environment(settings)["RAY_ADDRESS"],
        dashboard_url=f"http://127.0.0.1:{settings.ray_dashboard_port}" if local else "",
        ray_token_file=str(token_file(settings)) if local and settings.ray_auth_mode == "token" else "",
        ray_directory=str(ray_directory(settings)) if local else "",
        ray_processes=[],
        embedded_postgres=settings.database_url is None,
        database="",
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _start(settings: Settings, record: StackRecord, report: Report) -> StackRecord:
    started = time.perf_counter()

    def step(what: str) -> None:
        report(f"{time.perf_counter() - started:5.1f} s  {what}")

    head = launch_head(settings) if settings.ray_address is None else None
    if head is not None:
        # The record is written before anything else, so that an interrupted start can be cleaned up.
        record = replace(record, ray_processes=processes_below(head.pid))
        record.write(settings.data_directory)
    with Database(settings, application_name="riskray up", pool_size=1) as database:
        if record.embedded_postgres:
            EmbeddedPostgres(settings.data_directory).start()
        applied = migrate(database)
        record = replace(record, database=database.target)
        step(f"Postgres ready ({database.target}), " + (f"migrated: {', '.join(applied)}" if applied else "schema is current"))
    record.write(settings.data_directory)
    if head is not None:
        wait_for_head(settings, head, report=step)
        record = replace(record, ray_processes=processes_below(head.pid))
        threading.Thread(target=head.wait, daemon=True).start()  # reaps the head if it ends before this process
    else:
        from riskray.grid.start import connect  # Ray reads its variables when it is imported
        from riskray.stack.head import bring_up

        connect(settings)
        bring_up(settings, report=step)
    record = replace(record, ready=True)
    record.write(settings.data_directory)
    return record


def _end(settings: Settings, record: StackRecord) -> None:
    if record.ray_processes:
        disconnect()  # otherwise Ray ends this process when its head ends
        stop_ray(record)
    elif settings.ray_address is not None:
        from riskray.grid.start import connect, stop_grid  # Ray reads its variables when it is imported

        connect(settings)
        remove_applications()
        stop_grid(settings)
    if record.embedded_postgres:
        EmbeddedPostgres(settings.data_directory).stop()
    remove_record(settings.data_directory)


def _require_same_address(settings: Settings, record: StackRecord) -> None:
    if settings.api_url is None and record.http_url != settings.base_url:
        raise StackError(
            f"the stack of {settings.data_directory} runs at {record.http_url}, not at {settings.base_url}: run `riskray down` first, "
            "or set RISKRAY_DATA_DIRECTORY to another directory for a second stack"
        )


def _require_free_ports(settings: Settings) -> None:
    require_free_port(settings.http_host, settings.http_port, what="the API", variable="RISKRAY_HTTP_PORT")
    if settings.ray_address is None:
        require_free_port("127.0.0.1", settings.ray_port, what="Ray", variable="RISKRAY_RAY_PORT")
        require_free_port("127.0.0.1", settings.ray_dashboard_port, what="the Ray dashboard", variable="RISKRAY_RAY_DASHBOARD_PORT")


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    """Hold a lock: two concurrent `riskray up` would start two stacks in one directory."""
    try:
        held = FileLock(settings.data_directory / LOCK_FILE, blocking=False).acquire()
    except Timeout as error:
        raise StackError(f"another `riskray up` or `riskray down` is working on {settings.data_directory}; wait until it ends") from error
    with held:
        yield


__all__ = [
    "StackRecord",
    "connections_wanted",
    "execute_run",
    "ray_client_environment",
    "read_record",
    "require_startable",
    "stack_status",
    "start_stack",
    "stop_stack",
]
