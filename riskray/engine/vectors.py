"""Scenario P&L of a run's groups: positions to ladders, ladders of any shards to one, that to vectors. No I/O.

Groups come in two families, (book, product, currency) and (counterparty, product, currency). A position that is priced and still has
no value in some scenario is dealt with by the run's policy: `drop_position` leaves it out of every vector, `drop_scenario` keeps it and
leaves the scenario out. A position that cannot be netted at all (its product is no sum of cash flows, or a flow is beyond 2^52 in base
currency) is left out of every vector under both policies, and reported as failing in every scenario.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int64

from pricers.contract.columns import Text
from pricers.core.compiled import Compiled
from pricers.status import RowStatus
from pricers.value.netting import (
    CellValues,
    LadderGrid,
    Ladders,
    failing_nodes,
    merge_ladders,
    net_flows_of_families,
    renumbered,
    value_ladders,
)
from pricers.value.revaluation import present_values
from riskray.engine.shard import ShardPositions
from riskray.models.run import FailurePolicy

GROUPINGS: tuple[Literal["book", "counterparty"], ...] = ("book", "counterparty")

MERGE_PARTITIONS = ((0, 0, 1), *((1, number, 4) for number in range(4)))
"""(family, number, count): there are few books, and many counterparties."""

Cell = tuple[str, str, str]
"""(book or counterparty, product, currency)."""


@dataclass(frozen=True)
class NettedFamily:
    """Netted flows of one family's groups."""

    cells: tuple[Cell, ...]
    """In sorted order; the ladders count them from 0."""
    ok_counts: Int64[np.ndarray, " cell"]
    dropped_counts: Int64[np.ndarray, " cell"]
    """Positions that failed, alone or in a scenario, and are in no ladder."""
    ladders: Ladders


@dataclass(frozen=True)
class ScenarioFailures:
    """Positions that are priced and have no value in some scenario."""

    position_no: Int64[np.ndarray, " failure"]
    first_scenario_no: Int64[np.ndarray, " failure"]
    scenario_count: Int64[np.ndarray, " failure"]
    """In how many scenarios the position has no value."""
    dropped_scenarios: Int64[np.ndarray, "3 dropped"]
    """Under drop_scenario: scenario number, positions without value in it, and the first of them. Empty under drop_position."""


@dataclass(frozen=True)
class NettedPositions:
    """What any set of a run's positions comes to. Merging is exact: order and grouping change no bit."""

    families: tuple[NettedFamily, ...]
    """In the order of GROUPINGS."""
    failures: ScenarioFailures


@dataclass(frozen=True)
class FailingRows:
    """Rows with a flow where some scenario moves factors beyond what a float holds."""

    rows: Int64[np.ndarray, " failing"]
    scenarios: Bool[np.ndarray, "failing scenario"]


def net_positions(
    positions: ShardPositions, *, failed: Int64[np.ndarray, " failed"], grid: LadderGrid, policy: FailurePolicy
) -> NettedPositions:
    """Net positions of one product onto the ladders of both families.

    Args:
        positions: with counterparties.
        failed: numbers of the positions that have no value today.
        grid: the market and the scenarios.
        policy: see the module's docstring.
    """
    assert positions.counterparties is not None
    is_ok = np.ones(positions.row_count, np.bool_)
    is_ok[failed - positions.first_position_no] = False
    numbered = [_cells(names, positions) for names in (positions.books, positions.counterparties)]
    none = FailingRows(np.empty(0, np.int64), np.empty((0, grid.scenarios.count), np.bool_))
    if positions.compiled is None:
        ladders: tuple[Ladders, ...] = (Ladders({}),) * len(GROUPINGS)
        is_in, failing = np.zeros(positions.row_count, np.bool_), none
    else:
        rows = [np.where(is_ok, cell_of_row, -1).astype(np.int32) for _, cell_of_row in numbered]
        ladders, status = net_flows_of_families(positions.compiled, grid=grid, cells_of_rows=rows, skip_failing=policy == "drop_position")
        is_in, failing = is_ok & (status == RowStatus.OK), failing_rows(positions.compiled, grid=grid, is_ok=is_ok)
    families = tuple(
        NettedFamily(
            cells,
            np.bincount(cell_of_row[is_in], minlength=len(cells)),
            np.bincount(cell_of_row[~is_in], minlength=len(cells)),
            family_ladders,
        )
        for (cells, cell_of_row), family_ladders in zip(numbered, ladders, strict=True)
    )
    return NettedPositions(families, _failures(positions, is_ok & ~is_in, failing, grid.scenarios.count, policy))


