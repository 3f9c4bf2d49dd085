"""A rejected row changes no other row: the valid rows of a file are stored exactly as they are without its invalid rows.

Every column of every registered product is tested in every format with every fault that its kind can have; a new product is covered
without a change of this module.
"""

import csv
import datetime
import io
import json
import random
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pricers.registry import known_products
from pricers.time.calendar_names import CALENDARS
from riskray.models.instrument import COMMON_COLUMNS, CURRENCIES, POSITION_ID, PRODUCT
from riskray.portfolio.batches import prepare_portfolio
from riskray.portfolio.reader import read_portfolio
from riskray.portfolio.schema import STORED_TYPES, product_columns, stored_columns
from riskray.portfolio.values import NAME_LENGTH_MAX, TEXT_LENGTH_MAX

FORMATS = ["csv", "json", "parquet of text", "parquet of dictionaries", "parquet of narrow dictionaries", "parquet of types"]
FAULTS_A_FILE = 300  # an answer lists a thousand problems at most, and narrow dictionaries hold 127 texts
ROWS = 9
EPOCH = datetime.date(1970, 1, 1)
DAY_BEYOND_YEAR_9999 = 3_000_000
TEXTS = ["EUR-GOVT", "USD GOVT", "Ä/ß", "a,b;c", "x" * NAME_LENGTH_MAX, "7", "12345678901234567890"]


@dataclass(frozen=True)
class Native:
    """A faulty cell as a value of JSON or of an Arrow type, which other formats cannot hold."""

    value: object


def is_name(column):
    return column.name in COMMON_COLUMNS or column.references is not None


def faulty_texts(column):
    """Texts that are wrong in the column, one for each check at least; blank where a value is required."""
    kind = column.kind.removesuffix("_list")
    outside = [str(bound + sign * 1e3) for bound, sign in ((column.minimum, -1), (column.maximum, 1)) if bound is not None]
    texts = {
        "float": ["x", "1,000", "nan", "-inf", "1e999", *outside],
        "integer": ["x", "1.5", "nan", "3000000000", *outside],
        "boolean": ["perhaps", "2", "yes"],
        "choice": ["2", "no such choice", "x\ty"],
        "date": ["07/06/2029", "2024-02-30", "0000-01-01", "20290607"],
        "text": ["x" * (NAME_LENGTH_MAX + 1), "a\x07b", "a\nb"] if is_name(column) else ["x" * (TEXT_LENGTH_MAX + 1), "a\x00b"],
    }[kind]
    if kind != column.kind:
        good = {"float": "1.5", "date": "2029-06-07"}[kind]
        texts = [*texts, *(f"{good};{text}" for text in texts), f"{good};;{good}", f"{good};x;nan", ";"]
    texts += {"currency": ["EUX", "eur"], "calendar": ["MARS", "TARGET+MARS"]}.get(column.references, [])
    texts += ["NO_SUCH_PRODUCT"] if column.name == PRODUCT else []
    return texts + (["", "  "] if column.required else [])


def faulty_json(column):
    """JSON values of shapes that the column does not take."""
    values = {
        "float": [True, [1.0], {"a": 1}],
        "integer": [True, 1.5, [1], 10**30, {"a": 1}],
        "boolean": [1.0, 2, [True], {"a": 1}],
        "choice": [2, 1.5, True, ["a"], {"a": 1}],
        "date": [20290607, 1.5, True, ["2029-06-07"], {"a": 1}],
        "text": [1.5, True, ["a"], {"a": 1}],
        "date_list": [20290607, True, {"a": 1}, [["2029-06-07"]], ["2029-06-07", None], ["2029-06-07", 5]],
        "float_list": [5, 1.5, True, {"a": 1}, [[1.0]], [1.0, None], [1.0, "x"], [True]],
    }[column.kind]
    return [Native(value) for value in values + ([None] if column.required else [])]


