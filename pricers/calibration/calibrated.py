"""Curves that meet quotes: a system of instruments solved block by block, today and under scenarios of the quotes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from jaxtyping import Float

from pricers.calibration.order import KnownCurve
from pricers.calibration.quotes import CalibrationError, CurveRecipe, Instrument, Problem, Quote, par_rate_terms
from pricers.calibration.sampling import sample, sample_derivatives
from pricers.calibration.solver import add_all_derivatives, chord, eliminate, exponents, par_quotes, product, scenario_exponents
from pricers.calibration.system import Block
from pricers.market.market import Curve, CurveKind, Interpolation
from pricers.time.dates import to_date

TOLERANCE: Final = 1e-13
"""Newton's method and the chord method stop where no zero rate moves by more."""
RESIDUAL_MAX: Final = 1e-11
"""A quote that is missed by more has not been met."""
_NEWTON_STEPS_MAX: Final = 50
_CHORD_STEPS_MAX: Final = 200
_STEP_MAX: Final = 0.5
_ROUNDING: Final = 1e-11
"""Moves below this that grow are rounding errors."""
_FIRST_GUESS: Final = 0.02
_QUOTES_OF_RATES: Final = {Instrument.DEPOSIT, Instrument.FRA, Instrument.RATE_FUTURE, Instrument.OIS, Instrument.IRS}
TILE: Final = 64
"""Scenarios that are solved at a time."""


