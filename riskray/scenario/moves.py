"""From a stored history to moves: which dates and factors a definition uses, and how the history's pillars meet the market's.

A move of a market's pillar is interpolated linearly in days between the moves of the history's pillars of that curve, flat outside; where
the labels agree it is that pillar's move exactly. Factors of the history that the market lacks are ignored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np
from jaxtyping import Float, Int32

from pricers.market.market import Market
from pricers.time.dates import add_tenor, to_date, to_day
from riskray.errors import InvalidRequest
from riskray.models.scenario import GapPolicy, HistoricalDefinition, MonteCarloDefinition, MoveKind
from riskray.scenario.factors import (
    CURVE_KINDS,
    Factor,
    FactorType,
    curve_and_pillar,
    curves_of,
    factor_type,
    pillar_name,
)
from riskray.scenario.history import History

FromHistory = HistoricalDefinition | MonteCarloDefinition


@dataclass(frozen=True)
class Levels:
    """The part of a history that a definition uses: no gaps, at least two dates."""

    dates: Int32[np.ndarray, " date"]
    factors: tuple[Factor, ...]
    """With the kind of move that the definition wants."""
    values: Float[np.ndarray, "date factor"]


@dataclass(frozen=True)
class FactorMap:
    """The market's factors as linear combinations of the history's."""

    factors: tuple[Factor, ...]
    weights: Float[np.ndarray, "history_factor market_factor"]


def select_levels(definition: FromHistory, history: History, *, market: Market, observations: int | None, observations_min: int) -> Levels:
    """The last `observations` usable dates of the definition's range of the factors that the market has; None: all, and at least so many.

    Raises:
        InvalidRequest: nothing in common with the market, a proxy of or for a curve that is not there, fewer dates than wanted, gaps that
            the policy refuses, a rate that cannot move by a fraction because it is not positive.
    """
    _require_proxies(definition, history, market)
    columns = [column for column, name in enumerate(history.factors) if _is_wanted(name, definition, history, market)]
    if not columns:
        listed = f"{', '.join(history.factors[:10])}{', …' * (len(history.factors) > 10)}"
        raise _invalid(f"the market has none of the history's factors ({listed}); name curve_proxies", "nothing_in_common", "history")
    first = to_day(definition.first_date or date.min)
    last = to_day(definition.last_date or date.max)
    rows = np.flatnonzero((history.dates >= first) & (history.dates <= last))
    dates, values = history.dates[rows], history.values[rows][:, columns]
    names = [history.factors[column] for column in columns]
    if definition.gap_policy is GapPolicy.DROP_DATE:
        complete = ~np.isnan(values).any(axis=1)
        dates, values = dates[complete], values[complete]
    elif definition.gap_policy is GapPolicy.CARRY_FORWARD:
        values = _carried_forward(values)
    needed = observations_min if observations is None else observations
    if dates.size < needed:
        span = f"{to_date(int(dates[0]))} to {to_date(int(dates[-1]))}" if dates.size else "none"
        message = f"{needed} dates are needed, the history has {dates.size} that can be used ({span}); shorten window or horizon_days"
        raise _invalid(message, "history_too_short", "window")
    if observations is not None:
        dates, values = dates[-observations:], values[-observations:]
    _require_complete(dates, names, values)
    _require_no_long_gap(dates, definition.gap_days_max)
    factors = tuple(Factor(name, _kind(name, definition)) for name in names)
    _require_positive(dates, factors, values)
    return Levels(dates, factors, values)


def _require_proxies(definition: FromHistory, history: History, market: Market) -> None:
    ours = {curve.name for kind in CURVE_KINDS for curve in curves_of(market, kind)}
    theirs = {curve_and_pillar(name)[0] for name in history.factors if factor_type(name) in CURVE_KINDS}
    for whose, known, names in (("market", ours, definition.curve_proxies), ("history", theirs, definition.curve_proxies.values())):
        for name in names:
            if name not in known:
                listed = ", ".join(sorted(known)[:10]) + ", …" * (len(known) > 10)
                raise _invalid(f"the {whose} has no curve {name!r}; it has {listed or 'none'}", "unknown_curve", "curve_proxies")


def _is_wanted(name: str, definition: FromHistory, history: History, market: Market) -> bool:
    kind = factor_type(name)
    if kind == "fx":
        currency = name.removeprefix("fx/")
        return currency != history.numeraire and (currency == market.base_currency or currency in market.fx_to_base)
    if kind == "price":
        return name.removeprefix("price/") in market.prices
    return kind == "credit" or curve_and_pillar(name)[0] in {source for _, source in _sources(kind, definition, market)}


def _sources(kind: FactorType, definition: FromHistory, market: Market) -> list[tuple[str, str]]:
    """Each curve of the market with the curve of the history that it moves with."""
    return [(curve.name, definition.curve_proxies.get(curve.name, curve.name)) for curve in curves_of(market, kind)]


def _kind(name: str, definition: FromHistory) -> MoveKind:
    match factor_type(name):
        case "zero":
            return definition.zero_moves
        case "spread":
            return definition.spread_moves
        case "hazard":
            return definition.hazard_moves
        case "inflation":
            return definition.inflation_moves
        case "fx" | "price":
            return MoveKind.RELATIVE
        case _:
            return MoveKind.ABSOLUTE


def _carried_forward(values: np.ndarray) -> np.ndarray:
    rows = np.where(np.isnan(values), 0, np.arange(values.shape[0])[:, None])
    carried: np.ndarray = np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0)
    return carried


def _require_complete(dates: np.ndarray, names: list[str], values: np.ndarray) -> None:
    gaps = np.argwhere(np.isnan(values))
    if not gaps.size:
        return
    problems = [
        {
            "loc": [str(to_date(int(dates[row]))), names[column]],
            "msg": f"{names[column]} is missing on {to_date(int(dates[row]))}",
            "code": "gap",
        }
        for row, column in gaps[:100].tolist()
    ]
    remedy = "choose gap_policy drop_date or carry_forward, or a later first_date"
    raise InvalidRequest(f"the history lacks {len(gaps)} values in the range used: {problems[0]['msg']}; {remedy}", problems)


def _require_no_long_gap(dates: np.ndarray, gap_days_max: int) -> None:
    gaps = np.diff(dates)
    for row in np.flatnonzero(gaps > gap_days_max).tolist():
        start, end = to_date(int(dates[row])), to_date(int(dates[row + 1]))
        message = f"no date between {start} and {end}: {gaps[row]} days, more than gap_days_max {gap_days_max}; use a later first_date"
        raise _invalid(message, "gap", "gap_days_max")


def _require_positive(dates: np.ndarray, factors: tuple[Factor, ...], values: np.ndarray) -> None:
    for column, factor in enumerate(factors):
        low = int(values[:, column].argmin())
        if factor.kind is MoveKind.RELATIVE and values[low, column] <= 0.0:
            day = to_date(int(dates[low]))
            message = f"{factor.name} is {values[low, column]:g} on {day}: a value that is not positive has no relative move; use absolute"
            raise _invalid(message, "not_positive", f"{factor.type}_moves")


def _invalid(message: str, code: str, loc: str) -> InvalidRequest:
    return InvalidRequest(message, [{"loc": [loc], "msg": message, "code": code}])


def factor_map(definition: FromHistory, levels: Levels, *, market: Market) -> FactorMap:
    """How the moves of `levels` move the market's pillars, currencies and prices."""
    factors: list[Factor] = []
    columns: list[np.ndarray] = []
    for kind in CURVE_KINDS:
        for factor, weights in _curve_columns(kind, definition, levels, market):
            factors.append(factor)
            columns.append(weights)
    for index, factor in enumerate(levels.factors):
        if factor.type in ("credit", "fx", "price"):
            factors.append(factor)
            columns.append(np.eye(len(levels.factors))[index])
    return FactorMap(tuple(factors), np.array(columns).T)


