"""What bonds and loans share: one leg gives both the same flows, ex days are stored per flow, and no row depends on its neighbours."""

import datetime
from typing import Any

import numpy as np
import pytest

from pricers import RowStatus, contracts_of, pricer
from pricers.flows.cashflows import Lowered
from pricers.flows.coupon_arrays import BLOCK_ROWS_MAX
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_day
from pricers.time.day_count import DAY_COUNTS
from tests.unit.pricers.examples import AS_OF, BOND

BULLET: dict[str, Any] = {
    "currency": "EUR",
    "notional": 1_000_000.0,
    "interest_rate": 0.035,
    "amortisation": "BULLET",
    "start_date": "2024-05-20",
    "maturity_date": "2033-05-20",
    "frequency": "ANNUAL",
    "calendar": "TARGET",
    "discount_curve": "EUR",
    "settlement_lag": 2,
}
GILT = {**BOND, "frequency": "SEMIANNUAL", "ex_coupon_days": 7, "ex_coupon_calendar": "UK", "settlement_lag": 1}


def lowered(product: str, rows: list[dict[str, Any]], *, as_of: int = AS_OF) -> Lowered:
    spec = pricer(product)
    assert spec.lower is not None
    return spec.lower(contracts_of(spec.columns, rows), as_of=as_of, fixings=NO_FIXINGS)


def row_of(found: Lowered, row: int) -> tuple[Any, ...]:
    """Flows, flow by flow, and price terms of one row."""
    flows, terms = found.cashflows, found.price_terms
    assert terms is not None
    own = slice(flows.flow_offsets[row], flows.flow_offsets[row + 1])
    columns = (flows.pay_day, flows.ex_day, flows.amount, flows.principal, terms.yield_time)
    first = terms.first_flow[row] - flows.flow_offsets[row]
    prices = (terms.settlement_day, terms.outstanding, terms.accrued)
    return found.status[row], first, *(column[own].tolist() for column in columns), *(repr(column[row]) for column in prices)


def day(text: str) -> int:
    return to_day(datetime.date.fromisoformat(text))


@pytest.mark.parametrize("day_count", DAY_COUNTS)
@pytest.mark.parametrize(
    "schedule",
    [
        {"frequency": "ANNUAL"},
        {"frequency": "QUARTERLY", "end_of_month": True, "maturity_date": "2033-05-31", "stub": "LONG_INITIAL"},
        {"frequency": "SEMIANNUAL", "accrual_convention": "MODIFIED_FOLLOWING", "payment_lag": 2},
        {"frequency": "BIWEEKLY", "maturity_date": "2026-12-01"},
    ],
    ids=lambda schedule: schedule["frequency"],
)
def test_bullet_loan_pays_what_a_bond_with_the_same_terms_pays(schedule: dict[str, Any], day_count: str) -> None:
    terms = {**schedule, "day_count": day_count}
    bond, loan = lowered("FIXED_BOND", [{**BOND, **terms}]), lowered("AMORT_LOAN", [{**BULLET, **terms}])
    assert bond.status.tolist() == loan.status.tolist() == [RowStatus.OK]
    np.testing.assert_array_equal(bond.cashflows.pay_day, loan.cashflows.pay_day)
    np.testing.assert_allclose(bond.cashflows.amount, loan.cashflows.amount, rtol=1e-14)
    np.testing.assert_array_equal(bond.cashflows.principal, loan.cashflows.principal)
    assert bond.price_terms is not None
    assert loan.price_terms is not None
    np.testing.assert_allclose(bond.price_terms.accrued, loan.price_terms.accrued, rtol=1e-14)
    np.testing.assert_allclose(bond.price_terms.yield_time, loan.price_terms.yield_time, rtol=1e-14)


