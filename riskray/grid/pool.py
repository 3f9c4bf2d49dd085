"""The warm pool: named, detached, single-threaded pricer actors that any process of the cluster can reach.

They outlive the process that created them, and Ray restarts them without limit; they hold no data that is not in Postgres. They are in no
placement group, and each claims one CPU, because Ray's autoscaler considers a node without claims idle.

The first `pricer_actors` always run. A dispatcher with more work creates others, up to `pricer_actors_max`: each waits for a CPU, which
makes the autoscaler add a node, and joins once it has one. An actor beyond the first that has had no work for `pricer_idle_s` ends itself,
and the autoscaler removes the node after its last actor has ended.
"""

import concurrent.futures
import contextlib
from collections.abc import Iterable
from typing import Any

import ray
import structlog
from ray.exceptions import ActorDiedError, RayActorError, RayTaskError

from riskray.config import Settings
from riskray.errors import RiskrayError, StackError
from riskray.grid.messages import PricerStatus

STATUS_TIMEOUT_S = 2.0
START_TIMEOUT_S = 240.0
"""The import of the libraries takes seconds; the first compilation of all kernels takes a minute or two on a busy machine."""

_NAME_PREFIX = "pricer-"

_log = structlog.get_logger()


def pricer_name(number: int) -> str:
    """Name of the pool's actor number `number`, from 0."""
    return f"{_NAME_PREFIX}{number}"


class PricerPool:
    """Handles of the actors by number. A pool is cheap to create; its only state is the handles that it has looked up."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._handles: dict[int, Any] = {}

    def handle(self, number: int) -> Any:
        """The actor, created if it does not exist; a new actor is not yet ready."""
        if number not in self._handles:
            from riskray.grid.pricer import CONTROL, Pricer  # imports the kernels, which a process that only finds actors does not need

            name = pricer_name(number)
            # The concurrency group lets `status` return during a shard; all other methods share one thread.
            actor = ray.remote(concurrency_groups={CONTROL: 1})(Pricer).options(  # type: ignore[call-overload]
                name=name,
                namespace=self._settings.ray_namespace,
                lifetime="detached",
                get_if_exists=True,
                num_cpus=1,
                max_restarts=-1,
                max_task_retries=0,
                scheduling_strategy="SPREAD",  # over the nodes, and never in the caller's placement group
            )
            idle_s = None if number < self._settings.pricer_actors else self._settings.pricer_idle_s
            self._handles[number] = actor.remote(self._settings, name, leaves_after_idle_s=idle_s)
        return self._handles[number]

    def find(self, number: int) -> Any | None:
        """The actor, or None if it does not exist."""
        if number not in self._handles:
            with contextlib.suppress(ValueError):
                self._handles[number] = ray.get_actor(pricer_name(number), namespace=self._settings.ray_namespace)
        return self._handles.get(number)

    def forget(self, number: int) -> None:
        """Drop the handle of an actor that has ended for good; the next use looks the actor up."""
        self._handles.pop(number, None)

    def numbers(self) -> list[int]:
        """Numbers of the actors that exist, including those that other processes created."""
        named = ray.util.list_named_actors(all_namespaces=True)
        ours = [each["name"] for each in named if each["namespace"] == self._settings.ray_namespace]
        return sorted(int(name.removeprefix(_NAME_PREFIX)) for name in ours if name.startswith(_NAME_PREFIX))

    def ensure(self, count: int) -> None:
        """Start the first `count` actors, wait until they are warm, and end those beyond the limit of the settings.

        Raises StackError if an actor cannot start, for instance because no CPU is free.
        """
        for number in range(count):
            self.handle(number)
        self.shrink(max(count, self._settings.pricer_actors_max or 0))
        self._warm(range(min(count, 1)))  # compiles the kernels unless they are on disk, where the other actors find them
        self._warm(range(1, count))

    def _warm(self, numbers: Iterable[int]) -> None:
        waiting = {self.handle(number).warm.options(max_task_retries=-1).remote(): pricer_name(number) for number in numbers}
        if not waiting:
            return
        _, late = ray.wait(list(waiting), num_returns=len(waiting), timeout=START_TIMEOUT_S)
        if late:
            free = ray.available_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
            raise StackError(
                f"{waiting[late[0]]} was not ready within {START_TIMEOUT_S:g} s; Ray has {free:g} free CPUs, and each pricer needs one; "
                "give Ray more CPUs (num_cpus) or lower RISKRAY_PRICER_ACTORS"
            )
        for reference, name in waiting.items():
            try:
                ray.get(reference)
            except RayTaskError as error:
                raise (error.cause if isinstance(error.cause, RiskrayError) else error) from None
            except RayActorError as error:
                raise StackError(f"{name} could not start: {error}") from error

    def shrink(self, count: int) -> None:
        """End the actors numbered `count` and above."""
        for number in self.numbers():
            if number >= count:
                self.end(number)

    def end(self, number: int) -> None:
        """End one actor immediately, without a restart."""
        actor = self.find(number)
        if actor is not None:
            ray.kill(actor, no_restart=True)
        self.forget(number)

    def replace_process(self, number: int) -> None:
        """Kill the process of an actor, even if it is busy; Ray starts a new process for the actor."""
        actor = self.find(number)
        if actor is not None:
            _log.warning("killing a pricer", pricer=pricer_name(number))
            ray.kill(actor, no_restart=False)

    def status(self) -> list[PricerStatus]:
        """The status of every actor that should exist or does; the actors are queried in parallel."""
        handles = {number: actor for number in self.numbers() if (actor := self.find(number)) is not None}
        asked = {number: actor.status.remote().future() for number, actor in handles.items()}
        numbers = sorted({*range(self._settings.pricer_actors), *asked})
        concurrent.futures.wait(asked.values(), timeout=STATUS_TIMEOUT_S)
        return [self._status_of(number, asked.get(number)) for number in numbers]

    def _status_of(self, number: int, answer: "concurrent.futures.Future[PricerStatus] | None") -> PricerStatus:
        name = pricer_name(number)
        if answer is None:
            return PricerStatus(name, "ABSENT")
        if not answer.done():
            return PricerStatus(name, "UNREACHABLE")
        error = answer.exception()
        if isinstance(error, ActorDiedError):
            self.forget(number)
            return PricerStatus(name, "ABSENT")
        return answer.result() if error is None else PricerStatus(name, "UNREACHABLE")
