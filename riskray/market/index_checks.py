"""What must hold of the indices that a market document defines and of the fixings that it lists, each violation named by its path."""

from collections.abc import Iterator, Mapping

from pricers.market.indices import Index
from pricers.time.calendars import BUSINESS_DAY_CONVENTIONS
from pricers.time.dates import to_day
from pricers.time.day_count import DAY_COUNTS
from riskray.market.fixings import NumberedFixing, fixing_problems, known_indices, look_ahead_problems
from riskray.market.problem import Problem
from riskray.models.market_data import MarketDocument


def indices_of(document: MarketDocument) -> Mapping[str, Index]:
    """All indices that the market knows, by name: the standard ones and its own."""
    return known_indices(definition.index() for definition in document.indices)


def listed_fixings(document: MarketDocument) -> list[NumberedFixing]:
    """The fixings that the document lists itself; none where it names a fixing table."""
    if document.fixings is None or isinstance(document.fixings, str):
        return []
    return [NumberedFixing(("fixings", number), fixing) for number, fixing in enumerate(document.fixings)]


def index_problems(document: MarketDocument) -> Iterator[Problem]:
    """Problems of the document's indices, and of the fixings that it lists: also of those that were published after its date."""
    first: dict[str, int] = {}
    for number, definition in enumerate(document.indices):
        if first.setdefault(definition.name, number) != number:
            message = f"indices has {definition.name!r} twice; give it once"
            yield {"loc": ["indices", number], "msg": message, "code": "duplicate"}
        for field, known in (("day_count", DAY_COUNTS), ("convention", BUSINESS_DAY_CONVENTIONS)):
            given = getattr(definition, field)
            if given not in known:
                message = f"index {definition.name!r}: {field} {given!r} is none of {', '.join(known)}"
                yield {"loc": ["indices", number, field], "msg": message, "code": "not_allowed"}
    fixings, indices = listed_fixings(document), indices_of(document)
    yield from fixing_problems(fixings, indices=indices, rates_checked=document.rates_checked)
    yield from look_ahead_problems(fixings, as_of=to_day(document.as_of), indices=indices)


def fixing_unit_problems(document: MarketDocument) -> Iterator[Problem]:
    """The rates among the listed fixings of a size that speaks of another unit."""
    found = fixing_problems(listed_fixings(document), indices=indices_of(document))
    return (problem for problem in found if problem["code"] == "out_of_range")
