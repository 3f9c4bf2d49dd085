"""AMORT_LOAN: a fixed-rate term loan with scheduled repayment, optional prepayment and a credit spread.

One leg. Interest of a period is balance × interest_rate × year fraction, simple; principal is repaid on payment dates. Positive
`notional` is money lent (interest and principal are received), negative is money borrowed. How the balance falls:

    LEVEL_PAYMENT   every payment of interest plus principal is the same, given the loan's own day count
    ANNUITY_TABLE   principal by the textbook annuity at interest_rate / frequency, interest by the day count [1]
    LINEAR          equal principal payments
    BULLET          everything at maturity
    CUSTOM          the amounts of principal_amounts (negative: a further draw-down), the rest at maturity

The first three repay from the interest-only date down to the balloon, which is due at maturity with the last payment.

Prepayment: on each payment date, after the scheduled principal, a constant annual rate CPR takes the share
SMM = 1 - (1 - CPR)^(1/frequency) of the balance that is left (for a stub period the exponent is its days over 365). The later schedule
shrinks in proportion, so that level payments are re-spread over the remaining term [2]: with survival Q_k = (1 - SMM)^k, the balance,
interest and scheduled principal of period k are those without prepayment times Q_(k-1). The rate counts from the loan's start.

Drawn balance: `drawn_balance` is what is outstanding on the valuation date; all later interest and principal scale with its ratio to the
scheduled balance (prepayments included), the pool factor of [2]. What is undrawn earns nothing. Without it the original notional
amortises from the start. A loan that starts after the valuation date pays the notional out on its start date.

Prices, yields and durations are per 100 of the balance on the settlement date and equal QuantLib's for the same cash flows [1, 3].

References:
    [1] QuantLib, ql/instruments/bonds/amortizingfixedratebond.cpp (sinkingNotionals), ql/cashflows/fixedratecoupon.cpp.
    [2] F. Fabozzi, Bond Markets, Analysis, and Strategies, ch. "Agency mortgage pass-through securities" (CPR, SMM, projected cash flow).
    [3] QuantLib, ql/cashflows/cashflows.cpp (accruedAmount, yield).
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import UInt8
from numba import njit

from pricers.amortisation import AMORTISATIONS, BULLET, CUSTOM, Repayment, fill_balances
from pricers.bond_flows import LAG_DAYS_MAX
from pricers.calendars import BUSINESS_DAY_CONVENTIONS, CalendarTables, adjust, advance_business_days
from pricers.cashflows import Cashflows, Lowered, PriceTerms
from pricers.columns import AMOUNT_MAX, PRICE_MAX, RATE_MAX, Column, Columns, Contracts
from pricers.contract_dates import SCHEDULE_STATUS, contract_calendars, lacks_calendar
from pricers.dates import NO_DATE
from pricers.day_count import DAY_COUNTS
from pricers.measures import SCALAR_MEASURES, Measure
from pricers.price_terms import Accrual, Period, accrued_fraction, period_fraction, settlement_day, yield_step
from pricers.registry import PricerSpec, register
from pricers.schedule import (
    FREQUENCIES,
    FREQUENCY_DAYS,
    FREQUENCY_MONTHS,
    FREQUENCY_PER_YEAR,
    RULES,
    STUBS,
    ScheduleTerms,
    fill_dates,
    max_dates,
    reference_period,
)
from pricers.status import RowStatus

_OK: Final = int(RowStatus.OK)
_MATURED: Final = int(RowStatus.MATURED)
_DATE_OUT_OF_RANGE: Final = int(RowStatus.DATE_OUT_OF_RANGE)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)
_INVALID_AMOUNT: Final = int(RowStatus.INVALID_AMOUNT)
_INVALID_PRINCIPAL: Final = int(RowStatus.INVALID_PRINCIPAL)
_NOT_FINITE: Final = int(RowStatus.NOT_FINITE)

COLUMNS: Final = Columns(
    Column("currency", "text", "currency of all flows", required=True, references="currency", example="EUR"),
    Column("notional", "float", "original amount; positive: lent by us", unit="currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=250_000.0),
    Column("drawn_balance", "float", "outstanding on the valuation date, unsigned; null: as scheduled", unit="currency",
           minimum=0.0, maximum=AMOUNT_MAX),
    Column("interest_rate", "float", "contract rate", unit="decimal a year", required=True, minimum=-1.0, maximum=RATE_MAX, example=0.045),
    Column("start_date", "date", "first day of interest; the notional is paid out", required=True, example="2024-03-15"),
    Column("maturity_date", "date", "end of the last interest period", required=True, example="2034-03-15"),
    Column("amortisation", "choice", "how principal is repaid", default="LEVEL_PAYMENT", allowed=AMORTISATIONS),
    Column("frequency", "choice", "how often interest is paid", default="MONTHLY", allowed=FREQUENCIES),
    Column("day_count", "choice", "day count of interest and yields", default="30/360 BOND BASIS", allowed=DAY_COUNTS),
    Column("first_payment_date", "date", "end of the first period, unadjusted; null: by frequency", example="2024-05-01"),
    Column("penultimate_payment_date", "date", "start of the last period, unadjusted; null: by frequency"),
    Column("roll_rule", "choice", "where regular dates roll from: maturity or start", default="BACKWARD", allowed=RULES),
    Column("stub", "choice", "what becomes of an irregular remainder", default="NONE", allowed=STUBS),
    Column("end_of_month", "boolean", "payments stay on month ends where the roll date is one", default=False),
    Column("calendar", "text", "business days; null: no holidays, not for BUS/252", references="calendar", example="TARGET"),
    Column("accrual_convention", "choice", "moves period dates", default="UNADJUSTED", allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_convention", "choice", "moves payment dates", default="FOLLOWING", allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_lag", "integer", "from period end to payment", unit="business days", default=0, minimum=0, maximum=LAG_DAYS_MAX),
    Column("interest_only_end_date", "date", "payments of periods ending until then repay no principal; not for CUSTOM"),
    Column("balloon_amount", "float", "due at maturity, unsigned; not for BULLET and CUSTOM", unit="currency", default=0.0,
           minimum=0.0, maximum=AMOUNT_MAX),
    Column("principal_dates", "date_list", "CUSTOM: increasing; each amount is paid at the end of the period its date ends or falls into"),
    Column("principal_amounts", "float_list", "CUSTOM: repaid on these dates, of the original notional; negative: drawn", unit="currency",
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX),
    Column("prepayment_rate", "float", "constant prepayment rate (CPR)", unit="decimal a year", default=0.0, minimum=0.0, maximum=1.0),
    Column("settlement_lag", "integer", "of prices and yields", unit="business days", default=0, minimum=0, maximum=LAG_DAYS_MAX),
    Column("market_clean_price", "float", "given price; null: none", unit="per 100 of outstanding notional",
           minimum=0.0, maximum=PRICE_MAX),
    Column("discount_curve", "text", "discounts all flows", required=True, references="discount_curve", example="EUR-ESTR"),
    Column("spread_curve", "text", "zero spreads added to the discount curve; null: none", references="spread_curve", example="EUR-SME-BB"),
    Column("credit_spread", "float", "constant zero spread, added as well", unit="decimal a year, continuous, ACT/365F",
           minimum=-RATE_MAX, maximum=RATE_MAX, default=0.0),
)  # fmt: skip


class _Loans(NamedTuple):
    """The columns that dates and amounts depend on, as compiled code reads them; [row] where not said otherwise."""

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
    """One row of `_Loans` in scalars: handing many arrays to a compiled function costs more than most of them do."""

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


class _Flows(NamedTuple):
    """Outputs: flows at the running position and one price term a row."""

    flow_offsets: np.ndarray
    pay_day: np.ndarray
    amount: np.ndarray
    principal: np.ndarray
    yield_time: np.ndarray
    settlement_day: np.ndarray
    outstanding: np.ndarray
    accrued: np.ndarray
    first_flow: np.ndarray


def lower(contracts: Contracts, *, as_of: int) -> Lowered:
    """Lower loans to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
    Returns:
        One leg a row with one flow a payment date after `as_of` (and the pay-out of a loan that has not started). Row status:
        INVALID_AMOUNT, INVALID_PRINCIPAL, INVALID_SCHEDULE, INVALID_DATES, DATE_OUT_OF_RANGE, NOT_FINITE or MATURED.
    """
    rows = contracts.row_count
    calendars = contract_calendars(contracts.text("calendar"))
    loans = _loans(contracts, calendar=calendars.calendar)
    status = _status_of_terms(contracts)
    status[~calendars.known | lacks_calendar(contracts)] = RowStatus.INVALID_SCHEDULE
    dates_max, flows_max = _room(loans)
    flows = _empty_flows(rows, flows_max, as_of=as_of)
    _lower_rows(loans, calendars.tables, as_of, _scratch(dates_max), flows, status)
    total = int(flows.flow_offsets[-1])
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=Cashflows(
            row_count=rows,
            leg_offsets=np.arange(rows + 1, dtype=np.int64),
            leg_currency=contracts.text("currency"),
            leg_discount_curve=contracts.text("discount_curve"),
            leg_spread_curve=contracts.text("spread_curve"),
            leg_credit_spread=contracts.array("credit_spread"),
            flow_offsets=flows.flow_offsets,
            pay_day=flows.pay_day[:total],
            amount=flows.amount[:total],
            principal=flows.principal[:total],
        ),
        price_terms=PriceTerms(
            settlement_day=flows.settlement_day,
            outstanding=flows.outstanding,
            accrued=flows.accrued,
            first_flow=flows.first_flow,
            yield_time=flows.yield_time[:total],
            yield_frequency=np.maximum(FREQUENCY_PER_YEAR[loans.frequency], 1.0),
            market_clean_price=contracts.array("market_clean_price"),
        ),
        has_credit_spread=True,
    )


def _loans(contracts: Contracts, *, calendar: np.ndarray) -> _Loans:
    dates, amounts = contracts.ragged("principal_dates"), contracts.ragged("principal_amounts")
    names = (
        "notional", "drawn_balance", "interest_rate", "start_date", "maturity_date", "amortisation", "frequency", "day_count",
        "first_payment_date", "penultimate_payment_date", "roll_rule", "stub", "end_of_month", "accrual_convention", "payment_convention",
        "payment_lag", "interest_only_end_date", "balloon_amount", "prepayment_rate", "settlement_lag",
    )  # fmt: skip
    columns = [contracts.array(name) for name in names]
    return _Loans._make([*columns, calendar, dates.offsets, dates.values, amounts.values])


def _empty_flows(rows: int, flows_max: int, *, as_of: int) -> _Flows:
    amount, principal, yield_time = np.empty((3, flows_max))
    return _Flows(
        flow_offsets=np.zeros(rows + 1, np.int64),
        pay_day=np.empty(flows_max, np.int32),
        amount=amount,
        principal=principal,
        yield_time=yield_time,
        settlement_day=np.full(rows, as_of, np.int32),
        outstanding=np.full(rows, np.nan),
        accrued=np.full(rows, np.nan),
        first_flow=np.zeros(rows, np.int64),
    )


def _scratch(dates_max: int) -> _Scratch:
    days = [np.empty(dates_max, np.int32) for _ in range(5)]
    amounts = [np.empty(dates_max) for _ in range(3)]
    return _Scratch._make([*days[:2], np.empty(dates_max, np.bool_), *days[2:], *amounts])


def _status_of_terms(contracts: Contracts) -> UInt8[np.ndarray, " row"]:
    """Status that follows from single terms, before any date is looked at."""
    notional, drawn = contracts.array("notional"), contracts.array("drawn_balance")
    cpr, price = contracts.array("prepayment_rate"), contracts.array("market_clean_price")
    balloon, custom, bullet = contracts.array("balloon_amount"), *(contracts.array("amortisation") == code for code in (CUSTOM, BULLET))
    date_counts, amount_counts = (np.diff(contracts.ragged(name).offsets) for name in ("principal_dates", "principal_amounts"))
    lags = np.minimum(contracts.array("payment_lag"), contracts.array("settlement_lag"))
    finite = np.isfinite(notional) & np.isfinite(contracts.array("interest_rate")) & np.isfinite(contracts.array("credit_spread"))
    amounts_usable = (
        finite & (np.abs(notional) > 0.0) & (np.isnan(drawn) | ((drawn >= 0.0) & np.isfinite(drawn))) & (cpr >= 0.0) & (cpr <= 1.0)
        & (np.isnan(price) | ((price > 0.0) & np.isfinite(price)))
    )  # fmt: skip
    principal_usable = (balloon >= 0.0) & (balloon <= np.abs(notional)) & (date_counts == amount_counts) & ((date_counts > 0) == custom)
    principal_usable &= (balloon == 0.0) | ~custom & (~bullet | (balloon == np.abs(notional)))
    principal_usable &= (contracts.array("interest_only_end_date") == NO_DATE) | ~custom
    choices = np.minimum.reduce([contracts.array(name) for name in ("amortisation", "frequency", "day_count", "payment_convention")])
    status = np.where(principal_usable, RowStatus.OK, RowStatus.INVALID_PRINCIPAL)
    status = np.where(amounts_usable, status, RowStatus.INVALID_AMOUNT)
    return np.where((choices < 0) | (lags < 0), RowStatus.INVALID_SCHEDULE, status).astype(np.uint8)


@njit(cache=True, nogil=True)
@no_type_check
def _schedule_terms(loans: _Loans, i: int) -> ScheduleTerms:
    frequency = max(loans.frequency[i], 0)
    return ScheduleTerms(
        np.int64(loans.start[i]),
        np.int64(loans.maturity[i]),
        np.int64(FREQUENCY_MONTHS[frequency]),
        np.int64(FREQUENCY_DAYS[frequency]),
        np.int64(loans.roll_rule[i]),
        np.int64(loans.stub[i]),
        np.int64(loans.first_payment[i]),
        np.int64(loans.penultimate_payment[i]),
        loans.end_of_month[i],
        np.int64(loans.accrual_convention[i]),
        np.int64(loans.accrual_convention[i]),
        np.int64(loans.calendar[i]),
    )


@njit(cache=True, nogil=True)
@no_type_check
def _loan(loans: _Loans, i: int) -> _Loan:
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
def _room(loans: _Loans) -> tuple[int, int]:
    """The most dates one row needs, and room for the flows of all rows."""
    dates_max, flows_max = 0, 0
    for i in range(len(loans.notional)):
        dates = max_dates(_schedule_terms(loans, i))
        dates_max = max(dates_max, dates)
        flows_max += dates
    return dates_max, flows_max


@njit(cache=True, nogil=True)
@no_type_check
def _lower_rows(loans: _Loans, tables: CalendarTables, as_of: int, scratch: _Scratch, flows: _Flows, status: np.ndarray) -> None:
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
        years[k] = period_fraction(start, end, Period(start, end, pay, reference_start, reference_end), loan.accrual, tables)
        if not np.isfinite(years[k]):
            return _INVALID_SCHEDULE
        pay_days[k], reference_starts[k], reference_ends[k] = pay, reference_start, reference_end
    return _OK


@njit(cache=True, nogil=True)
@no_type_check
def _write_flows(
    loan: _Loan, tables: CalendarTables, i: int, periods: int, as_of: int, scratch: _Scratch, flows: _Flows, at: int
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
    loan: _Loan, tables: CalendarTables, factor: float, settlement: int, first: int, periods: int, scratch: _Scratch, flows: _Flows, at: int
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
            elif pay > last_day:
                years += yield_step(last_day, _period(k, adjusted, pay_days, reference_starts, reference_ends), loan.accrual, tables)
            last_day = pay
        amount = balance * rate * fractions[k] + (balance - after)
        out_day[at], out_time[at], out_amount[at], out_principal[at] = pay, years, amount, balance - after
        balance = after
        total += amount
        at += 1
    return at if np.isfinite(total) else -1


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def _period(k: int, adjusted: np.ndarray, pay_day: np.ndarray, reference_start: np.ndarray, reference_end: np.ndarray) -> Period:
    dates = np.int64(adjusted[k]), np.int64(adjusted[k + 1]), np.int64(pay_day[k])
    return Period(dates[0], dates[1], dates[2], np.int64(reference_start[k]), np.int64(reference_end[k]))


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def _write_price_terms(
    loan: _Loan, tables: CalendarTables, i: int, factor: float, settlement: int, first: int, periods: int, scratch: _Scratch,
    flows: _Flows, at: int,
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
        interest_years = accrued_fraction(settlement, period, loan.accrual, tables)
        accrued += loan.interest_rate * interest_years * factor * scratch.balance[k] * scratch.survival[k]
        k += 1
    flows.accrued[i] = 100.0 * accrued / flows.outstanding[i]


register(
    PricerSpec(
        product="AMORT_LOAN",
        title="Amortising loan",
        columns=COLUMNS,
        measures=frozenset({*SCALAR_MEASURES, Measure.KEY_RATE_DV01}),
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
