"""exp, expm1 and log as straight-line arithmetic: a loop over them becomes SIMD, with identical bits on every machine.

A compiled `np.exp` calls the C library for one number at a time, and the library chooses its code by processor, so that the last digits
differ between machines. Here every step is one IEEE operation in the order written: nothing is reassociated or contracted to a fused
multiply-add, and the vector body and the scalar tail of a loop give identical bits.

    exp, expm1    2^k × e^r, |r| ≤ ln 2 / 2, Taylor of degree 13 [1, section 5.3]
    log           e × ln 2 + 2 atanh(f / (2 + f)), 1 + f in [1/√2, √2) [2]

Errors, relative, against extended precision: below 1e-15 wherever the result is a normal number. NaN stays NaN.

References:
    [1] J.-M. Muller (2016), Elementary Functions: Algorithms and Implementation, third edition, chapters 5 and 11.
    [2] FreeBSD, lib/msun/src/e_log.c (the reduction and the order of the last additions).
"""

from typing import Any, Final, no_type_check

import numpy as np
from jaxtyping import Float
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from pricers.kernels.jit import kernel, njit

_straight_line: Final[Any] = njit(inline="always", error_model="numpy")

_LOG2_E: Final = 1.4426950408889634
_LN2_HIGH: Final = 6.93147180369123816490e-01  # 33 bits: its products with exponents are exact
_LN2_LOW: Final = 1.90821492927058770002e-10
_ROUND: Final = 6755399441055744.0  # 1.5 × 2^52: adding it leaves the nearest integer in the low bits
_ONE_BITS: Final = np.int64(0x3FF0000000000000)
_MANTISSA: Final = np.int64(0x000FFFFFFFFFFFFF)
EXP_MAX: Final = 709.782712893384
"""Largest argument whose exponential is finite."""
EXP_MIN: Final = -708.0
"""exp is 0 below this argument. The C library's exp loses digits from -708.4 down and is 0 from -745.2 down."""


@intrinsic
def _as_int(typing_context, value):  # type: ignore[no-untyped-def]
    """The bits of a float64."""
    return types.int64(types.float64), lambda context, builder, signature, args: builder.bitcast(args[0], ir.IntType(64))


@intrinsic
def _as_float(typing_context, value):  # type: ignore[no-untyped-def]
    """The float64 of 64 bits."""
    return types.float64(types.int64), lambda context, builder, signature, args: builder.bitcast(args[0], ir.DoubleType())


@_straight_line
@no_type_check
def _exp_less_one_reduced(r):
    """e^r - 1 for |r| ≤ ln 2 / 2, by Estrin's scheme: short chains of dependent operations."""
    r2 = r * r
    r4 = r2 * r2
    a = 1.0 / 2.0 + r * (1.0 / 6.0)
    b = (1.0 / 24.0 + r * (1.0 / 120.0)) + r2 * (1.0 / 720.0 + r * (1.0 / 5040.0))
    c = (1.0 / 40320.0 + r * (1.0 / 362880.0)) + r2 * (1.0 / 3628800.0 + r * (1.0 / 39916800.0))
    d = 1.0 / 479001600.0 + r * (1.0 / 6227020800.0)
    return r + r2 * (a + r2 * (b + r4 * (c + r4 * d)))


@_straight_line
@no_type_check
def exp(x):
    """e^x; infinite above EXP_MAX, 0 below EXP_MIN."""
    shifted = x * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    # 2^k in two steps, because 2^1024 is no float: 2^(k-1), from its bits, and 2.
    half = _as_float(((_as_int(shifted) - 1) << 52) + _ONE_BITS)
    result = (1.0 + _exp_less_one_reduced(r)) * half * 2.0
    result = np.inf if x > EXP_MAX else result
    return 0.0 if x < EXP_MIN else result


@_straight_line
@no_type_check
def expm1(x):
    """e^x - 1 without loss of digits near 0; infinite above EXP_MAX."""
    shifted = x * _LOG2_E + _ROUND
    k = shifted - _ROUND
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    half = _as_float(((_as_int(shifted) - 1) << 52) + _ONE_BITS)
    result = (_exp_less_one_reduced(r) * half + (half - 0.5)) * 2.0
    result = np.inf if x > EXP_MAX else result
    return -1.0 if x < EXP_MIN else result


@_straight_line
@no_type_check
def log(x):
    """ln x of a positive, normal x; the caller must exclude every other argument."""
    bits = _as_int(x)
    # The exponent becomes a float by way of its bits, because AVX2 cannot convert 64-bit integers.
    e = _as_float(((bits >> 52) & 0x7FF) | 0x4330000000000000) - 4503599627371519.0
    m = _as_float((bits & _MANTISSA) | _ONE_BITS)  # in [1, 2)
    is_large = m > 1.4142135623730951
    m = 0.5 * m if is_large else m
    e = e + 1.0 if is_large else e
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    z2 = z * z
    # ln m = 2 atanh(s) = 2s + s z p; the first term left out is 2 s^23 / 23, below 1e-17.
    p = ((2.0 / 3.0 + z * (2.0 / 5.0)) + z2 * (2.0 / 7.0 + z * (2.0 / 9.0))) + (z2 * z2) * (
        ((2.0 / 11.0 + z * (2.0 / 13.0)) + z2 * (2.0 / 15.0 + z * (2.0 / 17.0))) + (z2 * z2) * (2.0 / 19.0 + z * (2.0 / 21.0))
    )
    return e * _LN2_HIGH + (f - (s * f - (s * z * p + e * _LN2_LOW)))


def exp_of(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`exp` of every element."""
    out = np.empty(x.shape)
    _fill_exp(np.ascontiguousarray(x).ravel(), out.ravel())
    return out


def expm1_of(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`expm1` of every element."""
    out = np.empty(x.shape)
    _fill_expm1(np.ascontiguousarray(x).ravel(), out.ravel())
    return out


def log_of(x: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """`log` of every element; all must be positive, normal numbers."""
    out = np.empty(x.shape)
    _fill_log(np.ascontiguousarray(x).ravel(), out.ravel())
    return out


@kernel
@no_type_check
def _fill_exp(x, out):
    for i in range(x.size):
        out[i] = exp(x[i])


@kernel
@no_type_check
def _fill_expm1(x, out):
    for i in range(x.size):
        out[i] = expm1(x[i])


@kernel
@no_type_check
def _fill_log(x, out):
    for i in range(x.size):
        out[i] = log(x[i])
