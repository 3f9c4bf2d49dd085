"""Inflation swaps: growth and fixed legs, forward starts, risk, and what is refused."""

import numpy as np
import pytest

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.curves import discount_factors
from tests.unit.pricers.products.flow_checks import check_risk_is_that_of_bumped_markets, check_scenarios_are_revaluations
from tests.unit.pricers.products.inflation.examples import AS_OF, SWAP, day, market

PRODUCT = "INFLATION_SWAP"


def valued(*rows, on=None):
    return value_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, list(rows)), market=on or market())


def test_zero_coupon_swap_at_the_curve_s_own_rate_is_worth_nothing():
    """Growth from May 2024, the base month, to May 2029 is exp(5 × 0.019), which a rate of exp(0.019) - 1 pays."""
    par = SWAP | {"fixed_rate": float(np.expm1(0.019)), "observation_lag_months": 1, "index_interpolation": "FLAT"}
    assert valued(par).values[Measure.PV][0] == pytest.approx(0.0, abs=1e-8)
    factor = discount_factors(market().curves[0], days=np.array([day("2029-06-20") - AS_OF]))[0]
    above = valued(par | {"fixed_rate": 0.0}).values[Measure.PV][0]
    assert above == pytest.approx(1e7 * np.expm1(5 * 0.019) * factor, rel=1e-12)
    assert valued(par | {"fixed_rate": 0.0, "notional": -1e7}).values[Measure.PV][0] == -above
    based = valued(par | {"fixed_rate": 0.0, "base_index": 100.0}).values[Measure.PV][0]
    assert based == pytest.approx(1e7 * (1.25 * np.exp(5 * 0.019) - 1.0) * factor, rel=1e-12)


def test_year_on_year_swap_pays_growth_of_each_year():
    swap = SWAP | {"kind": "YEAR_ON_YEAR", "observation_lag_months": 1, "index_interpolation": "FLAT", "fixed_rate": 0.01}
    days = np.array([day(f"{2024 + year}-06-20") for year in range(1, 6)]) - AS_OF
    rates = np.interp(12.0 * np.arange(6), [12, 24, 60, 120, 360], [0.02, 0.021, 0.019, 0.02, 0.022])
    levels = np.exp(rates * np.arange(6))
    expected = 1e7 * np.sum((levels[1:] / levels[:-1] - 1.0 - 0.01) * discount_factors(market().curves[0], days=days))
    assert valued(swap).values[Measure.PV][0] == pytest.approx(expected, rel=1e-3)  # 20 June 2026 is a Saturday
    unadjusted = valued(swap | {"payment_convention": "UNADJUSTED"})
    assert unadjusted.values[Measure.PV][0] == pytest.approx(expected, rel=1e-12)


ROWS = [
    SWAP,
    SWAP | {"kind": "YEAR_ON_YEAR", "frequency": "SEMIANNUAL"},
    SWAP | {"start_date": "2026-01-10", "maturity_date": "2031-01-10", "notional": -3e6},
    SWAP | {"start_date": "2026-01-10", "maturity_date": "2031-01-10", "index_interpolation": "FLAT", "kind": "YEAR_ON_YEAR"},
    SWAP | {"start_date": "2023-07-01", "maturity_date": "2028-07-01"},
]


def test_risk_is_that_of_bumped_and_shocked_markets():
    check_risk_is_that_of_bumped_markets(PRODUCT, ROWS, market=market())
    check_scenarios_are_revaluations(PRODUCT, ROWS, market=market())


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"start_date": "2023-01-20"}, RowStatus.MISSING_FIXING, "no level of EU-HICPXT for 2022-10"),
        ({"start_date": "2023-01-20", "base_index": 117.0}, RowStatus.OK, ""),
        ({"index": "USD-SOFR"}, RowStatus.INDEX_MISMATCH, ""),
        ({"index": "NONE-SUCH"}, RowStatus.MISSING_INDEX, ""),
        ({"notional": 0.0}, RowStatus.INVALID_AMOUNT, ""),
        ({"fixed_rate": -1.5}, RowStatus.INVALID_AMOUNT, ""),
        ({"maturity_date": "2024-01-01"}, RowStatus.INVALID_DATES, ""),
        ({"start_date": "2014-05-15", "maturity_date": "2024-05-15"}, RowStatus.MATURED, ""),
        ({"day_count": "BUS/252"}, RowStatus.INVALID_SCHEDULE, ""),
    ],
)
def test_wrong_row_has_a_status_and_its_neighbour_a_value(changes, status, words):
    found = valued(SWAP | changes, SWAP)
    assert found.status.tolist() == [status, RowStatus.OK]
    assert words in found.messages.get(0, "")
    assert np.isfinite(found.values[Measure.PV][1])


def test_theta_keeps_the_index_of_every_month():
    """A day later rates have a day less to go; what is paid is the same."""
    found, flat = (valued(SWAP | {"fixed_rate": rate}).values for rate in (0.02, 0.0))
    days = day("2029-06-20") - AS_OF
    today, tomorrow = discount_factors(market().curves[0], days=np.array([days, days - 1]))
    for values in (found, flat):
        assert values[Measure.THETA_1D][0] == pytest.approx(values[Measure.PV][0] * (tomorrow / today - 1.0), rel=1e-7)
