"""Hierarchies over the values of a dimension: checked trees, and the values below each node."""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Final

from riskray.errors import InvalidRequest, NotFound
from riskray.models.hierarchy import Dimension, HierarchyDocument

_LISTED_MAX: Final = 20


@dataclass(frozen=True)
class Hierarchy:
    """A tree, given by its edges from child to parent. Nodes without children are values of the dimension."""

    name: str
    dimension: Dimension
    root: str
    parents: dict[str, str]

    @classmethod
    def of(cls, document: HierarchyDocument) -> "Hierarchy":
        """Check a document.

        Raises:
            InvalidRequest: the document has a cycle, or a node without a path to the root (an orphan); `problems` names each.
        """
        problems = [*_cycles(document), *_orphans(document)]
        if problems:
            raise InvalidRequest(f"hierarchy {document.name!r}: {problems[0]['msg']}", problems)
        return cls(document.name, document.dimension, document.root, dict(document.parents))

    @property
    def nodes(self) -> tuple[str, ...]:
        """The root and every node with children, by name; leaves are left out."""
        return (self.root, *sorted(set(self.parents.values()) - {self.root}))

    def path(self, name: str) -> tuple[str, ...]:
        """The node and its ancestors up to the root. Raises NotFound."""
        if name != self.root and name not in self.parents:
            raise NotFound("node", name, f"hierarchy {self.name!r}")
        path = [name]
        while path[-1] != self.root:
            path.append(self.parents[path[-1]])
        return tuple(path)

    def leaves(self, node: str) -> tuple[str, ...]:
        """The values of the dimension at or below a node, by name. Raises NotFound."""
        self.path(node)
        inner = set(self.nodes)
        return tuple(sorted(name for name in self.parents if name not in inner and node in self.path(name)))

    def require_places(self, values: Sequence[str]) -> None:
        """Raise InvalidRequest if values of the dimension are not in the tree; `problems` names each."""
        unknown = sorted({value for value in values if value not in self.parents})
        if not unknown:
            return
        problems = [{"loc": [self.dimension, value], "msg": f"{value!r} has no parent", "code": "orphan"} for value in unknown]
        listed = ", ".join(unknown[:_LISTED_MAX]) + ", …" * (len(unknown) > _LISTED_MAX)
        raise InvalidRequest(
            f"hierarchy {self.name!r} lacks {len(unknown)} values of {self.dimension}: {listed}; give each of them a parent", problems
        )


def _cycles(document: HierarchyDocument) -> list[dict[str, object]]:
    problems: list[dict[str, object]] = []
    if document.root in document.parents:
        message = f"the root {document.root!r} has a parent, {document.parents[document.root]!r}"
        problems.append({"loc": ["parents", document.root], "msg": message, "code": "cycle"})
    parents_of = {name: {parent} for name, parent in document.parents.items()}
    while len(problems) < _LISTED_MAX:
        try:
            TopologicalSorter(parents_of).prepare()
            break
        except CycleError as error:
            cycle = error.args[1][:0:-1]  # from child to parent, with each node once
            first = cycle.index(min(cycle))
            cycle = [*cycle[first:], *cycle[:first]]
            message = f"a cycle: {' → '.join([*cycle, cycle[0]])}"
            problems.append({"loc": ["parents", cycle[0]], "msg": message, "code": "cycle"})
            del parents_of[cycle[0]]  # the other cycles, if any, are found next
    return problems


def _orphans(document: HierarchyDocument) -> list[dict[str, object]]:
    tops = sorted(set(document.parents.values()) - set(document.parents) - {document.root})
    problems: list[dict[str, object]] = []
    for top in tops:
        message = f"{top!r} is an orphan: it has children, but no parent, and is not the root {document.root!r}"
        problems.append({"loc": ["parents", top], "msg": message, "code": "orphan"})
    if document.root not in {*document.parents, *document.parents.values()}:
        problems.append({"loc": ["root"], "msg": f"the root {document.root!r} has no children", "code": "orphan"})
    return problems
