"""What one more trade costs here and in the Open Source Risk Engine (ORE), on equal contracts and an equal market.

    python -m benchmarks.peers --json

ORE's own wheel is installed from the configured package index into an environment of its own (`--environment` keeps it). Both sides get
books of two sizes; the cost of one more trade is the difference of processor seconds over the difference of the sizes, so that neither side
pays for its start, its market or its files' heads. The last line is one JSON object:

`sensitivity_ratio`: ORE's sensitivity analytic as it is by default (two revaluations for every pillar of every curve that moves the
product, and for the exchange rate), less its run of values alone, over our base pass with all measures and all ladders.
`delta_ratio`: the same with one revaluation each: ORE is told to leave out gammas, of which we give the parallel one alone.
`var_ratio`: ORE's historical simulation, less its run of values alone, over ours of as many scenarios: both give the P&L vector of the
book, ours by netting flows. `vectors_ratio`: the same over our full revaluation of every position under every scenario.
`job_ratio`: ORE's whole run from the portfolio file to its files of values and sensitivities, over ours on a stack of its own from the
upload of a Parquet file to the stored results of all measures, both in processor seconds of all processes.
`values`: contracts compared, and how many differ in a digit that ORE prints.
"""

import argparse
import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet

from benchmarks import ore_files
from benchmarks.ore_files import PRODUCTS, Row
from benchmarks.run import stack_processes
from benchmarks.temporary_stack import temporary_stack
from pricers import Market, Measure, RowStatus, Scenarios, compile_contracts, contracts_of, present_values, pricer
from pricers.core.compiled import Compiled
from pricers.value.ladders import value_ladders
from pricers.value.netting import net_flows
from pricers.value.scenario_grid import LadderGrid
from pricers.value.valuation import value_cashflows
from riskray.client import Client
from riskray.config import Settings

REQUIREMENT: Final = "open-source-risk-engine==1.8.17"
REPEATS: Final = 3
ORE_REPEATS: Final = 2
JOB_PRODUCTS: Final = ("FIXED_BOND", "INTEREST_RATE_SWAP", "FX_FWD")
JOB_REPEATS: Final = 2
_SENSITIVITY: Final = ("npv", "sensitivity")
_DELTA: Final = ("npv", "delta")
_HISTORY: Final = ("npv", "historicalSimulationVar")
_ANALYTICS: Final = (("npv",), _SENSITIVITY, _DELTA, _HISTORY)
_RUN: Final = (
    "import sys, ORE; given = ORE.Parameters(); given.fromFile(sys.argv[1]); app = ORE.OREApp(given); app.run();"
    "errors = list(app.getErrors()); sys.exit(errors[0] if errors else 0)"
)


