"""Historical simulation: what happened over every horizon of a window, applied to today's market.

An absolute move is the difference of two levels, a relative one their ratio less 1. A scenario is labelled by the date its move ends on.
"""

import numpy as np

from pricers.market.market import Market
from pricers.time.dates import to_date
from riskray.models.scenario import HistoricalDefinition, MoveKind
from riskray.scenario.codec import ScenarioMatrix, checked_matrix
from riskray.scenario.factors import Factor
from riskray.scenario.history import History
from riskray.scenario.moves import factor_map, select_levels


def historical_matrix(definition: HistoricalDefinition, *, history: History, market: Market) -> ScenarioMatrix:
    """One scenario a move. Raises InvalidRequest as `select_levels`."""
    horizon = definition.horizon_days
    step = 1 if definition.overlapping else horizon
    observations = None if definition.window is None else (definition.window - 1) * step + horizon + 1
    levels = select_levels(definition, history, market=market, observations=observations, observations_min=horizon + 1)
    ends = np.arange(levels.dates.size - 1, horizon - 1, -step)[::-1]
    moves = level_moves(levels.values[ends - horizon], levels.values[ends], levels.factors)
    mapped = factor_map(definition, levels, market=market)
    labels = tuple(to_date(int(day)).isoformat() for day in levels.dates[ends])
    return checked_matrix(labels, mapped.factors, moves @ mapped.weights, numeraire=history.numeraire)


def level_moves(start: np.ndarray, end: np.ndarray, factors: tuple[Factor, ...]) -> np.ndarray:
    """Moves from levels to levels, [move, factor], each as its factor's kind says."""
    is_relative = np.array([factor.kind is MoveKind.RELATIVE for factor in factors], bool)
    with np.errstate(divide="ignore", invalid="ignore"):  # only where the ratio is not taken
        moves: np.ndarray = np.where(is_relative, end / start - 1.0, end - start)
    return moves
