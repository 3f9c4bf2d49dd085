"""A head and two nodes: a run spreads, the pool grows to a node that is offered and lets it go, and a node dies in the middle of a run.

python -m tests.integration.grid.programs.nodes DATABASE_URL DIRECTORY
"""

import importlib
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import ray

from riskray.config import Settings
from riskray.logs import configure_logs
from riskray.models.run import Run
from riskray.store.runs import get_run
from tests.fixtures.local_grid import LocalGrid, grid_settings, local_grid
from tests.fixtures.stored_snapshots import store_market, store_portfolio
from tests.fixtures.waiting import wait_until
from tests.integration.grid.programs.cluster import add_node, answer, book, connected, event_kinds, exported, numbers_of, start_head

GATED_MODULE = "tests.fixtures.gated_pricer"


class Driven:
    """A run driven in a thread of its own."""

    def __init__(self, grid: LocalGrid, portfolio: str) -> None:
        self._grid = grid
        self.run = grid.submit(portfolio, rows_per_shard=2)
        self._coordinator = grid.coordinator()
        self._coordinator.start(claim=False)
        self._thread = threading.Thread(target=self._coordinator.execute, args=(grid.claim(self.run, self._coordinator),))
        self._thread.start()

    def end(self) -> Run:
        """Wait for the end."""
        self._thread.join(120)
        self._coordinator.stop()
        return get_run(self._grid.database, run_id=self.run.run_id)


def main(database_url: str, directory: Path) -> None:
    """Write down what was seen."""
    configure_logs(Settings(log_format="console"), component="test")
    importlib.import_module(GATED_MODULE)
    gate = directory / "gate"
    reached = gate.with_suffix(".reached")
    settings = grid_settings(
        database_url, pricer_modules=[GATED_MODULE], pricer_actors=2, pricer_actors_max=3, pricer_idle_s=2.0, lease_s=60.0
    )
    cluster = start_head(num_cpus=0)
    nodes = [add_node(cluster, num_cpus=1) for _ in range(2)]
    try:
        with connected(cluster), local_grid(settings) as grid:
            store_market(grid.database)
            portfolio = store_portfolio(grid.database, book(str(gate))).portfolio_id

            gate.touch()
            calm = Driven(grid, portfolio).end()
            spread = _shards_by_node(grid)
            metrics = wait_until(lambda: _metrics_of_all(spread), what="the metrics of all shards")

            _close(gate, reached)
            grown = Driven(grid, portfolio)
            wait_until(reached.exists, what="the gate")
            before = _numbers(grid)
            offered = add_node(cluster, num_cpus=1)
            wait_until(lambda: _shards_by_node(grid).get(offered.node_id), what="a shard on the new node")
            at_most = _numbers(grid)
            gate.touch()
            grown_end = grown.end()
            wait_until(lambda: _free_cpus(offered.node_id) == 1.0, what="the new node without an actor")
            after = _numbers(grid)
            cluster.remove_node(offered)

            _close(gate, reached)
            shaken = Driven(grid, portfolio)
            wait_until(reached.exists, what="the gate")
            wait_until(lambda: _busy_pricers(grid), what="a busy pricer")
            node_id, pid = _busy_pricers(grid)[0]
            cluster.remove_node(next(node for node in nodes if node.node_id == node_id), allow_graceful=False)
            wait_until(lambda: not psutil.pid_exists(pid), what="the end of the node's pricer")
            gate.touch()
            shaken_end = shaken.end()

            answer(
                directory,
                states=[run.state.value for run in (calm, grown_end, shaken_end)],
                shards_by_node={("A", "B")[[node.node_id for node in nodes].index(node_id)]: count for node_id, count in spread.items()},
                pricers={"before": before, "with the node": at_most, "after": after},
                numbers=[numbers_of(grid.database, run.run_id) for run in (calm, grown_end, shaken_end)],
                metrics=metrics,
                events=[event_kinds(grid.database, run.run_id) for run in (calm, grown_end, shaken_end)],
            )
    finally:
        cluster.shutdown()


def _close(gate: Path, reached: Path) -> None:
    gate.unlink()
    reached.unlink()


def _busy_pricers(grid: LocalGrid) -> list[tuple[str, int]]:
    """Node and process of each."""
    return [(status.node_id, status.pid) for status in grid.pool.status() if status.work is not None and status.node_id and status.pid]


def _numbers(grid: LocalGrid) -> list[int]:
    """Of the actors that answer."""
    return [int(status.name.rpartition("-")[2]) for status in grid.pool.status() if status.node_id is not None]


def _shards_by_node(grid: LocalGrid) -> dict[str, int]:
    return {status.node_id: status.shards_done for status in grid.pool.status() if status.node_id is not None}


def _metrics_of_all(spread: dict[str, int]) -> dict[str, float] | None:
    """Once those of all shards have arrived; processes report every second here."""
    found = exported("ray_riskray_")
    shards = sum(value for key, value in found.items() if key.startswith("ray_riskray_shards_total{"))
    return found if shards == sum(spread.values()) and "ray_riskray_runs_held{}" in found else None


def _free_cpus(node_id: str) -> float:
    free: dict[str, Any] = ray._private.state.available_resources_per_node()
    return float(free.get(node_id, {}).get("CPU", 0.0))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
