"""Hierarchies: which values lie below which node, and every tree that is none."""

import numpy as np
import pytest

from riskray.errors import InvalidRequest, NotFound
from riskray.figures.hierarchy import Hierarchy
from riskray.models.tail_risk import HierarchyDocument

PARENTS = {"B1": "RATES", "B2": "RATES", "B3": "CREDIT", "RATES": "TRADING", "CREDIT": "TRADING", "TRADING": "BANK", "B4": "BANK"}


def hierarchy(parents: dict[str, str] = PARENTS, root: str = "BANK") -> Hierarchy:
    return Hierarchy.of(HierarchyDocument(name="desks", dimension="book", root=root, parents=parents))


def test_leaves_children_and_paths_follow_the_tree() -> None:
    tree = hierarchy()
    assert tree.nodes == ("BANK", "CREDIT", "RATES", "TRADING")
    assert tree.leaves("TRADING") == ("B1", "B2", "B3")
    assert tree.leaves("B4") == ("B4",)
    assert tree.leaves("BANK") == ("B1", "B2", "B3", "B4")
    assert tree.children("BANK") == ("B4", "TRADING")
    assert tree.path("B1") == ("B1", "RATES", "TRADING", "BANK")


def test_vectors_of_nodes_are_sums_of_the_vectors_below() -> None:
    vectors = np.array([[1.0, 10.0], [2.0, 20.0], [4.0, 40.0], [8.0, 80.0], [16.0, 160.0]])
    membership = hierarchy().membership(["B1", "B2", "B3", "B4", "B1"], nodes=["BANK", "RATES", "B3"])
    np.testing.assert_array_equal(membership @ vectors, [[31.0, 310.0], [19.0, 190.0], [4.0, 40.0]])


def test_value_without_a_place_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="no place for 2 values of book: B8, B9; give each a parent") as caught:
        hierarchy().membership(["B1", "B9", "B8", "B9"], nodes=["BANK"])
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
