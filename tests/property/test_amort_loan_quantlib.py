"""Random loans over all amortisations and conventions against QuantLib; `python -m benchmarks.accuracy` compares more of them."""

from pricers.flows.balances import AMORTISATIONS
from tests.oracles.accuracy_loans import PV_TOLERANCE, compare


def test_random_loans_equal_quantlib_in_flows_value_prices_and_yields():
    comparison = compare(300, seed=20261123)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.contracts == 300
    assert comparison.max_pv_difference <= PV_TOLERANCE
    assert all(comparison.details["counts"][name] > 30 for name in AMORTISATIONS)
    assert comparison.details["counts"]["OK"] > 250
    assert all(comparison.details["compared"][name] > 200 for name in ("pv", "yield_to_maturity", "convexity", "z_spread"))
