"""The last step of a run with scenarios: computes the vectors of its groups from the netted flows of all shards.

Every actor adds up the sums that it holds and nets shards that no actor holds; then the groups are merged, valued and written in a few
pieces. The step may be repeated at any time, also by another coordinator, with identical bits: sums are exact, and one actor values each
piece as a whole, however many actors there are.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import ray
import structlog
from ray.exceptions import RayActorError, RayTaskError

from riskray.engine.vectors import GROUPINGS, MERGE_PARTITIONS
from riskray.errors import LeaseLost, ShardFailed, StoreUnavailable
from riskray.grid.pool import STATUS_TIMEOUT_S, PricerPool
from riskray.store import ledger
from riskray.store.database import Database
from riskray.store.ledger import ClaimedRun, Shard

POLL_S = 0.2
"""How soon a lost lease or a cancellation is noticed while actors work."""
RETRY_PAUSE_S = 1.0
"""How long to wait for actors to report their shards: a dead one takes seconds to restart, and the others continue without it."""

_log = structlog.get_logger()


class VectorsStopped(Exception):
    """The vectors are no longer needed. Work that actors still do for them has no effect once the run has ended."""


def write_vectors(run: ClaimedRun, *, database: Database, pool: PricerPool, attempts_max: int, is_stopped: threading.Event) -> float:
    """Write the vectors of a run whose shards are all done; returns the duration in seconds.

    Raises VectorsStopped soon after `is_stopped` is set, LeaseLost, StoreUnavailable, and RayActorError after `attempts_max` attempts in
    which an actor died.
    """
    started = time.perf_counter()
    shards = ledger.done_ranges(database, run_no=run.run_no)
    for attempt in range(1, attempts_max + 1):
        try:
            _write(run, shards, pool, is_stopped)
            break
        except RayActorError as error:
            if attempt == attempts_max:
                raise
            _log.warning("a pricer died while vectors were computed; retrying", attempt=attempt, error=type(error).__name__)
            if is_stopped.wait(RETRY_PAUSE_S):
                raise VectorsStopped from None
    return time.perf_counter() - started


def assign_shards(done: Sequence[int], held: Mapping[int, frozenset[int]]) -> dict[int, list[int]]:
    """Assign shards to actors: to each the shards it holds, unless they overlap with another's or are not done; the rest in turn.

    Args:
        done: numbers of the shards.
        held: shards that an actor has netted, by number of the actor.
    Returns:
        Shard numbers by number of the actor; every shard once.
    """
    left, assigned = set(done), {actor: list[int]() for actor in held}
    for actor, shard_nos in held.items():
        if shard_nos <= left:
            assigned[actor] = sorted(shard_nos)
            left -= shard_nos
    actors = sorted(held)
    for turn, shard_no in enumerate(sorted(left)):
        assigned[actors[turn % len(actors)]].append(shard_no)
    return assigned


def _write(run: ClaimedRun, shards: Sequence[Shard], pool: PricerPool, is_stopped: threading.Event) -> None:
    by_number = {shard.shard_no: shard for shard in shards}
    actors, held = _ask_what_is_held(run, pool)
    assigned = assign_shards(list(by_number), held)
    netted = [
        actors[number].net.options(num_returns=len(MERGE_PARTITIONS) + 1).remote(run, [by_number[shard_no] for shard_no in shard_nos])
        for number, shard_nos in assigned.items()
        if shard_nos
    ]
    reducers = [actors[number] for number in sorted(actors)]
    pieces = {}
    for piece, (family, _, _) in enumerate(MERGE_PARTITIONS):
        parts = [part[piece] for part in netted] + [part[-1] for part in netted if piece == 0]
        pieces[reducers[piece % len(reducers)].write_vectors.remote(run, piece, len(netted), *parts)] = family
    counts, waiting = [0] * len(GROUPINGS), list(pieces)
    while waiting:
        ended, waiting = ray.wait(waiting, timeout=POLL_S)
        if is_stopped.is_set():
            raise VectorsStopped
        for reference in ended:
            counts[pieces[reference]] += _get(reference)
    if counts != [run.position_count] * len(GROUPINGS):
        raise ShardFailed(f"the vectors of run {run.run_id} hold {counts} positions by family, not {run.position_count}")


def _ask_what_is_held(run: ClaimedRun, pool: PricerPool) -> tuple[dict[int, Any], dict[int, frozenset[int]]]:
    """The actors that respond at once, as even busy actors do, and the shards that they hold."""
    actors = {number: actor for number in pool.numbers() if (actor := pool.find(number)) is not None}
    asked = {actor.netted_shards.remote(run.run_id): number for number, actor in actors.items()}
    ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=STATUS_TIMEOUT_S) if asked else ([], [])
    held = {}
    for reference in ready:
        try:
            held[asked[reference]] = ray.get(reference)
        except RayActorError:
            pool.forget(asked[reference])
    if not held:
        raise RayActorError(error_msg="no pricer responds")
    return {number: actors[number] for number in held}, held


def _get(reference: Any) -> int:
    try:
        return int(ray.get(reference))
    except RayTaskError as error:
        if isinstance(error.cause, RayActorError | LeaseLost | StoreUnavailable):
            raise error.cause from None
        raise
