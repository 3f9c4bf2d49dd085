"""Compiled cash flows: what is left to do when a market arrives.

Flows of a batch share few dates, so every unique (discount curve, spread curve, day) becomes a node and a flow holds a node index.
The contract's own constant credit spread does not depend on the market; it goes into the flow as the weight
`amount × exp(-credit_spread × time)`. What a market then costs is one discount factor a node and one multiply-add a flow.
"""

from dataclasses import dataclass, fields, replace
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int32, Int64, UInt8

from pricers.contract.columns import Text, read_only
from pricers.flows.cashflows import Cashflows, Lowered, PriceTerms
from pricers.kernels.jit import njit
from pricers.market.curves import DAYS_PER_YEAR
from pricers.measures import Measure
from pricers.status import RowStatus


@dataclass(frozen=True)
class Compiled:
    """A batch ready to be valued. Independent of any market; legs and flows are those of `Cashflows`."""

    as_of: int
    measures: frozenset[Measure]
    """The measures that the product has."""
    has_credit_spread: bool
    status: UInt8[np.ndarray, " row"]
    native_currency: Text
    leg_offsets: Int64[np.ndarray, " row_plus_one"]
    leg_currency: Text
    leg_discount_curve: Text
    leg_spread_curve: Text
    leg_credit_spread: Float[np.ndarray, " leg"]
    leg_group: Int32[np.ndarray, " leg"]
    """The leg's (discount curve, spread curve, currency)."""
    leg_order: Int64[np.ndarray, " leg"]
    """All legs, those of a group together: the groups by the names of their curves, so that no batch changes the order of two legs."""
    group_discount_curve: Int32[np.ndarray, " group"]
    """Index into `leg_discount_curve.names`, -1 for none."""
    group_spread_curve: Int32[np.ndarray, " group"]
    """Index into `leg_spread_curve.names`, -1 for none."""
    group_currency: Int32[np.ndarray, " group"]
    """Index into `leg_currency.names`, -1 for none."""
    flow_offsets: Int64[np.ndarray, " leg_plus_one"]
    amount: Float[np.ndarray, " flow"]
    weight: Float[np.ndarray, " flow"]
    """amount × exp(-credit_spread × time); the same array as `amount` where no contract has a credit spread."""
    flow_node: Int32[np.ndarray, " flow"]
    node_offsets: Int64[np.ndarray, " group_plus_one"]
    """Group g has nodes node_offsets[g]:node_offsets[g + 1]."""
    node_day: Int32[np.ndarray, " node"]
    """Days after the valuation date, increasing within a group."""
    price_terms: PriceTerms | None
    """With `outstanding` signed as the position is."""
    settlement_node: Int32[np.ndarray, " row"] | None
    weighted_average_life: Float[np.ndarray, " row"] | None

    @property
    def row_count(self) -> int:
        return int(self.status.size)

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays, for a cache's budget."""
        arrays = {id(array): array.nbytes for array in _arrays(self)}
        return sum(arrays.values())


def _arrays(holder: object) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    for entry in fields(holder):  # type: ignore[arg-type]
        value = getattr(holder, entry.name)
        if isinstance(value, np.ndarray):
            found.append(value)
        elif isinstance(value, Text):
            found.append(value.codes)
        elif isinstance(value, PriceTerms):
            found.extend(_arrays(value))
    return found


