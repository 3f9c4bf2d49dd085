"""REVOLVING_CREDIT: a committed credit line that is drawn and repaid, with interest on an index, fees and an expected utilisation.

A facility has three legs. The first is the drawn balance: interest of a period is balance × year fraction × (gearing × index rate +
spread), its changes are paid out or repaid at the end of a period, what is left at maturity. The second is what the lender earns on the
commitment until `availability_end_date`: commitment_fee_rate on the undrawn part and facility_fee_rate on all of it. The third is the
utilisation fee on the drawn balance. Positive `commitment_amount` is a line that we grant; negative is one that was granted to us.

Utilisation is the drawn share of the commitment. It is `drawn_balance` / commitment now; from each of the utilisation dates after the
valuation date it is that date's rate. A change counts for the periods that start on or after its date. Without utilisation dates the
present balance stays drawn until maturity. After the availability end nothing can be drawn (INVALID_PRINCIPAL), and no undrawn commitment
is left. The utilisation fee is, of `utilisation_fee_rates`, the rate of the highest threshold that utilisation exceeds, on the whole drawn
balance; 0 up to the first threshold. `upfront_fee` is paid on the start date.

A line that starts after the valuation date pays its first drawing out on the start date. What a borrower in distress draws beyond the
expected utilisation is a matter of capital, not of value: `credit_conversion_factor` is stored for reports and does not enter.

References:
    [1] Loan Market Association, multicurrency term and revolving facilities agreement: commitment and utilisation fees.
    [2] QuantLib, ql/cashflows/iborcoupon.cpp (IborLeg), ql/cashflows/fixedratecoupon.cpp (FixedRateLeg), with a notional for each period.
"""

from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, UInt8

from pricers.contract.columns import AMOUNT_MAX, RATE_MAX, Column, Columns, Contracts
from pricers.contract.leg_columns import legs_of
from pricers.flows.balances import OUTSTANDING
from pricers.flows.cashflows import Lowered, discounted
from pricers.flows.conventions import quoted_by_coupon
from pricers.flows.coupon_arrays import LAG_DAYS_MAX, BalanceColumns, CouponLegs, PaymentColumns, ScheduleColumns
from pricers.flows.floating_arrays import NO_INDEX, FloatingTerms, day_counts, floating_terms
from pricers.flows.floating_leg import ExchangeColumns, FloatingLegs, lower_floating_legs
from pricers.flows.floating_output import cashflows_of, with_payments, with_rows
from pricers.flows.instalments import no_instalments
from pricers.market.fixings import Fixings
from pricers.measures import Measure
from pricers.products.loan import floating
from pricers.registry import PricerSpec, register
from pricers.status import RowStatus
from pricers.time.dates import NO_DATE
from pricers.time.day_count import BUS_252

_DRAWN: Final = 0
_COMMITMENT_FEE: Final = 1
_LEGS: Final = 3
_LEFT_OUT: Final = frozenset(
    {
        "notional", "drawn_balance", "amortisation", "amortisation_rate", "interest_only_end_date", "balloon_amount", "principal_dates",
        "principal_amounts", "prepayment_rate", "settlement_lag", "market_clean_price", "payment_dates", "instalment_amount",
        "instalment_basis", "amortisation_term", "principal_frequency",
    }
)  # fmt: skip

_OWN_COLUMNS: Final = (
    Column("commitment_amount", "float", "committed amount; positive: we grant the line", unit="currency", required=True,
           minimum=-AMOUNT_MAX, maximum=AMOUNT_MAX, example=5_000_000.0),
    Column("drawn_balance", "float", "drawn on the valuation date, unsigned", unit="currency", default=0.0, minimum=0.0,
           maximum=AMOUNT_MAX, example=2_000_000.0),
    Column("commitment_fee_rate", "float", "fee on the undrawn commitment", unit="decimal a year", default=0.0, minimum=0.0,
           maximum=RATE_MAX, example=0.004),
    Column("facility_fee_rate", "float", "fee on the whole commitment, drawn or not", unit="decimal a year", default=0.0, minimum=0.0,
           maximum=RATE_MAX),
    Column("utilisation_thresholds", "float_list", "increasing drawn shares above which utilisation_fee_rates hold", unit="decimal",
           minimum=0.0, maximum=1.0),
    Column("utilisation_fee_rates", "float_list", "fees on the drawn balance above each threshold", unit="decimal a year", minimum=0.0,
           maximum=RATE_MAX),
    Column("upfront_fee", "float", "fee paid on start_date", unit="decimal of the commitment", default=0.0, minimum=0.0, maximum=1.0),
    Column("utilisation_dates", "date_list", "increasing dates from which the drawn share is expected to be that of utilisation_rates"),
    Column("utilisation_rates", "float_list", "expected drawn shares of the commitment", unit="decimal", minimum=0.0, maximum=1.0),
    Column("availability_end_date", "date", "last day of drawings and of the commitment fee; null: maturity_date"),
    Column("credit_conversion_factor", "float", "drawn share of the undrawn part at default, for reports", unit="decimal", minimum=0.0,
           maximum=1.0),
)  # fmt: skip


