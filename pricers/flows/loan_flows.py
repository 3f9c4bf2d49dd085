"""Cash flows of amortising loans in compiled code; `pricers/products/loan/amortising.py` says what the terms mean.

Rows are lowered one after the other: dates, periods, balances, then the flows after the valuation date and the price terms.
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.contract.calendars_of_contract import SCHEDULE_STATUS
from pricers.flows.accrual import (
    Accrual,
    Period,
    accrued_fraction,
    is_long_icma_stub,
    period_fraction,
    settlement_day,
    years_in_stub,
    yield_step,
)
from pricers.flows.balances import Repayment, fill_balances
from pricers.flows.output import LegFlows, empty_flows
from pricers.kernels.jit import njit
from pricers.status import RowStatus
from pricers.time.calendars import CalendarTables, adjust, advance_business_days
from pricers.time.dates import NO_DATE
from pricers.time.schedule import (
    FREQUENCY_DAYS,
    FREQUENCY_MONTHS,
    FREQUENCY_PER_YEAR,
    ScheduleTerms,
    fill_dates,
    max_dates,
    reference_period,
    schedule_terms,
)

_OK: Final = int(RowStatus.OK)
_MATURED: Final = int(RowStatus.MATURED)
_DATE_OUT_OF_RANGE: Final = int(RowStatus.DATE_OUT_OF_RANGE)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)
_INVALID_AMOUNT: Final = int(RowStatus.INVALID_AMOUNT)
_INVALID_PRINCIPAL: Final = int(RowStatus.INVALID_PRINCIPAL)
_NOT_FINITE: Final = int(RowStatus.NOT_FINITE)


class Loans(NamedTuple):
    """The contract columns that dates and amounts depend on; [row] where not said otherwise."""

    notional: np.ndarray
    drawn_balance: np.ndarray
    interest_rate: np.ndarray
    start: np.ndarray
    maturity: np.ndarray
    amortisation: np.ndarray
    frequency: np.ndarray
    day_count: np.ndarray
    first_payment: np.ndarray
    penultimate_payment: np.ndarray
    roll_rule: np.ndarray
    stub: np.ndarray
    end_of_month: np.ndarray
    accrual_convention: np.ndarray
    payment_convention: np.ndarray
    payment_lag: np.ndarray
    interest_only_end: np.ndarray
    balloon: np.ndarray
    prepayment_rate: np.ndarray
    settlement_lag: np.ndarray
    calendar: np.ndarray
    principal_offsets: np.ndarray
    """int64[row + 1]"""
    principal_dates: np.ndarray
    """int32[custom amount]"""
    principal_amounts: np.ndarray
    """float64[custom amount]"""


class _Loan(NamedTuple):
    """One row of `Loans` in scalars: handing many arrays to a compiled function costs more than most of them do."""

    terms: ScheduleTerms
    accrual: Accrual
    repayment: Repayment
    sign: float
    drawn_balance: float
    interest_rate: float
    payment_convention: int
    payment_lag: int
    settlement_lag: int


class _Scratch(NamedTuple):
    """Working arrays of one row, reused: dates 0..n of the schedule, periods 0..n-1 (period k ends at date k + 1)."""

    unadjusted: np.ndarray
    adjusted: np.ndarray
    is_regular: np.ndarray
    pay_day: np.ndarray
    reference_start: np.ndarray
    reference_end: np.ndarray
    year_fraction: np.ndarray
    balance: np.ndarray
    """Scheduled balance at the start of the period, n + 1 entries, the last 0; unsigned, without prepayment."""
    survival: np.ndarray
    """Share of the scheduled balance not prepaid before the period, n + 1 entries."""


def lower_loans(loans: Loans, *, tables: CalendarTables, as_of: int, status: np.ndarray) -> LegFlows:
    """Cash flows and price terms of a batch.

    Args:
        loans: the terms.
        tables: calendars that the terms point into.
        as_of: valuation date, days since 1970-01-01.
        status: uint8[row]; rows that are not OK get no flows, rows that turn out unusable get their status here.
    Returns:
        The flows; their arrays are longer than `flow_offsets[-1]`.
    """
    dates_max, flows_max = _room(loans)
    flows = empty_flows(len(status), flows_max, as_of=as_of)
    _lower_rows(loans, tables, as_of, _scratch(dates_max), flows, status)
    return flows


def _scratch(dates_max: int) -> _Scratch:
    days = [np.empty(dates_max, np.int32) for _ in range(5)]
    amounts = [np.empty(dates_max) for _ in range(3)]
    return _Scratch._make([*days[:2], np.empty(dates_max, np.bool_), *days[2:], *amounts])


@njit(cache=True, nogil=True)
@no_type_check
def _schedule_terms(loans: Loans, i: int) -> ScheduleTerms:
    frequency = max(loans.frequency[i], 0)
    return schedule_terms(
        loans.start[i],
        loans.maturity[i],
        FREQUENCY_MONTHS[frequency],
        FREQUENCY_DAYS[frequency],
        loans.roll_rule[i],
        loans.stub[i],
        loans.first_payment[i],
        loans.penultimate_payment[i],
        loans.end_of_month[i],
        loans.accrual_convention[i],
        loans.accrual_convention[i],
        loans.calendar[i],
    )


@njit(cache=True, nogil=True)
@no_type_check
def _loan(loans: Loans, i: int) -> _Loan:
    return _Loan(
        _schedule_terms(loans, i),
        Accrual(np.int64(loans.day_count[i]), np.int64(loans.maturity[i]), np.int64(loans.calendar[i])),
        Repayment(
            np.int64(loans.amortisation[i]),
            abs(loans.notional[i]),
            loans.balloon[i],
            np.int64(loans.interest_only_end[i]),
            loans.interest_rate[i],
            FREQUENCY_PER_YEAR[loans.frequency[i]],
            loans.prepayment_rate[i],
        ),
        1.0 if loans.notional[i] > 0.0 else -1.0,
        loans.drawn_balance[i],
        loans.interest_rate[i],
        np.int64(loans.payment_convention[i]),
        np.int64(loans.payment_lag[i]),
        np.int64(loans.settlement_lag[i]),
    )


@njit(cache=True, nogil=True)
@no_type_check
def _room(loans: Loans) -> tuple[int, int]:
    """The most dates one row needs, and room for the flows of all rows."""
    dates_max, flows_max = 0, 0
    for i in range(len(loans.notional)):
        dates = max_dates(_schedule_terms(loans, i))
        dates_max = max(dates_max, dates)
        flows_max += dates
    return dates_max, flows_max


@njit(cache=True, nogil=True)
@no_type_check
def _lower_rows(loans: Loans, tables: CalendarTables, as_of: int, scratch: _Scratch, flows: LegFlows, status: np.ndarray) -> None:
    at = 0
    for i in range(len(status)):
        flows.flow_offsets[i] = flows.first_flow[i] = at
        if status[i] != _OK:
            continue
        loan = _loan(loans, i)
        count, reason = fill_dates(loan.terms, tables, scratch.unadjusted, scratch.adjusted, scratch.is_regular, 0)
        status[i] = SCHEDULE_STATUS[reason]
        if status[i] == _OK:
            status[i] = _fill_periods(loan, tables, count, as_of, scratch)
        if status[i] == _OK:
            given = slice(loans.principal_offsets[i], loans.principal_offsets[i + 1])
            dates, amounts = loans.principal_dates[given], loans.principal_amounts[given]
            status[i] = fill_balances(
                loan.repayment, dates, amounts, scratch.unadjusted[:count], scratch.adjusted, scratch.is_regular, scratch.year_fraction,
                scratch.balance, scratch.survival,
            )  # fmt: skip
        if status[i] == _OK:
            at, status[i] = _write_flows(loan, tables, i, count - 1, as_of, scratch, flows, at)
    flows.flow_offsets[len(status)] = at


@njit(cache=True, nogil=True)
@no_type_check
def _fill_periods(loan: _Loan, tables: CalendarTables, count: int, as_of: int, scratch: _Scratch) -> int:
    """Payment days, reference periods and year fractions of all periods; the row's status."""
    convention, lag, calendar = loan.payment_convention, loan.payment_lag, loan.terms.calendar
    # Arrays are taken out of their tuples before the loop: inside, every access would cost two atomic reference counts.
    adjusted, is_regular, pay_days = scratch.adjusted, scratch.is_regular, scratch.pay_day
    reference_starts, reference_ends, years = scratch.reference_start, scratch.reference_end, scratch.year_fraction
    for k in range(count - 2, -1, -1):
        start, end = np.int64(adjusted[k]), np.int64(adjusted[k + 1])
        pay = advance_business_days(end, lag, calendar, tables) if lag > 0 else adjust(end, convention, calendar, tables)
        if pay == NO_DATE:
            return _DATE_OUT_OF_RANGE
        if k == count - 2 and pay <= as_of:
            return _MATURED
        reference_start, reference_end = start, end
        if not is_regular[k + 1]:
            reference_start, reference_end = reference_period(k + 1, count, loan.terms, tables, adjusted, is_regular, 0)
        if not is_regular[k + 1] and _is_long_stub(loan, start, end, reference_start, reference_end):
            years[k] = years_in_stub(start, end, reference_start, reference_end, loan.terms, tables)
        else:
            years[k] = period_fraction(start, end, Period(start, end, pay, reference_start, reference_end), loan.accrual, tables)
        if not np.isfinite(years[k]):
            return _INVALID_SCHEDULE
        pay_days[k], reference_starts[k], reference_ends[k] = pay, reference_start, reference_end
    return _OK


