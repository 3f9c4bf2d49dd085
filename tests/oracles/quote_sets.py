"""Quotes of realistic shape for a set of curves in three currencies, made up by smooth functions of maturity."""

import math
from dataclasses import replace
from typing import Final, NamedTuple

from pricers.calibration.quotes import CalibratedInterpolation, CurveRecipe, Instrument, Quote
from pricers.time.tenors import parse_tenor

OIS_TENORS: Final = (
    "1W",
    "2W",
    "1M",
    "2M",
    "3M",
    "4M",
    "5M",
    "6M",
    "9M",
    "1Y",
    "18M",
    "2Y",
    "3Y",
    "4Y",
    "5Y",
    "6Y",
    "7Y",
    "8Y",
    "9Y",
    "10Y",
    "12Y",
    "15Y",
    "20Y",
    "25Y",
    "30Y",
    "40Y",
)
SWAP_TENORS: Final = ("2Y", "3Y", "4Y", "5Y", "6Y", "7Y", "8Y", "9Y", "10Y", "12Y", "15Y", "20Y", "25Y", "30Y")
FX_TENORS: Final = ("1W", "2W", "1M", "2M", "3M", "6M", "9M", "1Y")
XCCY_TENORS: Final = ("2Y", "3Y", "4Y", "5Y", "7Y", "10Y", "15Y", "20Y", "30Y")
FX_SPOTS: Final = {"EUR/USD": 1.1630, "GBP/USD": 1.3240}


class QuoteSet(NamedTuple):
    """Quotes, the curves built from them, and spot rates by pair."""

    quotes: tuple[Quote, ...]
    recipes: tuple[CurveRecipe, ...]
    fx_spots: dict[str, float]


def years(tenor: str) -> float:
    """A tenor's length, roughly."""
    months, days = parse_tenor(tenor)
    return months / 12.0 + days / 365.0


def sofr(t: float) -> float:
    """Level of dollar rates."""
    return 0.0362 - 0.0045 * t / (1.0 + t) * math.exp(-t / 4.0) + 0.0045 * (1.0 - math.exp(-t / 7.0))


def estr(t: float) -> float:
    """Level of euro rates."""
    return 0.0192 + 0.0002 * math.sin(3.0 * t) + 0.0095 * (1.0 - math.exp(-t / 8.0))


def sonia(t: float) -> float:
    """Level of sterling rates."""
    return 0.0375 - 0.0030 * t / (1.0 + t) + 0.0080 * (1.0 - math.exp(-t / 12.0))


def _named(quotes: list[Quote]) -> tuple[str, ...]:
    return tuple(quote.name for quote in quotes)


def _quotes(prefix: str, instrument: Instrument, convention: str, values: dict[str, float]) -> list[Quote]:
    return [Quote(f"{prefix}.{tenor}", instrument, round(value, 6), convention, tenor) for tenor, value in values.items()]


def three_currencies(interpolation: CalibratedInterpolation = "LOG_LINEAR_DISCOUNT") -> QuoteSet:
    """Eight curves: SOFR, ESTR and SONIA; EURIBOR 3M and 6M and term SOFR 3M; euros and sterling under dollar collateral."""
    parts = {
        "USD-SOFR": [
            *_quotes("USD.DEP", Instrument.DEPOSIT, "USD-SOFR", {"ON": 0.0362}),
            *_quotes("USD.OIS", Instrument.OIS, "USD-FIXED-1Y-SOFR-OIS", {t: sofr(years(t)) for t in OIS_TENORS}),
        ],
        "EUR-ESTR": [
            *_quotes("EUR.DEP", Instrument.DEPOSIT, "EUR-ESTR", {"ON": 0.0192}),
            *_quotes("EUR.OIS", Instrument.OIS, "EUR-FIXED-1Y-ESTR-OIS", {t: estr(years(t)) for t in OIS_TENORS}),
        ],
        "GBP-SONIA": _quotes("GBP.OIS", Instrument.OIS, "GBP-FIXED-1Y-SONIA-OIS", {t: sonia(years(t)) for t in OIS_TENORS}),
        "EUR-EURIBOR-6M": [
            *_quotes("EUR.6M.DEP", Instrument.DEPOSIT, "EUR-EURIBOR-6M", {"6M": estr(0.25) + 0.0022}),
            *_quotes("EUR.6M.FRA", Instrument.FRA, "EUR-EURIBOR-6M", {
                f"{m}X{m + 6}": estr(0.4 + m / 12.0) + 0.0025 for m in (1, 2, 3, 4, 5, 6, 9, 12)
            }),
            *_quotes("EUR.6M.IRS", Instrument.IRS, "EUR-FIXED-1Y-EURIBOR-6M", {t: estr(years(t)) + 0.0026 for t in SWAP_TENORS}),
        ],
        "EUR-EURIBOR-3M": [
            *_quotes("EUR.3M.DEP", Instrument.DEPOSIT, "EUR-EURIBOR-3M", {"3M": estr(0.25) + 0.0012}),
            *(
                replace(quote, convexity_adjustment=1e-6 * number * number)
                for number, quote in enumerate(_quotes("EUR.3M.FUT", Instrument.RATE_FUTURE, "EUR-EURIBOR-3M-IMM", {
                    month: 100.0 - 100.0 * (estr(0.3 + 0.25 * n) + 0.0014)
                    for n, month in enumerate(("DEC26", "MAR27", "JUN27", "SEP27", "DEC27", "MAR28"))
                }))
            ),
            *_quotes("EUR.3M.IRS", Instrument.IRS, "EUR-FIXED-1Y-EURIBOR-3M", {
                t: estr(years(t)) + 0.0016 for t in SWAP_TENORS if t != "2Y"
            }),
        ],
        "USD-TERM-SOFR-3M": [
            *_quotes("USD.3M.DEP", Instrument.DEPOSIT, "USD-TERM-SOFR-3M", {"3M": sofr(0.25) + 0.0001}),
            *_quotes("USD.3M.IRS", Instrument.IRS, "USD-FIXED-1Y-TERM-SOFR-3M", {t: sofr(years(t)) + 0.0001 for t in ("1Y", *SWAP_TENORS)}),
        ],
    }  # fmt: skip
    for currency, level in (("EUR", estr), ("GBP", sonia)):
        index = {"EUR": "ESTR", "GBP": "SONIA"}[currency]
        pair = f"{currency}/USD"
        carry = {t: FX_SPOTS[pair] * (sofr(years(t)) - level(years(t)) + 0.0018) * years(t) for t in FX_TENORS}
        parts[f"{currency}-IN-USD"] = [
            *_quotes(f"{currency}.FX", Instrument.FX_SWAP, pair, carry),
            *_quotes(f"{currency}.XCCY", Instrument.XCCY_BASIS, f"USD-SOFR-{currency}-{index}-XCCY", {
                t: -0.0016 + 0.0008 * (1.0 - math.exp(-years(t) / 10.0)) for t in XCCY_TENORS
            }),
        ]  # fmt: skip
    recipes = tuple(
        CurveRecipe(name, name[:3], _named(quotes), interpolation, collateral_currency="USD" if name.endswith("IN-USD") else "")
        for name, quotes in reversed(parts.items())
    )
    return QuoteSet(tuple(quote for quotes in parts.values() for quote in quotes), recipes, dict(FX_SPOTS))
