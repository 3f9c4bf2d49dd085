"""`riskray scenario`, `riskray history` and `riskray hierarchy`: scenario sets, their market histories, and hierarchies."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from riskray.cli.output import Json, print_json, print_line, print_table, read_json
from riskray.cli.snapshot_commands import Limit, Name, Offset, RatesUnchecked, format_of, report_deleted, report_file, show_snapshot

scenario_commands = typer.Typer(no_args_is_help=True, help="Scenario sets: create, upload, list, show, download, delete.")
history_commands = typer.Typer(no_args_is_help=True, help="Market histories: upload, demo, list, show, download, delete.")
hierarchy_commands = typer.Typer(no_args_is_help=True, help="Hierarchies that aggregate results: create, list, show, delete.")

Key = Annotated[str, typer.Argument(help="Id or name.")]
Numeraire = Annotated[str, typer.Option(help="Currency of FX moves or prices, if the file does not name it.")]


class MatrixFormat(StrEnum):
    """Formats of a matrix of moves."""

    CSV = "csv"
    PARQUET = "parquet"
    JSON = "json"
    ARROW = "arrow"


class HistoryFormat(StrEnum):
    """Formats of a history."""

    CSV = "csv"
    PARQUET = "parquet"


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


@scenario_commands.command("list")
def list_scenario_sets(name: Name = None, limit: Limit = 50, offset: Offset = 0, as_json: Json = False) -> None:
    """List uploads of scenario sets, newest first."""
    from riskray.client import Client

    with Client() as client:
        page = client.list_scenario_sets(name=name, offset=offset, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [(item.scenario_set_id, item.name, item.version, item.kind, item.scenario_count, item.factor_count, item.created_at)
            for item in page.data]  # fmt: skip
    print_table(["scenario set", "name", "version", "kind", "scenarios", "factors", "stored"], rows)


@scenario_commands.command("show")
def show_scenario_set(scenario_set: Key, as_json: Json = False) -> None:
    """Describe a scenario set: how it was made, its scenarios and factors."""
    from riskray.client import Client

    with Client() as client:
        show_snapshot(client.get_scenario_set(scenario_set), as_json=as_json)


@scenario_commands.command("download")
def download_scenario_set(
    scenario_set: Key,
    file: Annotated[Path, typer.Argument(help="Output file, ending in .parquet, .csv, .json or .arrow.")],
    as_json: Json = False,
) -> None:
    """Write the moves to a file."""
    from riskray.client import Client

    kind = format_of(file, MatrixFormat)
    with Client() as client:
        client.download_scenario_set(scenario_set, file, format=kind)
    report_file(file, as_json=as_json)


@scenario_commands.command("delete")
def delete_scenario_set(scenario_set: Key, as_json: Json = False) -> None:
    """Delete a scenario set that no run uses."""
    from riskray.client import Client

    with Client() as client:
        client.delete_scenario_set(scenario_set)
    report_deleted(scenario_set, as_json=as_json)


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


@history_commands.command("list")
def list_histories(name: Name = None, limit: Limit = 50, offset: Offset = 0, as_json: Json = False) -> None:
    """List uploads of market histories, newest first."""
    from riskray.client import Client

    with Client() as client:
        page = client.list_histories(name=name, offset=offset, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [(item.history_id, item.name, item.version, item.row_count, len(item.factors), item.first_date, item.last_date)
            for item in page.data]  # fmt: skip
    print_table(["history", "name", "version", "dates", "factors", "first", "last"], rows)


@history_commands.command("show")
def show_history(history: Key, as_json: Json = False) -> None:
    """Describe a market history and what it lacks."""
    from riskray.client import Client

    with Client() as client:
        show_snapshot(client.get_history(history), as_json=as_json)


@history_commands.command("download")
def download_history(
    history: Key, file: Annotated[Path, typer.Argument(help="Output file, ending in .parquet or .csv.")], as_json: Json = False
) -> None:
    """Write the levels to a file."""
    from riskray.client import Client

    kind = format_of(file, HistoryFormat)
    with Client() as client:
        client.download_history(history, file, format=kind)
    report_file(file, as_json=as_json)


@history_commands.command("delete")
def delete_history(history: Key, as_json: Json = False) -> None:
    """Delete a market history; scenario sets created from it are kept."""
    from riskray.client import Client

    with Client() as client:
        client.delete_history(history)
    report_deleted(history, as_json=as_json)


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


@hierarchy_commands.command("list")
def list_hierarchies(name: Name = None, limit: Limit = 50, offset: Offset = 0, as_json: Json = False) -> None:
    """List uploads of hierarchies, newest first."""
    from riskray.client import Client

    with Client() as client:
        page = client.list_hierarchies(name=name, offset=offset, limit=limit)
    if as_json:
        print_json(page)
        return
    rows = [(item.hierarchy_id, item.name, item.version, item.dimension, item.created_at) for item in page.data]
    print_table(["hierarchy", "name", "version", "dimension", "stored"], rows)


@hierarchy_commands.command("show")
def show_hierarchy(hierarchy: Key, as_json: Json = False) -> None:
    """Describe a hierarchy."""
    from riskray.client import Client

    with Client() as client:
        show_snapshot(client.get_hierarchy(hierarchy), as_json=as_json)


@hierarchy_commands.command("delete")
def delete_hierarchy(hierarchy: Key, as_json: Json = False) -> None:
    """Delete a hierarchy."""
    from riskray.client import Client

    with Client() as client:
        client.delete_hierarchy(hierarchy)
    report_deleted(hierarchy, as_json=as_json)
