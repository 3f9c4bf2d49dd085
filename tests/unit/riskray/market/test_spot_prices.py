"""Prices of securities: in market documents, in the pricers' market, and as factors of scenarios and histories."""

import numpy as np
import pytest

from pricers import Price
from pricers.time.dates import to_day
from riskray.errors import InvalidRequest
from riskray.market.build import build_market
from riskray.market.derive import shifted
from riskray.market.reader import market_id, parse_market, read_market, read_market_upload, write_market
from riskray.models.scenario import HistoricalDefinition, StressDefinition
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.historical import historical_matrix
from riskray.scenario.history import make_history
from riskray.scenario.matrix import read_matrix
from riskray.scenario.stress import stress_matrix

PRICES = [
    {"name": "SX5E", "value": 4500.5, "currency": "EUR"},
    {"name": "ACME", "value": 10.25, "currency": "USD", "source": "closing price", "quality": "stale"},
]
DOCUMENT = {
    "name": "prices",
    "as_of": "2024-03-28",
    "curves": [{"name": "EUR", "currency": "EUR", "points": [{"tenor": "1Y", "value": 0.03}]}],
    "fx_spots": [{"pair": "EURUSD", "rate": 1.08}],
    "spot_prices": PRICES,
}


def market():
    return build_market(parse_market(DOCUMENT), base_currency="EUR")


def stress(*shocks):
    definition = StressDefinition.model_validate({"scenarios": [{"name": "shock", "shocks": list(shocks)}]})
    return bind_scenarios(stress_matrix(definition, market=market()), market=market())


def problems(**changes):
    with pytest.raises(InvalidRequest) as caught:
        parse_market({**DOCUMENT, **changes})
    return [(problem["loc"], problem["code"]) for problem in caught.value.problems]


def test_pricers_get_the_prices_of_the_document():
    assert market().prices == {"ACME": Price(10.25, "USD"), "SX5E": Price(4500.5, "EUR")}


@pytest.mark.parametrize("format", ["json", "csv", "parquet"])
def test_file_reads_back_to_the_same_content(format):
    document = parse_market(DOCUMENT)
    assert market_id(read_market(write_market(document, format=format), format=format)) == market_id(document)


def test_document_without_prices_keeps_its_text():
    assert "spot_prices" not in write_market(parse_market({**DOCUMENT, "spot_prices": []}), format="json").decode()


def test_wrong_prices_are_named():
    bad = {"name": "BAD", "value": 0.0, "currency": "XXY"}
    assert problems(spot_prices=[*PRICES, bad]) == [
        (["spot_prices", 2, "value"], "greater_than"),
        (["spot_prices", 2, "currency"], "value_error"),
    ]
    assert problems(spot_prices=[*PRICES, PRICES[0]]) == [(["spot_prices", 2], "duplicate")]


def test_partial_upload_leaves_out_the_wrong_price_alone():
    rows = write_market(parse_market(DOCUMENT), format="csv").decode().splitlines()
    spoiled = [row.replace("10.25", "-1") for row in rows]
    read = read_market_upload("\n".join(spoiled).encode(), format="csv", allow_partial=True)
    assert [price.name for price in read.document.spot_prices] == ["SX5E"]
    assert read.problems[0]["loc"] == ["rows", next(i for i, row in enumerate(rows) if "ACME" in row), "value"]


def test_stress_moves_prices_that_a_pattern_matches():
    bound = stress({"type": "price", "prices": ["SX*"], "relative": -0.2}, {"type": "fx", "currencies": ["EUR"], "relative": 0.1})
    assert {name: factor.tolist() for name, factor in bound.scenarios.price_factors.items()} == {"SX5E": [0.8]}
    assert bound.unmoved[-1] == "price/ACME"
    with pytest.raises(InvalidRequest, match="no price of the market matches 'DAX'; there are ACME, SX5E"):
        stress({"type": "price", "prices": ["DAX"], "relative": -0.2})


def test_matrix_moves_prices_and_refuses_what_no_price_can_do():
    matrix = read_matrix(b"scenario,price/ACME\nup,0.5\nworthless,-1\n", format="csv", numeraire="USD")
    assert bind_scenarios(matrix, market=market()).scenarios.price_factors["ACME"].tolist() == [1.5, 0.0]
    with pytest.raises(InvalidRequest, match="price/ACME falls by 150%; a price is at least 0"):
        read_matrix(b"scenario,price/ACME\nimpossible,-1.5\n", format="csv", numeraire="USD")
    unknown = read_matrix(b"scenario,price/DAX\ndown,-0.5\n", format="csv", numeraire="USD")
    with pytest.raises(InvalidRequest, match="the market has no price/DAX; its prices are ACME, SX5E"):
        bind_scenarios(unknown, market=market())


def test_history_moves_the_prices_that_the_market_has_by_fractions():
    days = np.array([to_day(np.datetime64(date).astype(object)) for date in ("2024-03-25", "2024-03-26", "2024-03-27")])
    levels = np.array([[100.0, 7.0], [110.0, 7.0], [99.0, 7.0]])
    history = make_history(days, ["price/SX5E", "price/OTHER"], levels, numeraire="EUR")
    matrix = historical_matrix(HistoricalDefinition(history="h"), history=history, market=market())
    assert [factor.name for factor in matrix.factors] == ["price/SX5E"]
    assert bind_scenarios(matrix, market=market()).scenarios.price_factors["SX5E"].tolist() == pytest.approx([1.1, 0.9])
    with pytest.raises(InvalidRequest, match="price/SX5E on 2024-03-25: 0 is not positive"):
        make_history(days, ["price/SX5E"], np.array([[0.0], [1.0], [1.0]]), numeraire="EUR")


def test_shifted_document_has_the_moved_price():
    moved = shifted(parse_market(DOCUMENT), shifts={}, fx_factors={}, price_factors={"ACME": 1.5})
    assert {price.name: (price.value, price.quality.value) for price in moved.spot_prices} == {
        "ACME": (15.375, "estimated"),
        "SX5E": (4500.5, "ok"),
    }
