"""The Terraform configuration as text: format, validity, and rules for all of its files. These tests create no resources."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.terraform import FILLED_IN, LOCAL_OVERRIDE, SOURCE, Terraform

FILES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.tf"))
PLACEHOLDER = re.compile(r"<[^>\n]+>")

# Free text and switches, which need no validation.
WITHOUT_VALIDATION = {"protect_data", "edge_firewall_enabled", "github_oidc_provider_exists"}


def text_of(path: Path) -> str:
    """A file without its comments."""
    return re.sub(r"(^|\s)#.*$", "", (SOURCE / path).read_text(encoding="utf-8"), flags=re.MULTILINE)


def blocks(path: Path, kind: str) -> Iterator[tuple[str, str]]:
    """Labels and body of every `kind "label" ["label"] {…}` at the top of a file that `terraform fmt` has formatted."""
    for found in re.finditer(rf'^{kind}((?: "[^"]+")+) \{{\n(.*?)^\}}', text_of(path), re.MULTILINE | re.DOTALL):
        yield found[1].replace('"', "").strip(), found[2]


@pytest.fixture(scope="module")
def initialised(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    terraform = Terraform(tmp_path_factory.mktemp("terraform") / "copy")
    terraform.write("backend_override.tf", LOCAL_OVERRIDE)
    terraform.init()
    return terraform


def test_configuration_is_formatted(initialised: Terraform) -> None:
    assert initialised.run("fmt", "-check", "-recursive", "-diff", str(SOURCE)) == ""


def test_configuration_is_valid(initialised: Terraform) -> None:
    assert "The configuration is valid" in initialised.run("validate", "-no-color")


def test_misspelt_arguments_are_caught(initialised: Terraform) -> None:
    misspelt = {
        "modules/database/main.tf": ("storage_encrypted ", "storage_encripted "),
        "modules/eks/nodes.tf": ("http_put_response_hop_limit", "http_put_response_hops"),
        "modules/registry/main.tf": ("scan_on_push", "scan_on_pull"),
    }
    originals = {initialised.directory / file: (initialised.directory / file).read_text(encoding="utf-8") for file in misspelt}
    try:
        for (path, original), (right, wrong) in zip(originals.items(), misspelt.values(), strict=True):
            assert right in original
            path.write_text(original.replace(right, wrong, 1), encoding="utf-8")
        said = initialised.run("validate", "-no-color", ok=False)
    finally:
        for path, original in originals.items():
            path.write_text(original, encoding="utf-8")
    for _, wrong in misspelt.values():
        assert f'An argument named "{wrong.strip()}" is not expected here' in " ".join(said.split())


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_example_leaves_open_only_what_nobody_else_can_know(environment: str) -> None:
    text = (SOURCE / "envs" / f"{environment}.tfvars").read_text(encoding="utf-8")
    open_variables = {line.split("=")[0].strip() for line in text.splitlines() if PLACEHOLDER.search(line) and not line.startswith("#")}
    assert (
        {"aws_account_id", "cluster_admin_principal_arns", "edge_certificate_arn", "github_repository"}
        <= open_variables
        <= FILLED_IN.keys()
    )


def test_placeholders_are_refused_until_filled_in(initialised: Terraform) -> None:
    said = initialised.run("plan", "-no-color", "-var-file=envs/prod.tfvars", ok=False)
    for variable in ("aws_account_id", "cluster_admin_principal_arns", "edge_certificate_arn", "github_repository"):
        assert f"var.{variable} is" in said


def test_dangerous_or_impossible_values_are_refused(initialised: Terraform) -> None:
    initialised.write_variables(
        "bad.tfvars.json",
        {
            **FILLED_IN,
            "aws_account_id": "1234",
            "edge_client_cidrs": ["0.0.0.0/0"],
            "edge_internet_facing": False,
            "kubernetes_public_access_cidrs": ["0.0.0.0/0"],
            "nat_mode": "none",
            "availability_zones": ["eu-central-1a", "eu-central-1b", "us-east-1c"],
            "vpc_cidr": "10.0.0.0/24",
            "database_tls_parameters": "sslmode=prefer",
            "database_capacity_units": {"min": 8, "max": 4},
            "github_repository": "example/*",
            "edge_idle_timeout_seconds": 300,
            "addon_versions": {"vpc-cni": "latest"},
        },
    )
    said = initialised.run("plan", "-no-color", "-var-file=envs/prod.tfvars", "-var-file=bad.tfvars.json", ok=False)
    said = " ".join(said.split())
    for remedy in (
        "An account has twelve digits",
        "The whole internet only with edge_internet_facing = true",
        "never the whole internet",
        "Without NAT, interface_endpoints must hold at least",
        "Three different zones of aws_region",
        "A block from /16 to /18",
        "The database refuses plain text",
        "0.5 <= min <= max <= 256",
        "owner/name, without wildcards",
        "From 60 to 85 seconds",
        "One version, like v1.22.4-eksbuild.3",
    ):
        assert remedy in said, remedy


def test_every_variable_says_what_it_is_and_checks_what_it_gets() -> None:
    problems = []
    for path in FILES:
        for name, body in blocks(path, "variable"):
            if not re.search(r'^  description = "\S.{6,}"$', body, re.MULTILINE):
                problems.append(f"{path}: variable {name} has no description")
            if not re.search(r"^  type +=", body, re.MULTILINE):
                problems.append(f"{path}: variable {name} has no type")
            if path == Path("variables.tf") and name not in WITHOUT_VALIDATION and "validation {" not in body:
                problems.append(f"{path}: variable {name} has no validation")
        for name, body in blocks(path, "output"):
            if not re.search(r'^  description = "\S.{6,}"$', body, re.MULTILINE):
                problems.append(f"{path}: output {name} has no description")
    assert problems == []
    assert len(list(blocks(Path("variables.tf"), "variable"))) > 30


def test_variables_live_in_their_file_and_are_all_used() -> None:
    for directory in {path.parent for path in FILES}:
        declared = {name for path in FILES if path.parent == directory for name, _ in blocks(path, "variable")}
        used = {name for path in FILES if path.parent == directory for name in re.findall(r"\bvar\.(\w+)", text_of(path))}
        assert declared == used
        assert not [path for path in FILES if path.parent == directory and path.name != "variables.tf" and list(blocks(path, "variable"))]


def test_modules_are_our_own() -> None:
    sources = [
        source for path in FILES for _, body in blocks(path, "module") for source in re.findall(r'^  source += "(.+)"$', body, re.MULTILINE)
    ]
    assert sorted(sources) == sorted(f"./modules/{directory.name}" for directory in (SOURCE / "modules").iterdir())


def test_whole_internet_appears_only_as_a_route_out() -> None:
    lines = [(str(path), line.strip()) for path in FILES for line in text_of(path).splitlines() if "0.0.0.0/0" in line or "::/0" in line]
    assert {path for path, _ in lines} == {"modules/network/main.tf"}
    assert {line.split("=")[0].strip() for _, line in lines} == {"destination_cidr_block"}


def test_policies_grant_no_action_by_wildcard_on_everything() -> None:
    """Only a key's own policy says `kms:*`: without it not even the account's administrators could manage the key."""
    broad = []
    for path in FILES:
        for actions in re.finditer(r"actions\s*=\s*\[(.*?)\]", text_of(path), re.DOTALL):
            before = text_of(path)[: actions.start()].rsplit("{", 1)[1]  # the statement's lines above: what it denies may be broad
            if re.search(r'"(\*|[a-z0-9-]+:\*)"', actions[1]) and not re.search(r'effect\s*=\s*"Deny"', before):
                broad.append(str(path))
    assert broad == ["modules/keys/main.tf"]


def test_no_secret_is_written_where_the_state_would_keep_it() -> None:
    values = [body for path in FILES for label, body in blocks(path, "resource") if label.startswith("aws_secretsmanager_secret_version ")]
    assert values
    for body in values:
        assert re.findall(r"^  secret_\w+", body, re.MULTILINE) == ["  secret_id", "  secret_string_wo", "  secret_string_wo_version"]
    assert not [path for path in FILES if re.search(r"\bmaster_password\w*\s*=", text_of(path))]


def test_edge_fits_what_serve_does() -> None:
    serve = yaml.safe_load((SOURCE.parents[1] / "deployments" / "serve.yaml").read_text(encoding="utf-8"))["http_options"]
    defaults = {name: re.search(r"^  default += (\d+)$", body, re.MULTILINE) for name, body in blocks(Path("variables.tf"), "variable")}

    def default(name: str) -> int:
        found = defaults[name]
        assert found
        return int(found[1])

    assert default("serve_port") == serve["port"]
    assert default("edge_idle_timeout_seconds") < serve["keep_alive_timeout_s"]


def test_readme_names_every_output_and_module() -> None:
    readme = (SOURCE / "README.md").read_text(encoding="utf-8")
    outputs = {name for name, _ in blocks(Path("outputs.tf"), "output")}
    assert {name for name in outputs if f"`{name}`" not in readme} == set()
    assert {module.name for module in (SOURCE / "modules").iterdir() if f"`{module.name}`" not in readme} == set()
