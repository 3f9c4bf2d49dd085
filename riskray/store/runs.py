"""Runs as people and services see them: submit, look up, cancel, delete, follow.

What a coordinator does with a run it has claimed is in `ledger`.
"""

import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, get_args

from psycopg.errors import ForeignKeyViolation
from psycopg.sql import SQL, Identifier, Literal
from psycopg.types.json import Jsonb

import sql
from pricers.market.factors import Factor
from riskray.engine.plan import ProductRange
from riskray.errors import Conflict, InvalidRequest, NotFound, StoreError
from riskray.models.common import JsonObject
from riskray.models.event import EventKind, RunEvent
from riskray.models.run import Executor, FailurePolicy, Progress, Run, RunState, Vectors
from riskray.store.database import Connection, Database
from riskray.store.factors import insert_factors

OWN_STORAGE_POSITIONS_MIN = 20_000
"""A run of so many positions gets a partition. Making one takes a few milliseconds and a few catalogue rows for ever after, deleting
the rows of a run this size from the shared partition takes about as long and leaves garbage; interactive runs are far smaller."""

LISTEN_PAUSE_S = 1.0
SWEEP_TIMEOUT_S = 5.0  # time for which the deletion of a run waits for its readers


@dataclass(frozen=True)
class NewRun:
    """A run to be inserted; see the table `run`."""

    name: str
    executor: str
    market_no: int
    portfolio_no: int
    base_currency: str
    measures: Sequence[str]
    rows_per_shard: int
    position_count: int
    preflight: JsonObject
    scenario_set_no: int | None = None
    vectors: Vectors = "none"
    failure_policy: FailurePolicy = "drop_position"
    traceparent: str | None = None
    reused_from_run_no: int | None = None


def new_run_id() -> str:
    """A fresh id that sorts by the time it was made: 48 bits of milliseconds, 80 of chance."""
    return f"run-{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def insert_run(
    database: Database,
    new_run: NewRun,
    *,
    shards: Sequence[ProductRange],
    factors: Sequence[Factor] = (),
    idempotency_key: str | None = None,
    request_fingerprint: bytes | None = None,
) -> tuple[Run, bool]:
    """Store a run, its shards, its factors and its first event: all of it or nothing. Returns the run and whether it is new.

    With an `idempotency_key` that is known, the run it made is the answer, if `request_fingerprint` is the same too; else the key was
    used for another request, which raises InvalidRequest. Raises Conflict when what it refers to was deleted meanwhile, and ValueError
    when the shards do not cover the positions.
    """
    if sum(shard.numbers.count for shard in shards) != new_run.position_count:
        raise ValueError(f"the shards hold {sum(s.numbers.count for s in shards)} of {new_run.position_count} positions")
    run_id = new_run_id()  # before the retries: a second try after a lost COMMIT meets its own first

    def insert() -> bool:
        with database.transaction() as connection:
            row = connection.execute(
                sql.load("insert_run"),
                {
                    **vars(new_run), "run_id": run_id, "measures": list(new_run.measures), "preflight": Jsonb(new_run.preflight),
                    "own_storage": new_run.position_count >= OWN_STORAGE_POSITIONS_MIN, "idempotency_key": idempotency_key,
                    "request_fingerprint": request_fingerprint,
                },
            ).fetchone()  # fmt: skip
            if row is None:
                return False
            insert_shards(connection, run_no=row["run_no"], first_shard_no=0, shards=shards)
            insert_factors(connection, run_no=row["run_no"], factors=factors)
            data = {"position_count": new_run.position_count, "shard_count": len(shards), "executor": new_run.executor}
            add_event(connection, run_no=row["run_no"], seq=1, kind=EventKind.SUBMITTED, data=data)
            if row["storage_no"]:
                _make_partition(connection, row["storage_no"])
            return True

    try:
        created = database.retrying(insert)
    except StoreError as error:
        if isinstance(error.__cause__, ForeignKeyViolation):
            raise Conflict("the market, the portfolio, the scenario set or the run to reuse was deleted meanwhile; submit anew") from error
        raise
    if not created and idempotency_key is not None:
        return _replayed(database, run_id, idempotency_key, request_fingerprint)
    return get_run(database, run_id=run_id), True


def get_run(database: Database, *, run_id: str) -> Run:
    """Raises NotFound."""
    row = database.fetch_one("get_run", {"run_id": run_id})
    if row is None:
        raise NotFound("run", run_id)
    return _run_from(row)


