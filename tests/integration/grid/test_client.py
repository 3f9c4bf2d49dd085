"""The grid as services use it: the detached actors and their responses."""

import asyncio

import pytest
import ray

from pricers.measures import Measure
from riskray.errors import Conflict, InvalidRequest, NotFound, Overloaded
from riskray.grid.client import Grid
from riskray.grid.start import drive_to_end, start_grid, stop_grid
from riskray.models.run import RunRequest, RunState
from riskray.portfolio.reader import positions_table
from riskray.runs.submit import submit_run
from riskray.store.database import Database
from riskray.store.results import get_result
from riskray.store.runs import get_run
from tests.fixtures.local_grid import grid_settings
from tests.fixtures.stored_snapshots import bond, fx_forward, store_market, store_portfolio
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.ray, pytest.mark.postgres]

ALL = frozenset(Measure)


@pytest.fixture(scope="module")
def settings(ray_cluster, create_database, _template):
    """A started grid of one pricer and the coordinator."""
    chosen = grid_settings(create_database(template=_template), pricer_actors=1)
    start_grid(chosen)
    yield chosen
    stop_grid(chosen)


@pytest.fixture(scope="module")
def database(settings):
    with Database(settings) as opened:
        store_market(opened)
        yield opened


@pytest.fixture(scope="module")
def portfolio(database):
    positions = [bond(0), bond(1, discount_curve="EUR-X"), fx_forward(2)]
    return store_portfolio(database, positions)


@pytest.fixture(scope="module")
def client(settings):
    return Grid(settings)


@pytest.fixture(scope="module")
def finished(settings, database, portfolio, client):
    run, created = submit_run(database, settings, RunRequest(portfolio=portfolio.portfolio_id, market="close"))
    assert created
    client.wake()
    return wait_until(lambda: (found := get_run(database, run_id=run.run_id)).state.is_final and found)


def test_submitted_run_is_driven_by_the_coordinator_actor(finished):
    assert (finished.state, finished.progress.ok_count, finished.progress.failed_count) == (RunState.PARTIAL, 2, 1)


def test_start_of_a_started_grid_keeps_its_processes(settings, client):
    before = asyncio.run(client.status())
    start_grid(settings)
    after = asyncio.run(client.status())
    assert [pricer.pid for pricer in after.pricers] == [pricer.pid for pricer in before.pricers]
    assert after.coordinator.pid == before.coordinator.pid


def test_status_names_every_pricer_and_the_coordinator(client):
    status = asyncio.run(client.status())
    assert [(pricer.name, pricer.state) for pricer in status.pricers] == [("pricer-0", "READY")]
    assert status.pricers[0].resident_bytes > 0
    # It lets go of a run some moments after the run's end can be seen.
    wait_until(lambda: asyncio.run(client.status()).coordinator.runs == (), what="a coordinator without runs")


def test_price_agrees_with_the_run_to_the_last_bit(client, database, finished):
    tables = positions_table([fx_forward(2), bond(0)]).tables
    priced = asyncio.run(client.price(tables, market="close", base_currency="USD", measures=ALL))
    assert priced.failures.num_rows == 0
    rows = {row["position_id"]: row for row in priced.results.to_pylist()}
    for position_id, row in rows.items():
        stored = get_result(database, run_id=finished.run_id, position_id=position_id)
        for name in ("product", "pv", "pv_base", "dv01", "fx_delta", "theta_1d", "yield_to_maturity", "factor_nos", "sensitivities"):
            assert row[name] == stored[name], (position_id, name)


def test_price_answers_bad_positions_as_failures(client):
    tables = positions_table([bond(0), bond(1, discount_curve="EUR-X"), fx_forward(2, quote_currency="JPY")]).tables
    priced = asyncio.run(client.price(tables, market="close", base_currency="USD", measures=ALL))
    assert [(row["position_id"], row["product"], row["code"]) for row in priced.failures.to_pylist()] == [
        ("BD-000001", "FIXED_BOND", "MISSING_CURVE"),
        ("FX-000002", "FX_FWD", "MISSING_FX"),
    ]
    assert priced.results.column("position_id").to_pylist() == ["BD-000000"]


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [({"market": "nowhere"}, NotFound, "nowhere"), ({"base_currency": "XXY"}, InvalidRequest, "XXY")],
)
def test_price_with_an_unknown_thing_names_it(client, request_, error, message):
    tables = positions_table([bond(0)]).tables
    with pytest.raises(error, match=message):
        asyncio.run(client.price(tables, **({"market": "close", "base_currency": "USD", "measures": ALL} | request_)))


def test_explain_flows_add_up_to_the_stored_value(client, database, finished):
    explanation = asyncio.run(client.explain(run_id=finished.run_id, position_id="BD-000000"))
    stored = get_result(database, run_id=finished.run_id, position_id="BD-000000")
    assert explanation.pv_base == pytest.approx(stored["pv_base"], rel=1e-13)
    assert sum(flow.pv_base for flow in explanation.flows) == pytest.approx(stored["pv_base"], rel=1e-12)
    assert len(explanation.flows) > 5


@pytest.mark.parametrize(
    ("position_id", "error", "message"), [("BD-000001", Conflict, "MISSING_CURVE"), ("BD-9", NotFound, "position 'BD-9'")]
)
def test_explain_of_a_position_without_value_says_why(client, finished, position_id, error, message):
    with pytest.raises(error, match=message):
        asyncio.run(client.explain(run_id=finished.run_id, position_id=position_id))


def test_run_for_a_job_waits_for_drive_to_end(settings, database, portfolio, client):
    run, _ = submit_run(database, settings, RunRequest(portfolio=portfolio.portfolio_id, market="close", executor="job"))
    client.wake()
    pool_run, _ = submit_run(database, settings, RunRequest(portfolio=portfolio.portfolio_id, market="close"))
    client.wake()
    wait_until(lambda: get_run(database, run_id=pool_run.run_id).state.is_final)
    assert get_run(database, run_id=run.run_id).state is RunState.QUEUED
    assert drive_to_end(settings, run.run_id).state is RunState.PARTIAL


def test_driving_an_unknown_run_names_it(settings):
    with pytest.raises(NotFound, match="run-none"):
        drive_to_end(settings, "run-none")


def test_killed_pricer_is_answered_for_by_its_next_process(client, settings):
    ray.kill(ray.get_actor("pricer-0", namespace=settings.ray_namespace), no_restart=False)
    tables = positions_table([bond(0)]).tables

    def price():
        try:
            return asyncio.run(client.price(tables, market="close", base_currency="USD", measures=ALL))
        except Overloaded:
            return None

    assert wait_until(price, what="a price").results.num_rows == 1


def test_stopped_grid_leaves_no_actor_and_says_so(ray_cluster, database_url):
    chosen = grid_settings(database_url, pricer_actors=1)
    start_grid(chosen)
    stop_grid(chosen)
    status = asyncio.run(Grid(chosen).status())
    assert (status.coordinator, [pricer.state for pricer in status.pricers]) == (None, ["ABSENT"])
    Grid(chosen).wake()
    with pytest.raises(Overloaded, match="riskray up"):
        asyncio.run(Grid(chosen).price({}, market="close", base_currency="USD", measures=ALL))
