"""Runs under scenarios: whatever happens during a run, the stored vectors equal those of positions valued one by one."""

import json

import numpy as np
import pytest

from pricers.market.market import Scenarios
from pricers.value.revaluation import present_values
from riskray.engine.plan import PositionRange
from riskray.errors import Conflict, InvalidRequest, LeaseLost, NotFound
from riskray.figures.tail_risk import stress_answer, var_answer
from riskray.figures.vectors import VectorReader
from riskray.grid.driver import RunDriver, Signal, drive_or_fail
from riskray.models.run import RunState
from riskray.models.scenario import StressDefinition
from riskray.models.tail_risk import NodeFilter, NodeRequest, VarRequest
from riskray.runs import loading
from riskray.scenario.stress import stress_matrix
from riskray.snapshots.kinds import MARKETS
from riskray.store import snapshots
from riskray.store.checks import check_invariants
from riskray.store.ledger import pending_shards, release_lease
from riskray.store.markets import load_market
from riskray.store.results import read_results
from riskray.store.runs import get_run, list_runs, request_cancel
from riskray.store.vectors import position_scenario_failures, read_group_vectors, read_position_vectors, scenario_failures, vector_run
from tests.fixtures.stored_snapshots import bond, fx_forward, market_document, store_market, store_portfolio, store_scenarios

pytestmark = [pytest.mark.ray, pytest.mark.postgres]

COUNT = 40
EVERYTHING = 1000


@pytest.fixture(scope="module")
def stored(grid):
    """40 bonds and 30 forwards, of which one of each cannot be priced, and 40 scenarios of every kind of factor."""
    store_market(grid.database)
    positions = [*(bond(n, counterparty=f"CP-{n % 4}") for n in range(40)), *(fx_forward(n) for n in range(30))]
    positions[7] |= {"discount_curve": "EUR-X"}
    positions[3] |= {"spread_curve": "CORP-A", "credit_spread": 0.004}
    positions[41] |= {"quote_currency": "JPY"}
    rng = np.random.default_rng(1)
    factors = ("zero/EUR-GOVT/1Y", "zero/EUR-GOVT/10Y", "zero/EUR-GOVT/30Y", "zero/USD-GOVT/2Y relative", "spread/CORP-A/5Y", "credit")
    moves = {factor: rng.normal(0.0, 0.01, COUNT) for factor in factors}
    moves["fx/EUR"] = rng.normal(0.0, 0.1, COUNT)
    store_scenarios(grid.database, [f"s{n}" for n in range(COUNT)], moves)
    return store_portfolio(grid.database, positions)


@pytest.fixture(scope="module")
def finished(grid, stored):
    return grid.execute(stored.portfolio_id, scenario_set="moves", vectors="position")


def _groups(grid, run, dimension="book"):
    """[(cell, pv_base, pnl)] in the cells' order."""
    _, vectors = read_group_vectors(grid.database, run_id=run.run_id, filters=NodeFilter(), dimensions=(dimension,))
    order = sorted(range(len(vectors.cells)), key=lambda index: str(vectors.cells[index]))
    return [(vectors.cells[index], vectors.pv_base[index], vectors.pnl[index]) for index in order]


def _bits(grid, run):
    groups = [group for dimension in ("book", "counterparty") for group in _groups(grid, run, dimension)]
    return [(cell, pv_base.hex(), pnl.tobytes()) for cell, pv_base, pnl in groups]


def _die():
    raise LeaseLost("as if the coordinator had died here")


def _position_pnl(grid, run):
    return np.concatenate([block.pnl for block in read_position_vectors(grid.database, run_id=run.run_id)])


def _results(grid, run):
    return read_results(grid.database, run_id=run.run_id, limit=EVERYTHING)


def _pv_base(grid, run):
    rows = _results(grid, run).to_pydict()
    return dict(zip(rows["position_no"], rows["pv_base"], strict=True))


def _market(grid):
    return load_market(grid.database, market_id=snapshots.get(grid.database, MARKETS, "close").market_id, base_currency="USD")


