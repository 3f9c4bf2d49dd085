"""Scenario sets, market histories and hierarchies over HTTP."""

import io
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import AS_OF, store_market

URL = "/api/v1/scenarios"
STRESS = {
    "kind": "stress",
    "scenarios": [
        {"name": "up", "shocks": [{"type": "parallel", "shift": {"bp": 100}}]},
        {"name": "euro down", "shocks": [{"type": "fx", "currencies": ["EUR"], "relative": -0.1}]},
    ],
    "combinations": [{"name": "both", "of": ["up", "euro down"]}],
}
TREE = {
    "name": "desks",
    "dimension": "book",
    "root": "BANK",
    "parents": {"BOOK-A": "RATES", "BOOK-B": "RATES", "BOOK-C": "BANK", "RATES": "BANK"},
}


def history_csv(days: int = 40) -> str:
    """Zero rates of one pillar and an exchange rate on consecutive days up to the market's."""
    last = date.fromisoformat(AS_OF)
    lines = ["date,zero/EUR-GOVT/5Y,fx/EUR"]
    lines += [f"{last - timedelta(days=days - 1 - day)},{200 + day % 7}e-4,{1080 + day % 5}e-3" for day in range(days)]
    return "\n".join(lines)


def post_history(api: Api, text: str, name: str = "quotes") -> Any:
    return api.http.post(f"{URL}/histories", params={"name": name}, content=text.encode(), headers={"Content-Type": "text/csv"})


def post_set(api: Api, definition: dict[str, Any], name: str = "set") -> Any:
    return api.http.post(f"{URL}/sets", json={"name": name, "market": "close", "definition": definition})


def test_stress_set_is_compiled_against_the_market_and_found_by_id_and_name(api: Api) -> None:
    market = store_market(api.database)
    answer = post_set(api, STRESS, "stress")
    assert answer.status_code == 201, answer.text
    stored = answer.json()
    assert (stored["kind"], stored["scenario_count"], stored["market_id"]) == ("stress", 3, market.market_id)
    assert answer.headers["location"] == f"{URL}/sets/{stored['scenario_set_id']}"
    detail = api.http.get(answer.headers["location"]).json()
    assert detail == api.http.get(f"{URL}/sets/stress").json()
    assert detail["labels"] == ["up", "euro down", "both"]
    assert detail["definition"]["combinations"] == STRESS["combinations"]
    table = pa.ipc.open_stream(api.http.get(f"{URL}/sets/stress/matrix?format=arrow").content).read_all()
    assert table.column("zero/EUR-GOVT/5Y").to_pylist() == pytest.approx([0.01, 0.0, 0.01])
    assert table.column("fx/EUR").to_pylist() == pytest.approx([0.0, -0.1, -0.1])


def test_new_moves_under_a_name_are_its_next_version_and_the_same_moves_the_same_set(api: Api) -> None:
    store_market(api.database)
    first = post_set(api, STRESS, "stress")
    again = post_set(api, STRESS, "stress")
    assert (again.status_code, again.json()) == (200, first.json())
    changed = post_set(api, {"kind": "stress", "scenarios": STRESS["scenarios"][:1]}, "stress").json()
    assert changed["version"] == 2
    page = api.http.get(f"{URL}/sets", params={"name": "stress"}).json()
    assert [item["version"] for item in page["data"]] == [2, 1]
    assert api.http.get(f"{URL}/sets/stress").json()["scenario_set_id"] == changed["scenario_set_id"]


@pytest.mark.parametrize(
    ("kind", "media_type"), [("csv", "text/csv"), ("parquet", "application/vnd.apache.parquet"), ("json", "application/json")]
)
def test_download_of_a_set_uploads_as_the_same_set(api: Api, kind: str, media_type: str) -> None:
    store_market(api.database)
    stored = post_set(api, STRESS, "stress").json()
    download = api.http.get(f"{URL}/sets/stress/matrix", headers={"Accept": media_type})
    assert download.headers["content-type"].startswith(media_type)
    again = api.http.post(f"{URL}/sets/matrix?name=copy", content=download.content, headers={"Content-Type": media_type})
    assert (again.status_code, again.json()["scenario_set_id"]) == (200, stored["scenario_set_id"])


