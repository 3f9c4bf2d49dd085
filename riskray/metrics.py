"""All metrics that riskray exports for Prometheus. The code records metrics of this list, the metrics page is generated from it, and
dashboards and alert rules are checked against it.

Ray exports the metrics on its metrics port (`--metrics-export-port`) with the prefix `ray_`. Tags have few values by design: no tag names
a run, position, shard or request, which logs, traces and tables name. Seconds are counters, because their `rate` is exact, while the sum
of one of Ray's histograms is known only to the nearest bucket.
"""

from dataclasses import dataclass
from enum import StrEnum

EXPORTED_PREFIX = "ray_"
"""The prefix that Ray adds to the name of every metric of an application."""


class Kind(StrEnum):
    """Prometheus's types of metrics."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric:
    """One metric. `boundaries`: upper bounds of a histogram's buckets."""

    name: str
    kind: Kind
    meaning: str
    tags: tuple[str, ...] = ()
    boundaries: tuple[float, ...] = ()

    @property
    def exported_name(self) -> str:
        """The name in Prometheus; the series of a histogram have the suffixes `_bucket`, `_sum` and `_count`."""
        return EXPORTED_PREFIX + self.name


RUNS = Metric("riskray_runs_total", Kind.COUNTER, "Runs that ended, by final state.", ("state",))
RUN_SECONDS = Metric(
    "riskray_run_seconds", Kind.HISTOGRAM, "Wall seconds from a run's claim to its end.", ("state",),
    boundaries=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000, 3000, 10_000),
)  # fmt: skip
RUNS_QUEUED = Metric("riskray_runs_queued", Kind.GAUGE, "Runs without a driver: queued, or with an expired lease.", ("executor",))
QUEUE_AGE = Metric("riskray_queue_age_seconds", Kind.GAUGE, "Age of the oldest run without a driver; 0 if there is none.", ("executor",))
RUNS_HELD = Metric("riskray_runs_held", Kind.GAUGE, "Runs that this cluster's coordinator drives.")
SHARDS_WAITING = Metric("riskray_shards_waiting", Kind.GAUGE, "Shards not yet assigned to a pricer.")
SHARDS_IN_FLIGHT = Metric("riskray_shards_in_flight", Kind.GAUGE, "Shards assigned to pricers.")
PRICERS = Metric("riskray_pricers", Kind.GAUGE, "Pricers by state: up, down, or joining (waiting for a CPU).", ("state",))

SHARDS = Metric(
    "riskray_shards_total",
    Kind.COUNTER,
    "Shards valued, by outcome: committed, or repeated (already committed before).",
    ("product", "outcome"),
)
SHARD_FAILURES = Metric(
    "riskray_shard_failures_total", Kind.COUNTER,
    "Attempts at shards that ended without a commit: crashed, timeout, not_started, lease_lost, database, error.", ("reason",),
)  # fmt: skip
ROWS = Metric("riskray_rows_total", Kind.COUNTER, "Positions committed, by status: ok or failed.", ("product", "status"))
SHARD_SECONDS = Metric("riskray_shard_seconds_total", Kind.COUNTER, "Seconds that pricers spent on shards, by phase.", ("phase",))
CORE_SECONDS = Metric(
    "riskray_core_seconds_total", Kind.COUNTER, "CPU seconds that pricers spent on shards, which is the cost of runs.", ("product",)
)
CACHE_LOOKUPS = Metric(
    "riskray_cache_lookups_total", Kind.COUNTER, "Look-ups in pricers' caches, by outcome: hit or miss.", ("cache", "outcome")
)
CACHE_BYTES = Metric("riskray_cache_bytes", Kind.GAUGE, "Bytes of compiled positions in a pricer's cache.")

LEASES_LOST = Metric("riskray_leases_lost_total", Kind.COUNTER, "Runs that this coordinator lost because its lease expired.")
LEASE_FAILURES = Metric("riskray_lease_renewal_failures_total", Kind.COUNTER, "Renewals of a lease that failed in the database.")

DATABASE_CONNECTIONS = Metric(
    "riskray_database_connections", Kind.GAUGE, "Connections in a process's pool, by state: used or idle.", ("component", "state")
)
DATABASE_WAITING = Metric("riskray_database_requests_waiting", Kind.GAUGE, "Requests waiting for a connection.", ("component",))
DATABASE_WAIT_SECONDS = Metric(
    "riskray_database_wait_seconds_total", Kind.COUNTER, "Seconds that requests waited for a connection.", ("component",)
)

METRICS = (
    RUNS, RUN_SECONDS, RUNS_QUEUED, QUEUE_AGE, RUNS_HELD, SHARDS_WAITING, SHARDS_IN_FLIGHT, PRICERS,
    SHARDS, SHARD_FAILURES, ROWS, SHARD_SECONDS, CORE_SECONDS, CACHE_LOOKUPS, CACHE_BYTES,
    LEASES_LOST, LEASE_FAILURES, DATABASE_CONNECTIONS, DATABASE_WAITING, DATABASE_WAIT_SECONDS,
)  # fmt: skip
