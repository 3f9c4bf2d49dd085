"""Forward-only migrations: applied once, in order, by one process at a time, and never edited afterwards."""

from concurrent.futures import ThreadPoolExecutor

import pytest

import sql
from riskray.errors import StoreNotMigrated
from riskray.store import migrations
from riskray.store.database import Database
from riskray.store.embedded import POSTGRES_VERSION
from tests.fixtures.postgres import settings_for
from tests.fixtures.schema_dump import SCHEMA_FILE, dump_schema

pytestmark = pytest.mark.postgres


def test_empty_database_is_migrated_once(empty_database_url: str) -> None:
    with Database(settings_for(empty_database_url)) as database:
        assert migrations.pending(database) == list(sql.migrations())
        assert migrations.migrate(database) == list(sql.migrations())
        assert migrations.migrate(database) == []
        migrations.require_current(database)


def test_two_migrators_at_once_apply_every_file_once(empty_database_url: str) -> None:
    with Database(settings_for(empty_database_url)) as first, Database(settings_for(empty_database_url)) as second:
        with ThreadPoolExecutor(2) as pool:
            applied = [name for names in pool.map(migrations.migrate, [first, second]) for name in names]
        assert applied == list(sql.migrations())


def test_database_behind_this_version_is_refused_with_the_missing_files_and_the_command(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = sql.migrations() | {"900_later.sql": "CREATE TABLE later ()"}
    monkeypatch.setattr(sql, "migrations", lambda: later)
    with pytest.raises(StoreNotMigrated, match=r"lacks 1 .*\(900_later\.sql\).*riskray db migrate"):
        migrations.require_current(database)
    assert migrations.migrate(database) == ["900_later.sql"]
    migrations.require_current(database)


def test_failing_migration_leaves_nothing_behind(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = sql.migrations() | {"900_broken.sql": "CREATE TABLE half_made (); SELECT 1 / 0;"}
    monkeypatch.setattr(sql, "migrations", lambda: broken)
    with pytest.raises(Exception, match="division by zero"):
        migrations.migrate(database)
    assert migrations.pending(database) == ["900_broken.sql"]
    with database.connection() as connection:
        assert connection.execute("SELECT to_regclass('half_made') AS found").fetchone() == {"found": None}


def test_edited_migration_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    first = next(iter(sql.migrations()))
    edited = sql.migrations() | {first: sql.migrations()[first] + "\n-- one more thought"}
    monkeypatch.setattr(sql, "migrations", lambda: edited)
    with pytest.raises(StoreNotMigrated, match=f"another text of {first}"):
        migrations.migrate(database)


def test_database_of_a_newer_version_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    older = dict(list(sql.migrations().items())[:-1])
    monkeypatch.setattr(sql, "migrations", lambda: older)
    with pytest.raises(StoreNotMigrated, match="does not know; use the newer version"):
        migrations.require_current(database)


def test_migration_numbered_before_an_applied_one_is_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    squeezed_in = {"000_before.sql": "SELECT 1", **sql.migrations()}
    monkeypatch.setattr(sql, "migrations", lambda: squeezed_in)
    with pytest.raises(StoreNotMigrated, match="number new migrations after the last"):
        migrations.require_current(database)


def test_schema_file_shows_what_the_migrations_make(database_url: str, database: Database) -> None:
    with database.connection() as connection:
        if connection.info.server_version // 10_000 != POSTGRES_VERSION:
            pytest.skip("pg_dump writes some things differently for other servers")
    assert SCHEMA_FILE.read_text(encoding="utf-8") == dump_schema(database_url), "run `python -m tests.fixtures.schema_dump`"
