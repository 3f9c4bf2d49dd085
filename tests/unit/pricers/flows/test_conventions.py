"""Regular coupons by frequency: what the market pays on 30/360, and what its price formula makes of it."""

import datetime
from typing import Any

import numpy as np
import pytest

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_day
from tests.unit.pricers.examples import MARKET, bonds

CORPORATE: dict[str, Any] = {
    "currency": "EUR", "discount_curve": "EUR", "notional": 100.0, "coupon_rate": 0.05, "frequency": "SEMIANNUAL", "day_count": "30/360 US",
    "issue_date": "2026-08-31", "maturity_date": "2028-08-31", "end_of_month": True, "settlement_lag": 0,
}  # fmt: skip
LOAN: dict[str, Any] = {
    "currency": "EUR", "discount_curve": "EUR", "notional": 100_000.0, "interest_rate": 0.06, "start_date": "2025-12-30",
    "maturity_date": "2026-12-30",
}  # fmt: skip


def day(text: str) -> int:
    return to_day(datetime.date.fromisoformat(text))


def coupons(terms: dict[str, Any]) -> list[float]:
    """Interest of a bond of 100, as of its issue."""
    lower = pricer("FIXED_BOND").lower
    assert lower is not None
    flows = lower(bonds({**CORPORATE, **terms}), as_of=day("2026-08-31"), fixings=NO_FIXINGS).cashflows
    return [round(interest, 4) for interest in (flows.amount - flows.principal).tolist()]


def payments(terms: dict[str, Any]) -> np.ndarray:
    """Payments of a loan, as of its start."""
    lower = pricer("AMORT_LOAN").lower
    assert lower is not None
    found = lower(contracts_of(pricer("AMORT_LOAN").columns, [{**LOAN, **terms}]), as_of=day("2025-12-30"), fixings=NO_FIXINGS)
    return found.cashflows.amount


def price_formula(settlement: datetime.date, previous: datetime.date, coupon: float, rate: float, redemption: float, count: int) -> float:
    """Clean price of a semi-annual 30/360 bond: Microsoft's documentation of Excel's PRICE, with DSC = E - A."""
    accrued_days = (
        360 * (settlement.year - previous.year) + 30 * (settlement.month - previous.month) + settlement.day - min(previous.day, 30)
    )
    w, v = 1.0 - accrued_days / 180.0, 1.0 / (1.0 + rate / 2.0)
    coupon_value = sum(100.0 * coupon / 2.0 * v ** (k + w) for k in range(count))
    return redemption * v ** (count - 1 + w) + coupon_value - 100.0 * coupon / 2.0 * accrued_days / 180.0


def test_us_corporate_pays_half_its_rate_each_half_year() -> None:
    assert coupons({}) == [2.5] * 4
    assert coupons({"coupon_amount": "BY_DAY_COUNT"}) == [2.4722, 2.5, 2.4861, 2.5]


@pytest.mark.parametrize(
    ("terms", "is_even"),
    [
        ({"day_count": "30E/360"}, True),
        ({"day_count": "30E/360 ISDA"}, True),
        ({"day_count": "30/360 BOND BASIS"}, True),
        ({"day_count": "30/360 US", "accrual_convention": "MODIFIED_FOLLOWING", "calendar": "TARGET"}, False),
        ({"day_count": "ACT/365F"}, False),
        ({"day_count": "ACT/365F", "coupon_amount": "BY_FREQUENCY"}, True),
        ({"day_count": "ACT/365F", "coupon_amount": "BY_FREQUENCY", "accrual_convention": "FOLLOWING", "calendar": "TARGET"}, True),
        ({"day_count": "BUS/252", "coupon_amount": "BY_FREQUENCY", "calendar": "BR"}, True),
    ],
)
def test_regular_coupons_are_even_where_the_market_pays_by_frequency(terms: dict[str, Any], is_even: bool) -> None:
    assert (coupons(terms) == [2.5] * 4) is is_even


def test_stub_counts_its_days_and_regular_weeks_are_a_52nd_of_the_rate() -> None:
    """30/360 US: 1 May to 31 August 2027 are 120 days, 31 August counting as the 31st."""
    assert coupons({"issue_date": "2027-05-01"})[0] == round(5.0 * 120 / 360, 4)
    weekly = coupons({"frequency": "WEEKLY", "coupon_amount": "BY_FREQUENCY", "maturity_date": "2026-09-28", "end_of_month": False})
    assert weekly == [round(5.0 / 52, 4)] * 4
    single = coupons({"roll_rule": "ZERO", "day_count": "30E/360"})
    assert single == [10.0]


def test_accrued_interest_keeps_its_day_count() -> None:
    """Japanese government bonds pay half the coupon each half year, and accrue actual days over 365."""
    terms = {
        **CORPORATE,
        "day_count": "ACT/365F",
        "coupon_amount": "BY_FREQUENCY",
        "issue_date": "2025-09-20",
        "maturity_date": "2035-09-20",
    }
    valuation = value_contracts("FIXED_BOND", bonds({**terms, "end_of_month": False}), market=MARKET)
    assert valuation.values[Measure.ACCRUED_INTEREST][0] == pytest.approx(5.0 * (day("2026-03-16") - day("2025-09-20")) / 365.0, rel=1e-14)


def test_instalment_of_a_monthly_loan_is_the_annuity_at_a_twelfth_of_its_rate() -> None:
    np.testing.assert_allclose(payments({}), 8606.6430, atol=5e-5)
    np.testing.assert_allclose(payments({}), 100_000.0 * 0.005 / (1.0 - 1.005**-12), rtol=1e-12)
    assert abs(payments({"coupon_amount": "BY_DAY_COUNT"})[0] - 8606.6430) > 0.01


@pytest.mark.parametrize(
    ("settlement", "previous", "maturity", "coupon", "rate", "redemption", "count"),
    [
        ("2003-02-14", "2002-08-31", "2008-02-29", 0.07, 0.03, 130.0, 11),
        ("2025-02-10", "2024-08-31", "2031-02-28", 0.045, 0.061, 100.0, 13),
        ("2026-05-20", "2026-03-15", "2036-09-15", 0.0375, 0.02, 100.0, 21),
        ("2026-03-15", "2026-03-15", "2027-03-15", 0.06, 0.06, 100.0, 2),
    ],
)
def test_price_at_a_yield_is_that_of_the_securities_industrys_formula(
    settlement: str, previous: str, maturity: str, coupon: float, rate: float, redemption: float, count: int
) -> None:
    """The first row is Excel's PRICE(2003-02-14, 2008-02-29, 7 %, 3 %, 130, 2, 0), as printed by spreadsheets: 144.4100306856."""
    price = price_formula(datetime.date.fromisoformat(settlement), datetime.date.fromisoformat(previous), coupon, rate, redemption, count)
    if redemption == 130.0:
        assert price == pytest.approx(144.4100306856, abs=1e-10)
    terms = {
        "issue_date": "2002-02-28",
        "maturity_date": maturity,
        "coupon_rate": coupon,
        "redemption": redemption,
        "market_clean_price": price,
    }
    market = type(MARKET)(day(settlement), "EUR", MARKET.curves, {})
    valuation = value_contracts("FIXED_BOND", bonds({**CORPORATE, **terms}), market=market)
    assert valuation.status.tolist() == [RowStatus.OK]
    assert valuation.values[Measure.YIELD_TO_MATURITY][0] == pytest.approx(rate, abs=1e-13)
