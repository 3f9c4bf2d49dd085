"""RATE_FUTURE: a future on the rate of one period, term or overnight.

The price is 100 - 100 × (R + convexity_adjustment), R being the index rate of the period from `start_date` to `end_date` on the index's
day count [1]: of a term index the forward rate, of an overnight index what its rates compound to, or average to where `rate_method` is
AVERAGED, as for one-month SOFR futures. Rates before the valuation date are the index's fixings. A position is worth
contracts × point_value × (price - trade_price). Nothing discounts it, because gains are paid every day: `trade_price` is the price agreed,
or that of the last settlement. Positive `contracts` are bought, and gain when rates fall.

`convexity_adjustment` is what the future's rate is above the forward rate, by a model of yours [2]; it does not move with the market.

A future on a term rate ends when the rate is fixed, one on overnight rates with its period; later its status is MATURED.

References:
    [1] CME Group, Three-Month SOFR and One-Month SOFR futures, contract specifications; ICE, Three Month Euribor futures.
    [2] J. Hull, Options, Futures, and Other Derivatives, ch. 6 (convexity adjustment).
    [3] QuantLib, ql/instruments/overnightindexfuture.cpp.
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, Int32, UInt8

from pricers.contract.columns import AMOUNT_MAX, PRICE_MAX, RATE_MAX, Column, Columns, Contracts
from pricers.flows.cashflows import Cashflows, Lowered
from pricers.flows.floating_leg import forecast_shapes
from pricers.flows.one_period import Periods, lower_periods, periods_of
from pricers.market.fixings import Fixings
from pricers.market.indices import IndexKind
from pricers.products.rates.swap import MEASURES
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE

_PER: Final = 100.0
_IMM_MONTHS: Final = 3

COLUMNS: Final = Columns(
    Column("contracts", "float", "number of futures; positive: bought", unit="contracts", required=True, minimum=-AMOUNT_MAX,
           maximum=AMOUNT_MAX, example=40.0),
    Column("point_value", "float", "what one contract gains when the price rises by 1", unit="currency", required=True, minimum=0.0,
           maximum=AMOUNT_MAX, example=2_500.0),
    Column("currency", "text", "currency of gains", required=True, references="currency", example="USD"),
    Column("index", "text", "interest-rate index of the future", required=True, references="index", example="USD-SOFR"),
    Column("forecast_curve", "text", "curve that forecasts the index; null: the index's own", references="forecast_curve"),
    Column("rate_method", "choice", "how overnight rates make the period's rate; null: COMPOUNDED", allowed=("COMPOUNDED", "AVERAGED")),
    Column("start_date", "date", "first day of the rate's period", required=True, example="2026-06-17"),
    Column("end_date", "date", "its last day; null: by the index's tenor, of an overnight index the third Wednesday three months later",
           example="2026-09-16"),
    Column("trade_price", "float", "price agreed, or of the last daily settlement", unit="100 less per cent a year", required=True,
           minimum=-PRICE_MAX, maximum=PRICE_MAX, example=96.55),
    Column("convexity_adjustment", "float", "the future's rate less the forward rate", unit="decimal a year", minimum=-RATE_MAX,
           maximum=RATE_MAX, default=0.0),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower futures to one leg each, which nothing discounts.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
    Returns:
        One leg a row. Row status: INVALID_AMOUNT, INVALID_DATES, DATE_OUT_OF_RANGE, MISSING_INDEX, INDEX_MISMATCH, MISSING_FIXING,
        INVALID_SCHEDULE, UNSUPPORTED_RATE_METHOD, NOT_FINITE or MATURED.
    """
    count, point = contracts.array("contracts"), contracts.array("point_value")
    price, adjustment = contracts.array("trade_price"), contracts.array("convexity_adjustment")
    # contracts × point × (100 - 100 × (R + adjustment) - price) = -contracts × point × 100 × (R + adjustment + price / 100 - 1)
    spread = adjustment + price / _PER - 1.0
    methods = contracts.array("rate_method")
    data = {**contracts.data, "rate_method": np.where(methods < 0, methods, methods + 1).astype(np.int8)}
    periods = periods_of(
        Contracts(contracts.row_count, data), as_of=as_of, fixings=fixings, start=contracts.array("start_date"),
        end=_ends(contracts, fixings), spread=spread,
    )  # fmt: skip
    status = _status(periods, count, point, as_of)
    is_ok = status == RowStatus.OK
    notional = np.where(is_ok, -count * point * _PER / np.where(is_ok, periods.years, 1.0), 1.0)
    lowered = lower_periods(periods, notional=notional, as_of=as_of, status=status)
    rows, flows = contracts.row_count, lowered.flows
    shapes, flow_shape = forecast_shapes(lowered, shapes=((),), leg_shape=np.zeros(rows, np.int32), curves=periods.terms.found.curves)
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=Cashflows(
            row_count=rows,
            leg_offsets=np.arange(rows + 1, dtype=np.int64),
            leg_currency=contracts.text("currency"),
            leg_credit_spread=np.zeros(rows),
            flow_offsets=flows.flow_offsets,
            shapes=shapes,
            leg_shape=np.full(rows, -1, np.int32),
            pay_day=flows.pay_day,
            ex_day=flows.pay_day,
            amount=flows.amount,
            principal=flows.principal,
            flow_shape=flow_shape,
            specials=lowered.specials,
            flow_special=None if lowered.specials is None else lowered.forecasts.special,
        ),
        price_terms=None,
        messages=lowered.messages,
    )


def _ends(contracts: Contracts, fixings: Fixings) -> Int32[np.ndarray, " row"]:
    """Ends of periods; of an overnight index without one, the third Wednesday three months after the start's month."""
    start, end, index = contracts.array("start_date"), contracts.array("end_date"), contracts.text("index")
    found = [fixings.index(name) for name in index.names]
    is_overnight = np.array([*(each is not None and each.kind is IndexKind.OVERNIGHT for each in found), False])[index.codes]
    months = start.astype("datetime64[D]").astype("datetime64[M]") + _IMM_MONTHS
    first = months.astype("datetime64[D]").astype(np.int64)
    third_wednesday = first + (6 - first) % 7 + 14  # 1970-01-01 was a Thursday, so that Wednesdays are 6 modulo 7
    return np.where((end == NO_DATE) & is_overnight & (start != NO_DATE), third_wednesday, end).astype(np.int32)


def _status(periods: Periods, count: np.ndarray, point: np.ndarray, as_of: int) -> UInt8[np.ndarray, " row"]:
    status = periods.status.copy()
    is_usable: Bool[np.ndarray, " row"] = np.isfinite(count * point) & (count != 0.0) & (point > 0.0)
    status[(status == RowStatus.OK) & ~is_usable] = RowStatus.INVALID_AMOUNT
    status[(status == RowStatus.OK) & periods.is_term & (periods.fixing_day < as_of)] = RowStatus.MATURED
    return status


register(
    PricerSpec(
        product="RATE_FUTURE",
        title="Interest-rate future",
        columns=COLUMNS,
        measures=MEASURES,
        native_currency="currency",
        notional="contracts",
        lower=lower,
        documentation=__doc__,
    )
)
