"""Generates a seeded portfolio of any size with realistic conventions, for the demo, benchmarks and tests: a million positions a second.

Half of the positions are fixed-rate bonds, a fifth amortising loans, the rest FX forwards; six currencies, 40 books, 500 counterparties
(the largest has about a tenth of all positions). Sizes are log-normal. Dates, frequencies, day counts, calendars and settlement lags
follow each currency's market. Bonds: two fifths are governments, the others carry a rating's spread curve; some have stubs, month-end
dates, sinking funds, ex-coupon periods (GBP), zero coupons, a quoted price. Loans: all repayment types, interest-only periods, balloons,
prepayment, drawn balances. Forwards: pairs in market order, deliverable or not, one in a hundred delivering on the valuation date.

Curves are named as in the demo's market: EUR-GOVT, EUR-CORP-BBB. `broken_fraction` of the rows are well-formed but cannot be priced, for
four reasons in turn: a curve that does not exist, a matured contract, dates out of order, a currency without an exchange rate (AUD).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskray.portfolio.schema import arrow_schema, arrow_type, stored_columns


@dataclass(frozen=True)
class _Conventions:
    """Market conventions of a currency."""

    weight: float
    usd_value: float
    """Rough price of one unit in USD, for sizes and contract rates."""
    rate: float
    """Rough level of interest rates."""
    calendar: str
    bond_frequency: str
    bond_day_count: str
    settlement_lag: int
    ex_coupon_days: int
    """Business days from the ex-dividend date to the payment. The DMO's "seven business days" count the ex-dividend date, so they are 6."""
    loan_day_count: str


CONVENTIONS: Final = {
    "USD": _Conventions(0.34, 1.0, 0.041, "US_GOVT", "SEMIANNUAL", "30/360 US", 1, 0, "ACT/360"),
    "EUR": _Conventions(0.28, 1.105, 0.023, "TARGET", "ANNUAL", "ACT/ACT ICMA", 2, 0, "30E/360"),
    "GBP": _Conventions(0.13, 1.27, 0.036, "UK", "SEMIANNUAL", "ACT/ACT ICMA", 1, 6, "ACT/365F"),
    "JPY": _Conventions(0.10, 0.00707, 0.005, "JP", "SEMIANNUAL", "ACT/365F", 1, 0, "ACT/365F"),
    "CHF": _Conventions(0.07, 1.19, 0.008, "CH", "ANNUAL", "30E/360", 2, 0, "30E/360"),
    "CAD": _Conventions(0.08, 0.755, 0.034, "CA", "SEMIANNUAL", "ACT/ACT ICMA", 1, 0, "ACT/365F"),
}
_CURRENCIES: Final = tuple(CONVENTIONS)
_BASE_FIRST: Final = ("EUR", "GBP", "USD", "CAD", "CHF", "JPY")  # the currency of a pair that comes first here is its base
_RATINGS: Final = ("A", "BBB", "BB")
_PRODUCT_WEIGHTS: Final = {"AMORT_LOAN": 0.2, "FIXED_BOND": 0.5, "FX_FWD": 0.3}
_BOOKS: Final = {
    "AMORT_LOAN": tuple(f"LOAN-{i:02d}" for i in range(1, 11)),
    "FIXED_BOND": tuple(f"BOND-{i:02d}" for i in range(1, 19)),
    "FX_FWD": tuple(f"FX-{i:02d}" for i in range(1, 13)),
}
_COUNTERPARTIES: Final = tuple(f"CP-{i:03d}" for i in range(1, 501))
_UNQUOTED: Final = "AUD"
_UNKNOWN_CURVE, _MATURED, _NONSENSE_DATES, _NO_RATE = range(4)
_SOUND: Final = -1

Fields = dict[str, Any]
Maker = Callable[[np.random.Generator, np.ndarray, np.datetime64], Fields]


