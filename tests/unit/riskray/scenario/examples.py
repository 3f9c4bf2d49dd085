"""A market of two curves, a spread curve and three currencies, and a short history of all of it."""

from datetime import date, timedelta

import numpy as np

from pricers.market.market import Curve, CurveKind, Market
from pricers.time.dates import to_day
from riskray.scenario.history import History, make_history

AS_OF = to_day(date(2024, 3, 28))
LABELS = ("1Y", "5Y", "10Y")
DAYS = np.array([365, 1826, 3652], np.int32)


def curve(name: str, currency: str, rates: tuple[float, ...], labels: tuple[str, ...] = LABELS, days: np.ndarray = DAYS) -> Curve:
    return Curve(name, CurveKind.RATE if currency else CurveKind.SPREAD, currency, "LINEAR_ZERO", labels, days, np.array(rates))


def market(*, base_currency: str = "USD") -> Market:
    in_usd = {"EUR": 1.1, "GBP": 1.3, "USD": 1.0}
    return Market(
        as_of=AS_OF,
        base_currency=base_currency,
        curves=(
            curve("EUR-GOVT", "EUR", (0.02, 0.025, 0.03)),
            curve("USD-GOVT", "USD", (0.05, 0.045, 0.04)),
            curve("EUR-CORP", "", (0.01, 0.015, 0.02)),
        ),
        fx_to_base={currency: price / in_usd[base_currency] for currency, price in in_usd.items()},
    )


FACTORS = ("zero/EUR-GOVT/1Y", "zero/EUR-GOVT/10Y", "spread/EUR-CORP/5Y", "fx/USD", "fx/GBP")


def history(count: int = 6) -> History:
    """Levels that are easy to difference; the numeraire is EUR."""
    step = np.arange(count)
    values = np.column_stack([0.01 + 0.001 * step, 0.02 + 0.0005 * step**2, 0.010 * 1.1**step, 0.9 * 1.02**step, 1.2 * 0.99**step])
    dates = np.array([to_day(date(2024, 1, 1) + timedelta(days=int(n))) for n in step], np.int32)
    return make_history(dates, FACTORS, values, numeraire="EUR")
