"""Which curves an instrument reads, and the order in which curves are solved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pricers.calibration.instruments import Roles
from pricers.calibration.quotes import CurveRecipe, Problem
from pricers.market.indices import Index, IndexKind
from pricers.market.market import Curve


@dataclass(frozen=True)
class KnownCurve:
    """A curve that is given, for instruments of other curves to read."""

    curve: Curve
    index: str = ""
    """See `CurveRecipe`."""
    collateral_currency: str = ""


@dataclass(frozen=True)
class Part:
    """What a curve does in instruments."""

    name: str
    currency: str
    forecasts: frozenset[str]
    """Indices."""
    collateral: str
    """Empty: it does not discount."""


def part_of(curve: KnownCurve | CurveRecipe, indices: Mapping[str, Index]) -> Part:
    """The part of a curve, with the defaults of `CurveRecipe`."""
    name, currency = (curve.name, curve.currency) if isinstance(curve, CurveRecipe) else (curve.curve.name, curve.curve.currency)
    named = {curve.index} if curve.index else {index.name for index in indices.values() if index.forecast_curve == name}
    is_overnight = any(index in indices and indices[index].kind is IndexKind.OVERNIGHT for index in named)
    return Part(name, currency, frozenset(named), curve.collateral_currency or (currency if is_overnight else ""))


def roles_of(recipe: CurveRecipe, parts: Sequence[Part], *, group: frozenset[str]) -> Roles:
    """The curves that the recipe's instruments read, by number in `parts`; its own curve goes before others of equal part.

    Args:
        group: names of the curves that are solved together with the recipe's.
    """
    visible = {recipe.name, *group, *recipe.depends_on} if recipe.depends_on else {part.name for part in parts}

    def find(what: str, candidates: list[int]) -> int:
        own = [number for number in candidates if parts[number].name == recipe.name]
        seen = own or [number for number in candidates if parts[number].name in visible]
        if len(seen) == 1:
            return seen[0]
        if seen:
            names = " and ".join(parts[number].name for number in seen)
            raise LookupError(f"{names} both {what}; name the right one in depends_on of {recipe.name}")
        if candidates:
            names = ", ".join(parts[number].name for number in candidates)
            raise LookupError(f"{recipe.name} depends on no curve that would {what}; add {names} to its depends_on")
        raise LookupError(f"no curve would {what}; add one, or correct index and collateral_currency of those that there are")

    def forecast(index: str) -> int:
        return find(f"forecast {index}", [number for number, part in enumerate(parts) if index in part.forecasts])

    def discount(currency: str) -> int:
        collateral = recipe.collateral_currency or currency
        under = "" if collateral == currency else f" under {collateral} collateral"
        found = [number for number, part in enumerate(parts) if (part.currency, part.collateral) == (currency, collateral)]
        return find(f"discount {currency}{under}", found)

    return Roles(forecast, discount)


def groups_of(recipes: Sequence[CurveRecipe]) -> list[tuple[int, ...]]:
    """Numbers of the recipes that are solved together, in the order of their first one."""
    groups: dict[str, list[int]] = {}
    for number, recipe in enumerate(recipes):
        groups.setdefault(f"group {recipe.solve_group}" if recipe.solve_group else f"curve {recipe.name}", []).append(number)
    return [tuple(numbers) for numbers in groups.values()]


def in_order(groups: list[tuple[int, ...]], reads: Sequence[set[int]], names: Sequence[str]) -> tuple[list[tuple[int, ...]], list[Problem]]:
    """Groups such that each one reads earlier ones and itself alone; problems where some go in a circle.

    Args:
        groups: numbers of recipes.
        reads: by recipe, the recipes that its instruments read.
        names: of the recipes.
    """
    group_of = {number: place for place, numbers in enumerate(groups) for number in numbers}
    needs = [{group_of[read] for number in numbers for read in reads[number]} - {place} for place, numbers in enumerate(groups)]
    ordered: list[int] = []
    while len(ordered) < len(groups):
        ready = [place for place in range(len(groups)) if place not in ordered and needs[place] <= {*ordered}]
        if not ready:
            return [], [_circle(groups, needs, {*range(len(groups))} - {*ordered}, names)]
        ordered += ready
    return [groups[place] for place in ordered], []


def _circle(groups: list[tuple[int, ...]], needs: list[set[int]], waiting: set[int], names: Sequence[str]) -> Problem:
    path = [min(waiting)]
    while (following := min(needs[path[-1]] & waiting)) not in path:
        path.append(following)
    circle = [names[number] for place in path[path.index(following) :] for number in groups[place]]
    message = f"the curves {', '.join(circle)} depend on each other in a circle; give them one solve_group, or remove a dependency"
    return Problem("curves", circle[0], "depends_on", "circular", message)
