"""Tables of fixings: what indices have published, by index and date; checked, appended to, and made visible to a market of one day.

A table is sorted by index and date and has one value for each. It outlives markets: rows are appended to it day by day, and a market of an
earlier day sees no row that was not yet published on its own day (see `published_by`), so a table cannot carry a later value into it.
"""

import difflib
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Int32

from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.indices import STANDARD_INDICES, Index, IndexKind
from pricers.time.calendars import FIRST_DAY, calendar_tables
from pricers.time.dates import to_date, to_day
from riskray.errors import InvalidRequest
from riskray.market.problem import Problem
from riskray.models.market_data import FixingDocument
from riskray.models.rate_units import rate_fault, rate_limit

FIXING_SCHEMA: Final = pa.schema(
    [
        ("index", pa.dictionary(pa.int32(), pa.string())),
        ("fixing_date", pa.date32()),
        ("value", pa.float64()),
        ("source", pa.dictionary(pa.int32(), pa.string())),
        ("published_at", pa.dictionary(pa.int32(), pa.string())),
    ]
)
"""`source` is empty where it is not given, `published_at` null."""
_HASH_VERSION: Final = b"riskray fixings 1"
_IPC_OPTIONS: Final = pa.ipc.IpcWriteOptions(compression=pa.Codec("zstd", compression_level=3))
_PROBLEMS_LISTED_MAX: Final = 100
_RATES: Final = (IndexKind.TERM, IndexKind.OVERNIGHT)


@dataclass(frozen=True)
class NumberedFixing:
    """A fixing, and where it was given."""

    loc: tuple[str | int, ...]
    fixing: FixingDocument
    is_correction: bool = False

    @property
    def key(self) -> tuple[str, int]:
        """Index and day."""
        return self.fixing.index, to_day(self.fixing.fixing_date)

    @property
    def where(self) -> str:
        """Its place in words."""
        return f"row {self.loc[1]}" if self.loc[0] == "rows" else "another entry"

    def problem(self, field: str, code: str, message: str) -> Problem:
        """A problem of one of its fields. The message names the row of a file; a reader of market documents adds the path itself."""
        named = f"{self.fixing.index} of {self.fixing.fixing_date}: {message}"
        if self.loc[0] == "rows":
            return {"loc": [*self.loc, field], "msg": f"{self.where}: {named}", "code": code}
        return {"loc": [*self.loc, field], "msg": named, "code": code, "is_of_value": True}


def refused(problems: list[Problem]) -> InvalidRequest:
    """The error for a table with these problems, of which the first hundred are listed."""
    count = f"{len(problems)} problem{'s' * (len(problems) > 1)}"
    return InvalidRequest(f"the fixings have {count}: {problems[0]['msg']}", problems[:_PROBLEMS_LISTED_MAX])


# ------------------------------------------------------------------------------------------------------------------ checks


def fixing_problems(fixings: Collection[NumberedFixing], *, indices: Mapping[str, Index], rates_checked: bool = True) -> Iterator[Problem]:
    """What is wrong with each fixing by itself, and fixings of one index and date with different values.

    Args:
        indices: the indices that are known, by name.
        rates_checked: refuse rates so large that they look like per cent.
    """
    first: dict[tuple[str, int], NumberedFixing] = {}
    named = {index for given in fixings if (index := indices.get(given.fixing.index)) is not None}
    calendars = sorted({index.fixing_calendar for index in named})
    following = dict(zip(calendars, calendar_tables(tuple(calendars)).following, strict=True))
    for given in fixings:
        index = indices.get(given.fixing.index)
        if index is None:
            yield given.problem("index", "unknown_index", f"no index has this name{suggestion(given.fixing.index, indices)}")
            continue
        yield from _problems(given, index, following[index.fixing_calendar], rates_checked=rates_checked)
        before = first.setdefault(given.key, given)
        if before.fixing.value != given.fixing.value:
            message = f"{given.fixing.value!r}, but {before.fixing.value!r} in {before.where}; an index has one value a date: remove one"
            yield given.problem("value", "duplicate", message)


