"""Runs as services see them: submitted once, listed, cancelled, deleted, followed."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from riskray.errors import Conflict, InvalidRequest, NotFound
from riskray.models.run import RunState
from riskray.snapshots.kinds import PORTFOLIOS
from riskray.store import ledger, results, run_end, runs, snapshots
from riskray.store.database import Database
from tests.integration.store.examples import claim, commit, new_run, rollup_tables, shards_of, store_portfolio, store_run

pytestmark = pytest.mark.postgres


def finished_run(database: Database, *, count: int = 10) -> str:
    run_id = store_run(database, count=count).run_id
    claimed = claim(database)
    for shard in ledger.pending_shards(database, run_no=claimed.run_no):
        commit(database, claimed, shard)
    run_end.finalise_run(database, run_no=claimed.run_no, epoch=claimed.epoch, manifest=dict, **rollup_tables())
    return run_id


def test_new_run_is_queued_with_its_shards_and_first_event(database: Database) -> None:
    run, created = runs.insert_run(database, new_run(database, count=12), shards=shards_of(12))
    assert created
    assert runs.get_run(database, run_id=run.run_id) == run
    assert (run.state, run.progress.position_count, run.progress.shard_count, run.progress.shards_done) == (RunState.QUEUED, 12, 3, 0)
    (event,) = runs.events_after(database, run_id=run.run_id)
    assert (event.seq, event.kind, event.data) == (1, "submitted", {"position_count": 12, "shard_count": 3, "executor": "pool"})


def test_run_ids_sort_by_time() -> None:
    made = [runs.new_run_id()]
    while made[-1][:16] == made[0][:16]:  # the first 12 digits are milliseconds
        made.append(runs.new_run_id())
    assert made[-1] > made[0]
    assert len(set(made)) == len(made)


def test_shards_that_leave_positions_out_are_refused(database: Database) -> None:
    with pytest.raises(ValueError, match="hold 9 of 10 positions"):
        runs.insert_run(database, new_run(database, count=10), shards=shards_of(9))


def test_same_key_and_request_make_one_run_however_often_sent(database: Database) -> None:
    request = new_run(database)
    start = threading.Barrier(8)

    def submit(_: int) -> tuple[str, bool]:
        start.wait()
        run, created = runs.insert_run(database, request, shards=shards_of(10), idempotency_key="k", request_fingerprint=b"a")
        return run.run_id, created

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(submit, range(8)))
    assert len({run_id for run_id, _ in answers}) == 1
    assert sorted(created for _, created in answers) == [False] * 7 + [True]
    assert runs.list_runs(database, offset=0, limit=10)[1] == 1


def test_key_of_another_request_is_refused_and_nothing_is_stored(database: Database) -> None:
    request = new_run(database)
    run, _ = runs.insert_run(database, request, shards=shards_of(10), idempotency_key="k", request_fingerprint=b"a")
    with pytest.raises(InvalidRequest, match=f"'k' was used for another request, which made run {run.run_id}"):
        runs.insert_run(database, request, shards=shards_of(10), idempotency_key="k", request_fingerprint=b"b")
    assert runs.list_runs(database, offset=0, limit=10)[1] == 1


def test_run_on_a_deleted_portfolio_is_refused(database: Database) -> None:
    request = new_run(database)
    snapshots.delete(database, PORTFOLIOS, "desk")
    with pytest.raises(Conflict, match="was deleted meanwhile"):
        runs.insert_run(database, request, shards=shards_of(10))


def test_runs_are_listed_newest_first_and_filtered(database: Database) -> None:
    stored = [store_run(database, count=count).run_id for count in (10, 10, 12)]
    runs.request_cancel(database, run_id=stored[0])

    def listed(**filters: object) -> tuple[list[str], int]:
        found, total = runs.list_runs(database, **{"offset": 0, "limit": 10, **filters})  # type: ignore[arg-type]
        return [run.run_id for run in found], total

    assert listed() == (stored[::-1], 3)
    assert listed(offset=1, limit=1) == ([stored[1]], 3)
    assert listed(offset=9) == ([], 3)
    assert listed(state=RunState.CANCELLED) == ([stored[0]], 1)
    assert listed(portfolio="desk")[1] == 3
    assert listed(portfolio=snapshots.get(database, PORTFOLIOS, "desk").portfolio_id) == ([stored[2]], 1)
    assert listed(market="close")[1] == 3
    assert listed(name="nobody") == ([], 0)


def test_queued_run_is_cancelled_at_once_and_a_second_time_is_the_same(database: Database) -> None:
    run = store_run(database)
    first = runs.request_cancel(database, run_id=run.run_id)
    assert (first.state, first.progress.cancelled_count) == (RunState.CANCELLED, 10)
    assert runs.request_cancel(database, run_id=run.run_id) == first
    assert [event.kind for event in runs.events_after(database, run_id=run.run_id)] == ["submitted", "cancel_requested", "finished"]


def test_running_run_is_only_asked_to_end(database: Database) -> None:
    run = store_run(database)
    claim(database)
    asked = runs.request_cancel(database, run_id=run.run_id)
    assert asked.state is RunState.RUNNING
    assert asked.cancel_requested_at is not None
    assert runs.request_cancel(database, run_id=run.run_id) == asked


@pytest.mark.parametrize("call", [runs.get_run, runs.request_cancel, runs.delete_run, runs.events_after])
def test_unknown_run_is_named(database: Database, call: object) -> None:
    with pytest.raises(NotFound, match="no run 'run-x'"):
        call(database, run_id="run-x")  # type: ignore[operator]


def partitions(database: Database) -> list[str]:
    with database.connection() as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relname ~ '^position_result_[0-9]+$' ORDER BY 1").fetchall()
    return [row["relname"] for row in rows]


@pytest.mark.parametrize("own_storage", [True, False])
def test_deleted_run_leaves_nothing(database: Database, monkeypatch: pytest.MonkeyPatch, own_storage: bool) -> None:
    monkeypatch.setattr(runs, "OWN_STORAGE_POSITIONS_MIN", 10 if own_storage else 11)
    kept, deleted = finished_run(database), finished_run(database)
    assert len(partitions(database)) == (3 if own_storage else 1)
    runs.delete_run(database, run_id=deleted)
    assert len(partitions(database)) == (2 if own_storage else 1)
    with database.connection() as connection:
        for table in ("run", "run_shard", "run_event", "position_result", "result_rollup"):
            (row,) = connection.execute(f"SELECT count(DISTINCT run_no) AS n FROM {table}").fetchall()
            assert row["n"] == 1, table
    assert results.read_results(database, run_id=kept, limit=100).num_rows == 10


def test_run_at_work_cannot_be_deleted(database: Database) -> None:
    run = store_run(database)
    with pytest.raises(Conflict, match="is QUEUED; cancel it first"):
        runs.delete_run(database, run_id=run.run_id)


def test_storage_of_a_half_deleted_run_is_freed_by_the_next_sweep(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "OWN_STORAGE_POSITIONS_MIN", 10)
    run_id = finished_run(database)
    with monkeypatch.context() as crash:
        crash.setattr(runs, "drop_orphan_partitions", lambda _: [])
        runs.delete_run(database, run_id=run_id)
    assert len(partitions(database)) == 2
    assert len(runs.drop_orphan_partitions(database)) == 1
    assert runs.drop_orphan_partitions(database) == []
    assert partitions(database) == ["position_result_0"]


def test_run_that_is_being_read_is_deleted_and_its_storage_freed_later(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "OWN_STORAGE_POSITIONS_MIN", 10)
    monkeypatch.setattr(runs, "SWEEP_TIMEOUT_S", 0.2)
    run_id = finished_run(database)
    with database.transaction() as reader:
        assert reader.execute("SELECT count(*) AS n FROM position_result").fetchone() == {"n": 10}
        runs.delete_run(database, run_id=run_id)
        kept = finished_run(database)
        with pytest.raises(NotFound):
            runs.get_run(database, run_id=run_id)
    assert len(partitions(database)) == 3
    assert len(runs.drop_orphan_partitions(database)) == 1
    assert results.read_results(database, run_id=kept, limit=100).num_rows == 10


def test_large_run_is_submitted_while_another_one_is_read_and_written(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Making a partition must not wait for transactions on the results, nor hold them up."""
    finished = finished_run(database)
    store_portfolio(database)
    request = new_run(database)
    monkeypatch.setattr(runs, "OWN_STORAGE_POSITIONS_MIN", 10)
    with database.transaction() as connection:
        connection.execute("SELECT count(*) FROM position_result")
        connection.execute("INSERT INTO position_result (storage_no, run_no, position_no, pv, pv_base) VALUES (0, 999, 0, 1, 1)")
        runs.insert_run(database, request, shards=shards_of(10))
        assert results.read_results(database, run_id=finished, limit=100).num_rows == 10


