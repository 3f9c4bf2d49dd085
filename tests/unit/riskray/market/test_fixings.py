"""Tables of fixings: every fault of a row in every format, what an append may change, and what a market of a day sees."""

import io
import json
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pricers.market.indices import STANDARD_INDICES, Index, IndexKind
from pricers.time.dates import to_day
from riskray.errors import InvalidRequest, UnsupportedFormat
from riskray.market.fixing_files import FORMATS, read_fixings, write_fixings
from riskray.market.fixings import appended, content_hash, decode, encode, fixing_table, known_indices, visible_fixings

EURIBOR = {"index": "EUR-EURIBOR-6M", "fixing_date": "2024-03-28", "value": 0.03851}
SOFR = {"index": "USD-SOFR", "fixing_date": "2024-03-27", "value": 0.0533}
CPI = {"index": "US-CPI-U", "fixing_date": "2024-02-01", "value": 310.326}
ECB = {"index": "EUR-USD-ECB", "fixing_date": "2024-03-28", "value": 1.0811}
ROWS = [EURIBOR | {"source": "EMMI", "published_at": "2024-03-28T11:00:00+01:00"}, SOFR, CPI | {"published_at": "2024-03-12"}, ECB]
every_format = pytest.mark.parametrize("format", FORMATS)


def file_of(rows: list[dict[str, Any]], format: str) -> bytes:
    names = list(dict.fromkeys(name for row in rows for name in row))
    if format == "json":
        return json.dumps(rows).encode()
    if format == "csv":
        lines = [",".join(names), *(",".join(str(row.get(name, "")) for name in names) for row in rows)]
        return "\n".join(lines).encode()
    sink = io.BytesIO()
    columns = {name: [row.get(name) for row in rows] for name in names}
    pq.write_table(
        pa.table({name: pa.array(cells if name == "value" else list(map(_text, cells))) for name, cells in columns.items()}), sink
    )
    return sink.getvalue()


def _text(cell: Any) -> str | None:
    return None if cell is None else str(cell)


def table_of(*rows: dict[str, Any]) -> pa.Table:
    return fixing_table(read_fixings(file_of(list(rows), "json"), format="json", indices=STANDARD_INDICES))


def problems_of(rows: list[dict[str, Any]], format: str = "csv", **options: Any) -> list[tuple[list[Any], str, str]]:
    with pytest.raises(InvalidRequest) as refused:
        read_fixings(file_of(rows, format), format=format, **({"indices": STANDARD_INDICES} | options))
    assert str(refused.value).startswith("the fixings have")
    return [(problem["loc"], problem["code"], problem["msg"]) for problem in refused.value.problems]


@every_format
def test_table_reads_back_to_the_same_hash_in_any_order_of_rows(format: str) -> None:
    table = table_of(*ROWS)
    for rows in (ROWS, ROWS[::-1]):
        again = fixing_table(read_fixings(file_of(rows, format), format=format, indices=STANDARD_INDICES))
        assert content_hash(again) == content_hash(table)
    written = read_fixings(write_fixings(table, format=format), format=format, indices=STANDARD_INDICES)
    assert content_hash(fixing_table(written)) == content_hash(decode(encode(table))) == content_hash(table)
    assert table.column("fixing_date").to_pylist()[:2] == [date(2024, 3, 28), date(2024, 3, 28)]


@pytest.mark.parametrize("change", [{"value": 0.0386}, {"fixing_date": "2024-03-27"}, {"source": "EMMI"}, {"published_at": "2024-03-28"}])
def test_change_of_any_column_is_another_content(change: dict[str, Any]) -> None:
    assert content_hash(table_of(EURIBOR | change, SOFR)) != content_hash(table_of(EURIBOR, SOFR))
    assert content_hash(table_of(EURIBOR | {"index": "EUR-EURIBOR-3M"}, SOFR)) != content_hash(table_of(EURIBOR, SOFR))


