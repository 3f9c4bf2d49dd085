"""Curves from quotes: one bootstrap and a thousand scenarios of the quotes, against QuantLib on the same quotes.

    python -m benchmarks.bootstrap --json

Both sides build a set of curves in three currencies (discount and forecast curves, and curves under foreign collateral). Instruments are
prepared once on both sides, which is reported apart. `ratio` compares what each side does when all quotes move by a basis point: both start
from the curves before. `cold_ratio` starts ours from the quotes alone. `scenario_ratio` compares 1,000 scenarios of shocks of tens of basis
points; QuantLib bootstraps a sample of them. Figures are the best of `REPEATS`, in processor time of one thread.
"""

import argparse
import datetime
import json
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from pricers.calibration.bootstrap import calibration_system
from pricers.calibration.calibrated import Calibration, CalibrationSystem
from pricers.calibration.quotes import Instrument
from pricers.time.dates import to_day
from tests.oracles.quantlib_curves import QuantLibCurves, quantlib_curves
from tests.oracles.quote_sets import three_currencies

AS_OF: Final = to_day(datetime.date(2026, 11, 30))
SCENARIOS: Final = 1_000
QUANTLIB_SCENARIOS: Final = 10
REPEATS: Final = 5
BASIS_POINT: Final = 1e-4


def shocked_quotes(system: CalibrationSystem, *, count: int, seed: int) -> np.ndarray:
    """float64[quote, scenario]: a level and a tilt for each curve, of 40 and 30 basis points (a tenth of it for forward points and spreads
    between currencies), and a basis point of noise for each quote."""
    rng = np.random.default_rng(seed)
    curve = np.repeat(np.arange(len(system.recipes)), np.diff(system.pillar_offsets))
    level, tilt = (rng.normal(0.0, size, (len(system.recipes), count))[curve] for size in (0.004, 0.003))
    slope = np.minimum(np.concatenate(system.pillar_days) / 3650.0, 1.5)[:, None] - 0.5
    is_cross = np.array([quote.instrument in (Instrument.FX_SWAP, Instrument.XCCY_BASIS) for quote in system.quotes])
    moves = np.where(is_cross, 0.1, 1.0)[:, None] * (level + slope * tilt) + rng.normal(0.0, BASIS_POINT, level.shape)
    return np.array([quote.value for quote in system.quotes])[:, None] + units(system)[:, None] * moves


def units(system: CalibrationSystem) -> np.ndarray:
    """float64[quote]: change of a quote's value for a change of 1 in its rate."""
    return np.array([-100.0 if quote.instrument is Instrument.RATE_FUTURE else 1.0 for quote in system.quotes])


def best(function: Callable[[], Any]) -> float:
    """Seconds of processor time, the best of several calls."""
    seconds = []
    for _ in range(REPEATS):
        start = time.thread_time()
        function()
        seconds.append(time.thread_time() - start)
    return min(seconds)


def quantlib_bootstrap(theirs: QuantLibCurves, values: np.ndarray) -> None:
    """Move the quotes and have every curve bootstrapped."""
    for quote, value in zip(theirs.quotes, values.tolist(), strict=True):
        quote.setValue(value)
    for curve in theirs.curves:
        curve.discount(1.0)


def largest_residual(calibration: Calibration, values: np.ndarray, zero_rates: np.ndarray) -> float:
    """Largest residual over a sample of scenarios, with the curves that the scenarios gave as they are."""
    sample = range(0, values.shape[1], 50)
    return max(
        calibration.system.largest_residual(np.ascontiguousarray(values[:, s]), np.ascontiguousarray(zero_rates[:, s])) for s in sample
    )


def measure(seed: int) -> dict[str, float | int]:
    """All figures."""
    made = three_currencies()

    def prepare() -> CalibrationSystem:
        return calibration_system(made.quotes, made.recipes, as_of=AS_OF, fx_spots=made.fx_spots)

    system = prepare()
    calibration = system.solve()
    theirs = quantlib_curves(system, fx_spots=made.fx_spots)
    difference = float(np.max(np.abs(theirs.zero_rates(system) - calibration.zero_rates)))
    values, moved = calibration.values, calibration.values + BASIS_POINT * units(system)
    system.solve(moved, start=calibration.zero_rates)
    cold, warm = best(system.solve), best(lambda: system.solve(moved, start=calibration.zero_rates))
    turns = iter(range(10**6))
    quantlib = best(lambda: quantlib_bootstrap(theirs, values if next(turns) % 2 else moved))

    shocked = shocked_quotes(system, count=SCENARIOS, seed=seed)
    zero_rates = calibration.under(shocked)
    scenarios = best(lambda: calibration.under(shocked))
    columns = [np.ascontiguousarray(shocked[:, k]) for k in range(QUANTLIB_SCENARIOS)]
    start = time.thread_time()
    for column in columns:
        quantlib_bootstrap(theirs, column)
    quantlib_scenarios = (time.thread_time() - start) / QUANTLIB_SCENARIOS * SCENARIOS
    residual = max(float(np.max(np.abs(calibration.residuals))), largest_residual(calibration, shocked, zero_rates))
    return {
        "quotes": values.size,
        "curves": len(system.recipes),
        "prepare_ms": best(prepare) * 1e3,
        "bootstrap_ms": warm * 1e3,
        "cold_bootstrap_ms": cold * 1e3,
        "quantlib_bootstrap_ms": quantlib * 1e3,
        "ratio": quantlib / warm,
        "cold_ratio": quantlib / cold,
        "scenarios": SCENARIOS,
        "scenario_us": scenarios / SCENARIOS * 1e6,
        "quantlib_scenario_us": quantlib_scenarios / SCENARIOS * 1e6,
        "scenario_ratio": quantlib_scenarios / scenarios,
        "max_residual": residual,
        "max_zero_rate_difference": difference,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    figures = measure(options.seed)
    if options.json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name:26} {value:.6g}")


if __name__ == "__main__":
    main()
