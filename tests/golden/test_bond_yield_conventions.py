"""Published yields and prices of bonds and bills by the conventions of their markets: see SOURCES.md."""

import datetime
from typing import Any

import numpy as np
import pytest

from pricers import Curve, CurveKind, Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.time.dates import to_day

BOND: dict[str, Any] = {
    "currency": "USD", "discount_curve": "USD", "notional": 100.0, "settlement_lag": 0, "frequency": "SEMIANNUAL",
    "day_count": "ACT/ACT ICMA", "payment_convention": "UNADJUSTED",
}  # fmt: skip
BILL = {**BOND, "coupon_rate": 0.0, "frequency": "ONCE", "roll_rule": "ZERO", "day_count": "ACT/360", "issue_date": "2000-01-03"}
TREASURY = {**BOND, "yield_convention": "TREASURY"}


def measures(terms: dict[str, Any], settlement: str) -> dict[Measure, float]:
    curve = Curve("USD", CurveKind.RATE, "USD", "LINEAR_ZERO", ("1Y",), np.array([365], np.int32), np.array([0.03]))
    market = Market(to_day(datetime.date.fromisoformat(settlement)), "USD", (curve,), {})
    valuation = value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, [terms]), market=market)
    assert valuation.status.tolist() == [RowStatus.OK]
    return {measure: float(values[0]) for measure, values in valuation.values.items()}


@pytest.mark.parametrize(
    ("terms", "settlement", "price", "rate"),
    [  # 31 CFR 356, appendix B, section II, examples A to D: prices to 6 decimals
        ({"coupon_rate": 0.0875, "issue_date": "1990-05-15", "maturity_date": "2020-05-15"}, "1990-05-15", 99.057893, 0.0884),
        (
            {"coupon_rate": 0.085, "issue_date": "1990-04-02", "maturity_date": "1992-03-31", "end_of_month": True},
            "1990-04-02", 99.838183, 0.0859,
        ),
        (
            {"coupon_rate": 0.085, "issue_date": "1990-03-01", "maturity_date": "1995-05-15", "stub": "LONG_INITIAL"},
            "1990-03-01", 99.805118, 0.0853,
        ),
        ({"coupon_rate": 0.095, "issue_date": "1985-11-15", "maturity_date": "1995-11-15"}, "1985-11-29", 99.730918, 0.0954),
    ],
    ids=["regular", "short first", "long first", "reopened"],
)  # fmt: skip
def test_treasury_yield_of_the_published_price(terms: dict[str, Any], settlement: str, price: float, rate: float) -> None:
    found = measures({**TREASURY, **terms, "market_clean_price": price}, settlement)
    sensitivity = found[Measure.MODIFIED_DURATION] * price
    assert abs(found[Measure.YIELD_TO_MATURITY] - rate) <= 5e-7 / sensitivity + 1e-12


def test_yield_in_the_last_period_is_simple() -> None:
    """QuantLib issue 971: a South African bond at Bloomberg's 7.95 %; compounded, it would be 8.094 %."""
    bond = {
        **BOND,
        "coupon_rate": 0.0725,
        "issue_date": "2010-01-17",
        "maturity_date": "2021-01-17",
        "market_clean_price": 99.9532255971963,
    }
    found = measures({**bond, "yield_convention": "STREET"}, "2020-12-30")
    assert found[Measure.ACCRUED_INTEREST] == pytest.approx(3.270380434782605, abs=1e-13)
    assert found[Measure.YIELD_TO_MATURITY] == pytest.approx(0.0795, abs=1e-12)
    assert measures({**bond, "yield_convention": "TREASURY"}, "2020-12-30")[Measure.YIELD_TO_MATURITY] == pytest.approx(0.0795, abs=1e-12)
    assert measures(bond, "2020-12-30")[Measure.YIELD_TO_MATURITY] == pytest.approx(0.08094, abs=5e-6)
    earlier = [measures({**bond, "yield_convention": name}, "2020-06-30")[Measure.YIELD_TO_MATURITY] for name in ("STREET", "COMPOUNDED")]
    assert earlier[0] == earlier[1]


