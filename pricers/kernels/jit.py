"""How kernels are compiled: once per function, whatever integer width or constant its callers pass.

numba treats int8, int32, int64 and every constant in the source as distinct types, and compiles a function for each combination of types
that calls from other kernels pass. Here a call first widens its integers to int64 and drops the constant types, which changes no value.
"""

from typing import Any, Final

import numba
from numba.core import types

import pricers.kernels.cache  # noqa: F401  before any kernel is defined

_types: Any = types


def njit(**options: Any) -> Any:
    """`numba.njit`, with one type for every integer argument of a call from another kernel.

    Calls from Python keep the types of their arguments: there each array has one dtype and is either always or never read-only.
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
    """The type with int64 in place of every integer type in it, and with a constant's plain type in place of the constant's own."""
    plain: Any = _types.unliteral(argument)
    return _types.int64 if isinstance(plain, _types.Integer) and plain.bitwidth < _types.int64.bitwidth else plain


# `_nrt` is numba's own name for the option, which its stubs leave out.
kernel: Final[Any] = njit(cache=True, nogil=True, _nrt=False)
"""`njit` without numba's runtime (`_nrt=False`), for functions that allocate no array and only borrow their arguments.

With the runtime, every array that is passed to a call or assigned to a variable is reference-counted by atomic instructions, which the
compiler cannot remove across branches: one node of the market took 179 ns with the runtime and takes 27 ns without.
"""
