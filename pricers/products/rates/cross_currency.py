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

from dataclasses import dataclass
from functools import cached_property
from typing import Final, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64, UInt8

from pricers.contract.calendars_of_contract import contract_calendars
from pricers.contract.columns import AMOUNT_MAX, FX_RATE_MAX, NO_INTEGER, Column, Columns, Contracts, Text, end_to_end
from pricers.flows.cashflows import Lowered, Shape, Term, discounted_by
from pricers.flows.coupon_arrays import LAG_DAYS_MAX
from pricers.flows.floating_leg import NO_FORECAST, LoweredLegs, forecast_shapes, lower_floating_legs
from pricers.flows.index_rates import fixing_day_of
from pricers.flows.swap_legs import LEGS, SWAP_COLUMNS, SwapLegs, swap_legs
from pricers.flows.swap_rows import FlowTable, all_flows, fees, flows_of_fees, flows_of_legs, lowered_rows, messages_of, row_status
from pricers.kernels.jit import kernel
from pricers.market.conventions import SWAP_CONVENTIONS, SwapKind
from pricers.market.fixings import Fixings
from pricers.market.indices import IndexKind
from pricers.products.rates.swap import MEASURES, TERMS
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import CalendarTables, adjust, advance_business_days
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
    Column("notional_payment_lag", "integer", "from a period's start or end to the exchange of notionals; at most each payment_lag",
           unit="business days", default=0, minimum=0, maximum=LAG_DAYS_MAX),
    Column("receive_leg_discount_curve", "text", "curve that discounts the receive leg", required=True, references="discount_curve",
           example="EUR-ESTR"),
    Column("pay_leg_discount_curve", "text", "curve that discounts the pay leg", required=True, references="discount_curve",
           example="USD-EUR-XCCY"),
    *SWAP_COLUMNS,
)  # fmt: skip