def faulty_typed(column):
    """Values of the column's own Arrow type that are wrong."""
    values = {
        "float": [float("nan"), float("inf"), *(bound * 4.0 for bound in (column.minimum, column.maximum) if bound)],
        "integer": [2**40, -(2**40)],
        "boolean": [],
        "date": [DAY_BEYOND_YEAR_9999],
        "date_list": [[DAY_BEYOND_YEAR_9999], [5, DAY_BEYOND_YEAR_9999], [5, None]],
        "float_list": [[float("nan")], [1.0, float("-inf")], [1.0, None], [None]],
    }.get(column.kind)
    if values is None:
        values = faulty_texts(column)
    return [Native(value) for value in values + ([None] if column.required else [])]


def faults_of(column, form):
    if form == "parquet of types":
        return faulty_typed(column)
    return faulty_texts(column) + (faulty_json(column) if form == "json" else [])


def good_value(column, rng):
    """A value that the column takes, as Python has it."""
    if not column.required and rng.random() < 0.2:
        return None
    if column.kind.endswith("_list"):
        element = replace(column, kind=column.kind.removesuffix("_list"), required=True)
        return [good_value(element, rng) for _ in range(rng.randint(1, 3))]
    low, high = (default if bound is None else bound for bound, default in ((column.minimum, -1e9), (column.maximum, 1e9)))
    match column.kind:
        case "float":
            return rng.choice([low, high, rng.uniform(low, high), rng.uniform(low, high)]) + 0.0
        case "integer":
            return rng.randint(int(low), int(high))
        case "boolean":
            return rng.random() < 0.5
        case "choice":
            return rng.choice(column.allowed)
        case "date":
            return EPOCH + datetime.timedelta(days=rng.randint(-20_000, 80_000))
    names = {"currency": CURRENCIES, "calendar": list(CALENDARS)}.get(column.references, TEXTS)
    return rng.choice(names)


def good_rows(product, rng, count=ROWS):
    columns = [column for column in stored_columns(product) if column.name != POSITION_ID]
    return [
        {POSITION_ID: f"{product}-{number}", PRODUCT: product} | {column.name: good_value(column, rng) for column in columns}
        for number in range(count)
    ]


def with_faults(rows, bad):
    """The rows with faulty ones put before those of the given indices: (place, column, cell)."""
    mixed = list(rows)
    for number, (place, column, cell) in enumerate(bad):
        mixed.insert(min(place, len(mixed)), rows[0] | {POSITION_ID: f"BAD-{number}", column.name: cell, "bad": True})
    bad_rows = {number for number, row in enumerate(mixed, start=1) if "bad" in row}
    return [{name: cell for name, cell in row.items() if name != "bad"} for row in mixed], bad_rows


# ----------------------------------------------------------------------------------------------------------------- formats


def as_text(cell):
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float():
            return repr(cell)
        case list():
            return ";".join(map(as_text, cell))
    return str(cell)


def as_json(cell, column, number):
    if isinstance(cell, Native):
        return cell.value
    if column.kind == "boolean" and isinstance(cell, bool) and number % 2:
        return int(cell)
    if column.kind == "text" and cell in ("7", "12345678901234567890"):
        return int(cell)
    if isinstance(cell, datetime.date):
        return str(cell)
    return [as_json(item, column, number) for item in cell] if isinstance(cell, list) else cell


def as_typed(cell):
    """Dates as day numbers, which hold more than Python's dates do."""
    if isinstance(cell, Native):
        return cell.value
    if isinstance(cell, datetime.date):
        return (cell - EPOCH).days
    return [as_typed(item) for item in cell] if isinstance(cell, list) else cell


def typed_array(cells, column):
    kind = pa.string() if column.kind in ("text", "choice") else pa.int64() if column.kind == "integer" else STORED_TYPES[column.kind]
    days = {"date": pa.int32(), "date_list": pa.list_(pa.int32())}.get(column.kind, kind)
    return pa.array([as_typed(cell) for cell in cells], days).cast(kind)


