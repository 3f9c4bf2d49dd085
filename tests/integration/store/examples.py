"""Small markets, portfolios, runs and result tables whose numbers follow from the position number."""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from pricers.market.factors import Factor, FactorKind
from riskray.engine.plan import PositionRange, ProductRange, Requirement
from riskray.engine.result_schema import FAILURE_SCHEMA, RESULT_SCHEMA, ROLLUP_SCHEMA, SENSITIVITY_SCHEMA
from riskray.models.run import ALL_MEASURES, Run
from riskray.portfolio.batches import PortfolioBatch
from riskray.snapshots.content import SnapshotContent
from riskray.snapshots.kinds import MarketRecord, PortfolioRecord
from riskray.store.database import Database
from riskray.store.ledger import ClaimedRun, Shard, ShardCommit, ShardContent, claim_run
from riskray.store.markets import MarketCurve, insert_market
from riskray.store.portfolios import POSITION_SCHEMA, insert_portfolio
from riskray.store.runs import NewRun, insert_run

BOOKS, CURRENCIES = ("ALPHA", "BETA"), ("EUR", "USD")
LEASE_S = 30.0
FACTORS = (
    Factor(FactorKind.RATE, "EUR-ESTR", "base currency", 1e-4, ("1Y", "2Y"), (365, 731), is_sparse=False),
    Factor(FactorKind.CURRENCY, "EUR", "base currency", 0.01, ("EUR",), None, is_sparse=False),
    Factor(FactorKind.INFLATION, "surface", "base currency", 1e-4, tuple(f"{n}Y" for n in range(9)), None, is_sparse=True),
)


def content_hash(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def store_market(database: Database, name: str = "close", document: str = '{"curves":[]}') -> tuple[MarketRecord, bool]:
    curve = MarketCurve("discount", 0, "EUR-ESTR", "EUR", ("1Y", "2Y"), (365, 731), (0.02, 0.021))
    content = SnapshotContent(content_hash(document), {"as_of": date(2024, 6, 3), "document": document})
    return insert_market(database, name=name, content=content, curves=[curve])


def positions_table(count: int) -> pa.Table:
    number = np.arange(count)
    columns = [
        number, [f"P{n:06d}" for n in number], ["FIXED_BOND"] * count, [BOOKS[n % 2] for n in number], ["CPTY"] * count,
        [CURRENCIES[n // 2 % 2] for n in number], 1000.0 + number,
    ]  # fmt: skip
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, POSITION_SCHEMA, strict=True)], schema=POSITION_SCHEMA)


