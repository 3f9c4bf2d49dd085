"""Contracts of floating-rate, swap and credit products for `benchmarks.kernel`, their market, and the same contracts in QuantLib.

A market has three currencies, each with an overnight curve that discounts, and curves of their own for term indices, for issuers and for
collateral in another currency; hazard curves of twenty entities; and the published fixings of five years. Contracts are seasoned: each
starts on a business day of the last years and matures a whole number of years later; most default swaps mature on standard dates.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers import Curve, CurveKind, Market, Scenarios
from pricers.flows.swap_legs import PREFIXES
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.indices import STANDARD_INDICES
from tests.oracles import quantlib_terms as terms
from tests.oracles.accuracy_cross_currency import FX_CALENDAR
from tests.oracles.quantlib_market import QuantlibMarket

AS_OF: Final = int(np.datetime64("2026-03-16", "D").astype(np.int64))
PILLARS: Final = np.array([7, 30, 91, 182, 273, 365, 730, 1095, 1826, 2557, 3652, 5479, 7305, 10957, 18262], np.int32)
FIXINGS_FROM_DAYS: Final = 2_400
FX: Final = {"EUR": 1.0, "USD": 0.92, "GBP": 1.17}
_TERM: Final = ("EUR-EURIBOR-3M", "EUR-EURIBOR-6M", "USD-TERM-SOFR-3M")
_OVERNIGHT: Final = {"EUR": "EUR-ESTR", "USD": "USD-SOFR", "GBP": "GBP-SONIA"}
_CALENDAR: Final = {"EUR": "TARGET", "USD": "US_GOVT", "GBP": "UK"}
_INDICES: Final = {
    name: replace(STANDARD_INDICES[name], fixing_calendar=_CALENDAR[STANDARD_INDICES[name].currency])
    for name in (*_TERM, *_OVERNIGHT.values())
} | {"EUR-USD": replace(STANDARD_INDICES["EUR-USD-ECB"], name="EUR-USD", fixing_calendar=FX_CALENDAR)}
_ENTITIES: Final = tuple(f"ENTITY-{number:02d}" for number in range(1, 21))
_TENORS: Final = (2, 3, 5, 5, 7, 10, 10, 15, 20, 30)
Row = dict[str, Any]


def random_market(rng: np.random.Generator) -> Market:
    """Curves of `PILLARS`: the overnight and hazard curves with constant forward rates, the others with linear zero rates."""
    labels, curves = tuple(f"{day}D" for day in PILLARS), []
    rates = [(name, currency, "LOG_LINEAR_DISCOUNT") for currency, name in _OVERNIGHT.items()]
    rates += [(name, name[:3], "LINEAR_ZERO") for name in _TERM]
    rates += [(f"{currency}-CORPORATE", currency, "LINEAR_ZERO") for currency in _OVERNIGHT] + [("USD-IN-EUR", "USD", "LINEAR_ZERO")]
    for name, currency, interpolation in rates:
        zero_rates = rng.uniform(0.02, 0.04) + np.cumsum(rng.normal(0.0, 0.0008, PILLARS.size))
        curves.append(Curve(name, CurveKind.RATE, currency, interpolation, labels, PILLARS, zero_rates))  # type: ignore[arg-type]
    for name in _ENTITIES:
        hazards = rng.uniform(0.005, 0.03) * (1.0 + np.arange(PILLARS.size) / 20.0)
        curves.append(Curve(name, CurveKind.HAZARD, "", "LOG_LINEAR_DISCOUNT", labels, PILLARS, hazards))
    series = {}
    for name, index in _INDICES.items():
        calendar = terms.CALENDARS[index.fixing_calendar]
        days = [day for day in range(AS_OF - FIXINGS_FROM_DAYS, AS_OF) if calendar.isBusinessDay(terms.date_of(day))]
        level = 1.0 / FX["USD"] if name == "EUR-USD" else 0.03
        series[name] = FixingSeries(np.array(days, np.int32), level + np.cumsum(rng.normal(0.0, 0.0002, len(days))))
    return Market(AS_OF, "EUR", tuple(curves), FX, Fixings(series, _INDICES))


def random_scenarios(market: Market, count: int, *, rng: np.random.Generator) -> Scenarios:
    """Moves of every pillar of every curve and of every exchange rate."""
    shifts = {}
    for curve in market.curves:
        size = 0.0002 if curve.kind is CurveKind.HAZARD else 0.002
        shifts[curve.name] = rng.normal(0.0, size, (PILLARS.size, count))
    factors = {currency: np.exp(rng.normal(0.0, 0.01, count)) for currency in FX if currency != market.base_currency}
    return Scenarios(count, shifts=shifts, fx_factors=factors)


# ------------------------------------------------------------------------------------------------------------------------ contracts


def _lives(count: int, *, tenors: tuple[int, ...] = _TENORS, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Start and maturity of seasoned contracts: a business day of the last six years, and that day some years later, at most the 28th."""
    tenor = rng.choice(tenors, count)
    age = rng.integers(1, np.minimum(tenor * 365 - 120, FIXINGS_FROM_DAYS - 200))
    start = np.busday_offset((AS_OF - age).astype("datetime64[D]"), 0, roll="backward")
    month = start.astype("datetime64[M]")
    day = np.minimum((start - month).astype(np.int64), 27)
    maturity = (month + 12 * tenor).astype("datetime64[D]") + day
    return list(zip(start.astype(np.int64).tolist(), maturity.astype(np.int64).tolist(), strict=True))