def merge_netted(parts: Sequence[NettedPositions]) -> NettedPositions:
    """The sum of the parts, which hold different positions under the same market and scenarios."""
    families = [merge_families([part.families[number] for part in parts]) for number in range(len(GROUPINGS))]
    return NettedPositions(tuple(families), merge_failures([part.failures for part in parts]))


def merge_families(parts: Sequence[NettedFamily]) -> NettedFamily:
    """The sum of parts of one family."""
    cells = tuple(sorted({cell for part in parts for cell in part.cells}))
    number = {cell: index for index, cell in enumerate(cells)}
    ok_counts, dropped_counts = np.zeros(len(cells), np.int64), np.zeros(len(cells), np.int64)
    ladders = []
    for part in parts:
        numbers = np.array([number[cell] for cell in part.cells], np.int32)
        ok_counts[numbers] += part.ok_counts
        dropped_counts[numbers] += part.dropped_counts
        ladders.append(renumbered(part.ladders, numbers=numbers))
    return NettedFamily(cells, ok_counts, dropped_counts, merge_ladders(ladders))


def split_families(netted: NettedPositions) -> tuple[NettedFamily, ...]:
    """The families in pieces that are merged, valued and written independently: one for each entry of MERGE_PARTITIONS.

    The name of a group alone says where it goes, so that the pieces are the same for any number of actors.
    """
    return tuple(_piece(netted.families[family], number, count) for family, number, count in MERGE_PARTITIONS)


def _piece(family: NettedFamily, number: int, count: int) -> NettedFamily:
    if count == 1:
        return family
    chosen = np.array([zlib.crc32(name.encode()) % count == number for name, _, _ in family.cells], np.bool_)
    numbers = np.where(chosen, np.cumsum(chosen) - 1, -1).astype(np.int32)
    ladders = renumbered(family.ladders, numbers=numbers)
    cells = tuple(cell for cell, is_chosen in zip(family.cells, chosen.tolist(), strict=True) if is_chosen)
    return NettedFamily(cells, family.ok_counts[chosen], family.dropped_counts[chosen], ladders)


def merge_failures(parts: Sequence[ScenarioFailures]) -> ScenarioFailures:
    """The failures of all parts, positions and scenarios in order."""
    position_no = np.concatenate([part.position_no for part in parts])
    order = np.argsort(position_no)
    dropped = np.concatenate([part.dropped_scenarios for part in parts], axis=1)
    scenarios, index = np.unique(dropped[0], return_inverse=True)
    counts, first = np.zeros(scenarios.size, np.int64), np.full(scenarios.size, np.iinfo(np.int64).max)
    np.add.at(counts, index, dropped[1])
    np.minimum.at(first, index, dropped[2])
    return ScenarioFailures(
        position_no[order],
        np.concatenate([part.first_scenario_no for part in parts])[order],
        np.concatenate([part.scenario_count for part in parts])[order],
        np.stack([scenarios, counts, first]),
    )


def value_family(family: NettedFamily, *, grid: LadderGrid) -> CellValues:
    """Value today and P&L under every scenario of a family's groups, base currency."""
    return value_ladders(family.ladders, grid=grid, cell_count=len(family.cells))