@every_format
@pytest.mark.parametrize(
    ("row", "column", "code", "words"),
    [
        (EURIBOR | {"index": "EURIBOR6M"}, "index", "unknown_index", "did you mean EUR-EURIBOR-6M?"),
        (SOFR | {"index": "SOFR"}, "index", "unknown_index", "did you mean USD-SOFR?"),
        (EURIBOR | {"index": "ZZZ"}, "index", "unknown_index", "no index has this name; `riskray market indices` lists all"),
        (EURIBOR | {"value": 2.104}, "value", "out_of_range", "rate 2.104 is beyond 0.25 and looks like per cent; write 0.02104"),
        (SOFR | {"value": 533.0}, "value", "out_of_range", "looks like basis points; write 0.0533"),
        (EURIBOR | {"fixing_date": "2024-03-29"}, "fixing_date", "holiday", "Friday is a holiday of TARGET"),
        (SOFR | {"fixing_date": "2024-01-15"}, "fixing_date", "holiday", "Monday is a holiday of US_SOFR"),
        (ECB | {"fixing_date": "2024-04-01"}, "fixing_date", "holiday", "Monday is a holiday of TARGET"),
        (EURIBOR | {"fixing_date": "2024-03-30"}, "fixing_date", "weekend", "Saturday is a weekend"),
        (ECB | {"fixing_date": "2024-03-31"}, "fixing_date", "weekend", "Sunday is a weekend"),
        (ECB | {"value": 0.0}, "value", "not_positive", "0 is not positive, as an exchange rate is"),
        (ECB | {"value": -1.08}, "value", "not_positive", "-1.08 is not positive"),
        (CPI | {"value": 0.0}, "value", "not_positive", "0 is not positive, as the level of a price index is"),
        (CPI | {"fixing_date": "2024-02-29"}, "fixing_date", "not_a_month", "write the first day, 2024-02-01"),
        (EURIBOR | {"published_at": "2024-03-27"}, "published_at", "out_of_order", "published_at 2024-03-27 is before the fixing date"),
    ],
)
def test_fault_of_a_row_is_named_with_its_remedy(row: dict[str, Any], column: str, code: str, words: str, format: str) -> None:
    [(loc, found, message)] = problems_of([EURIBOR | {"fixing_date": "2024-03-26"}, row], format)
    assert (loc, found) == (["rows", 2, column], code)
    assert message.startswith(f"row 2: {row['index']} of {row['fixing_date']}: ")
    assert words in message


@every_format
@pytest.mark.parametrize(
    ("row", "column"),
    [
        (EURIBOR | {"fixing_date": "28.03.2024"}, "fixing_date"),
        (EURIBOR | {"fixing_date": "1900-01-01"}, "fixing_date"),
        (EURIBOR | {"published_at": "yesterday"}, "published_at"),
        (EURIBOR | {"index": "x" * 201}, "index"),
        (EURIBOR | {"source": "y" * 2001}, "source"),
        ({"index": "EUR-ESTR", "value": 0.039}, "fixing_date"),
        ({"fixing_date": "2024-03-28", "value": 0.039}, "index"),
        ({"fixing_date": "2024-03-28", "index": "EUR-ESTR"}, "value"),
    ],
)
def test_cell_of_another_type_or_missing_is_named(row: dict[str, Any], column: str, format: str) -> None:
    [(loc, _, message)] = problems_of([EURIBOR | {"source": "EMMI", "published_at": "2024-03-28"}, row], format)
    assert loc == ["rows", 2, column]
    assert message.startswith(f"row 2, {column}: ")


@pytest.mark.parametrize("value", ["n/a", "1_0", "nan", "inf", "3.85%"])
def test_value_that_is_no_number_is_refused(value: str) -> None:
    assert problems_of([SOFR, EURIBOR | {"value": value}])[0][0] == ["rows", 2, "value"]


