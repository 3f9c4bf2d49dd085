"""Contracts that are lowered as other ones: each leg of several as a row of its own, columns that a product lacks by their defaults."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from pricers.contract.columns import NO_DATE, NO_INTEGER, Column, ColumnData, Contracts, Ragged, Text, end_to_end


def prefixed(columns: Iterable[Column], prefix: str) -> tuple[Column, ...]:
    """The columns under names that start with `prefix`.

    >>> prefixed([Column("index", "text", "index")], "receive_leg_")[0].name
    'receive_leg_index'
    """
    return tuple(replace(column, name=f"{prefix}{column.name}") for column in columns)


def legs_of(contracts: Contracts, *, prefixes: Sequence[str], names: Iterable[str]) -> Contracts:
    """The legs of all contracts as rows of one leg: the first prefix's leg of row 0, the second's, ..., then those of row 1.

    Args:
        contracts: with a column of every prefix and name.
        prefixes: one a leg.
        names: of the legs' columns, without prefix.
    """
    data = {name: _interleaved([contracts.data[prefix + name] for prefix in prefixes]) for name in names}
    return Contracts(row_count=contracts.row_count * len(prefixes), data=data)


def _interleaved(columns: list[ColumnData]) -> ColumnData:
    texts = [column for column in columns if isinstance(column, Text)]
    if texts:
        joint = end_to_end(texts)
        return Text(np.ascontiguousarray(joint.codes.reshape(len(texts), -1).T).ravel(), joint.names)
    lists = [column for column in columns if isinstance(column, Ragged)]
    if lists:
        counts = np.stack([np.diff(column.offsets) for column in lists], axis=1).ravel()
        starts = np.stack([column.offsets[:-1] for column in lists], axis=1)
        starts += np.cumsum([0, *(column.values.size for column in lists[:-1])])
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        place = np.arange(offsets[-1]) + np.repeat(starts.ravel() - offsets[:-1], counts)
        return Ragged(offsets, np.concatenate([column.values for column in lists])[place])
    return np.stack([column for column in columns if isinstance(column, np.ndarray)], axis=1).ravel()


def column_of_defaults(column: Column, rows: int) -> ColumnData:
    """The column of contracts that do not give it."""
    match column.kind:
        case "text":
            return Text(np.full(rows, -1, np.int32), ())
        case "date_list":
            return Ragged(np.zeros(rows + 1, np.int64), np.empty(0, np.int32))
        case "float_list":
            return Ragged(np.zeros(rows + 1, np.int64), np.empty(0))
        case "choice":
            return np.full(rows, -1 if column.default is None else column.allowed.index(column.default), np.int8)
        case "boolean":
            return np.full(rows, column.default, np.bool_)
        case "integer":
            return np.full(rows, NO_INTEGER if column.default is None else column.default, np.int32)
        case "date":
            return np.full(rows, NO_DATE, np.int32)
        case _:
            return np.full(rows, np.nan if column.default is None else column.default)
