from dataclasses import replace

import numpy as np
import pytest

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.curves import discount_factors
from pricers.products.cash.non_maturity_deposit import lower
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_date
from tests.oracles.accuracy_deposits import compare
from tests.unit.pricers.examples import AS_OF, MARKET
from tests.unit.pricers.products.flow_checks import (
    check_risk_is_that_of_bumped_markets,
    check_scenarios_are_revaluations,
    statuses,
)

PROFILE = {
    "currency": "EUR",
    "notional": -1_000_000.0,
    "core_share": 0.75,
    "runoff_dates": ["2027-03-16", "2028-03-16"],
    "runoff_shares": [0.4, 0.6],
    "discount_curve": "EUR",
}
DECAY = {"currency": "EUR", "notional": -1_000_000.0, "decay_rate": 0.36, "max_maturity": "2Y", "discount_curve": "EUR"}
BAD = [
    ({"notional": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"interest_rate": float("inf")}, RowStatus.INVALID_AMOUNT),
    ({"core_share": 1.1}, RowStatus.INVALID_AMOUNT),
    ({"core_share": float("nan")}, RowStatus.INVALID_AMOUNT),
    ({"runoff_shares": [0.4]}, RowStatus.INVALID_PRINCIPAL),
    ({"runoff_shares": [0.4, 0.5]}, RowStatus.INVALID_PRINCIPAL),
    ({"runoff_shares": [-0.4, 1.4]}, RowStatus.INVALID_PRINCIPAL),
    ({"runoff_shares": [float("nan"), 1.0]}, RowStatus.INVALID_PRINCIPAL),
    ({"runoff_dates": ["2028-03-16", "2027-03-16"]}, RowStatus.INVALID_PRINCIPAL),
    ({"runoff_dates": [], "runoff_shares": []}, RowStatus.INVALID_PRINCIPAL),
    ({"decay_rate": 0.1, "max_maturity": "5Y"}, RowStatus.INVALID_PRINCIPAL),
    ({"runoff_dates": [], "runoff_shares": [], "decay_rate": 0.1}, RowStatus.INVALID_PRINCIPAL),
    ({"runoff_dates": [], "runoff_shares": [], "max_maturity": "5Y"}, RowStatus.INVALID_PRINCIPAL),
    ({"max_maturity": "ten years"}, RowStatus.INVALID_SCHEDULE),
    ({"max_maturity": "2W"}, RowStatus.INVALID_SCHEDULE),
    ({"max_maturity": "61Y"}, RowStatus.INVALID_SCHEDULE),
    ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
    ({"day_count": "BUS/252"}, RowStatus.INVALID_SCHEDULE),
    ({"pass_through": float("inf"), "index": "EUR-EURIBOR-3M"}, RowStatus.INVALID_AMOUNT),
    ({"pass_through": 0.3}, RowStatus.MISSING_INDEX),
    ({"pass_through": 0.3, "index": "EUR-NOBODY"}, RowStatus.MISSING_INDEX),
    ({"pass_through": 0.3, "index": "USD-SOFR"}, RowStatus.INDEX_MISMATCH),
    ({"pass_through": 0.3, "index": "EUR-USD-ECB"}, RowStatus.INDEX_MISMATCH),
    ({"pass_through": 0.3, "index": "EUR-EURIBOR-3M"}, RowStatus.MISSING_CURVE),
    ({"runoff_dates": ["2027-03-16", "2199-03-16"]}, RowStatus.DATE_OUT_OF_RANGE),
    ({"runoff_dates": ["2025-03-16", "2026-03-16"]}, RowStatus.MATURED),
    ({"discount_curve": "NOWHERE"}, RowStatus.MISSING_CURVE),
    ({"spread_curve": "NOWHERE"}, RowStatus.MISSING_SPREAD_CURVE),
    ({"discount_curve": "USD"}, RowStatus.CURVE_CURRENCY_MISMATCH),
]


def batch(*rows):
    return contracts_of(pricer("NON_MATURITY_DEPOSIT").columns, list(rows))


def flows(row):
    cashflows = lower(batch(row), as_of=AS_OF, fixings=NO_FIXINGS).cashflows
    return [(str(to_date(day)), amount) for day, amount in zip(cashflows.pay_day, cashflows.amount.tolist(), strict=True)]


def test_rest_is_repaid_on_the_next_day_and_the_core_by_its_profile():
    assert flows(PROFILE) == [
        ("2026-03-17", -250_000.0),
        ("2027-03-16", pytest.approx(-300_000.0)),
        ("2028-03-16", pytest.approx(-450_000.0)),
    ]


def test_interest_is_paid_with_each_repayment_on_the_balance_before_it():
    assert flows({**PROFILE, "interest_rate": 0.01}) == [
        ("2026-03-17", pytest.approx(-250_000.0 * (1.0 + 0.01 / 365))),
        ("2027-03-16", pytest.approx(-300_000.0 - 750_000.0 * 0.01)),
        ("2028-03-16", pytest.approx(-450_000.0 - 450_000.0 * 0.01 * 366 / 365)),
    ]


