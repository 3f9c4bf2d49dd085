"""Two runs side by side: which positions differ in a measure, by more than a tolerance."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
from psycopg.sql import Composed

from pricers.measures import MEASURES
from riskray.errors import Conflict, InvalidRequest
from riskray.models.comparison import KindSummary, RunDifference
from riskray.models.run import Run, RunState
from riskray.store import arrow
from riskray.store.database import Database
from riskray.store.results import MEASURE_COLUMNS
from riskray.store.runs import get_run, run_keys


@dataclass(frozen=True)
class Tolerance:
    """A difference counts when it is larger than `absolute` + `relative` × the larger of the two values."""

    absolute: float = 0.0
    relative: float = 0.0


_SUMS: Final = ("before", "after", "difference")


def comparable_runs(database: Database, *, before: str, after: str) -> tuple[Run, Run]:
    """Two finished runs in one base currency; their portfolios may differ.

    Raises:
        NotFound: one of them.
        Conflict: one has not ended, or ended before every position was valued.
        InvalidRequest: their base currencies differ.
    """
    runs = get_run(database, run_id=before), get_run(database, run_id=after)
    for run in runs:
        if not run.state.is_final:
            raise Conflict(f"run {run.run_id} is {run.state.value}; compare it when it has ended")
        if run.state in (RunState.CANCELLED, RunState.FAILED):  # what it has not valued would look like positions that fail
            raise Conflict(
                f"run {run.run_id} is {run.state.value}: not all its positions were valued; submit it again and compare that one"
            )
    first, second = runs
    if first.base_currency != second.base_currency:
        message = (
            f"run {before} is in {first.base_currency}, run {after} in {second.base_currency}; "
            f"compare runs of one base currency: submit one of them again with base_currency={first.base_currency}"
        )
        raise InvalidRequest(message, [{"loc": ["base_currency"], "msg": message, "code": "not_comparable"}])
    return runs


def difference(database: Database, *, before: str, after: str, measure: str, tolerance: Tolerance) -> RunDifference:
    """What differs, counted and summed. Raises as `comparable_runs`, and InvalidRequest for the measure."""
    first, _ = comparable_runs(database, before=before, after=after)
    with database.connection() as connection:
        query = arrow.compose("diff_summary", differences=_differences(measure))
        rows = connection.execute(query, _parameters(database, before, after, tolerance)).fetchall()
    adds_up = measure in {known.value for known, definition in MEASURES.items() if definition.additive}
    total = {name: sum(row[name] for row in rows) if adds_up else None for name in _SUMS}
    kinds = [KindSummary(**row | ({} if adds_up else dict.fromkeys(_SUMS))) for row in rows if row["kind"] != "unchanged"]
    return RunDifference(
        run_id_before=before,
        run_id_after=after,
        base_currency=first.base_currency,
        measure=measure,
        absolute_tolerance=tolerance.absolute,
        relative_tolerance=tolerance.relative,
        unchanged_count=sum(row["position_count"] for row in rows if row["kind"] == "unchanged"),
        kinds=kinds,
        **total,
    )


def read_differences(
    database: Database, *, before: str, after: str, measure: str, tolerance: Tolerance, after_position_id: str = "", limit: int
) -> pa.Table:
    """A page of the positions that differ, in order of position_id. Raises as `difference`."""
    comparable_runs(database, before=before, after=after)
    parameters = {**_parameters(database, before, after, tolerance), "after_position_id": after_position_id, "limit": limit}
    return arrow.read(database, "diff_positions", parameters, differences=_differences(measure))


@contextmanager
def stream_differences(
    database: Database, *, before: str, after: str, measure: str, tolerance: Tolerance
) -> Generator[pa.RecordBatchReader, None, None]:
    """All positions that differ, in order of position_id, streamed."""
    parameters = {**_parameters(database, before, after, tolerance), "limit": None}
    with arrow.stream(database, "diff_positions", parameters, differences=_differences(measure)) as reader:
        yield reader


def _differences(measure: str) -> Composed:
    if measure not in MEASURE_COLUMNS:
        message = f"{measure!r} is no measure; choose one of {', '.join(MEASURE_COLUMNS)}"
        raise InvalidRequest(message, [{"loc": ["measure"], "msg": message, "code": "unknown_value"}])
    return arrow.compose("differences", columns=(measure,))


def _parameters(database: Database, before: str, after: str, tolerance: Tolerance) -> dict[str, Any]:
    sides = {"before": run_keys(database, run_id=before), "after": run_keys(database, run_id=after)}
    names = ("storage_no", "run_no", "portfolio_no")
    keys = {f"{name}_{side}": values[name] for side, values in sides.items() for name in names}
    return {**keys, "absolute_tolerance": tolerance.absolute, "relative_tolerance": tolerance.relative, "after_position_id": ""}
