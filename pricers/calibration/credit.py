"""Curves of hazard rates from premiums of default swaps: each swap is worth nothing at its premium.

The swaps are contracts of CREDIT_DEFAULT_SWAP, traded on the valuation date, so that a quoted swap is worth nothing as a position too. A
swap of n years matures n years after the roll date of its half-year: 20 June for trades from 20 March to 19 September, else 20 December
[1].

References:
    [1] ISDA (2015), Amending when single-name CDS roll to new on-the-run contracts.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Float

from pricers.calibration.calibrated import TOLERANCE
from pricers.calibration.quotes import CalibrationError, Instrument, Problem, Quote
from pricers.calibration.solver import eliminate
from pricers.contract.columns import contracts_of
from pricers.core.compiled import Compiled
from pricers.market.market import Curve, CurveKind, Market, Scenarios
from pricers.registry import compile_contracts, pricer
from pricers.time.dates import days_from_civil, to_date
from pricers.time.tenors import parse_tenor
from pricers.value.revaluation import present_values

_BUMP: Final = 1e-6  # of the difference quotients of Newton's method
_STEPS_MAX: Final = 50
_STEP_MAX: Final = 0.5
_ROUNDING: Final = 1e-11
RESIDUAL_MAX: Final = 1e-11


@dataclass(frozen=True)
class CreditRecipe:
    """A curve of hazard rates that premiums determine, constant between maturities."""

    name: str
    currency: str
    quotes: tuple[str, ...]
    discount_curve: Curve
    """LOG_LINEAR_DISCOUNT."""
    recovery_rate: float


class CreditCalibration(NamedTuple):
    """A curve and how well it meets its quotes."""

    curve: Curve
    quotes: tuple[Quote, ...]
    """By pillar."""
    residuals: np.ndarray
    """float64[quote]: premium of the curve less premium given, decimal."""


def default_swap_maturity(as_of: int, tenor: str) -> int:
    """Maturity of a standard swap that is traded on a day; days since 1970-01-01. Raises ValueError for a tenor in days."""
    months, days = parse_tenor(tenor)
    if days or not months:
        raise ValueError(f"a default swap has a tenor of months or years, not {tenor!r}")
    date = to_date(as_of)
    is_spring = (3, 20) <= (date.month, date.day) < (9, 20)
    year = date.year - ((date.month, date.day) < (3, 20))
    month = year * 12 + (5 if is_spring else 11) + months
    return int(days_from_civil(month // 12, month % 12 + 1, 20))


def credit_calibration(recipe: CreditRecipe, quotes: Sequence[Quote], *, as_of: int) -> CreditCalibration:
    """The hazard rates that meet the premiums.

    Args:
        recipe: the curve.
        quotes: those that the recipe names, in any order.
        as_of: valuation date, days since 1970-01-01.
    Raises:
        CalibrationError: premiums that no hazard rates meet, of equal maturity, or so inverted that a forward hazard rate is negative.
    """
    by_name = {quote.name: quote for quote in quotes}
    problems = [
        Problem(
            "quotes", name, "", "no_instrument", f"quote {name}: it is {by_name[name].instrument}, and a curve of hazard rates needs CDS"
        )
        for name in recipe.quotes
        if by_name[name].instrument is not Instrument.CDS
    ]
    if recipe.discount_curve.interpolation != "LOG_LINEAR_DISCOUNT":
        message = f"{recipe.name} discounts on {recipe.discount_curve.name}, which must be LOG_LINEAR_DISCOUNT for default swaps"
        problems.append(Problem("curves", recipe.name, "discount_curve", "not_allowed", message))
    if problems:
        raise CalibrationError(tuple(problems))
    ordered = sorted((_maturity(by_name[name], as_of), name) for name in recipe.quotes)
    for (day, name), (other_day, other) in itertools.pairwise(ordered):
        if day == other_day:
            message = f"{name} and {other} both mature on {to_date(day)}; remove one of them, or correct its tenor"
            raise CalibrationError((Problem("quotes", other, "", "overlapping", message),))
    chosen = tuple(by_name[name] for _, name in ordered)
    days = np.array([day - as_of for day, _ in ordered], np.int64)
    curve, residuals = _solved(recipe, chosen, days, as_of=as_of)
    _require_falling_survival(curve, chosen)
    return CreditCalibration(curve, chosen, residuals)


def _maturity(quote: Quote, as_of: int) -> int:
    try:
        return default_swap_maturity(as_of, quote.tenor)
    except ValueError as error:
        raise CalibrationError((Problem("quotes", quote.name, "tenor", "no_instrument", f"quote {quote.name}: {error}"),)) from error


def _solved(recipe: CreditRecipe, quotes: tuple[Quote, ...], days: np.ndarray, *, as_of: int) -> tuple[Curve, np.ndarray]:
    compiled = _swaps(recipe, days, as_of=as_of)
    premiums = np.array([quote.value for quote in quotes])
    rates, size, steps = premiums / (1.0 - recipe.recovery_rate), np.inf, 0
    while True:
        curve = _curve(recipe, quotes, days, rates)
        reached = _par_premiums(compiled, curve, recipe, as_of=as_of)
        residuals = reached[:, 0] - premiums
        move, slopes = -residuals[:, None], np.ascontiguousarray((reached[:, 1:] - reached[:, :1]) / _BUMP)
        before, is_singular = size, eliminate(slopes, move) >= 0
        size = float(np.max(np.abs(move)))
        if size < TOLERANCE or (before < _ROUNDING and size >= before):
            return curve, residuals
        steps += 1
        if is_singular or not np.isfinite(size) or steps > _STEPS_MAX:
            worst = quotes[int(np.argmax(~(np.abs(residuals) <= RESIDUAL_MAX)))]
            message = f"no hazard rates meet the premium {worst.name}, {worst.value:g}; check it, its neighbours and their unit"
            raise CalibrationError((Problem("quotes", worst.name, "value", "not_met", message),))
        rates = rates + np.clip(move[:, 0], -_STEP_MAX, _STEP_MAX)


def _swaps(recipe: CreditRecipe, days: np.ndarray, *, as_of: int) -> Compiled:
    """For each maturity one swap without premium, then one with a premium of 1: the par premium is where their mixture is worth nothing."""
    rows = [
        {
            "currency": recipe.currency, "notional": 1.0, "coupon_rate": premium, "recovery_rate": recipe.recovery_rate,
            "trade_date": as_of, "maturity_date": as_of + day, "discount_curve": recipe.discount_curve.name, "credit_curve": recipe.name,
        }
        for premium in (0.0, 1.0)
        for day in days.tolist()
    ]  # fmt: skip
    return compile_contracts("CREDIT_DEFAULT_SWAP", contracts_of(pricer("CREDIT_DEFAULT_SWAP").columns, rows), as_of=as_of)


def _par_premiums(compiled: Compiled, curve: Curve, recipe: CreditRecipe, *, as_of: int) -> Float[np.ndarray, "quote scenario"]:
    """Premiums at par today, and with the hazard rate of each pillar moved up by _BUMP."""
    count = curve.pillar_days.size
    shifts = np.concatenate([np.zeros((count, 1)), _BUMP * np.eye(count)], axis=1)
    market = Market(as_of, recipe.currency, (recipe.discount_curve, curve), {recipe.currency: 1.0})
    values = present_values(compiled, market=market, scenarios=Scenarios(count=count + 1, shifts={curve.name: shifts}))
    without, with_premium = values[:count], values[count:]
    premiums: np.ndarray = without / (without - with_premium)
    return premiums


def _curve(recipe: CreditRecipe, quotes: tuple[Quote, ...], days: np.ndarray, rates: np.ndarray) -> Curve:
    labels = tuple(quote.tenor.upper() for quote in quotes)
    return Curve(
        recipe.name, CurveKind.HAZARD, "", "LOG_LINEAR_DISCOUNT", labels, days.astype(np.int32), rates, recovery_rate=recipe.recovery_rate
    )


def _require_falling_survival(curve: Curve, quotes: tuple[Quote, ...]) -> None:
    exponents = np.concatenate([[0.0], curve.zero_rates * curve.pillar_days])
    for number in np.flatnonzero(np.diff(exponents) < 0.0).tolist():
        before = quotes[number - 1].name if number else "the valuation date"
        message = (
            f"the premiums up to {quotes[number].name} are so inverted that the hazard rate from {before} to it is negative; "
            "correct one of the two"
        )
        raise CalibrationError((Problem("quotes", quotes[number].name, "value", "negative_hazard", message),))
