"""A small market and bonds to value on it."""

import datetime
from dataclasses import replace
from typing import Any

import numpy as np

from pricers import Contracts, Curve, CurveKind, Market, Valuation, contracts_of, factors_of, pricer
from pricers.time.dates import to_day

AS_OF = to_day(datetime.date(2026, 3, 16))
PILLARS = np.array([91, 365, 730, 1826, 3652, 10957], np.int32)
LABELS = ("3M", "1Y", "2Y", "5Y", "10Y", "30Y")
EUR_RATES = np.array([0.021, 0.022, 0.024, 0.027, 0.030, 0.031])

EUR = Curve("EUR", CurveKind.RATE, "EUR", "LINEAR_ZERO", LABELS, PILLARS, EUR_RATES)
USD = Curve("USD", CurveKind.RATE, "USD", "LOG_LINEAR_DISCOUNT", LABELS, PILLARS, EUR_RATES + 0.015)
CORPORATE = Curve("CORPORATE", CurveKind.SPREAD, "", "LINEAR_ZERO", LABELS[1:], PILLARS[1:], np.array([0.005, 0.006, 0.009, 0.012, 0.014]))
MARKET = Market(AS_OF, "EUR", (EUR, USD, CORPORATE), {"EUR": 1.0, "USD": 0.9})

BOND: dict[str, Any] = {
    "notional": 1_000_000.0,
    "currency": "EUR",
    "coupon_rate": 0.035,
    "issue_date": "2024-05-20",
    "maturity_date": "2033-05-20",
    "calendar": "TARGET",
    "discount_curve": "EUR",
}
DOLLAR_BOND = {
    **BOND,
    "currency": "USD",
    "discount_curve": "USD",
    "frequency": "SEMIANNUAL",
    "day_count": "30/360 US",
    "calendar": "US_GOVT",
}
CORPORATE_BOND = {**BOND, "spread_curve": "CORPORATE", "credit_spread": 0.0125, "frequency": "QUARTERLY", "notional": -250_000.0}
QUOTED_BOND = {**BOND, "market_clean_price": 97.25, "first_coupon_date": "2024-11-20", "frequency": "SEMIANNUAL"}
SINKING_BOND = {
    **BOND,
    "sinking_dates": ["2027-05-20", "2029-05-20"],
    "sinking_amounts": [100_000.0, 400_000.0],
}
BONDS = [BOND, DOLLAR_BOND, CORPORATE_BOND, QUOTED_BOND, SINKING_BOND]


def bonds(*rows: dict[str, Any]) -> Contracts:
    return contracts_of(pricer("FIXED_BOND").columns, list(rows))


def with_curves(market: Market, *curves: Curve) -> Market:
    """The market with some curves replaced by name."""
    by_name = {curve.name: curve for curve in curves}
    return replace(market, curves=tuple(by_name.get(curve.name, curve) for curve in market.curves))


def sensitivities(valuation: Valuation, market: Market, row: int = 0) -> dict[str, np.ndarray]:
    """Buckets of each factor of a row by the factor's name."""
    entries = range(*valuation.factor_offsets[row : row + 2].tolist())
    factors = factors_of(market)
    found = {
        factors[valuation.factor_nos[entry]].name: valuation.sensitivities[slice(*valuation.bucket_offsets[entry : entry + 2].tolist())]
        for entry in entries
    }
    assert len(found) == len(entries)
    assert (np.diff(valuation.factor_nos[entries.start : entries.stop]) > 0).all()
    return found


def shifted(curve: Curve, shift: Any) -> Curve:
    """The curve with its zero rates moved by one number, or by one a pillar."""
    return replace(curve, zero_rates=curve.zero_rates + shift)
