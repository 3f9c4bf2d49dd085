"""Results over HTTP: totals, roll-ups, sensitivities, failures, positions in every format, and the explanation of one value."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from pydantic import TypeAdapter
from starlette.responses import StreamingResponse

from deployments.http.downloads import Format, FormatQuery, encoded, negotiated, rows_answer, stream_answer
from deployments.http.errors import error_responses
from deployments.http.paging import Cursor, CursorLimit, cursor_page, decode_cursor
from deployments.http.service import create_service
from deployments.http.serving import serve_application
from deployments.services.comparisons import create_difference_router, create_pnl_router
from deployments.services.tail_risk import create_position_stress_router, create_tail_risk_router
from pricers.market.factors import FactorKind
from riskray.config import Settings
from riskray.errors import Conflict, InvalidRequest
from riskray.figures.nodes import resolve_node
from riskray.figures.rollups import RollupReader, totals_by_factor
from riskray.grid.client import Grid
from riskray.lru_cache import LruCache
from riskray.models.common import CursorPage, Model
from riskray.models.position_result import PositionFailure, PositionOrigin, PositionResult
from riskray.models.result import Explanation, FailureSummary, RiskFactor, Rollup, RunTotals, Sensitivity
from riskray.models.run import Run
from riskray.models.tail_risk import NodeQuery
from riskray.store import results as store
from riskray.store.database import Database
from riskray.store.runs import get_run, run_no_of

if TYPE_CHECKING:
    from ray.serve import Application

DESCRIPTION = """
What a run found. Sums exclude failed positions and count them. While a run is running, its results return 409, unless
`partial=true` asks for what is there already. Positions come as pages of JSON, or all at once as an Arrow stream, Parquet or CSV.
"""
_FORMATS = (Format.JSON, Format.ARROW, Format.PARQUET, Format.CSV)
_PAGE_OR_FILE: dict[str, Any] = {"content": {kind.media_type: {} for kind in _FORMATS[1:]}}
_FILES: dict[int | str, dict[str, Any]] = {200: _PAGE_OR_FILE}

GroupBy = Annotated[str, Query(description="Comma-separated groups; empty for one sum.", examples=["book,product"])]
Partial = Annotated[bool, Query(description="Read what a run has committed so far, before its end.")]
_Names = Annotated[list[str], Query()]


def _filter(
    book: _Names = [],  # noqa: B006  FastAPI copies the default
    product: _Names = [],  # noqa: B006
    currency: _Names = [],  # noqa: B006
    counterparty: _Names = [],  # noqa: B006
    position_id: _Names = [],  # noqa: B006
) -> store.ResultFilter:
    return store.ResultFilter(
        books=tuple(book),
        products=tuple(product),
        currencies=tuple(currency),
        counterparties=tuple(counterparty),
        position_ids=tuple(position_id),
    )


Filter = Annotated[store.ResultFilter, Depends(_filter)]
_TOP_MAX = 1000
_ROLLUPS = TypeAdapter(list[Rollup])
_POSITIONS = TypeAdapter(list[PositionResult])
_FACTORS = TypeAdapter(list[RiskFactor])
ANSWERS_BYTES_MAX = 64 * 1024**2
"""Rollups kept as they are sent; twenty thousand groups take 5 MB."""


def _book_product_node(
    book: _Names = [],  # noqa: B006
    product: _Names = [],  # noqa: B006
    hierarchy: Annotated[str | None, Query(description="Hierarchy over books or products, with `node`.")] = None,
    node: Annotated[str | None, Query(description="Node of the hierarchy.")] = None,
) -> NodeQuery:
    if (hierarchy is None) != (node is None):
        raise InvalidRequest("give both hierarchy and node, or neither")
    return NodeQuery(book=book, product=product, hierarchy=hierarchy, node=node)


BookProductNode = Annotated[NodeQuery, Depends(_book_product_node)]


def _book_product_filter(database: Database, query: NodeQuery) -> store.ResultFilter:
    filters = resolve_node(database, query.request()).filters
    if filters.currencies or filters.counterparties:
        raise InvalidRequest(f"sensitivities are by book and product; hierarchy {query.hierarchy!r} is over another dimension")
    return store.ResultFilter(books=filters.books, products=filters.products)


def _groups(group_by: str) -> list[str]:
    return [name.strip() for name in group_by.split(",") if name.strip()]


def _readable_run(database: Database, run_id: str, *, partial: bool) -> Run:
    run = get_run(database, run_id=run_id)
    if not run.state.is_final and not partial:
        raise Conflict(f"run {run_id} is {run.state.value}; wait for its end, or add partial=true for what it has committed so far")
    return run


def _chosen_columns(columns: str, kind: Format) -> list[str]:
    names = _groups(columns)
    chosen = store.checked_columns(names or None)
    if names and kind is Format.JSON:
        message = "JSON pages have every column; ask for format=csv, arrow or parquet to choose columns"
        raise InvalidRequest(message, [{"loc": ["query", "columns"], "msg": message, "code": "not_for_json"}])
    return chosen


def _metadata(run: Run) -> dict[str, str]:
    return {
        "riskray.run_id": run.run_id,
        "riskray.state": run.state.value,
        "riskray.partial": str(not run.state.is_final).lower(),
        "riskray.market_id": run.market_id,
        "riskray.portfolio_id": run.portfolio_id,
        "riskray.as_of": run.as_of.isoformat(),
        "riskray.base_currency": run.base_currency,
    }


def _file(
    database: Database, rows: Sequence[Model], kind: Format, model: type[Model], *, run_id: str, what: str, groups: Sequence[str] = ()
) -> Response:
    metadata = _metadata(get_run(database, run_id=run_id))
    return rows_answer(rows, kind, model=model, groups=groups, filename=f"{run_id}-{what}", metadata=metadata)


def _sums_router(database: Database) -> APIRouter:
    """Tens of rows, written when a run ends."""
    router = APIRouter(tags=["sums"])
    reader = RollupReader(database)
    answers: LruCache[bytes] = LruCache(budget=ANSWERS_BYTES_MAX, size_of=len)

    @router.get("/{run_id}/totals", summary="The run in one object", responses=error_responses(404, 409))
    def totals(run_id: str) -> RunTotals:
        return store.totals(database, run_id=run_id)

    @router.get(
        "/{run_id}/rollup",
        summary="Sums by any dimensions",
        response_model=list[Rollup],
        responses={**_FILES, **error_responses(404, 406, 409)},
    )
    def rollup(request: Request, run_id: str, filters: Filter, group_by: GroupBy = "book", asked: FormatQuery = None) -> Response:
        """Groups: any of `book`, `product`, `currency` (of the position), `counterparty`; filters drill down.

        By book, product and currency the sums are stored; those that need counterparties are added up from the positions.
        """
        kind = negotiated(request, asked, offered=_FORMATS)
        groups = _groups(group_by)
        if kind is not Format.JSON:
            rows = reader.rollups(run_id=run_id, group_by=groups, filters=filters)
            return _file(database, rows, kind, Rollup, run_id=run_id, what="rollup", groups=groups)

        def answer() -> bytes:
            return _ROLLUPS.dump_json(reader.rollups(run_id=run_id, group_by=groups, filters=filters))

        run_no_of(database, run_id=run_id)  # or what is kept would outlive its run
        # The key is the run's id: a restored database reuses numbers. An error is not cached, so that a later request finds an ended run.
        body = answers.get_or_load((run_id, tuple(groups), filters), answer)
        return Response(body, media_type="application/json")

    @router.get("/{run_id}/failures/summary", summary="Failed positions by reason", responses=error_responses(404, 409))
    def failures_summary(run_id: str, partial: Partial = False) -> list[FailureSummary]:
        _readable_run(database, run_id, partial=partial)
        return store.failure_summary(database, run_id=run_id)

    return router


def _ladders_router(database: Database) -> APIRouter:
    """What a run is exposed to, and by which positions."""
    router = APIRouter(tags=["sums"])

    @router.get("/{run_id}/factors", summary="What sensitivities refer to by number", responses=error_responses(404))
    def factors(run_id: str) -> list[RiskFactor]:
        """The run's curves and foreign currencies, with unit, bump and buckets: what `factor_nos` of positions stand for."""
        return store.risk_factors(database, run_id=run_id)

    @router.get(
        "/{run_id}/sensitivities",
        summary="Sensitivities by factor and bucket",
        response_model=list[Sensitivity],
        responses={**_FILES, **error_responses(404, 406, 409)},
    )
    def sensitivities(
        request: Request,
        run_id: str,
        node: BookProductNode,
        kind: Annotated[list[FactorKind], Query(description="Kinds of factors to keep; may be repeated.", examples=["RATE"])] = [],  # noqa: B006
        factor: _Names = [],  # noqa: B006
        group_by: GroupBy = "",
        by_factor: Annotated[bool, Query(description="One sum a factor over its buckets, such as DV01 by curve.")] = False,
        asked: FormatQuery = None,
    ) -> list[Sensitivity] | Response:
        """Key rates, FX deltas and every other bucketed risk, by factor and bucket and by any of `book`, `product`; of one node of a
        hierarchy over these where it is named. `GET .../factors` has the unit and the bump of each factor.
        """
        file, groups = negotiated(request, asked, offered=_FORMATS), _groups(group_by)
        filters = _book_product_filter(database, node)
        rows = store.sensitivities(database, run_id=run_id, group_by=groups, kinds=kind, factors=factor, filters=filters)
        rows = totals_by_factor(rows) if by_factor else rows
        if file is Format.JSON:
            return rows
        return _file(database, rows, file, Sensitivity, run_id=run_id, what="sensitivities", groups=groups)

    @router.get(
        "/{run_id}/top",
        summary="Positions that contribute most to a measure",
        response_model=list[PositionResult],
        responses={**_FILES, **error_responses(404, 406, 409)},
    )
    def top(
        request: Request,
        run_id: str,
        filters: Filter,
        by: Annotated[str, Query(description="A measure.", examples=["dv01"])] = "pv_base",
        order: Annotated[
            Literal["absolute", "highest", "lowest"], Query(description="Largest absolute values, or either end.")
        ] = "absolute",
        limit: Annotated[int, Query(ge=1, le=_TOP_MAX, description="How many positions.")] = 20,
        asked: FormatQuery = None,
        partial: Partial = False,
    ) -> list[PositionResult] | Response:
        kind = negotiated(request, asked, offered=_FORMATS)
        _readable_run(database, run_id, partial=partial)
        found = store.top_results(database, run_id=run_id, measure=by, order=order, limit=limit, filters=filters)
        rows = [PositionResult(**row) for row in found]
        return rows if kind is Format.JSON else _file(database, rows, kind, PositionResult, run_id=run_id, what="top")

    return router


