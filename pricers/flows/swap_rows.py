"""From legs to trades: the legs of a swap and its upfront amount as one row of cash flows with one status."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8

from pricers.contract.columns import Contracts, Text, end_to_end
from pricers.flows.cashflows import Cashflows, Lowered, Shape
from pricers.flows.floating_leg import NO_FORECAST, LoweredLegs
from pricers.flows.swap_legs import LEGS
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE


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


def joined(
    lowered: LoweredLegs,
    upfront: Fees,
    *,
    status: UInt8[np.ndarray, " row"],
    as_of: int,
    native_currency: Text,
    currencies: Sequence[Text],
    shapes: tuple[Shape, ...],
    leg_shape: Int32[np.ndarray, " leg"],
    fee_shape: Int32[np.ndarray, " row"],
    flow_shape: Int32[np.ndarray, " flow"],
) -> Lowered:
    """Rows of `LEGS` legs and a leg for the fee.

    Args:
        lowered: flows of the legs.
        upfront: one fee a row.
        status: of the rows; failed ones keep no flow.
        as_of: valuation date, days since 1970-01-01.
        native_currency: [row], of `pv`.
        currencies: [row] for each leg, the fee's last.
        shapes: of all flows.
        leg_shape, fee_shape: discounting of the legs and of the fee.
        flow_shape: of the legs' flows.
    """
    rows, flows, is_ok = status.size, lowered.flows, status == RowStatus.OK
    pays_fee = is_ok & upfront.is_due
    counts = np.column_stack([np.diff(flows.flow_offsets).reshape(rows, LEGS) * is_ok[:, None], pays_fee]).astype(np.int64)
    starts = np.column_stack([flows.flow_offsets[:-1].reshape(rows, LEGS), flows.amount.size + np.cumsum(pays_fee) - pays_fee])
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(counts.ravel())])
    place = np.arange(offsets[-1]) + np.repeat(starts.ravel() - offsets[:-1], counts.ravel())
    day, amount = upfront.day[pays_fee], upfront.amount[pays_fee]
    columns = {
        "pay_day": (flows.pay_day, day), "ex_day": (flows.ex_day, day), "amount": (flows.amount, amount),
        "principal": (flows.principal, np.zeros(amount.size)), "flow_shape": (flow_shape, fee_shape[pays_fee]),
        "flow_special": (lowered.forecasts.special, np.full(amount.size, NO_FORECAST, np.int32)),
    }  # fmt: skip
    taken = {name: np.concatenate(parts)[place] for name, parts in columns.items()}
    if lowered.specials is None:
        del taken["flow_special"]
    codes = end_to_end(currencies)
    messages = {leg // LEGS: message for leg, message in sorted(lowered.messages.items(), reverse=True) if not is_ok[leg // LEGS]}
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=native_currency,
        cashflows=Cashflows(
            row_count=rows,
            leg_offsets=np.arange(0, (LEGS + 1) * rows + 1, LEGS + 1, dtype=np.int64),
            leg_currency=Text(np.ascontiguousarray(codes.codes.reshape(LEGS + 1, rows).T).ravel(), codes.names),
            leg_credit_spread=np.zeros((LEGS + 1) * rows),
            flow_offsets=offsets,
            shapes=shapes,
            leg_shape=np.column_stack([leg_shape.reshape(rows, LEGS), fee_shape]).astype(np.int32).ravel(),
            specials=lowered.specials,
            **taken,
        ),
        price_terms=None,
        messages=messages,
    )
