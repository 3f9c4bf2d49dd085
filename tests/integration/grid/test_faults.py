"""What goes wrong while a run runs, and that its result is the one of an undisturbed run."""

import asyncio
import importlib
import os
import signal
import sys
import threading

import pytest
import ray
from ray.exceptions import RayTaskError

from pricers import registry
from riskray.errors import LeaseLost
from riskray.grid.client import Grid
from riskray.grid.coordinator import start_coordinator
from riskray.grid.driver import RunDriver, drive_or_fail
from riskray.models.run import RunState
from riskray.store.checks import check_invariants
from riskray.store.embedded import EmbeddedPostgres
from riskray.store.ledger import claim_run, pending_shards
from riskray.store.migrations import migrate
from riskray.store.results import read_failures, read_results
from riskray.store.runs import events_after, get_run, request_cancel
from tests.fixtures.gated_positions import PRODUCT, gated
from tests.fixtures.local_grid import grid_settings, local_grid
from tests.fixtures.stored_snapshots import store_market, store_portfolio
from tests.fixtures.waiting import wait_until

GATED_MODULE = "tests.fixtures.gated_pricer"

pytestmark = [pytest.mark.ray, pytest.mark.postgres]


@pytest.fixture(scope="module")
def gated_product():
    """Known in this process for as long as this module's tests run, as `pricer_modules` makes it known in the actors."""
    importlib.import_module(GATED_MODULE)
    yield
    del registry._specs[PRODUCT]
    del sys.modules[GATED_MODULE]


@pytest.fixture(scope="module")
def faulty(gated_product, ray_cluster, create_database, _template):
    """A grid whose actors know the gated product; a shard gets two attempts."""
    settings = grid_settings(create_database(template=_template), pricer_modules=[GATED_MODULE], shard_attempts_max=2, lease_s=4.0)
    with local_grid(settings) as opened:
        store_market(opened.database)
        yield opened


class _Background:
    """A run driven in a thread of its own; `end` waits for it and returns the finished run."""

    def __init__(self, grid, run):
        self._grid, self._run = grid, run
        self.coordinator = grid.coordinator()
        self.coordinator.start(claim=False)
        self.claimed = grid.claim(run, self.coordinator)
        self._thread = threading.Thread(target=self.coordinator.execute, args=(self.claimed,))
        self._thread.start()

    def end(self):
        """Wait for the end of the run."""
        self._thread.join(150)
        return self.leave()

    def leave(self):
        """Stop the coordinator in any state of the run."""
        self.coordinator.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()
        assert check_invariants(self._grid.database) == []
        return get_run(self._grid.database, run_id=self._run.run_id)


@pytest.fixture
def gate(tmp_path):
    """A gate that is always opened at the end, so that no actor waits for ever."""
    path = tmp_path / "gate"
    yield path
    path.touch()


def _reached(gate):
    return gate.with_suffix(".reached").exists


def _submit(grid, positions, **request):
    return grid.submit(store_portfolio(grid.database, positions).portfolio_id, **request)


def _values(grid, run):
    rows = read_results(grid.database, run_id=run.run_id, columns=["position_id", "pv"], limit=1000).to_pylist()
    return {row["position_id"]: row["pv"] for row in rows}


def _failures(grid, run):
    rows = read_failures(grid.database, run_id=run.run_id, limit=1000).to_pylist()
    return {row["position_id"]: (row["code"], row["message"]) for row in rows}


def _process_working_on(grid, shard_no):
    def working():
        return next((status for status in grid.pool.status() if status.work is not None and status.work[-1] == shard_no), None)

    return wait_until(working, what=f"a pricer that works on shard {shard_no}")


def _kinds(grid, run):
    return [event.kind.value for event in events_after(grid.database, run_id=run.run_id)]


def test_killed_pricer_process_changes_nothing_in_the_result(faulty, gate):
    run = _submit(faulty, [gated(n, **({"gate": str(gate)} if n == 5 else {})) for n in range(20)], rows_per_shard=4)
    driving = _Background(faulty, run)
    wait_until(_reached(gate))
    os.kill(_process_working_on(faulty, 1).pid, signal.SIGKILL)
    gate.touch()
    end = driving.end()
    assert end.state is RunState.SUCCEEDED
    assert _values(faulty, run) == {f"G-{n:05d}": float(n) for n in range(20)}
    assert _kinds(faulty, run).count("shard_done") == 5
    assert "shard_retried" in _kinds(faulty, run)


def test_row_that_ends_its_process_fails_alone(faulty):
    with faulty.variant(shard_attempts_max=1) as strict:
        run = _submit(strict, [gated(0), gated(1, act="exit")], rows_per_shard=2)
        end = _Background(strict, run).end()
    assert (end.state, end.progress.ok_count, end.progress.failed_count) == (RunState.PARTIAL, 1, 1)
    assert _failures(faulty, run)["G-00001"][0] == "WORKER_CRASHED"
    assert _values(faulty, run) == {"G-00000": 0.0}
    assert "shard_split" in _kinds(faulty, run)


