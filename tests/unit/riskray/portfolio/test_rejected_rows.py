"""Valid rows among rejected ones, and numbers that are equal in all formats: cases from practice with their correct values."""

import datetime
import json
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from pricers import CurveKind, Measure, pricer, value_contracts
from pricers.market.market import Curve, Market
from pricers.time.dates import to_day
from riskray.errors import InvalidRequest
from riskray.portfolio.batches import prepare_portfolio
from riskray.portfolio.contracts import contracts_from_arrow
from riskray.portfolio.reader import read_portfolio
from tests.unit.riskray.portfolio.test_reader import BOND, FORWARD, as_csv, as_parquet

AS_OF = datetime.date(2026, 3, 13)


def file_of(rows, format):
    if format == "csv":
        return as_csv(*rows)
    if format == "json":
        return json.dumps(rows).encode()
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return as_parquet(pa.table({name: pa.array(cells).dictionary_encode() for name, cells in columns.items()}))


def stored(rows, format="csv"):
    """The positions accepted of a file with bad rows, by position_id, and the numbers of the bad rows."""
    result = read_portfolio(file_of(rows, format), format=format, allow_partial=True)
    positions = {row["position_id"]: row for table in result.tables.values() for row in table.to_pylist()}
    return positions, [problem["row"] for problem in result.problems]


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
@pytest.mark.parametrize("place", range(5))
def test_bonds_keep_their_maturities_beside_one_with_a_date_that_is_no_iso_date(format, place):
    dates = {f"B{year}": f"{year}-06-07" for year in range(2030, 2034)}
    rows = [BOND | {"position_id": name, "maturity_date": date} for name, date in dates.items()]
    rows.insert(place, BOND | {"position_id": "B2029", "maturity_date": "07/06/2029"})
    positions, bad = stored(rows, format)
    assert {name: str(row["maturity_date"]) for name, row in positions.items()} == dates
    assert bad == [place + 1]


@pytest.mark.parametrize("format", ["csv", "json", "parquet"])
def test_semiannual_bond_is_valued_as_semiannual_beside_a_frequency_that_is_a_number(format):
    names = ["2", "ANNUAL", "SEMIANNUAL", "QUARTERLY", "MONTHLY"]
    terms = {"coupon_rate": "0.0425", "issue_date": "2023-06-07", "maturity_date": "2033-06-07", "discount_curve": "FLAT"}
    rows = [BOND | terms | {"position_id": f"B-{name}", "frequency": name} for name in names]
    result = read_portfolio(file_of(rows, format), format=format, allow_partial=True)
    assert [(problem["row"], problem["column"], problem["code"]) for problem in result.problems] == [(1, "frequency", "not_allowed")]
    table = result.tables["FIXED_BOND"]
    assert table.column("frequency").to_pylist() == names[1:]
    flat = Curve("FLAT", CurveKind.RATE, "EUR", "LINEAR_ZERO", ("1Y", "30Y"), np.array([365, 10_950], np.int32), np.full(2, 0.03))
    market = Market(to_day(AS_OF), "EUR", (flat,), {"EUR": 1.0})
    contracts = contracts_from_arrow(pricer("FIXED_BOND").columns, table)
    pv = value_contracts("FIXED_BOND", contracts, market=market, measures=frozenset({Measure.PV})).values[Measure.PV]

    def closed_form(months):
        dates = [datetime.date(year, month, 7) for year in range(2026, 2034) for month in months]
        due = [math.exp(-0.03 * (date - AS_OF).days / 365) for date in dates if AS_OF < date <= datetime.date(2033, 6, 7)]
        return 1e6 * (0.0425 / len(months) * sum(due) + due[-1])

    assert pv[:2] == pytest.approx([closed_form([6]), closed_form([6, 12])], rel=1e-12)
    assert pv[1] == pytest.approx(1_090_271.97, abs=0.005)


