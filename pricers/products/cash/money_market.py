"""MONEY_MARKET: a deposit, certificate of deposit, commercial paper or Treasury bill.

The contract has one leg. `quote_type` says what `interest_rate` is:

    YIELD      simple interest on the notional: notional × interest_rate × year fraction, paid at maturity with the notional, or at the end
               of each interest period where `frequency` says so (certificates of deposit of more than a year)
    DISCOUNT   a discount from the face amount: the notional is paid at maturity and costs notional × (1 - interest_rate × year fraction)
               at the start [1]; nothing else is paid, so that `frequency` must be ONCE

Positive `notional` is money lent or paper owned, negative is money taken or paper issued. A contract that starts after the valuation date
pays its notional (its price, for DISCOUNT) out on the start date. Start and maturity move to business days by `accrual_convention`, and
interest counts the days between the moved dates.

Prices, yields and durations are per 100 of the notional on the settlement date, as for a bond: yields compound at the interest frequency
on the contract's day count, annually for ONCE. Paper with DISCOUNT accrues no interest: its clean price is its dirty price.

Example: a Treasury bill of 100 with 91 days to run, bought at a discount rate of 3.78 %, costs 100 × (1 - 0.0378 × 91/360) = 99.0445.

References:
    [1] M. Stigum and F. Robinson, Money Market and Bond Calculations (bank discount rate, simple yield).
    [2] QuantLib, ql/cashflows/fixedratecoupon.cpp, ql/time/daycounter.hpp.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Bool, UInt8

from pricers.contract.calendars_of_contract import contract_calendars, lacks_calendar
from pricers.contract.columns import AMOUNT_MAX, PRICE_MAX, RATE_MAX, Column, Columns, Contracts
from pricers.flows.balances import BULLET
from pricers.flows.cashflows import Lowered
from pricers.flows.conventions import quoted_by_coupon
from pricers.flows.coupon_arrays import LAG_DAYS_MAX, BalanceColumns, CouponLegs, PaymentColumns, ScheduleColumns
from pricers.flows.coupon_leg import lower_coupons
from pricers.flows.instalments import no_instalments
from pricers.market.fixings import Fixings
from pricers.measures import BOND_MEASURES
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS
from pricers.time.dates import NO_DATE
from pricers.time.day_count import DAY_COUNTS
from pricers.time.schedule import FREQUENCIES, RULES, STUBS

QUOTE_TYPES: Final = ("YIELD", "DISCOUNT")
DISCOUNT: Final = QUOTE_TYPES.index("DISCOUNT")
_DAYS_OF_A_WHOLE_DISCOUNT: Final = 360.0  # at a rate of 100 %: the discount is then as large as the notional
_ONCE: Final = FREQUENCIES.index("ONCE")

COLUMNS: Final = Columns(
    Column("currency", "text", "currency of all flows", required=True, references="currency", example="EUR"),
    Column("notional", "float", "amount repaid at maturity; positive: we lent it or own the paper", unit="currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=5_000_000.0),
    Column("interest_rate", "float", "simple rate, or discount rate, by quote_type", unit="decimal a year", required=True, minimum=-1.0,
           maximum=RATE_MAX, example=0.0378),
    Column("quote_type", "choice", "YIELD: interest on the notional; DISCOUNT: discount from the notional", default="YIELD",
           allowed=QUOTE_TYPES),
    Column("start_date", "date", "first day of interest, on which the notional is paid out", required=True, example="2025-11-17"),
    Column("maturity_date", "date", "day on which the notional is paid back", required=True, example="2026-05-18"),
    Column("frequency", "choice", "how often interest is paid; ONCE: at maturity", default="ONCE", allowed=FREQUENCIES),
    Column("day_count", "choice", "day count of interest and yields", default="ACT/360", allowed=DAY_COUNTS),
    Column("roll_rule", "choice", "side from which regular dates roll: maturity or start", default="BACKWARD", allowed=RULES),
    Column("stub", "choice", "treatment of an irregular remainder", default="NONE", allowed=STUBS),
    Column("end_of_month", "boolean", "keeps payments on month ends if the roll date is a month end", default=False),
    Column("calendar", "text", "business days; null: no holidays, not for BUS/252", references="calendar", example="TARGET"),
    Column("accrual_convention", "choice", "business-day rule of period dates", default="MODIFIED_FOLLOWING",
           allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_convention", "choice", "business-day rule of payment dates", default="MODIFIED_FOLLOWING",
           allowed=BUSINESS_DAY_CONVENTIONS),
    Column("settlement_lag", "integer", "from valuation to settlement", unit="business days", default=0, minimum=0, maximum=LAG_DAYS_MAX),
    Column("market_clean_price", "float", "quoted clean price; null: none", unit="per 100 of outstanding notional",
           minimum=0.0, maximum=PRICE_MAX),
    Column("discount_curve", "text", "curve that discounts all flows", required=True, references="discount_curve", example="EUR-ESTR"),
    Column("spread_curve", "text", "zero spreads added to the rates of the discount curve; null: none", references="spread_curve",
           example="EUR-CORP-A"),
    Column("credit_spread", "float", "constant zero spread, added to that of spread_curve", unit="decimal a year, continuous, ACT/365F",
           minimum=-RATE_MAX, maximum=RATE_MAX, default=0.0),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower deposits and paper to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: not read: the rate is fixed.
    Returns:
        One leg a row with one flow a payment date after `as_of`, and the pay-out of a contract that has not started. Row status:
        INVALID_AMOUNT (also where a discount is as large as the notional), INVALID_SCHEDULE (also a discount paper with interest
        payments), INVALID_DATES, DATE_OUT_OF_RANGE, NOT_FINITE or MATURED.
    """
    calendars = contract_calendars(contracts.text("calendar"))
    is_discount = contracts.array("quote_type") == DISCOUNT
    status = _status_of_terms(contracts, is_discount)
    status[~calendars.known | lacks_calendar(contracts)] = RowStatus.INVALID_SCHEDULE
    legs = _legs(contracts, calendar=calendars.calendar, is_discount=is_discount)
    lowered = lower_coupons(contracts, legs, tables=calendars.tables, as_of=as_of, status=status)
    return _discounted_paper(lowered, is_discount) if is_discount.any() else lowered


