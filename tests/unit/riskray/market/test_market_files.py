"""Market documents: files in three formats, one hash, and every problem named."""

import copy
import datetime
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from riskray.errors import InvalidRequest, UnsupportedFormat
from riskray.market.reader import (
    FORMATS,
    canonical_json,
    content_hash,
    market_id,
    parse_market,
    read_market,
    read_market_upload,
    write_market,
)
from riskray.snapshots.demo import demo_market

DOCUMENT: dict[str, Any] = {
    "name": "close",
    "as_of": "2024-03-28",
    "curves": [
        {"name": "USD-G", "currency": "USD", "compounding": "SEMIANNUAL", "source": "a, \"b\"; c",
         "points": [{"tenor": "1Y", "value": 0.05}, {"date": "2026-03-30", "value": 0.0456}]},
        {"name": "EUR-G", "currency": "EUR", "quoted_as": "discount_factors", "interpolation": "LOG_LINEAR_DISCOUNT", "quality": "stale",
         "observed_on": "2024-03-27", "points": [{"tenor": "6M", "value": 0.98}, {"tenor": "10Y", "value": 0.8}]},
    ],
    "spread_curves": [{"name": "ACME", "issuer": "Acme", "rating": "BBB", "points": [{"tenor": "5Y", "value": 0.0125}]}],
    "fx_spots": [
        {"pair": "EURUSD", "rate": 1.0811, "calendar": "TARGET+US_FED"},
        {"pair": "USDJPY", "rate": 151.19, "spot_date": "2024-04-02"},
    ],
    "fx_discount_curves": {"USD": "USD-G", "EUR": "EUR-G"},
}  # fmt: skip


def changed(**parts):
    return copy.deepcopy(DOCUMENT) | parts


def problems_of(document):
    with pytest.raises(InvalidRequest) as caught:
        parse_market(document)
    return caught.value.problems


def curve(*points, **attributes):
    return {"name": "C", "currency": "USD", "points": [dict(zip(("tenor", "value"), point, strict=True)) for point in points]} | attributes


@pytest.mark.parametrize("format", FORMATS)
def test_file_reads_back_to_the_same_document_and_hash(format):
    document = parse_market(DOCUMENT)
    again = read_market(write_market(document, format=format), format=format)
    assert again == document
    assert content_hash(again) == content_hash(document)


def test_market_from_quotes_reads_back_to_the_same_document_and_hash():
    document = demo_market()
    again = read_market(write_market(document, format="json"), format="json")
    assert again == document
    assert content_hash(again) == content_hash(document)


@settings(max_examples=50, deadline=None)
@given(
    rates=st.lists(st.floats(-0.5, 1.9), min_size=1, max_size=5),
    rate=st.floats(1e-6, 1e6),
    format=st.sampled_from(FORMATS),
    note=st.text(st.characters(categories=("L", "N", "P", "Zs")), max_size=20),
)
def test_any_numbers_and_notes_survive_every_format(rates, rate, format, note):
    document = parse_market(
        changed(
            description=note,
            curves=[curve(*[(f"{year}Y", value) for year, value in enumerate(rates, start=1)], source=note)],
            fx_spots=[{"pair": "EURUSD", "rate": rate, "source": note}],
            fx_discount_curves={},
            rates_checked=False,
        )
    )
    again = read_market(write_market(document, format=format), format=format, rates_unchecked=format != "json")
    assert content_hash(again) == content_hash(document)


def test_hash_ignores_the_order_of_curves_and_the_spelling_and_sees_every_number():
    original = parse_market(DOCUMENT)
    reordered = changed(curves=DOCUMENT["curves"][::-1], fx_spots=DOCUMENT["fx_spots"][::-1])
    assert market_id(parse_market(reordered)) == market_id(original)
    spaced = read_market(json.dumps(DOCUMENT, indent=4).encode(), format="json")
    assert canonical_json(spaced) == canonical_json(original)
    other = changed()
    other["curves"][0]["points"][0]["value"] += 1e-12
    assert market_id(parse_market(other)) != market_id(original)
    assert market_id(parse_market(changed(name="other"))) != market_id(original)