def compile_cashflows(lowered: Lowered, *, measures: frozenset[Measure]) -> Compiled:
    """Give every flow its node and its credit-spread weight.

    Args:
        lowered: cash flows of one product, as its `lower` made them.
        measures: the measures that the product has.
    Returns:
        The compiled batch; it holds no reference to pay days and principal.
    Raises:
        ValueError: a leg's or flow's array has the wrong length, or a flow is not after the valuation date.
    """
    flows = lowered.cashflows
    _check_shapes(lowered)
    groups = _groups(flows)
    leg_group = groups.leg_group
    leg_order = np.argsort(leg_group, kind="stable")
    group_starts = np.searchsorted(leg_group[leg_order], np.arange(groups.currency.size + 1)).astype(np.int64)
    horizon = int(flows.pay_day.max(initial=lowered.as_of)) - lowered.as_of
    terms = lowered.price_terms
    leg_settlement = np.full(leg_group.size, -1, np.int64)
    ok = lowered.status == RowStatus.OK
    if terms is not None:
        leg_settlement[:] = np.where(ok, terms.settlement_day.astype(np.int64) - lowered.as_of, -1)
        horizon = max(horizon, int(leg_settlement.max(initial=0)))
    node_offsets, node_day, flow_node, settlement_node = _assign_nodes(
        leg_order, group_starts, flows.flow_offsets, flows.pay_day, lowered.as_of, horizon, leg_settlement
    )
    weight = flows.amount
    if np.any(flows.leg_credit_spread != 0.0):
        weight = np.empty_like(flows.amount)
        _weigh(flows.flow_offsets, flows.leg_credit_spread, flows.pay_day, lowered.as_of, flows.amount, weight)
        weight = read_only(weight)  # as the amounts are
    life = None
    if terms is not None:
        life, outstanding = np.full(flows.row_count, np.nan), np.full(flows.row_count, np.nan)
        _principal_terms(
            flows.flow_offsets, flows.pay_day, lowered.as_of, flows.principal, terms.first_flow, terms.outstanding, life, outstanding
        )
        terms = replace(terms, outstanding=outstanding)
    return Compiled(
        as_of=lowered.as_of,
        measures=measures,
        has_credit_spread=lowered.has_credit_spread,
        status=lowered.status,
        native_currency=lowered.native_currency,
        leg_offsets=flows.leg_offsets,
        leg_currency=flows.leg_currency,
        leg_discount_curve=flows.leg_discount_curve,
        leg_spread_curve=flows.leg_spread_curve,
        leg_credit_spread=flows.leg_credit_spread,
        leg_group=leg_group,
        leg_order=leg_order,
        group_discount_curve=groups.discount_curve,
        group_spread_curve=groups.spread_curve,
        group_currency=groups.currency,
        flow_offsets=flows.flow_offsets,
        amount=flows.amount,
        weight=weight,
        flow_node=flow_node,
        node_offsets=node_offsets,
        node_day=node_day,
        price_terms=terms,
        settlement_node=None if terms is None else settlement_node,
        weighted_average_life=life,
    )


def _check_shapes(lowered: Lowered) -> None:
    flows = lowered.cashflows
    legs, count = flows.flow_offsets.size - 1, int(flows.flow_offsets[-1])
    lengths = {
        "status": (lowered.status.size, flows.row_count),
        "leg_offsets": (flows.leg_offsets.size, flows.row_count + 1),
        "leg count": (int(flows.leg_offsets[-1]), legs),
        "leg_credit_spread": (flows.leg_credit_spread.size, legs),
        "pay_day": (flows.pay_day.size, count),
        "ex_day": (flows.ex_day.size, count),
        "amount": (flows.amount.size, count),
        "principal": (flows.principal.size, count),
    }
    if lowered.price_terms is not None:
        lengths["legs of a product with prices"] = (legs, flows.row_count)
        lengths["yield_time"] = (lowered.price_terms.yield_time.size, count)
    wrong = {name: pair for name, pair in lengths.items() if pair[0] != pair[1]}
    if wrong:
        raise ValueError(f"lowered arrays have the wrong length (have, expected): {wrong}")
    if count and int(flows.pay_day.min()) <= lowered.as_of:
        raise ValueError(f"a lowered flow is paid on or before the valuation date: {int(flows.pay_day.min())} <= {lowered.as_of}")


class _Groups(NamedTuple):
    leg_group: np.ndarray
    discount_curve: np.ndarray
    spread_curve: np.ndarray
    currency: np.ndarray


def _groups(flows: Cashflows) -> _Groups:
    """Number the distinct (discount curve, spread curve, currency) of all legs in the order of their names."""
    texts = (flows.leg_discount_curve, flows.leg_spread_curve, flows.leg_currency)
    key = np.zeros(flows.leg_credit_spread.size, np.int64)
    for text in texts:
        key = key * (len(text.names) + 1) + _ranks(text) + 1
    _, first, leg_group = np.unique(key, return_index=True, return_inverse=True)
    return _Groups(leg_group.astype(np.int32), *(text.codes[first].astype(np.int32) for text in texts))


