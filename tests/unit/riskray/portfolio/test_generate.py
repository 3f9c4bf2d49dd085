"""The portfolio generator: its output is repeatable and readable, and the demo's market prices all rows except the deliberately broken."""

from collections import Counter

import numpy as np
import pytest

from pricers import Measure, RowStatus, pricer, value_contracts
from riskray.market.build import build_market
from riskray.portfolio.batches import prepare_portfolio
from riskray.portfolio.contracts import contracts_from_arrow
from riskray.portfolio.generate import GENERATED_PRODUCTS, generate_portfolio
from riskray.snapshots.demo import demo_market

AS_OF = demo_market().as_of


def test_same_seed_gives_the_same_portfolio_and_another_seed_another():
    ids = [prepare_portfolio(generate_portfolio(300, seed=seed, as_of=AS_OF)).portfolio_id for seed in (7, 7, 8)]
    assert ids[0] == ids[1] != ids[2]


def test_portfolio_has_three_products_six_currencies_forty_books_and_many_counterparties():
    prepared = prepare_portfolio(generate_portfolio(10_000, as_of=AS_OF, broken_fraction=0.0))
    positions = prepared.positions
    assert len(positions) == 10_000
    assert set(positions["product"].to_pylist()) == {"FIXED_BOND", "AMORT_LOAN", "FX_FWD"}
    assert set(positions["currency"].to_pylist()) == {"USD", "EUR", "GBP", "JPY", "CHF", "CAD"}
    assert len(set(positions["book"].to_pylist())) == 40
    assert len(set(positions["counterparty"].to_pylist())) > 450


def test_demo_market_prices_every_row_but_the_broken_ones_which_fail_for_four_reasons():
    market = build_market(demo_market(), base_currency="USD")
    statuses: Counter[RowStatus] = Counter()
    for product, table in generate_portfolio(4_000, as_of=AS_OF, broken_fraction=0.02).items():
        valuation = value_contracts(
            product, contracts_from_arrow(pricer(product).columns, table), market=market, measures=frozenset({Measure.PV})
        )
        statuses += Counter(RowStatus(status) for status in valuation.status.tolist())
        assert np.isfinite(valuation.values[Measure.PV][valuation.status == RowStatus.OK]).all()
    broken = {RowStatus.MISSING_CURVE, RowStatus.MATURED, RowStatus.INVALID_DATES, RowStatus.MISSING_FX}
    assert statuses.keys() == broken | {RowStatus.OK}
    assert statuses[RowStatus.OK] == 3_920
    assert min(statuses[status] for status in broken) >= 10


def test_every_product_is_generated_and_priced_but_for_the_broken_rows():
    market = build_market(demo_market(), base_currency="USD")
    for product in GENERATED_PRODUCTS:
        (table,) = generate_portfolio(400, as_of=AS_OF, broken_fraction=0.1, shares={product: 1.0}).values()
        contracts = contracts_from_arrow(pricer(product).columns, table)
        statuses = Counter(RowStatus(status) for status in value_contracts(product, contracts, market=market).status.tolist())
        assert statuses[RowStatus.OK] == 360, (product, statuses)
        assert len(statuses) >= 3, (product, statuses)


def test_product_without_a_generator_raises():
    with pytest.raises(ValueError, match="no generator for product 'SOUP'; there is one for AMORT_LOAN, "):
        generate_portfolio(10, as_of=AS_OF, shares={"FIXED_BOND": 0.5, "SOUP": 0.5})


@pytest.mark.parametrize(("positions", "fraction"), [(0, 0.0), (10, 1.5), (10, -0.1)])
def test_impossible_size_or_fraction_raises(positions, fraction):
    with pytest.raises(ValueError, match="positions must be at least 1"):
        generate_portfolio(positions, as_of=AS_OF, broken_fraction=fraction)


def test_single_position_is_a_portfolio():
    assert prepare_portfolio(generate_portfolio(1, as_of=AS_OF)).position_count == 1
