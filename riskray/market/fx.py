"""Exchange rates to a base currency from a set of spot quotes: inversion, triangulation, and the way back from spot date to today.

The path from a currency to the base currency is the one with the fewest quotes, so a direct quote always wins; between paths of
the same length the next currency on the way is USD where possible, else EUR, else the first by name. A currency without a path has no rate.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np

from pricers.market.curves import discount_factors
from pricers.market.market import Curve
from pricers.time.calendars import calendar_tables
from pricers.time.dates import to_day
from pricers.time.fx_dates import day_of_spot, spot_calendars
from riskray.models.market_data import FxSpot, MarketDocument

CYCLE_TOLERANCE = 5e-3  # quotes of one moment agree within their bid-ask spreads; half a per cent is a wrong number
_PREFERRED = {"USD": 0, "EUR": 1}


@dataclass(frozen=True)
class FxConversion:
    """Base currency for one unit of a currency, today, and the currencies on the way from it to the base currency."""

    rate: float
    path: tuple[str, ...]


Rates = dict[tuple[str, str], float]
"""By (from, to): units of `to` for one unit of `from`, in both directions of every quote."""


def both_directions(quotes: Iterable[tuple[str, float]]) -> Rates:
    """Quotes ("EURUSD", rate) with their inverses; a pair's own quote wins over the inverse of its opposite."""
    rates: Rates = {}
    for pair, rate in quotes:
        rates[pair[:3], pair[3:]] = rate
        rates.setdefault((pair[3:], pair[:3]), 1.0 / rate)
    for pair, rate in quotes:
        rates[pair[:3], pair[3:]] = rate
    return rates


def conversions(rates: Rates, *, base_currency: str) -> dict[str, FxConversion]:
    """The conversion of every currency that has a path to the base currency, itself included."""
    neighbours: dict[str, list[str]] = {}
    for source, target in rates:
        neighbours.setdefault(target, []).append(source)
    found = {base_currency: FxConversion(1.0, (base_currency,))}
    level = [base_currency]
    while level:
        reached: list[str] = []
        for via in sorted(level, key=_rank):
            for currency in sorted(neighbours.get(via, []), key=_rank):
                if currency not in found:
                    found[currency] = FxConversion(rates[currency, via] * found[via].rate, (currency, *found[via].path))
                    reached.append(currency)
        level = reached
    return found


def _rank(currency: str) -> tuple[int, str]:
    return _PREFERRED.get(currency, len(_PREFERRED)), currency


def spot_day(spot: FxSpot, as_of: date) -> int:
    """Delivery day of spot, days since 1970-01-01, by the rule of `pricers.time.fx_dates`."""
    if spot.spot_date is not None:
        return to_day(spot.spot_date)
    calendars = spot_calendars(spot.calendar, base_currency=spot.pair[:3], quote_currency=spot.pair[3:])
    return int(day_of_spot(to_day(as_of), spot.spot_lag_days, 0, 1, calendar_tables(calendars)))


def todays_rates(document: MarketDocument, discount_curves: dict[str, Curve]) -> Rates:
    """Rates for exchange on `as_of`, in both directions.

    A spot rate S delivers on the spot date. Where both currencies have a curve in `fx_discount_curves`, today's rate is
    S × DF_quote(spot date) / DF_base(spot date); otherwise it is S.
    """
    quotes = []
    for spot in document.fx_spots:
        names = [document.fx_discount_curves.get(currency) for currency in (spot.pair[:3], spot.pair[3:])]
        rate = spot.rate
        if names[0] is not None and names[1] is not None:
            days = np.array([spot_day(spot, document.as_of) - to_day(document.as_of)])
            base_factor, quote_factor = (float(discount_factors(discount_curves[name], days=days)[0]) for name in names if name is not None)
            rate *= quote_factor / base_factor
        quotes.append((spot.pair, rate))
    return both_directions(quotes)


def inconsistent_quotes(document: MarketDocument) -> list[tuple[int, float, tuple[str, ...]]]:
    """Quotes that contradict the others: index, the rate that the others imply, and by which path.

    Quotes are taken in order; one whose currencies are linked already is compared to the rate along the shortest path.
    """
    contradictions = []
    accepted: list[tuple[str, float]] = []
    for index, spot in enumerate(document.fx_spots):
        implied = conversions(both_directions(accepted), base_currency=spot.pair[3:]).get(spot.pair[:3])
        if implied is None:
            accepted.append((spot.pair, spot.rate))
        elif abs(spot.rate - implied.rate) > CYCLE_TOLERANCE * implied.rate:
            contradictions.append((index, implied.rate, implied.path))
    return contradictions
