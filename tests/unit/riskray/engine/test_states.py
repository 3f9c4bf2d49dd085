"""Runs and shards change state only along the drawn edges."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskray.engine.plan import PlannedShard
from riskray.engine.states import (
    CancelledBeforeStart,
    Claimed,
    Failed,
    Finished,
    ShardAction,
    ShardRemedy,
    ShardState,
    next_run_state,
    next_shard_state,
    remedy_for,
)
from riskray.errors import Conflict
from riskray.models.run import RunState

ACTIONS = [Claimed(), CancelledBeforeStart(), Failed(), Finished(3, 3, 0), Finished(3, 2, 1), Finished(3, 1, 1, 1)]


@given(st.lists(st.sampled_from(ACTIONS), max_size=12))
def test_run_final_state_never_changes(actions):
    state = RunState.QUEUED
    for action in actions:
        was = state
        try:
            state = next_run_state(state, action)
        except Conflict:
            assert state is was
            continue
        assert not was.is_final


@pytest.mark.parametrize(
    ("finished", "expected"),
    [
        (Finished(5, 5, 0), RunState.SUCCEEDED),
        (Finished(5, 4, 1), RunState.PARTIAL),
        (Finished(5, 0, 5), RunState.PARTIAL),
        (Finished(5, 2, 1, 2), RunState.CANCELLED),
    ],
)
def test_running_run_finishes_by_its_counts(finished, expected):
    assert next_run_state(RunState.RUNNING, finished) is expected


@given(st.tuples(*[st.integers(0, 5)] * 4))
def test_run_counts_that_do_not_add_up_never_finish(counts):
    positions, ok, failed, cancelled = counts
    finished = Finished(positions, ok, failed, cancelled)
    if ok + failed + cancelled == positions:
        assert next_run_state(RunState.RUNNING, finished).is_final
    else:
        with pytest.raises(Conflict, match="not finished"):
            next_run_state(RunState.RUNNING, finished)


def test_queued_run_is_cancelled_at_once_but_does_not_finish():
    assert next_run_state(RunState.QUEUED, CancelledBeforeStart()) is RunState.CANCELLED
    with pytest.raises(Conflict, match="QUEUED"):
        next_run_state(RunState.QUEUED, Finished(1, 1, 0))


def test_shard_leaves_pending_once():
    for first, second in itertools.product(ShardAction, ShardAction):
        state = next_shard_state(ShardState.PENDING, first)
        if first is ShardAction.RETRY:
            assert state is ShardState.PENDING
        else:
            with pytest.raises(Conflict):
                next_shard_state(state, second)


def test_shard_that_ends_its_worker_is_retried_then_split():
    shard = PlannedShard(0, "A", 0, 100)
    remedies = [remedy_for(shard, attempts=attempts, attempts_max=3, split_ranges=[]) for attempts in (1, 2, 3)]
    assert remedies == [ShardRemedy.RETRY, ShardRemedy.RETRY, ShardRemedy.SPLIT]


def test_part_of_a_split_shard_is_split_at_once_until_the_row_is_alone():
    parent = PlannedShard(0, "A", 0, 100)
    assert remedy_for(PlannedShard(1, "A", 50, 50), attempts=1, attempts_max=3, split_ranges=[parent]) is ShardRemedy.SPLIT
    row = PlannedShard(2, "A", 77, 1)
    remedies = [remedy_for(row, attempts=attempts, attempts_max=3, split_ranges=[parent]) for attempts in (1, 2, 3)]
    assert remedies == [ShardRemedy.RETRY, ShardRemedy.RETRY, ShardRemedy.FAIL_ROW]


def test_neighbour_of_a_split_shard_keeps_its_attempts():
    parent = PlannedShard(0, "A", 0, 100)
    assert remedy_for(PlannedShard(1, "A", 100, 50), attempts=1, attempts_max=3, split_ranges=[parent]) is ShardRemedy.RETRY
