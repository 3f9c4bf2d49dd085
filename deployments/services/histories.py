"""Market histories over HTTP: upload, make the demo's, list, describe, download, delete."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from deployments.http.downloads import Format, FormatQuery, file_answer, negotiated
from deployments.http.errors import error_responses
from deployments.http.limits import UPLOADS_AT_ONCE
from deployments.http.snapshots import add_snapshot_routes, stored_answer, stored_responses
from deployments.http.uploads import RatesUnchecked, UploadGate, upload_body
from riskray.models.common import CurrencyCode
from riskray.models.scenario import DemoHistoryRequest, MarketHistory
from riskray.runs import uploads
from riskray.scenario.history import write_history
from riskray.snapshots.kinds import HISTORIES
from riskray.store import snapshots
from riskray.store.database import Database

_FORMATS = (Format.CSV, Format.PARQUET)
_EXAMPLE_CSV = "date,zero/EUR-GOVT/10Y,fx/EUR\n2024-03-27,0.0239,1.0826\n2024-03-28,0.0243,1.0811\n"


def create_history_router(database: Database) -> APIRouter:
    """Routes of market histories."""
    router = APIRouter(tags=["market histories"])
    gate = UploadGate(UPLOADS_AT_ONCE)

    @router.post(
        "/histories",
        status_code=201,
        summary="Store a market history",
        response_model=MarketHistory,
        responses=stored_responses(MarketHistory, 400, 413, 415),
        openapi_extra=upload_body(csv=_EXAMPLE_CSV),
    )
    async def upload_history(
        request: Request,
        response: Response,
        name: Annotated[str, Query(max_length=200, description="Name that means this content from now on; default: the file's name.")] = "",
        numeraire: Annotated[CurrencyCode, Query(description="Currency of the FX prices, where the file does not say itself.")] = "USD",
        rates_unchecked: RatesUnchecked = False,
    ) -> MarketHistory:
        """CSV or Parquet: `date` and one column a factor, or the columns `date`, `factor`, `value`. Missing values are allowed; what a
        scenario set does about them is its gap policy."""
        async with gate.receive(request) as upload:
            history, created = await run_in_threadpool(
                uploads.upload_history,
                database,
                upload.content,
                format=upload.format,
                name=name or upload.stem,
                numeraire=numeraire,
                rates_unchecked=rates_unchecked,
            )
        return stored_answer(request, response, HISTORIES, history, created)

    @router.post(
        "/histories/demo",
        status_code=201,
        summary="Make a history to try things with",
        responses=stored_responses(MarketHistory, 400, 404),
    )
    def make_demo_history(request: Request, response: Response, wanted: DemoHistoryRequest) -> MarketHistory:
        """The ECB's euro reference rates since 1999 as published; zero rates and spreads generated to end at the market's own."""
        return stored_answer(request, response, HISTORIES, *uploads.create_demo_history(database, wanted))

    add_snapshot_routes(
        router,
        database,
        HISTORIES,
        describe=uploads.describe_history,
        list_operation="list_market_histories",
        description="With what it lacks: missing values by factor, and the longest gap between dates.",
    )

    @router.get(
        "/histories/{history}/levels",
        summary="Download the levels",
        response_class=Response,
        responses={200: {"content": {kind.media_type: {} for kind in _FORMATS}}, **error_responses(404, 406)},
    )
    def download_levels(request: Request, history: str, asked: FormatQuery = None) -> Response:
        """One row a date, one column a factor; uploading the file again gives the same history."""
        kind = negotiated(request, asked, offered=_FORMATS)
        record = snapshots.get(database, HISTORIES, history)
        levels = uploads.load_history(database, record.history_id)
        return file_answer(write_history(levels, format=kind.value), kind, record.history_id, record.content_hash)

    return router
