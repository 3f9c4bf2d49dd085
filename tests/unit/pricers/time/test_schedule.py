import datetime

import numpy as np
import pytest

from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS, FIRST_DAY, LAST_DAY, MODIFIED_FOLLOWING, UNADJUSTED, adjust, calendar_tables
from pricers.time.dates import NO_DATE, to_date, to_day
from pricers.time.schedule import (
    BACKWARD,
    COLLAPSED,
    DATES_OUT_OF_ORDER,
    FORWARD,
    FREQUENCIES,
    FREQUENCY_DAYS,
    FREQUENCY_MONTHS,
    FREQUENCY_PER_YEAR,
    INVALID_CODE,
    INVALID_TENOR,
    LONG_FINAL,
    LONG_INITIAL,
    OUT_OF_CALENDAR_RANGE,
    SCHEDULE_REASONS,
    SCHEDULED,
    SHORT_FINAL,
    SHORT_INITIAL,
    STUB_CONTRADICTS_RULE,
    STUB_DATES_OUT_OF_ORDER,
    ZERO,
    ScheduleTerms,
    fill_dates,
    max_dates,
)
from tests.oracles import quantlib_time as oracle
from tests.oracles.random_schedules import contract_of, random_contracts
from tests.oracles.schedule_batch import Schedules, schedules

NAMES = tuple(oracle.CALENDARS)
TABLES = calendar_tables(NAMES)
NONE = NAMES.index("NONE")
TARGET = NAMES.index("TARGET")
CONTRACTS_IN_THE_SUITE = 3000


def day(iso: str) -> int:
    return to_day(datetime.date.fromisoformat(iso))


def one(effective: str, maturity: str, **terms) -> Schedules:
    terms = {name: day(value) if isinstance(value, str) else value for name, value in terms.items()}
    return schedules(np.array([day(effective)], np.int32), maturity=day(maturity), tables=TABLES, **terms)


def dates(built: Schedules, row: int = 0) -> list[str]:
    return [to_date(d).isoformat() for d in built.adjusted[built.offsets[row] : built.offsets[row + 1]]]


SOUND = {
    "effective": day("2025-01-15"),
    "maturity": day("2030-01-15"),
    "tenor_months": 6,
    "tenor_days": 0,
    "rule": BACKWARD,
    "stub": 0,
    "first_date": NO_DATE,
    "penultimate_date": NO_DATE,
    "convention": UNADJUSTED,
    "termination_convention": UNADJUSTED,
    "calendar": NONE,
}


def count_differences(count: int, *, seed: int) -> tuple[int, int]:
    """How many random contracts are scheduled otherwise than by QuantLib, dates or regularity, and how many both refuse."""
    contracts = random_contracts(count, seed=seed, calendar_count=len(NAMES))
    built = schedules(**contracts, tables=TABLES)
    different = refused = 0
    for row in range(count):
        expected = oracle.schedule(contract_of(contracts, row), oracle.CALENDARS[NAMES[contracts["calendar"][row]]])
        at = slice(built.offsets[row], built.offsets[row + 1])
        if expected is None:
            refused += 1
            different += at.stop != at.start
            continue
        same_dates = built.adjusted[at].tolist() == [oracle.day(date) for date in expected]
        different += not (same_dates and built.is_regular[at][1:].tolist() == list(expected.isRegular()))
    return different, refused


def test_random_contracts_over_all_conventions_equal_quantlib():
    different, refused = count_differences(CONTRACTS_IN_THE_SUITE, seed=20261123)
    assert different == 0
    assert 0 < refused < CONTRACTS_IN_THE_SUITE / 100


@pytest.mark.parametrize(("rule", "stub"), [(BACKWARD, LONG_INITIAL), (FORWARD, LONG_FINAL)])
def test_long_stub_by_convention_equals_quantlib_with_the_explicit_date(rule, stub):
    """Dropping the date next to the stub must be what an explicit stub date one period further does."""
    contracts = random_contracts(2000, seed=stub, calendar_count=len(NAMES))
    contracts |= {"rule": np.full(2000, rule), "first_date": np.full(2000, NO_DATE), "penultimate_date": np.full(2000, NO_DATE)}
    contracts |= {"convention": np.full(2000, UNADJUSTED), "termination_convention": np.full(2000, UNADJUSTED)}
    # On a real calendar a business month's end moves roll dates to the month's end afterwards; an explicit date would then be off grid.
    contracts["calendar"] = np.where(contracts["month_end"], NONE, contracts["calendar"])
    short, long = schedules(**contracts, tables=TABLES), schedules(**contracts, stub=stub, tables=TABLES)
    lengthened = 0
    for row in range(2000):
        before, after = (slice(s.offsets[row], s.offsets[row + 1]) for s in (short, long))
        roll_dates, regular = short.unadjusted[before], short.is_regular[before]
        stub_period, explicit = (1, "first_date") if rule == BACKWARD else (-1, "penultimate_date")
        if len(roll_dates) < 3 or regular[stub_period]:
            assert long.adjusted[after].tolist() == short.adjusted[before].tolist()
            continue
        if len(roll_dates) == 3:
            assert long.adjusted[after].tolist() == short.adjusted[before][[0, 2]].tolist()
            continue
        contract = contract_of(contracts, row) | {explicit: int(roll_dates[2 * stub_period if rule == BACKWARD else -3])}
        expected = oracle.schedule(contract, oracle.CALENDARS[NAMES[contract["calendar"]]])
        assert expected is not None
        assert long.adjusted[after].tolist() == [oracle.day(date) for date in expected]
        assert long.is_regular[after][1:].tolist() == list(expected.isRegular())
        lengthened += 1
    assert lengthened > 500


