"""Converts the cells of a file to the values of a contract column, all rows at once.

`convert` takes a column as read from a file (text from CSV; typed from JSON or Parquet) and returns it in the stored type, with the
faulty cells null and listed. The fast path is one Arrow cast; only a column with a fault is examined cell by cell.

The value of a cell depends on that cell alone. A converter computes values and faults from arrays that it never changes; a separate mask
(`Rejections`) marks the rejected cells, and `convert` applies it once, after all values are computed.
"""

import datetime
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pricers.contract.columns import Column, Kind
from pricers.time.calendar_names import CALENDARS, is_calendar
from riskray.decimals import decimals_as_floats
from riskray.models.instrument import COMMON_COLUMNS, CURRENCIES, POSITION_ID
from riskray.portfolio.schema import STORED_TYPES

NAME_LENGTH_MAX = 200
TEXT_LENGTH_MAX = 65_536
LIST_SEPARATOR = ";"
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31, the limits of Python, Postgres and JSON readers
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:nan|inf|infinity)$"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TRUE, _FALSE = ("true", "1"), ("false", "0")


@dataclass(frozen=True)
class Fault:
    """Cells of one column that are invalid for one reason. `rows` are row indices into the converted array."""

    rows: np.ndarray
    code: str
    message: str


@dataclass(frozen=True)
class Converted:
    """A column in its stored type; faulty cells are null, and each is listed once."""

    values: pa.Array
    faults: list[Fault]


class Rejections:
    """The rejected cells of a column, with reasons. It holds no values, so that rejecting one cell cannot change another one."""

    def __init__(self, count: int) -> None:
        self.rejected = np.zeros(count, np.bool_)
        self.faults: list[Fault] = []

    def add(self, bad: pa.Array | np.ndarray, code: str, message: str) -> None:
        """Reject the cells where `bad` is true. A cell that is already rejected keeps its first fault."""
        if isinstance(bad, pa.Array):
            bad = _numpy(bad.fill_null(False))
        rows = np.flatnonzero(bad & ~self.rejected)
        if rows.size:
            self.rejected[rows] = True
            self.faults.append(Fault(rows, code, message))


def convert(cells: pa.Array, column: Column, refused: Iterable[Fault] = ()) -> Converted:
    """Convert and check a whole column; see the module docstring. Missing required values are faults too.

    Args:
        cells: one cell per row, null if blank.
        column: the column to which the cells belong.
        refused: cells that are invalid regardless of their values.
    """
    cells = _plain(cells)
    rejections = Rejections(len(cells))
    for fault in refused:
        rejections.add(_marked(fault.rows, len(cells)), fault.code, fault.message)
    if cells.null_count == len(cells):
        values = pa.nulls(len(cells), STORED_TYPES[column.kind])
    else:
        values = _CONVERTERS[column.kind](cells, column, rejections)
    if column.required and values.null_count:
        rejections.add(pc.is_null(values), "missing", "a value is required")
    values = _without(values, rejections.rejected)
    return Converted(values.cast(pa.string()) if column.name == POSITION_ID else values, rejections.faults)


def _without(values: pa.Array, rejected: np.ndarray) -> pa.Array:
    """The values with nulls in place of the rejected ones. In dictionary-encoded values only the codes change."""
    if not rejected.any():
        return values
    if pa.types.is_dictionary(values.type):
        return pa.DictionaryArray.from_arrays(_without(values.indices, rejected), values.dictionary)
    return pc.if_else(pa.array(~rejected), values, pa.scalar(None, values.type))


def is_blank(values: pa.Array) -> np.ndarray:
    """Whether each cell is null or contains only blanks."""
    values = _plain(values)
    blank = _numpy(pc.is_null(values))
    if blank.all() or not _is_text(values.type):
        return blank
    lengths = pc.utf8_length(pc.utf8_trim_whitespace(values.cast(pa.string())))
    return np.asarray(np.logical_or(blank, _numpy(pc.equal(lengths, 0).fill_null(True))))


