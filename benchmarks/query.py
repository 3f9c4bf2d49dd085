"""Response times of queries of a large run: rollups, pages, VaR of any node, and a full download as Arrow.

    python -m benchmarks.query --json

A portfolio is generated, stored and run with a scenario set (`--scenarios`, group vectors) on its own stack; then the queries alternate
with a GET of an endpoint that does nothing (`empty_ms`), over an equal connection. Rollups cover every pair of dimensions, including
counterparties; pages of 1,000 rows proceed through the run; VaR (99 %, with its ten worst scenarios) is of random nodes in any dimension,
every other time with the contributions of its parts. The first response to each kind of query, for which a replica loads its cache, is
printed as `..._first_ms` and is not part of the percentiles. Downloads have all columns, or all but the lists (key rates and columns of
legs), which are two thirds of the bytes. `load_average`: the machine's at the end.
"""

import argparse
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import httpx
import psutil

from benchmarks.empty_endpoint import EMPTY_PATH, serve_empty_endpoint
from benchmarks.temporary_stack import temporary_stack
from riskray.client import Client
from riskray.market.reader import write_market
from riskray.models.hierarchy import DIMENSIONS
from riskray.models.run import Run
from riskray.portfolio.generate import generate_portfolio
from riskray.runs.uploads import store_portfolio
from riskray.snapshots.demo import demo_market
from riskray.store.database import Database
from riskray.store.results import RESULT_COLUMNS

PAGE_ROWS = 1_000
DOWNLOADS = 3
SCALAR_COLUMNS = tuple(name for name in RESULT_COLUMNS if name not in ("factor_nos", "sensitivities"))
PAIRS = tuple(itertools.combinations(DIMENSIONS, 2))


def main() -> None:
    """Print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--positions", type=int, default=1_000_000)
    parser.add_argument("--scenarios", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the last line is always JSON")
    arguments = parser.parse_args()
    with (
        temporary_stack() as settings,
        Database(settings) as database,
        Client(settings, deadline_s=600.0) as client,
        httpx.Client(base_url=settings.base_url, trust_env=False, timeout=600.0) as http,
    ):
        serve_empty_endpoint(settings)
        run = _run(database, client, positions=arguments.positions, scenarios=arguments.scenarios, seed=arguments.seed)
        questions = _questions(http, run, seed=arguments.seed)
        first = _first_answers(http, run, questions)
        timed: dict[str, list[float]] = {name: [] for name in questions}
        for _ in range(arguments.rounds):
            for name, ask in questions.items():
                timed[name].append(_milliseconds(ask))
        rates = [_download(http, run) for _ in range(DOWNLOADS)]
        scalar_rates = [_download(http, run, columns=",".join(SCALAR_COLUMNS)) for _ in range(DOWNLOADS)]
    print(
        json.dumps(
            {
                "benchmark": "query", "positions": arguments.positions, "scenarios": arguments.scenarios, "rounds": arguments.rounds,
                **_percentiles(timed), **first, "download_rows_per_second": round(statistics.median(rates)),
                "download_without_lists_rows_per_second": round(statistics.median(scalar_rates)), "load_average": psutil.getloadavg()[0],
            }
        )
    )  # fmt: skip


def _run(database: Database, client: Client, *, positions: int, scenarios: int, seed: int) -> Run:
    document = demo_market()
    market = client.upload_market(write_market(document, format="json")).market_id
    client.create_demo_history(market=market, name="demo-history")
    definition = {
        "kind": "monte_carlo", "history": "demo-history", "window": 500, "gap_policy": "carry_forward", "count": scenarios, "seed": seed,
    }  # fmt: skip
    scenario_set = client.create_scenario_set("benchmark", market=market, definition=definition).scenario_set_id
    record, _ = store_portfolio(database, generate_portfolio(positions, seed=seed, as_of=document.as_of), name="benchmark")
    started = time.perf_counter()
    run = client.submit(portfolio=record.portfolio_id, market=market, scenario_set=scenario_set).wait()
    _say(f"{run.run_id} is {run.state} after {time.perf_counter() - started:.1f} s")
    return run


def _questions(http: httpx.Client, run: Run, *, seed: int) -> dict[str, Callable[[], None]]:
    results = f"/api/v1/results/{run.run_id}"
    chance = random.Random(seed)
    pairs = itertools.cycle(PAIRS)
    values = {name: _values(http, results, name) for name in DIMENSIONS}
    cursor: list[str | None] = [None]

    def rollup() -> None:
        http.get(f"{results}/rollup", params={"group_by": ",".join(next(pairs))}).raise_for_status()

    def page() -> None:
        params = {"limit": PAGE_ROWS} | ({"cursor": cursor[0]} if cursor[0] else {})
        cursor[0] = http.get(f"{results}/positions", params=params).raise_for_status().json()["next_cursor"]

    def var() -> None:
        dimension = chance.choice(DIMENSIONS)
        parts = {"group_by": chance.choice(["product", "currency"])} if chance.random() < 0.5 else {}
        http.get(f"{results}/var", params={dimension: chance.choice(values[dimension]), **parts}).raise_for_status()

    def empty() -> None:
        http.get(EMPTY_PATH).raise_for_status()

    return {"rollup": rollup, "page": page, "var": var, "empty": empty}


def _get(http: httpx.Client, path: str, group_by: str) -> None:
    http.get(path, params={"group_by": group_by}).raise_for_status()


def _values(http: httpx.Client, results: str, dimension: str) -> list[str]:
    rows: list[dict[str, Any]] = http.get(f"{results}/rollup", params={"group_by": dimension}).raise_for_status().json()
    return [row["group"][dimension] for row in rows if row["ok_count"]]


def _download(http: httpx.Client, run: Run, **columns: str) -> float:
    """Rows a second, from the request to the last byte."""
    started = time.perf_counter()
    size = 0
    with http.stream("GET", f"/api/v1/results/{run.run_id}/positions", params={"format": "arrow", **columns}) as response:
        response.raise_for_status()
        for chunk in response.iter_raw():
            size += len(chunk)
    seconds = time.perf_counter() - started
    _say(f"{run.progress.ok_count:,} rows, {size / 1e6:.0f} MB in {seconds:.2f} s")
    return run.progress.ok_count / seconds


def _milliseconds(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    call()
    return 1000.0 * (time.perf_counter() - started)


def _percentiles(timed: dict[str, list[float]]) -> dict[str, float]:
    return {
        f"{name}_ms_p{percent}": round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 2)
        for name, values in timed.items()
        for percent in (50, 99)
    }


def _first_answers(http: httpx.Client, run: Run, questions: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Milliseconds of the first page and empty call, and of the slowest first rollup of a pair and first VaR of a dimension."""
    results = f"/api/v1/results/{run.run_id}"
    first = {name: [_milliseconds(questions[name])] for name in ("page", "empty")}
    first["rollup"] = [_milliseconds(partial(_get, http, f"{results}/rollup", ",".join(pair))) for pair in PAIRS]
    first["var"] = [_milliseconds(partial(_get, http, f"{results}/var", name)) for name in DIMENSIONS]
    return {f"{name}_first_ms": round(max(values), 2) for name, values in first.items()}


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
