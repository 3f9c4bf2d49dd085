"""Compiled cash flows: what is left to do when a market arrives.

Flows of a batch share few nodes (see `cashflows.py`), and nodes share points, so a flow holds the number of its node and a node those of
its points. The contract's own constant credit spread does not depend on the market; it goes into the flow as the weight
`amount × exp(-credit_spread × time)`. What a market then costs is one exponent a point, one exp a node and one multiply-add a flow.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int8, Int32, Int64, UInt8

from pricers.contract.columns import Text, read_only
from pricers.core.curve_sets import CurveSets, RowSets, curve_sets, row_sets
from pricers.core.node_numbers import NodeNumbers, number_nodes, prefetch_leg
from pricers.core.shapes import OWN_ORDER, canonical, curve_key, sort_key
from pricers.core.specials import CompiledSpecials, SpecialFlows, special_flows, split_nodes
from pricers.flows.cashflows import Cashflows, Lowered, PriceTerms, QuotedRate, Shape, YieldConvention
from pricers.flows.numbering import numbered
from pricers.kernels.jit import kernel, njit
from pricers.kernels.vector_math import exp
from pricers.market.curves import DAYS_PER_YEAR
from pricers.measures import Measure
from pricers.status import RowStatus

_INFLATION_ORDER = OWN_ORDER - 1
_BEFORE_TODAY = -1


class Points(NamedTuple):
    """Distinct (curve, day), sorted."""

    curve: Int32[np.ndarray, " point"]
    """Index into `Compiled.sets.curves`; one beyond the last for OWN."""
    kind: Int8[np.ndarray, " point"]
    """Place of the curve's kind in CurveKind, OWN_ORDER for OWN."""
    day: Int32[np.ndarray, " point"]
    """Days after the valuation date; -1 for any day before it, except on a curve of INFLATION."""


class Nodes(NamedTuple):
    """Distinct (curve set, shape, anchor), sorted: the nodes of a curve set together, by shape, then by anchor."""

    offsets: Int32[np.ndarray, " node_plus_one"]
    """Node n has terms offsets[n]:offsets[n + 1], in canonical order."""
    point: Int32[np.ndarray, " term"]
    sign: Int8[np.ndarray, " term"]
    shape: Int32[np.ndarray, " node"]
    """Index into `Compiled.shapes`."""
    anchor: Int32[np.ndarray, " node"]
    """Days after the valuation date."""
    points_in_row: Int8[np.ndarray, " node"]
    """1 or 2 for a node with one point on a curve, or with two on different curves: what its row of the node table has room for. 0 for any
    other node."""


@dataclass(frozen=True)
class Compiled:
    """A batch ready to be valued. Independent of any market.

    Rows and legs are those of `Cashflows`, in its order, and so are all results. Flows are stored in the order of their legs in
    `sets.leg_order`, so that flows stored together read the same nodes: leg sets.leg_order[i] has flows
    flow_offsets[i]:flow_offsets[i + 1].
    """

    as_of: int
    measures: frozenset[Measure]
    """The measures that the product has."""
    status: UInt8[np.ndarray, " row"]
    native_currency: Text
    leg_offsets: Int64[np.ndarray, " row_plus_one"]
    leg_currency: Text
    leg_credit_spread: Float[np.ndarray, " leg"]
    sets: CurveSets
    rows: RowSets
    shapes: tuple[Shape, ...]
    """In canonical form and order; then, for binding, shapes of nodes with the curves of their special factors (see `specials.py`)."""
    flow_offsets: Int64[np.ndarray, " leg_plus_one"]
    """Of the legs in the order of `sets.leg_order`."""
    amount: Float[np.ndarray, " flow"]
    weight: Float[np.ndarray, " flow"]
    """amount × exp(-credit_spread × time); the same array as `amount` where no contract has a credit spread."""
    flow_node: Int32[np.ndarray, " flow"]
    node_offsets: Int64[np.ndarray, " set_plus_one"]
    """Curve set s has nodes node_offsets[s]:node_offsets[s + 1]."""
    nodes: Nodes
    points: Points
    set_shapes: tuple[tuple[int, int], ...]
    """Distinct (curve set, shape) of all nodes and legs."""
    price_terms: PriceTerms | None
    """With `outstanding` signed as the position is; rows (here each is one leg) and flows in the order of `sets.leg_order`."""
    settlement_node: Int32[np.ndarray, " row"] | None
    """In the order of `sets.leg_order`."""
    weighted_average_life: Float[np.ndarray, " row"] | None
    messages: Mapping[int, str]
    """Row -> what its status does not say."""
    specials: CompiledSpecials | None = None
    """Special factors and the nodes that they multiply; None where no flow has one."""
    known: Mapping[Measure, Float[np.ndarray, " row"]] = field(default_factory=dict)
    """As in `Lowered`, and the next."""
    loss_given_default: Float[np.ndarray, " row"] | None = None
    quoted_rates: tuple["CompiledRate", ...] = ()

    @property
    def row_count(self) -> int:
        return int(self.status.size)

    @property
    def yield_amount(self) -> Float[np.ndarray, " flow"]:
        """What yields take for the amounts of flows."""
        real = None if self.price_terms is None else self.price_terms.real_amount
        return self.amount if real is None else real

    @property
    def row_of_leg(self) -> Int64[np.ndarray, " leg"]:
        """The row of each leg."""
        return np.repeat(np.arange(self.row_count), np.diff(self.leg_offsets))

    @property
    def stored_rows(self) -> Int64[np.ndarray, " leg"]:
        """The row of each leg, legs in the order of `sets.leg_order`."""
        stored: np.ndarray = self.row_of_leg[self.sets.leg_order]
        return stored

    @property
    def leg_set(self) -> Int32[np.ndarray, " leg"]:
        """The curve set of each leg."""
        return self.sets.leg_set

    @property
    def nbytes(self) -> int:
        """Bytes held by the arrays, for a cache's budget."""
        arrays = {id(array): array.nbytes for array in _arrays(self)}
        return sum(arrays.values())


