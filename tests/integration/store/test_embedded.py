"""The embedded server: any process starts it, only once, in any data directory, also after a crash."""

import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest

from riskray.errors import StackError
from riskray.store import embedded
from riskray.store.embedded import EmbeddedPostgres

pytestmark = pytest.mark.postgres


@pytest.fixture
def home() -> Iterator[Path]:
    """A short directory, because a socket's path is."""
    with tempfile.TemporaryDirectory(prefix="rr-pg-") as directory:
        yield Path(directory)


@pytest.fixture(scope="module")
def cluster() -> Iterator[EmbeddedPostgres]:
    """Made once; making one takes longer than all the tests."""
    with tempfile.TemporaryDirectory(prefix="rr-pg-") as directory:
        yield EmbeddedPostgres(Path(directory) / "data")


@pytest.fixture
def server(cluster: EmbeddedPostgres) -> Iterator[EmbeddedPostgres]:
    """A server that does not run."""
    cluster.log_file.unlink(missing_ok=True)
    yield cluster
    cluster.stop()


def answer(url: str, query: str = "SELECT current_database()") -> object:
    with psycopg.connect(url) as connection:
        row = connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def test_server_is_started_once_by_any_number_of_callers(server: EmbeddedPostgres) -> None:
    assert not server.is_running()
    with ThreadPoolExecutor(3) as pool:
        urls = set(pool.map(lambda _: EmbeddedPostgres(server.log_file.parent).start(), range(3)))
    assert urls == {server.url}
    assert answer(server.url) == "riskray"
    assert answer(server.url, "SHOW fsync") == "on"
    assert server.log_file.read_text().count("ready to accept connections") == 1


def test_data_stay_over_a_stop(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.start()) as connection:
        connection.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    assert not server.is_running()
    server.stop()
    assert answer(server.start(), "SELECT n FROM kept") == 7


def test_server_comes_back_after_a_crash_with_its_data(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.start()) as connection:
        connection.execute("DROP TABLE IF EXISTS kept; CREATE TABLE kept AS SELECT 7 AS n")
    process = server._process()
    assert process is not None
    process.kill()
    psutil.wait_procs([process], timeout=10)
    assert not server.is_running()
    assert answer(server.start(), "SELECT n FROM kept") == 7


def test_pid_that_belongs_to_another_program_now_is_no_server(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    file = server.log_file.parent / "postgres" / "postmaster.pid"
    file.write_text(f"{psutil.Process().pid}\n{file.parent}\n")
    assert not server.is_running()
    assert answer(server.start()) == "riskray"


@pytest.mark.parametrize("name", ["d" * 100, "comma,and 'quote' é"])
def test_data_directory_may_have_any_name(home: Path, name: str) -> None:
    server = EmbeddedPostgres(home / name / "data")
    try:
        assert answer(server.start()) == "riskray"
    finally:
        server.stop()
    assert not list(server._socket_directory.glob(".s.PGSQL*"))
    assert server._socket_directory.parent != Path("/tmp") or not server._socket_directory.exists()


def test_directory_of_somebody_else_is_refused_with_the_remedy(server: EmbeddedPostgres, home: Path) -> None:
    directory = EmbeddedPostgres(home / ("d" * 100))._socket_directory
    directory.mkdir(mode=0o777)
    directory.chmod(0o777)  # another user who may write there could create a socket
    try:
        with pytest.raises(StackError, match="set RISKRAY_DATA_DIRECTORY to a shorter path"):
            EmbeddedPostgres(home / ("d" * 100)).start()
    finally:
        directory.rmdir()


def test_unusable_data_directory_is_named_with_the_setting(home: Path) -> None:
    (home / "file").write_text("")
    with pytest.raises(StackError, match=r"cannot use the data directory .*file/data.*RISKRAY_DATA_DIRECTORY"):
        EmbeddedPostgres(home / "file" / "data").start()


def test_cluster_of_another_version_is_left_alone(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    server.start()
    server.stop()
    version = server.log_file.parent / "postgres" / "PG_VERSION"
    version.write_text("14\n")
    with pytest.raises(StackError, match=r"was created by PostgreSQL 14, but this riskray bundles 18"):
        server.start()
    version.write_text("18\n")


def test_server_that_does_not_come_up_shows_its_log(server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(embedded.SETTINGS, "max_connections", "nonsense")
    with pytest.raises(StackError, match=r'(?s)embedded Postgres failed .*invalid value for parameter "max_connections"'):
        server.start()


def test_psql_line_can_be_pasted_into_a_shell(server: EmbeddedPostgres) -> None:
    server.start()
    shown = subprocess.run(f"{server.psql_command()} -Atc 'SELECT 40 + 2'", shell=True, check=True, capture_output=True, text=True)  # noqa: S602
    assert shown.stdout == "42\n"
