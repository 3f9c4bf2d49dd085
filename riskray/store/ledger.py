"""The work ledger of a run: claim, lease, shards, commit. What a coordinator and its pricer actors write until the end (`run_end`).

Every claim has its own epoch, and every write here is conditional on it: a coordinator without the run gets LeaseLost and changes nothing.
Computing is at least once; the visible effect of a shard is exactly once, because its results, its mark in the ledger, the counts of
its run and its event are one transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias
from uuid import UUID

import pyarrow as pa
from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow
from psycopg.types.json import Jsonb
from psycopg.types.multirange import Multirange
from psycopg.types.range import Range

import sql
from riskray.engine.plan import PositionRange, ProductRange
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA
from riskray.errors import LeaseLost, NotFound, StoreError
from riskray.models.event import EventKind
from riskray.models.run import FailurePolicy, RunState, Vectors
from riskray.store import arrow
from riskray.store.database import Connection, Database
from riskray.store.errors import lost_connection
from riskray.store.runs import add_event, insert_shards
from riskray.store.vectors import GroupVectors, PositionVectors, write_group_vectors, write_position_vectors, write_scenario_failures

COMMIT_DEADLINE_S = 90.0
"""Longer than a server keeps the locks of a client that vanished, so that a COMMIT without a response can always be looked up."""

Rows: TypeAlias = pa.Table | pa.RecordBatch


@dataclass(frozen=True)
class ClaimedRun:
    """A run that this process holds, and what it needs to work on it.

    Pricers of another version may read it, so what it had it keeps: they find a market by `market_no`.
    """

    run_no: int
    run_id: str
    epoch: int
    storage_no: int
    market_no: int
    market_id: str
    portfolio_no: int
    portfolio_id: str
    as_of: date
    base_currency: str
    measures: tuple[str, ...]
    rows_per_shard: int
    position_count: int
    cancel_requested: bool
    created_at: datetime
    scenario_set_no: int | None = None
    scenario_set_id: str | None = None
    vectors: Vectors = "none"
    failure_policy: FailurePolicy = "drop_position"
    traceparent: str | None = None
    reused_from_run_no: int | None = None


@dataclass(frozen=True)
class Shard:
    """Work that is left."""

    shard_no: int
    product: str
    numbers: PositionRange
    attempts: int


@dataclass(frozen=True)
class EarlierRun:
    """Where the results of a finished run are, and the market that they were made under."""

    run_no: int
    storage_no: int
    market_id: str


@dataclass(frozen=True)
class DoneShard:
    """What a finished shard left for the rollups and the manifest."""

    shard_no: int
    row_count: int
    ok_count: int
    failed_count: int
    exact_sums: bytes
    seconds: dict[str, float]


def claim_run(
    database: Database, *, owner: UUID, lease_s: float, executor: str | None = "pool", run_id: str | None = None
) -> ClaimedRun | None:
    """Take the oldest run that is queued or whose lease is over; None where there is none.

    `owner`: fresh for every boot of a process. `executor`: which kind of run may be taken, None for any; one that is to be
    cancelled may be taken in any case. `run_id`: that run or none.
    """
    with database.transaction() as connection:
        parameters = {"owner": owner, "lease_s": lease_s, "executor": executor, "run_id": run_id}
        row = connection.execute(sql.load("claim_run"), parameters).fetchone()
        if row is None:
            return None
        seq = row.pop("event_seq")
        add_event(connection, run_no=row["run_no"], seq=seq, kind=EventKind.CLAIMED, data={"epoch": row["epoch"]})
        return ClaimedRun(**{**row, "measures": tuple(row["measures"])})


def renew_lease(database: Database, *, run_no: int, epoch: int, lease_s: float) -> bool:
    """Keep the run for `lease_s` more seconds; returns whether a client asked to cancel it. Raises LeaseLost."""
    parameters = {"run_no": run_no, "epoch": epoch, "lease_s": lease_s}
    row = database.retrying(lambda: database.fetch_one("renew_lease", parameters), deadline_s=lease_s / 4)
    if row is None:
        raise lease_lost(run_no, epoch)
    return bool(row["cancel_requested"])


def release_lease(database: Database, *, run_no: int, epoch: int) -> None:
    """Let another coordinator take the run at once. Nothing happens when the lease is lost already."""
    database.execute("release_lease", {"run_no": run_no, "epoch": epoch})


def pending_shards(database: Database, *, run_no: int) -> list[Shard]:
    """Work that is left, in order."""
    return [_shard(row) for row in database.fetch_all("pending_shards", {"run_no": run_no})]


def done_shards(database: Database, *, run_no: int) -> list[DoneShard]:
    """Finished work, in order."""
    return [DoneShard(**row) for row in database.fetch_all("done_shards", {"run_no": run_no})]


def done_ranges(database: Database, *, run_no: int) -> list[Shard]:
    """Which positions the finished shards hold, in order."""
    return [_shard(row) for row in database.fetch_all("done_ranges", {"run_no": run_no})]


def _shard(row: DictRow) -> Shard:
    return Shard(row["shard_no"], row["product"], PositionRange(row["first_position_no"], row["row_count"]), row["attempts"])


def earlier_run(database: Database, *, run_no: int) -> EarlierRun:
    """A run whose results are reused. Raises NotFound."""
    row = database.fetch_one("earlier_run", {"run_no": run_no})
    if row is None:
        raise NotFound("run number", str(run_no))
    return EarlierRun(**row)


def earlier_results(database: Database, run: EarlierRun, *, numbers: PositionRange) -> pa.Table:
    """A run's priced positions of a range, columns of RESULT_SCHEMA in order of position_no."""
    parameters = {"storage_no": run.storage_no, "run_no": run.run_no, **numbers.parameters}
    return arrow.read(database, "earlier_results", parameters, columns=RESULT_SCHEMA.names)


