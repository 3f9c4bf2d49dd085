"""Portfolio snapshots over HTTP: upload, list, describe, page through, download, delete; and the products that can be priced."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from deployments.http.downloads import Format, FormatQuery, negotiated, stream_answer
from deployments.http.errors import error_responses
from deployments.http.limits import UPLOADS_AT_ONCE
from deployments.http.paging import Cursor, CursorLimit, OffsetPage, cursor_page, decode_cursor
from deployments.http.service import create_service
from deployments.http.serving import serve_application
from deployments.http.uploads import Upload, UploadGate, required_name, upload_body
from pricers import known_products
from riskray.config import Settings
from riskray.engine.plan import PositionRange, Requirement
from riskray.extensions import load_pricers
from riskray.models.common import CursorPage, Page, Problem
from riskray.models.instrument import ProductDescription, describe_product
from riskray.models.pricing import EXAMPLE_POSITION
from riskray.models.snapshot import PortfolioDetail, PortfolioSnapshot, PortfolioUpload, StoredPosition
from riskray.portfolio.batches import decode_batch, prepare_portfolio
from riskray.portfolio.reader import READER_VERSION, read_portfolio
from riskray.portfolio.writer import write_portfolio
from riskray.store.database import Database
from riskray.store.portfolios import (
    PortfolioRecord,
    count_positions,
    delete_portfolio,
    get_portfolio,
    insert_portfolio,
    list_portfolios,
    read_batches,
    read_positions,
    read_products,
)

if TYPE_CHECKING:
    from ray.serve import Application

DESCRIPTION = """
A portfolio snapshot is a set of positions, each with the terms of its contract. It is immutable and known by the hash of its content:
format and order of rows do not matter. Wherever a portfolio is asked for, give its id or its name; a name means its last upload.
"""
_FORMATS = (Format.JSON, Format.CSV, Format.PARQUET, Format.ARROW)
_EXAMPLE_CSV = f"{','.join(EXAMPLE_POSITION)}\n{','.join(map(str, EXAMPLE_POSITION.values()))}\n"


def _fields(record: PortfolioRecord) -> dict[str, Any]:
    fields = {name: getattr(record, name) for name in PortfolioSnapshot.model_fields}
    return {**fields, "content_hash": record.content_hash.hex()}


def _store_upload(database: Database, upload: Upload, name: str, allow_partial: bool) -> tuple[PortfolioUpload, bool]:
    read = read_portfolio(upload.content, format=upload.format, allow_partial=allow_partial)
    prepared = prepare_portfolio(read.tables)
    record, created = insert_portfolio(
        database,
        name=name,
        content_hash=prepared.content_hash,
        positions=prepared.positions,
        batches=prepared.batches,
        requirements=[Requirement(**row) for row in prepared.requirements.to_pylist()],
        rejected_count=read.rejected,
        reader_version=READER_VERSION,
    )
    problems = [Problem(loc=list(problem["loc"]), msg=problem["msg"], code=problem["code"]) for problem in read.problems]
    # A portfolio that was there already keeps the count of its own upload; this answer is about this one.
    return PortfolioUpload(**{**_fields(record), "rejected_count": read.rejected}, problems=problems), created


def _detail(database: Database, portfolio: str) -> PortfolioDetail:
    record = get_portfolio(database, portfolio=portfolio)
    counts: dict[str, Counter[str]] = {"product": Counter(), "book": Counter(), "currency": Counter()}
    for group in count_positions(database, portfolio_no=record.portfolio_no):
        for name, counter in counts.items():
            counter[group[name]] += group["position_count"]
    sorted_counts = {f"{name}s".replace("currencys", "currencies"): dict(sorted(counter.items())) for name, counter in counts.items()}
    return PortfolioDetail(**_fields(record), **sorted_counts)


def _batches(database: Database, record: PortfolioRecord) -> Iterator[tuple[str, Any]]:
    """Product and contracts, batch after batch: one at a time in memory."""
    first = 0
    while first < record.position_count:
        # Asking for one row gets the whole batch that holds it.
        for batch in read_batches(database, portfolio_no=record.portfolio_no, numbers=PositionRange(first, 1)):
            yield batch.product, decode_batch(batch.payload)
            first = batch.numbers.end


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
        responses={200: {"model": PortfolioUpload, "description": "This content is stored already."}, **error_responses(400, 413, 415)},
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
            chosen = required_name(name or upload.stem, "portfolio")
            snapshot, created = await run_in_threadpool(_store_upload, database, upload, chosen, allow_partial)
        response.status_code = 201 if created else 200
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/{snapshot.portfolio_id}"
        return snapshot

    @router.get("/", summary="List uploads of portfolios, newest first")
    def list_snapshots(
        page: OffsetPage, name: Annotated[str | None, Query(description="Only uploads under this name.")] = None
    ) -> Page[PortfolioSnapshot]:
        records, total = list_portfolios(database, offset=page.offset, limit=page.limit, name=name)
        return page.page([PortfolioSnapshot(**_fields(record)) for record in records], total)

    @router.get("/{portfolio}", summary="Describe a portfolio", responses=error_responses(404))
    def describe_portfolio(portfolio: str) -> PortfolioDetail:
        return _detail(database, portfolio)

    @router.get("/{portfolio}/positions", summary="Page through the positions", responses=error_responses(400, 404))
    def page_positions(portfolio: str, limit: CursorLimit = 50, cursor: Cursor = None) -> CursorPage[StoredPosition]:
        record = get_portfolio(database, portfolio=portfolio)
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
        """All terms of all contracts; uploading the file again gives the same snapshot."""
        kind = negotiated(request, asked, offered=_FORMATS)
        record = get_portfolio(database, portfolio=portfolio)
        products = [part.product for part in read_products(database, portfolio_no=record.portfolio_no)]
        chunks = write_portfolio(_batches(database, record), format=kind.value, products=products)
        return stream_answer(chunks, kind, filename=record.portfolio_id, row_count=record.position_count)

    @router.delete("/{portfolio}", status_code=204, summary="Delete a portfolio no run uses", responses=error_responses(404, 409))
    def remove_portfolio(portfolio: str) -> None:
        """Its names are deleted with it; given one of several names, only that name is deleted."""
        delete_portfolio(database, portfolio=portfolio)

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