def parquet_of(rows, columns, form):
    """Several row groups, so that dictionaries differ between the chunks of one column."""

    def array(part, column):
        cells = [row.get(column.name) for row in part]
        if form == "parquet of types":
            return typed_array(cells, column)
        text = pa.array([as_text(cell) for cell in cells], pa.string())
        codes = {"parquet of dictionaries": pa.int32(), "parquet of narrow dictionaries": pa.int8()}.get(form)
        return text if codes is None else text.dictionary_encode().cast(pa.dictionary(codes, pa.string()))

    group = max(4, len(rows) // 3)
    parts = [rows[start : start + group] for start in range(0, len(rows), group)]
    tables = [pa.table({column.name: array(part, column) for column in columns}) for part in parts]
    sink = pa.BufferOutputStream()
    with pa.parquet.ParquetWriter(sink, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return sink.getvalue().to_pybytes()


def read(rows, columns, form):
    if form == "json":
        items = [{column.name: as_json(row.get(column.name), column, number) for column in columns} for number, row in enumerate(rows)]
        data = json.dumps(items).encode()
    elif form == "csv":
        sink = io.StringIO()
        writer = csv.writer(sink)
        writer.writerow([column.name for column in columns])
        writer.writerows([as_text(row.get(column.name)) for column in columns] for row in rows)
        data = sink.getvalue().encode()
    else:
        data = parquet_of(rows, columns, form)
    return read_portfolio(data, format=form.split()[0], allow_partial=True)


def stored(rows, columns, form):
    """Valid rows in their stored form; each value equals the value in the file."""
    result = read(rows, columns, form)
    assert (result.rejected, result.problems) == (0, [])
    for product, table in result.tables.items():
        own = [row for row in rows if row[PRODUCT] == product]
        for column in stored_columns(product):
            assert table.column(column.name).to_pylist() == [row[column.name] for row in own], column.name
    return prepare_portfolio(result.tables)


def check(rows, columns, bad, form, expected):
    """Valid rows among invalid ones are stored with the bits that they have alone; exactly the invalid rows are listed."""
    mixed, bad_rows = with_faults(rows, bad)
    result = read(mixed, columns, form)
    assert {problem["row"] for problem in result.problems} == bad_rows
    assert (result.accepted, result.rejected) == (len(rows), len(bad_rows))
    prepared = prepare_portfolio(result.tables)
    assert prepared.content_hash == expected.content_hash
    assert prepared.batches == expected.batches
    assert prepared.positions.equals(expected.positions)
    assert prepared.requirements.equals(expected.requirements)


def placed(faults, count, rng):
    """Places for faults among `count` good rows: some first, some last, some between."""
    return [(rng.choice([0, rng.randint(0, count), count + len(faults)]), *fault) for fault in faults]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("product", known_products())
def test_every_fault_of_every_column_leaves_the_other_rows_as_they_are(product, form):
    rng = random.Random(f"{product} {form}")
    columns = list(product_columns(product))
    rows = good_rows(product, rng)
    expected = stored(rows, columns, form)
    faults = [(column, faults_of(column, form)) for column in columns]
    every = [(column, cell) for column, cells in faults for cell in cells]
    for first in range(0, len(every), FAULTS_A_FILE):
        check(rows, columns, placed(every[first : first + FAULTS_A_FILE], len(rows), rng), form, expected)
    # A single fault among valid cells: further faults would hide the effect of one odd cell on a column.
    for number in range(max(len(cells) for _, cells in faults) if form == "json" else 1):
        single = [(column, cells[-number - 1]) for column, cells in faults if number < len(cells)]
        check(rows, columns, placed(single, len(rows), rng), form, expected)


@pytest.mark.parametrize("form", FORMATS)
@settings(max_examples=10, phases=[Phase.generate, Phase.shrink])
@given(seed=st.integers(0, 2**32), fault_count=st.integers(1, 8))
def test_any_faults_in_a_file_of_all_products_leave_the_good_rows_as_they_are(form, seed, fault_count):
    rng = random.Random(seed)
    rows = [row for product in known_products() for row in good_rows(product, rng, count=4)]
    rng.shuffle(rows)
    columns = list({column.name: column for product in known_products() for column in product_columns(product)}.values())
    possible = [(column, cell) for column in product_columns(rows[0][PRODUCT]) for cell in faults_of(column, form)]
    check(rows, columns, placed(rng.choices(possible, k=fault_count), len(rows), rng), form, stored(rows, columns, form))
