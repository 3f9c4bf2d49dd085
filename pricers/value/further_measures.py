"""Measures that take a second pass over the flows, for the products that declare them: gamma, inflation 01, jump to default, recovery 01.

All are a number a node: what a unit of amount at the node gains. Curves move in parallel, a state for each move, and a node changes in
every state exactly, its special factor with it. A rate by which a contract is quoted is the contract's less what its flows are worth over
what they would be worth more for a rate higher by 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Bool, Float, UInt8

from pricers.core.binding import Binding, bind_market
from pricers.core.compiled import Compiled
from pricers.core.points import node_factors, point_values
from pricers.core.shapes import OWN_ORDER
from pricers.core.special_values import SpecialChanges, SpecialValues
from pricers.flows.special_factors import SpecialKind
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import expm1
from pricers.market.curves import DAYS_PER_YEAR
from pricers.market.market import CurveKind, Market
from pricers.measures import BASIS_POINT, MEASURES, RECOVERY_SHIFT, Measure
from pricers.status import RowStatus

_OK: Final = int(RowStatus.OK)
_KINDS: Final = tuple(CurveKind)
_OF_NODES: Final = frozenset({Measure.GAMMA, Measure.IE01, Measure.JUMP_TO_DEFAULT, Measure.RECOVERY01})


def further_measures(
    compiled: Compiled,
    *,
    binding: Binding,
    market: Market,
    leg_values: Float[np.ndarray, " leg"],
    status: UInt8[np.ndarray, " row"],
    wanted: frozenset[Measure],
) -> dict[Measure, Float[np.ndarray, " row"]]:
    """The measures of `wanted` that the product declares.

    Args:
        compiled: the batch.
        binding: its market data.
        market: curves and exchange rates.
        leg_values: present values in the currency of each leg.
        status: of the rows; those that are not OK get NaN.
        wanted: any measures.
    """
    wanted &= compiled.measures
    found: dict[Measure, np.ndarray] = {}
    if wanted & _OF_NODES:
        moved = _MovedNodes(compiled, binding, market)
        if Measure.GAMMA in wanted:
            found[Measure.GAMMA] = moved.row_sums(
                moved.changes([(CurveKind.RATE, BASIS_POINT), (CurveKind.RATE, -BASIS_POINT)]).sum(axis=1)
            )
        if Measure.IE01 in wanted:
            found[Measure.IE01] = moved.row_sums(moved.changes([(CurveKind.INFLATION, BASIS_POINT)])[:, 0])
        if Measure.JUMP_TO_DEFAULT in wanted:
            found[Measure.JUMP_TO_DEFAULT] = moved.row_sums(_default_gains(moved))
        if Measure.RECOVERY01 in wanted:
            found[Measure.RECOVERY01] = _recovery(moved)
    for quoted in compiled.quoted_rates:
        if quoted.measure in wanted:
            value = _sums(leg_values * binding.fx[compiled.leg_set], compiled.row_of_leg, compiled.row_count)
            if quoted.apart is not None:
                value -= _values_in_base(quoted.apart, market)
            with np.errstate(divide="ignore", invalid="ignore"):  # a row without such a rate has no annuity
                rate = quoted.rate - value / _values_in_base(quoted.annuity, market)
            found[quoted.measure] = np.where(np.isfinite(rate), rate, np.nan)
    for measure in wanted & compiled.known.keys():
        in_base = MEASURES[measure].currency == "base"
        found[measure] = compiled.known[measure] * (binding.native_fx if in_base else 1.0)
    return {measure: np.where(status == _OK, values, np.nan) for measure, values in found.items()}


def _sums(legs: np.ndarray, row_of_leg: np.ndarray, rows: int) -> Float[np.ndarray, " row"]:
    sums: np.ndarray = np.bincount(row_of_leg, legs, rows)
    return sums


def _values_in_base(compiled: Compiled, market: Market) -> Float[np.ndarray, " row"]:
    """Present values of rows of one leg."""
    moved = _MovedNodes(compiled, bind_market(compiled, market=market), market)
    return moved.row_sums(moved.factor)


@dataclass(frozen=True)
class _MovedNodes:
    """The nodes of a batch in a market and what moves of its curves do to them."""

    compiled: Compiled
    binding: Binding
    market: Market

    @cached_property
    def _points(self) -> tuple[np.ndarray, ...]:
        values = point_values(self.compiled, binding=self.binding, market=self.market)
        return values.pillar, values.gain_left, values.gain_right

    @cached_property
    def exponential(self) -> Float[np.ndarray, " node"]:
        """The nodes without their special factors."""
        return node_factors(self.compiled, point_values(self.compiled, binding=self.binding, market=self.market))

    @cached_property
    def _specials(self) -> tuple[np.ndarray, np.ndarray, SpecialChanges | None]:
        """Nodes with a special factor, the factors, and what moves them."""
        specials = self.compiled.specials
        if specials is None:
            return np.empty(0, np.int32), np.empty(0), None
        changes = SpecialChanges(SpecialValues(specials.specials, market=self.market), specials.special)
        return specials.node, changes.today, changes

    @cached_property
    def factor(self) -> Float[np.ndarray, " node"]:
        """What a unit of amount at the node is worth."""
        nodes, today, _ = self._specials
        factor = self.exponential.copy()
        factor[nodes] *= today
        return factor

    def changes(self, moves: Sequence[tuple[CurveKind, float]]) -> Float[np.ndarray, "node state"]:
        """Changes of `factor` in one state a move: all curves of a kind by a shift of all zero rates."""
        offsets = self.market.tables.offsets
        shifts = np.zeros((int(offsets[-1]) + 1, len(moves)))
        for state, (kind, shift) in enumerate(moves):
            for place, curve in enumerate(self.market.curves):
                if curve.kind is kind:
                    shifts[offsets[place] : offsets[place + 1], state] = shift
        return self.under(shifts)

    def under(self, shifts: Float[np.ndarray, "pillar_plus_one state"]) -> Float[np.ndarray, "node state"]:
        """Changes of `factor` in each state, given by shifts of the zero rates and a last row of zeros."""
        nodes, points = self.compiled.nodes, self.compiled.points
        changed = np.empty((nodes.anchor.size, shifts.shape[1]))
        _change_nodes(nodes.offsets, nodes.point, nodes.sign, points.kind, *self._points, shifts, self.exponential, changed)
        special, today, changes = self._specials
        if changes is not None:
            after = self.exponential[special][:, None] + changed[special]
            changed[special] = changed[special] * today[:, None] + after * changes.under(shifts, 0, shifts.shape[1])
        return changed

    def row_sums(self, of_node: Float[np.ndarray, " node"]) -> Float[np.ndarray, " row"]:
        """Base-currency sums of the flows' weights times a number of their nodes."""
        c, legs = self.compiled, np.empty(self.compiled.leg_set.size)
        _sum_flows(c.sets.leg_order, c.flow_offsets, c.flow_node, c.weight, of_node, legs)
        return _sums(legs * self.binding.fx[c.leg_set], c.row_of_leg, c.row_count)

    def nodes_of(self, *kinds: SpecialKind) -> Bool[np.ndarray, " node"]:
        """Nodes with a special factor of these kinds."""
        found = np.zeros(self.compiled.nodes.anchor.size, np.bool_)
        specials = self.compiled.specials
        if specials is not None:
            found[specials.node] = np.isin(specials.specials.factors.kind[specials.special], kinds)
        return found


