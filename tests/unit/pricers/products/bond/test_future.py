import datetime
from dataclasses import replace

import numpy as np
import pytest

from pricers import Curve, CurveKind, Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.time.dates import to_day
from tests.oracles.accuracy_bond_futures import compare
from tests.unit.pricers.examples import AS_OF, MARKET
from tests.unit.pricers.products.flow_checks import (
    base_values,
    check_risk_is_that_of_bumped_markets,
    check_scenarios_are_revaluations,
    statuses,
)

FUTURE = {
    "contracts": 10.0,
    "delivery_date": "2026-06-10",
    "trade_price": 120.0,
    "conversion_factor": 0.8,
    "currency": "EUR",
    "coupon_rate": 0.025,
    "issue_date": "2025-01-15",
    "maturity_date": "2035-02-15",
    "calendar": "TARGET",
    "discount_curve": "EUR",
}
BAD = [
    ({"contracts": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"contracts": float("nan")}, RowStatus.INVALID_AMOUNT),
    ({"contract_size": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"trade_price": float("inf")}, RowStatus.INVALID_AMOUNT),
    ({"conversion_factor": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"coupon_rate": float("nan")}, RowStatus.INVALID_AMOUNT),
    ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
    ({"payment_lag": 61}, RowStatus.INVALID_SCHEDULE),
    ({"issue_date": "2036-01-15"}, RowStatus.INVALID_DATES),
    ({"maturity_date": "2026-05-15"}, RowStatus.INVALID_DATES),
    ({"delivery_date": "2199-06-10"}, RowStatus.DATE_OUT_OF_RANGE),
    ({"delivery_date": "2026-03-13"}, RowStatus.MATURED),
    ({"discount_curve": "NOWHERE"}, RowStatus.MISSING_CURVE),
    ({"spread_curve": "NOWHERE"}, RowStatus.MISSING_SPREAD_CURVE),
    ({"currency": "CHF"}, RowStatus.MISSING_FX),
]


def batch(*rows):
    return contracts_of(pricer("BOND_FUTURE").columns, list(rows))


def price(row, market=MARKET):
    """The price of the future per 100 of face amount."""
    (value,) = value_contracts("BOND_FUTURE", batch({**row, "contracts": 1.0, "contract_size": 100.0}), market=market).values[Measure.PV]
    return float(value) + row["trade_price"]


def test_price_is_the_forward_price_of_the_bond_over_the_conversion_factor():
    bond = {name: FUTURE[name] for name in ("currency", "coupon_rate", "issue_date", "maturity_date", "calendar", "discount_curve")}
    bond |= {"notional": 100.0, "settlement_lag": 0}
    days = to_day(datetime.date(2026, 6, 10)) - AS_OF
    (dirty,) = value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, [bond]), market=MARKET).values[Measure.PV]
    zero_rate = 0.021  # flat before the first pillar
    accrued = 2.5 * 115 / 365  # from 15 February to 10 June
    assert price(FUTURE) == pytest.approx((dirty * np.exp(zero_rate * days / 365) - accrued) / 0.8, rel=1e-10)


def test_coupon_before_delivery_is_not_delivered():
    late = {**FUTURE, "delivery_date": "2027-06-10"}  # the coupon of 15 February 2027 is paid on the way
    flat = replace(MARKET, curves=(replace(MARKET.curves[0], zero_rates=np.zeros(6)), *MARKET.curves[1:]))
    assert price(FUTURE, flat) - price(late, flat) == pytest.approx(2.5 / 0.8, abs=1e-9)


def test_value_scales_with_contracts_and_size_and_nothing_discounts_it():
    rows = [FUTURE, {**FUTURE, "contracts": -5.0, "contract_size": 200_000.0}, {**FUTURE, "trade_price": 119.0}]
    values = base_values("BOND_FUTURE", rows, MARKET)
    assert values[1] == pytest.approx(-values[0])
    assert values[2] - values[0] == pytest.approx(10.0 * 100_000.0 * 1.0 / 100.0)


def test_delivery_today_is_on_the_books_at_zero():
    valuation = value_contracts("BOND_FUTURE", batch({**FUTURE, "delivery_date": "2026-03-16"}), market=MARKET)
    assert (valuation.status.tolist(), valuation.values[Measure.PV].tolist()) == ([RowStatus.OK], [0.0])


@pytest.mark.parametrize(("terms", "status"), BAD)
def test_row_that_cannot_be_priced_has_a_status_and_harms_no_other(terms, status):
    assert statuses("BOND_FUTURE", [FUTURE, {**FUTURE, **terms}], market=MARKET) == [RowStatus.OK, status]


def test_risk_and_scenarios_are_revaluations():
    dollar = {**FUTURE, "currency": "USD", "discount_curve": "USD", "frequency": "SEMIANNUAL", "contracts": -7.0}
    rows = [FUTURE, dollar, {**FUTURE, "spread_curve": "CORPORATE", "delivery_date": "2026-09-10"}]
    check_risk_is_that_of_bumped_markets("BOND_FUTURE", rows, market=MARKET)
    check_scenarios_are_revaluations("BOND_FUTURE", rows, market=MARKET)


def test_published_price_of_a_treasury_bond_future():
    """J. Hull, Options, Futures, and Other Derivatives, Example 6.1 of earlier editions: 71.79; see tests/golden/SOURCES.md."""
    as_of = to_day(datetime.date(2026, 1, 30))  # 60 days after a coupon, 122 before the next, 305 before the one after
    bond = {"currency": "USD", "coupon_rate": 0.12, "issue_date": "2024-12-01", "maturity_date": "2046-12-01", "frequency": "SEMIANNUAL",
            "discount_curve": "USD"}  # fmt: skip
    future = {**bond, "contracts": 1.0, "contract_size": 100.0, "delivery_date": as_of + 270, "trade_price": 0.0, "conversion_factor": 1.6}

    def market(rate):
        """10 % until delivery, and then what gives the bond its price."""
        curve = Curve("USD", CurveKind.RATE, "USD", "LINEAR_ZERO", ("270D", "20Y"), np.array([270, 7300], np.int32), np.array([0.1, rate]))
        return Market(as_of, "USD", (curve,), {})

    def clean_price(rate):
        contracts = contracts_of(pricer("FIXED_BOND").columns, [{**bond, "notional": 100.0, "settlement_lag": 0}])
        return value_contracts("FIXED_BOND", contracts, market=market(rate)).values[Measure.CLEAN_PRICE][0]

    low, high = 0.02, 0.2
    for _ in range(50):
        middle = (low + high) / 2.0
        low, high = (middle, high) if clean_price(middle) > 115.0 else (low, middle)
    assert price(future, market(low)) == pytest.approx(71.79, abs=0.005)


def test_random_futures_equal_the_formula_on_quantlibs_bonds():
    comparison = compare(60, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
