"""Spot and fixing dates of currency pairs: the calendars on which the lag is counted, and those on which the spot date is a business day.

The dollar's calendars are those named `US_*`. A day between trade and spot counts if it is a business day of the pair's other currencies:
a US holiday is ignored [1, 2], except for the Latin American currencies in `COUNTING_DOLLAR_HOLIDAYS` [3]. The spot date must be a
business day of every named calendar and, for a cross that names no dollar calendar, of US_FED as well, since crosses are settled through
the dollar [4]. A fixing precedes delivery by the lag by which the trade precedes spot. A pair without holidays of its own (no calendar,
NONE, WEEKENDS_ONLY) gets no dollar holidays either.

References:
    [1] OpenSourceRisk Engine, issue 270; QuantLib, pull request 121 (spot dates of EURUSD over 4 July).
    [2] I. Clark, Foreign Exchange Option Pricing, ch. 1 (spot settlement rules).
    [3] Wikipedia, Foreign exchange date conventions.
    [4] ObjectLab Kit, currency date calculation (GBPEUR over 4 July).
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Int32

from pricers.contract.columns import Text
from pricers.kernels.jit import njit
from pricers.time.calendar_names import is_calendar
from pricers.time.calendars import FOLLOWING, CalendarTables, adjust, advance_business_days, calendar_tables

COUNTING_DOLLAR_HOLIDAYS: Final = frozenset({"ARS", "CLP", "MXN"})
"""Currencies whose pairs count US holidays between trade and spot as their own."""
_DOLLAR: Final = "USD"
_DOLLAR_PREFIX: Final = "US_"
_DOLLAR_CALENDAR: Final = "US_FED"
_WITHOUT_HOLIDAYS: Final = {"NONE", "WEEKENDS_ONLY"}


class SpotCalendars(NamedTuple):
    """Names of the calendars of a pair's spot date."""

    lag: str
    """The calendar on which the business days between trade and spot are counted."""
    spot: str
    """The calendar of which the spot date is a business day."""


def spot_calendars(calendar: str, *, base_currency: str, quote_currency: str) -> SpotCalendars:
    """The calendars that a pair's spot date follows; `calendar` is the pair's, single or joint.

    >>> spot_calendars("TARGET+US_FED", base_currency="EUR", quote_currency="USD")
    SpotCalendars(lag='TARGET', spot='TARGET+US_FED')
    >>> spot_calendars("TARGET+JP", base_currency="EUR", quote_currency="JPY")
    SpotCalendars(lag='TARGET+JP', spot='TARGET+JP+US_FED')
    """
    members = calendar.split("+")
    others = [member for member in members if not member.startswith(_DOLLAR_PREFIX)]
    pair = {base_currency, quote_currency}
    names_dollar, has_holidays = others != members, not set(members) <= _WITHOUT_HOLIDAYS
    spot = f"{calendar}+{_DOLLAR_CALENDAR}" if _DOLLAR not in pair and not names_dollar and has_holidays else calendar
    if pair & COUNTING_DOLLAR_HOLIDAYS:
        return SpotCalendars(spot, spot)
    # Where the dollar's calendars are the only ones, no holidays of the other currency are known, only weekends.
    return SpotCalendars("+".join(others) or "WEEKENDS_ONLY", spot)


class PairCalendars(NamedTuple):
    """Calendars of a batch of pairs, each an index into `tables`; a row with an unknown calendar gets "NONE", and its `known` is False."""

    tables: CalendarTables
    named: Int32[np.ndarray, " row"]
    """The calendar as the contract names it."""
    lag: Int32[np.ndarray, " row"]
    spot: Int32[np.ndarray, " row"]
    """See `SpotCalendars`."""
    known: Bool[np.ndarray, " row"]


def pair_calendars(calendar: Text, *, base_currency: Text, quote_currency: Text) -> PairCalendars:
    """Look up the calendars of all rows; each distinct combination is looked up once.

    Args:
        calendar: [row], names as `calendar_tables` takes them; null means no holidays.
        base_currency, quote_currency: [row].
    """
    parts = (calendar, base_currency, quote_currency)
    sizes = [len(part.names) + 1 for part in parts]
    codes = [np.asarray(part.codes, np.int64) + 1 for part in parts]  # null is 0
    combinations, combination = np.unique(np.ravel_multi_index(codes, sizes), return_inverse=True)
    wanted, known = [], []
    for name_code, *currency_codes in zip(*np.unravel_index(combinations, sizes), strict=True):
        name = (None, *calendar.names)[name_code] or "NONE"
        base, quote = ((None, *part.names)[code] or "" for part, code in zip(parts[1:], currency_codes, strict=True))
        known.append(is_calendar(name))
        name = name if known[-1] else "NONE"
        wanted.append((name, *spot_calendars(name, base_currency=base, quote_currency=quote)))
    distinct = tuple(sorted({name for names in wanted for name in names}))
    indices = np.array([[distinct.index(name) for name in names] for names in wanted], np.int32).reshape(-1, 3)[combination]
    named, lag, spot = np.ascontiguousarray(indices.T)
    return PairCalendars(calendar_tables(distinct), named, lag, spot, np.array(known, np.bool_)[combination])


@njit(cache=True, nogil=True)
@no_type_check
def day_of_spot(trade: int, lag: int, lag_calendar: int, spot_calendar: int, tables: CalendarTables) -> int:
    """Delivery day of a spot trade, `lag` business days after `trade`; NO_DATE where it lies outside the tables."""
    return adjust(advance_business_days(trade, lag, lag_calendar, tables), FOLLOWING, spot_calendar, tables)