@pytest.mark.parametrize(
    ("parts", "loc", "code"),
    [
        ({"curves": [curve(("1Y", 0.05)), curve(("2Y", 0.05))]}, ["curves", 1], "duplicate"),
        ({"curves": [curve(("2Y", 0.05), ("1Y", 0.05))]}, ["curves", 0, "points", 1], "out_of_order"),
        ({"curves": [curve(("1Y", 0.05), ("12M", 0.05))]}, ["curves", 0, "points", 1], "out_of_order"),
        ({"curves": [curve(("0D", 0.05))]}, ["curves", 0, "points", 0], "not_in_the_future"),
        ({"curves": [{"name": "C", "currency": "USD", "points": [{"date": "2024-03-28", "value": 1}]}]}, ["curves", 0, "points", 0],
         "not_in_the_future"),
        ({"curves": [curve(("1Y", 4.25))]}, ["curves", 0, "points", 0, "value"], "out_of_range"),
        ({"curves": [curve(("1Y", -1.5), compounding="ANNUAL")]}, ["curves", 0, "points", 0, "value"], "out_of_range"),
        ({"curves": [curve(("1Y", 0.0), quoted_as="discount_factors")]}, ["curves", 0, "points", 0, "value"], "not_positive"),
        ({"curves": [curve(("1Y", -0.9), quoted_as="discount_factors")]}, ["curves", 0, "points", 0, "value"], "not_positive"),
        ({"curves": [curve(("1Y", 1e-9), quoted_as="discount_factors")]}, ["curves", 0, "points", 0, "value"], "out_of_range"),
        ({"curves": [curve(("1Y", 0.9), quoted_as="discount_factors", compounding="ANNUAL")]}, ["curves", 0, "compounding"], "not_allowed"),
        ({"curves": [curve(("1Y", float("nan")))]}, ["curves", 0, "points", 0, "value"], "finite_number"),
        ({"curves": [curve(("1Q", 0.05))]}, ["curves", 0, "points", 0, "tenor"], "value_error"),
        ({"curves": [curve(("1Y", "high"))]}, ["curves", 0, "points", 0, "value"], "float_parsing"),
        ({"curves": [curve(("1Y", 0.05), currency="DOL")]}, ["curves", 0, "currency"], "value_error"),
        ({"curves": [curve(("1Y", 0.05), interpolation="CUBIC")]}, ["curves", 0, "interpolation"], "enum"),
        ({"curves": [curve()]}, ["curves", 0, "points"], "too_short"),
        ({"curves": []}, ["curves"], "too_short"),
        ({"curves": [curve(("1Y", 0.05), name="")]}, ["curves", 0, "name"], "string_too_short"),
        ({"spread_curves": [{"name": "S", "points": [{"tenor": "1Y", "value": 125}]}]}, ["spread_curves", 0, "points", 0, "value"],
         "out_of_range"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": 1.1}, {"pair": "EURUSD", "rate": 1.1}]}, ["fx_spots", 1], "duplicate"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": 0}]}, ["fx_spots", 0, "rate"], "greater_than"),
        ({"fx_spots": [{"pair": "EUR/USD", "rate": 1}]}, ["fx_spots", 0, "pair"], "value_error"),
        ({"fx_spots": [{"pair": "EUREUR", "rate": 1}]}, ["fx_spots", 0, "pair"], "value_error"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": 1, "spot_date": "2024-03-27"}]}, ["fx_spots", 0, "spot_date"], "out_of_range"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": 1, "calendar": "MARS"}]}, ["fx_spots", 0, "calendar"], "value_error"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": 1.1}, {"pair": "USDEUR", "rate": 1.1}]}, ["fx_spots", 1, "rate"], "inconsistent"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": 1.1}, {"pair": "USDJPY", "rate": 150}, {"pair": "EURJPY", "rate": 170}]},
         ["fx_spots", 2, "rate"], "inconsistent"),
        ({"fx_discount_curves": {"EUR": "NOPE"}}, ["fx_discount_curves", "EUR"], "unknown_curve"),
        ({"fx_discount_curves": {"EUR": "USD-G"}}, ["fx_discount_curves", "EUR"], "wrong_currency"),
        ({"surprise": 1}, ["surprise"], "extra_forbidden"),
        ({"as_of": "soon"}, ["as_of"], "value_error"),
        ({"as_of": 0}, ["as_of"], "value_error"),
        ({"as_of": "86400"}, ["as_of"], "value_error"),
        ({"as_of": "2024-03-28T00:00:00"}, ["as_of"], "value_error"),
        ({"as_of": "1949-12-31", "fx_spots": []}, ["as_of"], "value_error"),
        ({"as_of": "2150-01-01", "fx_spots": []}, ["as_of"], "value_error"),
        ({"curves": [curve(("1Y", True))]}, ["curves", 0, "points", 0, "value"], "value_error"),
        ({"curves": [curve(("1Y", "0.0_2"))]}, ["curves", 0, "points", 0, "value"], "value_error"),
        ({"curves": [{"name": "C", "currency": "USD", "points": [{"date": 31536000, "value": 0.05}]}]},
         ["curves", 0, "points", 0, "date"], "value_error"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": True}]}, ["fx_spots", 0, "rate"], "value_error"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": "1_0"}]}, ["fx_spots", 0, "rate"], "value_error"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": 1.1, "spot_lag_days": True}]}, ["fx_spots", 0, "spot_lag_days"], "value_error"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": 1e300}]}, ["fx_spots", 0, "rate"], "out_of_range"),
        ({"fx_spots": [{"pair": "EURUSD", "rate": 1e-320}]}, ["fx_spots", 0, "rate"], "out_of_range"),
    ],
)  # fmt: skip
def test_problem_is_named_by_its_path_and_code(parts, loc, code):
    defaults: dict[str, Any] = {} if "fx_discount_curves" in parts else {"fx_discount_curves": {}}
    assert [(problem["loc"], problem["code"]) for problem in problems_of(changed(**defaults, **parts))] == [(loc, code)]


