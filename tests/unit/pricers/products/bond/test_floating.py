from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from pricers import Contracts, Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.indices import STANDARD_INDICES
from pricers.time.dates import to_day
from tests.unit.pricers.examples import AS_OF, EUR, MARKET, PILLARS
from tests.unit.pricers.floating_examples import (
    DOLLAR_FLOATER,
    FLOATER,
    FLOATERS,
    FLOATING_MARKET,
    LOOKBACK_FLOATER,
    OVERNIGHT_FLOATER,
    fixings,
)
from tests.unit.pricers.products.flow_checks import check_risk_is_that_of_bumped_markets, check_scenarios_are_revaluations

PRODUCT = "FLOATING_RATE_BOND"
PLAIN = {**FLOATER, "calendar": None, "accrual_convention": "UNADJUSTED", "payment_convention": "UNADJUSTED", "settlement_lag": 0}


def day(text: str) -> int:
    return to_day(date.fromisoformat(text))


def floaters(*rows: dict) -> Contracts:
    return contracts_of(pricer(PRODUCT).columns, list(rows))


def valued(row: dict, market: Market = FLOATING_MARKET):
    return value_contracts(PRODUCT, floaters(row), market=market)


def measures(row: dict, market: Market = FLOATING_MARKET) -> dict[Measure, float]:
    valuation = valued(row, market)
    assert valuation.status.tolist() == [RowStatus.OK], RowStatus(int(valuation.status[0])).message
    return {measure: float(values[0]) for measure, values in valuation.values.items()}


def discount(curve, day_number: int) -> float:
    return float(np.exp(-np.interp(day_number - AS_OF, PILLARS, curve.zero_rates) * (day_number - AS_OF) / 365.0))


def test_fixed_coupon_is_paid_at_its_fixing_and_later_ones_at_forward_rates():
    """The period from 2025-11-20 was fixed on Tuesday 2025-11-18, the one from 2026-05-20 fixes two TARGET days before it."""
    bond = {**PLAIN, "maturity_date": "2026-11-20"}
    market = replace(FLOATING_MARKET, fixings=fixings(**{f"day_{day('2025-11-18')}": 0.03}))
    curve = FLOATING_MARKET.curves[FLOATING_MARKET.curve_index["EUR-EURIBOR-6M"]]
    first, last = day("2026-05-20"), day("2026-11-20")
    forward = (discount(curve, first) / discount(curve, last) - 1.0) / (184 / 360.0)
    coupons = (0.03 + 0.01) * 181 / 360.0 * discount(EUR, first) + (forward + 0.01) * 184 / 360.0 * discount(EUR, last)
    assert measures(bond, market)[Measure.PV] == pytest.approx(1e6 * (coupons + discount(EUR, last)), rel=1e-13)


@pytest.mark.parametrize("frequency", ["QUARTERLY", "SEMIANNUAL"])
def test_floater_without_margin_on_its_own_curve_is_worth_par_from_its_first_day(frequency):
    """Interest and redemption of an overnight floater telescope to its notional on the day on which interest starts."""
    start, end = "2026-04-15", "2029-04-16"
    bond = {**OVERNIGHT_FLOATER, "spread": 0.0, "issue_date": start, "maturity_date": end, "frequency": frequency,
            "discount_curve": "EUR-ESTR"}  # fmt: skip
    estr = FLOATING_MARKET.curves[FLOATING_MARKET.curve_index["EUR-ESTR"]]
    exponent = estr.zero_rates[0] * (day(start) - AS_OF) / 365.0
    assert measures(bond)[Measure.PV] == pytest.approx(1e6 * np.exp(-exponent), rel=1e-12)


def test_fixing_of_the_valuation_date_is_read_where_it_is_published_and_forecast_otherwise():
    bond = {**PLAIN, "issue_date": "2026-03-18", "interest_start_date": "2026-03-18", "maturity_date": "2026-09-18"}  # fixes on 2026-03-16
    published = replace(FLOATING_MARKET, fixings=fixings(AS_OF + 1, **{f"day_{AS_OF}": 0.05}))
    value, forecast = measures(bond, published)[Measure.PV], measures(bond)[Measure.PV]
    end = day("2026-09-18")
    assert value == pytest.approx(1e6 * (1.0 + 0.06 * 184 / 360.0) * discount(EUR, end), rel=1e-13)
    assert abs(forecast - value) > 1e4