def _columns() -> Columns:
    """Those of FLOATING_LOAN with the commitment in place of notional and repayment."""
    changed: dict[str, dict[str, Any]] = {
        "start_date": {"meaning": "first day of interest and fees"},
        "day_count": {"meaning": "day count of interest and fees; null: the index's"},
    }
    columns: list[Column] = []
    for column in floating.COLUMNS:
        if column.name == "notional":
            columns.extend(_OWN_COLUMNS)
        elif column.name not in _LEFT_OUT:
            columns.append(replace(column, **changed.get(column.name, {})))
    return Columns(*columns)


COLUMNS: Final = _columns()


def lower(contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered:
    """Lower facilities to three legs each: drawn balance, fees on the commitment, utilisation fee.

    Args:
        contracts: a batch with the columns of `COLUMNS`.
        as_of: valuation date, days since 1970-01-01.
        fixings: indices and what they have published.
    Returns:
        Three legs a row. Row status: INVALID_AMOUNT, INVALID_PRINCIPAL (utilisation or thresholds that do not fit), INVALID_SCHEDULE,
        INVALID_DATES, DATE_OUT_OF_RANGE, NOT_FINITE, MATURED, MISSING_INDEX, MISSING_FIXING, INDEX_MISMATCH, EMBEDDED_OPTION or
        UNSUPPORTED_RATE_METHOD.
    """
    leg_contracts = legs_of(contracts, prefixes=("",) * _LEGS, names=[column.name for column in COLUMNS])
    terms = floating_terms(leg_contracts, as_of=as_of, fixings=fixings, calendars=("calendar",))
    paths, fits = _balance_paths(contracts, as_of)
    legs = _legs(leg_contracts, terms, paths)
    row_status = _status_of_terms(contracts, legs.coupons.day_count[::_LEGS])
    row_status[(row_status == RowStatus.OK) & ~fits] = RowStatus.INVALID_PRINCIPAL
    status = np.repeat(row_status, _LEGS)
    status = np.where(status == RowStatus.OK, terms.status, status)
    status[(terms.floating.index < 0) & (status == RowStatus.OK)] = RowStatus.MISSING_INDEX
    lowered = lower_floating_legs(legs, terms.found, terms.indices, tables=terms.tables, as_of=as_of, status=status)
    # A leg without a balance has no flows, and has not matured.
    status[(status == RowStatus.MATURED) & (leg_contracts.array("maturity_date") > as_of)] = RowStatus.OK
    upfront = contracts.array("commitment_amount") * contracts.array("upfront_fee")
    paid_upfront = np.zeros(status.size)
    paid_upfront[_COMMITMENT_FEE::_LEGS] = np.where(contracts.array("start_date") > as_of, upfront, 0.0)
    lowered = with_payments(lowered, day=leg_contracts.array("start_date"), amount=np.where(status == RowStatus.OK, paid_upfront, 0.0))
    lowered, row_status = with_rows(lowered, status, _LEGS)
    shapes, leg_shape = discounted(leg_contracts)
    cashflows = cashflows_of(
        lowered,
        leg_offsets=np.arange(0, _LEGS * contracts.row_count + 1, _LEGS, dtype=np.int64),
        currency=leg_contracts.text("currency"),
        credit_spread=leg_contracts.array("credit_spread"),
        shapes=shapes,
        leg_shape=leg_shape,
        curves=terms.found.curves,
    )
    return Lowered(
        as_of=as_of,
        status=row_status,
        native_currency=contracts.text("currency"),
        cashflows=cashflows,
        price_terms=None,
        messages=lowered.messages,
        known={Measure.UNDRAWN_AMOUNT: _undrawn(contracts, as_of)},
    )


def _undrawn(contracts: Contracts, as_of: int) -> Float[np.ndarray, " row"]:
    """Commitment less drawn balance, signed as the commitment; 0 once nothing more can be drawn."""
    commitment, end = contracts.array("commitment_amount"), contracts.array("availability_end_date")
    undrawn: np.ndarray = np.sign(commitment) * (np.abs(commitment) - np.abs(contracts.array("drawn_balance")))
    return np.where((end != NO_DATE) & (end < as_of), 0.0, undrawn)


class _Paths(NamedTuple):
    """Balances of the legs, CSR by leg: from each day on. The balance of a fee leg is the fee a year."""

    offsets: np.ndarray
    days: np.ndarray
    amounts: np.ndarray


def _balance_paths(contracts: Contracts, as_of: int) -> tuple[_Paths, Bool[np.ndarray, " row"]]:
    """The balances of all legs, and whether a row's utilisation and thresholds fit its commitment and dates."""
    commitment, drawn = np.abs(contracts.array("commitment_amount")), contracts.array("drawn_balance")
    start, maturity, end = (contracts.array(name) for name in ("start_date", "maturity_date", "availability_end_date"))
    end = np.where(end == NO_DATE, maturity, end)
    dates, rates = contracts.ragged("utilisation_dates"), contracts.ragged("utilisation_rates")
    fits = (np.diff(dates.offsets) == np.diff(rates.offsets)) & (end > start) & (end <= maturity)
    fits &= np.isfinite(drawn) & (drawn >= 0.0) & (drawn <= commitment) & (commitment > 0.0)
    of_date = np.repeat(np.arange(fits.size), np.diff(dates.offsets))
    kept = np.flatnonzero(fits[of_date] & (dates.values > as_of))
    counts = 1 + np.bincount(of_date[kept], minlength=fits.size)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    row = np.repeat(np.arange(fits.size), counts)
    is_now = np.zeros(row.size, np.bool_)
    is_now[offsets[:-1]] = True
    days, shares = np.empty(row.size, np.int64), np.empty(row.size)
    days[is_now], shares[is_now] = start, np.divide(drawn, commitment, out=np.zeros(fits.size), where=commitment > 0.0)
    days[~is_now] = dates.values[kept]
    shares[~is_now] = rates.values[kept - dates.offsets[:-1][of_date[kept]] + rates.offsets[:-1][of_date[kept]]]
    grows = np.concatenate([[False], np.diff(shares) > 0.0]) & ~is_now
    wrong = (np.concatenate([[False], np.diff(days) <= 0]) & ~is_now) | ~((shares >= 0.0) & (shares <= 1.0)) | (grows & (days > end[row]))
    fits &= ~np.bincount(row, weights=wrong, minlength=fits.size).astype(np.bool_)
    fee_rate, increases = _utilisation_fee_rates(contracts, shares, row)
    balance = shares * commitment[row]
    undrawn_fee = contracts.array("commitment_fee_rate")[row] * (commitment[row] - balance)
    fees = (undrawn_fee + contracts.array("facility_fee_rate")[row] * commitment[row], fee_rate * balance)
    leg_offsets = np.concatenate([[0], np.cumsum(np.repeat(counts, _LEGS))]).astype(np.int64)
    leg_days, amounts = np.empty(leg_offsets[-1], np.int32), np.empty(leg_offsets[-1])
    for leg, of_leg in enumerate((balance, *fees)):
        place = leg_offsets[leg:-1:_LEGS][row] + np.arange(row.size) - offsets[:-1][row]
        leg_days[place], amounts[place] = days, of_leg
    return _Paths(leg_offsets, leg_days, amounts), fits & increases


def _utilisation_fee_rates(contracts: Contracts, shares: np.ndarray, row: np.ndarray) -> tuple[np.ndarray, Bool[np.ndarray, " row"]]:
    """Fee rate of each drawn share, that of the highest threshold below it; and whether a row's thresholds increase, each with a rate."""
    thresholds, rates = contracts.ragged("utilisation_thresholds"), contracts.ragged("utilisation_fee_rates")
    counts = np.diff(thresholds.offsets)
    fits, found = counts == np.diff(rates.offsets), np.zeros(shares.size)
    before = np.full(fits.size, -1.0)
    for step in range(int(counts.max(initial=0))):
        has_step = fits & (counts > step)
        rows = np.flatnonzero(has_step)
        threshold, rate = np.full(fits.size, np.inf), np.zeros(fits.size)
        threshold[rows], rate[rows] = thresholds.values[thresholds.offsets[rows] + step], rates.values[rates.offsets[rows] + step]
        fits &= ~has_step | ((threshold > before) & np.isfinite(rate))
        found = np.where(shares > threshold[row], rate[row], found)
        before = np.where(has_step, threshold, before)
    return found, fits


def _legs(contracts: Contracts, terms: FloatingTerms, paths: _Paths) -> FloatingLegs:
    """Columns of three legs a facility; `contracts` has one row a leg."""
    column, count, (calendar,) = contracts.array, contracts.row_count, terms.calendars
    leg = np.arange(count) % _LEGS
    is_drawn, nothing, zeros, no_days = leg == _DRAWN, np.full(count, NO_DATE, np.int32), np.zeros(count), np.zeros(count, np.int32)
    end = column("availability_end_date")
    maturity = np.where((leg == _COMMITMENT_FEE) & (end != NO_DATE), end, column("maturity_date"))
    is_cut = (leg == _COMMITMENT_FEE) & (end != NO_DATE) & (end < column("maturity_date"))
    coupons = CouponLegs(
        schedule=ScheduleColumns(
            start=column("start_date"),
            maturity=maturity.astype(np.int32),
            frequency=column("frequency"),
            first_date=column("first_payment_date"),
            penultimate_date=np.where(is_cut, NO_DATE, column("penultimate_payment_date")).astype(np.int32),
            roll_rule=column("roll_rule"),
            stub=column("stub"),
            end_of_month=column("end_of_month"),
            convention=column("accrual_convention"),
            calendar=calendar,
            given_offsets=np.zeros(count + 1, np.int64),
            given_dates=np.empty(0, np.int32),
        ),
        payment=PaymentColumns(
            convention=column("payment_convention"),
            lag=column("payment_lag"),
            ex_days=no_days,
            ex_calendar=calendar,
            settlement_lag=no_days,
            settlement_calendar=calendar,
            issue=nothing,
        ),
        balance=BalanceColumns(
            notional=np.sign(column("commitment_amount")),
            rule=np.full(count, OUTSTANDING, np.int8),
            drawn=np.full(count, np.nan),
            balloon=zeros,
            interest_only_end=nothing,
            prepayment_rate=zeros,
            redemption=np.full(count, 100.0),
            offsets=paths.offsets,
            dates=paths.days,
            amounts=paths.amounts,
            instalments=no_instalments(count),
        ),
        rate=np.ones(count),
        day_count=day_counts(contracts, terms.found),
        by_frequency=np.zeros(count, np.bool_),
        compounding=zeros,
        quoting=quoted_by_coupon(day_counts(contracts, terms.found), column("frequency")),
        is_zero_coupon=np.zeros(count, np.bool_),
        pays_out=False,
    )
    rates = terms.floating._replace(index=np.where(is_drawn, terms.floating.index, NO_INDEX).astype(np.int32))
    return FloatingLegs(coupons, rates, ExchangeColumns(initial=is_drawn, intermediate=is_drawn, final=is_drawn))


def _status_of_terms(contracts: Contracts, day_count: np.ndarray) -> UInt8[np.ndarray, " row"]:
    """Status that follows from single terms, before any date is looked at."""
    names = ("commitment_amount", "commitment_fee_rate", "facility_fee_rate", "upfront_fee", "credit_spread")
    usable = np.all(np.isfinite([contracts.array(name) for name in names]), axis=0) & (contracts.array("commitment_amount") != 0.0)
    usable &= np.all(np.stack([contracts.array(name) for name in names[1:4]]) >= 0.0, axis=0)
    choices, lag = np.minimum(contracts.array("frequency"), contracts.array("payment_convention")), contracts.array("payment_lag")
    invalid = (choices < 0) | (lag < 0) | (lag > LAG_DAYS_MAX) | ((day_count == BUS_252) & (contracts.text("calendar").codes < 0))
    status = np.where(usable, RowStatus.OK, RowStatus.INVALID_AMOUNT)
    return np.where(invalid, RowStatus.INVALID_SCHEDULE, status).astype(np.uint8)


register(
    PricerSpec(
        product="REVOLVING_CREDIT",
        title="Revolving credit facility",
        columns=COLUMNS,
        measures=frozenset(
            {
                Measure.PV,
                Measure.PV_BASE,
                Measure.DV01,
                Measure.CS01,
                Measure.FX_DELTA,
                Measure.THETA_1D,
                Measure.KEY_RATE_DV01,
                Measure.UNDRAWN_AMOUNT,
            }
        ),
        native_currency="currency",
        notional="commitment_amount",
        lower=lower,
        documentation=__doc__,
    )
)
