"""Planning a run before anything runs: which shards it has and what the market lacks for it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from pricers.market.market import REFERENCED_KINDS, CurveKind
from riskray.models.run import MarketGap, Preflight

RequirementKind = Literal["product", "discount_curve", "spread_curve", "currency"]


@dataclass(frozen=True)
class PositionRange:
    """Consecutive positions of a portfolio, by number."""

    first: int
    count: int

    @property
    def end(self) -> int:
        """The number after the last one."""
        return self.first + self.count

    def contains(self, other: "PositionRange") -> bool:
        """Whether every position of the other range is in this one."""
        return self.first <= other.first and other.end <= self.end

    @property
    def parameters(self) -> dict[str, int]:
        """The range as queries name it."""
        return {"first_position_no": self.first, "end_position_no": self.end}


@dataclass(frozen=True)
class ProductRange:
    """Consecutive positions of one product: what a portfolio holds of it, or what one shard values and commits in one transaction."""

    product: str
    numbers: PositionRange


@dataclass(frozen=True)
class Requirement:
    """How many positions of a product need one thing of the market, and the sum of their absolute notionals in one currency."""

    product: str
    kind: RequirementKind
    name: str
    currency: str
    position_count: int
    gross_notional: float


@dataclass(frozen=True)
class MarketNames:
    """What a market offers: its curves' names by kind and the currencies that have an exchange rate to the run's base currency."""

    curves: Mapping[CurveKind, frozenset[str]]
    currencies: frozenset[str]


def plan_shards(batches: Iterable[ProductRange], *, rows_per_shard: int) -> list[ProductRange]:
    """Cut a portfolio's batches into shards of at most `rows_per_shard` positions of one product; a shard's number is its place.

    Neighbouring batches of one product are one range, cut into parts that differ by at most one row: 26,000 positions at 25,000 a shard
    are two shards of 13,000, so that two actors finish together.

    Raises ValueError when the batches leave a gap or overlap.
    """
    ordered = sorted(batches, key=lambda batch: batch.numbers.first)
    end = 0
    for batch in ordered:
        if batch.numbers.first != end:
            raise ValueError(f"the batch at position {batch.numbers.first} does not follow the one before it, which ends at {end}")
        end = batch.numbers.end
    shards: list[ProductRange] = []
    for product, group in groupby(ordered, key=lambda batch: batch.product):
        ranges = list(group)
        first, row_count = ranges[0].numbers.first, sum(batch.numbers.count for batch in ranges)
        for part in even_parts(row_count, -(-row_count // rows_per_shard)):
            shards.append(ProductRange(product, PositionRange(first, part)))
            first += part
    return shards


def even_parts(row_count: int, part_count: int) -> list[int]:
    """Sizes of `part_count` parts of `row_count` rows that differ by at most one, the larger ones first."""
    small, larger_count = divmod(row_count, part_count)
    return [small + 1] * larger_count + [small] * (part_count - larger_count)


def preflight(requirements: Iterable[Requirement], *, position_count: int, market: MarketNames, products: Iterable[str]) -> Preflight:
    """What the portfolio needs and neither the market nor the registered pricers have, largest gap first.

    Where the market converts the base currency alone, what it lacks is that one's rate, whatever the positions are in.
    `affected_position_count_max` counts a position once for each thing it misses, at most the whole portfolio.
    """
    present: dict[RequirementKind, frozenset[str]] = {
        "product": frozenset(products),
        "discount_curve": market.curves[REFERENCED_KINDS["discount_curve"]],
        "spread_curve": market.curves[REFERENCED_KINDS["spread_curve"]],
        "currency": market.currencies,
    }
    counts: dict[tuple[RequirementKind, str, str], int] = defaultdict(int)
    notionals: dict[tuple[RequirementKind, str, str], dict[str, float]] = defaultdict(dict)
    (unlinked,) = market.currencies if len(market.currencies) == 1 else (None,)
    for requirement in requirements:
        if requirement.name not in present[requirement.kind]:
            name = unlinked if requirement.kind == "currency" and unlinked is not None else requirement.name
            key = (requirement.kind, name, requirement.product)
            counts[key] += requirement.position_count
            notionals[key][requirement.currency] = notionals[key].get(requirement.currency, 0.0) + requirement.gross_notional
    gaps = [
        MarketGap(kind=kind, name=name, product=product, position_count=count, gross_notional=notionals[kind, name, product])
        for (kind, name, product), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    affected = min(position_count, sum(gap.position_count for gap in gaps))
    return Preflight(position_count=position_count, affected_position_count_max=affected, gaps=gaps)
