"""compose.yaml: valid by Compose's own schema, and correct by rules beyond the schema."""

import copy
import json
import re
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from riskray.config import Settings
from tests.cluster.manifests import ROOT, at, read_all

# The schema allows x-… anywhere, and below these any key.
FREE = {"environment", "services", "volumes"}


def compose() -> dict[str, Any]:
    [document] = read_all((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def problems_of(document: Any) -> list[str]:
    """What Compose's schema, as check-jsonschema carries it, does not allow."""
    text = resources.files("check_jsonschema").joinpath("builtin_schemas/vendor/compose-spec.json").read_text(encoding="utf-8")
    return [
        f"{'.'.join(map(str, error.instance_path))}: {error.message[:300]}"
        for error in jsonschema_rs.validator_for(json.loads(text)).iter_errors(document)
    ]


def services() -> dict[str, Any]:
    found: dict[str, Any] = compose()["services"]
    return found


def bound_sources() -> list[Path]:
    return [
        Path(volume.split(":")[0]) for service in services().values() for volume in service.get("volumes", []) if volume.startswith("./")
    ]


def test_compose_file_is_valid() -> None:
    assert problems_of(compose()) == []


@pytest.mark.parametrize(
    "place",
    [
        (),
        ("services", "head"),
        ("services", "head", "healthcheck"),
        ("services", "migrate", "build"),
        ("services", "worker", "depends_on", "head"),
        ("services", "postgres", "healthcheck"),
    ],
)
def test_misspelt_key_is_caught(place: tuple[Any, ...]) -> None:
    planted = copy.deepcopy(compose())
    at(planted, place)["mispelt"] = "x"
    assert problems_of(planted)


def test_everything_of_the_issue_is_there() -> None:
    assert services().keys() == {"postgres", "migrate", "head", "worker", "deploy", "prometheus", "grafana"}
    assert all("restart" in service for service in services().values())
    assert services()["head"]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_nothing_listens_beyond_loopback() -> None:
    for service in services().values():
        for port in service.get("ports", []):
            assert str(port).startswith("127.0.0.1:")


def test_secrets_come_from_outside_and_are_demanded() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    variables = set(re.findall(r"\$\{(\w+)", text))
    assert variables == {"POSTGRES_PASSWORD", "RISKRAY_API_TOKEN", "RAY_AUTH_TOKEN", "GRAFANA_PASSWORD"}
    assert re.findall(r"\$\{\w+\}", text) == []  # every one says what to do when it is missing
    loop = re.search(r"for name in ([A-Z_ ]+); do", text)
    assert loop
    assert set(loop[1].split()) == variables


def test_settings_are_names_that_riskray_knows() -> None:
    known = {f"RISKRAY_{name.upper()}" for name in Settings.model_fields}
    given = {name for service in services().values() for name in service.get("environment", {}) if name.startswith("RISKRAY_")}
    assert given
    assert given <= known


def test_head_listens_where_serve_does_and_deploys_the_one_file() -> None:
    [serve] = read_all((ROOT / "deployments" / "serve.yaml").read_text(encoding="utf-8"))
    assert f"127.0.0.1:{serve['http_options']['port']}:{serve['http_options']['port']}" in services()["head"]["ports"]
    assert services()["deploy"]["command"][-1].endswith("/application/deployments/serve.yaml")


def test_dashboards_and_rules_that_are_mounted_exist() -> None:
    assert bound_sources()
    if not (ROOT / "cluster" / "observability").is_dir():
        pytest.skip("there is no cluster/observability yet")
    assert [source for source in bound_sources() if not (ROOT / source).exists()] == []


def test_images_have_versions() -> None:
    for name, service in services().items():
        if service["image"] != "riskray:local":
            assert re.search(r":v?\d+\.\d+", service["image"]), name
