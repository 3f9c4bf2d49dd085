"""Store and describe markets, portfolios, market histories and hierarchies, without HTTP.

A function that stores returns the description of the snapshot under its name, and whether its content is new.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from riskray.engine.plan import PositionRange, Requirement
from riskray.figures.hierarchy import Hierarchy
from riskray.market.build import market_curve_rows
from riskray.market.quotes import fitted_quotes
from riskray.market.reader import read_market_upload
from riskray.models.common import Problem
from riskray.models.hierarchy import HierarchyDetail, HierarchyDocument, StoredHierarchy
from riskray.models.market_data import MarketDocument
from riskray.models.scenario import DemoHistoryRequest, MarketHistory, MarketHistoryDetail
from riskray.models.snapshot import MarketDetail, MarketSnapshot, MarketUpload, PortfolioDetail, PortfolioUpload
from riskray.portfolio.batches import decode_batch, prepare_portfolio
from riskray.portfolio.reader import READER_VERSION, read_portfolio
from riskray.runs.fixings import resolve_fixings
from riskray.scenario.history import History, decode, read_history, summary
from riskray.scenario.history_sources import ECB_NUMERAIRE, ecb_fx_history, generate_rate_history, joined
from riskray.snapshots.content import hierarchy_content, history_content, market_content
from riskray.snapshots.kinds import (
    HIERARCHIES,
    HISTORIES,
    MARKETS,
    PORTFOLIOS,
    HierarchyRecord,
    HistoryRecord,
    MarketRecord,
    PortfolioRecord,
)
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.markets import MarketCurve, insert_market, load_market, read_market
from riskray.store.portfolios import count_positions, insert_portfolio, read_batches

# ---------------------------------------------------------------------------------------------------------------- markets


def upload_market(
    database: Database, content: BinaryIO, *, format: str, allow_partial: bool = False, rates_unchecked: bool = False
) -> tuple[MarketUpload, bool]:
    """Read and store a market file (json, csv, parquet).

    Args:
        allow_partial: leave out invalid curves and quotes instead of raising.
        rates_unchecked: accept rates so large that they look like per cent.
    Raises:
        InvalidRequest: lists every problem of the file.
    """
    read = read_market_upload(content.read(), format=format, allow_partial=allow_partial, rates_unchecked=rates_unchecked)
    MARKETS.checked_name(read.document.name)
    document, unseen = resolve_fixings(database, read.document)
    snapshot, created = store_market(database, document)
    problems = [Problem(**problem) for problem in read.problems + unseen]
    return MarketUpload(**snapshot.model_dump(), rejected_count=read.rejected, problems=problems), created


def store_market(database: Database, document: MarketDocument) -> tuple[MarketSnapshot, bool]:
    """Store a checked market under its name. Raises NotFound for the fixing table that it names."""
    document, _ = resolve_fixings(database, document)
    lists = ("pillar_labels", "pillar_days", "zero_rates")
    rows: list[dict[str, Any]] = market_curve_rows(document).to_pylist()
    curves = [MarketCurve(**{**row, **{name: tuple(row[name]) for name in lists}}) for row in rows]
    record, created = insert_market(database, name=document.name, content=market_content(document), curves=curves)
    return MARKETS.describe(record), created


def describe_market(database: Database, record: MarketRecord) -> MarketDetail:
    """A stored market with its quotes."""
    document = read_market(database, market_id=record.market_id)
    return MarketDetail(**MARKETS.fields(record), quotes=fitted_quotes(document))


# ------------------------------------------------------------------------------------------------------------- portfolios


def upload_portfolio(
    database: Database, content: BinaryIO, *, format: str, name: str, allow_partial: bool = False
) -> tuple[PortfolioUpload, bool]:
    """Read and store a file of positions (csv, json, parquet) under a name.

    `allow_partial`: leave out invalid rows instead of raising. Raises InvalidRequest, which lists every invalid row.
    """
    name = PORTFOLIOS.checked_name(name)
    read = read_portfolio(content, format=format, allow_partial=allow_partial)
    record, created = store_portfolio(database, read.tables, name=name, rejected_count=read.rejected, reader_version=READER_VERSION)
    problems = [Problem(loc=list(problem["loc"]), msg=problem["msg"], code=problem["code"]) for problem in read.problems]
    # A portfolio that was already stored keeps the count of its first upload; the response has the count of this file.
    return PortfolioUpload(**{**PORTFOLIOS.fields(record), "rejected_count": read.rejected}, problems=problems), created


def store_portfolio(
    database: Database, tables: dict[str, pa.Table], *, name: str, rejected_count: int = 0, reader_version: int | None = None
) -> tuple[PortfolioRecord, bool]:
    """Store checked positions, one table per product, under a name.

    `rejected_count`: rows of the file that are left out; `reader_version`: of the reader that read the file.
    """
    prepared = prepare_portfolio(tables)
    return insert_portfolio(
        database,
        name=name,
        content_hash=prepared.content_hash,
        positions=prepared.positions,
        batches=prepared.batches,
        requirements=[Requirement(**row) for row in prepared.requirements.to_pylist()],
        rejected_count=rejected_count,
        reader_version=reader_version,
    )


def describe_portfolio(database: Database, record: PortfolioRecord) -> PortfolioDetail:
    """A stored portfolio, with its positions counted by product, book and currency."""
    counts: dict[str, Counter[str]] = {"product": Counter(), "book": Counter(), "currency": Counter()}
    for group in count_positions(database, portfolio_no=record.portfolio_no):
        for name, counter in counts.items():
            counter[group[name]] += group["position_count"]
    products, books, currencies = (dict(sorted(counter.items())) for counter in counts.values())
    return PortfolioDetail(**PORTFOLIOS.fields(record), products=products, books=books, currencies=currencies)


def contracts_of(database: Database, record: PortfolioRecord) -> Iterator[tuple[str, pa.RecordBatch]]:
    """Yield product and contracts of a stored portfolio, batch by batch, with one batch in memory at a time."""
    first = 0
    while first < record.position_count:
        # A read of one row returns the whole batch that contains it.
        for batch in read_batches(database, portfolio_no=record.portfolio_no, numbers=PositionRange(first, 1)):
            yield batch.product, decode_batch(batch.payload)
            first = batch.numbers.end


# -------------------------------------------------------------------------------------------------------------- histories


def upload_history(
    database: Database, content: BinaryIO, *, format: str, name: str, numeraire: str, rates_unchecked: bool = False
) -> tuple[MarketHistory, bool]:
    """Read and store a file of levels (csv, parquet) under a name.

    Args:
        numeraire: currency of the FX prices, if the file does not name it.
        rates_unchecked: accept rates so large that they look like per cent.
    Raises:
        InvalidRequest: lists every problem of the file.
    """
    name = HISTORIES.checked_name(name)
    return store_history(database, read_history(content, format=format, numeraire=numeraire, rates_unchecked=rates_unchecked), name=name)


def create_demo_history(database: Database, request: DemoHistoryRequest) -> tuple[MarketHistory, bool]:
    """Create and store the history that `DemoHistoryRequest` describes. Raises NotFound for the market."""
    name = HISTORIES.checked_name(request.name)
    record = snapshots.get(database, MARKETS, request.market)
    market = load_market(database, market_id=record.market_id, base_currency=ECB_NUMERAIRE)
    quoted = sorted(set(market.fx_to_base) - {ECB_NUMERAIRE})
    rates = ecb_fx_history(quoted, first=request.first_date, last=record.as_of)
    return store_history(database, joined(rates, generate_rate_history(market, dates=rates.dates, seed=request.seed)), name=name)


def store_history(database: Database, history: History, *, name: str) -> tuple[MarketHistory, bool]:
    """Store a checked history."""
    record, created = snapshots.store(database, HISTORIES, name=name, content=history_content(history))
    return HISTORIES.describe(record), created


def load_history(database: Database, history_id: str) -> History:
    """The levels of a stored history. Raises NotFound."""
    return decode(snapshots.read_payload(database, HISTORIES, history_id))


def describe_history(database: Database, record: HistoryRecord) -> MarketHistoryDetail:
    """A stored history, with its gaps."""
    return MarketHistoryDetail(**HISTORIES.fields(record), summary=summary(load_history(database, record.history_id)))


# ------------------------------------------------------------------------------------------------------------ hierarchies


def store_hierarchy(database: Database, document: HierarchyDocument) -> tuple[StoredHierarchy, bool]:
    """Check and store a tree. Raises InvalidRequest for a cycle or an orphan."""
    Hierarchy.of(document)
    name = HIERARCHIES.checked_name(document.name)
    record, created = snapshots.store(database, HIERARCHIES, name=name, content=hierarchy_content(document))
    return HIERARCHIES.describe(record), created


def describe_hierarchy(database: Database, record: HierarchyRecord) -> HierarchyDetail:
    """A stored hierarchy with its tree."""
    document = HierarchyDocument.model_validate_json(snapshots.read_document(database, HIERARCHIES, record.hierarchy_id))
    nodes = list(Hierarchy.of(document).nodes)
    return HierarchyDetail(**HIERARCHIES.fields(record), root=document.root, parents=document.parents, nodes=nodes)
