"""Runs that reuse results: the same bits as a run that values everything, and every reused row says where it comes from."""

import copy

import pytest

from riskray.errors import Conflict, InvalidRequest, NotFound
from riskray.grid.pricer import Pricer
from riskray.models.run import RunState
from riskray.store.checks import check_invariants
from riskray.store.ledger import pending_shards, release_lease
from riskray.store.results import position_origin, read_failures, read_results
from riskray.store.runs import delete_run
from tests.fixtures.stored_snapshots import bond, fx_forward, market_document, store_market, store_portfolio, store_scenarios

pytestmark = [pytest.mark.ray, pytest.mark.postgres]

EVERYTHING = 1000
IN_SHARDS = {"rows_per_shard": 10}


@pytest.fixture(scope="module")
def stored(grid):
    """25 bonds, some with a spread curve, and 15 forwards; two lack their curve and one has no exchange rate."""
    positions = [*(bond(n, **({"spread_curve": "CORP-A"} if n % 5 == 0 else {})) for n in range(25)), *(fx_forward(n) for n in range(15))]
    positions[7] |= {"discount_curve": "GBP-NEW"}
    positions[32] |= {"base_discount_curve": "GBP-NEW"}
    positions[33] |= {"quote_currency": "JPY"}
    store_market(grid.database)
    return store_portfolio(grid.database, positions)


@pytest.fixture(scope="module")
def base(grid, stored):
    return grid.execute(stored.portfolio_id, **IN_SHARDS)


def _changed(grid, name, change):
    document = copy.deepcopy(market_document()) | {"name": name}
    change(document)
    return store_market(grid.database, document).market_id


def _eur_curve_up(document):
    points = document["curves"][0]["points"]
    document["curves"][0]["points"] = [{**point, "value": point["value"] + 0.001} for point in points]


def _spread_up(document):
    document["spread_curves"][0]["points"][0]["value"] = 0.012


def _spot_up(document):
    document["fx_spots"][0]["rate"] = 1.1


def _new_curve_first(document):
    """A curve before the others by name, so that all curves have other numbers; and JPY has a rate now."""
    document["curves"].insert(0, {"name": "AAA", "currency": "GBP", "points": [{"tenor": "1Y", "value": 0.04}]})
    document["fx_spots"].append({"pair": "USDJPY", "rate": 151.0})


def _eur_curve_has_fewer_pillars(document):
    document["curves"][0]["points"] = document["curves"][0]["points"][:3]


def _eur_curve_is_gone(document):
    del document["curves"][0]


def _everything(grid, run):
    """All rows, failures and sums of a run, floats as their bits."""
    keys = ("run_no", "storage_no")
    tables = ("position_result", "position_failure", "result_rollup", "result_sensitivity", "run_factor")
    found = {}
    with grid.database.transaction() as connection:
        for table in tables:
            rows = connection.execute(f"SELECT t.* FROM {table} t JOIN run USING (run_no) WHERE run_id = %s", [run.run_id]).fetchall()
            found[table] = sorted(str(sorted((k, _bits(v)) for k, v in row.items() if k not in keys)) for row in rows)
    return found


def _bits(value):
    if isinstance(value, list):
        return [_bits(each) for each in value]
    return value.hex() if isinstance(value, float) else value


@pytest.mark.parametrize(
    ("change", "reused_count"),
    [
        # 11 priced positions have nothing to do with EUR: bonds in USD. 3 of them are in a shard with bonds in EUR.
        (_eur_curve_up, 11),
        (_spread_up, 32),
        (_spot_up, 11),
        (_new_curve_first, 37),
        (_eur_curve_has_fewer_pillars, 11),
        (_eur_curve_is_gone, 11),
    ],
)
def test_run_that_reuses_results_has_the_bits_of_one_that_values_everything(grid, stored, base, change, reused_count):
    market = _changed(grid, change.__name__, change)
    run = grid.execute(stored.portfolio_id, market=market, reuse_from=base.run_id)
    whole = grid.execute(stored.portfolio_id, market=market, rows_per_shard=7)
    assert _everything(grid, run) == _everything(grid, whole)
    assert run.progress.reused_count == reused_count
    assert (run.reused_from, run.progress.shard_count) == (base.run_id, base.progress.shard_count)
    assert (run.manifest["reused"]["run_id"], run.manifest["reused"]["position_count"]) == (base.run_id, reused_count)
    assert check_invariants(grid.database) == []


