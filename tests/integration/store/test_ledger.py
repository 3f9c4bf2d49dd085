"""Claims, leases, epochs and shards: nothing lost, nothing doubled."""

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from psycopg.conninfo import make_conninfo

from riskray.engine.plan import PositionRange
from riskray.errors import LeaseLost, StoreError
from riskray.models.event import EventKind
from riskray.models.run import Run, RunState
from riskray.store import ledger, results, run_end, runs
from riskray.store.database import Database
from tests.fixtures.postgres import settings_for
from tests.fixtures.waiting import wait_until
from tests.integration.store.examples import claim, commit, rollup_tables, store_run

pytestmark = pytest.mark.postgres


def finish(database: Database, run: ledger.ClaimedRun, *, epoch: int | None = None) -> RunState:
    return run_end.finalise_run(
        database, run_no=run.run_no, epoch=run.epoch if epoch is None else epoch, manifest=lambda: {"code": "1"}, **rollup_tables()
    )  # fmt: skip


def stored_positions(database: Database, run_id: str) -> list[int]:
    return results.read_results(database, run_id=run_id, limit=10_000)["position_no"].to_pylist()


def expire_lease(database: Database, run: ledger.ClaimedRun) -> None:
    ledger.release_lease(database, run_no=run.run_no, epoch=run.epoch)


# ------------------------------------------------------------------------------------------------------ claim and lease


def test_threads_claiming_at_once_get_different_runs(database: Database) -> None:
    stored = {store_run(database).run_id for _ in range(6)}
    start = threading.Barrier(8)

    def claim_after_start(_: int) -> ledger.ClaimedRun | None:
        start.wait()
        return ledger.claim_run(database, owner=uuid4(), lease_s=30)

    with ThreadPoolExecutor(8) as pool:
        claimed = [run for run in pool.map(claim_after_start, range(8)) if run is not None]
    # SKIP LOCKED may pass over a run that another thread is about to take, never hand one out twice.
    assert len({run.run_id for run in claimed}) == len(claimed)
    while (more := ledger.claim_run(database, owner=uuid4(), lease_s=30)) is not None:
        claimed.append(more)
    assert sorted(run.run_id for run in claimed) == sorted(stored)


def test_held_run_is_not_claimed_until_its_lease_is_over(database: Database) -> None:
    store_run(database)
    first = claim(database)
    assert ledger.claim_run(database, owner=uuid4(), lease_s=30) is None
    expire_lease(database, first)
    second = claim(database)
    assert (second.run_id, second.epoch) == (first.run_id, first.epoch + 1)


def test_run_for_a_job_is_claimed_by_name_or_by_its_kind_only(database: Database) -> None:
    run = store_run(database, executor="job")
    assert ledger.claim_run(database, owner=uuid4(), lease_s=30) is None
    assert ledger.claim_run(database, owner=uuid4(), lease_s=30, executor=None, run_id="run-other") is None
    claimed = ledger.claim_run(database, owner=uuid4(), lease_s=30, executor="job", run_id=run.run_id)
    assert claimed is not None
    assert claimed.run_id == run.run_id


def test_run_whose_job_is_gone_is_claimed_by_anybody_once_it_is_to_be_cancelled(database: Database) -> None:
    run = store_run(database, executor="job")
    job = ledger.claim_run(database, owner=uuid4(), lease_s=30, executor=None, run_id=run.run_id)
    assert job is not None
    expire_lease(database, job)
    assert ledger.claim_run(database, owner=uuid4(), lease_s=30) is None
    runs.request_cancel(database, run_id=run.run_id)
    claimed = claim(database)
    assert (claimed.run_id, claimed.cancel_requested) == (run.run_id, True)


def test_renewal_keeps_the_lease_and_tells_of_a_wanted_cancel(database: Database) -> None:
    run = store_run(database)
    claimed = claim(database, lease_s=0.0)
    assert ledger.renew_lease(database, run_no=claimed.run_no, epoch=claimed.epoch, lease_s=30) is False
    assert ledger.claim_run(database, owner=uuid4(), lease_s=30) is None
    runs.request_cancel(database, run_id=run.run_id)
    assert ledger.renew_lease(database, run_no=claimed.run_no, epoch=claimed.epoch, lease_s=30) is True


