"""What-if: a stored run compared with itself under another market or with other positions."""

from typing import TYPE_CHECKING, Annotated

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from pricers.measures import ADDITIVE_MEASURES
from riskray.models.common import CurrencyCode, Model
from riskray.models.hierarchy import Dimension
from riskray.models.market_data import CURVE_PARTS, CreditCurveDocument, CurveDocument, InflationCurveDocument, SpreadCurveDocument
from riskray.models.measured import measured_with_titles
from riskray.models.position import Position
from riskray.models.pricing import EXAMPLE_POSITION, POSITIONS_MAX, PriceFailure
from riskray.models.rate_units import RatesChecked
from riskray.models.run import RunState
from riskray.models.scenario import Shock

CHANGED_POSITIONS_MAX = 10_000
WHAT_IF_WAIT_S_MAX = 50

PositionId = Annotated[str, Field(min_length=1, max_length=200, examples=["P-000000017"])]


class MarketChange(Model):
    """Changes of the run's market. Curves are replaced first, then quotes; shocks move the result."""

    curves: list[CurveDocument] = Field(default=[], description="Discount curves, each in place of the market's curve of that name.")
    spread_curves: list[SpreadCurveDocument] = Field(
        default=[], description="Spread curves, each in place of the market's curve of that name."
    )
    credit_curves: list[CreditCurveDocument] = Field(
        default=[], description="Credit curves, each in place of the market's curve of that name."
    )
    inflation_curves: list[InflationCurveDocument] = Field(
        default=[], description="Inflation curves, each in place of the market's curve of that name."
    )
    fx_rates: dict[str, Annotated[FiniteFloat, Field(gt=0.0)]] = Field(
        default={}, description="New rates of quoted pairs: quote currency for one unit of base currency.", examples=[{"EURUSD": 1.15}]
    )
    shocks: list[Shock] = Field(
        default=[],
        description="Shocks as in stress scenarios; several add up. Contracts' own credit spreads are not part of a market; shock spread "
        "curves instead.",
        examples=[[{"type": "parallel", "curves": ["USD-*"], "shift": {"bp": 25}}]],
    )
    numeraire: CurrencyCode = Field(default="USD", description="Currency in which FX shocks are stated.")
    rates_checked: RatesChecked = True


class WhatIfRequest(Model):
    """A request to compare a stored run with itself after changes; at least one change is required."""

    # NaN in an added position is passed to the reader, which refuses it and names the column; as null it would become the default.
    model_config = ConfigDict(ser_json_inf_nan="constants")

    market: MarketChange | None = Field(default=None, description="Changes of the run's market; null keeps it.")
    remove: list[PositionId] = Field(default=[], max_length=CHANGED_POSITIONS_MAX, description="Positions to leave out.")
    scale: dict[PositionId, FiniteFloat] = Field(
        default={},
        max_length=CHANGED_POSITIONS_MAX,
        description="Factor of the size, by position; a negative factor reverses the position.",
        examples=[{"P-000000017": 0.5}],
    )
    add: list[Position] = Field(
        default=[],
        max_length=POSITIONS_MAX,
        description="Positions to add, with columns as for pricing; their ids must be new.",
        examples=[[EXAMPLE_POSITION]],
    )
    group_by: list[Dimension] = Field(
        default=["book"], description="Dimensions by which the result is grouped; an empty list gives only the total."
    )
    wait_s: float = Field(
        default=30.0,
        ge=0.0,
        le=WHAT_IF_WAIT_S_MAX,
        description="Seconds to wait for the run under the changed market. If it has not ended by then, the status is 202, and a repeated "
        "request uses that run.",
    )

    @model_validator(mode="after")
    def _changes_something(self) -> "WhatIfRequest":
        if not (self.remove or self.scale or self.add or self.changes_market):
            fields = ", ".join(CURVE_PARTS)
            raise ValueError(f"the request has no change; give market ({fields}, fx_rates or shocks), remove, scale or add")
        return self

    @property
    def changes_market(self) -> bool:
        """Whether the request changes the market."""
        change = self.market
        return change is not None and bool(change.fx_rates or change.shocks or any(getattr(change, part) for part in CURVE_PARTS))


class MeasureChange(Model):
    """One measure of a group, base currency."""

    base: float = Field(description="Value in the stored run.")
    what_if: float = Field(description="Value after the changes.")
    difference: float = Field(description="`what_if` less `base`.")


class _GroupBeforeAndAfter(Model):
    group: dict[str, str] = Field(description="Values of the grouping dimensions.", examples=[{"book": "BOOK-07"}])
    ok_count_base: int = Field(description="Number of priced positions in the stored run.")
    ok_count_what_if: int = Field(description="Number of priced positions after the changes.")
    failed_count_base: int = Field(description="Number of positions without value in the stored run.")
    failed_count_what_if: int = Field(description="Number of positions without value after the changes.")


if TYPE_CHECKING:

    class _ChangedGroup(_GroupBeforeAndAfter):
        def __getattr__(self, name: str) -> MeasureChange | None: ...
else:
    _ChangedGroup = measured_with_titles(_GroupBeforeAndAfter, ADDITIVE_MEASURES, MeasureChange | None)


class WhatIfGroup(_ChangedGroup):
    """One group before and after the changes. A measure that the stored run has not computed is null."""


class WhatIfAnswer(Model):
    """A stored run compared with itself after the changes."""

    run_id: str = Field(description="Id of the stored run.")
    what_if_run_id: str = Field(description="Id of the run under the changed market, a stored run; `run_id` if the market is unchanged.")
    market_id: str = Field(description="Id of the changed market, a stored market; the run's own market if it is unchanged.")
    state: RunState = Field(description="State of the run under the changed market. Figures are available once it is SUCCEEDED or PARTIAL.")
    base_currency: CurrencyCode = Field(description="Currency of all figures.")
    total: WhatIfGroup | None = Field(description="Figures over all positions; null until the run under the changed market has ended.")
    groups: list[WhatIfGroup] = Field(description="The requested groups, in order.")
    failures: list[PriceFailure] = Field(description="Added positions without value.")
