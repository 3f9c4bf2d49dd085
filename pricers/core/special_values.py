"""Special factors in one market, and what moves of its pillars do to them.

A special factor is evaluated as it stands, in the base market and for every move: no expansion, no sensitivity times a move. Of growth, a
move changes the exponent of an entry by Δ and the entry by weight × growth × (e^Δ - 1), so a product changes by the product of
(1 + that / entry) less 1 and keeps its digits for small moves. A ratio of price indices N / D changes by (ΔN - N / D × ΔD) / (D + ΔD),
where its floor lets it.

Integrals over the time of default are those of `default_integrals.py`.
"""

from functools import cached_property
from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int32, Int64

from pricers.core.default_integrals import DefaultIntegrals, vector_kernel
from pricers.core.points import values_at
from pricers.core.specials import Specials, entries_of
from pricers.flows.special_factors import SpecialKind
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import exp, expm1
from pricers.market.market import CurveKind, Market
from pricers.measures import BASIS_POINT

_RFR_PRODUCT: Final = int(SpecialKind.RFR_PRODUCT)
_INDEX_RATIO: Final = int(SpecialKind.INDEX_RATIO)
_KINDS: Final = tuple(CurveKind)


class PillarBumps(NamedTuple):
    """Change of each special factor for +1 bp."""

    parallel: Float[np.ndarray, " special"]
    """On every rate of its rate curve."""
    credit: Float[np.ndarray, " special"]
    """On every rate of its hazard curve."""
    offsets: Int64[np.ndarray, " special_plus_one"]
    pillar: Int32[np.ndarray, " bucket"]
    """Counted over all curves of the market, increasing within a special."""
    change: Float[np.ndarray, " bucket"]


class SpecialValues:
    """Special factors in one market."""

    def __init__(self, specials: Specials, *, market: Market) -> None:
        self.specials, self.market = specials, market
        places = [market.resolve(name, _KINDS[kind]) for kind, name in specials.curves]
        self.position = np.array([-1 if place is None else place for place in places], np.int32)
        kinds = np.array([kind for kind, _ in specials.curves], np.int8)
        self.points = values_at(specials.point_curve, kinds[specials.point_curve], specials.point_day, self.position, market=market)

    @cached_property
    def today(self) -> Float[np.ndarray, " special"]:
        """The factors; NaN for those of curves that the market lacks or interpolates otherwise than they need."""
        return self._at(self.points.exponent, self.integrals)

    @cached_property
    def tomorrow(self) -> Float[np.ndarray, " special"]:
        """The factors a day later, rates by time to maturity."""
        integrals = DefaultIntegrals(self.specials, market=self.market, position=self.position, days_on=1)
        return self._at(self.points.tomorrow, integrals)

    @cached_property
    def integrals(self) -> DefaultIntegrals:
        """Those of the default kinds today."""
        return DefaultIntegrals(self.specials, market=self.market, position=self.position, days_on=0)

    def _at(self, exponent: np.ndarray, integrals: DefaultIntegrals) -> np.ndarray:
        s = self.specials
        values = np.full((s.count, 1), np.nan)
        _fill_growth(
            s.rate_count, s.factors.kind, s.factors.constant, s.factors.offsets, s.start_place, s.end_place, s.factors.weight,
            s.factors.addend, exponent, values[:, 0],
        )  # fmt: skip
        of_default = np.arange(s.rate_count, s.count)
        integrals.fill(of_default.astype(np.int32), of_default, np.zeros((int(self.market.tables.offsets[-1]) + 1, 1)), 0, values)
        return values[:, 0]

    @property
    def largest_gain(self) -> float:
        """Years: no exponent that a factor rests on moves by more than this times the largest shift of a rate."""
        parts = (self.points, self.integrals.segments)
        return float(max((np.abs(each.gain_left) + np.abs(each.gain_right)).max(initial=0.0) for each in parts))

    def bumps(self) -> PillarBumps:
        """The factors' exact changes for +1 bp, in parallel and on each pillar that they feel."""
        s = self.specials
        parallel, credit = np.zeros(s.count), np.zeros(s.count)
        counts = np.zeros(s.count, np.int64)
        entries = np.diff(s.factors.offsets)
        pillars_of = np.append(np.diff(self.market.tables.offsets), 0)
        counts[: s.rate_count] = np.minimum(4 * entries[: s.rate_count], pillars_of[self.position[s.rate_curve[: s.rate_count]]] + 1)
        counts[s.rate_count :] = self.integrals.pillars.sum(axis=1)[s.pair_of_special[s.rate_count :]]
        room = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        pillar, change = np.empty(int(room[-1]), np.int32), np.empty(int(room[-1]))
        found = np.zeros(s.count, np.int64)
        most = int(entries[: s.rate_count].max(initial=0))
        _bump_growth(
            s.rate_count, s.factors.kind, s.factors.constant, s.factors.offsets, s.start_place, s.end_place, s.factors.weight,
            s.factors.addend, self.points, self.today, np.empty(most), np.empty(most), parallel, room, pillar, change, found,
        )  # fmt: skip
        self.integrals.bumps(self.today, room, parallel=parallel, credit=credit, pillar=pillar, change=change, found=found)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(found)])
        kept = np.arange(starts[-1]) + np.repeat(room[:-1] - starts[:-1], found)
        return PillarBumps(parallel, credit, starts, pillar[kept], change[kept])


