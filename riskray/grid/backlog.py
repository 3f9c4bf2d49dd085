"""The shards of one claim that no actor has yet, by the actor that they stick to."""

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
    """Shard n belongs to place n modulo the number of places. Taking one costs the same however many there are."""

    def __init__(self) -> None:
        self._places = 1
        self._queues: dict[int, deque[Task]] = {}  # none is empty
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, tasks: Iterable[Task]) -> None:
        """Behind what is there."""
        for task in tasks:
            self._queues.setdefault(task.shard.shard_no % self._places, deque()).append(task)
            self._count += 1

    def arrange(self, places: int) -> None:
        """There are so many places now."""
        if places != self._places:
            tasks = sorted(chain.from_iterable(self._queues.values()), key=lambda task: task.shard.shard_no)
            self._places, self._queues, self._count = places, {}, 0
            self.add(tasks)

    def take(self, place: int) -> Task | None:
        """The next of a place."""
        return self._taken(place, deque.popleft) if place in self._queues else None

    def steal(self, from_place: Callable[[int], bool]) -> Task | None:
        """The last of all those whose place may be stolen from, which their own actors would reach last."""
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
