"""Generators of forward rate agreements and rate futures, on the indices whose curves the demo's market has."""

from typing import Final

import numpy as np
import pyarrow as pa

from riskray.portfolio.generated_terms import (
    CURRENCIES,
    MATURED,
    NO_RATE,
    NONSENSE_DATES,
    UNKNOWN_CURVE,
    UNQUOTED,
    Fields,
    Maker,
    by_currency,
    coded,
    sizes,
    weekday,
)

_TERM_INDICES: Final = ("USD-TERM-SOFR-3M", "USD-TERM-SOFR-6M", "EUR-EURIBOR-3M", "EUR-EURIBOR-6M")
_OVERNIGHT: Final = ("USD-SOFR", "EUR-ESTR", "GBP-SONIA", "JPY-TONA", "CHF-SARON", "CAD-CORRA")
"""By currency, as `CURRENCIES` counts them."""
_FUTURES: Final = (*_OVERNIGHT, "EUR-EURIBOR-3M")
_QUARTER_POINT: Final = {"JPY": 250_000.0}
"""What a point of a three-month future on a million gains, a hundred millions of yen; 2,500 of other currencies."""
_MONTH_POINT: Final = 4_167.0


def _currency(currency: np.ndarray, flaw: np.ndarray) -> pa.DictionaryArray:
    return coded(np.where(flaw == NO_RATE, len(CURRENCIES), currency), (*CURRENCIES, UNQUOTED))


def _fras(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    is_dollar, is_long = random.random(count) < 0.4, random.random(count) < 0.5
    currency = np.where(is_dollar, CURRENCIES.index("USD"), CURRENCIES.index("EUR"))
    ahead = random.choice([30, 61, 91, 182, 274, 365, 548], count) + random.integers(3, 28, count)
    start = weekday(as_of + np.where(flaw == MATURED, -ahead - 400, ahead))
    rate = by_currency(currency, "rate") + random.normal(0.0, 0.004, count)
    curve = np.where(flaw == UNKNOWN_CURVE, len(CURRENCIES) + currency, currency)
    end = np.where(flaw == NONSENSE_DATES, start - 30, np.datetime64("NaT"))
    return {
        "currency": _currency(currency, flaw),
        "notional": sizes(random, currency, median_usd=25_000_000, short_share=0.5),
        "fixed_rate": np.round(rate, 4),
        "index": coded(2 * ~is_dollar + is_long, _TERM_INDICES),
        "start_date": start,
        "maturity_date": end,
        "settlement": coded(np.where(random.random(count) < 0.9, -1, 0), ("AT_END",)),
        "discount_curve": coded(curve, (*_OVERNIGHT, *(f"{name}-LIBOR" for name in CURRENCIES))),
    }


def _third_wednesday(month: np.ndarray) -> np.ndarray:
    """Of datetime64[M] months."""
    first = month.astype("datetime64[D]")
    return np.asarray(np.busday_offset(first, 2, roll="forward", weekmask="Wed"))


def _futures(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    place = random.choice(len(_FUTURES), count, p=[0.35, 0.1, 0.15, 0.05, 0.05, 0.05, 0.25])
    currency = np.where(place < len(_OVERNIGHT), place, CURRENCIES.index("EUR"))
    is_monthly = (place == 0) & (random.random(count) < 0.3)
    is_term = place == len(_OVERNIGHT)
    this_quarter = (as_of.astype("datetime64[M]").astype(np.int64) + 1) // 3 * 3 - 1  # the last of December, March, June or September
    quarters = random.integers(0, 8, count) + is_term  # a future on a term rate ends when its period starts
    quarter = (this_quarter + 3 * np.where(flaw == MATURED, -4, quarters)).astype("datetime64[M]")
    month = as_of.astype("datetime64[M]") + np.where(flaw == MATURED, -4, random.integers(1, 7, count))
    start = np.where(is_monthly, month.astype("datetime64[D]"), _third_wednesday(quarter))
    end = np.where(is_monthly, (month + 1).astype("datetime64[D]"), np.datetime64("NaT"))
    level = by_currency(currency, "rate")
    point = np.array([_QUARTER_POINT.get(name, 2_500.0) for name in CURRENCIES])[currency]
    return {
        "contracts": np.round(random.lognormal(3.5, 1.0, count) + 1.0) * np.where(random.random(count) < 0.5, -1.0, 1.0),
        "point_value": np.where(is_monthly, _MONTH_POINT, point),
        "currency": _currency(currency, flaw),
        "index": coded(place, _FUTURES),
        "forecast_curve": coded(np.where(flaw == UNKNOWN_CURVE, currency, -1), tuple(f"{name}-LIBOR" for name in CURRENCIES)),
        "rate_method": coded(np.where(is_monthly, 0, -1), ("AVERAGED",)),
        "start_date": start,
        "end_date": np.where(flaw == NONSENSE_DATES, start - 30, end),
        "trade_price": np.round(100.0 - 100.0 * level + random.normal(0.0, 0.3, count), 3),
        "convexity_adjustment": np.round(np.maximum(quarters, 0) ** 2 * 2e-6, 7),
    }


MAKERS: Final[dict[str, Maker]] = {"FRA": _fras, "RATE_FUTURE": _futures}
BOOKS: Final = {"FRA": ("FRA-01", "FRA-02"), "RATE_FUTURE": ("RATE-FUTURES-01", "RATE-FUTURES-02")}
