"""Lowered floating legs as rows of a batch: cash flows with their nodes, and rows of several legs."""

import numpy as np
from jaxtyping import Float, Int32

from pricers.contract.columns import Contracts, Text
from pricers.flows.cashflows import Cashflows, Lowered, PriceTerms, Shape, discounted
from pricers.flows.floating_leg import NO_FORECAST, ForecastColumns, LoweredLegs, forecast_shapes
from pricers.status import RowStatus
from pricers.time.schedule import FREQUENCY_PER_YEAR


def cashflows_of(
    lowered: LoweredLegs,
    *,
    leg_offsets: np.ndarray,
    currency: Text,
    credit_spread: Float[np.ndarray, " leg"],
    shapes: tuple[Shape, ...],
    leg_shape: Int32[np.ndarray, " leg"],
    curves: tuple[str, ...],
) -> Cashflows:
    """Cash flows of a batch.

    Args:
        lowered: the flows of all legs, none where a row has failed; see `with_rows`.
        leg_offsets: int64[row + 1].
        currency: [leg]
        credit_spread: of each leg, 0 where `shapes` has no OWN.
        shapes: discounting of the legs, with terms on the anchor alone.
        leg_shape: which one each leg has.
        curves: names that `ForecastColumns.curve` points to.
    """
    flows = lowered.flows
    all_shapes, flow_shape = forecast_shapes(lowered, shapes=shapes, leg_shape=leg_shape, curves=curves)
    return Cashflows(
        row_count=leg_offsets.size - 1,
        leg_offsets=leg_offsets,
        leg_currency=currency,
        leg_credit_spread=credit_spread,
        flow_offsets=flows.flow_offsets,
        shapes=all_shapes,
        leg_shape=leg_shape,
        pay_day=flows.pay_day,
        ex_day=flows.ex_day,
        amount=flows.amount,
        principal=flows.principal,
        flow_shape=flow_shape,
        specials=lowered.specials,
        flow_special=None if lowered.specials is None else lowered.forecasts.special,
    )


def one_leg_rows(contracts: Contracts, lowered: LoweredLegs, *, curves: tuple[str, ...], as_of: int, status: np.ndarray) -> Lowered:
    """A batch of one leg a row with prices, on the contract's discount and spread curve, in its currency.

    Args:
        contracts: a batch with the columns that products of one coupon leg share.
        lowered: of the same rows, with prices.
        curves: names that `ForecastColumns.curve` points to.
        as_of: valuation date, days since 1970-01-01.
        status: uint8[row].
    """
    flows = lowered.flows
    shapes, leg_shape = discounted(contracts)
    cashflows = cashflows_of(
        lowered,
        leg_offsets=np.arange(contracts.row_count + 1, dtype=np.int64),
        currency=contracts.text("currency"),
        credit_spread=contracts.array("credit_spread"),
        shapes=shapes,
        leg_shape=leg_shape,
        curves=curves,
    )
    prices = PriceTerms(
        settlement_day=flows.settlement_day,
        outstanding=flows.outstanding,
        accrued=flows.accrued,
        first_flow=flows.first_flow,
        yield_time=np.zeros(flows.amount.size),
        yield_frequency=np.maximum(FREQUENCY_PER_YEAR[contracts.array("frequency")], 1.0),
        market_clean_price=contracts.array("market_clean_price"),
    )
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=cashflows,
        price_terms=prices,
        messages=lowered.messages,
    )


def with_rows(lowered: LoweredLegs, status: np.ndarray, legs_a_row: int) -> tuple[LoweredLegs, np.ndarray]:
    """Legs as rows of so many legs each, in order: the legs without the flows of rows that have failed, and uint8[row].

    A row has the status of its first leg that has failed. It is MATURED where all of its legs are, and a matured leg of another row has no
    flows. Messages become those of rows.

    Args:
        status: uint8[leg], as `lower_floating_legs` leaves it.
    """
    of_row = status.reshape(-1, legs_a_row)
    has_failed = (of_row != RowStatus.OK) & (of_row != RowStatus.MATURED)
    row_status = np.where((of_row == RowStatus.MATURED).all(axis=1), RowStatus.MATURED, RowStatus.OK).astype(np.uint8)
    failed_rows = np.flatnonzero(has_failed.any(axis=1))
    first = has_failed[failed_rows].argmax(axis=1)
    row_status[failed_rows] = of_row[failed_rows, first]
    wanted = dict(zip(failed_rows.tolist(), first.tolist(), strict=True))
    messages = {leg // legs_a_row: text for leg, text in lowered.messages.items() if wanted.get(leg // legs_a_row) == leg % legs_a_row}
    is_kept = np.repeat(row_status == RowStatus.OK, legs_a_row)
    counts = np.diff(lowered.flows.flow_offsets)
    keep = np.repeat(is_kept, counts)
    offsets = np.concatenate([[0], np.cumsum(np.where(is_kept, counts, 0))]).astype(np.int64)
    cut = {name: getattr(lowered.flows, name)[keep] for name in ("pay_day", "ex_day", "amount", "principal")}
    forecasts = ForecastColumns(*(column[keep] for column in lowered.forecasts))
    flows = lowered.flows._replace(flow_offsets=offsets, first_flow=offsets[:-1], **cut)
    return LoweredLegs(flows, forecasts, lowered.specials, messages), row_status


def with_payments(lowered: LoweredLegs, *, day: Int32[np.ndarray, " leg"], amount: Float[np.ndarray, " leg"]) -> LoweredLegs:
    """The legs with one payment more each, such as an upfront fee, in order of payment; none where the amount is 0.

    Args:
        day: after the valuation date where there is an amount, days since 1970-01-01.
        amount: signed, leg currency; no principal.
    """
    flows, legs = lowered.flows, np.flatnonzero(amount)
    if not legs.size:
        return lowered
    starts, ends = flows.flow_offsets[legs], flows.flow_offsets[legs + 1]
    before = [np.searchsorted(flows.pay_day[start:end], day[leg], side="right") for start, end, leg in zip(starts, ends, legs, strict=True)]
    places = starts + np.array(before, np.int64)
    offsets = flows.flow_offsets.copy()
    offsets[1:] += np.cumsum(amount != 0.0)
    columns = {
        "pay_day": np.insert(flows.pay_day, places, day[legs]),
        "ex_day": np.insert(flows.ex_day, places, day[legs]),
        "amount": np.insert(flows.amount, places, amount[legs]),
        "principal": np.insert(flows.principal, places, 0.0),
    }
    forecasts = ForecastColumns(*(np.insert(column, places, NO_FORECAST) for column in lowered.forecasts))
    return LoweredLegs(flows._replace(flow_offsets=offsets, **columns), forecasts, lowered.specials, lowered.messages)
