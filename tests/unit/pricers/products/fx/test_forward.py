import datetime
from dataclasses import replace

import numpy as np
import pytest

from pricers import Fixings, FixingSeries, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.curves import discount_factors
from pricers.products.fx.forward import lower
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_date, to_day
from tests.unit.pricers.examples import AS_OF, EUR, MARKET, USD

FORWARD = {
    "base_currency": "EUR",
    "quote_currency": "USD",
    "notional": 1_000_000.0,
    "contract_rate": 1.08,
    "delivery_date": "2027-03-16",
    "base_discount_curve": "EUR",
    "quote_discount_curve": "USD",
}
SPOT = 1.0 / MARKET.fx_to_base["USD"]
NDF = {**FORWARD, "settlement_type": "NON_DELIVERABLE"}
BY_TENOR = {**FORWARD, "delivery_date": None, "trade_date": "2026-03-13", "calendar": "TARGET+US_FED"}
BAD = [
    ({"delivery_date": None}, RowStatus.INVALID_DATES),
    ({"delivery_date": None, "tenor": "3M"}, RowStatus.INVALID_DATES),
    ({"delivery_date": None, "trade_date": "2026-03-13", "tenor": "three months"}, RowStatus.INVALID_DATES),
    ({"trade_date": "2027-03-17"}, RowStatus.INVALID_DATES),
    ({"trade_date": "2026-03-13", "spot_date": "2026-03-12"}, RowStatus.INVALID_DATES),
    ({"fixing_date": "2027-03-17"}, RowStatus.INVALID_DATES),
    ({"delivery_date": "2199-01-01"}, RowStatus.DATE_OUT_OF_RANGE),
    ({"calendar": "MARS"}, RowStatus.INVALID_SCHEDULE),
    ({"delivery_date": "2026-03-15"}, RowStatus.MATURED),
    ({"contract_rate": None}, RowStatus.INVALID_AMOUNT),
    ({"contract_rate": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"contract_rate": -1.1}, RowStatus.INVALID_AMOUNT),
    ({"contract_rate": float("inf")}, RowStatus.INVALID_AMOUNT),
    ({"quote_amount": 1_080_010.0}, RowStatus.INVALID_AMOUNT),
    ({"quote_amount": -1_080_000.0}, RowStatus.INVALID_AMOUNT),
    ({"notional": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"notional": float("nan")}, RowStatus.INVALID_AMOUNT),
    ({"notional": 1e308, "contract_rate": 1e10}, RowStatus.INVALID_AMOUNT),
    ({"quote_currency": "EUR"}, RowStatus.INVALID_AMOUNT),
    ({"fixing_rate": 0.0}, RowStatus.INVALID_AMOUNT),
    ({"base_discount_curve": "NOWHERE"}, RowStatus.MISSING_CURVE),
    ({"base_discount_curve": "USD"}, RowStatus.CURVE_CURRENCY_MISMATCH),
    ({"base_currency": "CHF"}, RowStatus.MISSING_FX),
]


def day(text):
    return to_day(datetime.date.fromisoformat(text))


def forwards(*rows):
    return contracts_of(pricer("FX_FWD").columns, list(rows))


def valued(*rows, as_of=AS_OF):
    return value_contracts("FX_FWD", forwards(*rows), market=replace(MARKET, as_of=as_of))


def pv(contract, *, as_of=AS_OF):
    valuation = valued(contract, as_of=as_of)
    assert valuation.status.tolist() == [RowStatus.OK]
    return valuation.values[Measure.PV][0]


def flows(contract, *, as_of=AS_OF):
    """[(leg, payment date, amount)]"""
    cashflows = lower(forwards(contract), as_of=as_of, fixings=NO_FIXINGS).cashflows
    leg = np.repeat(np.arange(2), np.diff(cashflows.flow_offsets))
    dates = [str(to_date(pay_day)) for pay_day in cashflows.pay_day]
    return list(zip(leg.tolist(), dates, cashflows.amount.tolist(), strict=True))


