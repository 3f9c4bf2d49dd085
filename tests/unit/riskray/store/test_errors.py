"""The translation of the database driver's errors."""

import psycopg
import pytest

from riskray.store.errors import explain


@pytest.mark.parametrize("state", ["starting up", "in recovery mode", "not yet accepting connections"])
def test_server_that_comes_up_is_waited_for_and_not_started_anew(state: str) -> None:
    said = psycopg.OperationalError(f'connection to server on socket "/db/.s.PGSQL.5432" failed: FATAL:  the database system is {state}')
    explained = str(explain(said, "/db/riskray", embedded=True))
    assert explained.endswith("it is starting or recovering from a crash; retry")
    assert "riskray up" not in explained
