"""Scenario sets: how they are asked for, what is stored of them, and the market histories they come from.

A definition says how scenarios are made. It is compiled once, against one market, to labels and a matrix of factor moves, and
kept beside the matrix. A move is absolute (added to a zero rate, zero spread or credit spread; decimal) or relative (a fraction of
today's value).
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FiniteFloat, model_validator

from pricers.time.tenors import parse_tenor
from riskray.models.common import CurrencyCode, Date, JsonObject, Model
from riskray.models.rate_units import RatesChecked

SCENARIOS_MAX = 100_000


class MoveKind(StrEnum):
    """How the number of a factor is applied to today's market."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"


class GapPolicy(StrEnum):
    """What to do with an observation that the history lacks (a holiday, a missing quote)."""

    REFUSE = "refuse"
    DROP_DATE = "drop_date"
    CARRY_FORWARD = "carry_forward"


def _tenor(text: str) -> str:
    parse_tenor(text)
    return text.strip().upper()


Tenor = Annotated[str, AfterValidator(_tenor), Field(examples=["5Y"])]
Pattern = Annotated[str, Field(min_length=1, max_length=200, examples=["EUR-*"], description="A name; * and ? match any text.")]
ScenarioName = Annotated[str, Field(min_length=1, max_length=200, examples=["parallel +100"])]


class Shift(Model):
    """The size of a move: basis points, or a fraction of today's value (0.1 is +10 %)."""

    bp: FiniteFloat | None = Field(default=None, description="Absolute move in basis points.", examples=[100.0])
    relative: FiniteFloat | None = Field(default=None, description="Fraction of today's value.", examples=[0.1])

    @model_validator(mode="after")
    def _has_one_size(self) -> "Shift":
        if (self.bp is None) == (self.relative is None):
            raise ValueError("give bp or relative, and not both")
        return self

    @property
    def kind(self) -> MoveKind:
        """Absolute or relative."""
        return MoveKind.RELATIVE if self.bp is None else MoveKind.ABSOLUTE

    @property
    def value(self) -> float:
        """As the matrix holds it: decimal."""
        return 1e-4 * self.bp if self.bp is not None else float(self.relative or 0.0)


class _CurveShock(Model):
    curves: list[Pattern] = Field(default=["*"], min_length=1, description="Curves that move; every pattern must match one.")
    target: Literal["zero", "spread"] = Field(default="zero", description="Discount curves, or spread curves.")


class ParallelShock(_CurveShock):
    """Every pillar moves by the same."""

    type: Literal["parallel"] = "parallel"
    shift: Shift


class SteepenerShock(_CurveShock):
    """`short` up to the short tenor, `long` from the long tenor on, linear in time between. A flattener has `short` above `long`."""

    type: Literal["steepener"] = "steepener"
    short: Shift
    long: Shift
    short_tenor: Tenor = "2Y"
    long_tenor: Tenor = "10Y"


class TwistShock(_CurveShock):
    """A turn about the pivot: minus `size` up to the short tenor, nothing at the pivot, plus `size` from the long tenor on."""

    type: Literal["twist"] = "twist"
    size: Shift
    short_tenor: Tenor = "1Y"
    pivot_tenor: Tenor = "5Y"
    long_tenor: Tenor = "30Y"


class TenorShock(_CurveShock):
    """Single pillars, by label; the others stay. Every label must be a pillar of every curve that matches."""

    type: Literal["tenors"] = "tenors"
    shifts: dict[str, Shift] = Field(min_length=1, examples=[{"5Y": {"bp": 25}, "10Y": {"bp": 50}}])


class FxShock(Model):
    """Currencies rise against the set's numeraire, all by the same fraction."""

    type: Literal["fx"] = "fx"
    currencies: list[Pattern] = Field(min_length=1, examples=[["EUR", "GBP"]])
    relative: FiniteFloat = Field(gt=-1.0, description="0.1: one unit costs 10 % more of the numeraire.")


class CreditShock(Model):
    """Every contract's own credit spread moves."""

    type: Literal["credit"] = "credit"
    bp: FiniteFloat = Field(examples=[50.0])


Shock = Annotated[ParallelShock | SteepenerShock | TwistShock | TenorShock | FxShock | CreditShock, Field(discriminator="type")]


class StressScenario(Model):
    """A named scenario: the sum of its shocks."""

    name: ScenarioName
    shocks: list[Shock] = Field(min_length=1)


class Combination(Model):
    """A scenario that adds up others of the set."""

    name: ScenarioName
    of: list[ScenarioName] = Field(min_length=2)


class StressDefinition(Model):
    """Named shocks."""

    kind: Literal["stress"] = "stress"
    numeraire: CurrencyCode = Field(default="USD", description="Currency in which FX shocks are stated.")
    scenarios: list[StressScenario] = Field(min_length=1, max_length=SCENARIOS_MAX)
    combinations: list[Combination] = Field(default=[])
    rates_checked: RatesChecked = True


