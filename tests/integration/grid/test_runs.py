"""A run from stored positions through Ray to committed rows, with identical bits for any division into shards."""

import math
from functools import partial

import pytest

from riskray.errors import InvalidRequest, NotFound, PreflightFailed
from riskray.models.run import RunState
from riskray.snapshots.kinds import MARKETS, PORTFOLIOS
from riskray.store import snapshots
from riskray.store.checks import check_invariants
from riskray.store.results import read_failures, read_results, totals
from riskray.store.runs import delete_run, events_after, get_run
from tests.fixtures.stored_snapshots import bond, fx_forward, market_document, store_market, store_portfolio
from tests.fixtures.waiting import wait_until

pytestmark = [pytest.mark.ray, pytest.mark.postgres]

EVERYTHING = 1000


@pytest.fixture(scope="module")
def stored(grid):
    """30 bonds and 30 forwards, of which one of each lacks its curve, one has no exchange rate and one has matured."""
    positions = [*(bond(n) for n in range(30)), *(fx_forward(n) for n in range(30))]
    positions[7] |= {"discount_curve": "EUR-X"}
    positions[11] |= {"maturity_date": "2023-01-15"}
    positions[37] |= {"base_discount_curve": "EUR-X"}
    positions[41] |= {"quote_currency": "JPY"}
    store_market(grid.database)
    return store_portfolio(grid.database, positions)


@pytest.fixture(scope="module")
def finished(grid, stored):
    return grid.execute(stored.portfolio_id)


def _rows(grid, run):
    return read_results(grid.database, run_id=run.run_id, limit=EVERYTHING)


def _rollups(grid, run):
    """Every stored sum as its bits."""
    tables = ("result_rollup", "result_sensitivity")
    with grid.database.transaction() as connection:
        found = [
            connection.execute(
                f"SELECT t.* FROM {table} t JOIN run USING (run_no) WHERE run_id = %s ORDER BY 2, 3, 4, 5", [run.run_id]
            ).fetchall()
            for table in tables
        ]
    return [[tuple(v.hex() if isinstance(v, float) else v for k, v in row.items() if k != "run_no") for row in rows] for rows in found]


def test_run_with_bad_positions_is_partial_and_every_position_is_accounted_for(grid, finished):
    assert (finished.state, finished.error_detail) == (RunState.PARTIAL, None)
    assert (finished.progress.ok_count, finished.progress.failed_count) == (56, 4)
    assert _rows(grid, finished).num_rows == 56
    failures = read_failures(grid.database, run_id=finished.run_id, limit=EVERYTHING).to_pylist()
    assert sorted((row["position_id"], row["code"]) for row in failures) == [
        ("BD-000007", "MISSING_CURVE"),
        ("BD-000011", "MATURED"),
        ("FX-000007", "MISSING_CURVE"),
        ("FX-000011", "MISSING_FX"),
    ]
    assert all(row["message"] and row["remedy"] for row in failures)
    assert check_invariants(grid.database) == []


def test_run_totals_are_the_correctly_rounded_sums_of_its_rows(grid, finished):
    rows = _rows(grid, finished).to_pydict()
    with grid.database.transaction() as connection:
        groups = connection.execute("SELECT * FROM result_rollup JOIN run USING (run_no) WHERE run_id = %s", [finished.run_id]).fetchall()
    assert len(groups) > 2
    for group in groups:
        members = [i for i in range(len(rows["pv"])) if all(rows[k][i] == group[k] for k in ("book", "product", "currency"))]
        for measure in ("pv", "pv_base", "dv01", "fx_delta", "theta_1d"):
            assert group[measure] == math.fsum(rows[measure][i] for i in members), (measure, group["book"])
    assert totals(grid.database, run_id=finished.run_id).failed_count == 4


@pytest.mark.parametrize("rows_per_shard", [1, 7, 29])
def test_shard_size_changes_no_bit(grid, stored, finished, rows_per_shard):
    other = grid.execute(stored.portfolio_id, rows_per_shard=rows_per_shard)
    assert other.progress.shard_count > finished.progress.shard_count
    assert _rows(grid, other).equals(_rows(grid, finished))
    assert _rollups(grid, other) == _rollups(grid, finished)


def test_number_of_actors_changes_no_bit(grid, stored, finished):
    with grid.variant(pricer_actors=1) as single:
        other = single.execute(stored.portfolio_id, rows_per_shard=9)
    assert _rows(grid, other).equals(_rows(grid, finished))
    assert _rollups(grid, other) == _rollups(grid, finished)


def test_run_in_another_base_currency_rescales_what_is_in_base_currency(grid, stored, finished):
    other = grid.execute(stored.portfolio_id, base_currency="EUR", measures=["pv", "pv_base", "dv01"])
    usd, eur = _rows(grid, finished).to_pydict(), _rows(grid, other).to_pydict()
    assert usd["pv"] == pytest.approx(eur["pv"])
    assert usd["dv01"] == pytest.approx([1.0811 * value for value in eur["dv01"]], rel=1e-9)
    assert eur["convexity"] == [None] * len(eur["pv"])


