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

from pricers.contract.calendars_of_contract import lacks_calendar
from pricers.contract.columns import NO_DATE, NO_INTEGER, RATE_MAX, Column, Columns, Contracts
from pricers.contract.float_columns import FLOAT_COLUMNS
from pricers.flows.balances import ANNUITY_TABLE
from pricers.flows.cashflows import Lowered
from pricers.flows.conventions import BY_DAY_COUNT
from pricers.flows.floating_arrays import day_counts, floating_terms
from pricers.flows.floating_leg import ExchangeColumns, FloatingLegs, lower_floating_legs
from pricers.flows.floating_output import one_leg_rows
from pricers.flows.instalments import ARREARS
from pricers.market.fixings import Fixings
from pricers.measures import BOND_MEASURES, Measure
from pricers.products.loan import amortising
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus

AMORTISATION_RATE: Final = Column(
    "amortisation_rate", "float", "rate that fixed the repayment plan of LEVEL_PAYMENT and ANNUITY_TABLE, which need it",
    unit="decimal a year", minimum=-1.0, maximum=RATE_MAX, example=0.04,
)  # fmt: skip
_FIXED_ALONE: Final[dict[str, Any]] = {
    "coupon_amount": np.int8(BY_DAY_COUNT),
    "compounding_frequency": np.int8(-1),
    "payment_timing": np.int8(ARREARS),
    "payment_decimals": np.int32(NO_INTEGER),
    "capitalisation_end_date": np.int32(NO_DATE),
    "negative_amortisation": np.bool_(False),
    "yield_frequency": np.int8(-1),
    "yield_day_count": np.int8(-1),
    "accrued_day_count": np.int8(-1),
}
"""Columns of AMORT_LOAN that a floating rate leaves no room for, and what they are here."""


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
        elif column.name not in _FIXED_ALONE:
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
    terms = floating_terms(contracts, as_of=as_of, fixings=fixings, calendars=("calendar",))
    planned = _as_planned(contracts, np.maximum(day_counts(contracts, terms.found), 0))  # a loan without an index fails below
    status = amortising.status_of_terms(planned)
    needs_rate = contracts.array("amortisation") <= ANNUITY_TABLE
    status[(status == RowStatus.OK) & needs_rate & np.isnan(contracts.array("amortisation_rate"))] = RowStatus.INVALID_AMOUNT
    status[(status == RowStatus.OK) & lacks_calendar(planned)] = RowStatus.INVALID_SCHEDULE
    status = np.where(status == RowStatus.OK, terms.status, status)
    status[(terms.floating.index < 0) & (status == RowStatus.OK)] = RowStatus.MISSING_INDEX
    pays = np.ones(contracts.row_count, np.bool_)
    exchanges = ExchangeColumns(initial=pays, intermediate=pays, final=pays)
    legs = FloatingLegs(amortising.coupon_legs(planned, calendar=terms.calendars[0]), terms.floating, exchanges)
    lowered = lower_floating_legs(legs, terms.found, terms.indices, tables=terms.tables, as_of=as_of, status=status, has_prices=True)
    return one_leg_rows(contracts, lowered, curves=terms.found.curves, as_of=as_of, status=status)


def _as_planned(contracts: Contracts, day_count: np.ndarray) -> Contracts:
    """The loans as those of AMORT_LOAN that pay the rate of their repayment plan."""
    rate = contracts.array("amortisation_rate")
    counted = np.maximum(day_count, 0).astype(np.int8)  # none without an index: then the row is MISSING_INDEX, whatever its plan
    of_plan = {"interest_rate": np.where(np.isnan(rate), 0.0, rate), "day_count": counted}
    alone = {name: np.full(contracts.row_count, value) for name, value in _FIXED_ALONE.items()}
    return Contracts(contracts.row_count, {**contracts.data, **alone, **of_plan})


register(
    PricerSpec(
        product="FLOATING_LOAN",
        title="Floating-rate loan",
        columns=COLUMNS,
        measures=BOND_MEASURES - {Measure.YIELD_TO_MATURITY, Measure.MACAULAY_DURATION, Measure.MODIFIED_DURATION, Measure.CONVEXITY}
        | {Measure.GAMMA},
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
