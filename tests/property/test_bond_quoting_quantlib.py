"""Yields and accrued interest on bases of their own against QuantLib, which takes any day counter and frequency for both."""

from typing import Any

import numpy as np
import pytest
import QuantLib as ql

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from tests.oracles import quantlib_terms as terms
from tests.oracles.accuracy_bonds import quantlib_bond, quantlib_schedule, random_contract, random_market

AS_OF = int(np.datetime64("2026-03-16", "D").astype(np.int64))
DAY_COUNTS = ("ACT/360", "ACT/365F", "ACT/ACT ISDA", "30/360 US", "30/360 BOND BASIS", "30E/360", "30E/360 ISDA", "BUS/252")
FREQUENCIES = ("ANNUAL", "SEMIANNUAL", "QUARTERLY", "MONTHLY")


def test_random_yields_and_accrued_interest_equal_quantlib_s() -> None:
    rng = np.random.default_rng(20261201)
    market = random_market(AS_OF, rng=rng)
    ql.Settings.instance().evaluationDate = terms.date_of(AS_OF)
    rows: list[dict[str, Any]] = []
    while len(rows) < 150:
        row = random_contract(AS_OF, rng=rng) | {"coupon_amount": "BY_DAY_COUNT", "market_clean_price": float(rng.uniform(60.0, 140.0))}
        if row["coupon_rate"] == 0.0 or row["day_count"] == "ACT/ACT ICMA":
            continue
        row |= {"yield_day_count": str(rng.choice(DAY_COUNTS)), "accrued_day_count": str(rng.choice(DAY_COUNTS))}
        rows.append(row | {"yield_frequency": str(rng.choice(FREQUENCIES))})
    valuation = value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, rows), market=market)
    compared = 0
    for number, row in enumerate(rows):
        try:
            bond, accrues = quantlib_bond(row), quantlib_bond({**row, "day_count": row["accrued_day_count"]})
        except RuntimeError:
            continue
        if valuation.status[number] != RowStatus.OK or np.isnan(valuation.values[Measure.YIELD_TO_MATURITY][number]):
            continue
        settlement = terms.CALENDARS[row["settlement_calendar"]].advance(terms.date_of(AS_OF), row["settlement_lag"], ql.Days)
        settlement = max(settlement, terms.date_of(row["issue_date"]))
        accrued = ql.BondFunctions.accruedAmount(accrues, settlement)
        assert valuation.values[Measure.ACCRUED_INTEREST][number] == pytest.approx(accrued, abs=1e-10), row
        counter = terms.day_counter(row["yield_day_count"], maturity=row["maturity_date"], calendar=row["calendar"],
                                    schedule=quantlib_schedule(row))  # fmt: skip
        frequency = terms.FREQUENCIES[row["yield_frequency"]][1]
        price = ql.BondPrice(row["market_clean_price"] + accrued, ql.BondPrice.Dirty)
        try:
            found = ql.BondFunctions.bondYield(bond, price, counter, ql.Compounded, frequency, settlement, 1e-14, 200, 0.05)
        except RuntimeError:
            continue
        assert valuation.values[Measure.YIELD_TO_MATURITY][number] == pytest.approx(found, rel=1e-8, abs=1e-9), row
        duration = ql.BondFunctions.duration(bond, found, counter, ql.Compounded, frequency, ql.Duration.Modified, settlement)
        assert valuation.values[Measure.MODIFIED_DURATION][number] == pytest.approx(duration, rel=1e-8), row
        compared += 1
    ql.Settings.instance().evaluationDate = ql.Date()
    assert compared > 100
