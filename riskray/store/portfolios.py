"""Portfolio snapshots: contracts as Arrow batches, one narrow row a position for joins, and what market data they name."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import pyarrow as pa

import sql
from riskray.engine.plan import PositionRange, ProductRange, Requirement
from riskray.errors import NotFound
from riskray.portfolio.batches import PortfolioBatch
from riskray.snapshots.content import SnapshotContent
from riskray.snapshots.kinds import PORTFOLIOS, PortfolioRecord
from riskray.store import arrow, snapshots
from riskray.store.database import Connection, Database

POSITION_SCHEMA = pa.schema(
    [
        pa.field("position_no", pa.int32(), nullable=False),
        *(pa.field(name, pa.string(), nullable=False) for name in ("position_id", "product", "book", "counterparty", "currency")),
        pa.field("notional", pa.float64(), nullable=False),
    ]
)
"""`position_no` is dense from 0; positions of one product are contiguous."""

ANALYZE_POSITIONS_MIN = 10_000  # takes about 0.1 s; below, the planner's guesses do no harm
POSITION_NO_END = 2**31 - 1  # past every position


def insert_portfolio(
    database: Database,
    *,
    name: str,
    content_hash: bytes,
    positions: pa.Table,
    batches: Sequence[PortfolioBatch],
    requirements: Sequence[Requirement],
    rejected_count: int = 0,
    reader_version: int | None = None,
) -> tuple[PortfolioRecord, bool]:
    """Store a portfolio under a name, its content unless it is known: all of it or nothing.

    Returns the record under this name and whether its content is new; see `snapshots.store`. `reader_version`: of the reader that read
    the file. Raises ValueError when the batches do not cover the positions.
    """
    if sum(batch.numbers.count for batch in batches) != positions.num_rows:
        raise ValueError(
            f"{len(batches)} batches hold {sum(b.numbers.count for b in batches)} contracts, but there are {positions.num_rows} positions"
        )

    def fill(connection: Connection, portfolio_no: int) -> None:
        _insert_content(connection, portfolio_no, positions, batches, requirements)

    content = SnapshotContent(content_hash, {"position_count": positions.num_rows, "rejected_count": rejected_count})
    record, created = snapshots.store(database, PORTFOLIOS, name=name, content=content, fill=fill, reader_version=reader_version)
    if created and record.position_count >= ANALYZE_POSITIONS_MIN:
        database.execute("analyze_positions")
    return record, created


def read_batches(database: Database, *, portfolio_no: int, numbers: PositionRange) -> list[PortfolioBatch]:
    """The batches that hold any of these positions, in order."""
    rows = database.fetch_all("read_batches", {"portfolio_no": portfolio_no, **numbers.parameters})
    return [PortfolioBatch(row["product"], PositionRange(row["first_position_no"], row["row_count"]), row["payload"]) for row in rows]


def read_products(database: Database, *, portfolio_no: int) -> list[ProductRange]:
    """The portfolio's products in order of position_no."""
    rows = database.fetch_all("read_products", {"portfolio_no": portfolio_no})
    return [ProductRange(row["product"], PositionRange(row["first_position_no"], row["row_count"])) for row in rows]


def read_requirements(database: Database, *, portfolio_no: int) -> list[Requirement]:
    """What market data the portfolio names."""
    return [Requirement(**row) for row in database.fetch_all("read_requirements", {"portfolio_no": portfolio_no})]


def count_positions(database: Database, *, portfolio_no: int) -> list[dict[str, Any]]:
    """product, book, currency and position_count of every group of the portfolio."""
    return database.fetch_all("count_positions", {"portfolio_no": portfolio_no})


def read_positions(database: Database, *, portfolio_no: int, after_position_no: int = -1, limit: int) -> pa.Table:
    """A page of narrow rows (POSITION_SCHEMA) in order of position_no."""
    parameters = {"portfolio_no": portfolio_no, "after_position_no": after_position_no, "limit": limit}
    return arrow.read(database, "read_positions", parameters).cast(POSITION_SCHEMA)


@contextmanager
def stream_positions(database: Database, *, portfolio_no: int) -> Generator[pa.RecordBatchReader, None, None]:
    """All narrow rows in order of position_no, streamed."""
    parameters = {"portfolio_no": portfolio_no, "after_position_no": -1, "limit": None}
    with arrow.stream(database, "read_positions", parameters) as reader:
        yield reader


def find_position(database: Database, *, portfolio_no: int, position_id: str, within: str) -> dict[str, Any]:
    """The narrow row of one position. Raises NotFound; `within`: whose position it is asked for as, in its words."""
    row = database.fetch_one("find_position", {"portfolio_no": portfolio_no, "position_id": position_id})
    if row is None:
        raise NotFound("position", position_id, within)
    return row


def _insert_content(
    connection: Connection,
    portfolio_no: int,
    positions: pa.Table,
    batches: Sequence[PortfolioBatch],
    requirements: Sequence[Requirement],
) -> None:
    arrow.copy_in(connection, "copy_positions", positions, schema=POSITION_SCHEMA, keys={"portfolio_no": portfolio_no})
    with connection.cursor() as cursor:
        cursor.executemany(
            sql.load("insert_portfolio_batch"),
            [
                {
                    "portfolio_no": portfolio_no,
                    "batch_no": number,
                    "product": batch.product,
                    "payload": batch.payload,
                    "first_position_no": batch.numbers.first,
                    "row_count": batch.numbers.count,
                }
                for number, batch in enumerate(batches)
            ],
        )
        cursor.executemany(
            sql.load("insert_portfolio_requirement"),
            [{"portfolio_no": portfolio_no, **asdict(requirement)} for requirement in requirements],
        )
