"""What a run found: rows as Arrow, sums and summaries as models."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import chain, islice
from typing import Any, Literal

import pyarrow as pa
from psycopg.sql import SQL, Composed

import sql
from pricers.measures import ADDITIVE_MEASURES
from riskray.engine.result_schema import RESULT_SCHEMA
from riskray.errors import Conflict, InvalidRequest, NotFound
from riskray.models.hierarchy import DIMENSIONS
from riskray.models.position_result import PositionOrigin
from riskray.models.result import FailureSummary, RiskFactor, Rollup, RunTotals, Sensitivity
from riskray.models.run import Run
from riskray.store import arrow
from riskray.store.database import Database
from riskray.store.factors import run_factors
from riskray.store.portfolios import POSITION_NO_END, POSITION_SCHEMA, find_position
from riskray.store.runs import get_run, run_keys, run_no_of

RESULT_COLUMNS: tuple[str, ...] = (*POSITION_SCHEMA.names, *RESULT_SCHEMA.names[1:])
"""position_no, what the portfolio says of the position, and every measure."""

MEASURE_COLUMNS: tuple[str, ...] = tuple(field.name for field in RESULT_SCHEMA if pa.types.is_floating(field.type))
"""Measures that are one number."""


@dataclass(frozen=True)
class ResultFilter:
    """Which positions; an empty tuple means all."""

    books: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    counterparties: tuple[str, ...] = ()
    position_ids: tuple[str, ...] = ()

    def parameters(self) -> dict[str, list[str] | None]:
        """As parameters of the queries."""
        return {name: list(values) or None for name, values in asdict(self).items()}


ALL_POSITIONS = ResultFilter()

READERS = 2
"""Connections that a download reads with."""
POSITIONS_PER_READ = 50_000
"""About 17 MB of all columns."""


def read_results(
    database: Database,
    *,
    run_id: str,
    columns: Sequence[str] | None = None,
    filters: ResultFilter = ALL_POSITIONS,
    after_position_no: int = -1,
    limit: int,
) -> pa.Table:
    """A page of priced positions in order of position_no, which is always the first column: the key to ask for the next page with.

    Raises NotFound for the run and InvalidRequest for a column that results have not.
    """
    parameters = _row_parameters(database, run_id, filters, after_position_no, limit)
    return arrow.read(database, "read_results", parameters, columns=checked_columns(columns))


@contextmanager
def stream_results(
    database: Database, *, run_id: str, columns: Sequence[str] | None = None, filters: ResultFilter = ALL_POSITIONS
) -> Generator[pa.RecordBatchReader, None, None]:
    """All priced positions in order of position_no, streamed in batches of a few megabytes.

    Postgres takes most of the time, one core a connection; so ranges of positions are read side by side, some ahead of the caller.
    """
    chosen = checked_columns(columns)
    parameters = _row_parameters(database, run_id, filters, -1, None)
    position_count = get_run(database, run_id=run_id).progress.position_count

    def read(first: int) -> pa.Table:
        bounds = {"after_position_no": first - 1, "end_position_no": first + POSITIONS_PER_READ}
        return arrow.read(database, "read_results", {**parameters, **bounds}, columns=chosen)

    with ThreadPoolExecutor(READERS, thread_name_prefix="results") as pool:
        tables = _in_order(pool, read, range(0, position_count, POSITIONS_PER_READ))
        first_table = next(tables)
        batches = (batch for table in chain([first_table], tables) for batch in table.to_batches())
        yield pa.RecordBatchReader.from_batches(first_table.schema, batches)


def _in_order(pool: ThreadPoolExecutor, read: Callable[[int], pa.Table], starts: Iterable[int]) -> Iterator[pa.Table]:
    """What `read` returns for each start; as many are under way as there are readers, so memory holds few."""
    waiting: deque[Future[pa.Table]] = deque()
    left = iter(starts)
    waiting.extend(pool.submit(read, start) for start in islice(left, READERS))
    while waiting:
        table = waiting.popleft().result()
        waiting.extend(pool.submit(read, start) for start in islice(left, 1))
        yield table


def read_failures(
    database: Database,
    *,
    run_id: str,
    filters: ResultFilter = ALL_POSITIONS,
    code: str | None = None,
    after_position_no: int = -1,
    limit: int,
) -> pa.Table:
    """A page of failed positions, each with code, message and remedy, in order of position_no. Raises NotFound."""
    parameters = _row_parameters(database, run_id, filters, after_position_no, limit)
    return arrow.read(database, "read_failures", {**parameters, "code": code})


@contextmanager
def stream_failures(
    database: Database, *, run_id: str, filters: ResultFilter = ALL_POSITIONS, code: str | None = None
) -> Generator[pa.RecordBatchReader, None, None]:
    """All failed positions in order of position_no, streamed."""
    parameters = _row_parameters(database, run_id, filters, -1, None)
    with arrow.stream(database, "read_failures", {**parameters, "code": code}) as reader:
        yield reader


def get_result(database: Database, *, run_id: str, position_id: str) -> dict[str, Any]:
    """The row of one position: RESULT_COLUMNS where it was priced, else the position with code, message and remedy. Raises NotFound."""
    parameters = {**run_keys(database, run_id=run_id), "position_id": position_id}
    with database.connection() as connection:
        row = connection.execute(arrow.compose("get_result", columns=RESULT_COLUMNS), parameters).fetchone()
    row = row or database.fetch_one("get_failure", parameters)
    if row is None:
        raise NotFound("position", position_id, f"run {run_id}")
    return row


def position_origin(database: Database, *, run_id: str, position_id: str) -> PositionOrigin:
    """The run that valued a position's row, through all runs that have reused it. Raises NotFound."""
    keys = run_keys(database, run_id=run_id)
    found = find_position(database, portfolio_no=keys["portfolio_no"], position_id=position_id, within=f"run {run_id}")
    row = database.fetch_one("position_origin", {"run_no": keys["run_no"], "position_no": found["position_no"]})
    assert row is not None
    return PositionOrigin(run_id=run_id, position_id=position_id, **row)


