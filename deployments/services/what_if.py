"""What-if over HTTP: a stored run beside itself under another market or with other positions."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa
from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from deployments.http.errors import error_responses
from deployments.http.limits import RUN_RETRY_AFTER_S
from deployments.services.market_data import store_market
from pricers.measures import ADDITIVE_MEASURES, Measure
from riskray.config import Settings
from riskray.engine.result_schema import ALWAYS_PRESENT
from riskray.errors import Conflict, InvalidRequest
from riskray.figures.rollups import RollupReader
from riskray.figures.what_if import PositionChange, compose
from riskray.grid.client import Grid
from riskray.models.pricing import POSITIONS_MAX, PriceFailure
from riskray.models.run import Run, RunState
from riskray.models.tail_risk import DIMENSIONS
from riskray.models.what_if import CHANGED_POSITIONS_MAX, WhatIfAnswer, WhatIfRequest
from riskray.portfolio.batches import prepare_portfolio
from riskray.portfolio.reader import positions_table
from riskray.runs.what_if import derive_market, submit_under_market
from riskray.store.database import Database
from riskray.store.results import ResultFilter, read_failures, read_results
from riskray.store.runs import get_run

_VALUED = (RunState.SUCCEEDED, RunState.PARTIAL)
_FOUND_MAX = 2 * CHANGED_POSITIONS_MAX + POSITIONS_MAX
_LISTED_MAX = 20

StoredRows = Mapping[str, Mapping[str, Any]]
"""Rows of a run by position id; failed ones have a code."""


class Runs(Protocol):
    """What the runs service does for a what-if."""

    async def started(self, run: Run, *, wait_s: float) -> Run:
        """Wake the coordinator, and wait for the run's end as long as asked."""


class WhatIfApi:
    """The route's body."""

    def __init__(self, settings: Settings, database: Database, grid: Grid, runs: Runs) -> None:
        self._settings, self._database, self._grid, self._runs = settings, database, grid, runs
        self._rollups = RollupReader(database)

    async def answer(self, run_id: str, request: WhatIfRequest) -> WhatIfAnswer:
        """The comparison, or what there is of it when the run under the changed market has not ended in time."""
        base, added = await run_in_threadpool(self._checked, run_id, request)
        run = base
        if request.changes_market:
            run = await run_in_threadpool(self._submit, base, request)
            if not run.state.is_final:
                run = await self._runs.started(run, wait_s=request.wait_s)
        answer = WhatIfAnswer(
            run_id=base.run_id, what_if_run_id=run.run_id, market_id=run.market_id, state=run.state, base_currency=base.base_currency,
            total=None, groups=[], failures=[],
        )  # fmt: skip
        if not run.state.is_final:
            return answer
        if run.state not in _VALUED:
            raise Conflict(f"run {run.run_id} under the changed market {run.market_id} is {run.state.value}: {run.error_detail}; ask again")
        measures = [measure for measure in ADDITIVE_MEASURES if measure in {*ALWAYS_PRESENT, *base.measures}]
        new_changes, failures = await self._added(added, run, measures) if added else ([], [])
        return await run_in_threadpool(self._figures, answer, request, base, run, measures, new_changes, failures)

    def _checked(self, run_id: str, request: WhatIfRequest) -> tuple[Run, dict[str, pa.Table]]:
        """The run and the positions to add. Nothing is stored before all of the request is known to be right."""
        base = get_run(self._database, run_id=run_id)
        if base.state not in _VALUED:
            raise Conflict(f"run {run_id} is {base.state.value}; a what-if compares with a run that is SUCCEEDED or PARTIAL")
        added = positions_table(request.add).tables if request.add else {}
        new_ids = [name for table in added.values() for name in table.column("position_id").to_pylist()]
        known = self._rows(base, [*request.remove, *request.scale, *new_ids])
        problems = [
            *(_problem(part, name, "unknown_position", _not_there(run_id, name))
              for part, names in (("remove", request.remove), ("scale", request.scale)) for name in names if name not in known),
            *(_problem("scale", name, "contradiction", f"position {name!r} is removed, so it cannot be scaled; do one of them")
              for name in request.scale if name in request.remove),
            *(_problem("remove", name, "duplicate", f"position {name!r} is removed twice")
              for name in sorted({name for name in request.remove if request.remove.count(name) > 1})),
            *(_problem("add", name, "duplicate", f"the run {run_id} has a position {name!r} already; add it under another id, or scale it")
              for name in new_ids if name in known),
        ]  # fmt: skip
        if problems:
            more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
            raise InvalidRequest(f"{problems[0]['msg']}{more}", problems[:_LISTED_MAX])
        return base, added

    def _submit(self, base: Run, request: WhatIfRequest) -> Run:
        assert request.market is not None
        market, _ = store_market(self._database, derive_market(self._database, run=base, change=request.market))
        return submit_under_market(self._database, self._settings, base=base, market_id=market.market_id)

    def _rows(self, run: Run, position_ids: Sequence[str]) -> StoredRows:
        if not position_ids:
            return {}
        chosen = ResultFilter(position_ids=tuple(position_ids))
        columns = ["position_id", *DIMENSIONS, *(measure.value for measure in ADDITIVE_MEASURES)]
        priced = read_results(self._database, run_id=run.run_id, columns=columns, filters=chosen, limit=_FOUND_MAX)
        failed = read_failures(self._database, run_id=run.run_id, filters=chosen, limit=_FOUND_MAX)
        return {row["position_id"]: row for row in (*priced.to_pylist(), *failed.to_pylist())}

    async def _added(
        self, tables: dict[str, pa.Table], run: Run, measures: Sequence[Measure]
    ) -> tuple[list[PositionChange], list[PriceFailure]]:
        priced = await self._grid.price(tables, market=run.market_id, base_currency=run.base_currency, measures=frozenset(measures))
        values = {row["position_id"]: row for row in priced.results.to_pylist()}
        # As a stored portfolio has them, where a book or counterparty is not given.
        positions = prepare_portfolio(tables).positions.to_pylist()
        changes = [
            PositionChange(
                {name: row[name] for name in DIMENSIONS},
                _measures(values[row["position_id"]]) if row["position_id"] in values else None,
                factor=1.0,
                count=1,
            )
            for row in positions
        ]
        failures = [PriceFailure(**{name: row[name] for name in PriceFailure.model_fields}) for row in priced.failures.to_pylist()]
        return changes, failures

    def _figures(
        self, answer: WhatIfAnswer, request: WhatIfRequest, base: Run, run: Run, measures: Sequence[Measure],
        new_changes: Sequence[PositionChange], failures: Sequence[PriceFailure],
    ) -> WhatIfAnswer:  # fmt: skip
        rows = self._rows(run, [*request.remove, *request.scale])
        changes = [*new_changes, *(_change(rows[name], -1.0, -1) for name in request.remove),
                   *(_change(rows[name], factor - 1.0, 0) for name, factor in request.scale.items())]  # fmt: skip

        def groups(group_by: Sequence[str]) -> Any:
            before, after = (self._rollups.rollups(run_id=one.run_id, group_by=group_by) for one in (base, run))
            return compose(before, after, changes, group_by=group_by, measures=measures)

        group_by = [name for name in DIMENSIONS if name in request.group_by]
        return answer.model_copy(
            update={"total": groups([])[0], "groups": groups(group_by) if group_by else [], "failures": list(failures)}
        )


