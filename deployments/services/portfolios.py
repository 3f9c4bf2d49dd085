"""Portfolio snapshots over HTTP: upload, list, describe, page through, download, delete; and the products that can be priced."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from deployments.http.downloads import Format, FormatQuery, negotiated, stream_answer
from deployments.http.errors import error_responses
from deployments.http.limits import UPLOADS_AT_ONCE
from deployments.http.paging import Cursor, CursorLimit, cursor_page, decode_cursor
from deployments.http.service import create_service
from deployments.http.serving import serve_application
from deployments.http.snapshots import add_snapshot_routes, stored_answer, stored_responses
from deployments.http.uploads import UploadGate, upload_body
from pricers import known_products
from riskray.config import Settings
from riskray.extensions import load_pricers
from riskray.models.common import CursorPage
from riskray.models.instrument import ProductDescription, describe_product
from riskray.models.pricing import EXAMPLE_POSITION
from riskray.models.snapshot import PortfolioUpload, StoredPosition
from riskray.portfolio.writer import write_portfolio
from riskray.runs import uploads
from riskray.snapshots.kinds import PORTFOLIOS
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.portfolios import read_positions, read_products

if TYPE_CHECKING:
    from ray.serve import Application

DESCRIPTION = """
A portfolio snapshot is a set of positions, each with the terms of its contract. It is immutable and known by the hash of its content:
format and order of rows do not matter. Wherever a portfolio is asked for, give its id or its name; a name means its last upload.
"""
_FORMATS = (Format.JSON, Format.CSV, Format.PARQUET, Format.ARROW)
_EXAMPLE_CSV = f"{','.join(EXAMPLE_POSITION)}\n{','.join(map(str, EXAMPLE_POSITION.values()))}\n"


def create_router(database: Database) -> APIRouter:
    """The service's routes."""
    router = APIRouter(tags=["portfolios"])
    gate = UploadGate(UPLOADS_AT_ONCE)

    @router.get("/products", summary="Products that can be priced, with their columns")
    def list_products() -> list[ProductDescription]:
        return [describe_product(product) for product in sorted(known_products())]

    @router.post(
        "/",
        status_code=201,
        summary="Store a portfolio",
        response_model=PortfolioUpload,
        responses=stored_responses(PortfolioUpload, 400, 413, 415),
        openapi_extra=upload_body(document=[EXAMPLE_POSITION], csv=_EXAMPLE_CSV),
    )
    async def upload_portfolio(
        request: Request,
        response: Response,
        name: Annotated[str, Query(max_length=200, description="Name that means this content from now on; default: the file's name.")] = "",
        allow_partial: Annotated[bool, Query(description="Store the good rows of a file that has bad ones too.")] = False,
    ) -> PortfolioUpload:
        """Send positions as CSV, JSON or Parquet, one row a position; see `/products` for the columns. Every bad row is named."""
        async with gate.receive(request) as upload:
            portfolio, created = await run_in_threadpool(
                uploads.upload_portfolio,
                database,
                upload.content,
                format=upload.format,
                name=name or upload.stem,
                allow_partial=allow_partial,
            )
        return stored_answer(request, response, PORTFOLIOS, portfolio, created)

    add_snapshot_routes(router, database, PORTFOLIOS, describe=uploads.describe_portfolio, list_operation="list_snapshots")

    @router.get("/{portfolio}/positions", summary="Page through the positions", responses=error_responses(400, 404))
    def page_positions(portfolio: str, limit: CursorLimit = 50, cursor: Cursor = None) -> CursorPage[StoredPosition]:
        record = snapshots.get(database, PORTFOLIOS, portfolio)
        scope = f"positions {record.portfolio_id}"
        after = decode_cursor(cursor, scope=scope)
        rows = read_positions(database, portfolio_no=record.portfolio_no, after_position_no=after, limit=limit + 1)
        positions = [StoredPosition(**row) for row in rows.to_pylist()]
        return cursor_page(positions, [position.position_no for position in positions], limit=limit, scope=scope)

    @router.get(
        "/{portfolio}/download",
        summary="Download a portfolio",
        response_class=Response,
        responses={200: {"content": {kind.media_type: {} for kind in _FORMATS}}, **error_responses(404, 406)},
    )
    def download_portfolio(request: Request, portfolio: str, asked: FormatQuery = None) -> StreamingResponse:
        """All terms of all contracts; an upload of the file returns the same snapshot."""
        kind = negotiated(request, asked, offered=_FORMATS)
        record = snapshots.get(database, PORTFOLIOS, portfolio)
        products = [part.product for part in read_products(database, portfolio_no=record.portfolio_no)]
        chunks = write_portfolio(uploads.contracts_of(database, record), format=kind.value, products=products)
        return stream_answer(chunks, kind, filename=record.portfolio_id, row_count=record.position_count)

    return router


def create_app(settings: Settings, database: Database) -> FastAPI:
    """The portfolios service."""
    load_pricers(settings)
    database.preload_arrow()
    return create_service(
        "portfolios", description=DESCRIPTION, settings=settings, database=database, routers=[create_router(database)], takes_files=True
    )


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    return serve_application("portfolios", create_app)
