import datetime
from dataclasses import replace

import numpy as np
import pytest

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.products.loan.amortising import lower
from pricers.registry import NO_FIXINGS
from pricers.time.dates import add_months, to_date, to_day
from pricers.value.cash_flow_report import explain
from tests.unit.pricers.examples import AS_OF, MARKET

LOAN = {
    "currency": "EUR",
    "notional": 1200.0,
    "interest_rate": 0.06,
    "start_date": "2026-03-16",
    "maturity_date": "2028-03-16",
    "frequency": "QUARTERLY",
    "discount_curve": "EUR",
}
LINEAR = {**LOAN, "amortisation": "LINEAR"}
BULLET = {**LOAN, "amortisation": "BULLET"}
CUSTOM = {**LOAN, "amortisation": "CUSTOM", "principal_dates": ["2026-12-16", "2027-06-16"], "principal_amounts": [300.0, 500.0]}
SEASONED = {**LOAN, "start_date": "2025-01-16", "maturity_date": "2028-01-16"}
MORTGAGE = {**LOAN, "frequency": "MONTHLY", "maturity_date": "2056-03-16", "notional": 100_000.0, "interest_rate": 0.045}
LOANS = [
    LOAN,
    {**LINEAR, "balloon_amount": 200.0, "credit_spread": 0.02, "spread_curve": "CORPORATE"},
    {**BULLET, "currency": "USD", "discount_curve": "USD", "day_count": "ACT/360"},
    CUSTOM,
    {**SEASONED, "drawn_balance": 640.0, "prepayment_rate": 0.08},
    {**MORTGAGE, "notional": -100_000.0, "calendar": "TARGET", "interest_only_end_date": "2031-03-16", "market_clean_price": 97.0},
    {**LOAN, "start_date": "2026-06-01", "first_payment_date": "2026-07-15", "amortisation": "ANNUITY_TABLE"},
]
BAD = [
    ({"notional": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"notional": float("nan")}, RowStatus.INVALID_AMOUNT),
    ({"interest_rate": float("inf")}, RowStatus.INVALID_AMOUNT),
    ({"drawn_balance": -1.0}, RowStatus.INVALID_AMOUNT),
    ({"prepayment_rate": 1.01}, RowStatus.INVALID_AMOUNT),
    ({"prepayment_rate": -0.01}, RowStatus.INVALID_AMOUNT),
    ({"market_clean_price": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"start_date": "2026-04-01", "drawn_balance": 100.0}, RowStatus.INVALID_AMOUNT),
    ({"balloon_amount": 1200.01}, RowStatus.INVALID_PRINCIPAL),
    ({"balloon_amount": -1.0}, RowStatus.INVALID_PRINCIPAL),
    ({"amortisation": "CUSTOM"}, RowStatus.INVALID_PRINCIPAL),
    ({"principal_dates": ["2026-12-16"], "principal_amounts": [100.0]}, RowStatus.INVALID_PRINCIPAL),
    ({**CUSTOM, "principal_amounts": [300.0]}, RowStatus.INVALID_PRINCIPAL),
    ({**CUSTOM, "principal_amounts": [300.0, 900.5]}, RowStatus.INVALID_PRINCIPAL),
    ({**CUSTOM, "principal_amounts": [300.0, float("nan")]}, RowStatus.INVALID_PRINCIPAL),
    ({**CUSTOM, "principal_dates": ["2027-06-16", "2026-12-16"]}, RowStatus.INVALID_PRINCIPAL),
    ({**CUSTOM, "principal_dates": ["2026-12-16", "2028-03-17"]}, RowStatus.INVALID_PRINCIPAL),
    ({**CUSTOM, "principal_dates": ["2026-03-16", "2027-06-16"]}, RowStatus.INVALID_PRINCIPAL),
    ({**CUSTOM, "balloon_amount": 100.0}, RowStatus.INVALID_PRINCIPAL),
    ({**CUSTOM, "interest_only_end_date": "2027-03-16"}, RowStatus.INVALID_PRINCIPAL),
    ({**BULLET, "balloon_amount": 100.0}, RowStatus.INVALID_PRINCIPAL),
    ({"interest_only_end_date": "2028-03-16"}, RowStatus.INVALID_SCHEDULE),
    ({"day_count": "BUS/252"}, RowStatus.INVALID_SCHEDULE),
    ({"payment_lag": 61}, RowStatus.INVALID_SCHEDULE),
    ({"settlement_lag": -1}, RowStatus.INVALID_SCHEDULE),
    ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
    ({"stub": "LONG_FINAL"}, RowStatus.INVALID_SCHEDULE),
    ({"maturity_date": "2026-03-16"}, RowStatus.INVALID_DATES),
    ({"maturity_date": "2025-03-16"}, RowStatus.INVALID_DATES),
    ({"first_payment_date": "2029-03-16"}, RowStatus.INVALID_DATES),
    ({"maturity_date": "2199-03-16"}, RowStatus.DATE_OUT_OF_RANGE),
    ({"start_date": "2024-03-16", "maturity_date": "2026-03-16"}, RowStatus.MATURED),
    ({**CUSTOM, "start_date": "2024-03-16", "principal_dates": ["2025-12-16"], "principal_amounts": [1200.0]}, RowStatus.MATURED),
    ({"discount_curve": "NOWHERE"}, RowStatus.MISSING_CURVE),
    ({"spread_curve": "NOWHERE"}, RowStatus.MISSING_SPREAD_CURVE),
    ({"discount_curve": "USD"}, RowStatus.CURVE_CURRENCY_MISMATCH),
]


