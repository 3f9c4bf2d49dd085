"""The command line where there is nothing to start: what is deleted, and what is said where no stack runs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from riskray import __version__
from riskray.cli import app, main
from riskray.client import Client
from riskray.config import Settings
from riskray.errors import Conflict, InvalidRequest
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


def test_content_that_is_stored_under_another_name_is_told(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "desk.json"
    file.write_text(json.dumps([bond(1)]))
    first, again = command("portfolio", "upload", str(file)), command("portfolio", "upload", str(file), "--name", "other")
    told = "this content is stored already, under the name desk: use that name, or the id\n"
    assert (again.stdout, told in first.stderr, told in again.stderr) == (first.stdout, False, True)
    copy = file.rename(tmp_path / "other.json")
    assert told in command("portfolio", "upload", str(copy)).stderr


def test_old_version_that_is_uploaded_once_more_is_told_that_the_name_stands_for_another(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "close.json"
    for kind, older, newer in (
        ("portfolio", [bond(1)], [bond(2)]),
        ("market", market_document(), market_document() | {"description": "later"}),
    ):
        answers = []
        for content in (older, newer, older):
            file.write_text(json.dumps(content))
            answers.append(command(kind, "upload", str(file)))
        first, second, again = answers
        told = "this content is stored already, as version 1 of close; the name stands for version 2: use the id\n"
        assert [told in answer.stderr for answer in answers] == [False, False, True]
        assert again.stdout == first.stdout != second.stdout


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
    assert "runs: `riskray up` starts it" in done.stderr


def test_status_says_what_to_do_where_no_stack_runs(no_stack: str) -> None:
    done = command("status")
    assert done.exit_code == 5
    assert f"no answer from {no_stack} (" in done.stdout
    assert "`riskray up` starts it" in done.stderr