@pytest.mark.parametrize(("row", "expected"), [(FLOATER, "EUR-EURIBOR-6M on 2025-11-18"), (OVERNIGHT_FLOATER, "EUR-ESTR on 2026-02-20")])
def test_missing_fixing_fails_the_row_and_names_index_and_day(row, expected):
    market = replace(FLOATING_MARKET, fixings=Fixings({}))
    valuation = value_contracts(PRODUCT, floaters(row, {**PLAIN, "current_fixing": 0.02}), market=market)
    assert valuation.status.tolist() == [RowStatus.MISSING_FIXING, RowStatus.OK]
    assert valuation.messages == {0: f"no fixing of {expected}"}


def test_hole_between_overnight_fixings_fails_the_row():
    series = FLOATING_MARKET.fixings.series["EUR-ESTR"]
    keep = series.days != day("2026-03-03")
    holed = Fixings({"EUR-ESTR": FixingSeries(series.days[keep], series.values[keep])})
    valuation = valued(OVERNIGHT_FLOATER, replace(FLOATING_MARKET, fixings=holed))
    assert valuation.status.tolist() == [RowStatus.MISSING_FIXING]
    assert valuation.messages == {0: "no fixing of EUR-ESTR on 2026-03-03"}


def test_rates_of_the_contract_beat_the_fixings():
    bond = {**PLAIN, "maturity_date": "2026-05-20"}
    paid = 1e6 * discount(EUR, day("2026-05-20"))
    assert measures({**bond, "current_fixing": 0.04})[Measure.PV] == pytest.approx(paid * (1.0 + 0.05 * 181 / 360), rel=1e-13)
    first = {**bond, "issue_date": "2025-11-20", "first_fixing": 0.07}
    assert measures(first)[Measure.PV] == pytest.approx(paid * (1.0 + 0.08 * 181 / 360), rel=1e-13)


def test_margin_steps_on_its_dates():
    last = day("2026-11-20")
    stepped = {**PLAIN, "maturity_date": "2026-11-20", "spread_dates": ["2026-05-20"], "spread_values": [0.03]}
    more = measures(stepped)[Measure.PV] - measures({**PLAIN, "maturity_date": "2026-11-20"})[Measure.PV]
    assert more == pytest.approx(1e6 * 0.02 * 184 / 360 * discount(EUR, last), rel=1e-9)


def test_rate_of_a_stub_lies_between_those_of_its_two_indices():
    """Two thirds of the way from three to six months, by days: the fixing is the same blend of both."""
    bond = {**PLAIN, "issue_date": "2026-01-12", "maturity_date": "2026-10-20", "first_coupon_date": "2026-06-22",
            "initial_stub_index": "EUR-EURIBOR-3M", "initial_stub_index_2": "EUR-EURIBOR-6M", "spread": 0.0}  # fmt: skip
    on_fixing_day = day("2026-01-08")
    days = np.array([on_fixing_day], np.int32)
    series = {name: FixingSeries(days, np.array([rate])) for name, rate in (("EUR-EURIBOR-3M", 0.02), ("EUR-EURIBOR-6M", 0.026))}
    only_first = {**bond, "maturity_date": "2026-06-22", "roll_rule": "BACKWARD", "first_coupon_date": None, "stub": "SHORT_INITIAL"}
    value = measures(only_first, replace(FLOATING_MARKET, fixings=Fixings(series)))[Measure.PV]
    share = (day("2026-06-22") - day("2026-04-13")) / (day("2026-07-13") - day("2026-04-13"))
    rate = (value / (1e6 * discount(EUR, day("2026-06-22"))) - 1.0) / (161 / 360)
    assert rate == pytest.approx(0.02 + share * 0.006, rel=1e-12)


