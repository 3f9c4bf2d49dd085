from dataclasses import replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from pricers import Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.market import Curve, CurveKind
from pricers.time.dates import to_day
from tests.unit.pricers.examples import AS_OF, EUR_RATES, LABELS, PILLARS
from tests.unit.pricers.floating_examples import FLOATING_MARKET, fixings
from tests.unit.pricers.products.flow_checks import check_risk_is_that_of_bumped_markets, check_scenarios_are_revaluations

PRODUCT = "CROSS_CURRENCY_SWAP"
DAYS = np.arange(AS_OF - 800, AS_OF, dtype=np.int32)
FX_FIXINGS = FixingSeries(DAYS, 1.1 + 1e-5 * np.arange(DAYS.size))
XCCY = Curve("USD-EUR-XCCY", CurveKind.RATE, "USD", "LINEAR_ZERO", LABELS, PILLARS, EUR_RATES + 0.017)
MARKET = replace(
    FLOATING_MARKET,
    curves=(*FLOATING_MARKET.curves, XCCY),
    fixings=replace(FLOATING_MARKET.fixings, series={**FLOATING_MARKET.fixings.series, "EUR-USD-ECB": FX_FIXINGS}),
)
RESETTING = {
    "receive_leg_currency": "EUR", "pay_leg_currency": "USD", "notional": 1e7, "convention": "USD-SOFR-EUR-ESTR-XCCY", "spread": -0.0015,
    "start_date": "2025-05-20", "maturity_date": "2030-05-20", "fx_reset_index": "EUR-USD-ECB", "receive_leg_discount_curve": "EUR-ESTR",
    "pay_leg_discount_curve": "USD-EUR-XCCY",
}  # fmt: skip
CONSTANT = {**RESETTING, "convention": "USD-SOFR-EUR-ESTR-XCCY-CONSTANT", "pay_leg_notional": 1.12e7, "fx_reset_index": None}
FIXED = {
    **{name: value for name, value in CONSTANT.items() if name not in ("convention", "spread")}, "notional": -3e6,
    "receive_leg_rate": 0.025, "receive_leg_day_count": "30E/360", "receive_leg_calendar": "TARGET", "pay_leg_index": "USD-SOFR",
    "pay_leg_lookback_days": 5, "pay_leg_frequency": "QUARTERLY",
}  # fmt: skip
RESETTING_RECEIVED = {**FIXED, "resetting_leg": "RECEIVE", "fx_reset_index": "EUR-USD-ECB", "notional_payment_lag": 0}
RESETTING_LOOKBACK = {**FIXED, "resetting_leg": "PAY", "fx_reset_index": "EUR-USD-ECB"}
SWAPS: list[dict[str, Any]] = [RESETTING, CONSTANT, FIXED, RESETTING_RECEIVED, RESETTING_LOOKBACK]
FORWARD = {"start_date": "2026-04-15", "maturity_date": "2031-04-15"}


def valued(*rows: dict, market: Market = MARKET):
    return value_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, list(rows)), market=market)


def values(*rows: dict, market: Market = MARKET) -> list[float]:
    valuation = valued(*rows, market=market)
    assert valuation.status.tolist() == [RowStatus.OK] * len(rows), valuation.messages
    return valuation.values[Measure.PV].tolist()


def fx_deltas(row: dict) -> float:
    """Change of the value in base currency with exchange rates, by revaluation."""
    dollar = 1.01 * MARKET.fx_to_base["USD"]
    markets = (MARKET, replace(MARKET, fx_to_base={"EUR": 1.0, "USD": dollar}))
    before, after = (valued(row, market=market).values[Measure.PV_BASE][0] for market in markets)
    return float(after - before)


def test_unfixed_resetting_swap_has_no_exchange_rate_risk_and_a_running_one_has_that_of_its_period():
    assert fx_deltas({**RESETTING, **FORWARD}) == pytest.approx(0.0, abs=1e-6)
    running = fx_deltas(RESETTING)
    one_period = 1e7 * 1.1 * 0.9 * 0.01
    assert running == pytest.approx(-one_period, rel=0.03)
    assert fx_deltas(CONSTANT) == pytest.approx(-1.12e7 * 0.9 * 0.01, rel=0.1)


