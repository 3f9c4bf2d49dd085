from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pricers import Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.fixings import Fixings
from pricers.time.dates import to_day
from tests.unit.pricers.examples import AS_OF
from tests.unit.pricers.floating_examples import FLOATING_MARKET, fixings
from tests.unit.pricers.products.flow_checks import check_risk_is_that_of_bumped_markets, check_scenarios_are_revaluations

PRODUCT = "INTEREST_RATE_SWAP"
EURIBOR_SWAP = {
    "currency": "EUR",
    "notional": 1e7,
    "convention": "EUR-FIXED-1Y-EURIBOR-6M",
    "fixed_rate": 0.027,
    "start_date": "2024-05-20",
    "maturity_date": "2031-05-20",
    "discount_curve": "EUR-ESTR",
}
OVERNIGHT_SWAP = {**EURIBOR_SWAP, "convention": "EUR-FIXED-1Y-ESTR-OIS", "notional": -5e6}
BASIS_SWAP = {**EURIBOR_SWAP, "convention": "EUR-EURIBOR-3M-EURIBOR-6M", "fixed_rate": None, "spread": 0.0008}
LOOKBACK_SWAP = {
    "currency": "USD", "notional": 4e6, "start_date": "2025-06-16", "maturity_date": "2030-06-17", "discount_curve": "USD-SOFR",
    "receive_leg_index": "USD-SOFR", "receive_leg_lookback_days": 5, "receive_leg_frequency": "QUARTERLY", "receive_leg_payment_lag": 2,
    "pay_leg_rate": 0.04, "pay_leg_day_count": "ACT/360", "pay_leg_calendar": "US_SOFR",
}  # fmt: skip
AMORTISING_SWAP = {
    **EURIBOR_SWAP,
    **{f"{leg}_leg_notional_dates": ["2027-05-20", "2029-05-20"] for leg in ("receive", "pay")},
    **{f"{leg}_leg_notional_amounts": [1.5e7, 4e6] for leg in ("receive", "pay")},
    "initial_exchange": True, "intermediate_exchange": True, "final_exchange": True, "upfront_amount": -25_000.0,
    "upfront_date": "2026-09-01",
}  # fmt: skip
SWAPS = [EURIBOR_SWAP, OVERNIGHT_SWAP, BASIS_SWAP, LOOKBACK_SWAP, AMORTISING_SWAP]
FORWARD = {"start_date": "2026-04-15", "maturity_date": "2033-04-15"}


def valued(*rows: dict, market: Market = FLOATING_MARKET):
    return value_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, list(rows)), market=market)


def values(*rows: dict, market: Market = FLOATING_MARKET) -> list[float]:
    valuation = valued(*rows, market=market)
    assert valuation.status.tolist() == [RowStatus.OK] * len(rows), valuation.messages
    return valuation.values[Measure.PV].tolist()


@pytest.mark.parametrize("swap", [EURIBOR_SWAP, OVERNIGHT_SWAP])
def test_swap_at_its_par_rate_is_worth_nothing_and_steeper_rates_are_worth_an_annuity(swap):
    forward = {**swap, **FORWARD}
    at_zero, at_one = values({**forward, "fixed_rate": 0.0}, {**forward, "fixed_rate": 1.0})
    par = at_zero / (at_zero - at_one)
    (at_par, above) = values({**forward, "fixed_rate": par}, {**forward, "fixed_rate": par + 0.01})
    assert 0.01 < par < 0.05
    assert at_par == pytest.approx(0.0, abs=1e-7)
    assert above == pytest.approx(0.01 * (at_one - at_zero), rel=1e-9)


def test_swap_is_the_sum_of_its_legs_and_the_offset_of_its_counterparty():
    receive, pay, whole, offset = values(
        {**EURIBOR_SWAP, "pay_leg_notional_dates": ["2020-01-01"], "pay_leg_notional_amounts": [0.0]},
        {**EURIBOR_SWAP, "receive_leg_notional_dates": ["2020-01-01"], "receive_leg_notional_amounts": [0.0]},
        EURIBOR_SWAP,
        {**EURIBOR_SWAP, "notional": -1e7},
    )
    assert receive > 0.0 > pay
    assert whole == pytest.approx(receive + pay, rel=1e-12)
    assert offset == -whole


