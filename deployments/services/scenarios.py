"""Scenarios over HTTP: scenario sets, and beside them the market histories they come from and the hierarchies they are read by."""

import json
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, FastAPI, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from deployments.http.downloads import Format, FormatQuery, file_answer, negotiated
from deployments.http.errors import error_responses
from deployments.http.limits import UPLOADS_AT_ONCE
from deployments.http.paging import OffsetPage
from deployments.http.service import create_service
from deployments.http.serving import serve_application
from deployments.http.uploads import RatesUnchecked, Upload, UploadGate, required_name, upload_body
from deployments.services.hierarchies import create_hierarchy_router
from deployments.services.histories import create_history_router
from pricers.market.market import Market
from riskray.config import Settings
from riskray.errors import InvalidRequest, NotFound
from riskray.market.build import build_market
from riskray.market.stored import stored_market
from riskray.models.common import CurrencyCode, Page
from riskray.models.scenario import (
    MatrixDefinition,
    ScenarioDefinition,
    ScenarioSet,
    ScenarioSetDetail,
    ScenarioSetRequest,
    StressDefinition,
)
from riskray.scenario.bind import bind
from riskray.scenario.codec import ScenarioMatrix, content_hash, decode, encode, write_matrix
from riskray.scenario.compile import compile_scenarios
from riskray.scenario.history import decode as decode_history
from riskray.scenario.matrix import read_matrix
from riskray.store.database import Database
from riskray.store.markets import MarketRecord, get_market, get_market_document
from riskray.store.scenarios import (
    ScenarioSetRecord,
    delete_scenario_set,
    get_history,
    get_history_payload,
    get_scenario_set,
    get_scenario_set_content,
    insert_scenario_set,
    list_scenario_sets,
)

if TYPE_CHECKING:
    from ray.serve import Application

DESCRIPTION = """
A scenario set is a matrix of factor moves: named scenarios down, factors (`zero/<curve>/<pillar>`, `spread/<curve>/<pillar>`, `credit`,
`fx/<CCY>`) across. It is made of stress shocks, of the moves of a market history, by Monte Carlo from a history, or uploaded. It is
immutable and known by the hash of its moves. A run with a scenario set stores P&L vectors, from which VaR, ES and stress results are
read. Wherever a set, a history or a hierarchy is asked for, give its id or its name; a name means its last upload.
"""
NAMES_SHOWN_MAX = 1000
_FORMATS = (Format.JSON, Format.CSV, Format.PARQUET, Format.ARROW)

_EXAMPLE_CSV = "scenario,zero/EUR-GOVT/10Y,fx/EUR\ncrash,-0.0100,-0.08\nrally,0.0050,0.04\n"
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


def scenario_set_model(record: ScenarioSetRecord) -> ScenarioSet:
    """A stored set as the API describes it."""
    fields = {name: getattr(record, name) for name in ScenarioSet.model_fields}
    return ScenarioSet(**{**fields, "content_hash": record.content_hash.hex()})


def _market(database: Database, market: str, *, base_currency: str) -> tuple[MarketRecord, Market]:
    record = get_market(database, market=market)
    document = stored_market(get_market_document(database, market_id=record.market_id))
    return record, build_market(document, base_currency=base_currency)


def create_set(database: Database, request: ScenarioSetRequest) -> tuple[ScenarioSet, bool]:
    """Compile a definition against a market and store it; the set and whether it is new.

    Raises NotFound for the market or the history, InvalidRequest where the definition does not fit them.
    """
    definition, name = request.definition, required_name(request.name, "scenario set")
    if isinstance(definition, MatrixDefinition):
        message = "a matrix is uploaded as a file: POST it to /sets/matrix as CSV, Parquet or JSON"
        raise InvalidRequest(message, [{"loc": ["definition", "kind"], "msg": message, "code": "not_allowed"}])
    history = None
    numeraire = definition.numeraire if isinstance(definition, StressDefinition) else ""
    if not isinstance(definition, StressDefinition):
        stored = get_history(database, history=definition.history)
        history = decode_history(get_history_payload(database, history_no=stored.history_no))
        definition = definition.model_copy(update={"history": stored.history_id})
        numeraire = history.numeraire
    record, market = _market(database, request.market, base_currency=numeraire)
    matrix = compile_scenarios(definition, market=market, history=history)
    return _store(database, name, definition, matrix, market_id=record.market_id)


def _store(
    database: Database, name: str, definition: ScenarioDefinition, matrix: ScenarioMatrix, *, market_id: str | None
) -> tuple[ScenarioSet, bool]:
    record, created = insert_scenario_set(
        database,
        name=name,
        content_hash=content_hash(matrix),
        kind=definition.kind,
        definition=definition.model_dump_json(),
        market_id=market_id,
        scenario_count=len(matrix.labels),
        factor_count=len(matrix.factors),
        payload=encode(matrix),
    )
    return scenario_set_model(record), created


def _store_matrix(
    database: Database, upload: Upload, name: str, definition: MatrixDefinition, market: str | None, rates_unchecked: bool
) -> tuple[ScenarioSet, bool]:
    matrix = read_matrix(upload.content, format=upload.format, numeraire=definition.numeraire, rates_unchecked=rates_unchecked)
    definition = definition.model_copy(update={"numeraire": matrix.numeraire})  # the file may say itself
    market_id = None
    if market is not None:
        record, view = _market(database, market, base_currency=matrix.numeraire)
        bind(matrix, market=view)  # refuses factors that the market has not got
        market_id = record.market_id
    return _store(database, name, definition, matrix, market_id=market_id)