def totals(database: Database, *, run_id: str) -> RunTotals:
    """The run in one row. Raises NotFound, and Conflict when the run has not ended or has left no sums."""
    run = get_run(database, run_id=run_id)
    sums = rollups(database, run_id=run_id, group_by=())
    if not sums:
        raise Conflict(f"run {run_id} is {run.state.value} and has no sums")
    fields = sums[0].model_dump(exclude={"group", "pv"})
    return RunTotals(run_id=run_id, base_currency=run.base_currency, position_count=run.progress.position_count, **fields)


def rollups(database: Database, *, run_id: str, group_by: Sequence[str], filters: ResultFilter = ALL_POSITIONS) -> list[Rollup]:
    """Sums by any of book, product, currency (of the position) and counterparty, in order of the group.

    Counterparties and single positions are added up from the positions, which takes about a second a million.
    Raises NotFound, InvalidRequest for another group, and Conflict when the run has not ended.
    """
    from_positions = "counterparty" in group_by or filters.counterparties or filters.position_ids
    query, part = ("position_rollups", "position_rollup_measure") if from_positions else ("rollups", "rollup_measure")
    composed = arrow.compose(query, sums=arrow.for_each(part, ADDITIVE_MEASURES))
    return [
        Rollup(group=group, **row) for group, row in _grouped(database, composed, run_id, group_by, allowed=DIMENSIONS, filters=filters)
    ]


def sensitivities(
    database: Database,
    *,
    run_id: str,
    group_by: Sequence[str],
    kinds: Sequence[str] = (),
    factors: Sequence[str] = (),
    filters: ResultFilter = ALL_POSITIONS,
) -> list[Sensitivity]:
    """Sums of sensitivities by factor and bucket, and by any of book and product, in order of the group and the factor.

    `kinds`, `factors`: only these, all where none is given; `filters`: books and products. Raises as `rollups`.
    """
    chosen = {"kinds": list(kinds) or None, "factors": list(factors) or None}
    rows = _grouped(database, SQL(sql.load("sensitivities")), run_id, group_by, allowed=DIMENSIONS[:2], filters=filters, **chosen)
    return [Sensitivity(group=group, **row) for group, row in rows]


