"""Where nodes of one day are netted: interpolation points on the day axis, and what every scenario does there.

See `netting.py` for the idea and its accuracy.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int64

from pricers.core.shapes import parse_shape, sort_key
from pricers.flows.cashflows import OWN, Term
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import expm1_of
from pricers.market.curves import DAYS_PER_YEAR, pillar_gains
from pricers.market.market import CurveKind, Market, Scenarios, days_to_pillars
from pricers.time.calendars import LAST_DAY
from pricers.value.revaluation import check_scenarios

POINTS: Final = 8
SLOPE_MAX: Final = 1.0 / 4.0
"""Of E over a segment."""
BEND_MAX: Final = 1.0 / 32.0
"""Second derivative of E, times the square of the segment's length."""
EXPONENT_MAX: Final = 700.0  # exp(-E) overflows beyond

_ANGLES: Final = (2.0 * np.arange(POINTS) + 1.0) * np.pi / (2.0 * POINTS)
_CHEBYSHEV: Final = -np.cos(_ANGLES)  # increasing, inside (-1, 1)
_DENOMINATORS: Final = np.array([math.prod(x - y for y in _CHEBYSHEV if y != x) for x in _CHEBYSHEV])


class ScenarioLadderKey(NamedTuple):
    """What the flows of one ladder share: all that decides how scenarios move them, but for the day."""

    currency: str
    shape: str
    """A canonical shape as text (`shapes.shape_text`)."""
    has_specials: bool = False
    """Whether the nodes have special factors, which scenarios move, too."""


def key_order(key: ScenarioLadderKey) -> tuple[Any, ...]:
    """The order in which keys are added up."""
    return key.currency, *sort_key(parse_shape(key.shape)), key.has_specials


@dataclass(frozen=True)
class Basis:
    """Segments of the day axis of one key; segment k has points POINTS × k … POINTS × (k + 1) - 1."""

    breaks: Float[np.ndarray, " segment_plus_one"]
    """Days from the valuation date."""
    is_failing: Bool[np.ndarray, "segment scenario"]
    """Where a scenario moves a factor beyond what a float holds."""

    def segment(self, days: np.ndarray) -> Int64[np.ndarray, " node"]:
        """The segment of each day."""
        return _segments(days, self.breaks)