def position_pnl(
    positions: ShardPositions,
    *,
    priced: Int64[np.ndarray, " priced"],
    pv_base: Float[np.ndarray, " priced"],
    grid: LadderGrid,
    policy: FailurePolicy,
) -> Float[np.ndarray, "row scenario"]:
    """P&L of every position under every scenario, base currency; NaN where it has none.

    Args:
        positions: of one product.
        priced: numbers of the positions that have a value today, `pv_base` that value.
        grid: the market and the scenarios.
        policy: under drop_position, a position without value in some scenario is NaN in all.
    """
    base = np.full(positions.row_count, np.nan)
    base[priced - positions.first_position_no] = pv_base
    if positions.compiled is None:
        return np.full((positions.row_count, grid.scenarios.count), np.nan)
    with np.errstate(over="ignore", invalid="ignore"):  # of scenarios that fail
        pnl = present_values(positions.compiled, market=grid.market, scenarios=grid.scenarios)
        pnl -= base[:, None]
    failing = failing_rows(positions.compiled, grid=grid, is_ok=~np.isnan(base))
    if policy == "drop_position":
        pnl[failing.rows] = np.nan
    else:
        pnl[failing.rows] = np.where(failing.scenarios, np.nan, pnl[failing.rows])
    return pnl


def failing_rows(compiled: Compiled, *, grid: LadderGrid, is_ok: Bool[np.ndarray, " row"]) -> FailingRows:
    """The rows of `is_ok` that some scenario leaves without value, and those scenarios."""
    kind_of_node, is_failing = failing_nodes(compiled, grid=grid)
    if not is_failing.size:
        return FailingRows(np.empty(0, np.int64), np.empty((0, grid.scenarios.count), np.bool_))
    kind_of_flow = kind_of_node[compiled.flow_node]
    flows = np.flatnonzero(kind_of_flow >= 0)
    row_of_flow = np.repeat(compiled.stored_rows, np.diff(compiled.flow_offsets))
    pairs = np.unique(np.stack([row_of_flow[flows], kind_of_flow[flows]]), axis=1)
    pairs = pairs[:, is_ok[pairs[0]]]
    rows, starts = np.unique(pairs[0], return_index=True)
    scenarios = np.logical_or.reduceat(is_failing[pairs[1]], starts, axis=0) if rows.size else is_failing[:0]
    return FailingRows(rows, scenarios)


def _cells(names: Text, positions: ShardPositions) -> tuple[tuple[Cell, ...], Int64[np.ndarray, " row"]]:
    """The groups that occur, sorted, and each row's."""
    currencies = positions.currencies
    width = max(len(currencies.names), 1)
    all_codes = names.codes.astype(np.int64) * width + currencies.codes
    counts = np.bincount(all_codes)  # sorting the rows to find the few groups would take longer than netting them
    codes = np.flatnonzero(counts)
    found = [(names.names[code // width], positions.product, currencies.names[code % width]) for code in codes.tolist()]
    order = sorted(range(len(found)), key=found.__getitem__)
    rank = np.empty_like(counts)
    rank[codes[order]] = np.arange(len(found))
    return tuple(found[index] for index in order), rank[all_codes]


def _failures(
    positions: ShardPositions, is_left_out: np.ndarray, failing: FailingRows, scenario_count: int, policy: FailurePolicy
) -> ScenarioFailures:
    everywhere = np.setdiff1d(np.flatnonzero(is_left_out), failing.rows)  # those that cannot be netted at all
    rows = np.concatenate([failing.rows, everywhere])
    first = np.concatenate([failing.scenarios.argmax(axis=1), np.zeros(everywhere.size, np.int64)])
    counts = np.concatenate([failing.scenarios.sum(axis=1), np.full(everywhere.size, scenario_count)])
    order = np.argsort(rows)
    dropped = np.empty((3, 0), np.int64)
    if policy == "drop_scenario" and failing.rows.size:
        scenarios = np.flatnonzero(failing.scenarios.any(axis=0))
        first_row = failing.rows[failing.scenarios[:, scenarios].argmax(axis=0)]
        dropped = np.stack([scenarios, failing.scenarios[:, scenarios].sum(axis=0), first_row + positions.first_position_no])
    return ScenarioFailures(rows[order] + positions.first_position_no, first[order], counts[order], dropped)
