"""FLOATING_LOAN: a term loan whose interest follows an interest-rate index, with scheduled repayment, prepayment and a credit spread.

A loan has one leg. Interest of a period is balance × year fraction × (gearing × index rate + spread); the index rate is fixed, compounded
or forecast as that of a FLOATING_RATE_BOND. The balance falls as that of an AMORT_LOAN: by `amortisation`, from the interest-only date
down to the balloon, with prepayment at a constant annual rate, and scaled to `drawn_balance`. Positive `notional` is money lent.

LEVEL_PAYMENT and ANNUITY_TABLE repay by the plan that `amortisation_rate` gives; the plan stays as it was agreed when the index moves, so
that principal is known and interest alone floats. Loans whose payment is levelled again at each fixing are not covered.

A floor on the index (`floor_on` INDEX, which the market means by a 0 % floor of a loan) or on the coupon is refused (EMBEDDED_OPTION), also
where it is far out of the money.

References:
    [1] QuantLib, ql/cashflows/iborcoupon.cpp (IborLeg with a notional for each period), ql/cashflows/overnightindexedcoupon.cpp.
    [2] Loan Market Association and ARRC, conventions for compounded risk-free-rate loans, 2020-2021 (lookback without observation shift).
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from jaxtyping import UInt8

from pricers.contract.columns import RATE_MAX, Column, Columns, Contracts
from pricers.contract.float_columns import FLOAT_COLUMNS
from pricers.flows.balances import ANNUITY_TABLE
from pricers.flows.cashflows import Lowered
from pricers.flows.coupon_arrays import LAG_DAYS_MAX, BalanceColumns, CouponLegs, PaymentColumns, ScheduleColumns
from pricers.flows.floating_arrays import FloatingTerms, day_counts, floating_terms
from pricers.flows.floating_leg import ExchangeColumns, FloatingLegs, lower_floating_legs
from pricers.flows.floating_output import one_leg_rows
from pricers.market.fixings import Fixings
from pricers.measures import Measure
from pricers.products.loan import amortising
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE
from pricers.time.day_count import BUS_252

AMORTISATION_RATE: Final = Column(
    "amortisation_rate", "float", "rate that fixed the repayment plan of LEVEL_PAYMENT and ANNUITY_TABLE, which need it",
    unit="decimal a year", minimum=-1.0, maximum=RATE_MAX, example=0.04,
)  # fmt: skip


def _columns() -> Columns:
    """Those of AMORT_LOAN with the index in place of the contract rate."""
    changed: dict[str, dict[str, Any]] = {
        "amortisation": {"default": "BULLET"},
        "frequency": {"default": "QUARTERLY"},
        "day_count": {"default": None, "meaning": "day count of interest; null: the index's"},
        "accrual_convention": {"default": "MODIFIED_FOLLOWING"},
        "payment_convention": {"default": "MODIFIED_FOLLOWING"},
    }
    floating = [replace(column, default="INDEX") if column.name == "floor_on" else column for column in FLOAT_COLUMNS]
    columns: list[Column] = []
    for column in amortising.COLUMNS:
        if column.name == "interest_rate":
            columns.extend(floating)
        elif column.name != "coupon_amount":
            columns.append(replace(column, **changed.get(column.name, {})))
        if column.name == "amortisation":
            columns.append(AMORTISATION_RATE)
    return Columns(*columns)


COLUMNS: Final = _columns()


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower loans to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
    Returns:
        One leg a row, flows as those of FLOATING_RATE_BOND (and the pay-out of a loan that has not started). Row status: those of
        AMORT_LOAN, MISSING_INDEX, MISSING_FIXING, INDEX_MISMATCH, EMBEDDED_OPTION or UNSUPPORTED_RATE_METHOD.
    """
    terms = floating_terms(contracts, fixings=fixings, calendars=("calendar",))
    legs = _legs(contracts, terms)
    status = _status_of_terms(contracts, legs.coupons)
    status = np.where(status == RowStatus.OK, terms.status, status)
    status[(terms.floating.index < 0) & (status == RowStatus.OK)] = RowStatus.MISSING_INDEX
    lowered = lower_floating_legs(legs, terms.found, terms.indices, tables=terms.tables, as_of=as_of, status=status, has_prices=True)
    return one_leg_rows(contracts, lowered, curves=terms.found.curves, as_of=as_of, status=status)


