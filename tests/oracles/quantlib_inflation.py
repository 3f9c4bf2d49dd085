"""Markets with inflation curves and published indices, and the same in QuantLib. Shared with benchmarks.accuracy."""

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers.market.curves import rate_time
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.market import Curve, CurveKind, InflationBase, Market
from tests.oracles.quantlib_terms import date_of
from tests.oracles.random_markets import random_market

INDICES: Final = {"EUR": "EU-HICPXT", "USD": "US-CPI-U", "GBP": "UK-RPI"}
CURRENCIES: Final = tuple(INDICES)
MONTHS_BACK: Final = 420
_YEARS: Final = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
_SAMPLED_MONTHS: Final = 12 * 60
INTERPOLATIONS: Final = {"FLAT": ql.CPI.Flat, "LINEAR": ql.CPI.Linear}


def inflation_market(as_of: int, *, seed: int) -> Market:
    """Two discount curves and an inflation curve a currency; indices are published through the month before the valuation date's."""
    market, rng = random_market(as_of, currencies=CURRENCIES, seed=seed), np.random.default_rng(seed)
    this_month = np.datetime64(as_of, "D").astype("datetime64[M]")
    months = this_month - np.arange(MONTHS_BACK, 0, -1)
    days = months.astype("datetime64[D]").astype(np.int64).astype(np.int32)
    curves, series = [], {}
    for name in INDICES.values():
        levels = np.round(100.0 * np.exp(np.cumsum(rng.normal(0.002, 0.003, months.size))), 3)
        series[name] = FixingSeries(days, levels)
        pillars = [(months[-1] + 12 * years).astype("datetime64[D]").astype(np.int64) - int(days[-1]) for years in _YEARS]
        factors = rng.uniform(0.995, 1.005, 12)
        base = InflationBase(name, int(days[-1]) - as_of, float(levels[-1]), tuple((factors / factors.prod() ** (1 / 12)).tolist()))
        rates = rng.uniform(0.005, 0.035) + np.cumsum(rng.normal(0.0, 0.002, len(_YEARS)))
        labels = tuple(f"{years}Y" for years in _YEARS)
        curves.append(Curve(name, CurveKind.INFLATION, "", "LINEAR_ZERO", labels, np.array(pillars, np.int32), rates, base))
    return replace(market, curves=(*market.curves, *curves), fixings=Fixings(series))


def level_of(market: Market, name: str, month: int) -> float:
    """The index that our curve forecasts for a month, given by its first day since 1970-01-01."""
    place = market.curve_index[name]
    at = int(market.clock(place, np.array([month - market.as_of]))[0])
    calendar_month = int(np.datetime64(month, "D").astype("datetime64[M]").astype(np.int64)) % 12
    return float(market.tables.level[place, calendar_month] * np.exp(rate_time(at, place, market.tables)))


@dataclass
class QuantlibIndices:
    """QuantLib's indices of a market, forecast on curves that have our index of every month."""

    indices: dict[str, Any]
    _handles: list[Any]


def quantlib_indices(market: Market) -> QuantlibIndices:
    """The market's indices, with all that is published. The evaluation date must be set."""
    indices, handles = {}, []
    for name, series in market.fixings.series.items():
        first = np.datetime64(int(series.days[-1]), "D").astype("datetime64[M]")
        months = (first + np.arange(_SAMPLED_MONTHS)).astype("datetime64[D]").astype(np.int64).tolist()
        ratios = [level_of(market, name, month) / float(series.values[-1]) for month in months[1:]]
        growth = [ratio ** (12.0 / count) - 1.0 for count, ratio in enumerate(ratios, 1)]
        dates = [date_of(month) for month in months]
        curve = ql.ZeroInflationCurve(
            referenceDate=date_of(market.as_of), dates=dates, rates=[growth[0], *growth], frequency=ql.Monthly,
            dayCounter=ql.Thirty360(ql.Thirty360.BondBasis),
        )  # fmt: skip
        handle = ql.ZeroInflationTermStructureHandle(curve)
        index = ql.ZeroInflationIndex(name, ql.CustomRegion("X", "X"), False, ql.Monthly, ql.Period(1, ql.Months), ql.EURCurrency(), handle)
        index.clearFixings()
        index.addFixings([date_of(day) for day in series.days.tolist()], series.values.tolist())
        indices[name] = index
        handles.append((curve, handle))
    return QuantlibIndices(indices, handles)
