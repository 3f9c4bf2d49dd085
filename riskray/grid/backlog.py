"""The shards of one claim that have not been sent to an actor, grouped by the actor to which they stick."""

from collections import deque
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Generic, Protocol, TypeVar

from riskray.store.ledger import Shard


class _HasShard(Protocol):
    @property
    def shard(self) -> Shard: ...


Task = TypeVar("Task", bound=_HasShard)


class Backlog(Generic[Task]):
    """Shard n belongs to place n modulo the number of places. The cost of taking a shard does not depend on their number."""

    def __init__(self) -> None:
        self._places = 1
        self._queues: dict[int, deque[Task]] = {}  # none is empty
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, tasks: Iterable[Task]) -> None:
        """Append tasks to the queues of their places."""
        for task in tasks:
            self._queues.setdefault(task.shard.shard_no % self._places, deque()).append(task)
            self._count += 1

    def arrange(self, places: int) -> None:
        """Distribute all tasks over a new number of places."""
        if places != self._places:
            tasks = sorted(chain.from_iterable(self._queues.values()), key=lambda task: task.shard.shard_no)
            self._places, self._queues, self._count = places, {}, 0
            self.add(tasks)

    def take(self, place: int) -> Task | None:
        """Remove and return the next task of a place; None if it has none."""
        return self._taken(place, deque.popleft) if place in self._queues else None

    def steal(self, from_place: Callable[[int], bool]) -> Task | None:
        """Remove and return the task that its own actor would reach last, among places that `from_place` allows; None if none."""
        places = [place for place in self._queues if from_place(place)]
        if not places:
            return None
        return self._taken(max(places, key=lambda place: self._queues[place][-1].shard.shard_no), deque.pop)

    def _taken(self, place: int, take: Callable[[deque[Task]], Task]) -> Task:
        tasks = self._queues[place]
        task = take(tasks)
        self._count -= 1
        if not tasks:
            del self._queues[place]
        return task
