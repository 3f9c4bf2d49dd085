"""Numbers for nodes: equal (curve set, shape, anchor) of any flows become one."""

from dataclasses import dataclass
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Int32, Int64

from pricers.core.curve_sets import CurveSets
from pricers.flows.numbering import CELLS_MAX
from pricers.kernels.jit import kernel
from pricers.kernels.prefetch import prefetch

_LEGS_AHEAD: Final = 6
_LINE: Final = 64  # bytes


@dataclass(frozen=True)
class NodeNumbers:
    """Nodes by curve set, then by shape, then by anchor."""

    node_offsets: Int64[np.ndarray, " set_plus_one"]
    shape: Int32[np.ndarray, " node"]
    anchor: Int32[np.ndarray, " node"]
    """Days after the valuation date."""
    flow_node: Int32[np.ndarray, " flow"]
    """Legs in the order of storage."""
    settlement_node: Int32[np.ndarray, " leg"]
    """Legs in the order of storage; -1 where a leg has no settlement."""


def number_nodes(
    sets: CurveSets,
    flow_offsets: np.ndarray,
    stored_offsets: np.ndarray,
    leg_shape: np.ndarray,
    flow_shape: np.ndarray | None,
    anchor: np.ndarray,
    *,
    as_of: int,
    settlement: np.ndarray,
    is_in_order: bool,
) -> NodeNumbers:
    """Number the nodes of all flows, and of every leg's discounting on its settlement date.

    Args:
        sets: curve sets of the legs.
        flow_offsets, leg_shape, flow_shape, anchor: as in `Cashflows`, shapes in canonical form.
        stored_offsets: int64[leg + 1], flow offsets of the legs in the order of storage.
        as_of: valuation date, days since 1970-01-01.
        settlement: int64[leg], days after the valuation date; -1 for none.
        is_in_order: every leg's anchors increase.
    """
    by_leg = flow_shape is None
    of_flow = np.empty(0, np.int32) if flow_shape is None else flow_shape
    shape_count = int(max(leg_shape.max(initial=-1), of_flow.max(initial=-1))) + 1
    local = np.full(shape_count, -1, np.int64)
    flow_node, settlement_node = np.empty(anchor.size, np.int32), np.full(leg_shape.size, -1, np.int32)
    table, shapes, anchors, counts = np.empty(0, np.int32), [], [], [0]
    for number in range(sets.count):
        begin, end = sets.starts[number], sets.starts[number + 1]
        legs = sets.leg_order[begin:end]
        low, high, flows = _scan(legs, flow_offsets, leg_shape, of_flow, by_leg, is_in_order, anchor, as_of, settlement, local)
        present = np.flatnonzero(local >= 0)
        local[present] = np.arange(present.size)
        width, total = high - low + 1, counts[-1]
        step = max(CELLS_MAX // max(width, 1), 1)
        for first in range(0, present.size, step):
            part = min(step, present.size - first)
            if table.size < part * width:
                table = np.full(part * width, -1, np.int32)
            room = min(part * width, flows)
            node_cell = np.empty(room, np.int64)
            count = _number(
                legs, flow_offsets, leg_shape, of_flow, by_leg, anchor, as_of, settlement, local, first, part, low, width,
                table[: part * width], total, node_cell, stored_offsets[begin:end], flow_node, settlement_node[begin:end],
            )  # fmt: skip
            shapes.append(present[first + node_cell[:count] // width].astype(np.int32))
            anchors.append((node_cell[:count] % width + low).astype(np.int32))
            total += count
        counts.append(total)
        local[present] = -1
    return NodeNumbers(
        np.array(counts, np.int64),
        np.concatenate([np.empty(0, np.int32), *shapes]),
        np.concatenate([np.empty(0, np.int32), *anchors]),
        flow_node,
        settlement_node,
    )


@kernel
@no_type_check
def prefetch_leg(legs, i, flow_offsets, values):
    """Ask for the first flows of a leg that comes a few places after `legs[i]`, because legs lie anywhere."""
    if i + _LEGS_AHEAD < legs.size:
        flow = flow_offsets[legs[i + _LEGS_AHEAD]]
        for line in range(3):
            prefetch(values, min(flow + line * (_LINE // values.itemsize), values.size - 1))


@kernel
@no_type_check
def _scan(legs, flow_offsets, leg_shape, flow_shape, by_leg, is_in_order, anchor, as_of, settlement, local):
    """First and last anchor of a curve set's flows, and how many there are with settlements; marks the shapes that occur by 0."""
    low, high, flows = np.int64(1 << 40), np.int64(-1 << 40), 0
    for i in range(legs.size):
        leg = legs[i]
        first, end = flow_offsets[leg], flow_offsets[leg + 1]
        step = max(end - 1 - first, 1) if is_in_order else 1  # the first and the last, or all
        for flow in range(first, end, step):
            day = np.int64(anchor[flow])
            low, high = min(low, day - as_of), max(high, day - as_of)
        if not by_leg:
            for flow in range(first, end):
                local[flow_shape[flow]] = 0
        elif end > first:
            local[leg_shape[leg]] = 0
        flows += end - first
        if settlement[leg] >= 0:
            low, high = min(low, settlement[leg]), max(high, settlement[leg])
            local[leg_shape[leg]] = 0
            flows += 1
    return low, high, flows


@kernel
@no_type_check
def _number(
    legs, flow_offsets, leg_shape, flow_shape, by_leg, anchor, as_of, settlement, local, first, part, low, width, table, start,
    node_cell, stored, flow_node, settlement_node,
):  # fmt: skip
    """Number the nodes of the shapes first:first + part from `start` on; returns how many there are. `table` holds -1, and does again.
    The flows of `legs[i]` are stored from `stored[i]` on."""
    for i in range(legs.size):
        leg = legs[i]
        prefetch_leg(legs, i, flow_offsets, anchor)
        place = local[leg_shape[leg]] - first if leg_shape[leg] >= 0 else np.int64(-1)
        is_here = 0 <= place < part
        if settlement[leg] >= 0 and is_here:
            table[place * width + settlement[leg] - low] = 0
        if by_leg:
            if is_here:
                shift = place * width - as_of - low
                for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
                    table[anchor[flow] + shift] = 0
            continue
        for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
            place = local[flow_shape[flow]] - first
            if 0 <= place < part:
                table[place * width + anchor[flow] - as_of - low] = 0
    count = 0
    for cell in range(part * width):
        if table[cell] == 0:
            table[cell] = start + count
            node_cell[count] = cell
            count += 1
    for i in range(legs.size):
        leg = legs[i]
        prefetch_leg(legs, i, flow_offsets, anchor)
        place = local[leg_shape[leg]] - first if leg_shape[leg] >= 0 else np.int64(-1)
        is_here = 0 <= place < part
        if settlement[leg] >= 0 and is_here:
            settlement_node[i] = table[place * width + settlement[leg] - low]
        at = stored[i] - flow_offsets[leg]
        if by_leg:
            if is_here:
                shift = place * width - as_of - low
                for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
                    flow_node[at + flow] = table[anchor[flow] + shift]
            continue
        for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
            place = local[flow_shape[flow]] - first
            if 0 <= place < part:
                flow_node[at + flow] = table[place * width + anchor[flow] - as_of - low]
    for k in range(count):
        table[node_cell[k]] = -1
    return count
