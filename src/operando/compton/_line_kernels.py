"""Position of known lines in many spectra: numba, plain arrays.

Model of channel i: mu_i = sum_g a_g sum_l s_gl G(E_i - e_gl - shift) dE + b0 + b1 t_i, t from -1 to 1. Amplitudes and
background enter linearly and are solved for; the shift by Gauss-Newton with Poisson weights 1 / mu.
"""

from __future__ import annotations

import numpy as np
from numba import njit

FOUND, EMPTY, LOST = 0.0, 1.0, 2.0


@njit(cache=True, nogil=True, error_model="numpy")
def shapes(energy, width, lines, shares, group, groups, sigma, shift, basis, slope):
    """Fill `basis` (groups, n) with blurred lines, area one, moved by `shift`; `slope` with their derivative by it."""
    norm = 1.0 / (sigma * np.sqrt(2 * np.pi))
    basis[:] = 0.0
    slope[:] = 0.0
    for j in range(lines.size):
        g = group[j]
        for i in range(energy.size):
            t = (energy[i] - lines[j] - shift) / sigma
            if abs(t) < 6:
                value = shares[j] * norm * np.exp(-0.5 * t * t) * width
                basis[g, i] += value
                slope[g, i] += value * t / sigma


@njit(cache=True, nogil=True, error_model="numpy")
def solve_weighted(design, weight, target, size, normal, right, best):
    """Weighted least squares by Cholesky; `best` gets the solution, `normal` the inverse. False when singular."""
    n = target.size
    for a in range(size):
        right[a] = 0.0
        for i in range(n):
            right[a] += design[a, i] * weight[i] * target[i]
        for b in range(a + 1):
            total = 0.0
            for i in range(n):
                total += design[a, i] * weight[i] * design[b, i]
            normal[a, b] = total
            normal[b, a] = total
    scale = np.zeros(size)
    for a in range(size):
        if normal[a, a] <= 0:
            return False
        scale[a] = 1.0 / np.sqrt(normal[a, a])
    small = np.empty((size, size))
    for a in range(size):
        for b in range(size):
            small[a, b] = normal[a, b] * scale[a] * scale[b]
    if np.abs(np.linalg.det(small)) < 1e-12:
        return False
    inverse = np.linalg.inv(small)
    for a in range(size):
        best[a] = 0.0
        for b in range(size):
            normal[a, b] = inverse[a, b] * scale[a] * scale[b]
            best[a] += normal[a, b] * right[b]
    return True


@njit(cache=True, nogil=True, error_model="numpy")
def line_shift(counts, energy, width, lines, shares, group, groups, sigma, reach, starts):
    """Shift (keV) of known lines in one spectrum, its error, the significance of the lines, chi2 a freedom, status."""
    n = energy.size
    size = groups + 3
    design = np.ones((size, n))
    slope = np.empty((groups, n))
    weight, normal = np.empty(n), np.empty((size, size))
    right, best = np.empty(size), np.zeros(size)
    t = np.linspace(-1.0, 1.0, n)
    design[groups] = 1.0
    design[groups + 1] = t
    if counts.sum() < 10:
        return np.nan, np.nan, 0.0, np.nan, EMPTY
    for i in range(n):  # variance from a mean over neighbours: single counts would bias the weights
        low, high = max(i - 4, 0), min(i + 5, n)
        weight[i] = 1.0 / max(counts[low:high].mean(), 0.1)
    shift, least = 0.0, np.inf
    for k in range(starts):
        trial = -reach + 2 * reach * k / max(starts - 1, 1)
        shapes(energy, width, lines, shares, group, groups, sigma, trial, design[:groups], slope)
        if not solve_weighted(design, weight, counts, groups + 2, normal, right, best):
            continue
        chi2 = 0.0
        for i in range(n):
            model = 0.0
            for a in range(groups + 2):
                model += best[a] * design[a, i]
            chi2 += weight[i] * (counts[i] - model) ** 2
        if chi2 < least and best[:groups].max() > 0:
            shift, least = trial, chi2
    if not np.isfinite(least):
        return np.nan, np.nan, 0.0, np.nan, LOST
    status, chi2, significance, step = LOST, np.nan, 0.0, 1.0
    for iteration in range(25):
        shapes(energy, width, lines, shares, group, groups, sigma, shift, design[:groups], slope)
        if not solve_weighted(design, weight, counts, groups + 2, normal, right, best):
            return np.nan, np.nan, 0.0, np.nan, LOST
        chi2, significance = 0.0, 0.0
        for g in range(groups):
            if best[g] > 0:
                significance += best[g] ** 2 / normal[g, g]
        for i in range(n):
            model, tilt = 0.0, 0.0
            for a in range(groups + 2):
                model += best[a] * design[a, i]
            for g in range(groups):
                tilt += max(best[g], 0.0) * slope[g, i]
            design[groups + 2, i] = tilt
            chi2 += weight[i] * (counts[i] - model) ** 2
            if iteration < 6:  # then they stand still: weights that follow a poor model may swing for ever
                weight[i] = 1.0 / max(model, 0.05)
        if not solve_weighted(design, weight, counts, size, normal, right, best):
            return np.nan, np.nan, 0.0, np.nan, LOST
        step = min(max(best[groups + 2], -0.5 * sigma), 0.5 * sigma)
        shift += step
        if abs(step) < 1e-5 * sigma + 1e-3 * np.sqrt(normal[size - 1, size - 1]):
            status = FOUND
            break
    if abs(shift) > reach + sigma:
        status = LOST
    error = np.sqrt(normal[size - 1, size - 1])
    return shift, error, np.sqrt(significance), chi2 / max(n - size, 1), status


@njit(cache=True, nogil=True, error_model="numpy")
def line_shifts(counts, energy, width, lines, shares, group, groups, sigma, reach, starts, out):
    """`line_shift` of every row of counts (spectrum, channel); rows of `out`: shift, error, significance,
    chi2, status.
    """
    for i in range(counts.shape[0]):
        found = line_shift(
            counts[i].astype(np.float64), energy, width, lines, shares, group, groups, sigma, reach, starts
        )
        for j in range(5):
            out[i, j] = found[j]
