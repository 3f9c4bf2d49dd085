"""Results that the version before stored, by leg and curve: after the migration they are read by factor, like those of this version."""

import pytest

import sql
from riskray.store import results, runs
from riskray.store.database import Database
from riskray.store.factors import require_factors, run_factors
from riskray.store.migrations import migrate
from tests.fixtures.postgres import settings_for
from tests.integration.store.examples import FACTORS, content_hash, store_portfolio

pytestmark = pytest.mark.postgres

LEGS: dict[int, tuple[list[int] | None, list[float] | None, list[float] | None]] = {
    0: ([0], [0.5], [0.1, 0.2]),
    1: ([1, 0], [0.0, 0.25], [1.0, 2.0, 3.0, 4.0, 5.0]),  # the dollar leg first
    2: ([0, 0], [1.0, 2.0], [1.0, 2.0, 10.0, 20.0]),  # both legs on one curve
    4: (None, None, None),  # neither measure was requested
    5: ([-1], [0.75], []),  # valued by a plain function: its currency is the position's
    6: ([1], None, [6.0, 7.0, 8.0]),  # without FX delta
    8: ([0], [0.5], None),  # without key rates
}
BY_FACTOR: dict[int, tuple[list[int] | None, list[float] | None]] = {
    0: ([0, 2], [0.1, 0.2, 0.5]),
    1: ([0, 1, 2], [4.0, 5.0, 1.0, 2.0, 3.0, 0.25]),
    2: ([0, 2], [11.0, 22.0, 3.0]),
    4: (None, None),
    5: ([2], [0.75]),
    6: ([1], [6.0, 7.0, 8.0]),
    8: ([2], [0.5]),
}


@pytest.fixture
def database_before(empty_database_url: str, monkeypatch: pytest.MonkeyPatch):
    """A database as the version before left it, with a finished run; migrated to this version."""
    with Database(settings_for(empty_database_url)) as database:
        before = {name: text for name, text in sql.migrations().items() if name < "009"}
        with monkeypatch.context() as patched:
            patched.setattr(sql, "migrations", lambda: before)
            migrate(database)
        _store_run(database)
        migrate(database)
        yield database


def _store_run(database: Database) -> None:
    curves = [
        ("discount", 0, "EUR-ESTR", "EUR", ("1Y", "2Y"), (365, 731), (0.02, 0.021)),
        ("discount", 1, "USD-SOFR", "USD", ("1Y", "2Y", "5Y"), (365, 731, 1826), (0.04, 0.041, 0.042)),
        ("spread", 2, "CORP", "", ("1Y",), (365,), (0.01,)),
    ]
    portfolio, _ = store_portfolio(database)
    with database.transaction() as connection:
        stored = connection.execute(
            "INSERT INTO market_snapshot (market_id, name, version, as_of, content_hash, document)"
            " VALUES ('mkt-before', 'close', 1, '2024-06-03', %s, '{\"curves\": []}') RETURNING market_no",
            [content_hash("close")],
        ).fetchone()
        assert stored is not None
        market_no = stored["market_no"]
        for kind, curve_no, name, currency, labels, days, rates in curves:
            connection.execute(
                "INSERT INTO market_curve (market_no, kind, curve_no, name, currency, pillar_labels, pillar_days, zero_rates)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                [market_no, kind, curve_no, name, currency, list(labels), list(days), list(rates)],
            )
        connection.execute(
            "INSERT INTO run (run_id, name, market_no, portfolio_no, base_currency, measures, rows_per_shard, storage_no, position_count,"
            " preflight, state, ok_count, failed_count, finished_at)"
            " VALUES ('run-before', '', %s, %s, 'USD', '{pv}', 10, 0, 10,"
            ' \'{"position_count": 10, "affected_position_count_max": 0, "gaps": []}\', \'PARTIAL\', 7, 3, now())',
            [market_no, portfolio.portfolio_no],
        )
        for position_no, (curve_nos, fx_delta, key_rates) in LEGS.items():
            connection.execute(
                "INSERT INTO position_result (storage_no, run_no, position_no, pv, pv_base, leg_curve_nos, leg_fx_delta, key_rate_dv01)"
                " VALUES (0, 1, %s, 1, 1, %s::smallint[], %s::float8[], %s::float8[])",
                [position_no, curve_nos, fx_delta, key_rates],
            )
        connection.execute(
            "INSERT INTO result_ladder_rollup VALUES (1, 'ALPHA', 'FIXED_BOND', 0, '{1, 2}'), (1, 'ALPHA', 'LOAN', 1, '{3, 4, 5}')"
        )
        connection.execute(
            "INSERT INTO result_key_rate_rollup VALUES (1, 'BETA', 'FIXED_BOND', 0, 0, 10), (1, 'BETA', 'FIXED_BOND', 0, 1, 20)"
        )
        connection.execute(
            "INSERT INTO result_fx_rollup VALUES (1, 'ALPHA', 'FIXED_BOND', 'EUR', 7), (1, 'ALPHA', 'FIXED_BOND', 'USD', 0),"
            " (1, 'BETA', 'LOAN', 'GBP', 9)"
        )


