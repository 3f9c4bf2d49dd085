"""Generates a seeded portfolio of any size with realistic conventions, for the demo, benchmarks and tests: a million positions a second.

By default half of the positions are fixed-rate bonds, a fifth amortising loans, the rest FX forwards; six currencies, 40 books, 500
counterparties (the largest has about a tenth of all positions). Sizes are log-normal. Dates, frequencies, day counts, calendars and
settlement lags follow each currency's market. Bonds: two fifths are governments, the others carry a rating's spread curve; some have
stubs, month-end dates, sinking funds, ex-coupon periods (GBP), zero coupons, a quoted price. Loans: all repayment types, interest-only
periods, balloons, prepayment, drawn balances. Forwards: pairs in market order, deliverable or not, one in a hundred delivering on the
valuation date.

Curves are named as in the demo's market: EUR-GOVT, EUR-CORP-BBB. `broken_fraction` of the rows are well-formed but cannot be priced, for
four reasons in turn: a curve that does not exist, a matured contract, dates out of order, a currency without an exchange rate (AUD).
"""

from collections.abc import Mapping
from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from riskray.portfolio import generated_cash, generated_credit, generated_floating, generated_inflation, generated_rates, generated_swaps
from riskray.portfolio.generated_terms import (
    BASE_FIRST,
    CURRENCIES,
    MATURED,
    NONSENSE_DATES,
    SOUND,
    Fields,
    Maker,
    by_currency,
    coded,
    currencies,
    curves,
    lists,
    lives,
    months_later,
    named,
    sizes,
    sometimes,
    spread_curves,
    weekday,
)  # fmt: skip
from riskray.portfolio.schema import arrow_schema, arrow_type, stored_columns

SHARES: Final[Mapping[str, float]] = {"AMORT_LOAN": 0.2, "FIXED_BOND": 0.5, "FX_FWD": 0.3}
"""Fixed-rate bonds, loans and FX forwards: the mix that benchmarks have always had."""
MIXED: Final[Mapping[str, float]] = {
    "AMORT_LOAN": 0.15, "BOND_FUTURE": 0.005, "CREDIT_DEFAULT_SWAP": 0.01, "CROSS_CURRENCY_SWAP": 0.015, "EQUITY_POSITION": 0.04,
    "FIXED_BOND": 0.16, "FLOATING_LOAN": 0.08, "FLOATING_RATE_BOND": 0.07, "FRA": 0.01, "FUND_POSITION": 0.01, "FX_FWD": 0.12,
    "FX_SWAP": 0.04, "INFLATION_LINKED_BOND": 0.015, "INFLATION_SWAP": 0.005, "INTEREST_RATE_SWAP": 0.08, "MONEY_MARKET": 0.055,
    "NON_MATURITY_DEPOSIT": 0.02, "RATE_FUTURE": 0.005, "REPO": 0.04, "REVOLVING_CREDIT": 0.07,
}  # fmt: skip
"""The positions of a bank with a treasury, a credit book and a trading desk, in about the numbers that such a bank has of each."""
BOOKS: Final[Mapping[str, Mapping[str, float]]] = {"core": SHARES, "mixed": MIXED}
"""Mixes of products by name."""
_BOOKS: Final = {
    **generated_cash.BOOKS,
    **generated_credit.BOOKS,
    **generated_floating.BOOKS,
    **generated_inflation.BOOKS,
    **generated_rates.BOOKS,
    **generated_swaps.BOOKS,
    "AMORT_LOAN": tuple(f"LOAN-{i:02d}" for i in range(1, 11)),
    "FIXED_BOND": tuple(f"BOND-{i:02d}" for i in range(1, 19)),
    "FX_FWD": tuple(f"FX-{i:02d}" for i in range(1, 13)),
}
_COUNTERPARTIES: Final = tuple(f"CP-{i:03d}" for i in range(1, 501))


