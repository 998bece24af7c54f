"""Conjugate gradients with a multigrid V-cycle for the flux through a voxel domain (layout: see `_levels`).

Fields may be float32; every sum over a domain is float64. The smoother is red-black Gauss-Seidel, red first going
down and last going up, so that the cycle is symmetric, as conjugate gradients need.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from ._balance import audit, imbalance, inflow_of
from ._levels import build_levels

FAST = {"contract", "reassoc"}  # sums may be reordered; infinities and NaN keep their meaning


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def flows(b, n, slab, nx, e, cz, cy, cx, out):
    """out[i] = sum of conductance times value of the six neighbours of the n cells from b on.

    Shifted views from zero on (no index can be negative) are what lets the compiler use vector instructions.
    """
    up, down, north, south = e[b + slab :], e[b - slab :], e[b + nx :], e[b - nx :]
    right, left, c_down, c_south, c_left = e[b + 1 :], e[b - 1 :], cz[b - slab :], cy[b - nx :], cx[b - 1 :]
    c_up, c_north, c_right = cz[b:], cy[b:], cx[b:]
    for i in range(n):
        flow = c_up[i] * up[i] + c_down[i] * down[i] + c_north[i] * north[i]
        out[i] = flow + c_south[i] * south[i] + c_right[i] * right[i] + c_left[i] * left[i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def sweep(colour, shape, at, e, f, cz, cy, cx, inverse, buffer):
    """Solve the equations of every second cell for its own value, in place."""
    nz, ny, nx = shape
    slab = ny * nx
    for z in range(nz):
        b = at + z * slab
        flows(b, slab, slab, nx, e, cz, cy, cx, buffer)
        right, scale = f[b : b + slab], inverse[b : b + slab]
        for i in range(slab):
            buffer[i] = scale[i] * (right[i] + buffer[i])
        for y in range(ny):
            own, new, turn = (
                e[b + y * nx : b + y * nx + nx],
                buffer[y * nx : y * nx + nx],
                (z + y + colour) & 1,
            )
            for x in range(nx):
                own[x] = new[x] if (x & 1) == turn else own[x]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def start_sweep(shape, at, e, f, inverse):
    """The red sweep of a field of zeros; black cells are set to zero."""
    nz, ny, nx = shape
    zero = e[at] * 0
    for row in range(nz * ny):
        b = at + row * nx
        own, right, scale, red = e[b : b + nx], f[b : b + nx], inverse[b : b + nx], (row // ny + row % ny) & 1
        for x in range(nx):
            own[x] = scale[x] * right[x] if (x & 1) == red else zero


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def restrict(shape, at, coarse, coarse_at, e, f, cz, cy, cx, buffer):
    """Residual after the first two sweeps, summed over blocks: black cells have none, red ones what black sent them."""
    nz, ny, nx = shape
    slab = ny * nx
    f[coarse_at : coarse_at + coarse[0] * coarse[1] * coarse[2]] = 0
    for z in range(nz):
        flows(at + z * slab, slab, slab, nx, e, cz, cy, cx, buffer)
        for y in range(ny):
            start = coarse_at + ((z // 2) * coarse[1] + y // 2) * coarse[2]
            row, fine = f[start : start + coarse[2]], buffer[y * nx + ((z + y) & 1) : y * nx + nx]
            for i in range((len(fine) + 1) // 2):
                row[i] += fine[2 * i]


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def prolong(shape, at, coarse, coarse_at, e):
    """Add the correction of each block to its cells. Cells without any conductance are put right by the next sweep."""
    nz, ny, nx = shape
    for z in range(nz):
        for y in range(ny):
            b, c = at + (z * ny + y) * nx, coarse_at + ((z // 2) * coarse[1] + y // 2) * coarse[2]
            own, row = e[b : b + nx], e[c : c + coarse[2]]
            for x in range(nx):
                own[x] += row[x >> 1]


@njit(cache=True, nogil=True, error_model="numpy")
def cycle(shapes, offsets, e, f, cz, cy, cx, inverse, buffer):
    """One V-cycle: e = M f, from zero. Both hold all levels; the first is the fine one."""
    last = len(shapes) - 1
    for n in range(last):
        start_sweep(shapes[n], offsets[n], e, f, inverse)
        sweep(1, shapes[n], offsets[n], e, f, cz, cy, cx, inverse, buffer)
        restrict(shapes[n], offsets[n], shapes[n + 1], offsets[n + 1], e, f, cz, cy, cx, buffer)
    e[offsets[last]] = inverse[offsets[last]] * f[offsets[last]]
    for n in range(last - 1, -1, -1):
        prolong(shapes[n], offsets[n], shapes[n + 1], offsets[n + 1], e)
        sweep(1, shapes[n], offsets[n], e, f, cz, cy, cx, inverse, buffer)
        sweep(0, shapes[n], offsets[n], e, f, cz, cy, cx, inverse, buffer)


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def apply(shape, at, p, out, cz, cy, cx, diagonal):
    """out = A p on the fine level; returns p . A p."""
    slab, total = shape[1] * shape[2], 0.0
    for z in range(shape[0]):
        b = at + z * slab
        own, result, scale = p[b : b + slab], out[b : b + slab], diagonal[b : b + slab]
        flows(b, slab, slab, shape[2], p, cz, cy, cx, result)
        for i in range(slab):
            result[i] = scale[i] * own[i] - result[i]
            total += np.float64(own[i]) * np.float64(result[i])
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def dot(at, size, a, b):
    """Sum of a b over the fine level, in float64."""
    one, two, total = a[at : at + size], b[at : at + size], 0.0
    for i in range(size):
        total += np.float64(one[i]) * np.float64(two[i])
    return total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def step_along(shape, at, alpha, u, p, r, ap, sums):
    """u += alpha p, r -= alpha A p; `sums` (z,): residual of each slab, which is the change of flux across it."""
    slab = shape[1] * shape[2]
    for z in range(shape[0]):
        b, end, total = at + z * slab, at + (z + 1) * slab, 0.0
        value, way, left, change = u[b:end], p[b:end], r[b:end], ap[b:end]
        for i in range(slab):
            value[i] += alpha * way[i]
            left[i] -= alpha * change[i]
            total += np.float64(left[i])
        sums[z] = total


@njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST)
def turn(at, size, beta, p, e):
    """p = e + beta p."""
    way, new = p[at : at + size], e[at : at + size]
    for i in range(size):
        way[i] = new[i] + beta * way[i]


@njit(cache=True, nogil=True, error_model="numpy")
def start_residual(shape, at, u, r, source, cz, cy, cx, diagonal, sums):
    """r = source - A u."""
    apply(shape, at, u, r, cz, cy, cx, diagonal)
    slab = shape[1] * shape[2]
    for i in range(at, at + shape[0] * slab):
        r[i] = -r[i]
    i = at
    for y in range(shape[1]):
        for x in range(shape[2]):
            r[i] += source[y, x]
            i += 1
    for z in range(shape[0]):
        total = 0.0
        for i in range(at + z * slab, at + (z + 1) * slab):
            total += np.float64(r[i])
        sums[z] = total


@njit(cache=True, nogil=True, error_model="numpy")
def solve(k, scale, source, low, high, u0, tolerance, most):
    """Potential (z, y, x) of a domain between two electrodes, axis 0 from the source to the ground.

    k         (z, y, x) conductivity, float32 or float64; zero: blocked (must not cut the domain in two)
    scale     (3,) face area over distance of each axis
    source    (y, x) current given to each cell of the first slab; low, high (y, x): conductances of the first slab to
              an electrode (at zero potential, its own is in `source`), of the last slab to ground
    u0        (z, y, x) first guess
    tolerance spread of the flux over the slabs at which to stop; most: limit of the number of steps

    Returns the potential, flux across every plane, dissipation, steps, and the fall of the energy in the last steps
    (newest first), which tells the error: the energy still to be lost is the sum of the falls to come.
    """
    shapes, offsets, cz, cy, cx, diagonal, inverse = build_levels(k, scale, low, high)
    shape, at, size = shapes[0], offsets[0], k.size
    u, r, p = np.zeros_like(cz), np.zeros_like(cz), np.zeros_like(cz)
    ap, e, buffer = np.zeros_like(cz), np.zeros_like(cz), np.zeros(shape[1] * shape[2], k.dtype)
    u[at : at + size] = u0.reshape(-1)
    number = np.zeros(2, k.dtype)  # alpha and beta in the precision of the fields
    sums, falls = np.zeros(shape[0]), np.zeros(4)
    start_residual(shape, at, u, r, source, cz, cy, cx, diagonal, sums)
    steps, before = 0, 0.0
    while steps < most:
        cycle(shapes, offsets, e, r, cz, cy, cx, inverse, buffer)
        rz = dot(at, size, r, e)
        if not rz > 0:
            break
        number[1] = rz / before if steps else 0.0
        turn(at, size, number[1], p, e)
        number[0] = rz / apply(shape, at, p, ap, cz, cy, cx, diagonal)
        step_along(shape, at, number[0], u, p, r, ap, sums)
        falls[1:] = falls[:-1].copy()
        falls[0] = number[0] * rz
        before = rz
        steps += 1
        if imbalance(inflow_of(at, u, source, low), sums) < tolerance:
            break
    flux = np.zeros(shape[0] + 1)
    power = audit(shape, at, u, source, low, high, cz, cy, cx, flux)
    return u[at : at + size].reshape(k.shape).copy(), flux, power, steps, falls
