"""Structured logs: one JSON object (or one console line) an event on stderr, with what is bound to it and without secrets.

Bind once, for instance `bound(run_id=...)` around a run or `bound(request_id=...)` around a request, and every line below carries it.
"""

import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars
from structlog.typing import Processor

from riskray.config import Settings
from riskray.tracing import configure_tracing

REDACTED = "[redacted]"
_SECRET_NAME = re.compile(r"token|password|passwd|secret|authorization|cookie|api_key|credential", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"(?P<before>\w+://[^\s:/@]*:)[^\s@]+(?=@)")
_PASSWORD_IN_DSN = re.compile(r"(?P<before>password['\"]?\s*[=:]\s*)('[^']*'|\"[^\"]*\"|[^\s'\"&]+)", re.IGNORECASE)
_BEARER = re.compile(r"(?P<before>\bBearer\s+)\S+", re.IGNORECASE)

# Fields for the duration of a `with` block, in this thread or task and what it calls.
bound = bound_contextvars


def _redacted(value: Any) -> Any:
    if isinstance(value, str):
        for pattern in (_PASSWORD_IN_URL, _PASSWORD_IN_DSN, _BEARER):
            value = pattern.sub(rf"\g<before>{REDACTED}", value)
        return value
    if isinstance(value, dict):
        return {name: REDACTED if _SECRET_NAME.search(str(name)) else _redacted(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(inner) for inner in value]
    return value


def redact_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values that are secret by their name, and passwords and tokens inside text (a traceback may hold a connection string)."""
    for name, value in event.items():
        event[name] = REDACTED if _SECRET_NAME.search(name) else _redacted(value)
    return event


def configure_logs(settings: Settings, *, component: str) -> None:
    """Set up the logs of this process, and its traces where the settings name an exporter.

    `component` names the process in every line, for instance `runs` or `pricer`. Lines within a trace carry its `trace_id`.
    """
    configure_tracing(settings, component=component)
    renderer: list[Processor] = (
        [structlog.processors.format_exc_info, redact_secrets, structlog.processors.JSONRenderer()]
        if settings.log_format == "json"
        else [
            structlog.processors.format_exc_info,  # as text: a renderer of its own would show the values of local variables
            redact_secrets,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback),
        ]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _component_processor(component),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # the stream of the moment, should it be replaced
        cache_logger_on_first_use=False,
    )


def _component_processor(component: str) -> Processor:
    def add_component(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("component", component)
        return event

    return add_component
