from dataclasses import replace

import numpy as np
import pytest

from pricers import Measure, Scenarios, compile_contracts, contracts_of, present_values, pricer, value_contracts
from tests.unit.pricers.examples import AS_OF, BOND, BONDS, CORPORATE, CORPORATE_BOND, EUR, MARKET, USD, bonds, shifted, with_curves
from tests.unit.pricers.value.test_valuation import FORWARD

COUNT = 130  # more than two tiles


@pytest.fixture(scope="module")
def scenarios():
    rng = np.random.default_rng(3)
    moves = {curve.name: rng.normal(0.0, 0.005, (curve.zero_rates.size, COUNT)) for curve in (EUR, USD, CORPORATE)}
    return Scenarios(
        count=COUNT,
        shifts=moves,
        fx_factors={"USD": rng.uniform(0.8, 1.2, COUNT)},
    )


def moved_market(scenarios, scenario):
    market = with_curves(MARKET, *(shifted(curve, scenarios.shifts[curve.name][:, scenario]) for curve in MARKET.curves))
    return replace(market, fx_to_base={"EUR": 1.0, "USD": 0.9 * scenarios.fx_factors["USD"][scenario]})


@pytest.mark.parametrize(("product", "rows"), [("FIXED_BOND", BONDS), ("FX_FWD", [FORWARD, {**FORWARD, "notional": -1e6}])])
def test_every_scenario_is_a_revaluation_under_the_moved_market(scenarios, product, rows):
    batch = contracts_of(pricer(product).columns, rows)
    vectors = present_values(compile_contracts(product, batch, as_of=AS_OF), market=MARKET, scenarios=scenarios)
    assert vectors.shape == (len(rows), COUNT)
    for scenario in range(COUNT):
        expected = value_contracts(product, batch, market=moved_market(scenarios, scenario)).values[Measure.PV_BASE]
        np.testing.assert_allclose(vectors[:, scenario], expected, rtol=1e-11, atol=1e-6)


def test_scenario_without_moves_is_todays_value():
    vectors = present_values(compile_contracts("FIXED_BOND", bonds(*BONDS), as_of=AS_OF), market=MARKET, scenarios=Scenarios(1))
    np.testing.assert_allclose(
        vectors[:, 0], value_contracts("FIXED_BOND", bonds(*BONDS), market=MARKET).values[Measure.PV_BASE], rtol=1e-15
    )


def test_credit_spread_shift_moves_the_contracts_own_spread():
    wider = {**CORPORATE_BOND, "credit_spread": CORPORATE_BOND["credit_spread"] + 0.01}
    compiled = compile_contracts("FIXED_BOND", bonds(CORPORATE_BOND), as_of=AS_OF)
    vectors = present_values(compiled, market=MARKET, scenarios=Scenarios(2, credit_spread_shift=np.array([0.0, 0.01])))
    expected = [value_contracts("FIXED_BOND", bonds(row), market=MARKET).values[Measure.PV_BASE][0] for row in (CORPORATE_BOND, wider)]
    np.testing.assert_allclose(vectors[0], expected, rtol=1e-14)


def test_row_of_a_batch_equals_the_contract_alone_to_the_last_bit(scenarios):
    batch = present_values(compile_contracts("FIXED_BOND", bonds(*BONDS), as_of=AS_OF), market=MARKET, scenarios=scenarios)
    for row, contract in enumerate(BONDS):
        alone = present_values(compile_contracts("FIXED_BOND", bonds(contract), as_of=AS_OF), market=MARKET, scenarios=scenarios)
        np.testing.assert_array_equal(batch[row], alone[0])


def test_row_that_cannot_be_valued_is_nan_in_every_scenario(scenarios):
    rows = [BOND, {**BOND, "discount_curve": "MARS"}, {**BOND, "notional": 0.0}, BOND]
    vectors = present_values(compile_contracts("FIXED_BOND", bonds(*rows), as_of=AS_OF), market=MARKET, scenarios=scenarios)
    assert np.isnan(vectors[1:3]).all()
    np.testing.assert_array_equal(vectors[0], vectors[3])
    assert np.isfinite(vectors[0]).all()


def test_output_array_is_filled_in_place_and_must_fit(scenarios):
    compiled = compile_contracts("FIXED_BOND", bonds(*BONDS), as_of=AS_OF)
    out = np.full((len(BONDS), COUNT), -1.0)
    assert present_values(compiled, market=MARKET, scenarios=scenarios, out=out) is out
    np.testing.assert_array_equal(out, present_values(compiled, market=MARKET, scenarios=scenarios))
    with pytest.raises(ValueError, match=r"shape \(5, 130\)"):
        present_values(compiled, market=MARKET, scenarios=scenarios, out=out[:, :-1])


@pytest.mark.parametrize(
    ("moves", "message"),
    [
        ({"shifts": {"MARS": np.zeros((6, 2))}}, "'MARS', which the market does not have"),
        ({"shifts": {"EUR": np.zeros((5, 2))}}, r"'EUR' must have shape \(6, 2\)"),
        ({"shifts": {"CORPORATE": np.zeros((6, 2))}}, r"'CORPORATE' must have shape \(5, 2\)"),
        ({"fx_factors": {"CHF": np.ones(2)}}, "CHF"),
        ({"fx_factors": {"EUR": np.ones(2)}}, "EUR"),
        ({"fx_factors": {"USD": np.ones(3)}}, "2 scenarios"),
        ({"credit_spread_shift": np.array([0.0, np.nan])}, "not finite"),
    ],
)
def test_scenarios_that_do_not_fit_the_market_are_refused(moves, message):
    compiled = compile_contracts("FIXED_BOND", bonds(BOND), as_of=AS_OF)
    with pytest.raises(ValueError, match=message):
        present_values(compiled, market=MARKET, scenarios=Scenarios(2, **moves))
