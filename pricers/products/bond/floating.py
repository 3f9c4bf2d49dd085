"""FLOATING_RATE_BOND: a bond whose coupons follow an interest-rate index, bullet or sinking, with ex-coupon period and credit spread.

A bond has one leg. The coupon of a period is outstanding notional × year fraction × (gearing × index rate + spread). The rate of a term
index (EURIBOR, Term SOFR) is fixed `fixing_lag` business days before its period; that of an overnight index (SOFR, SONIA, €STR) is
compounded (or averaged: `rate_method` AVERAGED) over the business days of the period, each rate being that of `lookback_days` before; with
`observation_shift` its weight is too, and the last `lockout_days` of a period repeat the rate before them. Principal is repaid as that of a
FIXED_BOND. With SUBPERIOD_COMPOUNDED several term rates, each of a part of the period, are compounded. Positive `notional` is a bond owned.

What is fixed is read from the market's fixings: a fixing before the valuation date must be there (MISSING_FIXING), one on the valuation
date is read where it is there and forecast otherwise, and later ones are forecast as the forward rate of the index's curve. With
coupon_estimation PAR the forward rate of a term index ends with the coupon's period, which is QuantLib's default; with INDEXED it ends a
whole tenor after its start. Forward rates carry no convexity adjustment for delayed payment. Caps, floors and fixings in arrears are
refused (EMBEDDED_OPTION), as are margins that are compounded FLAT (UNSUPPORTED_RATE_METHOD).

Prices refer to the settlement date. Accrued interest is at the rate that is fixed for the period; where a rate until the settlement date is
still to come, the last one that the index has published stands for it.

References:
    [1] QuantLib, ql/cashflows/iborcoupon.cpp, ql/cashflows/overnightindexedcoupon.cpp, ql/instruments/bonds/floatingratebond.cpp.
    [2] Alternative Reference Rates Committee, "SOFR Floating Rate Notes Conventions Matrix", 2019.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from jaxtyping import UInt8

from pricers.contract.columns import Column, Columns, Contracts
from pricers.contract.float_columns import FLOAT_COLUMNS
from pricers.flows.balances import SINKING
from pricers.flows.cashflows import Lowered
from pricers.flows.conventions import quoted_by_coupon
from pricers.flows.coupon_arrays import LAG_DAYS_MAX, BalanceColumns, CouponLegs, PaymentColumns, ScheduleColumns
from pricers.flows.floating_arrays import FloatingTerms, day_counts, floating_terms
from pricers.flows.floating_leg import ExchangeColumns, FloatingLegs, lower_floating_legs
from pricers.flows.floating_output import one_leg_rows
from pricers.flows.instalments import no_instalments
from pricers.market.fixings import Fixings
from pricers.measures import BOND_MEASURES, Measure
from pricers.products.bond import fixed
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE
from pricers.time.day_count import BUS_252


def _columns() -> Columns:
    """Those of FIXED_BOND with the index in place of the coupon."""
    changed: dict[str, dict[str, Any]] = {
        "frequency": {"default": "QUARTERLY"},
        "day_count": {"default": None, "meaning": "day count of coupons; null: the index's"},
        "accrual_convention": {"default": "MODIFIED_FOLLOWING"},
        "payment_convention": {"default": "MODIFIED_FOLLOWING"},
    }
    columns: list[Column] = []
    for column in fixed.COLUMNS:
        if column.name == "coupon_rate":
            columns.extend(FLOAT_COLUMNS)
        elif column.name not in ("coupon_amount", "compounding_frequency"):
            columns.append(replace(column, **changed.get(column.name, {})))
    return Columns(*columns)


COLUMNS: Final = _columns()


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower bonds to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
    Returns:
        One leg a row. A coupon that is fixed is one flow; one that is not is a flow that grows at the forward rate, and one that does not.
        Row status: those of FIXED_BOND, MISSING_INDEX, MISSING_FIXING, INDEX_MISMATCH, EMBEDDED_OPTION or UNSUPPORTED_RATE_METHOD.
    """
    terms = floating_terms(contracts, as_of=as_of, fixings=fixings, calendars=("calendar", "settlement_calendar", "ex_coupon_calendar"))
    legs = _legs(contracts, terms)
    status = _status_of_terms(contracts, legs.coupons)
    status = np.where(status == RowStatus.OK, terms.status, status)
    status[(terms.floating.index < 0) & (status == RowStatus.OK)] = RowStatus.MISSING_INDEX
    payment, schedule = legs.coupons.payment, legs.coupons.schedule
    status[(status == RowStatus.OK) & (payment.issue >= schedule.maturity)] = RowStatus.INVALID_DATES
    lowered = lower_floating_legs(legs, terms.found, terms.indices, tables=terms.tables, as_of=as_of, status=status, has_prices=True)
    return one_leg_rows(contracts, lowered, curves=terms.found.curves, as_of=as_of, status=status)


