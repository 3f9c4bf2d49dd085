"""Run-to-run differences and P&L explain over HTTP."""

import copy
import csv
import io
import math
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

from tests.fixtures.services import Api, opened_api
from tests.fixtures.stored_snapshots import bond, fx_forward, market_document, store_market, store_portfolio

EARLIER = [bond(number) for number in range(20)] + [bond(90, discount_curve="EUR-X")] + [fx_forward(number) for number in range(8)]
# BD-000003 has another coupon, BD-000004 was removed, BD-000030 was added, BD-000090 got a curve and BD-000005 lost its curve.
LATER = [bond(number) for number in range(20) if number not in (3, 4, 5)]
LATER += [bond(3, coupon_rate=0.07), bond(5, discount_curve="EUR-X"), bond(30), bond(90)] + [fx_forward(number) for number in range(8)]
PARTS = ("carry", "rates", "credit", "fx", "opened", "closed", "residual")


class Pair:
    """Two finished runs: one portfolio and another on the day after."""

    def __init__(self, api: Api, earlier: str, later: str, same: str) -> None:
        self.api, self.earlier, self.later, self.same = api, earlier, later, same
        """`same`: the earlier portfolio under the later market."""

    def get(self, path: str, **params: Any) -> Any:
        return self.api.http.get(f"/api/v1/results/{path}", params=params)

    def values(self, run_id: str) -> dict[str, dict[str, Any]]:
        rows = self.get(f"{run_id}/positions", limit=1000).json()["data"]
        return {row["position_id"]: row for row in rows}


def later_market() -> dict[str, Any]:
    document = copy.deepcopy(market_document())
    document |= {"name": "next", "as_of": "2024-04-02"}
    for curve in document["curves"]:
        curve["points"] = [{**point, "value": point["value"] + 0.0010 + 0.0001 * number} for number, point in enumerate(curve["points"])]
    document["fx_spots"][0]["rate"] = 1.07
    return document


def submit(api: Api, portfolio: str, market: str, **request: Any) -> str:
    run = api.http.post("/api/v1/runs", json={"portfolio": portfolio, "market": market, **request}, headers={"Prefer": "wait=60"}).json()
    assert run["state"] in ("SUCCEEDED", "PARTIAL"), run
    return str(run["run_id"])


@pytest.fixture(scope="module")
def pair(create_database: Callable[..., str], _template: str) -> Iterator[Pair]:
    with opened_api(create_database(template=_template), rows_per_shard=5) as api:
        store_market(api.database)
        store_market(api.database, later_market())
        store_portfolio(api.database, EARLIER, name="before")
        store_portfolio(api.database, LATER, name="after")
        yield Pair(api, submit(api, "before", "close"), submit(api, "after", "next"), submit(api, "before", "next"))


def test_difference_counts_what_changed_is_new_dead_failing_or_priced(pair: Pair) -> None:
    before, after = pair.values(pair.earlier), pair.values(pair.later)
    answer = pair.get(f"{pair.earlier}/diff/{pair.later}").json()
    kinds = {kind["kind"]: kind["position_count"] for kind in answer["kinds"]}
    changed = sum(before[key]["pv_base"] != after[key]["pv_base"] for key in before.keys() & after.keys())
    assert kinds == {"changed": changed, "opened": 1, "closed": 1, "now_failing": 1, "now_priced": 1}
    assert answer["before"] == pytest.approx(math.fsum(row["pv_base"] for row in before.values()), rel=1e-12)
    assert answer["after"] == pytest.approx(math.fsum(row["pv_base"] for row in after.values()), rel=1e-12)
    assert answer["difference"] == pytest.approx(answer["after"] - answer["before"], rel=1e-9)


@pytest.mark.parametrize("measure", ["yield_to_maturity", "pv"])
def test_measure_that_does_not_add_up_is_counted_and_not_summed(pair: Pair, measure: str) -> None:
    answer = pair.get(f"{pair.earlier}/diff/{pair.later}", measure=measure).json()
    assert {kind["kind"] for kind in answer["kinds"]} >= {"changed", "opened", "closed"}
    assert {part[name] for part in (answer, *answer["kinds"]) for name in ("before", "after", "difference")} == {None}