def _legs(contracts: Contracts, *, calendar: np.ndarray, is_discount: Bool[np.ndarray, " row"]) -> CouponLegs:
    column, rows = contracts.array, contracts.row_count
    no_dates, zeros = np.full(rows, NO_DATE, np.int32), np.zeros(rows)
    return CouponLegs(
        schedule=ScheduleColumns(
            start=column("start_date"),
            maturity=column("maturity_date"),
            frequency=column("frequency"),
            first_date=no_dates,
            penultimate_date=no_dates,
            roll_rule=column("roll_rule"),
            stub=column("stub"),
            end_of_month=column("end_of_month"),
            convention=column("accrual_convention"),
            calendar=calendar,
            given_offsets=np.zeros(rows + 1, np.int64),
            given_dates=np.empty(0, np.int32),
        ),
        payment=PaymentColumns(
            convention=column("payment_convention"),
            lag=np.zeros(rows, np.int32),
            ex_days=np.zeros(rows, np.int32),
            ex_calendar=calendar,
            settlement_lag=column("settlement_lag"),
            settlement_calendar=calendar,
            issue=no_dates,
        ),
        balance=BalanceColumns(
            notional=column("notional"),
            rule=np.full(rows, BULLET, np.int8),
            drawn=np.full(rows, np.nan),
            balloon=zeros,
            interest_only_end=no_dates,
            prepayment_rate=zeros,
            redemption=np.full(rows, 100.0),
            offsets=np.zeros(rows + 1, np.int64),
            dates=np.empty(0, np.int32),
            amounts=np.empty(0),
            instalments=no_instalments(rows),
        ),
        rate=column("interest_rate"),
        day_count=column("day_count"),
        by_frequency=np.zeros(rows, np.bool_),
        compounding=np.zeros(rows),
        quoting=quoted_by_coupon(column("day_count"), column("frequency")),
        is_zero_coupon=is_discount,
        pays_out=True,
    )


def _discounted_paper(lowered: Lowered, is_discount: Bool[np.ndarray, " row"]) -> Lowered:
    """Turn interest at maturity into a discount at the start.

    A coupon leg pays notional + interest at the end; the discount, of equal size, is what the buyer pays less on the first day.
    """
    flows, terms = lowered.cashflows, lowered.price_terms
    assert terms is not None, "a coupon leg has price terms"
    amount, principal, accrued = flows.amount.copy(), flows.principal.copy(), terms.accrued.copy()
    priced = is_discount & (lowered.status == RowStatus.OK)
    last, count = flows.flow_offsets[1:][priced] - 1, np.diff(flows.flow_offsets)[priced]
    discount = amount[last] - principal[last]
    amount[last] = principal[last]
    ahead = count == 2
    first = last[ahead] - 1
    amount[first] += discount[ahead]
    principal[first] = amount[first]
    accrued[priced & ~np.isnan(accrued)] = 0.0
    return replace(lowered, cashflows=replace(flows, amount=amount, principal=principal), price_terms=replace(terms, accrued=accrued))


def _status_of_terms(contracts: Contracts, is_discount: Bool[np.ndarray, " row"]) -> UInt8[np.ndarray, " row"]:
    """Status that follows from single terms, before any date is looked at."""
    notional, rate, price = contracts.array("notional"), contracts.array("interest_rate"), contracts.array("market_clean_price")
    finite = np.isfinite(notional) & np.isfinite(rate) & np.isfinite(contracts.array("credit_spread"))
    days = contracts.array("maturity_date").astype(np.int64) - contracts.array("start_date")
    usable = finite & (notional != 0.0) & (np.isnan(price) | ((price > 0.0) & (price < np.inf)))
    usable &= ~is_discount | (rate * days < _DAYS_OF_A_WHOLE_DISCOUNT)
    lag = contracts.array("settlement_lag")
    choices = np.minimum.reduce([contracts.array(name) for name in ("quote_type", "frequency", "day_count", "payment_convention")])
    scheduled = (choices >= 0) & (lag >= 0) & (lag <= LAG_DAYS_MAX) & ~(is_discount & (contracts.array("frequency") != _ONCE))
    status = np.where(usable, RowStatus.OK, RowStatus.INVALID_AMOUNT)
    return np.where(scheduled, status, RowStatus.INVALID_SCHEDULE).astype(np.uint8)


register(
    PricerSpec(
        product="MONEY_MARKET",
        title="Deposit, certificate of deposit, commercial paper or bill",
        columns=COLUMNS,
        measures=BOND_MEASURES,
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
