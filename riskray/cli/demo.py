"""`riskray demo`: start a stack, value a portfolio and print results over HTTP, with the calls that a user would make."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from riskray.cli.output import Json, print_json, print_line, print_table, say
from riskray.cli.run_commands import print_failures, print_rollup, watch_handle
from riskray.cli.stack_commands import psql_command, report_step
from riskray.config import Settings

if TYPE_CHECKING:
    from riskray.client import Client, RunHandle
    from riskray.models.market_data import MarketDocument

BOOKS_SHOWN = 10
QUOTES_SHOWN = 12
PAR_LADDER = {"kind": "stress", "quote_ladder": {}}
"""One scenario for each quote, up by a basis point with the curves built again: their P&L is the par DV01."""


def demo(
    positions: Annotated[int, typer.Option(min=1, help="Positions to generate.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Seed of the generated portfolio.")] = 1,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the stack running at the end.")] = False,
    as_json: Json = False,
) -> None:
    """Start the stack, value a generated portfolio under a real market over HTTP, print the results, and stop the stack."""
    from riskray.stack import start_stack, stop_stack

    settings = Settings()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="riskray-demo-") as directory, ThreadPoolExecutor(max_workers=1) as background:
        prepared = background.submit(_prepare, Path(directory), positions=positions, seed=seed)  # while the stack starts
        record, started = start_stack(settings, report=report_step)
        try:
            seconds = {"start": time.perf_counter() - began}
            _value_and_print(
                settings, prepared.result(), seconds, as_json=as_json, kept=keep or not started, dashboard_url=record.dashboard_url
            )
        finally:
            if started and not keep:
                stop_stack(settings, report=report_step)
    left = "" if keep or not started else "; the stack has been stopped"
    say(f"done in {time.perf_counter() - began:.1f} s{left}")


class _Inputs(NamedTuple):
    """What the demo uploads."""

    market: "MarketDocument"
    portfolio: Path
    seconds: float


def _prepare(directory: Path, *, positions: int, seed: int) -> _Inputs:
    """Load the demo's market and write a generated portfolio to a file."""
    from riskray.cli.snapshot_commands import write_generated
    from riskray.snapshots.demo import demo_market

    document = demo_market()
    file = directory / "demo.parquet"
    began = time.perf_counter()
    write_generated(file, positions=positions, seed=seed, as_of=document.as_of)
    return _Inputs(document, file, time.perf_counter() - began)


def _value_and_print(
    settings: Settings, inputs: _Inputs, seconds: dict[str, float], *, as_json: bool, kept: bool, dashboard_url: str
) -> None:
    from riskray.client import Client

    with Client(settings) as client:
        handle = _value(client, inputs, seconds)
        answer = _answer(handle, seconds)
        if as_json:
            print_json(answer)
        else:
            _print_answer(handle, answer)
            _print_next_steps(settings, handle, dashboard_url=dashboard_url, kept=kept)


def _value(client: "Client", inputs: _Inputs, seconds: dict[str, float]) -> "RunHandle":
    """Upload, submit and watch; add the duration of each step to `seconds`."""
    seconds["generate portfolio"] = inputs.seconds
    began = time.perf_counter()
    market = client.upload_market(inputs.market)
    quotes = len(inputs.market.quotes)
    say(f"market {market.market_id}: government curves, curves built from {quotes} quotes, and ECB exchange rates of {market.as_of}")
    par = client.create_scenario_set("demo-par", market=market.market_id, definition=PAR_LADDER)
    seconds["upload market"] = time.perf_counter() - began

    began = time.perf_counter()
    portfolio = client.upload_portfolio(inputs.portfolio, name="demo")
    say(f"portfolio {portfolio.portfolio_id}: {portfolio.position_count:,} positions")
    seconds["upload portfolio"] = time.perf_counter() - began

    began = time.perf_counter()
    handle = client.submit(portfolio=portfolio.portfolio_id, market=market.market_id, name="demo", scenario_set=par.scenario_set_id)
    say(f"run {handle.run_id} submitted over HTTP")
    watch_handle(handle, timeout_s=600.0)
    seconds["run"] = time.perf_counter() - began
    return handle


def _answer(handle: "RunHandle", seconds: dict[str, float]) -> dict[str, Any]:
    """Everything the demo shows, as plain values."""
    run = handle.run
    return {
        "run_id": run.run_id,
        "state": run.state.value,
        "totals": handle.totals().model_dump(mode="json"),
        "by_product": [row.model_dump(mode="json") for row in handle.rollup("product")],
        "by_book": [row.model_dump(mode="json") for row in handle.rollup("book")],
        "dv01_by_curve": _dv01_by_curve(handle),
        "par_dv01": _par_dv01(handle, _hedged_book(handle)),
        "failures": [item.model_dump(mode="json") for item in handle.failure_summary()],
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
    }


