"""Cash flows as columns: what a product is lowered to before any market is known.

A row (position) has legs, a leg has flows: two levels of CSR offsets. A leg is what shares a currency and a contract's own credit spread;
bonds and loans have one leg, an FX forward has two. Only flows paid after the valuation date are kept.

A flow is an amount at a *node*. A node is a signed set of *points*, a point being a curve and a day: its factor is exp(-Σ sign × E) with
E = zero rate × time at the point. A bond's flow has the node {discount curve:pay day}; a floating coupon divides by one forecasting
factor and multiplies by another. A node is given as a *shape*, its terms relative to a day, and that day, the anchor. Shapes are few.

What is no such exponential multiplies it as a *special factor* (see `special_factors.py`): a coupon of an overnight rate with a lookback is
amount × exp(-Σ sign × E) × RFR_PRODUCT, its shape being the discounting alone. A batch without any leaves `specials` at None.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Final, NamedTuple

import numpy as np

from pricers.contract.columns import Contracts, Text, read_only
from pricers.flows.special_factors import SpecialFactors
from pricers.market.market import CurveKind
from pricers.measures import Measure

OWN: Final = ""
"""In a term: the point of the contract's own credit spread. The spread stays in the amount, so the point's exponent is 0, but it moves
with CS01 and with scenarios of credit spreads."""

NO_CURVE: Final = "\0"
"""In a term: a curve that the contract does not name. No market has it."""


class Term(NamedTuple):
    """One point of a shape."""

    curve: str
    """Name of a curve of the kind `kind`, or OWN."""
    lag: int = 0
    """Days from the point to the node's anchor: the point is that many days before it. At least 0 in a canonical shape.

    A point of RATE before the valuation date is the start of a running overnight accrual: its exponent is 0 today, and tomorrow the
    accrual has earned a day at today's forward rate.
    """
    sign: int = 1
    """1: the factor discounts; -1: the node divides by it. In a canonical shape the sum over equal terms."""
    kind: CurveKind = CurveKind.RATE
    """The kind of curve that the name must belong to."""


Shape = tuple[Term, ...]


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
    """[leg]: currency of the leg's amounts and of their risk."""
    leg_credit_spread: np.ndarray
    """float64[leg]: the contract's own constant zero spread, decimal, continuously compounded, ACT/365F. It discounts at OWN points."""
    flow_offsets: np.ndarray
    """int64[leg + 1]: leg j has flows flow_offsets[j]:flow_offsets[j + 1], in order of payment."""
    shapes: tuple[Shape, ...]
    """Shapes that legs and flows point to."""
    leg_shape: np.ndarray
    """int32[leg]: the leg's discounting, as of prices on a settlement date; -1 for none. A leg without flows names its curves by it."""
    pay_day: np.ndarray
    """int32[flow]: payment date, days since 1970-01-01."""
    ex_day: np.ndarray
    """int32[flow]: first day on which a buyer no longer gets the flow's interest (amount - principal), at most `pay_day` and equal to it
    where nothing trades ex. The holder on that day gets the interest; the principal goes to the holder on `pay_day`."""
    amount: np.ndarray
    """float64[flow]: signed, leg currency, interest and principal together."""
    principal: np.ndarray
    """float64[flow]: the part of `amount` that repays principal."""
    flow_shape: np.ndarray | None = None
    """int32[flow]: the flow's shape; None where every flow has its leg's."""
    anchor_day: np.ndarray | None = None
    """int32[flow]: the day that the shape's lags count back from, days since 1970-01-01; None where it is `pay_day`."""
    contract_leg: np.ndarray | None = None
    """int8[flow]: which leg of the contract, as its columns count them, the flow belongs to; None where that is the leg's place in its
    row."""
    specials: SpecialFactors | None = None
    """Special factors, in any order; equal ones may stand there several times. None where no flow has one."""
    flow_special: np.ndarray | None = None
    """int32[flow]: which of `specials` multiplies the flow's node, -1 for none; None together with `specials`. The flow's shape has what
    discounts it, and no term of the special factor's own; that of a flow paid on default has no term of discounting at all."""


class YieldConvention(NamedTuple):
    """How yields that do not simply compound are quoted; [row]."""

    code: np.ndarray
    """int8: index into `conventions.YIELD_CONVENTIONS`."""
    coupon: np.ndarray
    """float64: of a year, per 100 of outstanding notional."""
    redemption: np.ndarray
    """float64: at maturity, per 100 of outstanding notional."""


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
    convention: YieldConvention | None = None
    """None where all yields compound."""
    real_amount: np.ndarray | None = None
    """float64[flow]: what yields take for the amounts, of flows that an index multiplies: at the index of the settlement date. None where
    yields take `Cashflows.amount`; together with the next."""
    real_principal: np.ndarray | None = None
    """float64[flow]: what the average life takes for `Cashflows.principal`."""


@dataclass(frozen=True)
class QuotedRate(_ReadOnly):
    """A rate by which a contract is quoted, in which its PV is linear."""

    measure: Measure
    """The rate at which the quoted flows are worth 0."""
    rate: np.ndarray
    """float64[row]: the contract's; NaN where it has none."""
    annuity: Cashflows
    """What the contract's flows would be more if the rate were 1 more, one leg a row; of a row without a rate, none."""
    apart: Cashflows | None
    """The contract's flows that are not quoted, its upfront amounts, one leg a row; None where no row has one."""


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
    messages: Mapping[int, str] = field(default_factory=dict)
    """Row -> what its status does not say, such as the fixing that is missing."""
    known: Mapping[Measure, np.ndarray] = field(default_factory=dict)
    """Measures that follow from contracts and fixings alone, float64[row]: amounts in the currency of `pv`, or pure numbers."""
    loss_given_default: np.ndarray | None = None
    """float64[row]: share of the notional that is lost on default; None for products without protection."""
    quoted_rates: tuple["QuotedRate", ...] = ()


def discounted(contracts: Contracts) -> tuple[tuple[Shape, ...], np.ndarray]:
    """Shapes of legs that the columns `discount_curve`, `spread_curve` and `credit_spread` discount.

    Returns:
        The distinct shapes, {discount curve, spread curve where there is one, OWN} at the anchor; and int32[row]: which one a row has.
    """
    discount, spread = contracts.text("discount_curve"), contracts.text("spread_curve")
    width = len(spread.names) + 1
    codes, shape_of_row = np.unique(discount.codes.astype(np.int64) * width + spread.codes + 1, return_inverse=True)
    shapes = []
    for code in codes.tolist():
        rate, own_spread = divmod(code, width)
        terms = [Term(discount.names[rate] if rate >= 0 else NO_CURVE)]
        if own_spread > 0:
            terms.append(Term(spread.names[own_spread - 1], kind=CurveKind.SPREAD))
        shapes.append((*terms, Term(OWN)))
    return tuple(shapes), shape_of_row.astype(np.int32)


def discounted_by(curve: Text) -> tuple[tuple[Shape, ...], np.ndarray]:
    """Shapes of legs that one rate curve discounts: one a name, and int32[leg]: which one a leg has."""
    shapes = [(Term(name),) for name in (*curve.names, NO_CURVE)]
    return tuple(shapes), np.where(curve.codes >= 0, curve.codes, len(curve.names)).astype(np.int32)
