"""Histories: both file shapes, every kind of bad input, and the same content after a round trip."""

from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
import pytest

from riskray.errors import InvalidRequest, UnsupportedFormat
from riskray.scenario.history import content_hash, decode, encode, history_id, make_history, read_history, summary, write_history
from tests.unit.riskray.scenario.examples import history

WIDE = b"date,zero/EUR/1Y,fx/USD\n2024-01-03,0.02,0.91\n2024-01-02,0.01,0.9\n2024-01-08,,0.92\n"
LONG = (
    b"date,factor,value\n2024-01-08,fx/USD,0.92\n2024-01-02,zero/EUR/1Y,0.01\n2024-01-02,fx/USD,0.9\n"
    b"2024-01-03,zero/EUR/1Y,0.02\n2024-01-03,fx/USD,0.91\n"
)


def test_wide_and_long_files_are_the_same_history() -> None:
    wide, long = (read_history(text, format="csv", numeraire="EUR") for text in (WIDE, LONG))
    assert content_hash(wide) == content_hash(long)
    assert wide.factors == ("fx/USD", "zero/EUR/1Y")
    assert np.isnan(wide.values[2, 1])
    found = summary(wide)
    assert (found.row_count, found.longest_gap_days, str(found.longest_gap_ends), found.missing) == (3, 5, "2024-01-08", {"zero/EUR/1Y": 1})


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_written_history_reads_back_with_the_same_hash(format: str) -> None:
    for original in (history(), read_history(WIDE, format="csv", numeraire="EUR")):
        again = read_history(write_history(original, format=format), format=format, numeraire="EUR")
        assert content_hash(again) == content_hash(original)


def test_decimals_of_parquet_are_the_numbers_of_the_csv_file() -> None:
    sink = pa.BufferOutputStream()
    levels = pa.array([Decimal("0.0425"), Decimal("0.025")], pa.decimal128(9, 6))
    pa.parquet.write_table(pa.table({"date": ["2024-01-02", "2024-01-03"], "zero/EUR/1Y": levels}), sink)
    text = read_history(b"date,zero/EUR/1Y\n2024-01-02,0.0425\n2024-01-03,0.025\n", format="csv", numeraire="EUR")
    assert content_hash(read_history(sink.getvalue().to_pybytes(), format="parquet", numeraire="EUR")) == content_hash(text)


def test_stored_payload_is_the_history() -> None:
    original = read_history(WIDE, format="csv", numeraire="EUR")
    again = decode(encode(original))
    assert content_hash(again) == content_hash(original)
    assert again.numeraire == "EUR"
    assert history_id(content_hash(again)).startswith("hist-")