def queued_runs(database: Database) -> dict[str, tuple[int, float]]:
    """Number of runs that no coordinator drives, and the seconds since the oldest was submitted, for each executor."""
    found = {row["executor"]: (row["run_count"], row["oldest_s"]) for row in database.fetch_all("queued_runs")}
    return {executor: found.get(executor, (0, 0.0)) for executor in get_args(Executor)}


def run_no_of(database: Database, *, run_id: str) -> int:
    """The number that the result tables know the run by. Raises NotFound."""
    return int(run_keys(database, run_id=run_id)["run_no"])


def run_keys(database: Database, *, run_id: str) -> dict[str, Any]:
    """run_no, storage_no, portfolio_no, market_no, market_id, base_currency and rows_per_shard. Raises NotFound."""
    row = database.fetch_one("get_run_keys", {"run_id": run_id})
    if row is None:
        raise NotFound("run", run_id)
    return row


def list_runs(
    database: Database,
    *,
    offset: int,
    limit: int,
    state: RunState | None = None,
    portfolio: str | None = None,
    market: str | None = None,
    name: str | None = None,
) -> tuple[list[Run], int]:
    """A page, newest first, and the length of the whole list. `portfolio` and `market`: an id or a name."""
    filters = {"state": state and state.value, "portfolio": portfolio, "market": market, "name": name}
    rows = database.fetch_all("list_runs", {"offset": offset, "limit": limit, **filters})
    total = database.fetch_one("count_runs", filters) or {"total": 0}
    return [_run_from(row) for row in rows], int(total["total"])


def request_cancel(database: Database, *, run_id: str) -> Run:
    """Ask for a run to end. A queued one ends at once, a running one at its coordinator's next heartbeat, a finished one stays as it is.

    Asking twice is asking once. Raises NotFound.
    """

    def request() -> None:
        with database.transaction() as connection:
            row = connection.execute(sql.load("lock_run"), {"run_id": run_id}).fetchone()
            if row is None:
                raise NotFound("run", run_id)
            if RunState(row["state"]).is_final or row["cancel_requested"]:
                return
            run_no = row["run_no"]
            requested = connection.execute(sql.load("set_cancel_requested"), {"run_no": run_no}).fetchone()
            add_event(connection, run_no=run_no, seq=_number(requested), kind=EventKind.CANCEL_REQUESTED, data={})
            if row["state"] == RunState.QUEUED:
                connection.execute(sql.load("cancel_pending_shards"), {"run_no": run_no})
                cancelled = connection.execute(sql.load("cancel_queued_run"), {"run_no": run_no}).fetchone()
                data = {"state": RunState.CANCELLED.value}
                add_event(connection, run_no=run_no, seq=_number(cancelled), kind=EventKind.FINISHED, data=data)

    database.retrying(request)
    return get_run(database, run_id=run_id)


def delete_run(database: Database, *, run_id: str) -> None:
    """Delete a finished run and all it left. Raises NotFound, and Conflict while it is queued or running or another reuses its results."""
    with database.transaction() as connection:
        row = connection.execute(sql.load("lock_run_to_delete"), {"run_id": run_id}).fetchone()
        if row is None:
            raise NotFound("run", run_id)
        if not RunState(row["state"]).is_final:
            raise Conflict(f"run {run_id} is {row['state']}; cancel it first")
        reusing = connection.execute(sql.load("find_run_that_reuses"), {"run_no": row["run_no"]}).fetchone()
        if reusing is not None:
            raise Conflict(f"run {reusing['run_id']} reuses results of run {run_id}; delete that one first")
        if row["storage_no"] == 0:
            connection.execute(sql.load("delete_shared_results"), {"run_no": row["run_no"]})
        connection.execute(sql.load("delete_run"), {"run_no": row["run_no"]})
    if row["storage_no"]:
        with suppress(StoreError):  # a long download holds the partition: the run is gone all the same, the next sweep frees its storage
            drop_orphan_partitions(database)