@pytest.fixture
def heard(database: Database) -> Iterator[list[int | None]]:
    """What a listener hears from the moment the test begins; the first None says that it listens."""
    stop, answers, ready = threading.Event(), [], threading.Event()

    def follow() -> None:
        for run_no in runs.listen(database, stop=stop):
            answers.append(run_no)
            ready.set()

    thread = threading.Thread(target=follow)
    thread.start()
    assert ready.wait(10)
    yield answers
    stop.set()
    thread.join(10)


def wait_until(condition: object, deadline_s: float = 15.0) -> None:
    tick = threading.Event()
    for _ in range(int(deadline_s / 0.05)):
        if condition():  # type: ignore[operator]
            return
        tick.wait(0.05)
    raise AssertionError("the condition did not come true in time")


def test_listener_hears_of_new_events_also_after_its_connection_was_cut(database: Database, heard: list[int | None]) -> None:
    first = runs.run_no_of(database, run_id=store_run(database).run_id)
    wait_until(lambda: first in heard)
    with database.connection() as connection:
        ended = connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'").fetchall()
    assert len(ended) == 1
    wait_until(lambda: heard[-1] is None and heard.count(None) > 2)
    second = runs.run_no_of(database, run_id=store_run(database).run_id)
    wait_until(lambda: second in heard or None in heard[-2:])
