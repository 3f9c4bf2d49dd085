"""VaR, ES and contributions: published examples, numpy on raw vectors, integrals by quadrature, and sums of contributions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from riskray.errors import InvalidRequest
from riskray.figures.estimators import (
    CONVENTIONS,
    contributions,
    delta_tail_risk,
    move_covariance,
    tail_risk,
    tail_weights,
    worst_scenarios,
)
from riskray.models.tail_risk import Allocation, QuantileConvention

C = QuantileConvention
NUMPY_METHODS: dict[QuantileConvention, Any] = {
    C.LOWER: "inverted_cdf", C.LINEAR: "linear", C.HAZEN: "hazen", C.WEIBULL: "weibull", C.MEDIAN_UNBIASED: "median_unbiased",
    C.NORMAL_UNBIASED: "normal_unbiased",
}  # fmt: skip

# J.C. Hull, Risk Management and Financial Institutions, historical simulation example of 25 September 2008: the 15 worst of 500 one-day
# losses of a $10 million portfolio of four indices, with the number of the scenario.
HULL_WORST = {
    494: 477_841.0, 339: 345_435.0, 349: 282_204.0, 329: 277_041.0, 487: 253_385.0, 227: 217_974.0, 131: 205_256.0, 238: 201_389.0,
    473: 191_269.0, 306: 191_050.0, 477: 185_127.0, 495: 184_450.0, 376: 182_707.0, 237: 180_105.0, 365: 172_224.0,
}  # fmt: skip


def hull_losses() -> np.ndarray:
    losses = np.linspace(-150_000.0, 150_000.0, 500)  # the other scenarios do not reach the tail
    for scenario, loss in HULL_WORST.items():
        losses[scenario - 1] = loss
    return losses


def test_var_of_hulls_example_is_the_fifth_worst_loss() -> None:
    risk = tail_risk(-hull_losses(), confidence=0.99, convention=C.HIGHER)
    assert risk.var == 253_385.0
    assert risk.es == pytest.approx(327_181.0, abs=0.5)  # mean of the five worst
    assert tail_risk(-hull_losses(), confidence=0.99, convention=C.LOWER).var == 217_974.0


def test_age_weighted_var_of_hulls_example_is_the_third_worst_loss() -> None:
    """Same source: weights falling by 0.995 a day; the cumulative weights of the three worst are 0.00528, 0.00771 and 0.01026."""
    weights = 0.995 ** (500 - np.arange(1, 501)) * (1 - 0.995) / (1 - 0.995**500)
    np.testing.assert_allclose(np.cumsum(weights[[493, 338, 348]]), [0.00528, 0.00771, 0.01026], atol=6e-6)
    for convention in (C.LOWER, C.HIGHER):
        risk = tail_risk(-hull_losses(), confidence=0.99, convention=convention, probabilities=weights)
        assert risk.var == 282_204.0
        # 0.00528 × 477,841 + 0.00243 × 345,435 + (0.01 - 0.00528 - 0.00243) × 282,204, over 0.01: Hull prints 400,914.
        assert risk.es == pytest.approx(400_914.0, rel=1e-3)


def test_discrete_distributions_of_hulls_first_examples() -> None:
    """Same source, chapter on VaR. One project: gain 2 with 98 %, loss 4 with 1.5 %, loss 10 with 0.5 %. Two loans, each losing 10
    with 0.9 % and 1 else: VaR 1 and ES 9.1 alone, VaR 11 and ES 11.07 together, so VaR is not subadditive."""
    project, chances = np.array([2.0, -4.0, -10.0]), np.array([0.98, 0.015, 0.005])
    assert tail_risk(project, confidence=0.99, convention=C.LOWER, probabilities=chances).var == 4.0
    assert tail_risk(project, confidence=0.999, convention=C.LOWER, probabilities=chances).var == 10.0
    lower, higher = (tail_risk(project, confidence=0.995, convention=c, probabilities=chances).var for c in (C.LOWER, C.HIGHER))
    assert (lower, higher) == (4.0, 10.0)  # "not uniquely defined": anything between
    loan = tail_risk(np.array([-10.0, -1.0]), confidence=0.99, convention=C.HIGHER, probabilities=np.array([0.009, 0.991]))
    assert [loan.var, loan.es] == pytest.approx([1.0, 9.1])
    both = tail_risk(
        np.array([-20.0, -11.0, -2.0]), confidence=0.99, convention=C.HIGHER, probabilities=np.array([0.000081, 0.017838, 0.982081])
    )
    assert [both.var, both.es] == pytest.approx([11.0, 11.07], abs=0.005)


def test_parametric_var_of_hulls_example() -> None:
    """Same source, model-building example: equally weighted covariances, variance 8,761.833, deviation 93.60, VaR 217,757 with the
    quantile 2.326; amounts in $k. The printed covariances have four digits, hence the tolerance."""
    covariance = np.array(
        [
            [0.0001227, 0.0000768, 0.0000767, -0.0000095],
            [0.0000768, 0.0002010, 0.0001817, 0.0000394],
            [0.0000767, 0.0001817, 0.0001950, 0.0000407],
            [-0.0000095, 0.0000394, 0.0000407, 0.0001909],
        ]
    )
    risk = delta_tail_risk(np.array([4000.0, 3000.0, 1000.0, 2000.0]), covariance=covariance, confidence=0.99)
    assert risk.standard_deviation**2 == pytest.approx(8_761.833, rel=5e-4)
    assert risk.total.var == pytest.approx(217.757, rel=5e-4)
    assert risk.component_var.sum() == pytest.approx(risk.total.var, rel=1e-14)
    assert risk.component_es.sum() == pytest.approx(risk.total.es, rel=1e-14)


@pytest.mark.parametrize("convention", NUMPY_METHODS)
@pytest.mark.parametrize("count", [1, 2, 7, 100, 500, 1000])
@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.975, 0.99, 0.9973])
def test_var_equals_numpys_quantile(convention: QuantileConvention, count: int, confidence: float) -> None:
    pnl = np.random.default_rng(count).normal(size=count)
    expected = np.quantile(-pnl, confidence, method=NUMPY_METHODS[convention])
    assert tail_risk(pnl, confidence=confidence, convention=convention).var == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("confidence", [0.6, 0.975, 0.99])
def test_expected_shortfall_is_the_mean_of_var_above_the_confidence(convention: QuantileConvention, confidence: float) -> None:
    pnl = np.random.default_rng(4).standard_t(3, size=250)
    middles = confidence + (1 - confidence) * (np.arange(20_000) + 0.5) / 20_000
    method = NUMPY_METHODS.get(convention, "inverted_cdf")  # `higher` differs from `lower` on a null set
    expected = np.quantile(-pnl, middles, method=method).mean()
    assert tail_risk(pnl, confidence=confidence, convention=convention).es == pytest.approx(expected, rel=2e-4)


def test_large_normal_sample_approaches_the_closed_form() -> None:
    pnl = stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    risk = tail_risk(pnl, confidence=0.99, convention=C.HAZEN)
    closed = delta_tail_risk(np.array([1.0]), covariance=np.eye(1), confidence=0.99).total
    assert risk.var == pytest.approx(closed.var, rel=1e-3)
    assert risk.es == pytest.approx(closed.es, rel=1e-3)
    assert closed.es == pytest.approx(stats.norm.pdf(stats.norm.ppf(0.99)) / 0.01)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    convention=st.sampled_from(list(CONVENTIONS)),
    allocation=st.sampled_from(list(Allocation)),
    confidence=st.sampled_from([0.9, 0.95, 0.99]),
    drop=st.booleans(),
)
def test_components_add_up_and_a_component_never_exceeds_its_own_shortfall(
    seed: int, convention: QuantileConvention, allocation: Allocation, confidence: float, drop: bool
) -> None:
    generator = np.random.default_rng(seed)
    pnl = generator.standard_t(4, size=(5, 200)) * generator.lognormal(size=(5, 1))
    probabilities = np.where(np.arange(200) % 10 == 3, 0.0, 1 / 180) if drop else None
    found = contributions(pnl, confidence=confidence, convention=convention, allocation=allocation, probabilities=probabilities)
    assert found.component_var.sum() == pytest.approx(found.total.var, rel=1e-12, abs=1e-11)
    assert found.component_es.sum() == pytest.approx(found.total.es, rel=1e-12, abs=1e-11)
    if convention is not C.LINEAR:  # coherence: no part contributes more to the node than its own ES
        assert np.all(found.component_es <= found.es + 1e-9)
    kept = pnl if probabilities is None else pnl[:, probabilities > 0]
    rest = tail_risk(kept[1:].sum(axis=0), confidence=confidence, convention=convention)
    assert found.incremental_var[0] == pytest.approx(found.total.var - rest.var, rel=1e-9, abs=1e-9)


def test_component_shortfall_is_the_derivative_of_the_total_by_the_size_of_the_component() -> None:
    pnl = np.random.default_rng(9).normal(size=(3, 1000))
    found = contributions(pnl, confidence=0.975, convention=C.HIGHER, allocation=Allocation.SCENARIO)
    step = 1e-7
    for component in range(3):
        bumped = pnl.sum(axis=0) + step * pnl[component]
        bumped_risk = tail_risk(bumped, confidence=0.975, convention=C.HIGHER)
        assert (bumped_risk.es - found.total.es) / step == pytest.approx(found.component_es[component], abs=1e-5)
        assert (bumped_risk.var - found.total.var) / step == pytest.approx(found.component_var[component], abs=1e-5)


def test_dropped_scenario_counts_for_nothing_even_where_it_has_no_value() -> None:
    pnl = np.random.default_rng(2).normal(size=100)
    probabilities = np.full(100, 1 / 98)
    probabilities[[5, 50]] = 0.0
    broken = pnl.copy()
    broken[[5, 50]] = np.nan
    for convention in CONVENTIONS:
        found = tail_risk(broken, confidence=0.95, convention=convention, probabilities=probabilities)
        kept = tail_risk(np.delete(pnl, [5, 50]), confidence=0.95, convention=convention)
        # 98 times 1/98 differs from 1 in the last bits, which depend on the order in which the processor adds.
        assert (found.var, found.es) == pytest.approx((kept.var, kept.es), rel=1e-14)


def test_worst_scenarios_come_in_order_and_drive_the_shortfall() -> None:
    losses = hull_losses()
    worst = worst_scenarios(-losses, count=5)
    assert (worst + 1).tolist() == [494, 339, 349, 329, 487]
    weights = tail_weights(losses, confidence=0.99, convention=C.HIGHER)
    assert sorted(np.flatnonzero(weights.es).tolist()) == sorted(worst.tolist())
    assert worst_scenarios(-losses, count=2, kept=np.arange(100)).max() < 100


def test_parametric_var_with_the_scenarios_own_covariance_is_the_normal_var_of_the_linear_pnl() -> None:
    moves = np.random.default_rng(6).normal(size=(500, 3)) * [1e-4, 2e-4, 1e-2]
    sensitivities = np.array([1e6, -2e6, 3e4])
    found = delta_tail_risk(sensitivities, covariance=move_covariance(moves), confidence=0.95)
    assert found.standard_deviation == pytest.approx(np.sqrt(np.mean((moves @ sensitivities) ** 2)))
    assert delta_tail_risk(np.zeros(3), covariance=move_covariance(moves), confidence=0.95).total.var == 0.0


@pytest.mark.parametrize("confidence", [0.0, 1.0, -0.1, 99.0, float("nan")])
def test_confidence_outside_zero_and_one_is_refused(confidence: float) -> None:
    with pytest.raises(InvalidRequest, match=r"write 99 % as 0\.99"):
        tail_risk(np.zeros(10), confidence=confidence, convention=C.HIGHER)
    with pytest.raises(InvalidRequest, match=r"write 99 % as 0\.99"):
        delta_tail_risk(np.zeros(1), covariance=np.eye(1), confidence=confidence)


def test_unequal_probabilities_need_an_order_statistic() -> None:
    probabilities = np.array([0.5, 0.3, 0.2])
    with pytest.raises(InvalidRequest, match="choose lower or higher"):
        tail_risk(np.zeros(3), confidence=0.9, convention=C.LINEAR, probabilities=probabilities)


def test_vector_without_scenarios_or_with_a_gap_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="0 scenarios"):
        tail_risk(np.zeros(0), confidence=0.9, convention=C.HIGHER)
    with pytest.raises(ValueError, match="finite"):
        tail_risk(np.array([1.0, np.nan]), confidence=0.9, convention=C.HIGHER)
