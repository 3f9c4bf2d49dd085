"""The Python SDK against the real services, and against a server that misbehaves."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr

from pricers.measures import Measure
from riskray.client import ApiError, Client, Truncated, Unreachable
from riskray.config import Settings
from riskray.errors import Conflict, InvalidArgument, InvalidRequest, NotFound, Overloaded, StoreUnavailable, Unauthorized
from riskray.models.event import RunEvent
from riskray.models.position_result import PositionResult
from riskray.models.run import RunState
from tests.fixtures.services import API_TOKEN, Api, opened_api
from tests.fixtures.stored_snapshots import bond, fx_forward, market_document

POSITIONS = [bond(number) for number in range(10)] + [bond(90, discount_curve="EUR-X")] + [fx_forward(number) for number in range(4)]


def client_of(api: Api) -> Client:
    return Client(Settings(api_url="http://testserver"), http=api.http)


@pytest.fixture(scope="module")
def client(create_database: Callable[..., str], _template: str) -> Iterator[Client]:
    with opened_api(create_database(template=_template)) as api:
        client = client_of(api)
        client.upload_market(market_document())
        client.upload_portfolio(POSITIONS, name="desk")
        yield client


def test_run_is_submitted_watched_and_read(client: Client, tmp_path: Path) -> None:
    events: list[RunEvent] = []
    handle = client.submit(portfolio="desk", market="close", name="first")
    run = handle.wait(timeout_s=60.0, progress=events.append)
    assert run.state is RunState.PARTIAL
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    totals = handle.totals()
    assert (totals.ok_count, totals.failed_count) == (14, 1)
    assert math.fsum(row.pv_base for row in handle.rollup("book", "product")) == pytest.approx(totals.pv_base, rel=1e-14)
    assert {(row.kind, row.factor) for row in handle.sensitivities("book")} >= {("RATE", "EUR-GOVT"), ("CURRENCY", "EUR")}
    assert {row.factor for row in handle.sensitivities(kind=["RATE"], factor=["EUR-GOVT"])} == {"EUR-GOVT"}
    assert [factor.factor_no for factor in handle.factors()] == list(range(len(handle.factors())))
    assert handle.failure_summary()[0].code == "MISSING_CURVE"
    assert [row["position_id"] for row in handle.failures().to_arrow().to_pylist()] == ["BD-000090"]
    explanation = handle.explain("BD-000001")
    row = client.position(handle.run_id, "BD-000001")
    assert isinstance(row, PositionResult)
    assert math.fsum(flow.pv_base for flow in explanation.flows) == pytest.approx(row.pv_base, rel=1e-12)
    assert client.export(handle.run_id, tmp_path / "results.csv", format="csv") == 14
    assert len((tmp_path / "results.csv").read_text().splitlines()) == 15


def test_run_reuses_another_and_says_where_a_position_was_valued(client: Client) -> None:
    first = client.submit(portfolio="desk", market="close", wait_s=30)
    second = client.submit(portfolio="desk", market="close", reuse_from=first.run_id, wait_s=30)
    assert (second.run.reused_from, second.run.progress.reused_count) == (first.run_id, 14)
    assert second.positions().to_arrow().equals(first.positions().to_arrow())
    assert client.position_origin(second.run_id, "BD-000001").valued_in == first.run_id
    assert client.position_origin(second.run_id, "BD-000090").valued_in == second.run_id
    with pytest.raises(InvalidRequest, match=f"base_currency is EUR, but run {first.run_id} has USD.*submit without reuse_from"):
        client.submit(portfolio="desk", market="close", base_currency="EUR", reuse_from=first.run_id)
    with pytest.raises(Conflict, match=f"{second.run_id} reuses results of run {first.run_id}; delete that one first"):
        client.delete_run(first.run_id)


def test_results_go_into_any_data_frame_without_an_adapter(client: Client, tmp_path: Path) -> None:
    handle = client.submit(portfolio="desk", market="close", wait_s=30)
    results = handle.positions()
    table = results.to_arrow()
    assert len(results) == table.num_rows == 14
    assert pl.DataFrame(results)["pv"].to_list() == pa.table(results)["pv"].to_pylist() == results.to_pandas()["pv"].tolist()
    assert results.to_polars().height == 14
    assert pq.read_table(results.to_parquet(tmp_path / "results.parquet")).num_rows == 14
    assert table.schema.metadata[b"riskray.run_id"].decode() == handle.run_id
    assert "14 rows" in repr(results)
    assert len(handle.positions(book="BOOK-A")) < 14


def test_submit_repeats_itself_only_under_its_key(client: Client) -> None:
    first = client.submit(portfolio="desk", market="close", idempotency_key="same")
    again = client.submit(portfolio="desk", market="close", idempotency_key="same")
    other = client.submit(portfolio="desk", market="close")
    assert first.run_id == again.run_id != other.run_id


@pytest.mark.parametrize(
    "make",
    [
        lambda rows: rows,
        pa.Table.from_pylist,
        lambda rows: pl.DataFrame(rows, infer_schema_length=None),
        lambda rows: pd.DataFrame(rows),
    ],
    ids=["list", "arrow", "polars", "pandas"],
)
def test_portfolio_is_uploaded_from_whatever_is_at_hand(client: Client, make: Callable) -> None:
    positions = [bond(0), bond(1), bond(2), fx_forward(3)]
    names = dict.fromkeys(name for position in positions for name in position)
    stored = client.upload_portfolio(make([dict.fromkeys(names) | position for position in positions]), name="frame")
    assert stored.position_count == 4


def test_files_go_up_and_down_unchanged(client: Client, tmp_path: Path) -> None:
    stored = client.get_portfolio("desk")
    for kind in ("parquet", "csv", "json"):
        file = client.download_portfolio("desk", tmp_path / f"desk.{kind}", format=kind)
        assert client.upload_portfolio(file).portfolio_id == stored.portfolio_id
    market = tmp_path / "close.csv"
    market.write_bytes(client.download_market("close", format="csv"))
    assert client.upload_market(market).market_id == client.get_market("close").market_id


def test_ad_hoc_positions_are_priced(client: Client) -> None:
    answer = client.price([bond(1), bond(2, discount_curve="EUR-X")], market="close", measures=[Measure.PV])
    assert answer.results[0].values[Measure.PV] is not None
    assert [failure.code for failure in answer.failures] == ["MISSING_CURVE"]


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_number_that_is_none_is_refused_and_not_taken_for_a_blank(client: Client, number: float) -> None:
    odd = bond(1, credit_spread=number)
    with pytest.raises(InvalidRequest, match="column credit_spread: not a finite number"):
        client.price([odd], market="close")
    run_id = client.submit(portfolio="desk", market="close", wait_s=60).run_id
    with pytest.raises(InvalidRequest, match="column credit_spread: not a finite number"):
        client.what_if(run_id, add=[odd | {"position_id": "NEW"}])


def test_errors_come_back_as_the_exceptions_they_were(client: Client) -> None:
    with pytest.raises(NotFound, match="nobody"):
        client.get_portfolio("nobody")
    with pytest.raises(InvalidRequest, match="colour"):
        client.rollup(client.submit(portfolio="desk", market="close", wait_s=30).run_id, ["colour"])
    with pytest.raises(InvalidRequest) as caught:
        client.upload_portfolio([bond(1, notional="many")], name="bad")
    assert caught.value.problems[0]["loc"] == ["rows", 1, "notional"]
    with pytest.raises(InvalidRequest, match=r"\.xlsx"):
        client.upload_portfolio("book.xlsx")


def test_preflight_says_what_would_fail(client: Client) -> None:
    assert [gap.name for gap in client.preflight(portfolio="desk", market="close").gaps] == ["EUR-X"]


def test_cancelled_run_ends_the_wait(api: Api) -> None:
    client = client_of(api)
    client.upload_market(market_document())
    client.upload_portfolio(POSITIONS, name="desk")
    api.grid.is_asleep = True
    handle = client.submit(portfolio="desk", market="close")
    with pytest.raises(Conflict):
        handle.positions()
    assert handle.cancel().state is RunState.CANCELLED
    assert handle.wait(timeout_s=30.0).state is RunState.CANCELLED


# ------------------------------------------------------------------------------------------------- a server that misbehaves


def faulty(
    answers: list[httpx.Response | Exception], *, deadline_s: float = 5.0, token: str | None = None
) -> tuple[Client, list[httpx.Request]]:
    """A client of a server that returns these responses in order, and the requests that the server received."""
    requests: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    settings = Settings(api_url="http://riskray.test", api_token=SecretStr(token) if token else None)
    return Client(settings, deadline_s=deadline_s, http=httpx.Client(transport=httpx.MockTransport(handle))), requests


def error(status: int, code: str, **headers: str) -> httpx.Response:
    body = {
        "error": code,
        "detail": f"{code} it is",
        "status_code": status,
        "title": "",
        "status": status,
        "instance": "/",
        "request_id": "r-1",
    }
    return httpx.Response(status, json=body, headers=headers)


EVENTS = {"content-type": "text/event-stream"}
EMPTY_PAGE = {"data": [], "offset": 0, "limit": 50, "total": 0, "has_more": False}


@pytest.mark.parametrize(
    "failure", [error(503, "store_unavailable"), error(429, "overloaded"), error(502, "x"), httpx.ConnectError("refused")]
)
def test_read_is_repeated_after_a_failure_that_passes(failure: httpx.Response | Exception) -> None:
    client, requests = faulty([failure, httpx.Response(200, json=EMPTY_PAGE)])
    assert client.list_runs().total == 0
    assert len(requests) == 2


def test_submit_is_repeated_under_the_same_key() -> None:
    client, requests = faulty([httpx.ReadError("gone"), error(404, "not_found")])
    with pytest.raises(NotFound):
        client.submit(portfolio="p", market="m")
    keys = [request.headers["idempotency-key"] for request in requests]
    assert len(keys) == 2
    assert len(set(keys)) == 1


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (error(401, "unauthorized"), Unauthorized),
        (error(409, "conflict"), Conflict),
        (error(422, "invalid_request"), InvalidRequest),
        (error(500, "internal_error"), ApiError),
    ],
)
def test_failure_that_stays_is_not_repeated(answer: httpx.Response, expected: type[Exception]) -> None:
    client, requests = faulty([answer])
    with pytest.raises(expected):
        client.get_run("run-1")
    assert len(requests) == 1


def test_wait_that_the_server_asks_for_is_kept() -> None:
    client, requests = faulty([error(429, "overloaded", **{"Retry-After": "600"})], deadline_s=1.0)
    with pytest.raises(Overloaded):
        client.get_run("run-1")
    assert len(requests) == 1


def test_deadline_ends_the_repeating() -> None:
    client, requests = faulty([error(503, "store_unavailable") for _ in range(1000)], deadline_s=0.5)
    with pytest.raises(StoreUnavailable):
        client.get_run("run-1")
    assert 1 < len(requests) < 100


def test_long_wait_for_a_server_in_trouble_is_explained_once(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("riskray.client.transport.SILENCE_MAX_S", 0.2)
    client, _ = faulty([error(503, "store_unavailable") for _ in range(1000)], deadline_s=1.0)
    with pytest.raises(StoreUnavailable):
        client.get_run("run-1")
    (told,) = [record.getMessage() for record in caplog.records if record.name == "riskray.client"]
    assert told.startswith("store_unavailable it is; retrying for up to")


def test_nobody_there_is_said_soon_and_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riskray.client.transport.FIRST_CONNECT_PATIENCE_S", 0.2)
    client, requests = faulty([httpx.ConnectError("refused")] * 1000, deadline_s=60.0)
    with pytest.raises(Unreachable, match="riskray up"):
        client.get_run("run-1")
    assert len(requests) < 20


def test_patience_with_a_server_that_refuses_begins_when_it_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request may have been under way for long when its proxy ends."""
    now = [0.0]
    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr("riskray.client.transport.time", clock)
    monkeypatch.setattr("riskray.client.transport.FIRST_CONNECT_PATIENCE_S", 10.0)

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append(now[0])
        if len(asked) == 1:
            now[0] += 20.0
            raise httpx.ReadError("the proxy has ended")
        if now[0] < 21.0:
            raise httpx.ConnectError("refused")
        return httpx.Response(200, json=EMPTY_PAGE)

    asked: list[float] = []
    http = httpx.Client(transport=httpx.MockTransport(handle))
    client = Client(Settings(api_url="http://riskray.test"), deadline_s=60.0, http=http)
    assert client.list_runs().total == 0
    assert len(asked) > 2


