from dataclasses import replace

import numpy as np
import pytest

from pricers import ALL_MEASURES, Measure, RowStatus, compile_contracts, contracts_of, factors_of, pricer, value_cashflows, value_contracts
from pricers.measures import BASIS_POINT, SCALAR_MEASURES
from pricers.value.yields import _moments, _solve_rate
from tests.unit.pricers.examples import (
    AS_OF,
    BOND,
    BONDS,
    CORPORATE,
    CORPORATE_BOND,
    DOLLAR_BOND,
    EUR,
    MARKET,
    USD,
    bonds,
    sensitivities,
    shifted,
    with_curves,
)

BUMP_TOLERANCE = 1e-7  # of the bump's effect: the brute-force difference of two values of about a million loses nine digits
FORWARD = {
    "base_currency": "EUR",
    "quote_currency": "USD",
    "notional": 2_000_000.0,
    "contract_rate": 1.12,
    "delivery_date": "2027-09-16",
    "base_discount_curve": "EUR",
    "quote_discount_curve": "USD",
}


def present_value_in_base(batch, market):
    return value_contracts("FIXED_BOND", batch, market=market).values[Measure.PV_BASE]


def forward_value_in_base(market):
    batch = contracts_of(pricer("FX_FWD").columns, [FORWARD])
    return value_contracts("FX_FWD", batch, market=market).values[Measure.PV_BASE][0]


def test_dv01_is_the_value_with_every_zero_rate_a_basis_point_higher_less_the_value():
    bumped = with_curves(MARKET, shifted(EUR, BASIS_POINT), shifted(USD, BASIS_POINT))
    brute_force = present_value_in_base(bonds(*BONDS), bumped) - present_value_in_base(bonds(*BONDS), MARKET)
    dv01 = value_contracts("FIXED_BOND", bonds(*BONDS), market=MARKET).values[Measure.DV01]
    np.testing.assert_allclose(dv01, brute_force, rtol=BUMP_TOLERANCE)
    assert dv01[0] < 0.0 < dv01[2]  # a long and a short bond


@pytest.mark.parametrize("curve", [EUR, USD, CORPORATE])
def test_key_rates_are_the_value_with_one_pillar_a_basis_point_higher_less_the_value(curve):
    valuation = value_contracts("FIXED_BOND", bonds(*BONDS), market=MARKET, measures=frozenset({Measure.KEY_RATE_DV01}))
    before = present_value_in_base(bonds(*BONDS), MARKET)
    rows = [row for row, bond in enumerate(BONDS) if curve.name in (bond["discount_curve"], bond.get("spread_curve"))]
    assert rows
    for pillar in range(curve.zero_rates.size):
        shift = np.zeros(curve.zero_rates.size)
        shift[pillar] = BASIS_POINT
        brute_force = present_value_in_base(bonds(*BONDS), with_curves(MARKET, shifted(curve, shift))) - before
        for row in rows:
            ladder = sensitivities(valuation, MARKET, row)[curve.name]
            assert ladder[pillar] == pytest.approx(brute_force[row], rel=BUMP_TOLERANCE, abs=1e-8)


def test_key_rates_add_up_to_dv01_but_for_compounding():
    wanted = frozenset({Measure.DV01, Measure.KEY_RATE_DV01})
    valuation = value_contracts("FIXED_BOND", bonds(*BONDS), market=MARKET, measures=wanted)
    ladders = [sensitivities(valuation, MARKET, row) for row in range(len(BONDS))]
    sums = [ladder[str(bond["discount_curve"])].sum() for ladder, bond in zip(ladders, BONDS, strict=True)]
    np.testing.assert_allclose(sums, valuation.values[Measure.DV01], rtol=5e-4)
    assert [list(ladder) for ladder in ladders] == [["EUR"], ["USD"], ["EUR", "CORPORATE"], ["EUR"], ["EUR"]]


