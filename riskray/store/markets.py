"""Market snapshots: immutable, known by the hash of their content, numbered under their name."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Literal

import sql
from riskray.errors import Conflict, NotFound
from riskray.store.database import Database


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
    """A stored market without its document."""

    market_no: int
    market_id: str
    name: str
    version: int
    as_of: date
    content_hash: bytes
    created_at: datetime


def insert_market(
    database: Database, *, name: str, as_of: date, content_hash: bytes, document: str, curves: Sequence[MarketCurve]
) -> tuple[MarketRecord, bool]:
    """Store a market unless its content is known. `document`: its canonical JSON text; `content_hash`: 32 bytes of SHA-256 over it.

    Answers the record and whether it is new. The same content is the same snapshot, whatever the name; new content under a known name
    is its next version. Any number of processes may do this at once.
    """

    def insert() -> tuple[MarketRecord, bool]:
        with database.transaction() as connection:
            connection.execute(sql.load("lock_snapshot_name"), {"kind": "market", "name": name})
            row = connection.execute(
                sql.load("insert_market"),
                {
                    "market_id": f"mkt-{content_hash.hex()[:16]}", "name": name, "as_of": as_of,
                    "content_hash": content_hash, "document": document,
                },
            ).fetchone()  # fmt: skip
            if row is None:
                known = connection.execute(sql.load("get_market_by_hash"), {"content_hash": content_hash}).fetchone()
                if known is None:
                    raise Conflict(f"another market has the id mkt-{content_hash.hex()[:16]}; change the document by a byte")
                return MarketRecord(**known), False
            parameters = [{"market_no": row["market_no"], **_lists(curve)} for curve in curves]
            connection.cursor().executemany(sql.load("insert_market_curve"), parameters)
            return MarketRecord(**row), True

    return database.retrying(insert)


def get_market(database: Database, *, market: str) -> MarketRecord:
    """By id, or the newest version of a name. Raises NotFound."""
    row = database.fetch_one("get_market", {"market": market})
    if row is None:
        raise NotFound("market", market)
    return MarketRecord(**row)


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
    """A page, newest first, and the length of the whole list."""
    rows = database.fetch_all("list_markets", {"offset": offset, "limit": limit, "name": name})
    if not rows:
        return [], (database.fetch_one("count_markets", {"name": name}) or {"total": 0})["total"]
    total = rows[0]["total"]
    return [MarketRecord(**{key: value for key, value in row.items() if key != "total"}) for row in rows], total


def delete_market(database: Database, *, market: str) -> None:
    """Raises NotFound, and Conflict when a run uses it."""
    record = get_market(database, market=market)
    with database.transaction() as connection:
        connection.execute(sql.load("lock_market"), {"market_no": record.market_no})
        used = connection.execute(sql.load("find_run_of_market"), {"market_no": record.market_no}).fetchone()
        if used is not None:
            raise Conflict(f"market {record.market_id} is used by run {used['run_id']}; delete its runs first")
        connection.execute(sql.load("delete_market"), {"market_no": record.market_no})


def _lists(curve: MarketCurve) -> dict[str, object]:
    # A tuple is a record to psycopg, a list an array.
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(curve).items()}
