"""Figures under keys that do not depend on storage: sorted by key, hashed by column, and aligned by key if two sets differ.

A key consists of names (position, book, curve, pillar, currency, scenario), never of numbers or of indices into a list. Hashed columns
are float64, int64 or text, each with its nulls; -0.0 and 0.0 have different bits.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_KEY, _VALUE, _SCALE = "key:", "value:", "scale:"
_CODES_MAX: Final = 2**62


@dataclass(frozen=True)
class Names:
    """A column of texts: `names` are sorted and all in use, `codes` are indices into them."""

    names: tuple[str, ...]
    codes: np.ndarray
    """int64[row]."""

    @classmethod
    def of(cls, values: Any) -> "Names":
        """From an Arrow array of texts or dictionary of texts, or from a sequence; null is the empty text."""
        array = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values, pa.string())
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        encoded = array if pa.types.is_dictionary(array.type) else pc.fill_null(array, "").dictionary_encode()
        used, codes = np.unique(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), return_inverse=True)
        dictionary = encoded.dictionary.to_pylist()
        found = ["" if place < 0 else dictionary[place] for place in used.tolist()]
        names = sorted(set(found))
        rank = {name: place for place, name in enumerate(names)}
        places = np.array([rank[name] for name in found], np.int64)
        return cls(tuple(names), places[codes] if len(places) else np.zeros(0, np.int64))

    def taken(self, rows: np.ndarray) -> "Names":
        """The requested rows. All names stay in use if no row is left out."""
        return Names(self.names, self.codes[rows])

    def arrow(self) -> pa.DictionaryArray:
        """As a dictionary of texts."""
        return pa.DictionaryArray.from_arrays(pa.array(self.codes.astype(np.int32)), pa.array(self.names, pa.string()))

    def update(self, digest: Any) -> None:
        """Feed names and rows to a hash."""
        for name in self.names:
            encoded = name.encode()
            digest.update(len(encoded).to_bytes(4, "little") + encoded)
        digest.update(self.codes.astype("<i4").tobytes())


@dataclass(frozen=True)
class Figures:
    """Rows of one kind of result in order of their key; make them with `figures` or `figures_of_rows`."""

    keys: Mapping[str, Names]
    values: Mapping[str, pa.Array]
    """float64, int64 or string, by canonical name of the measure."""
    scales: Mapping[str, np.ndarray]
    """float64[row] by name of a value: sum of the absolute values of its terms, which a tolerance refers to. Not compared."""

    @property
    def row_count(self) -> int:
        """Number of keys."""
        return len(next(iter(self.keys.values())).codes)

    def key_of(self, row: int) -> str:
        """A row's key as text."""
        parts = {name: column.names[column.codes[row]] for name, column in self.keys.items()}
        return ", ".join(f"{name} {value}" for name, value in parts.items() if value)

    @cached_property
    def _key_digest(self) -> Any:
        digest = hashlib.sha256()
        for name, column in self.keys.items():
            digest.update(name.encode() + b"\0")
            column.update(digest)
        return digest

    @cached_property
    def checksums(self) -> Mapping[str, str]:
        """SHA-256 of keys and bits, by name of the value."""
        return {name: self._checksum(column) for name, column in self.values.items()}

    def _checksum(self, column: pa.Array) -> str:
        digest = self._key_digest.copy()
        digest.update(str(column.type).encode() + column.is_valid().to_numpy(zero_copy_only=False).tobytes())
        if pa.types.is_string(column.type):
            Names.of(column).update(digest)
        else:
            digest.update(bits(column).tobytes())
        return str(digest.hexdigest())

    def to_arrow(self) -> pa.Table:
        """As one table; `from_arrow` reads it back."""
        columns: dict[str, Any] = {_KEY + name: column.arrow() for name, column in self.keys.items()}
        columns |= {_VALUE + name: column for name, column in self.values.items()}
        return pa.table(columns | {_SCALE + name: pa.array(column) for name, column in self.scales.items()})

    @classmethod
    def from_arrow(cls, table: pa.Table) -> "Figures":
        """The figures that `to_arrow` wrote."""

        def part(prefix: str) -> dict[str, Any]:
            return {name.removeprefix(prefix): table.column(name) for name in table.column_names if name.startswith(prefix)}

        return figures(part(_KEY), part(_VALUE), {name: column.to_numpy() for name, column in part(_SCALE).items()})


