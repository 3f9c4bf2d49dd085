"""Published year fractions: see SOURCES.md."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pricers import contracts_of, pricer
from pricers.registry import NO_FIXINGS
from pricers.time.calendars import UNADJUSTED, advance_months, calendar_tables
from pricers.time.dates import to_days
from pricers.time.day_count import DAY_COUNTS, icma_stub_fraction, year_fraction
from pricers.time.schedule import FREQUENCIES, FREQUENCY_MONTHS

with (Path(__file__).parent / "day_count.csv").open(newline="") as file:
    CASES = list(csv.DictReader(file))


def day(text: str) -> int:
    return int(to_days(np.array([text or "NaT"], "datetime64[D]"))[0])


def years(case: dict[str, str]) -> float:
    start, end, tables = day(case["start"]), day(case["end"]), calendar_tables((case["calendar"],))
    if case["stub_anchor"]:
        anchor, direction = day(case["stub_anchor"]), int(case["stub_direction"])
        months, month_end = int(case["stub_tenor_months"]), case["stub_month_end"] == "1"
        one_tenor_away = advance_months(anchor, direction * months, UNADJUSTED, month_end, 0, tables)
        quasi_coupon = sorted((anchor, one_tenor_away))
        return icma_stub_fraction(start, end, *quasi_coupon, months, UNADJUSTED, month_end, 0, tables)
    reference = day(case["reference_start"]), day(case["reference_end"])
    return year_fraction(DAY_COUNTS.index(case["day_count"]), start, end, *reference, day(case["maturity"]), 0, tables)


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case['day_count']}-{case['case']}" for i, case in enumerate(CASES, start=2)])
def test_year_fraction_equals_the_published_one(case):
    assert years(case) == pytest.approx(float(case["expected"]), rel=0.0, abs=float(case["tolerance"]))


def is_whole_stub(case: dict[str, str]) -> bool:
    return bool(case["stub_anchor"]) and case["start" if case["stub_direction"] == "1" else "end"] == case["stub_anchor"]


WHOLE_STUBS = [(i, case) for i, case in enumerate(CASES, start=2) if is_whole_stub(case)]


@pytest.mark.parametrize("case", [case for _, case in WHOLE_STUBS], ids=[f"{i}-{case['case']}" for i, case in WHOLE_STUBS])
@pytest.mark.parametrize("product", ["FIXED_BOND", "AMORT_LOAN"])
def test_interest_of_a_stub_is_the_published_year_fraction(product, case):
    """A contract with this stub and twenty regular periods beside it pays notional x rate x the published years."""
    direction, months, tables = int(case["stub_direction"]), int(case["stub_tenor_months"]), calendar_tables(("NONE",))
    anchor, month_end = day(case["stub_anchor"]), case["stub_month_end"] == "1"
    other_end = advance_months(anchor, -direction * 20 * months, UNADJUSTED, month_end, 0, tables)
    first, last = sorted((other_end, day(case["end" if direction == 1 else "start"])))
    terms = {
        "currency": "EUR", "discount_curve": "EUR", "notional": 1.0, "maturity_date": last, "day_count": "ACT/ACT ICMA",
        "end_of_month": month_end, "accrual_convention": "UNADJUSTED", "payment_convention": "UNADJUSTED",
        "frequency": FREQUENCIES[list(FREQUENCY_MONTHS).index(months)],
    }  # fmt: skip
    if product == "FIXED_BOND":
        names = ("issue_date", "first_coupon_date", "penultimate_coupon_date")
        terms |= {"coupon_rate": 1.0}
    else:
        names = ("start_date", "first_payment_date", "penultimate_payment_date")
        terms |= {"interest_rate": 1.0, "amortisation": "BULLET"}
    terms |= {names[0]: first, names[1 if direction == -1 else 2]: anchor}
    spec = pricer(product)
    assert spec.lower is not None
    lowered = spec.lower(contracts_of(spec.columns, [terms]), as_of=first, fixings=NO_FIXINGS)
    interest = lowered.cashflows.amount - lowered.cashflows.principal
    assert len(interest) == 21
    assert interest[0 if direction == -1 else -1] == pytest.approx(float(case["expected"]), rel=0.0, abs=float(case["tolerance"]))
