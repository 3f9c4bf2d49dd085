"""The warm pool: named, detached, single-threaded pricer actors that any process of the cluster can reach.

They outlive the process that made them and are restarted by Ray without end; they hold nothing that Postgres does not. They are in no
placement group, and each claims one CPU, because Ray's autoscaler takes nodes without claims for idle.

The first `pricer_actors` are always there. A dispatcher with more work than they take makes others, up to `pricer_actors_max`: each waits
for a CPU, which is what makes the autoscaler add a node, and joins when it has one. An actor without work for `pricer_idle_s` ends by
itself, whoever made it, and an autoscaler takes the node when its last actor is gone.
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
"""Importing the libraries takes seconds, compiling all kernels for the first time a minute or two on a busy machine."""

_NAME_PREFIX = "pricer-"

_log = structlog.get_logger()


def pricer_name(number: int) -> str:
    """Name of the pool's actor number `number`, from 0."""
    return f"{_NAME_PREFIX}{number}"


class PricerPool:
    """Handles of the actors by number. Cheap to make; holds no state of its own but the handles it has looked up."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._handles: dict[int, Any] = {}

    def handle(self, number: int) -> Any:
        """The actor, made now unless it exists. Not yet ready when new."""
        if number not in self._handles:
            from riskray.grid.pricer import CONTROL, Pricer  # kernels and all, which a process that only finds actors does without

            name = pricer_name(number)
            # The concurrency group lets `status` answer during a shard; all other methods share one thread.
            actor = ray.remote(concurrency_groups={CONTROL: 1})(Pricer).options(  # type: ignore[call-overload]
                name=name,
                namespace=self._settings.ray_namespace,
                lifetime="detached",
                get_if_exists=True,
                num_cpus=1,
                max_restarts=-1,
                max_task_retries=0,
                scheduling_strategy="SPREAD",  # over the nodes, and never into a placement group that the caller may be in
            )
            idle_s = None if number < self._settings.pricer_actors else self._settings.pricer_idle_s
            self._handles[number] = actor.remote(self._settings, name, leaves_after_idle_s=idle_s)
        return self._handles[number]

    def find(self, number: int) -> Any | None:
        """The actor if it exists."""
        if number not in self._handles:
            with contextlib.suppress(ValueError):
                self._handles[number] = ray.get_actor(pricer_name(number), namespace=self._settings.ray_namespace)
        return self._handles.get(number)

    def forget(self, number: int) -> None:
        """Look the actor up again at the next use; for handles whose actor is gone for good."""
        self._handles.pop(number, None)

    def numbers(self) -> list[int]:
        """Numbers of the actors that exist, whoever made them."""
        named = ray.util.list_named_actors(all_namespaces=True)
        ours = [each["name"] for each in named if each["namespace"] == self._settings.ray_namespace]
        return sorted(int(name.removeprefix(_NAME_PREFIX)) for name in ours if name.startswith(_NAME_PREFIX))

    def ensure(self, count: int) -> None:
        """Make the first `count` actors, warm, and end those that the settings do not allow any more.

        Raises StackError when one cannot start, for instance without a free CPU.
        """
        for number in range(count):
            self.handle(number)
        self.shrink(max(count, self._settings.pricer_actors_max or 0))
        self._warm(range(min(count, 1)))  # compiles the kernels where that has not been done; the others find them on disk
        self._warm(range(1, count))

    def _warm(self, numbers: Iterable[int]) -> None:
        waiting = {self.handle(number).warm.options(max_task_retries=-1).remote(): pricer_name(number) for number in numbers}
        if not waiting:
            return
        _, late = ray.wait(list(waiting), num_returns=len(waiting), timeout=START_TIMEOUT_S)
        if late:
            free = ray.available_resources().get("CPU", 0)  # type: ignore[no-untyped-call]
            raise StackError(
                f"{waiting[late[0]]} was not ready within {START_TIMEOUT_S:g} s; Ray has {free:g} free CPUs and each pricer needs one: "
                "give Ray more (num_cpus) or lower RISKRAY_PRICER_ACTORS"
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
        """End one actor for good, at once."""
        actor = self.find(number)
        if actor is not None:
            ray.kill(actor, no_restart=True)
        self.forget(number)

    def replace_process(self, number: int) -> None:
        """Kill the process of an actor, whatever it is doing; Ray starts a new one under the same name."""
        actor = self.find(number)
        if actor is not None:
            _log.warning("killing a pricer", pricer=pricer_name(number))
            ray.kill(actor, no_restart=False)

    def status(self) -> list[PricerStatus]:
        """Every actor that should exist, and any beyond; all are asked at once."""
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
