"""CREDIT_DEFAULT_SWAP: protection against the default of a reference entity, by the ISDA standard model.

The buyer of protection pays a running premium, `coupon_rate` on the notional, until maturity or default, and on default receives
notional × (1 - recovery_rate). Positive `notional` buys protection. With D the factor of the discount curve and Q that of the credit curve,
which is the probability of survival, one leg has

    premium             -N c τ_i              at D(pay_i) Q(pay_i - 1 day), for each period paid after the valuation date
    accrued on default  -N c × 365/360        × Σ_i ∫ (years since the period's start) D dF            (DEFAULT_ACCRUAL)
    protection          +N (1 - recovery)     × ∫ D dF from the start of protection to maturity        (PROTECTION)
    up front            -N × upfront_rate or -upfront_amount, and + premium accrued to the step-in date, on `upfront_payment_date`

where F = 1 - Q. The integrals are exact for forward rates and hazard rates that are constant between pillars [1]: both curves must be
LOG_LINEAR_DISCOUNT. Premium accrued on default counts half a day more, as a default happens in the middle of a day [2].

Schedule: periods roll back from maturity, quarterly; standard contracts mature on the 20th of March, June, September or December. Period
ends move to the following business day, except maturity; the last period includes the maturity date. The first premium is paid in
full; what accrued before the step-in date, the day after the trade, is rebated with the upfront payment. `start_date` is the first day
of the running period at trade; null: the last roll date, adjusted, that is not after the step-in date.

A premium is due until it is paid: one that is paid on the day after the valuation date counts. QuantLib's engine values a swap
entered into on the valuation date and leaves it out; that is so here where protection starts on that day.

`credit_curve` is a curve of hazard rates; `recovery_rate` is the contract's own and does not follow the curve. For a trade on an index,
`index_factor` is the share of the notional whose names have not defaulted.

References:
    [1] R. White (2014), The Pricing and Risk Management of Credit Default Swaps, with a Focus on the ISDA Model.
    [2] ISDA CDS Standard Model, versions to 1.8.2; QuantLib, ql/pricingengines/credit/isdacdsengine.cpp.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import UInt8

from pricers.contract.calendars_of_contract import contract_calendars
from pricers.contract.columns import AMOUNT_MAX, RATE_MAX, Column, Columns, Contracts, Text
from pricers.flows.cashflows import NO_CURVE, Cashflows, Lowered, QuotedRate, Shape, Term
from pricers.flows.default_swap import (
    PREMIUM_LEG,
    UPFRONT_LEG,
    SwapColumns,
    SwapFlows,
    fill_accrual_starts,
    fill_upfront_days,
    swap_flows,
)
from pricers.market.fixings import Fixings
from pricers.market.market import CurveKind
from pricers.measures import Measure
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import FIRST_DAY, FOLLOWING, LAST_DAY, CalendarTables, adjust_days
from pricers.time.dates import NO_DATE
from pricers.time.schedule import FREQUENCIES, FREQUENCY_MONTHS

RESTRUCTURINGS: Final = ("CR", "MR", "MM", "XR", "CR14", "MR14", "MM14", "XR14")
SENIORITIES: Final = ("SNRFOR", "SNRLAC", "SUBLT2", "SECDOM", "JRSUBUT2", "PREFT1")
DAY_COUNTS: Final = ("ACT/360", "ACT/365F")
_YEAR_DAYS: Final = np.array([360.0, 365.0])

COLUMNS: Final = Columns(
    Column("currency", "text", "currency of all flows", required=True, references="currency", example="USD"),
    Column("notional", "float", "protected amount; positive: protection bought", unit="currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=10_000_000.0),
    Column("index_factor", "float", "share of the notional that is left, of a trade on an index", default=1.0, minimum=0.0, maximum=1.0),
    Column("coupon_rate", "float", "running premium", unit="decimal a year", required=True, minimum=0.0, maximum=RATE_MAX, example=0.01),
    Column("recovery_rate", "float", "share of the notional recovered on default", default=0.4, minimum=0.0, maximum=1.0),
    Column("maturity_date", "date", "last day of protection", required=True, example="2031-06-20"),
    Column("trade_date", "date", "day on which the contract was agreed", example="2026-03-13"),
    Column("start_date", "date", "first day of the first premium period; null: the last roll date by step_in_date", example="2025-12-22"),
    Column("first_coupon_date", "date", "end of the first period, unadjusted; null: by frequency"),
    Column("step_in_date", "date", "day from which the premium is the buyer's; null: the day after trade_date"),
    Column("protection_start", "date", "first day of protection; null: step_in_date, else the first day of premium"),
    Column("frequency", "choice", "how often premium is paid", default="QUARTERLY", allowed=FREQUENCIES),
    Column("day_count", "choice", "day count of premium", default="ACT/360", allowed=DAY_COUNTS),
    Column("calendar", "text", "business days", default="WEEKENDS_ONLY", references="calendar", example="WEEKENDS_ONLY"),
    Column("pay_accrual_on_default", "boolean", "whether premium accrued up to default is paid", default=True),
    Column("upfront_rate", "float", "price of the protection, paid up front; negative: the buyer receives it", unit="of notional",
           minimum=-1.0, maximum=1.0),
    Column("upfront_amount", "float", "the same as an amount; one of the two or none", unit="currency", minimum=-AMOUNT_MAX,
           maximum=AMOUNT_MAX),
    Column("upfront_payment_date", "date", "day of the upfront payment; null: 3 business days after trade_date"),
    Column("rebates_accrual", "boolean", "whether premium accrued by step_in_date is returned with the upfront payment", default=True),
    Column("discount_curve", "text", "curve that discounts all flows", required=True, references="discount_curve", example="USD-SOFR"),
    Column("credit_curve", "text", "hazard rates of the reference entity", required=True, references="credit_curve", example="ACME-SNRFOR"),
    Column("reference_entity", "text", "name of the reference entity; not read", example="ACME"),
    Column("seniority", "choice", "tier of the protected debt; not read", allowed=SENIORITIES),
    Column("restructuring", "choice", "whether restructuring is a credit event, by document clause; not read", allowed=RESTRUCTURINGS),
    Column("red_code", "text", "Markit's code of entity and obligation; not read"),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower swaps to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: not read.
    Returns:
        One leg a row: upfront payments, premiums, premium accrued on default, protection; `contract_leg` is 0 for premium, 1 for
        protection, 2 for upfront payments. Row status: INVALID_AMOUNT, INVALID_DATES, INVALID_SCHEDULE, DATE_OUT_OF_RANGE or MATURED.
    """
    discount, credit = _never_null(contracts.text("discount_curve")), _never_null(contracts.text("credit_curve"))
    calendars = contract_calendars(contracts.text("calendar"))
    terms = _columns(contracts, calendars.calendar, tables=calendars.tables)
    status = _status_of_terms(contracts, terms)
    status[~calendars.known & (status == RowStatus.OK)] = RowStatus.INVALID_SCHEDULE
    flows = swap_flows(terms, discount=discount, credit=credit, tables=calendars.tables, as_of=as_of, status=status)
    shapes, leg_shape = _shapes(discount, credit)
    row = np.repeat(np.arange(contracts.row_count), np.diff(flows.offsets))
    premium, up_front, on_default = (leg_shape[row], leg_shape[row] + len(shapes) // 2, np.full(row.size, len(shapes) - 1))
    flow_shape = np.where(flows.special >= 0, on_default, np.where(flows.contract_leg == UPFRONT_LEG, up_front, premium))
    cashflows = Cashflows(
        row_count=contracts.row_count,
        leg_offsets=np.arange(contracts.row_count + 1, dtype=np.int64),
        leg_currency=contracts.text("currency"),
        leg_credit_spread=np.zeros(contracts.row_count),
        flow_offsets=flows.offsets,
        shapes=shapes,
        leg_shape=leg_shape,
        pay_day=flows.pay_day,
        ex_day=flows.pay_day,
        amount=flows.amount,
        principal=np.zeros(row.size),
        flow_shape=flow_shape.astype(np.int32),
        contract_leg=flows.contract_leg,
        specials=flows.specials,
        flow_special=flows.special,
    )
    return Lowered(
        as_of=as_of,
        status=flows.status,
        native_currency=contracts.text("currency"),
        cashflows=cashflows,
        price_terms=None,
        loss_given_default=terms.loss,
        quoted_rates=(_quoted_premium(cashflows, flows, terms),),
    )


def _quoted_premium(cashflows: Cashflows, flows: SwapFlows, terms: SwapColumns) -> QuotedRate:
    """The premium rate that is worth the protection, premium given back by the seller deducted; none of a contract without premium."""
    row = np.repeat(np.arange(cashflows.row_count), np.diff(flows.offsets))
    is_up_front = flows.contract_leg == UPFRONT_LEG
    first = np.flatnonzero(is_up_front)[np.unique(row[is_up_front], return_index=True)[1]]
    is_price = np.zeros(row.size, np.bool_)
    is_price[first] = terms.upfront[row[first]] != 0.0  # the price of the protection comes before the premium given back
    coupon = np.where(terms.coupon > 0.0, terms.coupon, np.nan)
    is_premium = ((flows.contract_leg == PREMIUM_LEG) | (is_up_front & ~is_price)) & (terms.coupon[row] > 0.0)
    annuity = _with_flows(cashflows, row, is_premium, amount=flows.amount / coupon[row])
    apart = _with_flows(cashflows, row, is_price, amount=flows.amount) if is_price.any() else None
    return QuotedRate(Measure.BREAKEVEN_SPREAD, coupon, annuity, apart)


def _with_flows(cashflows: Cashflows, row: np.ndarray, chosen: np.ndarray, *, amount: np.ndarray) -> Cashflows:
    """Some of the flows, with other amounts."""
    names = ("pay_day", "ex_day", "principal", "flow_shape", "contract_leg", "flow_special")
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(row[chosen], minlength=cashflows.row_count))])
    return replace(cashflows, flow_offsets=offsets, amount=amount[chosen], **{name: getattr(cashflows, name)[chosen] for name in names})


