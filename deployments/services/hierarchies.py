"""Routes of hierarchies, a part of the scenarios service: trees over the values of one dimension, by which results are read."""

from fastapi import APIRouter, Request, Response

from deployments.http.snapshots import add_snapshot_routes, stored_answer, stored_responses
from riskray.models.hierarchy import HierarchyDocument, StoredHierarchy
from riskray.runs import uploads
from riskray.snapshots.kinds import HIERARCHIES
from riskray.store.database import Database


def create_hierarchy_router(database: Database) -> APIRouter:
    """Routes of hierarchies."""
    router = APIRouter(tags=["hierarchies"])
    responses = stored_responses(StoredHierarchy, 400)

    @router.post("/hierarchies", status_code=201, summary="Store a hierarchy", responses=responses)
    def create_hierarchy(request: Request, response: Response, document: HierarchyDocument) -> StoredHierarchy:
        """A cycle, or a node from which no path leads to the root, refuses it; `errors` names each."""
        return stored_answer(request, response, HIERARCHIES, *uploads.store_hierarchy(database, document))

    add_snapshot_routes(router, database, HIERARCHIES, describe=uploads.describe_hierarchy, list_operation="list_stored_hierarchies")
    return router
