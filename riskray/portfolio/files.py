"""Reads CSV, JSON and Parquet files to raw columns, with limits on the memory that a hostile file can take.

The result holds the cells as they are in the file; `riskray.portfolio.values` converts them to contract values. A file that cannot be
read as a table raises InvalidRequest; a row that cannot be read is left out and listed.
"""

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from pricers.contract.columns import INSTRUMENT, Column
from riskray.errors import InvalidRequest, MalformedJson, UnsupportedFormat
from riskray.portfolio.values import LIST_SEPARATOR, Fault, with_wide_codes
from riskray.strict_json import parse_json

Source = bytes | Path | BinaryIO

_CSV_BLOCK_BYTES = 16 * 1024**2  # also the longest row that can be read
_HEADER_BYTES_MAX = 1024**2
_BYTES_PER_VALUE = 4  # the least memory that a decoded Parquet value takes
_OBJECT, _LIST = "a JSON object or a list of lists", "a JSON list"
_BOOLEAN, _WHOLE, _NUMBER = "true or false", "a whole number", "a number"
_SHAPES: dict[type, str] = {dict: _OBJECT, list: _LIST, bool: _BOOLEAN, int: _WHOLE, float: _NUMBER}
_NOT_CELLS = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
_BYTE_ORDER_MARKS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True)
class ReadLimits:
    """Limits on the size of a file. `decoded_bytes` bounds the memory for small files that unpack to large ones."""

    rows: int = 10_000_000
    columns: int = 1_000
    decoded_bytes: int = 8 * 1024**3


@dataclass
class RawRows:
    """Cells as they are in the file.

    `row_numbers`: number of each row in the file, from 1, without the header. `unreadable`: reason by number, for each row left out.
    `shapes`: by column, the indices of the cells of each JSON shape, if `columns` no longer distinguishes the shapes.
    """

    columns: dict[str, pa.ChunkedArray | pa.Array]
    row_numbers: np.ndarray
    unreadable: dict[int, str] = field(default_factory=dict)
    shapes: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)

    def refused(self, column: Column) -> list[Fault]:
        """The cells whose JSON value has a shape that the column does not accept, regardless of the cells of other rows."""
        if column.kind in ("date_list", "float_list"):
            expected = dict.fromkeys((_OBJECT, _BOOLEAN, _WHOLE, _NUMBER), "a list")
        else:
            expected = dict.fromkeys((_OBJECT, _LIST), "a single value")
            if column.kind == "text":
                expected |= dict.fromkeys((_BOOLEAN, _NUMBER), "text")
        given = self.shapes.get(column.name, {})
        return [Fault(given[shape], "wrong_type", f"expected {expected[shape]}, got {shape}") for shape in expected if shape in given]


def file_problem(code: str, message: str, *, loc: tuple[str | int, ...] = ("file",)) -> InvalidRequest:
    """The error for a file that is invalid as a whole."""
    return InvalidRequest(message, [{"loc": list(loc), "msg": message, "code": code}])


def read_raw(source: Source, *, format: str, limits: ReadLimits) -> RawRows:
    """Read a file. Raises UnsupportedFormat, or InvalidRequest for a file that is not a table or exceeds the limits."""
    if format not in _READERS:
        raise UnsupportedFormat(f"format {format!r} is not supported; use one of {', '.join(_READERS)}")
    buffer = _buffer(source)
    if not buffer.size:
        raise file_problem("empty", "the file is empty")
    raw = _READERS[format](buffer, limits)
    if not len(raw.row_numbers) and not raw.unreadable:
        raise file_problem("empty", "the file has no rows")
    return raw


def _buffer(source: Source) -> pa.Buffer:
    if isinstance(source, Path):
        with pa.memory_map(str(source)) as file:
            return file.read_buffer()
    return pa.py_buffer(source if isinstance(source, bytes) else source.read())


