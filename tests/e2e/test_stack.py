"""The whole stack as its users see it: command line, HTTP, SDK, SQL, Ray jobs, and a pricer that dies during a run."""

import json
import math
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import pytest

from pricers.measures import Measure
from riskray.client import Client
from riskray.client.results import RunHandle
from riskray.errors import Conflict
from riskray.models.event import RunEvent
from riskray.models.run import RunState
from riskray.stack.record import processes_below, read_record
from riskray.store.database import database_url
from tests.fixtures.running_stack import RAY, RISKRAY, RunningStack, stack_environment

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

POSITIONS = 10_000
KILLED_POSITIONS = 100_000
PRICER_TITLES = ("ray::Pricer", "ray::value ")
"""The title of a pricer's process, which is the name of the task while it values a shard."""


@pytest.fixture(scope="module")
def client(running_stack: RunningStack) -> Iterator[Client]:
    with running_stack.client() as client:
        yield client


@pytest.fixture(scope="module")
def market(running_stack: RunningStack) -> str:
    return str(running_stack.json("market", "demo")["market_id"])


@pytest.fixture(scope="module")
def portfolio(running_stack: RunningStack) -> str:
    file = running_stack.directory / "book.parquet"
    assert running_stack.run("portfolio", "generate", str(file), "--positions", str(POSITIONS)).returncode == 0
    return str(running_stack.json("portfolio", "upload", str(file))["portfolio_id"])


@pytest.fixture(scope="module")
def valued(client: Client, market: str, portfolio: str) -> RunHandle:
    handle = client.submit(portfolio=portfolio, market=market, rows_per_shard=1000)
    assert handle.wait(timeout_s=120.0).state is RunState.PARTIAL
    return handle


def wait_for(condition: Callable[[], Any], *, what: str, timeout_s: float = 60.0) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"{what} did not happen within {timeout_s:g} s"
        time.sleep(0.05)
    return found


def test_second_up_finds_the_stack_running(running_stack: RunningStack) -> None:
    again = running_stack.json("up")
    assert again["started"] is False


def test_status_names_every_service_and_its_database(running_stack: RunningStack) -> None:
    state = running_stack.json("status")
    assert state["running"]
    assert state["healthy"]
    assert set(state["services"]) == {"market-data", "portfolios", "scenarios", "runs", "results", "pricing", "index"}


def test_doctor_finds_nothing_wrong(running_stack: RunningStack) -> None:
    assert [check for check in running_stack.json("doctor") if not check["ok"]] == []


def test_doctor_says_when_the_pool_would_need_more_connections_than_postgres_allows(running_stack: RunningStack) -> None:
    said = running_stack.run("doctor", "--json", RISKRAY_PRICER_ACTORS_MAX="1000")
    (found,) = [check for check in json.loads(said.stdout) if not check["ok"]]
    assert found["check"] == "connections"
    assert "max_connections" in found["detail"]


def test_http_sdk_and_sql_tell_the_same(running_stack: RunningStack, client: Client, valued: RunHandle) -> None:
    totals = valued.totals()
    assert totals.ok_count + totals.failed_count == POSITIONS
    assert 20 <= totals.failed_count <= 80
    with psycopg.connect(database_url(running_stack.settings)) as connection:
        rows = connection.execute("SELECT pv_base, dv01 FROM result WHERE run_id = %s", (valued.run_id,)).fetchall()
        failures = connection.execute("SELECT count(*) FROM failure WHERE run_id = %s", (valued.run_id,)).fetchone()
        rollup = connection.execute(
            "SELECT sum(r.ok_count), sum(r.failed_count) FROM result_rollup r JOIN run USING (run_no) WHERE run_id = %s", (valued.run_id,)
        ).fetchone()
    assert len(rows) == totals.ok_count == POSITIONS - totals.failed_count
    assert failures == (totals.failed_count,)
    assert rollup == (totals.ok_count, totals.failed_count)
    assert math.fsum(pv for pv, _ in rows) == pytest.approx(totals.pv_base, rel=1e-14)
    table = valued.positions().to_arrow()
    assert math.fsum(table["dv01"].to_pylist()) == pytest.approx(math.fsum(dv01 for _, dv01 in rows), rel=1e-14)
    assert running_stack.json("results", valued.run_id)["pv_base"] == totals.pv_base
    by_book = running_stack.json("rollup", valued.run_id, "--by", "book,product")
    assert math.fsum(row["pv_base"] for row in by_book) == pytest.approx(totals.pv_base, rel=1e-13)
    assert running_stack.run("db", "check").returncode == 0