@kernel
@no_type_check
def _change_nodes(offsets, point, sign, point_kind, pillar, gain_left, gain_right, shifts, factor, changes):
    for node in range(factor.size):
        for state in range(shifts.shape[1]):
            move = 0.0
            for term in range(offsets[node], offsets[node + 1]):
                p = point[term]
                if point_kind[p] != OWN_ORDER:
                    move += sign[term] * (gain_left[p] * shifts[pillar[p], state] + gain_right[p] * shifts[pillar[p] + 1, state])
            changes[node, state] = factor[node] * expm1(-move) if move != 0.0 else 0.0


@kernel
@no_type_check
def _sum_flows(order, flow_offsets, flow_node, weight, of_node, legs):
    for i in range(order.size):
        total = 0.0
        for flow in range(flow_offsets[i], flow_offsets[i + 1]):
            total += weight[flow] * of_node[flow_node[flow]]
        legs[order[i]] = total


# ------------------------------------------------------------------------------------------------------------------------ default


def _default_gains(moved: _MovedNodes) -> Float[np.ndarray, " node"]:
    """What a default now pays for a unit of amount less what the flow is worth; 0 at nodes that do not end with it."""
    compiled = moved.compiled
    on_default = moved.nodes_of(SpecialKind.PROTECTION, SpecialKind.DEFAULT_ACCRUAL)
    terms = compiled.nodes
    is_hazard = compiled.points.kind[terms.point] == _KINDS.index(CurveKind.HAZARD)
    survives = np.zeros(terms.anchor.size, np.bool_)
    survives[np.repeat(np.arange(terms.anchor.size), np.diff(terms.offsets))[is_hazard]] = True
    gains: np.ndarray = np.where(on_default | survives, -moved.factor, 0.0)
    specials = compiled.specials
    if specials is not None:
        gains[specials.node] += _paid_now(specials.specials.factors)[specials.special]
    return gains


def _paid_now(factors) -> Float[np.ndarray, " special"]:  # type: ignore[no-untyped-def]
    """Of protection that has begun 1, of premium on default the years accrued today; 0 of any other factor."""
    paid = np.zeros(factors.count)
    special = np.repeat(np.arange(factors.count), np.diff(factors.offsets))
    covers = (factors.start_day <= 0) & (factors.end_day > 0)
    accrued = factors.addend - factors.start_day / DAYS_PER_YEAR
    kind = factors.kind[special]
    now = np.where(kind == SpecialKind.PROTECTION, 1.0, np.where(kind == SpecialKind.DEFAULT_ACCRUAL, accrued, 0.0))
    np.add.at(paid, special[covers], (factors.weight * now)[covers])
    return paid


def _recovery(moved: _MovedNodes) -> Float[np.ndarray, " row"]:
    """For each loss given default, the hazard rates that keep its spreads, and protection that pays less."""
    loss = moved.compiled.loss_given_default
    found = np.full(moved.compiled.row_count, np.nan)
    if loss is None:
        return found
    is_protection = moved.nodes_of(SpecialKind.PROTECTION)
    tables, curves = moved.market.tables, moved.market.curves
    is_hazard = np.repeat(np.array([curve.kind is CurveKind.HAZARD for curve in curves], np.bool_), np.diff(tables.offsets))
    for share in np.unique(loss[loss > RECOVERY_SHIFT]).tolist():
        scaled = np.where(is_hazard, tables.zero_rates * (share / (share - RECOVERY_SHIFT) - 1.0), 0.0)
        changed = moved.under(np.append(scaled, 0.0)[:, None])[:, 0]
        less = np.where(is_protection, (moved.factor + changed) * (-RECOVERY_SHIFT / share), 0.0)
        found = np.where(loss == share, moved.row_sums(changed + less), found)
    return found
