"""`riskray up`, `down`, `status`, `doctor` and `db`: the stack, its health and its database."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import typer

from riskray.cli.output import ExitCode, Json, print_json, print_line, print_table, say
from riskray.config import Settings, misspelt_variables
from riskray.errors import RiskrayError, StackError

database_commands = typer.Typer(no_args_is_help=True, help="The database: migrate, check, and the line that opens psql.")


def report_step(line: str) -> None:
    """Print one step of a start on stderr."""
    say(line)


def up(as_json: Json = False) -> None:
    """Start Postgres, Ray, the pricers and the HTTP services, unless they already run."""
    from riskray.stack import start_stack

    settings = Settings()
    record, started = start_stack(settings, report=report_step)
    if as_json:
        print_json({"started": started, "http_url": record.http_url, "dashboard_url": record.dashboard_url, "database": record.database})
        return
    say("the stack is up" if started else "the stack was already up")
    print_line(f"API        {record.http_url}")
    print_line(f"dashboard  {record.dashboard_url}")


def down(as_json: Json = False) -> None:
    """Stop everything that `riskray up` started."""
    from riskray.stack import stop_stack

    stopped = stop_stack(Settings(), report=report_step)
    if as_json:
        print_json({"stopped": stopped})
    else:
        say("the stack is down" if stopped else "no stack runs for this data directory")


def env(as_json: Json = False) -> None:
    """Print the variables with which Ray's own commands find this Ray and log in: eval "$(riskray env)", then `ray job submit ...`."""
    from riskray.stack import ray_client_environment, read_record

    settings = Settings()
    variables = ray_client_environment(settings)
    record = read_record(settings.data_directory)
    if settings.ray_address is None and (record is None or not record.is_alive):
        say(f"no Ray of {settings.data_directory} runs; start it with `riskray up`, or set RISKRAY_RAY_ADDRESS to a running Ray")
    if as_json:
        print_json(variables)
    else:
        for name, value in variables.items():
            print_line(f"export {name}={shlex.quote(value)}")


def status(as_json: Json = False) -> None:
    """Show whether the stack runs and whether its services are healthy; exit code 5 if any is not."""
    from riskray.stack import stack_status

    state = stack_status(Settings())
    if as_json:
        print_json(state)
    else:
        rows = [(name, health.get("status"), health.get("detail") or _database_line(health)) for name, health in state["services"].items()]
        started = f"since {state['started_at']}" if state["started_at"] else "not started here"
        print_table(["service", "status", "database"], rows, title=f"{state['http_url']}  ({started})")
    if state["remedy"]:
        say(state["remedy"])
    if not state["healthy"]:
        raise typer.Exit(ExitCode.UNREACHABLE)


def _database_line(health: dict[str, Any]) -> str:
    database = health.get("database", {})
    return str(database.get("detail") or f"{database.get('latency_ms')} ms, {database.get('target')}")


def doctor(as_json: Json = False) -> None:
    """Check for problems that would prevent the stack from starting or from running well."""
    settings = Settings()
    findings = [(what, *_examined(check, settings)) for what, check in _CHECKS.items()]
    if as_json:
        print_json([{"check": what, "ok": ok, "detail": detail} for what, ok, detail in findings])
    else:
        print_table(["check", "", "finding"], [(what, "ok" if ok else "PROBLEM", detail) for what, ok, detail in findings])
    if not all(ok for _, ok, _ in findings):
        raise typer.Exit(ExitCode.FAILED)


def _examined(check: Any, settings: Settings) -> tuple[bool, str]:
    try:
        return True, str(check(settings))
    except RiskrayError as error:
        return False, str(error)


def _check_python(_settings: Settings) -> str:
    return f"{sys.version.split()[0]} at {sys.prefix}"


def _check_settings(settings: Settings) -> str:
    misspelt = [f"{name} (for {meant}?)" for name, meant in misspelt_variables().items()]
    if misspelt:
        raise StackError(f"riskray does not know these environment variables: {', '.join(misspelt)}; correct or unset them")
    return f"{len(settings.environment())} settings differ from their defaults"


def _check_data_directory(settings: Settings) -> str:
    existing = next(path for path in (settings.data_directory, *settings.data_directory.absolute().parents) if path.exists())
    try:
        probe = existing / ".riskray-probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise StackError(f"{existing} cannot be written ({error.strerror}); set RISKRAY_DATA_DIRECTORY to another directory") from error
    free = shutil.disk_usage(existing).free
    if free < 2 * 1024**3:
        raise StackError(f"{existing} has {free / 1024**3:.1f} GiB left; a run of a million positions needs about 1")
    return f"{settings.data_directory}, {free / 1024**3:.0f} GiB free"


