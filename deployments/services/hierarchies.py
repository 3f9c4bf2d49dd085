"""Hierarchies over HTTP: trees over the values of one dimension, by which results are read."""

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from deployments.http.errors import error_responses
from deployments.http.paging import OffsetPage
from deployments.http.uploads import required_name
from riskray.figures.hierarchy import Hierarchy
from riskray.models.common import Page
from riskray.models.tail_risk import HierarchyDetail, HierarchyDocument, StoredHierarchy
from riskray.store.database import Database
from riskray.store.scenarios import (
    HierarchyRecord,
    delete_hierarchy,
    get_hierarchy,
    get_hierarchy_document,
    insert_hierarchy,
    list_hierarchies,
)


def _model(record: HierarchyRecord) -> StoredHierarchy:
    fields = {name: getattr(record, name) for name in StoredHierarchy.model_fields}
    return StoredHierarchy(**{**fields, "content_hash": record.content_hash.hex()})


def store_hierarchy(database: Database, document: HierarchyDocument) -> tuple[StoredHierarchy, bool]:
    """Check and store a tree; the hierarchy and whether it is new. Raises InvalidRequest for a cycle or an orphan."""
    Hierarchy.of(document)
    name = required_name(document.name, "hierarchy")
    text = document.model_copy(update={"parents": dict(sorted(document.parents.items()))}).model_dump_json()
    digest = hashlib.sha256(text.encode()).digest()
    record, created = insert_hierarchy(database, name=name, content_hash=digest, dimension=document.dimension, document=text)
    return _model(record), created


def create_hierarchy_router(database: Database) -> APIRouter:
    """Routes of hierarchies."""
    router = APIRouter(tags=["hierarchies"])
    known: dict[int | str, dict[str, Any]] = {200: {"model": StoredHierarchy, "description": "This tree is stored already."}}

    @router.post("/hierarchies", status_code=201, summary="Store a hierarchy", responses={**known, **error_responses(400)})
    def create_hierarchy(request: Request, response: Response, document: HierarchyDocument) -> StoredHierarchy:
        """A cycle, or a node from which no path leads to the root, refuses it; `errors` names each."""
        stored, created = store_hierarchy(database, document)
        response.status_code = 201 if created else 200
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/hierarchies/{stored.hierarchy_id}"
        return stored

    @router.get("/hierarchies", summary="List uploads of hierarchies, newest first")
    def list_stored_hierarchies(
        page: OffsetPage, name: Annotated[str | None, Query(description="Only uploads under this name.")] = None
    ) -> Page[StoredHierarchy]:
        records, total = list_hierarchies(database, offset=page.offset, limit=page.limit, name=name)
        return page.page([_model(record) for record in records], total)

    @router.get("/hierarchies/{hierarchy}", summary="Describe a hierarchy", responses=error_responses(404))
    def describe_hierarchy(hierarchy: str) -> HierarchyDetail:
        record = get_hierarchy(database, hierarchy=hierarchy)
        document = HierarchyDocument.model_validate_json(get_hierarchy_document(database, hierarchy_no=record.hierarchy_no))
        nodes = list(Hierarchy.of(document).nodes)
        return HierarchyDetail(**_model(record).model_dump(), root=document.root, parents=document.parents, nodes=nodes)

    @router.delete("/hierarchies/{hierarchy}", status_code=204, summary="Delete a hierarchy", responses=error_responses(404))
    def remove_hierarchy(hierarchy: str) -> None:
        """Its names are deleted with it; given one of several names, only that name is deleted."""
        delete_hierarchy(database, hierarchy=hierarchy)

    return router