def test_point_with_both_or_neither_of_tenor_and_date_is_refused():
    for point in ({"value": 0.1}, {"tenor": "1Y", "date": "2025-03-28", "value": 0.1}):
        [problem] = problems_of(changed(curves=[{"name": "C", "currency": "USD", "points": [point]}], fx_discount_curves={}))
        assert problem["loc"] == ["curves", 0, "points", 0]


def test_all_problems_of_a_document_are_listed_together():
    document = changed(
        curves=[curve(("1Y", 9.0), ("6M", 8.0)), curve(("1Y", -1.0), quoted_as="discount_factors")],
        fx_spots=[{"pair": "EURUSD", "rate": 1.1}, {"pair": "USDEUR", "rate": 2.0}],
    )
    codes = sorted(problem["code"] for problem in problems_of(document))
    assert codes == sorted(
        ["out_of_range", "out_of_range", "out_of_order", "not_positive", "duplicate", "inconsistent", "unknown_curve", "unknown_curve"]
    )


def test_crosses_within_their_spreads_are_consistent():
    quotes = [{"pair": "EURUSD", "rate": 1.1}, {"pair": "USDJPY", "rate": 150}, {"pair": "EURJPY", "rate": 165.3}]
    assert len(parse_market(changed(fx_spots=quotes)).fx_spots) == 3


# ------------------------------------------------------------------------------------------------------------------ tables

HEADER = "kind,name,currency,tenor_or_date,value,compounding\n"
SNAPSHOT = "snapshot,close,,2024-03-28,,\n"


def table_problems(text):
    with pytest.raises(InvalidRequest) as caught:
        read_market(text.encode(), format="csv")
    return caught.value.problems


def test_hand_written_table_is_a_document():
    text = HEADER + SNAPSHOT + "zero_rate,C,USD,1Y,0.05,ANNUAL\nzero_rate,C,,2026-03-28,0.04,\nfx_spot,EURUSD,,,1.08,\n"
    document = read_market(text.encode(), format="csv")
    assert document.curves[0].compounding == "ANNUAL"
    assert [point.label for point in document.curves[0].points] == ["1Y", "2026-03-28"]
    assert document.fx_spots[0].spot_lag_days == 2


