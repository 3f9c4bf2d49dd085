"""Random bonds over all conventions against QuantLib; `python -m benchmarks.accuracy` compares more of them."""

from pricers.time.day_count import DAY_COUNTS
from pricers.time.schedule import STUBS
from tests.oracles.accuracy_bonds import PV_TOLERANCE, compare


def test_random_bonds_equal_quantlib_in_flows_value_prices_and_yields():
    comparison = compare(300, seed=20261123)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.contracts == 300
    assert comparison.max_pv_difference <= PV_TOLERANCE
    compared = comparison.details["compared"]
    assert all(compared[name] > 10 for name in (*DAY_COUNTS, "interest_start_date"))
    assert all(compared[name] > 5 for name in STUBS)
    assert all(compared[name] > 280 for name in ("pv", "clean_price", "accrued_interest", "yield_to_maturity", "convexity", "z_spread"))


def test_random_bonds_that_pay_by_frequency_equal_quantlib_in_flows_value_and_accrued_interest():
    comparison = compare(150, seed=20261201, coupon_amount="BY_FREQUENCY")
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.details["compared"]["accrued_interest"] > 120
