"""Published loan payments and balances: see SOURCES.md."""

import csv
import datetime
from pathlib import Path

import pytest

from pricers import contracts_of, pricer
from pricers.products.loan.amortising import lower
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_day

with (Path(__file__).parent / "amort_loan.csv").open(newline="") as file:
    CASES = list(csv.DictReader(file))
NUMBERS = ("notional", "interest_rate", "prepayment_rate")
TEXTS = ("start_date", "maturity_date", "frequency", "day_count", "amortisation")


def terms(case: dict[str, str]) -> dict[str, object]:
    """The row's contract."""
    given: dict[str, object] = {"currency": "USD", "discount_curve": "USD"}
    given |= {name: float(case[name]) for name in NUMBERS if case[name]} | {name: case[name] for name in TEXTS}
    given["principal_dates"] = case["principal_dates"].split()
    given["principal_amounts"] = [float(amount) for amount in case["principal_amounts"].split()]
    return given


def published_measure(case: dict[str, str]) -> float:
    """The payment or principal of one period, or the balance at its start, as lowered on the start date."""
    start = to_day(datetime.date.fromisoformat(case["start_date"]))
    flows = lower(contracts_of(pricer("AMORT_LOAN").columns, [terms(case)]), as_of=start, fixings=NO_FIXINGS).cashflows
    at = int(case["period"]) - 1
    if case["measure"] == "balance":
        return float(flows.principal[at:].sum())
    return float((flows.amount if case["measure"] == "payment" else flows.principal)[at])


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{i}-{case['case']}-{case['measure']}-{case['period']}" for i, case in enumerate(CASES, start=2)]
)
def test_loan_amount_equals_the_published_one(case):
    assert published_measure(case) == pytest.approx(float(case["expected"]), rel=0.0, abs=float(case["tolerance"]))
