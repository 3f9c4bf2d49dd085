"""NON_MATURITY_DEPOSIT: deposits without a maturity, such as sight and savings accounts, valued by an assumed run-off.

The contract has one leg. `notional` is the balance on the valuation date, negative where customers have placed it with us. It falls apart
into two parts [1]:

    the core, core_share of it, which runs off as the contract says;
    the rest, which is repaid on the next business day.

The run-off of the core is given in one of two ways:

    runoff_dates, runoff_shares    shares of the core repaid on increasing dates; they sum to 1. Shares of dates on or before the valuation
                                   date have run off: those of later dates are scaled up, so that the balance is repaid in full
    decay_rate, max_maturity       each month after the valuation date the share 1 - (1 - decay_rate)^(1/12) of what is left of the core is
                                   repaid, and all that is left when max_maturity is reached

Interest at the administered `interest_rate` is paid with each repayment, on the balance since the repayment before (at first since the
valuation date; interest earned before is not part of the value). Dates move to the following business day.

A rate that follows the market is interest_rate + pass_through × F, where F is the forward rate of `index` over the time between two
repayments, from the index's forecast curve: the deposit's margin and the part of a move that is passed on to customers. With P the factors
of that curve and s, e the ends of the period, balance × pass_through × (P(s) / P(e) - 1) is paid at e, whatever the tenor of the index.

Example: a balance of 100 without interest and with core_share 1, of which half is repaid after a year and half after two, valued at a flat
rate z, is worth 50 exp(-z) + 50 exp(-2z), and its average life is 1.5 years.

References:
    [1] Basel Committee on Banking Supervision, Interest rate risk in the banking book, standard 368, 2016, section IV.2.3 (core and
        non-core non-maturity deposits, pass-through, caps on average maturity).
"""

from typing import Final, NamedTuple, no_type_check

import numpy as np
from jaxtyping import Bool, UInt8

from pricers.contract.calendars_of_contract import ContractCalendars, contract_calendars, lacks_calendar
from pricers.contract.columns import AMOUNT_MAX, RATE_MAX, Column, Columns, Contracts, Ragged, Text
from pricers.flows.cashflows import NO_CURVE, Cashflows, Lowered, PriceTerms, Shape, Term, discounted
from pricers.kernels.jit import kernel
from pricers.kernels.vector_math import exp, log
from pricers.market.fixings import Fixings
from pricers.market.indices import IndexKind
from pricers.measures import Measure
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import FOLLOWING, adjust_days
from pricers.time.dates import NO_DATE, add_months
from pricers.time.day_count import DAY_COUNTS, year_fractions
from pricers.time.tenors import parse_tenor

MONTHS_MAX: Final = 720
SHARES_TOLERANCE: Final = 1e-6
_MONTHS_A_YEAR: Final = 12.0

