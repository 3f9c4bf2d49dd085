"""The stored content of each kind of snapshot: the hash that identifies it, and the columns that contain or describe it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pricers.time.dates import to_date
from riskray.market import fixings
from riskray.market.reader import canonical_json
from riskray.market.reader import content_hash as market_hash
from riskray.models.hierarchy import HierarchyDocument
from riskray.models.market_data import MarketDocument
from riskray.models.scenario import ScenarioDefinition
from riskray.scenario import codec, history
from riskray.scenario.codec import ScenarioMatrix
from riskray.scenario.history import History


@dataclass(frozen=True)
class SnapshotContent:
    """A snapshot before it has a name.

    Attributes:
        content_hash: 32 bytes of SHA-256: the same hash is the same snapshot.
        columns: columns of the kind's table beyond those that every kind has.
    """

    content_hash: bytes
    columns: Mapping[str, Any]


def market_content(document: MarketDocument) -> SnapshotContent:
    """A checked market; its canonical JSON text is hashed. A fixing table that it names is named by id."""
    fixings_id = document.fixings if isinstance(document.fixings, str) else None
    columns = {"as_of": document.as_of, "document": canonical_json(document), "fixings_id": fixings_id}
    return SnapshotContent(market_hash(document), columns)


def fixings_content(table: pa.Table) -> SnapshotContent:
    """A checked table of fixings, not empty; all its columns are hashed."""
    dates = pc.min_max(table.column("fixing_date")).as_py()
    columns = {
        "indices": sorted(pc.unique(table.column("index").cast(pa.string())).to_pylist()), "first_date": dates["min"],
        "last_date": dates["max"], "row_count": table.num_rows, "payload": fixings.encode(table),
    }  # fmt: skip
    return SnapshotContent(fixings.content_hash(table), columns)


def scenario_set_content(definition: ScenarioDefinition, matrix: ScenarioMatrix, *, market_id: str | None) -> SnapshotContent:
    """Moves and their definition; only the moves are hashed, so two definitions that give the same moves are the same set.

    `market_id`: id of the market against which it was compiled, None for an uploaded matrix without a market.
    """
    columns = {
        "kind": definition.kind, "definition": definition.model_dump_json(), "market_id": market_id,
        "scenario_count": len(matrix.labels), "factor_count": len(matrix.factors), "payload": codec.encode(matrix),
    }  # fmt: skip
    return SnapshotContent(codec.content_hash(matrix), columns)


def history_content(levels: History) -> SnapshotContent:
    """A checked history; its levels are hashed."""
    columns = {
        "factors": list(levels.factors), "first_date": to_date(int(levels.dates[0])), "last_date": to_date(int(levels.dates[-1])),
        "row_count": levels.dates.size, "payload": history.encode(levels),
    }  # fmt: skip
    return SnapshotContent(history.content_hash(levels), columns)


def hierarchy_content(document: HierarchyDocument) -> SnapshotContent:
    """A checked tree; its JSON text is hashed, with children in order of their names."""
    text = document.model_copy(update={"parents": dict(sorted(document.parents.items()))}).model_dump_json()
    return SnapshotContent(hashlib.sha256(text.encode()).digest(), {"dimension": document.dimension, "document": text})
