"""Commands for every kind of snapshot, built from its declaration: list, show and delete; and options that several commands share."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from riskray.cli.output import Json, print_json, print_table, report_deleted
from riskray.snapshots.kinds import SnapshotKind

Name = Annotated[str | None, typer.Option(help="Only uploads under this name.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="Maximum number of lines.")]
Offset = Annotated[int, typer.Option(min=0, help="Number of lines to skip.")]
Key = Annotated[str, typer.Argument(help="Id or name.")]

Columns = Mapping[str, str | Callable[[Any], Any]]
"""Columns of a list: heading -> field of the kind's summary, or a function of the summary."""


def add_snapshot_commands(group: typer.Typer, kind: SnapshotKind[Any, Any, Any], *, columns: Columns, description: str = "") -> None:
    """Add `list`, `show` and `delete`. `description`: what `show` shows beyond the upload."""
    key = Annotated[str, typer.Argument(help="Id or name.", metavar=kind.key)]

    @group.command("list", help=f"List uploads of {kind.plural}, newest first.")
    def list_snapshots(name: Name = None, limit: Limit = 50, offset: Offset = 0, as_json: Json = False) -> None:
        from riskray.client import Client
        from riskray.client.snapshots import list_uploads

        with Client() as client:
            page = list_uploads(client, kind, name=name, offset=offset, limit=limit)
        if as_json:
            print_json(page)
            return
        rows = [[getattr(item, value) if isinstance(value, str) else value(item) for value in columns.values()] for item in page.data]
        print_table(list(columns), rows)

    @group.command("show", help=f"Describe a {kind.kind}{description}.")
    def show_snapshot(key: key, as_json: Json = False) -> None:
        from riskray.client import Client
        from riskray.client.snapshots import get_snapshot

        with Client() as client:
            snapshot = get_snapshot(client, kind, key)
        if as_json:
            print_json(snapshot)
        else:
            print_table(["", ""], [(name, value) for name, value in snapshot.model_dump(mode="json").items()])

    @group.command("delete", help=f"{kind.deletion} {kind.after_deletion}".strip())
    def delete(key: key, as_json: Json = False) -> None:
        from riskray.client import Client
        from riskray.client.snapshots import delete_snapshot

        with Client() as client:
            delete_snapshot(client, kind, key)
        report_deleted(key, as_json=as_json)
