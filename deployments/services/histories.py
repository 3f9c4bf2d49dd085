"""Market histories over HTTP: upload, make the demo's, list, describe, download, delete."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from deployments.http.downloads import Format, FormatQuery, file_answer, negotiated
from deployments.http.errors import error_responses
from deployments.http.limits import UPLOADS_AT_ONCE
from deployments.http.paging import OffsetPage
from deployments.http.uploads import RatesUnchecked, Upload, UploadGate, required_name, upload_body
from pricers.time.dates import to_date
from riskray.market.build import build_market
from riskray.market.stored import stored_market
from riskray.models.common import CurrencyCode, Page
from riskray.models.scenario import DemoHistoryRequest, MarketHistory, MarketHistoryDetail
from riskray.scenario.history import History, content_hash, decode, encode, read_history, summary, write_history
from riskray.scenario.history_sources import ECB_NUMERAIRE, ecb_fx_history, generate_rate_history, joined
from riskray.store.database import Database
from riskray.store.markets import get_market, get_market_document
from riskray.store.scenarios import (
    HistoryRecord,
    delete_history,
    get_history,
    get_history_payload,
    insert_history,
    list_histories,
)

_FORMATS = (Format.CSV, Format.PARQUET)
_EXAMPLE_CSV = "date,zero/EUR-GOVT/10Y,fx/EUR\n2024-03-27,0.0239,1.0826\n2024-03-28,0.0243,1.0811\n"


def _model(record: HistoryRecord) -> MarketHistory:
    fields = {name: getattr(record, name) for name in MarketHistory.model_fields}
    return MarketHistory(**{**fields, "content_hash": record.content_hash.hex()})


def store_history(database: Database, *, name: str, history: History) -> tuple[MarketHistory, bool]:
    """Store a checked history; the history and whether it is new."""
    record, created = insert_history(
        database,
        name=name,
        content_hash=content_hash(history),
        factors=history.factors,
        first_date=to_date(int(history.dates[0])),
        last_date=to_date(int(history.dates[-1])),
        row_count=history.dates.size,
        payload=encode(history),
    )
    return _model(record), created


def _store_upload(database: Database, upload: Upload, name: str, numeraire: str, rates_unchecked: bool) -> tuple[MarketHistory, bool]:
    name = required_name(name or upload.stem, "market history")
    history = read_history(upload.content, format=upload.format, numeraire=numeraire, rates_unchecked=rates_unchecked)
    return store_history(database, name=name, history=history)


def create_demo_history(database: Database, wanted: DemoHistoryRequest) -> tuple[MarketHistory, bool]:
    """Make and store the history that `DemoHistoryRequest` describes. Raises NotFound for the market."""
    name = required_name(wanted.name, "market history")
    record = get_market(database, market=wanted.market)
    document = stored_market(get_market_document(database, market_id=record.market_id))
    market = build_market(document, base_currency=ECB_NUMERAIRE)
    quoted = sorted(set(market.fx_to_base) - {ECB_NUMERAIRE})
    rates = ecb_fx_history(quoted, first=wanted.first_date, last=record.as_of)
    return store_history(database, name=name, history=joined(rates, generate_rate_history(market, dates=rates.dates, seed=wanted.seed)))


def create_history_router(database: Database) -> APIRouter:
    """Routes of market histories."""
    router = APIRouter(tags=["market histories"])
    gate = UploadGate(UPLOADS_AT_ONCE)
    known: dict[int | str, dict[str, Any]] = {200: {"model": MarketHistory, "description": "This content is stored already."}}

    def created_answer(request: Request, response: Response, stored: MarketHistory, created: bool) -> MarketHistory:
        response.status_code = 201 if created else 200
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/histories/{stored.history_id}"
        return stored

    @router.post(
        "/histories",
        status_code=201,
        summary="Store a market history",
        response_model=MarketHistory,
        responses={**known, **error_responses(400, 413, 415)},
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
            stored, created = await run_in_threadpool(_store_upload, database, upload, name, numeraire, rates_unchecked)
        return created_answer(request, response, stored, created)

    @router.post(
        "/histories/demo", status_code=201, summary="Make a history to try things with", responses={**known, **error_responses(400, 404)}
    )
    def make_demo_history(request: Request, response: Response, wanted: DemoHistoryRequest) -> MarketHistory:
        """The ECB's euro reference rates since 1999 as published; zero rates and spreads generated to end at the market's own."""
        return created_answer(request, response, *create_demo_history(database, wanted))

    @router.get("/histories", summary="List uploads of market histories, newest first")
    def list_market_histories(
        page: OffsetPage, name: Annotated[str | None, Query(description="Only uploads under this name.")] = None
    ) -> Page[MarketHistory]:
        records, total = list_histories(database, offset=page.offset, limit=page.limit, name=name)
        return page.page([_model(record) for record in records], total)

    @router.get("/histories/{history}", summary="Describe a market history", responses=error_responses(404))
    def describe_history(history: str) -> MarketHistoryDetail:
        """With what it lacks: missing values by factor, and the longest gap between dates."""
        record = get_history(database, history=history)
        levels = decode(get_history_payload(database, history_no=record.history_no))
        return MarketHistoryDetail(**_model(record).model_dump(), summary=summary(levels))

    @router.get(
        "/histories/{history}/levels",
        summary="Download the levels",
        response_class=Response,
        responses={200: {"content": {kind.media_type: {} for kind in _FORMATS}}, **error_responses(404, 406)},
    )
    def download_levels(request: Request, history: str, asked: FormatQuery = None) -> Response:
        """One row a date, one column a factor; uploading the file again gives the same history."""
        kind = negotiated(request, asked, offered=_FORMATS)
        record = get_history(database, history=history)
        levels = decode(get_history_payload(database, history_no=record.history_no))
        return file_answer(write_history(levels, format=kind.value), kind, record.history_id, record.content_hash)

    @router.delete("/histories/{history}", status_code=204, summary="Delete a market history", responses=error_responses(404))
    def remove_history(history: str) -> None:
        """Its names are deleted with it; given one of several names, only that name is deleted. Scenario sets made of it stay."""
        delete_history(database, history=history)

    return router
