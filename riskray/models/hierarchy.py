"""Dimensions by which positions are grouped, and trees over the values of one dimension."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from riskray.models.common import Model

Dimension = Literal["book", "product", "currency", "counterparty"]
DIMENSIONS: tuple[Dimension, ...] = ("book", "product", "currency", "counterparty")


class HierarchyDocument(Model):
    """A tree over the values of one dimension, given as a map from child to parent."""

    name: str = Field(min_length=1, max_length=200, examples=["legal entities"])
    dimension: Dimension
    root: str = Field(min_length=1, max_length=200, examples=["BANK"])
    parents: dict[str, str] = Field(
        min_length=1,
        description="Map from child to parent; children are nodes or values of the dimension.",
        examples=[{"BOOK-07": "RATES", "RATES": "BANK"}],
    )


class StoredHierarchy(Model):
    """A stored hierarchy without its tree."""

    hierarchy_id: str = Field(description="`hier-` and the start of the content hash.", examples=["hier-90b1c2d3e4f5a6b7"])
    name: str
    version: int = Field(ge=1, description="Number of the upload under this name; an upload without changes is not counted.")
    content_hash: str
    dimension: Dimension
    created_at: datetime


class HierarchyDetail(StoredHierarchy):
    """A stored hierarchy."""

    root: str
    parents: dict[str, str] = Field(description="Map from child to parent.")
    nodes: list[str] = Field(description="The root and every node with children; the others are values of the dimension.")
