"""Waking who waits for a run: one LISTEN connection a replica, any number of event streams and waiting requests."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deployments.http.limits import UNDRIVEN_AFTER_S
from riskray.models.run import Run
from riskray.store.database import Database
from riskray.store.runs import listen


class RunBell:
    """Rings for a run when the database says that it has a new event, and for all about once a second, as hints may get lost."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._waiting: dict[int, set[asyncio.Event]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    @asynccontextmanager
    async def rings(self, run_no: int) -> AsyncIterator[asyncio.Event]:
        """An event that is set at every ring; the waiter clears it."""
        if self._thread is None:  # in the first request, because the loop that the rings go to is the request's
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._listen, name="run-bell", daemon=True)
            self._thread.start()
        ring = asyncio.Event()
        self._waiting.setdefault(run_no, set()).add(ring)
        try:
            yield ring
        finally:
            waiting = self._waiting[run_no]
            waiting.discard(ring)
            if not waiting:
                del self._waiting[run_no]

    def close(self) -> None:
        """Stop listening."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=5.0)

    def _listen(self) -> None:
        assert self._loop is not None
        for run_no in listen(self._database, stop=self._stop):
            if self._loop.is_closed():
                return
            self._loop.call_soon_threadsafe(self._ring, run_no)

    def _ring(self, run_no: int | None) -> None:
        for number, rings in self._waiting.items():
            if run_no is None or run_no == number:
                for ring in rings:
                    ring.set()


class UndrivenWatch:
    """Notices that no coordinator or job drives a run, once each time that this lasts UNDRIVEN_AFTER_S."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._is_told = False

    def is_to_be_told(self, run: Run) -> bool:
        """Whether `run`, as it is now, has lacked a driver for so long, and this was not said yet."""
        if not run.lacks_driver:
            self._since, self._is_told = None, False
            return False
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        if self._is_told or now - self._since < UNDRIVEN_AFTER_S:
            return False
        self._is_told = True
        return True


async def wait_for_ring(ring: asyncio.Event, *, timeout_s: float) -> None:
    """Until the next ring, at most `timeout_s`; then the ring is silent again."""
    try:
        async with asyncio.timeout(timeout_s):
            await ring.wait()
    except TimeoutError:
        pass
    ring.clear()