@njit(cache=True, nogil=True)
@no_type_check
def _write_flows(
    loan: _Loan, tables: CalendarTables, i: int, periods: int, as_of: int, scratch: _Scratch, flows: LegFlows, at: int
) -> tuple[int, int]:
    """Write the flows after the valuation date and the price terms; the next free position and the row's status."""
    balances, survival, pay_days = scratch.balance, scratch.survival, scratch.pay_day
    start, drawn = np.int64(scratch.adjusted[0]), loan.drawn_balance
    settlement = settlement_day(as_of, loan.settlement_lag, start, loan.terms.calendar, tables)
    if settlement == NO_DATE:
        return at, _DATE_OUT_OF_RANGE
    flows.settlement_day[i] = settlement
    first = 0
    while pay_days[first] <= as_of:
        first += 1
    while periods > first and balances[periods - 1] * survival[periods - 1] == 0.0:
        periods -= 1  # repaid before maturity
    if drawn > 0.0 and start > as_of:
        return at, _INVALID_AMOUNT
    if periods == first:
        return at, (_INVALID_PRINCIPAL if drawn > 0.0 else _MATURED)
    factor = loan.sign
    if start > as_of:
        flows.pay_day[at], flows.yield_time[at] = start, 0.0
        flows.amount[at] = flows.principal[at] = -loan.sign * balances[0]
        at += 1
    elif drawn == 0.0:
        return at, _OK
    elif drawn > 0.0:
        scheduled = balances[first] * survival[first]
        if scheduled == 0.0:
            return at, _INVALID_PRINCIPAL
        factor = loan.sign * drawn / scheduled
    _write_price_terms(loan, tables, i, abs(factor), settlement, first, periods, scratch, flows, at)
    stop = _write_payments(loan, tables, factor, settlement, first, periods, scratch, flows, at)
    return (flows.flow_offsets[i], _NOT_FINITE) if stop < 0 else (stop, _OK)


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def _write_payments(
    loan: _Loan,
    tables: CalendarTables,
    factor: float,
    settlement: int,
    first: int,
    periods: int,
    scratch: _Scratch,
    flows: LegFlows,
    at: int,
) -> int:
    """Write interest and principal of the periods from `first` on, balances times `factor`; the next free position, -1 on overflow."""
    rate = loan.interest_rate
    last_day, years = settlement, 0.0
    adjusted, pay_days, fractions = scratch.adjusted, scratch.pay_day, scratch.year_fraction
    reference_starts, reference_ends = scratch.reference_start, scratch.reference_end
    balances, survival = scratch.balance, scratch.survival
    out_day, out_amount, out_principal, out_time = flows.pay_day, flows.amount, flows.principal, flows.yield_time
    balance, total = factor * balances[first] * survival[first], 0.0
    for k in range(first, periods):
        after = factor * balances[k + 1] * survival[k + 1]
        pay = np.int64(pay_days[k])
        if pay > settlement:
            if last_day == adjusted[k] and pay == adjusted[k + 1]:
                years += fractions[k]  # paid when the period ends, as most are: its own year fraction
            elif pay > last_day and _is_long_stub(loan, adjusted[k], adjusted[k + 1], reference_starts[k], reference_ends[k]):
                years += _stub_step(last_day, _period(k, adjusted, pay_days, reference_starts, reference_ends), fractions[k], loan, tables)
            elif pay > last_day:
                years += yield_step(last_day, _period(k, adjusted, pay_days, reference_starts, reference_ends), loan.accrual, tables)
            last_day = pay
        amount = balance * rate * fractions[k] + (balance - after)
        out_day[at], out_time[at], out_amount[at], out_principal[at] = pay, years, amount, balance - after
        balance = after
        total += amount
        at += 1
    return at if np.isfinite(total) else -1


