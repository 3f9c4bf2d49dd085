from dataclasses import replace

import numpy as np
import pytest

from pricers import (
    Measure,
    Price,
    RowStatus,
    Scenarios,
    compile_contracts,
    contracts_of,
    factors_of,
    present_values,
    pricer,
    value_contracts,
)
from pricers.market.factors import FactorKind
from pricers.value.cash_flow_report import explain
from pricers.value.ladders import value_ladders
from pricers.value.netting import net_flows
from pricers.value.scenario_grid import LadderGrid
from tests.unit.pricers.examples import MARKET as WITHOUT_PRICES
from tests.unit.pricers.products.flow_checks import check_risk_is_that_of_bumped_markets, ladders, statuses

MARKET = replace(WITHOUT_PRICES, prices={"ACME": Price(50.0, "USD"), "SAP GY": Price(120.0, "EUR"), "SX5E": Price(5_000.0, "EUR")})
ACME = {"security_id": "ACME", "quantity": 1_000.0, "currency": "USD"}
SAP = {"security_id": "DE0007164600", "quantity": -200.0, "currency": "EUR", "price_key": "SAP GY", "benchmark": "SX5E", "beta": 1.25}
ROWS = [ACME, SAP, {**ACME, "currency": "EUR", "benchmark": "SX5E", "beta": 0.5}]


def batch(*rows):
    return contracts_of(pricer("EQUITY_POSITION").columns, list(rows))


def under(scenarios, *rows):
    """[row, scenario]: values in base currency."""
    return present_values(compile_contracts("EQUITY_POSITION", batch(*rows), as_of=MARKET.as_of), market=MARKET, scenarios=scenarios)


@pytest.mark.parametrize("product", ["EQUITY_POSITION", "FUND_POSITION"])
def test_position_is_worth_its_quantity_at_the_price(product):
    values = value_contracts(product, batch(*ROWS), market=MARKET).values
    assert values[Measure.PV].tolist() == pytest.approx([50_000.0, -24_000.0, 45_000.0])  # the last one is reported in euros
    assert values[Measure.PV_BASE].tolist() == pytest.approx([45_000.0, -24_000.0, 45_000.0])
    assert values[Measure.FX_DELTA].tolist() == pytest.approx([450.0, 0.0, 450.0])
    assert values[Measure.THETA_1D].tolist() == values[Measure.DV01].tolist() == [0.0, 0.0, 0.0]


def test_price_and_benchmark_are_factors():
    factors = factors_of(MARKET)
    assert [(factor.kind, factor.name, factor.bump) for factor in factors[-3:]] == [
        (FactorKind.PRICE, name, 0.01) for name in ("ACME", "SAP GY", "SX5E")
    ]
    found = [
        {factors[number].name: values.tolist() for number, values in row.items() if factors[number].kind is FactorKind.PRICE}
        for row in ladders(value_contracts("EQUITY_POSITION", batch(*ROWS), market=MARKET), 3)
    ]
    assert found == [
        {"ACME": [pytest.approx(450.0)]},
        {"SAP GY": [pytest.approx(-240.0)], "SX5E": [pytest.approx(-300.0)]},
        {"ACME": [pytest.approx(450.0)], "SX5E": [pytest.approx(225.0)]},
    ]


def test_sensitivities_are_those_of_bumped_markets():
    check_risk_is_that_of_bumped_markets("EQUITY_POSITION", [ACME, {**SAP, "benchmark": None}], market=MARKET)


def test_scenario_moves_a_position_by_its_own_price_else_by_beta_times_its_benchmark():
    still, own, index, fx = np.ones((4, 4)) + np.diag([0.0, 0.1, -0.2, 0.05])
    scenarios = Scenarios(4, price_factors={"SX5E": index}, fx_factors={"USD": fx})
    assert under(scenarios, *ROWS)[0].tolist() == pytest.approx([45_000.0, 45_000.0, 45_000.0, 47_250.0])
    assert under(scenarios, *ROWS)[1].tolist() == pytest.approx([-24_000.0, -24_000.0, -24_000.0 * (1.0 - 1.25 * 0.2), -24_000.0])
    assert under(scenarios, *ROWS)[2].tolist() == pytest.approx([45_000.0, 45_000.0, 45_000.0 * 0.9, 47_250.0])
    both = Scenarios(4, price_factors={"SX5E": index, "SAP GY": own})
    assert under(both, SAP)[0].tolist() == pytest.approx([-24_000.0, -26_400.0, -24_000.0, -24_000.0])
    assert under(Scenarios(4, price_factors={"ACME": still}), *ROWS)[:, 0].tolist() == pytest.approx([45_000.0, -24_000.0, 45_000.0])


def test_netted_positions_move_as_they_do_alone():
    rng = np.random.default_rng(3)
    scenarios = Scenarios(5, price_factors={"SX5E": rng.uniform(0.7, 1.2, 5)}, fx_factors={"USD": rng.uniform(0.9, 1.1, 5)})
    grid = LadderGrid(market=MARKET, scenarios=scenarios)
    compiled = compile_contracts("EQUITY_POSITION", batch(*ROWS), as_of=MARKET.as_of)
    netted = net_flows(compiled, grid=grid, cell_of_row=np.zeros(3, np.int32), skip_failing=False)
    pnl = value_ladders(netted.ladders, grid=grid, cell_count=1).pnl
    expected = (under(scenarios, *ROWS) - under(Scenarios(1), *ROWS)).sum(axis=0)
    np.testing.assert_allclose(pnl[0], expected, rtol=1e-9)


def test_flow_counts_the_security():
    explained = explain("EQUITY_POSITION", batch(SAP), 0, market=MARKET)
    assert [(flow.currency, flow.amount, flow.terms) for flow in explained.flows] == [("price/SAP GY", -200.0, ())]
    assert explained.pv == explained.flows[0].pv_base == pytest.approx(-24_000.0)


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({"price_key": "NOWHERE"}, RowStatus.MISSING_PRICE),
        ({"security_id": "NOWHERE"}, RowStatus.MISSING_PRICE),
        ({"quantity": float("inf")}, RowStatus.INVALID_AMOUNT),
        ({"beta": float("nan")}, RowStatus.INVALID_AMOUNT),
        ({"currency": "CHF"}, RowStatus.MISSING_FX),
    ],
)
def test_row_that_cannot_be_priced_has_a_status_and_harms_no_other(terms, status):
    assert statuses("EQUITY_POSITION", [ACME, {**ACME, **terms}], market=MARKET) == [RowStatus.OK, status]


def test_price_in_a_currency_without_an_exchange_rate_is_a_missing_rate():
    market = replace(MARKET, prices={"ACME": Price(50.0, "CHF")})
    assert statuses("EQUITY_POSITION", [ACME], market=market) == [RowStatus.MISSING_FX]


def test_scenario_of_a_price_that_the_market_lacks_raises():
    with pytest.raises(ValueError, match="scenarios move the price 'DAX', which the market does not have"):
        under(Scenarios(1, price_factors={"DAX": np.ones(1)}), ACME)
