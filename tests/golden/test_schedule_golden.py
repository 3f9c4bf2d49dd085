"""Published schedules: see SOURCES.md."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS, calendar_tables
from pricers.time.dates import to_days
from pricers.time.schedule import RULES, STUBS
from tests.oracles.schedule_batch import schedules

with (Path(__file__).parent / "schedule.csv").open(newline="") as file:
    CASES = list(csv.DictReader(file))


def day(text: str) -> int:
    return int(to_days(np.array([text or "NaT"], "datetime64[D]"))[0])


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case['case']}" for i, case in enumerate(CASES, start=2)])
def test_schedule_equals_the_published_one(case):
    built = schedules(
        np.array([day(case["effective"])]),
        maturity=day(case["maturity"]),
        tenor_months=int(case["tenor_months"]),
        tenor_days=int(case["tenor_days"]),
        rule=RULES.index(case["rule"]),
        stub=STUBS.index(case["stub"]),
        first_date=day(case["first_date"]),
        penultimate_date=day(case["penultimate_date"]),
        month_end=case["month_end"] == "1",
        convention=BUSINESS_DAY_CONVENTIONS.index(case["convention"]),
        termination_convention=BUSINESS_DAY_CONVENTIONS.index(case["termination_convention"]),
        tables=calendar_tables((case["calendar"],)),
    )
    assert built.reason.tolist() == [0]
    for dates, published in ((built.unadjusted, case["expected_unadjusted"]), (built.adjusted, case["expected_adjusted"])):
        if published:
            assert dates.astype("datetime64[D]").astype(str).tolist() == published.split()
    if case["expected_regular"]:  # one character per period, "?" if the source does not say
        periods = ["01"[regular] for regular in built.is_regular[1:].tolist()]
        assert len(periods) == len(case["expected_regular"])
        assert all(published in ("?", period) for period, published in zip(periods, case["expected_regular"], strict=True))
