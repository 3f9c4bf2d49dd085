"""Floating-rate bonds, swaps and default swaps in QuantLib, on the curves and exchange rates of a market, all of which can be moved."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import QuantLib as ql

from pricers import CurveKind, Market, Scenarios
from pricers.flows.swap_legs import PREFIXES
from tests.oracles import accuracy_floating_bonds
from tests.oracles import quantlib_terms as terms
from tests.oracles.accuracy_credit import SwapOracle, hazard_structure
from tests.oracles.accuracy_cross_currency import CrossCurrencyOracle
from tests.oracles.accuracy_swaps import quantlib_leg
from tests.oracles.quantlib_floating import FloatingOracle

Row = dict[str, Any]


class QuantlibMarket:
    """Curves, indices and exchange rates of one market. One at a time: QuantLib keeps fixings by the name of an index.

    Rows of contracts give every term that an instrument has; what conventions say is filled in.
    """

    def __init__(self, market: Market) -> None:
        self.market, self.rates, self._credit = market, FloatingOracle(market), SwapOracle(market)
        self._credit.discount = self.rates.handles
        self.handles: dict[str, Any] = {**self.rates.handles, **self._credit.default}
        self._cross_currency = CrossCurrencyOracle(market, self.rates)

    def structures(self, scenarios: Scenarios, scenario: int) -> list[tuple[Any, Any]]:
        """Every handle and the curve to link it to under a scenario."""
        found = []
        for curve in self.market.curves:
            if curve.name in self.handles and curve.name in scenarios.shifts:
                moved = replace(curve, zero_rates=curve.zero_rates + scenarios.shifts[curve.name][:, scenario])
                make = hazard_structure if curve.kind is CurveKind.HAZARD else terms.term_structure
                found.append((self.handles[curve.name], make(moved, as_of=self.market.as_of)))
        return found

    def set_fx(self, factors: Mapping[str, float]) -> None:
        """Move exchange rates by a factor for each foreign currency."""
        prices = {**self.market.fx_to_base, self.market.base_currency: 1.0}
        self._cross_currency.set_fx({currency: price * factors.get(currency, 1.0) for currency, price in prices.items()})

    def swap(self, row: Row) -> Any:
        """An interest-rate swap. Raises RuntimeError if QuantLib refuses it, as the others do."""
        legs = [quantlib_leg(row, prefix, oracle=self.rates, market=self.market) for prefix in PREFIXES]
        swap = ql.Swap(legs, [row["notional"] < 0.0, row["notional"] > 0.0])
        swap.setPricingEngine(ql.DiscountingSwapEngine(self.rates.handles[row["discount_curve"]], False))
        return swap

    def floating_bond(self, row: Row) -> Any:
        """A bond on its discount curve alone, valued as if it were owned."""
        coupons = accuracy_floating_bonds.quantlib_leg(row, oracle=self.rates, market=self.market)[:-1]
        bond = ql.Bond(row["settlement_lag"], terms.CALENDARS[row["calendar"]], terms.date_of(row["issue_date"]), coupons)
        bond.setPricingEngine(ql.DiscountingBondEngine(self.rates.handles[row["discount_curve"]]))
        return bond

    def cross_currency_swap(self, row: Row) -> Any:
        """A swap valued in the receive leg's currency as if its notional were positive."""
        oracle = self._cross_currency
        return oracle.swap(row) if row["resetting_leg"] == "NONE" else oracle.resetting_swap(row)

    def default_swap(self, row: Row) -> Any:
        """A credit default swap with the engine of the ISDA model."""
        return self._credit.swap(row)
