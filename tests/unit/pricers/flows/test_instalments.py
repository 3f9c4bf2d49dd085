"""Loans whose balance is rolled forward: each against the closed form of an annuity, or against a table in decimal arithmetic."""

import datetime
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.flows.cashflows import Cashflows
from pricers.flows.instalments import rounded
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_date, to_day
from tests.unit.pricers.examples import AS_OF, BOND, MARKET, bonds

LOAN: dict[str, Any] = {
    "currency": "EUR", "discount_curve": "EUR", "notional": 100_000.0, "interest_rate": 0.06, "start_date": "2026-03-16",
    "maturity_date": "2031-03-16",
}  # fmt: skip
LINEAR = {**LOAN, "amortisation": "LINEAR"}
BULLET = {**LOAN, "amortisation": "BULLET"}
CUSTOM = {**LOAN, "amortisation": "CUSTOM", "principal_dates": ["2027-03-16"], "principal_amounts": [1e4]}


def flows(terms: dict[str, Any], *, as_of: int = AS_OF) -> Cashflows:
    lower = pricer("AMORT_LOAN").lower
    assert lower is not None
    found = lower(contracts_of(pricer("AMORT_LOAN").columns, [{**LOAN, **terms}]), as_of=as_of, fixings=NO_FIXINGS)
    assert found.status.tolist() == [RowStatus.OK]
    return found.cashflows


def status(terms: dict[str, Any]) -> RowStatus:
    batch = contracts_of(pricer("AMORT_LOAN").columns, [LOAN, {**LOAN, **terms}, LOAN])
    first, found, last = value_contracts("AMORT_LOAN", batch, market=MARKET).status.tolist()
    assert first == last == RowStatus.OK
    return RowStatus(found)


def annuity(balance: float, rate: float, count: float) -> float:
    return balance * rate / (1.0 - (1.0 + rate) ** -count)


def left_after(balance: float, rate: float, payment: float, count: int) -> float:
    return balance * (1.0 + rate) ** count - payment * ((1.0 + rate) ** count - 1.0) / rate


def test_canadian_mortgage_compounds_twice_a_year_and_pays_monthly() -> None:
    """100,000 over 25 years at 6 %: 639.81 a month, as Canadian mortgage tables print it; (1 + 6 %/2)^(1/6) - 1 a month."""
    terms = {"compounding_frequency": "SEMIANNUAL", "maturity_date": "2051-03-16"}
    assert round(flows(terms).amount[0], 2) == 639.81
    np.testing.assert_allclose(flows(terms).amount, annuity(100_000.0, 1.03 ** (1 / 6) - 1.0, 300), rtol=1e-11)
    closed = {**terms, "maturity_date": "2031-03-16", "amortisation_term": 300}
    left = left_after(100_000.0, 1.03 ** (1 / 6) - 1.0, flows(terms).amount[0], 60)
    assert flows(closed).amount[-1] == pytest.approx(flows(terms).amount[0] + left, rel=1e-10)


def test_accrued_interest_of_a_rate_that_compounds() -> None:
    """Half a month of 30 days: 1.03^(15/180) - 1."""
    terms = {**BULLET, "compounding_frequency": "SEMIANNUAL", "start_date": "2026-03-01", "maturity_date": "2031-03-01"}
    batch = contracts_of(pricer("AMORT_LOAN").columns, [terms])
    accrued = value_contracts("AMORT_LOAN", batch, market=MARKET).values[Measure.ACCRUED_INTEREST][0]
    assert accrued == pytest.approx(100.0 * (1.03 ** (15 / 180) - 1.0), rel=1e-12)