def _dv01_by_curve(handle: "RunHandle") -> dict[str, float]:
    """Sums of the key rates of each rate curve."""
    sums: dict[str, float] = {}
    for row in handle.sensitivities(kind=["RATE"]):
        sums[row.factor] = sums.get(row.factor, 0.0) + row.sensitivity
    return sums


def _hedged_book(handle: "RunHandle") -> str:
    """The book of swaps with the largest DV01, or of all products where there are none."""
    rows = handle.rollup("book", "product")
    swaps = [row for row in rows if row.group["product"] == "INTEREST_RATE_SWAP"] or rows
    return str(max(swaps, key=lambda row: abs(row.dv01 or 0.0)).group["book"])


def _par_dv01(handle: "RunHandle", book: str) -> dict[str, Any]:
    """What a basis point on each quote changes the book by, without the quotes that do not."""
    answer = handle.stress(book=[book])
    ladder = dict(zip(answer.scenarios, answer.nodes[0].pnl if answer.nodes else [], strict=False))
    return {"book": book, "ladder": {quote: pnl for quote, pnl in ladder.items() if pnl}}


def _print_ladders(answer: dict[str, Any], currency: str) -> None:
    curves = sorted(answer["dv01_by_curve"].items(), key=lambda item: -abs(item[1]))
    print_table(["curve", "DV01"], curves, title=f"DV01 by curve ({currency})")
    print_line("")
    ladder = sorted(answer["par_dv01"]["ladder"].items(), key=lambda item: -abs(item[1]))
    shown = min(QUOTES_SHOWN, len(ladder))
    title = f"Par DV01 of book {answer['par_dv01']['book']} ({currency}), the {shown} largest of {len(ladder)} quotes"
    print_table(["quote", "par DV01"], ladder[:shown], title=title)


def _print_answer(handle: "RunHandle", answer: dict[str, Any]) -> None:
    totals = handle.totals()
    coverage = totals.ok_count / totals.position_count
    print_line("")
    print_line(
        f"{handle.run_id} {handle.run.state.value}: PV {totals.pv_base:,.0f} {totals.base_currency}, DV01 {totals.dv01:,.0f}, "
        f"FX delta {totals.fx_delta:,.0f}"
    )
    print_line(
        f"coverage {coverage:.2%}: {totals.ok_count:,} of {totals.position_count:,} positions priced, {totals.failed_count:,} failed; "
        "failed positions are not in any sum"
    )
    print_line("")
    print_rollup(["product"], handle.rollup("product"), title=f"By product ({totals.base_currency})")
    books = sorted(handle.rollup("book"), key=lambda row: -abs(row.pv_base))
    print_line("")
    title = f"By book ({totals.base_currency}), the {min(BOOKS_SHOWN, len(books))} largest of {len(books)}"
    print_rollup(["book"], books[:BOOKS_SHOWN], title=title)
    print_line("")
    _print_ladders(answer, totals.base_currency)
    print_line("")
    print_failures(handle.failure_summary())
    print_line("")
    print_line("seconds: " + ", ".join(f"{name} {value:.2f}" for name, value in answer["seconds"].items()))


def _print_next_steps(settings: Settings, handle: "RunHandle", *, dashboard_url: str, kept: bool) -> None:
    from riskray.stack import ray_client_environment

    url, run_id = settings.base_url, handle.run_id
    token = ' -H "Authorization: Bearer $RISKRAY_API_TOKEN"' if settings.api_token is not None else ""
    print_line("")
    print_line(
        "Commands to try:" if kept else "Commands to try while the stack runs (start it with `make demo KEEP=1` or `.venv/bin/riskray up`):"
    )
    print_line(f'  curl -s{token} "{url}/api/v1/results/{run_id}/rollup?group_by=book,product"')
    print_line(f"  .venv/bin/python -c \"from riskray.client import Client; print(Client().attach('{run_id}').positions().to_arrow())\"")
    print_line(f"  .venv/bin/riskray explain {run_id} {_some_position(handle)}")
    query = f"from result where run_id = '{run_id}' group by product"
    print_line(f'  {psql_command(settings)} -c "select product, count(*), sum(pv_base) {query}"')
    print_line(f"API docs       {url}/  (each service has its own page, for instance {url}/api/v1/runs/docs)")
    if dashboard_url:
        token_file = ray_client_environment(settings).get("RAY_AUTH_TOKEN_PATH")
        print_line(f"Ray dashboard  {dashboard_url}" + (f"  (log in with the token in {token_file})" if token_file else ""))
    if kept:
        print_line("Stop the stack with `.venv/bin/riskray down`.")


def _some_position(handle: "RunHandle") -> str:
    page = handle.first_page(limit=1)
    return page[0].position_id if page else "POSITION"
