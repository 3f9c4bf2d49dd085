"""FIXED_BOND: a bond with a fixed coupon, bullet or sinking, with ex-coupon period, settlement lag and credit spread.

One leg. The coupon of a period is outstanding notional × coupon_rate × year fraction, simple; principal is repaid on coupon payment
dates: the sinking amounts at par, what is left at maturity at `redemption` per 100. Positive `notional` is a bond owned (coupons and
redemption are received), negative is one issued or sold short.

A coupon whose ex-coupon date has come belongs to the former holder: it has no value. The present value drops coupons that are ex on the
valuation date; prices, yields and durations hold on the settlement date and drop those that are ex by then, and accrued interest is
negative in the ex-coupon period. A bond not yet issued settles on its issue date at the earliest.

All numbers equal QuantLib's: cash flows those of FixedRateBond and AmortizingFixedRateBond [1], the present value that of
DiscountingBondEngine [2], yields and durations those of BondFunctions, compounded at the coupon frequency on the coupon's day count [3].

Example: 1,000,000 at 3 % annually to 2027-01-15, valued on 2026-01-15 on a flat 3 % curve (continuous), is worth
1,030,000 × exp(-0.03) = 999,559.

References:
    [1] QuantLib, ql/cashflows/fixedratecoupon.cpp (FixedRateLeg), ql/instruments/bond.cpp, ql/instruments/bonds.
    [2] QuantLib, ql/pricingengines/bond/discountingbondengine.cpp.
    [3] QuantLib, ql/pricingengines/bond/bondfunctions.cpp, ql/cashflows/cashflows.cpp.
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import UInt8
from numba import njit

from pricers.calendars import BUSINESS_DAY_CONVENTIONS, CalendarTables, adjust, advance_business_days
from pricers.cashflows import Cashflows, Lowered, PriceTerms
from pricers.columns import Column, Columns, Contracts, Text
from pricers.contract_dates import SCHEDULE_STATUS, contract_calendars
from pricers.dates import NO_DATE, add_months
from pricers.day_count import ACT_ACT_ICMA, DAY_COUNTS
from pricers.measures import Measure
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

LAG_DAYS_MAX: Final = 60  # business days; the longest customary ones are below 10
PRINCIPAL_TOLERANCE: Final = 1e-9  # sinking amounts are rounded to cents and may add up to a hair more than the notional

_ONCE: Final = FREQUENCIES.index("ONCE")
_LAG_CALENDAR_DAYS_MAX: Final = 2 * LAG_DAYS_MAX  # no calendar closes for more than every second day
_OK: Final = int(RowStatus.OK)
_MATURED: Final = int(RowStatus.MATURED)
_INVALID_DATES: Final = int(RowStatus.INVALID_DATES)
_DATE_OUT_OF_RANGE: Final = int(RowStatus.DATE_OUT_OF_RANGE)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)
_INVALID_PRINCIPAL: Final = int(RowStatus.INVALID_PRINCIPAL)

COLUMNS: Final = Columns(
    Column("currency", "text", "currency of all flows", required=True, references="currency", example="EUR"),
    Column("notional", "float", "face amount at issue; positive: owned by us", unit="currency", required=True, example=1_000_000.0),
    Column("coupon_rate", "float", "0 for a zero-coupon bond", unit="decimal a year", required=True, minimum=-1.0, example=0.03),
    Column("issue_date", "date", "the bond trades from this date", required=True, example="2025-01-15"),
    Column("maturity_date", "date", "end of the last coupon period", required=True, example="2035-01-15"),
    Column("interest_start_date", "date", "first day of interest (dated date); null: issue_date"),
    Column("frequency", "choice", "how often coupons are paid; ONCE: at maturity", default="ANNUAL", allowed=FREQUENCIES),
    Column("day_count", "choice", "day count of coupons and yields", default="ACT/ACT ICMA", allowed=DAY_COUNTS),
    Column("first_coupon_date", "date", "end of the first period, unadjusted; null: by frequency", example="2026-01-15"),
    Column("penultimate_coupon_date", "date", "start of the last period, unadjusted; null: by frequency"),
    Column("roll_rule", "choice", "where regular dates roll from: maturity or start", default="BACKWARD", allowed=RULES),
    Column("stub", "choice", "what becomes of an irregular remainder", default="NONE", allowed=STUBS),
    Column("end_of_month", "boolean", "coupons stay on month ends where the roll date is one", default=False),
    Column("calendar", "text", "business days of schedule and payments; null: no holidays", example="TARGET"),
    Column("accrual_convention", "choice", "moves period dates", default="UNADJUSTED", allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_convention", "choice", "moves payment dates", default="FOLLOWING", allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_lag", "integer", "from period end to payment", unit="business days", default=0, minimum=0, maximum=LAG_DAYS_MAX),
    Column("ex_coupon_days", "integer", "from ex-coupon date to payment; 0: none", unit="business days of ex_coupon_calendar", default=0,
           minimum=0, maximum=LAG_DAYS_MAX),
    Column("ex_coupon_calendar", "text", "business days of the ex-coupon period; null: calendar days", example="UK"),
    Column("settlement_lag", "integer", "of prices and yields", unit="business days", default=2, minimum=0, maximum=LAG_DAYS_MAX),
    Column("settlement_calendar", "text", "business days of settlement; null: as calendar", example="TARGET"),
    Column("redemption", "float", "paid at maturity", unit="per 100 of outstanding notional", default=100.0, minimum=0.0),
    Column("sinking_dates", "date_list", "dates of early repayments, increasing: each is paid with the coupon of the period it ends or "
           "falls into"),
    Column("sinking_amounts", "float_list", "repaid at par on these dates, unsigned, of the face amount", unit="currency"),
    Column("market_clean_price", "float", "given price; null: none", unit="per 100 of outstanding notional", minimum=0.0),
    Column("discount_curve", "text", "discounts all flows", required=True, references="discount_curve", example="EUR-ESTR"),
    Column("spread_curve", "text", "zero spreads added to the discount curve; null: none", references="spread_curve", example="EUR-CORP-A"),
    Column("credit_spread", "float", "constant zero spread, added as well", unit="decimal a year, continuous, ACT/365F", default=0.0),
)  # fmt: skip


class _Bonds(NamedTuple):
    """The columns that dates and amounts depend on, as compiled code reads them; [row] where not said otherwise."""

    notional: np.ndarray
    coupon_rate: np.ndarray
    issue: np.ndarray
    maturity: np.ndarray
    interest_start: np.ndarray
    frequency: np.ndarray
    day_count: np.ndarray
    first_coupon: np.ndarray
    penultimate_coupon: np.ndarray
    roll_rule: np.ndarray
    stub: np.ndarray
    end_of_month: np.ndarray
    accrual_convention: np.ndarray
    payment_convention: np.ndarray
    payment_lag: np.ndarray
    ex_coupon_days: np.ndarray
    settlement_lag: np.ndarray
    redemption: np.ndarray
    calendar: np.ndarray
    """Index into the calendar tables; so are the next two."""
    ex_coupon_calendar: np.ndarray
    settlement_calendar: np.ndarray
    sinking_offsets: np.ndarray
    """int64[row + 1]"""
    sinking_dates: np.ndarray
    """int32[sinking payment]"""
    sinking_amounts: np.ndarray
    """float64[sinking payment]"""


class _Bond(NamedTuple):
    """One row of `_Bonds`: scalars, so that passing it to a function inside a loop over flows costs next to nothing."""

    notional: float
    """Unsigned."""
    sign: float
    coupon_rate: float
    redemption: float
    issue: int
    payment_convention: int
    payment_lag: int
    ex_coupon_days: int
    settlement_lag: int
    calendar: int
    ex_coupon_calendar: int
    settlement_calendar: int
    is_zero: bool
    """Pays no coupon at all."""
    schedule: ScheduleTerms
    accrual: Accrual


class _Scratch(NamedTuple):
    """Working arrays of one row, reused: dates 0..n of the schedule, periods 0..n-1 (period k ends at date k + 1)."""

    unadjusted: np.ndarray
    adjusted: np.ndarray
    is_regular: np.ndarray
    pay_day: np.ndarray
    reference_start: np.ndarray
    reference_end: np.ndarray
    year_fraction: np.ndarray
    outstanding: np.ndarray
    """Unsigned notional during the period, n + 1 entries, the last 0."""


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
    """Lower bonds to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
    Returns:
        One leg a row with one flow a payment date after `as_of`; two on a date whose coupon, but not whose principal, trades ex-coupon
        at settlement. Row status: INVALID_AMOUNT, INVALID_PRINCIPAL, INVALID_SCHEDULE, INVALID_DATES, DATE_OUT_OF_RANGE or MATURED.
    """
    rows = contracts.row_count
    bonds, tables, calendars_known = _bonds(contracts)
    status = _status_of_terms(contracts)
    status[~calendars_known] = RowStatus.INVALID_SCHEDULE
    dates_max, flows_max = _room(bonds, as_of)
    flows = _empty_flows(rows, flows_max, as_of=as_of)
    _lower_rows(bonds, tables, as_of, _scratch(dates_max), flows, status)
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
            yield_frequency=np.maximum(FREQUENCY_PER_YEAR[bonds.frequency], 1.0),
            market_clean_price=contracts.array("market_clean_price"),
        ),
        has_credit_spread=True,
    )


def _bonds(contracts: Contracts) -> tuple[_Bonds, CalendarTables, np.ndarray]:
    """Columns for compiled code, the calendars that they point into, and whether all three calendars of a row are known."""
    names = (
        "notional", "coupon_rate", "issue_date", "maturity_date", "interest_start_date", "frequency", "day_count", "first_coupon_date",
        "penultimate_coupon_date", "roll_rule", "stub", "end_of_month", "accrual_convention", "payment_convention", "payment_lag",
        "ex_coupon_days", "settlement_lag", "redemption",
    )  # fmt: skip
    calendar, settlement = contracts.text("calendar"), contracts.text("settlement_calendar")
    found = contract_calendars(_end_to_end(calendar, settlement, contracts.text("ex_coupon_calendar")))
    of_schedule, of_settlement, of_ex_coupon = found.calendar.reshape(3, contracts.row_count)
    sinking_dates, sinking_amounts = contracts.ragged("sinking_dates"), contracts.ragged("sinking_amounts")
    columns = [np.require(contracts.array(name), requirements=("C", "W")) for name in names]
    settles_by = np.where(settlement.codes < 0, of_schedule, of_settlement)
    bonds = _Bonds._make(
        (*columns, of_schedule, of_ex_coupon, settles_by, sinking_dates.offsets, sinking_dates.values, sinking_amounts.values)
    )
    calendars_known = np.logical_and.reduce(found.known.reshape(3, contracts.row_count))
    return bonds, found.tables, calendars_known


def _end_to_end(*texts: Text) -> Text:
    """Several text columns as one, under one list of names."""
    names = tuple(dict.fromkeys(name for text in texts for name in text.names))
    code_of = {name: code for code, name in enumerate(names)}
    codes = [np.array([*(code_of[name] for name in text.names), -1], np.int32)[text.codes] for text in texts]
    return Text(np.concatenate(codes), names)


def _empty_flows(rows: int, flows_max: int, *, as_of: int) -> _Flows:
    amount, principal, yield_time = (np.empty(flows_max) for _ in range(3))
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
    return _Scratch._make((*days[:2], np.empty(dates_max, np.bool_), *days[2:], np.empty(dates_max), np.empty(dates_max)))


def _status_of_terms(contracts: Contracts) -> UInt8[np.ndarray, " row"]:
    """Status that follows from single terms, before any date is looked at."""
    notional, price = contracts.array("notional"), contracts.array("market_clean_price")
    redemption = contracts.array("redemption")
    finite = np.isfinite(notional) & np.isfinite(contracts.array("coupon_rate")) & np.isfinite(contracts.array("credit_spread"))
    usable = (
        finite & (notional != 0.0) & np.isfinite(redemption) & (redemption >= 0.0) & (np.isnan(price) | ((price > 0.0) & (price < np.inf)))
    )
    sinking = np.diff(contracts.ragged("sinking_dates").offsets) == np.diff(contracts.ragged("sinking_amounts").offsets)
    choices = np.minimum.reduce([contracts.array(name) for name in ("frequency", "day_count", "payment_convention")])
    lags = np.stack([contracts.array(name) for name in ("payment_lag", "ex_coupon_days", "settlement_lag")])
    lags_valid = np.all((lags >= 0) & (lags <= LAG_DAYS_MAX), axis=0)
    status = np.where(sinking, RowStatus.OK, RowStatus.INVALID_PRINCIPAL)
    status = np.where(usable, status, RowStatus.INVALID_AMOUNT)
    return np.where((choices < 0) | ~lags_valid, RowStatus.INVALID_SCHEDULE, status).astype(np.uint8)


@njit(cache=True, nogil=True)
@no_type_check
def _schedule_terms(bonds: _Bonds, i: int) -> ScheduleTerms:
    frequency = max(bonds.frequency[i], 0)
    start = bonds.interest_start[i]
    return ScheduleTerms(
        start if start != NO_DATE else bonds.issue[i],
        bonds.maturity[i],
        FREQUENCY_MONTHS[frequency],
        FREQUENCY_DAYS[frequency],
        bonds.roll_rule[i],
        bonds.stub[i],
        bonds.first_coupon[i],
        bonds.penultimate_coupon[i],
        bonds.end_of_month[i],
        bonds.accrual_convention[i],
        bonds.accrual_convention[i],
        bonds.calendar[i],
    )


@njit(cache=True, nogil=True)
@no_type_check
def _bond_of_row(bonds: _Bonds, i: int) -> _Bond:
    return _Bond(
        abs(bonds.notional[i]),
        1.0 if bonds.notional[i] > 0.0 else -1.0,
        bonds.coupon_rate[i],
        bonds.redemption[i],
        np.int64(bonds.issue[i]),
        bonds.payment_convention[i],
        np.int64(bonds.payment_lag[i]),
        np.int64(bonds.ex_coupon_days[i]),
        np.int64(bonds.settlement_lag[i]),
        bonds.calendar[i],
        bonds.ex_coupon_calendar[i],
        bonds.settlement_calendar[i],
        bonds.frequency[i] == _ONCE and bonds.coupon_rate[i] == 0.0,
        _schedule_terms(bonds, i),
        Accrual(np.int64(bonds.day_count[i]), np.int64(bonds.maturity[i]), np.int64(bonds.calendar[i])),
    )


@njit(cache=True, nogil=True)
@no_type_check
def _room(bonds: _Bonds, as_of: int) -> tuple[int, int]:
    """The most dates one row needs, and room for all flows after the valuation date."""
    dates_max, flows_max = 0, 0
    for i in range(len(bonds.notional)):
        terms = _schedule_terms(bonds, i)
        dates = max_dates(terms)
        dates_max = max(dates_max, dates)
        days_to_go = max(np.int64(terms.maturity) - as_of, 0) + _LAG_CALENDAR_DAYS_MAX
        tenor_days = max(np.int64(terms.tenor_months) * 30 + np.int64(terms.tenor_days), 1)
        flows_max += min(dates, days_to_go // tenor_days + 5) + 1  # one flow may be split at its ex-coupon date
    return dates_max, flows_max


@njit(cache=True, nogil=True)
@no_type_check
def _lower_rows(bonds: _Bonds, tables: CalendarTables, as_of: int, scratch: _Scratch, flows: _Flows, status: np.ndarray) -> None:
    at = 0
    for i in range(len(status)):
        flows.flow_offsets[i] = at
        flows.first_flow[i] = at
        if status[i] != _OK:
            continue
        bond = _bond_of_row(bonds, i)
        count, reason = fill_dates(bond.schedule, tables, scratch.unadjusted, scratch.adjusted, scratch.is_regular, 0)
        status[i] = SCHEDULE_STATUS[reason] if bond.issue < bond.schedule.maturity else _INVALID_DATES
        if status[i] != _OK:
            continue
        sinking = slice(bonds.sinking_offsets[i], bonds.sinking_offsets[i + 1])
        status[i] = _fill_outstanding(bond, bonds.sinking_dates[sinking], bonds.sinking_amounts[sinking], count - 1, scratch)
        if status[i] != _OK:
            continue
        first, status[i] = _fill_periods(bond, tables, count, as_of, scratch)
        if status[i] != _OK:
            continue
        settlement = settlement_day(as_of, bond.settlement_lag, bond.issue, bond.settlement_calendar, tables)
        if settlement == NO_DATE:
            status[i] = _DATE_OUT_OF_RANGE
            continue
        flows.settlement_day[i] = settlement
        flows.outstanding[i], flows.accrued[i] = _price_terms(bond, tables, settlement, first, count - 1, scratch)
        end, flows.first_flow[i], status[i] = _write_flows(bond, tables, as_of, settlement, first, count - 1, scratch, flows, at)
        at = end
    flows.flow_offsets[len(status)] = at


@njit(cache=True, nogil=True)
@no_type_check
def _fill_outstanding(bond: _Bond, sinking_dates: np.ndarray, sinking_amounts: np.ndarray, periods: int, scratch: _Scratch) -> int:
    """Notional during every period; the row's status."""
    left, tolerance = bond.notional, PRINCIPAL_TOLERANCE * bond.notional
    scratch.outstanding[periods] = 0.0
    if len(sinking_dates) == 0:
        scratch.outstanding[:periods] = left
        return _OK
    at, last_date = 0, np.int64(scratch.unadjusted[0])
    for k in range(periods):
        scratch.outstanding[k] = left
        end = max(scratch.unadjusted[k + 1], scratch.adjusted[k + 1])
        while at < len(sinking_dates) and sinking_dates[at] <= end:
            amount = sinking_amounts[at]
            if not (sinking_dates[at] > last_date and 0.0 < amount <= left + tolerance):
                return _INVALID_PRINCIPAL
            last_date = np.int64(sinking_dates[at])
            left = left - amount if left - amount > tolerance else 0.0
            at += 1
    return _OK if at == len(sinking_dates) else _INVALID_PRINCIPAL