def test_differences_are_paged_by_position_and_downloaded_whole(pair: Pair) -> None:
    rows, cursor = [], None
    while True:
        page = pair.get(f"{pair.earlier}/diff/{pair.later}/positions", limit=4, **({"cursor": cursor} if cursor else {})).json()
        rows += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [row["position_id"] for row in rows] == sorted(row["position_id"] for row in rows)
    by_id = {row["position_id"]: row for row in rows}
    kinds = {key: by_id[key]["kind"] for key in ("BD-000003", "BD-000004", "BD-000005", "BD-000030", "BD-000090")}
    assert list(kinds.values()) == ["changed", "closed", "now_failing", "opened", "now_priced"]
    assert by_id["BD-000003"]["after"] == pair.values(pair.later)["BD-000003"]["pv_base"]
    text = pair.get(f"{pair.earlier}/diff/{pair.later}/positions", format="csv").text
    assert [line["position_id"] for line in csv.DictReader(io.StringIO(text))] == [row["position_id"] for row in rows]


def test_difference_within_the_tolerance_is_none(pair: Pair) -> None:
    same = pair.get(f"{pair.earlier}/diff/{pair.earlier}").json()
    assert (same["kinds"], same["unchanged_count"]) == ([], len(EARLIER))
    loose = pair.get(f"{pair.earlier}/diff/{pair.same}", relative_tolerance=10.0).json()
    assert loose["kinds"] == []
    before, after = pair.values(pair.earlier), pair.values(pair.same)
    sizes = sorted(abs(after[key]["dv01"] - before[key]["dv01"]) for key in before)
    strict = pair.get(f"{pair.earlier}/diff/{pair.same}", measure="dv01", absolute_tolerance=sizes[10]).json()
    assert sum(kind["position_count"] for kind in strict["kinds"]) == len(sizes) - 11


def test_runs_of_different_base_currencies_are_refused_with_both(pair: Pair) -> None:
    euros = submit(pair.api, "before", "close", base_currency="EUR")
    for path in ("diff", "pnl"):
        answer = pair.get(f"{pair.earlier}/{path}/{euros}")
        assert answer.status_code == 422
        assert "EUR" in answer.json()["detail"]
        assert "USD" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["diff", "pnl"])
def test_cancelled_run_is_compared_with_none(pair: Pair, path: str) -> None:
    pair.api.grid.is_asleep = True
    run_id = pair.api.http.post("/api/v1/runs", json={"portfolio": "before", "market": "close"}).json()["run_id"]
    pair.api.grid.is_asleep = False
    assert pair.api.http.post(f"/api/v1/runs/{run_id}/cancel").json()["state"] == "CANCELLED"
    answer = pair.get(f"{run_id}/{path}/{pair.later}")
    assert answer.status_code == 409
    assert "CANCELLED: not all its positions were valued" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["diff", "pnl"])
def test_comparison_with_a_run_that_is_not_there_is_404(pair: Pair, path: str) -> None:
    answer = pair.get(f"{pair.earlier}/{path}/run-none")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


def test_unknown_measure_is_refused_with_the_known_ones(pair: Pair) -> None:
    for path in ("", "/positions"):
        answer = pair.get(f"{pair.earlier}/diff/{pair.later}{path}", measure="colour", **({"format": "csv"} if path else {}))
        assert answer.status_code == 422
        assert "dv01" in answer.json()["detail"]


def test_parts_of_the_pnl_add_up_to_the_change_of_the_stored_values(pair: Pair) -> None:
    answer = pair.get(f"{pair.earlier}/pnl/{pair.same}").json()
    total = answer["total"]
    before, after = pair.values(pair.earlier), pair.values(pair.same)
    assert (total["position_count"], total["failed_count"]) == (len(before), 1)
    assert total["pv_t0"] == pytest.approx(math.fsum(row["pv_base"] for row in before.values()), rel=1e-12)
    assert total["pv_t1"] == pytest.approx(math.fsum(row["pv_base"] for row in after.values()), rel=1e-12)
    assert total["pnl"] == pytest.approx(total["pv_t1"] + total["cash_received"] - total["pv_t0"], rel=1e-9)
    assert math.fsum(total[part] for part in PARTS) == pytest.approx(total["pnl"], rel=1e-9)
    assert abs(total["residual"]) < 1e-5 * abs(total["pnl"])  # pillars lie on other days
    assert total["carry"] != 0.0
    assert total["rates"] < 0.0
    assert total["fx"] != 0.0
    assert (total["opened"], total["closed"]) == (0.0, 0.0)
    assert (answer["as_of_t0"], answer["as_of_t1"]) == ("2024-03-28", "2024-04-02")


