"""Ad-hoc pricing over HTTP."""

import pytest

from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import bond, fx_forward, store_market, store_portfolio

URL = "/api/v1/pricing/price"


@pytest.fixture
def market(api: Api) -> Api:
    store_market(api.database)
    return api


def price(api: Api, *positions: dict, **changes) -> dict:
    answer = api.http.post(URL, json={"market": "close", "positions": list(positions), **changes})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_position_priced_ad_hoc_has_the_value_it_has_in_a_run(market: Api) -> None:
    store_portfolio(market.database, [bond(1), fx_forward(2)])
    run = market.http.post("/api/v1/runs", json={"portfolio": "desk", "market": "close"}, headers={"Prefer": "wait=60"}).json()
    rows = market.http.get(f"/api/v1/results/{run['run_id']}/positions").json()["data"]
    answer = price(market, fx_forward(2), bond(1), measures=["pv", "dv01", "key_rate_dv01"])
    priced = {item["position_id"]: item["values"] for item in answer["results"]}
    for row in rows:
        assert priced[row["position_id"]] == {name: row[name] for name in ("pv", "dv01", "key_rate_dv01")}


def test_only_requested_measures_are_answered(market: Api) -> None:
    (result,) = price(market, bond(1), measures=["clean_price"])["results"]
    assert list(result["values"]) == ["clean_price"]
    assert result["values"]["clean_price"] > 0


def test_measure_that_the_product_has_not_is_null(market: Api) -> None:
    (result,) = price(market, fx_forward(1), measures=["pv", "clean_price"])["results"]
    assert result["values"]["clean_price"] is None


def test_position_that_cannot_be_valued_is_a_failure_beside_its_neighbours(market: Api) -> None:
    answer = price(market, bond(1), bond(2, discount_curve="EUR-X"), bond(3))
    assert [item["position_id"] for item in answer["results"]] == ["BD-000001", "BD-000003"]
    (failure,) = answer["failures"]
    assert (failure["position_id"], failure["code"]) == ("BD-000002", "MISSING_CURVE")


@pytest.mark.parametrize(
    ("request_body", "status", "named"),
    [
        ({"market": "never", "positions": [bond(1)]}, 404, "never"),
        ({"market": "close", "positions": []}, 422, "positions"),
        ({"market": "close", "positions": [{"position_id": "x", "product": "CDS"}]}, 422, "CDS"),
        ({"market": "close", "positions": [bond(1, notional="many")]}, 422, "notional"),
        ({"market": "close", "positions": [bond(1)], "base_currency": "QQQ"}, 422, "QQQ"),
        ({"market": "close", "positions": [bond(1)], "measures": ["vega"]}, 422, "measures"),
        ({"market": "close", "positions": [bond(1)], "measures": ["pv", "pv"]}, 422, "given more than once: pv"),
        (
            {"market": "close", "positions": [{"position_id": "x", "product": "FX_FWD"}]},
            422,
            "needs this column, which is not there",
        ),
        ({"market": "close", "positions": [bond(1)] * 1001}, 422, "positions"),
    ],
)
def test_wrong_request_names_the_offender(market: Api, request_body: dict, status: int, named: str) -> None:
    answer = market.http.post(URL, json=request_body)
    assert answer.status_code == status
    assert named in answer.text
