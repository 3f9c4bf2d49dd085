"""What-if over HTTP: a stored run compared with itself under another market or with other positions."""

import copy
from typing import Any

import pytest

from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import bond, fx_forward, market_document, store_market, store_portfolio

MEASURES = ("pv_base", "dv01", "cs01", "fx_delta", "theta_1d")
POSITIONS = [*(bond(number) for number in range(1, 7)), *(fx_forward(number) for number in range(1, 5)), bond(7, discount_curve="EUR-X")]
PARALLEL = {"type": "parallel", "shift": {"bp": 10.0}}


def run_of(api: Api, positions: list[dict[str, Any]], *, market: str = "close", name: str = "desk", **changes: Any) -> str:
    """The id of an ended run of these positions."""
    portfolio = store_portfolio(api.database, positions, name=name)
    body = {"portfolio": portfolio.portfolio_id, "market": market, **changes}
    answer = api.http.post("/api/v1/runs", json=body, headers={"Prefer": "wait=60"})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["run_id"])


@pytest.fixture
def base(api: Api) -> tuple[Api, str]:
    """A run of eleven positions, one of them without its curve."""
    store_market(api.database)
    return api, run_of(api, POSITIONS)


def what_if(api: Api, run_id: str, *, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = api.http.post(f"/api/v1/runs/{run_id}/what-if", json=body)
    assert answer.status_code == status, answer.text
    found: dict[str, Any] = answer.json()
    return found


def rollup(api: Api, run_id: str, group_by: str = "") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = api.http.get(f"/api/v1/results/{run_id}/rollup", params={"group_by": group_by}).json()
    return rows


def assert_is_run(api: Api, groups: list[dict[str, Any]], run_id: str, group_by: str, *, tolerance: float = 1e-12) -> None:
    """The what-if's figures equal those of a run of the changed market and portfolio."""
    rows = rollup(api, run_id, group_by)
    assert [group["group"] for group in groups] == [row["group"] for row in rows]
    for group, row in zip(groups, rows, strict=True):
        assert (group["ok_count_what_if"], group["failed_count_what_if"]) == (row["ok_count"], row["failed_count"])
        for measure in MEASURES:
            assert group[measure]["what_if"] == pytest.approx(row[measure], rel=tolerance, abs=1e-6), (measure, group["group"])
            assert group[measure]["difference"] == group[measure]["what_if"] - group[measure]["base"]


def test_positions_removed_scaled_and_added_give_the_sums_of_the_portfolio_with_these_changes(base: tuple[Api, str]) -> None:
    api, run_id = base
    added = [bond(20, book="BOOK-NEW"), fx_forward(21), bond(22, discount_curve="EUR-X")]
    answer = what_if(
        api, run_id, remove=["BD-000001", "BD-000007"], scale={"FX-000002": 0.5, "BD-000004": -2.0}, add=added, group_by=["book", "product"]
    )
    changed = [position for position in POSITIONS if position["position_id"] not in ("BD-000001", "BD-000007", "FX-000002", "BD-000004")]
    changed += [fx_forward(2, notional=0.5 * fx_forward(2)["notional"]), bond(4, notional=-2.0 * bond(4)["notional"]), *added]
    other = run_of(api, changed, name="changed")
    assert_is_run(api, answer["groups"], other, "book,product", tolerance=1e-11)
    assert_is_run(api, [answer["total"]], other, "", tolerance=1e-11)
    assert (answer["what_if_run_id"], answer["state"]) == (run_id, "PARTIAL")
    assert [(failure["position_id"], failure["code"]) for failure in answer["failures"]] == [("BD-000022", "MISSING_CURVE")]


def test_nothing_but_the_base_is_in_base(base: tuple[Api, str]) -> None:
    api, run_id = base
    answer = what_if(api, run_id, add=[bond(20)], group_by=["currency"])
    for group, row in zip(answer["groups"], rollup(api, run_id, "currency"), strict=True):
        assert group["ok_count_base"] == row["ok_count"]
        assert group["failed_count_base"] == row["failed_count"]
        assert {measure: group[measure]["base"] for measure in MEASURES} == {measure: row[measure] for measure in MEASURES}


def test_group_whose_positions_are_all_removed_is_worth_nothing(base: tuple[Api, str]) -> None:
    api, run_id = base
    ids = [position["position_id"] for position in POSITIONS if position["book"] == "BOOK-B"]
    answer = what_if(api, run_id, remove=ids)
    (group,) = [group for group in answer["groups"] if group["group"] == {"book": "BOOK-B"}]
    assert (group["ok_count_what_if"], group["failed_count_what_if"]) == (0, 0)
    assert [group[measure]["what_if"] for measure in MEASURES] == [0.0] * len(MEASURES)


def test_market_changed_gives_what_a_run_under_the_same_market_uploaded_gives(base: tuple[Api, str]) -> None:
    api, run_id = base
    curve = {"name": "USD-GOVT", "currency": "USD", "points": [{"tenor": "1Y", "value": 0.05}, {"tenor": "10Y", "value": 0.055}]}
    shocks = [
        {"type": "parallel", "curves": ["EUR-*"], "shift": {"bp": 25.0}},
        {"type": "fx", "currencies": ["EUR"], "relative": 0.1},
        {"type": "parallel", "target": "spread", "shift": {"relative": 0.5}},
    ]
    answer = what_if(api, run_id, market={"curves": [curve], "fx_rates": {"EURUSD": 1.2}, "shocks": shocks}, remove=["BD-000002"])

    document = copy.deepcopy(market_document())
    document["name"] = "by hand"
    document["curves"][0]["points"] = [{**point, "value": point["value"] + 0.0025} for point in document["curves"][0]["points"]]
    document["curves"][1] = curve
    document["spread_curves"][0]["points"][0]["value"] *= 1.5
    document["fx_spots"][0]["rate"] = 1.2 * 1.1
    store_market(api.database, document)
    other = run_of(api, [position for position in POSITIONS if position["position_id"] != "BD-000002"], market="by hand", name="changed")
    assert_is_run(api, answer["groups"], other, "book")
    stored = api.http.get(f"/api/v1/market-data/snapshots/{answer['market_id']}").json()
    assert stored["name"] == "close~what-if"
    text = api.http.get(f"/api/v1/market-data/snapshots/{answer['market_id']}/document").json()
    assert text["fx_spots"][0]["rate"] == pytest.approx(1.32)
    assert "what-if from mkt-" in text["description"]


def test_parallel_basis_point_is_dv01(base: tuple[Api, str]) -> None:
    api, run_id = base
    answer = what_if(api, run_id, market={"shocks": [{"type": "parallel", "shift": {"bp": 1.0}}]})
    assert answer["total"]["pv_base"]["difference"] == pytest.approx(answer["total"]["dv01"]["base"], rel=1e-10)


def test_the_same_question_finds_the_same_run_and_another_makes_another(base: tuple[Api, str]) -> None:
    api, run_id = base
    first = what_if(api, run_id, market={"shocks": [PARALLEL]})
    again = what_if(api, run_id, market={"shocks": [PARALLEL]}, remove=["BD-000001"])
    other = what_if(api, run_id, market={"shocks": [{**PARALLEL, "shift": {"bp": 11.0}}]})
    assert first["what_if_run_id"] == again["what_if_run_id"] != other["what_if_run_id"]
    assert first["market_id"] == again["market_id"] != other["market_id"]


def test_market_without_changes_is_the_runs_own(base: tuple[Api, str]) -> None:
    api, run_id = base
    answer = what_if(api, run_id, market={"numeraire": "EUR"}, remove=["BD-000001"])
    assert answer["what_if_run_id"] == run_id
    assert api.http.get("/api/v1/market-data/snapshots").json()["total"] == 1


def test_run_that_has_not_ended_in_time_is_found_by_asking_again(base: tuple[Api, str]) -> None:
    api, run_id = base
    api.grid.is_asleep = True
    early = what_if(api, run_id, status=202, market={"shocks": [PARALLEL]}, wait_s=0.0)
    assert (early["state"], early["total"], early["groups"]) == ("QUEUED", None, [])
    api.grid.is_asleep = False
    late = what_if(api, run_id, market={"shocks": [PARALLEL]})
    assert late["what_if_run_id"] == early["what_if_run_id"]
    assert late["total"]["ok_count_what_if"] == 10


def test_run_that_was_cancelled_is_made_anew(base: tuple[Api, str]) -> None:
    api, run_id = base
    api.grid.is_asleep = True
    early = what_if(api, run_id, status=202, market={"shocks": [PARALLEL]}, wait_s=0.0)
    api.http.post(f"/api/v1/runs/{early['what_if_run_id']}/cancel")
    api.grid.is_asleep = False
    late = what_if(api, run_id, market={"shocks": [PARALLEL]})
    assert late["what_if_run_id"] != early["what_if_run_id"]
    assert late["total"]["ok_count_what_if"] == 10


def test_measure_that_the_base_run_has_not_computed_is_null(api: Api) -> None:
    store_market(api.database)
    run_id = run_of(api, POSITIONS, measures=["dv01"])
    total = what_if(api, run_id, market={"shocks": [PARALLEL]}, add=[bond(30)], group_by=[])["total"]
    assert total["theta_1d"] is total["cs01"] is total["fx_delta"] is None
    assert total["pv_base"]["difference"] != 0.0 != total["dv01"]["difference"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "the request has no change"),
    ({"market": {}}, "the request has no change"),
    ({"remove": ["BD-999999"]}, "no position 'BD-999999'"),
    ({"scale": {"FX-999999": 2.0}}, "no position 'FX-999999'"),
    ({"remove": ["BD-000001"], "scale": {"BD-000001": 2.0}}, "'BD-000001' is removed, so it cannot be scaled"),
    ({"remove": ["BD-000001", "BD-000001"]}, "'BD-000001' is removed twice"),
    ({"add": [bond(1)]}, "has a position 'BD-000001' already"),
    ({"add": [bond(30, notional="many")]}, "notional"),
    ({"remove": ["BD-000001"], "group_by": ["desk"]}, "group_by"),
    ({"market": {"shocks": [{**PARALLEL, "curves": ["GBP-*"]}]}}, "GBP-*"),
    ({"market": {"shocks": [{"type": "fx", "currencies": ["JPY"], "relative": 0.1}]}}, "JPY"),
    ({"market": {"shocks": [{"type": "tenors", "curves": ["EUR-GOVT"], "shifts": {"7Y": {"bp": 1}}}]}}, "7Y"),
    ({"market": {"shocks": [{"type": "credit", "bp": 10}]}}, "shock spread curves"),
    ({"market": {"shocks": [{"type": "parallel", "shift": {"bp": 50000}}]}}, "beyond 0.5"),
    ({"market": {"shocks": [{"type": "parallel", "shift": {"bp": 50000}}], "rates_checked": False}}, "beyond 2"),
    ({"market": {"fx_rates": {"GBPUSD": 1.3}}}, "the market quotes no pair 'GBPUSD'; there are EURUSD"),
    ({"market": {"fx_rates": {"EURUSD": -1.3}}}, "EURUSD"),
    ({"market": {"curves": [{"name": "GBP-X", "currency": "GBP", "points": [{"tenor": "1Y", "value": 0.01}]}]}}, "EUR-GOVT, USD-GOVT"),
]


def test_wrong_question_is_refused_and_leaves_nothing(base: tuple[Api, str]) -> None:
    api, run_id = base
    for body, named in WRONG:
        answer = api.http.post(f"/api/v1/runs/{run_id}/what-if", json=body)
        assert answer.status_code == 422, answer.text
        assert named in answer.text, body
    assert api.http.get("/api/v1/runs").json()["total"] == 1
    assert api.http.get("/api/v1/market-data/snapshots").json()["total"] == 1


def test_run_that_has_not_ended_is_refused(base: tuple[Api, str]) -> None:
    api, _ = base
    api.grid.is_asleep = True
    queued = api.http.post("/api/v1/runs", json={"portfolio": "desk", "market": "close"}).json()["run_id"]
    assert "is QUEUED" in what_if(api, queued, status=409, remove=["BD-000001"])["detail"]
    assert "run-none" in what_if(api, "run-none", status=404, remove=["BD-000001"])["detail"]
