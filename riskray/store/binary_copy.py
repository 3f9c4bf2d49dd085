"""Encodes Arrow record batches as rows of PostgreSQL's binary COPY.

A row is the number of its fields (int16), then each field: its length in bytes (int32, -1 for null) and its value, all big-endian. The
encoder first adds up the lengths of a batch's rows; then one compiled pass per column writes its fields and advances each row's position.
docs/decisions/0005 says why no library is used.

References:
    [1] PostgreSQL documentation, COPY, "Binary Format".
    [2] PostgreSQL, src/backend/utils/adt/arrayfuncs.c, array_recv.
"""

import struct
from collections.abc import Callable
from functools import partial
from typing import Final, NamedTuple, no_type_check

import numpy as np
import pyarrow as pa
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pricers.kernels.jit import kernel

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER: Final = struct.pack(">h", -1)

_FIELD_COUNT_BYTES: Final = 2
_LENGTH_BYTES: Final = 4
_NULL: Final = np.int32(-1)
_ARRAY_HEADER_BYTES: Final = 20
"""An array's header: dimensions, null flag, type of the elements, and size and lower bound of its one dimension; an int32 each."""
_EMPTY_ARRAY_BYTES: Final = 12
"""An empty array has no dimension, and so neither size nor bound."""
_AS_INTEGER: Final[dict[pa.DataType, type[np.integer]]] = {pa.int16(): np.int16, pa.int32(): np.int32, pa.float64(): np.int64}
_ELEMENT_TYPE_OID: Final = {pa.int16(): 21, pa.float64(): 701}
_NOTHING_IS_NULL: Final = np.empty(0, np.bool_)
_NO_ROW: Final = np.zeros(1, np.int32)
_NO_ROW.setflags(write=False)


class _Column(NamedTuple):
    """`value_bytes`: one length for all values, or one for each; `put(out, at, is_null)` writes the fields at `at` and advances `at`."""

    value_bytes: int | np.ndarray
    put: Callable[[np.ndarray, np.ndarray, np.ndarray], None]


def encode_rows(batch: pa.RecordBatch) -> memoryview:
    """The rows of a batch; a stream is HEADER, any number of these, TRAILER.

    Columns may be int16, int32, float64, string, binary, and lists of int16 or float64.

    Raises:
        TypeError: a column has another type.
        ValueError: a list contains a null.
    """
    row_bytes = np.full(batch.num_rows, _FIELD_COUNT_BYTES + _LENGTH_BYTES * batch.num_columns, np.int64)
    columns = []
    for name, values in zip(batch.schema.names, batch.columns, strict=True):
        column, is_null = _column(name, values), _NOTHING_IS_NULL
        if values.null_count:
            is_null = np.asarray(values.is_null())
            row_bytes += np.where(is_null, 0, column.value_bytes)
        else:
            row_bytes += column.value_bytes
        columns.append((column, is_null))
    at = np.cumsum(row_bytes) - row_bytes
    out = np.empty(int(row_bytes.sum()), np.uint8)
    _put_field_counts(out, at, np.int16(batch.num_columns))
    for column, is_null in columns:
        column.put(out, at, is_null)
    return out.data


def _column(name: str, column: pa.Array) -> _Column:
    kind = column.type
    if kind in _AS_INTEGER:
        numbers = _numbers(column)
        return _Column(numbers.itemsize, partial(_put_numbers, numbers))
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        offsets, data = _offsets(column), column.buffers()[2]
        return _Column(np.diff(offsets), partial(_put_bytes, offsets, _view(data, np.uint8)))
    if pa.types.is_list(kind) and kind.value_type in _ELEMENT_TYPE_OID:
        if column.values.null_count:
            raise ValueError(f"column {name} has a null inside a list")
        offsets, numbers = _offsets(column), _numbers(column.values)
        counts = np.diff(offsets)
        array_bytes = np.where(counts > 0, _ARRAY_HEADER_BYTES + counts * (_LENGTH_BYTES + numbers.itemsize), _EMPTY_ARRAY_BYTES)
        return _Column(array_bytes, partial(_put_arrays, offsets, numbers, np.int32(_ELEMENT_TYPE_OID[kind.value_type])))
    raise TypeError(f"column {name} is {kind}; COPY takes int16, int32, float64, string, binary, and lists of int16 or float64")