def _not_there(run_id: str, name: str) -> str:
    return f"the run {run_id} has no position {name!r}; GET /api/v1/results/{run_id}/positions lists them"


def _problem(part: str, name: str, code: str, message: str) -> dict[str, Any]:
    return {"loc": [part, name], "msg": message, "code": code}


def _change(row: Mapping[str, Any], factor: float, count: int) -> PositionChange:
    measures = None if row.get("code") else _measures(row)
    return PositionChange({name: row[name] for name in DIMENSIONS}, measures, factor=factor, count=count)


def _measures(row: Mapping[str, Any]) -> dict[str, float | None]:
    return {measure.value: row[measure.value] for measure in ADDITIVE_MEASURES}


def create_what_if_router(settings: Settings, database: Database, grid: Grid, runs: Runs) -> APIRouter:
    """What a run would be."""
    router = APIRouter(tags=["what-if"])
    api = WhatIfApi(settings, database, grid, runs)

    @router.post(
        "/{run_id}/what-if",
        summary="What if the market or the positions were different?",
        responses={
            202: {"model": WhatIfAnswer, "description": "The run under the changed market has not ended; ask again with the same body."},
            **error_responses(400, 404, 409),
        },
    )
    async def what_if(request: Request, response: Response, run_id: str, body: WhatIfRequest) -> WhatIfAnswer:
        """The stored run beside itself with a changed market (shocked, curves replaced, rates quoted anew) and positions removed, scaled
        or added.

        Another market is stored and run like any other, on actors that have the positions compiled already, so differences, P&L explain
        and drill-down work on it; the same question finds the same run again. Positions that are removed, scaled or added revalue nothing
        else.
        """
        answer = await api.answer(run_id, body)
        if answer.total is None:
            response.status_code = 202
            response.headers["Retry-After"] = str(RUN_RETRY_AFTER_S)
            response.headers["Location"] = f"{request.scope.get('root_path', '')}/{answer.what_if_run_id}"
        return answer

    return router
