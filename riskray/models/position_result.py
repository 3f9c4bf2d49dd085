"""The outcome of one position in a run: its measures, or the reason for its failure."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pricers.measures import SCALAR_MEASURES, Measure
from riskray.models.common import Model
from riskray.models.measured import measured

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


if TYPE_CHECKING:

    class _MeasuredPosition(_PositionOfRun):
        pv: float
        pv_base: float

        def __getattr__(self, name: str) -> float | None: ...
else:
    _ALWAYS = (Measure.PV, Measure.PV_BASE)
    _OTHERS = tuple(measure for measure in SCALAR_MEASURES if measure not in _ALWAYS)
    _MeasuredPosition = measured(measured(_PositionOfRun, _ALWAYS, float), _OTHERS, float | None)


class PositionResult(_MeasuredPosition):
    """Measures of a priced position; null if a measure does not apply to the product or was not requested."""

    factor_nos: list[int] | None = Field(
        description="Factors that the position is sensitive to, by number: `GET /api/v1/results/{run_id}/factors` lists them. Null where "
        "neither `key_rate_dv01` nor `fx_delta` was asked for.",
        examples=[[0, 14]],
    )
    sensitivities: list[float] | None = Field(
        description="One number for each bucket of each of these factors, one factor after the other; of a sparse factor the count of its "
        "pairs, then each pair (bucket number from 0, value).",
        examples=[[-12.1, -682.3, 11076.2]],
    )


class PositionOrigin(Model):
    """The run in which a position's row was valued: the run itself, or an earlier run whose row it reuses."""

    run_id: str = Field(description="Id of the requested run.")
    position_id: str = Field(description="Id of the position within the portfolio.")
    valued_in: str = Field(description="Id of the run that valued the position; `run_id` if the row is not reused.")
    market_id: str = Field(description="Market of that run; the data on which the position depends is equal in the market of `run_id`.")
    reused_times: int = Field(description="Number of runs that have reused the row, one after another; 0 if it is not reused.")


class PositionFailure(_PositionOfRun):
    """The reason why a position has no value. No total includes it."""

    code: str = Field(examples=["MISSING_CURVE"])
    message: str
    remedy: str
