"""FX_FWD: a foreign-exchange forward, deliverable or not.

The contract exchanges an amount of the base currency for an amount of the quote currency on the delivery date. It is lowered to two
legs, each with at most one flow and its own currency and (collateral) discount curve [1]:

    leg 0, base currency:   +notional
    leg 1, quote currency:  -notional × contract_rate

so that PV in quote currency = notional × (X × DF_base(delivery) - contract_rate × DF_quote(delivery)) with X today's exchange rate,
quote per base. Positive `notional` buys the base currency. X belongs to the valuation date, not to the spot date: the market build
discounts quoted spot rates over the spot lag, X = S × DF_quote(spot) / DF_base(spot). So this pricer needs spot dates only for contracts
that give a tenor instead of a delivery date.

A non-deliverable forward pays notional × (F - contract_rate) in quote currency or notional × (1 - contract_rate / F) in base currency,
where F is the fixing. Before the fixing, its value equals that of the deliverable forward [2]. Once `fixing_rate` is known, it is one known
flow on the leg of the settlement currency, and the other leg is empty. A fixing is the contract's `fixing_rate`, else the value that
`fixing_index` published on the fixing date; a fixing of the valuation date that is not published yet is still to come. An index of the
inverse pair counts as 1 / its value. Without `fixing_date`, an index fixes by its own lag and calendar.

Spot and fixing dates [4]: the lag counts business days of the calendar's members other than those of the dollar (`US_*`), because a US
holiday between trade and spot delays only pairs of ARS, CLP and MXN. The spot date is a business day of all members, and also of US_FED for
a cross that names no dollar calendar. ON ends on the spot date of a one-day lag, TN on that of a two-day lag. Delivery by tenor is a
business day of the whole named calendar.

Dates: flows paid on or before the valuation date have no value. A forward that delivers on the valuation date is worth 0 with status OK,
because it is still on the books that day; a forward delivered earlier is MATURED.

References:
    [1] J. Hull, Options, Futures, and Other Derivatives, ch. 5 (forward contracts on currencies).
    [2] OpenGamma Strata, DiscountingFxNdfProductPricer.
    [3] QuantLib, ql/instruments/fxforward.cpp; ql/pricingengines/forward/discountingfxforwardengine.cpp.
    [4] Spot dates: the references of pricers.time.fx_dates.
"""

from typing import Final, no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8

from pricers.contract.calendars_of_contract import contract_calendars
from pricers.contract.columns import AMOUNT_MAX, FX_RATE_MAX, NO_DATE, Column, Columns, Contracts, Text
from pricers.flows.cashflows import Cashflows, Lowered, discounted_by
from pricers.kernels.jit import njit
from pricers.market.fixings import Fixings
from pricers.measures import Measure
from pricers.products.fx.two_currencies import interleaved, same_text
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import FOLLOWING, MODIFIED_FOLLOWING, CalendarTables, adjust, advance_business_days, advance_months, in_range
from pricers.time.fx_dates import day_of_spot, pair_calendars
from pricers.time.tenors import parse_tenor

AMOUNT_TOLERANCE: Final = 1e-6  # quote amounts on tickets are rounded to cents; a larger gap means that one of the two terms is wrong
SPOT_LAG_MAX: Final = 10  # business days; the longest customary lag is 2

BASE_LEG: Final = 0
QUOTE_LEG: Final = 1
SETTLES_IN: Final = ("BASE", "QUOTE")  # in leg order
NON_DELIVERABLE: Final = 1
SETTLEMENT_TYPES: Final = ("DELIVERABLE", "NON_DELIVERABLE")

_NO_TENOR: Final = -1
_FROM_TRADE: Final = 0
_FROM_SPOT: Final = 1
_SPECIAL_TENORS: Final = {"ON": (_FROM_TRADE, 1), "TN": (_FROM_TRADE, 2), "SN": (_FROM_SPOT, 1)}  # counted from, business days

_OK: Final = int(RowStatus.OK)
_INVALID_DATES: Final = int(RowStatus.INVALID_DATES)
_DATE_OUT_OF_RANGE: Final = int(RowStatus.DATE_OUT_OF_RANGE)

