"""Assigns shards to actors: one thread sends shards to the pool's actors and receives the end of every attempt.

* Elastic: if there is work for more actors than exist, for more than a moment, the pool grows as far as the settings and nodes allow.
* Bounded: an actor has at most `shards_in_flight_per_actor` shards, so that a small run waits for a shard or two, never for a large run.
* Sticky: shard n goes to actor n modulo the number of actors, which has its compiled positions from the last run; an idle actor steals.
* Fair: the run with the fewest waiting shards goes first.
* If an actor dies, no work is lost: the shard in progress is reported as lost, and the shards queued behind it go to other actors.
* Actors are shared with the dispatchers of other processes, whose shards may end them too. A suspect shard is therefore sent only to an
  actor that has just reported that it is idle: if this actor dies, the shard is the cause.
* A shard that runs for too long is taken from its actor by killing the actor's process.

The dispatcher makes no decisions about runs: it puts each shard's end into the `inbox` of the run's driver.
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
"""How often the thread checks actors that are down or late; the end of a shard wakes it at once."""
STATUS_TIMEOUT_S = 5.0
"""An actor that does not respond for this time after its shard's time limit hangs with the interpreter's lock held."""
RESTART_POLL_S = 0.5
"""How often a restarting actor is probed; a restart takes seconds."""

IDLE_S = 0.5
"""An idle actor that has not responded to anything for this time is probed before it gets a shard: if it has died, a shard that never
started would be blamed. A probe costs two milliseconds."""

GROW_AFTER_S = 2.0
"""The pool does not grow for work that the present actors will finish within this time: a process, or even a node, would cost more."""
LOOK_S = 0.05
"""The shortest time between checks of the pool's size and health, however fast shards end, because a check visits every actor."""

SUSPECT_PATIENCE_S = 30.0
"""How long a suspect shard waits for an idle actor, if other dispatchers keep all actors busy."""

_FAILED_PROBE = object()

_log = structlog.get_logger()


class Loss(StrEnum):
    """Why an actor returned no report."""

    CRASHED = "crashed"
    TIMEOUT = "timeout"
    NOT_STARTED = "not started"
    """The actor died while the shard was queued behind another one; the shard is not the cause."""


@dataclass(frozen=True)
class Ended:
    """The end of one attempt at a shard: exactly one of report, loss and error is given."""

    task: "ShardTask"
    report: ShardReport | None = None
    error: BaseException | None = None
    loss: Loss | None = None


@dataclass(frozen=True)
class ShardTask:
    """A shard to be valued, and the inbox for the ends of its attempts.

    `fail_as`: do not value its one position, but commit it as failed with this (status, message). `is_suspect`: an attempt at the shard, or
    at the shard of which it is a part, has ended badly.
    """

    run: ClaimedRun
    shard: Shard
    inbox: "queue.SimpleQueue[Any]"
    fail_as: tuple[str, str] | None = None
    is_suspect: bool = False

    @property
    def key(self) -> tuple[int, int, int]:
        """The shard's identification in the actor's status."""
        return (self.run.run_no, self.run.epoch, self.shard.shard_no)


class LaneState(StrEnum):
    """Whether an actor takes shards."""

    JOINING = "joining"
    """An actor beyond the first `pricer_actors` that is not yet warm for the first time: it may have to wait for a node."""
    UP = "up"
    DOWN = "down"
    """Dead, restarting or hanging."""


class _Sign(StrEnum):
    """What the dispatcher observes of an actor."""

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
    """One actor and the shards sent to it, oldest first; the actor works on the first."""

    number: int
    place: int = 0
    """Position among the lanes that have joined."""
    state: LaneState = LaneState.UP
    in_flight: deque[ShardTask] = field(default_factory=deque)
    head_since: float = 0.0
    suspect: ShardTask | None = None
    suspect_loss: Loss = Loss.CRASHED
    probe: Any = None
    probe_since: float = 0.0
    heard_at: float = -math.inf
    """When the actor last responded."""

    def saw(self, sign: _Sign) -> None:
        """Change the state after an observation."""
        self.state = _NEXT_STATE[self.state, sign]

    @property
    def is_up(self) -> bool:
        """Whether the actor takes shards."""
        return self.state is LaneState.UP