def test_floating_leg_with_its_notional_is_the_floating_bond():
    terms = {"frequency": "QUARTERLY", "calendar": "TARGET", "accrual_convention": "MODIFIED_FOLLOWING", "payment_convention": "FOLLOWING"}
    leg = {f"receive_leg_{name}": value for name, value in (terms | {"index": "EUR-ESTR", "spread": 0.002}).items()}
    nothing = {"pay_leg_rate": 0.0, "pay_leg_day_count": "ACT/360"}
    (swap,) = values({**{k: v for k, v in EURIBOR_SWAP.items() if k not in ("convention", "fixed_rate")}, **leg, **nothing,
                      "pay_leg_notional_dates": ["2020-01-01"], "pay_leg_notional_amounts": [0.0], "final_exchange": True})  # fmt: skip
    bond = {
        "currency": "EUR", "notional": 1e7, "issue_date": "2024-05-20", "maturity_date": "2031-05-20", "index": "EUR-ESTR",
        "spread": 0.002, "discount_curve": "EUR-ESTR", **terms,
    }  # fmt: skip
    valuation = value_contracts("FLOATING_RATE_BOND", contracts_of(pricer("FLOATING_RATE_BOND").columns, [bond]), market=FLOATING_MARKET)
    assert swap == pytest.approx(float(valuation.values[Measure.PV][0]), rel=1e-13)


def test_overnight_leg_on_its_own_curve_is_par_on_its_first_day():
    swap = {**OVERNIGHT_SWAP, **FORWARD, "notional": -1e6, "fixed_rate": 0.0, "pay_leg_payment_lag": 0, "final_exchange": True,
            "receive_leg_notional_dates": ["2020-01-01"], "receive_leg_notional_amounts": [0.0]}  # fmt: skip
    estr = FLOATING_MARKET.curves[FLOATING_MARKET.curve_index["EUR-ESTR"]]
    years = (to_day(date(2026, 4, 15)) - AS_OF) / 365.0
    assert values(swap)[0] == pytest.approx(1e6 * np.exp(-estr.zero_rates[0] * years), rel=1e-12)


def test_columns_of_a_leg_override_the_convention():
    explicit = {
        "receive_leg_rate": 0.027, "receive_leg_frequency": "ANNUAL", "receive_leg_day_count": "30/360 BOND BASIS",
        "receive_leg_calendar": "TARGET", "pay_leg_index": "EUR-EURIBOR-6M", "pay_leg_frequency": "SEMIANNUAL",
    }  # fmt: skip
    base = {name: value for name, value in EURIBOR_SWAP.items() if name not in ("convention", "fixed_rate")}
    by_name, by_columns, other = values(
        {**EURIBOR_SWAP, "receive_leg_accrual_convention": "MODIFIED_FOLLOWING", "receive_leg_payment_convention": "FOLLOWING",
         "pay_leg_payment_convention": "FOLLOWING"},
        {**base, **explicit},
        {**EURIBOR_SWAP, "pay_leg_spread": 0.001},
    )  # fmt: skip
    assert by_columns == pytest.approx(by_name, rel=1e-12)
    assert by_name - other > 1e7 * 0.001 * 4.5


@pytest.mark.parametrize(
    ("change", "status", "message"),
    [
        ({"convention": "EUR-FIXED-6M-EURIBOR-6M"}, RowStatus.UNKNOWN_CONVENTION,
         "no convention 'EUR-FIXED-6M-EURIBOR-6M'; did you mean 'EUR-FIXED-1Y-EURIBOR-6M'?"),
        ({"convention": "XXXX"}, RowStatus.UNKNOWN_CONVENTION, "no convention 'XXXX'"),
        ({"convention": "USD-SOFR-EUR-ESTR-XCCY"}, RowStatus.UNKNOWN_CONVENTION,
         "USD-SOFR-EUR-ESTR-XCCY is the convention of another product: its kind is CROSS_CURRENCY"),
        ({"convention": None}, RowStatus.INVALID_AMOUNT, None),
        ({"fixed_rate": None}, RowStatus.INVALID_AMOUNT, None),
        ({"pay_leg_rate": 0.02}, RowStatus.INVALID_AMOUNT, None),
        ({"notional": 0.0}, RowStatus.INVALID_AMOUNT, None),
        ({"upfront_amount": 1.0}, RowStatus.INVALID_AMOUNT, None),
        ({"pay_leg_spread": np.inf}, RowStatus.INVALID_AMOUNT, None),
        ({"pay_leg_notional_dates": ["2027-05-20"]}, RowStatus.INVALID_PRINCIPAL, None),
        ({"pay_leg_notional_dates": ["2028-05-20", "2027-05-20"], "pay_leg_notional_amounts": [2.0, 1.0]},
         RowStatus.INVALID_PRINCIPAL, None),
        ({"pay_leg_notional_dates": ["2027-05-20"], "pay_leg_notional_amounts": [-1.0]}, RowStatus.INVALID_PRINCIPAL, None),
        ({"pay_leg_index": "EURIBOR6M"}, RowStatus.MISSING_INDEX, None),
        ({"pay_leg_index": "USD-SOFR"}, RowStatus.INDEX_MISMATCH, None),
        ({"pay_leg_cap_rate": 0.05}, RowStatus.EMBEDDED_OPTION, None),
        ({"pay_leg_lookback_days": 5}, RowStatus.UNSUPPORTED_RATE_METHOD, None),
        ({"receive_leg_calendar": "MARS"}, RowStatus.INVALID_SCHEDULE, None),
        ({"start_date": "2032-05-20"}, RowStatus.INVALID_DATES, None),
        ({"start_date": "2020-02-20", "maturity_date": "2026-02-20"}, RowStatus.MATURED, None),
        ({"discount_curve": "EUR-OIS"}, RowStatus.MISSING_CURVE, None),
        ({"pay_leg_forecast_curve": "EURIBOR"}, RowStatus.MISSING_CURVE, None),
        ({"discount_curve": "USD"}, RowStatus.CURVE_CURRENCY_MISMATCH, None),
    ],
)  # fmt: skip
def test_unusable_terms_fail_the_row_alone(change, status, message):
    valuation = valued(EURIBOR_SWAP, {**EURIBOR_SWAP, **change}, BASIS_SWAP)
    assert valuation.status.tolist() == [RowStatus.OK, status, RowStatus.OK]
    assert np.isnan(valuation.values[Measure.PV]).tolist() == [False, True, False]
    assert valuation.messages.get(1) == message or message is None


