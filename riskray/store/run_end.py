"""The end of a run, in one transaction: it checks that no result is lost or duplicated, and writes key, sums, manifest and last event.

Like every write to the ledger, it is conditional on the claim's epoch.
"""

from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from psycopg.sql import SQL, Identifier
from psycopg.types.json import Jsonb

import sql
from riskray.engine.result_schema import ROLLUP_SCHEMA, SENSITIVITY_SCHEMA
from riskray.errors import NotFound, StoreError
from riskray.models.common import JsonObject
from riskray.models.event import EventKind
from riskray.models.run import RunState
from riskray.store import arrow
from riskray.store.database import Connection, Database
from riskray.store.ledger import COMMIT_DEADLINE_S, Rows, lease_lost
from riskray.store.runs import add_event, partition_of

KEEP_ALIVE_S = 10.0
"""How often a waiting transaction sends a statement, because the server ends transactions that are idle for a minute."""


def build_result_key(database: Database, *, storage_no: int) -> None:
    """Build the key of a run's own partition once all its shards are done, in parallel with the finish, which takes as long. Idempotent."""

    def build() -> None:
        with database.transaction() as connection:
            _build_key(connection, storage_no)

    database.retrying(build, deadline_s=COMMIT_DEADLINE_S)


def finalise_run(
    database: Database,
    *,
    run_no: int,
    epoch: int,
    rollups: Rows,
    sensitivities: Rows,
    manifest: Callable[[], JsonObject],
    key: "Future[None] | None" = None,
) -> RunState:
    """End a run whose shards are all done: check that no result is lost or duplicated, build its key, write rollups and manifest.

    `key`: a `build_result_key` in progress, for which this waits after writing everything except the manifest; only then is `manifest`
    called.

    Returns SUCCEEDED, or PARTIAL if positions failed. Idempotent. Raises LeaseLost, and StoreError if results, failures, ledger and counts
    do not add up; then the run stays RUNNING and nothing is written.
    """
    tables = (rollups, sensitivities)
    return _finish(database, run_no=run_no, epoch=epoch, state=None, tables=tables, manifest=manifest, key=key)


def cancel_pending_shards(database: Database, *, run_no: int, epoch: int) -> None:
    """Prevent further commits of shards, so that a cancelled run's totals include every committed shard. Raises LeaseLost."""

    def close() -> None:
        with database.transaction() as connection:
            run = connection.execute(sql.load("lock_claimed_run"), {"run_no": run_no}).fetchone()
            if run is None or run["epoch"] != epoch:
                raise lease_lost(run_no, epoch)
            if not RunState(run["state"]).is_final:
                connection.execute(sql.load("cancel_pending_shards"), {"run_no": run_no})

    database.retrying(close, deadline_s=COMMIT_DEADLINE_S)


def cancel_run(
    database: Database,
    *,
    run_no: int,
    epoch: int,
    manifest: JsonObject,
    rollups: Rows | None = None,
    sensitivities: Rows | None = None,
) -> None:
    """End a run as CANCELLED. Results of finished shards are kept; rollups, if given, sum these. Raises LeaseLost.

    The caller must add up rollups after `cancel_pending_shards`, because a shard that an actor still has may commit until then.
    """
    tables = (rollups, sensitivities)
    _finish(database, run_no=run_no, epoch=epoch, state=RunState.CANCELLED, tables=tables, manifest=lambda: manifest)


def fail_run(database: Database, *, run_no: int, epoch: int, error_code: str, error_detail: str) -> None:
    """End a run as FAILED, for a reason that no retry can cure. Raises LeaseLost."""
    _finish(database, run_no=run_no, epoch=epoch, state=RunState.FAILED, manifest=lambda: None, error=(error_code, error_detail))


# ---------------------------------------------------------------------------------------------------------------- inside


