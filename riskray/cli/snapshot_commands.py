"""`riskray market` and `riskray portfolio`: upload, list, download and delete snapshots, and generate portfolios."""

from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from riskray.cli.output import Json, print_json, print_line, print_table, problem_line, say
from riskray.errors import InvalidRequest
from riskray.models.common import Problem

market_commands = typer.Typer(no_args_is_help=True, help="Market snapshots: upload, demo, list, show, curves, download, delete.")
portfolio_commands = typer.Typer(no_args_is_help=True, help="Portfolio snapshots: generate, upload, list, show, download, delete.")

Name = Annotated[str | None, typer.Option(help="Only uploads under this name.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Most lines.")]
Offset = Annotated[int, typer.Option(min=0, help="Lines to skip.")]
RatesUnchecked = Annotated[
    bool, typer.Option("--rates-unchecked", help="Accept rates, and moves of rates, so large that they look like per cent or basis points.")
]

LEFT_OUT_SHOWN_MAX = 10


class MarketFormat(StrEnum):
    """Formats of a market file."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


class PortfolioFormat(StrEnum):
    """Formats of a portfolio file."""

    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    ARROW = "arrow"


def format_of(path: Path, formats: type[StrEnum]) -> Any:
    """The format named by a file's ending. Raises InvalidRequest for an unknown ending."""
    suffix = path.suffix.removeprefix(".").lower()
    if suffix not in [kind.value for kind in formats]:
        raise InvalidRequest(f"{path} has the ending {path.suffix!r}; use one of {', '.join(f'.{kind}' for kind in formats)}")
    return suffix


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


@market_commands.command("list")
def list_markets(name: Name = None, limit: Limit = 50, offset: Offset = 0, as_json: Json = False) -> None:
    """List uploads of markets, newest first."""
    from riskray.client import Client

    with Client() as client:
        page = client.list_markets(name=name, offset=offset, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [(market.market_id, market.name, market.version, market.as_of, market.created_at) for market in page.data]
    print_table(["market", "name", "version", "as of", "stored"], rows)


@market_commands.command("show")
def show_market(market: Annotated[str, typer.Argument(help="Id or name.")], as_json: Json = False) -> None:
    """Describe a market."""
    from riskray.client import Client

    with Client() as client:
        show_snapshot(client.get_market(market), as_json=as_json)


@market_commands.command("curves")
def show_curves(market: Annotated[str, typer.Argument(help="Id or name.")], as_json: Json = False) -> None:
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
    market: Annotated[str, typer.Argument(help="Id or name.")],
    file: Annotated[Path, typer.Argument(help="Output file, ending in .json, .csv or .parquet.")],
    as_json: Json = False,
) -> None:
    """Write a market to a file."""
    from riskray.client import Client

    kind = format_of(file, MarketFormat)
    with Client() as client:
        file.write_bytes(client.download_market(market, format=kind))
    report_file(file, as_json=as_json)


@market_commands.command("delete")
def delete_market(market: Annotated[str, typer.Argument(help="Id or name.")], as_json: Json = False) -> None:
    """Delete a market that no run uses, with its names; given a name, delete only the last upload under that name."""
    from riskray.client import Client

    with Client() as client:
        client.delete_market(market)
    report_deleted(market, as_json=as_json)


@portfolio_commands.command("generate")
def generate(
    file: Annotated[Path, typer.Argument(help="Output file, ending in .parquet, .csv or .json.")],
    positions: Annotated[int, typer.Option(min=1, help="How many.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same portfolio.")] = 1,
    as_of: Annotated[
        str, typer.Option(help="Date on which all contracts are live, YYYY-MM-DD; default: the date of the demo market.")
    ] = "",
    broken_fraction: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of positions that cannot be priced.")] = 0.005,
    as_json: Json = False,
) -> None:
    """Generate a portfolio of three products, six currencies, 40 books and 500 counterparties, and write it to a file."""
    from riskray.snapshots.demo import demo_market

    try:
        day = date.fromisoformat(as_of) if as_of else demo_market().as_of
    except ValueError as error:
        raise typer.BadParameter(f"{as_of!r} is not a date; write YYYY-MM-DD", param_hint="--as-of") from error
    write_generated(file, positions=positions, seed=seed, as_of=day, broken_fraction=broken_fraction)
    report_file(file, as_json=as_json)


