"""The scenarios service over HTTP: scenario sets, the market histories they come from, and the hierarchies that aggregate results."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from deployments.http.downloads import Format, FormatQuery, file_answer, negotiated
from deployments.http.errors import error_responses
from deployments.http.limits import UPLOADS_AT_ONCE
from deployments.http.service import create_service
from deployments.http.serving import serve_application
from deployments.http.snapshots import add_snapshot_routes, stored_answer, stored_responses
from deployments.http.uploads import RatesUnchecked, UploadGate, upload_body
from riskray.config import Settings
from riskray.models.common import CurrencyCode
from riskray.models.hierarchy import HierarchyDocument, StoredHierarchy
from riskray.models.scenario import DemoHistoryRequest, MarketHistory, MatrixDefinition, ScenarioSet, ScenarioSetRequest
from riskray.runs import scenario_sets, uploads
from riskray.scenario.codec import write_matrix
from riskray.scenario.history import write_history
from riskray.snapshots.kinds import HIERARCHIES, HISTORIES, SCENARIO_SETS
from riskray.store import snapshots
from riskray.store.database import Database

if TYPE_CHECKING:
    from ray.serve import Application

DESCRIPTION = """
A scenario set is a matrix of factor moves: named scenarios down, factors (`zero/<curve>/<pillar>`, `spread/<curve>/<pillar>`, `credit`,
`fx/<CCY>`) across. It is created from stress shocks, from the moves of a market history, by Monte Carlo from a history, or by an upload. It
is immutable and identified by the hash of its moves. A run with a scenario set stores P&L vectors, from which VaR, ES and stress results
are computed. Wherever a set, a history or a hierarchy is required, give its id or name; a name means its last upload.
"""
_MATRIX_FORMATS = (Format.JSON, Format.CSV, Format.PARQUET, Format.ARROW)

_HISTORY_FORMATS = (Format.CSV, Format.PARQUET)
_EXAMPLE_HISTORY = "date,zero/EUR-GOVT/10Y,fx/EUR\n2024-03-27,0.0239,1.0826\n2024-03-28,0.0243,1.0811\n"
_EXAMPLE_MATRIX_FILE = "scenario,zero/EUR-GOVT/10Y,fx/EUR\ncrash,-0.0100,-0.08\nrally,0.0050,0.04\n"
_EXAMPLE_MATRIX: dict[str, Any] = {
    "factors": ["zero/EUR-GOVT/10Y", "fx/EUR"],
    "scenarios": [{"name": "crash", "values": [-0.01, -0.08]}, {"name": "rally", "values": [0.005, 0.04]}],
}
_EXAMPLES: dict[str, Any] = {
    "stress": {
        "summary": "Named shocks",
        "value": {
            "name": "standard stress",
            "market": "demo",
            "definition": {
                "kind": "stress",
                "numeraire": "USD",
                "scenarios": [
                    {"name": "parallel +100", "shocks": [{"type": "parallel", "shift": {"bp": 100}}]},
                    {
                        "name": "EUR steepener",
                        "shocks": [{"type": "steepener", "curves": ["EUR-*"], "short": {"bp": -25}, "long": {"bp": 50}}],
                    },
                    {"name": "EUR and GBP -10 %", "shocks": [{"type": "fx", "currencies": ["EUR", "GBP"], "relative": -0.1}]},
                ],
                "combinations": [{"name": "rates up, euro down", "of": ["parallel +100", "EUR and GBP -10 %"]}],
            },
        },
    },
    "historical": {
        "summary": "The last 500 daily moves of a history",
        "value": {
            "name": "two years",
            "market": "demo",
            "definition": {"kind": "historical", "history": "demo-history", "window": 500, "gap_policy": "carry_forward"},
        },
    },
    "monte_carlo": {
        "summary": "1,000 correlated moves over ten days",
        "value": {
            "name": "monte carlo",
            "market": "demo",
            "definition": {
                "kind": "monte_carlo",
                "history": "demo-history",
                "window": 500,
                "gap_policy": "carry_forward",
                "count": 1000,
                "horizon_days": 10,
                "seed": 1,
            },
        },
    },
}


def _set_router(database: Database) -> APIRouter:
    """Routes of scenario sets."""
    router = APIRouter(tags=["scenario sets"])
    gate = UploadGate(UPLOADS_AT_ONCE)

    responses = stored_responses(ScenarioSet, 400, 404)

    @router.post("/sets", status_code=201, summary="Create a scenario set", responses=responses)
    def define_scenario_set(
        request: Request, response: Response, wanted: Annotated[ScenarioSetRequest, Body(openapi_examples=_EXAMPLES)]
    ) -> ScenarioSet:
        """Stress shocks, moves of a history, or Monte Carlo from a history: compiled now, against the curves and pillars of a market."""
        return stored_answer(request, response, SCENARIO_SETS, *scenario_sets.create_scenario_set(database, wanted))

    @router.post(
        "/sets/matrix",
        status_code=201,
        summary="Upload a matrix of moves",
        response_model=ScenarioSet,
        responses=stored_responses(ScenarioSet, 400, 404, 413, 415),
        openapi_extra=upload_body(csv=_EXAMPLE_MATRIX_FILE, document=_EXAMPLE_MATRIX),
    )
    async def upload_matrix(
        request: Request,
        response: Response,
        name: Annotated[str, Query(max_length=200, description="Name that means this content from now on; default: the file's name.")] = "",
        numeraire: Annotated[CurrencyCode, Query(description="Currency of the FX moves, if the file does not name it.")] = "USD",
        market: Annotated[str | None, Query(description="Refuse factors that this market (id or name) lacks.")] = None,
        description: Annotated[str, Query(max_length=2000, description="Where the moves come from.")] = "",
        rates_unchecked: RatesUnchecked = False,
    ) -> ScenarioSet:
        """The column `scenario` has the names; every other column is a factor. `zero/EUR-GOVT/5Y relative` heads relative moves."""
        async with gate.receive(request) as upload:
            scenario_set, created = await run_in_threadpool(
                scenario_sets.upload_matrix,
                database,
                upload.content,
                format=upload.format,
                name=name or upload.stem,
                definition=MatrixDefinition(numeraire=numeraire, description=description),
                market=market,
                rates_unchecked=rates_unchecked,
            )
        return stored_answer(request, response, SCENARIO_SETS, scenario_set, created)

    add_snapshot_routes(
        router,
        database,
        SCENARIO_SETS,
        describe=scenario_sets.describe_scenario_set,
        list_operation="list_sets",
        description="Its definition, and the names of its scenarios and factors (the first thousand).",
    )

    @router.get(
        "/sets/{scenario_set}/matrix",
        summary="Download the moves",
        response_class=Response,
        responses={200: {"content": {kind.media_type: {} for kind in _MATRIX_FORMATS}}, **error_responses(404, 406)},
    )
    def download_matrix(request: Request, scenario_set: str, asked: FormatQuery = None) -> Response:
        """One row per scenario, one column per factor; an upload of the file returns the same set."""
        kind = negotiated(request, asked, offered=_MATRIX_FORMATS)
        record = snapshots.get(database, SCENARIO_SETS, scenario_set)
        body = write_matrix(scenario_sets.load_matrix(database, record.scenario_set_id), format=kind.value)
        return file_answer(body, kind, record.scenario_set_id, record.content_hash)

    return router


def _history_router(database: Database) -> APIRouter:
    """Routes of market histories."""
    router = APIRouter(tags=["market histories"])
    gate = UploadGate(UPLOADS_AT_ONCE)

    @router.post(
        "/histories",
        status_code=201,
        summary="Store a market history",
        response_model=MarketHistory,
        responses=stored_responses(MarketHistory, 400, 413, 415),
        openapi_extra=upload_body(csv=_EXAMPLE_HISTORY),
    )
    async def upload_history(
        request: Request,
        response: Response,
        name: Annotated[str, Query(max_length=200, description="Name that means this content from now on; default: the file's name.")] = "",
        numeraire: Annotated[CurrencyCode, Query(description="Currency of the FX prices, if the file does not name it.")] = "USD",
        rates_unchecked: RatesUnchecked = False,
    ) -> MarketHistory:
        """CSV or Parquet: `date` and one column a factor, or the columns `date`, `factor`, `value`. Missing values are allowed; the
        gap policy of a scenario set says how it treats them."""
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
        summary="Create a demo history",
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
        description="With its gaps: missing values by factor, and the longest gap between dates.",
    )

    @router.get(
        "/histories/{history}/levels",
        summary="Download the levels",
        response_class=Response,
        responses={200: {"content": {kind.media_type: {} for kind in _HISTORY_FORMATS}}, **error_responses(404, 406)},
    )
    def download_levels(request: Request, history: str, asked: FormatQuery = None) -> Response:
        """One row per date, one column per factor; an upload of the file returns the same history."""
        kind = negotiated(request, asked, offered=_HISTORY_FORMATS)
        record = snapshots.get(database, HISTORIES, history)
        levels = uploads.load_history(database, record.history_id)
        return file_answer(write_history(levels, format=kind.value), kind, record.history_id, record.content_hash)

    return router


def _hierarchy_router(database: Database) -> APIRouter:
    """Routes of hierarchies."""
    router = APIRouter(tags=["hierarchies"])
    responses = stored_responses(StoredHierarchy, 400)

    @router.post("/hierarchies", status_code=201, summary="Store a hierarchy", responses=responses)
    def create_hierarchy(request: Request, response: Response, document: HierarchyDocument) -> StoredHierarchy:
        """Refused if it has a cycle or a node from which no path leads to the root; `errors` names each."""
        return stored_answer(request, response, HIERARCHIES, *uploads.store_hierarchy(database, document))

    add_snapshot_routes(router, database, HIERARCHIES, describe=uploads.describe_hierarchy, list_operation="list_stored_hierarchies")
    return router


def create_app(settings: Settings, database: Database) -> FastAPI:
    """The scenarios service."""
    routers = [_set_router(database), _history_router(database), _hierarchy_router(database)]
    return create_service("scenarios", description=DESCRIPTION, settings=settings, database=database, routers=routers, takes_files=True)


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    return serve_application("scenarios", create_app)
