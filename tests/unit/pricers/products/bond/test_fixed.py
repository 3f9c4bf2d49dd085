import datetime
from dataclasses import replace

import numpy as np
import pytest

from pricers import Measure, RowStatus, pricer, value_contracts
from pricers.contract.columns import NO_DATE
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_day
from pricers.time.day_count import DAY_COUNTS
from pricers.time.schedule import FREQUENCIES, FREQUENCY_PER_YEAR
from tests.unit.pricers.examples import AS_OF, BOND, MARKET, SINKING_BOND, bonds

GILT = {
    **BOND,
    "frequency": "SEMIANNUAL",
    "calendar": "UK",
    "payment_convention": "UNADJUSTED",
    "ex_coupon_days": 7,
    "ex_coupon_calendar": "UK",
    "settlement_lag": 1,
}
PLAIN = {**BOND, "calendar": None, "payment_convention": "UNADJUSTED", "settlement_lag": 0}


def day(text):
    return to_day(datetime.date.fromisoformat(text))


def flows(contract, *, as_of=AS_OF):
    """Payment date -> (interest, principal), of a bond of face 100."""
    lower = pricer("FIXED_BOND").lower
    assert lower is not None
    cashflows = lower(bonds({**contract, "notional": 100.0}), as_of=as_of, fixings=NO_FIXINGS).cashflows
    dates = cashflows.pay_day.astype("datetime64[D]").astype(str).tolist()
    interest = (cashflows.amount - cashflows.principal).round(10).tolist()
    return list(zip(dates, interest, cashflows.principal.tolist(), strict=True))


def market_on(as_of):
    return replace(MARKET, as_of=as_of)


def measures(contract, *, as_of=AS_OF):
    valuation = value_contracts("FIXED_BOND", bonds(contract), market=market_on(as_of))
    assert valuation.status.tolist() == [RowStatus.OK]
    return {measure: values[0] for measure, values in valuation.values.items()}


def test_coupons_and_redemption_of_a_plain_bond():
    contract = {**PLAIN, "maturity_date": "2028-05-20", "coupon_rate": 0.04}
    assert flows(contract) == [("2026-05-20", 4.0, 0.0), ("2027-05-20", 4.0, 0.0), ("2028-05-20", 4.0, 100.0)]


def test_payment_falls_on_a_business_day_after_its_lag():
    contract = {**PLAIN, "maturity_date": "2027-05-01", "calendar": "TARGET", "payment_convention": "FOLLOWING", "issue_date": "2025-05-01"}
    assert [date for date, *_ in flows(contract)] == ["2026-05-04", "2027-05-03"]  # 1 May is a TARGET holiday
    assert [date for date, *_ in flows({**contract, "payment_lag": 2})] == ["2026-05-05", "2027-05-04"]


def test_sinking_bond_pays_interest_on_what_is_outstanding():
    contract = {**PLAIN, "maturity_date": "2029-05-20", "coupon_rate": 0.10, "redemption": 102.0,
                "sinking_dates": ["2026-05-20", "2027-12-01"], "sinking_amounts": [20.0, 30.0]}  # fmt: skip
    assert flows(contract) == [
        ("2026-05-20", 10.0, 20.0),
        ("2027-05-20", 8.0, 0.0),
        ("2028-05-20", 8.0, 30.0),  # the period that 2027-12-01 falls into
        ("2029-05-20", 5.0, 51.0),
    ]


def test_amount_sunk_in_the_last_period_is_repaid_at_par():
    contract = {**PLAIN, "maturity_date": "2027-05-20", "redemption": 102.0, "sinking_dates": ["2026-12-01"], "sinking_amounts": [40.0]}
    assert flows(contract) == [("2026-05-20", 3.5, 0.0), ("2027-05-20", 3.5, 101.2)]


@pytest.mark.parametrize("frequency", FREQUENCIES)
def test_single_coupon_counts_its_whole_period_whatever_the_frequency(frequency):
    contract = {**PLAIN, "maturity_date": "2027-05-20", "roll_rule": "ZERO", "frequency": frequency}
    assert flows(contract) == [("2027-05-20", 10.5, 100.0)]  # three years by ACT/ACT ICMA


