"""What the stages of a coupon leg work on: contract columns, and the working arrays of a block of rows.

A product fills `CouponLegs`, one leg a row. What a later product needs is another column here and the stage that reads it.
"""

from typing import Any, Final, NamedTuple, no_type_check

import numpy as np

from pricers.contract.columns import read_only
from pricers.kernels.jit import njit
from pricers.time.schedule import FREQUENCY_DAYS, FREQUENCY_MONTHS, ScheduleTerms, max_dates, schedule_terms

LAG_DAYS_MAX: Final = 60  # business days; the longest customary ones are below 10
BLOCK_ROWS_MAX: Final = 512
BLOCK_DATES: Final = 16_384  # 65 bytes each: a block stays in the processor's cache


class ScheduleColumns(NamedTuple):
    """Columns that dates follow from; [row]. Dates are int32 days since 1970-01-01, NO_DATE where absent."""

    start: np.ndarray
    """First day of interest."""
    maturity: np.ndarray
    frequency: np.ndarray
    """int8: index into `FREQUENCIES`."""
    first_date: np.ndarray
    penultimate_date: np.ndarray
    roll_rule: np.ndarray
    stub: np.ndarray
    end_of_month: np.ndarray
    convention: np.ndarray
    """Moves period dates."""
    calendar: np.ndarray
    """Index into the calendar tables, of period dates and payments."""
    given_offsets: np.ndarray
    """int64[row + 1]"""
    given_dates: np.ndarray
    """int32[given date]: ends of periods, unadjusted, in place of those that the frequency gives."""


class PaymentColumns(NamedTuple):
    """When a period is paid, from when on its interest belongs to the former holder, and when a trade settles; [row]."""

    convention: np.ndarray
    lag: np.ndarray
    """Business days after the period's end."""
    ex_days: np.ndarray
    """Business days before the payment on which interest goes ex; 0: never."""
    ex_calendar: np.ndarray
    settlement_lag: np.ndarray
    settlement_calendar: np.ndarray
    issue: np.ndarray
    """Earliest settlement; NO_DATE: the first day of interest."""


class InstalmentColumns(NamedTuple):
    """Terms of a balance that is rolled forward, see `instalments.Plan`; [row]."""

    rolls: np.ndarray
    """bool: whether any of the others is given."""
    amount: np.ndarray
    term_count: np.ndarray
    by_frequency: np.ndarray
    capitalisation_end: np.ndarray
    may_grow: np.ndarray
    in_advance: np.ndarray
    decimals: np.ndarray
    """int32: of payments; negative: not rounded."""
    principal_every: np.ndarray


class BalanceColumns(NamedTuple):
    """How the notional falls; [row] where not said otherwise."""

    notional: np.ndarray
    """Signed."""
    rule: np.ndarray
    """int8: index into `AMORTISATIONS`, SINKING or OUTSTANDING."""
    drawn: np.ndarray
    """Outstanding on the valuation date, unsigned; NaN: as scheduled."""
    balloon: np.ndarray
    interest_only_end: np.ndarray
    prepayment_rate: np.ndarray
    redemption: np.ndarray
    """Paid at maturity for 100 of what is left then."""
    offsets: np.ndarray
    """int64[row + 1]"""
    dates: np.ndarray
    """int32[given repayment]"""
    amounts: np.ndarray
    """float64[given repayment]: unsigned, of the original notional; negative is drawn. Of OUTSTANDING the balance from the date on."""
    instalments: InstalmentColumns


class QuotingColumns(NamedTuple):
    """Conventions of accrued interest and yields; [row]."""

    accrued_day_count: np.ndarray
    yield_day_count: np.ndarray
    """int8: index into `DAY_COUNTS`, as `accrued_day_count`."""
    yield_convention: np.ndarray
    """int8: index into `conventions.YIELD_CONVENTIONS`."""
    yield_frequency: np.ndarray
    """float64: compounding periods a year of the yield."""


