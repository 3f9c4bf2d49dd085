"""Credit and inflation curves under scenarios: stress sets, histories and matrices move them like discount and spread curves."""

from datetime import date

import numpy as np
import pytest

from pricers.market.factors import FactorKind
from pricers.time.dates import to_day
from riskray.errors import InvalidRequest
from riskray.market.build import build_market
from riskray.market.reader import parse_market
from riskray.models.scenario import HistoricalDefinition, MonteCarloDefinition, MoveKind, StressDefinition
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.codec import checked_matrix
from riskray.scenario.factors import market_factor_names, parse_factor
from riskray.scenario.historical import historical_matrix
from riskray.scenario.history import make_history
from riskray.scenario.monte_carlo import monte_carlo_matrix
from riskray.scenario.sensitivities import factor_sensitivities
from riskray.scenario.stress import stress_matrix

DOCUMENT = {
    "name": "m",
    "as_of": "2024-03-28",
    "curves": [{"name": "EUR", "currency": "EUR", "points": [{"tenor": "1Y", "value": 0.03}]}],
    "credit_curves": [{"name": "ACME", "points": [{"tenor": "1Y", "value": 0.01}, {"tenor": "5Y", "value": 0.02}]}],
    "inflation_curves": [
        {"name": "CPI", "index": "EU-HICPXT", "base_date": "2023-12-01", "base_index_value": 123.49,
         "points": [{"tenor": "1Y", "value": 0.02}, {"tenor": "10Y", "value": 0.025}]}
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def market():
    return build_market(parse_market(DOCUMENT), base_currency="EUR")


def _stress(market, **shock):
    definition = StressDefinition.model_validate({"scenarios": [{"name": "s", "shocks": [{"type": "parallel", **shock}]}]})
    return bind_scenarios(stress_matrix(definition, market=market), market=market)


def test_every_pillar_of_every_kind_of_curve_is_a_factor(market):
    assert market_factor_names(market) == (
        "zero/EUR/1Y", "hazard/ACME/1Y", "hazard/ACME/5Y", "inflation/CPI/1Y", "inflation/CPI/10Y", "credit", "fx/EUR",
    )  # fmt: skip


def test_shock_moves_the_curves_of_its_target_alone(market):
    bound = _stress(market, target="hazard", shift={"relative": 0.5})
    assert {name: shift[:, 0].tolist() for name, shift in bound.scenarios.shifts.items()} == {"ACME": pytest.approx([0.005, 0.01])}
    assert bound.unmoved == ("zero/EUR", "inflation/CPI", "credit", "fx/EUR")
    bound = _stress(market, target="inflation", shift={"bp": 10})
    assert {name: shift[:, 0].tolist() for name, shift in bound.scenarios.shifts.items()} == {"CPI": pytest.approx([0.001, 0.001])}
    with pytest.raises(InvalidRequest, match="no hazard curve of the market matches 'EUR'; there are ACME"):
        _stress(market, target="hazard", curves=["EUR"], shift={"bp": 10})


def test_steepener_counts_from_the_valuation_date(market):
    shock = {"type": "steepener", "target": "inflation", "short": {"bp": 0}, "long": {"bp": 100}, "short_tenor": "6M", "long_tenor": "10Y"}
    shifts = _stress(market, **shock).scenarios.shifts["CPI"][:, 0]
    start, short, long = (to_day(day) for day in (date(2024, 3, 28), date(2024, 9, 28), date(2034, 3, 28)))
    pillars = [to_day(date(2024, 12, 1)) - start, to_day(date(2033, 12, 1)) - start]
    assert shifts == pytest.approx(np.interp(pillars, [short - start, long - start], [0.0, 0.01]), abs=1e-15)


def test_matrix_that_moves_a_pillar_that_the_market_lacks_is_refused(market):
    matrix = checked_matrix(("s",), (parse_factor("hazard/ACME/7Y"),), np.array([[0.01]]), numeraire="EUR")
    with pytest.raises(InvalidRequest, match="the pillars of ACME are 1Y, 5Y"):
        bind_scenarios(matrix, market=market)


def _history():
    names = ("hazard/ACME/1Y", "hazard/ACME/5Y", "inflation/CPI/5Y")
    levels = np.array([[0.010, 0.020, 0.020], [0.011, 0.022, 0.021], [0.012, 0.021, 0.019]])
    return make_history(np.array([19_000, 19_001, 19_002]), names, levels, numeraire="EUR")


def test_historical_moves_are_absolute_or_relative_by_kind_of_curve(market):
    definition = HistoricalDefinition(history="h", hazard_moves=MoveKind.RELATIVE)
    matrix = historical_matrix(definition, history=_history(), market=market)
    assert [factor.header for factor in matrix.factors] == [
        "hazard/ACME/1Y relative", "hazard/ACME/5Y relative", "inflation/CPI/1Y", "inflation/CPI/10Y",
    ]  # fmt: skip
    assert matrix.values == pytest.approx(np.array([[0.1, 0.1, 0.001, 0.001], [1 / 11, -1 / 22, -0.002, -0.002]]), abs=1e-12)


def test_monte_carlo_moves_credit_and_inflation_curves(market):
    matrix = monte_carlo_matrix(MonteCarloDefinition(history="h", seed=1, count=8), history=_history(), market=market)
    assert {factor.type for factor in matrix.factors} == {"hazard", "inflation"}
    assert np.any(matrix.values, axis=0).all()


def test_definitions_that_say_nothing_of_credit_and_inflation_keep_their_text():
    text = HistoricalDefinition(history="h").model_dump_json()
    assert "hazard_moves" not in text
    assert "inflation_moves" not in text
    assert HistoricalDefinition.model_validate_json(text) == HistoricalDefinition(history="h")


def test_parametric_sensitivities_read_the_ladders_of_the_curve_s_kind(market):
    matrix = checked_matrix(
        ("s",), (parse_factor("hazard/ACME/5Y"), parse_factor("inflation/CPI/1Y")), np.array([[0.01, 0.001]]), numeraire="EUR"
    )
    found = factor_sensitivities(
        matrix, market=market, ladders={("ACME", "5Y"): -3.0}, ladder_kinds={FactorKind.HAZARD}, fx_deltas={}, cs01=0.0
    )
    assert found.values == pytest.approx([-30_000.0, 0.0])
    assert found.left_out == ("inflation/CPI/1Y",)
