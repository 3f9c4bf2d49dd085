"""Connections: limits, clear errors, retries, and COMMITs whose acknowledgement is lost."""

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from riskray.config import Settings
from riskray.errors import InvalidRequest, StoreError, StoreNotMigrated, StoreUnavailable
from riskray.models.run import RunState
from riskray.store import ledger, results, run_end, runs
from riskray.store.database import Database
from riskray.store.health import database_health
from tests.fixtures.fault_proxy import Cut, fault_proxy
from tests.fixtures.postgres import settings_for
from tests.integration.store.examples import claim, commit, new_run, rollup_tables, shards_of, store_run

pytestmark = pytest.mark.postgres


def test_unreachable_server_is_named_without_password_and_with_the_remedy() -> None:
    url = "postgresql://trader:s3cret@127.0.0.1:1/risk"
    with Database(settings_for(url)) as database, pytest.raises(StoreUnavailable) as caught:
        database.fetch_all("list_runs", {})
    assert "127.0.0.1:1/risk" in str(caught.value)
    assert "RISKRAY_DATABASE_URL" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_embedded_server_that_does_not_run_is_to_be_started(tmp_path: object) -> None:
    with Database(Settings(data_directory=tmp_path, database_url=None)) as database, pytest.raises(StoreUnavailable, match="riskray up"):
        database_health(database)


def test_unknown_database_is_to_be_created(postgres_url: str) -> None:
    message = r'database "nowhere" does not exist.*createdb'
    url = make_conninfo(postgres_url, dbname="nowhere")
    with Database(settings_for(url)) as database, pytest.raises(StoreUnavailable, match=message):
        database.fetch_all("list_runs", {})


def test_connection_string_that_cannot_be_read_is_refused_at_once() -> None:
    with pytest.raises(StoreError, match="RISKRAY_DATABASE_URL is not a PostgreSQL connection string") as caught:
        Database(settings_for("postgres//trader:s3cret@host/risk"))
    assert "s3cret" not in str(caught.value)


def test_server_that_comes_back_after_long_is_used_at_once(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riskray.store.database.RECONNECT_S", 1.0)
    with fault_proxy(database_url) as proxy, Database(settings_for(proxy.url)) as database:
        database_health(database)
        proxy.go_down()
        with pytest.raises(StoreUnavailable):
            database_health(database)
        time.sleep(6.0)  # the pool's own attempts are 1, 2, 4, 8, ... seconds apart, so that the next would be in seven seconds
        proxy.is_down = False
        database_health(database)  # which waits for two seconds at most


def _impatient(url: str) -> Settings:
    return settings_for(url).model_copy(update={"database_timeout_s": 3.0})


def test_server_that_says_nothing_any_more_is_unavailable_not_waited_for(database_url: str) -> None:
    with fault_proxy(database_url) as proxy, ThreadPoolExecutor(2) as threads, Database(_impatient(proxy.url)) as database:
        database_health(database)
        proxy.freeze()
        asked: list[Future[object]] = [
            threads.submit(database_health, database),
            threads.submit(runs.list_runs, database, offset=0, limit=1),
        ]
        try:
            errors = [each.exception(timeout=30.0) for each in asked]
        finally:
            proxy.thaw()
        assert [type(error) for error in errors] == [StoreUnavailable, StoreUnavailable]
        assert database.retrying(lambda: runs.list_runs(database, offset=0, limit=1)) == ([], 0)


def test_database_without_schema_asks_for_migration(empty_database_url: str) -> None:
    with Database(settings_for(empty_database_url)) as database:
        with pytest.raises(StoreNotMigrated, match=r"riskray db migrate"):
            runs.list_runs(database, offset=0, limit=1)
        health = database_health(database)
        assert (health["migrated"], health["missing_migrations"][0]) == (False, "001_snapshots.sql")


def test_text_that_postgres_cannot_hold_is_the_caller_s_mistake(database: Database) -> None:
    with pytest.raises(InvalidRequest, match="NUL character"):
        runs.get_run(database, run_id="run-\x00")


def test_health_tells_version_latency_and_pool(database: Database) -> None:
    health = database_health(database)
    assert health["migrated"] is True
    assert int(health["server_version"].split(".")[0]) >= 15
    assert 0 < health["latency_ms"] < 1000
    assert health["pool"]["pool_max"] == 8
    assert health["read_only"] is False


def test_every_connection_carries_the_limits(database: Database) -> None:
    names = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "synchronous_commit", "application_name"]
    with database.connection() as connection:
        found = {name: (connection.execute(f"SHOW {name}").fetchone() or {})[name] for name in names}
        assert connection.info.get_parameters()["tcp_user_timeout"] == "20000"
    assert list(found.values()) == ["5min", "10s", "1min", "on", "riskray"]


def test_options_of_the_url_win_over_the_limits(database_url: str) -> None:
    with Database(settings_for(make_conninfo(database_url, options="-c lock_timeout=77"))) as database, database.connection() as connection:
        assert connection.execute("SHOW lock_timeout").fetchone() == {"lock_timeout": "77ms"}


def test_statement_over_its_limit_ends_with_the_setting_to_raise(database_url: str) -> None:
    settings = settings_for(database_url).model_copy(update={"statement_timeout_s": 0.05})
    with (
        Database(settings) as database,
        pytest.raises(StoreError, match="RISKRAY_STATEMENT_TIMEOUT_S"),
        database.connection() as connection,
    ):
        connection.execute("SELECT pg_sleep(10)")


def test_busy_pool_answers_in_time_instead_of_hanging(database_url: str) -> None:
    settings = settings_for(database_url).model_copy(update={"database_timeout_s": 0.1})
    message = r"all 1 connections .* RISKRAY_DATABASE_POOL_SIZE"
    with Database(settings, pool_size=1) as database, database.connection(), pytest.raises(StoreUnavailable, match=message):
        database.fetch_all("list_runs", {})