def generate_portfolio(positions: int, *, seed: int = 1, as_of: date, broken_fraction: float = 0.005) -> dict[str, pa.Table]:
    """Tables by product as `read_portfolio` gives them, ready for `prepare_portfolio`.

    Args:
        positions: total number; products without a position are left out.
        seed: equal seeds give equal portfolios.
        as_of: valuation date on which the contracts are live.
        broken_fraction: share of rows that cannot be priced.
    Raises:
        ValueError: fewer than one position, or a fraction outside [0, 1].
    """
    if positions < 1 or not 0.0 <= broken_fraction <= 1.0:
        raise ValueError(f"positions must be at least 1 and broken_fraction within [0, 1], not {positions} and {broken_fraction}")
    random = np.random.default_rng(seed)
    product_of_row = random.choice(len(_PRODUCT_WEIGHTS), positions, p=list(_PRODUCT_WEIGHTS.values()))
    flaw = np.full(positions, _SOUND)
    broken = random.permutation(positions)[: round(positions * broken_fraction)]
    flaw[broken] = np.arange(len(broken)) % 4
    makers: dict[str, Maker] = {"AMORT_LOAN": _loans, "FIXED_BOND": _bonds, "FX_FWD": _forwards}
    tables = {}
    for number, product in enumerate(_PRODUCT_WEIGHTS):
        rows = np.flatnonzero(product_of_row == number)
        if len(rows):
            fields = _common(random, product, rows) | makers[product](random, flaw[rows], np.datetime64(as_of, "D"))
            tables[product] = _table(product, len(rows), fields)
    return tables


def _table(product: str, count: int, fields: Fields) -> pa.Table:
    """The product's table; columns that `fields` lacks are null, and NaN and NaT become null."""
    arrays = []
    for column in stored_columns(product):
        values, kind = fields.get(column.name), arrow_type(column)
        if values is None:
            arrays.append(pa.nulls(count, kind))
        elif column.kind == "choice":
            code = pa.array([column.allowed.index(name) for name in values.dictionary.to_pylist()], pa.int8())
            arrays.append(pa.DictionaryArray.from_arrays(code.take(values.indices), pa.array(column.allowed, pa.string())))
        elif isinstance(values, pa.Array):
            arrays.append(values)
        else:
            arrays.append(pa.array(values, kind, from_pandas=True))
    return pa.Table.from_arrays(arrays, schema=arrow_schema(product))


def _common(random: np.random.Generator, product: str, rows: np.ndarray) -> Fields:
    numbers = pc.utf8_lpad(pa.array(rows).cast(pa.string()), 9, "0")
    popularity = 1.0 / np.arange(1, len(_COUNTERPARTIES) + 1)
    return {
        "position_id": pc.binary_join_element_wise("P", numbers, "-"),
        "book": _coded(random.integers(0, len(_BOOKS[product]), len(rows)), _BOOKS[product]),
        "counterparty": _coded(random.choice(len(_COUNTERPARTIES), len(rows), p=popularity / popularity.sum()), _COUNTERPARTIES),
    }


# ------------------------------------------------------------------------------------------------------------------ pieces


def _coded(codes: np.ndarray, names: tuple[str, ...]) -> pa.DictionaryArray:
    """Text by code; a negative code is null."""
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32), mask=codes < 0), pa.array(names, pa.string()))


def _currencies(random: np.random.Generator, count: int) -> np.ndarray:
    return random.choice(len(_CURRENCIES), count, p=[convention.weight for convention in CONVENTIONS.values()])


def _by_currency(codes: np.ndarray, attribute: str) -> np.ndarray:
    values = np.array([getattr(convention, attribute) for convention in CONVENTIONS.values()])
    return np.asarray(values[codes])


def _curves(currency: np.ndarray, flaw: np.ndarray) -> tuple[pa.DictionaryArray, pa.DictionaryArray]:
    """Currency and discount curve of each row, wrong where the row's flaw is the curve or the currency."""
    names = (*_CURRENCIES, _UNQUOTED)
    currency = np.where(flaw == _NO_RATE, len(_CURRENCIES), currency)
    curve = np.where(flaw == _UNKNOWN_CURVE, len(names) + currency, currency)
    curves = (*(f"{name}-GOVT" for name in names), *(f"{name}-LIBOR" for name in names))
    return _coded(currency, names), _coded(curve, curves)


