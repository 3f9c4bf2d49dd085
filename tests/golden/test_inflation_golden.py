"""Published prices of inflation-linked bonds: see SOURCES.md."""

import datetime
from typing import Any

import numpy as np
import pytest

from pricers import (
    Curve,
    CurveKind,
    Fixings,
    InflationBase,
    Market,
    Measure,
    RowStatus,
    contracts_of,
    pricer,
    value_contracts,
)
from pricers.market.fixings import FixingSeries
from pricers.time.dates import to_date, to_day

PRODUCT = "INFLATION_LINKED_BOND"
RPI = (
    206.1, 207.3, 208.0, 208.9, 209.7, 210.9, 209.8, 211.4, 212.1, 214.0, 215.1, 216.8, 216.5, 217.2, 218.4, 217.7, 216.0, 212.9, 210.1,
    211.4, 211.3, 211.5, 212.8, 213.4, 213.4, 213.4, 214.4,
)  # fmt: skip
QUOTES = {
    1: 3.0495, 2: 2.93, 3: 2.9795, 4: 3.029, 5: 3.1425, 6: 3.211, 7: 3.2675, 8: 3.3625, 9: 3.405, 10: 3.48, 12: 3.576, 15: 3.649,
    20: 3.751, 25: 3.77225, 30: 3.77, 40: 3.734, 50: 3.714,
}  # fmt: skip
MATURITY_DAYS = {3: 26, 20: 26, 25: 27}
"""Days in November on which quoted swaps end that are not the 25th."""


def day(year: int, month: int, day_of_month: int = 1) -> int:
    return to_day(datetime.date(year, month, day_of_month))


def month_after(year: int, month: int, months: int) -> int:
    return day(year + (month - 1 + months) // 12, (month - 1 + months) % 12 + 1)


def series(first: tuple[int, int], levels: tuple[float, ...]) -> FixingSeries:
    return FixingSeries(np.array([month_after(*first, i) for i in range(len(levels))], np.int32), np.array(levels))


def isda_years(start: int, end: int) -> float:
    """ACT/ACT ISDA: days of each calendar year over its length."""
    years = 0.0
    for year in range(to_date(start).year, to_date(end).year + 1):
        first, last = day(year, 1), day(year + 1, 1)
        years += max(min(end, last) - max(start, first), 0) / (last - first)
    return years


def values(terms: dict[str, Any], market: Market) -> dict[Measure, float]:
    found = value_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, [terms]), market=market)
    assert found.status.tolist() == [RowStatus.OK], found.messages
    return {measure: float(column[0]) for measure, column in found.values.items()}


def test_cpi_bond_of_quantlib_s_test_suite() -> None:
    """inflationcpibond.cpp, testCleanPrice. Its curve is linear in annual rates by ACT/ACT ISDA: sampled here every month."""
    as_of, base = day(2009, 11, 25), day(2009, 9)
    months = [month_after(2009, 9, count) for count in range(1, 12 * 50 + 1)]
    knots = np.array([isda_years(base, month_after(2009, 9, 12 * years)) for years in QUOTES])
    times = np.array([isda_years(base, month) for month in months])
    # A quoted swap compounds over its own life, to a maturity on a business day.
    lives = np.array([isda_years(as_of, day(2009 + years, 11, MATURITY_DAYS.get(years, 25))) for years in QUOTES])
    quoted = np.expm1(np.log1p(np.array(list(QUOTES.values())) / 100.0) * lives / knots)
    rates = np.interp(times, knots, quoted)
    growth = times * np.log1p(rates) / (np.arange(1, len(months) + 1) / 12.0)
    days = np.arange(1, 16_000, dtype=np.int32)
    zero_rates = np.array([0.05 * isda_years(as_of, as_of + int(d)) for d in days]) / (days / 365.0)
    curves = (
        Curve("GBP", CurveKind.RATE, "GBP", "LINEAR_ZERO", ("",) * days.size, days, zero_rates),
        Curve("UK-RPI", CurveKind.INFLATION, "", "LINEAR_ZERO", ("",) * len(months), np.array(months, np.int32) - base, growth,
              InflationBase("UK-RPI", base - as_of, RPI[-1])),
    )  # fmt: skip
    market = Market(as_of, "GBP", curves, {}, fixings=Fixings({"UK-RPI": series((2007, 7), RPI)}))
    bond = {
        "currency": "GBP", "notional": 1e6, "coupon_rate": 0.1, "issue_date": "2007-10-02", "maturity_date": "2052-10-02",
        "frequency": "SEMIANNUAL", "day_count": "ACT/365F", "payment_convention": "MODIFIED_FOLLOWING", "calendar": "UK",
        "settlement_lag": 3, "index": "UK-RPI", "base_index": 206.1, "observation_lag_months": 3, "index_interpolation": "FLAT",
        "price_basis": "NOMINAL", "discount_curve": "GBP",
    }  # fmt: skip
    found = values(bond, market)
    assert found[Measure.DIRTY_PRICE] == pytest.approx(396.47045891, abs=1e-8)
    assert found[Measure.CLEAN_PRICE] == pytest.approx(394.79676679, abs=1e-8)
    real = values({**bond, "price_basis": "REAL"}, market)
    assert real[Measure.CLEAN_PRICE] * 213.4 / 206.1 == pytest.approx(394.79676679, abs=1e-8)


