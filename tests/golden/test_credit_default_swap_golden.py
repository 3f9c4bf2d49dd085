"""Published values of credit default swaps: see SOURCES.md."""

import csv
import datetime
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import QuantLib as ql

from pricers import Curve, CurveKind, Market, Measure, contracts_of, pricer, value_contracts
from pricers.market.curves import discount_factors
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_day
from tests.oracles.quantlib_terms import date_of, day_of

FOLDER = Path(__file__).parent
with (FOLDER / "credit_default_swap.csv").open(newline="") as file:
    CASES = list(csv.DictReader(file))
with (FOLDER / "credit_default_swap_quotes.csv").open(newline="") as file:
    QUOTES = list(csv.DictReader(file))
COUPON = 0.01
SPEC = pricer("CREDIT_DEFAULT_SWAP")


def day(text: str) -> int:
    return to_day(datetime.date.fromisoformat(text))


@cache
def discount_curve(quotes: str, as_of: int) -> Curve:
    """The curve that the source makes of its deposit and swap quotes, read from QuantLib's nodes."""
    ql.Settings.instance().evaluationDate = date_of(as_of)
    calendar, currency = ql.WeekendsOnly(), ql.EURCurrency() if quotes.startswith("EUR") else ql.USDCurrency()
    months, frequency = (6, ql.Annual) if quotes.startswith("EUR") else (3, ql.Semiannual)
    index = ql.IborIndex("index", ql.Period(months, ql.Months), 2, currency, calendar, ql.ModifiedFollowing, False, ql.Actual360())
    helpers = []
    for quote in (each for each in QUOTES if each["quotes"] == quotes):
        rate, tenor = ql.QuoteHandle(ql.SimpleQuote(float(quote["rate"]))), ql.Period(quote["tenor"])
        if quote["instrument"] == "DEPOSIT":
            helpers.append(ql.DepositRateHelper(rate, tenor, 2, calendar, ql.ModifiedFollowing, False, ql.Actual360()))
        else:
            bonds = ql.Thirty360(ql.Thirty360.BondBasis)
            helpers.append(ql.SwapRateHelper(rate, tenor, calendar, frequency, ql.ModifiedFollowing, bonds, index))
    curve = ql.PiecewiseLogLinearDiscount(0, calendar, helpers, ql.Actual365Fixed())
    days = np.array([day_of(date) - as_of for date in curve.dates()[1:]], np.int32)
    rates = -np.log([curve.discount(date) for date in curve.dates()[1:]]) / (days / 365.0)
    ql.Settings.instance().evaluationDate = ql.Date()
    return Curve("RATES", CurveKind.RATE, quotes[:3], "LOG_LINEAR_DISCOUNT", tuple(map(str, days)), days, rates)


def value(case: dict[str, str], coupon: float, hazard: float) -> float:
    as_of = day(case["trade_date"])
    credit = Curve("CREDIT", CurveKind.HAZARD, "", "LOG_LINEAR_DISCOUNT", ("1Y",), np.array([365], np.int32), np.array([hazard]))
    market = Market(as_of, case["quotes"][:3], (discount_curve(case["quotes"], as_of), credit), {})
    valuation = value_contracts(SPEC, contracts_of(SPEC.columns, [contract(case, coupon)]), market=market)
    return float(valuation.values[Measure.PV][0])


def contract(case: dict[str, str], coupon: float) -> dict[str, object]:
    return {
        "currency": case["quotes"][:3] or "USD", "notional": float(case["notional"]), "coupon_rate": coupon,
        "recovery_rate": float(case["recovery_rate"]), "maturity_date": case["maturity_date"], "trade_date": case["trade_date"],
        "discount_curve": "RATES", "credit_curve": "CREDIT",
    }  # fmt: skip


def flat_hazard(case: dict[str, str]) -> float:
    """The hazard rate at which a swap whose premium is the quoted spread is worth nothing."""
    spread = float(case["quoted_spread"])
    low, high = 0.0, spread / (1.0 - float(case["recovery_rate"])) * 2.0
    at_low, at_high = value(case, spread, low), value(case, spread, high)
    for _ in range(60):
        guess = high - at_high * (high - low) / (at_high - at_low)
        low, at_low, high, at_high = high, at_high, guess, value(case, spread, guess)
        if abs(at_high) < 1e-8:
            break
    return high


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["measure"] != "ACCRUED"], ids=lambda case: "-".join(list(case.values())[1:7])
)
def test_upfront_of_a_quoted_spread_is_the_published_one(case):
    found = value(case, COUPON, flat_hazard(case))
    if case["measure"] == "UPFRONT":  # paid three business days after the trade
        as_of = day(case["trade_date"])
        settlement = day_of(ql.WeekendsOnly().advance(date_of(as_of), 3, ql.Days)) - as_of
        found /= float(discount_factors(discount_curve(case["quotes"], as_of), days=np.array([settlement]))[0])
    assert found == pytest.approx(float(case["published"]), rel=float(case["tolerance"]))


@pytest.mark.parametrize("case", [case for case in CASES if case["measure"] == "ACCRUED"], ids=lambda case: case["trade_date"])
def test_accrued_premium_that_the_seller_returns_is_the_published_one(case):
    assert SPEC.lower is not None
    lowered = SPEC.lower(contracts_of(SPEC.columns, [contract(case, COUPON)]), as_of=day(case["trade_date"]), fixings=NO_FIXINGS)
    flows = lowered.cashflows
    assert flows.contract_leg is not None
    assert flows.amount[flows.contract_leg == 2].sum() == pytest.approx(float(case["published"]), abs=0.01)