@pytest.mark.parametrize(
    ("convention", "settlement", "maturity", "price", "day_count", "published", "tolerance"),
    [
        ("MONEY_MARKET", "2008-03-31", "2008-06-01", 98.45, "ACT/360", 0.091417, 5e-7),  # Microsoft, TBILLYIELD
        ("DISCOUNT", "2008-03-31", "2008-06-01", 98.45, "ACT/360", 0.09, 1e-12),  # Microsoft, TBILLPRICE
        ("DISCOUNT", "2007-01-25", "2007-06-15", 97.975, "ACT/365F", 0.052420, 5e-7),  # Microsoft, DISC with basis 1: a year of 365 days
    ],
)
def test_yield_of_a_bill(
    convention: str, settlement: str, maturity: str, price: float, day_count: str, published: float, tolerance: float
) -> None:
    bill = {**BILL, "maturity_date": maturity, "market_clean_price": price, "yield_convention": convention, "yield_day_count": day_count}
    assert measures(bill, settlement)[Measure.YIELD_TO_MATURITY] == pytest.approx(published, abs=tolerance)


@pytest.mark.parametrize(
    ("settlement", "coupon", "maturity", "price", "rate", "redemption"),
    [
        ("2008-02-15", 0.0575, "2017-11-15", 94.63436, 0.065, 100.0),  # Microsoft, PRICE
        ("2008-02-15", 0.0575, "2016-11-15", 95.04287, 0.065, 100.0),  # Microsoft, YIELD
    ],
)
def test_yield_of_a_30_360_bond(settlement: str, coupon: float, maturity: str, price: float, rate: float, redemption: float) -> None:
    bond = {**BOND, "day_count": "30/360 US", "coupon_rate": coupon, "issue_date": "2000-11-15", "maturity_date": maturity}
    found = measures({**bond, "market_clean_price": price, "redemption": redemption}, settlement)
    assert found[Measure.YIELD_TO_MATURITY] == pytest.approx(rate, abs=1e-8)


def test_japanese_simple_yield() -> None:
    """(2 + (100 - 98) / 8) / 98 = 2.2959 %; with 8 years and 100 days left, of which no 29 February counts, the years are 8 + 100/365."""
    bond = {**BOND, "coupon_rate": 0.02, "day_count": "ACT/365F", "coupon_amount": "BY_FREQUENCY", "yield_convention": "JAPANESE_SIMPLE",
            "issue_date": "2015-03-20", "maturity_date": "2034-03-20", "market_clean_price": 98.0}  # fmt: skip
    assert measures(bond, "2026-03-20")[Measure.YIELD_TO_MATURITY] == pytest.approx((2.0 + 2.0 / 8.0) / 98.0, rel=1e-13)
    found = measures(bond, "2025-12-10")
    assert found[Measure.YIELD_TO_MATURITY] == pytest.approx((2.0 + 2.0 / (8.0 + 100.0 / 365.0)) / 98.0, rel=1e-13)
    assert found[Measure.ACCRUED_INTEREST] == pytest.approx(2.0 * 81.0 / 365.0, rel=1e-13)


def test_annual_yield_of_a_semi_annual_bond() -> None:
    bond = {**BOND, "coupon_rate": 0.06, "issue_date": "2020-05-15", "maturity_date": "2030-05-15", "market_clean_price": 100.0}
    found = measures({**bond, "yield_frequency": "ANNUAL"}, "2024-05-15")
    assert found[Measure.YIELD_TO_MATURITY] == pytest.approx(1.03**2 - 1.0, abs=1e-13)


