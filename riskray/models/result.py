"""Results: rollups, ladders, failures and the flow-by-flow explanation of one value."""

from datetime import date

from pydantic import Field

from riskray.models.common import CurrencyCode, Model


class Rollup(Model):
    """Sums over the positions of one group. Failed positions are counted, but not included in the sums."""

    group: dict[str, str] = Field(examples=[{"book": "BOOK-07", "product": "FIXED_BOND"}])
    ok_count: int
    failed_count: int
    pv: float | None = Field(description="Present value in the native currency; null if the group mixes currencies.")
    pv_base: float
    dv01: float
    cs01: float
    fx_delta: float
    theta_1d: float


class FxRollup(Model):
    """FX delta of one group with respect to one currency."""

    group: dict[str, str]
    currency: CurrencyCode
    fx_delta: float


class KeyRateRollup(Model):
    """Key-rate DV01 of one group with respect to one pillar of one curve."""

    group: dict[str, str]
    curve: str
    pillar: str
    pillar_days: int
    dv01: float


class RunTotals(Model):
    """The totals of a run."""

    run_id: str
    base_currency: CurrencyCode
    position_count: int
    ok_count: int
    failed_count: int
    pv_base: float
    dv01: float
    cs01: float
    fx_delta: float
    theta_1d: float


class FailureSummary(Model):
    """Failed positions with one reason."""

    code: str = Field(examples=["MISSING_CURVE"])
    product: str
    position_count: int
    message: str
    remedy: str
    example_position_id: str


class ExplainedFlow(Model):
    """One cash flow of one position, and its value."""

    pay_date: date
    leg: int
    currency: CurrencyCode
    interest: float
    principal: float
    amount: float
    discount_factor: float
    spread_factor: float
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
