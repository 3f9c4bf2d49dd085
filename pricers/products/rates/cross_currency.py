"""CROSS_CURRENCY_SWAP: two legs in two currencies, with constant notionals or one that is reset to the market.

PV = Σ receive leg - Σ pay leg, each in its own currency and on its own discount curve, which belongs to the swap's collateral; PV converts
at today's exchange rate. Legs are those of INTEREST_RATE_SWAP, fixed or floating, and notionals are exchanged unless the contract says
otherwise.

A resetting leg [1] pays interest on the other leg's notional N at the exchange rate of each period's start s. While that rate is not fixed,
its forward value X × P_c(s) / P_r(s), with c the constant and r the resetting currency, turns everything the period pays on a day p into
an amount of the *constant* currency: a payment of a per unit of notional is worth N × a × P_c(s) × P_r(p) / P_r(s), in which today's
exchange rate does not occur. The period lends N on s and gets it back at its end. Once the rate is fixed, these are amounts of the
resetting currency. Hence a resetting leg has the FX delta of its running period alone.

`convention` names the terms of a quoted swap: USD-SOFR-EUR-ESTR-XCCY has its spread on the euro leg, which is the receive leg, and resets
the dollar leg. Flows paid on or before the valuation date have no value.

References:
    [1] M. Fujii, Y. Shimada and A. Takahashi, A note on construction of multiple swap curves with and without collateral (2010).
    [2] QuantLib, ql/instruments/crossccyswap.cpp and its engines.
"""

from typing import Any, Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8

from pricers.contract.calendars_of_contract import contract_calendars
from pricers.contract.columns import AMOUNT_MAX, FX_RATE_MAX, NO_INTEGER, Column, Columns, Contracts, Text, end_to_end
from pricers.flows.cashflows import Cashflows, Lowered, Shape, Term, discounted_by
from pricers.flows.coupon_arrays import LAG_DAYS_MAX
from pricers.flows.floating_leg import NO_FORECAST, LoweredLegs, forecast_shapes, lower_floating_legs
from pricers.flows.swap_legs import LEGS, SWAP_COLUMNS, SwapLegs, swap_legs
from pricers.flows.swap_rows import Fees, fees, row_status
from pricers.kernels.jit import kernel
from pricers.market.conventions import SWAP_CONVENTIONS, SwapKind
from pricers.market.fixings import Fixings
from pricers.market.indices import IndexKind
from pricers.products.rates.swap import MEASURES, TERMS
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import CalendarTables, advance_business_days
from pricers.time.dates import to_date

RESETTING_LEGS: Final = ("NONE", "RECEIVE", "PAY")
KINDS: Final = frozenset({SwapKind.CROSS_CURRENCY})
FORWARD_LEG: Final = LEGS
FEE_LEG: Final = LEGS + 1
ROW_LEGS: Final = LEGS + 2
"""Received, paid, what a resetting leg's unfixed periods are worth in the constant currency, and the upfront amount."""


def _terms() -> tuple[Column, ...]:
    exchanged = {"initial_exchange", "intermediate_exchange", "final_exchange"}
    example = {"convention": "USD-SOFR-EUR-ESTR-XCCY-CONSTANT", "fixed_rate": None}
    return tuple(
        Column(
            column.name, column.kind, column.meaning, unit="receive-leg currency" if column.unit == "currency" else column.unit,
            required=column.required, default=True if column.name in exchanged else column.default, minimum=column.minimum,
            maximum=column.maximum, example=example.get(column.name, column.example),
        )
        for column in TERMS
    )  # fmt: skip


COLUMNS: Final = Columns(
    Column("receive_leg_currency", "text", "currency of the receive leg and of pv", required=True, references="currency", example="EUR"),
    Column("pay_leg_currency", "text", "currency of the pay leg", required=True, references="currency", example="USD"),
    Column("notional", "float", "of the receive leg; positive receives the receive leg and pays the pay leg", unit="receive-leg currency",
           required=True, minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=10_000_000.0),
    Column("pay_leg_notional", "float", "unsigned notional of the pay leg; null where it is the resetting leg", unit="pay-leg currency",
           minimum=0.0, maximum=AMOUNT_MAX, example=11_000_000.0),
    *_terms(),
    Column("resetting_leg", "choice", "leg whose notional is reset at each period's start; null: the convention's, else NONE",
           allowed=RESETTING_LEGS),
    Column("fx_reset_index", "text", "index of kind FX that fixes the notional; null: fixed in current_fx_fixing alone",
           references="index", example="EUR-USD-ECB"),
    Column("fx_reset_lag", "integer", "from fixing to the period's start; null: the index's, else 2", unit="business days", minimum=0,
           maximum=LAG_DAYS_MAX),
    Column("fx_reset_calendar", "text", "business days of fx_reset_lag; null: the index's", references="calendar", example="TARGET"),
    Column("current_fx_fixing", "float", "fixed exchange rate of the running period, before the fixings",
           unit="resetting per constant currency", minimum=0.0, maximum=FX_RATE_MAX),
    Column("notional_payment_lag", "integer", "from a period's start or end to the exchange of a resetting leg's notional",
           unit="business days", default=0, minimum=0, maximum=LAG_DAYS_MAX),
    Column("receive_leg_discount_curve", "text", "curve that discounts the receive leg", required=True, references="discount_curve",
           example="EUR-ESTR"),
    Column("pay_leg_discount_curve", "text", "curve that discounts the pay leg", required=True, references="discount_curve",
           example="USD-EUR-XCCY"),
    *SWAP_COLUMNS,
)  # fmt: skip


