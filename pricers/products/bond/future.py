"""BOND_FUTURE: a future on government bonds, valued by the bond that is cheapest to deliver.

The contract names that bond by FIXED_BOND's columns, and its conversion factor CF. With D the discount factors of `discount_curve` (times
those of `spread_curve`, where one is named), T the delivery date, c_j the flows of the bond per 100 after T, and accrued_T its accrued
interest then, the price of the future is

    (Σ c_j × D(t_j) / D(T) - accrued_T) / CF

per 100 of face amount [1], and the position is worth contracts × contract_size × (price - trade_price) / 100. Nothing discounts it, because
gains are paid every day: `trade_price` is the price agreed, or that of the last settlement. Positive `contracts` are bought.

D should carry the bond at its repo rate until T and give it its market price: a repo curve up to T and the government curve beyond, or the
government curve with the bond's spread as `spread_curve`.

The bond is the cheapest to deliver in every scenario: that another one can become cheaper when rates move, and what that option of the
seller is worth, is not seen. Where two bonds are close, name them on two rows of half the contracts, or check with a second valuation.

Ex-coupon: a coupon that is ex on the delivery date is not delivered, and accrued interest is negative then. On the delivery date the
position is worth 0 with status OK; later it is MATURED.

References:
    [1] J. Hull, Options, Futures, and Other Derivatives, ch. 6 (Treasury bond futures: conversion factors, cheapest to deliver, price).
    [2] QuantLib, ql/instruments/bondforward.cpp; ql/instruments/bond.cpp (cash flows and accrued amount).
"""

from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64, UInt8

from pricers.contract.columns import AMOUNT_MAX, NO_DATE, PRICE_MAX, Column, ColumnData, Columns, Contracts, Text
from pricers.contract.leg_columns import column_of_defaults
from pricers.flows.cashflows import NO_CURVE, Cashflows, Lowered, Shape, Term
from pricers.market.fixings import Fixings
from pricers.market.market import CurveKind
from pricers.measures import Measure
from pricers.products.bond import fixed
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import FIRST_DAY, LAST_DAY

_PER: Final = 100.0  # prices are per 100 of face amount
CONVERSION_FACTOR_MAX: Final = 10.0
_NOT_OF_THE_FUTURE: Final = frozenset(
    {
        "notional",
        "sinking_dates",
        "sinking_amounts",
        "settlement_lag",
        "settlement_calendar",
        "market_clean_price",
        "credit_spread",
        "yield_frequency",
        "yield_day_count",
        "yield_convention",
    }
)
_OF_THE_BOND: Final = tuple(column for column in fixed.COLUMNS if column.name not in _NOT_OF_THE_FUTURE)

COLUMNS: Final = Columns(
    Column("contracts", "float", "number of futures; positive: bought", unit="contracts", required=True, minimum=-AMOUNT_MAX,
           maximum=AMOUNT_MAX, example=25.0),
    Column("contract_size", "float", "face amount of one future", unit="currency", default=100_000.0, minimum=0.0, maximum=AMOUNT_MAX),
    Column("delivery_date", "date", "day on which the bond is delivered", required=True, example="2026-06-10"),
    Column("trade_price", "float", "price agreed, or of the last daily settlement", unit="per 100 of face amount", required=True,
           minimum=0.0, maximum=PRICE_MAX, example=131.24),
    Column("conversion_factor", "float", "of the bond, for this delivery", required=True, minimum=0.0, maximum=CONVERSION_FACTOR_MAX,
           example=0.703452),
    *_OF_THE_BOND,
)  # fmt: skip