def test_coupon_of_a_brazilian_note_compounds_its_yearly_rate() -> None:
    """NTN-F: 10 % a year, paid twice: the Treasury prints 48.80885 per 1,000."""
    terms = {**BOND, "notional": 1000.0, "coupon_rate": 0.10, "frequency": "SEMIANNUAL", "calendar": "BR", "day_count": "BUS/252",
             "issue_date": "2025-01-01", "maturity_date": "2035-01-01", "coupon_amount": "BY_FREQUENCY"}  # fmt: skip
    terms["compounding_frequency"] = "ANNUAL"
    lower = pricer("FIXED_BOND").lower
    assert lower is not None
    cashflows = lower(bonds(terms), as_of=AS_OF, fixings=NO_FIXINGS).cashflows
    np.testing.assert_allclose(cashflows.amount - cashflows.principal, 48.80885, atol=5e-6)


def test_term_longer_than_the_loan_leaves_a_balance_at_maturity() -> None:
    amounts = flows({"amortisation_term": 300}).amount
    payment = annuity(100_000.0, 0.005, 300)
    assert round(payment, 2) == 644.30  # 6.4430 per 1,000 in printed mortgage tables
    np.testing.assert_allclose(amounts[:-1], payment, rtol=1e-12)
    assert amounts[-1] == pytest.approx(payment + left_after(100_000.0, 0.005, payment, 60), rel=1e-11)
    equal = flows({**LINEAR, "amortisation_term": 100}).principal
    np.testing.assert_allclose(equal, [1000.0] * 59 + [41_000.0], rtol=1e-12)


def test_term_counts_from_the_first_repayment() -> None:
    amounts = flows({"amortisation_term": 360, "interest_only_end_date": "2028-03-16"}).amount
    np.testing.assert_allclose(amounts[:25], [500.0] * 24 + [annuity(100_000.0, 0.005, 360)], rtol=1e-12)


def test_instalment_by_frequency_with_interest_by_days() -> None:
    """The commercial mortgage of the US: payment as on 30/360, interest on ACT/360, the difference at maturity."""
    terms = {"instalment_basis": "BY_FREQUENCY", "day_count": "ACT/360", "amortisation_term": 360}
    found, payment, balance = flows(terms), annuity(100_000.0, 0.005, 360), 100_000.0
    np.testing.assert_allclose(found.amount[:-1], payment, rtol=1e-12)
    for start, end, interest in zip([AS_OF, *found.pay_day], found.pay_day, found.amount - found.principal, strict=False):
        assert interest == pytest.approx(balance * 0.06 * (int(end) - int(start)) / 360.0, rel=1e-10)
        balance -= payment - balance * 0.06 * (int(end) - int(start)) / 360.0
    assert found.principal[-1] == pytest.approx(balance + payment - (found.amount - found.principal)[-1], rel=1e-10)


def test_given_instalment_leaves_the_rest_to_maturity_or_repays_early() -> None:
    amounts = flows({"instalment_amount": 1000.0}).amount
    np.testing.assert_allclose(amounts[:-1], 1000.0, rtol=1e-12)
    assert amounts[-1] == pytest.approx(1000.0 + left_after(100_000.0, 0.005, 1000.0, 60), rel=1e-11)
    early = flows({"instalment_amount": 25_000.0})
    assert early.amount.size == 5
    assert early.amount[-1] == pytest.approx(left_after(100_000.0, 0.005, 25_000.0, 4) * 1.005, rel=1e-10)
    assert flows({**LINEAR, "instalment_amount": 500.0}).principal.tolist() == pytest.approx([500.0] * 59 + [70_500.0])


def test_moratorium_adds_interest_to_the_balance() -> None:
    found = flows({"capitalisation_end_date": "2027-03-16"})
    np.testing.assert_allclose(found.amount[:12], 0.0, atol=1e-9)
    np.testing.assert_allclose(-found.principal[:12], 500.0 * 1.005 ** np.arange(12), rtol=1e-12)
    np.testing.assert_allclose(found.amount[12:], annuity(100_000.0 * 1.005**12, 0.005, 48), rtol=1e-11)
    held = flows({**BULLET, "capitalisation_end_date": "2027-03-16"})
    assert held.amount[-1] == pytest.approx(100_000.0 * 1.005**12 * 1.005, rel=1e-12)
    batch = contracts_of(pricer("AMORT_LOAN").columns, [{**LOAN, "capitalisation_end_date": "2027-03-16"}])
    assert value_contracts("AMORT_LOAN", batch, market=MARKET).values[Measure.PV][0] > 100_000.0  # 6 % on a curve below 3 %