def test_manifest_names_what_differs_between_the_two_markets(grid, stored, base):
    market = _changed(grid, "two changes", lambda document: (_spread_up(document), _spot_up(document)))
    run = grid.execute(stored.portfolio_id, market=market, reuse_from=base.run_id)
    difference = {"curves": ["CORP-A"], "currencies": ["EUR"], "indices": [], "prices": []}
    assert run.manifest["reused"]["market_difference"] == difference


def test_run_that_reuses_results_goes_on_from_its_ledger_after_its_coordinator_died(grid, stored, base):
    market = _changed(grid, "resumed", _eur_curve_up)
    run, first = grid.submit(stored.portfolio_id, market=market, reuse_from=base.run_id), grid.coordinator()
    claimed = grid.claim(run, first)
    shards = pending_shards(grid.database, run_no=claimed.run_no)
    pricer = Pricer(grid.settings, "pricer-that-loses-its-coordinator")
    pricer.execute(claimed, shards[0])
    release_lease(grid.database, run_no=claimed.run_no, epoch=claimed.epoch)
    resumed = grid.drive(run)
    assert not pricer.execute(claimed, shards[1]).committed
    whole = grid.execute(stored.portfolio_id, market=market)
    assert _everything(grid, resumed) == _everything(grid, whole)
    assert resumed.progress.reused_count == 11
    assert check_invariants(grid.database) == []


def test_vectors_of_a_run_that_reuses_results_are_those_of_a_run_that_values_everything(grid, stored, base):
    store_scenarios(grid.database, ["up", "down"], {"zero/EUR-GOVT/10Y": [0.01, -0.01], "fx/EUR": [0.05, -0.05]}, name="reused")
    market = _changed(grid, "with vectors", _spread_up)
    run = grid.execute(stored.portfolio_id, market=market, reuse_from=base.run_id, scenario_set="reused", vectors="group")
    whole = grid.execute(stored.portfolio_id, market=market, scenario_set="reused", vectors="group")
    with grid.database.transaction() as connection:
        vectors = [
            connection.execute(
                "SELECT v.family, v.book, v.product, v.currency, v.counterparty, v.base_pv, v.pnl"
                "  FROM scenario_vector v JOIN run USING (run_no) WHERE run_id = %s ORDER BY 1, 2, 3, 4, 5",
                [each.run_id],
            ).fetchall()
            for each in (run, whole)
        ]
    assert vectors[0] == vectors[1] != []
    assert run.progress.reused_count == 32


def test_under_the_same_market_only_failed_positions_are_valued(grid, stored, base):
    run = grid.execute(stored.portfolio_id, reuse_from=base.run_id)
    assert _everything(grid, run) == _everything(grid, base)
    assert (run.state, run.progress.reused_count, run.progress.ok_count) == (RunState.PARTIAL, 37, 37)
    failed = read_failures(grid.database, run_id=run.run_id, limit=EVERYTHING).column("position_id").to_pylist()
    assert failed == read_failures(grid.database, run_id=base.run_id, limit=EVERYTHING).column("position_id").to_pylist()


def test_measures_that_were_not_asked_for_stay_away(grid, stored):
    only = {"measures": ["pv", "dv01"], **IN_SHARDS}
    first = grid.execute(stored.portfolio_id, **only)
    market = _changed(grid, "fewer measures", _eur_curve_up)
    run = grid.execute(stored.portfolio_id, market=market, reuse_from=first.run_id, measures=["dv01", "pv"])
    assert _everything(grid, run) == _everything(grid, grid.execute(stored.portfolio_id, market=market, **only))
    assert run.progress.reused_count == 11


