"""Market histories: levels of factors by date, from CSV or Parquet, wide or long, checked as a whole.

    wide    date,zero/EUR-GOVT/5Y,fx/USD        long    date,factor,value
            2024-03-27,0.0231,0.9235                    2024-03-27,fx/USD,0.9235

Levels are zero rates and spreads (decimal, continuously compounded), prices of one unit of a currency in the history's numeraire, and
prices of securities and levels of indices in their own currency (price/SX5E).
A blank is a missing observation, such as a holiday; what to do about it is decided where scenarios are made. Rows may come in any order.
"""

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from jaxtyping import Float, Int32

from pricers.time.dates import to_date, to_day
from riskray.decimals import number_of
from riskray.errors import InvalidRequest, UnsupportedFormat
from riskray.models.instrument import CURRENCIES
from riskray.models.rate_units import rate_fault, rate_limit_by_name
from riskray.models.scenario import HistorySummary
from riskray.scenario.factors import curve_and_pillar, factor_type

FORMATS = ("csv", "parquet")
DATE_COLUMN = "date"
_LONG_COLUMNS = {DATE_COLUMN, "factor", "value"}
_PROBLEMS_LISTED_MAX = 100
_HASH_VERSION = b"riskray history 1"
_NUMERAIRE_KEY = b"riskray.numeraire"
_IPC_OPTIONS = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=3))

Problem = dict[str, Any]
Observation = tuple[int, Any, str, Any]
"""Row number of the file, date, factor, value."""


@dataclass(frozen=True)
class History:
    """Levels by date and factor; dates increase, factors are sorted by name."""

    dates: Int32[np.ndarray, " date"]
    """Days since 1970-01-01."""
    factors: tuple[str, ...]
    values: Float[np.ndarray, "date factor"]
    """NaN: not observed."""
    numeraire: str
    """Currency of the FX prices."""


def make_history(dates: np.ndarray, factors: Iterable[str], values: np.ndarray, *, numeraire: str) -> History:
    """A history from arrays, sorted and checked. Raises InvalidRequest with every problem (the first hundred)."""
    names = tuple(factors)
    rows, columns = np.argsort(dates, kind="stable"), sorted(range(len(names)), key=names.__getitem__)
    history = History(
        dates=np.asarray(dates, np.int32)[rows],
        factors=tuple(names[column] for column in columns),
        values=np.ascontiguousarray(np.asarray(values, np.float64)[rows][:, columns]) + 0.0,
        numeraire=numeraire,
    )
    if problems := list(_problems(history)):
        raise _invalid(problems)
    return history


def _invalid(problems: list[Problem]) -> InvalidRequest:
    count = f"{len(problems)} problem{'s' * (len(problems) > 1)}" + " or more" * (len(problems) >= _PROBLEMS_LISTED_MAX)
    return InvalidRequest(f"the market history has {count}: {problems[0]['msg']}", problems[:_PROBLEMS_LISTED_MAX])


def _problem(loc: list[str | int], code: str, message: str) -> Problem:
    return {"loc": loc, "msg": message, "code": code}


def _problems(history: History) -> Iterator[Problem]:
    if history.numeraire not in CURRENCIES:
        yield _problem(["numeraire"], "unknown_currency", f"{history.numeraire!r} is not an ISO 4217 currency code in capitals")
    if history.dates.size < 2:
        yield _problem(["rows"], "too_short", f"a history needs at least two dates, has {history.dates.size}")
    if not history.factors:
        yield _problem(["columns"], "empty", "a history needs at least one factor")
    for name, following in zip(history.factors, history.factors[1:], strict=False):
        if name == following:
            yield _problem(["columns", name], "duplicate", f"factor {name!r} is there twice")
    for row in np.flatnonzero(np.diff(history.dates) == 0).tolist():
        day = to_date(int(history.dates[row]))
        yield _problem([str(day)], "duplicate", f"date {day} is there twice")
    for column, name in enumerate(history.factors):
        try:
            kind = factor_type(name)
        except InvalidRequest as error:
            yield from error.problems
            continue
        levels = history.values[:, column]
        if np.isnan(levels).all():
            yield _problem([name], "empty", f"factor {name} has no value on any date")
        wrong = np.isinf(levels) | ((levels <= 0.0) if kind in ("fx", "price") else np.zeros(levels.size, bool))
        for row in np.flatnonzero(wrong).tolist():
            day, sort = to_date(int(history.dates[row])), "finite" if np.isinf(levels[row]) else "positive"
            yield _problem([str(day), name], f"not_{sort}", f"{name} on {day}: {levels[row]:g} is not {sort}")
        if kind == "fx" and name == f"fx/{history.numeraire}" and not np.all(levels[~np.isnan(levels)] == 1.0):
            yield _problem([name], "not_allowed", f"{name} is the numeraire; leave the column out")