@pytest.mark.parametrize(
    ("rows", "loc", "code"),
    [
        ("zero_rate,C,USD,1Y,high,\n", ["rows", 2, "value"], "float_parsing"),
        ("zero_rate,C,USD,1Y,0.05,\nzero_rate,C,USD,6M,0.05,\n", ["rows", 3, "tenor_or_date"], "out_of_order"),
        ("zero_rate,C,USD,1X,0.05,\n", ["rows", 2, "tenor_or_date"], "value_error"),
        ("zero_rate,C,USD,1Y,0.05,\nfx_spot,EURO,,,1,\n", ["rows", 3, "name"], "value_error"),
        ("zero_rate,C,USD,1Y,0.05,\nfx_spot,EURUSD,,2024-03-01,1,\n", ["rows", 3, "tenor_or_date"], "out_of_range"),
        ("zero_rate,C,USD,1Y,0.05,\nfx_spot,EURUSD,,,1,\nfx_spot,EURUSD,,,1,\n", ["rows", 4, "name"], "duplicate"),
        ("zero_rate,C,USD,1Y,0.05,\nfx_discount_curve,D,USD,,,\n", ["rows", 3, "name"], "unknown_curve"),
        ("zero_rate,C,USD,1Y,0.05,\nfx_discount_curve,C,DOL,,,\n", ["rows", 3, "currency"], "value_error"),
        ("zero_rate,C,USD,1Y,0.05,\nfx_discount_curve,C,USD,,,\nfx_discount_curve,C,USD,,,\n", ["rows", 4, "currency"], "duplicate"),
        ("zero_rate,C,USD,1Y,0.05,ANNUAL\nzero_rate,C,USD,2Y,0.05,SIMPLE\n", ["rows", 3, "compounding"], "contradiction"),
        ("zero_rate,C,USD,1Y,0.05,\ndiscount_factor,C,USD,2Y,0.9,\n", ["rows", 3, "kind"], "contradiction"),
        ("zero_rate,C,USX,1Y,0.05,\n", ["rows", 2, "currency"], "value_error"),
        ("rate,C,USD,1Y,0.05,\n", ["rows", 2, "kind"], "unknown_kind"),
        ("zero_rate,C,USD,1Y,0.05,\nfx_spot,EURUSD,,,-1,\n", ["rows", 3, "value"], "greater_than"),
        ("zero_rate,C,USD,1Y\n", ["rows", 2], "malformed_row"),
        ("zero_rate,C,USD,1Y,0.05,,,\n", ["rows", 2], "malformed_row"),
        (SNAPSHOT + "zero_rate,C,USD,1Y,0.05,\n", ["rows", 2, "kind"], "duplicate"),
    ],
)
def test_bad_row_of_a_table_is_named_by_number_and_column(rows, loc, code):
    assert [(problem["loc"], problem["code"]) for problem in table_problems(HEADER + SNAPSHOT + rows)] == [(loc, code)]


def test_bad_rows_of_every_sort_are_named_in_one_answer():
    rows = ["zero_rate,EUR-GOVT,EUR,1Y,abc,", "zero_ratez,EUR-GOVT,EUR,2Y,0.03,", "fx_spot,EURUSD,,,-1,", "zero_rate,G,GBP,3Y",
            "zero_rate,G,GBP,2Y,0.05,", "zero_rate,G,GBP,1Y,0.05,", "zero_rate,G,EUR,3Y,5,"]  # fmt: skip
    assert [problem["loc"] for problem in table_problems(HEADER + SNAPSHOT + "\n".join(rows) + "\n")] == [
        ["rows", 2, "value"], ["rows", 3, "kind"], ["rows", 4, "value"], ["rows", 5], ["rows", 7, "tenor_or_date"], ["rows", 8, "currency"],
        ["rows", 8, "value"],
    ]  # fmt: skip


