"""Generators of deposits and paper, repos."""

from typing import Final

import numpy as np
import pyarrow as pa

from riskray.portfolio.generated_terms import (
    CURRENCIES,
    MATURED,
    NONSENSE_DATES,
    Fields,
    Maker,
    by_currency,
    coded,
    currencies,
    curves,
    named,
    sizes,
    spread_curves,
    weekday,
)


def _short_lives(
    random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64, days: np.ndarray, *, ahead_share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Start and maturity of contracts of so many days that run on the valuation date or, some, start within a week."""
    is_ahead = random.random(len(flaw)) < ahead_share
    elapsed = np.where(is_ahead, -random.integers(1, 8, len(flaw)), (random.random(len(flaw)) * days).astype(np.int64))
    start = as_of - np.where(flaw == MATURED, days + 30, elapsed)
    maturity = weekday(start + days)
    start = weekday(start)
    swapped = flaw == NONSENSE_DATES
    return np.where(swapped, maturity + 1, start), np.where(swapped, start, maturity)


def _day_count(currency: np.ndarray) -> pa.DictionaryArray:
    """Money markets count ACT/360, the default, but for sterling and the Canadian dollar."""
    return coded(np.where(np.isin(currency, [CURRENCIES.index("GBP"), CURRENCIES.index("CAD")]), 0, -1), ("ACT/365F",))


def _money_market(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = currencies(random, count)
    kind = random.choice(4, count, p=[0.5, 0.2, 0.2, 0.1])  # deposit, commercial paper, bill, long certificate of deposit
    is_discount, is_long = (kind == 1) | (kind == 2), kind == 3
    days = np.where(is_long, random.choice([548, 730, 1095], count), random.choice([7, 14, 30, 61, 91, 182, 364], count))
    start, maturity = _short_lives(random, flaw, as_of, days, ahead_share=0.05)
    maturity = np.where((flaw != MATURED) & (flaw != NONSENSE_DATES), np.maximum(maturity, weekday(as_of + 3)), maturity)
    named_currency, curve = curves(currency, flaw)
    return {
        "currency": named_currency,
        "notional": sizes(random, currency, median_usd=8_000_000, short_share=0.4),
        "interest_rate": np.round(np.maximum(by_currency(currency, "rate") + random.normal(0.001, 0.003, count), 0.0), 5),
        "quote_type": coded(np.where(is_discount, 0, -1), ("DISCOUNT",)),
        "start_date": start,
        "maturity_date": maturity,
        "frequency": coded(np.where(is_long, 0, -1), ("SEMIANNUAL",)),
        "day_count": _day_count(currency),
        "calendar": named(by_currency(currency, "calendar")),
        "discount_curve": curve,
        "spread_curve": spread_curves(random, currency, kind != 2),
    }


def _repos(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = currencies(random, count)
    days = random.choice([1, 7, 14, 30, 91], count, p=[0.2, 0.3, 0.2, 0.2, 0.1])
    start, maturity = _short_lives(random, flaw, as_of, days, ahead_share=0.15)
    is_sound = (flaw != MATURED) & (flaw != NONSENSE_DATES)
    maturity = np.where(is_sound, np.maximum(maturity, weekday(np.maximum(start, as_of) + 4)), maturity)  # beyond holidays
    is_open = (random.random(count) < 0.2) & is_sound
    named_currency, curve = curves(currency, flaw)
    cash = np.abs(sizes(random, currency, median_usd=15_000_000, short_share=0.0))
    haircut = random.choice([0.0, 0.02, 0.05], count)
    return {
        "direction": coded(random.integers(0, 2, count), ("REPO", "REVERSE")),
        "currency": named_currency,
        "cash_amount": cash,
        "repo_rate": np.round(by_currency(currency, "rate") + random.normal(0.0, 0.001, count), 5),
        "start_date": start,
        "maturity_date": np.where(is_open, np.datetime64("NaT"), maturity),
        "day_count": _day_count(currency),
        "calendar": named(by_currency(currency, "calendar")),
        "discount_curve": curve,
        "collateral_nominal": np.round(cash / (1.0 - haircut), -3),
        "haircut": haircut,
    }


MAKERS: Final[dict[str, Maker]] = {"MONEY_MARKET": _money_market, "REPO": _repos}
BOOKS: Final = {
    "MONEY_MARKET": tuple(f"TREASURY-{i:02d}" for i in range(1, 5)),
    "REPO": tuple(f"REPO-{i:02d}" for i in range(1, 4)),
}
