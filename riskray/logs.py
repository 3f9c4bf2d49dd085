"""Structured logs: each event is one JSON object (or one console line) on stderr, with the bound fields and without secrets.

Fields are bound for a block, for instance with `bound(run_id=...)` or `bound(request_id=...)`, and every event in the block has them.
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

# Binds fields for the duration of a `with` block, in this thread or task.
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
    """Replace values whose names mark them as secret, and passwords and tokens in text (a traceback may contain a connection string)."""
    for name, value in event.items():
        event[name] = REDACTED if _SECRET_NAME.search(name) else _redacted(value)
    return event


def configure_logs(settings: Settings, *, component: str) -> None:
    """Configure the logs of this process, and its traces if the settings name an exporter.

    `component` names the process in every line, for instance `runs` or `pricer`. Lines within a trace carry its `trace_id`.
    """
    configure_tracing(settings, component=component)
    renderer: list[Processor] = (
        [structlog.processors.format_exc_info, redact_secrets, structlog.processors.JSONRenderer()]
        if settings.log_format == "json"
        else [
            structlog.processors.format_exc_info,  # as text, because a renderer of exceptions would print the values of local variables
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
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # looked up at each call, in case the stream is replaced
        cache_logger_on_first_use=False,
    )


def _component_processor(component: str) -> Processor:
    def add_component(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("component", component)
        return event

    return add_component