def with_wide_codes(values: pa.DictionaryArray) -> pa.DictionaryArray:
    """The text with 32-bit codes: narrower codes cannot number the names of several joined dictionaries."""
    if values.type == pa.dictionary(pa.int32(), pa.string()):
        return values
    return pa.DictionaryArray.from_arrays(values.indices.cast(pa.int32()), values.dictionary.cast(pa.string()))


def _numpy(values: pa.Array) -> np.ndarray:
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _plain(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    """One contiguous array of a type that the converters know."""
    if isinstance(values, pa.ChunkedArray):
        values = _joined(values)
    kind = values.type
    if pa.types.is_dictionary(kind):
        return with_wide_codes(values) if _is_any_text(kind.value_type) else _plain(values.dictionary_decode())
    if _is_any_text(kind):
        return values.cast(pa.string())
    return values.cast(pa.float64()) if pa.types.is_float16(kind) else values


def _joined(values: pa.ChunkedArray) -> pa.Array:
    chunks = values.chunks
    if pa.types.is_dictionary(values.type) and _is_any_text(values.type.value_type):
        chunks = [with_wide_codes(chunk) for chunk in chunks]
        if _is_mostly_unique(chunks):
            chunks = [chunk.cast(pa.string()) for chunk in chunks]
    if not chunks:
        return pa.nulls(0, values.type)
    values = pa.chunked_array(chunks).unify_dictionaries().combine_chunks()
    return pa.concat_arrays(values.chunks) if isinstance(values, pa.ChunkedArray) else values


def _is_mostly_unique(chunks: list[pa.DictionaryArray]) -> bool:
    """Whether decoding the text costs less than unifying its dictionaries: it does for identifiers, unless they would fill memory."""
    dictionaries = [chunk.dictionary for chunk in chunks]
    is_short = all((pc.max(pc.binary_length(names)).as_py() or 0) <= NAME_LENGTH_MAX for names in dictionaries)
    return is_short and 2 * sum(map(len, dictionaries)) > sum(map(len, chunks))


def _is_any_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind)) or bool(pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))


def _wrong_type(cells: pa.Array, column: Column, rejections: Rejections, expected: str) -> pa.Array:
    rejections.add(pc.is_valid(cells), "wrong_type", f"expected {expected}, got {cells.type}")
    return pa.nulls(len(cells), STORED_TYPES[column.kind])


# -------------------------------------------------------------------------------------------------------------------- text


@dataclass(frozen=True)
class _Encoded:
    """Text without leading and trailing blanks: cell i is `names[codes[i]]`, or null if it is blank."""

    codes: pa.Array
    names: pa.Array

    @classmethod
    def of(cls, cells: pa.Array) -> "_Encoded":
        encoded = cells if pa.types.is_dictionary(cells.type) else cells.dictionary_encode()
        names = pc.utf8_trim_whitespace(encoded.dictionary)
        if names.equals(encoded.dictionary) and not names.null_count and not pc.any(pc.equal(names, "")).as_py():
            return cls(encoded.indices, names)
        names = pc.if_else(pc.equal(names, ""), pa.scalar(None, pa.string()), names).dictionary_encode()
        return cls(pc.take(names.indices, encoded.indices).cast(pa.int32()), names.dictionary)

    def spread(self, of_names: pa.Array) -> pa.Array:
        """Expand values per name to values per cell."""
        return pc.take(of_names, self.codes)

    def cells(self) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(self.codes, self.names)


