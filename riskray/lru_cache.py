"""A cache of values up to a budget, which drops the least recently used first."""

import threading
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from cachetools import LRUCache

Value = TypeVar("Value")


class LruCache(Generic[Value]):
    """Values by key, none of them None. A value larger than the whole budget is kept until the next one is added. Thread-safe.

    Keys identify content that does not change, so that no entry becomes stale and dropping one costs only time.
    """

    def __init__(self, *, budget: int, size_of: Callable[[Value], int] = lambda _: 1) -> None:
        """`budget`: number of entries, or the unit of `size_of`, usually bytes."""
        self._entries: LRUCache[Hashable, Value] = LRUCache(budget, getsizeof=lambda value: min(size_of(value), budget))
        self._lock = threading.Lock()
        self.hits = self.misses = 0

    def get(self, key: Hashable) -> Value | None:
        """The cached value, None where there is none."""
        with self._lock:
            if key in self._entries:
                self.hits += 1
                return self._entries[key]
            self.misses += 1
            return None

    def put(self, key: Hashable, value: Value) -> None:
        """Cache a value."""
        with self._lock:
            self._entries[key] = value

    def get_or_load(self, key: Hashable, load: Callable[[], Value]) -> Value:
        """The cached value, or else the result of `load`. Two threads that miss concurrently both load."""
        value = self.get(key)
        if value is None:
            value = load()
            self.put(key, value)
        return value

    @property
    def size(self) -> int:
        """The total size of all entries, in the unit of the budget."""
        return int(self._entries.currsize)

    def __len__(self) -> int:
        return len(self._entries)