def test_row_that_ends_its_process_once_is_priced_in_the_end(faulty, tmp_path):
    run = _submit(faulty, [gated(n, **({"act": "exit_once", "mark": str(tmp_path / "mark")} if n == 1 else {})) for n in range(3)])
    assert _Background(faulty, run).end().state is RunState.SUCCEEDED
    assert _values(faulty, run)["G-00001"] == 1.0


@pytest.mark.parametrize("act", ["hang", "hang_holding_lock"])
def test_row_that_never_ends_fails_with_timeout(faulty, act):
    with faulty.variant(shard_timeout_s=4.0, shard_attempts_max=1) as impatient:
        run = _submit(impatient, [gated(0, act=act), gated(1)], rows_per_shard=2)
        end = _Background(impatient, run).end()
    assert (end.state, end.progress.failed_count) == (RunState.PARTIAL, 1)
    code, message = _failures(faulty, run)["G-00000"]
    assert (code, "4 s" in message) == ("TIMEOUT", True)
    assert _values(faulty, run) == {"G-00001": 1.0}


def test_row_whose_function_raises_fails_alone(faulty):
    run = _submit(faulty, [gated(0, value="not a number"), gated(1)])
    end = _Background(faulty, run).end()
    assert end.state is RunState.PARTIAL
    assert _failures(faulty, run)["G-00000"][0] == "PRICER_ERROR"
    assert "could not convert" in _failures(faulty, run)["G-00000"][1]
    assert _values(faulty, run) == {"G-00001": 1.0}


def test_queued_run_that_is_cancelled_is_never_claimed(faulty):
    run = _submit(faulty, [gated(n) for n in range(3)])
    assert request_cancel(faulty.database, run_id=run.run_id).state is RunState.CANCELLED
    assert claim_run(faulty.database, owner=faulty.coordinator().owner, lease_s=5, run_id=run.run_id) is None


def test_cancel_in_the_middle_keeps_what_is_done_and_rejects_what_comes_late(faulty, gate):
    run = _submit(faulty, [gated(100, gate=str(gate)), *(gated(n) for n in range(101, 106))], rows_per_shard=1)
    driving = _Background(faulty, run)
    wait_until(_reached(gate))
    wait_until(lambda: _kinds(faulty, run).count("shard_done") >= 4, what="all shards but the gated one and any queued behind it")
    request_cancel(faulty.database, run_id=run.run_id)
    driving.coordinator.wake()
    end = driving.end()
    assert end.state is RunState.CANCELLED
    assert end.progress.ok_count + end.progress.cancelled_count == 6
    assert end.progress.cancelled_count >= 1
    gate.touch()
    wait_until(lambda: all(status.state == "READY" for status in faulty.pool.status()), what="the end of the late shard")
    assert len(_values(faulty, run)) == end.progress.ok_count
    assert "G-00100" not in _values(faulty, run)
    assert get_run(faulty.database, run_id=run.run_id).progress == end.progress


def test_cancel_of_a_finished_run_changes_nothing(faulty):
    run = _submit(faulty, [gated(n) for n in range(200, 203)])
    end = _Background(faulty, run).end()
    assert request_cancel(faulty.database, run_id=run.run_id) == end


def test_run_of_a_coordinator_that_fell_silent_is_resumed_where_it_stopped(faulty, gate):
    run = _submit(faulty, [gated(300, gate=str(gate)), *(gated(n) for n in range(301, 306))], rows_per_shard=1)
    silent = faulty.coordinator()
    claimed = faulty.claim(run, silent)
    driver = RunDriver(claimed, settings=faulty.settings, database=faulty.database, dispatcher=faulty.dispatcher)
    outcome = []
    zombie = threading.Thread(target=lambda: outcome.append(drive_or_fail(driver, database=faulty.database)))
    zombie.start()  # without a heartbeat that renews the lease
    wait_until(lambda: len(pending_shards(faulty.database, run_no=claimed.run_no)) <= 2, what="all shards but the gated one and the next")
    successor = faulty.coordinator()
    successor.start()
    try:
        wait_until(lambda: _kinds(faulty, run).count("claimed") == 2, what="the successor's claim")
        gate.touch()
        wait_until(lambda: get_run(faulty.database, run_id=run.run_id).state.is_final, what="the end of the run")
    finally:
        successor.stop()
    zombie.join(60)
    assert outcome == [None]
    assert get_run(faulty.database, run_id=run.run_id).state is RunState.SUCCEEDED
    assert _values(faulty, run) == {f"G-{n:05d}": float(n) for n in range(300, 306)}
    assert _kinds(faulty, run).count("shard_done") == 6
    with faulty.database.transaction() as connection:
        epochs = connection.execute("SELECT DISTINCT epoch FROM run_shard WHERE run_no = %s ORDER BY epoch", [claimed.run_no]).fetchall()
    assert [row["epoch"] for row in epochs] == [1, 2]


