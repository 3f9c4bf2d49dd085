"""Scenario sets, market histories and hierarchies: snapshots of three kinds, each one row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeVar

import sql
from riskray.errors import NotFound
from riskray.models.tail_risk import Dimension
from riskray.store import snapshots
from riskray.store.database import Connection, Database
from riskray.store.snapshots import SnapshotKind

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


SCENARIO_SETS = SnapshotKind(
    "scenario set", prefix="scen", table="scenario_set", key="scenario_set", record=ScenarioSetRecord, used_by_runs=True
)
HISTORIES = SnapshotKind("market history", prefix="hist", table="market_history", key="history", record=HistoryRecord, used_by_runs=False)
HIERARCHIES = SnapshotKind("hierarchy", prefix="hier", table="hierarchy", key="hierarchy", record=HierarchyRecord, used_by_runs=False)


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
    """Store a scenario set under a name, its content unless it is known. Returns its record and whether the content is new.

    Args:
        name: which means this set from now on.
        content_hash: 32 bytes of SHA-256 over the moves. Two definitions that come to the same moves are the same set; the first stays.
        kind, definition: how it was made, `definition` as JSON text.
        market_id: the market that it was made against, None for a matrix of the user.
        payload: as `riskray.scenario.codec.encode` makes it.
    """
    parameters = {
        "scenario_set_id": SCENARIO_SETS.snapshot_id(content_hash), "name": name, "content_hash": content_hash, "kind": kind,
        "definition": definition, "market_id": market_id, "scenario_count": scenario_count, "factor_count": factor_count,
        "payload": payload,
    }  # fmt: skip
    return _insert(database, SCENARIO_SETS, "insert_scenario_set", parameters)


def get_scenario_set(database: Database, *, scenario_set: str) -> ScenarioSetRecord:
    """By id, or the last upload of a name. Raises NotFound."""
    return snapshots.get(database, SCENARIO_SETS, scenario_set)


def get_scenario_set_content(database: Database, *, scenario_set_no: int) -> tuple[str, bytes]:
    """The definition as JSON text, and the payload. Raises NotFound."""
    row = database.fetch_one("get_scenario_set_content", {"scenario_set_no": scenario_set_no})
    if row is None:
        raise NotFound("scenario set", str(scenario_set_no))
    return str(row["definition"]), bytes(row["payload"])


def list_scenario_sets(database: Database, *, offset: int, limit: int, name: str | None = None) -> tuple[list[ScenarioSetRecord], int]:
    """A page of uploads, newest first, and the length of the whole list."""
    return snapshots.list_uploads(database, SCENARIO_SETS, offset=offset, limit=limit, name=name)


def delete_scenario_set(database: Database, *, scenario_set: str) -> None:
    """As `snapshots.delete`. Raises NotFound, and Conflict when a run uses it."""
    snapshots.delete(database, SCENARIO_SETS, scenario_set)


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
    """Store a market history under a name, its content unless it is known; `payload`: as `riskray.scenario.history.encode` makes it."""
    parameters = {
        "history_id": HISTORIES.snapshot_id(content_hash), "name": name, "content_hash": content_hash, "factors": list(factors),
        "first_date": first_date, "last_date": last_date, "row_count": row_count, "payload": payload,
    }  # fmt: skip
    return _insert(database, HISTORIES, "insert_history", parameters)


def get_history(database: Database, *, history: str) -> HistoryRecord:
    """By id, or the last upload of a name. Raises NotFound."""
    return snapshots.get(database, HISTORIES, history)


def get_history_payload(database: Database, *, history_no: int) -> bytes:
    """The levels, for `riskray.scenario.history.decode`. Raises NotFound."""
    row = database.fetch_one("get_history_payload", {"history_no": history_no})
    if row is None:
        raise NotFound("market history", str(history_no))
    return bytes(row["payload"])


def list_histories(database: Database, *, offset: int, limit: int, name: str | None = None) -> tuple[list[HistoryRecord], int]:
    """A page of uploads, newest first, and the length of the whole list."""
    return snapshots.list_uploads(database, HISTORIES, offset=offset, limit=limit, name=name)


def delete_history(database: Database, *, history: str) -> None:
    """As `snapshots.delete`. Scenario sets made of it stay: they hold their moves. Raises NotFound."""
    snapshots.delete(database, HISTORIES, history)


def insert_hierarchy(
    database: Database, *, name: str, content_hash: bytes, dimension: Dimension, document: str
) -> tuple[HierarchyRecord, bool]:
    """Store a hierarchy under a name, its content unless it is known.

    `document`: its canonical JSON text, `content_hash`: SHA-256 over it.
    """
    parameters = {
        "hierarchy_id": HIERARCHIES.snapshot_id(content_hash), "name": name, "content_hash": content_hash, "dimension": dimension,
        "document": document,
    }  # fmt: skip
    return _insert(database, HIERARCHIES, "insert_hierarchy", parameters)


def get_hierarchy(database: Database, *, hierarchy: str) -> HierarchyRecord:
    """By id, or the last upload of a name. Raises NotFound."""
    return snapshots.get(database, HIERARCHIES, hierarchy)


def get_hierarchy_document(database: Database, *, hierarchy_no: int) -> str:
    """The JSON text as it was stored. Raises NotFound."""
    row = database.fetch_one("get_hierarchy_document", {"hierarchy_no": hierarchy_no})
    if row is None:
        raise NotFound("hierarchy", str(hierarchy_no))
    return str(row["document"])


def list_hierarchies(database: Database, *, offset: int, limit: int, name: str | None = None) -> tuple[list[HierarchyRecord], int]:
    """A page of uploads, newest first, and the length of the whole list."""
    return snapshots.list_uploads(database, HIERARCHIES, offset=offset, limit=limit, name=name)


def delete_hierarchy(database: Database, *, hierarchy: str) -> None:
    """As `snapshots.delete`. Raises NotFound."""
    snapshots.delete(database, HIERARCHIES, hierarchy)


def _insert(database: Database, kind: SnapshotKind[Record], query: str, parameters: Mapping[str, Any]) -> tuple[Record, bool]:
    def insert(connection: Connection) -> int | None:
        row = connection.execute(sql.load(query), parameters).fetchone()
        return None if row is None else int(row["snapshot_no"])

    return snapshots.store(database, kind, name=parameters["name"], content_hash=parameters["content_hash"], insert=insert)