@dataclass(frozen=True)
class CalibrationSystem:
    """Instruments and curves of one valuation date, ready to be solved for any values of the quotes."""

    as_of: int
    quotes: tuple[Quote, ...]
    """In the order of pillars: quote i determines pillar i."""
    recipes: tuple[CurveRecipe, ...]
    """In the order of their solution."""
    known: tuple[KnownCurve, ...]
    blocks: tuple[Block, ...]
    pillar_days: tuple[np.ndarray, ...]
    """By recipe, int64[pillar]."""
    knot_days: tuple[np.ndarray, ...]
    """By recipe, int64[knot]: the pillars, or the days at which a cubic is sampled."""
    fx_spots: Mapping[str, float]
    """By pair, "EUR/USD"."""

    @cached_property
    def pillar_offsets(self) -> np.ndarray:
        """int64[recipe + 1]: where each curve's pillars begin."""
        return np.cumsum([0, *(days.size for days in self.pillar_days)], dtype=np.int64)

    @cached_property
    def knot_offsets(self) -> np.ndarray:
        """int64[curve + 1]: where each curve's knots begin, known curves first."""
        return np.cumsum(
            [0, *(curve.curve.pillar_days.size for curve in self.known), *(days.size for days in self.knot_days)], dtype=np.int64
        )

    def solve(self, values: np.ndarray | None = None, *, start: np.ndarray | None = None) -> "Calibration":
        """The curves that meet the quotes.

        Args:
            values: float64[quote], in the quotes' order and units; None: their own.
            start: float64[pillar]: zero rates to start from, such as yesterday's.
        Raises:
            CalibrationError: quotes that no curves meet, by name.
        """
        given = np.array([quote.value for quote in self.quotes]) if values is None else values
        target = self.par_rates(given)
        zero_rates = self._first_guess(target) if start is None else start.astype(np.float64)
        knots = np.concatenate([*(curve.curve.zero_rates for curve in self.known), np.empty(sum(days.size for days in self.knot_days))])
        reached, steps = np.empty(target.size), 0
        for block in self.blocks:
            steps = max(steps, _solve_block(self, block, target, zero_rates, knots, reached))
        return Calibration(self, given, zero_rates, knots, reached - target, steps)

    def par_rates(self, values: np.ndarray) -> np.ndarray:
        """What the flows are solved for, decimal: float64[quote, ...] from values in the quotes' units."""
        constant, factor = self._par_rate_terms.reshape(2, -1, *(1,) * (values.ndim - 1))
        rates: np.ndarray = constant + factor * values
        return rates

    @cached_property
    def _par_rate_terms(self) -> np.ndarray:
        return np.array([par_rate_terms(quote) for quote in self.quotes]).T.copy()

    def largest_residual(self, values: Float[np.ndarray, " quote"], knots: Float[np.ndarray, " knot"]) -> float:
        """By how much curves miss quotes at most, decimal: `knots` are as of one scenario of `Calibration.under`."""
        zero_rates = np.concatenate([*(curve.curve.zero_rates for curve in self.known), knots])
        target, largest = self.par_rates(values), 0.0
        for block in self.blocks:
            wanted, nodes = target[self.pillars_of(block)], block.own.offsets.size - 1
            solved, level, quote = np.empty(nodes), np.empty(nodes), np.empty(wanted.size)
            exponents(block.solved, zero_rates, solved)
            derivatives = np.empty((wanted.size, block.knot_count))
            par_quotes(block.flows, block.own, solved, zero_rates, block.first_knot, level, quote, derivatives)
            largest = max(largest, float(np.max(np.abs(quote - wanted))))
        return largest

    def _first_guess(self, target: np.ndarray) -> np.ndarray:
        is_rate = np.array([quote.instrument in _QUOTES_OF_RATES for quote in self.quotes])
        return np.where(is_rate, target, _FIRST_GUESS)

    def pillars_of(self, block: Block) -> slice:
        """Where the block's pillars, and so its quotes, lie among all."""
        first, last = block.curves[0] - len(self.known), block.curves[-1] - len(self.known)
        return slice(int(self.pillar_offsets[first]), int(self.pillar_offsets[last + 1]))

    def fill_knots(self, block: Block, zero_rates: np.ndarray, knots: np.ndarray) -> None:
        """Zero rates at the block's knots from those at its pillars; both arrays are of all curves."""
        for curve in block.curves:
            at = curve - len(self.known)
            pillars = slice(*self.pillar_offsets[at : at + 2])
            rates = zero_rates[pillars]
            if self.recipes[at].interpolation == "MONOTONE_CUBIC":
                rates = sample(self.pillar_days[at], rates, self.knot_days[at])
            knots[slice(*self.knot_offsets[curve : curve + 2])] = rates

    def by_pillars(self, block: Block, by_knots: np.ndarray, zero_rates: np.ndarray) -> np.ndarray:
        """Derivatives by the block's pillars, float64[row, pillar], from those by its knots, float64[row, knot]."""
        parts = []
        for curve in block.curves:
            at = curve - len(self.known)
            first, last = self.knot_offsets[curve : curve + 2] - block.first_knot
            part = by_knots[:, first:last]
            if self.recipes[at].interpolation == "MONOTONE_CUBIC":
                pillars = zero_rates[slice(*self.pillar_offsets[at : at + 2])]
                part = _product(part, sample_derivatives(self.pillar_days[at], pillars, self.knot_days[at]))
            parts.append(part)
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def is_sampled(self, block: Block) -> bool:
        """Whether a curve of the block is sampled."""
        return any(self.recipes[curve - len(self.known)].interpolation == "MONOTONE_CUBIC" for curve in block.curves)


