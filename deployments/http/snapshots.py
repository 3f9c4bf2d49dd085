"""Routes for every kind of snapshot, built from its declaration: list uploads, describe a snapshot, delete a snapshot."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request, Response

from deployments.http.errors import error_responses
from deployments.http.paging import OffsetPage
from riskray.models.common import Model, Page
from riskray.snapshots.kinds import SnapshotKind
from riskray.store import snapshots
from riskray.store.database import Database

Record = TypeVar("Record")
Summary = TypeVar("Summary", bound=Model)
Detail = TypeVar("Detail", bound=Model)
Stored = TypeVar("Stored", bound=Model)

_DELETION = "Its names are deleted with it; given one of several names, only that name is deleted."


def add_snapshot_routes(
    router: APIRouter,
    database: Database,
    kind: SnapshotKind[Record, Summary, Detail],
    *,
    describe: Callable[[Database, Record], Detail],
    list_operation: str,
    description: str | None = None,
) -> None:
    """Add GET of the kind's list, and GET and DELETE of one snapshot by id or name.

    Args:
        describe: what GET of one snapshot returns, from its record.
        list_operation: name of the list's operation in the OpenAPI document.
        description: what `describe` returns, for the OpenAPI document; None if the summary says it.
    """
    one = f"{kind.route}/{{{kind.key}}}"
    Key = Annotated[str, Path(alias=kind.key)]

    def list_snapshots(
        page: OffsetPage, name: Annotated[str | None, Query(description="Only uploads under this name.")] = None
    ) -> Page[Summary]:
        records, total = snapshots.list_uploads(database, kind, offset=page.offset, limit=page.limit, name=name)
        return page.page([kind.describe(record) for record in records], total)

    def describe_snapshot(key: Key) -> Detail:
        return describe(database, snapshots.get(database, kind, key))

    def remove_snapshot(key: Key) -> None:
        snapshots.delete(database, kind, key)

    router.add_api_route(
        kind.route or "/",
        list_snapshots,
        methods=["GET"],
        name=list_operation,
        summary=f"List uploads of {kind.plural}, newest first",
        response_model=Page[kind.summary],  # type: ignore[name-defined]
    )
    router.add_api_route(
        one,
        describe_snapshot,
        methods=["GET"],
        name=f"describe_{kind.key}",
        summary=f"Describe a {kind.kind}",
        description=description,
        response_model=kind.detail,
        responses=error_responses(404),
    )
    router.add_api_route(
        one,
        remove_snapshot,
        methods=["DELETE"],
        name=f"remove_{kind.key}",
        status_code=204,
        summary=f"Delete a {kind.kind}{f' that no {kind.used_by} uses' if kind.used_by else ''}",
        description=f"{_DELETION} {kind.after_deletion}".strip(),
        responses=error_responses(404, 409) if kind.used_by else error_responses(404),
    )


def stored_responses(model: type[Model], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI responses of a route that stores a snapshot, except its 201."""
    return {200: {"model": model, "description": "This content is already stored."}, **error_responses(*statuses)}


def stored_answer(request: Request, response: Response, kind: SnapshotKind[Any, Any, Any], stored: Stored, created: bool) -> Stored:
    """The response to an upload: 201 for new content, 200 for content that is already stored, with the snapshot's URL path as Location."""
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"{request.scope.get('root_path', '')}{kind.route}/{kind.id_of(stored)}"
    return stored
