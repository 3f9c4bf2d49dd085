"""The record of the running stack."""

import subprocess
import sys
from pathlib import Path

import pytest

from riskray.stack.record import RAY_SERVERS, StackRecord, processes_below, read_record


@pytest.mark.parametrize("server", RAY_SERVERS)
def test_stack_whose_ray_has_lost_a_server_is_not_alive(tmp_path: Path, server: str) -> None:
    program = tmp_path / server
    program.symlink_to(sys.executable)
    running = subprocess.Popen([program, "-c", "import time; time.sleep(600)"])
    try:
        StackRecord(
            version="0", http_url="", ray_address="", dashboard_url="", ray_token_file="", ray_directory="",
            ray_processes=processes_below(running.pid), embedded_postgres=False, database="", started_at="",
        ).write(tmp_path)  # fmt: skip
        assert (record := read_record(tmp_path)) is not None
        assert record.is_alive
    finally:
        running.kill()
        running.wait()
    assert not record.is_alive
