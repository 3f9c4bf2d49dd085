import math

import numpy as np
import pytest
import QuantLib as ql

from pricers.time.calendars import FIRST_DAY, LAST_DAY, UNADJUSTED, advance_business_days, advance_months, calendar_tables
from pricers.time.dates import NO_DATE, days_from_civil
from pricers.time.day_count import ACT_ACT_ICMA, BUS_252, DAY_COUNTS, THIRTY_E_360_ISDA, icma_stub_fraction, year_fraction, year_fractions
from pricers.time.schedule import SCHEDULED, ScheduleTerms, reference_period
from tests.oracles import quantlib_time as oracle
from tests.oracles.random_schedules import contract_of, random_contracts
from tests.oracles.schedule_batch import schedules

YEARS_TOLERANCE = 1e-14  # a few units in the last place of fractions up to thirty years
NAMES = tuple(oracle.CALENDARS)
TABLES = calendar_tables(NAMES)
NONE = NAMES.index("NONE")
BR = NAMES.index("BR")


def day(year: int, month: int, day_of_month: int) -> int:
    return int(days_from_civil(year, month, day_of_month))


def random_pairs(count: int, *, seed: int, years: int = 30) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    start = rng.integers(4000, 50_000, count)
    end = start + rng.integers(-365 * years, 365 * years, count)
    return oracle.month_ends_among(start, share=0.4, rng=rng), oracle.month_ends_among(end, share=0.4, rng=rng)


@pytest.mark.parametrize("name", DAY_COUNTS)
def test_random_dates_in_either_order_equal_quantlib(name):
    start, end = random_pairs(3000, seed=1)
    maturity = np.where(np.arange(3000) % 2, end, NO_DATE)
    years = year_fractions(start, end=end, day_count=DAY_COUNTS.index(name), maturity=maturity, calendar=BR, tables=TABLES)
    expected = [
        oracle.day_counter(name, maturity=last, calendar=oracle.CALENDARS["BR"]).yearFraction(oracle.date(a), oracle.date(b))
        for a, b, last in zip(start, end, maturity, strict=True)
    ]
    np.testing.assert_allclose(years, expected, rtol=YEARS_TOLERANCE, atol=YEARS_TOLERANCE)


def test_icma_with_random_reference_periods_equals_quantlib_and_is_nan_where_quantlib_refuses():
    """QuantLib refuses dates on both sides of the reference period too: these are the sum of the two parts, which it counts."""
    rng = np.random.default_rng(2)
    start, end = random_pairs(6000, seed=3, years=3)
    reference_start = oracle.month_ends_among(start + rng.integers(-900, 500, 6000), share=0.4, rng=rng)
    reference_end = oracle.month_ends_among(reference_start + rng.integers(0, 500, 6000), share=0.4, rng=rng)
    years = year_fractions(start, end=end, day_count=ACT_ACT_ICMA, reference_start=reference_start, reference_end=reference_end)
    counter, refused, parted = oracle.DAY_COUNTERS["ACT/ACT ICMA"], 0, 0
    for i in range(6000):
        reference = oracle.date(reference_start[i]), oracle.date(reference_end[i])
        first, last = oracle.date(min(start[i], end[i])), oracle.date(max(start[i], end[i]))
        try:
            expected = counter.yearFraction(oracle.date(start[i]), oracle.date(end[i]), *reference)
        except RuntimeError:
            if first < reference[0] < reference[1] < last:
                parts = (first, reference[0]), (reference[0], last)
                expected, parted = np.sign(end[i] - start[i]) * sum(counter.yearFraction(*part, *reference) for part in parts), parted + 1
            else:
                expected, refused = math.nan, refused + 1
        np.testing.assert_allclose(years[i], expected, rtol=YEARS_TOLERANCE, atol=YEARS_TOLERANCE)
    assert 0 < refused < 4000
    assert parted > 100


def coupon_contracts(count: int, *, seed: int) -> dict[str, np.ndarray]:
    """Contracts with tenors in months up to a year, the ones that coupons have."""
    contracts = random_contracts(4 * count, seed=seed, calendar_count=len(NAMES))
    monthly = np.flatnonzero(contracts["tenor_months"] > 0)[:count]
    return {name: values[monthly] for name, values in contracts.items()}