def _text(cells: pa.Array, column: Column, rejections: Rejections) -> pa.Array:
    if pa.types.is_integer(cells.type):
        cells = cells.cast(pa.string())
    if not _is_text(cells.type):
        return _wrong_type(cells, column, rejections, "text")
    text = _Encoded.of(cells)
    names = text.names
    # Names appear in database keys, logs and terminals; other text, such as the terms of a plain-function product, may have line breaks.
    is_name = column.name in COMMON_COLUMNS or column.references is not None
    length, forbidden = (NAME_LENGTH_MAX, r"\p{Cc}") if is_name else (TEXT_LENGTH_MAX, r"\x00")
    faults = [
        (pc.greater(pc.utf8_length(names), length), "too_long", f"text is longer than {length:,} characters"),
        (pc.match_substring_regex(names, forbidden), "control_character", "text has a control character or a line break"),
    ]
    if column.references == "currency":
        known = pc.is_in(names, value_set=pa.array(CURRENCIES))
        faults.append((pc.invert(known), "unknown_currency", "not an ISO 4217 currency code in capitals"))
    if column.references == "calendar":
        unknown = pa.array([name is not None and not is_calendar(name) for name in names.to_pylist()], pa.bool_())
        faults.append((unknown, "unknown_calendar", f"not a calendar or several joined with '+'; known: {', '.join(CALENDARS)}"))
    for bad_names, code, message in faults:
        if pc.any(bad_names).as_py():
            rejections.add(text.spread(bad_names), code, message)
    return text.cells()


def _choice(cells: pa.Array, column: Column, rejections: Rejections) -> pa.Array:
    expected = f"one of {', '.join(column.allowed)}"
    if not _is_text(cells.type):
        return _wrong_type(cells, column, rejections, expected)
    text = _Encoded.of(cells)
    allowed = pa.array(column.allowed, pa.string())
    codes = text.spread(pc.index_in(text.names, value_set=allowed)).cast(pa.int8())
    rejections.add(_unread(text.codes, codes), "not_allowed", f"not {expected}")
    return pa.DictionaryArray.from_arrays(codes, allowed)


def _unread(cells: pa.Array, values: pa.Array) -> pa.Array:
    """Whether a cell is given but was not converted to a value."""
    return pc.and_(pc.is_valid(cells), pc.is_null(values))


# ----------------------------------------------------------------------------------------------------------------- numbers


def _float(cells: pa.Array, column: Column, rejections: Rejections) -> pa.Array:
    kind = cells.type
    if _is_text(kind):
        values = _parsed_numbers(cells, rejections)
    elif pa.types.is_decimal(kind):
        values = decimals_as_floats(cells)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = cells.cast(pa.float64(), safe=False)
    else:
        return _wrong_type(cells, column, rejections, "a number")
    rejections.add(pc.invert(pc.is_finite(values)), "not_finite", "not a finite number")
    _reject_outside(values, column, rejections)
    return values


def _integer(cells: pa.Array, column: Column, rejections: Rejections) -> pa.Array:
    numbers = _float(cells, Column(column.name, "float", column.meaning), rejections)
    is_whole = pc.equal(pc.floor(numbers), numbers)
    fits = pc.less(pc.abs(numbers), 2.0**31)
    rejections.add(pc.invert(is_whole), "not_whole", "not a whole number")
    rejections.add(pc.invert(fits), "out_of_range", "too large for a whole number")
    _reject_outside(numbers, column, rejections)
    return pc.if_else(pc.and_(is_whole, fits), numbers, pa.scalar(None, pa.float64())).cast(pa.int32())


def _parsed_numbers(cells: pa.Array, rejections: Rejections) -> pa.Array:
    text = cells.cast(pa.string())
    try:
        return pc.cast(text, pa.float64())
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(text)
        is_number = pc.match_substring_regex(text, _NUMBER)
        rejections.add(pc.and_(pc.invert(is_number), pc.not_equal(text, "")), "wrong_type", "not a number")
        return pc.cast(pc.if_else(is_number, text, pa.scalar(None, pa.string())), pa.float64())


def _reject_outside(values: pa.Array, column: Column, rejections: Rejections) -> None:
    unit = f" {column.unit}" if column.unit else ""
    if column.minimum is not None:
        rejections.add(pc.less(values, column.minimum), "out_of_range", f"less than {column.minimum:g}{unit}")
    if column.maximum is not None:
        rejections.add(pc.greater(values, column.maximum), "out_of_range", f"greater than {column.maximum:g}{unit}")