def day(text):
    return to_day(datetime.date.fromisoformat(text))


def loans(*rows):
    return contracts_of(pricer("AMORT_LOAN").columns, list(rows))


def valued(*rows, as_of=AS_OF):
    return value_contracts("AMORT_LOAN", loans(*rows), market=replace(MARKET, as_of=as_of))


def measures(contract, *, as_of=AS_OF):
    valuation = valued(contract, as_of=as_of)
    assert valuation.status.tolist() == [RowStatus.OK]
    return {measure: values[0] for measure, values in valuation.values.items()}


def lowered(contract, *, as_of=AS_OF):
    result = lower(loans(contract), as_of=as_of, fixings=NO_FIXINGS)
    assert result.status.tolist() == [RowStatus.OK]
    return result


def interest(contract, *, as_of=AS_OF):
    cashflows = lowered(contract, as_of=as_of).cashflows
    return cashflows.amount - cashflows.principal


def principal(contract, *, as_of=AS_OF):
    return lowered(contract, as_of=as_of).cashflows.principal


def payment_dates(contract, *, as_of=AS_OF):
    return [str(to_date(pay_day)) for pay_day in lowered(contract, as_of=as_of).cashflows.pay_day]


def cash_flow_table(balance, *, rate, cpr, months):
    """A monthly pass-through as the textbooks project it: payment anew from the balance, then prepayment of what the schedule leaves."""
    smm = 1.0 - (1.0 - cpr) ** (1.0 / 12.0)
    rows = []
    for left in range(months, 0, -1):
        payment = balance * (rate / 12.0) / (1.0 - (1.0 + rate / 12.0) ** -left)
        paid_interest = balance * rate / 12.0
        scheduled = payment - paid_interest
        prepaid = smm * (balance - scheduled)
        rows.append((paid_interest, scheduled + prepaid))
        balance -= scheduled + prepaid
    return np.array(rows).T


def test_level_payments_are_equal_and_repay_the_loan():
    amounts = lowered(LOAN).cashflows.amount
    payment = 1200.0 * 0.015 / (1.0 - 1.015**-8)
    np.testing.assert_allclose(amounts, payment, rtol=1e-12)
    assert principal(LOAN).sum() == pytest.approx(1200.0, rel=1e-12)


