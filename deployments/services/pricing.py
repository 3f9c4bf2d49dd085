"""Ad-hoc pricing over HTTP: positions that are not stored, on actors that are warm."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI

from deployments.http.errors import error_responses
from deployments.http.limits import PRICING_REQUESTS_AT_ONCE
from deployments.http.service import create_service
from deployments.http.serving import serve_application
from pricers import SCALAR_MEASURES, Measure
from riskray.config import Settings
from riskray.extensions import load_pricers
from riskray.grid.client import Grid
from riskray.grid.messages import PricedPositions
from riskray.models.pricing import PriceAnswer, PricedPosition, PriceFailure, PriceRequest
from riskray.models.result import RiskFactor
from riskray.portfolio.reader import positions_table
from riskray.store.database import Database

if TYPE_CHECKING:
    from ray.serve import Application

DESCRIPTION = """
Prices positions that are not stored against a stored market, in one call and in milliseconds. Nothing is written. A position that
cannot be valued is in `failures` with its reason; one that is malformed refuses the request.
"""


def _answer(request: PriceRequest, priced: PricedPositions) -> PriceAnswer:
    numbers = [measure for measure in request.measures if measure in SCALAR_MEASURES]
    return PriceAnswer(
        market=request.market,
        market_id=priced.market_id,
        as_of=priced.as_of,
        base_currency=request.base_currency,
        factors=[RiskFactor.model_validate({"factor_no": number, **asdict(factor)}) for number, factor in priced.factors.items()],
        results=[
            PricedPosition(
                position_id=row["position_id"],
                product=row["product"],
                values={measure: row[measure] for measure in numbers},
                factor_nos=row["factor_nos"],
                sensitivities=row["sensitivities"],
            )
            for row in priced.results.to_pylist()
        ],
        failures=[PriceFailure(**{name: row[name] for name in PriceFailure.model_fields}) for row in priced.failures.to_pylist()],
    )


def create_router(grid: Grid) -> APIRouter:
    """The service's routes."""
    router = APIRouter(tags=["pricing"])

    @router.post("/price", summary="Price positions", responses=error_responses(400, 404))
    async def price(request: PriceRequest) -> PriceAnswer:
        read = positions_table(request.positions)
        measures = frozenset([Measure.PV, Measure.PV_BASE, *request.measures])
        priced = await grid.price(read.tables, market=request.market, measures=measures, base_currency=request.base_currency)
        return _answer(request, priced)

    return router


def create_app(settings: Settings, database: Database, grid: Grid) -> FastAPI:
    """The pricing service."""
    load_pricers(settings)
    return create_service("pricing", description=DESCRIPTION, settings=settings, database=database, routers=[create_router(grid)])


def _create_in_replica(settings: Settings, database: Database) -> FastAPI:
    return create_app(settings, database, Grid(settings))


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    return serve_application("pricing", _create_in_replica, requests_at_once=PRICING_REQUESTS_AT_ONCE)
