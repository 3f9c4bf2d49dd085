"""Definitions of the indices that contracts name: market reference data, shipped as `indices.json` and extended by market documents.

Sources: the administrators' benchmark statements (New York Fed, ECB, EMMI, Bank of England, SIX, Bank of Japan, Bank of Canada, RBA, CME)
for day counts, fixing lags and publication; national statistics offices for price indices; ISDA's definitions for fixings of exchange
rates. This module has no kernels, so that a process that only checks names does not load numba.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal


class IndexKind(StrEnum):
    """What an index publishes."""

    TERM = "TERM"
    """A rate for a period that starts `fixing_lag` business days after the fixing."""
    OVERNIGHT = "OVERNIGHT"
    """A rate from one business day to the next."""
    INFLATION = "INFLATION"
    """The level of a price index, one a month; its fixing has the first day of the month as its date."""
    FX = "FX"
    """Units of `quote_currency` for one of `currency`."""


@dataclass(frozen=True)
class Index:
    """One index and its conventions."""

    name: str
    kind: IndexKind
    currency: str
    """Of the rate, the prices or, for an exchange rate, the currency that is bought."""
    tenor: str = ""
    """Of a TERM index, such as "6M"."""
    day_count: str = "ACT/360"
    """Of the rate; see `DAY_COUNTS`."""
    fixing_lag: int = 0
    """Business days of `fixing_calendar` from the fixing to the first day of the period, or to the delivery of currencies."""
    fixing_calendar: str = "NONE"
    """Days on which the index is published."""
    value_calendar: str = ""
    """Days on which periods start and end; empty: `fixing_calendar`."""
    convention: str = "FOLLOWING"
    """Moves the end of the rate's period; see `BUSINESS_DAY_CONVENTIONS`."""
    end_of_month: bool = False
    """Whether a period that starts on the last business day of a month ends on that of a month."""
    forecast_curve: str = ""
    """The curve that forecasts it; empty: the curve that has the index's name."""
    publication_lag_days: int = 0
    """Calendar days from the fixing date (INFLATION: from the end of the month) to publication."""
    observation_lag_months: int = 0
    """INFLATION: months from the index's month to the month in which it counts."""
    interpolation: Literal["FLAT", "LINEAR"] = "FLAT"
    """INFLATION: whether the level on a day within a month is the month's, or lies between the months' levels."""
    quote_currency: str = ""
    """FX: the currency that is paid."""

    def __post_init__(self) -> None:
        if (self.kind is IndexKind.TERM) != bool(self.tenor):
            raise ValueError(f"index {self.name!r}: an index of kind TERM has a tenor, one of another kind has none; have {self.tenor!r}")
        if (self.kind is IndexKind.FX) != bool(self.quote_currency):
            raise ValueError(f"index {self.name!r}: an index of kind FX has a quote currency, one of another kind has none")
        object.__setattr__(self, "forecast_curve", self.forecast_curve or self.name)
        object.__setattr__(self, "value_calendar", self.value_calendar or self.fixing_calendar)


def index_of(definition: Mapping[str, Any]) -> Index:
    """The index that a JSON object defines. Raises ValueError for an unknown kind, TypeError for an unknown key."""
    return Index(**{**definition, "kind": IndexKind(definition["kind"])})


def _standard() -> Mapping[str, Index]:
    definitions = json.loads(Path(__file__).with_name("indices.json").read_text(encoding="utf-8"))
    return MappingProxyType({definition["name"]: index_of(definition) for definition in definitions})


STANDARD_INDICES: Final[Mapping[str, Index]] = _standard()
"""Indices that every market knows, by name."""
