"""What compiled lowerings need for dates: the calendar column of a batch as lookup tables, and schedule reasons as row statuses."""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Int32

from pricers.contract.columns import Contracts, Text
from pricers.status import RowStatus
from pricers.time import schedule
from pricers.time.calendar_names import is_calendar
from pricers.time.calendars import CalendarTables, calendar_tables
from pricers.time.day_count import BUS_252

_STATUS_OF_REASON: Final = {
    schedule.SCHEDULED: RowStatus.OK,
    schedule.DATES_OUT_OF_ORDER: RowStatus.INVALID_DATES,
    schedule.STUB_DATES_OUT_OF_ORDER: RowStatus.INVALID_DATES,
    schedule.OUT_OF_CALENDAR_RANGE: RowStatus.DATE_OUT_OF_RANGE,
    schedule.INVALID_TENOR: RowStatus.INVALID_SCHEDULE,
    schedule.STUB_CONTRADICTS_RULE: RowStatus.INVALID_SCHEDULE,
    schedule.INVALID_CODE: RowStatus.INVALID_SCHEDULE,
    schedule.COLLAPSED: RowStatus.INVALID_SCHEDULE,
}
SCHEDULE_STATUS: Final = np.array([_STATUS_OF_REASON[reason] for reason in range(len(schedule.SCHEDULE_REASONS))], np.uint8)
"""RowStatus of each reason that `schedule.fill_dates` gives."""


class ContractCalendars(NamedTuple):
    """Calendars of a batch; a row with an unknown calendar gets "NONE", and its `known` is False."""

    tables: CalendarTables
    calendar: Int32[np.ndarray, " row"]
    """Index of the row's calendar in `tables`."""
    known: Bool[np.ndarray, " row"]


def contract_calendars(calendar: Text) -> ContractCalendars:
    """Look up the calendars of all rows; each distinct name is looked up once.

    >>> contract_calendars(Text.of(["TARGET", None, "MARS"])).known
    array([ True,  True, False])

    Args:
        calendar: [row], names as `calendar_tables` takes them; null means no holidays.
    """
    tables = calendar_tables(("NONE", *(name if is_calendar(name) else "NONE" for name in calendar.names)))
    # Codes start at -1 for null, so code + 1 is the position after the leading "NONE" that stands for null.
    known = np.array([True, *(is_calendar(name) for name in calendar.names)])
    position = np.asarray(calendar.codes, np.int32) + np.int32(1)
    return ContractCalendars(tables, position, known[position])


def lacks_calendar(contracts: Contracts) -> Bool[np.ndarray, " row"]:
    """Whether a row uses BUS/252 without a calendar: every day would be a business day, and a year would count as 365/252 years."""
    return np.asarray((contracts.array("day_count") == BUS_252) & (contracts.text("calendar").codes < 0))
