"""Trace context from one process to the next, with and without an exporter."""

import json
import subprocess
import sys

import pytest
import structlog
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from riskray import tracing
from riskray.config import Settings
from riskray.logs import configure_logs
from riskray.tracing import current_traceparent, describe_span, record_spans, span

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


@pytest.fixture
def exporter():
    recorded = InMemorySpanExporter()
    record_spans(SimpleSpanProcessor(recorded), component="test")
    yield recorded
    record_spans(None, component="test")


def test_without_exporter_the_callers_context_is_handed_on_and_nothing_is_recorded():
    with span("request", parent=CALLER), span("run") as handed_on:
        assert handed_on == current_traceparent() == CALLER
    assert current_traceparent() is None


def test_without_exporter_and_caller_there_is_no_trace():
    with span("request") as handed_on:
        assert (handed_on, current_traceparent()) == (None, None)


def test_without_exporter_opentelemetry_is_not_imported():
    program = f"""
import sys
from riskray import tracing
from riskray.config import Settings
from riskray.logs import configure_logs

configure_logs(Settings(), component="test")
with tracing.span("request", parent={CALLER!r}):
    tracing.describe_span(status=200)
print([name for name in sys.modules if "opentelemetry" in name])
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_lines_within_a_trace_carry_its_id(capsys):
    configure_logs(Settings(), component="test")
    with span("request", parent=CALLER):
        structlog.get_logger().info("inside")
    structlog.get_logger().info("outside")
    inside, outside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert inside["trace_id"] == TRACE_ID
    assert "trace_id" not in outside


def test_spans_are_children_of_the_callers_span(exporter):
    with span("request", parent=CALLER, path="/runs") as request:
        describe_span(status=202)
    with span("run", parent=request):  # as another process would, from the stored context
        pass
    recorded = {each.name: each for each in exporter.get_finished_spans()}
    assert {f"{each.context.trace_id:032x}" for each in recorded.values()} == {TRACE_ID}
    assert f"{recorded['request'].parent.span_id:016x}" == "00f067aa0ba902b7"
    assert recorded["run"].parent.span_id == recorded["request"].context.span_id
    assert dict(recorded["request"].attributes) == {"path": "/runs", "status": 202}
    assert recorded["request"].resource.attributes["service.name"] == "riskray-test"


def test_error_that_leaves_a_span_is_recorded_with_it(exporter):
    with pytest.raises(ValueError, match="bad"), span("shard"):
        raise ValueError("bad")
    (recorded,) = exporter.get_finished_spans()
    assert recorded.status.status_code is StatusCode.ERROR
    assert recorded.events[0].attributes["exception.message"] == "bad"


@pytest.mark.parametrize("parent", ["", "nonsense", f"00-{'0' * 32}-00f067aa0ba902b7-01", CALLER + "-more", CALLER.upper()])
def test_malformed_traceparent_counts_as_none(parent):
    with span("request", parent=parent) as handed_on:
        assert handed_on is None


def test_exporters_are_named_by_the_settings(monkeypatch):
    recorded = []
    monkeypatch.setattr(tracing, "record_spans", lambda processor, *, component: recorded.append((type(processor).__name__, component)))
    for exporter in ("none", "console"):
        tracing.configure_tracing(Settings(trace_exporter=exporter), component="runs")
    assert recorded == [("SimpleSpanProcessor", "runs")]