@njit(cache=True, nogil=True)
@no_type_check
def _fill_periods(bond: _Bond, tables: CalendarTables, count: int, as_of: int, scratch: _Scratch) -> tuple[int, int]:
    """Payment days, reference periods and year fractions of the periods paid after the valuation date; the first such, and status."""
    adjusted, outstanding, pay_day, year_fraction = scratch.adjusted, scratch.outstanding, scratch.pay_day, scratch.year_fraction
    is_regular, reference_starts, reference_ends = scratch.is_regular, scratch.reference_start, scratch.reference_end
    is_icma = bond.accrual.day_count == ACT_ACT_ICMA  # the one day count that reads the reference period
    status = _MATURED
    for k in range(count - 2, -1, -1):
        start, end = np.int64(adjusted[k]), np.int64(adjusted[k + 1])
        if bond.payment_lag > 0:
            pay = advance_business_days(end, bond.payment_lag, bond.calendar, tables)
        else:
            pay = np.int64(adjust(end, bond.payment_convention, bond.calendar, tables))
        if pay == NO_DATE:
            return 0, _DATE_OUT_OF_RANGE
        if pay <= as_of:
            return k + 1, status
        if outstanding[k] > 0.0:
            status = _OK
        reference_start, reference_end = start, end
        if is_icma and is_regular[k + 1] and bond.schedule.tenor_months > 0:
            years = bond.schedule.tenor_months / 12.0  # a whole coupon period, wherever the calendar moves its ends
        else:
            if is_icma:
                reference_start, reference_end = reference_period(k + 1, count, bond.schedule, tables, adjusted, is_regular, 0)
            years = period_fraction(start, end, Period(start, end, pay, reference_start, reference_end), bond.accrual, tables)
        if not np.isfinite(years):
            return 0, _INVALID_SCHEDULE
        pay_day[k] = pay
        reference_starts[k], reference_ends[k] = reference_start, reference_end
        year_fraction[k] = years
    return 0, status


