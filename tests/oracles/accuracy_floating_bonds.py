"""FLOATING_RATE_BOND against QuantLib: random contracts over all conventions, value and prices."""

from collections import Counter
from dataclasses import replace
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers import Market, Measure, RowStatus, Valuation, contracts_of, pricer, value_contracts
from pricers.market.indices import IndexKind
from tests.oracles import accuracy_bonds
from tests.oracles import quantlib_terms as terms
from tests.oracles.accuracy_report import Comparison
from tests.oracles.quantlib_floating import (
    INDICES,
    OVERNIGHT_INDICES,
    TERM_INDICES,
    FloatingOracle,
    floating_coupons,
    forecast_curves,
    random_fixings,
)

PRODUCT: Final = "FLOATING_RATE_BOND"
PV_TOLERANCE: Final = 1e-10  # of notional
PRICE_TOLERANCE: Final = 1e-9
CONTRACTS_PER_DATE: Final = 500
EXAMPLES_MAX: Final = 5
_REFUSED: Final = ("lockout", "startdate must be less")
"""What QuantLib's overnight legs alone refuse: a lockout of a whole period, a period that the calendar closes."""
_DATES: Final = ("2024-02-29", "2025-12-31", "2026-03-16", "2026-08-05", "2027-10-29")


def random_market(as_of: int, *, rng: np.random.Generator) -> Market:
    """That of fixed bonds, with a curve and fixings for each index."""
    market = accuracy_bonds.random_market(as_of, rng=rng)
    curves = forecast_curves(market.curves[0], rng=rng)
    return replace(market, curves=(*market.curves, *curves), fixings=random_fixings(as_of, rng=rng))


def random_contract(as_of: int, *, rng: np.random.Generator) -> dict[str, Any]:
    """Terms of one bond: those of a fixed one with an index in place of the coupon."""
    contract = accuracy_bonds.random_contract(as_of, rng=rng)
    del contract["coupon_rate"]
    contract["market_clean_price"] = None
    choose = rng.choice
    contract["spread"] = float(choose([0.0, 0.0125, -0.002]))
    contract["gearing"] = float(choose([1.0, 1.0, 1.0, 0.5, -0.25, 2.0]))
    # Where a period starts before its unadjusted date, its margin is still that of the unadjusted date.
    if rng.random() < 0.25 and contract["accrual_convention"] in ("UNADJUSTED", "FOLLOWING"):
        contract["spread_dates"] = sorted({as_of + int(day) for day in rng.integers(-800, 2_000, 2)})
        contract["spread_values"] = rng.uniform(0.0, 0.03, len(contract["spread_dates"])).tolist()
    if rng.random() < 0.5:
        contract["index"] = str(choose(TERM_INDICES))
        contract["coupon_estimation"] = str(choose(["PAR", "INDEXED"]))
        if rng.random() < 0.2:
            contract["fixing_lag"] = int(rng.integers(0, 6))
        if rng.random() < 0.2:
            _add_resets(contract, rng=rng)
    else:
        contract["index"] = str(choose(OVERNIGHT_INDICES))
        contract["ex_coupon_days"] = 0  # not in QuantLib's OvernightLeg, which also refuses payments before the end of the period
        contract["payment_convention"] = "FOLLOWING"
        if rng.random() < 0.5:
            contract["calendar"] = INDICES[contract["index"]].fixing_calendar
            contract["accrual_convention"] = str(choose(["FOLLOWING", "MODIFIED_FOLLOWING", "PRECEDING"]))
        _add_overnight_terms(contract, rng=rng)
    if rng.random() < 0.2:
        contract["forecast_curve"] = str(choose(["LINEAR", "LOGLINEAR", *INDICES]))
    accuracy_bonds.add_sinking(contract, rng=rng)
    return contract