COLUMNS: Final = Columns(
    Column("currency", "text", "currency of the balance", required=True, references="currency", example="EUR"),
    Column("notional", "float", "balance on the valuation date; negative: customers have placed it with us", unit="currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=-250_000_000.0),
    Column("interest_rate", "float", "administered rate, or what is paid in addition to the index", unit="decimal a year", default=0.0,
           minimum=-1.0, maximum=RATE_MAX, example=0.005),
    Column("core_share", "float", "part of the balance that runs off as given; the rest is repaid on the next business day", unit="decimal",
           default=1.0, minimum=0.0, maximum=1.0, example=0.7),
    Column("runoff_dates", "date_list", "increasing dates on which the core is repaid", example=["2027-03-16", "2031-03-16"]),
    Column("runoff_shares", "float_list", "shares of the core repaid on runoff_dates; they sum to 1", unit="decimal", minimum=0.0,
           maximum=1.0, example=[0.4, 0.6]),
    Column("decay_rate", "float", "share of the core that is repaid in a year; not with runoff_dates", unit="decimal a year", minimum=0.0,
           maximum=1.0),
    Column("max_maturity", "text", "whole months or years after which the rest of a decaying core is repaid, up to 60 years",
           example="10Y"),
    Column("pass_through", "float", "part of the index's rate that is paid in addition to interest_rate", unit="decimal", default=0.0,
           minimum=-10.0, maximum=10.0, example=0.3),
    Column("index", "text", "interest-rate index that the rate follows; null: none", references="index", example="EUR-EURIBOR-3M"),
    Column("day_count", "choice", "day count of interest", default="ACT/365F", allowed=DAY_COUNTS),
    Column("calendar", "text", "business days; null: no holidays, not for BUS/252", references="calendar", example="TARGET"),
    Column("discount_curve", "text", "curve that discounts all flows", required=True, references="discount_curve", example="EUR-ESTR"),
    Column("spread_curve", "text", "zero spreads added to the rates of the discount curve; null: none", references="spread_curve",
           example="EUR-LIQUIDITY"),
    Column("credit_spread", "float", "constant zero spread, added to that of spread_curve", unit="decimal a year, continuous, ACT/365F",
           minimum=-RATE_MAX, maximum=RATE_MAX, default=0.0),
)  # fmt: skip


class _Repayments(NamedTuple):
    """Repayments of a batch, rows one after the other: of each row the one of the next day, then those of the core."""

    offsets: np.ndarray
    """int64[row + 1]"""
    day: np.ndarray
    """int32[repayment]: before the move to a business day."""
    share: np.ndarray
    """float64[repayment]: of the balance on the valuation date."""
    balance: np.ndarray
    """float64[repayment]: the share on which interest is paid with the repayment."""


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower deposits to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: gives the definitions of indices; no fixing is read.
    Returns:
        One leg a row with one flow a repayment, two where the rate follows an index. Row status: INVALID_AMOUNT; INVALID_PRINCIPAL where
        the core has no run-off, two of them, or shares that do not sum to 1; INVALID_SCHEDULE; DATE_OUT_OF_RANGE; MATURED where all
        run-off dates are past; MISSING_INDEX; INDEX_MISMATCH where the index is no interest rate of the currency.
    """
    calendars = contract_calendars(contracts.text("calendar"))
    months = _months(contracts)
    status = _status(contracts, calendars, months, as_of)
    forecast, index_status = _forecast_curves(contracts, fixings)
    status = np.where(status == RowStatus.OK, index_status, status).astype(np.uint8)
    made = _repayments(contracts, months, as_of, status)
    row = np.repeat(np.arange(contracts.row_count), np.diff(made.offsets))
    calendar = calendars.calendar[row]
    pay_day = adjust_days(made.day, convention=FOLLOWING, calendar=calendar, tables=calendars.tables)
    is_outside = np.zeros(contracts.row_count, bool)
    is_outside[row[pay_day == NO_DATE]] = True
    status[is_outside] = RowStatus.DATE_OUT_OF_RANGE
    since = np.where(_is_first_or_second(made.offsets, row), np.int32(as_of), np.roll(pay_day, 1))
    years = year_fractions(
        since.astype(np.int32), end=pay_day, day_count=contracts.array("day_count")[row], maturity=pay_day, calendar=calendar,
        tables=calendars.tables,
    )  # fmt: skip
    notional = contracts.array("notional")[row]
    principal, passed_on = notional * made.share, notional * made.balance * contracts.array("pass_through")[row]
    plain = principal + notional * made.balance * contracts.array("interest_rate")[row] * years - passed_on
    flows = _Flows(row, pay_day, np.full(len(row), NO_DATE, np.int32), plain, principal)
    floating = flows._replace(since=since.astype(np.int32), amount=passed_on, principal=np.zeros(len(row)))
    order = np.argsort(np.tile(np.arange(len(row)), 2), kind="stable")
    flows = _Flows(*(np.concatenate(columns)[order] for columns in zip(flows, floating, strict=True)))
    kept = ~is_outside[flows.row] & ((flows.amount != 0.0) | (flows.principal != 0.0))
    return _lowered(contracts, status, as_of, _Flows(*(column[kept] for column in flows)), forecast)


class _Flows(NamedTuple):
    """Flows of a batch, rows one after the other, in order of payment."""

    row: np.ndarray
    pay_day: np.ndarray
    since: np.ndarray
    """int32[flow]: first day of the period whose growth of the index multiplies the amount; NO_DATE for a plain flow."""
    amount: np.ndarray
    principal: np.ndarray


def _forecast_curves(contracts: Contracts, fixings: Fixings) -> tuple[Text, UInt8[np.ndarray, " row"]]:
    """[row]: the curve that forecasts the index, null where nothing is passed on; and OK, or why the index is not usable."""
    text, currency = contracts.text("index"), contracts.text("currency")
    follows = contracts.array("pass_through") != 0.0
    status = np.full(contracts.row_count, RowStatus.OK, np.uint8)
    status[follows & (text.codes < 0)] = RowStatus.MISSING_INDEX
    curves = []
    for code, name in enumerate(text.names):
        rows, index = follows & (text.codes == code), fixings.index(name)
        if index is None:
            status[rows] = RowStatus.MISSING_INDEX
        elif index.kind not in (IndexKind.TERM, IndexKind.OVERNIGHT):
            status[rows] = RowStatus.INDEX_MISMATCH
        else:
            of_currency = currency.names.index(index.currency) if index.currency in currency.names else len(currency.names)
            status[rows & (currency.codes != of_currency)] = RowStatus.INDEX_MISMATCH
        curves.append(NO_CURVE if index is None else index.forecast_curve)
    return Text(np.where(follows, text.codes, -1).astype(np.int32), tuple(curves)), status


def _shapes(contracts: Contracts, flows: _Flows, forecast: Text) -> tuple[tuple[Shape, ...], np.ndarray, np.ndarray | None]:
    """Shapes, those of the legs' discounting first; int32[leg]: the leg's; int32[flow]: the flow's, None where all have their leg's."""
    shapes, leg_shape = discounted(contracts)
    floats = flows.since != NO_DATE
    if not floats.any():
        return shapes, leg_shape, None
    of_flow = leg_shape[flows.row]
    days = flows.pay_day[floats].astype(np.int64) - flows.since[floats]
    keys = np.stack([of_flow[floats], forecast.codes[flows.row[floats]], days], axis=1)
    distinct, number = np.unique(keys, axis=0, return_inverse=True)
    growing = [
        (*shapes[discounting], Term(forecast.names[curve], int(lag), 1), Term(forecast.names[curve], 0, -1))
        for discounting, curve, lag in distinct.tolist()
    ]
    flow_shape = of_flow.copy()
    flow_shape[floats] = len(shapes) + number.ravel()
    return (*shapes, *growing), leg_shape, flow_shape


def _lowered(contracts: Contracts, status: np.ndarray, as_of: int, flows: _Flows, forecast: Text) -> Lowered:
    rows = contracts.row_count
    offsets = np.concatenate([[0], np.cumsum(np.bincount(flows.row, minlength=rows))]).astype(np.int64)
    shapes, leg_shape, flow_shape = _shapes(contracts, flows, forecast)
    is_priced = status == RowStatus.OK
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=Cashflows(
            row_count=rows,
            leg_offsets=np.arange(rows + 1, dtype=np.int64),
            leg_currency=contracts.text("currency"),
            leg_credit_spread=contracts.array("credit_spread"),
            flow_offsets=offsets,
            shapes=shapes,
            leg_shape=leg_shape,
            pay_day=flows.pay_day,
            ex_day=flows.pay_day,
            amount=flows.amount,
            principal=flows.principal,
            flow_shape=flow_shape,
        ),
        price_terms=PriceTerms(
            settlement_day=np.full(rows, as_of, np.int32),
            outstanding=np.where(is_priced, contracts.array("notional"), np.nan),
            accrued=np.where(is_priced, 0.0, np.nan),
            first_flow=offsets[:-1],
            yield_time=(flows.pay_day.astype(np.int64) - as_of) / 365.0,
            yield_frequency=np.ones(rows),
            market_clean_price=np.full(rows, np.nan),
        ),
    )


def _is_first_or_second(offsets: np.ndarray, row: np.ndarray) -> Bool[np.ndarray, " repayment"]:
    """The repayment of the next day and the first of the core: both earn interest from the valuation date on."""
    return np.asarray(np.arange(len(row)) - offsets[:-1][row] <= 1)


def _months(contracts: Contracts) -> np.ndarray:
    """int32[row]: whole months of `max_maturity`, 0 for null, -1 where the text is no number of months that is supported."""

    def months_of(tenor: str) -> int:
        try:
            months, days = parse_tenor(tenor)
        except ValueError:
            return -1
        return months if days == 0 and 0 < months <= MONTHS_MAX else -1

    text = contracts.text("max_maturity")
    return np.asarray(np.array([*(months_of(name) for name in text.names), 0], np.int32)[text.codes])


def _status(contracts: Contracts, calendars: ContractCalendars, months: np.ndarray, as_of: int) -> UInt8[np.ndarray, " row"]:
    notional, rate, core, decay = (contracts.array(name) for name in ("notional", "interest_rate", "core_share", "decay_rate"))
    finite = np.isfinite(notional) & np.isfinite(rate) & np.isfinite(contracts.array("credit_spread"))
    finite &= np.isfinite(contracts.array("pass_through"))
    usable = finite & (notional != 0.0) & (core >= 0.0) & (core <= 1.0) & (np.isnan(decay) | ((decay >= 0.0) & (decay <= 1.0)))
    dates, shares = contracts.ragged("runoff_dates"), contracts.ragged("runoff_shares")
    is_profile, is_sound, has_future = _profiles(dates, shares, as_of)
    decays = ~np.isnan(decay) & (months != 0)
    is_half_given = np.isnan(decay) != (months == 0)
    runs_off = is_sound & ~is_half_given & ((is_profile ^ decays) | ((core == 0.0) & ~is_profile & ~decays))
    scheduled = calendars.known & ~lacks_calendar(contracts) & (contracts.array("day_count") >= 0) & (months >= 0)
    status = np.full(contracts.row_count, RowStatus.OK, np.uint8)
    for is_wrong, reason in (
        (is_profile & ~has_future, RowStatus.MATURED),
        (~runs_off, RowStatus.INVALID_PRINCIPAL),
        (~scheduled, RowStatus.INVALID_SCHEDULE),
        (~usable, RowStatus.INVALID_AMOUNT),
    ):
        status[is_wrong] = reason
    return status


def _profiles(
    dates: Ragged, shares: Ragged, as_of: int
) -> tuple[Bool[np.ndarray, " row"], Bool[np.ndarray, " row"], Bool[np.ndarray, " row"]]:
    """Whether a row has a profile; whether it has none or a sound one; and whether a date with a share is still to come."""
    rows = len(dates.offsets) - 1
    counts, share_counts = np.diff(dates.offsets), np.diff(shares.offsets)
    row, share_row = np.repeat(np.arange(rows), counts), np.repeat(np.arange(rows), share_counts)
    total = np.bincount(share_row, weights=shares.values, minlength=rows)
    is_sound = (counts == share_counts) & ((counts == 0) | (np.abs(total - 1.0) <= SHARES_TOLERANCE))
    is_sound[share_row[~(shares.values >= 0.0)]] = False
    is_sound[row[1:][(np.diff(dates.values.astype(np.int64)) <= 0) & (row[1:] == row[:-1])]] = False
    pair = np.flatnonzero((counts == share_counts)[row])  # dates that have a share
    share = shares.values[shares.offsets[row[pair]] + pair - dates.offsets[row[pair]]]
    has_future = np.zeros(rows, bool)
    has_future[row[pair][(dates.values[pair] > as_of) & (share > 0.0)]] = True
    return (counts > 0) | (share_counts > 0), is_sound, has_future


def _repayments(contracts: Contracts, months: np.ndarray, as_of: int, status: np.ndarray) -> _Repayments:
    dates, shares = contracts.ragged("runoff_dates"), contracts.ragged("runoff_shares")
    row = np.repeat(np.arange(contracts.row_count), np.diff(dates.offsets))
    ahead = np.bincount(row[dates.values > as_of], minlength=contracts.row_count)
    counts = np.where(status == RowStatus.OK, 1 + np.where(months > 0, months, ahead), 0)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    total = int(offsets[-1])
    made = _Repayments(offsets, np.empty(total, np.int32), np.empty(total), np.empty(total))
    _fill(
        contracts.array("core_share"), contracts.array("decay_rate"), months, dates.offsets[1:] - ahead, dates.values, shares.values, as_of,
        *made,
    )  # fmt: skip
    return made


@kernel
@no_type_check
def _fill(
    core_share: np.ndarray,
    decay_rate: np.ndarray,
    months: np.ndarray,
    first_ahead: np.ndarray,
    dates: np.ndarray,
    shares: np.ndarray,
    as_of: int,
    offsets: np.ndarray,
    day: np.ndarray,
    share: np.ndarray,
    balance: np.ndarray,
) -> None:
    for i in range(len(core_share)):
        at, count = offsets[i], offsets[i + 1] - offsets[i] - 1
        if count < 0:
            continue
        core, left, total, kept_in_month = core_share[i], 1.0, 1.0, 0.0
        day[at], share[at], balance[at] = as_of + 1, 1.0 - core, 1.0 - core
        if months[i] == 0:
            total = shares[first_ahead[i] : first_ahead[i] + count].sum()
        elif decay_rate[i] < 1.0:
            kept_in_month = exp(log(1.0 - decay_rate[i]) / _MONTHS_A_YEAR)
        for k in range(count):
            balance[at + 1 + k] = core * left
            if months[i] > 0:
                day[at + 1 + k] = add_months(as_of, np.int64(k + 1), False)
                repaid = left * (1.0 - kept_in_month)
            else:
                day[at + 1 + k] = dates[first_ahead[i] + k]
                repaid = shares[first_ahead[i] + k] / total
            if k == count - 1:
                repaid = left
            share[at + 1 + k] = core * repaid
            left -= repaid


register(
    PricerSpec(
        product="NON_MATURITY_DEPOSIT",
        title="Non-maturity deposit",
        columns=COLUMNS,
        measures=frozenset({
            Measure.PV, Measure.PV_BASE, Measure.WEIGHTED_AVERAGE_LIFE, Measure.DV01, Measure.CS01, Measure.FX_DELTA, Measure.THETA_1D,
            Measure.KEY_RATE_DV01,
        }),
        native_currency="currency",
        notional="notional",
        lower=lower,
        documentation=__doc__,
    )
)  # fmt: skip