def test_token_is_sent_and_shown_nowhere() -> None:
    client, requests = faulty([error(401, "unauthorized")], token=API_TOKEN)
    with pytest.raises(Unauthorized) as caught:
        client.get_run("run-1")
    assert requests[0].headers["authorization"] == f"Bearer {API_TOKEN}"
    assert API_TOKEN not in str(caught.value) + repr(client)


def arrow_stream(rows: int) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, pa.schema([("pv", pa.float64())])) as writer:
        for _ in range(rows):
            writer.write_batch(pa.record_batch({"pv": [1.0]}))
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("cut", [8, 9, 200])
def test_download_without_its_end_is_never_taken_for_whole(cut: int) -> None:
    client, _ = faulty([httpx.Response(200, content=arrow_stream(5)[:-cut])])
    with pytest.raises(Truncated):
        client.download_results("run-1")


def test_download_with_fewer_rows_than_announced_is_refused() -> None:
    client, _ = faulty([httpx.Response(200, content=arrow_stream(5), headers={"X-Row-Count": "6"})])
    with pytest.raises(Truncated, match="5 of 6"):
        client.download_results("run-1")


def test_file_of_a_broken_download_does_not_appear(tmp_path: Path) -> None:
    class Broken(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield b"position_id\n"
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")

    client, _ = faulty([httpx.Response(200, stream=Broken())])
    with pytest.raises(Truncated):
        client.export("run-1", tmp_path / "results.csv", format="csv")
    assert list(tmp_path.iterdir()) == []


def test_stream_of_events_comes_back_where_it_broke_off_and_ends_with_the_run(client: Client) -> None:
    ended = client.submit(portfolio="desk", market="close", name="ended").wait(timeout_s=60.0)

    def event(seq: int, kind: str) -> str:
        return f'id: {seq}\nevent: {kind}\ndata: {{"seq": {seq}, "at": "2024-03-28T12:00:00Z", "kind": "{kind}", "data": {{}}}}\n\n'

    class Breaking(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield event(1, "submitted").encode()
            raise httpx.ReadError("connection reset")

    rest = event(2, "claimed") + event(3, "finished") + f"event: end\ndata: {ended.model_dump_json()}\n\n"
    follower, requests = faulty([httpx.Response(200, headers=EVENTS, stream=Breaking()), httpx.Response(200, headers=EVENTS, text=rest)])
    *events, last = follower.follow("run-1")
    assert [event.seq for event in events if isinstance(event, RunEvent)] == [1, 2, 3]
    assert last == ended
    assert [request.headers["last-event-id"] for request in requests] == ["0", "1"]


def test_stream_of_events_waits_for_a_proxy_that_starts_anew(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riskray.client.transport.FIRST_CONNECT_PATIENCE_S", 0.0)
    monkeypatch.setattr("riskray.client.transport.CONNECT_PATIENCE_S", 2.0)
    ended = client.submit(portfolio="desk", market="close", name="ended").wait(timeout_s=60.0).model_dump_json()
    answers: list[httpx.Response | Exception] = [httpx.ConnectError("refused") for _ in range(1000)]
    answers[2:2] = [httpx.Response(200, headers=EVENTS, text=text) for text in (": recycled\n\n", f"event: end\ndata: {ended}\n\n")]
    follower, requests = faulty([httpx.Response(200, text=ended), *answers])
    follower.get_run("run-1")
    assert [told.model_dump_json() for told in follower.follow("run-1")] == [ended]
    assert len(requests) == 5
    with pytest.raises(Unreachable, match="riskray up"):
        list(follower.follow("run-1"))


def test_importing_the_client_loads_no_server_library() -> None:
    program = "import sys, riskray.client; print(*sorted({'ray', 'psycopg', 'fastapi', 'pandas', 'polars'} & sys.modules.keys()))"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert loaded == []


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda client: client.submit(portfolio="desk", market="close", base_currency="eur"), r"^base_currency: .*'eur'"),
        (lambda client: client.price([], market="close"), "^positions: "),
        (lambda client: client.var("run-1", confidence=1.5), "^confidences.0: .*1.5"),
        (lambda client: client.create_scenario_set("x", market="close", definition={"kind": "guess"}), "guess"),
        (lambda client: client.get_run(""), "'' is not an id or a name"),
    ],
)
def test_wrong_argument_is_refused_before_anything_is_sent(ask: Callable[[Client], object], message: str) -> None:
    client, requests = faulty([])
    with pytest.raises(InvalidArgument, match=message):
        ask(client)
    assert requests == []
