"""Generators of floating-rate bonds, floating loans and revolving credit, in dollars and euros.

Their indices are forecast by the curves of the demo's market, whose fixings give the rate of the running period.
"""

from typing import Final

import numpy as np

from riskray.portfolio.generated_terms import (
    CURRENCIES,
    NONSENSE_DATES,
    Fields,
    Life,
    Maker,
    by_currency,
    coded,
    curves,
    lists,
    lives,
    named,
    sizes,
    sometimes,
    spread_curves,
)

_INDICES: Final = ("USD-TERM-SOFR-3M", "USD-TERM-SOFR-6M", "EUR-EURIBOR-3M", "EUR-EURIBOR-6M")
_FREQUENCIES: Final = ("QUARTERLY", "SEMIANNUAL")
_UTILISATION_TIERS: Final = (0.33, 0.66)


def _currencies(random: np.random.Generator, count: int) -> np.ndarray:
    return np.where(random.random(count) < 0.55, CURRENCIES.index("USD"), CURRENCIES.index("EUR"))


def _rates(random: np.random.Generator, currency: np.ndarray, flaw: np.ndarray, *, margin: tuple[float, float]) -> Fields:
    """Currency, index and curves, the margin, and the fixing of the running period."""
    count = len(currency)
    is_long = random.random(count) < 0.4
    index = 2 * (currency == CURRENCIES.index("EUR")) + is_long
    named_currency, curve = curves(currency, flaw)
    return {
        "currency": named_currency,
        "index": coded(index, _INDICES),
        "spread": np.round(random.uniform(*margin, count), 4),
        "frequency": coded(is_long.astype(np.int64), _FREQUENCIES),
        "calendar": named(by_currency(currency, "calendar")),
        "discount_curve": curve,
    }


def _stubs(random: np.random.Generator, life: Life) -> Fields:
    return {
        "stub": coded(np.where(life.has_stub, random.integers(0, 2, len(life.start)), -1), ("SHORT_INITIAL", "LONG_INITIAL")),
        "end_of_month": life.month_end,
    }


def _bonds(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = _currencies(random, count)
    life = lives(random, flaw, as_of, tenors=(2, 3, 3, 5, 5, 7, 10))
    return {
        **_rates(random, currency, flaw, margin=(0.002, 0.02)),
        **_stubs(random, life),
        "notional": sizes(random, currency, median_usd=2_000_000, short_share=0.1),
        "issue_date": life.start,
        "maturity_date": life.maturity,
        "settlement_lag": by_currency(currency, "settlement_lag").astype(np.int32),
        "market_clean_price": sometimes(random, 0.2, np.round(random.normal(100.0, 1.0, count), 3)),
        "spread_curve": spread_curves(random, currency, random.random(count) < 0.7),
    }


def _loans(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = _currencies(random, count)
    life = lives(random, flaw, as_of, tenors=(3, 5, 5, 7, 7, 10))
    notional = sizes(random, currency, median_usd=3_000_000, short_share=0.02)
    repayment = random.choice(4, count, p=[0.5, 0.3, 0.15, 0.05])
    custom = (repayment == 3) & ~life.has_stub & (flaw != NONSENSE_DATES)
    repayment = np.where((repayment == 3) & ~custom, 0, repayment)
    share = np.abs(notional) * 0.3
    return {
        **_rates(random, currency, flaw, margin=(0.015, 0.045)),
        **_stubs(random, life),
        "notional": notional,
        "drawn_balance": sometimes(random, 0.1, np.round(np.abs(notional) * random.uniform(0.1, 0.9, count))),
        "start_date": life.start,
        "maturity_date": life.maturity,
        "amortisation": coded(repayment, ("BULLET", "LINEAR", "LEVEL_PAYMENT", "CUSTOM")),
        "amortisation_rate": np.where(repayment == 2, np.round(by_currency(currency, "rate") + 0.02, 4), np.nan),
        "principal_dates": lists(custom, [life.anniversary(np.full(count, years)) for years in (2, 1)]),
        "principal_amounts": lists(custom, [share, share]),
        "prepayment_rate": sometimes(random, 0.2, np.round(random.uniform(0.02, 0.15, count), 3)),
        "spread_curve": spread_curves(random, currency, random.random(count) < 0.8),
        "credit_spread": np.round(random.exponential(0.003, count), 5),
    }


def _facilities(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = _currencies(random, count)
    life = lives(random, flaw, as_of, tenors=(3, 5, 5))
    commitment = sizes(random, currency, median_usd=10_000_000, short_share=0.02)
    drawn = np.where(random.random(count) < 0.3, 0.0, random.uniform(0.0, 1.0, count))
    has_tiers = random.random(count) < 0.6
    return {
        **_rates(random, currency, flaw, margin=(0.012, 0.03)),
        **_stubs(random, life),
        "commitment_amount": commitment,
        "drawn_balance": np.round(np.abs(commitment) * drawn),
        "commitment_fee_rate": np.round(random.uniform(0.002, 0.01, count), 4),
        "utilisation_thresholds": lists(has_tiers, [np.full(count, threshold) for threshold in _UTILISATION_TIERS]),
        "utilisation_fee_rates": lists(has_tiers, [np.full(count, 0.001), np.full(count, 0.002)]),
        "start_date": life.start,
        "maturity_date": life.maturity,
        "spread_curve": spread_curves(random, currency, random.random(count) < 0.8),
    }


MAKERS: Final[dict[str, Maker]] = {"FLOATING_LOAN": _loans, "FLOATING_RATE_BOND": _bonds, "REVOLVING_CREDIT": _facilities}
BOOKS: Final = {
    "FLOATING_LOAN": tuple(f"CORPORATE-LOAN-{i:02d}" for i in range(1, 5)),
    "FLOATING_RATE_BOND": tuple(f"FLOATER-{i:02d}" for i in range(1, 5)),
    "REVOLVING_CREDIT": tuple(f"FACILITY-{i:02d}" for i in range(1, 4)),
}