class _Flows(NamedTuple):
    """Flows of a batch, rows one after the other."""

    row: Int64[np.ndarray, " flow"]
    day: Int32[np.ndarray, " flow"]
    """Of the bond's payment; NO_DATE for what nothing discounts."""
    amount: Float[np.ndarray, " flow"]


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower futures to one leg each, paid on the delivery date.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: not read: the rate of the bond is fixed.
    Returns:
        One leg a row: the flows of the bond that are delivered, and what is taken off. Row status: INVALID_AMOUNT, INVALID_SCHEDULE,
        INVALID_DATES (also where the bond is repaid by the delivery date), DATE_OUT_OF_RANGE or MATURED.
    """
    delivery = contracts.array("delivery_date")
    status = _status(contracts, as_of)
    flows = [_delivered(contracts, int(day), np.flatnonzero((status == RowStatus.OK) & (delivery == day)), fixings, status)
             for day in np.unique(delivery[(status == RowStatus.OK) & (delivery > as_of)])]  # fmt: skip
    row, day, amount = (np.concatenate([np.empty(0, np.int64), *columns]) for columns in zip(*flows, strict=True)) if flows else _NOTHING
    order = np.argsort(row, kind="stable")
    row, day, amount = row[order].astype(np.int64), day[order].astype(np.int32), amount[order]
    shapes, flow_shape = _shapes(contracts, row, day)
    pay_day = delivery[row].astype(np.int32)
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=Cashflows(
            row_count=contracts.row_count,
            leg_offsets=np.arange(contracts.row_count + 1, dtype=np.int64),
            leg_currency=contracts.text("currency"),
            leg_credit_spread=np.zeros(contracts.row_count),
            flow_offsets=np.concatenate([[0], np.cumsum(np.bincount(row, minlength=contracts.row_count))]).astype(np.int64),
            shapes=shapes,
            leg_shape=np.full(contracts.row_count, -1, np.int32),
            pay_day=pay_day,
            ex_day=pay_day,
            amount=amount,
            principal=np.zeros(len(row)),
            flow_shape=flow_shape,
            anchor_day=np.where(day == NO_DATE, pay_day, day).astype(np.int32),
        ),
        price_terms=None,
    )


_NOTHING: Final = (np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0))


def _delivered(contracts: Contracts, delivery: int, rows: np.ndarray, fixings: Fixings, status: np.ndarray) -> _Flows:
    """Flows of the futures in `rows`, all of one delivery date; gives rows whose bond is not usable their status."""
    futures = contracts.take(rows)
    bonds = fixed.lower(_bonds(futures), as_of=delivery, fixings=fixings)
    assert bonds.price_terms is not None, "a bond has price terms"
    status[rows] = np.where(bonds.status == RowStatus.MATURED, RowStatus.INVALID_DATES, bonds.status)
    offsets, is_ok = bonds.cashflows.flow_offsets, bonds.status == RowStatus.OK
    first = np.where(is_ok, bonds.price_terms.first_flow, offsets[1:])
    of_flow = np.repeat(np.arange(len(rows)), np.diff(offsets))
    is_delivered = np.arange(int(offsets[-1])) >= first[of_flow]
    unit = futures.array("contracts") * futures.array("contract_size") / _PER
    factor = futures.array("conversion_factor")
    amount = (unit / factor)[of_flow] * bonds.cashflows.amount
    taken_off = -unit * (np.nan_to_num(bonds.price_terms.accrued) / factor + futures.array("trade_price"))
    return _Flows(
        row=np.concatenate([rows[of_flow[is_delivered]], rows[is_ok]]),
        day=np.concatenate([bonds.cashflows.pay_day[is_delivered], np.full(int(is_ok.sum()), NO_DATE, np.int32)]),
        amount=np.concatenate([amount[is_delivered], taken_off[is_ok]]),
    )


def _bonds(futures: Contracts) -> Contracts:
    """The bonds as contracts of FIXED_BOND, 100 of face amount each, which settle on the day they are valued."""
    rows = futures.row_count
    given: dict[str, ColumnData] = {
        "notional": np.full(rows, _PER),
        "settlement_lag": np.zeros(rows, np.int32),
        "settlement_calendar": Text(np.zeros(rows, np.int32), ("NONE",)),  # the delivery date as it is given
        "credit_spread": np.zeros(rows),
    }
    data = {column.name: futures.data[column.name] for column in _OF_THE_BOND}
    others = {column.name: column_of_defaults(column, rows) for column in fixed.COLUMNS if column.name not in data}
    return Contracts(row_count=rows, data={**data, **others, **given})


def _shapes(contracts: Contracts, row: np.ndarray, day: np.ndarray) -> tuple[tuple[Shape, ...], Int32[np.ndarray, " flow"]]:
    """D(t_j) / D(T) for each flow's days, and the empty shape for what nothing discounts."""
    discount, spread = contracts.text("discount_curve"), contracts.text("spread_curve")
    is_discounted = day != NO_DATE
    lag = np.where(is_discounted, day.astype(np.int64) - contracts.array("delivery_date")[row], -1)
    keys = np.stack([np.where(is_discounted, discount.codes[row], -1), np.where(is_discounted, spread.codes[row], -1), lag], axis=1)
    distinct, number = np.unique(keys, axis=0, return_inverse=True)
    shapes: list[Shape] = []
    for of_discount, of_spread, days in distinct.tolist():
        names = [(discount.names[of_discount] if of_discount >= 0 else NO_CURVE, CurveKind.RATE)]
        if of_spread >= 0:
            names.append((spread.names[of_spread], CurveKind.SPREAD))
        shapes.append(
            tuple(term for name, kind in names for term in (Term(name, 0, 1, kind), Term(name, days, -1, kind))) if days >= 0 else ()
        )
    return tuple(shapes), number.ravel().astype(np.int32)


def _status(contracts: Contracts, as_of: int) -> UInt8[np.ndarray, " row"]:
    """Status that follows from the terms of the future."""
    count, size, price, factor = (contracts.array(name) for name in ("contracts", "contract_size", "trade_price", "conversion_factor"))
    delivery = contracts.array("delivery_date")
    finite = np.isfinite(count) & np.isfinite(size) & np.isfinite(price) & np.isfinite(factor)
    usable: Bool[np.ndarray, " row"] = finite & (count != 0.0) & (size > 0.0) & (price >= 0.0) & (factor > 0.0)
    status = np.where(usable, RowStatus.OK, RowStatus.INVALID_AMOUNT)
    status = np.where((status == RowStatus.OK) & (delivery < as_of), RowStatus.MATURED, status)
    status = np.where((delivery < FIRST_DAY) | (delivery > LAST_DAY), RowStatus.DATE_OUT_OF_RANGE, status)
    return np.where(delivery == NO_DATE, RowStatus.INVALID_DATES, status).astype(np.uint8)


register(
    PricerSpec(
        product="BOND_FUTURE",
        title="Bond future on its cheapest to deliver",
        columns=COLUMNS,
        measures=frozenset({Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.FX_DELTA, Measure.THETA_1D, Measure.KEY_RATE_DV01}),
        native_currency="currency",
        notional="contracts",
        lower=lower,
        documentation=__doc__,
    )
)
