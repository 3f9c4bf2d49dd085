"""Planning: every position in exactly one shard, and every gap of the market named before anything runs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricers.market.indices import Index, IndexKind
from pricers.market.market import CurveKind
from riskray.engine.plan import MarketNames, PositionRange, ProductRange, Requirement, plan_shards, preflight


def _batches(sizes):
    batches, first = [], 0
    for product, size in sizes:
        batches.append(ProductRange(product, PositionRange(first, size)))
        first += size
    return batches


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 90)), min_size=1, max_size=8), st.integers(1, 100))
def test_plan_covers_every_position_once_and_mixes_no_products(sizes, rows_per_shard):
    batches = _batches(sizes)
    shards = plan_shards(batches, rows_per_shard=rows_per_shard)
    product_of = [batch.product for batch in batches for _ in range(batch.numbers.count)]
    planned = [(position, shard.product) for shard in shards for position in range(shard.numbers.first, shard.numbers.end)]
    assert planned == list(enumerate(product_of))
    assert all(1 <= shard.numbers.count <= rows_per_shard for shard in shards)


def test_plan_product_slightly_above_the_limit_is_cut_evenly():
    shards = plan_shards(_batches([("FIXED_BOND", 25_000), ("FIXED_BOND", 1_001)]), rows_per_shard=25_000)
    assert [shard.numbers.count for shard in shards] == [13_001, 13_000]


@pytest.mark.parametrize("first", [9, 11])
def test_plan_gap_or_overlap_between_batches_raises(first):
    with pytest.raises(ValueError, match="ends at 10"):
        plan_shards([ProductRange("A", PositionRange(0, 10)), ProductRange("A", PositionRange(first, 5))], rows_per_shard=100)


INDICES = {
    index.name: index
    for index in (
        Index("FIXED-6M", IndexKind.TERM, "EUR", tenor="6M", forecast_curve="USD"),
        Index("TERM-6M", IndexKind.TERM, "EUR", tenor="6M", forecast_curve="EUR-6M"),
        Index("ON", IndexKind.OVERNIGHT, "EUR"),
        Index("CPI", IndexKind.INFLATION, "EUR"),
        Index("FX", IndexKind.FX, "EUR", quote_currency="USD"),
    )
}
MARKET = MarketNames(
    {CurveKind.RATE: frozenset({"USD"}), CurveKind.SPREAD: frozenset({"CORP-A"}), CurveKind.HAZARD: frozenset({"ACME"}),
     CurveKind.INFLATION: frozenset()},
    frozenset({"USD", "EUR"}),
    INDICES,
)  # fmt: skip


def test_preflight_market_with_everything_has_no_gaps():
    needed = [
        Requirement("FIXED_BOND", "product", "FIXED_BOND", "USD", 3, 300.0),
        Requirement("FIXED_BOND", "discount_curve", "USD", "USD", 3, 300.0),
        Requirement("FIXED_BOND", "spread_curve", "CORP-A", "USD", 2, 200.0),
        Requirement("FIXED_BOND", "currency", "EUR", "EUR", 1, 100.0),
    ]
    found = preflight(needed, position_count=3, market=MARKET, products=["FIXED_BOND"])
    assert (found.gaps, found.affected_position_count_max) == ([], 0)


def test_preflight_names_every_gap_with_positions_and_notional_by_currency():
    needed = [
        Requirement("FIXED_BOND", "discount_curve", "EUR-GOVT", "EUR", 5, 500.0),
        Requirement("FIXED_BOND", "discount_curve", "EUR-GOVT", "USD", 2, 80.0),
        Requirement("AMORT_LOAN", "discount_curve", "EUR-GOVT", "EUR", 1, 10.0),
        Requirement("FX_FWD", "currency", "JPY", "JPY", 4, 4e6),
        Requirement("CDS", "product", "CDS", "USD", 9, 9.0),
        Requirement("AMORT_LOAN", "spread_curve", "CORP-B", "EUR", 1, 10.0),
    ]
    found = preflight(needed, position_count=100, market=MARKET, products=["FIXED_BOND", "AMORT_LOAN", "FX_FWD"])
    assert [(gap.kind, gap.name, gap.product, gap.position_count, gap.gross_notional) for gap in found.gaps] == [
        ("product", "CDS", "CDS", 9, {"USD": 9.0}),
        ("discount_curve", "EUR-GOVT", "FIXED_BOND", 7, {"EUR": 500.0, "USD": 80.0}),
        ("currency", "JPY", "FX_FWD", 4, {"JPY": 4e6}),
        ("discount_curve", "EUR-GOVT", "AMORT_LOAN", 1, {"EUR": 10.0}),
        ("spread_curve", "CORP-B", "AMORT_LOAN", 1, {"EUR": 10.0}),
    ]
    assert found.affected_position_count_max == 22


@pytest.mark.parametrize(
    ("kind", "name", "gap"),
    [
        ("credit_curve", "ACME", None),
        ("credit_curve", "USD", ("credit_curve", "USD")),
        ("forecast_curve", "USD", None),
        ("forecast_curve", "ACME", ("forecast_curve", "ACME")),
        ("index", "TERM-6M", None),
        ("index", "TERM-7M", ("index", "TERM-7M")),
        ("index_curve", "FIXED-6M", None),
        ("index_curve", "TERM-6M", ("forecast_curve", "EUR-6M")),
        ("index_curve", "ON", ("forecast_curve", "ON")),
        ("index_curve", "CPI", ("inflation_curve", "CPI")),
        ("index_curve", "FX", None),
        ("index_curve", "TERM-7M", None),
    ],
)
def test_preflight_asks_for_the_curve_that_forecasts_an_index(kind, name, gap):
    found = preflight([Requirement("SWAP", kind, name, "EUR", 1, 1.0)], position_count=1, market=MARKET, products=["SWAP"])
    assert [(each.kind, each.name) for each in found.gaps] == ([] if gap is None else [gap])


def test_preflight_affected_count_is_at_most_the_portfolio():
    needed = [Requirement("A", kind, "X", "USD", 5, 1.0) for kind in ("discount_curve", "spread_curve", "currency")]
    assert preflight(needed, position_count=5, market=MARKET, products=["A"]).affected_position_count_max == 5
