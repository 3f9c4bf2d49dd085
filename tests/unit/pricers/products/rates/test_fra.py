from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pricers import Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.fixings import Fixings
from pricers.time.dates import to_day
from tests.unit.pricers.examples import AS_OF, PILLARS
from tests.unit.pricers.floating_examples import ESTR, EURIBOR, FLOATING_MARKET, fixings
from tests.unit.pricers.products.flow_checks import check_risk_is_that_of_bumped_markets, check_scenarios_are_revaluations

PRODUCT = "FRA"
FRA = {
    "currency": "EUR", "notional": 1e7, "fixed_rate": 0.025, "index": "EUR-EURIBOR-6M", "start_date": "2026-06-18",
    "maturity_date": "2026-12-18", "discount_curve": "EUR",
}  # fmt: skip
AT_END = {**FRA, "settlement": "AT_END", "notional": -4e6}
FIXED = {**FRA, "first_fixing": 0.03}
ONE_CURVE = {**FRA, "discount_curve": "EUR-EURIBOR-6M", "start_date": "2027-03-18", "maturity_date": None}
FRAS = [FRA, AT_END, FIXED, ONE_CURVE]
YEARS = 183 / 360.0


def valued(*rows: dict, market: Market = FLOATING_MARKET):
    return value_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, list(rows)), market=market)


def values(*rows: dict, market: Market = FLOATING_MARKET) -> list[float]:
    valuation = valued(*rows, market=market)
    assert valuation.status.tolist() == [RowStatus.OK] * len(rows), valuation.messages
    return valuation.values[Measure.PV].tolist()


def discount(curve, text: str) -> float:
    days = to_day(date.fromisoformat(text)) - AS_OF
    return float(np.exp(-np.interp(days, PILLARS, curve.zero_rates) * days / 365.0))


def test_both_settlements_pay_the_difference_to_the_forward_rate():
    """At the start the difference is discounted at the forward rate itself, at the end by the discount curve."""
    forward = (discount(EURIBOR, "2026-06-18") / discount(EURIBOR, "2026-12-18") - 1.0) / YEARS
    at_start, at_end = values({**FRA, "discount_curve": "EUR-EURIBOR-6M"}, {**AT_END, "discount_curve": "EUR-EURIBOR-6M"})
    difference = YEARS * (forward - 0.025) * discount(EURIBOR, "2026-12-18")
    assert at_start == pytest.approx(1e7 * difference, rel=1e-10)
    assert at_end == pytest.approx(-4e6 * difference, rel=1e-10)


def test_buyer_gains_when_rates_rise_and_a_contract_at_the_forward_rate_is_worth_nothing():
    higher = replace(EURIBOR, zero_rates=EURIBOR.zero_rates + 0.01)
    market = replace(FLOATING_MARKET, curves=tuple(higher if curve.name == EURIBOR.name else curve for curve in FLOATING_MARKET.curves))
    assert values(FRA, market=market)[0] > values(FRA)[0]
    forward = (discount(EURIBOR, "2026-06-18") / discount(EURIBOR, "2026-12-18") - 1.0) / YEARS
    assert values({**FRA, "fixed_rate": forward})[0] == pytest.approx(0.0, abs=1e-6)


def test_fixed_rate_is_paid_discounted_at_the_start():
    expected = 1e7 * YEARS * 0.005 / (1.0 + YEARS * 0.03) * discount(FLOATING_MARKET.curves[0], "2026-06-18")
    assert values(FIXED)[0] == pytest.approx(expected, rel=1e-13)
    published = replace(FLOATING_MARKET, fixings=fixings(AS_OF + 1, {AS_OF: 0.03}))
    soon = {**FRA, "start_date": "2026-03-18", "maturity_date": "2026-09-18"}
    assert values(soon, market=published) == values({**soon, "first_fixing": 0.03})


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"index": "EURIBOR6M"}, RowStatus.MISSING_INDEX),
        ({"index": "EUR-ESTR"}, RowStatus.INDEX_MISMATCH),
        ({"index": "USD-TERM-SOFR-3M"}, RowStatus.INDEX_MISMATCH),
        ({"notional": 0.0}, RowStatus.INVALID_AMOUNT),
        ({"notional": np.nan}, RowStatus.INVALID_AMOUNT),
        ({"fixed_rate": np.inf}, RowStatus.INVALID_AMOUNT),
        ({"maturity_date": "2026-06-18"}, RowStatus.INVALID_DATES),
        ({"fixing_calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
        ({"start_date": "2026-03-16"}, RowStatus.MATURED),
        ({"settlement": "AT_END", "start_date": "2025-09-16", "maturity_date": "2026-03-16"}, RowStatus.MATURED),
        ({"discount_curve": "EUR-OIS"}, RowStatus.MISSING_CURVE),
        ({"forecast_curve": "EURIBOR"}, RowStatus.MISSING_CURVE),
        ({"discount_curve": "USD"}, RowStatus.CURVE_CURRENCY_MISMATCH),
    ],
)
def test_unusable_terms_fail_the_row_alone(change, status):
    valuation = valued(FRA, {**FRA, **change}, AT_END)
    assert valuation.status.tolist() == [RowStatus.OK, status, RowStatus.OK]
    assert np.isnan(valuation.values[Measure.PV]).tolist() == [False, True, False]


def test_missing_fixing_fails_the_row_and_names_index_and_day():
    valuation = valued({**FRA, "start_date": "2026-03-17"}, FRA, market=replace(FLOATING_MARKET, fixings=Fixings({})))
    assert valuation.status.tolist() == [RowStatus.MISSING_FIXING, RowStatus.OK]
    assert valuation.messages == {0: "no fixing of EUR-EURIBOR-6M on 2026-03-13"}


def test_risk_is_that_of_bumped_markets():
    check_risk_is_that_of_bumped_markets(PRODUCT, FRAS, market=FLOATING_MARKET)


def test_scenarios_are_revaluations():
    check_scenarios_are_revaluations(PRODUCT, FRAS, market=FLOATING_MARKET)


def test_theta_is_the_value_a_day_later():
    """The curves are flat: a day later they are the same."""
    flat = tuple(replace(curve, zero_rates=np.full_like(curve.zero_rates, 0.03)) for curve in (FLOATING_MARKET.curves[0], EURIBOR, ESTR))
    market = replace(FLOATING_MARKET, curves=flat)
    today, tomorrow = valued(*FRAS, market=market).values, valued(*FRAS, market=replace(market, as_of=AS_OF + 1)).values
    np.testing.assert_allclose(today[Measure.THETA_1D], tomorrow[Measure.PV_BASE] - today[Measure.PV_BASE], atol=1e-7)
