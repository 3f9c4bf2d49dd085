"""Coupon schedules of batches of contracts.

The layout is CSR by row: row i has dates `offsets[i]:offsets[i + 1]`, and a row that cannot be scheduled has no dates and a reason. The
rules are those of `pricers.time.schedule`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Int, Int8, Int32, Int64

from pricers.kernels.jit import njit
from pricers.time.calendars import UNADJUSTED, CalendarTables, calendar_indices
from pricers.time.dates import NO_DATE
from pricers.time.schedule import BACKWARD, STUB_NONE, ScheduleTerms, fill_dates, max_dates, schedule_terms


@dataclass(frozen=True)
class Schedules:
    """Dates of a batch of contracts, CSR by row."""

    offsets: Int64[np.ndarray, " row_plus_1"]
    """Row i has dates offsets[i]:offsets[i + 1]; none where `reason` is not 0."""
    unadjusted: Int32[np.ndarray, " date"]
    """Days since 1970-01-01 before business-day conventions."""
    adjusted: Int32[np.ndarray, " date"]
    """Days since 1970-01-01 after them."""
    is_regular: Bool[np.ndarray, " date"]
    """Whether the period that ends at the date is a whole tenor; False for a row's first date."""
    reason: Int8[np.ndarray, " row"]
    """Index into `SCHEDULE_REASONS`."""


def schedules(
    effective: Int[np.ndarray, " row"],
    *,
    maturity: int | np.ndarray,
    tenor_months: int | np.ndarray,
    tenor_days: int | np.ndarray = 0,
    rule: int | np.ndarray = BACKWARD,
    stub: int | np.ndarray = STUB_NONE,
    first_date: int | np.ndarray = NO_DATE,
    penultimate_date: int | np.ndarray = NO_DATE,
    month_end: bool | np.ndarray = False,
    convention: int | np.ndarray = UNADJUSTED,
    termination_convention: int | np.ndarray = UNADJUSTED,
    calendar: int | np.ndarray = 0,
    tables: CalendarTables,
) -> Schedules:
    """Schedules of many contracts.

    >>> from pricers.time.calendars import calendar_tables
    >>> one = schedules(np.array([0]), maturity=np.array([400]), tenor_months=6, tables=calendar_tables(("NONE",)))
    >>> one.offsets, one.unadjusted.astype("datetime64[D]").astype(str).tolist(), one.is_regular.tolist()
    (array([0, 4]), ['1970-01-01', '1970-02-05', '1970-08-05', '1971-02-05'], [False, False, True, True])

    Args:
        effective: [row], days since 1970-01-01. Every other argument but `tables` is one value or [row]; see `ScheduleTerms`.
        rule, stub, convention, termination_convention: codes, index into `RULES`, `STUBS` and `BUSINESS_DAY_CONVENTIONS`.
        calendar: index into the names the tables were built from.
        tables: see `calendar_tables`.
    Returns:
        The dates; a row that cannot be scheduled has none and its reason, its neighbours are untouched.
    Raises:
        ValueError: the arrays differ in length, or a calendar index has no table.
    References:
        See `pricers.time.schedule`.
    """
    shape = effective.shape
    columns = (
        *(np.ascontiguousarray(np.broadcast_to(c, shape), dtype=np.int32) for c in (effective, maturity, tenor_months, tenor_days)),
        *(np.ascontiguousarray(np.broadcast_to(c, shape), dtype=np.int8) for c in (rule, stub)),
        *(np.ascontiguousarray(np.broadcast_to(c, shape), dtype=np.int32) for c in (first_date, penultimate_date)),
        np.ascontiguousarray(np.broadcast_to(month_end, shape), dtype=np.bool_),
        *(np.ascontiguousarray(np.broadcast_to(c, shape), dtype=np.int8) for c in (convention, termination_convention)),
        calendar_indices(calendar, row_count=len(effective), tables=tables),
    )
    room = int(_room(columns))
    unadjusted, adjusted, is_regular = np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.bool_)
    offsets, reason = np.zeros(len(effective) + 1, np.int64), np.empty(len(effective), np.int8)
    _fill_rows(columns, tables, offsets, unadjusted, adjusted, is_regular, reason)
    total = int(offsets[-1])
    return Schedules(offsets, unadjusted[:total], adjusted[:total], is_regular[:total], reason)


@njit(cache=True, nogil=True)
@no_type_check
def _terms_of_row(columns: tuple[np.ndarray, ...], i: int) -> ScheduleTerms:
    a, b, c, d, e, f, g, h, j, k, m, n = columns
    return schedule_terms(a[i], b[i], c[i], d[i], e[i], f[i], g[i], h[i], j[i], k[i], m[i], n[i])


@njit(cache=True, nogil=True)
@no_type_check
def _room(columns: tuple[np.ndarray, ...]) -> int:
    room = 0
    for i in range(len(columns[0])):
        room += max_dates(_terms_of_row(columns, i))
    return room


@njit(cache=True, nogil=True)
@no_type_check
def _fill_rows(
    columns: tuple[np.ndarray, ...],
    tables: CalendarTables,
    offsets: np.ndarray,
    unadjusted: np.ndarray,
    adjusted: np.ndarray,
    is_regular: np.ndarray,
    reason: np.ndarray,
) -> None:
    at = 0
    for i in range(len(reason)):
        count, reason[i] = fill_dates(_terms_of_row(columns, i), tables, unadjusted, adjusted, is_regular, at)
        at += count
        offsets[i + 1] = at
