"""Fixing tables over HTTP, through the SDK and on the command line; the markets that read them; and the indices of a market."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from riskray.cli import app
from riskray.client import Client
from riskray.config import Settings
from riskray.errors import Conflict, InvalidRequest, NotFound
from riskray.runs import fixings
from riskray.snapshots.content import fixings_content
from riskray.snapshots.kinds import FIXINGS
from riskray.store import snapshots
from riskray.store.checks import check_invariants
from riskray.store.database import Database
from riskray.store.markets import load_market, read_fixings
from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import market_document

URL = "/api/v1/market-data/fixings"
MARKETS = "/api/v1/market-data/snapshots"
CSV = {"Content-Type": "text/csv"}
HEADER = "index,fixing_date,value,source,published_at\n"
MARCH = f"{HEADER}EUR-EURIBOR-6M,2024-03-27,0.0385,EMMI,\nUSD-SOFR,2024-03-26,0.0533,,2024-03-27\n"
LATER = f"{HEADER}EUR-EURIBOR-6M,2024-03-28,0.03851,EMMI,\nEUR-EURIBOR-6M,2024-04-02,0.0384,EMMI,\n"


@pytest.fixture
def client(api: Api, monkeypatch: pytest.MonkeyPatch) -> Client:
    client = Client(Settings(api_url="http://testserver"), http=api.http)
    monkeypatch.setattr(client.transport, "close", lambda: None)
    monkeypatch.setattr("riskray.client.Client", lambda: client)
    return client


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def seen(database: Database, market_id: str) -> dict[str, list[float]]:
    series = load_market(database, market_id=market_id, base_currency="USD").fixings.series
    return {name: one.values.tolist() for name, one in series.items()}


def test_table_grows_day_by_day_as_versions_of_its_name(api: Api) -> None:
    first = api.http.post(URL, content=MARCH, headers=CSV, params={"name": "eod"})
    assert (first.status_code, first.json()["version"], first.json()["row_count"]) == (201, 1, 2)
    assert first.headers["location"] == f"{URL}/{first.json()['fixings_id']}"
    longer = api.http.post(f"{URL}/eod/append", content=LATER, headers=CSV)
    assert (longer.status_code, longer.json()["version"], longer.json()["row_count"]) == (201, 2, 4)
    again = api.http.post(f"{URL}/eod/append", content=LATER, headers=CSV)
    assert (again.status_code, again.json()) == (200, longer.json())
    shown = api.http.get(f"{URL}/eod").json()
    assert (shown["fixings_id"], shown["indices"]) == (longer.json()["fixings_id"], ["EUR-EURIBOR-6M", "USD-SOFR"])
    assert shown["summary"][0] == {
        "index": "EUR-EURIBOR-6M", "fixing_count": 3, "first_date": "2024-03-27", "last_date": "2024-04-02", "last_value": 0.0384,
    }  # fmt: skip
    assert [item["version"] for item in api.http.get(URL).json()["data"]] == [2, 1]
    assert api.http.get(f"{URL}/{first.json()['fixings_id']}").json()["row_count"] == 2


def test_changed_value_is_refused_until_it_is_marked_as_a_correction(api: Api) -> None:
    api.http.post(URL, content=MARCH, headers=CSV, params={"name": "eod"})
    rows = [{"index": "USD-SOFR", "fixing_date": "2024-03-26", "value": 0.0532}]
    refused = api.http.post(f"{URL}/eod/append", json=rows)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["rows", 1, "value"]
    assert "0.0532, but the table has 0.0533" in refused.json()["detail"]
    assert api.http.get(f"{URL}/eod").json()["version"] == 1
    corrected = api.http.post(f"{URL}/eod/append", json=[rows[0] | {"is_correction": True}])
    assert (corrected.status_code, corrected.json()["version"], corrected.json()["row_count"]) == (201, 2, 2)


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_download_uploads_to_the_same_table(api: Api, client: Client, format: Any, tmp_path: Path) -> None:
    stored = api.http.post(URL, content=MARCH, headers=CSV, params={"name": "eod"}).json()
    file = client.download_fixings("eod", tmp_path / f"eod.{format}", format=format)
    assert client.upload_fixings(file).fixings_id == stored["fixings_id"]


def test_appending_needs_a_table_of_the_name(api: Api) -> None:
    missing = api.http.post(f"{URL}/eod/append", content=MARCH, headers=CSV)
    assert (missing.status_code, missing.json()["error"]) == (404, "not_found")
    assert "riskray fixings list" in missing.json()["detail"]


def test_appends_at_once_lose_no_row(database: Database) -> None:
    fixings.upload_fixings(database, io.BytesIO(MARCH.encode()), format="csv", name="eod")
    start = threading.Barrier(4)

    def append(number: int) -> None:
        start.wait()
        rows = [{"index": "GBP-SONIA", "fixing_date": f"2024-03-{11 + number}", "value": 0.052}]
        fixings.append_fixings(database, io.BytesIO(json.dumps(rows).encode()), format="json", name="eod")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(append, range(4)))
    last = snapshots.last_upload(database, FIXINGS, "eod")
    assert (last.version, last.row_count) == (5, 6)
    assert check_invariants(database) == []


def test_content_made_from_an_older_version_is_not_stored(database: Database) -> None:
    first, _ = fixings.upload_fixings(database, io.BytesIO(MARCH.encode()), format="csv", name="eod")
    fixings.append_fixings(database, io.BytesIO(LATER.encode()), format="csv", name="eod")
    content = fixings_content(read_fixings(database, first.fixings_id))
    with pytest.raises(snapshots.Superseded, match="no longer at version 1"):
        snapshots.store(database, FIXINGS, name="eod", content=content, after_version=1)


# ----------------------------------------------------------------------------------------------------------------- markets


def test_market_keeps_the_version_that_its_table_had(api: Api, database: Database) -> None:
    first = api.http.post(URL, content=MARCH, headers=CSV, params={"name": "eod"}).json()
    market = api.http.post(MARKETS, json=market_document() | {"fixings": "eod"})
    assert (market.status_code, market.json()["problems"], market.json()["fixings_id"]) == (201, [], first["fixings_id"])
    api.http.post(f"{URL}/eod/append", content=LATER, headers=CSV)
    market_id = market.json()["market_id"]
    assert seen(database, market_id) == {"EUR-EURIBOR-6M": [0.0385], "USD-SOFR": [0.0533]}
    assert api.http.get(f"{MARKETS}/{market_id}/document").json()["fixings"] == first["fixings_id"]
    by_id = api.http.post(MARKETS, json=market_document() | {"fixings": first["fixings_id"]})
    assert (by_id.status_code, by_id.json()["market_id"]) == (200, market_id)
    later = api.http.post(MARKETS, json=market_document() | {"fixings": "eod"})
    assert later.json()["market_id"] != market_id
    for format in ("csv", "parquet"):
        file = api.http.get(f"{MARKETS}/{market_id}/document", params={"format": format})
        again = api.http.post(MARKETS, content=file.content, headers={"Content-Type": file.headers["content-type"]})
        assert again.json()["market_id"] == market_id


def test_market_does_not_see_what_was_published_after_its_day_and_says_so(api: Api, database: Database) -> None:
    api.http.post(URL, content=MARCH, headers=CSV, params={"name": "eod"})
    api.http.post(f"{URL}/eod/append", content=LATER, headers=CSV)
    market = api.http.post(MARKETS, json=market_document() | {"fixings": "eod"}).json()
    assert seen(database, market["market_id"]) == {"EUR-EURIBOR-6M": [0.0385, 0.03851], "USD-SOFR": [0.0533]}
    [problem] = market["problems"]
    assert (problem["loc"], problem["code"], market["rejected_count"]) == (["fixings"], "look_ahead", 0)
    assert "does not see 1 of the 4 fixings" in problem["msg"]
    assert problem["msg"].endswith("the first is EUR-EURIBOR-6M of 2024-04-02")


def test_table_that_a_market_uses_is_not_deleted(api: Api) -> None:
    stored = api.http.post(URL, content=MARCH, headers=CSV, params={"name": "eod"}).json()
    market = api.http.post(MARKETS, json=market_document() | {"fixings": "eod"}).json()
    refused = api.http.delete(f"{URL}/eod")
    assert refused.status_code == 409
    assert f"{stored['fixings_id']} is used by market {market['market_id']}; delete its markets first" in refused.json()["detail"]
    assert api.http.delete(f"{MARKETS}/{market['market_id']}").status_code == 204
    assert api.http.delete(f"{URL}/eod").status_code == 204


def test_unknown_table_is_404_and_stores_no_market(api: Api) -> None:
    answer = api.http.post(MARKETS, json=market_document() | {"fixings": "eod"})
    assert answer.status_code == 404
    assert "no fixing table 'eod'" in answer.json()["detail"]
    assert api.http.get(MARKETS).json()["total"] == 0


def test_market_with_an_index_of_its_own_makes_its_fixings_known(api: Api, database: Database) -> None:
    own = {"name": "BANK-3M", "kind": "TERM", "currency": "EUR", "tenor": "3M", "fixing_calendar": "WEEKENDS_ONLY"}
    rows = f"{HEADER}BANK-3M,2024-03-27,0.04,,\n"
    assert "no index has this name" in api.http.post(URL, content=rows, headers=CSV, params={"name": "own"}).json()["detail"]
    api.http.post(MARKETS, json=market_document() | {"indices": [own]})
    assert api.http.post(URL, content=rows, headers=CSV, params={"name": "own", "market": "close"}).status_code == 201
    market = api.http.post(MARKETS, json=market_document() | {"indices": [own], "fixings": "own"}).json()
    assert seen(database, market["market_id"]) == {"BANK-3M": [0.04]}
    without = api.http.post(MARKETS, json=market_document() | {"fixings": "own"}).json()
    assert seen(database, without["market_id"]) == {}
    assert "1 of the 1 fixings" in without["problems"][0]["msg"]


def test_fixing_that_the_market_s_own_definition_rules_out_is_refused(api: Api) -> None:
    api.http.post(URL, content=f"{HEADER}EUR-EURIBOR-6M,2024-03-25,0.0385,,\n", headers=CSV, params={"name": "eod"})
    swiss = {"name": "EUR-EURIBOR-6M", "fixing_calendar": "IN"}
    answer = api.http.post(MARKETS, json=market_document() | {"indices": [swiss], "fixings": "eod"})
    assert answer.status_code == 422
    assert "EUR-EURIBOR-6M of 2024-03-25: Monday is a holiday of IN" in answer.json()["detail"]


# ----------------------------------------------------------------------------------------------------------- SDK, commands


def test_commands_store_append_list_and_download_tables(client: Client, tmp_path: Path) -> None:
    march, later, bad = tmp_path / "eod.csv", tmp_path / "later.csv", tmp_path / "bad.csv"
    march.write_text(MARCH)
    later.write_text(LATER)
    bad.write_text(f"{HEADER}EURIBOR6M,2024-03-28,3.851,,\n")
    first = run("fixings", "upload", str(march)).strip()
    second = run("fixings", "append", "eod", str(later)).strip()
    assert client.get_fixings("eod").fixings_id == second != first
    assert [line.split()[:3] for line in run("fixings", "list").splitlines()[1:]] == [[second, "eod", "2"], [first, "eod", "1"]]
    assert "EUR-EURIBOR-6M" in run("fixings", "show", "eod")
    run("fixings", "download", "eod", str(tmp_path / "out.csv"))
    assert (tmp_path / "out.csv").read_text().count("\n") == 5
    with pytest.raises(InvalidRequest, match="did you mean EUR-EURIBOR-6M"):
        client.append_fixings("eod", bad)
    with pytest.raises(NotFound, match="no fixing table 'other'"):
        client.append_fixings("other", march)
    client.upload_market(market_document() | {"fixings": "eod"})
    with pytest.raises(Conflict, match="is used by market"):
        client.delete_fixings("eod")
    assert "deleted" in run("fixings", "delete", first)


def test_indices_are_listed_with_the_last_fixing_that_the_market_sees(client: Client) -> None:
    standard = {index.name: index for index in client.indices()}
    assert (standard["USD-SOFR"].day_count, standard["USD-SOFR"].is_standard, standard["USD-SOFR"].fixing_count) == ("ACT/360", True, 0)
    client.upload_fixings([{"index": "EUR-EURIBOR-6M", "fixing_date": f"2024-03-{day}", "value": 0.0385} for day in (26, 27)], name="eod")
    client.upload_market(market_document() | {"fixings": "eod", "indices": [{"name": "USD-SOFR", "forecast_curve": "USD-GOVT"}]})
    known = {index.name: index for index in client.indices("close")}
    assert len(known) == len(standard)
    assert (known["USD-SOFR"].forecast_curve, known["USD-SOFR"].is_standard) == ("USD-GOVT", False)
    euribor = known["EUR-EURIBOR-6M"]
    assert (euribor.fixing_count, str(euribor.last_fixing_date), euribor.last_fixing) == (2, "2024-03-27", 0.0385)
    printed = run("market", "indices", "--market", "close")
    assert any(line.split()[:1] == ["EUR-EURIBOR-6M"] and "2024-03-27" in line and "0.0385" in line for line in printed.splitlines())
    assert json.loads(run("market", "indices", "--json"))[0]["name"] == min(standard)
    with pytest.raises(NotFound, match="no market 'other'"):
        client.indices("other")