def _boolean(cells: pa.Array, column: Column, rejections: Rejections) -> pa.Array:
    if pa.types.is_boolean(cells.type):
        return cells
    if pa.types.is_integer(cells.type):
        cells = cells.cast(pa.string())
    if not _is_text(cells.type):
        return _wrong_type(cells, column, rejections, "true or false")
    text = _Encoded.of(cells)
    names = pc.utf8_lower(text.names)
    is_true, is_false = pc.is_in(names, value_set=pa.array(_TRUE)), pc.is_in(names, value_set=pa.array(_FALSE))
    values = text.spread(pc.if_else(pc.or_(is_true, is_false), is_true, pa.scalar(None, pa.bool_())))
    rejections.add(_unread(text.codes, values), "wrong_type", "not true or false")
    return values


# ------------------------------------------------------------------------------------------------------------------- dates


def _date(cells: pa.Array, column: Column, rejections: Rejections) -> pa.Array:
    kind = cells.type
    if pa.types.is_date32(kind):
        values = cells
    elif pa.types.is_date64(kind) or pa.types.is_timestamp(kind):
        values = cells.cast(pa.date32(), safe=False)
        rejections.add(pc.not_equal(values.cast(kind), cells), "wrong_type", "a date with a time of day")
    elif _is_text(kind):
        text = _Encoded.of(cells)
        values = text.spread(_parsed_dates(text.names))
        rejections.add(_unread(text.codes, values), "wrong_type", "not a date; write it as 2026-12-16")
    else:
        return _wrong_type(cells, column, rejections, "a date (2026-12-16)")
    days = values.cast(pa.int32())
    outside = pc.or_(pc.less(days, _FIRST_DAY), pc.greater(days, _LAST_DAY))
    rejections.add(outside, "out_of_range", "the year is not between 1 and 9999")
    return values


def _parsed_dates(names: pa.Array) -> pa.Array:
    """Each name as a date, null if it is not a date."""
    try:
        return pc.cast(names, pa.date32())
    except pa.ArrowInvalid:
        return pa.array([_iso_date(name) for name in names.to_pylist()], pa.date32())


def _iso_date(text: str | None) -> datetime.date | None:
    if text is None or not _DATE.fullmatch(text):
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


# ------------------------------------------------------------------------------------------------------------------- lists


def _list(cells: pa.Array, column: Column, rejections: Rejections) -> pa.Array:
    """Convert lists element by element; a faulty element makes its row faulty. An empty list becomes null."""
    if _is_text(cells.type):
        cells = pc.split_pattern(_Encoded.of(cells).cells().cast(pa.string()), LIST_SEPARATOR)
    elif pa.types.is_large_list(cells.type) or pa.types.is_fixed_size_list(cells.type):
        cells = cells.cast(pa.list_(cells.type.value_type))
    if not pa.types.is_list(cells.type):
        return _wrong_type(cells, column, rejections, "a list")
    lengths = pc.list_value_length(cells).fill_null(0).to_numpy(zero_copy_only=False)
    row_of_item = np.repeat(np.arange(len(cells)), lengths)
    element = Column(column.name, _ELEMENTS[column.kind], column.meaning, column.unit, minimum=column.minimum, maximum=column.maximum)
    items = convert(cells.flatten(), element)
    blank = _numpy(pc.is_null(items.values))
    for fault in items.faults:
        blank[fault.rows] = False
        rejections.add(_marked(row_of_item[fault.rows], len(cells)), fault.code, f"an element is {fault.message}")
    rejections.add(_marked(row_of_item[blank], len(cells)), "missing", "an element of the list is blank")
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), mask=np.append(lengths == 0, False))
    return pa.ListArray.from_arrays(offsets, items.values)


def _marked(rows: np.ndarray, count: int) -> np.ndarray:
    marks = np.zeros(count, np.bool_)
    marks[rows] = True
    return marks


_ELEMENTS: dict[Kind, Kind] = {"date_list": "date", "float_list": "float"}
_CONVERTERS: dict[Kind, Callable[[pa.Array, Column, Rejections], pa.Array]] = {
    "float": _float,
    "date": _date,
    "integer": _integer,
    "boolean": _boolean,
    "choice": _choice,
    "text": _text,
    "date_list": _list,
    "float_list": _list,
}
