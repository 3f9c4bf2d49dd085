"""The legs of swaps: a swap's columns as rows of one leg each, with what its convention says where the contract says nothing.

A swap has a receive leg and a pay leg. A positive notional receives the receive leg; a negative one swaps the two, so that a book can
hold a trade and its offset as one row that differs by a sign. A named convention describes the two legs of a quoted swap: its first leg,
which has the quoted rate or spread, is the receive leg.
"""

import difflib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from pricers.contract.columns import AMOUNT_MAX, NO_INTEGER, RATE_MAX, Column, ColumnData, Contracts, Text, end_to_end, read_only
from pricers.contract.float_columns import FLOAT_COLUMNS
from pricers.contract.leg_columns import legs_of, prefixed
from pricers.flows.balances import OUTSTANDING
from pricers.flows.conventions import quoted_by_coupon
from pricers.flows.coupon_arrays import LAG_DAYS_MAX, BalanceColumns, CouponLegs, PaymentColumns, ScheduleColumns
from pricers.flows.floating_arrays import FloatingTerms, day_counts, floating_terms
from pricers.flows.floating_leg import ExchangeColumns, FloatingLegs
from pricers.flows.instalments import no_instalments
from pricers.market.conventions import SWAP_CONVENTIONS, SwapConvention
from pricers.market.fixings import Fixings
from pricers.status import RowStatus
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS, FOLLOWING, MODIFIED_FOLLOWING
from pricers.time.dates import NO_DATE
from pricers.time.day_count import BUS_252, DAY_COUNTS
from pricers.time.schedule import FREQUENCIES, RULES, STUBS

PREFIXES: Final = ("receive_leg_", "pay_leg_")
LEGS: Final = len(PREFIXES)
_ANNUAL: Final = FREQUENCIES.index("ANNUAL")

LEG_COLUMNS: Final = (
    Column("rate", "float", "fixed rate; null for a leg with an index", unit="decimal a year", minimum=-1.0, maximum=RATE_MAX,
           example=0.025),
    *(replace(column, required=False, example=None) if column.name == "index" else column for column in FLOAT_COLUMNS),
    Column("frequency", "choice", "how often interest accrues and is paid; null: the convention's, else ANNUAL", allowed=FREQUENCIES),
    Column("day_count", "choice", "day count; null: the convention's, else the index's", allowed=DAY_COUNTS),
    Column("first_coupon_date", "date", "end of the first period, unadjusted; null: by frequency"),
    Column("penultimate_coupon_date", "date", "start of the last period, unadjusted; null: by frequency"),
    Column("roll_rule", "choice", "side from which regular dates roll: maturity or start", default="BACKWARD", allowed=RULES),
    Column("stub", "choice", "treatment of an irregular remainder", default="NONE", allowed=STUBS),
    Column("end_of_month", "boolean", "keeps dates on month ends if the roll date is a month end", default=False),
    Column("calendar", "text", "business days of schedule and payments; null: the convention's, else the index's", references="calendar"),
    Column("accrual_convention", "choice", "business-day rule of period dates; null: the convention's, else MODIFIED_FOLLOWING",
           allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_convention", "choice", "business-day rule of payment dates; null: the convention's, else FOLLOWING",
           allowed=BUSINESS_DAY_CONVENTIONS),
    Column("payment_lag", "integer", "lag from period end to payment; null: the convention's, else 0", unit="business days", minimum=0,
           maximum=LAG_DAYS_MAX),
    Column("notional_dates", "date_list", "increasing dates from which the notional is another"),
    Column("notional_amounts", "float_list", "unsigned notionals from notional_dates on", unit="currency", minimum=0.0, maximum=AMOUNT_MAX),
)  # fmt: skip
"""Of one leg, without prefix. Amounts are in the leg's currency."""

SWAP_COLUMNS: Final = tuple(column for prefix in PREFIXES for column in prefixed(LEG_COLUMNS, prefix))