def test_forward_at_the_fair_rate_is_worth_nothing():
    days = np.array([365])
    fair_rate = float(SPOT * discount_factors(EUR, days=days)[0] / discount_factors(USD, days=days)[0])
    assert pv({**FORWARD, "contract_rate": fair_rate}) == pytest.approx(0.0, abs=1e-9)
    assert pv({**FORWARD, "contract_rate": fair_rate * 0.99}) > 0.0  # buying euros below the market


def test_legs_are_discounted_on_their_own_curves_and_base_is_converted_at_todays_rate():
    expected = 1_000_000.0 * (SPOT * np.exp(-0.022) - 1.08 * np.exp(-(0.022 + 0.015)))
    assert pv(FORWARD) == pytest.approx(expected, rel=1e-12)


def test_selling_is_the_negative_of_buying_and_value_scales_with_notional():
    assert pv({**FORWARD, "notional": -1_000_000.0}) == -pv(FORWARD)
    assert pv({**FORWARD, "notional": 3_000_000.0}) == pytest.approx(3.0 * pv(FORWARD), rel=1e-12)


def test_the_same_exchange_seen_from_the_other_currency_has_the_same_base_value():
    mirrored = {**FORWARD, "base_currency": "USD", "quote_currency": "EUR", "notional": -1_080_000.0, "contract_rate": 1.0 / 1.08,
                "base_discount_curve": "USD", "quote_discount_curve": "EUR"}  # fmt: skip
    in_base = valued(FORWARD, mirrored).values[Measure.PV_BASE]
    assert in_base[1] == pytest.approx(in_base[0], rel=1e-12)


def test_rate_amount_or_both_give_the_same_flows():
    by_amount = {**FORWARD, "contract_rate": None, "quote_amount": 1_080_000.0}
    assert flows(by_amount) == flows(FORWARD) == [(0, "2027-03-16", 1_000_000.0), (1, "2027-03-16", -1_080_000.0)]
    assert flows({**FORWARD, "quote_amount": 1_080_000.5})[1] == (
        1,
        "2027-03-16",
        -1_080_000.5,
    )  # the rounded ticket amount is what is paid
    assert flows({**by_amount, "notional": -1_000_000.0})[1] == (1, "2027-03-16", 1_080_000.0)


def test_delivery_today_is_on_the_books_at_zero_and_delivery_yesterday_is_matured():
    today, yesterday = {**FORWARD, "delivery_date": "2026-03-16"}, {**FORWARD, "delivery_date": "2026-03-15"}
    valuation = valued(today, yesterday)
    assert valuation.status.tolist() == [RowStatus.OK, RowStatus.MATURED]
    assert valuation.values[Measure.PV][0] == 0.0
    assert valuation.values[Measure.DV01][0] == 0.0
    assert np.isnan(valuation.values[Measure.PV][1])


def test_delivery_tomorrow_loses_no_cash_overnight():
    tomorrow = {**FORWARD, "delivery_date": "2026-03-17"}
    cash_in_base = 1_000_000.0 - 1_080_000.0 * MARKET.fx_to_base["USD"]
    valuation = valued(tomorrow)
    assert valuation.values[Measure.THETA_1D][0] == pytest.approx(cash_in_base - valuation.values[Measure.PV_BASE][0], abs=1e-6)


@pytest.mark.parametrize(
    ("terms", "delivery"),
    [
        ({"tenor": "ON"}, "2026-03-16"),  # Friday to Monday
        ({"tenor": "TN"}, "2026-03-17"),
        ({"tenor": "SN"}, "2026-03-18"),  # spot is Tuesday the 17th
        ({"tenor": "1W"}, "2026-03-24"),
        ({"tenor": "2w"}, "2026-03-31"),
        ({"tenor": "1M"}, "2026-04-17"),
        ({"tenor": "2M"}, "2026-05-18"),  # the 17th is a Sunday
        ({"tenor": "3M", "spot_lag": 1}, "2026-06-16"),
        ({"tenor": "1M", "spot_date": "2026-03-31"}, "2026-04-30"),  # month end to month end
        ({"tenor": "1M", "spot_date": "2026-04-30"}, "2026-05-29"),  # the 30th and 31st are a weekend: back into May
        ({"tenor": "1Y", "spot_date": "2026-03-18", "trade_date": None}, "2027-03-18"),
        ({"tenor": "1M", "delivery_date": "2026-04-20"}, "2026-04-20"),  # an agreed date wins
    ],
)
def test_tenor_gives_the_markets_delivery_date(terms, delivery):
    as_of = day("2026-03-13")
    assert [date for _, date, _ in flows({**BY_TENOR, **terms}, as_of=as_of)] == [delivery, delivery]


