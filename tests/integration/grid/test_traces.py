"""One trace from the HTTP request over the coordinator and the shards to the COPY, handed on by what each hands to the next."""

from collections import Counter
from concurrent.futures import Future
from types import SimpleNamespace
from typing import cast

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from riskray.grid.coordinator import Coordinator
from riskray.grid.dispatcher import Dispatcher
from riskray.grid.pool import PricerPool
from riskray.models.run import RunState
from riskray.store.ledger import claim_run
from riskray.store.runs import get_run
from riskray.tracing import record_spans
from tests.fixtures.stored_snapshots import bond, store_market, store_portfolio

pytestmark = pytest.mark.postgres

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


class _Reference(Future):
    def future(self):
        return self


class _Method:
    """A method of an actor that lives in this process."""

    def __init__(self, method):
        self._method = method

    def options(self, **_options):
        return self

    def remote(self, *arguments, **named):
        reference = _Reference()
        try:
            reference.set_result(self._method(*arguments, **named))
        except Exception as error:
            reference.set_exception(error)
        return reference


@pytest.fixture
def spans():
    exporter = InMemorySpanExporter()
    record_spans(SimpleSpanProcessor(exporter), component="test")
    yield exporter.get_finished_spans
    record_spans(None, component="test")


@pytest.fixture
def coordinator(api):
    """The real coordinator and dispatcher, on a pricer without Ray."""
    pricer = api.grid._pricer
    actor = SimpleNamespace(execute=_Method(pricer.execute), status=_Method(pricer.status))
    settings = api.settings.model_copy(update={"pricer_actors": 1})
    dispatcher = Dispatcher(settings, cast(PricerPool, SimpleNamespace(handle=lambda _number: actor)))
    yield Coordinator(settings, api.database, dispatcher)
    dispatcher.stop()


def _submitted(api, **headers):
    api.grid.is_asleep = True
    store_market(api.database)
    portfolio = store_portfolio(api.database, [bond(n) for n in range(6)] + [bond(6, discount_curve="EUR-X")])
    request = {"portfolio": portfolio.portfolio_id, "market": "close", "rows_per_shard": 4}
    answer = api.http.post("/api/v1/runs/", json=request, headers=headers)
    assert answer.status_code == 202
    return answer.json()["run_id"]


def _driven(api, coordinator, run_id):
    coordinator.execute(claim_run(api.database, owner=coordinator.owner, lease_s=30.0, run_id=run_id))
    return get_run(api.database, run_id=run_id)


def test_trace_reaches_from_the_request_to_the_copy(api, coordinator, spans):
    run_id = _submitted(api, traceparent=CLIENT)
    assert _driven(api, coordinator, run_id).state is RunState.PARTIAL
    recorded = [each for each in spans() if f"{each.context.trace_id:032x}" == TRACE_ID]
    by_id = {each.context.span_id: each for each in recorded}

    def line(each):
        """Names from the span to the root."""
        return [each.name, *(line(by_id[each.parent.span_id]) if each.parent.span_id in by_id else ())]

    lines = Counter(tuple(line(each)) for each in recorded)
    assert lines["POST runs",] == 1
    assert lines["shard", "run", "POST runs"] == 2
    copies = [each for each in recorded if line(each) == ["COPY", "shard", "run", "POST runs"]]
    rows: Counter[str] = Counter()
    for each in copies:
        rows[each.attributes["statement"]] += each.attributes["rows"]
    assert rows == {"copy_results": 6, "copy_failures": 1}
    shards = [each for each in recorded if each.name == "shard"]
    assert {each.attributes["run_id"] for each in shards} == {run_id}
    assert sum(each.attributes["ok"] for each in shards) == 6


def test_resumed_run_goes_on_with_the_trace_of_its_request(api, coordinator, spans):
    run_id = _submitted(api, traceparent=CLIENT)
    claimed = claim_run(api.database, owner=coordinator.owner, lease_s=30.0, run_id=run_id)
    (request,) = (each for each in spans() if each.name == "POST runs")
    assert claimed is not None
    assert claimed.traceparent == f"00-{TRACE_ID}-{request.context.span_id:016x}-01"


def test_run_without_a_trace_is_driven_without_one(api, coordinator):
    run_id = _submitted(api)
    assert _driven(api, coordinator, run_id).state is RunState.PARTIAL
    with api.database.transaction() as connection:
        assert connection.execute("SELECT traceparent FROM run").fetchone() == {"traceparent": None}
