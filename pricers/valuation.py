"""Result of valuing a batch (kernels follow)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pricers.columns import Text
from pricers.measures import Measure


@dataclass(frozen=True)
class Valuation:
    """Measures of a batch under one market. `isnan(pv) == (status != OK)` holds for every row."""

    status: np.ndarray
    """uint8[row]: RowStatus."""
    messages: Mapping[int, str]
    """Row -> what the pricer itself said, for the few failed rows that have more to say than their status."""
    values: Mapping[Measure, np.ndarray]
    """Scalar measures, float64[row]; NaN where a measure does not apply to the product or the row failed."""
    leg_offsets: np.ndarray
    """int64[row + 1]; failed rows have no legs."""
    leg_currency: Text
    """[leg]."""
    leg_curve: np.ndarray
    """int16[leg]: position of the leg's discount curve in `Market.discount_curves`."""
    leg_fx_delta: np.ndarray
    """float64[leg]: base-currency PV change for +1 % in the leg's currency; 0 for the base currency."""
    key_rate_offsets: np.ndarray
    """int64[leg + 1]."""
    key_rate_dv01: np.ndarray
    """float64: for each leg, one number for each pillar of its discount curve."""
