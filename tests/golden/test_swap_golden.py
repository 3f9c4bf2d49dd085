"""Published values of swaps, and published quotes at which swaps are worth nothing: see SOURCES.md."""

from typing import Any

import numpy as np
import pytest

from pricers import Curve, CurveKind, Market, Measure, contracts_of, pricer, value_contracts
from pricers.calibration.bootstrap import calibration_system
from pricers.calibration.order import KnownCurve
from pricers.calibration.quotes import CurveRecipe, Instrument, Quote
from pricers.market.fixings import Fixings
from pricers.market.indices import Index, IndexKind
from pricers.time.dates import to_days

EURIBOR = Index("EURIBOR", IndexKind.TERM, "EUR", "6M", "ACT/360", 2, "TARGET", "", "MODIFIED_FOLLOWING", True, "FLAT")
EONIA = Index("EONIA", IndexKind.OVERNIGHT, "EUR", "", "ACT/360", 0, "TARGET", "", "FOLLOWING", forecast_curve="FLAT")
MORENI_PALLAVICINI = {  # basis points
    "1Y": -14.5, "18M": -18.5, "2Y": -20.5, "3Y": -23.75, "4Y": -25.5, "5Y": -26.5, "7Y": -26.75, "10Y": -26.25, "15Y": -24.75,
    "20Y": -23.25, "30Y": -20.5,
}  # fmt: skip


def day(text: str) -> int:
    return int(to_days(np.array([text], "datetime64[D]"))[0])


def flat(name: str, currency: str, rate: float) -> Curve:
    return Curve(name, CurveKind.RATE, currency, "LOG_LINEAR_DISCOUNT", ("1Y",), np.array([365], np.int32), np.array([rate]))


def value_on_settlement(swap: dict[str, Any], *, as_of: str, settlement: str, rate: float) -> float:
    """Value of one swap on a flat curve from the settlement date on, as the source has it."""
    fixings = Fixings({}, {index.name: index for index in (EURIBOR, EONIA)})
    market = Market(day(as_of), "EUR", (flat("FLAT", "EUR", rate),), {"EUR": 1.0}, fixings)
    contracts = contracts_of(pricer("INTEREST_RATE_SWAP").columns, [swap | {"currency": "EUR", "discount_curve": "FLAT"}])
    valuation = value_contracts("INTEREST_RATE_SWAP", contracts, market=market)
    assert valuation.status.tolist() == [0]
    return float(valuation.values[Measure.PV][0] * np.exp(rate * (day(settlement) - day(as_of)) / 365.0))


@pytest.mark.parametrize(("estimation", "expected"), [("PAR", -5.872863313209), ("INDEXED", -5.872342992212)])
def test_vanilla_swap_has_the_published_value(estimation, expected):
    """QuantLib, test-suite/swap.cpp, testCachedValue: ten years, pays 6 % against EURIBOR and 10 bp."""
    swap = {
        "notional": -100.0, "start_date": "2002-06-19", "maturity_date": "2012-06-19", "receive_leg_rate": 0.06,
        "receive_leg_frequency": "ANNUAL", "receive_leg_day_count": "30/360 BOND BASIS", "receive_leg_calendar": "TARGET",
        "receive_leg_accrual_convention": "UNADJUSTED", "receive_leg_payment_convention": "MODIFIED_FOLLOWING",
        "receive_leg_roll_rule": "FORWARD", "pay_leg_index": "EURIBOR", "pay_leg_spread": 0.001, "pay_leg_frequency": "SEMIANNUAL",
        "pay_leg_payment_convention": "MODIFIED_FOLLOWING", "pay_leg_roll_rule": "FORWARD", "pay_leg_coupon_estimation": estimation,
    }  # fmt: skip
    value = value_on_settlement(swap, as_of="2002-06-17", settlement="2002-06-19", rate=0.05)
    assert value == pytest.approx(expected, rel=0.0, abs=1e-11)


def test_overnight_swap_has_the_published_value():
    """QuantLib, test-suite/overnightindexedswap.cpp, testCachedValue: one year, pays e^0.05 - 1 against EONIA."""
    swap = {
        "notional": -100.0, "start_date": "2009-02-09", "maturity_date": "2010-02-09", "receive_leg_rate": float(np.exp(0.05) - 1.0),
        "receive_leg_day_count": "ACT/360", "receive_leg_calendar": "TARGET", "pay_leg_index": "EONIA",
    }  # fmt: skip
    value = value_on_settlement(swap, as_of="2009-02-05", settlement="2009-02-09", rate=0.05 * 365.0 / 360.0)
    assert value == pytest.approx(0.001730450147, rel=0.0, abs=1e-11)