def _check_size(rows: int, columns: int, limits: ReadLimits) -> None:
    if rows > limits.rows:
        raise file_problem("too_many_rows", f"the file has {rows:,} rows, and at most {limits.rows:,} are accepted; split the file")
    if columns > limits.columns:
        raise file_problem(
            "too_many_columns",
            f"the file has {columns:,} columns, and at most {limits.columns:,} are accepted; remove those that no product uses",
        )


def _check_names(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise file_problem("duplicate_column", f"column {name!r} appears twice", loc=("columns", name))
        seen.add(name)


# --------------------------------------------------------------------------------------------------------------------- CSV


def _read_csv(buffer: pa.Buffer, limits: ReadLimits) -> RawRows:
    names = _csv_names(buffer)
    header = [name.strip() for name in names]
    _check_size(0, len(header), limits)
    _check_names(header)
    unreadable: dict[int, str] = {}
    open_quotes: list[int] = []

    def leave_out(row: Any) -> str:
        count = f"the row has {row.actual_columns} cells, but the header has {row.expected_columns}"
        lines = row.text.strip("\r\n").count("\n") + 1
        unreadable[row.number - 1] = count if lines == 1 else f"{count}; a quotation mark joins {lines} lines to this row"
        if lines > 1 and row.text.count('"') % 2:
            open_quotes.append(row.number - 1)
        return "skip"

    try:
        table = pa.csv.read_csv(
            pa.BufferReader(buffer),
            # One thread, because Arrow numbers the rows that do not match the header only then.
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=_CSV_BLOCK_BYTES),
            parse_options=pa.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=leave_out),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=True, null_values=[""], quoted_strings_can_be_null=True
            ),
        )
    except pa.ArrowInvalid as error:
        if "\n" not in buffer.to_pybytes().decode("utf-8", errors="replace").strip():
            raise file_problem("empty", "the file has a header and no rows") from error
        _name_bad_encoding(buffer)
        raise file_problem("malformed", f"the file is not readable as CSV: {error}") from error
    _check_size(table.num_rows + len(unreadable), len(header), limits)
    numbers = np.arange(1, table.num_rows + len(unreadable) + 1)
    _refuse_open_quote(buffer, table, open_quotes, last_row=len(numbers))
    kept = np.isin(numbers, list(unreadable), invert=True) if unreadable else slice(None)
    return RawRows(dict(zip(header, table.columns, strict=True)), numbers[kept], unreadable)


def _refuse_open_quote(buffer: pa.Buffer, table: pa.Table, open_quotes: list[int], *, last_row: int) -> None:
    """Refuse a file in which a quotation mark is never closed: the rows after it are text of the last row, and would be lost.

    `open_quotes`: rows of several lines that do not match the header and have an odd number of quotation marks.
    """
    is_open = last_row in open_quotes
    if not is_open and table.num_rows and table.num_columns:
        cell = table.column(table.num_columns - 1)[-1].as_py() or ""
        end = buffer.slice(max(0, buffer.size - 100)).to_pybytes().rstrip(b"\r\n")
        is_open = "\n" in cell and not end.endswith(b'"')
    if is_open:
        message = f"row {last_row} has a quotation mark that is never closed, so the lines after it belong to this row; close or remove it"
        raise file_problem("malformed", message, loc=("rows", last_row))


def _csv_names(buffer: pa.Buffer) -> list[str]:
    """The cells of the header, unchanged."""
    start = buffer.slice(0, min(buffer.size, _HEADER_BYTES_MAX)).to_pybytes()
    if start[:2] in _BYTE_ORDER_MARKS:
        raise file_problem("encoding", f"the file is {_BYTE_ORDER_MARKS[start[:2]]}; save it as UTF-8")
    text = start.decode("utf-8-sig", errors="replace").lstrip("\r\n")
    try:
        names = next(csv.reader(io.StringIO(text)), [])
    except csv.Error as error:
        raise file_problem("malformed", f"the header is not readable as CSV: {error}") from error
    if len(names) == 1:
        other = next((mark for mark in (";", "\t", "|") if mark in names[0]), None)
        if other:
            raise file_problem("malformed", f"columns are separated by {other!r}; use commas")
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise file_problem("malformed", f"column {number} of the header has no name")
    return names


