"""Published year fractions: see SOURCES.md."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pricers.calendars import UNADJUSTED, calendar_tables
from pricers.dates import to_days
from pricers.day_count import DAY_COUNTS, icma_stub_fraction, year_fraction

with (Path(__file__).parent / "day_count.csv").open(newline="") as file:
    CASES = list(csv.DictReader(file))


def day(text: str) -> int:
    return int(to_days(np.array([text or "NaT"], "datetime64[D]"))[0])


def years(case: dict[str, str]) -> float:
    start, end, tables = day(case["start"]), day(case["end"]), calendar_tables((case["calendar"],))
    if case["stub_anchor"]:
        roll = int(case["stub_tenor_months"]), case["stub_month_end"] == "1", UNADJUSTED, 0
        return icma_stub_fraction(start, end, day(case["stub_anchor"]), int(case["stub_direction"]), *roll, tables)
    reference = day(case["reference_start"]), day(case["reference_end"])
    return year_fraction(DAY_COUNTS.index(case["day_count"]), start, end, *reference, day(case["maturity"]), 0, tables)


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case['day_count']}-{case['case']}" for i, case in enumerate(CASES, start=2)])
def test_year_fraction_equals_the_published_one(case):
    assert years(case) == pytest.approx(float(case["expected"]), rel=0.0, abs=float(case["tolerance"]))
