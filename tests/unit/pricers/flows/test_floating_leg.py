"""What bonds, loans and swaps share: a floating leg is the same in each, and nets with others under scenarios."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pricers import Measure, RowStatus, Scenarios, compile_contracts, contracts_of, present_values, pricer, value_contracts
from pricers.value.netting import LadderGrid, net_flows, value_ladders
from tests.unit.pricers.examples import AS_OF
from tests.unit.pricers.floating_examples import (
    AVERAGED_FLOATER,
    FLOATER,
    FLOATERS,
    FLOATING_MARKET,
    LOOKBACK_FLOATER,
    OVERNIGHT_FLOATER,
    fixings,
)

SHARED = ("index", "frequency", "calendar", "spread", "lookback_days", "observation_shift", "rate_method")


def swap_of(bond: dict[str, Any]) -> dict[str, Any]:
    """A swap that receives the bond's coupons and pays nothing."""
    received = {f"receive_leg_{name}": bond[name] for name in SHARED if name in bond}
    return {
        "currency": bond["currency"], "notional": bond["notional"], "start_date": bond["issue_date"],
        "maturity_date": bond["maturity_date"], "discount_curve": bond["discount_curve"], "pay_leg_rate": 0.0,
        "pay_leg_day_count": "ACT/360", "pay_leg_frequency": "ANNUAL", "receive_leg_accrual_convention": "MODIFIED_FOLLOWING",
        "receive_leg_payment_convention": "MODIFIED_FOLLOWING", **received,
    }  # fmt: skip


OVERNIGHT_SWAP = swap_of({**OVERNIGHT_FLOATER, "discount_curve": "EUR-ESTR"})


def valued(product: str, *rows: dict[str, Any], market=FLOATING_MARKET) -> dict[Measure, np.ndarray]:
    valuation = value_contracts(product, contracts_of(pricer(product).columns, list(rows)), market=market)
    assert valuation.status.tolist() == [RowStatus.OK] * len(rows)
    return dict(valuation.values)


@pytest.mark.parametrize("bond", [FLOATER, OVERNIGHT_FLOATER, LOOKBACK_FLOATER, {**AVERAGED_FLOATER, "spread_curve": None}])
def test_leg_of_a_swap_is_worth_the_coupons_of_the_bond(bond):
    with_principal = valued("FLOATING_RATE_BOND", bond)[Measure.PV][0]
    principal = {**bond, "coupon_rate": 0.0, "frequency": "ANNUAL", "accrual_convention": "MODIFIED_FOLLOWING",
                 "payment_convention": "MODIFIED_FOLLOWING"}  # fmt: skip
    for name in ("index", "spread", "lookback_days", "rate_method"):
        principal.pop(name, None)
    redemption = valued("FIXED_BOND", principal)[Measure.PV][0]
    coupons = valued("INTEREST_RATE_SWAP", swap_of(bond))[Measure.PV][0]
    assert coupons == pytest.approx(with_principal - redemption, rel=1e-12)


def test_running_overnight_leg_on_one_curve_earns_todays_rate_by_tomorrow():
    """What has accrued today rests on a point before today, and on nothing else where the forecasting curve discounts as well."""
    flat = tuple(replace(curve, zero_rates=np.full_like(curve.zero_rates, 0.03)) for curve in FLOATING_MARKET.curves)
    market = replace(FLOATING_MARKET, curves=flat)
    overnight = (np.exp(0.03 / 365.0) - 1.0) * 360.0
    later = replace(market, as_of=AS_OF + 1, fixings=fixings(AS_OF + 1, **{f"day_{AS_OF}": overnight}))
    today = valued("INTEREST_RATE_SWAP", OVERNIGHT_SWAP, market=market)
    tomorrow = valued("INTEREST_RATE_SWAP", OVERNIGHT_SWAP, market=later)
    assert today[Measure.THETA_1D][0] == pytest.approx(tomorrow[Measure.PV_BASE][0] - today[Measure.PV_BASE][0], abs=1e-7)
    assert abs(today[Measure.THETA_1D][0]) > 1.0


@pytest.mark.parametrize(
    ("product", "rows"), [("FLOATING_RATE_BOND", FLOATERS), ("INTEREST_RATE_SWAP", [OVERNIGHT_SWAP, swap_of(LOOKBACK_FLOATER)])]
)
def test_netted_cells_equal_the_sums_of_their_positions(product, rows):
    rng, count = np.random.default_rng(11), 12
    shifts = {curve.name: rng.normal(0.0, 0.01, (curve.zero_rates.size, count)) for curve in FLOATING_MARKET.curves}
    scenarios = Scenarios(count, shifts=shifts, fx_factors={"USD": rng.uniform(0.8, 1.2, count)})
    contracts = contracts_of(pricer(product).columns, rows)
    compiled = compile_contracts(product, contracts, as_of=AS_OF, fixings=FLOATING_MARKET.fixings)
    cells = (np.arange(len(rows)) % 2).astype(np.int32)
    grid = LadderGrid(market=FLOATING_MARKET, scenarios=scenarios)
    found = value_ladders(net_flows(compiled, grid=grid, cell_of_row=cells, skip_failing=True).ladders, grid=grid, cell_count=2)
    vectors = present_values(compiled, market=FLOATING_MARKET, scenarios=scenarios)
    today = value_contracts(product, contracts, market=FLOATING_MARKET).values[Measure.PV_BASE]
    for cell in range(2):
        own = cells == cell
        assert found.pv_base[cell] == pytest.approx(today[own].sum(), rel=1e-12, abs=1e-7)
        np.testing.assert_allclose(found.pnl[cell], (vectors[own] - today[own, None]).sum(axis=0), rtol=1e-9, atol=1e-6)
