"""The pricer registry: product name -> how to read, lower and value its contracts.

A product is registered in one of three ways: by a module in `pricers/products` (all are imported at the end of this file), by an
installed wheel's entry point in the group `riskray.pricers`, or by `register("MY_PRODUCT", price)` with a plain function, which values
row by row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import walk_packages
from typing import Any, Protocol, overload, runtime_checkable

from pricers import products
from pricers.contract.columns import Columns, Contracts
from pricers.core.compiled import Compiled, compile_cashflows
from pricers.flows.cashflows import Lowered
from pricers.market.fixings import Fixings
from pricers.market.market import Market
from pricers.measures import Measure
from pricers.products.python_function import SCALAR_COLUMNS, SCALAR_PRICER_MEASURES, ScalarPrice, ScalarPricer
from pricers.value.valuation import ALL_MEASURES, Valuation, value_cashflows

ENTRY_POINT_GROUP = "riskray.pricers"
NO_FIXINGS = Fixings.none()


class UnknownProductError(LookupError):
    """No pricer is registered for the product. Fields: product, known."""

    def __init__(self, product: str, known: tuple[str, ...]) -> None:
        super().__init__(product, known)
        self.product, self.known = product, known

    def __str__(self) -> str:
        return f"no pricer for product {self.product!r}; known: {', '.join(self.known)}"


@runtime_checkable
class Lower(Protocol):
    """Contracts, a valuation date and what is fixed by then -> cash flows.

    Of `fixings`, a row may depend on the indices alone that its columns name (those that reference "index"): runs that reuse results value
    the rows that name a changed index, and no other.
    """

    def __call__(self, contracts: Contracts, *, as_of: int, fixings: Fixings) -> Lowered: ...


@runtime_checkable
class Value(Protocol):
    """Contracts and a market -> measures, for products that are not sums of fixed cash flows.

    `positions` holds the common fields of each row, or is empty; `scenario_id` names the market's state.
    """

    def __call__(
        self,
        contracts: Contracts,
        *,
        market: Market,
        measures: frozenset[Measure],
        positions: Sequence[Mapping[str, Any]],
        scenario_id: str,
    ) -> Valuation: ...


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
    notional_currency: str | None = None
    """Name of the column that holds the currency of the notional, where that is not the currency of `pv`."""

    def __post_init__(self) -> None:
        if (self.lower is None) == (self.value is None):
            raise ValueError(f"product {self.product!r}: give exactly one of lower and value")
        for name in (self.native_currency, self.notional, self.notional_currency or self.notional):
            if name not in self.columns:
                raise ValueError(f"product {self.product!r}: no column {name!r}")


_specs: dict[str, PricerSpec] = {}


@overload
def register(product: PricerSpec) -> PricerSpec: ...
@overload
def register(product: str, price: ScalarPrice, *, title: str | None = None, columns: Columns | None = None) -> PricerSpec: ...
def register(
    product: PricerSpec | str, price: ScalarPrice | None = None, *, title: str | None = None, columns: Columns | None = None
) -> PricerSpec:
    """Register a product with the readers, the runs and the documentation.

    >>> def price(position, instrument, market_snapshot, measures, scenario_id):
    ...     return {"pv": instrument["notional"] * instrument["quote"]}
    >>> register("QUOTED", price, title="Marked at a quote").product
    'QUOTED'

    Args:
        product: a full `PricerSpec`, or the name of a product valued row by row.
        price: the function that values one position; see `pricers.products.python_function.ScalarPrice`.
        title: the display name; by default the product's name.
        columns: contract columns, with at least `currency` and `notional`; by default these two and `instrument`, which holds the other
            terms as JSON.
    Returns:
        The registered specification.
    Raises:
        ValueError: the name is already registered, or the arguments contradict each other.
    """
    spec = product if isinstance(product, PricerSpec) else _scalar_spec(product, price, title or product, columns or SCALAR_COLUMNS)
    if spec.product in _specs:
        raise ValueError(f"product {spec.product!r} is registered already ({_specs[spec.product].title}); choose another name")
    _specs[spec.product] = spec
    return spec


def _scalar_spec(product: str, price: ScalarPrice | None, title: str, columns: Columns) -> PricerSpec:
    if not callable(price):
        raise ValueError(
            f"product {product!r}: give a function (position, instrument, market_snapshot, measures, scenario_id), have {price!r}"
        )
    return PricerSpec(
        product=product,
        title=title,
        columns=columns,
        measures=SCALAR_PRICER_MEASURES,
        native_currency="currency",
        notional="notional",
        value=ScalarPricer(price=price, columns=columns),
        documentation=(price.__doc__ or "").strip(),
    )


def load_entry_points() -> tuple[str, ...]:
    """Import every installed wheel's pricers (entry points of group `riskray.pricers`) once.

    An entry point is a module whose import registers its products, or a function without arguments that does.

    Returns:
        Names of the entry points loaded by this call, sorted; those loaded before are not loaded again.
    Raises:
        ImportError: an entry point cannot be loaded; names it.
    """
    loaded = []
    for entry in sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda entry: entry.name):
        if (entry.name, entry.value) in _loaded_entry_points:
            continue
        try:
            target = entry.load()
        except (ImportError, AttributeError) as error:
            message = f"entry point {entry.name!r} = {entry.value!r} of group {ENTRY_POINT_GROUP!r} cannot be loaded ({error})"
            raise ImportError(f"{message}; repair or uninstall its package") from error
        if callable(target):
            target()
        _loaded_entry_points.add((entry.name, entry.value))
        loaded.append(entry.name)
    return tuple(loaded)


def entry_point_packages() -> tuple[str, ...]:
    """Top-level packages and modules that the entry points of installed wheels name, sorted."""
    return tuple(sorted({entry.module.partition(".")[0] for entry in entry_points(group=ENTRY_POINT_GROUP)}))


_loaded_entry_points: set[tuple[str, str]] = set()


def known_products() -> tuple[str, ...]:
    """Names of all registered products, sorted."""
    return tuple(sorted(_specs))


def pricer(product: str) -> PricerSpec:
    """The pricer of a product. Raises UnknownProductError."""
    if product not in _specs:
        raise UnknownProductError(product, known_products())
    return _specs[product]


def compile_contracts(spec: PricerSpec | str, contracts: Contracts, *, as_of: int, fixings: Fixings = NO_FIXINGS) -> Compiled:
    """Compute everything about a batch that does not depend on a market; worth caching.

    Args:
        spec: a cash-flow product (one with `lower`).
        contracts: a batch with the product's columns.
        as_of: valuation date, days since 1970-01-01.
        fixings: published values of indices; a batch that is kept is one of its contracts, its date and `fixings.content_hash`.
    Returns:
        The compiled batch, for `value_cashflows` and `present_values`.
    Raises:
        ValueError: the product is not a sum of fixed cash flows.
    """
    spec = pricer(spec) if isinstance(spec, str) else spec
    if spec.lower is None:
        raise ValueError(f"product {spec.product!r} has no cash flows to compile: call value_contracts(...)")
    return compile_cashflows(spec.lower(contracts, as_of=as_of, fixings=fixings), measures=spec.measures)


def value_contracts(
    product: PricerSpec | str,
    contracts: Contracts,
    *,
    market: Market,
    measures: frozenset[Measure] = ALL_MEASURES,
    positions: Sequence[Mapping[str, Any]] = (),
    scenario_id: str = "BASE",
) -> Valuation:
    """Value a batch of one product, built-in or registered.

    >>> import numpy as np
    >>> from pricers import Curve, CurveKind, contracts_of
    >>> bond = {"notional": 100.0, "currency": "EUR", "coupon_rate": 0.03, "issue_date": "2025-01-15", "maturity_date": "2027-01-15",
    ...         "discount_curve": "EUR"}
    >>> curve = Curve("EUR", CurveKind.RATE, "EUR", "LINEAR_ZERO", ("1Y",), np.array([365], np.int32), np.array([0.03]))
    >>> market = Market(int(np.datetime64("2026-01-15").astype(int)), "EUR", (curve,), {})
    >>> value_contracts("FIXED_BOND", contracts_of(pricer("FIXED_BOND").columns, [bond]), market=market).values["pv"].round(4).tolist()
    [99.9559]

    Args:
        product: a registered product's name or its specification.
        contracts: a batch with the product's columns.
        market: market data; its date is the valuation date.
        measures: what to compute; PV and PV_BASE are always included.
        positions: common fields of each row, for pricers that are plain functions.
        scenario_id: name of the market's state, for pricers that are plain functions.
    Returns:
        One result per row; a row that cannot be priced has a status and NaN values.
    Raises:
        UnknownProductError: the product is not registered.
        ValueError: an argument has the wrong length.
    """
    spec = pricer(product) if isinstance(product, str) else product
    if spec.value is not None:
        return spec.value(contracts, market=market, measures=measures, positions=positions, scenario_id=scenario_id)
    compiled = compile_contracts(spec, contracts, as_of=market.as_of, fixings=market.fixings)
    return value_cashflows(compiled, market=market, measures=measures)


__all__ = [
    "ENTRY_POINT_GROUP",
    "Lower",
    "PricerSpec",
    "ScalarPrice",
    "UnknownProductError",
    "Value",
    "compile_contracts",
    "entry_point_packages",
    "known_products",
    "load_entry_points",
    "pricer",
    "register",
    "value_contracts",
]

# The products that ship with riskray, one file each; importing one registers it. The imports come last, because each product imports this
# module.
for _found in walk_packages(products.__path__, f"{products.__name__}."):
    import_module(_found.name)
