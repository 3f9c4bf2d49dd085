"""Moves in basis points and histories in per cent: refused in every format and kind, unless they are insisted on."""

import io
import json

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from pydantic import ValidationError

from riskray.errors import InvalidRequest
from riskray.models.scenario import StressDefinition
from riskray.scenario.codec import checked_matrix, content_hash, decode, encode, write_matrix
from riskray.scenario.factors import parse_factor
from riskray.scenario.history import decode as decode_history
from riskray.scenario.history import encode as encode_history
from riskray.scenario.history import read_history
from riskray.scenario.matrix import read_matrix
from riskray.scenario.stress import stress_matrix
from tests.unit.riskray.scenario.examples import market


def as_parquet(text):
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.csv.read_csv(io.BytesIO(text)), sink)
    return sink.getvalue()


def problems_of(call, *arguments, **options):
    with pytest.raises(InvalidRequest) as caught:
        call(*arguments, **options)
    return caught.value.problems


# --------------------------------------------------------------------------------------------------------------- matrices

CSV = b"scenario,zero/EUR/1Y\nup,100\ndown,-100\n"
JSON = {"factors": ["zero/EUR/1Y"], "scenarios": [{"name": "up", "values": [100]}, {"name": "down", "values": [-100]}]}


@pytest.mark.parametrize(("format", "data"), [("csv", CSV), ("parquet", as_parquet(CSV)), ("json", json.dumps(JSON).encode())])
def test_moves_in_basis_points_are_refused_by_scenario_and_factor(format, data):
    problems = problems_of(read_matrix, data, format=format, numeraire="USD")
    assert [problem["loc"] for problem in problems] == [["up", "zero/EUR/1Y"], ["down", "zero/EUR/1Y"]]
    assert "scenario 'up', zero/EUR/1Y: a move of 100 is beyond 0.5 and looks like basis points; write 0.01" in problems[0]["msg"]
    insisted = read_matrix(data, format=format, numeraire="USD", rates_unchecked=True)
    assert insisted.values.tolist() == [[100.0], [-100.0]]


def test_json_insists_by_itself():
    matrix = read_matrix(json.dumps(JSON | {"rates_checked": False}).encode(), format="json", numeraire="USD")
    assert matrix.values[0, 0] == 100.0
    again = read_matrix(write_matrix(matrix, format="json"), format="json", numeraire="USD")
    assert content_hash(again) == content_hash(matrix)
    with pytest.raises(InvalidRequest, match="rates_checked"):
        read_matrix(json.dumps(JSON | {"rates_checked": "no"}).encode(), format="json", numeraire="USD")


@pytest.mark.parametrize("place", [(0, 0), (0, 2), (4, 1)])
def test_one_move_of_many_is_found(place):
    values = np.full((5, 3), 0.5)
    values[place] = -0.51
    factors = tuple(map(parse_factor, ("zero/A/1Y", "zero/A/2Y", "zero/B/1Y")))
    data = write_matrix(checked_matrix(tuple("abcde"), factors, values, numeraire="USD"), format="csv")
    (problem,) = problems_of(read_matrix, data, format="csv", numeraire="USD")
    assert problem["loc"] == ["abcde"[place[0]], factors[place[1]].name]


@pytest.mark.parametrize("header", ["zero/EUR/1Y relative", "spread/ACME/5Y", "spread/ACME/5Y relative", "credit", "fx/EUR"])
def test_only_additive_moves_of_rates_are_judged(header):
    data = f"scenario,{header}\nup,0.75\n".encode()
    assert read_matrix(data, format="csv", numeraire="USD").values[0, 0] == 0.75


def test_set_stored_before_there_was_a_net_is_read():
    stored = encode(checked_matrix(("up",), (parse_factor("zero/EUR/1Y"),), np.array([[100.0]]), numeraire="USD"))
    assert decode(stored).values[0, 0] == 100.0


# ---------------------------------------------------------------------------------------------------------------- stress

