"""The life of a run and of a shard as pure functions: (old state, event) → new state. Everything else is an illegal edge.

    run     QUEUED ─claim→ RUNNING ─(claim: taken over)→ RUNNING ─finish→ SUCCEEDED | PARTIAL | CANCELLED, ─fail→ FAILED
            QUEUED ─cancel→ CANCELLED
    shard   PENDING ─commit→ DONE, ─split→ SPLIT, ─cancel→ CANCELLED, ─retry→ PENDING

The database enforces the same edges by its constraints and by the epoch in every write; this is where they can be read and tested.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from riskray.errors import Conflict
from riskray.models.run import RunState


class ShardState(StrEnum):
    """States of a shard; all but PENDING are final."""

    PENDING = "PENDING"
    DONE = "DONE"
    SPLIT = "SPLIT"
    CANCELLED = "CANCELLED"


class ShardAction(StrEnum):
    """What can happen to a shard."""

    COMMIT = "commit"
    RETRY = "retry"
    SPLIT = "split"
    CANCEL = "cancel"


@dataclass(frozen=True)
class Claimed:
    """A coordinator took the run, or took it over."""


@dataclass(frozen=True)
class CancelledBeforeStart:
    """Somebody cancelled the run before any coordinator took it."""


@dataclass(frozen=True)
class Finished:
    """Nothing of the run is pending any more."""

    position_count: int
    ok_count: int
    failed_count: int
    cancelled_count: int = 0


@dataclass(frozen=True)
class Failed:
    """The run cannot go on."""


RunAction = Claimed | CancelledBeforeStart | Finished | Failed

_SHARD_EDGES = {
    ShardAction.COMMIT: ShardState.DONE,
    ShardAction.RETRY: ShardState.PENDING,
    ShardAction.SPLIT: ShardState.SPLIT,
    ShardAction.CANCEL: ShardState.CANCELLED,
}


def next_run_state(state: RunState, action: RunAction) -> RunState:
    """The run's state after `action`. Raises Conflict where the edge does not exist or the counts do not add up."""
    match state, action:
        case ((RunState.QUEUED | RunState.RUNNING), Claimed()):
            return RunState.RUNNING
        case RunState.QUEUED, CancelledBeforeStart():
            return RunState.CANCELLED
        case RunState.RUNNING, Finished():
            return final_run_state(action)
        case RunState.RUNNING, Failed():
            return RunState.FAILED
    raise Conflict(f"a run that is {state} cannot become {type(action).__name__.lower()}")


def final_run_state(finished: Finished) -> RunState:
    """How a finished run ended. Raises Conflict unless ok + failed + cancelled = positions."""
    counted = finished.ok_count + finished.failed_count + finished.cancelled_count
    if counted != finished.position_count:
        raise Conflict(
            f"ok {finished.ok_count} + failed {finished.failed_count} + cancelled {finished.cancelled_count} = {counted} "
            f"of {finished.position_count} positions: the run is not finished"
        )
    if finished.cancelled_count:
        return RunState.CANCELLED
    return RunState.PARTIAL if finished.failed_count else RunState.SUCCEEDED


def next_shard_state(state: ShardState, action: ShardAction) -> ShardState:
    """The shard's state after `action`. Raises Conflict for anything but a pending shard."""
    if state is not ShardState.PENDING:
        raise Conflict(f"a shard that is {state} cannot {action}")
    return _SHARD_EDGES[action]


class PositionRange(Protocol):
    """Anything with a range of positions."""

    @property
    def first_position_no(self) -> int: ...
    @property
    def row_count(self) -> int: ...


class ShardRemedy(StrEnum):
    """What to do with a shard that ended its worker."""

    RETRY = "retry"
    SPLIT = "split"
    FAIL_ROW = "fail_row"


def remedy_for(shard: PositionRange, *, attempts: int, attempts_max: int, split_ranges: Iterable[PositionRange]) -> ShardRemedy:
    """What to do after attempt number `attempts` of a shard failed.

    A whole shard gets `attempts_max` attempts, because a machine may have failed rather than the shard. Parts of a shard that was split
    are suspect already and get one, so that a poison row among 25,000 costs 15 restarts, not 45; the row alone gets `attempts_max`
    again before it is called poison.
    """
    first, end = shard.first_position_no, shard.first_position_no + shard.row_count
    is_part = any(parent.first_position_no <= first and end <= parent.first_position_no + parent.row_count for parent in split_ranges)
    allowed = 1 if is_part and shard.row_count > 1 else attempts_max
    if attempts < allowed:
        return ShardRemedy.RETRY
    return ShardRemedy.SPLIT if shard.row_count > 1 else ShardRemedy.FAIL_ROW
