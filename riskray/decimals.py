"""Conversion of Arrow's fixed-point decimals to floats."""

import pyarrow as pa


def decimals_as_floats(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Convert decimals to the nearest float64, so that 0.042500 equals 0.0425 in a text file; other types are returned unchanged.

    Arrow's own cast multiplies two rounded numbers and misses the nearest float in the last bit; its parser of text rounds once.
    """
    return values.cast(pa.string()).cast(pa.float64()) if pa.types.is_decimal(values.type) else values
