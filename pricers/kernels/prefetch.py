"""Asking for memory before it is needed."""

from typing import no_type_check

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

_FOR_WRITING, _KEEP, _DATA = 1, 3, 1  # the last three arguments of LLVM's llvm.prefetch


@intrinsic
@no_type_check
def prefetch(typing_context, array, index):
    """Ask for the cache line of `array[index]`, one-dimensional, to write to it soon. The index must be within the array."""

    def generate(context, builder, signature, args):
        of_array = context.make_array(signature.args[0])(context, builder, args[0])
        pointer = builder.bitcast(builder.gep(of_array.data, [args[1]]), cgutils.voidptr_t)
        number = ir.IntType(32)
        call = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, call, "llvm.prefetch.p0i8")
        builder.call(function, [pointer, *(ir.Constant(number, value) for value in (_FOR_WRITING, _KEEP, _DATA))])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate
