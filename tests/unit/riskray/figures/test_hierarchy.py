"""Hierarchies: the values below each node, and every kind of invalid tree."""

import pytest

from riskray.errors import InvalidRequest, NotFound
from riskray.figures.hierarchy import Hierarchy
from riskray.models.hierarchy import HierarchyDocument

PARENTS = {"B1": "RATES", "B2": "RATES", "B3": "CREDIT", "RATES": "TRADING", "CREDIT": "TRADING", "TRADING": "BANK", "B4": "BANK"}


def hierarchy(parents: dict[str, str] = PARENTS, root: str = "BANK") -> Hierarchy:
    return Hierarchy.of(HierarchyDocument(name="desks", dimension="book", root=root, parents=parents))


def test_leaves_and_paths_follow_the_tree() -> None:
    tree = hierarchy()
    assert tree.nodes == ("BANK", "CREDIT", "RATES", "TRADING")
    assert tree.leaves("TRADING") == ("B1", "B2", "B3")
    assert tree.leaves("B4") == ("B4",)
    assert tree.leaves("BANK") == ("B1", "B2", "B3", "B4")
    assert tree.path("B1") == ("B1", "RATES", "TRADING", "BANK")


def test_value_without_a_place_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="lacks 2 values of book: B8, B9; give each of them a parent") as caught:
        hierarchy().require_places(["B1", "B9", "B8", "B9"])
    assert [problem["loc"] for problem in caught.value.problems] == [["book", "B8"], ["book", "B9"]]


def test_unknown_node_is_not_found() -> None:
    with pytest.raises(NotFound, match="no node 'FX' in hierarchy 'desks'"):
        hierarchy().leaves("FX")


@pytest.mark.parametrize(
    ("parents", "message"),
    [
        ({"A": "B", "B": "C", "C": "A", "X": "BANK"}, "a cycle: A → B → C → A"),
        ({"A": "A", "X": "BANK"}, "a cycle: A → A"),
        ({"A": "BANK", "BANK": "A"}, "the root 'BANK' has a parent"),
        ({"A": "BANK", "B": "ELSEWHERE"}, "'ELSEWHERE' is an orphan"),
        ({"A": "B"}, "'B' is an orphan"),
    ],
)
def test_tree_with_a_cycle_or_an_orphan_is_refused(parents: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        hierarchy(parents)


def test_entry_into_a_cycle_is_reported_once_as_the_cycle() -> None:
    with pytest.raises(InvalidRequest) as caught:
        hierarchy({"A": "B", "B": "C", "C": "B", "X": "BANK"})
    assert [problem["msg"] for problem in caught.value.problems] == ["a cycle: B → C → B"]


def test_two_cycles_are_both_named() -> None:
    with pytest.raises(InvalidRequest) as caught:
        hierarchy({"A": "B", "B": "A", "D": "C", "C": "D", "X": "BANK"})
    assert sorted(problem["msg"] for problem in caught.value.problems) == ["a cycle: A → B → A", "a cycle: C → D → C"]


def test_deep_tree_is_checked_in_linear_time() -> None:
    deep = {f"N{number}": f"N{number - 1}" for number in range(1, 50_000)} | {"N0": "BANK"}
    assert hierarchy(deep).root == "BANK"