@dataclass(frozen=True)
class CompiledRate:
    """A rate by which a contract is quoted; see `QuotedRate`."""

    measure: Measure
    rate: Float[np.ndarray, " row"]
    annuity: Compiled
    """One leg a row."""
    apart: Compiled | None


def _arrays(holder: object) -> list[np.ndarray]:
    if isinstance(holder, np.ndarray):
        return [holder]
    if isinstance(holder, Points | Nodes):
        return list(holder)
    if isinstance(holder, Mapping) or (isinstance(holder, tuple) and all(isinstance(entry, CompiledRate) for entry in holder)):
        return [array for entry in (holder.values() if isinstance(holder, Mapping) else holder) for array in _arrays(entry)]
    if is_dataclass(holder):
        return [array for entry in fields(holder) for array in _arrays(getattr(holder, entry.name))]
    return []


def _terms_and_life(
    terms: PriceTerms, flows: Cashflows, as_of: int, order: np.ndarray, offsets: np.ndarray
) -> tuple[PriceTerms, np.ndarray]:
    """The terms with the outstanding principal, in stored order, and each row's weighted average life in years; NaN where it has none."""
    life, outstanding = np.full(flows.row_count, np.nan), np.full(flows.row_count, np.nan)
    principal = flows.principal if terms.real_principal is None else terms.real_principal
    _principal_terms(flows.flow_offsets, flows.pay_day, as_of, principal, terms.first_flow, terms.outstanding, life, outstanding)
    return _stored_terms(replace(terms, outstanding=outstanding), order, flows.flow_offsets, offsets), life


