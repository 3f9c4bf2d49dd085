"""Calibrations: interpolations, groups of curves solved together, given curves, derivatives and scenarios of quotes."""

import datetime
import functools
from dataclasses import replace

import numpy as np
import pytest
import QuantLib as ql

from pricers.calibration.bootstrap import calibration_system
from pricers.calibration.order import KnownCurve
from pricers.calibration.quotes import CalibrationError, CurveRecipe, Instrument, Quote
from pricers.calibration.sampling import sample, sampled_days
from pricers.market.curves import discount_factors
from pricers.time.dates import to_day
from tests.oracles.quote_sets import three_currencies

AS_OF = to_day(datetime.date(2026, 11, 30))
TENORS = ("3M", "1Y", "2Y", "3Y", "5Y", "7Y", "10Y", "20Y", "30Y")
RATES = (0.036, 0.034, 0.0325, 0.0328, 0.034, 0.0352, 0.0365, 0.038, 0.0375)
OIS = [Quote(t, Instrument.OIS, rate, "USD-FIXED-1Y-SOFR-OIS", t) for t, rate in zip(TENORS, RATES, strict=True)]


@functools.cache
def three_currency_system(interpolation="LOG_LINEAR_DISCOUNT"):
    made = three_currencies(interpolation)
    return calibration_system(made.quotes, made.recipes, as_of=AS_OF, fx_spots=made.fx_spots)


@pytest.mark.parametrize("rates", [RATES, (0.01, 0.02, 0.0, 0.03, -0.01, 0.02, 0.02, 0.01, 0.0)])
def test_the_monotone_cubic_is_quantlibs(rates):
    days = np.array([91, 365, 730, 1095, 1826, 2557, 3652, 7305, 10957], np.int64)
    zero_rates = np.array(rates)
    knots = sampled_days(days)
    theirs = ql.MonotonicCubicNaturalSpline([0.0, *days.tolist()], [0.0, *(zero_rates * days).tolist()])
    expected = np.array([theirs(float(day)) for day in knots.tolist()]) / knots
    np.testing.assert_allclose(sample(days, zero_rates, knots), expected, rtol=0, atol=1e-15)


def test_a_cubic_curve_reprices_its_quotes_on_the_knots_that_it_delivers():
    recipe = CurveRecipe("USD-SOFR", "USD", TENORS, "MONOTONE_CUBIC")
    calibration = calibration_system(OIS, [recipe], as_of=AS_OF).solve()
    (curve,) = calibration.curves
    assert np.max(np.abs(calibration.residuals)) <= 1e-13
    assert curve.interpolation == "LOG_LINEAR_DISCOUNT"
    assert 1_300 < curve.pillar_days.size < 1_800
    # the annual swap of two years from 2 December, by its own discount factors
    starts = [to_day(datetime.date(2026 + k, 12, day)) - AS_OF for k, day in ((0, 2), (1, 2), (2, 4))]
    pays = [to_day(datetime.date(2027 + k, 12, day)) - AS_OF for k, day in ((0, 6), (1, 6))]
    factor = dict(zip([*starts, *pays], discount_factors(curve, days=np.array([*starts, *pays])), strict=True))
    periods = list(zip(starts[:-1], starts[1:], pays, strict=True))
    floating = sum((factor[s] / factor[e] - 1.0) * factor[p] for s, e, p in periods)
    annuity = sum((e - s) / 360.0 * factor[p] for s, e, p in periods)
    assert floating / annuity == pytest.approx(0.0325, abs=1e-13)


def test_curves_of_one_group_are_solved_together():
    # Swaps give the 6M curve at 5 and 10 years and the 3M curve at 2; the basis, quoted on all, couples them.
    ois = [Quote(f"OIS.{t}", Instrument.OIS, 0.02 + 0.0004 * k, "EUR-FIXED-1Y-ESTR-OIS", t) for k, t in enumerate(("2Y", "5Y", "10Y"))]
    quotes = {
        "EUR-EURIBOR-3M": [
            Quote("3M.2Y", Instrument.IRS, 0.0225, "EUR-FIXED-1Y-EURIBOR-3M", "2Y"),
            *(Quote(f"A.{t}", Instrument.TENOR_BASIS, 0.0005, "EUR-EURIBOR-3M-EURIBOR-6M", t) for t in ("5Y", "10Y")),
        ],
        "EUR-EURIBOR-6M": [
            Quote("B.2Y", Instrument.TENOR_BASIS, 0.0006, "EUR-EURIBOR-3M-EURIBOR-6M", "2Y"),
            *(Quote(f"6M.{t}", Instrument.IRS, rate, "EUR-FIXED-1Y-EURIBOR-6M", t) for t, rate in (("5Y", 0.0245), ("10Y", 0.027))),
        ],
    }
    recipes = [CurveRecipe(name, "EUR", tuple(quote.name for quote in of), solve_group="EURIBOR") for name, of in quotes.items()]
    estr = CurveRecipe("EUR-ESTR", "EUR", tuple(quote.name for quote in ois))
    every = [*ois, *quotes["EUR-EURIBOR-3M"], *quotes["EUR-EURIBOR-6M"]]
    calibration = calibration_system(every, [*recipes, estr], as_of=AS_OF).solve()
    assert np.max(np.abs(calibration.residuals)) <= 1e-13
    with pytest.raises(
        CalibrationError, match="EUR-EURIBOR-3M, EUR-EURIBOR-6M depend on each other in a circle; give them one solve_group"
    ):
        calibration_system(every, [*(replace(recipe, solve_group="") for recipe in recipes), estr], as_of=AS_OF)


