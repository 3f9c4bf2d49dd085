"""FIXED_BOND: a bond with a fixed coupon, bullet or sinking, with ex-coupon period, settlement lag and credit spread.

A bond has one leg. The coupon of a period is outstanding notional × coupon_rate × year fraction, simple; with `coupon_amount` BY_FREQUENCY,
as the market pays on 30/360, that of a regular period is outstanding notional × coupon_rate / frequency, and yields take the period for as
long. With `compounding_frequency` m, a period pays notional × ((1 + coupon_rate / m)^(m × year fraction) - 1), as Brazil's notes do.
Accrued interest always counts days. Principal is repaid on coupon payment dates: the sinking amounts at par, the remainder at maturity at
`redemption` per 100. Positive `notional` is a bond owned (coupons and redemption are received), negative is a bond issued or sold short.

From its ex-coupon date a coupon belongs to the former holder and has no value. The present value excludes coupons that are ex on the
valuation date. Prices, yields and durations refer to the settlement date and exclude coupons that are ex on that date; accrued interest is
negative in the ex-coupon period. A bond not yet issued settles on its issue date at the earliest. The pricer refuses principal that sinks
between two coupons that both trade ex-coupon (INVALID_SCHEDULE), because an ex-coupon period is shorter than a coupon period.

Yields compound at `yield_frequency` on `yield_day_count`, by default those of the coupon, or follow another `yield_convention`: with w the
first payment's time beyond whole periods, T the time to maturity and N the frequency, STREET is compounded, but simple when one coupon
period is left; TREASURY divides Σ amount × (1 + y/N)^(-N (t - w)) by 1 + y w [5]; JAPANESE_SIMPLE is (coupon + (redemption - clean price) /
T) / clean price, without leap days; DISCOUNT (1 - price / redemption) / T and MONEY_MARKET (redemption / price - 1) / T are for bonds with
one payment left.

ACT/ACT ICMA measures a first or last stub in coupon periods, rolled one from the other from its regular end, on month ends if the schedule
keeps to month ends: a long first coupon from 2023-10-15 to 2024-05-31, quarterly on month ends, is two whole periods from 2023-11-30
and 46 days of 91: 0.6264 years. The length of an irregular period between two others, and of the single period of ONCE or ZERO, is measured
in whole months.

BY_DAY_COUNT, all numbers equal QuantLib's. The cash flows equal those of FixedRateBond and AmortizingFixedRateBond [1], with an
ActualActual that has the schedule, extended beyond both ends where there is a long stub. The present value equals that of
DiscountingBondEngine [2], yields and durations equal those of BondFunctions, compounded at the coupon frequency on the coupon's day
count [3]. BY_FREQUENCY, prices at a yield equal those of the securities industry's formula, Excel's PRICE [4].

Example: 1,000,000 at 3 % annually to 2027-01-15, valued on 2026-01-15 on a flat 3 % curve (continuous), is worth
1,030,000 × exp(-0.03) = 999,559.

References:
    [1] QuantLib, ql/cashflows/fixedratecoupon.cpp (FixedRateLeg), ql/instruments/bond.cpp, ql/instruments/bonds.
    [2] QuantLib, ql/pricingengines/bond/discountingbondengine.cpp.
    [3] QuantLib, ql/pricingengines/bond/bondfunctions.cpp, ql/cashflows/cashflows.cpp.
    [4] J. Mayle, Standard Securities Calculation Methods, vol. 1; Microsoft, Excel, PRICE function.
    [5] US Treasury, 31 CFR 356, appendix B.
"""

from typing import Final

import numpy as np
from jaxtyping import UInt8

from pricers.contract.calendars_of_contract import contract_calendars, lacks_calendar
from pricers.contract.columns import AMOUNT_MAX, PRICE_MAX, RATE_MAX, Column, Columns, Contracts, end_to_end
from pricers.flows.balances import SINKING
from pricers.flows.cashflows import Lowered
from pricers.flows.conventions import (
    COMPOUNDING_FREQUENCY,
    COUPON_AMOUNT,
    QUOTING,
    YIELD_CONVENTION,
    compoundings_a_year,
    pays_by_frequency,
    quotes_on_business_days,
    quoting_of,
)
from pricers.flows.coupon_arrays import LAG_DAYS_MAX, BalanceColumns, CouponLegs, PaymentColumns, ScheduleColumns
from pricers.flows.coupon_leg import lower_coupons
from pricers.flows.instalments import no_instalments
from pricers.market.fixings import Fixings
from pricers.measures import BOND_MEASURES
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS, CalendarTables
from pricers.time.dates import NO_DATE
from pricers.time.day_count import DAY_COUNTS
from pricers.time.schedule import FREQUENCIES, RULES, STUBS

