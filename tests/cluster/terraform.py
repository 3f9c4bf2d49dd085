"""Runs Terraform on a copy of cluster/terraform, without network, account or the user's configuration."""

import json
import os
import platform
import pwd
import re
import shutil
import signal
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "cluster" / "terraform"
NOWHERE = "http://127.0.0.1:9"  # a port without a listener

# What stands in <…> in envs/*.tfvars.
FILLED_IN = {
    "aws_account_id": "123456789012",
    "cluster_admin_principal_arns": ["arn:aws:iam::123456789012:role/platform"],
    "edge_certificate_arn": "arn:aws:acm:eu-central-1:123456789012:certificate/7c0e0000-0000-4000-8000-000000000000",
    "github_repository": "example/riskray",
    "alarm_emails": ["risk-platform@example.com"],
}

# Merged over versions.tf: the state is in a file, and the provider does not look up its identity.
LOCAL_OVERRIDE = """
terraform {
  backend "local" {}
}
"""
PROVIDER_OVERRIDE = """
provider "aws" {
  s3_use_path_style           = true
  skip_credentials_validation = true
  skip_metadata_api_check     = true
  skip_region_validation      = true
}
"""


@cache
def provider_version() -> str:
    """The version of the AWS provider that versions.tf pins."""
    found = re.search(r'source\s*=\s*"hashicorp/aws"\s*version\s*=\s*"([0-9.]+)"', (SOURCE / "versions.tf").read_text(encoding="utf-8"))
    assert found, "versions.tf pins no exact version of hashicorp/aws"
    return found[1]


def _holds_provider(directory: Path) -> bool:
    """Whether a folder is a provider mirror, unpacked or packed, with the pinned provider for this machine."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    target = f"{platform.system().lower()}_{machine}"
    provider = directory / "registry.terraform.io" / "hashicorp" / "aws"
    unpacked = provider / provider_version() / target
    return unpacked.is_dir() or (provider / f"terraform-provider-aws_{provider_version()}_{target}.zip").is_file()


@cache
def find_plugins() -> Path | None:
    """The folder for `terraform init -plugin-dir`: TERRAFORM_PLUGIN_DIRECTORY, or one of the usual places, or what lies directly in one."""
    home = Path(pwd.getpwuid(os.getuid()).pw_dir)  # not $HOME, which the suite sets to a directory of its own
    places = [home / ".terraform.d" / "plugins", *map(Path, ("/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", "/opt"))]
    if named := os.environ.get("TERRAFORM_PLUGIN_DIRECTORY"):
        places.insert(0, Path(named))
    for place in places:
        if place.is_dir() and os.access(place, os.R_OK | os.X_OK):
            for directory in [place, *sorted(child for child in place.iterdir() if child.is_dir() and os.access(child, os.R_OK | os.X_OK))]:
                if _holds_provider(directory):
                    return directory
    return None


def require_terraform() -> tuple[str, Path]:
    """The binary and the provider folder, or a skip that says what is missing."""
    binary = shutil.which("terraform")
    if binary is None:
        pytest.skip("no terraform on PATH (1.11 or newer; https://developer.hashicorp.com/terraform/install)")
    plugins = find_plugins()
    if plugins is None:
        pytest.skip(
            f"no folder with hashicorp/aws {provider_version()} found; make one with"
            " `terraform -chdir=cluster/terraform providers mirror DIR` and name it in TERRAFORM_PLUGIN_DIRECTORY"
        )
    return binary, plugins


def available() -> bool:
    """Whether Terraform and its provider are here."""
    return shutil.which("terraform") is not None and find_plugins() is not None


class Terraform:
    """One copy of the configuration, and Terraform on it."""

    def __init__(self, directory: Path, *, endpoint: str = NOWHERE) -> None:
        """Copies the configuration to `directory`, which must not exist. `endpoint` stands in for all of AWS. Skips without Terraform."""
        self._binary, self._plugins = require_terraform()
        self.directory = directory
        shutil.copytree(SOURCE, directory, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "AWS_"))}
        self.environment = {
            **inherited,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CHECKPOINT_DISABLE": "1",
            "NO_PROXY": "127.0.0.1",
            "TF_IN_AUTOMATION": "1",
            "TF_INPUT": "0",
        }

    def run(self, *arguments: str, ok: bool = True) -> str:
        """Standard output and error of `terraform ARGUMENTS`. Fails the test, with both, when success is not as `ok` says."""
        done = subprocess.run(
            [self._binary, *arguments],
            cwd=self.directory,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if (done.returncode == 0) is not ok:
            pytest.fail(f"terraform {' '.join(arguments)} ended with {done.returncode}\n{done.stdout[-6000:]}", pytrace=False)
        return done.stdout

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Begin `terraform ARGUMENTS`; `finish` or `abandon` it."""
        with (self.directory / "started.log").open("wb") as log:
            return subprocess.Popen(
                [self._binary, *arguments],
                cwd=self.directory,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # its provider is a process of its own; `abandon` ends both
            )

    def finish(self, process: subprocess.Popen[bytes], *, timeout_s: float) -> None:
        """Wait for what `start` began. Fails the test, with its output, when it fails or takes longer than `timeout_s`."""
        try:
            code: int | str = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = f"no end within {timeout_s:g} s"
        if code != 0:
            said = (self.directory / "started.log").read_text(encoding="utf-8")
            pytest.fail(f"terraform ended with {code}\n{said[-6000:]}", pytrace=False)

    def abandon(self, process: subprocess.Popen[bytes]) -> None:
        """End what `start` began, if it still runs."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def init(self, *arguments: str) -> None:
        """`terraform init` from the provider folder alone."""
        self.run("init", "-no-color", f"-plugin-dir={self._plugins}", *arguments)

    def write(self, name: str, text: str) -> None:
        """A further file of the copy."""
        (self.directory / name).write_text(text, encoding="utf-8")

    def write_variables(self, name: str, values: dict[str, Any]) -> None:
        """A file for -var-file."""
        self.write(name, json.dumps(values))

    def planned(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """What `terraform plan ARGUMENTS` would create: address → known values of the resource."""
        self.run("plan", "-no-color", "-out=checked.plan", "-refresh=false", *arguments)
        plan = json.loads(self.run("show", "-json", "checked.plan"))
        return {change["address"]: change["change"]["after"] for change in plan["resource_changes"] if change["mode"] == "managed"}
