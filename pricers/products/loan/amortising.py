"""AMORT_LOAN: a fixed-rate term loan with scheduled repayment, optional prepayment and a credit spread.

A loan has one leg. Interest of a period is balance × interest_rate × year fraction, simple; with `coupon_amount` BY_FREQUENCY, as on
30/360, that of a regular period is balance × interest_rate / frequency. Principal is repaid on payment dates. Positive `notional` is money
lent (we receive interest and principal), negative is money borrowed. `amortisation` says how the balance falls:

    LEVEL_PAYMENT   all payments of interest plus principal are equal, given the loan's own day count
    ANNUITY_TABLE   principal by the textbook annuity at interest_rate / frequency, interest by the day count [1]
    LINEAR          equal principal payments
    BULLET          all principal at maturity
    CUSTOM          the amounts of principal_amounts (negative: a further draw-down), the rest at maturity

The first three repay from the interest-only date down to the balloon, which is due at maturity with the last payment.

Prepayment: on each payment date, after the scheduled principal, a constant annual rate CPR repays the share
SMM = 1 - (1 - CPR)^(1/frequency) of the remaining balance (for a stub period the exponent is its days over 365). The later schedule
shrinks in proportion, so that level payments are re-spread over the remaining term [2]: with survival Q_k = (1 - SMM)^k, the balance,
interest and scheduled principal of period k are those without prepayment times Q_(k-1). Prepayment starts with the loan.

Drawn balance: `drawn_balance` is the balance outstanding on the valuation date. All later interest and principal scale with its ratio to
the scheduled balance (after prepayments), the pool factor of [2]. The undrawn part earns nothing. Without `drawn_balance` the original
notional amortises from the start. A loan that starts after the valuation date pays out the notional on its start date.

Prices, yields and durations are per 100 of the balance on the settlement date and equal QuantLib's for these cash flows [1, 3].

References:
    [1] QuantLib, ql/instruments/bonds/amortizingfixedratebond.cpp (sinkingNotionals), ql/cashflows/fixedratecoupon.cpp.
    [2] F. Fabozzi, Bond Markets, Analysis, and Strategies, ch. "Agency mortgage pass-through securities" (CPR, SMM, projected cash flow).
    [3] QuantLib, ql/cashflows/cashflows.cpp (accruedAmount, yield).
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, UInt8

from pricers.contract.calendars_of_contract import contract_calendars, lacks_calendar
from pricers.contract.columns import AMOUNT_MAX, PRICE_MAX, RATE_MAX, Column, Columns, Contracts
from pricers.flows.balances import AMORTISATIONS, BULLET, CUSTOM
from pricers.flows.cashflows import Lowered
from pricers.flows.conventions import COUPON_AMOUNT, pays_by_frequency
from pricers.flows.coupon_arrays import LAG_DAYS_MAX, BalanceColumns, CouponLegs, PaymentColumns, ScheduleColumns
from pricers.flows.coupon_leg import lower_coupons
from pricers.market.fixings import Fixings
from pricers.measures import SCALAR_MEASURES, Measure
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS
from pricers.time.dates import NO_DATE
from pricers.time.day_count import DAY_COUNTS
from pricers.time.schedule import FREQUENCIES, RULES, STUBS

COLUMNS: Final = Columns(
    Column("currency", "text", "currency of all flows", required=True, references="currency", example="EUR"),
    Column("notional", "float", "original amount; positive: we lent it", unit="currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=250_000.0),
    Column("drawn_balance", "float", "balance on the valuation date, unsigned; null: as scheduled", unit="currency",
           minimum=0.0, maximum=AMOUNT_MAX),
    Column("interest_rate", "float", "contract rate", unit="decimal a year", required=True, minimum=-1.0, maximum=RATE_MAX, example=0.045),
    Column("start_date", "date", "first day of interest, on which the notional is paid out", required=True, example="2024-03-15"),
    Column("maturity_date", "date", "end of the last interest period", required=True, example="2034-03-15"),
    Column("amortisation", "choice", "how principal is repaid", default="LEVEL_PAYMENT", allowed=AMORTISATIONS),
    Column("frequency", "choice", "how often interest is paid", default="MONTHLY", allowed=FREQUENCIES),
    Column("day_count", "choice", "day count of interest and yields", default="30/360 BOND BASIS", allowed=DAY_COUNTS),
    COUPON_AMOUNT,
    Column("first_payment_date", "date", "end of the first period, unadjusted; null: by frequency", example="2024-05-01"),
    Column("penultimate_payment_date", "date", "start of the last period, unadjusted; null: by frequency"),
    Column("roll_rule", "choice", "side from which regular dates roll: maturity or start", default="BACKWARD", allowed=RULES),
    Column("stub", "choice", "treatment of an irregular remainder", default="NONE", allowed=STUBS),
    Column("end_of_month", "boolean", "keeps payments on month ends if the roll date is a month end", default=False),
    Column("calendar", "text", "business days; null: no holidays, not for BUS/252", references="calendar", example="TARGET"),
    Column("accrual_convention", "choice", "business-day rule of period dates", default="UNADJUSTED", allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_convention", "choice", "business-day rule of payment dates", default="FOLLOWING", allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_lag", "integer", "lag from period end to payment", unit="business days", default=0, minimum=0, maximum=LAG_DAYS_MAX),
    Column("interest_only_end_date", "date", "periods that end (unadjusted) by this date repay no principal; not for CUSTOM"),
    Column("balloon_amount", "float", "principal due at maturity, unsigned; not for BULLET and CUSTOM", unit="currency", default=0.0,
           minimum=0.0, maximum=AMOUNT_MAX),
    Column("principal_dates", "date_list", "CUSTOM: increasing dates; each amount is paid at the end of the period that contains its date"),
    Column("principal_amounts", "float_list", "CUSTOM: repaid parts of the original notional; negative: drawn", unit="currency",
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX),
    Column("prepayment_rate", "float", "constant prepayment rate (CPR)", unit="decimal a year", default=0.0, minimum=0.0, maximum=1.0),
    Column("settlement_lag", "integer", "from valuation to settlement", unit="business days", default=0, minimum=0, maximum=LAG_DAYS_MAX),
    Column("market_clean_price", "float", "quoted clean price; null: none", unit="per 100 of outstanding notional",
           minimum=0.0, maximum=PRICE_MAX),
    Column("discount_curve", "text", "curve that discounts all flows", required=True, references="discount_curve", example="EUR-ESTR"),
    Column("spread_curve", "text", "zero spreads added to the rates of the discount curve; null: none", references="spread_curve",
           example="EUR-SME-BB"),
    Column("credit_spread", "float", "constant zero spread, added to that of spread_curve", unit="decimal a year, continuous, ACT/365F",
           minimum=-RATE_MAX, maximum=RATE_MAX, default=0.0),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower loans to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: not read: the rate is fixed.
    Returns:
        One leg a row with one flow a payment date after `as_of` (and the pay-out of a loan that has not started). Row status:
        INVALID_AMOUNT, INVALID_PRINCIPAL, INVALID_SCHEDULE, INVALID_DATES, DATE_OUT_OF_RANGE, NOT_FINITE or MATURED.
    """
    calendars = contract_calendars(contracts.text("calendar"))
    status = _status_of_terms(contracts)
    status[~calendars.known | lacks_calendar(contracts)] = RowStatus.INVALID_SCHEDULE
    return lower_coupons(contracts, _legs(contracts, calendar=calendars.calendar), tables=calendars.tables, as_of=as_of, status=status)


