import numpy as np
import pytest

from pricers.market.curves import discount_factors, pillar_gains
from pricers.market.market import Curve, CurveKind, curve_tables
from tests.unit.pricers.examples import CORPORATE, EUR, LABELS, PILLARS, USD, shifted

DAYS = np.array([0, 1, 45, 91, 200, 365, 1000, 3652, 9000, 10957, 14000])
FLAT = Curve("FLAT", CurveKind.RATE, "EUR", "LOG_LINEAR_DISCOUNT", ("1Y",), np.array([365], np.int32), np.array([0.03]))


@pytest.mark.parametrize("curve", [EUR, USD])
def test_discount_factor_at_a_pillar_is_that_of_its_zero_rate(curve):
    expected = np.exp(-curve.zero_rates * PILLARS / 365.0)
    np.testing.assert_allclose(discount_factors(curve, days=PILLARS), expected, rtol=1e-15)


def test_linear_zero_interpolates_the_rate_and_holds_it_beyond_the_ends():
    rate = np.interp(DAYS, PILLARS, EUR.zero_rates)
    np.testing.assert_allclose(discount_factors(EUR, days=DAYS), np.exp(-rate * DAYS / 365.0), rtol=1e-14)


def test_log_linear_discount_interpolates_its_logarithm_and_extends_the_last_forward():
    logs = np.concatenate([[0.0], -USD.zero_rates * PILLARS / 365.0])
    inside = DAYS[PILLARS[-1] >= DAYS]
    np.testing.assert_allclose(np.log(discount_factors(USD, days=inside)), np.interp(inside, [0, *PILLARS], logs), atol=1e-15)
    forward = (logs[-1] - logs[-2]) / (PILLARS[-1] - PILLARS[-2])
    beyond = np.log(discount_factors(USD, days=np.array([14000])))[0]
    assert beyond == pytest.approx(logs[-1] + forward * (14000 - PILLARS[-1]), rel=1e-13)


@pytest.mark.parametrize("curve", [EUR, USD, CORPORATE, FLAT])
def test_bump_of_one_pillar_equals_the_curve_built_again_with_it(curve):
    tables, bump = curve_tables((curve,)), 1e-4
    before = discount_factors(curve, days=DAYS)
    for pillar in range(curve.zero_rates.size):
        rebuilt = discount_factors(shifted(curve, np.where(np.arange(curve.zero_rates.size) == pillar, bump, 0.0)), days=DAYS)
        for i, day in enumerate(DAYS):
            left, gain_left, gain_right = pillar_gains(day, 0, tables)
            gain = gain_left if pillar == left else gain_right if pillar == left + 1 else 0.0
            assert before[i] * np.exp(-bump * gain) == pytest.approx(rebuilt[i], rel=1e-14)


@pytest.mark.parametrize("curve", [EUR, USD, CORPORATE, FLAT])
def test_gains_of_a_day_add_up_to_its_time(curve):
    for day in DAYS:
        _, gain_left, gain_right = pillar_gains(day, 0, curve_tables((curve,)))
        assert gain_left + gain_right == pytest.approx(day / 365.0, rel=1e-14)


def test_day_before_the_valuation_date_is_refused():
    with pytest.raises(ValueError, match="3 days before the valuation date"):
        discount_factors(EUR, days=np.array([10, -3]))


@pytest.mark.parametrize(
    ("days", "rates", "message"),
    [
        ([365, 365], [0.01, 0.02], "increasing"),
        ([0, 365], [0.01, 0.02], "positive"),
        ([91, 365], [0.01, np.nan], "not finite"),
        ([91], [0.01, 0.02], "same length"),
    ],
)
def test_unusable_curve_is_refused_with_its_name(days, rates, message):
    with pytest.raises(ValueError, match=f"curve 'X'.*{message}"):
        Curve("X", CurveKind.RATE, "EUR", "LINEAR_ZERO", LABELS[: len(rates)], np.array(days, np.int32), np.array(rates))
