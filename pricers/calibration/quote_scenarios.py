"""Moves of quotes as scenarios of the market: the curves are built again from the moved quotes, and contracts are valued on them.

PAR DV01 is defined by such scenarios and not by derivatives, which miss about a thousandth of it on a book.
"""

from collections.abc import Mapping
from typing import Final

import numpy as np
from jaxtyping import Float

from pricers.calibration.calibrated import Calibration
from pricers.calibration.quotes import Instrument, Quote
from pricers.core.compiled import Compiled
from pricers.market.market import Market, Scenarios
from pricers.measures import BASIS_POINT
from pricers.value.revaluation import present_values

PRICE_TICK: Final = -0.01
"""The move of a future's price whose rate moves by a basis point."""


def quote_scenarios(calibration: Calibration, moves: Float[np.ndarray, "quote scenario"]) -> Scenarios:
    """Scenarios in which quotes move and curves follow.

    Args:
        calibration: today's curves.
        moves: added to the quotes, in the order of `calibration.system.quotes` and in their units.
    Returns:
        Shifts of the calibrated curves at their pillars (of a sampled curve: at its knots). Curves that do not move are left out.
    Raises:
        CalibrationError: moved quotes that no curves meet.
    """
    system = calibration.system
    first = int(system.knot_offsets[len(system.known)])
    shifts = calibration.under(calibration.values[:, None] + moves) - calibration.knots[first:, None]
    moved = np.any(moves != 0.0, axis=0)
    shifts[:, ~moved] = 0.0  # a scenario of no moves moves nothing, not even a last bit
    by_curve = {}
    for number, recipe in enumerate(system.recipes):
        rows = slice(*(system.knot_offsets[len(system.known) + number : len(system.known) + number + 2] - first))
        if np.any(shifts[rows]):
            by_curve[recipe.name] = np.ascontiguousarray(shifts[rows])
    return Scenarios(count=moves.shape[1], shifts=by_curve)


def basis_point_moves(calibration: Calibration) -> Float[np.ndarray, " quote"]:
    """By how much each quote moves for one basis point (see `basis_point_move`)."""
    return np.array([basis_point_move(quote, calibration.system.fx_spots) for quote in calibration.system.quotes])


def basis_point_move(quote: Quote, fx_spots: Mapping[str, float]) -> float:
    """The move of a quote for one basis point, in its unit: 0.0001 of a rate or spread, -0.01 of a price, and for forward points a
    ten-thousandth of the spot rate, which `fx_spots` has by pair."""
    if quote.instrument is Instrument.RATE_FUTURE:
        return PRICE_TICK
    return BASIS_POINT * fx_spots[quote.convention] if quote.instrument is Instrument.FX_SWAP else BASIS_POINT


def par_dv01(compiled: Compiled, *, market: Market, calibration: Calibration) -> Float[np.ndarray, "row quote"]:
    """What each row gains where one quote moves up by a basis point and all curves are built again.

    Args:
        compiled: from `compile_contracts`, for the market's date.
        market: has the curves of the calibration.
        calibration: its quotes are the columns, in the order of `calibration.system.quotes`.
    Returns:
        Base currency; NaN for a row without a value.
    Raises:
        ValueError: a curve of the calibration is not in the market, or has other pillars there.
    """
    moves = np.diag(basis_point_moves(calibration))
    scenarios = quote_scenarios(calibration, np.concatenate([np.zeros((moves.shape[0], 1)), moves], axis=1))
    values = present_values(compiled, market=market, scenarios=scenarios)
    gains: np.ndarray = values[:, 1:] - values[:, :1]
    return gains