class CouponLegs(NamedTuple):
    """Legs that pay balance × rate × years at the end of each period, and principal as the balance falls; one a row."""

    schedule: ScheduleColumns
    payment: PaymentColumns
    balance: BalanceColumns
    rate: np.ndarray
    """float64[row]: decimal a year."""
    day_count: np.ndarray
    """int8[row]: index into `DAY_COUNTS`."""
    by_frequency: np.ndarray
    """bool[row]: a regular period pays the rate over the periods a year, whatever its days."""
    compounding: np.ndarray
    """float64[row]: how often a year the rate compounds; 0: interest of a period is simple."""
    quoting: QuotingColumns
    is_zero_coupon: np.ndarray
    """bool[row]: has no coupon period, so that yields count the years before maturity."""
    pays_out: bool
    """Whether a leg that has not started pays its notional out on its first day."""


class Block(NamedTuple):
    """Working arrays of a block of rows. Row r of the block has dates date_offsets[r]:date_offsets[r + 1]; the period between two
    dates stands at the position of the earlier one."""

    date_offsets: np.ndarray
    first: np.ndarray
    """Position of the row's first period paid after the valuation date."""
    stop: np.ndarray
    """Position after the row's last period with a balance."""
    factor: np.ndarray
    """Sign of the position × its balance on the valuation date over the scheduled one."""
    unadjusted: np.ndarray
    adjusted: np.ndarray
    is_regular: np.ndarray
    """Of the period that ends at the date."""
    pay_day: np.ndarray
    ex_day: np.ndarray
    """First day on which a buyer no longer gets the period's interest; `pay_day` where it does not trade ex."""
    reference_start: np.ndarray
    reference_end: np.ndarray
    years: np.ndarray
    """Year fraction of the period."""
    interest_years: np.ndarray
    """Interest of the period is balance × rate × these: `years`, unless the rate compounds."""
    balance: np.ndarray
    """Scheduled unsigned notional during the period; after the last, what is redeemed at maturity."""
    survival: np.ndarray
    """Share of the scheduled balance not prepaid before the period."""
    yield_time: np.ndarray


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def terms_of_row(schedule: ScheduleColumns, i: int) -> ScheduleTerms:
    """Terms of one row. Inlined: handing a dozen arrays to a compiled function costs as much as ten flows."""
    frequency = max(schedule.frequency[i], 0)
    return schedule_terms(
        schedule.start[i], schedule.maturity[i], FREQUENCY_MONTHS[frequency], FREQUENCY_DAYS[frequency], schedule.roll_rule[i],
        schedule.stub[i], schedule.first_date[i], schedule.penultimate_date[i], schedule.end_of_month[i], schedule.convention[i],
        schedule.convention[i], schedule.calendar[i],
    )  # fmt: skip


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def dates_needed(schedule: ScheduleColumns, terms: ScheduleTerms, i: int) -> int:
    """Elements that the dates of row `i` need; 0 where its terms give none."""
    given = schedule.given_offsets[i + 1] - schedule.given_offsets[i]
    return max_dates(terms) if given == 0 else given + 2


def read_only_columns(columns: Any) -> Any:
    """A tuple of columns, or of such tuples, with every array read-only, so that the stages are compiled for one type."""
    return columns._make(
        read_only(column) if isinstance(column, np.ndarray) else read_only_columns(column) if isinstance(column, tuple) else column
        for column in columns
    )


def empty_block(rows: int, dates: int) -> Block:
    """Working arrays for so many rows with so many dates together."""
    return Block(
        date_offsets=np.empty(rows + 1, np.int64),
        first=np.empty(rows, np.int64),
        stop=np.empty(rows, np.int64),
        factor=np.empty(rows),
        unadjusted=np.empty(dates, np.int32),
        adjusted=np.empty(dates, np.int32),
        is_regular=np.empty(dates, np.bool_),
        pay_day=np.empty(dates, np.int32),
        ex_day=np.empty(dates, np.int32),
        reference_start=np.empty(dates, np.int32),
        reference_end=np.empty(dates, np.int32),
        years=np.empty(dates),
        interest_years=np.empty(dates),
        balance=np.empty(dates),
        survival=np.empty(dates),
        yield_time=np.empty(dates),
    )
