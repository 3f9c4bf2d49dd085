"""Random swaps over all conventions against QuantLib; `python -m benchmarks.accuracy` compares more of them."""

import pytest

from pricers.market.conventions import SWAP_CONVENTIONS, SwapKind
from tests.oracles import accuracy_cross_currency, accuracy_swaps
from tests.oracles.accuracy_swaps import PV_TOLERANCE
from tests.oracles.swap_conventions import differences_of_conventions


def test_random_swaps_equal_quantlib_in_value():
    comparison = accuracy_swaps.compare(100, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.contracts > 95
    assert comparison.max_pv_difference <= PV_TOLERANCE
    compared = comparison.details["compared"]
    for name in ("notional_dates", "spread_dates", "lookback_days", "lockout_days", "payment_lag", "first_coupon_date", "rate", "index"):
        assert compared[f"receive_leg_{name}"] + compared[f"pay_leg_{name}"] > 2, name
    assert min(compared[name] for name in ("initial_exchange", "intermediate_exchange", "final_exchange", "upfront_amount")) > 2


def test_random_cross_currency_swaps_equal_quantlib_in_value():
    comparison = accuracy_cross_currency.compare(100, seed=20261201)
    assert comparison.details["examples"] == []
    assert comparison.mismatches == 0
    assert comparison.contracts > 95
    assert comparison.max_pv_difference <= PV_TOLERANCE
    compared = comparison.details["compared"]
    assert min(compared[name] for name in ("fx_reset_index", "is_representable")) > 15
    assert min(compared[name] for name in ("fx_reset_lag", "notional_payment_lag", "current_fx_fixing")) > 2


def test_swaps_of_named_conventions_equal_those_that_quantlib_makes():
    found = differences_of_conventions("2026-03-16")
    assert found.keys() == {name for name, convention in SWAP_CONVENTIONS.items() if convention.kind is SwapKind.FIXED_FLOAT}
    assert found == {name: pytest.approx(0.0, abs=PV_TOLERANCE) for name in found}
