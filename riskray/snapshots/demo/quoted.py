"""Quotes and fixings of the demo's market, from the few numbers typed in `quotes.json`."""

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import numpy as np

from pricers.market.indices import STANDARD_INDICES
from pricers.time.calendars import FOLLOWING, adjust_days, calendar_tables
from pricers.time.dates import to_date, to_day

_GROUPS: Final = ("overnight", "term", "cross_currency")
_SHORT: Final = ("1M", "3M", "6M", "1Y")
"""Tenors of the first of a curve's two conventions: overnight swaps of up to a year pay once, at the end."""
_DECIMALS: Final = 12  # of a rate that is typed in per cent


def quoted_curves(quoted: dict[str, Any]) -> list[dict[str, Any]]:
    """Curves that list the quotes that determine them."""
    return [
        {
            "name": curve["name"],
            "currency": curve["currency"],
            "collateral_currency": curve.get("collateral_currency"),
            "interpolation": "LOG_LINEAR_DISCOUNT",
            "instruments": [quote["quote_id"] for quote in _quotes_of_curve(curve)],
            "source": curve["source"],
            "quality": curve["quality"],
        }
        for group in _GROUPS
        for curve in quoted[group]
    ]


def quotes_of(quoted: dict[str, Any]) -> list[dict[str, Any]]:
    """The quotes of all curves."""
    return [quote for group in _GROUPS for curve in quoted[group] for quote in _quotes_of_curve(curve)]


def _quotes_of_curve(curve: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "deposit" in curve:
        given = curve["deposit"]
        yield {
            "quote_id": f"{curve['name']}.FIXING", "instrument": "DEPOSIT", "index": given["index"],
            "tenor": STANDARD_INDICES[given["index"]].tenor, "value": _rate(given["percent"]),
        }  # fmt: skip
    once, yearly = curve["conventions"]
    for tenor, percent in curve["percent"].items():
        yield {
            "quote_id": f"{curve['name']}.{tenor}", "instrument": curve["instrument"],
            "convention": once if tenor in _SHORT else yearly, "tenor": tenor, "value": _rate(percent),
        }  # fmt: skip


def _rate(percent: float) -> float:
    return round(percent / 100, _DECIMALS)


def rate_fixings(given: list[dict[str, Any]], as_of: date) -> Iterator[dict[str, Any]]:
    """Fixings of every business day of each index from the first level on: of term rates up to the day, of overnight rates, which are
    published on the next day, to the day before."""
    last_day = to_day(as_of)
    for series in given:
        index = STANDARD_INDICES[series["index"]]
        starts = np.array([to_day(date.fromisoformat(day)) for day in series["levels"]])
        levels = np.array([_rate(percent) for percent in series["levels"].values()])
        days = np.arange(starts[0], last_day + 1 - index.publication_lag_days)
        tables = calendar_tables((index.fixing_calendar,))
        is_business = adjust_days(days, convention=FOLLOWING, calendar=0, tables=tables) == days
        for day in days[is_business].tolist():
            value = float(levels[np.searchsorted(starts, day, side="right") - 1])
            yield {"index": index.name, "fixing_date": to_date(day), "value": value, "source": series["source"]}
