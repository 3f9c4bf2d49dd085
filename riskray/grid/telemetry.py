"""Records metrics through Ray, which exports those of all processes of a node on one port. One call costs about three microseconds."""

import threading
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from ray.util import metrics as ray_metrics

from riskray import metrics
from riskray.metrics import Kind, Metric
from riskray.store.database import Database

if TYPE_CHECKING:
    from riskray.lru_cache import LruCache

SAMPLE_S = 5.0
"""How often gauges are set: every ten seconds, Ray exports only gauges that were set since the last export."""


@cache
def _recorder(metric: Metric) -> Any:
    match metric.kind:
        case Kind.COUNTER:
            return ray_metrics.Counter(metric.name, description=metric.meaning, tag_keys=metric.tags)
        case Kind.GAUGE:
            return ray_metrics.Gauge(metric.name, description=metric.meaning, tag_keys=metric.tags)
        case Kind.HISTOGRAM:
            return ray_metrics.Histogram(metric.name, description=metric.meaning, tag_keys=metric.tags, boundaries=list(metric.boundaries))


def count(metric: Metric, value: float = 1.0, **tags: str) -> None:
    """Add to a counter. A value of 0 is not recorded."""
    if value > 0:
        _recorder(metric).inc(value, tags)


def show(metric: Metric, value: float, **tags: str) -> None:
    """Set a gauge."""
    _recorder(metric).set(value, tags)


def observe(metric: Metric, value: float, **tags: str) -> None:
    """Add a value to a histogram."""
    _recorder(metric).observe(value, tags)


def count_shard(product: str, *, committed: bool, ok_count: int, failed_count: int, seconds: Mapping[str, float]) -> None:
    """Count one shard. A shard that was already committed adds its seconds, but no rows."""
    count(metrics.SHARDS, product=product, outcome="committed" if committed else "repeated")
    if committed:
        count(metrics.ROWS, ok_count, product=product, status="ok")
        count(metrics.ROWS, failed_count, product=product, status="failed")
    for phase, spent_s in seconds.items():
        count(metrics.SHARD_SECONDS, spent_s, phase=phase)


class CacheLookups:
    """Counts the look-ups in one cache between two reports."""

    def __init__(self, name: str, looked_up: "LruCache[Any]") -> None:
        self._name, self._cache = name, looked_up
        self._hits = self._misses = 0

    def record(self) -> None:
        """Count the look-ups since the last call."""
        hits, misses = self._cache.hits, self._cache.misses
        count(metrics.CACHE_LOOKUPS, hits - self._hits, cache=self._name, outcome="hit")
        count(metrics.CACHE_LOOKUPS, misses - self._misses, cache=self._name, outcome="miss")
        self._hits, self._misses = hits, misses


class DatabasePool:
    """Records the connections of one process's pool, and the waiting time between two reports."""

    def __init__(self, database: Database, *, component: str) -> None:
        self._database, self._component = database, component
        self._waited_ms = 0

    def record(self) -> None:
        """Look now."""
        statistics = self._database.pool_statistics()
        idle = statistics["pool_available"]
        show(metrics.DATABASE_CONNECTIONS, idle, component=self._component, state="idle")
        show(metrics.DATABASE_CONNECTIONS, statistics["pool_size"] - idle, component=self._component, state="used")
        show(metrics.DATABASE_WAITING, statistics["requests_waiting"], component=self._component)
        waited_ms = statistics["requests_wait_ms"]
        count(metrics.DATABASE_WAIT_SECONDS, (waited_ms - self._waited_ms) / 1000, component=self._component)
        self._waited_ms = waited_ms


def watch_database(database: Database, *, component: str) -> None:
    """Record the pool for as long as the process lives."""
    keep_showing(DatabasePool(database, component=component).record)


def keep_showing(look: Callable[[], None]) -> None:
    """Call `look` every few seconds in a thread of its own, for as long as the process lives."""

    def loop() -> None:
        while True:
            look()
            time.sleep(SAMPLE_S)

    threading.Thread(target=loop, name="metrics", daemon=True).start()
