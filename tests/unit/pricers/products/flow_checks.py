"""What every product of cash flows must do, whatever its terms: its risk is what bumped and shocked markets give."""

from dataclasses import replace

import numpy as np
import pytest

from pricers import FactorKind, Measure, Scenarios, compile_contracts, contracts_of, factors_of, present_values, pricer, value_contracts
from tests.unit.pricers.examples import shifted, with_curves


def base_values(product, rows, market):
    """PV in base currency; every row must be priced."""
    valuation = value_contracts(product, contracts_of(pricer(product).columns, rows), market=market, measures=frozenset({Measure.PV_BASE}))
    assert not valuation.status.any(), valuation.status
    return valuation.values[Measure.PV_BASE]


def ladders(valuation, rows):
    """Of each row: buckets by number of the factor."""
    found = []
    for row in range(rows):
        entries = range(*valuation.factor_offsets[row : row + 2].tolist())
        found.append({
            int(valuation.factor_nos[entry]): valuation.sensitivities[slice(*valuation.bucket_offsets[entry : entry + 2].tolist())]
            for entry in entries
        })  # fmt: skip
    return found


def check_risk_is_that_of_bumped_markets(product, rows, *, market):
    """Ladders of curves and the currency sensitivities of each row equal full revaluations."""
    found = ladders(value_contracts(product, contracts_of(pricer(product).columns, rows), market=market), len(rows))
    before = base_values(product, rows, market)
    assert all(found)
    for number, factor in enumerate(factors_of(market)):
        for bucket in range(len(factor.bucket_labels)):
            change = base_values(product, rows, bumped(market, number, bucket)) - before
            ours = [row[number][bucket] if number in row else 0.0 for row in found]
            np.testing.assert_allclose(ours, change, rtol=1e-6, atol=1e-9 * np.abs(before).max(initial=1.0), err_msg=factor.name)


def bumped(market, number, bucket):
    """The market with one bucket of a factor bumped."""
    factor = factors_of(market)[number]
    if factor.kind is FactorKind.CURRENCY:
        return replace(market, fx_to_base={**market.fx_to_base, factor.name: market.fx_to_base[factor.name] * (1.0 + factor.bump)})
    if factor.kind is FactorKind.PRICE:
        price = market.prices[factor.name]
        return replace(market, prices={**market.prices, factor.name: price._replace(value=price.value * (1.0 + factor.bump))})
    curve = market.curves[number]
    bump = np.zeros(curve.pillar_days.size)
    bump[bucket] = factor.bump
    return with_curves(market, shifted(curve, bump))


def check_scenarios_are_revaluations(product, rows, *, market, seed=5):
    """Values under scenarios of curves and exchange rates equal those of markets that moved as much."""
    rng, count = np.random.default_rng(seed), 3
    scenarios = Scenarios(
        count=count,
        shifts={curve.name: rng.normal(0.0, 0.01, (curve.pillar_days.size, count)) for curve in market.curves},
        fx_factors={currency: rng.uniform(0.8, 1.2, count) for currency in market.fx_to_base if currency != market.base_currency},
    )
    compiled = compile_contracts(product, contracts_of(pricer(product).columns, rows), as_of=market.as_of, fixings=market.fixings)
    found = present_values(compiled, market=market, scenarios=scenarios)
    for number in range(count):
        curves = tuple(shifted(curve, scenarios.shifts[curve.name][:, number]) for curve in market.curves)
        fx = {name: rate * scenarios.fx_factors.get(name, np.ones(count))[number] for name, rate in market.fx_to_base.items()}
        expected = base_values(product, rows, replace(market, curves=curves, fx_to_base=fx))
        assert found[:, number] == pytest.approx(expected, rel=1e-10, abs=1e-6)


def statuses(product, rows, *, market):
    """RowStatus of each row."""
    return value_contracts(product, contracts_of(pricer(product).columns, rows), market=market).status.tolist()
