"""Scenario sets: their requests and stored form, and the market histories from which they are derived.

A definition says how scenarios are generated. It is compiled once, against one market, to labels and a matrix of factor moves, and is
stored with the matrix. A move is absolute (added to a zero rate, zero spread or credit spread; decimal) or relative (a fraction of the
current value of the factor).
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, FiniteFloat, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from pricers.time.tenors import parse_tenor
from riskray.models.common import CurrencyCode, Date, JsonObject, Model
from riskray.models.rate_units import RatesChecked

SCENARIOS_MAX = 100_000


class MoveKind(StrEnum):
    """How a move is applied to the current value of a factor."""

    ABSOLUTE = "absolute"
    RELATIVE = "relative"


class GapPolicy(StrEnum):
    """Treatment of an observation that the history lacks (a holiday, a missing quote)."""

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
    """The size of a move: basis points, or a fraction of the factor's current value (0.1 is +10 %)."""

    bp: FiniteFloat | None = Field(default=None, description="Absolute move in basis points.", examples=[100.0])
    relative: FiniteFloat | None = Field(
        default=None, description="Relative move as a fraction of the factor's current value.", examples=[0.1]
    )

    @model_validator(mode="after")
    def _has_one_size(self) -> "Shift":
        if (self.bp is None) == (self.relative is None):
            raise ValueError("give either bp or relative")
        return self

    @property
    def kind(self) -> MoveKind:
        """Absolute or relative."""
        return MoveKind.RELATIVE if self.bp is None else MoveKind.ABSOLUTE

    @property
    def value(self) -> float:
        """The size as a decimal, as in the matrix."""
        return 1e-4 * self.bp if self.bp is not None else float(self.relative or 0.0)


class _CurveShock(Model):
    curves: list[Pattern] = Field(default=["*"], min_length=1, description="Curves that move; every pattern must match a curve.")
    target: Literal["zero", "spread", "hazard", "inflation"] = Field(
        default="zero", description="Whether discount curves, spread curves, credit curves or inflation curves move."
    )


class ParallelShock(_CurveShock):
    """All pillars move by one size."""

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
    """A twist about the pivot: minus `size` up to the short tenor, zero at the pivot, plus `size` from the long tenor on."""

    type: Literal["twist"] = "twist"
    size: Shift
    short_tenor: Tenor = "1Y"
    pivot_tenor: Tenor = "5Y"
    long_tenor: Tenor = "30Y"


class TenorShock(_CurveShock):
    """Moves of single pillars, by label; other pillars do not move. Every matching curve must have every label as a pillar."""

    type: Literal["tenors"] = "tenors"
    shifts: dict[str, Shift] = Field(min_length=1, examples=[{"5Y": {"bp": 25}, "10Y": {"bp": 50}}])


class FxShock(Model):
    """Currencies rise against the set's numeraire, all by one fraction."""

    type: Literal["fx"] = "fx"
    currencies: list[Pattern] = Field(min_length=1, examples=[["EUR", "GBP"]])
    relative: FiniteFloat = Field(
        gt=-1.0, description="Relative rise of the currencies: with 0.1, one unit costs 10 % more of the numeraire."
    )


class QuoteShock(Model):
    """Quotes move, and the curves that they determine follow."""

    type: Literal["quote"] = "quote"
    quotes: list[Pattern] = Field(min_length=1, description="Quotes that move; every pattern must match one.", examples=[["EUR.OIS.*"]])
    bp: FiniteFloat = Field(
        description="Basis points of the rate or spread; of a future's price, -0.01 for 1; of forward points, a ten-thousandth of spot.",
        examples=[1.0],
    )


class PriceShock(Model):
    """Prices of securities and levels of indices move, all by one fraction; securities with a moved benchmark by beta times it."""

    type: Literal["price"] = "price"
    prices: list[Pattern] = Field(min_length=1, examples=[["SX5E", "SPX"]], description="Prices that move; every pattern must match one.")
    relative: FiniteFloat = Field(ge=-1.0, description="Relative move: with -0.2, a price falls by 20 %.")


