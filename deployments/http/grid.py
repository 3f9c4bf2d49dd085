"""The application that keeps the grid (coordinator and pricer pool) running on a cluster without `riskray up`.

It has no route. A RayService deploys it with the HTTP services. If its process or the head dies, Serve restarts it, and it finds the
existing actors.
"""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from deployments.http.limits import deployment_options
from riskray.config import Settings
from riskray.errors import RiskrayError, StackError
from riskray.logs import configure_logs

if TYPE_CHECKING:
    from ray.serve import Application

# Nodes take minutes to start, so that an incomplete pool is no reason to replace the keeper, which retries.
LOOK_S = 15.0

_log = structlog.get_logger(__name__)


class GridKeeper:
    """Starts the grid, and restarts it if its coordinator has died. `start` blocks until the pool is warm; `is_up` is cheap."""

    def __init__(self, *, start: Callable[[], None], is_up: Callable[[], bool], look_s: float = LOOK_S) -> None:
        self._start, self._is_up, self._look_s = start, is_up, look_s
        self._thread = threading.Thread(target=self._keep, name="grid keeper", daemon=True)
        self._thread.start()

    def check_health(self) -> None:
        """Raise if the keeper has ended. Serve calls this every few seconds and replaces a keeper that raises."""
        if not self._thread.is_alive():
            raise StackError("the grid's keeper has ended; its log states the cause")

    def _keep(self) -> None:
        is_complete = False
        pause = threading.Event()
        while True:
            if not (is_complete and self._is_up()):
                is_complete = self._started()
            pause.wait(self._look_s)

    def _started(self) -> bool:
        try:
            self._start()
        except RiskrayError as error:
            _log.warning("the grid is not complete yet", error=str(error))
            return False
        _log.info("the grid is complete")
        return True


class Keeper(GridKeeper):
    """The keeper in a replica, with the replica's own settings."""

    def __init__(self) -> None:
        from riskray.grid.discovery import find_coordinator
        from riskray.grid.start import start_grid

        settings = Settings()
        configure_logs(settings, component="grid")
        super().__init__(start=lambda: start_grid(settings), is_up=lambda: find_coordinator(settings) is not None)


def build(_arguments: dict[str, Any]) -> "Application":
    """The Serve application."""
    from ray import serve  # the import takes seconds, and a test of the keeper does not need it

    deployment: Any = serve.deployment(Keeper, name="grid", **deployment_options())
    application: Application = deployment.bind()
    return application