def test_instruments_read_given_curves():
    made = three_currencies()
    whole = three_currency_system().solve()
    given = [KnownCurve(curve) for curve in whole.curves if curve.name in ("USD-SOFR", "EUR-ESTR")]
    recipe = next(recipe for recipe in made.recipes if recipe.name == "EUR-IN-USD")
    alone = calibration_system(made.quotes, [recipe], as_of=AS_OF, fx_spots=made.fx_spots, known=given).solve()
    expected = next(curve for curve in whole.curves if curve.name == "EUR-IN-USD")
    assert alone.curves[0].pillar_labels == expected.pillar_labels
    np.testing.assert_allclose(alone.curves[0].zero_rates, expected.zero_rates, rtol=0, atol=1e-14)


@pytest.mark.parametrize("interpolation", ["LOG_LINEAR_DISCOUNT", "MONOTONE_CUBIC"])
def test_the_jacobian_equals_bumped_quotes(interpolation):
    system = three_currency_system(interpolation)
    calibration = system.solve()
    size = calibration.values.size
    assert calibration.jacobian.shape == (size, size)
    for quote in np.random.default_rng(5).choice(size, 4, replace=False).tolist():
        step = np.zeros(size)
        step[quote] = 1e-5 * (100.0 if system.quotes[quote].instrument is Instrument.RATE_FUTURE else 1.0)
        by_bump = (system.solve(calibration.values + step).zero_rates - system.solve(calibration.values - step).zero_rates) / 2e-5
        sign = -1.0 if system.quotes[quote].instrument is Instrument.RATE_FUTURE else 1.0
        np.testing.assert_allclose(sign * by_bump, calibration.jacobian[:, quote], rtol=0, atol=2e-5)


@pytest.mark.parametrize("interpolation", ["LOG_LINEAR_DISCOUNT", "LINEAR_ZERO"])
def test_scenarios_of_quotes_equal_newtons_method(interpolation):
    system = three_currency_system(interpolation)
    calibration = system.solve()
    rng = np.random.default_rng(7)
    size = np.array([100.0 if quote.instrument is Instrument.RATE_FUTURE else 1.0 for quote in system.quotes])
    values = calibration.values[:, None] + size[:, None] * (rng.normal(0.0, 0.005, 70) + rng.normal(0.0, 1e-4, (size.size, 70)))
    zero_rates = calibration.under(values)
    for scenario in (0, 13, 69):
        alone = system.solve(np.ascontiguousarray(values[:, scenario]))
        np.testing.assert_allclose(zero_rates[:, scenario], alone.zero_rates, rtol=0, atol=1e-13)


def test_scenarios_of_a_sampled_curve_equal_newtons_method():
    system = calibration_system(OIS, [CurveRecipe("USD-SOFR", "USD", TENORS, "MONOTONE_CUBIC")], as_of=AS_OF)
    calibration = system.solve()
    values = calibration.values[:, None] + np.array([0.0, 0.0001, -0.01])
    zero_rates = calibration.under(values)
    np.testing.assert_allclose(zero_rates[:, 2], system.solve(values[:, 2].copy()).curves[0].zero_rates, rtol=0, atol=1e-13)


def test_a_scenario_that_no_curve_meets_is_refused():
    calibration = calibration_system(OIS, [CurveRecipe("USD-SOFR", "USD", TENORS)], as_of=AS_OF).solve()
    values = calibration.values[:, None] + np.array([0.0, 1e-4])
    values[3, 1] = -5.0
    with pytest.raises(CalibrationError, match="no curve meets the quote 3Y"):
        calibration.under(values)
