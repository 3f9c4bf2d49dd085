"""Detects rates that are not decimals a year: a rate that is too large is refused, with its likely unit in the message.

The file's definition gives the unit, and the size of a number is no proof. `rates_checked: false` in a document, or `rates_unchecked` for
an uploaded table, therefore accepts the numbers unchanged. Stored documents are not checked again.
"""

import re
from typing import Annotated

from pydantic import Field, StrictBool

from riskray.models.instrument import CURRENCIES

LOW_RATE_CURRENCIES = frozenset({"USD", "EUR", "JPY", "GBP", "CHF", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "SGD", "HKD", "CNY"})
"""Currencies whose zero rates have never approached 0.25."""
LOW_RATE_MAX = 0.25
RATE_MAX = 2.0
RATE_MOVE_MAX = 0.5
"""Limit of additive moves of zero rates, in all currencies."""

_BASIS_POINTS_FROM = 50.0  # as per cent, 50 would be a rate of 50 %, which no currency above has; as basis points, it is 0.5 %
_INSIST = "or, if the number is right, set rates_checked to false in a document, or rates_unchecked for a table"

RatesChecked = Annotated[
    StrictBool,
    Field(
        exclude_if=lambda checked: checked,  # keeps documents, and so their hashes, as they were before this field existed
        description="`false` accepts rates beyond 0.25 (2 in currencies of high rates) and moves of rates beyond 0.5, which are otherwise "
        "refused as per cent or basis points.",
    ),
]


def rate_limit(currency: str) -> float:
    """The largest zero rate of a currency, as given and in absolute value, that is accepted as a decimal."""
    return LOW_RATE_MAX if currency in LOW_RATE_CURRENCIES else RATE_MAX


def rate_limit_by_name(curve: str) -> float:
    """The limit for a curve of which only the name is known: the low limit applies if all currency codes in the name have low rates."""
    codes = [word for word in re.split(r"[^A-Za-z]+", curve) if word in CURRENCIES]
    return max(map(rate_limit, codes), default=RATE_MAX)


def rate_fault(value: float, *, limit: float, what: str = "zero rate") -> str | None:
    """The problem and the remedy for a rate as given; None if its size is plausible. `what`: the rate in words."""
    if not abs(value) > limit:
        return None
    unit, scale = ("basis points", 1e-4) if abs(value) >= _BASIS_POINTS_FROM else ("per cent", 1e-2)
    return f"{what} {value:g} is beyond {limit:g} and looks like {unit}; write {value * scale:.10g}, {_INSIST}"


def move_fault(value: float) -> str | None:
    """The problem and the remedy for an additive move of a zero rate (decimal); None if its size is plausible."""
    if not abs(value) > RATE_MOVE_MAX:
        return None
    return f"a move of {value:g} is beyond {RATE_MOVE_MAX:g} and looks like basis points; write {value * 1e-4:.10g}, {_INSIST}"


def shift_fault(bp: float) -> str | None:
    """The problem and the remedy for a shock of zero rates in basis points; None if its size is plausible."""
    if not abs(bp) > RATE_MOVE_MAX * 1e4:
        return None
    return f"a shift of {bp:g} bp moves rates by {bp * 1e-4:g}, beyond {RATE_MOVE_MAX:g}; check the unit and write 100 for 1 %, {_INSIST}"
