"""Quoted instruments as flows: each is worth nothing at its quote.

A flow is an amount at a node, a product of discount factors and their inverses; its amount is `fixed` plus `per_quote` × quote. With F the
nodes' factors the quote at par is -Σ fixed F / Σ per_quote F, and both sums depend on dates alone: see `pricers.calibration.solver`.

Forecasts follow the contracts of riskray: an overnight index compounds over the accrual period; a term index runs from the value day of its
fixing to the value day of a fixing at the accrual end (par coupons) [1]; a leg that resets is written in the constant leg's currency.

References:
    [1] QuantLib, ql/cashflows/iborcoupon.cpp (par coupons), ql/termstructures/yield/ratehelpers.cpp, crosscurrencyratehelpers.cpp.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

import numpy as np

from pricers.calibration.market_dates import (
    Period,
    business_day,
    business_days_later,
    swap_end,
    swap_periods,
    tenor_end,
    third_wednesday,
    years_between,
)
from pricers.calibration.quotes import Instrument, Quote
from pricers.market.conventions import (
    FX_CONVENTIONS,
    RATE_FUTURE_CONVENTIONS,
    SWAP_CONVENTIONS,
    FxConvention,
    LegConvention,
    SwapConvention,
    SwapKind,
)
from pricers.market.fixings import Fixings
from pricers.market.indices import Index, IndexKind
from pricers.time.dates import add_tenor, to_date
from pricers.time.fx_dates import spot_calendars
from pricers.time.tenors import parse_tenor

Point = tuple[int, int]
"""A curve's number and a day after the valuation date."""
Node = tuple[tuple[Point, int], ...]
"""Points with their signs, sorted: +1 multiplies by the discount factor, -1 divides by it. Points on the valuation date are left out."""

_T = TypeVar("_T")
_MONTHS: Final = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_FUTURE_MONTH: Final = re.compile(r"([A-Z]{3})(\d{2})")
_FRA_MONTHS: Final = re.compile(r"(\d+)X(\d+)")


class Roles(NamedTuple):
    """The curves that an instrument reads, by number. Each raises LookupError with what is missing and how to add it."""

    forecast: Callable[[str], int]
    """Of an index."""
    discount: Callable[[str], int]
    """Of a currency."""


@dataclass
class ParFlows:
    """Flows of one instrument by node, as (fixed, per_quote)."""

    as_of: int
    amounts: dict[Node, tuple[float, float]] = field(default_factory=dict)
    far_day: int | None = None
    """Of forward points, days since 1970-01-01: their pillar, although points before spot depend on the spot day too."""

    def add(self, points: list[tuple[int, int, int]], *, fixed: float = 0.0, per_quote: float = 0.0) -> None:
        """Add to the flow at a node; a point is (curve, day since 1970-01-01, sign), and points of opposite sign cancel."""
        signs: dict[Point, int] = {}
        for curve, day, sign in points:
            if day > self.as_of:
                signs[curve, day - self.as_of] = signs.get((curve, day - self.as_of), 0) + sign
        node = tuple(sorted((point, sign) for point, sign in signs.items() if sign))
        before = self.amounts.get(node, (0.0, 0.0))
        self.amounts[node] = before[0] + fixed, before[1] + per_quote

    def pillar_day(self, curve: int) -> int:
        """Days from the valuation date to the last point on a curve; 0 where there is none."""
        if self.far_day is not None:
            return self.far_day - self.as_of
        return max((day for node in self.amounts for (number, day), _ in node if number == curve), default=0)


class Lowering(NamedTuple):
    """What all instruments of one date are lowered with."""

    as_of: int
    fixings: Fixings
    fx_spots: Mapping[str, float]
    """By pair, "EUR/USD"."""


def par_flows(quote: Quote, *, roles: Roles, lowering: Lowering) -> ParFlows:
    """The flows of a quoted instrument.

    Raises:
        LookupError: a convention, index, curve, spot rate or fixing that there is not.
        ValueError: terms that make no instrument.
    """
    flows = ParFlows(lowering.as_of)
    if quote.instrument not in _ADD:
        raise ValueError(f"it is {quote.instrument}, which determines a curve of hazard rates; list it among a credit curve's instruments")
    _ADD[quote.instrument](flows, quote, roles, lowering)
    return flows


def _index(name: str, lowering: Lowering) -> Index:
    index = lowering.fixings.index(name)
    if index is None:
        raise LookupError(f"there is no index {name!r}; define it among the indices, or correct the name")
    return index


# ------------------------------------------------------------------------------------------------------- money market