def _never_null(curve: Text) -> Text:
    """The names, with NO_CURVE for null."""
    return Text(np.where(curve.codes >= 0, curve.codes, len(curve.names)).astype(np.int32), (*curve.names, NO_CURVE))


def _shapes(discount: Text, credit: Text) -> tuple[tuple[Shape, ...], np.ndarray]:
    """For each pair of curves the shape of premiums, then for each that of upfront payments, then the empty shape of what is paid on
    default; and int32[row]: the pair of each row."""
    codes, of_row = np.unique(discount.codes.astype(np.int64) * len(credit.names) + credit.codes, return_inverse=True)
    pairs = [(discount.names[code // len(credit.names)], credit.names[code % len(credit.names)]) for code in codes.tolist()]
    premiums = [(Term(rate), Term(hazard, 1, kind=CurveKind.HAZARD)) for rate, hazard in pairs]
    return (*premiums, *((Term(rate),) for rate, _ in pairs), ()), of_row.astype(np.int32)


def _columns(contracts: Contracts, calendar: np.ndarray, *, tables: CalendarTables) -> SwapColumns:
    column = contracts.array
    trade, maturity, step_in = column("trade_date"), column("maturity_date"), column("step_in_date").copy()
    step_in[(step_in == NO_DATE) & (trade != NO_DATE)] = trade[(step_in == NO_DATE) & (trade != NO_DATE)] + 1
    start, upfront_day = column("start_date").copy(), column("upfront_payment_date").copy()
    months = FREQUENCY_MONTHS[np.maximum(column("frequency"), 0)]
    fill_accrual_starts(maturity, step_in, months, calendar, tables, start)
    fill_upfront_days(trade, calendar, tables, upfront_day)
    first_day = adjust_days(start, convention=FOLLOWING, calendar=calendar, tables=tables)
    protection = column("protection_start")
    protection = np.where(protection != NO_DATE, protection, np.where(step_in != NO_DATE, step_in, first_day))
    notional = column("notional") * column("index_factor")
    rate, amount = column("upfront_rate"), column("upfront_amount")
    upfront = np.where(np.isnan(rate), np.where(np.isnan(amount), 0.0, np.sign(notional) * amount), notional * rate)
    return SwapColumns(
        start=start,
        maturity=maturity,
        first_coupon=column("first_coupon_date"),
        frequency=column("frequency"),
        calendar=calendar,
        year_days=_YEAR_DAYS[np.maximum(column("day_count"), 0)],
        protection_start=protection,
        step_in=np.where(column("rebates_accrual"), step_in, NO_DATE).astype(np.int32),
        upfront_day=upfront_day,
        notional=notional,
        coupon=column("coupon_rate"),
        upfront=upfront,
        loss=1.0 - column("recovery_rate"),
        accrues=column("pay_accrual_on_default"),
    )


def _status_of_terms(contracts: Contracts, terms: SwapColumns) -> UInt8[np.ndarray, " row"]:
    """Status that follows from the terms, before any schedule is made."""
    column = contracts.array
    trade, maturity = column("trade_date"), column("maturity_date")
    amounts = np.stack([terms.notional, terms.coupon, terms.upfront, terms.loss])
    usable = np.isfinite(amounts).all(axis=0) & (column("notional") != 0.0) & (terms.coupon >= 0.0)
    usable &= (terms.loss > 0.0) & (terms.loss <= 1.0) & (column("index_factor") >= 0.0) & (column("index_factor") <= 1.0)
    usable &= np.isnan(column("upfront_rate")) | np.isnan(column("upfront_amount"))
    in_order = (terms.start != NO_DATE) & (terms.protection_start != NO_DATE) & (terms.protection_start <= maturity)
    in_order &= (terms.upfront_day != NO_DATE) | (terms.upfront == 0.0)
    in_order &= (trade == NO_DATE) | ((trade < maturity) & ((column("step_in_date") == NO_DATE) | (column("step_in_date") >= trade)))
    in_order &= (trade == NO_DATE) | (terms.upfront_day == NO_DATE) | (terms.upfront_day >= trade)
    choices = np.minimum(column("frequency"), column("day_count"))
    status = np.where(in_order, RowStatus.OK, RowStatus.INVALID_DATES)
    for date in (trade, maturity):
        status[(date != NO_DATE) & ((date < FIRST_DAY) | (date > LAST_DAY))] = RowStatus.DATE_OUT_OF_RANGE
    status = np.where(usable, status, RowStatus.INVALID_AMOUNT)
    return np.where(choices < 0, RowStatus.INVALID_SCHEDULE, status).astype(np.uint8)


register(
    PricerSpec(
        product="CREDIT_DEFAULT_SWAP",
        title="Credit default swap",
        columns=COLUMNS,
        measures=frozenset(
            {
                Measure.PV,
                Measure.PV_BASE,
                Measure.DV01,
                Measure.CS01,
                Measure.FX_DELTA,
                Measure.THETA_1D,
                Measure.KEY_RATE_DV01,
                Measure.BREAKEVEN_SPREAD,
                Measure.JUMP_TO_DEFAULT,
                Measure.RECOVERY01,
            }
        ),
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
