"""Comparisons of two runs: the differences, and the explanation of the change in value."""

from datetime import date
from typing import Literal

from pydantic import Field

from riskray.models.common import CurrencyCode, Model

DifferenceKind = Literal["changed", "opened", "closed", "now_failing", "now_priced"]
"""`opened`: only the later run has the position. `closed`: only the earlier run has it."""


class PositionDifference(Model):
    """One position whose measure differs between two runs by more than the tolerance."""

    position_id: str
    kind: DifferenceKind
    product: str
    book: str
    counterparty: str
    currency: str
    before: float | None
    after: float | None
    difference: float = Field(description="`after` less `before`; a missing value counts as zero.")


class KindSummary(Model):
    """Positions with one kind of difference."""

    kind: DifferenceKind
    position_count: int
    before: float | None = Field(description="Sum over the earlier run; null for a measure that is not additive, such as a yield.")
    after: float | None
    difference: float | None


class RunDifference(Model):
    """The differences between two runs in one measure."""

    run_id_before: str
    run_id_after: str
    base_currency: CurrencyCode
    measure: str
    absolute_tolerance: float
    relative_tolerance: float
    unchanged_count: int = Field(description="Number of positions of both runs that differ by at most the tolerance, or failed in both.")
    before: float | None = Field(
        description="Sum over the earlier run's priced positions; null, as the next two fields, for a measure that is not additive."
    )
    after: float | None
    difference: float | None
    kinds: list[KindSummary]


class PnlParts(Model):
    """The parts of a change in value, base currency. `pnl` = pv_t1 + cash_received - pv_t0, which is the sum of carry to residual."""

    position_count: int = Field(description="Positions explained.")
    failed_count: int = Field(description="Number of positions without a value at one of the dates, which no figure includes.")
    pv_t0: float
    pv_t1: float
    cash_received: float = Field(description="Flows paid to us, or gone ex-coupon, after the earlier date up to the later one.")
    pnl: float
    carry: float = Field(description="P&L from the passage of time with unchanged curves, including cash paid in between.")
    rates: float
    credit: float
    fx: float
    opened: float = Field(description="Value of positions that only the later run has.")
    closed: float = Field(description="Minus the value of positions that only the earlier run has.")
    residual: float
    fixing: float = Field(
        description="Of `carry`, what the rates, index levels and exchange rates fixed in between add to the earlier curves' forecasts."
    )


class PnlGroup(PnlParts):
    """The parts of one group."""

    group: dict[str, str]


class PnlBucket(Model):
    """P&L from one pillar of one discount curve."""

    curve: str
    pillar: str
    pillar_days: int
    rates: float


class PnlAnswer(Model):
    """P&L explanation between two runs."""

    run_id_t0: str
    run_id_t1: str
    as_of_t0: date
    as_of_t1: date
    base_currency: CurrencyCode
    total: PnlParts
    groups: list[PnlGroup]
    rates_by_pillar: list[PnlBucket] = Field(description="P&L from rates by curve and pillar; the entries add up to the total's `rates`.")


class PositionPnl(Model):
    """The parts of one position; null if it has no value at one of the dates, with the reason in `code`."""

    position_id: str
    product: str
    book: str
    counterparty: str
    currency: str
    code: str | None = Field(examples=["MISSING_CURVE"])
    pv_t0: float | None
    pv_t1: float | None
    cash_received: float | None
    pnl: float | None
    carry: float | None
    rates: float | None
    credit: float | None
    fx: float | None
    opened: float | None
    closed: float | None
    residual: float | None
    fixing: float | None
