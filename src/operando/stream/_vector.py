"""Vector steps on 32 frames at once, one frame a byte, for the kernels.

numba has no vector type; each function here is a few LLVM instructions on vectors, which LLVM turns into whatever
the machine has. All take addresses (int64) and trust them: callers check the bounds.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from ..core._memory import BYTE, load_vector, places, shift_address, store_vector

#: frames that are binned side by side, one in each byte of a vector
LANES = 32
_ROW = ir.VectorType(BYTE, LANES)
_WIDE = ir.VectorType(ir.IntType(16), LANES)


def _unpack(builder, a, b, high: bool):
    """Interleave the bytes of the low (or high) halves of each 16 bytes of `a` and `b`."""
    starts = [lane + (8 if high else 0) for lane in (0, 16)]
    return builder.shuffle_vector(
        a, b, places(k for s in starts for i in range(8) for k in (s + i, LANES + s + i))
    )


@intrinsic
def interleave(typingctx, target, source, stride):
    """Transpose 32 rows of 16 bytes, `stride` apart, into 16 rows of 32 bytes: target[16][32] = source[32][16].T"""

    def codegen(context, builder, signature, args):
        target, source, stride = args
        half = ir.VectorType(BYTE, 16)
        rows = [
            load_vector(builder, builder.add(source, builder.mul(stride, ir.Constant(stride.type, f))), half)
            for f in range(32)
        ]
        both = [builder.shuffle_vector(rows[f], rows[f + 16], places(range(32))) for f in range(16)]
        for _ in range(4):  # a perfect shuffle of rows f and f + 8; four of them transpose 16 x 16
            both = [_unpack(builder, both[k // 2], both[k // 2 + 8], bool(k % 2)) for k in range(16)]
        for column, row in enumerate(both):
            store_vector(builder, row, shift_address(builder, target, LANES * column))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


def _bits(builder, pattern: int):
    return ir.Constant(_ROW, [pattern] * LANES)


def _shifted(builder, row, by: int):
    """Shift 16-bit units; the bits that cross bytes are masked away by the caller."""
    wide = builder.bitcast(row, ir.VectorType(ir.IntType(16), LANES // 2))
    amount = ir.Constant(wide.type, [abs(by)] * (LANES // 2))
    return builder.bitcast(builder.shl(wide, amount) if by > 0 else builder.lshr(wide, amount), _ROW)


def _mix(builder, a, b, by: int, pattern: int):
    """Fields `pattern` of a, with those of b moved `by` bits up beside them; and the same for the other fields."""
    low, high = _bits(builder, pattern), _bits(builder, (pattern << by) & 0xFF)
    first = builder.or_(builder.and_(a, low), builder.and_(_shifted(builder, b, by), high))
    second = builder.or_(builder.and_(_shifted(builder, a, -by), low), builder.and_(b, high))
    return first, second


def _nibbles(builder, planes):
    """Four bit planes of 8 pixels (one byte each) to 8 rows of counts 0 to 15, pixel by pixel."""
    even, odd = _mix(builder, planes[0], planes[1], 1, 0x55)  # two bits of pixels 0 2 4 6, of 1 3 5 7
    even_up, odd_up = _mix(builder, planes[2], planes[3], 1, 0x55)
    p04, p26 = _mix(builder, even, even_up, 2, 0x33)
    p15, p37 = _mix(builder, odd, odd_up, 2, 0x33)
    low = _bits(builder, 0x0F)
    lower = [builder.and_(p, low) for p in (p04, p15, p26, p37)]
    upper = [builder.and_(_shifted(builder, p, -4), low) for p in (p04, p15, p26, p37)]
    return lower + upper


def _planes(builder, source, stride, step):
    at, planes = builder.add(source, step), []
    for _ in range(4):
        planes.append(load_vector(builder, at, _ROW))
        at = builder.add(at, stride)
    return planes


@intrinsic
def prefix(typingctx, target, source, stride, count):
    """Counts of four bit planes, summed along the pixels modulo 256, for 32 frames at once.

    source  [4][count][32] bytes, planes `stride` apart: byte k holds pixels 8k to 8k + 7
    target  [8 * count + 1][32] bytes: row p becomes the sum of pixels before p
    """

    def codegen(context, builder, signature, args):
        target, source, stride, count = args
        carry = cgutils.alloca_once_value(builder, _bits(builder, 0))
        store_vector(builder, _bits(builder, 0), target)
        with cgutils.for_range(builder, count) as loop:
            step = builder.mul(loop.index, ir.Constant(count.type, LANES))
            out = builder.add(target, builder.shl(step, ir.Constant(step.type, 3)))
            total = None
            before = builder.load(carry)
            for pixel, counts in enumerate(_nibbles(builder, _planes(builder, source, stride, step))):
                total = counts if total is None else builder.add(total, counts)
                store_vector(
                    builder, builder.add(before, total), shift_address(builder, out, LANES * (pixel + 1))
                )
            builder.store(builder.add(before, total), carry)
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), codegen


@intrinsic
def expand(typingctx, target, source, stride, count):
    """As `prefix`, without the sums: row p of target [8 * count][32] becomes the counts of pixel p."""

    def codegen(context, builder, signature, args):
        target, source, stride, count = args
        with cgutils.for_range(builder, count) as loop:
            step = builder.mul(loop.index, ir.Constant(count.type, LANES))
            out = builder.add(target, builder.shl(step, ir.Constant(step.type, 3)))
            for pixel, counts in enumerate(_nibbles(builder, _planes(builder, source, stride, step))):
                store_vector(builder, counts, shift_address(builder, out, LANES * pixel))
        return context.get_dummy_value()

    return types.void(*[types.int64] * 4), codegen


@intrinsic
def add_run(typingctx, total, after, before):
    """total[32] (uint16) += (after[32] - before[32]) modulo 256 (uint8)."""

    def codegen(context, builder, signature, args):
        total, after, before = args
        counts = builder.sub(load_vector(builder, after, _ROW), load_vector(builder, before, _ROW))
        store_vector(
            builder, builder.add(load_vector(builder, total, _WIDE), builder.zext(counts, _WIDE)), total
        )
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def add_wide(typingctx, total, counts, shift):
    """total[32] (int32) += counts[32] (uint16) << shift."""

    def codegen(context, builder, signature, args):
        total, counts, shift = args
        wide = ir.VectorType(ir.IntType(32), LANES)
        one = builder.insert_element(
            ir.Constant(wide, ir.Undefined),
            builder.trunc(shift, ir.IntType(32)),
            ir.Constant(ir.IntType(32), 0),
        )
        amount = builder.shuffle_vector(one, one, places([0] * LANES))
        value = builder.shl(builder.zext(load_vector(builder, counts, _WIDE), wide), amount)
        store_vector(builder, builder.add(load_vector(builder, total, wide), value), total)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def turn(typingctx, target, stride, source):
    """Transpose int32 [8][32] at `source` into 32 rows of 8, `stride` bytes apart, at `target`."""

    def codegen(context, builder, signature, args):
        target, stride, source = args
        four = ir.VectorType(ir.IntType(32), 4)
        low, high = places([0, 8, 1, 9, 4, 12, 5, 13]), places([2, 10, 3, 11, 6, 14, 7, 15])
        for column in range(0, LANES, 4):
            rows = [
                load_vector(builder, shift_address(builder, source, 4 * (LANES * row + column)), four)
                for row in range(8)
            ]
            both = [builder.shuffle_vector(rows[k], rows[k + 4], places(range(8))) for k in range(4)]
            for _ in range(2):  # perfect shuffles again, of 4 x 4 numbers
                both = [
                    builder.shuffle_vector(both[k // 2], both[k // 2 + 2], high if k % 2 else low)
                    for k in range(4)
                ]
            for k, row in enumerate(both):
                place = builder.mul(stride, ir.Constant(stride.type, column + k))
                store_vector(builder, row, builder.add(target, place))
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64), codegen


@intrinsic
def add_shares(typingctx, sums, counts, scale, bins, shares, entries):
    """Share the counts of one pixel of 32 frames among bins, in single precision.

    sums     [bins][2][32] float32: signal += share * counts * scale, variance += share^2 * counts * scale
    counts   [32] bytes; scale float32
    bins     [entries] int32, shares [entries] float32
    """

    def codegen(context, builder, signature, args):
        sums, counts, scale, bins, shares, entries = args
        wide = ir.VectorType(ir.FloatType(), LANES)

        def splat(value):
            one = builder.insert_element(
                ir.Constant(wide, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
            )
            return builder.shuffle_vector(one, one, places([0] * LANES))

        value = builder.fmul(builder.uitofp(load_vector(builder, counts, _ROW), wide), splat(scale))
        with cgutils.for_range(builder, entries) as loop:
            at = builder.shl(loop.index, ir.Constant(entries.type, 2))
            share = splat(load_vector(builder, builder.add(shares, at), ir.FloatType()))
            number = builder.sext(load_vector(builder, builder.add(bins, at), ir.IntType(32)), ir.IntType(64))
            place = builder.add(sums, builder.shl(number, ir.Constant(number.type, 8)))
            part = value
            for offset in (0, 4 * LANES):
                part = builder.fmul(part, share)
                at_sum = shift_address(builder, place, offset)
                store_vector(builder, builder.fadd(load_vector(builder, at_sum, wide), part), at_sum)
        return context.get_dummy_value()

    signature = types.void(types.int64, types.int64, types.float32, types.int64, types.int64, types.int64)
    return signature, codegen