class SpecialChanges:
    """What moves of a market's pillars do to some special factors."""

    def __init__(self, values: SpecialValues, chosen: Int32[np.ndarray, " chosen"]) -> None:
        self._values, self._chosen = values, chosen
        self.today = values.today[chosen]
        lines = np.flatnonzero(chosen < values.specials.rate_count)
        self._growth = _GrowthChanges(values, chosen[lines], lines) if lines.size else None
        of_default = np.flatnonzero(chosen >= values.specials.rate_count)
        self._default_lines = of_default[np.argsort(chosen[of_default], kind="stable")]  # those of a pair of curves together

    def under(
        self, shifts: Float[np.ndarray, "pillar_plus_one all_states"], first: int = 0, last: int | None = None
    ) -> Float[np.ndarray, "chosen state"]:
        """Changes of the factors in the states first:last.

        Args:
            shifts: added to the zero rates, one row a pillar of the market and a last row of zeros.
            first, last: which columns of `shifts`; all where not given.
        """
        last = shifts.shape[1] if last is None else last
        changes = np.full((self._chosen.size, last - first), np.nan)
        if self._growth is not None:
            self._growth.fill(shifts[self._growth.rows, first:last], self.today, changes)
        if self._default_lines.size:
            of_default = self._chosen[self._default_lines]
            self._values.integrals.fill(of_default, self._default_lines, shifts, first, changes)
            changes[self._default_lines] -= self.today[self._default_lines][:, None]
        return changes


class _GrowthChanges:
    """The same for factors of rate kinds."""

    def __init__(self, values: SpecialValues, chosen: np.ndarray, lines: np.ndarray) -> None:
        f, points, self._lines = values.specials.factors, values.points, lines
        entry = entries_of(f.offsets, chosen)
        start, end = values.specials.start_place[entry], values.specials.end_place[entry]
        self._offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.diff(f.offsets)[chosen])])
        found, place = np.unique(np.concatenate([start, end]), return_inverse=True)
        self._start, self._end = place.reshape(2, -1).astype(np.int64)
        left = points.pillar[found]
        self.rows = np.unique(np.concatenate([left, left + 1]))
        """int32: pillars, counted over all curves of the market, that the factors' points feel, and their right neighbours."""
        self._pillar = np.searchsorted(self.rows, left)
        self._gain_left, self._gain_right = points.gain_left[found], points.gain_right[found]
        self._kind, self._floor = f.kind[chosen], f.constant[chosen]
        self._coefficient, self._below = np.empty(entry.size), np.zeros(entry.size)
        _fill_coefficients(
            self._kind, self._offsets, start, end, f.weight[entry], f.addend[entry], points.exponent, self._coefficient, self._below
        )

    def fill(self, shifts: Float[np.ndarray, "row state"], today: np.ndarray, changes: np.ndarray) -> None:
        """Write the changes under shifts of the pillars in `rows`."""
        moves = np.empty((self._pillar.size, shifts.shape[1]))
        _fill_moves(self._pillar, self._gain_left, self._gain_right, np.ascontiguousarray(shifts), moves)
        _change_growth(
            self._lines, self._kind, self._floor, today, self._offsets, self._start, self._end, self._coefficient, self._below, moves,
            np.empty((2, shifts.shape[1])), changes,
        )  # fmt: skip


