"""Generators of inflation-linked bonds and inflation swaps, in dollars, euros and sterling.

Base levels of contracts that began before the demo's index levels are given by the contract, so that those levels suffice.
"""

from typing import Final

import numpy as np

from riskray.portfolio.generated_terms import (
    CURRENCIES,
    MATURED,
    NONSENSE_DATES,
    Fields,
    Maker,
    by_currency,
    coded,
    curves,
    lives,
    months_later,
    named,
    sizes,
    sometimes,
)

_INDICES: Final = {"USD": "US-CPI-U", "EUR": "EU-HICPXT", "GBP": "UK-RPI"}
_LEVELS: Final = {"USD": 307.0, "EUR": 123.4, "GBP": 377.3}
"""Index levels of the demo's last month."""
_GROWTH: Final = 0.025
_SHARES: Final = (0.5, 0.3, 0.2)


def _currencies(random: np.random.Generator, count: int) -> np.ndarray:
    return random.choice([CURRENCIES.index(name) for name in _INDICES], count, p=_SHARES)


def _by_index(currency: np.ndarray, values: dict[str, float] | dict[str, str]) -> np.ndarray:
    by_index: np.ndarray = np.array([values.get(name) for name in CURRENCIES])[currency]
    return by_index


def _base_levels(currency: np.ndarray, start: np.ndarray, as_of: np.datetime64) -> np.ndarray:
    """Levels three months before the start, as if prices had grown evenly."""
    years = (as_of - start).astype(np.int64) / 365.25
    return np.round(_by_index(currency, _LEVELS).astype(np.float64) * np.exp(-_GROWTH * years), 5)


def _bonds(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = _currencies(random, count)
    life = lives(random, flaw, as_of, tenors=(5, 10, 10, 20, 30))
    is_old = (currency == CURRENCIES.index("GBP")) & (random.random(count) < 0.2)  # gilts with a lag of eight months
    is_dollar = currency == CURRENCIES.index("USD")
    price = np.round(random.normal(98.0, 4.0, count), 3)
    coupon = np.maximum(np.round(random.normal(0.008, 0.006, count) / 0.00125), 1.0) * 0.00125
    named_currency, curve = curves(currency, flaw)
    ex_coupon_days = by_currency(currency, "ex_coupon_days")
    return {
        "currency": named_currency,
        "notional": sizes(random, currency, median_usd=3_000_000, short_share=0.1),
        "coupon_rate": coupon,
        "index": named(_by_index(currency, _INDICES)),
        "base_index": _base_levels(currency, life.start, as_of),
        "observation_lag_months": np.where(is_old, 8, 3).astype(np.int32),
        "index_interpolation": coded(np.where(is_old, 0, -1), ("FLAT",)),
        "index_rounding": sometimes(random, 1.0, np.where(is_old, np.nan, 5.0)),
        "price_basis": coded(np.where(is_old, 0, -1), ("NOMINAL",)),
        "redemption_floor": currency != CURRENCIES.index("GBP"),
        "issue_date": life.start,
        "maturity_date": life.maturity,
        "frequency": coded(np.where(by_currency(currency, "bond_frequency") == "ANNUAL", -1, 0), ("SEMIANNUAL",)),
        "stub": coded(np.where(life.has_stub, random.integers(0, 2, count), -1), ("SHORT_INITIAL", "LONG_INITIAL")),
        "end_of_month": life.month_end,
        "calendar": named(by_currency(currency, "calendar")),
        "ex_coupon_days": ex_coupon_days.astype(np.int32),
        "ex_coupon_calendar": coded(np.where(ex_coupon_days > 0, 0, -1), ("UK",)),
        "settlement_lag": by_currency(currency, "settlement_lag").astype(np.int32),
        "market_clean_price": np.where(is_dollar, sometimes(random, 0.2, price), np.nan),
        "discount_curve": curve,
    }


def _swaps(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = _currencies(random, count)
    years = random.choice([2, 3, 5, 5, 10, 10, 15, 20, 30], count)
    is_yearly = random.random(count) < 0.3
    elapsed = (random.random(count) * 12 * years).astype(np.int64)
    elapsed = np.where(flaw == MATURED, 12 * years + random.integers(2, 24, count), elapsed)
    start = months_later(np.full(count, as_of.astype("datetime64[M]").astype("datetime64[D]") + 14), -elapsed, False)
    maturity = months_later(start, 12 * years, False)
    swapped = flaw == NONSENSE_DATES
    named_currency, curve = curves(currency, flaw)
    return {
        "currency": named_currency,
        "notional": sizes(random, currency, median_usd=10_000_000, short_share=0.5),
        "kind": coded(np.where(is_yearly, 0, -1), ("YEAR_ON_YEAR",)),
        "fixed_rate": np.round(random.normal(_GROWTH, 0.004, count), 5),
        "index": named(_by_index(currency, _INDICES)),
        "base_index": np.where(is_yearly, np.nan, _base_levels(currency, start, as_of)),
        "start_date": np.where(swapped, maturity, start),
        "maturity_date": np.where(swapped, start, maturity),
        "calendar": named(by_currency(currency, "calendar")),
        "discount_curve": curve,
    }


MAKERS: Final[dict[str, Maker]] = {"INFLATION_LINKED_BOND": _bonds, "INFLATION_SWAP": _swaps}
BOOKS: Final = {
    "INFLATION_LINKED_BOND": tuple(f"LINKER-{i:02d}" for i in range(1, 4)),
    "INFLATION_SWAP": tuple(f"INFLATION-{i:02d}" for i in range(1, 4)),
}
