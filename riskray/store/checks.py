"""What must be true of the database at any moment, checked by `riskray db check` and at the end of every test of faults.

The rules are the queries `check_*` of sql/queries/checks.sql, each with a sentence that says what it holds.
"""

from psycopg.sql import SQL, Composed

import sql
from pricers.measures import ADDITIVE_MEASURES
from riskray.store import migrations
from riskray.store.arrow import compose, for_each
from riskray.store.database import Database

LEASE_S = 30.0
SOUND_READER_VERSION = 2
"""The first reader of portfolio files in which a row that is rejected changes no other row."""


def check_invariants(database: Database, *, lease_s: float = LEASE_S) -> list[str]:
    """Every violation in a sentence; an empty list means that the database is sound.

    Reads all results, so it takes seconds to minutes. `lease_s`: as in the settings; a run without a lease for twice as long is
    reported. Raises StoreNotMigrated when the schema is not this version's.
    """
    migrations.require_current(database)
    problems = []
    with database.transaction() as connection:  # one snapshot, so that runs at work are seen whole
        connection.execute(sql.load("begin_consistent_read"))
        for name in sorted(sql.queries()):
            if name.startswith("check_"):
                query = _compared() if name == "check_rollups_match_results" else SQL(sql.load(name))
                problems += [row["problem"] for row in connection.execute(query, {"lease_s": lease_s}).fetchall()]
        orphans = connection.execute(sql.load("list_orphan_partitions")).fetchall()
    return problems + [f"table {row['name']} belongs to no run; deleting any large run frees it" for row in orphans]


def find_warnings(database: Database) -> list[str]:
    """What may be wrong with stored data though no rule is broken, a sentence each, with the remedy."""
    rows = database.fetch_all("unsoundly_read_portfolios", {"sound_reader_version": SOUND_READER_VERSION})
    return [
        f"portfolio {row['portfolio_id']} (named {', '.join(row['names'])}) was read by an earlier version, which rejected "
        f"{row['rejected_count']:,} row(s) of its file and may have changed others: upload the file once more, with --allow-partial. "
        "If the id is the same, the portfolio is sound, and this warning ends. If not, the new portfolio is the right one: value it, "
        f"and delete {row['portfolio_id']} with its runs"
        for row in rows
    ]


def _compared() -> Composed:
    parts = {"rolled_up": "rolled_up_measure", "added_up": "added_up_measure", "compared": "compared_measure"}
    return compose("check_rollups_match_results", **{name: for_each(part, ADDITIVE_MEASURES) for name, part in parts.items()})