def summary(history: History) -> HistorySummary:
    """What the history holds and lacks."""
    gaps = np.diff(history.dates)
    missing = np.isnan(history.values).sum(axis=0).tolist()
    return HistorySummary(
        numeraire=history.numeraire,
        row_count=history.dates.size,
        factor_count=len(history.factors),
        longest_gap_days=int(gaps.max()),
        longest_gap_ends=to_date(int(history.dates[1:][gaps.argmax()])),
        missing={name: count for name, count in zip(history.factors, missing, strict=True) if count},
    )


def content_hash(history: History) -> bytes:
    """SHA-256 over numeraire, factors, dates and the bits of the levels; every missing value counts the same."""
    digest = hashlib.sha256(_HASH_VERSION)
    digest.update(json.dumps({"numeraire": history.numeraire, "factors": history.factors}, ensure_ascii=False).encode())
    digest.update(history.dates.astype("<i4").tobytes())
    digest.update(np.where(np.isnan(history.values), np.nan, history.values).astype("<f8").tobytes())
    return digest.digest()


def history_id(digest: bytes) -> str:
    """'hist-' and the first 16 hex digits of the content hash."""
    return f"hist-{digest.hex()[:16]}"


# ------------------------------------------------------------------------------------------------------------------- files


def read_history(source: bytes | Path | BinaryIO, *, format: str, numeraire: str, rates_unchecked: bool = False) -> History:
    """Read and check a history.

    Args:
        source: the file's bytes, its path, or an open binary file.
        format: "csv" or "parquet"; wide or long is told by the columns.
        numeraire: currency of the FX prices, where the file does not say itself.
        rates_unchecked: take zero rates of unlikely size. Which size that is depends on the currency that a curve's name has.
    Raises:
        UnsupportedFormat: another format.
        InvalidRequest: not readable, a date given twice, a factor that does not exist, a value that is no number, not finite, or (FX) not
            positive, a zero rate of unlikely size (`riskray.models.rate_units`); `problems` names each.
    """
    data = source if isinstance(source, bytes) else source.read_bytes() if isinstance(source, Path) else source.read()
    history = _read(data, format, numeraire)
    if not rates_unchecked and (problems := list(_unit_problems(history))):
        raise _invalid(problems)
    return history


def _unit_problems(history: History) -> Iterator[Problem]:
    """One for each factor: a unit is wrong for the whole column."""
    for column, name in enumerate(history.factors):
        if factor_type(name) != "zero":
            continue
        limit = rate_limit_by_name(curve_and_pillar(name)[0])
        unlikely = np.flatnonzero(np.abs(history.values[:, column]) > limit)
        if unlikely.size:
            day = to_date(int(history.dates[unlikely[0]]))
            fault = rate_fault(float(history.values[unlikely[0], column]), limit=limit)
            count = f" (and {unlikely.size - 1:,} more of the column)" if unlikely.size > 1 else ""
            yield _problem([str(day), name], "out_of_range", f"{name} on {day}: {fault}{count}")


def _read(data: bytes, format: str, numeraire: str) -> History:
    match format:
        case "csv":
            try:
                rows = [row for row in csv.reader(io.StringIO(data.decode("utf-8-sig"))) if row]
            except (UnicodeDecodeError, csv.Error) as error:
                raise _unreadable(f"not a CSV file in UTF-8: {error}") from None
            if not rows:
                raise _unreadable("the file is empty")
            return _assemble([name.strip() for name in rows[0]], rows[1:], numeraire)
        case "parquet":
            try:
                table = pyarrow.parquet.read_table(io.BytesIO(data))
                columns = [column.to_pylist() for column in table.columns]
            except (pa.ArrowException, OSError, ValueError, OverflowError) as error:  # OverflowError: a date that Python cannot hold
                raise _unreadable(f"not a Parquet file: {error}") from None
            stated = (table.schema.metadata or {}).get(_NUMERAIRE_KEY, numeraire.encode()).decode()
            return _assemble(table.column_names, list(zip(*columns, strict=True)), stated)
    raise UnsupportedFormat(f"format {format!r} is not offered; use {', '.join(FORMATS)}")


def _unreadable(message: str) -> InvalidRequest:
    return InvalidRequest(message, [_problem(["file"], "unreadable", message)])


