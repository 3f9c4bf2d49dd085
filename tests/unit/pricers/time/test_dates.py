import calendar
import datetime

import numpy as np
import pytest
import QuantLib as ql

from pricers.time.dates import (
    NO_DATE,
    add_months,
    add_tenor,
    civil_from_days,
    day_in_month,
    days_from_civil,
    days_in_month,
    end_of_month,
    to_date,
    to_day,
    to_days,
)
from pricers.time.tenors import parse_tenor
from tests.oracles import quantlib_time as oracle

EVERY_DAY = range(to_day(datetime.date(1895, 1, 1)), to_day(datetime.date(2201, 1, 1)))


def test_civil_dates_of_three_centuries_equal_the_standard_library():
    for day in EVERY_DAY:
        date = to_date(day)
        assert civil_from_days(day) == (date.year, date.month, date.day)
        assert days_from_civil(date.year, date.month, date.day) == day


def test_month_lengths_and_ends_equal_the_standard_library():
    for year in range(1895, 2201):
        for month in range(1, 13):
            length = calendar.monthrange(year, month)[1]
            last = to_day(datetime.date(year, month, length))
            assert days_in_month(year, month) == length
            assert end_of_month(last - 3) == last
            assert day_in_month(year * 12 + month - 1, 31) == last


def test_add_months_from_random_dates_equals_quantlib():
    rng = np.random.default_rng(1)
    days = oracle.month_ends_among(rng.integers(-7000, 60000, 3000), share=0.4, rng=rng)
    for day, months in zip(days, rng.integers(-400, 400, 3000), strict=True):
        expected = oracle.date(day) + ql.Period(int(months), ql.Months)
        assert add_months(day, months, False) == oracle.day(expected)
        month_end = ql.Date.endOfMonth(expected) if ql.Date.isEndOfMonth(oracle.date(day)) else expected
        assert add_months(day, months, True) == oracle.day(month_end)


@pytest.mark.parametrize(
    ("start", "months", "month_end", "expected"),
    [
        ("2026-01-31", 1, False, "2026-02-28"),
        ("2024-01-31", 1, False, "2024-02-29"),
        ("2026-02-28", 1, False, "2026-03-28"),
        ("2026-02-28", 1, True, "2026-03-31"),
        ("2024-02-28", 1, True, "2024-03-28"),
        ("2026-03-31", -1, False, "2026-02-28"),
        ("2000-02-29", 1200, False, "2100-02-28"),
    ],
)
def test_add_months_at_month_ends_clamps_or_stays_at_the_end(start, months, month_end, expected):
    moved = add_months(to_day(datetime.date.fromisoformat(start)), months, month_end)
    assert to_date(moved).isoformat() == expected


@pytest.mark.parametrize(
    ("tenor", "months", "days"),
    [("1D", 0, 1), ("2W", 0, 14), ("3M", 3, 0), ("10Y", 120, 0), ("1Y6M", 18, 0), (" on ", 0, 1), ("TN", 0, 2), ("SN", 0, 3), ("1m", 1, 0)],
)
def test_tenor_as_quoted_becomes_months_and_days(tenor, months, days):
    assert parse_tenor(tenor) == (months, days)


@pytest.mark.parametrize("tenor", ["", "M", "3", "3X", "-1M", "1.5Y", "Y1", "3M ago"])
def test_tenor_that_is_none_is_refused_with_what_to_write(tenor):
    with pytest.raises(ValueError, match="is not a tenor; write numbers followed by D, W, M or Y"):
        parse_tenor(tenor)


def test_tenor_beyond_two_centuries_is_refused():
    with pytest.raises(ValueError, match="'99999Y' is longer than 200 years"):
        parse_tenor("99999Y")


def test_pillar_date_of_a_tenor_counts_days_and_clamps_months():
    as_of = to_day(datetime.date(2026, 1, 31))
    assert [to_date(add_tenor(as_of, tenor)).isoformat() for tenor in ("ON", "1W", "1M", "1Y")] == [
        "2026-02-01",
        "2026-02-07",
        "2026-02-28",
        "2027-01-31",
    ]
    assert to_date(add_tenor(to_day(datetime.date(2026, 2, 28)), "1M", month_end=True)).isoformat() == "2026-03-31"


def test_datetime64_column_becomes_day_numbers_and_null_becomes_no_date():
    column = np.array(["2026-11-23", "NaT", "1969-12-31"], "datetime64[D]")
    np.testing.assert_array_equal(to_days(column), np.array([20780, NO_DATE, -1], np.int32))