@pytest.mark.parametrize(
    ("terms", "delivery"),
    [
        ({"tenor": "1M"}, "2024-08-05"),
        ({"tenor": "1M", "calendar": "US_FED+TARGET"}, "2024-08-05"),
        ({"tenor": "1M", "calendar": "US_FED"}, "2024-08-05"),  # of the other currency only the weekends are known
        ({"tenor": "ON"}, "2024-07-05"),
        ({"tenor": "TN"}, "2024-07-05"),
        ({"tenor": "SN"}, "2024-07-08"),
        ({"tenor": "1M", "spot_lag": 0, "trade_date": "2024-07-04"}, "2024-08-05"),
        ({"tenor": "1M", "spot_lag": 1}, "2024-08-05"),
        ({"tenor": "1M", "trade_date": "2024-07-02"}, "2024-08-05"),  # the holiday would be the spot date
        ({"tenor": "1M", "trade_date": "2024-04-30"}, "2024-06-03"),  # 1 May is a holiday of the euro and counts
        ({"tenor": "1M", "quote_currency": "JPY", "calendar": "TARGET+JP", "trade_date": "2024-07-02"}, "2024-08-05"),
        ({"tenor": "1M", "quote_currency": "JPY", "calendar": "WEEKENDS_ONLY", "trade_date": "2024-07-02"}, "2024-08-05"),
        ({"tenor": "1M", "quote_currency": "JPY", "calendar": None, "trade_date": "2024-07-02"}, "2024-08-04"),
        ({"tenor": "1M", "quote_currency": "MXN", "calendar": "TARGET+MX"}, "2024-08-08"),
    ],
)
def test_us_holiday_delays_spot_only_on_the_spot_date(terms, delivery):
    """4 July 2024, a Thursday; the batch mixes calendars, so that the test shows that each row follows its own."""
    row = {**BY_TENOR, "trade_date": "2024-07-03", **terms}
    pay_days = lower(
        forwards({**row, "calendar": "UK+TARGET", "tenor": "1M"}, row), as_of=day("2024-04-30"), fixings=NO_FIXINGS
    ).cashflows.pay_day
    assert [str(to_date(pay_day)) for pay_day in pay_days[2:]] == [delivery, delivery]


def test_fixing_date_counts_the_days_of_the_other_currency():
    """Two days of Seoul before Friday 5 July 2024 is the 3rd; US Independence Day does not count."""
    ndf = {**NDF, "base_currency": "USD", "quote_currency": "KRW", "delivery_date": "2024-07-05", "calendar": "KR+US_FED"}
    contracts = forwards(ndf)
    assert lower(contracts, as_of=day("2024-07-03"), fixings=NO_FIXINGS).status.tolist() == [RowStatus.OK]
    assert lower(contracts, as_of=day("2024-07-04"), fixings=NO_FIXINGS).status.tolist() == [RowStatus.INVALID_AMOUNT]  # the fixing is due


def test_non_deliverable_before_its_fixing_is_worth_what_the_deliverable_is():
    for settlement_currency in ("BASE", "QUOTE"):
        assert pv({**NDF, "settlement_currency": settlement_currency}) == pv(FORWARD)
    assert pv({**NDF, "fixing_date": "2027-03-10", "fixing_rate": 1.2}) == pv(FORWARD)  # tomorrow's knowledge is not used today