def test_resetting_leg_on_its_own_curve_is_worth_nothing_whatever_the_exchange_rate():
    """Each period lends a notional and gets it back with interest at the curve's own rates."""
    swap = {
        **RESETTING,
        **FORWARD,
        "spread": 0.0,
        "pay_leg_discount_curve": "USD-SOFR",
        "pay_leg_payment_lag": 0,
        "receive_leg_payment_lag": 0,
    }
    assert values(swap)[0] == pytest.approx(0.0, abs=1e-6)


def test_running_period_is_worth_its_fixed_notional_and_interest():
    """From 2026-02-20 the dollar leg owes N × X × (1 + interest); of later periods nothing is left on the leg's own curve."""
    market = replace(MARKET, curves=tuple(replace(c, zero_rates=np.zeros_like(c.zero_rates)) for c in MARKET.curves))
    swap = {**RESETTING, "spread": 0.0, "maturity_date": "2026-05-20", "current_fx_fixing": 1.25}
    rate = MARKET.fixings.series["USD-SOFR"]
    on = dict(zip(rate.days.tolist(), rate.values.tolist(), strict=True))
    days = [d for d in range(to_day(date(2026, 2, 20)), AS_OF + 1) if np.is_busday(np.datetime64(d, "D"))]
    growth = np.prod([1.0 + on[d] * (e - d) / 360.0 for d, e in pairwise(days)])
    dollars = (
        valued(swap, market=market).values[Measure.PV][0] - valued({**swap, "current_fx_fixing": 1e-9}, market=market).values[Measure.PV][0]
    )
    assert dollars == pytest.approx(-1e7 * 1.25 * growth * 0.9, rel=1e-8)


def test_inverse_index_is_the_same_rate():
    dollar = FixingSeries(DAYS, 1.0 / FX_FIXINGS.values)
    index = replace(MARKET.fixings.indices["EUR-USD-ECB"], name="USD-EUR", currency="USD", quote_currency="EUR")
    fixed = Fixings({**MARKET.fixings.series, "USD-EUR": dollar}, {**MARKET.fixings.indices, "USD-EUR": index})
    (expected,) = values(RESETTING)
    assert values({**RESETTING, "fx_reset_index": "USD-EUR"}, market=replace(MARKET, fixings=fixed))[0] == pytest.approx(
        expected, rel=1e-12
    )


def test_counterparty_has_the_opposite_value():
    for row in SWAPS:
        ours, theirs = values(row, {**row, "notional": -row["notional"]})
        assert ours == -theirs