def test_row_in_a_batch_equals_the_same_contract_alone():
    contracts = random_contracts(200, seed=4, calendar_count=len(NAMES))
    built = schedules(**contracts, tables=TABLES)
    for row in range(200):
        alone = schedules(**{name: values[row : row + 1] for name, values in contracts.items()}, tables=TABLES)
        at = slice(built.offsets[row], built.offsets[row + 1])
        np.testing.assert_array_equal(alone.adjusted, built.adjusted[at])
        np.testing.assert_array_equal(alone.unadjusted, built.unadjusted[at])
        np.testing.assert_array_equal(alone.is_regular, built.is_regular[at])
        assert alone.reason[0] == built.reason[row]


def test_adjusted_dates_are_the_unadjusted_ones_moved_by_their_conventions():
    contracts = random_contracts(500, seed=5, calendar_count=len(NAMES))
    built = schedules(**contracts, tables=TABLES)
    for row in np.flatnonzero(built.reason == SCHEDULED):
        contract = contract_of(contracts, row)
        at = slice(built.offsets[row], built.offsets[row + 1])
        conventions = [contract["convention"]] * (at.stop - at.start - 1) + [contract["termination_convention"]]
        moved = [adjust(d, c, contract["calendar"], TABLES) for d, c in zip(built.unadjusted[at], conventions, strict=True)]
        assert built.adjusted[at].tolist() == moved


def test_one_row_never_writes_beyond_the_room_it_asked_for():
    contracts = random_contracts(2000, seed=6, calendar_count=len(NAMES))
    for row in range(2000):
        terms = ScheduleTerms(stub=(LONG_INITIAL, LONG_FINAL, 0)[contracts["rule"][row]], **contract_of(contracts, row))
        room = max_dates(terms)
        unadjusted, adjusted, is_regular = np.full(room + 2, 7, np.int32), np.full(room + 2, 7, np.int32), np.full(room + 2, True)
        count, reason = fill_dates(terms, TABLES, unadjusted, adjusted, is_regular, 1)
        assert count <= room
        assert (count >= 2) == (reason == SCHEDULED)
        assert unadjusted[[0, -1]].tolist() == adjusted[[0, -1]].tolist() == [7, 7]


def test_short_and_long_stubs_at_either_end_by_convention():
    terms = {"tenor_months": 6, "calendar": NONE}
    short_initial = one("2026-01-10", "2027-03-15", rule=BACKWARD, stub=SHORT_INITIAL, **terms)
    long_initial = one("2026-01-10", "2027-03-15", rule=BACKWARD, stub=LONG_INITIAL, **terms)
    short_final = one("2026-01-10", "2027-03-15", rule=FORWARD, stub=SHORT_FINAL, **terms)
    long_final = one("2026-01-10", "2027-03-15", rule=FORWARD, stub=LONG_FINAL, **terms)
    assert dates(short_initial) == ["2026-01-10", "2026-03-15", "2026-09-15", "2027-03-15"]
    assert dates(long_initial) == ["2026-01-10", "2026-09-15", "2027-03-15"]
    assert dates(short_final) == ["2026-01-10", "2026-07-10", "2027-01-10", "2027-03-15"]
    assert dates(long_final) == ["2026-01-10", "2026-07-10", "2027-03-15"]
    assert long_initial.is_regular.tolist() == [False, False, True]
    assert long_final.is_regular.tolist() == [False, True, False]


def test_month_end_rule_keeps_coupons_at_month_ends():
    terms = {"tenor_months": 6, "rule": BACKWARD, "calendar": NONE}
    assert dates(one("2025-08-31", "2026-08-31", month_end=True, **terms)) == ["2025-08-31", "2026-02-28", "2026-08-31"]
    assert dates(one("2026-02-28", "2027-02-28", month_end=True, **terms)) == ["2026-02-28", "2026-08-31", "2027-02-28"]
    assert dates(one("2026-02-28", "2027-02-28", month_end=False, **terms)) == ["2026-02-28", "2026-08-28", "2027-02-28"]


