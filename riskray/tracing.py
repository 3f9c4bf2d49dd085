"""Traces across processes: HTTP request → run → shard → COPY, linked by the W3C `traceparent`.

With an exporter (`RISKRAY_TRACE_EXPORTER`), OpenTelemetry records every span. Without one, no span is recorded and OpenTelemetry is not
imported; riskray still passes a client's `traceparent` from process to process, so that the log lines of its request, its run and its
shards have the `trace_id`.
"""

import re
import sys
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from structlog.contextvars import bound_contextvars

from riskray import __version__
from riskray.config import Settings
from riskray.errors import StackError

_TRACEPARENT = re.compile(r"00-(?P<trace_id>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

_current: ContextVar[str | None] = ContextVar("riskray_traceparent", default=None)
_tracer: Any = None  # one per process, as for logs


def configure_tracing(settings: Settings, *, component: str) -> None:
    """Record this process's spans, if the settings name an exporter. Raises StackError if its package is not installed.

    OpenTelemetry's own variables, OTEL_EXPORTER_OTLP_* and OTEL_TRACES_SAMPLER*, set the destination of the spans and the sampling.
    """
    if settings.trace_exporter == "none":
        return
    from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor

    if settings.trace_exporter == "console":
        record_spans(SimpleSpanProcessor(ConsoleSpanExporter(out=sys.stderr)), component=component)
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError:
        message = "RISKRAY_TRACE_EXPORTER=otlp needs a package; install it with: pip install opentelemetry-exporter-otlp-proto-http"
        raise StackError(message) from None
    record_spans(BatchSpanProcessor(OTLPSpanExporter()), component=component)


def record_spans(processor: Any, *, component: str) -> None:
    """Pass this process's spans to an OpenTelemetry span processor from now on; None stops this."""
    global _tracer
    if processor is None:
        _tracer = None
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider

    provider = TracerProvider(resource=Resource.create({"service.name": f"riskray-{component}", "service.version": __version__}))
    provider.add_span_processor(processor)
    _tracer = provider.get_tracer("riskray", __version__)


def current_traceparent() -> str | None:
    """The traceparent of the current span of this thread or task, or of its caller; None outside a trace."""
    return _current.get()


@contextmanager
def span(name: str, *, parent: str | None = None, **attributes: Any) -> Generator[str | None, None, None]:
    """Run the block in a span, a child of `parent` or else of the current span. Yields the traceparent to pass to other processes.

    An exception that leaves the block is recorded with the span. A `parent` that is not a valid traceparent is ignored.
    """
    if parent is not None and _TRACEPARENT.fullmatch(parent) is None:
        parent = None
    inherited = parent or _current.get()
    if _tracer is None:
        if inherited is None:
            yield None
        else:
            with _carried(inherited):
                yield inherited
        return
    with _tracer.start_as_current_span(name, context=_context_of(inherited), attributes=attributes) as recorded:
        context = recorded.get_span_context()
        own = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
        with _carried(own):
            yield own


def describe_span(**attributes: Any) -> None:
    """Add attributes to the current span, if it is recorded."""
    if _tracer is not None:
        from opentelemetry.trace import get_current_span

        get_current_span().set_attributes(attributes)


def _context_of(traceparent: str | None) -> Any:
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    # Without a traceparent the context is empty: spans belong to riskray's trace, not to one that another library has opened.
    return Context() if traceparent is None else TraceContextTextMapPropagator().extract({"traceparent": traceparent}, context=Context())


@contextmanager
def _carried(traceparent: str) -> Generator[None, None, None]:
    token = _current.set(traceparent)
    try:
        with bound_contextvars(trace_id=traceparent.split("-")[1]):
            yield
    finally:
        _current.reset(token)