def _direct_pnl(grid, portfolio, *, scenario_set="moves"):
    """P&L of every position by `present_values` alone, NaN for those without value; and their groups by dimension."""
    with grid.database.transaction() as connection:
        query = "SELECT scenario_set_no FROM scenario_set WHERE name = %s"
        scenario_set_no = connection.execute(query, [scenario_set]).fetchone()["scenario_set_no"]
    market = _market(grid)
    scenarios = loading.load_scenarios(grid.database, scenario_set_no=scenario_set_no, market=market)
    pnl: list[np.ndarray] = []
    groups: dict[str, list[tuple[str, str, str]]] = {"book": [], "counterparty": []}
    for product, first, rows in (("FIXED_BOND", 0, 40), ("FX_FWD", 40, 30)):
        positions, _ = loading.load_positions(
            grid.database, portfolio_no=portfolio.portfolio_no, product=product, numbers=PositionRange(first, rows), market=market
        )
        assert positions.compiled is not None
        assert positions.counterparties is not None
        with np.errstate(over="ignore", invalid="ignore"):
            moved = present_values(positions.compiled, market=market, scenarios=scenarios)
            pnl.append(moved - present_values(positions.compiled, market=market, scenarios=Scenarios(count=1)))
        currencies = [positions.currencies.names[code] for code in positions.currencies.codes]
        for dimension, names in (("book", positions.books), ("counterparty", positions.counterparties)):
            groups[dimension] += [(names.names[code], product, currency) for code, currency in zip(names.codes, currencies, strict=True)]
    return np.concatenate(pnl), groups


def test_run_tells_its_scenarios_and_still_has_results(grid, finished):
    assert (finished.state, finished.vectors, finished.failure_policy) == (RunState.PARTIAL, "position", "drop_position")
    assert finished.scenario_set_id.startswith("scen-")
    assert read_results(grid.database, run_id=finished.run_id, limit=EVERYTHING).num_rows == 68
    assert {"net", "scenarios", "vectors"} <= set(finished.manifest["seconds"])
    assert finished.manifest["scenarios"]["scenario_set_id"] == finished.scenario_set_id
    assert check_invariants(grid.database) == []


def test_position_vectors_are_those_of_every_position_alone(grid, stored, finished):
    expected, _ = _direct_pnl(grid, stored)
    actual = _position_pnl(grid, finished)
    assert np.isnan(actual).all(axis=1).sum() == 2
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("dimension", ["book", "counterparty"])
def test_group_vectors_are_the_sums_of_their_positions(grid, stored, finished, dimension):
    expected, groups_of = _direct_pnl(grid, stored)
    is_priced = ~np.isnan(expected[:, 0])
    pv_base = _pv_base(grid, finished)
    groups = _groups(grid, finished, dimension)
    assert (sum(cell.ok_count for cell, _, _ in groups), sum(cell.dropped_count for cell, _, _ in groups)) == (68, 2)
    for cell, group_pv_base, pnl in groups:
        key = (cell.value_of(dimension), cell.product, cell.currency)
        members = [no for no in np.flatnonzero(is_priced).tolist() if groups_of[dimension][no] == key]
        assert len(members) == cell.ok_count
        assert group_pv_base == pytest.approx(sum(pv_base[no] for no in members), rel=1e-12, abs=1e-4)
        scale = np.abs(expected[members]).sum(axis=0)
        assert np.all(np.abs(pnl - expected[members].sum(axis=0)) <= 1e-9 * scale + 1e-6)


@pytest.mark.parametrize("rows_per_shard", [1, 7, 29])
def test_shard_size_changes_no_bit_of_a_vector(grid, stored, finished, rows_per_shard):
    other = grid.execute(stored.portfolio_id, scenario_set=finished.scenario_set_id, rows_per_shard=rows_per_shard)
    assert other.vectors == "group"
    assert _bits(grid, other) == _bits(grid, finished)
    assert _results(grid, other).equals(_results(grid, finished))


