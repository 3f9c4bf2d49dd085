"""FRA and RATE_FUTURE against QuantLib's ForwardRateAgreement, OvernightIndexFuture and forward rates."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers import Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.indices import IndexKind
from tests.oracles import quantlib_terms as terms
from tests.oracles.accuracy_floating_bonds import random_market
from tests.oracles.accuracy_report import Comparison
from tests.oracles.accuracy_swaps import Tally
from tests.oracles.quantlib_floating import INDICES, OVERNIGHT_INDICES, TERM_INDICES, FloatingOracle

CONTRACTS_PER_DATE: Final = 500
_DATES: Final = ("2025-12-31", "2026-03-16", "2026-08-05", "2027-10-29")


def _open_day(day: int, name: str) -> int:
    """The day or the next on which the index is published."""
    return terms.day_of(terms.CALENDARS[INDICES[name].fixing_calendar].adjust(terms.date_of(day), ql.Following))


def random_fra(as_of: int, *, rng: np.random.Generator) -> dict[str, Any]:
    """Terms of one contract, some of them fixed, some matured."""
    name = str(rng.choice(TERM_INDICES))
    start = _open_day(as_of + int(rng.integers(-60, 900)), name)
    contract: dict[str, Any] = {
        "currency": "EUR", "notional": float(rng.choice([-1.0, 1.0]) * rng.uniform(1e4, 1e8)),
        "fixed_rate": float(rng.uniform(-0.01, 0.06)), "index": name,
        "start_date": start, "settlement": str(rng.choice(["AT_START_DISCOUNTED", "AT_END"])),
        "discount_curve": str(rng.choice(["LINEAR", "LOGLINEAR"])),
    }  # fmt: skip
    if rng.random() < 0.5:
        contract["maturity_date"] = _open_day(start + int(rng.integers(20, 400)), name)
    if rng.random() < 0.1:
        contract["first_fixing"] = float(rng.uniform(-0.01, 0.06))
    return contract


def fra_value(contract: dict[str, Any], *, oracle: FloatingOracle, market: Market) -> float | None:
    """QuantLib's value, or None of a contract that has matured."""
    name, notional, strike = contract["index"], abs(contract["notional"]), contract["fixed_rate"]
    index, start, today = oracle.index(name, name, market), terms.date_of(contract["start_date"]), terms.date_of(market.as_of)
    end = terms.date_of(contract["maturity_date"]) if "maturity_date" in contract else index.maturityDate(start)
    at_end = contract["settlement"] == "AT_END"
    if (end if at_end else start) <= today:
        return None
    discount = oracle.curves[contract["discount_curve"]]
    years = index.dayCounter().yearFraction(start, end)
    fixing_date = index.fixingDate(start)
    published = market.fixings.values_on(name, np.array([terms.day_of(fixing_date)]))[0] if fixing_date <= today else np.nan
    known = contract.get("first_fixing", published)
    if np.isfinite(known):
        rate = float(known)
    elif at_end:
        rate = float(oracle.curves[name].forwardRate(start, end, index.dayCounter(), ql.Simple).rate())
    else:
        position = ql.Position.Long if contract["notional"] > 0.0 else ql.Position.Short
        fra = ql.ForwardRateAgreement(index, start, end, position, strike, notional, ql.YieldTermStructureHandle(discount))
        return float(fra.NPV())
    paid = years * (rate - strike) * (discount.discount(end) if at_end else discount.discount(start) / (1.0 + years * rate))
    return float(contract["notional"] * paid)


