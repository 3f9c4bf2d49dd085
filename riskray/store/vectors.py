"""P&L vectors of runs as packed float64, written by binary COPY inside the caller's transaction and read as arrays.

Groups form two families, (book, product, currency) and (counterparty, product, currency), with equal sums; only the vectors of positions
distinguish books and counterparties together.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
import pyarrow as pa
from jaxtyping import Float

import sql
from riskray.errors import Conflict, InvalidRequest, NotFound
from riskray.models.hierarchy import Dimension
from riskray.models.run import FailurePolicy, RunState, Vectors
from riskray.models.tail_risk import NodeFilter
from riskray.store import arrow
from riskray.store.database import Connection, Database

Family = Literal["book", "counterparty"]
COPY_BYTES = 4 * 1024**2  # size of a write and, for positions, of a stored block
VALUE_BYTES = 8

VECTOR_SCHEMA = pa.schema(
    [
        ("family", pa.string()),
        ("book", pa.string()),
        ("product", pa.string()),
        ("currency", pa.string()),
        ("counterparty", pa.string()),
        ("ok_count", pa.int32()),
        ("dropped_count", pa.int32()),
        ("pv_base", pa.float64()),
        ("pnl", pa.binary()),
    ]
)
POSITION_VECTOR_SCHEMA = pa.schema([("first_position_no", pa.int32()), ("row_count", pa.int32()), ("payload", pa.binary())])
SCENARIO_FAILURE_SCHEMA = pa.schema([("scenario_no", pa.int32()), ("position_count", pa.int32()), ("example_position_no", pa.int32())])
POSITION_SCENARIO_FAILURE_SCHEMA = pa.schema(
    [("position_no", pa.int32()), ("first_scenario_no", pa.int32()), ("scenario_count", pa.int32())]
)


@dataclass(frozen=True)
class VectorCell:
    """An atomic group. The dimension that is not part of its family is ''."""

    family: Family
    book: str
    product: str
    currency: str
    counterparty: str
    ok_count: int
    """Number of positions in the vector."""
    dropped_count: int
    """Number of positions that failed, in the base valuation or in a scenario."""

    def value_of(self, dimension: Dimension) -> str:
        """The group's value in a dimension."""
        return str(getattr(self, dimension))


@dataclass(frozen=True)
class VectorRun:
    """The vectors that a run has."""

    run_no: int
    portfolio_no: int
    base_currency: str
    vectors: Vectors
    failure_policy: FailurePolicy
    scenario_set_no: int
    scenario_set_id: str
    scenario_count: int


@dataclass(frozen=True)
class GroupVectors:
    """Vectors of the groups of a node, base currency; P&L = PV(scenario) - PV."""

    cells: tuple[VectorCell, ...]
    pv_base: Float[np.ndarray, " cell"]
    pnl: Float[np.ndarray, "cell scenario"]


@dataclass(frozen=True)
class PositionVectors:
    """Vectors of consecutive positions."""

    first_position_no: int
    pnl: Float[np.ndarray, "row scenario"]
    """NaN in every scenario for a position without value."""


@dataclass(frozen=True)
class ScenarioFailure:
    """A scenario in which positions have no value."""

    scenario_no: int
    position_count: int
    example_position_no: int


def vector_run(database: Database, *, run_id: str) -> VectorRun:
    """The vectors that a run has. Raises NotFound, and Conflict if it has none, has not ended, or ended before all were written."""
    row = database.fetch_one("get_run_vectors", {"run_id": run_id})
    if row is None:
        raise NotFound("run", run_id)
    state = RunState(row.pop("state"))
    if row["vectors"] == "none":
        raise Conflict(f"run {run_id} has no scenario vectors; submit one with a scenario_set")
    if not state.is_final:
        raise Conflict(f"run {run_id} is {state.value}; its vectors are available once it has ended")
    if state in (RunState.CANCELLED, RunState.FAILED):  # some may be stored, but sums over a part of the positions are not those of a node
        raise Conflict(f"run {run_id} is {state.value} and has not written all its vectors; submit a new run")
    return VectorRun(**row)


