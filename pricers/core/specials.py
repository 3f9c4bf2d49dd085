"""Distinct special factors of a batch, and the nodes that have one.

`SpecialFactors` is what products give; here equal ones become one, days count from the valuation date, and days and curves are looked up
once for all. Runs of an RFR_PRODUCT whose weights are 1 telescope: their days become one pair.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Bool, Int32, Int64

from pricers.contract.columns import NO_DATE, Text
from pricers.core.node_numbers import NodeNumbers
from pricers.core.shapes import CurveKey
from pricers.flows.cashflows import Cashflows, Shape, Term
from pricers.flows.special_factors import SpecialFactors, SpecialKind
from pricers.kernels.jit import kernel, njit
from pricers.market.market import KIND_ORDER, CurveKind, CurveTables, Market

_RFR_PRODUCT: Final = int(SpecialKind.RFR_PRODUCT)
_INDEX_RATIO: Final = int(SpecialKind.INDEX_RATIO)
_FIRST_DEFAULT: Final = int(SpecialKind.PROTECTION)
_BEFORE_TODAY: Final = -1
_KINDS: Final = tuple(CurveKind)
_OF_RATE: Final = (CurveKind.RATE, CurveKind.INFLATION)
_HEAD: Final = struct.Struct("<bdII")


@dataclass(frozen=True)
class Specials:
    """Distinct special factors, those on one curve alone first, then those on default; within each by curves and days."""

    factors: SpecialFactors
    """With days after the valuation date; those of growth on or before it are -1, and NO_DATE of INDEX_RATIO stays."""
    curves: tuple[CurveKey, ...]
    rate_curve: Int32[np.ndarray, " special"]
    """Index into `curves`."""
    hazard_curve: Int32[np.ndarray, " special"]
    """Index into `curves`, -1 for those on one curve."""
    rate_count: int
    """Specials on one curve alone: of rates, or of an index."""
    point_curve: Int32[np.ndarray, " point"]
    """Points of specials on one curve, as of `Compiled.points`, curves being those of `curves`."""
    point_day: Int32[np.ndarray, " point"]
    pair_rate: Int32[np.ndarray, " pair"]
    """Pairs of rate and hazard curve, in the order of the specials: index into `curves`."""
    pair_hazard: Int32[np.ndarray, " pair"]
    pair_of_special: Int32[np.ndarray, " special"]
    """Increasing; -1 for those on one curve."""
    day_offsets: Int64[np.ndarray, " pair_plus_one"]
    """Pair p integrates to days day[day_offsets[p]:day_offsets[p + 1]], increasing."""
    day: Int32[np.ndarray, " day"]
    start_place: Int32[np.ndarray, " entry"]
    """Index of the entry's start among the points (of one curve) or days (default kinds)."""
    end_place: Int32[np.ndarray, " entry"]

    @property
    def count(self) -> int:
        return self.factors.count

    @property
    def is_default(self) -> Bool[np.ndarray, " special"]:
        """Whether each is an integral over default."""
        flags: np.ndarray = self.factors.kind >= _FIRST_DEFAULT
        return flags

    def contents(self, chosen: Int32[np.ndarray, " chosen"]) -> list[bytes]:
        """Some of the factors as bytes that say all about them; equal factors of any two batches of one date have equal bytes."""
        f, found = self.factors, []
        columns = (f.start_day.astype("<i4"), f.end_day.astype("<i4"), f.weight.astype("<f8"), f.addend.astype("<f8"))
        for s in chosen.tolist():
            part = slice(int(f.offsets[s]), int(f.offsets[s + 1]))
            names = json.dumps([f.rate_curve[s], f.hazard_curve[s]], ensure_ascii=False).encode()
            head = _HEAD.pack(int(f.kind[s]), float(f.constant[s]), part.stop - part.start, len(names))
            found.append(head + names + b"".join(column[part].tobytes() for column in columns))
        return found