_ONCE: Final = FREQUENCIES.index("ONCE")

COLUMNS: Final = Columns(
    Column("currency", "text", "currency of all flows", required=True, references="currency", example="EUR"),
    Column("notional", "float", "face amount at issue; positive: we own the bond", unit="currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=1_000_000.0),
    Column("coupon_rate", "float", "annual coupon; 0 for a zero-coupon bond", unit="decimal a year", required=True,
           minimum=-1.0, maximum=RATE_MAX, example=0.03),
    Column("issue_date", "date", "the bond trades from this date", required=True, example="2025-01-15"),
    Column("maturity_date", "date", "end of the last coupon period", required=True, example="2035-01-15"),
    Column("interest_start_date", "date", "first day of interest (dated date); null: issue_date"),
    Column("frequency", "choice", "how often coupons are paid; ONCE: at maturity", default="ANNUAL", allowed=FREQUENCIES),
    Column("day_count", "choice", "of coupons; of accrued interest and yields by default", default="ACT/ACT ICMA", allowed=DAY_COUNTS),
    *QUOTING,
    YIELD_CONVENTION,
    COUPON_AMOUNT,
    COMPOUNDING_FREQUENCY,
    Column("coupon_dates", "date_list", "unadjusted ends of all coupon periods, in place of those by frequency; maturity may be left out"),
    Column("first_coupon_date", "date", "end of the first period, unadjusted; null: by frequency", example="2026-01-15"),
    Column("penultimate_coupon_date", "date", "start of the last period, unadjusted; null: by frequency"),
    Column("roll_rule", "choice", "side from which regular dates roll: maturity or start", default="BACKWARD", allowed=RULES),
    Column("stub", "choice", "treatment of an irregular remainder", default="NONE", allowed=STUBS),
    Column("end_of_month", "boolean", "keeps coupons on month ends if the roll date is a month end", default=False),
    Column("calendar", "text", "business days of schedule and payments; null: no holidays, not for BUS/252", references="calendar",
           example="TARGET"),
    Column("accrual_convention", "choice", "business-day rule of period dates", default="UNADJUSTED", allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_convention", "choice", "business-day rule of payment dates", default="FOLLOWING", allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_lag", "integer", "lag from period end to payment", unit="business days", default=0, minimum=0, maximum=LAG_DAYS_MAX),
    Column("ex_coupon_days", "integer", "from ex-coupon date to payment; 0: none", unit="business days of ex_coupon_calendar", default=0,
           minimum=0, maximum=LAG_DAYS_MAX),
    Column("ex_coupon_calendar", "text", "business days of the ex-coupon period; null: calendar days", references="calendar", example="UK"),
    Column("settlement_lag", "integer", "from valuation to settlement", unit="business days", default=2, minimum=0, maximum=LAG_DAYS_MAX),
    Column("settlement_calendar", "text", "business days of settlement; null: those of calendar", references="calendar", example="TARGET"),
    Column("redemption", "float", "price repaid at maturity", unit="per 100 of outstanding notional", default=100.0,
           minimum=0.0, maximum=PRICE_MAX),
    Column("sinking_dates", "date_list", "increasing dates of early repayments, each paid with the coupon of the period that contains it"),
    Column("sinking_amounts", "float_list", "parts of the face amount repaid at par on sinking_dates, unsigned", unit="currency",
           maximum=AMOUNT_MAX),
    Column("market_clean_price", "float", "quoted clean price; null: none", unit="per 100 of outstanding notional",
           minimum=0.0, maximum=PRICE_MAX),
    Column("discount_curve", "text", "curve that discounts all flows", required=True, references="discount_curve", example="EUR-ESTR"),
    Column("spread_curve", "text", "zero spreads added to the rates of the discount curve; null: none", references="spread_curve",
           example="EUR-CORP-A"),
    Column("credit_spread", "float", "constant zero spread, added to that of spread_curve", unit="decimal a year, continuous, ACT/365F",
           minimum=-RATE_MAX, maximum=RATE_MAX, default=0.0),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower bonds to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: not read: the rate is fixed.
    Returns:
        One leg a row with one flow a payment date after `as_of`; two on a date whose coupon, but not whose principal, trades ex-coupon
        at settlement. Row status: INVALID_AMOUNT, INVALID_PRINCIPAL, INVALID_SCHEDULE, INVALID_DATES, DATE_OUT_OF_RANGE or MATURED.
    """
    legs, tables, calendars_known = legs_of(contracts)
    status = status_of_terms(contracts)
    status[~calendars_known | lacks_calendar(contracts) | quotes_on_business_days(contracts)] = RowStatus.INVALID_SCHEDULE
    status[(status == RowStatus.OK) & (legs.payment.issue >= legs.schedule.maturity)] = RowStatus.INVALID_DATES
    return lower_coupons(contracts, legs, tables=tables, as_of=as_of, status=status)


def legs_of(contracts: Contracts) -> tuple[CouponLegs, CalendarTables, np.ndarray]:
    """Columns for compiled code, the calendars that they point into, and whether all three calendars of a row are known."""
    column, rows = contracts.array, contracts.row_count
    dates, amounts, coupon_dates = (contracts.ragged(name) for name in ("sinking_dates", "sinking_amounts", "coupon_dates"))
    calendar, settlement = contracts.text("calendar"), contracts.text("settlement_calendar")
    found = contract_calendars(end_to_end((calendar, settlement, contracts.text("ex_coupon_calendar"))))
    of_schedule, of_settlement, of_ex_coupon = found.calendar.reshape(3, rows)
    interest_start = contracts.array("interest_start_date")
    legs = CouponLegs(
        schedule=ScheduleColumns(
            start=np.where(interest_start != NO_DATE, interest_start, contracts.array("issue_date")),
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
            settlement_calendar=np.where(settlement.codes < 0, of_schedule, of_settlement),
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
        rate=column("coupon_rate"),
        day_count=column("day_count"),
        by_frequency=pays_by_frequency(contracts),
        compounding=compoundings_a_year(contracts),
        quoting=quoting_of(contracts),
        is_zero_coupon=(contracts.array("frequency") == _ONCE) & (contracts.array("coupon_rate") == 0.0),
        pays_out=False,
    )
    return legs, found.tables, np.logical_and.reduce(found.known.reshape(3, rows))


def status_of_terms(contracts: Contracts) -> UInt8[np.ndarray, " row"]:
    """Status that follows from single terms, before any date is looked at."""
    notional, price = contracts.array("notional"), contracts.array("market_clean_price")
    redemption = contracts.array("redemption")
    finite = np.isfinite(notional) & np.isfinite(contracts.array("coupon_rate")) & np.isfinite(contracts.array("credit_spread"))
    finite &= contracts.array("coupon_rate") > -np.where(
        contracts.array("compounding_frequency") < 0, np.inf, compoundings_a_year(contracts)
    )
    usable = (
        finite & (notional != 0.0) & np.isfinite(redemption) & (redemption >= 0.0) & (np.isnan(price) | ((price > 0.0) & (price < np.inf)))
    )
    sinking = np.diff(contracts.ragged("sinking_dates").offsets) == np.diff(contracts.ragged("sinking_amounts").offsets)
    choices = np.minimum.reduce([contracts.array(name) for name in ("frequency", "day_count", "payment_convention", "yield_convention")])
    lags = np.stack([contracts.array(name) for name in ("payment_lag", "ex_coupon_days", "settlement_lag")])
    lags_valid = np.all((lags >= 0) & (lags <= LAG_DAYS_MAX), axis=0)
    status = np.where(sinking, RowStatus.OK, RowStatus.INVALID_PRINCIPAL)
    status = np.where(usable, status, RowStatus.INVALID_AMOUNT)
    return np.where((choices < 0) | ~lags_valid, RowStatus.INVALID_SCHEDULE, status).astype(np.uint8)


register(
    PricerSpec(
        product="FIXED_BOND",
        title="Fixed-rate bond",
        columns=COLUMNS,
        measures=BOND_MEASURES,
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