def failed_position_nos(database: Database, *, run_no: int, numbers: PositionRange) -> list[int]:
    """Numbers of the failed positions of a range."""
    parameters = {"run_no": run_no, **numbers.parameters}
    return [int(row["position_no"]) for row in database.fetch_all("failed_position_nos", parameters)]


def write_run_vectors(
    database: Database, *, run_no: int, epoch: int, vectors: GroupVectors, failures: tuple[pa.Table, pa.Table] | None = None
) -> None:
    """Write the vectors of groups, in place of any that an earlier attempt wrote. They are not visible before the run's end.

    `failures`: scenarios and positions without value, as `write_scenario_failures` takes them. Raises LeaseLost.
    """
    names = {cell.family: sorted({each.book or each.counterparty for each in vectors.cells}) for cell in vectors.cells}

    def write() -> None:
        with database.transaction() as connection:
            for family in names:
                connection.execute(sql.load("delete_group_vectors"), {"run_no": run_no, "family": family, "names": names[family]})
            write_group_vectors(connection, run_no=run_no, cells=vectors.cells, pv_base=vectors.pv_base, pnl=vectors.pnl)
            if failures is not None:
                connection.execute(sql.load("delete_scenario_failures"), {"run_no": run_no})
                write_scenario_failures(connection, run_no=run_no, scenarios=failures[0], positions=failures[1])
            # Last, because heartbeats wait for this lock; the next coordinator of the run finds all of this or nothing.
            if connection.execute(sql.load("hold_claim"), {"run_no": run_no, "epoch": epoch}).fetchone() is None:
                raise lease_lost(run_no, epoch)

    try:
        database.retrying(write, deadline_s=COMMIT_DEADLINE_S)
    except StoreError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        database.retrying(write, deadline_s=COMMIT_DEADLINE_S)  # an earlier attempt was still at it, and has ended now


def record_attempt(database: Database, *, run_no: int, epoch: int, shard_no: int, reason: str) -> int:
    """Count an attempt at a shard that ended without a result; returns how many there were. Raises LeaseLost."""
    with database.transaction() as connection:
        seq = _next_event(connection, run_no, epoch)
        row = connection.execute(sql.load("record_attempt"), {"run_no": run_no, "shard_no": shard_no}).fetchone()
        if row is None:
            raise StoreError(f"shard {shard_no} of run {run_no} is not pending, so no attempt at it can fail")
        data = {"shard_no": shard_no, "attempts": row["attempts"], "reason": reason}
        add_event(connection, run_no=run_no, seq=seq, kind=EventKind.SHARD_RETRIED, data=data)
        return int(row["attempts"])


