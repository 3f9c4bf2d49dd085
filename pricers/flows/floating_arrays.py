"""What the stages of a floating leg work on beside those of a fixed one: indices with fixings, contract columns, coupons of a block."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from pricers.contract.calendars_of_contract import contract_calendars
from pricers.contract.columns import NO_INTEGER, Contracts, Text, end_to_end
from pricers.contract.float_columns import (
    AVERAGED,
    COMPOUNDED,
    INDEXED,
    SPREAD_COMPOUNDED,
    SPREAD_FLAT,
    SUBPERIOD_COMPOUNDED,
    TERM,
)
from pricers.market.fixings import Fixings
from pricers.market.indices import Index, IndexKind
from pricers.status import RowStatus
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS, CalendarTables
from pricers.time.day_count import BUS_252, DAY_COUNTS
from pricers.time.schedule import FREQUENCIES, FREQUENCY_DAYS, FREQUENCY_MONTHS
from pricers.time.tenors import parse_tenor

NO_INDEX: Final = -1
"""In index columns: a leg with a fixed rate, a stub that has the leg's index."""
_INDEX_COLUMNS: Final = ("index", "initial_stub_index", "initial_stub_index_2", "final_stub_index", "final_stub_index_2")
_NO_RESETS: Final = (FREQUENCIES.index("ONCE"), FREQUENCIES.index("SEMIMONTHLY"))
"""Frequencies that give no tenor from one reset to the next."""
_NO_CURRENCY: Final = -2  # of no leg: a null currency has the code -1


class IndexTables(NamedTuple):
    """Conventions and fixings of the indices of a batch; [index]."""

    is_overnight: np.ndarray
    months: np.ndarray
    """Of a term index's tenor."""
    days: np.ndarray
    day_count: np.ndarray
    lag: np.ndarray
    """Business days from the fixing to the start of the rate's period."""
    fixing_calendar: np.ndarray
    value_calendar: np.ndarray
    convention: np.ndarray
    end_of_month: np.ndarray
    curve: np.ndarray
    """Index into `LegIndices.curves`."""
    offsets: np.ndarray
    """int64[index + 1]: index x has fixings offsets[x]:offsets[x + 1], days increasing."""
    fixing_days: np.ndarray
    fixing_values: np.ndarray


class FloatingColumns(NamedTuple):
    """How the rates of a leg's periods follow from indices; [leg]."""

    index: np.ndarray  # type: ignore[assignment]  # hides a method of tuples that nothing calls
    """int32: into `IndexTables`; NO_INDEX for a leg that pays `CouponLegs.rate`."""
    curve: np.ndarray
    """int32: the curve that forecasts `index`, into `LegIndices.curves`."""
    gearing: np.ndarray
    spread: np.ndarray
    spread_offsets: np.ndarray
    spread_dates: np.ndarray
    spread_values: np.ndarray
    lag: np.ndarray
    """Business days of `fixing_calendar` from the fixing to the start of the period."""
    fixing_calendar: np.ndarray
    is_indexed: np.ndarray
    """bool: the forward rate ends a whole tenor after its start, not with the period."""
    averages: np.ndarray
    """bool: overnight rates are averaged, not compounded."""
    resets: np.ndarray
    """bool: a period's rate compounds several term rates."""
    reset_months: np.ndarray
    """Between them; 0 for a tenor in days."""
    reset_days: np.ndarray
    lookback: np.ndarray
    """Business days by which overnight rates are moved back."""
    is_shifted: np.ndarray
    """bool: so are their weights."""
    lockout: np.ndarray
    """Last business days of a period that have the rate of the one before them."""
    compounds_spread: np.ndarray
    """bool: the margin is compounded with overnight rates."""
    first_fixing: np.ndarray
    current_fixing: np.ndarray
    initial_index: np.ndarray
    initial_index_2: np.ndarray
    initial_rate: np.ndarray
    final_index: np.ndarray
    final_index_2: np.ndarray
    final_rate: np.ndarray
    decimals: np.ndarray
    """Of the index rate of a period, once it is known; -1: not rounded."""