def test_failed_block_rolls_everything_back(database: Database) -> None:
    with pytest.raises(StoreError, match="division by zero"), database.transaction() as connection:
        connection.execute("CREATE TABLE half_made (); SELECT 1 / 0")
    with database.connection() as connection:
        assert connection.execute("SELECT to_regclass('half_made') AS found").fetchone() == {"found": None}


def test_deadlocked_transactions_both_come_through(database: Database) -> None:
    with database.connection() as connection:
        connection.execute("CREATE TABLE pair (id int PRIMARY KEY, n int NOT NULL)")
        connection.execute("INSERT INTO pair VALUES (1, 0), (2, 0)")
    both_hold_one = threading.Barrier(2)
    attempts = []

    def update(order: tuple[int, int]) -> None:
        def once() -> None:
            first_attempt = order not in attempts
            attempts.append(order)
            with database.transaction() as connection:
                connection.execute("UPDATE pair SET n = n + 1 WHERE id = %s", [order[0]])
                if first_attempt:
                    both_hold_one.wait(10)
                connection.execute("UPDATE pair SET n = n + 1 WHERE id = %s", [order[1]])

        database.retrying(once)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(update, [(1, 2), (2, 1)]))
    assert len(attempts) > 2, "one of the two was the victim and tried again; it may have been so twice"
    with database.connection() as connection:
        assert [row["n"] for row in connection.execute("SELECT n FROM pair ORDER BY id").fetchall()] == [2, 2]


def test_mistake_is_not_tried_again(database: Database) -> None:
    attempts = []

    def wrong() -> None:
        attempts.append(1)
        with database.connection() as connection:
            connection.execute("SELECT 1 / 0")

    with pytest.raises(StoreError, match="division by zero"):
        database.retrying(wrong)
    assert len(attempts) == 1


def test_retries_end_at_the_deadline() -> None:
    started = time.monotonic()
    with Database(settings_for("postgresql://127.0.0.1:1/x")) as database, pytest.raises(StoreUnavailable):
        database.retrying(lambda: database.fetch_all("list_runs", {}), deadline_s=0.3)
    assert time.monotonic() - started < 5


def test_reads_go_on_after_the_server_cut_every_connection(database: Database, database_url: str) -> None:
    run = store_run(database)
    results.read_results(database, run_id=run.run_id, limit=1)
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert runs.get_run(database, run_id=run.run_id) == run
    assert results.read_results(database, run_id=run.run_id, limit=1).num_rows == 0


def test_lock_that_somebody_holds_is_reported_as_passing(database: Database, database_url: str) -> None:
    with Database(settings_for(make_conninfo(database_url, options="-c lock_timeout=50"))) as impatient, database.transaction() as holder:
        holder.execute("LOCK TABLE run")
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            impatient.fetch_all("queued_runs")


def test_read_only_server_is_reported_as_unavailable(database_url: str) -> None:
    url = make_conninfo(database_url, options="-c default_transaction_read_only=on")
    with Database(settings_for(url)) as database, pytest.raises(StoreUnavailable, match="read-only, as during a failover"):
        database.execute("insert_schema_migration", {"name": "n", "checksum": "c"})


# ------------------------------------------------------------------------------------------------------- lost answers


@pytest.mark.parametrize("cut", ["before COMMIT", "after COMMIT"])
def test_shard_is_written_once_when_its_commit_gets_no_answer(database_url: str, cut: Cut) -> None:
    with fault_proxy(database_url) as proxy, Database(settings_for(proxy.url)) as database:
        run = store_run(database)
        claimed = claim(database)
        shard = ledger.pending_shards(database, run_no=claimed.run_no)[0]
        proxy.cut_next(cut)
        assert commit(database, claimed, shard) is True
        assert proxy.fired == 1
        assert results.read_results(database, run_id=run.run_id, limit=100)["position_no"].to_pylist() == [0, 1, 2, 3, 4]
        assert runs.get_run(database, run_id=run.run_id).progress.ok_count == 5
        kinds = [event.kind for event in runs.events_after(database, run_id=run.run_id)]
        assert kinds == ["submitted", "claimed", "shard_done"]


@pytest.mark.parametrize("cut", ["before COMMIT", "after COMMIT"])
def test_run_ends_once_when_its_last_commit_gets_no_answer(database_url: str, cut: Cut) -> None:
    with fault_proxy(database_url) as proxy, Database(settings_for(proxy.url)) as database:
        run = store_run(database)
        claimed = claim(database)
        for shard in ledger.pending_shards(database, run_no=claimed.run_no):
            commit(database, claimed, shard)
        proxy.cut_next(cut)
        ended = run_end.finalise_run(database, run_no=claimed.run_no, epoch=claimed.epoch, manifest=dict, **rollup_tables())
        assert ended is RunState.SUCCEEDED
        assert proxy.fired == 1
        assert results.totals(database, run_id=run.run_id).pv_base == 111.0


@pytest.mark.parametrize("key", [None, "key"])
@pytest.mark.parametrize("cut", ["before COMMIT", "after COMMIT"])
def test_run_is_stored_once_when_its_commit_gets_no_answer(database_url: str, cut: Cut, key: str | None) -> None:
    with fault_proxy(database_url) as proxy, Database(settings_for(proxy.url)) as database:
        request = new_run(database)
        proxy.cut_next(cut)
        run, created = runs.insert_run(database, request, shards=shards_of(10), idempotency_key=key)
        assert (proxy.fired, created) == (1, True)
        assert runs.list_runs(database, offset=0, limit=10) == ([run], 1)
