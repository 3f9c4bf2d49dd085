"""VaR, ES and stress over HTTP, against numpy on the raw vectors of the positions."""

import csv
import io
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.fixtures.services import Api, opened_api
from tests.fixtures.stored_snapshots import bond, fx_forward, store_market, store_portfolio
from tests.fixtures.stored_vectors import replace_vectors

SCENARIOS = 200
POSITIONS = [bond(number, counterparty=f"CP-{number % 4}") for number in range(30)]
POSITIONS += [bond(90, discount_curve="EUR-X", counterparty="CP-1")] + [fx_forward(number) for number in range(12)]
TREE = {
    "name": "desks", "dimension": "book", "root": "BANK",
    "parents": {"BOOK-A": "RATES", "BOOK-B": "RATES", "BOOK-C": "FX", "RATES": "BANK", "FX": "BANK"},
}  # fmt: skip
DIMENSIONS = ("book", "product", "currency", "counterparty")


class Valued:
    """A finished run, its positions, and their P&L as it was put into the database."""

    def __init__(self, api: Api, run_id: str, rows: list[dict[str, Any]], pnl: np.ndarray) -> None:
        self.api, self.run_id, self.rows, self.pnl = api, run_id, rows, pnl

    def var(self, **question: Any) -> Any:
        return self.api.http.post(f"/api/v1/results/{self.run_id}/var", json=question)

    def get(self, path: str, **request: Any) -> Any:
        return self.api.http.get(f"/api/v1/results/{self.run_id}{path}", **request)

    def vector(self, **values: Any) -> np.ndarray:
        """The sum of the raw vectors of the positions with one of these values in each dimension."""
        chosen = [all(row[name] in wanted for name, wanted in values.items()) for row in self.rows]
        return np.nansum(self.pnl[chosen], axis=0)


def numpy_var(vector: np.ndarray, confidence: float) -> tuple[float, float]:
    """VaR by `higher` and the mean of the worst losses, for a confidence with a whole number of losses beyond it."""
    losses = np.sort(-vector)[::-1]
    count = round((1 - confidence) * losses.size)
    return losses[count - 1], losses[:count].mean()


@pytest.fixture(scope="module")
def valued(create_database: Callable[..., str], _template: str) -> Iterator[Valued]:
    """One run for all tests, which only read it."""
    url = create_database(template=_template)
    with opened_api(url) as api:
        store_market(api.database)
        store_portfolio(api.database, POSITIONS)
        values = np.random.default_rng(1).normal(0.0, 0.005, (SCENARIOS, 2))
        text = "scenario,zero/EUR-GOVT/5Y,zero/USD-GOVT/5Y\n" + "\n".join(
            f"s{number},{x!r},{y!r}" for number, (x, y) in enumerate(values.tolist())
        )
        stored = api.http.post("/api/v1/scenarios/sets/matrix?name=shocks", content=text, headers={"Content-Type": "text/csv"})
        assert stored.status_code == 201, stored.text
        api.http.post("/api/v1/scenarios/hierarchies", json=TREE)
        request = {"portfolio": "desk", "market": "close", "scenario_set": "shocks", "vectors": "position"}
        run = api.http.post("/api/v1/runs", json=request, headers={"Prefer": "wait=60"}).json()
        assert run["state"] == "PARTIAL", run
        run_id = run["run_id"]
        priced = api.http.get(f"/api/v1/results/{run_id}/positions?limit=1000").json()["data"]
        failed = api.http.get(f"/api/v1/results/{run_id}/failures?limit=1000").json()["data"]
        rows = sorted([*priced, *({**row, "pv_base": None} for row in failed)], key=lambda row: row["position_no"])
        pnl = np.random.default_rng(2).standard_t(4, (len(rows), SCENARIOS)) * 1e4
        pnl[[row["pv_base"] is None for row in rows]] = np.nan
        replace_vectors(api.database, url, run_id=run_id, positions=rows, pnl=pnl)
        yield Valued(api, run_id, rows, pnl)


NODES = [
    {},
    {"book": ["BOOK-A"]},
    {"product": ["FX_FWD"]},
    {"currency": ["USD"]},
    {"counterparty": ["CP-1", "CP-2"]},
    {"book": ["BOOK-A", "BOOK-C"], "currency": ["EUR"]},
    {"book": ["BOOK-B"], "counterparty": ["CP-1"]},
]
FILTERS = {"book": "books", "product": "products", "currency": "currencies", "counterparty": "counterparties"}


