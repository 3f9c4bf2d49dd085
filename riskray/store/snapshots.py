"""Snapshots of every kind in the database: store, find, list, read and delete.

A name belongs to a kind. Each upload under a name is a version of it, numbered from 1, and points to a snapshot; the name means its last
upload. The same content is the same snapshot under any number of names. An upload of the content that a name already means adds no version.
"""

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from psycopg.sql import SQL, Composable, Composed, Identifier, Placeholder
from psycopg.types.json import Json

import sql
from riskray.errors import Conflict, NotFound
from riskray.snapshots.content import SnapshotContent
from riskray.snapshots.kinds import SnapshotKind
from riskray.store.database import Connection, Database

Record = TypeVar("Record")
Kind = SnapshotKind[Record, Any, Any]

ATTEMPTS_MAX = 10
_FIND_USER = {"run": "find_run_of_snapshot", "market": "find_market_of_snapshot"}
_OF_THE_UPLOAD = ("name", "version", "created_at")


class Superseded(Conflict):
    """A name has another last version than the one that an upload was made from."""


def store(
    database: Database,
    kind: Kind[Record],
    *,
    name: str,
    content: SnapshotContent,
    fill: Callable[[Connection, int], None] | None = None,
    reader_version: int | None = None,
    after_version: int | None = None,
) -> tuple[Record, bool]:
    """Record an upload: all of it or nothing. Returns the snapshot under `name`, and whether its content is new.

    Any number of processes may call this at once.

    Args:
        name: name that means this snapshot from now on.
        fill: stores the rows of a new snapshot in other tables, given its number; None if it has none.
        reader_version: version of the reader that read the file, None if the reader has no version.
        after_version: version of the name that the content was made from; None for content that was made from none.
    Raises:
        Superseded: the name has a version after `after_version`, or none any more.
        Conflict: another content has the same id, or other processes keep deleting this one.
    """
    snapshot_id = kind.snapshot_id(content.content_hash)

    def attempt() -> tuple[Record, bool] | None:
        with database.transaction() as connection:
            connection.execute(sql.load("lock_snapshot_name"), {"kind": kind.kind, "name": name})
            if after_version is not None and _last_version(connection, kind, name) != after_version:
                raise Superseded(
                    f"{kind.kind} {name!r} is no longer at version {after_version}; read its last version, and repeat the upload"
                )
            number = _insert(connection, kind, name, content)
            created = number is not None
            if number is None:
                known = connection.execute(_query(kind, "hold_snapshot"), {"id": snapshot_id}).fetchone()
                if known is None:  # deleted after the insert found it
                    return None
                if known["content_hash"] != content.content_hash:
                    raise Conflict(f"another {kind.kind} has the id {snapshot_id}; change the content by a digit")
                number = int(known["snapshot_no"])
            elif fill is not None:
                fill(connection, number)
            upload = {"kind": kind.kind, "name": name, "snapshot_no": number, "reader_version": reader_version}
            connection.execute(sql.load("record_upload"), upload)
            _, record = _found(connection, kind, snapshot_id=None, name=name)
            return record, created

    for _ in range(ATTEMPTS_MAX):
        if (stored := database.retrying(attempt)) is not None:
            return stored
    raise Conflict(f"other clients upload and delete {kind.kind} {snapshot_id} at the same time; repeat the upload")


def get(database: Database, kind: Kind[Record], key: str) -> Record:
    """The snapshot with the id `key` under the name it was last uploaded as, else the last upload under the name `key`.

    Raises NotFound.
    """
    with database.connection() as connection:
        return _found(connection, kind, snapshot_id=key, name=key)[1]


def last_upload(database: Database, kind: Kind[Record], name: str) -> Record:
    """The last upload under a name, whatever has the name as its id. Raises NotFound."""
    with database.connection() as connection:
        return _found(connection, kind, snapshot_id=None, name=name)[1]


def list_uploads(database: Database, kind: Kind[Record], *, offset: int, limit: int, name: str | None = None) -> tuple[list[Record], int]:
    """Return a page of uploads, newest first, and the length of the whole list. `name`: only versions of this name."""
    filters = {"kind": kind.kind, "name": name}
    with database.connection() as connection:
        rows = connection.execute(_query(kind, "list_uploads"), {**filters, "offset": offset, "limit": limit}).fetchall()
    if not rows:
        return [], (database.fetch_one("count_uploads", filters) or {"total": 0})["total"]
    total = rows[0].pop("total")
    return [kind.record(**{column: value for column, value in row.items() if column != "total"}) for row in rows], total


