"""Inflation-linked bonds: index ratios, floor, prices, risk, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from pricers import (
    Measure,
    RowStatus,
    Scenarios,
    compile_contracts,
    contracts_of,
    explain,
    present_values,
    pricer,
    value_contracts,
)
from pricers.market.curves import discount_factors
from tests.unit.pricers.products.flow_checks import check_risk_is_that_of_bumped_markets, check_scenarios_are_revaluations
from tests.unit.pricers.products.inflation.examples import AS_OF, BOND, LEVELS, day, market

PRODUCT = "INFLATION_LINKED_BOND"


def valued(*rows, on=None):
    return value_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, list(rows)), market=on or market())


def test_a_payment_is_real_amount_times_ratio_of_reference_levels():
    """A zero-coupon bond of one payment in May: its level is between those of February and March, 14 of 31 days."""
    zero = BOND | {"coupon_rate": 0.0, "frequency": "ONCE", "roll_rule": "ZERO", "maturity_date": "2025-05-15"}
    base = 100.0 + 14 / 31 * 1.0
    february, march = (125.0 * np.exp(0.02 * months / 12) for months in (9, 10))  # after May 2024; flat before the first quote
    level = february + 14 / 31 * (march - february)
    factor = discount_factors(market().curves[0], days=np.array([day("2025-05-15") - AS_OF]))[0]
    assert valued(zero).values[Measure.PV][0] == pytest.approx(1e6 * level / base * factor, rel=1e-13)
    flat = valued(zero | {"index_interpolation": "FLAT", "observation_lag_months": 2, "base_index": 101.0})
    assert flat.values[Measure.PV][0] == pytest.approx(1e6 * march / 101.0 * factor, rel=1e-13)


def test_payment_whose_months_are_published_is_a_number():
    bond = BOND | {"maturity_date": "2024-07-15", "coupon_rate": 0.0, "index_interpolation": "FLAT", "base_index": 100.0}
    found = valued(bond)
    factor = discount_factors(market().curves[0], days=np.array([day("2024-07-15") - AS_OF]))[0]
    assert found.values[Measure.PV][0] == pytest.approx(1e6 * 1.24 * factor, rel=1e-14)
    rounded = valued(bond | {"base_index": 99.99, "index_rounding": 2})
    assert rounded.values[Measure.PV][0] == pytest.approx(1e6 * 1.24 * factor, rel=1e-14)


@pytest.mark.parametrize("basis", ["REAL", "NOMINAL"])
def test_prices_are_per_real_or_nominal_notional_and_yield_is_real(basis):
    """Settlement on 22 June: the level is between those of March and April, 21 days of 30."""
    found = valued(BOND | {"price_basis": basis}).values
    ratio = (123.0 + 21 / 30) / (100.0 + 14 / 31)
    per = ratio if basis == "REAL" else 1.0
    accrued = 100.0 * 0.01 * 38 / 365 * ratio / per
    assert found[Measure.ACCRUED_INTEREST][0] == pytest.approx(accrued, rel=1e-13)
    assert found[Measure.CLEAN_PRICE][0] == pytest.approx(found[Measure.DIRTY_PRICE][0] - accrued, rel=1e-13)
    settled = discount_factors(market().curves[0], days=np.array([2]))[0]
    assert found[Measure.DIRTY_PRICE][0] == pytest.approx(found[Measure.PV][0] / settled / 1e4 / per, rel=1e-13)
    dirty, y = found[Measure.DIRTY_PRICE][0] * per / ratio, found[Measure.YIELD_TO_MATURITY][0]
    times = np.arange(10) + 1 - 38 / 365
    assert dirty == pytest.approx(np.sum((1.0 + np.where(times > 9, 100.0, 0.0)) * (1 + y) ** -times), rel=1e-9)
    assert found[Measure.WEIGHTED_AVERAGE_LIFE][0] == pytest.approx((day("2034-05-15") - AS_OF) / 365)


def test_quoted_real_price_gives_the_real_yield_whatever_the_forecast():
    quoted = [valued(BOND | {"market_clean_price": 98.0}, on=market(growth=growth)) for growth in ((0.02,) * 5, (0.05,) * 5)]
    first, second = (each.values[Measure.YIELD_TO_MATURITY][0] for each in quoted)
    assert first == pytest.approx(second, abs=1e-13)
    assert quoted[0].values[Measure.Z_SPREAD][0] < quoted[1].values[Measure.Z_SPREAD][0]


def test_floor_is_intrinsic_in_base_bumps_and_scenarios():
    deflation = market(growth=(-0.03,) * 5)
    bond = BOND | {"coupon_rate": 0.0, "frequency": "ONCE", "roll_rule": "ZERO", "issue_date": "2024-06-01", "base_index": 125.0}
    plain, floored = valued(bond, bond | {"redemption_floor": True}, on=deflation).values[Measure.PV]
    factor = discount_factors(deflation.curves[0], days=np.array([day("2034-05-15") - AS_OF]))[0]
    assert plain < 0.8e6
    assert floored == pytest.approx(1e6 * factor, rel=1e-14)
    compiled = compile_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, [bond | {"redemption_floor": True}]), as_of=AS_OF,
                                 fixings=deflation.fixings)  # fmt: skip
    found = present_values(compiled, market=deflation, scenarios=Scenarios(2, shifts={"EU-HICPXT": np.full((5, 2), [0.01, 0.05])}))[0]
    assert found[0] == pytest.approx(1e6 * factor, rel=1e-14)
    moved = replace(deflation, curves=(deflation.curves[0], replace(deflation.curves[1], zero_rates=np.full(5, 0.02))))
    assert found[1] == pytest.approx(valued(bond, on=moved).values[Measure.PV][0], rel=1e-12)
    rich = market()
    assert valued(bond | {"redemption_floor": True}, on=rich).values[Measure.PV] == pytest.approx(
        valued(bond, on=rich).values[Measure.PV], rel=1e-13
    )


ROWS = [
    BOND,
    BOND | {"redemption_floor": True, "base_index": 125.0, "issue_date": "2024-05-15"},
    BOND | {"notional": -2e6, "observation_lag_months": 8, "index_interpolation": "FLAT", "price_basis": "NOMINAL", "base_index": 97.0},
    BOND | {"sinking_dates": ["2030-05-15"], "sinking_amounts": [4e5], "ex_coupon_days": 6, "credit_spread": 0.004,
            "redemption_floor": True},
]  # fmt: skip


@pytest.mark.parametrize("growth", [(0.02, 0.021, 0.019, 0.02, 0.022), (-0.01,) * 5])
def test_risk_is_that_of_bumped_and_shocked_markets(growth):
    on = market(growth=growth, seasonality=(0.99, 1.01, *(1.0,) * 8, 1.02, 1 / 0.99 / 1.01 / 1.02))
    check_risk_is_that_of_bumped_markets(PRODUCT, ROWS, market=on)
    check_scenarios_are_revaluations(PRODUCT, ROWS, market=on)


def test_ex_coupon_price_is_without_the_coupon_and_accrued_is_negative():
    """May 15, paid; settlement on 13 May 2025 is in the ex-coupon period of seven calendar days."""
    levels = LEVELS | {f"2024-{month:02d}-01": 125.0 for month in range(6, 13)} | {f"2025-{month:02d}-01": 126.0 for month in range(1, 5)}
    on = market(levels=levels, as_of=day("2025-05-09"))
    cum, ex = valued(BOND, BOND | {"ex_coupon_days": 7}, on=on).values[Measure.ACCRUED_INTEREST]
    assert cum > 0.9
    assert -0.02 < ex < 0.0


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({}, RowStatus.OK, ""),
        ({"index": "MARS-CPI"}, RowStatus.MISSING_INDEX, ""),
        ({"index": "EUR-ESTR"}, RowStatus.INDEX_MISMATCH, ""),
        ({"index": "UK-RPI"}, RowStatus.INDEX_MISMATCH, ""),  # of another currency
        ({"base_date": "2014-07-15"}, RowStatus.MISSING_FIXING, "no level of EU-HICPXT for 2014-04, which was due"),
        ({"base_date": "2024-09-15"}, RowStatus.MISSING_FIXING, "base_date 2024-09-15 is not published yet; give base_index"),
        ({"observation_lag_months": 4}, RowStatus.MISSING_FIXING, "no level of EU-HICPXT for 2014-01"),
        ({"observation_lag_months": 17, "base_index": 99.0}, RowStatus.MISSING_FIXING, "no level of EU-HICPXT for 2023-01"),
        ({"base_index": 0.0}, RowStatus.INVALID_AMOUNT, ""),
        ({"notional": 0.0}, RowStatus.INVALID_AMOUNT, ""),
        ({"maturity_date": "2014-01-01"}, RowStatus.INVALID_DATES, ""),
        ({"issue_date": "2004-05-15", "maturity_date": "2014-05-15", "base_index": 90.0}, RowStatus.MATURED, ""),
    ],
)
def test_wrong_row_has_a_status_and_its_neighbour_a_value(changes, status, words):
    found = valued(BOND | changes, BOND)
    assert found.status.tolist() == [status, RowStatus.OK]
    assert words in found.messages.get(0, "")
    assert np.isfinite(found.values[Measure.PV][1])


def test_missing_curve_and_month_not_due():
    on = replace(market(), curves=market().curves[:1])
    assert valued(BOND, on=on).status.tolist() == [RowStatus.MISSING_INFLATION_CURVE]
    april = {month: level for month, level in LEVELS.items() if month < "2024-04-15"}
    late = valued(BOND, on=market(levels=april, as_of=day("2024-05-30")))
    assert late.status.tolist() == [RowStatus.OK]
    early = {month: level for month, level in LEVELS.items() if month < "2024-03-15"}
    not_due = valued(BOND | {"observation_lag_months": 2, "base_index": 101.0}, on=market(levels=early, as_of=day("2024-05-16")))
    assert not_due.status.tolist() == [RowStatus.OK]
    assert np.isnan(not_due.values[Measure.CLEAN_PRICE][0])
    assert "the settlement date 2024-05-18 is not published" in not_due.messages[0]


def test_explanation_names_the_months_and_the_floor():
    flows = explain(pricer(PRODUCT), contracts_of(pricer(PRODUCT).columns, [BOND | {"redemption_floor": True}]), 0, market=market()).flows
    kinds = {flow.special_kind.name if flow.special_kind else None for flow in flows}
    assert kinds == {None, "INDEX_RATIO"}
    assert sum(flow.pv for flow in flows) == pytest.approx(valued(BOND | {"redemption_floor": True}).values[Measure.PV][0], rel=1e-13)
