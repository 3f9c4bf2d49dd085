"""One position's outcome in a run: its measures, or why it has none."""

from typing import Literal

from pydantic import Field

from riskray.models.common import Model

Order = Literal["absolute", "highest", "lowest"]
"""Positions by a measure: the largest absolute values first, or from either end."""


class _PositionOfRun(Model):
    position_no: int = Field(ge=0, description="Dense within the portfolio, from 0; the order of pages and downloads.")
    position_id: str
    product: str
    book: str
    counterparty: str
    currency: str
    notional: float


class PositionResult(_PositionOfRun):
    """Measures of a priced position; null where a measure does not apply to the product or was not asked for."""

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
    key_rate_dv01: list[float] | None = Field(description="The legs' pillars, one leg after the other.")


class PositionOrigin(Model):
    """Where a position's row was valued: in the run itself, or in an earlier one that it was carried over from."""

    run_id: str = Field(description="The run asked about.")
    position_id: str = Field(description="Of the portfolio.")
    valued_in: str = Field(description="Id of the run that valued the position; `run_id` where the row was not carried.")
    market_id: str = Field(description="Market of that run; what the position depends on is the same in the market of `run_id`.")
    carried_times: int = Field(description="How many runs carried the row on, one after the other; 0 where it was not carried.")


class PositionFailure(_PositionOfRun):
    """Why a position has no value. It is in no total."""

    code: str = Field(examples=["MISSING_CURVE"])
    message: str
    remedy: str
