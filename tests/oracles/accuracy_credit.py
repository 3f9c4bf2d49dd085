"""Credit default swaps against QuantLib's engine of the ISDA standard model.

QuantLib gets both curves from the valuation date on, with pillars beyond every maturity, because its sum over pillars stops at the last
one; a schedule of a single period gets a dead one before it, because the leg forgets its last day otherwise. A premium that is paid
on the day after the valuation date is added: QuantLib values a swap entered into today, to which that premium does not belong.
No protection starts on a pillar, which QuantLib's sum would leave out.
"""

from typing import Any, Final

import numpy as np
import QuantLib as ql

from pricers import ALL_MEASURES, Curve, CurveKind, Market, Measure, RowStatus, contracts_of, pricer, value_contracts
from tests.oracles.accuracy_report import Comparison
from tests.oracles.quantlib_terms import CALENDARS, FREQUENCIES, date_of, day_of, term_structure

VALUATION_DAYS: Final = tuple(np.array(["2024-02-29", "2025-12-19", "2026-03-27"], "datetime64[D]").astype(int).tolist())
PILLAR_DAYS: Final = np.array([30, 182, 365, 730, 1096, 1826, 2557, 3652, 5479, 10957], np.int32)
PV_TOLERANCE: Final = 1e-10  # of notional
EXAMPLES_MAX: Final = 5
IMM_MONTHS: Final = (3, 6, 9, 12)
_CALENDARS: Final = {**CALENDARS, "WEEKENDS_ONLY": ql.WeekendsOnly()}
_DAY_COUNTS: Final = {
    "ACT/360": (ql.Actual360(), ql.Actual360(True)),
    "ACT/365F": (ql.Actual365Fixed(), ql.Actual365Fixed()),
}


def credit_market(as_of: int, *, seed: int) -> Market:
    """A flat-forward curve for EUR and USD each, and three hazard curves: low, distressed, and with pillars of its own."""
    rng = np.random.default_rng(seed)
    labels = tuple(f"{day}D" for day in PILLAR_DAYS)
    curves = []
    for currency in ("EUR", "USD"):
        rates = rng.uniform(-0.005, 0.05) + np.cumsum(rng.normal(0.0, 0.002, PILLAR_DAYS.size))
        curves.append(Curve(currency, CurveKind.RATE, currency, "LOG_LINEAR_DISCOUNT", labels, PILLAR_DAYS, rates))
    for name, level, moved in (("LOW", 0.005, 0), ("DISTRESSED", 0.3, 0), ("OTHER", 0.02, 17)):
        hazards = level * np.exp(rng.normal(0.0, 0.1, PILLAR_DAYS.size))
        curves.append(Curve(name, CurveKind.HAZARD, "", "LOG_LINEAR_DISCOUNT", labels, PILLAR_DAYS + np.int32(moved), hazards))
    return Market(as_of, "EUR", tuple(curves), {"USD": 0.9})


