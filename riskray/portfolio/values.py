"""From the cells of a file to the values of a contract column, all rows at once.

`convert` takes a column as a file gave it (text from CSV; whatever type JSON or Parquet had) and returns it in the stored type, with the
faulty cells null and named. The fast path is one Arrow cast; only a column with a fault is looked at more closely.
"""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pricers.calendar_names import CALENDARS, is_calendar
from pricers.columns import Column, Kind
from riskray.models.instrument import COMMON_COLUMNS, CURRENCIES, POSITION_ID
from riskray.portfolio.schema import STORED_TYPES

NAME_LENGTH_MAX = 200
TEXT_LENGTH_MAX = 65_536
LIST_SEPARATOR = ";"
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # 0001-01-01 and 9999-12-31: what Python, Postgres and JSON readers can hold
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$|^[+-]?(?i:nan|inf|infinity)$"
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TRUE, _FALSE = ("true", "1"), ("false", "0")


@dataclass(frozen=True)
class Fault:
    """Cells of one column that are wrong for one reason. `rows` are row indices into the converted array."""

    rows: np.ndarray
    code: str
    message: str


@dataclass
class Converted:
    """A column in its stored type; faulty cells are null."""

    values: pa.Array
    faults: list[Fault] = field(default_factory=list)

    def reject(self, bad: np.ndarray, code: str, message: str) -> None:
        """Name the cells where `bad` and make them null."""
        if bad.any():
            self.faults.append(Fault(np.flatnonzero(bad), code, message))
            self.values = pc.if_else(pa.array(~bad), self.values, pa.scalar(None, self.values.type))


def convert(values: pa.Array, column: Column) -> Converted:
    """Convert and check a whole column; see the module docstring. Missing required values are faults too."""
    values = _plain(values)
    if values.null_count == len(values):
        converted = Converted(pa.nulls(len(values), STORED_TYPES[column.kind]))
    else:
        converted = _CONVERTERS[column.kind](values, column)
    if column.name == POSITION_ID:
        converted.values = converted.values.cast(pa.string())
    if column.required and converted.values.null_count:
        missing = _numpy(pc.is_null(converted.values))
        for fault in converted.faults:
            missing[fault.rows] = False
        if missing.any():
            converted.faults.append(Fault(np.flatnonzero(missing), "missing", "a value is required"))
    return converted


def is_blank(values: pa.Array) -> np.ndarray:
    """Whether each cell is null or holds nothing but blanks."""
    values = _plain(values)
    blank = _numpy(pc.is_null(values))
    if blank.all() or not _is_text(values.type):
        return blank
    lengths = pc.utf8_length(pc.utf8_trim_whitespace(values.cast(pa.string())))
    return np.asarray(np.logical_or(blank, _numpy(pc.equal(lengths, 0).fill_null(True))))


def _numpy(values: pa.Array) -> np.ndarray:
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _plain(values: pa.Array) -> pa.Array:
    """One contiguous array of a type that the converters know."""
    if isinstance(values, pa.ChunkedArray):
        values = values.cast(pa.string()) if _is_mostly_unique(values) else values.unify_dictionaries()
        values = values.combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # what combine_chunks returns for no chunks at all
        values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.nulls(0, values.type)
    kind = values.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.string())
    if pa.types.is_dictionary(kind) and not pa.types.is_string(kind.value_type):
        text = pa.types.is_large_string(kind.value_type) or pa.types.is_string_view(kind.value_type)
        return values.cast(pa.dictionary(pa.int32(), pa.string())) if text else values.dictionary_decode()
    if pa.types.is_decimal(kind) or pa.types.is_float16(kind):
        return values.cast(pa.float64())
    return values


def _is_mostly_unique(values: pa.ChunkedArray) -> bool:
    """Whether text is better decoded than its dictionaries united: identifiers, short enough not to fill memory."""
    if not (pa.types.is_dictionary(values.type) and pa.types.is_string(values.type.value_type)):
        return False
    dictionaries = [chunk.dictionary for chunk in values.chunks]
    is_short = all((pc.max(pc.binary_length(names)).as_py() or 0) <= NAME_LENGTH_MAX for names in dictionaries)
    return is_short and 2 * sum(map(len, dictionaries)) > len(values)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind)) or bool(pa.types.is_dictionary(kind) and pa.types.is_string(kind.value_type))


def _wrong_type(values: pa.Array, column: Column, expected: str) -> Converted:
    converted = Converted(pa.nulls(len(values), STORED_TYPES[column.kind]))
    given = pc.is_valid(values).to_numpy(zero_copy_only=False)
    converted.faults.append(Fault(np.flatnonzero(given), "wrong_type", f"expected {expected}, got {values.type}"))
    return converted


# -------------------------------------------------------------------------------------------------------------------- text


