"""The dispatcher's rules, with actors that respond on the test's command."""

import queue
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import cast

import pytest
from ray.exceptions import ActorDiedError, ActorUnavailableError

from riskray.config import Settings
from riskray.engine.plan import PositionRange
from riskray.grid import dispatcher as dispatching
from riskray.grid.dispatcher import Dispatcher, Loss, ShardTask
from riskray.grid.messages import PricerStatus, ShardReport
from riskray.grid.pool import PricerPool
from riskray.store.ledger import ClaimedRun, Shard
from tests.fixtures.waiting import wait_until


class _Reference(Future):
    def future(self):
        return self


class _Method:
    def __init__(self, call):
        self.remote = call

    def options(self, **_options):
        return self


@dataclass
class _Actor:
    """Holds its shards until `finish` or `die`."""

    number: int
    calls: list = field(default_factory=list)
    status_answer: object = None
    times_asked: int = 0
    warming: list = field(default_factory=list)

    @property
    def execute(self):
        return _Method(self._execute)

    @property
    def status(self):
        return _Method(self._status)

    def _execute(self, run, shard):
        reference = _Reference()
        self.calls.append((run, shard, reference))
        return reference

    @property
    def warm(self):
        return _Method(self._warm)

    def _warm(self):
        self.warming.append(_Reference())
        return self.warming[-1]

    def _status(self, *, reserve):
        self.times_asked += 1
        reference = _Reference()
        answer = PricerStatus(f"pricer-{self.number}", "READY") if self.status_answer is None else self.status_answer
        if isinstance(answer, Exception):
            reference.set_exception(answer)
        else:
            reference.set_result(answer)
        return reference

    @property
    def shards(self):
        return [shard.shard_no for _, shard, _ in self.calls]

    def finish(self, index=0):
        _, shard, reference = self.calls.pop(index)
        reference.set_result(ShardReport(shard.shard_no, True, 1, 0, {}))

    def die(self):
        calls, self.calls = self.calls, []
        for _, _, reference in reversed(calls):
            reference.set_exception(ActorUnavailableError("gone", b"\0" * 16))


class _Pool:
    def __init__(self, count):
        self.actors = [_Actor(number) for number in range(count)]
        self.replaced = []
        self.ended = []

    def handle(self, number):
        return self.actors[number]

    def forget(self, number):
        pass

    def end(self, number):
        self.ended.append(number)

    def replace_process(self, number):
        self.replaced.append(number)
        self.actors[number].status_answer = None
        self.actors[number].die()


def _run(run_no=1):
    return ClaimedRun(run_no, f"run-{run_no}", 1, 0, 1, "mkt", 1, "pf", date(2024, 1, 1), "USD", ("pv",), 10, 10, False, datetime.now(UTC))


def _tasks(inbox, count, *, run_no=1):
    return [ShardTask(_run(run_no), Shard(n, "P", PositionRange(n, 1), 0), inbox) for n in range(count)]


@pytest.fixture
def inbox():
    return queue.SimpleQueue()


@pytest.fixture
def start():
    started = []

    def make(actors, **settings):
        pool = _Pool(settings.get("pricer_actors_max", actors))
        dispatcher = Dispatcher(Settings(pricer_actors=actors, **settings), cast(PricerPool, pool))
        started.append(dispatcher)
        return dispatcher, pool

    yield make
    for dispatcher in started:
        dispatcher.stop()


def _settled(pool, expected):
    wait_until(lambda: [actor.shards for actor in pool.actors] == expected, deadline_s=10, what=f"{expected}")


def test_shards_stick_to_their_actor_and_are_bounded_in_flight(start, inbox):
    dispatcher, pool = start(2)
    dispatcher.submit(_tasks(inbox, 8))
    _settled(pool, [[0, 2], [1, 3]])
    assert (dispatcher.shards_waiting, dispatcher.shards_in_flight) == (4, 4)
    pool.actors[0].finish()
    _settled(pool, [[2, 4], [1, 3]])
    assert inbox.get(timeout=10).report.shard_no == 0


