"""The outcome of one position in a run: its measures, or the reason for its failure."""

from typing import Literal

from pydantic import Field

from riskray.models.common import Model

Order = Literal["absolute", "highest", "lowest"]
"""Positions by a measure: the largest absolute values first, or from either end."""


class _PositionOfRun(Model):
    position_no: int = Field(
        ge=0, description="Number of the position within its portfolio, from 0, without gaps; the order of pages and downloads."
    )
    position_id: str
    product: str
    book: str
    counterparty: str
    currency: str
    notional: float


class PositionResult(_PositionOfRun):
    """Measures of a priced position; null if a measure does not apply to the product or was not requested."""

    pv: float
    pv_base: float
    clean_price: float | None
    dirty_price: float | None
    accrued_interest: float | None
    yield_to_maturity: float | None
    macaulay_duration: float | None
    modified_duration: float | None
    convexity: float | None
    z_spread: float | None
    weighted_average_life: float | None
    dv01: float | None
    cs01: float | None
    fx_delta: float | None
    theta_1d: float | None
    leg_curve_nos: list[int] | None = Field(
        description="Number of each leg's discount curve; `GET /api/v1/market-data/snapshots/{market}/curves` has its name and pillars."
    )
    leg_fx_delta: list[float] | None = Field(description="FX delta of each leg.")
    key_rate_dv01: list[float] | None = Field(description="Key-rate DV01 by pillar, one leg after another.")


class PositionOrigin(Model):
    """The run in which a position's row was valued: the run itself, or an earlier run from which the row was carried over."""

    run_id: str = Field(description="Id of the requested run.")
    position_id: str = Field(description="Id of the position within the portfolio.")
    valued_in: str = Field(description="Id of the run that valued the position; `run_id` if the row was not carried over.")
    market_id: str = Field(description="Market of that run; the data on which the position depends is equal in the market of `run_id`.")
    carried_times: int = Field(description="Number of runs through which the row was carried over; 0 if it was not carried.")


class PositionFailure(_PositionOfRun):
    """The reason why a position has no value. No total includes it."""

    code: str = Field(examples=["MISSING_CURVE"])
    message: str
    remedy: str
