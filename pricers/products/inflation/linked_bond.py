"""INFLATION_LINKED_BOND: a bond whose coupons and principal grow with a price index, such as TIPS, index-linked gilts, OAT€i and BTP€i.

The real flows are those of a FIXED_BOND of the same terms. Each is multiplied by the index ratio on the end of its period,

    index ratio(d) = reference level(d) / base,

as `pricers.flows.price_index` defines the reference level: the level of the month `observation_lag_months` before that of d, or between it
and the next month's (`index_interpolation`). The base is `base_index`, or the reference level on `base_date`. Months that are published are
read from the market's fixings, later ones from the index's inflation curve. With `index_rounding`, published reference levels and index
ratios are rounded, as the US Treasury and the UK DMO do to 5 decimals.

With `redemption_floor`, principal is repaid at an index ratio of at least 1. The floor is INTRINSIC: of the forecast index, in the base
market, in every bump and in every scenario, without a value for the time until then.

Prices refer to the settlement date and need its published reference level; they are null until then. With `price_basis` REAL, which all but
the UK's old bonds use, clean price, dirty price and accrued interest are real: per 100 of the notional times the index ratio on the
settlement date, so what is paid for a notional of 100 is their product with that ratio. With NOMINAL they are per 100 of the notional and
contain the index ratio. Yields and durations are real: of flows that all have the settlement date's index ratio, without the floor. The
z-spread, as all other measures, is of the forecast flows.

An old-style gilt has observation_lag_months 8, FLAT, index_rounding null and price_basis NOMINAL; a new one 3, LINEAR, 5 and REAL.

References:
    [1] US Treasury, 31 CFR 356, appendix B, sections I.B and III (inflation-protected securities).
    [2] UK DMO, Formulae for Calculating Gilt Prices from Yields, sections 2 and 3.
    [3] QuantLib, ql/instruments/bonds/cpibond.cpp, ql/cashflows/cpicoupon.cpp, of which present values are equal.
"""

from dataclasses import replace
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from pricers.contract.calendars_of_contract import lacks_calendar
from pricers.contract.columns import Column, Columns, Contracts, Text
from pricers.flows.cashflows import Cashflows, Lowered, PriceTerms, YieldConvention, discounted
from pricers.flows.conventions import quotes_on_business_days
from pricers.flows.coupon_arrays import CouponLegs
from pricers.flows.coupon_leg import coupon_flows
from pricers.flows.index_linked import NO_FLOOR, IndexRatios, curves_of, index_shapes, ratio_parts, refuse_missing
from pricers.flows.output import LegFlows
from pricers.flows.price_index import (
    DECIMALS_MAX,
    INDEX_COLUMNS,
    INDEX_MAX,
    PriceIndices,
    ReferenceLevels,
    indices_of,
    reference_levels,
    rounded,
)
from pricers.market.fixings import Fixings
from pricers.measures import BOND_MEASURES, Measure
from pricers.products.bond import fixed
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE, to_date

REAL, NOMINAL = range(2)
PRICE_BASES: Final = ("REAL", "NOMINAL")
"""What quoted prices are per 100 of: the notional times the index ratio, or the notional; the index is the code."""

TERMS: Final = (
    *INDEX_COLUMNS,
    Column("base_index", "float", "reference level that index ratios divide by; null: that of base_date", unit="index points",
           minimum=0.0, maximum=INDEX_MAX, example=218.08532),
    Column("base_date", "date", "day of the base's reference level; null: the first day of interest"),
    Column("index_rounding", "integer", "decimals of published reference levels and index ratios; null: not rounded", minimum=0,
           maximum=DECIMALS_MAX, example=5),
    Column("redemption_floor", "boolean", "principal is repaid at an index ratio of at least 1; valued at intrinsic", default=False),
    Column("price_basis", "choice", "REAL: prices are per 100 of notional × index ratio; NOMINAL: per 100 of notional", default="REAL",
           allowed=PRICE_BASES),
)  # fmt: skip


