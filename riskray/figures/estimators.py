"""Value at risk and expected shortfall from profit-and-loss vectors, with their contributions.

Every figure is a weighted sum of the scenarios' losses (an L-statistic): the convention and the confidence give each loss a weight by its
rank among the node's losses. Applied to the losses of the node's parts, these weights allocate the figure to them exactly (Euler's
theorem: VaR and ES are homogeneous of degree one) [1]. A loss is minus the P&L, so that positive numbers are losses.

ES at confidence a is the mean of VaR over all confidences above a, under one convention [2]; with `lower` and `higher` it is the mean of
the worst (1 - a) n losses, the last of which counts in part if (1 - a) n is not a whole number.

References:
    [1] D. Tasche (2000), Risk contributions and performance measurement.
    [2] C. Acerbi, D. Tasche (2002), On the coherence of expected shortfall, definition 2.6 and proposition 4.1.
    [3] R.J. Hyndman, Y. Fan (1996), Sample quantiles in statistical packages, American Statistician 50(4).
    [4] J. Boudoukh, M. Richardson, R. Whitelaw (1998), The best of both worlds, Risk 11(5).
    [5] J.C. Hull, Risk Management and Financial Institutions, chapters on historical simulation and model building.
    [6] P. Jorion, Value at Risk, 3rd ed., chapter 7.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

from riskray.errors import InvalidRequest
from riskray.models.tail_risk import Allocation, QuantileConvention

CONVENTIONS: Final = {
    QuantileConvention.LOWER: "The smallest loss that at least a share `confidence` of all losses do not exceed; type 1 [3].",
    QuantileConvention.HIGHER: "The smallest loss that more than a share `confidence` of all losses do not exceed: the fifth worst of "
    "500 at 99 % [5]. "
    "Differs from `lower` only where (1 - confidence) n is a whole number.",
    QuantileConvention.LINEAR: "Interpolated with the smallest loss at probability 0 and the largest at 1; type 7 [3], Excel's "
    "PERCENTILE.INC. Its ES counts the worst loss at half weight, so that a part may contribute more than its own ES: unlike all other "
    "conventions, it is not coherent.",
    QuantileConvention.HAZEN: "Interpolated with loss k at probability (k - 1/2) / n; type 5 [3].",
    QuantileConvention.WEIBULL: "Interpolated with loss k at probability k / (n + 1); type 6 [3], Excel's PERCENTILE.EXC.",
    QuantileConvention.MEDIAN_UNBIASED: "Interpolated with loss k at probability (k - 1/3) / (n + 1/3); type 8 [3], recommended there.",
    QuantileConvention.NORMAL_UNBIASED: "Interpolated with loss k at probability (k - 3/8) / (n + 1/4); type 9 [3].",
}
"""The meaning and the source of each convention."""

# Probability of the k-th smallest loss, k from 1: (k - offset) / (n + 1 - 2 × offset).
_OFFSETS: Final = {
    QuantileConvention.LINEAR: 1.0,
    QuantileConvention.HAZEN: 0.5,
    QuantileConvention.WEIBULL: 0.0,
    QuantileConvention.MEDIAN_UNBIASED: 1.0 / 3.0,
    QuantileConvention.NORMAL_UNBIASED: 0.375,
}
_ROUNDING = 1e-12  # 0.99 × 500 must give 495 despite rounding in binary


@dataclass(frozen=True)
class TailWeights:
    """Weights of the scenarios in VaR and in ES; each sums to 1."""

    var: Float[np.ndarray, " scenario"]
    es: Float[np.ndarray, " scenario"]


@dataclass(frozen=True)
class TailRisk:
    """VaR and ES of a node. Positive is a loss."""

    var: float
    es: float


@dataclass(frozen=True)
class Contributions:
    """Contributions of the components of a node, [component]."""

    total: TailRisk
    var: Float[np.ndarray, " component"]
    """VaR and ES of each component alone."""
    es: Float[np.ndarray, " component"]
    component_var: Float[np.ndarray, " component"]
    """Contributions that add up to the figures of the total."""
    component_es: Float[np.ndarray, " component"]
    incremental_var: Float[np.ndarray, " component"]
    """VaR of the total less VaR of the total without the component."""
    incremental_es: Float[np.ndarray, " component"]


def tail_weights(
    losses: Float[np.ndarray, " scenario"],
    *,
    confidence: float,
    convention: QuantileConvention,
    probabilities: Float[np.ndarray, " scenario"] | None = None,
) -> TailWeights:
    """Weights of the scenarios in VaR and ES.

    >>> weights = tail_weights(np.arange(500.0), confidence=0.99, convention=QuantileConvention.HIGHER)
    >>> np.flatnonzero(weights.var).tolist(), np.flatnonzero(weights.es).tolist()
    ([495], [495, 496, 497, 498, 499])

    Args:
        losses: positive is a loss; equal losses are ranked in the order of the scenarios.
        confidence: inside (0, 1).
        convention: see CONVENTIONS.
        probabilities: of the scenarios, not negative, summing to 1; None for equal ones. A scenario with probability 0 is left out (a
            dropped scenario); other unequal probabilities (age weighting [4]) are defined only under `lower` and `higher`.
    Raises:
        InvalidRequest: the confidence is outside (0, 1), or the probabilities are unequal under an interpolating convention.
        ValueError: there is no scenario, or a loss is not finite.
    """
    _require_confidence(confidence)
    kept = np.arange(losses.size) if probabilities is None else np.flatnonzero(probabilities > 0.0)
    if not kept.size or not np.all(np.isfinite(losses[kept])):
        raise ValueError(f"tail risk of {kept.size} scenarios: at least one scenario is needed, and every loss must be finite")
    order = kept[np.argsort(losses[kept], kind="stable")]
    shares = np.full(order.size, 1.0 / order.size) if probabilities is None else probabilities[order] / probabilities[order].sum()
    ranked = _ranked_weights(shares, confidence, convention)
    var, es = np.zeros(losses.size), np.zeros(losses.size)
    var[order], es[order] = ranked.var, ranked.es
    return TailWeights(var, es)


def _require_confidence(confidence: float) -> None:
    if not 0.0 < confidence < 1.0:
        message = f"confidence {confidence:g} is not between 0 and 1; write 99 % as 0.99"
        raise InvalidRequest(message, [{"loc": ["confidence"], "msg": message, "code": "out_of_range"}])


def _ranked_weights(shares: np.ndarray, confidence: float, convention: QuantileConvention) -> TailWeights:
    """Weights by rank, the smallest loss first; `shares`: probabilities in that order."""
    if convention not in _OFFSETS:
        return TailWeights(*_step_weights(shares, confidence, upper=convention is QuantileConvention.HIGHER))
    if not np.allclose(shares, shares[0], rtol=1e-9, atol=0.0):
        message = f"convention {convention.value} needs scenarios of equal probability; choose lower or higher"
        raise InvalidRequest(message, [{"loc": ["convention"], "msg": message, "code": "not_allowed"}])
    return TailWeights(*_interpolated_weights(shares.size, confidence, _OFFSETS[convention]))


def _step_weights(shares: np.ndarray, confidence: float, *, upper: bool) -> tuple[np.ndarray, np.ndarray]:
    """Weights by rank, the smallest loss first."""
    # Probabilities are summed from the worst loss down, because the tail is short and its rounding error small.
    beyond = np.concatenate([np.cumsum(shares[::-1])[::-1], [0.0]])  # share of this loss and all worse ones
    tail = 1.0 - confidence
    reached = beyond[:-1] >= tail - _ROUNDING if upper else beyond[:-1] > tail + _ROUNDING
    var = np.zeros(shares.size)
    var[np.flatnonzero(reached)[-1] if reached.any() else 0] = 1.0
    es = np.minimum(beyond[:-1], tail) - np.minimum(beyond[1:], tail)
    es[es < _ROUNDING] = 0.0
    return var, es / es.sum()


def _interpolated_weights(count: int, confidence: float, offset: float) -> tuple[np.ndarray, np.ndarray]:
    """Weights by rank: VaR(p) is linear between the points (probability of loss k, loss k) and constant outside them."""
    points = (np.arange(1, count + 1) - offset) / (count + 1.0 - 2.0 * offset) if count > 1 else np.array([0.5])
    var = _hat_weights(points, confidence)
    # The integral of a piecewise linear function from `confidence` to 1: each piece contributes the mean of its ends times its length.
    knots = np.concatenate([[confidence], points[(points > confidence) & (points < 1.0)], [1.0]])
    ends = np.array([_hat_weights(points, knot) for knot in knots])
    es: np.ndarray = (np.diff(knots)[:, None] * (ends[:-1] + ends[1:]) / 2.0).sum(axis=0)
    return var, es / es.sum()


def _hat_weights(points: np.ndarray, probability: float) -> np.ndarray:
    weights = np.zeros(points.size)
    right = int(np.searchsorted(points, probability - _ROUNDING))
    if right == 0 or right == points.size:
        weights[min(right, points.size - 1)] = 1.0
        return weights
    share = min((probability - points[right - 1]) / (points[right] - points[right - 1]), 1.0)
    weights[right - 1], weights[right] = 1.0 - share, share
    return weights


def tail_risk(
    pnl: Float[np.ndarray, " scenario"],
    *,
    confidence: float,
    convention: QuantileConvention,
    probabilities: Float[np.ndarray, " scenario"] | None = None,
) -> TailRisk:
    """VaR and ES of one P&L vector. Raises as `tail_weights`."""
    weights = tail_weights(-pnl, confidence=confidence, convention=convention, probabilities=probabilities)
    return TailRisk(_weighted(weights.var, -pnl), _weighted(weights.es, -pnl))


def _weighted(weights: np.ndarray, losses: np.ndarray) -> float:
    counting = np.flatnonzero(weights)  # a dropped scenario may have any value, even NaN
    return float(weights[counting] @ losses[counting])


def contributions(
    pnl: Float[np.ndarray, "component scenario"],
    *,
    confidence: float,
    convention: QuantileConvention,
    allocation: Allocation = Allocation.TAIL_AVERAGE,
    probabilities: Float[np.ndarray, " scenario"] | None = None,
) -> Contributions:
    """Stand-alone, component and incremental VaR and ES of the rows of a matrix whose sum is the node.

    Component ES is a component's mean loss in the node's tail. Component VaR is its loss in the scenarios that define VaR (`scenario`:
    exact, but noisy, because it depends on one or two scenarios) or its share of ES applied to VaR (`tail_average`); both add up to VaR.
    If ES is zero, shares of it are undefined, and the losses in the scenarios are used.

    Raises:
        InvalidRequest, ValueError: as `tail_weights`.
    """
    total_pnl = pnl.sum(axis=0)
    weights = tail_weights(-total_pnl, confidence=confidence, convention=convention, probabilities=probabilities)
    total = TailRisk(_weighted(weights.var, -total_pnl), _weighted(weights.es, -total_pnl))
    component_es = _weighted_rows(weights.es, -pnl)
    if allocation is Allocation.TAIL_AVERAGE and total.es != 0.0:
        component_var = component_es * (total.var / total.es)
    else:
        component_var = _weighted_rows(weights.var, -pnl)
    alone_var, alone_es = _row_risks(pnl, confidence, convention, probabilities)
    rest_var, rest_es = _row_risks(total_pnl - pnl, confidence, convention, probabilities)
    return Contributions(
        total=total,
        var=alone_var,
        es=alone_es,
        component_var=component_var,
        component_es=component_es,
        incremental_var=total.var - rest_var,
        incremental_es=total.es - rest_es,
    )


def _row_risks(
    pnl: np.ndarray, confidence: float, convention: QuantileConvention, probabilities: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Stand-alone VaR and ES of every row."""
    kept = np.ones(pnl.shape[1], bool) if probabilities is None else probabilities > 0.0
    if probabilities is not None and np.ptp(probabilities[kept]) > 0.0:
        risks = [tail_risk(row, confidence=confidence, convention=convention, probabilities=probabilities) for row in pnl]
        return np.array([risk.var for risk in risks]), np.array([risk.es for risk in risks])
    # With equal probabilities all rows have identical weights by rank, so that they are sorted together.
    ranked = _ranked_weights(np.full(kept.sum(), 1.0 / kept.sum()), confidence, convention)
    losses = np.sort(-pnl[:, kept], axis=1)
    return _weighted_rows(ranked.var, losses), _weighted_rows(ranked.es, losses)