def random_future(as_of: int, *, rng: np.random.Generator) -> dict[str, Any]:
    """Terms of one future on three months or one, on a term rate, compounded or averaged overnight rates, many in their period."""
    is_term = rng.random() < 0.3
    name = str(rng.choice(["TERM-3M", "TERM-6M", "TERM-1M"] if is_term else OVERNIGHT_INDICES))
    start = _open_day(as_of + int(rng.integers(-80, 1_000)), name)
    if start == as_of:  # QuantLib forecasts the rate of this day, whether it is published or not
        start = _open_day(as_of + 1, name)
    contract: dict[str, Any] = {
        "contracts": float(rng.integers(1, 500) * rng.choice([-1, 1])), "point_value": float(rng.choice([2_500.0, 4_167.0, 1_250.0])),
        "currency": "EUR", "index": name, "start_date": start, "trade_price": float(rng.uniform(94.0, 101.0)),
        "convexity_adjustment": float(rng.choice([0.0, rng.uniform(0.0, 0.001)])),
    }  # fmt: skip
    if not is_term:
        contract["rate_method"] = str(rng.choice(["COMPOUNDED", "AVERAGED"]))
        if rng.random() < 0.7:
            contract["end_date"] = _open_day(start + int(rng.choice([30, 91])), name)
    return contract


def future_value(contract: dict[str, Any], *, oracle: FloatingOracle, market: Market) -> float | None:
    """Value by QuantLib's future on overnight rates, by its index on term rates; None of a future that has ended."""
    name, today = contract["index"], terms.date_of(market.as_of)
    index, start = oracle.index(name, name, market), terms.date_of(contract["start_date"])
    if INDICES[name].kind is IndexKind.TERM:
        if index.fixingDate(start) < today:
            return None
        rate = index.fixing(index.fixingDate(start))
        price = 100.0 - 100.0 * (rate + contract["convexity_adjustment"])
    else:
        month = start + ql.Period(3, ql.Months)
        end = (
            terms.date_of(contract["end_date"])
            if "end_date" in contract
            else ql.Date.nthWeekday(3, ql.Wednesday, month.month(), month.year())
        )
        if end <= today:
            return None
        averaging = ql.RateAveraging.Simple if contract["rate_method"] == "AVERAGED" else ql.RateAveraging.Compound
        adjustment = ql.QuoteHandle(ql.SimpleQuote(contract["convexity_adjustment"]))
        price = ql.OvernightIndexFuture(index, start, end, adjustment, averaging).NPV()
    return float(contract["contracts"] * contract["point_value"] * (price - contract["trade_price"]))


def compare(contracts: int, *, seed: int) -> Comparison:
    """Value random forward rate agreements here and in QuantLib."""
    return _compare("FRA", random_fra, fra_value, lambda row: abs(row["notional"]), contracts, seed)


def compare_futures(contracts: int, *, seed: int) -> Comparison:
    """Value random rate futures here and in QuantLib."""
    return _compare(
        "RATE_FUTURE", random_future, future_value, lambda row: abs(row["contracts"] * row["point_value"]) * 100.0, contracts, seed
    )


def _compare(
    product: str,
    random_contract: Callable[..., dict[str, Any]],
    value: Callable[..., float | None],
    scale: Callable[[dict[str, Any]], float],
    contracts: int,
    seed: int,
) -> Comparison:
    rng, tally = np.random.default_rng(seed), Tally()
    for batch in range(-(-contracts // CONTRACTS_PER_DATE)):
        as_of = int(np.datetime64(_DATES[batch % len(_DATES)], "D").astype(np.int64))
        market = random_market(as_of, rng=rng)
        rows = [random_contract(as_of, rng=rng) for _ in range(min(CONTRACTS_PER_DATE, contracts - batch * CONTRACTS_PER_DATE))]
        oracle = FloatingOracle(market)
        valuation = value_contracts(product, contracts_of(pricer(product).columns, rows), market=market)
        for row, contract in enumerate(rows):
            status, pv = RowStatus(int(valuation.status[row])), float(valuation.values[Measure.PV][row])
            expected = value(contract, oracle=oracle, market=market)
            difference = abs(pv - expected) / scale(contract) if expected is not None and status is RowStatus.OK else 0.0
            tally.add(contract, status, RowStatus.MATURED if expected is None else RowStatus.OK, difference)
    ql.IndexManager.instance().clearHistories()
    ql.Settings.instance().evaluationDate = ql.Date()
    return tally.comparison()
