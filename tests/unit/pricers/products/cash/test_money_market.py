import numpy as np
import pytest

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_date
from tests.oracles.accuracy_money_market import compare
from tests.unit.pricers.examples import AS_OF, MARKET
from tests.unit.pricers.products.flow_checks import (
    check_risk_is_that_of_bumped_markets,
    check_scenarios_are_revaluations,
    statuses,
)

DEPOSIT = {
    "currency": "EUR",
    "notional": 1_000_000.0,
    "interest_rate": 0.036,
    "start_date": "2026-01-16",
    "maturity_date": "2026-07-15",
    "discount_curve": "EUR",
}
BILL = {**DEPOSIT, "quote_type": "DISCOUNT"}
AHEAD = {"start_date": "2026-03-18", "maturity_date": "2026-06-16"}  # 90 days
CERTIFICATE = {**DEPOSIT, "maturity_date": "2028-01-16", "frequency": "SEMIANNUAL", "spread_curve": "CORPORATE", "credit_spread": 0.004}
ROWS = [
    DEPOSIT,
    BILL,
    {**DEPOSIT, **AHEAD, "notional": -2_000_000.0},
    {**BILL, **AHEAD, "currency": "USD", "discount_curve": "USD"},
    CERTIFICATE,
]
BAD = [
    ({"notional": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"notional": float("inf")}, RowStatus.INVALID_AMOUNT),
    ({"interest_rate": float("nan")}, RowStatus.INVALID_AMOUNT),
    ({"market_clean_price": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"quote_type": "DISCOUNT", "interest_rate": 2.0}, RowStatus.INVALID_AMOUNT),
    ({"quote_type": "DISCOUNT", "frequency": "MONTHLY"}, RowStatus.INVALID_SCHEDULE),
    ({"settlement_lag": 61}, RowStatus.INVALID_SCHEDULE),
    ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
    ({"day_count": "BUS/252"}, RowStatus.INVALID_SCHEDULE),
    ({"maturity_date": "2026-01-16"}, RowStatus.INVALID_DATES),
    ({"maturity_date": "2199-01-15"}, RowStatus.DATE_OUT_OF_RANGE),
    ({"maturity_date": "2026-03-16"}, RowStatus.MATURED),
    ({"discount_curve": "NOWHERE"}, RowStatus.MISSING_CURVE),
    ({"spread_curve": "NOWHERE"}, RowStatus.MISSING_SPREAD_CURVE),
    ({"discount_curve": "USD"}, RowStatus.CURVE_CURRENCY_MISMATCH),
    ({"currency": "CHF"}, RowStatus.MISSING_FX),
]


def batch(*rows):
    return contracts_of(pricer("MONEY_MARKET").columns, list(rows))


def flows(row):
    lower = pricer("MONEY_MARKET").lower
    assert lower is not None
    cashflows = lower(batch(row), as_of=AS_OF, fixings=NO_FIXINGS).cashflows
    return [(str(to_date(day)), amount) for day, amount in zip(cashflows.pay_day, cashflows.amount.tolist(), strict=True)]


def test_deposit_pays_simple_interest_with_the_notional():
    assert flows(DEPOSIT) == [("2026-07-15", 1_018_000.0)]  # 180 days of 360


def test_deposit_that_has_not_started_pays_its_notional_out():
    assert flows({**DEPOSIT, **AHEAD}) == [("2026-03-18", -1_000_000.0), ("2026-06-16", 1_009_000.0)]


def test_bill_pays_its_face_amount_and_costs_the_discounted_one():
    assert flows(BILL) == [("2026-07-15", 1_000_000.0)]
    assert flows({**BILL, **AHEAD}) == [("2026-03-18", -991_000.0), ("2026-06-16", 1_000_000.0)]


def test_dates_and_interest_move_with_business_days():
    moved = flows({**DEPOSIT, "start_date": "2026-03-21", "maturity_date": "2026-05-31", "calendar": "TARGET"})  # Saturday, Sunday
    assert moved[0][0] == "2026-03-23"
    assert moved[1] == ("2026-05-29", pytest.approx(1_000_000.0 * (1.0 + 0.036 * 67 / 360), abs=1e-6))


def test_deposit_has_the_measures_of_a_bond_with_one_coupon_and_a_bill_accrues_nothing():
    bond = {
        "currency": "EUR", "notional": 1_000_000.0, "coupon_rate": 0.036, "issue_date": "2026-01-16", "maturity_date": "2026-07-15",
        "discount_curve": "EUR", "frequency": "ONCE", "day_count": "ACT/360", "settlement_lag": 0,
    }  # fmt: skip
    deposit = value_contracts("MONEY_MARKET", batch(DEPOSIT, BILL), market=MARKET).values
    expected = value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, [bond]), market=MARKET).values
    for measure, values in expected.items():
        np.testing.assert_equal(deposit[measure][0], values[0], err_msg=measure)
    assert deposit[Measure.ACCRUED_INTEREST][1] == 0.0
    assert deposit[Measure.CLEAN_PRICE][1] == deposit[Measure.DIRTY_PRICE][1] == pytest.approx(deposit[Measure.PV][1] / 10_000.0)


@pytest.mark.parametrize(("terms", "status"), BAD)
def test_row_that_cannot_be_priced_has_a_status_and_harms_no_other(terms, status):
    assert statuses("MONEY_MARKET", [DEPOSIT, {**DEPOSIT, **terms}], market=MARKET) == [RowStatus.OK, status]


def test_risk_and_scenarios_are_revaluations():
    check_risk_is_that_of_bumped_markets("MONEY_MARKET", ROWS, market=MARKET)
    check_scenarios_are_revaluations("MONEY_MARKET", ROWS, market=MARKET)


def test_random_contracts_equal_quantlib():
    comparison = compare(300, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.details["statuses"]["OK"] > 250
    assert np.isfinite(comparison.max_pv_difference)
