"""`riskray db check`: silent on a sound database, and able to see each kind of damage."""

import pytest

import sql
from riskray.errors import StoreNotMigrated
from riskray.store import ledger, run_end, runs
from riskray.store.checks import SOUND_READER_VERSION, check_invariants, find_warnings
from riskray.store.database import Database
from tests.fixtures.postgres import settings_for
from tests.integration.store.examples import claim, commit, store_portfolio, store_run, true_rollups

pytestmark = pytest.mark.postgres

# Damage done behind riskray's back, and what the check says about it.
DAMAGE = {
    "check_counts_match_ledger": (
        "UPDATE run_shard SET ok_count = 4, failed_count = 1 WHERE shard_no = 0 AND run_no = {small}", "its shards 9 and 1",
    ),
    "check_counts_match_results": ("DELETE FROM position_result WHERE position_no = 2 AND run_no = {small}", "stored are 9 and 0"),
    "check_events_have_no_gap": ("DELETE FROM run_event WHERE seq = 2 AND run_no = {small}", "has 4 events numbered 1 to 5, and counts 5"),
    "check_ended_runs_have_no_work_left": (
        "UPDATE run_shard SET state = 'PENDING', ok_count = NULL WHERE shard_no = 1 AND run_no = {small}", "shard 1 is still pending",
    ),
    "check_ended_runs_have_their_key": ("DROP INDEX position_result_{large}_key", "position_result_{large} has no unique key"),
    "check_large_runs_have_their_partition": ("DROP TABLE position_result_{large}", "has no partition position_result_{large}"),
    "check_markets_match_their_hash": (
        "ALTER TABLE market_snapshot DISABLE TRIGGER USER; UPDATE market_snapshot SET document = '{{}}'", "has another document",
    ),
    "check_names_and_snapshots_belong_together": (
        "DELETE FROM snapshot_name WHERE kind = 'portfolio'; "
        "INSERT INTO snapshot_name (kind, name, version, snapshot_no) VALUES ('market', 'lost', 1, 99)",
        "market name 'lost', version 1, points to number 99, which does not exist",
    ),
    "check_no_position_is_both_priced_and_failed": (
        "INSERT INTO position_failure VALUES ({small}, 7, 'MATURED', 'm', 'r')",
        "both a result and a failure for 1 positions, the first is 7",
    ),
    "check_no_stray_rows": (
        "INSERT INTO position_result (storage_no, run_no, position_no, pv, pv_base) VALUES (0, 999, 0, 1, 1)", "rows of run number 999",
    ),
    "check_portfolios_are_complete": ("DELETE FROM position WHERE position_no = 3", "has 9 rows numbered 0 to 9"),
    "check_rollups_match_results": (
        "UPDATE result_rollup SET pv_base = pv_base * 1.00001 WHERE book = 'BETA' AND run_no = {small}", "pv_base of the rollups is",
    ),
    "check_running_runs_are_held": (
        "UPDATE run SET lease_until = now() - interval '61 s' WHERE run_no = {running}", "is RUNNING, but its lease ended at",
    ),
    "check_shards_cover_the_portfolio": (
        "UPDATE run_shard SET first_position_no = 4 WHERE shard_no = 1 AND run_no = {small}", "do not follow each other at position 5",
    ),
}  # fmt: skip


@pytest.fixture
def numbers(database: Database, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Run numbers of a finished small run, a finished large one and one at work."""
    found = {}
    for name, own_storage_from in (("small", 11), ("large", 10)):
        monkeypatch.setattr(runs, "OWN_STORAGE_POSITIONS_MIN", own_storage_from)
        store_run(database)
        claimed = claim(database)
        for shard in ledger.pending_shards(database, run_no=claimed.run_no):
            commit(database, claimed, shard)
        run_end.finalise_run(database, run_no=claimed.run_no, epoch=claimed.epoch, manifest=dict, **true_rollups(10))
        found[name] = claimed.run_no
    store_run(database)
    return {**found, "running": claim(database).run_no}


def test_sound_database_has_no_problem(database: Database, numbers: dict[str, int]) -> None:
    assert check_invariants(database) == []


def test_totals_of_a_cancelled_run_that_lack_a_finished_shard_are_seen(database: Database) -> None:
    store_run(database)
    claimed = claim(database)
    for shard in ledger.pending_shards(database, run_no=claimed.run_no):
        commit(database, claimed, shard)
    run_end.cancel_run(database, run_no=claimed.run_no, epoch=claimed.epoch, manifest={}, **true_rollups(5))
    assert [problem for problem in check_invariants(database) if "ok_count of the rollups is 5, of the results 10" in problem] != []


@pytest.mark.parametrize("rule", DAMAGE)
def test_damage_is_seen(database: Database, numbers: dict[str, int], rule: str) -> None:
    statement, expected = (text.format(**numbers) for text in DAMAGE[rule])
    with database.connection() as connection:
        connection.execute(statement)
    assert [problem for problem in check_invariants(database) if expected in problem] != []


def test_snapshot_without_a_name_is_seen(database: Database) -> None:
    portfolio, _ = store_portfolio(database)
    with database.connection() as connection:
        connection.execute("DELETE FROM snapshot_name")
    assert check_invariants(database) == [f"portfolio {portfolio.portfolio_id} has no name"]


def test_portfolio_with_rejected_rows_is_warned_of_until_a_sound_reader_has_read_it(database: Database) -> None:
    def upload(name: str, salt: str, rejected_count: int, reader_version: int | None) -> str:
        return store_portfolio(
            database, name=name, salt=salt, rejected_count=rejected_count, reader_version=reader_version
        )[0].portfolio_id  # fmt: skip

    unsound = upload("desk", "a", 3, None)
    upload("desk", "b", 3, SOUND_READER_VERSION)  # read soundly from the start
    upload("desk", "c", 0, None)  # nothing was rejected
    upload("desk", "a", 3, 1)  # the same content, by a reader that is not sound either
    (warning,) = find_warnings(database)
    for told in (unsound, "named desk", "3 row(s)", "upload the file once more, with --allow-partial"):
        assert told in warning
    assert upload("desk", "a", 3, SOUND_READER_VERSION) == unsound
    assert find_warnings(database) == []
    assert check_invariants(database) == []


def test_reading_under_any_name_ends_the_warning_for_good(database: Database) -> None:
    store_portfolio(database, rejected_count=1, content="c")
    store_portfolio(database, rejected_count=1, content="c", name="monday", reader_version=SOUND_READER_VERSION)
    store_portfolio(database, rejected_count=1, content="c")
    assert find_warnings(database) == []


def test_every_rule_is_seen_to_fail() -> None:
    assert {name for name in sql.queries() if name.startswith("check_")} == set(DAMAGE)


def test_storage_without_a_run_is_reported(database: Database, numbers: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "drop_orphan_partitions", lambda _: [])
    large = next(
        run for run in runs.list_runs(database, offset=0, limit=9)[0] if runs.run_no_of(database, run_id=run.run_id) == numbers["large"]
    )
    runs.delete_run(database, run_id=large.run_id)
    assert check_invariants(database) == [f"table position_result_{numbers['large']} belongs to no run; deleting any large run frees it"]


def test_unmigrated_database_cannot_be_checked(empty_database_url: str) -> None:
    with Database(settings_for(empty_database_url)) as database, pytest.raises(StoreNotMigrated):
        check_invariants(database)