def _add_forward(flows: ParFlows, curve: int, index: Index, start: int, end: int) -> None:
    """A simple rate from start to end: P(start) / P(end) - 1 - quote × years."""
    flows.add([(curve, start, 1), (curve, end, -1)], fixed=1.0)
    flows.add([], fixed=-1.0, per_quote=-years_between(start, end, day_count=index.day_count))


def _deposit(flows: ParFlows, quote: Quote, roles: Roles, lowering: Lowering) -> None:
    index = _index(quote.convention, lowering)
    calendar, tenor = index.value_calendar, quote.tenor.upper() or index.tenor
    if quote.start is not None and quote.end is not None:
        start, end = quote.start, quote.end
    elif tenor in ("ON", "1D", "TN"):
        start = business_days_later(lowering.as_of, 1 if tenor == "TN" else 0, calendar=calendar)
        end = business_days_later(start, 1, calendar=calendar)
    elif index.kind is IndexKind.TERM:
        start = business_days_later(lowering.as_of, index.fixing_lag, calendar=calendar)
        end = tenor_end(start, tenor, convention=index.convention, end_of_month=index.end_of_month, calendar=calendar)
    else:
        raise ValueError(f"a deposit on {index.name} has the tenor ON or TN, or two dates, not {quote.tenor!r}")
    _add_forward(flows, roles.forecast(index.name), index, start, end)


def _fra(flows: ParFlows, quote: Quote, roles: Roles, lowering: Lowering) -> None:
    index = _index(quote.convention, lowering)
    calendar = index.value_calendar
    start = quote.start
    if start is None:
        match = _FRA_MONTHS.fullmatch(quote.tenor.upper())
        if match is None or int(match[2]) - int(match[1]) != parse_tenor(index.tenor or "0D").months:
            raise ValueError(
                f"the tenor {quote.tenor!r} is not that of a FRA on {index.name}; write the months to its start and end, such as 3X9 for 6M"
            )
        spot = business_days_later(lowering.as_of, index.fixing_lag, calendar=calendar)
        start = tenor_end(spot, f"{match[1]}M", convention=index.convention, end_of_month=index.end_of_month, calendar=calendar)
    end = tenor_end(start, index.tenor, convention=index.convention, end_of_month=index.end_of_month, calendar=calendar)
    _add_forward(flows, roles.forecast(index.name), index, start, end)


def _rate_future(flows: ParFlows, quote: Quote, roles: Roles, lowering: Lowering) -> None:
    convention = _named(RATE_FUTURE_CONVENTIONS, quote)
    index = _index(convention.index, lowering)
    start = quote.start
    if start is None:
        match = _FUTURE_MONTH.fullmatch(quote.tenor.upper())
        if match is None or match[1] not in _MONTHS:
            raise ValueError(f"the tenor {quote.tenor!r} is no month of a future; write DEC26")
        start = third_wednesday(2000 + int(match[2]), _MONTHS.index(match[1]) + 1)
    if index.kind is IndexKind.TERM:
        rule = {"convention": index.convention, "end_of_month": index.end_of_month, "calendar": index.value_calendar}
        end = tenor_end(start, index.tenor, **rule)  # type: ignore[arg-type]
    else:
        month = add_tenor(start, f"{convention.months}M")
        date = to_date(month)
        end = third_wednesday(date.year, date.month)
    growth, first = _growth_fixed(index, start, lowering)
    curve, years = roles.forecast(index.name), years_between(start, end, day_count=index.day_count)
    flows.add([(curve, first, 1), (curve, end, -1)], fixed=growth)
    flows.add([], fixed=-1.0, per_quote=-years)


# -------------------------------------------------------------------------------------------------------------- swaps


def _named(conventions: Mapping[str, _T], quote: Quote) -> _T:
    convention = conventions.get(quote.convention)
    if convention is None:
        known = ", ".join(sorted(conventions))
        raise LookupError(f"there is no convention {quote.convention!r} of {quote.instrument}; known: {known}")
    return convention


def _swap_of(quote: Quote) -> SwapConvention:
    convention = _named(SWAP_CONVENTIONS, quote)
    wanted = _SWAP_KINDS[quote.instrument]
    if convention.kind is not wanted:
        raise ValueError(f"{quote.convention} is a convention of {convention.kind}, and {quote.instrument} needs one of {wanted}")
    return convention