@pytest.mark.parametrize("group_by", ["book", "product,currency", "counterparty"])
def test_groups_and_pillars_add_up_to_the_total(pair: Pair, group_by: str) -> None:
    answer = pair.get(f"{pair.earlier}/pnl/{pair.later}", group_by=group_by).json()
    assert [list(row["group"]) for row in answer["groups"]] == [group_by.split(",")] * len(answer["groups"])
    for part in ("pnl", "pv_t0", "pv_t1", *PARTS):
        assert math.fsum(row[part] for row in answer["groups"]) == pytest.approx(answer["total"][part], rel=1e-9, abs=1e-3)
    assert math.fsum(row["rates"] for row in answer["rates_by_pillar"]) == pytest.approx(answer["total"]["rates"], rel=1e-9)
    assert {row["curve"] for row in answer["rates_by_pillar"]} == {"EUR-GOVT", "USD-GOVT"}


def test_new_dead_and_changed_contracts_are_told_apart(pair: Pair) -> None:
    table = pa.ipc.open_stream(pair.get(f"{pair.earlier}/pnl/{pair.later}/positions", format="arrow").content).read_all()
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in table.to_pylist():
        rows.setdefault(row["position_id"], []).append(row)
    before, after = pair.values(pair.earlier), pair.values(pair.later)
    (new,) = rows["BD-000030"]
    assert new["opened"] == pytest.approx(after["BD-000030"]["pv_base"], rel=1e-12)
    (dead,) = rows["BD-000004"]
    assert dead["closed"] == pytest.approx(-before["BD-000004"]["pv_base"], rel=1e-12)
    assert [(row["closed"], row["opened"]) for row in rows["BD-000003"]] == [
        (pytest.approx(-before["BD-000003"]["pv_base"], rel=1e-12), 0.0),
        (0.0, pytest.approx(after["BD-000003"]["pv_base"], rel=1e-12)),
    ]
    assert {row["code"] for row in rows["BD-000005"]} == {None, "MISSING_CURVE"}
    for key in ("BD-000001", "FX-000002"):
        (kept,) = rows[key]
        assert kept["pv_t1"] == pytest.approx(after[key]["pv_base"], rel=1e-12)
        assert math.fsum(kept[part] for part in PARTS) == pytest.approx(kept["pnl"], rel=1e-9)


def test_positions_come_largest_first_by_the_part_asked_for(pair: Pair) -> None:
    address = f"{pair.earlier}/pnl/{pair.same}/positions"
    rows, cursor = [], None
    while True:
        page = pair.get(address, by="rates", limit=5, **({"cursor": cursor} if cursor else {})).json()
        assert len(page["data"]) <= 5
        rows += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    table = pa.ipc.open_stream(pair.get(f"{pair.earlier}/pnl/{pair.same}/positions", format="arrow").content).read_all()
    largest = sorted(table.to_pylist(), key=lambda row: 1.0 if row["rates"] is None else -abs(row["rates"]))
    assert [row["position_id"] for row in rows] == [row["position_id"] for row in largest]
    assert rows[-1]["code"] == "MISSING_CURVE"
    some = pair.get(address, by="rates", limit=5).json()["next_cursor"]
    assert pair.get(address, by="carry", cursor=some).status_code == 400


def test_runs_in_the_wrong_order_are_refused_with_their_dates(pair: Pair) -> None:
    answer = pair.get(f"{pair.later}/pnl/{pair.earlier}")
    assert answer.status_code == 422
    assert "2024-04-02" in answer.json()["detail"]
