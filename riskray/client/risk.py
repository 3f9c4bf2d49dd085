"""The client's methods for tail risk, stress, what-if, contributors and comparisons of runs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from riskray.client.calls import Calls, given, segment
from riskray.client.results import ResultTable
from riskray.models.common import CursorPage
from riskray.models.comparison import PnlAnswer, PositionPnl, RunDifference
from riskray.models.hierarchy import Dimension
from riskray.models.position_result import Order, PositionResult
from riskray.models.problems import arguments_checked
from riskray.models.tail_risk import (
    Allocation,
    NodeFilter,
    PositionScenarioFailure,
    QuantileConvention,
    StressAnswer,
    VarAnswer,
    VarMethod,
    VarRequest,
)
from riskray.models.what_if import MarketChange, WhatIfAnswer, WhatIfRequest


class RiskCalls(Calls):
    """Methods that query finished runs."""

    def var(
        self,
        run_id: str,
        group_by: Sequence[Dimension] = (),
        *,
        confidence: float | Sequence[float] = 0.99,
        method: VarMethod = "full_revaluation",
        convention: QuantileConvention = QuantileConvention.HIGHER,
        allocation: Allocation = Allocation.TAIL_AVERAGE,
        filters: NodeFilter | None = None,
        hierarchy: str | None = None,
        node: str | None = None,
        by_children: bool = False,
        tail_scenario_count: int = 10,
    ) -> VarAnswer:
        """Return VaR and ES of a whole run, of filtered positions, or of a node of a hierarchy, with the contributions of the groups."""
        with arguments_checked():
            request = VarRequest(
                confidences=[confidence] if isinstance(confidence, float | int) else list(confidence),
                method=method,
                convention=convention,
                allocation=allocation,
                filters=filters or NodeFilter(),
                hierarchy=hierarchy,
                node=node,
                group_by=list(group_by),
                by_children=by_children,
                tail_scenario_count=tail_scenario_count,
            )
        return VarAnswer.model_validate_json(self._post_json(f"/api/v1/results/{segment(run_id)}/var", request).content)

    def stress(self, run_id: str, group_by: Sequence[Dimension] = (), *, scenarios: Sequence[str] = (), **node: Any) -> StressAnswer:
        """Return P&L of the groups in every scenario; `node`: book, product, currency, counterparty, hierarchy, node, by_children."""
        path = f"/api/v1/results/{segment(run_id)}/stress"
        return self._get(path, StressAnswer, group_by=",".join(group_by), scenario=list(scenarios), **node)

    def position_stress(self, run_id: str, *, scenarios: Sequence[str] = ()) -> ResultTable:
        """Download the P&L of every priced position as a list with one number per scenario; for runs with vectors=position."""
        return self._download(f"/api/v1/results/{segment(run_id)}/stress/positions", {"scenario": list(scenarios)})

    def scenario_failures(self, run_id: str, *, cursor: str | None = None, limit: int = 50) -> CursorPage[PositionScenarioFailure]:
        """Return a page of the positions that have no value in some scenario, to which the run's failure policy was applied."""
        path = f"/api/v1/results/{segment(run_id)}/stress/failures"
        return self._get(path, CursorPage[PositionScenarioFailure], cursor=cursor, limit=limit)

    def download_stress(
        self,
        run_id: str,
        path: str | Path,
        group_by: Sequence[Dimension] = (),
        *,
        format: Literal["csv", "parquet", "arrow"] = "parquet",
        **node: Any,
    ) -> Path:
        """Write the P&L of the groups to a file, one row per group and scenario, and return its path."""
        params = given({"format": format, "group_by": ",".join(group_by), **node})
        self._save(f"/api/v1/results/{segment(run_id)}/stress", Path(path), params=params)
        return Path(path)

    def export_view(
        self,
        run_id: str,
        view: Literal["rollup", "sensitivities", "top"],
        path: str | Path,
        *,
        format: Literal["csv", "parquet", "arrow"] = "parquet",
        group_by: Sequence[Dimension] | None = None,
        **question: Any,
    ) -> Path:
        """Write a rollup, sensitivities or the top positions to a file; the arguments are those of the method with the view's name."""
        groups = {} if group_by is None else {"group_by": ",".join(group_by)}  # an empty list means one sum, not the default
        self._save(f"/api/v1/results/{segment(run_id)}/{view}", Path(path), params={"format": format, **groups, **given(question)})
        return Path(path)

    def what_if(
        self,
        run_id: str,
        group_by: Sequence[Dimension] = ("book",),
        *,
        market: MarketChange | Mapping[str, Any] | None = None,
        remove: Sequence[str] = (),
        scale: Mapping[str, float] | None = None,
        add: Sequence[Mapping[str, Any]] = (),
        wait_s: float = 30.0,
    ) -> WhatIfAnswer:
        """Compare a run with itself under a changed market, or with positions removed, scaled or added; unchanged values are reused.

        If the run under the changed market takes longer than `wait_s`, `total` is None; repeat the call, which uses that run.
        """
        with arguments_checked():
            request = WhatIfRequest(
                market=None if market is None else MarketChange.model_validate(market),
                remove=list(remove),
                scale=dict(scale or {}),
                add=[dict(position) for position in add],
                group_by=list(group_by),
                wait_s=wait_s,
            )
        path = f"/api/v1/runs/{segment(run_id)}/what-if"
        return WhatIfAnswer.model_validate_json(self._post_json(path, request, timeout_s=60.0 + wait_s).content)

    def top(
        self,
        run_id: str,
        by: str = "pv_base",
        *,
        order: Order = "absolute",
        limit: int = 20,
        **filters: Any,
    ) -> list[PositionResult]:
        """Return the positions that contribute most to a measure; filters: book, product, currency, counterparty."""
        path = f"/api/v1/results/{segment(run_id)}/top"
        return self._get(path, list[PositionResult], by=by, order=order, limit=limit, **filters)

    def diff(
        self,
        run_id_before: str,
        run_id_after: str,
        *,
        measure: str = "pv_base",
        absolute_tolerance: float = 0.0,
        relative_tolerance: float = 0.0,
    ) -> RunDifference:
        """Return the differences between two runs in one measure: the number of positions and the sums by kind of difference."""
        path = f"/api/v1/results/{segment(run_id_before)}/diff/{segment(run_id_after)}"
        return self._get(path, RunDifference, measure=measure, absolute_tolerance=absolute_tolerance, relative_tolerance=relative_tolerance)

    def diff_positions(
        self,
        run_id_before: str,
        run_id_after: str,
        *,
        measure: str = "pv_base",
        absolute_tolerance: float = 0.0,
        relative_tolerance: float = 0.0,
    ) -> ResultTable:
        """Return the positions that differ, in order of their id."""
        path = f"/api/v1/results/{segment(run_id_before)}/diff/{segment(run_id_after)}/positions"
        tolerances = {"absolute_tolerance": absolute_tolerance, "relative_tolerance": relative_tolerance}
        return self._download(path, {"measure": measure, **tolerances})

    def pnl(self, run_id_t0: str, run_id_t1: str, group_by: Sequence[Dimension] = ("book",)) -> PnlAnswer:
        """Explain the change in value from the earlier run to the later one."""
        path = f"/api/v1/results/{segment(run_id_t0)}/pnl/{segment(run_id_t1)}"
        # An empty group_by is sent too: it means no groups, not the default.
        response = self.transport.send("GET", path, repeatable=True, params={"group_by": ",".join(group_by)}, timeout_s=600.0)
        return PnlAnswer.model_validate_json(response.content)

    def page_pnl(
        self, run_id_t0: str, run_id_t1: str, *, by: str = "pnl", cursor: str | None = None, limit: int = 50
    ) -> CursorPage[PositionPnl]:
        """Return a page of the P&L explanations of positions, ordered by the largest absolute values of one part."""
        path = f"/api/v1/results/{segment(run_id_t0)}/pnl/{segment(run_id_t1)}/positions"
        return self._get(path, CursorPage[PositionPnl], by=by, cursor=cursor, limit=limit)

    def pnl_positions(self, run_id_t0: str, run_id_t1: str) -> ResultTable:
        """Download the P&L explanation of every position."""
        return self._download(f"/api/v1/results/{segment(run_id_t0)}/pnl/{segment(run_id_t1)}/positions", {})

    def export_pnl(
        self, run_id_t0: str, run_id_t1: str, path: str | Path, *, format: Literal["csv", "parquet", "arrow"] = "parquet"
    ) -> Path:
        """Write the P&L explanation of every position to a file and return its path."""
        source = f"/api/v1/results/{segment(run_id_t0)}/pnl/{segment(run_id_t1)}/positions"
        self._save(source, Path(path), params={"format": format})
        return Path(path)
