"""Runs over HTTP: pre-flight, submit, list, watch, cancel, delete. The work itself never hangs on a request."""

import hashlib
import re
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, FastAPI, Header, Query, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from deployments.http.errors import error_responses
from deployments.http.limits import (
    EVENT_POLL_S,
    EVENT_RETRY_MS,
    EVENT_STREAM_S,
    EVENTS_AT_ONCE,
    RUN_RETRY_AFTER_S,
    RUNS_REQUESTS_AT_ONCE,
    WAIT_S_MAX,
)
from deployments.http.paging import OffsetPage
from deployments.http.service import create_service
from deployments.http.serving import serve_application
from deployments.services.run_events import RunBell, UndrivenWatch, wait_for_ring
from riskray.config import Settings
from riskray.errors import NotFound, StoreUnavailable
from riskray.extensions import load_pricers
from riskray.grid.client import Grid
from riskray.models.common import Page
from riskray.models.event import EventKind, RunEvent
from riskray.models.run import Preflight, Run, RunRequest, RunState
from riskray.models.what_if import WhatIfAnswer, WhatIfRequest
from riskray.runs.submit import preflight_run, submit_run
from riskray.runs.what_if import WhatIf
from riskray.store.database import Database
from riskray.store.runs import delete_run, events_after, get_run, list_runs, request_cancel, run_no_of

if TYPE_CHECKING:
    from ray.serve import Application

DESCRIPTION = """
A run values one portfolio under one market. A submit returns 202 at once; watch the run by its events, by polling with
`If-None-Match`, or let the submit wait with `Prefer: wait=10`. A run that ends with failed positions is `PARTIAL`, not lost.
"""

IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=200,
        description="A name of your own for this submit: a second submit with this key returns the first run and creates no other.",
    ),
]
Prefer = Annotated[str | None, Header(description="`wait=N`: the response comes when the run has ended, after N seconds at the latest.")]
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})\b")


def _etag(run: Run) -> str:
    return f'"{hashlib.sha256(run.model_dump_json().encode()).hexdigest()[:32]}"'


class RunsApi:
    """The routes' bodies, on a database, a grid and a bell."""

    def __init__(self, settings: Settings, database: Database, grid: Grid, bell: RunBell) -> None:
        self._settings, self._database, self._grid, self._bell = settings, database, grid, bell

    async def submit(self, request: RunRequest, *, idempotency_key: str | None, wait_s: float) -> tuple[Run, bool]:
        """Commit the run, wake the coordinator, and wait for the end as long as asked; the run, and whether it is new."""
        fingerprint = hashlib.sha256(request.model_dump_json().encode()).digest()
        run, created = await run_in_threadpool(
            submit_run, self._database, self._settings, request, idempotency_key=idempotency_key, fingerprint=fingerprint
        )
        if request.executor == "pool":
            self._grid.wake()
        return (await self._ended(run, wait_s=wait_s) if wait_s > 0 else run), created

    async def cancel(self, run_id: str) -> Run:
        """Ask for the cancellation and wake the coordinator."""
        run = await run_in_threadpool(request_cancel, self._database, run_id=run_id)
        self._grid.wake()
        return run

    async def started(self, run: Run, *, wait_s: float) -> Run:
        """Wake the coordinator, and wait for the run's end as long as asked."""
        self._grid.wake()
        return await self._ended(run, wait_s=wait_s)

    async def _ended(self, run: Run, *, wait_s: float) -> Run:
        deadline = time.monotonic() + wait_s
        run_no = await run_in_threadpool(run_no_of, self._database, run_id=run.run_id)
        async with self._bell.rings(run_no) as ring:
            while True:
                run = await run_in_threadpool(get_run, self._database, run_id=run.run_id)
                left = deadline - time.monotonic()
                if run.state.is_final or left <= 0:
                    return run
                await wait_for_ring(ring, timeout_s=min(left, EVENT_POLL_S))

    async def events(self, run_id: str, run_no: int, after_seq: int) -> AsyncIterator[str]:
        """The event stream's text: what happened, then what happens, until the run's end, its deletion, or the stream's recycling."""
        deadline = time.monotonic() + EVENT_STREAM_S
        undriven = UndrivenWatch()
        yield f"retry: {EVENT_RETRY_MS}\n\n"
        async with self._bell.rings(run_no) as ring:
            while True:
                try:
                    events, run = await run_in_threadpool(self._news, run_id, after_seq)
                except NotFound:
                    return  # deleted meanwhile; who comes back is told so
                except StoreUnavailable:
                    events, run = [], None  # nothing is lost: it is in the database when that is back
                for event in events:
                    after_seq = event.seq
                    yield f"id: {event.seq}\nevent: {event.kind.value}\ndata: {event.model_dump_json()}\n\n"
                if run is not None and run.state.is_final:
                    yield f"event: end\ndata: {run.model_dump_json()}\n\n"
                    return
                if run is not None and undriven.is_to_be_told(run):
                    yield f"event: undriven\ndata: {run.model_dump_json()}\n\n"
                if time.monotonic() > deadline:
                    return
                if not events:
                    yield ": waiting\n\n"
                if len(events) < EVENTS_AT_ONCE:
                    await wait_for_ring(ring, timeout_s=EVENT_POLL_S)

    def _news(self, run_id: str, after_seq: int) -> tuple[list[RunEvent], Run | None]:
        """Events that a reader has not seen, and the run if there are none, or if it has ended and these are the last."""
        events = events_after(self._database, run_id=run_id, after_seq=after_seq, limit=EVENTS_AT_ONCE)
        if events:
            return events, get_run(self._database, run_id=run_id) if events[-1].kind is EventKind.FINISHED else None
        # A client that comes back after the last event still learns of the end. Only then: what happened since the look comes first.
        run = get_run(self._database, run_id=run_id)
        if not run.state.is_final:
            return [], run
        events = events_after(self._database, run_id=run_id, after_seq=after_seq, limit=EVENTS_AT_ONCE)
        return events, run if not events or events[-1].kind is EventKind.FINISHED else None