def test_positions_have_their_legs_by_factor(database_before: Database) -> None:
    table = results.read_results(database_before, run_id="run-before", columns=["factor_nos", "sensitivities"], limit=100).to_pylist()
    assert {row["position_no"]: (row["factor_nos"], row["sensitivities"]) for row in table} == BY_FACTOR
    one = results.get_result(database_before, run_id="run-before", position_id="P000001")
    assert (one["factor_nos"], one["sensitivities"]) == BY_FACTOR[1]
    top = results.top_results(database_before, run_id="run-before", measure="pv", order="absolute", limit=3)
    assert [(row["factor_nos"], row["sensitivities"]) for row in top] == [BY_FACTOR[number] for number in (0, 1, 2)]
    with database_before.connection() as connection:
        rows = connection.execute("SELECT position_no, factor_nos, sensitivities FROM result WHERE run_id = 'run-before'").fetchall()
    assert {row["position_no"]: (row["factor_nos"], row["sensitivities"]) for row in rows} == BY_FACTOR


def test_factors_are_the_discount_curves_and_the_currencies_of_the_results(database_before: Database) -> None:
    factors = results.risk_factors(database_before, run_id="run-before")
    assert [(factor.factor_no, factor.kind, factor.name, factor.bucket_labels, factor.bump) for factor in factors] == [
        (0, "RATE", "EUR-ESTR", ["1Y", "2Y"], 1e-4), (1, "RATE", "USD-SOFR", ["1Y", "2Y", "5Y"], 1e-4),
        (2, "CURRENCY", "EUR", ["EUR"], 0.01), (3, "CURRENCY", "GBP", ["GBP"], 0.01),
    ]  # fmt: skip


def test_sums_in_any_of_the_old_tables_are_by_factor(database_before: Database) -> None:
    found = results.sensitivities(database_before, run_id="run-before", group_by=["book", "product"])
    assert [(*row.group.values(), row.kind, row.factor, row.bucket, row.bucket_days, row.sensitivity) for row in found] == [
        ("ALPHA", "FIXED_BOND", "RATE", "EUR-ESTR", "1Y", 365, 1.0), ("ALPHA", "FIXED_BOND", "RATE", "EUR-ESTR", "2Y", 731, 2.0),
        ("ALPHA", "FIXED_BOND", "CURRENCY", "EUR", "EUR", None, 7.0),
        ("ALPHA", "LOAN", "RATE", "USD-SOFR", "1Y", 365, 3.0), ("ALPHA", "LOAN", "RATE", "USD-SOFR", "2Y", 731, 4.0),
        ("ALPHA", "LOAN", "RATE", "USD-SOFR", "5Y", 1826, 5.0),
        ("BETA", "FIXED_BOND", "RATE", "EUR-ESTR", "1Y", 365, 10.0), ("BETA", "FIXED_BOND", "RATE", "EUR-ESTR", "2Y", 731, 20.0),
        ("BETA", "LOAN", "CURRENCY", "GBP", "GBP", None, 9.0),
    ]  # fmt: skip
    whole = results.sensitivities(database_before, run_id="run-before", group_by=[], kinds=["RATE"], factors=["EUR-ESTR"])
    assert [row.sensitivity for row in whole] == [11.0, 22.0]


def test_run_that_the_version_before_began_has_the_factors_of_its_market_when_this_one_ends_it(database_before: Database) -> None:
    run_no = runs.run_no_of(database_before, run_id="run-before")
    assert require_factors(database_before, run_no=run_no, make=lambda: FACTORS[::-1]) == FACTORS[::-1]
    assert require_factors(database_before, run_no=run_no, make=lambda: ()) == FACTORS[::-1]
    assert run_factors(database_before, run_no=run_no) == FACTORS[::-1]
    # Legs are numbered by these: a curve or currency by its name.
    one = results.get_result(database_before, run_id="run-before", position_id="P000000")
    assert (one["factor_nos"], one["sensitivities"]) == ([1, 2], [0.5, 0.1, 0.2])