def _schedule(currency: str, frequency: str, day_count: str, *, lag: int = 0) -> Row:
    return {
        "frequency": frequency, "day_count": day_count, "roll_rule": "BACKWARD", "end_of_month": False, "calendar": _CALENDAR[currency],
        "accrual_convention": "MODIFIED_FOLLOWING", "payment_convention": "FOLLOWING", "payment_lag": lag,
    }  # fmt: skip


def _of_leg(prefix: str, leg: Row) -> Row:
    return {prefix + name: value for name, value in leg.items()}


def random_swaps(count: int, *, rng: np.random.Generator) -> list[Row]:
    """Half of the swaps pay EURIBOR or term SOFR, the others an overnight rate; all receive or pay a fixed rate."""
    rows = []
    for start, maturity in _lives(count, rng=rng):
        if rng.random() < 0.5:
            index = _TERM[rng.integers(len(_TERM))]
            currency, lag = index[:3], 0
            floating = {"index": index, **_schedule(currency, "QUARTERLY" if index.endswith("3M") else "SEMIANNUAL", "ACT/360")}
            fixed = _schedule(currency, "ANNUAL" if currency == "EUR" else "SEMIANNUAL", "30E/360" if currency == "EUR" else "ACT/360")
        else:
            currency = list(_OVERNIGHT)[rng.integers(3)]
            index, lag = _OVERNIGHT[currency], {"EUR": 1, "USD": 2, "GBP": 0}[currency]
            fixed = _schedule(currency, "ANNUAL", _INDICES[index].day_count, lag=lag)
            floating = {"index": index, **fixed}
        rows.append({
            "currency": currency, "notional": float(rng.choice([-1.0, 1.0]) * rng.uniform(1e6, 1e8)), "start_date": start,
            "maturity_date": maturity, "discount_curve": _OVERNIGHT[currency], "initial_exchange": False, "intermediate_exchange": False,
            "final_exchange": False, **_of_leg(PREFIXES[0], {"rate": float(rng.uniform(0.01, 0.05)), **fixed}),
            **_of_leg(PREFIXES[1], {"spread": 0.0, "gearing": 1.0, **floating}),
        })  # fmt: skip
    return rows


def random_floating_bonds(count: int, *, rng: np.random.Generator) -> list[Row]:
    """EURIBOR, SOFR paid two days late, and SONIA observed five days before."""
    choices: tuple[Row, ...] = (
        {"index": "EUR-EURIBOR-3M"},
        {"index": "EUR-EURIBOR-6M"},
        {"index": "USD-SOFR"},
        {"index": "GBP-SONIA", "lookback_days": 5, "observation_shift": True},
    )
    rows = []
    for start, maturity in _lives(count, tenors=(2, 3, 5, 5, 7, 10), rng=rng):
        of_index = choices[rng.integers(len(choices))]
        currency = of_index["index"][:3]
        rows.append({
            "currency": currency, "notional": float(rng.uniform(1e5, 1e7)), "issue_date": start, "maturity_date": maturity,
            **_schedule(currency, "SEMIANNUAL" if of_index["index"].endswith("6M") else "QUARTERLY", _INDICES[of_index["index"]].day_count,
                        lag=2 if of_index["index"] == "USD-SOFR" else 0),
            **of_index, "spread": float(rng.uniform(0.001, 0.02)), "ex_coupon_days": 0, "ex_coupon_calendar": "NONE", "settlement_lag": 2,
            "settlement_calendar": _CALENDAR[currency], "redemption": 100.0, "discount_curve": f"{currency}-CORPORATE",
        })  # fmt: skip
    return rows


