"""Two of Hull's forwards as the near and the far exchange of one swap: see SOURCES.md."""

import csv
from pathlib import Path

import pytest

from pricers import Market, Measure, contracts_of, pricer, value_contracts
from tests.golden.test_fx_fwd_golden import AS_OF, flat_curve

with (Path(__file__).parent / "fx_fwd.csv").open(newline="") as file:
    CASES = {row["case"]: row for row in csv.DictReader(file) if "section 7.9" in row["source"]}


@pytest.mark.parametrize(("near_year", "far_year"), [(1, 2), (1, 3), (2, 3)])
def test_swap_is_worth_the_difference_of_the_published_forwards(near_year, far_year):
    near, far = (CASES[f"exchange of $0.8 million, year {year}"] for year in (near_year, far_year))
    curves = (flat_curve("BASE", "JPY", near["base_zero_rate"]), flat_curve("QUOTE", "USD", near["quote_zero_rate"]))
    market = Market(AS_OF, "USD", curves, {"JPY": float(near["spot"]), "USD": 1.0})
    swap = {
        "base_currency": "JPY", "quote_currency": "USD", "notional": 60.0, "near_rate": 0.8 / 60.0, "far_points": 0.0,
        "near_date": AS_OF + int(near["days"]), "far_date": AS_OF + int(far["days"]), "base_discount_curve": "BASE",
        "quote_discount_curve": "QUOTE",
    }  # fmt: skip
    valuation = value_contracts("FX_SWAP", contracts_of(pricer("FX_SWAP").columns, [swap]), market=market)
    assert valuation.values[Measure.PV][0] == pytest.approx(float(near["expected"]) - float(far["expected"]), rel=0.0, abs=1e-4)