class Coupons(NamedTuple):
    """Coupons of the periods of a block: N × (plain + Σ growth × P(start)/P(end)), P of `curve`; [period], for forecasts [period, 2]."""

    rate: np.ndarray
    """Annual rate of the coupon; NaN where fixings to come decide it."""
    plain: np.ndarray
    growth: np.ndarray
    """0 for no forecast."""
    curve: np.ndarray
    start: np.ndarray
    """First day of the forecast rate's period. The valuation date stands as the day before it: see `cashflows.Term.lag`."""
    end: np.ndarray
    special: np.ndarray
    """int32: the special factor in place of P(start)/P(end) of the first forecast; -1 for none."""
    accrues: np.ndarray
    """bool: several rates, so that interest accrued within the period is at those until then, not at `rate`."""


class SpecialArrays(NamedTuple):
    """Special factors as compiled code adds them; see `SpecialFactors`."""

    counts: np.ndarray
    """int64[2]: how many special factors there are, and how many entries."""
    averages: np.ndarray
    """bool[special]: ARITHMETIC_AVERAGE, else RFR_PRODUCT."""
    curve: np.ndarray
    """int32[special]: into `LegIndices.curves`."""
    constant: np.ndarray
    offsets: np.ndarray
    start_day: np.ndarray
    end_day: np.ndarray
    weight: np.ndarray
    addend: np.ndarray


class MissingFixings(NamedTuple):
    """The first fixing that each row lacks; [row]. Read where the row's status is MISSING_FIXING."""

    index: np.ndarray  # type: ignore[assignment]  # hides a method of tuples that nothing calls
    day: np.ndarray


def empty_coupons(periods: int) -> Coupons:
    """Working arrays for so many periods."""
    return Coupons(
        np.empty(periods), np.empty(periods), np.empty((periods, 2)), np.empty((periods, 2), np.int32), np.empty((periods, 2), np.int32),
        np.empty((periods, 2), np.int32), np.empty(periods, np.int32), np.empty(periods, np.bool_),
    )  # fmt: skip


def empty_specials(specials: int, entries: int) -> SpecialArrays:
    """Room for so many special factors and entries."""
    return SpecialArrays(
        np.zeros(2, np.int64), np.empty(specials, np.bool_), np.empty(specials, np.int32), np.empty(specials),
        np.zeros(specials + 1, np.int64), np.empty(entries, np.int32), np.empty(entries, np.int32), np.empty(entries), np.empty(entries),
    )  # fmt: skip


@dataclass(frozen=True)
class LegIndices:
    """The indices that legs name, and the curves that forecast them."""

    indices: tuple[Index, ...]
    codes: dict[str, np.ndarray]
    """Index column -> int32[leg]: into `indices`; NO_INDEX for null and for a name that has no definition."""
    status: np.ndarray
    """uint8[leg]: MISSING_INDEX where a name has no definition, INDEX_MISMATCH where it is no interest rate of
    the leg's currency, else OK."""
    curves: tuple[str, ...]
    curve: np.ndarray
    """int32[leg]: the curve that forecasts the leg's `index`."""

    @property
    def fixing_calendars(self) -> Text:
        """[index]"""
        return Text.of([index.fixing_calendar for index in self.indices])

    @property
    def value_calendars(self) -> Text:
        """[index]"""
        return Text.of([index.value_calendar for index in self.indices])


