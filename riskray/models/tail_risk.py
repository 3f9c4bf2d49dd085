"""Queries of stored P&L vectors: VaR and ES of any node, their contributions, and the scenarios that drive them."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from riskray.models.common import CurrencyCode, Model
from riskray.models.hierarchy import Dimension


class QuantileConvention(StrEnum):
    """How VaR is read from n ordered losses. `riskray.figures.estimators.CONVENTIONS` gives the source of each convention."""

    LOWER = "lower"
    HIGHER = "higher"
    LINEAR = "linear"
    HAZEN = "hazen"
    WEIBULL = "weibull"
    MEDIAN_UNBIASED = "median_unbiased"
    NORMAL_UNBIASED = "normal_unbiased"


class Allocation(StrEnum):
    """How VaR is allocated to components; ES is always allocated by the weights of the tail scenarios."""

    SCENARIO = "scenario"
    TAIL_AVERAGE = "tail_average"


class NodeFilter(Model):
    """A node: the positions that have, in each given dimension, one of the given values; all positions if no dimension is given."""

    books: tuple[str, ...] = ()
    products: tuple[str, ...] = ()
    currencies: tuple[str, ...] = ()
    counterparties: tuple[str, ...] = ()


def _confidence(value: float) -> float:
    if not 0.0 < value < 1.0:
        raise ValueError(f"confidence {value:g} is not between 0 and 1; write 99 % as 0.99")
    return value


Confidence = Annotated[float, AfterValidator(_confidence)]
Confidences = Annotated[list[Confidence], Field(min_length=1, max_length=20, examples=[[0.95, 0.99]])]
VarMethod = Literal["full_revaluation", "parametric"]


class _NodeQuestion(Model):
    """The hierarchy node of a query, and whether the node's children are its parts."""

    hierarchy: str | None = Field(default=None, description="Hierarchy id, or a name, which stands for its last upload; requires `node`.")
    node: str | None = Field(default=None, description="Node of the hierarchy, which includes all that lies below it.")
    by_children: bool = Field(default=False, description="Whether the parts are the node's direct children in the hierarchy.")

    @model_validator(mode="after")
    def _fits_together(self) -> "_NodeQuestion":
        if (self.hierarchy is None) != (self.node is None):
            raise ValueError("give both hierarchy and node, or neither")
        if self.by_children and self.hierarchy is None:
            raise ValueError("by_children requires hierarchy and node")
        if self.by_children and getattr(self, "group_by", None):
            raise ValueError("give either group_by or by_children")
        return self


class _VarOptions(_NodeQuestion):
    method: VarMethod = Field(
        default="full_revaluation",
        description="`full_revaluation` uses the run's scenario vectors; `parametric` assumes a normal distribution and uses key rates, FX "
        "deltas and the covariances of the scenarios.",
    )
    convention: QuantileConvention = QuantileConvention.HIGHER
    allocation: Allocation = Allocation.TAIL_AVERAGE
    tail_scenario_count: int = Field(default=10, ge=0, le=1000)


class NodeRequest(_NodeQuestion):
    """A node of a run, and its parts."""

    filters: NodeFilter = NodeFilter()
    group_by: list[Dimension] = Field(default=[], max_length=4, description="Dimensions by which the node is split into parts.")


class VarRequest(NodeRequest, _VarOptions):
    """VaR and ES of one node, and of its parts."""

    confidences: Confidences = Field(default=[0.99])


class NodeQuery(_NodeQuestion):
    """A node of a run, and its parts, as query parameters."""

    book: list[str] = Field(default=[])
    product: list[str] = Field(default=[])
    currency: list[str] = Field(default=[])
    counterparty: list[str] = Field(default=[])
    group_by: str = Field(
        default="",
        description="Dimensions by which the node is split into parts, comma-separated: any of book, product, currency, counterparty.",
        examples=["book,product"],
        pattern=r"^( *|( *(book|product|currency|counterparty) *,)* *(book|product|currency|counterparty) *)$",
    )

    def node_fields(self) -> dict[str, Any]:
        """The fields of the corresponding `NodeRequest`."""
        lists = {"books": self.book, "products": self.product, "currencies": self.currency, "counterparties": self.counterparty}
        return {
            "filters": NodeFilter(**{name: tuple(values) for name, values in lists.items()}),
            "group_by": list(dict.fromkeys(name.strip() for name in self.group_by.split(",") if name.strip())),
            "hierarchy": self.hierarchy,
            "node": self.node,
            "by_children": self.by_children,
        }

    def request(self) -> NodeRequest:
        """The query as the equivalent request body."""
        return NodeRequest(**self.node_fields())


