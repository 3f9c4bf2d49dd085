"""Names of snapshots of every kind: a name means its last upload, and exists after every upload (cases W12 and U8)."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest

import sql
from riskray.errors import Conflict, NotFound, StoreError
from riskray.market.fixings import NumberedFixing, fixing_table
from riskray.models.market_data import FixingDocument
from riskray.snapshots.content import SnapshotContent, fixings_content
from riskray.snapshots.kinds import (
    FIXINGS,
    HIERARCHIES,
    HISTORIES,
    MARKETS,
    PORTFOLIOS,
    SCENARIO_SETS,
    FixingsRecord,
    HierarchyRecord,
    SnapshotKind,
)
from riskray.store import migrations, runs, snapshots
from riskray.store.checks import check_invariants
from riskray.store.database import Database
from tests.fixtures.postgres import settings_for
from tests.integration.store.examples import content_hash, store_market, store_portfolio, store_run
from tests.integration.store.test_scenarios import store_history, store_set

pytestmark = pytest.mark.postgres


@dataclass(frozen=True)
class Case:
    """How tests reach one kind."""

    kind: SnapshotKind[Any, Any, Any]
    store: Callable[[Database, str, str], tuple[Any, bool]]
    """Stores the content "A", "B" or "C" under a name."""

    def upload(self, database: Database, name: str, content: str) -> str:
        """The id of what the upload stored."""
        return self.id_of(self.store(database, name, content)[0])

    def id_of(self, record: Any) -> str:
        return str(getattr(record, f"{self.kind.key}_id"))

    def meaning(self, database: Database, key: str) -> tuple[str, str, int]:
        """Id, name and version that an id or a name stands for."""
        record = snapshots.get(database, self.kind, key)
        return self.id_of(record), record.name, record.version

    def listed(self, database: Database, name: str | None = None) -> list[tuple[str, str, int]]:
        records, total = snapshots.list_uploads(database, self.kind, offset=0, limit=100, name=name)
        assert total == len(records)
        return [(self.id_of(record), record.name, record.version) for record in records]

    def delete(self, database: Database, key: str) -> None:
        snapshots.delete(database, self.kind, key)


def _hierarchy(database: Database, name: str, content: str) -> tuple[HierarchyRecord, bool]:
    columns = {"dimension": "book", "document": f'{{"root":"{content}"}}'}
    return snapshots.store(database, HIERARCHIES, name=name, content=SnapshotContent(content_hash(content), columns))


def _fixings(database: Database, name: str, content: str) -> tuple[FixingsRecord, bool]:
    row = FixingDocument(index="EUR-ESTR", fixing_date=date(2024, 3, 28), value=0.001 * ord(content))
    table = fixing_table([NumberedFixing(("rows", 1), row)])
    return snapshots.store(database, FIXINGS, name=name, content=fixings_content(table))


CASES = [
    Case(PORTFOLIOS, lambda database, name, content: store_portfolio(database, name=name, content=content)),
    Case(MARKETS, lambda database, name, content: store_market(database, name, f'{{"content":"{content}"}}')),
    Case(HISTORIES, lambda database, name, content: store_history(database, name=name, count=6 + ord(content) % 5)),
    Case(SCENARIO_SETS, lambda database, name, content: store_set(database, name=name, shift=0.01 * ord(content))),
    Case(HIERARCHIES, _hierarchy),
    Case(FIXINGS, _fixings),
]
every_kind = pytest.mark.parametrize("case", CASES, ids=lambda case: case.kind.kind)
a_large_and_a_small_kind = pytest.mark.parametrize("case", [CASES[0], CASES[2]], ids=lambda case: case.kind.kind)


@every_kind
def test_name_means_the_last_upload_also_of_content_that_it_meant_before(database: Database, case: Case) -> None:
    good, slip = case.upload(database, "eod", "A"), case.upload(database, "eod", "B")
    assert case.meaning(database, "eod") == (slip, "eod", 2)
    assert case.upload(database, "eod", "A") == good
    assert case.meaning(database, "eod") == (good, "eod", 3)
    assert case.listed(database, "eod") == [(good, "eod", 3), (slip, "eod", 2), (good, "eod", 1)]
    assert check_invariants(database) == []


@every_kind
def test_name_exists_after_an_upload_of_content_that_another_name_has(database: Database, case: Case) -> None:
    first, created = case.store(database, "day1", "A")
    second, created_again = case.store(database, "day2", "A")
    assert (created, created_again) == (True, False)
    assert (case.id_of(second), second.name, second.version) == (case.id_of(first), "day2", 1)
    for name in ("day1", "day2"):
        assert case.meaning(database, name) == (case.id_of(first), name, 1)
    assert case.meaning(database, case.id_of(first)) == (case.id_of(first), "day2", 1)
    assert case.listed(database) == [(case.id_of(first), "day2", 1), (case.id_of(first), "day1", 1)]


@every_kind
def test_upload_of_what_a_name_means_already_adds_nothing(database: Database, case: Case) -> None:
    first, _ = case.store(database, "eod", "A")
    assert case.store(database, "eod", "A") == (first, False)
    assert case.listed(database) == [(case.id_of(first), "eod", 1)]


@every_kind
def test_deleted_snapshot_takes_its_versions_of_names_with_it(database: Database, case: Case) -> None:
    good, slip = case.upload(database, "eod", "A"), case.upload(database, "eod", "B")
    case.upload(database, "eod", "A")
    case.upload(database, "kept", "A")
    case.delete(database, good)
    assert case.listed(database) == [(slip, "eod", 2)]
    assert case.meaning(database, "eod") == (slip, "eod", 2)
    with pytest.raises(NotFound, match="'kept'"):
        case.meaning(database, "kept")
    assert case.upload(database, "eod", "C") != slip
    assert case.listed(database, "eod")[0][1:] == ("eod", 3)


@every_kind
def test_deletion_by_a_name_leaves_the_snapshot_to_its_other_names(database: Database, case: Case) -> None:
    stored = case.upload(database, "day1", "A")
    case.upload(database, "day2", "A")
    case.delete(database, "day2")
    assert case.listed(database) == [(stored, "day1", 1)]
    case.delete(database, "day1")
    assert case.listed(database) == []
    with pytest.raises(NotFound, match=f"no {case.kind.kind} 'day1'"):
        case.delete(database, "day1")


@every_kind
def test_names_of_one_kind_are_not_those_of_another(database: Database, case: Case) -> None:
    for other in CASES:
        if other is not case:
            other.upload(database, "eod", "A")
    with pytest.raises(NotFound, match=f"no {case.kind.kind} 'eod'"):
        case.meaning(database, "eod")
    assert case.upload(database, "eod", "A")
    assert case.listed(database)[0][1:] == ("eod", 1)


@every_kind
def test_id_comes_before_a_name_that_looks_like_it(database: Database, case: Case) -> None:
    stored = case.upload(database, "eod", "A")
    other = case.upload(database, stored, "B")
    assert case.meaning(database, stored)[0] == stored != other


@every_kind
def test_id_of_another_content_is_refused(database: Database, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = case.upload(database, "eod", "A")
    monkeypatch.setattr(SnapshotKind, "snapshot_id", lambda *_: stored)
    with pytest.raises(Conflict, match=f"another {case.kind.kind} has the id {stored}"):
        case.upload(database, "eod", "B")
    assert case.listed(database) == [(stored, "eod", 1)]


@a_large_and_a_small_kind
def test_uploads_at_once_under_several_names_leave_each_name_with_the_content(database: Database, case: Case) -> None:
    start = threading.Barrier(6)

    def upload(number: int) -> bool:
        start.wait()
        return case.store(database, f"name {number % 3}", "A")[1]

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(upload, range(6))) == [False] * 5 + [True]
    assert sorted(item[1:] for item in case.listed(database)) == [(f"name {number}", 1) for number in range(3)]


@a_large_and_a_small_kind
def test_uploads_and_deletions_at_once_leave_no_name_without_its_snapshot(database: Database, case: Case) -> None:
    start = threading.Barrier(4)

    def work(number: int) -> None:
        start.wait()
        for _ in range(5):
            stored = case.upload(database, f"name {number}", "A")
            if number % 2:
                try:
                    case.delete(database, stored)
                except NotFound:
                    continue

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert check_invariants(database) == []


def test_runs_are_found_by_every_name_of_their_snapshots(database: Database) -> None:
    run = store_run(database)
    market, portfolio = (
        snapshots.get(database, MARKETS, run.market_id),
        snapshots.get(database, PORTFOLIOS, run.portfolio_id),
    )
    store_market(database, name="monday")
    store_portfolio(database, name="book", content=f"{portfolio.name} {portfolio.position_count} ")

    def found(**keys: str) -> list[str]:
        listed, total = runs.list_runs(database, offset=0, limit=9, **keys)  # type: ignore[arg-type]
        assert total == len(listed)
        return [item.run_id for item in listed]

    for keys in (
        {"market": market.name}, {"market": "monday"}, {"market": run.market_id}, {"portfolio": "book"}, {"portfolio": run.portfolio_id},
    ):  # fmt: skip
        assert found(**keys) == [run.run_id], keys
    assert found(market="book") == found(portfolio="monday") == []


def test_version_of_a_name_cannot_be_made_to_mean_another_content(database: Database) -> None:
    store_market(database)
    with pytest.raises(StoreError, match="rows of snapshot_name never change"), database.connection() as connection:
        connection.execute("UPDATE snapshot_name SET snapshot_no = 2")


# What the version before writes and reads, word for word.
OLD_INSERT = """
INSERT INTO market_snapshot (market_id, name, version, as_of, content_hash, document)
SELECT %(id)s, %(name)s, coalesce(max(version), 0) + 1, '2024-06-03', sha256(convert_to(%(document)s, 'UTF8')), %(document)s::json
  FROM market_snapshot
 WHERE name = %(name)s
    ON CONFLICT DO NOTHING
