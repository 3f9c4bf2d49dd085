"""Latency for one user on a warm stack: a small run, one ad-hoc price, and an empty Serve endpoint for comparison.

    python -m benchmarks.latency --json

`submit_to_done_ms` is from the POST of a run over 100 stored positions until its final state is seen on the event stream; `price_ms` is one
POST of one bond; `empty_ms` is a GET of an endpoint that does nothing, on the stack and over an equal connection. The three alternate, so
that a slow minute of the machine affects all of them.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx

from benchmarks.empty_endpoint import EMPTY_PATH, serve_empty_endpoint
from benchmarks.temporary_stack import temporary_stack
from riskray.client import Client
from riskray.models.run import RunState
from riskray.portfolio.generate import generate_portfolio
from riskray.portfolio.writer import write_portfolio
from riskray.snapshots.demo import demo_market

RUN_POSITIONS = 100
WARM_UP_ROUNDS = 5
CALLS_PER_ROUND = 5
"""Number of prices and of empty calls per run."""

BOND = {
    "product": "FIXED_BOND", "position_id": "ad-hoc", "notional": 1_000_000.0, "currency": "EUR", "coupon_rate": 0.03,
    "issue_date": "2022-05-15", "maturity_date": "2032-05-15", "discount_curve": "EUR-GOVT",
}  # fmt: skip


def main() -> None:
    """Print one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the last line is always JSON")
    arguments = parser.parse_args()
    with temporary_stack() as settings, Client(settings) as client, httpx.Client(base_url=settings.base_url, trust_env=False) as http:
        serve_empty_endpoint(settings)
        market = client.upload_market(demo_market()).market_id
        portfolio = _upload(client)
        timed: dict[str, list[float]] = {"submit_to_done": [], "price": [], "empty": []}
        for number in range(WARM_UP_ROUNDS + arguments.rounds):
            found = _round(client, http, market=market, portfolio=portfolio)
            if number >= WARM_UP_ROUNDS:
                for name, milliseconds in found.items():
                    timed[name] += milliseconds
        print(f"{arguments.rounds} rounds after {WARM_UP_ROUNDS} to warm up", file=sys.stderr)
    print(json.dumps({"benchmark": "latency", "rounds": arguments.rounds, **_percentiles(timed), "run_positions": RUN_POSITIONS}))


def _upload(client: Client) -> str:
    tables = generate_portfolio(RUN_POSITIONS, seed=1, as_of=demo_market().as_of, broken_fraction=0.0)
    batches = [(product, batch) for product, table in tables.items() for batch in table.to_batches()]
    file = b"".join(write_portfolio(batches, format="json", products=tables))
    return client.upload_portfolio(file, name="latency").portfolio_id


def _round(client: Client, http: httpx.Client, *, market: str, portfolio: str) -> dict[str, list[float]]:
    def run() -> None:
        handle = client.submit(portfolio=portfolio, market=market)
        finished = handle.wait()
        if finished.state is not RunState.SUCCEEDED:
            raise RuntimeError(f"{finished.run_id} is {finished.state}: {finished.error_detail}")

    def price() -> None:
        answer = client.price([BOND], market=market)
        if answer.failures:
            raise RuntimeError(f"the bond was not priced: {answer.failures}")

    return {
        "submit_to_done": [_milliseconds(run)],
        "price": [_milliseconds(price) for _ in range(CALLS_PER_ROUND)],
        "empty": [_milliseconds(lambda: http.get(EMPTY_PATH).raise_for_status()) for _ in range(CALLS_PER_ROUND)],
    }


def _milliseconds(call: Callable[[], Any]) -> float:
    started = time.perf_counter()
    call()
    return 1000.0 * (time.perf_counter() - started)


def _percentiles(timed: dict[str, list[float]]) -> dict[str, float]:
    return {
        f"{name}_ms_{label}": round(statistics.quantiles(values, n=100, method="inclusive")[percent - 1], 2)
        for name, values in timed.items()
        for label, percent in (("p50", 50), ("p90", 90), ("p99", 99))
    }


if __name__ == "__main__":
    main()
