"""From legs to trades: the legs of a swap and its upfront amount as one row of cash flows with one status."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8

from pricers.contract.columns import Contracts, Text
from pricers.flows.cashflows import Cashflows, Lowered, QuotedRate, Shape, discounted_by
from pricers.flows.floating_arrays import NO_INDEX
from pricers.flows.floating_leg import NO_FORECAST, ExchangeColumns, FloatingLegs, LoweredLegs, lower_floating_legs
from pricers.flows.special_factors import SpecialFactors
from pricers.flows.swap_legs import LEGS, SwapLegs
from pricers.measures import Measure
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE

_DAY_BITS: Final = 21  # of a payment day, in a key that sorts flows by leg and day


class Fees(NamedTuple):
    """An amount that a trade pays once; [row]."""

    amount: Float[np.ndarray, " row"]
    day: Int32[np.ndarray, " row"]
    is_due: Bool[np.ndarray, " row"]
    """Paid after the valuation date."""
    is_valid: Bool[np.ndarray, " row"]
    """Has a date where it has an amount, and is finite."""


def repeated(text: Text, count: int) -> Text:
    """Each row's text `count` times."""
    return Text(np.repeat(text.codes, count), text.names)


def fees(contracts: Contracts, *, as_of: int, amount: str = "upfront_amount", day: str = "upfront_date") -> Fees:
    """Read an amount and its payment date.

    Args:
        contracts: a batch.
        as_of: valuation date, days since 1970-01-01.
        amount, day: names of the columns.
    """
    amounts, days = contracts.array(amount), contracts.array(day)
    has_amount = amounts != 0.0
    return Fees(amounts, days, has_amount & (days > as_of), np.isfinite(amounts) & (~has_amount | (days != NO_DATE)))


def row_status(leg_status: UInt8[np.ndarray, " leg"], upfront: Fees) -> UInt8[np.ndarray, " row"]:
    """Status of trades: what the first failing leg says. A trade is MATURED when both legs are and no fee is due."""
    legs = leg_status.reshape(-1, LEGS)
    is_live, is_matured = legs == RowStatus.OK, legs == RowStatus.MATURED
    fails = ~(is_live | is_matured)
    failing = legs[np.arange(len(legs)), fails.argmax(axis=1)]
    status = np.where(is_live.any(axis=1) | upfront.is_due, RowStatus.OK, RowStatus.MATURED)
    status = np.where(upfront.is_valid, status, RowStatus.INVALID_AMOUNT)
    return np.where(fails.any(axis=1), failing, status).astype(np.uint8)


class FlowTable(NamedTuple):
    """Flows of trades in any order; [flow]."""

    row: np.ndarray
    leg: np.ndarray
    """Place of the flow's leg of `Cashflows` in its row."""
    contract_leg: np.ndarray
    """0: the receive leg, 1: the pay leg, 2: the fee."""
    pay_day: np.ndarray
    amount: np.ndarray
    principal: np.ndarray
    shape: np.ndarray
    special: np.ndarray

    def taken(self, places: np.ndarray) -> "FlowTable":
        """The flows at these places, or those that a mask marks."""
        return FlowTable(*(column[places] for column in self))


def flows_of_legs(lowered: LoweredLegs, flow_shape: Int32[np.ndarray, " flow"]) -> FlowTable:
    """The flows of `LEGS` legs a row."""
    flows, counts = lowered.flows, np.diff(lowered.flows.flow_offsets)
    place = np.repeat(np.arange(counts.size), counts)
    leg = place % LEGS
    return FlowTable(place // LEGS, leg, leg, flows.pay_day, flows.amount, flows.principal, flow_shape, lowered.forecasts.special)


def flows_of_fees(upfront: Fees, *, leg: int, shape: Int32[np.ndarray, " row"]) -> FlowTable:
    """The fees that are due.

    Args:
        upfront: one a row.
        leg: their place in a row.
        shape: how each row's fee is discounted.
    """
    row = np.flatnonzero(upfront.is_due)
    none, count = np.full(row.size, NO_FORECAST, np.int32), row.size
    return FlowTable(
        row, np.full(count, leg), np.full(count, LEGS), upfront.day[row], upfront.amount[row], np.zeros(count), shape[row], none
    )  # fmt: skip


def all_flows(*tables: FlowTable) -> FlowTable:
    """One table of several."""
    return FlowTable(*(np.concatenate(columns) for columns in zip(*tables, strict=True)))


def lowered_rows(
    flows: FlowTable,
    *,
    status: UInt8[np.ndarray, " row"],
    as_of: int,
    native_currency: Text,
    leg_currency: Text,
    leg_shape: Int32[np.ndarray, " row legs"],
    shapes: tuple[Shape, ...],
    specials: SpecialFactors | None,
    messages: Mapping[int, str],
) -> Lowered:
    """Rows with as many legs as `leg_shape` has columns.

    Args:
        flows: of all rows; failed ones keep none.
        status: of the rows.
        as_of: valuation date, days since 1970-01-01.
        native_currency: [row], of `pv`.
        leg_currency: [row × leg].
        leg_shape: discounting of each leg.
        shapes: of all flows.
        specials: that flows point to.
        messages: of failing rows.
    """
    rows, legs = leg_shape.shape
    flows = flows.taken(status[flows.row] == RowStatus.OK)
    place = flows.row.astype(np.int64) * legs + flows.leg
    order = np.argsort((place << _DAY_BITS) + flows.pay_day, kind="stable")
    flows = flows.taken(order)
    pay_day = flows.pay_day.astype(np.int32)
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=native_currency,
        cashflows=Cashflows(
            row_count=rows,
            leg_offsets=np.arange(0, legs * rows + 1, legs, dtype=np.int64),
            leg_currency=leg_currency,
            leg_credit_spread=np.zeros(legs * rows),
            flow_offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(np.bincount(place, minlength=legs * rows))]),
            shapes=shapes,
            leg_shape=leg_shape.astype(np.int32).ravel(),
            pay_day=pay_day,
            ex_day=pay_day,
            amount=flows.amount,
            principal=flows.principal,
            flow_shape=flows.shape.astype(np.int32),
            contract_leg=flows.contract_leg.astype(np.int8),
            specials=specials,
            flow_special=None if specials is None else flows.special.astype(np.int32),
        ),
        price_terms=None,
        messages={row: message for row, message in messages.items() if status[row] != RowStatus.OK},
    )