def _text(values: pa.Array, column: Column) -> Converted:
    if pa.types.is_integer(values.type):
        values = values.cast(pa.string())
    if not _is_text(values.type):
        return _wrong_type(values, column, "text")
    converted, names = _trimmed(values)
    # Names end up in database keys, logs and terminals; other text, such as the terms of a foreign instrument, may have line breaks.
    is_name = column.name in COMMON_COLUMNS or column.references is not None
    length, forbidden = (NAME_LENGTH_MAX, r"\p{Cc}") if is_name else (TEXT_LENGTH_MAX, r"\x00")
    _reject_names(converted, pc.greater(pc.utf8_length(names), length), "too_long", f"text is longer than {length:,} characters")
    _reject_names(
        converted, pc.match_substring_regex(names, forbidden), "control_character", "text has a control character or a line break"
    )
    if column.references == "currency":
        known = pc.is_in(names, value_set=pa.array(CURRENCIES))
        _reject_names(converted, pc.invert(known), "unknown_currency", "not an ISO 4217 currency code in capitals")
    if column.references == "calendar":
        unknown = pa.array([name is not None and not is_calendar(name) for name in names.to_pylist()], pa.bool_())
        choices = ", ".join(CALENDARS)
        _reject_names(converted, unknown, "unknown_calendar", f"not a calendar, nor several joined with '+'; known: {choices}")
    return converted


def _trimmed(values: pa.Array) -> tuple[Converted, pa.Array]:
    """Text with outer blanks removed and blank cells null, dictionary-encoded; and its names."""
    encoded = values if pa.types.is_dictionary(values.type) else values.dictionary_encode()
    names = pc.utf8_trim_whitespace(encoded.dictionary)
    if not names.equals(encoded.dictionary) or names.null_count or pc.any(pc.equal(names, "")).as_py():
        names = pc.if_else(pc.equal(names, ""), pa.scalar(None, pa.string()), names).dictionary_encode()
        indices = pc.take(names.indices, encoded.indices).cast(pa.int32())
        encoded, names = pa.DictionaryArray.from_arrays(indices, names.dictionary), names.dictionary
    if encoded.indices.type != pa.int32():
        encoded = pa.DictionaryArray.from_arrays(encoded.indices.cast(pa.int32()), names)
    return Converted(encoded), names


def _reject_names(converted: Converted, bad_names: pa.Array, code: str, message: str) -> None:
    if pc.any(bad_names).as_py():
        bad = pc.take(bad_names, converted.values.indices).fill_null(False)
        converted.reject(bad.to_numpy(zero_copy_only=False), code, message)


def _choice(values: pa.Array, column: Column) -> Converted:
    if not _is_text(values.type):
        return _wrong_type(values, column, f"one of {', '.join(column.allowed)}")
    converted, names = _trimmed(values)
    code_of_name = pc.index_in(names, value_set=pa.array(column.allowed, pa.string()))
    _reject_names(converted, pc.is_null(code_of_name), "not_allowed", f"not one of {', '.join(column.allowed)}")
    codes = pc.take(code_of_name, converted.values.indices).cast(pa.int8())
    converted.values = pa.DictionaryArray.from_arrays(codes, pa.array(column.allowed, pa.string()))
    return converted


# ----------------------------------------------------------------------------------------------------------------- numbers


def _float(values: pa.Array, column: Column) -> Converted:
    if _is_text(values.type):
        converted = _parsed_numbers(values)
    elif pa.types.is_integer(values.type) or pa.types.is_floating(values.type):
        converted = Converted(values.cast(pa.float64(), safe=False))
    else:
        return _wrong_type(values, column, "a number")
    _reject_where(converted, pc.invert(pc.is_finite(converted.values)), "not_finite", "not a finite number")
    _reject_outside(converted, column)
    return converted


def _integer(values: pa.Array, column: Column) -> Converted:
    converted = _float(values, Column(column.name, "float", column.meaning))
    whole = pc.equal(pc.floor(converted.values), converted.values)
    _reject_where(converted, pc.invert(whole), "not_whole", "not a whole number")
    _reject_where(converted, pc.greater_equal(pc.abs(converted.values), 2.0**31), "out_of_range", "too large for a whole number")
    _reject_outside(converted, column)
    converted.values = converted.values.cast(pa.int32())
    return converted


def _parsed_numbers(values: pa.Array) -> Converted:
    text = values.cast(pa.string())
    try:
        return Converted(pc.cast(text, pa.float64()))
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(text)
        text = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
        converted = Converted(text)
        _reject_where(converted, pc.invert(pc.match_substring_regex(text, _NUMBER)), "wrong_type", "not a number")
        converted.values = pc.cast(converted.values, pa.float64())
        return converted


