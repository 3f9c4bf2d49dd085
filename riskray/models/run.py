"""Runs: request, pre-flight check, progress and outcome."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from pricers.measures import Measure
from riskray.models.common import CurrencyCode, Distinct, JsonObject, Model

ALL_MEASURES = tuple(Measure)

Vectors = Literal["none", "group", "position"]
"""P&L vectors that a run stores: none, those of groups, or those of groups and of every position."""
FailurePolicy = Literal["drop_position", "drop_scenario"]
"""If a position has no value in some scenario: exclude the position from all vectors, or the scenario from all figures."""


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
        """Whether the run cannot change any more."""
        return self not in (RunState.QUEUED, RunState.RUNNING)


GapKind = Literal["product", "discount_curve", "spread_curve", "forecast_curve", "credit_curve", "inflation_curve", "currency", "index"]
PreflightMode = Literal["flag", "strict"]
"""What to do with positions that lack market data: flag them and value the others, or refuse the run."""
Executor = Literal["pool", "job"]
"""What may claim a run: any coordinator, or only a process of `riskray run execute`."""


class RunRequest(Model):
    """A request to value a portfolio under a market."""

    portfolio: str = Field(description="Portfolio id, or a name, which stands for its last upload.", examples=["pf-3f2a9c0d1e4b5a67"])
    market: str = Field(description="Market id, or a name, which stands for its last upload.", examples=["mkt-90b1c2d3e4f5a6b7"])
    base_currency: CurrencyCode = "USD"
    measures: Distinct[Measure] = Field(default=list(ALL_MEASURES), min_length=1, description="Measures to compute; the others are null.")
    name: str = Field(default="", max_length=200, description="Label of the run.", examples=["end of day"])
    preflight: PreflightMode = Field(
        default="flag",
        description="`flag`: positions without market data fail, and the others are valued. `strict`: the run is refused if any position "
        "lacks market data.",
    )
    executor: Executor = Field(
        default="pool",
        description="`pool`: the warm pricer pool. `job`: a process of `riskray run execute`, for instance by `ray job submit`.",
    )
    rows_per_shard: int | None = Field(default=None, ge=1, le=1_000_000, description="Positions per shard; does not change results.")
    scenario_set: str | None = Field(
        default=None,
        description="Scenario set id, or a name, which stands for its last upload; the portfolio is also valued under each scenario.",
    )
    vectors: Vectors | None = Field(
        default=None,
        description="P&L vectors to store: `none`, `group` (by book or counterparty, product and currency) or `position` (also of every "
        "position). The default is `group` with a scenario set.",
    )
    failure_policy: FailurePolicy = Field(
        default="drop_position",
        description="Treatment of a position that has no value in some scenario: `drop_position` excludes it from every vector, "
        "`drop_scenario` excludes the scenario from every figure.",
    )

    reuse_from: str | None = Field(
        default=None,
        description="Id of an ended run with equal portfolio, date, base currency and measures: only its failed positions and those that "
        "depend on a difference between the two markets are valued; the other results are reused, bit for bit. The run has the "
        "shards of that run unless `rows_per_shard` differs. Vectors are computed for all positions.",
    )

    @model_validator(mode="after")
    def _has_scenarios_for_vectors(self) -> "RunRequest":
        if self.scenario_set is None and self.vectors in ("group", "position"):
            raise ValueError(f"vectors={self.vectors} requires a scenario_set")
        return self

    @property
    def vectors_wanted(self) -> Vectors:
        """The vectors to store, with the default applied."""
        return self.vectors or ("none" if self.scenario_set is None else "group")


class MarketGap(Model):
    """Market data that the portfolio names and the market lacks."""

    kind: GapKind
    name: str = Field(examples=["USD-LIBOR-3M"])
    product: str
    position_count: int
    gross_notional: dict[CurrencyCode, float] = Field(description="Sum of absolute notionals by currency.")


class Preflight(Model):
    """The market data that a run would lack, found before it starts."""

    position_count: int
    affected_position_count_max: int = Field(
        description="Upper bound of the number of affected positions; one position may have several gaps."
    )
    gaps: list[MarketGap]


class Progress(Model):
    """Progress of a run as exact counts."""

    position_count: int
    ok_count: int
    failed_count: int
    cancelled_count: int
    shard_count: int
    shards_done: int
    reused_count: int = Field(default=0, description="Number of priced positions whose results are reused from `reused_from`.")


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
    scenario_set_id: str | None = Field(default=None, description="Id of the scenario set under which the portfolio was valued.")
    vectors: Vectors = Field(default="none", description="P&L vectors that the run stores.")
    failure_policy: FailurePolicy = Field(default="drop_position", description="Treatment of a position without value in some scenario.")
    reused_from: str | None = Field(default=None, description="Id of the earlier run whose unchanged results are reused.")
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
        description="Hashes of all inputs, versions, settings and seconds by phase, written when the run ends."
    )

    @property
    def lacks_driver(self) -> bool:
        """Whether the run has begun and no coordinator or job drives it: its lease has expired or was released."""
        return self.state is RunState.RUNNING and self.lease_until is not None and self.driven_since is None
