"""Matrices of users: files in every format and back, what is wrong with them, and what they do to a market."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from riskray.errors import InvalidRequest, UnsupportedFormat
from riskray.scenario.bind import bind_scenarios
from riskray.scenario.codec import ScenarioMatrix, checked_matrix, content_hash, decode, encode, scenario_set_id, write_matrix
from riskray.scenario.factors import parse_factor
from riskray.scenario.matrix import read_matrix
from tests.unit.riskray.scenario.examples import market

CSV = b"scenario,zero/EUR-GOVT/5Y,zero/USD-GOVT/5Y relative,fx/EUR,fx/GBP,credit\nup,0.01,0.1,0.1,0.2,0.002\ndown,-0.01,-0.1,0,-0.25,0\n"


def example() -> ScenarioMatrix:
    return read_matrix(CSV, format="csv", numeraire="USD")


@pytest.mark.parametrize("format", ["csv", "parquet", "json"])
def test_written_matrix_reads_back_with_the_same_hash(format: str) -> None:
    random = np.random.default_rng(1).normal(size=(7, 3))
    factors = tuple(map(parse_factor, ("zero/a/b/1Y", "spread/X/2030-06-30 relative", "credit")))
    for original in (example(), checked_matrix(tuple("abcdefg"), factors, random, numeraire="USD")):
        again = read_matrix(write_matrix(original, format=format), format=format, numeraire="USD", rates_unchecked=format != "json")
        assert content_hash(again) == content_hash(original)
        assert again.factors == original.factors


def test_decimals_of_parquet_are_the_numbers_of_the_csv_file() -> None:
    sink = pa.BufferOutputStream()
    move = pa.array([Decimal("0.0425"), Decimal("-0.025")], pa.decimal128(9, 6))
    pa.parquet.write_table(pa.table({"scenario": ["up", "down"], "zero/EUR/5Y": move}), sink)
    text = read_matrix(b"scenario,zero/EUR/5Y\nup,0.0425\ndown,-0.025\n", format="csv", numeraire="USD")
    decimal = read_matrix(sink.getvalue().to_pybytes(), format="parquet", numeraire="USD")
    assert content_hash(decimal) == content_hash(text)


def test_stored_payload_is_the_matrix() -> None:
    again = decode(encode(example()))
    assert content_hash(again) == content_hash(example())
    assert scenario_set_id(content_hash(again)).startswith("scen-")


def test_hash_tells_values_labels_kinds_and_numeraire_apart() -> None:
    original = example()
    others = [
        read_matrix(CSV.replace(b"0.01,", b"0.011,"), format="csv", numeraire="USD"),
        read_matrix(CSV.replace(b"up", b"rise"), format="csv", numeraire="USD"),
        read_matrix(CSV.replace(b" relative", b""), format="csv", numeraire="USD"),
        read_matrix(CSV, format="csv", numeraire="CHF"),
    ]
    assert len({content_hash(one) for one in [original, *others]}) == 5


def test_curve_names_may_hold_slashes() -> None:
    factor = parse_factor("zero/desk/EUR/5Y")
    assert (factor.curve, factor.pillar, factor.type) == ("desk/EUR", "5Y", "zero")


def test_exchange_rates_are_converted_to_the_base_currency() -> None:
    """Against USD, EUR rises by 10 % and GBP by 20 %: seen from EUR, USD falls to 1/1.1 and GBP rises by 1.2/1.1."""
    bound = bind_scenarios(example(), market=market(base_currency="EUR"))
    assert set(bound.scenarios.fx_factors) == {"USD", "GBP"}
    np.testing.assert_allclose(bound.scenarios.fx_factors["USD"], [1 / 1.1, 1.0])
    np.testing.assert_allclose(bound.scenarios.fx_factors["GBP"], [1.2 / 1.1, 0.75])
    from_usd = bind_scenarios(example(), market=market())
    np.testing.assert_allclose(from_usd.scenarios.fx_factors["GBP"], [1.2, 0.75])
    assert from_usd.scenarios.credit_spread_shift is not None
    assert from_usd.scenarios.credit_spread_shift.tolist() == [0.002, 0.0]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("zero/CHF-GOVT/5Y", "no zero/CHF-GOVT/5Y; its zero curves are EUR-GOVT, USD-GOVT"),
        ("zero/EUR-GOVT/7Y", "the pillars of EUR-GOVT are 1Y, 5Y, 10Y"),
        ("spread/US/5Y", "its spread curves are EUR-CORP"),
        ("fx/JPY", "it has EUR, GBP, USD"),
    ],
)
def test_factor_that_the_market_has_not_got_is_refused_with_what_it_has(header: str, message: str) -> None:
    matrix = read_matrix(f"scenario,{header}\nup,0.01\n".encode(), format="csv", numeraire="USD")
    with pytest.raises(InvalidRequest, match=message) as caught:
        bind_scenarios(matrix, market=market())
    assert caught.value.problems[0]["loc"] == ["factors", header]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"scenario,credit\n", "at least one scenario"),
        (b"scenario\nup\n", "at least one factor"),
        (b"scenario,credit\nup,0.1\nup,0.2\n", "scenario 'up' is there twice"),
        (b"scenario,credit,credit\nup,0.1,0.1\n", "factor 'credit' is there twice"),
        (b"scenario,credit\nup,inf\n", "not a finite number"),
        (b"scenario,credit\nup,a\n", "'a' is not a number"),
        (b"scenario,credit\n,0.1\n", "has no name"),
        (b"scenario,credit relative\nup,0.1\n", "absolute amounts only"),
        (b"scenario,fx/EUR\nup,-1\n", "a price stays positive"),
        (b"scenario,fx/USD\nup,0.1\n", "cannot move against itself"),
        (b"scenario,vega\nup,0.1\n", "'vega' is not a factor"),
        (b"name,credit\nup,0.1\n", "'scenario' first"),
        (b"scenario,credit\nup,0.1,0.2\n", "row 1 has 3 columns"),
    ],
)
def test_bad_matrix_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        read_matrix(text, format="csv", numeraire="USD")
    assert caught.value.problems


def test_unreadable_file_is_refused() -> None:
    for format in ("parquet", "json"):
        with pytest.raises(InvalidRequest):
            read_matrix(b"{}", format=format, numeraire="USD")
    with pytest.raises(UnsupportedFormat, match="csv, parquet, json"):
        read_matrix(b"", format="xml", numeraire="USD")


@pytest.mark.parametrize("cell", ["true", '"1_0"', '"\uff11"', "null"])
def test_json_value_that_is_no_number_is_refused(cell: str) -> None:
    text = f'{{"factors": ["credit"], "scenarios": [{{"name": "up", "values": [{cell}]}}]}}'
    with pytest.raises(InvalidRequest, match="not a scenario matrix in JSON"):
        read_matrix(text.encode(), format="json", numeraire="USD")


def test_booleans_and_digits_with_underscores_are_no_moves() -> None:
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table({"scenario": ["up"], "credit": [True]}), sink)
    with pytest.raises(InvalidRequest, match="column 'credit' holds something that is not a number"):
        read_matrix(sink.getvalue().to_pybytes(), format="parquet", numeraire="USD")
    with pytest.raises(InvalidRequest, match="row 1, credit: '1_0' is not a number"):
        read_matrix(b"scenario,credit\nup,1_0\n", format="csv", numeraire="USD")
