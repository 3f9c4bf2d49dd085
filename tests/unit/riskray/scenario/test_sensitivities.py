"""Parametric sensitivities times small moves are the P&L of full revaluation, in any base currency and numeraire."""

from itertools import pairwise

import numpy as np
import pytest

from pricers import FactorKind, Measure, compile_contracts, contracts_of, factors_of, present_values, pricer, value_contracts
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.codec import checked_matrix
from riskray.scenario.factors import parse_factor
from riskray.scenario.sensitivities import factor_sensitivities
from tests.unit.riskray.scenario.examples import market

KINDS = {FactorKind.RATE, FactorKind.SPREAD}
HEADERS = ("zero/EUR-GOVT/5Y", "zero/EUR-GOVT/10Y relative", "zero/USD-GOVT/5Y", "spread/EUR-CORP/5Y", "credit", "fx/EUR", "fx/GBP")
BOND = {"notional": 1e6, "coupon_rate": 0.03, "issue_date": "2024-01-15", "maturity_date": "2031-01-15"}
ROWS = [
    {**BOND, "currency": "EUR", "discount_curve": "EUR-GOVT", "spread_curve": "EUR-CORP"},
    {**BOND, "currency": "USD", "discount_curve": "USD-GOVT", "credit_spread": 0.01},
]


@pytest.mark.parametrize("base_currency", ["USD", "EUR", "GBP"])
def test_linear_pnl_is_that_of_full_revaluation_for_small_moves(base_currency: str) -> None:
    today = market(base_currency=base_currency)
    moves = np.diag([1e-6] * 7)
    matrix = checked_matrix(tuple("abcdefg"), tuple(map(parse_factor, HEADERS)), moves, numeraire="USD")
    contracts = contracts_of(pricer("FIXED_BOND").columns, ROWS)
    valuation = value_contracts("FIXED_BOND", contracts, market=today)
    factors = factors_of(today)
    entries = [
        (factors[number], valuation.sensitivities[first:last].tolist())
        for number, (first, last) in zip(valuation.factor_nos, pairwise(valuation.bucket_offsets), strict=True)
    ]
    ladders = {
        (factor.name, label): value
        for factor, values in entries
        if factor.kind in KINDS
        for label, value in zip(factor.bucket_labels, values, strict=True)
    }
    fx_deltas = {factor.name: values[0] for factor, values in entries if factor.kind is FactorKind.CURRENCY}
    found = factor_sensitivities(
        matrix, market=today, ladders=ladders, ladder_kinds=KINDS, fx_deltas=fx_deltas, cs01=float(valuation.values[Measure.CS01].sum())
    )
    assert found.left_out == ()
    compiled = compile_contracts("FIXED_BOND", contracts, as_of=today.as_of)
    revalued = present_values(compiled, market=today, scenarios=bind_scenarios(matrix, market=today).scenarios).sum(axis=0)
    expected = revalued - valuation.values[Measure.PV_BASE].sum()
    np.testing.assert_allclose(matrix.values @ found.values, expected, rtol=2e-3, atol=1e-6)


def test_move_of_a_curve_of_which_the_run_has_no_ladder_is_named() -> None:
    matrix = checked_matrix(("up",), (parse_factor("spread/EUR-CORP/5Y"),), np.array([[0.01]]), numeraire="USD")
    found = factor_sensitivities(matrix, market=market(), ladders={}, ladder_kinds={FactorKind.RATE}, fx_deltas={}, cs01=1.0)
    assert found.left_out == ("spread/EUR-CORP/5Y",)
    assert not found.values.any()


def test_price_sensitivity_times_a_move_is_its_pnl() -> None:
    matrix = checked_matrix(("down",), (parse_factor("price/SX5E"),), np.array([[-0.2]]), numeraire="USD")
    today, ladder = market(), {("SX5E", "SX5E"): 450.0}
    found = factor_sensitivities(matrix, market=today, ladders=ladder, ladder_kinds={FactorKind.PRICE}, fx_deltas={}, cs01=0.0)
    assert (found.values.tolist(), found.left_out) == ([45_000.0], ())
    without = factor_sensitivities(matrix, market=today, ladders={}, ladder_kinds={FactorKind.RATE}, fx_deltas={}, cs01=0.0)
    assert without.left_out == ("price/SX5E",)
