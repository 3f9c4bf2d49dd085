"""Seeded markets for comparisons of contracts in several currencies."""

import numpy as np

from pricers.market.market import Curve, CurveKind, Interpolation, Market

PILLARS = {
    "1M": 30, "3M": 91, "6M": 182, "1Y": 365, "2Y": 730, "3Y": 1096, "5Y": 1826, "7Y": 2557, "10Y": 3652, "15Y": 5479, "20Y": 7305,
    "30Y": 10957, "60Y": 21915,
}  # fmt: skip
CURVES: tuple[tuple[str, Interpolation], ...] = (("LINEAR", "LINEAR_ZERO"), ("FLAT-FORWARD", "LOG_LINEAR_DISCOUNT"))


def random_market(as_of: int, *, currencies: tuple[str, ...], seed: int) -> Market:
    """Two discount curves a currency, "<currency>-LINEAR" and "<currency>-FLAT-FORWARD", out to 60 years, and exchange rates into EUR."""
    rng = np.random.default_rng(seed)
    days = np.array(list(PILLARS.values()), np.int32)
    curves = []
    for currency in currencies:
        for suffix, interpolation in CURVES:
            zero_rates = rng.uniform(-0.005, 0.06) + np.cumsum(rng.normal(0.0, 0.002, days.size))
            curves.append(Curve(f"{currency}-{suffix}", CurveKind.RATE, currency, interpolation, tuple(PILLARS), days, zero_rates))
    fx_to_base = {currency: 1.0 if currency == "EUR" else float(rng.uniform(0.005, 1.5)) for currency in currencies}
    return Market(as_of=as_of, base_currency="EUR", curves=tuple(curves), fx_to_base=fx_to_base)