def drop_orphan_partitions(database: Database) -> list[str]:
    """Free the storage of deleted runs; returns the tables dropped. Also drops those that a crash between deleting and dropping left.

    Detaching waits for the queries that read results at the moment, without holding off new ones; raises StoreError when that takes
    longer than SWEEP_TIMEOUT_S.
    """
    dropped: list[str] = []
    with database.dedicated_connection() as connection:
        connection.execute(sql.load("limit_sweep"), {"timeout": f"{round(1000 * SWEEP_TIMEOUT_S)}ms"})
        lock = connection.execute(sql.load("lock_partition_sweep")).fetchone()
        if lock is None or not lock["locked"]:
            return dropped  # another process is at it
        for row in connection.execute(sql.load("list_orphan_partitions")).fetchall():
            partition = Identifier(row["name"])
            if row["attached"]:
                statement = "finish_detach" if row["detaching"] else "detach_partition"
                connection.execute(SQL(sql.load(statement)).format(partition=partition))
            connection.execute(SQL(sql.load("drop_table")).format(partition=partition))
            dropped.append(row["name"])
    return dropped


def events_after(database: Database, *, run_id: str, after_seq: int = 0, limit: int = 1000) -> list[RunEvent]:
    """The run's events with a number above `after_seq`, in order. Raises NotFound for an unknown run."""
    rows = database.fetch_all("events_after", {"run_id": run_id, "after_seq": after_seq, "limit": limit})
    if not rows:
        run_no_of(database, run_id=run_id)
    return [RunEvent(**row) for row in rows]


def listen(database: Database, *, stop: threading.Event | None = None) -> Iterator[int | None]:
    """The number of every run that has a new event, as a hint to read its events; None about once a second and after a lost connection.

    Hints may get lost with a connection, so a reader also looks when it gets None. Ends when `stop` is set.
    """
    while stop is None or not stop.is_set():
        try:
            with database.dedicated_connection() as connection:
                connection.execute(sql.load("listen_run_event"))
                yield None  # what happened before this moment was not told
                while stop is None or not stop.is_set():
                    heard = list(connection.notifies(timeout=LISTEN_PAUSE_S, stop_after=1))
                    for notification in heard:
                        yield int(notification.payload)
                    if not heard:
                        yield None
        except StoreError:
            yield None
            (stop or threading.Event()).wait(LISTEN_PAUSE_S)


def add_event(connection: Connection, *, run_no: int, seq: int, kind: EventKind, data: JsonObject) -> None:
    """Append an event; `seq` comes from run.event_seq, raised in the same transaction, so that numbers have no gaps."""
    connection.execute(sql.load("insert_event"), {"run_no": run_no, "seq": seq, "kind": kind.value, "data": Jsonb(data)})


def insert_shards(connection: Connection, *, run_no: int, first_shard_no: int, shards: Sequence[ProductRange]) -> None:
    """Append shards to a run's ledger, numbered from `first_shard_no` on."""
    connection.execute(
        sql.load("insert_shards"),
        {
            "run_no": run_no, "first_shard_no": first_shard_no, "products": [shard.product for shard in shards],
            "first_position_nos": [shard.numbers.first for shard in shards], "row_counts": [shard.numbers.count for shard in shards],
        },
    )  # fmt: skip


def partition_of(storage_no: int) -> Identifier:
    """The table that holds the results of a storage number."""
    return Identifier(f"position_result_{storage_no}")


def _make_partition(connection: Connection, storage_no: int) -> None:
    # Made apart and then attached: that lets readers and writers of other runs go on, which CREATE TABLE ... PARTITION OF does not.
    partition = partition_of(storage_no)
    connection.execute(SQL(sql.load("create_partition")).format(partition=partition))
    connection.execute(SQL(sql.load("attach_partition")).format(partition=partition, storage_no=Literal(storage_no)))


def _replayed(database: Database, run_id: str, key: str, fingerprint: bytes | None) -> tuple[Run, bool]:
    row = database.fetch_one("find_run_by_key", {"idempotency_key": key})
    if row is None:
        raise Conflict(f"the run that Idempotency-Key {key!r} made was deleted meanwhile; use a fresh key")
    if row["request_fingerprint"] != fingerprint:
        raise InvalidRequest(
            f"Idempotency-Key {key!r} was used for another request, which made run {row['run_id']}; use a fresh key for a new request"
        )
    return get_run(database, run_id=row["run_id"]), row["run_id"] == run_id  # the same id: our own COMMIT, whose response was lost


def _run_from(row: dict[str, Any]) -> Run:
    return Run(progress=Progress(**{name: row.pop(name) for name in Progress.model_fields}), **row)


def _number(row: dict[str, Any] | None) -> int:
    if row is None:
        raise StoreError("a run vanished while it was locked")
    return int(row["event_seq"])
