"""Random credit default swaps against QuantLib; `python -m benchmarks.accuracy` compares more of them."""

from tests.oracles.accuracy_credit import PV_TOLERANCE, compare


def test_random_swaps_equal_quantlib_by_the_standard_model():
    comparison = compare(150, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.contracts == 150
    assert comparison.max_pv_difference <= PV_TOLERANCE
    assert comparison.details["counts"] == {"OK": 150}
