"""Conventions that ship: every name that they use is known, and the terms that markets agree on."""

import pytest

from pricers.market.conventions import FX_CONVENTIONS, RATE_FUTURE_CONVENTIONS, SWAP_CONVENTIONS, SwapKind
from pricers.time.calendar_names import is_calendar
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS
from pricers.time.day_count import DAY_COUNTS
from pricers.time.schedule import FREQUENCIES


@pytest.mark.parametrize("name", SWAP_CONVENTIONS)
def test_a_swap_convention_uses_known_names(name):
    swap = SWAP_CONVENTIONS[name]
    assert is_calendar(swap.spot_calendar)
    assert 0 <= swap.spot_lag <= 2
    for leg in swap.legs:
        assert leg.day_count in DAY_COUNTS
        assert leg.frequency in FREQUENCIES
        assert {leg.accrual_convention, leg.payment_convention} <= {*BUSINESS_DAY_CONVENTIONS}
        assert is_calendar(leg.calendar)
        assert leg.index is None or leg.index.startswith(leg.currency)
    fixed = [leg.index is None for leg in swap.legs]
    assert fixed == [swap.kind is SwapKind.FIXED_FLOAT, False]
    assert (swap.legs[0].currency != swap.legs[1].currency) == (swap.kind is SwapKind.CROSS_CURRENCY)


@pytest.mark.parametrize(
    ("name", "spot_lag", "payment_lag", "day_count"),
    [
        ("USD-FIXED-1Y-SOFR-OIS", 2, 2, "ACT/360"),
        ("EUR-FIXED-1Y-ESTR-OIS", 2, 1, "ACT/360"),
        ("GBP-FIXED-1Y-SONIA-OIS", 0, 0, "ACT/365F"),
        ("CHF-FIXED-1Y-SARON-OIS", 2, 2, "ACT/360"),
        ("JPY-FIXED-1Y-TONA-OIS", 2, 2, "ACT/365F"),
        ("CAD-FIXED-1Y-CORRA-OIS", 1, 1, "ACT/365F"),
        ("AUD-FIXED-1Y-AONIA-OIS", 1, 1, "ACT/365F"),
        ("EUR-FIXED-1Y-EURIBOR-6M", 2, 0, "30/360 BOND BASIS"),
    ],
)
def test_terms_of_the_fixed_leg(name, spot_lag, payment_lag, day_count):
    swap = SWAP_CONVENTIONS[name]
    assert (swap.spot_lag, swap.legs[0].payment_lag, swap.legs[0].day_count) == (spot_lag, payment_lag, day_count)


def test_cross_currency_swaps_carry_the_spread_on_the_first_leg_and_reset_the_second():
    swap = SWAP_CONVENTIONS["USD-SOFR-EUR-ESTR-XCCY"]
    assert [leg.index for leg in swap.legs] == ["EUR-ESTR", "USD-SOFR"]
    assert swap.is_resetting
    assert not SWAP_CONVENTIONS["USD-SOFR-EUR-ESTR-XCCY-CONSTANT"].is_resetting


def test_pairs_and_futures():
    assert FX_CONVENTIONS["USD/CAD"].spot_lag == 1
    for name, pair in FX_CONVENTIONS.items():
        assert is_calendar(pair.calendar)
        assert name == f"{pair.base_currency}/{pair.quote_currency}"
    assert RATE_FUTURE_CONVENTIONS["EUR-EURIBOR-3M-IMM"].index == "EUR-EURIBOR-3M"
    assert RATE_FUTURE_CONVENTIONS["USD-SOFR-3M-IMM"].months == 3
