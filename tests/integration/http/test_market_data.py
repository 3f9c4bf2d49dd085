"""Market snapshots over HTTP."""

import io

import pyarrow.parquet as pq
import pytest

from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import bond, market_document, store_portfolio

URL = "/api/v1/market-data/snapshots"


def test_market_uploaded_as_json_is_found_by_id_and_by_name(api: Api) -> None:
    answer = api.http.post(URL, json=market_document())
    assert answer.status_code == 201
    market = answer.json()
    assert answer.headers["location"] == f"{URL}/{market['market_id']}"
    assert (market["name"], market["version"], market["as_of"]) == ("close", 1, "2024-03-28")
    assert (market.pop("rejected_count"), market.pop("problems")) == (0, [])
    market["quotes"] = []
    assert api.http.get(answer.headers["location"]).json() == market
    assert api.http.get(f"{URL}/close").json() == market


def test_market_whose_name_no_address_can_have_as_a_part_is_refused(api: Api) -> None:
    answer = api.http.post(URL, json=market_document() | {"name": "close/eod"})
    assert answer.status_code == 422
    assert "'close/eod'" in answer.json()["detail"]


def test_same_content_again_is_the_same_snapshot(api: Api) -> None:
    first = api.http.post(URL, json=market_document())
    again = api.http.post(URL, json=market_document())
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert api.http.get(URL).json()["total"] == 1


@pytest.mark.parametrize(
    ("kind", "media_type"), [("csv", "text/csv"), ("parquet", "application/vnd.apache.parquet"), ("json", "application/json")]
)
def test_download_in_any_format_uploads_to_the_same_snapshot(api: Api, kind: str, media_type: str) -> None:
    market = api.http.post(URL, json=market_document()).json()
    by_accept = api.http.get(f"{URL}/close/document", headers={"Accept": media_type})
    by_query = api.http.get(f"{URL}/close/document", params={"format": kind})
    assert by_accept.content == by_query.content
    assert by_accept.headers["content-type"].startswith(media_type)
    again = api.http.post(URL, content=by_accept.content, headers={"Content-Type": media_type})
    assert (again.status_code, again.json()["market_id"]) == (200, market["market_id"])


def test_parquet_download_is_a_parquet_file(api: Api) -> None:
    api.http.post(URL, json=market_document())
    table = pq.read_table(io.BytesIO(api.http.get(f"{URL}/close/document?format=parquet").content))
    assert table.num_rows > 10


def test_file_of_a_form_is_taken_by_its_ending(api: Api) -> None:
    content = api.http.post(URL, json=market_document()) and api.http.get(f"{URL}/close/document?format=csv").content
    answer = api.http.post(URL, files={"file": ("close.csv", content, "application/octet-stream")})
    assert answer.status_code == 200


@pytest.mark.parametrize("url", [URL, "/api/v1/portfolios?name=desk", "/api/v1/scenarios/sets/matrix?name=moves"])
def test_upload_that_is_no_json_is_400_with_line_and_column(api: Api, url: str) -> None:
    answer = api.http.post(url, content=b'{\n "name" "x"}', headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]) == (400, "malformed_json")
    assert "at line 2 column 9" in answer.json()["detail"]


def test_discount_factor_that_cannot_be_is_told_what_one_is(api: Api) -> None:
    document = market_document()
    document["curves"][0] |= {"quoted_as": "discount_factors", "points": [{"tenor": "1Y", "value": 97.5}]}
    answer = api.http.post(URL, json=document)
    assert answer.status_code == 422
    assert "discount factor 97.5" in answer.json()["detail"]
    assert "near 1" in answer.json()["detail"]
    assert "%" not in answer.json()["detail"]


def test_wrong_market_is_refused_whole_with_every_place_named(api: Api) -> None:
    document = market_document()
    document["curves"][0]["currency"] = "EURO"
    document["fx_spots"][0]["rate"] = -1.0
    answer = api.http.post(URL, json=document)
    assert answer.status_code == 422
    places = [problem["loc"] for problem in answer.json()["errors"]]
    assert ["curves", 0, "currency"] in places
    assert ["fx_spots", 0, "rate"] in places
    assert api.http.get(URL).json()["total"] == 0


def test_allow_partial_leaves_out_whole_curves_and_quotes_and_names_them(api: Api) -> None:
    sound = market_document()
    curves = [
        *sound["curves"],
        {"name": "BAD", "currency": "EUR", "points": [{"tenor": "1Y", "value": 0.03}, {"tenor": "2Y", "value": "x"}]},
    ]
    document = sound | {"curves": curves, "fx_spots": [{"pair": "USDXXX", "rate": 1}, *sound["fx_spots"]]}
    assert api.http.post(URL, json=document).status_code == 422
    assert api.http.get(URL).json()["total"] == 0
    answer = api.http.post(URL, json=document, params={"allow_partial": True})
    assert (answer.status_code, answer.json()["rejected_count"]) == (201, 2)
    assert [problem["loc"] for problem in answer.json()["problems"]] == [
        ["curves", len(curves) - 1, "points", 1, "value"],
        ["fx_spots", 0, "pair"],
    ]
    assert api.http.post(URL, json=sound).json()["market_id"] == answer.json()["market_id"]