def _submit_router(database: Database, api: RunsApi) -> APIRouter:
    """Before and at the start of a run."""
    router = APIRouter(tags=["submit"])

    @router.post(
        "/",
        status_code=202,
        summary="Submit a run",
        responses={200: {"model": Run, "description": "The run has ended within the wait."}, **error_responses(400, 404, 409)},
    )
    async def submit(
        request: Request, response: Response, body: RunRequest, idempotency_key: IdempotencyKey = None, prefer: Prefer = None
    ) -> Run:
        wanted = _WAIT.search(prefer or "")
        wait_s = min(int(wanted.group(1)), WAIT_S_MAX) if wanted else 0
        run, created = await api.submit(body, idempotency_key=idempotency_key, wait_s=wait_s)
        response.status_code = 200 if wait_s and run.state.is_final else 202
        response.headers["Location"] = f"{request.scope.get('root_path', '')}/{run.run_id}"
        if not created:
            response.headers["Idempotency-Replayed"] = "true"
        if wanted:
            response.headers["Preference-Applied"] = f"wait={wait_s}"
        if not run.state.is_final:
            response.headers["Retry-After"] = str(RUN_RETRY_AFTER_S)
        return run

    @router.post("/preflight", summary="What a run would miss, without running it", responses=error_responses(400, 404))
    def preflight(body: RunRequest) -> Preflight:
        return preflight_run(database, body)

    return router