class _Table(NamedTuple):
    """Flows of all rows in any order; [flow]."""

    row: np.ndarray
    leg: np.ndarray
    contract_leg: np.ndarray
    pay_day: np.ndarray
    amount: np.ndarray
    principal: np.ndarray
    shape: np.ndarray
    special: np.ndarray


class _Resets(NamedTuple):
    """Of each flow of a resetting leg, [flow]; others hold what means nothing."""

    is_resetting: Bool[np.ndarray, " flow"]
    rate: Float[np.ndarray, " flow"]
    """Fixed exchange rate, resetting per constant; NaN where it is not fixed."""


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower swaps to four legs each; see `ROW_LEGS`.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
    Returns:
        Four legs a row. Row status: those of INTEREST_RATE_SWAP; MISSING_FIXING also where a reset is fixed and its rate is missing;
        INVALID_AMOUNT also for one currency on both legs, and for a pay leg that is not reset and has no notional.
    """
    rows = contracts.row_count
    currencies = _pair(contracts, "receive_leg_currency", "pay_leg_currency")
    resetting = _resetting_legs(contracts)
    notional = _notionals(contracts, resetting)
    is_resetting = (resetting[:, None] == np.arange(LEGS)).ravel()
    exchanges = [
        np.repeat(contracts.array(name), LEGS) & ~is_resetting for name in ("initial_exchange", "intermediate_exchange", "final_exchange")
    ]
    found = swap_legs(contracts, fixings=fixings, currencies=currencies, notional=notional, kinds=KINDS, exchanges=exchanges)
    status = found.status.copy()
    codes = currencies.codes.reshape(rows, LEGS)
    status[np.repeat(codes[:, 0] == codes[:, 1], LEGS)] = RowStatus.INVALID_AMOUNT
    lowered = lower_floating_legs(found.legs, found.terms.found, found.terms.indices, tables=found.terms.tables, as_of=as_of, status=status)
    resets, messages = _resets(contracts, lowered, found, currencies, resetting, as_of=as_of, fixings=fixings, status=status)
    upfront = fees(contracts, as_of=as_of)
    of_rows = row_status(status, upfront)
    curves = _pair(contracts, "receive_leg_discount_curve", "pay_leg_discount_curve")
    shapes, leg_shape = discounted_by(curves)
    table, shapes = _flows(contracts, lowered, found, resets, curves, shapes, leg_shape, resetting, as_of=as_of)
    fee_rows = np.flatnonzero(upfront.is_due)
    table = _with_fees(table, upfront, fee_rows, leg_shape)
    return _assembled(table, lowered, of_rows, shapes, leg_shape, currencies, resetting, messages, contracts=contracts, as_of=as_of)


def _pair(contracts: Contracts, receive: str, pay: str) -> Text:
    """Two text columns leg by leg."""
    both = end_to_end([contracts.text(receive), contracts.text(pay)])
    return Text(np.ascontiguousarray(both.codes.reshape(LEGS, -1).T).ravel(), both.names)


def _resetting_legs(contracts: Contracts) -> np.ndarray:
    """Which leg resets, -1 for none: the column's, else the convention's second."""
    names = contracts.text("convention")
    found = [SWAP_CONVENTIONS.get(name) for name in names.names]
    of_convention = np.array([*(1 if each is not None and each.is_resetting else -1 for each in found), -1])[names.codes]
    given = contracts.array("resetting_leg")
    return np.where(given < 0, of_convention, given - 1)


def _notionals(contracts: Contracts, resetting: np.ndarray) -> np.ndarray:
    """Signed notional of each leg; of a resetting leg that of the other leg, in whose currency its flows are worked out."""
    receive, pay = contracts.array("notional"), contracts.array("pay_leg_notional")
    pay = np.where(resetting == 1, np.abs(receive), np.abs(pay))
    sign = np.sign(receive)
    receive = np.where(resetting == 0, sign * pay, receive)
    return np.column_stack([receive, -sign * pay]).ravel()


def _resets(
    contracts: Contracts,
    lowered: LoweredLegs,
    found: SwapLegs,
    currencies: Text,
    resetting: np.ndarray,
    *,
    as_of: int,
    fixings: Fixings,
    status: UInt8[np.ndarray, " leg"],
) -> tuple[_Resets, dict[int, str]]:
    """The fixed exchange rate of each flow's period. A leg whose fixing is missing gets MISSING_FIXING, and its row a message."""
    counts = np.diff(lowered.flows.flow_offsets)
    leg = np.repeat(np.arange(counts.size), counts)
    row = leg // LEGS
    is_resetting = leg % LEGS == resetting[row]
    starts = lowered.forecasts.period_start
    lag, calendar, tables, direction, index_status = _fx_indices(contracts, currencies, resetting, fixings)
    fixing_day = np.empty(starts.size, np.int32)
    _days_before(starts, lag[row], calendar[row], tables, fixing_day)
    rate, names = np.full(starts.size, np.nan), contracts.text("fx_reset_index")
    for code, name in enumerate(names.names):
        flows = np.flatnonzero(is_resetting & (names.codes[row] == code) & (fixing_day <= fixings.known_until(as_of)))
        value = fixings.values_on(name, fixing_day[flows])
        rate[flows] = np.where(direction[row[flows]] < 0, 1.0 / value, value)
    current = contracts.array("current_fx_fixing")[row]
    is_running = is_resetting & (starts <= as_of) & (lowered.forecasts.period_end > as_of) & np.isfinite(current)
    rate = np.where(is_running, current, rate)
    missing = np.flatnonzero(is_resetting & (fixing_day < as_of) & np.isnan(rate))
    messages = {int(row[f]): f"no fixing of {names[int(row[f])] or 'the exchange rate'} on {to_date(fixing_day[f])}" for f in missing[::-1]}
    status[leg[missing]] = RowStatus.MISSING_FIXING
    has_reset = resetting >= 0
    of_legs = np.repeat(np.where(has_reset, index_status, RowStatus.OK), LEGS)
    np.copyto(status, of_legs.astype(np.uint8), where=(status == RowStatus.OK) & (of_legs != RowStatus.OK))
    return _Resets(is_resetting, rate), messages


