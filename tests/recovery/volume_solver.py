"""Voltage of one face of a symmetric cell by finite differences in the volume, apart from the spectral solve."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from operando.models import SymmetricCell, overpotential


def layers_of(
    pixel_cm: float, stack: list[tuple[float, float]], growth: float = 1.25
) -> tuple[np.ndarray, np.ndarray]:
    """Thicknesses (cm) and conductivities of the voxel layers: fine at the contact, coarser with depth."""
    thick, conductive, step = [], [], pixel_cm
    for depth_cm, conductivity in stack:
        left = depth_cm
        while left > 1e-12:
            now = left if left < 1.5 * step else step
            thick.append(now), conductive.append(conductivity)
            left -= now
            step *= growth
    return np.array(thick), np.array(conductive)


def conjugate_gradients(system: sparse.csr_matrix, right: np.ndarray, start: np.ndarray | None) -> np.ndarray:
    """Jacobi-preconditioned; sums without BLAS, whose threads wait for each other on a busy machine."""
    scale = 1 / system.diagonal()
    x = np.zeros_like(right) if start is None else start.copy()
    r = right - system @ x
    z = scale * r
    p, rz, goal = z.copy(), (r * z).sum(), 1e-10 * (right**2).sum()
    for _ in range(5000):
        q = system @ p
        step = rz / (p * q).sum()
        x += step * p
        r -= step * q
        if (r * r).sum() < goal:
            return x
        z = scale * r
        rz, before = (r * z).sum(), rz
        p = z + rz / before * p
    raise AssertionError("not converged")


def face_voltage(
    contact: np.ndarray,
    pixel_um: float,
    cell: SymmetricCell,
    interphase_um: float,
    density: float,
    refine: int,
) -> float:
    """Voltage (V) between metal and the middle of the electrolyte at a nominal current density (mA/cm2).

    Seven-point finite volumes, mirror sides, Butler-Volmer on each contact voxel by chord iteration.
    """
    h = pixel_um / refine * 1e-4
    mask = np.kron(contact, np.ones((refine, refine), bool))
    stack = [
        (interphase_um * 1e-4, cell.interphase_S_per_cm),
        (cell.electrolyte_um / 2e4, cell.electrolyte_S_per_cm),
    ]
    dz, k = layers_of(h, stack)
    index = np.arange(len(k) * mask.size).reshape(len(k), *mask.shape)
    sideways = np.broadcast_to((k * dz)[:, None, None], index.shape)
    down = h**2 / (dz[1:] / k[1:] + dz[:-1] / k[:-1]) * 2
    joints = [
        (index[:, 1:], index[:, :-1], sideways[:, 1:]), (index[:, :, 1:], index[:, :, :-1], sideways[:, :, 1:]),
        (index[1:], index[:-1], np.broadcast_to(down[:, None, None], index[1:].shape)),
    ]  # fmt: skip
    a, b, g = (np.concatenate([np.ravel(joint[i]) for joint in joints]) for i in range(3))
    edges = sparse.coo_matrix(
        (np.r_[g, g, -g, -g], (np.r_[a, b, a, b], np.r_[a, b, b, a])), (index.size, index.size)
    )
    top, far = index[0][mask], index[-1].ravel()
    local, guess, volt = np.full(top.size, density / mask.mean()), None, np.inf
    kinetics = (cell.exchange_mA_per_cm2, cell.alpha_anodic, cell.alpha_cathodic, cell.temperature_K)
    for _ in range(40):
        chord = overpotential(local, *kinetics) / local * 1e3
        to_metal = h**2 / (chord + dz[0] / (2 * k[0]))
        ends, right = np.zeros(index.size), np.zeros(index.size)
        ends[top] = right[top] = to_metal
        ends[far] += 2 * k[-1] * h**2 / dz[-1]
        guess = conjugate_gradients((edges + sparse.diags(ends)).tocsr(), right, guess)
        flow = to_metal * (1 - guess[top]) / h**2
        volt, before = density * mask.size / flow.sum(), volt
        local = flow * volt
        if abs(volt - before) < 2e-4 * volt:
            break
    return volt * 1e-3