@pytest.mark.parametrize("convention", ["USD-SOFR-EUR-ESTR-XCCY", "USD-SOFR-EUR-ESTR-XCCY-CONSTANT"])
def test_cross_currency_swaps_are_worth_nothing_at_published_quotes(convention):
    """N. Moreni and A. Pallavicini (2015), table 2, as in QuantLib, test-suite/crosscurrencyratehelpers.cpp, and its flat curves."""
    as_of = day("2013-09-06")
    known = [KnownCurve(flat("EUR-ESTR", "EUR", 0.007)), KnownCurve(flat("USD-SOFR", "USD", 0.015))]
    quotes = [Quote(tenor, Instrument.XCCY_BASIS, basis * 1e-4, convention, tenor) for tenor, basis in MORENI_PALLAVICINI.items()]
    recipe = CurveRecipe("EUR-IN-USD", "EUR", tuple(MORENI_PALLAVICINI), "LOG_LINEAR_DISCOUNT", collateral_currency="USD")
    calibration = calibration_system(quotes, [recipe], as_of=as_of, fx_spots={"EUR/USD": 1.25}, known=known).solve()
    curves = (*(each.curve for each in known), *calibration.curves)
    start = day("2013-09-10")
    lag = np.exp((0.015 * 4) / 365.0) * np.exp(-np.interp(4, calibration.curves[0].pillar_days, calibration.curves[0].zero_rates) * 4 / 365)
    market = Market(as_of, "EUR", curves, {"EUR": 1.0, "USD": 1.0 / (1.25 / lag)})
    rows = [
        {
            "receive_leg_currency": "EUR", "pay_leg_currency": "USD", "notional": 1.0, "pay_leg_notional": 1.25, "convention": convention,
            "spread": basis * 1e-4, "start_date": start, "maturity_date": maturity(tenor), "receive_leg_discount_curve": "EUR-IN-USD",
            "pay_leg_discount_curve": "USD-SOFR",
        }
        for tenor, basis in MORENI_PALLAVICINI.items()
    ]  # fmt: skip
    valuation = value_contracts("CROSS_CURRENCY_SWAP", contracts_of(pricer("CROSS_CURRENCY_SWAP").columns, rows), market=market)
    assert valuation.status.tolist() == [0] * len(rows)
    tolerance = 1e-12 if convention.endswith("XCCY") else 1e-8
    assert np.abs(valuation.values[Measure.PV]).max() <= tolerance, valuation.values[Measure.PV]


def maturity(tenor: str) -> str:
    months = int(tenor[:-1]) * (12 if tenor.endswith("Y") else 1)
    return f"{2013 + (8 + months) // 12}-{(8 + months) % 12 + 1:02d}-10"


def test_forward_rate_agreement_has_the_published_value():
    """J. Hull, Options, Futures, and Other Derivatives, ch. 4, example 4.3.

    Receives 5.8 % from 1.5 to 2 years; the forward rate is 5 % for the half-year, the two-year rate 4 %, continuously compounded.
    """
    as_of = day("2026-01-01")
    start, end = day("2027-07-01"), day("2028-01-01")
    index = Index("INDEX", IndexKind.TERM, "USD", "6M", "30/360 BOND BASIS", 0, "NONE", "", "FOLLOWING")
    forward = Curve("INDEX", CurveKind.RATE, "USD", "LOG_LINEAR_DISCOUNT", ("1", "2"), np.array([546, 730], np.int32),
                    np.array([0.0, np.log1p(0.05 * 0.5) * 365.0 / 730.0]))  # fmt: skip
    market = Market(as_of, "USD", (forward, flat("ZERO", "USD", 0.04)), {"USD": 1.0}, Fixings({}, {"INDEX": index}))
    fra = {
        "currency": "USD", "notional": -1e8, "fixed_rate": 0.058, "index": "INDEX", "start_date": start, "maturity_date": end,
        "settlement": "AT_END", "discount_curve": "ZERO",
    }  # fmt: skip
    valuation = value_contracts("FRA", contracts_of(pricer("FRA").columns, [fra]), market=market)
    assert valuation.values[Measure.PV][0] == pytest.approx(369_200, rel=0.0, abs=50.0)
