"""One installation of the Terraform configuration on a stand-in for AWS, applied while other tests run."""

import json
import os
import re
import select
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.aws_inventory import Account, inventory
from tests.cluster.terraform import FILLED_IN, PROVIDER_OVERRIDE, Terraform, available, require_terraform

TESTS = Path(__file__).resolve().parents[1]
REGION = "eu-central-1"
STATE_BUCKET = "terraform-states"
START_DEADLINE_S = 120.0
DEADLINE_S = 500.0

# Everything optional switched on, so that it is applied too. Storage stays standard, as in dev.tfvars, because moto 5.2 does not know
# Aurora's I/O-optimised storage; the test of the production plan looks at that.
OPTIONAL = {
    "alarm_emails": ["risk-platform@example.com"],
    "edge_firewall_enabled": True,
    "database_instance_count": 2,
    "interface_endpoints": ["ecr.api", "ecr.dkr", "eks-auth", "logs", "secretsmanager", "sts"],
    "kubernetes_public_access_cidrs": ["203.0.113.0/24"],
}
VARIABLES = ("-var-file=envs/dev.tfvars", "-var-file=test.tfvars.json")


@dataclass(frozen=True)
class Installation:
    """A development installation being applied, or applied."""

    endpoint: str  # of the stand-in, for every service
    account: Account
    before: dict[str, set[str]]  # what the account held before: the state's bucket and what AWS itself puts there
    terraform: Terraform
    applying: subprocess.Popen[bytes]

    def outputs(self) -> dict[str, Any]:
        """The outputs by name, once everything is applied."""
        self.terraform.finish(self.applying, timeout_s=DEADLINE_S)
        return {name: output["value"] for name, output in json.loads(self.terraform.run("output", "-json")).items()}

    def made(self) -> dict[str, set[str]]:
        """What the account holds now and did not before: kind → names."""
        return {kind: new for kind, names in inventory(self.account).items() if (new := names - self.before.get(kind, set()))}


@contextmanager
def _stand_in() -> Iterator[str]:
    """The address of an empty AWS on this machine."""
    settings = {**os.environ, "MOTO_IAM_LOAD_MANAGED_POLICIES": "true", "MOTO_EC2_LOAD_DEFAULT_AMIS": "false"}
    command = [sys.executable, "-m", "tests.cluster.aws_stand_in"]
    with subprocess.Popen(command, cwd=TESTS.parent, env=settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout
            assert select.select([server.stdout], [], [], START_DEADLINE_S)[0], "the stand-in for AWS did not start in time"
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


def _initialised(directory: Path, *, endpoint: str, account: Account) -> Terraform:
    """A copy whose state is in S3, as envs/dev.s3.tfbackend has it."""
    terraform = Terraform(directory, endpoint=endpoint)
    terraform.write("provider_override.tf", PROVIDER_OVERRIDE)
    backend = directory / "envs" / "dev.s3.tfbackend"
    backend.write_text(re.sub(r'"<[^>]+>"', f'"{STATE_BUCKET}"', backend.read_text(encoding="utf-8")), encoding="utf-8")
    options = ("use_path_style=true", "skip_credentials_validation=true", "skip_metadata_api_check=true", "skip_requesting_account_id=true")
    terraform.init("-backend-config=envs/dev.s3.tfbackend", *(f"-backend-config={option}" for option in options))
    certificate = account["acm"].request_certificate(DomainName="riskray.example.com")["CertificateArn"]
    terraform.write_variables("test.tfvars.json", {**FILLED_IN, **OPTIONAL, "edge_certificate_arn": certificate})
    return terraform


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A development installation whose apply has begun. Skips, with the reason, without Terraform or its provider."""
    require_terraform()
    with _stand_in() as endpoint:
        account = Account(endpoint, REGION)
        account["s3"].create_bucket(Bucket=STATE_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        before = inventory(account)
        terraform = _initialised(tmp_path_factory.mktemp("installation") / "copy", endpoint=endpoint, account=account)
        applying = terraform.start("apply", "-auto-approve", "-no-color", "-parallelism=30", *VARIABLES)
        yield Installation(endpoint, account, before, terraform, applying)
        terraform.abandon(applying)


@pytest.fixture(scope="session")
def destroying(installation: Installation) -> Iterator[subprocess.Popen[bytes]]:
    """The destruction of the applied installation, begun."""
    installation.outputs()
    process = installation.terraform.start("destroy", "-auto-approve", "-no-color", "-refresh=false", "-parallelism=30", *VARIABLES)
    yield process
    installation.terraform.abandon(process)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What waits for Terraform comes late: the looks at what it made behind the services' tests, its end after everything."""
    applied = [item for item in items if item.path.name == "test_terraform_apply.py"]
    last = [item for item in applied if item.name == "test_destroy_leaves_nothing"]
    folders = [TESTS / name for name in ("client", "cluster", "deployments")]
    early = [item for item in items if item not in applied and any(item.path.is_relative_to(folder) for folder in folders)]
    items[:] = [*early, *(item for item in applied if item not in last), *(item for item in items if item not in early + applied), *last]


@pytest.fixture(scope="session", autouse=True)
def _begin_early(request: pytest.FixtureRequest) -> None:
    """Begin the apply with the first test of this folder: it is two minutes of waiting, in which the others can run."""
    if any(item.path.name == "test_terraform_apply.py" for item in request.session.items) and available():
        request.getfixturevalue("installation")
