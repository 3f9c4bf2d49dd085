"""INTEREST_RATE_SWAP: fixed against floating, overnight, and basis swaps of one currency.

PV = Σ receive leg - Σ pay leg, each leg a coupon leg on its schedule [1]: a fixed coupon is a flow; a floating one whose rate is not fixed
is a flow that grows at the forward rate of the index's curve, and one that does not (see `pricers.flows.floating_leg`). Both legs discount
on `discount_curve`, the collateral's curve. Notionals are exchanged only where the contract says so.

`convention` names the terms of a quoted swap, such as EUR-FIXED-1Y-EURIBOR-6M: a swap then needs a notional, two dates, and `fixed_rate` or
`spread`. Any column of a leg overrides it. Positive `notional` receives the receive leg, which is the convention's fixed leg.

Flows paid on or before the valuation date have no value.

References:
    [1] J. Hull, Options, Futures, and Other Derivatives, ch. 7 (swaps); ISDA 2021 interest rate derivatives definitions.
    [2] QuantLib, ql/instruments/vanillaswap.cpp, ql/instruments/overnightindexedswap.cpp, ql/instruments/floatfloatswap.cpp.
"""

from dataclasses import replace
from typing import Final

import numpy as np

from pricers.contract.columns import AMOUNT_MAX, RATE_MAX, Column, Columns, Contracts
from pricers.flows.cashflows import Lowered, discounted_by
from pricers.flows.floating_leg import forecast_shapes, lower_floating_legs
from pricers.flows.swap_legs import LEGS, SWAP_COLUMNS, swap_legs
from pricers.flows.swap_rows import (
    all_flows,
    fees,
    flows_of_fees,
    flows_of_legs,
    lowered_rows,
    messages_of,
    quoted_rates,
    repeated,
    row_status,
)
from pricers.market.conventions import SwapKind
from pricers.market.fixings import Fixings
from pricers.measures import Measure
from pricers.registry import PricerSpec, register

MEASURES: Final = frozenset(
    {Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.GAMMA, Measure.FX_DELTA, Measure.THETA_1D, Measure.KEY_RATE_DV01}
)
KINDS: Final = frozenset({SwapKind.FIXED_FLOAT, SwapKind.BASIS})

TERMS: Final = (
    Column("convention", "text", "named terms of both legs, which the legs' columns override; null: none",
           example="EUR-FIXED-1Y-EURIBOR-6M"),
    Column("start_date", "date", "first day of interest", required=True, example="2025-01-15"),
    Column("maturity_date", "date", "end of the last interest period", required=True, example="2035-01-15"),
    Column("fixed_rate", "float", "rate of the convention's fixed leg", unit="decimal a year", minimum=-1.0, maximum=RATE_MAX,
           example=0.0265),
    Column("spread", "float", "margin of the convention's first leg with an index; null: that of the leg", unit="decimal a year",
           minimum=-RATE_MAX, maximum=RATE_MAX),
    Column("initial_exchange", "boolean", "notionals are exchanged on the first day", default=False),
    Column("intermediate_exchange", "boolean", "changes of the notionals are exchanged", default=False),
    Column("final_exchange", "boolean", "notionals are exchanged at the end", default=False),
    Column("upfront_amount", "float", "received on upfront_date; negative: paid", unit="currency", minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX,
           default=0.0),
    Column("upfront_date", "date", "payment date of upfront_amount"),
)  # fmt: skip

COLUMNS: Final = Columns(
    Column("currency", "text", "currency of both legs", required=True, references="currency", example="EUR"),
    Column("notional", "float", "positive receives the receive leg and pays the pay leg", unit="currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=10_000_000.0),
    *TERMS,
    Column("discount_curve", "text", "curve that discounts both legs", required=True, references="discount_curve", example="EUR-ESTR"),
    *SWAP_COLUMNS,
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower swaps to three legs each: what is received, what is paid, and the upfront amount.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
    Returns:
        Three legs a row. Row status: INVALID_AMOUNT (a leg has neither rate nor index, or both), INVALID_PRINCIPAL, INVALID_SCHEDULE,
        INVALID_DATES, DATE_OUT_OF_RANGE, UNKNOWN_CONVENTION, MISSING_INDEX, MISSING_FIXING, INDEX_MISMATCH, EMBEDDED_OPTION,
        UNSUPPORTED_RATE_METHOD, NOT_FINITE or MATURED, once the last flow of both legs is paid.
    """
    currency, curve = contracts.text("currency"), contracts.text("discount_curve")
    notional = (contracts.array("notional")[:, None] * np.array([1.0, -1.0])).ravel()
    exchanges = [np.repeat(contracts.array(name), LEGS) for name in ("initial_exchange", "intermediate_exchange", "final_exchange")]
    currencies = repeated(currency, LEGS)
    found = swap_legs(contracts, as_of=as_of, fixings=fixings, currencies=currencies, notional=notional, kinds=KINDS, exchanges=exchanges)
    status = found.status.copy()
    lowered = lower_floating_legs(found.legs, found.terms.found, found.terms.indices, tables=found.terms.tables, as_of=as_of, status=status)
    upfront = fees(contracts, as_of=as_of)
    shapes, leg_shape = discounted_by(repeated(curve, LEGS))
    shapes, flow_shape = forecast_shapes(lowered, shapes=shapes, leg_shape=leg_shape, curves=found.terms.found.curves)
    of_rows = leg_shape.reshape(-1, LEGS)
    flows = all_flows(flows_of_legs(lowered, flow_shape), flows_of_fees(upfront, leg=LEGS, shape=of_rows[:, 0]))
    of_trades = row_status(status, upfront)
    lowered_trades = lowered_rows(
        flows, status=of_trades, as_of=as_of, native_currency=currency, leg_currency=repeated(currency, LEGS + 1),
        leg_shape=np.column_stack([of_rows, of_rows[:, 0]]), shapes=shapes, specials=lowered.specials, messages=messages_of(found, lowered),
    )  # fmt: skip
    rates = quoted_rates(found, upfront, as_of=as_of, currency=currency, discount=curve, status=of_trades)
    return replace(lowered_trades, quoted_rates=rates)


register(
    PricerSpec(
        product="INTEREST_RATE_SWAP",
        title="Interest-rate swap",
        columns=COLUMNS,
        measures=MEASURES | {Measure.PAR_RATE, Measure.BREAKEVEN_SPREAD},
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)
