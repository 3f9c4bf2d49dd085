"""Nodes: the groups of a run that a query selects, and the parts into which its result is split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import csr_array

from riskray.errors import InvalidRequest
from riskray.figures.hierarchy import Hierarchy
from riskray.models.hierarchy import DIMENSIONS, Dimension, HierarchyDocument
from riskray.models.tail_risk import NodeFilter, NodeRequest
from riskray.snapshots.kinds import HIERARCHIES
from riskray.store import snapshots
from riskray.store.database import Database

FILTER_OF: Final[dict[Dimension, str]] = {
    "book": "books", "product": "products", "currency": "currencies", "counterparty": "counterparties",
}  # fmt: skip
NODE_KEY: Final = "node"
"""Key under which a part names its child node in a hierarchy."""
_LISTED_MAX: Final = 20


@dataclass(frozen=True)
class Node:
    """A node, whose hierarchy has been resolved to a filter."""

    filters: NodeFilter
    group_by: tuple[Dimension, ...]
    hierarchy: Hierarchy | None
    name: str | None
    by_children: bool

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions that are needed to filter groups and to assign them to parts."""
        if self.by_children and self.hierarchy is not None:
            return (self.hierarchy.dimension,)
        return self.group_by

    def part_key(self, values: Mapping[Dimension, str]) -> dict[str, str]:
        """The key of the part to which a group with these values belongs."""
        if not (self.by_children and self.hierarchy is not None):
            return {name: values[name] for name in self.group_by}
        path = self.hierarchy.path(values[self.hierarchy.dimension])
        return {NODE_KEY: path[path.index(str(self.name)) - 1] if path[0] != self.name else path[0]}


def resolve_node(database: Database, request: NodeRequest) -> Node:
    """The node that a request names.

    Raises:
        NotFound: the hierarchy, or the node in it, does not exist.
        InvalidRequest: none of the filter's values lies below the node.
    """
    group_by = tuple(request.group_by)
    if request.hierarchy is None or request.node is None:
        return Node(request.filters, group_by, None, None, by_children=False)
    record = snapshots.get(database, HIERARCHIES, request.hierarchy)
    text = snapshots.read_document(database, HIERARCHIES, record.hierarchy_id)
    hierarchy = Hierarchy.of(HierarchyDocument.model_validate_json(text))
    leaves = hierarchy.leaves(request.node) or (request.node,)
    field = FILTER_OF[hierarchy.dimension]
    asked = getattr(request.filters, field)
    kept = tuple(leaf for leaf in leaves if not asked or leaf in asked)
    if not kept:
        message = f"{', '.join(asked[:_LISTED_MAX])} is not below {request.node!r} in hierarchy {hierarchy.name!r}"
        raise InvalidRequest(message, [{"loc": ["filters", field], "msg": message, "code": "unknown_value"}])
    filters = request.filters.model_copy(update={field: kept})
    return Node(filters, group_by, hierarchy, request.node, by_children=request.by_children)


@dataclass(frozen=True)
class Groups:
    """P&L vectors of groups; base currency."""

    names: Mapping[Dimension, tuple[str, ...]]
    codes: Mapping[Dimension, Int[np.ndarray, " group"]]
    """Indices into `names`."""
    ok_count: Int[np.ndarray, " group"]
    dropped_count: Int[np.ndarray, " group"]
    pv_base: Float[np.ndarray, " group"]
    pnl: Float[np.ndarray, "group scenario"]

    def chosen(self, filters: NodeFilter) -> Int[np.ndarray, " chosen"]:
        """Indices of the groups that pass the filters."""
        mask = np.ones(self.pv_base.size, bool)
        for dimension, field in FILTER_OF.items():
            wanted = getattr(filters, field)
            if wanted:
                mask &= np.isin(self.names[dimension], wanted)[self.codes[dimension]]
        return np.flatnonzero(mask)


@dataclass(frozen=True)
class Parts:
    """The parts of a node; their sum is the node."""

    keys: tuple[dict[str, str], ...]
    ok_count: Int[np.ndarray, " part"]
    dropped_count: Int[np.ndarray, " part"]
    pv_base: Float[np.ndarray, " part"]
    pnl: Float[np.ndarray, "part scenario"]


def parts_of(groups: Groups, node: Node, *, run_id: str) -> Parts:
    """Sum the node's groups to its parts, in order of their keys.

    Raises:
        InvalidRequest: no group is in the node, or the run has values that are not in the node's hierarchy.
    """
    if node.hierarchy is not None:
        dimension = node.hierarchy.dimension
        node.hierarchy.require_places(groups.names[dimension])
    chosen = groups.chosen(node.filters)
    if not chosen.size:
        raise _nothing_there(groups, node, run_id)
    if node.dimensions:
        keys, codes = _keys(groups, node, chosen)
    else:
        keys, codes = ({},), np.zeros(chosen.size, np.int64)
    membership = csr_array((np.ones(chosen.size), (codes, chosen)), shape=(len(keys), groups.pv_base.size))
    return Parts(
        keys=keys,
        ok_count=np.bincount(codes, groups.ok_count[chosen], len(keys)).astype(np.int64),
        dropped_count=np.bincount(codes, groups.dropped_count[chosen], len(keys)).astype(np.int64),
        pv_base=membership @ groups.pv_base,
        pnl=membership @ groups.pnl,
    )


def _keys(groups: Groups, node: Node, chosen: np.ndarray) -> tuple[tuple[dict[str, str], ...], np.ndarray]:
    columns = np.array([groups.codes[dimension][chosen] for dimension in node.dimensions])
    combinations, inverse = np.unique(columns, axis=1, return_inverse=True)
    found = [
        node.part_key({name: groups.names[name][code] for name, code in zip(node.dimensions, combination, strict=True)})
        for combination in combinations.T
    ]
    keys = sorted({tuple(key.items()) for key in found})
    place = {key: number for number, key in enumerate(keys)}
    codes = np.array([place[tuple(key.items())] for key in found])
    return tuple(dict(key) for key in keys), codes[inverse.reshape(-1)]


def _nothing_there(groups: Groups, node: Node, run_id: str) -> InvalidRequest:
    problems = []
    for dimension in DIMENSIONS:
        known = groups.names[dimension]
        for value in getattr(node.filters, FILTER_OF[dimension]):
            if value not in known and node.hierarchy is None:
                listed = ", ".join(known[:_LISTED_MAX]) + ", …" * (len(known) > _LISTED_MAX)
                message = f"run {run_id} has no {dimension} {value!r}; it has {listed}"
                problems.append({"loc": ["filters", FILTER_OF[dimension]], "msg": message, "code": "unknown_value"})
    what = problems[0]["msg"] if problems else f"run {run_id} has no position in this node; use fewer filters"
    return InvalidRequest(str(what), problems)
