"""Numbers of files as floats, each rounded once."""

from typing import Any

import pyarrow as pa


def number_of(cell: Any) -> float:
    """A cell as a float: a number, or its text in ASCII digits.

    Raises ValueError or TypeError for anything else. `float` alone would read true as 1 and 1_0 as 10.
    """
    if isinstance(cell, bool):
        raise ValueError("expected a number, got true or false")
    if isinstance(cell, str) and ("_" in cell or not cell.strip().isascii()):
        raise ValueError(f"{cell!r} is not a number")
    return float(cell)


def decimals_as_floats(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Convert decimals to the nearest float64, so that 0.042500 equals 0.0425 in a text file; other types are returned unchanged.

    Arrow's own cast multiplies two rounded numbers and misses the nearest float in the last bit; its parser of text rounds once.
    """
    return values.cast(pa.string()).cast(pa.float64()) if pa.types.is_decimal(values.type) else values
