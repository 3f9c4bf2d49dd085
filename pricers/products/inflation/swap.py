"""INFLATION_SWAP: zero-coupon and year-on-year swaps of a price index's growth against a fixed rate.

With R(d) the reference level of a day (see `pricers.flows.price_index`), a positive notional N receives and pays

    ZERO_COUPON   at maturity N × (R(maturity) / R(start) - 1) and N × ((1 + fixed_rate)^T - 1)
    YEAR_ON_YEAR  for each period N × years × (R(end) / R(start) - 1) and N × years × fixed_rate

where start and end are those of the period, and T and years count on `day_count` from the one to the other. Levels that are published are
read from the market's fixings, later ones from the index's inflation curve. The forecast ratio of YEAR_ON_YEAR is the ratio of the
forecasts: it has no convexity adjustment for the correlation of index and rates. Flows paid on or before the valuation date have no value.

References:
    [1] QuantLib, ql/instruments/zerocouponinflationswap.cpp, ql/instruments/yearonyearinflationswap.cpp.
    [2] J. Kerkhof (2005), Inflation Derivatives Explained, Lehman Brothers, sections 3 and 5.
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float

from pricers.contract.calendars_of_contract import contract_calendars, lacks_calendar
from pricers.contract.columns import AMOUNT_MAX, RATE_MAX, Column, Columns, Contracts, Text
from pricers.flows.balances import SINKING
from pricers.flows.cashflows import Cashflows, Lowered, discounted_by
from pricers.flows.conventions import quoted_by_coupon
from pricers.flows.coupon_arrays import LAG_DAYS_MAX, BalanceColumns, CouponLegs, PaymentColumns, ScheduleColumns
from pricers.flows.coupon_leg import coupon_flows
from pricers.flows.index_linked import NO_FLOOR, IndexRatios, curves_of, index_shapes, ratio_parts, refuse_missing
from pricers.flows.instalments import no_instalments
from pricers.flows.output import LegFlows
from pricers.flows.price_index import INDEX_COLUMNS, INDEX_MAX, PriceIndices, ReferenceLevels, indices_of, reference_levels
from pricers.kernels.vector_math import expm1_of, log_of
from pricers.market.fixings import Fixings
from pricers.measures import Measure
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS, CalendarTables
from pricers.time.dates import NO_DATE
from pricers.time.day_count import DAY_COUNTS
from pricers.time.schedule import FREQUENCIES, RULES, STUBS

ZERO_COUPON, YEAR_ON_YEAR = range(2)
KINDS: Final = ("ZERO_COUPON", "YEAR_ON_YEAR")
"""When growth is paid: that of the whole life at maturity, or that of each period at its end; the index is the code."""
INFLATION_LEG, FIXED_LEG = range(2)
_ONCE: Final = FREQUENCIES.index("ONCE")
_BACKWARD: Final = RULES.index("BACKWARD")
_NO_STUB: Final = STUBS.index("NONE")

COLUMNS: Final = Columns(
    Column("currency", "text", "currency of all flows", required=True, references="currency", example="EUR"),
    Column("notional", "float", "positive receives inflation and pays the fixed rate", unit="currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=10_000_000.0),
    Column("kind", "choice", "ZERO_COUPON: growth of the whole life at maturity; YEAR_ON_YEAR: of each period", default="ZERO_COUPON",
           allowed=KINDS),
    Column("fixed_rate", "float", "fixed rate; of ZERO_COUPON, compounded annually", unit="decimal a year", required=True, minimum=-0.99,
           maximum=RATE_MAX, example=0.0215),
    *INDEX_COLUMNS,
    Column("base_index", "float", "of ZERO_COUPON: reference level on the start date; null: by the index", unit="index points",
           minimum=0.0, maximum=INDEX_MAX),
    Column("start_date", "date", "first day of growth", required=True, example="2025-01-15"),
    Column("maturity_date", "date", "last day of growth", required=True, example="2035-01-15"),
    Column("frequency", "choice", "of YEAR_ON_YEAR: how often growth is paid", default="ANNUAL", allowed=FREQUENCIES),
    Column("day_count", "choice", "of the fixed rate, and of growth of YEAR_ON_YEAR", default="30E/360", allowed=DAY_COUNTS),
    Column("calendar", "text", "business days of periods and payments; null: no holidays, not for BUS/252", references="calendar",
           example="TARGET"),
    Column("accrual_convention", "choice", "business-day rule of period dates", default="UNADJUSTED", allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_convention", "choice", "business-day rule of payment dates", default="MODIFIED_FOLLOWING",
           allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_lag", "integer", "lag from period end to payment", unit="business days", default=0, minimum=0, maximum=LAG_DAYS_MAX),
    Column("discount_curve", "text", "curve that discounts all flows", required=True, references="discount_curve", example="EUR-ESTR"),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower swaps to one leg each, with flows of the inflation leg and of the fixed leg.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
    Returns:
        One leg a row. Growth that is published is one flow; of other growth, the ratio is a flow for each month that it rests on, and the 1
        that is subtracted is another. Row status: INVALID_AMOUNT, INVALID_SCHEDULE, INVALID_DATES, DATE_OUT_OF_RANGE, MATURED,
        MISSING_INDEX, INDEX_MISMATCH or MISSING_FIXING.
    """
    found = indices_of(contracts, fixings=fixings)
    legs, tables, calendars_known = _legs(contracts)
    status = _status_of_terms(contracts)
    status[(status == RowStatus.OK) & (~calendars_known | lacks_calendar(contracts))] = RowStatus.INVALID_SCHEDULE
    status = np.where(status == RowStatus.OK, found.status, status).astype(np.uint8)
    coupons = coupon_flows(legs, tables=tables, as_of=as_of, status=status, has_periods=True)
    messages: dict[int, str] = {}
    row = np.repeat(np.arange(contracts.row_count), np.diff(coupons.flow_offsets))
    above = reference_levels(found, row, coupons.period_end[: row.size], fixings=fixings, as_of=as_of)
    below = _levels_below(contracts, coupons, found, row, fixings=fixings, as_of=as_of)
    refuse_missing(found, row, below, status=status, messages=messages)
    refuse_missing(found, row, above, status=status, messages=messages)
    kept = np.flatnonzero(status[row] == RowStatus.OK)
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=_cashflows(contracts, coupons, found, kept, row[kept], above.of(kept), below.of(kept)),
        price_terms=None,
        messages=messages,
    )


