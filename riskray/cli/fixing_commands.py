"""`riskray fixings` and `riskray market indices`: published values of indices, and the indices that a market knows."""

from pathlib import Path
from typing import Annotated

import typer

from riskray.cli.output import Json, format_of, print_json, print_line, print_table, report_file
from riskray.cli.snapshot_commands import RatesUnchecked, market_commands
from riskray.cli.snapshot_group import Key, add_snapshot_commands
from riskray.snapshots.kinds import FIXINGS

fixing_commands = typer.Typer(no_args_is_help=True, help="Fixing tables: upload, append, list, show, download, delete.")

FIXING_FORMATS = ("csv", "json", "parquet")
File = Annotated[Path, typer.Argument(help="CSV, JSON or Parquet: index, fixing_date, value, and optionally source and published_at.")]
MarketOfIndices = Annotated[str | None, typer.Option("--market", help="Market whose own indices are known, too.")]

add_snapshot_commands(
    fixing_commands,
    FIXINGS,
    columns={
        "fixings": "fixings_id", "name": "name", "version": "version", "indices": lambda item: len(item.indices), "rows": "row_count",
        "first": "first_date", "last": "last_date",
    },
    description=": dates and the last value of each index",
)  # fmt: skip


@fixing_commands.command("upload")
def upload_fixings(
    file: File,
    name: Annotated[str, typer.Option(help="Default: the file's name.")] = "",
    market: MarketOfIndices = None,
    rates_unchecked: RatesUnchecked = False,
    as_json: Json = False,
) -> None:
    """Store a table of fixings."""
    from riskray.client import Client

    with Client() as client:
        stored = client.upload_fixings(file, name=name, market=market, rates_unchecked=rates_unchecked)
    if as_json:
        print_json(stored)
    else:
        print_line(stored.fixings_id)


@fixing_commands.command("append")
def append_fixings(
    name: Annotated[str, typer.Argument(help="Name of the table.")],
    file: File,
    market: MarketOfIndices = None,
    rates_unchecked: RatesUnchecked = False,
    as_json: Json = False,
) -> None:
    """Store the last table under a name with further rows as its next version.

    A row that changes a value of the table is refused, unless its column is_correction is true.
    """
    from riskray.client import Client

    with Client() as client:
        stored = client.append_fixings(name, file, market=market, rates_unchecked=rates_unchecked)
    if as_json:
        print_json(stored)
    else:
        print_line(stored.fixings_id)


@fixing_commands.command("download")
def download_fixings(
    fixings: Key, file: Annotated[Path, typer.Argument(help="Output file, ending in .csv, .json or .parquet.")], as_json: Json = False
) -> None:
    """Write a table of fixings to a file."""
    from riskray.client import Client

    kind = format_of(file, FIXING_FORMATS)
    with Client() as client:
        client.download_fixings(fixings, file, format=kind)
    report_file(file, as_json=as_json)


@market_commands.command("indices")
def list_indices(
    market: Annotated[str | None, typer.Option(help="Market id or name; default: the standard indices.")] = None, as_json: Json = False
) -> None:
    """List the indices that contracts can name, with the last fixing of each that the market sees."""
    from riskray.client import Client

    with Client() as client:
        indices = client.indices(market)
    if as_json:
        print_json(indices)
        return
    rows = [
        (index.name, index.kind.value, index.currency + index.quote_currency, index.tenor, index.day_count, index.fixing_lag,
         index.fixing_calendar, index.forecast_curve, index.fixing_count, index.last_fixing_date,
         "" if index.last_fixing is None else f"{index.last_fixing:.6g}")
        for index in indices
    ]  # fmt: skip
    columns = ["index", "kind", "ccy", "tenor", "day count", "lag", "calendar", "curve", "fixings", "last date", "last value"]
    print_table(columns, rows)
