"""The page at `/`: where each service and its documentation are."""

from html import escape
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse

from deployments.http.service import create_service
from deployments.http.serving import serve_application
from riskray import __version__
from riskray.config import Settings
from riskray.store.database import Database

if TYPE_CHECKING:
    from ray.serve import Application

SERVICES = {
    "market-data": "Market snapshots: curves, spread curves and exchange rates of one date.",
    "portfolios": "Portfolio snapshots and the products that can be priced.",
    "scenarios": "Scenario sets, market histories, and hierarchies to read results by.",
    "runs": "Value a portfolio under a market: submit, watch, cancel.",
    "results": "What runs found: totals, roll-ups, ladders, positions, failures, explanations.",
    "pricing": "Price positions that are not stored, in one call.",
}

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;color:#1b1f24}"
    "td{padding:.3rem 1rem .3rem 0;vertical-align:top}a{color:#0550ae}"
)


def index_page() -> str:
    """The page's HTML."""
    rows = "".join(
        f'<tr><td><a href="/api/v1/{name}/docs">{escape(name)}</a></td><td>{escape(what)}<br>'
        f'<a href="/api/v1/{name}/openapi.json">OpenAPI</a> · <a href="/api/v1/{name}/health/deep">health</a></td></tr>'
        for name, what in SERVICES.items()
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>riskray</title>'
        f"<style>{_STYLE}</style></head><body><h1>riskray {escape(__version__)}</h1>"
        "<p>A compiler for portfolios: every measure of every position, priced on Ray, stored in Postgres.</p>"
        f"<table>{rows}</table></body></html>"
    )


def create_app(settings: Settings, database: Database) -> FastAPI:
    """The index service."""
    router = APIRouter()

    @router.get("/", response_class=HTMLResponse, include_in_schema=False)
    async def index() -> HTMLResponse:
        return HTMLResponse(index_page())

    return create_service(
        "index", description="Where everything is.", settings=settings, database=database, routers=[router], is_root_open=True
    )


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    return serve_application("index", create_app)