def test_level_payments_stay_equal_on_a_day_count_and_the_table_annuity_does_not():
    actual = {**LOAN, "day_count": "ACT/360"}
    assert np.ptp(lowered(actual).cashflows.amount) < 1e-9
    table = lowered({**actual, "amortisation": "ANNUITY_TABLE"}).cashflows
    assert np.ptp(table.amount) > 0.1
    np.testing.assert_allclose(table.principal, principal(LOAN), rtol=1e-10)  # the textbook's principal, whatever the day count


def test_linear_loan_repays_equal_principal():
    np.testing.assert_allclose(principal(LINEAR), 150.0, rtol=1e-12)
    np.testing.assert_allclose(interest(LINEAR), 0.015 * np.arange(1200.0, 0.0, -150.0), rtol=1e-12)


def test_bullet_loan_repays_at_maturity():
    assert principal(BULLET).tolist() == [0.0] * 7 + [1200.0]
    np.testing.assert_allclose(interest(BULLET), 18.0, rtol=1e-12)


def test_interest_only_period_and_balloon_move_principal_to_the_end():
    terms = {"interest_only_end_date": "2026-09-16", "balloon_amount": 300.0}
    assert principal({**LINEAR, **terms}).tolist() == pytest.approx([0.0, 0.0, 150.0, 150.0, 150.0, 150.0, 150.0, 450.0])
    level = lowered({**LOAN, **terms}).cashflows.amount
    np.testing.assert_allclose(level[:2], 18.0, rtol=1e-12)
    np.testing.assert_allclose(level[2:], [level[2]] * 5 + [level[2] + 300.0], rtol=1e-12)
    assert level[2] == pytest.approx((1200.0 - 300.0 * 1.015**-6) * 0.015 / (1.0 - 1.015**-6), rel=1e-12)


def test_custom_principal_is_paid_with_the_period_it_ends_or_falls_into():
    expected = [0.0, 0.0, 300.0, 0.0, 500.0, 0.0, 0.0, 400.0]
    assert principal(CUSTOM).tolist() == expected
    assert principal({**CUSTOM, "principal_dates": ["2026-10-01", "2027-05-02"]}).tolist() == expected
    np.testing.assert_allclose(interest(CUSTOM), 0.015 * np.array([1200.0] * 3 + [900.0] * 2 + [400.0] * 3), rtol=1e-12)


def test_custom_draw_down_raises_the_balance():
    contract = {**CUSTOM, "principal_amounts": [-300.0, 500.0]}
    assert principal(contract).tolist() == [0.0, 0.0, -300.0, 0.0, 500.0, 0.0, 0.0, 1000.0]
    assert measures(contract)[Measure.WEIGHTED_AVERAGE_LIFE] == pytest.approx((500.0 * 457 + 1000.0 * 731) / 1500.0 / 365.0, rel=1e-12)


def test_custom_principal_that_repays_early_ends_the_loan():
    assert payment_dates({**CUSTOM, "principal_amounts": [300.0, 900.0]})[-1] == "2027-06-16"