def _name_bad_encoding(buffer: pa.Buffer) -> None:
    data = buffer.to_pybytes()
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise file_problem(
            "encoding", f"line {line} has a byte (0x{data[error.start]:02x}) that is not UTF-8; save the file as UTF-8"
        ) from error


# -------------------------------------------------------------------------------------------------------------------- JSON


def _read_json(buffer: pa.Buffer, limits: ReadLimits) -> RawRows:
    items = _json_items(buffer.to_pybytes())
    return raw_rows_of(items, limits=limits)


def raw_rows_of(items: list[Any], *, limits: ReadLimits) -> RawRows:
    """Raw columns of parsed JSON objects."""
    unreadable = {number: "the item is not an object" for number, item in enumerate(items, start=1) if not isinstance(item, dict)}
    rows: list[dict[str, Any]] = [item for item in items if isinstance(item, dict)] if unreadable else items
    if items and not rows:
        raise file_problem("malformed", "no row is an object; expected a list of objects with the columns as names")
    names = list(dict.fromkeys(name for row in rows for name in row))
    _check_size(len(items), len(names), limits)
    numbers = np.array([number for number in range(1, len(items) + 1) if number not in unreadable], np.int64)
    raw = RawRows({}, numbers, unreadable)
    for name in names:
        cells = [row.get(name) for row in rows]
        if name == INSTRUMENT:
            cells = [_document(cell) if isinstance(cell, dict) else cell for cell in cells]
        raw.columns[name], raw.shapes[name] = _json_column(cells)
    return raw


def _json_items(data: bytes) -> list[Any]:
    try:
        document = parse_json(data)
    except ValueError as error:
        lines = data.removeprefix(codecs.BOM_UTF8).strip().splitlines()
        if not lines or not lines[0].startswith(b"{") or "trailing characters" not in str(error):
            raise _malformed_json(f"the file is not valid JSON: {error}") from error
        return [_json_line(line, number) for number, line in enumerate(lines, start=1) if line.strip()]
    if isinstance(document, dict):
        document = document.get("positions", [document])
    if not isinstance(document, list):
        raise file_problem("malformed", 'expected a list of objects, {"positions": [...]}, or one object per line')
    return document


def _json_line(line: bytes, number: int) -> Any:
    try:
        return parse_json(line)
    except ValueError as error:
        where = str(error).replace("at line 1 column", "at column")
        raise _malformed_json(f"line {number} is not valid JSON: {where}") from error


def _malformed_json(message: str) -> MalformedJson:
    return MalformedJson(message, [{"loc": ["file"], "msg": message, "code": "malformed"}])


def _json_column(cells: list[Any]) -> tuple[pa.Array, dict[str, np.ndarray]]:
    """Cells of one type unchanged, mixed types as text, so that the rules for CSV apply; and the indices of the cells of each shape."""
    kinds = set(map(type, cells)) - {type(None)}
    if kinds == {float}:
        return pa.array(cells, pa.float64(), from_pandas=False), {}
    if kinds in ({bool}, {str}, set()):
        return pa.array(cells), {}
    if kinds == {int} and all(cell is None or -(2**63) <= cell < 2**63 for cell in cells):
        return pa.array(cells, pa.int64()), {}
    texts = [_json_text(cell) for cell in cells]
    shapes: dict[str, list[int]] = {}
    for number, (cell, text) in enumerate(zip(cells, texts, strict=True)):
        if cell is not None and not isinstance(cell, str):
            shapes.setdefault(_OBJECT if text is None else _SHAPES[type(cell)], []).append(number)
    return pa.array(texts, pa.string()), {shape: np.array(numbers, np.int64) for shape, numbers in shapes.items()}