def _positions_file(database: Database, run: Run, kind: Format, *, chosen: list[str], filters: store.ResultFilter) -> StreamingResponse:
    count = run.progress.ok_count if filters == store.ALL_POSITIONS and run.state.is_final else None
    metadata = _metadata(run)
    if "sensitivities" in chosen:
        metadata["riskray.factors"] = _FACTORS.dump_json(store.risk_factors(database, run_id=run.run_id)).decode()
    chunks = encoded(lambda: store.stream_results(database, run_id=run.run_id, columns=chosen, filters=filters), kind, metadata=metadata)
    return stream_answer(chunks, kind, filename=f"{run.run_id}-{run.as_of}", row_count=count)


def _rows_router(database: Database) -> APIRouter:
    """One row a position: pages and downloads."""
    router = APIRouter(tags=["positions"])

    @router.get(
        "/{run_id}/positions",
        summary="Measures of the priced positions",
        response_model=CursorPage[PositionResult],
        responses={200: _PAGE_OR_FILE, **error_responses(400, 404, 406, 409)},
    )
    def positions(
        request: Request,
        run_id: str,
        filters: Filter,
        limit: CursorLimit = 50,
        cursor: Cursor = None,
        columns: Annotated[str, Query(description="Files: only these columns, comma-separated.", examples=["position_id,pv_base"])] = "",
        asked: FormatQuery = None,
        partial: Partial = False,
    ) -> Response:
        """JSON is paged; an Arrow stream, Parquet or CSV has all rows at once, in order of `position_no`.

        An Arrow stream's or Parquet file's metadata has the run's factors, as `GET .../factors` lists them, under `riskray.factors`.
        """
        kind = negotiated(request, asked, offered=_FORMATS)
        chosen = _chosen_columns(columns, kind)
        run = _readable_run(database, run_id, partial=partial)
        if kind is not Format.JSON:
            return _positions_file(database, run, kind, chosen=chosen, filters=filters)
        scope = f"results {run_id} {filters}"
        after = decode_cursor(cursor, scope=scope)
        rows = store.read_results(database, run_id=run_id, filters=filters, after_position_no=after, limit=limit + 1).to_pylist()
        page = cursor_page(_POSITIONS.validate_python(rows), [row["position_no"] for row in rows], limit=limit, scope=scope)
        # Already checked: the framework would check and convert every row once more, which doubles the time of a long page.
        return Response(page.model_dump_json(), media_type=kind.media_type)

    @router.get(
        "/{run_id}/failures",
        summary="Failed positions with reason and remedy",
        response_model=CursorPage[PositionFailure],
        responses={200: _PAGE_OR_FILE, **error_responses(400, 404, 406, 409)},
    )
    def failures(
        request: Request,
        run_id: str,
        filters: Filter,
        code: Annotated[str | None, Query(description="Only failures with this code.")] = None,
        limit: CursorLimit = 50,
        cursor: Cursor = None,
        asked: FormatQuery = None,
        partial: Partial = False,
    ) -> CursorPage[PositionFailure] | StreamingResponse:
        kind = negotiated(request, asked, offered=_FORMATS)
        run = _readable_run(database, run_id, partial=partial)
        if kind is not Format.JSON:
            whole = filters == store.ALL_POSITIONS and code is None and run.state.is_final
            chunks = encoded(
                lambda: store.stream_failures(database, run_id=run_id, filters=filters, code=code), kind, metadata=_metadata(run)
            )
            return stream_answer(
                chunks, kind, filename=f"{run_id}-{run.as_of}-failures", row_count=run.progress.failed_count if whole else None
            )
        scope = f"failures {run_id} {code} {filters}"
        after = decode_cursor(cursor, scope=scope)
        rows = store.read_failures(
            database, run_id=run_id, filters=filters, code=code, after_position_no=after, limit=limit + 1
        ).to_pylist()
        return cursor_page([PositionFailure(**row) for row in rows], [row["position_no"] for row in rows], limit=limit, scope=scope)

    return router


