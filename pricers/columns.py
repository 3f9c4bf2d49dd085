"""Contract columns: one declaration a product from which every schema, reader check and docs page is derived.

A batch of contracts is a struct of arrays, one element a row. Six kinds of column exist; nulls have one representation each:

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

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

NO_DATE = np.iinfo(np.int32).min
NO_INTEGER = np.iinfo(np.int32).min

Kind = Literal["float", "date", "integer", "boolean", "choice", "text", "date_list", "float_list"]
Reference = Literal["discount_curve", "spread_curve", "currency", "calendar"]

# What no contract holds, and slips of the pen do: percent for decimals, a number in the wrong column.
RATE_MAX = 2.0  # decimal a year
AMOUNT_MAX = 1e15  # of any currency
PRICE_MAX = 1e4  # per 100


@dataclass(frozen=True)
class Column:
    """One contract term: its type, unit, range and meaning. `required` columns have no default and allow no null.

    `references` says what the text names: market data, so that pre-flight knows what a position needs before anything runs, or a calendar.
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


@dataclass(frozen=True)
class Ragged:
    """A list a row: row i holds `values[offsets[i]:offsets[i + 1]]`."""

    offsets: np.ndarray
    values: np.ndarray


ColumnData = np.ndarray | Text | Ragged


@dataclass(frozen=True)
class Contracts:
    """A batch of contracts of one product as columns (see the module docstring for the arrays)."""

    row_count: int
    data: Mapping[str, ColumnData]

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

    Dates are `datetime.date`, ISO strings or day numbers; choices are names. Raises ValueError for an unknown or missing key.
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
    values = [column.default if value is None else value for value in values]
    match column.kind:
        case "float":
            return np.array([np.nan if value is None else value for value in values], np.float64)
        case "date":
            return np.array([_day(value) for value in values], np.int32)
        case "integer":
            return np.array([NO_INTEGER if value is None else value for value in values], np.int32)
        case "boolean":
            return np.array(values, np.bool_)
        case "choice":
            return np.array([-1 if value is None else column.allowed.index(value) for value in values], np.int8)
        case "text":
            return Text.of(values)
        case "date_list" | "float_list":
            lists = [[] if value is None else list(value) for value in values]
            offsets = np.concatenate([[0], np.cumsum([len(items) for items in lists])]).astype(np.int64)
            flat = [item for items in lists for item in items]
            if column.kind == "date_list":
                return Ragged(offsets, np.array([_day(item) for item in flat], np.int32))
            return Ragged(offsets, np.array(flat, np.float64))


def _day(value: Any) -> int:
    if value is None:
        return int(NO_DATE)
    if isinstance(value, (int, np.integer)):
        return int(value)
    return int(np.datetime64(value, "D").astype(np.int64))
