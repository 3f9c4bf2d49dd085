"""Exact sums of netted flows: a number is two int64 limbs, multiples of 2^-10 and of 2^-46, which add up in any order to the same bits."""

from typing import Final, no_type_check

import numpy as np

from pricers.kernels.jit import njit

COARSE: Final = 2.0**10
FINE: Final = 2.0**46
_CARRY_BITS: Final = 36  # a coarse unit in fine units
VALUE_MAX: Final = 2.0**52
"""Largest value of a flow in base currency that can be netted."""
FLOWS_MAX: Final = 2**27
"""Most flows of one batch: the fine limbs, below 2^35 each, then stay below 2^63."""


def amounts(sums: np.ndarray) -> np.ndarray:
    """Numbers of pairs of limbs, which lie along the second axis."""
    numbers: np.ndarray = sums[:, 0] / COARSE + sums[:, 1] / FINE
    return numbers


@njit(cache=True, nogil=True)
@no_type_check
def carry(sums):
    """Bring the fine limbs between 0 and a coarse unit, the numbers unchanged: one number, one pair of limbs."""
    for member in range(sums.shape[0]):
        for point in range(sums.shape[2]):
            excess = sums[member, 1, point] >> _CARRY_BITS
            sums[member, 0, point] += excess
            sums[member, 1, point] -= excess << _CARRY_BITS