def _add_resets(contract: dict[str, Any], *, rng: np.random.Generator) -> None:
    """Regular periods, each of several term rates, which QuantLib forecasts over a whole tenor and weighs by the index's day count."""
    for name in ("first_coupon_date", "penultimate_coupon_date", "stub", "interest_start_date", "coupon_dates"):
        contract.pop(name, None)
    months, (index, tenor) = int(rng.choice([3, 6])), (("TERM-1M", 1), ("TERM-3M", 3))[int(rng.integers(2))]
    months = 6 if tenor == 3 else months
    start = terms.date_of(contract["issue_date"])
    start -= max(start.dayOfMonth() - 28, 0)  # a day that all months have
    whole = -(-(contract["maturity_date"] - contract["issue_date"]) // (30 * months))
    contract |= {
        "issue_date": terms.day_of(start), "maturity_date": terms.day_of(start + ql.Period(whole * months, ql.Months)), "index": index,
        "frequency": "QUARTERLY" if months == 3 else "SEMIANNUAL", "rate_method": "SUBPERIOD_COMPOUNDED", "coupon_estimation": "INDEXED",
        "accrual_convention": "UNADJUSTED", "payment_convention": "FOLLOWING", "end_of_month": False, "ex_coupon_days": 0,
        "roll_rule": "BACKWARD", "day_count": INDICES[index].day_count,
    }  # fmt: skip
    if rng.random() < 0.5:
        contract["spread_compounding"], contract["gearing"] = "COMPOUNDED", 1.0


def _add_overnight_terms(contract: dict[str, Any], *, rng: np.random.Generator) -> None:
    """Lookback, lockout, averaging or a compounded margin, alone or together as QuantLib has them."""
    if rng.random() < 0.5:
        contract["lookback_days"], contract["observation_shift"] = int(rng.integers(1, 8)), bool(rng.random() < 0.5)
    if rng.random() < 0.2 and contract["frequency"] not in ("DAILY", "WEEKLY"):
        contract["lockout_days"] = int(rng.integers(1, 5))
    # Where rates telescope, QuantLib leaves a compounded margin out.
    is_daily = contract.get("lookback_days") and not contract["observation_shift"]
    if is_daily and rng.random() < 0.5:
        contract["spread_compounding"], contract["gearing"] = "COMPOUNDED", 1.0
    elif rng.random() < 0.2:
        contract["rate_method"] = "AVERAGED"
        contract["day_count"] = INDICES[contract["index"]].day_count  # QuantLib divides by the years of the coupon, not of the index
        for name in ("lookback_days", "lockout_days", "observation_shift"):
            contract.pop(name, None)


def quantlib_leg(contract: dict[str, Any], *, oracle: FloatingOracle, market: Market) -> list[Any]:
    """The bond's flows in QuantLib. Raises RuntimeError if QuantLib refuses it."""
    schedule = accuracy_bonds.quantlib_schedule(contract)
    name = contract["index"]
    index = oracle.index(name, contract.get("forecast_curve", market.fixings.indices[name].forecast_curve), market)
    day_count = contract["day_count"]
    counter = terms.day_counter(day_count, maturity=contract["maturity_date"], calendar=contract["calendar"], schedule=schedule)
    amounts = dict(zip(contract.get("sinking_dates", ()), contract.get("sinking_amounts", ()), strict=True))
    notionals, dates = [abs(contract["notional"])], list(schedule.dates())
    for date in dates[1:-1]:
        notionals.append(notionals[-1] - amounts.get(terms.day_of(date), 0.0))
    coupons = list(floating_coupons(contract, schedule=schedule, nominals=notionals, index=index, counter=counter))
    flows: list[Any] = []
    for number, coupon in enumerate(coupons):
        flows.append(coupon)
        repaid = notionals[number] - notionals[number + 1] if number + 1 < len(notionals) else 0.0
        if repaid:
            flows.append(ql.AmortizingPayment(repaid, coupon.date()))
    return [*flows, ql.Redemption(notionals[-1] * contract["redemption"] / 100.0, coupons[-1].date())]


def compare(contracts: int, *, seed: int) -> Comparison:
    """Value random bonds here and in QuantLib and tell where they differ."""
    rng = np.random.default_rng(seed)
    found = _Found()
    for batch in range(-(-contracts // CONTRACTS_PER_DATE)):
        as_of = int(np.datetime64(_DATES[batch % len(_DATES)], "D").astype(np.int64))
        market = random_market(as_of, rng=rng)
        rows = [random_contract(as_of, rng=rng) for _ in range(min(CONTRACTS_PER_DATE, contracts - batch * CONTRACTS_PER_DATE))]
        for row in rows:
            if row["day_count"] == "ACT/ACT ICMA" and not _is_regular(row):  # stubs are measured as those of fixed bonds are
                row["day_count"] = "ACT/ACT ISDA"
        _compare_batch(rows, market=market, found=found)
    ql.IndexManager.instance().clearHistories()
    ql.Settings.instance().evaluationDate = ql.Date()
    details = {
        "compared": dict(found.compared),
        "largest_differences": found.largest,
        "examples": found.examples,
        "failures_of_quantlib": dict(found.failures),
    }
    return Comparison(found.contracts, found.largest.get("pv", 0.0), found.mismatches, details)


def _is_regular(contract: dict[str, Any]) -> bool:
    try:
        return all(accuracy_bonds.quantlib_schedule(contract).isRegular())
    except RuntimeError:
        return True  # refused by both


class _Found:
    """What the comparison has found so far."""

    def __init__(self) -> None:
        self.contracts = self.mismatches = 0
        self.largest: dict[str, float] = {}
        self.compared: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()
        self.examples: list[dict[str, Any]] = []

    def add(self, contract: dict[str, Any], differences: dict[str, float]) -> None:
        self.contracts += 1
        self.compared.update([*differences, contract["index"], contract.get("coupon_estimation", "-"), contract["frequency"]])
        names = ("observation_shift", "lookback_days", "lockout_days", "spread_compounding", "rate_method", "spread_dates", "sinking_dates")
        self.compared.update(name for name in names if contract.get(name))
        self.compared.update([contract.get("rate_method", "-")])
        for name, difference in differences.items():
            self.largest[name] = max(self.largest.get(name, 0.0), difference)
        limits = {"status": 0.0, "pv": PV_TOLERANCE}
        wrong = {name: size for name, size in differences.items() if not size <= limits.get(name, PRICE_TOLERANCE)}
        self.mismatches += bool(wrong)
        if wrong and len(self.examples) < EXAMPLES_MAX:
            self.examples.append({"differences": wrong, "contract": contract})


def _compare_batch(rows: list[dict[str, Any]], *, market: Market, found: _Found) -> None:
    oracle = FloatingOracle(market)
    valuation = value_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, rows), market=market)
    for row, contract in enumerate(rows):
        try:
            leg = quantlib_leg(contract, oracle=oracle, market=market)
        except RuntimeError as error:
            if any(part in str(error).lower() for part in _REFUSED):
                found.failures.update([str(error)])
                continue
            found.add(contract, {"status": float(valuation.status[row] in (RowStatus.OK, RowStatus.MATURED))})
            continue
        try:
            sum(flow.amount() for flow in leg)
        except RuntimeError as error:  # a rate over no days, where a day count has none
            found.failures.update([str(error)])
            continue
        found.add(contract, _differences(contract, leg, row=row, valuation=valuation, oracle=oracle, market=market))


def _differences(
    contract: dict[str, Any], leg: list[Any], *, row: int, valuation: Valuation, oracle: FloatingOracle, market: Market
) -> dict[str, float]:
    as_of, status = terms.date_of(market.as_of), RowStatus(int(valuation.status[row]))
    if leg[-1].date() <= as_of:
        return {"status": float(status is not RowStatus.MATURED)}
    if status is not RowStatus.OK:
        return {"status": float(status)}
    spread_curve = market.curves[market.curve_index[contract["spread_curve"]]] if contract["spread_curve"] else None
    structure = terms.with_spreads(
        oracle.curves[contract["discount_curve"]], spread_curve=spread_curve, credit_spread=contract["credit_spread"], as_of=market.as_of
    )
    sign, notional = np.sign(contract["notional"]), abs(contract["notional"])
    expected = sign * ql.CashFlows.npv(leg, ql.YieldTermStructureHandle(structure), False, as_of, as_of)
    result = {"status": 0.0, "pv": abs(expected - valuation.values[Measure.PV][row]) / notional}
    settlement = terms.CALENDARS[contract["settlement_calendar"]].advance(as_of, contract["settlement_lag"], ql.Days)
    settlement = max(settlement, terms.date_of(contract["issue_date"]))
    if not any(flow.date() > settlement for flow in leg):
        return result
    value = ql.CashFlows.npv(leg, ql.YieldTermStructureHandle(structure), False, settlement, settlement)
    balance = _balance(leg, settlement)
    result["dirty_price"] = abs(100.0 * value / balance - valuation.values[Measure.DIRTY_PRICE][row]) / 100.0
    running = next((coupon for flow in leg if (coupon := ql.as_coupon(flow)) is not None and flow.date() > settlement), None)
    if running is not None and _is_fixed(contract, running, settlement, market):
        accrued = 100.0 * ql.CashFlows.accruedAmount(leg, False, settlement) / balance
        result["accrued_interest"] = abs(accrued - valuation.values[Measure.ACCRUED_INTEREST][row])
    return result


def _balance(leg: list[Any], settlement: Any) -> float:
    coupons = [coupon for flow in leg if (coupon := ql.as_coupon(flow)) is not None]
    return float(next(coupon.nominal() for coupon in coupons if coupon.date() > settlement))


def _is_fixed(contract: dict[str, Any], coupon: Any, settlement: Any, market: Market) -> bool:
    """Whether what accrues until settlement is fixed and counts as in QuantLib: compounded term rates accrue at the rate of the period."""
    if INDICES[contract["index"]].kind is IndexKind.OVERNIGHT:
        return bool(settlement <= terms.date_of(market.as_of)) and not contract.get("lockout_days")
    floating = ql.as_floating_rate_coupon(coupon)
    days = market.fixings.series[floating.index().familyName()].days
    return contract.get("rate_method") != "SUBPERIOD_COMPOUNDED" and terms.day_of(floating.fixingDate()) in days
