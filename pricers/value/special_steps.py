"""P&L explanation of nodes with special factors: what each pillar, moved after those before it, does to exponential and factor together."""

from typing import no_type_check

import numpy as np
from jaxtyping import Float, Int64

from pricers.core.special_values import SpecialChanges, SpecialValues
from pricers.core.specials import CompiledSpecials
from pricers.flows.cashflows import Cashflows
from pricers.flows.special_factors import DEFAULT_KINDS
from pricers.kernels.jit import kernel
from pricers.market.market import CurveKind, Market

_AGED, _CREDIT, _LATER = range(3)  # columns of the table of nodes


def certain_amounts(flows: Cashflows) -> Float[np.ndarray, " flow"]:
    """Amounts that are paid on their day; 0 for what is paid on default alone."""
    amount: np.ndarray = flows.amount
    if flows.specials is None or flows.flow_special is None:
        return amount
    on_default = np.append(np.isin(flows.specials.kind, DEFAULT_KINDS), False)
    return np.where(on_default[flows.flow_special], 0.0, amount)


def with_special_steps(
    compiled: CompiledSpecials,
    table: Float[np.ndarray, "node column"],
    bucket_offsets: Int64[np.ndarray, " node_plus_one"],
    pillar: Int64[np.ndarray, " bucket"],
    step: Float[np.ndarray, " bucket"],
    *,
    aged: Market,
    earlier: Market,
    later: Market,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Multiply nodes by their special factors.

    Args:
        compiled: special factors of the later date.
        table: of the nodes' exponentials, multiplied in place: aged, the change for credit after all rates, later.
        bucket_offsets, pillar, step: what each pillar of a node's rate curves does to its exponential after those before it.
        aged: the earlier curves at the later date.
        earlier: those curves read at the pillars of the later ones, where they differ from `aged` by interpolation alone.
        later: the later market.
    Returns:
        `bucket_offsets`, `pillar` and `step` of the products.
    """
    specials = compiled.specials
    values = SpecialValues(specials, market=earlier)
    before = SpecialValues(specials, market=aged).today
    offsets = later.tables.offsets
    # In state k all pillars of rate curves up to the k-th of the special's own rate curve have moved; in the last state all pillars have.
    places = np.append(np.diff(offsets), 0)[values.position[specials.rate_curve]]
    most = int(places.max(initial=0))
    paths = np.full((specials.count, most + 2), np.nan)
    moved = np.append(later.tables.zero_rates - earlier.tables.zero_rates, 0.0)
    is_rate = np.array([curve.kind in (CurveKind.RATE, CurveKind.INFLATION) for curve in later.curves], np.bool_)
    of_rate = np.append(np.repeat(is_rate, np.diff(offsets)), False)
    for curve in np.unique(specials.rate_curve).tolist():
        place = int(values.position[curve])
        if place < 0:
            continue
        chosen = np.flatnonzero(specials.rate_curve == curve).astype(np.int32)
        count = int(offsets[place + 1] - offsets[place])
        last = offsets[place] + np.arange(-1, count)
        shifts = np.where((np.arange(moved.size)[:, None] <= last) & of_rate[:, None], moved[:, None], 0.0)
        shifts = np.concatenate([shifts, moved[:, None]], axis=1)
        moves = SpecialChanges(values, chosen).under(shifts)
        paths[np.ix_(chosen, np.arange(count + 2))] = values.today[chosen][:, None] + moves
    first_pillar = np.append(offsets[:-1], 0)[values.position[specials.rate_curve]]
    special_of_node = np.full(table.shape[0], -1, np.int64)
    special_of_node[compiled.node] = compiled.special
    room = int(bucket_offsets[-1] + places[compiled.special].sum())
    offsets_out, pillar_out, step_out = np.zeros_like(bucket_offsets), np.empty(room, np.int64), np.empty(room)
    _fill_special_steps(
        special_of_node, before, paths, first_pillar, places, SpecialValues(specials, market=later).today, bucket_offsets, pillar, step,
        table, offsets_out, pillar_out, step_out,
    )  # fmt: skip
    return offsets_out, pillar_out, step_out


@kernel
@no_type_check
def _fill_special_steps(
    special_of_node, before, paths, first_pillar, places, after, offsets, pillar, step, table, offsets_out, pillar_out, step_out
):
    at = 0
    for node in range(special_of_node.size):
        offsets_out[node] = at
        special = special_of_node[node]
        bucket, end = offsets[node], offsets[node + 1]
        if special < 0:
            while bucket < end:
                pillar_out[at], step_out[at] = pillar[bucket], step[bucket]
                at, bucket = at + 1, bucket + 1
            continue
        node_factor, by, place = table[node, _AGED], paths[special, 0], 0
        while bucket < end or place < places[special]:
            own = first_pillar[special] + place
            number = min(pillar[bucket] if bucket < end else own, own if place < places[special] else pillar[bucket])
            worth = node_factor * by
            if bucket < end and pillar[bucket] == number:
                node_factor += step[bucket]
                bucket += 1
            if place < places[special] and own == number:
                place += 1
                by = paths[special, place]
            pillar_out[at], step_out[at] = number, node_factor * by - worth
            at += 1
        table[node, _CREDIT] = (node_factor + table[node, _CREDIT]) * paths[special, places[special] + 1] - node_factor * by
        table[node, _AGED] *= before[special]
        table[node, _LATER] *= after[special]
    offsets_out[special_of_node.size] = at
