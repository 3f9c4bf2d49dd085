"""Results as Arrow, sums by group, failures by reason."""

import psycopg
import pyarrow as pa
import pytest

from riskray.engine.result_schema import RESULT_SCHEMA
from riskray.errors import Conflict, InvalidRequest, NotFound
from riskray.store import ledger, results, run_end, runs
from riskray.store.arrow import compose
from riskray.store.database import Database
from riskray.store.factors import run_factors
from riskray.store.results import ResultFilter
from tests.integration.store.examples import FACTORS, claim, commit, content_of, rollup_tables, shards_of, store_run

pytestmark = pytest.mark.postgres

FAILED = frozenset({3, 8})


@pytest.fixture(params=["shared", "own"])
def run_id(database: Database, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A finished run of ten positions, two of them failed, in either kind of storage; beside it another one."""
    monkeypatch.setattr(runs, "OWN_STORAGE_POSITIONS_MIN", 10 if request.param == "own" else 11)
    stored = store_run(database)
    store_run(database)
    for _ in range(2):
        claimed = claim(database)
        for shard in ledger.pending_shards(database, run_no=claimed.run_no):
            commit(database, claimed, shard, failed=FAILED)
        run_end.finalise_run(database, run_no=claimed.run_no, epoch=claimed.epoch, manifest=dict, **rollup_tables())
    return stored.run_id


def test_results_come_out_of_the_database_as_they_went_in(database: Database, run_id: str) -> None:
    with results.stream_results(database, run_id=run_id) as reader:
        table = reader.read_all()
    assert tuple(table.schema.names) == results.RESULT_COLUMNS
    assert all(field.metadata is None for field in table.schema)
    expected = pa.concat_tables([content_of(shard, failed=FAILED).results for shard in shards_of(10)])
    assert table.select(RESULT_SCHEMA.names).to_pydict() == expected.to_pydict()
    assert table.select(RESULT_SCHEMA.names).schema.types == RESULT_SCHEMA.types
    assert table["position_id"][2].as_py() == "P000002"


def test_pages_follow_each_other_without_gap_or_repeat(database: Database, run_id: str) -> None:
    seen: list[int] = []
    while True:
        page = results.read_results(database, run_id=run_id, columns=["pv"], after_position_no=seen[-1] if seen else -1, limit=3)
        assert page.schema.names == ["position_no", "pv"]
        if page.num_rows == 0:
            break
        seen += page["position_no"].to_pylist()
    assert seen == [0, 1, 2, 4, 5, 6, 7, 9]


@pytest.mark.parametrize(
    ("filters", "positions"),
    [
        (ResultFilter(books=("BETA",)), [1, 5, 7, 9]),
        (ResultFilter(currencies=("USD",)), [2, 6, 7]),
        (ResultFilter(books=("BETA",), currencies=("USD",)), [7]),
        (ResultFilter(position_ids=("P000003", "P000004", "it's a trap'); DROP TABLE run; --")), [4]),
        (ResultFilter(products=("NONE",)), []),
        (ResultFilter(counterparties=("CPTY", "%(limit)s {columns}")), [0, 1, 2, 4, 5, 6, 7, 9]),
    ],
)
def test_results_are_filtered(database: Database, run_id: str, filters: ResultFilter, positions: list[int]) -> None:
    page = results.read_results(database, run_id=run_id, filters=filters, limit=100)
    assert page["position_no"].to_pylist() == positions


def test_unknown_column_is_named_with_the_known_ones(database: Database, run_id: str) -> None:
    with pytest.raises(InvalidRequest, match="no column 'npv'; there are position_no"):
        results.read_results(database, run_id=run_id, columns=["pv", "npv"], limit=1)


def test_one_position_is_found_whether_priced_or_failed(database: Database, run_id: str) -> None:
    priced = results.get_result(database, run_id=run_id, position_id="P000004")
    assert (priced["pv"], priced["factor_nos"], priced["sensitivities"], priced["book"]) == (8.0, [0, 1], [0.1, 0.8, 2.0], "ALPHA")
    failed = results.get_result(database, run_id=run_id, position_id="P000003")
    assert (failed["code"], failed["message"], failed["remedy"]) == ("MATURED", "position 3 has matured", "drop it")
    with pytest.raises(NotFound, match="no position 'P9' in run"):
        results.get_result(database, run_id=run_id, position_id="P9")


def test_failures_are_listed_and_counted_by_reason(database: Database, run_id: str) -> None:
    page = results.read_failures(database, run_id=run_id, limit=100)
    assert page["position_id"].to_pylist() == ["P000003", "P000008"]
    assert results.read_failures(database, run_id=run_id, after_position_no=3, limit=100)["position_no"].to_pylist() == [8]
    assert results.read_failures(database, run_id=run_id, code="TIMEOUT", limit=100).num_rows == 0
    with results.stream_failures(database, run_id=run_id, filters=ResultFilter(books=("ALPHA",))) as reader:
        assert reader.read_all()["position_no"].to_pylist() == [8]
    (summary,) = results.failure_summary(database, run_id=run_id)
    assert (summary.code, summary.position_count, summary.example_position_id) == ("MATURED", 2, "P000003")


def test_sums_are_taken_over_the_groups_asked_for(database: Database, run_id: str) -> None:
    by_book = results.rollups(database, run_id=run_id, group_by=["book"])
    assert [(row.group, row.pv_base, row.ok_count, row.failed_count) for row in by_book] == [
        ({"book": "ALPHA"}, 11.0, 3, 1), ({"book": "BETA"}, 100.0, 3, 0),
    ]  # fmt: skip
    assert [row.pv for row in by_book] == [None, 100.0], "native amounts of several currencies are not added"
    by_currency = results.rollups(database, run_id=run_id, group_by=["currency", "product"])
    assert [(row.group, row.pv) for row in by_currency] == [
        ({"product": "FIXED_BOND", "currency": "EUR"}, 101.0), ({"product": "FIXED_BOND", "currency": "USD"}, 10.0),
    ]  # fmt: skip
    everything = results.totals(database, run_id=run_id)
    assert (everything.pv_base, everything.dv01, everything.ok_count, everything.failed_count) == (111.0, 111.0, 6, 1)
    with pytest.raises(InvalidRequest, match="cannot group by 'desk'; choose one of book, product, currency"):
        results.rollups(database, run_id=run_id, group_by=["desk"])


def test_sensitivities_are_named_by_factor_and_bucket(database: Database, run_id: str) -> None:
    by_book = results.sensitivities(database, run_id=run_id, group_by=["book"])
    assert [(row.group, row.kind, row.factor, row.bucket, row.bucket_days, row.sensitivity) for row in by_book] == [
        ({"book": "ALPHA"}, "RATE", "EUR-ESTR", "1Y", 365, -1.0), ({"book": "ALPHA"}, "RATE", "EUR-ESTR", "2Y", 731, -3.0),
        ({"book": "ALPHA"}, "CURRENCY", "EUR", "EUR", None, 11.0),
        ({"book": "BETA"}, "RATE", "EUR-ESTR", "1Y", 365, -2.0), ({"book": "BETA"}, "RATE", "EUR-ESTR", "2Y", 731, -4.0),
        ({"book": "BETA"}, "INFLATION", "surface", "3Y", None, 0.5), ({"book": "BETA"}, "INFLATION", "surface", "7Y", None, 0.25),
    ]  # fmt: skip
    whole = results.sensitivities(database, run_id=run_id, group_by=[], kinds=["RATE"])
    assert [(row.group, row.bucket, row.sensitivity) for row in whole] == [({}, "1Y", -3.0), ({}, "2Y", -7.0)]
    assert results.sensitivities(database, run_id=run_id, group_by=[], factors=["EUR-ESTR"]) == whole
    assert results.sensitivities(database, run_id=run_id, group_by=[], kinds=["CURRENCY"], factors=["EUR-ESTR"]) == []
    (alpha,) = results.sensitivities(database, run_id=run_id, group_by=[], kinds=["CURRENCY"], filters=ResultFilter(books=("ALPHA",)))
    assert (alpha.group, alpha.factor, alpha.sensitivity) == ({}, "EUR", 11.0)
    with pytest.raises(InvalidRequest, match="cannot group by 'currency'; choose one of book, product"):
        results.sensitivities(database, run_id=run_id, group_by=["currency"])


def test_factors_are_listed_with_what_a_sensitivity_means(database: Database, run_id: str) -> None:
    listed = results.risk_factors(database, run_id=run_id)
    assert [(row.factor_no, row.kind, row.name, row.bucket_labels, row.bucket_days, row.is_sparse) for row in listed[:2]] == [
        (0, "RATE", "EUR-ESTR", ["1Y", "2Y"], [365, 731], False), (1, "CURRENCY", "EUR", ["EUR"], None, False),
    ]  # fmt: skip
    assert (listed[0].unit, listed[0].bump, listed[2].is_sparse) == ("base currency", 1e-4, True)
    assert run_factors(database, run_no=runs.run_no_of(database, run_id=run_id)) == FACTORS


def test_sums_of_a_run_that_has_not_ended_are_refused(database: Database) -> None:
    run = store_run(database)
    with pytest.raises(Conflict, match="is QUEUED; sums are there when it has ended"):
        results.totals(database, run_id=run.run_id)
    runs.request_cancel(database, run_id=run.run_id)
    with pytest.raises(Conflict, match="is CANCELLED and has no sums"):
        results.totals(database, run_id=run.run_id)


def test_page_in_the_middle_of_a_large_run_is_read_without_sorting_the_run(database: Database) -> None:
    """The key must be there and the planner must know the sizes: else this takes a second for 100,000 positions instead of 1 ms."""
    count = runs.OWN_STORAGE_POSITIONS_MIN
    stored = store_run(database, count=count, rows_per_shard=count)
    claimed = claim(database)
    commit(database, claimed, ledger.pending_shards(database, run_no=claimed.run_no)[0])
    run_end.finalise_run(database, run_no=claimed.run_no, epoch=claimed.epoch, manifest=dict, **rollup_tables())
    filters = ResultFilter(books=("ALPHA",))
    bounds = {"after_position_no": count // 2, "end_position_no": 2**31 - 1, "limit": 100}
    parameters = {**runs.run_keys(database, run_id=stored.run_id), **filters.parameters(), **bounds}
    with database.connection() as connection:
        query = psycopg.ClientCursor(connection).mogrify(compose("read_results", columns=["position_no", "pv"]), parameters)
        plan = "\n".join(row["QUERY PLAN"] for row in connection.execute(f"EXPLAIN {query}").fetchall())
    assert f"Index Scan using position_result_{claimed.run_no}_key" in plan
    assert "Sort" not in plan
    assert "Seq Scan" not in plan


def test_download_in_several_reads_has_every_row_once_and_in_order(
    database: Database, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with results.stream_results(database, run_id=run_id) as reader:
        whole = reader.read_all()
    monkeypatch.setattr(results, "POSITIONS_PER_READ", 2)
    with results.stream_results(database, run_id=run_id) as reader:
        in_parts = reader.read_all()
    assert whole.num_rows > 4
    assert in_parts.equals(whole)


def test_views_show_results_and_failures_by_name(database: Database, run_id: str) -> None:
    with database.connection() as connection:
        rows = connection.execute("SELECT position_id, pv FROM result WHERE run_id = %s AND book = 'BETA' ORDER BY 1", [run_id]).fetchall()
        failed = connection.execute("SELECT position_id, code FROM failure WHERE run_id = %s ORDER BY 1", [run_id]).fetchall()
    assert [row["position_id"] for row in rows] == ["P000001", "P000005", "P000007", "P000009"]
    assert [row["code"] for row in failed] == ["MATURED", "MATURED"]