"""
OLD_GET = """
SELECT market_id FROM market_snapshot WHERE market_id = %(key)s OR name = %(key)s ORDER BY market_id = %(key)s DESC, version DESC LIMIT 1
"""


def _old_upload(database: Database, name: str, content: str) -> str:
    document = f'{{"content":"{content}"}}'
    snapshot_id = MARKETS.snapshot_id(content_hash(document))
    with database.connection() as connection:
        connection.execute(OLD_INSERT, {"id": snapshot_id, "name": name, "document": document})
    return snapshot_id


def test_snapshots_and_claims_of_the_version_before_are_migrated(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    every = sql.migrations()
    with Database(settings_for(empty_database_url)) as database:
        monkeypatch.setattr(sql, "migrations", lambda: {name: text for name, text in every.items() if name < "008"})
        migrations.migrate(database)
        first, second, other = (_old_upload(database, *upload) for upload in (("eod", "A"), ("eod", "B"), ("day", "C")))
        with database.connection() as connection:
            for statement in (
                "INSERT INTO portfolio_snapshot (portfolio_id, name, version, content_hash, position_count, rejected_count) "
                "VALUES ('pf-1', 'book', 4, sha256('1'), 1, 2)",
                "INSERT INTO position VALUES (1, 0, 'P', 'FIXED_BOND', 'B', 'C', 'EUR', 1)",
                "INSERT INTO portfolio_batch VALUES (1, 0, 'FIXED_BOND', 0, 1, '')",
                "INSERT INTO market_history (history_id, name, version, content_hash, factors, first_date, last_date, row_count, payload) "
                "VALUES ('hist-1', 'levels', 1, sha256('1'), '{}', '2024-01-01', '2024-01-02', 2, '')",
                "INSERT INTO scenario_set (scenario_set_id, name, version, content_hash, kind, definition, scenario_count, factor_count, "
                "payload) VALUES ('scen-1', 'stress', 1, sha256('1'), 'matrix', '{}', 1, 1, '')",
                "INSERT INTO hierarchy (hierarchy_id, name, version, content_hash, dimension, document) "
                "VALUES ('hier-1', 'desks', 1, sha256('1'), 'book', '{}')",
                "INSERT INTO run (run_id, name, state, market_no, portfolio_no, base_currency, measures, rows_per_shard, storage_no, "
                "position_count, preflight, epoch, lease_until, started_at) VALUES ('run-1', '', 'RUNNING', 1, 1, 'USD', '{}', 1, 0, 1, "
                '\'{"position_count": 1, "affected_position_count_max": 0, "gaps": []}\', 1, now() + interval \'1 hour\', now())',
                "INSERT INTO run_event VALUES (1, 1, '2024-06-03 18:00:00+00', 'claimed', '{}')",
            ):
                connection.execute(statement)
        monkeypatch.setattr(sql, "migrations", lambda: every)
        migrations.migrate(database)

        market = CASES[1]
        assert market.listed(database) == [(other, "day", 1), (second, "eod", 2), (first, "eod", 1)]
        assert market.meaning(database, "eod") == (second, "eod", 2)
        for case, name, version in zip((CASES[0], *CASES[2:5]), ("book", "levels", "stress", "desks"), (4, 1, 1, 1), strict=True):
            assert case.meaning(database, name) == (f"{case.kind.prefix}-1", name, version)
        driven_since = runs.get_run(database, run_id="run-1").driven_since
        assert driven_since is not None
        assert driven_since.isoformat() == "2024-06-03T18:00:00+00:00"


def test_version_before_goes_on_beside_this_one(database: Database) -> None:
    market = CASES[1]
    old = _old_upload(database, "eod", "A")
    assert market.meaning(database, "eod") == (old, "eod", 1)
    new = market.upload(database, "eod", "B")
    with database.connection() as connection:
        assert connection.execute(OLD_GET, {"key": "eod"}).fetchone() == {"market_id": new}
    market.upload(database, "eod", "A")
    later = _old_upload(database, "eod", "C")
    assert market.meaning(database, "eod") == (later, "eod", 4)
    with database.connection() as connection:
        connection.execute("DELETE FROM market_snapshot WHERE market_id = %s", (later,))
    assert market.meaning(database, "eod") == (old, "eod", 3)
    assert check_invariants(database) == []
