"""Rates in per cent and moves in basis points over HTTP, through the SDK and on the command line: refused, or accepted on request."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from riskray.cli import app
from riskray.client import Client
from riskray.config import Settings
from riskray.errors import InvalidRequest
from riskray.market.reader import canonical_json, parse_market, write_market
from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import bond, market_document, store_market, store_portfolio

MARKETS = "/api/v1/market-data/snapshots"
SCENARIOS = "/api/v1/scenarios"
MEDIA_TYPES = {"json": "application/json", "csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
MATRIX = "scenario,zero/EUR-GOVT/5Y\nup,100\ndown,-100\n"
HISTORY = "date,zero/EUR-GOVT/5Y\n2024-03-27,2.39\n2024-03-28,2.43\n"
LOUD = {"type": "parallel", "shift": {"bp": 10_000.0}}
CURVE = {"name": "USD-GOVT", "currency": "USD", "points": [{"tenor": "1Y", "value": 1.5}, {"tenor": "10Y", "value": 0.3}]}


def per_cent() -> dict[str, Any]:
    """The market with one curve in another unit, whose rates a market may have (below 200 %)."""
    document = market_document()
    points = document["curves"][0]["points"]
    document["curves"][0]["points"] = [{**point, "value": 0.3 + index / 100} for index, point in enumerate(points)]
    return document


def file_of(format: str) -> bytes:
    data = write_market(parse_market(per_cent() | {"rates_checked": False}), format=format)
    return data.replace(b',"rates_checked":false', b"")


@pytest.fixture
def client(api: Api, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The SDK on the services, which commands get too."""
    client = Client(Settings(api_url="http://testserver"), http=api.http)
    monkeypatch.setattr(client.transport, "close", lambda: None)
    monkeypatch.setattr("riskray.client.Client", lambda: client)
    return client