def _assemble(header: list[str], rows: list[Any], numeraire: str) -> History:
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise _unreadable(f"row {number} has {len(row)} columns, the header {len(header)}")
    if set(header) == _LONG_COLUMNS:
        at = {name: header.index(name) for name in header}
        observations: Iterator[Observation] = (
            (number, row[at["date"]], str(row[at["factor"]]).strip(), row[at["value"]]) for number, row in enumerate(rows, start=1)
        )
        return _gathered(observations, numeraire)
    if not header or header[0] != DATE_COLUMN:
        raise _unreadable(f"the first column must be {DATE_COLUMN!r} (or the columns date, factor, value), has {header[:3]}")
    problems: list[Problem] = []
    values = np.full((len(rows), len(header) - 1), np.nan)
    dates = np.zeros(len(rows), np.int32)
    for index, row in enumerate(rows):
        dates[index] = _day(row[0], index + 1, problems)
        for column, value in enumerate(row[1:]):
            values[index, column] = _number(value, [index + 1, header[column + 1]], problems)
    if problems:
        raise _invalid(problems)
    return make_history(dates, header[1:], values, numeraire=numeraire)


def _gathered(observations: Iterator[Observation], numeraire: str) -> History:
    problems: list[Problem] = []
    levels: dict[tuple[int, str], float] = {}
    for number, when, factor, value in observations:
        key = _day(when, number, problems), factor
        if key in levels:
            problems.append(_problem(["rows", number], "duplicate", f"row {number}: {factor} on {when} is there twice"))
        levels[key] = _number(value, [number, "value"], problems)
    if problems:
        raise _invalid(problems)
    days, factors = sorted({day for day, _ in levels}), sorted({factor for _, factor in levels})
    row_of, column_of = {day: row for row, day in enumerate(days)}, {factor: column for column, factor in enumerate(factors)}
    values = np.full((len(days), len(factors)), np.nan)
    for (day, factor), level in levels.items():
        values[row_of[day], column_of[factor]] = level
    return make_history(np.array(days, np.int32), factors, values, numeraire=numeraire)


def _day(value: Any, number: int, problems: list[Problem]) -> int:
    if isinstance(value, datetime):  # pandas keeps dates with a time of midnight
        value = value.date() if value.time() == time.min else str(value)
    try:
        return to_day(value if isinstance(value, date) else date.fromisoformat(str(value).strip()))
    except ValueError:
        problems.append(_problem(["rows", number, DATE_COLUMN], "not_a_date", f"row {number}: {value!r} is not a date; write 2024-03-28"))
        return 0


def _number(value: Any, place: list[str | int], problems: list[Problem]) -> float:
    if value is None or (isinstance(value, str) and not value.strip()):
        return math.nan
    try:
        number = number_of(value)
    except (TypeError, ValueError):
        problems.append(_problem(["rows", *place], "not_a_number", f"row {place[0]}, {place[1]}: {value!r} is not a number"))
        return math.nan
    if math.isnan(number) and isinstance(value, str):
        problems.append(_problem(["rows", *place], "not_finite", f"row {place[0]}, {place[1]}: {value!r}; leave a missing value blank"))
    return number


def write_history(history: History, *, format: str) -> bytes:
    """The history as a wide file, "csv" or "parquet"; it reads back to the same hash."""
    match format:
        case "csv":
            sink = io.StringIO()
            writer = csv.writer(sink, lineterminator="\n")
            writer.writerow([DATE_COLUMN, *history.factors])
            for day, row in zip(history.dates.tolist(), history.values.tolist(), strict=True):
                writer.writerow([to_date(day).isoformat(), *("" if math.isnan(value) else repr(value) for value in row)])
            return sink.getvalue().encode()
        case "parquet":
            buffer = pa.BufferOutputStream()
            pyarrow.parquet.write_table(_table(history), buffer, compression="zstd")
            return bytes(buffer.getvalue().to_pybytes())
    raise UnsupportedFormat(f"format {format!r} is not offered; use {', '.join(FORMATS)}")


def encode(history: History) -> bytes:
    """What is stored: an Arrow IPC stream (zstd) of the wide table."""
    table = _table(history)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=_IPC_OPTIONS) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def decode(payload: bytes | memoryview) -> History:
    """The inverse of `encode`."""
    with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
        table = reader.read_all()
    columns = [column.fill_null(np.nan).to_numpy() for column in table.columns[1:]]
    return History(
        dates=table.column(0).cast(pa.int32()).to_numpy(),
        factors=tuple(table.column_names[1:]),
        values=np.ascontiguousarray(np.array(columns).T),
        numeraire=table.schema.metadata[_NUMERAIRE_KEY].decode(),
    )


def _table(history: History) -> pa.Table:
    columns = [pa.array(np.ascontiguousarray(column), from_pandas=True) for column in history.values.T]
    table = pa.table([pa.array(history.dates).cast(pa.date32()), *columns], names=[DATE_COLUMN, *history.factors])
    return table.replace_schema_metadata({_NUMERAIRE_KEY: history.numeraire.encode()})
