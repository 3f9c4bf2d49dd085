"""Moves of quotes as scenarios: a par swap depends on its own quote alone, and ladders over quotes equal bootstrapping again."""

import datetime
import functools

import numpy as np
import pytest

from pricers import RowStatus, compile_contracts, contracts_of, pricer, value_contracts
from pricers.calibration.bootstrap import calibration_system
from pricers.calibration.calibrated import Calibration
from pricers.calibration.quote_scenarios import basis_point_moves, par_dv01, quote_scenarios
from pricers.calibration.quotes import CalibratedInterpolation
from pricers.market.market import Curve, CurveKind, Market
from pricers.measures import Measure
from pricers.time.dates import to_day
from tests.oracles.quote_sets import three_currencies

AS_OF = to_day(datetime.date(2026, 11, 30))
NOTIONAL = 10_000_000.0


@functools.cache
def calibrated(interpolation: CalibratedInterpolation = "LOG_LINEAR_DISCOUNT") -> Calibration:
    made = three_currencies(interpolation)
    return calibration_system(made.quotes, made.recipes, as_of=AS_OF, fx_spots=made.fx_spots).solve()


def market_of(calibration: Calibration) -> Market:
    other = Curve("OTHER", CurveKind.RATE, "USD", "LINEAR_ZERO", ("1Y",), np.array([365], np.int32), np.array([0.03]))
    return Market(AS_OF, "USD", (*calibration.curves, other), {"USD": 1.0, "EUR": 1.163, "GBP": 1.324})


def swaps(*rows: tuple[str, str, str, float]):
    """(convention, discount curve, years as a tenor, fixed rate) from spot; payers of the rate."""
    columns = pricer("INTEREST_RATE_SWAP").columns
    start = datetime.date(2026, 12, 2)
    terms = []
    for convention, curve, tenor, rate in rows:
        first = datetime.date(2026, 11, 30) if convention.startswith("GBP") else start
        last = first.replace(year=first.year + int(tenor[:-1]))
        terms.append(
            {
                "currency": convention[:3], "notional": -NOTIONAL, "convention": convention, "fixed_rate": rate, "discount_curve": curve,
                "start_date": to_day(first), "maturity_date": to_day(last),
            }
        )  # fmt: skip
    return contracts_of(columns, terms)


def quoted(calibration: Calibration, *names: str) -> list[float]:
    value = {quote.name: quote.value for quote in calibration.system.quotes}
    return [value[name] for name in names]


def test_a_par_swap_is_worth_nothing_and_has_its_whole_par_dv01_in_its_own_quote():
    calibration = calibrated()
    names = ["USD.OIS.5Y", "EUR.OIS.10Y", "GBP.OIS.20Y", "EUR.6M.IRS.7Y", "EUR.3M.IRS.30Y", "USD.3M.IRS.4Y"]
    conventions = [
        "USD-FIXED-1Y-SOFR-OIS", "EUR-FIXED-1Y-ESTR-OIS", "GBP-FIXED-1Y-SONIA-OIS", "EUR-FIXED-1Y-EURIBOR-6M", "EUR-FIXED-1Y-EURIBOR-3M",
        "USD-FIXED-1Y-TERM-SOFR-3M",
    ]  # fmt: skip
    curves = {"USD": "USD-SOFR", "EUR": "EUR-ESTR", "GBP": "GBP-SONIA"}
    rows = [
        (convention, curves[convention[:3]], name.rpartition(".")[2], rate)
        for name, convention, rate in zip(names, conventions, quoted(calibration, *names), strict=True)
    ]
    contracts, market = swaps(*rows), market_of(calibration)
    pv = value_contracts("INTEREST_RATE_SWAP", contracts, market=market).values[Measure.PV_BASE]
    assert np.max(np.abs(pv)) < 1e-13 * NOTIONAL * 10.0
    compiled = compile_contracts("INTEREST_RATE_SWAP", contracts, as_of=AS_OF)
    ladder = par_dv01(compiled, market=market, calibration=calibration)
    place = {quote.name: number for number, quote in enumerate(calibration.system.quotes)}
    for row, name in enumerate(names):
        own = ladder[row, place[name]]
        rest = np.delete(ladder[row], place[name])
        tenor = int(name.rpartition(".")[2][:-1])
        assert 0.5 * tenor < own / (NOTIONAL * 1e-4) < 1.4 * tenor  # a payer gains the annuity
        assert np.max(np.abs(rest)) < 1e-8 * NOTIONAL