class SwapLegs(NamedTuple):
    """Legs of all swaps, `LEGS` a row, the receive leg first."""

    legs: FloatingLegs
    terms: FloatingTerms
    contracts: Contracts
    """One leg a row, with what conventions say filled in."""
    status: UInt8[np.ndarray, " leg"]
    messages: dict[int, str]
    """Row -> what is wrong with its convention."""


def swap_legs(
    contracts: Contracts,
    *,
    as_of: int,
    fixings: Fixings,
    currencies: Text,
    notional: np.ndarray,
    kinds: frozenset[str],
    exchanges: Sequence[np.ndarray],
) -> SwapLegs:
    """Read the legs of a batch of swaps.

    Args:
        contracts: with `SWAP_COLUMNS` and the columns `convention`, `fixed_rate`, `spread`, `start_date` and `maturity_date`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
        currencies: [leg]; null takes the convention's.
        notional: float64[leg], signed as the leg's amounts are.
        kinds: kinds of conventions that fit the product.
        exchanges: bool[leg] each: whether the initial, intermediate and final notional is paid.
    Returns:
        The legs. Status of a leg: INVALID_AMOUNT (a notional or rate is missing, contradictory or not finite), INVALID_PRINCIPAL,
        INVALID_SCHEDULE, UNKNOWN_CONVENTION, or what `floating_terms` says.
    """
    names = tuple(column.name for column in LEG_COLUMNS)
    legs = legs_of(contracts, prefixes=PREFIXES, names=names)
    data: dict[str, ColumnData] = {**legs.data, "currency": currencies}
    of_convention = _conventions(contracts.text("convention"), kinds)
    status = np.repeat(of_convention.status, LEGS)
    _fill(data, of_convention, contracts)
    legs = Contracts(legs.row_count, data)
    terms = floating_terms(legs, as_of=as_of, fixings=fixings, calendars=("calendar",))
    _fill_from_indices(data, terms)
    legs = Contracts(legs.row_count, data)
    terms = floating_terms(legs, as_of=as_of, fixings=fixings, calendars=("calendar",))
    balances, steps_valid = _balances(legs, notional)
    floating = FloatingLegs(
        _coupons(contracts, legs, terms, balances), terms.floating, ExchangeColumns(*(read_only(each) for each in exchanges))
    )
    for failing, reason in (
        (~steps_valid, RowStatus.INVALID_PRINCIPAL),
        (_amounts_invalid(legs, terms, notional), RowStatus.INVALID_AMOUNT),
        (_schedule_invalid(legs, floating.coupons), RowStatus.INVALID_SCHEDULE),
    ):
        status[(status == RowStatus.OK) & failing] = reason
    status = np.where(status == RowStatus.OK, terms.status, status)
    return SwapLegs(floating, terms, legs, status, of_convention.messages)


class _Conventions(NamedTuple):
    """[row] conventions of a batch."""

    found: tuple[SwapConvention | None, ...]
    """Those that the batch names, None for null and unknown names."""
    codes: np.ndarray
    """Into `found`."""
    status: UInt8[np.ndarray, " row"]
    messages: dict[int, str]
    """Row -> what is wrong with its name."""


def _conventions(names: Text, kinds: frozenset[str]) -> _Conventions:
    found = [SWAP_CONVENTIONS.get(name) for name in names.names]
    fits = np.array([*(each is not None and each.kind in kinds for each in found), True])[names.codes]
    wrong = [_what_is_wrong(name, kinds) for name in names.names]
    messages = {row: wrong[names.codes[row]] for row in np.flatnonzero(~fits).tolist()}
    return _Conventions((*found, None), names.codes, np.where(fits, RowStatus.OK, RowStatus.UNKNOWN_CONVENTION).astype(np.uint8), messages)


