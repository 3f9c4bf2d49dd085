"""The connection to Postgres: a pool with limits on every wait, errors in riskray's own words, and retries where they are safe.

What every connection carries, and why: a statement timeout (no query runs for ever), a lock timeout (a stuck peer shows as an error),
an idle-in-transaction timeout (a stopped process gives its locks back), TCP keepalives and a user timeout (a silent network fails in
seconds), and `synchronous_commit=on` (a result that was acknowledged survives a crash).
"""

import select
import threading
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
import pyarrow as pa
import tenacity
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ExecStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolTimeout

import sql
from riskray.config import Settings
from riskray.errors import StoreError, StoreUnavailable
from riskray.store.embedded import EmbeddedPostgres
from riskray.store.errors import explain, is_transient

LOCK_TIMEOUT_S = 10.0  # longer than riskray's transactions hold a lock that others want; deleting a large run while it ends takes two tries
IDLE_IN_TRANSACTION_TIMEOUT_S = 60.0  # a shard's transaction never waits for anything but the database
TCP_TIMEOUT_S = 20.0  # sent data unanswered for so long means that the peer or the network is gone
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 10, 5, 2
CHECK_TIMEOUT_S = 1.0  # a short round trip; a stopped server keeps its sockets open and says nothing
RECONNECT_S = 5.0  # the pool's pauses double: after this long the next request connects anew, instead of waiting minutes for its turn
RETRY_DEADLINE_S = 30.0
RETRY_PAUSE_FIRST_S, RETRY_PAUSE_MAX_S = 0.05, 2.0
ARROW_BATCH_BYTES = 4 * 1024**2  # size of the record batches that come out of the database

Connection = psycopg.Connection[DictRow]
Parameters = Mapping[str, Any]
T = TypeVar("T")


def database_url(settings: Settings) -> str:
    """The configured server, else the embedded one of the data directory, whether or not it runs."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return EmbeddedPostgres(settings.data_directory).url


class Database:
    """One process's way to the database. Thread-safe; connects at first use; to be closed."""

    def __init__(self, settings: Settings, *, application_name: str = "riskray", pool_size: int | None = None) -> None:
        """Raises StoreError when the connection string cannot be parsed."""
        try:
            self._conninfo = _with_limits(database_url(settings), settings, application_name)
        except psycopg.ProgrammingError:  # whose words repeat parts of the string, the password among them
            raise StoreError(
                "RISKRAY_DATABASE_URL is not a PostgreSQL connection string: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %20 "
                "for a blank and %40 for an @ in the password"
            ) from None
        self._timeout_s = settings.database_timeout_s
        self._embedded = settings.database_url is None
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            self._conninfo,
            kwargs={"autocommit": True, "row_factory": dict_row},
            min_size=1,
            max_size=pool_size or settings.database_pool_size,
            timeout=settings.database_timeout_s,
            reconnect_timeout=RECONNECT_S,
            check=_check_connection,
            open=False,
            name=application_name,
        )
        self._lock = threading.Lock()
        self._arrow_lock = threading.Lock()
        self._arrow_root: Any = None

    @property
    def target(self) -> str:
        """The server and database in words, without the password."""
        parts = conninfo_to_dict(self._conninfo)
        host = str(parts.get("host") or parts.get("hostaddr") or "localhost")
        where = host if host.startswith("/") else f"{host}:{parts.get('port') or 5432}"
        return f"{where}/{parts.get('dbname') or parts.get('user') or ''}"

    def close(self) -> None:
        """Close every connection. Safe to call twice."""
        with self._arrow_lock:
            if self._arrow_root is not None:
                self._arrow_root.close()
                self._arrow_root = None
        self._pool.close()

    def __enter__(self) -> "Database":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def connection(self, *, timeout_s: float | None = None) -> Generator[Connection, None, None]:
        """A pooled connection in autocommit mode. Raises StoreUnavailable, StoreNotMigrated or StoreError."""
        self._ensure_open()
        try:
            with self._pool.connection(timeout=timeout_s) as connection:
                yield connection
        except PoolTimeout:
            waited = self._timeout_s if timeout_s is None else timeout_s
            self.probe(timeout_s=waited)
            size = self._pool.max_size
            raise StoreUnavailable(
                f"all {size} connections to {self.target} were busy for {waited:g} s; try again, or raise RISKRAY_DATABASE_POOL_SIZE"
            ) from None
        except psycopg.Error as error:
            raise explain(error, self.target, embedded=self._embedded) from error

    @contextmanager
    def transaction(self) -> Generator[Connection, None, None]:
        """A connection inside a transaction that commits at the end of the block and rolls back on any exception."""
        with self.connection() as connection, connection.transaction():
            yield connection

    @contextmanager
    def dedicated_connection(self) -> Generator[Connection, None, None]:
        """A connection outside the pool, for what holds one for long (LISTEN) or must not run in a transaction."""
        try:
            with psycopg.connect(self._conninfo, autocommit=True, row_factory=dict_row) as connection:
                yield connection
        except psycopg.Error as error:
            raise explain(error, self.target, embedded=self._embedded) from error

    def fetch_all(self, name: str, parameters: Parameters | None = None) -> list[DictRow]:
        """Every row of the named query."""
        with self.connection() as connection:
            return connection.execute(sql.load(name), parameters).fetchall()

    def fetch_one(self, name: str, parameters: Parameters | None = None) -> DictRow | None:
        """The first row of the named query, None where there is none."""
        with self.connection() as connection:
            return connection.execute(sql.load(name), parameters).fetchone()

    def execute(self, name: str, parameters: Parameters | None = None) -> int:
        """Run the named query; answers the number of rows it touched."""
        with self.connection() as connection:
            return connection.execute(sql.load(name), parameters).rowcount

    def retrying(self, operation: Callable[[], T], *, deadline_s: float = RETRY_DEADLINE_S) -> T:
        """Run an idempotent operation, again after failures that pass by themselves, until it succeeds or the deadline is over.

        Such failures are serialization conflicts, deadlocks, lock timeouts, lost connections, a server that starts or stops, and
        one that is out of connections. Every other error, and the last one, goes to the caller.
        """
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, StoreError) and is_transient(error)),
            wait=tenacity.wait_random_exponential(multiplier=RETRY_PAUSE_FIRST_S, max=RETRY_PAUSE_MAX_S),  # two that collided part
            stop=tenacity.stop_before_delay(deadline_s),
            reraise=True,
        )
        return attempts(operation)

    @contextmanager
    def arrow_reader(self, query: str) -> Generator[pa.RecordBatchReader, None, None]:
        """Rows of a query without parameters as Arrow batches, streamed: memory holds a few batches, whatever the length."""
        # Half a second to import, more where pandas is installed: only processes that read Arrow pay it. See also `preload_arrow`.
        import adbc_driver_postgresql.dbapi

        try:
            with self._arrow_connection() as connection, connection.cursor() as cursor:
                cursor.adbc_statement.set_options(
                    **{adbc_driver_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value: str(ARROW_BATCH_BYTES)}
                )
                cursor.execute(query)
                yield _without_metadata(cursor.fetch_record_batch())
        except adbc_driver_postgresql.dbapi.Error as error:
            raise explain(error, self.target, embedded=self._embedded) from error

    @staticmethod
    def preload_arrow() -> None:
        """Import what Arrow reads need, for a service whose first reader shall not wait for it."""
        import adbc_driver_postgresql.dbapi  # noqa: F401

    def pool_statistics(self) -> dict[str, int]:
        """Connections and requests of the pool now, and milliseconds (`requests_wait_ms`) that requests have waited since the start."""
        found = self._pool.get_stats()
        names = ("pool_size", "pool_max", "pool_available", "requests_waiting", "requests_wait_ms")
        return {name: found.get(name, 0) for name in names}

    def probe(self, *, timeout_s: float | None = None) -> None:
        """Connect once outside the pool. Raises StoreUnavailable with the reason."""
        try:
            psycopg.connect(self._conninfo, connect_timeout=max(2, round(self._timeout_s if timeout_s is None else timeout_s))).close()
        except psycopg.Error as error:
            raise explain(error, self.target, embedded=self._embedded) from error

    def _ensure_open(self) -> None:
        with self._lock:
            if self._pool.closed:
                self.probe()  # a pool would try for the whole timeout and not say why it failed
                self._pool.open()

    @contextmanager
    def _arrow_connection(self) -> Iterator[Any]:
        with self._arrow_lock:
            if self._arrow_root is None:
                import adbc_driver_postgresql.dbapi

                # Reads the catalogue's types, which takes longer than most queries: so only once.
                self._arrow_root = adbc_driver_postgresql.dbapi.connect(self._conninfo, autocommit=True)
            connection = self._arrow_root.adbc_clone()
        with connection:
            yield connection


