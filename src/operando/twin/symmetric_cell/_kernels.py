"""Numba kernels: from surfaces and seeds to voxels, and sums along rays."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

AIR, STEEL, LITHIUM, VOID, INTERPHASE, ELECTROLYTE, PORE, CASING = range(8)
#: material above each surface, beginning below the first
STACK = np.array([STEEL, LITHIUM, VOID, INTERPHASE, ELECTROLYTE, INTERPHASE, VOID, LITHIUM, STEEL])


@njit(cache=True, nogil=True)
def layer_shares(surfaces, y, x, sub, low, voxel, shares):
    """shares[m] = part of the voxel (low, low + voxel) of column (y, x) in material m: overlaps of sub-columns."""
    shares[:] = 0.0
    weight = 1.0 / (sub * sub)
    for j in range(y * sub, (y + 1) * sub):
        for i in range(x * sub, (x + 1) * sub):
            before = 0.0
            for k in range(8):
                below = (surfaces[k, j, i] - low) / voxel
                below = min(max(below, 0.0), 1.0)
                shares[STACK[k]] += weight * (below - before)
                before = below
            shares[STEEL] += weight * (1.0 - before)


@njit(cache=True, nogil=True)
def column_limits(surfaces, y, x, sub, limits):
    """limits[k] = lowest and highest point of surface k in the sub-columns of column (y, x)."""
    for k in range(8):
        part = surfaces[k, y * sub : (y + 1) * sub, x * sub : (x + 1) * sub]
        limits[k, 0], limits[k, 1] = part.min(), part.max()


@njit(cache=True, nogil=True)
def whole_layer(limits, low, high):
    """Number of surfaces below a voxel that no surface cuts, -1 where one does."""
    below = 0
    for k in range(8):
        if limits[k, 1] <= low:
            below += 1
        elif limits[k, 0] < high:
            return -1
    return below


@njit(cache=True, nogil=True)
def material_height(z, nodes, heights, swelling_bottom, swelling_top):
    """Own coordinate of the electrolyte now at height z: linear between nodes, stretched by the swelling outside.

    nodes    (n,) own coordinates, heights (n,) where they are now, both growing
    """
    last = len(nodes) - 1
    if z <= heights[0]:
        return nodes[0] - (heights[0] - z) / swelling_bottom
    if z >= heights[last]:
        return nodes[last] + (z - heights[last]) / swelling_top
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if heights[middle] <= z:
            low = middle
        else:
            high = middle
    part = (z - heights[low]) / (heights[high] - heights[low])
    return nodes[low] + part * (nodes[high] - nodes[low])


@njit(cache=True, nogil=True)
def box_gap2(offset, part, step):
    """Square of the distance along one axis from a point (0..1 of its grid cell) to the cell `offset` away (-1..1)."""
    gap = 0.0 if offset == 0 else (part if offset < 0 else 1.0 - part)
    return (gap * step) ** 2


@njit(cache=True, nogil=True)
def grain_density(z, y, x, step, seeds, boundary_um, loss, soft_um):
    """Relative density of the grain of the nearest seed, mixed over `soft_um` with the next, less at boundaries."""
    nz, ny, nx, _ = seeds.shape
    cz, cy, cx = math.floor(z / step), math.floor(y / step), math.floor(x / step)
    pz, py, px = z / step - cz, y / step - cy, x / step - cx
    first, second, value, other = 1e30, 1e30, 0.0, 0.0
    for number in range(27):
        place = (number + 13) % 27  # the own cell first, then those that can be nearer
        dz, dy, dx = place // 9 - 1, place // 3 % 3 - 1, place % 3 - 1
        if box_gap2(dz, pz, step) + box_gap2(dy, py, step) + box_gap2(dx, px, step) >= second:
            continue
        i, j, k = (cz + dz) % nz, (cy + dy) % ny, (cx + dx) % nx
        rz = (dz + seeds[i, j, k, 0] - pz) * step
        ry = (dy + seeds[i, j, k, 1] - py) * step
        rx = (dx + seeds[i, j, k, 2] - px) * step
        distance = rz * rz + ry * ry + rx * rx
        if distance < first:
            second, other = first, value
            first, value = distance, seeds[i, j, k, 3]
        elif distance < second:
            second, other = distance, seeds[i, j, k, 3]
    gap = math.sqrt(second) - math.sqrt(first)  # twice the distance from the boundary, about
    part = 0.5 + 0.5 * min(gap / soft_um, 1.0)
    edge = 1.0 - loss * math.exp(-((gap / (2.0 * boundary_um)) ** 2))
    return (1.0 + part * value + (1.0 - part) * other) * edge


@njit(cache=True, nogil=True)
def pore_share(z, y, x, step, pores, voxel, first_bottom, first_top, x0, y0, pitch, margin):
    """Share of a voxel in pores, by the distance to the nearest wall. No pore comes within `margin` of a face."""
    nz, ny, nx, _ = pores.shape
    cz, cy, cx = math.floor(z / step), math.floor(y / step), math.floor(x / step)
    share = 0.0
    count_y, count_x = first_bottom.shape
    for place in range(27):
        dz, dy, dx = place // 9 - 1, place // 3 % 3 - 1, place % 3 - 1
        a, b, c = (cz + dz) % nz, (cy + dy) % ny, (cx + dx) % nx
        radius = pores[a, b, c, 3]
        sz, sy, sx = pores[a, b, c, 0], pores[a, b, c, 1], pores[a, b, c, 2]
        rz, ry, rx = (cz + dz + sz) * step - z, (cy + dy + sy) * step - y, (cx + dx + sx) * step - x
        distance = rz * rz + ry * ry + rx * rx
        reach = 1.4 * radius + voxel
        if radius <= 0.0 or distance >= reach * reach:
            continue
        j = min(max(round((ry + y - y0) / pitch), 0), count_y - 1)
        i = min(max(round((rx + x - x0) / pitch), 0), count_x - 1)
        if rz + z - radius - margin < first_bottom[j, i] or rz + z + radius + margin > first_top[j, i]:
            continue
        lump = ry * rx * (sz - 0.5) + rz * ry * (sy - 0.5) + rx * rz * (sx - 0.5)  # pores are no spheres
        wall = radius * (1.0 + 0.8 * lump / max(distance, 1e-9))
        inside = 0.5 + (wall - math.sqrt(distance)) / voxel
        share = max(share, min(inside, 1.0))
    return share


@njit(cache=True, nogil=True)
def fill_voxels(
    surfaces, sub, voxel, rows, inside, casing, first, front, swelling, rise, shift, corner, grain_step, grains,
    grain_edge, pore_step, pores, margin, mu, delta, labels, out_mu, out_delta,
):  # fmt: skip
    """Fill (rows, y, x) labels, attenuation and refraction from surfaces, displacement and texture.

    rows      (first, last) rows of the volume, out_* have last - first
    inside    (y, x) share of each column in the pellet, casing: in the casing
    shift     (x, y, z) drift, corner: position of column 0 in the section
    grain_edge (boundary_um, loss); mu, delta (8,) by material
    """
    count = inside.shape[0]
    levels = rise.shape[0]
    shares = np.zeros(8)
    nodes, heights, limits = np.empty((count, levels)), np.empty((count, levels)), np.empty((count, 8, 2))
    for y in range(count):
        for x in range(count):
            column_limits(surfaces, y, x, sub, limits[x])
            for level in range(levels):
                part = level / (levels - 1)
                nodes[x, level] = front[0, y, x] * (1 - part) + front[1, y, x] * part
                heights[x, level] = nodes[x, level] + rise[level, y, x] + shift[2]
        own_y = corner + y * voxel - shift[1]
        for row in range(rows[0], rows[1]):
            for x in range(count):
                pellet, around = inside[y, x], casing[y, x]
                shares[:] = 0.0
                if pellet > 0.0:
                    layer = whole_layer(limits[x], row * voxel, (row + 1) * voxel)
                    if layer >= 0:
                        shares[STACK[layer]] = 1.0
                    else:
                        layer_shares(surfaces, y, x, sub, row * voxel, voxel, shares)
                density = 1.0
                solid = shares[ELECTROLYTE] + shares[INTERPHASE]
                if solid > 0.0:
                    own_x = corner + x * voxel - shift[0]
                    own = material_height((row + 0.5) * voxel, nodes[x], heights[x], swelling[0], swelling[1])
                    density = grain_density(
                        own, own_y, own_x, grain_step, grains, grain_edge[0], grain_edge[1], voxel
                    )
                    hole = pore_share(
                        own, own_y, own_x, pore_step, pores, voxel, first[0], first[1], corner - shift[0],
                        corner - shift[1], voxel, margin,
                    )  # fmt: skip
                    shares[PORE] = solid * hole
                    shares[ELECTROLYTE] *= 1.0 - hole
                    shares[INTERPHASE] *= 1.0 - hole
                best, share = AIR, 1.0 - pellet - around
                if around > share:
                    best, share = CASING, around
                a, d = around * mu[CASING], around * delta[CASING]
                for k in range(1, 7):
                    weight = shares[k] * pellet
                    if weight > share:
                        best, share = k, weight
                    if k in (ELECTROLYTE, INTERPHASE):
                        weight *= density
                    a += weight * mu[k]
                    d += weight * delta[k]
                labels[row - rows[0], y, x] = best
                out_mu[row - rows[0], y, x] = a
                out_delta[row - rows[0], y, x] = d