def _numbers(column: pa.Array) -> np.ndarray:
    """The column's values as integers with identical bits; arbitrary where null."""
    return _view(column.buffers()[1], _AS_INTEGER[column.type])[column.offset : column.offset + len(column)]


def _offsets(column: pa.Array) -> np.ndarray:
    """The offsets at which the bytes or elements of each row begin, and at which those of the last row end."""
    offsets = _view(column.buffers()[1], np.int32)[column.offset : column.offset + len(column) + 1]
    return offsets if offsets.size else _NO_ROW


def _view(buffer: pa.Buffer | None, dtype: type[np.generic]) -> np.ndarray:
    """A read-only view of the buffer, even if it is mutable: numba would compile a kernel for each of the two kinds."""
    view: np.ndarray = np.frombuffer(buffer or b"", dtype)
    view.setflags(write=False)
    return view


@intrinsic
@no_type_check
def _store(typing_context, out, at, number):
    """Write a big-endian integer at any byte. numba has no unaligned store, and writing single bytes takes six times as long."""

    def generate(context, builder, signature, arguments):
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        swapped = builder.bswap(arguments[2])
        place = builder.bitcast(builder.gep(array.data, [arguments[1]]), ir.PointerType(swapped.type))
        builder.store(swapped, place, align=1)

    return types.void(out, at, number), generate


@kernel
@no_type_check
def _put_field_counts(out, at, count):
    for row in range(at.size):
        _store(out, at[row], count)
        at[row] += _FIELD_COUNT_BYTES


@kernel
@no_type_check
def _put_null(out, at, row):
    _store(out, at[row], _NULL)
    at[row] += _LENGTH_BYTES


@kernel
@no_type_check
def _put_numbers(numbers, out, at, is_null):
    size = numbers.itemsize
    for row in range(at.size):
        if is_null.size and is_null[row]:
            _put_null(out, at, row)
            continue
        start = at[row]
        _store(out, start, np.int32(size))
        _store(out, start + _LENGTH_BYTES, numbers[row])
        at[row] = start + _LENGTH_BYTES + size


@kernel
@no_type_check
def _put_bytes(offsets, data, out, at, is_null):
    for row in range(at.size):
        if is_null.size and is_null[row]:
            _put_null(out, at, row)
            continue
        first, size = offsets[row], offsets[row + 1] - offsets[row]
        _store(out, at[row], np.int32(size))
        start = at[row] + _LENGTH_BYTES
        for byte in range(size):
            out[start + byte] = data[first + byte]
        at[row] = start + size


@kernel
@no_type_check
def _put_arrays(offsets, numbers, element_type, out, at, is_null):
    size = numbers.itemsize
    for row in range(at.size):
        if is_null.size and is_null[row]:
            _put_null(out, at, row)
            continue
        start, first, end = at[row], offsets[row], offsets[row + 1]
        dimensions = np.int32(1 if end > first else 0)
        array_bytes = _ARRAY_HEADER_BYTES + (end - first) * (_LENGTH_BYTES + size) if dimensions else _EMPTY_ARRAY_BYTES
        _store(out, start, np.int32(array_bytes))
        _store(out, start + 4, dimensions)
        _store(out, start + 8, np.int32(0))  # the array contains no nulls
        _store(out, start + 12, element_type)
        start += _LENGTH_BYTES + _EMPTY_ARRAY_BYTES
        if dimensions:
            _store(out, start, np.int32(end - first))
            _store(out, start + 4, np.int32(1))
            start += _ARRAY_HEADER_BYTES - _EMPTY_ARRAY_BYTES
        for element in range(first, end):
            _store(out, start, np.int32(size))
            _store(out, start + _LENGTH_BYTES, numbers[element])
            start += _LENGTH_BYTES + size
        at[row] = start
