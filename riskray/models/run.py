"""Runs: what is asked for, what pre-flight found, how far it is and how it ended."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from pricers.measures import Measure
from riskray.models.common import CurrencyCode, Distinct, JsonObject, Model

ALL_MEASURES = tuple(Measure)

Vectors = Literal["none", "group", "position"]
"""P&L vectors that a run leaves: none, of groups, or of groups and every position."""
FailurePolicy = Literal["drop_position", "drop_scenario"]
"""A position without value in some scenario: it is in no vector, or the scenario counts in no figure."""


class RunState(StrEnum):
    """`QUEUED → RUNNING → SUCCEEDED | PARTIAL | FAILED | CANCELLED`; the last four are final."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether the run can still change."""
        return self not in (RunState.QUEUED, RunState.RUNNING)


PreflightMode = Literal["flag", "strict"]
"""What to do with positions that lack market data: flag them and value the others, or refuse the run."""
Executor = Literal["pool", "job"]
"""Who may claim a run: any coordinator, or the process of `riskray run execute`."""


class RunRequest(Model):
    """Value a portfolio under a market."""

    portfolio: str = Field(description="Portfolio id, or a name for its last upload.", examples=["pf-3f2a9c0d1e4b5a67"])
    market: str = Field(description="Market id, or a name for its last upload.", examples=["mkt-90b1c2d3e4f5a6b7"])
    base_currency: CurrencyCode = "USD"
    measures: Distinct[Measure] = Field(default=list(ALL_MEASURES), min_length=1, description="Measures to compute; the others are null.")
    name: str = Field(default="", max_length=200, description="A label for people.", examples=["end of day"])
    preflight: PreflightMode = Field(
        default="flag",
        description="`flag`: positions without market data fail, the others are valued. `strict`: the run is refused when any "
        "position lacks market data.",
    )
    executor: Executor = Field(
        default="pool", description="`pool`: the warm pricer pool. `job`: wait for `riskray run execute`, for instance by `ray job submit`."
    )
    rows_per_shard: int | None = Field(default=None, ge=1, le=1_000_000, description="Positions in one shard; changes no result.")
    scenario_set: str | None = Field(
        default=None, description="Scenario set id, or a name for its last upload; value the portfolio under every scenario of it too."
    )
    vectors: Vectors | None = Field(
        default=None,
        description="P&L vectors to store: `none`, `group` (by book or counterparty, product and currency) or `position` (of every "
        "position too). `group` where a scenario set is given.",
    )
    failure_policy: FailurePolicy = Field(
        default="drop_position",
        description="A position that has no value in some scenario: `drop_position` leaves it out of every vector, `drop_scenario` leaves "
        "the scenario out of every figure.",
    )

    carry_from: str | None = Field(
        default=None,
        description="Id of an ended run of the same portfolio, date, base currency and measures: only its failed positions and those that "
        "depend on what differs between the two markets are valued, the other results are carried over, bit for bit. The run is cut into "
        "shards as that one was unless `rows_per_shard` says otherwise; a shard of other positions is valued whole, as are all vectors.",
    )

    @model_validator(mode="after")
    def _has_scenarios_for_vectors(self) -> "RunRequest":
        if self.scenario_set is None and self.vectors in ("group", "position"):
            raise ValueError(f"vectors={self.vectors} needs a scenario_set")
        return self

    @property
    def vectors_wanted(self) -> Vectors:
        """The vectors to store, the default filled in."""
        return self.vectors or ("none" if self.scenario_set is None else "group")


class MarketGap(Model):
    """Market data that the portfolio names and the market lacks."""

    kind: Literal["product", "discount_curve", "spread_curve", "currency"]
    name: str = Field(examples=["USD-LIBOR-3M"])
    product: str
    position_count: int
    gross_notional: dict[CurrencyCode, float] = Field(description="Sum of absolute notionals by currency.")


class Preflight(Model):
    """What will fail before anything runs."""

    position_count: int
    affected_position_count_max: int = Field(description="Upper bound of positions touched by a gap; a position may miss several things.")
    gaps: list[MarketGap]


class Progress(Model):
    """Counts, never an estimate."""

    position_count: int
    ok_count: int
    failed_count: int
    cancelled_count: int
    shard_count: int
    shards_done: int
    carried_count: int = Field(default=0, description="Positions, among those priced, whose results come from the run carried from.")


class Run(Model):
    """One run, as stored."""

    run_id: str = Field(examples=["run-01972f3e5a7c7d10b7c3a1d2e3f40516"])
    name: str
    state: RunState
    executor: Executor
    portfolio_id: str
    market_id: str
    as_of: date
    base_currency: CurrencyCode
    measures: list[Measure]
    scenario_set_id: str | None = Field(default=None, description="The scenarios that the portfolio was valued under.")
    vectors: Vectors = Field(default="none", description="P&L vectors that the run leaves.")
    failure_policy: FailurePolicy = Field(default="drop_position", description="What a position without value in some scenario leads to.")
    carried_from: str | None = Field(default=None, description="The run that unchanged results were carried over from.")
    progress: Progress
    preflight: Preflight
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    cancel_requested_at: datetime | None
    lease_until: datetime | None = None
    driven_since: datetime | None = None
    error_code: str | None
    error_detail: str | None
    manifest: JsonObject | None = Field(
        description="Written when the run ends: hashes of all inputs, versions, settings, seconds by phase."
    )

    @property
    def lacks_driver(self) -> bool:
        """Whether the run has begun and no coordinator or job works on it: its lease is over, or was given back."""
        return self.state is RunState.RUNNING and self.lease_until is not None and self.driven_since is None
