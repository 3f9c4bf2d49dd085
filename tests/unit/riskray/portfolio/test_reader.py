"""Reading portfolios: the errors for invalid cells and files."""

import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from pricers import registry
from riskray.errors import InvalidRequest, UnsupportedFormat
from riskray.portfolio.files import ReadLimits
from riskray.portfolio.reader import PROBLEMS_LISTED_MAX, positions_table, read_portfolio

FORWARD = {
    "position_id": "F1", "product": "FX_FWD", "book": "FX-01", "base_currency": "EUR", "quote_currency": "USD", "notional": "1000000",
    "contract_rate": "1.1", "delivery_date": "2024-12-16", "spot_lag": "2", "base_discount_curve": "EUR-GOVT",
    "quote_discount_curve": "USD-GOVT",
}  # fmt: skip
BOND = {
    "position_id": "B1", "product": "FIXED_BOND", "currency": "EUR", "notional": "1000000", "coupon_rate": "0.03",
    "issue_date": "2023-01-15", "maturity_date": "2033-01-15", "frequency": "ANNUAL", "end_of_month": "false", "sinking_dates": "",
    "sinking_amounts": "", "discount_curve": "EUR-GOVT",
}  # fmt: skip


def as_csv(*rows):
    sink = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(sink, names, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return sink.getvalue().encode()


def as_parquet(table):
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def problems_of(data, **options):
    with pytest.raises(InvalidRequest) as caught:
        read_portfolio(data, **({"format": "csv"} | options))
    return caught.value.problems


def test_file_with_two_products_gives_a_table_each_with_the_file_s_values():
    bond = BOND | {"sinking_dates": "2031-01-15;2032-01-15", "sinking_amounts": "250000;1e5"}
    result = read_portfolio(as_csv(FORWARD, bond), format="csv")
    assert (result.accepted, result.rejected, result.problems) == (2, 0, [])
    forward, read = result.tables["FX_FWD"].to_pylist()[0], result.tables["FIXED_BOND"].to_pylist()[0]
    assert (forward["notional"], forward["spot_lag"], forward["quote_amount"], forward["counterparty"]) == (1e6, 2, None, None)
    assert [str(day) for day in read["sinking_dates"]] == ["2031-01-15", "2032-01-15"]
    assert read["sinking_amounts"] == [250_000.0, 100_000.0]
    assert (str(read["maturity_date"]), read["end_of_month"], read["frequency"]) == ("2033-01-15", False, "ANNUAL")


@pytest.mark.parametrize(
    ("row", "column", "text", "code"),
    [
        (FORWARD, "notional", "", "missing"),
        (FORWARD, "notional", "a million", "wrong_type"),
        (FORWARD, "notional", "1,000", "wrong_type"),
        (FORWARD, "notional", "nan", "not_finite"),
        (FORWARD, "notional", "-inf", "not_finite"),
        (FORWARD, "notional", "1e999", "not_finite"),
        (FORWARD, "contract_rate", "-0.5", "out_of_range"),
        (FORWARD, "notional", "1e300", "out_of_range"),
        (FORWARD, "calendar", "TARGET+MARS", "unknown_calendar"),
        (BOND, "coupon_rate", "4.75", "out_of_range"),
        (BOND, "ex_coupon_calendar", "MARS", "unknown_calendar"),
        (BOND, "credit_spread", "125", "out_of_range"),
        (FORWARD, "spot_lag", "1.5", "not_whole"),
        (FORWARD, "spot_lag", "11", "out_of_range"),
        (FORWARD, "spot_lag", "3000000000", "out_of_range"),
        (FORWARD, "delivery_date", "2024-02-30", "wrong_type"),
        (FORWARD, "delivery_date", "16.12.2024", "wrong_type"),
        (FORWARD, "delivery_date", "20241216", "wrong_type"),
        (FORWARD, "base_currency", "", "missing"),
        (FORWARD, "base_currency", "EUX", "unknown_currency"),
        (FORWARD, "base_currency", "eur", "unknown_currency"),
        (FORWARD, "base_discount_curve", "x" * 201, "too_long"),
        (FORWARD, "book", "a\x00b", "control_character"),
        (FORWARD, "book", "a\nb", "control_character"),
        (FORWARD, "position_id", "", "missing"),
        (FORWARD, "position_id", "  ", "missing"),
        (FORWARD, "product", "", "missing"),
        (FORWARD, "product", "FX_FORWARD", "unknown_product"),
        (BOND, "frequency", "YEARLY", "not_allowed"),
        (BOND, "end_of_month", "perhaps", "wrong_type"),
        (BOND, "sinking_dates", "2031-01-15;2032-13-15", "wrong_type"),
        (BOND, "sinking_dates", "2031-01-15;;2032-01-15", "missing"),
        (BOND, "sinking_amounts", "1;two", "wrong_type"),
        (BOND, "sinking_amounts", "1;inf", "not_finite"),
        (BOND, "issue_date", "", "missing"),
    ],
)
def test_bad_cell_is_named_by_row_position_column_value_and_code(row, column, text, code):
    good = row | {"position_id": "GOOD"}
    [problem] = problems_of(as_csv(good, row | {column: text}))
    assert problem["loc"] == ["rows", 2, column]
    assert (problem["row"], problem["column"], problem["code"]) == (2, column, code)
    if column != "position_id":
        assert problem["position_id"] == row["position_id"]
    assert "row 2" in problem["msg"]
    if text.strip() and len(text) < 100:
        assert problem["value"] == text


def test_bad_cells_of_several_rows_are_all_named_in_file_order():
    rows = [FORWARD | {"position_id": str(i)} for i in range(6)]
    rows[1]["notional"] = "x"
    rows[4] |= {"notional": "y", "delivery_date": "z"}
    found = problems_of(as_csv(*rows))
    assert [(problem["row"], problem["column"], problem["value"]) for problem in found] == [
        (2, "notional", "x"), (5, "notional", "y"), (5, "delivery_date", "z"),
    ]  # fmt: skip


def test_doubled_position_id_names_every_row_that_has_it():
    found = problems_of(as_csv(FORWARD, BOND, FORWARD | {"notional": "5"}, FORWARD))
    assert [(problem["row"], problem["code"]) for problem in found] == [(1, "duplicate"), (3, "duplicate"), (4, "duplicate")]
    assert ["row 4" in found[0]["msg"], "row 1" in found[1]["msg"], "row 1" in found[2]["msg"]] == [True] * 3


def test_cell_of_another_product_is_refused_and_blanks_are_not():
    [problem] = problems_of(as_csv(FORWARD, BOND | {"contract_rate": "1.2"}))
    assert (problem["row"], problem["column"], problem["code"]) == (2, "contract_rate", "not_of_product")
    assert read_portfolio(as_csv(FORWARD, BOND | {"contract_rate": " "}), format="csv").accepted == 2


def test_unknown_column_refuses_the_file_with_a_suggestion_even_when_partial():
    data = as_csv(FORWARD | {"notionl": "3"})
    for allow_partial in (False, True):
        [problem] = problems_of(data, allow_partial=allow_partial)
        assert (problem["loc"], problem["code"]) == (["columns", "notionl"], "unknown_column")
        assert "did you mean 'notional'" in problem["msg"]


def test_missing_required_column_is_named_for_the_rows_of_its_product():
    data = as_csv({name: value for name, value in FORWARD.items() if name != "notional"}, {**BOND, "notional": "1"})
    [problem] = problems_of(data)
    assert (problem["row"], problem["column"], problem["code"]) == (1, "notional", "missing")
    data = as_csv({name: value for name, value in FORWARD.items() if name != "notional"})
    [problem] = problems_of(data)
    assert "requires this column, which is missing" in problem["msg"]


@pytest.mark.parametrize("column", ["position_id", "product"])
def test_file_without_a_common_column_is_refused(column):
    data = as_csv({("Position Id" if name == column else name): value for name, value in FORWARD.items()})
    found = problems_of(data)
    assert (["columns", column], "missing_column") in [(problem["loc"], problem["code"]) for problem in found]


def test_partial_read_accepts_the_good_rows_and_reports_the_others():
    rows = [FORWARD | {"position_id": str(i)} for i in range(5)]
    rows[2]["notional"] = "x"
    result = read_portfolio(as_csv(*rows), format="csv", allow_partial=True)
    assert (result.accepted, result.rejected, result.problem_count) == (4, 1, 1)
    assert result.tables["FX_FWD"]["position_id"].to_pylist() == ["0", "1", "3", "4"]
    assert result.problems[0]["row"] == 3


def test_partial_read_of_nothing_good_is_refused():
    problems_of(as_csv(FORWARD | {"notional": ""}), allow_partial=True)


def test_many_problems_are_counted_in_full_and_listed_up_to_the_cap():
    rows = [FORWARD | {"position_id": str(i), "notional": "x"} for i in range(PROBLEMS_LISTED_MAX + 500)]
    result = read_portfolio(as_csv(FORWARD, *rows), format="csv", allow_partial=True)
    assert (result.accepted, result.problem_count, len(result.problems)) == (1, PROBLEMS_LISTED_MAX + 500, PROBLEMS_LISTED_MAX)
    assert [problem["row"] for problem in result.problems[:2]] == [2, 3]


def test_row_with_too_few_cells_is_named_and_the_rows_after_it_keep_their_numbers():
    lines = as_csv(*[FORWARD | {"position_id": str(i)} for i in range(4)]).decode().splitlines()
    lines[2] = "1,FX_FWD"
    lines[4] = lines[4].replace("1000000", "x")
    found = problems_of("\n".join(lines).encode())
    assert [(problem["row"], problem["code"]) for problem in found] == [(2, "malformed_row"), (4, "wrong_type")]


@pytest.mark.parametrize(
    ("data", "format", "code"),
    [
        (b"", "csv", "empty"),
        (b"position_id,product", "csv", "empty"),
        (b"position_id,product\n", "csv", "empty"),
        (b"position_id;product\nA;FX_FWD\n", "csv", "malformed"),
        (b"position_id,,product\nA,B,FX_FWD\n", "csv", "malformed"),
        (b"position_id,product,book,book\nA,FX_FWD,x,y\n", "csv", "duplicate_column"),
        (b"position_id,product\nA\xff,FX_FWD\n", "csv", "encoding"),
        ("position_id,product\nA,FX_FWD\n".encode("utf-16"), "csv", "encoding"),
        (b"", "json", "empty"),
        (b"[]", "json", "empty"),
        (b"[{]", "json", "malformed"),
        (b'"positions"', "json", "malformed"),
        (b"[1, null]", "json", "malformed"),
        (b"[" * 10_000, "json", "malformed"),
        (b'{"position_id": "A"}\n{"position_id": \n', "json", "malformed"),
        (b"not parquet at all", "parquet", "malformed"),
        (b"PAR1" + b"\x00" * 64 + b"PAR1", "parquet", "malformed"),
    ],
)
def test_unreadable_file_is_refused_as_a_whole(data, format, code):
    [problem] = problems_of(data, format=format)
    assert problem["code"] == code


def test_truncated_parquet_is_refused():
    whole = as_parquet(pa.table({"position_id": ["A"] * 1_000, "product": ["FX_FWD"] * 1_000}))
    for length in (len(whole) - 1, len(whole) // 2, 8):
        assert problems_of(whole[:length], format="parquet")[0]["code"] == "malformed"


def test_unknown_format_is_refused_by_name():
    with pytest.raises(UnsupportedFormat, match="'xlsx'"):
        read_portfolio(b"x", format="xlsx")


def test_file_beyond_the_limits_is_refused_before_it_fills_memory():
    rows = as_csv(*[FORWARD | {"position_id": str(i)} for i in range(11)])
    assert problems_of(rows, limits=ReadLimits(rows=10))[0]["code"] == "too_many_rows"
    assert problems_of(rows, limits=ReadLimits(columns=5))[0]["code"] == "too_many_columns"
    # A megabyte of text, repeated 5,000 times by reference: a small file that would take 5 GB in memory.
    repeated = pa.DictionaryArray.from_arrays(pa.array([0] * 5_000, pa.int32()), pa.array(["x" * 1_000_000]))
    bomb = as_parquet(pa.table({"position_id": repeated, "product": ["FX_FWD"] * 5_000}))
    assert len(bomb) < 2_000_000
    codes = {problem["code"] for problem in problems_of(bomb, format="parquet", limits=ReadLimits(decoded_bytes=100_000_000))}
    assert "too_long" in codes


def test_parquet_that_unpacks_beyond_the_limit_is_refused_by_its_own_word():
    long_list = pa.ListArray.from_arrays(pa.array([0, 3_000_000], pa.int32()), pa.array([1.0] * 3_000_000))
    data = as_parquet(pa.table({"position_id": ["A"], "product": ["FIXED_BOND"], "sinking_amounts": long_list}))
    assert len(data) < 100_000
    assert problems_of(data, format="parquet", limits=ReadLimits(decoded_bytes=10_000_000))[0]["code"] == "too_large"


@pytest.mark.parametrize("cells", [[b"x"], pa.array([b"x"], pa.binary_view()), [{"a": 1}], [[[1.0]]]])
def test_parquet_column_of_a_type_that_no_contract_has_is_refused(cells):
    data = as_parquet(pa.table({"position_id": ["A"], "product": ["FX_FWD"], "notional": cells}))
    [problem] = problems_of(data, format="parquet")
    assert (problem["loc"], problem["code"]) == (["columns", "notional"], "wrong_type")


def test_polars_text_is_read_like_any_other():
    rows = [BOND | {"sinking_dates": "2032-01-15", "sinking_amounts": "5"}, FORWARD]
    names = dict.fromkeys(name for row in rows for name in row)
    plain = pa.table({name: [row.get(name) for row in rows] for name in names})
    views = plain.cast(pa.schema([(name, pa.string_view()) for name in names]))
    lists = views.set_column(
        views.column_names.index("sinking_dates"), "sinking_dates", pa.array([["2032-01-15"], None], pa.list_(pa.string_view()))
    )
    expected = read_portfolio(as_parquet(plain), format="parquet").tables
    for table in (views, lists):
        read = read_portfolio(as_parquet(table), format="parquet").tables
        assert {product: read[product].to_pylist() for product in read} == {product: expected[product].to_pylist() for product in expected}


def test_parquet_text_that_is_not_utf_8_is_refused():
    wrong = pa.array([b"\xff"], pa.binary()).view(pa.string())
    [problem] = problems_of(as_parquet(pa.table({name: [value] for name, value in FORWARD.items()} | {"book": wrong})), format="parquet")
    assert (problem["loc"], problem["code"]) == (["columns", "book"], "encoding")


def test_date_beyond_what_python_can_hold_is_refused_and_shown():
    columns = {name: [value] for name, value in FORWARD.items()} | {"delivery_date": pa.array([2**31 - 1], pa.date32())}
    [problem] = problems_of(as_parquet(pa.table(columns)), format="parquet")
    assert (problem["column"], problem["code"], problem["value"]) == ("delivery_date", "out_of_range", "2147483647 as date32[day]")


def test_json_types_are_taken_as_they_are_and_wrong_ones_named():
    good = {"position_id": "J1", "product": "FIXED_BOND", "currency": "EUR", "notional": 1e6, "coupon_rate": 0, "issue_date": "2023-01-15",
            "maturity_date": "2033-01-15", "end_of_month": True, "sinking_dates": ["2032-01-15"], "sinking_amounts": [5],
            "discount_curve": "EUR-GOVT"}  # fmt: skip
    result = read_portfolio(json.dumps([good]).encode(), format="json")
    assert result.tables["FIXED_BOND"].to_pylist()[0]["sinking_amounts"] == [5.0]
    bad = {"notional": "many", "coupon_rate": True, "currency": {"code": "EUR"}, "issue_date": 20230115, "end_of_month": "maybe",
           "sinking_dates": [["2032-01-15"]]}  # fmt: skip
    found = problems_of(json.dumps([good, good | {"position_id": "J2"} | bad]).encode(), format="json")
    assert {problem["column"]: problem["code"] for problem in found} == dict.fromkeys(bad, "wrong_type")
    assert {problem["row"] for problem in found} == {2}


@pytest.mark.parametrize("nested", [[1000.0], [1, 2], {"amount": 1}])
def test_json_list_or_object_in_a_column_of_single_values_is_refused(nested):
    [problem] = problems_of(json.dumps([FORWARD | {"notional": nested}]).encode(), format="json")
    assert (problem["column"], problem["code"]) == ("notional", "wrong_type")


def test_terms_of_a_plain_function_are_an_object_or_its_text(monkeypatch):
    monkeypatch.setattr(registry, "_specs", dict(registry._specs))
    registry.register("NOTE", lambda position, instrument, market_snapshot, measures, scenario_id: {"pv": 1.0}, title="Note")
    terms = [{"rate": 0.03, "title": "Schätze"}, '{"rate":0.03,"title":"Schätze"}']
    rows = [
        {"position_id": f"N{number}", "product": "NOTE", "currency": "EUR", "notional": 1.0, "instrument": given}
        for number, given in enumerate(terms)
    ]
    (table,) = positions_table(rows).tables.values()
    assert table.column("instrument").to_pylist() == [terms[1], terms[1]]
    with pytest.raises(InvalidRequest, match="instrument: expected a single value"):
        positions_table([{**rows[0], "instrument": [1]}])


def test_value_out_of_range_is_refused_with_the_unit_of_its_bound():
    [problem] = problems_of(as_csv(BOND | {"coupon_rate": "4.75"}))
    assert "greater than 2 decimal a year" in problem["msg"]


@pytest.mark.parametrize("column", ["contract_rate", "fixing_rate"])
def test_exchange_rate_that_would_drown_every_total_is_refused(column):
    [problem] = problems_of(as_csv(FORWARD | {column: "1e300"}))
    assert f"column {column}: greater than 1e+12 quote per base" in problem["msg"]


def test_json_nan_and_non_objects_are_named():
    good = FORWARD | {"notional": 1.0}
    text = json.dumps([good, 5, good | {"position_id": "F2", "notional": float("nan")}])
    found = problems_of(text.encode(), format="json")
    assert [(problem["row"], problem["code"]) for problem in found] == [(2, "malformed_row"), (3, "not_finite")]


def test_json_lines_and_wrapped_list_read_like_a_list():
    rows = [FORWARD, FORWARD | {"position_id": "F2"}]
    texts = [json.dumps(rows), json.dumps({"positions": rows}), "\n".join(json.dumps(row) for row in rows)]
    tables = [read_portfolio(text.encode(), format="json").tables["FX_FWD"] for text in texts]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


def test_parquet_of_other_types_is_converted_and_wrong_types_named():
    columns = {name: [value] for name, value in FORWARD.items()}
    typed = {
        "notional": pa.array([1_000_000], pa.int64()),
        "contract_rate": pa.array([1.1], pa.float32()).cast(pa.float64()),
        "spot_lag": pa.array([2.0]),
        "delivery_date": pa.array([1_734_307_200], pa.timestamp("s")),
        "book": pa.array(["FX-01"], pa.large_string()).dictionary_encode(),
    }
    result = read_portfolio(as_parquet(pa.table(columns | typed)), format="parquet")
    row = result.tables["FX_FWD"].to_pylist()[0]
    assert (row["notional"], row["spot_lag"], str(row["delivery_date"]), row["book"]) == (1e6, 2, "2024-12-16", "FX-01")
    wrong = {"notional": pa.array([True]), "delivery_date": pa.array([1_734_307_201], pa.timestamp("s")), "book": pa.array([1.5])}
    found = problems_of(as_parquet(pa.table(columns | typed | wrong)), format="parquet")
    assert {problem["column"]: problem["code"] for problem in found} == dict.fromkeys(wrong, "wrong_type")


def test_ad_hoc_positions_get_the_same_checks():
    assert positions_table([FORWARD | {"notional": 5}]).accepted == 1
    with pytest.raises(InvalidRequest) as caught:
        positions_table([FORWARD | {"notional": None, "spot_lag": 99}])
    assert {problem["column"] for problem in caught.value.problems} == {"notional", "spot_lag"}
    with pytest.raises(InvalidRequest, match="no positions"):
        positions_table([])
