"""Spot and fixing dates of currency pairs: which calendars the lag is counted on, and which the spot date itself must suit.

The dollar's calendars are those named `US_*`. Days between trade and spot need only be business days of the other currencies of the pair:
a US holiday on them does not count [1, 2]. The spot date must be a business day of every calendar named and, for a cross whose calendar
names none of the dollar's, of US_FED too, since crosses are settled by way of the dollar [3]. A fixing lies before delivery as the trade
lies before spot. A pair without holidays of its own (no calendar, NONE, WEEKENDS_ONLY) gets none of the dollar's either.

References:
    [1] OpenSourceRisk Engine, issue 270; QuantLib, pull request 121 (spot dates of EURUSD over 4 July).
    [2] I. Clark, Foreign Exchange Option Pricing, ch. 1.5 (spot settlement rules).
    [3] ObjectLab Kit, currency date calculation (GBPEUR over 4 July).
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Int32
from numba import njit

from pricers.calendars import FOLLOWING, CalendarTables, adjust, advance_business_days, calendar_tables, is_calendar
from pricers.columns import Text

DOLLAR: Final = "USD"
_DOLLAR_PREFIX: Final = "US_"
_DOLLAR_CALENDAR: Final = "US_FED"
_WITHOUT_HOLIDAYS: Final = ("NONE", "WEEKENDS_ONLY")


class SpotCalendars(NamedTuple):
    """Names of the calendars of a pair's spot date."""

    lag: str
    """On which the business days between trade and spot are counted."""
    spot: str
    """Of which the spot date is a business day."""


def spot_calendars(calendar: str, *, is_cross: bool) -> SpotCalendars:
    """Which calendars a pair's spot date follows.

    >>> spot_calendars("TARGET+US_FED", is_cross=False)
    SpotCalendars(lag='TARGET', spot='TARGET+US_FED')
    >>> spot_calendars("TARGET+JP", is_cross=True)
    SpotCalendars(lag='TARGET+JP', spot='TARGET+JP+US_FED')

    Args:
        calendar: the pair's calendar, single or joint.
        is_cross: neither currency is the dollar.
    """
    members = calendar.split("+")
    others = [member for member in members if not member.startswith(_DOLLAR_PREFIX)]
    lag = "+".join(others) or "WEEKENDS_ONLY"  # the dollar's alone: of the other currency only its weekends are known
    settles_through_dollar = is_cross and others == members and not set(members) <= {*_WITHOUT_HOLIDAYS}
    return SpotCalendars(lag, f"{calendar}+{_DOLLAR_CALENDAR}" if settles_through_dollar else calendar)


class PairCalendars(NamedTuple):
    """Calendars of a batch of pairs, each an index into `tables`; rows that name an unknown calendar read "NONE" and are not `known`."""

    tables: CalendarTables
    named: Int32[np.ndarray, " row"]
    """The calendar as the contract names it."""
    lag: Int32[np.ndarray, " row"]
    spot: Int32[np.ndarray, " row"]
    """See `SpotCalendars`."""
    known: Bool[np.ndarray, " row"]


def pair_calendars(calendar: Text, *, is_cross: Bool[np.ndarray, " row"]) -> PairCalendars:
    """Look up the calendars of every row, each distinct name once.

    Args:
        calendar: [row], names as `calendar_tables` takes them; null means no holidays.
        is_cross: [row], neither currency is the dollar.
    """
    known = np.array([*(is_calendar(name) for name in calendar.names), True])  # the null code -1 reads the last element
    names = [name if is_calendar(name) else "NONE" for name in (*calendar.names, "NONE")]
    of_crosses = {names[code] for code in np.unique(calendar.codes[is_cross])}  # tables are large: none that no row reads
    wanted = [(name, *spot_calendars(name, is_cross=False), spot_calendars(name, is_cross=name in of_crosses).spot) for name in names]
    distinct = tuple(dict.fromkeys(name for group in wanted for name in group))
    index = {name: place for place, name in enumerate(distinct)}
    named, lag, spot, cross_spot = np.array([[index[name] for name in group] for group in wanted], np.int32)[calendar.codes].T.copy()
    return PairCalendars(calendar_tables(distinct), named, lag, np.where(is_cross, cross_spot, spot), known[calendar.codes])


@njit(cache=True, nogil=True)
@no_type_check
def spot_day(trade: int, lag: int, lag_calendar: int, spot_calendar: int, tables: CalendarTables) -> int:
    """Delivery day of spot traded on a day, `lag` business days later; NO_DATE where that leaves the tables."""
    return adjust(advance_business_days(trade, lag, lag_calendar, tables), FOLLOWING, spot_calendar, tables)