def test_instalment_below_the_interest_raises_the_balance_where_the_loan_allows_it() -> None:
    terms = {"instalment_amount": 400.0, "negative_amortisation": True}
    found = flows(terms)
    np.testing.assert_allclose(found.amount[:-1], 400.0, rtol=1e-12)
    assert found.principal[0] == pytest.approx(-100.0)
    assert found.amount[-1] == pytest.approx(400.0 + left_after(100_000.0, 0.005, 400.0, 60), rel=1e-11)
    assert status({"instalment_amount": 400.0}) == RowStatus.INVALID_PRINCIPAL
    assert status({"instalment_amount": 500.0}) == RowStatus.OK


def test_payments_in_advance_are_an_annuity_due() -> None:
    before = flows({"payment_timing": "ADVANCE"}, as_of=AS_OF - 1)
    payment = annuity(100_000.0, 0.005, 60) / 1.005
    assert before.amount[0] == pytest.approx(payment - 100_000.0, rel=1e-12)  # paid out net of the first instalment
    np.testing.assert_allclose(before.amount[1:], [payment] * 59, rtol=1e-9)
    assert to_date(before.pay_day[-1]) == datetime.date(2031, 2, 16)
    equal = flows({**LINEAR, "payment_timing": "ADVANCE"})
    np.testing.assert_allclose(equal.principal, [100_000.0 / 60] * 59, rtol=1e-9)
    given = flows({"payment_timing": "ADVANCE", "instalment_amount": 1000.0})
    assert given.amount[-1] == pytest.approx(left_after(99_000.0, 0.005, 1000.0, 59) * 1.005, rel=1e-10)


@pytest.mark.parametrize("decimals", [0, 2])
def test_payments_rounded_to_cents_follow_the_table_in_decimals(decimals: int) -> None:
    cent = Decimal(1).scaleb(-decimals)
    payment, balance, table = Decimal(annuity(100_000.0, 0.005, 60)).quantize(cent, ROUND_HALF_UP), Decimal(100_000), []
    for number in range(60):
        interest = (balance * Decimal("0.005")).quantize(cent, ROUND_HALF_UP)
        principal = payment - interest if number < 59 else balance
        table.append((float(interest + principal), float(principal)))
        balance -= principal
    found = flows({"payment_decimals": decimals})
    np.testing.assert_allclose(found.amount, [amount for amount, _ in table], atol=1e-8)
    np.testing.assert_allclose(found.principal, [principal for _, principal in table], atol=1e-8)
    assert found.amount[-1] != found.amount[0]


@pytest.mark.parametrize(
    ("amount", "decimals", "expected"),
    [(1.005, 2, 1.01), (-1.005, 2, -1.01), (2.675, 2, 2.68), (1.0049, 2, 1.0), (0.5, 0, 1.0), (1.23456, -1, 1.23456)],
)
def test_halves_are_rounded_up_though_binary_numbers_miss_them(amount: float, decimals: int, expected: float) -> None:
    assert rounded(amount, decimals) == expected


def test_principal_has_a_cycle_of_its_own() -> None:
    found = flows({**LINEAR, "principal_frequency": "QUARTERLY"})
    assert found.principal.tolist() == pytest.approx([0.0, 0.0, 5000.0] * 20)
    np.testing.assert_allclose(found.amount - found.principal, 0.005 * np.repeat(np.arange(1e5, 0.0, -5e3), 3), rtol=1e-12)
    assert flows({**LINEAR, "principal_frequency": "MONTHLY"}).principal.tolist() == flows(LINEAR).principal.tolist()


