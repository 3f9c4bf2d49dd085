from dataclasses import replace

import numpy as np
import pytest

from pricers import Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.fixings import Fixings
from tests.unit.pricers.examples import AS_OF
from tests.unit.pricers.floating_examples import FLOATING_MARKET, SOFR, fixings
from tests.unit.pricers.products.flow_checks import check_risk_is_that_of_bumped_markets, check_scenarios_are_revaluations

PRODUCT = "RATE_FUTURE"
FUTURE = {
    "contracts": 40.0,
    "point_value": 2_500.0,
    "currency": "USD",
    "index": "USD-SOFR",
    "start_date": "2026-06-17",
    "trade_price": 96.2,
}
RUNNING = {**FUTURE, "start_date": "2025-12-17", "contracts": -12.0}
AVERAGED = {**FUTURE, "point_value": 4_167.0, "rate_method": "AVERAGED", "start_date": "2026-03-02", "end_date": "2026-04-01"}
EURIBOR = {**FUTURE, "currency": "EUR", "index": "EUR-EURIBOR-3M", "trade_price": 97.8, "convexity_adjustment": 0.0002}
FUTURES = [FUTURE, RUNNING, AVERAGED, EURIBOR]


def valued(*rows: dict, market: Market = FLOATING_MARKET):
    return value_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, list(rows)), market=market)


def values(*rows: dict, market: Market = FLOATING_MARKET) -> list[float]:
    valuation = valued(*rows, market=market)
    assert valuation.status.tolist() == [RowStatus.OK] * len(rows), valuation.messages
    return valuation.values[Measure.PV].tolist()


def flat(rate: float) -> Market:
    curves = tuple(replace(curve, zero_rates=np.full_like(curve.zero_rates, rate)) for curve in FLOATING_MARKET.curves)
    return replace(FLOATING_MARKET, curves=curves)


def test_position_is_worth_what_the_price_has_risen_since_the_trade_undiscounted():
    """The rate of 91 days on a flat curve; a basis point of the price is 25 dollars a contract."""
    rate = np.expm1(0.04 * 91 / 365.0) * 360.0 / 91.0
    assert values(FUTURE, market=flat(0.04))[0] == pytest.approx(40.0 * 2_500.0 * (100.0 - 100.0 * rate - 96.2), rel=1e-11)
    dearer, convex = values({**FUTURE, "trade_price": 96.19}, {**FUTURE, "convexity_adjustment": 0.0001})
    (value,) = values(FUTURE)
    assert dearer - value == pytest.approx(40 * 25.0, rel=1e-9)
    assert convex - value == pytest.approx(-40 * 25.0, rel=1e-9)


def test_period_of_an_overnight_future_ends_on_the_third_wednesday_three_months_later():
    assert values(FUTURE) == values({**FUTURE, "end_date": "2026-09-16"})
    assert values({**FUTURE, "start_date": "2026-12-16"}) == values({**FUTURE, "start_date": "2026-12-16", "end_date": "2027-03-17"})


def test_averaged_rates_are_the_mean_of_fixings_and_forward_rates():
    """March 2026 has 22 business days; those from the 2nd to the 13th are fixed at 5 %, the others are forecast at 4 %."""
    known = dict.fromkeys(range(AS_OF - 20, AS_OF), 0.05)
    market = replace(flat(0.04), fixings=fixings(AS_OF, known))
    daily = sum(np.expm1(0.04 * days / 365.0) for days in (1, 1, 1, 1, 3, 1, 1, 1, 1, 3, 1, 1))
    mean = (0.05 * 14 / 360.0 + daily) * 360.0 / 30.0
    assert values(AVERAGED, market=market)[0] == pytest.approx(40.0 * 4_167.0 * (100.0 - 100.0 * mean - 96.2), rel=1e-10)


def test_fixed_rates_bear_no_risk():
    """All but two of 91 days are fixed: a basis point more moves a running future by that share of one that has not started."""
    up = replace(SOFR, zero_rates=SOFR.zero_rates + 1e-4)
    market = replace(FLOATING_MARKET, curves=tuple(up if curve.name == SOFR.name else curve for curve in FLOATING_MARKET.curves))
    (running, ahead), (before, ahead_before) = (
        values({**RUNNING, "contracts": 40.0}, FUTURE, market=each) for each in (market, FLOATING_MARKET)
    )
    assert (running - before) / (ahead - ahead_before) == pytest.approx(2 / 91, rel=0.05)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"index": "SOFR"}, RowStatus.MISSING_INDEX),
        ({"index": "EUR-ESTR"}, RowStatus.INDEX_MISMATCH),
        ({"currency": "EUR", "index": "EUR-EURIBOR-3M", "rate_method": "AVERAGED"}, RowStatus.INDEX_MISMATCH),
        ({"contracts": 0.0}, RowStatus.INVALID_AMOUNT),
        ({"point_value": 0.0}, RowStatus.INVALID_AMOUNT),
        ({"contracts": np.inf}, RowStatus.INVALID_AMOUNT),
        ({"trade_price": np.nan}, RowStatus.INVALID_AMOUNT),
        ({"end_date": "2026-06-17"}, RowStatus.INVALID_DATES),
        ({"start_date": "2025-12-16", "end_date": "2026-03-16"}, RowStatus.MATURED),
        ({"currency": "EUR", "index": "EUR-EURIBOR-3M", "start_date": "2026-03-17"}, RowStatus.MATURED),
        ({"forecast_curve": "SOFR"}, RowStatus.MISSING_CURVE),
    ],
)
def test_unusable_terms_fail_the_row_alone(change, status):
    valuation = valued(FUTURE, {**FUTURE, **change}, EURIBOR)
    assert valuation.status.tolist() == [RowStatus.OK, status, RowStatus.OK]
    assert np.isnan(valuation.values[Measure.PV]).tolist() == [False, True, False]


def test_missing_fixing_fails_the_row_and_names_index_and_day():
    valuation = valued(RUNNING, FUTURE, market=replace(FLOATING_MARKET, fixings=Fixings({})))
    assert valuation.status.tolist() == [RowStatus.MISSING_FIXING, RowStatus.OK]
    assert valuation.messages == {0: "no fixing of USD-SOFR on 2025-12-17"}


def test_risk_is_that_of_bumped_markets():
    check_risk_is_that_of_bumped_markets(PRODUCT, FUTURES, market=FLOATING_MARKET)


def test_scenarios_are_revaluations():
    check_scenarios_are_revaluations(PRODUCT, FUTURES, market=FLOATING_MARKET)


@pytest.mark.parametrize("row", FUTURES)
def test_theta_is_the_value_a_day_later_with_todays_forward_rate_as_its_fixing(row):
    """On Monday 2026-03-16, so that the rate runs for a day. The curves are flat: a day later they are the same."""
    overnight = np.expm1(0.04 / 365.0) * 360.0
    market = flat(0.04)
    later = replace(market, as_of=AS_OF + 1, fixings=fixings(AS_OF + 1, {AS_OF: overnight}))
    today, tomorrow = valued(row, market=market).values, valued(row, market=later).values
    assert today[Measure.THETA_1D][0] == pytest.approx(tomorrow[Measure.PV_BASE][0] - today[Measure.PV_BASE][0], abs=1e-6)
