"""`riskray scenario`, `riskray history` and `riskray hierarchy`: scenario sets, their market histories, and hierarchies."""

from pathlib import Path
from typing import Annotated

import typer

from riskray.cli.output import Json, format_of, print_json, print_line, read_json, report_file
from riskray.cli.snapshot_commands import RatesUnchecked
from riskray.cli.snapshot_group import Key, add_snapshot_commands
from riskray.snapshots.kinds import HIERARCHIES, HISTORIES, SCENARIO_SETS

scenario_commands = typer.Typer(no_args_is_help=True, help="Scenario sets: create, upload, list, show, download, delete.")
history_commands = typer.Typer(no_args_is_help=True, help="Market histories: upload, demo, list, show, download, delete.")
hierarchy_commands = typer.Typer(no_args_is_help=True, help="Hierarchies that aggregate results: create, list, show, delete.")

Numeraire = Annotated[str, typer.Option(help="Currency of FX moves or prices, if the file does not name it.")]
MATRIX_FORMATS = ("csv", "parquet", "json", "arrow")
HISTORY_FORMATS = ("csv", "parquet")

add_snapshot_commands(
    scenario_commands,
    SCENARIO_SETS,
    columns={
        "scenario set": "scenario_set_id", "name": "name", "version": "version", "kind": "kind", "scenarios": "scenario_count",
        "factors": "factor_count", "stored": "created_at",
    },
    description=": how it was made, its scenarios and factors",
)  # fmt: skip
add_snapshot_commands(
    history_commands,
    HISTORIES,
    columns={
        "history": "history_id", "name": "name", "version": "version", "dates": "row_count", "factors": lambda item: len(item.factors),
        "first": "first_date", "last": "last_date",
    },
    description=" and what it lacks",
)  # fmt: skip
add_snapshot_commands(
    hierarchy_commands,
    HIERARCHIES,
    columns={"hierarchy": "hierarchy_id", "name": "name", "version": "version", "dimension": "dimension", "stored": "created_at"},
)


@scenario_commands.command("create")
def create_scenario_set(
    file: Annotated[Path, typer.Argument(help="JSON: a definition of kind stress, historical or monte_carlo; - reads stdin.")],
    name: Annotated[str, typer.Option(help="Name under which it is stored.")],
    market: Annotated[str, typer.Option(help="Id or name of the market whose curves and pillars the set moves.")],
    as_json: Json = False,
) -> None:
    """Create a scenario set from its definition."""
    from riskray.client import Client

    with Client() as client:
        stored = client.create_scenario_set(name, market=market, definition=read_json(file, "a scenario definition"))
    if as_json:
        print_json(stored)
    else:
        print_line(stored.scenario_set_id)


@scenario_commands.command("upload")
def upload_scenario_matrix(
    file: Annotated[Path, typer.Argument(help="CSV, Parquet or JSON: the column `scenario`, then one column per factor.")],
    name: Annotated[str, typer.Option(help="Default: the file's name.")] = "",
    numeraire: Numeraire = "USD",
    market: Annotated[str | None, typer.Option(help="Refuse factors that this market does not have.")] = None,
    rates_unchecked: RatesUnchecked = False,
    as_json: Json = False,
) -> None:
    """Store a matrix of moves as a scenario set."""
    from riskray.client import Client

    with Client() as client:
        stored = client.upload_scenario_matrix(file, name=name, numeraire=numeraire, market=market, rates_unchecked=rates_unchecked)
    if as_json:
        print_json(stored)
    else:
        print_line(stored.scenario_set_id)


@scenario_commands.command("download")
def download_scenario_set(
    scenario_set: Key,
    file: Annotated[Path, typer.Argument(help="Output file, ending in .parquet, .csv, .json or .arrow.")],
    as_json: Json = False,
) -> None:
    """Write the moves to a file."""
    from riskray.client import Client

    kind = format_of(file, MATRIX_FORMATS)
    with Client() as client:
        client.download_scenario_set(scenario_set, file, format=kind)
    report_file(file, as_json=as_json)


@history_commands.command("upload")
def upload_history(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: `date` and one column per factor, or the columns date, factor, value.")],
    name: Annotated[str, typer.Option(help="Default: the file's name.")] = "",
    numeraire: Numeraire = "USD",
    rates_unchecked: RatesUnchecked = False,
    as_json: Json = False,
) -> None:
    """Store a market history."""
    from riskray.client import Client

    with Client() as client:
        stored = client.upload_history(file, name=name, numeraire=numeraire, rates_unchecked=rates_unchecked)
    if as_json:
        print_json(stored)
    else:
        print_line(stored.history_id)


@history_commands.command("demo")
def create_demo_history(
    market: Annotated[str, typer.Option(help="Market id or name.")],
    name: Annotated[str, typer.Option(help="Name under which it is stored.")] = "demo-history",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the generated rates.")] = 1,
    as_json: Json = False,
) -> None:
    """Create an example history: ECB reference rates since 1999, and generated zero rates and spreads."""
    from riskray.client import Client

    with Client() as client:
        stored = client.create_demo_history(market=market, name=name, seed=seed)
    if as_json:
        print_json(stored)
    else:
        print_line(stored.history_id)


@history_commands.command("download")
def download_history(
    history: Key, file: Annotated[Path, typer.Argument(help="Output file, ending in .parquet or .csv.")], as_json: Json = False
) -> None:
    """Write the levels to a file."""
    from riskray.client import Client

    kind = format_of(file, HISTORY_FORMATS)
    with Client() as client:
        client.download_history(history, file, format=kind)
    report_file(file, as_json=as_json)


@hierarchy_commands.command("create")
def create_hierarchy(
    file: Annotated[Path, typer.Argument(help="JSON: name, dimension, root and parents (child -> parent); - reads stdin.")],
    as_json: Json = False,
) -> None:
    """Store a hierarchy."""
    from riskray.client import Client

    with Client() as client:
        stored = client.create_hierarchy(read_json(file, "a hierarchy"))
    if as_json:
        print_json(stored)
    else:
        print_line(stored.hierarchy_id)
