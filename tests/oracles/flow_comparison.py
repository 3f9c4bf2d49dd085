"""Compares products that are a few flows with flows built from QuantLib's dates, day counts and curves: the loop that they share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import QuantLib as ql

from pricers import Measure, RowStatus, contracts_of, pricer, value_contracts
from pricers.market.market import Market
from tests.oracles.accuracy_report import Comparison
from tests.oracles.quantlib_terms import date_of, term_structure, with_spreads
from tests.oracles.random_markets import random_market

VALUATION_DAYS = tuple(np.array(["2024-02-29", "2025-12-31", "2026-03-27"], "datetime64[D]").astype(int).tolist())
CURRENCIES = ("EUR", "USD", "GBP", "JPY")
PV_TOLERANCE = 1e-10  # of the row's scale
AMOUNT_TOLERANCE = 1e-12  # of the row's scale
EXAMPLES_MAX = 5


@dataclass(frozen=True)
class Expected:
    """What one contract should give."""

    status: RowStatus
    flows: Sequence[tuple[int, float]] = ()
    """Day and amount, legs in order, each in order of payment; those on or before the valuation date are left out here."""
    pv: float = 0.0
    """Native currency."""
    scale: float = 1.0
    """Size of the contract, native currency: differences are fractions of it."""


class Oracle(Protocol):
    """QuantLib under one market."""

    def expected(self, row: dict[str, Any]) -> Expected: ...


class QuantlibMarket:
    """The market's curves as QuantLib's, and the evaluation date set; the base of an oracle."""

    def __init__(self, market: Market) -> None:
        ql.Settings.instance().evaluationDate = date_of(market.as_of)
        self.market = market
        self._curves = {curve.name: term_structure(curve, as_of=market.as_of) for curve in market.curves}

    def discount(self, curve: str, day: int, *, credit_spread: float = 0.0) -> float:
        """QuantLib's discount factor."""
        return float(self.spread_curve(curve, credit_spread).discount(date_of(day)))

    def spread_curve(self, curve: str, credit_spread: float) -> Any:
        """QuantLib's curve with a constant zero spread."""
        return with_spreads(self._curves[curve], spread_curve=None, credit_spread=credit_spread, as_of=self.market.as_of)

    def curve(self, name: str) -> ql.YieldTermStructure:
        """QuantLib's curve of this name."""
        return self._curves[name]

    def fx(self, currency: str) -> float:
        """Price in base currency."""
        return self.market.fx(currency)


def compare_flows(
    product: str,
    contracts: int,
    seed: int,
    *,
    random_row: Callable[[int, Market, np.random.Generator], dict[str, Any]],
    oracle: Callable[[Market], Oracle],
    market_of: Callable[[Market], Market] = lambda market: market,
) -> Comparison:
    """Value `contracts` random contracts here and by the oracle: status, days and amounts of flows, and PV."""
    rng, spec = np.random.default_rng(seed), pricer(product)
    largest, mismatches = {"pv": 0.0, "amount": 0.0}, 0
    examples: list[dict[str, Any]] = []
    statuses: dict[str, int] = {}
    for number, as_of in enumerate(VALUATION_DAYS):
        market = market_of(random_market(as_of, currencies=CURRENCIES, seed=seed + number))
        count = contracts // len(VALUATION_DAYS) + (number < contracts % len(VALUATION_DAYS))
        rows = [random_row(as_of, market, rng) for _ in range(count)]
        batch = contracts_of(spec.columns, rows)
        valued = value_contracts(spec, batch, market=market, measures=frozenset({Measure.PV}))
        assert spec.lower is not None, f"{product} is a cash-flow product"
        flows = spec.lower(batch, as_of=as_of, fixings=market.fixings).cashflows
        theirs = oracle(market)
        for i, row in enumerate(rows):
            expected = theirs.expected(row)
            status = RowStatus(valued.status[i])
            statuses[status.name] = statuses.get(status.name, 0) + 1
            part = slice(*flows.flow_offsets[flows.leg_offsets[[i, i + 1]]])
            found = list(zip(flows.pay_day[part].tolist(), flows.amount[part].tolist(), strict=True))
            faults = _faults(status, found, float(valued.values[Measure.PV][i]), expected, as_of, largest)
            mismatches += bool(faults)
            if faults and len(examples) < EXAMPLES_MAX:
                examples.append({"as_of": as_of, **row, "faults": faults})
    ql.Settings.instance().evaluationDate = ql.Date()
    details = {"statuses": statuses, "largest_differences": largest, "examples": examples}
    return Comparison(contracts, largest["pv"], mismatches, details)


def _faults(
    status: RowStatus, found: list[tuple[int, float]], pv: float, expected: Expected, as_of: int, largest: dict[str, float]
) -> list[str]:
    if status != expected.status:
        return [f"status {status.name}, expected {expected.status.name}"]
    if status != RowStatus.OK:
        return []
    flows = [(day, amount) for day, amount in expected.flows if day > as_of]
    if [day for day, _ in found] != [day for day, _ in flows]:
        return [f"payment days {[day for day, _ in found]}, expected {[day for day, _ in flows]}"]
    amounts = [abs(ours - theirs) / expected.scale for (_, ours), (_, theirs) in zip(found, flows, strict=True)]
    differences = {"amount": max(amounts, default=0.0), "pv": abs(pv - expected.pv) / expected.scale}
    faults = []
    for name, tolerance in (("amount", AMOUNT_TOLERANCE), ("pv", PV_TOLERANCE)):
        largest[name] = max(largest[name], differences[name])
        if not differences[name] <= tolerance:
            faults.append(f"{name} differs by {differences[name]:.3g}")
    return faults
