"""Numbers: contracts to cashflows to values, from arrays alone."""

import pricers.kernels.cache  # noqa: F401  before any kernel is defined

# isort: split
from pricers.contract.columns import Column, Columns, Contracts, Ragged, Text, contracts_of
from pricers.core.compiled import Compiled
from pricers.flows.cashflows import OWN, Cashflows, Lowered, PriceTerms, Shape, Term, discounted, discounted_by
from pricers.market.factors import Factor, FactorKind, factors_of
from pricers.market.fixings import Fixings, FixingSeries
from pricers.market.market import Curve, CurveKind, Market, Scenarios
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
    "OWN",
    "SCALAR_MEASURES",
    "Cashflows",
    "Column",
    "Columns",
    "Compiled",
    "Contracts",
    "Curve",
    "CurveKind",
    "ExplainedFlow",
    "Explanation",
    "Factor",
    "FactorKind",
    "FixingSeries",
    "Fixings",
    "Lowered",
    "Market",
    "Measure",
    "PriceTerms",
    "PricerSpec",
    "Ragged",
    "RowStatus",
    "Scenarios",
    "Shape",
    "Term",
    "Text",
    "UnknownProductError",
    "Valuation",
    "compile_contracts",
    "contracts_of",
    "discounted",
    "discounted_by",
    "explain",
    "factors_of",
    "known_products",
    "load_entry_points",
    "present_values",
    "pricer",
    "register",
    "value",
    "value_cashflows",
]
