"""The bytes of binary COPY, against bytes written by hand from PostgreSQL's description of the format."""

import struct
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from riskray.store.binary_copy import encode_rows

SCHEMA = pa.schema(
    [
        ("small", pa.int16()), ("number", pa.int32()), ("amount", pa.float64()), ("name", pa.string()), ("payload", pa.binary()),
        ("codes", pa.list_(pa.int16())), ("ladder", pa.list_(pa.float64())),
    ]
)  # fmt: skip
INT2, FLOAT8 = 21, 701
NULL = struct.pack(">i", -1)
ROWS = [
    {"small": -2, "number": 7, "amount": -0.0, "name": "Zürich", "payload": b"\0\xff", "codes": [1, -1], "ladder": [1.5, float("inf")]},
    dict.fromkeys(SCHEMA.names),
    {"small": 32767, "number": -(2**31), "amount": 5e-324, "name": "", "payload": b"", "codes": [], "ladder": []},
]


def _field(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def _array(oid: int, elements: list[bytes]) -> bytes:
    if not elements:
        return struct.pack(">iii", 0, 0, oid)
    return struct.pack(">iiiii", 1, 0, oid, len(elements), 1) + b"".join(map(_field, elements))


def _row(row: dict[str, Any]) -> bytes:
    """One row as the documentation has it."""
    small, number, amount, name, payload, codes, ladder = row.values()
    if small is None:
        return struct.pack(">h", 7) + 7 * NULL
    fields = [
        struct.pack(">h", small), struct.pack(">i", number), struct.pack(">d", amount), name.encode(), payload,
        _array(INT2, [struct.pack(">h", code) for code in codes]), _array(FLOAT8, [struct.pack(">d", value) for value in ladder]),
    ]  # fmt: skip
    return struct.pack(">h", 7) + b"".join(map(_field, fields))


def test_rows_are_laid_out_as_documented() -> None:
    batch = pa.RecordBatch.from_pylist(ROWS, schema=SCHEMA)
    assert bytes(encode_rows(batch)) == b"".join(map(_row, ROWS))


@pytest.mark.parametrize(("start", "length"), [(0, 0), (1, 1), (2, 1), (1, 2), (2, 3)])
def test_part_of_a_batch_is_those_rows_alone(start: int, length: int) -> None:
    rows = [*ROWS, *ROWS]
    batch = pa.RecordBatch.from_pylist(rows, schema=SCHEMA).slice(start, length)
    assert bytes(encode_rows(batch)) == b"".join(map(_row, rows[start : start + length]))


def test_arrays_over_memory_of_numpy_and_sliced_children_are_read_in_their_place() -> None:
    amounts = np.arange(6, dtype=np.float64)
    ladder = pa.ListArray.from_arrays(pa.array([0, 1, 3], pa.int32()), pa.array(amounts)[2:])
    batch = pa.RecordBatch.from_arrays([pa.array(amounts)[4:], ladder], names=["amount", "ladder"])
    expected = [(4.0, [2.0]), (5.0, [3.0, 4.0])]
    assert bytes(encode_rows(batch)) == b"".join(
        struct.pack(">h", 2) + _field(struct.pack(">d", amount)) + _field(_array(FLOAT8, [struct.pack(">d", value) for value in values]))
        for amount, values in expected
    )


def test_column_that_copy_does_not_take_is_named() -> None:
    with pytest.raises(TypeError, match="column flag is bool"):
        encode_rows(pa.RecordBatch.from_pydict({"flag": [True]}))
    with pytest.raises(ValueError, match="column ladder has a null inside a list"):
        encode_rows(pa.RecordBatch.from_pydict({"ladder": [[1.0, None]]}))
