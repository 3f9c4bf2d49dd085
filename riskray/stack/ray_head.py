"""The local Ray: one head in processes of its own, on loopback, with token authentication, ended by means of its record."""

import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from riskray.config import Settings, set_environment
from riskray.errors import StackError
from riskray.stack.record import StackRecord, processes_below

TOKEN_FILE = "ray-token"
LOG_FILE = "head.log"
PROGRESS_FILE = "head-progress.jsonl"
# The first start compiles every kernel, which takes minutes on a busy machine.
START_TIMEOUT_S = 600.0
QUIET_S = 15.0
STOP_TIMEOUT_S = 1.5
KILL_TIMEOUT_S = 15.0
POLL_S = 0.1
# The path of a socket may have 107 characters, and Ray appends up to 60 to its directory.
DIRECTORY_CHARACTERS_MAX = 40
# Actors read shards from Postgres, so that Ray's objects are small; the default would reserve a third of the memory.
OBJECT_STORE_BYTES = 256 * 1024**2
LOOPBACK = "127.0.0.1"


def token_file(settings: Settings) -> Path:
    """The file that holds the local Ray's token."""
    return settings.data_directory / TOKEN_FILE


def ray_directory(settings: Settings) -> Path:
    """Ray's directory for sockets and logs: a short path, distinct for each user and data directory."""
    digest = hashlib.sha256(os.fsencode(settings.data_directory.absolute())).hexdigest()[:8]
    name = f"riskray-{os.geteuid()}-{digest}"
    temporary = Path(tempfile.gettempdir())
    if len(str(temporary)) + len(name) + 1 > DIRECTORY_CHARACTERS_MAX:
        temporary = Path("/tmp")
    return temporary / name


def ray_environment(settings: Settings) -> dict[str, str]:
    """The environment variables of every process that connects to the local Ray."""
    environment = {
        "RAY_AUTH_MODE": settings.ray_auth_mode,
        "RAY_USAGE_STATS_ENABLED": "0",
        # By default Ray runs its workers at low priority; these processes serve interactive requests.
        "RAY_worker_niceness": "0",
        # Serve and the service in it share one event loop: handlers wait or use threads, and a hop between loops costs milliseconds.
        "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
        "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
        # Serve replaces a proxy after three failed checks; with this period a killed proxy is back in seconds, not in half a minute.
        "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
        # Workers use the interpreter of this installation, even if the parent process was started by `uv run`.
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        "RAY_ADDRESS": settings.ray_address or f"{LOOPBACK}:{settings.ray_port}",
    }
    if settings.ray_address is None:
        # Despite its name, this applies on every system: with 0 a node keeps its loopback address, which Ray would otherwise replace by
        # that of a network card and then listen on all cards. A process that joins needs it too, to find the head on loopback.
        environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        if settings.ray_auth_mode == "token":
            environment["RAY_AUTH_TOKEN_PATH"] = str(token_file(settings))
    return environment


def ray_client_environment(settings: Settings) -> dict[str, str]:
    """The part of `ray_environment` that Ray's own commands, such as `ray job submit`, need."""
    wanted = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER")
    return {name: value for name, value in ray_environment(settings).items() if name in wanted}


def enter_environment(settings: Settings) -> None:
    """Set the stack's environment in this process and its children. Call it before Ray is imported."""
    set_environment(settings, ray_environment(settings))


def require_free_port(host: str, port: int, *, what: str, variable: str) -> None:
    """Raise StackError if the port is in use."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StackError(
                f"port {port} on {host}, needed by {what}, cannot be used ({error.strerror}); "
                f"stop the process that listens there, or set {variable} to another port, such as {free_port()}, which is free now"
            ) from error


def free_port() -> int:
    """A port that is free at the moment."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def _make_token(settings: Settings) -> None:
    file = token_file(settings)
    if file.exists() and stat.S_IMODE(file.stat().st_mode) == 0o600 and file.read_text().strip():
        return
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(secrets.token_hex(32))


def _make_directory(directory: Path) -> None:
    """Create Ray's directory, or reuse that of an earlier stack of this user; refuse a directory that belongs to another user."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StackError(f"{directory} belongs to another user; set TMPDIR to a directory of your own")


def launch_head(settings: Settings) -> subprocess.Popen[bytes]:
    """Start `riskray.stack.head` without waiting until it is ready. This process must have entered the stack's environment."""
    _make_token(settings)
    _make_directory(ray_directory(settings))
    (settings.data_directory / PROGRESS_FILE).write_text("")
    with (settings.data_directory / LOG_FILE).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "riskray.stack.head"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
        )


def wait_for_head(settings: Settings, head: subprocess.Popen[bytes], *, report: Callable[[str], None]) -> None:
    """Forward what the head reports until it is ready. Raises StackError with the reason if the head fails or takes too long."""
    file = settings.data_directory / PROGRESS_FILE
    deadline = time.monotonic() + START_TIMEOUT_S
    explain_at = time.monotonic() + QUIET_S
    read = 0
    while True:
        has_ended = head.poll() is not None
        lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
        for line in [line for line in lines[read:] if line.endswith("\n")]:
            read += 1
            said = json.loads(line)
            if "step" in said:
                report(said["step"])
            elif "error" in said:
                raise StackError(f"{said['error']}; see {settings.data_directory / LOG_FILE} for more")
            else:
                return
        if has_ended or time.monotonic() > deadline:
            log = (settings.data_directory / LOG_FILE).read_text(encoding="utf-8", errors="replace").strip().splitlines()[-10:]
            why = f"ended with status {head.returncode}" if has_ended else f"is not ready after {START_TIMEOUT_S:.0f} s"
            raise StackError("\n".join([f"the stack {why}; the end of {settings.data_directory / LOG_FILE}:", *log]))
        if time.monotonic() > explain_at:
            explain_at = deadline
            report("still starting: a busy machine takes longer, and the first start compiles the numeric kernels in one to two minutes")
        time.sleep(POLL_S)


def disconnect() -> None:
    """Disconnect this process from Ray, if it is connected."""
    if (ray := sys.modules.get("ray")) is not None:
        ray.shutdown()


def stop_ray(record: StackRecord) -> None:
    """End the head and all its descendants; kill those that do not end in time. No data is lost: riskray keeps no state in Ray."""
    processes = dict.fromkeys(record.ray_processes)
    for known in record.ray_processes:
        if known.find() is not None:
            processes.update(dict.fromkeys(processes_below(known.pid)))
    alive = [process for known in processes if (process := known.find()) is not None]
    # All processes are signalled at once: the head would end them one after the other, one second each.
    for number, patience_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, KILL_TIMEOUT_S)):
        for process in alive:
            _signal(process, number)
        _, alive = psutil.wait_procs(alive, timeout=patience_s)
    if record.ray_directory:
        shutil.rmtree(record.ray_directory, ignore_errors=True)


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
