"""Deposits, paper and repos against flows of QuantLib's schedules and day counters, valued on its curves."""

from typing import Any

import numpy as np
import QuantLib as ql

from pricers import RowStatus
from pricers.market.market import Market
from pricers.time.day_count import DAY_COUNTS
from tests.oracles.accuracy_report import Comparison
from tests.oracles.flow_comparison import CURRENCIES, Expected, QuantlibMarket, compare_flows
from tests.oracles.quantlib_terms import CALENDARS, CONVENTIONS, FREQUENCIES, ROLL_RULES, date_of, day_counter, day_of

FREQUENT = ("ANNUAL", "SEMIANNUAL", "QUARTERLY", "MONTHLY")
CALENDAR_NAMES = (None, "TARGET", "US_FED", "UK", "JP", "TARGET+US_FED")
SIMPLE_DAY_COUNTS = tuple(name for name in DAY_COUNTS if name != "ACT/ACT ICMA")  # counts coupon periods, which a single period has not


def compare(contracts: int, seed: int) -> Comparison:
    """Value `contracts` random deposits and papers here and in QuantLib."""
    return compare_flows("MONEY_MARKET", contracts, seed, random_row=random_money_market, oracle=MoneyMarketOracle)


def compare_repos(contracts: int, seed: int) -> Comparison:
    """Value `contracts` random repos here and in QuantLib."""
    return compare_flows("REPO", contracts, seed, random_row=random_repo, oracle=RepoOracle)


def random_money_market(as_of: int, market: Market, rng: np.random.Generator) -> dict[str, Any]:
    """A deposit, certificate, paper or bill; some have not started, some have matured."""
    currency = str(rng.choice(CURRENCIES))
    is_discount, is_long = rng.random() < 0.35, rng.random() < 0.2
    days = int(rng.integers(7, 366 * 4 if is_long else 366))
    row: dict[str, Any] = {
        "currency": currency,
        "notional": float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(5, 9)),
        "interest_rate": float(rng.uniform(-0.01, 0.08)),
        "quote_type": "DISCOUNT" if is_discount else "YIELD",
        "start_date": as_of - int(rng.integers(-60, days + 10)),
        "frequency": str(rng.choice(FREQUENT)) if is_long and not is_discount else "ONCE",
        "day_count": str(rng.choice(SIMPLE_DAY_COUNTS)),
        "calendar": CALENDAR_NAMES[rng.integers(len(CALENDAR_NAMES))],
        "roll_rule": str(rng.choice(["BACKWARD", "FORWARD"])),
        "credit_spread": float(rng.choice([0.0, rng.uniform(0.0, 0.03)])),
        "discount_curve": f"{currency}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
    }
    row["maturity_date"] = row["start_date"] + days
    if row["day_count"] == "BUS/252":
        row["calendar"] = row["calendar"] or "UK"
    if rng.random() < 0.3:
        row |= {"accrual_convention": str(rng.choice(["UNADJUSTED", "FOLLOWING"])), "payment_convention": "FOLLOWING"}
    return row


def random_repo(as_of: int, market: Market, rng: np.random.Generator) -> dict[str, Any]:
    """A repo of either direction; a third are open, some have not started, some have matured."""
    currency = str(rng.choice(CURRENCIES))
    row: dict[str, Any] = {
        "direction": str(rng.choice(["REPO", "REVERSE"])),
        "currency": currency,
        "cash_amount": float(10.0 ** rng.uniform(5, 9)),
        "repo_rate": float(rng.uniform(-0.01, 0.08)),
        "start_date": as_of - int(rng.integers(-10, 100)),
        "day_count": str(rng.choice(SIMPLE_DAY_COUNTS)),
        "calendar": CALENDAR_NAMES[rng.integers(len(CALENDAR_NAMES))],
        "discount_curve": f"{currency}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
    }
    if row["day_count"] == "BUS/252":
        row["calendar"] = row["calendar"] or "UK"
    if rng.random() < 0.67:
        row["maturity_date"] = row["start_date"] + int(rng.integers(5, 200))
    return row


class MoneyMarketOracle(QuantlibMarket):
    """Interest of FixedRateLeg over QuantLib's schedule."""

    def expected(self, row: dict[str, Any]) -> Expected:
        """Status, flows and value of one contract of `random_money_market`."""
        calendar = CALENDARS[row["calendar"] or "NONE"]
        accrual = CONVENTIONS[row.get("accrual_convention", "MODIFIED_FOLLOWING")]
        payment = CONVENTIONS[row.get("payment_convention", "MODIFIED_FOLLOWING")]
        rule = "ZERO" if row["frequency"] == "ONCE" else row["roll_rule"]
        schedule = ql.Schedule(
            date_of(row["start_date"]), date_of(row["maturity_date"]), FREQUENCIES[row["frequency"]][0], calendar, accrual, accrual,
            ROLL_RULES[rule], False,
        )  # fmt: skip
        counter = day_counter(row["day_count"], maturity=row["maturity_date"], calendar=row["calendar"] or "NONE", schedule=schedule)
        notional, rate, start, end = row["notional"], row["interest_rate"], day_of(schedule[0]), schedule[len(schedule) - 1]
        last_paid = day_of(calendar.adjust(end, payment))
        if last_paid <= self.market.as_of:
            return Expected(RowStatus.MATURED)
        if row["quote_type"] == "DISCOUNT":
            flows = [(start, -notional * (1.0 - rate * counter.yearFraction(schedule[0], end))), (last_paid, notional)]
        else:
            leg = ql.FixedRateLeg(schedule, counter, [notional], [rate], payment)
            coupons = [(day_of(coupon.date()), coupon.amount()) for coupon in leg]
            flows = [(start, -notional), *coupons[:-1], (coupons[-1][0], coupons[-1][1] + notional)]
        spread, curve = row["credit_spread"], row["discount_curve"]
        pv = sum(
            amount * self.discount(curve, day, credit_spread=spread) if spread else amount * self.discount(curve, day)
            for day, amount in flows
            if day > self.market.as_of
        )
        return Expected(RowStatus.OK, flows, pv, abs(notional))


class RepoOracle(QuantlibMarket):
    """Simple interest between QuantLib's business days."""

    def expected(self, row: dict[str, Any]) -> Expected:
        """Status, flows and value of one contract of `random_repo`."""
        calendar = CALENDARS[row["calendar"] or "NONE"]
        start = calendar.adjust(date_of(row["start_date"]), ql.Following)
        if "maturity_date" in row:
            end = calendar.adjust(date_of(row["maturity_date"]), ql.Following)
        else:
            end = calendar.advance(max(start, date_of(self.market.as_of)), 1, ql.Days)
        if day_of(end) <= self.market.as_of:
            return Expected(RowStatus.MATURED)
        counter = day_counter(row["day_count"], maturity=day_of(end), calendar=row["calendar"] or "NONE", schedule=None)
        cash = row["cash_amount"] * (1.0 if row["direction"] == "REVERSE" else -1.0)
        repaid = cash * ql.InterestRate(row["repo_rate"], counter, ql.Simple, ql.Annual).compoundFactor(start, end)
        flows = [(day_of(start), -cash), (day_of(end), repaid)]
        pv = sum(amount * self.discount(row["discount_curve"], day) for day, amount in flows if day > self.market.as_of)
        return Expected(RowStatus.OK, flows, pv, row["cash_amount"])
