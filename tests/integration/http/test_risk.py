"""The SDK and the command line on scenario sets and on runs with scenarios, against the real services."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from riskray.cli import app
from riskray.client import Client, RunHandle
from riskray.config import Settings
from riskray.errors import InvalidRequest, NotFound
from riskray.store.runs import run_no_of
from riskray.store.vectors import POSITION_SCENARIO_FAILURE_SCHEMA, SCENARIO_FAILURE_SCHEMA, write_scenario_failures
from tests.fixtures.services import Api, opened_api
from tests.fixtures.stored_snapshots import bond, fx_forward, market_document
from tests.fixtures.stored_vectors import replace_vectors

POSITIONS = [bond(number) for number in range(12)] + [fx_forward(number) for number in range(6)]
STRESS = {
    "kind": "stress",
    "scenarios": [{"name": f"parallel {bp}", "shocks": [{"type": "parallel", "shift": {"bp": bp}}]} for bp in range(-100, 100)],
}
TREE = {
    "name": "desks",
    "dimension": "book",
    "root": "BANK",
    "parents": {"BOOK-A": "RATES", "BOOK-B": "RATES", "BOOK-C": "BANK", "RATES": "BANK"},
}


class OpenClient(Client):
    """A client of the services in this process, which stay open when it is closed."""

    api: Api

    def __init__(self) -> None:
        super().__init__(Settings(api_url="http://testserver"), http=self.api.http)

    def __exit__(self, *_: object) -> None:
        """The fixture closes the services."""


@pytest.fixture(scope="module")
def client(create_database: Callable[..., str], _template: str) -> Iterator[Client]:
    with opened_api(create_database(template=_template)) as api:
        OpenClient.api = api
        yield OpenClient()


@pytest.fixture(scope="module")
def run(client: OpenClient) -> tuple[RunHandle, np.ndarray]:
    """A finished run with vectors, and the P&L of all its positions together."""
    client.upload_market(market_document())
    client.upload_portfolio(POSITIONS, name="desk")
    client.create_scenario_set("shocks", market="close", definition=STRESS)
    client.create_hierarchy(TREE)
    handle = client.submit(portfolio="desk", market="close", scenario_set="shocks", vectors="position", wait_s=30)
    rows = handle.positions().to_arrow().to_pylist()
    pnl = np.random.default_rng(3).normal(0.0, 1e4, (len(rows), 200))
    url = client.api.settings.database_url
    assert url is not None
    replace_vectors(client.api.database, url.get_secret_value(), run_id=handle.run_id, positions=rows, pnl=pnl)
    return handle, pnl


@pytest.fixture
def command(client: OpenClient, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs the command line on the services and returns its output, parsed if it is JSON."""
    monkeypatch.setattr("riskray.client.Client", OpenClient)

    def run_command(*arguments: str) -> Any:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout) if "--json" in arguments else result.stdout

    return run_command


def test_scenario_set_is_made_listed_and_downloaded(client: Client, run: object, tmp_path: Path) -> None:
    detail = client.get_scenario_set("shocks")
    assert (detail.scenario_count, detail.labels[0]) == (200, "parallel -100")
    assert [item.name for item in client.list_scenario_sets(name="shocks").data] == ["shocks"]
    path = client.download_scenario_set("shocks", tmp_path / "shocks.parquet")
    assert client.upload_scenario_matrix(path, name="copy").scenario_set_id == detail.scenario_set_id
    with pytest.raises(NotFound):
        client.get_scenario_set("none")


def test_history_is_made_and_a_set_of_its_moves(client: Client, run: object, tmp_path: Path) -> None:
    history = client.create_demo_history(market="close", name="since march")
    assert client.get_history("since march").history_id == history.history_id
    made = client.create_scenario_set(
        "moves", market="close", definition={"kind": "historical", "history": "since march", "window": 50, "gap_policy": "carry_forward"}
    )
    assert made.scenario_count == 50
    path = client.download_history("since march", tmp_path / "levels.parquet")
    assert client.upload_history(path, name="copy").history_id == history.history_id
    with pytest.raises(InvalidRequest, match="dates are needed"):
        client.create_scenario_set("more", market="close", definition={"kind": "historical", "history": "since march", "window": 90_000})