def risk_factors(database: Database, *, run_id: str) -> list[RiskFactor]:
    """What the sensitivities of a run refer to, by number. Raises NotFound."""
    factors = run_factors(database, run_no=run_no_of(database, run_id=run_id))
    return [RiskFactor.model_validate({"factor_no": number, **asdict(factor)}) for number, factor in enumerate(factors)]


def top_results(
    database: Database,
    *,
    run_id: str,
    measure: str,
    order: Literal["absolute", "highest", "lowest"],
    limit: int,
    filters: ResultFilter = ALL_POSITIONS,
) -> list[dict[str, Any]]:
    """The positions that contribute most to a measure, as rows of RESULT_COLUMNS. Raises NotFound, and InvalidRequest for the measure."""
    if measure not in MEASURE_COLUMNS:
        message = f"{measure!r} is no measure; choose one of {', '.join(MEASURE_COLUMNS)}"
        raise InvalidRequest(message, [{"loc": ["by"], "msg": message, "code": "unknown_value"}])
    parameters = {**run_keys(database, run_id=run_id), **filters.parameters(), "order": order, "limit": limit}
    with database.connection() as connection:
        return connection.execute(arrow.compose("top_results", columns=RESULT_COLUMNS, measure=(measure,)), parameters).fetchall()


def failure_summary(database: Database, *, run_id: str) -> list[FailureSummary]:
    """Failed positions by reason and product, the most frequent first. Raises NotFound."""
    keys = run_keys(database, run_id=run_id)
    return [FailureSummary(**row) for row in database.fetch_all("failure_summary", keys)]


def _row_parameters(database: Database, run_id: str, filters: ResultFilter, after_position_no: int, limit: int | None) -> dict[str, Any]:
    keys = run_keys(database, run_id=run_id)
    bounds = {"after_position_no": after_position_no, "end_position_no": POSITION_NO_END, "limit": limit}
    return {**keys, **filters.parameters(), **bounds}


def checked_columns(columns: Sequence[str] | None) -> list[str]:
    """The columns to read, position_no first; all where None. Raises InvalidRequest for one that results have not."""
    chosen = RESULT_COLUMNS if columns is None else columns
    if unknown := [name for name in chosen if name not in RESULT_COLUMNS]:
        problems = [
            {"loc": ["columns"], "msg": f"{name!r} is not one of {', '.join(RESULT_COLUMNS)}", "code": "unknown_value"} for name in unknown
        ]
        raise InvalidRequest(f"results have no column {', '.join(map(repr, unknown))}; there are {', '.join(RESULT_COLUMNS)}", problems)
    return ["position_no", *dict.fromkeys(name for name in chosen if name != "position_no")]


def _grouped(
    database: Database,
    query: SQL | Composed,
    run_id: str,
    group_by: Sequence[str],
    *,
    allowed: Sequence[str],
    filters: ResultFilter,
    **parameters: Any,
) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Rows of a rollup query, each as its group and the rest."""
    if unknown := [name for name in group_by if name not in allowed]:
        problems = [
            {"loc": ["group_by"], "msg": f"{name!r} is not one of {', '.join(allowed)}", "code": "unknown_value"} for name in unknown
        ]
        raise InvalidRequest(f"cannot group by {', '.join(map(repr, unknown))}; choose one of {', '.join(allowed)}", problems)
    _require_final(get_run(database, run_id=run_id))
    chosen = {f"by_{name}": name in group_by for name in DIMENSIONS}
    with database.connection() as connection:
        given = {**run_keys(database, run_id=run_id), **chosen, **filters.parameters(), **parameters}
        rows = connection.execute(query, given).fetchall()
    ordered = [name for name in DIMENSIONS if name in group_by]
    dropped = set(allowed)
    return [({name: row[name] for name in ordered}, {key: value for key, value in row.items() if key not in dropped}) for row in rows]


def _require_final(run: Run) -> None:
    if not run.state.is_final:
        raise Conflict(f"run {run.run_id} is {run.state.value}; sums are there when it has ended")