def test_product_of_a_plain_function_goes_the_whole_way(client: Client, market: str) -> None:
    """The recipe of CONTRIBUTING.md, named in the stack's settings."""
    note = {"product": "PROMISSORY_NOTE", "currency": "USD", "notional": 100.0}
    good = {**note, "position_id": "good", "instrument": {"rate": 0.03, "years": 2}}
    bad = {**note, "position_id": "bad", "instrument": {"rate": 0.03}}
    assert "PROMISSORY_NOTE" in [product.product for product in client.products()]
    priced = client.price([good, bad], market=market)
    stored = client.upload_portfolio([good, bad], name="notes")
    run = client.submit(portfolio=stored.portfolio_id, market=market, wait_s=60)
    assert run.run.preflight.gaps == []
    assert run.totals().pv_base == priced.results[0].values[Measure.PV_BASE] == pytest.approx(100 * math.exp(-0.06), rel=1e-12)
    assert [(failure.code, failure.message) for failure in priced.failures] == [("PRICER_ERROR", "KeyError: 'years'")]
    assert [failure.code for failure in run.failure_summary()] == ["PRICER_ERROR"]


def test_module_of_pricers_that_is_not_there_is_named(running_stack: RunningStack) -> None:
    failed = running_stack.run("up", **stack_environment(running_stack.directory / "other", RISKRAY_PRICER_MODULES="never_there"))
    assert failed.returncode == 1
    assert "RISKRAY_PRICER_MODULES names 'never_there', which cannot be imported" in failed.stderr


def test_events_are_streamed_while_the_run_goes_on(client: Client, market: str, portfolio: str) -> None:
    handle = client.submit(portfolio=portfolio, market=market, rows_per_shard=500)
    events: list[RunEvent] = []
    handle.wait(timeout_s=120.0, progress=events.append)
    kinds = [event.kind.value for event in events]
    assert kinds[0] == "submitted"
    assert kinds[-1] == "finished"
    assert kinds.count("shard_done") == handle.run.progress.shard_count
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_killed_pricer_changes_nothing_in_the_result(running_stack: RunningStack, client: Client, market: str) -> None:
    file = running_stack.directory / "killed.parquet"
    running_stack.run("portfolio", "generate", str(file), "--positions", str(KILLED_POSITIONS), "--seed", "7")
    portfolio = running_stack.json("portfolio", "upload", str(file))["portfolio_id"]
    calm = client.submit(portfolio=portfolio, market=market)
    calm.wait(timeout_s=120.0)
    shaken = client.submit(portfolio=portfolio, market=market, rows_per_shard=200)
    in_the_middle: list[bool] = []

    def kill_one(event: RunEvent) -> None:
        if event.kind.value == "shard_done" and not in_the_middle:
            pricer = next(process for process in stack_processes(running_stack) if command_of(process.pid).startswith(PRICER_TITLES))
            pricer.kill()
            in_the_middle.append(client.get_run(shaken.run_id).state is RunState.RUNNING)

    run = shaken.wait(timeout_s=240.0, progress=kill_one)
    assert in_the_middle == [True]
    assert run.progress.ok_count + run.progress.failed_count == KILLED_POSITIONS
    assert shaken.totals().model_dump(exclude={"run_id"}) == calm.totals().model_dump(exclude={"run_id"})
    assert shaken.positions().to_arrow().drop_columns(["position_no"]).equals(calm.positions().to_arrow().drop_columns(["position_no"]))


def test_run_is_watched_to_its_end_though_the_proxy_is_killed(
    running_stack: RunningStack, client: Client, market: str, portfolio: str, valued: RunHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("riskray.client.transport.CONNECT_PATIENCE_S", 60.0)  # a new one takes five seconds, on a busy machine longer
    handle = client.submit(portfolio=portfolio, market=market, rows_per_shard=20)
    events: list[RunEvent] = []

    def kill_the_proxy(event: RunEvent) -> None:
        if event.kind.value == "shard_done" and not any(seen.kind.value == "shard_done" for seen in events):
            next(process for process in stack_processes(running_stack) if command_of(process.pid).startswith("ray::ProxyActor")).kill()
        events.append(event)

    assert handle.wait(timeout_s=120.0, progress=kill_the_proxy).state is RunState.PARTIAL
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert handle.totals().pv_base == valued.totals().pv_base


def stack_processes(stack: RunningStack) -> list[psutil.Process]:
    record = read_record(stack.settings.data_directory)
    assert record is not None
    return psutil.Process(record.ray_processes[0].pid).children(recursive=True)


def command_of(pid: int) -> str:
    """What a process calls itself; nothing once it has ended, as Ray's workers do at any time."""
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return ""


def test_run_is_executed_by_a_ray_job(running_stack: RunningStack, client: Client, market: str, portfolio: str, valued: RunHandle) -> None:
    run_id = submit_for_a_job(running_stack, market, portfolio)
    command, environment = job_command(run_id), job_environment(running_stack)

    def submit() -> subprocess.CompletedProcess[str] | None:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment)
        return None if "No available agent" in done.stderr else done  # Ray's own job agent starts some seconds after its dashboard

    job = wait_for(submit, what="Ray's job agent")
    assert job.returncode == 0, job.stdout + job.stderr
    assert client.get_run(run_id).state is RunState.PARTIAL
    assert client.totals(run_id).pv_base == valued.totals().pv_base


