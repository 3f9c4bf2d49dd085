"""The Serve applications of `cluster/serve.yaml`, deployed from this process.

The file is the one that `serve deploy` and a KubeRay RayService take. Here the applications are built in this process instead of in
one worker each, which saves the start of six Python processes.
"""

import importlib
import logging
from pathlib import Path
from typing import Any

import yaml

from riskray.config import Settings
from riskray.errors import StackError

CONFIG_FILE = Path(__file__).resolve().parents[2] / "cluster" / "serve.yaml"


def application_names() -> list[str]:
    """Names of the applications in the file's order."""
    return [application["name"] for application in _configuration()["applications"]]


def application_prefixes() -> dict[str, str]:
    """Route prefix of each application."""
    return {application["name"]: application["route_prefix"] for application in _configuration()["applications"]}


def _configuration() -> dict[str, Any]:
    if not CONFIG_FILE.exists():
        raise StackError(f"{CONFIG_FILE} is missing; run riskray from a checkout")
    configuration: dict[str, Any] = yaml.safe_load(CONFIG_FILE.read_text(encoding="utf-8"))
    return configuration


def preload_serve() -> None:
    """Import Ray Serve, which takes seconds, while there is something else to wait for."""
    importlib.import_module("ray.serve")


def deploy_applications(settings: Settings) -> None:
    """Start Serve's proxy on the configured address and run every application; returns when all are up. Needs a Ray connection."""
    from ray import serve

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    configuration = _configuration()
    options = {**configuration.get("http_options", {}), "host": settings.http_host, "port": settings.http_port}
    serve.start(proxy_location=configuration["proxy_location"], http_options=options)
    targets = []
    for application in configuration["applications"]:
        module, _, attribute = application["import_path"].partition(":")
        builder = getattr(importlib.import_module(module), attribute)
        targets.append(
            serve.RunTarget(builder(application.get("args", {})), name=application["name"], route_prefix=application["route_prefix"])
        )
    try:
        serve.run_many(targets)
    except RuntimeError as error:
        raise StackError("\n".join([f"the Serve applications did not start: {error}", *_messages(serve.status())])) from error


def _messages(status: Any) -> list[str]:
    """What Serve says of the applications that are not running, the end of each message."""
    return [
        f"{name} / {deployment}: ...{state.message[-1500:]}"
        for name, application in status.applications.items()
        for deployment, state in application.deployments.items()
        if state.message
    ]


def remove_applications() -> None:
    """Take the applications off a cluster that goes on running. Needs a Ray connection."""
    from ray import serve

    for name in application_names():
        serve.delete(name)