def _check_shared_memory(_settings: Settings) -> str:
    directory = Path("/dev/shm")
    if not directory.exists():
        return "this system has no /dev/shm; Ray uses files"
    free = shutil.disk_usage(directory).free
    if free < 256 * 1024**2:
        raise StackError(
            f"/dev/shm has {free / 1024**2:.0f} MiB, so that Ray keeps its objects on disk; start the container with --shm-size=1g"
        )
    return f"/dev/shm has {free / 1024**3:.1f} GiB free"


def _check_stack(settings: Settings) -> str:
    from riskray.stack import read_record, require_startable

    record = read_record(settings.data_directory)
    if record is not None and record.is_alive:
        return f"runs at {record.http_url} since {record.started_at}"
    if record is not None:
        raise StackError(f"Ray of {settings.data_directory} ended unexpectedly; `riskray up` removes what is left and restarts it")
    require_startable(settings)
    return f"not running; ports {settings.http_port}, {settings.ray_port} and {settings.ray_dashboard_port} are free"


def _check_database(settings: Settings) -> str:
    from riskray.store.database import Database
    from riskray.store.embedded import EmbeddedPostgres
    from riskray.store.migrations import require_current

    if settings.database_url is None and not EmbeddedPostgres(settings.data_directory).is_running():
        return "the embedded Postgres is not running; `riskray up` starts it"
    with Database(settings, pool_size=1) as database:
        require_current(database)
        return f"{database.target}, schema is current"


def _check_connections(settings: Settings) -> str:
    from riskray.stack import connections_wanted
    from riskray.store.database import Database
    from riskray.store.embedded import EmbeddedPostgres

    if settings.database_url is None and not EmbeddedPostgres(settings.data_directory).is_running():
        return "the embedded Postgres is not running"
    wanted = connections_wanted(settings)
    with Database(settings, pool_size=1) as database:
        row = database.fetch_one("connection_limit", {})
    limit = row["connection_limit"] if row else 0
    if wanted > limit:
        raise StackError(
            f"the pricers and the services may together open {wanted} connections, but Postgres allows {limit}; raise its max_connections, "
            "or lower RISKRAY_DATABASE_POOL_SIZE or RISKRAY_PRICER_ACTORS_MAX"
        )
    return f"at most {wanted} of {limit} in use, with one replica of each service"


_CHECKS = {
    "python": _check_python,
    "settings": _check_settings,
    "data directory": _check_data_directory,
    "shared memory": _check_shared_memory,
    "database": _check_database,
    "connections": _check_connections,
    "stack": _check_stack,
}


@database_commands.command("migrate")
def migrate_database(as_json: Json = False) -> None:
    """Migrate the schema to this version; it is safe to repeat this, also on several machines at once."""
    from riskray.store.database import Database
    from riskray.store.migrations import migrate

    with Database(Settings(), application_name="riskray db migrate", pool_size=1) as database:
        applied = migrate(database)
    if as_json:
        print_json({"applied": applied})
    else:
        say(f"applied {', '.join(applied)}" if applied else "the schema is current")


@database_commands.command("check")
def check_database(as_json: Json = False) -> None:
    """Check the invariants of the stored data, and warn of possible problems; reads all results."""
    from riskray.store.checks import check_invariants, find_warnings
    from riskray.store.database import Database

    with Database(Settings(), application_name="riskray db check", pool_size=1) as database:
        violations, warnings = check_invariants(database), find_warnings(database)
    if as_json:
        print_json({"violations": violations, "warnings": warnings})
    else:
        for warning in warnings:
            print_line(f"warning: {warning}")
        for violation in violations:
            print_line(violation)
        say(f"{len(violations)} violation(s)" if violations else "the database is sound")
    if violations:
        raise typer.Exit(ExitCode.FAILED)


@database_commands.command("psql")
def psql_line(as_json: Json = False) -> None:
    """Print the command that opens psql on the database."""
    line = psql_command(Settings())
    if as_json:
        print_json({"command": line})
    else:
        print_line(line)


def psql_command(settings: Settings) -> str:
    """The command that opens psql; it refers to a configured address by its variable, because the address may contain a password."""
    from riskray.store.embedded import EmbeddedPostgres

    return EmbeddedPostgres(settings.data_directory).psql_command() if settings.database_url is None else 'psql "$RISKRAY_DATABASE_URL"'