@njit(cache=True, nogil=True)
@no_type_check
def _is_ex_coupon(bond: _Bond, pay: int, day: int, tables: CalendarTables) -> bool:
    if bond.ex_coupon_days == 0:
        return False
    return advance_business_days(pay, -bond.ex_coupon_days, bond.ex_coupon_calendar, tables) <= day


@njit(cache=True, nogil=True)
@no_type_check
def _write_flows(
    bond: _Bond, tables: CalendarTables, as_of: int, settlement: int, first: int, periods: int, scratch: _Scratch, flows: _Flows, at: int
) -> tuple[int, int, int]:
    """Write the flows after the valuation date; the next free position, the first flow after settlement, and the row's status."""
    adjusted, pay_day, year_fraction, balance = scratch.adjusted, scratch.pay_day, scratch.year_fraction, scratch.outstanding
    reference_start, reference_end = scratch.reference_start, scratch.reference_end
    flow_day, flow_amount, flow_principal, flow_time = flows.pay_day, flows.amount, flows.principal, flows.yield_time
    start, last_day, years, first_flow = at, settlement, 0.0, np.int64(-1)
    may_be_ex = bond.ex_coupon_days > 0
    for k in range(first, periods):
        outstanding, pay = balance[k], np.int64(pay_day[k])
        if outstanding == 0.0:
            break
        if pay > settlement:
            accrual_start, accrual_end = np.int64(adjusted[k]), np.int64(adjusted[k + 1])
            if last_day == accrual_start and pay == accrual_end:
                years += year_fraction[k]  # from period end to period end, as is most often the case: the coupon's own
            else:
                period = Period(accrual_start, accrual_end, pay, np.int64(reference_start[k]), np.int64(reference_end[k]))
                years += _yield_step(bond, last_day, period, tables)
            last_day = pay
        principal = bond.sign * (outstanding - balance[k + 1])
        if k == periods - 1:
            principal *= bond.redemption / 100.0
        interest = bond.sign * outstanding * bond.coupon_rate * year_fraction[k]
        if may_be_ex:
            may_be_ex = _is_ex_coupon(bond, pay, settlement, tables)  # once one coupon is not, later ones are not either
        if may_be_ex:
            if first_flow >= 0:
                return start, start, _INVALID_SCHEDULE  # ex-coupon for longer than a coupon period, with principal paid within it
            if not _is_ex_coupon(bond, pay, as_of, tables):
                flow_day[at], flow_time[at] = pay, years
                flow_amount[at], flow_principal[at] = interest, 0.0
                at += 1
            if principal == 0.0 and k < periods - 1:
                continue
            interest = 0.0
        if pay > settlement and first_flow < 0:
            first_flow = np.int64(at)
        flow_day[at], flow_time[at] = pay, years
        flow_amount[at], flow_principal[at] = interest + principal, principal
        at += 1
    return at, (first_flow if first_flow >= 0 else np.int64(at)), _OK