def specials_from_contents(contents: Sequence[bytes]) -> tuple[Specials, Int32[np.ndarray, " content"]]:
    """The inverse of `Specials.contents`: the distinct factors, and which of them each is."""
    heads, names, arrays = [], [], []
    for content in contents:
        kind, constant, entries, length = _HEAD.unpack_from(content)
        at = _HEAD.size + length
        heads.append((kind, constant, entries))
        names.append(json.loads(content[_HEAD.size : at]))
        width = 4 * entries
        arrays.append([
            np.frombuffer(content, "<i4", entries, at), np.frombuffer(content, "<i4", entries, at + width),
            np.frombuffer(content, "<f8", entries, at + 2 * width), np.frombuffer(content, "<f8", entries, at + 4 * width),
        ])  # fmt: skip
    start, end, weight, addend = ([each[i] for each in arrays] for i in range(4))
    factors = SpecialFactors(
        kind=np.array([kind for kind, _, _ in heads], np.int8),
        rate_curve=Text.of([rate for rate, _ in names]),
        hazard_curve=Text.of([hazard for _, hazard in names]),
        constant=np.array([constant for _, constant, _ in heads], np.float64),
        offsets=np.cumsum([0, *(entries for _, _, entries in heads)], dtype=np.int64),
        start_day=np.concatenate([np.empty(0, np.int32), *start]).astype(np.int32),
        end_day=np.concatenate([np.empty(0, np.int32), *end]).astype(np.int32),
        weight=np.concatenate([np.empty(0), *weight]),
        addend=np.concatenate([np.empty(0), *addend]),
    )
    return specials_of(factors, as_of=0)


def specials_of(given: SpecialFactors, *, as_of: int) -> tuple[Specials, Int32[np.ndarray, " given"]]:
    """The distinct ones among special factors.

    Args:
        given: of a batch.
        as_of: valuation date, in the days that `given` counts.
    Returns:
        The distinct factors, and for each given one its number among them.
    Raises:
        ValueError: see `SpecialFactors.check`.
    """
    given.check()
    factors = _telescoped(_relative(given, as_of))
    code = np.empty((factors.count, 2), np.uint64)
    _hash(
        factors.kind, factors.rate_curve.codes, factors.hazard_curve.codes, factors.constant.view(np.int64), factors.offsets,
        factors.start_day, factors.end_day, factors.weight.view(np.int64), factors.addend.view(np.int64), code,
    )  # fmt: skip
    _, first, number = np.unique(code, axis=0, return_index=True, return_inverse=True)
    counts = np.diff(factors.offsets)[first]
    days = np.append(factors.end_day, 0)
    last_day = np.where(counts > 0, days[np.maximum(factors.offsets[1:][first] - 1, 0)], 0)
    is_default = factors.kind[first] >= _FIRST_DEFAULT
    order = np.lexsort((first, last_day, factors.rate_curve.codes[first], factors.hazard_curve.codes[first], is_default))
    place = np.empty(order.size, np.int32)
    place[order] = np.arange(order.size, dtype=np.int32)
    return _placed(_taken(factors, first[order])), place[number.ravel()]


def _relative(given: SpecialFactors, as_of: int) -> SpecialFactors:
    start, end = given.start_day.astype(np.int64) - as_of, given.end_day.astype(np.int64) - as_of
    kind = np.repeat(given.kind, np.diff(given.offsets))
    on_rates, of_index = kind < _INDEX_RATIO, kind == _INDEX_RATIO
    start = np.where(on_rates & (start <= 0), _BEFORE_TODAY, start)
    end = np.where(on_rates & (end <= 0), _BEFORE_TODAY, end)
    start = np.where(of_index & (given.start_day == NO_DATE), NO_DATE, start)
    end = np.where(of_index & (given.end_day == NO_DATE), NO_DATE, end)
    weight, addend, constant = given.weight + 0.0, given.addend + 0.0, given.constant + 0.0  # no -0.0, which would be another content
    return replace(given, start_day=start.astype(np.int32), end_day=end.astype(np.int32), weight=weight, addend=addend, constant=constant)


def _telescoped(factors: SpecialFactors) -> SpecialFactors:
    if not np.any(factors.kind == _RFR_PRODUCT):
        return factors
    offsets, keeps, end = np.empty_like(factors.offsets), np.empty(factors.start_day.size, np.bool_), factors.end_day.copy()
    _join_runs(factors.kind, factors.offsets, factors.start_day, factors.weight, factors.addend, end, keeps, offsets)
    return replace(
        factors, offsets=offsets, start_day=factors.start_day[keeps], end_day=end[keeps], weight=factors.weight[keeps],
        addend=factors.addend[keeps],
    )  # fmt: skip


