"""The pricer registry: product name -> how to read, lower and value its contracts.

Three ways in: a built-in file of this package (imported by hand in `pricers/__init__.py`); an installed wheel's entry point in the
group `riskray.pricers`; and `register("MY_PRODUCT", price)` with a plain function, which is valued row by row.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

from pricers.cashflows import Lowered
from pricers.columns import Columns, Contracts
from pricers.market import Market
from pricers.measures import Measure
from pricers.valuation import Valuation

ENTRY_POINT_GROUP = "riskray.pricers"


class UnknownProductError(LookupError):
    """No pricer is registered for the product. Fields: product, known."""

    def __init__(self, product: str, known: tuple[str, ...]) -> None:
        super().__init__(product, known)
        self.product, self.known = product, known

    def __str__(self) -> str:
        return f"no pricer for product {self.product!r}; known: {', '.join(self.known)}"


class Lower(Protocol):
    """Contracts and a valuation date -> cash flows."""

    def __call__(self, contracts: Contracts, *, as_of: int) -> Lowered: ...


class Value(Protocol):
    """Contracts and a market -> measures, for products that are not sums of fixed cash flows."""

    def __call__(self, contracts: Contracts, *, market: Market, measures: frozenset[Measure]) -> Valuation: ...


ScalarPrice = Callable[..., Mapping[str, float]]
"""`price(position, instrument, market_snapshot, measures, scenario_id) -> {measure: value}`"""


@dataclass(frozen=True)
class PricerSpec:
    """One product. Exactly one of `lower` and `value` is given."""

    product: str
    title: str
    columns: Columns
    measures: frozenset[Measure]
    native_currency: str
    """Name of the column that holds the currency of `pv`."""
    notional: str
    """Name of the column that holds the signed notional."""
    lower: Lower | None = None
    value: Value | None = None
    documentation: str = ""

    def __post_init__(self) -> None:
        if (self.lower is None) == (self.value is None):
            raise ValueError(f"product {self.product!r}: give exactly one of lower and value")
        for name in (self.native_currency, self.notional):
            if name not in self.columns:
                raise ValueError(f"product {self.product!r}: no column {name!r}")


_specs: dict[str, PricerSpec] = {}


def known_products() -> tuple[str, ...]:
    """Names of all registered products, sorted."""
    return tuple(sorted(_specs))


def pricer(product: str) -> PricerSpec:
    """The pricer of a product. Raises UnknownProductError."""
    if product not in _specs:
        raise UnknownProductError(product, known_products())
    return _specs[product]
