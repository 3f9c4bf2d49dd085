"""Who works on which shard: one thread that hands shards to the pool's actors and hears of every end.

* Elastic: work for more actors than there are, for more than a moment, brings more actors, as many as the settings and the nodes allow.
* Bounded: an actor has at most `shards_in_flight_per_actor` shards, so a small run waits for a shard or two, never for a large run.
* Sticky: shard n goes to actor n modulo the number of actors, which has its compiled positions from the last run; an idle actor steals.
* Fair: the run with the fewest waiting shards goes first.
* An actor that dies takes nothing with it: the shard it was working on is reported as lost, those queued behind it simply go elsewhere.
* Actors are shared with other processes' dispatchers, whose shards may end them too. So a shard that is under suspicion goes only to an
  actor that has just said that it does nothing: if that one dies, it was this shard.
* A shard that runs for too long is taken from its actor by killing the actor's process.

The dispatcher decides nothing about runs: each shard's end goes to the `inbox` of the run's driver.
"""

import contextlib
import math
import queue
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import structlog
from ray.exceptions import ActorDiedError, RayError, RayTaskError

from riskray import metrics
from riskray.config import Settings
from riskray.errors import LeaseLost, StoreUnavailable
from riskray.grid import telemetry
from riskray.grid.backlog import Backlog
from riskray.grid.messages import PricerStatus, ShardReport
from riskray.grid.pool import PricerPool, pricer_name
from riskray.store.ledger import ClaimedRun, Shard

TICK_S = 0.25
"""How often actors that are down or late are looked after; the ends of shards wake the thread at once."""
STATUS_TIMEOUT_S = 5.0
"""An actor that does not answer for so long, after its shard's time is over, hangs with the interpreter's lock held."""
RESTART_POLL_S = 0.5
"""How often an actor that restarts, which takes seconds, is asked whether it is back."""

IDLE_S = 0.5
"""An idle actor that was not heard of for so long is asked whether it lives before it gets a shard: one that died meanwhile would put
the blame on a shard that never started. Asking costs two milliseconds."""

GROW_AFTER_S = 2.0
"""Work that the actors will have done by then is not worth a process, let alone a node."""
LOOK_S = 0.05
"""The pool's size and health are looked at so often at most, however fast shards end: it takes a look at every actor."""

SUSPECT_PATIENCE_S = 30.0
"""A shard under suspicion waits so long for an actor that does nothing, should others keep it busy all the time."""

_FAILED_PROBE = object()

_log = structlog.get_logger()


class Loss(StrEnum):
    """Why an actor gave no answer."""

    CRASHED = "crashed"
    TIMEOUT = "timeout"
    NOT_STARTED = "not started"
    """The actor died while the shard was still waiting behind another one; the shard is not to blame."""


@dataclass(frozen=True)
class Ended:
    """The end of one attempt at a shard: exactly one of the three is given."""

    task: "ShardTask"
    report: ShardReport | None = None
    error: BaseException | None = None
    loss: Loss | None = None


@dataclass(frozen=True)
class ShardTask:
    """A shard to be worked on, and whom to tell.

    `fail_as`: commit its one position as failed for this (status, message) instead. `is_suspect`: an attempt at it, or at the shard that it
    is a part of, has ended badly.
    """

    run: ClaimedRun
    shard: Shard
    inbox: "queue.SimpleQueue[Any]"
    fail_as: tuple[str, str] | None = None
    is_suspect: bool = False

    @property
    def key(self) -> tuple[int, int, int]:
        """What the actor's status calls it."""
        return (self.run.run_no, self.run.epoch, self.shard.shard_no)


class LaneState(StrEnum):
    """Whether an actor takes shards."""

    JOINING = "joining"
    """An actor beyond the first `pricer_actors` that is not yet warm for the first time: it may have to wait for a node."""
    UP = "up"
    DOWN = "down"
    """Gone, restarting or hanging."""


class _Sign(StrEnum):
    """What the dispatcher learns of an actor."""

    ANSWERED = "answered"
    LOST = "lost"


_NEXT_STATE: Final = {
    (LaneState.JOINING, _Sign.ANSWERED): LaneState.UP,
    (LaneState.JOINING, _Sign.LOST): LaneState.JOINING,
    (LaneState.UP, _Sign.ANSWERED): LaneState.UP,
    (LaneState.UP, _Sign.LOST): LaneState.DOWN,
    (LaneState.DOWN, _Sign.ANSWERED): LaneState.UP,
    (LaneState.DOWN, _Sign.LOST): LaneState.DOWN,
}


