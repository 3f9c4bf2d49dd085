"""A market with a price index, for tests of inflation products."""

import datetime

import numpy as np

from pricers import Curve, CurveKind, Fixings, InflationBase, Market
from pricers.market.fixings import FixingSeries
from pricers.time.dates import to_day


def day(text):
    """Days since 1970-01-01 of an ISO date."""
    return to_day(datetime.date.fromisoformat(text))


AS_OF = day("2024-06-20")
LEVELS = {
    "2014-02-01": 100.0, "2014-03-01": 101.0, **{f"2023-{month:02d}-01": 118.0 + 0.4 * month for month in range(3, 13)},
    **{f"2024-{month:02d}-01": 120.0 + month for month in range(1, 6)},
}  # fmt: skip
PILLARS = np.array([day(f"{2024 + years}-05-01") - day("2024-05-01") for years in (1, 2, 5, 10, 30)], np.int32)


def market(*, levels=LEVELS, growth=(0.02, 0.021, 0.019, 0.02, 0.022), as_of=AS_OF, seasonality=(1.0,) * 12):
    """Euro rates, and HICP published through May 2024."""
    series = FixingSeries(np.array([day(each) for each in levels], np.int32), np.array(list(levels.values())))
    base = InflationBase("EU-HICPXT", day("2024-05-01") - as_of, 125.0, seasonality)
    labels = ("1Y", "2Y", "5Y", "10Y", "30Y")
    curves = (
        Curve("EUR", CurveKind.RATE, "EUR", "LINEAR_ZERO", ("1Y", "10Y"), np.array([365, 3652], np.int32), np.array([0.03, 0.025])),
        Curve("EU-HICPXT", CurveKind.INFLATION, "", "LINEAR_ZERO", labels, PILLARS, np.array(growth), base),
    )
    return Market(as_of, "EUR", curves, {"EUR": 1.0}, fixings=Fixings({"EU-HICPXT": series}))


BOND = {
    "currency": "EUR", "notional": 1e6, "coupon_rate": 0.01, "issue_date": "2014-05-15", "maturity_date": "2034-05-15",
    "index": "EU-HICPXT", "discount_curve": "EUR", "payment_convention": "UNADJUSTED",
}  # fmt: skip
SWAP = {
    "currency": "EUR", "notional": 1e7, "fixed_rate": 0.02, "index": "EU-HICPXT", "start_date": "2024-06-20", "maturity_date": "2029-06-20",
    "discount_curve": "EUR",
}  # fmt: skip
