"""How kernels are compiled: once for each function, whatever width or constant its callers pass.

To numba an int8, an int32, an int64 and every constant of the source are types of their own, and it compiles a function anew for each
combination that it meets in a call from another kernel. Here a call widens its integers to int64 and forgets that they were constants,
which changes no value, before it asks for the function.
"""

from typing import Any, Final

import numba
from numba.core import types

import pricers.kernels.cache  # noqa: F401  before any kernel is defined

_types: Any = types


def njit(**options: Any) -> Any:
    """`numba.njit`, with one type for every integer argument of a call from another kernel.

    Calls from Python are typed by what they pass: an array has one dtype there, and is read-only always or never.
    """
    decorate: Any = numba.njit(**options)

    def compiled(function: Any) -> Any:
        dispatcher = decorate(function)
        call_template = dispatcher.get_call_template

        def with_plain_arguments(args: tuple[Any, ...], kws: dict[str, Any]) -> Any:
            return call_template(tuple(map(_plain, args)), {name: _plain(argument) for name, argument in kws.items()})

        dispatcher.get_call_template = with_plain_arguments
        return dispatcher

    return compiled


def _plain(argument: Any) -> Any:
    """int64 for every integer type that it holds, and the type of a constant for the constant."""
    plain: Any = _types.unliteral(argument)
    return _types.int64 if isinstance(plain, _types.Integer) and plain.bitwidth < _types.int64.bitwidth else plain


# `_nrt` is numba's own name for the option, which its stubs leave out.
kernel: Final[Any] = njit(cache=True, nogil=True, _nrt=False)
"""Compiled without numba's runtime (`_nrt=False`), for functions that make no array: they borrow those that they are given.

With it, an array that goes into a call or a variable has its references counted by atomic instructions, and branches keep the compiler
from taking them out again: one node of the market cost 179 ns that way and costs 27 ns so.
"""
