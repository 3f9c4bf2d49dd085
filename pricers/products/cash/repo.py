"""REPO: a repurchase agreement, as the cash loan that it is.

The contract has one leg. REPO takes cash against securities, REVERSE lends it. The cash is paid on the start date and comes back on the
maturity date with simple interest, cash_amount × repo_rate × year fraction. Start and maturity are moved to the following business day,
and interest counts the days between the moved dates. Flows on or before the valuation date have no value.

An open repo has no maturity date: either side can end it with a day's notice. It is valued as if it ended on the next business day after
the valuation date, or after its start where that is later, with the interest since its start. Its interest-rate risk is that of one day.

The collateral stays a position of its own: the party that sold it in the repo keeps its risk. The columns of the collateral inform; no
value depends on them.

Example: 10,000,000 lent on 2026-03-16 for a week at 2.5 % (ACT/360) comes back as 10,000,000 × (1 + 0.025 × 7/360) = 10,004,861.11.

References:
    [1] International Capital Market Association, "Frequently asked questions on repo" (repo interest, open repo).
"""

from typing import Final

import numpy as np
from jaxtyping import Bool, Float, Int32, UInt8

from pricers.contract.calendars_of_contract import ContractCalendars, contract_calendars, lacks_calendar
from pricers.contract.columns import AMOUNT_MAX, NO_DATE, RATE_MAX, Column, Columns, Contracts
from pricers.flows.cashflows import Cashflows, Lowered, discounted_by
from pricers.market.fixings import Fixings
from pricers.measures import Measure
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.calendars import FOLLOWING, adjust_days
from pricers.time.day_count import DAY_COUNTS, year_fractions

DIRECTIONS: Final = ("REPO", "REVERSE")
REVERSE: Final = DIRECTIONS.index("REVERSE")