def test_var_of_the_run_is_numpys_and_its_components_add_up(run: tuple[RunHandle, np.ndarray]) -> None:
    handle, pnl = run
    answer = handle.var("book", confidence=[0.95, 0.99])
    losses = np.sort(-pnl.sum(axis=0))[::-1]
    assert [figure.var for figure in answer.figures] == pytest.approx([losses[9], losses[1]])
    assert sum(part.component_var for part in answer.contributions if part.confidence == 0.99) == pytest.approx(losses[1])
    node = handle.var(hierarchy="desks", node="RATES", by_children=True)
    assert [part.group for part in node.contributions] == [{"node": "BOOK-A"}, {"node": "BOOK-B"}]


def test_stress_of_nodes_and_positions(client: Client, run: tuple[RunHandle, np.ndarray], tmp_path: Path) -> None:
    handle, pnl = run
    answer = handle.stress(scenarios=["parallel 5"])
    assert answer.nodes[0].pnl == pytest.approx([pnl[:, 105].sum()])
    assert client.position_stress(handle.run_id).to_arrow().column("pnl")[0].as_py() == pnl[0].tolist()
    lines = client.download_stress(handle.run_id, tmp_path / "stress.csv", ["book"], format="csv").read_text().splitlines()
    assert len(lines) == 1 + 3 * 200


def test_positions_without_value_in_a_scenario_are_listed_page_by_page(client: OpenClient, run: tuple[RunHandle, np.ndarray]) -> None:
    handle, _ = run
    lacking = pa.table(
        {"position_no": [2, 5], "first_scenario_no": [7, 0], "scenario_count": [1, 200]}, schema=POSITION_SCENARIO_FAILURE_SCHEMA
    )
    with client.api.database.transaction() as connection:
        run_no = run_no_of(client.api.database, run_id=handle.run_id)
        write_scenario_failures(connection, run_no=run_no, scenarios=SCENARIO_FAILURE_SCHEMA.empty_table(), positions=lacking)
    first = client.scenario_failures(handle.run_id, limit=1)
    second = client.scenario_failures(handle.run_id, limit=1, cursor=first.next_cursor)
    found = [(row.position_id, row.first_scenario_no, row.scenario_count) for row in [*first.data, *second.data]]
    ids = {row["position_no"]: row["position_id"] for row in handle.positions().to_arrow().to_pylist()}
    assert found == [(ids[2], 7, 1), (ids[5], 0, 200)]
    assert second.next_cursor is None


def test_run_is_submitted_with_scenarios_from_the_command_line(command: Callable[..., Any], client: Client, run: object) -> None:
    submit = ("run", "submit", "--portfolio", "desk", "--market", "close")
    plain = command(*submit, "--json")
    assert (plain["scenario_set_id"], plain["vectors"]) == (None, "none")
    made = command(*submit, "--scenarios", "shocks", "--vectors", "position", "--failure-policy", "drop_scenario", "--json")
    assert made["scenario_set_id"] == client.get_scenario_set("shocks").scenario_set_id
    assert (made["vectors"], made["failure_policy"]) == ("position", "drop_scenario")
    assert command(*submit, "--scenarios", "shocks", "--json")["vectors"] == "group"
    with pytest.raises(NotFound, match="none-such"):
        command(*submit, "--scenarios", "none-such")


def test_top_is_the_largest_by_absolute_value(run: tuple[RunHandle, np.ndarray]) -> None:
    handle, _ = run
    rows = handle.positions().to_arrow().to_pylist()
    expected = sorted(rows, key=lambda row: -abs(row["dv01"]))[:5]
    assert [row.position_id for row in handle.top("dv01", limit=5)] == [row["position_id"] for row in expected]
    lowest = handle.top("pv_base", limit=3, order="lowest", product="FX_FWD")
    assert [row.pv_base for row in lowest] == sorted(row["pv_base"] for row in rows if row["product"] == "FX_FWD")[:3]
    with pytest.raises(InvalidRequest, match="dv01"):
        handle.top("colour")