def write_group_vectors(
    connection: Connection,
    *,
    run_no: int,
    cells: Sequence[VectorCell],
    pv_base: Float[np.ndarray, " cell"],
    pnl: Float[np.ndarray, "cell scenario"],
) -> None:
    """Write the vectors of groups within the caller's transaction. Raises ValueError if the lengths differ."""
    if not len(cells) == pv_base.size == pnl.shape[0]:
        raise ValueError(f"{len(cells)} cells, {pv_base.size} base values and {pnl.shape[0]} vectors differ in number")
    names = [field.name for field in fields(VectorCell)]
    step = max(1, COPY_BYTES // max(1, VALUE_BYTES * pnl.shape[1]))
    for first in range(0, len(cells), step):
        part = slice(first, first + step)
        columns = {name: [getattr(cell, name) for cell in cells[part]] for name in names}
        table = pa.table({**columns, "pv_base": pv_base[part], "pnl": _packed(pnl[part])}, schema=VECTOR_SCHEMA)
        arrow.copy_in(connection, "copy_group_vectors", table, schema=VECTOR_SCHEMA, keys={"run_no": run_no})


def read_group_vectors(
    database: Database, *, run_id: str, filters: NodeFilter, dimensions: Sequence[Dimension] = ()
) -> tuple[VectorRun, GroupVectors]:
    """Vectors of the groups inside a node, from a family that distinguishes at least `dimensions`.

    Raises:
        NotFound: the run does not exist.
        Conflict: the run has no vectors, or has not ended.
        InvalidRequest: books and counterparties are needed together.
    """
    run = vector_run(database, run_id=run_id)
    with database.connection() as connection, connection.cursor(binary=True) as cursor:
        cursor.execute(
            sql.load("read_group_vectors"),
            {
                "run_no": run.run_no, "family": family_for(filters, dimensions), "books": list(filters.books) or None,
                "products": list(filters.products) or None, "currencies": list(filters.currencies) or None,
                "counterparties": list(filters.counterparties) or None,
            },
        )  # fmt: skip
        rows = cursor.fetchall()
    pnl = np.frombuffer(b"".join(row.pop("pnl") for row in rows), "<f8").reshape(len(rows), run.scenario_count)
    pv_base = np.array([row.pop("pv_base") for row in rows], np.float64)
    return run, GroupVectors(tuple(VectorCell(**row) for row in rows), pv_base, pnl)


def count_group_vectors(database: Database, *, run: VectorRun, family: Family) -> int:
    """Number of vectors of a family in a run."""
    row = database.fetch_one("count_group_vectors", {"run_no": run.run_no, "family": family})
    return int((row or {"total": 0})["total"])


def family_for(filters: NodeFilter, dimensions: Sequence[Dimension]) -> Family:
    """The family that has all needed dimensions. Raises InvalidRequest if there is none."""
    needs_counterparty = bool(filters.counterparties) or "counterparty" in dimensions
    if needs_counterparty and (filters.books or "book" in dimensions):
        message = "group vectors distinguish books or counterparties, not both; use one of them, or submit a run with vectors=position"
        raise InvalidRequest(message, [{"loc": ["filters", "counterparties"], "msg": message, "code": "not_allowed"}])
    return "counterparty" if needs_counterparty else "book"


def write_position_vectors(connection: Connection, *, run_no: int, first_position_no: int, pnl: Float[np.ndarray, "row scenario"]) -> None:
    """Write the vectors of consecutive positions in blocks, within the caller's transaction."""
    step = max(1, COPY_BYTES // max(1, VALUE_BYTES * pnl.shape[1]))
    for first in range(0, pnl.shape[0], step):
        block = pnl[first : first + step]
        columns = {
            "first_position_no": [first_position_no + first],
            "row_count": [block.shape[0]],
            "payload": _packed(block.reshape(1, -1)),
        }
        table = pa.table(columns, schema=POSITION_VECTOR_SCHEMA)
        arrow.copy_in(connection, "copy_position_vectors", table, schema=POSITION_VECTOR_SCHEMA, keys={"run_no": run_no})


def read_position_vectors(
    database: Database, *, run_id: str, first_position_no: int = 0, row_count: int | None = None
) -> Iterator[PositionVectors]:
    """Yield the vectors of a range of positions in order, a few megabytes at a time.

    Raises NotFound, and Conflict if the run has no vectors of positions or has not ended.
    """
    run = vector_run(database, run_id=run_id)
    if run.vectors != "position":
        raise Conflict(f"run {run_id} has vectors of groups only; submit a run with vectors=position")
    end = 2**31 - 1 if row_count is None else first_position_no + row_count
    return _blocks(database, run, first_position_no, end)


def _blocks(database: Database, run: VectorRun, first_position_no: int, end: int) -> Iterator[PositionVectors]:
    parameters = {"run_no": run.run_no, "first_position_no": first_position_no, "end_position_no": end}
    with database.transaction() as connection, connection.cursor("position_vectors", binary=True) as cursor:
        cursor.itersize = 1
        cursor.execute(sql.load("read_position_vectors"), parameters)
        for row in cursor:
            start, count = int(row["first_position_no"]), int(row["row_count"])
            pnl = np.frombuffer(row["payload"], "<f8").reshape(count, run.scenario_count)
            low, high = max(first_position_no - start, 0), min(end - start, count)
            yield PositionVectors(start + low, pnl[low:high])


def write_scenario_failures(connection: Connection, *, run_no: int, scenarios: pa.Table, positions: pa.Table) -> None:
    """Write the scenarios and the positions without value, as SCENARIO_FAILURE_SCHEMA and POSITION_SCENARIO_FAILURE_SCHEMA."""
    keys = {"run_no": run_no}
    if scenarios.num_rows:
        arrow.copy_in(connection, "copy_scenario_failures", scenarios, schema=SCENARIO_FAILURE_SCHEMA, keys=keys)
    if positions.num_rows:
        arrow.copy_in(connection, "copy_position_scenario_failures", positions, schema=POSITION_SCENARIO_FAILURE_SCHEMA, keys=keys)


def scenario_failures(database: Database, *, run: VectorRun) -> list[ScenarioFailure]:
    """Scenarios in which positions have no value, in order."""
    return [ScenarioFailure(**row) for row in database.fetch_all("read_scenario_failures", {"run_no": run.run_no})]


def position_scenario_failures(database: Database, *, run: VectorRun, after_position_no: int = -1, limit: int) -> pa.Table:
    """A page of positions without value in some scenario: position_no, position_id, first_scenario_no, scenario_count."""
    parameters = {"run_no": run.run_no, "portfolio_no": run.portfolio_no, "after_position_no": after_position_no, "limit": limit}
    return arrow.read(database, "read_position_scenario_failures", parameters)


def _packed(rows: np.ndarray) -> pa.Array:
    """Rows as binary values over one buffer."""
    data = np.ascontiguousarray(rows, "<f8")
    offsets = np.arange(rows.shape[0] + 1, dtype=np.int32) * (VALUE_BYTES * rows.shape[1])
    return pa.Array.from_buffers(pa.binary(), rows.shape[0], [None, pa.py_buffer(offsets), pa.py_buffer(data)])