def _ranks(text: Text) -> np.ndarray:
    """Code of each leg after sorting the names; -1 stays."""
    rank = np.empty(len(text.names) + 1, np.int64)
    rank[np.argsort(np.array(text.names, dtype=object), kind="stable")] = np.arange(len(text.names))
    rank[-1] = -1
    ranks: np.ndarray = rank[text.codes]
    return ranks


@njit(cache=True, nogil=True)
@no_type_check
def _assign_nodes(leg_order, group_starts, flow_offsets, pay_day, as_of, horizon, leg_settlement):
    """Node of every flow and settlement date; one table over days serves all groups in turn."""
    group_count = group_starts.size - 1
    flow_node = np.empty(pay_day.size, np.int32)
    settlement_node = np.full(leg_order.size, -1, np.int32)
    node_offsets = np.zeros(group_count + 1, np.int64)
    node_day = np.empty(min(pay_day.size + leg_order.size, group_count * (horizon + 1)), np.int32)
    node_of_day = np.full(horizon + 1, -1, np.int32)
    count = 0
    for group in range(group_count):
        low, high = horizon + 1, -1
        for position in range(group_starts[group], group_starts[group + 1]):
            leg = leg_order[position]
            start, end = flow_offsets[leg], flow_offsets[leg + 1]
            for flow in range(start, end):
                node_of_day[pay_day[flow] - as_of] = 0
            if end > start:  # flows are in order of payment
                low = min(low, pay_day[start] - as_of)
                high = max(high, pay_day[end - 1] - as_of)
            settlement = leg_settlement[leg]
            if settlement >= 0:
                node_of_day[settlement] = 0
                low, high = min(low, settlement), max(high, settlement)
        for day in range(low, high + 1):
            if node_of_day[day] == 0:
                node_of_day[day] = count
                node_day[count] = day
                count += 1
        for position in range(group_starts[group], group_starts[group + 1]):
            leg = leg_order[position]
            for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
                flow_node[flow] = node_of_day[pay_day[flow] - as_of]
            if leg_settlement[leg] >= 0:
                settlement_node[leg] = node_of_day[leg_settlement[leg]]
        for day in range(low, high + 1):
            node_of_day[day] = -1
        node_offsets[group + 1] = count
    return node_offsets, node_day[:count].copy(), flow_node, settlement_node


@njit(cache=True, nogil=True)
@no_type_check
def _weigh(flow_offsets, credit_spread, pay_day, as_of, amount, weight):
    for leg in range(flow_offsets.size - 1):
        spread = credit_spread[leg]
        for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
            if spread == 0.0:
                weight[flow] = amount[flow]
            else:
                weight[flow] = amount[flow] * np.exp(-spread * ((pay_day[flow] - as_of) / DAYS_PER_YEAR))


@njit(cache=True, nogil=True)
@no_type_check
def _principal_terms(flow_offsets, pay_day, as_of, principal, first_flow, given, life, outstanding):
    """Mean time to repayments, NaN for a row that repays nothing; and the outstanding notional with the sign of what is still repaid.

    Principal of the other sign is paid out, not repaid: a loan that has not started, a draw-down. Where nothing is repaid, of
    a bond redeemed at 0, the given outstanding notional has the sign.
    """
    for row in range(life.size):
        total = weighted = 0.0
        # What is due after settlement has the position's sign; where nothing is, all that is left does.
        start = first_flow[row] if first_flow[row] < flow_offsets[row + 1] else flow_offsets[row]
        repaid = principal[start : flow_offsets[row + 1]].sum()
        sign = -1.0 if repaid < 0.0 or (repaid == 0.0 and given[row] < 0.0) else 1.0
        for flow in range(flow_offsets[row], flow_offsets[row + 1]):
            repaid = max(sign * principal[flow], 0.0)
            total += repaid
            weighted += repaid * ((pay_day[flow] - as_of) / DAYS_PER_YEAR)
        if total > 0.0:
            life[row] = weighted / total
        outstanding[row] = sign * abs(given[row])