def test_cs01_is_the_value_with_every_credit_spread_a_basis_point_higher_less_the_value():
    wider = {**CORPORATE_BOND, "credit_spread": CORPORATE_BOND["credit_spread"] + BASIS_POINT}
    brute_force = present_value_in_base(bonds(wider), MARKET) - present_value_in_base(bonds(CORPORATE_BOND), MARKET)
    wider_curve = with_curves(MARKET, shifted(CORPORATE, BASIS_POINT))
    by_curve = present_value_in_base(bonds(CORPORATE_BOND), wider_curve) - present_value_in_base(bonds(CORPORATE_BOND), MARKET)
    cs01 = value_contracts("FIXED_BOND", bonds(CORPORATE_BOND), market=MARKET).values[Measure.CS01]
    np.testing.assert_allclose(cs01, brute_force, rtol=BUMP_TOLERANCE)
    np.testing.assert_allclose(cs01, by_curve, rtol=BUMP_TOLERANCE)


def test_theta_is_tomorrows_value_plus_tomorrows_cash_less_todays_value():
    pays_tomorrow = {**BOND, "maturity_date": "2026-03-17", "issue_date": "2020-03-17"}
    rows = bonds(*BONDS, pays_tomorrow)
    tomorrow = present_value_in_base(rows, replace(MARKET, as_of=AS_OF + 1))
    tomorrow[-1] = 1_000_000.0 * 1.035
    expected = tomorrow - present_value_in_base(rows, MARKET)
    theta = value_contracts("FIXED_BOND", rows, market=MARKET).values[Measure.THETA_1D]
    np.testing.assert_allclose(theta, expected, rtol=1e-6)


def test_fx_delta_is_the_value_with_foreign_currencies_one_percent_dearer_less_the_value():
    dearer = replace(MARKET, fx_to_base={"EUR": 1.0, "USD": 0.9 * 1.01})
    valuation = value_contracts("FIXED_BOND", bonds(BOND, DOLLAR_BOND), market=MARKET)
    expected = present_value_in_base(bonds(BOND, DOLLAR_BOND), dearer) - valuation.values[Measure.PV_BASE]
    np.testing.assert_allclose(valuation.values[Measure.FX_DELTA], expected, rtol=1e-10, atol=1e-9)
    only = value_contracts("FIXED_BOND", bonds(BOND, DOLLAR_BOND), market=MARKET, measures=frozenset({Measure.FX_DELTA}))
    assert only.factor_offsets.tolist() == [0, 0, 1]
    assert sensitivities(only, MARKET, 1)["USD"].tolist() == valuation.values[Measure.FX_DELTA][1:].tolist()


def test_two_currency_position_is_bumped_leg_by_leg():
    forward = value_contracts("FX_FWD", contracts_of(pricer("FX_FWD").columns, [FORWARD]), market=MARKET)
    before = forward_value_in_base(MARKET)
    assert forward.values[Measure.PV][0] * 0.9 == pytest.approx(before, rel=1e-14)
    bumped = with_curves(MARKET, shifted(EUR, BASIS_POINT), shifted(USD, BASIS_POINT))
    assert forward.values[Measure.DV01][0] == pytest.approx(forward_value_in_base(bumped) - before, rel=1e-6)
    dearer = replace(MARKET, fx_to_base={"EUR": 1.0, "USD": 0.9 * 1.01})
    assert forward.values[Measure.FX_DELTA][0] == pytest.approx(forward_value_in_base(dearer) - before, rel=1e-9)
    assert np.isnan(forward.values[Measure.CS01][0])
    assert [factors_of(MARKET)[number].kind for number in forward.factor_nos] == ["RATE", "RATE", "CURRENCY"]
    assert forward.sensitivities[-1] == forward.values[Measure.FX_DELTA][0]


