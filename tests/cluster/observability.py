"""Strict models of the files in `cluster/observability`, and the names of metrics that their queries may use."""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import promql_parser
import ray
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from riskray.metrics import METRICS, Kind, Metric

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "cluster" / "observability"
RAY_SOURCES = ("serve/_private", "dashboard/modules/reporter")
SUFFIXES = {Kind.COUNTER: ("",), Kind.GAUGE: ("",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}

Duration = Annotated[str, StringConstraints(pattern=r"^(\d+(ms|[smhdwy]))+$")]
Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Strict(BaseModel):
    """Nothing that it does not know."""

    model_config = ConfigDict(extra="forbid", strict=True)


class _Severity(Strict):
    severity: Literal["critical", "warning"]


class _Annotations(Strict):
    summary: Text
    description: Text


class Rule(Strict):
    """One alert."""

    alert: Annotated[str, StringConstraints(pattern=r"^Riskray[A-Za-z]+$")]
    expr: Text
    for_: Duration | None = Field(default=None, alias="for")
    labels: _Severity
    annotations: _Annotations


class _Group(Strict):
    name: Text
    rules: list[Rule] = Field(min_length=1)


class RuleFile(Strict):
    """alerts.yaml."""

    groups: list[_Group] = Field(min_length=1)


class _Name(Strict):
    name: Text


class PrometheusRule(Strict):
    """prometheus-rule.yaml."""

    apiVersion: Literal["monitoring.coreos.com/v1"]
    kind: Literal["PrometheusRule"]
    metadata: _Name
    spec: RuleFile


class _Globals(Strict):
    scrape_interval: Duration
    evaluation_interval: Duration


class _Targets(Strict):
    targets: list[Text]


class _ScrapeConfig(Strict):
    job_name: Text
    static_configs: list[_Targets]


class PrometheusConfig(Strict):
    """prometheus.yml."""

    global_: _Globals = Field(alias="global")
    rule_files: list[Text]
    scrape_configs: list[_ScrapeConfig]


class _DataSource(Strict):
    name: Text
    uid: Text
    type: Literal["prometheus"]
    access: Literal["proxy"]
    url: Text
    isDefault: bool


class DataSources(Strict):
    """Grafana's data sources."""

    apiVersion: Literal[1]
    datasources: list[_DataSource]


class _Path(Strict):
    path: Text


class _Provider(Strict):
    name: Text
    folder: Text
    type: Literal["file"]
    allowUiUpdates: bool
    options: _Path


class Providers(Strict):
    """Where Grafana finds dashboards."""

    apiVersion: Literal[1]
    providers: list[_Provider]


class _DataSourceReference(Strict):
    type: Literal["prometheus"]
    uid: Literal["${datasource}"]


class _Target(Strict):
    refId: Annotated[str, StringConstraints(pattern=r"^[A-Z]$")]
    datasource: _DataSourceReference
    expr: Text
    legendFormat: Text
    range: Literal[True]


class _Position(Strict):
    h: int
    w: int = Field(le=24)
    x: int = Field(lt=24)
    y: int


class _Defaults(Strict):
    unit: Literal["short", "s", "ms", "bytes", "percent", "percentunit", "reqps"]
    min: int
    custom: dict[str, Any] | None = None


class _FieldConfig(Strict):
    defaults: _Defaults
    overrides: list[Any] = Field(max_length=0)


class _Row(Strict):
    id: int
    type: Literal["row"]
    title: Text
    collapsed: bool
    gridPos: _Position
    panels: list[Any] = Field(max_length=0)


class Panel(Strict):
    """One chart or number."""

    id: int
    type: Literal["timeseries", "stat"]
    title: Text
    description: str
    datasource: _DataSourceReference
    gridPos: _Position
    fieldConfig: _FieldConfig
    options: dict[str, Any]
    targets: list[_Target] = Field(min_length=1)


class _Range(Strict):
    from_: str = Field(alias="from")
    to: str


class _Variable(Strict):
    name: Literal["datasource"]
    label: Text
    type: Literal["datasource"]
    query: Literal["prometheus"]
    current: dict[str, str]
    hide: int
    refresh: int
    multi: bool
    includeAll: bool
    regex: str


class _Variables(Strict):
    entries: list[_Variable] = Field(alias="list")


class _Nothing(Strict):
    entries: list[Any] = Field(alias="list", max_length=0)


class Dashboard(Strict):
    """A dashboard of Grafana, as far as ours go."""

    uid: Text
    title: Text
    description: Text
    tags: list[str]
    schemaVersion: int
    version: int
    editable: bool
    refresh: Duration
    time: _Range
    timezone: Literal["browser"]
    graphTooltip: int
    templating: _Variables
    annotations: _Nothing
    links: list[Any]
    panels: list[_Row | Panel]

    @property
    def charts(self) -> list[Panel]:
        """Without the rows."""
        return [panel for panel in self.panels if isinstance(panel, Panel)]


# ------------------------------------------------------------------------------------------------------------------- queries


def problems_of_query(expression: str) -> list[str]:
    """The problems of a query: invalid syntax, a metric that is not recorded, a label that its metric does not have."""
    try:
        parsed = promql_parser.parse(expression.replace("$__rate_interval", "5m"))
    except ValueError as error:
        return [f"{expression}: {error}"]
    problems: list[str] = []

    def look(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            problems.extend(_problems_of_selector(str(node.name), [matcher.name for matcher in node.matchers.matchers]))

    promql_parser.walk(parsed, look)
    return problems


def metrics_of_query(expression: str) -> set[str]:
    """Exported names, without a histogram's suffix."""
    found: set[str] = set()

    def look(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            metric = _ours(str(node.name))
            found.add(str(node.name) if metric is None else metric.exported_name)

    promql_parser.walk(promql_parser.parse(expression.replace("$__rate_interval", "5m")), look)
    return found


def _problems_of_selector(name: str, labels: list[str]) -> list[str]:
    metric = _ours(name)
    if metric is not None:
        return [f"{name} has no label {label}; it has {metric.tags}" for label in labels if label not in metric.tags]
    theirs = name.removeprefix("ray_")
    if name.startswith("ray_") and {theirs, re.sub(r"_(total|bucket|sum|count)$", "", theirs)} & _recorded_by_ray():
        return []
    return [f"nothing records {name}"]


def _ours(name: str) -> Metric | None:
    return next((m for m in METRICS if name in {m.exported_name + suffix for suffix in SUFFIXES[m.kind]}), None)


@cache
def _recorded_by_ray() -> frozenset[str]:
    """Names that stand in the sources of the installed Ray."""
    package = Path(ray.__file__).parent
    text = "".join(file.read_text(encoding="utf-8") for folder in RAY_SOURCES for file in sorted((package / folder).glob("*.py")))
    return frozenset(re.findall(r'"((?:serve|node)_[a-z_]+)"', text))
