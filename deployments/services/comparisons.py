"""Two runs side by side: what differs, and why the value changed."""

from contextlib import nullcontext
from typing import Annotated, Any, Literal

import numpy as np
import pyarrow as pa
from fastapi import APIRouter, Depends, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from deployments.http.downloads import Format, FormatQuery, encoded, negotiated, stream_answer
from deployments.http.errors import error_responses
from deployments.http.paging import Cursor, CursorLimit, cursor_page, decode_cursor, decode_id_cursor
from riskray.config import Settings
from riskray.figures.pnl import ExplainedPnl, largest_first, pnl_by, pnl_by_pillar, total_pnl
from riskray.grid.client import Grid
from riskray.lru_cache import LruCache
from riskray.models.common import CursorPage
from riskray.models.comparison import PnlAnswer, PositionDifference, PositionPnl, RunDifference
from riskray.models.run import Run
from riskray.runs.pnl_explainer import PnlExplainer
from riskray.store import comparisons as store
from riskray.store.database import Database

ORDERS_BYTES_MAX = 64 * 1024**2
"""Orders of explained positions that pages are cut from; a million positions take 8 MB."""
_FORMATS = (Format.JSON, Format.ARROW, Format.PARQUET, Format.CSV)
_FILES: dict[int | str, dict[str, Any]] = {200: {"content": {kind.media_type: {} for kind in _FORMATS[1:]}}}

Measure = Annotated[str, Query(description="The measure to compare.", examples=["pv_base"])]


def _tolerance(
    absolute_tolerance: Annotated[float, Query(ge=0.0, allow_inf_nan=False, description="Differences up to this are none.")] = 0.0,
    relative_tolerance: Annotated[
        float, Query(ge=0.0, allow_inf_nan=False, description="And this times the larger of the two values.")
    ] = 0.0,
) -> store.Tolerance:
    return store.Tolerance(absolute_tolerance, relative_tolerance)


Tolerance = Annotated[store.Tolerance, Depends(_tolerance)]


def create_difference_router(database: Database) -> APIRouter:
    """Run-to-run differences, from stored results alone."""
    router = APIRouter(tags=["comparisons"])

    @router.get("/{run_id}/diff/{other_run_id}", summary="What differs between two runs", responses=error_responses(404, 409))
    def difference(run_id: str, other_run_id: str, tolerance: Tolerance, measure: Measure = "pv_base") -> RunDifference:
        """From the earlier run `run_id` to the later `other_run_id`: positions that changed, opened, closed, now fail or are now priced.

        Positions are matched by their id, so the runs may be of different portfolios; their base currency must be the same.
        """
        return store.difference(database, before=run_id, after=other_run_id, measure=measure, tolerance=tolerance)

    @router.get(
        "/{run_id}/diff/{other_run_id}/positions",
        summary="Positions that differ between two runs",
        response_model=CursorPage[PositionDifference],
        responses={**_FILES, **error_responses(400, 404, 406, 409)},
    )
    def differences(
        request: Request,
        run_id: str,
        other_run_id: str,
        tolerance: Tolerance,
        measure: Measure = "pv_base",
        limit: CursorLimit = 50,
        cursor: Cursor = None,
        asked: FormatQuery = None,
    ) -> CursorPage[PositionDifference] | StreamingResponse:
        """In order of `position_id`. JSON is paged; Arrow, Parquet and CSV have all of them."""
        kind = negotiated(request, asked, offered=_FORMATS)
        question: dict[str, Any] = {"before": run_id, "after": other_run_id, "measure": measure, "tolerance": tolerance}
        scope = f"differences {question}"
        after = decode_id_cursor(cursor, scope=scope)
        if kind is not Format.JSON:
            store.read_differences(database, **question, limit=0)  # an error is an answer; inside a stream it would be a broken file
            metadata = {"riskray.run_id_before": run_id, "riskray.run_id_after": other_run_id, "riskray.measure": measure}
            chunks = encoded(lambda: store.stream_differences(database, **question), kind, metadata=metadata)
            return stream_answer(chunks, kind, filename=f"{run_id}-{other_run_id}-diff", row_count=None)
        rows = store.read_differences(database, **question, after_position_id=after, limit=limit + 1).to_pylist()
        return cursor_page([PositionDifference(**row) for row in rows], [row["position_id"] for row in rows], limit=limit, scope=scope)

    return router