def test_rates_of_the_parts_of_a_period_are_compounded():
    """Three months from 2025-11-20 at the rate fixed on the 18th, three from 2026-02-20 at that of the 18th; margin once or with each."""
    bond = {**PLAIN, "maturity_date": "2026-05-20", "index": "EUR-EURIBOR-3M", "rate_method": "SUBPERIOD_COMPOUNDED"}
    known = {f"day_{day('2025-11-18')}": 0.03, f"day_{day('2026-02-18')}": 0.04}
    market = replace(FLOATING_MARKET, fixings=fixings(**known))
    paid = 1e6 * discount(EUR, day("2026-05-20"))
    growth = (1.0 + 0.03 * 92 / 360) * (1.0 + 0.04 * 89 / 360)
    assert measures(bond, market)[Measure.PV] == pytest.approx(paid * (growth + 0.01 * 181 / 360), rel=1e-13)
    with_margin = (1.0 + 0.04 * 92 / 360) * (1.0 + 0.05 * 89 / 360)
    compounded = measures({**bond, "spread_compounding": "COMPOUNDED"}, market)
    assert compounded[Measure.PV] == pytest.approx(paid * with_margin, rel=1e-13)
    accrued = (1.0 + 0.04 * 92 / 360) * (1.0 + 0.05 * (AS_OF - day("2026-02-20")) / 360) - 1.0
    assert compounded[Measure.ACCRUED_INTEREST] == pytest.approx(100.0 * accrued, rel=1e-12)


def test_agreed_rate_of_the_first_part_leaves_the_other_parts_to_their_fixings():
    bond = {**PLAIN, "issue_date": "2025-11-20", "maturity_date": "2026-05-20", "index": "EUR-EURIBOR-3M", "first_fixing": 0.05,
            "rate_method": "SUBPERIOD_COMPOUNDED", "current_fixing": 0.02}  # fmt: skip
    growth = (1.0 + 0.05 * 92 / 360) * (1.0 + 0.02 * 89 / 360)
    paid = 1e6 * discount(EUR, day("2026-05-20"))
    assert measures(bond)[Measure.PV] == pytest.approx(paid * (growth + 0.01 * 181 / 360), rel=1e-13)
    accrued = (1.0 + 0.05 * 92 / 360) * (1.0 + 0.02 * (AS_OF - day("2026-02-20")) / 360) - 1.0 + 0.01 * (AS_OF - day("2025-11-20")) / 360
    assert measures(bond)[Measure.ACCRUED_INTEREST] == pytest.approx(100.0 * accrued, rel=1e-12)


def test_agreed_rate_of_an_overnight_period_has_its_margin():
    bond = {**PLAIN, "issue_date": "2026-02-20", "maturity_date": "2026-05-20", "frequency": "QUARTERLY", "index": "EUR-ESTR",
            "first_fixing": 0.03, "spread_compounding": "COMPOUNDED"}  # fmt: skip
    paid = 1e6 * discount(EUR, day("2026-05-20"))
    assert measures(bond)[Measure.PV] == pytest.approx(paid * (1.0 + 0.04 * 89 / 360), rel=1e-13)


