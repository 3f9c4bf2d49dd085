"""Time of a warm run from stored positions to committed, queryable rows, compared with the time in which Postgres alone writes its bytes.

    python -m benchmarks.run --positions 100000 --json

The portfolio is generated and stored, one run warms the actors' caches, and the best and the median of the following runs are reported.
`copy_limit_s` is the floor: the time to write and commit the run's rows, as the bytes of a binary COPY, to an empty table that ends with
the key of the run's table, by as many writers as actors, in one process run with the benchmark. Both tables get their key after the load,
because this is faster than maintaining it row by row. `bare_copy_s` is the part of the floor without the key. `peak_memory_gib` is the
largest sum of the proportional set sizes of all processes of the stack (Postgres, Ray, actors, services), sampled during two more runs
that are not timed, because visiting the pages of all processes ten times a second takes a fair part of a core.
"""

import argparse
import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psutil
import psycopg
from psycopg import sql as identifiers

import sql
from benchmarks.temporary_stack import temporary_stack
from riskray.client import Client
from riskray.config import Settings
from riskray.market.reader import write_market
from riskray.models.run import Run
from riskray.portfolio.generate import BOOKS, generate_portfolio
from riskray.runs.uploads import store_portfolio
from riskray.snapshots.demo import demo_market
from riskray.store.database import Database, database_url
from riskray.store.runs import run_keys

GIB = 1024**3
SAMPLE_S = 0.1
SAMPLED_RUNS = 2
BINARY_COPY_TRAILER = b"\xff\xff"


def main() -> None:
    """Print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--positions", type=int, default=100_000)
    parser.add_argument("--book", choices=sorted(BOOKS), default="core", help="mix of products: core is bonds, loans and forwards")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5, help="number of runs after the warm-up run")
    parser.add_argument("--rows-per-shard", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the last line is always JSON")
    arguments = parser.parse_args()
    with (
        temporary_stack(pricer_actors=arguments.actors) as settings,
        Database(settings) as database,
        Client(settings, deadline_s=600.0) as client,
    ):
        stored = _store(database, client, positions=arguments.positions, seed=arguments.seed, book=arguments.book)
        _say(f"stored {arguments.positions} positions in {stored['seconds']:.1f} s")
        runs = []
        for number in range(arguments.runs + 1):
            wall_s, run = _execute(client, stored, rows_per_shard=arguments.rows_per_shard)
            _say(f"run {number}{' (cold)' if number == 0 else ''}: {wall_s:.3f} s, {run.state}")
            runs.append((wall_s, run))
        with _peak_memory(settings) as peak:
            for _ in range(SAMPLED_RUNS):
                _execute(client, stored, rows_per_shard=arguments.rows_per_shard)
        cold_s = runs.pop(0)[0]
        best_s, best = min(runs, key=lambda timed: timed[0])
        floor = _copy_limit(database, settings, best, writers=arguments.actors, repeats=arguments.runs)
    wall_s = statistics.median(wall for wall, _ in runs)
    print(
        json.dumps(
            {
                "benchmark": "run", "positions": arguments.positions, "actors": arguments.actors, "runs": arguments.runs,
                "ok": best.progress.ok_count, "failed": best.progress.failed_count, "shards": best.progress.shard_count,
                "wall_s": round(wall_s, 4), "wall_s_best": round(best_s, 4), "cold_wall_s": round(cold_s, 4),
                "positions_per_second": round(arguments.positions / wall_s),
                "phases": _phases(best, actors=arguments.actors),
                "copy_limit_s": round(floor.keyed_s, 4), "wall_over_copy_limit": round(wall_s / floor.keyed_s, 3),
                "bare_copy_s": round(floor.bare_s, 4), "wall_over_bare_copy": round(wall_s / floor.bare_s, 3),
                "copied_bytes_per_row": round(floor.byte_count / best.progress.ok_count, 1),
                "peak_memory_gib": round(peak["bytes"] / GIB, 3),
            }
        )
    )  # fmt: skip


def _store(database: Database, client: Client, *, positions: int, seed: int, book: str) -> dict[str, Any]:
    started = time.perf_counter()
    document = demo_market()
    market = client.upload_market(write_market(document, format="json"))
    record, _ = store_portfolio(
        database, generate_portfolio(positions, seed=seed, as_of=document.as_of, shares=BOOKS[book]), name="benchmark"
    )
    return {"market": market.market_id, "portfolio": record.portfolio_id, "seconds": time.perf_counter() - started}


def _execute(client: Client, stored: dict[str, Any], *, rows_per_shard: int | None) -> tuple[float, Run]:
    """Seconds from the POST until the run is seen as finished, and the run."""
    started = time.perf_counter()
    handle = client.submit(portfolio=stored["portfolio"], market=stored["market"], base_currency="USD", rows_per_shard=rows_per_shard)
    run = handle.wait()
    return time.perf_counter() - started, run


def _phases(run: Run, *, actors: int) -> dict[str, float]:
    """Wall seconds by phase; seconds of shards are divided by the number of actors, which work in parallel."""
    spent = (run.manifest or {}).get("seconds", {})
    return {phase: round(seconds if phase == "finalise" else seconds / actors, 4) for phase, seconds in sorted(spent.items())}


@dataclass(frozen=True)
class Floor:
    """Time of Postgres alone for a run's rows: medians in seconds, from the first byte to the commit."""

    bare_s: float
    keyed_s: float
    """With the key, built after the load."""
    byte_count: int


