"""Curves from quotes against QuantLib's piecewise curves: the same quotes, conventions and pillars."""

import datetime
import itertools
from dataclasses import replace

import numpy as np
import pytest

from pricers.calibration.bootstrap import calibration_system
from pricers.calibration.calibrated import Calibration
from pricers.calibration.quotes import CurveRecipe, Instrument, Quote
from pricers.market.curves import discount_factors
from pricers.market.fixings import Fixings, FixingSeries
from pricers.time.dates import to_day
from tests.oracles.quantlib_curves import quantlib_curves
from tests.oracles.quote_sets import QuoteSet, three_currencies

AS_OF = to_day(datetime.date(2026, 11, 30))
QUANTLIB_TOLERANCE = 1e-11  # of zero rates; QuantLib's own bootstrap stops at 1e-12


def system_of(made: QuoteSet, *, as_of: int = AS_OF):
    return calibration_system(made.quotes, made.recipes, as_of=as_of, fx_spots=made.fx_spots)


def assert_equals_quantlib(made: QuoteSet, *, as_of: int = AS_OF, tolerance: float = QUANTLIB_TOLERANCE) -> Calibration:
    system = system_of(made, as_of=as_of)
    calibration = system.solve()
    assert np.max(np.abs(calibration.residuals)) <= 1e-13
    theirs = quantlib_curves(system, fx_spots=made.fx_spots)
    for curve, days in zip(theirs.curves, system.pillar_days, strict=True):
        assert [date.serialNumber() - curve.referenceDate().serialNumber() for date in curve.dates()[1:]] == days.tolist()
    difference = np.abs(theirs.zero_rates(system) - calibration.zero_rates)
    worst = int(np.argmax(difference))
    assert difference[worst] <= tolerance, (system.quotes[worst].name, difference[worst])
    return calibration


def one_curve(name: str, quotes: list[Quote], *others: CurveRecipe, **terms) -> QuoteSet:
    used = {quote for recipe in others for quote in recipe.quotes}
    own = tuple(quote.name for quote in quotes if quote.name not in used)
    return QuoteSet(tuple(quotes), (CurveRecipe(name, name[:3], own, **terms), *others), {"EUR/USD": 1.16})


@pytest.mark.parametrize("interpolation", ["LOG_LINEAR_DISCOUNT", "LINEAR_ZERO"])
def test_a_set_of_three_currencies_equals_quantlib(interpolation):
    made = three_currencies(interpolation)
    assert len(made.quotes) >= 150
    assert_equals_quantlib(made)


@pytest.mark.parametrize("currency", ["USD", "EUR", "GBP", "CHF", "JPY", "CAD", "AUD"])
def test_overnight_swaps_that_start_on_a_month_end_equal_quantlib(currency):
    index = {"USD": "SOFR", "EUR": "ESTR", "GBP": "SONIA", "CHF": "SARON", "JPY": "TONA", "CAD": "CORRA", "AUD": "AONIA"}[currency]
    quotes = [
        Quote(t, Instrument.OIS, 0.01 + 0.0003 * k, f"{currency}-FIXED-1Y-{index}-OIS", t)
        for k, t in enumerate(("1W", "1M", "6M", "1Y", "18M", "2Y", "5Y", "30Y"))
    ]
    for day in range(to_day(datetime.date(2027, 2, 24)), to_day(datetime.date(2027, 3, 2))):
        assert_equals_quantlib(one_curve(f"{currency}-{index}", quotes), as_of=day)


def test_the_front_of_a_curve_by_deposits_futures_and_dated_swaps_equals_quantlib():
    meetings = [to_day(datetime.date(2026, 12, 2)), to_day(datetime.date(2027, 1, 29)), to_day(datetime.date(2027, 3, 19))]
    quotes = [
        Quote("ON", Instrument.DEPOSIT, 0.0361, "USD-SOFR", "ON"),
        Quote("TN", Instrument.DEPOSIT, 0.0362, "USD-SOFR", "TN"),
        *(
            Quote(f"FOMC.{k}", Instrument.OIS, 0.0360 - 0.0005 * k, "USD-FIXED-TERM-SOFR-OIS", start=start, end=end)
            for k, (start, end) in enumerate(itertools.pairwise(meetings))
        ),
        Quote("FUT.MAR27", Instrument.RATE_FUTURE, 96.52, "USD-SOFR-3M-IMM", "MAR27", convexity_adjustment=2e-6),
        Quote("FUT.JUN27", Instrument.RATE_FUTURE, 96.60, "USD-SOFR-3M-IMM", "JUN27", convexity_adjustment=5e-6),
        Quote("2Y", Instrument.OIS, 0.0341, "USD-FIXED-1Y-SOFR-OIS", "2Y"),
    ]
    made = one_curve("USD-SOFR", quotes)
    system = system_of(made)
    calibration = system.solve()
    assert np.max(np.abs(calibration.residuals)) <= 1e-13
    # QuantLib pays a dated swap without lag on its own curve, so that its pillars differ: compare without these.
    undated = QuoteSet(
        tuple(q for q in quotes if q.start is None), (replace(made.recipes[0], quotes=("ON", "TN", "FUT.MAR27", "FUT.JUN27", "2Y")),), {}
    )
    assert_equals_quantlib(undated)


