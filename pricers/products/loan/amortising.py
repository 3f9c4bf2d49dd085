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

Instalments: the payment of LEVEL_PAYMENT can be given (`instalment_amount`), be that of a longer `amortisation_term`, or be computed at
interest_rate / frequency while interest counts days (`instalment_basis`: the commercial mortgage of the US). Then the balance rolls forward
from payment to payment, and what is left is due with the last. In a moratorium (`capitalisation_end_date`) nothing is paid and interest
joins the balance. In ADVANCE, the first instalment is paid on the start date and is principal alone, so that the pay-out is net of it; each
later one pays the interest since the last. Rounding (`payment_decimals`) applies to interest and instalments of the original loan; with
`drawn_balance` or prepayment, principal is a share of a rounded amount. `compounding_frequency` m makes the interest of a period balance ×
((1 + interest_rate / m)^(m × year fraction) - 1): a Canadian mortgage is SEMIANNUAL, paid monthly [4].

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
    [4] Canada, Interest Act, section 6.
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, Int32, UInt8

from pricers.contract.calendars_of_contract import contract_calendars, lacks_calendar
from pricers.contract.columns import AMOUNT_MAX, NO_INTEGER, PRICE_MAX, RATE_MAX, Column, Columns, Contracts
from pricers.flows.balances import AMORTISATIONS, BULLET, CUSTOM, LEVEL_PAYMENT, LINEAR
from pricers.flows.cashflows import Lowered
from pricers.flows.conventions import (
    BY_FREQUENCY,
    COMPOUNDING_FREQUENCY,
    COUPON_AMOUNT,
    COUPON_AMOUNTS,
    QUOTING,
    compoundings_a_year,
    pays_by_frequency,
    quotes_on_business_days,
    quoting_of,
)
from pricers.flows.coupon_arrays import LAG_DAYS_MAX, BalanceColumns, CouponLegs, InstalmentColumns, PaymentColumns, ScheduleColumns
from pricers.flows.coupon_leg import lower_coupons
from pricers.flows.instalments import ADVANCE, DECIMALS_MAX, PAYMENT_TIMINGS
from pricers.market.fixings import Fixings
from pricers.measures import BOND_MEASURES
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS
from pricers.time.dates import NO_DATE
from pricers.time.day_count import DAY_COUNTS
from pricers.time.schedule import FREQUENCIES, FREQUENCY_MONTHS, FREQUENCY_PER_YEAR, RULES, STUBS

AMORTISATION_TERM_MAX: Final = 1_200  # months
_CHOICES: Final = ("amortisation", "frequency", "day_count", "payment_convention", "instalment_basis", "payment_timing")
_ONCE: Final = FREQUENCIES.index("ONCE")

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
    Column("day_count", "choice", "of interest; accrued interest and yields by default", default="30/360 BOND BASIS", allowed=DAY_COUNTS),
    *QUOTING,
    COUPON_AMOUNT,
    COMPOUNDING_FREQUENCY,
    Column("payment_dates", "date_list", "unadjusted ends of all periods, in place of those by frequency; maturity may be left out"),
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
    Column("instalment_amount", "float", "LEVEL_PAYMENT: interest and principal of each payment; LINEAR: its principal; the rest is due at "
           "maturity; null: as the balance requires", unit="currency", minimum=0.0, maximum=AMOUNT_MAX),
    Column("instalment_basis", "choice", "LEVEL_PAYMENT: equal payments follow from interest as the loan counts it, or, BY_FREQUENCY, as "
           "rate ÷ frequency", default="BY_DAY_COUNT", allowed=COUPON_AMOUNTS),
    Column("amortisation_term", "integer", "term from the first repayment for which instalments are computed; the rest is due at maturity; "
           "null: to maturity", unit="months", minimum=1, maximum=AMORTISATION_TERM_MAX, example=300),
    Column("principal_frequency", "choice", "LINEAR: how often principal is repaid, a multiple of the interest period; null: frequency",
           allowed=FREQUENCIES),
    Column("payment_timing", "choice", "instalments fall at the ends of periods, or, ADVANCE, at their starts", default="ARREARS",
           allowed=PAYMENT_TIMINGS),
    Column("payment_decimals", "integer", "decimals that interest and instalments are rounded to, halves up; null: not rounded",
           minimum=0, maximum=DECIMALS_MAX),
    Column("capitalisation_end_date", "date", "moratorium: periods that end (unadjusted) by this date pay nothing, and their interest is "
           "added to the balance"),
    Column("negative_amortisation", "boolean", "whether an instalment may be less than the interest, which raises the balance",
           default=False),
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
    status = status_of_terms(contracts)
    status[~calendars.known | lacks_calendar(contracts) | quotes_on_business_days(contracts)] = RowStatus.INVALID_SCHEDULE
    return lower_coupons(
        contracts, coupon_legs(contracts, calendar=calendars.calendar), tables=calendars.tables, as_of=as_of, status=status
    )


