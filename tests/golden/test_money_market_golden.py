"""Published prices of bills and repurchase amounts of repos: see SOURCES.md."""

import csv
import datetime
from pathlib import Path

import pytest

from pricers import contracts_of, pricer
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_day

with (Path(__file__).parent / "money_market.csv").open(newline="") as file:
    CASES = list(csv.DictReader(file))


def flows(case):
    """Amounts at the start and at maturity, seen the day before the start."""
    start = to_day(datetime.date.fromisoformat(case["start"]))
    terms = {"currency": "USD", "discount_curve": "USD", "start_date": start, "maturity_date": start + int(case["days"])}
    if case["product"] == "REPO":
        terms |= {"direction": "REVERSE", "cash_amount": float(case["amount"]), "repo_rate": float(case["rate"])}
    else:
        terms |= {"notional": float(case["amount"]), "interest_rate": float(case["rate"]), "quote_type": case["quote_type"]}
    spec = pricer(case["product"])
    assert spec.lower is not None
    lowered = spec.lower(contracts_of(spec.columns, [terms]), as_of=start - 1, fixings=NO_FIXINGS)
    return lowered.cashflows.amount.tolist()


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case['case']}" for i, case in enumerate(CASES, start=2)])
def test_published_amount(case):
    paid, repaid = flows(case)
    found = -paid if case["quote_type"] == "DISCOUNT" else repaid
    assert found == pytest.approx(float(case["expected"]), rel=0.0, abs=float(case["tolerance"]))