def _problems(given: NumberedFixing, index: Index, following: np.ndarray, *, rates_checked: bool) -> Iterator[Problem]:
    """`following`: for each day from FIRST_DAY the next day, or the day itself, on which the index is published."""
    fixing, day = given.fixing, to_day(given.fixing.fixing_date)
    if index.kind is IndexKind.INFLATION:
        if fixing.fixing_date.day != 1:
            month = fixing.fixing_date.replace(day=1)
            yield given.problem("fixing_date", "not_a_month", f"a price index has one level a month; write the first day, {month}")
    elif following[day - FIRST_DAY] != day:
        weekend = fixing.fixing_date.isoweekday() > 5
        what = "a weekend" if weekend else f"a holiday of {index.fixing_calendar}"
        message = f"{fixing.fixing_date:%A} is {what}, on which {index.name} is not published; correct the date or remove the row"
        yield given.problem("fixing_date", "weekend" if weekend else "holiday", message)
    if index.kind in _RATES:
        fault = rate_fault(fixing.value, limit=rate_limit(index.currency), what="rate") if rates_checked else None
        if fault:
            yield given.problem("value", "out_of_range", fault)
    elif fixing.value <= 0.0:
        what = "the level of a price index" if index.kind is IndexKind.INFLATION else "an exchange rate"
        yield given.problem("value", "not_positive", f"{fixing.value:g} is not positive, as {what} is; correct the value or remove the row")
    if fixing.published_at is not None and fixing.published_at[:10] < str(fixing.fixing_date):
        message = f"published_at {fixing.published_at} is before the fixing date; correct one of them"
        yield given.problem("published_at", "out_of_order", message)


def suggestion(name: str, indices: Mapping[str, Index]) -> str:
    """`; did you mean ...?` for a name that is close to an index's, and how to list all indices."""
    plain = {re.sub(r"[^A-Z0-9]", "", known.upper()): known for known in indices}
    wanted = re.sub(r"[^A-Z0-9]", "", name.upper())
    ends = [known for key, known in plain.items() if wanted and key.endswith(wanted)]
    close = ends or [plain[key] for key in difflib.get_close_matches(wanted, plain, n=1)]
    meant = f"; did you mean {close[0]}?" if close else ""
    return f"{meant}; `riskray market indices` lists all, and a market document defines others under `indices`"


def look_ahead_problems(fixings: Iterable[NumberedFixing], *, as_of: int, indices: Mapping[str, Index]) -> Iterator[Problem]:
    """The fixings that were not published by the end of a day (since 1970-01-01). Fixings of unknown indices are passed over."""
    for given in fixings:
        index = indices.get(given.fixing.index)
        if index is None:
            continue
        day = to_day(given.fixing.fixing_date)
        stated = given.fixing.published_at
        published = to_day(date.fromisoformat(stated[:10])) if stated else _published_day(day, index)
        if day > as_of:
            message = f"the fixing date is after {to_date(as_of)}, the market's own; remove the row: a market sees no later value"
            yield given.problem("fixing_date", "look_ahead", message)
        elif published > as_of:
            by = "published_at" if stated else f"the index's publication lag of {index.publication_lag_days} day(s)"
            message = (
                f"published on {to_date(published)} by {by}, after {to_date(as_of)}, the market's own date; remove the row, or give the "
                "time of publication in published_at"
            )
            yield given.problem("published_at", "look_ahead", message)


def _published_day(day: int, index: Index) -> int:
    """The day on which a fixing is published where its row does not say: by the index's lag."""
    if index.kind is IndexKind.INFLATION:
        month = np.datetime64(day, "D").astype("datetime64[M]") + 1
        return int(month.astype("datetime64[D]").astype(int)) - 1 + index.publication_lag_days
    return day + index.publication_lag_days


# ------------------------------------------------------------------------------------------------------------------- tables


def fixing_table(fixings: Iterable[NumberedFixing]) -> pa.Table:
    """Checked fixings in FIXING_SCHEMA, sorted by index and date; of equal ones, the first."""
    kept: dict[tuple[str, int], FixingDocument] = {}
    for given in fixings:
        kept.setdefault(given.key, given.fixing)
    return _table(kept[key] for key in sorted(kept))


