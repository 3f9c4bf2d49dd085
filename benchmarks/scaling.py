"""How a run scales: one actor against two, and the costs of a shard outside the actors, for the model in `docs/scaling.md`.

    python -m benchmarks.scaling --json

`efficiency_2`: wall time of a run on one actor over twice that on two actors, from the first shard's dispatch to the last one's commit,
median of the neighbouring pairs. `efficiency_2_run`: this ratio including the finish, which no actor shortens. Postgres shares the cores: a
run on one actor keeps `cores_busy_1` of them busy, so that the machine allows `efficiency_2_bound` = cores / (2 cores_busy_1).
`coordinator_ms_per_shard`: wall milliseconds of the coordinator for an empty shard, the worst over the numbers of shards up to `--shards`.
"""

import argparse
import json
import os
import statistics
import sys
import time
from typing import Any

from benchmarks.run import stack_processes
from benchmarks.temporary_stack import temporary_stack
from riskray.config import Settings
from riskray.logs import configure_logs
from riskray.models.event import EventKind
from riskray.models.run import RunRequest
from riskray.portfolio.generate import generate_portfolio
from riskray.runs.uploads import store_market, store_portfolio
from riskray.snapshots.demo import demo_market
from riskray.store.database import Database
from riskray.store.ledger import ClaimedRun, claim_run
from riskray.store.runs import delete_run, events_after, get_run

ACTORS = (1, 2)
LANES = (2, 10, 100, 1000)
WRITERS = (1, 2, 4, 8)
COMMITS = 1000
OWNER_LEASE_S = 600.0