def test_a_future_in_its_quarter_uses_published_rates():
    as_of, start, end = (to_day(datetime.date(2026, *day)) for day in ((11, 30), (9, 16), (12, 16)))
    days = np.arange(start, as_of, dtype=np.int32)
    fixings = Fixings({"USD-SOFR": FixingSeries(days, np.full(days.size, 0.04))})
    quotes = [Quote("SEP26", Instrument.RATE_FUTURE, 96.1, "USD-SOFR-3M-IMM", "SEP26")]
    made = one_curve("USD-SOFR", quotes)
    (curve,) = calibration_system(made.quotes, made.recipes, as_of=as_of, fixings=fixings).solve().curves
    growth, day = 1.0, start
    while day < as_of:  # from one business day to the next: 12 October and 11 and 26 November are holidays
        later = day + 1
        while np.datetime64(later, "D").astype(datetime.date).weekday() >= 5 or str(np.datetime64(later, "D")) in (
            "2026-10-12", "2026-11-11", "2026-11-26",
        ):  # fmt: skip
            later += 1
        growth *= 1.0 + 0.04 * (later - day) / 360.0
        day = later
    factor = discount_factors(curve, days=np.array([end - as_of]))[0]
    assert (growth / factor - 1.0) / ((end - start) / 360.0) == pytest.approx(0.039, abs=1e-14)


def test_tenor_basis_of_two_term_indices_equals_quantlib():
    estr = [Quote(f"OIS.{t}", Instrument.OIS, 0.02 + 0.0002 * k, "EUR-FIXED-1Y-ESTR-OIS", t) for k, t in enumerate(("1Y", "5Y", "10Y"))]
    swaps = [
        Quote("6M", Instrument.DEPOSIT, 0.0222, "EUR-EURIBOR-6M"),
        *(Quote(f"6M.{t}", Instrument.IRS, 0.023 + 0.0002 * k, "EUR-FIXED-1Y-EURIBOR-6M", t) for k, t in enumerate(("2Y", "5Y", "10Y"))),
    ]
    basis = [
        Quote("3M", Instrument.DEPOSIT, 0.0215, "EUR-EURIBOR-3M"),
        *(Quote(f"3s6s.{t}", Instrument.TENOR_BASIS, 0.0006, "EUR-EURIBOR-3M-EURIBOR-6M", t) for t in ("2Y", "5Y", "10Y")),
    ]
    named = {"EUR-EURIBOR-3M": basis, "EUR-EURIBOR-6M": swaps, "EUR-ESTR": estr}
    recipes = tuple(CurveRecipe(name, "EUR", tuple(quote.name for quote in quotes)) for name, quotes in named.items())
    assert_equals_quantlib(QuoteSet((*estr, *swaps, *basis), recipes, {}))
    # the other way round: 3M from swaps, 6M from the basis, with ESTR against EURIBOR too
    swapped = [replace(quote, convention="EUR-FIXED-1Y-EURIBOR-3M") if quote.instrument is Instrument.IRS else quote for quote in swaps]
    swapped[0] = replace(swapped[0], convention="EUR-EURIBOR-3M")
    basis[0] = replace(basis[0], convention="EUR-EURIBOR-6M")
    named = {"EUR-EURIBOR-3M": swapped, "EUR-EURIBOR-6M": basis, "EUR-ESTR": estr}
    recipes = tuple(CurveRecipe(name, "EUR", tuple(quote.name for quote in quotes)) for name, quotes in named.items())
    assert_equals_quantlib(QuoteSet((*estr, *swapped, *basis), recipes, {}))


def test_forward_points_before_spot_equal_quantlib():
    usd = [Quote(f"USD.{t}", Instrument.OIS, 0.036, "USD-FIXED-1Y-SOFR-OIS", t) for t in ("1W", "1Y")]
    points = [
        Quote(f"FX.{t}", Instrument.FX_SWAP, value, "EUR/USD", t)
        for t, value in (("ON", 0.00006), ("TN", 0.00007), ("1W", 0.0004), ("1Y", 0.019))
    ]
    made = one_curve("EUR-IN-USD", [*points, *usd], CurveRecipe("USD-SOFR", "USD", ("USD.1W", "USD.1Y")), collateral_currency="USD")
    system = system_of(made)
    calibration = system.solve()
    euros, dollars = (next(c for c in calibration.curves if c.name == name) for name in ("EUR-IN-USD", "USD-SOFR"))
    rate = discount_factors(euros, days=np.arange(400)) / discount_factors(dollars, days=np.arange(400))
    spot = to_day(datetime.date(2026, 12, 2)) - AS_OF
    forward = 1.16 * rate / rate[spot]  # by days; today is a Monday, spot is Wednesday
    assert forward[1] - forward[0] == pytest.approx(0.00006, abs=1e-15)
    assert forward[2] - forward[1] == pytest.approx(0.00007, abs=1e-15)
    assert forward[9] - forward[2] == pytest.approx(0.0004, abs=1e-15)


def test_constant_notional_basis_equals_quantlib():
    made = three_currencies()
    quotes = tuple(
        replace(quote, convention=f"{quote.convention}-CONSTANT") if quote.instrument is Instrument.XCCY_BASIS else quote
        for quote in made.quotes
    )
    # QuantLib leaves out the two days from today to spot in the ratio of both legs.
    assert_equals_quantlib(made._replace(quotes=quotes), tolerance=2e-8)
