"""`riskray market` and `riskray portfolio`: upload, list, download and delete snapshots, and generate portfolios."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal

import typer

from riskray.cli.output import Json, format_of, print_json, print_line, print_table, problem_line, report_file, say
from riskray.cli.snapshot_group import Key, add_snapshot_commands
from riskray.models.common import Problem
from riskray.snapshots.kinds import MARKETS, PORTFOLIOS

market_commands = typer.Typer(
    no_args_is_help=True, help="Market snapshots: build, upload, demo, list, show, curves, indices, download, delete."
)
portfolio_commands = typer.Typer(no_args_is_help=True, help="Portfolio snapshots: generate, upload, list, show, download, delete.")

RatesUnchecked = Annotated[
    bool, typer.Option("--rates-unchecked", help="Accept rates, and moves of rates, so large that they look like per cent or basis points.")
]

LEFT_OUT_SHOWN_MAX = 10
MARKET_FORMATS = ("json", "csv", "parquet")
PORTFOLIO_FORMATS = ("csv", "json", "parquet", "arrow")

add_snapshot_commands(
    market_commands,
    MARKETS,
    columns={"market": "market_id", "name": "name", "version": "version", "as of": "as_of", "stored": "created_at"},
)
add_snapshot_commands(
    portfolio_commands,
    PORTFOLIOS,
    columns={"portfolio": "portfolio_id", "name": "name", "version": "version", "positions": "position_count", "stored": "created_at"},
    description=": its products, books and currencies",
)


@market_commands.command("upload")
def upload_market(
    file: Annotated[Path, typer.Argument(help="JSON, CSV or Parquet.")],
    allow_partial: Annotated[bool, typer.Option("--allow-partial", help="Store the market without its invalid curves and quotes.")] = False,
    rates_unchecked: RatesUnchecked = False,
    as_json: Json = False,
) -> None:
    """Store a market."""
    from riskray.client import Client

    with Client() as client:
        market = client.upload_market(file, allow_partial=allow_partial, rates_unchecked=rates_unchecked)
    if as_json:
        print_json(market)
        return
    say_left_out(market.problems)
    print_line(market.market_id)


@market_commands.command("build")
def build_market(
    file: Annotated[Path, typer.Argument(help="JSON document with quotes, and curves that list their instruments.")],
    output: Annotated[Path | None, typer.Option("--output", help="File for the document with the curves' points, ending in .json.")] = None,
    rates_unchecked: RatesUnchecked = False,
    as_json: Json = False,
) -> None:
    """Build curves from quotes, without a stack: show how well they meet each quote, and write the document with them."""
    from riskray.market.quotes import fitted_quotes
    from riskray.market.reader import read_market, write_market

    document = read_market(file, format="json", rates_unchecked=rates_unchecked)
    if output is not None:
        output.write_bytes(write_market(document, format=format_of(output, ("json",))))
    if as_json:
        print_json(document)
        return
    rows = [
        (quote.curve, quote.quote_id, quote.instrument, f"{quote.value:.10g}", f"{quote.residual:.1e}")
        for quote in fitted_quotes(document)
        if quote.residual is not None
    ]
    print_table(["curve", "quote", "instrument", "value", "residual"], rows)


@market_commands.command("demo")
def upload_demo_market(as_json: Json = False) -> None:
    """Store the demo's market, named demo: published government curves and ECB exchange rates of one day."""
    from riskray.client import Client
    from riskray.snapshots.demo import demo_market

    with Client() as client:
        market = client.upload_market(demo_market())
    if as_json:
        print_json(market)
    else:
        print_line(market.market_id)


@market_commands.command("curves")
def show_curves(market: Key, as_json: Json = False) -> None:
    """Show zero rates of a market's curves by pillar, and the numbers by which results identify the curves."""
    from riskray.client import Client

    with Client() as client:
        curves = client.market_curves(market)
    if as_json:
        print_json(curves)
        return
    rows = [
        (curve.kind, curve.curve_no, curve.name, curve.currency, pillar, f"{rate:.4%}")
        for curve in curves
        for pillar, rate in zip(curve.pillars, curve.zero_rates, strict=True)
    ]
    print_table(["kind", "number", "curve", "ccy", "pillar", "zero rate"], rows)


@market_commands.command("download")
def download_market(
    market: Key,
    file: Annotated[Path, typer.Argument(help="Output file, ending in .json, .csv or .parquet.")],
    as_json: Json = False,
) -> None:
    """Write a market to a file."""
    from riskray.client import Client

    kind = format_of(file, MARKET_FORMATS)
    with Client() as client:
        file.write_bytes(client.download_market(market, format=kind))
    report_file(file, as_json=as_json)


