"""FRA: a forward rate agreement, the difference between an index rate and a fixed rate over one period.

The index rate F of the period from `start_date` to `maturity_date`, τ years on the index's day count, is fixed `fixing_lag` business days
before it. The buyer (positive `notional`) pays the fixed rate K and receives F, so gains when rates rise:

    AT_START_DISCOUNTED   N × τ × (F - K) / (1 + τ × F) on the start date, the market's form [1]
    AT_END                N × τ × (F - K) on the maturity date

Before the fixing F is the forward rate (P(start) / P(end) - 1) / τ of the index's curve. The settlement sum at the start is then worth
N × D(start) × (1 - (1 + τ × K) × P(end) / P(start)), with D the discount factor: a flow that falls with the forward rate.

References:
    [1] ISDA 2021 interest rate derivatives definitions, FRA discounting; J. Hull, Options, Futures, and Other Derivatives, ch. 4.
    [2] QuantLib, ql/instruments/forwardrateagreement.cpp.
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8

from pricers.contract.columns import AMOUNT_MAX, RATE_MAX, Column, Columns, Contracts
from pricers.contract.float_columns import FIXING_LAG_MAX
from pricers.flows.cashflows import Cashflows, Lowered, Shape, Term, discounted_by
from pricers.flows.floating_leg import NO_FORECAST, LoweredLegs, forecast_shapes
from pricers.flows.one_period import Periods, lower_periods, periods_of
from pricers.market.fixings import Fixings
from pricers.products.rates.swap import MEASURES
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus

SETTLEMENTS: Final = ("AT_START_DISCOUNTED", "AT_END")
AT_END: Final = 1

COLUMNS: Final = Columns(
    Column("currency", "text", "currency of the contract", required=True, references="currency", example="EUR"),
    Column("notional", "float", "positive pays the fixed rate and receives the index rate", unit="currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=25_000_000.0),
    Column("fixed_rate", "float", "rate agreed", unit="decimal a year", required=True, minimum=-1.0, maximum=RATE_MAX, example=0.0245),
    Column("index", "text", "interest-rate index with a tenor", required=True, references="index", example="EUR-EURIBOR-6M"),
    Column("forecast_curve", "text", "curve that forecasts the index; null: the index's own", references="forecast_curve"),
    Column("start_date", "date", "first day of the rate's period", required=True, example="2026-06-18"),
    Column("maturity_date", "date", "its last day; null: by the index's tenor", example="2026-12-18"),
    Column("settlement", "choice", "when the difference is paid", default="AT_START_DISCOUNTED", allowed=SETTLEMENTS),
    Column("fixing_lag", "integer", "from fixing to start of the period; null: the index's", unit="business days of fixing_calendar",
           minimum=0, maximum=FIXING_LAG_MAX),
    Column("fixing_calendar", "text", "business days of fixing_lag; null: the index's", references="calendar", example="TARGET"),
    Column("first_fixing", "float", "index rate of the period, before the fixings; null: none", unit="decimal a year", minimum=-1.0,
           maximum=RATE_MAX),
    Column("discount_curve", "text", "curve that discounts the settlement", required=True, references="discount_curve",
           example="EUR-ESTR"),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower contracts to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
    Returns:
        One leg a row, with at most two flows. Row status: INVALID_AMOUNT, INVALID_DATES, DATE_OUT_OF_RANGE, INVALID_SCHEDULE,
        MISSING_INDEX, INDEX_MISMATCH (an overnight index too), MISSING_FIXING, NOT_FINITE or MATURED.
    """
    notional, fixed_rate, at_end = contracts.array("notional"), contracts.array("fixed_rate"), contracts.array("settlement") == AT_END
    periods = periods_of(
        contracts, as_of=as_of, fixings=fixings, start=contracts.array("start_date"), end=contracts.array("maturity_date"),
        spread=-fixed_rate,
    )  # fmt: skip
    status = _status(periods, notional, at_end, as_of)
    lowered = lower_periods(periods, notional=np.where(status == RowStatus.OK, notional, 1.0), as_of=as_of, status=status)
    shapes, leg_shape = discounted_by(contracts.text("discount_curve"))
    shapes, flow_shape = forecast_shapes(lowered, shapes=shapes, leg_shape=leg_shape, curves=periods.terms.found.curves)
    row = np.repeat(np.arange(status.size), np.diff(lowered.flows.flow_offsets))
    early = ~at_end[row]
    amount = np.where(early, _paid_at_start(lowered, periods, notional, fixed_rate, row), lowered.flows.amount)
    shapes, flow_shape = _with_early_shapes(lowered, periods, row, early, shapes, leg_shape, flow_shape)
    pay_day = np.where(early, periods.start[row], lowered.flows.pay_day).astype(np.int32)
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=Cashflows(
            row_count=contracts.row_count,
            leg_offsets=np.arange(contracts.row_count + 1, dtype=np.int64),
            leg_currency=contracts.text("currency"),
            leg_credit_spread=np.zeros(contracts.row_count),
            flow_offsets=lowered.flows.flow_offsets,
            shapes=shapes,
            leg_shape=leg_shape,
            pay_day=pay_day,
            ex_day=pay_day,
            amount=amount,
            principal=np.zeros(amount.size),
            flow_shape=flow_shape,
        ),
        price_terms=None,
        messages=lowered.messages,
    )