def test_non_deliverable_after_its_fixing_pays_the_net_amount_in_the_settlement_currency():
    fixed = {**NDF, "fixing_date": "2026-03-13", "fixing_rate": 1.2, "delivery_date": "2026-03-17"}
    assert flows({**fixed, "settlement_currency": "QUOTE"}) == [(1, "2026-03-17", pytest.approx(1e6 * (1.2 - 1.08)))]
    assert flows({**fixed, "settlement_currency": "BASE"}) == [(0, "2026-03-17", pytest.approx(1e6 * (1.0 - 1.08 / 1.2)))]
    in_quote = valued({**fixed, "settlement_currency": "QUOTE"})
    assert in_quote.values[Measure.PV][0] * MARKET.fx("USD") == pytest.approx(in_quote.values[Measure.PV_BASE][0])


def test_non_deliverable_needs_its_fixing_from_the_day_after_the_fixing_date():
    unfixed = {**NDF, "delivery_date": "2026-03-18", "calendar": "TARGET+US_FED"}  # fixes on the 16th, two business days before
    assert valued(unfixed).status.tolist() == [RowStatus.OK]
    assert valued(unfixed, as_of=AS_OF + 1).status.tolist() == [RowStatus.INVALID_AMOUNT]
    assert valued({**unfixed, "fixing_rate": 1.09}, as_of=AS_OF + 1).status.tolist() == [RowStatus.OK]


INDEXED = {**NDF, "delivery_date": "2026-03-18", "calendar": "TARGET+US_FED", "fixing_index": "EUR-USD-ECB"}


def published(**values):
    """The market with values of EUR-USD-ECB by date."""
    days = {day(date.replace("_", "-")[1:]): value for date, value in values.items()}
    series = FixingSeries(np.array(sorted(days), np.int32), np.array([days[key] for key in sorted(days)]))
    return Fixings({"EUR-USD-ECB": series, "USD-BRL-PTAX": series})


def priced(contract, *, as_of, fixings):
    valuation = value_contracts("FX_FWD", forwards(contract), market=replace(MARKET, as_of=as_of, fixings=fixings))
    return RowStatus(valuation.status[0]), valuation.values[Measure.PV][0]


@pytest.mark.parametrize("settlement_currency", ["BASE", "QUOTE"])
def test_index_gives_the_fixing_of_a_non_deliverable(settlement_currency):
    contract = {**INDEXED, "settlement_currency": settlement_currency}
    by_rate = pv({**contract, "fixing_rate": 1.2}, as_of=AS_OF + 1)
    assert priced(contract, as_of=AS_OF + 1, fixings=published(d2026_03_16=1.2, d2026_03_17=9.9)) == (RowStatus.OK, by_rate)
    inverse = {**contract, "base_currency": "USD", "quote_currency": "EUR", "base_discount_curve": "USD", "quote_discount_curve": "EUR"}
    expected = pv({**inverse, "fixing_rate": 1.0 / 1.2}, as_of=AS_OF + 1)
    assert priced(inverse, as_of=AS_OF + 1, fixings=published(d2026_03_16=1.2)) == (RowStatus.OK, expected)


def test_rate_of_the_contract_counts_before_the_index():
    contract = {**INDEXED, "fixing_rate": 1.15}
    assert priced(contract, as_of=AS_OF + 1, fixings=published(d2026_03_16=1.2)) == (RowStatus.OK, pv(contract, as_of=AS_OF + 1))


def test_fixing_of_today_counts_once_published_and_a_past_one_must_be_published():
    deliverable = pv({**FORWARD, "delivery_date": "2026-03-18"})
    assert priced(INDEXED, as_of=AS_OF, fixings=NO_FIXINGS) == (RowStatus.OK, deliverable)
    assert priced(INDEXED, as_of=AS_OF - 3, fixings=published(d2026_03_16=1.2))[1] == pv(
        {**FORWARD, "delivery_date": "2026-03-18"}, as_of=AS_OF - 3
    )  # tomorrow's knowledge is not used today
    assert priced(INDEXED, as_of=AS_OF, fixings=published(d2026_03_16=1.2))[1] == pytest.approx(1e6 * (1.2 - 1.08), rel=1e-3)
    assert priced(INDEXED, as_of=AS_OF + 1, fixings=published(d2026_03_13=1.2))[0] == RowStatus.MISSING_FIXING
    assert priced({**INDEXED, "settlement_type": "DELIVERABLE"}, as_of=AS_OF + 1, fixings=NO_FIXINGS)[0] == RowStatus.OK


