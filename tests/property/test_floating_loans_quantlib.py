"""Random floating loans and revolving credit against QuantLib; `python -m benchmarks.accuracy` compares more of them."""

import pytest

from tests.oracles.accuracy_floating_loans import PV_TOLERANCE, compare, compare_facilities


@pytest.mark.parametrize("compare_product", [compare, compare_facilities])
def test_random_contracts_equal_quantlib_in_status_and_value(compare_product):
    comparison = compare_product(150, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.contracts > 140
    assert comparison.max_pv_difference <= PV_TOLERANCE
    assert comparison.details["counts"]["OK"] > 100
