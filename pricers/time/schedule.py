"""Coupon schedules: the dates of one contract, compiled, for the loops of product lowerings.

Dates roll from maturity backwards, from the effective date forwards, or not at all, with explicit or conventional stubs at either
end, an end-of-month rule and business-day conventions; the result equals QuantLib's `Schedule` date for date. `fill_dates` writes the
dates of one contract into the caller's buffer; `tests.oracles.schedule_batch` calls it for many contracts.

References:
    [1] QuantLib, ql/time/schedule.cpp (date generation), ql/cashflows/fixedratecoupon.cpp (reference periods of stubs).
    [2] OpenGamma Strata, PeriodicSchedule (long stubs by convention).
"""

from __future__ import annotations

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.kernels.jit import kernel
from pricers.time.calendars import FIRST_DAY, LAST_DAY, NEAREST, UNADJUSTED, CalendarTables, adjust, advance_months, ends_business_month
from pricers.time.dates import NO_DATE, civil_from_days, day_in_month, days_in_month, end_of_month

BACKWARD: Final = 0
FORWARD: Final = 1
ZERO: Final = 2
RULES: Final = ("BACKWARD", "FORWARD", "ZERO")
"""The date from which others roll: BACKWARD from maturity, FORWARD from the effective date; ZERO has one period. The index is the code."""

STUB_NONE: Final = 0
SHORT_INITIAL: Final = 1
LONG_INITIAL: Final = 2
SHORT_FINAL: Final = 3
LONG_FINAL: Final = 4
STUBS: Final = ("NONE", "SHORT_INITIAL", "LONG_INITIAL", "SHORT_FINAL", "LONG_FINAL")
"""How a remainder shorter than a period is handled if no explicit date is given. The index is the code. A final stub needs FORWARD, an
initial one BACKWARD; NONE leaves the short stub that the rule gives. An explicit date at the stub's end overrides the convention."""

FREQUENCIES: Final = (
    "ONCE",
    "ANNUAL",
    "SEMIANNUAL",
    "EVERY_FOUR_MONTHS",
    "QUARTERLY",
    "BIMONTHLY",
    "MONTHLY",
    "EVERY_FOUR_WEEKS",
    "BIWEEKLY",
    "WEEKLY",
    "DAILY",
    "SEMIMONTHLY",
)
"""Names of payment frequencies; the code of a frequency is its index here and in the three arrays below."""
FREQUENCY_MONTHS: Final = np.array([0, 12, 6, 4, 3, 2, 1, 0, 0, 0, 0, 0], np.int32)
"""Whole months of the frequency's tenor."""
FREQUENCY_DAYS: Final = np.array([0, 0, 0, 0, 0, 0, 0, 28, 14, 7, 1, 15], np.int32)
"""Calendar days of the frequency's tenor; HALF_MONTH_DAYS for half a month."""
FREQUENCY_PER_YEAR: Final = np.array([0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 12.0, 13.0, 26.0, 52.0, 365.0, 24.0])
"""Payments a year; 0 for ONCE."""

HALF_MONTH_DAYS: Final = 15
"""This tenor is no number of days: dates fall twice a month, on the 1st and 15th, on the 15th and (`month_end`) the last, or on any other
day and the one 15 days before or after it in the month."""

SCHEDULED: Final = 0
DATES_OUT_OF_ORDER: Final = 1
STUB_DATES_OUT_OF_ORDER: Final = 2
OUT_OF_CALENDAR_RANGE: Final = 3
INVALID_TENOR: Final = 4
STUB_CONTRADICTS_RULE: Final = 5
INVALID_CODE: Final = 6
COLLAPSED: Final = 7
SCHEDULE_REASONS: Final = (
    "scheduled",
    "the effective date is missing or not before maturity; correct one of the two",
    "a stub date lies outside the contract's life, or the last stub date precedes the first; correct or remove it",
    "a date lies outside 1950-03-01 to 2150-10-31; correct its year",
    "the tenor is negative or mixes months and days; specify whole months or whole days",
    "the stub convention or a stub date contradicts the generation rule; initial stubs roll BACKWARD, final ones FORWARD, ZERO has none",
    "a rule, stub or business-day convention is missing; choose one of the documented names",
    "business-day adjustment leaves a single date; lengthen the period or leave the dates unadjusted",
)
"""The meaning and the remedy of each reason code."""

# Rolled and adjusted dates stay within the tables if the contract's own dates keep this distance from the ends of the tables: a month's
# end is at most 30 days later, and no calendar closes for a month.
_RANGE_MARGIN_DAYS: Final = 60


