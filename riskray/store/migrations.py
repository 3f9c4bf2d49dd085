"""The schema's history: forward-only SQL files, each applied once, in one transaction, with its checksum stored.

Several processes may migrate concurrently: an advisory lock admits one, and the others then find all files applied. If a process dies
during a migration, the migration is rolled back, because DDL is transactional in Postgres.
"""

import hashlib

import sql
from riskray.errors import StoreNotMigrated
from riskray.store.database import Connection, Database


def migrate(database: Database) -> list[str]:
    """Migrate the schema to this version. Returns the names of the files applied by this call, in order.

    Raises StoreNotMigrated if the database was migrated with other files.
    """
    applied = []
    with database.dedicated_connection() as connection:
        connection.execute(sql.load("lift_timeouts"))  # a migration may rewrite a large table, and waits for another migrator
        connection.execute(sql.load("lock_migrations"))  # until the connection ends
        connection.execute(sql.load("create_schema_migration"))
        for name in _pending(connection, database.target):
            text = sql.migrations()[name]
            with connection.transaction():
                connection.execute(sql.load("insert_schema_migration"), {"name": name, "checksum": checksum(text)})
                connection.execute(text)
            applied.append(name)
    return applied


def pending(database: Database) -> list[str]:
    """Names of the files not yet applied. Raises StoreNotMigrated if an applied file was edited or is unknown."""
    with database.connection() as connection:
        return _pending(connection, database.target)


def require_current(database: Database) -> None:
    """Raise StoreNotMigrated unless the schema is that of this version."""
    if missing := pending(database):
        raise StoreNotMigrated(
            f"the database {database.target} lacks {len(missing)} of {len(sql.migrations())} migrations ({', '.join(missing)}); "
            "run `riskray db migrate`"
        )


def checksum(text: str) -> str:
    """SHA-256 of a migration, as kept in the database."""
    return hashlib.sha256(text.encode()).hexdigest()


def _pending(connection: Connection, target: str) -> list[str]:
    files = sql.migrations()
    exists = connection.execute(sql.load("schema_migration_exists")).fetchone()
    applied = connection.execute(sql.load("list_schema_migrations")).fetchall() if exists and exists["found"] else []
    for row in applied:
        name = row["name"]
        if name not in files:
            raise StoreNotMigrated(
                f"the database {target} has migration {name}, which this version of riskray does not know; use the newer version"
            )
        if row["checksum"] != checksum(files[name]):
            raise StoreNotMigrated(
                f"the database {target} was migrated with another text of {name} than sql/{name}; a migration that was applied does not "
                "change: restore the file and put the change into a new one"
            )
    done = {row["name"] for row in applied}
    missing = [name for name in files if name not in done]
    if done and missing and min(missing) < max(done):
        raise StoreNotMigrated(f"the database {target} has {max(done)} but not {min(missing)}; number new migrations after the last")
    return missing
