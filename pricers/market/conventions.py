"""Market conventions by name: the terms that a quoted swap, currency pair or future has unless a contract says otherwise.

The names follow OpenGamma Strata [1] where it has one (`EUR-FIXED-1Y-EURIBOR-6M`); `TERM` in an overnight swap's name means one payment at
the end, which is the market's form up to one year. A cross-currency basis swap is named by the currency that resets first:
`USD-SOFR-EUR-ESTR-XCCY` has its spread on the euro leg and dollars that are reset every period; `-CONSTANT` keeps both notionals.

The fields of a leg have the names and the meaning of the contracts' columns. This module has no kernels.

References:
    [1] OpenGamma Strata, com.opengamma.strata.product.swap.type.
    [2] ISDA 2021 interest rate derivatives definitions; LCH SwapClear product specifications (payment lags of overnight swaps).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final


class SwapKind(StrEnum):
    """What the two legs of a swap are."""

    FIXED_FLOAT = "FIXED_FLOAT"
    """A fixed leg, whose rate is quoted, and a floating one."""
    BASIS = "BASIS"
    """Two floating legs of one currency."""
    CROSS_CURRENCY = "CROSS_CURRENCY"
    """Two floating legs of two currencies, which exchange notionals at both ends."""


@dataclass(frozen=True)
class LegConvention:
    """One leg of a swap."""

    currency: str
    index: str | None
    """None: a fixed leg."""
    frequency: str
    """Of accrual and payment; a name of `pricers.time.schedule.FREQUENCIES`."""
    day_count: str
    calendar: str
    """Business days of accrual and payment dates."""
    accrual_convention: str
    payment_convention: str
    payment_lag: int
    """Business days from the end of a period to its payment."""
    end_of_month: bool


@dataclass(frozen=True)
class SwapConvention:
    """A quoted swap. The quote is the rate or the spread of the first leg."""

    name: str
    kind: SwapKind
    spot_lag: int
    """Business days from trade to the start of the swap."""
    spot_calendar: str
    is_resetting: bool
    """Whether the second leg's notional is reset to the first one's value at every period's start (mark to market)."""
    legs: tuple[LegConvention, LegConvention]


@dataclass(frozen=True)
class FxConvention:
    """Spot and forwards of a currency pair, quoted as units of `quote_currency` for one of `base_currency`."""

    name: str
    base_currency: str
    quote_currency: str
    spot_lag: int
    calendar: str
    """Of the pair; see `pricers.time.fx_dates.spot_calendars`."""
    convention: str
    end_of_month: bool


@dataclass(frozen=True)
class RateFutureConvention:
    """A future on an index over `months` months between third Wednesdays, quoted as 100 less the rate in per cent."""

    name: str
    index: str
    months: int


def _read() -> dict[str, list[dict[str, Any]]]:
    data: dict[str, list[dict[str, Any]]] = json.loads(files(__package__).joinpath("conventions.json").read_text(encoding="utf-8"))
    return data


def _swap(fields: dict[str, Any]) -> SwapConvention:
    first, second = (LegConvention(**leg) for leg in fields["legs"])
    return SwapConvention(**{**fields, "kind": SwapKind(fields["kind"]), "legs": (first, second)})


_SHIPPED: Final = _read()
SWAP_CONVENTIONS: Final[Mapping[str, SwapConvention]] = MappingProxyType({fields["name"]: _swap(fields) for fields in _SHIPPED["swaps"]})
"""By name."""
FX_CONVENTIONS: Final[Mapping[str, FxConvention]] = MappingProxyType({fields["name"]: FxConvention(**fields) for fields in _SHIPPED["fx"]})
"""By name: base and quote currency with a slash, "EUR/USD"."""
RATE_FUTURE_CONVENTIONS: Final[Mapping[str, RateFutureConvention]] = MappingProxyType(
    {fields["name"]: RateFutureConvention(**fields) for fields in _SHIPPED["rate_futures"]}
)
"""By name."""
