"""A market with indices and fixings, and floating contracts to value on it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from pricers import Curve, CurveKind, Market
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.indices import STANDARD_INDICES
from tests.unit.pricers.examples import AS_OF, CORPORATE, EUR, EUR_RATES, LABELS, MARKET, PILLARS, USD

EURIBOR = Curve("EUR-EURIBOR-6M", CurveKind.RATE, "EUR", "LINEAR_ZERO", LABELS, PILLARS, EUR_RATES + 0.002)
EURIBOR_3M = replace(EURIBOR, name="EUR-EURIBOR-3M", zero_rates=EUR_RATES + 0.001)
ESTR = Curve("EUR-ESTR", CurveKind.RATE, "EUR", "LOG_LINEAR_DISCOUNT", LABELS, PILLARS, EUR_RATES - 0.001)
SOFR = replace(USD, name="USD-SOFR")
INDICES = ("EUR-EURIBOR-3M", "EUR-EURIBOR-6M", "EUR-ESTR", "USD-SOFR")
FIRST_FIXING = AS_OF - 800


def fixings(until: int = AS_OF, given: Mapping[int, float] | None = None, /, **values: float) -> Fixings:
    """Every index fixed on every day before `until`, at 2 % and a little more each day, or at the value given for the number
    of a day, in `given` or as `day_20000`."""
    days = np.arange(FIRST_FIXING, until, dtype=np.int32)
    rates = 0.02 + 1e-6 * np.arange(days.size)
    numbered = {int(day.removeprefix("day_")): value for day, value in values.items()}
    for day, value in {**(given or {}), **numbered}.items():
        rates[day - FIRST_FIXING] = value
    return Fixings({name: FixingSeries(days, rates) for name in INDICES}, STANDARD_INDICES)


FLOATING_MARKET: Market = replace(MARKET, curves=(EUR, USD, CORPORATE, EURIBOR, EURIBOR_3M, ESTR, SOFR), fixings=fixings())

FLOATER: dict[str, Any] = {
    "notional": 1_000_000.0,
    "currency": "EUR",
    "index": "EUR-EURIBOR-6M",
    "spread": 0.01,
    "issue_date": "2024-05-20",
    "maturity_date": "2031-05-20",
    "frequency": "SEMIANNUAL",
    "calendar": "TARGET",
    "discount_curve": "EUR",
}
OVERNIGHT_FLOATER = {**FLOATER, "index": "EUR-ESTR", "frequency": "QUARTERLY"}
DOLLAR_FLOATER = {**OVERNIGHT_FLOATER, "currency": "USD", "index": "USD-SOFR", "discount_curve": "USD-SOFR", "calendar": "US_SOFR"}
LOOKBACK_FLOATER = {**DOLLAR_FLOATER, "lookback_days": 5, "discount_curve": "USD", "notional": -400_000.0}
SHIFTED_FLOATER = {**LOOKBACK_FLOATER, "observation_shift": True}
AVERAGED_FLOATER = {**OVERNIGHT_FLOATER, "rate_method": "AVERAGED", "spread_curve": "CORPORATE"}
CORPORATE_FLOATER = {**FLOATER, "spread_curve": "CORPORATE", "credit_spread": 0.0125, "coupon_estimation": "INDEXED", "gearing": 0.8}
RESET_FLOATER = {**FLOATER, "index": "EUR-EURIBOR-3M", "rate_method": "SUBPERIOD_COMPOUNDED", "spread_compounding": "COMPOUNDED"}
FLOATERS = [
    FLOATER,
    RESET_FLOATER,
    OVERNIGHT_FLOATER,
    DOLLAR_FLOATER,
    LOOKBACK_FLOATER,
    SHIFTED_FLOATER,
    AVERAGED_FLOATER,
    CORPORATE_FLOATER,
]
