"""Names over HTTP, for every kind of snapshot (cases W12 and U8 of the field)."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import bond, market_document

MARKETS = "/api/v1/market-data/snapshots"
CSV, JSON = {"Content-Type": "text/csv"}, {"Content-Type": "application/json"}


def market_at(rate: float, name: str = "eod") -> dict[str, Any]:
    """A flat EUR market."""
    points = [{"tenor": tenor, "value": rate} for tenor in ("1Y", "30Y")]
    return {"name": name, "as_of": "2024-03-28", "curves": [{"name": "EUR-GOVT", "currency": "EUR", "points": points}]}


@dataclass(frozen=True)
class Case:
    """One kind over HTTP: how the contents "A" and "B" are uploaded, and which of its fields is its id."""

    url: str
    id: str
    name_is_content: bool = False

    def upload(self, api: Api, name: str, content: str) -> tuple[int, dict[str, Any]]:
        number = {"A": 1, "B": 2}[content]
        if self.id == "market_id":
            answer = api.http.post(self.url, json=market_at(0.03 * number, name))
        elif self.id == "hierarchy_id":
            tree = {"name": name, "dimension": "book", "root": "BANK", "parents": {f"DESK-{number}": "BANK"}}
            answer = api.http.post(self.url, json=tree)
        elif self.id == "portfolio_id":
            answer = api.http.post(self.url, params={"name": name}, content=json.dumps([bond(number)]), headers=JSON)
        elif self.id == "history_id":
            rows = f"date,fx/EUR\n2024-03-27,1.0{number}\n2024-03-28,1.08\n"
            answer = api.http.post(self.url, params={"name": name}, content=rows, headers=CSV)
        else:
            rows = f"scenario,fx/EUR\ncrash,-0.0{number}\n"
            answer = api.http.post(f"{self.url}/matrix", params={"name": name}, content=rows, headers=CSV)
        assert answer.is_success, answer.text
        return answer.status_code, answer.json()


CASES = [
    Case("/api/v1/portfolios", "portfolio_id"),
    Case(MARKETS, "market_id", name_is_content=True),
    Case("/api/v1/scenarios/histories", "history_id"),
    Case("/api/v1/scenarios/sets", "scenario_set_id"),
    Case("/api/v1/scenarios/hierarchies", "hierarchy_id", name_is_content=True),
]
every_kind = pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)


@every_kind
def test_name_means_the_last_upload_and_lists_every_upload(api: Api, case: Case) -> None:
    (_, good), (_, slip), (status, again) = (case.upload(api, "eod", content) for content in "ABA")
    assert (status, again[case.id], again["name"], again["version"]) == (200, good[case.id], "eod", 3)
    described = api.http.get(f"{case.url}/eod").json()
    assert (described[case.id], described["version"]) == (good[case.id], 3)
    page = api.http.get(case.url, params={"name": "eod"}).json()
    assert [(item["version"], item[case.id]) for item in page["data"]] == [(3, good[case.id]), (2, slip[case.id]), (1, good[case.id])]
    assert page["total"] == 3
    assert api.http.delete(f"{case.url}/eod").status_code == 204
    assert api.http.get(f"{case.url}/eod").json()[case.id] == slip[case.id]


@every_kind
def test_every_name_under_which_content_was_uploaded_exists(api: Api, case: Case) -> None:
    (_, first), (status, second) = (case.upload(api, name, "A") for name in ("day1", "day2"))
    assert (second["name"], second["version"]) == ("day2", 1)
    # The documents of markets and hierarchies contain their name, so that another name changes the content.
    assert (status, second[case.id] == first[case.id]) == ((201, False) if case.name_is_content else (200, True))
    for name in ("day1", "day2"):
        assert api.http.get(f"{case.url}/{name}").json()["name"] == name
    assert {item["name"] for item in api.http.get(case.url).json()["data"]} == {"day1", "day2"}


def test_bad_market_that_is_put_right_by_the_former_one_prices_on_the_former_one(api: Api) -> None:
    def price(market: str) -> float:
        body = {"market": market, "base_currency": "EUR", "measures": ["pv"], "positions": [bond(2)]}
        answer = api.http.post("/api/v1/pricing/price", json=body)
        assert answer.is_success, answer.text
        return float(answer.json()["results"][0]["values"]["pv"])

    # 0.30 is a slip of the size that an upload refuses unless it is told to take it.
    documents = (market_at(0.03), market_at(0.30) | {"rates_checked": False}, market_at(0.03))
    good, slip, again = (api.http.post(MARKETS, json=document).json()["market_id"] for document in documents)
    assert again == good
    assert price("eod") == price(good) != price(slip)


def test_run_by_the_new_name_of_known_content_is_a_run_of_that_content(api: Api) -> None:
    api.http.post(MARKETS, json=market_document())
    (_, first), _ = (CASES[0].upload(api, name, "A") for name in ("day1", "day2"))
    run = api.http.post("/api/v1/runs", json={"portfolio": "day2", "market": "close"}, headers={"Prefer": "wait=60"}).json()
    assert (run["portfolio_id"], run["progress"]["ok_count"]) == (first["portfolio_id"], 1)
    for name in ("day1", "day2", first["portfolio_id"]):
        assert [item["run_id"] for item in api.http.get("/api/v1/runs", params={"portfolio": name}).json()["data"]] == [run["run_id"]]