def test_given_payment_dates_replace_those_of_the_frequency() -> None:
    """Coupons on 31 August and always on 28 February, in leap years too, each half of the rate."""
    dates = ["2026-08-31", "2027-02-28", "2027-08-31", "2028-02-28", "2028-08-31"]
    terms = {**BULLET, "start_date": "2026-02-28", "maturity_date": "2029-02-28", "frequency": "SEMIANNUAL", "payment_dates": dates}
    found = flows(terms)
    assert [str(to_date(day)) for day in found.pay_day] == [*dates, "2029-02-28"]
    np.testing.assert_allclose(found.amount - found.principal, 3000.0, rtol=1e-12)
    bond = {**BOND, "issue_date": "2026-02-28", "maturity_date": "2029-02-28", "frequency": "SEMIANNUAL", "coupon_dates": dates}
    lower = pricer("FIXED_BOND").lower
    assert lower is not None
    cashflows = lower(bonds({**bond, "calendar": None, "notional": 100.0}), as_of=AS_OF, fixings=NO_FIXINGS).cashflows
    assert [str(to_date(day)) for day in cashflows.pay_day] == [*dates, "2029-02-28"]
    np.testing.assert_allclose(cashflows.amount - cashflows.principal, 1.75, rtol=1e-12)
    irregular = flows({**terms, "payment_dates": ["2026-06-15", "2027-02-28"]})
    interest = irregular.amount - irregular.principal
    np.testing.assert_allclose(interest, [6000.0 * days / 360 for days in (107, 253, 720)], rtol=1e-12)  # 30/360 bond basis


@pytest.mark.parametrize(
    ("terms", "dates"),
    [
        ({"start_date": "2026-04-01", "maturity_date": "2026-06-01"}, ["04-15", "05-01", "05-15", "06-01"]),
        ({"start_date": "2026-04-15", "maturity_date": "2026-06-15"}, ["05-01", "05-15", "06-01", "06-15"]),
        ({"start_date": "2026-04-15", "maturity_date": "2026-06-15", "end_of_month": True}, ["04-30", "05-15", "05-31", "06-15"]),
        ({"start_date": "2026-12-31", "maturity_date": "2027-02-28", "end_of_month": True}, ["01-15", "01-31", "02-15", "02-28"]),
        ({"start_date": "2026-04-10", "maturity_date": "2026-06-10"}, ["04-25", "05-10", "05-25", "06-10"]),
        ({"start_date": "2026-04-25", "maturity_date": "2026-06-25", "roll_rule": "FORWARD"}, ["05-10", "05-25", "06-10", "06-25"]),
    ],
)
def test_semi_monthly_payments_fall_twice_a_month_and_pay_a_24th(terms: dict[str, Any], dates: list[str]) -> None:
    found = flows({**BULLET, "frequency": "SEMIMONTHLY", **terms})
    pay_days = [str(to_date(day))[5:] for day in found.pay_day if found.amount[0] > 0 or day != found.pay_day[0]]
    assert pay_days == dates
    np.testing.assert_allclose((found.amount - found.principal)[-4:], 250.0, rtol=1e-12)


@pytest.mark.parametrize(
    "terms",
    [
        {"amortisation_term": 300, "prepayment_rate": 0.06},
        {"instalment_amount": 1500.0, "payment_decimals": 2},
        {"capitalisation_end_date": "2027-03-16", "day_count": "ACT/360"},
        {"payment_timing": "ADVANCE", "compounding_frequency": "SEMIANNUAL"},
        {**LINEAR, "principal_frequency": "SEMIANNUAL"},
        {"amortisation": "ANNUITY_TABLE", "payment_decimals": 2, "day_count": "ACT/365F"},
        {"frequency": "SEMIMONTHLY", "notional": -1e5},
    ],
)
def test_plan_seen_later_is_the_rest_of_the_plan(terms: dict[str, Any]) -> None:
    later = to_day(datetime.date(2027, 9, 20))
    first, rest = flows(terms), flows(terms, as_of=later)
    np.testing.assert_array_equal(rest.pay_day, first.pay_day[first.pay_day > later])
    np.testing.assert_allclose(rest.amount, first.amount[-rest.amount.size :], rtol=1e-12)
    assert first.principal.sum() == pytest.approx(np.sign(terms.get("notional", 1.0)) * first_balance(terms), rel=1e-9)
    drawn = flows({**terms, "drawn_balance": 1000.0, "payment_decimals": None}, as_of=later)
    assert abs(drawn.principal.sum()) == pytest.approx(1000.0, rel=1e-9)