class ScheduleTerms(NamedTuple):
    """The schedule of one contract. Dates are days since 1970-01-01, NO_DATE where optional and absent."""

    effective: int
    maturity: int
    tenor_months: int
    """Whole months of a regular period; 0 if the tenor is in days. If both tenors are 0, there is one period, as with ZERO."""
    tenor_days: int
    """Calendar days of a regular period; 0 if the tenor is in months."""
    rule: int
    stub: int
    first_date: int
    """Optional end of the first period (unadjusted)."""
    penultimate_date: int
    """Optional start of the last period (unadjusted)."""
    month_end: bool
    """Whether dates stay at month ends if the date rolled from is a month end; ignored for tenors in days."""
    convention: int
    """Business-day convention of all dates but the last."""
    termination_convention: int
    """Business-day convention of the last date."""
    calendar: int


@kernel
@no_type_check
def schedule_terms(
    effective: int, maturity: int, tenor_months: int, tenor_days: int, rule: int, stub: int, first_date: int, penultimate_date: int,
    month_end: bool, convention: int, termination_convention: int, calendar: int,
) -> ScheduleTerms:  # fmt: skip
    """The terms with all integers widened to int64: a tuple keeps its elements' types, and a kernel would be compiled for each mix."""
    return ScheduleTerms(
        effective, maturity, tenor_months, tenor_days, rule, stub, first_date, penultimate_date, month_end, convention,
        termination_convention, calendar,
    )  # fmt: skip


@kernel
@no_type_check
def reason_not_scheduled(terms: ScheduleTerms) -> int:
    """Why the terms give no schedule: an index into SCHEDULE_REASONS, or SCHEDULED if they give one."""
    effective, maturity, first, penultimate = terms.effective, terms.maturity, terms.first_date, terms.penultimate_date
    if effective == NO_DATE or maturity == NO_DATE or effective >= maturity:
        return DATES_OUT_OF_ORDER
    if effective < FIRST_DAY + _RANGE_MARGIN_DAYS or maturity > LAST_DAY - _RANGE_MARGIN_DAYS:
        return OUT_OF_CALENDAR_RANGE
    if terms.tenor_months < 0 or terms.tenor_days < 0 or (terms.tenor_months > 0 and terms.tenor_days > 0):
        return INVALID_TENOR
    if not (BACKWARD <= terms.rule <= ZERO and STUB_NONE <= terms.stub <= LONG_FINAL):
        return INVALID_CODE
    if not (UNADJUSTED <= terms.convention <= NEAREST and UNADJUSTED <= terms.termination_convention <= NEAREST):
        return INVALID_CODE
    has_first = first != NO_DATE and first != effective
    has_penultimate = penultimate != NO_DATE and penultimate != maturity
    if has_first and not effective < first <= maturity:
        return STUB_DATES_OUT_OF_ORDER
    if has_penultimate and not effective <= penultimate < maturity:
        return STUB_DATES_OUT_OF_ORDER
    if has_first and has_penultimate and first > penultimate:
        return STUB_DATES_OUT_OF_ORDER
    if _is_single_period(terms):
        return STUB_CONTRADICTS_RULE if has_first or has_penultimate else SCHEDULED
    initial_stub = terms.stub == SHORT_INITIAL or terms.stub == LONG_INITIAL
    final_stub = terms.stub == SHORT_FINAL or terms.stub == LONG_FINAL
    if (terms.rule == FORWARD and initial_stub and not has_first) or (terms.rule == BACKWARD and final_stub and not has_penultimate):
        return STUB_CONTRADICTS_RULE
    return SCHEDULED


@kernel
@no_type_check
def _is_single_period(terms: ScheduleTerms) -> bool:
    return terms.rule == ZERO or (terms.tenor_months == 0 and terms.tenor_days == 0)


@kernel
@no_type_check
def max_dates(terms: ScheduleTerms) -> int:
    """The number of elements that `fill_dates` needs for the row; 0 for a row that it refuses."""
    if reason_not_scheduled(terms) != SCHEDULED:
        return 0
    if _is_single_period(terms):
        return 2
    tenor_days = terms.tenor_days if terms.tenor_days > 0 else np.int64(terms.tenor_months) * 30
    # Beyond the whole tenors: the date rolled from, both stub dates, the far end, and one for months shorter than 30 days.
    return (np.int64(terms.maturity) - np.int64(terms.effective)) // tenor_days + 5