def _periods(quote: Quote, convention: SwapConvention, as_of: int) -> tuple[list[Period], list[Period]]:
    first, second = convention.legs
    start, end = quote.start, quote.end
    if start is None:
        start = business_day(
            business_days_later(as_of, convention.spot_lag, calendar=convention.spot_calendar),
            convention="FOLLOWING",
            calendar=first.calendar,
        )
    if end is None:
        if not quote.tenor:
            raise ValueError("it has neither a tenor nor start and end; give one of the two")
        end = swap_end(first, start=start, tenor=quote.tenor)
    return swap_periods(first, start=start, end=end), swap_periods(second, start=start, end=end)


def _growth_fixed(index: Index, start: int, lowering: Lowering) -> tuple[float, int]:
    """What 1 has grown to from the start of a running period, and the day to which its rates are known."""
    growth, day = 1.0, start
    while day < lowering.as_of:
        fixing = float(lowering.fixings.values_on(index.name, np.array([day]))[0])
        if fixing != fixing:
            raise LookupError(f"it accrues since {to_date(start)}, and {index.name} has no fixing of {to_date(day)}; add the fixing")
        later = business_days_later(day, 1, calendar=index.fixing_calendar)
        growth *= 1.0 + fixing * years_between(day, later, day_count=index.day_count)
        day = later
    return growth, day


def _add_floating(
    flows: ParFlows, leg: LegConvention, periods: list[Period], roles: Roles, lowering: Lowering, *, discount: int, sign: float,
    converted: Callable[[Period], list[tuple[int, int, int]]] = lambda period: [],
) -> None:  # fmt: skip
    """The coupons of a leg without its spread. `converted`: points that convert a period's payments to another currency."""
    index = _index(leg.index or "", lowering)
    curve = roles.forecast(index.name)
    for period in periods:
        pay = [*converted(period), (discount, period.payment, 1)]
        if index.kind is IndexKind.OVERNIGHT:
            growth, start = _growth_fixed(index, period.start, lowering)
            end = period.end
            years = years_between(period.start, end, day_count=index.day_count)
        else:
            growth, (start, end) = 1.0, _par_forward(index, period)
            if start < lowering.as_of:
                raise ValueError(f"its period from {to_date(period.start)} is fixed already; quote a swap that starts later")
            years = years_between(start, end, day_count=index.day_count)
        weight = sign * period.years / years
        flows.add([(curve, start, 1), (curve, end, -1), *pay], fixed=growth * weight)
        flows.add(pay, fixed=-weight)


def _par_forward(index: Index, period: Period) -> tuple[int, int]:
    """First and last day of the rate that a period's coupon is set to."""

    def value_day(day: int) -> int:
        fixing = business_days_later(day, -index.fixing_lag, calendar=index.fixing_calendar)
        return business_days_later(fixing, index.fixing_lag, calendar=index.fixing_calendar)

    start = value_day(period.start)
    return start, max(value_day(period.end), start + 1)


def _add_quoted(
    flows: ParFlows, periods: list[Period], *, discount: int, sign: float, converted: Callable[[Period], list[tuple[int, int, int]]]
) -> None:
    """The coupons that pay the quote."""
    for period in periods:
        flows.add([*converted(period), (discount, period.payment, 1)], per_quote=sign * period.years)


def _unconverted(period: Period) -> list[tuple[int, int, int]]:
    return []


def _fixed_float(flows: ParFlows, quote: Quote, roles: Roles, lowering: Lowering) -> None:
    convention = _swap_of(quote)
    fixed, floating = convention.legs
    index = _index(floating.index or "", lowering)
    wanted = IndexKind.OVERNIGHT if quote.instrument is Instrument.OIS else IndexKind.TERM
    if index.kind is not wanted:
        raise ValueError(
            f"{quote.convention} pays {index.name}, an index of kind {index.kind}, and {quote.instrument} needs one of {wanted}"
        )
    of_fixed, of_floating = _periods(quote, convention, lowering.as_of)
    discount = roles.discount(fixed.currency)
    _add_floating(flows, floating, of_floating, roles, lowering, discount=discount, sign=1.0)
    _add_quoted(flows, of_fixed, discount=discount, sign=-1.0, converted=_unconverted)


def _tenor_basis(flows: ParFlows, quote: Quote, roles: Roles, lowering: Lowering) -> None:
    convention = _swap_of(quote)
    of_first, of_second = _periods(quote, convention, lowering.as_of)
    discount = roles.discount(convention.legs[0].currency)
    _add_floating(flows, convention.legs[0], of_first, roles, lowering, discount=discount, sign=1.0)
    _add_quoted(flows, of_first, discount=discount, sign=1.0, converted=_unconverted)
    _add_floating(flows, convention.legs[1], of_second, roles, lowering, discount=discount, sign=-1.0)


