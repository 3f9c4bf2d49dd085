"""Hazard rates from premiums: quoted default swaps are worth nothing here and in QuantLib's engine of the ISDA standard model."""

import datetime
from dataclasses import replace

import numpy as np
import pytest
import QuantLib as ql

from pricers import contracts_of, pricer, value_contracts
from pricers.calibration.credit import CreditRecipe, credit_calibration, default_swap_maturity
from pricers.calibration.quotes import CalibrationError, Instrument, Quote
from pricers.market.market import Curve, CurveKind, Market
from pricers.measures import Measure
from pricers.time.dates import to_date, to_day
from tests.oracles.accuracy_credit import SwapOracle
from tests.oracles.quantlib_terms import date_of, day_of

PREMIUMS = {"6M": 0.004, "1Y": 0.005, "2Y": 0.0065, "3Y": 0.008, "5Y": 0.011, "7Y": 0.0125, "10Y": 0.0135}
DAYS = np.array([30, 365, 1826, 3652, 7300], np.int32)
SOFR = Curve(
    "USD-SOFR", CurveKind.RATE, "USD", "LOG_LINEAR_DISCOUNT", ("a", "b", "c", "d", "e"), DAYS, np.array([0.036, 0.034, 0.034, 0.036, 0.037])
)
QUOTES = [Quote(f"ACME.{tenor}", Instrument.CDS, premium, "", tenor) for tenor, premium in PREMIUMS.items()]
RECIPE = CreditRecipe("ACME", "USD", tuple(quote.name for quote in QUOTES), SOFR, 0.4)


@pytest.mark.parametrize("date", ["2026-11-30", "2027-03-19", "2027-03-22"])
def test_quoted_swaps_are_worth_nothing_here_and_in_quantlib(date):
    as_of = to_day(datetime.date.fromisoformat(date))
    found = credit_calibration(RECIPE, QUOTES, as_of=as_of)
    assert np.max(np.abs(found.residuals)) <= 1e-13
    assert found.curve.recovery_rate == 0.4
    market = Market(as_of, "USD", (SOFR, found.curve), {"USD": 1.0})
    rows = [
        {
            "currency": "USD", "notional": 1.0, "coupon_rate": quote.value, "recovery_rate": 0.4, "trade_date": as_of,
            "maturity_date": as_of + int(day), "discount_curve": "USD-SOFR", "credit_curve": "ACME", "pay_accrual_on_default": True,
        }
        for quote, day in zip(found.quotes, found.curve.pillar_days, strict=True)
    ]  # fmt: skip
    values = value_contracts("CREDIT_DEFAULT_SWAP", contracts_of(pricer("CREDIT_DEFAULT_SWAP").columns, rows), market=market)
    assert np.max(np.abs(values.values[Measure.PV_BASE])) < 1e-14
    longer = replace(
        found.curve,
        pillar_labels=(*found.curve.pillar_labels, "end"),
        pillar_days=np.append(found.curve.pillar_days, np.int32(8_000)),
        zero_rates=np.append(found.curve.zero_rates, found.curve.zero_rates[-1] + 0.01),
    )
    oracle = SwapOracle(Market(as_of, "USD", (SOFR, longer), {"USD": 1.0}))  # its engine needs a pillar beyond every maturity
    assert max(abs(oracle.value(row)) for row in rows) < 2e-9


@pytest.mark.parametrize("date", ["2026-03-19", "2026-03-20", "2026-09-19", "2026-09-20", "2026-12-20", "2027-01-04"])
def test_maturities_are_those_of_quantlib(date):
    day = to_day(datetime.date.fromisoformat(date))
    for tenor in ("6M", "1Y", "5Y", "10Y"):
        theirs = ql.cdsMaturity(date_of(day), ql.Period(tenor), ql.DateGeneration.CDS2015)
        assert to_date(default_swap_maturity(day, tenor)) == to_date(day_of(theirs))


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"tenor": "3Y"}, "overlapping", ["ACME.2Y", "ACME.3Y", "2029-12-20"]),
        ({"tenor": "2W"}, "no_instrument", ["ACME.2Y", "months or years, not '2W'"]),
        ({"value": 0.05}, "negative_hazard", ["ACME.3Y", "negative", "ACME.2Y"]),
        ({"value": -0.5}, "negative_hazard", ["ACME.2Y", "ACME.1Y"]),
        ({"instrument": Instrument.OIS}, "no_instrument", ["ACME.2Y", "needs CDS"]),
    ],
)
def test_premiums_that_give_no_curve_are_named(change, code, words):
    quotes = [replace(quote, **change) if quote.tenor == "2Y" else quote for quote in QUOTES]
    with pytest.raises(CalibrationError) as caught:
        credit_calibration(RECIPE, quotes, as_of=to_day(datetime.date(2026, 11, 30)))
    assert caught.value.problems[0].code == code
    for word in words:
        assert word in caught.value.problems[0].message


def test_other_interpolations_of_the_discount_curve_are_refused():
    recipe = replace(RECIPE, discount_curve=replace(SOFR, interpolation="LINEAR_ZERO"))
    with pytest.raises(CalibrationError, match="USD-SOFR, which must be LOG_LINEAR_DISCOUNT"):
        credit_calibration(recipe, QUOTES, as_of=to_day(datetime.date(2026, 11, 30)))
