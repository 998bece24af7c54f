"""The column rule of paper 004 read literally: one column after the other, one voxel after the other."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True)
def literal_column(g, steel, lithium, void, interphase, ahead, depth, label):
    """One column g (z,), from the collector. Sets bits of label: 1 lithium, 2 void, 4 steel. Returns 1, 0 or 2."""
    nz = len(g)
    z = 0
    while (
        z < nz and np.float32(g[z]) >= steel
    ):  # the steel rod ends where the grey value falls under its threshold
        label[z] |= np.uint8(4)
        z += 1
    last = -1
    start = z
    while z < nz:
        if np.float32(g[z]) < lithium:  # recognised as lithium as long as it is below the threshold
            label[z] |= np.uint8(1)
            last = z
        near = min(ahead, nz - 1 - z)
        total = np.float32(0)
        for k in range(1, near + 1):
            total += np.float32(g[z + k])
        if near == 0 or total > np.float32(
            interphase * near
        ):  # the mean of the next ones is the interphase's
            break
        z += 1
    contact = 2
    if last >= 0:
        contact = 1
        for k in range(max(start, last - depth + 1), last + 1):  # the last voxels of the lithium
            if np.float32(g[k]) < void and np.float32(g[k]) < lithium:
                contact = 0
    z = nz - 1
    while z >= 0:  # voids: from the bulk of the electrolyte towards the collector
        if np.float32(g[z]) >= void:
            z -= 1
            continue
        top = z
        while z >= 0 and np.float32(g[z]) < void:
            z -= 1
        if z < 0:
            break
        near = min(ahead, z + 1)
        total = np.float32(0)
        for k in range(near):
            total += np.float32(g[z - k])
        if (
            np.float32(void * near) < total < np.float32(lithium * near)
        ):  # lithium goes on beyond it; else a pore
            for k in range(z + 1, top + 1):
                label[k] |= np.uint8(2)
    return contact


@njit(nogil=True)
def literal(grey, steel, lithium, void, interphase, ahead, depth, label, contact):
    """Every column of grey (z, y, x)."""
    for y in range(grey.shape[1]):
        for x in range(grey.shape[2]):
            contact[y, x] = literal_column(
                grey[:, y, x], steel, lithium, void, interphase, ahead, depth, label[:, y, x]
            )
