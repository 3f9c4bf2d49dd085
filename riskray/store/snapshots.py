"""What every kind of snapshot shares: it is immutable, known by the hash of its content, and found by id or by name.

A name belongs to a kind. Each upload under a name is a version of it, numbered from 1, and points to a snapshot; the name means its last
upload. The same content is the same snapshot under any number of names. Uploading what a name means already adds no version.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Generic, LiteralString, TypeVar

from psycopg.sql import SQL, Composed, Identifier

import sql
from riskray.errors import Conflict, NotFound
from riskray.store.database import Connection, Database

Record = TypeVar("Record")


@dataclass(frozen=True)
class SnapshotKind(Generic[Record]):
    """One kind of snapshot.

    Attributes:
        kind: its name in the table `snapshot_name` and in messages, such as "market".
        prefix: of its ids, such as "mkt".
        table: of its snapshots, with the columns `key`_no, `key`_id, content_hash, name, version and created_at.
        key: stem of the columns that identify it, also in the table `run` where runs use it.
        record: dataclass of a snapshot and its name; its fields are columns.
        used_by_runs: whether runs refer to it, which keeps it from being deleted.
        delete_rows: name of the query that deletes rows of a snapshot which no foreign key deletes; its parameter is snapshot_no.
    """

    kind: str
    prefix: str
    table: LiteralString
    key: LiteralString
    record: Callable[..., Record]
    used_by_runs: bool
    delete_rows: str | None = None

    def snapshot_id(self, content_hash: bytes) -> str:
        """The id of a content; `content_hash`: 32 bytes of SHA-256."""
        return f"{self.prefix}-{content_hash.hex()[:16]}"

    def query(self, name: str) -> Composed:
        """A query of sql/queries/names.sql for this kind's table."""
        columns = [field.name for field in fields(self.record) if field.name not in _OF_THE_UPLOAD]  # type: ignore[arg-type]
        return SQL(sql.load(name)).format(
            table=Identifier(self.table),
            number=Identifier(f"{self.key}_no"),
            id=Identifier(f"{self.key}_id"),
            columns=SQL(", ").join(Identifier("snapshot", column) for column in columns),
        )


ATTEMPTS_MAX = 10
_OF_THE_UPLOAD = ("name", "version", "created_at")


def store(
    database: Database,
    kind: SnapshotKind[Record],
    *,
    name: str,
    content_hash: bytes,
    insert: Callable[[Connection], int | None],
    reader_version: int | None = None,
) -> tuple[Record, bool]:
    """Record an upload: all of it or nothing. Returns the snapshot under `name`, and whether its content is new.

    Args:
        name: which means this snapshot from now on.
        content_hash: 32 bytes of SHA-256 over the content.
        insert: stores the snapshot with its content and returns its number, None where the content is stored already.
        reader_version: of the reader that read the file, None where there is no such version.
    Raises:
        Conflict: another content has the same id, or others keep deleting this one.
    """

    def attempt() -> tuple[Record, bool] | None:
        with database.transaction() as connection:
            connection.execute(sql.load("lock_snapshot_name"), {"kind": kind.kind, "name": name})
            number = insert(connection)
            created = number is not None
            if number is None:
                known = connection.execute(kind.query("hold_snapshot"), {"id": kind.snapshot_id(content_hash)}).fetchone()
                if known is None:  # deleted since the insert met it
                    return None
                if known["content_hash"] != content_hash:
                    raise Conflict(f"another {kind.kind} has the id {kind.snapshot_id(content_hash)}; change the content by a digit")
                number = known["snapshot_no"]
            upload = {"kind": kind.kind, "name": name, "snapshot_no": number, "reader_version": reader_version}
            connection.execute(sql.load("record_upload"), upload)
            _, record = _found(connection, kind, snapshot_id=None, name=name)
            return record, created

    for _ in range(ATTEMPTS_MAX):
        if (stored := database.retrying(attempt)) is not None:
            return stored
    raise Conflict(f"others upload and delete {kind.kind} {kind.snapshot_id(content_hash)} at the same time; upload it once more")


def get(database: Database, kind: SnapshotKind[Record], key: str) -> Record:
    """The snapshot with the id `key` under the name it was last uploaded as, else the last upload under the name `key`.

    Raises NotFound.
    """
    with database.connection() as connection:
        return _found(connection, kind, snapshot_id=key, name=key)[1]


def list_uploads(
    database: Database, kind: SnapshotKind[Record], *, offset: int, limit: int, name: str | None = None
) -> tuple[list[Record], int]:
    """A page of uploads, newest first, and the length of the whole list. `name`: only versions of this name."""
    filters = {"kind": kind.kind, "name": name}
    with database.connection() as connection:
        rows = connection.execute(kind.query("list_uploads"), {**filters, "offset": offset, "limit": limit}).fetchall()
    if not rows:
        return [], (database.fetch_one("count_uploads", filters) or {"total": 0})["total"]
    total = rows[0].pop("total")
    return [kind.record(**{column: value for column, value in row.items() if column != "total"}) for row in rows], total


def delete(database: Database, kind: SnapshotKind[Record], key: str) -> None:
    """Delete a snapshot by id, with every version of a name that points to it; each such name then means its last remaining upload.

    Where `key` is a name and the snapshot has other names too, only this name is taken off it. Raises NotFound, and
    Conflict when a run uses the snapshot.
    """
    with database.transaction() as connection:
        number, record = _found(connection, kind, snapshot_id=key, name=key)
        named = {"kind": kind.kind, "snapshot_no": number, "name": key}
        connection.execute(kind.query("lock_snapshot"), named)
        forgotten = connection.execute(sql.load("find_other_name"), named).fetchone() is not None
        if forgotten and connection.execute(sql.load("forget_name"), named).rowcount:
            return
        if kind.used_by_runs:
            used = connection.execute(kind.query("find_run_of_snapshot"), named).fetchone()
            if used is not None:
                snapshot_id = getattr(record, f"{kind.key}_id")
                raise Conflict(f"{kind.kind} {snapshot_id} is used by run {used['run_id']}; delete its runs first")
        connection.execute(kind.query("delete_snapshot"), named)
        if kind.delete_rows is not None:
            connection.execute(sql.load(kind.delete_rows), named)


def _found(connection: Connection, kind: SnapshotKind[Record], *, snapshot_id: str | None, name: str) -> tuple[int, Record]:
    """Number and record of the snapshot with an id, else of the last upload under a name. Raises NotFound."""
    row = connection.execute(kind.query("get_snapshot"), {"kind": kind.kind, "id": snapshot_id, "name": name}).fetchone()
    if row is None:
        raise NotFound(kind.kind, name)
    return row.pop("snapshot_no"), kind.record(**row)