def test_hash_tells_levels_dates_and_numeraire_apart() -> None:
    first = history()
    others = [
        make_history(first.dates + 1, first.factors, first.values, numeraire="EUR"),
        make_history(first.dates, first.factors, first.values * 1.0000001, numeraire="EUR"),
        make_history(first.dates, first.factors, first.values, numeraire="CHF"),
    ]
    assert len({content_hash(one) for one in [first, *others]}) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"date,zero/EUR/1Y\n2024-01-02,0.01\n2024-01-02,0.02\n", "date 2024-01-02 is there twice"),
        (b"date,zero/EUR/1Y\n2024-01-02,0.01\n", "at least two dates"),
        (b"date,zero/EUR/1Y\n2024-01-02,0.01\n2024-01-03,inf\n", "inf is not finite"),
        (b"date,zero/EUR/1Y\n2024-01-02,0.01\n2024-01-03,nan\n", "leave a missing value blank"),
        (b"date,zero/EUR/1Y\n2024-01-02,0.01\n2024-01-03,abc\n", "'abc' is not a number"),
        (b"date,zero/EUR/1Y\n02.01.2024,0.01\n2024-01-03,0.02\n", "write 2024-03-28"),
        (b"date,fx/USD\n2024-01-02,0.9\n2024-01-03,-0.9\n", "not positive"),
        (b"date,fx/XYZ\n2024-01-02,0.9\n2024-01-03,0.9\n", "is not a factor"),
        (b"date,EUR 1Y\n2024-01-02,0.9\n2024-01-03,0.9\n", "write zero/<curve>/<pillar>"),
        (b"date,fx/EUR\n2024-01-02,0.9\n2024-01-03,0.9\n", "is the numeraire"),
        (b"date,fx/USD\n2024-01-02,\n2024-01-03,\n", "no value on any date"),
        (b"date,fx/USD,fx/USD\n2024-01-02,1,1\n2024-01-03,1,1\n", "there twice"),
        (b"date,fx/USD\n2024-01-02,1,1\n", "row 1 has 3 columns"),
        (b"day,fx/USD\n2024-01-02,1\n", "first column must be 'date'"),
        (
            b"date,factor,value\n2024-01-02,fx/USD,1\n2024-01-02,fx/USD,1\n2024-01-03,fx/USD,1\n",
            "row 2: fx/USD on 2024-01-02 is there twice",
        ),
        (b"", "the file is empty"),
        (b"\xff\xfe\x00", "not a CSV file"),
    ],
)
def test_bad_history_is_refused_with_the_place(text: bytes, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message) as caught:
        read_history(text, format="csv", numeraire="EUR")
    assert caught.value.problems


def test_unknown_format_is_refused() -> None:
    with pytest.raises(UnsupportedFormat, match="csv, parquet"):
        read_history(b"", format="xlsx", numeraire="EUR")
    with pytest.raises(InvalidRequest, match="not a Parquet file"):
        read_history(b"PAR0", format="parquet", numeraire="EUR")


def parquet_of(levels: pa.Array, dates: pa.Array) -> bytes:
    sink = pa.BufferOutputStream()
    pa.parquet.write_table(pa.table({"date": dates, "zero/EUR/1Y": levels}), sink)
    return bytes(sink.getvalue().to_pybytes())


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Berlin", "America/New_York"])
def test_dates_that_pandas_keeps_as_midnight_are_dates(unit: str, zone: str | None) -> None:
    days = pa.array(["2024-01-02", "2024-01-03"]).cast(pa.timestamp(unit))
    dates = days if zone is None else pc.assume_timezone(days, zone)
    text = read_history(b"date,zero/EUR/1Y\n2024-01-02,0.01\n2024-01-03,0.02\n", format="csv", numeraire="EUR")
    given = read_history(parquet_of(pa.array([0.01, 0.02]), dates), format="parquet", numeraire="EUR")
    assert content_hash(given) == content_hash(text)


def test_date_with_a_time_of_day_is_refused_by_row() -> None:
    dates = pa.array(["2024-01-02", "2024-01-03 18:00:00"]).cast(pa.timestamp("us"))
    with pytest.raises(InvalidRequest, match="row 2: '2024-01-03 18:00:00' is not a date"):
        read_history(parquet_of(pa.array([0.01, 0.02]), dates), format="parquet", numeraire="EUR")


def test_date_that_python_cannot_hold_is_refused() -> None:
    dates = pa.array([19_000, 3_000_000], pa.int32()).cast(pa.date32())
    with pytest.raises(InvalidRequest, match="not a Parquet file"):
        read_history(parquet_of(pa.array([0.01, 0.02]), dates), format="parquet", numeraire="EUR")


def test_true_and_digits_with_underscores_are_no_levels() -> None:
    dates = pa.array(["2024-01-02", "2024-01-03"])
    with pytest.raises(InvalidRequest, match="row 1, zero/EUR/1Y: True is not a number"):
        read_history(parquet_of(pa.array([True, False]), dates), format="parquet", numeraire="EUR")
    with pytest.raises(InvalidRequest, match="row 1, fx/USD: '1_0' is not a number"):
        read_history(b"date,fx/USD\n2024-01-02,1_0\n2024-01-03,1\n", format="csv", numeraire="EUR")
