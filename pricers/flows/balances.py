"""How the notional of a coupon leg falls: scheduled balances, the share that survives prepayment, and what is drawn of it.

Compiled functions write into `balance` (float64[period + 1], the balance at the start of each period; the last entry is what is redeemed
at maturity), unsigned and before prepayment. Period k ends at date k + 1 of the schedule; a `first` period is the first one that repays
principal.

References:
    [1] QuantLib, ql/instruments/bonds/amortizingfixedratebond.cpp (sinkingNotionals: balances under a level payment).
    [2] F. Fabozzi, Bond Markets, Analysis, and Strategies, ch. "Agency mortgage pass-through securities" (CPR and SMM).
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.flows.accrual import compounded_years
from pricers.flows.coupon_arrays import BalanceColumns, Block, CouponLegs, InstalmentColumns
from pricers.flows.instalments import LEVEL, NOTHING, PRINCIPAL, TABLE, Plan, fill_instalments
from pricers.kernels.jit import kernel, njit
from pricers.kernels.vector_math import exp, log
from pricers.status import RowStatus
from pricers.time.schedule import FREQUENCY_PER_YEAR

LEVEL_PAYMENT: Final = 0
ANNUITY_TABLE: Final = 1
LINEAR: Final = 2
BULLET: Final = 3
CUSTOM: Final = 4
AMORTISATIONS: Final = ("LEVEL_PAYMENT", "ANNUITY_TABLE", "LINEAR", "BULLET", "CUSTOM")
"""How principal is repaid; the index is the code."""
SINKING: Final = len(AMORTISATIONS)
"""As CUSTOM, without draw-downs; what is left at maturity is redeemed at a price of its own."""
OUTSTANDING: Final = SINKING + 1
"""The balance itself is given: periods that start on or after a date have its amount, those before the first date the notional."""

PRINCIPAL_TOLERANCE: Final = 1e-9  # of notional: amounts that sum to the notional in decimals may miss it in binary
_DAYS_PER_YEAR: Final = 365.0

_OK: Final = int(RowStatus.OK)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)
_INVALID_PRINCIPAL: Final = int(RowStatus.INVALID_PRINCIPAL)
_NOT_FINITE: Final = int(RowStatus.NOT_FINITE)
_INVALID_AMOUNT: Final = int(RowStatus.INVALID_AMOUNT)
_MATURED: Final = int(RowStatus.MATURED)


class Repayment(NamedTuple):
    """What the balances of one contract follow from; amounts unsigned."""

    rule: int
    """Index into `AMORTISATIONS`, SINKING or OUTSTANDING."""
    notional: float
    balloon: float
    interest_only_end: int
    """Periods that end until this day repay nothing; NO_DATE for none."""
    rate: float
    per_year: float
    """Payments a year, 0 for a single one."""
    prepayment_rate: float


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def reads_years(balance: BalanceColumns, i: int) -> bool:
    """Whether the balances of row `i` follow from the year fractions of all periods, past ones included."""
    return LEVEL_PAYMENT <= balance.rule[i] <= ANNUITY_TABLE or balance.instalments.rolls[i]


@kernel
@no_type_check
def fill_block_balances(legs: CouponLegs, as_of: int, begin: int, end: int, block: Block, status: np.ndarray) -> None:
    """Balances, survival and factor of the rows of a block, and where their balance ends."""
    given = legs.balance
    for i in range(begin, end):
        if status[i] != _OK:
            continue
        r = i - begin
        start, size = block.date_offsets[r], block.date_offsets[r + 1] - block.date_offsets[r]
        dates, payments = slice(start, start + size), slice(given.offsets[i], given.offsets[i + 1])
        terms = Repayment(
            np.int64(given.rule[i]), abs(given.notional[i]), given.balloon[i], np.int64(given.interest_only_end[i]), legs.rate[i],
            FREQUENCY_PER_YEAR[legs.schedule.frequency[i]], given.prepayment_rate[i],
        )  # fmt: skip
        if given.instalments.rolls[i] and terms.rule <= BULLET:
            plan = _plan_of(given.instalments, terms, legs.compounding[i], i)
            periods, is_regular = size - 1, block.is_regular[dates]
            fill_survival(terms.prepayment_rate, terms.per_year, periods, block.unadjusted[dates], is_regular, block.survival[dates])
            years = block.interest_years[start : start + periods]
            status[i] = fill_instalments(plan, block.unadjusted[dates], years, block.balance[dates])
        else:
            status[i] = fill_balances(
                terms, given.dates[payments], given.amounts[payments], block.unadjusted[dates], block.adjusted[dates],
                block.is_regular[dates], block.interest_years[dates], block.balance[dates], block.survival[dates],
            )  # fmt: skip
        if status[i] == _OK:
            status[i] = _scale(given, as_of, i, r, block)


@njit(cache=True, nogil=True, inline="always")
@no_type_check
def _plan_of(columns: InstalmentColumns, terms: Repayment, compounding: float, i: int) -> Plan:
    """How the balance of row `i` is rolled forward."""
    kind = TABLE if terms.rule == ANNUITY_TABLE else PRINCIPAL if terms.rule == LINEAR else NOTHING if terms.rule == BULLET else LEVEL
    table_years = compounded_years(1.0 / terms.per_year, terms.rate, compounding) if terms.per_year > 0.0 else 0.0
    return Plan(
        np.int64(kind), terms.notional, terms.balloon, terms.rate, table_years, terms.interest_only_end,
        np.int64(columns.capitalisation_end[i]), columns.amount[i], columns.term_count[i], columns.by_frequency[i], columns.may_grow[i],
        columns.in_advance[i], np.int64(columns.decimals[i]), np.int64(columns.principal_every[i]),
    )  # fmt: skip


@kernel
@no_type_check
def _scale(given: BalanceColumns, as_of: int, i: int, r: int, block: Block) -> int:
    """Where the row's balance ends, and the factor by which it is drawn; the row's status."""
    start, first, stop = block.date_offsets[r], block.first[r], block.date_offsets[r + 1] - 1
    while stop > first and block.balance[stop - 1] * block.survival[stop - 1] == 0.0:
        stop -= 1  # repaid before maturity
    drawn, is_ahead = given.drawn[i], block.adjusted[start] > as_of
    block.stop[r], block.factor[r] = stop, np.sign(given.notional[i])
    if drawn > 0.0 and is_ahead:
        return _INVALID_AMOUNT
    if stop == first:
        return _INVALID_PRINCIPAL if drawn > 0.0 else _MATURED
    if drawn == 0.0 and not is_ahead:
        block.stop[r] = first  # undrawn: pays nothing
    elif drawn > 0.0:
        scheduled = block.balance[first] * block.survival[first]
        if scheduled == 0.0:
            return _INVALID_PRINCIPAL
        block.factor[r] *= drawn / scheduled
    return _OK


@kernel
@no_type_check
def fill_balances(
    terms: Repayment,
    dates: np.ndarray,
    amounts: np.ndarray,
    unadjusted: np.ndarray,
    adjusted: np.ndarray,
    is_regular: np.ndarray,
    years: np.ndarray,
    balance: np.ndarray,
    survival: np.ndarray,
) -> int:
    """Scheduled balance, and the share of it that prepayment leaves, at the start of every period.

    Args:
        dates, amounts: [payment] of a CUSTOM, SINKING or OUTSTANDING schedule, else empty.
        unadjusted, adjusted, is_regular: [period + 1], the schedule.
        years: [period], year fractions; read where `reads_years`.
        balance, survival: out, [period + 1].
    Returns:
        The row's status: INVALID_PRINCIPAL, INVALID_SCHEDULE (nothing but interest), NOT_FINITE or OK.
    """
    periods = len(unadjusted) - 1
    fill_survival(terms.prepayment_rate, terms.per_year, periods, unadjusted, is_regular, survival)
    if terms.rule == CUSTOM or terms.rule == SINKING:
        fits = fill_given(terms.notional, dates, amounts, terms.rule == SINKING, unadjusted, adjusted, balance)
        return _OK if fits else _INVALID_PRINCIPAL
    if terms.rule == OUTSTANDING:
        return _OK if fill_outstanding(terms.notional, dates, amounts, unadjusted, adjusted, balance) else _INVALID_PRINCIPAL
    if terms.rule == BULLET:
        fill_linear(terms.notional, terms.notional, 0, periods, balance)
        return _OK
    first = 0  # first period that repays principal
    while first < periods and unadjusted[first + 1] <= terms.interest_only_end:
        first += 1
    if first == periods:
        return _INVALID_SCHEDULE
    if terms.rule == LINEAR:
        fill_linear(terms.notional, terms.balloon, first, periods, balance)
        return _OK
    table_fraction = 1.0 / terms.per_year if terms.rule == ANNUITY_TABLE and terms.per_year > 0.0 else 0.0
    fits = fill_level(terms.notional, terms.balloon, terms.rate, table_fraction, years, first, periods, balance)
    return _OK if fits else _NOT_FINITE


@kernel
@no_type_check
def _power(share: float, exponent: float) -> float:
    """A share in [0, 1] to a positive power."""
    return exp(exponent * log(share)) if share > 0.0 else 0.0


@kernel
@no_type_check
def fill_survival(
    prepayment_rate: float, per_year: float, periods: int, unadjusted: np.ndarray, is_regular: np.ndarray, survival: np.ndarray
) -> None:
    """Share of the scheduled balance not prepaid by the start of each period, `periods + 1` entries.

    A regular period keeps (1 - CPR)^(1/frequency) of it, any other (1 - CPR)^(days/365) [2]; `per_year` is 0 for a single payment.
    """
    if prepayment_rate == 0.0:
        survival[: periods + 1] = 1.0
        return
    kept_in_year = 1.0 - prepayment_rate
    kept_in_regular = _power(kept_in_year, 1.0 / per_year) if per_year > 0.0 else 1.0
    survival[0] = 1.0
    for k in range(periods):
        kept = kept_in_regular
        if kept_in_year < 1.0 and (per_year == 0.0 or not is_regular[k + 1]):
            kept = _power(kept_in_year, (unadjusted[k + 1] - unadjusted[k]) / _DAYS_PER_YEAR)
        survival[k + 1] = survival[k] * kept


@kernel
@no_type_check
def fill_linear(notional: float, balloon: float, first: int, periods: int, balance: np.ndarray) -> None:
    """Equal principal payments from period `first` on; the balloon comes with the last."""
    instalment = (notional - balloon) / (periods - first)
    balance[: first + 1] = notional
    for k in range(first + 1, periods):
        balance[k] = notional - instalment * (k - first)
    balance[periods] = 0.0


@kernel
@no_type_check
def fill_level(
    notional: float, balloon: float, rate: float, table_fraction: float, years: np.ndarray, first: int, periods: int, balance: np.ndarray
) -> bool:
    """Level payments of interest plus principal from period `first` on; the balloon comes with the last.

    The payment follows from discounting at the contract rate; balances are then rolled back from maturity, which is stable where
    rolling forward multiplies rounding errors by the compounded rate.

    Args:
        rate: decimal a year.
        table_fraction: years of every period for the textbook annuity [1], or 0 to count `years` (float64[period]).
    Returns:
        Whether there is such a payment: not where a period's interest eats up more than its balance, or numbers overflow.
    """
    discount, annuity = 1.0, 0.0
    for k in range(first, periods):
        growth = 1.0 + rate * (table_fraction if table_fraction > 0.0 else years[k])
        if growth <= 0.0:
            return False
        balance[k] = 1.0 / growth  # read and overwritten by the way back
        discount *= balance[k]
        annuity += discount
    payment = (notional - balloon * discount) / annuity
    if not np.isfinite(payment):
        return False
    left = balloon
    for k in range(periods - 1, first, -1):
        left = (left + payment) * balance[k]
        balance[k] = left
    balance[: first + 1] = notional
    balance[periods] = 0.0
    return True


@kernel
@no_type_check
def fill_given(
    notional: float,
    dates: np.ndarray,
    amounts: np.ndarray,
    is_sinking: bool,
    unadjusted: np.ndarray,
    adjusted: np.ndarray,
    balance: np.ndarray,
) -> bool:
    """Given principal amounts, each paid at the end of the period that its date ends or falls into, and what is left at maturity.

    A negative amount draws down, unless the principal is sinking.

    Returns:
        Whether they fit: dates increasing and within the contract's life, no balance negative.
    """
    at, left, last_date, periods = 0, notional, np.int64(unadjusted[0]), len(unadjusted) - 1
    for k in range(periods):
        balance[k] = left
        end = max(unadjusted[k + 1], adjusted[k + 1])
        while at < len(dates) and dates[at] <= end:
            if dates[at] <= last_date or (is_sinking and not amounts[at] > 0.0):
                return False
            last_date = np.int64(dates[at])
            left -= amounts[at]
            at += 1
        if not -PRINCIPAL_TOLERANCE * notional <= left < np.inf:
            return False
        left = left if left > PRINCIPAL_TOLERANCE * notional else 0.0
    balance[periods] = left if is_sinking else 0.0
    return at == len(dates)


@kernel
@no_type_check
def fill_outstanding(
    notional: float, dates: np.ndarray, amounts: np.ndarray, unadjusted: np.ndarray, adjusted: np.ndarray, balance: np.ndarray
) -> bool:
    """Given balances, each of the periods that start on or after its date; whether dates increase and no balance is negative."""
    at, left, periods = 0, notional, len(unadjusted) - 1
    for k in range(periods):
        while at < len(dates) and dates[at] <= max(unadjusted[k], adjusted[k]):
            if not 0.0 <= amounts[at] < np.inf or (at > 0 and dates[at] <= dates[at - 1]):
                return False
            left = amounts[at]
            at += 1
        balance[k] = left
    balance[periods] = 0.0
    return True
