"""Portfolio snapshots over HTTP."""

import csv
import gzip
import io
import json

import pytest

from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import bond, fx_forward

URL = "/api/v1/portfolios"
POSITIONS = [bond(number) for number in range(7)] + [fx_forward(number) for number in range(5)]


def upload(api: Api, positions: list[dict], **params: str) -> dict:
    answer = api.http.post(URL, params={"name": "desk", **params}, json=positions)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def test_portfolio_uploaded_as_json_is_described_by_what_is_in_it(api: Api) -> None:
    stored = upload(api, POSITIONS)
    assert (stored["position_count"], stored["rejected_count"], stored["problems"]) == (12, 0, [])
    detail = api.http.get(f"{URL}/{stored['portfolio_id']}").json()
    assert detail["products"] == {"FIXED_BOND": 7, "FX_FWD": 5}
    assert sum(detail["books"].values()) == 12
    assert set(detail["currencies"]) == {"EUR", "USD"}
    assert api.http.get(f"{URL}/desk").json() == detail


def test_order_and_format_make_no_other_snapshot(api: Api) -> None:
    first = upload(api, POSITIONS)
    again = api.http.post(URL, params={"name": "other"}, json=POSITIONS[::-1])
    assert (again.status_code, again.json()["portfolio_id"]) == (200, first["portfolio_id"])
    content = api.http.get(f"{URL}/desk/download?format=csv").content
    as_csv = api.http.post(URL, params={"name": "third"}, content=content, headers={"Content-Type": "text/csv"})
    assert (as_csv.status_code, as_csv.json()["portfolio_id"]) == (200, first["portfolio_id"])


@pytest.mark.parametrize(
    ("kind", "media_type"), [("csv", "text/csv"), ("json", "application/json"), ("parquet", "application/vnd.apache.parquet")]
)
def test_download_uploads_to_the_same_snapshot(api: Api, kind: str, media_type: str) -> None:
    stored = upload(api, POSITIONS)
    download = api.http.get(f"{URL}/desk/download", headers={"Accept": media_type})
    assert download.headers["x-row-count"] == "12"
    assert download.headers["content-type"].startswith(media_type)
    again = api.http.post(URL, params={"name": "again"}, content=download.content, headers={"Content-Type": media_type})
    assert again.json()["portfolio_id"] == stored["portfolio_id"]


def test_bad_rows_refuse_the_file_and_each_is_named(api: Api) -> None:
    positions = [bond(1), bond(2, notional="many"), bond(3, maturity_date="never"), bond(1)]
    answer = api.http.post(URL, params={"name": "desk"}, json=positions)
    assert answer.status_code == 422
    places = [tuple(problem["loc"]) for problem in answer.json()["errors"]]
    assert ("rows", 2, "notional") in places
    assert ("rows", 3, "maturity_date") in places
    assert ("rows", 4, "position_id") in places
    assert api.http.get(URL).json()["total"] == 0


def test_allow_partial_stores_the_good_rows_and_names_the_others(api: Api) -> None:
    stored = upload(api, [bond(1), bond(2, notional="many"), bond(3)], allow_partial="true")
    assert (stored["position_count"], stored["rejected_count"]) == (2, 1)
    assert [problem["loc"] for problem in stored["problems"]] == [["rows", 2, "notional"]]
    again = upload(api, [bond(1), bond(3)])
    assert (again["portfolio_id"], again["rejected_count"], again["problems"]) == (stored["portfolio_id"], 0, [])


@pytest.mark.parametrize("content", [b"", b"[]", b"not json", b'{"positions": []}'])
def test_file_without_positions_is_refused(api: Api, content: bytes) -> None:
    answer = api.http.post(URL, params={"name": "desk"}, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert set(answer.json()) >= {"error", "detail", "status_code"}


def test_packed_file_is_refused_by_its_encoding(api: Api) -> None:
    packed = gzip.compress(json.dumps(POSITIONS).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = api.http.post(URL, params={"name": "desk"}, content=packed, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (415, "unsupported_format")
    assert answer.json()["detail"].startswith("Content-Encoding 'gzip' is not accepted;")


@pytest.mark.parametrize("name", ["a/b", "..", "/"])
def test_name_that_no_address_can_have_as_a_part_is_refused(api: Api, name: str) -> None:
    answer = api.http.post(URL, params={"name": name}, json=POSITIONS)
    assert answer.status_code == 422
    assert [problem["code"] for problem in answer.json()["errors"]] == ["invalid_name"]
    assert repr(name) in answer.json()["detail"]


def test_portfolio_needs_a_name_and_takes_the_files(api: Api) -> None:
    assert api.http.post(URL, json=POSITIONS).status_code == 422
    files = {"file": ("rates desk.json", json.dumps(POSITIONS), "application/json")}
    assert api.http.post(URL, files=files).json()["name"] == "rates desk"


def test_pages_of_positions_neither_skip_nor_repeat(api: Api) -> None:
    upload(api, POSITIONS)
    seen: list[str] = []
    cursor = None
    while True:
        page = api.http.get(f"{URL}/desk/positions", params={"limit": 5} | ({"cursor": cursor} if cursor else {})).json()
        seen += [position["position_id"] for position in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert sorted(seen) == sorted(position["position_id"] for position in POSITIONS)


def test_cursor_of_another_list_is_refused(api: Api) -> None:
    upload(api, POSITIONS)
    other = api.http.post(URL, params={"name": "other"}, json=POSITIONS[:3]).json()["portfolio_id"]
    cursor = api.http.get(f"{URL}/desk/positions", params={"limit": 1}).json()["next_cursor"]
    for wrong in (cursor, "nonsense", "e30"):
        answer = api.http.get(f"{URL}/{other}/positions", params={"cursor": wrong})
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_cursor")


def test_products_are_described_with_their_columns(api: Api) -> None:
    products = {item["product"]: item for item in api.http.get(f"{URL}/products").json()}
    assert set(products) >= {"FIXED_BOND", "FX_FWD", "AMORT_LOAN"}
    columns = {column["name"]: column for column in products["FIXED_BOND"]["columns"]}
    assert columns["coupon_rate"]["required"] is True
    assert "ACT/ACT ICMA" in columns["day_count"]["allowed"]


@pytest.mark.parametrize(
    ("bad", "summary"),
    [
        (1, "1 of 2 rows is invalid (1 problem); nothing was stored; the first problem: row 1 (BD-000000), column notional: "),
        (2, "2 of 2 rows are invalid (2 problems); nothing was stored; the first problem: row 1 "),
    ],
)
def test_bad_rows_are_counted_in_good_grammar(api: Api, bad: int, summary: str) -> None:
    rows = [bond(number, notional="many" if number < bad else 1.0) for number in range(2)]
    answer = api.http.post(f"{URL}?name=desk", json=rows)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(summary)


def test_csv_download_has_one_line_a_position(api: Api) -> None:
    upload(api, POSITIONS)
    rows = list(csv.DictReader(io.StringIO(api.http.get(f"{URL}/desk/download?format=csv").text)))
    assert {row["position_id"] for row in rows} == {position["position_id"] for position in POSITIONS}


def test_portfolio_can_be_deleted_when_no_run_uses_it(api: Api) -> None:
    stored = upload(api, POSITIONS)
    assert api.http.delete(f"{URL}/{stored['portfolio_id']}").status_code == 204
    gone = api.http.get(f"{URL}/{stored['portfolio_id']}")
    assert gone.status_code == 404
    assert f"no portfolio '{stored['portfolio_id']}'; `riskray portfolio list` or GET {URL} lists" in gone.json()["detail"]
