"""Generators of interest-rate and cross-currency swaps, by the conventions of the quotes that the demo's market is built from."""

from typing import Final

import numpy as np

from riskray.portfolio.generated_terms import CURRENCIES, NO_RATE, UNKNOWN_CURVE, Fields, Maker, by_currency, coded, lives, sizes

_CONVENTIONS: Final = {
    "USD": ("USD-FIXED-1Y-SOFR-OIS", "USD-FIXED-1Y-TERM-SOFR-3M"),
    "EUR": ("EUR-FIXED-1Y-EURIBOR-6M", "EUR-FIXED-1Y-ESTR-OIS", "EUR-FIXED-1Y-EURIBOR-3M"),
    "GBP": ("GBP-FIXED-1Y-SONIA-OIS",),
    "JPY": ("JPY-FIXED-1Y-TONA-OIS",),
    "CHF": ("CHF-FIXED-1Y-SARON-OIS",),
    "CAD": ("CAD-FIXED-1Y-CORRA-OIS",),
}
_OVERNIGHT: Final = {
    "USD": "USD-SOFR", "EUR": "EUR-ESTR", "GBP": "GBP-SONIA", "JPY": "JPY-TONA", "CHF": "CHF-SARON", "CAD": "CAD-CORRA",
}  # fmt: skip
"""Curves that discount swaps under collateral in their own currency."""
_AGAINST_DOLLARS: Final = (("EUR", "EUR-ESTR"), ("GBP", "GBP-SONIA"), ("JPY", "JPY-TONA"))
_UNKNOWN: Final = "EUR-LIBOR"


def _curve_codes(currency: np.ndarray, flaw: np.ndarray) -> np.ndarray:
    """Code of each row's discounting curve among those of all currencies, and one that the market lacks for rows that are to fail."""
    return np.where((flaw == UNKNOWN_CURVE) | (flaw == NO_RATE), len(CURRENCIES), currency)


def _swaps(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = random.choice(len(CURRENCIES), count, p=[0.38, 0.38, 0.12, 0.05, 0.04, 0.03])
    names = tuple(name for code in CURRENCIES for name in _CONVENTIONS[code])
    first = np.cumsum([0, *(len(_CONVENTIONS[code]) for code in CURRENCIES)])
    choices = np.array([len(_CONVENTIONS[code]) for code in CURRENCIES])
    life = lives(random, flaw, as_of, tenors=(2, 3, 5, 5, 7, 10, 10, 15, 20, 30))
    return {
        "currency": coded(currency, CURRENCIES),
        "notional": sizes(random, currency, median_usd=15_000_000, short_share=0.5),
        "convention": coded(first[currency] + (random.random(count) * choices[currency]).astype(np.int64), names),
        "start_date": life.start,
        "maturity_date": life.maturity,
        "fixed_rate": np.round(by_currency(currency, "rate") + random.normal(-0.004, 0.006, count), 5),
        "discount_curve": coded(_curve_codes(currency, flaw), (*(_OVERNIGHT[code] for code in CURRENCIES), _UNKNOWN)),
    }


def _cross_currency(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    pair = random.choice(len(_AGAINST_DOLLARS), count, p=[0.6, 0.25, 0.15])
    currency = np.array([CURRENCIES.index(name) for name, _ in _AGAINST_DOLLARS])[pair]
    dollars = np.full(count, CURRENCIES.index("USD"))
    is_constant = (pair > 0) | (random.random(count) < 0.4)  # the fixings of the demo's market have the euro's rate alone
    life = lives(random, flaw, as_of, tenors=(2, 3, 5, 5, 7, 10))
    notional = sizes(random, currency, median_usd=25_000_000, short_share=0.5)
    rate = by_currency(currency, "usd_value") / by_currency(dollars, "usd_value") * np.exp(random.normal(0.0, 0.03, count))
    names = tuple(f"USD-SOFR-{index}-XCCY{suffix}" for _, index in _AGAINST_DOLLARS for suffix in ("", "-CONSTANT"))
    discounting = tuple(f"{name}-USD-XCCY" for name, _ in _AGAINST_DOLLARS)
    return {
        "receive_leg_currency": coded(currency, CURRENCIES),
        "pay_leg_currency": coded(dollars, CURRENCIES),
        "notional": notional,
        "pay_leg_notional": np.where(is_constant, np.round(np.abs(notional) * rate), np.nan),
        "convention": coded(2 * pair + is_constant, names),
        "spread": np.round(random.normal(-0.0012, 0.0008, count), 5),
        "fx_reset_index": coded(np.where(is_constant, -1, 0), ("EUR-USD-ECB",)),
        "start_date": life.start,
        "maturity_date": life.maturity,
        "receive_leg_discount_curve": coded(
            np.where((flaw == UNKNOWN_CURVE) | (flaw == NO_RATE), len(discounting), pair), (*discounting, _UNKNOWN)
        ),
        "pay_leg_discount_curve": coded(np.zeros(count, np.int64), ("USD-SOFR",)),
    }


MAKERS: Final[dict[str, Maker]] = {"CROSS_CURRENCY_SWAP": _cross_currency, "INTEREST_RATE_SWAP": _swaps}
BOOKS: Final = {
    "CROSS_CURRENCY_SWAP": tuple(f"XCCY-{i:02d}" for i in range(1, 4)),
    "INTEREST_RATE_SWAP": tuple(f"SWAP-{i:02d}" for i in range(1, 9)),
}