def leg_indices(contracts: Contracts, *, fixings: Fixings) -> LegIndices:
    """Look up the indices of a batch.

    Args:
        contracts: with the columns of `FLOAT_COLUMNS` and `currency`.
        fixings: definitions of indices.
    """
    texts = {name: contracts.text(name) for name in _INDEX_COLUMNS}
    names = sorted({name for text in texts.values() for name in text.names})
    known = {name: index for name in names if (index := fixings.index(name)) is not None}
    place = {name: number for number, name in enumerate(known)}
    status = np.full(contracts.row_count, RowStatus.OK, np.uint8)
    currency = contracts.text("currency")
    currencies = {name: code for code, name in enumerate(currency.names)}
    codes = {}
    for column, text in texts.items():
        code: np.ndarray = np.array([*(place.get(name, NO_INDEX) for name in text.names), NO_INDEX], np.int32)[text.codes]
        is_rate = np.array([*(index.kind in (IndexKind.TERM, IndexKind.OVERNIGHT) for index in known.values()), True])
        status[(status == RowStatus.OK) & ~is_rate[code]] = RowStatus.INDEX_MISMATCH
        in_currency = np.array([*(currencies.get(index.currency, _NO_CURRENCY) for index in known.values()), 0])[code] == currency.codes
        status[(status == RowStatus.OK) & (code >= 0) & ~in_currency] = RowStatus.INDEX_MISMATCH
        status[(text.codes >= 0) & (code < 0)] = RowStatus.MISSING_INDEX
        codes[column] = code
    override = contracts.text("forecast_curve")
    curves = tuple(sorted({*(index.forecast_curve for index in known.values()), *override.names}))
    number = {name: code for code, name in enumerate(curves)}
    of_index = np.array([*(number[index.forecast_curve] for index in known.values()), -1], np.int32)[codes["index"]]
    of_leg = np.array([*(number[name] for name in override.names), -1], np.int32)[override.codes]
    return LegIndices(tuple(known.values()), codes, status, curves, np.where(of_leg >= 0, of_leg, of_index).astype(np.int32))


def index_tables(
    found: LegIndices, *, as_of: int, fixings: Fixings, fixing_calendar: np.ndarray, value_calendar: np.ndarray
) -> IndexTables:
    """Conventions and fixings for compiled code.

    Args:
        found: the indices.
        as_of: valuation date, days since 1970-01-01.
        fixings: their values, of which those after `known_until` are left out.
        fixing_calendar, value_calendar: int32[index], into the calendar tables.
    """
    indices = found.indices
    tenors = [parse_tenor(index.tenor) if index.tenor else (0, 0) for index in indices]
    series = [fixings.published(index.name, as_of) for index in indices]
    place = {name: number for number, name in enumerate(found.curves)}
    return IndexTables(
        is_overnight=np.array([index.kind is IndexKind.OVERNIGHT for index in indices], np.bool_),
        months=np.array([months for months, _ in tenors], np.int32),
        days=np.array([days for _, days in tenors], np.int32),
        day_count=np.array([DAY_COUNTS.index(index.day_count) for index in indices], np.int8),
        lag=np.array([index.fixing_lag for index in indices], np.int32),
        fixing_calendar=fixing_calendar,
        value_calendar=value_calendar,
        convention=np.array([BUSINESS_DAY_CONVENTIONS.index(index.convention) for index in indices], np.int8),
        end_of_month=np.array([index.end_of_month for index in indices], np.bool_),
        curve=np.array([place[index.forecast_curve] for index in indices], np.int32),
        offsets=np.cumsum([0, *(each.days.size for each in series)], dtype=np.int64),
        fixing_days=np.concatenate([np.empty(0, np.int32), *(each.days for each in series)]).astype(np.int32),
        fixing_values=np.concatenate([np.empty(0), *(each.values for each in series)]).astype(np.float64),
    )