def test_job_that_is_stopped_gives_its_run_back_at_once(
    running_stack: RunningStack, client: Client, market: str, portfolio: str, valued: RunHandle
) -> None:
    run_id = submit_for_a_job(running_stack, market, portfolio, "--rows-per-shard", "20")
    environment = job_environment(running_stack)
    command = [RISKRAY, "run", "execute", run_id, "--partial-ok"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as stopped:
        wait_for(lambda: client.get_run(run_id).progress.shards_done > 5, what="the sixth shard")
        stopped.terminate()
    assert stopped.returncode != 0
    before = client.get_run(run_id)
    assert before.state is RunState.RUNNING
    with psycopg.connect(database_url(running_stack.settings)) as connection:
        is_free = connection.execute("SELECT lease_until <= clock_timestamp() FROM run WHERE run_id = %s", [run_id]).fetchone()
    assert is_free == (True,), "the run waits for the end of its lease"
    second = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment)
    assert second.returncode == 0, second.stderr
    assert client.totals(run_id).pv_base == valued.totals().pv_base


def submit_for_a_job(stack: RunningStack, market: str, portfolio: str, *options: str) -> str:
    submitted = stack.json("run", "submit", "--portfolio", portfolio, "--market", market, "--executor", "job", *options)
    assert submitted["state"] == "QUEUED"
    return str(submitted["run_id"])


def job_environment(stack: RunningStack) -> dict[str, str]:
    return {**stack.environment, **stack.json("env")}


def job_command(run_id: str) -> list[str]:
    return [RAY, "job", "submit", "--submission-id", run_id, "--", "riskray", "run", "execute", run_id, "--partial-ok"]


def test_ray_refuses_who_has_no_token(running_stack: RunningStack) -> None:
    record = read_record(running_stack.settings.data_directory)
    assert record is not None
    assert Path(record.ray_token_file).stat().st_mode & 0o777 == 0o600
    assert httpx.get(f"{record.dashboard_url}/api/jobs/", trust_env=False).status_code in (401, 403)


def test_nothing_listens_beyond_loopback_but_what_serve_opens_between_replicas(running_stack: RunningStack) -> None:
    record = read_record(running_stack.settings.data_directory)
    assert record is not None
    processes = {known.pid for above in record.ray_processes for known in (above, *processes_below(above.pid))}
    listening = [
        (found.laddr.ip.removeprefix("::ffff:"), found.laddr.port, found.pid)
        for found in psutil.net_connections("tcp")
        if found.laddr and found.status == psutil.CONN_LISTEN and found.pid in processes
    ]
    assert running_stack.settings.ray_port in [port for _, port, _ in listening]
    beyond = [command_of(pid) for host, _, pid in listening if pid is not None and host not in ("127.0.0.1", "::1")]
    assert [command for command in beyond if command and not command.startswith("ray::ServeReplica")] == []


def test_cancelled_run_ends_cancelled(client: Client, market: str, portfolio: str) -> None:
    handle = client.submit(portfolio=portfolio, market=market, rows_per_shard=5)  # 2,000 shards: not over before the next line arrives
    handle.cancel()
    run = handle.wait(timeout_s=120.0)
    assert run.state is RunState.CANCELLED
    progress = run.progress
    assert progress.ok_count + progress.failed_count + progress.cancelled_count == POSITIONS


def test_explained_value_is_the_value(running_stack: RunningStack, valued: RunHandle) -> None:
    row = valued.first_page(limit=1)[0]
    explanation = running_stack.json("explain", valued.run_id, row.position_id)
    assert math.fsum(flow["pv_base"] for flow in explanation["flows"]) == pytest.approx(row.pv_base, rel=1e-12)


