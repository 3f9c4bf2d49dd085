"""Numbers: contracts to cashflows to values, from arrays alone."""

import pricers.kernel_cache  # noqa: F401  before any kernel is defined

# isort: split
from pricers import amort_loan, fixed_bond, fx_fwd
from pricers.cashflows import OWN, Cashflows, Lowered, PriceTerms, Shape, Term, discounted, discounted_by
from pricers.columns import Column, Columns, Contracts, Ragged, Text, contracts_of
from pricers.compiled import Compiled
from pricers.explain import ExplainedFlow, Explanation, explain
from pricers.factors import Factor, FactorKind, factors_of
from pricers.fixings import Fixings, FixingSeries
from pricers.market import Curve, CurveKind, Market, Scenarios
from pricers.measures import MEASURES, SCALAR_MEASURES, Measure
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
from pricers.scenario_values import present_values
from pricers.status import RowStatus
from pricers.valuation import ALL_MEASURES, Valuation, value_cashflows

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
