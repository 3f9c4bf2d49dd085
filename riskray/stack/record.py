"""The record of the running stack: what `riskray up` started, so that `riskray down` ends exactly that."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from riskray.errors import StackError

RECORD_FILE = "stack.json"
RAY_SERVERS = ("gcs_server", "raylet")
"""After one of these has ended, the head and its services run on for up to a minute, and then end as well."""


@dataclass(frozen=True)
class ProcessRecord:
    """A process, identified by its number and start time, because numbers are reused."""

    pid: int
    create_time: float
    name: str = ""

    def find(self) -> psutil.Process | None:
        """The process; None if it has ended."""
        try:
            process = psutil.Process(self.pid)
            alive = process.is_running() and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if alive and abs(process.create_time() - self.create_time) < 1.0 else None


@dataclass(frozen=True)
class StackRecord:
    """One running stack."""

    version: str
    http_url: str
    ray_address: str
    dashboard_url: str
    ray_token_file: str
    ray_directory: str  # Ray's sockets and logs; empty if the stack uses an external Ray cluster
    ray_processes: list[ProcessRecord]  # the head first; empty if the stack uses an external Ray cluster
    embedded_postgres: bool
    database: str
    started_at: str
    ready: bool = False

    def write(self, data_directory: Path) -> None:
        """Store the record, replacing an older one atomically."""
        target = data_directory / RECORD_FILE
        draft = target.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        draft.replace(target)

    @property
    def is_alive(self) -> bool:
        """Whether the Ray head and its servers run; always true for an external cluster, whose processes cannot be seen from here."""
        servers = [process for process in self.ray_processes if process.name in RAY_SERVERS]
        return all(process.find() is not None for process in [*self.ray_processes[:1], *servers])


def read_record(data_directory: Path) -> StackRecord | None:
    """The record of this data directory's stack; None if no stack was started. Raises StackError if the file cannot be read."""
    file = data_directory / RECORD_FILE
    try:
        raw = json.loads(file.read_text(encoding="utf-8"))
        return StackRecord(**{**raw, "ray_processes": [ProcessRecord(**process) for process in raw["ray_processes"]]})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise StackError(f"{file} is not a stack record ({error}); remove it after ending the processes of that stack") from error


def remove_record(data_directory: Path) -> None:
    """Delete the record of the stack."""
    (data_directory / RECORD_FILE).unlink(missing_ok=True)


def processes_below(pid: int) -> list[ProcessRecord]:
    """The process and all its descendants, the process first."""
    try:
        head = psutil.Process(pid)
        family = [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []
    records = []
    for process in family:
        try:
            records.append(ProcessRecord(process.pid, process.create_time(), process.name()))
        except psutil.NoSuchProcess:  # the process has ended since it was listed
            continue
    return records