def generate_portfolio(
    positions: int, *, seed: int = 1, as_of: date, broken_fraction: float = 0.005, shares: Mapping[str, float] = SHARES
) -> dict[str, pa.Table]:
    """Tables by product as `read_portfolio` gives them, ready for `prepare_portfolio`.

    Args:
        positions: total number; products without a position are left out.
        seed: equal seeds give equal portfolios.
        as_of: valuation date on which the contracts are live.
        broken_fraction: share of rows that cannot be priced.
        shares: the mix of products, all of `GENERATED_PRODUCTS`; shares add up to 1.
    Raises:
        ValueError: fewer than one position, a fraction outside [0, 1], or a product that has no generator.
    """
    if positions < 1 or not 0.0 <= broken_fraction <= 1.0:
        raise ValueError(f"positions must be at least 1 and broken_fraction within [0, 1], not {positions} and {broken_fraction}")
    if unknown := sorted(set(shares) - set(_MAKERS)):
        raise ValueError(f"no generator for product {unknown[0]!r}; there is one for {', '.join(GENERATED_PRODUCTS)}")
    random = np.random.default_rng(seed)
    product_of_row = random.choice(len(shares), positions, p=list(shares.values()))
    flaw = np.full(positions, SOUND)
    broken = random.permutation(positions)[: round(positions * broken_fraction)]
    flaw[broken] = np.arange(len(broken)) % 4
    tables = {}
    for number, product in enumerate(shares):
        rows = np.flatnonzero(product_of_row == number)
        if len(rows):
            fields = _common(random, product, rows) | _MAKERS[product](random, flaw[rows], np.datetime64(as_of, "D"))
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
        "book": coded(random.integers(0, len(_BOOKS[product]), len(rows)), _BOOKS[product]),
        "counterparty": coded(random.choice(len(_COUNTERPARTIES), len(rows), p=popularity / popularity.sum()), _COUNTERPARTIES),
    }