COLUMNS: Final = Columns(
    Column("direction", "choice", "REPO: we take cash and give securities; REVERSE: we lend cash", required=True, allowed=DIRECTIONS,
           example="REVERSE"),
    Column("currency", "text", "currency of the cash", required=True, references="currency", example="EUR"),
    Column("cash_amount", "float", "cash paid on the start date, unsigned", unit="currency", required=True, minimum=0.0, maximum=AMOUNT_MAX,
           example=10_000_000.0),
    Column("repo_rate", "float", "simple rate", unit="decimal a year", required=True, minimum=-1.0, maximum=RATE_MAX, example=0.025),
    Column("start_date", "date", "day on which the cash is paid", required=True, example="2026-03-16"),
    Column("maturity_date", "date", "day on which the cash comes back; null: open, valued to the next business day", example="2026-03-23"),
    Column("day_count", "choice", "day count of interest", default="ACT/360", allowed=DAY_COUNTS),
    Column("calendar", "text", "business days; null: no holidays, not for BUS/252", references="calendar", example="TARGET"),
    Column("discount_curve", "text", "curve that discounts the cash", required=True, references="discount_curve", example="EUR-ESTR"),
    Column("collateral_isin", "text", "the security given as collateral; informs", example="DE000BU2Z049"),
    Column("collateral_nominal", "float", "its nominal amount, unsigned; informs", minimum=0.0, maximum=AMOUNT_MAX),
    Column("haircut", "float", "share by which the collateral's value exceeds the cash; informs", unit="decimal", minimum=0.0, maximum=1.0),
)  # fmt: skip


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower repos to one leg each.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: not read: the rate is fixed.
    Returns:
        One leg a row with the repayment, and before it the payment of a repo that has not started. Row status: INVALID_AMOUNT,
        INVALID_SCHEDULE, INVALID_DATES, DATE_OUT_OF_RANGE or MATURED.
    """
    calendars = contract_calendars(contracts.text("calendar"))
    start, maturity, years = _period(contracts, calendars, as_of)
    cash = np.where(contracts.array("direction") == REVERSE, 1.0, -1.0) * contracts.array("cash_amount")
    repaid = cash + cash * contracts.array("repo_rate") * years
    status = _status(contracts, calendars, start, maturity, repaid)
    status[(status == RowStatus.OK) & (maturity <= as_of)] = RowStatus.MATURED
    is_priced = status == RowStatus.OK
    pays = np.stack([is_priced & (start > as_of), is_priced], axis=1)
    pay_day = np.stack([start, maturity], axis=1)[pays]
    shapes, leg_shape = discounted_by(contracts.text("discount_curve"))
    return Lowered(
        as_of=as_of,
        status=status,
        native_currency=contracts.text("currency"),
        cashflows=Cashflows(
            row_count=contracts.row_count,
            leg_offsets=np.arange(contracts.row_count + 1, dtype=np.int64),
            leg_currency=contracts.text("currency"),
            leg_credit_spread=np.zeros(contracts.row_count),
            flow_offsets=np.concatenate([[0], np.cumsum(pays.sum(axis=1))]).astype(np.int64),
            shapes=shapes,
            leg_shape=leg_shape,
            pay_day=pay_day,
            ex_day=pay_day,
            amount=np.stack([-cash, repaid], axis=1)[pays],
            principal=np.stack([-cash, cash], axis=1)[pays],
        ),
        price_terms=None,
    )


def _period(
    contracts: Contracts, calendars: ContractCalendars, as_of: int
) -> tuple[Int32[np.ndarray, " row"], Int32[np.ndarray, " row"], Float[np.ndarray, " row"]]:
    """Business days on which the cash is paid and comes back (NO_DATE beyond the calendars), and the years between them."""

    def moved(days: np.ndarray) -> np.ndarray:
        return adjust_days(days, convention=FOLLOWING, calendar=calendars.calendar, tables=calendars.tables)

    start, given = moved(contracts.array("start_date")), contracts.array("maturity_date")
    next_day = moved((np.maximum(start, as_of) + 1).astype(np.int32))
    maturity = np.where(given == NO_DATE, next_day, moved(given))
    years = year_fractions(
        start, end=maturity, day_count=contracts.array("day_count"), maturity=maturity, calendar=calendars.calendar, tables=calendars.tables
    )
    return start, maturity, years


def _status(
    contracts: Contracts, calendars: ContractCalendars, start: np.ndarray, maturity: np.ndarray, repaid: np.ndarray
) -> UInt8[np.ndarray, " row"]:
    cash, rate = contracts.array("cash_amount"), contracts.array("repo_rate")
    choices = np.minimum(contracts.array("direction"), contracts.array("day_count"))
    calendars_usable: Bool[np.ndarray, " row"] = calendars.known & ~lacks_calendar(contracts)
    status = np.where((cash > 0.0) & np.isfinite(cash) & np.isfinite(rate), RowStatus.OK, RowStatus.INVALID_AMOUNT)
    status = np.where((choices >= 0) & calendars_usable, status, RowStatus.INVALID_SCHEDULE)
    is_ok = status == RowStatus.OK
    status = np.where(is_ok & ((start == NO_DATE) | (maturity == NO_DATE)), RowStatus.DATE_OUT_OF_RANGE, status)
    status = np.where((status == RowStatus.OK) & (start >= maturity), RowStatus.INVALID_DATES, status)
    return np.where((status == RowStatus.OK) & ~np.isfinite(repaid), RowStatus.INVALID_SCHEDULE, status).astype(np.uint8)


register(
    PricerSpec(
        product="REPO",
        title="Repurchase agreement",
        columns=COLUMNS,
        measures=frozenset({Measure.PV, Measure.PV_BASE, Measure.DV01, Measure.FX_DELTA, Measure.THETA_1D, Measure.KEY_RATE_DV01}),
        native_currency="currency",
        notional="cash_amount",
        lower=lower,
        documentation=__doc__,
    )
)
