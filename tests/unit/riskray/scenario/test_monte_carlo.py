"""Simulated moves: reproducible, with the moments they were asked to have, and a repaired correlation where the estimate is none."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from riskray.models.scenario import MonteCarloDefinition
from riskray.scenario.codec import ScenarioMatrix, content_hash
from riskray.scenario.compile import compile_scenarios
from riskray.scenario.history import History, make_history
from riskray.scenario.monte_carlo import correlation_root, estimate
from tests.unit.riskray.scenario.examples import FACTORS, market

COVARIANCE_ROOT = np.array([[5e-4, 0, 0, 0], [3e-4, 4e-4, 0, 0], [0, 1e-4, 2e-4, 0], [2e-3, 0, 0, 5e-3]])


def long_history() -> History:
    steps = np.random.default_rng(3).normal(size=(400, 4)) @ COVARIANCE_ROOT.T
    levels = np.column_stack([0.03 + np.cumsum(steps[:, :3], axis=0), 0.9 * np.exp(np.cumsum(steps[:, 3]))])
    return make_history(np.arange(19000, 19400, dtype=np.int32), FACTORS[:4], levels, numeraire="EUR")


def simulated(**fields: Any) -> ScenarioMatrix:
    definition = MonteCarloDefinition.model_validate({"history": "h", "seed": 11, "count": 20_000, **fields})
    return compile_scenarios(definition, history=long_history(), market=market())


def of_history(matrix: ScenarioMatrix) -> np.ndarray:
    headers = [factor.name for factor in matrix.factors]
    return matrix.values[:, [headers.index(name) for name in sorted(FACTORS[:4])]]


def test_same_seed_gives_the_same_bits_whatever_the_count() -> None:
    thousand, few = simulated(count=1000), simulated(count=300)
    assert content_hash(thousand) == content_hash(simulated(count=1000))
    np.testing.assert_array_equal(thousand.values[:300], few.values)
    assert content_hash(simulated(count=1000, seed=12)) != content_hash(thousand)


def test_draws_have_the_covariances_of_the_history() -> None:
    history = long_history()
    moves = np.diff(np.column_stack([np.log(history.values[:, 0]), history.values[:, 1:]]), axis=0)
    expected = moves.T @ moves / len(moves)
    found = of_history(simulated())
    found[:, 0] = np.log1p(found[:, 0])
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    np.testing.assert_allclose(found.T @ found / len(found) / scale, expected / scale, atol=0.03)


def test_horizon_scales_by_the_square_root_of_time() -> None:
    one, ten = simulated(count=256), simulated(count=256, horizon_days=10)
    column = [factor.name for factor in one.factors].index("zero/EUR-GOVT/1Y")
    np.testing.assert_allclose(ten.values[:, column], np.sqrt(10) * one.values[:, column], rtol=1e-12)


def test_student_t_has_fat_tails_and_the_same_variance() -> None:
    normal, fat = of_history(simulated())[:, 1], of_history(simulated(distribution="student_t", degrees_of_freedom=5.0))[:, 1]
    assert fat.std() == pytest.approx(normal.std(), rel=0.05)
    scaled = fat / (fat.std() * np.sqrt(3 / 5))
    assert stats.kstest(scaled, stats.t(5).cdf).pvalue > 1e-3
    assert stats.kurtosis(fat) > 2.0 > 0.3 > abs(stats.kurtosis(normal))


def test_full_shrinkage_makes_factors_independent() -> None:
    found = of_history(simulated(shrinkage=1.0))
    assert abs(np.corrcoef(found.T) - np.eye(4)).max() < 0.03
    assert abs(np.corrcoef(of_history(simulated()).T) - np.eye(4)).max() > 0.3


def test_exponential_weights_follow_riskmetrics() -> None:
    """sigma²(t+1) = decay × sigma²(t) + (1 - decay) × r², normalised over a finite window."""
    moves = np.random.default_rng(5).normal(size=(300, 2))
    variance = 0.0
    for move in moves[:, 0]:
        variance = 0.94 * variance + 0.06 * move**2
    volatility, correlation = estimate(moves, decay=0.94)
    assert volatility[0] ** 2 == pytest.approx(variance / (1 - 0.94**300))
    assert correlation[0, 0] == 1.0
    assert simulated(volatility="ewma", count=10).values.shape == (10, 7)


def test_impossible_correlation_is_repaired_to_the_published_one() -> None:
    """The example of R. Rebonato, P. Jäckel (1999), with the digits of QuantLib's test-suite/covariance.cpp, testRankReduction."""
    impossible = np.array([[1.0, 0.9, 0.7], [0.9, 1.0, 0.3], [0.7, 0.3, 1.0]])
    assert np.linalg.eigvalsh(impossible)[0] < 0.0
    root = correlation_root(impossible)
    repaired = root @ root.T
    np.testing.assert_allclose(np.diag(repaired), 1.0)
    assert np.linalg.eigvalsh(repaired)[0] > -1e-12
    np.testing.assert_allclose(
        [repaired[0, 1], repaired[0, 2], repaired[1, 2]], [0.894024408508599, 0.696319066114392, 0.300969036104592], rtol=1e-12
    )


def test_more_factors_than_moves_still_simulate() -> None:
    short = long_history()
    few = make_history(short.dates[:4], short.factors, short.values[:4], numeraire="EUR")
    definition = MonteCarloDefinition(history="h", seed=1, count=5)
    assert np.isfinite(compile_scenarios(definition, history=few, market=market()).values).all()


def test_exchange_rates_stay_positive_over_long_horizons() -> None:
    found = simulated(horizon_days=260, distribution="student_t", degrees_of_freedom=2.1)
    assert found.values[:, [factor.name for factor in found.factors].index("fx/USD")].min() > -1.0