def _fx_indices(
    contracts: Contracts, currencies: Text, resetting: np.ndarray, fixings: Fixings
) -> tuple[np.ndarray, np.ndarray, CalendarTables, np.ndarray, np.ndarray]:
    """[row]: lag, calendar, 1 or -1 for an index of resetting per constant currency or of the inverse, and status; with the calendars."""
    names = contracts.text("fx_reset_index")
    found = [fixings.index(name) for name in names.names]
    pairs = currencies.codes.reshape(-1, LEGS)
    rows = np.arange(contracts.row_count)
    resets, other = np.maximum(resetting, 0), 1 - np.maximum(resetting, 0)
    name_of = np.array([*currencies.names, ""], object)
    of_reset, of_constant = name_of[pairs[rows, resets]], name_of[pairs[rows, other]]
    base = np.array([*("" if i is None else i.currency for i in found), ""], object)[names.codes]
    quote = np.array([*("" if i is None else i.quote_currency for i in found), ""], object)[names.codes]
    is_direct, is_inverse = (base == of_constant) & (quote == of_reset), (base == of_reset) & (quote == of_constant)
    status = np.full(contracts.row_count, RowStatus.OK, np.uint8)
    status[(names.codes >= 0) & ~(is_direct | is_inverse)] = RowStatus.INDEX_MISMATCH
    is_fx = np.array([*(i is not None and i.kind is IndexKind.FX for i in found), True])
    status[~is_fx[names.codes]] = RowStatus.INDEX_MISMATCH
    status[(names.codes >= 0) & np.array([*(i is None for i in found), False])[names.codes]] = RowStatus.MISSING_INDEX
    given = contracts.array("fx_reset_lag")
    of_index = np.array([*(2 if i is None else i.fixing_lag for i in found), 2], np.int32)[names.codes]
    lag = np.where(given == NO_INTEGER, of_index, given).astype(np.int32)
    calendars = Text(names.codes, tuple("NONE" if i is None else i.fixing_calendar for i in found))
    own = contracts.text("fx_reset_calendar")
    both = end_to_end([own, calendars])
    codes = np.where(own.codes < 0, both.codes[own.codes.size :], both.codes[: own.codes.size]).astype(np.int32)
    looked_up = contract_calendars(Text(codes, both.names))
    status[~looked_up.known] = RowStatus.INVALID_SCHEDULE
    return lag, looked_up.calendar, looked_up.tables, np.where(is_direct, 1, -1), status


