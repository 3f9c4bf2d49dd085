"""The keeper of the grid, which replaces `riskray up` on a cluster."""

import threading
from collections.abc import Callable

import pytest

from deployments.http import serving
from deployments.http.grid import GridKeeper
from deployments.services import index
from riskray.config import Settings
from riskray.errors import StackError
from riskray.stack.address import require_safe_address

DEADLINE_S = 10.0


def attempts(outcomes: list[bool]) -> tuple[Callable[[], None], threading.Event]:
    """A `start` that succeeds or fails as specified, and reports its last call."""
    done = threading.Event()
    left = list(outcomes)

    def start() -> None:
        succeeds = left.pop(0)
        if not left:
            done.set()
        if not succeeds:
            raise StackError("no CPU is free yet")

    return start, done


def test_keeper_asks_again_until_the_nodes_are_there() -> None:
    start, done = attempts([False, False, True])
    keeper = GridKeeper(start=start, is_up=lambda: True, look_s=0.01)
    assert done.wait(DEADLINE_S)
    keeper.check_health()


def test_keeper_starts_the_grid_again_when_its_coordinator_is_gone() -> None:
    start, done = attempts([True, True])
    GridKeeper(start=start, is_up=lambda: done.is_set(), look_s=0.01)
    assert done.wait(DEADLINE_S)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_keeper_with_a_defect_is_unhealthy_so_that_serve_replaces_it() -> None:
    ended = threading.Event()

    def start() -> None:
        ended.set()
        raise ZeroDivisionError

    keeper = GridKeeper(start=start, is_up=lambda: True, look_s=0.01)
    assert ended.wait(DEADLINE_S)
    keeper._thread.join(DEADLINE_S)
    with pytest.raises(StackError, match="keeper has ended"):
        keeper.check_health()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "riskray.example.com"])
def test_address_that_others_reach_needs_a_token(host: str) -> None:
    with pytest.raises(StackError, match="RISKRAY_API_TOKEN must be set"):
        require_safe_address(Settings(), host=host)
    require_safe_address(Settings(api_token="secret"), host=host)


def test_replica_that_others_reach_refuses_to_start_without_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    # The address that `serve deploy deployments/serve.yaml` on a laptop would open to its network.
    monkeypatch.setattr(serving, "_proxy_host", lambda: "0.0.0.0")
    with pytest.raises(StackError, match="RISKRAY_API_TOKEN must be set"):
        serving.replica_app("index", index.create_app)
    monkeypatch.setattr(serving, "_proxy_host", lambda: "127.0.0.1")
    serving.replica_app("index", index.create_app)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.9.10"])
def test_loopback_needs_no_token(host: str) -> None:
    require_safe_address(Settings(), host=host)
