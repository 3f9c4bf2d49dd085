"""Stress sets: named shocks to a market's curves, exchange rates, prices and credit spreads, as a matrix of factor moves."""

from collections.abc import Iterator
from fnmatch import fnmatchcase

import numpy as np

from pricers.market.market import Curve, Market, days_to_pillars
from pricers.time.dates import add_tenor
from riskray.errors import InvalidRequest
from riskray.models.rate_units import shift_fault
from riskray.models.scenario import (
    CreditShock,
    FxShock,
    MoveKind,
    ParallelShock,
    PriceShock,
    QuoteLadder,
    QuoteShock,
    Shift,
    Shock,
    SteepenerShock,
    StressDefinition,
    TenorShock,
    TwistShock,
)
from riskray.scenario.codec import ScenarioMatrix, checked_matrix
from riskray.scenario.factors import (
    Factor,
    FactorType,
    curves_of,
    fx_name,
    market_factor_names,
    pillar_name,
    price_name,
    quote_factor_names,
    quote_name,
)

Location = tuple[str | int, ...]
Moves = dict[Factor, float]


def stress_matrix(definition: StressDefinition, *, market: Market) -> ScenarioMatrix:
    """The set's moves, over the curves and pillars of `market`; factors in the market's order.

    The shocks of a scenario add up, those of a combination's scenarios too.

    Raises:
        InvalidRequest: a pattern that no curve, currency or price matches, a label that is no pillar, a shape whose tenors do not increase,
            a name given twice, a combination of scenarios that are not there, a shift of rates of unlikely size (`rates_checked`).
    """
    if definition.rates_checked:
        _require_likely_shifts(definition)
    moves: dict[str, Moves] = {}
    for index, scenario in enumerate(definition.scenarios):
        loc: Location = ("scenarios", index)
        _require_new(scenario.name, moves, loc)
        moves[scenario.name] = _sum(
            _shock_moves(shock, definition, market, (*loc, "shocks", number)) for number, shock in enumerate(scenario.shocks)
        )
    if definition.quote_ladder is not None:
        for factor, value in _quote_moves(definition.quote_ladder, market, ("quote_ladder",)).items():
            _require_new(factor.quote, moves, ("quote_ladder",))
            moves[factor.quote] = {factor: value}
    for index, combination in enumerate(definition.combinations):
        loc = ("combinations", index)
        _require_new(combination.name, moves, loc)
        for name in combination.of:
            if name not in moves:
                raise _invalid(f"combination {combination.name!r} names {name!r}; scenarios are {', '.join(moves)}", "unknown_value", loc)
        moves[combination.name] = _sum(moves[name] for name in combination.of)
    rank = {name: place for place, name in enumerate((*market_factor_names(market), *quote_factor_names(market)))}
    factors = tuple(sorted({factor for one in moves.values() for factor in one}, key=lambda factor: (rank[factor.name], factor.kind)))
    values = np.array([[one.get(factor, 0.0) for factor in factors] for one in moves.values()]).reshape(len(moves), len(factors))
    return checked_matrix(tuple(moves), factors, values, numeraire=definition.numeraire)


def _invalid(message: str, code: str, loc: Location) -> InvalidRequest:
    return InvalidRequest(message, [{"loc": list(loc), "msg": message, "code": code}])


def _require_likely_shifts(definition: StressDefinition) -> None:
    problems = [
        {"loc": ["scenarios", index, "shocks", number, *where, "bp"], "msg": f"scenario {scenario.name!r}: {fault}", "code": "out_of_range"}
        for index, scenario in enumerate(definition.scenarios)
        for number, shock in enumerate(scenario.shocks)
        for where, shift in _rate_shifts(shock)
        if shift.bp is not None and (fault := shift_fault(shift.bp))
    ]
    if problems:
        raise InvalidRequest(str(problems[0]["msg"]), problems)


def _rate_shifts(shock: Shock) -> Iterator[tuple[Location, Shift]]:
    """The sizes of a shock of zero rates, as they are given, and where each stands in the shock."""
    if isinstance(shock, FxShock | PriceShock | QuoteShock | CreditShock) or shock.target != "zero":
        return
    match shock:
        case ParallelShock():
            yield ("shift",), shock.shift
        case SteepenerShock():
            yield from ((("short",), shock.short), (("long",), shock.long))
        case TwistShock():
            yield ("size",), shock.size
        case TenorShock():
            yield from ((("shifts", label), shift) for label, shift in shock.shifts.items())


def _require_new(name: str, known: dict[str, Moves], loc: Location) -> None:
    if name in known:
        raise _invalid(f"scenario {name!r} is there twice", "duplicate", loc)


def _sum(parts: Iterator[Moves]) -> Moves:
    total: Moves = {}
    for part in parts:
        for factor, value in part.items():
            total[factor] = total.get(factor, 0.0) + value
    return total


