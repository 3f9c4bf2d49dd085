"""Schedules of given dates: for contracts whose periods no rule makes."""

from typing import no_type_check

import numpy as np

from pricers.kernels.jit import kernel
from pricers.time.calendars import CalendarTables, adjust
from pricers.time.dates import NO_DATE
from pricers.time.schedule import (
    COLLAPSED,
    SCHEDULED,
    STUB_CONTRADICTS_RULE,
    STUB_DATES_OUT_OF_ORDER,
    STUB_NONE,
    ZERO,
    ScheduleTerms,
    reason_not_scheduled,
)


@kernel
@no_type_check
def fill_given_dates(
    terms: ScheduleTerms, given: np.ndarray, tables: CalendarTables, unadjusted: np.ndarray, adjusted: np.ndarray, is_regular: np.ndarray,
    at: int,
) -> tuple[int, int]:  # fmt: skip
    """As `fill_dates`, with the unadjusted ends of all periods given; maturity may be left out.

    A period is regular where it is within a week of the tenor: coupons on 31 August and always 28 February are halves of a year.

    Args:
        given: int32, increasing, after the effective date and until maturity.
    """
    reason = reason_not_scheduled(terms)
    if reason != SCHEDULED:
        return 0, reason
    if terms.rule == ZERO or terms.stub != STUB_NONE or terms.first_date != NO_DATE or terms.penultimate_date != NO_DATE:
        return 0, STUB_CONTRADICTS_RULE
    tenor_days = terms.tenor_months * (365.25 / 12.0) if terms.tenor_months > 0 else float(terms.tenor_days)
    slack_days = 7.0 if terms.tenor_months > 0 else 0.0
    count, last = 1, np.int64(terms.effective)
    unadjusted[at], is_regular[at] = last, False
    for i in range(len(given) + 1):
        day = np.int64(given[i]) if i < len(given) else np.int64(terms.maturity)
        if day == last and i == len(given):
            break
        if not last < day <= terms.maturity:
            return 0, STUB_DATES_OUT_OF_ORDER
        unadjusted[at + count], is_regular[at + count] = day, abs(day - last - tenor_days) <= slack_days
        count, last = count + 1, day
    for k in range(at, at + count):
        adjusted[k] = adjust(unadjusted[k], terms.convention, terms.calendar, tables)
        if k > at and adjusted[k] <= adjusted[k - 1]:
            return 0, COLLAPSED
    return count, SCHEDULED
