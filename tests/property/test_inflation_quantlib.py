"""Random inflation-linked bonds and inflation swaps against QuantLib; `python -m benchmarks.accuracy` compares more of them."""

import pytest

from tests.oracles.accuracy_inflation import compare_bonds, compare_swaps


@pytest.mark.parametrize("compare", [compare_bonds, compare_swaps])
def test_random_contracts_equal_quantlib(compare):
    comparison = compare(120, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.details["statuses"]["OK"] > 100
    assert 0.0 < comparison.max_pv_difference <= 1e-10
