import datetime

import numpy as np
import pytest
import QuantLib as ql

from pricers.time.calendar_names import CALENDARS, is_calendar
from pricers.time.calendars import (
    BUSINESS_DAY_CONVENTIONS,
    FIRST_DAY,
    FOLLOWING,
    HALF_MONTH_MODIFIED_FOLLOWING,
    LAST_DAY,
    MODIFIED_FOLLOWING,
    UNADJUSTED,
    adjust,
    adjust_days,
    advance_business_days,
    advance_months,
    business_days_between,
    calendar_indices,
    calendar_tables,
    ends_business_month,
    is_business_day,
)
from pricers.time.dates import NO_DATE, to_day
from tests.oracles import quantlib_time as oracle

NAMES = tuple(oracle.CALENDARS)
TABLES = calendar_tables(NAMES)
TARGET = NAMES.index("TARGET")
INSIDE = (to_day(datetime.date(1953, 1, 1)), to_day(datetime.date(2148, 1, 1)))


def day(iso: str) -> int:
    return to_day(datetime.date.fromisoformat(iso))


def random_days(count: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return oracle.month_ends_among(rng.integers(*INSIDE, count), share=0.3, rng=rng)


def test_every_calendar_offered_is_compared_with_quantlib():
    assert set(CALENDARS) <= set(NAMES)


@pytest.mark.parametrize("calendar", range(len(NAMES)), ids=NAMES)
def test_business_days_of_recent_decades_equal_quantlib(calendar):
    days = np.arange(day("2015-01-01"), day("2035-01-01"))
    expected = [oracle.CALENDARS[NAMES[calendar]].isBusinessDay(oracle.date(d)) for d in days]
    assert [is_business_day(d, calendar, TABLES) for d in days] == expected


@pytest.mark.parametrize("calendar", range(len(NAMES)), ids=NAMES)
@pytest.mark.parametrize("convention", range(len(BUSINESS_DAY_CONVENTIONS)), ids=BUSINESS_DAY_CONVENTIONS)
def test_adjusted_days_equal_quantlib(calendar, convention):
    days = random_days(300, seed=calendar)
    expected = [oracle.day(oracle.CALENDARS[NAMES[calendar]].adjust(oracle.date(d), oracle.convention(convention))) for d in days]
    np.testing.assert_array_equal(adjust_days(days, convention=convention, calendar=calendar, tables=TABLES), expected)


@pytest.mark.parametrize("calendar", range(len(NAMES)), ids=NAMES)
def test_business_day_steps_and_counts_equal_quantlib(calendar):
    rng = np.random.default_rng(calendar)
    quantlib = oracle.CALENDARS[NAMES[calendar]]
    for start, steps, other in zip(random_days(100, seed=calendar), rng.integers(-30, 31, 100), random_days(100, seed=99), strict=True):
        stepped = quantlib.advance(oracle.date(start), int(steps), ql.Days)
        assert advance_business_days(start, steps, calendar, TABLES) == oracle.day(stepped)
        near = start + (other - start) // 100
        between = quantlib.businessDaysBetween(oracle.date(start), oracle.date(near))
        assert business_days_between(start, near, calendar, TABLES) == between


@pytest.mark.parametrize("month_end", [False, True])
def test_months_on_a_calendar_equal_quantlib(month_end):
    rng = np.random.default_rng(5)
    for start, months in zip(random_days(4000, seed=6), rng.integers(-24, 25, 4000), strict=True):
        calendar, convention = int(rng.integers(len(NAMES))), int(rng.integers(len(BUSINESS_DAY_CONVENTIONS)))
        quantlib = oracle.CALENDARS[NAMES[calendar]]
        expected = quantlib.advance(oracle.date(start), int(months), ql.Months, oracle.convention(convention), month_end)
        assert advance_months(start, months, convention, month_end, calendar, TABLES) == oracle.day(expected)
        assert ends_business_month(start, calendar, TABLES) == quantlib.isEndOfMonth(oracle.date(start))


@pytest.mark.parametrize(
    ("closed", "calendar"),
    [
        ("2026-04-03", "TARGET"),  # Good Friday
        ("2026-05-01", "TARGET"),  # Labour Day
        ("2026-11-26", "US_FED"),  # Thanksgiving
        ("2026-11-26", "TARGET+US_FED"),
        ("2026-05-01", "TARGET+US_FED"),
        ("2022-09-19", "UK"),  # state funeral
        ("2026-11-20", "BR"),  # Consciência Negra, a national holiday since 2024
        ("2026-11-22", "WEEKENDS_ONLY"),
    ],
)
def test_published_holiday_is_no_business_day(closed, calendar):
    assert not is_business_day(day(closed), NAMES.index(calendar), TABLES)


def test_chinese_working_weekend_is_a_business_day():
    assert is_business_day(day("2019-02-03"), NAMES.index("CN"), TABLES)  # a Sunday, worked for the Spring Festival


def test_half_month_convention_does_not_cross_the_fifteenth():
    saturday = day("2026-08-15")
    assert adjust(saturday, HALF_MONTH_MODIFIED_FOLLOWING, TARGET, TABLES) == day("2026-08-14")
    assert adjust(saturday, MODIFIED_FOLLOWING, TARGET, TABLES) == day("2026-08-17")


@pytest.mark.parametrize("outside", [NO_DATE, FIRST_DAY - 1, LAST_DAY + 1, 2**31 - 1])
def test_day_outside_the_tables_gives_no_date_never_another_day(outside):
    for convention in range(len(BUSINESS_DAY_CONVENTIONS)):
        expected = outside if convention == UNADJUSTED else NO_DATE
        assert adjust(outside, convention, TARGET, TABLES) == expected
    assert advance_business_days(outside, 1, TARGET, TABLES) == NO_DATE
    assert business_days_between(outside, 0, TARGET, TABLES) == NO_DATE
    assert business_days_between(0, outside, TARGET, TABLES) == NO_DATE
    assert advance_months(outside, 6, FOLLOWING, True, TARGET, TABLES) == NO_DATE
    assert advance_months(outside, 6, UNADJUSTED, False, TARGET, TABLES) == NO_DATE
    assert not is_business_day(outside, TARGET, TABLES)


def test_step_past_either_end_of_the_tables_gives_no_date():
    last_saturday, first_sunday = day("2150-12-26"), day("1950-01-01")
    assert advance_business_days(last_saturday, 4, TARGET, TABLES) == day("2150-12-31")
    assert advance_business_days(last_saturday, 5, TARGET, TABLES) == NO_DATE
    assert advance_business_days(first_sunday, -1, TARGET, TABLES) == NO_DATE
    assert adjust(first_sunday, 3, TARGET, TABLES) == NO_DATE
    assert advance_business_days(0, -(2**31), TARGET, TABLES) == NO_DATE
    assert advance_months(last_saturday, 1, UNADJUSTED, False, TARGET, TABLES) == NO_DATE
    assert advance_months(last_saturday, 1, MODIFIED_FOLLOWING, False, TARGET, TABLES) == NO_DATE


def test_code_that_is_no_convention_gives_no_date():
    saturday = day("2026-08-15")
    assert adjust(saturday, -1, TARGET, TABLES) == NO_DATE
    assert adjust(saturday, 7, TARGET, TABLES) == NO_DATE


def test_unknown_calendar_is_refused_with_the_known_ones():
    assert not is_calendar("TARGET+MARS")
    assert is_calendar("TARGET+US_FED")
    with pytest.raises(ValueError, match=r"unknown calendar 'MARS'; known: NONE, WEEKENDS_ONLY, TARGET.*joined with '\+'"):
        calendar_tables(("TARGET+MARS",))


def test_calendar_index_without_a_table_is_refused():
    with pytest.raises(ValueError, match="calendar indices run from 0 to 1; the tables hold 1 calendars"):
        adjust_days(np.array([0, 1], np.int32), convention=FOLLOWING, calendar=np.array([0, 1]), tables=calendar_tables(("TARGET",)))
    with pytest.raises(ValueError, match="run from -1"):
        calendar_indices(-1, row_count=1, tables=TABLES)


def test_tables_are_shared_and_cannot_be_changed():
    assert calendar_tables(("TARGET", "UK")) is calendar_tables(("TARGET", "UK"))
    with pytest.raises(ValueError, match="read-only"):
        calendar_tables(("TARGET",)).following[0, 0] = 0


def test_no_calendar_asked_for_gives_tables_without_rows():
    assert calendar_tables(()).following.shape == (0, LAST_DAY - FIRST_DAY + 1)
    assert len(adjust_days(np.empty(0, np.int32), convention=FOLLOWING, calendar=0, tables=calendar_tables(()))) == 0