class LadderGrid:
    """The interpolation points of every key under one market and one set of scenarios. Small; made once a process and run."""

    def __init__(self, *, market: Market, scenarios: Scenarios) -> None:
        """Raises ValueError for scenarios that do not fit the market."""
        check_scenarios(scenarios, market=market)
        self.market, self.scenarios = market, scenarios
        self.horizon = LAST_DAY - market.as_of
        self._bases: dict[ScenarioLadderKey, Basis] = {}

    def basis(self, key: ScenarioLadderKey) -> Basis:
        """The segments of a key. Depends on market and scenarios alone."""
        if key not in self._bases:
            edges = {0.0, float(self.horizon)}
            for curve in self._moved_curves(key):
                edges.update(float(day) for day in curve if 0 < day < self.horizon)
            breaks = np.array(sorted(edges))
            middles = (breaks[:-1] + breaks[1:]) / 2.0
            at_breaks, at_middles = self.exponents(key, breaks), self.exponents(key, middles)
            start, middle, end = np.clip([at_breaks[:-1], at_middles, at_breaks[1:]], -EXPONENT_MAX, EXPONENT_MAX)
            # A polynomial of degree two is steepest at an end of its segment.
            steepest = np.maximum(np.abs(4.0 * middle - 3.0 * start - end), np.abs(start - 4.0 * middle + 3.0 * end)).max(axis=1)
            bend = np.abs(4.0 * (start - 2.0 * middle + end)).max(axis=1)
            pieces = np.ceil(np.maximum(steepest / SLOPE_MAX, np.sqrt(bend / BEND_MAX))).clip(1.0).astype(np.int64)
            parts = [np.linspace(low, high, count + 1)[:-1] for low, high, count in zip(breaks[:-1], breaks[1:], pieces, strict=True)]
            breaks = np.concatenate([*parts, breaks[-1:]])
            beyond = np.abs(self.exponents(key, breaks)) > EXPONENT_MAX
            self._bases[key] = Basis(breaks, beyond[:-1] | beyond[1:])
        return self._bases[key]

    def _moved_curves(self, key: ScenarioLadderKey) -> list[np.ndarray]:
        places = [self._place(term) for term in parse_shape(key.shape) if term.curve != OWN]
        return [days_to_pillars(self.market.curves[place]) for place in places if place is not None and self._shift(place) is not None]

    def _place(self, term: Term) -> int | None:
        return self.market.resolve(term.curve, term.kind)

    def _shift(self, place: int) -> np.ndarray | None:
        return self.scenarios.shifts.get(self.market.curves[place].name)

    def exponents(self, key: ScenarioLadderKey, days: Float[np.ndarray, " day"]) -> Float[np.ndarray, "day scenario"]:
        """E: minus the logarithm of the factor of a node anchored on each day under each scenario over its factor today."""
        exponents = np.zeros((days.size, self.scenarios.count))
        for term in parse_shape(key.shape):
            self.add_moves(term, days - term.lag, float(term.sign), exponents)
        return exponents

    def add_moves(self, term: Term, days: Float[np.ndarray, " day"], sign: float, out: Float[np.ndarray, "day scenario"]) -> None:
        """Add sign × what every scenario adds to the exponents of a term's points on some days."""
        if term.curve == OWN:
            if self.scenarios.credit_spread_shift is not None:
                out += sign * (days / DAYS_PER_YEAR)[:, None] * self.scenarios.credit_spread_shift
            return
        place = self._place(term)
        if place is None or (shift := self._shift(place)) is None:
            return
        days = self._clock(term, place, days)
        # A last row of zeros stands for the right neighbour of a curve's only pillar.
        _add_shifts(days, place, self.market.tables, np.vstack([shift, np.zeros((1, shift.shape[1]))]), sign, out)

    def _clock(self, term: Term, place: int, days: Float[np.ndarray, " day"]) -> Float[np.ndarray, " day"]:
        if term.kind is not CurveKind.INFLATION:  # nor does anything move before the valuation date
            days = np.maximum(days, 0.0)
        return self.market.clock(place, days).astype(np.float64)

    def largest_move(self, term: Term, days: Float[np.ndarray, " day"]) -> Float[np.ndarray, " day"]:
        """A bound on what any scenario adds to the exponents of a term's points."""
        if term.curve == OWN:
            credit = self.scenarios.credit_spread_shift
            return np.abs(days / DAYS_PER_YEAR) * (0.0 if credit is None else np.abs(credit).max(initial=0.0))
        place = self._place(term)
        shift = None if place is None else self._shift(place)
        if place is None or shift is None:
            return np.zeros(days.size)
        gains = np.empty(days.size)
        _sum_gains(self._clock(term, place, days), place, self.market.tables, gains)
        bound: np.ndarray = gains * np.abs(shift).max(initial=0.0)
        return bound

    def changes(self, key: ScenarioLadderKey) -> Float[np.ndarray, "point scenario"]:
        """Ratio of factors less 1 at the points of a key; NaN where a scenario fails."""
        basis = self.basis(key)
        half = np.diff(basis.breaks)[:, None] / 2.0
        days = (basis.breaks[:-1, None] + half * (1.0 + _CHEBYSHEV)).ravel()
        is_failing = np.repeat(basis.is_failing, POINTS, axis=0)
        return np.where(is_failing, np.nan, expm1_of(-np.where(is_failing, 0.0, self.exponents(key, days))))

    def fx_factor(self, currency: str) -> Float[np.ndarray, " scenario"]:
        """What multiplies the value of a unit, a currency or a security, in base currency."""
        factor = self.scenarios.unit_factor(currency, market=self.market)
        return np.ones(self.scenarios.count) if factor is None else factor


@kernel
@no_type_check
def _sum_gains(days, curve, tables, out):
    for i in range(days.size):
        _, gain_left, gain_right = pillar_gains(days[i], curve, tables)
        out[i] = abs(gain_left) + abs(gain_right)


@kernel
@no_type_check
def _add_shifts(days, curve, tables, shifts, sign, out):
    for i in range(days.size):
        left, gain_left, gain_right = pillar_gains(days[i], curve, tables)
        for scenario in range(out.shape[1]):
            out[i, scenario] += sign * (gain_left * shifts[left, scenario] + gain_right * shifts[left + 1, scenario])


def interpolation(days: np.ndarray, breaks: np.ndarray) -> tuple[Int64[np.ndarray, " node"], Float[np.ndarray, "node 8"]]:
    """First point and Lagrange weights of each day."""
    segment = _segments(days, breaks)
    weights = np.empty((days.size, POINTS))
    _fill_weights(days, breaks, segment, weights)
    return segment * POINTS, weights


def _segments(days: np.ndarray, breaks: np.ndarray) -> Int64[np.ndarray, " node"]:
    segment: np.ndarray = np.clip(np.searchsorted(breaks, days, side="left") - 1, 0, breaks.size - 2)
    return segment


@kernel
@no_type_check
def _fill_weights(days, breaks, segment, weights):
    for i in range(days.size):
        low, high = breaks[segment[i]], breaks[segment[i] + 1]
        at = (2.0 * days[i] - low - high) / (high - low)
        left = 1.0  # product of the distances to the points before this one
        for point in range(POINTS):
            weights[i, point] = left
            left *= at - _CHEBYSHEV[point]
        right = 1.0
        for point in range(POINTS - 1, -1, -1):
            weights[i, point] *= right / _DENOMINATORS[point]
            right *= at - _CHEBYSHEV[point]