def test_coordinator_that_lost_its_run_can_change_nothing(database: Database) -> None:
    run = store_run(database)
    zombie = claim(database)
    expire_lease(database, zombie)
    owner = claim(database)
    shard = ledger.pending_shards(database, run_no=owner.run_no)[0]
    keys = {"run_no": zombie.run_no, "epoch": zombie.epoch}

    with pytest.raises(LeaseLost):
        ledger.renew_lease(database, **keys, lease_s=30)
    with pytest.raises(LeaseLost):
        commit(database, zombie, shard)
    with pytest.raises(LeaseLost):
        ledger.record_attempt(database, **keys, shard_no=0, reason="worker died")
    with pytest.raises(LeaseLost):
        ledger.split_shard(database, **keys, shard_no=0, row_counts=[2, 3])
    with pytest.raises(LeaseLost):
        finish(database, zombie)
    with pytest.raises(LeaseLost):
        run_end.cancel_run(database, **keys, manifest={})
    with pytest.raises(LeaseLost):
        run_end.fail_run(database, run_no=keys["run_no"], epoch=keys["epoch"], error_code="x", error_detail="y")

    after = runs.get_run(database, run_id=run.run_id)
    assert (after.state, after.progress.ok_count) == (RunState.RUNNING, 0)
    assert stored_positions(database, run.run_id) == []
    assert [event.kind for event in runs.events_after(database, run_id=run.run_id)] == ["submitted", "claimed", "claimed"]
    assert ledger.renew_lease(database, run_no=owner.run_no, epoch=owner.epoch, lease_s=30) is False


def test_zombie_overtaken_between_look_and_write_is_stopped_inside_the_transaction(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store_run(database)
    zombie = claim(database)
    shard = ledger.pending_shards(database, run_no=zombie.run_no)[0]
    looked = ledger.ShardCommit.look

    def look_then_lose_the_run(attempt: ledger.ShardCommit) -> str:
        state = looked(attempt)
        expire_lease(database, zombie)
        claim(database)
        return state

    monkeypatch.setattr(ledger.ShardCommit, "look", look_then_lose_the_run)
    with pytest.raises(LeaseLost):
        commit(database, zombie, shard)
    assert stored_positions(database, run.run_id) == []


# --------------------------------------------------------------------------------------------------------------- shards


def test_shard_written_twice_counts_once(database: Database) -> None:
    run = store_run(database)
    claimed = claim(database)
    shard = ledger.pending_shards(database, run_no=claimed.run_no)[0]
    assert commit(database, claimed, shard, failed=frozenset({3})) is True
    assert commit(database, claimed, shard, failed=frozenset({3})) is False
    after = runs.get_run(database, run_id=run.run_id).progress
    assert (after.ok_count, after.failed_count, after.shards_done, after.shard_count) == (4, 1, 1, 2)
    assert stored_positions(database, run.run_id) == [0, 1, 2, 4]
    assert [event.kind for event in runs.events_after(database, run_id=run.run_id, after_seq=2)] == ["shard_done"]


@pytest.mark.parametrize("own_storage", [False, True])  # a large run has no key before its end that would refuse a second copy
def test_same_shard_from_many_threads_is_written_once(database: Database, monkeypatch: pytest.MonkeyPatch, own_storage: bool) -> None:
    monkeypatch.setattr(runs, "OWN_STORAGE_POSITIONS_MIN", 1 if own_storage else 100)
    run = store_run(database, count=40, rows_per_shard=20)
    claimed = claim(database)
    shard = ledger.pending_shards(database, run_no=claimed.run_no)[0]
    all_have_looked = threading.Barrier(6)
    look = ledger.ShardCommit.look
    lookers: set[int] = set()

    def look_together(attempt: ledger.ShardCommit) -> str:
        state = look(attempt)
        if threading.get_ident() not in lookers:
            lookers.add(threading.get_ident())
            all_have_looked.wait(30)
        return state

    monkeypatch.setattr(ledger.ShardCommit, "look", look_together)
    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(lambda _: commit(database, claimed, shard), range(6))) == [False] * 5 + [True]
    assert stored_positions(database, run.run_id) == list(range(20))
    assert runs.get_run(database, run_id=run.run_id).progress.ok_count == 20