def test_last_coupon_that_the_calendar_lengthens_to_maturity_is_no_whole_one():
    """2026-05-15 goes to the month end, a Sunday, and so onto maturity; the 32 days left are a month by QuantLib's ActualActual(ISMA)."""
    contract = {**PLAIN, "issue_date": "2025-01-31", "penultimate_coupon_date": "2026-05-15", "maturity_date": "2026-06-01",
                "frequency": "QUARTERLY", "coupon_rate": 0.12, "roll_rule": "FORWARD", "end_of_month": True, "calendar": "WEEKENDS_ONLY",
                "accrual_convention": "FOLLOWING"}  # fmt: skip
    assert flows(contract) == [("2026-04-30", 3.0, 0.0), ("2026-06-01", 1.0, 100.0)]


def test_bond_sunk_in_full_ends_early():
    contract = {**PLAIN, "sinking_dates": ["2027-05-20"], "sinking_amounts": [100.0]}
    assert [(date, principal) for date, _, principal in flows(contract)] == [("2026-05-20", 0.0), ("2027-05-20", 100.0)]
    market = type(MARKET)(day("2028-01-03"), "EUR", MARKET.curves, {})
    later = value_contracts("FIXED_BOND", bonds({**contract, "notional": 100.0}), market=market)
    assert later.status.tolist() == [RowStatus.MATURED]


def test_weighted_average_life_weighs_the_principal():
    life = measures({**SINKING_BOND, "payment_convention": "UNADJUSTED"})[Measure.WEIGHTED_AVERAGE_LIFE]
    times = np.array([day("2027-05-20"), day("2029-05-20"), day("2033-05-20")]) - AS_OF
    assert life == pytest.approx(times @ np.array([0.1, 0.4, 0.5]) / 365.0, rel=1e-14)


def test_zero_coupon_bond_is_its_discount_factor():
    contract = {**PLAIN, "coupon_rate": 0.0, "frequency": "ONCE", "roll_rule": "ZERO", "maturity_date": "2028-03-15"}
    numbers = measures(contract)
    assert numbers[Measure.PV] == pytest.approx(1e6 * np.exp(-0.024 * 2.0), rel=1e-14)
    assert numbers[Measure.MACAULAY_DURATION] == pytest.approx(2.0, abs=0.01)


def test_bond_at_par_yields_its_coupon():
    numbers = measures({**PLAIN, "market_clean_price": 100.0, "day_count": "30E/360"}, as_of=day("2026-05-20"))
    assert numbers[Measure.ACCRUED_INTEREST] == 0.0
    assert numbers[Measure.YIELD_TO_MATURITY] == pytest.approx(0.035, abs=1e-13)


