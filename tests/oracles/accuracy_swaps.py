"""INTEREST_RATE_SWAP against QuantLib: two random legs each, or the terms of a named convention in QuantLib's own swap classes."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers import Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.flows.swap_legs import PREFIXES
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS
from pricers.time.day_count import DAY_COUNTS
from tests.oracles import accuracy_bonds
from tests.oracles import quantlib_terms as terms
from tests.oracles.accuracy_floating_bonds import random_market
from tests.oracles.accuracy_report import Comparison
from tests.oracles.quantlib_floating import OVERNIGHT_INDICES, TERM_INDICES, FloatingOracle
from tests.oracles.quantlib_swaps import leg_terms, quantlib_coupons, quantlib_exchanges

PRODUCT: Final = "INTEREST_RATE_SWAP"
PV_TOLERANCE: Final = 1e-10  # of notional
CONTRACTS_PER_DATE: Final = 500
EXAMPLES_MAX: Final = 5
REFUSED: Final = ("lockout", "startdate must be less")
"""What QuantLib's overnight legs alone refuse: a lockout of a whole period, a period that the calendar closes."""
_DATES: Final = ("2024-02-29", "2025-12-31", "2026-03-16", "2026-08-05", "2027-10-29")
_FREQUENCIES: Final = {"ONCE": 0.1, "ANNUAL": 0.3, "SEMIANNUAL": 0.25, "QUARTERLY": 0.25, "MONTHLY": 0.07, "EVERY_FOUR_WEEKS": 0.03}


def random_swap(as_of: int, *, rng: np.random.Generator) -> dict[str, Any]:
    """Terms of one swap, alive or just matured, seasoned or forward-starting, its legs fixed, term or overnight."""
    choose = rng.choice
    start = as_of - int(rng.integers(-400, 3_000))
    maturity = max(start + int(rng.integers(60, 8_000)), as_of + int(rng.integers(-20, 400)))
    has_exchanges = rng.random() < 0.2
    contract: dict[str, Any] = {
        "currency": "EUR",
        "notional": float(choose([-1.0, 1.0]) * rng.uniform(1e4, 1e8)),
        "start_date": start,
        "maturity_date": maturity,
        "discount_curve": str(choose(["LINEAR", "LOGLINEAR", *OVERNIGHT_INDICES])),
        "initial_exchange": has_exchanges and bool(rng.random() < 0.8),
        "intermediate_exchange": has_exchanges and bool(rng.random() < 0.8),
        "final_exchange": has_exchanges and bool(rng.random() < 0.8),
    }
    if rng.random() < 0.2:
        contract["upfront_amount"], contract["upfront_date"] = float(rng.normal(0.0, 1e5)), as_of + int(rng.integers(-20, 400))
    kinds = choose(["fixed", "term", "overnight"], 2, p=[0.35, 0.35, 0.3])
    for prefix, kind in zip(PREFIXES, kinds.tolist(), strict=True):
        leg = random_leg(contract, kind, notional=abs(contract["notional"]), rng=rng)
        contract |= {prefix + name: value for name, value in leg.items()}
    return contract