@pytest.mark.parametrize("node", NODES, ids=str)
@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_var_and_es_of_any_node_are_numpys_on_the_raw_vectors(valued: Valued, node: dict[str, list[str]], confidence: float) -> None:
    answer = valued.var(confidences=[confidence], filters={FILTERS[name]: values for name, values in node.items()}).json()
    (figures,) = answer["figures"]
    var, es = numpy_var(valued.vector(**node), confidence)
    assert (figures["var"], figures["expected_shortfall"]) == (pytest.approx(var, rel=1e-12), pytest.approx(es, rel=1e-12))
    in_node = [row for row in valued.rows if all(row[name] in values for name, values in node.items())]
    assert answer["position_count"] == sum(row["pv_base"] is not None for row in in_node)
    assert answer["dropped_position_count"] == sum(row["pv_base"] is None for row in in_node)
    assert answer["pv_base"] == pytest.approx(math.fsum(row["pv_base"] or 0.0 for row in in_node), rel=1e-12)


def test_interpolating_convention_is_numpys_quantile(valued: Valued) -> None:
    (figures,) = valued.var(confidences=[0.975], convention="linear").json()["figures"]
    assert figures["var"] == pytest.approx(np.quantile(-valued.vector(), 0.975), rel=1e-12)


@pytest.mark.parametrize("group_by", [["book"], ["counterparty"], ["product", "currency"], ["book", "counterparty"]])
@pytest.mark.parametrize("allocation", ["scenario", "tail_average"])
def test_components_add_up_to_the_node_and_stand_alone_figures_are_the_parts_own(
    valued: Valued, group_by: list[str], allocation: str
) -> None:
    answer = valued.var(confidences=[0.95], group_by=group_by, allocation=allocation).json()
    (figures,) = answer["figures"]
    parts = answer["contributions"]
    assert math.fsum(part["component_var"] for part in parts) == pytest.approx(figures["var"], rel=1e-9)
    assert math.fsum(part["component_expected_shortfall"] for part in parts) == pytest.approx(figures["expected_shortfall"], rel=1e-9)
    whole = valued.vector()
    for part in parts:
        own = valued.vector(**{name: [value] for name, value in part["group"].items()})
        assert part["var"] == pytest.approx(numpy_var(own, 0.95)[0], rel=1e-9, abs=1e-6)
        assert part["incremental_var"] == pytest.approx(figures["var"] - numpy_var(whole - own, 0.95)[0], rel=1e-9, abs=1e-6)
        if part["pv_base"]:
            assert part["marginal_var"] == pytest.approx(part["component_var"] / part["pv_base"], rel=1e-12)


def test_tail_scenarios_are_the_worst_ones_and_their_weights_add_up(valued: Valued) -> None:
    answer = valued.var(confidences=[0.95], tail_scenario_count=20).json()
    whole = valued.vector()
    worst = np.argsort(whole)[:20]
    assert [row["scenario"] for row in answer["tail_scenarios"]] == [f"s{number}" for number in worst]
    assert [row["pnl"] for row in answer["tail_scenarios"]] == pytest.approx(whole[worst].tolist(), rel=1e-12)
    assert sum(row["weight"] for row in answer["tail_scenarios"]) == pytest.approx(1.0)


def test_node_of_a_hierarchy_is_the_sum_of_its_leaves_and_its_children_are_its_parts(valued: Valued) -> None:
    answer = valued.var(confidences=[0.95], hierarchy="desks", node="RATES", group_by=["book"]).json()
    assert answer["figures"][0]["var"] == pytest.approx(numpy_var(valued.vector(book=["BOOK-A", "BOOK-B"]), 0.95)[0], rel=1e-12)
    assert [part["group"] for part in answer["contributions"]] == [{"book": "BOOK-A"}, {"book": "BOOK-B"}]
    children = valued.var(confidences=[0.95], hierarchy="desks", node="BANK", by_children=True).json()["contributions"]
    assert [part["group"] for part in children] == [{"node": "FX"}, {"node": "RATES"}]
    assert children[1]["var"] == answer["figures"][0]["var"]


def test_address_asks_the_same_as_the_body(valued: Valued) -> None:
    body = valued.var(confidences=[0.95, 0.99], filters={"books": ["BOOK-A"]}, group_by=["product"]).json()
    address = valued.get("/var", params={"confidence": [0.95, 0.99], "book": "BOOK-A", "group_by": "product"}).json()
    assert address == body
    assert len(body["figures"]) == 2


