"""exp, expm1 and log: correct to 1e-15, the same bits on every machine, alone or in a vectorised loop."""

import ast
import decimal
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import njit

import pricers
from pricers.kernels import vector_math
from tests.unit.pricers.kernels.vector_math_table import TABLE

_loop = njit(error_model="numpy")


@_loop
def _exp(x, out):
    for i in range(x.size):
        out[i] = vector_math.exp(x[i])


@_loop
def _expm1(x, out):
    for i in range(x.size):
        out[i] = vector_math.expm1(x[i])


@_loop
def _log(x, out):
    for i in range(x.size):
        out[i] = vector_math.log(x[i])


FUNCTIONS: dict[str, tuple[Any, Callable[[decimal.Decimal], decimal.Decimal]]] = {
    "exp": (_exp, lambda x: x.exp()),
    "expm1": (_expm1, lambda x: x.exp() - 1),
    "log": (_log, lambda x: x.ln()),
}


def _values(name: str, x: np.ndarray) -> np.ndarray:
    out = np.empty(x.size)
    FUNCTIONS[name][0](x, out)
    return out


@pytest.mark.parametrize("name", FUNCTIONS)
def test_bits_are_those_of_the_table_and_right_to_1e_15(name):
    arguments = np.array([float.fromhex(x) for x, _ in TABLE[name]])
    stored = np.array([float.fromhex(y) for _, y in TABLE[name]])
    np.testing.assert_array_equal(_values(name, arguments).view(np.int64), stored.view(np.int64))
    with decimal.localcontext(prec=360):  # digits enough for expm1(1e-300)
        for x, y in zip(arguments.tolist(), stored.tolist(), strict=True):
            exact = FUNCTIONS[name][1](decimal.Decimal(x))
            assert abs(decimal.Decimal(y) - exact) <= abs(exact) * decimal.Decimal("1e-15"), (name, x)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_number_alone_has_the_bits_that_it_has_in_a_loop(name):
    x = np.abs(np.random.default_rng(5).normal(0.0, 3.0, 1003)) + 1e-9
    together = _values(name, x)
    alone = np.concatenate([_values(name, x[i : i + 1]) for i in range(x.size)])
    np.testing.assert_array_equal(together.view(np.int64), alone.view(np.int64))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_machine_code_fuses_no_multiply_and_add(name):
    _values(name, np.ones(8))
    (code,) = FUNCTIONS[name][0].inspect_asm().values()
    assert "fmadd" not in code
    assert "fnmadd" not in code
    assert "fmsub" not in code
    assert "fmla" not in code


def test_ends_of_the_range():
    x = np.array([math.nan, math.inf, -math.inf, 709.7827, 709.79, -707.9, -708.1])
    exp, expm1 = _values("exp", x), _values("expm1", x)
    assert math.isnan(exp[0])
    assert math.isnan(expm1[0])
    assert exp[1:3].tolist() == [math.inf, 0.0]
    assert expm1[1:3].tolist() == [math.inf, -1.0]
    assert math.isfinite(exp[3])
    assert exp[4] == math.inf
    assert expm1[4] == math.inf
    assert exp[5] > 0.0
    assert exp[6] == 0.0
    assert expm1[6] == -1.0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_arrays_of_any_shape_have_the_bits_of_the_loop(name):
    x = np.abs(np.random.default_rng(7).normal(0.0, 3.0, (5, 7))) + 1e-9
    for given in (x, x.T, x[:, ::2], x[:0]):  # contiguous, transposed, strided, empty
        found = getattr(vector_math, f"{name}_of")(given)
        assert found.shape == given.shape
        np.testing.assert_array_equal(found.ravel().view(np.int64), _values(name, given.ravel()).view(np.int64))


def test_no_pricer_takes_exp_log_or_powers_from_the_c_library():
    names = {"exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "power", "pow"}
    found = []
    for path in Path(pricers.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in names and getattr(node.value, "id", "") in {"np", "math"}:
                found.append(f"{path.name}:{node.lineno}")
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow) and not isinstance(node.right, ast.Constant):
                found.append(f"{path.name}:{node.lineno}")
    assert not found
