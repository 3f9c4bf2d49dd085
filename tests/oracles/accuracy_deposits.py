"""Deposits without a maturity against a plain table of balances on QuantLib's calendars, day counters and curves."""

from typing import Any

import numpy as np
import QuantLib as ql

from pricers import RowStatus
from pricers.market.market import Market
from tests.oracles.accuracy_report import Comparison
from tests.oracles.flow_comparison import CURRENCIES, Expected, QuantlibMarket, compare_flows
from tests.oracles.quantlib_terms import CALENDARS, date_of, day_counter, day_of

CALENDAR_NAMES = (None, "TARGET", "US_FED", "UK", "JP")
DAY_COUNTS = ("ACT/360", "ACT/365F", "ACT/ACT ISDA", "30E/360")


def compare(contracts: int, seed: int) -> Comparison:
    """Value `contracts` random deposits here and by the table."""
    return compare_flows("NON_MATURITY_DEPOSIT", contracts, seed, random_row=random_deposit, oracle=DepositOracle)


def random_deposit(as_of: int, market: Market, rng: np.random.Generator) -> dict[str, Any]:
    """A deposit with a profile, some dates of it past, or a decay; some without a core, some without a rest."""
    currency = str(rng.choice(CURRENCIES))
    row: dict[str, Any] = {
        "currency": currency,
        "notional": float(rng.choice([-1.0, 1.0], p=[0.9, 0.1]) * 10.0 ** rng.uniform(5, 9)),
        "interest_rate": float(rng.choice([0.0, rng.uniform(-0.005, 0.03)])),
        "core_share": float(rng.choice([0.0, 1.0, rng.uniform(0.1, 0.9)], p=[0.05, 0.15, 0.8])),
        "day_count": str(rng.choice(DAY_COUNTS)),
        "calendar": CALENDAR_NAMES[rng.integers(len(CALENDAR_NAMES))],
        "credit_spread": float(rng.choice([0.0, rng.uniform(0.0, 0.01)])),
        "discount_curve": f"{currency}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
    }
    if row["core_share"] == 0.0 and rng.random() < 0.5:
        return row
    if rng.random() < 0.5:
        return row | {"decay_rate": float(rng.choice([0.0, 1.0, rng.uniform(0.02, 0.6)])), "max_maturity": str(rng.choice(["18M", "5Y"]))}
    days = np.unique(rng.integers(-200, 3000, int(rng.integers(1, 10))))
    return row | {"runoff_dates": (as_of + days).tolist(), "runoff_shares": rng.dirichlet(np.ones(days.size)).tolist()}


class DepositOracle(QuantlibMarket):
    """Balances after each repayment, one row of a table a date."""

    def expected(self, row: dict[str, Any]) -> Expected:
        """Status, flows and value of one contract of `random_deposit`."""
        table = self._core(row)
        if table is None:
            return Expected(RowStatus.MATURED)
        notional, core, rate = row["notional"], row["core_share"], row["interest_rate"]
        calendar = CALENDARS[row["calendar"] or "NONE"]
        today = date_of(self.market.as_of)
        flows = []
        for balance, repayments in ((1.0 - core, [(today + 1, 1.0)]), (core, table)):
            since, left = today, balance
            for date, share in repayments:
                paid = calendar.adjust(date, ql.Following)
                counter = day_counter(row["day_count"], maturity=day_of(paid), calendar="NONE", schedule=None)
                amount = notional * (balance * share + left * rate * counter.yearFraction(since, paid))
                if amount != 0.0:
                    flows.append((day_of(paid), amount))
                since, left = paid, left - balance * share
        spread, curve = row["credit_spread"], row["discount_curve"]
        factors = [self.discount(curve, day, credit_spread=spread) for day, _ in flows]
        return Expected(RowStatus.OK, flows, sum(amount * f for (_, amount), f in zip(flows, factors, strict=True)), abs(notional))

    def _core(self, row: dict[str, Any]) -> list[tuple[ql.Date, float]] | None:
        """Date and share of each repayment of the core; None where all are past."""
        today = date_of(self.market.as_of)
        if "decay_rate" in row:
            months = {"18M": 18, "5Y": 60}[row["max_maturity"]]
            left = [(1.0 - row["decay_rate"]) ** (k / 12.0) for k in range(months)] + [0.0]
            return [(today + ql.Period(k + 1, ql.Months), left[k] - left[k + 1]) for k in range(months)]
        ahead = [
            (date_of(day), share)
            for day, share in zip(row.get("runoff_dates", []), row.get("runoff_shares", []), strict=True)
            if day > self.market.as_of
        ]
        if "runoff_dates" in row and not ahead:
            return None
        total = sum(share for _, share in ahead)
        return [(date, share / total) for date, share in ahead]
