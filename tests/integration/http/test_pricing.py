"""Ad-hoc pricing over HTTP."""

import pytest

from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import AS_OF, bond, fx_forward, store_market, store_portfolio

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
    answer = price(market, fx_forward(2), bond(1), measures=["pv", "dv01", "key_rate_dv01", "fx_delta"])
    priced = {item["position_id"]: item for item in answer["results"]}
    for row in rows:
        found = priced[row["position_id"]]
        assert found["values"] == {name: row[name] for name in ("pv", "dv01", "fx_delta")}
        assert (found["factor_nos"], found["sensitivities"]) == (row["factor_nos"], row["sensitivities"])
    factors = market.http.get(f"/api/v1/results/{run['run_id']}/factors").json()
    assert answer["factors"] == [factor for factor in factors if factor["kind"] != "SPREAD"]


def test_only_requested_measures_are_answered(market: Api) -> None:
    (result,) = price(market, bond(1), measures=["clean_price"])["results"]
    assert list(result["values"]) == ["clean_price"]
    assert result["values"]["clean_price"] > 0


def test_answer_says_which_market_and_date_a_name_stood_for(market: Api) -> None:
    answer = price(market, bond(1))
    stored = market.http.get("/api/v1/market-data/snapshots/close").json()
    assert (answer["market"], answer["market_id"], answer["as_of"]) == ("close", stored["market_id"], AS_OF)
    again = price(market, bond(1), market=stored["market_id"])
    assert again == {**answer, "market": stored["market_id"]}


def test_sensitivities_come_with_the_factors_and_buckets_they_belong_to(market: Api) -> None:
    answer = price(market, fx_forward(2), bond(1), measures=["key_rate_dv01"])
    assert {factor["name"]: factor["bucket_labels"] for factor in answer["factors"]} == {
        "EUR-GOVT": ["3M", "1Y", "2Y", "5Y", "10Y", "30Y"], "USD-GOVT": ["3M", "1Y", "2Y", "5Y", "10Y"],
    }  # fmt: skip
    by_id = {item["position_id"]: item for item in answer["results"]}
    forward, dollar_bond = by_id["FX-000002"], by_id["BD-000001"]
    assert (forward["factor_nos"], dollar_bond["factor_nos"]) == ([0, 1], [1])
    assert (len(forward["sensitivities"]), len(dollar_bond["sensitivities"])) == (6 + 5, 5)
    assert forward["values"] == {}


def test_factors_are_left_out_where_no_bucketed_measure_is_asked_for(market: Api) -> None:
    answer = price(market, bond(1), measures=["pv"])
    (result,) = answer["results"]
    assert (answer["factors"], result["factor_nos"], result["sensitivities"]) == ([], None, None)


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
            "requires this column, which is missing",
        ),
        ({"market": "close", "positions": [bond(1)] * 1001}, 422, "positions"),
    ],
)
def test_wrong_request_names_the_offender(market: Api, request_body: dict, status: int, named: str) -> None:
    answer = market.http.post(URL, json=request_body)
    assert answer.status_code == status
    assert named in answer.text


def test_body_as_large_as_only_files_are_is_refused_before_it_is_read(api: Api) -> None:
    declared = {"Content-Type": "application/json", "Content-Length": str(33 * 1024**2)}
    refused = api.http.post("/api/v1/pricing/price", content=b"[]", headers=declared)
    assert (refused.status_code, refused.json()["detail"]) == (413, "the body is larger than 32 MiB; split the request")
    assert api.http.post("/api/v1/portfolios", content=b"[]", headers=declared).status_code != 413
