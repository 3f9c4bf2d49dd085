"""Schemas derived from declared columns: Arrow, pydantic models, OpenAPI, documentation."""

import datetime

import pyarrow as pa
import pytest
from pydantic import ValidationError

from pricers.contract.columns import Column, Columns
from pricers.measures import Measure
from pricers.registry import PricerSpec, known_products, pricer
from riskray.models.instrument import describe_product
from riskray.models.position import position_model
from riskray.models.pricing import PriceRequest
from riskray.models.what_if import WhatIfRequest
from riskray.portfolio import schema
from riskray.portfolio.generate import generate_portfolio
from riskray.portfolio.reader import positions_table
from riskray.portfolio.schema import arrow_schema, product_columns, products_markdown, union_schema

PRODUCTS = ("AMORT_LOAN", "FIXED_BOND", "FX_FWD")


def test_position_models_accept_what_the_reader_accepts():
    for product, table in generate_portfolio(200, as_of=datetime.date(2023, 12, 29)).items():
        for row in table.to_pylist():
            given = {name: value for name, value in row.items() if value is not None} | {"product": product}
            position = position_model(product).model_validate(given)
            dumped = position.model_dump(mode="json", exclude_unset=True)
            [again] = positions_table([dumped]).tables[product].to_pylist()
            assert again == row


@pytest.mark.parametrize(
    ("change", "loc"),
    [
        ({"notional": float("nan")}, "notional"),
        ({"spot_lag": 11}, "spot_lag"),
        ({"settlement_type": "CASH"}, "settlement_type"),
        ({"surprise": 1}, "surprise"),
        ({"delivery_date": "soon"}, "delivery_date"),
        ({"base_discount_curve": ""}, "base_discount_curve"),
    ],
)
def test_position_model_names_the_field_that_is_wrong(change, loc):
    good = {
        "position_id": "F", "product": "FX_FWD", "base_currency": "EUR", "quote_currency": "USD", "notional": 1.0,
        "base_discount_curve": "E", "quote_discount_curve": "U",
    }  # fmt: skip
    position_model("FX_FWD").model_validate(good)
    with pytest.raises(ValidationError) as caught:
        position_model("FX_FWD").model_validate(good | change)
    assert [error["loc"][-1] for error in caught.value.errors()] == [loc]


@pytest.mark.parametrize(("request_model", "field"), [(PriceRequest, "positions"), (WhatIfRequest, "add")])
def test_json_schema_of_requests_tells_products_apart_and_describes_every_column(request_model, field):
    position = request_model.model_json_schema()["properties"][field]["items"]
    described = {schema["properties"]["product"]["const"]: schema for schema in position["oneOf"]}
    assert set(described) == set(known_products())
    for product in PRODUCTS:
        properties = described[product]["properties"]
        assert list(properties) == [column.name for column in product_columns(product)]
        assert all(entry.get("description") for entry in properties.values())
        assert set(described[product]["required"]) == {column.name for column in product_columns(product) if column.required}


@pytest.mark.parametrize("product", PRODUCTS)
def test_arrow_schema_carries_units_meanings_and_what_is_required(product):
    given = arrow_schema(product)
    for column in pricer(product).columns:
        field = given.field(column.name)
        assert field.metadata[b"meaning"].decode() == column.meaning
        assert field.metadata.get(b"unit", b"").decode() == column.unit
        assert field.nullable is not column.required


def test_documentation_and_descriptions_name_every_column():
    page = products_markdown()
    for product in PRODUCTS:
        section = page.split(f"## {product}\n")[1].split("\n## ")[0]
        description = describe_product(product)
        for column, described in zip(pricer(product).columns, description.columns, strict=True):
            assert f"| `{column.name}` | {column.kind} |" in section
            assert (described.name, described.unit, described.required) == (column.name, column.unit, column.required)


def not_lowered(contracts, *, as_of, fixings):
    raise NotImplementedError


def spec(name, *columns):
    own = Columns(Column("currency", "text", "", required=True), Column("notional", "float", "", required=True), *columns)
    return PricerSpec(name, name, own, frozenset({Measure.PV}), "currency", "notional", lower=not_lowered)


def test_column_that_two_products_declare_differently_is_text_in_files(monkeypatch):
    specs = {"A": spec("A", Column("level", "float", "")), "B": spec("B", Column("level", "date", ""))}
    monkeypatch.setattr(schema, "pricer", specs.__getitem__)
    assert union_schema(["A", "B"]).field("level").type == pa.string()
    assert union_schema(["A"]).field("level").type == pa.float64()


def test_product_that_declares_a_common_column_is_refused(monkeypatch):
    monkeypatch.setattr(schema, "pricer", {"A": spec("A", Column("book", "text", ""))}.__getitem__)
    with pytest.raises(ValueError, match="'book'"):
        product_columns("A")