@kernel
@no_type_check
def _join_runs(kind, given, start, weight, addend, end, keeps, offsets):
    """Let the first entry of a run of plain growth from day to day end where the last one does."""
    kept = 0
    offsets[0] = 0
    for special in range(kind.size):
        last = -1  # the entry that a plain one can lengthen
        for entry in range(given[special], given[special + 1]):
            is_plain = kind[special] == _RFR_PRODUCT and weight[entry] == 1.0 and addend[entry] == 0.0
            keeps[entry] = not (is_plain and last >= 0 and end[last] == start[entry])
            if keeps[entry]:
                kept += 1
                last = entry if is_plain else -1
            else:
                end[last] = end[entry]
        offsets[special + 1] = kept


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def _mixed(state, value):
    """One round of a multiplicative hash of 64 bits (the finaliser of SplitMix64)."""
    x = (state ^ np.uint64(value)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@kernel
@no_type_check
def _hash(kind, rate, hazard, constant, offsets, start, end, weight, addend, code):
    """128 bits over all that makes a special factor: two of a batch that differ share them with a probability of 1e-28."""
    for special in range(kind.size):
        for half in range(2):
            x = _mixed(np.uint64(half + 1), kind[special])
            x = _mixed(_mixed(_mixed(x, rate[special]), hazard[special]), constant[special])
            for entry in range(offsets[special], offsets[special + 1]):
                x = _mixed(_mixed(_mixed(_mixed(x, start[entry]), end[entry]), weight[entry]), addend[entry])
            code[special, half] = x


def _taken(factors: SpecialFactors, chosen: np.ndarray) -> SpecialFactors:
    counts = np.diff(factors.offsets)[chosen]
    entry = entries_of(factors.offsets, chosen)
    return SpecialFactors(
        kind=factors.kind[chosen],
        rate_curve=Text(factors.rate_curve.codes[chosen], factors.rate_curve.names),
        hazard_curve=Text(factors.hazard_curve.codes[chosen], factors.hazard_curve.names),
        constant=factors.constant[chosen],
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
        start_day=factors.start_day[entry],
        end_day=factors.end_day[entry],
        weight=factors.weight[entry],
        addend=factors.addend[entry],
    )


def entries_of(offsets: np.ndarray, chosen: np.ndarray) -> Int64[np.ndarray, " entry"]:
    """The entries of some specials, one special after the other."""
    counts = np.diff(offsets)[chosen]
    ends = np.cumsum(counts)
    entries: np.ndarray = np.arange(int(ends[-1]) if ends.size else 0) - np.repeat(ends - counts - offsets[:-1][chosen], counts)
    return entries


def _placed(factors: SpecialFactors) -> Specials:
    """Look up curves, points and days of distinct factors in order."""
    is_default = factors.kind >= _FIRST_DEFAULT
    rate_count = int(np.searchsorted(is_default, True))
    rate_codes = 2 * factors.rate_curve.codes.astype(np.int64) + (factors.kind == _INDEX_RATIO)
    used_rates, used_hazards = np.unique(rate_codes), np.unique(factors.hazard_curve.codes[is_default])
    rates = [(KIND_ORDER[_OF_RATE[code % 2]], factors.rate_curve.names[code // 2]) for code in used_rates.tolist()]
    hazards = [(KIND_ORDER[CurveKind.HAZARD], factors.hazard_curve.names[code]) for code in used_hazards.tolist()]
    curves = tuple(sorted({*rates, *hazards}))
    place = {key: number for number, key in enumerate(curves)}
    of_rate = np.full(2 * len(factors.rate_curve.names) + 1, -1, np.int32)
    of_hazard = np.full(len(factors.hazard_curve.names) + 1, -1, np.int32)
    of_rate[used_rates], of_hazard[used_hazards] = [place[key] for key in rates], [place[key] for key in hazards]
    rate_curve, hazard_curve = of_rate[rate_codes], of_hazard[factors.hazard_curve.codes]
    split, starts, ends = int(factors.offsets[rate_count]), factors.start_day, factors.end_day
    start_place, end_place = np.empty(factors.start_day.size, np.int32), np.empty(factors.start_day.size, np.int32)

    owner = np.repeat(rate_curve[:rate_count], np.diff(factors.offsets)[:rate_count])
    point_curve, point_day, start_place[:split], end_place[:split] = _numbered_days(owner, starts[:split], ends[:split])

    codes = rate_curve[rate_count:].astype(np.int64) * len(curves) + hazard_curve[rate_count:]
    is_first = np.diff(codes, prepend=-1) != 0  # factors of a pair stand together
    pairs, pair = codes[is_first], np.cumsum(is_first) - 1
    owner = np.repeat(pair, np.diff(factors.offsets)[rate_count:])
    day_pair, day, start_place[split:], end_place[split:] = _numbered_days(owner, starts[split:], ends[split:])
    return Specials(
        factors=factors,
        curves=curves,
        rate_curve=rate_curve,
        hazard_curve=hazard_curve,
        rate_count=rate_count,
        point_curve=point_curve,
        point_day=point_day,
        pair_rate=(pairs // max(len(curves), 1)).astype(np.int32),
        pair_hazard=(pairs % max(len(curves), 1)).astype(np.int32),
        pair_of_special=np.concatenate([np.full(rate_count, -1), pair]).astype(np.int32),
        day_offsets=np.searchsorted(day_pair, np.arange(pairs.size + 1)).astype(np.int64),
        day=day,
        start_place=start_place,
        end_place=end_place,
    )


def _numbered_days(owner: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Distinct (owner, day) of entries, sorted, and the places of starts and ends among them: (owner, day, start place, end place)."""
    days = np.concatenate([start, end]).astype(np.int64)
    low = int(days.min(initial=0))
    width = int(days.max(initial=0)) - low + 1
    keys, place = np.unique(np.tile(owner.astype(np.int64), 2) * width + (days - low), return_inverse=True)
    start_place, end_place = place.reshape(2, -1).astype(np.int32)
    return (keys // width).astype(np.int32), (keys % width + low).astype(np.int32), start_place, end_place


def has_constant_forwards(tables: CurveTables) -> Bool[np.ndarray, " curve"]:
    """Whether the forward rates of each curve are constant between pillars, as the integrals over default need them."""
    flags: np.ndarray = tables.log_linear | (np.diff(tables.offsets) == 1)
    return flags


# ------------------------------------------------------------------------------------------------------------ in a compiled batch


@dataclass(frozen=True)
class CompiledSpecials:
    """The special factors of a compiled batch and the nodes that they multiply."""

    specials: Specials
    node: Int32[np.ndarray, " special_node"]
    """Nodes with a special factor, increasing."""
    special: Int32[np.ndarray, " special_node"]
    """Which one each of them has."""

    def sets_without_segments(self, node_offsets: np.ndarray, *, market: Market) -> Int64[np.ndarray, " set"]:
        """Curve sets with an integral over default whose curves the market has, but without constant forward rates."""
        s, flat = self.specials, np.append(has_constant_forwards(market.tables), True)
        places = [market.resolve(name, _KINDS[kind]) for kind, name in s.curves]
        position = np.array([-1 if place is None else place for place in places], np.int32)
        is_refused = ~(flat[position[s.pair_rate]] & flat[position[s.pair_hazard]])
        nodes = self.node[np.append(is_refused, False)[s.pair_of_special[self.special]]]
        sets: np.ndarray = np.unique(np.searchsorted(node_offsets, nodes, side="right") - 1)
        return sets

    def of_nodes(self, nodes: slice) -> slice:
        """Which entries of `node` lie in a range of nodes."""
        first, last = np.searchsorted(self.node, [nodes.start, nodes.stop]).tolist()
        return slice(first, last)


@dataclass(frozen=True)
class SpecialFlows:
    """What compilation needs of the special factors of a batch, before nodes are numbered."""

    specials: Specials | None
    """None for a batch without special factors."""
    number: Int32[np.ndarray, " flow"] | None
    """The distinct special of each flow, -1 for none."""
    shapes: tuple[Shape, ...]
    """The batch's shapes, then those that stand for a shape together with the curves of a special. They have the signs that its curves
    have in all: a flow paid on default is discounted to that day."""
    flow_shape: Int32[np.ndarray, " flow"] | None
    """Index into `shapes`; None where every flow has its leg's."""


def special_flows(
    flows: Cashflows, *, as_of: int, shapes: tuple[Shape, ...], leg_shape: np.ndarray, flow_shape: np.ndarray | None
) -> SpecialFlows:
    """The distinct special factors of a batch's flows.

    Args:
        flows: of the batch.
        as_of: valuation date, days since 1970-01-01.
        shapes: of the batch, in canonical form, which the next two point into.
        leg_shape, flow_shape: as in `Cashflows`.
    Raises:
        ValueError: see `SpecialFactors.check`; or `flow_special` has the wrong length or names a factor that is not there.
    """
    if (flows.specials is None and flows.flow_special is None) or (flows.specials is not None and flows.specials.count == 0):
        return SpecialFlows(None, None, shapes, flow_shape)
    if flows.specials is None or flows.flow_special is None or flows.flow_special.size != flows.amount.size:
        raise ValueError("specials and flow_special go together, the latter with one number a flow")
    if flows.flow_special.max(initial=-1) >= flows.specials.count:
        raise ValueError(f"flow_special names special factor {flows.flow_special.max()} of {flows.specials.count}")
    specials, number = specials_of(flows.specials, as_of=as_of)
    of_flow = np.append(number, np.int32(-1))[flows.flow_special]
    has_special = of_flow >= 0
    rate, hazard = specials.rate_curve[of_flow[has_special]], specials.hazard_curve[of_flow[has_special]]
    extended = np.repeat(leg_shape, np.diff(flows.flow_offsets)) if flow_shape is None else flow_shape.copy()
    width = len(specials.curves) + 1
    distinct, place = np.unique((extended[has_special].astype(np.int64) * width + rate) * width + hazard + 1, return_inverse=True)
    extended[has_special] = len(shapes) + place
    keys = [(code // width // width, code // width % width, code % width - 1) for code in distinct.tolist()]
    more = tuple(_with_curves(shapes[shape], specials, rate, hazard) for shape, rate, hazard in keys)
    return SpecialFlows(specials, of_flow.astype(np.int32), (*shapes, *more), extended)


def _with_curves(shape: Shape, specials: Specials, rate: int, hazard: int) -> Shape:
    order, name = specials.curves[rate]
    if order == KIND_ORDER[CurveKind.INFLATION]:
        return (*shape, Term(name, 0, -1, CurveKind.INFLATION))
    if hazard < 0:  # growth is a ratio of two factors
        return (*shape, Term(name, 1, 1), Term(name, 0, -1))
    return (*shape, Term(name), Term(specials.curves[hazard][1], kind=CurveKind.HAZARD))


def split_nodes(
    found: NodeNumbers, specials: Specials, *, number: Int32[np.ndarray, " flow"], flow_shape: Int32[np.ndarray, " flow"]
) -> tuple[NodeNumbers, CompiledSpecials, Int32[np.ndarray, " node"]]:
    """Number nodes anew, so that flows at one exponential with different special factors have different nodes.

    Args:
        found: the nodes of exponentials.
        specials: of the batch.
        number, flow_shape: as in `SpecialFlows`, flows in the order of `found.flow_node`.
    Returns:
        The nodes, those with a special factor behind the others of their curve set and shape; their special factors; and for each node
        its shape among `SpecialFlows.shapes`.
    """
    width = specials.count
    has_special = number >= 0
    is_plain = np.zeros(found.shape.size, np.bool_)
    is_plain[found.flow_node[~has_special]] = True
    is_plain[found.settlement_node[found.settlement_node >= 0]] = True
    plain = np.flatnonzero(is_plain)
    codes = found.flow_node[has_special].astype(np.int64) * width + number[has_special]
    pairs, pair = np.unique(codes, return_inverse=True)
    old = np.concatenate([plain, pairs // max(width, 1)])
    special = np.concatenate([np.full(plain.size, -1), pairs % max(width, 1)])
    set_of_node = np.repeat(np.arange(found.node_offsets.size - 1), np.diff(found.node_offsets))
    order = np.lexsort((special, found.anchor[old], special >= 0, found.shape[old], set_of_node[old]))
    new = np.empty(order.size, np.int32)
    new[order] = np.arange(order.size, dtype=np.int32)
    plain_node = np.full(found.shape.size, -1, np.int32)
    plain_node[plain] = new[: plain.size]
    flow_node = plain_node[found.flow_node]
    flow_node[has_special] = new[plain.size :][pair]
    settlement = np.where(found.settlement_node >= 0, plain_node[found.settlement_node], -1).astype(np.int32)
    old, special = old[order], special[order]
    nodes = NodeNumbers(
        np.searchsorted(set_of_node[old], np.arange(found.node_offsets.size)).astype(np.int64), found.shape[old], found.anchor[old],
        flow_node, settlement,
    )  # fmt: skip
    where = np.flatnonzero(special >= 0)
    node_shape = nodes.shape.copy()
    node_shape[flow_node[has_special]] = flow_shape[has_special]
    return nodes, CompiledSpecials(specials, where.astype(np.int32), special[where].astype(np.int32)), node_shape
