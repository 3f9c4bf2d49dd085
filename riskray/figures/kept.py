"""What a process keeps of finished runs: values that do not change, up to a budget of bytes."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar, cast

Value = TypeVar("Value")


class Kept:
    """Values by key; the least recently used leave first when there are too many bytes, the newest one stays. Thread-safe."""

    def __init__(self, *, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()

    def get(self, key: Hashable, load: Callable[[], Value], size_of: Callable[[Value], int]) -> Value:
        """The value that is kept, else what `load` answers. Two threads that miss at once both load."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return cast(Value, self._values[key][0])
        value = load()
        with self._lock:
            self._values[key] = value, size_of(value)
            self._values.move_to_end(key)
            while len(self._values) > 1 and sum(size for _, size in self._values.values()) > self._bytes_max:
                self._values.popitem(last=False)
        return value