def _pnl_metadata(earlier: Run, later: Run) -> dict[str, str]:
    return {
        "riskray.run_id_t0": earlier.run_id,
        "riskray.run_id_t1": later.run_id,
        "riskray.as_of_t0": earlier.as_of.isoformat(),
        "riskray.as_of_t1": later.as_of.isoformat(),
        "riskray.base_currency": earlier.base_currency,
    }


class _PnlPages:
    """Pages of explained positions, in an order that is worked out once."""

    def __init__(self) -> None:
        self._orders: LruCache[np.ndarray] = LruCache(budget=ORDERS_BYTES_MAX, size_of=lambda rows: rows.nbytes)

    def page(self, found: ExplainedPnl, key: tuple[str, str, str], *, first: int, limit: int, scope: str) -> CursorPage[PositionPnl]:
        """Rows from place `first` on; `key`: both runs and the part to order by. The order never changes, so a place in it is a key."""
        order = self._orders.get_or_load(key, lambda: largest_first(found, by=key[2]))
        rows = found.positions.take(pa.array(order[first : first + limit + 1])).to_pylist()
        return cursor_page([PositionPnl(**row) for row in rows], range(first, first + len(rows)), limit=limit, scope=scope)


def create_pnl_router(settings: Settings, database: Database, grid: Grid) -> APIRouter:
    """P&L explain: priced on warm actors, not here."""
    router = APIRouter(tags=["comparisons"])
    explainer = PnlExplainer(database, grid, settings.rows_per_shard)
    pages = _PnlPages()

    @router.get("/{run_id}/pnl/{other_run_id}", summary="Why the value changed between two runs", responses=error_responses(404, 409))
    async def pnl(
        run_id: str,
        other_run_id: str,
        group_by: Annotated[str, Query(description="Comma-separated: book, product, currency, counterparty.")] = "book",
    ) -> PnlAnswer:
        """From the earlier run to the later one: carry, rates by curve and pillar, credit, FX, opened and closed positions, cash, residual.

        One thing moves after another, each step a full revaluation, so the parts add up to the P&L.
        """
        earlier, later, found = await explainer.explain(run_id, other_run_id)
        groups: list[Any] = [name.strip() for name in group_by.split(",") if name.strip()]

        def answer() -> PnlAnswer:
            return PnlAnswer(
                run_id_t0=run_id,
                run_id_t1=other_run_id,
                as_of_t0=earlier.as_of,
                as_of_t1=later.as_of,
                base_currency=earlier.base_currency,
                total=total_pnl(found),
                groups=pnl_by(found, group_by=groups),
                rates_by_pillar=pnl_by_pillar(found),
            )

        return await run_in_threadpool(answer)

    @router.get(
        "/{run_id}/pnl/{other_run_id}/positions",
        summary="Why positions changed between two runs",
        response_model=CursorPage[PositionPnl],
        responses={**_FILES, **error_responses(400, 404, 406, 409)},
    )
    async def position_pnl(
        request: Request,
        run_id: str,
        other_run_id: str,
        by: Annotated[
            Literal["pnl", "carry", "rates", "credit", "fx", "opened", "closed", "residual", "fixing"],
            Query(description="JSON: in order of this part's size."),
        ] = "pnl",
        limit: CursorLimit = 50,
        cursor: Cursor = None,
        asked: FormatQuery = None,
    ) -> CursorPage[PositionPnl] | StreamingResponse:
        """JSON is paged, the largest absolute values of one part first; Arrow, Parquet and CSV have all positions.

        A position whose contract changed has two rows: closed as it was, opened as it is.
        """
        kind = negotiated(request, asked, offered=_FORMATS)
        scope = f"pnl {run_id} {other_run_id} {by}"
        first = decode_cursor(cursor, scope=scope) + 1
        earlier, later, found = await explainer.explain(run_id, other_run_id)

        if kind is Format.JSON:
            return await run_in_threadpool(pages.page, found, (run_id, other_run_id, by), first=first, limit=limit, scope=scope)
        chunks = encoded(lambda: nullcontext(found.positions.to_reader(65_536)), kind, metadata=_pnl_metadata(earlier, later))
        return stream_answer(chunks, kind, filename=f"{run_id}-{other_run_id}-pnl", row_count=found.positions.num_rows)

    return router