def test_day_counts_booleans_and_lists_of_dates_stay_with_their_rows():
    good = [
        BOND | {"position_id": "A", "day_count": "30E/360", "end_of_month": "true", "sinking_dates": "2031-01-15;2032-01-15"},
        BOND | {"position_id": "B", "day_count": "ACT/360", "end_of_month": "false", "sinking_dates": "2030-01-15"},
    ]
    bad = BOND | {"position_id": "X", "day_count": "Actual/360", "end_of_month": "N", "sinking_dates": "15.01.2030"}
    alone, _ = stored(good)
    assert stored([bad, *good]) == (alone, [1, 1, 1])


def test_two_kinds_of_fault_in_one_text_column_reject_no_good_row():
    names = ["x" * 201, "RATES", "a\x07b", "CREDIT", "FX"]
    positions, bad = stored([FORWARD | {"position_id": f"F{number}", "book": name} for number, name in enumerate(names)])
    assert ({name: row["book"] for name, row in positions.items()}, bad) == ({"F1": "RATES", "F3": "CREDIT", "F4": "FX"}, [1, 3])


@pytest.mark.parametrize(
    ("column", "good", "odd", "kept"),
    [
        ("book", [1, 12345678901234567], 1.5, ["1", "12345678901234567"]),
        ("book", ["A", "B"], True, ["A", "B"]),
        ("position_id", [1, 2], 2.5, ["1", "2"]),
        ("spot_lag", [1, 2], 1.5, [1, 2]),
        ("notional", [1, 0.5], [2.0], [1.0, 0.5]),
        ("notional", [1, 0.5], 10**400, [1.0, 0.5]),
    ],
)
@pytest.mark.parametrize("place", range(3))
def test_json_cell_is_judged_by_itself_whatever_the_types_of_the_other_rows(column, good, odd, kept, place):
    rows = [FORWARD | {"position_id": f"F{number}", column: cell} for number, cell in enumerate(good)]
    rows.insert(place, FORWARD | {"position_id": "ODD", column: odd})
    positions, bad = stored(rows, "json")
    assert ([row[column] for row in positions.values()], bad) == (kept, [place + 1])


def test_date_beyond_the_year_9999_in_a_parquet_list_is_named():
    columns = {name: pa.array([cell, cell]) for name, cell in BOND.items()} | {"position_id": pa.array(["A", "B"])}
    columns["sinking_dates"] = pa.array([[20_000], [3_000_000]]).cast(pa.list_(pa.int32())).cast(pa.list_(pa.date32()))
    columns["sinking_amounts"] = pa.array([[1.0], [1.0]])
    result = read_portfolio(as_parquet(pa.table(columns)), format="parquet", allow_partial=True)
    assert [(p["row"], p["column"], p["value"]) for p in result.problems] == [(2, "sinking_dates", "['3000000 as date32[day]']")]
    assert result.tables["FIXED_BOND"].column("sinking_dates").to_pylist() == [[datetime.date(2024, 10, 4)]]


def test_categories_whose_codes_are_too_narrow_for_all_row_groups_are_read():
    sink, books = pa.BufferOutputStream(), [f"BOOK-{number}" for number in range(240)]
    names = sorted(BOND.keys() | FORWARD.keys())
    rows = [(FORWARD if n % 2 else BOND) | {"position_id": f"{n}", "book": book} for n, book in enumerate(books)]

    def group(part):
        cells = {name: pa.array([row.get(name) for row in part], pa.string()) for name in names}
        return pa.table(cells | {"book": cells["book"].dictionary_encode().cast(pa.dictionary(pa.int8(), pa.string()))})

    with pa.parquet.ParquetWriter(sink, group(rows[:120]).schema) as writer:
        for start in (0, 120):
            writer.write_table(group(rows[start : start + 120]))
    tables = read_portfolio(sink.getvalue().to_pybytes(), format="parquet").tables
    read = {row["position_id"]: row["book"] for table in tables.values() for row in table.to_pylist()}
    assert read == {row["position_id"]: row["book"] for row in rows}


