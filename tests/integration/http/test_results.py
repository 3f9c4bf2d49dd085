"""Results over HTTP."""

import csv
import io
import json
import math
from collections.abc import Callable, Iterator

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from riskray.store.runs import delete_run
from tests.fixtures.services import Api, opened_api
from tests.fixtures.stored_snapshots import bond, fx_forward, store_market, store_portfolio

POSITIONS = [bond(number) for number in range(30)] + [bond(90, discount_curve="EUR-X")] + [fx_forward(number) for number in range(12)]


# Each group of book, product and currency is rounded once; coarser sums add these.
ROUNDING = 1e-14


class Valued:
    """A finished run and the address of its results."""

    def __init__(self, api: Api, run_id: str) -> None:
        self.api, self.run_id = api, run_id

    def get(self, path: str, **request):
        return self.api.http.get(f"/api/v1/results/{self.run_id}{path}", **request)


@pytest.fixture(scope="module")
def valued(create_database: Callable[..., str], _template: str) -> Iterator[Valued]:
    """One run for all tests, which only read it."""
    with opened_api(create_database(template=_template)) as api:
        store_market(api.database)
        store_portfolio(api.database, POSITIONS)
        run = api.http.post("/api/v1/runs", json={"portfolio": "desk", "market": "close"}, headers={"Prefer": "wait=60"}).json()
        assert run["state"] == "PARTIAL", run
        yield Valued(api, run["run_id"])


def rows_of(valued: Valued, **params) -> list[dict]:
    rows, cursor = [], None
    while True:
        page = valued.get("/positions", params={**params, "limit": 7} | ({"cursor": cursor} if cursor else {})).json()
        rows += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            return rows


def test_totals_are_the_sums_of_the_positions(valued: Valued) -> None:
    totals, rows = valued.get("/totals").json(), rows_of(valued)
    assert (totals["ok_count"], totals["failed_count"], totals["position_count"]) == (42, 1, 43)
    for measure in ("pv_base", "dv01", "cs01", "fx_delta", "theta_1d"):
        assert totals[measure] == pytest.approx(math.fsum(row[measure] or 0.0 for row in rows), rel=ROUNDING)


@pytest.mark.parametrize("group_by", ["", "book", "product", "currency", "book,product", "book,product,currency"])
def test_rollup_by_any_groups_adds_up_to_the_totals(valued: Valued, group_by: str) -> None:
    groups = [name for name in group_by.split(",") if name]
    rollups = valued.get("/rollup", params={"group_by": group_by}).json()
    assert all(list(row["group"]) == groups for row in rollups)
    assert math.fsum(row["pv_base"] for row in rollups) == pytest.approx(valued.get("/totals").json()["pv_base"], rel=ROUNDING)
    assert sum(row["failed_count"] for row in rollups) == 1


def test_rollup_of_one_group_is_the_sum_of_its_positions(valued: Valued) -> None:
    by_book = {row["group"]["book"]: row for row in valued.get("/rollup", params={"group_by": "book"}).json()}
    for book, row in by_book.items():
        assert row["dv01"] == pytest.approx(math.fsum(position["dv01"] for position in rows_of(valued, book=book)), rel=ROUNDING)


@pytest.mark.parametrize("group_by", ["counterparty", "book,counterparty", "product,currency,counterparty"])
def test_rollup_by_counterparty_is_the_sum_of_its_positions(valued: Valued, group_by: str) -> None:
    groups = group_by.split(",")
    rollups = valued.get("/rollup", params={"group_by": group_by}).json()
    assert [list(row["group"]) for row in rollups] == [groups] * len(rollups)
    assert sorted(rollups, key=lambda row: list(row["group"].values())) == rollups
    for row in rollups:
        positions = rows_of(valued, **row["group"])
        assert row["ok_count"] == len(positions)
        for measure in ("pv_base", "dv01", "cs01", "fx_delta", "theta_1d"):
            assert row[measure] == pytest.approx(math.fsum(position[measure] or 0.0 for position in positions), rel=1e-12, abs=1e-9)
        mixes = len({position["currency"] for position in positions}) > 1
        assert mixes == (row["pv"] is None) or not positions
    assert sum(row["failed_count"] for row in rollups) == 1


