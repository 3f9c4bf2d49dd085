"""Tenors as the market quotes them. This module has no kernels, so that a process that only reads tenors does not load numba."""

import re
from typing import Final, NamedTuple

_TENOR: Final = re.compile(r"(?:\d+[DWMY])+")
_TENOR_PART: Final = re.compile(r"(\d+)([DWMY])")
_NAMED_TENORS: Final = {"ON": 1, "TN": 2, "SN": 3}  # calendar days from the curve's date: overnight, tomorrow-next, spot-next
TENOR_DAYS_MAX: Final = 73_000  # two centuries: a longer tenor is a typing error, not a pillar


class Tenor(NamedTuple):
    """A length of time: `months` whole months, then `days` calendar days."""

    months: int
    days: int


def parse_tenor(tenor: str) -> Tenor:
    """Parse a tenor: "1D", "2W", "3M", "10Y", "1Y6M", "ON", "TN", "SN".

    >>> parse_tenor("18M"), parse_tenor("2W"), parse_tenor("ON")
    (Tenor(months=18, days=0), Tenor(months=0, days=14), Tenor(months=0, days=1))

    Args:
        tenor: one or more numbers, each followed by D, W, M or Y; or ON (1 day), TN (2 days), SN (3 days). Case and outer blanks are
            ignored.
    Returns:
        Whole months and calendar days; weeks are 7 days, years 12 months.
    Raises:
        ValueError: the text is not a tenor, or is longer than 200 years.
    """
    text = tenor.strip().upper()
    if text in _NAMED_TENORS:
        return Tenor(0, _NAMED_TENORS[text])
    if not _TENOR.fullmatch(text):
        raise ValueError(f"{tenor!r} is not a tenor; write numbers followed by D, W, M or Y (3M, 10Y, 1Y6M), or one of ON, TN, SN")
    months = days = 0
    for count, unit in _TENOR_PART.findall(text):
        if unit in "MY":
            months += int(count) * (12 if unit == "Y" else 1)
        else:
            days += int(count) * (7 if unit == "W" else 1)
    if months * 31 + days > TENOR_DAYS_MAX:
        raise ValueError(f"tenor {tenor!r} is longer than 200 years")
    return Tenor(months, days)