def test_interest_goes_ex_before_its_payment_and_principal_does_not() -> None:
    """Seven business days before 20 May 2026 is 11 May. Trades of 8 May settle on that day, without the coupon."""
    sinking = {**GILT, "sinking_dates": ["2026-05-20"], "sinking_amounts": [400_000.0]}
    found = lowered("FIXED_BOND", [sinking, {**sinking, "ex_coupon_days": 0}], as_of=day("2026-05-08")).cashflows
    assert found.pay_day[:2].tolist() == [day("2026-05-20")] * 2
    assert found.ex_day[:2].tolist() == [day("2026-05-11"), day("2026-05-20")]
    assert found.principal[:2].tolist() == [0.0, 400_000.0]
    assert (found.pay_day[2] - found.ex_day[2], found.principal[2]) == (day("2026-11-20") - day("2026-11-11"), 0.0)
    never = slice(*found.flow_offsets[1:])
    np.testing.assert_array_equal(found.ex_day[never], found.pay_day[never])
    assert (found.ex_day[: never.start] <= found.pay_day[: never.start]).all()


@pytest.mark.parametrize(("product", "row"), [("FIXED_BOND", BOND), ("AMORT_LOAN", BULLET)])
def test_ex_days_are_pay_days_where_nothing_trades_ex(product: str, row: dict[str, Any]) -> None:
    flows = lowered(product, [row]).cashflows
    assert flows.ex_day.size > 0
    np.testing.assert_array_equal(flows.ex_day, flows.pay_day)


def test_rows_of_a_batch_of_several_blocks_are_what_they_are_alone() -> None:
    """Rows that fail at every stage stand between rows that are priced, across the ends of the blocks."""
    bonds = [
        GILT,
        {**BOND, "notional": 0.0},  # amounts
        {**BOND, "maturity_date": "2024-01-01"},  # dates
        {**BOND, "stub": "LONG_FINAL"},  # schedule
        {**BOND, "maturity_date": "2026-01-20"},  # periods
        {**BOND, "sinking_dates": ["2027-05-20"], "sinking_amounts": [2e6]},  # balances
        {**BOND, "frequency": "DAILY", "maturity_date": "2027-05-20", "notional": -3e5},
        {**GILT, "sinking_dates": ["2026-05-20"], "sinking_amounts": [4e5], "redemption": 102.0},
    ]
    loans = [
        {**BULLET, "amortisation": "LEVEL_PAYMENT", "frequency": "MONTHLY", "prepayment_rate": 0.06},
        {**BULLET, "drawn_balance": 0.0},
        {**BULLET, "start_date": "2026-06-01", "drawn_balance": 10.0},
        {**BULLET, "start_date": "2026-06-01"},
        {**BULLET, "drawn_balance": 7e5, "notional": -1e6},
        {**BULLET, "payment_lag": 61},
    ]
    for product, rows in (("FIXED_BOND", bonds), ("AMORT_LOAN", loans)):
        alone = [row_of(lowered(product, [row]), 0) for row in rows]
        count = 2 * BLOCK_ROWS_MAX + 3
        found = lowered(product, [rows[i % len(rows)] for i in range(count)])
        for i in range(count):
            assert row_of(found, i) == alone[i % len(rows)], i
        statuses = {status for status, *_ in alone}
        assert statuses > {RowStatus.OK, RowStatus.INVALID_AMOUNT} if product == "FIXED_BOND" else statuses > {RowStatus.OK}


def test_contract_that_has_matured_is_matured_whatever_its_repayments() -> None:
    past = {"sinking_dates": ["2025-05-20"], "sinking_amounts": [2e6], "maturity_date": "2026-01-20"}
    assert lowered("FIXED_BOND", [{**BOND, **past}]).status.tolist() == [RowStatus.MATURED]
    custom = {"amortisation": "CUSTOM", "principal_dates": ["2025-05-20"], "principal_amounts": [2e6], "maturity_date": "2026-01-20"}
    assert lowered("AMORT_LOAN", [{**BULLET, **custom}]).status.tolist() == [RowStatus.MATURED]