def main() -> int:
    """Print one JSON object as the last line; the exit status is 1 if a value differs."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--products", nargs="+", choices=sorted(PRODUCTS), default=list(PRODUCTS))
    parser.add_argument("--trades", type=int, default=1_000, help="ORE's larger book")
    parser.add_argument("--positions", type=int, default=50_000, help="our larger book")
    parser.add_argument("--scenarios", type=int, default=250)
    parser.add_argument("--environment", type=Path, help="folder with ORE's environment, made if it does not exist; none: a temporary one")
    parser.add_argument("--no-jobs", action="store_true", help="leave out job_ratio, which needs a stack")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="accepted for uniformity: the last line is always JSON")
    arguments = parser.parse_args()
    figures: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory(prefix="riskray-ore-") as directory:
        python = _environment(arguments.environment or Path(directory, "environment"))
        for product in arguments.products:
            folder = Path(directory, product)
            (folder / "output").mkdir(parents=True)
            figures[product] = measure(product, folder, python, arguments)
            _say(f"{product}: {figures[product]}")
    if not arguments.no_jobs:
        jobs = _our_jobs([name for name in JOB_PRODUCTS if name in figures], positions=arguments.positions, seed=arguments.seed)
        for product, seconds in jobs.items():
            figures[product]["job_ratio"] = round(figures[product]["ore_job_us"] / (1e6 * seconds), 1)
            figures[product]["job_us"] = round(1e6 * seconds, 3)
    names = ("sensitivity_ratio", "delta_ratio", "var_ratio", "vectors_ratio", "job_ratio")
    differing = sum(entry["differing"] for entry in figures.values())
    summary = {name: {product: entry[name] for product, entry in figures.items() if name in entry} for name in names}
    values = {"compared": sum(entry["compared"] for entry in figures.values()), "differing": differing}
    print(json.dumps({"benchmark": "peers", "peer": REQUIREMENT, "trades": arguments.trades, "positions": arguments.positions,
                      "scenarios": arguments.scenarios, **summary, "values": values, "products": figures}))  # fmt: skip
    return 1 if differing else 0


def measure(product: str, folder: Path, python: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Microseconds of one more trade on both sides, and how many values differ."""
    rng = np.random.default_rng(arguments.seed)
    market = ore_files.random_market(rng)
    rows = [PRODUCTS[product].draw(rng) for _ in range(max(arguments.trades, arguments.positions))]
    ore_files.write_market(folder, market, product=product, scenarios=arguments.scenarios, rng=rng)
    seconds: dict[tuple[tuple[str, ...], int], float] = {}
    for size in (1, arguments.trades):
        (folder / "portfolio.xml").write_text(ore_files.portfolio(product, rows[:size]))
        for analytics in _ANALYTICS:
            master = ore_files.write_master(folder, analytics=analytics, scenarios=arguments.scenarios)
            seconds[analytics, size] = min(_ore_seconds(python, master, analytics) for _ in range(ORE_REPEATS))
    values_only, sensitivities, deltas, history = (
        (seconds[analytics, arguments.trades] - seconds[analytics, 1]) / (arguments.trades - 1) for analytics in _ANALYTICS
    )
    shifts = {curve.name: rng.normal(0.0, 4e-4, (curve.zero_rates.size, arguments.scenarios)) for curve in market.curves}
    scenarios = Scenarios(arguments.scenarios, shifts=shifts, fx_factors={"USD": np.exp(rng.normal(0.0, 0.004, arguments.scenarios))})
    base, book, vectors = _our_costs(product, rows[: arguments.positions], market, scenarios)
    differing = _differing(product, rows[: arguments.trades], market, folder / "output" / "npv.csv")
    return {
        "sensitivity_ratio": round((sensitivities - values_only) / base, 1), "delta_ratio": round((deltas - values_only) / base, 1),
        "var_ratio": round((history - values_only) / book, 1), "vectors_ratio": round((history - values_only) / vectors, 1),
        "ore_sensitivity_us": round(1e6 * (sensitivities - values_only), 1),
        "ore_delta_us": round(1e6 * (deltas - values_only), 1), "ore_var_us": round(1e6 * (history - values_only), 1),
        "ore_job_us": round(1e6 * sensitivities, 1), "base_us": round(1e6 * base, 3), "var_us": round(1e6 * book, 3),
        "vectors_us": round(1e6 * vectors, 3),
        "compared": arguments.trades, "differing": differing,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------------------------ ORE


def _environment(folder: Path) -> Path:
    """The interpreter of an environment with ORE."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", REQUIREMENT], check=True, stdout=sys.stderr)
    return python


def _ore_seconds(python: Path, master: Path, analytics: tuple[str, ...]) -> float:
    """Processor seconds of one run of ORE, which runs on one core. Raises RuntimeError if it fails, or leaves a figure out."""
    output = master.parent / "output"
    for path in output.iterdir():
        path.unlink()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([python, "-c", _RUN, master], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    wanted = {
        "npv": "npv.csv",
        "sensitivity": "sensitivity.csv",
        "delta": "sensitivity.csv",
        "historicalSimulationVar": "historical_PnL.csv",
    }
    lacking = [wanted[name] for name in analytics if len(_lines(output / wanted[name])) < 2]
    if done.returncode or lacking:  # a failed analytic ends in its log alone
        raise RuntimeError(f"ORE wrote no {lacking}: {done.stderr[-2000:]} {_lines(output / 'log.txt')[-3:]}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def _differing(product: str, rows: list[Row], market: Market, path: Path) -> int:
    """How many base-currency values differ from those that ORE has printed by more than the last printed digit."""
    valued = value_cashflows(_compiled(product, rows, market), market=market)
    assert np.all(valued.status == RowStatus.OK)
    with path.open() as file:
        printed = {line["#TradeId"]: line["NPV(Base)"] for line in csv.DictReader(file)}
    differing = 0
    for number, ours in enumerate(valued.values[Measure.PV_BASE].tolist()):
        theirs = printed[f"T{number:06d}"]
        unit = 10.0 ** -len(theirs.partition(".")[2])
        differing += not abs(ours - float(theirs)) <= unit
    return differing


# ------------------------------------------------------------------------------------------------------------------------ riskray


def _compiled(product: str, rows: list[Row], market: Market) -> Any:
    return compile_contracts(product, contracts_of(pricer(product).columns, rows), as_of=market.as_of, fixings=market.fixings)


def _our_costs(product: str, rows: list[Row], market: Market, scenarios: Scenarios) -> tuple[float, float, float]:
    """Processor seconds of one more position: of the base pass, in the book's vector of P&L, and of its own vector."""
    seconds = []
    for size in (1, len(rows)):
        compiled = _compiled(product, rows[:size], market)
        out = np.empty((size, scenarios.count))
        base = partial(value_cashflows, compiled, market=market)
        vectors = partial(present_values, compiled, market=market, scenarios=scenarios, out=out)
        netted = partial(_book_vector, compiled, market, scenarios)
        seconds.append([_best_seconds(work) for work in (base, netted, vectors)])
    of_base, of_book, of_vectors = ((large - small) / (len(rows) - 1) for small, large in zip(*seconds, strict=True))
    return of_base, of_book, of_vectors


def _book_vector(compiled: Compiled, market: Market, scenarios: Scenarios) -> np.ndarray:
    """P&L of all positions together under each scenario."""
    grid = LadderGrid(market=market, scenarios=scenarios)
    netted = net_flows(compiled, grid=grid, cell_of_row=np.zeros(compiled.row_count, np.int32), skip_failing=False)
    pnl: np.ndarray = value_ladders(netted.ladders, grid=grid, cell_count=1).pnl[0]
    return pnl


def _best_seconds(work: Callable[[], Any]) -> float:
    found = []
    for _ in range(REPEATS + 1):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found[1:])  # the first loads kernels