@kernel
@no_type_check
def _fill_growth(count, kind, constant, offsets, start, end, weight, addend, exponent, values):
    for special in range(count):
        if kind[special] == _INDEX_RATIO:
            above, below = _index_sums(special, offsets, start, end, weight, addend, exponent)
            values[special] = max(constant[special], above / below)
            continue
        is_product = kind[special] == _RFR_PRODUCT
        value = constant[special]
        for entry in range(offsets[special], offsets[special + 1]):
            growth = weight[entry] * expm1(exponent[end[entry]] - exponent[start[entry]]) + addend[entry]
            value = value * (1.0 + growth) if is_product else value + growth
        values[special] = value


@kernel
@no_type_check
def _index_sums(special, offsets, start, end, weight, addend, exponent):
    """Σ weight × I(end) and Σ addend × I(start)."""
    above = below = 0.0
    for entry in range(offsets[special], offsets[special + 1]):
        above += weight[entry] * exp(exponent[end[entry]])
        below += addend[entry] * exp(exponent[start[entry]])
    return above, below


@vector_kernel
@no_type_check
def _floored_change(ratio, floor, change):
    """Change of max(floor, ratio)."""
    if ratio > floor and ratio + change > floor:
        return change
    return max(floor, ratio + change) - max(floor, ratio)


@kernel
@no_type_check
def _bump_index(special, floor, offsets, start, end, weight, addend, points, pillar):
    """Change of an INDEX_RATIO for +1 bp on a pillar."""
    above, below = _index_sums(special, offsets, start, end, weight, addend, points.exponent)
    more_above = more_below = 0.0
    for entry in range(offsets[special], offsets[special + 1]):
        move = expm1(BASIS_POINT * _gain(points, end[entry], pillar))
        more_above += weight[entry] * exp(points.exponent[end[entry]]) * move
        move = expm1(BASIS_POINT * _gain(points, start[entry], pillar))
        more_below += addend[entry] * exp(points.exponent[start[entry]]) * move
    ratio = above / below
    return _floored_change(ratio, floor, (more_above - ratio * more_below) / (below + more_below))


@vector_kernel
@no_type_check
def _coefficient_of(is_product, entry, start, end, weight, addend, exponent):
    """What e^Δ - 1 of an entry's growth is multiplied by: relative to 1 + entry in a product."""
    gain = expm1(exponent[end[entry]] - exponent[start[entry]])
    slope = weight[entry] * (1.0 + gain)
    return slope / (1.0 + weight[entry] * gain + addend[entry]) if is_product else slope


@kernel
@no_type_check
def _fill_coefficients(kind, offsets, start, end, weight, addend, exponent, coefficient, below):
    """Of INDEX_RATIO: what stands above and below the fraction's line."""
    for i in range(kind.size):
        for entry in range(offsets[i], offsets[i + 1]):
            if kind[i] == _INDEX_RATIO:
                coefficient[entry] = weight[entry] * exp(exponent[end[entry]])
                below[entry] = addend[entry] * exp(exponent[start[entry]])
            else:
                coefficient[entry] = _coefficient_of(kind[i] == _RFR_PRODUCT, entry, start, end, weight, addend, exponent)


@kernel
@no_type_check
def _with_change(change, more, is_product):
    return change + more + change * more if is_product else change + more


@kernel
@no_type_check
def _gain(points, point, pillar):
    """Change of a point's exponent with a pillar's rate."""
    if points.pillar[point] == pillar:
        return points.gain_left[point]
    return points.gain_right[point] if points.pillar[point] + 1 == pillar else 0.0