def test_tips_of_bloomberg_s_example() -> None:
    """FinancePy, test_FinInflationBondBBG: 1.25 % of July 2020 settled on 21 July 2017, with the index levels of the BLS."""
    as_of = day(2017, 7, 20)
    published = {(2010, 4): 218.009, (2010, 5): 218.178, (2017, 4): 244.524, (2017, 5): 244.733}
    fixings = FixingSeries(np.array([day(*month) for month in published], np.int32), np.array(list(published.values())))
    curves = (
        Curve("USD", CurveKind.RATE, "USD", "LINEAR_ZERO", ("1Y",), np.array([365], np.int32), np.array([0.015])),
        Curve("US-CPI-U", CurveKind.INFLATION, "", "LINEAR_ZERO", ("10Y",), np.array([3652], np.int32), np.array([0.02]),
              InflationBase("US-CPI-U", day(2017, 5) - as_of, 244.733)),
    )  # fmt: skip
    market = Market(as_of, "USD", curves, {}, fixings=Fixings({"US-CPI-U": fixings}))
    bond = {
        "currency": "USD", "notional": 100.0, "coupon_rate": 0.0125, "issue_date": "2010-07-15", "maturity_date": "2020-07-15",
        "frequency": "SEMIANNUAL", "day_count": "ACT/ACT ICMA", "calendar": "US_GOVT", "settlement_lag": 1, "index": "US-CPI-U",
        "index_rounding": 5, "redemption_floor": True, "market_clean_price": 104.03502, "discount_curve": "USD",
    }  # fmt: skip
    found = values(bond, market)
    assert round(found[Measure.ACCRUED_INTEREST], 4) == 0.0204
    assert round(found[Measure.YIELD_TO_MATURITY], 4) == -0.0010
    assert round(found[Measure.MACAULAY_DURATION], 4) == 2.9386
    assert round(found[Measure.MODIFIED_DURATION], 4) == 2.9401
    assert round(found[Measure.CONVEXITY] / 100.0, 4) == 0.1020
    nominal = values({**bond, "price_basis": "NOMINAL", "market_clean_price": None}, market)
    assert round(100.0 * nominal[Measure.ACCRUED_INTEREST], 4) == 2.2864
    ratio = nominal[Measure.ACCRUED_INTEREST] / found[Measure.ACCRUED_INTEREST]
    assert ratio == pytest.approx(round(244.65884 / 218.08532, 5), rel=1e-14)
    assert round(104.03502 * ratio, 3) == 116.712  # published to 4 decimals with a ratio that is not rounded: 116.7116
    given = values({**bond, "base_index": 218.08532}, market)
    np.testing.assert_equal(given, found)