def test_fixing_published_through_a_later_day_settles_the_forward_as_of_an_earlier_one():
    """What was paid between two dates is found by lowering for the earlier one with the fixings through the later one."""
    contract, fixings = forwards(INDEXED), published(d2026_03_16=1.2)
    before = lower(contract, as_of=AS_OF - 3, fixings=fixings).cashflows.amount
    settled = lower(contract, as_of=AS_OF - 3, fixings=replace(fixings, through=AS_OF)).cashflows.amount
    np.testing.assert_array_equal(settled, lower(contract, as_of=AS_OF, fixings=fixings).cashflows.amount)
    assert settled.tolist() != before.tolist()
    unseen = lower(contract, as_of=AS_OF - 3, fixings=replace(fixings, through=AS_OF - 1)).cashflows.amount
    np.testing.assert_array_equal(unseen, before)


def test_index_fixes_by_its_own_lag_and_calendar_unless_the_contract_says_when():
    brl = {**INDEXED, "base_currency": "USD", "quote_currency": "BRL", "fixing_index": "USD-BRL-PTAX", "calendar": None}
    friday = day("2026-04-17")  # two business days of Brazil before Wednesday 22 April: Tuesday is Tiradentes
    contracts, lowered = forwards({**brl, "delivery_date": "2026-04-22"}), {}
    for as_of in (friday, friday + 1):
        lowered[as_of] = lower(contracts, as_of=as_of, fixings=NO_FIXINGS).status.tolist()
    assert lowered == {friday: [RowStatus.OK], friday + 1: [RowStatus.MISSING_FIXING]}
    given = forwards({**brl, "delivery_date": "2026-04-22", "fixing_date": "2026-04-20"})
    assert lower(given, as_of=friday + 3, fixings=NO_FIXINGS).status.tolist() == [RowStatus.OK]


@pytest.mark.parametrize(
    ("index", "status"),
    [("EUR-USD-NOBODY", RowStatus.MISSING_INDEX), ("USD-SOFR", RowStatus.INDEX_MISMATCH), ("EUR-GBP-ECB", RowStatus.INDEX_MISMATCH)],
)
def test_index_that_does_not_publish_the_pair_is_refused(index, status):
    assert priced({**INDEXED, "fixing_index": index}, as_of=AS_OF, fixings=NO_FIXINGS)[0] == status


@pytest.mark.parametrize(("fault", "status"), BAD, ids=[f"{status.name}-{number}" for number, (_, status) in enumerate(BAD)])
def test_bad_forward_is_flagged_and_its_neighbours_are_untouched(fault, status):
    alone = valued(FORWARD, NDF)
    mixed = valued(FORWARD, {**FORWARD, **fault}, NDF)
    assert mixed.status.tolist() == [RowStatus.OK, status, RowStatus.OK]
    for measure, values in mixed.values.items():
        assert np.isnan(values[1])
        np.testing.assert_array_equal(values[[0, 2]], alone.values[measure])


def test_every_row_of_a_batch_equals_the_same_forward_alone():
    rows = [FORWARD, NDF, {**BY_TENOR, "tenor": "5Y"}, {**FORWARD, "notional": -7.5e5, "delivery_date": "2051-01-02"}]
    together = valued(*rows)
    for i, row in enumerate(rows):
        alone = valued(row)
        for measure, values in together.values.items():
            np.testing.assert_array_equal(values[i : i + 1], alone.values[measure])


def test_prices_and_credit_measures_do_not_apply():
    valuation = valued(FORWARD)
    assert all(np.isnan(valuation.values[measure][0]) for measure in (Measure.CLEAN_PRICE, Measure.YIELD_TO_MATURITY, Measure.CS01))


def test_empty_batch_has_no_rows():
    assert valued().values[Measure.PV].size == 0
