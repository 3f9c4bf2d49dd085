"""The state of the database, for checks of health."""

import time
from typing import Any, Final

import sql
from riskray.store import migrations
from riskray.store.database import Database

HEALTH_TIMEOUT_S: Final = 2.0


def database_health(database: Database) -> dict[str, Any]:
    """Server, latency, migrations and pool, for /health/deep. Raises StoreUnavailable within a few seconds."""
    with database.connection(timeout_s=HEALTH_TIMEOUT_S) as connection:
        started = time.perf_counter()
        row = connection.execute(sql.load("server_state")).fetchone()
        latency_ms = 1000 * (time.perf_counter() - started)
    missing = migrations.pending(database)
    statistics = database.pool_statistics()
    return {
        "target": database.target,
        **(row or {}),
        "latency_ms": round(latency_ms, 3),
        "migrated": not missing,
        "missing_migrations": missing,
        "pool": {name: statistics[name] for name in ("pool_size", "pool_max", "pool_available", "requests_waiting")},
    }
