"""What-if on warm actors: the same compiled shards under another market, and the same numbers as the stress scenario of these shocks."""

import pytest

from riskray.figures.tail_risk import stress_answer
from riskray.figures.vectors import VectorReader
from riskray.market.build import build_market
from riskray.market.reader import parse_market
from riskray.models.scenario import StressDefinition
from riskray.models.tail_risk import NodeRequest
from riskray.models.what_if import MarketChange
from riskray.runs.what_if import derive_market, submit_under_market
from riskray.scenario.stress import stress_matrix
from riskray.store.results import totals
from tests.fixtures.stored_snapshots import bond, fx_forward, market_document, store_market, store_portfolio, store_scenarios

pytestmark = [pytest.mark.ray, pytest.mark.postgres]

SHOCKS = [
    {"type": "twist", "curves": ["EUR-*"], "size": {"bp": 40.0}},
    {"type": "parallel", "target": "spread", "shift": {"relative": 0.5}},
    {"type": "fx", "currencies": ["EUR"], "relative": -0.05},
]


def test_shocks_mean_what_they_mean_in_a_stress_scenario_and_nothing_is_compiled_again(make_grid):
    with make_grid(pricer_actors=1) as grid:
        document = {**market_document(), "fx_discount_curves": {"EUR": "EUR-GOVT", "USD": "USD-GOVT"}}
        store_market(grid.database, document)
        positions = [*(bond(n, spread_curve="CORP-A") for n in range(20)), *(fx_forward(n) for n in range(10))]
        portfolio = store_portfolio(grid.database, positions)
        definition = StressDefinition(scenarios=[{"name": "all", "shocks": SHOCKS}])
        matrix = stress_matrix(definition, market=build_market(parse_market(document), base_currency="USD"))
        store_scenarios(grid.database, matrix.labels, {factor.header: matrix.values[:, n] for n, factor in enumerate(matrix.factors)})
        base = grid.execute(portfolio.portfolio_id, scenario_set="moves", rows_per_shard=10)

        changed = derive_market(grid.database, run=base, change=MarketChange(shocks=SHOCKS))
        market = store_market(grid.database, changed.model_dump(mode="json", exclude_none=True))
        run = grid.drive(submit_under_market(grid.database, grid.settings, base=base, market_id=market.market_id))

        stress = stress_answer(grid.database, VectorReader(grid.database), run_id=base.run_id, request=NodeRequest(), scenarios=())
        before, after = (totals(grid.database, run_id=one.run_id).pv_base for one in (base, run))
        assert after - before == pytest.approx(stress.nodes[0].pnl[0], rel=1e-9)
        assert run.progress.shard_count == base.progress.shard_count == 3
        assert base.manifest["seconds"]["lower"] > 0.0 == run.manifest["seconds"]["lower"]