def write_generated(file: Path, *, positions: int, seed: int, as_of: date, broken_fraction: float = 0.005) -> None:
    """Generate a portfolio and write it in the format of the file's ending."""
    from riskray.portfolio.batches import decode_batch, prepare_portfolio
    from riskray.portfolio.generate import generate_portfolio
    from riskray.portfolio.writer import write_portfolio

    kind = format_of(file, PortfolioFormat)
    tables = generate_portfolio(positions, seed=seed, as_of=as_of, broken_fraction=broken_fraction)
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


@portfolio_commands.command("list")
def list_portfolios(name: Name = None, limit: Limit = 50, offset: Offset = 0, as_json: Json = False) -> None:
    """List uploads of portfolios, newest first."""
    from riskray.client import Client

    with Client() as client:
        page = client.list_portfolios(name=name, offset=offset, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [(item.portfolio_id, item.name, item.version, item.position_count, item.created_at) for item in page.data]
    print_table(["portfolio", "name", "version", "positions", "stored"], rows)


@portfolio_commands.command("show")
def show_portfolio(portfolio: Annotated[str, typer.Argument(help="Id or name.")], as_json: Json = False) -> None:
    """Describe a portfolio: its products, books and currencies."""
    from riskray.client import Client

    with Client() as client:
        show_snapshot(client.get_portfolio(portfolio), as_json=as_json)


@portfolio_commands.command("download")
def download_portfolio(
    portfolio: Annotated[str, typer.Argument(help="Id or name.")],
    file: Annotated[Path, typer.Argument(help="Output file, ending in .parquet, .csv, .json or .arrow.")],
    as_json: Json = False,
) -> None:
    """Write a portfolio to a file."""
    from riskray.client import Client

    kind = format_of(file, PortfolioFormat)
    with Client() as client:
        client.download_portfolio(portfolio, file, format=kind)
    report_file(file, as_json=as_json)


@portfolio_commands.command("delete")
def delete_portfolio(portfolio: Annotated[str, typer.Argument(help="Id or name.")], as_json: Json = False) -> None:
    """Delete a portfolio that no run uses, with its names; given a name, delete only the last upload under that name."""
    from riskray.client import Client

    with Client() as client:
        client.delete_portfolio(portfolio)
    report_deleted(portfolio, as_json=as_json)


def say_left_out(problems: list[Problem]) -> None:
    """Report what an upload under `--allow-partial` left out; a long list is cut."""
    for problem in problems[:LEFT_OUT_SHOWN_MAX]:
        say(f"left out: {problem_line(problem.loc, problem.msg)}")
    if len(problems) > LEFT_OUT_SHOWN_MAX:
        say(f"and {len(problems) - LEFT_OUT_SHOWN_MAX} more; use --json to list all")


def show_snapshot(snapshot: Any, *, as_json: bool) -> None:
    """Print name and value of every field."""
    if as_json:
        print_json(snapshot)
    else:
        print_table(["", ""], [(name, value) for name, value in snapshot.model_dump(mode="json").items()])


def report_deleted(key: str, *, as_json: bool) -> None:
    """Report what was deleted."""
    if as_json:
        print_json({"deleted": key})
    else:
        print_line(f"deleted {key}")


def report_file(file: Path, *, as_json: bool) -> None:
    """Report the file that was written."""
    size = file.stat().st_size
    if as_json:
        print_json({"file": str(file), "bytes": size})
    else:
        say(f"wrote {file} ({size:,} bytes)")