def random_leg(
    contract: dict[str, Any],
    kind: str,
    *,
    notional: float,
    rng: np.random.Generator,
    term_indices: tuple[str, ...] = TERM_INDICES,
    overnight_indices: tuple[str, ...] = OVERNIGHT_INDICES,
) -> dict[str, Any]:
    """Terms of a leg, "fixed", "term" or "overnight", without prefix."""
    choose = rng.choice
    frequency = str(choose(list(_FREQUENCIES), p=list(_FREQUENCIES.values())))
    leg: dict[str, Any] = {
        "frequency": frequency,
        "day_count": str(choose([name for name in DAY_COUNTS if name != "ACT/ACT ICMA"])),
        "roll_rule": "ZERO" if frequency == "ONCE" else str(choose(["BACKWARD", "FORWARD"])),
        "end_of_month": bool(rng.random() < 0.3),
        "calendar": str(choose(list(terms.CALENDARS))),
        "accrual_convention": str(choose(["UNADJUSTED", *BUSINESS_DAY_CONVENTIONS])),
        "payment_convention": str(choose(BUSINESS_DAY_CONVENTIONS)) if kind != "overnight" else "FOLLOWING",
        "payment_lag": int(choose([0, 0, 1, 2, 5])),
    }
    life = contract["maturity_date"] - contract["start_date"]
    if frequency in ("ANNUAL", "SEMIANNUAL", "QUARTERLY") and rng.random() < 0.3 and life > 900:
        name, day = (
            ("first_coupon_date", contract["start_date"] + int(rng.integers(10, 400)))
            if rng.random() < 0.6
            else ("penultimate_coupon_date", contract["maturity_date"] - int(rng.integers(10, 400)))
        )
        leg[name] = day
    if kind == "fixed":
        leg["rate"] = float(rng.uniform(-0.005, 0.06))
    else:
        leg["spread"] = float(choose([0.0, 0.0015, -0.002]))
        leg["gearing"] = float(choose([1.0, 1.0, 1.0, 0.5, -0.25]))
        if rng.random() < 0.2 and leg["accrual_convention"] in ("UNADJUSTED", "FOLLOWING"):
            leg["spread_dates"] = sorted({contract["start_date"] + int(day) for day in rng.integers(10, life, 2)})
            leg["spread_values"] = rng.uniform(0.0, 0.01, len(leg["spread_dates"])).tolist()
    if kind == "term":
        leg["index"], leg["coupon_estimation"] = str(choose(term_indices)), str(choose(["PAR", "INDEXED"]))
        if rng.random() < 0.2:
            leg["fixing_lag"] = int(rng.integers(0, 6))
    elif kind == "overnight":
        _add_overnight_terms(leg, overnight_indices, rng=rng)
    if rng.random() < 0.25 and leg["accrual_convention"] in ("UNADJUSTED", "FOLLOWING"):
        leg["notional_dates"] = sorted({contract["start_date"] + int(day) for day in rng.integers(-30, life, 3)})
        leg["notional_amounts"] = (notional * rng.uniform(0.1, 2.0, len(leg["notional_dates"]))).tolist()
    return leg


def _add_overnight_terms(leg: dict[str, Any], indices: tuple[str, ...], *, rng: np.random.Generator) -> None:
    leg["index"] = str(rng.choice(indices))
    if rng.random() < 0.4:
        leg["lookback_days"], leg["observation_shift"] = int(rng.integers(1, 8)), bool(rng.random() < 0.5)
        if not leg["observation_shift"] and rng.random() < 0.4:  # where rates telescope, QuantLib leaves a compounded margin out
            leg["spread_compounding"], leg["gearing"] = "COMPOUNDED", 1.0
    elif rng.random() < 0.2:
        leg["lockout_days"] = int(rng.integers(1, 5))
    elif rng.random() < 0.3:
        leg["rate_method"], leg["day_count"] = "AVERAGED", "ACT/360"
        leg["index"] = indices[-1]  # QuantLib divides by the years of the coupon, not of the index


@dataclass
class Tally:
    """What a comparison has found so far."""

    contracts: int = 0
    mismatches: int = 0
    largest: float = 0.0
    compared: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    examples: list[dict[str, Any]] = field(default_factory=list)

    def add(self, contract: dict[str, Any], status: RowStatus, expected: RowStatus | None, difference: float) -> None:
        """Add a contract; `expected` is None where QuantLib refuses it."""
        self.contracts += 1
        self.compared.update([expected.name if expected is not None else "refused by both"])
        self.compared.update(name for name, value in contract.items() if value not in (None, False, 0, 0.0))
        is_equal = status not in (RowStatus.OK, RowStatus.MATURED) if expected is None else status == expected
        self.largest = max(self.largest, difference)
        if not is_equal or not difference <= PV_TOLERANCE:
            self.mismatches += 1
            if len(self.examples) < EXAMPLES_MAX:
                self.examples.append({"status": status.name, "difference": difference, "contract": contract})

    def comparison(self) -> Comparison:
        """The result."""
        details = {"compared": dict(self.compared), "examples": self.examples, "failures_of_quantlib": dict(self.failures)}
        return Comparison(self.contracts, self.largest, self.mismatches, details)


