"""Random forward rate agreements and rate futures against QuantLib; `python -m benchmarks.accuracy` compares more of them."""

import pytest

from tests.oracles.accuracy_single_period import compare, compare_futures
from tests.oracles.accuracy_swaps import PV_TOLERANCE


@pytest.mark.parametrize(
    ("compared_with", "terms"),
    [
        (compare, ("maturity_date", "first_fixing", "MATURED")),
        (compare_futures, ("end_date", "convexity_adjustment", "rate_method", "MATURED")),
    ],
)
def test_random_contracts_equal_quantlib_in_value(compared_with, terms):
    comparison = compared_with(200, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.max_pv_difference <= PV_TOLERANCE
    assert all(comparison.details["compared"][name] > 4 for name in terms)
