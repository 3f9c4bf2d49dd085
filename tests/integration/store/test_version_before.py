"""A dump of a database that version 0.1.0 wrote: after the migration this version reads everything in it, and values it alike.

The dump holds three runs of seven positions: one with scenarios and vectors, one that carried a row from it, and one under another
portfolio; two markets in which a spread curve has the name of a discount curve; a scenario set, a history and a hierarchy. The JSON file
beside it is what that version's HTTP API returned for the first run.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from pricers.measures import Measure
from riskray.engine.plan import PositionRange
from riskray.engine.shard import value_shard
from riskray.figures.tail_risk import stress_answer
from riskray.figures.vectors import VectorReader
from riskray.models.tail_risk import NodeRequest
from riskray.runs import loading
from riskray.snapshots.kinds import HIERARCHIES, HISTORIES, MARKETS, PORTFOLIOS, SCENARIO_SETS
from riskray.store import results, runs, snapshots
from riskray.store.database import Database
from riskray.store.markets import load_market
from riskray.store.migrations import migrate
from tests.fixtures.postgres import settings_for

pytestmark = pytest.mark.postgres

DUMP = Path(__file__).parents[2] / "fixtures" / "databases" / "version_0_1_0.sql.gz"
RETURNED: dict[str, Any] = json.loads(DUMP.with_name("version_0_1_0.json").read_text(encoding="utf-8"))
RUN_ID: str = RETURNED["run_id"]
MEASURES = ("pv", "pv_base", "clean_price", "z_spread", "dv01", "cs01", "fx_delta", "theta_1d")


@pytest.fixture
def migrated(empty_database_url: str):
    """The dump, migrated to this version."""
    with psycopg.connect(empty_database_url, autocommit=True) as connection:
        connection.execute(gzip.decompress(DUMP.read_bytes()).decode("utf-8"))
    with Database(settings_for(empty_database_url)) as database:
        migrate(database)
        yield database


def test_stored_results_are_those_that_the_version_before_returned(migrated: Database) -> None:
    rows = results.read_results(migrated, run_id=RUN_ID, columns=["position_id", *MEASURES], limit=100).to_pylist()
    assert {row["position_id"]: {name: row[name] for name in MEASURES} for row in rows} == RETURNED["positions"]
    totals = results.totals(migrated, run_id=RUN_ID)
    assert {name: getattr(totals, name) for name in RETURNED["totals"]} == RETURNED["totals"]
    sums = results.sensitivities(migrated, run_id=RUN_ID, group_by=[])
    rates = {(row.factor, row.bucket): row.sensitivity for row in sums if row.kind == "RATE"}
    assert rates == pytest.approx({(curve, pillar): dv01 for curve, pillar, dv01 in RETURNED["key_rates"]})
    currencies = {row.factor: row.sensitivity for row in sums if row.kind == "CURRENCY"}
    assert currencies == pytest.approx({currency: delta for currency, delta in RETURNED["fx"] if delta})


def test_stored_vectors_give_the_same_stress(migrated: Database) -> None:
    answer = stress_answer(migrated, VectorReader(migrated), run_id=RUN_ID, request=NodeRequest(), scenarios=["up"])
    assert answer.nodes[0].pnl[0] == pytest.approx(sum(pnl[0] for pnl in RETURNED["stress"].values()))


def test_stored_market_and_portfolio_are_valued_to_the_same_numbers(migrated: Database) -> None:
    market = load_market(migrated, market_id=snapshots.get(migrated, MARKETS, "close").market_id, base_currency="USD")
    assert {"EUR-GOVT", "EUR-GOVT:SPREAD"} <= set(market.curve_index)
    portfolio = snapshots.get(migrated, PORTFOLIOS, runs.get_run(migrated, run_id=RUN_ID).portfolio_id)
    valued = 0
    for product, first, count in (("AMORT_LOAN", 0, 1), ("FIXED_BOND", 1, 5), ("FX_FWD", 6, 1)):
        table = loading.load_table(migrated, portfolio_no=portfolio.portfolio_no, numbers=PositionRange(first, count))
        if product == "AMORT_LOAN":  # of which this version counts days only where it is told to: see "Changed numbers"
            table = table.append_column("coupon_amount", pa.array(["BY_DAY_COUNT"]).dictionary_encode())
        positions = loading.prepare_positions(table, product=product, first_position_no=first, market=market)
        spec = loading.find_pricer(product)
        assert spec is not None
        found = value_shard(positions, spec=spec, market=market, measures=frozenset(Measure)).results.to_pylist()
        stored = results.read_results(migrated, run_id=RUN_ID, columns=["position_no", *MEASURES], limit=100).to_pylist()
        before = {row["position_no"]: row for row in stored}
        for row in found:
            for name in ("pv", "pv_base", "dv01", "cs01", "fx_delta", "theta_1d"):
                expected = before[row["position_no"]][name]  # None: the product has no such measure
                assert row[name] is expected or row[name] == pytest.approx(expected, rel=1e-10, abs=1e-7), (product, name)
            valued += 1
    assert valued == 6


def test_scenario_set_history_and_hierarchy_are_found_and_read(migrated: Database) -> None:
    market = load_market(migrated, market_id=snapshots.get(migrated, MARKETS, "close").market_id, base_currency="USD")
    record = snapshots.get(migrated, SCENARIO_SETS, "stress")
    scenarios = loading.load_scenarios(migrated, scenario_set_no=record.scenario_set_no, market=market)
    assert np.abs(scenarios.shifts["EUR-GOVT:SPREAD"][:, 1]).max() == pytest.approx(0.005)
    assert snapshots.get(migrated, HISTORIES, "eur").history_id.startswith("hist-")
    assert snapshots.get(migrated, HIERARCHIES, "desks").hierarchy_id.startswith("hier-")


def test_row_that_another_run_carried_still_names_the_run_that_valued_it(migrated: Database) -> None:
    later = [run.run_id for run in runs.list_runs(migrated, offset=0, limit=10)[0] if run.reused_from == RUN_ID]
    assert len(later) == 1
    origins = {results.position_origin(migrated, run_id=later[0], position_id=position).valued_in for position in RETURNED["positions"]}
    assert origins == {RUN_ID, later[0]}
