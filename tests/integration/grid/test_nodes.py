"""More than one node, really: clusters on this machine, each scenario in a process of its own, because a process has one Ray at a time."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pytest

from riskray.metrics import METRICS

pytestmark = [pytest.mark.ray, pytest.mark.postgres, pytest.mark.slow]

SCENARIO_TIMEOUT_S = 240.0
SHARDS = 40


def _observe(scenario, database_url):
    """What `tests.integration.grid.programs.<scenario>` saw."""
    with tempfile.TemporaryDirectory(prefix="rr-n-", ignore_cleanup_errors=True) as directory:
        done = subprocess.run(
            [sys.executable, "-m", f"tests.integration.grid.programs.{scenario}", database_url, directory],
            check=False,
            capture_output=True,
            text=True,
            timeout=SCENARIO_TIMEOUT_S,
            cwd=Path(__file__).parents[3],
            # A file in Ray's directory names the cluster that others join by default: so it has one of its own.
            env={**os.environ, "RAY_TMPDIR": directory, "RAY_AUTH_MODE": "token", "RAY_metrics_report_interval_ms": "1000"},
        )
        assert done.returncode == 0, done.stderr
        return json.loads((Path(directory) / "observed.json").read_text())


@pytest.fixture(scope="module")
def nodes(create_database, _template):
    return _observe("nodes", create_database(template=_template))


@pytest.fixture(scope="module")
def swap(create_database, _template):
    return _observe("swap", create_database(template=_template))


def test_run_spreads_over_both_nodes(nodes):
    assert set(nodes["shards_by_node"]) == {"A", "B"}
    assert sum(nodes["shards_by_node"].values()) == SHARDS
    assert min(nodes["shards_by_node"].values()) >= SHARDS // 10


def test_pool_grows_to_a_node_that_is_offered_and_lets_it_go_when_idle(nodes):
    assert nodes["pricers"] == {"before": [0, 1], "with the node": [0, 1, 2], "after": [0, 1]}


def test_growing_pool_changes_no_bit(nodes):
    calm, grown, _ = nodes["numbers"]
    assert grown == calm
    assert (len(calm["rows"]), nodes["states"]) == (78, ["PARTIAL"] * 3)


def test_node_that_dies_in_the_middle_of_a_run_changes_no_bit(nodes):
    calm, _, shaken = nodes["numbers"]
    assert shaken == calm
    kinds = Counter(nodes["events"][2])
    assert (kinds["shard_done"], kinds["claimed"], kinds["finished"]) == (SHARDS, 1, 1)
    assert kinds["shard_retried"] >= 1


def test_nodes_export_what_the_run_did(nodes):
    metrics = nodes["metrics"]
    rows = {
        status: sum(v for k, v in metrics.items() if k.startswith("ray_riskray_rows_total{") and f'"{status}"' in k)
        for status in ("ok", "failed")
    }
    assert rows == {"ok": 78, "failed": 2}
    assert sum(value for key, value in metrics.items() if key.startswith("ray_riskray_core_seconds_total{")) > 0
    assert metrics['ray_riskray_pricers{state="up"}'] == 2
    names = {key.partition("{")[0] for key in metrics}
    known = {metric.exported_name + suffix for metric in METRICS for suffix in ("", "_bucket", "_sum", "_count")}
    assert names <= known
    tags = {tag.partition("=")[0] for key in metrics for tag in key.partition("{")[2].rstrip("}").split(",")} - {"", "le"}
    assert tags <= {tag for metric in METRICS for tag in metric.tags}


def test_run_begun_on_one_cluster_is_resumed_on_another_from_the_ledger(swap):
    begun = swap["shards_before"]
    assert begun["done"] > 0
    assert begun["left"] > 0
    assert swap["shards_by_epoch"] == {"1": begun["done"], "2": begun["left"]}
    assert Counter(swap["events"])["claimed"] == 2


def test_cluster_swap_changes_no_bit(swap):
    resumed, calm = swap["numbers"]
    assert resumed == calm
    assert swap["states"] == ["PARTIAL", "PARTIAL"]