def _cross_currency(flows: ParFlows, quote: Quote, roles: Roles, lowering: Lowering) -> None:
    """Per unit of the first leg's notional; the second leg's notional is worth it at the start, of every period or of the first."""
    convention = _swap_of(quote)
    of_first, of_second = _periods(quote, convention, lowering.as_of)
    own, other = (roles.discount(leg.currency) for leg in convention.legs)
    flows.add([(own, of_first[0].start, 1)], fixed=-1.0)
    flows.add([(own, of_first[-1].end, 1)], fixed=1.0)
    _add_floating(flows, convention.legs[0], of_first, roles, lowering, discount=own, sign=1.0)
    _add_quoted(flows, of_first, discount=own, sign=1.0, converted=_unconverted)

    def converted(period: Period) -> list[tuple[int, int, int]]:
        reset = period.start if convention.is_resetting else of_second[0].start
        return [(own, reset, 1), (other, reset, -1)]

    _add_floating(flows, convention.legs[1], of_second, roles, lowering, discount=other, sign=-1.0, converted=converted)
    exchanges = of_second if convention.is_resetting else [of_second[0]._replace(end=of_second[-1].end)]
    for period in exchanges:
        flows.add([*converted(period), (other, period.start, 1)], fixed=1.0)
        flows.add([*converted(period), (other, period.end, 1)], fixed=-1.0)


# -------------------------------------------------------------------------------------------------- foreign exchange


def _fx_swap(flows: ParFlows, quote: Quote, roles: Roles, lowering: Lowering) -> None:
    """far rate - near rate - points, over the spot rate; the rate for day d is spot × Pb(d) / Pb(spot day) × Pq(spot day) / Pq(d)."""
    pair = _named(FX_CONVENTIONS, quote)
    rate = lowering.fx_spots.get(pair.name)
    if rate is None:
        raise LookupError(f"its points need the spot rate of {pair.name}, which is not given; add it to the spot rates")
    spot, near, far = fx_swap_days(quote, pair, lowering.as_of)
    base, term = roles.discount(pair.base_currency), roles.discount(pair.quote_currency)
    flows.far_day = far
    for day, sign in ((far, 1.0), (near, -1.0)):
        flows.add([(base, day, 1), (base, spot, -1), (term, spot, 1), (term, day, -1)], fixed=sign)
    flows.add([], per_quote=-1.0 / rate)


def fx_swap_days(quote: Quote, pair: FxConvention, as_of: int) -> tuple[int, int, int]:
    """Spot day, near day and far day of forward points."""
    calendars = spot_calendars(pair.calendar, base_currency=pair.base_currency, quote_currency=pair.quote_currency)
    today = business_day(as_of, convention="FOLLOWING", calendar=calendars.spot)
    spot = business_day(business_days_later(as_of, pair.spot_lag, calendar=calendars.lag), convention="FOLLOWING", calendar=calendars.spot)
    if quote.end is not None:
        return spot, quote.start if quote.start is not None else spot, quote.end
    tomorrow = business_days_later(today, 1, calendar=calendars.spot)
    match quote.tenor.upper():
        case "ON":
            return spot, today, tomorrow
        case "TN":
            return spot, tomorrow, business_days_later(tomorrow, 1, calendar=calendars.spot)
        case "SN":
            return spot, spot, business_days_later(spot, 1, calendar=calendars.spot)
        case tenor:
            rule = {"convention": pair.convention, "end_of_month": pair.end_of_month, "calendar": calendars.spot}
            return spot, spot, tenor_end(spot, tenor, **rule)  # type: ignore[arg-type]


_SWAP_KINDS: Final = {
    Instrument.OIS: SwapKind.FIXED_FLOAT,
    Instrument.IRS: SwapKind.FIXED_FLOAT,
    Instrument.TENOR_BASIS: SwapKind.BASIS,
    Instrument.XCCY_BASIS: SwapKind.CROSS_CURRENCY,
}
_ADD: Final[Mapping[Instrument, Callable[[ParFlows, Quote, Roles, Lowering], None]]] = {
    Instrument.DEPOSIT: _deposit,
    Instrument.FRA: _fra,
    Instrument.RATE_FUTURE: _rate_future,
    Instrument.OIS: _fixed_float,
    Instrument.IRS: _fixed_float,
    Instrument.TENOR_BASIS: _tenor_basis,
    Instrument.FX_SWAP: _fx_swap,
    Instrument.XCCY_BASIS: _cross_currency,
}