def test_wrong_types_hide_no_wrong_numbers():
    document = changed(
        curves=[curve(("1Y", "x"), name="A"), curve(("2Y", 0.05), ("1Y", 0.05), name="B")],
        fx_spots=[{"pair": "EURUS", "rate": 1.1}, {"pair": "USDEUR", "rate": 1e300}],
        fx_discount_curves={"USD": "A"},
    )
    assert [problem["loc"] for problem in problems_of(document)] == [
        ["curves", 0, "points", 0, "value"], ["fx_spots", 0, "pair"], ["curves", 1, "points", 1], ["fx_spots", 1, "rate"],
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------------------------------- partial


def partial(document):
    return read_market_upload(json.dumps(document).encode(), format="json", allow_partial=True)


def test_partial_market_is_that_of_its_sound_curves_and_quotes():
    bad_curves = [curve(("1Y", "high"), name="A"), curve(("2Y", 0.05), ("1Y", 0.05), name="B"), curve(("1Y", 0.05), name="USD-G")]
    bad_quotes = [{"pair": "GBPUSD", "rate": 0}, {"pair": "EURGBP", "rate": 1e300}]
    document = changed(curves=[*bad_curves, *DOCUMENT["curves"]], fx_spots=[*bad_quotes, *DOCUMENT["fx_spots"]])
    read = partial(document)
    eur = {"EUR": "EUR-G"}
    assert read.document == parse_market(changed(curves=DOCUMENT["curves"][1:], fx_discount_curves=eur))
    assert read.rejected == 7
    assert [problem["loc"] for problem in read.problems] == [
        ["curves", 0, "points", 0, "value"], ["fx_spots", 0, "rate"],
        ["curves", 3], ["curves", 1, "points", 1], ["fx_spots", 1, "rate"], ["fx_discount_curves", "USD"],
    ]  # fmt: skip


def test_partial_market_without_a_fault_is_the_whole_one():
    read = partial(DOCUMENT)
    assert (read.document, read.rejected, read.problems) == (parse_market(DOCUMENT), 0, [])


@pytest.mark.parametrize(
    "parts",
    [
        {"as_of": "soon"},
        {"surprise": 1},
        {"curves": [curve(("1Y", "high"))], "fx_discount_curves": {}},
        {"fx_spots": [{"pair": "EURUSD", "rate": 1.1}, {"pair": "USDEUR", "rate": 1.1}]},
    ],
    ids=["date", "unknown field", "no sound curve", "contradiction"],
)
def test_partial_market_that_nobody_can_decide_is_refused(parts):
    with pytest.raises(InvalidRequest):
        partial(changed(**parts))


def test_partial_table_leaves_out_whole_curves_and_refuses_rows_without_a_place():
    rows = "zero_rate,A,USD,1Y,0.05,\nzero_rate,A,USD,2Y,x,\nzero_rate,B,EUR,1Y,0.05,\nzero_rate,B,USD,2Y,0.05,\nzero_rate,C,USD,1Y,0.05,\n"
    read = read_market_upload((HEADER + SNAPSHOT + rows).encode(), format="csv", allow_partial=True)
    assert [found.name for found in read.document.curves] == ["C"]
    assert (read.rejected, [problem["loc"] for problem in read.problems]) == (2, [["rows", 3, "value"], ["rows", 5, "currency"]])
    for row in ("zero_ratez,C,USD,2Y,0.05,\n", "zero_rate,C,USD,2Y\n"):
        with pytest.raises(InvalidRequest):
            read_market_upload((HEADER + SNAPSHOT + rows + row).encode(), format="csv", allow_partial=True)


def test_table_without_snapshot_row_or_with_wrong_columns_is_refused():
    assert table_problems(HEADER + "zero_rate,C,USD,1Y,0.05,\n")[0]["code"] == "missing"
    assert table_problems("kind,name,tenor,value\n")[0]["loc"] == ["columns", "tenor"]
    assert table_problems(HEADER)[0]["code"] == "empty"
    assert table_problems("")[0]["code"] == "missing_column"


@pytest.mark.parametrize(
    ("data", "format"), [(b"{", "json"), (b"\xff\xfe", "csv"), (b"PAR1", "parquet"), (b"", "parquet"), (b"[]", "json")]
)
def test_unreadable_market_file_is_refused(data, format):
    with pytest.raises(InvalidRequest):
        read_market(data, format=format)


def test_unknown_market_format_is_refused():
    with pytest.raises(UnsupportedFormat, match="xml"):
        read_market(b"", format="xml")


def as_parquet(columns):
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def test_parquet_dates_are_read_whatever_they_are_kept_as():
    days = [datetime.date(2024, 3, 28), datetime.date(2025, 3, 28)]
    columns = {"kind": ["snapshot", "zero_rate"], "name": ["close", "C"], "currency": ["", "USD"], "value": [None, 0.05]}
    for kind in (pa.date32(), pa.timestamp("ns"), pa.timestamp("us", "UTC")):
        document = read_market(as_parquet(columns | {"tenor_or_date": pa.array(days).cast(kind)}), format="parquet")
        assert (document.as_of, document.curves[0].points[0].date) == tuple(days)
    with pytest.raises(InvalidRequest, match="not readable"):
        read_market(as_parquet(columns | {"tenor_or_date": pa.array([2**31 - 1, 0], pa.date32())}), format="parquet")


def test_parquet_without_optional_columns_is_read():
    table = pa.table(
        {
            "kind": ["snapshot", "zero_rate"],
            "name": ["close", "C"],
            "currency": [None, "USD"],
            "tenor_or_date": ["2024-03-28", "1Y"],
            "value": [None, 0.05],
        }
    )
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(table, sink)
    assert read_market(sink.getvalue().to_pybytes(), format="parquet").curves[0].points[0].value == 0.05


def test_decimals_of_parquet_are_the_numbers_of_other_files():
    columns = {
        "kind": ["snapshot", "zero_rate"],
        "name": ["close", "EUR"],
        "currency": [None, "EUR"],
        "tenor_or_date": ["2024-03-28", "1Y"],
    }
    decimal, double = pa.array([None, Decimal("0.0425")], pa.decimal128(9, 6)), pa.array([None, 0.0425])
    documents = [read_market(as_parquet(columns | {"value": values}), format="parquet") for values in (decimal, double)]
    assert market_id(documents[0]) == market_id(documents[1])