def _what_is_wrong(name: str, kinds: frozenset[str]) -> str:
    """Why a convention's name does not fit; what it says of one that does has no meaning."""
    if name in SWAP_CONVENTIONS:
        return f"{name} is the convention of another product: its kind is {SWAP_CONVENTIONS[name].kind}"
    close = difflib.get_close_matches(name, [known for known, each in SWAP_CONVENTIONS.items() if each.kind in kinds], n=1)
    return f"no convention {name!r}" + (f"; did you mean {close[0]!r}?" if close else "")


def _fill(data: dict[str, ColumnData], conventions: _Conventions, contracts: Contracts) -> None:
    """Where a leg says nothing, what its convention says; the quoted rate or spread from the contract's own columns."""
    legs = [each.legs if each is not None else (None, None) for each in conventions.found]
    codes = conventions.codes

    def of_legs(value: Any, default: Any) -> list[list[Any]]:
        return [[default if leg is None else value(leg) for leg in pair] for pair in legs]

    def numbers(value: Any, default: Any, dtype: type) -> np.ndarray:
        found: np.ndarray = np.array(of_legs(value, default), dtype)[codes]
        return found.ravel()

    for name, allowed in (
        ("frequency", FREQUENCIES), ("day_count", DAY_COUNTS), ("accrual_convention", BUSINESS_DAY_CONVENTIONS),
        ("payment_convention", BUSINESS_DAY_CONVENTIONS),
    ):  # fmt: skip
        given = _array(data[name])
        data[name] = np.where(given < 0, numbers(lambda leg, n=name, a=allowed: a.index(getattr(leg, n)), -1, np.int8), given)
    lag = _array(data["payment_lag"])
    data["payment_lag"] = np.where(lag == NO_INTEGER, numbers(lambda leg: leg.payment_lag, 0, np.int32), lag)
    data["end_of_month"] = _array(data["end_of_month"]) | numbers(lambda leg: leg.end_of_month, False, np.bool_)
    for name in ("index", "calendar", "currency"):
        data[name] = _filled(data[name], [of for pair in of_legs(lambda leg, n=name: getattr(leg, n), None) for of in pair], codes)
    rate, spread = (np.repeat(contracts.array(name), LEGS) for name in ("fixed_rate", "spread"))
    is_fixed = numbers(lambda leg: leg.index is None, False, np.bool_)
    data["rate"] = np.where(is_fixed & np.isnan(_array(data["rate"])), rate, _array(data["rate"]))
    # The contract's spread belongs to the leg whose spread is quoted: the first with an index.
    has_index = numbers(lambda leg: leg.index is not None, False, np.bool_).reshape(-1, LEGS)
    has_index[:, 1] &= ~has_index[:, 0]
    data["spread"] = np.where(has_index.ravel() & ~np.isnan(spread), spread, _array(data["spread"]))


def _array(column: ColumnData) -> np.ndarray:
    assert isinstance(column, np.ndarray)
    return column


