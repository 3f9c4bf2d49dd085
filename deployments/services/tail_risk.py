"""Results of runs with scenarios: VaR and ES, stress of nodes and positions, and what has no value in some scenario."""

import json
from contextlib import nullcontext
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Query, Request
from starlette.responses import StreamingResponse

from deployments.http.downloads import Format, FormatQuery, encoded, negotiated, stream_answer
from deployments.http.errors import error_responses
from deployments.http.paging import Cursor, CursorLimit, cursor_page, decode_cursor
from riskray.errors import InvalidRequest
from riskray.figures.positions import POSITION_STRESS_SCHEMA, stress_of_positions
from riskray.figures.tail_risk import chosen_scenarios, stress_answer, var_answer
from riskray.figures.vectors import VectorReader
from riskray.models.common import CursorPage
from riskray.models.tail_risk import (
    PositionScenarioFailure,
    PositionStress,
    StressAnswer,
    StressQuery,
    VarAnswer,
    VarQuery,
    VarRequest,
)
from riskray.store.database import Database
from riskray.store.vectors import position_scenario_failures

JSON_VALUES_MAX = 200_000
"""Numbers in one JSON answer; more come as Arrow, Parquet or CSV."""
_FORMATS = (Format.JSON, Format.ARROW, Format.PARQUET, Format.CSV)
_FILES: dict[int | str, dict[str, Any]] = {200: {"content": {kind.media_type: {} for kind in _FORMATS[1:]}}}

Scenarios = Annotated[list[str], Query(alias="scenario", description="Only these scenarios; all where none is named.")]


def _stress_table(answer: StressAnswer) -> pa.Table:
    """One row a part and scenario."""
    names = list(answer.nodes[0].group)
    count = len(answer.scenarios)
    columns: dict[str, Any] = {name: np.repeat([node.group[name] for node in answer.nodes], count) for name in names}
    columns["scenario"] = answer.scenarios * len(answer.nodes)
    columns["pv_base"] = np.repeat([node.pv_base for node in answer.nodes], count)
    columns["pnl"] = pa.array([value for node in answer.nodes for value in node.pnl], pa.float64())
    return pa.table(columns)


def _require_small(values: int) -> None:
    if values > JSON_VALUES_MAX:
        message = (
            f"the answer has {values:,} numbers, JSON holds {JSON_VALUES_MAX:,}; name scenarios, or ask for format=arrow, parquet or csv"
        )
        raise InvalidRequest(message, [{"loc": ["format"], "msg": message, "code": "too_large"}])


def create_tail_risk_router(database: Database) -> APIRouter:
    """Routes that answer from stored vectors of groups."""
    router = APIRouter(tags=["scenarios"])
    reader = VectorReader(database)

    @router.post("/{run_id}/var", summary="VaR and ES of a node", responses=error_responses(400, 404, 409))
    def tail_risk(run_id: str, question: VarRequest) -> VarAnswer:
        """Of any node: all, by filters, or a node of a hierarchy; with the contributions of its parts and the scenarios that drive it.

        Computed from the run's stored vectors, summed before the quantile is taken; VaRs are never added. Positive is a loss.
        """
        return var_answer(database, reader, run_id=run_id, request=question)

    @router.get("/{run_id}/var", summary="VaR and ES of a node, asked by address", responses=error_responses(404, 409))
    def tail_risk_by_address(run_id: str, question: Annotated[VarQuery, Query()]) -> VarAnswer:
        """The same answer as the POST; a link can hold the question."""
        return var_answer(database, reader, run_id=run_id, request=question.request())

    @router.get(
        "/{run_id}/stress",
        summary="P&L of a node's parts in every scenario",
        response_model=StressAnswer,
        responses={**_FILES, **error_responses(404, 406, 409)},
    )
    def stress(request: Request, run_id: str, question: Annotated[StressQuery, Query()]) -> StressAnswer | StreamingResponse:
        """JSON has a list of P&L a part; Arrow, Parquet and CSV have one row a part and scenario."""
        kind = negotiated(request, question.format and Format(question.format), offered=_FORMATS)
        answer = stress_answer(database, reader, run_id=run_id, request=question.request(), scenarios=question.scenario)
        if kind is Format.JSON:
            _require_small(len(answer.nodes) * len(answer.scenarios))
            return answer
        table = _stress_table(answer)
        metadata = {"riskray.run_id": run_id, "riskray.base_currency": answer.base_currency}
        chunks = encoded(lambda: nullcontext(table.to_reader()), kind, metadata=metadata)
        return stream_answer(chunks, kind, filename=f"{run_id}-stress", row_count=table.num_rows)

    return router


def create_position_stress_router(database: Database) -> APIRouter:
    """Routes that answer from stored vectors of positions."""
    router = APIRouter(tags=["scenarios"])
    reader = VectorReader(database)

    @router.get(
        "/{run_id}/stress/positions",
        summary="P&L of positions in every scenario",
        response_model=CursorPage[PositionStress],
        responses={**_FILES, **error_responses(400, 404, 406, 409)},
    )
    def position_stress(
        request: Request,
        run_id: str,
        scenario: Scenarios = [],  # noqa: B006
        limit: CursorLimit = 50,
        cursor: Cursor = None,
        asked: FormatQuery = None,
    ) -> CursorPage[PositionStress] | StreamingResponse:
        """For runs with vectors=position, priced positions in order of `position_no`. JSON is paged; the other formats have all rows."""
        kind = negotiated(request, asked, offered=_FORMATS)
        run = reader.run(run_id)
        labels = reader.matrix(run).labels
        chosen = chosen_scenarios(scenario, labels=labels)
        if kind is not Format.JSON:
            batches = stress_of_positions(database, run_id=run_id, scenarios=chosen)
            names = json.dumps([labels[number] for number in chosen], ensure_ascii=False)
            metadata = {"riskray.run_id": run_id, "riskray.base_currency": run.base_currency, "riskray.scenarios": names}
            rows = pa.RecordBatchReader.from_batches(POSITION_STRESS_SCHEMA, batches)
            chunks = encoded(lambda: nullcontext(rows), kind, metadata=metadata)
            return stream_answer(chunks, kind, filename=f"{run_id}-position-stress", row_count=None)
        _require_small(limit * chosen.size)
        scope = f"stress {run_id} {scenario}"
        after = decode_cursor(cursor, scope=scope)
        page = stress_of_positions(database, run_id=run_id, scenarios=chosen, after_position_no=after, limit=limit + 1)
        found = [PositionStress(**row) for batch in page for row in batch.to_pylist()]
        return cursor_page(found, [row.position_no for row in found], limit=limit, scope=scope)

    @router.get("/{run_id}/stress/failures", summary="Positions without value in some scenario", responses=error_responses(400, 404, 409))
    def scenario_failures(run_id: str, limit: CursorLimit = 50, cursor: Cursor = None) -> CursorPage[PositionScenarioFailure]:
        """What the run's failure policy was applied to, in order of `position_no`."""
        scope = f"scenario failures {run_id}"
        after = decode_cursor(cursor, scope=scope)
        rows = position_scenario_failures(database, run=reader.run(run_id), after_position_no=after, limit=limit + 1).to_pylist()
        return cursor_page([PositionScenarioFailure(**row) for row in rows], [row["position_no"] for row in rows], limit=limit, scope=scope)

    return router
