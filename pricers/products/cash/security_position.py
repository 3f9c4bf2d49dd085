"""EQUITY_POSITION and FUND_POSITION: shares of a company or of a fund, worth their number times today's price.

The price comes from the market's `spot_prices` under `price_key` (the security_id, where the contract names none), in the price's own
currency, and is converted at today's exchange rate. Positive `quantity` is owned, negative is sold short. The position has one flow, its
quantity in units of the security, which nothing discounts and no date ends: it is written on the last day of the calendars. A row whose
price the market lacks has the status MISSING_PRICE.

Risk: the price is a factor of kind PRICE, moved by +1 %. Where `benchmark` names another price, such as the level of an index, that is a
factor too, and a move of it by x moves the position by beta × x. In a scenario a security moves as its own price does if the scenario moves
it, else by beta times the move of its benchmark, else not at all. FX delta is that of the price's currency.

Dividends are not projected: a price is that of all of them.

References:
    [1] J. Hull, Options, Futures, and Other Derivatives, ch. 3 (beta, hedging with index futures).
"""

from typing import Final

import numpy as np
from jaxtyping import UInt8

from pricers.contract.columns import AMOUNT_MAX, Column, Columns, Contracts, Text
from pricers.flows.cashflows import Cashflows, Lowered
from pricers.market.fixings import Fixings
from pricers.market.units import PriceUnit
from pricers.measures import Measure
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import LAST_DAY

BETA_MAX: Final = 100.0

COLUMNS: Final = Columns(
    Column("security_id", "text", "the security, such as its ISIN", required=True, example="DE0007164600"),
    Column("quantity", "float", "number of shares; positive: we own them", unit="shares", required=True, minimum=-AMOUNT_MAX,
           maximum=AMOUNT_MAX, example=12_500.0),
    Column("currency", "text", "currency in which the position is reported", required=True, references="currency", example="EUR"),
    Column("price_key", "text", "name of the price in the market's spot_prices; null: security_id", example="SAP GY"),
    Column("beta", "float", "move of the price for one of the benchmark", default=1.0, minimum=-BETA_MAX, maximum=BETA_MAX, example=1.1),
    Column("benchmark", "text", "name of the price that moves this one in scenarios; null: none", example="SX5E"),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower positions to one leg each, which counts the security.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: not read.
    Returns:
        One leg and one flow a row. INVALID_AMOUNT where quantity or beta is not a number.
    """
    quantity = contracts.array("quantity")
    status = _status(contracts)
    held = status == RowStatus.OK
    last_day = np.full(int(held.sum()), LAST_DAY, np.int32)
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=Cashflows(
            row_count=contracts.row_count,
            leg_offsets=np.arange(contracts.row_count + 1, dtype=np.int64),
            leg_currency=_units(contracts),
            leg_credit_spread=np.zeros(contracts.row_count),
            flow_offsets=np.concatenate([[0], np.cumsum(held)]).astype(np.int64),
            shapes=((),),
            leg_shape=np.zeros(contracts.row_count, np.int32),
            pay_day=last_day,
            ex_day=last_day,
            amount=quantity[held],
            principal=quantity[held],
        ),
        price_terms=None,
    )


def _status(contracts: Contracts) -> UInt8[np.ndarray, " row"]:
    is_usable = np.isfinite(contracts.array("quantity")) & np.isfinite(contracts.array("beta"))
    return np.where(is_usable, RowStatus.OK, RowStatus.INVALID_AMOUNT).astype(np.uint8)


def _units(contracts: Contracts) -> Text:
    """[row]: the security that the leg counts, with its benchmark and beta."""
    security, key, benchmark = (contracts.text(name) for name in ("security_id", "price_key", "benchmark"))
    beta, beta_code = np.unique(contracts.array("beta"), return_inverse=True)
    columns = np.stack([np.where(key.codes < 0, security.codes, -1), key.codes, benchmark.codes, beta_code], axis=1)
    distinct, code = np.unique(columns, axis=0, return_inverse=True)
    units = []
    for of_security, of_key, of_benchmark, of_beta in distinct.tolist():
        price = key.names[of_key] if of_key >= 0 else security.names[of_security] if of_security >= 0 else ""
        moves_with = benchmark.names[of_benchmark] if of_benchmark >= 0 else ""
        units.append(PriceUnit(price, "" if moves_with == price else moves_with, float(beta[of_beta])).text)
    names = tuple(dict.fromkeys(units))
    number = {unit: place for place, unit in enumerate(names)}
    place = np.array([number[unit] for unit in units], np.int32)
    return Text(place[code.ravel()], names)


for _product, _title in (("EQUITY_POSITION", "Equity position"), ("FUND_POSITION", "Fund position")):
    register(
        PricerSpec(
            product=_product,
            title=_title,
            columns=COLUMNS,
            measures=frozenset({
                Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.FX_DELTA, Measure.THETA_1D, Measure.KEY_RATE_DV01,
            }),
            native_currency="currency",
            notional="quantity",
            lower=lower,
            documentation=__doc__,
        )
    )  # fmt: skip
