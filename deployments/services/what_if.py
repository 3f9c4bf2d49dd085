"""Routes of what-if, a part of the runs service: a stored run beside itself under another market or with other positions."""

from fastapi import APIRouter, Request, Response

from deployments.http.errors import error_responses
from deployments.http.limits import RUN_RETRY_AFTER_S
from riskray.config import Settings
from riskray.grid.client import Grid
from riskray.models.what_if import WhatIfAnswer, WhatIfRequest
from riskray.runs.what_if import EndsRuns, WhatIf
from riskray.store.database import Database


def create_what_if_router(settings: Settings, database: Database, grid: Grid, runs: EndsRuns) -> APIRouter:
    """What a run would be."""
    router = APIRouter(tags=["what-if"])
    use_case = WhatIf(settings, database, grid, runs)

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
        answer = await use_case.answer(run_id, body)
        if answer.total is None:
            response.status_code = 202
            response.headers["Retry-After"] = str(RUN_RETRY_AFTER_S)
            response.headers["Location"] = f"{request.scope.get('root_path', '')}/{answer.what_if_run_id}"
        return answer

    return router