def command(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout.strip()


@pytest.mark.parametrize("format", MEDIA_TYPES)
def test_market_in_per_cent_is_refused_over_http_and_taken_where_it_is_insisted_on(api: Api, format: str) -> None:
    send = {"content": file_of(format), "headers": {"Content-Type": MEDIA_TYPES[format]}}
    refused = api.http.post(MARKETS, **send)
    assert (refused.status_code, api.http.get(MARKETS).json()["total"]) == (422, 0)
    assert "zero rate 0.3 is beyond 0.25 and looks like per cent; write 0.003" in refused.json()["errors"][0]["msg"]
    stored = api.http.post(MARKETS, params={"rates_unchecked": "true"}, **send)
    assert stored.status_code == 201
    document = api.http.get(f"{MARKETS}/close/document").json()
    again = api.http.post(MARKETS, json=document)
    assert (document["rates_checked"], again.status_code, again.json()["market_id"]) == (False, 200, stored.json()["market_id"])


def test_market_stored_before_there_was_a_net_still_serves(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its document has no word about checks: it is listed, downloaded, priced on, compiled against and shocked."""
    older = "riskray.snapshots.content.canonical_json"
    monkeypatch.setattr(older, lambda document: canonical_json(document).replace(',"rates_checked":false', ""))
    store_market(api.database, per_cent() | {"rates_checked": False})
    assert "rates_checked" not in api.http.get(f"{MARKETS}/close/document").json()
    portfolio = store_portfolio(api.database, [bond(1)])
    body = {"portfolio": portfolio.portfolio_id, "market": "close"}
    run = api.http.post("/api/v1/runs", json=body, headers={"Prefer": "wait=60"}).json()
    assert run["state"] == "SUCCEEDED"
    assert api.http.get(f"{MARKETS}/close/document", headers={"Accept": "text/csv"}).status_code == 200
    quiet = {"kind": "stress", "scenarios": [{"name": "up", "shocks": [{"type": "parallel", "shift": {"bp": 10.0}}]}]}
    assert api.http.post(f"{SCENARIOS}/sets", json={"name": "s", "market": "close", "definition": quiet}).status_code == 201
    change = {"shocks": [{"type": "parallel", "shift": {"bp": 10.0}}]}
    assert api.http.post(f"/api/v1/runs/{run['run_id']}/what-if", json={"market": change}).status_code == 200


@pytest.mark.parametrize(("path", "text"), [("sets/matrix", MATRIX), ("histories", HISTORY)])
def test_table_in_another_unit_is_refused_over_http_and_taken_where_it_is_insisted_on(api: Api, path: str, text: str) -> None:
    send = {"content": text, "headers": {"Content-Type": "text/csv"}}
    refused = api.http.post(f"{SCENARIOS}/{path}", params={"name": "own"}, **send)
    assert refused.status_code == 422
    assert "zero/EUR-GOVT/5Y" in refused.json()["errors"][0]["msg"]
    stored = api.http.post(f"{SCENARIOS}/{path}", params={"name": "own", "rates_unchecked": "true"}, **send)
    assert stored.status_code == 201
    assert api.http.get(f"{SCENARIOS}/{path.partition('/')[0]}/own").status_code == 200


def test_matrix_as_json_insists_by_itself(api: Api) -> None:
    matrix = {"factors": ["zero/EUR-GOVT/5Y"], "scenarios": [{"name": "up", "values": [100]}]}
    assert api.http.post(f"{SCENARIOS}/sets/matrix?name=own", json=matrix).status_code == 422
    assert api.http.post(f"{SCENARIOS}/sets/matrix?name=own", json=matrix | {"rates_checked": False}).status_code == 201


def test_stress_of_unlikely_size_is_refused_and_taken_where_it_is_insisted_on(api: Api) -> None:
    store_market(api.database)
    definition = {"kind": "stress", "scenarios": [{"name": "up", "shocks": [LOUD]}]}
    body = {"name": "loud", "market": "close", "definition": definition}
    refused = api.http.post(f"{SCENARIOS}/sets", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["scenarios", 0, "shocks", 0, "shift", "bp"]
    assert api.http.post(f"{SCENARIOS}/sets", json=body | {"definition": definition | {"rates_checked": False}}).status_code == 201


@pytest.mark.parametrize(("change", "place"), [({"shocks": [LOUD]}, "bp"), ({"curves": [CURVE]}, "value")])
def test_what_if_of_unlikely_size_is_refused_and_taken_where_it_is_insisted_on(
    api: Api, client: Client, tmp_path: Path, change: dict[str, Any], place: str
) -> None:
    store_market(api.database)
    portfolio = store_portfolio(api.database, [bond(1)])
    body = {"portfolio": portfolio.portfolio_id, "market": "close"}
    run_id = api.http.post("/api/v1/runs", json=body, headers={"Prefer": "wait=60"}).json()["run_id"]
    refused = api.http.post(f"/api/v1/runs/{run_id}/what-if", json={"market": change})
    assert (refused.status_code, api.http.get(MARKETS).json()["total"]) == (422, 1)
    assert refused.json()["errors"][0]["loc"][-1] == place
    taken = api.http.post(f"/api/v1/runs/{run_id}/what-if", json={"market": change | {"rates_checked": False}})
    assert taken.status_code == 200
    file = tmp_path / "change.json"
    file.write_text(json.dumps(change))
    with pytest.raises(InvalidRequest):
        CliRunner().invoke(app, ["what-if", run_id, "--market", str(file)], catch_exceptions=False)
    same = json.loads(command("what-if", run_id, "--market", str(file), "--rates-unchecked", "--json"))
    assert same["market_id"] == taken.json()["market_id"]
    file.write_text(json.dumps(change | {"rates_checked": False}))
    assert json.loads(command("what-if", run_id, "--market", str(file), "--json")) == same


Upload = Callable[..., Any]


@pytest.mark.parametrize(
    ("group", "method", "name", "content"),
    [
        ("market", "upload_market", "close.csv", file_of("csv")),
        ("market", "upload_market", "close.parquet", file_of("parquet")),
        ("scenario", "upload_scenario_matrix", "own.csv", MATRIX.encode()),
        ("history", "upload_history", "own.csv", HISTORY.encode()),
    ],
)
def test_sdk_and_command_insist_on_a_table(client: Client, tmp_path: Path, group: str, method: str, name: str, content: bytes) -> None:
    file = tmp_path / name
    file.write_bytes(content)
    upload: Upload = getattr(client, method)
    with pytest.raises(InvalidRequest, match="rates_unchecked"):
        upload(file)
    with pytest.raises(InvalidRequest, match="rates_unchecked"):
        CliRunner().invoke(app, [group, "upload", str(file)], catch_exceptions=False)
    stored = upload(file, rates_unchecked=True).model_dump()
    assert command(group, "upload", str(file), "--rates-unchecked") in stored.values()


def test_sdk_sends_the_word_of_a_document(client: Client) -> None:
    assert client.upload_market(parse_market(per_cent() | {"rates_checked": False})).market_id == client.list_markets().data[0].market_id
