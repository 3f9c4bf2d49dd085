"""The connection to Ray if no Ray runs."""

import time

import pytest
import ray

from riskray.config import Settings
from riskray.errors import StackError
from riskray.grid import start
from tests.fixtures.ports import unused_port


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_absent_ray_is_told_within_seconds_with_what_to_do(tmp_path, monkeypatch, scheme):
    monkeypatch.setattr(start, "PROBE_TIMEOUT_S", 0.3)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)  # another test of this process may have joined one
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    address = f"{scheme}127.0.0.1:{unused_port()}"
    began = time.monotonic()
    with pytest.raises(StackError, match=rf"no Ray responds at {address} .*refused.*riskray up.*RISKRAY_RAY_ADDRESS"):
        start.connect(Settings(data_directory=tmp_path, ray_address=address, ray_auth_mode="disabled"))
    assert time.monotonic() - began < 10.0
