"""Random floating-rate bonds over all conventions against QuantLib; `python -m benchmarks.accuracy` compares more of them."""

from tests.oracles.accuracy_floating_bonds import PV_TOLERANCE, compare
from tests.oracles.quantlib_floating import INDICES


def test_random_floating_rate_bonds_equal_quantlib_in_value_and_prices():
    comparison = compare(300, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.contracts > 295
    assert comparison.max_pv_difference <= PV_TOLERANCE
    compared = comparison.details["compared"]
    assert all(compared[name] > 8 for name in (*INDICES, "PAR", "INDEXED", "lookback_days", "observation_shift", "lockout_days"))
    assert all(compared[name] > 5 for name in ("spread_compounding", "AVERAGED", "SUBPERIOD_COMPOUNDED", "spread_dates", "sinking_dates"))
    assert compared["accrued_interest"] > 100
