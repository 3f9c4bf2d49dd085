"""The Serve applications of `deployments/serve.yaml`, deployed from this process.

`serve deploy` and a KubeRay RayService read that file too. Here the applications are built in this process, not in one worker each, which
saves the start of six Python processes. The application without a route, which keeps the grid running, is left out, because this process
keeps the grid running itself.
"""

import importlib
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib import resources
from typing import Any

import httpx
import yaml

from riskray.config import Settings
from riskray.errors import StackError

READY_TIMEOUT_S = 120.0
POLL_S = 0.1
FAILED_STATES = ("DEPLOY_FAILED", "UNHEALTHY")


def application_names() -> list[str]:
    """Names of the applications in the file's order."""
    return [application["name"] for application in _applications()]


def application_prefixes() -> dict[str, str]:
    """Route prefix of each application."""
    return {application["name"]: application["route_prefix"] for application in _applications()}


@cache
def _configuration() -> dict[str, Any]:
    # The package is located by name, not imported: only the file's entries load the layer above.
    text = resources.files("deployments").joinpath("serve.yaml").read_text(encoding="utf-8")
    configuration: dict[str, Any] = yaml.safe_load(text)
    return configuration


def _applications() -> list[dict[str, Any]]:
    return [application for application in _configuration()["applications"] if application["route_prefix"] is not None]


def import_applications() -> None:
    """Import Ray Serve and every application; this takes seconds, so call it while other parts of the stack start."""
    importlib.import_module("ray.serve")
    for application in _applications():
        importlib.import_module(application["import_path"].partition(":")[0])


def deploy_applications(settings: Settings) -> None:
    """Start Serve's proxy on the configured address and deploy every application without waiting for it. Needs a Ray connection."""
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    configuration = _configuration()
    options = {**configuration.get("http_options", {}), "host": settings.http_host, "port": settings.http_port}
    serve.start(proxy_location=configuration["proxy_location"], http_options=options)
    targets = []
    for application in _applications():
        module, _, attribute = application["import_path"].partition(":")
        builder = getattr(importlib.import_module(module), attribute)
        bound = builder(application.get("args", {}))
        targets.append(serve.RunTarget(bound, name=application["name"], route_prefix=application["route_prefix"]))
    serve.run_many(targets, wait_for_ingress_deployment_creation=False, wait_for_applications_running=False)


def require_applications() -> None:
    """Raise StackError, with Serve's messages, if an application has failed to start. Needs a Ray connection."""
    from ray import serve

    status = serve.status()
    failed = [name for name, application in status.applications.items() if application.status in FAILED_STATES]
    if failed:
        raise StackError("\n".join([f"Serve could not start {', '.join(failed)}:", *_messages(status)]))


def _messages(status: Any) -> list[str]:
    """The end of each of Serve's messages about applications that are not running."""
    return [
        f"{name} / {deployment}: ...{state.message[-1500:]}"
        for name, application in status.applications.items()
        for deployment, state in application.deployments.items()
        if state.message
    ]


def remove_applications() -> None:
    """Remove the applications from a cluster that keeps running. Needs a Ray connection."""
    from ray import serve

    for name in application_names():
        serve.delete(name)


def deep_health(settings: Settings) -> dict[str, dict[str, Any]]:
    """The response of every service's /health/deep, or why there is none; queried in parallel, because a timeout takes long."""
    prefixes = application_prefixes()
    with ThreadPoolExecutor(len(prefixes)) as threads:
        return dict(zip(prefixes, threads.map(partial(_deep_health, settings), prefixes.values()), strict=True))


def _deep_health(settings: Settings, prefix: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {settings.api_token.get_secret_value()}"} if settings.api_token is not None else {}
    try:
        answer = httpx.get(f"{settings.base_url}{prefix.rstrip('/')}/health/deep", headers=headers, timeout=5.0, trust_env=False)
        body: dict[str, Any] = answer.json()
    except (httpx.TransportError, ValueError) as error:
        return {"status": "failing", "detail": f"{settings.base_url} does not respond ({str(error) or type(error).__name__})"}
    return body


def failing_services(settings: Settings) -> dict[str, str]:
    """Services that are not healthy, and why."""
    return {name: str(state.get("detail") or state) for name, state in deep_health(settings).items() if state.get("status") != "ok"}


def wait_until_healthy(settings: Settings) -> None:
    """Wait until every service responds and reaches its database. Raises StackError. Needs a Ray connection."""
    deadline = time.monotonic() + READY_TIMEOUT_S
    while failing := failing_services(settings):
        require_applications()
        if time.monotonic() > deadline:
            name, why = next(iter(failing.items()))
            raise StackError(f"{len(failing)} service(s) are not healthy after {READY_TIMEOUT_S:.0f} s, including {name}: {why}")
        time.sleep(POLL_S)
