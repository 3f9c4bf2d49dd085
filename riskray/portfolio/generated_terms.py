"""What the generators of products share: market conventions of six currencies, sizes, lives of contracts, and columns of Arrow.

Curves are named as in the demo's market: EUR-GOVT, EUR-CORP-BBB. A row's flaw is why it cannot be priced, or SOUND.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Conventions:
    """Market conventions of a currency."""

    weight: float
    usd_value: float
    """Rough price of one unit in USD, for sizes and contract rates."""
    rate: float
    """Rough level of interest rates."""
    calendar: str
    bond_frequency: str
    bond_day_count: str
    settlement_lag: int
    ex_coupon_days: int
    """Business days before the payment of the first day on which a trade settles without the coupon. A gilt that settles on its ex-dividend
    date, seven business days before, still has the coupon: that day is the sixth."""
    loan_day_count: str


CONVENTIONS: Final = {
    "USD": Conventions(0.34, 1.0, 0.041, "US_GOVT", "SEMIANNUAL", "30/360 US", 1, 0, "ACT/360"),
    "EUR": Conventions(0.28, 1.105, 0.023, "TARGET", "ANNUAL", "ACT/ACT ICMA", 2, 0, "30E/360"),
    "GBP": Conventions(0.13, 1.27, 0.036, "UK", "SEMIANNUAL", "ACT/ACT ICMA", 1, 6, "ACT/365F"),
    "JPY": Conventions(0.10, 0.00707, 0.005, "JP", "SEMIANNUAL", "ACT/365F", 1, 0, "ACT/365F"),
    "CHF": Conventions(0.07, 1.19, 0.008, "CH", "ANNUAL", "30E/360", 2, 0, "30E/360"),
    "CAD": Conventions(0.08, 0.755, 0.034, "CA", "SEMIANNUAL", "ACT/ACT ICMA", 1, 0, "ACT/365F"),
}
CURRENCIES: Final = tuple(CONVENTIONS)
BASE_FIRST: Final = ("EUR", "GBP", "USD", "CAD", "CHF", "JPY")  # the currency of a pair that comes first here is its base
RATINGS: Final = ("A", "BBB", "BB")
UNQUOTED: Final = "AUD"
"""A currency without an exchange rate."""
UNKNOWN_CURVE, MATURED, NONSENSE_DATES, NO_RATE = range(4)
SOUND: Final = -1

Fields = dict[str, Any]
Maker = Callable[[np.random.Generator, np.ndarray, np.datetime64], Fields]


def coded(codes: np.ndarray, names: tuple[str, ...]) -> pa.DictionaryArray:
    """Text by code; a negative code is null."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes < 0), pa.array(names, pa.string()))


def currencies(random: np.random.Generator, count: int) -> np.ndarray:
    return random.choice(len(CURRENCIES), count, p=[convention.weight for convention in CONVENTIONS.values()])


def by_currency(codes: np.ndarray, attribute: str) -> np.ndarray:
    values = np.array([getattr(convention, attribute) for convention in CONVENTIONS.values()])
    return np.asarray(values[codes])


def curves(currency: np.ndarray, flaw: np.ndarray) -> tuple[pa.DictionaryArray, pa.DictionaryArray]:
    """Currency and discount curve of each row, wrong where the row's flaw is the curve or the currency."""
    names = (*CURRENCIES, UNQUOTED)
    currency = np.where(flaw == NO_RATE, len(CURRENCIES), currency)
    curve = np.where(flaw == UNKNOWN_CURVE, len(names) + currency, currency)
    curve_names = (*(f"{name}-GOVT" for name in names), *(f"{name}-LIBOR" for name in names))
    return coded(currency, names), coded(curve, curve_names)


def spread_curves(random: np.random.Generator, currency: np.ndarray, has_spread: np.ndarray) -> pa.DictionaryArray:
    names = tuple(f"{name}-CORP-{rating}" for name in CURRENCIES for rating in RATINGS)
    rating = random.choice(len(RATINGS), len(currency), p=[0.4, 0.45, 0.15])
    return coded(np.where(has_spread, currency * len(RATINGS) + rating, -1), names)