def test_rollup_by_counterparty_adds_up_to_the_totals(run: tuple[RunHandle, np.ndarray]) -> None:
    handle, _ = run
    by_counterparty = handle.rollup("counterparty", "book")
    assert {row.group["counterparty"] for row in by_counterparty} == {"CP-1", "CP-2"}
    assert sum(row.pv_base for row in by_counterparty) == pytest.approx(handle.totals().pv_base, rel=1e-12)
    (only,) = handle.rollup("product", counterparty="CP-1")
    assert only.group == {"product": "FX_FWD"}
    (drilled,) = handle.rollup("book", book="BOOK-A")
    assert drilled in handle.rollup("book")


def test_ladder_of_a_node_is_that_of_its_books(client: Client, run: tuple[RunHandle, np.ndarray]) -> None:
    handle, _ = run
    node = {(row.kind, row.factor, row.bucket): row.sensitivity for row in handle.sensitivities(hierarchy="desks", node="RATES")}
    books = [row for row in handle.sensitivities("book") if row.group["book"] in ("BOOK-A", "BOOK-B")]
    assert sum(node.values()) == pytest.approx(sum(row.sensitivity for row in books), rel=1e-12)


@pytest.mark.parametrize("kind", ["parquet", "arrow", "csv"])
def test_views_are_downloaded_as_they_are_answered(client: Client, run: tuple[RunHandle, np.ndarray], tmp_path: Path, kind: Any) -> None:
    handle, _ = run
    grouped = [row.model_dump() for row in handle.rollup("book", "counterparty")]
    views: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
        "rollup": ({"group_by": ("book", "counterparty")}, [{**row.pop("group"), **row} for row in grouped]),
        "sensitivities": (
            {"factor": ["EUR-GOVT"], "book": "BOOK-A"},
            [row.model_dump(exclude={"group"}) for row in handle.sensitivities(factor=["EUR-GOVT"], book="BOOK-A")],
        ),
        "top": ({"by": "dv01", "limit": 3}, [row.model_dump() for row in handle.top("dv01", limit=3)]),
    }
    for view, (question, expected) in views.items():
        path = client.export_view(handle.run_id, view, tmp_path / f"{view}.{kind}", format=kind, **question)  # type: ignore[arg-type]
        if kind == "csv":
            lines = list(csv.DictReader(path.read_text().splitlines()))
            assert [list(line) for line in lines] == [list(row) for row in expected]
        else:
            table = pq.read_table(path) if kind == "parquet" else pa.ipc.open_stream(path.read_bytes()).read_all()
            assert sorted(table.to_pylist(), key=str) == sorted(expected, key=str)
            assert table.schema.metadata[b"riskray.run_id"] == handle.run_id.encode()
        assert expected
    empty = client.export_view(handle.run_id, "top", tmp_path / "none.parquet", book="NONE")
    assert pq.read_table(empty).column_names == list(expected[0])


