"""Market and portfolio snapshots: equal content is one snapshot, downloads equal uploads, and snapshots in use cannot be deleted."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from riskray.engine.plan import PositionRange, ProductRange
from riskray.errors import Conflict, NotFound, StoreError
from riskray.portfolio.batches import PortfolioBatch
from riskray.snapshots.kinds import MARKETS, PORTFOLIOS, MarketRecord, PortfolioRecord
from riskray.store import portfolios, snapshots
from riskray.store.database import Database
from tests.integration.store.examples import content_hash, positions_table, store_market, store_portfolio, store_run

pytestmark = pytest.mark.postgres


def test_market_is_answered_as_it_was_stored(database: Database) -> None:
    document = '{"b":1.10,"a":[1e-3],"text":"é"}'
    stored, created = store_market(database, document=document)
    assert created
    assert stored.market_id == f"mkt-{content_hash(document).hex()[:16]}"
    assert snapshots.get(database, MARKETS, stored.market_id) == stored
    assert snapshots.read_document(database, MARKETS, stored.market_id) == document


def test_same_content_is_the_same_snapshot_and_new_content_the_next_version(database: Database) -> None:
    first, _ = store_market(database, document='{"v":1}')
    again, created = store_market(database, document='{"v":1}')
    second, _ = store_market(database, document='{"v":2}')
    assert (again, created) == (first, False)
    assert (first.version, second.version) == (1, 2)
    assert snapshots.get(database, MARKETS, "close") == second
    listed, total = snapshots.list_uploads(database, MARKETS, offset=0, limit=1)
    assert (listed, total) == ([second], 2)
    assert snapshots.list_uploads(database, MARKETS, offset=5, limit=1) == ([], 2)
    assert snapshots.list_uploads(database, MARKETS, offset=0, limit=5, name="other name") == ([], 0)

    portfolio, _ = store_portfolio(database)
    assert store_portfolio(database) == (portfolio, False)
    assert store_portfolio(database, salt="new")[0].version == 2
    assert snapshots.list_uploads(database, PORTFOLIOS, offset=0, limit=1)[1] == 2


@pytest.mark.parametrize("same_content", [True, False])
@pytest.mark.parametrize("kind", ["market", "portfolio"])
def test_uploads_at_once_get_versions_without_gap_or_repeat(database: Database, kind: str, same_content: bool) -> None:
    start = threading.Barrier(6)
    store: dict[str, Callable[[str], tuple[MarketRecord | PortfolioRecord, bool]]] = {
        "market": lambda content: store_market(database, document=f'{{"content":"{content}"}}'),
        "portfolio": lambda content: store_portfolio(database, salt=content),
    }

    def upload(number: int) -> tuple[int, bool]:
        start.wait()
        record, created = store[kind]("same" if same_content else str(number))
        return record.version, created

    with ThreadPoolExecutor(6) as pool:
        answers = sorted(pool.map(upload, range(6)))
    expected = [(1, False)] * 5 + [(1, True)] if same_content else [(version, True) for version in range(1, 7)]
    assert answers == expected


def test_portfolio_is_read_by_range_of_positions(database: Database) -> None:
    stored, _ = store_portfolio(database, count=10)
    assert stored.position_count == 10

    def first_positions(numbers: PositionRange) -> list[int]:
        batches = portfolios.read_batches(database, portfolio_no=stored.portfolio_no, numbers=numbers)
        return [batch.numbers.first for batch in batches]

    assert first_positions(PositionRange(0, 10)) == [0, 5]
    assert first_positions(PositionRange(4, 1)) == [0]
    assert first_positions(PositionRange(4, 2)) == [0, 5]
    assert first_positions(PositionRange(5, 99)) == [5]
    assert portfolios.read_batches(database, portfolio_no=stored.portfolio_no, numbers=PositionRange(0, 10))[1].payload == b"batch 1"
    assert portfolios.read_products(database, portfolio_no=stored.portfolio_no) == [ProductRange("FIXED_BOND", PositionRange(0, 10))]
    (requirement,) = portfolios.read_requirements(database, portfolio_no=stored.portfolio_no)
    assert (requirement.name, requirement.position_count, requirement.gross_notional) == ("EUR-ESTR", 10, 10_000.0)


def test_positions_come_out_of_the_database_as_they_went_in(database: Database) -> None:
    stored, _ = store_portfolio(database, count=10)
    assert portfolios.read_positions(database, portfolio_no=stored.portfolio_no, limit=100) == positions_table(10)
    page = portfolios.read_positions(database, portfolio_no=stored.portfolio_no, after_position_no=3, limit=2)
    assert page["position_no"].to_pylist() == [4, 5]
    with portfolios.stream_positions(database, portfolio_no=stored.portfolio_no) as reader:
        assert reader.read_all()["position_id"].to_pylist() == positions_table(10)["position_id"].to_pylist()
    assert portfolios.find_position(database, portfolio_no=stored.portfolio_no, position_id="P000007", within="desk")["position_no"] == 7
    with pytest.raises(NotFound, match=r"no position 'P7' in desk; .*/positions"):
        portfolios.find_position(database, portfolio_no=stored.portfolio_no, position_id="P7", within="desk")


def test_portfolio_that_cannot_be_stored_leaves_nothing_behind(database: Database) -> None:
    twice = positions_table(2).set_column(1, positions_table(2).schema.field(1), [["SAME", "SAME"]])
    batch = PortfolioBatch("FIXED_BOND", PositionRange(0, 2), b"")
    with pytest.raises(StoreError, match="position_by_id"):
        portfolios.insert_portfolio(
            database, name="twice", content_hash=content_hash("twice"), positions=twice, batches=[batch], requirements=[]
        )  # fmt: skip
    with pytest.raises(ValueError, match="1 batches hold 2 contracts, but there are 3 positions"):
        portfolios.insert_portfolio(
            database, name="n", content_hash=content_hash("n"), positions=positions_table(3), batches=[batch], requirements=[]
        )  # fmt: skip
    assert snapshots.list_uploads(database, PORTFOLIOS, offset=0, limit=10) == ([], 0)


def test_unknown_snapshot_is_named(database: Database) -> None:
    with pytest.raises(NotFound, match="no market 'mkt-00'"):
        snapshots.get(database, MARKETS, "mkt-00")
    with pytest.raises(NotFound, match="no portfolio 'desk'"):
        snapshots.get(database, PORTFOLIOS, "desk")


def test_snapshot_that_a_run_uses_cannot_be_deleted(database: Database) -> None:
    run = store_run(database)
    with pytest.raises(Conflict, match=f"is used by run {run.run_id}"):
        snapshots.delete(database, MARKETS, run.market_id)
    with pytest.raises(Conflict, match=f"is used by run {run.run_id}"):
        snapshots.delete(database, PORTFOLIOS, run.portfolio_id)


def test_deleted_snapshot_is_gone_with_all_its_rows(database: Database) -> None:
    market, _ = store_market(database)
    portfolio, _ = store_portfolio(database)
    snapshots.delete(database, MARKETS, "close")
    snapshots.delete(database, PORTFOLIOS, "desk")
    assert snapshots.list_uploads(database, MARKETS, offset=0, limit=10) == ([], 0)
    with database.connection() as connection:
        for table in ("market_curve", "position", "portfolio_batch", "portfolio_requirement"):
            assert connection.execute(f"SELECT count(*) AS n FROM {table}").fetchone() == {"n": 0}
    assert store_market(database)[0].market_id == market.market_id
    assert store_portfolio(database)[0].portfolio_id == portfolio.portfolio_id


@pytest.mark.parametrize(
    "change",
    [
        "market_snapshot SET document = '{}'", "market_curve SET zero_rates = '{0.0}'", "portfolio_snapshot SET name = 'other'",
        "portfolio_batch SET payload = ''", "position SET notional = 0", "portfolio_requirement SET position_count = 1",
        "market_history SET name = 'other'", "scenario_set SET name = 'other'",
    ],
)  # fmt: skip
def test_snapshot_cannot_be_changed_even_by_hand(database: Database, change: str) -> None:
    store_run(database)
    with pytest.raises(StoreError, match=f"rows of {change.split()[0]} never change"), database.connection() as connection:
        connection.execute(f"UPDATE {change}")