def _check_connection(connection: Connection) -> None:
    """One short round trip before a connection is used, instead of an error after every restart of the server. Raises psycopg's error.

    By libpq's own calls, because nothing above them has a time limit.
    """
    wire, deadline = connection.pgconn, time.monotonic() + CHECK_TIMEOUT_S
    wire.send_query(b"")
    readable = select.poll()
    readable.register(wire.socket, select.POLLIN)
    while True:
        while wire.is_busy():
            if not readable.poll(1000 * max(deadline - time.monotonic(), 0.0)):
                connection.close()
                raise psycopg.OperationalError(f"no answer for {CHECK_TIMEOUT_S:g} s")
            wire.consume_input()
        result = wire.get_result()
        if result is None:
            return
        if result.status != ExecStatus.EMPTY_QUERY:
            message = wire.get_error_message()
            connection.close()
            raise psycopg.OperationalError(message)


def _with_limits(url: str, settings: Settings, application_name: str) -> str:
    """`url` with riskray's limits added; what the url itself sets, stays."""
    given = conninfo_to_dict(url)
    milliseconds = {
        "statement_timeout": settings.statement_timeout_s,
        "lock_timeout": LOCK_TIMEOUT_S,
        "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT_S,
    }
    options = [f"-c {name}={round(1000 * seconds)}" for name, seconds in milliseconds.items()] + ["-c synchronous_commit=on"]
    defaults: dict[str, Any] = {
        "application_name": application_name,
        "connect_timeout": max(2, round(settings.database_timeout_s)),
        "keepalives": 1,
        "keepalives_idle": KEEPALIVE_IDLE_S,
        "keepalives_interval": KEEPALIVE_INTERVAL_S,
        "keepalives_count": KEEPALIVE_COUNT,
        "tcp_user_timeout": round(1000 * TCP_TIMEOUT_S),
    }
    merged = {**defaults, **given, "options": " ".join([*options, str(given.get("options") or "")]).strip()}
    return make_conninfo("", **merged)


def _without_metadata(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """The same batches without the driver's notes on SQL types, so that a file made of them says nothing of the database."""
    schema = pa.schema([pa.field(field.name, _plain(field.type)) for field in reader.schema])
    return pa.RecordBatchReader.from_batches(schema, (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader))


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.list_(_plain(kind.value_type)) if pa.types.is_list(kind) else kind
