"""The portfolio generator: its output is repeatable and readable, and the demo's market prices all rows except the deliberately broken."""

from collections import Counter

import numpy as np
import pyarrow.compute as pc
import pytest

from pricers import Curve, CurveKind, Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.registry import NO_FIXINGS
from riskray.market.build import build_market
from riskray.portfolio.batches import prepare_portfolio
from riskray.portfolio.contracts import contracts_from_arrow
from riskray.portfolio.generate import GENERATED_PRODUCTS, generate_portfolio
from riskray.portfolio.generated_terms import CONVENTIONS
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


@pytest.mark.parametrize(("settlement", "accrued"), [("2013-05-29", 3.8021978), ("2013-05-30", -0.1758242)])
def test_generated_gilts_go_ex_when_the_debt_management_office_says(settlement, accrued):
    """The 8 % gilt of 2021, as QuantLib's test checks it with Bloomberg: settled on the ex-dividend date, it still has its coupon."""
    gilt = {
        "currency": "GBP", "discount_curve": "GBP", "notional": 100.0, "coupon_rate": 0.08, "issue_date": "1996-02-29",
        "maturity_date": "2021-06-07", "first_coupon_date": "1996-06-07", "frequency": "SEMIANNUAL", "roll_rule": "FORWARD",
        "settlement_lag": 0, "ex_coupon_days": CONVENTIONS["GBP"].ex_coupon_days, "ex_coupon_calendar": "UK",
    }  # fmt: skip
    as_of = int(np.datetime64(settlement, "D").astype(np.int64))
    curve = Curve("GBP", CurveKind.RATE, "GBP", "LINEAR_ZERO", ("1Y",), np.array([365], np.int32), np.array([0.03]))
    valuation = value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, [gilt]), market=Market(as_of, "GBP", (curve,), {}))
    assert valuation.values[Measure.ACCRUED_INTEREST][0] == pytest.approx(accrued, abs=1e-6)


def test_generated_japanese_bonds_pay_even_halves():
    table = generate_portfolio(2_000, as_of=AS_OF, broken_fraction=0.0, shares={"FIXED_BOND": 1.0})["FIXED_BOND"]
    is_plain = pc.and_(pc.equal(table["currency"], "JPY"), pc.and_(pc.is_null(table["stub"]), pc.is_null(table["sinking_dates"])))
    yen = table.filter(pc.and_(is_plain, pc.equal(table["frequency"], "SEMIANNUAL")))
    lower = pricer("FIXED_BOND").lower
    assert lower is not None
    as_of = int(np.datetime64(AS_OF, "D").astype(np.int64))
    found = lower(contracts_from_arrow(pricer("FIXED_BOND").columns, yen), as_of=as_of, fixings=NO_FIXINGS).cashflows
    counts = np.diff(found.flow_offsets)
    rate = np.repeat(np.array(yen["coupon_rate"]) * np.array(yen["notional"]), counts)
    assert len(yen) > 30
    np.testing.assert_allclose(found.amount - found.principal, 0.5 * rate, rtol=1e-10)