def test_idle_actor_steals_the_last_shard_of_a_busy_one(start, inbox):
    dispatcher, pool = start(2)
    tasks = [task for task in _tasks(inbox, 12) if task.shard.shard_no % 2 == 0]
    dispatcher.submit(tasks)
    _settled(pool, [[0, 2], [10]])


def test_one_shard_waits_for_its_own_actor_while_that_is_free(start, inbox):
    dispatcher, pool = start(2)
    dispatcher.submit(_tasks(inbox, 1))
    _settled(pool, [[0], []])


def test_run_with_the_fewest_waiting_shards_goes_first(start, inbox):
    dispatcher, pool = start(1, shards_in_flight_per_actor=1)
    dispatcher.submit(_tasks(inbox, 5, run_no=1))
    _settled(pool, [[0]])
    dispatcher.submit(_tasks(inbox, 2, run_no=2))
    wait_until(lambda: dispatcher.shards_waiting == 6, deadline_s=10)
    pool.actors[0].finish()
    wait_until(lambda: [run.run_no for run, _, _ in pool.actors[0].calls] == [2], deadline_s=10)


def test_discarded_shards_are_not_sent(start, inbox):
    dispatcher, pool = start(1, shards_in_flight_per_actor=1)
    dispatcher.submit(_tasks(inbox, 3, run_no=1))
    _settled(pool, [[0]])
    dispatcher.discard(_run(1))
    dispatcher.submit(_tasks(inbox, 1, run_no=2))
    pool.actors[0].finish()
    wait_until(lambda: [run.run_no for run, _, _ in pool.actors[0].calls] == [2], deadline_s=10)
    assert dispatcher.shards_waiting == 0


def test_only_the_shard_at_work_is_blamed_for_the_actors_death(start, inbox):
    dispatcher, pool = start(1)
    dispatcher.submit(_tasks(inbox, 3))
    _settled(pool, [[0, 1]])
    pool.actors[0].die()
    losses = {ended.task.shard.shard_no: ended.loss for ended in (inbox.get(timeout=10), inbox.get(timeout=10))}
    assert losses == {0: Loss.CRASHED, 1: Loss.NOT_STARTED}
    _settled(pool, [[2]])


def test_actor_that_died_while_idle_gets_nothing_until_it_is_back(start, inbox):
    dispatcher, pool = start(2)
    pool.actors[0].status_answer = ActorUnavailableError("restarting", b"\0" * 16)
    dispatcher.submit(_tasks(inbox, 3))
    _settled(pool, [[], [1]])
    pool.actors[1].finish()
    _settled(pool, [[], [2]])
    pool.actors[0].status_answer = None
    _settled(pool, [[0], [2]])
    assert inbox.get(timeout=10).report.shard_no == 1


def test_shard_over_its_time_is_taken_by_replacing_the_process(start, inbox):
    dispatcher, pool = start(1, shard_timeout_s=0.2)
    dispatcher.submit(_tasks(inbox, 2))
    _settled(pool, [[0, 1]])
    pool.actors[0].status_answer = PricerStatus("pricer-0", "BUSY", work=(1, 1, 0), busy_s=9.0)
    losses = {ended.task.shard.shard_no: ended.loss for ended in (inbox.get(timeout=10), inbox.get(timeout=10))}
    assert (losses, pool.replaced) == ({0: Loss.TIMEOUT, 1: Loss.NOT_STARTED}, [0])


def test_actor_busy_for_another_coordinator_is_left_alone(start, inbox):
    dispatcher, pool = start(1, shard_timeout_s=0.2)
    dispatcher.submit(_tasks(inbox, 1))
    _settled(pool, [[0]])
    pool.actors[0].status_answer = PricerStatus("pricer-0", "BUSY", work=(7, 7, 7), busy_s=9.0)
    before = pool.actors[0].times_asked
    wait_until(lambda: pool.actors[0].times_asked >= before + 2, deadline_s=10)
    assert pool.replaced == []


def test_shard_under_suspicion_goes_only_to_an_actor_that_does_nothing(start, inbox):
    dispatcher, pool = start(2)
    actor = pool.actors[0]
    actor.status_answer = PricerStatus("pricer-0", "BUSY", work=(7, 7, 7), busy_s=0.1)  # for another process's dispatcher
    suspect, _, behind = _tasks(inbox, 3)
    dispatcher.submit([replace(suspect, is_suspect=True), behind])
    wait_until(lambda: actor.times_asked >= 3, deadline_s=10, what="questions whether it is idle")
    assert (actor.shards, dispatcher.shards_waiting) == ([], 2)
    actor.status_answer = None
    _settled(pool, [[0, 2], []])