@njit(cache=True, nogil=True)
@no_type_check
def _is_long_stub(loan: _Loan, start: int, end: int, reference_start: int, reference_end: int) -> bool:
    return is_long_icma_stub(loan.accrual.day_count, loan.terms.tenor_months, start, end, reference_start, reference_end)


@njit(cache=True, nogil=True)
@no_type_check
def _stub_step(last_day: int, period: Period, years: float, loan: _Loan, tables: CalendarTables) -> float:
    """`yield_step` of a long stub of so many years."""
    before = years_in_stub(period.accrual_start, last_day, period.reference_start, period.reference_end, loan.terms, tables)
    after = years_in_stub(period.accrual_end, period.pay_day, period.reference_start, period.reference_end, loan.terms, tables)
    return years + after - before


@njit(cache=True, nogil=True)
@no_type_check
def _accrued_years(settlement: int, period: Period, loan: _Loan, tables: CalendarTables) -> float:
    start, end, reference_start, reference_end = period.accrual_start, period.accrual_end, period.reference_start, period.reference_end
    if settlement > start and _is_long_stub(loan, start, end, reference_start, reference_end):
        return years_in_stub(start, min(settlement, end), reference_start, reference_end, loan.terms, tables)
    return accrued_fraction(settlement, period, loan.accrual, tables)


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def _period(k: int, adjusted: np.ndarray, pay_day: np.ndarray, reference_start: np.ndarray, reference_end: np.ndarray) -> Period:
    dates = np.int64(adjusted[k]), np.int64(adjusted[k + 1]), np.int64(pay_day[k])
    return Period(dates[0], dates[1], dates[2], np.int64(reference_start[k]), np.int64(reference_end[k]))


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def _write_price_terms(
    loan: _Loan, tables: CalendarTables, i: int, factor: float, settlement: int, first: int, periods: int, scratch: _Scratch,
    flows: LegFlows, at: int,
) -> None:  # fmt: skip
    """Outstanding balance, accrued interest and first flow on the settlement date, period `first` being the flow at position `at`."""
    k = first
    while k < periods and scratch.pay_day[k] <= settlement:
        k += 1
    flows.first_flow[i] = at + k - first
    if k == periods or scratch.balance[k] * scratch.survival[k] == 0.0:
        return
    flows.outstanding[i] = factor * scratch.balance[k] * scratch.survival[k]
    accrued, pay = 0.0, scratch.pay_day[k]
    while k < periods and scratch.pay_day[k] == pay:
        period = _period(k, scratch.adjusted, scratch.pay_day, scratch.reference_start, scratch.reference_end)
        interest_years = _accrued_years(settlement, period, loan, tables)
        accrued += loan.interest_rate * interest_years * factor * scratch.balance[k] * scratch.survival[k]
        k += 1
    flows.accrued[i] = 100.0 * accrued / flows.outstanding[i]