@njit(cache=True, nogil=True)
@no_type_check
def _yield_step(bond: _Bond, last_day: int, period: Period, tables: CalendarTables) -> float:
    """Years from the flow before (or settlement) to the payment of a period, as a yield counts them."""
    if period.pay_day <= last_day:
        return 0.0  # two periods paid on one day
    if bond.is_zero:  # no coupon, so no coupon period but the year before maturity
        year = Period(last_day, period.pay_day, period.pay_day, add_months(period.pay_day, -12, False), period.pay_day)
        return period_fraction(last_day, period.pay_day, year, bond.accrual, tables)
    return yield_step(last_day, period, bond.accrual, tables)


@njit(cache=True, nogil=True)
@no_type_check
def _period(scratch: _Scratch, k: int) -> Period:
    return Period(
        np.int64(scratch.adjusted[k]),
        np.int64(scratch.adjusted[k + 1]),
        np.int64(scratch.pay_day[k]),
        np.int64(scratch.reference_start[k]),
        np.int64(scratch.reference_end[k]),
    )


@njit(cache=True, nogil=True)
@no_type_check
def _price_terms(bond: _Bond, tables: CalendarTables, settlement: int, first: int, periods: int, scratch: _Scratch) -> tuple[float, float]:
    """Outstanding notional and accrued interest per 100 of it on the settlement date, NaN for a bond repaid by then."""
    k = first
    while k < periods and scratch.pay_day[k] <= settlement:
        k += 1
    if k == periods or scratch.outstanding[k] == 0.0:
        return np.nan, np.nan
    outstanding, accrued, pay = scratch.outstanding[k], 0.0, np.int64(scratch.pay_day[k])
    is_ex = _is_ex_coupon(bond, pay, settlement, tables)
    while k < periods and scratch.pay_day[k] == pay:
        period = _period(scratch, k)
        if is_ex and settlement > period.accrual_start:
            years = -period_fraction(settlement, max(settlement, period.accrual_end), period, bond.accrual, tables)
        else:
            years = accrued_fraction(settlement, period, bond.accrual, tables)
        accrued += scratch.outstanding[k] * bond.coupon_rate * years
        k += 1
    return outstanding, 100.0 * accrued / outstanding


register(
    PricerSpec(
        product="FIXED_BOND",
        title="Fixed-rate bond",
        columns=COLUMNS,
        measures=frozenset(Measure),
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