def test_number_of_actors_changes_no_bit_of_a_vector_or_a_result(grid, stored, finished):
    with grid.variant(pricer_actors=1) as single:
        grid.pool.end(1)
        alone = single.execute(stored.portfolio_id, scenario_set="moves", rows_per_shard=9)
        assert single.pool.numbers() == [0]
    with grid.variant(pricer_actors=5) as crowd:
        crowd.pool.ensure(5)
        together = crowd.execute(stored.portfolio_id, scenario_set="moves", rows_per_shard=3)
        assert crowd.pool.numbers() == [0, 1, 2, 3, 4]
        for number in (2, 3, 4):
            crowd.pool.end(number)
    for other in (alone, together):
        assert _bits(grid, other) == _bits(grid, finished)
        assert _results(grid, other).equals(_results(grid, finished))


def test_run_taken_over_after_its_actors_died_has_the_same_vectors(grid, stored, finished, monkeypatch):
    run, first = grid.submit(stored.portfolio_id, scenario_set="moves", rows_per_shard=10), grid.coordinator()
    claimed = grid.claim(run, first)
    driver = RunDriver(claimed, settings=grid.settings, database=grid.database, dispatcher=grid.dispatcher)
    monkeypatch.setattr(driver, "_finalise", _die)
    assert drive_or_fail(driver, database=grid.database) is None
    assert pending_shards(grid.database, run_no=claimed.run_no) == []
    release_lease(grid.database, run_no=claimed.run_no, epoch=claimed.epoch)
    for number in (0, 1):
        grid.pool.replace_process(number)
    grid.pool.ensure(2)
    second = grid.coordinator()
    second.start(claim=False)
    try:
        second.execute(grid.claim(run, second))
    finally:
        second.stop()
    assert _bits(grid, get_run(grid.database, run_id=run.run_id)) == _bits(grid, finished)


@pytest.mark.parametrize(
    "node", [{}, {"books": ("BOOK-A",)}, {"counterparties": ("CP-1",)}, {"books": ("BOOK-B",), "counterparties": ("CP-1",)}]
)
def test_var_and_es_of_a_node_are_numpys_on_the_vectors_of_its_positions(grid, finished, node):
    rows = read_results(grid.database, run_id=finished.run_id, limit=EVERYTHING).to_pylist()
    pnl = _position_pnl(grid, finished)
    names = {"books": "book", "counterparties": "counterparty"}
    members = [row for row in rows if all(row[names[field]] in values for field, values in node.items())]
    losses = -pnl[[row["position_no"] for row in members]].sum(axis=0)
    request = VarRequest(confidences=[0.9], filters=NodeFilter(**node), group_by=["product"])
    answer = var_answer(grid.database, VectorReader(grid.database), run_id=finished.run_id, request=request)
    (figures,) = answer.figures
    assert answer.position_count == len(members)
    worst = np.sort(losses)[::-1][:4]  # a tenth of 40
    assert figures.var == pytest.approx(worst[-1], rel=1e-9)
    assert figures.expected_shortfall == pytest.approx(worst.mean(), rel=1e-9)
    assert sum(part.component_var for part in answer.contributions) == pytest.approx(figures.var, rel=1e-9)
    assert [row.scenario for row in answer.tail_scenarios[:4]] == [f"s{number}" for number in np.argsort(-losses)[:4]]
    for part in answer.contributions:
        own = -pnl[[row["position_no"] for row in members if row["product"] == part.group["product"]]].sum(axis=0)
        assert part.var == pytest.approx(np.sort(own)[-4], rel=1e-9)
        assert part.incremental_var == pytest.approx(figures.var - np.sort(losses - own)[-4], rel=1e-9, abs=1e-3)