def test_coordinator_that_stops_gives_its_run_back_at_once(faulty, gate):
    with faulty.variant(lease_s=600.0) as patient:
        run = _submit(patient, [gated(800, gate=str(gate)), gated(801)], rows_per_shard=1)
        leaving = _Background(patient, run)
        wait_until(_reached(gate))
        assert not leaving.leave().state.is_final
        successor = patient.coordinator()
        successor.start()
        try:
            wait_until(lambda: _kinds(faulty, run).count("claimed") == 2, what="the successor's claim")
            gate.touch()
            wait_until(lambda: get_run(faulty.database, run_id=run.run_id).state.is_final, what="the end of the run")
        finally:
            successor.stop()
    assert _values(faulty, run) == {"G-00800": 800.0, "G-00801": 801.0}


def test_run_that_cannot_go_on_ends_as_failed_and_says_why(faulty, gate):
    run = _submit(faulty, [gated(900, gate=str(gate)), *(gated(n) for n in range(901, 904))], rows_per_shard=1)
    driving = _Background(faulty, run)
    wait_until(lambda: _kinds(faulty, run).count("shard_done") >= 2, what="two shards")
    with faulty.database.transaction() as connection:
        connection.execute("UPDATE run_shard SET exact_sums = 'x' WHERE run_no = %s AND state = 'DONE'", [driving.claimed.run_no])
    gate.touch()
    end = driving.end()
    assert (end.state, end.error_code) == (RunState.FAILED, "shard_failed")
    assert "not the sums of a shard" in end.error_detail


def test_shard_of_a_lost_claim_is_refused(faulty):
    run = _submit(faulty, [gated(n) for n in range(400, 402)])
    first = faulty.claim(run, faulty.coordinator())
    with faulty.database.transaction() as connection:
        connection.execute("UPDATE run SET lease_until = now() - interval '1 second' WHERE run_no = %s", [first.run_no])
    second = faulty.claim(run, faulty.coordinator())
    (shard,) = pending_shards(faulty.database, run_no=first.run_no)
    with pytest.raises(LeaseLost, match="epoch 1"):
        _ask(faulty, "execute", first, shard)
    assert _values(faulty, run) == {}
    assert _ask(faulty, "execute", second, shard).committed
    assert not _ask(faulty, "execute", second, shard).committed
    assert len(_values(faulty, run)) == 2


def test_run_of_a_coordinator_whose_process_is_killed_is_resumed_by_its_successor(faulty, gate):
    coordinator = start_coordinator(faulty.settings)
    client = Grid(faulty.settings)
    try:
        before = wait_until(lambda: _coordinator_status(client), what="the coordinator")
        run = _submit(faulty, [gated(700, gate=str(gate)), *(gated(n) for n in range(701, 704))], rows_per_shard=1)
        client.wake()
        wait_until(_reached(gate))
        os.kill(before.pid, signal.SIGKILL)
        gate.touch()
        wait_until(lambda: get_run(faulty.database, run_id=run.run_id).state.is_final, what="the end of the run", deadline_s=120)
        after = wait_until(lambda: _coordinator_status(client), what="the coordinator's successor")
    finally:
        ray.kill(coordinator)
    assert (after.pid != before.pid, after.owner != before.owner) == (True, True)
    assert get_run(faulty.database, run_id=run.run_id).state is RunState.SUCCEEDED
    assert _values(faulty, run) == {f"G-{n:05d}": float(n) for n in range(700, 704)}


def test_database_that_restarts_in_the_middle_of_a_run_costs_only_time(gated_product, ray_cluster, tmp_path_factory, gate):
    server = EmbeddedPostgres(tmp_path_factory.mktemp("pg"))
    try:
        settings = grid_settings(server.start(), pricer_modules=[GATED_MODULE], pricer_actors=1, database_timeout_s=2.0)
        with local_grid(settings) as grid:
            migrate(grid.database)
            store_market(grid.database)
            run = _submit(grid, [gated(n, **({"gate": str(gate)} if n == 2 else {})) for n in range(6)], rows_per_shard=1)
            driving = _Background(grid, run)
            wait_until(_reached(gate))
            server.stop()
            gate.touch()
            server.start()
            end = driving.end()
            assert end.state is RunState.SUCCEEDED
            assert _values(grid, run) == {f"G-{n:05d}": float(n) for n in range(6)}
            assert _kinds(grid, run).count("shard_done") == 6
    finally:
        server.stop()


def test_small_run_does_not_wait_for_a_large_one(faulty, gate):
    large = _submit(faulty, [gated(500, gate=str(gate)), *(gated(n) for n in range(501, 521))], rows_per_shard=1)
    driving = _Background(faulty, large)
    wait_until(_reached(gate))
    small = _Background(faulty, _submit(faulty, [gated(n) for n in range(600, 602)])).end()
    assert small.state is RunState.SUCCEEDED
    assert not get_run(faulty.database, run_id=large.run_id).state.is_final
    gate.touch()
    assert driving.end().state is RunState.SUCCEEDED


def _coordinator_status(client):
    return asyncio.run(client.status()).coordinator


def _ask(grid, method, *arguments):
    try:
        return ray.get(getattr(grid.pool.handle(0), method).remote(*arguments))
    except RayTaskError as error:
        raise error.cause from None
