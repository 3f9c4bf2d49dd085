"""What-if: a stored run as it would be with another market or other positions."""

from typing import Annotated

from pydantic import ConfigDict, Field, FiniteFloat, model_validator

from riskray.models.common import CurrencyCode, Model
from riskray.models.hierarchy import Dimension
from riskray.models.market_data import CurveDocument, SpreadCurveDocument
from riskray.models.position import Position
from riskray.models.pricing import EXAMPLE_POSITION, POSITIONS_MAX, PriceFailure
from riskray.models.rate_units import RatesChecked
from riskray.models.run import RunState
from riskray.models.scenario import Shock

CHANGED_POSITIONS_MAX = 10_000
WHAT_IF_WAIT_S_MAX = 50

PositionId = Annotated[str, Field(min_length=1, max_length=200, examples=["P-000000017"])]


class MarketChange(Model):
    """What is different about the run's market. Curves are replaced first, then quotes, and shocks move what is there then."""

    curves: list[CurveDocument] = Field(default=[], description="Discount curves, each in place of the market's curve of that name.")
    spread_curves: list[SpreadCurveDocument] = Field(
        default=[], description="Spread curves, each in place of the market's curve of that name."
    )
    fx_rates: dict[str, Annotated[FiniteFloat, Field(gt=0.0)]] = Field(
        default={}, description="New rates of quoted pairs: quote currency for one unit of base currency.", examples=[{"EURUSD": 1.15}]
    )
    shocks: list[Shock] = Field(
        default=[],
        description="Shocks as in stress scenarios, and they mean the same; several add up. Contracts' own credit spreads are no part "
        "of a market: shock spread curves instead.",
        examples=[[{"type": "parallel", "curves": ["USD-*"], "shift": {"bp": 25}}]],
    )
    numeraire: CurrencyCode = Field(default="USD", description="Currency in which FX shocks are stated.")
    rates_checked: RatesChecked = True


class WhatIfRequest(Model):
    """Compare a stored run with itself after changes; at least one change is needed."""

    # NaN in an added position goes to the reader, which refuses it by name; as null it would take the column's default.
    model_config = ConfigDict(ser_json_inf_nan="constants")

    market: MarketChange | None = Field(default=None, description="Changes of the run's market; none keeps it.")
    remove: list[PositionId] = Field(default=[], max_length=CHANGED_POSITIONS_MAX, description="Positions to leave out.")
    scale: dict[PositionId, FiniteFloat] = Field(
        default={},
        max_length=CHANGED_POSITIONS_MAX,
        description="Position -> factor of its size; a negative one turns it round.",
        examples=[{"P-000000017": 0.5}],
    )
    add: list[Position] = Field(
        default=[],
        max_length=POSITIONS_MAX,
        description="Positions to add, with columns as for pricing; their ids must be new.",
        examples=[[EXAMPLE_POSITION]],
    )
    group_by: list[Dimension] = Field(default=["book"], description="Groups of the answer; none gives the total alone.")
    wait_s: float = Field(
        default=30.0,
        ge=0.0,
        le=WHAT_IF_WAIT_S_MAX,
        description="How long to wait for the run under another market. Not ended by then: 202, and asking again finds the same run.",
    )

    @model_validator(mode="after")
    def _changes_something(self) -> "WhatIfRequest":
        if not (self.remove or self.scale or self.add or self.changes_market):
            raise ValueError("nothing is changed: give market (curves, spread_curves, fx_rates or shocks), remove, scale or add")
        return self

    @property
    def changes_market(self) -> bool:
        """Whether the market becomes another one."""
        change = self.market
        return change is not None and bool(change.curves or change.spread_curves or change.fx_rates or change.shocks)


class MeasureChange(Model):
    """One measure of a group, base currency."""

    base: float = Field(description="In the stored run.")
    what_if: float = Field(description="After the changes.")
    difference: float = Field(description="`what_if` less `base`.")


class WhatIfGroup(Model):
    """One group before and after. A measure that the stored run has not computed is null."""

    group: dict[str, str] = Field(description="Values of the dimensions asked for.", examples=[{"book": "BOOK-07"}])
    ok_count_base: int = Field(description="Priced positions of the stored run.")
    ok_count_what_if: int = Field(description="Priced positions after the changes.")
    failed_count_base: int = Field(description="Positions without value in the stored run.")
    failed_count_what_if: int = Field(description="Positions without value after the changes.")
    pv_base: MeasureChange | None = Field(description="Present value.")
    dv01: MeasureChange | None = Field(description="Change of value for one basis point.")
    cs01: MeasureChange | None = Field(description="Change of value for one basis point of credit spread.")
    fx_delta: MeasureChange | None = Field(description="Value in foreign currencies.")
    theta_1d: MeasureChange | None = Field(description="Change of value over one day.")


class WhatIfAnswer(Model):
    """A stored run beside itself after the changes."""

    run_id: str = Field(description="The stored run.")
    what_if_run_id: str = Field(description="The run under the changed market, stored like any other; `run_id` where the market is kept.")
    market_id: str = Field(description="The changed market, stored like any other; the run's own where it is kept.")
    state: RunState = Field(description="Of the run under the changed market. The figures are there once it is SUCCEEDED or PARTIAL.")
    base_currency: CurrencyCode = Field(description="Of all figures.")
    total: WhatIfGroup | None = Field(description="All positions; null until the run under the changed market has ended.")
    groups: list[WhatIfGroup] = Field(description="The groups asked for, in order.")
    failures: list[PriceFailure] = Field(description="Added positions without value.")