def _position_router(database: Database, grid: Grid) -> APIRouter:
    """One position."""
    router = APIRouter(tags=["positions"])

    @router.get(
        "/{run_id}/positions/{position_id}",
        summary="One position's outcome",
        response_model=PositionResult | PositionFailure,
        responses=error_responses(404, 409),
    )
    def position(run_id: str, position_id: str, partial: Partial = False) -> PositionResult | PositionFailure:
        _readable_run(database, run_id, partial=partial)
        row = store.get_result(database, run_id=run_id, position_id=position_id)
        return PositionFailure(**row) if "code" in row else PositionResult(**row)

    @router.get("/{run_id}/positions/{position_id}/origin", summary="Which run valued a position", responses=error_responses(404))
    def origin(run_id: str, position_id: str) -> PositionOrigin:
        """The run itself, or an earlier one whose row it reuses because nothing that the position depends on has changed."""
        return store.position_origin(database, run_id=run_id, position_id=position_id)

    @router.get("/{run_id}/positions/{position_id}/explain", summary="One value, flow by flow", responses=error_responses(404, 409))
    async def explain(run_id: str, position_id: str) -> Explanation:
        """Computed anew from the stored contract and market; the flows' `pv_base` sum to the position's."""
        return await grid.explain(run_id=run_id, position_id=position_id)

    return router


def create_app(settings: Settings, database: Database, grid: Grid) -> FastAPI:
    """The results service."""
    database.preload_arrow()
    return create_service(
        "results",
        description=DESCRIPTION,
        settings=settings,
        database=database,
        routers=[
            _sums_router(database),
            _ladders_router(database),
            create_tail_risk_router(database),
            create_position_stress_router(database),
            create_difference_router(database),
            create_pnl_router(settings, database, grid),
            _rows_router(database),
            _position_router(database, grid),
        ],
    )


def _create_in_replica(settings: Settings, database: Database) -> FastAPI:
    return create_app(settings, database, Grid(settings))


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    return serve_application("results", _create_in_replica)