def main() -> None:
    """Print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--positions", type=int, default=500_000)
    parser.add_argument("--rows-per-shard", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--shards", type=int, default=10_000, help="largest number of empty shards")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the last line is always JSON")
    arguments = parser.parse_args()
    with temporary_stack(pricer_actors=max(ACTORS)) as settings, Database(settings) as database:
        _join(settings)
        market = store_market(database, demo_market())[0].market_id
        large = _store_portfolio(database, positions=arguments.positions, seed=arguments.seed)
        timed = _runs_by_actors(
            settings, database, portfolio=large, market=market, repeats=arguments.repeats, rows_per_shard=arguments.rows_per_shard
        )
        shards = _store_portfolio(database, positions=arguments.shards, seed=arguments.seed)
        overhead = _overhead(settings, database, portfolio=shards, market=market, shards_max=arguments.shards)
    print(json.dumps({"benchmark": "scaling", "positions": arguments.positions, **_summary(timed, arguments.positions), **overhead}))


def _join(settings: Settings) -> None:
    configure_logs(settings, component="benchmark")
    from riskray.grid.start import connect  # Ray reads its variables when it is imported, and starting the stack sets them

    connect(settings)


def _store_portfolio(database: Database, *, positions: int, seed: int) -> str:
    record, _ = store_portfolio(database, generate_portfolio(positions, seed=seed, as_of=demo_market().as_of), name=f"scaling {positions}")
    return record.portfolio_id


def _claimed(settings: Settings, database: Database, *, portfolio: str, market: str, rows_per_shard: int) -> tuple[ClaimedRun, float]:
    """A new run claimed by this process, and the seconds that its submission took."""
    from uuid import uuid4

    from riskray.runs.submit import submit_run

    started = time.perf_counter()
    request = RunRequest(portfolio=portfolio, market=market, executor="job", rows_per_shard=rows_per_shard)
    run, _ = submit_run(database, settings, request)
    seconds = time.perf_counter() - started
    claimed = claim_run(database, owner=uuid4(), lease_s=OWNER_LEASE_S, executor=None, run_id=run.run_id)
    assert claimed is not None
    return claimed, seconds


def _runs_by_actors(
    settings: Settings, database: Database, *, portfolio: str, market: str, repeats: int, rows_per_shard: int
) -> dict[int, list[dict[str, float]]]:
    """Seconds of whole runs by phase, for each number of actors; the first run of each warms the caches and is left out."""
    timed: dict[int, list[dict[str, float]]] = {actors: [] for actors in ACTORS}
    for number in range(repeats + 1):
        for actors in ACTORS:
            claimed, _ = _claimed(settings, database, portfolio=portfolio, market=market, rows_per_shard=rows_per_shard)
            seconds = _drive(settings.model_copy(update={"pricer_actors": actors}), database, claimed)
            _say(f"run {number}, {actors} actor(s): {seconds['run']:.3f} s, of which shards {seconds['shards']:.3f} s")
            if number:
                timed[actors].append(seconds)
    return timed


def _drive(settings: Settings, database: Database, claimed: ClaimedRun) -> dict[str, float]:
    from riskray.grid.coordinator import Coordinator
    from riskray.grid.dispatcher import Dispatcher
    from riskray.grid.pool import PricerPool

    dispatcher = Dispatcher(settings, PricerPool(settings))
    coordinator = Coordinator(settings, database, dispatcher)
    started, cpu_s = time.perf_counter(), _cpu_seconds(settings)
    coordinator.execute(claimed)
    seconds = time.perf_counter() - started
    cpu_s = _cpu_seconds(settings) - cpu_s
    dispatcher.stop()
    run = get_run(database, run_id=claimed.run_id)
    assert run.finished_at is not None
    assert run.manifest is not None
    done = [event.at for event in events_after(database, run_id=claimed.run_id, limit=1_000_000) if event.kind is EventKind.SHARD_DONE]
    finish = (run.finished_at - max(done)).total_seconds()
    delete_run(database, run_id=claimed.run_id)
    return {**run.manifest["seconds"], "run": seconds, "shards": seconds - finish, "finish": finish, "cpu": cpu_s, "shard_count": len(done)}


def _cpu_seconds(settings: Settings) -> float:
    """CPU seconds used so far by Postgres, Ray, the actors and this process, all of which live as long as the stack."""
    return sum(sum(process.cpu_times()[:2]) for process in stack_processes(settings))


def _overhead(settings: Settings, database: Database, *, portfolio: str, market: str, shards_max: int) -> dict[str, Any]:
    from benchmarks import coordination

    coordinator, submit_s = [], 0.0
    for shards in sorted({max(shards_max // 100, 1), max(shards_max // 10, 1), shards_max}):
        claimed, submit_s = _claimed(settings, database, portfolio=portfolio, market=market, rows_per_shard=max(shards_max // shards, 1))
        coordinator.append(coordination.coordinator_cost(settings, database, claimed))
        _say(f"coordinator: {coordinator[-1]}")
    commits = {}
    for writers in WRITERS:
        claimed, _ = _claimed(settings, database, portfolio=portfolio, market=market, rows_per_shard=1)
        commits[writers] = round(coordination.ledger_cost(database, claimed, writers=writers, shards=min(COMMITS, shards_max)))
        _say(f"ledger, {writers} writer(s): {commits[writers]} shards/s")
    dispatch = {lanes: round(coordination.dispatcher_cost(actors=lanes, shards=shards_max), 4) for lanes in LANES}
    _say(f"dispatcher: {dispatch}")
    return {
        "coordinator_ms_per_shard": round(max(each["wall_ms"] for each in coordinator), 4),
        "coordinator": [{name: round(value, 4) for name, value in each.items()} for each in coordinator],
        "dispatcher_cpu_ms_per_shard_by_actors": dispatch,
        "ledger_shards_per_second_by_writers": commits,
        "submit_ms_per_shard": round(1000 * submit_s / shards_max, 4),
    }


def _summary(timed: dict[int, list[dict[str, float]]], positions: int) -> dict[str, Any]:
    best = {actors: {phase: min(run[phase] for run in runs) for phase in ("run", "shards", "finish")} for actors, runs in timed.items()}
    one = {phase: statistics.median(run.get(phase, 0.0) for run in timed[1]) for phase in timed[1][0]}
    cores_busy = statistics.median(run["cpu"] / run["run"] for run in timed[1])
    return {
        "shards": int(one["shard_count"]),
        "cores": os.cpu_count(),
        "cores_busy_1": round(cores_busy, 2),
        "efficiency_2_bound": round(min(1.0, (os.cpu_count() or 1) / (2 * cores_busy)), 3),
        "efficiency_2": _efficiency(timed, "shards"),
        "efficiency_2_run": _efficiency(timed, "run"),
        "seconds": {str(actors): {phase: round(value, 4) for phase, value in phases.items()} for actors, phases in best.items()},
        "core_us_per_position": {
            phase: round(1e6 * one[phase] / positions, 3) for phase in ("read", "lower", "value", "gather", "write") if phase in one
        },
        "finish_us_per_position": round(1e6 * one["finish"] / positions, 3),
    }


def _efficiency(timed: dict[int, list[dict[str, float]]], phase: str) -> float:
    """Median over neighbouring runs, because a machine's speed drifts more from minute to minute than within one pair."""
    return round(statistics.median(one[phase] / (2 * two[phase]) for one, two in zip(timed[1], timed[2], strict=True)), 3)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