@dataclass(frozen=True)
class Calibration:
    """Curves that meet quotes."""

    system: CalibrationSystem
    values: np.ndarray
    """float64[quote]: in the quotes' units."""
    zero_rates: np.ndarray
    """float64[pillar]: continuously compounded, ACT/365F, curve by curve."""
    knots: np.ndarray
    """float64[knot]: at the knots of all curves, known ones first."""
    residuals: np.ndarray
    """float64[quote]: quote of the curves less quote given, decimal."""
    steps: int
    """Newton steps of the block that took most."""

    @cached_property
    def curves(self) -> tuple[Curve, ...]:
        """The calibrated curves, in the order of `system.recipes`."""
        return tuple(self._curve(at) for at in range(len(self.system.recipes)))

    def _curve(self, at: int) -> Curve:
        system, recipe = self.system, self.system.recipes[at]
        days, curve = system.knot_days[at], at + len(system.known)
        if recipe.interpolation == "MONOTONE_CUBIC":
            labels = tuple(str(to_date(system.as_of + day)) for day in days.tolist())
        else:
            quotes = system.quotes[slice(*system.pillar_offsets[at : at + 2])]
            labels = tuple(_label(quote, system.as_of + day) for quote, day in zip(quotes, days.tolist(), strict=True))
        rates = self.knots[slice(*system.knot_offsets[curve : curve + 2])].copy()
        kind = CurveKind.RATE
        return Curve(recipe.name, kind, recipe.currency, delivered_interpolation(recipe), labels, days.astype(np.int32), rates)

    @cached_property
    def jacobian(self) -> Float[np.ndarray, "pillar quote"]:
        """Derivatives of all zero rates at the pillars by the quotes, both decimal (a price: by its rate)."""
        return self._jacobians[1]

    @cached_property
    def _jacobians(self) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
        """By block, the inverse of dq/dz within the block; and dz/dq of all."""
        system, size = self.system, self.zero_rates.size
        whole, inverses = np.zeros((size, size)), []
        by_knots: list[np.ndarray] = []  # of the curves solved so far, float64[knot, quote]
        for block in system.blocks:
            pillars = system.pillars_of(block)
            count, knot_count = pillars.stop - pillars.start, int(system.knot_offsets[-1])
            derivatives, level = np.empty((count, knot_count)), np.empty(block.own.offsets.size - 1)
            add_all_derivatives(block.flows, block.own, block.solved, self.knots, level, derivatives)
            own = derivatives[:, block.first_knot : block.first_knot + block.knot_count]
            inverse, matrix = np.eye(count), np.ascontiguousarray(system.by_pillars(block, own, self.zero_rates))
            eliminate(matrix, inverse)
            right = np.zeros((count, size))
            right[:, pillars] = np.eye(count)
            if by_knots:
                known = system.knot_offsets[len(system.known)]
                right -= _product(derivatives[:, known : block.first_knot], np.concatenate(by_knots))
            whole[pillars] = _product(inverse, right)
            inverses.append(inverse)
            by_knots.append(self._knots_by_quotes(block, whole))
        return tuple(inverses), whole

    def _knots_by_quotes(self, block: Block, whole: np.ndarray) -> np.ndarray:
        system, parts = self.system, []
        for curve in block.curves:
            at = curve - len(system.known)
            pillars = slice(*system.pillar_offsets[at : at + 2])
            part = whole[pillars]
            if system.recipes[at].interpolation == "MONOTONE_CUBIC":
                part = _product(sample_derivatives(system.pillar_days[at], self.zero_rates[pillars], system.knot_days[at]), part)
            parts.append(part)
        return np.concatenate(parts)

    def under(self, values: Float[np.ndarray, "quote scenario"]) -> Float[np.ndarray, "knot scenario"]:
        """Zero rates at the knots of the calibrated curves (of a curve that is not sampled: its pillars) for many values of the quotes.

        Args:
            values: in the quotes' order and units.
        Returns:
            float64[knot, scenario], curve by curve in the order of `system.recipes`.
        Raises:
            CalibrationError: scenarios in which no curves meet the quotes, by the block's first curve.
        """
        system = self.system
        target, base = system.par_rates(values), system.par_rates(self.values)
        known = int(system.knot_offsets[len(system.known)])
        result = np.empty((int(system.knot_offsets[-1]) - known, values.shape[1]))
        for first in range(0, values.shape[1], TILE):
            tile = np.ascontiguousarray(target[:, first : first + TILE])
            result[:, first : first + TILE] = self._under(tile, tile - base[:, None], first)[known:]
        return result

    def _under(self, target: np.ndarray, moves: np.ndarray, first: int) -> np.ndarray:
        """One tile: float64[knot of all curves, scenario]."""
        system = self.system
        inverses, whole = self._jacobians
        width = target.shape[1]
        knots = np.repeat(self.knots[:, None], width, axis=1)
        zero_rates = self.zero_rates[:, None] + _product(whole, moves)
        for block, inverse in zip(system.blocks, inverses, strict=True):
            pillars = system.pillars_of(block)
            if system.is_sampled(block):
                self._solve_each(block, target, zero_rates, knots)
                continue
            own = slice(block.first_knot, block.first_knot + block.knot_count)
            knots[own] = zero_rates[pillars]
            count = pillars.stop - pillars.start
            solved, level = np.empty((2, block.own.offsets.size - 1, width))
            scenario_exponents(block.solved, knots, solved)
            buffers = np.empty((3, count, width))
            steps = chord(
                block.flows, block.own, solved, inverse, np.ascontiguousarray(target[pillars]), block.first_knot, knots, TOLERANCE, level,
                buffers[0], buffers[1], buffers[2], _CHORD_STEPS_MAX,
            )  # fmt: skip
            if steps < 0:
                self._solve_each(block, target, zero_rates, knots)
            else:
                zero_rates[pillars] = knots[own]
        return knots

    def _solve_each(self, block: Block, target: np.ndarray, zero_rates: np.ndarray, knots: np.ndarray) -> None:
        """Newton's method scenario by scenario, where the chord method cannot be used or does not come to an end."""
        reached = np.empty(target.shape[0])
        for scenario in range(target.shape[1]):
            rates, all_knots = zero_rates[:, scenario].copy(), knots[:, scenario].copy()
            _solve_block(self.system, block, np.ascontiguousarray(target[:, scenario]), rates, all_knots, reached)
            zero_rates[:, scenario], knots[:, scenario] = rates, all_knots