def test_row_of_a_batch_equals_the_contract_alone_to_the_last_bit():
    rows = [{**bond, "maturity_date": f"20{year}-05-20"} for year in range(30, 60) for bond in BONDS]
    batch = value_contracts("FIXED_BOND", bonds(*rows), market=MARKET)
    for row, contract in enumerate(rows):
        alone = value_contracts("FIXED_BOND", bonds(contract), market=MARKET)
        for measure in SCALAR_MEASURES:
            np.testing.assert_array_equal(batch.values[measure][row], alone.values[measure][0], err_msg=f"{measure} of row {row}")
        entries = slice(*batch.factor_offsets[row : row + 2].tolist())
        np.testing.assert_array_equal(batch.factor_nos[entries], alone.factor_nos)
        buckets = slice(*batch.bucket_offsets[[entries.start, entries.stop]].tolist())
        np.testing.assert_array_equal(batch.sensitivities[buckets], alone.sensitivities)


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({"discount_curve": "MARS"}, RowStatus.MISSING_CURVE),
        ({"spread_curve": "MARS"}, RowStatus.MISSING_SPREAD_CURVE),
        ({"currency": "CHF"}, RowStatus.MISSING_FX),
        ({"currency": "USD"}, RowStatus.CURVE_CURRENCY_MISMATCH),
        ({"credit_spread": -1e6}, RowStatus.NOT_FINITE),
        ({"maturity_date": "2026-03-16", "calendar": None}, RowStatus.MATURED),
    ],
)
def test_row_that_cannot_be_valued_has_its_status_and_leaves_its_neighbours_alone(terms, status):
    valuation = value_contracts("FIXED_BOND", bonds(BOND, {**BOND, **terms}, DOLLAR_BOND), market=MARKET)
    good = value_contracts("FIXED_BOND", bonds(BOND, DOLLAR_BOND), market=MARKET)
    assert valuation.status.tolist() == [RowStatus.OK, status, RowStatus.OK]
    for measure in SCALAR_MEASURES:
        assert np.isnan(valuation.values[measure][1])
        np.testing.assert_array_equal(valuation.values[measure][[0, 2]], good.values[measure])
    np.testing.assert_array_equal(valuation.sensitivities, good.sensitivities)
    np.testing.assert_array_equal(valuation.factor_nos, good.factor_nos)
    assert valuation.factor_offsets.tolist() == [0, 1, 1, 3]


def test_only_the_measures_asked_for_are_computed_and_pv_always():
    valuation = value_contracts("FIXED_BOND", bonds(BOND), market=MARKET, measures=frozenset({Measure.DV01}))
    assert set(valuation.values) == {Measure.PV, Measure.PV_BASE, Measure.DV01}
    assert valuation.sensitivities.size == 0
    everything = value_contracts("FIXED_BOND", bonds(BOND), market=MARKET, measures=ALL_MEASURES)
    assert valuation.values[Measure.DV01] == everything.values[Measure.DV01]


def test_empty_batch_has_an_empty_valuation():
    valuation = value_contracts("FIXED_BOND", bonds(), market=MARKET)
    assert valuation.status.size == 0
    assert all(values.size == 0 for values in valuation.values.values())
    assert valuation.factor_offsets.tolist() == [0]


def test_compiled_batch_values_under_many_markets_and_refuses_one_of_another_date():
    compiled = compile_contracts("FIXED_BOND", bonds(*BONDS), as_of=AS_OF)
    bumped = with_curves(MARKET, shifted(EUR, 0.01))
    for market in (MARKET, bumped):
        again = value_cashflows(compiled, market=market).values[Measure.PV_BASE]
        np.testing.assert_array_equal(again, present_value_in_base(bonds(*BONDS), market))
    with pytest.raises(ValueError, match="compile them again"):
        value_cashflows(compiled, market=replace(MARKET, as_of=AS_OF + 1))


def test_compiled_batch_knows_its_size():
    one, many = (compile_contracts("FIXED_BOND", bonds(*[BOND] * count), as_of=AS_OF) for count in (1, 100))
    assert many.nbytes > one.nbytes + 99 * (one.amount.nbytes + one.flow_node.nbytes)  # a hundred equal bonds share their nodes


def test_solver_that_comes_upon_a_price_of_zero_answers_from_its_bracket():
    discounted, years, values = np.array([100.0, -100.0 / 3.0 * 0.1]), np.array([1.0, 30.0]), np.empty(2)
    spread = _solve_rate(0, 2, discounted, years, 89.0, 0.0, 0.0, values)[0]
    assert _moments(0, 2, discounted, years, spread, values)[0] == pytest.approx(89.0, rel=1e-12)
    assert np.isnan(_solve_rate(0, 2, np.zeros(2), years, 89.0, 0.0, 0.0, values)[0])
