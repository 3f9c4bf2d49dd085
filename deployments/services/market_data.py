"""Market snapshots over HTTP: upload, list, describe, download, delete."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from deployments.http.downloads import Format, FormatQuery, file_answer, negotiated
from deployments.http.errors import error_responses
from deployments.http.limits import UPLOADS_AT_ONCE
from deployments.http.service import create_service
from deployments.http.serving import serve_application
from deployments.http.snapshots import add_snapshot_routes, stored_answer, stored_responses
from deployments.http.uploads import RatesUnchecked, UploadGate, upload_body
from riskray.config import Settings
from riskray.market.reader import parse_market, write_market
from riskray.market.stored import stored_market
from riskray.models.snapshot import MarketUpload, StoredCurve
from riskray.runs import uploads
from riskray.snapshots.kinds import MARKETS
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.markets import MarketCurve, list_market_curves

if TYPE_CHECKING:
    from ray.serve import Application

DESCRIPTION = """
A market snapshot is everything that positions are valued against on one date: discount curves, spread curves and exchange rates.
It is immutable and identified by the hash of its content, so a second upload of the same content returns the existing snapshot.
Wherever a market is asked for, give its id or its name; a name means its last upload.
"""

EXAMPLE: dict[str, Any] = {
    "name": "example",
    "as_of": "2024-03-28",
    "curves": [
        {"name": "EUR-GOVT", "currency": "EUR", "points": [{"tenor": "1Y", "value": 0.0331}, {"tenor": "10Y", "value": 0.0243}]},
        {"name": "USD-GOVT", "currency": "USD", "points": [{"tenor": "1Y", "value": 0.0492}, {"tenor": "10Y", "value": 0.0418}]},
    ],
    "spread_curves": [{"name": "EUR-CORP-BBB", "rating": "BBB", "points": [{"tenor": "5Y", "value": 0.0125}]}],
    "fx_spots": [{"pair": "EURUSD", "rate": 1.0811}],
}


def _stored_curve(curve: MarketCurve) -> StoredCurve:
    return StoredCurve(
        kind=curve.kind,
        curve_no=curve.curve_no,
        name=curve.name,
        currency=curve.currency,
        pillars=list(curve.pillar_labels),
        pillar_days=list(curve.pillar_days),
        zero_rates=list(curve.zero_rates),
    )


def create_router(database: Database) -> APIRouter:
    """The service's routes."""
    router = APIRouter(tags=["market data"])
    gate = UploadGate(UPLOADS_AT_ONCE)

    @router.post(
        "/snapshots",
        status_code=201,
        summary="Store a market",
        response_model=MarketUpload,
        responses=stored_responses(MarketUpload, 400, 413, 415),
        openapi_extra=upload_body(document=EXAMPLE, csv=write_market(parse_market(EXAMPLE), format="csv").decode()),
    )
    async def upload_market(
        request: Request,
        response: Response,
        allow_partial: Annotated[bool, Query(description="Store the document without the curves and quotes that are wrong.")] = False,
        rates_unchecked: RatesUnchecked = False,
    ) -> MarketUpload:
        """Send the document as JSON, or as CSV or Parquet with one row a point; a wrong one is refused whole, with every place named.

        Under allow_partial a curve with a wrong point is left out whole, since without the point it would be another curve.
        """
        async with gate.receive(request) as upload:
            market, created = await run_in_threadpool(
                uploads.upload_market,
                database,
                upload.content,
                format=upload.format,
                allow_partial=allow_partial,
                rates_unchecked=rates_unchecked,
            )
        return stored_answer(request, response, MARKETS, market, created)

    add_snapshot_routes(router, database, MARKETS, describe=uploads.describe_market, list_operation="list_snapshots")

    @router.get(
        "/snapshots/{market}/document",
        summary="Download a market",
        response_class=Response,
        responses={
            200: {"content": {kind.media_type: {} for kind in (Format.JSON, Format.CSV, Format.PARQUET)}},
            **error_responses(404, 406),
        },
    )
    def download_market(request: Request, market: str, asked: FormatQuery = None) -> Response:
        """The document as it was stored; an upload of it returns the same snapshot."""
        kind = negotiated(request, asked, offered=(Format.JSON, Format.CSV, Format.PARQUET))
        record = snapshots.get(database, MARKETS, market)
        text = snapshots.read_document(database, MARKETS, record.market_id)
        body = text.encode() if kind is Format.JSON else write_market(stored_market(text), format=kind.value)
        return file_answer(body, kind, record.market_id, record.content_hash)

    @router.get("/snapshots/{market}/curves", summary="Curves of a market by number", responses=error_responses(404))
    def list_curves(market: str) -> list[StoredCurve]:
        """Name, pillars and zero rates of each curve."""
        curves = list_market_curves(database, market_no=snapshots.get(database, MARKETS, market).market_no)
        return [_stored_curve(curve) for curve in curves]

    return router


def create_app(settings: Settings, database: Database) -> FastAPI:
    """The market-data service."""
    return create_service(
        "market-data", description=DESCRIPTION, settings=settings, database=database, routers=[create_router(database)], takes_files=True
    )


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    return serve_application("market-data", create_app)