def _our_jobs(products: list[str], *, positions: int, seed: int) -> dict[str, float]:
    """Processor seconds of one more position of a whole job, of all processes of a stack with one pricer actor."""
    market = ore_files.random_market(np.random.default_rng(seed))
    costs = {}
    with temporary_stack(pricer_actors=1) as settings, Client(settings, deadline_s=600.0) as client:
        market_id = client.upload_market(ore_files.market_document(market)).market_id
        for product in products:
            seconds: dict[int, list[float]] = {1: [], positions: []}
            rng = np.random.default_rng(seed)
            rows = [PRODUCTS[product].draw(rng) for _ in range(positions)]
            for repeat in range(JOB_REPEATS + 1):
                for row in rows:  # other positions each time: equal ones would only be recognised
                    row["notional"] += 1.0
                for size, found in seconds.items():
                    table = _portfolio_table(product, rows[:size])
                    found.append(_job_seconds(settings, client, table, market_id, name=f"{product} {size} {repeat}"))
            best = {size: min(found[1:]) for size, found in seconds.items()}
            costs[product] = (best[positions] - best[1]) / (positions - 1)
            _say(f"{product}: {seconds}")
    return costs


def _portfolio_table(product: str, rows: list[Row]) -> pa.Table:
    """The rows as a trade file has them."""
    kinds = {column.name: column.kind for column in pricer(product).columns}
    count = len(rows)
    columns: dict[str, pa.Array] = {
        "position_id": pa.array([f"P{number:07d}" for number in range(count)]), "product": pa.array([product] * count),
        "book": pa.array(["BOOK"] * count), "counterparty": pa.array(["CPTY"] * count),
    }  # fmt: skip
    for name in sorted({name for row in rows for name in row}):
        values = [row.get(name) for row in rows]
        columns[name] = pa.array(values, pa.int32()).cast(pa.date32()) if kinds[name] == "date" else pa.array(values)
    return pa.table(columns)


def _job_seconds(settings: Settings, client: Client, table: pa.Table, market: str, *, name: str) -> float:
    """Processor seconds of all processes from the upload to the stored results of all measures, less those of converting the table."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "trades.parquet")
        pa.parquet.write_table(table, path)
        before = _processor_seconds(settings)
        portfolio = client.upload_portfolio(path, name=name).portfolio_id
        run = client.submit(portfolio=portfolio, market=market, base_currency=ore_files.BASE).wait()
        after = _processor_seconds(settings)
    if run.progress.ok_count != table.num_rows:
        raise RuntimeError(f"{run.progress.ok_count} of {table.num_rows} positions were valued: {client.failure_summary(run.run_id)[:1]}")
    return after - before


def _processor_seconds(settings: Settings) -> float:
    return sum(_spent(process) for process in stack_processes(settings))


def _spent(process: psutil.Process) -> float:
    """Seconds of a process and of those that it has started and seen end; 0 for one that has just ended."""
    try:
        return float(sum(process.cpu_times()[:4]))
    except psutil.NoSuchProcess:
        return 0.0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
