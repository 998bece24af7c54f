"""Sums and logarithms of rows that are a whole number of lanes long: numba, plain arrays.

A sum in one running total waits for each addition, and a compiler may not reorder it without changing the last bits
(with fastmath it does, in ways that depend on what it sees together). `dot` keeps one running total a lane and adds the
lanes up in a fixed order: as fast, and the same bits in every process and on every processor.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8
_LN2_HIGH, _LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
_SQRT_HALF = np.int64(0x3FE6A09E667F3BCD)  # bits of sqrt(1/2)
_L = (
    0.6666666666666735130, 0.3999999999940941908, 0.2857142874366239149, 0.2222219843214978396,
    0.1818357216161805012, 0.1531383769920937332, 0.1479819860511658591,
)  # fmt: skip


def padded(size: int) -> int:
    """The next multiple of `LANES`."""
    return -(-size // LANES) * LANES


def _dot(context: Any, x: Any, y: Any) -> Any:
    """sum x y of two rows (m,), m a multiple of `LANES`: `dot_reference`, lanes side by side."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        lanes = ir.VectorType(
            ir.DoubleType(), LANES // 2
        )  # halves: what loops store is then loaded as it was stored
        rows = [
            context.make_array(t)(context, builder, value=v)
            for t, v in zip(signature.args, values, strict=True)
        ]
        left, right = (builder.bitcast(row.data, lanes.as_pointer()) for row in rows)
        blocks = builder.sdiv(rows[0].nitems, ir.Constant(rows[0].nitems.type, LANES))
        zero = ir.Constant(lanes, [0.0] * (LANES // 2))
        running = [cgutils.alloca_once_value(builder, zero) for _ in range(2)]
        with cgutils.for_range(builder, blocks) as loop:
            for part, total in enumerate(running):
                at = builder.add(builder.shl(loop.index, loop.index.type(1)), loop.index.type(part))
                a, b = (builder.load(builder.gep(p, [at]), align=8) for p in (left, right))
                builder.store(builder.fadd(builder.load(total), builder.fmul(a, b)), total)
        total, half = builder.fadd(*(builder.load(r) for r in running)), LANES // 4
        while half:
            low, high = (
                builder.shuffle_vector(
                    total, ir.Constant(total.type, ir.Undefined),
                    ir.Constant(ir.VectorType(ir.IntType(32), half), list(range(first, first + half))),
                )
                for first in (0, half)
            )  # fmt: skip
            total, half = builder.fadd(low, high), half // 2
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.float64(x, y), generate


dot: Any = intrinsic(_dot)


def dot_reference(x: np.ndarray, y: np.ndarray) -> float:
    """What `dot` gives, to the bit."""
    total = np.zeros(LANES)
    for block in (x * y).reshape(-1, LANES):
        total = total + block
    while len(total) > 1:
        total = total[: len(total) // 2] + total[len(total) // 2 :]
    return float(total[0])


@njit(cache=True, nogil=True, error_model="numpy")
def logarithm(x, out):
    """Natural logarithm of positive normal numbers (m,), to the last bit or two: simple enough to be vectorised.

    x = 2^k (1 + f), f from sqrt(1/2) - 1 to sqrt(2) - 1, ln(1 + f) = 2 artanh(f / (2 + f)) by a polynomial.
    Source: FreeBSD msun, e_log.c.
    """
    bits, mantissa = x.view(np.int64), out.view(np.int64)
    for i in range(x.size):
        mantissa[i] = bits[i] - (((bits[i] - _SQRT_HALF) >> 52) << 52)
    for i in range(x.size):
        k = np.float64(np.int32((bits[i] - _SQRT_HALF) >> 52))
        f = out[i] - 1.0
        s = f / (2.0 + f)
        z, half = s * s, 0.5 * f * f
        r = z * (_L[0] + z * (_L[1] + z * (_L[2] + z * (_L[3] + z * (_L[4] + z * (_L[5] + z * _L[6]))))))
        out[i] = k * _LN2_HIGH - ((half - (s * (half + r) + k * _LN2_LOW)) - f)