def _filled(given: ColumnData, names: list[str | None], codes: np.ndarray) -> Text:
    """A leg's text column, with names[LEGS × convention + leg] where it is null."""
    assert isinstance(given, Text)
    of_convention = Text.of(names)
    place = (codes.astype(np.int64)[:, None] % max(len(names) // LEGS, 1) * LEGS + np.arange(LEGS)).ravel()
    both = end_to_end([given, Text(of_convention.codes[place], of_convention.names)])
    own, other = both.codes[: given.codes.size], both.codes[given.codes.size :]
    return Text(np.where(own < 0, other, own).astype(np.int32), both.names)


def _fill_from_indices(data: dict[str, ColumnData], terms: FloatingTerms) -> None:
    """Where neither contract nor convention says it: calendar and frequency of the index, and the customary rules."""
    index = terms.floating.index
    calendar = data["calendar"]
    assert isinstance(calendar, Text)
    of_index = Text.of([each.value_calendar for each in terms.found.indices])
    both = end_to_end([calendar, of_index])
    own, other = both.codes[: calendar.codes.size], np.append(both.codes[calendar.codes.size :], np.int32(-1))
    filled: np.ndarray = np.where(own < 0, other[index], own)
    pairs = filled.reshape(-1, LEGS)  # a fixed leg without a calendar has that of the other leg
    data["calendar"] = Text(np.where(pairs < 0, pairs.max(axis=1, keepdims=True), pairs).astype(np.int32).ravel(), both.names)
    for name, default in (("frequency", _ANNUAL), ("accrual_convention", MODIFIED_FOLLOWING), ("payment_convention", FOLLOWING)):
        given = _array(data[name])
        data[name] = np.where(given < 0, default, given).astype(np.int8)


def _balances(legs: Contracts, notional: np.ndarray) -> tuple[BalanceColumns, Bool[np.ndarray, " leg"]]:
    """Notionals, and whether each leg's steps have an amount a date; those of others are left out."""
    dates, amounts = legs.ragged("notional_dates"), legs.ragged("notional_amounts")
    counts, amount_counts = np.diff(dates.offsets), np.diff(amounts.offsets)
    valid, count = counts == amount_counts, legs.row_count
    columns = BalanceColumns(
        notional=notional,
        rule=np.full(count, OUTSTANDING, np.int8),
        drawn=np.full(count, np.nan),
        balloon=np.zeros(count),
        interest_only_end=np.full(count, NO_DATE, np.int32),
        prepayment_rate=np.zeros(count),
        redemption=np.full(count, 100.0),
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(np.where(valid, counts, 0))]),
        dates=dates.values[np.repeat(valid, counts)],
        amounts=amounts.values[np.repeat(valid, amount_counts)],
        instalments=no_instalments(count),
    )
    return columns, np.asarray(valid)


def _coupons(contracts: Contracts, legs: Contracts, terms: FloatingTerms, balances: BalanceColumns) -> CouponLegs:
    column, (calendar,) = legs.array, terms.calendars
    count = legs.row_count
    none = np.zeros(count, np.int32)
    return CouponLegs(
        schedule=ScheduleColumns(
            start=np.repeat(contracts.array("start_date"), LEGS),
            maturity=np.repeat(contracts.array("maturity_date"), LEGS),
            frequency=column("frequency"),
            first_date=column("first_coupon_date"),
            penultimate_date=column("penultimate_coupon_date"),
            roll_rule=column("roll_rule"),
            stub=column("stub"),
            end_of_month=column("end_of_month"),
            convention=column("accrual_convention"),
            calendar=calendar,
            given_offsets=np.zeros(count + 1, np.int64),
            given_dates=np.empty(0, np.int32),
        ),
        payment=PaymentColumns(
            convention=column("payment_convention"),
            lag=column("payment_lag"),
            ex_days=none,
            ex_calendar=calendar,
            settlement_lag=none,
            settlement_calendar=calendar,
            issue=np.full(count, NO_DATE, np.int32),
        ),
        balance=balances,
        rate=np.where(np.isnan(column("rate")), 0.0, column("rate")),
        day_count=day_counts(legs, terms.found),
        by_frequency=np.zeros(count, np.bool_),
        compounding=np.zeros(count),
        quoting=quoted_by_coupon(day_counts(legs, terms.found), column("frequency")),
        is_zero_coupon=np.zeros(count, np.bool_),
        pays_out=False,
    )


def _amounts_invalid(legs: Contracts, terms: FloatingTerms, notional: np.ndarray) -> Bool[np.ndarray, " leg"]:
    rate = legs.array("rate")
    names_index = legs.text("index").codes >= 0
    return np.asarray(~np.isfinite(notional) | (notional == 0.0) | (np.isfinite(rate) == names_index))


def _schedule_invalid(legs: Contracts, coupons: CouponLegs) -> Bool[np.ndarray, " leg"]:
    lag = legs.array("payment_lag")
    return np.asarray(
        (coupons.day_count < 0) | (lag < 0) | (lag > LAG_DAYS_MAX) | ((coupons.day_count == BUS_252) & (legs.text("calendar").codes < 0))
    )