def test_snapshots_under_the_numbers_of_others_are_not_taken_for_them(grid):
    """A database that is restored while a pool is warm assigns numbers a second time."""
    raised = market_document() | {"name": "raised"}
    raised["curves"] = [
        curve | {"points": [point | {"value": point["value"] + 0.01} for point in curve["points"]]} for curve in raised["curves"]
    ]

    def valued(document, first):
        market = store_market(grid.database, document)
        portfolio = store_portfolio(grid.database, [bond(n) for n in range(first, first + 3)], name="restored")
        run = grid.execute(portfolio.portfolio_id, market=market.market_id)
        pv = _rows(grid, run)["pv"].to_pylist()
        delete_run(grid.database, run_id=run.run_id)
        snapshots.delete(grid.database, PORTFOLIOS, portfolio.portfolio_id)
        snapshots.delete(grid.database, MARKETS, market.market_id)
        return pv, market.market_no, portfolio.portfolio_no

    _, market_no, portfolio_no = valued(market_document() | {"name": "before"}, 0)
    with grid.database.transaction() as connection:
        connection.execute(f"ALTER TABLE market_snapshot ALTER COLUMN market_no RESTART WITH {market_no}")
        connection.execute(f"ALTER TABLE portfolio_snapshot ALTER COLUMN portfolio_no RESTART WITH {portfolio_no}")
    under_used_numbers = valued(raised, 100)
    under_new_numbers = valued(raised, 100)
    assert under_used_numbers[1:] == (market_no, portfolio_no) != under_new_numbers[1:]
    assert under_used_numbers[0] == under_new_numbers[0]


def test_run_whose_positions_all_fail_is_partial_without_results(grid):
    portfolio = store_portfolio(grid.database, [bond(n, discount_curve="EUR-X") for n in range(3)], name="hopeless")
    run = grid.execute(portfolio.portfolio_id)
    assert (run.state, run.progress.ok_count, run.progress.failed_count) == (RunState.PARTIAL, 0, 3)
    assert totals(grid.database, run_id=run.run_id).pv_base == 0.0


def test_manifest_names_inputs_versions_and_phases(finished, stored):
    manifest = finished.manifest
    assert manifest["portfolio"] == {"portfolio_id": stored.portfolio_id, "sha256": stored.content_hash.hex()}
    assert len(manifest["market"]["sha256"]) == 64
    assert {"riskray", "numpy", "ray"} <= set(manifest["versions"])
    assert set(manifest["seconds"]) == {"read", "lower", "value", "gather", "write", "finalise"}


def test_events_tell_the_story_in_order(grid, finished):
    events = events_after(grid.database, run_id=finished.run_id)
    kinds = [event.kind.value for event in events]
    assert kinds == ["submitted", "claimed", "shard_done", "shard_done", "finished"]
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_preflight_names_what_will_fail(finished):
    gaps = {(gap.kind, gap.name, gap.product): gap.position_count for gap in finished.preflight.gaps}
    assert gaps == {
        ("discount_curve", "EUR-X", "FIXED_BOND"): 1,
        ("discount_curve", "EUR-X", "FX_FWD"): 1,
        ("currency", "JPY", "FX_FWD"): 1,
    }


def test_strict_preflight_refuses_the_run_and_stores_nothing(grid, stored):
    with pytest.raises(PreflightFailed, match="lacks 3 things") as refused:
        grid.submit(stored.portfolio_id, preflight="strict", name="strict")
    assert len(refused.value.problems) == 3
    assert (
        grid.database.fetch_all("list_runs", {"offset": 0, "limit": 9, "state": None, "portfolio": None, "market": None, "name": "strict"})
        == []
    )


@pytest.mark.parametrize(
    ("request_", "error", "message"),
    [
        ({"portfolio": "pf-none"}, NotFound, "portfolio 'pf-none'"),
        ({"market": "mkt-none"}, NotFound, "market 'mkt-none'"),
        ({"base_currency": "XXY"}, InvalidRequest, "XXY"),
    ],
)
def test_submit_of_an_unknown_thing_names_it(grid, stored, request_, error, message):
    with pytest.raises(error, match=message):
        grid.submit(**({"portfolio": stored.portfolio_id} | request_))


def test_two_coordinators_share_runs_and_drive_each_once(grid, stored):
    runs = [grid.submit(stored.portfolio_id, rows_per_shard=10) for _ in range(6)]
    coordinators = [grid.coordinator(), grid.coordinator()]
    for coordinator in coordinators:
        coordinator.start()
    try:
        ends = [wait_until(partial(_final, grid, run), what="the end of a run") for run in runs]
    finally:
        for coordinator in coordinators:
            coordinator.stop()
    assert {end.state for end in ends} == {RunState.PARTIAL}
    with grid.database.transaction() as connection:
        rows = connection.execute("SELECT epoch FROM run WHERE run_id = ANY(%s)", [[run.run_id for run in runs]]).fetchall()
    assert {row["epoch"] for row in rows} == {1}
    assert all(_rows(grid, end).equals(_rows(grid, ends[0])) for end in ends)


def test_coordinator_wakes_up_for_a_run(grid, stored):
    coordinator = grid.coordinator()
    coordinator.start()
    try:
        run = grid.submit(stored.portfolio_id)
        coordinator.wake()
        assert wait_until(lambda: _final(grid, run)).state is RunState.PARTIAL
        assert set(coordinator.status().runs) <= {run.run_id}
    finally:
        coordinator.stop()


def _final(grid, run):
    found = get_run(grid.database, run_id=run.run_id)
    return found if found.state.is_final else None
