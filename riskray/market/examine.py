"""Everything that is wrong with a market document in one answer, and what is left of it without its bad parts.

A part is a whole curve of any kind, quote, price or entry of `fx_discount_curves`: a curve without one of its points is another curve, and
would give other numbers without a word. Two parts of one name are both bad. A contradiction without a right answer, such as between two
quotes, leaves nothing. Indices and fixings are no parts: without its definition an index is the standard one, or its fixings are missing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from riskray.market.checks import market_problems
from riskray.market.index_checks import index_problems
from riskray.market.problem import Problem
from riskray.market.quotes import calibration_problems
from riskray.models.market_data import CURVE_PARTS, MarketDocument
from riskray.models.problems import problem_message

_PARTS = (*CURVE_PARTS, "quotes", "fx_spots", "fx_discount_curves", "spot_prices")
_UNDECIDABLE = "inconsistent"
_OF_MISSING_PARTS = {"missing_quote", "no_instrument", "unknown_dependency"}
"""Codes of problems that quotes and curves have without a quote or curve that was left out before."""

Part = tuple[str, int | str]


@dataclass
class Examination:
    """`document` is what is sound, None where nothing can be; `problems` have paths in the document as it was given.

    `consequences`: problems of parts that are sound in themselves and refer to one that is left out.
    """

    document: MarketDocument | None = None
    left_out: set[Part] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    consequences: list[Problem] = field(default_factory=list)


def examine(data: Any, *, known_bad: Iterable[Part] = ()) -> Examination:
    """Check types, then what holds between the values, then again without the bad parts until nothing is wrong.

    Args:
        data: the document as a dictionary.
        known_bad: parts that something else is wrong with.
    """
    examination = Examination()
    waiting = set(known_bad)
    while True:
        given, numbers = _without(data, examination.left_out)
        if examination.left_out and not given["curves"]:
            return examination
        document, problems = _problems(given)
        problems = [_renumbered(problem, numbers) for problem in problems]
        if not problems and waiting <= examination.left_out:
            examination.document = document
            return examination
        bad, is_hopeless = waiting if not problems else set(), False
        for problem in problems:
            parts = _parts_of(problem, data)
            is_hopeless |= not parts or problem["code"] == _UNDECIDABLE
            is_consequence = _is_consequence(problem, data, examination.left_out)
            (examination.consequences if is_consequence else examination.problems).append(problem)
            bad |= parts
        if is_hopeless:
            return examination
        examination.left_out |= bad


def _problems(data: Any) -> tuple[MarketDocument | None, list[Problem]]:
    try:
        document = MarketDocument.model_validate(data)
    except ValidationError as error:
        return None, [
            {"loc": _path(item["loc"]), "msg": problem_message(item), "code": item["type"], "is_of_value": True}
            for item in error.errors(include_url=False, include_context=False)
        ]
    return document, [*market_problems(document), *index_problems(document)] or calibration_problems(document)


def _path(loc: tuple[int | str, ...]) -> list[int | str]:
    """The path of a value as the document has it: pydantic adds the form of the fixings, a name or rows."""
    return [loc[0], *loc[2:]] if loc[:1] == ("fixings",) else list(loc)


def _without(data: Any, left_out: set[Part]) -> tuple[Any, dict[str, list[int]]]:
    """The document without some parts; and, for each list in it, the number that every part had before."""
    if not left_out:
        return data, {}
    given, numbers = dict(data), {}
    for name in _PARTS:
        parts = data.get(name)
        if isinstance(parts, Mapping):
            given[name] = {key: value for key, value in parts.items() if (name, key) not in left_out}
        elif isinstance(parts, list | tuple):
            numbers[name] = [number for number in range(len(parts)) if (name, number) not in left_out]
            given[name] = [parts[number] for number in numbers[name]]
    return given, numbers


def _renumbered(problem: Problem, numbers: dict[str, list[int]]) -> Problem:
    loc = problem["loc"]
    if len(loc) > 1 and loc[0] in numbers:
        loc = [loc[0], numbers[loc[0]][loc[1]], *loc[2:]]
    return problem | {"loc": loc}


def _parts_of(problem: Problem, data: Any) -> set[Part]:
    """The parts that a problem spoils; none for one of the document as a whole."""
    loc = problem["loc"]
    if len(loc) < 2 or loc[0] not in _PARTS:
        return set()
    if problem["code"] != "duplicate":
        return {(loc[0], loc[1])}
    name = _name_of(data[loc[0]][loc[1]])
    return {(loc[0], number) for number, part in enumerate(data[loc[0]]) if _name_of(part) == name}


def _is_consequence(problem: Problem, data: Any, left_out: set[Part]) -> bool:
    if problem["code"] == "unknown_curve":
        return _refers_to_left_out(problem, data, left_out)
    return problem["code"] in _OF_MISSING_PARTS and any(part in ("curves", "credit_curves", "quotes") for part, _ in left_out)


def _refers_to_left_out(problem: Problem, data: Any, left_out: set[Part]) -> bool:
    name = data["fx_discount_curves"][problem["loc"][1]]
    return any(part == "curves" and _name_of(data["curves"][number]) == str(name).strip() for part, number in left_out)


def _name_of(part: Any) -> str | None:
    """The name of a curve, the id of a quote or the pair of a spot rate, as the document's types have it."""
    if not isinstance(part, Mapping):
        return None
    name = part.get("name", part.get("quote_id", part.get("pair")))
    return name.strip() if isinstance(name, str) else None