def test_unknown_kind_of_body_is_415_and_names_the_known_ones(api: Api) -> None:
    answer = api.http.post(URL, content=b"x", headers={"Content-Type": "application/xml"})
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_format")
    assert "text/csv" in answer.json()["detail"]


@pytest.mark.parametrize("url", ["/a%00b", "?name=a%00b"])
def test_name_with_a_nul_is_the_caller_s_mistake(api: Api, url: str) -> None:
    answer = api.http.get(URL + url)
    assert (answer.status_code, answer.json()["error"]) == (422, "invalid_request")
    assert "NUL character" in answer.json()["detail"]


def test_answer_in_a_format_that_is_not_offered_is_406(api: Api) -> None:
    api.http.post(URL, json=market_document())
    answer = api.http.get(f"{URL}/close/document", headers={"Accept": "image/png"})
    assert (answer.status_code, answer.json()["error"]) == (406, "not_acceptable")


def test_curves_are_listed_with_their_pillars(api: Api) -> None:
    api.http.post(URL, json=market_document())
    curves = api.http.get(f"{URL}/close/curves").json()
    assert [(curve["kind"], curve["curve_no"], curve["name"]) for curve in curves] == [
        ("discount", 0, "EUR-GOVT"),
        ("discount", 1, "USD-GOVT"),
        ("spread", 2, "CORP-A"),
    ]
    assert curves[1]["pillars"] == ["3M", "1Y", "2Y", "5Y", "10Y"]
    assert curves[1]["zero_rates"] == pytest.approx([0.02, 0.021, 0.022, 0.023, 0.024], abs=1e-15)


def test_credit_and_inflation_curves_are_listed_after_the_others(api: Api) -> None:
    document = market_document() | {
        "credit_curves": [{"name": "ACME", "recovery_rate": 0.4, "points": [{"tenor": "5Y", "value": 0.02}]}],
        "inflation_curves": [
            {"name": "CPI", "index": "EU-HICPXT", "base_date": "2023-12-01", "base_index_value": 123.49,
             "points": [{"tenor": "10Y", "value": 0.0218}]}
        ],
    }  # fmt: skip
    stored = api.http.post(URL, json=document).json()
    curves = api.http.get(f"{URL}/close/curves").json()
    assert [(curve["kind"], curve["curve_no"], curve["name"], curve["currency"]) for curve in curves[2:]] == [
        ("spread", 2, "CORP-A", ""),
        ("hazard", 3, "ACME", ""),
        ("inflation", 4, "CPI", ""),
    ]
    again = api.http.post(URL, content=api.http.get(f"{URL}/close/document", headers={"Accept": "text/csv"}).content,
                          headers={"Content-Type": "text/csv"})  # fmt: skip
    assert (again.status_code, again.json()["market_id"]) == (200, stored["market_id"])


def test_list_is_paged_newest_first_in_the_house_shape(api: Api) -> None:
    for number in range(3):
        api.http.post(URL, json=market_document() | {"description": f"number {number}"})
    page = api.http.get(URL, params={"limit": 2}).json()
    assert [item["version"] for item in page["data"]] == [3, 2]
    assert {key: page[key] for key in ("offset", "limit", "total", "has_more")} == {"offset": 0, "limit": 2, "total": 3, "has_more": True}
    rest = api.http.get(URL, params={"limit": 2, "offset": 2}).json()
    assert ([item["version"] for item in rest["data"]], rest["has_more"]) == ([1], False)
    assert api.http.get(URL, params={"limit": 1001}).status_code == 422
    assert api.http.get(URL, params={"name": "other"}).json()["total"] == 0


def test_market_of_a_run_cannot_be_deleted_an_unused_one_can(api: Api) -> None:
    used = api.http.post(URL, json=market_document()).json()["market_id"]
    unused = api.http.post(URL, json=market_document() | {"name": "other"}).json()["market_id"]
    store_portfolio(api.database, [bond(1)])
    api.grid.is_asleep = True
    assert api.http.post("/api/v1/runs", json={"portfolio": "desk", "market": used}).status_code == 202
    assert api.http.delete(f"{URL}/{used}").status_code == 409
    assert api.http.delete(f"{URL}/{unused}").status_code == 204
    assert api.http.get(f"{URL}/{unused}").status_code == 404
    assert api.http.delete(f"{URL}/{unused}").status_code == 404