class CreditShock(Model):
    """Every contract's own credit spread moves."""

    type: Literal["credit"] = "credit"
    bp: FiniteFloat = Field(examples=[50.0])


Shock = Annotated[
    ParallelShock | SteepenerShock | TwistShock | TenorShock | FxShock | PriceShock | QuoteShock | CreditShock, Field(discriminator="type")
]


class StressScenario(Model):
    """A named scenario: the sum of its shocks."""

    name: ScenarioName
    shocks: list[Shock] = Field(min_length=1)


class Combination(Model):
    """A scenario that is the sum of other scenarios of the set."""

    name: ScenarioName
    of: list[ScenarioName] = Field(min_length=2)


class QuoteLadder(Model):
    """One scenario for each quote, named after it: the P&L of these scenarios is the par DV01."""

    quotes: list[Pattern] = Field(default=["*"], min_length=1, description="Quotes that move; every pattern must match one.")
    bp: FiniteFloat = Field(default=1.0, description="Basis points, as in shocks of quotes.")


class StressDefinition(Model):
    """Named shocks."""

    kind: Literal["stress"] = "stress"
    numeraire: CurrencyCode = Field(default="USD", description="Currency in which FX shocks are stated.")
    quote_ladder: QuoteLadder | None = Field(
        default=None, exclude_if=lambda given: given is None, description="Adds a scenario for each quote of the market's curves."
    )
    scenarios: list[StressScenario] = Field(default=[], validate_default=True, max_length=SCENARIOS_MAX)
    combinations: list[Combination] = Field(default=[])
    rates_checked: RatesChecked = True

    @field_validator("scenarios")
    @classmethod
    def _has_scenarios(cls, scenarios: list[StressScenario], info: ValidationInfo) -> list[StressScenario]:
        if not scenarios and info.data.get("quote_ladder") is None:
            raise PydanticCustomError("too_short", "give at least one scenario, or a quote_ladder")
        return scenarios


def _is_absolute(moves: MoveKind) -> bool:
    """Keeps definitions, and so the hashes of scenario sets, as they were before the field existed."""
    return moves is MoveKind.ABSOLUTE


class _FromHistory(Model):
    history: str = Field(description="Market history id, or a name, which stands for its last upload.", examples=["demo-history"])
    first_date: Date | None = Field(default=None, description="First date of the history to use; by default its first.")
    last_date: Date | None = Field(default=None, description="Last date of the history to use; by default its last.")
    window: int | None = Field(default=None, ge=1, description="Number of most recent moves to use; by default all.", examples=[500])
    horizon_days: int = Field(default=1, ge=1, le=260, description="Length of a move, in observations of the history.")
    zero_moves: MoveKind = Field(default=MoveKind.ABSOLUTE, description="Whether zero rates move by absolute or relative amounts.")
    spread_moves: MoveKind = Field(default=MoveKind.ABSOLUTE, description="Whether zero spreads move by absolute or relative amounts.")
    hazard_moves: MoveKind = Field(
        default=MoveKind.ABSOLUTE,
        exclude_if=_is_absolute,
        description="Whether zero hazard rates move by absolute or relative amounts.",
    )
    inflation_moves: MoveKind = Field(
        default=MoveKind.ABSOLUTE,
        exclude_if=_is_absolute,
        description="Whether growth rates of price indices move by absolute or relative amounts.",
    )
    gap_policy: GapPolicy = Field(
        default=GapPolicy.REFUSE,
        description="Treatment of missing observations: refuse the history, drop the dates that lack any, or carry the last value forward "
        "(the move is then zero).",
    )
    gap_days_max: int = Field(
        default=10, ge=1, description="Refuse a history with more calendar days than this between two successive dates in use."
    )
    curve_proxies: dict[str, str] = Field(
        default={}, description="Curve of the market -> curve of the history with which it moves, if the names differ."
    )


class HistoricalDefinition(_FromHistory):
    """Historical moves, applied to the current market: one scenario per date."""

    kind: Literal["historical"] = "historical"
    overlapping: bool = Field(
        default=True, description="`true`: moves over several days begin on every day; `false`: each begins where the last one ended."
    )