@kernel
@no_type_check
def _days_before(days, lag, calendar, tables, out):
    for i in range(days.size):
        out[i] = days[i] if lag[i] == 0 else advance_business_days(days[i], -np.int64(lag[i]), calendar[i], tables)


@kernel
@no_type_check
def _days_after(days, lag, calendar, tables, out):
    for i in range(days.size):
        out[i] = days[i] if lag[i] == 0 else advance_business_days(days[i], np.int64(lag[i]), calendar[i], tables)


def _flows(
    contracts: Contracts,
    lowered: LoweredLegs,
    found: SwapLegs,
    resets: _Resets,
    curves: Text,
    shapes: tuple[Shape, ...],
    leg_shape: Int32[np.ndarray, " leg"],
    resetting: np.ndarray,
    *,
    as_of: int,
) -> tuple[_Table, tuple[Shape, ...]]:
    """The legs' flows, those of resetting legs in the currency that they are amounts of, with their notionals' exchanges."""
    shapes, flow_shape = forecast_shapes(lowered, shapes=shapes, leg_shape=leg_shape, curves=found.terms.found.curves)
    flows, counts = lowered.flows, np.diff(lowered.flows.flow_offsets)
    leg = np.repeat(np.arange(counts.size), counts)
    is_fixed = ~np.isnan(resets.rate)
    is_forward = resets.is_resetting & ~is_fixed
    scale = np.where(resets.is_resetting & is_fixed, resets.rate, 1.0)
    coupons = _Table(
        leg // LEGS, np.where(is_forward, FORWARD_LEG, leg % LEGS), leg % LEGS, flows.pay_day, flows.amount * scale,
        flows.principal * scale, flow_shape, lowered.forecasts.special,
    )  # fmt: skip
    exchanged = _exchanges(contracts, lowered, found, resets, leg, leg_shape, as_of=as_of)
    table = _Table(*(np.concatenate(parts) for parts in zip(coupons, exchanged, strict=True)))
    starts = np.concatenate([lowered.forecasts.period_start, exchanged.special])
    table = table._replace(special=np.concatenate([coupons.special, np.full(exchanged.row.size, NO_FORECAST, np.int32)]))
    return _with_forward_shapes(table, starts, shapes, curves, resetting)


def _exchanges(
    contracts: Contracts, lowered: LoweredLegs, found: SwapLegs, resets: _Resets, leg: np.ndarray, leg_shape: np.ndarray, *, as_of: int
) -> _Table:
    """Notionals of resetting legs, lent at each period's start and back at its end. `special` holds the period's start here."""
    forecasts = lowered.forecasts
    # One flow a period rests on no forecast.
    of = np.flatnonzero(resets.is_resetting & (forecasts.curve == NO_FORECAST) & (forecasts.special == NO_FORECAST))
    row, lag = leg[of] // LEGS, contracts.array("notional_payment_lag")[leg[of] // LEGS]
    notional = found.legs.coupons.balance.notional[leg[of]]
    rate, calendar = resets.rate[of], found.legs.coupons.schedule.calendar[leg[of]]
    is_last = np.append(leg[of][1:] != leg[of][:-1], True)
    begins = forecasts.period_start[of]
    is_first = begins == found.legs.coupons.schedule.start[leg[of]]
    parts = []
    for days, sign, pays in (
        (begins, -1.0, np.where(is_first, contracts.array("initial_exchange")[row], contracts.array("intermediate_exchange")[row])),
        (forecasts.period_end[of], 1.0,
         np.where(is_last, contracts.array("final_exchange")[row], contracts.array("intermediate_exchange")[row])),
    ):  # fmt: skip
        paid = np.empty(days.size, np.int32)
        _days_after(days, lag, calendar, found.terms.tables, paid)
        keep = pays & (paid > as_of)
        amount = sign * notional * np.where(np.isnan(rate), 1.0, rate)
        place = leg[of]
        parts.append(
            [
                each[keep]
                for each in (
                    row, np.where(np.isnan(rate), FORWARD_LEG, place % LEGS), place % LEGS, paid, amount, amount, leg_shape[place], begins,
                )
            ]
        )  # fmt: skip
    return _Table(*(np.concatenate(pair) for pair in zip(*parts, strict=True)))