def _spread_curves(random: np.random.Generator, currency: np.ndarray, has_spread: np.ndarray) -> pa.DictionaryArray:
    names = tuple(f"{name}-CORP-{rating}" for name in _CURRENCIES for rating in _RATINGS)
    rating = random.choice(len(_RATINGS), len(currency), p=[0.4, 0.45, 0.15])
    return _coded(np.where(has_spread, currency * len(_RATINGS) + rating, -1), names)


def _sizes(random: np.random.Generator, currency: np.ndarray, *, median_usd: float, short_share: float) -> np.ndarray:
    """Signed notionals, log-normal around the median and rounded to thousands of the currency."""
    size = random.lognormal(np.log(median_usd), 1.1, len(currency)) / _by_currency(currency, "usd_value")
    sign = np.where(random.random(len(currency)) < short_share, -1.0, 1.0)
    return np.asarray(sign * np.maximum(np.round(size / 1_000), 1.0) * 1_000)


def _sometimes(random: np.random.Generator, share: float, values: np.ndarray) -> np.ndarray:
    """The values in a share of the rows, null (NaN or NaT) in the others."""
    nothing = np.datetime64("NaT") if values.dtype.kind == "M" else np.nan
    return np.where(random.random(len(values)) < share, values, nothing)


@dataclass(frozen=True)
class _Life:
    """Start and maturity of contracts, and the whole years between them (the months of a stub are additional)."""

    start: np.ndarray
    maturity: np.ndarray
    years: np.ndarray
    month_end: np.ndarray
    has_stub: np.ndarray

    def anniversary(self, years: np.ndarray) -> np.ndarray:
        """The date the given years before maturity, which ends a period of a regular schedule."""
        return _months_later(self.maturity, -12 * years, self.month_end)


def _lives(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64, *, tenors: tuple[int, ...]) -> _Life:
    """Contracts that began up to 95 % of their life ago, unless the row's flaw is its dates."""
    count = len(flaw)
    years = random.choice(tenors, count)
    month_end = random.random(count) < 0.1
    has_stub = random.random(count) < 0.1
    months = 12 * years + np.where(has_stub, random.integers(1, 6, count), 0)
    elapsed_months = (random.uniform(0.0, 0.95, count) * months).astype(np.int64)
    elapsed_months = np.where(flaw == _MATURED, months + random.integers(2, 24, count), elapsed_months)
    first_of_month = (as_of.astype("datetime64[M]") - elapsed_months).astype("datetime64[D]")
    day = random.choice([1, 15, -1], count, p=[0.3, 0.4, 0.3])
    start = first_of_month + np.where(day > 0, day, random.integers(1, 29, count)) - 1
    start = np.where(month_end, _months_later(first_of_month, 1, False) - 1, start)
    start = np.where((start > as_of) & (flaw != _MATURED), _months_later(start, -1, month_end), start)
    maturity = _months_later(start, months, month_end)
    swapped = flaw == _NONSENSE_DATES
    return _Life(np.where(swapped, maturity, start), np.where(swapped, start, maturity), years, month_end, has_stub)


def _months_later(dates: np.ndarray, months: np.ndarray | int, month_end: np.ndarray | bool) -> np.ndarray:
    """Add whole months; month ends stay month ends. Other days are at most the 28th, so that they exist in every month."""
    month = dates.astype("datetime64[M]")
    moved = (month + months).astype("datetime64[D]") + (dates - month.astype("datetime64[D]"))
    last = (month + months + 1).astype("datetime64[D]") - 1
    return np.where(month_end, last, moved)


def _lists(rows: np.ndarray, parts: list[np.ndarray]) -> pa.ListArray:
    """A list column: the parts, in order, in the marked rows; null in the others."""
    offsets = np.concatenate([[0], np.cumsum(np.where(rows, len(parts), 0))]).astype(np.int32)
    values = np.stack(parts, axis=1)[rows].ravel()
    return pa.ListArray.from_arrays(pa.array(offsets, mask=np.append(~rows, False)), pa.array(values))


# ---------------------------------------------------------------------------------------------------------------- products


