"""Turns a service into a Ray Serve application: its parts are created inside the replica, so that only names cross processes."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from deployments.http.limits import REQUESTS_AT_ONCE, deployment_options
from deployments.http.middleware import PROXY_ADDS_REQUEST_ID
from riskray.config import Settings
from riskray.logs import configure_logs
from riskray.stack.address import require_safe_address
from riskray.store.database import Database

if TYPE_CHECKING:
    from ray.serve import Application

CreateApp = Callable[[Settings, Database], FastAPI]


def serve_application(name: str, create_app: CreateApp, *, requests_at_once: int = REQUESTS_AT_ONCE) -> "Application":
    """The application to deploy. `create_app` is called once in every replica, with the replica's own settings and database."""
    from ray import serve  # the import takes seconds, and a test of the services does not need it

    def build_app() -> FastAPI:
        return replica_app(name, create_app)

    replica = serve.ingress(build_app)()
    deployment: Any = serve.deployment(replica, name=name, **deployment_options(requests_at_once=requests_at_once))
    application: Application = deployment.bind()
    return application


def replica_app(name: str, create_app: CreateApp) -> FastAPI:
    """The service in its replica. Raises StackError if other machines could reach it and no token is set."""
    from riskray.grid.telemetry import watch_database  # its metrics are Ray's

    settings = Settings()
    configure_logs(settings, component=name)
    require_safe_address(settings, host=_proxy_host())
    database = Database(settings, application_name=f"riskray {name}")
    app = create_app(settings, database)
    setattr(app.state, PROXY_ADDS_REQUEST_ID, True)
    watch_database(database, component=name)
    return app


def _proxy_host() -> str:
    """The address of Serve's proxy: from the file with `serve deploy` and a RayService, from the settings with `riskray up`."""
    from ray.serve.context import _get_global_client

    client: Any = _get_global_client()
    return str(client.http_config.host)