def floating_columns(contracts: Contracts, found: LegIndices, *, fixing_calendar: np.ndarray) -> FloatingColumns:
    """Columns for compiled code.

    Args:
        contracts: with the columns of `FLOAT_COLUMNS`.
        found: their indices.
        fixing_calendar: int32[leg], into the calendar tables: the contract's, or its index's where it names none.
    """
    column = contracts.array
    lag = column("fixing_lag")
    of_index = np.array([*(index.fixing_lag for index in found.indices), 0], np.int32)[found.codes["index"]]
    dates, values = contracts.ragged("spread_dates"), contracts.ragged("spread_values")
    decimals, frequency = column("rate_rounding"), column("reset_frequency")
    tenors = [tuple(parse_tenor(index.tenor)) if index.tenor else (0, 0) for index in found.indices]
    of_tenor = np.array([*tenors, (0, 0)], np.int32)[found.codes["index"]]
    return FloatingColumns(
        index=found.codes["index"],
        curve=found.curve,
        gearing=column("gearing"),
        spread=column("spread"),
        spread_offsets=dates.offsets,
        spread_dates=dates.values,
        spread_values=values.values,
        lag=np.where(lag == NO_INTEGER, of_index, lag).astype(np.int32),
        fixing_calendar=fixing_calendar.astype(np.int32, copy=False),
        is_indexed=column("coupon_estimation") == INDEXED,
        averages=column("rate_method") == AVERAGED,
        resets=column("rate_method") == SUBPERIOD_COMPOUNDED,
        reset_months=np.where(frequency < 0, of_tenor[:, 0], FREQUENCY_MONTHS[frequency]).astype(np.int32),
        reset_days=np.where(frequency < 0, of_tenor[:, 1], FREQUENCY_DAYS[frequency]).astype(np.int32),
        lookback=column("lookback_days"),
        is_shifted=column("observation_shift"),
        lockout=column("lockout_days"),
        compounds_spread=column("spread_compounding") == SPREAD_COMPOUNDED,
        first_fixing=column("first_fixing"),
        current_fixing=column("current_fixing"),
        initial_index=found.codes["initial_stub_index"],
        initial_index_2=found.codes["initial_stub_index_2"],
        initial_rate=column("initial_stub_rate"),
        final_index=found.codes["final_stub_index"],
        final_index_2=found.codes["final_stub_index_2"],
        final_rate=column("final_stub_rate"),
        decimals=np.where(decimals == NO_INTEGER, -1, decimals).astype(np.int32),
    )


def floating_status(contracts: Contracts, found: LegIndices) -> np.ndarray:
    """uint8[leg]: status that follows from the columns of `FLOAT_COLUMNS` alone. A leg without an index has a fixed rate and is OK."""
    column = contracts.array
    status, index = found.status.copy(), found.codes["index"]
    is_overnight = np.array([*(each.kind is IndexKind.OVERNIGHT for each in found.indices), False])
    by_business_days = np.array([*(DAY_COUNTS.index(each.day_count) == BUS_252 for each in found.indices), False])
    of_leg, method = is_overnight[index], column("rate_method")
    has_stub = {name: found.codes[name] >= 0 for name in _INDEX_COLUMNS[1:]}
    wrong_stub = np.logical_or.reduce([(of_leg & has_stub[name]) | is_overnight[found.codes[name]] for name in has_stub])
    wrong_stub |= has_stub["initial_stub_index_2"] & ~has_stub["initial_stub_index"]
    wrong_stub |= has_stub["final_stub_index_2"] & ~has_stub["final_stub_index"]
    resets, frequency = method == SUBPERIOD_COMPOUNDED, column("reset_frequency")
    wrong_stub |= resets & np.logical_or.reduce(list(has_stub.values()))
    mismatch = (of_leg & ((method == TERM) | resets)) | (~of_leg & ((method == COMPOUNDED) | (method == AVERAGED))) | wrong_stub
    compounds_spread = column("spread_compounding") == SPREAD_COMPOUNDED
    averages, moves_days = method == AVERAGED, (column("lookback_days") > 0) | (column("lockout_days") > 0)
    unsupported = (column("spread_compounding") == SPREAD_FLAT) | by_business_days[index]
    unsupported |= compounds_spread & (averages | (column("gearing") != 1.0) | (~of_leg & ~resets))
    unsupported |= resets & np.isin(frequency, _NO_RESETS)
    unsupported |= ~of_leg & moves_days
    # Of a compounded rate no single fixing is the period's; its rates are moved by lookback_days.
    unsupported |= of_leg & (np.isfinite(column("current_fixing")) | (column("fixing_lag") > 0))
    has_option = np.isfinite(column("cap_rate")) | np.isfinite(column("floor_rate"))
    has_option |= column("daily_floor") | column("fixing_in_arrears")
    amounts_usable = np.isfinite(column("gearing")) & np.isfinite(column("spread")) & _are_steps(contracts)
    lags = np.stack([column("lookback_days"), column("lockout_days")])
    choices = np.minimum(column("coupon_estimation"), column("spread_compounding"))
    schedule_usable = np.all(lags >= 0, axis=0) & (choices >= 0)
    for failing, reason in (
        (mismatch, RowStatus.INDEX_MISMATCH),
        (unsupported, RowStatus.UNSUPPORTED_RATE_METHOD),
        (has_option, RowStatus.EMBEDDED_OPTION),
        (~amounts_usable, RowStatus.INVALID_AMOUNT),
        (~schedule_usable, RowStatus.INVALID_SCHEDULE),
    ):
        status[(status == RowStatus.OK) & (index >= 0) & failing] = reason
    return status


