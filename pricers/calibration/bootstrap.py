"""Quotes to curves.

    system = calibration_system(quotes, recipes, as_of=as_of)      depends on dates alone
    calibration = system.solve()                                   curves, residuals, Jacobian
    calibration.under(values)                                      zero rates in scenarios of the quotes

A pillar lies on the last day on which its instrument depends on the curve. QuantLib's PiecewiseYieldCurve gives the same curves.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from pricers.calibration.calibrated import CalibrationSystem, delivered_interpolation
from pricers.calibration.instruments import Lowering, ParFlows, par_flows
from pricers.calibration.order import KnownCurve, Part, groups_of, in_order, part_of, roles_of
from pricers.calibration.quotes import CalibrationError, CurveRecipe, Problem, Quote
from pricers.calibration.sampling import sampled_days
from pricers.calibration.system import block_of
from pricers.market.fixings import Fixings
from pricers.market.market import Curve, CurveKind, CurveTables, curve_tables
from pricers.time.dates import to_date


def calibration_system(
    quotes: Sequence[Quote],
    recipes: Sequence[CurveRecipe],
    *,
    as_of: int,
    fixings: Fixings | None = None,
    fx_spots: Mapping[str, float] | None = None,
    known: Sequence[KnownCurve] = (),
) -> CalibrationSystem:
    """Lower all instruments and put the curves into the order in which they are solved.

    Args:
        quotes: those that no curve names are left out.
        recipes: the curves.
        as_of: valuation date, days since 1970-01-01.
        fixings: definitions of indices, and published values for instruments whose first period has begun.
        fx_spots: by pair, "EUR/USD": units of the second currency for one of the first, for forward points.
        known: curves that instruments may read without being quoted.
    Raises:
        CalibrationError: everything that is wrong, by quote and curve.
    """
    lowering = Lowering(as_of, fixings or Fixings.none(), fx_spots or {})
    by_name = _checked_names(quotes, recipes, known)
    indices = lowering.fixings.indices
    parts = [*(part_of(curve, indices) for curve in known), *(part_of(recipe, indices) for recipe in recipes)]
    groups = groups_of(recipes)
    problems: list[Problem] = []
    flows: dict[str, ParFlows] = {}
    reads: list[set[int]] = []
    for numbers in groups:
        group = frozenset(recipes[number].name for number in numbers)
        for number in numbers:
            flows |= _flows_of(recipes[number], by_name, parts, group, lowering, problems)
    for recipe in recipes:
        read = {curve - len(known) for name in recipe.quotes if name in flows for node in flows[name].amounts for (curve, _), _ in node}
        declared = {place for place, other in enumerate(recipes) if other.name in recipe.depends_on}
        reads.append({place for place in read | declared if place >= 0})
    pillars = [
        _pillars(recipe, len(known) + number, flows, as_of, problems) if all(name in flows for name in recipe.quotes) else []
        for number, recipe in enumerate(recipes)
    ]
    ordered, circle = in_order(groups, reads, [recipe.name for recipe in recipes])
    problems += circle
    if problems:
        raise CalibrationError(tuple(problems))
    return _assembled(ordered, pillars, recipes=recipes, by_name=by_name, flows=flows, known=known, lowering=lowering)


def _checked_names(quotes: Sequence[Quote], recipes: Sequence[CurveRecipe], known: Sequence[KnownCurve]) -> dict[str, Quote]:
    """Quotes by name. Raises CalibrationError for names that are missing or used twice."""
    by_name = {quote.name: quote for quote in quotes}
    problems = [
        Problem("quotes", name, "", "duplicate", f"there are two quotes {name!r}; give one")
        for name, count in Counter(quote.name for quote in quotes).items()
        if count > 1
    ]
    user: dict[str, str] = {}
    names = [*(curve.curve.name for curve in known), *(recipe.name for recipe in recipes)]
    for recipe in recipes:
        if names.count(recipe.name) > 1:
            message = f"there are two curves {recipe.name!r}; rename one of them"
            problems.append(Problem("curves", recipe.name, "name", "duplicate", message))
        if not recipe.quotes:
            message = f"curve {recipe.name!r} has no instruments; list the quotes that determine it"
            problems.append(Problem("curves", recipe.name, "quotes", "missing", message))
        for other in recipe.depends_on:
            if other not in names:
                message = f"{recipe.name} depends on {other!r}, and there is no such curve; add it or correct the name"
                problems.append(Problem("curves", recipe.name, "depends_on", "unknown_dependency", message))
        for name in recipe.quotes:
            if name not in by_name:
                message = f"{recipe.name} is built from the quote {name!r}, which is missing; add it, or remove it from the instruments"
                problems.append(Problem("curves", recipe.name, "quotes", "missing_quote", message))
            if name in user:
                message = (
                    f"the quote {name!r} is used twice, for {user[name]} and {recipe.name}; a quote determines one pillar of one curve"
                )
                problems.append(Problem("curves", recipe.name, "quotes", "duplicate", message))
            user[name] = recipe.name
    if problems:
        raise CalibrationError(tuple(problems))
    return by_name


def _flows_of(
    recipe: CurveRecipe, by_name: Mapping[str, Quote], parts: list[Part], group: frozenset[str], lowering: Lowering, problems: list[Problem]
) -> dict[str, ParFlows]:
    roles = roles_of(recipe, parts, group=group)
    flows = {}
    for name in recipe.quotes:
        try:
            flows[name] = par_flows(by_name[name], roles=roles, lowering=lowering)
        except (LookupError, ValueError) as error:
            text = error.args[0] if error.args else str(error)
            problems.append(Problem("quotes", name, "", "no_instrument", f"quote {name}: {text}"))
    return flows


def _pillars(recipe: CurveRecipe, curve: int, flows: Mapping[str, ParFlows], as_of: int, problems: list[Problem]) -> list[tuple[int, str]]:
    """Day and quote of each pillar, in order."""
    pillars = sorted((flows[name].pillar_day(curve), name) for name in recipe.quotes)
    for (day, name), (before, other) in zip(pillars, [(-1, ""), *pillars], strict=False):
        if day == 0:
            message = f"{name} does not depend on {recipe.name}; remove it from the instruments, or correct the curve's index or collateral"
            problems.append(Problem("quotes", name, "", "independent", message))
        elif day == before:
            message = (
                f"{other} and {name} both determine {recipe.name} on {to_date(as_of + day)}, so that they cannot both be met; "
                "remove one of them, or move its maturity"
            )
            problems.append(Problem("quotes", name, "", "overlapping", message))
    return pillars


def _assembled(
    ordered: list[tuple[int, ...]], pillars: list[list[tuple[int, str]]], *, recipes: Sequence[CurveRecipe], by_name: Mapping[str, Quote],
    flows: Mapping[str, ParFlows], known: Sequence[KnownCurve], lowering: Lowering,
) -> CalibrationSystem:  # fmt: skip
    numbers = [number for group in ordered for number in group]
    place = {len(known) + number: len(known) + at for at, number in enumerate(numbers)}
    place |= {number: number for number in range(len(known))}
    pillar_days = [np.array([day for day, _ in pillars[number]], np.int64) for number in numbers]
    knot_days = [
        sampled_days(days) if recipes[number].interpolation == "MONOTONE_CUBIC" else days
        for number, days in zip(numbers, pillar_days, strict=True)
    ]
    tables = _knot_tables(known, [recipes[number] for number in numbers], knot_days)
    blocks = []
    for group in ordered:
        names = [name for number in group for _, name in pillars[number]]
        curves = tuple(place[len(known) + number] for number in group)
        blocks.append(block_of(curves, [flows[name] for name in names], tables=tables, place=place))
    names = [name for number in numbers for _, name in pillars[number]]
    return CalibrationSystem(
        lowering.as_of,
        tuple(by_name[name] for name in names),
        tuple(recipes[number] for number in numbers),
        tuple(known),
        tuple(blocks),
        tuple(pillar_days),
        tuple(knot_days),
        dict(lowering.fx_spots),
    )


def _knot_tables(known: Sequence[KnownCurve], recipes: list[CurveRecipe], knot_days: list[np.ndarray]) -> CurveTables:
    blank = [
        Curve(
            recipe.name,
            CurveKind.RATE,
            recipe.currency,
            delivered_interpolation(recipe),
            ("",) * days.size,
            days.astype(np.int32),
            np.zeros(days.size),
        )
        for recipe, days in zip(recipes, knot_days, strict=True)
    ]
    return curve_tables((*(curve.curve for curve in known), *blank))
