"""Definitions to matrices: the one place that knows every kind of definition. A matrix that the user made needs no compiling."""

from pricers.market.market import Market
from riskray.models.scenario import HistoricalDefinition, MonteCarloDefinition, StressDefinition
from riskray.scenario.codec import ScenarioMatrix
from riskray.scenario.historical import historical_matrix
from riskray.scenario.history import History
from riskray.scenario.monte_carlo import monte_carlo_matrix
from riskray.scenario.stress import stress_matrix

CompiledDefinition = StressDefinition | HistoricalDefinition | MonteCarloDefinition


def compile_scenarios(definition: CompiledDefinition, *, market: Market, history: History | None = None) -> ScenarioMatrix:
    """The moves of a definition over the curves and pillars of `market`.

    Args:
        definition: what is wanted.
        market: as of the day that the moves are for.
        history: the one that the definition names; for stress none.
    Raises:
        InvalidRequest: the definition does not fit the market or the history.
        ValueError: a definition that needs a history came without it.
    """
    if isinstance(definition, StressDefinition):
        return stress_matrix(definition, market=market)
    if history is None:
        raise ValueError(f"a {definition.kind} definition needs its history {definition.history!r}")
    if isinstance(definition, MonteCarloDefinition):
        return monte_carlo_matrix(definition, history=history, market=market)
    return historical_matrix(definition, history=history, market=market)
