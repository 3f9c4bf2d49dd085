"""FX_SWAP: a foreign-exchange swap, two exchanges of two currencies in opposite directions.

On the near date the contract exchanges `notional` of the base currency for notional × near_rate of the quote currency, and on the far date
it exchanges back: `far_notional` (as much as on the near date, unless the swap is uneven) for far_notional × far_rate, where
far_rate = near_rate + far_points. It is lowered to two legs, each with its own currency and (collateral) discount curve:

    leg 0, base currency:   +notional               -far_notional
    leg 1, quote currency:  -notional × near_rate   +far_notional × far_rate

Positive `notional` buys the base currency on the near date and sells it on the far date. Flows on or before the valuation date have no
value, so that a swap whose near exchange is past is a forward. A swap whose far date is the valuation date is worth 0 with status OK,
because it is still on the books that day; an earlier one is MATURED.

The value is that of two FX_FWD contracts, and so is the exchange rate that it converts at: today's, which the market build makes of quoted
spot rates. Points are in units of the rate: 25.3 pips of EURUSD are 0.00253.

References:
    [1] J. Hull, Options, Futures, and Other Derivatives, ch. 5 (forward contracts on currencies), ch. 7 (swaps as portfolios of forwards).
    [2] OpenGamma Strata, DiscountingFxSwapProductPricer.
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, UInt8

from pricers.contract.columns import AMOUNT_MAX, FX_RATE_MAX, NO_DATE, Column, Columns, Contracts
from pricers.flows.cashflows import Cashflows, Lowered, discounted_by
from pricers.market.fixings import Fixings
from pricers.measures import Measure
from pricers.products.fx.two_currencies import interleaved, same_text
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import FIRST_DAY, LAST_DAY

RATE_TOLERANCE: Final = 1e-6  # of the far rate; a larger gap means that rate or points are wrong
NEAR: Final = 0
FAR: Final = 1

COLUMNS: Final = Columns(
    Column("base_currency", "text", "currency of the notional", required=True, references="currency", example="EUR"),
    Column("quote_currency", "text", "currency of the rates", required=True, references="currency", example="USD"),
    Column("notional", "float", "amount of base currency exchanged on the near date; positive buys it then", unit="base currency",
           required=True, minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=10_000_000.0),
    Column("near_date", "date", "date of the first exchange", required=True, example="2026-03-18"),
    Column("near_rate", "float", "rate of the first exchange", unit="quote per base", required=True, minimum=0.0, maximum=FX_RATE_MAX,
           example=1.0875),
    Column("far_date", "date", "date of the exchange back", required=True, example="2026-06-18"),
    Column("far_rate", "float", "rate of the exchange back; null: near_rate + far_points", unit="quote per base", minimum=0.0,
           maximum=FX_RATE_MAX, example=1.0916),
    Column("far_points", "float", "far_rate - near_rate. If both are given, they must agree within 1e-6 relative, and far_rate counts",
           unit="quote per base", minimum=-FX_RATE_MAX, maximum=FX_RATE_MAX),
    Column("far_notional", "float", "amount of base currency exchanged back, unsigned; null: |notional|", unit="base currency", minimum=0.0,
           maximum=AMOUNT_MAX),
    Column("base_discount_curve", "text", "curve of the base-currency leg", required=True, references="discount_curve", example="EUR-XCCY"),
    Column("quote_discount_curve", "text", "curve of the quote-currency leg", required=True, references="discount_curve", example="SOFR"),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower swaps to two legs each, base then quote; the near and the far exchange are the contract's legs 0 and 1.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: not read: the rates are agreed.
    Returns:
        Two legs a row. INVALID_DATES where the far date is not after the near date; INVALID_AMOUNT where the far rate is missing or
        contradicts the points, an amount or a rate is not positive, or both currencies are one; DATE_OUT_OF_RANGE; MATURED.
    """
    near, far = contracts.array("near_date"), contracts.array("far_date")
    amounts, is_valid = _amounts(contracts)
    status = _status(contracts, as_of, is_valid)
    ahead = np.stack([near > as_of, far > as_of], axis=1) & (status == RowStatus.OK)[:, None]
    pays = np.repeat(ahead[:, None, :], 2, axis=1)
    pay_day = np.broadcast_to(np.stack([near, far], axis=1)[:, None, :], pays.shape)[pays]
    amount = amounts[pays]
    base_currency, quote_currency = contracts.text("base_currency"), contracts.text("quote_currency")
    shapes, leg_shape = discounted_by(interleaved(contracts.text("base_discount_curve"), contracts.text("quote_discount_curve")))
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=quote_currency,
        cashflows=Cashflows(
            row_count=contracts.row_count,
            leg_offsets=np.arange(0, 2 * contracts.row_count + 1, 2, dtype=np.int64),
            leg_currency=interleaved(base_currency, quote_currency),
            leg_credit_spread=np.zeros(2 * contracts.row_count),
            flow_offsets=np.concatenate([[0], np.cumsum(pays.sum(axis=2).ravel())]).astype(np.int64),
            shapes=shapes,
            leg_shape=leg_shape,
            pay_day=pay_day,
            ex_day=pay_day,
            amount=amount,
            principal=amount.copy(),
            contract_leg=np.broadcast_to(np.array([NEAR, FAR], np.int8), pays.shape)[pays],
        ),
        price_terms=None,
    )


