"""Unaligned loads, stores and copies on raw addresses, for the kernels.

Each function is one or two LLVM instructions. All take addresses (int64) and trust them: callers check the bounds.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BYTE = ir.IntType(8)


def pointer(builder, address, kind):
    return builder.inttoptr(address, ir.PointerType(kind))


def load_vector(builder, address, kind):
    value = builder.load(pointer(builder, address, kind))
    value.align = 1
    return value


def store_vector(builder, value, address):
    builder.store(value, pointer(builder, address, value.type)).align = 1


def shift_address(builder, address, by: int):
    return builder.add(address, ir.Constant(address.type, by)) if by else address


def places(indices) -> ir.Constant:
    numbers = list(indices)
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), numbers)


def _loader(bits: int):
    @intrinsic
    def load(typingctx, address):
        def codegen(context, builder, signature, args):
            return builder.zext(load_vector(builder, args[0], ir.IntType(bits)), ir.IntType(64))

        return types.int64(types.int64), codegen

    return load


#: little-endian loads of 1, 2 and 4 bytes as non-negative int64
load8, load16, load32 = _loader(8), _loader(16), _loader(32)


@intrinsic
def load64(typingctx, address):
    """Eight bytes as uint64."""

    def codegen(context, builder, signature, args):
        return load_vector(builder, args[0], ir.IntType(64))

    return types.uint64(types.int64), codegen


@intrinsic
def store8(typingctx, address, value):
    """Write one byte."""

    def codegen(context, builder, signature, args):
        store_vector(builder, builder.trunc(args[1], BYTE), args[0])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), codegen


@intrinsic
def store64(typingctx, address, value):
    """Write eight bytes."""

    def codegen(context, builder, signature, args):
        store_vector(builder, args[1], args[0])
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), codegen


@intrinsic
def fill32(typingctx, target, pattern):
    """Write eight bytes four times over."""

    def codegen(context, builder, signature, args):
        empty = ir.Constant(ir.VectorType(ir.IntType(64), 1), ir.Undefined)
        one = builder.insert_element(empty, args[1], ir.Constant(ir.IntType(32), 0))
        store_vector(builder, builder.shuffle_vector(one, one, places([0] * 4)), args[0])
        return context.get_dummy_value()

    return types.void(types.int64, types.uint64), codegen


def _copier(size: int):
    @intrinsic
    def copy(typingctx, target, source):
        def codegen(context, builder, signature, args):
            store_vector(builder, load_vector(builder, args[1], ir.VectorType(BYTE, size)), args[0])
            return context.get_dummy_value()

        return types.void(types.int64, types.int64), codegen

    return copy


copy8, copy32 = _copier(8), _copier(32)


@intrinsic
def prefetch(typingctx, address):
    """Ask for one cache line to be read ahead; never fails."""

    def codegen(context, builder, signature, args):
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [ir.PointerType(BYTE), number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        builder.call(
            function, [pointer(builder, args[0], BYTE), *(ir.Constant(number, k) for k in (0, 3, 1))]
        )
        return context.get_dummy_value()

    return types.void(types.int64), codegen