def test_stress_is_what_a_run_on_a_market_bumped_by_hand_finds(grid, stored):
    definition = StressDefinition.model_validate(
        {"scenarios": [{"name": "all at once", "shocks": [
            {"type": "parallel", "curves": ["EUR-*"], "shift": {"bp": 100}},
            {"type": "tenors", "curves": ["USD-GOVT"], "shifts": {"5Y": {"relative": 0.1}, "10Y": {"bp": -20}}},
            {"type": "parallel", "target": "spread", "shift": {"bp": 50}},
            {"type": "fx", "currencies": ["EUR"], "relative": -0.1},
        ]}]}
    )  # fmt: skip
    matrix = stress_matrix(definition, market=_market(grid))
    moves = {factor.header: matrix.values[:, column] for column, factor in enumerate(matrix.factors)}
    scenario_set = store_scenarios(grid.database, matrix.labels, moves, name="all at once")
    bumped = json.loads(json.dumps(market_document())) | {"name": "bumped"}  # no point is shared between curves
    for point in bumped["curves"][0]["points"]:
        point["value"] += 0.01
    by_tenor = {point["tenor"]: point for point in bumped["curves"][1]["points"]}
    by_tenor["5Y"]["value"] *= 1.1
    by_tenor["10Y"]["value"] -= 0.002
    bumped["spread_curves"][0]["points"][0]["value"] += 0.005
    bumped["fx_spots"][0]["rate"] *= 0.9
    store_market(grid.database, bumped)
    run = grid.execute(stored.portfolio_id, scenario_set=scenario_set, vectors="position")
    after = grid.execute(stored.portfolio_id, market="bumped")
    before_pv, after_pv = (_pv_base(grid, one) for one in (run, after))
    expected = {no: after_pv[no] - before_pv[no] for no in before_pv}
    actual = _position_pnl(grid, run)[:, 0]
    assert expected.keys() == after_pv.keys()
    assert {no: actual[no] for no in expected} == pytest.approx(expected, rel=1e-9, abs=1e-6)
    by_book = stress_answer(
        grid.database, VectorReader(grid.database), run_id=run.run_id, request=NodeRequest(group_by=["book"]), scenarios=["all at once"]
    )
    assert sum(value for node in by_book.nodes for value in node.pnl if value is not None) == pytest.approx(
        sum(expected.values()), rel=1e-9
    )


def test_run_cancelled_while_its_vectors_are_made_ends_cancelled_and_answers_no_part_of_them(grid, stored, monkeypatch):
    run, coordinator = grid.submit(stored.portfolio_id, scenario_set="moves", rows_per_shard=20), grid.coordinator()
    driver = RunDriver(grid.claim(run, coordinator), settings=grid.settings, database=grid.database, dispatcher=grid.dispatcher)
    write_vectors = driver._write_vectors

    def cancelled_meanwhile():
        request_cancel(grid.database, run_id=run.run_id)
        driver.signal(Signal.CANCEL)
        return write_vectors()

    monkeypatch.setattr(driver, "_write_vectors", cancelled_meanwhile)
    assert drive_or_fail(driver, database=grid.database) is RunState.CANCELLED
    end = get_run(grid.database, run_id=run.run_id)
    assert (end.progress.ok_count, end.progress.failed_count, end.progress.cancelled_count) == (68, 2, 0)
    with pytest.raises(Conflict, match="is CANCELLED and has not written all its vectors"):
        vector_run(grid.database, run_id=run.run_id)
    assert check_invariants(grid.database) == []


@pytest.fixture(scope="module")
def breaking(grid, stored):
    """A set whose second scenario moves long EUR rates beyond what a float holds."""
    moves = {"zero/EUR-GOVT/30Y": [0.01, -80.0, -0.01], "zero/USD-GOVT/1Y": [0.01, 0.02, 0.03]}
    return store_scenarios(grid.database, ["up", "absurd", "down"], moves, name="absurd")