def _reject_where(converted: Converted, bad: pa.Array, code: str, message: str) -> None:
    if pc.any(bad).as_py():
        converted.reject(bad.fill_null(False).to_numpy(zero_copy_only=False), code, message)


def _reject_outside(converted: Converted, column: Column) -> None:
    unit = f" {column.unit}" if column.unit else ""
    if column.minimum is not None:
        _reject_where(converted, pc.less(converted.values, column.minimum), "out_of_range", f"less than {column.minimum:g}{unit}")
    if column.maximum is not None:
        _reject_where(converted, pc.greater(converted.values, column.maximum), "out_of_range", f"greater than {column.maximum:g}{unit}")


def _boolean(values: pa.Array, column: Column) -> Converted:
    if pa.types.is_boolean(values.type):
        return Converted(values)
    if pa.types.is_integer(values.type):
        values = values.cast(pa.string())
    if not _is_text(values.type):
        return _wrong_type(values, column, "true or false")
    converted, names = _trimmed(values)
    names = pc.utf8_lower(names)
    is_true, is_false = pc.is_in(names, value_set=pa.array(_TRUE)), pc.is_in(names, value_set=pa.array(_FALSE))
    _reject_names(converted, pc.invert(pc.or_(is_true, is_false)), "wrong_type", "not true or false")
    converted.values = pc.take(is_true, converted.values.indices)
    return converted


# ------------------------------------------------------------------------------------------------------------------- dates


def _date(values: pa.Array, column: Column) -> Converted:
    if pa.types.is_date32(values.type):
        converted = Converted(values)
    elif pa.types.is_date64(values.type) or pa.types.is_timestamp(values.type):
        floored = values.cast(pa.date32(), safe=False)
        converted = Converted(floored)
        _reject_where(converted, pc.not_equal(floored.cast(values.type), values), "wrong_type", "a date with a time of day")
    elif _is_text(values.type):
        converted = _parsed_dates(values)
    else:
        return _wrong_type(values, column, "a date (2026-12-16)")
    days = converted.values.cast(pa.int32())
    _reject_where(
        converted, pc.or_(pc.less(days, _FIRST_DAY), pc.greater(days, _LAST_DAY)), "out_of_range", "the year is not between 1 and 9999"
    )
    return converted


def _parsed_dates(values: pa.Array) -> Converted:
    converted, names = _trimmed(values)
    try:
        dates = pc.cast(names, pa.date32())
    except pa.ArrowInvalid:
        dates = pa.array([_iso_date(name) for name in names.to_pylist()], pa.date32())
        _reject_names(converted, pc.and_(pc.is_null(dates), pc.is_valid(names)), "wrong_type", "not a date; write it as 2026-12-16")
    converted.values = pc.take(dates, converted.values.indices)
    return converted


def _iso_date(text: str | None) -> datetime.date | None:
    if text is None or not _DATE.fullmatch(text):
        return None
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        return None


# ------------------------------------------------------------------------------------------------------------------- lists


def _list(values: pa.Array, column: Column) -> Converted:
    """Lists, element by element; a faulty element makes its row faulty. An empty list is null."""
    if _is_text(values.type):
        values = pc.split_pattern(_trimmed(values)[0].values.cast(pa.string()), LIST_SEPARATOR)
    elif pa.types.is_large_list(values.type) or pa.types.is_fixed_size_list(values.type):
        values = values.cast(pa.list_(values.type.value_type))
    if not pa.types.is_list(values.type):
        return _wrong_type(values, column, "a list")
    lengths = pc.list_value_length(values).fill_null(0).to_numpy(zero_copy_only=False)
    row_of_item = np.repeat(np.arange(len(values)), lengths)
    element = Column(column.name, _ELEMENTS[column.kind], column.meaning, column.unit, minimum=column.minimum, maximum=column.maximum)
    items = convert(values.flatten(), element)
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), mask=np.append(lengths == 0, False))
    converted = Converted(pa.ListArray.from_arrays(offsets, items.values))
    empty = _numpy(pc.is_null(items.values))
    for fault in items.faults:
        empty[fault.rows] = False
        converted.reject(_marked(row_of_item[fault.rows], len(values)), fault.code, f"an element is {fault.message}")
    converted.reject(_marked(row_of_item[empty], len(values)), "missing", "an element of the list is blank")
    return converted


def _marked(rows: np.ndarray, count: int) -> np.ndarray:
    marks = np.zeros(count, np.bool_)
    marks[rows] = True
    return marks


_ELEMENTS: dict[Kind, Kind] = {"date_list": "date", "float_list": "float"}
_CONVERTERS: dict[Kind, Callable[[pa.Array, Column], Converted]] = {
    "float": _float,
    "date": _date,
    "integer": _integer,
    "boolean": _boolean,
    "choice": _choice,
    "text": _text,
    "date_list": _list,
    "float_list": _list,
}