def test_shard_with_rows_missing_is_refused(database: Database) -> None:
    run = store_run(database)
    claimed = claim(database)
    shard = ledger.pending_shards(database, run_no=claimed.run_no)[0]
    short = replace(shard, numbers=PositionRange(shard.numbers.first, shard.numbers.count - 1))
    with pytest.raises(ValueError, match="has 5 positions, got results and failures of 4"):
        commit(database, claimed, short)
    assert stored_positions(database, run.run_id) == []


def test_split_shard_is_replaced_by_its_parts(database: Database) -> None:
    run = store_run(database)
    claimed = claim(database)
    keys = {"run_no": claimed.run_no, "epoch": claimed.epoch}
    assert ledger.record_attempt(database, **keys, shard_no=1, reason="worker died") == 1
    assert ledger.record_attempt(database, **keys, shard_no=1, reason="worker died") == 2
    whole = ledger.pending_shards(database, run_no=claimed.run_no)[1]
    parts = ledger.split_shard(database, **keys, shard_no=1, row_counts=[2, 3])
    assert [(part.shard_no, part.numbers) for part in parts] == [(2, PositionRange(5, 2)), (3, PositionRange(7, 3))]
    assert [shard.shard_no for shard in ledger.pending_shards(database, run_no=claimed.run_no)] == [0, 2, 3]
    assert commit(database, claimed, whole) is False  # the abandoned worker commits late
    for shard in ledger.pending_shards(database, run_no=claimed.run_no):
        commit(database, claimed, shard)
    assert finish(database, claimed) is RunState.SUCCEEDED
    assert stored_positions(database, run.run_id) == list(range(10))
    events = runs.events_after(database, run_id=run.run_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.kind for event in events][2:5] == ["shard_retried", "shard_retried", "shard_split"]


def test_parts_that_do_not_add_up_are_refused(database: Database) -> None:
    store_run(database)
    claimed = claim(database)
    with pytest.raises(ValueError, match="do not make up shard 0 with 5"):
        ledger.split_shard(database, run_no=claimed.run_no, epoch=claimed.epoch, shard_no=0, row_counts=[2, 2])
    assert len(ledger.pending_shards(database, run_no=claimed.run_no)) == 2


# --------------------------------------------------------------------------------------------------------------- finish


def test_run_with_failed_positions_ends_partial_and_stays_so(database: Database) -> None:
    run = store_run(database)
    claimed = claim(database)
    for shard in ledger.pending_shards(database, run_no=claimed.run_no):
        commit(database, claimed, shard, failed=frozenset({3}))
    assert [(done.exact_sums, done.seconds) for done in ledger.done_shards(database, run_no=claimed.run_no)] == [
        (b"sums 0", {"value": 0.5}), (b"sums 1", {"value": 0.5}),
    ]  # fmt: skip
    assert finish(database, claimed) is RunState.PARTIAL
    assert finish(database, claimed) is RunState.PARTIAL
    keys = {"run_no": claimed.run_no, "epoch": claimed.epoch}
    run_end.fail_run(database, run_no=keys["run_no"], epoch=keys["epoch"], error_code="late", error_detail="too late")
    run_end.cancel_run(database, **keys, manifest={})
    after = runs.get_run(database, run_id=run.run_id)
    assert (after.state, after.manifest, after.error_code) == (RunState.PARTIAL, {"code": "1"}, None)
    assert ledger.claim_run(database, owner=uuid4(), lease_s=30) is None
    assert [event.kind for event in runs.events_after(database, run_id=run.run_id)].count(EventKind.FINISHED) == 1