# ----------------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("kind", [pa.decimal128(9, 6), pa.decimal128(38, 20), pa.decimal256(70, 40)])
@pytest.mark.parametrize("rate", ["0.0425", "0.025", "0.07", "1.1"])
def test_decimal_of_parquet_is_the_number_of_the_csv_file_with_the_same_portfolio_id(rate, kind):
    text = read_portfolio(as_csv(BOND | {"coupon_rate": rate}), format="csv")
    columns = {name: [cell] for name, cell in BOND.items()} | {"coupon_rate": pa.array([Decimal(rate)], pa.decimal128(9, 6)).cast(kind)}
    decimal = read_portfolio(as_parquet(pa.table(columns)), format="parquet")
    assert decimal.tables["FIXED_BOND"].column("coupon_rate").to_pylist() == [float(rate)]
    assert prepare_portfolio(decimal.tables).portfolio_id == prepare_portfolio(text.tables).portfolio_id


def test_decimals_in_lists_are_rounded_correctly():
    columns = {name: [cell] for name, cell in BOND.items()} | {
        "sinking_dates": pa.array([["2031-01-15", "2032-01-15"]]),
        "sinking_amounts": pa.array([[Decimal("0.07"), Decimal("1000.29")]], pa.list_(pa.decimal128(12, 4))),
    }
    [row] = read_portfolio(as_parquet(pa.table(columns)), format="parquet").tables["FIXED_BOND"].to_pylist()
    assert row["sinking_amounts"] == [0.07, 1000.29]


@pytest.mark.parametrize("format", ["csv", "json"])
def test_numbers_in_text_are_the_nearest_floats(format):
    halfway = "1.00000000000000011102230246251565404236316680908203126"  # just above the middle between two floats
    texts = ["0.1", "900719925474099.3", halfway, "562949953421312.0625000000000000000000000000001", "7e-5", "2.5e-324"]
    rows = ", ".join(json.dumps(FORWARD | {"position_id": f"{n}", "notional": "@"}).replace('"@"', text) for n, text in enumerate(texts))
    csv = as_csv(*(FORWARD | {"position_id": f"{n}", "notional": text} for n, text in enumerate(texts)))
    data = csv if format == "csv" else f"[{rows}]".encode()
    read = read_portfolio(data, format=format).tables["FX_FWD"].column("notional").to_pylist()
    assert read == [float(Fraction(text)) for text in texts]


@pytest.mark.parametrize("column", ["position_id", "book", list(BOND)[-1]])
@pytest.mark.parametrize("place", range(3))
def test_file_with_a_quotation_mark_that_is_never_closed_is_refused_because_it_hides_good_rows(column, place):
    lines = as_csv(*(BOND | {"position_id": f"B{number}", column: f"CELL-{number}"} for number in range(4))).decode().splitlines()
    lines[place + 1] = lines[place + 1].replace(f"CELL-{place}", f'"CELL-{place}')
    with pytest.raises(InvalidRequest, match=f"row {place + 1} has a quotation mark that is never closed") as caught:
        read_portfolio("\n".join(lines).encode(), format="csv", allow_partial=True)
    assert caught.value.problems[0]["loc"] == ["rows", place + 1]


def test_rows_that_a_quotation_mark_joins_are_counted_in_the_message():
    header, *lines = as_csv(*(BOND | {"position_id": f"B{number}"} for number in range(5))).decode().splitlines()
    lines[1], lines[3] = '"' + lines[1], lines[3].replace("FIXED_BOND", 'FIXED_BOND"')
    result = read_portfolio("\n".join([header, *lines]).encode(), format="csv", allow_partial=True)
    assert [(problem["row"], "a quotation mark joins 3 lines to this row" in problem["msg"]) for problem in result.problems] == [(2, True)]
    assert [row["position_id"] for row in result.tables["FIXED_BOND"].to_pylist()] == ["B0", "B4"]


@pytest.mark.parametrize("last", ['B9,"two\nlines"', 'B9,6" pipe', '"B9'])
def test_short_last_row_with_quotation_marks_that_hide_nothing_is_a_bad_row(last):
    result = read_portfolio(as_csv(BOND) + last.encode(), format="csv", allow_partial=True)
    assert (result.accepted, [problem["row"] for problem in result.problems]) == (1, [2])
