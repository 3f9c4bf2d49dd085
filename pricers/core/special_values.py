"""Special factors in one market, and what moves of its pillars do to them.

A special factor is evaluated as it stands, in the base market and for every move: no expansion, no sensitivity times a move. Of growth, a
move changes the exponent of an entry by Δ and the entry by weight × growth × (e^Δ - 1), so a product changes by the product of
(1 + that / entry) less 1 and keeps its digits for small moves. A ratio of price indices N / D changes by (ΔN - N / D × ΔD) / (D + ΔD),
where its floor lets it.

Integrals over default are added up from day 0 over all days on which forward rate or hazard rate change or an entry starts or ends. With
f and h the logarithms of the discount factor and of the survival probability at the start of such a segment over those at its end, Δt its
length, t its start and PQ the product of both there [1],

    ∫ P dF      = PQ h φ1(f + h)                              φ1(g) = (1 - e^-g) / g
    ∫ u P dF    = t ∫ P dF + PQ h Δt φ2(f + h)                φ2(g) = (φ1(g) - e^-g) / g

and both functions are power series where g is small. So the factors of one pair of curves share their segments.

References:
    [1] R. White (2014), The Pricing and Risk Management of Credit Default Swaps, with a Focus on the ISDA Model, sections 3 and 4.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int32, Int64

from pricers.core.growth_values import bump_growth, change_growth, fill_coefficients, fill_growth, fill_moves
from pricers.core.points import values_at
from pricers.core.specials import Specials, entries_of, has_constant_forwards
from pricers.flows.special_factors import SpecialKind
from pricers.kernels.jit import kernel, vector_kernel
from pricers.kernels.vector_math import exp, expm1
from pricers.market.curves import DAYS_PER_YEAR, pillar_gains
from pricers.market.market import CurveKind, Market
from pricers.measures import BASIS_POINT

_ACCRUAL: Final = int(SpecialKind.DEFAULT_ACCRUAL)
_KINDS: Final = tuple(CurveKind)
_SERIES: Final = 1e-2  # the first term that the series leave out is 2e-16 there; the closed form loses more near 0


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


class _Segments(NamedTuple):
    """Days on which integrands of each pair change, from day 0 on. Pair p has knots offsets[p]:offsets[p + 1], none where the market lacks
    a curve or interpolates one otherwise."""

    offsets: np.ndarray
    day: np.ndarray
    """float64[knot]."""
    exponent: np.ndarray
    """float64[knot, 2]: of the rate curve and of the hazard curve."""
    pillar: np.ndarray
    """int64[knot, 2]: left pillar, counted from the curve's first."""
    gain_left: np.ndarray
    gain_right: np.ndarray
    place: np.ndarray
    """int64[day]: the knot of each of `Specials.day`, counted from the pair's first; a day before day 0 is day 0."""


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
        return self._at(self.points.exponent, 0)

    @cached_property
    def tomorrow(self) -> Float[np.ndarray, " special"]:
        """The factors a day later, rates by time to maturity."""
        return self._at(self.points.tomorrow, 1)

    def _at(self, exponent: np.ndarray, days_on: int) -> np.ndarray:
        s = self.specials
        values = np.full(s.count, np.nan)
        fill_growth(
            s.rate_count, s.factors.kind, s.factors.constant, s.factors.offsets, s.start_place, s.end_place, s.factors.weight,
            s.factors.addend, exponent, values,
        )  # fmt: skip
        segments = self._segments if days_on == 0 else self._knots(days_on)
        for pair in range(s.pair_rate.size):
            still = np.zeros((int(self._pillars(pair).sum()) + 2, 1))
            found = self._integrals(pair, segments, *self._own_shifts(pair, still))
            if found is not None:
                chosen = np.flatnonzero(s.pair_of_special == pair)
                values[chosen] = self._combined(chosen, pair, segments, days_on, *found)[:, 0]
        return values

    @property
    def largest_gain(self) -> float:
        """Years: no exponent that a factor rests on moves by more than this times the largest shift of a rate."""
        parts = (self.points, self._segments)
        return float(max((np.abs(each.gain_left) + np.abs(each.gain_right)).max(initial=0.0) for each in parts))

    # --------------------------------------------------------------------------------------------------------- bumps

    def bumps(self) -> PillarBumps:
        """The factors' exact changes for +1 bp, in parallel and on each pillar that they feel."""
        s, offsets = self.specials, self.market.tables.offsets
        parallel, credit = np.zeros(s.count), np.zeros(s.count)
        counts = np.zeros(s.count, np.int64)
        entries = np.diff(s.factors.offsets)
        pillars_of = np.append(np.diff(offsets), 0)
        counts[: s.rate_count] = np.minimum(4 * entries[: s.rate_count], pillars_of[self.position[s.rate_curve[: s.rate_count]]] + 1)
        for pair in range(s.pair_rate.size):
            counts[s.pair_of_special == pair] = self._pillars(pair).sum()
        room = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        pillar, change = np.empty(int(room[-1]), np.int32), np.empty(int(room[-1]))
        found = np.zeros(s.count, np.int64)
        most = int(entries[: s.rate_count].max(initial=0))
        bump_growth(
            s.rate_count, s.factors.kind, s.factors.constant, s.factors.offsets, s.start_place, s.end_place, s.factors.weight,
            s.factors.addend, self.points, self.today, np.empty(most), np.empty(most), parallel, room, pillar, change, found,
        )  # fmt: skip
        for pair in range(s.pair_rate.size):
            chosen = np.flatnonzero(s.pair_of_special == pair)
            bumped = self._pair_bumps(pair, chosen)
            if bumped is not None:
                pillars, changes = bumped
                parallel[chosen], credit[chosen] = changes[:, 0], changes[:, 1]
                buckets = room[chosen][:, None] + np.arange(pillars.size)
                pillar[buckets], change[buckets], found[chosen] = pillars, changes[:, 2:], pillars.size
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(found)])
        kept = np.arange(starts[-1]) + np.repeat(room[:-1] - starts[:-1], found)
        return PillarBumps(parallel, credit, starts, pillar[kept], change[kept])

    def _pair_bumps(self, pair: int, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """Pillars of a pair's curves, increasing, and the changes of some of its factors for +1 bp on the rate curve, on the hazard curve,
        and on each of the pillars."""
        sizes = self._pillars(pair)
        count = int(sizes.sum())
        moves = np.zeros((count + 2, count + 2))
        at = np.arange(count) + (np.arange(count) >= sizes[0])  # each curve has a row more: the right neighbour of its last pillar
        moves[: sizes[0], 0] = moves[sizes[0] + 1 : -1, 1] = moves[at, np.arange(count) + 2] = BASIS_POINT
        changes = self.pair_changes(pair, chosen, *self._own_shifts(pair, moves))
        if changes is None:
            return None
        firsts = self.market.tables.offsets[self.position[[self.specials.pair_rate[pair], self.specials.pair_hazard[pair]]]]
        pillars = np.arange(count) + np.repeat(firsts - np.array([0, sizes[0]]), sizes)
        order = np.argsort(pillars)
        return pillars[order], np.concatenate([changes[:, :2], changes[:, 2:][:, order]], axis=1)

    # --------------------------------------------------------------------------------------------------------- integrals over default

    @cached_property
    def _segments(self) -> _Segments:
        return self._knots(0)

    def _pillars(self, pair: int) -> np.ndarray:
        """Pillars of the pair's rate curve and of its hazard curve; 0 for one that the market lacks."""
        counts = np.append(np.diff(self.market.tables.offsets), 0)
        sizes: np.ndarray = counts[self.position[[self.specials.pair_rate[pair], self.specials.pair_hazard[pair]]]]
        return sizes

    def _own_shifts(self, pair: int, moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Shifts of the pair's two curves, of rows that stand one after the other."""
        split = int(self._pillars(pair)[0]) + 1
        return moves[:split], moves[split:]

    def shifts_of(self, pair: int, shifts: Float[np.ndarray, "pillar_plus_one state"]) -> tuple[np.ndarray, np.ndarray]:
        """Shifts of the pair's two curves, of one row a pillar of the market and one more."""
        offsets = self.market.tables.offsets
        rate, hazard = self.position[self.specials.pair_rate[pair]], self.position[self.specials.pair_hazard[pair]]
        return shifts[offsets[rate] : offsets[rate + 1] + 1], shifts[offsets[hazard] : offsets[hazard + 1] + 1]

    def _knots(self, days_on: int) -> _Segments:
        s, tables = self.specials, self.market.tables
        has_segments = has_constant_forwards(tables)
        parts, place = [], np.zeros(s.day.size, np.int64)
        for pair in range(s.pair_rate.size):
            rate, hazard = int(self.position[s.pair_rate[pair]]), int(self.position[s.pair_hazard[pair]])
            if rate < 0 or hazard < 0 or not (has_segments[rate] and has_segments[hazard]):
                parts.append(np.empty(0, np.int64))
                continue
            of_pair = slice(int(s.day_offsets[pair]), int(s.day_offsets[pair + 1]))
            days = np.maximum(s.day[of_pair].astype(np.int64) - days_on, 0)
            pillars = np.concatenate([tables.pillar_days[tables.offsets[c] : tables.offsets[c + 1]] for c in (rate, hazard)])
            knots = np.unique(np.concatenate([np.zeros(1, np.int64), days, pillars[pillars < days[-1]]]))
            place[of_pair] = np.searchsorted(knots, days)
            parts.append(knots)
        offsets = np.cumsum([0, *(knots.size for knots in parts)], dtype=np.int64)
        day = np.concatenate([np.empty(0, np.int64), *parts])
        curves = np.stack([self.position[s.pair_rate], self.position[s.pair_hazard]], axis=1).astype(np.int64)
        of_knot = np.repeat(curves, np.diff(offsets), axis=0)
        exponent, pillar = np.empty((day.size, 2)), np.empty((day.size, 2), np.int64)
        gain_left, gain_right = np.empty((day.size, 2)), np.empty((day.size, 2))
        _fill_knots(day, of_knot, tables, exponent, pillar, gain_left, gain_right)
        return _Segments(offsets, day.astype(np.float64), exponent, pillar, gain_left, gain_right, place)

    def _integrals(self, pair: int, knots: _Segments, rate: np.ndarray, hazard: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
        """∫ P dF and ∫ u P dF from day 0 to each knot of a pair, u in years, in each state of its curves; None without segments."""
        of_pair = slice(int(knots.offsets[pair]), int(knots.offsets[pair + 1]))
        if of_pair.start == of_pair.stop:
            return None
        shape = (of_pair.stop - of_pair.start, rate.shape[1])
        mass, moment, held = np.empty(shape), np.empty(shape), np.empty((3, shape[1]))
        _integrate(
            knots.day[of_pair], knots.exponent[of_pair], knots.pillar[of_pair], knots.gain_left[of_pair], knots.gain_right[of_pair],
            np.ascontiguousarray(rate), np.ascontiguousarray(hazard), held, mass, moment,
        )  # fmt: skip
        return mass, moment

    def _combined(
        self, chosen: np.ndarray, pair: int, knots: _Segments, days_on: int, mass: np.ndarray, moment: np.ndarray
    ) -> Float[np.ndarray, "chosen state"]:
        s = self.specials
        values = np.empty((chosen.size, mass.shape[1]))
        first = s.day_offsets[pair]
        _combine(
            chosen, s.factors.kind, s.factors.constant, s.factors.offsets, s.start_place, s.end_place, s.factors.start_day,
            s.factors.weight, s.factors.addend, int(first), knots.place[first : s.day_offsets[pair + 1]], days_on, mass, moment, values,
        )  # fmt: skip
        return values

    def pair_changes(self, pair: int, chosen: np.ndarray, rate: np.ndarray, hazard: np.ndarray) -> np.ndarray | None:
        """Changes of some factors of a pair in each state of its curves, given by shifts of their pillars and a last row of zeros; None
        where the factors have no value."""
        found = self._integrals(pair, self._segments, rate, hazard)
        if found is None:
            return None
        values = self._combined(chosen, pair, self._segments, 0, *found)
        changes: np.ndarray = values - self.today[chosen][:, None]
        return changes


@dataclass(frozen=True)
class _OfPair:
    pair: int
    special: np.ndarray
    line: np.ndarray


class SpecialChanges:
    """What moves of a market's pillars do to some special factors."""

    def __init__(self, values: SpecialValues, chosen: Int32[np.ndarray, " chosen"]) -> None:
        s = values.specials
        self._values, self._chosen = values, chosen
        self.today = values.today[chosen]
        lines = np.flatnonzero(chosen < s.rate_count)
        self._growth_lines = lines
        entry = entries_of(s.factors.offsets, chosen[lines])
        counts = np.diff(s.factors.offsets)[chosen[lines]]
        self._offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        self._points, place = np.unique(np.concatenate([s.start_place[entry], s.end_place[entry]]), return_inverse=True)
        self._start, self._end = place.reshape(2, -1).astype(np.int64)
        self._kind, self._floor = s.factors.kind[chosen[lines]], s.factors.constant[chosen[lines]]
        self._coefficient, self._below = np.empty(entry.size), np.zeros(entry.size)
        fill_coefficients(
            self._kind, self._offsets, s.start_place[entry], s.end_place[entry], s.factors.weight[entry], s.factors.addend[entry],
            values.points.exponent, self._coefficient, self._below,
        )  # fmt: skip
        of_default = np.flatnonzero(chosen >= s.rate_count)
        pairs = s.pair_of_special[chosen[of_default]]
        self._pairs = [_OfPair(pair, chosen[of_default[pairs == pair]], of_default[pairs == pair]) for pair in np.unique(pairs).tolist()]

    def under(self, shifts: Float[np.ndarray, "pillar_plus_one state"]) -> Float[np.ndarray, "chosen state"]:
        """Changes of the factors in each state.

        Args:
            shifts: added to the zero rates, one row a pillar of the market and a last row of zeros.
        """
        values = self._values
        changes = np.full((self._chosen.size, shifts.shape[1]), np.nan)
        if self._growth_lines.size:
            moves = np.empty((self._points.size, shifts.shape[1]))
            points = values.points
            fill_moves(self._points, points.pillar, points.gain_left, points.gain_right, shifts, moves)
            change_growth(
                self._growth_lines, self._kind, self._floor, self.today, self._offsets, self._start, self._end, self._coefficient,
                self._below, moves, np.empty((2, shifts.shape[1])), changes,
            )  # fmt: skip
        for found in self._pairs:
            if values.position[[values.specials.pair_rate[found.pair], values.specials.pair_hazard[found.pair]]].min() >= 0:
                changed = values.pair_changes(found.pair, found.special, *values.shifts_of(found.pair, shifts))
                if changed is not None:
                    changes[found.line] = changed
        return changes


# ------------------------------------------------------------------------------------------------------------------------ default


@kernel
@no_type_check
def _fill_knots(day, curve, tables, exponent, pillar, gain_left, gain_right):
    for knot in range(day.size):
        for side in range(2):
            c = curve[knot, side]
            left, low, high = pillar_gains(day[knot], c, tables)
            at = tables.offsets[c] + left
            exponent[knot, side] = low * tables.zero_rates[at]
            if high != 0.0:
                exponent[knot, side] += high * tables.zero_rates[at + 1]
            pillar[knot, side], gain_left[knot, side], gain_right[knot, side] = left, low, high


@vector_kernel
@no_type_check
def _integrate(day, exponent, pillar, gain_left, gain_right, rate, hazard, held, mass, moment):
    """`held`: exponents of both curves and the product of their factors at the knot before, in each state."""
    held_rate, held_hazard, product = held[0], held[1], held[2]
    mass[0], moment[0] = 0.0, 0.0
    held_rate[:], held_hazard[:], product[:] = 0.0, 0.0, 1.0
    for knot in range(1, day.size):
        base_rate, base_hazard = exponent[knot, 0], exponent[knot, 1]
        rate_left, rate_right = gain_left[knot, 0], gain_right[knot, 0]
        hazard_left, hazard_right = gain_left[knot, 1], gain_right[knot, 1]
        rate_low, rate_high = rate[pillar[knot, 0]], rate[pillar[knot, 0] + 1]
        hazard_low, hazard_high = hazard[pillar[knot, 1]], hazard[pillar[knot, 1] + 1]
        time, length = day[knot - 1] / DAYS_PER_YEAR, (day[knot] - day[knot - 1]) / DAYS_PER_YEAR
        mass_before, mass_here = mass[knot - 1], mass[knot]
        moment_before, moment_here = moment[knot - 1], moment[knot]
        for state in range(mass.shape[1]):
            discounting = base_rate + (rate_left * rate_low[state] + rate_right * rate_high[state])
            survival = base_hazard + (hazard_left * hazard_low[state] + hazard_right * hazard_high[state])
            h = survival - held_hazard[state]
            g = (discounting - held_rate[state]) + h
            lost = expm1(-g)
            near = 1.0 + g * (-1.0 / 2.0 + g * (1.0 / 6.0 + g * (-1.0 / 24.0 + g * (1.0 / 120.0 - g * (1.0 / 720.0)))))
            first = near if abs(g) < _SERIES else -lost / g
            near = 1.0 / 2.0 + g * (-1.0 / 3.0 + g * (1.0 / 8.0 + g * (-1.0 / 30.0 + g * (1.0 / 144.0 - g * (1.0 / 840.0)))))
            second = near if abs(g) < _SERIES else (first - (1.0 + lost)) / g
            defaulting = product[state] * h
            mass_here[state] = mass_before[state] + defaulting * first
            moment_here[state] = moment_before[state] + defaulting * (time * first + length * second)
            held_rate[state], held_hazard[state], product[state] = discounting, survival, exp(-(discounting + survival))


@kernel
@no_type_check
def _combine(chosen, kind, constant, offsets, start, end, start_day, weight, addend, first_day, place, days_on, mass, moment, values):
    for i in range(chosen.size):
        special, line = chosen[i], values[i]
        line[:] = constant[special]
        for entry in range(offsets[special], offsets[special + 1]):
            before, after = place[start[entry] - first_day], place[end[entry] - first_day]
            w = weight[entry]
            if kind[special] == _ACCRUAL:
                accrued = addend[entry] - (start_day[entry] - days_on) / DAYS_PER_YEAR
                for state in range(line.size):
                    line[state] += w * (
                        accrued * (mass[after, state] - mass[before, state]) + (moment[after, state] - moment[before, state])
                    )
            else:
                for state in range(line.size):
                    line[state] += w * (mass[after, state] - mass[before, state])
