"""The connection to Postgres: a pool with a limit on every wait, riskray's own exceptions, and retries where they are safe.

Every connection has a statement timeout (so that no query runs for ever), a lock timeout (so that a stuck peer causes an error), an
idle-in-transaction timeout (so that a stopped process releases its locks), TCP keepalives and a user timeout (so that a silent network
fails within seconds), and `synchronous_commit=on` (so that an acknowledged result survives a crash).
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

LOCK_TIMEOUT_S = 10.0  # longer than riskray's transactions hold contended locks; only deleting a large run while it ends takes two attempts
IDLE_IN_TRANSACTION_TIMEOUT_S = 60.0  # a shard's transaction waits only for the database
TCP_TIMEOUT_S = 20.0  # sent data not acknowledged for this time means that the peer or the network has failed
KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S, KEEPALIVE_COUNT = 10, 5, 2
CHECK_TIMEOUT_S = 1.0  # a round trip is short, but a stopped server keeps its sockets open without responding
RECONNECT_S = 5.0  # the pool's pauses double; after this time the next request reconnects itself instead of waiting for minutes
RETRY_DEADLINE_S = 30.0
RETRY_PAUSE_FIRST_S, RETRY_PAUSE_MAX_S = 0.05, 2.0
ARROW_BATCH_BYTES = 4 * 1024**2  # size of the record batches that come out of the database

Connection = psycopg.Connection[DictRow]
Parameters = Mapping[str, Any]
T = TypeVar("T")


def database_url(settings: Settings) -> str:
    """The address of the configured server, or else of the data directory's embedded one, whether or not it runs."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return EmbeddedPostgres(settings.data_directory).url


class Database:
    """A process's access to the database. Thread-safe; connects on first use; must be closed."""

    def __init__(self, settings: Settings, *, application_name: str = "riskray", pool_size: int | None = None) -> None:
        """Raises StoreError if the connection string cannot be parsed."""
        try:
            self._conninfo = _with_limits(database_url(settings), settings, application_name)
        except psycopg.ProgrammingError:  # its message repeats parts of the string, including the password
            raise StoreError(
                "RISKRAY_DATABASE_URL is not a PostgreSQL connection string; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE, with %20 "
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
        """The server and database for messages, without the password."""
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
                f"all {size} connections to {self.target} were busy for {waited:g} s; retry, or raise RISKRAY_DATABASE_POOL_SIZE"
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
        """A connection outside the pool, for statements that hold one for long (LISTEN) or must not run in a transaction."""
        try:
            with psycopg.connect(self._conninfo, autocommit=True, row_factory=dict_row) as connection:
                yield connection
        except psycopg.Error as error:
            raise explain(error, self.target, embedded=self._embedded) from error

    def fetch_all(self, name: str, parameters: Parameters | None = None) -> list[DictRow]:
        """Return all rows of the named query."""
        with self.connection() as connection:
            return connection.execute(sql.load(name), parameters).fetchall()

    def fetch_one(self, name: str, parameters: Parameters | None = None) -> DictRow | None:
        """Return the first row of the named query, or None if it has no rows."""
        with self.connection() as connection:
            return connection.execute(sql.load(name), parameters).fetchone()

    def execute(self, name: str, parameters: Parameters | None = None) -> int:
        """Run the named query and return the number of affected rows."""
        with self.connection() as connection:
            return connection.execute(sql.load(name), parameters).rowcount

    def retrying(self, operation: Callable[[], T], *, deadline_s: float = RETRY_DEADLINE_S) -> T:
        """Run an idempotent operation, and retry it after transient failures until it succeeds or the deadline has passed.

        Transient failures are serialization conflicts, deadlocks, lock timeouts, lost connections, a server that starts or stops, and
        a server without free connections. All other errors, and the last transient one, are raised.
        """
        attempts = tenacity.Retrying(
            retry=tenacity.retry_if_exception(lambda error: isinstance(error, StoreError) and is_transient(error)),
            wait=tenacity.wait_random_exponential(
                multiplier=RETRY_PAUSE_FIRST_S, max=RETRY_PAUSE_MAX_S
            ),  # random, so that two operations that collided do not collide again
            stop=tenacity.stop_before_delay(deadline_s),
            reraise=True,
        )
        return attempts(operation)

    @contextmanager
    def arrow_reader(self, query: str) -> Generator[pa.RecordBatchReader, None, None]:
        """Stream the rows of a query without parameters as Arrow batches: only a few batches are in memory at a time."""
        # The import takes half a second, more with pandas installed, so that only processes that read Arrow import this (see
        # `preload_arrow`).
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
        """Import the libraries of Arrow reads, so that a service's first reader need not wait for them."""
        import adbc_driver_postgresql.dbapi  # noqa: F401

    def pool_statistics(self) -> dict[str, int]:
        """Present connections and requests of the pool, and the milliseconds (`requests_wait_ms`) waited since the start."""
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
                self.probe()  # a pool would retry for the whole timeout without reporting the cause
                self._pool.open()

    @contextmanager
    def _arrow_connection(self) -> Iterator[Any]:
        with self._arrow_lock:
            if self._arrow_root is None:
                import adbc_driver_postgresql.dbapi

                # Connecting reads the catalogue's types, which takes longer than most queries, so it is done only once.
                self._arrow_root = adbc_driver_postgresql.dbapi.connect(self._conninfo, autocommit=True)
            connection = self._arrow_root.adbc_clone()
        with connection:
            yield connection


def _check_connection(connection: Connection) -> None:
    """Make a short round trip before a connection is used, to avoid an error after each restart of the server. Raises psycopg's error.

    The check uses libpq's own calls, because no higher-level call has a time limit.
    """
    wire, deadline = connection.pgconn, time.monotonic() + CHECK_TIMEOUT_S
    wire.send_query(b"")
    readable = select.poll()
    readable.register(wire.socket, select.POLLIN)
    while True:
        while wire.is_busy():
            if not readable.poll(1000 * max(deadline - time.monotonic(), 0.0)):
                connection.close()
                raise psycopg.OperationalError(f"the server did not respond for {CHECK_TIMEOUT_S:g} s")
            wire.consume_input()
        result = wire.get_result()
        if result is None:
            return
        if result.status != ExecStatus.EMPTY_QUERY:
            message = wire.get_error_message()
            connection.close()
            raise psycopg.OperationalError(message)


def _with_limits(url: str, settings: Settings, application_name: str) -> str:
    """`url` with riskray's limits added; settings in the url take precedence."""
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
    """The batches without the driver's metadata on SQL types, so that a file made of them reveals nothing about the database."""
    schema = pa.schema([pa.field(field.name, _plain(field.type)) for field in reader.schema])
    return pa.RecordBatchReader.from_batches(schema, (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader))


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.list_(_plain(kind.value_type)) if pa.types.is_list(kind) else kind
