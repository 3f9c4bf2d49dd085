"""Fixed-point decimals of Arrow to floats."""

import pyarrow as pa


def decimals_as_floats(values: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    """Decimals as the nearest float64, so that 0.042500 is the number that 0.0425 in a text file is; other types as they are.

    Arrow's own cast multiplies two rounded numbers and misses the nearest float in the last bit; its parser of text rounds once.
    """
    return values.cast(pa.string()).cast(pa.float64()) if pa.types.is_decimal(values.type) else values