def test_two_runs_are_compared_and_the_change_explained(
    client: Client, run: tuple[RunHandle, np.ndarray], command: Callable[..., Any], tmp_path: Path
) -> None:
    handle, _ = run
    document = market_document() | {"name": "next", "as_of": "2024-04-02"}
    client.upload_market(document)
    later = client.submit(portfolio="desk", market="next", wait_s=30)
    difference = handle.diff(later)
    assert [kind.kind for kind in difference.kinds] == ["changed"]
    assert difference.difference is not None
    assert difference.difference == pytest.approx(later.totals().pv_base - handle.totals().pv_base, rel=1e-9)
    assert len(client.diff_positions(handle.run_id, later.run_id)) == difference.kinds[0].position_count
    answer = handle.pnl(later, "book")
    assert answer.total.pnl == pytest.approx(difference.difference + answer.total.cash_received, rel=1e-9)
    parts = (answer.total.carry, answer.total.rates, answer.total.credit, answer.total.fx, answer.total.residual)
    assert sum(parts) == pytest.approx(answer.total.pnl, rel=1e-9)
    assert len(client.pnl_positions(handle.run_id, later.run_id)) == len(POSITIONS)
    page = client.page_pnl(handle.run_id, later.run_id, by="carry", limit=10)
    rest = client.page_pnl(handle.run_id, later.run_id, by="carry", limit=10, cursor=page.next_cursor)
    assert (len({row.position_id for row in [*page.data, *rest.data]}), rest.next_cursor) == (len(POSITIONS), None)
    assert command("diff", handle.run_id, later.run_id, "--json") == difference.model_dump(mode="json")
    assert "BD-000001" in command("diff", handle.run_id, later.run_id, "--positions")
    assert command("pnl", handle.run_id, later.run_id, "--json") == answer.model_dump(mode="json")
    table = command("pnl", handle.run_id, later.run_id, "--by", "product", "--file", str(tmp_path / "pnl.csv"))
    assert f"{answer.total.pnl:,.2f}" in table
    assert len((tmp_path / "pnl.csv").read_text().splitlines()) == 1 + len(POSITIONS)


def test_commands_print_what_the_sdk_answers(command: Callable[..., Any], run: tuple[RunHandle, np.ndarray], tmp_path: Path) -> None:
    handle, _ = run
    answer = handle.var("book", confidence=0.95, tail_scenario_count=5)
    assert command("var", handle.run_id, "--by", "book", "--confidence", "0.95", "--json") == answer.model_dump(mode="json")
    table = command("var", handle.run_id, "--by", "book", "--confidence", "0.95")
    assert f"{answer.figures[0].var:,.2f}" in table
    assert "BOOK-C" in table
    assert answer.tail_scenarios[0].scenario in table
    stress = command("stress", handle.run_id, "--by", "book", "--scenario", "parallel 5", "--json")
    assert [node["group"]["book"] for node in stress["nodes"]] == ["BOOK-A", "BOOK-B", "BOOK-C"]
    assert "parallel 5" in command("stress", handle.run_id, "--scenario", "parallel 5")
    assert [row["position_id"] for row in command("top", handle.run_id, "--by", "dv01", "-n", "2", "--json")] == [
        row.position_id for row in handle.top("dv01", limit=2)
    ]
    assert command("top", handle.run_id, "--by", "dv01", "-n", "2").startswith("dv01 in USD\n")
    [best] = handle.top("yield_to_maturity", limit=1)
    assert f"{best.yield_to_maturity:.6f}" in command("top", handle.run_id, "--by", "yield_to_maturity", "-n", "1")
    assert command("rollup", handle.run_id, "--by", "counterparty", "--json")[0]["group"] == {"counterparty": "CP-1"}


