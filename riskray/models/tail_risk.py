"""Questions to stored P&L vectors: VaR and ES of any node, who contributes, and which scenarios drive it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, model_validator

from riskray.models.common import CurrencyCode, Model

Dimension = Literal["book", "product", "currency", "counterparty"]
DIMENSIONS: tuple[Dimension, ...] = ("book", "product", "currency", "counterparty")


class QuantileConvention(StrEnum):
    """How VaR is read off n ordered losses. `riskray.engine.tail_risk.CONVENTIONS` says where each comes from."""

    LOWER = "lower"
    HIGHER = "higher"
    LINEAR = "linear"
    HAZEN = "hazen"
    WEIBULL = "weibull"
    MEDIAN_UNBIASED = "median_unbiased"
    NORMAL_UNBIASED = "normal_unbiased"


class Allocation(StrEnum):
    """How VaR is shared among components; ES is always shared by the tail scenarios' own weights."""

    SCENARIO = "scenario"
    TAIL_AVERAGE = "tail_average"


class NodeFilter(Model):
    """A node: the positions with any of these values in each dimension named; nothing named is everything."""

    books: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    counterparties: tuple[str, ...] = ()


class HierarchyDocument(Model):
    """A tree over the values of one dimension, told from the bottom: who belongs to whom."""

    name: str = Field(min_length=1, max_length=200, examples=["legal entities"])
    dimension: Dimension
    root: str = Field(min_length=1, max_length=200, examples=["BANK"])
    parents: dict[str, str] = Field(
        min_length=1,
        description="Child -> parent; children are nodes, or values of the dimension.",
        examples=[{"BOOK-07": "RATES", "RATES": "BANK"}],
    )


class StoredHierarchy(Model):
    """A stored hierarchy without its tree."""

    hierarchy_id: str = Field(description="`hier-` and the start of the content hash.", examples=["hier-90b1c2d3e4f5a6b7"])
    name: str
    version: int = Field(ge=1, description="Counts the contents stored under this name.")
    content_hash: str
    dimension: Dimension
    created_at: datetime


class HierarchyDetail(StoredHierarchy):
    """A stored hierarchy."""

    root: str
    parents: dict[str, str] = Field(description="Child -> parent.")
    nodes: list[str] = Field(description="The root and every node with children; the others are values of the dimension.")


class VarRequest(Model):
    """VaR and ES of one node, and of its parts."""

    confidences: list[Annotated[float, Field(gt=0.0, lt=1.0)]] = Field(default=[0.99], min_length=1, max_length=20)
    method: Literal["full_revaluation", "parametric"] = Field(
        default="full_revaluation",
        description="From the run's scenario vectors; or normal, from key rates and FX deltas and the covariances of the same scenarios.",
    )
    convention: QuantileConvention = QuantileConvention.HIGHER
    allocation: Allocation = Allocation.TAIL_AVERAGE
    filters: NodeFilter = NodeFilter()
    hierarchy: str | None = Field(default=None, description="Hierarchy id or name; with `node`.")
    node: str | None = Field(default=None, description="Node of the hierarchy.")
    group_by: list[Dimension] = Field(default=[], max_length=4, description="Parts of the node to show contributions of.")
    tail_scenario_count: int = Field(default=10, ge=0, le=1000)

    @model_validator(mode="after")
    def _node_needs_hierarchy(self) -> "VarRequest":
        if (self.hierarchy is None) != (self.node is None):
            raise ValueError("give both hierarchy and node, or neither")
        return self


class TailFigures(Model):
    """VaR and ES at one confidence: positive is a loss, base currency."""

    confidence: float
    var: float
    expected_shortfall: float


class Contribution(Model):
    """What one part of a node adds to its VaR and ES at one confidence. Components add up to the node's figures."""

    group: dict[str, str]
    confidence: float
    base_pv: float
    var: float = Field(description="Of the part alone.")
    expected_shortfall: float
    component_var: float
    component_expected_shortfall: float
    marginal_var: float | None = Field(description="Component VaR for one unit of base_pv; null for a part that is worth nothing.")
    incremental_var: float = Field(description="VaR of the node less VaR of the node without the part.")
    incremental_expected_shortfall: float


class TailScenario(Model):
    """One of the worst scenarios."""

    scenario: str
    pnl: float
    weight: float = Field(description="Its weight in the expected shortfall at the highest confidence asked for.")


class VarAnswer(Model):
    """Tail risk of a node."""

    run_id: str
    base_currency: CurrencyCode
    scenario_set_id: str
    method: Literal["full_revaluation", "parametric"]
    convention: QuantileConvention
    scenario_count: int
    dropped_scenario_count: int
    position_count: int
    dropped_position_count: int = Field(description="Positions that are in no vector: failed, or failed in a scenario.")
    base_pv: float
    figures: list[TailFigures]
    contributions: list[Contribution]
    tail_scenarios: list[TailScenario]