def test_shares_of_past_dates_have_run_off():
    aged = {**PROFILE, "runoff_dates": ["2026-03-16", "2027-03-16", "2028-03-16"], "runoff_shares": [0.5, 0.2, 0.3], "interest_rate": 0.02}
    assert flows(aged) == [(date, pytest.approx(amount)) for date, amount in flows({**PROFILE, "interest_rate": 0.02})]


def test_decaying_core_is_repaid_monthly_and_the_rest_at_the_maximum_maturity():
    found = flows(DECAY)
    assert [date for date, _ in found[:2] + found[-1:]] == ["2026-04-16", "2026-05-16", "2028-03-16"]
    left = 1_000_000.0 + np.cumsum([amount for _, amount in found])
    assert left[11] == pytest.approx(640_000.0)
    assert left[22] == pytest.approx(1_000_000.0 * 0.64 ** (23 / 12))
    assert left[-1] == pytest.approx(0.0, abs=1e-6)


FORECAST = replace(MARKET.curves[0], name="EUR-EURIBOR-3M", zero_rates=MARKET.curves[0].zero_rates + 0.004)
WITH_FORECAST = replace(MARKET, curves=(*MARKET.curves, FORECAST))
FOLLOWING = {**PROFILE, "interest_rate": 0.002, "pass_through": 0.4, "index": "EUR-EURIBOR-3M"}


def test_rate_that_follows_an_index_pays_part_of_its_forward_rate():
    days = np.array([0, 1, 365, 731])
    discount, forecast = (discount_factors(curve, days=days) for curve in (WITH_FORECAST.curves[0], FORECAST))
    growth = 0.4 * np.array([1.0 / forecast[1] - 1.0, 1.0 / forecast[2] - 1.0, forecast[2] / forecast[3] - 1.0])
    interest = 0.002 * np.array([1, 365, 366]) / 365 + growth
    repaid, balance = np.array([250_000.0, 300_000.0, 450_000.0]), np.array([250_000.0, 750_000.0, 450_000.0])
    (pv,) = value_contracts("NON_MATURITY_DEPOSIT", batch(FOLLOWING), market=WITH_FORECAST).values[Measure.PV]
    assert pv == pytest.approx(-float(((repaid + balance * interest) * discount[1:]).sum()), rel=1e-12)


def test_deposit_that_passes_everything_on_is_worth_its_balance():
    curve = replace(MARKET.curves[0], name="EUR-EURIBOR-3M")
    market = replace(MARKET, curves=(*MARKET.curves, curve))
    rows = [{**FOLLOWING, "interest_rate": 0.0, "pass_through": 1.0}, {**DECAY, "pass_through": 1.0, "index": "EUR-EURIBOR-3M"}]
    values = value_contracts("NON_MATURITY_DEPOSIT", batch(*rows), market=market).values
    assert values[Measure.PV].tolist() == pytest.approx([-1_000_000.0, -1_000_000.0], rel=1e-12)
    assert values[Measure.WEIGHTED_AVERAGE_LIFE][0] == pytest.approx((250.0 + 300.0 * 365 + 450.0 * 731) / 365_000)


def test_average_life_and_value_of_the_documented_example():
    row = {**PROFILE, "notional": 100.0, "core_share": 1.0, "runoff_shares": [0.5, 0.5]}
    values = value_contracts("NON_MATURITY_DEPOSIT", batch(row), market=MARKET).values
    assert values[Measure.WEIGHTED_AVERAGE_LIFE][0] == pytest.approx((365 + 731) / 730)
    assert values[Measure.PV][0] == pytest.approx(50.0 * np.exp(-0.022) + 50.0 * np.exp(-731 / 365 * 0.024), rel=1e-5)


@pytest.mark.parametrize(("terms", "status"), BAD)
def test_row_that_cannot_be_priced_has_a_status_and_harms_no_other(terms, status):
    assert statuses("NON_MATURITY_DEPOSIT", [PROFILE, {**PROFILE, **terms}, DECAY], market=MARKET) == [RowStatus.OK, status, RowStatus.OK]


def test_risk_and_scenarios_are_revaluations():
    rows = [PROFILE, {**DECAY, "interest_rate": 0.01, "spread_curve": "CORPORATE"}, {**PROFILE, "currency": "USD", "discount_curve": "USD"}]
    rows.append({**FOLLOWING, "credit_spread": 0.01})
    check_risk_is_that_of_bumped_markets("NON_MATURITY_DEPOSIT", rows, market=WITH_FORECAST)
    check_scenarios_are_revaluations("NON_MATURITY_DEPOSIT", rows, market=WITH_FORECAST)


def test_random_deposits_equal_a_table_on_quantlibs_dates_and_curves():
    comparison = compare(200, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.details["statuses"]["OK"] > 150