def _table(fixings: Iterable[FixingDocument]) -> pa.Table:
    rows = [(one.index, one.fixing_date, one.value + 0.0, one.source, one.published_at) for one in fixings]
    columns = zip(*rows, strict=True) if rows else ((),) * len(FIXING_SCHEMA)
    arrays = [_column(list(column), field.type) for column, field in zip(columns, FIXING_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=FIXING_SCHEMA)


def _column(values: list[Any], kind: pa.DataType) -> pa.Array:
    return pa.array(values, pa.string()).dictionary_encode() if pa.types.is_dictionary(kind) else pa.array(values, kind)


def fixings_of_table(table: pa.Table) -> Iterator[FixingDocument]:
    """The rows of a table, which were checked when it was stored."""
    return (FixingDocument.model_construct(**row) for row in table.to_pylist())


def appended(table: pa.Table, fixings: list[NumberedFixing]) -> pa.Table:
    """The table with further rows; a row that the table has already changes nothing.

    Raises:
        InvalidRequest: another value for an index and date that the table has, unless the row is marked as a correction; or a correction
            of what the table does not have.
    """
    known = {(one.index, to_day(one.fixing_date)): one for one in fixings_of_table(table)}
    problems = list(_append_problems(known, fixings))
    if problems:
        raise refused(problems)
    new = {given.key: given.fixing for given in reversed(fixings) if given.is_correction or given.key not in known}
    both = known | new
    return _table(both[key] for key in sorted(both))


def _append_problems(known: Mapping[tuple[str, int], FixingDocument], fixings: Iterable[NumberedFixing]) -> Iterator[Problem]:
    for given in fixings:
        before = known.get(given.key)
        if given.is_correction and before is None:
            message = "is_correction is true, but the table has no value for this date to correct; correct the date, or leave it out"
            yield given.problem("is_correction", "nothing_to_correct", message)
        elif before is not None and not given.is_correction and before.value != given.fixing.value:
            message = f"{given.fixing.value!r}, but the table has {before.value!r}; if it was corrected, set is_correction to true"
            yield given.problem("value", "changed", message)


def content_hash(table: pa.Table) -> bytes:
    """SHA-256 over all columns of a sorted table, whatever its dictionaries."""
    digest = hashlib.sha256(_HASH_VERSION)
    digest.update(table.column("fixing_date").cast(pa.int32()).to_numpy().astype("<i4").tobytes())
    digest.update(table.column("value").to_numpy().astype("<f8").tobytes())
    for name in ("index", "source", "published_at"):
        digest.update(json.dumps(table.column(name).cast(pa.string()).to_pylist(), ensure_ascii=False).encode())
    return digest.digest()


def encode(table: pa.Table) -> bytes:
    """What is stored: an Arrow IPC stream (zstd); names and sources are dictionaries, so a row takes a few bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, FIXING_SCHEMA, options=_IPC_OPTIONS) as writer:
        writer.write_table(table.combine_chunks())
    return bytes(sink.getvalue().to_pybytes())


def decode(payload: bytes | memoryview) -> pa.Table:
    """The inverse of `encode`."""
    with pa.ipc.open_stream(pa.py_buffer(payload)) as reader:
        return reader.read_all().combine_chunks()


# -------------------------------------------------------------------------------------------------------- what a market sees


def published_by(table: pa.Table, *, as_of: int, indices: Mapping[str, Index]) -> Bool[np.ndarray, " row"]:
    """Whether each row was published by the end of a day: its fixing date and its publication are on that day or before.

    A row without `published_at` is published by the lag of its index. Rows of indices that are not in `indices` are not visible.
    """
    days = _days(table)
    published = np.empty(days.size, np.int64)
    encoded = table.column("index").combine_chunks()
    codes = np.asarray(encoded.indices)
    for code, name in enumerate(encoded.dictionary.to_pylist()):
        rows = codes == code
        index = indices.get(name)
        if index is None:
            published[rows] = np.iinfo(np.int64).max
        else:
            published[rows] = [_published_day(day, index) for day in days[rows].tolist()]
    stated = pc.utf8_slice_codeunits(table.column("published_at").cast(pa.string()), 0, 10).cast(pa.date32()).cast(pa.int32())
    is_stated = pc.is_valid(stated).to_numpy() & (published < np.iinfo(np.int64).max)
    published = np.where(is_stated, pc.fill_null(stated, 0).to_numpy(), published)
    visible: np.ndarray = (days <= as_of) & (published <= as_of)
    return visible


def visible_fixings(table: pa.Table, *, as_of: int, indices: Mapping[str, Index]) -> Fixings:
    """What a market of this day (since 1970-01-01) knows of a table; `indices`: all that the market knows."""
    kept = table.filter(pa.array(published_by(table, as_of=as_of, indices=indices)))
    days, values = _days(kept), kept.column("value").to_numpy()
    names = kept.column("index").combine_chunks()
    codes = np.asarray(names.indices)
    series = {}
    for code, name in enumerate(names.dictionary.to_pylist()):
        rows = codes == code
        if rows.any():
            series[name] = FixingSeries(days[rows], values[rows])
    return Fixings(series, indices)


def _days(table: pa.Table) -> Int32[np.ndarray, " row"]:
    days: np.ndarray = table.column("fixing_date").cast(pa.int32()).to_numpy()
    return days


def known_indices(definitions: Iterable[Index]) -> Mapping[str, Index]:
    """The standard indices, and these beside them or instead of them."""
    return {**STANDARD_INDICES, **{index.name: index for index in definitions}}
