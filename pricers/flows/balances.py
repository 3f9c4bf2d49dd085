"""How a loan's balance falls: scheduled balances of one contract, and the share that survives prepayment.

Compiled functions write into `balance` (float64[period + 1], the balance at the start of each period, the last entry 0), unsigned and
before prepayment. Period k ends at date k + 1 of the schedule; a `first` period is the first one that repays principal.

References:
    [1] QuantLib, ql/instruments/bonds/amortizingfixedratebond.cpp (sinkingNotionals: balances under a level payment).
    [2] F. Fabozzi, Bond Markets, Analysis, and Strategies, ch. "Agency mortgage pass-through securities" (CPR and SMM).
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.kernels.jit import njit
from pricers.status import RowStatus

LEVEL_PAYMENT: Final = 0
ANNUITY_TABLE: Final = 1
LINEAR: Final = 2
BULLET: Final = 3
CUSTOM: Final = 4
AMORTISATIONS: Final = ("LEVEL_PAYMENT", "ANNUITY_TABLE", "LINEAR", "BULLET", "CUSTOM")
"""How principal is repaid; the index is the code."""

PRINCIPAL_TOLERANCE: Final = 1e-9  # of notional: amounts that sum to the notional in decimals may miss it in binary
_DAYS_PER_YEAR: Final = 365.0

_OK: Final = int(RowStatus.OK)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)
_INVALID_PRINCIPAL: Final = int(RowStatus.INVALID_PRINCIPAL)
_NOT_FINITE: Final = int(RowStatus.NOT_FINITE)


class Repayment(NamedTuple):
    """What the balances of one contract follow from; amounts unsigned."""

    amortisation: int
    """Index into `AMORTISATIONS`."""
    notional: float
    balloon: float
    interest_only_end: int
    """Periods that end until this day repay nothing; NO_DATE for none."""
    interest_rate: float
    per_year: float
    """Payments a year, 0 for a single one."""
    prepayment_rate: float


@njit(cache=True, nogil=True)
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
        dates, amounts: [payment] of a CUSTOM schedule, else empty.
        unadjusted, adjusted, is_regular: [period + 1], the schedule; `unadjusted` has exactly this length.
        years: [period], year fractions.
        balance, survival: out, [period + 1].
    Returns:
        The row's status: INVALID_PRINCIPAL, INVALID_SCHEDULE (nothing but interest), NOT_FINITE or OK.
    """
    periods = len(unadjusted) - 1
    fill_survival(terms.prepayment_rate, terms.per_year, periods, unadjusted, is_regular, survival)
    if terms.amortisation == CUSTOM:
        fits = fill_custom(terms.notional, dates, amounts, periods, unadjusted, adjusted, balance)
        return _OK if fits else _INVALID_PRINCIPAL
    if terms.amortisation == BULLET:
        fill_linear(terms.notional, terms.notional, 0, periods, balance)
        return _OK
    first = 0  # first period that repays principal
    while first < periods and unadjusted[first + 1] <= terms.interest_only_end:
        first += 1
    if first == periods:
        return _INVALID_SCHEDULE
    if terms.amortisation == LINEAR:
        fill_linear(terms.notional, terms.balloon, first, periods, balance)
        return _OK
    table_fraction = 1.0 / terms.per_year if terms.amortisation == ANNUITY_TABLE and terms.per_year > 0.0 else 0.0
    fits = fill_level(terms.notional, terms.balloon, terms.interest_rate, table_fraction, years, first, periods, balance)
    return _OK if fits else _NOT_FINITE


@njit(cache=True, nogil=True)
@no_type_check
def fill_survival(
    prepayment_rate: float, per_year: float, periods: int, unadjusted: np.ndarray, is_regular: np.ndarray, survival: np.ndarray
) -> None:
    """Share of the scheduled balance not prepaid by the start of each period, `periods + 1` entries.

    A regular period keeps (1 - CPR)^(1/frequency) of it, any other (1 - CPR)^(days/365) [2]; `per_year` is 0 for a single payment.
    """
    kept_in_year = 1.0 - prepayment_rate
    kept_in_regular = kept_in_year ** (1.0 / per_year) if per_year > 0.0 else 1.0
    survival[0] = 1.0
    for k in range(periods):
        kept = kept_in_regular
        if kept_in_year < 1.0 and (per_year == 0.0 or not is_regular[k + 1]):
            kept = kept_in_year ** ((unadjusted[k + 1] - unadjusted[k]) / _DAYS_PER_YEAR)
        survival[k + 1] = survival[k] * kept


@njit(cache=True, nogil=True)
@no_type_check
def fill_linear(notional: float, balloon: float, first: int, periods: int, balance: np.ndarray) -> None:
    """Equal principal payments from period `first` on; the balloon comes with the last."""
    instalment = (notional - balloon) / (periods - first)
    balance[: first + 1] = notional
    for k in range(first + 1, periods):
        balance[k] = notional - instalment * (k - first)
    balance[periods] = 0.0


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
@no_type_check
def fill_custom(
    notional: float, dates: np.ndarray, amounts: np.ndarray, periods: int, unadjusted: np.ndarray, adjusted: np.ndarray, balance: np.ndarray
) -> bool:
    """Given principal amounts, each paid at the end of the period that its date ends or falls into, and what is left at maturity.

    A negative amount draws down.

    Returns:
        Whether they fit: dates increasing and within the contract's life, no balance negative.
    """
    at, left, last_date = 0, notional, np.int64(unadjusted[0])
    for k in range(periods):
        balance[k] = left
        end = max(unadjusted[k + 1], adjusted[k + 1])
        while at < len(dates) and dates[at] <= end:
            if dates[at] <= last_date:
                return False
            last_date = np.int64(dates[at])
            left -= amounts[at]
            at += 1
        if not -PRINCIPAL_TOLERANCE * notional <= left < np.inf:
            return False
        left = left if left > PRINCIPAL_TOLERANCE * notional else 0.0
    balance[periods] = 0.0
    return at == len(dates)
