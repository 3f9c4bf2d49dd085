"""Integrals over the time of default in one market, in any number of states of its curves.

They are added up from day 0 over all days on which forward rate or hazard rate change, the pillars; to a day between two pillars they
are those to the pillar before, and one segment more. So they depend on the curves alone, and not, in their last bits, on the other days
that a batch has. With f and h the logarithms of the discount factor and of the survival probability at the start of such a segment over
those at its end, Δt its length, t its start and PQ the product of both there [1],

    ∫ P dF      = PQ h φ1(f + h)                              φ1(g) = (1 - e^-g) / g
    ∫ u P dF    = t ∫ P dF + PQ h Δt φ2(f + h)                φ2(g) = (φ1(g) - e^-g) / g

and both functions are power series where g is small. The factors of one pair of curves share their segments.

References:
    [1] R. White (2014), The Pricing and Risk Management of Credit Default Swaps, with a Focus on the ISDA Model, sections 3 and 4.
"""

from typing import Any, Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from pricers.core.specials import Specials, has_constant_forwards
from pricers.flows.special_factors import SpecialKind
from pricers.kernels.jit import kernel, njit
from pricers.kernels.vector_math import exp, expm1
from pricers.market.curves import DAYS_PER_YEAR, pillar_gains
from pricers.market.market import Market
from pricers.measures import BASIS_POINT

_ACCRUAL: Final = int(SpecialKind.DEFAULT_ACCRUAL)
_SERIES: Final = 1e-2  # the first term that the series leave out is 2e-16 there; the closed form loses more near 0
_BLOCK: Final = 128  # states at a time: the sums at 40 knots are 80 KiB

vector_kernel: Final[Any] = njit(cache=True, nogil=True, _nrt=False, error_model="numpy")
"""A kernel whose divisions may give infinities, as SIMD needs them."""


class Segments(NamedTuple):
    """Day 0, the pillars of each pair of curves, and the days to which it is integrated. Pair p has knots offsets[p]:offsets[p + 1], none
    where the market lacks a curve or interpolates one otherwise than the integrals need it."""

    offsets: Int64[np.ndarray, " pair_plus_one"]
    day: Float[np.ndarray, " knot"]
    start: Int64[np.ndarray, " knot"]
    """The last knot before that is day 0 or a pillar, counted from the pair's first: where the knot's segment starts."""
    is_pillar: Bool[np.ndarray, " knot"]
    exponent: Float[np.ndarray, "knot 2"]
    """Of the rate curve and of the hazard curve."""
    pillar: Int64[np.ndarray, "knot 2"]
    """Left pillar, counted from the curve's first."""
    gain_left: Float[np.ndarray, "knot 2"]
    gain_right: Float[np.ndarray, "knot 2"]
    place: Int64[np.ndarray, " day"]
    """The knot of each of `Specials.day`, counted from the pair's first; a day before day 0 is day 0."""


