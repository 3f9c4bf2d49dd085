"""The grid as services see it: announce runs, price and explain on warm actors, ask how it is."""

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
"""Pricing on request waits behind the shards its actor has already; longer than this, the caller had better try again."""

DEATHS_MAX = 3
"""A request that so many pricers did not survive, one after the other, may be what ends them: the others are spared."""

_log = structlog.get_logger()


class Grid:
    """One a process. Needs a process that has joined Ray (see `start.connect`); every call finds actors anew after a death."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool = PricerPool(settings)
        self._turn = itertools.count()
        self._coordinator: Any = None

    def wake(self) -> None:
        """Tell the coordinator that a run was submitted or cancelled. Never raises: it would find out by itself within seconds."""
        coordinator = self._find_coordinator()
        if coordinator is None:
            _log.warning("there is no coordinator to tell of a run; it will find the run when it starts")
            return
        coordinator.wake.remote().future().add_done_callback(self._check_wake)

    async def price(
        self, tables: Mapping[str, pa.Table], *, market: str, base_currency: str, measures: frozenset[Measure]
    ) -> PricedPositions:
        """Price checked positions, one table a product, under a stored market (id or name).

        Raises NotFound, InvalidRequest, StoreUnavailable as the actor does, and Overloaded when no actor answers in time.
        """
        priced = await self._ask("price", ArrowTables(tables), market, base_currency, measures)
        assert isinstance(priced, PricedPositions)
        return priced

    async def explain(self, *, run_id: str, position_id: str) -> Explanation:
        """The value of one position of a run, flow by flow. Raises NotFound, Conflict, and Overloaded."""
        explanation = await self._ask("explain", run_id, position_id)
        assert isinstance(explanation, Explanation)
        return explanation

    async def explain_pnl(self, parts: Sequence[PnlPart]) -> list[ArrowTables]:
        """The answer to each part, in their order; as many at once as there are pricers. Raises Overloaded."""
        slots = asyncio.Semaphore(self._settings.pricer_actors)

        async def ask(part: PnlPart) -> ArrowTables:
            async with slots:
                tables = await self._ask("explain_pnl", part)
                assert isinstance(tables, ArrowTables)
                return tables

        return await asyncio.gather(*map(ask, parts))

    async def status(self) -> GridStatus:
        """Coordinator and pricers; answers within seconds whatever their state."""
        coordinator, pricers = await asyncio.gather(self._coordinator_status(), asyncio.to_thread(self._pool.status))
        return GridStatus(coordinator, pricers)

    async def _ask(self, method: str, *arguments: Any) -> Any:
        """Ask one actor after the other, beginning with whose turn it is, until one answers. All methods asked this way only read."""
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
                        f"{deaths} pricers in turn ended or were starting; try again later; if it comes to the same, it is a position of "
                        "this request that ends them: a run finds out which"
                    ) from None
            except TimeoutError:
                raise Overloaded(f"no answer from the pricers within {ANSWER_TIMEOUT_S:g} s; try again later") from None
        raise Overloaded(f"none of {count} pricers is there; they are starting, or the grid is down (`riskray up`)")

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
            self._coordinator = None  # looked up again next time; meanwhile its successor polls

    def _find_coordinator(self) -> Any | None:
        if self._coordinator is None:
            self._coordinator = find_coordinator(self._settings)
        return self._coordinator