@every_format
def test_two_values_of_one_day_are_refused_and_equal_ones_count_once(format: str) -> None:
    [(loc, code, message)] = problems_of([EURIBOR, SOFR, EURIBOR | {"value": 0.0386}], format)
    assert (loc, code) == (["rows", 3, "value"], "duplicate")
    assert "0.0386, but 0.03851 in row 1" in message
    assert table_of(EURIBOR, SOFR, EURIBOR).num_rows == 2


def test_every_wrong_row_is_named_in_the_order_of_the_file() -> None:
    found = problems_of([EURIBOR | {"value": 3.851}, EURIBOR | {"fixing_date": "2024-03-29"}, SOFR, SOFR | {"index": "SOFR"}])
    assert [loc[1] for loc, _, _ in found] == [1, 2, 4]


def test_file_that_is_no_table_of_fixings_is_refused() -> None:
    for data, format, words in (
        (b"index,fixing_date\nEUR-ESTR,2024-03-28\n", "csv", "has no column 'value'"),
        (b"index,fixing_date,value,rate\nEUR-ESTR,2024-03-28,0.03,1\n", "csv", "unknown column 'rate'"),
        (b"index,fixing_date,value\nEUR-ESTR,2024-03-28\n", "csv", "row 1 does not have the 3 cells"),
        (b"index,fixing_date,value\n", "csv", "has no rows"),
        (b"[]", "json", "has no rows"),
        (b"[1]", "json", "row 1 is not an object"),
        (b"3", "json", "expected a list of fixings"),
        (b"{", "json", "not valid JSON"),
        (b"PAR1", "parquet", "not readable as Parquet"),
        (b'[{"index": "EUR-ESTR", "fixing_date": "2024-03-28", "value": 0.03, "is_correction": true}]', "json", "unknown field"),
    ):
        with pytest.raises(InvalidRequest, match=words):
            read_fixings(data, format=format, indices=STANDARD_INDICES)
    with pytest.raises(UnsupportedFormat, match="'xml' is not offered"):
        read_fixings(b"", format="xml", indices=STANDARD_INDICES)


def test_json_may_be_lines_or_an_object() -> None:
    plain = read_fixings(json.dumps([EURIBOR, SOFR]).encode(), format="json", indices=STANDARD_INDICES)
    for data in (f"{json.dumps(EURIBOR)}\n{json.dumps(SOFR)}\n", json.dumps({"fixings": [EURIBOR, SOFR]})):
        assert read_fixings(data.encode(), format="json", indices=STANDARD_INDICES) == plain


def test_rate_of_unlikely_size_is_accepted_on_request_and_in_currencies_of_high_rates() -> None:
    rows = [EURIBOR | {"value": 0.3}]
    assert len(read_fixings(file_of(rows, "csv"), format="csv", indices=STANDARD_INDICES, rates_unchecked=True)) == 1
    own = known_indices([Index("TRY-TLREF", IndexKind.OVERNIGHT, "TRY")])
    lira = [{"index": "TRY-TLREF", "fixing_date": "2024-03-28", "value": 0.5}]
    assert len(read_fixings(file_of(lira, "csv"), format="csv", indices=own)) == 1
    assert problems_of(lira)[0][1] == "unknown_index"


# ------------------------------------------------------------------------------------------------------------------ append


def append(table: pa.Table, *rows: dict[str, Any], format: str = "csv") -> pa.Table:
    return appended(table, read_fixings(file_of(list(rows), format), format=format, indices=STANDARD_INDICES, may_correct=True))


def test_appended_rows_are_added_and_known_ones_change_nothing() -> None:
    table = table_of(EURIBOR | {"fixing_date": "2024-03-27"}, SOFR)
    longer = append(table, EURIBOR, SOFR)
    assert content_hash(longer) == content_hash(table_of(EURIBOR | {"fixing_date": "2024-03-27"}, EURIBOR, SOFR))
    assert content_hash(append(longer, EURIBOR)) == content_hash(longer)


