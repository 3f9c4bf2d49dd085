"""Logs: bound fields are shown, and secrets are not."""

import json

import pytest
import structlog

from riskray.config import Settings
from riskray.logs import bound, configure_logs


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]):
    configure_logs(Settings(), component="test")
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_line_carries_what_is_bound_around_it(lines) -> None:
    with bound(run_id="run-1", shard_no=3):
        structlog.get_logger().info("shard done", rows=5)
    structlog.get_logger().info("idle")
    first, second = lines()
    assert (first["run_id"], first["shard_no"], first["rows"], first["component"]) == ("run-1", 3, 5, "test")
    assert "run_id" not in second


@pytest.mark.parametrize(
    "fields",
    [
        {"api_token": "hush"},
        {"settings": {"database": {"password": "hush"}}},
        {"url": "postgresql://me:hush@host/db"},
        {"detail": "connection to host=x password=hush failed"},
        {"detail": "sslkey=k sslpassword=hush or password = 'hush hush'"},
        {"detail": "postgresql://host/db?user=me&password=hush"},
        {"error": "the environment: {'PGPASSWORD': 'hush', 'HOME': '/'}"},
        {"headers": ["Authorization: Bearer hush"]},
    ],
)
def test_secret_is_not_written(lines, fields) -> None:
    structlog.get_logger().warning("event", **fields)
    (line,) = lines()
    assert "hush" not in json.dumps(line)
    assert "[redacted]" in json.dumps(line)


def test_secret_in_a_traceback_is_not_written(lines) -> None:
    try:
        raise ValueError("cannot use postgresql://me:hush@host/db")
    except ValueError:
        structlog.get_logger().exception("failed")
    (line,) = lines()
    assert "ValueError" in line["exception"]
    assert "hush" not in json.dumps(line)


def test_level_of_the_settings_is_the_lowest_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(Settings(log_level="WARNING"), component="test")
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]
