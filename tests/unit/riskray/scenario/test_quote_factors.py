"""Scenario sets that move quotes: curves follow, whether quotes are moved by a matrix or by a stress definition."""

import numpy as np
import pytest

from pricers import compile_contracts, contracts_of, present_values, pricer
from pricers.calibration.calibrated import Calibration
from pricers.calibration.quote_scenarios import par_dv01
from riskray.errors import InvalidRequest
from riskray.market.build import build_market
from riskray.market.quotes import calibration_of
from riskray.market.reader import parse_market
from riskray.models.scenario import StressDefinition
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.codec import ScenarioMatrix
from riskray.scenario.factors import parse_factor
from riskray.scenario.matrix import read_matrix
from riskray.scenario.stress import stress_matrix

TENORS = ("1Y", "2Y", "5Y", "10Y")
QUOTES = [
    {"quote_id": f"OIS.{tenor}", "instrument": "OIS", "convention": "USD-FIXED-1Y-SOFR-OIS", "tenor": tenor, "value": 0.034 + 0.0004 * k}
    for k, tenor in enumerate(TENORS)
]
DOCUMENT = parse_market(
    {
        "name": "quoted",
        "as_of": "2026-11-30",
        "quotes": QUOTES,
        "curves": [
            {"name": "USD-SOFR", "currency": "USD", "instruments": [quote["quote_id"] for quote in QUOTES]},
            {"name": "USD-GOVT", "currency": "USD", "points": [{"tenor": "1Y", "value": 0.035}, {"tenor": "10Y", "value": 0.04}]},
        ],
    }
)
MARKET = build_market(DOCUMENT, base_currency="USD")
POINTS = build_market(DOCUMENT.model_copy(update={"curves": [c.model_copy(update={"instruments": []}) for c in DOCUMENT.curves]}),
                      base_currency="USD")  # fmt: skip


def calibrated() -> Calibration:
    calibration = calibration_of(DOCUMENT)
    assert calibration is not None
    return calibration


CALIBRATION = calibrated()


def matrix(text: str) -> ScenarioMatrix:
    return read_matrix(text.encode(), format="csv", numeraire="USD")


def test_curves_follow_moved_quotes():
    bound = bind_scenarios(matrix("scenario,quote/OIS.5Y,quote/OIS.10Y\nup,0.0001,0\nboth,0.001,-0.002\nnone,0,0\n"), market=MARKET)
    shift = bound.scenarios.shifts["USD-SOFR"]
    system, values = CALIBRATION.system, CALIBRATION.values
    for scenario, (five, ten) in enumerate([(1e-4, 0.0), (1e-3, -2e-3), (0.0, 0.0)]):
        moved = system.solve(values + np.array([0.0, 0.0, five, ten]))
        np.testing.assert_allclose(shift[:, scenario], moved.zero_rates - CALIBRATION.zero_rates, rtol=0, atol=1e-13)
    assert "zero/USD-SOFR" not in bound.unmoved
    assert "zero/USD-GOVT" in bound.unmoved


def test_moves_of_quotes_and_of_zero_rates_add_up():
    alone = bind_scenarios(matrix("scenario,quote/OIS.5Y\nup,0.0001\n"), market=MARKET).scenarios.shifts["USD-SOFR"]
    pillar = MARKET.curves[MARKET.curve_index["USD-SOFR"]].pillar_labels[0]
    both = bind_scenarios(matrix(f"scenario,quote/OIS.5Y,zero/USD-SOFR/{pillar}\nup,0.0001,0.002\n"), market=MARKET)
    np.testing.assert_array_equal(both.scenarios.shifts["USD-SOFR"], alone + np.array([[0.002], [0.0], [0.0], [0.0]]))


def test_a_stress_of_single_quotes_gives_the_par_dv01():
    scenarios = [
        {"name": name, "shocks": [{"type": "quote", "quotes": [name], "bp": 1.0}]} for name in (f"OIS.{tenor}" for tenor in TENORS)
    ]
    moves = stress_matrix(StressDefinition.model_validate({"scenarios": scenarios}), market=MARKET)
    ladder_moves = stress_matrix(StressDefinition.model_validate({"quote_ladder": {"quotes": ["OIS.*"]}}), market=MARKET)
    wanted = dict(zip(moves.labels, moves.values.tolist(), strict=True))
    assert dict(zip(ladder_moves.labels, ladder_moves.values.tolist(), strict=True)) == wanted
    bound = bind_scenarios(moves, market=MARKET)
    row = {
        "currency": "USD", "notional": 1e7, "coupon_rate": 0.03, "issue_date": MARKET.as_of - 100, "maturity_date": MARKET.as_of + 2_900,
        "discount_curve": "USD-SOFR",
    }  # fmt: skip
    compiled = compile_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, [row]), as_of=MARKET.as_of)
    ladder = par_dv01(compiled, market=MARKET, calibration=CALIBRATION)
    today = bind_scenarios(matrix("scenario,credit\nnone,0\n"), market=MARKET).scenarios
    before = present_values(compiled, market=MARKET, scenarios=today)
    gains = present_values(compiled, market=MARKET, scenarios=bound.scenarios) - before
    np.testing.assert_allclose(gains, ladder, rtol=0, atol=1e-7)
    assert -9_000.0 < ladder.sum() < -5_000.0


def test_patterns_move_many_quotes_at_once():
    shocks = [{"type": "quote", "quotes": ["OIS.*"], "bp": 10.0}]
    moves = stress_matrix(StressDefinition.model_validate({"scenarios": [{"name": "up", "shocks": shocks}]}), market=MARKET)
    assert [factor.name for factor in moves.factors] == ["quote/OIS.10Y", "quote/OIS.1Y", "quote/OIS.2Y", "quote/OIS.5Y"]
    assert moves.values.tolist() == [[1e-3] * 4]


def test_what_is_no_quote_is_refused_by_name():
    with pytest.raises(InvalidRequest, match=r"the market has no quote/OIS\.3Y; its quotes are OIS\.10Y, OIS\.1Y, OIS\.2Y, OIS\.5Y"):
        bind_scenarios(matrix("scenario,quote/OIS.3Y\nup,0.0001\n"), market=MARKET)
    with pytest.raises(InvalidRequest, match=r"the market has no quote/OIS\.5Y; its quotes are none"):
        bind_scenarios(matrix("scenario,quote/OIS.5Y\nup,0.0001\n"), market=POINTS)
    shocks = [{"type": "quote", "quotes": ["EUR.*"], "bp": 1.0}]
    with pytest.raises(InvalidRequest, match=r"no quote of the market's curves matches 'EUR\.\*'"):
        stress_matrix(StressDefinition.model_validate({"scenarios": [{"name": "up", "shocks": shocks}]}), market=MARKET)
    with pytest.raises(InvalidRequest, match="quotes move by absolute amounts only"):
        parse_factor("quote/OIS.5Y relative")
    with pytest.raises(InvalidRequest, match=r"a scenario moves quotes too far: .*OIS\.5Y"):
        bind_scenarios(matrix("scenario,quote/OIS.5Y\ncrash,-3\n"), market=MARKET)