def store_portfolio(
    database: Database, *, count: int = 10, name: str = "desk", salt: str = "", content: str = "", **more: Any
) -> tuple[PortfolioRecord, bool]:
    """`content`: what its hash is taken of; by default of the other arguments. `more`: of `insert_portfolio`."""
    half = max(1, count // 2)
    sizes = [half, count - half] if count > half else [half]
    batches = [PortfolioBatch("FIXED_BOND", PositionRange(sum(sizes[:i]), size), f"batch {i}".encode()) for i, size in enumerate(sizes)]
    requirement = Requirement("FIXED_BOND", "discount_curve", "EUR-ESTR", "EUR", count, 1000.0 * count)
    return insert_portfolio(
        database, name=name, content_hash=content_hash(content or f"{name} {count} {salt}"), positions=positions_table(count),
        batches=batches, requirements=[requirement], **more,
    )  # fmt: skip


def new_run(database: Database, *, count: int = 10, executor: str = "pool") -> NewRun:
    market, _ = store_market(database)
    portfolio, _ = store_portfolio(database, count=count)
    return NewRun(
        name="test", executor=executor, market_no=market.market_no, portfolio_no=portfolio.portfolio_no, base_currency="USD",
        measures=[measure.value for measure in ALL_MEASURES], rows_per_shard=5, position_count=count,
        preflight={"position_count": count, "affected_position_count_max": 0, "gaps": []},
    )  # fmt: skip


def shards_of(count: int, rows_per_shard: int = 5) -> list[ProductRange]:
    return [
        ProductRange("FIXED_BOND", PositionRange(first, min(rows_per_shard, count - first))) for first in range(0, count, rows_per_shard)
    ]


def store_run(database: Database, *, count: int = 10, rows_per_shard: int = 5, executor: str = "pool") -> Run:
    shards = shards_of(count, rows_per_shard)
    return insert_run(database, new_run(database, count=count, executor=executor), shards=shards, factors=FACTORS)[0]


def claim(database: Database, *, lease_s: float = LEASE_S) -> ClaimedRun:
    claimed = claim_run(database, owner=uuid4(), lease_s=lease_s)
    assert claimed is not None
    return claimed


@dataclass(frozen=True)
class Content:
    """What a shard computed."""

    results: pa.Table
    failures: pa.Table


def content_of(shard: Shard | ProductRange, *, failed: frozenset[int] = frozenset()) -> Content:
    """Rows whose pv is twice the position number; positions in `failed` have no price."""
    numbers = range(shard.numbers.first, shard.numbers.end)
    priced = [n for n in numbers if n not in failed]
    columns: dict[str, list[object]] = {name: [None] * len(priced) for name in RESULT_SCHEMA.names}
    columns |= {
        "position_no": list(priced), "pv": [2.0 * n for n in priced], "pv_base": [3.0 * n for n in priced],
        "factor_nos": [[0, 1] for _ in priced], "sensitivities": [[0.1, 0.2 * n, 0.5 * n] for n in priced],
    }  # fmt: skip
    bad = [n for n in numbers if n in failed]
    failures = {
        "position_no": bad, "code": ["MATURED"] * len(bad), "message": [f"position {n} has matured" for n in bad],
        "remedy": ["drop it"] * len(bad),
    }  # fmt: skip
    return Content(pa.table(columns, schema=RESULT_SCHEMA), pa.table(failures, schema=FAILURE_SCHEMA))


def commit(database: Database, run: ClaimedRun, shard: Shard, *, failed: frozenset[int] = frozenset(), epoch: int | None = None) -> bool:
    content = content_of(shard, failed=failed)
    rows = ShardContent(content.results, content.failures, exact_sums=f"sums {shard.shard_no}".encode(), seconds={"value": 0.5})
    return ShardCommit(
        database, run_no=run.run_no, storage_no=run.storage_no, epoch=run.epoch if epoch is None else epoch, shard_no=shard.shard_no,
        content=rows,
    ).commit()  # fmt: skip


def rollup_tables() -> dict[str, pa.Table]:
    """Sums by book, product and currency that are easy to add up."""
    groups = {"book": ["ALPHA", "ALPHA", "BETA"], "product": ["FIXED_BOND"] * 3, "currency": ["EUR", "USD", "EUR"]}
    sums = {name: [1.0, 10.0, 100.0] for name in ROLLUP_SCHEMA.names[5:]}
    return {
        "rollups": pa.table({**groups, "ok_count": [1, 2, 3], "failed_count": [0, 1, 0], **sums}, schema=ROLLUP_SCHEMA),
        "sensitivities": pa.table(
            {
                "book": ["ALPHA", "ALPHA", "BETA", "BETA"],
                "product": ["FIXED_BOND"] * 4,
                "factor_no": [0, 1, 0, 2],
                "sensitivities": [[-1.0, -3.0], [11.0], [-2.0, -4.0], [2.0, 3.0, 0.5, 7.0, 0.25]],
            },
            schema=SENSITIVITY_SCHEMA,
        ),
    }


def true_rollups(count: int) -> dict[str, pa.Table]:
    """The sums of `content_of` over a portfolio of `count` positions, none of them failed."""
    groups = [(book, currency, [n for n in range(count) if (BOOKS[n % 2], CURRENCIES[n // 2 % 2]) == (book, currency)])
              for book in BOOKS for currency in CURRENCIES]  # fmt: skip
    columns = {
        "book": [book for book, _, _ in groups], "currency": [currency for _, currency, _ in groups],
        "product": ["FIXED_BOND"] * len(groups), "ok_count": [len(numbers) for _, _, numbers in groups], "failed_count": [0] * len(groups),
        "pv": [2.0 * sum(numbers) for _, _, numbers in groups], "pv_base": [3.0 * sum(numbers) for _, _, numbers in groups],
    }  # fmt: skip
    zeros = {name: [0.0] * len(groups) for name in ROLLUP_SCHEMA.names if name not in columns}
    return {"rollups": pa.table({**columns, **zeros}, schema=ROLLUP_SCHEMA), "sensitivities": SENSITIVITY_SCHEMA.empty_table()}
