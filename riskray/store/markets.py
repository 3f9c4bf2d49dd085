"""Market snapshots, and their curves by number."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Literal

import sql
from riskray.errors import NotFound
from riskray.store import snapshots
from riskray.store.database import Connection, Database
from riskray.store.snapshots import SnapshotKind


@dataclass(frozen=True)
class MarketCurve:
    """One curve by number, so that arrays in results can be named by a join."""

    kind: Literal["discount", "spread"]
    curve_no: int
    name: str
    currency: str
    pillar_labels: tuple[str, ...]
    pillar_days: tuple[int, ...]
    zero_rates: tuple[float, ...]


@dataclass(frozen=True)
class MarketRecord:
    """A stored market without its document, under one of its names; `created_at`: of the upload under this name."""

    market_no: int
    market_id: str
    name: str
    version: int
    as_of: date
    content_hash: bytes
    created_at: datetime


MARKETS = SnapshotKind("market", prefix="mkt", table="market_snapshot", key="market", record=MarketRecord, used_by_runs=True)


def insert_market(
    database: Database, *, name: str, as_of: date, content_hash: bytes, document: str, curves: Sequence[MarketCurve]
) -> tuple[MarketRecord, bool]:
    """Store a market under a name, its content unless it is known.

    `document`: its canonical JSON text; `content_hash`: 32 bytes of SHA-256 over it. Returns the record under this name and whether its
    content is new; see `snapshots.store`. Any number of processes may do this at once.
    """

    def insert(connection: Connection) -> int | None:
        row = connection.execute(
            sql.load("insert_market"),
            {
                "market_id": MARKETS.snapshot_id(content_hash), "name": name, "as_of": as_of, "content_hash": content_hash,
                "document": document,
            },
        ).fetchone()  # fmt: skip
        if row is None:
            return None
        parameters = [{"market_no": row["snapshot_no"], **_lists(curve)} for curve in curves]
        connection.cursor().executemany(sql.load("insert_market_curve"), parameters)
        return int(row["snapshot_no"])

    return snapshots.store(database, MARKETS, name=name, content_hash=content_hash, insert=insert)


def get_market(database: Database, *, market: str) -> MarketRecord:
    """By id, or the last upload of a name. Raises NotFound."""
    return snapshots.get(database, MARKETS, market)


def get_market_document(database: Database, *, market_id: str) -> str:
    """The JSON text as it was stored. Raises NotFound."""
    row = database.fetch_one("get_market_document", {"market_id": market_id})
    if row is None:
        raise NotFound("market", market_id)
    return str(row["document"])


def list_market_curves(database: Database, *, market_no: int) -> list[MarketCurve]:
    """Discount curves, then spread curves, in the order of their numbers."""
    rows = database.fetch_all("list_market_curves", {"market_no": market_no})
    for row in rows:
        row.update({name: tuple(row[name]) for name in ("pillar_labels", "pillar_days", "zero_rates")})
    return [MarketCurve(**row) for row in rows]


def list_markets(database: Database, *, offset: int, limit: int, name: str | None = None) -> tuple[list[MarketRecord], int]:
    """A page of uploads, newest first, and the length of the whole list."""
    return snapshots.list_uploads(database, MARKETS, offset=offset, limit=limit, name=name)


def delete_market(database: Database, *, market: str) -> None:
    """As `snapshots.delete`. Raises NotFound, and Conflict when a run uses it."""
    snapshots.delete(database, MARKETS, market)


def _lists(curve: MarketCurve) -> dict[str, object]:
    # A tuple is a record to psycopg, a list an array.
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(curve).items()}