def test_price_of_the_model_yields_what_the_price_given_back_yields():
    model = measures(BOND)
    quoted = measures({**BOND, "market_clean_price": model[Measure.CLEAN_PRICE]})
    for measure in (Measure.YIELD_TO_MATURITY, Measure.MODIFIED_DURATION, Measure.CONVEXITY, Measure.Z_SPREAD):
        assert quoted[measure] == pytest.approx(model[measure], rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("day_count", DAY_COUNTS)
def test_price_made_from_a_yield_gives_the_yield_back(frequency, day_count):
    """The price is Σ amount × (1 + y/N)^(-N t), with N the payments a year (1 for a single one) and t as the yield counts time."""
    contract = {**BOND, "frequency": frequency, "day_count": day_count, "maturity_date": "2027-05-20", "issue_date": "2025-05-20"}
    lower = pricer("FIXED_BOND").lower
    assert lower is not None
    terms, amounts = (found := lower(bonds(contract), as_of=AS_OF, fixings=NO_FIXINGS)).price_terms, found.cashflows.amount
    assert terms is not None
    received = slice(terms.first_flow[0], None)
    per_year = max(FREQUENCY_PER_YEAR[FREQUENCIES.index(frequency)], 1.0)
    for rate in (-0.02, 0.0, 0.035, 0.8):
        worth = np.sum(amounts[received] * (1.0 + rate / per_year) ** (-per_year * terms.yield_time[received]))
        quoted = measures({**contract, "market_clean_price": 100.0 * worth / terms.outstanding[0] - terms.accrued[0]})
        assert quoted[Measure.YIELD_TO_MATURITY] == pytest.approx(rate, abs=1e-12)


@pytest.mark.parametrize("redemption", [100.0, 0.0])
def test_short_position_has_mirrored_amounts_and_the_same_prices(redemption):
    contract = {**BOND, "redemption": redemption}
    long, short = measures(contract), measures({**contract, "notional": -BOND["notional"]})
    for measure in (Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.CS01, Measure.THETA_1D):
        assert short[measure] == -long[measure]
    for measure in (
        Measure.CLEAN_PRICE,
        Measure.YIELD_TO_MATURITY,
        Measure.MODIFIED_DURATION,
        Measure.CONVEXITY,
        Measure.WEIGHTED_AVERAGE_LIFE,
    ):
        np.testing.assert_equal(short[measure], long[measure])  # without a redemption there is no life


@pytest.mark.parametrize("as_of", ["2026-05-08", "2026-05-11"])
def test_coupon_trading_ex_belongs_to_the_seller(as_of):
    """Seven business days before Wednesday 2026-05-20 is Monday 2026-05-11: the ex-coupon date."""
    is_ex = as_of == "2026-05-11"
    assert (flows(GILT, as_of=day(as_of))[0][0] == "2026-05-20") is not is_ex
    accrued = measures(GILT, as_of=day(as_of))[Measure.ACCRUED_INTEREST]
    settlement = day(as_of) + (3 if as_of == "2026-05-08" else 1)
    assert accrued == pytest.approx(-1.75 * (day("2026-05-20") - settlement) / 181.0, rel=1e-12)  # ex at settlement on both dates


def test_principal_paid_with_an_ex_coupon_is_still_received():
    contract = {**GILT, "sinking_dates": ["2026-05-20"], "sinking_amounts": [40.0], "settlement_lag": 1}
    before = flows(contract, as_of=day("2026-05-08"))  # ex at settlement only: present value has the coupon, the price has not
    assert before[:2] == [("2026-05-20", 1.75, 0.0), ("2026-05-20", 0.0, 40.0)]
    assert flows(contract, as_of=day("2026-05-11"))[0] == ("2026-05-20", 0.0, 40.0)


def test_unissued_bond_settles_on_its_issue_date():
    contract = {**PLAIN, "issue_date": "2026-09-01", "maturity_date": "2030-09-01"}
    numbers = measures(contract)
    assert numbers[Measure.ACCRUED_INTEREST] == 0.0
    growth = np.exp(np.interp(day("2026-09-01") - AS_OF, [91, 365], [0.021, 0.022]) * (day("2026-09-01") - AS_OF) / 365.0)
    assert numbers[Measure.DIRTY_PRICE] == pytest.approx(numbers[Measure.PV] / 1e4 * growth, rel=1e-12)


def test_z_spread_of_a_quoted_bond_recovers_the_spread_that_made_its_price():
    price = measures({**BOND, "credit_spread": 0.0125})[Measure.CLEAN_PRICE]
    assert measures({**BOND, "market_clean_price": price})[Measure.Z_SPREAD] == pytest.approx(0.0125, abs=1e-12)


def test_price_without_a_yield_keeps_its_value_and_says_so():
    """From the 30th to the 31st no time passes on 30E/360, so no yield moves the price."""
    contract = {**PLAIN, "day_count": "30E/360", "maturity_date": "2026-05-31", "issue_date": "2025-05-31", "market_clean_price": 99.0}
    valuation = value_contracts("FIXED_BOND", bonds(contract), market=market_on(day("2026-05-30")))
    assert valuation.status.tolist() == [RowStatus.OK]
    assert valuation.values[Measure.PV][0] > 0.0
    assert np.isnan(valuation.values[Measure.YIELD_TO_MATURITY][0])
    assert "no yield reproduces the price" in valuation.messages[0]


def test_bond_in_a_long_first_coupon_that_is_paid_after_a_weekend_has_a_yield():
    """14 November 2026 is a Saturday: the coupon is paid two days past its period, of which the start lies before the quasi-coupon."""
    life = {"issue_date": "2025-09-01", "first_coupon_date": "2026-11-14", "maturity_date": "2030-11-14"}
    on_saturday = {**PLAIN, **life}
    on_monday = {**on_saturday, "payment_convention": "FOLLOWING", "calendar": "TARGET"}
    before, after = (measures(contract, as_of=day("2026-01-15"))[Measure.YIELD_TO_MATURITY] for contract in (on_saturday, on_monday))
    assert after == pytest.approx(before, abs=1e-5)
    lower = pricer("FIXED_BOND").lower
    assert lower is not None
    terms = lower(bonds(on_monday), as_of=day("2026-01-15"), fixings=NO_FIXINGS).price_terms
    assert terms is not None
    # To the coupon's end within its annual quasi-coupon, then to Monday within the next.
    assert terms.yield_time[0] == pytest.approx(303 / 365 + 2 / 365, rel=1e-14)


@pytest.mark.parametrize(
    ("terms", "status"),
    [
        ({"maturity_date": "2026-03-16", "calendar": None}, RowStatus.MATURED),
        ({"issue_date": "2034-01-01"}, RowStatus.INVALID_DATES),
        ({"issue_date": NO_DATE + 0, "maturity_date": "2030-01-01"}, RowStatus.INVALID_DATES),
        ({"first_coupon_date": "2034-01-01"}, RowStatus.INVALID_DATES),
        ({"maturity_date": "2160-01-01"}, RowStatus.DATE_OUT_OF_RANGE),
        ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
        ({"settlement_calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
        ({"ex_coupon_calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
        ({"day_count": "BUS/252", "calendar": None}, RowStatus.INVALID_SCHEDULE),
        ({"stub": "LONG_FINAL"}, RowStatus.INVALID_SCHEDULE),
        ({"payment_lag": -1}, RowStatus.INVALID_SCHEDULE),
        (  # ex-coupon for longer than a coupon period, with principal paid between coupons that are ex
            {"frequency": "WEEKLY", "ex_coupon_days": 9, "settlement_lag": 3, "sinking_dates": ["2026-03-20"], "sinking_amounts": [1e5]},
            RowStatus.INVALID_SCHEDULE,
        ),
        ({"notional": 0.0}, RowStatus.INVALID_AMOUNT),
        ({"notional": np.inf}, RowStatus.INVALID_AMOUNT),
        ({"coupon_rate": np.inf}, RowStatus.INVALID_AMOUNT),
        ({"redemption": -1.0}, RowStatus.INVALID_AMOUNT),
        ({"market_clean_price": 0.0}, RowStatus.INVALID_AMOUNT),
        ({"sinking_dates": ["2027-05-20"], "sinking_amounts": []}, RowStatus.INVALID_PRINCIPAL),
        ({"sinking_dates": ["2027-05-20"], "sinking_amounts": [2e6]}, RowStatus.INVALID_PRINCIPAL),
        ({"sinking_dates": ["2027-05-20"], "sinking_amounts": [-1.0]}, RowStatus.INVALID_PRINCIPAL),
        ({"sinking_dates": ["2040-05-20"], "sinking_amounts": [1.0]}, RowStatus.INVALID_PRINCIPAL),
        ({"sinking_dates": ["2028-05-20", "2027-05-20"], "sinking_amounts": [1.0, 1.0]}, RowStatus.INVALID_PRINCIPAL),
    ],
)
def test_unusable_bond_has_a_status_and_leaves_its_neighbours_alone(terms, status):
    valuation = value_contracts("FIXED_BOND", bonds(BOND, {**BOND, **terms}, BOND), market=MARKET)
    assert valuation.status.tolist() == [RowStatus.OK, status, RowStatus.OK]
    alone = value_contracts("FIXED_BOND", bonds(BOND), market=MARKET)
    for measure, values in valuation.values.items():
        assert np.isnan(values[1])
        np.testing.assert_array_equal(values[[0, 2]], alone.values[measure][[0, 0]])


def test_huge_numbers_stay_in_their_row():
    valuation = value_contracts("FIXED_BOND", bonds({**BOND, "notional": 1e300, "coupon_rate": 1e12}, BOND), market=MARKET)
    assert valuation.status.tolist() == [RowStatus.NOT_FINITE, RowStatus.OK]


def test_value_scales_with_the_notional():
    one, ten = measures(BOND), measures({**BOND, "notional": 10.0 * BOND["notional"]})
    for measure in (Measure.PV, Measure.DV01):
        assert ten[measure] == pytest.approx(10.0 * one[measure], rel=1e-13)
    assert ten[Measure.CLEAN_PRICE] == pytest.approx(one[Measure.CLEAN_PRICE], rel=1e-13)
