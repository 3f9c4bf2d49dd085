"""Stress definitions: every shape at every pillar, combinations, and every way to name something that is not there."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from riskray.errors import InvalidRequest
from riskray.models.scenario import StressDefinition
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.codec import ScenarioMatrix
from riskray.scenario.stress import stress_matrix
from tests.unit.riskray.scenario.examples import DAYS, market


def definition(*shocks: dict[str, Any], combinations: tuple[dict[str, Any], ...] = (), **others: Any) -> StressDefinition:
    scenarios = [{"name": f"s{number}", "shocks": [shock]} for number, shock in enumerate(shocks)]
    return StressDefinition.model_validate({"scenarios": scenarios, "combinations": list(combinations), **others})


def moves(matrix: ScenarioMatrix, label: str) -> dict[str, float]:
    row = matrix.values[matrix.labels.index(label)].tolist()
    return {factor.header: value for factor, value in zip(matrix.factors, row, strict=True) if value}


def test_parallel_shock_moves_every_pillar_of_the_curves_named() -> None:
    found = stress_matrix(definition({"type": "parallel", "curves": ["EUR-*"], "shift": {"bp": 100}}), market=market())
    assert moves(found, "s0") == pytest.approx({f"zero/EUR-GOVT/{label}": 0.01 for label in ("1Y", "5Y", "10Y")})


def test_twist_and_steepener_are_linear_in_time() -> None:
    twist = {"type": "twist", "curves": ["EUR-GOVT"], "size": {"bp": 20}, "short_tenor": "1Y", "pivot_tenor": "5Y", "long_tenor": "10Y"}
    steepener = {
        "type": "steepener",
        "curves": ["EUR-GOVT"],
        "short": {"bp": -10},
        "long": {"bp": 30},
        "short_tenor": "1Y",
        "long_tenor": "10Y",
    }
    found = stress_matrix(definition(twist, steepener), market=market())
    assert moves(found, "s0") == pytest.approx({"zero/EUR-GOVT/1Y": -0.002, "zero/EUR-GOVT/10Y": 0.002})
    middle = -0.001 + 0.004 * (DAYS[1] - DAYS[0]) / (DAYS[2] - DAYS[0])
    assert moves(found, "s1") == pytest.approx({"zero/EUR-GOVT/1Y": -0.001, "zero/EUR-GOVT/5Y": middle, "zero/EUR-GOVT/10Y": 0.003})


def test_single_tenors_relative_moves_credit_and_fx_combine() -> None:
    found = stress_matrix(
        definition(
            {"type": "tenors", "curves": ["USD-GOVT"], "shifts": {"5Y": {"relative": 0.1}, "10Y": {"bp": -5}}},
            {"type": "parallel", "target": "spread", "shift": {"relative": 0.5}},
            {"type": "fx", "currencies": ["EUR"], "relative": -0.1},
            {"type": "credit", "bp": 75},
            {"type": "parallel", "curves": ["USD-GOVT"], "shift": {"bp": 10}},
            combinations=({"name": "crash", "of": ["s0", "s2", "s3", "s4"]},),
        ),
        market=market(),
    )
    assert moves(found, "crash") == pytest.approx(
        {
            "zero/USD-GOVT/1Y": 0.001, "zero/USD-GOVT/5Y": 0.001, "zero/USD-GOVT/5Y relative": 0.1, "zero/USD-GOVT/10Y": 0.0005,
            "credit": 0.0075, "fx/EUR": -0.1,
        }
    )  # fmt: skip
    assert set(moves(found, "s1")) == {f"spread/EUR-CORP/{label} relative" for label in ("1Y", "5Y", "10Y")}


def test_bound_stress_moves_todays_market_by_absolute_and_relative_amounts() -> None:
    found = stress_matrix(
        definition(
            {"type": "tenors", "curves": ["USD-GOVT"], "shifts": {"5Y": {"relative": 0.1}}},
            {"type": "parallel", "curves": ["USD-GOVT"], "shift": {"bp": 10}},
            combinations=({"name": "both", "of": ["s0", "s1"]},),
        ),
        market=market(),
    )
    bound = bind_scenarios(found, market=market())
    shifts = bound.scenarios.shifts["USD-GOVT"]
    np.testing.assert_allclose(shifts[:, 2], [0.001, 0.001 + 0.1 * 0.045, 0.001], rtol=0, atol=1e-15)
    assert "zero/EUR-GOVT/5Y" in bound.unmoved_factors
    assert "zero/USD-GOVT/5Y" not in bound.unmoved_factors
    assert set(bound.scenarios.shifts) == {"USD-GOVT"}
    assert bound.scenarios.fx_factors == {}
    assert bound.scenarios.credit_spread_shift is None


@pytest.mark.parametrize(
    ("shock", "message"),
    [
        ({"type": "parallel", "curves": ["CHF-*"], "shift": {"bp": 1}}, r"matches 'CHF-\*'; there are EUR-GOVT, USD-GOVT"),
        ({"type": "parallel", "target": "spread", "curves": ["US"], "shift": {"bp": 1}}, "there are EUR-CORP"),
        ({"type": "tenors", "shifts": {"7Y": {"bp": 1}}}, "EUR-GOVT has no pillar '7Y'; it has 1Y, 5Y, 10Y"),
        ({"type": "fx", "currencies": ["JPY"], "relative": 0.1}, "there are EUR, GBP"),
        ({"type": "fx", "currencies": ["USD"], "relative": 0.1}, "numeraire USD"),
        ({"type": "twist", "size": {"bp": 1}, "short_tenor": "10Y"}, "do not increase"),
        ({"type": "steepener", "short": {"bp": 1}, "long": {"relative": 0.1}}, "both be bp or both be relative"),
    ],
)
def test_shock_that_does_not_fit_the_market_is_refused(shock: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        stress_matrix(definition(shock), market=market())
    assert caught.value.problems[0]["loc"][:2] == ["scenarios", 0]


def test_names_given_twice_and_unknown_parts_are_refused() -> None:
    shock = {"type": "credit", "bp": 1}
    with pytest.raises(InvalidRequest, match="'s0' is there twice"):
        stress_matrix(definition(shock, shock, combinations=({"name": "s0", "of": ["s0", "s1"]},)), market=market())
    with pytest.raises(InvalidRequest, match="names 's9'; scenarios are s0"):
        stress_matrix(definition(shock, combinations=({"name": "c", "of": ["s0", "s9"]},)), market=market())


@pytest.mark.parametrize(
    "shock",
    [
        {"type": "parallel", "shift": {}},
        {"type": "parallel", "shift": {"bp": 1, "relative": 0.1}},
        {"type": "parallel", "shift": {"bp": "nan"}},
        {"type": "fx", "currencies": ["EUR"], "relative": -1.0},
        {"type": "twist", "size": {"bp": 1}, "pivot_tenor": "soon"},
        {"type": "earthquake"},
    ],
)
def test_shock_that_makes_no_sense_is_refused(shock: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        definition(shock)


def test_empty_definition_is_refused() -> None:
    with pytest.raises(ValidationError):
        StressDefinition(scenarios=[])
