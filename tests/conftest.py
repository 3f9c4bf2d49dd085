"""Suite-wide set-up: an environment that is equal on every machine, created before riskray or Ray is imported.

Fixtures live in the plug-in files of `tests/fixtures/`, named in `pytest_plugins` below.
"""

import os
import secrets
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

# Every run uses identical examples, so that a failure is caused by the change under test. Slow examples are not failures.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")

# Ray creates sockets below its temporary directory, whose path is short because a socket's path holds about 100 characters.
_SUITE_DIRECTORY = Path(tempfile.mkdtemp(prefix="rr-"))


def _isolate_environment(directory: Path) -> None:
    """Point everything that a library may read from or write to the user's account at `directory`, and drop riskray's settings.

    `RISKRAY_DATABASE_URL` stays: it names the server that the suite shall use instead of the embedded one.
    """
    for name in [name for name in os.environ if name.startswith("RISKRAY_") and name != "RISKRAY_DATABASE_URL"]:
        del os.environ[name]
    home = directory / "home"
    runtime = directory / "run"
    for path in (home, runtime):
        path.mkdir(mode=0o700)
    os.environ["HOME"] = str(home)
    os.environ["XDG_RUNTIME_DIR"] = str(runtime)
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "PGSERVICEFILE", "PGPASSFILE"):
        os.environ.pop(name, None)
    os.environ["RAY_AUTH_MODE"] = "token"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    os.environ["RAY_TMPDIR"] = str(directory / "ray")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


_isolate_environment(_SUITE_DIRECTORY)

pytest_plugins: list[str] = [
    "tests.fixtures.postgres",
    "tests.fixtures.ray_cluster",
    "tests.fixtures.services",
    "tests.fixtures.running_stack",
]


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave nothing behind."""
    shutil.rmtree(_SUITE_DIRECTORY, ignore_errors=True)