@kernel
@no_type_check
def _bump_growth(
    count, kind, constant, offsets, start, end, weight, addend, points, today, coefficient, pillars, parallel, room, pillar, change, found
):
    """`coefficient` and `pillars` have room for the entries of one special."""
    for special in range(count):
        is_product, is_index = kind[special] == _RFR_PRODUCT, kind[special] == _INDEX_RATIO
        first, last = offsets[special], offsets[special + 1]
        up, buckets, at = 0.0, 0, room[special]
        for entry in range(first, last):
            if not is_index:
                slope = _coefficient_of(is_product, entry, start, end, weight, addend, points.exponent)
                coefficient[entry - first] = slope
                up = _with_change(up, slope * expm1(BASIS_POINT * (points.time[end[entry]] - points.time[start[entry]])), is_product)
            buckets = _noted(points, start[entry], at, buckets, pillar)
            buckets = _noted(points, end[entry], at, buckets, pillar)
        scale = today[special] if is_product else 1.0
        parallel[special] = scale * up
        for bucket in range(at, at + buckets):
            if is_index:
                change[bucket] = _bump_index(special, constant[special], offsets, start, end, weight, addend, points, pillar[bucket])
                continue
            up = 0.0
            for entry in range(first, last):
                gain = _gain(points, end[entry], pillar[bucket]) - _gain(points, start[entry], pillar[bucket])
                if gain != 0.0:
                    up = _with_change(up, coefficient[entry - first] * expm1(BASIS_POINT * gain), is_product)
            change[bucket] = scale * up
        found[special] = buckets


@kernel
@no_type_check
def _noted(points, point, at, count, pillar):
    """Insert the pillars that a point feels among the `count` from `at` on, increasing; returns how many there are then."""
    if points.gain_left[point] != 0.0:
        count = _inserted(points.pillar[point], at, count, pillar)
    if points.gain_right[point] != 0.0:
        count = _inserted(points.pillar[point] + 1, at, count, pillar)
    return count


@kernel
@no_type_check
def _inserted(number, at, count, pillar):
    place = at + count
    while place > at and pillar[place - 1] >= number:
        place -= 1
    if place < at + count and pillar[place] == number:
        return count
    for later in range(at + count, place, -1):
        pillar[later] = pillar[later - 1]
    pillar[place] = number
    return count + 1


@kernel
@no_type_check
def _fill_moves(pillar, gain_left, gain_right, shifts, moves):
    for i in range(pillar.size):
        left, right = gain_left[i], gain_right[i]
        low, high, line = shifts[pillar[i]], shifts[pillar[i] + 1], moves[i]
        for state in range(line.size):
            line[state] = left * low[state] + right * high[state]


@kernel
@no_type_check
def _change_growth(lines, kind, floor, today, offsets, start, end, coefficient, below, moves, scratches, changes):
    for i in range(lines.size):
        out, scratch = changes[lines[i]], scratches[0]
        if kind[i] == _INDEX_RATIO:
            _change_index(i, floor, offsets, start, end, coefficient, below, moves, scratches, out)
            continue
        is_product = kind[i] == _RFR_PRODUCT
        scratch[:] = 0.0
        for entry in range(offsets[i], offsets[i + 1]):
            before, after, slope = moves[start[entry]], moves[end[entry]], coefficient[entry]
            if is_product:
                for state in range(scratch.size):
                    more = slope * expm1(after[state] - before[state])
                    scratch[state] = scratch[state] + more + scratch[state] * more
            else:
                for state in range(scratch.size):
                    scratch[state] += slope * expm1(after[state] - before[state])
        scale = today[lines[i]] if is_product else 1.0
        for state in range(scratch.size):
            out[state] = scale * scratch[state]


@vector_kernel
@no_type_check
def _change_index(i, floor, offsets, start, end, coefficient, below, moves, scratches, out):
    """Changes of an INDEX_RATIO in all states."""
    more_above, more_below = scratches[0], scratches[1]
    scratches[:] = 0.0
    above = under = 0.0
    for entry in range(offsets[i], offsets[i + 1]):
        above += coefficient[entry]
        under += below[entry]
        for state in range(out.size):
            more_above[state] += coefficient[entry] * expm1(moves[end[entry], state])
            more_below[state] += below[entry] * expm1(moves[start[entry], state])
    ratio = above / under
    for state in range(out.size):
        out[state] = _floored_change(ratio, floor[i], (more_above[state] - ratio * more_below[state]) / (under + more_below[state]))