@dataclass(frozen=True)
class _Swaps:
    """A batch of swaps whose legs are lowered, those of resetting legs as if the other leg's notional were theirs."""

    contracts: Contracts
    as_of: int
    currencies: Text
    """[leg]"""
    resetting: Int64[np.ndarray, " row"]
    """Which leg is reset; -1 for none."""
    legs: SwapLegs
    lowered: LoweredLegs

    @cached_property
    def leg(self) -> Int64[np.ndarray, " flow"]:
        """The leg of each lowered flow."""
        counts = np.diff(self.lowered.flows.flow_offsets)
        return np.repeat(np.arange(counts.size), counts)

    @cached_property
    def is_reset(self) -> Bool[np.ndarray, " flow"]:
        """Whether the flow is one of a resetting leg."""
        return np.asarray(self.leg % LEGS == self.resetting[self.leg // LEGS])


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower swaps to four legs each; see `ROW_LEGS`.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
    Returns:
        Four legs a row. Row status: those of INTEREST_RATE_SWAP; MISSING_FIXING also where a reset is fixed and its rate is missing;
        INVALID_AMOUNT also for one currency on both legs, and for a pay leg that is not reset and has no notional; INVALID_PRINCIPAL
        also for notional steps beside a resetting leg; INVALID_SCHEDULE also for notionals that are paid later than coupons.
    """
    currencies, curves = (_pair(contracts, f"receive_leg_{name}", f"pay_leg_{name}") for name in ("currency", "discount_curve"))
    resetting = _resetting_legs(contracts)
    is_reset = (resetting[:, None] == np.arange(LEGS)).ravel()
    never = np.zeros(is_reset.size, np.bool_)
    exchanges = [never, *(np.repeat(contracts.array(name), LEGS) & ~is_reset for name in ("intermediate_exchange", "final_exchange"))]
    notional = _notionals(contracts, resetting)
    found = swap_legs(contracts, as_of=as_of, fixings=fixings, currencies=currencies, notional=notional, kinds=KINDS, exchanges=exchanges)
    status = found.status.copy()
    _check(status, contracts, found, currencies, resetting)
    lowered = lower_floating_legs(found.legs, found.terms.found, found.terms.indices, tables=found.terms.tables, as_of=as_of, status=status)
    swaps = _Swaps(contracts, as_of, currencies, resetting, found, lowered)
    rate, messages = _reset_rates(swaps, fixings=fixings, status=status)
    upfront = fees(contracts, as_of=as_of)
    shapes, leg_shape = discounted_by(curves)
    shapes, flow_shape = forecast_shapes(lowered, shapes=shapes, leg_shape=leg_shape, curves=found.terms.found.curves)
    flows, starts = _flows(swaps, rate, flow_shape, leg_shape)
    flows, shapes = _with_forward_shapes(flows, starts, shapes, curves, resetting)
    of_rows, places = leg_shape.reshape(-1, LEGS), _currency_of_legs(resetting)
    return lowered_rows(
        all_flows(flows, flows_of_fees(upfront, leg=FEE_LEG, shape=of_rows[:, 0])), status=row_status(status, upfront), as_of=as_of,
        native_currency=contracts.text("receive_leg_currency"),
        leg_currency=Text(np.take_along_axis(currencies.codes.reshape(-1, LEGS), places, axis=1).ravel(), currencies.names),
        leg_shape=np.take_along_axis(of_rows, places, axis=1), shapes=shapes, specials=lowered.specials,
        messages=messages_of(found, lowered) | messages,
    )  # fmt: skip


def _currency_of_legs(resetting: np.ndarray) -> np.ndarray:
    """int64[row, ROW_LEGS]: which leg of the contract has the currency and the discounting of each leg of the row."""
    zeros = np.zeros_like(resetting)
    return np.column_stack([zeros, zeros + 1, 1 - np.maximum(resetting, 0), zeros])


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


def _check(
    status: UInt8[np.ndarray, " leg"], contracts: Contracts, found: SwapLegs, currencies: Text, resetting: Int64[np.ndarray, " row"]
) -> None:
    """Fail the legs whose terms do not fit together."""
    codes = currencies.codes.reshape(-1, LEGS)
    steps = np.diff(found.legs.coupons.balance.offsets).reshape(-1, LEGS).any(axis=1)
    pays_late = contracts.array("notional_payment_lag") > found.legs.coupons.payment.lag.reshape(-1, LEGS).min(axis=1)
    for failing, reason in (
        (codes[:, 0] == codes[:, 1], RowStatus.INVALID_AMOUNT),
        ((resetting >= 0) & steps, RowStatus.INVALID_PRINCIPAL),
        (pays_late, RowStatus.INVALID_SCHEDULE),
    ):
        status[(status == RowStatus.OK) & np.repeat(failing, LEGS)] = reason


def _reset_rates(
    swaps: _Swaps, *, fixings: Fixings, status: UInt8[np.ndarray, " leg"]
) -> tuple[Float[np.ndarray, " flow"], dict[int, str]]:
    """The exchange rate, resetting per constant, at which each flow's notional is reset; NaN where it is not fixed, or not reset.

    A leg whose fixing is missing gets MISSING_FIXING, and its row a message.
    """
    contracts, periods, row = swaps.contracts, swaps.lowered.forecasts, swaps.leg // LEGS
    lag, calendar, tables, is_direct, index_status = _fx_indices(contracts, swaps.currencies, swaps.resetting, fixings)
    fixing_day = np.empty(row.size, np.int32)
    _fixing_days(periods.period_start, lag[row], calendar[row], tables, fixing_day)
    rate, names = np.full(row.size, np.nan), contracts.text("fx_reset_index")
    for code, name in enumerate(names.names):
        flows = np.flatnonzero(swaps.is_reset & (names.codes[row] == code) & (fixing_day <= fixings.known_until(swaps.as_of)))
        value = fixings.values_on(name, fixing_day[flows])
        rate[flows] = np.where(is_direct[row[flows]], value, 1.0 / value)
    current = contracts.array("current_fx_fixing")[row]
    is_running = swaps.is_reset & (periods.period_start <= swaps.as_of) & (periods.period_end > swaps.as_of)
    rate = np.where(is_running & np.isfinite(current), current, rate)
    missing = np.flatnonzero(swaps.is_reset & (fixing_day < swaps.as_of) & np.isnan(rate))
    messages = {int(row[f]): f"no fixing of {names[int(row[f])] or 'the exchange rate'} on {to_date(fixing_day[f])}" for f in missing[::-1]}
    status[swaps.leg[missing]] = RowStatus.MISSING_FIXING
    of_legs = np.repeat(np.where(swaps.resetting >= 0, index_status, RowStatus.OK), LEGS).astype(np.uint8)
    np.copyto(status, of_legs, where=(status == RowStatus.OK) & (of_legs != RowStatus.OK))
    return rate, messages


def _fx_indices(
    contracts: Contracts, currencies: Text, resetting: np.ndarray, fixings: Fixings
) -> tuple[np.ndarray, np.ndarray, CalendarTables, np.ndarray, np.ndarray]:
    """[row]: lag, calendar, whether the index is of resetting per constant currency, and status; with the calendars."""
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
    return lag, looked_up.calendar, looked_up.tables, is_direct, status


@kernel
@no_type_check
def _fixing_days(days, lag, calendar, tables, out):
    for i in range(days.size):
        out[i] = fixing_day_of(np.int64(days[i]), np.int64(lag[i]), np.int64(calendar[i]), tables)


@kernel
@no_type_check
def _adjusted(days, convention, calendar, tables, out):
    for i in range(days.size):
        out[i] = adjust(np.int64(days[i]), np.int64(convention[i]), np.int64(calendar[i]), tables)


@kernel
@no_type_check
def _advanced(days, lag, calendar, tables, out):
    for i in range(days.size):
        out[i] = days[i] if lag[i] == 0 else advance_business_days(np.int64(days[i]), np.int64(lag[i]), np.int64(calendar[i]), tables)


def _exchange_days(swaps: _Swaps, leg: np.ndarray, days: np.ndarray) -> Int32[np.ndarray, " flow"]:
    """When notionals of periods that start or end on these days are exchanged, whatever the lag of their coupons."""
    terms, tables = swaps.legs.legs.coupons, swaps.legs.terms.tables
    calendar, paid = terms.schedule.calendar[leg], np.empty(days.size, np.int32)
    _adjusted(days, terms.payment.convention[leg], calendar, tables, paid)
    _advanced(paid, swaps.contracts.array("notional_payment_lag")[leg // LEGS], calendar, tables, paid)
    return paid


def _flows(
    swaps: _Swaps, rate: Float[np.ndarray, " flow"], flow_shape: Int32[np.ndarray, " flow"], leg_shape: Int32[np.ndarray, " leg"]
) -> tuple[FlowTable, Int32[np.ndarray, " all_flow"]]:
    """Coupons and notionals, and the first day of each flow's period. A flow of a period whose notional is not fixed is what it pays if
    one unit of the constant currency is one of the resetting currency; its shape does not have the forward exchange rate yet."""
    periods, coupons = swaps.lowered.forecasts, flows_of_legs(swaps.lowered, flow_shape)
    repays = np.flatnonzero(coupons.principal != 0.0)
    repaid = coupons.taken(repays)
    repaid = repaid._replace(amount=repaid.principal, pay_day=_exchange_days(swaps, swaps.leg[repays], periods.period_end[repays]))
    is_fixed, zeros = np.isfinite(rate), np.zeros(rate.size)
    coupons = coupons._replace(
        leg=np.where(swaps.is_reset & ~is_fixed, FORWARD_LEG, coupons.leg),
        amount=(coupons.amount - coupons.principal) * np.where(is_fixed, rate, 1.0),
        principal=zeros,
    )
    exchanged, starts = _exchanges(swaps, rate, leg_shape)
    flows = all_flows(coupons, repaid, exchanged)
    starts = np.concatenate([periods.period_start, periods.period_start[repays], starts])
    is_ahead = flows.pay_day > swaps.as_of
    return flows.taken(is_ahead), starts[is_ahead]


def _exchanges(
    swaps: _Swaps, rate: Float[np.ndarray, " flow"], leg_shape: Int32[np.ndarray, " leg"]
) -> tuple[FlowTable, Int32[np.ndarray, " exchange"]]:
    """First exchanges of all legs, and of resetting legs what each period lends at its start and gets back at its end; and its start."""
    contracts, periods, terms = swaps.contracts, swaps.lowered.forecasts, swaps.legs.legs.coupons
    of = np.flatnonzero((periods.curve == NO_FORECAST) & (periods.special == NO_FORECAST))  # one flow a period
    leg, is_reset, begins, ends = swaps.leg[of], swaps.is_reset[of], periods.period_start[of], periods.period_end[of]
    initial, intermediate, final = (
        contracts.array(f"{name}_exchange")[leg // LEGS] for name in ("initial", "intermediate", "final")
    )  # fmt: skip
    first_day = np.empty(begins.size, np.int32)
    schedule = terms.schedule
    _adjusted(schedule.start[leg], schedule.convention[leg], schedule.calendar[leg], swaps.legs.terms.tables, first_day)
    is_first, is_last = begins == first_day, np.append(leg[1:] != leg[:-1], True)
    is_fixed = np.isfinite(rate[of])
    lent = _first_notionals(swaps)[leg] * np.where(is_fixed, rate[of], 1.0)
    exchanges = FlowTable(
        leg // LEGS, np.where(is_reset & ~is_fixed, FORWARD_LEG, leg % LEGS), leg % LEGS, begins, -lent, -lent, leg_shape[leg],
        np.full(of.size, NO_FORECAST, np.int32),
    )  # fmt: skip
    at_start = np.flatnonzero(np.where(is_first, initial, intermediate & is_reset))
    at_end = np.flatnonzero(is_reset & np.where(is_last, final, intermediate))
    lends = exchanges._replace(pay_day=_exchange_days(swaps, leg, begins)).taken(at_start)
    returns = exchanges._replace(pay_day=_exchange_days(swaps, leg, ends), amount=lent, principal=lent).taken(at_end)
    return all_flows(lends, returns), np.concatenate([begins[at_start], begins[at_end]])


def _first_notionals(swaps: _Swaps) -> Float[np.ndarray, " leg"]:
    """Signed notional of each leg's first period."""
    balance, start = swaps.legs.legs.coupons.balance, swaps.legs.legs.coupons.schedule.start
    first, leg = np.abs(balance.notional), np.repeat(np.arange(start.size), np.diff(balance.offsets))
    begun = np.flatnonzero(balance.dates <= start[leg])
    first[leg[begun]] = balance.amounts[begun]  # of several, the last counts
    return np.asarray(np.sign(balance.notional) * first)


def _with_forward_shapes(
    flows: FlowTable, starts: np.ndarray, shapes: tuple[Shape, ...], curves: Text, resetting: np.ndarray
) -> tuple[FlowTable, tuple[Shape, ...]]:
    """Shapes of flows of unfixed periods: their own, times P_c(start) / P_r(start)."""
    forward = np.flatnonzero(flows.leg == FORWARD_LEG)
    if not forward.size:
        return flows, shapes
    row = flows.row[forward]
    codes = curves.codes.reshape(-1, LEGS)
    of_reset, of_constant = codes[row, resetting[row]], codes[row, 1 - resetting[row]]
    lag = flows.pay_day[forward].astype(np.int64) - starts[forward]
    width, curve_count = int(lag.max()) - int(lag.min()) + 1, len(curves.names) + 1
    keys = ((flows.shape[forward].astype(np.int64) * curve_count + of_reset) * curve_count + of_constant) * width + (lag - lag.min())
    distinct, number = np.unique(keys, return_inverse=True)
    made = []
    for key in distinct.tolist():
        rest, back = divmod(key, width)
        rest, constant = divmod(rest, curve_count)
        base, reset = divmod(rest, curve_count)
        days = int(back + lag.min())
        made.append((*shapes[base], Term(curves.names[constant], days, 1), Term(curves.names[reset], days, -1)))
    shape = flows.shape.copy()
    shape[forward] = len(shapes) + number
    return flows._replace(shape=shape), (*shapes, *made)


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