def test_rollup_of_a_single_position_is_its_row(valued: Valued) -> None:
    (row,) = valued.get("/rollup", params={"group_by": "counterparty", "position_id": "BD-000001"}).json()
    (position,) = rows_of(valued, position_id="BD-000001")
    assert (row["group"], row["ok_count"], row["pv"], row["dv01"]) == ({"counterparty": "CP-2"}, 1, position["pv"], position["dv01"])


def test_unknown_group_is_refused_with_the_known_ones(valued: Valued) -> None:
    answer = valued.get("/rollup", params={"group_by": "book,colour"})
    assert answer.status_code == 422
    assert "colour" in answer.json()["detail"]
    assert "currency" in answer.json()["detail"]


def test_ladder_adds_up_to_the_dv01(valued: Valued) -> None:
    ladder = valued.get("/sensitivities", params={"kind": "RATE"}).json()
    assert {row["factor"] for row in ladder} == {"EUR-GOVT", "USD-GOVT"}
    assert [row["bucket"] for row in ladder if row["factor"] == "USD-GOVT"] == ["3M", "1Y", "2Y", "5Y", "10Y"]
    assert math.fsum(row["sensitivity"] for row in ladder) == pytest.approx(valued.get("/totals").json()["dv01"], rel=1e-3)
    only = valued.get("/sensitivities", params={"factor": "EUR-GOVT", "group_by": "book"}).json()
    assert {row["factor"] for row in only} == {"EUR-GOVT"}
    assert valued.get("/sensitivities", params={"kind": "DV01"}).status_code == 422


def test_fx_delta_is_by_currency_of_the_flows(valued: Valued) -> None:
    rows = valued.get("/sensitivities", params={"kind": "CURRENCY"}).json()
    assert [(row["factor"], row["bucket"], row["bucket_days"]) for row in rows] == [("EUR", "EUR", None)]
    assert rows[0]["sensitivity"] == pytest.approx(valued.get("/totals").json()["fx_delta"], rel=1e-12)
    assert valued.get("/sensitivities").json() == [*valued.get("/sensitivities", params={"kind": "RATE"}).json(), *rows]


def test_sensitivities_of_positions_add_up_to_those_of_the_run(valued: Valued) -> None:
    factors = valued.get("/factors").json()
    assert [factor["factor_no"] for factor in factors] == list(range(len(factors)))
    added: dict[tuple[str, str, str], float] = {}
    for row in rows_of(valued):
        named = [factors[number] for number in row["factor_nos"]]
        buckets = [(factor["kind"], factor["name"], label) for factor in named for label in factor["bucket_labels"]]
        for bucket, value in zip(buckets, row["sensitivities"], strict=True):
            added[bucket] = added.get(bucket, 0.0) + value
    sums = {(row["kind"], row["factor"], row["bucket"]): row["sensitivity"] for row in valued.get("/sensitivities").json()}
    assert added == pytest.approx(sums, rel=1e-12)


def test_file_of_positions_says_what_its_factors_are(valued: Valued) -> None:
    factors = valued.get("/factors").json()
    arrow = valued.get("/positions", params={"format": "arrow"})
    assert json.loads(pa.ipc.open_stream(arrow.content).schema.metadata[b"riskray.factors"]) == factors
    parquet = valued.get("/positions", params={"format": "parquet", "columns": "sensitivities"})
    assert json.loads(pq.read_schema(io.BytesIO(parquet.content)).metadata[b"riskray.factors"]) == factors
    plain = valued.get("/positions", params={"format": "arrow", "columns": "pv"})
    assert b"riskray.factors" not in pa.ipc.open_stream(plain.content).schema.metadata


