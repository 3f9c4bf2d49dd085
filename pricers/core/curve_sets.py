"""Which curves each leg needs, and which legs need the same.

A curve set is the sorted curves of all shapes of a leg, the sign of OWN in them, and the leg's currency. Legs of one set find their market
data together. Rows are grouped likewise, by the sets of their legs.
"""

from dataclasses import dataclass
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Int8, Int32, Int64

from pricers.contract.columns import Text
from pricers.core.shapes import OWN_ORDER, CurveKey, curve_key
from pricers.flows.cashflows import Cashflows, Shape
from pricers.kernels.jit import kernel
from pricers.time.dates import civil_from_days

_FIRST_STATES: Final = 16
_ROLL_DAYS: Final = 3 * 31 * 4  # month of the quarter, day, quarter

_Found = tuple[frozenset[CurveKey], int | None]
"""Curves, and the sign of OWN; None before any shape."""


@dataclass(frozen=True)
class CurveSets:
    """The curve sets of a batch in the order of their curves' names, which no batch changes."""

    curves: tuple[CurveKey, ...]
    """All curves of the batch in canonical order, without OWN."""
    leg_set: Int32[np.ndarray, " leg"]
    leg_order: Int64[np.ndarray, " leg"]
    """All legs in the order in which a compiled batch stores their flows: those of a set together, by roll day."""
    starts: Int64[np.ndarray, " set_plus_one"]
    """Set s has legs leg_order[starts[s]:starts[s + 1]]."""
    currency: Int32[np.ndarray, " set"]
    """Index into `Cashflows.leg_currency.names`, -1 for none."""
    own_sign: Int8[np.ndarray, " set"]
    """Sum of the signs of OWN in every shape of the set."""
    curve_offsets: Int64[np.ndarray, " set_plus_one"]
    set_curve: Int32[np.ndarray, " curve_of_set"]
    """Set s has curves set_curve[curve_offsets[s]:curve_offsets[s + 1]], increasing indices into `curves`."""

    @property
    def count(self) -> int:
        return int(self.currency.size)


def curve_sets(flows: Cashflows, *, shapes: tuple[Shape, ...], leg_shape: np.ndarray, flow_shape: np.ndarray | None) -> CurveSets:
    """The curve sets of all legs.

    Args:
        flows: of the batch.
        shapes: in canonical form, which `leg_shape` and `flow_shape` point into.
    Raises:
        ValueError: a leg whose flows differ in the sign of OWN, so that its credit spread has no one meaning.
    """
    found, leg_state = _walk_legs(flows, shapes, leg_shape, flow_shape)
    curves = tuple(sorted({key for keys, _ in found for key in keys}))
    place = {key: index for index, key in enumerate(curves)}
    described = [(tuple(sorted(place[key] for key in keys)), own or 0) for keys, own in found]
    rank = _ranks(flows.leg_currency)
    width = len(flows.leg_currency.names) + 1
    combined = leg_state * width + flows.leg_currency.codes + 1
    codes, leg_code = np.unique(combined, return_inverse=True)
    states, currencies = codes // width, codes % width - 1
    order = sorted(range(codes.size), key=lambda i: (described[states[i]], rank[currencies[i]]))
    number = np.empty(codes.size, np.int32)
    number[order] = np.arange(codes.size, dtype=np.int32)
    leg_set: np.ndarray = number[leg_code]
    sets = [described[states[i]] for i in order]
    return CurveSets(
        curves=curves,
        leg_set=leg_set,
        leg_order=_roll_day_order(leg_set, flows),
        starts=np.concatenate([[0], np.cumsum(np.bincount(leg_set, minlength=codes.size))]).astype(np.int64),
        currency=currencies[order].astype(np.int32),
        own_sign=np.array([own for _, own in sets], np.int8),
        curve_offsets=np.cumsum([0, *(len(keys) for keys, _ in sets)], dtype=np.int64),
        set_curve=np.array([key for keys, _ in sets for key in keys], np.int32),
    )


def _roll_day_order(leg_set: np.ndarray, flows: Cashflows) -> Int64[np.ndarray, " leg"]:
    """Legs by curve set, then by the last payment's roll day: its month within the quarter and its day in the month. Legs that share it pay
    on the same days, so neighbours read the same nodes, which are then in the processor's cache. Equal legs keep their order."""
    keys, order = np.empty((2, leg_set.size), np.int32), np.arange(leg_set.size)
    years = _fill_roll_keys(flows.flow_offsets, flows.pay_day, keys[0], keys[1])
    for key, count in ((keys[0], years), (keys[1], _ROLL_DAYS), (leg_set, int(leg_set.max(initial=0)) + 1)):
        ordered = np.empty_like(order)
        _order_by(key, np.zeros(count + 1, np.int64), order, ordered)
        order = ordered
    return order


@kernel
@no_type_check
def _fill_roll_keys(flow_offsets, pay_day, year, roll):
    """Year, counted from the first of all, and roll day of the last payment of each leg; returns how many years there are."""
    low, high = np.int64(1 << 30), np.int64(-1 << 30)
    for leg in range(year.size):
        end = flow_offsets[leg + 1]
        last_year, month, day = civil_from_days(pay_day[end - 1] if end > flow_offsets[leg] else 0)
        year[leg], roll[leg] = last_year, (((month - 1) % 3) * 31 + day - 1) * 4 + (month - 1) // 3
        low, high = min(low, last_year), max(high, last_year)
    for leg in range(year.size):
        year[leg] -= low
    return max(high - low + 1, 1)


