"""The conversion of tables to their stored form and back: hash, order, batches, requirements, downloads, contracts."""

import datetime
import itertools
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pricers import registry
from pricers.contract.columns import Column, Columns, Ragged, Text, contracts_of
from pricers.registry import pricer
from riskray.models.instrument import UNASSIGNED
from riskray.portfolio import batches as batches_module
from riskray.portfolio.batches import decode_batch, prepare_portfolio
from riskray.portfolio.contracts import contracts_from_arrow, position_fields, table_from_contracts
from riskray.portfolio.generate import generate_portfolio
from riskray.portfolio.reader import positions_table, read_portfolio
from riskray.portfolio.schema import arrow_schema
from riskray.portfolio.writer import write_portfolio

AS_OF = datetime.date(2023, 12, 29)
FORMATS = ("csv", "json", "parquet")


def stored(prepared):
    return [(batch.product, decode_batch(batch.payload)) for batch in prepared.batches]


def download(prepared, format):
    return b"".join(write_portfolio(stored(prepared), format=format, products={batch.product for batch in prepared.batches}))


# Names as users write them: letters of any script, punctuation that CSV must quote, no control characters.
names = st.text(
    st.characters(categories=("L", "N", "P", "S"), include_characters=" \"',;"), min_size=1, max_size=12
).filter(lambda text: text.strip())  # fmt: skip
dates = st.dates(datetime.date(1901, 1, 1), datetime.date(2199, 12, 31))
amounts = st.floats(-1e15, 1e15)
bonds = st.fixed_dictionaries(
    {
        "product": st.just("FIXED_BOND"),
        "currency": st.sampled_from(["EUR", "USD", "JPY"]),
        "notional": amounts,
        "coupon_rate": st.floats(-1.0, 2.0),
        "issue_date": dates,
        "maturity_date": dates,
        "discount_curve": names,
    },
    optional={
        "book": names,
        "counterparty": names,
        "frequency": st.sampled_from(["ANNUAL", "QUARTERLY"]),
        "end_of_month": st.booleans(),
        "ex_coupon_days": st.integers(0, 20),
        "sinking_dates": st.lists(dates, max_size=3),
        "sinking_amounts": st.lists(amounts, max_size=3),
        "spread_curve": names,
    },
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(bonds, min_size=1, max_size=8), st.sampled_from(FORMATS))
def test_download_in_any_format_reads_back_to_the_same_values_and_hash(rows, format):
    rows = [row | {"position_id": f"P{number}"} for number, row in enumerate(rows)]
    texts = [{name: _json_value(value) for name, value in row.items()} for row in rows]
    prepared = prepare_portfolio(positions_table(texts).tables)
    again = read_portfolio(download(prepared, format), format=format)
    assert prepare_portfolio(again.tables).content_hash == prepared.content_hash
    given = {row["position_id"]: row for row in rows}
    for row in again.tables["FIXED_BOND"].to_pylist():
        for name, value in given[row["position_id"]].items():
            if name != "product":
                expected = value.strip() if isinstance(value, str) else value or None if isinstance(value, list) else value
                assert row[name] == expected


