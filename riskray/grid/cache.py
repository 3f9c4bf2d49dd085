"""What a pricer keeps between shards: markets as arrays and compiled positions, read from Postgres by number when they are missing.

Keys are ids of immutable snapshots, so nothing is ever stale and losing an entry costs only time.
"""

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import numpy as np

from pricers.contract.columns import Contracts, Ragged, Text
from riskray.engine.shard import ShardPositions

Value = TypeVar("Value")


class ByteBudgetCache(Generic[Value]):
    """Least recently used entries leave first when the budget is exceeded; an entry larger than the budget is not kept at all."""

    def __init__(self, *, bytes_max: int, size_of: Callable[[Value], int]) -> None:
        self._bytes_max = bytes_max
        self._size_of = size_of
        self._entries: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self.nbytes = 0
        self.hits = self.misses = 0

    def get_or_load(self, key: Hashable, load: Callable[[], Value]) -> Value:
        """The cached value, else what `load` answers."""
        if key in self._entries:
            self.hits += 1
            self._entries.move_to_end(key)
            return self._entries[key][0]
        self.misses += 1
        value = load()
        size = self._size_of(value)
        if size <= self._bytes_max:
            self._entries[key] = (value, size)
            self.nbytes += size
            while self.nbytes > self._bytes_max:
                _, (_, dropped) = self._entries.popitem(last=False)
                self.nbytes -= dropped
        return value

    def __len__(self) -> int:
        return len(self._entries)


def positions_nbytes(positions: ShardPositions) -> int:
    """Bytes held by a shard's positions, close enough for a budget."""
    compiled = 0 if positions.compiled is None else positions.compiled.nbytes
    fields = sum(sys.getsizeof(row) for row in positions.fields)
    return compiled + fields + _contracts_nbytes(positions.contracts) + positions.books.codes.nbytes + positions.currencies.codes.nbytes


def _contracts_nbytes(contracts: Contracts) -> int:
    total = 0
    for data in contracts.data.values():
        match data:
            case Text():
                total += data.codes.nbytes
            case Ragged():
                total += data.offsets.nbytes + data.values.nbytes
            case np.ndarray():
                total += data.nbytes
    return total
