"""Rows of one coupon leg each as compiled code fills them, and the lowered batch that they become."""

from typing import NamedTuple

import numpy as np

from pricers.contract.columns import Contracts
from pricers.flows.cashflows import Cashflows, Lowered, PriceTerms, YieldConvention, discounted
from pricers.flows.coupon_arrays import CouponLegs


class LegFlows(NamedTuple):
    """Flows after the valuation date, CSR by row, and price terms; see `Cashflows` and `PriceTerms`."""

    flow_offsets: np.ndarray
    pay_day: np.ndarray
    ex_day: np.ndarray
    period_start: np.ndarray
    """int32[flow]: the period that the flow is paid for; `pay_day` where nothing reads it."""
    period_end: np.ndarray
    amount: np.ndarray
    principal: np.ndarray
    yield_time: np.ndarray
    settlement_day: np.ndarray
    outstanding: np.ndarray
    accrued: np.ndarray
    first_flow: np.ndarray


def empty_flows(rows: int, flows_max: int, *, as_of: int, trades_ex: bool, has_periods: bool = False) -> LegFlows:
    """Rows without flows or prices, and room for `flows_max` flows. Without `trades_ex`, ex days are pay days: one array, to which pay days
    are written last; so are periods without `has_periods`."""
    pay_day = np.empty(flows_max, np.int32)
    return LegFlows(
        flow_offsets=np.zeros(rows + 1, np.int64),
        pay_day=pay_day,
        ex_day=np.empty(flows_max, np.int32) if trades_ex else pay_day,
        period_start=np.empty(flows_max, np.int32) if has_periods else pay_day,
        period_end=np.empty(flows_max, np.int32) if has_periods else pay_day,
        amount=np.empty(flows_max),
        principal=np.empty(flows_max),
        yield_time=np.empty(flows_max),
        settlement_day=np.full(rows, as_of, np.int32),
        outstanding=np.full(rows, np.nan),
        accrued=np.full(rows, np.nan),
        first_flow=np.zeros(rows, np.int64),
    )


def lowered(contracts: Contracts, legs: CouponLegs, flows: LegFlows, *, as_of: int, status: np.ndarray) -> Lowered:
    """One leg a row, on the contract's discount and spread curve, in its currency.

    Args:
        contracts: a batch with the columns that products of one coupon leg share.
        legs: the terms of the same rows.
        flows: of the same rows; the arrays may be longer than `flow_offsets[-1]`.
        as_of: valuation date, days since 1970-01-01.
        status: uint8[row].
    """
    rows, total = contracts.row_count, int(flows.flow_offsets[-1])
    shapes, shape_of_row = discounted(contracts)
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=Cashflows(
            row_count=rows,
            leg_offsets=np.arange(rows + 1, dtype=np.int64),
            leg_currency=contracts.text("currency"),
            leg_credit_spread=contracts.array("credit_spread"),
            flow_offsets=flows.flow_offsets,
            shapes=shapes,
            leg_shape=shape_of_row,
            pay_day=flows.pay_day[:total],
            ex_day=flows.ex_day[:total],
            amount=flows.amount[:total],
            principal=flows.principal[:total],
        ),
        price_terms=PriceTerms(
            settlement_day=flows.settlement_day,
            outstanding=flows.outstanding,
            accrued=flows.accrued,
            first_flow=flows.first_flow,
            yield_time=flows.yield_time[:total],
            yield_frequency=legs.quoting.yield_frequency,
            market_clean_price=contracts.array("market_clean_price"),
            convention=YieldConvention(legs.quoting.yield_convention, 100.0 * legs.rate, legs.balance.redemption),
        ),
    )