@kernel
@no_type_check
def _order_by(key, starts, order, ordered):
    """Sort legs by a key, equal ones in the order given. `starts` has a zero for each key and one more."""
    for leg in order:
        starts[key[leg] + 1] += 1
    for k in range(1, starts.size):
        starts[k] += starts[k - 1]
    for leg in order:
        ordered[starts[key[leg]]] = leg
        starts[key[leg]] += 1


def _ranks(text: Text) -> list[int]:
    """Place of each code after sorting the names; the last one is of code -1 and comes first."""
    names = sorted(text.names)
    return [*(names.index(name) for name in text.names), -1]


def _walk_legs(
    flows: Cashflows, shapes: tuple[Shape, ...], leg_shape: np.ndarray, flow_shape: np.ndarray | None
) -> tuple[list[_Found], np.ndarray]:
    """What the shapes of each leg come to: distinct results, and the number of each leg's.

    A state is what the shapes so far come to, and (state, shape) leads to the next. There are few, so each is made once, when the compiled
    loop meets it.
    """
    empty: _Found = (frozenset(), None)
    found, number = [empty], {empty: 0}
    transitions = np.full((_FIRST_STATES, max(len(shapes), 1)), -1, np.int32)
    leg_state = np.zeros(leg_shape.size, np.int64)
    of_flow = np.empty(0, np.int32) if flow_shape is None else flow_shape
    leg = 0
    while True:
        leg, state, shape = _walk(leg, leg_shape, flows.flow_offsets, of_flow, flow_shape is not None, transitions, leg_state)
        if leg == leg_shape.size:
            return found, leg_state
        reached = _with_shape(found[state], shapes[shape], leg)
        if reached not in number:
            number[reached] = len(found)
            found.append(reached)
            if len(found) > transitions.shape[0]:
                transitions = np.vstack([transitions, np.full_like(transitions, -1)])
        transitions[state, shape] = number[reached]


def _with_shape(state: _Found, shape: Shape, leg: int) -> _Found:
    keys, own = state
    sign = sum(term.sign for term in shape if curve_key(term)[0] == OWN_ORDER)
    if own is not None and own != sign:
        raise ValueError(f"flows of leg {leg} do not have the same sign of its own credit spread ({own} and {sign}): put them on two legs")
    return keys | {curve_key(term) for term in shape if curve_key(term)[0] != OWN_ORDER}, sign


@kernel
@no_type_check
def _walk(leg, leg_shape, flow_offsets, flow_shape, has_flow_shapes, transitions, leg_state):
    """Follow the shapes of each leg from `leg` on; stops at a transition that is not known yet: (leg, state, shape)."""
    while leg < leg_shape.size:
        state, shape = 0, np.int64(leg_shape[leg])
        if shape >= 0:
            state = np.int64(transitions[0, shape])
            if state < 0:
                return leg, 0, shape
        if has_flow_shapes:
            for flow in range(flow_offsets[leg], flow_offsets[leg + 1]):
                if flow_shape[flow] != shape:
                    shape = np.int64(flow_shape[flow])
                    reached = np.int64(transitions[state, shape])
                    if reached < 0:
                        return leg, state, shape
                    state = reached
        leg_state[leg] = state
        leg += 1
    return leg, 0, 0


@dataclass(frozen=True)
class RowSets:
    """Which curve sets the legs of each row have together."""

    row_set: Int32[np.ndarray, " row"]
    sets: tuple[tuple[int, ...], ...]
    """Curve sets of each row set, increasing."""
    leg_place: Int32[np.ndarray, " leg"]
    """Number of the leg's (row set, curve set) among `places`."""
    places: tuple[tuple[int, int], ...]


def row_sets(leg_offsets: np.ndarray, leg_set: np.ndarray, set_count: int) -> RowSets:
    """Group rows by the curve sets of their legs."""
    if leg_offsets.size == leg_set.size + 1:  # one leg a row: its set is the row's
        every = range(set_count)
        return RowSets(leg_set, tuple((number,) for number in every), leg_set, tuple((number, number) for number in every))
    found: list[frozenset[int]] = [frozenset()]
    number = {found[0]: 0}
    transitions = np.full((_FIRST_STATES, max(set_count, 1)), -1, np.int32)
    state_of_row = np.zeros(leg_offsets.size - 1, np.int64)
    none, row = np.full(leg_offsets.size - 1, -1, np.int32), 0
    while True:
        row, state, entry = _walk(row, none, leg_offsets, leg_set, True, transitions, state_of_row)
        if row == state_of_row.size:
            break
        reached = found[state] | {entry}
        if reached not in number:
            number[reached] = len(found)
            found.append(reached)
            if len(found) > transitions.shape[0]:
                transitions = np.vstack([transitions, np.full_like(transitions, -1)])
        transitions[state, entry] = number[reached]
    pairs = np.repeat(state_of_row, np.diff(leg_offsets)) * set_count + leg_set
    places, leg_place = np.unique(pairs, return_inverse=True)
    return RowSets(
        state_of_row.astype(np.int32),
        tuple(tuple(sorted(each)) for each in found),
        leg_place.astype(np.int32),
        tuple(divmod(code, set_count) for code in places.tolist()),
    )
