"""Netted cells equal the sums of their positions; the same bits whatever the batches and their order; failures by either policy."""

from typing import Any

import numpy as np
import pytest

from pricers import Measure, RowStatus, Scenarios, compile_contracts, contracts_of, present_values, pricer, value_contracts
from pricers.core.shapes import canonical, shape_text
from pricers.flows.cashflows import OWN, Term
from pricers.market.market import CurveKind
from pricers.value.netting import LadderGrid, Ladders, ScenarioLadderKey, merge_ladders, net_flows, value_ladders
from pricers.value.scenario_grid import POINTS, interpolation
from tests.unit.pricers.examples import AS_OF, BOND, BONDS, CORPORATE, CORPORATE_BOND, DOLLAR_BOND, EUR, MARKET, USD
from tests.unit.pricers.value.test_valuation import FORWARD

COUNT, CELLS, ROWS = 120, 7, 300


def random_scenarios(*, deviation: float = 0.005) -> Scenarios:
    rng = np.random.default_rng(3)
    moves = {curve.name: rng.normal(0.0, deviation, (curve.zero_rates.size, COUNT)) for curve in (EUR, USD, CORPORATE)}
    for shift in moves.values():
        shift[:, 0], shift[:, 1] = 0.03, -0.03  # parallel shocks of 300 bp
    return Scenarios(
        count=COUNT,
        shifts=moves,
        credit_spread_shift=rng.normal(0.0, 0.002, COUNT),
        fx_factors={"USD": rng.uniform(0.8, 1.2, COUNT)},
    )


SCENARIOS = random_scenarios()


def random_rows(product: str) -> list[dict[str, Any]]:
    rng = np.random.default_rng(7)
    sources = BONDS if product == "FIXED_BOND" else [FORWARD]
    rows = []
    for number in range(ROWS):
        row = {**sources[number % len(sources)], "notional": float(np.round(rng.normal() * 10 ** rng.uniform(3, 8), 2))}
        if product == "FIXED_BOND" and "sinking_dates" not in row:
            row["maturity_date"] = f"{rng.integers(2027, 2066)}-{rng.integers(1, 13):02d}-{rng.integers(1, 28):02d}"
            row.pop("first_coupon_date", None)
        rows.append(row)
    return rows


def compiled_batch(product: str, rows: list[dict[str, Any]]) -> Any:
    return compile_contracts(product, contracts_of(pricer(product).columns, rows), as_of=AS_OF)


def cells_of(rows: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, CELLS, rows).astype(np.int32)


def net(product: str, rows: list[dict[str, Any]], cells: np.ndarray, *, scenarios: Scenarios = SCENARIOS) -> Ladders:
    grid = LadderGrid(market=MARKET, scenarios=scenarios)
    return net_flows(compiled_batch(product, rows), grid=grid, cell_of_row=cells, skip_failing=True).ladders


@pytest.mark.parametrize("product", ["FIXED_BOND", "FX_FWD"])
def test_cells_equal_the_sums_of_their_positions(product: str) -> None:
    rows, cells = random_rows(product), cells_of(ROWS)
    grid = LadderGrid(market=MARKET, scenarios=SCENARIOS)
    compiled = compiled_batch(product, rows)
    netted = net_flows(compiled, grid=grid, cell_of_row=cells, skip_failing=True)
    found = value_ladders(netted.ladders, grid=grid, cell_count=CELLS)
    vectors = present_values(compiled, market=MARKET, scenarios=SCENARIOS)
    today = value_contracts(product, contracts_of(pricer(product).columns, rows), market=MARKET).values[Measure.PV_BASE]
    ok = netted.status == RowStatus.OK
    assert ok.sum() > 0.8 * ROWS
    np.testing.assert_array_equal(ok, np.isfinite(today))
    for cell in range(CELLS):
        members = ok & (cells == cell)
        gross = np.abs(today[members]).sum()
        assert found.pv_base[cell] == pytest.approx(today[members].sum(), abs=1e-13 * gross)
        expected = (vectors[members] - today[members, None]).sum(axis=0)
        moved = np.abs(vectors[members] - today[members, None]).sum(axis=0).max()
        np.testing.assert_allclose(found.pnl[cell], expected, rtol=0, atol=1e-11 * moved)
    total = (vectors[ok] - today[ok, None]).sum(axis=0)
    np.testing.assert_allclose(found.pnl.sum(axis=0), total, rtol=1e-9)


def test_batches_of_any_size_in_any_order_give_the_same_bits() -> None:
    rows, cells = random_rows("FIXED_BOND"), cells_of(ROWS)
    forwards = random_rows("FX_FWD")
    whole = merge_ladders([net("FIXED_BOND", rows, cells), net("FX_FWD", forwards, cells)])
    parts = [net("FX_FWD", forwards, cells)]
    for start, stop in ((0, 1), (1, 2), (2, 77), (77, 150), (150, 300)):
        parts.append(net("FIXED_BOND", rows[start:stop], cells[start:stop]))
    order = np.random.default_rng(1).permutation(len(parts))
    halves = [merge_ladders([parts[i] for i in order[:3]]), merge_ladders([parts[i] for i in order[3:]])]
    pieces = merge_ladders([Ladders.from_bytes(half.to_bytes()) for half in reversed(halves)])
    assert whole.to_bytes() == pieces.to_bytes()
    grid = LadderGrid(market=MARKET, scenarios=SCENARIOS)
    one, other = (value_ladders(ladders, grid=grid, cell_count=CELLS) for ladders in (whole, pieces))
    np.testing.assert_array_equal(one.pnl, other.pnl)
    np.testing.assert_array_equal(one.pv_base, other.pv_base)