def first_balance(terms: dict[str, Any]) -> float:
    if terms.get("payment_timing") != "ADVANCE":
        return 100_000.0
    return 100_000.0 - annuity(100_000.0, 1.03 ** (1 / 6) - 1.0, 60) / 1.03 ** (1 / 6)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ({"instalment_amount": 0.0}, RowStatus.INVALID_PRINCIPAL),
        ({"instalment_amount": np.inf}, RowStatus.INVALID_PRINCIPAL),
        ({"instalment_amount": 900.0, "balloon_amount": 100.0}, RowStatus.INVALID_PRINCIPAL),
        ({"instalment_amount": 900.0, "amortisation_term": 300}, RowStatus.INVALID_PRINCIPAL),
        ({**BULLET, "instalment_amount": 900.0}, RowStatus.INVALID_PRINCIPAL),
        ({**BULLET, "amortisation_term": 300}, RowStatus.INVALID_PRINCIPAL),
        ({"amortisation_term": 0}, RowStatus.INVALID_PRINCIPAL),
        ({"amortisation_term": 300, "frequency": "ONCE"}, RowStatus.INVALID_PRINCIPAL),
        ({**LINEAR, "instalment_basis": "BY_FREQUENCY"}, RowStatus.INVALID_PRINCIPAL),
        ({**BULLET, "payment_timing": "ADVANCE"}, RowStatus.INVALID_PRINCIPAL),
        ({"principal_frequency": "QUARTERLY"}, RowStatus.INVALID_PRINCIPAL),
        ({**LINEAR, "frequency": "QUARTERLY", "principal_frequency": "MONTHLY"}, RowStatus.INVALID_PRINCIPAL),
        ({**CUSTOM, "capitalisation_end_date": "2027-03-16"}, RowStatus.INVALID_PRINCIPAL),
        ({**LINEAR, "negative_amortisation": True}, RowStatus.INVALID_PRINCIPAL),
        ({"payment_decimals": 9}, RowStatus.INVALID_PRINCIPAL),
        ({"capitalisation_end_date": "2031-03-16"}, RowStatus.INVALID_SCHEDULE),
        ({"compounding_frequency": "ANNUAL", "interest_rate": -1.0}, RowStatus.INVALID_AMOUNT),
        ({"payment_dates": ["2026-06-16", "2026-06-16"]}, RowStatus.INVALID_DATES),
        ({"payment_dates": ["2031-03-17"]}, RowStatus.INVALID_DATES),
        ({"payment_dates": ["2026-03-16"]}, RowStatus.INVALID_DATES),
        ({"payment_dates": ["2026-06-16"], "stub": "SHORT_INITIAL"}, RowStatus.INVALID_SCHEDULE),
        ({"payment_dates": ["2026-06-16"], "first_payment_date": "2026-06-16"}, RowStatus.INVALID_SCHEDULE),
        (
            {"payment_dates": ["2026-06-13", "2026-06-14"], "accrual_convention": "FOLLOWING", "calendar": "TARGET"},
            RowStatus.INVALID_SCHEDULE,
        ),
    ],
)
def test_terms_that_contradict_each_other_have_a_status(terms: dict[str, Any], expected: RowStatus) -> None:
    assert status(terms) == expected


def test_rolled_plan_without_special_terms_is_the_plan_rolled_back() -> None:
    """A term as long as the loan asks for the same payments as no term."""
    for terms in ({}, LINEAR, {"balloon_amount": 3e4}, {"amortisation": "ANNUITY_TABLE", "day_count": "ACT/360"}):
        rolled, plain = flows({**terms, "amortisation_term": 60}), flows(terms)
        np.testing.assert_allclose(rolled.amount, plain.amount, rtol=1e-9)
    assert all(later > earlier for earlier, later in pairwise(flows({}).principal.tolist()))