class MonteCarloDefinition(_FromHistory):
    """Random moves with the covariances of a history.

    Moves of one observation are estimated (relative factors by logarithms) and scaled by the square root of `horizon_days`.
    """

    kind: Literal["monte_carlo"] = "monte_carlo"
    seed: int = Field(ge=0, lt=2**63)
    count: int = Field(ge=1, le=SCENARIOS_MAX, examples=[1000])
    distribution: Literal["normal", "student_t"] = "normal"
    degrees_of_freedom: float = Field(
        default=5.0, gt=2.0, description="Degrees of freedom of student_t, which do not change the covariances."
    )
    volatility: Literal["sample", "ewma"] = "sample"
    decay: float = Field(default=0.94, gt=0.0, lt=1.0, description="Decay factor of ewma: relative weight of the day before (RiskMetrics).")
    shrinkage: float = Field(
        default=0.0, ge=0.0, le=1.0, description="Correlation used: (1 - shrinkage) × estimate + shrinkage × identity."
    )


class MatrixDefinition(Model):
    """A matrix of factor moves from the user."""

    kind: Literal["matrix"] = "matrix"
    numeraire: CurrencyCode = Field(default="USD", description="Currency in which the FX moves are stated.")
    description: str = Field(default="", max_length=2000)


ScenarioDefinition = Annotated[
    StressDefinition | HistoricalDefinition | MonteCarloDefinition | MatrixDefinition, Field(discriminator="kind")
]


class ScenarioSetRequest(Model):
    """A request to create a scenario set for a market."""

    name: str = Field(min_length=1, max_length=200, examples=["standard stress"])
    market: str = Field(description="Id of the market whose curves and pillars the set moves, or a name, which stands for its last upload.")
    definition: ScenarioDefinition


class ScenarioSet(Model):
    """A stored scenario set."""

    scenario_set_id: str = Field(description="`scen-` and the start of the content hash.", examples=["scen-5b0c7c1de2a9f344"])
    name: str
    version: int = Field(ge=1, description="Number of the upload under this name; an upload without changes is not counted.")
    content_hash: str = Field(description="SHA-256 of the canonical content, in hex.")
    kind: Literal["stress", "historical", "monte_carlo", "matrix"]
    market_id: str | None = Field(description="Id of the market for which it was created.")
    scenario_count: int
    factor_count: int
    created_at: datetime


class ScenarioSetDetail(ScenarioSet):
    """A stored scenario set and its definition."""

    definition: JsonObject
    numeraire: CurrencyCode
    labels: list[str] = Field(description="Names of the first scenarios.")
    factors: list[str] = Field(description="Names of the first factors.")
    unmoved: list[str] | None = Field(
        description="Curves, currencies and `credit` of the set's market that do not move in any scenario; null if the set has no "
        "market or the market has been deleted.",
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
    """Content and gaps of a history."""

    numeraire: CurrencyCode = Field(description="Currency of the FX prices.")
    row_count: int
    factor_count: int
    longest_gap_days: int = Field(description="Largest number of calendar days between two successive dates.")
    longest_gap_ends: date
    missing: dict[str, int] = Field(description="Number of dates without a value, by factor; only for factors with gaps.")


class MarketHistoryDetail(MarketHistory):
    """A stored market history with its content and gaps."""

    summary: HistorySummary


class DemoHistoryRequest(Model):
    """A request to create a history for a market from the ECB's euro reference rates since 1999 and generated zero rates and spreads.

    The history ends at the market's date with the market's own curves. Only the exchange rates are observations; the rates are a documented
    simulation with plausible volatilities, for demonstrations.
    """

    name: str = Field(default="demo-history", min_length=1, max_length=200)
    market: str = Field(description="Market id, or a name, which stands for its last upload.", examples=["demo"])
    first_date: Date | None = Field(default=None, description="First date of the history.", examples=["2019-01-02"])
    seed: int = Field(default=1, ge=0, lt=2**63, description="Seed of the generated rates; equal seeds give equal histories.")
