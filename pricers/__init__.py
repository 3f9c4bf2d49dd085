"""Numbers: contracts to cashflows to values, from arrays alone.

A name is imported from its module when it is first asked for: a process that needs only the names of measures or columns loads no
kernel, and no numba. So no exported name may be that of a module here: importing the module would hide it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pricers.cashflows import Cashflows as Cashflows
    from pricers.cashflows import Lowered as Lowered
    from pricers.cashflows import PriceTerms as PriceTerms
    from pricers.columns import Column as Column
    from pricers.columns import Columns as Columns
    from pricers.columns import Contracts as Contracts
    from pricers.columns import Ragged as Ragged
    from pricers.columns import Text as Text
    from pricers.columns import contracts_of as contracts_of
    from pricers.compiled import Compiled as Compiled
    from pricers.explanation import ExplainedFlow as ExplainedFlow
    from pricers.explanation import Explanation as Explanation
    from pricers.explanation import explain as explain
    from pricers.market import Curve as Curve
    from pricers.market import Market as Market
    from pricers.market import Scenarios as Scenarios
    from pricers.measures import MEASURES as MEASURES
    from pricers.measures import SCALAR_MEASURES as SCALAR_MEASURES
    from pricers.measures import Measure as Measure
    from pricers.registry import PricerSpec as PricerSpec
    from pricers.registry import UnknownProductError as UnknownProductError
    from pricers.registry import compile_contracts as compile_contracts
    from pricers.registry import known_products as known_products
    from pricers.registry import load_entry_points as load_entry_points
    from pricers.registry import pricer as pricer
    from pricers.registry import register as register
    from pricers.registry import value as value
    from pricers.scenario_values import present_values as present_values
    from pricers.status import RowStatus as RowStatus
    from pricers.valuation import ALL_MEASURES as ALL_MEASURES
    from pricers.valuation import Valuation as Valuation
    from pricers.valuation import value_cashflows as value_cashflows

_NAMES = {
    "cashflows": ("Cashflows", "Lowered", "PriceTerms"),
    "columns": ("Column", "Columns", "Contracts", "Ragged", "Text", "contracts_of"),
    "compiled": ("Compiled",),
    "explanation": ("ExplainedFlow", "Explanation", "explain"),
    "market": ("Curve", "Market", "Scenarios"),
    "measures": ("MEASURES", "SCALAR_MEASURES", "Measure"),
    "registry": (
        "PricerSpec", "UnknownProductError", "compile_contracts", "known_products", "load_entry_points", "pricer", "register", "value",
    ),
    "scenario_values": ("present_values",),
    "status": ("RowStatus",),
    "valuation": ("ALL_MEASURES", "Valuation", "value_cashflows"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