def _legs(contracts: Contracts, terms: FloatingTerms) -> FloatingLegs:
    column, rows, (calendar,) = contracts.array, contracts.row_count, terms.calendars
    dates, amounts = contracts.ragged("principal_dates"), contracts.ragged("principal_amounts")
    rate = column("amortisation_rate")
    coupons = CouponLegs(
        schedule=ScheduleColumns(
            start=column("start_date"),
            maturity=column("maturity_date"),
            frequency=column("frequency"),
            first_date=column("first_payment_date"),
            penultimate_date=column("penultimate_payment_date"),
            roll_rule=column("roll_rule"),
            stub=column("stub"),
            end_of_month=column("end_of_month"),
            convention=column("accrual_convention"),
            calendar=calendar,
        ),
        payment=PaymentColumns(
            convention=column("payment_convention"),
            lag=column("payment_lag"),
            ex_days=np.zeros(rows, np.int32),
            ex_calendar=calendar,
            settlement_lag=column("settlement_lag"),
            settlement_calendar=calendar,
            issue=np.full(rows, NO_DATE, np.int32),
        ),
        balance=BalanceColumns(
            notional=column("notional"),
            rule=column("amortisation"),
            drawn=column("drawn_balance"),
            balloon=column("balloon_amount"),
            interest_only_end=column("interest_only_end_date"),
            prepayment_rate=column("prepayment_rate"),
            redemption=np.full(rows, 100.0),
            offsets=dates.offsets,
            dates=dates.values,
            amounts=amounts.values,
        ),
        rate=np.where(np.isnan(rate), 0.0, rate),
        day_count=day_counts(contracts, terms.found),
        by_frequency=np.zeros(rows, np.bool_),
        is_zero_coupon=np.zeros(rows, np.bool_),
        pays_out=True,
    )
    pays = np.ones(rows, np.bool_)
    return FloatingLegs(coupons, terms.floating, ExchangeColumns(initial=pays, intermediate=pays, final=pays))


def _status_of_terms(contracts: Contracts, legs: CouponLegs) -> UInt8[np.ndarray, " row"]:
    """Status that follows from single terms, before any date is looked at."""
    amortisation = contracts.array("amortisation")
    rate_missing = (amortisation <= ANNUITY_TABLE) & ~np.isfinite(contracts.array("amortisation_rate"))
    usable = amortising.amounts_usable(contracts) & ~rate_missing
    choices = np.minimum.reduce([amortisation, *(contracts.array(name) for name in ("frequency", "payment_convention"))])
    lags = np.stack([contracts.array("payment_lag"), contracts.array("settlement_lag")])
    invalid = (choices < 0) | ~np.all((lags >= 0) & (lags <= LAG_DAYS_MAX), axis=0)
    invalid |= (legs.day_count == BUS_252) & (contracts.text("calendar").codes < 0)
    status = np.where(amortising.principal_usable(contracts), RowStatus.OK, RowStatus.INVALID_PRINCIPAL)
    status = np.where(usable, status, RowStatus.INVALID_AMOUNT)
    return np.where(invalid, RowStatus.INVALID_SCHEDULE, status).astype(np.uint8)


register(
    PricerSpec(
        product="FLOATING_LOAN",
        title="Floating-rate loan",
        columns=COLUMNS,
        measures=frozenset(Measure) - {Measure.YIELD_TO_MATURITY, Measure.MACAULAY_DURATION, Measure.MODIFIED_DURATION, Measure.CONVEXITY},
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