def _with_forward_shapes(
    table: _Table, starts: np.ndarray, shapes: tuple[Shape, ...], curves: Text, resetting: np.ndarray
) -> tuple[_Table, tuple[Shape, ...]]:
    """Shapes of flows of unfixed periods: their own, times P_c(start) / P_r(start)."""
    forward = np.flatnonzero(table.leg == FORWARD_LEG)
    if not forward.size:
        return table, shapes
    row = table.row[forward]
    codes = curves.codes.reshape(-1, LEGS)
    of_reset, of_constant = codes[row, resetting[row]], codes[row, 1 - resetting[row]]
    lag = table.pay_day[forward].astype(np.int64) - starts[forward]
    width, curve_count = int(lag.max()) - int(lag.min()) + 1, len(curves.names) + 1
    keys = ((table.shape[forward].astype(np.int64) * curve_count + of_reset) * curve_count + of_constant) * width + (lag - lag.min())
    distinct, number = np.unique(keys, return_inverse=True)
    made = []
    for key in distinct.tolist():
        rest, back = divmod(key, width)
        rest, constant = divmod(rest, curve_count)
        base, reset = divmod(rest, curve_count)
        days = int(back + lag.min())
        made.append((*shapes[base], Term(curves.names[constant], days, 1), Term(curves.names[reset], days, -1)))
    shape = table.shape.copy()
    shape[forward] = len(shapes) + number
    return table._replace(shape=shape), (*shapes, *made)


def _with_fees(table: _Table, upfront: Fees, rows: np.ndarray, leg_shape: np.ndarray) -> _Table:
    none, zeros = np.full(rows.size, NO_FORECAST, np.int32), np.zeros(rows.size)
    fee = _Table(
        rows, np.full(rows.size, FEE_LEG), np.zeros(rows.size, np.int64), upfront.day[rows], upfront.amount[rows], zeros,
        leg_shape[rows * LEGS], none,
    )  # fmt: skip
    return _Table(*(np.concatenate(pair) for pair in zip(table, fee, strict=True)))


def _assembled(
    table: _Table,
    lowered: LoweredLegs,
    status: UInt8[np.ndarray, " row"],
    shapes: tuple[Shape, ...],
    leg_shape: np.ndarray,
    currencies: Text,
    resetting: np.ndarray,
    messages: dict[int, str],
    *,
    contracts: Contracts,
    as_of: int,
) -> Lowered:
    rows = contracts.row_count
    table = _Table(*(column[status[table.row] == RowStatus.OK] for column in table))
    order = np.lexsort((table.pay_day, table.leg, table.row))
    table = _Table(*(column[order] for column in table))
    counts = np.bincount(table.row * ROW_LEGS + table.leg, minlength=rows * ROW_LEGS)
    pairs, shape_pairs = currencies.codes.reshape(rows, LEGS), leg_shape.reshape(rows, LEGS)
    constant = (np.arange(rows), 1 - np.maximum(resetting, 0))
    leg_currency = np.column_stack([pairs, pairs[constant], pairs[:, 0]]).astype(np.int32).ravel()
    of_legs = np.column_stack([shape_pairs, shape_pairs[constant], shape_pairs[:, 0]]).astype(np.int32).ravel()
    pay_day = table.pay_day.astype(np.int32)
    extra: dict[str, Any] = (
        {} if lowered.specials is None else {"specials": lowered.specials, "flow_special": table.special.astype(np.int32)}
    )
    of_rows = {leg // LEGS: message for leg, message in lowered.messages.items()} | messages
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("receive_leg_currency"),
        cashflows=Cashflows(
            row_count=rows,
            leg_offsets=np.arange(0, ROW_LEGS * rows + 1, ROW_LEGS, dtype=np.int64),
            leg_currency=Text(leg_currency, currencies.names),
            leg_credit_spread=np.zeros(ROW_LEGS * rows),
            flow_offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)]),
            shapes=shapes,
            leg_shape=of_legs,
            pay_day=pay_day,
            ex_day=pay_day,
            amount=table.amount,
            principal=table.principal,
            flow_shape=table.shape.astype(np.int32),
            contract_leg=table.contract_leg.astype(np.int8),
            **extra,
        ),
        price_terms=None,
        messages={row: message for row, message in of_rows.items() if status[row] != RowStatus.OK},
    )


register(
    PricerSpec(
        product="CROSS_CURRENCY_SWAP",
        title="Cross-currency swap",
        columns=COLUMNS,
        measures=MEASURES,
        native_currency="receive_leg_currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