def _columns() -> Columns:
    """Those of FIXED_BOND and of the index."""
    changed: dict[str, dict[str, Any]] = {
        "notional": {"meaning": "face amount at issue, before indexation; positive: we own the bond"},
        "coupon_rate": {"meaning": "annual real coupon; 0 for a zero-coupon bond", "example": 0.0125},
        "market_clean_price": {"meaning": "quoted clean price, on price_basis; null: none", "unit": "per 100"},
    }
    columns: list[Column] = []
    for column in fixed.COLUMNS:
        columns.append(replace(column, **changed.get(column.name, {})))
        if column.name == "coupon_rate":
            columns.extend(TERMS)
    return Columns(*columns)


COLUMNS: Final = _columns()


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower bonds to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
    Returns:
        One leg a row. A real flow is one flow where its index ratio is published, else one for each month that its ratio rests on; floored
        principal is apart from interest. Row status: those of FIXED_BOND, MISSING_INDEX, INDEX_MISMATCH or MISSING_FIXING, of a month that
        is due, or of a base that is not published.
    """
    legs, tables, calendars_known = fixed.legs_of(contracts)
    found = indices_of(contracts, fixings=fixings)
    status = _status_of_terms(contracts, found)
    status[~calendars_known | lacks_calendar(contracts) | quotes_on_business_days(contracts)] = RowStatus.INVALID_SCHEDULE
    status[(status == RowStatus.OK) & (legs.payment.issue >= legs.schedule.maturity)] = RowStatus.INVALID_DATES
    flows = coupon_flows(legs, tables=tables, as_of=as_of, status=status, has_periods=True)
    return _linked(contracts, legs, flows, found, fixings=fixings, as_of=as_of, status=status)


def _status_of_terms(contracts: Contracts, found: PriceIndices) -> np.ndarray:
    base = contracts.array("base_index")
    status = fixed.status_of_terms(contracts)
    status[(status == RowStatus.OK) & ~(np.isnan(base) | ((base > 0.0) & (base < np.inf)))] = RowStatus.INVALID_AMOUNT
    return np.where(status == RowStatus.OK, found.status, status).astype(np.uint8)


def _linked(
    contracts: Contracts, legs: CouponLegs, real: LegFlows, found: PriceIndices, *, fixings: Fixings, as_of: int, status: np.ndarray
) -> Lowered:
    """Real flows as flows at index ratios, with their prices."""
    rows, decimals, messages = np.arange(contracts.row_count), contracts.array("index_rounding"), dict[int, str]()
    base = _base(contracts, legs, found, fixings=fixings, as_of=as_of, status=status, messages=messages)
    total = int(real.flow_offsets[-1])
    row = np.repeat(rows, np.diff(real.flow_offsets))
    above = _rounded(reference_levels(found, row, real.period_end[:total], fixings=fixings, as_of=as_of), decimals[row])
    at_settlement = _rounded(reference_levels(found, rows, real.settlement_day, fixings=fixings, as_of=as_of), decimals)
    refuse_missing(found, rows, at_settlement, status=status, messages=messages)
    refuse_missing(found, row, above, status=status, messages=messages)

    # Of the flows of rows that are still sound, principal with a floor is apart from the interest paid with it.
    has_floor = contracts.array("redemption_floor")
    amount, principal = real.amount[:total], real.principal[:total]
    is_kept = status[row] == RowStatus.OK
    is_floored = is_kept & has_floor[row] & (principal != 0.0)
    pieces = is_kept.astype(np.int64) + (is_floored & (amount != principal))
    flow = np.repeat(np.arange(total), pieces)
    starts = np.concatenate([[0], np.cumsum(pieces)])
    is_interest = (pieces[flow] == 2) & (np.arange(flow.size) == starts[flow])
    of_piece = np.where(pieces[flow] == 1, amount[flow], np.where(is_interest, (amount - principal)[flow], principal[flow]))
    repaid = np.where(is_interest, 0.0, principal[flow])
    ratios = IndexRatios(above.of(flow), base.of(row[flow]), np.where(is_floored[flow] & ~is_interest, 1.0, NO_FLOOR), decimals[row[flow]])
    curve = curves_of(found)
    curve_of_piece = Text(curve.codes[row[flow]], curve.names)
    parts = ratio_parts(ratios, curve=curve_of_piece)

    flow = flow[parts.ratio]
    part_starts = np.searchsorted(parts.ratio, starts)
    shapes, leg_shape = discounted(contracts)
    shapes, flow_shape = index_shapes(
        parts, pay_day=real.pay_day[flow], shapes=shapes, shape=leg_shape[row[flow]],
        curve=Text(curve_of_piece.codes[parts.ratio], curve.names),
    )  # fmt: skip
    cashflows = Cashflows(
        row_count=contracts.row_count,
        leg_offsets=np.arange(contracts.row_count + 1, dtype=np.int64),
        leg_currency=contracts.text("currency"),
        leg_credit_spread=contracts.array("credit_spread"),
        flow_offsets=part_starts[real.flow_offsets].astype(np.int64),
        shapes=shapes,
        leg_shape=leg_shape,
        pay_day=real.pay_day[flow],
        ex_day=real.ex_day[flow],
        amount=of_piece[parts.ratio] * parts.coefficient,
        principal=repaid[parts.ratio] * parts.coefficient,
        flow_shape=flow_shape,
        specials=parts.specials,
        flow_special=None if parts.specials is None else parts.special,
    )
    is_sound = status == RowStatus.OK
    settled = np.where(is_sound, IndexRatios(at_settlement, base, np.full(rows.size, NO_FLOOR), decimals).published, np.nan)
    for number in np.flatnonzero(is_sound & np.isnan(settled)).tolist():
        messages[number] = f"no prices: the reference level of the settlement date {to_date(real.settlement_day[number])} is not published"
    is_first = np.arange(flow.size) == part_starts[flow]
    prices = _prices(
        contracts, legs, real, settled, first_flow=part_starts[real.first_flow], yield_time=real.yield_time[flow],
        real_amount=np.where(is_first, amount[flow] * settled[row[flow]], 0.0),
        real_principal=np.where(is_first, principal[flow] * settled[row[flow]], 0.0),
    )  # fmt: skip
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=cashflows,
        price_terms=prices,
        messages=messages,
        known={Measure.INDEX_RATIO: settled},
    )


def _base(
    contracts: Contracts, legs: CouponLegs, found: PriceIndices, *, fixings: Fixings, as_of: int, status: np.ndarray,
    messages: dict[int, str],
) -> ReferenceLevels:  # fmt: skip
    """The level that each row's index ratios divide by; MISSING_FIXING where it has to be published and is not."""
    given, day, rows = contracts.array("base_index"), contracts.array("base_date"), np.arange(contracts.row_count)
    day = np.where(day == NO_DATE, legs.schedule.start, day)
    levels = _rounded(reference_levels(found, rows, day, fixings=fixings, as_of=as_of), contracts.array("index_rounding")).replaced(given)
    refuse_missing(found, rows, levels, status=status, messages=messages)
    for row in np.flatnonzero(~levels.is_known & (status == RowStatus.OK)).tolist():
        status[row] = RowStatus.MISSING_FIXING
        messages[row] = f"the reference level of base_date {to_date(day[row])} is not published yet; give base_index"
    return levels


