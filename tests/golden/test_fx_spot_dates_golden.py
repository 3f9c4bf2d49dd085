"""Published spot dates of currency pairs, of a market's quotes and of forwards: see SOURCES.md."""

import csv
from datetime import date
from pathlib import Path

import pytest

from pricers import contracts_of, pricer
from pricers.products.fx.forward import lower
from pricers.registry import NO_FIXINGS
from pricers.time.dates import to_date, to_day
from riskray.market.fx import spot_day
from riskray.models.market_data import FxSpot

with (Path(__file__).parent / "fx_spot_dates.csv").open(newline="") as file:
    CASES = list(csv.DictReader(file))
of_every_case = pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case['pair']}-{case['case']}" for i, case in enumerate(CASES, start=2)])


@of_every_case
def test_spot_date_of_a_quote_is_the_published_one(case):
    quote = FxSpot(pair=case["pair"], rate=1.0, spot_lag_days=int(case["spot_lag"]), calendar=case["calendar"])
    assert str(to_date(spot_day(quote, date.fromisoformat(case["trade_date"])))) == case["spot_date"]


@of_every_case
def test_forward_of_no_days_after_spot_delivers_on_the_published_spot_date(case):
    contract = {
        "base_currency": case["pair"][:3], "quote_currency": case["pair"][3:], "notional": 1e6, "contract_rate": 1.0, "tenor": "0D",
        "trade_date": case["trade_date"], "spot_lag": int(case["spot_lag"]), "calendar": case["calendar"],
        "base_discount_curve": "BASE", "quote_discount_curve": "QUOTE",
    }  # fmt: skip
    contracts, as_of = contracts_of(pricer("FX_FWD").columns, [contract]), to_day(date.fromisoformat(case["trade_date"]))
    cashflows = lower(contracts, as_of=as_of, fixings=NO_FIXINGS).cashflows
    assert [str(to_date(day)) for day in cashflows.pay_day] == [case["spot_date"]] * 2