def test_termination_date_follows_its_own_convention():
    terms = {"tenor_months": 12, "convention": MODIFIED_FOLLOWING, "calendar": TARGET}
    assert dates(one("2025-08-15", "2027-08-15", **terms))[1:] == ["2026-08-17", "2027-08-15"]
    assert dates(one("2025-08-15", "2027-08-15", termination_convention=MODIFIED_FOLLOWING, **terms))[-1] == "2027-08-16"


def test_every_frequency_fills_a_year_with_its_number_of_periods():
    for code, name in enumerate(FREQUENCIES):
        tenor = {"tenor_months": int(FREQUENCY_MONTHS[code]), "tenor_days": int(FREQUENCY_DAYS[code])}
        periods = len(dates(one("2025-01-01", "2026-01-01", rule=FORWARD, **tenor))) - 1
        short_last_period = name in ("EVERY_FOUR_WEEKS", "BIWEEKLY", "WEEKLY")  # 364 days and one more
        assert periods == max(1, FREQUENCY_PER_YEAR[code]) + short_last_period, name


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"maturity": "2025-01-15"}, DATES_OUT_OF_ORDER),
        ({"maturity": "2024-12-31"}, DATES_OUT_OF_ORDER),
        ({"maturity": NO_DATE}, DATES_OUT_OF_ORDER),
        ({"effective": NO_DATE}, DATES_OUT_OF_ORDER),
        ({"first_date": "2025-01-14"}, STUB_DATES_OUT_OF_ORDER),
        ({"first_date": "2030-01-16"}, STUB_DATES_OUT_OF_ORDER),
        ({"penultimate_date": "2025-01-14"}, STUB_DATES_OUT_OF_ORDER),
        ({"penultimate_date": "2030-01-16"}, STUB_DATES_OUT_OF_ORDER),
        ({"first_date": "2027-01-15", "penultimate_date": "2026-01-15"}, STUB_DATES_OUT_OF_ORDER),
        ({"effective": FIRST_DAY}, OUT_OF_CALENDAR_RANGE),
        ({"maturity": LAST_DAY}, OUT_OF_CALENDAR_RANGE),
        ({"maturity": 2**31 - 1}, OUT_OF_CALENDAR_RANGE),
        ({"tenor_months": -6}, INVALID_TENOR),
        ({"tenor_days": -7}, INVALID_TENOR),
        ({"tenor_days": 7}, INVALID_TENOR),
        ({"rule": FORWARD, "stub": LONG_INITIAL}, STUB_CONTRADICTS_RULE),
        ({"rule": BACKWARD, "stub": SHORT_FINAL}, STUB_CONTRADICTS_RULE),
        ({"rule": ZERO, "first_date": "2026-01-15"}, STUB_CONTRADICTS_RULE),
        ({"rule": -1}, INVALID_CODE),
        ({"rule": 3}, INVALID_CODE),
        ({"stub": -1}, INVALID_CODE),
        ({"convention": -1}, INVALID_CODE),
        ({"termination_convention": len(BUSINESS_DAY_CONVENTIONS)}, INVALID_CODE),
        (
            {"effective": "2026-08-15", "maturity": "2026-08-16", "convention": 1, "termination_convention": 1, "calendar": TARGET},
            COLLAPSED,
        ),
    ],
)
def test_row_that_cannot_be_scheduled_has_no_dates_and_a_reason_and_neighbours_are_untouched(terms, reason):
    broken = {name: day(value) if isinstance(value, str) else value for name, value in terms.items()}
    columns = {name: np.array([value, broken.get(name, value), value]) for name, value in SOUND.items()}
    built = schedules(**columns, tables=TABLES)
    assert built.reason.tolist() == [SCHEDULED, reason, SCHEDULED]
    assert np.diff(built.offsets).tolist() == [11, 0, 11]
    assert dates(built, 0) == dates(built, 2) == dates(one("2025-01-15", "2030-01-15", tenor_months=6))


def test_every_reason_has_a_message_with_a_remedy():
    assert len(SCHEDULE_REASONS) == COLLAPSED + 1
    assert all(";" in message for message in SCHEDULE_REASONS[1:])


def test_stub_dates_at_the_contracts_own_ends_are_no_stubs():
    plain = one("2025-01-15", "2030-01-15", tenor_months=6)
    stated = one("2025-01-15", "2030-01-15", tenor_months=6, first_date="2025-01-15", penultimate_date="2030-01-15")
    assert dates(stated) == dates(plain)
    assert stated.is_regular[1:].all()


def test_batch_of_no_rows_gives_no_dates():
    built = schedules(np.empty(0, np.int32), maturity=np.empty(0, np.int32), tenor_months=6, tables=TABLES)
    assert built.offsets.tolist() == [0]
    assert len(built.adjusted) == len(built.reason) == 0


def test_calendar_index_without_a_table_is_refused_before_any_row():
    with pytest.raises(ValueError, match="the tables hold"):
        one("2025-01-15", "2030-01-15", tenor_months=6, calendar=len(NAMES))
