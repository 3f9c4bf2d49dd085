"""Client methods for every kind of snapshot, built from its declaration: list uploads, describe a snapshot, delete a snapshot."""

from typing import Any, Protocol, TypeVar, cast

from pydantic import TypeAdapter

from riskray.client.calls import Calls, given, segment
from riskray.models.common import Model, Page
from riskray.snapshots.kinds import FIXINGS, HIERARCHIES, HISTORIES, MARKETS, PORTFOLIOS, SCENARIO_SETS, SnapshotKind

Summary = TypeVar("Summary", bound=Model)
Detail = TypeVar("Detail", bound=Model)
DetailOut = TypeVar("DetailOut", bound=Model, covariant=True)


class ListMethod(Protocol[Summary]):
    """A client's method that lists uploads of one kind."""

    def __call__(self, *, name: str | None = None, offset: int = 0, limit: int = 50) -> Page[Summary]:
        """Return a page of uploads, newest first; `name`: only those under this name."""


class GetMethod(Protocol[DetailOut]):
    """A client's method that describes one snapshot of a kind."""

    def __call__(self, key: str) -> DetailOut:
        """Return the snapshot with this id or name."""


class DeleteMethod(Protocol):
    """A client's method that deletes one snapshot of a kind."""

    def __call__(self, key: str) -> None:
        """Delete the snapshot with this id or name."""


def list_uploads(
    client: Calls, kind: SnapshotKind[Any, Summary, Any], *, name: str | None = None, offset: int = 0, limit: int = 50
) -> Page[Summary]:
    """Return a page of uploads of a kind, newest first; `name`: only those under this name."""
    page: TypeAdapter[Page[Summary]] = TypeAdapter(Page[kind.summary])  # type: ignore[name-defined]
    params = given({"name": name, "offset": offset, "limit": limit})
    return page.validate_json(client.transport.send("GET", kind.path, repeatable=True, params=params).content)


def get_snapshot(client: Calls, kind: SnapshotKind[Any, Any, Detail], key: str) -> Detail:
    """Return the snapshot with the id `key`, or the last upload under the name `key`."""
    return kind.detail.model_validate_json(client.transport.send("GET", f"{kind.path}/{segment(key)}", repeatable=True).content)


def delete_snapshot(client: Calls, kind: SnapshotKind[Any, Any, Any], key: str) -> None:
    """Delete a snapshot with its names; given one of several names, delete only that name."""
    client.transport.send("DELETE", f"{kind.path}/{segment(key)}", repeatable=True)


def snapshot_methods(
    kind: SnapshotKind[Any, Summary, Detail],
) -> tuple[ListMethod[Summary], GetMethod[Detail], DeleteMethod]:
    """The list, get and delete methods of one kind, for the body of a client class."""

    def list_method(client: Calls, *, name: str | None = None, offset: int = 0, limit: int = 50) -> Page[Summary]:
        return list_uploads(client, kind, name=name, offset=offset, limit=limit)

    def get_method(client: Calls, key: str) -> Detail:
        return get_snapshot(client, kind, key)

    def delete_method(client: Calls, key: str) -> None:
        delete_snapshot(client, kind, key)

    list_method.__doc__ = f"Return a page of uploads of {kind.plural}, newest first; `name`: only those under this name."
    get_method.__doc__ = f"Return the {kind.kind} with an id, or the last upload under a name."
    delete_method.__doc__ = f"{kind.deletion} {kind.after_deletion}".strip()
    # A client's attribute is the function bound to the client, which is what the protocols describe.
    return cast(ListMethod[Summary], list_method), cast(GetMethod[Detail], get_method), cast(DeleteMethod, delete_method)


class SnapshotCalls(Calls):
    """Methods that list, describe and delete snapshots of every kind."""

    list_markets, get_market, delete_market = snapshot_methods(MARKETS)
    list_portfolios, get_portfolio, delete_portfolio = snapshot_methods(PORTFOLIOS)
    list_scenario_sets, get_scenario_set, delete_scenario_set = snapshot_methods(SCENARIO_SETS)
    list_histories, get_history, delete_history = snapshot_methods(HISTORIES)
    list_hierarchies, get_hierarchy, delete_hierarchy = snapshot_methods(HIERARCHIES)
    list_fixings, get_fixings, delete_fixings = snapshot_methods(FIXINGS)