def test_known_rate_is_rounded():
    bond = {**PLAIN, "maturity_date": "2026-05-20", "current_fixing": 0.0212349, "spread": 0.0}
    paid = 1e6 * discount(EUR, day("2026-05-20"))
    assert measures({**bond, "rate_rounding": 4})[Measure.PV] == pytest.approx(paid * (1.0 + 0.0212 * 181 / 360), rel=1e-14)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"index": "EURIBOR6M"}, RowStatus.MISSING_INDEX),
        ({"initial_stub_index": "EURIBOR1M"}, RowStatus.MISSING_INDEX),
        ({"index": "EU-HICPXT"}, RowStatus.INDEX_MISMATCH),
        ({"index": "USD-SOFR"}, RowStatus.INDEX_MISMATCH),
        ({"rate_method": "COMPOUNDED"}, RowStatus.INDEX_MISMATCH),
        ({"cap_rate": 0.05}, RowStatus.EMBEDDED_OPTION),
        ({"floor_rate": 0.0}, RowStatus.EMBEDDED_OPTION),
        ({"daily_floor": True}, RowStatus.EMBEDDED_OPTION),
        ({"fixing_in_arrears": True}, RowStatus.EMBEDDED_OPTION),
        ({"index": "EUR-ESTR", "rate_method": "SUBPERIOD_COMPOUNDED"}, RowStatus.INDEX_MISMATCH),
        ({"rate_method": "SUBPERIOD_COMPOUNDED", "reset_frequency": "ONCE"}, RowStatus.UNSUPPORTED_RATE_METHOD),
        ({"index": "EUR-ESTR", "spread_compounding": "FLAT"}, RowStatus.UNSUPPORTED_RATE_METHOD),
        ({"index": "EUR-ESTR", "current_fixing": 0.02}, RowStatus.UNSUPPORTED_RATE_METHOD),
        ({"index": "EUR-ESTR", "fixing_lag": 5}, RowStatus.UNSUPPORTED_RATE_METHOD),
        ({"lookback_days": 5}, RowStatus.UNSUPPORTED_RATE_METHOD),
        ({"index": "EUR-ESTR", "initial_stub_index": "EUR-EURIBOR-3M"}, RowStatus.INDEX_MISMATCH),
        ({"final_stub_index_2": "EUR-EURIBOR-3M"}, RowStatus.INDEX_MISMATCH),
        ({"gearing": np.nan}, RowStatus.INVALID_AMOUNT),
        ({"spread": np.inf}, RowStatus.INVALID_AMOUNT),
        ({"spread_dates": ["2027-05-20"]}, RowStatus.INVALID_AMOUNT),
        ({"spread_dates": ["2027-05-20", "2026-05-20"], "spread_values": [0.01, 0.02]}, RowStatus.INVALID_AMOUNT),
        ({"notional": 0.0}, RowStatus.INVALID_AMOUNT),
        ({"redemption": -1.0}, RowStatus.INVALID_AMOUNT),
        ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
        ({"fixing_calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
        ({"day_count": "BUS/252", "calendar": None}, RowStatus.INVALID_SCHEDULE),
        ({"issue_date": "2031-05-20"}, RowStatus.INVALID_DATES),
        ({"maturity_date": "2026-02-20"}, RowStatus.MATURED),
        ({"sinking_dates": ["2027-05-20"]}, RowStatus.INVALID_PRINCIPAL),
        ({"forecast_curve": "EUR-EONIA"}, RowStatus.MISSING_CURVE),
        ({"forecast_curve": "CORPORATE"}, RowStatus.MISSING_CURVE),
        ({"discount_curve": "USD"}, RowStatus.CURVE_CURRENCY_MISMATCH),
    ],
)
def test_unusable_terms_fail_the_row_alone(change, status):
    valuation = value_contracts(PRODUCT, floaters(FLOATER, {**FLOATER, **change}, FLOATER), market=FLOATING_MARKET)
    assert valuation.status.tolist() == [RowStatus.OK, status, RowStatus.OK]
    assert np.isnan(valuation.values[Measure.PV]).tolist() == [False, True, False]


def test_risk_is_that_of_bumped_markets():
    check_risk_is_that_of_bumped_markets(PRODUCT, FLOATERS, market=FLOATING_MARKET)


def test_scenarios_are_revaluations():
    check_scenarios_are_revaluations(PRODUCT, FLOATERS, market=FLOATING_MARKET)


@pytest.mark.parametrize("row", [OVERNIGHT_FLOATER, DOLLAR_FLOATER, LOOKBACK_FLOATER])
def test_theta_is_the_value_a_day_later_with_todays_forward_rate_as_its_fixing(row):
    """On Monday 2026-03-16, so that the rate runs for a day. The curves are flat: a day later they are the same."""
    flat = tuple(replace(curve, zero_rates=np.full_like(curve.zero_rates, 0.03)) for curve in FLOATING_MARKET.curves[:2])
    flat += tuple(replace(curve, zero_rates=np.full_like(curve.zero_rates, 0.04)) for curve in FLOATING_MARKET.curves[3:])
    market = replace(FLOATING_MARKET, curves=flat)
    overnight = (np.exp(0.04 / 365.0) - 1.0) * 360.0
    later = replace(market, as_of=AS_OF + 1, fixings=fixings(AS_OF + 1, **{f"day_{AS_OF}": overnight}))
    today = measures(row, market)
    assert today[Measure.THETA_1D] == pytest.approx(measures(row, later)[Measure.PV_BASE] - today[Measure.PV_BASE], abs=1e-7)