@pytest.mark.parametrize("rows_per_shard", [7, 1000])
def test_run_in_other_shards_reuses_as_much(grid, stored, base, rows_per_shard):
    run = grid.execute(stored.portfolio_id, reuse_from=base.run_id, rows_per_shard=rows_per_shard)
    assert run.progress.reused_count == 37
    assert _everything(grid, run) == _everything(grid, base)


def test_other_portfolio_currency_measures_or_date_cannot_be_reused(grid, stored, base):
    other = store_portfolio(grid.database, [bond(1)], name="other")
    tomorrow = _changed(grid, "tomorrow", lambda document: document.update(as_of="2024-03-29"))
    for wrong, named in (
        ({"portfolio": other.portfolio_id}, "portfolio is"),
        ({"base_currency": "EUR"}, "base_currency is EUR"),
        ({"measures": ["pv"]}, "measures is"),
        ({"market": tomorrow}, "market is of 2024-03-29"),
    ):
        with pytest.raises(InvalidRequest, match=f"{named}.*{base.run_id}.*submit without reuse_from"):
            grid.submit(**{"portfolio": stored.portfolio_id, "reuse_from": base.run_id, **wrong})
    with pytest.raises(NotFound, match="run-none"):
        grid.submit(stored.portfolio_id, reuse_from="run-none")


def test_run_that_has_not_ended_cannot_be_reused_and_one_that_is_cannot_be_deleted(grid, stored, base):
    waiting = grid.submit(stored.portfolio_id)
    with pytest.raises(Conflict, match="is QUEUED"):
        grid.submit(stored.portfolio_id, reuse_from=waiting.run_id)
    grid.drive(waiting)
    run = grid.execute(stored.portfolio_id, reuse_from=waiting.run_id)
    with pytest.raises(Conflict, match=f"{run.run_id} reuses results of run {waiting.run_id}"):
        delete_run(grid.database, run_id=waiting.run_id)
    delete_run(grid.database, run_id=run.run_id)
    delete_run(grid.database, run_id=waiting.run_id)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("riskray.__version__", "0.0.1", "riskray: then .*, now 0.0.1"),
        ("riskray.runs.code_version.pricer_sources", lambda modules: "a change", "pricer sources: then [0-9a-f]{64}, now a change"),
    ],
)
def test_results_of_other_code_are_not_reused(grid, stored, base, monkeypatch, name, value, said):
    monkeypatch.setattr(name, value)
    with pytest.raises(Conflict, match=rf"{base.run_id} was made by other code \({said}\)"):
        grid.submit(stored.portfolio_id, reuse_from=base.run_id)


def test_rows_read_back_are_those_of_the_earlier_run(grid, stored, base):
    run = grid.execute(stored.portfolio_id, reuse_from=base.run_id)
    rows = [read_results(grid.database, run_id=each.run_id, limit=EVERYTHING) for each in (base, run)]
    assert rows[0].equals(rows[1])


def test_origin_of_a_row_is_found_through_all_runs_that_reused_it(grid, stored, base):
    second = grid.execute(stored.portfolio_id, market=_changed(grid, "second", _spread_up), reuse_from=base.run_id)
    third = grid.execute(stored.portfolio_id, market=_changed(grid, "third", _new_curve_first), reuse_from=second.run_id)
    origins = [position_origin(grid.database, run_id=third.run_id, position_id=name) for name in ("BD-000001", "BD-000007", "FX-000001")]
    # The spread of BD-000005 went up and down again; BD-000007 never had a value; the others are as they were in the first run.
    assert [(origin.valued_in, origin.reused_times) for origin in origins] == [(base.run_id, 2), (third.run_id, 0), (base.run_id, 2)]
    back = position_origin(grid.database, run_id=third.run_id, position_id="BD-000005")
    assert (back.valued_in, back.market_id) == (third.run_id, third.market_id)
    assert position_origin(grid.database, run_id=second.run_id, position_id="BD-000005").valued_in == second.run_id