def test_answers_have_one_request_id(running_stack: RunningStack) -> None:
    answer = httpx.get(f"{running_stack.settings.base_url}/api/v1/runs/nope", headers={"X-Request-ID": "trace-1"}, trust_env=False)
    assert answer.headers.get_list("x-request-id") == ["trace-1"]
    assert answer.json()["request_id"] == "trace-1"


def test_trace_of_a_run_reaches_from_the_request_to_the_copy(running_stack: RunningStack, market: str, portfolio: str) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    body = {"portfolio": portfolio, "market": market, "rows_per_shard": 5000}
    caller = {"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"}
    answer = httpx.post(f"{running_stack.settings.base_url}/api/v1/runs", json=body, headers=caller, trust_env=False)
    assert answer.status_code == 202, answer.text

    def chain() -> list[str]:
        """Services from a shard's COPY up to the caller, as far as spans have arrived; that of the run's sums is another."""
        spans = {span.span_id: span for span in running_stack.collector.spans if span.trace_id == trace_id}
        shards = {span.span_id for span in spans.values() if span.name == "shard"}
        at = next((span for span in spans.values() if span.name == "COPY" and span.parent_span_id in shards), None)
        services = []
        while at is not None:
            services.append(f"{at.service}: {at.name}")
            at = spans.get(at.parent_span_id)
        return services

    def is_whole() -> bool:
        services = chain()
        return len(services) >= 4 and "POST" in services[-1]

    wait_for(is_whole, what="spans from the COPY up to the request")
    names = [service.split(": ")[1] for service in chain()]
    assert names[:3] == ["COPY", "shard", "run"]


def test_run_under_way_is_not_read_by_accident(client: Client, market: str, portfolio: str) -> None:
    handle = client.submit(portfolio=portfolio, market=market, executor="job")
    with pytest.raises(Conflict, match="partial=true"):
        handle.positions()
    handle.cancel()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["run", "status", "run-0"], 1, "run-0"),
        (["run", "submit"], 2, "--portfolio"),
        (["frobnicate"], 2, "frobnicate"),
        (["portfolio", "upload", "nowhere.csv"], 1, "nowhere.csv"),
        (["market", "download", "demo", "market.xlsx"], 1, ".xlsx"),
    ],
)
def test_failing_command_says_so_in_one_line_and_by_its_exit_code(
    running_stack: RunningStack, arguments: list[str], code: int, said: str
) -> None:
    done = running_stack.run(*arguments)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_partial_run_is_exit_code_3(running_stack: RunningStack, valued: RunHandle) -> None:
    done = running_stack.run("run", "status", valued.run_id, "--json")
    assert done.returncode == 3
    assert json.loads(done.stdout)["state"] == "PARTIAL"


def test_nobody_there_is_exit_code_5(running_stack: RunningStack) -> None:
    done = running_stack.run("run", "list", RISKRAY_API_URL="http://127.0.0.1:9")
    assert done.returncode == 5
    assert "riskray up" in done.stderr


def test_wrong_setting_is_named_by_its_variable(running_stack: RunningStack) -> None:
    done = running_stack.run("status", RISKRAY_HTTP_PORT="many")
    assert done.returncode == 2
    assert "RISKRAY_HTTP_PORT" in done.stderr


def test_port_in_use_is_named_with_its_variable(running_stack: RunningStack, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        environment = stack_environment(tmp_path, RISKRAY_RAY_DASHBOARD_PORT=str(port))
        done = running_stack.run("up", **environment)
    assert done.returncode == 1
    assert str(port) in done.stderr
    assert "RISKRAY_RAY_DASHBOARD_PORT" in done.stderr
    assert not (tmp_path / "data" / "stack.json").exists()


def test_open_address_without_a_token_is_refused(running_stack: RunningStack, tmp_path: Path) -> None:
    done = running_stack.run("up", **stack_environment(tmp_path, RISKRAY_HTTP_HOST="0.0.0.0"))
    assert done.returncode == 1
    assert "RISKRAY_API_TOKEN" in done.stderr


def test_stack_that_was_killed_is_cleaned_up_and_started_again(running_stack: RunningStack) -> None:
    """Killed as by the power switch, started anew over its remains, ended without a trace: the last test, as it ends the stack."""
    record = read_record(running_stack.settings.data_directory)
    assert record is not None
    os.kill(record.ray_processes[0].pid, signal.SIGKILL)
    again = running_stack.run("up")
    assert again.returncode == 0, again.stderr
    assert running_stack.json("status")["healthy"]
    processes = stack_processes(running_stack)
    assert running_stack.run("down").returncode == 0
    wait_for(lambda: not any(process.is_running() for process in processes), what="the end of every process")
    assert not Path(record.ray_directory).exists()
    assert running_stack.run("down").returncode == 0
