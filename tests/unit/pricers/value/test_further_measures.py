"""Gamma, inflation 01, par rates, jump to default and recovery 01 against revaluations under moved markets and terms."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pricers import (
    Cashflows,
    Curve,
    CurveKind,
    InflationBase,
    Lowered,
    Market,
    Measure,
    RowStatus,
    Term,
    Text,
    contracts_of,
    pricer,
    value_cashflows,
    value_contracts,
)
from pricers.core.compiled import compile_cashflows
from tests.unit.pricers.examples import AS_OF, BOND, MARKET
from tests.unit.pricers.floating_examples import FLOATERS, FLOATING_MARKET
from tests.unit.pricers.products.credit.test_default_swap import ACME, CREDIT_MARKET, NEW, SWAP
from tests.unit.pricers.products.rates.test_swap import AMORTISING_SWAP, BASIS_SWAP, EURIBOR_SWAP, LOOKBACK_SWAP, SWAPS

BP = 1e-4


def measures(product: str, rows: list[dict[str, Any]], market: Market) -> dict[Measure, np.ndarray]:
    valuation = value_contracts(product, contracts_of(pricer(product).columns, rows), market=market)
    assert (valuation.status == RowStatus.OK).all(), valuation.messages
    return dict(valuation.values)


def moved(market: Market, kind: CurveKind, shift: float) -> Market:
    curves = [replace(curve, zero_rates=curve.zero_rates + shift) if curve.kind is kind else curve for curve in market.curves]
    return replace(market, curves=tuple(curves))


@pytest.mark.parametrize(("product", "rows"), [("INTEREST_RATE_SWAP", SWAPS), ("FLOATING_RATE_BOND", FLOATERS)])
def test_gamma_is_the_second_difference_of_values_under_moved_rates(product: str, rows: list[dict[str, Any]]) -> None:
    base = measures(product, rows, FLOATING_MARKET)
    up, down = (measures(product, rows, moved(FLOATING_MARKET, CurveKind.RATE, shift))[Measure.PV_BASE] for shift in (BP, -BP))
    np.testing.assert_allclose(base[Measure.GAMMA], up + down - 2.0 * base[Measure.PV_BASE], rtol=1e-6, atol=2e-8)
    assert (np.abs(base[Measure.GAMMA]) > 1e-6).all()


def test_swap_at_its_par_rate_or_breakeven_spread_is_worth_its_upfront_amount_alone() -> None:
    found = measures("INTEREST_RATE_SWAP", SWAPS, FLOATING_MARKET)
    fee = {"upfront_amount": 0.0, "upfront_date": None}
    for number, swap in enumerate(SWAPS):
        par, spread = found[Measure.PAR_RATE][number], found[Measure.BREAKEVEN_SPREAD][number]
        if swap is not BASIS_SWAP:
            rate = "pay_leg_rate" if swap is LOOKBACK_SWAP else "fixed_rate"
            assert measures("INTEREST_RATE_SWAP", [{**swap, **fee, rate: par}], FLOATING_MARKET)[Measure.PV][0] == pytest.approx(
                0.0, abs=1e-6
            )
        leg = "receive_leg_spread" if swap in (BASIS_SWAP, LOOKBACK_SWAP) else "pay_leg_spread"
        at_spread = {**swap, **fee, leg: spread} | ({"spread": None} if swap is BASIS_SWAP else {})
        assert measures("INTEREST_RATE_SWAP", [at_spread], FLOATING_MARKET)[Measure.PV][0] == pytest.approx(0.0, abs=1e-6), swap
    assert np.isnan(found[Measure.PAR_RATE]).tolist() == [swap is BASIS_SWAP for swap in SWAPS]


def test_upfront_amount_does_not_move_the_par_rate() -> None:
    fee = {"upfront_amount": 1e5, "upfront_date": "2026-06-01"}
    with_fee, without = (measures("INTEREST_RATE_SWAP", [row], FLOATING_MARKET) for row in ({**EURIBOR_SWAP, **fee}, EURIBOR_SWAP))
    assert with_fee[Measure.PV][0] > without[Measure.PV][0] + 9e4
    assert with_fee[Measure.PAR_RATE][0] == pytest.approx(without[Measure.PAR_RATE][0], abs=1e-12)


def test_compounded_margin_has_no_breakeven_spread() -> None:
    swap = {**LOOKBACK_SWAP, "receive_leg_spread": 0.001, "receive_leg_spread_compounding": "COMPOUNDED"}
    found = measures("INTEREST_RATE_SWAP", [swap, AMORTISING_SWAP], FLOATING_MARKET)
    assert np.isnan(found[Measure.BREAKEVEN_SPREAD]).tolist() == [True, False]


def test_default_swap_at_its_breakeven_spread_is_worth_its_price_alone() -> None:
    found = measures("CREDIT_DEFAULT_SWAP", [SWAP, NEW, {**SWAP, "coupon_rate": 0.0}], CREDIT_MARKET)[Measure.BREAKEVEN_SPREAD]
    for row, spread in ((SWAP, found[0]), ({**NEW, "upfront_rate": None}, found[1])):
        assert 0.005 < spread < 0.03
        at_spread = measures("CREDIT_DEFAULT_SWAP", [{**row, "coupon_rate": spread}], CREDIT_MARKET)
        assert at_spread[Measure.PV][0] == pytest.approx(0.0, abs=1e-5)
    assert np.isnan(found[2])


def test_jump_to_default_pays_the_loss_less_premium_accrued_and_ends_what_depends_on_survival() -> None:
    found = measures("CREDIT_DEFAULT_SWAP", [SWAP, {**SWAP, "protection_start": "2026-06-20"}, NEW], CREDIT_MARKET)
    fx, accrued_days = MARKET.fx_to_base["USD"], 84  # from 22 December 2025 to 16 March 2026
    accrued = 1e7 * 0.01 * (accrued_days + 0.5 + 1.0) / 360
    expected = fx * (6e6 - accrued) - found[Measure.PV_BASE][0]
    assert found[Measure.JUMP_TO_DEFAULT][0] == pytest.approx(expected, abs=fx * 1e7 * 0.01 * 1.01 / 360)  # a day of premium
    assert found[Measure.JUMP_TO_DEFAULT][1] < 0.0 < found[Measure.JUMP_TO_DEFAULT][2]


def test_recovery_moves_protection_and_hazard_rates_together() -> None:
    rows = [SWAP, {**SWAP, "recovery_rate": 0.25}, {**NEW, "notional": -2e6}]
    base = measures("CREDIT_DEFAULT_SWAP", rows, CREDIT_MARKET)
    for number, row in enumerate(rows):
        loss = 1.0 - row.get("recovery_rate", 0.4)
        scaled = replace(ACME, zero_rates=ACME.zero_rates * loss / (loss - 0.01))
        market = replace(CREDIT_MARKET, curves=tuple(scaled if curve is ACME else curve for curve in CREDIT_MARKET.curves))
        after = measures("CREDIT_DEFAULT_SWAP", [{**row, "recovery_rate": 1.0 - loss + 0.01}], market)[Measure.PV_BASE][0]
        assert base[Measure.RECOVERY01][number] == pytest.approx(after - base[Measure.PV_BASE][number], rel=1e-7, abs=1e-6)


def test_inflation_01_is_a_revaluation_under_higher_inflation() -> None:
    base = InflationBase("INDEX", -75, 118.0)
    months = np.array([365, 1826, 3652], np.int32)
    curve = Curve("INDEX", CurveKind.INFLATION, "", "LINEAR_ZERO", ("1Y", "5Y", "10Y"), months, np.array([0.02, 0.021, 0.022]), base=base)
    market = replace(MARKET, curves=(*MARKET.curves, curve))
    days = np.array([AS_OF + 700, AS_OF + 2000], np.int32)
    shape = (Term("EUR"), Term("INDEX", lag=31, sign=-1, kind=CurveKind.INFLATION))
    flows = Cashflows(
        1, np.array([0, 1]), Text.of(["EUR"]), np.zeros(1), np.array([0, 2]), (shape,), np.zeros(1, np.int32), days, days,
        np.array([3e4, 1e6]), np.zeros(2),
    )  # fmt: skip
    lowered = Lowered(AS_OF, np.zeros(1, np.uint8), Text.of(["EUR"]), flows, None)
    compiled = compile_cashflows(lowered, measures=frozenset({Measure.IE01}))
    found, after = (value_cashflows(compiled, market=each) for each in (market, moved(market, CurveKind.INFLATION, BP)))
    assert found.values[Measure.IE01][0] == pytest.approx(after.values[Measure.PV_BASE][0] - found.values[Measure.PV_BASE][0], rel=1e-7)
    assert abs(found.values[Measure.IE01][0]) > 100.0


def test_undrawn_amount_is_in_base_currency_and_0_once_nothing_can_be_drawn() -> None:
    facility = {
        "currency": "USD", "commitment_amount": 5e6, "drawn_balance": 2e6, "index": "USD-SOFR", "start_date": "2024-03-15",
        "maturity_date": "2034-03-15", "discount_curve": "USD-SOFR",
    }  # fmt: skip
    rows = [facility, {**facility, "commitment_amount": -5e6}, {**facility, "availability_end_date": "2026-03-01"}]
    found = measures("REVOLVING_CREDIT", rows, FLOATING_MARKET)[Measure.UNDRAWN_AMOUNT]
    assert found.tolist() == pytest.approx([3e6 * 0.9, -3e6 * 0.9, 0.0])


def test_products_without_these_measures_have_none() -> None:
    found = measures("FIXED_BOND", [BOND], MARKET)
    for measure in (Measure.GAMMA, Measure.IE01, Measure.PAR_RATE, Measure.JUMP_TO_DEFAULT, Measure.UNDRAWN_AMOUNT):
        assert np.isnan(found[measure][0])
