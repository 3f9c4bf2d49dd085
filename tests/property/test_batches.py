"""A row's numbers are the same bits whatever rows are valued with it, so that shards may have any size and may be retried in parts."""

from itertools import pairwise

import numpy as np
import pytest

from pricers import Scenarios, compile_contracts, present_values, pricer, value_cashflows
from riskray.market.build import build_market
from riskray.portfolio.contracts import contracts_from_arrow
from riskray.portfolio.generate import GENERATED_PRODUCTS, generate_portfolio
from riskray.snapshots.demo import demo_market

ROWS = 24


@pytest.fixture(scope="module")
def market():
    return build_market(demo_market(), base_currency="USD")


@pytest.fixture(scope="module")
def scenarios(market):
    shifts = {curve.name: np.full((curve.zero_rates.size, 3), [0.0, 0.01, -0.002]) for curve in market.curves}
    return Scenarios(3, shifts=shifts, fx_factors={"EUR": np.array([1.0, 1.1, 0.9])})


def _numbers(product, contracts, market, scenarios):
    """Every number of each row, in a list of arrays."""
    compiled = compile_contracts(product, contracts, as_of=market.as_of, fixings=market.fixings)
    found, vectors = value_cashflows(compiled, market=market), present_values(compiled, market=market, scenarios=scenarios)
    ends = found.bucket_offsets[found.factor_offsets]
    return [
        np.concatenate(
            [[found.status[row]], [values[row] for values in found.values.values()], vectors[row], found.sensitivities[first:last]]
        )
        for row, (first, last) in enumerate(pairwise(ends.tolist()))
    ]


@pytest.mark.parametrize("product", GENERATED_PRODUCTS)
def test_rows_have_the_same_bits_in_any_batch(product, market, scenarios):
    table = generate_portfolio(ROWS, seed=7, as_of=demo_market().as_of, broken_fraction=0.0, shares={product: 1.0})[product]
    contracts = contracts_from_arrow(pricer(product).columns, table)
    together = _numbers(product, contracts, market, scenarios)
    for part in (np.arange(0, ROWS, 2), np.arange(1, ROWS, 2), np.arange(ROWS - 1, ROWS)):
        apart = _numbers(product, contracts.take(part), market, scenarios)
        for row, numbers in zip(part.tolist(), apart, strict=True):
            np.testing.assert_array_equal(numbers, together[row], err_msg=f"{product}, row {row}")
