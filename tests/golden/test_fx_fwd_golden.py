"""Published values of FX forwards: see SOURCES.md."""

import csv
from pathlib import Path

import numpy as np
import pytest

from pricers import Curve, CurveKind, Market, Measure, contracts_of, pricer, value_contracts

with (Path(__file__).parent / "fx_fwd.csv").open(newline="") as file:
    CASES = list(csv.DictReader(file))
AS_OF = 20_000


def flat_curve(name: str, currency: str, zero_rate: str) -> Curve:
    return Curve(name, CurveKind.RATE, currency, "LINEAR_ZERO", ("1Y",), np.array([365], np.int32), np.array([float(zero_rate)]))


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case['case']}" for i, case in enumerate(CASES, start=2)])
def test_forward_value_equals_the_published_one(case):
    curves = (
        flat_curve("BASE", case["base_currency"], case["base_zero_rate"]),
        flat_curve("QUOTE", case["quote_currency"], case["quote_zero_rate"]),
    )
    market = Market(AS_OF, case["quote_currency"], curves, {case["base_currency"]: float(case["spot"]), case["quote_currency"]: 1.0})
    contract = {
        "base_currency": case["base_currency"], "quote_currency": case["quote_currency"], "notional": float(case["notional"]),
        "contract_rate": float(case["contract_rate"]) if case["contract_rate"] else None,
        "quote_amount": float(case["quote_amount"]) if case["quote_amount"] else None,
        "delivery_date": AS_OF + int(case["days"]), "base_discount_curve": "BASE", "quote_discount_curve": "QUOTE",
    }  # fmt: skip
    valuation = value_contracts("FX_FWD", contracts_of(pricer("FX_FWD").columns, [contract]), market=market)
    assert valuation.values[Measure.PV][0] == pytest.approx(float(case["expected"]), rel=0.0, abs=float(case["tolerance"]))