def _amounts(
    flows: Cashflows, order: np.ndarray, offsets: np.ndarray, *, flow_node: np.ndarray, own_time: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Amounts in stored order and their weights; one array for both where no leg has a credit spread."""
    amount = np.empty_like(flows.amount)
    _store(order, flows.flow_offsets, flows.amount, amount)
    amount = read_only(amount)
    if not np.any(flows.leg_credit_spread != 0.0):
        return amount, amount
    weight = np.empty_like(amount)
    _weigh(offsets, flows.leg_credit_spread[order], flow_node, own_time, amount, weight)
    return amount, read_only(weight)


def compile_cashflows(lowered: Lowered, *, measures: frozenset[Measure]) -> Compiled:
    """Give every flow its node and its credit-spread weight.

    Args:
        lowered: cash flows of one product, as its `lower` made them.
        measures: the measures that the product has.
    Returns:
        The compiled batch; it holds no reference to pay days and principal.
    Raises:
        ValueError: a leg's or flow's array has the wrong length, a flow is not after the valuation date, all points of a node are before
            it, or a leg's own credit spread applies to some of its flows only.
    """
    flows, terms = lowered.cashflows, lowered.price_terms
    _check_shapes(lowered)
    shapes, number, back = _canonical_shapes(flows.shapes)
    leg_shape: np.ndarray = number[flows.leg_shape]
    flow_shape = None if flows.flow_shape is None else number[flows.flow_shape]
    special = special_flows(flows, as_of=lowered.as_of, shapes=shapes, leg_shape=leg_shape, flow_shape=flow_shape)
    sets = curve_sets(flows, shapes=special.shapes, leg_shape=leg_shape, flow_shape=special.flow_shape)
    anchor = (flows.pay_day if flows.anchor_day is None else flows.anchor_day).astype(np.int32, copy=False)
    if back.any():
        given = np.repeat(flows.leg_shape, np.diff(flows.flow_offsets)) if flows.flow_shape is None else flows.flow_shape
        anchor = (anchor - back[given]).astype(np.int32)
    settlement = _settlements(lowered, back)
    order = sets.leg_order
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.diff(flows.flow_offsets)[order])])
    found = number_nodes(
        sets, flows.flow_offsets, offsets, leg_shape, flow_shape, anchor, as_of=lowered.as_of, settlement=settlement,
        is_in_order=flows.anchor_day is None and flow_shape is None,
    )  # fmt: skip
    if found.anchor.min(initial=0) < _BEFORE_TODAY:
        raise ValueError(f"a node lies before the valuation date with all its points: {shapes[found.shape[found.anchor.argmin()]]}")
    found, specials, node_shape = _with_specials(found, special, order, flows.flow_offsets)
    nodes, points, own_time = _points(found, shapes, sets)
    if specials is not None:
        nodes.points_in_row[specials.node] = 0
    amount, weight = _amounts(flows, order, offsets, flow_node=found.flow_node, own_time=own_time)
    life = None
    if terms is not None:
        terms, life = _terms_and_life(terms, flows, lowered.as_of, order, offsets)
    return Compiled(
        as_of=lowered.as_of,
        measures=measures,
        status=lowered.status,
        native_currency=lowered.native_currency,
        leg_offsets=flows.leg_offsets,
        leg_currency=flows.leg_currency,
        leg_credit_spread=flows.leg_credit_spread,
        sets=sets,
        rows=row_sets(flows.leg_offsets, sets.leg_set, sets.count),
        shapes=special.shapes,
        flow_offsets=offsets,
        amount=amount,
        weight=weight,
        flow_node=found.flow_node,
        node_offsets=found.node_offsets,
        nodes=nodes,
        points=points,
        set_shapes=_set_shapes(sets, found.node_offsets, node_shape, leg_shape, len(special.shapes)),
        price_terms=terms,
        settlement_node=None if terms is None else found.settlement_node,
        weighted_average_life=life,
        specials=specials,
        messages=lowered.messages,
        known={measure: read_only(values) for measure, values in lowered.known.items()},
        loss_given_default=lowered.loss_given_default,
        quoted_rates=tuple(_compiled_rate(quoted, lowered) for quoted in lowered.quoted_rates),
    )


def _compiled_rate(quoted: QuotedRate, lowered: Lowered) -> CompiledRate:
    alone = replace(lowered, price_terms=None, known={}, loss_given_default=None, quoted_rates=())
    annuity, apart = (
        None if flows is None else compile_cashflows(replace(alone, cashflows=flows), measures=frozenset({Measure.PV}))
        for flows in (quoted.annuity, quoted.apart)
    )
    assert annuity is not None
    return CompiledRate(quoted.measure, quoted.rate, annuity, apart)


def _settlements(lowered: Lowered, back: np.ndarray) -> Int64[np.ndarray, " leg"]:
    """Anchor of each leg's discounting on its settlement date, days after the valuation date; -1 where there are no prices."""
    flows, terms = lowered.cashflows, lowered.price_terms
    settlement = np.full(flows.leg_shape.size, -1, np.int64)
    if terms is not None:
        settlement[:] = np.where(lowered.status == RowStatus.OK, terms.settlement_day.astype(np.int64) - lowered.as_of, -1)
        if back.any():
            settlement[settlement >= 0] -= back[flows.leg_shape][settlement >= 0]
    return settlement


def _check_shapes(lowered: Lowered) -> None:
    flows = lowered.cashflows
    legs, count = flows.flow_offsets.size - 1, int(flows.flow_offsets[-1])
    lengths = {
        "status": (lowered.status.size, flows.row_count),
        "leg_offsets": (flows.leg_offsets.size, flows.row_count + 1),
        "leg count": (int(flows.leg_offsets[-1]), legs),
        "leg_credit_spread": (flows.leg_credit_spread.size, legs),
        "leg_shape": (flows.leg_shape.size, legs),
        "pay_day": (flows.pay_day.size, count),
        "ex_day": (flows.ex_day.size, count),
        "amount": (flows.amount.size, count),
        "principal": (flows.principal.size, count),
    }
    optional = {"flow_shape": flows.flow_shape, "anchor_day": flows.anchor_day, "contract_leg": flows.contract_leg}
    lengths |= {name: (array.size, count) for name, array in optional.items() if array is not None}
    if lowered.price_terms is not None:
        lengths["legs of a product with prices"] = (legs, flows.row_count)
        of_flows = (lowered.price_terms.yield_time, lowered.price_terms.real_amount, lowered.price_terms.real_principal)
        named = zip(("yield_time", "real_amount", "real_principal"), of_flows, strict=True)
        lengths |= {name: (array.size, count) for name, array in named if array is not None}
    wrong = {name: pair for name, pair in lengths.items() if pair[0] != pair[1]}
    if wrong:
        raise ValueError(f"lowered arrays have the wrong length (have, expected): {wrong}")
    if flows.flow_shape is None and np.any(np.diff(flows.flow_offsets)[flows.leg_shape < 0]):
        raise ValueError("a leg without a shape has flows: give leg_shape or flow_shape")
    if count and int(flows.pay_day.min()) <= lowered.as_of:
        raise ValueError(f"a lowered flow is paid on or before the valuation date: {int(flows.pay_day.min())} <= {lowered.as_of}")


def _canonical_shapes(shapes: tuple[Shape, ...]) -> tuple[tuple[Shape, ...], np.ndarray, np.ndarray]:
    """Distinct canonical shapes in order; for each given shape its number, the last entry standing for -1, and its anchor's way back."""
    made = [canonical(shape) for shape in shapes]
    distinct = sorted({shape for shape, _ in made}, key=sort_key)
    place = {shape: index for index, shape in enumerate(distinct)}
    number = np.array([*(place[shape] for shape, _ in made), -1], np.int32)
    return tuple(distinct), number, np.array([*(back for _, back in made), 0], np.int64)


def _with_specials(
    found: NodeNumbers, special: SpecialFlows, order: np.ndarray, flow_offsets: np.ndarray
) -> tuple[NodeNumbers, CompiledSpecials | None, np.ndarray]:
    """The nodes, those with different special factors apart, their special factors, and the shape by which each node is bound."""
    if special.specials is None or special.number is None or special.flow_shape is None:
        return found, None, found.shape
    number, flow_shape = np.empty_like(special.number), np.empty_like(special.flow_shape)
    _store(order, flow_offsets, special.number, number)
    _store(order, flow_offsets, special.flow_shape, flow_shape)
    return split_nodes(found, special.specials, number=number, flow_shape=flow_shape)


def _points(found: NodeNumbers, shapes: tuple[Shape, ...], sets: CurveSets) -> tuple[Nodes, Points, np.ndarray]:
    """The terms of all nodes, their points, and float64[node]: years of the contract's own spread at each node."""
    place = {key: index for index, key in enumerate(sets.curves)}
    terms = [(place.get(curve_key(term), len(sets.curves)), *curve_key(term)[:1], term.lag, term.sign) for s in shapes for term in s]
    curve, kind, lag, sign = np.array(terms, np.int64).reshape(-1, 4).T.copy()
    first = np.cumsum([0, *(len(shape) for shape in shapes)], dtype=np.int64)
    room = int(np.bincount(found.shape, minlength=len(shapes)) @ np.diff(first))
    low = int(found.anchor.min(initial=0)) - max(int(lag.max(initial=0)), 1)
    width = int(found.anchor.max(initial=0)) - min(int(lag.min(initial=0)), 0) - low + 1
    offsets, key, node_sign = np.zeros(found.shape.size + 1, np.int32), np.empty(room, np.int64), np.empty(room, np.int8)
    own_time = np.zeros(found.shape.size)
    _fill_terms(found.shape, found.anchor, first, curve, kind, lag, sign, low, width, offsets, key, node_sign, own_time)
    keys, point = numbered(key, (len(sets.curves) + 1) * width)
    point_curve = keys // width
    kinds = np.array([*(key[0] for key in sets.curves), OWN_ORDER], np.int8)
    points = Points(point_curve.astype(np.int32), kinds[point_curve], (keys - point_curve * width + low).astype(np.int32))
    in_row = np.array([_points_in_row(shape) for shape in shapes], np.int8)
    return Nodes(offsets, point.astype(np.int32), node_sign, found.shape, found.anchor, in_row[found.shape]), points, own_time


@kernel
@no_type_check
def _fill_terms(node_shape, anchor, first, curve, kind, lag, sign, low, width, offsets, key, node_sign, own_time):
    """Offsets of the nodes' terms, and of each its point as curve × width + day - low, and its sign."""
    count = 0
    for node in range(node_shape.size):
        for term in range(first[node_shape[node]], first[node_shape[node] + 1]):
            day = anchor[node] - lag[term]
            if day < 0 and kind[term] < _INFLATION_ORDER:
                day = np.int64(_BEFORE_TODAY)
            key[count], node_sign[count] = curve[term] * width + (day - low), sign[term]
            if kind[term] == OWN_ORDER:
                own_time[node] += sign[term] * (day / DAYS_PER_YEAR)
            count += 1
        offsets[node + 1] = count


def _set_shapes(
    sets: CurveSets, node_offsets: np.ndarray, node_shape: np.ndarray, leg_shape: np.ndarray, shape_count: int
) -> tuple[tuple[int, int], ...]:
    node_set = np.repeat(np.arange(sets.count), np.diff(node_offsets))
    node_pairs = node_set * shape_count + node_shape
    is_first = np.diff(node_pairs, prepend=-1) != 0  # nodes of a pair are together
    leg_pairs = (sets.leg_set * np.int64(shape_count) + leg_shape)[leg_shape >= 0]
    pairs = np.concatenate([node_pairs[is_first], leg_pairs])
    return tuple(divmod(code, max(shape_count, 1)) for code in numbered(pairs, sets.count * shape_count)[0].tolist())


def _points_in_row(shape: Shape) -> int:
    curves = [key for term in shape if (key := curve_key(term))[0] != OWN_ORDER]
    return len(curves) if len(curves) in (1, 2) and len(set(curves)) == len(curves) else 0


def _stored_terms(terms: PriceTerms, order: np.ndarray, given: np.ndarray, offsets: np.ndarray) -> PriceTerms:
    """Rows and flows in the order of storage; `given` and `offsets` are the flow offsets of rows as given and as stored."""
    of_flows = {name: getattr(terms, name) for name in ("yield_time", "real_amount", "real_principal")}
    rows = {entry.name: getattr(terms, entry.name)[order] for entry in fields(terms) if entry.name not in (*of_flows, "convention")}
    if terms.convention is not None:
        rows["convention"] = YieldConvention(*(read_only(column[order]) for column in terms.convention))
    for name, values in of_flows.items():
        if values is not None:
            rows[name] = np.empty_like(values)
            _store(order, given, values, rows[name])
    return PriceTerms(**rows | {"first_flow": rows["first_flow"] - given[:-1][order] + offsets[:-1]})


@kernel
@no_type_check
def _store(order, given, values, stored):
    """Copy the flows of each leg, legs in the given order."""
    at = 0
    for i in range(order.size):
        prefetch_leg(order, i, given, values)
        source = values[given[order[i]] : given[order[i] + 1]]
        target = stored[at : at + source.size]
        for flow in range(source.size):
            target[flow] = source[flow]
        at += source.size


@njit(cache=True, nogil=True)
@no_type_check
def _weigh(flow_offsets, credit_spread, flow_node, own_time, amount, weight):
    for leg in range(flow_offsets.size - 1):
        spread = credit_spread[leg]
        for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
            if spread == 0.0:
                weight[flow] = amount[flow]
            else:
                weight[flow] = amount[flow] * exp(-spread * own_time[flow_node[flow]])


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
        repaid = 0.0
        for flow in range(start, flow_offsets[row + 1]):
            if principal[flow] != 0.0:  # of a bond, only the last
                repaid += principal[flow]
        sign = -1.0 if repaid < 0.0 or (repaid == 0.0 and given[row] < 0.0) else 1.0
        for flow in range(flow_offsets[row], flow_offsets[row + 1]):
            repaid = sign * principal[flow]
            if repaid > 0.0:
                total += repaid
                weighted += repaid * ((pay_day[flow] - as_of) / DAYS_PER_YEAR)
        if total > 0.0:
            life[row] = weighted / total
        outstanding[row] = sign * abs(given[row])