def _are_steps(contracts: Contracts) -> np.ndarray:
    """bool[leg]: whether spread_dates increase and each has a finite value."""
    dates, values = contracts.ragged("spread_dates"), contracts.ragged("spread_values")
    good = np.diff(dates.offsets) == np.diff(values.offsets)
    if not dates.values.size and not values.values.size:
        return np.asarray(good)
    for leg in np.flatnonzero(good).tolist():
        part = slice(dates.offsets[leg], dates.offsets[leg + 1])
        good[leg] = np.all(np.diff(dates.values[part].astype(np.int64)) > 0) and np.all(np.isfinite(values.values[part]))
    return np.asarray(good)


class FloatingTerms(NamedTuple):
    """The floating terms of a batch and all calendars, as compiled code reads them."""

    found: LegIndices
    floating: FloatingColumns
    indices: IndexTables
    tables: CalendarTables
    calendars: tuple[np.ndarray, ...]
    """int32[leg]: into `tables`, of each calendar column that was asked for; 0, no holidays, for null."""
    status: np.ndarray
    """uint8[leg]: what follows from the floating columns and the calendars alone: MISSING_INDEX, INDEX_MISMATCH, EMBEDDED_OPTION,
    UNSUPPORTED_RATE_METHOD, INVALID_AMOUNT, INVALID_SCHEDULE (an unknown calendar too) or OK."""


def floating_terms(contracts: Contracts, *, as_of: int, fixings: Fixings, calendars: tuple[str, ...]) -> FloatingTerms:
    """Read the columns of `FLOAT_COLUMNS`.

    Args:
        contracts: one leg a row; see `leg_columns.legs_of` for contracts with several.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
        calendars: names of the other calendar columns.
    """
    found = leg_indices(contracts, fixings=fixings)
    texts = [*(contracts.text(name) for name in (*calendars, "fixing_calendar")), found.fixing_calendars, found.value_calendars]
    of_all = contract_calendars(end_to_end(texts))
    splits = np.cumsum([text.codes.size for text in texts])[:-1]
    *of_columns, of_contract, of_fixings, of_values = np.split(of_all.calendar, splits)
    *known, fixings_known, values_known = np.split(of_all.known, splits)
    index = found.codes["index"]
    fixing_calendar = np.where(contracts.text("fixing_calendar").codes < 0, np.append(of_fixings, np.int32(0))[index], of_contract)
    indices_known = np.append(fixings_known & values_known, True)
    status = floating_status(contracts, found)
    is_known = np.logical_and.reduce([*known, *(indices_known[found.codes[name]] for name in _INDEX_COLUMNS)])
    status[~is_known] = RowStatus.INVALID_SCHEDULE
    return FloatingTerms(
        found,
        floating_columns(contracts, found, fixing_calendar=fixing_calendar),
        index_tables(found, as_of=as_of, fixings=fixings, fixing_calendar=of_fixings, value_calendar=of_values),
        of_all.tables,
        tuple(of_columns),
        status,
    )


def day_counts(contracts: Contracts, found: LegIndices) -> np.ndarray:
    """int8[leg]: the column `day_count`, the index's day count where it is null; -1 without either."""
    of_index = np.array([*(DAY_COUNTS.index(index.day_count) for index in found.indices), -1], np.int8)[found.codes["index"]]
    given = contracts.array("day_count")
    return np.where(given < 0, of_index, given).astype(np.int8)
