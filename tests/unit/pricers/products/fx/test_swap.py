import pytest

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.products.fx.swap import lower
from pricers.registry import NO_FIXINGS
from pricers.value.cash_flow_report import explain
from tests.oracles.accuracy_fx_swap import compare
from tests.unit.pricers.examples import MARKET
from tests.unit.pricers.products.flow_checks import (
    check_risk_is_that_of_bumped_markets,
    check_scenarios_are_revaluations,
    statuses,
)

SWAP = {
    "base_currency": "EUR",
    "quote_currency": "USD",
    "notional": 1_000_000.0,
    "near_date": "2026-03-18",
    "near_rate": 1.10,
    "far_date": "2026-09-18",
    "far_points": 0.01,
    "base_discount_curve": "EUR",
    "quote_discount_curve": "USD",
}
UNEVEN = {**SWAP, "notional": -2_000_000.0, "far_notional": 2_020_000.0, "far_rate": 1.12, "far_points": None}
BAD = [
    ({"notional": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"notional": float("nan")}, RowStatus.INVALID_AMOUNT),
    ({"near_rate": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"near_rate": float("inf")}, RowStatus.INVALID_AMOUNT),
    ({"far_points": None}, RowStatus.INVALID_AMOUNT),
    ({"far_points": -1.2}, RowStatus.INVALID_AMOUNT),
    ({"far_rate": 1.12}, RowStatus.INVALID_AMOUNT),
    ({"far_notional": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"far_notional": -1.0}, RowStatus.INVALID_AMOUNT),
    ({"quote_currency": "EUR", "quote_discount_curve": "EUR"}, RowStatus.INVALID_AMOUNT),
    ({"far_date": "2026-03-18"}, RowStatus.INVALID_DATES),
    ({"far_date": "2199-03-18"}, RowStatus.DATE_OUT_OF_RANGE),
    ({"near_date": "2026-01-16", "far_date": "2026-03-13"}, RowStatus.MATURED),
    ({"base_discount_curve": "NOWHERE"}, RowStatus.MISSING_CURVE),
    ({"quote_discount_curve": "EUR"}, RowStatus.CURVE_CURRENCY_MISMATCH),
    ({"base_currency": "CHF"}, RowStatus.MISSING_FX),
]


def batch(*rows):
    return contracts_of(pricer("FX_SWAP").columns, list(rows))


def exchanges(row):
    """(near or far, date, currency, amount)"""
    legs = lower(batch(row), as_of=MARKET.as_of, fixings=NO_FIXINGS).cashflows.contract_leg
    assert legs is not None
    flows = explain("FX_SWAP", batch(row), 0, market=MARKET).flows
    return [(("near", "far")[leg], str(flow.pay_date), flow.currency, flow.amount) for leg, flow in zip(legs.tolist(), flows, strict=True)]


def test_swap_exchanges_and_exchanges_back():
    assert exchanges(SWAP) == [
        ("near", "2026-03-18", "EUR", 1_000_000.0),
        ("far", "2026-09-18", "EUR", -1_000_000.0),
        ("near", "2026-03-18", "USD", -1_100_000.0),
        ("far", "2026-09-18", "USD", pytest.approx(1_110_000.0)),
    ]
    assert [amount for *_, amount in exchanges(UNEVEN)] == [-2_000_000.0, 2_020_000.0, 2_200_000.0, pytest.approx(-2_262_400.0)]


def test_swap_is_worth_its_two_forwards_and_after_the_near_date_the_far_one():
    pair = {"base_currency": "EUR", "quote_currency": "USD", "base_discount_curve": "EUR", "quote_discount_curve": "USD"}
    near = {**pair, "notional": 1_000_000.0, "contract_rate": 1.10, "delivery_date": "2026-03-18"}
    far = {**pair, "notional": -1_000_000.0, "contract_rate": 1.10 + 0.01, "delivery_date": "2026-09-18"}
    forwards = value_contracts("FX_FWD", contracts_of(pricer("FX_FWD").columns, [near, far]), market=MARKET).values
    swaps = value_contracts("FX_SWAP", batch(SWAP, {**SWAP, "near_date": "2026-03-16"}), market=MARKET).values
    for measure in (Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.FX_DELTA, Measure.THETA_1D):
        assert swaps[measure][0] == pytest.approx(forwards[measure].sum(), rel=1e-9, abs=1e-6), measure
        assert swaps[measure][1] == pytest.approx(forwards[measure][1], rel=1e-9), measure


def test_swap_whose_far_date_is_today_is_on_the_books_at_zero():
    valuation = value_contracts("FX_SWAP", batch({**SWAP, "near_date": "2026-01-16", "far_date": "2026-03-16"}), market=MARKET)
    assert valuation.status.tolist() == [RowStatus.OK]
    assert valuation.values[Measure.PV][0] == 0.0


@pytest.mark.parametrize(("terms", "status"), BAD)
def test_row_that_cannot_be_priced_has_a_status_and_harms_no_other(terms, status):
    assert statuses("FX_SWAP", [SWAP, {**SWAP, **terms}], market=MARKET) == [RowStatus.OK, status]


def test_risk_and_scenarios_are_revaluations():
    check_risk_is_that_of_bumped_markets("FX_SWAP", [SWAP, UNEVEN], market=MARKET)
    check_scenarios_are_revaluations("FX_SWAP", [SWAP, UNEVEN], market=MARKET)


def test_random_contracts_equal_quantlib():
    comparison = compare(300, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.details["statuses"]["OK"] > 250