@pytest.mark.parametrize("bond", [OVERNIGHT_FLOATER, LOOKBACK_FLOATER, {**FLOATER, "index": "EUR-EURIBOR-3M", "frequency": "QUARTERLY"}])
def test_coupon_is_an_amount_under_the_fixings_of_the_day_on_which_it_is_paid(bond):
    """An explanation of P&L lowers for its first day with the fixings of its last one: what was paid in between is known."""
    lower = pricer(PRODUCT).lower
    assert lower is not None
    until = day("2026-08-20")
    flows = lower(floaters(bond), as_of=AS_OF, fixings=replace(fixings(until), through=until)).cashflows
    assert flows.flow_shape is not None
    rests_on_none = flows.flow_shape == flows.leg_shape[0]
    if flows.flow_special is not None:
        rests_on_none &= flows.flow_special < 0
    assert rests_on_none[flows.pay_day <= until].all()
    assert (flows.pay_day <= until).sum() == 2
    assert not rests_on_none[flows.pay_day > until].all()


@pytest.mark.parametrize("estimation", ["PAR", "INDEXED"])
def test_spread_of_the_models_price_is_the_contracts(estimation):
    """Also where the forward rate of a coupon ends after its payment."""
    bond = {**FLOATER, "credit_spread": 0.0125, "coupon_estimation": estimation, "payment_convention": "PRECEDING"}
    price = measures(bond)[Measure.CLEAN_PRICE]
    assert measures({**bond, "market_clean_price": price})[Measure.Z_SPREAD] == pytest.approx(0.0125, abs=1e-12)


def test_accrued_interest_and_prices():
    found = measures({**PLAIN, "current_fixing": 0.03})
    assert found[Measure.ACCRUED_INTEREST] == pytest.approx(100.0 * 0.04 * (AS_OF - day("2025-11-20")) / 360.0, rel=1e-14)
    assert found[Measure.DIRTY_PRICE] == pytest.approx(found[Measure.PV] / 1e4, rel=1e-14)
    assert found[Measure.CLEAN_PRICE] == found[Measure.DIRTY_PRICE] - found[Measure.ACCRUED_INTEREST]
    assert np.isnan(found[Measure.YIELD_TO_MATURITY])


def test_accrued_interest_of_overnight_rates_is_compounded_until_settlement():
    """Settlement on Wednesday 2026-03-18: the rates of the 16th and 17th are taken to be the one of the 13th."""
    rates = FLOATING_MARKET.fixings.series["EUR-ESTR"]
    rate_on = dict(zip(rates.days.tolist(), rates.values.tolist(), strict=True))
    growth, start = 1.0, day("2026-02-20")
    open_days = [start + offset for offset in range(26) if np.is_busday(np.datetime64(start + offset, "D"))]
    for today, following in zip(open_days, [*open_days[1:], day("2026-03-18")], strict=True):
        growth *= 1.0 + rate_on[min(today, day("2026-03-13"))] * (following - today) / 360.0
    expected = 100.0 * (growth - 1.0 + 0.01 * (day("2026-03-18") - start) / 360.0)
    assert measures({**OVERNIGHT_FLOATER, "settlement_lag": 2})[Measure.ACCRUED_INTEREST] == pytest.approx(expected, rel=1e-12)


def test_ex_coupon_interest_has_no_value_and_principal_has():
    bond = {**PLAIN, "maturity_date": "2026-03-20", "issue_date": "2025-09-22", "ex_coupon_days": 7, "calendar": "TARGET"}
    assert measures(bond)[Measure.PV] == pytest.approx(1e6 * discount(EUR, day("2026-03-20")), rel=1e-14)


def test_row_has_the_bits_that_it_has_alone():
    batch = value_contracts(PRODUCT, floaters(*FLOATERS * 2), market=FLOATING_MARKET)
    for number, row in enumerate(FLOATERS * 2):
        alone = valued(row)
        assert alone.values[Measure.PV][0] == batch.values[Measure.PV][number]
        assert alone.values[Measure.THETA_1D][0] == batch.values[Measure.THETA_1D][number]


def test_index_that_a_market_defines_is_used():
    own = replace(STANDARD_INDICES["EUR-EURIBOR-6M"], name="HOUSE-6M", forecast_curve="EUR-EURIBOR-6M")
    market = replace(FLOATING_MARKET, fixings=Fixings({}, {"HOUSE-6M": own}))
    bond = {**FLOATER, "index": "HOUSE-6M", "current_fixing": 0.02}
    assert measures(bond, market)[Measure.PV] == measures({**FLOATER, "current_fixing": 0.02})[Measure.PV]
    assert MARKET.fixings.index("HOUSE-6M") is None