COLUMNS: Final = Columns(
    Column("base_currency", "text", "currency of the notional", required=True, references="currency", example="EUR"),
    Column("quote_currency", "text", "currency of the price", required=True, references="currency", example="USD"),
    Column("notional", "float", "amount of base currency; positive buys it", unit="base currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=1_000_000.0),
    Column("contract_rate", "float", "agreed rate; null: quote_amount / |notional|", unit="quote per base", minimum=0.0,
           maximum=FX_RATE_MAX, example=1.0875),
    Column(
        "quote_amount", "float", "unsigned amount of quote currency exchanged; null: |notional| × contract_rate. If both are given, they "
        "must agree within 1e-6 relative, and this amount is paid", unit="quote currency", minimum=0.0,
        maximum=AMOUNT_MAX,
    ),
    Column("delivery_date", "date", "date on which the amounts are exchanged; null: the spot date plus the tenor", example="2026-12-16"),
    Column("trade_date", "date", "date on which the contract was agreed"),
    Column("tenor", "text", "period from the spot date to delivery if delivery_date is null; ON and TN: from trade_date", example="3M"),
    Column("spot_date", "date", "spot date of the trade; null: spot_lag business days after trade_date"),
    Column(
        "spot_lag", "integer", "lag from trade to spot, and from fixing to delivery", unit="business days", default=2, minimum=0,
        maximum=SPOT_LAG_MAX,
    ),
    Column("calendar", "text", "joint calendar of the currency pair, US_* for the dollar; null: no holidays", references="calendar",
           example="TARGET+US_FED"),
    Column("settlement_type", "choice", "exchange of both amounts, or of the net amount", default="DELIVERABLE", allowed=SETTLEMENT_TYPES),
    Column("settlement_currency", "choice", "currency of the net amount of a non-deliverable", default="QUOTE", allowed=SETTLES_IN),
    Column("fixing_date", "date", "date of a non-deliverable's fixing; null: before delivery by the lag of the index, else by spot_lag "
           "business days"),
    Column("fixing_rate", "float", "fixing of a non-deliverable; used from the fixing date on, before a value of fixing_index",
           unit="quote per base", minimum=0.0, maximum=FX_RATE_MAX),
    Column("fixing_index", "text", "index whose published value is the fixing", references="index", example="EUR-USD-ECB"),
    Column("base_discount_curve", "text", "curve of the base-currency leg", required=True, references="discount_curve", example="EUR-XCCY"),
    Column("quote_discount_curve", "text", "curve of the quote-currency leg", required=True, references="discount_curve", example="SOFR"),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower forwards to two legs each, base then quote.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: published exchange rates, read for non-deliverable forwards with a `fixing_index` and no `fixing_rate`.
    Returns:
        Two legs a row. INVALID_DATES where no delivery date follows from the terms or they are out of order; INVALID_AMOUNT where rate
        and amounts are missing, not positive or contradictory, both currencies are one, or a fixing is missing and no index is named;
        MISSING_FIXING where the index has not published it; MISSING_INDEX; INDEX_MISMATCH where the index is of another pair;
        DATE_OUT_OF_RANGE; INVALID_SCHEDULE for an unknown calendar; MATURED.
    """
    base_currency, quote_currency = contracts.text("base_currency"), contracts.text("quote_currency")
    delivery, fixing, status = _dates(contracts, fixings)
    net_settled = contracts.array("settlement_type") == NON_DELIVERABLE
    fixing_rate, index_status = _fixing_rates(contracts, fixing, fixings, net_settled)
    base_amount, quote_amount, amounts_valid = _amounts(contracts, fixing_rate)
    amounts_valid &= ~same_text(base_currency, quote_currency)
    is_missing = net_settled & np.isnan(fixing_rate) & (fixing < as_of) & (delivery > as_of)
    fixing_status = np.where(contracts.text("fixing_index").codes < 0, RowStatus.INVALID_AMOUNT, RowStatus.MISSING_FIXING)
    for wrong, reason in (
        (delivery < as_of, RowStatus.MATURED),
        (~amounts_valid, RowStatus.INVALID_AMOUNT),
        (index_status != RowStatus.OK, index_status),
        (is_missing, fixing_status),
    ):
        status = np.where((status == RowStatus.OK) & wrong, reason, status).astype(np.uint8)

    pays = (status == RowStatus.OK) & (delivery > as_of)
    fixed = pays & net_settled & ~np.isnan(fixing_rate) & (fixing <= fixings.known_until(as_of))
    leg_amount = np.stack([base_amount, quote_amount], axis=1)
    leg_pays = np.stack([pays, pays], axis=1)
    _settle_net(leg_amount, leg_pays, rows=fixed, settles_in=contracts.array("settlement_currency"), fixing_rate=fixing_rate)
    flow_leg = leg_pays.ravel()
    amount, pay_day = leg_amount.ravel()[flow_leg], np.repeat(delivery, 2)[flow_leg]
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
            flow_offsets=np.concatenate([[0], np.cumsum(flow_leg)]).astype(np.int64),
            shapes=shapes,
            leg_shape=leg_shape,
            pay_day=pay_day,
            ex_day=pay_day,
            amount=amount,
            principal=amount.copy(),
        ),
        price_terms=None,
    )


def _fixing_rates(
    contracts: Contracts, fixing: np.ndarray, fixings: Fixings, net_settled: np.ndarray
) -> tuple[Float[np.ndarray, " row"], UInt8[np.ndarray, " row"]]:
    """Quote per base where it is given or published, else NaN; and OK, or why the index of a non-deliverable is not usable."""
    rate, status = contracts.array("fixing_rate").copy(), np.full(contracts.row_count, RowStatus.OK, np.uint8)
    index_name, base, quote = (contracts.text(name) for name in ("fixing_index", "base_currency", "quote_currency"))
    for code, name in enumerate(index_name.names):
        rows = np.flatnonzero((index_name.codes == code) & net_settled)
        index = fixings.index(name)
        if index is None:
            status[rows] = RowStatus.MISSING_INDEX
            continue
        is_direct = _is(base, index.currency)[rows] & _is(quote, index.quote_currency)[rows]
        is_inverse = _is(base, index.quote_currency)[rows] & _is(quote, index.currency)[rows]
        status[rows[~(is_direct | is_inverse)]] = RowStatus.INDEX_MISMATCH
        published = fixings.values_on(name, fixing[rows])
        with np.errstate(divide="ignore"):
            published = np.where(is_inverse, 1.0 / published, published)
        rate[rows] = np.where(np.isnan(rate[rows]), published, rate[rows])
    return rate, status


def _is(text: Text, name: str) -> Bool[np.ndarray, " row"]:
    return np.asarray(text.codes == (text.names.index(name) if name in text.names else len(text.names)))


def _amounts(
    contracts: Contracts, fixing_rate: Float[np.ndarray, " row"]
) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"], Bool[np.ndarray, " row"]]:
    """Signed base and quote amounts, and whether the contract's terms give both without contradiction."""
    notional, rate, quoted = contracts.array("notional"), contracts.array("contract_rate"), contracts.array("quote_amount")
    with np.errstate(invalid="ignore", over="ignore"):
        from_rate = np.abs(notional) * rate
        unsigned = np.where(np.isnan(quoted), from_rate, quoted)
        contradictory = np.abs(from_rate - unsigned) > AMOUNT_TOLERANCE * unsigned  # False where only one of the two is given
    usable = _null_or_positive(rate) & _null_or_positive(quoted) & _null_or_positive(fixing_rate)
    valid = usable & ~contradictory & np.isfinite(notional) & np.isfinite(unsigned) & (np.abs(notional) > 0.0) & (unsigned > 0.0)
    return notional, -np.sign(notional) * unsigned, valid


def _null_or_positive(amount: Float[np.ndarray, " row"]) -> Bool[np.ndarray, " row"]:
    return np.asarray(np.isnan(amount) | ((amount > 0.0) & np.isfinite(amount)))


def _settle_net(
    leg_amount: Float[np.ndarray, "row leg"],
    leg_pays: Bool[np.ndarray, "row leg"],
    *,
    rows: Bool[np.ndarray, " row"],
    settles_in: np.ndarray,
    fixing_rate: Float[np.ndarray, " row"],
) -> None:
    """Replace both amounts of fixed non-deliverables by the net amount on the leg of the settlement currency, in place."""
    in_base, in_quote = rows & (settles_in == BASE_LEG), rows & (settles_in == QUOTE_LEG)
    leg_amount[in_base, BASE_LEG] += leg_amount[in_base, QUOTE_LEG] / fixing_rate[in_base]
    leg_amount[in_quote, QUOTE_LEG] += leg_amount[in_quote, BASE_LEG] * fixing_rate[in_quote]
    leg_pays[in_base, QUOTE_LEG] = False
    leg_pays[in_quote, BASE_LEG] = False


def _dates(
    contracts: Contracts, fixings: Fixings
) -> tuple[Int32[np.ndarray, " row"], Int32[np.ndarray, " row"], UInt8[np.ndarray, " row"]]:
    """Delivery and fixing dates and the status that follows from the dates alone."""
    calendars = pair_calendars(
        contracts.text("calendar"), base_currency=contracts.text("base_currency"), quote_currency=contracts.text("quote_currency")
    )
    tenor = contracts.text("tenor")
    terms = np.array([*(_tenor_terms(name) for name in tenor.names), (_NO_TENOR, 0, 0, 0)], np.int32)
    tenor_terms = terms[tenor.codes]  # the null code -1 reads the last row
    delivery, fixing = np.empty(contracts.row_count, np.int32), np.empty(contracts.row_count, np.int32)
    status = np.empty(contracts.row_count, np.uint8)
    _date_rows(
        contracts.array("delivery_date"), contracts.array("trade_date"), contracts.array("spot_date"), contracts.array("spot_lag"),
        tenor_terms, contracts.array("fixing_date"), *_index_lags(contracts, fixings), calendars.named, calendars.lag, calendars.spot,
        calendars.tables, delivery, fixing, status,
    )  # fmt: skip
    status[~calendars.known] = RowStatus.INVALID_SCHEDULE
    return delivery, fixing, status


def _index_lags(contracts: Contracts, fixings: Fixings) -> tuple[Int32[np.ndarray, " row"], Int32[np.ndarray, " row"], CalendarTables]:
    """Business days from the index's fixing to delivery, -1 where the contract names no known index; on which calendar; and calendars."""
    name = contracts.text("fixing_index")
    found = [fixings.index(entry) for entry in name.names]
    lag = np.array([*(-1 if index is None else index.fixing_lag for index in found), -1], np.int32)[name.codes]
    calendars = contract_calendars(Text(name.codes, tuple("NONE" if index is None else index.fixing_calendar for index in found)))
    return lag, calendars.calendar, calendars.tables


def _tenor_terms(tenor: str) -> tuple[int, int, int, int]:
    """Counted from (trade or spot date, or _NO_TENOR for text that is no tenor), business days, months, calendar days."""
    name = tenor.strip().upper()
    if name in _SPECIAL_TENORS:
        return (*_SPECIAL_TENORS[name], 0, 0)
    try:
        months, days = parse_tenor(name)
    except ValueError:
        return _NO_TENOR, 0, 0, 0
    return _FROM_SPOT, 0, months, days


@njit(cache=True, nogil=True)
@no_type_check
def _date_rows(
    delivery_date: np.ndarray,
    trade_date: np.ndarray,
    spot_date: np.ndarray,
    spot_lag: np.ndarray,
    tenor_terms: np.ndarray,
    fixing_date: np.ndarray,
    index_lag: np.ndarray,
    index_calendar: np.ndarray,
    index_tables: CalendarTables,
    calendar: np.ndarray,
    lag_calendar: np.ndarray,
    spot_calendar: np.ndarray,
    tables: CalendarTables,
    delivery: np.ndarray,
    fixing: np.ndarray,
    status: np.ndarray,
) -> None:
    for i in range(len(delivery)):
        trade, spot, lag = np.int64(trade_date[i]), np.int64(spot_date[i]), max(np.int64(spot_lag[i]), 0)
        if spot == NO_DATE and trade != NO_DATE:
            spot = day_of_spot(trade, lag, lag_calendar[i], spot_calendar[i], tables)
        delivered = np.int64(delivery_date[i])
        if delivered == NO_DATE:
            delivered = _delivery_by_tenor(trade, spot, tenor_terms[i], calendar[i], lag_calendar[i], spot_calendar[i], tables)
        fixed = np.int64(fixing_date[i])
        if fixed == NO_DATE and index_lag[i] >= 0:
            fixed = min(advance_business_days(delivered, -np.int64(index_lag[i]), index_calendar[i], index_tables), delivered)
        elif fixed == NO_DATE:
            fixed = min(advance_business_days(delivered, -lag, lag_calendar[i], tables), delivered)
        delivery[i], fixing[i] = delivered, fixed
        if delivered == NO_DATE or (trade != NO_DATE and (delivered < trade or spot < trade)) or fixed > delivered:
            status[i] = _INVALID_DATES
        elif not in_range(delivered):
            status[i] = _DATE_OUT_OF_RANGE
        else:
            status[i] = _OK


@njit(cache=True, nogil=True)
@no_type_check
def _delivery_by_tenor(
    trade: int, spot: int, tenor_terms: np.ndarray, calendar: int, lag_calendar: int, spot_calendar: int, tables: CalendarTables
) -> int:
    """The delivery date of a market tenor: whole months keep to month ends and stay within their month; NO_DATE where none follows."""
    counted_from, business_days, months, days = tenor_terms
    start = trade if counted_from == _FROM_TRADE else spot
    if counted_from == _NO_TENOR or not in_range(start):
        return NO_DATE
    if business_days > 0 and counted_from == _FROM_TRADE:
        return day_of_spot(trade, business_days, lag_calendar, spot_calendar, tables)
    if business_days > 0:
        return advance_business_days(start, business_days, calendar, tables)
    if months > 0:
        start = advance_months(start, months, MODIFIED_FOLLOWING, True, calendar, tables)
    return adjust(start + days, FOLLOWING, calendar, tables) if days > 0 or months == 0 else start


register(
    PricerSpec(
        product="FX_FWD",
        title="FX forward",
        columns=COLUMNS,
        measures=frozenset({Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.FX_DELTA, Measure.THETA_1D, Measure.KEY_RATE_DV01}),
        native_currency="quote_currency",
        notional="notional",
        notional_currency="base_currency",
        lower=lower,
        documentation=__doc__,
    )
)