def test_filter_that_nothing_passes_is_told(
    command: Callable[..., Any], run: tuple[RunHandle, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr("riskray.cli.output.say", said.append)
    assert "USD" in command("sensitivities", run[0].run_id, "--book", "BOOK-A")
    assert said == []
    command("sensitivities", run[0].run_id, "--book", "TYPO")
    assert len(said) == 1
    assert "no rows" in said[0]


@pytest.mark.parametrize("name", ["rollup", "sensitivities"])
def test_tables_of_sums_say_their_currency_and_what_is_in_no_sum(
    command: Callable[..., Any], run: tuple[RunHandle, np.ndarray], name: str
) -> None:
    totals = run[0].totals()
    failed = f"{totals.failed_count} of {totals.position_count} positions failed and are not in any sum"
    assert command(name, totals.run_id).splitlines()[0] == f"{totals.run_id}: {totals.base_currency}; {failed}"


def test_commands_make_list_and_download_what_scenarios_are_made_of(command: Callable[..., Any], run: object, tmp_path: Path) -> None:
    definition = tmp_path / "definition.json"
    definition.write_text(json.dumps(STRESS | {"scenarios": STRESS["scenarios"][:3]}))
    made = command("scenario", "create", str(definition), "--name", "three", "--market", "close", "--json")
    assert made["scenario_count"] == 3
    assert made["scenario_set_id"] in command("scenario", "list")
    assert "parallel -100" in command("scenario", "show", "three")
    command("scenario", "download", "three", str(tmp_path / "three.csv"))
    assert command("scenario", "upload", str(tmp_path / "three.csv")).strip() == made["scenario_set_id"]
    history = command("history", "demo", "--market", "close", "--name", "demo", "--seed", "2", "--json")
    assert history["history_id"] in command("history", "list")
    assert command("history", "show", "demo", "--json")["summary"]["numeraire"] == "EUR"
    tree = tmp_path / "tree.json"
    tree.write_text(json.dumps(TREE))
    assert command("hierarchy", "create", str(tree)).strip() == command("hierarchy", "show", "desks", "--json")["hierarchy_id"]
    assert "desks" in command("hierarchy", "list")


def test_what_if_answers_the_same_to_the_sdk_and_to_the_command_line(
    client: OpenClient, run: tuple[RunHandle, np.ndarray], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_id = run[0].run_id
    new = bond(900, book="BOOK-NEW")
    answer = client.what_if(
        run_id,
        ["book"],
        market={"shocks": [{"type": "parallel", "curves": ["USD-*"], "shift": {"bp": 25.0}}], "fx_rates": {"EURUSD": 1.1}},
        remove=["BD-000001"],
        scale={"FX-000002": 0.5},
        add=[new],
    )
    assert answer.total is not None
    assert answer.total.pv_base is not None
    assert answer.total.ok_count_what_if == answer.total.ok_count_base == len(POSITIONS)
    assert [group.group["book"] for group in answer.groups] == ["BOOK-A", "BOOK-B", "BOOK-C", "BOOK-NEW"]

    monkeypatch.setattr("riskray.client.Client", OpenClient)
    file = tmp_path / "new.json"
    file.write_text(json.dumps(new))
    options = ["--parallel", "USD-*=25", "--fx-rate", "EURUSD=1.1", "--remove", "BD-000001", "--scale", "FX-000002=0.5", "--add", str(file)]
    printed = CliRunner().invoke(app, ["what-if", run_id, *options, "--json"])
    assert json.loads(printed.stdout) == answer.model_dump(mode="json")
    table = CliRunner().invoke(app, ["what-if", run_id, *options]).stdout
    assert "BOOK-NEW" in table
    assert f"{answer.total.pv_base.difference:,.2f}" in table.replace("\n", "")


def test_what_if_option_without_a_number_is_named(client: OpenClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riskray.client.Client", OpenClient)
    with pytest.raises(InvalidRequest, match="--scale 'BD-000001' is not a name, = and a number"):
        CliRunner().invoke(app, ["what-if", "run-1", "--scale", "BD-000001"], catch_exceptions=False)


def test_ladders_are_printed_as_the_sdk_has_them(
    client: OpenClient, run: tuple[RunHandle, np.ndarray], command: Callable[..., Any]
) -> None:
    run_id = run[0].run_id
    rungs = [rung.model_dump(mode="json") for rung in client.sensitivities(run_id, ["product"], factor=["EUR-GOVT"])]
    assert command("sensitivities", run_id, "--by", "product", "--factor", "EUR-GOVT", "--json") == rungs
    assert {rung["bucket"] for rung in rungs} == {"3M", "1Y", "2Y", "5Y", "10Y", "30Y"}
    (delta,) = client.sensitivities(run_id, kind=["CURRENCY"], book="BOOK-A")
    shown = command("sensitivities", run_id, "--kind", "currency", "--book", "BOOK-A")
    assert f"{delta.sensitivity:,.2f}" in shown
    assert "CURRENCY: change in base currency after a bump of 0.01" in shown
    assert "RATE" not in shown