def test_formats_hold_the_same_rows(valued: Valued) -> None:
    pages = rows_of(valued)
    arrow = valued.get("/positions", headers={"Accept": "application/vnd.apache.arrow.stream"})
    parquet = valued.get("/positions", params={"format": "parquet"})
    text = valued.get("/positions", headers={"Accept": "text/csv"})
    assert {answer.headers["x-row-count"] for answer in (arrow, parquet, text)} == {"42"}
    table = pa.ipc.open_stream(arrow.content).read_all()
    assert [row["pv"] for row in table.to_pylist()] == [row["pv"] for row in pages]
    assert pq.read_table(io.BytesIO(parquet.content)).to_pylist() == table.to_pylist()
    lines = list(csv.DictReader(io.StringIO(text.text)))
    assert [float(line["pv"]) for line in lines] == [row["pv"] for row in pages]
    first = next(row for row in pages if row["sensitivities"])
    line = next(line for line in lines if line["position_id"] == first["position_id"])
    assert [float(number) for number in line["sensitivities"].split(";")] == first["sensitivities"]


def test_file_has_the_columns_asked_for(valued: Valued) -> None:
    answer = valued.get("/positions", params={"format": "csv", "columns": "position_id,pv_base"})
    assert answer.text.splitlines()[0] == '"position_no","position_id","pv_base"'
    refused = valued.get("/positions", params={"format": "csv", "columns": "colour"})
    assert refused.status_code == 422
    assert "pv_base" in refused.json()["detail"]


@pytest.mark.parametrize(("columns", "what"), [("colour", "pv_base"), ("pv_base", "format=csv")])
def test_columns_of_a_json_page_are_refused_not_ignored(valued: Valued, columns: str, what: str) -> None:
    refused = valued.get("/positions", params={"columns": columns})
    assert refused.status_code == 422
    assert what in refused.json()["detail"]


def test_arrow_says_what_it_is(valued: Valued) -> None:
    answer = valued.get("/positions", params={"format": "arrow"})
    metadata = pa.ipc.open_stream(answer.content).schema.metadata
    assert metadata[b"riskray.run_id"].decode() == valued.run_id
    assert (metadata[b"riskray.as_of"], metadata[b"riskray.partial"]) == (b"2024-03-28", b"false")
    assert valued.run_id in answer.headers["content-disposition"]


def test_filters_are_applied_together(valued: Valued) -> None:
    rows = rows_of(valued, book="BOOK-A", product="FIXED_BOND", currency="EUR")
    assert rows
    assert {(row["book"], row["product"], row["currency"]) for row in rows} == {("BOOK-A", "FIXED_BOND", "EUR")}
    some = valued.get("/positions", params={"position_id": ["BD-000001", "FX-000002"]}).json()["data"]
    assert {row["position_id"] for row in some} == {"BD-000001", "FX-000002"}
    assert len(pa.ipc.open_stream(valued.get("/positions", params={"format": "arrow", "book": "BOOK-A"}).content).read_all()) == len(
        rows_of(valued, book="BOOK-A")
    )


