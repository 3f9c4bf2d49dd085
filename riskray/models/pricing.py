"""Ad-hoc pricing: positions that are not stored, valued against a stored market in one call."""

from datetime import date

from pydantic import ConfigDict, Field

from pricers.measures import Measure
from riskray.models.common import CurrencyCode, Distinct, JsonObject, Model
from riskray.models.position import Position
from riskray.models.result import RiskFactor

POSITIONS_MAX = 1000

EXAMPLE_POSITION: JsonObject = {
    "position_id": "example-1",
    "product": "FIXED_BOND",
    "currency": "EUR",
    "notional": 1000000.0,
    "coupon_rate": 0.03,
    "issue_date": "2024-03-15",
    "maturity_date": "2031-03-15",
    "frequency": "ANNUAL",
    "day_count": "ACT/ACT ICMA",
    "discount_curve": "EUR-GOVT",
}


class PriceRequest(Model):
    """Positions to be valued now. `GET /api/v1/portfolios/products` lists their columns."""

    # NaN is passed to the reader, which refuses it and names the column; as null it would become the column's default.
    model_config = ConfigDict(ser_json_inf_nan="constants")

    market: str = Field(description="Market id, or a name, which stands for its last upload.", examples=["demo"])
    base_currency: CurrencyCode = "USD"
    measures: Distinct[Measure] = Field(default=[Measure.PV, Measure.PV_BASE, Measure.DV01], min_length=1)
    positions: list[Position] = Field(
        min_length=1,
        max_length=POSITIONS_MAX,
        description="Columns of each position, including `product` and `position_id`.",
        examples=[[EXAMPLE_POSITION]],
    )


class PricedPosition(Model):
    """One position's measures. `values` has each requested measure that is one number; null if it does not apply to the product."""

    position_id: str
    product: str
    values: dict[Measure, float | None]
    factor_nos: list[int] | None = Field(
        description="Factors that the position is sensitive to, by number in `factors`; null if neither `key_rate_dv01` nor `fx_delta` "
        "is requested.",
        examples=[[0]],
    )
    sensitivities: list[float] | None = Field(
        description="One number for each bucket of each of these factors, one factor after the other.", examples=[[-12.1, -682.3]]
    )


class PriceFailure(Model):
    """One position that could not be valued."""

    position_id: str
    product: str
    code: str = Field(examples=["MISSING_CURVE"])
    message: str
    remedy: str


class PriceAnswer(Model):
    """Every position of the request, either priced or failed."""

    market: str = Field(description="Market id or name of the request.")
    market_id: str = Field(description="Id of the market; if the request has a name, id of its last upload.")
    as_of: date = Field(description="Valuation date, which is the date of the market.")
    base_currency: CurrencyCode
    factors: list[RiskFactor] = Field(default=[], description="Those that `results` name.")
    results: list[PricedPosition]
    failures: list[PriceFailure]