def sizes(random: np.random.Generator, currency: np.ndarray, *, median_usd: float, short_share: float) -> np.ndarray:
    """Signed notionals, log-normal around the median and rounded to thousands of the currency."""
    size = random.lognormal(np.log(median_usd), 1.1, len(currency)) / by_currency(currency, "usd_value")
    sign = np.where(random.random(len(currency)) < short_share, -1.0, 1.0)
    return np.asarray(sign * np.maximum(np.round(size / 1_000), 1.0) * 1_000)


def sometimes(random: np.random.Generator, share: float, values: np.ndarray) -> np.ndarray:
    """The values in a share of the rows, null (NaN or NaT) in the others."""
    nothing = np.datetime64("NaT") if values.dtype.kind == "M" else np.nan
    return np.where(random.random(len(values)) < share, values, nothing)


@dataclass(frozen=True)
class Life:
    """Start and maturity of contracts, and the whole years between them (the months of a stub are additional)."""

    start: np.ndarray
    maturity: np.ndarray
    years: np.ndarray
    month_end: np.ndarray
    has_stub: np.ndarray

    def anniversary(self, years: np.ndarray) -> np.ndarray:
        """The date the given years before maturity, which ends a period of a regular schedule."""
        return months_later(self.maturity, -12 * years, self.month_end)


def lives(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64, *, tenors: tuple[int, ...]) -> Life:
    """Contracts that began up to 95 % of their life ago, unless the row's flaw is its dates."""
    count = len(flaw)
    years = random.choice(tenors, count)
    month_end = random.random(count) < 0.1
    has_stub = random.random(count) < 0.1
    months = 12 * years + np.where(has_stub, random.integers(1, 6, count), 0)
    elapsed_months = (random.uniform(0.0, 0.95, count) * months).astype(np.int64)
    elapsed_months = np.where(flaw == MATURED, months + random.integers(2, 24, count), elapsed_months)
    first_of_month = (as_of.astype("datetime64[M]") - elapsed_months).astype("datetime64[D]")
    day = random.choice([1, 15, -1], count, p=[0.3, 0.4, 0.3])
    start = first_of_month + np.where(day > 0, day, random.integers(1, 29, count)) - 1
    start = np.where(month_end, months_later(first_of_month, 1, False) - 1, start)
    start = np.where((start > as_of) & (flaw != MATURED), months_later(start, -1, month_end), start)
    maturity = months_later(start, months, month_end)
    swapped = flaw == NONSENSE_DATES
    return Life(np.where(swapped, maturity, start), np.where(swapped, start, maturity), years, month_end, has_stub)


def months_later(dates: np.ndarray, months: np.ndarray | int, month_end: np.ndarray | bool) -> np.ndarray:
    """Add whole months; month ends stay month ends. Other days are at most the 28th, so that they exist in every month."""
    month = dates.astype("datetime64[M]")
    moved = (month + months).astype("datetime64[D]") + (dates - month.astype("datetime64[D]"))
    last = (month + months + 1).astype("datetime64[D]") - 1
    return np.where(month_end, last, moved)


def lists(rows: np.ndarray, parts: list[np.ndarray]) -> pa.ListArray:
    """A list column: the parts, in order, in the marked rows; null in the others."""
    offsets = np.concatenate([[0], np.cumsum(np.where(rows, len(parts), 0))]).astype(np.int32)
    values = np.stack(parts, axis=1)[rows].ravel()
    return pa.ListArray.from_arrays(pa.array(offsets, mask=np.append(~rows, False)), pa.array(values))


def weekday(dates: Any) -> np.ndarray:
    """The dates, with Saturdays and Sundays moved to the following Monday."""
    moved: np.ndarray = np.busday_offset(dates, 0, roll="forward")
    return moved


def named(texts: np.ndarray) -> pa.DictionaryArray:
    """Text from an array of a few repeated values."""
    names, codes = np.unique(texts.astype(str), return_inverse=True)
    return coded(codes, tuple(names.tolist()))