def test_uploaded_matrix_is_checked_against_the_market_that_is_named(api: Api) -> None:
    store_market(api.database)
    text = "scenario,zero/EUR-GOVT/5Y,zero/EUR-GOVT/7Y\nup,0.01,0.01\n"
    send = {"content": text, "headers": {"Content-Type": "text/csv"}}
    refused = api.http.post(f"{URL}/sets/matrix", params={"name": "own", "market": "close"}, **send)
    assert refused.status_code == 422
    assert "zero/EUR-GOVT/7Y" in refused.text
    stored = api.http.post(f"{URL}/sets/matrix", params={"name": "own"}, **send).json()
    assert (stored["kind"], stored["factor_count"], stored["market_id"]) == ("matrix", 2, None)
    assert api.http.get(f"{URL}/sets/own").json()["unmoved"] is None


@pytest.mark.parametrize(
    ("text", "code"),
    [("scenario,zero/EUR-GOVT/5Y\n", "empty"), ("scenario,colour\nup,1\n", None), ("scenario,zero/EUR-GOVT/5Y\nup,NaN\n", None)],
)
def test_matrix_that_makes_no_sense_is_refused_with_the_place(api: Api, text: str, code: str | None) -> None:
    answer = api.http.post(f"{URL}/sets/matrix?name=bad", content=text, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 422
    assert code is None or code in {problem["code"] for problem in answer.json()["errors"]}
    assert api.http.get(f"{URL}/sets").json()["total"] == 0


def test_matrix_definition_as_json_is_told_where_to_go(api: Api) -> None:
    store_market(api.database)
    answer = post_set(api, {"kind": "matrix"})
    assert answer.status_code == 422
    assert "/sets/matrix" in answer.json()["detail"]


def test_unknown_curve_in_a_shock_is_refused_with_its_place(api: Api) -> None:
    store_market(api.database)
    answer = post_set(
        api, {"kind": "stress", "scenarios": [{"name": "x", "shocks": [{"type": "parallel", "curves": ["AUD-*"], "shift": {"bp": 1}}]}]}
    )
    assert answer.status_code == 422
    assert "AUD-*" in answer.json()["detail"]


def test_historical_set_has_one_scenario_a_move_and_names_the_version_of_its_history(api: Api) -> None:
    store_market(api.database)
    history = post_history(api, history_csv()).json()
    definition = {"kind": "historical", "history": "quotes", "window": 20}
    stored = post_set(api, definition).json()
    assert (stored["kind"], stored["scenario_count"]) == ("historical", 20)
    detail = api.http.get(f"{URL}/sets/{stored['scenario_set_id']}").json()
    assert detail["definition"]["history"] == history["history_id"]
    assert detail["unmoved"] == ["zero/USD-GOVT", "spread/CORP-A", "credit"]
    values = pq.read_table(io.BytesIO(api.http.get(f"{URL}/sets/set/matrix?format=parquet").content)).column("zero/EUR-GOVT/5Y").to_numpy()
    assert set(np.round(values * 1e4, 6)) <= {1.0, -6.0}


def test_window_longer_than_the_history_is_refused_with_both_lengths(api: Api) -> None:
    store_market(api.database)
    post_history(api, history_csv(10))
    answer = post_set(api, {"kind": "historical", "history": "quotes", "window": 500})
    assert answer.status_code == 422
    assert "501 dates" in answer.json()["detail"]
    assert "has 10" in answer.json()["detail"]


def test_monte_carlo_with_the_same_seed_is_the_same_set(api: Api) -> None:
    store_market(api.database)
    post_history(api, history_csv())
    definition = {"kind": "monte_carlo", "history": "quotes", "count": 100, "seed": 7}
    first, again = post_set(api, definition), post_set(api, definition)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["scenario_count"] == 100
    assert post_set(api, {**definition, "seed": 8}).json()["scenario_set_id"] != first.json()["scenario_set_id"]


def test_history_is_described_with_what_it_lacks_and_downloads_as_it_came(api: Api) -> None:
    text = history_csv(5).replace("203e-4", "")
    stored = post_history(api, text).json()
    assert (stored["row_count"], stored["last_date"], stored["factors"]) == (5, AS_OF, ["fx/EUR", "zero/EUR-GOVT/5Y"])
    detail = api.http.get(f"{URL}/histories/quotes").json()
    assert detail["summary"]["missing"] == {"zero/EUR-GOVT/5Y": 1}
    for kind, media_type in (("csv", "text/csv"), ("parquet", "application/vnd.apache.parquet")):
        download = api.http.get(f"{URL}/histories/quotes/levels", params={"format": kind})
        again = api.http.post(f"{URL}/histories?name=copy", content=download.content, headers={"Content-Type": media_type})
        assert (again.status_code, again.json()["history_id"]) == (200, stored["history_id"])


def test_demo_history_ends_with_the_markets_own_curves(api: Api) -> None:
    store_market(api.database)
    stored = api.http.post(f"{URL}/histories/demo", json={"market": "close", "first_date": "2023-06-01"}).json()
    assert (stored["name"], stored["last_date"]) == ("demo-history", AS_OF)
    assert stored["row_count"] > 150
    table = pq.read_table(io.BytesIO(api.http.get(f"{URL}/histories/demo-history/levels?format=parquet").content))
    curve = next(
        curve for curve in api.http.get("/api/v1/market-data/snapshots/close/document").json()["curves"] if curve["name"] == "EUR-GOVT"
    )
    five_years = next(point["value"] for point in curve["points"] if point["tenor"] == "5Y")
    assert table.column("zero/EUR-GOVT/5Y").to_pylist()[-1] == pytest.approx(five_years, abs=2e-3)
    assert "fx/USD" in table.column_names


@pytest.mark.parametrize("day", [0, 20230601, True, "2023-06-01T00:00:00Z"])
def test_number_is_no_date_of_a_history(api: Api, day: object) -> None:
    store_market(api.database)
    refused = api.http.post(f"{URL}/histories/demo", json={"market": "close", "first_date": day})
    assert (refused.status_code, refused.json()["errors"][0]["loc"]) == (422, ["body", "first_date"])
    assert "not a date; write it as 2026-12-16" in refused.text


def test_deleted_history_leaves_its_scenario_sets(api: Api) -> None:
    store_market(api.database)
    post_history(api, history_csv())
    post_set(api, {"kind": "historical", "history": "quotes"})
    assert api.http.delete(f"{URL}/histories/quotes").status_code == 204
    assert api.http.get(f"{URL}/histories/quotes").status_code == 404
    assert api.http.get(f"{URL}/sets/set").status_code == 200
    assert api.http.delete(f"{URL}/sets/set").status_code == 204
    assert api.http.get(f"{URL}/sets/set").status_code == 404


def test_hierarchy_is_stored_and_described_with_its_nodes(api: Api) -> None:
    answer = api.http.post(f"{URL}/hierarchies", json=TREE)
    assert answer.status_code == 201, answer.text
    assert api.http.post(f"{URL}/hierarchies", json=TREE).status_code == 200
    detail = api.http.get(f"{URL}/hierarchies/desks").json()
    assert (detail["nodes"], detail["root"], detail["parents"]) == (["BANK", "RATES"], "BANK", TREE["parents"])
    assert api.http.get(f"{URL}/hierarchies").json()["total"] == 1
    assert api.http.delete(f"{URL}/hierarchies/desks").status_code == 204


@pytest.mark.parametrize(
    ("parents", "code", "named"),
    [
        ({"A": "B", "B": "A", "C": "BANK"}, "cycle", "A"),
        ({"A": "BANK", "B": "NOWHERE"}, "orphan", "NOWHERE"),
        ({"BANK": "A", "A": "BANK"}, "cycle", "BANK"),
    ],
)
def test_hierarchy_with_a_cycle_or_an_orphan_is_refused_and_named(api: Api, parents: dict[str, str], code: str, named: str) -> None:
    answer = api.http.post(f"{URL}/hierarchies", json={**TREE, "parents": parents})
    assert answer.status_code == 422
    assert code in {problem["code"] for problem in answer.json()["errors"]}
    assert named in answer.json()["detail"]
    assert api.http.get(f"{URL}/hierarchies").json()["total"] == 0