def test_a_quoted_cross_currency_swap_is_worth_nothing_and_depends_on_its_own_quote():
    calibration = calibrated()
    names = ["EUR.XCCY.5Y", "EUR.XCCY.20Y", "GBP.XCCY.10Y"]
    rows = [
        {
            "receive_leg_currency": name[:3], "pay_leg_currency": "USD", "notional": NOTIONAL, "spread": rate,
            "convention": f"USD-SOFR-{ {'EUR': 'EUR-ESTR', 'GBP': 'GBP-SONIA'}[name[:3]]}-XCCY",
            "fx_reset_index": {"EUR": "EUR-USD-ECB", "GBP": "GBP-USD-WMR"}[name[:3]],
            "start_date": to_day(datetime.date(2026, 12, 2)),
            "maturity_date": to_day(datetime.date(2026 + int(name.split(".")[2][:-1]), 12, 2)),
            "receive_leg_discount_curve": f"{name[:3]}-IN-USD", "pay_leg_discount_curve": "USD-SOFR",
        }
        for name, rate in zip(names, quoted(calibration, *names), strict=True)
    ]  # fmt: skip
    contracts, market = contracts_of(pricer("CROSS_CURRENCY_SWAP").columns, rows), market_of(calibration)
    valuation = value_contracts("CROSS_CURRENCY_SWAP", contracts, market=market)
    assert valuation.status.tolist() == [RowStatus.OK] * 3, valuation.messages
    assert np.max(np.abs(valuation.values[Measure.PV_BASE])) < 1e-12 * NOTIONAL
    compiled = compile_contracts("CROSS_CURRENCY_SWAP", contracts, as_of=AS_OF)
    ladder = par_dv01(compiled, market=market, calibration=calibration)
    place = {quote.name: number for number, quote in enumerate(calibration.system.quotes)}
    for row, name in enumerate(names):
        assert ladder[row, place[name]] < -4e-4 * NOTIONAL  # the spread of today is received, while a new swap would receive more
        assert np.max(np.abs(np.delete(ladder[row], place[name]))) < 1e-8 * NOTIONAL


@pytest.mark.parametrize("interpolation", ["LOG_LINEAR_DISCOUNT", "MONOTONE_CUBIC"])
def test_par_dv01_equals_valuation_on_curves_built_from_the_moved_quote(interpolation):
    calibration = calibrated(interpolation)
    system = calibration.system
    contracts = swaps(("EUR-FIXED-1Y-EURIBOR-6M", "EUR-IN-USD", "9Y", 0.03))
    compiled = compile_contracts("INTEREST_RATE_SWAP", contracts, as_of=AS_OF)
    moves = basis_point_moves(calibration)
    wanted = [
        n for n, q in enumerate(system.quotes) if q.name in ("EUR.XCCY.10Y", "EUR.FX.6M", "EUR.6M.IRS.9Y", "USD.OIS.8Y", "EUR.OIS.2Y")
    ]
    scenarios = quote_scenarios(calibration, np.diag(moves)[:, wanted])
    assert scenarios.count == len(wanted)
    market = market_of(calibration)
    gains = par_dv01(compiled, market=market, calibration=calibration)[0, wanted] if interpolation == "LOG_LINEAR_DISCOUNT" else None
    before = value_contracts("INTEREST_RATE_SWAP", contracts, market=market).values[Measure.PV_BASE][0]
    for place, number in enumerate(wanted):
        values = calibration.values.copy()
        values[number] += moves[number]
        moved = system.solve(values)
        for curve, today in zip(moved.curves, calibration.curves, strict=True):
            shift = scenarios.shifts.get(curve.name, np.zeros((curve.zero_rates.size, len(wanted))))[:, place]
            np.testing.assert_allclose(curve.zero_rates - today.zero_rates, shift, rtol=0, atol=1e-13)
        after = value_contracts("INTEREST_RATE_SWAP", contracts, market=market_of(moved)).values[Measure.PV_BASE][0]
        if gains is not None:
            assert gains[place] == pytest.approx(after - before, abs=1e-13 * NOTIONAL)


def test_units_of_a_basis_point():
    calibration = calibrated()
    move = dict(zip((quote.name for quote in calibration.system.quotes), basis_point_moves(calibration), strict=True))
    assert move["USD.OIS.5Y"] == 1e-4
    assert move["EUR.3M.FUT.MAR27"] == -0.01
    assert move["EUR.FX.1Y"] == pytest.approx(1.163e-4)
    assert move["EUR.XCCY.5Y"] == 1e-4


def test_a_scenario_without_moves_moves_nothing():
    calibration = calibrated()
    assert quote_scenarios(calibration, np.zeros((calibration.values.size, 2))).shifts == {}
