"""Netted flows by cell and what scenarios make of them: ladders of nodes of one day, and sparse lists of all other nodes."""

import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from pricers.value.composite_changes import Entries, composite_gains
from pricers.value.exact_limbs import amounts, carry
from pricers.value.scenario_grid import LadderGrid, ScenarioLadderKey, key_order
from pricers.value.special_sums import SpecialSums, add_specials, merged_specials

_HEADER: Final = struct.Struct("<I")


@dataclass(frozen=True)
class Ladder:
    """Netted flows of one key whose nodes lie on one day each: exact sums by cell and interpolation point."""

    cells: Int32[np.ndarray, " member"]
    """Numbers of the cells that have flows here, increasing."""
    sums: Int64[np.ndarray, "member 2 point"]
    """Coarse and fine limb, base currency."""

    @property
    def nbytes(self) -> int:
        return self.sums.nbytes + self.cells.nbytes

    def selected(self, is_chosen: Bool[np.ndarray, " member"], cells: Int32[np.ndarray, " chosen"]) -> "Ladder":
        """Some members, their cells numbered anew, in any order."""
        order = np.argsort(cells, kind="stable")
        return Ladder(cells[order], self.sums[is_chosen][order])

    def arrays(self) -> list[np.ndarray]:
        return [self.cells.astype("<i4"), self.sums.astype("<i8")]


@dataclass(frozen=True)
class NodeSums:
    """Netted flows of one key whose nodes have points on several days: exact sums by cell and node."""

    cells: Int32[np.ndarray, " entry"]
    """Increasing, and within a cell the anchors are."""
    anchors: Int32[np.ndarray, " entry"]
    """Days after the valuation date."""
    sums: Int64[np.ndarray, "entry 2"]
    """Coarse and fine limb, base currency."""

    @property
    def nbytes(self) -> int:
        return self.sums.nbytes + self.cells.nbytes + self.anchors.nbytes

    def selected(self, is_chosen: Bool[np.ndarray, " entry"], cells: Int32[np.ndarray, " chosen"]) -> "NodeSums":
        """Some entries, their cells numbered anew, in any order."""
        order = np.argsort(cells, kind="stable")
        return NodeSums(cells[order], self.anchors[is_chosen][order], self.sums[is_chosen][order])

    def arrays(self) -> list[np.ndarray]:
        return [self.cells.astype("<i4"), self.anchors.astype("<i4"), self.sums.astype("<i8")]


AnySums = Ladder | NodeSums | SpecialSums


@dataclass(frozen=True)
class Ladders:
    """Netted flows of any set of rows, by key in the order of `key_order`."""

    ladders: dict[ScenarioLadderKey, AnySums]

    @property
    def nbytes(self) -> int:
        return sum(ladder.nbytes for ladder in self.ladders.values())

    def to_bytes(self) -> bytes:
        """Compressed: the keys and sizes as JSON, then the arrays. A list of nodes has no number of points; one with special factors has
        their lengths, and their contents after its arrays."""
        header, parts = [], []
        for key, ladder in self.ladders.items():
            points = ladder.sums.shape[2] if isinstance(ladder, Ladder) else None
            contents = ladder.contents if isinstance(ladder, SpecialSums) else ()
            header.append([*key, ladder.cells.size, [len(content) for content in contents] if key.has_specials else points])
            parts += [*(part.tobytes() for part in ladder.arrays()), *contents]
        text = json.dumps(header).encode()
        return zlib.compress(_HEADER.pack(len(text)) + text + b"".join(parts), 1)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Ladders":
        """The inverse of `to_bytes`."""
        raw = zlib.decompress(data)
        (length,) = _HEADER.unpack_from(raw)
        at = _HEADER.size + length

        def take(kind: str, count: int) -> np.ndarray:
            nonlocal at
            array: np.ndarray = np.frombuffer(raw, kind, count, at)
            at += array.nbytes
            return array.astype(kind[1:])

        ladders: dict[ScenarioLadderKey, AnySums] = {}
        for currency, shape, has_specials, count, points in json.loads(raw[_HEADER.size : at]):
            key, cells = ScenarioLadderKey(currency, shape, has_specials), take("<i4", count)
            if has_specials:
                columns = take("<i4", count), take("<i4", count), take("<i8", 2 * count).reshape(count, 2)
                ladders[key] = SpecialSums(cells, *columns, tuple(take("|u1", length).tobytes() for length in points))
            elif points is None:
                ladders[key] = NodeSums(cells, take("<i4", count), take("<i8", 2 * count).reshape(count, 2))
            else:
                ladders[key] = Ladder(cells, take("<i8", 2 * count * points).reshape(count, 2, points))
        return cls(ladders)