def compare(contracts: int, *, seed: int) -> Comparison:
    """Value random swaps here and in QuantLib and tell where they differ."""
    rng, tally = np.random.default_rng(seed), Tally()
    for batch in range(-(-contracts // CONTRACTS_PER_DATE)):
        as_of = int(np.datetime64(_DATES[batch % len(_DATES)], "D").astype(np.int64))
        market = random_market(as_of, rng=rng)
        rows = [random_swap(as_of, rng=rng) for _ in range(min(CONTRACTS_PER_DATE, contracts - batch * CONTRACTS_PER_DATE))]
        _compare_batch(rows, market=market, tally=tally)
    ql.IndexManager.instance().clearHistories()
    ql.Settings.instance().evaluationDate = ql.Date()
    return tally.comparison()


def _compare_batch(rows: list[dict[str, Any]], *, market: Market, tally: Tally) -> None:
    oracle = FloatingOracle(market)
    valuation = value_contracts(PRODUCT, contracts_of(pricer(PRODUCT).columns, rows), market=market)
    for row, contract in enumerate(rows):
        status = RowStatus(int(valuation.status[row]))
        try:
            legs = [quantlib_leg(contract, prefix, oracle=oracle, market=market) for prefix in PREFIXES]
        except RuntimeError as error:
            if any(part in str(error).lower() for part in REFUSED):
                tally.failures.update([str(error)])
            else:
                tally.add(contract, status, None, 0.0)
            continue
        legs.append([ql.SimpleCashFlow(contract["upfront_amount"] * np.sign(contract["notional"]), terms.date_of(contract["upfront_date"]))]
                    if "upfront_amount" in contract else [])  # fmt: skip
        as_of = terms.date_of(market.as_of)
        if all(flow.date() <= as_of for leg in legs for flow in leg):
            tally.add(contract, status, RowStatus.MATURED, 0.0)
            continue
        swap = ql.Swap(legs, [contract["notional"] < 0.0, contract["notional"] > 0.0, contract["notional"] < 0.0])
        swap.setPricingEngine(ql.DiscountingSwapEngine(ql.YieldTermStructureHandle(oracle.curves[contract["discount_curve"]]), False))
        try:
            expected = swap.NPV()
        except RuntimeError as error:  # a rate over no days, where a day count has none
            tally.failures.update([str(error)])
            continue
        pv = float(valuation.values[Measure.PV][row])
        largest = max(
            [abs(contract["notional"]), *contract.get("receive_leg_notional_amounts", ()), *contract.get("pay_leg_notional_amounts", ())]
        )
        tally.add(contract, status, RowStatus.OK, abs(pv - expected) / largest if status is RowStatus.OK else 0.0)


def quantlib_leg(contract: dict[str, Any], prefix: str, *, oracle: FloatingOracle, market: Market) -> list[Any]:
    """One leg of a swap as if it were received. Raises RuntimeError if QuantLib refuses it."""
    leg = leg_terms(contract, prefix)
    coupons, nominals = quantlib_coupons(leg, notional=abs(contract["notional"]), oracle=oracle, market=market)
    first_day = accuracy_bonds.quantlib_schedule(leg).dates()[0]
    kinds = {name: contract[f"{name}_exchange"] for name in ("initial", "intermediate", "final")}
    days = [coupon.date() for coupon in coupons]
    return coupons + quantlib_exchanges(coupons, nominals, first_day=first_day, days=days, **kinds)
