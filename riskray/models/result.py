"""Results: rollups, sensitivities, failures and the flow-by-flow explanation of one value."""

import datetime
from datetime import date
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pricers.market.factors import FactorKind
from pricers.market.market import CurveKind
from pricers.measures import ADDITIVE_MEASURES
from riskray.models.common import CurrencyCode, Model
from riskray.models.measured import measured


class _Counts(Model):
    group: dict[str, str] = Field(examples=[{"book": "BOOK-07", "product": "FIXED_BOND"}])
    ok_count: int
    failed_count: int
    pv: float | None = Field(description="Native currency; null where the group mixes currencies.")


class _RunCounts(Model):
    run_id: str
    base_currency: CurrencyCode
    position_count: int
    ok_count: int
    failed_count: int


if TYPE_CHECKING:

    class _MeasuredGroup(_Counts):
        pv_base: float

        def __getattr__(self, name: str) -> float: ...

    class _MeasuredRun(_RunCounts):
        pv_base: float

        def __getattr__(self, name: str) -> float: ...
else:
    _MeasuredGroup = measured(_Counts, ADDITIVE_MEASURES, float)
    _MeasuredRun = measured(_RunCounts, ADDITIVE_MEASURES, float)


class Rollup(_MeasuredGroup):
    """Sums over the positions of one group. Failed positions are counted and not in the sums."""


class RunTotals(_MeasuredRun):
    """A run in one object."""


class RiskFactor(Model):
    """What sensitivities of a run refer to by number: a curve or a currency, with its buckets."""

    factor_no: int = Field(ge=0, description="Number in `factor_nos`.")
    kind: FactorKind = Field(description="What is moved: zero rates, spreads, a currency, a price.")
    name: str = Field(description="Of the curve or currency; unique within the kind.", examples=["EUR-GOVT-AAA"])
    unit: str
    bump: float = Field(
        description="Size of the bump: 0.0001 added to a zero rate or spread is 1 bp; 0.01 of a price is 1 %.", examples=[0.0001]
    )
    bucket_labels: list[str]
    bucket_days: list[int] | None = Field(description="Days from the valuation date to each bucket; null where buckets are no dates.")
    is_sparse: bool = Field(description="Whether positions hold pairs (bucket number, value) instead of one number a bucket.")


class Sensitivity(Model):
    """What one group is worth more after the bump of one bucket of one factor."""

    group: dict[str, str]
    kind: FactorKind = Field(description="Kind of the factor.")
    factor: str
    bucket: str = Field(description="Label of the bucket; `total` for the sum over all of them.", examples=["10Y"])
    bucket_days: int | None
    sensitivity: float


class FailureSummary(Model):
    """Failed positions with one reason."""

    code: str = Field(examples=["MISSING_CURVE"])
    product: str
    position_count: int
    message: str
    remedy: str
    example_position_id: str


class ExplainedTerm(Model):
    """One point of a curve that the value of a flow rests on."""

    curve: str | None = Field(description="Name of the curve; null for the contract's own credit spread.", examples=["EUR-GOVT"])
    kind: CurveKind | None = Field(description="Kind of the curve; null for the contract's own credit spread.")
    date: datetime.date = Field(description="Day on the curve.", examples=["2027-06-21"])
    sign: Literal[-1, 1] = Field(description="1: the curve's factor of this day discounts the flow; -1: the flow is divided by it.")
    factor: float | None = Field(
        description="What the point multiplies the amount by; null for a point of the special factor.", examples=[0.9231]
    )


class ExplainedFlow(Model):
    """One cash flow of one position, and its value."""

    pay_date: date
    leg: int
    currency: str = Field(
        description="Currency of the amounts and of `pv`; or `price/NAME` of a security, of which `amount` is a quantity.",
        examples=["EUR", "price/DE0007164600"],
    )
    interest: float
    principal: float
    amount: float
    discount_factor: float
    spread_factor: float
    terms: list[ExplainedTerm] = Field(
        description="All points of curves that the value rests on; the product of their factors and special_factor is discount_factor "
        "× spread_factor."
    )
    special_factor: float = Field(
        description="Part of the factors that is no product of single points: compounded or averaged rates, protection; 1 without one."
    )
    pv: float = Field(description="Present value in the leg's currency.")
    pv_base: float


class Explanation(Model):
    """The value of one position, flow by flow: the sum of `flows[].pv_base` is `pv_base`."""

    run_id: str
    position_id: str
    product: str
    base_currency: CurrencyCode
    pv_base: float
    flows: list[ExplainedFlow]