def test_notionals_are_exchanged_when_periods_end_whatever_the_lag_of_coupons():
    zero = {**FIXED, "notional": 1e6, "pay_leg_notional": 1e-9, "receive_leg_rate": 0.0, **FORWARD}
    same = values(zero, {**zero, "receive_leg_payment_lag": 5, "pay_leg_payment_lag": 5})
    late = values({**zero, "receive_leg_payment_lag": 5, "pay_leg_payment_lag": 5, "notional_payment_lag": 5})
    assert same[0] == pytest.approx(same[1], rel=1e-14)
    assert abs(late[0] - same[0]) > 1.0


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"convention": "USD-SOFR-EUR-ESTR-XCC"}, RowStatus.UNKNOWN_CONVENTION,
         "no convention 'USD-SOFR-EUR-ESTR-XCC'; did you mean 'USD-SOFR-EUR-ESTR-XCCY'?"),
        ({"convention": "EUR-FIXED-1Y-ESTR-OIS"}, RowStatus.UNKNOWN_CONVENTION,
         "EUR-FIXED-1Y-ESTR-OIS is the convention of another product: its kind is FIXED_FLOAT"),
        ({"pay_leg_currency": "EUR"}, RowStatus.INVALID_AMOUNT, None),
        ({"pay_leg_index": "EUR-ESTR"}, RowStatus.INDEX_MISMATCH, None),
        ({"convention": None, "pay_leg_currency": "EUR", "receive_leg_rate": 0.01, "receive_leg_day_count": "ACT/360",
          "pay_leg_rate": 0.01, "pay_leg_day_count": "ACT/360"}, RowStatus.INVALID_AMOUNT, None),
        ({"resetting_leg": "NONE"}, RowStatus.INVALID_AMOUNT, None),
        ({"resetting_leg": "RECEIVE"}, RowStatus.INVALID_AMOUNT, None),
        ({"notional": 0.0}, RowStatus.INVALID_AMOUNT, None),
        ({"fx_reset_index": "EUR-USD"}, RowStatus.MISSING_INDEX, None),
        ({"fx_reset_index": "EUR-GBP-ECB"}, RowStatus.INDEX_MISMATCH, None),
        ({"fx_reset_index": "USD-SOFR"}, RowStatus.INDEX_MISMATCH, None),
        ({"fx_reset_index": None}, RowStatus.MISSING_FIXING, "no fixing of the exchange rate on 2026-02-18"),
        ({"fx_reset_calendar": "MARS"}, RowStatus.INVALID_SCHEDULE, None),
        ({"notional_payment_lag": 3}, RowStatus.INVALID_SCHEDULE, None),
        ({"receive_leg_notional_dates": ["2027-05-20"], "receive_leg_notional_amounts": [1e6]}, RowStatus.INVALID_PRINCIPAL, None),
        ({"start_date": "2020-02-20", "maturity_date": "2026-02-20"}, RowStatus.MATURED, None),
        ({"pay_leg_discount_curve": "EUR-ESTR"}, RowStatus.CURVE_CURRENCY_MISMATCH, None),
        ({"receive_leg_discount_curve": "EUR-OIS"}, RowStatus.MISSING_CURVE, None),
    ],
)  # fmt: skip
def test_unusable_terms_fail_the_row_alone(change, status, message):
    valuation = valued(RESETTING, {**RESETTING, **change}, CONSTANT)
    assert valuation.status.tolist() == [RowStatus.OK, status, RowStatus.OK]
    assert np.isnan(valuation.values[Measure.PV]).tolist() == [False, True, False]
    assert valuation.messages.get(1) == message or message is None


def test_missing_fixing_of_the_exchange_rate_fails_the_row_and_names_it():
    keep = to_day(date(2026, 2, 18)) > DAYS
    holed = replace(MARKET.fixings, series={**MARKET.fixings.series, "EUR-USD-ECB": FixingSeries(DAYS[keep], FX_FIXINGS.values[keep])})
    valuation = valued(RESETTING, {**RESETTING, "current_fx_fixing": 1.1}, market=replace(MARKET, fixings=holed))
    assert valuation.status.tolist() == [RowStatus.MISSING_FIXING, RowStatus.OK]
    assert valuation.messages == {0: "no fixing of EUR-USD-ECB on 2026-02-18"}


def test_risk_is_that_of_bumped_markets():
    check_risk_is_that_of_bumped_markets(PRODUCT, SWAPS, market=MARKET)


def test_scenarios_are_revaluations():
    check_scenarios_are_revaluations(PRODUCT, SWAPS, market=MARKET)


@pytest.mark.parametrize("row", SWAPS)
def test_theta_is_the_value_a_day_later_with_todays_forward_rate_as_its_fixing(row):
    """On Monday 2026-03-16, so that the rate runs for a day. The curves are flat: a day later they are the same."""
    flat = tuple(replace(c, zero_rates=np.full_like(c.zero_rates, 0.03 if c.name == "USD-EUR-XCCY" else 0.04)) for c in MARKET.curves[3:])
    market = replace(MARKET, curves=flat)
    overnight = (np.exp(0.04 / 365.0) - 1.0) * 360.0
    published = fixings(AS_OF + 1, **{f"day_{AS_OF}": overnight})
    later = replace(market, as_of=AS_OF + 1, fixings=replace(published, series={**published.series, "EUR-USD-ECB": FX_FIXINGS}))
    today, tomorrow = valued(row, market=market).values, valued(row, market=later).values
    assert today[Measure.THETA_1D][0] == pytest.approx(tomorrow[Measure.PV_BASE][0] - today[Measure.PV_BASE][0], abs=1e-6)
