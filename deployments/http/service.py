"""The factory of services: `create_service` creates every HTTP application of riskray."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from fastapi import APIRouter, Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse

from deployments.http.answer_examples import add_answer_examples
from deployments.http.documentation import add_documentation
from deployments.http.errors import REQUEST_ID_HEADER, RETRY_AFTER_S, document_json_bodies, error_responses, install_error_handlers
from deployments.http.middleware import RequestGate
from deployments.http.parameters import require_known_parameters
from riskray import __version__
from riskray.config import Settings
from riskray.errors import StoreError
from riskray.models.glossary import describe_parameters
from riskray.models.health import DeepHealth, Health
from riskray.store.database import Database
from riskray.store.health import database_health

log = structlog.get_logger(__name__)

_API_DESCRIPTION = """
All errors have one shape: `{"error": "<code>", "detail": "...", "status_code": 404, ...}`, also available as
`application/problem+json` by `Accept`. Every response has the header `X-Request-ID`; a value that you send appears in the logs.
If a token is configured, send `Authorization: Bearer <token>`.
"""


_HEALTH_GROUP = "health"


def create_service(
    title: str,
    *,
    description: str,
    settings: Settings,
    database: Database,
    routers: Sequence[APIRouter],
    on_shutdown: Callable[[], None] | None = None,
    takes_files: bool = False,
    is_root_open: bool = False,
) -> FastAPI:
    """Create a FastAPI application with the CORS, health, errors, request ids, auth, limits, logs and OpenAPI of every service.

    `title` is the service's short name (`runs`). `on_shutdown` releases the caller's resources; the database is closed here.
    `takes_files`: bodies may be as large as the settings' largest upload. `is_root_open`: the service's own address (`/`) requires no
    token, because it is a page for browsers.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        if on_shutdown is not None:
            on_shutdown()
        database.close()

    app = FastAPI(
        title=f"riskray {title}",
        description=f"{description}\n{_API_DESCRIPTION}",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        responses=error_responses(),
        generate_unique_id_function=lambda route: route.name,
        license_info={"name": "Apache-2.0"},
    )
    add_documentation(app)  # first: `/{portfolio}` would take its path
    all_routers = [_health_router(title, database), *routers]
    for router in all_routers:
        app.include_router(router, dependencies=[Depends(require_known_parameters)])
    app.state.routes = [route for router in all_routers for route in router.routes]
    install_error_handlers(app)
    _complete_document(app, settings)
    # The middleware added last is the outermost, so that a refused request gets CORS headers and a browser can read the reason.
    app.add_middleware(RequestGate, settings=settings, service=title, takes_files=takes_files, is_root_open=is_root_open)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=[
                "Authorization",
                "Content-Type",
                "Idempotency-Key",
                "Prefer",
                "If-None-Match",
                "Last-Event-ID",
                REQUEST_ID_HEADER,
            ],
            expose_headers=["ETag", "Location", "Retry-After", "Preference-Applied", "X-Row-Count", REQUEST_ID_HEADER],
        )
    return app


def _health_router(service: str, database: Database) -> APIRouter:
    router = APIRouter(tags=[_HEALTH_GROUP])

    @router.get("/health", summary="Check that the process responds")
    async def health() -> Health:
        return Health(service=service, version=__version__)

    @router.get(
        "/health/deep",
        summary="Check that all dependencies respond",
        responses={503: {"model": DeepHealth, "description": "The database cannot be reached or is not migrated."}},
    )
    def deep_health() -> JSONResponse:
        started = time.perf_counter()
        try:
            state = database_health(database)
            healthy = bool(state["migrated"])
        except StoreError as error:
            state, healthy = {"error": error.code, "detail": str(error)}, False
        body = DeepHealth(
            status="ok" if healthy else "failing",
            service=service,
            version=__version__,
            database={"target": database.target, **state},
            seconds=round(time.perf_counter() - started, 6),
        )
        headers = {} if healthy else {"Retry-After": str(RETRY_AFTER_S)}
        return JSONResponse(body.model_dump(mode="json"), status_code=200 if healthy else 503, headers=headers)

    return router


def _complete_document(app: FastAPI, settings: Settings) -> None:
    """Make the OpenAPI document describe every parameter, show every response, and state the bearer token if one is required."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            schema = get_openapi(
                title=app.title, version=app.version, description=app.description, routes=app.routes, license_info=app.license_info
            )
            describe_parameters(schema)
            document_json_bodies(schema)
            # Pages show the groups in this order. Health routes are registered first only because `/{portfolio}` would match their path.
            groups = dict.fromkeys(tag for methods in schema["paths"].values() for each in methods.values() for tag in each.get("tags", ()))
            schema["tags"] = [{"name": name} for name in sorted(groups, key=lambda name: name == _HEALTH_GROUP)]
            add_answer_examples(schema)
            if settings.api_token is not None:
                schema.setdefault("components", {})["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
                schema["security"] = [{"bearer": []}]
            app.openapi_schema = schema
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document
