"""Scenario sets, histories, hierarchies and P&L vectors in the database: what goes in comes out, and nothing is there twice."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from psycopg.errors import UniqueViolation

from riskray.errors import Conflict, InvalidRequest, NotFound, StoreError
from riskray.models.hierarchy import HierarchyDocument
from riskray.models.scenario import MatrixDefinition
from riskray.models.tail_risk import NodeFilter
from riskray.scenario import codec, history
from riskray.scenario.factors import parse_factor
from riskray.snapshots.content import hierarchy_content, history_content, scenario_set_content
from riskray.snapshots.kinds import (
    HIERARCHIES,
    HISTORIES,
    KINDS,
    SCENARIO_SETS,
    HierarchyRecord,
    HistoryRecord,
    ScenarioSetRecord,
    SnapshotKind,
)
from riskray.store import runs, snapshots, vectors
from riskray.store.database import Database
from riskray.store.vectors import VectorCell
from tests.integration.store.examples import store_run
from tests.unit.riskray.scenario.examples import history as example_history

pytestmark = pytest.mark.postgres
COUNT = 4


def matrix(shift: float = 0.01) -> codec.ScenarioMatrix:
    values = np.linspace(-1.0, 1.0, COUNT)[:, None] * [shift, 0.1]
    factors = (parse_factor("zero/EUR-ESTR/1Y"), parse_factor("fx/EUR"))
    return codec.checked_matrix(tuple("abcd"), factors, values, numeraire="USD")


def store_set(database: Database, *, name: str = "stress", shift: float = 0.01) -> tuple[ScenarioSetRecord, bool]:
    content = scenario_set_content(MatrixDefinition(), matrix(shift), market_id=None)
    return snapshots.store(database, SCENARIO_SETS, name=name, content=content)


def store_history(database: Database, *, name: str = "levels", count: int = 6) -> tuple[HistoryRecord, bool]:
    return snapshots.store(database, HISTORIES, name=name, content=history_content(example_history(count)))


def store_hierarchy(database: Database, *, name: str = "desks", root: str = "BANK") -> tuple[HierarchyRecord, bool]:
    document = HierarchyDocument(name="desks", dimension="book", root=root, parents={"ALPHA": root})
    return snapshots.store(database, HIERARCHIES, name=name, content=hierarchy_content(document))


def test_scenario_set_is_read_as_it_was_stored(database: Database) -> None:
    stored, created = store_set(database)
    assert created
    assert stored.scenario_set_id == codec.scenario_set_id(codec.content_hash(matrix()))
    assert snapshots.get(database, SCENARIO_SETS, stored.scenario_set_id) == stored
    assert snapshots.read_document(database, SCENARIO_SETS, stored.scenario_set_id) == MatrixDefinition().model_dump_json()
    for key in (stored.scenario_set_no, stored.scenario_set_id):
        assert codec.content_hash(codec.decode(snapshots.read_payload(database, SCENARIO_SETS, key))) == stored.content_hash


def test_history_is_read_as_it_was_stored(database: Database) -> None:
    stored, _ = store_history(database)
    assert (stored.first_date, stored.last_date, stored.row_count) == (date(2024, 1, 1), date(2024, 1, 6), 6)
    again = history.decode(snapshots.read_payload(database, HISTORIES, stored.history_id))
    assert history.content_hash(again) == stored.content_hash
    assert tuple(stored.factors) == again.factors


def test_hierarchy_is_read_as_it_was_stored_whatever_the_order_of_its_children(database: Database) -> None:
    stored, _ = store_hierarchy(database)
    assert json.loads(snapshots.read_document(database, HIERARCHIES, stored.hierarchy_id))["parents"] == {"ALPHA": "BANK"}
    orders = [{"A": "ROOT", "B": "ROOT"}, {"B": "ROOT", "A": "ROOT"}]
    first, second = (hierarchy_content(HierarchyDocument(name="t", dimension="book", root="ROOT", parents=order)) for order in orders)
    assert first == second


@pytest.mark.parametrize(
    ("store", "kind", "change"),
    [
        (store_set, SCENARIO_SETS, {"shift": 0.02}),
        (store_history, HISTORIES, {"count": 7}),
        (store_hierarchy, HIERARCHIES, {"root": "GROUP"}),
    ],
)
def test_same_content_is_the_same_and_new_content_the_next_version(
    database: Database, store: Callable[..., Any], kind: SnapshotKind[Any, Any, Any], change: dict[str, Any]
) -> None:
    first, created = store(database)
    again, created_again = store(database)
    second, _ = store(database, **change)
    assert (created, created_again, again) == (True, False, first)
    assert (first.version, second.version) == (1, 2)
    assert snapshots.get(database, kind, first.name) == second
    assert snapshots.list_uploads(database, kind, offset=0, limit=1) == ([second], 2)
    assert snapshots.list_uploads(database, kind, offset=9, limit=1) == ([], 2)
    snapshots.delete(database, kind, first.name)
    assert snapshots.get(database, kind, first.name) == first
    with pytest.raises(NotFound, match=f"no {kind.kind} 'nothing'"):
        snapshots.get(database, kind, "nothing")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_content_that_does_not_exist_is_named(database: Database, kind: SnapshotKind[Any, Any, Any]) -> None:
    parts = [(kind.document, snapshots.read_document), (kind.payload, snapshots.read_payload)]
    for read in [read for column, read in parts if column is not None]:
        with pytest.raises(NotFound, match=f"no {kind.kind} '99'"):
            read(database, kind, 99)
        with pytest.raises(NotFound, match=f"no {kind.kind} 'nothing'"):
            read(database, kind, "nothing")


# ----------------------------------------------------------------------------------------------------------------- vectors


def vector_run(database: Database, *, kind: str = "group", ended: bool = True) -> tuple[str, int]:
    """A run that is told to have a scenario set and to have ended well."""
    run = store_run(database)
    scenario_set, _ = store_set(database)
    with database.connection() as connection:
        connection.execute("ALTER TABLE run DISABLE TRIGGER run_state_edges")
        connection.execute(
            "UPDATE run SET scenario_set_no = %s, vectors = %s WHERE run_id = %s", (scenario_set.scenario_set_no, kind, run.run_id)
        )
        if ended:
            connection.execute(
                "UPDATE run SET state = 'SUCCEEDED', ok_count = position_count, finished_at = now() WHERE run_id = %s", (run.run_id,)
            )
    return run.run_id, runs.run_no_of(database, run_id=run.run_id)


CELLS = [
    VectorCell("book", "ALPHA", "FIXED_BOND", "EUR", "", 3, 1),
    VectorCell("book", "ALPHA", "FX_FWD", "USD", "", 2, 0),
    VectorCell("book", "BETA", "FIXED_BOND", "USD", "", 4, 0),
    VectorCell("counterparty", "", "FIXED_BOND", "EUR", "CP", 3, 1),
    VectorCell("counterparty", "", "FIXED_BOND", "USD", "CP", 6, 0),
]
BASE = np.array([1.0, 2.0, 4.0, 1.0, 6.0])
PNL = np.random.default_rng(1).normal(size=(5, COUNT))


def write_cells(database: Database, run_no: int, cells: list[VectorCell] = CELLS) -> None:
    with database.transaction() as connection:
        vectors.write_group_vectors(connection, run_no=run_no, cells=cells, pv_base=BASE, pnl=PNL)


@pytest.mark.parametrize(
    ("filters", "dimensions", "expected"),
    [
        ({}, (), [0, 1, 2]),
        ({"books": ("ALPHA",)}, ("product",), [0, 1]),
        ({"products": ("FIXED_BOND",), "currencies": ("USD", "JPY")}, (), [2]),
        ({"books": ("GAMMA",)}, (), []),
        ({"counterparties": ("CP",)}, (), [3, 4]),
        ({"currencies": ("EUR",)}, ("counterparty",), [3]),
    ],
)
def test_vectors_of_a_node_are_the_bits_that_were_written(
    database: Database, monkeypatch: pytest.MonkeyPatch, filters: dict[str, Any], dimensions: Any, expected: list[int]
) -> None:
    monkeypatch.setattr(vectors, "COPY_BYTES", 64)  # two cells at a time
    run_id, run_no = vector_run(database)
    write_cells(database, run_no)
    run, found = vectors.read_group_vectors(database, run_id=run_id, filters=NodeFilter(**filters), dimensions=dimensions)
    assert (run.scenario_count, run.failure_policy, run.base_currency) == (COUNT, "drop_position", "USD")
    assert list(found.cells) == [CELLS[index] for index in expected]
    np.testing.assert_array_equal(found.pnl, PNL[expected])
    np.testing.assert_array_equal(found.pv_base, BASE[expected])


def test_books_and_counterparties_together_need_vectors_of_positions(database: Database) -> None:
    run_id, _ = vector_run(database)
    with pytest.raises(InvalidRequest, match="run with vectors=position"):
        vectors.read_group_vectors(database, run_id=run_id, filters=NodeFilter(books=("ALPHA",)), dimensions=["counterparty"])


def test_vectors_are_written_all_or_not_at_all(database: Database) -> None:
    run_id, run_no = vector_run(database)
    with pytest.raises(StoreError) as caught:
        write_cells(database, run_no, [*CELLS[:4], replace(CELLS[3], ok_count=1)])
    assert isinstance(caught.value.__cause__, UniqueViolation)
    assert not vectors.read_group_vectors(database, run_id=run_id, filters=NodeFilter())[1].cells
    with pytest.raises(ValueError, match="4 cells, 5 base values and 5 vectors"):
        write_cells(database, run_no, CELLS[:4])


def test_position_vectors_are_read_by_range(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "COPY_BYTES", 3 * COUNT * 8)  # blocks of three positions
    run_id, run_no = vector_run(database, kind="position")
    pnl = np.random.default_rng(2).normal(size=(10, COUNT))
    pnl[4] = np.nan
    with database.transaction() as connection:
        vectors.write_position_vectors(connection, run_no=run_no, first_position_no=0, pnl=pnl[:7])
        vectors.write_position_vectors(connection, run_no=run_no, first_position_no=7, pnl=pnl[7:])

    def read(**range_: int) -> np.ndarray:
        return np.concatenate([part.pnl for part in vectors.read_position_vectors(database, run_id=run_id, **range_)])

    np.testing.assert_array_equal(read(), pnl)
    np.testing.assert_array_equal(read(first_position_no=2, row_count=6), pnl[2:8])
    blocks = list(vectors.read_position_vectors(database, run_id=run_id, first_position_no=5))
    assert [block.first_position_no for block in blocks] == [5, 6, 7]


def test_run_without_vectors_says_what_to_do(database: Database) -> None:
    plain = store_run(database).run_id
    with pytest.raises(Conflict, match="submit one with a scenario_set"):
        vectors.read_group_vectors(database, run_id=plain, filters=NodeFilter())
    with pytest.raises(NotFound):
        vectors.vector_run(database, run_id="run-0")


def test_run_at_work_has_no_vectors_yet(database: Database) -> None:
    run_id, _ = vector_run(database, ended=False)
    with pytest.raises(Conflict, match="is QUEUED"):
        vectors.vector_run(database, run_id=run_id)
    runs.request_cancel(database, run_id=run_id)
    with pytest.raises(Conflict, match="is CANCELLED and has not written all its vectors"):
        vectors.vector_run(database, run_id=run_id)
    ended, _ = vector_run(database)
    with pytest.raises(Conflict, match="vectors=position"):
        vectors.read_position_vectors(database, run_id=ended)


def test_failures_in_scenarios_are_reported_by_scenario_and_position(database: Database) -> None:
    run_id, run_no = vector_run(database)
    by_scenario = pa.table(
        {"scenario_no": [1, 3], "position_count": [2, 1], "example_position_no": [4, 7]}, schema=vectors.SCENARIO_FAILURE_SCHEMA
    )
    by_position = pa.table(
        {"position_no": [4, 7], "first_scenario_no": [1, 1], "scenario_count": [1, 2]}, schema=vectors.POSITION_SCENARIO_FAILURE_SCHEMA
    )
    with database.transaction() as connection:
        vectors.write_scenario_failures(connection, run_no=run_no, scenarios=by_scenario, positions=by_position)
    run = vectors.vector_run(database, run_id=run_id)
    assert [(one.scenario_no, one.position_count) for one in vectors.scenario_failures(database, run=run)] == [(1, 2), (3, 1)]
    page = vectors.position_scenario_failures(database, run=run, after_position_no=4, limit=10)
    assert page.to_pylist() == [{"position_no": 7, "position_id": "P000007", "first_scenario_no": 1, "scenario_count": 2}]


def test_scenario_set_of_a_run_stays_and_vectors_go_with_their_run(database: Database) -> None:
    run_id, run_no = vector_run(database)
    write_cells(database, run_no)
    with pytest.raises(Conflict, match=f"is used by run {run_id}"):
        snapshots.delete(database, SCENARIO_SETS, "stress")
    runs.delete_run(database, run_id=run_id)
    snapshots.delete(database, SCENARIO_SETS, "stress")
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) AS n FROM scenario_vector").fetchone() == {"n": 0}
