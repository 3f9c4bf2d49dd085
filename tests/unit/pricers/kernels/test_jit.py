"""A kernel is compiled once for all types of integers that its callers pass, and computes with their values."""

import numpy as np
import pytest
from numba import types

from pricers.kernels.jit import njit

THREE = 3


@njit(nogil=True)
def half(number, is_up=False):
    return number // 2 + (1 if is_up else 0)


@njit(nogil=True)
def calls(small, byte, narrow, wide):
    constants = half(3) + half(THREE) + half(np.int64(3)) + half(number=3, is_up=True) + half(3, True) + half(3, False)
    return constants, half(small[0]), half(byte[0]), half(narrow[0]), half(wide[0])


def test_integers_of_any_width_and_constants_are_one_type():
    arguments = (np.array([-128], np.int8), np.array([255], np.uint8), np.array([-(2**31)], np.int32), np.array([2**62], np.int64))
    assert calls(*arguments) == (8, -64, 127, -(2**30), 2**61)
    assert {signature[0] for signature in half.signatures} == {types.int64}
    assert len([signature for signature in half.signatures if signature[1] == types.boolean]) == 1


@pytest.mark.parametrize("number", [2**64 - 1, 0.5], ids=["uint64", "float64"])
def test_what_int64_does_not_hold_keeps_its_type(number):
    @njit(nogil=True)
    def same(value):
        return value

    @njit(nogil=True)
    def call(values):
        return same(values[0])

    values = np.array([number], np.uint64 if isinstance(number, int) else np.float64)
    assert call(values) == number