def _finish(
    database: Database,
    *,
    run_no: int,
    epoch: int,
    state: RunState | None,
    manifest: Callable[[], JsonObject | None],
    tables: tuple[Rows | None, Rows | None] = (None, None),
    key: "Future[None] | None" = None,
    error: tuple[str | None, str | None] = (None, None),
) -> RunState:
    """`state`: None derives SUCCEEDED or PARTIAL from the counts."""

    def finish() -> RunState:
        with database.transaction() as connection:
            # This lock admits one finisher at a time. Heartbeats and cancellations do not wait for it; only the end locks the run's row.
            connection.execute(sql.load("lock_finish"), {"run_no": run_no})
            run = connection.execute(sql.load("claimed_run"), {"run_no": run_no}).fetchone()
            if run is None:
                raise NotFound("run", str(run_no))
            if run["epoch"] != epoch:
                raise lease_lost(run_no, epoch)
            if (current := RunState(run["state"])).is_final:
                return current  # an earlier COMMIT whose acknowledgement was lost, or a second call
            stored = None
            if state is None:  # no shard is pending then, so that no other process writes
                stored = connection.execute(sql.load("stored_counts"), {"run_no": run_no, "storage_no": run["storage_no"]}).fetchone()
            _copy_rollups(connection, run_no, tables)
            while key is not None and wait([key], timeout=KEEP_ALIVE_S).not_done:  # if it fails, the key is built below
                connection.execute(sql.load("keep_alive"))
            if state is not RunState.FAILED:
                _build_key(connection, run["storage_no"])
            run = connection.execute(sql.load("lock_claimed_run"), {"run_no": run_no}).fetchone()
            if run is None or run["epoch"] != epoch or RunState(run["state"]).is_final:
                raise lease_lost(run_no, epoch)
            final = state
            if final is None:
                _check_conservation(stored, run)
                final = RunState.PARTIAL if run["failed_count"] else RunState.SUCCEEDED
            else:
                connection.execute(sql.load("cancel_pending_shards"), {"run_no": run_no})
            _write_end(connection, run_no, final, manifest(), error)
            return final

    return database.retrying(finish, deadline_s=COMMIT_DEADLINE_S)


def _write_end(
    connection: Connection, run_no: int, final: RunState, manifest: JsonObject | None, error: tuple[str | None, str | None]
) -> None:
    parameters = {"run_no": run_no, "state": final.value, "manifest": None if manifest is None else Jsonb(manifest)}
    parameters |= {"error_code": error[0], "error_detail": error[1]}
    data = {"state": final.value, **(connection.execute(sql.load("finish_run"), parameters).fetchone() or {})}
    add_event(connection, run_no=run_no, seq=data.pop("event_seq"), kind=EventKind.FINISHED, data=data)


def _check_conservation(stored: dict[str, Any] | None, run: dict[str, Any]) -> None:
    assert stored is not None  # a row of counts
    ok, failed = run["ok_count"], run["failed_count"]
    expected = {
        "pending_shards": 0, "ok_in_ledger": ok, "failed_in_ledger": failed, "results": ok, "failures": failed,
    }  # fmt: skip
    wrong = [f"{name} is {stored[name]}, not {value}" for name, value in expected.items() if stored[name] != value]
    if ok + failed != run["position_count"]:
        wrong.append(f"{ok} priced and {failed} failed positions are not {run['position_count']}")
    if wrong:
        raise StoreError(f"run {run['run_id']} cannot finish: {'; '.join(wrong)}")


def _build_key(connection: Connection, storage_no: int) -> None:
    if not storage_no:
        return  # the shared partition of small runs always has its key
    index = f"position_result_{storage_no}_key"
    found = connection.execute(sql.load("has_relation"), {"name": index}).fetchone()
    if found is not None and found["exists"]:
        return
    partition = partition_of(storage_no)
    connection.execute(SQL(sql.load("create_partition_key")).format(index=Identifier(index), partition=partition))
    connection.execute(sql.load("sample_little"))
    connection.execute(SQL(sql.load("analyze_partition")).format(partition=partition))


def _copy_rollups(connection: Connection, run_no: int, tables: tuple[Rows | None, Rows | None]) -> None:
    for name, table, schema in zip(("copy_rollups", "copy_sensitivities"), tables, (ROLLUP_SCHEMA, SENSITIVITY_SCHEMA), strict=True):
        if table is not None:
            arrow.copy_in(connection, name, table, schema=schema, keys={"run_no": run_no})