def test_long_and_short_of_the_same_contract_net_to_exactly_nothing() -> None:
    rows = [BOND, CORPORATE_BOND, *({**row, "notional": -row["notional"]} for row in (CORPORATE_BOND, BOND))]
    grid = LadderGrid(market=MARKET, scenarios=SCENARIOS)
    found = value_ladders(net("FIXED_BOND", rows, np.zeros(4, np.int32)), grid=grid, cell_count=1)
    assert not found.pnl.any()
    assert not found.pv_base.any()


def test_huge_position_does_not_drown_its_neighbours() -> None:
    rows = [{**BOND, "notional": amount} for amount in (9e13, 123.45, -9e13)]
    grid = LadderGrid(market=MARKET, scenarios=SCENARIOS)
    found = value_ladders(net("FIXED_BOND", rows, np.zeros(3, np.int32)), grid=grid, cell_count=1)
    alone = value_ladders(net("FIXED_BOND", rows[1:2], np.zeros(1, np.int32)), grid=grid, cell_count=1)
    np.testing.assert_allclose(found.pnl, alone.pnl, rtol=1e-9)


def test_row_that_is_left_out_or_cannot_be_valued_is_in_no_ladder() -> None:
    rows = [BOND, {**BOND, "discount_curve": "MARS"}, {**BOND, "maturity_date": "2025-05-20"}, DOLLAR_BOND, {**BOND, "notional": 1e18}]
    grid = LadderGrid(market=MARKET, scenarios=SCENARIOS)
    netted = net_flows(
        compiled_batch("FIXED_BOND", rows), grid=grid, cell_of_row=np.array([0, 0, 0, -1, 0], np.int32), skip_failing=True
    )  # fmt: skip
    assert netted.status.tolist() == [
        RowStatus.OK, RowStatus.MISSING_CURVE, RowStatus.MATURED, RowStatus.OK, RowStatus.NOT_FINITE,
    ]  # fmt: skip
    found = value_ladders(netted.ladders, grid=grid, cell_count=1)
    alone = value_ladders(net("FIXED_BOND", [BOND], np.zeros(1, np.int32)), grid=grid, cell_count=1)
    np.testing.assert_array_equal(found.pnl, alone.pnl)


def test_interpolated_ratios_equal_the_exact_ones_on_every_day() -> None:
    grid = LadderGrid(market=MARKET, scenarios=SCENARIOS)
    corporate = Term("CORPORATE", kind=CurveKind.SPREAD)
    for currency, terms in (("EUR", (Term("EUR"),)), ("USD", (Term("USD"),)), ("EUR", (Term("EUR"), corporate))):
        key = ScenarioLadderKey(currency, shape_text(canonical((*terms, Term(OWN)))[0]))
        days = np.arange(1, grid.horizon + 1)
        first, weights = interpolation(days, grid.basis(key).breaks)
        changes = grid.changes(key)
        found = sum(weights[:, [point]] * changes[first + point] for point in range(POINTS))
        exact = np.expm1(-grid.exponents(key, days.astype(np.float64)))
        assert np.max(np.abs(found - exact) / (1.0 + exact)) < 1e-11


def broken_scenarios() -> Scenarios:
    """The second scenario sends the long end of EUR to -10,000 %: discount factors beyond any float."""
    shift = np.zeros((EUR.zero_rates.size, 3))
    shift[:, 0], shift[5, 1], shift[:, 2] = 0.01, -100.0, -0.01
    return Scenarios(3, shifts={"EUR": shift})


def test_position_that_fails_in_a_scenario_is_dropped_everywhere_or_the_scenario_has_no_value() -> None:
    short, long = {**BOND, "maturity_date": "2028-05-20"}, {**BOND, "maturity_date": "2055-05-20"}
    grid = LadderGrid(market=MARKET, scenarios=broken_scenarios())
    compiled, cells = compiled_batch("FIXED_BOND", [short, long, short]), np.array([0, 0, 1], np.int32)
    dropped = net_flows(compiled, grid=grid, cell_of_row=cells, skip_failing=True)
    assert dropped.status.tolist() == [RowStatus.OK, RowStatus.NOT_FINITE, RowStatus.OK]
    without = value_ladders(dropped.ladders, grid=grid, cell_count=2)
    np.testing.assert_array_equal(without.pnl[0], without.pnl[1])
    assert np.isfinite(without.pnl).all()
    kept = net_flows(compiled, grid=grid, cell_of_row=cells, skip_failing=False)
    assert kept.status.tolist() == [RowStatus.OK] * 3
    with_gap = value_ladders(kept.ladders, grid=grid, cell_count=2)
    assert np.isnan(with_gap.pnl).tolist() == [[False, True, False], [False, False, False]]
    expected = present_values(compiled, market=MARKET, scenarios=Scenarios(2, shifts={"EUR": grid.scenarios.shifts["EUR"][:, [0, 2]]}))
    today = present_values(compiled, market=MARKET, scenarios=Scenarios(1))
    np.testing.assert_allclose(with_gap.pnl[0, [0, 2]], (expected - today)[:2].sum(axis=0), rtol=1e-10)


def test_ladders_of_different_scenarios_do_not_merge() -> None:
    first = net("FIXED_BOND", [BOND], np.zeros(1, np.int32))
    second = net("FIXED_BOND", [BOND], np.zeros(1, np.int32), scenarios=random_scenarios(deviation=0.05))
    with pytest.raises(ValueError, match="different markets or scenarios"):
        merge_ladders([first, second])


def test_wrong_number_of_cells_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="1 rows need as many cells, have 2"):
        net("FIXED_BOND", [BOND], np.zeros(2, np.int32))
