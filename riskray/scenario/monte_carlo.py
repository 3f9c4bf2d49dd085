"""Monte Carlo scenarios: random factor moves with the covariances of a history.

Steps, each stated because each changes numbers:

1. Moves of one observation: differences of absolute factors, differences of logarithms of relative ones.
2. Volatility of each factor about zero: the root mean square over the window, or exponentially weighted [1].
3. Correlation about zero over the same window and weights, shrunk towards the identity as asked, then made positive semi-definite by
   dropping negative eigenvalues and scaling the rest back to a unit diagonal [2].
4. Horizon: volatility times the square root of the number of observations.
5. Draws: uniforms of numpy's Philox counter generator, keyed by the seed, through the inverse normal. Scenario i takes its numbers from
   block i // 256 of the counter: the first n scenarios are the same whatever the count. Student's t divides by the root of a
   chi-square of its own for each scenario and scales back to the estimated variance.
6. A relative factor's move is exp(x) - 1, so that no price becomes negative.

References:
    [1] J.P. Morgan/Reuters (1996), RiskMetrics Technical Document, 4th ed., section 5.2.
    [2] R. Rebonato, P. Jäckel (1999), The most general methodology to create a valid correlation matrix, section 3
        (spectral decomposition).
"""

import numpy as np
from jaxtyping import Float
from scipy.special import chdtri, ndtri

from pricers.market.market import Market
from riskray.errors import InvalidRequest
from riskray.models.scenario import MonteCarloDefinition, MoveKind
from riskray.scenario.codec import ScenarioMatrix, checked_matrix
from riskray.scenario.factors import Factor
from riskray.scenario.history import History
from riskray.scenario.moves import factor_map, select_levels

BLOCK_SCENARIOS = 256
_MANTISSA_BITS = 53


def monte_carlo_matrix(definition: MonteCarloDefinition, *, history: History, market: Market) -> ScenarioMatrix:
    """`definition.count` scenarios labelled "1", "2", … Raises InvalidRequest as `select_levels`."""
    observations = None if definition.window is None else definition.window + 1
    levels = select_levels(definition, history, market=market, observations=observations, observations_min=2)
    moves = _moves(levels.values, levels.factors)
    volatility, correlation = estimate(moves, decay=definition.decay if definition.volatility == "ewma" else None)
    root = correlation_root((1.0 - definition.shrinkage) * correlation + definition.shrinkage * np.eye(len(levels.factors)))
    scaled = root * (volatility * np.sqrt(definition.horizon_days))[:, None]
    draws = _draws(scaled, definition)
    is_relative = np.array([factor.kind is MoveKind.RELATIVE for factor in levels.factors], bool)
    with np.errstate(over="ignore"):
        values = np.where(is_relative, np.expm1(draws), draws)
    if not np.all(np.isfinite(values)):
        message = "a simulated move is not finite; check the history for jumps or shorten horizon_days"
        raise InvalidRequest(message, [{"loc": ["horizon_days"], "msg": message, "code": "not_finite"}])
    mapped = factor_map(definition, levels, market=market)
    labels = tuple(str(number) for number in range(1, definition.count + 1))
    return checked_matrix(labels, mapped.factors, values @ mapped.weights, numeraire=history.numeraire)


def _moves(values: np.ndarray, factors: tuple[Factor, ...]) -> np.ndarray:
    is_relative = np.array([factor.kind is MoveKind.RELATIVE for factor in factors], bool)
    levels = values.copy()
    levels[:, is_relative] = np.log(levels[:, is_relative])
    return np.diff(levels, axis=0)


def estimate(
    moves: Float[np.ndarray, "move factor"], *, decay: float | None
) -> tuple[Float[np.ndarray, " factor"], Float[np.ndarray, "factor factor"]]:
    """Volatilities and correlations about zero; `decay`: weight of a move relative to the next later one, None for equal weights.

    A factor that never moves has volatility 0 and no correlation with others.
    """
    count = moves.shape[0]
    weights = np.full(count, 1.0 / count) if decay is None else decay ** np.arange(count - 1.0, -1.0, -1.0)
    weights = weights / weights.sum()
    covariance = (moves * weights[:, None]).T @ moves
    volatility = np.sqrt(np.diag(covariance))
    scale = np.where(volatility > 0.0, volatility, 1.0)
    correlation = covariance / np.outer(scale, scale)
    np.fill_diagonal(correlation, 1.0)
    return volatility, correlation


def correlation_root(correlation: Float[np.ndarray, "factor factor"]) -> Float[np.ndarray, "factor factor"]:
    """B with rows of length 1 such that B Bᵀ is the correlation, or the repaired one where it is not positive semi-definite."""
    eigenvalues, vectors = np.linalg.eigh((correlation + correlation.T) / 2.0)
    root = vectors * np.sqrt(np.clip(eigenvalues, 0.0, None))
    lengths = np.linalg.norm(root, axis=1, keepdims=True)
    normalised: np.ndarray = root / lengths
    return normalised


def _draws(scaled: np.ndarray, definition: MonteCarloDefinition) -> np.ndarray:
    blocks = []
    for block in range(-(-definition.count // BLOCK_SCENARIOS)):
        uniforms = _uniforms(definition.seed, block, (BLOCK_SCENARIOS, scaled.shape[0] + 1))
        # Always a whole block: the matrix product's rounding may depend on its shape.
        draws = ndtri(uniforms[:, 1:]) @ scaled.T
        if definition.distribution == "student_t":
            freedom = definition.degrees_of_freedom
            draws *= np.sqrt((freedom - 2.0) / chdtri(freedom, uniforms[:, 0]))[:, None]
        blocks.append(draws)
    return np.concatenate(blocks)[: definition.count]


def _uniforms(seed: int, block: int, shape: tuple[int, int]) -> np.ndarray:
    """Uniforms inside (0, 1) from raw bits, which numpy keeps the same between versions, as it does not its distributions."""
    raw = np.random.Philox(key=seed, counter=[0, 0, 0, block]).random_raw(shape[0] * shape[1])
    uniforms: np.ndarray = ((raw >> np.uint64(64 - _MANTISSA_BITS)).astype(np.float64) + 0.5) * 2.0**-_MANTISSA_BITS
    return uniforms.reshape(shape)