def _curve_columns(kind: FactorType, definition: FromHistory, levels: Levels, market: Market) -> Iterator[tuple[Factor, np.ndarray]]:
    for (curve_name, source), curve in zip(_sources(kind, definition, market), curves_of(market, kind), strict=True):
        start = market.as_of if curve.base is None else market.as_of + curve.base.day
        found = [(_pillar_day(factor.pillar, start), index) for index, factor in enumerate(levels.factors)
                 if factor.type == kind and factor.curve == source]  # fmt: skip
        if not found:
            continue
        days, known = zip(*sorted(found), strict=True)
        for label, day in zip(curve.pillar_labels, curve.pillar_days.tolist(), strict=True):
            weights = np.zeros(len(levels.factors))
            for place, index in enumerate(known):
                unit = np.zeros(len(known))
                unit[place] = 1.0
                weights[index] = np.interp(day, days, unit)
            yield Factor(pillar_name(kind, curve_name, label), levels.factors[known[0]].kind), weights


def _pillar_day(label: str, start: int) -> int:
    """Days from the start of a curve to a pillar given by a tenor or an ISO date. Raises InvalidRequest."""
    try:
        return (to_day(date.fromisoformat(label)) if label[4:5] == "-" else add_tenor(start, label)) - start
    except ValueError as error:
        raise _invalid(f"pillar {label!r} of the history is neither a tenor nor a date: {error}", "not_a_tenor", "history") from None