@pytest.mark.parametrize("name", DAY_COUNTS)
def test_coupon_accruals_with_their_reference_periods_equal_quantlib_fixed_rate_leg(name):
    contracts = coupon_contracts(300, seed=11)
    built = schedules(**contracts, tables=TABLES)
    coupons = 0
    for row in np.flatnonzero(built.reason == SCHEDULED):
        contract = contract_of(contracts, row)
        calendar = oracle.CALENDARS[NAMES[contract["calendar"]]]
        counter = oracle.day_counter(name, maturity=contract["maturity"], calendar=calendar)
        leg = ql.FixedRateLeg(oracle.schedule(contract, calendar), counter, [1.0], [0.01])
        terms, at, count = ScheduleTerms(stub=0, **contract), built.offsets[row], int(np.diff(built.offsets)[row])
        for k in range(1, count):
            reference = reference_period(k, count, terms, TABLES, built.adjusted, built.is_regular, at)
            dates = built.adjusted[at + k - 1], built.adjusted[at + k]
            years = year_fraction(DAY_COUNTS.index(name), *dates, *reference, contract["maturity"], contract["calendar"], TABLES)
            accrual = ql.as_fixed_rate_coupon(leg[k - 1]).accrualPeriod()
            np.testing.assert_allclose(years, accrual, rtol=YEARS_TOLERANCE, atol=YEARS_TOLERANCE)
            coupons += 1
    assert coupons > 3000


def test_stub_accruals_over_quasi_coupons_equal_quantlib_icma_with_the_schedule():
    """Stubs that start or end inside two quasi-coupon periods; QuantLib knows no longer ones, nor a single irregular period."""
    contracts = coupon_contracts(4000, seed=12)
    built = schedules(**contracts, tables=TABLES)
    compared = 0
    for row in np.flatnonzero((built.reason == SCHEDULED) & (np.diff(built.offsets) > 2)):
        contract, at = contract_of(contracts, row), slice(built.offsets[row], built.offsets[row + 1])
        dates, regular = built.adjusted[at], built.is_regular[at]
        if regular[1] == regular[-1]:  # QuantLib misplaces the last quasi-coupon after a long first period
            continue
        anchor, direction = (dates[1], -1) if not regular[1] else (dates[-2], 1)
        start, end = (dates[0], dates[1]) if direction < 0 else (dates[-2], dates[-1])
        roll = (contract["tenor_months"], contract["convention"], bool(contract["month_end"]), contract["calendar"])
        one_tenor_away = advance_months(anchor, direction * roll[0], *roll[1:], TABLES)
        reference = sorted((int(anchor), one_tenor_away))
        schedule = oracle.schedule(contract, oracle.CALENDARS[NAMES[contract["calendar"]]])
        counter = ql.ActualActual(ql.ActualActual.ISMA, schedule)
        middle = (int(start) + int(end)) // 2
        for a, b in ((start, end), (start, middle), (middle, end)):
            try:
                expected = counter.yearFraction(oracle.date(a), oracle.date(b))
            except RuntimeError:
                continue
            years = icma_stub_fraction(a, b, *reference, *roll, TABLES)
            np.testing.assert_allclose(years, expected, rtol=YEARS_TOLERANCE, atol=YEARS_TOLERANCE)
            compared += 1
    assert compared > 500


def test_icma_stub_of_many_quasi_coupons_is_the_sum_of_whole_periods_and_the_rest():
    start, end = day(2024, 2, 10), day(2026, 1, 15)
    forwards = icma_stub_fraction(start, end, day(2024, 1, 15), day(2024, 7, 15), 6, UNADJUSTED, False, NONE, TABLES)
    backwards = icma_stub_fraction(start, end, day(2025, 7, 15), end, 6, UNADJUSTED, False, NONE, TABLES)
    rest = (day(2024, 7, 15) - start) / (2 * (day(2024, 7, 15) - day(2024, 1, 15)))
    assert math.isclose(forwards, 1.5 + rest, rel_tol=YEARS_TOLERANCE)
    assert math.isclose(backwards, 1.5 + rest, rel_tol=YEARS_TOLERANCE)
    assert icma_stub_fraction(end, start, day(2025, 7, 15), end, 6, UNADJUSTED, False, NONE, TABLES) == -backwards


