"""Balances rolled forward from the first day, for loans whose instalments do not simply follow from their own interest.

A given instalment, one of a longer term or another basis, a moratorium that capitalises interest, payments in advance, and amounts rounded
to cents have no plan that can be rolled back from maturity: what is left is due with the last payment.

References:
    [1] S. Kellison, The Theory of Interest, ch. 3 (annuities immediate and due) and 5 (amortisation).
    [2] Canada, Interest Act, section 6; C. Houghton, Mathematics of Mortgages (nominal rate compounded twice a year, paid monthly).
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np

from pricers.flows.coupon_arrays import InstalmentColumns
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import exp, log
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE

ARREARS, ADVANCE = range(2)
PAYMENT_TIMINGS: Final = ("ARREARS", "ADVANCE")
"""Whether an instalment is paid at the end or the start of its period; the index is the code."""
DECIMALS_MAX: Final = 8

_OK: Final = int(RowStatus.OK)
_INVALID_SCHEDULE: Final = int(RowStatus.INVALID_SCHEDULE)
_INVALID_PRINCIPAL: Final = int(RowStatus.INVALID_PRINCIPAL)
_NOT_FINITE: Final = int(RowStatus.NOT_FINITE)
_DUST: Final = 1e-9  # of notional: what rounding errors leave of a balance that is repaid
_TIE: Final = 1e-6  # of the last decimal: an amount this close to a half is one

LEVEL, TABLE, PRINCIPAL, NOTHING = range(4)


class Plan(NamedTuple):
    """How one loan is repaid; amounts unsigned."""

    kind: int
    """What is equal: LEVEL the payments, TABLE the payments of a textbook annuity whose principal is paid, PRINCIPAL the principal, NOTHING
    where all is due at maturity."""
    notional: float
    balloon: float
    rate: float
    table_years: float
    """Interest of a regular period at a rate of 1, for textbook annuities; 0 for a single payment."""
    interest_only_end: int
    """Periods that end until this day repay nothing; NO_DATE for none."""
    capitalisation_end: int
    """Periods that end until this day pay nothing; NO_DATE for none."""
    instalment: float
    """Given; NaN: it follows from the rest."""
    term_count: float
    """Instalments of the term that the instalment is computed for; NaN: those to maturity."""
    by_frequency: bool
    """Whether a level payment is that of a textbook annuity, whatever days its interest counts."""
    may_grow: bool
    """Whether a payment may be less than the interest."""
    in_advance: bool
    decimals: int
    """Of interest and instalments; negative: not rounded."""
    principal_every: int
    """Periods from one payment of principal to the next."""


def no_instalments(rows: int) -> InstalmentColumns:
    """Columns of legs whose balance is not rolled forward."""
    return InstalmentColumns(
        rolls=np.zeros(rows, bool), amount=np.full(rows, np.nan), term_count=np.full(rows, np.nan), by_frequency=np.zeros(rows, bool),
        capitalisation_end=np.full(rows, NO_DATE, np.int32), may_grow=np.zeros(rows, bool), in_advance=np.zeros(rows, bool),
        decimals=np.full(rows, -1, np.int32), principal_every=np.ones(rows, np.int32),
    )  # fmt: skip


@kernel
@no_type_check
def rounded(amount: float, decimals: int) -> float:
    """To a number of decimals, halves away from zero; unchanged where `decimals` is negative."""
    if decimals < 0:
        return amount
    scale = 1.0
    for _ in range(decimals):
        scale *= 10.0
    return np.copysign(np.floor(abs(amount) * scale + 0.5 + _TIE) / scale, amount)


@kernel
@no_type_check
def annuity_payment(balance: float, balloon: float, growth: float, count: float, in_advance: bool) -> float:
    """Level payment that brings a balance to the balloon in `count` periods that each multiply it by `growth` [1]."""
    if growth == 1.0:
        return (balance - balloon) / count
    discount = exp(-count * log(growth))
    payment = (balance - balloon * discount) * (growth - 1.0) / (1.0 - discount)
    return payment / growth if in_advance else payment


@kernel
@no_type_check
def _measured_payment(left: float, plan: Plan, first: int, interest_years: np.ndarray) -> float:
    """Level payment from period `first` to maturity on the interest that the loan itself pays."""
    discount, annuity = 1.0, 0.0
    for k in range(first, len(interest_years)):
        if plan.in_advance:
            annuity += discount
        discount /= 1.0 + plan.rate * interest_years[k]
        if not plan.in_advance:
            annuity += discount
    return (left - plan.balloon * discount) / annuity


@kernel
@no_type_check
def _instalment(left: float, plan: Plan, first: int, interest_years: np.ndarray) -> float:
    """What is paid in every period from `first` on: interest and principal, or the principal of a plan of equal principal."""
    periods = len(interest_years) - first
    if plan.instalment == plan.instalment:
        return plan.instalment
    count = plan.term_count if plan.term_count == plan.term_count else float(periods)
    if plan.kind == PRINCIPAL:
        return (left - plan.balloon) / np.ceil(count / plan.principal_every)
    if plan.table_years > 0.0 and (plan.kind == TABLE or plan.by_frequency or plan.term_count == plan.term_count):
        return annuity_payment(left, plan.balloon, 1.0 + plan.rate * plan.table_years, count, plan.in_advance)
    return _measured_payment(left, plan, first, interest_years)


@kernel
@no_type_check
def fill_instalments(plan: Plan, unadjusted: np.ndarray, interest_years: np.ndarray, balance: np.ndarray) -> int:
    """Balances at the start of every period, what is left coming with the last payment.

    Args:
        plan: the loan.
        unadjusted: [period + 1], the schedule.
        interest_years: [period]; interest is balance × rate × these.
        balance: out, [period + 1].
    Returns:
        The row's status: INVALID_SCHEDULE (nothing but interest or moratorium), INVALID_PRINCIPAL (an instalment below the interest),
        NOT_FINITE or OK.
    """
    periods, left, first, instalment = len(unadjusted) - 1, plan.notional, -1, 0.0
    for k in range(periods):
        is_held = unadjusted[k + 1] <= plan.capitalisation_end
        repays = not is_held and plan.kind != NOTHING and unadjusted[k + 1] > plan.interest_only_end
        if repays and first < 0:
            first, instalment = k, rounded(_instalment(left, plan, k, interest_years), plan.decimals)
            if not np.isfinite(instalment):
                return _NOT_FINITE
            if plan.in_advance:
                left -= min(instalment, left)
        balance[k] = left
        if k == periods - 1:
            break
        interest = rounded(left * plan.rate * interest_years[k], plan.decimals)
        if is_held:
            left += interest
        elif repays:
            principal = instalment
            if plan.kind == PRINCIPAL:
                principal = instalment if (k + 1 - first) % plan.principal_every == 0 else 0.0
            elif plan.kind == TABLE:
                principal = rounded(instalment - left * plan.rate * plan.table_years, plan.decimals)
            else:
                principal -= interest
            if principal < -_DUST * plan.notional and not plan.may_grow:
                return _INVALID_PRINCIPAL
            left -= min(principal, left)
        left = left if left > _DUST * plan.notional else 0.0
        if not np.isfinite(left):
            return _NOT_FINITE
    balance[periods] = 0.0
    if (first < 0 and plan.kind != NOTHING) or unadjusted[periods] <= plan.capitalisation_end:
        return _INVALID_SCHEDULE
    return _OK