def coupon_legs(contracts: Contracts, *, calendar: np.ndarray) -> CouponLegs:
    """Columns for compiled code; `calendar` is int32[row], into the calendar tables."""
    column, rows = contracts.array, contracts.row_count
    dates, amounts, payment_dates = (contracts.ragged(name) for name in ("principal_dates", "principal_amounts", "payment_dates"))
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
            given_offsets=payment_dates.offsets,
            given_dates=payment_dates.values,
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
            instalments=_instalments(contracts),
        ),
        rate=column("interest_rate"),
        day_count=column("day_count"),
        by_frequency=pays_by_frequency(contracts),
        compounding=compoundings_a_year(contracts),
        quoting=quoting_of(contracts),
        is_zero_coupon=np.zeros(rows, bool),
        pays_out=True,
    )


def _instalments(contracts: Contracts) -> InstalmentColumns:
    """Terms of the balances that are rolled forward."""
    term, decimals = contracts.array("amortisation_term"), contracts.array("payment_decimals")
    amount, capitalisation_end = contracts.array("instalment_amount"), contracts.array("capitalisation_end_date")
    by_frequency, in_advance = contracts.array("instalment_basis") == BY_FREQUENCY, contracts.array("payment_timing") == ADVANCE
    per_year, every = FREQUENCY_PER_YEAR[contracts.array("frequency")], _periods_of_principal(contracts)
    has_term = term != NO_INTEGER
    rolls = np.isfinite(amount) | by_frequency | in_advance | has_term | (capitalisation_end != NO_DATE) | (decimals >= 0) | (every > 1)
    return InstalmentColumns(
        rolls=rolls,
        amount=amount,
        term_count=np.where(has_term, term / 12.0 * per_year, np.nan),
        by_frequency=by_frequency,
        capitalisation_end=capitalisation_end,
        may_grow=contracts.array("negative_amortisation"),
        in_advance=in_advance,
        decimals=np.maximum(decimals, -1),
        principal_every=np.maximum(every, 1),
    )


