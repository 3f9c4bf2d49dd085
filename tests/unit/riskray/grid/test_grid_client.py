"""The services' requests to pricers, with simulated pricers."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.exceptions import ActorUnavailableError

from riskray.config import Settings
from riskray.errors import Overloaded
from riskray.grid.client import DEATHS_MAX, Grid
from riskray.grid.pool import PricerPool


class _Pool:
    """Pricers that die of every request but those in `strong`."""

    def __init__(self, strong: set[int]) -> None:
        self.strong, self.asked = strong, list[int]()

    def find(self, number: int) -> Any:
        """The pricer."""

        async def price() -> int:
            self.asked.append(number)
            if number not in self.strong:
                raise ActorUnavailableError("gone", b"\0" * 16)
            return number

        return SimpleNamespace(price=SimpleNamespace(remote=price))

    def forget(self, number: int) -> None:
        """Nothing is kept."""


def _grid(strong: set[int]) -> tuple[Grid, _Pool]:
    grid, pool = Grid(Settings(pricer_actors=10)), _Pool(strong)
    grid._pool = cast(PricerPool, pool)
    return grid, pool


def test_request_that_ends_every_pricer_is_not_tried_on_all_of_them() -> None:
    grid, pool = _grid(strong=set())
    with pytest.raises(Overloaded, match="a position of this request"):
        asyncio.run(grid._ask("price"))
    assert pool.asked == list(range(DEATHS_MAX))


def test_request_to_a_pricer_that_is_gone_is_answered_by_the_next() -> None:
    grid, pool = _grid(strong={2})
    assert asyncio.run(grid._ask("price")) == 2
    assert pool.asked == [0, 1, 2]