def read_document(database: Database, kind: Kind[Record], key: str | int) -> str:
    """The JSON text of a snapshot as it was stored, by its id or number. Raises NotFound."""
    assert kind.document is not None
    return str(_content(database, kind, key, SQL("{}::text").format(Identifier(kind.document))))


def read_payload(database: Database, kind: Kind[Record], key: str | int) -> bytes:
    """The encoded arrays of a snapshot as they were stored, by its id or number. Raises NotFound."""
    assert kind.payload is not None
    return bytes(_content(database, kind, key, Identifier(kind.payload)))


def delete(database: Database, kind: Kind[Record], key: str) -> None:
    """Delete a snapshot by id, with every version of a name that points to it; each such name then means its last remaining upload.

    If `key` is a name and the snapshot also has other names, only this name is removed. Raises NotFound, and
    Conflict if a run, or a market, uses the snapshot.
    """
    with database.transaction() as connection:
        number, record = _found(connection, kind, snapshot_id=key, name=key)
        named = {"kind": kind.kind, "snapshot_no": number, "name": key}
        connection.execute(_query(kind, "lock_snapshot"), named)
        forgotten = connection.execute(sql.load("find_other_name"), named).fetchone() is not None
        if forgotten and connection.execute(sql.load("forget_name"), named).rowcount:
            return
        if kind.used_by is not None:
            used = connection.execute(_query(kind, _FIND_USER[kind.used_by]), named).fetchone()
            if used is not None:
                message = f"{kind.kind} {kind.id_of(record)} is used by {kind.used_by} {used['user_id']}; delete its {kind.used_by}s first"
                raise Conflict(message)
        connection.execute(_query(kind, "delete_snapshot"), named)
        if kind.delete_rows is not None:
            connection.execute(sql.load(kind.delete_rows), named)


def _insert(connection: Connection, kind: Kind[Record], name: str, content: SnapshotContent) -> int | None:
    """The number of a new snapshot; None if its content is already stored."""
    values = dict(content.columns)
    if kind.document is not None:
        values[kind.document] = Json(values[kind.document], dumps=str)  # the text as it is
    columns = SQL(", ").join(map(Identifier, values))
    query = _query(kind, "insert_snapshot", columns=columns, values=SQL(", ").join(map(Placeholder, values)))
    key = {"snapshot_id": kind.snapshot_id(content.content_hash), "name": name, "content_hash": content.content_hash}
    row = connection.execute(query, {**values, **key}).fetchone()
    return None if row is None else int(row["snapshot_no"])


def _found(connection: Connection, kind: Kind[Record], *, snapshot_id: str | None, name: str) -> tuple[int, Record]:
    """Number and record of the snapshot with an id, else of the last upload under a name. Raises NotFound."""
    row = connection.execute(_query(kind, "get_snapshot"), {"kind": kind.kind, "id": snapshot_id, "name": name}).fetchone()
    if row is None:
        raise NotFound(kind.kind, name)
    return row.pop("snapshot_no"), kind.record(**row)


def _last_version(connection: Connection, kind: Kind[Any], name: str) -> int | None:
    row = connection.execute(sql.load("last_version"), {"kind": kind.kind, "name": name}).fetchone()
    return None if row is None else row["version"]


def _content(database: Database, kind: Kind[Record], key: str | int, column: Composable) -> Any:
    by = Identifier(f"{kind.key}_{'id' if isinstance(key, str) else 'no'}")
    with database.connection() as connection:
        row = connection.execute(_query(kind, "get_snapshot_content", content=column, key=by), {"key": key}).fetchone()
    if row is None:
        raise NotFound(kind.kind, str(key))
    return row["content"]


def _query(kind: Kind[Record], name: str, **parts: Composable) -> Composed:
    """A query of sql/queries/names.sql for a kind's table; `columns`: the columns of its record, unless given."""
    columns = [field.name for field in fields(kind.record) if field.name not in _OF_THE_UPLOAD]  # type: ignore[arg-type]
    of_the_kind: dict[str, Composable] = {
        "table": Identifier(kind.table),
        "number": Identifier(f"{kind.key}_no"),
        "id": Identifier(f"{kind.key}_id"),
        "columns": SQL(", ").join(Identifier("snapshot", column) for column in columns),
    }
    return SQL(sql.load(name)).format(**{**of_the_kind, **parts})
