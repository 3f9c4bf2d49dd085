import pytest

from riskray.errors import InvalidRequest, MalformedJson
from riskray.market.reader import read_market
from riskray.portfolio.reader import read_portfolio
from riskray.scenario.matrix import read_matrix
from riskray.strict_json import parse_json


def test_names_may_return_in_other_objects_alone():
    assert parse_json(b'{"a": {"b": 1}, "c": [{"b": 2.5}, {"b": null}]}') == {"a": {"b": 1}, "c": [{"b": 2.5}, {"b": None}]}
    with pytest.raises(ValueError, match="the name 'b' appears twice in the object that begins with id 'X-1'"):
        parse_json(b'{"a": {"id": "X-1", "b": 1, "b": 1}, "c": 2}')


@pytest.mark.parametrize(
    ("read", "data"),
    [
        (lambda data: read_market(data, format="json"), b'{"name": "close", "as_of": "2024-03-28", "name": "open"}'),
        (lambda data: read_portfolio(data, format="json"), b'[{"position_id": "P-1", "name": 1, "name": 2}]'),
        (lambda data: read_portfolio(data, format="json"), b'{"position_id": "P-1"}\n{"position_id": "P-2", "name": 1, "name": 2}\n'),
        (lambda data: read_matrix(data, format="json", numeraire="USD"), b'{"factors": [], "scenarios": [{"name": "a", "name": "b"}]}'),
    ],
)
def test_file_with_a_name_twice_in_one_object_is_refused_by_that_name(read, data):
    with pytest.raises(MalformedJson, match="the name 'name' appears twice"):
        read(data)


@pytest.mark.parametrize("text", ['[{"position_id": "P-1"}]', '{"position_id": "P-1"}\n{"position_id": "P-2"}\n'])
def test_byte_order_mark_before_json_is_passed_over(text):
    with pytest.raises(InvalidRequest, match="column 'product' is missing"):  # and nothing about the mark
        read_portfolio(text.encode("utf-8-sig"), format="json")
    assert parse_json("[1]".encode("utf-8-sig")) == [1]