def _amounts(contracts: Contracts) -> tuple[Float[np.ndarray, "row leg exchange"], Bool[np.ndarray, " row"]]:
    """Signed amounts, base and quote, near and far; and whether the contract's terms give all four without contradiction."""
    notional, near_rate = contracts.array("notional"), contracts.array("near_rate")
    given, points, far_notional = contracts.array("far_rate"), contracts.array("far_points"), contracts.array("far_notional")
    with np.errstate(invalid="ignore", over="ignore"):
        far_rate = np.where(np.isnan(given), near_rate + points, given)
        contradictory = np.abs(near_rate + points - far_rate) > RATE_TOLERANCE * far_rate  # False where only one of the two is given
        far_base = -np.sign(notional) * np.where(np.isnan(far_notional), np.abs(notional), far_notional)
        base, rates = np.stack([notional, far_base], axis=1), np.stack([near_rate, far_rate], axis=1)
        amounts = np.stack([base, -base * rates], axis=1)
        usable = np.isfinite(amounts).all(axis=(1, 2)) & (base != 0.0).all(axis=1) & (rates > 0.0).all(axis=1)
    is_unsigned = np.isnan(far_notional) | (far_notional > 0.0)
    return amounts, usable & is_unsigned & ~contradictory & ~same_text(contracts.text("base_currency"), contracts.text("quote_currency"))


def _status(contracts: Contracts, as_of: int, is_valid: Bool[np.ndarray, " row"]) -> UInt8[np.ndarray, " row"]:
    near, far = contracts.array("near_date"), contracts.array("far_date")
    status = np.where(is_valid, RowStatus.OK, RowStatus.INVALID_AMOUNT)
    status = np.where(far < as_of, RowStatus.MATURED, status)
    status = np.where((near < FIRST_DAY) | (far > LAST_DAY), RowStatus.DATE_OUT_OF_RANGE, status)
    return np.where((near >= far) | (near == NO_DATE), RowStatus.INVALID_DATES, status).astype(np.uint8)


register(
    PricerSpec(
        product="FX_SWAP",
        title="FX swap",
        columns=COLUMNS,
        measures=frozenset({Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.FX_DELTA, Measure.THETA_1D, Measure.KEY_RATE_DV01}),
        native_currency="quote_currency",
        notional="notional",
        notional_currency="base_currency",
        lower=lower,
        documentation=__doc__,
    )
)
