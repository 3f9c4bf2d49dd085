"""FX swaps against two `FxForward`s of QuantLib with DiscountingFxForwardEngine."""

from typing import Any

import numpy as np
import QuantLib as ql

from pricers import RowStatus
from pricers.market.market import Market
from tests.oracles.accuracy_report import Comparison
from tests.oracles.flow_comparison import CURRENCIES, Expected, QuantlibMarket, compare_flows
from tests.oracles.quantlib_terms import date_of

QL_CURRENCIES = {"EUR": ql.EURCurrency(), "USD": ql.USDCurrency(), "GBP": ql.GBPCurrency(), "JPY": ql.JPYCurrency()}


def compare(contracts: int, seed: int) -> Comparison:
    """Value `contracts` random swaps here and in QuantLib."""
    return compare_flows("FX_SWAP", contracts, seed, random_row=random_swap, oracle=SwapOracle)


def random_swap(as_of: int, market: Market, rng: np.random.Generator) -> dict[str, Any]:
    """A swap with a far rate, points or both, even or uneven; some past their near date, some matured."""
    base, quote = rng.choice(list(CURRENCIES), 2, replace=False).tolist()
    rate = market.fx_to_base[base] / market.fx_to_base[quote] * float(rng.uniform(0.8, 1.2))
    points = rate * float(rng.uniform(-0.03, 0.03))
    near = as_of + int(rng.integers(-40, 40))
    row: dict[str, Any] = {
        "base_currency": base,
        "quote_currency": quote,
        "notional": float(rng.choice([-1.0, 1.0]) * 10.0 ** rng.uniform(3, 9)),
        "near_date": near,
        "near_rate": rate,
        "far_date": near + int(rng.integers(1, 800)),
        "base_discount_curve": f"{base}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
        "quote_discount_curve": f"{quote}-{rng.choice(['LINEAR', 'FLAT-FORWARD'])}",
    }
    terms = rng.integers(3)
    if terms != 0:
        row["far_rate"] = rate + points
    if terms != 1:
        row["far_points"] = points
    if rng.random() < 0.3:
        row["far_notional"] = abs(row["notional"]) * float(rng.uniform(0.9, 1.1))
    return row


class SwapOracle(QuantlibMarket):
    """A forward for each exchange that is still to come."""

    def expected(self, row: dict[str, Any]) -> Expected:
        """Status, flows and value of one contract of `random_swap`."""
        if row["far_date"] < self.market.as_of:
            return Expected(RowStatus.MATURED)
        far_rate = row["far_rate"] if "far_rate" in row else row["near_rate"] + row["far_points"]
        far_base = -np.sign(row["notional"]) * row.get("far_notional", abs(row["notional"]))
        exchanges = [(row["near_date"], row["notional"], row["near_rate"]), (row["far_date"], float(far_base), far_rate)]
        flows = [(day, base) for day, base, _ in exchanges] + [(day, -base * rate) for day, base, rate in exchanges]
        spot = self.fx(row["base_currency"]) / self.fx(row["quote_currency"])
        pv = sum(self._forward(row, day, base, rate, spot) for day, base, rate in exchanges if day > self.market.as_of)
        return Expected(RowStatus.OK, flows, pv, abs(row["notional"]) * max(spot, row["near_rate"]))

    def _forward(self, row: dict[str, Any], day: int, base: float, rate: float, spot: float) -> float:
        """Value in quote currency."""
        bought, paid = QL_CURRENCIES[row["base_currency"]], QL_CURRENCIES[row["quote_currency"]]
        forward = ql.FxForward(abs(base), bought, abs(base) * rate, paid, date_of(day), base < 0.0, 0, ql.NullCalendar())
        curves = [ql.YieldTermStructureHandle(self.curve(row[f"{side}_discount_curve"])) for side in ("base", "quote")]
        forward.setPricingEngine(ql.DiscountingFxForwardEngine(*curves, ql.QuoteHandle(ql.SimpleQuote(spot))))
        return float(forward.NPV()) * spot