def test_missing_fixing_fails_the_row_and_names_index_and_day():
    market = replace(FLOATING_MARKET, fixings=Fixings({}))
    valuation = valued({**EURIBOR_SWAP, "pay_leg_current_fixing": 0.02}, EURIBOR_SWAP, {**EURIBOR_SWAP, **FORWARD}, market=market)
    assert valuation.status.tolist() == [RowStatus.OK, RowStatus.MISSING_FIXING, RowStatus.OK]
    assert valuation.messages == {1: "no fixing of EUR-EURIBOR-6M on 2025-11-18"}


def test_swap_lives_as_long_as_its_longer_leg_or_its_upfront_amount():
    """The last period ended on Friday 2026-03-13: the leg with a payment lag pays on the 17th, after the valuation date."""
    ended = {**OVERNIGHT_SWAP, "start_date": "2025-03-13", "maturity_date": "2026-03-13", "receive_leg_payment_lag": 0}
    later = {"upfront_amount": 100.0, "upfront_date": "2026-06-01"}
    paid = {**ended, "pay_leg_payment_lag": 0}
    valuation = valued({**ended, "pay_leg_payment_lag": 2}, paid, {**paid, **later})
    assert valuation.status.tolist() == [RowStatus.OK, RowStatus.MATURED, RowStatus.OK]
    assert 98.0 < valuation.values[Measure.PV][2] < 100.0
    assert valuation.values[Measure.PV][0] > 0.0


def test_risk_is_that_of_bumped_markets():
    check_risk_is_that_of_bumped_markets(PRODUCT, SWAPS, market=FLOATING_MARKET)


def test_scenarios_are_revaluations():
    check_scenarios_are_revaluations(PRODUCT, SWAPS, market=FLOATING_MARKET)


@pytest.mark.parametrize("row", SWAPS)
def test_theta_is_the_value_a_day_later_with_todays_forward_rate_as_its_fixing(row):
    """On Monday 2026-03-16, so that the rate runs for a day. The curves are flat: a day later they are the same."""
    flat = tuple(replace(curve, zero_rates=np.full_like(curve.zero_rates, 0.03)) for curve in FLOATING_MARKET.curves[:2])
    flat += tuple(replace(curve, zero_rates=np.full_like(curve.zero_rates, 0.04)) for curve in FLOATING_MARKET.curves[3:])
    market = replace(FLOATING_MARKET, curves=flat)
    overnight = (np.exp(0.04 / 365.0) - 1.0) * 360.0
    later = replace(market, as_of=AS_OF + 1, fixings=fixings(AS_OF + 1, **{f"day_{AS_OF}": overnight}))
    today, tomorrow = valued(row, market=market).values, valued(row, market=later).values
    assert today[Measure.THETA_1D][0] == pytest.approx(tomorrow[Measure.PV_BASE][0] - today[Measure.PV_BASE][0], abs=1e-6)


def test_row_has_the_bits_that_it_has_alone():
    batch = values(*SWAPS * 2)
    assert batch == [values(row)[0] for row in SWAPS * 2]