@kernel
@no_type_check
def fill_dates(
    terms: ScheduleTerms, tables: CalendarTables, unadjusted: np.ndarray, adjusted: np.ndarray, is_regular: np.ndarray, at: int
) -> tuple[int, int]:
    """Write the dates of one contract from index `at` on.

    Args:
        terms: the contract.
        tables: calendars; `terms.calendar` must be one of them.
        unadjusted, adjusted: int32 out, at least `max_dates(terms)` elements from `at`: each date before and after its business-day
            convention.
        is_regular: bool out: whether the period that ends at the date is a whole tenor; False for the first date.
        at: first index to write.
    Returns:
        The number of dates (0 if there is no schedule, else at least 2) and the reason, an index into SCHEDULE_REASONS.
    """
    reason = reason_not_scheduled(terms)
    if reason != SCHEDULED:
        return 0, reason
    if _is_single_period(terms):
        unadjusted[at], unadjusted[at + 1] = terms.effective, terms.maturity
        is_regular[at], is_regular[at + 1] = False, True
        seed = np.int64(terms.maturity)
        count = 2
    elif terms.rule == BACKWARD:
        count, seed = _roll_backward(terms, tables, unadjusted, is_regular, at)
        if terms.stub == LONG_INITIAL:
            count = _lengthen_initial_stub(terms, unadjusted, is_regular, at, count)
    else:
        count, seed = _roll_forward(terms, tables, unadjusted, is_regular, at)
        if terms.stub == LONG_FINAL:
            count = _lengthen_final_stub(terms, unadjusted, is_regular, at, count)
    _adjust_dates(terms, tables, seed, unadjusted, adjusted, at, count)
    count = _drop_dates_past_the_ends(unadjusted, adjusted, is_regular, at, count)
    if count < 2:
        return 0, COLLAPSED
    return count, SCHEDULED


class _Roll(NamedTuple):
    """The parts of the date rolled from. Every multiple of the tenor is counted from this date, never from another rolled date."""

    seed: int
    month_index: int
    day_of_month: int
    pairs_with_month_end: bool
    """Whether half a month after the 15th is the month's end, not the 1st."""


@kernel
@no_type_check
def _roll_from(day: int, month_end: bool) -> _Roll:
    year, month, day_of_month = civil_from_days(day)
    if month_end and day_of_month == days_in_month(year, month):
        day_of_month = 31
    return _Roll(np.int64(day), np.int64(year * 12 + month - 1), np.int64(day_of_month), month_end)


@kernel
@no_type_check
def _rolled(roll: _Roll, periods: int, terms: ScheduleTerms) -> int:
    if terms.tenor_days == HALF_MONTH_DAYS:
        return _half_months_on(roll, periods)
    if terms.tenor_days > 0:
        return roll.seed + periods * np.int64(terms.tenor_days)
    return day_in_month(roll.month_index + periods * np.int64(terms.tenor_months), roll.day_of_month)


