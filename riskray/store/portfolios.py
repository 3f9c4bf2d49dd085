"""Portfolio snapshots: contracts as Arrow batches, one narrow row a position for joins, and what market data they name."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

import sql
from riskray.engine.plan import PositionRange, ProductRange, Requirement
from riskray.errors import Conflict, NotFound
from riskray.portfolio.batches import PortfolioBatch
from riskray.store import arrow
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


@dataclass(frozen=True)
class PortfolioRecord:
    """A stored portfolio without its positions."""

    portfolio_no: int
    portfolio_id: str
    name: str
    version: int
    content_hash: bytes
    position_count: int
    rejected_count: int
    created_at: datetime


def insert_portfolio(
    database: Database,
    *,
    name: str,
    content_hash: bytes,
    positions: pa.Table,
    batches: Sequence[PortfolioBatch],
    requirements: Sequence[Requirement],
    rejected_count: int = 0,
) -> tuple[PortfolioRecord, bool]:
    """Store a portfolio unless its content is known: all of it or nothing.

    Answers the record and whether it is new. The same content is the same snapshot, whatever the name; new content under a known name
    is its next version. Raises ValueError when the batches do not cover the positions.
    """
    if sum(batch.numbers.count for batch in batches) != positions.num_rows:
        raise ValueError(
            f"{len(batches)} batches hold {sum(b.numbers.count for b in batches)} contracts, but there are {positions.num_rows} positions"
        )
    portfolio_id = f"pf-{content_hash.hex()[:16]}"

    def insert() -> tuple[PortfolioRecord, bool]:
        with database.transaction() as connection:
            connection.execute(sql.load("lock_snapshot_name"), {"kind": "portfolio", "name": name})
            row = connection.execute(
                sql.load("insert_portfolio"),
                {
                    "portfolio_id": portfolio_id, "name": name, "content_hash": content_hash,
                    "position_count": positions.num_rows, "rejected_count": rejected_count,
                },
            ).fetchone()  # fmt: skip
            if row is None:
                known = connection.execute(sql.load("get_portfolio_by_hash"), {"content_hash": content_hash}).fetchone()
                if known is None:
                    raise Conflict(f"another portfolio has the id {portfolio_id}; change the file by a byte")
                return PortfolioRecord(**known), False
            record = PortfolioRecord(**row)
            _insert_content(connection, record.portfolio_no, positions, batches, requirements)
            return record, True

    record, created = database.retrying(insert)
    if created and record.position_count >= ANALYZE_POSITIONS_MIN:
        database.execute("analyze_positions")
    return record, created


def get_portfolio(database: Database, *, portfolio: str) -> PortfolioRecord:
    """By id, or the newest version of a name. Raises NotFound."""
    row = database.fetch_one("get_portfolio", {"portfolio": portfolio})
    if row is None:
        raise NotFound("portfolio", portfolio)
    return PortfolioRecord(**row)


def list_portfolios(database: Database, *, offset: int, limit: int, name: str | None = None) -> tuple[list[PortfolioRecord], int]:
    """A page, newest first, and the length of the whole list."""
    rows = database.fetch_all("list_portfolios", {"offset": offset, "limit": limit, "name": name})
    if not rows:
        return [], (database.fetch_one("count_portfolios", {"name": name}) or {"total": 0})["total"]
    total = rows[0]["total"]
    return [PortfolioRecord(**{key: value for key, value in row.items() if key != "total"}) for row in rows], total


def delete_portfolio(database: Database, *, portfolio: str) -> None:
    """Raises NotFound, and Conflict when a run uses it."""
    record = get_portfolio(database, portfolio=portfolio)
    with database.transaction() as connection:
        connection.execute(sql.load("lock_portfolio"), {"portfolio_no": record.portfolio_no})
        used = connection.execute(sql.load("find_run_of_portfolio"), {"portfolio_no": record.portfolio_no}).fetchone()
        if used is not None:
            raise Conflict(f"portfolio {record.portfolio_id} is used by run {used['run_id']}; delete its runs first")
        connection.execute(sql.load("delete_portfolio"), {"portfolio_no": record.portfolio_no})
        connection.execute(sql.load("delete_positions"), {"portfolio_no": record.portfolio_no})


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