def _legs(contracts: Contracts, terms: FloatingTerms) -> FloatingLegs:
    column, rows = contracts.array, contracts.row_count
    dates, amounts, coupon_dates = (contracts.ragged(name) for name in ("sinking_dates", "sinking_amounts", "coupon_dates"))
    of_schedule, of_settlement, of_ex_coupon = terms.calendars
    interest_start = column("interest_start_date")
    coupons = CouponLegs(
        schedule=ScheduleColumns(
            start=np.where(interest_start != NO_DATE, interest_start, column("issue_date")),
            maturity=column("maturity_date"),
            frequency=column("frequency"),
            first_date=column("first_coupon_date"),
            penultimate_date=column("penultimate_coupon_date"),
            roll_rule=column("roll_rule"),
            stub=column("stub"),
            end_of_month=column("end_of_month"),
            convention=column("accrual_convention"),
            calendar=of_schedule,
            given_offsets=coupon_dates.offsets,
            given_dates=coupon_dates.values,
        ),
        payment=PaymentColumns(
            convention=column("payment_convention"),
            lag=column("payment_lag"),
            ex_days=column("ex_coupon_days"),
            ex_calendar=of_ex_coupon,
            settlement_lag=column("settlement_lag"),
            settlement_calendar=np.where(contracts.text("settlement_calendar").codes < 0, of_schedule, of_settlement),
            issue=column("issue_date"),
        ),
        balance=BalanceColumns(
            notional=column("notional"),
            rule=np.full(rows, SINKING, np.int8),
            drawn=np.full(rows, np.nan),
            balloon=np.zeros(rows),
            interest_only_end=np.full(rows, NO_DATE, np.int32),
            prepayment_rate=np.zeros(rows),
            redemption=column("redemption"),
            offsets=dates.offsets,
            dates=dates.values,
            amounts=amounts.values,
            instalments=no_instalments(rows),
        ),
        rate=np.zeros(rows),
        day_count=day_counts(contracts, terms.found),
        by_frequency=np.zeros(rows, np.bool_),
        compounding=np.zeros(rows),
        quoting=quoted_by_coupon(day_counts(contracts, terms.found), column("frequency")),
        is_zero_coupon=np.zeros(rows, np.bool_),
        pays_out=False,
    )
    pays = np.ones(rows, np.bool_)
    return FloatingLegs(coupons, terms.floating, ExchangeColumns(initial=~pays, intermediate=pays, final=pays))


def _status_of_terms(contracts: Contracts, legs: CouponLegs) -> UInt8[np.ndarray, " row"]:
    """Status that follows from single terms, before any date is looked at."""
    notional, price, redemption = (contracts.array(name) for name in ("notional", "market_clean_price", "redemption"))
    usable = np.isfinite(notional) & (notional != 0.0) & np.isfinite(contracts.array("credit_spread"))
    usable &= np.isfinite(redemption) & (redemption >= 0.0) & (np.isnan(price) | ((price > 0.0) & (price < np.inf)))
    sinking = np.diff(contracts.ragged("sinking_dates").offsets) == np.diff(contracts.ragged("sinking_amounts").offsets)
    choices = np.minimum.reduce([contracts.array("frequency"), contracts.array("payment_convention")])
    lags = np.stack([contracts.array(name) for name in ("payment_lag", "ex_coupon_days", "settlement_lag")])
    invalid = (choices < 0) | ~np.all((lags >= 0) & (lags <= LAG_DAYS_MAX), axis=0)
    invalid |= (legs.day_count == BUS_252) & (contracts.text("calendar").codes < 0)
    status = np.where(sinking, RowStatus.OK, RowStatus.INVALID_PRINCIPAL)
    status = np.where(usable, status, RowStatus.INVALID_AMOUNT)
    return np.where(invalid, RowStatus.INVALID_SCHEDULE, status).astype(np.uint8)


register(
    PricerSpec(
        product="FLOATING_RATE_BOND",
        title="Floating-rate bond",
        columns=COLUMNS,
        measures=BOND_MEASURES - {Measure.YIELD_TO_MATURITY, Measure.MACAULAY_DURATION, Measure.MODIFIED_DURATION, Measure.CONVEXITY}
        | {Measure.GAMMA},
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