def quoted_rates(
    found: SwapLegs, upfront: Fees, *, as_of: int, currency: Text, discount: Text, status: UInt8[np.ndarray, " row"]
) -> tuple[QuotedRate, ...]:
    """Par rate and breakeven spread of swaps in one currency.

    Args:
        found: two legs a row.
        upfront: the fees, which are not quoted.
        as_of: valuation date, days since 1970-01-01.
        currency: [row].
        discount: [row], curve of all flows.
        status: of the rows.
    """
    legs, nothing = found.legs, np.zeros(found.status.size, np.bool_)
    unit = FloatingLegs(
        legs.coupons._replace(rate=np.ones(nothing.size)),
        legs.floating._replace(index=np.full(nothing.size, NO_INDEX, np.int32)),
        ExchangeColumns(nothing, nothing, nothing),
    )
    of_unit = lower_floating_legs(
        unit, found.terms.found, found.terms.indices, tables=found.terms.tables, as_of=as_of, status=found.status.copy()
    ).flows  # fmt: skip
    is_floating = (legs.floating.index != NO_INDEX).reshape(-1, LEGS)
    first, rows = LEGS * np.arange(status.size), np.arange(status.size)
    floating, fixed = first + is_floating.argmax(axis=1), first + is_floating.argmin(axis=1)
    is_ok = status == RowStatus.OK
    has_par, has_spread = (
        is_ok & (is_floating.sum(axis=1) == 1),
        is_ok & is_floating.any(axis=1) & ~legs.floating.compounds_spread[floating],
    )
    shapes, shape = discounted_by(discount)

    def flows(row: np.ndarray, pay_day: np.ndarray, amount: np.ndarray) -> Cashflows:
        counts = np.bincount(row, minlength=rows.size)
        return Cashflows(
            rows.size, np.arange(rows.size + 1), currency, np.zeros(rows.size), np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            shapes, shape, pay_day, pay_day, amount, np.zeros(row.size),
        )  # fmt: skip

    def annuity(leg: np.ndarray, has_rate: np.ndarray) -> Cashflows:
        counts = np.where(has_rate, np.diff(of_unit.flow_offsets)[leg], 0)
        places = np.arange(counts.sum()) + np.repeat(of_unit.flow_offsets[leg] - (np.cumsum(counts) - counts), counts)
        return flows(np.repeat(rows, counts), of_unit.pay_day[places], of_unit.amount[places])

    due = np.flatnonzero(upfront.is_due & is_ok)
    apart = flows(due, upfront.day[due], upfront.amount[due]) if due.size else None
    return (
        QuotedRate(Measure.PAR_RATE, np.where(has_par, legs.coupons.rate[fixed], np.nan), annuity(fixed, has_par), apart),
        QuotedRate(
            Measure.BREAKEVEN_SPREAD, np.where(has_spread, legs.floating.spread[floating], np.nan), annuity(floating, has_spread), apart
        ),
    )


def messages_of(found: SwapLegs, lowered: LoweredLegs) -> dict[int, str]:
    """Row -> what its legs' statuses do not say, that of the first leg where both have one."""
    of_legs = {leg // LEGS: message for leg, message in sorted(lowered.messages.items(), reverse=True)}
    return of_legs | found.messages
