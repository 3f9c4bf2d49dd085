"""Published coupon rates and prices of floating-rate bonds: see SOURCES.md."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pricers import Curve, CurveKind, Market, Measure, contracts_of, pricer, value_contracts
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.indices import Index, IndexKind
from pricers.time.dates import to_days

HERE = Path(__file__).parent
with (HERE / "floating_rate_bond.csv").open(newline="") as file:
    CASES = list(csv.DictReader(file))
with (HERE / "sofr_fixings.csv").open(newline="") as file:
    SOFR = [(row["fixing_date"], float(row["value"])) for row in csv.DictReader(file)]
SOFR_BOND: dict[str, Any] = {
    "currency": "USD", "index": "USD-SOFR", "frequency": "ONCE", "roll_rule": "ZERO", "discount_curve": "ZERO", "settlement_lag": 0,
    "accrual_convention": "UNADJUSTED", "payment_convention": "UNADJUSTED",
}  # fmt: skip


def day(text: str) -> int:
    return int(to_days(np.array([text], "datetime64[D]"))[0])


def flat(name: str, rate_act_360: float) -> Curve:
    rates = np.array([rate_act_360 * 365.0 / 360.0])
    return Curve(name, CurveKind.RATE, "USD", "LOG_LINEAR_DISCOUNT", ("1Y",), np.array([365], np.int32), rates)


def terms(text: str) -> dict[str, Any]:
    given = dict(entry.split("=") for entry in text.split() if not entry.startswith("today="))
    numbers = {name: int(value) if name.endswith("days") else bool(int(value)) for name, value in given.items() if value.isdigit()}
    return {**given, **numbers, **({"spread": float(given["spread"])} if "spread" in given else {})}


@pytest.mark.parametrize("case", CASES, ids=[f"{i}-{case['case']}" for i, case in enumerate(CASES, start=2)])
def test_coupon_rate_equals_the_published_one(case):
    as_of, start, maturity = (day(case[name]) for name in ("as_of", "start", "maturity"))
    published = [(day(date), value) for date, value in SOFR if day(date) <= as_of]
    if "today=" in case["terms"]:
        published.append((as_of, float(case["terms"].removeprefix("today="))))
    days, values = zip(*published, strict=True) if published else ((), ())
    fixings = Fixings({"USD-SOFR": FixingSeries(np.array(days, np.int32), np.array(values))})
    market = Market(as_of, "USD", (flat("USD-SOFR", float(case["flat_act_360"])), flat("ZERO", 0.0)), {}, fixings)
    years = (maturity - start) / 360.0
    bond = {**SOFR_BOND, "notional": 1.0, "issue_date": start, "maturity_date": maturity, **terms(case["terms"])}
    valuation = value_contracts("FLOATING_RATE_BOND", contracts_of(pricer("FLOATING_RATE_BOND").columns, [bond]), market=market)
    assert valuation.status.tolist() == [0]
    rate = (valuation.values[Measure.PV][0] - 1.0) / years
    assert rate == pytest.approx(float(case["expected"]), rel=0.0, abs=float(case["tolerance"]))


@pytest.mark.parametrize(
    ("estimation", "discount_curve", "expected"),
    [
        ("PAR", "RISK_FREE", 99.874646),
        ("INDEXED", "RISK_FREE", 99.874645),
        ("PAR", "DISCOUNT", 97.955904),
    ],
)
def test_clean_price_equals_the_published_one(estimation, discount_curve, expected):
    """QuantLib, test-suite/bonds.cpp, testCachedFloating."""
    libor = Index("USD-LIBOR-6M", IndexKind.TERM, "USD", "6M", "ACT/360", 2, "UK", "UK+US_FED", "MODIFIED_FOLLOWING", True, "RISK_FREE")
    market = Market(
        day("2004-11-22"), "USD", (flat("RISK_FREE", 0.025), flat("DISCOUNT", 0.03)), {}, Fixings({}, {libor.name: libor})
    )  # fmt: skip
    bond = {
        "currency": "USD", "notional": 1_000_000.0, "index": libor.name, "issue_date": "2004-11-30", "maturity_date": "2008-11-30",
        "frequency": "SEMIANNUAL", "day_count": "ACT/ACT ICMA", "calendar": "US_GOVT", "accrual_convention": "MODIFIED_FOLLOWING",
        "payment_convention": "MODIFIED_FOLLOWING", "fixing_lag": 1, "settlement_lag": 1, "coupon_estimation": estimation,
        "discount_curve": discount_curve,
    }  # fmt: skip
    valuation = value_contracts("FLOATING_RATE_BOND", contracts_of(pricer("FLOATING_RATE_BOND").columns, [bond]), market=market)
    assert valuation.values[Measure.CLEAN_PRICE][0] == pytest.approx(expected, rel=0.0, abs=1e-6)
