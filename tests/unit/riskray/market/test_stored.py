"""Market documents that an earlier version stored."""

import json
from datetime import date

import numpy as np
import pytest

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.market import CurveKind
from riskray.errors import InvalidRequest
from riskray.market.build import build_market
from riskray.market.reader import parse_market
from riskray.market.stored import stored_market
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.codec import checked_matrix
from riskray.scenario.factors import parse_factor

STORED = {
    "name": "close",
    "as_of": "2024-03-28",
    "curves": [
        {"name": "ACME", "currency": "EUR", "kind": "discount_factors", "points": [{"tenor": "1Y", "value": 0.97}]},
        {"name": "EUR-GOVT", "currency": "EUR", "kind": "zero_rates", "points": [{"tenor": "1Y", "value": 0.03}]},
    ],
    "spread_curves": [
        {"name": "ACME", "points": [{"tenor": "1Y", "value": 0.01}]},
        {"name": "OTHER", "points": [{"tenor": "1Y", "value": 0.02}]},
    ],
}
BOND = {"notional": 100.0, "currency": "EUR", "coupon_rate": 0.0, "issue_date": "2024-01-15", "maturity_date": "2025-03-28"}


def test_kind_is_read_as_quoted_as() -> None:
    document = stored_market(json.dumps(STORED))
    assert [curve.quoted_as.value for curve in document.curves] == ["discount_factors", "zero_rates"]
    market = build_market(document, base_currency="EUR")
    assert np.exp(-market.curves[0].zero_rates[0]) == pytest.approx(0.97)


def test_spread_curve_with_the_name_of_a_discount_curve_has_a_name_of_its_own() -> None:
    market = build_market(stored_market(json.dumps(STORED)), base_currency="EUR")
    assert [(curve.name, curve.kind) for curve in market.curves] == [
        ("ACME", CurveKind.RATE), ("EUR-GOVT", CurveKind.RATE), ("ACME:SPREAD", CurveKind.SPREAD), ("OTHER", CurveKind.SPREAD),
    ]  # fmt: skip
    assert market.names(CurveKind.SPREAD) == {"ACME", "ACME:SPREAD", "OTHER"}


@pytest.mark.parametrize(
    ("discount", "spread", "rate"),
    [("EUR-GOVT", "ACME", 0.04), ("EUR-GOVT", "ACME:SPREAD", 0.04), ("ACME", "ACME", 0.01 - np.log(0.97)), ("EUR-GOVT", "OTHER", 0.05)],
)
def test_contracts_find_the_spread_curve_by_its_old_name(discount: str, spread: str, rate: float) -> None:
    market = build_market(stored_market(json.dumps(STORED)), base_currency="EUR")
    contracts = contracts_of(pricer("FIXED_BOND").columns, [{**BOND, "discount_curve": discount, "spread_curve": spread}])
    assert value_contracts("FIXED_BOND", contracts, market=market).values[Measure.PV][0] == pytest.approx(100.0 * np.exp(-rate))


def test_name_of_another_kind_is_no_spread_curve() -> None:
    market = build_market(stored_market(json.dumps(STORED)), base_currency="EUR")
    contracts = contracts_of(pricer("FIXED_BOND").columns, [{**BOND, "discount_curve": "ACME", "spread_curve": "EUR-GOVT"}])
    assert value_contracts("FIXED_BOND", contracts, market=market).status.tolist() == [RowStatus.MISSING_SPREAD_CURVE]


def test_scenario_sets_find_the_spread_curve_by_its_old_name() -> None:
    market = build_market(stored_market(json.dumps(STORED)), base_currency="EUR")
    matrix = checked_matrix(("a",), (parse_factor("spread/ACME/1Y"),), np.array([[0.001]]), numeraire="EUR")
    assert bind_scenarios(matrix, market=market).scenarios.shifts["ACME:SPREAD"].tolist() == [[0.001]]


def test_new_documents_name_each_curve_once_and_say_quoted_as() -> None:
    as_of = date(2024, 3, 28)
    plain = [{"name": "ACME", "currency": "EUR", "points": [{"tenor": "1Y", "value": 0.03}]}]
    with pytest.raises(InvalidRequest, match="'ACME' has the name of a discount curve") as refused:
        parse_market({**STORED, "as_of": as_of, "curves": plain})
    assert [problem["loc"] for problem in refused.value.problems] == [["spread_curves", 0, "name"]]
    with pytest.raises(InvalidRequest, match="write quoted_as: discount_factors"):
        parse_market({**STORED, "curves": STORED["curves"][:1], "spread_curves": []})
