"""Market snapshots over HTTP: upload, list, describe, download, delete."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from deployments.http.downloads import Format, FormatQuery, file_answer, negotiated
from deployments.http.errors import error_responses
from deployments.http.limits import UPLOADS_AT_ONCE
from deployments.http.paging import OffsetPage
from deployments.http.service import create_service
from deployments.http.serving import serve_application
from deployments.http.uploads import RatesUnchecked, Upload, UploadGate, required_name, upload_body
from riskray.config import Settings
from riskray.market.build import market_curve_rows
from riskray.market.reader import canonical_json, content_hash, parse_market, read_market_upload, write_market
from riskray.market.stored import stored_market
from riskray.models.common import Page, Problem
from riskray.models.market_data import MarketDocument
from riskray.models.snapshot import MarketSnapshot, MarketUpload, StoredCurve
from riskray.store.database import Database
from riskray.store.markets import (
    MarketCurve,
    MarketRecord,
    delete_market,
    get_market,
    get_market_document,
    insert_market,
    list_market_curves,
    list_markets,
)

if TYPE_CHECKING:
    from ray.serve import Application

DESCRIPTION = """
A market snapshot is everything that positions are valued against on one date: discount curves, spread curves and exchange rates.
It is immutable and known by the hash of its content, so uploading the same content again answers the snapshot that is there.
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


def _snapshot(record: MarketRecord) -> MarketSnapshot:
    return MarketSnapshot(
        market_id=record.market_id,
        name=record.name,
        version=record.version,
        as_of=record.as_of,
        content_hash=record.content_hash.hex(),
        created_at=record.created_at,
    )


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


def store_market(database: Database, document: MarketDocument) -> tuple[MarketSnapshot, bool]:
    """Store a checked document; the snapshot and whether it is new."""
    curves = [
        MarketCurve(**{**row, **{name: tuple(row[name]) for name in ("pillar_labels", "pillar_days", "zero_rates")}})
        for row in market_curve_rows(document).to_pylist()
    ]
    record, created = insert_market(
        database,
        name=document.name,
        as_of=document.as_of,
        content_hash=content_hash(document),
        document=canonical_json(document),
        curves=curves,
    )
    return _snapshot(record), created


def create_router(database: Database) -> APIRouter:
    """The service's routes."""
    router = APIRouter(tags=["market data"])
    gate = UploadGate(UPLOADS_AT_ONCE)

    @router.post(
        "/snapshots",
        status_code=201,
        summary="Store a market",
        response_model=MarketUpload,
        responses={200: {"model": MarketUpload, "description": "This content is stored already."}, **error_responses(400, 413, 415)},
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
            snapshot, created = await run_in_threadpool(_store_upload, database, upload, allow_partial, rates_unchecked)
        response.status_code = 201 if created else 200
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/snapshots/{snapshot.market_id}"
        return snapshot

    @router.get("/snapshots", summary="List uploads of markets, newest first")
    def list_snapshots(
        page: OffsetPage, name: Annotated[str | None, Query(description="Only uploads under this name.")] = None
    ) -> Page[MarketSnapshot]:
        records, total = list_markets(database, offset=page.offset, limit=page.limit, name=name)
        return page.page([_snapshot(record) for record in records], total)

    @router.get("/snapshots/{market}", summary="Describe a market", responses=error_responses(404))
    def describe_market(market: str) -> MarketSnapshot:
        return _snapshot(get_market(database, market=market))

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
        """The document as it was stored; uploading it again gives the same snapshot."""
        kind = negotiated(request, asked, offered=(Format.JSON, Format.CSV, Format.PARQUET))
        record = get_market(database, market=market)
        text = get_market_document(database, market_id=record.market_id)
        body = text.encode() if kind is Format.JSON else write_market(stored_market(text), format=kind.value)
        return file_answer(body, kind, record.market_id, record.content_hash)

    @router.get("/snapshots/{market}/curves", summary="Curves of a market by number", responses=error_responses(404))
    def list_curves(market: str) -> list[StoredCurve]:
        """What `leg_curve_nos` and `key_rate_dv01` of results stand for: name and pillars of each curve."""
        curves = list_market_curves(database, market_no=get_market(database, market=market).market_no)
        return [_stored_curve(curve) for curve in curves]

    @router.delete("/snapshots/{market}", status_code=204, summary="Delete a market no run uses", responses=error_responses(404, 409))
    def remove_market(market: str) -> None:
        """Its names are deleted with it; given one of several names, only that name is deleted."""
        delete_market(database, market=market)

    return router


def _store_upload(database: Database, upload: Upload, allow_partial: bool, rates_unchecked: bool) -> tuple[MarketUpload, bool]:
    read = read_market_upload(upload.content.read(), format=upload.format, allow_partial=allow_partial, rates_unchecked=rates_unchecked)
    required_name(read.document.name, "market")
    snapshot, created = store_market(database, read.document)
    problems = [Problem(**problem) for problem in read.problems]
    return MarketUpload(**snapshot.model_dump(), rejected_count=read.rejected, problems=problems), created


def create_app(settings: Settings, database: Database) -> FastAPI:
    """The market-data service."""
    return create_service(
        "market-data", description=DESCRIPTION, settings=settings, database=database, routers=[create_router(database)], takes_files=True
    )


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    return serve_application("market-data", create_app)
