"""What the client returns: tables that every data-frame library reads, and handles with which to wait for runs."""

import io
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from riskray.client.transport import RunTimeout, Truncated
from riskray.models.comparison import PnlAnswer, RunDifference
from riskray.models.event import EventKind, RunEvent
from riskray.models.hierarchy import Dimension
from riskray.models.position_result import PositionResult
from riskray.models.result import Explanation, FailureSummary, RiskFactor, Rollup, RunTotals, Sensitivity
from riskray.models.run import Run
from riskray.models.tail_risk import StressAnswer, VarAnswer
from riskray.models.what_if import WhatIfAnswer

if TYPE_CHECKING:
    from riskray.client import Client

# Eight bytes that end every Arrow stream; without this check, a stream cut between two batches would look complete.
_ARROW_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"


class ResultTable:
    """Rows of a download. Every library that reads Arrow accepts it directly: `polars.DataFrame(r)`, `pyarrow.table(r)`, duckdb."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __repr__(self) -> str:
        return f"<{len(self)} rows of {', '.join(self._table.column_names[:6])}, ...>"

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self._table.__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> pa.Table:
        """Return the rows as a pyarrow Table; the metadata of its schema names run, market, as-of date and base currency."""
        return self._table

    def to_pandas(self) -> Any:
        """Return the rows as a pandas DataFrame (needs the extra `dataframes`)."""
        return self._table.to_pandas()

    def to_polars(self) -> Any:
        """Return the rows as a polars DataFrame (needs the extra `dataframes`)."""
        import polars

        return polars.from_arrow(self._table)

    def to_parquet(self, path: str | Path) -> Path:
        """Write the rows to a file and return its path."""
        pq.write_table(self._table, path, compression="zstd")
        return Path(path)


def read_arrow(content: bytes, expected: str | None) -> pa.Table:
    """Return the rows of an Arrow stream. Raises Truncated if the end marker is missing or the number of rows is not as expected."""
    if not content.endswith(_ARROW_END):
        raise Truncated(f"the download ended early, after {len(content)} bytes; repeat it")
    table = pa.ipc.open_stream(io.BytesIO(content)).read_all()
    if expected is not None and int(expected) != table.num_rows:
        raise Truncated(f"the download has {table.num_rows} of {expected} rows; repeat it")
    return table


class RunHandle:
    """A handle of one run: waits for it and reads its results. `run` is its last known state."""

    def __init__(self, client: "Client", run: Run) -> None:
        self._client = client
        self.run = run

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.run.run_id

    def __repr__(self) -> str:
        progress = self.run.progress
        return (
            f"<{self.run_id} {self.run.state.value}: {progress.ok_count} ok, {progress.failed_count} failed of {progress.position_count}>"
        )

    def refresh(self) -> Run:
        """Read the run's present state."""
        self.run = self._client.get_run(self.run_id)
        return self.run

    def wait(
        self,
        *,
        timeout_s: float = 3600.0,
        progress: Callable[[RunEvent], None] | None = None,
        undriven: Callable[[Run], None] | None = None,
    ) -> Run:
        """Block until the run has ended, calling `progress` with every event. Raises RunTimeout, which does not stop the run.

        If no coordinator or job has driven the run for some seconds, `undriven` is called with the run, once until one claims it.
        """
        deadline = time.monotonic() + timeout_s
        is_told = False
        for told in self._client.follow(self.run_id, deadline=deadline):
            if isinstance(told, RunEvent):
                is_told = is_told and told.kind is not EventKind.CLAIMED
                if progress is not None:
                    progress(told)
                continue
            self.run = told
            if told.state.is_final:
                return told
            if undriven is not None and not is_told:
                is_told = True
                undriven(told)
        run = self.refresh()
        if not run.state.is_final:
            raise RunTimeout(f"run {self.run_id} is {run.state.value} after {timeout_s:g} s and continues; wait longer or cancel it")
        return run

    def cancel(self) -> Run:
        """Request the run's cancellation."""
        self.run = self._client.cancel_run(self.run_id)
        return self.run

    def totals(self) -> RunTotals:
        """Return the totals of the run."""
        return self._client.totals(self.run_id)

    def rollup(self, *group_by: Dimension, **filters: Any) -> list[Rollup]:
        """Return sums by any of book, product, currency and counterparty; each of these names is also a filter."""
        return self._client.rollup(self.run_id, group_by, **filters)

    def top(self, by: str = "pv_base", *, limit: int = 20, **question: Any) -> list[PositionResult]:
        """Return the positions that contribute most to a measure; see `Client.top`."""
        return self._client.top(self.run_id, by, limit=limit, **question)

    def var(self, *group_by: Dimension, confidence: float | Sequence[float] = 0.99, **question: Any) -> VarAnswer:
        """Return VaR and ES of the run or one of its nodes, with the contributions of the groups; see `Client.var`."""
        return self._client.var(self.run_id, group_by, confidence=confidence, **question)

    def stress(self, *group_by: Dimension, **question: Any) -> StressAnswer:
        """Return the P&L of the groups in every scenario; see `Client.stress`."""
        return self._client.stress(self.run_id, group_by, **question)

    def factors(self) -> list[RiskFactor]:
        """Return what `factor_nos` of positions refer to; see `Client.factors`."""
        return self._client.factors(self.run_id)

    def sensitivities(self, *group_by: Literal["book", "product"], **question: Any) -> list[Sensitivity]:
        """Return sensitivities by factor and bucket, and by any of book and product; see `Client.sensitivities`."""
        return self._client.sensitivities(self.run_id, group_by, **question)

    def first_page(self, *, limit: int = 50) -> list[PositionResult]:
        """Return the first priced positions as objects."""
        return self._client.page_positions(self.run_id, limit=limit).data

    def positions(self, **filters: Any) -> ResultTable:
        """Download the measures of all priced positions; filters: book, product, currency, counterparty, position_id, partial."""
        return self._client.download_results(self.run_id, **filters)

    def failures(self, **filters: Any) -> ResultTable:
        """Download all failed positions with code, message and remedy."""
        return self._client.download_failures(self.run_id, **filters)

    def failure_summary(self) -> list[FailureSummary]:
        """Return the failed positions by reason."""
        return self._client.failure_summary(self.run_id)

    def diff(self, later: "RunHandle | str", **question: Any) -> RunDifference:
        """Return the differences between this run and a later one; see `Client.diff`."""
        return self._client.diff(self.run_id, _run_id(later), **question)

    def pnl(self, later: "RunHandle | str", *group_by: Dimension) -> PnlAnswer:
        """Explain the change in value from this run to a later one; see `Client.pnl`."""
        return self._client.pnl(self.run_id, _run_id(later), group_by)

    def what_if(self, *group_by: Dimension, **question: Any) -> WhatIfAnswer:
        """Compare this run with itself after changes of the market or the positions; arguments as for `Client.what_if`."""
        return self._client.what_if(self.run_id, group_by, **question)

    def explain(self, position_id: str) -> Explanation:
        """Return one position's value, flow by flow."""
        return self._client.explain(self.run_id, position_id)


def _run_id(run: RunHandle | str) -> str:
    return run if isinstance(run, str) else run.run_id
