"""Cash flows as columns: what a product is lowered to before any market is known.

A row (position) has one or two legs, a leg has flows: two levels of CSR offsets. A leg is what shares a currency, a discount curve and
a credit spread; bonds and loans have one leg, an FX forward has two. Only flows paid after the valuation date are kept.
"""

from dataclasses import dataclass, fields

import numpy as np

from pricers.contract.columns import Text, read_only


class _ReadOnly:
    """A dataclass whose arrays are read-only, whether its maker can write to them or not."""

    def __post_init__(self) -> None:
        for entry in fields(self):  # type: ignore[arg-type]
            value = getattr(self, entry.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, entry.name, read_only(value))


@dataclass(frozen=True)
class Cashflows(_ReadOnly):
    """Flows of a batch. Rows with a status other than OK have their legs but no flows."""

    row_count: int
    leg_offsets: np.ndarray
    """int64[row + 1]: row i has legs leg_offsets[i]:leg_offsets[i + 1]."""
    leg_currency: Text
    """[leg]: currency of the leg's amounts."""
    leg_discount_curve: Text
    """[leg]: name of the discount curve."""
    leg_spread_curve: Text
    """[leg]: name of the spread curve added to the discount curve, null for none."""
    leg_credit_spread: np.ndarray
    """float64[leg]: the contract's own constant zero spread, decimal, continuously compounded, ACT/365F."""
    flow_offsets: np.ndarray
    """int64[leg + 1]: leg j has flows flow_offsets[j]:flow_offsets[j + 1], in order of payment."""
    pay_day: np.ndarray
    """int32[flow]: payment date, days since 1970-01-01."""
    ex_day: np.ndarray
    """int32[flow]: first day on which a buyer no longer gets the flow's interest (amount - principal), at most `pay_day` and equal to it
    where nothing trades ex. The holder on that day gets the interest; the principal goes to the holder on `pay_day`."""
    amount: np.ndarray
    """float64[flow]: signed, leg currency, interest and principal together."""
    principal: np.ndarray
    """float64[flow]: the part of `amount` that repays principal."""


@dataclass(frozen=True)
class PriceTerms(_ReadOnly):
    """What quoted prices, yields and durations need beyond the cash flows; for products with one leg."""

    settlement_day: np.ndarray
    """int32[row]: date on which prices and yields hold."""
    outstanding: np.ndarray
    """float64[row]: outstanding notional on the settlement date: prices are per 100 of it. It takes the sign of the principal that is
    repaid; its own counts only where none is."""
    accrued: np.ndarray
    """float64[row]: accrued interest on the settlement date, per 100 of outstanding notional."""
    first_flow: np.ndarray
    """int64[row]: the first flow that a buyer for settlement receives (later than settlement, not ex-coupon)."""
    yield_time: np.ndarray
    """float64[flow]: years from settlement on the contract's day count, counted as the yield convention counts; 0 before `first_flow`."""
    yield_frequency: np.ndarray
    """float64[row]: compounding periods a year of the yield."""
    market_clean_price: np.ndarray
    """float64[row]: given price per 100 of outstanding notional, NaN where the contract has none."""


@dataclass(frozen=True)
class Lowered:
    """A lowered batch: everything that follows from the contracts and the valuation date alone, so it is cached across markets."""

    as_of: int
    status: np.ndarray
    """uint8[row]: RowStatus."""
    native_currency: Text
    """[row]: currency of the `pv` measure."""
    cashflows: Cashflows
    price_terms: PriceTerms | None
    has_credit_spread: bool
    """Whether the product has a CS01."""