class Dispatcher:
    """Sends shards to `settings.pricer_actors` actors or more. There is one per process; `stop` ends its thread."""

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
        """Numbers of the actors that have reported since the last look that they are idle."""
        self._events: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)
        self._thread.start()

    # ----------------------------------------------------------------------------------------------- from any thread

    def submit(self, tasks: Iterable[ShardTask]) -> None:
        """Queue shards; the end of each arrives in its inbox, unless it is discarded first."""
        self._events.put(("submit", list(tasks)))

    def discard(self, run: ClaimedRun) -> None:
        """Drop the shards of a claim that have not been sent to an actor."""
        self._events.put(("discard", _claim(run)))

    def stop(self) -> None:
        """End the thread. Actors finish the shards that they have."""
        self._events.put(("stop",))
        self._thread.join()

    @property
    def shards_waiting(self) -> int:
        """Number of shards not yet sent to an actor."""
        return sum(len(tasks) for tasks in list(self._waiting.values())) + len(self._suspects)

    @property
    def shards_in_flight(self) -> int:
        """Number of shards sent to actors and not ended."""
        return sum(len(lane.in_flight) for lane in list(self._lanes))

    def pricers_by_state(self) -> dict[str, int]:
        """Number of actors that are up, down (dead or restarting), and joining (starting or waiting for a CPU)."""
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
        """All events since the last call, taken together because handling them visits every actor; empty after a timeout."""
        events = []
        with contextlib.suppress(queue.Empty):
            events.append(self._events.get(timeout=TICK_S))
            while True:
                events.append(self._events.get_nowait())
        return events

    def _fill(self, *, reserved: Set[int]) -> None:
        """Send one shard to each actor, those with the fewest shards first, and repeat until no actor has room or no shard waits.

        A few shards thus spread over all actors. `reserved`: numbers of the actors that receive none.
        """
        open_lanes = [lane for lane in self._lanes if lane.number not in reserved]
        while self._waiting:
            lanes = sorted(filter(self._has_room, open_lanes), key=lambda lane: len(lane.in_flight))
            if not sum(self._give(lane) for lane in lanes):
                return

    def _place_suspects(self) -> set[int]:
        """Send each suspect shard to its actor once that is idle; until then the actor is reserved for it and probed repeatedly.

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
                task = backlog.steal(lambda place: not self._is_free(self._joined[place]))  # only from actors without room
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
            # The name takes few values, because Ray counts tasks by name.
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
        """The actor has died. Only the shard at the head of its queue can be the cause."""
        if lane.is_up:
            _log.warning(
                "a pricer has died", pricer=pricer_name(lane.number), error=type(error).__name__, run_id=task.run.run_id,
                shard_no=task.shard.shard_no,
            )  # fmt: skip
            self._take_down(lane, Loss.CRASHED)
        if isinstance(error, ActorDiedError):
            self._pool.forget(lane.number)
        return lane.suspect_loss if lane.suspect is task else Loss.NOT_STARTED

    # ------------------------------------------------------------------------------------------------------- their number

    def _adapt_size(self) -> None:
        """Adapt the number of actors to the work, within the limits of the settings."""
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
        """Set the lanes to which shards stick, in order."""
        self._joined = list(lanes)
        for place, lane in enumerate(self._joined):
            lane.place = place

    def _resize(self, count: int) -> None:
        """Add lanes, whose actors join once they have a CPU and are warm; or drop lanes from the end whose actors do not run.

        A running actor is kept: it ends itself when no process has sent it work for a while.
        """
        for number in range(self._settings.pricer_actors, count):
            if len(self._lanes) < count and not any(lane.number == number for lane in self._lanes):
                self._lanes.append(_Lane(number, state=LaneState.JOINING))
        leaving = [lane for lane in self._lanes if lane.number >= self._settings.pricer_actors and not lane.is_up and not lane.in_flight]
        for lane in leaving[: max(len(self._lanes) - count, 0)]:
            self._lanes.remove(lane)
            lane.probe = None  # a late response to the probe is ignored
            self._pool.end(lane.number)  # a waiting actor would keep requesting a node
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
        """Send the actor no shards until it responds; the shard that it was working on becomes suspect."""
        lane.saw(_Sign.LOST)
        lane.probe = None
        lane.suspect, lane.suspect_loss = lane.in_flight[0], loss

    def _bring_back(self, lane: _Lane) -> None:
        """Probe the new process until it responds, once the errors of all shards of the old one have arrived."""
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
                lane.probe = None  # the errors of its shards will arrive
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
        else:  # it works for another coordinator, or has just started this one's shard
            lane.head_since = time.monotonic() - (status.busy_s if is_ours else 0.0)

    def _kill(self, lane: _Lane) -> None:
        """Kill the actor's process, because the shard at the head exceeds its time limit. Its end arrives as the error of the call."""
        if lane.in_flight:
            self._take_down(lane, Loss.TIMEOUT)
            self._pool.replace_process(lane.number)
        else:
            lane.saw(_Sign.LOST)  # it hangs with a shard of another dispatcher, or is restarting


def _reason(ended: Ended) -> str:
    """Why there is no report, as the value of the metric's tag."""
    match ended:
        case Ended(loss=Loss() as loss):
            return loss.value.replace(" ", "_")
        case Ended(error=LeaseLost()):
            return "lease_lost"
        case Ended(error=StoreUnavailable()):
            return "database"
    return "error"


def _claim(run: ClaimedRun) -> tuple[int, int]:
    """The key of a claim: two claims of one run have separate backlogs."""
    return (run.run_no, run.epoch)
