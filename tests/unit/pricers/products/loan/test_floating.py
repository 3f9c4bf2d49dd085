from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pricers import Contracts, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.time.dates import to_day
from tests.unit.pricers.examples import AS_OF, PILLARS
from tests.unit.pricers.floating_examples import FLOATING_MARKET
from tests.unit.pricers.products.flow_checks import check_risk_is_that_of_bumped_markets, check_scenarios_are_revaluations

PRODUCT = "FLOATING_LOAN"
LOAN = {
    "notional": 1_000_000.0, "currency": "EUR", "index": "EUR-EURIBOR-6M", "spread": 0.02, "start_date": "2024-05-20",
    "maturity_date": "2029-05-20", "frequency": "SEMIANNUAL", "discount_curve": "EUR", "accrual_convention": "UNADJUSTED",
    "payment_convention": "UNADJUSTED",
}  # fmt: skip
OVERNIGHT_LOAN = {**LOAN, "index": "EUR-ESTR", "lookback_days": 5, "frequency": "QUARTERLY", "spread_curve": "CORPORATE"}
LINEAR_LOAN = {**LOAN, "amortisation": "LINEAR", "balloon_amount": 200_000.0, "prepayment_rate": 0.06, "credit_spread": 0.015}
LEVEL_LOAN = {**OVERNIGHT_LOAN, "amortisation": "LEVEL_PAYMENT", "amortisation_rate": 0.05, "drawn_balance": 400_000.0}
LOANS = [LOAN, OVERNIGHT_LOAN, LINEAR_LOAN, LEVEL_LOAN]


def day(text: str) -> int:
    return to_day(date.fromisoformat(text))


def loans(*rows: dict) -> Contracts:
    return contracts_of(pricer(PRODUCT).columns, list(rows))


def flows(row: dict, market=FLOATING_MARKET):
    """Payment date -> (interest that rests on no forecast, principal)."""
    lower = pricer(PRODUCT).lower
    assert lower is not None
    cashflows = lower(loans(row), as_of=AS_OF, fixings=market.fixings).cashflows
    found: dict[str, list[float]] = {}
    for pay, amount, principal in zip(cashflows.pay_day, cashflows.amount, cashflows.principal, strict=True):
        entry = found.setdefault(str(np.datetime64(int(pay), "D")), [0.0, 0.0])
        entry[0] += amount - principal
        entry[1] += principal
    return found


def test_interest_is_paid_on_the_balance_of_the_period_and_principal_as_planned():
    loan = {**LOAN, "amortisation": "CUSTOM", "principal_dates": ["2026-05-20", "2026-11-20"], "principal_amounts": [300_000.0, 200_000.0],
            "maturity_date": "2027-05-20", "current_fixing": 0.03}  # fmt: skip
    found = flows(loan)
    assert found["2026-05-20"] == pytest.approx([1e6 * 0.05 * 181 / 360.0, 300_000.0], rel=1e-14)
    assert [found[pay][1] for pay in ("2026-11-20", "2027-05-20")] == [200_000.0, 500_000.0]


def test_loan_on_its_own_curve_without_margin_is_worth_its_payout():
    """Money lent at the overnight rate that discounts it is worth what is paid out on the first day, whatever repays it."""
    loan = {**LINEAR_LOAN, "index": "EUR-ESTR", "discount_curve": "EUR-ESTR", "spread": 0.0, "credit_spread": 0.0, "calendar": "TARGET",
            "accrual_convention": "FOLLOWING", "start_date": "2026-04-15", "maturity_date": "2030-04-15"}  # fmt: skip
    valuation = value_contracts(PRODUCT, loans(loan), market=FLOATING_MARKET)
    assert valuation.values[Measure.PV] == pytest.approx([0.0], abs=1e-7)


def test_level_payments_follow_the_rate_of_the_plan():
    fixed = {**LEVEL_LOAN, "interest_rate": 0.05, "day_count": "ACT/360", "coupon_amount": "BY_DAY_COUNT"}
    for name in ("index", "amortisation_rate", "lookback_days", "spread"):
        del fixed[name]
    lower = pricer("AMORT_LOAN").lower
    assert lower is not None
    expected = lower(contracts_of(pricer("AMORT_LOAN").columns, [fixed]), as_of=AS_OF, fixings=FLOATING_MARKET.fixings).cashflows
    found = flows(LEVEL_LOAN)
    assert [principal for _, principal in found.values()] == pytest.approx(expected.principal.tolist(), rel=1e-14)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"floor_rate": 0.0}, RowStatus.EMBEDDED_OPTION),
        ({"daily_floor": True}, RowStatus.EMBEDDED_OPTION),
        ({"index": "EURIBOR6M"}, RowStatus.MISSING_INDEX),
        ({"index": "USD-SOFR"}, RowStatus.INDEX_MISMATCH),
        ({"amortisation": "LEVEL_PAYMENT"}, RowStatus.INVALID_AMOUNT),
        ({"notional": 0.0}, RowStatus.INVALID_AMOUNT),
        ({"drawn_balance": -1.0}, RowStatus.INVALID_AMOUNT),
        ({"balloon_amount": 5.0}, RowStatus.INVALID_PRINCIPAL),
        ({"amortisation": "CUSTOM"}, RowStatus.INVALID_PRINCIPAL),
        ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
        ({"day_count": "BUS/252"}, RowStatus.INVALID_SCHEDULE),
        ({"start_date": "2029-05-20"}, RowStatus.INVALID_DATES),
        ({"maturity_date": "2026-02-20"}, RowStatus.MATURED),
    ],
)
def test_unusable_terms_fail_the_row_alone(change, status):
    valuation = value_contracts(PRODUCT, loans(LOAN, {**LOAN, **change}, LOAN), market=FLOATING_MARKET)
    assert valuation.status.tolist() == [RowStatus.OK, status, RowStatus.OK]


def test_risk_is_that_of_bumped_markets():
    check_risk_is_that_of_bumped_markets(PRODUCT, LOANS, market=FLOATING_MARKET)


def test_scenarios_are_revaluations():
    check_scenarios_are_revaluations(PRODUCT, LOANS, market=FLOATING_MARKET)


def test_index_that_rises_changes_interest_and_no_principal():
    curve = FLOATING_MARKET.curves[FLOATING_MARKET.curve_index["EUR-EURIBOR-6M"]]
    up = replace(curve, zero_rates=curve.zero_rates + np.full(PILLARS.size, 0.01))
    market = replace(FLOATING_MARKET, curves=tuple(up if each.name == curve.name else each for each in FLOATING_MARKET.curves))
    before, after = (value_contracts(PRODUCT, loans(LINEAR_LOAN), market=each) for each in (FLOATING_MARKET, market))
    assert after.values[Measure.PV][0] > before.values[Measure.PV][0]
    assert after.values[Measure.WEIGHTED_AVERAGE_LIFE][0] == before.values[Measure.WEIGHTED_AVERAGE_LIFE][0]