def test_icma_stub_keeps_to_month_ends_where_the_schedule_does():
    start, end = day(2025, 9, 10), day(2026, 2, 28)
    on_the_28th = icma_stub_fraction(start, end, day(2025, 11, 28), end, 3, UNADJUSTED, False, NONE, TABLES)
    at_month_ends = icma_stub_fraction(start, end, day(2025, 11, 30), end, 3, UNADJUSTED, True, NONE, TABLES)
    assert on_the_28th == 0.25 + (day(2025, 11, 28) - start) / (4 * 92)
    assert at_month_ends == 0.25 + (day(2025, 11, 30) - start) / (4 * 91)


@pytest.mark.parametrize("broken", [{"reference_start": NO_DATE}, {"reference_end": day(2025, 11, 30)}, {"end": LAST_DAY + 1}])
def test_icma_stub_without_an_answer_is_nan(broken):
    arguments = {
        "start": day(2025, 9, 10),
        "end": day(2026, 2, 28),
        "reference_start": day(2025, 11, 30),
        "reference_end": day(2026, 2, 28),
    } | broken
    assert math.isnan(icma_stub_fraction(*arguments.values(), 3, UNADJUSTED, False, NONE, TABLES))


def test_maturity_at_the_end_of_february_changes_30e_360_isda_alone():
    start, maturity = day(2025, 8, 31), day(2026, 2, 28)
    assert year_fraction(THIRTY_E_360_ISDA, start, maturity, NO_DATE, NO_DATE, maturity, NONE, TABLES) == 178 / 360
    assert year_fraction(THIRTY_E_360_ISDA, start, maturity, NO_DATE, NO_DATE, NO_DATE, NONE, TABLES) == 180 / 360


def test_year_of_252_brazilian_business_days_is_one():
    start = day(2026, 3, 2)
    assert year_fraction(BUS_252, start, advance_business_days(start, 252, BR, TABLES), NO_DATE, NO_DATE, NO_DATE, BR, TABLES) == 1.0


def test_no_time_is_no_fraction_whatever_the_rule():
    start, _ = random_pairs(200, seed=7)
    for code in range(len(DAY_COUNTS)):
        assert not year_fractions(start, end=start, day_count=code, tables=TABLES).any()


def test_row_without_an_answer_is_nan_and_its_neighbours_are_untouched():
    start = np.full(5, day(2026, 1, 15), np.int32)
    end = np.array([day(2026, 7, 15), LAST_DAY + 1, day(2026, 7, 15), day(2026, 7, 15), day(2026, 7, 15)], np.int32)
    codes = np.array([0, BUS_252, ACT_ACT_ICMA, len(DAY_COUNTS), -1])
    backwards = {"reference_start": day(2026, 7, 15), "reference_end": day(2026, 1, 15)}
    years = year_fractions(start, end=end, day_count=codes, tables=TABLES, **backwards)
    assert years[0] == 181 / 360
    assert np.isnan(years[1:]).all()
    assert math.isnan(year_fraction(BUS_252, FIRST_DAY - 1, 0, NO_DATE, NO_DATE, NO_DATE, NONE, TABLES))


def test_row_in_a_batch_equals_the_same_dates_alone():
    start, end = random_pairs(200, seed=8)
    codes = np.arange(200) % len(DAY_COUNTS)
    batch = year_fractions(start, end=end, day_count=codes, calendar=BR, tables=TABLES)
    alone = [year_fraction(codes[i], start[i], end[i], NO_DATE, NO_DATE, NO_DATE, BR, TABLES) for i in range(200)]
    np.testing.assert_array_equal(batch, alone)


def test_business_days_without_a_calendar_are_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"pass tables=calendar_tables"):
        year_fractions(np.array([0]), end=np.array([1]), day_count=BUS_252)


def test_columns_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="shape"):
        year_fractions(np.array([0, 1]), end=np.array([1, 2, 3]), day_count=0)