def test_cursor_is_refused_with_other_filters(valued: Valued) -> None:
    cursor = valued.get("/positions", params={"limit": 2}).json()["next_cursor"]
    answer = valued.get("/positions", params={"limit": 2, "cursor": cursor, "book": "BOOK-A"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_cursor")


def test_unknown_format_is_406(valued: Valued) -> None:
    assert valued.get("/positions", headers={"Accept": "application/vnd.ms-excel"}).status_code == 406


def test_failures_have_reason_and_remedy(valued: Valued) -> None:
    (failure,) = valued.get("/failures").json()["data"]
    assert (failure["position_id"], failure["code"]) == ("BD-000090", "MISSING_CURVE")
    assert failure["remedy"]
    assert valued.get("/failures", params={"code": "MATURED"}).json()["data"] == []
    (summary,) = valued.get("/failures/summary").json()
    assert (summary["code"], summary["position_count"], summary["example_position_id"]) == ("MISSING_CURVE", 1, "BD-000090")
    assert "BD-000090" in valued.get("/failures", params={"format": "csv"}).text


def test_one_position_is_priced_failed_or_unknown(valued: Valued) -> None:
    assert valued.get("/positions/BD-000001").json()["pv"] > 0
    assert valued.get("/positions/BD-000090").json()["code"] == "MISSING_CURVE"
    for path in ("/positions/BD-999999", "/positions/BD-999999/explain"):
        unknown = valued.get(path)
        assert unknown.status_code == 404
        assert f"no position 'BD-999999' in run {valued.run_id}; GET " in unknown.json()["detail"]


def test_explained_flows_add_up_to_the_value(valued: Valued) -> None:
    row = valued.get("/positions/BD-000001").json()
    explanation = valued.get("/positions/BD-000001/explain").json()
    assert len(explanation["flows"]) > 3
    assert math.fsum(flow["pv_base"] for flow in explanation["flows"]) == pytest.approx(row["pv_base"], rel=1e-12)
    for flow in explanation["flows"]:
        (term,) = flow["terms"]
        assert (term["curve"], term["kind"], term["date"], term["sign"]) == ("USD-GOVT", "RATE", flow["pay_date"], 1)
        assert term["factor"] == pytest.approx(flow["discount_factor"], rel=1e-14)
    assert valued.get("/positions/BD-000090/explain").status_code == 409


def test_run_under_way_answers_409_unless_partial_is_asked_for(api: Api) -> None:
    store_market(api.database)
    store_portfolio(api.database, POSITIONS)
    api.grid.is_asleep = True
    run_id = api.http.post("/api/v1/runs", json={"portfolio": "desk", "market": "close"}).json()["run_id"]
    waiting = Valued(api, run_id)
    for path in ("/positions", "/failures", "/failures/summary", "/totals", "/rollup", "/positions/BD-000001"):
        answer = waiting.get(path)
        assert (answer.status_code, answer.json()["error"]) == (409, "conflict"), path
    assert waiting.get("/positions", params={"partial": "true"}).json()["data"] == []
    assert waiting.get("/failures/summary", params={"partial": "true"}).json() == []
    arrow = waiting.get("/positions", params={"partial": "true", "format": "arrow"})
    assert pa.ipc.open_stream(arrow.content).schema.metadata[b"riskray.partial"] == b"true"


def test_unknown_run_is_404(api: Api) -> None:
    for path in ("/totals", "/rollup", "/factors", "/sensitivities", "/positions", "/failures", "/failures/summary", "/positions/P"):
        answer = api.http.get(f"/api/v1/results/run-0{path}")
        assert (answer.status_code, answer.json()["error"]) == (404, "not_found"), path
        assert "'run-0'; `riskray run list` or GET /api/v1/runs lists" in answer.json()["detail"], path


def test_rollup_of_a_run_under_the_number_of_an_earlier_one_is_its_own(api: Api) -> None:
    """A database that is restored while a service runs assigns numbers a second time."""

    def rollup_of(positions: list[dict], name: str) -> list[dict]:
        store_portfolio(api.database, positions, name=name)
        run = api.http.post("/api/v1/runs", json={"portfolio": name, "market": "close"}, headers={"Prefer": "wait=60"}).json()
        found = api.http.get(f"/api/v1/results/{run['run_id']}/rollup").json()
        delete_run(api.database, run_id=run["run_id"])
        return found

    store_market(api.database)
    assert [row["ok_count"] for row in rollup_of([bond(3)], "one")] == [1]
    with api.database.transaction() as connection:
        connection.execute("ALTER TABLE run ALTER COLUMN run_no RESTART")
    assert [row["ok_count"] for row in rollup_of([bond(3), bond(6)], "two")] == [2]
