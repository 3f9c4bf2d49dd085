"""Market snapshots and tables of fixings over HTTP: upload, append, list, describe, download, delete; and the indices of a market."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, FastAPI, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from deployments.http.downloads import Format, FormatQuery, file_answer, negotiated
from deployments.http.errors import error_responses
from deployments.http.limits import UPLOADS_AT_ONCE
from deployments.http.service import create_service
from deployments.http.serving import serve_application
from deployments.http.snapshots import add_snapshot_routes, stored_answer, stored_responses
from deployments.http.uploads import RatesUnchecked, UploadGate, upload_body
from riskray.config import Settings
from riskray.market.fixing_files import write_fixings
from riskray.market.reader import parse_market, write_market
from riskray.market.stored import stored_market
from riskray.models.snapshot import FixingTable, IndexDescription, MarketUpload, StoredCurve
from riskray.runs import fixings, uploads
from riskray.snapshots.kinds import FIXINGS, MARKETS
from riskray.store import snapshots
from riskray.store.database import Database
from riskray.store.markets import MarketCurve, list_market_curves, read_fixings

if TYPE_CHECKING:
    from ray.serve import Application

DESCRIPTION = """
A market snapshot is everything that positions are valued against on one date: discount, spread, credit and inflation curves, exchange
rates, and the indices that contracts name, with what these have published by then.
It is immutable and identified by the hash of its content, so a second upload of the same content returns the existing snapshot.
Wherever a market is asked for, give its id or its name; a name means its last upload.

A fixing table has the published values of indices. It outlives markets: each day's fixings are appended to it as a new version. A market
names a table under `fixings`; it keeps the id of the version that the name had at its upload, so that it always means the same fixings. It
sees no fixing that was published after its own date.
"""

EXAMPLE_FIXINGS = """index,fixing_date,value,source,published_at
EUR-EURIBOR-6M,2024-03-28,0.03851,EMMI,2024-03-28
USD-SOFR,2024-03-27,0.0533,New York Fed,2024-03-28
"""
_FIXING_FORMATS = (Format.CSV, Format.JSON, Format.PARQUET)
MarketOfIndices = Annotated[
    str | None, Query(description="Id or name of a market whose own indices are known in addition to the standard ones.")
]

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
        responses=stored_responses(MarketUpload, 400, 404, 413, 415),
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


def _add_fixing_uploads(router: APIRouter, database: Database) -> None:
    """Routes that store fixings."""
    gate = UploadGate(UPLOADS_AT_ONCE)
    body = upload_body(csv=EXAMPLE_FIXINGS, document=[{"index": "EUR-EURIBOR-6M", "fixing_date": "2024-03-28", "value": 0.03851}])
    responses = stored_responses(FixingTable, 400, 404, 413, 415)

    @router.post(
        "/fixings", status_code=201, summary="Store a fixing table", response_model=FixingTable, responses=responses, openapi_extra=body
    )
    async def upload_fixings(
        request: Request,
        response: Response,
        name: Annotated[str, Query(max_length=200, description="Name that means this content from now on; default: the file's name.")] = "",
        market: MarketOfIndices = None,
        rates_unchecked: RatesUnchecked = False,
    ) -> FixingTable:
        """CSV, JSON or Parquet with the columns `index`, `fixing_date`, `value`, and optionally `source` and `published_at`. A table with a
        wrong row is refused whole, with every row named."""
        async with gate.receive(request) as upload:
            stored, created = await run_in_threadpool(
                fixings.upload_fixings, database, upload.content, format=upload.format, name=name or upload.stem, market=market,
                rates_unchecked=rates_unchecked,
            )  # fmt: skip
        return stored_answer(request, response, FIXINGS, stored, created)

    @router.post(
        "/fixings/{fixings_name}/append",
        status_code=201,
        summary="Append fixings to a table",
        response_model=FixingTable,
        responses=stored_responses(FixingTable, 400, 404, 409, 413, 415),
        openapi_extra=body,
    )
    async def append_fixings(
        request: Request,
        response: Response,
        fixings_name: Annotated[str, Path(description="Name of the table; its last version is appended to.", examples=["eod"])],
        market: MarketOfIndices = None,
        rates_unchecked: RatesUnchecked = False,
    ) -> FixingTable:
        """The last version under the name, with these rows, becomes the name's next version. A row that the table has already changes
        nothing. A row with another value for an index and date of the table is refused, unless its column `is_correction` is true."""
        async with gate.receive(request) as upload:
            stored, created = await run_in_threadpool(
                fixings.append_fixings, database, upload.content, format=upload.format, name=fixings_name, market=market,
                rates_unchecked=rates_unchecked,
            )  # fmt: skip
        return stored_answer(request, response, FIXINGS, stored, created)


def _fixings_router(database: Database) -> APIRouter:
    """Routes of fixing tables and indices."""
    router = APIRouter(tags=["fixings"])
    _add_fixing_uploads(router, database)
    add_snapshot_routes(
        router, database, FIXINGS, describe=fixings.describe_fixings, list_operation="list_fixing_tables",
        description="With the number of fixings, the dates and the last value of each index.",
    )  # fmt: skip

    @router.get(
        "/fixings/{fixings}/rows",
        summary="Download a fixing table",
        response_class=Response,
        responses={200: {"content": {kind.media_type: {} for kind in _FIXING_FORMATS}}, **error_responses(404, 406)},
    )
    def download_fixings(request: Request, key: Annotated[str, Path(alias="fixings")], asked: FormatQuery = None) -> Response:
        """One row a fixing, in order of index and date; an upload of the file returns the same table."""
        kind = negotiated(request, asked, offered=_FIXING_FORMATS)
        record = snapshots.get(database, FIXINGS, key)
        body = write_fixings(read_fixings(database, record.fixings_id), format=kind.value)
        return file_answer(body, kind, record.fixings_id, record.content_hash)

    @router.get("/indices", summary="Indices that a market knows", responses=error_responses(404))
    def list_indices(
        market: Annotated[str | None, Query(description="Id or name of a market; default: the standard indices.")] = None,
    ) -> list[IndexDescription]:
        """By name. With a market also its own indices, and the last fixing of each index that the market sees."""
        return fixings.describe_indices(database, market)

    return router


def create_app(settings: Settings, database: Database) -> FastAPI:
    """The market-data service."""
    routers = [create_router(database), _fixings_router(database)]
    return create_service("market-data", description=DESCRIPTION, settings=settings, database=database, routers=routers, takes_files=True)


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    return serve_application("market-data", create_app)
