"""Time from a portfolio's Parquet file to stored, queryable positions, over HTTP.

    python -m benchmarks.ingest --positions 1000000 --json

The file is generated before the clock starts. `wall_s` is the median time from the POST of the file until its response, when every row is
validated, ordered, hashed, stored and can be queried, which a GET of one page of positions then proves. Every upload has other positions
(another seed), because a repeated upload would only be recognised by its hash.
"""

import argparse
import json
import statistics
import sys
import time

import psutil

from benchmarks.temporary_stack import temporary_stack
from riskray.client import Client
from riskray.portfolio.batches import decode_batch, prepare_portfolio
from riskray.portfolio.generate import generate_portfolio
from riskray.portfolio.writer import write_portfolio
from riskray.snapshots.demo import demo_market

MIB = 1024**2


def main() -> None:
    """Print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--positions", type=int, default=1_000_000)
    parser.add_argument("--uploads", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the last line is always JSON")
    arguments = parser.parse_args()
    with temporary_stack() as settings, Client(settings, deadline_s=600.0) as client:
        seconds, size = [], 0
        for seed in range(1, arguments.uploads + 1):
            file = _parquet(arguments.positions, seed=seed)
            size = len(file)
            seconds.append(_upload(client, file, positions=arguments.positions))
            print(f"upload {seed}: {seconds[-1]:.2f} s, {size / MIB:.0f} MiB", file=sys.stderr, flush=True)
    wall_s = statistics.median(seconds)
    print(
        json.dumps(
            {
                "benchmark": "ingest", "positions": arguments.positions, "uploads": arguments.uploads, "file_mib": round(size / MIB, 1),
                "wall_s": round(wall_s, 3), "wall_s_best": round(min(seconds), 3),
                "positions_per_second": round(arguments.positions / wall_s), "cores": psutil.cpu_count(),
            }
        )
    )  # fmt: skip


def _parquet(positions: int, *, seed: int) -> bytes:
    tables = generate_portfolio(positions, seed=seed, as_of=demo_market().as_of)
    batches = ((batch.product, decode_batch(batch.payload)) for batch in prepare_portfolio(tables).batches)
    return b"".join(write_portfolio(batches, format="parquet", products=list(tables)))


def _upload(client: Client, file: bytes, *, positions: int) -> float:
    headers = {"Content-Type": "application/vnd.apache.parquet"}
    started = time.perf_counter()
    answer = client.transport.send(
        "POST", "/api/v1/portfolios", repeatable=False, content=file, headers=headers, params={"name": "ingest"}, timeout_s=600.0
    )
    stored = answer.json()
    path = f"/api/v1/portfolios/{stored['portfolio_id']}/positions"
    page = client.transport.send("GET", path, repeatable=True, params={"limit": 1000}).json()
    seconds = time.perf_counter() - started
    if stored["position_count"] != positions or len(page["data"]) != min(positions, 1000):
        raise RuntimeError(f"{stored['position_count']} of {positions} positions were stored")
    return seconds


if __name__ == "__main__":
    main()