def _unmoved(database: Database, record: ScenarioSetRecord, matrix: ScenarioMatrix) -> tuple[str, ...] | None:
    if record.market_id is None:
        return None
    try:
        _, market = _market(database, record.market_id, base_currency=matrix.numeraire)
    except NotFound:
        return None
    return bind(matrix, market=market).untouched


def _detail(database: Database, scenario_set: str) -> ScenarioSetDetail:
    record = get_scenario_set(database, scenario_set=scenario_set)
    definition, payload = get_scenario_set_content(database, scenario_set_no=record.scenario_set_no)
    matrix = decode(payload)
    return ScenarioSetDetail.model_validate(
        {
            **scenario_set_model(record).model_dump(),
            "definition": json.loads(definition),
            "numeraire": matrix.numeraire,
            "labels": matrix.labels[:NAMES_SHOWN_MAX],
            "factors": [factor.header for factor in matrix.factors[:NAMES_SHOWN_MAX]],
            "unmoved": _unmoved(database, record, matrix),
        }
    )


def create_set_router(database: Database) -> APIRouter:
    """Routes of scenario sets."""
    router = APIRouter(tags=["scenario sets"])
    gate = UploadGate(UPLOADS_AT_ONCE)
    known: dict[int | str, dict[str, Any]] = {200: {"model": ScenarioSet, "description": "These moves are stored already."}}

    def created_answer(request: Request, response: Response, stored: ScenarioSet, created: bool) -> ScenarioSet:
        response.status_code = 201 if created else 200
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/sets/{stored.scenario_set_id}"
        return stored

    @router.post("/sets", status_code=201, summary="Make a scenario set", responses={**known, **error_responses(400, 404)})
    def define_scenario_set(
        request: Request, response: Response, wanted: Annotated[ScenarioSetRequest, Body(openapi_examples=_EXAMPLES)]
    ) -> ScenarioSet:
        """Stress shocks, moves of a history, or Monte Carlo from a history: compiled now, against the curves and pillars of a market."""
        return created_answer(request, response, *create_set(database, wanted))

    @router.post(
        "/sets/matrix",
        status_code=201,
        summary="Upload a matrix of moves",
        response_model=ScenarioSet,
        responses={**known, **error_responses(400, 404, 413, 415)},
        openapi_extra=upload_body(csv=_EXAMPLE_CSV, document=_EXAMPLE_MATRIX),
    )
    async def upload_matrix(
        request: Request,
        response: Response,
        name: Annotated[str, Query(max_length=200, description="Name that means this content from now on; default: the file's name.")] = "",
        numeraire: Annotated[CurrencyCode, Query(description="Currency of the FX moves, where the file does not say itself.")] = "USD",
        market: Annotated[str | None, Query(description="Refuse factors that this market (id or name) has not got.")] = None,
        description: Annotated[str, Query(max_length=2000, description="Where the moves come from.")] = "",
        rates_unchecked: RatesUnchecked = False,
    ) -> ScenarioSet:
        """The column `scenario` has the names; every other column is a factor. `zero/EUR-GOVT/5Y relative` heads relative moves."""
        async with gate.receive(request) as upload:
            chosen = required_name(name or upload.stem, "scenario set")
            definition = MatrixDefinition(numeraire=numeraire, description=description)
            stored, created = await run_in_threadpool(_store_matrix, database, upload, chosen, definition, market, rates_unchecked)
        return created_answer(request, response, stored, created)

    @router.get("/sets", summary="List uploads of scenario sets, newest first")
    def list_sets(
        page: OffsetPage, name: Annotated[str | None, Query(description="Only uploads under this name.")] = None
    ) -> Page[ScenarioSet]:
        records, total = list_scenario_sets(database, offset=page.offset, limit=page.limit, name=name)
        return page.page([scenario_set_model(record) for record in records], total)

    @router.get("/sets/{scenario_set}", summary="Describe a scenario set", responses=error_responses(404))
    def describe_scenario_set(scenario_set: str) -> ScenarioSetDetail:
        """How it was made, and the names of its scenarios and factors (the first thousand)."""
        return _detail(database, scenario_set)

    @router.get(
        "/sets/{scenario_set}/matrix",
        summary="Download the moves",
        response_class=Response,
        responses={200: {"content": {kind.media_type: {} for kind in _FORMATS}}, **error_responses(404, 406)},
    )
    def download_matrix(request: Request, scenario_set: str, asked: FormatQuery = None) -> Response:
        """One row a scenario, one column a factor; uploading the file again gives the same set."""
        kind = negotiated(request, asked, offered=_FORMATS)
        record = get_scenario_set(database, scenario_set=scenario_set)
        _, payload = get_scenario_set_content(database, scenario_set_no=record.scenario_set_no)
        return file_answer(write_matrix(decode(payload), format=kind.value), kind, record.scenario_set_id, record.content_hash)

    @router.delete("/sets/{scenario_set}", status_code=204, summary="Delete a set no run uses", responses=error_responses(404, 409))
    def remove_scenario_set(scenario_set: str) -> None:
        """Its names are deleted with it; given one of several names, only that name is deleted."""
        delete_scenario_set(database, scenario_set=scenario_set)

    return router


def create_app(settings: Settings, database: Database) -> FastAPI:
    """The scenarios service."""
    routers = [create_set_router(database), create_history_router(database), create_hierarchy_router(database)]
    return create_service("scenarios", description=DESCRIPTION, settings=settings, database=database, routers=routers, takes_files=True)


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    return serve_application("scenarios", create_app)