def delivered_interpolation(recipe: CurveRecipe) -> Interpolation:
    return "LINEAR_ZERO" if recipe.interpolation == "LINEAR_ZERO" else "LOG_LINEAR_DISCOUNT"


def _label(quote: Quote, day: int) -> str:
    return quote.tenor.upper() or str(to_date(day))


def _product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """left × right in a fixed order of additions: equal bits on every machine."""
    out = np.empty((left.shape[0], right.shape[1]))
    product(np.ascontiguousarray(left), np.ascontiguousarray(right), out)
    return out


def _solve_block(
    system: CalibrationSystem, block: Block, target: np.ndarray, zero_rates: np.ndarray, knots: np.ndarray, reached: np.ndarray
) -> int:
    """Newton's method for one block; zero_rates[pillar], knots and reached[quote] are in and out, of all curves. Returns its steps."""
    pillars = system.pillars_of(block)
    wanted, rates, nodes = target[pillars], zero_rates[pillars], block.own.offsets.size - 1
    first_guess = rates.copy()
    solved, level = np.empty(nodes), np.empty(nodes)
    exponents(block.solved, knots, solved)
    quote, derivatives = reached[pillars], np.empty((wanted.size, block.knot_count))
    is_sampled, own = system.is_sampled(block), slice(block.first_knot, block.first_knot + block.knot_count)

    def evaluate() -> None:
        if is_sampled:
            system.fill_knots(block, zero_rates, knots)
        else:
            knots[own] = rates
        par_quotes(block.flows, block.own, solved, knots, block.first_knot, level, quote, derivatives)

    def met(count: int) -> int | None:
        """Move the first `count` pillars to meet as many quotes; the number of steps, None where that fails."""
        steps, size = 0, np.inf
        while size >= TOLERANCE and steps < _NEWTON_STEPS_MAX:
            evaluate()
            matrix = system.by_pillars(block, derivatives, zero_rates) if is_sampled else derivatives
            move = (wanted[:count] - quote[:count])[:, None]
            if eliminate(matrix if count == wanted.size else matrix[:count, :count].copy(), move) >= 0 or not np.all(np.isfinite(move)):
                return None
            before, size = size, float(np.max(np.abs(move)))
            if before < _ROUNDING and size >= before:  # no further step makes it better
                break
            rates[:count] += np.clip(move[:, 0], -_STEP_MAX, _STEP_MAX)
            steps += 1
        evaluate()
        return steps if np.all(np.abs(quote[:count] - wanted[:count]) <= RESIDUAL_MAX) else None

    steps = met(wanted.size)
    if steps is not None:
        return steps
    rates[:] = first_guess
    count = next((count for count in range(1, wanted.size) if met(count) is None), wanted.size)
    unmet = system.quotes[pillars.start + count - 1]
    message = f"no curve meets the quote {unmet.name}, {unmet.value:g}, beside those before it; check it, its neighbours and their unit"
    raise CalibrationError((Problem("quotes", unmet.name, "value", "not_met", message),))
