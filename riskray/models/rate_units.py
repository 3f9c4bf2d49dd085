"""A net for rates in another unit than decimals a year: what is too large to be one is refused, with its likely unit named.

The unit comes from the file's definition, and a size proves nothing: so `rates_checked: false` in a document, or `rates_unchecked` where a
table is uploaded, insists on the numbers as they are. What is stored already is not judged again.
"""

import re
from typing import Annotated

from pydantic import Field, StrictBool

from riskray.models.instrument import CURRENCIES

LOW_RATE_CURRENCIES = frozenset({"USD", "EUR", "JPY", "GBP", "CHF", "CAD", "AUD", "NZD", "SEK", "NOK", "DKK", "SGD", "HKD", "CNY"})
"""Currencies whose zero rates never came near a quarter."""
LOW_RATE_MAX = 0.25
RATE_MAX = 2.0
RATE_MOVE_MAX = 0.5
"""Additive moves of zero rates, of every currency."""

_BASIS_POINTS_FROM = 50.0  # a rate of 50 % is no rate of a currency above, and 50 bp would be the least of them written so
_INSIST = "or, where it is meant so, insist: rates_checked false in a document, rates_unchecked for a table"

RatesChecked = Annotated[
    StrictBool,
    Field(
        exclude_if=lambda checked: checked,  # what insists on nothing is written, and known by its hash, as it was before there was a net
        description="false insists on rates beyond 0.25 (2 in currencies of high rates) and moves of rates beyond 0.5, which are refused "
        "as per cent or basis points otherwise.",
    ),
]


def rate_limit(currency: str) -> float:
    """The largest zero rate of a currency, as typed, that is taken for a decimal; in absolute value."""
    return LOW_RATE_MAX if currency in LOW_RATE_CURRENCIES else RATE_MAX


def rate_limit_by_name(curve: str) -> float:
    """The same where only a curve's name is known: the low limit holds where every currency code in the name has low rates."""
    codes = [word for word in re.split(r"[^A-Za-z]+", curve) if word in CURRENCIES]
    return max(map(rate_limit, codes), default=RATE_MAX)


def rate_fault(value: float, *, limit: float) -> str | None:
    """What is wrong with a zero rate as typed, and what to write; None where its size is in order."""
    if not abs(value) > limit:
        return None
    unit, scale = ("basis points", 1e-4) if abs(value) >= _BASIS_POINTS_FROM else ("per cent", 1e-2)
    return f"zero rate {value:g} is beyond {limit:g} and looks like {unit}; write {value * scale:.10g}, {_INSIST}"


def move_fault(value: float) -> str | None:
    """What is wrong with an additive move of a zero rate, decimal, and what to write; None where its size is in order."""
    if not abs(value) > RATE_MOVE_MAX:
        return None
    return f"a move of {value:g} is beyond {RATE_MOVE_MAX:g} and looks like basis points; write {value * 1e-4:.10g}, {_INSIST}"


def shift_fault(bp: float) -> str | None:
    """What is wrong with the size of a shock of zero rates, basis points; None where it is in order."""
    if not abs(bp) > RATE_MOVE_MAX * 1e4:
        return None
    return f"a shift of {bp:g} bp moves rates by {bp * 1e-4:g}, beyond {RATE_MOVE_MAX:g}; check the unit and write 100 for 1 %, {_INSIST}"