def _is_zero_coupon(contracts: Contracts) -> Bool[np.ndarray, " row"]:
    flags: np.ndarray = contracts.array("kind") == ZERO_COUPON
    return flags


def _levels_below(
    contracts: Contracts, coupons: LegFlows, found: PriceIndices, row: np.ndarray, *, fixings: Fixings, as_of: int
) -> ReferenceLevels:
    """Levels that growth starts from; the contract's own where it has one."""
    levels = reference_levels(found, row, coupons.period_start[: row.size], fixings=fixings, as_of=as_of)
    given = np.where(_is_zero_coupon(contracts), contracts.array("base_index"), np.nan)[row]
    return levels.replaced(given)


def _cashflows(
    contracts: Contracts, coupons: LegFlows, found: PriceIndices, kept: np.ndarray, row: np.ndarray, above: ReferenceLevels,
    below: ReferenceLevels,
) -> Cashflows:  # fmt: skip
    """Flows of the coupons `kept`, which belong to rows `row` and have these levels."""
    rows, pay_day = contracts.row_count, coupons.pay_day[kept]
    multiplied, fixed = _amounts(contracts, coupons.amount[kept], row)
    curve = curves_of(found)
    ratios = IndexRatios(above, below, np.full(kept.size, NO_FLOOR), np.full(kept.size, NO_DATE, np.int32))
    parts = ratio_parts(ratios, curve=Text(curve.codes[row], curve.names))
    shapes, leg_shape = discounted_by(contracts.text("discount_curve"))
    shapes, part_shape = index_shapes(
        parts, pay_day=pay_day[parts.ratio], shapes=shapes, shape=leg_shape[row[parts.ratio]],
        curve=Text(curve.codes[row[parts.ratio]], curve.names),
    )  # fmt: skip
    coupon = np.concatenate([parts.ratio, np.arange(kept.size), np.arange(kept.size)])
    leg = np.repeat(np.array([INFLATION_LEG, INFLATION_LEG, FIXED_LEG], np.int8), [parts.ratio.size, kept.size, kept.size])
    amount = np.concatenate([multiplied[parts.ratio] * parts.coefficient, -multiplied, -fixed])
    plain = leg_shape[row]
    flow_shape = np.concatenate([part_shape, plain, plain]).astype(np.int32)
    special = np.concatenate([parts.special, np.full(2 * kept.size, -1, np.int32)])
    order = np.lexsort((leg, coupon))
    counts = np.bincount(row[coupon], minlength=rows)
    return Cashflows(
        row_count=rows,
        leg_offsets=np.arange(rows + 1, dtype=np.int64),
        leg_currency=contracts.text("currency"),
        leg_credit_spread=np.zeros(rows),
        flow_offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        shapes=shapes,
        leg_shape=leg_shape,
        pay_day=pay_day[coupon[order]],
        ex_day=pay_day[coupon[order]],
        amount=amount[order],
        principal=np.zeros(order.size),
        flow_shape=flow_shape[order],
        contract_leg=leg[order],
        specials=parts.specials,
        flow_special=None if parts.specials is None else special[order],
    )