def _status(periods: Periods, notional: np.ndarray, at_end: Bool[np.ndarray, " row"], as_of: int) -> UInt8[np.ndarray, " row"]:
    status = periods.status.copy()
    for failing, reason in (
        (~periods.is_term, RowStatus.INDEX_MISMATCH),
        (~np.isfinite(notional) | (notional == 0.0), RowStatus.INVALID_AMOUNT),
        (~at_end & (periods.start <= as_of), RowStatus.MATURED),
    ):
        status[(status == RowStatus.OK) & failing] = reason
    return status


def _paid_at_start(
    lowered: LoweredLegs, periods: Periods, notional: np.ndarray, fixed_rate: np.ndarray, row: np.ndarray
) -> Float[np.ndarray, " flow"]:
    """Amounts of flows settled at the start: of a fixed rate its discounted difference; else what falls with the rate, and the notional."""
    size, years, rate = notional[row], periods.years[row], fixed_rate[row]
    is_forecast = lowered.forecasts.curve != NO_FORECAST
    rests_on_forecast = np.zeros(notional.size, np.bool_)
    rests_on_forecast[row[is_forecast]] = True
    is_fixed = ~rests_on_forecast[row]
    growth = np.where(is_fixed, 1.0 + lowered.flows.amount / size + years * rate, 1.0)
    return np.where(is_forecast, -size * (1.0 + years * rate), np.where(is_fixed, lowered.flows.amount / growth, size))


def _with_early_shapes(
    lowered: LoweredLegs,
    periods: Periods,
    row: np.ndarray,
    early: Bool[np.ndarray, " flow"],
    shapes: tuple[Shape, ...],
    leg_shape: Int32[np.ndarray, " row"],
    flow_shape: Int32[np.ndarray, " flow"],
) -> tuple[tuple[Shape, ...], Int32[np.ndarray, " flow"]]:
    """Shapes with D(start) × P(end) / P(start), anchored on the start, for forecasts that are settled there."""
    curve, curves = lowered.forecasts.curve, periods.terms.found.curves
    flows = np.flatnonzero(early & (curve != NO_FORECAST))
    days = periods.start[row[flows]].astype(np.int64) - periods.end[row[flows]]
    keys = np.stack([leg_shape[row[flows]], curve[flows], days], axis=1)
    distinct, number = np.unique(keys, axis=0, return_inverse=True)
    made = [(*shapes[base], Term(curves[place], 0, -1), Term(curves[place], lag, 1)) for base, place, lag in distinct.tolist()]
    found = flow_shape.copy()
    found[flows] = len(shapes) + number.ravel()
    return (*shapes, *made), found


register(
    PricerSpec(
        product="FRA",
        title="Forward rate agreement",
        columns=COLUMNS,
        measures=MEASURES,
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
