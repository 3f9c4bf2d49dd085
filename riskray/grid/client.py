"""The services' interface to the grid: it announces runs, prices and explains on warm actors, and reports the grid's status."""

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import structlog
from ray.exceptions import RayActorError, RayTaskError

from pricers.measures import Measure
from riskray.config import Settings
from riskray.errors import Overloaded
from riskray.grid.discovery import find_coordinator
from riskray.grid.messages import ArrowTables, CoordinatorStatus, GridStatus, PricedPositions
from riskray.grid.pool import STATUS_TIMEOUT_S, PricerPool
from riskray.models.result import Explanation
from riskray.runs.pnl import PnlPart

ANSWER_TIMEOUT_S = 60.0
"""How long a request waits behind the shards that its actor already has; after this the caller should retry."""

DEATHS_MAX = 3
"""After this many pricers have died on a request, it may be the cause, and no further pricer gets it."""

_log = structlog.get_logger()


class Grid:
    """The grid's client; one per process, which must have joined Ray (see `start.connect`). After an actor's death, calls look it up."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = PricerPool(settings)
        self._turn = itertools.count()
        self._coordinator: Any = None

    def wake(self) -> None:
        """Tell the coordinator that a run was submitted or cancelled. Never raises, because its next poll finds the change anyway."""
        coordinator = self._find_coordinator()
        if coordinator is None:
            _log.warning("no coordinator runs to be told of a run; it will find the run when it starts")
            return
        coordinator.wake.remote().future().add_done_callback(self._check_wake)

    async def price(
        self, tables: Mapping[str, pa.Table], *, market: str, base_currency: str, measures: frozenset[Measure]
    ) -> PricedPositions:
        """Price checked positions, one table per product, under a stored market (id or name).

        Raises NotFound, InvalidRequest and StoreUnavailable as the actor does, and Overloaded if no actor responds in time.
        """
        priced = await self._ask("price", ArrowTables(tables), market, base_currency, measures)
        assert isinstance(priced, PricedPositions)
        return priced

    async def explain(self, *, run_id: str, position_id: str) -> Explanation:
        """Explain the value of one position of a run, flow by flow. Raises NotFound, Conflict, and Overloaded."""
        explanation = await self._ask("explain", run_id, position_id)
        assert isinstance(explanation, Explanation)
        return explanation

    async def explain_pnl(self, parts: Sequence[PnlPart]) -> list[ArrowTables]:
        """Explain each part, with one part per pricer at a time; results are in the order of the parts. Raises Overloaded."""
        slots = asyncio.Semaphore(self._settings.pricer_actors)

        async def ask(part: PnlPart) -> ArrowTables:
            async with slots:
                tables = await self._ask("explain_pnl", part)
                assert isinstance(tables, ArrowTables)
                return tables

        return await asyncio.gather(*map(ask, parts))

    async def status(self) -> GridStatus:
        """The status of coordinator and pricers; returns within seconds, whatever their state."""
        coordinator, pricers = await asyncio.gather(self._coordinator_status(), asyncio.to_thread(self._pool.status))
        return GridStatus(coordinator, pricers)

    async def _ask(self, method: str, *arguments: Any) -> Any:
        """Call one actor after another, in rotation, until one returns a result. Only methods that read are called this way."""
        count = self._settings.pricer_actors
        first = next(self._turn)
        deaths = 0
        for number in range(first, first + count):
            actor = self._pool.find(number % count)
            if actor is None:
                continue
            try:
                return await asyncio.wait_for(getattr(actor, method).remote(*arguments), ANSWER_TIMEOUT_S)
            except RayTaskError as error:
                if isinstance(error.cause, Exception):
                    raise error.cause from None
                raise
            except RayActorError:
                self._pool.forget(number % count)
                deaths += 1
                if deaths == DEATHS_MAX:
                    raise Overloaded(
                        f"{deaths} pricers in turn ended or were starting; retry later. If the retry fails too, a position of this request "
                        "ends them; submit a run, which identifies the position"
                    ) from None
            except TimeoutError:
                raise Overloaded(f"the pricers did not respond within {ANSWER_TIMEOUT_S:g} s; retry later") from None
        raise Overloaded(f"none of {count} pricers is running; wait if they are starting, or start the grid with `riskray up`")

    async def _coordinator_status(self) -> CoordinatorStatus | None:
        coordinator = self._find_coordinator()
        if coordinator is None:
            return None
        try:
            answer = await asyncio.wait_for(coordinator.status.remote(), STATUS_TIMEOUT_S)
        except (TimeoutError, RayActorError):
            self._coordinator = None
            return None
        assert isinstance(answer, CoordinatorStatus)
        return answer

    def _check_wake(self, future: Any) -> None:
        if future.exception() is not None:
            self._coordinator = None  # the next call looks it up; until then, its successor polls

    def _find_coordinator(self) -> Any | None:
        if self._coordinator is None:
            self._coordinator = find_coordinator(self._settings)
        return self._coordinator
