"""The command line where there is nothing to start: what is deleted, and what is said where no stack runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from riskray import __version__
from riskray.cli import app, main
from riskray.client import Client
from riskray.config import Settings
from riskray.errors import Conflict, InvalidRequest
from riskray.store.ledger import claim_run
from tests.fixtures.ports import unused_port
from tests.fixtures.services import Api
from tests.fixtures.stored_snapshots import bond, market_document

Command = Callable[..., Any]


@pytest.fixture
def client(api: Api, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The SDK on the services, which commands get too."""
    client = Client(Settings(api_url="http://testserver"), http=api.http)
    monkeypatch.setattr(client.transport, "close", lambda: None)
    monkeypatch.setattr("riskray.client.Client", lambda: client)
    return client


@pytest.fixture
def no_stack(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """Settings of a machine on which nothing runs; the API's address."""
    port = str(unused_port())
    monkeypatch.setenv("RISKRAY_DATA_DIRECTORY", str(tmp_path / "data"))
    monkeypatch.setenv("RISKRAY_HTTP_PORT", port)
    return f"http://127.0.0.1:{port}"


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def test_snapshots_and_runs_are_deleted_once_nothing_uses_them(client: Client) -> None:
    market = client.upload_market(market_document()).market_id
    portfolio = client.upload_portfolio([bond(1)], name="desk").portfolio_id
    run = client.submit(portfolio="desk", market=market, wait_s=30).run_id
    for kind, key in (("market", market), ("portfolio", portfolio)):
        refused = command(kind, "delete", key)
        assert isinstance(refused.exception, Conflict), refused.output
        assert "run" in str(refused.exception)
    for kind, key in (("run", run), ("market", market), ("portfolio", portfolio)):
        assert command(kind, "delete", key).stdout == f"deleted {key}\n"
    assert [page.total for page in (client.list_runs(), client.list_markets(), client.list_portfolios())] == [0, 0, 0]


def test_partial_market_is_stored_and_what_it_lacks_is_said(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "close.json"
    document = market_document()
    bad = {"name": "BAD", "currency": "EUR", "points": [{"tenor": "1Y", "value": "high"}]}
    file.write_text(json.dumps(document | {"curves": [*document["curves"], bad]}))
    assert isinstance(command("market", "upload", str(file)).exception, InvalidRequest)
    assert client.list_markets().total == 0
    stored = command("market", "upload", str(file), "--allow-partial")
    assert stored.stdout == f"{client.upload_market(document).market_id}\n"
    place = f"curves.{len(document['curves'])}.points.0.value"
    assert f"\nleft out: {place}: Input should be a valid number" in stored.stderr
    as_json = json.loads(command("market", "upload", str(file), "--allow-partial", "--json").stdout)
    assert (as_json["rejected_count"], [".".join(map(str, problem["loc"])) for problem in as_json["problems"]]) == (1, [place])


def test_name_means_the_last_upload_of_every_kind_also_of_what_it_meant_before(client: Client, tmp_path: Path) -> None:
    stress = {"kind": "stress", "scenarios": [{"name": "up", "shocks": [{"type": "parallel", "shift": {"bp": 1}}]}]}
    tree = {"name": "eod", "dimension": "book", "root": "BANK", "parents": {"A": "BANK"}}
    client.upload_market(market_document())
    for kind, suffix, older, newer, arguments in (
        ("market", "json", market_document() | {"name": "eod"}, market_document() | {"name": "eod", "description": "a slip"}, "upload {}"),
        ("portfolio", "json", [bond(1)], [bond(2)], "upload {} --name eod"),
        ("history", "csv", "date,fx/EUR\n2024-03-27,1\n2024-03-28,2\n", "date,fx/EUR\n2024-03-27,9\n2024-03-28,2\n",
         "upload {} --name eod"),
        ("scenario", "csv", "scenario,fx/EUR\na,0.1\n", "scenario,fx/EUR\na,0.2\n", "upload {} --name eod"),
        ("scenario", "json", stress, stress | {"numeraire": "EUR"}, "create {} --name eod2 --market close"),
        ("hierarchy", "json", tree, tree | {"parents": {"B": "BANK"}}, "create {}"),
    ):  # fmt: skip
        file, name = tmp_path / f"eod.{suffix}", "eod2" if "eod2" in arguments else "eod"
        told = []
        for content in (older, newer, older):
            file.write_text(content if isinstance(content, str) else json.dumps(content))
            told.append(command(kind, *arguments.format(file).split()).stdout.strip())
        first, second, again = told
        assert first == again != second
        shown = json.loads(command(kind, "show", name, "--json").stdout)
        assert (first in shown.values(), shown["name"], shown["version"]) == (True, name, 3)
        assert [line.split()[0] for line in command(kind, "list", "--name", name).stdout.splitlines()[-3:]] == [first, second, first]


def test_known_content_under_a_new_name_has_that_name(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "day1.json"
    file.write_text(json.dumps([bond(1)]))
    first, again = command("portfolio", "upload", str(file)), command("portfolio", "upload", str(file), "--name", "day2")
    assert (again.exit_code, again.stdout, "stored already" in again.stderr) == (0, first.stdout, False)
    client.upload_market(market_document())
    submitted = command("run", "submit", "--portfolio", "day2", "--market", "close", "--wait", "--json")
    assert json.loads(submitted.stdout)["portfolio_id"] == first.stdout.strip()
    assert command("portfolio", "delete", "day2").exit_code == 0
    assert client.get_portfolio("day1").portfolio_id == first.stdout.strip()


def _run_without_driver(api: Api, client: Client, executor: str) -> str:
    """A run that a coordinator has claimed and left: its lease was over a minute ago."""
    client.upload_market(market_document())
    client.upload_portfolio([bond(1)], name="desk")
    api.grid.is_asleep = True
    run = client.submit(portfolio="desk", market="close", executor=executor).run  # type: ignore[arg-type]
    assert (run.lease_until, run.driven_since, run.lacks_driver) == (None, None, False)
    assert claim_run(api.database, owner=uuid4(), lease_s=600.0, executor=executor) is not None
    driven = client.get_run(run.run_id)
    assert driven.lease_until is not None
    assert driven.driven_since is not None
    assert run.created_at <= driven.driven_since < driven.lease_until
    with api.database.connection() as connection:
        connection.execute("UPDATE run SET lease_until = now() - interval '1 minute'")
    left = client.get_run(run.run_id)
    assert (left.state.value, left.driven_since, left.lacks_driver) == ("RUNNING", None, True)
    return run.run_id


@pytest.mark.parametrize(("executor", "remedy"), [("pool", "`riskray status`"), ("job", "`riskray run execute {}`")])
def test_watch_says_that_nothing_drives_a_run_and_goes_on(
    api: Api, client: Client, monkeypatch: pytest.MonkeyPatch, executor: str, remedy: str
) -> None:
    run_id = _run_without_driver(api, client, executor)
    monkeypatch.setattr("deployments.services.run_events.UNDRIVEN_AFTER_S", 0.0)
    monkeypatch.setattr("deployments.services.runs.EVENT_STREAM_S", 3.0)  # the test client hands a stream on at its end
    told: list[str] = []

    def say(text: str) -> None:
        told.append(text)
        if text.startswith("warning:") and len([line for line in told if line.startswith("warning:")]) == 1:
            api.grid.drive(executor=executor)

    assert command("run", "status", run_id).exit_code == 0
    assert f"{run_id} RUNNING (no driver)" in " ".join(command("run", "list").stdout.split())
    monkeypatch.setattr("riskray.cli.run_commands.say", say)
    watched = command("run", "watch", run_id)
    assert watched.exit_code == 0, watched.output
    (warning,) = [line for line in told if line.startswith("warning:")]
    for text in (f"no process drives run {run_id} since ", remedy.format(run_id), f"to end it, use `riskray run cancel {run_id}`"):
        assert text in warning
    ended = client.get_run(run_id)
    assert (ended.state.value, ended.lease_until, ended.driven_since, ended.lacks_driver) == ("SUCCEEDED", None, None, False)


def test_status_says_that_no_process_drives_a_run(api: Api, client: Client) -> None:
    run_id = _run_without_driver(api, client, "pool")
    shown = command("run", "status", run_id)
    assert f"warning: no process drives run {run_id} since " in shown.stderr
    assert "warning" not in shown.stdout


@pytest.mark.parametrize(
    "arguments", ["market download close {}.json", "portfolio download desk {}.parquet", "portfolio generate --positions 1 {}.csv"]
)
def test_file_that_cannot_be_written_is_named_in_one_line(
    client: Client, arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client.upload_market(market_document())
    client.upload_portfolio([bond(1)], name="desk")
    target = tmp_path / "not-there" / "file"
    monkeypatch.setattr("sys.argv", ["riskray", *arguments.format(target).split()])
    with pytest.raises(SystemExit) as ended:
        main()
    last = capsys.readouterr().err.splitlines()[-1]
    assert (ended.value.code, last.startswith(f"error: {target}"), "No such file or directory" in last) == (1, True, True)


def test_ad_hoc_price_shows_the_ladder_by_curve_and_pillar(client: Client, tmp_path: Path) -> None:
    client.upload_market(market_document())
    file = tmp_path / "bond.json"
    file.write_text(json.dumps(bond(1)), encoding="utf-8")
    done = command("price", str(file), "--market", "close", "--measures", "pv,key_rate_dv01")
    assert done.exit_code == 0, done.output
    assert [line.split()[:3] for line in done.stdout.splitlines() if "USD-GOVT" in line] == [
        ["BD-000001", "USD-GOVT", pillar] for pillar in ("3M", "1Y", "2Y", "5Y", "10Y")
    ]


def test_curves_of_a_market_are_shown_by_number_and_pillar(client: Client) -> None:
    client.upload_market(market_document())
    lines = command("market", "curves", "close").stdout.splitlines()
    assert ["discount", "1", "USD-GOVT", "USD", "10Y", "2.4000%"] in [line.split() for line in lines]


def test_version_is_printed() -> None:
    assert command("--version").stdout == f"riskray {__version__}\n"


def test_env_says_that_no_ray_runs_and_what_to_do(no_stack: str) -> None:
    done = command("env")
    assert "export RAY_ADDRESS=" in done.stdout
    assert "runs; start it with `riskray up`" in done.stderr


def test_status_says_what_to_do_where_no_stack_runs(no_stack: str) -> None:
    done = command("status")
    assert done.exit_code == 5
    assert f"{no_stack} does not respond (" in done.stdout
    assert "start it with `riskray up`" in done.stderr
