"""A RayService without Kubernetes: a head and a worker of `ray start`, and the Serve configuration deployed to the head.

`riskray up` does not run. The application `grid` must start coordinator and pricers; replicas must stay on the head, and pricers on the
worker.
"""

import json
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest
import yaml
from pydantic import SecretStr

from riskray.client import Client
from riskray.config import Settings
from riskray.models.run import RunState
from riskray.snapshots.demo import demo_market
from riskray.stack.record import processes_below
from riskray.stack.serve_applications import application_prefixes, failing_services
from tests.cluster.manifests import ROOT
from tests.fixtures.ports import unused_port
from tests.fixtures.running_stack import RAY, RISKRAY, stack_environment

pytestmark = [pytest.mark.ray, pytest.mark.postgres, pytest.mark.slow, pytest.mark.timeout(600)]

DEADLINE_S = 240.0
POSITIONS = 300
OBJECT_STORE = "--object-store-memory=100000000"


@dataclass(frozen=True)
class Service:
    """A cluster that serves."""

    environment: dict[str, str]
    dashboard: str
    settings: Settings


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {DEADLINE_S:g} s"
        time.sleep(0.2)


def answers(dashboard: str, token: str) -> bool:
    try:
        return httpx.get(f"{dashboard}/api/version", headers={"Authorization": f"Bearer {token}"}, trust_env=False).is_success
    except httpx.TransportError:
        return False


def end(nodes: list["subprocess.Popen[bytes]"]) -> None:
    """Kill the nodes and all that they started, by number."""
    processes = [process for node in nodes for known in processes_below(node.pid) if (process := known.find()) is not None]
    for process in processes:
        try:
            process.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=30.0)
    for node in nodes:
        node.wait(30.0)


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    ray_directory = Path(tempfile.mkdtemp(prefix="rr-s-"))
    gcs, dashboard_port, http_port = unused_port(), unused_port(), unused_port()
    token, api_token = secrets.token_hex(32), secrets.token_hex(16)
    # As the overlays have them.
    environment = stack_environment(
        tmp_path,
        RISKRAY_DATABASE_URL=database_url,
        RISKRAY_RAY_ADDRESS=f"127.0.0.1:{gcs}",
        RISKRAY_API_TOKEN=api_token,
        RISKRAY_API_URL=f"http://127.0.0.1:{http_port}",
        RISKRAY_PRICER_ACTORS="1",
        RAY_AUTH_MODE="token",
        RAY_AUTH_TOKEN=token,
        RAY_USAGE_STATS_ENABLED="0",
    )
    dashboard = f"http://127.0.0.1:{dashboard_port}"

    def node(*arguments: str) -> "subprocess.Popen[bytes]":
        command = [
            RAY,
            "start",
            "--block",
            "--num-cpus=1",
            f"--temp-dir={ray_directory}",
            f"--dashboard-agent-listen-port={unused_port()}",
            OBJECT_STORE,
        ]
        with (tmp_path / "nodes.log").open("ab") as log:
            return subprocess.Popen([*command, *arguments], env=environment, cwd=tmp_path, stdout=log, stderr=log, start_new_session=True)

    nodes = [node("--head", "--node-ip-address=127.0.0.1", f"--port={gcs}", f"--dashboard-port={dashboard_port}")]
    try:
        wait_for(lambda: answers(dashboard, token), "dashboard")
        nodes.append(node(f"--address=127.0.0.1:{gcs}"))
        configuration = yaml.safe_load((ROOT / "deployments" / "serve.yaml").read_text(encoding="utf-8"))
        configuration["http_options"].update(host="127.0.0.1", port=http_port)
        (tmp_path / "serve.yaml").write_text(yaml.safe_dump(configuration), encoding="utf-8")
        serve = str(Path(RAY).with_name("serve"))
        subprocess.run(
            [serve, "deploy", f"--address={dashboard}", "serve.yaml"], env=environment, cwd=tmp_path, check=True, capture_output=True
        )
        settings = Settings(api_url=environment["RISKRAY_API_URL"], api_token=SecretStr(api_token))
        wait_for(lambda: not failing_services(settings), "healthy services")
        yield Service(environment, dashboard, settings)
    finally:
        end(nodes)
        shutil.rmtree(ray_directory, ignore_errors=True)


def actors(service: Service) -> dict[str, str]:
    """Node of every actor that is alive, by name."""
    command = [RAY, "list", "actors", f"--address={service.dashboard}", "--filter=state=ALIVE", "--format=json"]
    done = subprocess.run(command, env=service.environment, check=True, capture_output=True, text=True)
    return {actor["name"]: actor["node_id"] for actor in json.loads(done.stdout)}


def riskray(service: Service, *arguments: str, cwd: Path) -> None:
    """The command in the environment that pods have; it must succeed."""
    done = subprocess.run([RISKRAY, *arguments], env=service.environment, cwd=cwd, capture_output=True, text=True, timeout=DEADLINE_S)
    assert done.returncode == 0, done.stderr


def test_service_prices_without_riskray_up_and_drives_a_job(service: Service, tmp_path: Path) -> None:
    assert httpx.get(f"{service.settings.base_url}/api/v1/runs/", trust_env=False).status_code == 401
    with Client(service.settings) as client:
        market = client.upload_market(demo_market()).market_id
        riskray(service, "portfolio", "generate", "book.parquet", "--positions", str(POSITIONS), cwd=tmp_path)
        portfolio = client.upload_portfolio(tmp_path / "book.parquet").portfolio_id
        pooled = client.submit(portfolio=portfolio, market=market)
        assert pooled.wait(timeout_s=DEADLINE_S).state in (RunState.SUCCEEDED, RunState.PARTIAL)

        where = actors(service)
        serving = {node for name, node in where.items() if name.startswith("SERVE_REPLICA::") or name == "coordinator"}
        assert len(serving) == 1, "a replica or the coordinator is not on the head"
        assert sum(name.startswith("SERVE_REPLICA::") for name in where) == len(application_prefixes()) + 1  # and the grid's keeper
        assert where["pricer-0"] not in serving

        # What a RayJob's entrypoint does, with the token that KubeRay puts into the environment.
        own = client.submit(portfolio=portfolio, market=market, executor="job")
        riskray(service, "run", "execute", own.run_id, "--partial-ok", cwd=tmp_path)
        assert own.wait(timeout_s=10.0).state is pooled.run.state
        assert own.rollup("book", "product") == pooled.rollup("book", "product")