@kernel
@no_type_check
def _half_months_on(roll: _Roll, halves: int) -> int:
    """The date so many half months away; 31 stands for month ends."""
    day = roll.day_of_month
    partner = np.int64(day + 15 if day < 15 else day - 15)
    if day == 1:
        partner = np.int64(15)
    elif day == 15:
        partner = np.int64(31 if roll.pairs_with_month_end else 1)
    elif day == 31:
        partner = np.int64(15)
    later = max(day, partner)
    half = 2 * roll.month_index + (1 if day == later else 0) + halves
    return day_in_month(half // 2, later if half % 2 == 1 else min(day, partner))


@kernel
@no_type_check
def _one_tenor_from(day: int, direction: int, terms: ScheduleTerms) -> int:
    return _rolled(_roll_from(day, terms.month_end), direction, terms)


@kernel
@no_type_check
def _roll_backward(
    terms: ScheduleTerms, tables: CalendarTables, unadjusted: np.ndarray, is_regular: np.ndarray, at: int
) -> tuple[int, int]:
    """Write the dates from maturity to the effective date, then reverse them; return their number and the date rolled from.

    Until the reversal, is_regular[at + j] describes the period between the j-th and the next date. A date that the calendar would move
    onto its neighbour is left out.
    """
    effective, convention, calendar = np.int64(terms.effective), terms.convention, terms.calendar
    has_first = terms.first_date != NO_DATE and terms.first_date != terms.effective
    seed = np.int64(terms.maturity)
    unadjusted[at] = seed
    count = 1
    if terms.penultimate_date != NO_DATE and terms.penultimate_date != terms.maturity:
        is_regular[at] = _one_tenor_from(seed, -1, terms) == terms.penultimate_date
        seed = np.int64(terms.penultimate_date)
        unadjusted[at + 1] = seed
        count = 2
    exit_day = np.int64(terms.first_date) if has_first else effective
    last_adjusted = adjust(seed, convention, calendar, tables)
    roll = _roll_from(seed, terms.month_end)
    periods = -1
    day = _rolled(roll, periods, terms)
    while day >= exit_day:
        day_adjusted = adjust(day, convention, calendar, tables)
        if day_adjusted != last_adjusted:
            is_regular[at + count - 1] = True
            unadjusted[at + count] = day
            last_adjusted = day_adjusted
            count += 1
        periods -= 1
        day = _rolled(roll, periods, terms)
    if has_first:
        first_adjusted = adjust(exit_day, convention, calendar, tables)
        if first_adjusted != last_adjusted:
            is_regular[at + count - 1] = _one_tenor_from(unadjusted[at + count - 1], -1, terms) == exit_day
            unadjusted[at + count] = exit_day
            last_adjusted = first_adjusted
            count += 1
    if adjust(effective, convention, calendar, tables) != last_adjusted:
        is_regular[at + count - 1] = _one_tenor_from(unadjusted[at + count - 1], -1, terms) == effective
        unadjusted[at + count] = effective
        count += 1
    is_regular[at + count - 1] = False
    _reverse(unadjusted, is_regular, at, count)
    return count, seed


@kernel
@no_type_check
def _reverse(unadjusted: np.ndarray, is_regular: np.ndarray, at: int, count: int) -> None:
    low, high = at, at + count - 1
    while low < high:
        unadjusted[low], unadjusted[high] = unadjusted[high], unadjusted[low]
        is_regular[low], is_regular[high] = is_regular[high], is_regular[low]
        low += 1
        high -= 1


@kernel
@no_type_check
def _roll_forward(terms: ScheduleTerms, tables: CalendarTables, unadjusted: np.ndarray, is_regular: np.ndarray, at: int) -> tuple[int, int]:
    """Write the dates from the effective date to maturity; return their number and the date rolled from."""
    maturity, convention, calendar = np.int64(terms.maturity), terms.convention, terms.calendar
    has_penultimate = terms.penultimate_date != NO_DATE and terms.penultimate_date != terms.maturity
    seed = np.int64(terms.effective)
    unadjusted[at] = seed
    is_regular[at] = False
    count = 1
    if terms.first_date != NO_DATE and terms.first_date != terms.effective:
        is_regular[at + 1] = _one_tenor_from(seed, 1, terms) == terms.first_date
        seed = np.int64(terms.first_date)
        unadjusted[at + 1] = seed
        count = 2
    exit_day = np.int64(terms.penultimate_date) if has_penultimate else maturity
    last_adjusted = adjust(seed, convention, calendar, tables)
    roll = _roll_from(seed, terms.month_end)
    periods = 1
    day = _rolled(roll, periods, terms)
    while day <= exit_day:
        day_adjusted = adjust(day, convention, calendar, tables)
        if day_adjusted != last_adjusted:
            is_regular[at + count] = True
            unadjusted[at + count] = day
            last_adjusted = day_adjusted
            count += 1
        periods += 1
        day = _rolled(roll, periods, terms)
    if has_penultimate and adjust(exit_day, convention, calendar, tables) != last_adjusted:
        is_regular[at + count] = _one_tenor_from(unadjusted[at + count - 1], 1, terms) == exit_day
        unadjusted[at + count] = exit_day
        count += 1
    termination = terms.termination_convention
    last = np.int64(unadjusted[at + count - 1])
    if adjust(last, termination, calendar, tables) != adjust(maturity, termination, calendar, tables):
        is_regular[at + count] = False
        unadjusted[at + count] = maturity
        count += 1
    return count, seed


@kernel
@no_type_check
def _lengthen_initial_stub(terms: ScheduleTerms, unadjusted: np.ndarray, is_regular: np.ndarray, at: int, count: int) -> int:
    """Merge a short first period into the second one [2], unless an explicit date separates them."""
    explicit = terms.first_date != NO_DATE and terms.first_date != terms.effective
    if explicit or count < 3 or is_regular[at + 1] or unadjusted[at + 1] == terms.penultimate_date:
        return count
    for k in range(at + 1, at + count - 1):
        unadjusted[k] = unadjusted[k + 1]
        is_regular[k] = is_regular[k + 1]
    is_regular[at + 1] = False
    return count - 1


@kernel
@no_type_check
def _lengthen_final_stub(terms: ScheduleTerms, unadjusted: np.ndarray, is_regular: np.ndarray, at: int, count: int) -> int:
    """Merge a short last period into the one before [2], unless an explicit date separates them."""
    explicit = terms.penultimate_date != NO_DATE and terms.penultimate_date != terms.maturity
    last = at + count - 1
    if explicit or count < 3 or is_regular[last] or unadjusted[last - 1] == terms.first_date:
        return count
    unadjusted[last - 1] = unadjusted[last]
    is_regular[last - 1] = False
    return count - 1


@kernel
@no_type_check
def _adjust_dates(
    terms: ScheduleTerms, tables: CalendarTables, seed: int, unadjusted: np.ndarray, adjusted: np.ndarray, at: int, count: int
) -> None:
    """Apply the conventions. If the date rolled from is the last business day of its month, all dates but the first and last move to month
    ends."""
    convention, calendar = terms.convention, terms.calendar
    last = at + count - 1
    adjusted[at] = adjust(unadjusted[at], convention, calendar, tables)
    adjusted[last] = adjust(unadjusted[last], terms.termination_convention, calendar, tables)
    if terms.month_end and terms.tenor_months > 0 and ends_business_month(seed, calendar, tables):
        for k in range(at + 1, last):
            unadjusted[k] = end_of_month(unadjusted[k])
    for k in range(at + 1, last):
        adjusted[k] = adjust(unadjusted[k], convention, calendar, tables)


@kernel
@no_type_check
def _drop_dates_past_the_ends(unadjusted: np.ndarray, adjusted: np.ndarray, is_regular: np.ndarray, at: int, count: int) -> int:
    """Remove a second or second-last date that adjustment has moved onto or past its end of the schedule."""
    last = at + count - 1
    if count >= 2 and adjusted[last - 1] >= adjusted[last]:
        if count >= 3:
            is_regular[last - 1] = adjusted[last - 1] == adjusted[last]
        unadjusted[last - 1], adjusted[last - 1] = unadjusted[last], adjusted[last]
        count -= 1
    if count >= 2 and adjusted[at + 1] <= adjusted[at]:
        if count >= 3:
            is_regular[at + 2] = adjusted[at + 1] == adjusted[at]
        for k in range(at + 1, at + count - 1):
            unadjusted[k], adjusted[k], is_regular[k] = unadjusted[k + 1], adjusted[k + 1], is_regular[k + 1]
        count -= 1
    return count


@kernel
@no_type_check
def reference_period(
    k: int, count: int, terms: ScheduleTerms, tables: CalendarTables, adjusted: np.ndarray, is_regular: np.ndarray, at: int
) -> tuple[int, int]:
    """The reference period of ACT/ACT ICMA for the period that ends at date `k`, as QuantLib's FixedRateLeg gives it [1].

    A regular period is its own reference. The reference of a first stub is the tenor before its end, that of a last stub the tenor after
    its start, both adjusted by the schedule's convention; a schedule of one irregular period counts as a first stub.

    Args:
        k: 1 ≤ k < count, counted within the row.
        count: dates of the row, as `fill_dates` returned it.
        terms, tables, adjusted, is_regular, at: as passed to `fill_dates`.
    Returns:
        Start and end of the reference period, days since 1970-01-01; NO_DATE where it leaves the calendar tables.
    """
    start, end = np.int64(adjusted[at + k - 1]), np.int64(adjusted[at + k])
    if is_regular[at + k] or (k > 1 and k < count - 1):
        return start, end
    if k == 1:
        return _one_tenor_on_calendar(end, -1, terms, tables), end
    return start, _one_tenor_on_calendar(start, 1, terms, tables)


@kernel
@no_type_check
def _one_tenor_on_calendar(day: int, direction: int, terms: ScheduleTerms, tables: CalendarTables) -> int:
    if terms.tenor_days == HALF_MONTH_DAYS:
        return adjust(_one_tenor_from(day, direction, terms), terms.convention, terms.calendar, tables)
    if terms.tenor_days > 0:
        return adjust(day + direction * np.int64(terms.tenor_days), terms.convention, terms.calendar, tables)
    return advance_months(day, direction * np.int64(terms.tenor_months), terms.convention, terms.month_end, terms.calendar, tables)