def test_parametric_figure_is_normal_in_the_runs_own_sensitivities(valued: Valued) -> None:
    answer = valued.var(confidences=[0.99], method="parametric", group_by=["book"]).json()
    ladder = {(row["factor"], row["bucket"]): row["sensitivity"] for row in valued.get("/sensitivities").json()}
    document = valued.api.http.get("/api/v1/scenarios/sets/shocks/matrix?format=json").json()
    moves = np.array([scenario["values"] for scenario in document["scenarios"]])
    sensitivities = np.array([ladder["EUR-GOVT", "5Y"], ladder["USD-GOVT", "5Y"]]) * 1e4
    deviation = math.sqrt(sensitivities @ (moves.T @ moves / SCENARIOS) @ sensitivities)
    (figures,) = answer["figures"]
    assert figures["var"] == pytest.approx(2.3263478740408408 * deviation, rel=1e-9)
    assert figures["expected_shortfall"] == pytest.approx(2.665214220345806 * deviation, rel=1e-9)
    assert math.fsum(part["component_var"] for part in answer["contributions"]) == pytest.approx(figures["var"], rel=1e-9)


@pytest.mark.parametrize(
    ("question", "status", "named"),
    [
        ({"confidences": [1.0]}, 422, "0.99"),
        ({"confidences": [99]}, 422, "0.99"),
        ({"filters": {"books": ["BOOK-Z"]}}, 422, "BOOK-A"),
        ({"hierarchy": "desks", "node": "EQUITY"}, 404, "EQUITY"),
        ({"hierarchy": "regions", "node": "EMEA"}, 404, "regions"),
        ({"hierarchy": "desks"}, 422, "both hierarchy and node"),
        ({"method": "parametric", "group_by": ["counterparty"]}, 422, "full_revaluation"),
    ],
    ids=str,
)
def test_question_that_cannot_be_answered_is_refused_with_what_is_wrong(valued: Valued, question: Any, status: int, named: str) -> None:
    answer = valued.var(**question)
    assert answer.status_code == status, answer.text
    assert named in answer.text


def test_hierarchy_that_does_not_know_a_book_of_the_run_is_refused_and_the_book_named(valued: Valued) -> None:
    small = {**TREE, "name": "small", "parents": {"BOOK-A": "BANK", "BOOK-B": "BANK"}}
    valued.api.http.post("/api/v1/scenarios/hierarchies", json=small)
    for method in ("full_revaluation", "parametric"):
        answer = valued.var(hierarchy="small", node="BANK", method=method)
        assert answer.status_code == 422
        assert "BOOK-C" in answer.json()["detail"]


def test_run_without_vectors_is_a_conflict_with_the_remedy(valued: Valued) -> None:
    run = valued.api.http.post("/api/v1/runs", json={"portfolio": "desk", "market": "close"}, headers={"Prefer": "wait=60"}).json()
    answer = valued.api.http.post(f"/api/v1/results/{run['run_id']}/var", json={})
    assert (answer.status_code, answer.json()["error"]) == (409, "conflict")
    assert "scenario_set" in answer.json()["detail"]


def test_stress_by_book_is_the_sum_of_the_vectors_in_every_format(valued: Valued) -> None:
    answer = valued.get("/stress", params={"group_by": "book"}).json()
    assert len(answer["scenarios"]) == SCENARIOS
    for node in answer["nodes"]:
        assert node["pnl"] == pytest.approx(valued.vector(book=[node["group"]["book"]]).tolist(), rel=1e-12, abs=1e-6)
    some = valued.get("/stress", params={"group_by": "book", "scenario": ["s7", "s3"], "format": "csv"})
    lines = list(csv.DictReader(io.StringIO(some.text)))
    assert [(line["book"], line["scenario"]) for line in lines[:3]] == [("BOOK-A", "s7"), ("BOOK-A", "s3"), ("BOOK-B", "s7")]
    assert float(lines[1]["pnl"]) == pytest.approx(valued.vector(book=["BOOK-A"])[3], rel=1e-12)
    table = pa.ipc.open_stream(valued.get("/stress", params={"group_by": "book", "format": "arrow"}).content).read_all()
    assert table.num_rows == 3 * SCENARIOS
    assert valued.get("/stress", params={"scenario": "s999"}).status_code == 422


def test_stress_of_positions_pages_through_every_priced_position(valued: Valued) -> None:
    found, cursor = [], None
    while True:
        page = valued.get(
            "/stress/positions", params={"scenario": ["s5", "s6"], "limit": 9} | ({"cursor": cursor} if cursor else {})
        ).json()
        found += page["data"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    priced = [row for row in valued.rows if row["pv_base"] is not None]
    assert [row["position_id"] for row in found] == [row["position_id"] for row in priced]
    assert [row["pnl"] for row in found] == [valued.pnl[row["position_no"], 5:7].tolist() for row in priced]
    table = pa.ipc.open_stream(valued.get("/stress/positions", params={"format": "arrow"}).content).read_all()
    assert table.num_rows == len(priced)
    assert table.column("pnl")[0].as_py() == valued.pnl[priced[0]["position_no"]].tolist()
