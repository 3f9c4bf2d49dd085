"""Scenario sets, market histories and hierarchies: immutable, known by the hash of their content, numbered under their name."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

import sql
from riskray.errors import Conflict, NotFound
from riskray.models.tail_risk import Dimension
from riskray.store.database import Database

Record = TypeVar("Record")


@dataclass(frozen=True)
class ScenarioSetRecord:
    """A stored scenario set without its moves."""

    scenario_set_no: int
    scenario_set_id: str
    name: str
    version: int
    content_hash: bytes
    kind: str
    market_id: str | None
    scenario_count: int
    factor_count: int
    created_at: datetime


@dataclass(frozen=True)
class HistoryRecord:
    """A stored market history without its levels."""

    history_no: int
    history_id: str
    name: str
    version: int
    content_hash: bytes
    factors: list[str]
    first_date: date
    last_date: date
    row_count: int
    created_at: datetime


@dataclass(frozen=True)
class HierarchyRecord:
    """A stored hierarchy without its tree."""

    hierarchy_no: int
    hierarchy_id: str
    name: str
    version: int
    content_hash: bytes
    dimension: Dimension
    created_at: datetime


def insert_scenario_set(
    database: Database,
    *,
    name: str,
    content_hash: bytes,
    kind: str,
    definition: str,
    market_id: str | None,
    scenario_count: int,
    factor_count: int,
    payload: bytes,
) -> tuple[ScenarioSetRecord, bool]:
    """Store a scenario set unless its content is known; answers the record and whether it is new.

    Args:
        name: under which versions are counted.
        content_hash: 32 bytes of SHA-256 over the moves. Two definitions that come to the same moves are the same set; the first stays.
        kind, definition: how it was made, `definition` as JSON text.
        market_id: the market that it was made against, None for a matrix of the user.
        payload: as `riskray.scenario.codec.encode` makes it.
    """
    parameters = {
        "scenario_set_id": f"scen-{content_hash.hex()[:16]}", "name": name, "content_hash": content_hash, "kind": kind,
        "definition": definition, "market_id": market_id, "scenario_count": scenario_count, "factor_count": factor_count,
        "payload": payload,
    }  # fmt: skip
    return _insert(database, "insert_scenario_set", "get_scenario_set_by_hash", "scenario set", parameters, ScenarioSetRecord)


def get_scenario_set(database: Database, *, scenario_set: str) -> ScenarioSetRecord:
    """By id, or the newest version of a name. Raises NotFound."""
    return _get(database, "get_scenario_set", "scenario set", scenario_set, ScenarioSetRecord)


def get_scenario_set_content(database: Database, *, scenario_set_no: int) -> tuple[str, bytes]:
    """The definition as JSON text, and the payload. Raises NotFound."""
    row = database.fetch_one("get_scenario_set_content", {"scenario_set_no": scenario_set_no})
    if row is None:
        raise NotFound("scenario set", str(scenario_set_no))
    return str(row["definition"]), bytes(row["payload"])


def list_scenario_sets(database: Database, *, offset: int, limit: int, name: str | None = None) -> tuple[list[ScenarioSetRecord], int]:
    """A page, newest first, and the length of the whole list."""
    return _list(database, "list_scenario_sets", "count_scenario_sets", offset, limit, name, ScenarioSetRecord)


def delete_scenario_set(database: Database, *, scenario_set: str) -> None:
    """Raises NotFound, and Conflict when a run uses it."""
    record = get_scenario_set(database, scenario_set=scenario_set)
    key = {"scenario_set_no": record.scenario_set_no}
    with database.transaction() as connection:
        connection.execute(sql.load("lock_scenario_set"), key)
        used = connection.execute(sql.load("find_run_of_scenario_set"), key).fetchone()
        if used is not None:
            raise Conflict(f"scenario set {record.scenario_set_id} is used by run {used['run_id']}; delete its runs first")
        connection.execute(sql.load("delete_scenario_set"), key)


def insert_history(
    database: Database,
    *,
    name: str,
    content_hash: bytes,
    factors: Sequence[str],
    first_date: date,
    last_date: date,
    row_count: int,
    payload: bytes,
) -> tuple[HistoryRecord, bool]:
    """Store a market history unless its content is known; `payload`: as `riskray.scenario.history.encode` makes it."""
    parameters = {
        "history_id": f"hist-{content_hash.hex()[:16]}", "name": name, "content_hash": content_hash, "factors": list(factors),
        "first_date": first_date, "last_date": last_date, "row_count": row_count, "payload": payload,
    }  # fmt: skip
    return _insert(database, "insert_history", "get_history_by_hash", "market history", parameters, HistoryRecord)


def get_history(database: Database, *, history: str) -> HistoryRecord:
    """By id, or the newest version of a name. Raises NotFound."""
    return _get(database, "get_history", "market history", history, HistoryRecord)


def get_history_payload(database: Database, *, history_no: int) -> bytes:
    """The levels, for `riskray.scenario.history.decode`. Raises NotFound."""
    row = database.fetch_one("get_history_payload", {"history_no": history_no})
    if row is None:
        raise NotFound("market history", str(history_no))
    return bytes(row["payload"])


def list_histories(database: Database, *, offset: int, limit: int, name: str | None = None) -> tuple[list[HistoryRecord], int]:
    """A page, newest first, and the length of the whole list."""
    return _list(database, "list_histories", "count_histories", offset, limit, name, HistoryRecord)


def delete_history(database: Database, *, history: str) -> None:
    """Scenario sets made of it stay: they hold their moves. Raises NotFound."""
    database.execute("delete_history", {"history_no": get_history(database, history=history).history_no})


def insert_hierarchy(
    database: Database, *, name: str, content_hash: bytes, dimension: Dimension, document: str
) -> tuple[HierarchyRecord, bool]:
    """Store a hierarchy unless its content is known; `document`: its canonical JSON text, `content_hash`: SHA-256 over it."""
    parameters = {
        "hierarchy_id": f"hier-{content_hash.hex()[:16]}", "name": name, "content_hash": content_hash, "dimension": dimension,
        "document": document,
    }  # fmt: skip
    return _insert(database, "insert_hierarchy", "get_hierarchy_by_hash", "hierarchy", parameters, HierarchyRecord)


def get_hierarchy(database: Database, *, hierarchy: str) -> HierarchyRecord:
    """By id, or the newest version of a name. Raises NotFound."""
    return _get(database, "get_hierarchy", "hierarchy", hierarchy, HierarchyRecord)


def get_hierarchy_document(database: Database, *, hierarchy_no: int) -> str:
    """The JSON text as it was stored. Raises NotFound."""
    row = database.fetch_one("get_hierarchy_document", {"hierarchy_no": hierarchy_no})
    if row is None:
        raise NotFound("hierarchy", str(hierarchy_no))
    return str(row["document"])


def list_hierarchies(database: Database, *, offset: int, limit: int, name: str | None = None) -> tuple[list[HierarchyRecord], int]:
    """A page, newest first, and the length of the whole list."""
    return _list(database, "list_hierarchies", "count_hierarchies", offset, limit, name, HierarchyRecord)


def delete_hierarchy(database: Database, *, hierarchy: str) -> None:
    """Raises NotFound."""
    database.execute("delete_hierarchy", {"hierarchy_no": get_hierarchy(database, hierarchy=hierarchy).hierarchy_no})


def _insert(
    database: Database, insert: str, find: str, kind: str, parameters: Mapping[str, Any], record: Callable[..., Record]
) -> tuple[Record, bool]:
    """The same content is the same record, whatever the name; new content under a known name is its next version."""

    def attempt() -> tuple[Record, bool]:
        with database.transaction() as connection:
            connection.execute(sql.load("lock_snapshot_name"), {"kind": kind, "name": parameters["name"]})
            row = connection.execute(sql.load(insert), parameters).fetchone()
            if row is not None:
                return record(**row), True
            known = connection.execute(sql.load(find), {"content_hash": parameters["content_hash"]}).fetchone()
            if known is None:
                raise Conflict(f"another {kind} has the id of {parameters['content_hash'].hex()[:16]}; change its content by a digit")
            return record(**known), False

    return database.retrying(attempt)


def _get(database: Database, query: str, kind: str, key: str, record: Callable[..., Record]) -> Record:
    row = database.fetch_one(query, {"key": key})
    if row is None:
        raise NotFound(kind, key)
    return record(**row)


def _list(
    database: Database, query: str, count: str, offset: int, limit: int, name: str | None, record: Callable[..., Record]
) -> tuple[list[Record], int]:
    rows = database.fetch_all(query, {"offset": offset, "limit": limit, "name": name})
    if not rows:
        return [], (database.fetch_one(count, {"name": name}) or {"total": 0})["total"]
    total = rows[0]["total"]
    return [record(**{key: value for key, value in row.items() if key != "total"}) for row in rows], total