class _FromHistory(Model):
    history: str = Field(description="Market history id, or a name for its last upload.", examples=["demo-history"])
    first_date: Date | None = Field(default=None, description="First date of the history to use; its first where not given.")
    last_date: Date | None = Field(default=None, description="Last date of the history to use; its last where not given.")
    window: int | None = Field(default=None, ge=1, description="Use the last so many moves; all where not given.", examples=[500])
    horizon_days: int = Field(default=1, ge=1, le=260, description="Length of a move in observations of the history.")
    zero_moves: MoveKind = Field(default=MoveKind.ABSOLUTE, description="How zero rates move.")
    spread_moves: MoveKind = Field(default=MoveKind.ABSOLUTE, description="How zero spreads move.")
    gap_policy: GapPolicy = Field(
        default=GapPolicy.REFUSE,
        description="Missing observations: refuse; drop the dates that lack any; or carry the last value forward (the move is then zero).",
    )
    gap_days_max: int = Field(default=10, ge=1, description="Refuse a history with more calendar days than this between two dates used.")
    curve_proxies: dict[str, str] = Field(
        default={}, description="Curve of the market -> curve of the history that it moves with, where the names differ."
    )


class HistoricalDefinition(_FromHistory):
    """Moves that happened, applied to today's market: one scenario a date."""

    kind: Literal["historical"] = "historical"
    overlapping: bool = Field(default=True, description="Moves over several days start every day, or where the last one ended.")


class MonteCarloDefinition(_FromHistory):
    """Random moves with the covariances of a history.

    Moves of one observation are estimated (relative factors by logarithms) and scaled by the square root of `horizon_days`.
    """

    kind: Literal["monte_carlo"] = "monte_carlo"
    seed: int = Field(ge=0, lt=2**63)
    count: int = Field(ge=1, le=SCENARIOS_MAX, examples=[1000])
    distribution: Literal["normal", "student_t"] = "normal"
    degrees_of_freedom: float = Field(default=5.0, gt=2.0, description="Of student_t; the covariances stay as estimated.")
    volatility: Literal["sample", "ewma"] = "sample"
    decay: float = Field(default=0.94, gt=0.0, lt=1.0, description="Of ewma: weight of the day before (RiskMetrics).")
    shrinkage: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Correlation used: (1 - shrinkage) × estimate + shrinkage × identity."
    )


class MatrixDefinition(Model):
    """A matrix of factor moves that the user made."""

    kind: Literal["matrix"] = "matrix"
    numeraire: CurrencyCode = Field(default="USD", description="Currency in which the FX moves are stated.")
    description: str = Field(default="", max_length=2000)


ScenarioDefinition = Annotated[
    StressDefinition | HistoricalDefinition | MonteCarloDefinition | MatrixDefinition, Field(discriminator="kind")
]


class ScenarioSetRequest(Model):
    """Make a scenario set against a market."""

    name: str = Field(min_length=1, max_length=200, examples=["standard stress"])
    market: str = Field(description="Market id, or a name for its last upload: whose curves and pillars the set moves.")
    definition: ScenarioDefinition


class ScenarioSet(Model):
    """A stored scenario set."""

    scenario_set_id: str = Field(description="`scen-` and the start of the content hash.", examples=["scen-5b0c7c1de2a9f344"])
    name: str
    version: int = Field(ge=1, description="Counts the uploads under this name; one that changes nothing is not counted.")
    content_hash: str = Field(description="SHA-256 of the canonical content, in hex.")
    kind: Literal["stress", "historical", "monte_carlo", "matrix"]
    market_id: str | None = Field(description="The market that it was made against.")
    scenario_count: int
    factor_count: int
    created_at: datetime


class ScenarioSetDetail(ScenarioSet):
    """A stored scenario set and how it was made."""

    definition: JsonObject
    numeraire: CurrencyCode
    labels: list[str] = Field(description="Names of the first scenarios.")
    factors: list[str] = Field(description="Names of the first factors.")
    unmoved: list[str] | None = Field(
        description="Curves, currencies and `credit` of the market it was made against that stay still in every scenario; null where "
        "there is no such market (any more).",
        examples=[["zero/JPY-GOVT", "credit"]],
    )


class MarketHistory(Model):
    """A stored market history."""

    history_id: str = Field(description="`hist-` and the start of the content hash.", examples=["hist-2a9f3445b0c7c1de"])
    name: str
    version: int = Field(ge=1)
    content_hash: str
    factors: list[str]
    first_date: date
    last_date: date
    row_count: int
    created_at: datetime


class HistorySummary(Model):
    """What a history holds and lacks."""

    numeraire: CurrencyCode = Field(description="Currency of the FX prices.")
    row_count: int
    factor_count: int
    longest_gap_days: int = Field(description="Most calendar days between two dates that follow each other.")
    longest_gap_ends: date
    missing: dict[str, int] = Field(description="Factor -> dates without value; only factors that lack some.")


class MarketHistoryDetail(MarketHistory):
    """A stored market history, what it holds and what it lacks."""

    summary: HistorySummary


class DemoHistoryRequest(Model):
    """Make a history for a market from the ECB's euro reference rates since 1999 and generated zero rates and spreads.

    It ends at the market's date with the market's own curves. Only the exchange rates are observations; the rates are a documented
    simulation with plausible volatilities, for trying things out.
    """

    name: str = Field(default="demo-history", min_length=1, max_length=200)
    market: str = Field(description="Market id, or a name for its last upload.", examples=["demo"])
    first_date: Date | None = Field(default=None, description="Leave out earlier dates.", examples=["2019-01-02"])
    seed: int = Field(default=1, ge=0, lt=2**63, description="Of the generated rates; the same seed gives the same history.")
