"""Use cases as a notebook calls them: files to snapshots, a run, what-if and P&L explanation, without a server."""

import asyncio
import io
import json
from collections.abc import Iterator

import pytest

from pricers.measures import Measure
from riskray.config import Settings
from riskray.models.run import Run, RunRequest, RunState
from riskray.models.scenario import ScenarioSetRequest
from riskray.models.what_if import WhatIfRequest
from riskray.runs import scenario_sets, uploads
from riskray.runs.pnl_explainer import PnlExplainer
from riskray.runs.submit import preflight_run, submit_run
from riskray.runs.what_if import WhatIf
from riskray.snapshots.kinds import PORTFOLIOS, SCENARIO_SETS
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.runs import get_run
from tests.fixtures.postgres import settings_for
from tests.fixtures.services import InProcessGrid
from tests.fixtures.stored_snapshots import bond, fx_forward, market_document

pytestmark = pytest.mark.postgres

POSITIONS = [*(bond(number) for number in range(4)), fx_forward(1)]


class Notebook:
    """A database and the pricing of this process, which also drives the runs that a what-if submits."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.grid = InProcessGrid(settings, database)

    async def started(self, run: Run, *, wait_s: float) -> Run:
        self.grid.drive()
        return get_run(self.database, run_id=run.run_id)

    def run(self, *, market: str, portfolio: str) -> Run:
        run, _ = submit_run(self.database, self.settings, RunRequest(portfolio=portfolio, market=market, measures=[Measure.PV]))
        self.grid.drive()
        return get_run(self.database, run_id=run.run_id)


@pytest.fixture
def notebook(database_url: str) -> Iterator[Notebook]:
    settings = settings_for(database_url)
    with Database(settings) as database:
        notebook = Notebook(settings, database)
        file = io.BytesIO(json.dumps(market_document()).encode())
        uploads.upload_market(database, file, format="json")
        uploads.upload_portfolio(database, io.BytesIO(json.dumps(POSITIONS).encode()), format="json", name="desk")
        yield notebook


def test_uploads_are_described_and_known_content_is_not_new(notebook: Notebook) -> None:
    database = notebook.database
    market, created = uploads.upload_market(database, io.BytesIO(json.dumps(market_document()).encode()), format="json")
    assert (market.name, market.version, market.rejected_count, created) == ("close", 1, 0, False)
    portfolio = uploads.describe_portfolio(database, snapshots.get(database, PORTFOLIOS, "desk"))
    assert (portfolio.position_count, portfolio.products) == (5, {"FIXED_BOND": 4, "FX_FWD": 1})
    shock = {"type": "parallel", "curves": ["EUR-*"], "shift": {"bp": 1}}
    definition = {"kind": "stress", "scenarios": [{"name": "up", "shocks": [shock]}]}
    request = ScenarioSetRequest.model_validate({"name": "stress", "market": "close", "definition": definition})
    made, created = scenario_sets.create_scenario_set(database, request)
    assert (made.scenario_count, made.market_id, created) == (1, market.market_id, True)
    described = scenario_sets.describe_scenario_set(database, snapshots.get(database, SCENARIO_SETS, made.scenario_set_id))
    assert described.labels == ["up"]
    assert "zero/USD-GOVT" in (described.unmoved or [])
    assert preflight_run(database, RunRequest(portfolio="desk", market="close", scenario_set="stress")).gaps == []


def test_what_if_and_pnl_explanation_need_no_server(notebook: Notebook) -> None:
    base = notebook.run(market="close", portfolio="desk")
    assert base.state is RunState.SUCCEEDED
    what_if = WhatIf(notebook.settings, notebook.database, notebook.grid, notebook)

    moved = asyncio.run(what_if.answer(base.run_id, WhatIfRequest.model_validate({"market": {"fx_rates": {"EURUSD": 1.2}}})))
    assert moved.state is RunState.SUCCEEDED
    assert moved.what_if_run_id != base.run_id
    assert moved.total is not None
    assert moved.total.pv_base is not None
    assert moved.total.pv_base.difference != 0.0

    without = asyncio.run(what_if.answer(base.run_id, WhatIfRequest(remove=["BD-000001"], add=[bond(9)])))
    assert without.what_if_run_id == base.run_id
    assert without.total is not None
    assert (without.total.ok_count_base, without.total.ok_count_what_if) == (5, 5)

    explainer = PnlExplainer(notebook.database, notebook.grid, 100)
    earlier, later, found = asyncio.run(explainer.explain(base.run_id, moved.what_if_run_id))
    assert (earlier.run_id, later.run_id) == (base.run_id, moved.what_if_run_id)
    assert sum(found.positions.column("pnl").to_pylist()) == pytest.approx(moved.total.pv_base.difference, rel=1e-9)
