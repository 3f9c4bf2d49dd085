"""Ray clusters of several nodes on this machine, for programs that run in processes of their own: a process has one Ray at a time."""

import contextlib
import json
import logging
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import ray
from ray.cluster_utils import Cluster

from riskray.store.database import Database
from riskray.store.results import read_results
from riskray.store.runs import events_after
from tests.fixtures.gated_positions import gated
from tests.fixtures.stored_snapshots import bond, fx_forward

START_ATTEMPTS = 3
EVERYTHING = 100_000
RAY_LABELS = ("Component", "NodeAddress", "SessionName", "Version", "WorkerId", "JobId", "NodeId", "IsHeadNode", "otel_scope")
"""Tags that Ray adds to every metric."""
ROLLUP_TABLES = ("result_rollup", "result_sensitivity")
_OF_RUN = "SELECT t.* FROM {table} t JOIN run USING (run_no) WHERE run_id = %s ORDER BY 2, 3, 4, 5"
T = TypeVar("T")


def start_head(*, num_cpus: int) -> Any:
    """A cluster of one node without a dashboard, to which no process is connected."""
    return _again(lambda: Cluster(initialize_head=True, head_node_args={"num_cpus": num_cpus, "include_dashboard": False}))


def add_node(cluster: Any, *, num_cpus: int) -> Any:
    """One more node, alive."""
    return _again(lambda: cluster.add_node(num_cpus=num_cpus))


def _again(start: Callable[[], T]) -> T:
    """Ray gives a node a fixed time to start, which a busy machine may not keep."""
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            return start()
        except Exception:
            if attempt == START_ATTEMPTS:
                raise
    raise AssertionError


@contextmanager
def connected(cluster: Any) -> Iterator[None]:
    """This process as a driver of the cluster."""
    ray.init(address=cluster.address, namespace="tests", log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        ray.shutdown()


def book(gate: str) -> list[dict[str, Any]]:
    """60 bonds and forwards, of which two fail, and 20 positions whose value is their number; the first eight of these wait at the gate.

    In shards of two positions, these eight are all that two actors may hold, so that the rest waits for another actor.
    """
    real = [*(bond(n) for n in range(30)), *(fx_forward(n) for n in range(30))]
    real[7] |= {"discount_curve": "EUR-X"}
    real[41] |= {"quote_currency": "JPY"}
    return real + [gated(n, **({"gate": gate} if n < 8 else {})) for n in range(20)]


def numbers_of(database: Database, run_id: str) -> dict[str, Any]:
    """Every stored number of a run as its bits: results by position, and all sums."""
    rows = read_results(database, run_id=run_id, limit=EVERYTHING).to_pylist()
    with database.transaction() as connection:
        sums = [connection.execute(_OF_RUN.format(table=table), [run_id]).fetchall() for table in ROLLUP_TABLES]
    return {"rows": [_bits(row) for row in rows], "sums": [[_bits(row) for row in table] for table in sums]}


def exported(prefix: str) -> dict[str, float]:
    """What the live nodes export now for Prometheus: the sum over nodes and processes of each name and tags of riskray's."""
    found: dict[str, float] = {}
    for node in ray.nodes():
        if node["Alive"]:
            with contextlib.suppress(OSError):
                for line in _scraped(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics"):
                    if line.startswith(prefix):
                        key, _, value = line.rpartition(" ")
                        name, _, labels = key.partition("{")
                        tags = ",".join(label for label in labels.rstrip("}").split(",") if not label.startswith(RAY_LABELS))
                        found[f"{name}{{{tags}}}"] = found.get(f"{name}{{{tags}}}", 0.0) + float(value)
    return found


def _scraped(url: str) -> list[str]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode()).splitlines()


def _bits(row: dict[str, Any]) -> dict[str, str]:
    return {name: value.hex() if isinstance(value, float) else repr(value) for name, value in row.items() if name != "run_no"}


def event_kinds(database: Database, run_id: str) -> list[str]:
    """The events of a run, in order."""
    return [event.kind.value for event in events_after(database, run_id=run_id)]


def answer(directory: Path, **observed: Any) -> None:
    """Hand the observations to the test, in a file, because Ray writes to stdout what a dying node has to say."""
    (directory / "observed.json").write_text(json.dumps(observed))