def _shock_moves(shock: Shock, definition: StressDefinition, market: Market, loc: Location) -> Moves:
    match shock:
        case CreditShock():
            return {Factor("credit", MoveKind.ABSOLUTE): 1e-4 * shock.bp}
        case FxShock():
            return {Factor(fx_name(name), MoveKind.RELATIVE): shock.relative for name in _currencies(shock, definition, market, loc)}
        case QuoteShock():
            return _quote_moves(shock, market, loc)
        case PriceShock():
            return {Factor(price_name(name), MoveKind.RELATIVE): shock.relative for name in _prices(shock, market, loc)}
    return _sum(
        {_factor(shock.target, curve, label, kind): value}
        for curve in _curves(shock, market, loc)
        for label, kind, value in _pillar_moves(shock, curve, market.as_of, loc)
    )


def _factor(target: FactorType, curve: Curve, label: str, kind: MoveKind) -> Factor:
    return Factor(pillar_name(target, curve.name, label), kind)


def _currencies(shock: FxShock, definition: StressDefinition, market: Market, loc: Location) -> list[str]:
    known = sorted({market.base_currency, *market.fx_to_base} - {definition.numeraire})
    found = [name for name in known if any(fnmatchcase(name, pattern) for pattern in shock.currencies)]
    for pattern in shock.currencies:
        if not any(fnmatchcase(name, pattern) for name in known):
            message = (
                f"no currency of the market but the numeraire {definition.numeraire} matches {pattern!r}; there are {', '.join(known)}"
            )
            raise _invalid(message, "unknown_currency", (*loc, "currencies"))
    return found


def _quote_moves(shock: QuoteShock | QuoteLadder, market: Market, loc: Location) -> Moves:
    known = {} if market.quotes is None else market.quotes.basis_points
    for pattern in shock.quotes:
        if not any(fnmatchcase(name, pattern) for name in known):
            names = ", ".join([*known][:20]) or "none"
            raise _invalid(f"no quote of the market's curves matches {pattern!r}; there are {names}", "unknown_quote", (*loc, "quotes"))
    return {
        Factor(quote_name(name), MoveKind.ABSOLUTE): shock.bp * basis_point
        for name, basis_point in known.items()
        if any(fnmatchcase(name, pattern) for pattern in shock.quotes)
    }


def _prices(shock: PriceShock, market: Market, loc: Location) -> list[str]:
    known = sorted(market.prices)
    for pattern in shock.prices:
        if not any(fnmatchcase(name, pattern) for name in known):
            message = f"no price of the market matches {pattern!r}; there are {', '.join(known[:20]) or 'none'}"
            raise _invalid(message, "unknown_price", (*loc, "prices"))
    return [name for name in known if any(fnmatchcase(name, pattern) for pattern in shock.prices)]


def _curves(shock: ParallelShock | SteepenerShock | TwistShock | TenorShock, market: Market, loc: Location) -> list[Curve]:
    known = curves_of(market, shock.target)
    for pattern in shock.curves:
        if not any(fnmatchcase(curve.name, pattern) for curve in known):
            names = ", ".join(curve.name for curve in known[:20]) or "none"
            raise _invalid(
                f"no {shock.target} curve of the market matches {pattern!r}; there are {names}", "unknown_curve", (*loc, "curves")
            )
    return [curve for curve in known if any(fnmatchcase(curve.name, pattern) for pattern in shock.curves)]


def _pillar_moves(
    shock: ParallelShock | SteepenerShock | TwistShock | TenorShock, curve: Curve, as_of: int, loc: Location
) -> Iterator[tuple[str, MoveKind, float]]:
    """Label, kind and size of each pillar's move; pillars that stay are left out."""
    match shock:
        case ParallelShock():
            yield from ((label, shock.shift.kind, shock.shift.value) for label in curve.pillar_labels)
        case TenorShock():
            for label, shift in shock.shifts.items():
                if label not in curve.pillar_labels:
                    message = f"curve {curve.name} has no pillar {label!r}; it has {', '.join(curve.pillar_labels)}"
                    raise _invalid(message, "unknown_pillar", (*loc, "shifts", label))
                yield label, shift.kind, shift.value
        case SteepenerShock():
            _require_same_kind(shock.short, shock.long, loc)
            ends, sizes = (shock.short_tenor, shock.long_tenor), (shock.short.value, shock.long.value)
            yield from _shape(curve, as_of, shock.short.kind, ends, sizes, loc)
        case TwistShock():
            tenors, size = (shock.short_tenor, shock.pivot_tenor, shock.long_tenor), shock.size.value
            yield from _shape(curve, as_of, shock.size.kind, tenors, (-size, 0.0, size), loc)


def _require_same_kind(short: Shift, long: Shift, loc: Location) -> None:
    if short.kind is not long.kind:
        raise _invalid("short and long must both be bp or both be relative", "not_allowed", loc)


def _shape(
    curve: Curve, as_of: int, kind: MoveKind, tenors: tuple[str, ...], sizes: tuple[float, ...], loc: Location
) -> Iterator[tuple[str, MoveKind, float]]:
    """Linear in days between the tenors, flat outside."""
    days = [add_tenor(as_of, tenor) - as_of for tenor in tenors]
    if np.any(np.diff(days) <= 0):
        raise _invalid(f"the tenors {', '.join(tenors)} do not increase", "out_of_order", loc)
    moves = np.interp(days_to_pillars(curve), days, sizes).tolist()
    yield from ((label, kind, move) for label, move in zip(curve.pillar_labels, moves, strict=True))
