"""Nets of any shards, held by any number of actors, add up to the same bits."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from pricers import Scenarios, compile_contracts, contracts_of, pricer
from pricers.contract.columns import Text
from pricers.value.netting import LadderGrid
from riskray.engine.shard import ShardPositions
from riskray.engine.vectors import NettedPositions, merge_netted, net_positions, split_families, value_family
from riskray.grid.vector_phase import assign_shards
from tests.unit.pricers.examples import AS_OF, BOND, EUR, MARKET

ROWS, SCENARIOS = 60, 20
FAILED = np.array([4, 33])


@cache
def grid() -> LadderGrid:
    shifts = np.random.default_rng(1).normal(0.0, 0.01, (EUR.zero_rates.size, SCENARIOS))
    return LadderGrid(market=MARKET, scenarios=Scenarios(count=SCENARIOS, shifts={"EUR": shifts}))


def positions(first: int, count: int) -> ShardPositions:
    rng = np.random.default_rng(2)
    notionals = rng.normal(0.0, 1e6, ROWS).round(2)
    rows: list[dict[str, Any]] = [{**BOND, "notional": float(notional)} for notional in notionals[first : first + count]]
    contracts = contracts_of(pricer("FIXED_BOND").columns, rows)
    names = [str(number) for number in range(first, first + count)]
    return ShardPositions(
        "FIXED_BOND", first, contracts, Text.of([f"BOOK-{int(name) % 3}" for name in names]), Text.of(["EUR"] * count),
        compiled=compile_contracts("FIXED_BOND", contracts, as_of=AS_OF),
        counterparties=Text.of([f"CP-{int(name) * 7 % 11}" for name in names]),
    )  # fmt: skip


def netted(first: int, count: int) -> NettedPositions:
    failed = FAILED[(first <= FAILED) & (first + count > FAILED)]
    return net_positions(positions(first, count), failed=failed, grid=grid(), policy="drop_position")


def bits(whole: NettedPositions) -> list[Any]:
    pieces = split_families(whole)
    values = [value_family(piece, grid=grid()) for piece in pieces]
    counts = [(piece.cells, piece.ok_counts.tolist(), piece.dropped_counts.tolist()) for piece in pieces]
    return [*counts, *((value.pv_base.tobytes(), value.pnl.tobytes()) for value in values)]


@pytest.mark.parametrize("actors", [1, 2, 5])
@pytest.mark.parametrize("rows_per_shard", [1, 7, 60])
def test_actors_and_shard_size_change_no_bit_of_a_vector(actors: int, rows_per_shard: int) -> None:
    shards = [netted(first, min(rows_per_shard, ROWS - first)) for first in range(0, ROWS, rows_per_shard)]
    held = np.random.default_rng(actors).integers(0, actors, len(shards))
    parts = [[shards[index] for index in np.flatnonzero(held == actor)] for actor in range(actors)]
    whole = merge_netted([merge_netted(part) for part in parts if part])
    assert bits(whole) == bits(netted(0, ROWS))


def test_pieces_hold_every_position_once() -> None:
    pieces = split_families(netted(0, ROWS))
    books, counterparties = pieces[:1], pieces[1:]
    for family, names in ((books, 3), (counterparties, 11)):
        assert len({cell for piece in family for cell in piece.cells}) == names
        assert sum(int(piece.ok_counts.sum()) for piece in family) == ROWS - FAILED.size
        assert sum(int(piece.dropped_counts.sum()) for piece in family) == FAILED.size


@pytest.mark.parametrize(
    ("held", "assigned"),
    [
        ({0: {0, 2}, 1: {1, 3}}, {0: [0, 2], 1: [1, 3]}),
        ({0: set(), 1: {1, 3}}, {0: [0], 1: [1, 3, 2]}),  # an actor came back without its memory
        ({0: {0, 1}, 1: {1, 2, 3}}, {0: [0, 1, 2], 1: [3]}),  # a shard was worked on twice: sums cannot be taken apart
        ({0: {0, 9}, 1: {1}}, {0: [0, 3], 1: [1, 2]}),  # a shard that was split after it was netted
    ],
)
def test_every_shard_is_assigned_once_and_to_who_holds_it(held: dict[int, set[int]], assigned: dict[int, list[int]]) -> None:
    assert assign_shards(range(4), {actor: frozenset(shards) for actor, shards in held.items()}) == assigned
