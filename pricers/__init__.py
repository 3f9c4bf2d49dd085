"""Valuation of contracts: from contracts to cash flows to values, all as arrays.

Each exported name is imported from its module on first use, so that a process that needs only the names of measures or columns loads
neither kernels nor numba. An exported name must therefore differ from every module name here: importing the module would hide it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pricers.contract.columns import Column as Column
    from pricers.contract.columns import Columns as Columns
    from pricers.contract.columns import Contracts as Contracts
    from pricers.contract.columns import Ragged as Ragged
    from pricers.contract.columns import Text as Text
    from pricers.contract.columns import contracts_of as contracts_of
    from pricers.core.compiled import Compiled as Compiled
    from pricers.flows.cashflows import OWN as OWN
    from pricers.flows.cashflows import Cashflows as Cashflows
    from pricers.flows.cashflows import Lowered as Lowered
    from pricers.flows.cashflows import PriceTerms as PriceTerms
    from pricers.flows.cashflows import Shape as Shape
    from pricers.flows.cashflows import Term as Term
    from pricers.flows.cashflows import discounted as discounted
    from pricers.flows.cashflows import discounted_by as discounted_by
    from pricers.flows.special_factors import SpecialFactors as SpecialFactors
    from pricers.flows.special_factors import SpecialKind as SpecialKind
    from pricers.market.factors import Factor as Factor
    from pricers.market.factors import FactorKind as FactorKind
    from pricers.market.factors import factors_of as factors_of
    from pricers.market.fixings import Fixings as Fixings
    from pricers.market.fixings import FixingSeries as FixingSeries
    from pricers.market.indices import STANDARD_INDICES as STANDARD_INDICES
    from pricers.market.indices import Index as Index
    from pricers.market.indices import IndexKind as IndexKind
    from pricers.market.market import Curve as Curve
    from pricers.market.market import CurveKind as CurveKind
    from pricers.market.market import InflationBase as InflationBase
    from pricers.market.market import Market as Market
    from pricers.market.market import Price as Price
    from pricers.market.market import Scenarios as Scenarios
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
    from pricers.registry import value_contracts as value_contracts
    from pricers.status import RowStatus as RowStatus
    from pricers.value.cash_flow_report import ExplainedFlow as ExplainedFlow
    from pricers.value.cash_flow_report import Explanation as Explanation
    from pricers.value.cash_flow_report import explain as explain
    from pricers.value.revaluation import present_values as present_values
    from pricers.value.valuation import ALL_MEASURES as ALL_MEASURES
    from pricers.value.valuation import Valuation as Valuation
    from pricers.value.valuation import value_cashflows as value_cashflows

_NAMES = {
    "flows.cashflows": ("OWN", "Cashflows", "Lowered", "PriceTerms", "Shape", "Term", "discounted", "discounted_by"),
    "flows.special_factors": ("SpecialFactors", "SpecialKind"),
    "market.factors": ("Factor", "FactorKind", "factors_of"),
    "market.fixings": ("Fixings", "FixingSeries"),
    "market.indices": ("STANDARD_INDICES", "Index", "IndexKind"),
    "contract.columns": ("Column", "Columns", "Contracts", "Ragged", "Text", "contracts_of"),
    "core.compiled": ("Compiled",),
    "value.cash_flow_report": ("ExplainedFlow", "Explanation", "explain"),
    "market.market": ("Curve", "CurveKind", "InflationBase", "Market", "Price", "Scenarios"),
    "measures": ("MEASURES", "SCALAR_MEASURES", "Measure"),
    "registry": (
        "PricerSpec", "UnknownProductError", "compile_contracts", "known_products", "load_entry_points", "pricer", "register",
        "value_contracts",
    ),
    "value.revaluation": ("present_values",),
    "status": ("RowStatus",),
    "value.valuation": ("ALL_MEASURES", "Valuation", "value_cashflows"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULE_OF})