def _json_value(value):
    if isinstance(value, list):
        return [_json_value(item) for item in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


@pytest.mark.parametrize("format", FORMATS)
def test_generated_portfolio_of_all_products_survives_a_download(format):
    prepared = prepare_portfolio(generate_portfolio(600, as_of=AS_OF))
    assert {batch.product for batch in prepared.batches} == {"FIXED_BOND", "AMORT_LOAN", "FX_FWD"}
    again = prepare_portfolio(read_portfolio(download(prepared, format), format=format).tables)
    assert again.portfolio_id == prepared.portfolio_id
    assert again.positions.equals(prepared.positions)


def test_hash_ignores_row_order_and_batch_size_and_sees_every_value(monkeypatch):
    tables = generate_portfolio(400, as_of=AS_OF)
    prepared = prepare_portfolio(tables)
    rng = np.random.default_rng(5)
    shuffled = {product: table.take(pa.array(rng.permutation(table.num_rows))) for product, table in reversed(tables.items())}
    assert prepare_portfolio(shuffled).content_hash == prepared.content_hash
    assert prepare_portfolio(shuffled).batches == prepared.batches
    monkeypatch.setattr(batches_module, "ROWS_PER_BATCH", 7)
    in_small_batches = prepare_portfolio(tables)
    assert len(in_small_batches.batches) > len(prepared.batches)
    assert in_small_batches.content_hash == prepared.content_hash
    assert in_small_batches.positions.equals(prepared.positions)


@pytest.mark.parametrize(
    "change",
    [
        {"notional": 1_000_000.000001}, {"book": "B2"}, {"spread_curve": "X"}, {"sinking_amounts": [1.0]}, {"end_of_month": False},
        {"sinking_dates": ["2030-01-16"]}, {"frequency": "ANNUAL"}, {"position_id": "Q"}, {"notional": -1_000_000},
    ],
)  # fmt: skip
def test_hash_changes_with_any_value(change):
    row = {
        "position_id": "P", "product": "FIXED_BOND", "book": "B1", "currency": "EUR", "notional": 1_000_000, "coupon_rate": 0.03,
        "issue_date": "2020-01-15", "maturity_date": "2033-01-15", "discount_curve": "D", "sinking_dates": ["2030-01-15"],
        "sinking_amounts": [2.0],
    }  # fmt: skip
    other = {"position_id": "P0"}
    hashes = {prepare_portfolio(positions_table([row | other, each]).tables).content_hash for each in (row, row | change)}
    assert len(hashes) == 2


def test_positions_are_dense_contiguous_by_product_and_grouped_by_curve():
    tables = generate_portfolio(2_000, as_of=AS_OF)
    prepared = prepare_portfolio(tables)
    rows = prepared.positions.to_pylist()
    assert [row["position_no"] for row in rows] == list(range(2_000))
    assert len({row["position_id"] for row in rows}) == 2_000
    products = [product for product, _ in itertools.groupby(rows, key=lambda row: row["product"])]
    assert products == sorted(products) == sorted(tables)
    first = 0
    for batch in prepared.batches:
        assert batch.numbers.first == first
        decoded = decode_batch(batch.payload)
        ids = [row["position_id"] for row in rows[first : first + batch.numbers.count]]
        assert decoded["position_id"].to_pylist() == ids
        assert decoded.schema.equals(arrow_schema(batch.product))
        first += batch.numbers.count
    bonds = [batch for product, batch in stored(prepared) if product == "FIXED_BOND"]
    curves = [curve for batch in bonds for curve in batch["discount_curve"].to_pylist()]
    assert len(list(itertools.groupby(curves))) == len(set(curves))


def test_requirements_count_what_the_positions_name():
    tables = generate_portfolio(1_500, as_of=AS_OF, broken_fraction=0.05)
    prepared = prepare_portfolio(tables)
    expected: dict[tuple[str, str, str, str], list[float]] = {}
    for product, table in tables.items():
        spec = pricer(product)
        for row in table.to_pylist():
            named: set[tuple[str, str]] = {("product", product)}
            for kind in ("discount_curve", "spread_curve", "currency"):
                named |= {(kind, row[column.name]) for column in spec.columns.referencing(kind) if row[column.name] is not None}
            for kind, name in named:
                entry = expected.setdefault((product, kind, name, row[spec.notional_currency or spec.native_currency]), [0, 0.0])
                entry[0] += 1
                entry[1] += abs(row["notional"])
    found = {(r["product"], r["kind"], r["name"], r["currency"]): r for r in prepared.requirements.to_pylist()}
    assert found.keys() == expected.keys()
    for key, (count, gross) in expected.items():
        assert found[key]["position_count"] == count
        assert found[key]["gross_notional"] == pytest.approx(gross, rel=1e-12)


def test_requirements_ask_for_the_forecast_curve_of_each_index_unless_the_contract_names_another(monkeypatch):
    spec = pricer("FIXED_BOND")
    legs = [Column(f"{leg}{name}", "text", "", references=name) for leg in ("", "pay_") for name in ("index", "forecast_curve")]
    swap = replace(spec, product="INDEXED", columns=Columns(*spec.columns, *legs))
    monkeypatch.setitem(registry._specs, "INDEXED", swap)
    rows = [
        ("EURIBOR", None, None, None), ("EURIBOR", "EUR-6M", None, None), ("EURIBOR", None, "SOFR", "USD-3M"),
        ("SOFR", None, "SOFR", None), (None, "EUR-6M", "EURIBOR", None),
    ]  # fmt: skip
    common = {
        "currency": "EUR",
        "coupon_rate": 0.0,
        "issue_date": datetime.date(2024, 1, 2),
        "maturity_date": datetime.date(2030, 1, 2),
        "discount_curve": "C",
    }
    table = pa.Table.from_pylist(
        [
            {"position_id": str(number), "notional": 1.0, **common, **dict(zip([leg.name for leg in legs], row, strict=True))}
            for number, row in enumerate(rows)
        ],
        schema=arrow_schema("INDEXED"),
    )
    needed = {
        (row["kind"], row["name"]): row["position_count"] for row in prepare_portfolio({"INDEXED": table}).requirements.to_pylist()
        if row["kind"] in ("index", "index_curve", "forecast_curve")
    }  # fmt: skip
    assert needed == {
        ("forecast_curve", "EUR-6M"): 2, ("forecast_curve", "USD-3M"): 1,
        ("index", "EURIBOR"): 4, ("index", "SOFR"): 2,
        ("index_curve", "EURIBOR"): 3, ("index_curve", "SOFR"): 1,
    }  # fmt: skip


def test_forward_s_notional_is_counted_in_its_base_currency():
    row = {
        "position_id": "F", "product": "FX_FWD", "base_currency": "EUR", "quote_currency": "JPY", "notional": -5, "contract_rate": 160,
        "delivery_date": "2024-06-28", "base_discount_curve": "C", "quote_discount_curve": "C",
    }  # fmt: skip
    prepared = prepare_portfolio(positions_table([row]).tables)
    assert prepared.positions.to_pylist()[0]["currency"] == "JPY"
    curves = [entry for entry in prepared.requirements.to_pylist() if entry["kind"] == "discount_curve"]
    assert [(entry["name"], entry["currency"], entry["position_count"], entry["gross_notional"]) for entry in curves] == [
        ("C", "EUR", 1, 5.0)
    ]


def test_empty_portfolio_is_refused():
    with pytest.raises(ValueError, match="at least one position"):
        prepare_portfolio({})


# --------------------------------------------------------------------------------------------------------------- contracts


def assert_same(left, right):
    if isinstance(left, Text):
        assert [left[row] for row in range(len(left.codes))] == [right[row] for row in range(len(right.codes))]
    elif isinstance(left, Ragged):
        np.testing.assert_array_equal(left.offsets, right.offsets)
        np.testing.assert_array_equal(left.values, right.values)
    else:
        np.testing.assert_array_equal(left, right)
        assert left.dtype == right.dtype


@pytest.mark.parametrize("product", ["FIXED_BOND", "AMORT_LOAN", "FX_FWD"])
def test_contracts_of_a_batch_are_those_of_the_same_rows_in_python(product):
    table = generate_portfolio(500, as_of=AS_OF)[product]
    columns = pricer(product).columns
    rows = [{column.name: row[column.name] for column in columns if row[column.name] is not None} for row in table.to_pylist()]
    from_rows, from_arrow = contracts_of(columns, rows), contracts_from_arrow(columns, table)
    sliced = contracts_from_arrow(columns, table.slice(3, 50).combine_chunks().to_batches()[0])
    assert from_arrow.row_count == len(rows)
    for name in from_rows.data:
        assert_same(from_rows.data[name], from_arrow.data[name])
        assert_same(contracts_of(columns, rows[3:53]).data[name], sliced.data[name])


def test_table_made_of_contracts_is_stored_and_read_back():
    columns = pricer("FIXED_BOND").columns
    table = generate_portfolio(300, as_of=AS_OF)["FIXED_BOND"]
    contracts = contracts_from_arrow(columns, table)
    made = table_from_contracts(columns, contracts, position_ids=table["position_id"].to_pylist(), book="B")
    [(_, batch)] = stored(prepare_portfolio({"FIXED_BOND": made}))
    ordered = table.take(pa.array(np.searchsorted(table["position_id"].to_pylist(), batch["position_id"].to_pylist())))
    again, expected = contracts_from_arrow(columns, batch), contracts_from_arrow(columns, ordered)
    for name in expected.data:
        assert_same(expected.data[name], again.data[name])
    assert set(batch["book"].to_pylist()) == {"B"}


def test_batch_written_before_a_column_was_declared_holds_its_default():
    columns = pricer("FX_FWD").columns
    table = generate_portfolio(200, as_of=AS_OF)["FX_FWD"].drop_columns(["spot_lag", "settlement_type", "tenor"])
    contracts = contracts_from_arrow(columns, table)
    assert set(contracts.array("spot_lag").tolist()) == {2}
    assert set(contracts.array("settlement_type").tolist()) == {0}
    assert contracts.text("tenor")[0] is None


def test_common_fields_of_positions_have_their_defaults():
    row = {
        "position_id": "F", "product": "FX_FWD", "base_currency": "EUR", "quote_currency": "JPY", "notional": 5, "contract_rate": 160,
        "delivery_date": "2024-06-28", "base_discount_curve": "C", "quote_discount_curve": "C",
    }  # fmt: skip
    fields = position_fields("FX_FWD", positions_table([row]).tables["FX_FWD"])
    assert fields == [{"product": "FX_FWD", "position_id": "F", "book": UNASSIGNED, "counterparty": UNASSIGNED}]
