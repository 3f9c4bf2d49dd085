"""The reports of `riskray up` while the head starts."""

import inspect
import re
import socket
import subprocess
import sys

import pytest
import ray

from riskray.config import Settings
from riskray.errors import StackError
from riskray.stack import ray_head


def test_long_first_start_says_that_kernels_are_compiled(tmp_path, monkeypatch):
    monkeypatch.setattr(ray_head, "QUIET_S", 0.0)
    progress = tmp_path / ray_head.PROGRESS_FILE
    progress.write_text("")
    said = []

    def report(step):
        said.append(step)
        progress.write_text('{"ready": true}\n')

    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as head:
        ray_head.wait_for_head(Settings(data_directory=tmp_path), head, report=report)
        head.communicate(b"\n")
    assert len(said) == 1
    assert "compiles" in said[0]


def test_port_in_use_is_refused_with_its_variable_and_a_free_one():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(StackError, match=r"set RISKRAY_HTTP_PORT to another port, such as \d+") as refused:
            ray_head.require_free_port("127.0.0.1", taken.getsockname()[1], what="the API", variable="RISKRAY_HTTP_PORT")
    proposed = int(re.findall(r"such as (\d+)", str(refused.value))[0])
    ray_head.require_free_port("127.0.0.1", proposed, what="the API", variable="RISKRAY_HTTP_PORT")


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_ray_client_environment_names_the_ray_and_its_token(tmp_path, mode):
    settings = Settings(data_directory=tmp_path, ray_port=6999, ray_auth_mode=mode)
    token = {"RAY_AUTH_TOKEN_PATH": str(ray_head.token_file(settings))} if mode == "token" else {}
    loopback = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    assert ray_head.ray_client_environment(settings) == {"RAY_ADDRESS": "127.0.0.1:6999", "RAY_AUTH_MODE": mode, **loopback, **token}


def test_ray_elsewhere_is_not_looked_for_on_loopback(tmp_path):
    settings = Settings(data_directory=tmp_path, ray_address="ray-head.internal:6379")
    assert ray_head.ray_client_environment(settings) == {"RAY_ADDRESS": "ray-head.internal:6379", "RAY_AUTH_MODE": "token"}


def test_ray_init_still_lacks_the_port_that_the_head_patches_in() -> None:
    parameters = inspect.signature(ray.init).parameters
    assert "dashboard_agent_listen_port" not in parameters, "pass it to ray.init in riskray/stack/head.py and drop the patch there"
