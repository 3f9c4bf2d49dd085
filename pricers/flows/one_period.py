"""Contracts on the index rate of one period: rate futures and forward rate agreements, as floating legs with a single coupon."""

from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Float, Int32, UInt8

from pricers.contract.columns import ColumnData, Contracts, read_only
from pricers.contract.float_columns import FLOAT_COLUMNS
from pricers.contract.leg_columns import column_of_defaults
from pricers.flows.balances import OUTSTANDING
from pricers.flows.conventions import quoted_by_coupon
from pricers.flows.coupon_arrays import BalanceColumns, CouponLegs, PaymentColumns, ScheduleColumns, read_only_columns
from pricers.flows.floating_arrays import FloatingTerms, day_counts, floating_terms
from pricers.flows.floating_leg import ExchangeColumns, FloatingLegs, LoweredLegs, lower_floating_legs
from pricers.flows.index_rates import fixing_day_of, index_years, maturity_of
from pricers.flows.instalments import no_instalments
from pricers.kernels.jit import kernel
from pricers.market.fixings import Fixings
from pricers.status import RowStatus
from pricers.time.calendars import UNADJUSTED
from pricers.time.dates import NO_DATE
from pricers.time.schedule import FREQUENCIES, RULES, STUBS

_ONCE: Final = FREQUENCIES.index("ONCE")
_ZERO: Final = RULES.index("ZERO")
_NO_STUB: Final = STUBS.index("NONE")


class Periods(NamedTuple):
    """The period of each contract; [row]. Rows that are not OK hold what means nothing."""

    contracts: Contracts
    """With all columns of FLOAT_COLUMNS."""
    terms: FloatingTerms
    start: Int32[np.ndarray, " row"]
    end: Int32[np.ndarray, " row"]
    years: Float[np.ndarray, " row"]
    """On the index's day count."""
    fixing_day: Int32[np.ndarray, " row"]
    """Of the rate of a term index; of the first overnight rate."""
    is_term: np.ndarray
    """bool[row]: the index has a tenor."""
    status: UInt8[np.ndarray, " row"]


def periods_of(
    contracts: Contracts,
    *,
    as_of: int,
    fixings: Fixings,
    start: Int32[np.ndarray, " row"],
    end: Int32[np.ndarray, " row"],
    spread: np.ndarray,
) -> Periods:
    """Read the indices and dates of a batch.

    Args:
        contracts: with `currency` and `index`, and any other columns of FLOAT_COLUMNS.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
        start: first day of each period, days since 1970-01-01.
        end: its last day; NO_DATE: that of a term index's rate.
        spread: float64[row]: added to the index rate.
    Returns:
        The periods. Status: what `floating_terms` says, or INVALID_DATES where the period does not end after its start.
    """
    rows = contracts.row_count
    data: dict[str, ColumnData] = {column.name: column_of_defaults(column, rows) for column in FLOAT_COLUMNS}
    data |= {name: contracts.data[name] for name in (*data, "currency") if name in contracts.data}
    filled = Contracts(rows, {**data, "spread": read_only(spread), "day_count": np.full(rows, -1, np.int8)})
    terms = floating_terms(filled, as_of=as_of, fixings=fixings, calendars=())
    status = terms.status.copy()
    index = np.where(status == RowStatus.OK, terms.floating.index, -1).astype(np.int32)
    ends, years, fixing_day = np.array(end, np.int32), np.full(rows, np.nan), np.full(rows, NO_DATE, np.int32)
    _fill_periods(
        read_only_columns(terms.indices), index, read_only(start), read_only(terms.floating.lag), read_only(terms.floating.fixing_calendar),
        terms.tables, ends, years, fixing_day,
    )  # fmt: skip
    is_usable = (start != NO_DATE) & (ends != NO_DATE) & (ends > start) & (years > 0.0)
    status[(status == RowStatus.OK) & ~is_usable] = RowStatus.INVALID_DATES
    is_term = ~np.append(terms.indices.is_overnight, True)[index]
    return Periods(filled, terms, np.array(start, np.int32), ends, years, fixing_day, is_term, status)


@kernel
@no_type_check
def _fill_periods(indices, index, start, lag, calendar, tables, end, years, fixing_day):
    for i in range(index.size):
        x = np.int64(index[i])
        if x < 0 or start[i] == NO_DATE:
            continue
        if end[i] == NO_DATE and not indices.is_overnight[x]:
            end[i] = maturity_of(np.int64(start[i]), indices, x, tables)
        fixing_day[i] = fixing_day_of(np.int64(start[i]), np.int64(lag[i]), np.int64(calendar[i]), tables)
        if end[i] != NO_DATE and end[i] > start[i]:
            years[i] = index_years(indices, x, np.int64(start[i]), np.int64(end[i]))


def lower_periods(periods: Periods, *, notional: Float[np.ndarray, " row"], as_of: int, status: UInt8[np.ndarray, " row"]) -> LoweredLegs:
    """Flows of notional × years × (index rate + spread), paid at the end of each period.

    Args:
        periods: of the batch.
        notional: signed, other than 0.
        as_of: valuation date, days since 1970-01-01.
        status: in and out, as in `lower_floating_legs`.
    """
    rows, terms = notional.size, periods.terms
    none, never, no_calendar = np.zeros(rows, np.int32), np.zeros(rows, np.bool_), np.zeros(rows, np.int32)
    no_dates = np.full(rows, NO_DATE, np.int32)
    unadjusted = np.full(rows, UNADJUSTED, np.int8)
    day_count = day_counts(periods.contracts, terms.found)
    coupons = CouponLegs(
        schedule=ScheduleColumns(
            start=periods.start, maturity=periods.end, frequency=np.full(rows, _ONCE, np.int8), first_date=no_dates,
            penultimate_date=no_dates, roll_rule=np.full(rows, _ZERO, np.int8), stub=np.full(rows, _NO_STUB, np.int8), end_of_month=never,
            convention=unadjusted, calendar=no_calendar, given_offsets=np.zeros(rows + 1, np.int64), given_dates=np.empty(0, np.int32),
        ),
        payment=PaymentColumns(
            convention=unadjusted, lag=none, ex_days=none, ex_calendar=no_calendar, settlement_lag=none, settlement_calendar=no_calendar,
            issue=no_dates,
        ),
        balance=BalanceColumns(
            notional=notional, rule=np.full(rows, OUTSTANDING, np.int8), drawn=np.full(rows, np.nan), balloon=np.zeros(rows),
            interest_only_end=no_dates, prepayment_rate=np.zeros(rows), redemption=np.full(rows, 100.0),
            offsets=np.zeros(rows + 1, np.int64), dates=np.empty(0, np.int32), amounts=np.empty(0), instalments=no_instalments(rows),
        ),
        rate=np.zeros(rows), day_count=day_count, by_frequency=never, compounding=np.zeros(rows),
        is_zero_coupon=never, pays_out=False, quoting=quoted_by_coupon(day_count, np.full(rows, _ONCE, np.int8)),
    )  # fmt: skip
    legs = FloatingLegs(coupons, terms.floating, ExchangeColumns(never, never, never))
    return lower_floating_legs(legs, terms.found, terms.indices, tables=terms.tables, as_of=as_of, status=status)
