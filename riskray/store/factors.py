"""The factors of runs: what the sensitivities of their results refer to by number."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from psycopg.types.json import Jsonb

import sql
from pricers.market.factors import Factor, FactorKind
from riskray.store.database import Connection, Database


def insert_factors(connection: Connection, *, run_no: int, factors: Sequence[Factor]) -> None:
    """Number a run's factors by their places; those that it has already stay."""
    rows = [{"factor_no": number, **asdict(factor)} for number, factor in enumerate(factors)]
    connection.execute(sql.load("insert_factors"), {"run_no": run_no, "factors": Jsonb(rows)})


def run_factors(database: Database, *, run_no: int) -> tuple[Factor, ...]:
    """A run's factors, by number. Of a run that the version before submitted and ended, those that its results know."""
    return _factors(database.fetch_all("run_factors", {"run_no": run_no}))


def require_factors(database: Database, *, run_no: int, make: Callable[[], Sequence[Factor]]) -> tuple[Factor, ...]:
    """The factors that a run was submitted with; `make` gives those of a run that the version before submitted, which stored none."""
    stored = _factors(database.fetch_all("stored_factors", {"run_no": run_no}))
    if stored:
        return stored
    made = tuple(make())
    with database.transaction() as connection:
        insert_factors(connection, run_no=run_no, factors=made)
    return made


def _factors(rows: Sequence[dict[str, Any]]) -> tuple[Factor, ...]:
    return tuple(
        Factor(
            FactorKind(row["kind"]), row["name"], row["unit"], row["bump"], tuple(row["bucket_labels"]),
            None if row["bucket_days"] is None else tuple(row["bucket_days"]), row["is_sparse"],
        )
        for row in rows
    )  # fmt: skip