def _legs(contracts: Contracts, *, calendar: np.ndarray) -> CouponLegs:
    column, rows = contracts.array, contracts.row_count
    dates, amounts = contracts.ragged("principal_dates"), contracts.ragged("principal_amounts")
    return CouponLegs(
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
        rate=column("interest_rate"),
        day_count=column("day_count"),
        by_frequency=pays_by_frequency(contracts),
        is_zero_coupon=np.zeros(rows, bool),
        pays_out=True,
    )


def _status_of_terms(contracts: Contracts) -> UInt8[np.ndarray, " row"]:
    """Status that follows from single terms, before any date is looked at."""
    lags = np.stack([contracts.array("payment_lag"), contracts.array("settlement_lag")])
    lags_valid = np.all((lags >= 0) & (lags <= LAG_DAYS_MAX), axis=0)
    choices = np.minimum.reduce([contracts.array(name) for name in ("amortisation", "frequency", "day_count", "payment_convention")])
    status = np.where(principal_usable(contracts), RowStatus.OK, RowStatus.INVALID_PRINCIPAL)
    status = np.where(amounts_usable(contracts) & np.isfinite(contracts.array("interest_rate")), status, RowStatus.INVALID_AMOUNT)
    return np.where((choices < 0) | ~lags_valid, RowStatus.INVALID_SCHEDULE, status).astype(np.uint8)


def amounts_usable(contracts: Contracts) -> Bool[np.ndarray, " row"]:
    """Whether notional, drawn balance, prepayment rate, spread and price are finite and in their ranges."""
    notional, drawn = contracts.array("notional"), contracts.array("drawn_balance")
    cpr, price = contracts.array("prepayment_rate"), contracts.array("market_clean_price")
    return np.asarray(
        np.isfinite(notional) & np.isfinite(contracts.array("credit_spread")) & (np.abs(notional) > 0.0)
        & (np.isnan(drawn) | ((drawn >= 0.0) & np.isfinite(drawn))) & (cpr >= 0.0) & (cpr <= 1.0)
        & (np.isnan(price) | ((price > 0.0) & np.isfinite(price)))
    )  # fmt: skip


def principal_usable(contracts: Contracts) -> Bool[np.ndarray, " row"]:
    """Whether balloon, given principal and interest-only date fit the amortisation."""
    notional, balloon = np.abs(contracts.array("notional")), contracts.array("balloon_amount")
    custom, bullet = (contracts.array("amortisation") == code for code in (CUSTOM, BULLET))
    date_counts, amount_counts = (np.diff(contracts.ragged(name).offsets) for name in ("principal_dates", "principal_amounts"))
    usable = (balloon >= 0.0) & (balloon <= notional) & (date_counts == amount_counts) & ((date_counts > 0) == custom)
    usable &= (balloon == 0.0) | ~custom & (~bullet | (balloon == notional))
    return np.asarray(usable & ((contracts.array("interest_only_end_date") == NO_DATE) | ~custom))


register(
    PricerSpec(
        product="AMORT_LOAN",
        title="Amortising loan",
        columns=COLUMNS,
        measures=frozenset({*SCALAR_MEASURES, Measure.KEY_RATE_DV01}),
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