class DefaultIntegrals:
    """The special factors of default kinds in one market, on a day `days_on` after the valuation date, rates by time to maturity."""

    def __init__(self, specials: Specials, *, market: Market, position: Int32[np.ndarray, " curve"], days_on: int) -> None:
        """`position`: where the market has each curve of `specials`, -1 for one that it lacks."""
        self._specials, self._tables, self._days_on = specials, market.tables, days_on
        self._position = np.stack([position[specials.pair_rate], position[specials.pair_hazard]], axis=1).astype(np.int64)
        counts = np.append(np.diff(market.tables.offsets), 0)
        self.pillars = counts[self._position]
        """int64[pair, 2]: pillars of its rate curve and of its hazard curve; 0 for one that the market lacks."""
        self.first_pillar = np.append(market.tables.offsets[:-1], 0)[self._position]
        """int64[pair, 2]: the first pillar of each, counted over all curves of the market."""
        self.segments = self._segments()
        self._knots_max = int(np.diff(self.segments.offsets).max(initial=0))
        f, split = specials.factors, int(specials.factors.offsets[specials.rate_count])
        before, after = np.zeros(f.weight.size, np.int64), np.zeros(f.weight.size, np.int64)
        before[split:] = self.segments.place[specials.start_place[split:]]
        after[split:] = self.segments.place[specials.end_place[split:]]
        accrued = f.addend - (f.start_day - days_on) / DAYS_PER_YEAR
        self._factors = _Factors(f.kind, f.constant, f.offsets, before, after, f.weight, accrued)

    def _segments(self) -> Segments:
        s, tables = self._specials, self._tables
        usable = np.append(has_constant_forwards(tables), False)[self._position].all(axis=1)
        room = np.where(usable, 1 + np.diff(s.day_offsets) + self.pillars.sum(axis=1), 0)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(room)])
        size = int(starts[-1])
        day, counts, place = np.empty(size, np.int64), np.zeros(usable.size, np.int64), np.zeros(s.day.size, np.int64)
        start, is_pillar = np.zeros(size, np.int64), np.zeros(size, np.bool_)
        of_knot = np.empty((size, 2)), np.empty((size, 2), np.int64), np.empty((size, 2)), np.empty((size, 2))
        _fill_knots(
            usable, self._position, s.day_offsets, s.day, self._days_on, tables, starts, day, place, counts, start, is_pillar, *of_knot
        )
        offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
        kept = np.arange(offsets[-1]) + np.repeat(starts[:-1] - offsets[:-1], counts)
        exponent, pillar, gain_left, gain_right = (column[kept] for column in of_knot)
        days = day[kept].astype(np.float64)
        return Segments(offsets, days, start[kept], is_pillar[kept], exponent, pillar, gain_left, gain_right, place)

    def fill(
        self,
        chosen: Int32[np.ndarray, " chosen"],
        lines: Int64[np.ndarray, " chosen"],
        shifts: Float[np.ndarray, "pillar_plus_one all_states"],
        first: int,
        out: Float[np.ndarray, "line state"],
    ) -> None:
        """Write the values of some factors, those of a pair together, in each state to lines of `out`; what has no value stays as it is.

        Args:
            chosen: special factors of default kinds, increasing.
            lines: where each goes.
            shifts: added to the zero rates, one row a pillar of the market and a last row of zeros.
            first: the state of the first column of `out`.
            out: filled.
        """
        s = self._specials
        pairs, starts = np.unique(s.pair_of_special[chosen], return_index=True)
        starts = np.append(starts, chosen.size)
        _fill_states(pairs, starts, chosen, lines, self.segments, self.first_pillar, shifts, first, self._factors, *self._work(_BLOCK), out)

    def bumps(
        self,
        today: np.ndarray,
        room: np.ndarray,
        parallel: np.ndarray,
        credit: np.ndarray,
        pillar: np.ndarray,
        change: np.ndarray,
        found: np.ndarray,
    ) -> None:
        """Changes for +1 bp on the rate curve, on the hazard curve, and on each pillar of both.

        Args:
            today: value of each special factor.
            room: where the pillars of each start in `pillar` and `change`.
            parallel, credit, pillar, change, found: filled for the factors that have a value; `found` counts their pillars.
        """
        s = self._specials
        states = int(self.pillars.sum(axis=1).max(initial=0)) + 2
        starts = s.rate_count + np.searchsorted(s.pair_of_special[s.rate_count :], np.arange(s.pair_rate.size + 1))
        _fill_bumps(
            starts, self.segments, self.pillars, self.first_pillar, self._factors, np.empty((states, states)), np.empty(states),
            *self._work(states), today, room, parallel, credit, pillar, change, found,
        )  # fmt: skip

    def _work(self, states: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Room for what `_integrate` needs and gives."""
        return np.empty((9, max(states, self._knots_max))), np.empty((self._knots_max, states)), np.empty((self._knots_max, states))


class _Factors(NamedTuple):
    """Of all special factors; entries of default kinds have knots, counted from the pair's first."""

    kind: np.ndarray
    constant: np.ndarray
    offsets: np.ndarray
    before: np.ndarray
    """int64[entry]: knot of the start."""
    after: np.ndarray
    weight: np.ndarray
    accrued: np.ndarray
    """float64[entry]: years accrued on day 0."""


@kernel
@no_type_check
def _fill_knots(
    usable, position, day_offsets, days, days_on, tables, starts, day, place, counts, start, is_pillar, exponent, pillar, gain_left,
    gain_right,
):  # fmt: skip
    """Merge day 0, the pairs' days and the pillars of both curves before the last of them."""
    for pair in range(usable.size):
        if not usable[pair]:
            continue
        first, last = day_offsets[pair], day_offsets[pair + 1]
        a, b = position[pair, 0], position[pair, 1]
        at, rate, hazard = first, tables.offsets[a], tables.offsets[b]
        knot, last_pillar = starts[pair], np.int64(0)
        day[knot] = 0
        while at < last:
            here = max(np.int64(days[at]) - days_on, 0)
            following = here
            if rate < tables.offsets[a + 1]:
                following = min(following, tables.pillar_days[rate])
            if hazard < tables.offsets[b + 1]:
                following = min(following, tables.pillar_days[hazard])
            if following > day[knot]:
                if is_pillar[knot]:
                    last_pillar = knot - starts[pair]
                knot += 1
                day[knot], start[knot] = following, last_pillar
            if here == following:
                place[at] = knot - starts[pair]
                at += 1
            if rate < tables.offsets[a + 1] and tables.pillar_days[rate] == following:
                is_pillar[knot] = True
                rate += 1
            if hazard < tables.offsets[b + 1] and tables.pillar_days[hazard] == following:
                is_pillar[knot] = True
                hazard += 1
        counts[pair] = knot + 1 - starts[pair]
        for k in range(starts[pair], knot + 1):
            for side in range(2):
                curve = position[pair, side]
                left, low, high = pillar_gains(day[k], curve, tables)
                p = tables.offsets[curve] + left
                exponent[k, side] = low * tables.zero_rates[p]
                if high != 0.0:
                    exponent[k, side] += high * tables.zero_rates[p + 1]
                pillar[k, side], gain_left[k, side], gain_right[k, side] = left, low, high


@kernel
@no_type_check
def _fill_exponents(base, left, right, low, high, first, out):
    for state in range(out.size):
        out[state] = base + (left * low[first + state] + right * high[first + state])


@vector_kernel
@no_type_check
def _fill_weights(g, first, second):
    """φ1 and φ2."""
    for state in range(g.size):
        x = g[state]
        lost = expm1(-x)
        near = 1.0 + x * (-1.0 / 2.0 + x * (1.0 / 6.0 + x * (-1.0 / 24.0 + x * (1.0 / 120.0 - x * (1.0 / 720.0)))))
        one = near if abs(x) < _SERIES else -lost / x
        near = 1.0 / 2.0 + x * (-1.0 / 3.0 + x * (1.0 / 8.0 + x * (-1.0 / 30.0 + x * (1.0 / 144.0 - x * (1.0 / 840.0)))))
        second[state] = near if abs(x) < _SERIES else (one - (1.0 + lost)) / x
        first[state] = one


@kernel
@no_type_check
def _integrate(segments, first, last, shifts, rate_row, hazard_row, first_state, width, work, mass, moment):
    """∫ P dF and ∫ u P dF from day 0 to each knot first:last, u in years, in some states of the curves, whose pillars start at rows of
    `shifts`. Loops over few arrays each: over many they would be no SIMD."""
    if width == 1:
        _integrate_one(segments, first, last, shifts, rate_row, hazard_row, first_state, work, mass, moment)
        return
    held_rate, held_hazard, product = work[0, :width], work[1, :width], work[2, :width]
    rate, hazard, h, g = work[3, :width], work[4, :width], work[5, :width], work[6, :width]
    one, two = work[7, :width], work[8, :width]
    held_rate[:], held_hazard[:], product[:] = 0.0, 0.0, 1.0
    mass[0, :width], moment[0, :width] = 0.0, 0.0
    for knot in range(first + 1, last):
        start = segments.start[knot]
        left, right, pillar = segments.gain_left[knot], segments.gain_right[knot], segments.pillar[knot]
        row = rate_row + pillar[0]
        _fill_exponents(segments.exponent[knot, 0], left[0], right[0], shifts[row], shifts[row + 1], first_state, rate)
        row = hazard_row + pillar[1]
        _fill_exponents(segments.exponent[knot, 1], left[1], right[1], shifts[row], shifts[row + 1], first_state, hazard)
        for state in range(width):
            h[state] = hazard[state] - held_hazard[state]
        for state in range(width):
            g[state] = (rate[state] - held_rate[state]) + h[state]
        _fill_weights(g, one, two)
        for state in range(width):
            h[state] *= product[state]
        time = segments.day[first + start] / DAYS_PER_YEAR
        length = (segments.day[knot] - segments.day[first + start]) / DAYS_PER_YEAR
        before, here = mass[start, :width], mass[knot - first, :width]
        for state in range(width):
            here[state] = before[state] + h[state] * one[state]
        before, here = moment[start, :width], moment[knot - first, :width]
        for state in range(width):
            here[state] = before[state] + h[state] * (time * one[state] + length * two[state])
        if segments.is_pillar[knot]:
            for state in range(width):
                product[state] = exp(-(rate[state] + hazard[state]))
            held_rate, rate = rate, held_rate
            held_hazard, hazard = hazard, held_hazard


@kernel
@no_type_check
def _integrate_one(segments, first, last, shifts, rate_row, hazard_row, state, work, mass, moment):
    """The same numbers in one state: all knots at once, instead of all states."""
    count = last - first - 1
    rate, hazard, h, g = work[3, : count + 1], work[4, : count + 1], work[5, :count], work[6, :count]
    one, two, product = work[7, :count], work[8, :count], work[2, : count + 1]
    rate[0] = hazard[0] = 0.0
    product[0] = 1.0
    for i in range(1, count + 1):
        knot = first + i
        row = rate_row + segments.pillar[knot, 0]
        moved = segments.gain_left[knot, 0] * shifts[row, state] + segments.gain_right[knot, 0] * shifts[row + 1, state]
        rate[i] = segments.exponent[knot, 0] + moved
        row = hazard_row + segments.pillar[knot, 1]
        moved = segments.gain_left[knot, 1] * shifts[row, state] + segments.gain_right[knot, 1] * shifts[row + 1, state]
        hazard[i] = segments.exponent[knot, 1] + moved
    start = segments.start[first + 1 : last]
    for i in range(count):
        h[i] = hazard[i + 1] - hazard[start[i]]
    for i in range(count):
        g[i] = (rate[i + 1] - rate[start[i]]) + h[i]
    _fill_weights(g, one, two)
    for i in range(count):
        product[i + 1] = exp(-(rate[i + 1] + hazard[i + 1]))
    for i in range(count):
        h[i] *= product[start[i]]
    mass[0, 0] = moment[0, 0] = 0.0
    for i in range(count):
        time = segments.day[first + start[i]] / DAYS_PER_YEAR
        length = (segments.day[first + i + 1] - segments.day[first + start[i]]) / DAYS_PER_YEAR
        mass[i + 1, 0] = mass[start[i], 0] + h[i] * one[i]
        moment[i + 1, 0] = moment[start[i], 0] + h[i] * (time * one[i] + length * two[i])


@kernel
@no_type_check
def _added_up_in_one(special, factors, mass, moment):
    """The same number in one state."""
    value, is_accrual = factors.constant[special], factors.kind[special] == _ACCRUAL
    for entry in range(factors.offsets[special], factors.offsets[special + 1]):
        before, after = factors.before[entry], factors.after[entry]
        lost = mass[after, 0] - mass[before, 0]
        if is_accrual:
            lost = factors.accrued[entry] * lost + (moment[after, 0] - moment[before, 0])
        value += factors.weight[entry] * lost
    return value


@kernel
@no_type_check
def _add_up(special, factors, mass, moment, line):
    """One factor in the states that were integrated."""
    width = line.size
    if width == 1:  # numbers, as slices would take most of the time
        line[0] = _added_up_in_one(special, factors, mass, moment)
        return
    line[:] = factors.constant[special]
    for entry in range(factors.offsets[special], factors.offsets[special + 1]):
        weight, accrued = factors.weight[entry], factors.accrued[entry]
        begin, end = mass[factors.before[entry], :width], mass[factors.after[entry], :width]
        if factors.kind[special] != _ACCRUAL:
            for state in range(width):
                line[state] += weight * (end[state] - begin[state])
            continue
        from_day_0, to_end = moment[factors.before[entry], :width], moment[factors.after[entry], :width]
        for state in range(width):
            line[state] += weight * (accrued * (end[state] - begin[state]) + (to_end[state] - from_day_0[state]))


@kernel
@no_type_check
def _fill_states(pairs, starts, chosen, lines, segments, first_pillar, shifts, first_state, factors, work, mass, moment, out):
    for i in range(pairs.size):
        pair = pairs[i]
        first, last = segments.offsets[pair], segments.offsets[pair + 1]
        if first == last:
            continue
        for block in range(0, out.shape[1], _BLOCK):
            width = min(_BLOCK, out.shape[1] - block)
            at = first_state + block
            _integrate(segments, first, last, shifts, first_pillar[pair, 0], first_pillar[pair, 1], at, width, work, mass, moment)
            for j in range(starts[i], starts[i + 1]):
                _add_up(chosen[j], factors, mass, moment, out[lines[j], block : block + width])


@kernel
@no_type_check
def _fill_bumps(
    starts, segments, pillars, first_pillar, factors, shifts, line, work, mass, moment, today, room, parallel, credit, pillar, change,
    found,
):  # fmt: skip
    """States: the rate curve up, the hazard curve up, and each pillar of both, in `shifts`, where the rows of the hazard curve follow one
    row after those of the rate curve: the right neighbour of its last pillar."""
    for pair in range(starts.size - 1):
        first, last = segments.offsets[pair], segments.offsets[pair + 1]
        if first == last:
            continue
        rates, hazards = pillars[pair, 0], pillars[pair, 1]
        shifts[:] = 0.0
        for p in range(rates + hazards):
            row = p if p < rates else p + 1
            shifts[row, 0 if p < rates else 1] = shifts[row, p + 2] = BASIS_POINT
        width = rates + hazards + 2
        _integrate(segments, first, last, shifts, 0, rates + 1, 0, width, work, mass, moment)
        is_hazard_first = first_pillar[pair, 1] < first_pillar[pair, 0]
        for special in range(starts[pair], starts[pair + 1]):
            values = line[:width]
            _add_up(special, factors, mass, moment, values)
            parallel[special], credit[special] = values[0] - today[special], values[1] - today[special]
            for p in range(rates + hazards):
                side = 0 if p < rates else 1
                place = p if side == 0 else p - rates
                at = room[special] + place + ((hazards if side == 0 else 0) if is_hazard_first else (rates if side == 1 else 0))
                pillar[at], change[at] = first_pillar[pair, side] + place, values[p + 2] - today[special]
            found[special] = rates + hazards
