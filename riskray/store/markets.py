"""Markets in the database: the document, its curves by number, and the fixings that it reads."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import pyarrow as pa

import sql
from pricers.market.market import Market
from riskray.market.build import build_market
from riskray.market.fixings import decode
from riskray.market.stored import stored_market
from riskray.models.market_data import MarketDocument
from riskray.snapshots.content import SnapshotContent
from riskray.snapshots.kinds import FIXINGS, MARKETS, MarketRecord
from riskray.store import snapshots
from riskray.store.database import Connection, Database


@dataclass(frozen=True)
class MarketCurve:
    """One curve by number, so that arrays in results can be named by a join."""

    kind: Literal["discount", "spread", "hazard", "inflation"]
    curve_no: int
    name: str
    currency: str
    pillar_labels: tuple[str, ...]
    pillar_days: tuple[int, ...]
    zero_rates: tuple[float, ...]


def insert_market(database: Database, *, name: str, content: SnapshotContent, curves: Sequence[MarketCurve]) -> tuple[MarketRecord, bool]:
    """Store a market under a name, its content unless it is known. Returns as `snapshots.store`."""

    def fill(connection: Connection, market_no: int) -> None:
        parameters = [{"market_no": market_no, **_lists(curve)} for curve in curves]
        connection.cursor().executemany(sql.load("insert_market_curve"), parameters)

    return snapshots.store(database, MARKETS, name=name, content=content, fill=fill)


def read_market(database: Database, *, market_id: str) -> MarketDocument:
    """A stored market as it was uploaded. Raises NotFound."""
    return stored_market(snapshots.read_document(database, MARKETS, market_id))


def load_market(database: Database, *, market_id: str, base_currency: str) -> Market:
    """A stored market as arrays. Raises NotFound, and InvalidRequest for a base currency that the market does not know."""
    document = read_market(database, market_id=market_id)
    return build_market(document, base_currency=base_currency, fixings=read_market_fixings(database, document))


def read_market_fixings(database: Database, document: MarketDocument) -> pa.Table | None:
    """The fixing table that a stored document names by id, None where it names none. Raises NotFound."""
    return read_fixings(database, document.fixings) if isinstance(document.fixings, str) else None


def read_fixings(database: Database, fixings_id: str) -> pa.Table:
    """The rows of a stored fixing table. Raises NotFound."""
    return decode(snapshots.read_payload(database, FIXINGS, fixings_id))


def list_market_curves(database: Database, *, market_no: int) -> list[MarketCurve]:
    """Discount curves, then those of spreads, of hazard rates and of inflation, in the order of their numbers."""
    rows = database.fetch_all("list_market_curves", {"market_no": market_no})
    for row in rows:
        row.update({name: tuple(row[name]) for name in ("pillar_labels", "pillar_days", "zero_rates")})
    return [MarketCurve(**row) for row in rows]


def _lists(curve: MarketCurve) -> dict[str, object]:
    # A tuple is a record to psycopg, a list an array.
    return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(curve).items()}