def split_shard(database: Database, *, run_no: int, epoch: int, shard_no: int, row_counts: Sequence[int]) -> list[Shard]:
    """Replace a pending shard by consecutive parts of `row_counts` positions; returns the new shards. Raises LeaseLost.

    Raises ValueError when the parts do not add up to the shard.
    """
    with database.transaction() as connection:
        seq = _next_event(connection, run_no, epoch)
        row = connection.execute(sql.load("split_shard"), {"run_no": run_no, "shard_no": shard_no}).fetchone()
        if row is None:
            raise StoreError(f"shard {shard_no} of run {run_no} is not pending, so it cannot be split")
        if sum(row_counts) != row["row_count"]:
            raise ValueError(f"parts of {list(row_counts)} positions do not make up shard {shard_no} with {row['row_count']}")
        first, parts = row["first_position_no"], []
        for offset, row_count in enumerate(row_counts):
            parts.append(Shard(row["next_shard_no"] + offset, row["product"], PositionRange(first, row_count), attempts=0))
            first += row_count
        shards = [ProductRange(part.product, part.numbers) for part in parts]
        insert_shards(connection, run_no=run_no, first_shard_no=row["next_shard_no"], shards=shards)
        data = {"shard_no": shard_no, "parts": [part.shard_no for part in parts]}
        add_event(connection, run_no=run_no, seq=seq, kind=EventKind.SHARD_SPLIT, data=data)
        return parts