def test_accrued_interest_has_a_basis_of_its_own() -> None:
    """Canadian bonds pay halves and accrue on ACT/365: 1 December to 2 March are 91 days."""
    bond = {**BOND, "coupon_rate": 0.05, "issue_date": "2024-06-01", "maturity_date": "2034-06-01", "accrued_day_count": "ACT/365F"}
    found = measures({**bond, "market_clean_price": 100.0}, "2026-03-02")
    assert found[Measure.ACCRUED_INTEREST] == pytest.approx(5.0 * 91 / 365, rel=1e-14)
    plain = measures({**bond, "accrued_day_count": None}, "2026-03-02")
    assert plain[Measure.ACCRUED_INTEREST] == pytest.approx(2.5 * 91 / 182, rel=1e-14)
    assert plain[Measure.PV] == found[Measure.PV]


def test_yield_has_a_day_count_of_its_own() -> None:
    """A JGB's half-yearly yield over coupon periods is its coupon at par, though it accrues ACT/365."""
    bond = {**BOND, "coupon_rate": 0.02, "day_count": "ACT/365F", "coupon_amount": "BY_FREQUENCY", "issue_date": "2015-03-20",
            "maturity_date": "2034-03-20", "market_clean_price": 100.0}  # fmt: skip
    found = measures({**bond, "yield_day_count": "ACT/ACT ICMA"}, "2026-03-20")
    assert found[Measure.YIELD_TO_MATURITY] == pytest.approx(0.02, abs=1e-13)
    assert measures(bond, "2026-03-20")[Measure.YIELD_TO_MATURITY] != pytest.approx(0.02, abs=1e-7)


@pytest.mark.parametrize("convention", ["TREASURY", "STREET", "JAPANESE_SIMPLE", "DISCOUNT", "MONEY_MARKET"])
def test_durations_are_derivatives_of_the_convention_s_price(convention: str) -> None:
    """The yields of three prices a hundredth apart give the price's first and second derivative."""
    bill, last = {**BILL, "maturity_date": "2026-09-15"}, {**BOND, "coupon_rate": 0.04, "issue_date": "2020-06-30"}
    bond = (
        bill
        if convention in ("DISCOUNT", "MONEY_MARKET")
        else {**last, "maturity_date": "2026-06-30" if convention == "STREET" else "2033-06-30"}
    )
    step, centre = 0.01, 97.5
    found = [measures({**bond, "yield_convention": convention, "market_clean_price": centre + k * step}, "2026-03-10") for k in (-1, 0, 1)]
    low, middle, high = (numbers[Measure.YIELD_TO_MATURITY] for numbers in found)
    price = centre + (found[1][Measure.ACCRUED_INTEREST] if convention != "JAPANESE_SIMPLE" else 0.0)
    slope = 2.0 * step / (high - low)
    bend = 2.0 * (step / (high - middle) - step / (middle - low)) / (high - low)
    assert found[1][Measure.MODIFIED_DURATION] == pytest.approx(-slope / price, rel=1e-6)
    assert found[1][Measure.CONVEXITY] == pytest.approx(bend / price, rel=1e-3, abs=1e-4)


def test_convention_of_bills_has_no_yield_for_a_bond_and_says_so() -> None:
    bond = {**BOND, "coupon_rate": 0.04, "issue_date": "2020-06-30", "maturity_date": "2030-06-30", "yield_convention": "DISCOUNT"}
    curve = Curve("USD", CurveKind.RATE, "USD", "LINEAR_ZERO", ("1Y",), np.array([365], np.int32), np.array([0.03]))
    market = Market(to_day(datetime.date(2026, 3, 10)), "USD", (curve,), {})
    rows = [bond, {**bond, "yield_convention": "COMPOUNDED"}, {**bond, "accrued_day_count": "BUS/252"}]
    valuation = value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, rows), market=market)
    assert valuation.status.tolist() == [RowStatus.OK, RowStatus.OK, RowStatus.INVALID_SCHEDULE]
    assert np.isnan(valuation.values[Measure.YIELD_TO_MATURITY][:2]).tolist() == [True, False]
    assert "DISCOUNT and MONEY_MARKET belong to bonds with one payment left" in valuation.messages[0]
    assert valuation.values[Measure.PV][0] == valuation.values[Measure.PV][1]
