"""Numbers for keys, by a table where that is faster than sorting."""

from typing import Final

import numpy as np

CELLS_MAX: Final = 1 << 22
"""Cells (shape, day) of the table that numbers are looked up in: 16 MiB. Shapes of a curve set that need more are taken in parts."""

_KEYS_A_NUMBER: Final = 32  # a number sorts in the time in which a table looks at so many keys


def numbered(keys: np.ndarray, key_count: int) -> tuple[np.ndarray, np.ndarray]:
    """The distinct keys, which count from 0, increasing, and the number of each key among them: `np.unique`, without sorting many keys."""
    if key_count > min(_KEYS_A_NUMBER * keys.size, max(CELLS_MAX, 4 * keys.size)):
        distinct, number = np.unique(keys, return_inverse=True)
        return distinct, number
    is_there = np.zeros(key_count, np.bool_)
    is_there[keys] = True
    return np.flatnonzero(is_there), (np.cumsum(is_there, dtype=np.int64) - 1)[keys]