def _copy_limit(database: Database, settings: Settings, run: Run, *, writers: int, repeats: int) -> Floor:
    """Time a binary COPY of the run's rows into an empty table, and the build of the key that the run's table has."""
    keys = run_keys(database, run_id=run.run_id)
    partition = identifiers.Identifier(f"position_result_{keys['storage_no']}")
    url = database_url(settings)
    header, rows = _binary_rows(url, partition)
    parts = [header + b"".join(rows[writer::writers]) + BINARY_COPY_TRAILER for writer in range(writers)]
    seconds = [_copy_once(url, partition, parts) for _ in range(repeats)]
    return Floor(statistics.median(bare for bare, _ in seconds), statistics.median(keyed for _, keyed in seconds), sum(map(len, rows)))


def _binary_rows(url: str, partition: identifiers.Identifier) -> tuple[bytes, list[bytes]]:
    """The stream's header, and one message per row, as the server sends them."""
    reading = identifiers.SQL("COPY {} TO STDOUT (FORMAT binary)").format(partition)
    with psycopg.connect(url) as connection, connection.cursor() as cursor, cursor.copy(reading) as copy:
        messages = [bytes(message) for message in copy]
    header_bytes = 19  # signature, flags, length of the extension; the first row follows in the same message
    header, messages[0] = messages[0][:header_bytes], messages[0][header_bytes:]
    if messages[-1] == BINARY_COPY_TRAILER:
        messages.pop()
    return header, [message for message in messages if message]


def _copy_once(url: str, partition: identifiers.Identifier, parts: list[bytes]) -> tuple[float, float]:
    """Seconds until the rows are committed, and until their key is committed."""
    table, key = identifiers.Identifier("benchmark_copy_limit"), identifiers.Identifier("benchmark_copy_limit_key")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(identifiers.SQL("CREATE TABLE {} (LIKE {})").format(table, partition))
        copying = identifiers.SQL("COPY {} FROM STDIN (FORMAT binary)").format(table)
        connections = [psycopg.connect(url) for _ in parts]
        threads = [threading.Thread(target=_write, args=(each, copying, part)) for each, part in zip(connections, parts, strict=True)]
        started = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bare_s = time.perf_counter() - started
        connection.execute(identifiers.SQL(sql.load("create_partition_key")).format(index=key, partition=table))
        keyed_s = time.perf_counter() - started
        for each in connections:
            each.close()
        connection.execute(identifiers.SQL("DROP TABLE {}").format(table))
    return bare_s, keyed_s


def _write(connection: psycopg.Connection[Any], copying: identifiers.Composed, part: bytes) -> None:
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        copy.write(part)
    connection.commit()


@contextmanager
def _peak_memory(settings: Settings) -> Iterator[dict[str, int]]:
    """The largest sum of proportional set sizes of the stack's processes, which counts shared memory once."""
    peak = {"bytes": 0}
    stop = threading.Event()

    def sample() -> None:
        while not stop.wait(SAMPLE_S):
            peak["bytes"] = max(peak["bytes"], sum(map(_proportional_set_size, stack_processes(settings))))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        stop.set()
        thread.join()


def stack_processes(settings: Settings) -> list[psutil.Process]:
    """This process, Postgres, Ray and all their descendants."""
    directory = str(settings.data_directory)
    here = psutil.Process()
    found = {process.pid: process for process in here.children(recursive=True)} | {here.pid: here}
    for process in psutil.process_iter(["cmdline"]):
        if directory in " ".join(process.info["cmdline"] or []):
            found |= {child.pid: child for child in [process, *process.children(recursive=True)]}
    return list(found.values())


def _proportional_set_size(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