class StressQuery(NodeQuery):
    """Stress results of a node's parts, as query parameters."""

    scenario: list[str] = Field(default=[], description="Scenarios to include; all if none is given.")
    format: Literal["json", "csv", "parquet", "arrow"] | None = Field(default=None, description="Format, which overrides `Accept`.")


class VarQuery(NodeQuery, _VarOptions):
    """VaR and ES of one node, and of its parts, as query parameters."""

    confidence: Confidences = Field(default=[0.99])

    def request(self) -> VarRequest:
        """The query as the equivalent request body."""
        options = {name: getattr(self, name) for name in ("method", "convention", "allocation", "tail_scenario_count")}
        return VarRequest(confidences=self.confidence, **options, **self.node_fields())


class TailFigures(Model):
    """VaR and ES at one confidence: positive is a loss, base currency."""

    confidence: float
    var: float
    expected_shortfall: float


class Contribution(Model):
    """The contribution of one part of a node to its VaR and ES at one confidence. Components add up to the node's figures."""

    group: dict[str, str]
    confidence: float
    pv_base: float
    var: float = Field(description="VaR of the part alone.")
    expected_shortfall: float
    component_var: float
    component_expected_shortfall: float
    marginal_var: float | None = Field(description="Component VaR for one unit of pv_base; null if the part's pv_base is zero.")
    incremental_var: float = Field(description="VaR of the node less VaR of the node without the part.")
    incremental_expected_shortfall: float


class TailScenario(Model):
    """One of the worst scenarios."""

    scenario: str
    pnl: float
    weight: float = Field(description="Weight of the scenario in the expected shortfall at the highest requested confidence.")


class VarAnswer(Model):
    """Tail risk of a node."""

    run_id: str
    base_currency: CurrencyCode
    scenario_set_id: str
    method: VarMethod
    convention: QuantileConvention
    scenario_count: int
    dropped_scenario_count: int
    position_count: int
    dropped_position_count: int = Field(description="Positions that are in no vector: failed, or failed in a scenario.")
    pv_base: float
    figures: list[TailFigures]
    contributions: list[Contribution]
    tail_scenarios: list[TailScenario] = Field(description="The worst scenarios, the worst first; empty for the parametric method.")
    left_out_factors: list[str] = Field(description="Factors that the set moves, but the parametric method ignores.")


class StressNode(Model):
    """P&L of one part of a node in every requested scenario."""

    group: dict[str, str]
    position_count: int
    dropped_position_count: int = Field(description="Positions that are in no vector: failed, or failed in a scenario.")
    pv_base: float
    pnl: list[float | None] = Field(description="PV in the scenario less PV, in the order of `scenarios`; null in a dropped scenario.")


class StressAnswer(Model):
    """Stress results of the parts of a node."""

    run_id: str
    base_currency: CurrencyCode
    scenario_set_id: str
    scenarios: list[str]
    dropped_scenarios: list[str] = Field(description="Scenarios in which some position has no value, under drop_scenario.")
    nodes: list[StressNode]


class PositionStress(Model):
    """P&L of one position in every requested scenario."""

    position_no: int
    position_id: str
    product: str
    book: str
    counterparty: str
    currency: str
    pnl: list[float | None] = Field(
        description="P&L in base currency, in the order of the requested scenarios; null if the position has no value."
    )


class PositionScenarioFailure(Model):
    """A priced position that has no value in some scenario."""

    position_no: int
    position_id: str
    first_scenario_no: int = Field(description="Number of the first such scenario, from 0.")
    scenario_count: int = Field(description="Number of scenarios in which the position has no value.")
