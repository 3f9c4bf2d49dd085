"""Generator of credit default swaps: standard contracts in dollars and euros, on the demo market's curves by rating."""

from typing import Final

import numpy as np

from riskray.portfolio.generated_terms import (
    CURRENCIES,
    MATURED,
    NO_RATE,
    NONSENSE_DATES,
    RATINGS,
    UNKNOWN_CURVE,
    UNQUOTED,
    Fields,
    Maker,
    coded,
    sizes,
    weekday,
)

_MARKETS: Final = ("USD", "EUR")
_DISCOUNTING: Final = ("USD-SOFR", "EUR-ESTR")
_ROLLS: Final = (6, 12)  # months on whose 20th standard contracts mature
_TENORS: Final = (1, 3, 5, 7, 10)
_ENTITIES: Final = 60


def _swaps(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    market = random.choice(len(_MARKETS), count, p=[0.55, 0.45])
    rating = random.choice(len(RATINGS), count, p=[0.35, 0.45, 0.2])
    years = random.choice(_TENORS, count, p=[0.1, 0.15, 0.55, 0.1, 0.1])
    age = random.integers(0, 365 * np.minimum(years, 4) - 95, count)  # a year's contract of early September ends in June
    trade = weekday(as_of - np.where(flaw == MATURED, 366 * (years + 1), age))
    maturity = _standard_maturity(trade, years)
    trade = np.where(flaw == NONSENSE_DATES, maturity + 10, trade)
    currency = np.array([CURRENCIES.index(name) for name in _MARKETS])[market]
    curve = np.where(flaw == UNKNOWN_CURVE, len(_MARKETS) * len(RATINGS), market * len(RATINGS) + rating)
    entity = rating * _ENTITIES + random.integers(0, _ENTITIES, count)
    return {
        "currency": coded(np.where(flaw == NO_RATE, len(_MARKETS), market), (*_MARKETS, UNQUOTED)),
        "notional": sizes(random, currency, median_usd=5_000_000, short_share=0.45),
        "coupon_rate": np.where(RATINGS.index("BB") == rating, 0.05, 0.01),
        "recovery_rate": np.full(count, 0.4),
        "maturity_date": maturity,
        "trade_date": trade,
        "upfront_rate": np.round(random.normal(0.0, 0.02, count), 4),
        "discount_curve": coded(market, _DISCOUNTING),
        "credit_curve": coded(curve, (*(f"{name}-CDS-{grade}" for name in _MARKETS for grade in RATINGS), "CDS-NOBODY")),
        "reference_entity": coded(entity, tuple(f"{grade} entity {number:02d}" for grade in RATINGS for number in range(_ENTITIES))),
        "seniority": coded(np.zeros(count, np.int64), ("SNRFOR",)),
        "restructuring": coded(market, ("XR14", "MM14")),
    }


def _standard_maturity(trade: np.ndarray, years: np.ndarray) -> np.ndarray:
    """The 20th of June or December that follows the last roll in March or September by the tenor and three months."""
    month = (trade - 19).astype("datetime64[M]")  # from the 20th of a month on it is that month
    since = (month.astype(np.int64) % 12 - 2) % 6  # months since March or September
    return np.asarray((month - since + 12 * years + 3).astype("datetime64[D]") + 19)


MAKERS: Final[dict[str, Maker]] = {"CREDIT_DEFAULT_SWAP": _swaps}
BOOKS: Final = {"CREDIT_DEFAULT_SWAP": tuple(f"CREDIT-{i:02d}" for i in range(1, 4))}