def _amounts(
    contracts: Contracts, of_years: Float[np.ndarray, " coupon"], row: np.ndarray
) -> tuple[Float[np.ndarray, " coupon"], Float[np.ndarray, " coupon"]]:
    """What growth multiplies, and what the fixed leg pays; `of_years` is notional × years of the coupon's period."""
    notional, rate, is_zero = contracts.array("notional")[row], contracts.array("fixed_rate")[row], _is_zero_coupon(contracts)[row]
    compounded = notional * expm1_of(of_years / notional * log_of(1.0 + rate))
    return np.where(is_zero, notional, of_years), np.where(is_zero, compounded, of_years * rate)


def _legs(contracts: Contracts) -> tuple[CouponLegs, CalendarTables, Bool[np.ndarray, " row"]]:
    """Coupons at a rate of 1, which count years and have the periods and payments of both legs."""
    rows, zeros = contracts.row_count, np.zeros(contracts.row_count)
    no_date, no_days = np.full(rows, NO_DATE, np.int32), np.zeros(rows, np.int32)
    found = contract_calendars(contracts.text("calendar"))
    frequency = np.where(_is_zero_coupon(contracts), _ONCE, contracts.array("frequency")).astype(np.int8)
    legs = CouponLegs(
        schedule=ScheduleColumns(
            start=contracts.array("start_date"),
            maturity=contracts.array("maturity_date"),
            frequency=frequency,
            first_date=no_date,
            penultimate_date=no_date,
            roll_rule=np.full(rows, _BACKWARD, np.int8),
            stub=np.full(rows, _NO_STUB, np.int8),
            end_of_month=np.zeros(rows, np.bool_),
            convention=contracts.array("accrual_convention"),
            calendar=found.calendar,
            given_offsets=np.zeros(rows + 1, np.int64),
            given_dates=no_date[:0],
        ),
        payment=PaymentColumns(
            convention=contracts.array("payment_convention"),
            lag=contracts.array("payment_lag"),
            ex_days=no_days,
            ex_calendar=found.calendar,
            settlement_lag=no_days,
            settlement_calendar=found.calendar,
            issue=no_date,
        ),
        balance=BalanceColumns(
            notional=contracts.array("notional"),
            rule=np.full(rows, SINKING, np.int8),
            drawn=np.full(rows, np.nan),
            balloon=zeros,
            interest_only_end=no_date,
            prepayment_rate=zeros,
            redemption=zeros,
            offsets=np.zeros(rows + 1, np.int64),
            dates=no_date[:0],
            amounts=zeros[:0],
            instalments=no_instalments(rows),
        ),
        rate=np.ones(rows),
        day_count=contracts.array("day_count"),
        by_frequency=np.zeros(rows, np.bool_),
        compounding=zeros,
        quoting=quoted_by_coupon(contracts.array("day_count"), frequency),
        is_zero_coupon=np.zeros(rows, np.bool_),
        pays_out=False,
    )
    return legs, found.tables, found.known


def _status_of_terms(contracts: Contracts) -> np.ndarray:
    """uint8[row]: status that follows from single terms."""
    notional, rate, base = (contracts.array(name) for name in ("notional", "fixed_rate", "base_index"))
    usable = np.isfinite(notional) & (notional != 0.0) & np.isfinite(rate) & (rate > -1.0)
    usable &= np.isnan(base) | ((base > 0.0) & (base < np.inf))
    lag = contracts.array("payment_lag")
    names = ("kind", "frequency", "day_count", "accrual_convention", "payment_convention")
    invalid = (np.minimum.reduce([contracts.array(name) for name in names]) < 0) | (lag < 0) | (lag > LAG_DAYS_MAX)
    return np.where(invalid, RowStatus.INVALID_SCHEDULE, np.where(usable, RowStatus.OK, RowStatus.INVALID_AMOUNT)).astype(np.uint8)


register(
    PricerSpec(
        product="INFLATION_SWAP",
        title="Inflation swap",
        columns=COLUMNS,
        measures=frozenset(
            {Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.IE01, Measure.FX_DELTA, Measure.THETA_1D, Measure.KEY_RATE_DV01}
        ),
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