def random_cross_currency_swaps(count: int, *, rng: np.random.Generator) -> list[Row]:
    """€STR against SOFR, quarterly, on euro collateral; half of them reset the dollar notional."""
    rows = []
    for start, maturity in _lives(count, tenors=(2, 3, 5, 5, 7, 10), rng=rng):
        notional = float(rng.choice([-1.0, 1.0]) * rng.uniform(1e6, 1e8))
        row: Row = {
            "receive_leg_currency": "EUR", "pay_leg_currency": "USD", "notional": notional,
            "pay_leg_notional": abs(notional) * float(rng.uniform(1.0, 1.2)), "start_date": start, "maturity_date": maturity,
            "resetting_leg": "PAY" if rng.random() < 0.5 else "NONE", "receive_leg_discount_curve": "EUR-ESTR",
            "pay_leg_discount_curve": "USD-IN-EUR", "initial_exchange": True, "intermediate_exchange": True, "final_exchange": True,
            "notional_payment_lag": 0, "fx_reset_index": "EUR-USD",
        }  # fmt: skip
        for prefix, currency in zip(PREFIXES, ("EUR", "USD"), strict=True):
            leg = {**_schedule(currency, "QUARTERLY", "ACT/360", lag=2), "calendar": FX_CALENDAR}
            row |= _of_leg(prefix, {"index": _OVERNIGHT[currency], "spread": float(rng.uniform(-0.003, 0.0)), **leg})
        rows.append(row)
    return rows


def random_default_swaps(count: int, *, rng: np.random.Generator) -> list[Row]:
    """Protection on twenty entities, seasoned; four fifths mature on the 20th of June or December, others on any day."""
    rows = []
    for _ in range(count):
        currency = ("EUR", "USD")[rng.integers(2)]
        row: Row = {
            "currency": currency, "notional": float(rng.choice([-1.0, 1.0]) * rng.uniform(1e6, 2e7)), "recovery_rate": 0.4,
            "coupon_rate": float(rng.choice([0.01, 0.05])), "credit_curve": _ENTITIES[rng.integers(len(_ENTITIES))],
            "discount_curve": _OVERNIGHT[currency], "pay_accrual_on_default": True, "calendar": "WEEKENDS_ONLY",
        }  # fmt: skip
        if rng.random() < 0.8:
            row["maturity_date"] = terms.day_of(ql.Date(20, int(rng.choice([6, 12])), 2026 + int(rng.integers(0, 8))))
            row["trade_date"] = AS_OF - int(rng.integers(5, 80))
        else:
            row["start_date"] = AS_OF - int(rng.integers(100, 1_000))
            month = np.datetime64(AS_OF + int(rng.integers(200, 3_600)), "D").astype("datetime64[M]")
            day = int(rng.choice([*range(1, 14), *range(18, 29)]))  # QuantLib leaves a premium of tomorrow out: it values a new swap
            row["maturity_date"] = int((month.astype("datetime64[D]") + day - 1).astype(np.int64))
        rows.append(row)
    return rows


@dataclass(frozen=True)
class ProductBenchmark:
    """How to draw contracts of a product and to build them in QuantLib."""

    draw: Callable[..., list[Row]]
    instrument: Callable[[QuantlibMarket, Row], Any]
    currency: str = "currency"
    """Column with the currency of the instrument's NPV."""
    ignores_sign: bool = False
    """Whether QuantLib's instrument is that of a positive notional."""


PRODUCTS: Final = {
    "INTEREST_RATE_SWAP": ProductBenchmark(random_swaps, QuantlibMarket.swap),
    "FLOATING_RATE_BOND": ProductBenchmark(random_floating_bonds, QuantlibMarket.floating_bond),
    "CROSS_CURRENCY_SWAP": ProductBenchmark(
        random_cross_currency_swaps, QuantlibMarket.cross_currency_swap, currency="receive_leg_currency", ignores_sign=True
    ),
    "CREDIT_DEFAULT_SWAP": ProductBenchmark(random_default_swaps, QuantlibMarket.default_swap),
}  # fmt: skip