def _bonds(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = currencies(random, count)
    life = lives(random, flaw, as_of, tenors=(2, 3, 5, 5, 7, 10, 10, 15, 20, 30))
    notional = sizes(random, currency, median_usd=2_000_000, short_share=0.1)
    is_corporate = random.random(count) < 0.6
    is_zero = random.random(count) < 0.05
    level = by_currency(currency, "rate") + np.where(is_corporate, 0.012, 0.0)
    coupon = np.maximum(np.round(random.normal(level, 0.01) / 0.00125), 1.0) * 0.00125
    frequencies = ("ANNUAL", "SEMIANNUAL", "ONCE")
    frequency = np.where(by_currency(currency, "bond_frequency") == "ANNUAL", 0, 1)
    sinks = ~is_zero & ~life.has_stub & (life.years >= 7) & (flaw != NONSENSE_DATES) & (random.random(count) < 0.05)
    quarter = np.abs(notional) / 4
    years_left = np.maximum((life.maturity - as_of).astype(np.int64) / 365.25, 0.0)
    price = np.where(is_zero, 100.0 * np.exp(-level * years_left), 100.0 + 100.0 * (coupon - level) * np.minimum(years_left, 8.0))
    price += random.normal(0.0, 0.5, count) * np.minimum(years_left, 8.0)
    named_currency, curve = curves(currency, flaw)
    ex_coupon_days = by_currency(currency, "ex_coupon_days")
    return {
        "currency": named_currency,
        "notional": notional,
        "coupon_rate": np.where(is_zero, 0.0, coupon),
        "issue_date": life.start,
        "maturity_date": life.maturity,
        "frequency": coded(np.where(is_zero, 2, frequency), frequencies),
        "day_count": named(by_currency(currency, "bond_day_count")),
        "stub": coded(np.where(life.has_stub, random.integers(0, 2, count), -1), ("SHORT_INITIAL", "LONG_INITIAL")),
        "end_of_month": life.month_end,
        "calendar": named(by_currency(currency, "calendar")),
        "coupon_amount": coded(np.where(currency == CURRENCIES.index("JPY"), 0, -1), ("BY_FREQUENCY",)),
        "ex_coupon_days": ex_coupon_days.astype(np.int32),
        "ex_coupon_calendar": coded(np.where(ex_coupon_days > 0, 0, -1), ("UK",)),
        "settlement_lag": by_currency(currency, "settlement_lag").astype(np.int32),
        "sinking_dates": lists(sinks, [life.anniversary(np.full(count, years)) for years in (3, 2, 1)]),
        "sinking_amounts": lists(sinks, [quarter, quarter, quarter]),
        "market_clean_price": sometimes(random, 0.2, np.round(np.clip(price, 20.0, 180.0), 3)),
        "discount_curve": curve,
        "spread_curve": spread_curves(random, currency, is_corporate),
        "credit_spread": np.where(is_corporate, np.round(random.exponential(0.002, count), 5), 0.0),
    }


def _loans(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    currency = currencies(random, count)
    life = lives(random, flaw, as_of, tenors=(3, 5, 5, 7, 10, 15, 20, 30))
    notional = sizes(random, currency, median_usd=400_000, short_share=0.02)
    repayments = ("LEVEL_PAYMENT", "ANNUITY_TABLE", "LINEAR", "BULLET", "CUSTOM")
    repayment = random.choice(5, count, p=[0.5, 0.1, 0.2, 0.15, 0.05])
    custom = (repayment == 4) & ~life.has_stub & (flaw != NONSENSE_DATES)
    repayment = np.where((repayment == 4) & ~custom, 3, repayment)
    repays = repayment <= 2  # repayment types that amortise, which may have an interest-only period and a balloon
    interest_only = months_later(life.start, 12 * np.minimum(random.integers(1, 3, count), life.years - 1), life.month_end)
    share = np.abs(notional) * 0.3
    named_currency, curve = curves(currency, flaw)
    return {
        "currency": named_currency,
        "notional": notional,
        "drawn_balance": sometimes(random, 0.1, np.round(np.abs(notional) * random.uniform(0.1, 0.9, count))),
        "interest_rate": np.round(np.maximum(by_currency(currency, "rate") + random.uniform(0.01, 0.045, count), 0.001), 4),
        "start_date": life.start,
        "maturity_date": life.maturity,
        "amortisation": coded(repayment, repayments),
        "frequency": coded(random.choice(3, count, p=[0.6, 0.3, 0.1]), ("MONTHLY", "QUARTERLY", "SEMIANNUAL")),
        "day_count": named(by_currency(currency, "loan_day_count")),
        "stub": coded(np.where(life.has_stub, random.integers(0, 2, count), -1), ("SHORT_INITIAL", "LONG_INITIAL")),
        "end_of_month": life.month_end,
        "calendar": named(by_currency(currency, "calendar")),
        "interest_only_end_date": np.where(repays, sometimes(random, 0.15, interest_only), np.datetime64("NaT")),
        "balloon_amount": np.where(repays, sometimes(random, 0.15, np.round(share)), np.nan),
        "principal_dates": lists(custom, [life.anniversary(np.full(count, years)) for years in (2, 1)]),
        "principal_amounts": lists(custom, [share, share]),
        "prepayment_rate": sometimes(random, 0.25, np.round(random.uniform(0.02, 0.15, count), 3)),
        "discount_curve": curve,
        "spread_curve": spread_curves(random, currency, random.random(count) < 0.8),
        "credit_spread": np.round(random.exponential(0.003, count), 5),
    }


def _forwards(random: np.random.Generator, flaw: np.ndarray, as_of: np.datetime64) -> Fields:
    count = len(flaw)
    first = currencies(random, count)
    second = (first + random.integers(1, len(CURRENCIES), count)) % len(CURRENCIES)
    rank = np.array([BASE_FIRST.index(name) for name in CURRENCIES])
    base, quote = np.where(rank[first] < rank[second], first, second), np.where(rank[first] < rank[second], second, first)
    days = np.exp(random.uniform(np.log(5), np.log(730), count)).astype(np.int64)
    days = np.where(random.random(count) < 0.01, 0, days)
    days = np.where(flaw == MATURED, -random.integers(5, 400, count), days)
    delivery = weekday(as_of + days)
    trade = weekday(np.minimum(as_of, delivery) - random.integers(3, 300, count))
    trade = np.where(flaw == NONSENSE_DATES, delivery + 30, trade)
    carry = (by_currency(quote, "rate") - by_currency(base, "rate")) * days / 365
    rate = by_currency(base, "usd_value") / by_currency(quote, "usd_value") * np.exp(carry + random.normal(0.0, 0.02, count))
    quote_currencies, quote_curves = curves(quote, flaw)
    calendars = by_currency(base, "calendar").astype(object) + "+" + by_currency(quote, "calendar").astype(object)
    is_deliverable = random.random(count) >= 0.03
    return {
        "base_currency": coded(base, CURRENCIES),
        "quote_currency": quote_currencies,
        "notional": sizes(random, base, median_usd=3_000_000, short_share=0.5),
        "contract_rate": np.round(rate, 5),
        "delivery_date": delivery,
        "trade_date": trade,
        "calendar": named(calendars),
        "settlement_type": coded(np.where(is_deliverable, -1, 0), ("NON_DELIVERABLE",)),
        "fixing_rate": np.where(~is_deliverable & (days < 12), np.round(rate, 5), np.nan),  # already fixed, or fixed soon
        "base_discount_curve": coded(base, tuple(f"{name}-GOVT" for name in CURRENCIES)),
        "quote_discount_curve": quote_curves,
    }


_MAKERS: Final[Mapping[str, Maker]] = {
    "AMORT_LOAN": _loans,
    "FIXED_BOND": _bonds,
    "FX_FWD": _forwards,
    **generated_cash.MAKERS,
    **generated_credit.MAKERS,
    **generated_floating.MAKERS,
    **generated_inflation.MAKERS,
    **generated_rates.MAKERS,
    **generated_swaps.MAKERS,
}
GENERATED_PRODUCTS: Final = tuple(sorted(_MAKERS))
"""Products that `generate_portfolio` makes."""
