"""Planning a run before anything runs: which shards it has and what the market lacks for it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from pricers.market.indices import Index, IndexKind
from pricers.market.market import REFERENCED_KINDS, CurveKind
from riskray.models.run import GapKind, MarketGap, Preflight

RequirementKind = Literal["product", "discount_curve", "spread_curve", "forecast_curve", "credit_curve", "currency", "index", "index_curve"]
"""What a position needs: the pricer of its product, what its columns name, or, for index_curve, the curve that forecasts the index that it
names, which the market's definition of the index says."""


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
    """What a market offers: names of curves by kind, currencies that have an exchange rate to the run's base currency, and indices."""

    curves: Mapping[CurveKind, frozenset[str]]
    currencies: frozenset[str]
    indices: Mapping[str, Index]


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
    known = frozenset(products)
    counts: dict[tuple[GapKind, str, str], int] = defaultdict(int)
    notionals: dict[tuple[GapKind, str, str], dict[str, float]] = defaultdict(dict)
    for requirement in requirements:
        missing = _missing(requirement, market, known)
        if missing is not None:
            key = (*missing, requirement.product)
            counts[key] += requirement.position_count
            notionals[key][requirement.currency] = notionals[key].get(requirement.currency, 0.0) + requirement.gross_notional
    gaps = [
        MarketGap(kind=kind, name=name, product=product, position_count=count, gross_notional=notionals[kind, name, product])
        for (kind, name, product), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    affected = min(position_count, sum(gap.position_count for gap in gaps))
    return Preflight(position_count=position_count, affected_position_count_max=affected, gaps=gaps)


def _missing(requirement: Requirement, market: MarketNames, products: frozenset[str]) -> tuple[GapKind, str] | None:
    """Kind and name of what the market lacks of a requirement; None where it has it."""
    name = requirement.name
    match requirement.kind:
        case "product":
            return None if name in products else ("product", name)
        case "currency":
            (unlinked,) = market.currencies if len(market.currencies) == 1 else (name,)
            return None if name in market.currencies else ("currency", unlinked)
        case "index":
            return None if name in market.indices else ("index", name)
        case "index_curve":
            return _missing_forecast(market.indices.get(name), market)
        case "discount_curve" | "spread_curve" | "forecast_curve" | "credit_curve" as kind:
            return None if name in market.curves[REFERENCED_KINDS[kind]] else (kind, name)


def _missing_forecast(index: Index | None, market: MarketNames) -> tuple[GapKind, str] | None:
    if index is None or index.kind is IndexKind.FX:  # a gap of its own, and rates that follow from discount curves
        return None
    name = index.forecast_curve
    if index.kind is IndexKind.INFLATION:
        return None if name in market.curves[CurveKind.INFLATION] else ("inflation_curve", name)
    return None if name in market.curves[CurveKind.RATE] else ("forecast_curve", name)
