"""Numbers: contracts to cashflows to values, from arrays alone."""

import pricers.kernels.cache  # noqa: F401  before any kernel is defined

# isort: split
from pricers.contract.columns import Column, Columns, Contracts, Ragged, Text, contracts_of
from pricers.core.compiled import Compiled
from pricers.flows.cashflows import Cashflows, Lowered, PriceTerms
from pricers.market.market import Curve, Market, Scenarios
from pricers.measures import MEASURES, SCALAR_MEASURES, Measure
from pricers.products.bond import fixed as fixed_bond
from pricers.products.fx import forward as fx_fwd
from pricers.products.loan import amortising as amort_loan
from pricers.registry import (
    PricerSpec,
    UnknownProductError,
    compile_contracts,
    known_products,
    load_entry_points,
    pricer,
    register,
    value,
)
from pricers.status import RowStatus
from pricers.value.cash_flow_report import ExplainedFlow, Explanation, explain
from pricers.value.revaluation import present_values
from pricers.value.valuation import ALL_MEASURES, Valuation, value_cashflows

BUILT_IN = (fixed_bond, amort_loan, fx_fwd)
"""Modules of the products that ship with riskray; importing one registers it."""

__all__ = [
    "ALL_MEASURES",
    "BUILT_IN",
    "MEASURES",
    "SCALAR_MEASURES",
    "Cashflows",
    "Column",
    "Columns",
    "Compiled",
    "Contracts",
    "Curve",
    "ExplainedFlow",
    "Explanation",
    "Lowered",
    "Market",
    "Measure",
    "PriceTerms",
    "PricerSpec",
    "Ragged",
    "RowStatus",
    "Scenarios",
    "Text",
    "UnknownProductError",
    "Valuation",
    "compile_contracts",
    "contracts_of",
    "explain",
    "known_products",
    "load_entry_points",
    "present_values",
    "pricer",
    "register",
    "value",
    "value_cashflows",
]