@dataclass
class _Lane:
    """One actor and what it has been given, oldest first: the first one is being worked on."""

    number: int
    place: int = 0
    """Among those that have joined."""
    state: LaneState = LaneState.UP
    in_flight: deque[ShardTask] = field(default_factory=deque)
    head_since: float = 0.0
    suspect: ShardTask | None = None
    suspect_loss: Loss = Loss.CRASHED
    probe: Any = None
    probe_since: float = 0.0
    heard_at: float = -math.inf
    """When the actor last answered anything."""

    def saw(self, sign: _Sign) -> None:
        """Change the state by what was learnt."""
        self.state = _NEXT_STATE[self.state, sign]

    @property
    def is_up(self) -> bool:
        """Whether the actor takes shards."""
        return self.state is LaneState.UP


class Dispatcher:
    """Hands shards to `settings.pricer_actors` actors, or more. One a process; `stop` ends its thread."""

    def __init__(self, settings: Settings, pool: PricerPool) -> None:
        self._settings = settings
        self._pool = pool
        self._lanes = [_Lane(number) for number in range(settings.pricer_actors)]
        self._joined: list[_Lane] = []
        self._join(self._lanes)
        self._too_few_since = math.inf
        self._looked_at = -math.inf
        self._waiting: dict[tuple[int, int], Backlog[ShardTask]] = {}
        self._suspects: list[tuple[float, ShardTask]] = []
        self._idle: set[int] = set()
        """Numbers of the actors that have said since the last look that they do nothing."""
        self._events: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)
        self._thread.start()

    # ----------------------------------------------------------------------------------------------- from any thread

    def submit(self, tasks: Iterable[ShardTask]) -> None:
        """Queue shards; each one's end will arrive in its inbox, unless it is discarded first."""
        self._events.put(("submit", list(tasks)))

    def discard(self, run: ClaimedRun) -> None:
        """Drop the shards of a claim that no actor has been given yet."""
        self._events.put(("discard", _claim(run)))

    def stop(self) -> None:
        """End the thread. Actors finish what they have been given."""
        self._events.put(("stop",))
        self._thread.join()

    @property
    def shards_waiting(self) -> int:
        """Shards that no actor has yet."""
        return sum(len(tasks) for tasks in list(self._waiting.values())) + len(self._suspects)

    @property
    def shards_in_flight(self) -> int:
        """Shards that actors have."""
        return sum(len(lane.in_flight) for lane in list(self._lanes))

    def pricers_by_state(self) -> dict[str, int]:
        """How many actors answer, are gone or restarting, and wait for a CPU or are starting."""
        states = Counter(lane.state for lane in list(self._lanes))
        return {state.value: states[state] for state in LaneState}

    # ---------------------------------------------------------------------------------------------------- the thread

    def _loop(self) -> None:
        while True:
            for event in self._next_events():
                match event:
                    case ("stop",):
                        self._resize(0)
                        return
                    case ("submit", tasks):
                        for task in tasks:
                            if task.is_suspect:
                                self._suspects.append((time.monotonic(), task))
                            else:
                                self._waiting.setdefault(_claim(task.run), Backlog()).add([task])
                    case ("discard", claim):
                        self._waiting.pop(claim, None)
                        self._suspects = [(since, task) for since, task in self._suspects if _claim(task.run) != claim]
                    case ("ended", lane, task, future):
                        self._ended(lane, task, future)
                    case ("probed", lane, future):
                        self._probed(lane, future)
            if time.monotonic() - self._looked_at > LOOK_S:
                self._looked_at = time.monotonic()
                self._adapt_size()
                self._look_after_lanes()
            self._fill(reserved=self._place_suspects())

    def _next_events(self) -> list[tuple[Any, ...]]:
        """All that have happened, because what follows takes a look at every actor; none when nothing happens for a while."""
        events = []
        with contextlib.suppress(queue.Empty):
            events.append(self._events.get(timeout=TICK_S))
            while True:
                events.append(self._events.get_nowait())
        return events

    def _fill(self, *, reserved: Set[int]) -> None:
        """Give one shard to each actor, those with the fewest shards first, and repeat until no actor has room or no shard waits.

        A few shards thus spread over all actors. `reserved`: numbers of the actors that get none.
        """
        open_lanes = [lane for lane in self._lanes if lane.number not in reserved]
        while self._waiting:
            lanes = sorted(filter(self._has_room, open_lanes), key=lambda lane: len(lane.in_flight))
            if not sum(self._give(lane) for lane in lanes):
                return

    def _place_suspects(self) -> set[int]:
        """Send each to its actor once that does nothing; until then the actor is reserved, and probed repeatedly.

        Returns the numbers of the reserved actors.
        """
        now = time.monotonic()
        reserved: set[int] = set()
        for since, task in list(self._suspects):
            own = self._joined[task.shard.shard_no % len(self._joined)]
            lane = own if own.is_up else next((other for other in self._joined if other.is_up), own)
            if not lane.is_up or lane.number in reserved:
                continue
            reserved.add(lane.number)
            if lane.in_flight:
                continue
            if lane.number in self._idle or now - since > SUSPECT_PATIENCE_S:
                self._suspects.remove((since, task))
                self._send(lane, task)
            elif lane.probe is None and now - lane.probe_since > LOOK_S:
                self._probe(lane)
        self._idle.clear()
        return reserved

    def _has_room(self, lane: _Lane) -> bool:
        if not self._is_free(lane):
            return False
        if lane.in_flight or time.monotonic() - lane.heard_at < IDLE_S:
            return True
        if lane.probe is None:
            self._probe(lane)
        return False

    def _give(self, lane: _Lane) -> bool:
        for claim in sorted(self._waiting, key=lambda claim: (len(self._waiting[claim]), claim)):
            backlog = self._waiting[claim]
            backlog.arrange(len(self._joined))
            task = backlog.take(lane.place)
            if task is None and not lane.in_flight:
                task = backlog.steal(lambda place: not self._is_free(self._joined[place]))  # which cannot take it now
            if task is None:
                continue
            if not backlog:
                del self._waiting[claim]
            self._send(lane, task)
            return True
        return False

    def _is_free(self, lane: _Lane) -> bool:
        return lane.is_up and len(lane.in_flight) < self._settings.shards_in_flight_per_actor

    def _send(self, lane: _Lane, task: ShardTask) -> None:
        actor = self._pool.handle(lane.number)
        if task.fail_as is None:
            # The name is one of few, because Ray counts tasks by it.
            reference = actor.execute.options(name=f"value {task.shard.product}").remote(task.run, task.shard)
        else:
            reference = actor.fail_row.remote(task.run, task.shard, *task.fail_as)
        lane.in_flight.append(task)
        if len(lane.in_flight) == 1:
            lane.head_since = time.monotonic()
        reference.future().add_done_callback(lambda future: self._events.put(("ended", lane, task, future)))

    def _ended(self, lane: _Lane, task: ShardTask, future: Any) -> None:
        error = future.exception()
        if error is None:
            lane.heard_at = time.monotonic()
            ended = Ended(task, report=future.result())
        elif isinstance(error, RayTaskError):
            lane.heard_at = time.monotonic()
            ended = Ended(task, error=error.cause if isinstance(error.cause, Exception) else error)
        elif isinstance(error, RayError):
            ended = Ended(task, loss=self._lost(lane, task, error))
        else:
            ended = Ended(task, error=error)
        if ended.report is None:
            telemetry.count(metrics.SHARD_FAILURES, reason=_reason(ended))
        with contextlib.suppress(ValueError):
            lane.in_flight.remove(task)
        lane.head_since = time.monotonic()
        task.inbox.put(ended)

    def _lost(self, lane: _Lane, task: ShardTask, error: RayError) -> Loss:
        """The actor is gone. Only the shard at the head of its queue can have been the reason."""
        if lane.is_up:
            _log.warning(
                "a pricer is gone", pricer=pricer_name(lane.number), error=type(error).__name__, run_id=task.run.run_id,
                shard_no=task.shard.shard_no,
            )  # fmt: skip
            self._take_down(lane, Loss.CRASHED)
        if isinstance(error, ActorDiedError):
            self._pool.forget(lane.number)
        return lane.suspect_loss if lane.suspect is task else Loss.NOT_STARTED

    # ------------------------------------------------------------------------------------------------------- their number

    def _adapt_size(self) -> None:
        """As many actors as there is work for, within the limits of the settings."""
        settings = self._settings
        wanted = math.ceil((self.shards_waiting + self.shards_in_flight) / settings.shards_in_flight_per_actor)
        wanted = max(settings.pricer_actors, min(wanted, settings.pricer_actors_max or 0))
        if wanted <= len(self._lanes):
            self._too_few_since = math.inf
            self._resize(wanted)
            return
        self._too_few_since = min(self._too_few_since, time.monotonic())
        if time.monotonic() - self._too_few_since >= GROW_AFTER_S:
            self._resize(wanted)

    def _join(self, lanes: Iterable[_Lane]) -> None:
        """Shards stick to these, in this order."""
        self._joined = list(lanes)
        for place, lane in enumerate(self._joined):
            lane.place = place

    def _resize(self, count: int) -> None:
        """Make lanes, whose actors join when they have a CPU and are warm; or drop those beyond the first whose actors are not there.

        An actor that is there is kept: it ends by itself when nobody, in any process, has had work for it for a while.
        """
        for number in range(self._settings.pricer_actors, count):
            if len(self._lanes) < count and not any(lane.number == number for lane in self._lanes):
                self._lanes.append(_Lane(number, state=LaneState.JOINING))
        leaving = [lane for lane in self._lanes if lane.number >= self._settings.pricer_actors and not lane.is_up and not lane.in_flight]
        for lane in leaving[: max(len(self._lanes) - count, 0)]:
            self._lanes.remove(lane)
            lane.probe = None  # an answer that is on its way finds nobody
            self._pool.end(lane.number)  # or it would ask for a node as long as it waits
            if lane.state is not LaneState.JOINING:
                self._join([other for other in self._joined if other is not lane])

    # ------------------------------------------------------------------------------------------------- health of actors

    def _look_after_lanes(self) -> None:
        now = time.monotonic()
        for lane in self._lanes:
            if not lane.is_up:
                self._bring_back(lane)
            elif lane.in_flight and lane.probe is None and now - lane.head_since > self._settings.shard_timeout_s:
                self._probe(lane)
            elif lane.probe is not None and now - lane.probe_since > STATUS_TIMEOUT_S:
                lane.probe = None
                self._kill(lane)

    def _take_down(self, lane: _Lane, loss: Loss) -> None:
        """Give the actor nothing until it answers again; the shard it was working on is the suspect."""
        lane.saw(_Sign.LOST)
        lane.probe = None
        lane.suspect, lane.suspect_loss = lane.in_flight[0], loss

    def _bring_back(self, lane: _Lane) -> None:
        """Ask until the new process answers, once all that the old one had has come back."""
        if lane.probe is _FAILED_PROBE and time.monotonic() - lane.probe_since > RESTART_POLL_S:
            lane.probe = None
        if lane.probe is None and not lane.in_flight:
            self._probe(lane)

    def _probe(self, lane: _Lane) -> None:
        actor = self._pool.handle(lane.number)
        reference = (
            actor.warm.options(max_task_retries=-1).remote() if lane.state is LaneState.JOINING else actor.status.remote(reserve=True)
        )
        lane.probe, lane.probe_since = reference, time.monotonic()
        reference.future().add_done_callback(lambda future: self._events.put(("probed", lane, (reference, future))))

    def _probed(self, lane: _Lane, answer: tuple[Any, Any]) -> None:
        reference, future = answer
        if lane.probe is not reference:
            return
        error = future.exception()
        if error is not None:
            if isinstance(error, ActorDiedError):
                self._pool.forget(lane.number)
            if lane.in_flight:
                lane.probe = None  # the errors of its shards are on their way
            else:
                lane.saw(_Sign.LOST)
                lane.probe = _FAILED_PROBE
            return
        lane.probe, lane.heard_at = None, time.monotonic()
        was = lane.state
        lane.saw(_Sign.ANSWERED)
        if was is LaneState.JOINING:
            self._join([*self._joined, lane])
            return
        status: PricerStatus = future.result()
        if status.work is None:
            self._idle.add(lane.number)
        if was is LaneState.DOWN:
            lane.suspect = None
            return
        is_ours = bool(lane.in_flight) and status.work == lane.in_flight[0].key
        if is_ours and status.busy_s > self._settings.shard_timeout_s:
            self._kill(lane)
        else:  # it works for another coordinator, or has just begun with ours
            lane.head_since = time.monotonic() - (status.busy_s if is_ours else 0.0)

    def _kill(self, lane: _Lane) -> None:
        """The shard at the head has had its time. Its end arrives as the error of its call."""
        if lane.in_flight:
            self._take_down(lane, Loss.TIMEOUT)
            self._pool.replace_process(lane.number)
        else:
            lane.saw(_Sign.LOST)  # it hangs with a shard of another dispatcher, or is restarting


def _reason(ended: Ended) -> str:
    """Why there is no report, as the metric knows it."""
    match ended:
        case Ended(loss=Loss() as loss):
            return loss.value.replace(" ", "_")
        case Ended(error=LeaseLost()):
            return "lease_lost"
        case Ended(error=StoreUnavailable()):
            return "database"
    return "error"


def _claim(run: ClaimedRun) -> tuple[int, int]:
    """Two claims of one run are two different things to do."""
    return (run.run_no, run.epoch)
