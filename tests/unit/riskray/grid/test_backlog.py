"""Shards by the actor to which they stick."""

from types import SimpleNamespace
from typing import Any

from riskray.engine.plan import PositionRange
from riskray.grid.backlog import Backlog
from riskray.store.ledger import Shard


def _backlog(count, *, places):
    backlog: Backlog[Any] = Backlog()
    backlog.add([SimpleNamespace(shard=Shard(number, "P", PositionRange(number, 1), 0)) for number in range(count)])
    backlog.arrange(places)
    return backlog


def _numbers(backlog, take):
    found = []
    while (task := take()) is not None:
        found.append(task.shard.shard_no)
    return found


def test_each_place_has_its_shards_in_order():
    backlog = _backlog(7, places=3)
    assert [_numbers(backlog, lambda place=place: backlog.take(place)) for place in range(3)] == [[0, 3, 6], [1, 4], [2, 5]]
    assert len(backlog) == 0


def test_last_shards_are_stolen_and_only_from_places_that_allow_it():
    backlog = _backlog(7, places=3)
    assert _numbers(backlog, lambda: backlog.steal(lambda place: place != 0)) == [5, 4, 2, 1]
    assert len(backlog) == 3


def test_another_number_of_places_loses_and_doubles_nothing():
    backlog = _backlog(10, places=3)
    taken = [backlog.take(0).shard.shard_no]
    backlog.arrange(4)
    taken += [number for place in range(4) for number in _numbers(backlog, lambda place=place: backlog.take(place))]
    assert sorted(taken) == list(range(10))