def random_swaps(count: int, *, as_of: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Standard contracts, seasoned, traded on the valuation date or to be, and contracts with dates of their own."""
    return [_random_swap(as_of, rng) for _ in range(count)]


def _random_swap(as_of: int, rng: np.random.Generator) -> dict[str, Any]:
    row: dict[str, Any] = {
        "currency": str(rng.choice(["EUR", "USD"])),
        "notional": float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(5, 8)),
        "coupon_rate": float(rng.choice([0.0, 0.01, 0.05, rng.uniform(0.0, 0.1)])),
        "recovery_rate": float(rng.choice([0.4, 0.2, rng.uniform(0.0, 0.95)])),
        "credit_curve": str(rng.choice(["LOW", "DISTRESSED", "OTHER"])),
        "calendar": str(rng.choice(["WEEKENDS_ONLY", "TARGET", "US_FED", "JP"])),
        "pay_accrual_on_default": bool(rng.random() < 0.8),
    }
    row["discount_curve"] = row["currency"]
    year = 1970 + as_of // 365
    if rng.random() < 0.7:  # standard dates
        month = int(rng.choice(IMM_MONTHS))
        row["maturity_date"] = _day(year + int(rng.integers(1, 11)), month, 20)
        row["trade_date"] = as_of - int(rng.choice([-100, -2, 0, 0, 1, 2, 3, 4, 5, *rng.integers(6, 300, 4)]))
        if rng.random() < 0.5:
            row["upfront_rate"] = float(rng.uniform(-0.1, 0.3))
    else:
        row["start_date"] = as_of + int(rng.integers(-700, 26))  # before the first pillar
        row["maturity_date"] = max(row["start_date"], as_of) + int(rng.integers(200, 3000))
        row["frequency"] = str(rng.choice(["QUARTERLY", "SEMIANNUAL", "ANNUAL"]))
        row["day_count"] = str(rng.choice(["ACT/360", "ACT/360", "ACT/365F"])) if not row["pay_accrual_on_default"] else "ACT/360"
    return row


def _day(year: int, month: int, day: int) -> int:
    return day_of(ql.Date(day, month, year))


def hazard_structure(curve: Curve, *, as_of: int) -> Any:
    """QuantLib's curve with the pillars of a curve of hazard rates."""
    exponents, years = np.append(0.0, curve.zero_rates * curve.pillar_days / 365.0), np.append(0, curve.pillar_days) / 365.0
    hazards = np.diff(exponents) / np.diff(years)
    dates = [date_of(as_of), *(date_of(as_of + day) for day in curve.pillar_days)]
    structure = ql.HazardRateCurve(dates, [hazards[0], *hazards], ql.Actual365Fixed())
    structure.enableExtrapolation()
    return structure


class SwapOracle:
    """Values of contract rows in one market."""

    def __init__(self, market: Market) -> None:
        self._market = market
        ql.Settings.instance().evaluationDate = date_of(market.as_of)
        self.discount = {
            curve.name: ql.YieldTermStructureHandle(term_structure(curve, as_of=market.as_of)) for curve in market.of_kind(CurveKind.RATE)
        }
        self.default = {
            curve.name: ql.RelinkableDefaultProbabilityTermStructureHandle(hazard_structure(curve, as_of=market.as_of))
            for curve in market.of_kind(CurveKind.HAZARD)
        }

    def swap(self, row: dict[str, Any]) -> Any:
        """QuantLib's instrument with its engine."""
        calendar = _CALENDARS[row.get("calendar", "WEEKENDS_ONLY")]
        trade, maturity = row.get("trade_date"), date_of(row["maturity_date"])
        step_in = None if trade is None else trade + 1
        tenor = FREQUENCIES[row.get("frequency", "QUARTERLY")][0]
        if row.get("start_date") is not None:
            start = date_of(row["start_date"])
        else:
            assert step_in is not None
            periods = next(n for n in range(200) if calendar.adjust(maturity - n * tenor, ql.Following) <= date_of(step_in))
            start = maturity - periods * tenor
        dates = list(ql.Schedule(start, maturity, tenor, calendar, ql.Following, ql.Unadjusted, ql.DateGeneration.Backward, False).dates())
        if len(dates) == 2:
            dates.insert(0, dates[0] - 90)
        schedule = ql.Schedule(dates, calendar, ql.Following, ql.Unadjusted, tenor, ql.DateGeneration.CDS, False, [True] * (len(dates) - 1))
        counters = _DAY_COUNTS[row.get("day_count", "ACT/360")]
        protection = date_of(step_in) if step_in is not None else calendar.adjust(start, ql.Following)
        side = ql.Protection.Buyer if row["notional"] > 0.0 else ql.Protection.Seller
        rebates = trade is not None
        trade_date = date_of(trade) if trade is not None else protection - 1
        upfront_date = calendar.advance(trade_date, 3, ql.Days)
        swap = ql.CreditDefaultSwap(
            side, abs(row["notional"]), row.get("upfront_rate") or 0.0, row["coupon_rate"], schedule, ql.Following, counters[0],
            True, True, protection, upfront_date, ql.FaceValueClaim(), counters[1], rebates, trade_date, 3,
        )  # fmt: skip
        swap.setPricingEngine(
            ql.IsdaCdsEngine(self.default[row["credit_curve"]], row["recovery_rate"], self.discount[row["discount_curve"]])
        )
        return swap

    def value(self, row: dict[str, Any]) -> float:
        """Present value in the contract's currency."""
        swap, tomorrow = self.swap(row), date_of(self._market.as_of + 1)
        value = float(swap.NPV())
        if not row["pay_accrual_on_default"]:  # the engine wants it paid
            discount, default = self.discount[row["discount_curve"]], self.default[row["credit_curve"]]
            first = max(swap.protectionStartDate(), tomorrow)
            paid = [flow for flow in swap.coupons() if flow.date() > first]
            premium = sum(flow.amount() * discount.discount(flow.date()) * default.survivalProbability(flow.date() - 1) for flow in paid)
            if row.get("day_count") == "ACT/365F":  # QuantLib has no such counter that includes the last day
                last = swap.coupons()[-1].date()
                premium += (
                    abs(row["notional"]) * row["coupon_rate"] / 365.0 * discount.discount(last) * default.survivalProbability(last - 1)
                )
            value -= float(swap.couponLegNPV()) + np.sign(row["notional"]) * premium
        if swap.protectionStartDate() < tomorrow:
            due = sum(flow.amount() for flow in swap.coupons() if flow.date() == tomorrow)
            value -= np.sign(row["notional"]) * due * self.discount[row["discount_curve"]].discount(tomorrow)
        return value


def compare(contracts: int, seed: int) -> Comparison:
    """Value `contracts` random swaps here and in QuantLib."""
    rng = np.random.default_rng(seed)
    largest, mismatches = 0.0, 0
    examples: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    spec = pricer("CREDIT_DEFAULT_SWAP")
    for number, as_of in enumerate(VALUATION_DAYS):
        market = credit_market(as_of, seed=seed + number)
        oracle = SwapOracle(market)
        rows = random_swaps(contracts // len(VALUATION_DAYS) + (number < contracts % len(VALUATION_DAYS)), as_of=as_of, rng=rng)
        valued = value_contracts(spec, contracts_of(spec.columns, rows), market=market, measures=ALL_MEASURES)
        for i, row in enumerate(rows):
            status = RowStatus(int(valued.status[i]))
            counts[status.name] = counts.get(status.name, 0) + 1
            difference = abs(float(valued.values[Measure.PV][i]) - oracle.value(row)) / abs(row["notional"])
            if status is RowStatus.OK and difference <= PV_TOLERANCE:
                largest = max(largest, difference)
                continue
            mismatches += 1
            if len(examples) < EXAMPLES_MAX:
                examples.append({"as_of": as_of, **row, "status": status.name, "difference": difference})
    ql.Settings.instance().evaluationDate = ql.Date()
    return Comparison(contracts, largest, mismatches, {"counts": counts, "examples": examples})
