"""The record of the running stack."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from riskray.stack.record import RAY_SERVERS, StackRecord, processes_below, read_record


@pytest.mark.parametrize("server", RAY_SERVERS)
def test_stack_whose_ray_has_lost_a_server_is_not_alive(tmp_path: Path, server: str) -> None:
    program = shutil.copy(str(shutil.which("sleep")), tmp_path / server)
    with subprocess.Popen([program, "600"]) as running:
        StackRecord(
            version="0", http_url="", ray_address="", dashboard_url="", ray_token_file="", ray_directory="",
            ray_processes=processes_below(os.getpid()), embedded_postgres=False, database="", started_at="",
        ).write(tmp_path)  # fmt: skip
        assert (record := read_record(tmp_path)) is not None
        assert record.is_alive
        running.kill()
        running.wait()
        assert not record.is_alive
