"""Published bond prices, yields and durations: see SOURCES.md."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pricers import Curve, CurveKind, Market, contracts_of, pricer, value_contracts
from pricers.time.dates import to_days

with (Path(__file__).parent / "fixed_bond.csv").open(newline="") as file:
    CASES = list(csv.DictReader(file))
NUMBERS = ("coupon_rate", "settlement_lag", "ex_coupon_days", "market_clean_price")
NOT_TERMS = ("source", "case", "as_of", "flat_rate_act_360", "measure", "published", "expected", "tolerance", "tolerance_reason")


def terms(case: dict[str, str]) -> dict[str, object]:
    """The row's contract; the amounts are per 100."""
    given = {name: text for name, text in case.items() if text and name not in NOT_TERMS}
    numbers = {name: float(text) if "." in text or "price" in name else int(text) for name, text in given.items() if name in NUMBERS}
    return {**given, **numbers, "end_of_month": case["end_of_month"] == "1", "notional": 100.0, "currency": "USD", "discount_curve": "FLAT"}


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case['case']}-{case['measure']}" for i, case in enumerate(CASES, start=2)])
def test_measure_equals_the_published_one(case):
    zero_rate = float(case["flat_rate_act_360"]) * 365.0 / 360.0
    curve = Curve("FLAT", CurveKind.RATE, "USD", "LINEAR_ZERO", ("1Y",), np.array([365], np.int32), np.array([zero_rate]))
    as_of = int(to_days(np.array([case["as_of"]], "datetime64[D]"))[0])
    market = Market(as_of, "USD", (curve,), {})
    valuation = value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, [terms(case)]), market=market)
    assert valuation.status.tolist() == [0]
    assert valuation.values[case["measure"]][0] == pytest.approx(float(case["expected"]), rel=0.0, abs=float(case["tolerance"]))
