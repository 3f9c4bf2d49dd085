"""Generators of deposits and paper, repos, FX swaps, deposits without a maturity, shares, bond futures."""

from typing import Final

import numpy as np
import pyarrow as pa

from riskray.portfolio.generated_terms import (
    BASE_FIRST,
    CURRENCIES,
    MATURED,
    NO_RATE,
    NONSENSE_DATES,
    SOUND,
    Fields,
    Maker,
    by_currency,
    coded,
    currencies,
    curves,
    lists,
    months_later,
    named,
    sizes,
    sometimes,
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
    maturity = np.where((flaw != MATURED) & (flaw != NONSENSE_DATES), np.maximum(maturity, weekday(np.full(count, as_of + 3))), maturity)
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


def _fx_swaps(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    first = currencies(random, count)
    second = (first + random.integers(1, len(CURRENCIES), count)) % len(CURRENCIES)
    rank = np.array([BASE_FIRST.index(name) for name in CURRENCIES])
    base, quote = np.where(rank[first] < rank[second], first, second), np.where(rank[first] < rank[second], second, first)
    days = random.choice([1, 7, 30, 91, 182, 365], count, p=[0.15, 0.25, 0.2, 0.2, 0.1, 0.1])
    elapsed = (random.random(count) * 1.2 * days).astype(np.int64) - 2  # a few are still ahead of their near date
    near = weekday(as_of - np.where(flaw == MATURED, days + 30, elapsed))
    far = weekday(np.where(flaw == MATURED, near + days, np.maximum(near + days, as_of + 1)))
    far = np.where(flaw == NONSENSE_DATES, near - 1, far)
    near_rate = by_currency(base, "usd_value") / by_currency(quote, "usd_value") * np.exp(random.normal(0.0, 0.02, count))
    carry = (by_currency(quote, "rate") - by_currency(base, "rate")) * (far - near).astype(np.int64) / 365
    quote_currency, quote_curve = curves(quote, flaw)
    notional = sizes(random, base, median_usd=10_000_000, short_share=0.5)
    return {
        "base_currency": coded(base, CURRENCIES),
        "quote_currency": quote_currency,
        "notional": notional,
        "near_date": near,
        "near_rate": np.round(near_rate, 5),
        "far_date": far,
        "far_points": np.round(near_rate * np.expm1(carry), 6),
        "far_notional": sometimes(random, 0.1, np.round(np.abs(notional) * (1.0 + by_currency(base, "rate") * days / 360), 2)),
        "base_discount_curve": coded(base, tuple(f"{name}-GOVT" for name in CURRENCIES)),
        "quote_discount_curve": quote_curve,
    }


def _non_maturity_deposits(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = currencies(random, count)
    decays = random.random(count) < 0.6
    named_currency, curve = curves(currency, flaw)
    dates = as_of + np.where(flaw == MATURED, -4000, 0)[:, None] + 365 * np.array([1, 3, 5, 10])
    dates = np.where((flaw == NONSENSE_DATES)[:, None], dates[:, ::-1], dates)
    has_profile = ~decays | (flaw == MATURED) | (flaw == NONSENSE_DATES)
    return {
        "currency": named_currency,
        "notional": sizes(random, currency, median_usd=12_000_000, short_share=1.0),
        "interest_rate": np.round(0.25 * by_currency(currency, "rate"), 4),
        "core_share": random.uniform(0.4, 0.9, count).round(2),
        "runoff_dates": lists(has_profile, list(dates.T)),
        "runoff_shares": lists(has_profile, [np.full(count, share) for share in (0.2, 0.3, 0.3, 0.2)]),
        "decay_rate": np.where(has_profile, np.nan, random.choice([0.1, 0.2, 0.3], count)),
        "max_maturity": coded(np.where(has_profile, -1, random.integers(0, 3, count)), ("5Y", "10Y", "15Y")),
        "calendar": named(by_currency(currency, "calendar")),
        "discount_curve": curve,
    }


def _positions(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    """Shares at the demo's prices, or at none where something is wrong with the row; each moves with the index of its currency."""
    count = len(flaw)
    currency = currencies(random, count)
    named_currency, _ = curves(currency, flaw)
    security = random.integers(1, 6, count)
    names = tuple(f"EQ-{name}-{number}" for name in CURRENCIES for number in range(1, 7))  # of the last of each there is no price
    key = 6 * currency + np.where((flaw == SOUND) | (flaw == NO_RATE), security, 6) - 1
    return {
        "security_id": coded(key, tuple(f"{name}-SHARE" for name in names)),
        "quantity": np.round(random.lognormal(8.0, 1.0, count)) * np.where(random.random(count) < 0.1, -1.0, 1.0),
        "currency": named_currency,
        "price_key": coded(key, names),
        "beta": np.round(random.normal(1.0, 0.3, count), 2),
        "benchmark": coded(currency, tuple(f"EQ-{name}" for name in CURRENCIES)),
    }


def _bond_futures(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = random.integers(0, 4, count)  # US Treasury, Bund, gilt and JGB futures
    quarter = as_of.astype("datetime64[M]") + 1 + random.integers(0, 6, count)
    delivery = weekday(quarter.astype("datetime64[D]") + 9)
    delivery = np.where(flaw == MATURED, as_of - 30, delivery)
    years, coupon = random.choice([2, 5, 10, 30], count), np.round(random.uniform(0.0, 0.05, count) / 0.00125) * 0.00125
    maturity = months_later(quarter.astype("datetime64[D]") + 14, 12 * years, False)
    discount = 1.06 ** -years.astype(np.float64)
    factor = coupon / 0.06 * (1.0 - discount) + discount
    price = 100.0 + 100.0 * (coupon - by_currency(currency, "rate")) * np.minimum(years, 15) * 0.8
    named_currency, curve = curves(currency, flaw)
    frequency = by_currency(currency, "bond_frequency")
    return {
        "contracts": np.round(random.lognormal(3.0, 1.0, count) + 1.0) * np.where(random.random(count) < 0.6, -1.0, 1.0),
        "delivery_date": delivery,
        "trade_price": np.round(price / factor + random.normal(0.0, 1.0, count), 2),
        "conversion_factor": np.round(factor, 6),
        "currency": named_currency,
        "coupon_rate": coupon,
        "issue_date": np.where(flaw == NONSENSE_DATES, maturity + 30, as_of - 400),
        "maturity_date": maturity,
        "frequency": coded(np.where(frequency == "ANNUAL", -1, 0), ("SEMIANNUAL",)),
        "calendar": named(by_currency(currency, "calendar")),
        "discount_curve": curve,
    }


MAKERS: Final[dict[str, Maker]] = {
    "BOND_FUTURE": _bond_futures,
    "EQUITY_POSITION": _positions,
    "FUND_POSITION": _positions,
    "NON_MATURITY_DEPOSIT": _non_maturity_deposits,
    "FX_SWAP": _fx_swaps,
    "MONEY_MARKET": _money_market,
    "REPO": _repos,
}
BOOKS: Final = {
    "BOND_FUTURE": ("FUTURES-01", "FUTURES-02"),
    "EQUITY_POSITION": tuple(f"EQUITY-{i:02d}" for i in range(1, 4)),
    "FUND_POSITION": ("FUNDS-01",),
    "NON_MATURITY_DEPOSIT": tuple(f"RETAIL-{i:02d}" for i in range(1, 4)),
    "FX_SWAP": tuple(f"FX-SWAP-{i:02d}" for i in range(1, 4)),
    "MONEY_MARKET": tuple(f"TREASURY-{i:02d}" for i in range(1, 5)),
    "REPO": tuple(f"REPO-{i:02d}" for i in range(1, 4)),
}