def test_finishers_at_the_same_time_end_a_run_once(database: Database) -> None:
    run = store_run(database)
    claimed = claim(database)
    for shard in ledger.pending_shards(database, run_no=claimed.run_no):
        commit(database, claimed, shard)
    start = threading.Barrier(4)

    def finish_after_start(_: int) -> RunState:
        start.wait()
        return finish(database, claimed)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(finish_after_start, range(4))) == 4 * [RunState.SUCCEEDED]
    assert [event.kind for event in runs.events_after(database, run_id=run.run_id)].count(EventKind.FINISHED) == 1
    assert results.totals(database, run_id=run.run_id).pv_base == 111.0


def test_finish_that_waits_for_the_key_is_not_idle_holds_up_no_heartbeat_and_nobody_takes_its_run(
    database_url: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store_run(database)
    claimed = claim(database)
    for shard in ledger.pending_shards(database, run_no=claimed.run_no):
        commit(database, claimed, shard)
    monkeypatch.setattr(run_end, "KEEP_ALIVE_S", 0.05)
    key: Future[None] = Future()
    impatient = make_conninfo(database_url, options="-c idle_in_transaction_session_timeout=300", application_name="finisher")

    def has_waited_for_long() -> bool:
        with database.connection() as connection:
            return bool(
                connection.execute(
                    "SELECT FROM pg_stat_activity JOIN pg_locks USING (pid) WHERE locktype = 'advisory' AND objid = %s"
                    " AND clock_timestamp() - xact_start > interval '900 ms'",
                    [claimed.run_no],
                ).fetchall()
            )

    with Database(settings_for(impatient)) as finisher, ThreadPoolExecutor(1) as pool:
        ending = pool.submit(
            run_end.finalise_run, finisher, run_no=claimed.run_no, epoch=claimed.epoch, manifest=dict, key=key, **rollup_tables()
        )
        try:
            wait_until(has_waited_for_long, what="the finish to wait for the key for longer than it may be idle")
            assert ledger.renew_lease(database, run_no=claimed.run_no, epoch=claimed.epoch, lease_s=30) is False
            expire_lease(database, claimed)
            assert ledger.claim_run(database, owner=uuid4(), lease_s=30) is None
            assert runs.get_run(database, run_id=run.run_id).state is RunState.RUNNING
        finally:
            key.set_result(None)
        assert ending.result(30.0) is RunState.SUCCEEDED
    assert results.totals(database, run_id=run.run_id).pv_base == 111.0


def test_final_state_cannot_be_changed_even_by_hand(database: Database) -> None:
    run = store_run(database)
    runs.request_cancel(database, run_id=run.run_id)
    with pytest.raises(StoreError, match="is CANCELLED and cannot change"), database.connection() as connection:
        connection.execute("UPDATE run SET state = 'RUNNING', finished_at = NULL WHERE run_id = %s", [run.run_id])


def test_run_with_work_left_cannot_finish(database: Database) -> None:
    run = store_run(database)
    claimed = claim(database)
    commit(database, claimed, ledger.pending_shards(database, run_no=claimed.run_no)[0])
    with pytest.raises(StoreError, match="cannot finish: pending_shards is 1, not 0; 5 priced and 0 failed positions are not 10"):
        finish(database, claimed)
    assert runs.get_run(database, run_id=run.run_id).state is RunState.RUNNING
    with database.connection() as connection:
        assert connection.execute("SELECT FROM result_rollup WHERE run_no = %s", [claimed.run_no]).fetchall() == []


def test_run_that_lost_a_result_cannot_finish(database: Database) -> None:
    store_run(database)
    claimed = claim(database)
    for shard in ledger.pending_shards(database, run_no=claimed.run_no):
        commit(database, claimed, shard)
    with database.connection() as connection:
        connection.execute("DELETE FROM position_result WHERE position_no = 4")
    with pytest.raises(StoreError, match="results is 9, not 10"):
        finish(database, claimed)


def test_large_run_with_a_doubled_result_cannot_finish(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "OWN_STORAGE_POSITIONS_MIN", 10)
    store_run(database)
    claimed = claim(database)
    for shard in ledger.pending_shards(database, run_no=claimed.run_no):
        commit(database, claimed, shard)
    with database.connection() as connection:
        connection.execute("UPDATE position_result SET position_no = 3 WHERE position_no = 4")
    with pytest.raises(StoreError, match="could not create unique index"):
        finish(database, claimed)


def test_cancelled_run_keeps_what_was_done_and_counts_the_rest(database: Database) -> None:
    run = store_run(database)
    claimed = claim(database)
    first, second = ledger.pending_shards(database, run_no=claimed.run_no)
    commit(database, claimed, first)
    runs.request_cancel(database, run_id=run.run_id)
    run_end.cancel_run(database, run_no=claimed.run_no, epoch=claimed.epoch, manifest={"code": "1"}, **rollup_tables())
    after = runs.get_run(database, run_id=run.run_id)
    assert (after.state, after.progress.ok_count, after.progress.cancelled_count) == (RunState.CANCELLED, 5, 5)
    with pytest.raises(LeaseLost):
        commit(database, claimed, second)
    assert stored_positions(database, run.run_id) == [0, 1, 2, 3, 4]
    assert len(results.rollups(database, run_id=run.run_id, group_by=["book"])) == 2


def test_shard_that_comes_after_the_close_of_a_cancelled_run_has_no_effect(database: Database) -> None:
    run = store_run(database)
    claimed = claim(database)
    first, second = ledger.pending_shards(database, run_no=claimed.run_no)
    commit(database, claimed, first)
    runs.request_cancel(database, run_id=run.run_id)
    run_end.cancel_pending_shards(database, run_no=claimed.run_no, epoch=claimed.epoch)
    with pytest.raises(LeaseLost):
        commit(database, claimed, second)
    assert [shard.shard_no for shard in ledger.done_shards(database, run_no=claimed.run_no)] == [first.shard_no]
    assert runs.get_run(database, run_id=run.run_id).progress.ok_count == 5
    with pytest.raises(LeaseLost):
        run_end.cancel_pending_shards(database, run_no=claimed.run_no, epoch=claimed.epoch + 1)


def test_failed_run_says_why(database: Database) -> None:
    run = store_run(database)
    claimed = claim(database)
    run_end.fail_run(database, run_no=claimed.run_no, epoch=claimed.epoch, error_code="shard_failed", error_detail="no worker comes up")
    after = runs.get_run(database, run_id=run.run_id)
    assert (after.state, after.error_code, after.error_detail) == (RunState.FAILED, "shard_failed", "no worker comes up")
    assert after.progress.cancelled_count == 10


def test_run_says_since_when_the_claim_that_holds_now_drives_it(database: Database) -> None:
    run_id = store_run(database).run_id

    def seen() -> Run:
        run = runs.get_run(database, run_id=run_id)
        assert runs.list_runs(database, offset=0, limit=1)[0] == [run]
        return run

    assert (seen().lease_until, seen().driven_since, seen().lacks_driver) == (None, None, False)
    first = claim(database)
    driven = seen()
    assert driven.driven_since is not None
    assert driven.lease_until is not None
    assert driven.created_at <= driven.driven_since < driven.lease_until
    assert not driven.lacks_driver
    ledger.renew_lease(database, run_no=first.run_no, epoch=first.epoch, lease_s=999.0)
    assert seen().driven_since == driven.driven_since
    ledger.release_lease(database, run_no=first.run_no, epoch=first.epoch)
    left = seen()
    assert (left.driven_since, left.lease_until is not None, left.lacks_driver) == (None, True, True)
    second = claim(database)
    taken_over = seen().driven_since
    assert taken_over is not None
    assert taken_over > driven.driven_since
    for shard in ledger.pending_shards(database, run_no=second.run_no):
        commit(database, second, shard)
    run_end.finalise_run(database, run_no=second.run_no, epoch=second.epoch, manifest=dict, **rollup_tables())
    assert (seen().state, seen().lease_until, seen().driven_since, seen().lacks_driver) == (RunState.SUCCEEDED, None, None, False)