def test_prepayment_follows_the_textbook_cash_flow_table():
    contract = {**MORTGAGE, "prepayment_rate": 0.06}
    expected_interest, expected_principal = cash_flow_table(100_000.0, rate=0.045, cpr=0.06, months=360)
    np.testing.assert_allclose(interest(contract), expected_interest, rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(principal(contract), expected_principal, rtol=1e-10, atol=1e-9)


def test_prepayment_of_a_stub_counts_its_days():
    contract = {**BULLET, "start_date": "2026-02-16", "first_payment_date": "2026-06-16", "prepayment_rate": 0.10}
    assert principal(contract, as_of=day("2026-02-16"))[0] == pytest.approx(1200.0 * (1.0 - 0.9 ** (120.0 / 365.0)), rel=1e-12)


def test_full_prepayment_repays_on_the_next_payment_date():
    assert payment_dates({**LOAN, "prepayment_rate": 1.0}) == ["2026-06-16"]
    assert principal({**LOAN, "prepayment_rate": 1.0})[0] == pytest.approx(1200.0)


def test_drawn_balance_scales_everything_that_is_still_due():
    scheduled = lowered(SEASONED).cashflows
    balance = scheduled.principal.sum()
    drawn = lowered({**SEASONED, "drawn_balance": 0.5 * balance}).cashflows
    np.testing.assert_allclose(drawn.amount, 0.5 * scheduled.amount, rtol=1e-12)
    np.testing.assert_allclose(drawn.principal.sum(), 0.5 * balance, rtol=1e-12)
    assert lowered({**SEASONED, "drawn_balance": balance}).cashflows.amount == pytest.approx(scheduled.amount, rel=1e-12)
    # Prices are per 100 of what is outstanding, so they do not depend on how much is drawn.
    assert measures({**SEASONED, "drawn_balance": 10.0})[Measure.CLEAN_PRICE] == pytest.approx(measures(SEASONED)[Measure.CLEAN_PRICE])


def test_drawn_balance_already_holds_past_prepayments():
    contract = {**SEASONED, "prepayment_rate": 0.2}
    assert principal({**contract, "drawn_balance": 640.0}).sum() == pytest.approx(640.0, rel=1e-12)
    assert principal(contract).sum() == pytest.approx(principal(SEASONED).sum() * 0.8, rel=1e-12)  # four of its quarters have been paid


def test_undrawn_loan_earns_nothing():
    result = measures({**SEASONED, "drawn_balance": 0.0})
    assert result[Measure.PV] == result[Measure.DV01] == 0.0
    assert np.isnan(result[Measure.CLEAN_PRICE])


def test_loan_that_has_not_started_pays_the_notional_out():
    contract = {**LOAN, "start_date": "2026-06-16", "maturity_date": "2028-06-16"}
    cashflows = lowered(contract).cashflows
    assert payment_dates(contract)[:2] == ["2026-06-16", "2026-09-16"]
    assert cashflows.amount[0] == cashflows.principal[0] == -1200.0
    assert cashflows.principal.sum() == pytest.approx(0.0, abs=1e-9)
    result = measures(contract)
    assert abs(result[Measure.PV]) < 100.0
    assert result[Measure.WEIGHTED_AVERAGE_LIFE] > 0.25
    assert lowered(contract).price_terms.settlement_day[0] == day("2026-06-16")
    assert result[Measure.CLEAN_PRICE] == pytest.approx(measures(LOAN)[Measure.CLEAN_PRICE], abs=1.0)


def test_schedule_seen_later_is_the_rest_of_the_schedule():
    contract = {**MORTGAGE, "prepayment_rate": 0.07, "calendar": "TARGET"}
    first, later = lowered(contract).cashflows, lowered(contract, as_of=day("2031-07-16")).cashflows
    np.testing.assert_array_equal(later.pay_day, first.pay_day[first.pay_day > day("2031-07-16")])
    np.testing.assert_allclose(later.amount, first.amount[-later.amount.size :], rtol=1e-12)


def test_payment_due_on_the_valuation_date_has_been_paid():
    assert payment_dates(LOAN, as_of=day("2026-06-15"))[0] == "2026-06-16"
    assert payment_dates(LOAN, as_of=day("2026-06-16"))[0] == "2026-09-16"


def test_payments_move_to_business_days_and_wait_for_their_lag():
    contract = {**LOAN, "maturity_date": "2026-08-01", "start_date": "2026-05-01", "frequency": "MONTHLY", "calendar": "TARGET"}
    assert payment_dates(contract)[1:] == ["2026-06-01", "2026-07-01", "2026-08-03"]
    assert payment_dates({**contract, "payment_lag": 2})[1:] == ["2026-06-03", "2026-07-03", "2026-08-04"]


def test_accrued_interest_counts_to_settlement():
    result = measures({**BULLET, "day_count": "ACT/360"}, as_of=day("2026-04-15"))
    assert result[Measure.ACCRUED_INTEREST] == pytest.approx(100.0 * 0.06 * 30 / 360)
    assert result[Measure.DIRTY_PRICE] == pytest.approx(result[Measure.CLEAN_PRICE] + result[Measure.ACCRUED_INTEREST], rel=1e-14)


def test_loan_priced_at_par_yields_its_own_rate():
    for contract in (LOAN, LINEAR, BULLET, CUSTOM, {**LOAN, "prepayment_rate": 0.15}, {**LOAN, "notional": -1200.0}):
        result = measures({**contract, "market_clean_price": 100.0})
        assert result[Measure.YIELD_TO_MATURITY] == pytest.approx(0.06, abs=1e-12)


def test_borrowing_is_the_negative_of_lending_and_value_scales_with_notional():
    lent, borrowed, tripled = (valued({**LOAN, "notional": n}).values for n in (1200.0, -1200.0, 3600.0))
    for measure in (Measure.PV, Measure.DV01, Measure.CS01, Measure.THETA_1D):
        assert borrowed[measure][0] == -lent[measure][0]
        assert tripled[measure][0] == pytest.approx(3.0 * lent[measure][0], rel=1e-12)
    for measure in (Measure.CLEAN_PRICE, Measure.YIELD_TO_MATURITY, Measure.WEIGHTED_AVERAGE_LIFE):
        assert borrowed[measure][0] == pytest.approx(lent[measure][0], rel=1e-12)


@pytest.mark.parametrize("rate", [0.0, -0.005, 1.0, 50.0])
def test_extreme_rates_still_repay_exactly_what_was_lent(rate):
    contract = {**MORTGAGE, "interest_rate": rate}
    assert principal(contract).sum() == pytest.approx(100_000.0, rel=1e-12)
    assert np.ptp(lowered(contract).cashflows.amount) < 1e-6


def test_single_payment_loan_pays_everything_at_maturity():
    for amortisation in ("LEVEL_PAYMENT", "ANNUITY_TABLE", "LINEAR", "BULLET"):
        cashflows = lowered({**LOAN, "frequency": "ONCE", "amortisation": amortisation}).cashflows
        assert cashflows.amount.tolist() == pytest.approx([1200.0 * 1.12])


@pytest.mark.parametrize("contract", LOANS, ids=range(len(LOANS)))
def test_present_value_is_the_sum_of_the_explained_flows(contract):
    explanation = explain("AMORT_LOAN", loans(contract), 0, market=MARKET)
    assert sum(flow.pv for flow in explanation.flows) == pytest.approx(measures(contract)[Measure.PV], rel=1e-12)
    assert len(explanation.flows) == lowered(contract).cashflows.pay_day.size


def test_every_row_of_a_batch_equals_the_same_loan_alone():
    together = valued(*LOANS)
    assert together.status.tolist() == [RowStatus.OK] * len(LOANS)
    for i, row in enumerate(LOANS):
        alone = valued(row)
        for measure, values in together.values.items():
            np.testing.assert_array_equal(values[i : i + 1], alone.values[measure])


@pytest.mark.parametrize(("fault", "status"), BAD, ids=[f"{status.name}-{number}" for number, (_, status) in enumerate(BAD)])
def test_bad_loan_is_flagged_and_its_neighbours_are_untouched(fault, status):
    neighbours = [LINEAR, LOANS[4]]
    alone = valued(*neighbours)
    mixed = valued(neighbours[0], {**LOAN, **fault}, neighbours[1])
    assert mixed.status.tolist() == [RowStatus.OK, status, RowStatus.OK]
    for measure, values in mixed.values.items():
        assert np.isnan(values[1])
        np.testing.assert_array_equal(values[[0, 2]], alone.values[measure])


def test_month_end_loan_stays_on_month_ends():
    contract = {**LOAN, "start_date": "2026-04-30", "maturity_date": "2026-08-31", "frequency": "MONTHLY", "end_of_month": True}
    assert payment_dates(contract)[1:] == ["2026-05-31", "2026-06-30", "2026-07-31", "2026-08-31"]


def test_empty_batch_has_no_rows():
    assert valued().values[Measure.PV].size == 0


def test_mortgage_has_a_payment_every_month():
    start = day(MORTGAGE["start_date"])
    assert lowered(MORTGAGE).cashflows.pay_day.tolist() == [add_months(start, month, False) for month in range(1, 361)]