def _bonds(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = _currencies(random, count)
    life = _lives(random, flaw, as_of, tenors=(2, 3, 5, 5, 7, 10, 10, 15, 20, 30))
    notional = _sizes(random, currency, median_usd=2_000_000, short_share=0.1)
    is_corporate = random.random(count) < 0.6
    is_zero = random.random(count) < 0.05
    level = _by_currency(currency, "rate") + np.where(is_corporate, 0.012, 0.0)
    coupon = np.maximum(np.round(random.normal(level, 0.01) / 0.00125), 1.0) * 0.00125
    frequencies = ("ANNUAL", "SEMIANNUAL", "ONCE")
    frequency = np.where(_by_currency(currency, "bond_frequency") == "ANNUAL", 0, 1)
    sinks = ~is_zero & ~life.has_stub & (life.years >= 7) & (flaw != _NONSENSE_DATES) & (random.random(count) < 0.05)
    quarter = np.abs(notional) / 4
    years_left = np.maximum((life.maturity - as_of).astype(np.int64) / 365.25, 0.0)
    price = np.where(is_zero, 100.0 * np.exp(-level * years_left), 100.0 + 100.0 * (coupon - level) * np.minimum(years_left, 8.0))
    price += random.normal(0.0, 0.5, count) * np.minimum(years_left, 8.0)
    currencies, curves = _curves(currency, flaw)
    ex_coupon_days = _by_currency(currency, "ex_coupon_days")
    return {
        "currency": currencies,
        "notional": notional,
        "coupon_rate": np.where(is_zero, 0.0, coupon),
        "issue_date": life.start,
        "maturity_date": life.maturity,
        "frequency": _coded(np.where(is_zero, 2, frequency), frequencies),
        "day_count": _named(_by_currency(currency, "bond_day_count")),
        "stub": _coded(np.where(life.has_stub, random.integers(0, 2, count), -1), ("SHORT_INITIAL", "LONG_INITIAL")),
        "end_of_month": life.month_end,
        "calendar": _named(_by_currency(currency, "calendar")),
        "coupon_amount": _coded(np.where(currency == _CURRENCIES.index("JPY"), 0, -1), ("BY_FREQUENCY",)),
        "ex_coupon_days": ex_coupon_days.astype(np.int32),
        "ex_coupon_calendar": _coded(np.where(ex_coupon_days > 0, 0, -1), ("UK",)),
        "settlement_lag": _by_currency(currency, "settlement_lag").astype(np.int32),
        "sinking_dates": _lists(sinks, [life.anniversary(np.full(count, years)) for years in (3, 2, 1)]),
        "sinking_amounts": _lists(sinks, [quarter, quarter, quarter]),
        "market_clean_price": _sometimes(random, 0.2, np.round(np.clip(price, 20.0, 180.0), 3)),
        "discount_curve": curves,
        "spread_curve": _spread_curves(random, currency, is_corporate),
        "credit_spread": np.where(is_corporate, np.round(random.exponential(0.002, count), 5), 0.0),
    }


def _loans(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = _currencies(random, count)
    life = _lives(random, flaw, as_of, tenors=(3, 5, 5, 7, 10, 15, 20, 30))
    notional = _sizes(random, currency, median_usd=400_000, short_share=0.02)
    repayments = ("LEVEL_PAYMENT", "ANNUITY_TABLE", "LINEAR", "BULLET", "CUSTOM")
    repayment = random.choice(5, count, p=[0.5, 0.1, 0.2, 0.15, 0.05])
    custom = (repayment == 4) & ~life.has_stub & (flaw != _NONSENSE_DATES)
    repayment = np.where((repayment == 4) & ~custom, 3, repayment)
    repays = repayment <= 2  # repayment types that amortise, which may have an interest-only period and a balloon
    interest_only = _months_later(life.start, 12 * np.minimum(random.integers(1, 3, count), life.years - 1), life.month_end)
    share = np.abs(notional) * 0.3
    currencies, curves = _curves(currency, flaw)
    return {
        "currency": currencies,
        "notional": notional,
        "drawn_balance": _sometimes(random, 0.1, np.round(np.abs(notional) * random.uniform(0.1, 0.9, count))),
        "interest_rate": np.round(np.maximum(_by_currency(currency, "rate") + random.uniform(0.01, 0.045, count), 0.001), 4),
        "start_date": life.start,
        "maturity_date": life.maturity,
        "amortisation": _coded(repayment, repayments),
        "frequency": _coded(random.choice(3, count, p=[0.6, 0.3, 0.1]), ("MONTHLY", "QUARTERLY", "SEMIANNUAL")),
        "day_count": _named(_by_currency(currency, "loan_day_count")),
        "stub": _coded(np.where(life.has_stub, random.integers(0, 2, count), -1), ("SHORT_INITIAL", "LONG_INITIAL")),
        "end_of_month": life.month_end,
        "calendar": _named(_by_currency(currency, "calendar")),
        "interest_only_end_date": np.where(repays, _sometimes(random, 0.15, interest_only), np.datetime64("NaT")),
        "balloon_amount": np.where(repays, _sometimes(random, 0.15, np.round(share)), np.nan),
        "principal_dates": _lists(custom, [life.anniversary(np.full(count, years)) for years in (2, 1)]),
        "principal_amounts": _lists(custom, [share, share]),
        "prepayment_rate": _sometimes(random, 0.25, np.round(random.uniform(0.02, 0.15, count), 3)),
        "discount_curve": curves,
        "spread_curve": _spread_curves(random, currency, random.random(count) < 0.8),
        "credit_spread": np.round(random.exponential(0.003, count), 5),
    }


def _forwards(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    first = _currencies(random, count)
    second = (first + random.integers(1, len(_CURRENCIES), count)) % len(_CURRENCIES)
    rank = np.array([_BASE_FIRST.index(name) for name in _CURRENCIES])
    base, quote = np.where(rank[first] < rank[second], first, second), np.where(rank[first] < rank[second], second, first)
    days = np.exp(random.uniform(np.log(5), np.log(730), count)).astype(np.int64)
    days = np.where(random.random(count) < 0.01, 0, days)
    days = np.where(flaw == _MATURED, -random.integers(5, 400, count), days)
    delivery = _weekday(as_of + days)
    trade = _weekday(np.minimum(as_of, delivery) - random.integers(3, 300, count))
    trade = np.where(flaw == _NONSENSE_DATES, delivery + 30, trade)
    carry = (_by_currency(quote, "rate") - _by_currency(base, "rate")) * days / 365
    rate = _by_currency(base, "usd_value") / _by_currency(quote, "usd_value") * np.exp(carry + random.normal(0.0, 0.02, count))
    quote_currencies, quote_curves = _curves(quote, flaw)
    calendars = _by_currency(base, "calendar").astype(object) + "+" + _by_currency(quote, "calendar").astype(object)
    is_deliverable = random.random(count) >= 0.03
    return {
        "base_currency": _coded(base, _CURRENCIES),
        "quote_currency": quote_currencies,
        "notional": _sizes(random, base, median_usd=3_000_000, short_share=0.5),
        "contract_rate": np.round(rate, 5),
        "delivery_date": delivery,
        "trade_date": trade,
        "calendar": _named(calendars),
        "settlement_type": _coded(np.where(is_deliverable, -1, 0), ("NON_DELIVERABLE",)),
        "fixing_rate": np.where(~is_deliverable & (days < 12), np.round(rate, 5), np.nan),  # already fixed, or fixed soon
        "base_discount_curve": _coded(base, tuple(f"{name}-GOVT" for name in _CURRENCIES)),
        "quote_discount_curve": quote_curves,
    }


def _weekday(dates: np.ndarray) -> np.ndarray:
    """The dates, with Saturdays and Sundays moved to the following Monday."""
    return np.busday_offset(dates, 0, roll="forward")


def _named(texts: np.ndarray) -> pa.DictionaryArray:
    """Text from an array of a few repeated values."""
    names, codes = np.unique(texts.astype(str), return_inverse=True)
    return _coded(codes, tuple(names.tolist()))