def _weighted_rows(weights: np.ndarray, losses: np.ndarray) -> np.ndarray:
    counting = np.flatnonzero(weights)
    rows: np.ndarray = losses[:, counting] @ weights[counting]
    return rows


def worst_scenarios(pnl: Float[np.ndarray, " scenario"], *, count: int, kept: np.ndarray | None = None) -> np.ndarray:
    """Indices of the `count` worst scenarios among `kept` (None for all), the worst first; equal ones in their order."""
    candidates = np.arange(pnl.size) if kept is None else kept
    ordered: np.ndarray = candidates[np.argsort(pnl[candidates], kind="stable")[:count]]
    return ordered


@dataclass(frozen=True)
class DeltaTailRisk:
    """Normal VaR and ES of a node from sensitivities, with the share of each factor; the shares add up to the figure."""

    total: TailRisk
    component_var: Float[np.ndarray, " factor"]
    component_es: Float[np.ndarray, " factor"]
    standard_deviation: float


def delta_tail_risk(
    sensitivities: Float[np.ndarray, " factor"], *, covariance: Float[np.ndarray, "factor factor"], confidence: float
) -> DeltaTailRisk:
    """Parametric VaR (variance-covariance, [5], [6]): the P&L is sensitivities · moves, and the moves are normal with mean zero.

    Args:
        sensitivities: base currency for a move of 1 of each factor.
        covariance: of the moves over the horizon.
        confidence: inside (0, 1).
    Raises:
        InvalidRequest: a confidence outside (0, 1).
    """
    _require_confidence(confidence)
    marginal = covariance @ sensitivities
    deviation = float(np.sqrt(max(sensitivities @ marginal, 0.0)))
    quantile = float(ndtri(confidence))
    tail_mean = float(np.exp(-(quantile**2) / 2.0) / np.sqrt(2.0 * np.pi) / (1.0 - confidence))
    shares = sensitivities * marginal / deviation if deviation > 0.0 else np.zeros_like(sensitivities)
    return DeltaTailRisk(TailRisk(quantile * deviation, tail_mean * deviation), quantile * shares, tail_mean * shares, deviation)


def move_covariance(moves: Float[np.ndarray, "scenario factor"]) -> Float[np.ndarray, "factor factor"]:
    """Covariance about zero of equally likely moves, so that the parametric figure uses the scenarios of the other figures."""
    covariance: np.ndarray = moves.T @ moves / moves.shape[0]
    return covariance
