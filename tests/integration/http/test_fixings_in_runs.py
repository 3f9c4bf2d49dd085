"""What fixings do to runs: floating bonds need them, a correction touches the rows that read it, and cash is at the rate that was fixed."""

import json
from typing import Any

import pytest

from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import bond, market_document, store_portfolio

FIXINGS = "/api/v1/market-data/fixings"
MARKETS = "/api/v1/market-data/snapshots"
OF_SEPTEMBER, OF_MARCH = 0.04123, 0.0386
FORECAST = [{"name": f"EUR-EURIBOR-{tenor}", "forecast_curve": "EUR-GOVT"} for tenor in ("3M", "6M")]


def floater(position_id: str, **terms: Any) -> dict[str, Any]:
    """Interest periods from 3 October and 3 April, fixed on 29 September 2023 and 28 March 2024."""
    return {
        "position_id": position_id, "product": "FLOATING_RATE_BOND", "currency": "EUR", "notional": 1e6, "index": "EUR-EURIBOR-6M",
        "issue_date": "2023-10-03", "maturity_date": "2027-10-03", "frequency": "SEMIANNUAL", "calendar": "TARGET",
        "discount_curve": "EUR-GOVT",
    } | terms  # fmt: skip


def fixing(index: str, day: str, value: float) -> dict[str, Any]:
    return {"index": index, "fixing_date": day, "value": value}


def market(api: Api, **parts: Any) -> str:
    answer = api.http.post(MARKETS, json=market_document() | {"indices": FORECAST} | parts)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["market_id"])


def run_of(api: Api, market_id: str, **request: Any) -> dict[str, Any]:
    body = {"portfolio": "desk", "market": market_id, "base_currency": "EUR", **request}
    run_id = api.http.post("/api/v1/runs", json=body).json()["run_id"]
    api.grid.join()
    run: dict[str, Any] = api.http.get(f"/api/v1/runs/{run_id}").json()
    assert run["state"] in ("SUCCEEDED", "PARTIAL"), run
    return run


def values(api: Api, run: dict[str, Any]) -> dict[str, float]:
    rows = api.http.get(f"/api/v1/results/{run['run_id']}/positions", params={"limit": 100}).json()["data"]
    return {row["position_id"]: row["pv"] for row in rows}


@pytest.fixture
def book(api: Api) -> Api:
    store_portfolio(api.database, [floater("SIX"), floater("THREE", index="EUR-EURIBOR-3M", frequency="QUARTERLY"), bond(0)])
    return api


def eod(api: Api, *rows: dict[str, Any]) -> None:
    """The running fixings of both bonds, and further ones."""
    running = [fixing("EUR-EURIBOR-6M", "2023-09-29", OF_SEPTEMBER), fixing("EUR-EURIBOR-3M", "2023-12-29", 0.0391), *rows]
    assert api.http.post(FIXINGS, json=running, params={"name": "eod"}).status_code == 201


def test_floating_bonds_need_the_running_fixing_of_their_index(book: Api) -> None:
    eod(book)
    assert set(values(book, run_of(book, market(book, fixings="eod")))) == {"SIX", "THREE", "BD-000000"}
    without = run_of(book, market(book))
    failures = book.http.get(f"/api/v1/results/{without['run_id']}/failures").json()["data"]
    assert {row["position_id"]: row["code"] for row in failures} == {"SIX": "MISSING_FIXING", "THREE": "MISSING_FIXING"}
    listed = [fixing("EUR-EURIBOR-6M", "2023-09-29", OF_SEPTEMBER)]
    assert set(values(book, run_of(book, market(book, fixings=listed)))) == {"SIX", "BD-000000"}


def test_corrected_fixing_values_the_rows_that_read_its_index_and_no_other(book: Api) -> None:
    eod(book)
    base = run_of(book, market(book, fixings="eod"))
    correction = fixing("EUR-EURIBOR-6M", "2023-09-29", 0.0415) | {"is_correction": True}
    assert book.http.post(f"{FIXINGS}/eod/append", json=[correction]).status_code == 201
    corrected = market(book, fixings="eod")
    reusing, afresh = run_of(book, corrected, reuse_from=base["run_id"]), run_of(book, corrected, rows_per_shard=2)
    assert reusing["progress"]["reused_count"] == 2
    assert values(book, reusing) == values(book, afresh)
    before, after = values(book, base), values(book, reusing)
    assert {name for name in before if before[name] != after[name]} == {"SIX"}
    redefined = market(book, fixings="eod", indices=[FORECAST[0], FORECAST[1] | {"day_count": "ACT/365F"}])
    again = run_of(book, redefined, reuse_from=reusing["run_id"])
    assert again["progress"]["reused_count"] == 2
    assert values(book, again)["SIX"] != after["SIX"]


def test_pnl_has_the_coupon_at_the_rate_that_was_fixed_as_cash(book: Api) -> None:
    eod(book)
    earlier = run_of(book, market(book, fixings="eod"))
    new = [fixing("EUR-EURIBOR-6M", "2024-03-28", OF_MARCH), fixing("EUR-EURIBOR-3M", "2024-03-28", 0.0389)]
    assert book.http.post(f"{FIXINGS}/eod/append", json=new).status_code == 201
    later = run_of(book, market(book, fixings="eod", name="next", as_of="2024-04-04"))
    rows = book.http.get(f"/api/v1/results/{earlier['run_id']}/pnl/{later['run_id']}/positions").json()["data"]
    found = {row["position_id"]: row for row in rows}
    assert found["SIX"]["cash_received"] == pytest.approx(1e6 * OF_SEPTEMBER * 183 / 360)
    for row in found.values():
        assert row["pnl"] == pytest.approx(row["pv_t1"] + row["cash_received"] - row["pv_t0"])


def test_what_if_keeps_the_fixings_and_the_indices_of_the_market(book: Api) -> None:
    eod(book)
    base = run_of(book, market(book, fixings="eod"))
    change = {"market": {"shocks": [{"type": "parallel", "shift": {"bp": 10}}]}, "wait_s": 0}
    assert book.http.post(f"/api/v1/runs/{base['run_id']}/what-if", json=change).status_code in (200, 202)
    book.grid.join()
    answer = book.http.post(f"/api/v1/runs/{base['run_id']}/what-if", json=change)
    assert answer.status_code == 200, answer.text
    moved = answer.json()
    document = json.loads(book.http.get(f"{MARKETS}/{moved['market_id']}/document").content)
    assert document["fixings"] == book.http.get(f"{FIXINGS}/eod").json()["fixings_id"]
    assert [index["name"] for index in document["indices"]] == ["EUR-EURIBOR-3M", "EUR-EURIBOR-6M"]
    assert moved["total"]["failed_count_what_if"] == 0


def test_scenarios_of_a_market_with_fixings_value_floating_bonds(book: Api) -> None:
    eod(book)
    market_id = market(book, fixings="eod")
    definition = {
        "kind": "stress",
        "numeraire": "EUR",
        "scenarios": [{"name": "up", "shocks": [{"type": "parallel", "shift": {"bp": 100}}]}],
    }
    stored = book.http.post("/api/v1/scenarios/sets", json={"name": "up", "market": market_id, "definition": definition})
    assert stored.status_code == 201, stored.text
    run = run_of(book, market_id, scenario_set="up", vectors="position")
    rows = book.http.get(f"/api/v1/results/{run['run_id']}/stress/positions", params={"limit": 9}).json()["data"]
    pnl = {row["position_id"]: row["pnl"][0] for row in rows}
    assert pnl["BD-000000"] < pnl["SIX"] < 0.0  # all rates but the running coupon's move with the curve