def merge_ladders(parts: Sequence[Ladders]) -> Ladders:
    """The sum of all parts; their order changes no bit. They must come from the same market and scenarios.

    Raises:
        ValueError: two parts have different points for a key.
    """
    merged: dict[ScenarioLadderKey, AnySums] = {}
    for key in sorted({key for part in parts for key in part.ladders}, key=key_order):
        merged[key] = merge_of_key(key, [part.ladders[key] for part in parts if key in part.ladders])
    return Ladders(merged)


def merge_of_key(key: ScenarioLadderKey, found: Sequence[AnySums]) -> AnySums:
    """The sum of ladders of one key."""
    if len(found) == 1:
        return found[0]
    specials = [each for each in found if isinstance(each, SpecialSums)]
    if specials:
        return merged_specials(specials)
    lists = [each for each in found if isinstance(each, NodeSums)]
    if lists:
        return _merged_nodes(lists)
    ladders = [each for each in found if isinstance(each, Ladder)]
    points = {ladder.sums.shape[2] for ladder in ladders}
    if len(points) != 1:
        raise ValueError(f"ladders of {key} have {sorted(points)} points: they come from different markets or scenarios")
    cells = np.unique(np.concatenate([ladder.cells for ladder in ladders]))
    sums = np.zeros((cells.size, 2, points.pop()), np.int64)
    for ladder in ladders:
        sums[np.searchsorted(cells, ladder.cells)] += ladder.sums
    carry(sums)
    return Ladder(cells, sums)


def _merged_nodes(found: Sequence[NodeSums]) -> NodeSums:
    cells = np.concatenate([each.cells for each in found]).astype(np.int64)
    anchors = np.concatenate([each.anchors for each in found]).astype(np.int64)
    low = int(anchors.min(initial=0))
    width = int(anchors.max(initial=0)) - low + 1
    codes, place = np.unique(cells * width + (anchors - low), return_inverse=True)
    sums = np.zeros((codes.size, 2), np.int64)
    np.add.at(sums, place, np.concatenate([each.sums for each in found]))
    carry(sums[:, :, None])
    return NodeSums((codes // width).astype(np.int32), (codes % width + low).astype(np.int32), sums)


def renumbered(ladders: Ladders, *, numbers: Int32[np.ndarray, " cell"]) -> Ladders:
    """The same ladders, with cell c called `numbers[c]`; no two cells may get the same number. A cell called -1 is left out."""
    moved: dict[ScenarioLadderKey, AnySums] = {}
    for key, ladder in ladders.ladders.items():
        cells = numbers[ladder.cells]
        is_chosen = cells >= 0
        if np.array_equal(cells, ladder.cells):
            moved[key] = ladder
        elif is_chosen.any():
            moved[key] = ladder.selected(is_chosen, cells[is_chosen])
    return Ladders(moved)


@dataclass(frozen=True)
class CellValues:
    """Value of each cell today and what each scenario adds, base currency."""

    pv_base: Float[np.ndarray, " cell"]
    pnl: Float[np.ndarray, "cell scenario"]
    """NaN where the cell has flows on a curve that the scenario fails."""


def value_ladders(ladders: Ladders, *, grid: LadderGrid, cell_count: int) -> CellValues:
    """P&L of `cell_count` cells under every scenario of the grid: PV(scenario) - PV.

    The P&L is computed as such, from ratios less 1, and not as the difference of two large numbers.
    """
    values = CellValues(np.zeros(cell_count), np.zeros((cell_count, grid.scenarios.count)))
    keys = sorted(ladders.ladders, key=key_order)
    composite: list[Entries] = []
    special: list[tuple[ScenarioLadderKey, SpecialSums]] = []
    for key in keys:
        ladder = ladders.ladders[key]
        if isinstance(ladder, NodeSums):
            today = amounts(ladder.sums)
            np.add.at(values.pv_base, ladder.cells, today)
            composite.append((key, ladder.cells, ladder.anchors, today))
        elif isinstance(ladder, SpecialSums):
            special.append((key, ladder))
        else:
            _add_ladder(key, ladder, grid, values)
    if composite:
        composite_gains(composite, grid=grid, pnl=values.pnl)
    if special:
        add_specials(special, grid=grid, pv_base=values.pv_base, pnl=values.pnl)
    return values


def _add_ladder(key: ScenarioLadderKey, ladder: Ladder, grid: LadderGrid, values: CellValues) -> None:
    numbers = amounts(ladder.sums)
    today = numbers.sum(axis=1)
    factor = grid.fx_factor(key.currency)
    values.pv_base[ladder.cells] += today
    changes = grid.changes(key)
    fails = np.isnan(changes)
    gain = numbers @ np.where(fails, 0.0, changes)
    if fails.any():
        has_flows = (ladder.sums != 0).any(axis=1)
        gain[has_flows.astype(np.float64) @ fails > 0.0] = np.nan
    values.pnl[ladder.cells] += gain * factor + today[:, None] * (factor - 1.0)