def _document(cell: dict[str, Any]) -> str:
    """An object as the text that the column of JSON objects stores, and that other file formats contain."""
    return json.dumps(cell, ensure_ascii=False, separators=(",", ":"))


def _json_text(cell: Any) -> str | None:
    """A scalar or a list of scalars as a CSV file would contain it; None for null and for a value that has no such form."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, list):
        parts = ["" if isinstance(item, list) else _json_text(item) for item in cell]
        return None if any(isinstance(item, list | dict) for item in cell) else LIST_SEPARATOR.join(part or "" for part in parts)
    if isinstance(cell, int | float):
        return repr(cell)
    return cell if isinstance(cell, str) else None


# ----------------------------------------------------------------------------------------------------------------- Parquet


def _read_parquet(buffer: pa.Buffer, limits: ReadLimits) -> RawRows:
    try:
        with pa.parquet.ParquetFile(pa.BufferReader(buffer)) as plain:
            schema = plain.schema_arrow
            _check_parquet(plain.metadata, schema, limits)
        # Text stays dictionary-encoded, so that a small file that repeats a long text takes little memory.
        text = [column.name for column in schema if _is_text(column.type)]
        with pa.parquet.ParquetFile(pa.BufferReader(buffer), read_dictionary=text) as file:
            groups = _bounded((file.read_row_group(number) for number in range(file.num_row_groups)), limits)
            table = pa.concat_tables(groups) if groups else schema.empty_table()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise file_problem("malformed", f"the file is not readable as Parquet: {error}") from error
    columns = {name: _checked_text(name, column) for name, column in zip(table.column_names, table.columns, strict=True)}
    return RawRows(columns, np.arange(1, table.num_rows + 1))


def _check_parquet(metadata: Any, schema: pa.Schema, limits: ReadLimits) -> None:
    """Refuse a file by its metadata, before decoding any of its content."""
    _check_size(metadata.num_rows, len(schema), limits)
    _check_names(schema.names)
    for column in schema:
        element = column.type.value_type if _is_list(column.type) else column.type
        if pa.types.is_nested(element) or any(is_kind(element) for is_kind in _NOT_CELLS):
            message = f"column {column.name!r} has type {column.type}; use numbers, dates, text, true or false, or lists of these"
            raise file_problem("wrong_type", message, loc=("columns", column.name))
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    values = sum(group.column(number).num_values for group in groups for number in range(group.num_columns))
    if values * _BYTES_PER_VALUE > limits.decoded_bytes:
        raise _too_large(limits)


def _checked_text(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The column, with text as a type that every Arrow function accepts. Parquet text should be UTF-8, but the reader does not check."""
    is_list = _is_list(column.type)
    element = column.type.value_type if is_list or pa.types.is_dictionary(column.type) else column.type
    if not _is_text(element):
        return column
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        message = f"column {name!r} has text that is not UTF-8; write the file with UTF-8 text"
        raise file_problem("encoding", message, loc=("columns", name)) from error
    if pa.types.is_dictionary(column.type):
        return pa.chunked_array(map(with_wide_codes, column.chunks), pa.dictionary(pa.int32(), pa.string()))
    return column.cast(pa.list_(pa.string())) if is_list else column


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _bounded(tables: Iterable[pa.Table], limits: ReadLimits) -> list[pa.Table]:
    """The tables, refused as soon as they exceed the limits, because the metadata of a file may be false."""
    kept, rows, size = [], 0, 0
    for table in tables:
        rows += table.num_rows
        size += table.nbytes
        _check_size(rows, table.num_columns, limits)
        if size > limits.decoded_bytes:
            raise _too_large(limits)
        kept.append(table)
    return kept


def _too_large(limits: ReadLimits) -> InvalidRequest:
    return file_problem("too_large", f"the file unpacks to more than {limits.decoded_bytes:,} bytes; split the file")


_READERS: dict[str, Callable[[pa.Buffer, ReadLimits], RawRows]] = {"csv": _read_csv, "json": _read_json, "parquet": _read_parquet}
