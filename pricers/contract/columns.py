"""Contract columns: one declaration per product, from which all schemas, reader checks and docs pages are derived.

A batch of contracts is a struct of arrays with one element per row. Each kind of column has one representation of null:

    kind          array                          null
    float         float64[row]                   NaN
    date          int32[row], days since 1970    NO_DATE (the smallest int32)
    integer       int32[row]                     NO_INTEGER (the smallest int32)
    boolean       bool[row]                      not allowed: give the column a default
    choice        int8[row], index into allowed  -1
    text          Text(codes int32[row], names)  code -1
    date_list     Ragged(offsets, int32 values)  an empty list
    float_list    Ragged(offsets, float64)       an empty list
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

NO_DATE = np.iinfo(np.int32).min
NO_INTEGER = np.iinfo(np.int32).min

_INTEGER_LIMIT = 2**31

INSTRUMENT = "instrument"
"""The text column of a plain-function pricer; it holds, as a JSON object, the terms that have no column of their own."""

Kind = Literal["float", "date", "integer", "boolean", "choice", "text", "date_list", "float_list"]
_TYPES: dict[str, type[np.generic]] = {
    "float": np.float64, "date": np.int32, "integer": np.int32, "boolean": np.bool_, "choice": np.int8,
    "date_list": np.int32, "float_list": np.float64,
}  # fmt: skip
Reference = Literal["discount_curve", "spread_curve", "forecast_curve", "credit_curve", "index", "currency", "calendar"]

# Limits that no real contract exceeds; they catch percentages given as decimals and numbers in the wrong column.
RATE_MAX = 2.0  # decimal a year
AMOUNT_MAX = 1e15  # of any currency
PRICE_MAX = 1e4  # per 100
FX_RATE_MAX = 1e12  # quote per base


@dataclass(frozen=True)
class Column:
    """One contract term: its type, unit, range and meaning. `required` columns have no default and allow no null.

    `references` says what the text names: market data, so that the pre-flight check knows a position's needs before a run, or a calendar.
    `minimum` and `maximum` are inclusive and checked when a portfolio is read; so are finiteness and `allowed`.
    """

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    required: bool = False
    default: Any = None
    allowed: tuple[str, ...] = ()
    minimum: float | int | None = None
    maximum: float | int | None = None
    references: Reference | None = None
    example: Any = None

    def __post_init__(self) -> None:
        if (self.kind == "choice") != bool(self.allowed):
            raise ValueError(f"column {self.name!r}: allowed values belong to kind 'choice', have kind {self.kind!r} and {self.allowed!r}")
        if self.required and self.default is not None:
            raise ValueError(f"column {self.name!r} is required and has a default {self.default!r}")


@dataclass(frozen=True)
class Columns:
    """The ordered columns of one product."""

    columns: tuple[Column, ...]
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False)

    def __init__(self, *columns: Column) -> None:
        by_name = {column.name: column for column in columns}
        if len(by_name) != len(columns):
            raise ValueError(f"a column is declared twice: {[c.name for c in columns]}")
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "_by_name", by_name)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def referencing(self, reference: Reference) -> tuple[Column, ...]:
        """The columns whose text names market data of this kind."""
        return tuple(column for column in self.columns if column.references == reference)


@dataclass(frozen=True)
class Text:
    """Dictionary-encoded text: `names[codes[row]]`, or null where the code is -1."""

    codes: np.ndarray
    names: tuple[str, ...]

    @classmethod
    def of(cls, values: "list[str | None]") -> "Text":
        """Encode a list of strings."""
        names = tuple(sorted({value for value in values if value is not None}))
        code_of = {name: code for code, name in enumerate(names)}
        return cls(np.array([-1 if value is None else code_of[value] for value in values], np.int32), names)

    def __getitem__(self, row: int) -> str | None:
        code = self.codes[row]
        return None if code < 0 else self.names[code]


def end_to_end(texts: Sequence[Text]) -> Text:
    """Several text columns as one, under one list of names."""
    names = tuple(dict.fromkeys(name for text in texts for name in text.names))
    code_of = {name: code for code, name in enumerate(names)}
    codes = [np.array([*(code_of[name] for name in text.names), -1], np.int32)[text.codes] for text in texts]
    return Text(np.concatenate(codes), names)


@dataclass(frozen=True)
class Ragged:
    """One list per row: row i holds `values[offsets[i]:offsets[i + 1]]`."""

    offsets: np.ndarray
    values: np.ndarray


ColumnData = np.ndarray | Text | Ragged


def read_only(array: np.ndarray) -> np.ndarray:
    """The array, or a read-only view of it.

    Arrays that kernels receive from outside are always read-only: Arrow's arrays are read-only, and numba would compile each kernel a
    second time for writable ones.
    """
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


@dataclass(frozen=True)
class Contracts:
    """A batch of contracts of one product as columns (see the module docstring for the arrays), which are read-only."""

    row_count: int
    data: Mapping[str, ColumnData]

    def __post_init__(self) -> None:
        object.__setattr__(self, "data", {name: _read_only_column(column) for name, column in self.data.items()})

    def array(self, name: str) -> np.ndarray:
        """A float, date, integer, boolean or choice column."""
        column = self.data[name]
        if not isinstance(column, np.ndarray):
            raise TypeError(f"column {name!r} is {type(column).__name__}, not an array")
        return column

    def text(self, name: str) -> Text:
        """A text column."""
        column = self.data[name]
        if not isinstance(column, Text):
            raise TypeError(f"column {name!r} is {type(column).__name__}, not text")
        return column

    def ragged(self, name: str) -> Ragged:
        """A list column."""
        column = self.data[name]
        if not isinstance(column, Ragged):
            raise TypeError(f"column {name!r} is {type(column).__name__}, not a list column")
        return column

    def take(self, rows: np.ndarray) -> "Contracts":
        """The batch of these rows, in this order. `rows` holds indices."""
        return Contracts(row_count=len(rows), data={name: _take(column, rows) for name, column in self.data.items()})


def _read_only_column(column: ColumnData) -> ColumnData:
    if isinstance(column, Text):
        return column
    if isinstance(column, Ragged):
        return Ragged(read_only(column.offsets), read_only(column.values))
    return read_only(column)


def _take(column: ColumnData, rows: np.ndarray) -> ColumnData:
    if isinstance(column, Text):
        return Text(column.codes[rows], column.names)
    if isinstance(column, Ragged):
        items = [column.values[column.offsets[row] : column.offsets[row + 1]] for row in rows.tolist()]
        offsets = np.concatenate([[0], np.cumsum([len(item) for item in items])]).astype(np.int64)
        return Ragged(offsets, np.concatenate([column.values[:0], *items]))
    taken: np.ndarray = column[rows]
    return taken


def contracts_of(columns: Columns, rows: list[dict[str, Any]]) -> Contracts:
    """Build a batch from plain dictionaries, filling defaults; for notebooks, tests and single positions.

    Dates are `datetime.date`, ISO strings or day numbers; choices are names. Raises ValueError for an unknown or missing key, and, naming
    row and column, for a value of the wrong kind; the pricer checks ranges.
    """
    for number, row in enumerate(rows):
        unknown = set(row) - {column.name for column in columns}
        if unknown:
            raise ValueError(f"row {number}: unknown columns {sorted(unknown)}; known: {[column.name for column in columns]}")
        missing = [column.name for column in columns if column.required and row.get(column.name) is None]
        if missing:
            raise ValueError(f"row {number}: missing columns {missing}")
    data = {column.name: _encode(column, [row.get(column.name, column.default) for row in rows]) for column in columns}
    return Contracts(row_count=len(rows), data=data)


def _encode(column: Column, values: list[Any]) -> ColumnData:
    items = [_item_of_row(column, row, column.default if value is None else value) for row, value in enumerate(values)]
    match column.kind:
        case "text":
            return Text.of(items)
        case "date_list" | "float_list":
            offsets = np.concatenate([[0], np.cumsum([len(item) for item in items])]).astype(np.int64)
            return Ragged(offsets, np.array([entry for item in items for entry in item], _TYPES[column.kind]))
        case _:
            return np.array(items, _TYPES[column.kind])


def _item_of_row(column: Column, row: int, value: Any) -> Any:
    try:
        return _item(column, value)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"row {row}: column {column.name!r}: {value!r} is not valid ({error})") from error


def _item(column: Column, value: Any) -> Any:
    """Encode a value as the array of the column's kind holds it; raises TypeError, ValueError or OverflowError for a wrong kind."""
    match column.kind:
        case "float":
            return np.nan if value is None else float(value)
        case "date":
            return _day(value)
        case "integer":
            return NO_INTEGER if value is None else _whole(value)
        case "boolean":
            if not isinstance(value, (bool, np.bool_)):
                raise TypeError("give True or False")
            return value
        case "choice":
            if value is not None and value not in column.allowed:
                raise ValueError(f"known: {', '.join(column.allowed)}")
            return -1 if value is None else column.allowed.index(value)
        case "text":
            if value is not None and not isinstance(value, str):
                raise TypeError("give a string")
            return value
        case "date_list" | "float_list":
            if isinstance(value, str):
                raise TypeError("give a list")
            entries = [] if value is None else list(value)
            return [_day(entry) if column.kind == "date_list" else float(entry) for entry in entries]


def _whole(value: Any) -> int:
    if int(value) != value or not abs(int(value)) < _INTEGER_LIMIT:
        raise ValueError("give a whole number")
    return int(value)


def _day(value: Any) -> int:
    if value is None:
        return int(NO_DATE)
    if isinstance(value, (int, np.integer)):
        return int(value)
    return int(np.datetime64(value, "D").astype(np.int64))