@dataclass(frozen=True)
class ShardContent:
    """The outcome of a shard.

    Attributes:
        results, failures: RESULT_SCHEMA and FAILURE_SCHEMA, together one row for each position of the shard.
        exact_sums: of the priced positions, as `ShardSums.to_bytes` makes them.
        seconds: by phase.
        vectors: P&L of every position, None where they are not wanted.
        reused: ranges [first, end) of positions whose rows come from the earlier run that this one reuses.
    """

    results: Rows
    failures: Rows
    exact_sums: bytes
    seconds: Mapping[str, float]
    vectors: PositionVectors | None = None
    reused: Sequence[tuple[int, int]] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Priced and failed positions."""
        return {"ok_count": self.results.num_rows, "failed_count": self.failures.num_rows}


class ShardCommit:
    """Writes one shard to the database: results, failures, ledger, counts and event in one transaction."""

    def __init__(self, database: Database, *, run_no: int, storage_no: int, epoch: int, shard_no: int, content: ShardContent) -> None:
        self._database, self._content = database, content
        self._run_no, self._storage_no, self._epoch, self._shard_no = run_no, storage_no, epoch, shard_no
        self._answer_lost = False
        """Whether the connection broke during a COMMIT, so that only the ledger shows whether the COMMIT took effect."""

    def commit(self) -> bool:
        """Write the shard. Returns whether this call wrote it; False means that it was done or split before, and nothing was written.

        Transient errors of the database are retried. Raises LeaseLost when the run belongs to another claim or has ended.
        """
        return self._database.retrying(self._attempt, deadline_s=COMMIT_DEADLINE_S)

    def _attempt(self) -> bool:
        if self._answer_lost:
            self._await_lost_transaction()
        state = self.look()
        if state != "PENDING":
            return self._answer_lost and state == "DONE"
        try:
            return self.write()
        except _DoneMeanwhile:
            return False
        except StoreError as error:
            if isinstance(error.__cause__, UniqueViolation) and self.look() != "PENDING":
                return False  # the shared partition has its key at all times, so the slower of two attempts stumbles over it
            self._answer_lost = self._answer_lost or lost_connection(error)
            raise

    def _await_lost_transaction(self) -> None:
        """Wait until the server has ended the transaction whose COMMIT got no response."""
        with self._database.transaction() as connection:
            connection.execute(sql.load("lock_shard"), {"run_no": self._run_no, "shard_no": self._shard_no})

    def look(self) -> str:
        """The shard's state, read before its rows travel to the server. Raises LeaseLost, and ValueError for a wrong number of rows."""
        shard_no, run_no = self._shard_no, self._run_no
        row = self._database.fetch_one("shard_and_claim", {"run_no": run_no, "shard_no": shard_no})
        if row is None:
            raise NotFound("shard", f"{shard_no} of run {run_no}")
        if row["state"] == "PENDING" and (row["epoch"] != self._epoch or row["run_state"] != RunState.RUNNING):
            raise lease_lost(run_no, self._epoch)
        if row["state"] == "CANCELLED":
            raise lease_lost(run_no, self._epoch)
        row_count = sum(self._content.counts.values())
        if row["row_count"] != row_count:
            raise ValueError(f"shard {shard_no} of run {run_no} has {row['row_count']} positions, got results and failures of {row_count}")
        return str(row["state"])

    def write(self) -> bool:
        """Write everything in one transaction; True. Raises LeaseLost, and StoreError as the database does."""
        content, run_no = self._content, self._run_no
        with self._database.transaction() as connection:
            given = _given(content.results)
            keys = {"storage_no": self._storage_no, "run_no": run_no}
            arrow.copy_in(connection, "copy_results", content.results.select(given.names), schema=given, keys=keys)
            if content.failures.num_rows:
                arrow.copy_in(connection, "copy_failures", content.failures, schema=FAILURE_SCHEMA, keys={"run_no": run_no})
            if content.vectors is not None:
                write_position_vectors(
                    connection, run_no=run_no, first_position_no=content.vectors.first_position_no, pnl=content.vectors.pnl
                )
            self._mark_done(connection)
            return True

    def _mark_done(self, connection: Connection) -> None:
        """Ledger, counts and event; fenced by the epoch and unique by the ledger."""
        content, counts = self._content, self._content.counts
        keys = {"run_no": self._run_no, "epoch": self._epoch, "shard_no": self._shard_no}
        run = connection.execute(sql.load("count_shard"), {**keys, **counts}).fetchone()
        if run is None:
            raise lease_lost(self._run_no, self._epoch)
        entry = {
            "exact_sums": content.exact_sums,
            "seconds": Jsonb(dict(content.seconds)),
            "reused": Multirange([Range(first, end) for first, end in content.reused]),
            "reused_count": sum(end - first for first, end in content.reused),
        }
        if connection.execute(sql.load("finish_shard"), {**keys, **counts, **entry}).rowcount == 0:
            raise _DoneMeanwhile
        data = {"shard_no": self._shard_no, **counts}
        seq = run.pop("event_seq")
        add_event(connection, run_no=self._run_no, seq=seq, kind=EventKind.SHARD_DONE, data={**data, **run})


def lease_lost(run_no: int, epoch: int) -> LeaseLost:
    """What a claim gets that does not stand any more."""
    return LeaseLost(f"run {run_no} is not held under epoch {epoch} any more: another coordinator took it, or it has ended")


# ---------------------------------------------------------------------------------------------------------------- inside


class _DoneMeanwhile(Exception):
    """Another attempt at the shard was faster; rolls the transaction back."""


def _given(results: Rows) -> pa.Schema:
    """The columns with a value in any row: the others, such as measures that the run did not request, are null without being written."""
    if results.schema.names != RESULT_SCHEMA.names:
        raise ValueError(f"results must have the columns {RESULT_SCHEMA.names}, have {results.schema.names}")
    rows = results.num_rows
    return pa.schema([field for field in RESULT_SCHEMA if rows == 0 or results.column(field.name).null_count < rows])


def _next_event(connection: Connection, run_no: int, epoch: int) -> int:
    row = connection.execute(sql.load("number_event"), {"run_no": run_no, "epoch": epoch}).fetchone()
    if row is None:
        raise lease_lost(run_no, epoch)
    return int(row["event_seq"])
