"""The driver of one run against a real database, with a dispatcher that the test plays; no Ray."""

import threading
from collections.abc import Iterable
from typing import Any, cast

import pytest
from psycopg.conninfo import make_conninfo

from riskray.config import Settings
from riskray.errors import StoreUnavailable
from riskray.grid.coordinator import Coordinator
from riskray.grid.dispatcher import Dispatcher, Ended, Loss, ShardTask
from riskray.grid.driver import RunDriver, Signal, drive_or_fail
from riskray.models.run import RunState
from riskray.store import ledger
from riskray.store.database import Database
from riskray.store.ledger import ClaimedRun
from riskray.store.runs import events_after, get_run, request_cancel
from tests.fixtures.postgres import settings_for
from tests.fixtures.waiting import wait_until
from tests.integration.store.examples import claim, commit, store_run

pytestmark = pytest.mark.postgres

Tasks = list[ShardTask]


class _Played(Dispatcher):
    """Keeps what it is given; the test says how it ends."""

    def __init__(self) -> None:
        self.submitted: list[Tasks] = []

    def submit(self, tasks: Iterable[ShardTask]) -> None:
        """Keep the shards."""
        self.submitted.append(list(tasks))

    def discard(self, run: ClaimedRun) -> None:
        """Nothing is queued here."""


def test_cancel_that_comes_with_the_claim_ends_the_run_before_anything_is_given_out(database: Database) -> None:
    run = store_run(database)
    lost = claim(database)
    request_cancel(database, run_id=run.run_id)
    ledger.release_lease(database, run_no=lost.run_no, epoch=lost.epoch)
    played = _Played()
    driver = RunDriver(claim(database), settings=Settings(), database=database, dispatcher=played)
    assert drive_or_fail(driver, database=database) is RunState.CANCELLED
    assert (played.submitted, get_run(database, run_id=run.run_id).progress.cancelled_count) == ([], 10)


def test_whatever_is_left_of_a_shard_that_ended_its_worker_is_under_suspicion(database: Database) -> None:
    store_run(database, rows_per_shard=10)
    played = _Played()
    driver = RunDriver(claim(database), settings=Settings(shard_attempts_max=2), database=database, dispatcher=played)
    driving = threading.Thread(target=lambda: drive_or_fail(driver, database=database))
    driving.start()

    def given_out(times: int) -> Tasks:
        return wait_until(lambda: len(played.submitted) >= times and played.submitted[times - 1], what=f"shards for time {times}") or []

    (first,) = given_out(1)
    first.inbox.put(Ended(first, loss=Loss.CRASHED))
    (again,) = given_out(2)
    driver.signal(Signal.HOLD)
    driver.signal(Signal.GO_ON)
    (from_the_ledger,) = given_out(3)
    again.inbox.put(Ended(again, loss=Loss.CRASHED))
    parts = given_out(4)
    driver.signal(Signal.LEASE_LOST)
    driving.join(30)
    assert (first.is_suspect, again.is_suspect, from_the_ledger.is_suspect) == (False, True, True)
    assert [(part.shard.numbers.count, part.is_suspect) for part in parts] == [(5, True), (5, True)]


def test_run_on_hold_gives_out_nothing_and_goes_on_from_its_ledger(database: Database) -> None:
    store_run(database, rows_per_shard=5)
    claimed = claim(database)
    played = _Played()
    driver = RunDriver(claimed, settings=Settings(), database=database, dispatcher=played)
    outcome: list[Any] = []
    driving = threading.Thread(target=lambda: outcome.append(drive_or_fail(driver, database=database)))
    driving.start()
    first, second = wait_until(lambda: [task for tasks in played.submitted for task in tasks], what="both shards")
    driver.signal(Signal.HOLD)
    first.inbox.put(Ended(first, loss=Loss.NOT_STARTED))
    commit(database, claimed, second.shard)  # what an actor has already, may still commit
    driver.signal(Signal.GO_ON)
    (again,) = wait_until(lambda: [task for tasks in played.submitted[1:] for task in tasks], what="what the ledger says is left")
    driver.signal(Signal.LEASE_LOST)
    driving.join(30)
    assert (again.shard, outcome, len(played.submitted)) == (first.shard, [None], 2)


@pytest.mark.parametrize(("silent", "told"), [(0.1, []), (0.6, [Signal.HOLD]), (1.1, [Signal.LEASE_LOST])])
def test_lease_that_cannot_be_renewed_puts_the_run_on_hold_then_ends_it(
    database: Database, monkeypatch: pytest.MonkeyPatch, silent: float, told: list[Signal]
) -> None:
    store_run(database)
    coordinator = Coordinator(Settings(), database, _Played())
    held = coordinator._hold(claim(database))
    signals: list[Signal] = []
    monkeypatch.setattr(held.driver, "signal", signals.append)

    def fail(*_: Any, **__: Any) -> bool:
        raise StoreUnavailable("away")

    with monkeypatch.context() as away:
        away.setattr(ledger, "renew_lease", fail)
        held.renewed_at -= silent * Settings().lease_s
        coordinator._renew(held)
        assert signals == told
    coordinator._renew(held)
    assert signals == told + ([Signal.GO_ON] if told == [Signal.HOLD] else [])


def test_lock_that_somebody_holds_for_long_costs_only_time(database: Database, database_url: str) -> None:
    run = store_run(database, rows_per_shard=10)
    claimed = claim(database)
    played = _Played()
    with Database(settings_for(make_conninfo(database_url, options="-c lock_timeout=50"))) as impatient:
        driver = RunDriver(claimed, settings=Settings(), database=impatient, dispatcher=played)
        outcome: list[Any] = []
        driving = threading.Thread(target=lambda: outcome.append(drive_or_fail(driver, database=impatient)))
        with database.transaction() as holder:
            holder.execute("SELECT 1 FROM run WHERE run_no = %s FOR UPDATE", [claimed.run_no])
            driving.start()
            ((task,),) = wait_until(lambda: cast(tuple[Tasks], tuple(played.submitted)), what="the run's only shard")
            task.inbox.put(Ended(task, loss=Loss.CRASHED))  # to be counted in the ledger, where the run is locked
            wait_until(lambda: len(played.submitted) > 1 or not driving.is_alive(), what="the shard again, from the ledger")
        again = played.submitted[-1][0]
        again.inbox.put(Ended(again, loss=Loss.CRASHED))
        wait_until(lambda: len(played.submitted) > 2 or not driving.is_alive(), what="the shard once more, as its attempt is counted")
        driver.signal(Signal.LEASE_LOST)
        driving.join(30)
    assert outcome == [None]
    assert get_run(database, run_id=run.run_id).state is RunState.RUNNING
    assert [event.kind.value for event in events_after(database, run_id=run.run_id)] == ["submitted", "claimed", "shard_retried"]
