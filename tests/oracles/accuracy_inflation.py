"""Inflation-linked bonds and inflation swaps against QuantLib's CPIBond, ZeroCouponInflationSwap, and year-on-year coupons of its index."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import QuantLib as ql

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.market import Market
from tests.oracles.accuracy_report import Comparison
from tests.oracles.flow_comparison import EXAMPLES_MAX, PV_TOLERANCE, VALUATION_DAYS, QuantlibMarket
from tests.oracles.quantlib_inflation import CURRENCIES, INDICES, INTERPOLATIONS, inflation_market, quantlib_indices
from tests.oracles.quantlib_terms import CALENDARS, CONVENTIONS, FREQUENCIES, date_of, day_counter, day_of

_CALENDAR_NAMES = (None, "TARGET", "US_FED", "UK")
_ACCRUALS = ("UNADJUSTED", "UNADJUSTED", "FOLLOWING", "MODIFIED_FOLLOWING")
_PAYMENTS = ("FOLLOWING", "MODIFIED_FOLLOWING", "UNADJUSTED", "PRECEDING")
_FREQUENCIES = ("ANNUAL", "SEMIANNUAL", "QUARTERLY")
_PRICE_TOLERANCE = 1e-9  # per 100


def compare_bonds(contracts: int, seed: int) -> Comparison:
    """Value `contracts` random inflation-linked bonds here and in QuantLib: PV, prices and accrued interest."""
    return _compare("INFLATION_LINKED_BOND", contracts, seed, random_row=random_bond, expected=InflationOracle.bond)


def compare_swaps(contracts: int, seed: int) -> Comparison:
    """Value `contracts` random inflation swaps here and in QuantLib."""
    return _compare("INFLATION_SWAP", contracts, seed, random_row=random_swap, expected=InflationOracle.swap)


def _observation(rng: np.random.Generator) -> dict[str, Any]:
    return {"observation_lag_months": int(rng.choice([3, 3, 8])), "index_interpolation": str(rng.choice(["FLAT", "LINEAR"]))}


def random_bond(as_of: int, rng: np.random.Generator) -> dict[str, Any]:
    """A seasoned or new bond, with or without a floor; some have matured."""
    currency = str(rng.choice(CURRENCIES))
    issue, maturity = as_of - int(rng.integers(0, 6_000)), as_of + int(rng.integers(-10, 14_000))
    row: dict[str, Any] = {
        "currency": currency,
        "index": INDICES[currency],
        "notional": float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(5, 8)),
        "coupon_rate": float(rng.uniform(0.001, 0.04)),
        "issue_date": min(issue, maturity - 40),
        "maturity_date": maturity,
        "frequency": str(rng.choice(_FREQUENCIES)),
        "day_count": str(rng.choice(["ACT/ACT ICMA", "ACT/365F", "ACT/360"])),
        "calendar": _CALENDAR_NAMES[rng.integers(len(_CALENDAR_NAMES))],
        "accrual_convention": str(rng.choice(_ACCRUALS)),
        "payment_convention": str(rng.choice(_PAYMENTS)),
        "settlement_lag": int(rng.integers(0, 4)),
        "credit_spread": float(rng.choice([0.0, rng.uniform(0.0, 0.02)])),
        "redemption_floor": bool(rng.random() < 0.3),
        "price_basis": str(rng.choice(["REAL", "NOMINAL"])),
        "discount_curve": f"{currency}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
        **_observation(rng),
    }
    if rng.random() < 0.5:
        row["base_index"] = float(rng.uniform(80.0, 300.0))
    if rng.random() < 0.2:
        row |= {"ex_coupon_days": int(rng.integers(1, 8)), "ex_coupon_calendar": "UK"}
    return row


def random_swap(as_of: int, rng: np.random.Generator) -> dict[str, Any]:
    """A swap of either kind, for whole years; some start later, some have matured."""
    currency = str(rng.choice(CURRENCIES))
    years = int(rng.integers(1, 31))
    start = np.datetime64(as_of - int(rng.integers(-500, 365 * years + 10)), "D")
    month, day = start.astype("datetime64[M]"), min(int((start - start.astype("datetime64[M]").astype("datetime64[D]")).astype(int)), 27)
    row: dict[str, Any] = {
        "currency": currency,
        "index": INDICES[currency],
        "notional": float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(5, 8)),
        "kind": str(rng.choice(["ZERO_COUPON", "YEAR_ON_YEAR"])),
        "fixed_rate": float(rng.uniform(-0.01, 0.05)),
        "start_date": int((month.astype("datetime64[D]") + day).astype(int)),
        "maturity_date": int(((month + 12 * years).astype("datetime64[D]") + day).astype(int)),
        "calendar": _CALENDAR_NAMES[rng.integers(len(_CALENDAR_NAMES))],
        "payment_convention": str(rng.choice(_PAYMENTS)),
        "discount_curve": f"{currency}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
        **_observation(rng),
    }
    if row["kind"] == "YEAR_ON_YEAR":
        row |= {"frequency": str(rng.choice(_FREQUENCIES)), "day_count": str(rng.choice(["30E/360", "ACT/365F"]))}
        row["accrual_convention"] = str(rng.choice(_ACCRUALS))
    return row


class InflationOracle(QuantlibMarket):
    """QuantLib under one market; each method gives the status and {measure: value, tolerance} of one contract."""

    def __init__(self, market: Market) -> None:
        super().__init__(market)
        self._indices = quantlib_indices(market)

    def _schedule(self, row: dict[str, Any], start: int) -> Any:
        calendar, accrual = CALENDARS[row["calendar"] or "NONE"], CONVENTIONS[row.get("accrual_convention", "UNADJUSTED")]
        tenor = FREQUENCIES[row.get("frequency", "ANNUAL")][0]
        return ql.Schedule(
            date_of(start), date_of(row["maturity_date"]), tenor, calendar, accrual, accrual, ql.DateGeneration.Backward, False
        )

    def _level(self, row: dict[str, Any], date: Any) -> float:
        lag = ql.Period(row["observation_lag_months"], ql.Months)
        return float(ql.CPI.laggedFixing(self._indices.indices[row["index"]], date, lag, INTERPOLATIONS[row["index_interpolation"]]))

    def bond(self, row: dict[str, Any]) -> tuple[RowStatus, dict[Measure, float]]:
        """Status and measures of a bond of `random_bond`."""
        as_of = self.market.as_of
        schedule, calendar = self._schedule(row, row["issue_date"]), CALENDARS[row["calendar"] or "NONE"]
        if day_of(calendar.adjust(schedule[len(schedule) - 1], CONVENTIONS[row["payment_convention"]])) <= as_of:
            return RowStatus.MATURED, {}
        counter = day_counter(row["day_count"], maturity=row["maturity_date"], calendar="NONE", schedule=schedule)
        has_ex = "ex_coupon_days" in row
        base = row.get("base_index") or self._level(row, date_of(row["issue_date"]))
        bond = ql.CPIBond(
            settlementDays=row["settlement_lag"], faceAmount=100.0, growthOnly=False, baseCPI=base,
            observationLag=ql.Period(row["observation_lag_months"], ql.Months), cpiIndex=self._indices.indices[row["index"]],
            observationInterpolation=INTERPOLATIONS[row["index_interpolation"]], schedule=schedule, coupons=[row["coupon_rate"]],
            accrualDayCounter=counter, paymentConvention=CONVENTIONS[row["payment_convention"]], issueDate=date_of(row["issue_date"]),
            paymentCalendar=calendar, exCouponPeriod=ql.Period(row["ex_coupon_days"], ql.Days) if has_ex else ql.Period(),
            exCouponCalendar=CALENDARS["UK"] if has_ex else ql.NullCalendar(), exCouponConvention=ql.Unadjusted, exCouponEndOfMonth=False,
        )  # fmt: skip
        spread, curve = row["credit_spread"], row["discount_curve"]
        discount = ql.YieldTermStructureHandle(self.spread_curve(curve, spread))
        bond.setPricingEngine(ql.DiscountingBondEngine(discount))
        final = bond.cashflows()[-1]
        more = max(100.0 - final.amount(), 0.0) if row["redemption_floor"] else 0.0
        pv = bond.NPV() + more * discount.discount(final.date())
        settled = bond.settlementDate()
        ratio = self._level(row, settled) / base
        scale = ratio if row["price_basis"] == "REAL" else 1.0
        values = {Measure.PV: row["notional"] / 100.0 * pv}
        if settled < final.date():
            dirty = bond.dirtyPrice() + more * discount.discount(final.date()) / discount.discount(settled)
            values |= {Measure.DIRTY_PRICE: dirty / scale, Measure.ACCRUED_INTEREST: bond.accruedAmount() / scale}
        return RowStatus.OK, values

    def swap(self, row: dict[str, Any]) -> tuple[RowStatus, dict[Measure, float]]:
        """Status and PV of a swap of `random_swap`."""
        calendar, payment, notional = CALENDARS[row["calendar"] or "NONE"], CONVENTIONS[row["payment_convention"]], row["notional"]
        if row["kind"] == "ZERO_COUPON":
            if day_of(calendar.adjust(date_of(row["maturity_date"]), payment)) <= self.market.as_of:
                return RowStatus.MATURED, {}
            swap = ql.ZeroCouponInflationSwap(  # whose type is that of the inflation leg
                type=ql.Swap.Receiver, nominal=notional, start=date_of(row["start_date"]), maturity=date_of(row["maturity_date"]),
                calendar=calendar, convention=payment, dayCounter=ql.Thirty360(ql.Thirty360.European), fixedRate=row["fixed_rate"],
                index=self._indices.indices[row["index"]], lag=ql.Period(row["observation_lag_months"], ql.Months),
                observationInterpolation=INTERPOLATIONS[row["index_interpolation"]], infCalendar=calendar, infConvention=payment,
            )  # fmt: skip
            swap.setPricingEngine(ql.DiscountingSwapEngine(ql.YieldTermStructureHandle(self.curve(row["discount_curve"]))))
            return RowStatus.OK, {Measure.PV: swap.NPV()}
        schedule = self._schedule(row, row["start_date"])
        counter = day_counter(row["day_count"], maturity=row["maturity_date"], calendar="NONE", schedule=schedule)
        pv, is_alive = 0.0, False
        for start, end in pairwise(schedule.dates()):
            day = day_of(calendar.adjust(end, payment))
            if day > self.market.as_of:
                growth = self._level(row, end) / self._level(row, start) - 1.0
                pv += notional * counter.yearFraction(start, end) * (growth - row["fixed_rate"]) * self.discount(row["discount_curve"], day)
                is_alive = True
        return (RowStatus.OK, {Measure.PV: pv}) if is_alive else (RowStatus.MATURED, {})


def _compare(
    product: str,
    contracts: int,
    seed: int,
    *,
    random_row: Callable[[int, np.random.Generator], dict[str, Any]],
    expected: Callable[[InflationOracle, dict[str, Any]], tuple[RowStatus, dict[Measure, float]]],
) -> Comparison:
    rng, spec, mismatches = np.random.default_rng(seed), pricer(product), 0
    largest: dict[str, float] = {}
    statuses: dict[str, int] = {}
    examples: list[dict[str, Any]] = []
    for number, as_of in enumerate(VALUATION_DAYS):
        market = inflation_market(as_of, seed=seed + number)
        count = contracts // len(VALUATION_DAYS) + (number < contracts % len(VALUATION_DAYS))
        rows = [random_row(as_of, rng) for _ in range(count)]
        found = value_contracts(spec, contracts_of(spec.columns, rows), market=market)
        oracle = InflationOracle(market)
        for i, row in enumerate(rows):
            status, values = expected(oracle, row)
            differences = {}
            for measure, value in values.items():
                scale, tolerance = (abs(row["notional"]), PV_TOLERANCE) if measure is Measure.PV else (1.0, _PRICE_TOLERANCE)
                differences[measure.value] = abs(float(found.values[measure][i]) - value) / scale / tolerance
            is_wrong = RowStatus(found.status[i]) is not status or not all(each <= 1.0 for each in differences.values())
            mismatches += is_wrong
            statuses[status.name] = statuses.get(status.name, 0) + 1
            for name, each in differences.items():
                largest[name] = max(largest.get(name, 0.0), each * (PV_TOLERANCE if name == "pv" else _PRICE_TOLERANCE))
            if is_wrong and len(examples) < EXAMPLES_MAX:
                examples.append({"as_of": as_of, **row, "status": RowStatus(found.status[i]).name, "differences": differences})
    ql.Settings.instance().evaluationDate = ql.Date()
    details = {"statuses": statuses, "largest_differences": largest, "examples": examples}
    return Comparison(contracts, largest.get("pv", 0.0), mismatches, details)