SHOCKS = [
    ({"type": "parallel", "shift": {"bp": 10_000}}, ["shift", "bp"]),
    ({"type": "steepener", "short": {"bp": -6_000}, "long": {"bp": 10}}, ["short", "bp"]),
    ({"type": "steepener", "short": {"bp": -10}, "long": {"bp": 6_000}}, ["long", "bp"]),
    ({"type": "twist", "size": {"bp": 5_001}}, ["size", "bp"]),
    ({"type": "tenors", "curves": ["EUR-GOVT"], "shifts": {"5Y": {"bp": -10_000}}}, ["shifts", "5Y", "bp"]),
]


def stress(*shocks, **fields):
    scenarios = [{"name": "quiet", "shocks": [{"type": "parallel", "shift": {"bp": 5_000}}]}, {"name": "loud", "shocks": list(shocks)}]
    return StressDefinition.model_validate({"scenarios": scenarios} | fields)


@pytest.mark.parametrize(("shock", "place"), SHOCKS, ids=[f"{shock['type']}-{place[0]}" for shock, place in SHOCKS])
def test_shock_of_unlikely_size_is_refused_where_it_stands(shock, place):
    definition = stress({"type": "credit", "bp": 10_000}, shock)
    (problem,) = problems_of(stress_matrix, definition, market=market())
    assert problem["loc"] == ["scenarios", 1, "shocks", 1, *place]
    assert problem["msg"].startswith("scenario 'loud': a shift of ")
    insisted = stress(shock, rates_checked=False)
    assert np.abs(stress_matrix(insisted, market=market()).values).max() > 0.5
    assert StressDefinition.model_validate_json(insisted.model_dump_json()) == insisted


def test_shocks_of_spreads_and_relative_ones_are_not_judged():
    shocks = [{"type": "parallel", "target": "spread", "shift": {"bp": 6_000}}, {"type": "parallel", "shift": {"relative": 0.75}}]
    assert len(stress_matrix(stress(*shocks), market=market()).labels) == 2


def test_insisting_on_a_definition_needs_a_boolean():
    with pytest.raises(ValidationError, match="rates_checked"):
        stress(SHOCKS[0][0], rates_checked="no")


# ------------------------------------------------------------------------------------------------------------- histories

WIDE = b"date,zero/EUR-GOVT/1Y,zero/EUR-GOVT/10Y,fx/JPY\n2024-03-27,0.03,2.39,0.0066\n2024-03-28,0.03,2.43,0.0067\n"
LONG = b"date,factor,value\n2024-03-27,zero/EUR-GOVT/10Y,2.39\n2024-03-28,zero/EUR-GOVT/10Y,2.43\n"


@pytest.mark.parametrize("format", ["csv", "parquet"])
@pytest.mark.parametrize("text", [WIDE, LONG], ids=["wide", "long"])
def test_history_in_per_cent_is_refused_once_a_column(text, format):
    data = text if format == "csv" else as_parquet(text)
    (problem,) = problems_of(read_history, data, format=format, numeraire="USD")
    assert problem["loc"] == ["2024-03-27", "zero/EUR-GOVT/10Y"]
    assert "zero/EUR-GOVT/10Y on 2024-03-27: zero rate 2.39 is beyond 0.25 and looks like per cent; write 0.0239" in problem["msg"]
    assert problem["msg"].endswith("(and 1 more of the column)")
    insisted = read_history(data, format=format, numeraire="USD", rates_unchecked=True)
    assert decode_history(encode_history(insisted)).values.tolist() == insisted.values.tolist()


@pytest.mark.parametrize(
    ("factor", "level"), [("zero/TRY-GOVT/1Y", 0.45), ("zero/SOFR/1Y", 1.9), ("spread/EUR-CORP/5Y", 0.4), ("fx/GBP", 1.2)]
)
def test_levels_that_may_be_large_are_taken(factor, level):
    data = f"date,{factor}\n2024-03-27,{level}\n2024-03-28,{level}\n".encode()
    assert read_history(data, format="csv", numeraire="USD").values.tolist() == [[level], [level]]
