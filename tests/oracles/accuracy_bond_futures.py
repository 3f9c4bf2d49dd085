"""Bond futures against their formula on QuantLib's cash flows, accrued amounts and discount factors."""

from typing import Any

import numpy as np
import QuantLib as ql

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from tests.oracles.accuracy_report import Comparison
from tests.oracles.flow_comparison import CURRENCIES, EXAMPLES_MAX, PV_TOLERANCE, VALUATION_DAYS, QuantlibMarket
from tests.oracles.quantlib_terms import CALENDARS, FREQUENCIES, date_of, day_counter, day_of
from tests.oracles.random_markets import random_market

TERMS = (("ANNUAL", "ACT/ACT ICMA", "TARGET", 0), ("SEMIANNUAL", "ACT/ACT ICMA", "US_GOVT", 0), ("SEMIANNUAL", "ACT/365F", "JP", 0),
         ("SEMIANNUAL", "ACT/ACT ICMA", "UK", 6))  # fmt: skip


def compare(contracts: int, seed: int) -> Comparison:
    """Value `contracts` random futures here and by the formula."""
    rng, spec = np.random.default_rng(seed), pricer("BOND_FUTURE")
    largest, mismatches = 0.0, 0
    examples: list[dict[str, Any]] = []
    for number, as_of in enumerate(VALUATION_DAYS):
        market = random_market(as_of, currencies=CURRENCIES, seed=seed + number)
        count = contracts // len(VALUATION_DAYS) + (number < contracts % len(VALUATION_DAYS))
        rows = [random_future(as_of, rng) for _ in range(count)]
        valued = value_contracts(spec, contracts_of(spec.columns, rows), market=market)
        oracle = FutureOracle(market)
        for row, status, pv in zip(rows, valued.status.tolist(), valued.values[Measure.PV].tolist(), strict=True):
            expected = oracle.value(row)
            difference = abs(pv - expected) / abs(row["contracts"] * row["contract_size"])
            largest = max(largest, difference)
            if status != RowStatus.OK or not difference <= PV_TOLERANCE:
                mismatches += 1
                if len(examples) < EXAMPLES_MAX:
                    examples.append({"as_of": as_of, **row, "status": RowStatus(status).name, "pv": pv, "expected": expected})
    ql.Settings.instance().evaluationDate = ql.Date()
    return Comparison(contracts, largest, mismatches, {"examples": examples})


def random_future(as_of: int, rng: np.random.Generator) -> dict[str, Any]:
    """A future that delivers within nine months a bond of two to thirty years, some of them in their ex-coupon period."""
    currency = str(rng.choice(CURRENCIES))
    frequency, day_count, calendar, ex_days = TERMS[rng.integers(len(TERMS))]
    delivery = as_of + int(rng.integers(1, 270))
    maturity = date_of(delivery + int(rng.integers(2 * 365, 30 * 365)))
    issue = maturity - ql.Period(int(rng.integers(31, 34)), ql.Years)
    return {
        "contracts": float(rng.integers(1, 500) * rng.choice([-1, 1])),
        "contract_size": float(rng.choice([100_000.0, 200_000.0])),
        "delivery_date": delivery,
        "trade_price": float(rng.uniform(80.0, 160.0)),
        "conversion_factor": float(rng.uniform(0.5, 1.4)),
        "currency": currency,
        "coupon_rate": float(rng.uniform(0.0, 0.08)),
        "issue_date": day_of(issue),
        "maturity_date": day_of(maturity),
        "frequency": frequency,
        "day_count": day_count,
        "calendar": calendar,
        "ex_coupon_days": ex_days,
        "ex_coupon_calendar": calendar if ex_days else None,
        "discount_curve": f"{currency}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
    }


def _is_ex(flow: ql.CashFlow, day: ql.Date) -> bool:
    coupon = ql.as_fixed_rate_coupon(flow)
    return coupon is not None and coupon.exCouponDate() != ql.Date() and coupon.exCouponDate() <= day


class FutureOracle(QuantlibMarket):
    """The formula, with QuantLib's bond."""

    def value(self, row: dict[str, Any]) -> float:
        """Native currency."""
        tenor, _ = FREQUENCIES[row["frequency"]]
        schedule = ql.Schedule(
            date_of(row["issue_date"]), date_of(row["maturity_date"]), tenor, CALENDARS[row["calendar"]], ql.Unadjusted, ql.Unadjusted,
            ql.DateGeneration.Backward, False,
        )  # fmt: skip
        counter = day_counter(row["day_count"], maturity=row["maturity_date"], calendar=row["calendar"], schedule=schedule)
        ex_coupon = (ql.Period(), ql.NullCalendar(), ql.Unadjusted, False)
        if row["ex_coupon_days"]:
            ex_coupon = (ql.Period(row["ex_coupon_days"], ql.Days), CALENDARS[row["calendar"]], ql.Preceding, False)
        bond = ql.FixedRateBond(
            0, 100.0, schedule, [row["coupon_rate"]], counter, ql.Following, 100.0, date_of(row["issue_date"]), CALENDARS[row["calendar"]],
            *ex_coupon,
        )  # fmt: skip
        delivery = date_of(row["delivery_date"])
        at_delivery = self.discount(row["discount_curve"], row["delivery_date"])
        dirty = sum(
            flow.amount() * self.discount(row["discount_curve"], day_of(flow.date())) / at_delivery
            for flow in bond.cashflows()
            if flow.date() > delivery and not _is_ex(flow, delivery)
        )
        price = (dirty - bond.accruedAmount(delivery)) / row["conversion_factor"]
        return float(row["contracts"] * row["contract_size"] * (price - row["trade_price"]) / 100.0)