@portfolio_commands.command("generate")
def generate(
    file: Annotated[Path, typer.Argument(help="Output file, ending in .parquet, .csv or .json.")],
    positions: Annotated[int, typer.Option(min=1, help="How many.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same portfolio.")] = 1,
    as_of: Annotated[
        str, typer.Option(help="Date on which all contracts are live, YYYY-MM-DD; default: the date of the demo market.")
    ] = "",
    broken_fraction: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of positions that cannot be priced.")] = 0.005,
    product: Annotated[
        list[str],
        typer.Option(help="Only this product; repeat for several, in equal parts. Default: the mix of --book."),
    ] = [],  # noqa: B006
    book: Annotated[Literal["mixed", "core"], typer.Option(help="Mix of products: all, or bonds, loans and FX forwards.")] = "mixed",
    as_json: Json = False,
) -> None:
    """Generate a portfolio of six currencies, many books and 500 counterparties, and write it to a file."""
    from riskray.snapshots.demo import demo_market

    try:
        day = date.fromisoformat(as_of) if as_of else demo_market().as_of
    except ValueError as error:
        raise typer.BadParameter(f"{as_of!r} is not a date; write YYYY-MM-DD", param_hint="--as-of") from error
    write_generated(file, positions=positions, seed=seed, as_of=day, broken_fraction=broken_fraction, products=product, book=book)
    report_file(file, as_json=as_json)


def write_generated(
    file: Path,
    *,
    positions: int,
    seed: int,
    as_of: date,
    broken_fraction: float = 0.005,
    products: Sequence[str] = (),
    book: str = "mixed",
) -> None:
    """Generate a portfolio and write it in the format of the file's ending. `products`: in equal parts; none for the mix of the book."""
    from riskray.portfolio.batches import decode_batch, prepare_portfolio
    from riskray.portfolio.generate import BOOKS, GENERATED_PRODUCTS, generate_portfolio
    from riskray.portfolio.writer import write_portfolio

    kind = format_of(file, PORTFOLIO_FORMATS)
    if unknown := sorted(set(products) - set(GENERATED_PRODUCTS)):
        raise typer.BadParameter(f"{unknown[0]!r} is not generated; choose from {', '.join(GENERATED_PRODUCTS)}", param_hint="--product")
    shares = dict.fromkeys(products, 1.0 / len(set(products))) if products else BOOKS[book]
    tables = generate_portfolio(positions, seed=seed, as_of=as_of, broken_fraction=broken_fraction, shares=shares)
    batches = ((batch.product, decode_batch(batch.payload)) for batch in prepare_portfolio(tables).batches)
    with file.open("wb") as out:
        for chunk in write_portfolio(batches, format=kind, products=list(tables)):
            out.write(chunk)


@portfolio_commands.command("upload")
def upload_portfolio(
    file: Annotated[Path, typer.Argument(help="CSV, JSON or Parquet.")],
    name: Annotated[str, typer.Option(help="Default: the file's name.")] = "",
    allow_partial: Annotated[
        bool, typer.Option("--allow-partial", help="Store the valid rows of a file that also has invalid ones.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Store a portfolio."""
    from riskray.client import Client

    with Client() as client:
        portfolio = client.upload_portfolio(file, name=name, allow_partial=allow_partial)
    if as_json:
        print_json(portfolio)
        return
    say_left_out(portfolio.problems)
    print_line(portfolio.portfolio_id)


@portfolio_commands.command("download")
def download_portfolio(
    portfolio: Key,
    file: Annotated[Path, typer.Argument(help="Output file, ending in .parquet, .csv, .json or .arrow.")],
    as_json: Json = False,
) -> None:
    """Write a portfolio to a file."""
    from riskray.client import Client

    kind = format_of(file, PORTFOLIO_FORMATS)
    with Client() as client:
        client.download_portfolio(portfolio, file, format=kind)
    report_file(file, as_json=as_json)


def say_left_out(problems: list[Problem]) -> None:
    """Report what an upload under `--allow-partial` left out; a long list is cut."""
    for problem in problems[:LEFT_OUT_SHOWN_MAX]:
        say(f"left out: {problem_line(problem.loc, problem.msg)}")
    if len(problems) > LEFT_OUT_SHOWN_MAX:
        say(f"and {len(problems) - LEFT_OUT_SHOWN_MAX} more; use --json to list all")