def _runs_router(database: Database, api: RunsApi) -> APIRouter:
    """Runs that exist."""
    router = APIRouter(tags=["runs"])

    @router.get("/", summary="List runs, newest first")
    def list_all(
        page: OffsetPage,
        state: Annotated[RunState | None, Query(description="Only runs in this state.")] = None,
        portfolio: Annotated[str | None, Query(description="Only runs of this portfolio id.")] = None,
        market: Annotated[str | None, Query(description="Only runs under this market id.")] = None,
        name: Annotated[str | None, Query(description="Only runs of this name.")] = None,
    ) -> Page[Run]:
        runs, total = list_runs(database, offset=page.offset, limit=page.limit, state=state, portfolio=portfolio, market=market, name=name)
        return page.page(runs, total)

    @router.get(
        "/{run_id}",
        summary="Describe a run",
        response_model=Run,
        responses={304: {"description": "Unchanged since the `ETag` in `If-None-Match`."}, **error_responses(404)},
    )
    def describe(response: Response, run_id: str, if_none_match: Annotated[str | None, Header()] = None) -> Run | Response:
        run = get_run(database, run_id=run_id)
        headers = {"ETag": _etag(run), "Cache-Control": "no-cache"}
        if not run.state.is_final:
            headers["Retry-After"] = str(RUN_RETRY_AFTER_S)
        if headers["ETag"] in [tag.strip().removeprefix("W/") for tag in (if_none_match or "").split(",")]:
            return Response(status_code=304, headers=headers)
        response.headers.update(headers)
        return run

    @router.post("/{run_id}/cancel", status_code=202, summary="Cancel a run", responses=error_responses(404, 409))
    async def cancel(run_id: str) -> Run:
        """Shards under way are finished or given up; what is committed stays. Repeating it changes nothing."""
        return await api.cancel(run_id)

    @router.get(
        "/{run_id}/events",
        summary="Watch a run",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}, **error_responses(404)},
    )
    async def events(
        run_id: str, last_event_id: Annotated[str | None, Header(description="`id` of the last event seen; later ones follow.")] = None
    ) -> StreamingResponse:
        """Server-sent events, from the first one on; `event: end` carries the ended run. The stream closes after a while: come back.

        `event: undriven` carries a run that has begun and that no coordinator or job has driven for some seconds.
        """
        run_no = await run_in_threadpool(run_no_of, database, run_id=run_id)
        after = int(last_event_id) if last_event_id and last_event_id.isdecimal() and len(last_event_id) < 10 else 0
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(api.events(run_id, run_no, after), media_type="text/event-stream", headers=headers)

    @router.delete("/{run_id}", status_code=204, summary="Delete an ended run and its results", responses=error_responses(404, 409))
    def remove(run_id: str) -> None:
        delete_run(database, run_id=run_id)

    return router


def _what_if_router(settings: Settings, database: Database, grid: Grid, api: RunsApi) -> APIRouter:
    """The what-if route."""
    router = APIRouter(tags=["what-if"])
    use_case = WhatIf(settings, database, grid, api)

    @router.post(
        "/{run_id}/what-if",
        summary="What if the market or the positions were different?",
        responses={
            202: {
                "model": WhatIfAnswer,
                "description": "The run under the changed market has not ended; repeat the request with the same body.",
            },
            **error_responses(400, 404, 409),
        },
    )
    async def what_if(request: Request, response: Response, run_id: str, body: WhatIfRequest) -> WhatIfAnswer:
        """Compare a stored run with itself under a changed market (shocks, replaced curves, new quotes), or with positions removed, scaled
        or added.

        A changed market is stored, and its run is a normal run on actors that have already compiled the positions, so differences, P&L
        explain and drill-down work on it; the same request finds the same run. A change of positions values only the added positions.
        """
        answer = await use_case.answer(run_id, body)
        if answer.total is None:
            response.status_code = 202
            response.headers["Retry-After"] = str(RUN_RETRY_AFTER_S)
            response.headers["Location"] = f"{request.scope.get('root_path', '')}/{answer.what_if_run_id}"
        return answer

    return router


def create_app(settings: Settings, database: Database, grid: Grid) -> FastAPI:
    """The runs service."""
    load_pricers(settings)
    bell = RunBell(database)
    api = RunsApi(settings, database, grid, bell)
    return create_service(
        "runs",
        description=DESCRIPTION,
        settings=settings,
        database=database,
        routers=[_submit_router(database, api), _runs_router(database, api), _what_if_router(settings, database, grid, api)],
        on_shutdown=bell.close,
    )


def _create_in_replica(settings: Settings, database: Database) -> FastAPI:
    return create_app(settings, database, Grid(settings))


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    return serve_application("runs", _create_in_replica, requests_at_once=RUNS_REQUESTS_AT_ONCE)