def test_shard_under_suspicion_does_not_wait_for_ever(start, inbox, monkeypatch):
    monkeypatch.setattr(dispatching, "SUSPECT_PATIENCE_S", 0.3)
    dispatcher, pool = start(1)
    pool.actors[0].status_answer = PricerStatus("pricer-0", "BUSY", work=(7, 7, 7), busy_s=0.1)
    dispatcher.submit([replace(_tasks(inbox, 1)[0], is_suspect=True)])
    _settled(pool, [[0]])


def test_suspects_of_a_run_that_is_discarded_are_not_sent(start, inbox):
    dispatcher, pool = start(1)
    pool.actors[0].status_answer = PricerStatus("pricer-0", "BUSY", work=(7, 7, 7), busy_s=0.1)
    suspect, other = _tasks(inbox, 1)[0], _tasks(inbox, 1, run_no=2)[0]
    dispatcher.submit([replace(suspect, is_suspect=True), replace(other, is_suspect=True)])
    dispatcher.discard(suspect.run)
    wait_until(lambda: dispatcher.shards_waiting == 1, deadline_s=10)
    pool.actors[0].status_answer = None
    wait_until(lambda: pool.actors[0].calls, deadline_s=10)
    assert [run.run_no for run, _, _ in pool.actors[0].calls] == [2]


def test_work_that_stays_brings_another_actor_which_joins_when_it_is_warm(start, inbox, monkeypatch):
    monkeypatch.setattr(dispatching, "GROW_AFTER_S", 0.0)
    dispatcher, pool = start(1, pricer_actors_max=2)
    dispatcher.submit(_tasks(inbox, 6))
    wait_until(lambda: pool.actors[1].warming, deadline_s=10, what="the second actor")
    _settled(pool, [[0, 1], []])
    pool.actors[1].warming[0].set_result(None)
    _settled(pool, [[0, 1], [3, 5]])
    assert pool.ended == []


def test_actor_that_still_waits_for_a_node_when_the_work_is_done_is_taken_back(start, inbox, monkeypatch):
    monkeypatch.setattr(dispatching, "GROW_AFTER_S", 0.0)
    dispatcher, pool = start(1, pricer_actors_max=2)
    dispatcher.submit(_tasks(inbox, 3))
    wait_until(lambda: pool.actors[1].warming, deadline_s=10, what="the second actor")
    for _ in range(3):
        wait_until(lambda: pool.actors[0].calls, deadline_s=10)
        pool.actors[0].finish()
    wait_until(lambda: pool.ended == [1], deadline_s=10, what="the second actor's end")


def test_actor_that_left_while_idle_is_not_made_again_for_little_work(start, inbox, monkeypatch):
    monkeypatch.setattr(dispatching, "GROW_AFTER_S", 0.0)
    dispatcher, pool = start(1, pricer_actors_max=2)
    dispatcher.submit(_tasks(inbox, 4))
    wait_until(lambda: pool.actors[1].warming, deadline_s=10, what="the second actor")
    pool.actors[1].warming[0].set_result(None)
    _settled(pool, [[0, 1], [3]])
    for _ in range(4):
        wait_until(lambda: any(actor.calls for actor in pool.actors), deadline_s=10, what="a shard")
        next(actor for actor in pool.actors if actor.calls).finish()
    wait_until(lambda: inbox.qsize() == 4, deadline_s=10, what="the end of all shards")
    pool.actors[1].status_answer = ActorDiedError()
    with monkeypatch.context() as impatient:
        impatient.setattr(dispatching, "IDLE_S", 0.0)  # every idle actor is probed before it gets a shard
        dispatcher.submit(_tasks(inbox, 2)[1:])
        wait_until(lambda: pool.ended == [1], deadline_s=10, what="that the pool ends the second actor")
    _settled(pool, [[1], []])
    assert len(pool.actors[1].warming) == 1