def _periods_of_principal(contracts: Contracts) -> Int32[np.ndarray, " row"]:
    """Interest periods from one payment of principal to the next; 0 where they are no whole number."""
    frequency, given = contracts.array("frequency"), contracts.array("principal_frequency")
    months, principal_months = FREQUENCY_MONTHS[frequency], FREQUENCY_MONTHS[given]
    is_multiple = (months > 0) & (principal_months > 0) & (principal_months % np.maximum(months, 1) == 0)
    every = np.where(is_multiple, principal_months // np.maximum(months, 1), 0)
    return np.where((given < 0) | (given == frequency), 1, every).astype(np.int32)


def _plans_are_usable(contracts: Contracts) -> Bool[np.ndarray, " row"]:
    """Whether the terms of instalments belong to the loan's way of repaying."""
    rule, amount, balloon = (contracts.array(name) for name in ("amortisation", "instalment_amount", "balloon_amount"))
    repays_alike, every = (rule == LEVEL_PAYMENT) | (rule == LINEAR), _periods_of_principal(contracts)
    has_term = contracts.array("amortisation_term") != NO_INTEGER
    in_advance, basis = contracts.array("payment_timing") == ADVANCE, contracts.array("instalment_basis")
    usable = np.isnan(amount) | (repays_alike & (amount > 0.0) & (amount < np.inf) & ~has_term & (balloon == 0.0))
    usable &= ~has_term | ((rule < BULLET) & (contracts.array("amortisation_term") > 0) & (contracts.array("frequency") != _ONCE))
    usable &= (basis != BY_FREQUENCY) | ((rule == LEVEL_PAYMENT) & np.isnan(amount))
    usable &= ~in_advance | (rule < BULLET)
    usable &= (every == 1) | ((rule == LINEAR) & (every > 1) & ~in_advance)
    usable &= (contracts.array("capitalisation_end_date") == NO_DATE) | (rule != CUSTOM)
    usable &= ~contracts.array("negative_amortisation") | (rule == LEVEL_PAYMENT)
    decimals = contracts.array("payment_decimals")
    return np.asarray(usable & ((decimals == NO_INTEGER) | ((decimals >= 0) & (decimals <= DECIMALS_MAX))))


def status_of_terms(contracts: Contracts) -> UInt8[np.ndarray, " row"]:
    """Status that follows from single terms, before any date is looked at."""
    notional, drawn = contracts.array("notional"), contracts.array("drawn_balance")
    cpr, price = contracts.array("prepayment_rate"), contracts.array("market_clean_price")
    balloon, custom, bullet = contracts.array("balloon_amount"), *(contracts.array("amortisation") == code for code in (CUSTOM, BULLET))
    date_counts, amount_counts = (np.diff(contracts.ragged(name).offsets) for name in ("principal_dates", "principal_amounts"))
    lags = np.stack([contracts.array("payment_lag"), contracts.array("settlement_lag")])
    lags_valid = np.all((lags >= 0) & (lags <= LAG_DAYS_MAX), axis=0)
    finite = np.isfinite(notional) & np.isfinite(contracts.array("interest_rate")) & np.isfinite(contracts.array("credit_spread"))
    finite &= contracts.array("interest_rate") > -np.where(
        contracts.array("compounding_frequency") < 0, np.inf, compoundings_a_year(contracts)
    )
    amounts_usable = (
        finite & (np.abs(notional) > 0.0) & (np.isnan(drawn) | ((drawn >= 0.0) & np.isfinite(drawn))) & (cpr >= 0.0) & (cpr <= 1.0)
        & (np.isnan(price) | ((price > 0.0) & np.isfinite(price)))
    )  # fmt: skip
    principal_usable = (balloon >= 0.0) & (balloon <= np.abs(notional)) & (date_counts == amount_counts) & ((date_counts > 0) == custom)
    principal_usable &= (balloon == 0.0) | ~custom & (~bullet | (balloon == np.abs(notional)))
    principal_usable &= (contracts.array("interest_only_end_date") == NO_DATE) | ~custom
    principal_usable &= _plans_are_usable(contracts)
    choices = np.minimum.reduce([contracts.array(name) for name in _CHOICES])
    status = np.where(principal_usable, RowStatus.OK, RowStatus.INVALID_PRINCIPAL)
    status = np.where(amounts_usable, status, RowStatus.INVALID_AMOUNT)
    return np.where((choices < 0) | ~lags_valid, RowStatus.INVALID_SCHEDULE, status).astype(np.uint8)


register(
    PricerSpec(
        product="AMORT_LOAN",
        title="Amortising loan",
        columns=COLUMNS,
        measures=BOND_MEASURES,
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