@every_format
def test_changed_value_needs_the_mark_of_a_correction(format: str) -> None:
    table = table_of(EURIBOR, SOFR)
    changed = EURIBOR | {"value": 0.0386}
    for mark in ({}, {"is_correction": "false"}):
        with pytest.raises(
            InvalidRequest, match=r"row 1: EUR-EURIBOR-6M of 2024-03-28: 0.0386, but the table has 0.03851; if it was"
        ) as refused:
            append(table, changed | mark, format=format)
        assert refused.value.problems[0]["loc"] == ["rows", 1, "value"]
    corrected = append(table, changed | {"is_correction": "true"}, format=format)
    assert content_hash(corrected) == content_hash(table_of(changed, SOFR))


def test_correction_of_nothing_and_a_mark_that_is_none_are_refused() -> None:
    table = table_of(SOFR)
    with pytest.raises(InvalidRequest, match="no value for this date to correct"):
        append(table, EURIBOR | {"is_correction": "true"})
    with pytest.raises(InvalidRequest, match="'perhaps' is not true or false"):
        append(table, SOFR | {"is_correction": "perhaps"})


# ---------------------------------------------------------------------------------------------------------------- look-ahead


def seen(table: pa.Table, day: str) -> dict[str, list[float]]:
    fixings = visible_fixings(table, as_of=to_day(date.fromisoformat(day)), indices=STANDARD_INDICES)
    return {name: series.values.tolist() for name, series in fixings.series.items()}


def test_market_sees_what_was_published_by_its_day_and_nothing_later() -> None:
    table = table_of(EURIBOR, EURIBOR | {"fixing_date": "2024-03-27", "value": 0.0385}, SOFR, CPI, ECB)
    assert seen(table, "2024-03-26") == {"US-CPI-U": [310.326]}
    assert seen(table, "2024-03-27") == {"US-CPI-U": [310.326], "EUR-EURIBOR-6M": [0.0385]}  # SOFR is published a day later
    assert seen(table, "2024-03-28") == {
        "US-CPI-U": [310.326], "EUR-EURIBOR-6M": [0.0385, 0.03851], "USD-SOFR": [0.0533], "EUR-USD-ECB": [1.0811],
    }  # fmt: skip


def test_price_index_is_seen_from_its_publication_not_from_its_month() -> None:
    assert seen(table_of(CPI), "2024-03-14") == {}
    assert seen(table_of(CPI), "2024-03-15") == {"US-CPI-U": [310.326]}  # 15 days after the end of February
    stated = table_of(CPI | {"published_at": "2024-03-12T08:30:00-04:00"})
    assert seen(stated, "2024-03-11") == {}
    assert seen(stated, "2024-03-12") == {"US-CPI-U": [310.326]}


def test_stated_publication_counts_also_where_it_is_late() -> None:
    late = table_of(EURIBOR | {"published_at": "2024-04-02"})
    assert seen(late, "2024-03-28") == seen(late, "2024-04-01") == {}
    assert seen(late, "2024-04-02") == {"EUR-EURIBOR-6M": [0.03851]}
    early = table_of(SOFR | {"published_at": "2024-03-27"})
    assert seen(early, "2024-03-27") == {"USD-SOFR": [0.0533]}


def test_index_that_the_market_does_not_know_is_not_seen() -> None:
    own = known_indices([Index("TRY-TLREF", IndexKind.OVERNIGHT, "TRY")])
    lira = [{"index": "TRY-TLREF", "fixing_date": "2024-03-28", "value": 0.5, "published_at": "2024-03-28"}]
    table = fixing_table(read_fixings(file_of([*lira, SOFR], "json"), format="json", indices=own))
    assert seen(table, "2024-03-28") == {"USD-SOFR": [0.0533]}
    assert list(visible_fixings(table, as_of=to_day(date(2024, 3, 28)), indices=own).series) == ["TRY-TLREF", "USD-SOFR"]
