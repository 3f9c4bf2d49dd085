"""Random FX forwards against QuantLib; `python -m benchmarks.accuracy` compares more of them."""

from tests.oracles.accuracy_fx import PV_TOLERANCE, compare


def test_random_forwards_equal_quantlib_in_delivery_dates_and_value():
    comparison = compare(300, seed=20261123)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.contracts == 300
    assert comparison.max_pv_difference <= PV_TOLERANCE
    assert comparison.details["statuses"]["OK"] > 200
    assert comparison.details["statuses"]["MATURED"] > 20