def figures(keys: Mapping[str, Any], values: Mapping[str, Any], scales: Mapping[str, np.ndarray] | None = None) -> Figures:
    """Figures in order of their key.

    Args:
        keys: texts by name of the key's part.
        values: numbers or texts by canonical name, Arrow or numpy.
        scales: see `Figures`.
    Raises:
        ValueError: two rows have one key.
    """
    columns = {name: Names.of(column) for name, column in keys.items()}
    codes = _codes([(column.codes, len(column.names)) for column in columns.values()])
    order = np.argsort(codes, kind="stable")
    made = Figures(
        {name: column.taken(order) for name, column in columns.items()},
        {name: _plain(column).take(pa.array(order)) for name, column in values.items()},
        {name: np.asarray(column, np.float64)[order] for name, column in (scales or {}).items()},
    )
    repeated = np.flatnonzero(np.diff(codes[order]) == 0)
    if repeated.size:
        raise ValueError(f"{repeated.size} keys have more than one row, such as {made.key_of(int(repeated[0]))}")
    return made


def figures_of_rows(rows: Iterable[Mapping[str, Any]], *, keys: Sequence[str], scales: Mapping[str, np.ndarray] | None = None) -> Figures:
    """Figures of a short list of objects: the fields named in `keys` are the key (absent: empty), all others are values."""
    listed = list(rows)
    names = dict.fromkeys(name for row in listed for name in row if name not in keys)
    values = {name: _column([row.get(name) for row in listed]) for name in names}
    return figures({name: [str(row.get(name, "")) for row in listed] for name in keys}, values, scales)


def added_up(keys: Mapping[str, Any], values: np.ndarray, *, name: str) -> Figures:
    """Figures of one value; rows with one key (two legs on one curve) are added in their order."""
    columns = {part: Names.of(column) for part, column in keys.items()}
    codes = _codes([(column.codes, len(column.names)) for column in columns.values()])
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sums = np.add.reduceat(values[order], starts) if starts.size else np.zeros(0)
    return figures({part: column.taken(order[starts]).arrow() for part, column in columns.items()}, {name: sums})


def bits(column: pa.Array) -> np.ndarray:
    """int64[row]: the bits of each number, 0 for a null."""
    return np.ascontiguousarray(pc.fill_null(column, 0).to_numpy(zero_copy_only=False)).view(np.int64)


def aligned(before: Figures, after: Figures) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `before` and of `after` with equal keys; none if the keys have different parts."""
    if list(before.keys) != list(after.keys):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    sides: list[list[tuple[np.ndarray, int]]] = [[], []]
    for name, column in before.keys.items():
        other = after.keys[name]
        union = sorted({*column.names, *other.names})
        place = {text: number for number, text in enumerate(union)}
        for side, part in zip(sides, (column, other), strict=True):
            side.append((np.array([place[text] for text in part.names], np.int64)[part.codes], len(union)))
    earlier, later = (_codes(side) for side in sides)
    _, rows_before, rows_after = np.intersect1d(earlier, later, True, return_indices=True)  # no key has two rows
    return rows_before, rows_after


def _codes(columns: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
    """One number per row, in the order of the columns, each of which is given with its number of names."""
    codes, total = np.zeros(len(columns[0][0]), np.int64), 1
    for column, count in columns:
        total *= max(count, 1)
        if total > _CODES_MAX:
            raise ValueError("the parts of the key have too many values for one number")
        codes = codes * max(count, 1) + column
    return codes


def _plain(column: Any) -> pa.Array:
    """As one array of float64, int64 or string."""
    array = column if isinstance(column, pa.Array | pa.ChunkedArray) else pa.array(column)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if pa.types.is_floating(array.type) or pa.types.is_null(array.type):
        return array.cast(pa.float64())
    return array.cast(pa.int64() if pa.types.is_integer(array.type) or pa.types.is_boolean(array.type) else pa.string())


def _column(values: list[Any]) -> pa.Array:
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {float} or kinds == {float, int}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if kinds <= {int, bool}:
        return pa.array([None if value is None else int(value) for value in values], pa.int64())
    return pa.array([value.isoformat() if isinstance(value, date) else value for value in values], pa.string())