def _rounded(levels: ReferenceLevels, decimals: np.ndarray) -> ReferenceLevels:
    return replace(levels, known=np.where(levels.is_known, rounded(levels.known, decimals), levels.known))


def _prices(
    contracts: Contracts, legs: CouponLegs, real: LegFlows, settled: Float[np.ndarray, " row"], *, first_flow: np.ndarray,
    yield_time: np.ndarray, real_amount: np.ndarray, real_principal: np.ndarray,
) -> PriceTerms:  # fmt: skip
    is_real = contracts.array("price_basis") == REAL
    return PriceTerms(
        settlement_day=real.settlement_day,
        outstanding=np.where(is_real, real.outstanding * settled, real.outstanding + 0.0 * settled),
        accrued=np.where(is_real, real.accrued + 0.0 * settled, real.accrued * settled),
        first_flow=first_flow.astype(np.int64),
        yield_time=yield_time,
        yield_frequency=legs.quoting.yield_frequency,
        market_clean_price=contracts.array("market_clean_price"),
        convention=YieldConvention(legs.quoting.yield_convention, 100.0 * legs.rate, legs.balance.redemption),
        real_amount=real_amount,
        real_principal=real_principal,
    )


register(
    PricerSpec(
        product="INFLATION_LINKED_BOND",
        title="Inflation-linked bond",
        columns=COLUMNS,
        measures=BOND_MEASURES | {Measure.IE01, Measure.INDEX_RATIO},
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
