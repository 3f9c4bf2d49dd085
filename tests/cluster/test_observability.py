"""Dashboards, alert rules and Prometheus' own file: strictly valid, with metrics that the code records."""

import copy
import json
import shutil
import subprocess
from itertools import chain
from typing import Any

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from riskray.metrics import METRICS
from tests.cluster.observability import (
    FOLDER,
    ROOT,
    Dashboard,
    DataSources,
    PrometheusConfig,
    PrometheusRule,
    Providers,
    RuleFile,
    metrics_of_query,
    problems_of_query,
)

FILES: dict[str, type[BaseModel]] = {
    "alerts.yaml": RuleFile,
    "prometheus-rule.yaml": PrometheusRule,
    "prometheus.yml": PrometheusConfig,
    "grafana/provisioning/datasources/prometheus.yaml": DataSources,
    "grafana/provisioning/dashboards/riskray.yaml": Providers,
    "grafana/dashboards/riskray.json": Dashboard,
}
PROMTOOL = shutil.which("promtool")


def _read(name: str) -> Any:
    text = (FOLDER / name).read_text(encoding="utf-8")
    return json.loads(text) if name.endswith(".json") else yaml.safe_load(text)


def _alerts():
    return [rule for group in RuleFile.model_validate(_read("alerts.yaml")).groups for rule in group.rules]


def _dashboard():
    return Dashboard.model_validate(_read("grafana/dashboards/riskray.json"))


def _queries():
    return [
        *((rule.alert, rule.expr) for rule in _alerts()),
        *((panel.title, target.expr) for panel in _dashboard().charts for target in panel.targets),
    ]


def test_every_file_has_its_model():
    there = {str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()}
    assert there == {*FILES, "kustomization.yaml"}


@pytest.mark.parametrize("name", FILES)
def test_file_is_strictly_valid(name):
    FILES[name].model_validate(_read(name))


def _mappings(node: Any):
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _mappings(child)


@pytest.mark.parametrize("name", FILES)
def test_misspelt_key_is_found(name):
    """Outside of a dashboard's free-form options, in every mapping of the file."""
    original = _read(name)
    free = ("custom", "options", "stacking", "legend", "tooltip", "reduceOptions", "current")
    strict = [
        number
        for number, mapping in enumerate(_mappings(original))
        if name != "grafana/dashboards/riskray.json" or not {"displayMode", "calcs", "mode", "lineWidth", *free} & set(mapping)
    ]
    if name == "grafana/dashboards/riskray.json":
        strict = strict[:60]  # the panels repeat themselves
    assert strict
    for number in strict:
        planted = copy.deepcopy(original)
        mapping = list(_mappings(planted))[number]
        if not mapping:
            continue
        key = next(iter(mapping))
        mapping[key + "x"] = mapping[key]
        with pytest.raises(ValidationError):
            FILES[name].model_validate(planted)


@pytest.mark.parametrize(("title", "expression"), _queries())
def test_query_is_valid_and_asks_for_metrics_that_are_recorded(title, expression):
    assert problems_of_query(expression) == []


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sum(rate(ray_riskray_run_total[5m]))", "nothing records ray_riskray_run_total"),
        ('sum(ray_riskray_runs_total{run_id="x"})', "no label run_id"),
        ("sum(ray_riskray_run_seconds)", "nothing records ray_riskray_run_seconds"),
        ("sum(ray_serve_deployment_reqest_counter_total)", "nothing records"),
        ("sum(ray_riskray_runs_total", "unclosed left parenthesis"),
    ],
)
def test_query_with_a_mistake_is_found(expression, problem):
    assert problem in " ".join(problems_of_query(expression))


def test_every_metric_is_shown():
    shown = set(chain.from_iterable(metrics_of_query(expression) for _, expression in _queries()))
    assert {metric.exported_name for metric in METRICS} <= shown


def test_panels_do_not_overlap():
    taken: set[tuple[int, int]] = set()
    for panel in _dashboard().panels:
        at = panel.gridPos
        cells = {(x, y) for x in range(at.x, at.x + at.w) for y in range(at.y, at.y + at.h)}
        assert at.x + at.w <= 24
        assert not cells & taken, panel.title
        taken |= cells
    assert len({panel.id for panel in _dashboard().panels}) == len(_dashboard().panels)


def test_metrics_have_names_and_tags_of_low_cardinality():
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    allowed = {"state", "executor", "product", "outcome", "status", "reason", "phase", "cache", "component"}
    for metric in METRICS:
        assert metric.name.startswith("riskray_")
        assert metric.name.endswith("_total") == (metric.kind.value == "counter")
        assert set(metric.tags) <= allowed


def test_operators_rule_is_the_rule_file():
    assert _read("prometheus-rule.yaml")["spec"] == _read("alerts.yaml")


def test_every_alert_is_explained_in_the_runbook():
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    explained = {line.removeprefix("#### ").strip() for line in text.splitlines() if line.startswith("#### Riskray")}
    assert explained == {rule.alert for rule in _alerts()}


def test_compose_mounts_what_is_here():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    mounts = [mount.split(":") for name in ("prometheus", "grafana") for mount in services[name]["volumes"] if mount.startswith("./")]
    inside = {source.removeprefix("./"): target for source, target, *_ in mounts}
    assert all((ROOT / source).exists() for source in inside)
    config = _read("prometheus.yml")
    assert config["rule_files"] == [inside["cluster/observability/alerts.yaml"]]
    path = _read("grafana/provisioning/dashboards/riskray.yaml")["providers"][0]["options"]["path"]
    assert path == inside["cluster/observability/grafana/dashboards"]
    hosts = {target.partition(":")[0] for job in config["scrape_configs"] for each in job["static_configs"] for target in each["targets"]}
    assert hosts <= set(services)


@pytest.mark.skipif(PROMTOOL is None, reason="no promtool found: it comes with Prometheus")
def test_promtool_finds_nothing_wrong(tmp_path):
    rules = tmp_path / "alerts.yaml"
    shutil.copy(FOLDER / "alerts.yaml", rules)
    config = tmp_path / "prometheus.yml"
    config.write_text((FOLDER / "prometheus.yml").read_text(encoding="utf-8").replace("/etc/prometheus", str(tmp_path)))
    done = subprocess.run([str(PROMTOOL), "check", "config", str(config)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