def test_position_that_fails_in_a_scenario_is_in_no_vector_under_drop_position(grid, stored, breaking):
    run = grid.execute(stored.portfolio_id, scenario_set=breaking, vectors="position", rows_per_shard=11)
    expected, _ = _direct_pnl(grid, stored, scenario_set="absurd")
    failed = position_scenario_failures(grid.database, run=vector_run(grid.database, run_id=run.run_id), limit=EVERYTHING).to_pydict()
    dropped = failed["position_no"]
    assert dropped
    assert set(zip(failed["first_scenario_no"], failed["scenario_count"], strict=True)) == {(1, 1)}
    assert scenario_failures(grid.database, run=vector_run(grid.database, run_id=run.run_id)) == []
    positions = _position_pnl(grid, run)
    assert np.isnan(positions[dropped]).all()
    kept = np.setdiff1d(np.flatnonzero(~np.isnan(expected[:, 0])), dropped)
    assert np.isfinite(positions[kept]).all()
    groups = _groups(grid, run)
    assert sum(cell.dropped_count for cell, _, _ in groups) == len(dropped) + 2
    total = np.sum([pnl for _, _, pnl in groups], axis=0)
    np.testing.assert_allclose(total, expected[kept].sum(axis=0), rtol=1e-9, atol=1e-6)
    answer = var_answer(grid.database, VectorReader(grid.database), run_id=run.run_id, request=VarRequest(confidences=[0.6]))
    assert (answer.scenario_count, answer.dropped_scenario_count, answer.dropped_position_count) == (3, 0, len(dropped) + 2)
    assert answer.figures[0].var == pytest.approx(np.sort(-total)[1], rel=1e-9)


def test_scenario_that_a_position_fails_in_is_reported_under_drop_scenario(grid, stored, breaking):
    run = grid.execute(stored.portfolio_id, scenario_set=breaking, vectors="position", failure_policy="drop_scenario", rows_per_shard=11)
    expected, _ = _direct_pnl(grid, stored, scenario_set="absurd")
    record = vector_run(grid.database, run_id=run.run_id)
    failed = position_scenario_failures(grid.database, run=record, limit=EVERYTHING).to_pydict()["position_no"]
    (reported,) = scenario_failures(grid.database, run=record)
    assert (reported.scenario_no, reported.position_count, reported.example_position_no) == (1, len(failed), min(failed))
    groups = _groups(grid, run)
    assert sum(cell.dropped_count for cell, _, _ in groups) == 2
    assert np.isnan(np.sum([pnl for _, _, pnl in groups], axis=0)).tolist() == [False, True, False]
    kept = np.sum([pnl for _, _, pnl in groups], axis=0)[[0, 2]]
    np.testing.assert_allclose(kept, np.nansum(expected[:, [0, 2]], axis=0), rtol=1e-9, atol=1e-6)
    reader = VectorReader(grid.database)
    answer = var_answer(grid.database, reader, run_id=run.run_id, request=VarRequest(confidences=[0.6]))
    assert (answer.scenario_count, answer.dropped_scenario_count, answer.dropped_position_count) == (3, 1, 2)
    assert answer.figures[0].var == pytest.approx(-kept.min(), rel=1e-9)
    stressed = stress_answer(grid.database, reader, run_id=run.run_id, request=NodeRequest(), scenarios=[])
    assert (stressed.nodes[0].pnl, stressed.dropped_scenarios) == ([pytest.approx(kept[0]), None, pytest.approx(kept[1])], ["absurd"])
    assert np.isnan(_position_pnl(grid, run)[failed]).tolist() == [[False, True, False]] * len(failed)


def test_set_that_moves_what_the_market_has_not_got_is_refused_before_anything_is_stored(grid, stored):
    unknown = store_scenarios(grid.database, ["a"], {"zero/EUR-GOVT/7Y": [0.01], "zero/GBP-GOVT/1Y": [0.01]}, name="unknown")
    with pytest.raises(InvalidRequest, match="2 factors of the scenario set are not in the market") as refused:
        grid.submit(stored.portfolio_id, scenario_set=unknown, name="refused")
    assert [problem["loc"] for problem in refused.value.problems] == [["factors", "zero/EUR-GOVT/7Y"], ["factors", "zero/GBP-GOVT/1Y"]]
    with pytest.raises(NotFound, match="scenario set 'scen-none'"):
        grid.submit(stored.portfolio_id, scenario_set="scen-none", name="refused")
    assert list_runs(grid.database, offset=0, limit=9, name="refused") == ([], 0)
