"""Full revaluation of a warm run under scenarios, up to committed P&L vectors of all groups, VaR and ES, against QuantLib-Python.

    python -m benchmarks.var --positions 1000000 --scenarios 1000 --json

`wall_s`: time from the POST of a run (measure `pv`, historical scenarios that move every curve, spread and exchange rate) until its end is
seen and VaR and ES of the whole portfolio have been returned over HTTP; the median of the runs after a warm-up run. `ratio`: its
valuations (positions × scenarios) per second over the rate of QuantLib-Python on as many processes, measured afterwards in the benchmark's
run on a sample of the contracts (see `tests.oracles.quantlib_portfolio`). `position_vectors_wall_s`: time of a run of
`--vector-positions` positions that also stores the vector of every position. `netting_max_relative_difference`: in that run, the largest
difference between a group's vector, which comes from netted flows, and the sum of its positions' vectors, over the group's largest P&L.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.temporary_stack import temporary_stack
from pricers import Market
from riskray.client import Client
from riskray.market.build import build_market
from riskray.market.reader import write_market
from riskray.models.run import Run
from riskray.models.scenario import GapPolicy, HistoricalDefinition, MatrixDefinition
from riskray.models.tail_risk import NodeFilter
from riskray.portfolio.generate import BOOKS, generate_portfolio
from riskray.runs.uploads import store_portfolio
from riskray.scenario import codec
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.compile import compile_scenarios
from riskray.scenario.history_sources import ecb_fx_history, generate_rate_history, joined
from riskray.snapshots.content import scenario_set_content
from riskray.snapshots.demo import demo_market
from riskray.snapshots.kinds import SCENARIO_SETS
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.results import read_results
from riskray.store.vectors import read_group_vectors, read_position_vectors
from tests.oracles.quantlib_portfolio import quantlib_rate

BASE_CURRENCY = "USD"
CONFIDENCE = 0.99
FX_CURRENCIES = ["USD", "GBP", "JPY", "CHF", "CAD"]
QUANTLIB_POSITIONS = 1_000
QUANTLIB_SCENARIOS = 20


def main() -> None:
    """Print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--positions", type=int, default=100_000)
    parser.add_argument("--book", choices=sorted(BOOKS), default="core", help="mix of products: core is bonds, loans and forwards")
    parser.add_argument("--scenarios", type=int, default=1_000)
    parser.add_argument("--vector-positions", type=int, default=100_000, help="positions of the run that stores the vectors of positions")
    parser.add_argument("--actors", type=int, default=2)
    parser.add_argument("--runs", type=int, default=5, help="number of runs after the warm-up run")
    parser.add_argument("--rows-per-shard", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the last line is always JSON")
    arguments = parser.parse_args()
    market = build_market(demo_market(), base_currency=BASE_CURRENCY)
    matrix = _historical_moves(market, count=arguments.scenarios)
    with (
        temporary_stack(pricer_actors=arguments.actors) as settings,
        Database(settings) as database,
        Client(settings, deadline_s=600.0) as client,
    ):
        market_id = client.upload_market(write_market(demo_market(), format="json")).market_id
        scenario_set = _store_scenarios(database, matrix)
        portfolio, sample = _store_portfolio(database, positions=arguments.positions, seed=arguments.seed, book=arguments.book)
        request = {"market": market_id, "base_currency": BASE_CURRENCY, "measures": ["pv"], "scenario_set": scenario_set}
        grouped = {"portfolio": portfolio, "rows_per_shard": arguments.rows_per_shard, **request}
        cold_s, *_ = _execute(client, grouped)
        _say(f"cold run: {cold_s:.3f} s")
        timed = [_execute(client, grouped) for _ in range(arguments.runs)]
        wall_s = statistics.median(seconds for seconds, _, _ in timed)
        _, run, tail = min(timed, key=lambda each: each[0])
        _say(f"runs: {', '.join(f'{seconds:.3f}' for seconds, _, _ in timed)} s")
        smaller, _ = _store_portfolio(database, positions=arguments.vector_positions, seed=arguments.seed + 1, book=arguments.book)
        vectors = {"portfolio": smaller, "vectors": "position", **request}
        _execute(client, vectors)
        position_runs = [_execute(client, vectors) for _ in range(2)]
        position_s, position_run, _ = min(position_runs, key=lambda each: each[0])
        difference = _netting_difference(database, position_run)
    quantlib = quantlib_rate(
        sample, market=market, scenarios=bind_scenarios(matrix, market=market).scenarios,
        scenario_count=min(QUANTLIB_SCENARIOS, arguments.scenarios), processes=arguments.actors,
    )  # fmt: skip
    rate = arguments.positions * arguments.scenarios / wall_s
    print(
        json.dumps(
            {
                "benchmark": "var", "positions": arguments.positions, "scenarios": arguments.scenarios, "actors": arguments.actors,
                "factors": len(matrix.factors), "runs": arguments.runs, "ok": run.progress.ok_count, "failed": run.progress.failed_count,
                "wall_s": round(wall_s, 4), "wall_s_best": round(min(seconds for seconds, _, _ in timed), 4),
                "cold_wall_s": round(cold_s, 4), "phases": _phases(run, actors=arguments.actors),
                "var": tail["var"], "expected_shortfall": tail["expected_shortfall"], "confidence": CONFIDENCE,
                "valuations_per_second": round(rate), "quantlib_valuations_per_second": round(quantlib["rate"]),
                "quantlib_instruments": quantlib["instruments"], "quantlib_left_out": quantlib["left_out"],
                "ratio": round(rate / quantlib["rate"], 1),
                "vector_positions": arguments.vector_positions, "position_vectors_wall_s": round(position_s, 4),
                "position_vectors_phases": _phases(position_run, actors=arguments.actors),
                "netting_max_relative_difference": difference,
            }
        )
    )  # fmt: skip


def _historical_moves(market: Market, *, count: int) -> codec.ScenarioMatrix:
    """The last moves of the ECB's exchange rates and of generated rates: every curve and spread of the market."""
    exchange_rates = ecb_fx_history(FX_CURRENCIES, last=demo_market().as_of)
    history = joined(exchange_rates, generate_rate_history(market, dates=exchange_rates.dates, seed=1))
    definition = HistoricalDefinition(history="benchmark", window=count, gap_policy=GapPolicy.CARRY_FORWARD)
    return compile_scenarios(definition, market=market, history=history)


def _store_scenarios(database: Database, matrix: codec.ScenarioMatrix) -> str:
    content = scenario_set_content(MatrixDefinition(), matrix, market_id=None)
    return snapshots.store(database, SCENARIO_SETS, name="benchmark", content=content)[0].scenario_set_id


def _store_portfolio(database: Database, *, positions: int, seed: int, book: str) -> tuple[str, dict[str, pa.Table]]:
    """Generate and store positions; returns the id and an evenly spaced sample."""
    started = time.perf_counter()
    tables = generate_portfolio(positions, seed=seed, as_of=demo_market().as_of, shares=BOOKS[book])
    step = max(1, positions // QUANTLIB_POSITIONS)
    sample = {product: table.take(pa.array(np.arange(0, table.num_rows, step))) for product, table in tables.items()}
    record, _ = store_portfolio(database, tables, name=f"benchmark {positions}")
    _say(f"stored {positions} positions in {time.perf_counter() - started:.1f} s")
    return record.portfolio_id, sample


def _execute(client: Client, request: Mapping[str, Any]) -> tuple[float, Run, dict[str, float]]:
    """Seconds from the POST until VaR and ES of the finished run were returned; the run and the figures."""
    started = time.perf_counter()
    run = client.submit(**request).wait()
    figures = client.var(run.run_id, confidence=CONFIDENCE).figures[0]
    seconds = time.perf_counter() - started
    return seconds, run, {"var": figures.var, "expected_shortfall": figures.expected_shortfall}


def _phases(run: Run, *, actors: int) -> dict[str, float]:
    """Wall seconds by phase; seconds of shards are divided by the number of actors, which work in parallel."""
    spent = (run.manifest or {}).get("seconds", {})
    return {phase: round(seconds if phase in ("finalise", "vectors") else seconds / actors, 4) for phase, seconds in sorted(spent.items())}


def _netting_difference(database: Database, run: Run) -> float:
    """Largest difference between a group's vector and the sum of its positions' vectors, over the group's largest P&L."""
    rows = read_results(database, run_id=run.run_id, columns=("book", "product", "currency"), limit=run.progress.position_count).to_pydict()
    keys = zip(rows["book"], rows["product"], rows["currency"], strict=True)
    group = dict(zip(rows["position_no"], keys, strict=True))
    sums: dict[tuple[str, str, str], np.ndarray] = {}
    for block in read_position_vectors(database, run_id=run.run_id):
        numbers = [no for no in range(block.first_position_no, block.first_position_no + block.pnl.shape[0]) if no in group]
        for key in {group[no] for no in numbers}:
            members = [no - block.first_position_no for no in numbers if group[no] == key]
            sums[key] = sums.get(key, np.zeros(block.pnl.shape[1])) + block.pnl[members].sum(axis=0)
    _, netted = read_group_vectors(database, run_id=run.run_id, filters=NodeFilter())
    differences = [
        np.max(np.abs(pnl - sums[cell.book, cell.product, cell.currency])) / np.max(np.abs(pnl))
        for cell, pnl in zip(netted.cells, netted.pnl, strict=True)
        if cell.ok_count and np.any(pnl)
    ]
    return float(max(differences))


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
